"""Whose account a person of a provider's has, and browsers that are signing in there."""

from datetime import datetime

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.model import Value
from store.tables import identities, provider_sign_ins


class Identity(Value):
    """A person of a provider's, tied to an account."""

    issuer: str
    subject: str
    person: str
    tied_by: str
    tied_at: datetime
    untied_by: str = ""
    untied_at: datetime | None = None


class Begun(Value):
    """A browser that has been sent to the provider. ``state`` and ``link`` are hashes."""

    state: str
    nonce: str
    verifier: str
    leads_to: str
    link: str
    ends_at: datetime


async def tie(connection: AsyncConnection, new: Identity) -> Identity:
    """Ties a person of a provider's to an account, unless they are tied to one: what stands."""
    values = new.model_dump()
    await connection.execute(
        insert(identities)
        .values(**values)
        .on_conflict_do_update(
            index_elements=[identities.c.issuer, identities.c.subject],
            set_=values,
            where=identities.c.untied_at.is_not(None),
        )
    )
    rows = await connection.execute(
        select(identities).where(
            identities.c.issuer == new.issuer, identities.c.subject == new.subject
        )
    )
    return Identity(**rows.mappings().one())


async def untie(
    connection: AsyncConnection, issuer: str, subject: str, person: str, by: str, now: datetime
) -> bool:
    """Unties them; false where they are not tied."""
    done = await connection.execute(
        update(identities)
        .where(
            identities.c.issuer == issuer,
            identities.c.subject == subject,
            identities.c.person == person,
            identities.c.untied_at.is_(None),
        )
        .values(untied_by=by, untied_at=now)
    )
    return done.rowcount == 1


async def person_of(connection: AsyncConnection, issuer: str, subject: str) -> str | None:
    """Whose account it is, None for nobody's."""
    rows = await connection.execute(
        select(identities.c.person).where(
            identities.c.issuer == issuer,
            identities.c.subject == subject,
            identities.c.untied_at.is_(None),
        )
    )
    person: str | None = rows.scalar()
    return person


async def of_person(connection: AsyncConnection, person: str) -> list[Identity]:
    """Whom of a provider's an account is tied to."""
    rows = await connection.execute(
        select(identities)
        .where(identities.c.person == person, identities.c.untied_at.is_(None))
        .order_by(identities.c.tied_at.desc(), identities.c.subject)
    )
    return [Identity(**row) for row in rows.mappings()]


async def begin(connection: AsyncConnection, begun: Begun) -> None:
    """Keeps that a browser is sent to the provider."""
    await connection.execute(insert(provider_sign_ins).values(**begun.model_dump()))


async def take(connection: AsyncConnection, state: str, now: datetime) -> Begun | None:
    """What was kept, once; None for none, or too late."""
    rows = await connection.execute(
        delete(provider_sign_ins)
        .where(provider_sign_ins.c.state == state, provider_sign_ins.c.ends_at > now)
        .returning(*provider_sign_ins.c)
    )
    row = rows.mappings().first()
    return Begun(**row) if row else None


async def forget(connection: AsyncConnection, now: datetime) -> None:
    """Forgets browsers that never came back."""
    await connection.execute(delete(provider_sign_ins).where(provider_sign_ins.c.ends_at <= now))
