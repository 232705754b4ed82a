"""Accounts, memberships, one-time links and sign-ins, as they stand on record."""

from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import ColumnElement, and_, delete, exists, false, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.case.commands import Actor, Role
from domain.memberships import OF_AUTHORITY, OF_INSTITUTION, Membership
from domain.model import Value
from store.areas import lies_in, regions
from store.tables import (
    account_links,
    accounts,
    institutions,
    known_browsers,
    memberships,
    sessions,
    sign_in_uses,
    tokens,
)

_FORGOTTEN_AT_ONCE = 20


class Account(Value):
    """Who can sign in; without a password nobody can yet, without a salt there is no code."""

    name: str
    password_hash: str = ""
    totp_salt: str = ""
    totp_used: int = 0
    made_at: datetime


class Link(Value):
    """A one-time link by which somebody sets a password."""

    sha256: str
    person: str
    made_by: str
    made_at: datetime
    ends_at: datetime
    used_at: datetime | None = None


class Session(Value):
    """A browser that is signed in, as its person in one membership, until ``ends_at``.

    ``issuer``, ``subject`` and ``provider_session`` name the provider it came from and what that
    calls person and sign-in, "" for a local one.
    """

    sha256: str
    person: str
    membership: str
    second_factor: bool
    agent: str
    began_at: datetime
    ends_at: datetime
    ended_at: datetime | None = None
    issuer: str = ""
    subject: str = ""
    provider_session: str = ""


async def add_account(connection: AsyncConnection, name: str, now: datetime) -> None:
    """Puts an account on record that cannot sign in yet, unless it is there."""
    await connection.execute(
        insert(accounts).values(name=name, made_at=now).on_conflict_do_nothing()
    )


async def account(connection: AsyncConnection, name: str) -> Account | None:
    """One account, None for none of this name."""
    rows = await connection.execute(select(accounts).where(accounts.c.name == name))
    row = rows.mappings().first()
    return Account(**row) if row else None


async def set_password(
    connection: AsyncConnection, name: str, password_hash: str, totp_salt: str
) -> None:
    """Sets what an account signs in with."""
    await connection.execute(
        update(accounts)
        .where(accounts.c.name == name)
        .values(password_hash=password_hash, totp_salt=totp_salt)
    )


async def has_still(connection: AsyncConnection, name: str, password_hash: str) -> bool:
    """Whether an account has this password; none is set before the transaction ends."""
    found = await connection.execute(
        select(accounts.c.name)
        .where(accounts.c.name == name, accounts.c.password_hash == password_hash)
        .with_for_update(key_share=True)
    )
    return found.first() is not None


async def use_step(connection: AsyncConnection, name: str, step: int) -> bool:
    """Uses up a code's time step; false where it, or a later one, has been used."""
    done = await connection.execute(
        update(accounts)
        .where(accounts.c.name == name, accounts.c.totp_used < step)
        .values(totp_used=step)
    )
    return done.rowcount == 1


# --- memberships ----------------------------------------------------------------------------------


async def add_membership(connection: AsyncConnection, given: Membership) -> tuple[Membership, bool]:
    """Puts a membership on record, and whether it is new; one under this id already stays."""
    added = await connection.execute(
        insert(memberships)
        .values(**given.model_dump())
        .on_conflict_do_nothing()
        .returning(memberships.c.id)
    )
    standing = await membership(connection, given.id)
    assert standing is not None
    return standing, added.first() is not None


async def membership(connection: AsyncConnection, id_: str) -> Membership | None:
    """One membership, None for none with this id."""
    rows = await connection.execute(select(memberships).where(memberships.c.id == id_))
    row = rows.mappings().first()
    return Membership(**row) if row else None


async def memberships_of(connection: AsyncConnection, person: str) -> list[Membership]:
    """All that a person holds and held, the latest first."""
    rows = await connection.execute(
        select(memberships)
        .where(memberships.c.person == person)
        .order_by(memberships.c.starts.desc(), memberships.c.id)
    )
    return [Membership(**row) for row in rows.mappings()]


class Listed(Value):
    """A membership as a list shows it; ``institution`` is the name of its, "" for none."""

    membership: Membership
    institution: str = ""


class Wanted(NamedTuple):
    """Which memberships a list is about; what is empty leaves all in."""

    person: str = ""
    role: str = ""
    scope: str = ""
    holding_at: datetime | None = None


async def memberships_under(
    connection: AsyncConnection,
    administrator: Membership,
    wanted: Wanted,
    after: tuple[datetime, str] | None,
    size: int,
) -> list[Listed]:
    """All that an administrator may give and end, held or over, the latest begun first."""
    columns = memberships.c
    found = (
        select(memberships, institutions.c.name.label("institution"))
        .outerjoin(
            institutions,
            (institutions.c.id == columns.scope) & columns.role.in_(sorted(OF_INSTITUTION)),
        )
        .where(_under(administrator))
        .order_by(columns.starts.desc(), columns.id)
        .limit(size)
    )
    for column, text in (
        (columns.person, wanted.person),
        (columns.role, wanted.role),
        (columns.scope, wanted.scope),
    ):
        if text:
            found = found.where(column == text)
    if wanted.holding_at is not None:
        found = found.where(_holding(wanted.holding_at))
    if after is not None:
        starts, id_ = after
        found = found.where(
            or_(columns.starts < starts, (columns.starts == starts) & (columns.id > id_))
        )
    rows = await connection.execute(found)
    return [
        Listed(
            membership=Membership(**{name: row[name] for name in Membership.model_fields}),
            institution=row["institution"] or "",
        )
        for row in rows.mappings()
    ]


def _under(administrator: Membership) -> ColumnElement[bool]:
    """What `domain.memberships.may_administer` says, of all rows at once."""
    columns = memberships.c
    of_institution = columns.role.in_(sorted(OF_INSTITUTION))
    if not administrator.administers:
        return false()
    if administrator.role is Role.FILER:
        return of_institution & (columns.scope == administrator.scope)
    codes = regions(administrator.scope)
    if codes is None:
        known = institutions.c.id.is_not(None)
        return or_(columns.role.not_in(sorted(OF_INSTITUTION)), known)
    authorities = [f"amr-{code}" for code in codes]
    return or_(
        of_institution & lies_in(institutions.c.region, administrator.scope),
        columns.role.in_(sorted(OF_AUTHORITY)) & (columns.scope == func.any(authorities)),
        (columns.role == Role.OPERATOR.value) & lies_in(columns.scope, administrator.scope),
    )


def _holding(now: datetime) -> ColumnElement[bool]:
    return (
        (memberships.c.starts <= now)
        & or_(memberships.c.ends.is_(None), memberships.c.ends > now)
        & memberships.c.ended_at.is_(None)
    )


async def passed(connection: AsyncConnection, now: datetime, size: int) -> list[Membership]:
    """Memberships whose last instant has passed, and of which that is not on record yet."""
    rows = await connection.execute(
        select(memberships)
        .where(memberships.c.ends <= now, memberships.c.ended_at.is_(None))
        .order_by(memberships.c.ends, memberships.c.id)
        .limit(size)
    )
    return [Membership(**row) for row in rows.mappings()]


async def memberships_for(connection: AsyncConnection, scope: str) -> list[Membership]:
    """All that people hold and held for a scope, the latest first."""
    rows = await connection.execute(
        select(memberships)
        .where(memberships.c.scope == scope)
        .order_by(memberships.c.starts.desc(), memberships.c.id)
        .limit(500)
    )
    return [Membership(**row) for row in rows.mappings()]


async def end_membership(connection: AsyncConnection, id_: str, by: str, at: datetime) -> bool:
    """Ends it; false where it has been ended."""
    done = await connection.execute(
        update(memberships)
        .where(memberships.c.id == id_, memberships.c.ended_at.is_(None))
        .values(ended_by=by, ended_at=at)
    )
    return done.rowcount == 1


async def standing(
    connection: AsyncConnection, actor: Actor, now: datetime, token: str
) -> tuple[bool, bool]:
    """Whether a role for a scope was given and does not hold now; whether a token was revoked.

    Whoever was never given a role on record is known by their token alone.
    """
    held = select(func.bool_or(_holding(now))).where(
        memberships.c.person == actor.subject,
        memberships.c.role == actor.role.value,
        memberships.c.scope == actor.scope,
    )
    revoked = exists().where(tokens.c.id == token, tokens.c.revoked_at.is_not(None))
    rows = await connection.execute(select(held.scalar_subquery(), revoked))
    holds, gone = rows.one()
    return holds is False, gone


async def administered(connection: AsyncConnection, scope: str) -> bool:
    """Whether anybody has ever been made an administrator of a jurisdiction and can sign in."""
    rows = await connection.execute(
        select(memberships.c.id)
        .join(accounts, accounts.c.name == memberships.c.person)
        .where(
            memberships.c.role == Role.OPERATOR.value,
            memberships.c.scope == scope,
            memberships.c.administers,
            accounts.c.password_hash != "",
        )
        .limit(1)
    )
    return rows.first() is not None


# --- links ----------------------------------------------------------------------------------------


async def add_link(connection: AsyncConnection, link: Link) -> None:
    """Keeps a link; its person's earlier ones end. The same link again changes nothing."""
    added = await connection.execute(
        insert(account_links)
        .values(**link.model_dump())
        .on_conflict_do_nothing()
        .returning(account_links.c.sha256)
    )
    if added.first() is not None:
        await connection.execute(
            update(account_links)
            .where(
                account_links.c.person == link.person,
                account_links.c.sha256 != link.sha256,
                account_links.c.ends_at > link.made_at,
            )
            .values(ends_at=link.made_at)
        )


async def open_link(connection: AsyncConnection, sha256: str, now: datetime) -> Link | None:
    """A link that can still be used."""
    rows = await connection.execute(
        select(account_links).where(
            account_links.c.sha256 == sha256,
            account_links.c.ends_at > now,
            account_links.c.used_at.is_(None),
        )
    )
    row = rows.mappings().first()
    return Link(**row) if row else None


async def use_link(connection: AsyncConnection, sha256: str, now: datetime) -> bool:
    """Uses a link up; false where somebody was earlier."""
    done = await connection.execute(
        update(account_links)
        .where(account_links.c.sha256 == sha256, account_links.c.used_at.is_(None))
        .values(used_at=now)
    )
    return done.rowcount == 1


# --- sign-ins -------------------------------------------------------------------------------------


async def add_session(connection: AsyncConnection, session: Session) -> None:
    """Keeps a sign-in."""
    await connection.execute(insert(sessions).values(**session.model_dump()))


class Kept(NamedTuple):
    """A sign-in, the membership it acts in, and when somebody last did something with it."""

    session: Session
    membership: Membership
    used_at: datetime


_USED_AT = func.coalesce(sign_in_uses.c.used_at, sessions.c.began_at)


def _goes_on(now: datetime, idle: timedelta) -> ColumnElement[bool]:
    """Whether a sign-in has neither ended nor been left alone for so long."""
    until = sessions.c.ends_at > now
    return and_(until, sessions.c.ended_at.is_(None), now - idle < _USED_AT)


async def session(
    connection: AsyncConnection, sha256: str, now: datetime, idle: timedelta
) -> Kept | None:
    """A sign-in that goes on, with the membership it acts in, whatever became of that."""
    kept = [column.label(f"s_{column.name}") for column in sessions.c]
    rows = await connection.execute(
        select(*kept, memberships, _USED_AT.label("used_at"))
        .join(memberships, memberships.c.id == sessions.c.membership)
        .outerjoin(sign_in_uses, sign_in_uses.c.sha256 == sessions.c.sha256)
        .where(sessions.c.sha256 == sha256, _goes_on(now, idle))
    )
    row = rows.mappings().first()
    if row is None:
        return None
    of_session = {name: row[f"s_{name}"] for name in Session.model_fields}
    of_membership = {name: row[name] for name in Membership.model_fields}
    return Kept(Session(**of_session), Membership(**of_membership), row["used_at"])


async def note_use(connection: AsyncConnection, sha256: str, now: datetime) -> None:
    """Keeps that somebody does something with a sign-in; those long over are forgotten."""
    used = insert(sign_in_uses).values(sha256=sha256, used_at=now)
    later = func.greatest(sign_in_uses.c.used_at, used.excluded.used_at)
    await connection.execute(
        used.on_conflict_do_update(index_elements=["sha256"], set_={"used_at": later})
    )
    over = (
        select(sessions.c.sha256)
        .join(sign_in_uses, sign_in_uses.c.sha256 == sessions.c.sha256)
        .where(or_(sessions.c.ends_at <= now, sessions.c.ended_at.is_not(None)))
        .limit(_FORGOTTEN_AT_ONCE)
    )
    await connection.execute(delete(sign_in_uses).where(sign_in_uses.c.sha256.in_(over)))


async def act_in(connection: AsyncConnection, sha256: str, membership_id: str) -> None:
    """Has a sign-in act in another membership of its person."""
    await connection.execute(
        update(sessions).where(sessions.c.sha256 == sha256).values(membership=membership_id)
    )


async def sessions_of(
    connection: AsyncConnection, person: str, now: datetime, idle: timedelta
) -> list[Session]:
    """A person's sign-ins that go on, the latest begun first."""
    rows = await connection.execute(
        select(sessions)
        .outerjoin(sign_in_uses, sign_in_uses.c.sha256 == sessions.c.sha256)
        .where(sessions.c.person == person, _goes_on(now, idle))
        .order_by(sessions.c.began_at.desc(), sessions.c.sha256)
    )
    return [Session(**row) for row in rows.mappings()]


async def end_sessions(
    connection: AsyncConnection, person: str, now: datetime, sha256: str = "", besides: str = ""
) -> int:
    """Ends one sign-in of a person, or all of them but one; how many had not ended."""
    query = update(sessions).where(sessions.c.person == person, sessions.c.ended_at.is_(None))
    if sha256:
        query = query.where(sessions.c.sha256 == sha256)
    if besides:
        query = query.where(sessions.c.sha256 != besides)
    return (await connection.execute(query.values(ended_at=now))).rowcount


async def end_provider_sessions(
    connection: AsyncConnection, issuer: str, subject: str, session_: str, now: datetime
) -> int:
    """Ends the sign-ins that came from a provider's person or sign-in; how many those were."""
    query = update(sessions).where(sessions.c.issuer == issuer, sessions.c.ended_at.is_(None))
    if session_:
        query = query.where(sessions.c.provider_session == session_)
    if subject:
        query = query.where(sessions.c.subject == subject)
    done = await connection.execute(query.values(ended_at=now))
    return done.rowcount


async def add_browser(
    connection: AsyncConnection, sha256: str, person: str, now: datetime, ends_at: datetime
) -> None:
    """Keeps that somebody has signed in with a browser."""
    values = {"sha256": sha256, "person": person, "made_at": now, "ends_at": ends_at}
    await connection.execute(insert(known_browsers).values(values).on_conflict_do_nothing())


async def knows_browser(
    connection: AsyncConnection, sha256: str, person: str, now: datetime
) -> bool:
    """Whether this person has signed in with a browser lately."""
    rows = await connection.execute(
        select(known_browsers.c.sha256).where(
            known_browsers.c.sha256 == sha256,
            known_browsers.c.person == person,
            known_browsers.c.ends_at > now,
        )
    )
    return rows.first() is not None


async def forget_browsers(connection: AsyncConnection, person: str, now: datetime) -> None:
    """Takes the browsers of a person for unknown ones from now on."""
    await connection.execute(
        update(known_browsers)
        .where(known_browsers.c.person == person, known_browsers.c.ends_at > now)
        .values(ends_at=now)
    )


async def memberships_like(connection: AsyncConnection, prefix: str) -> list[Membership]:
    """What people whose names begin with ``prefix`` hold and held, by name."""
    rows = await connection.execute(
        select(memberships)
        .where(memberships.c.person.startswith(prefix, autoescape=True))
        .order_by(memberships.c.person)
        .limit(100)
    )
    return [Membership(**row) for row in rows.mappings()]
