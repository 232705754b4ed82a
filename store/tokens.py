"""Tokens that were issued to people, and secrets of programs, as they stand on record."""

from datetime import datetime

from sqlalchemy import func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.case.commands import Actor, Role
from domain.model import Value
from store.tables import program_secrets, tokens


class Token(Value):
    """A token that somebody got; what it says is nowhere but in the token itself."""

    id: str
    person: str
    role: Role
    scope: str
    issued_by: str
    issued_at: datetime
    ends_at: datetime
    revoked_by: str = ""
    revoked_at: datetime | None = None

    @property
    def actor(self) -> Actor:
        """Whom it stands for."""
        return Actor(subject=self.person, role=self.role, scope=self.scope)


class ProgramSecret(Value):
    """A secret of a program; ``ends_at`` None for one that stands until it is ended."""

    id: str
    program: str
    sha256: str
    made_by: str
    made_at: datetime
    ends_at: datetime | None = None


async def add(connection: AsyncConnection, token: Token) -> None:
    """Keeps that a token was issued."""
    await connection.execute(insert(tokens).values(**token.model_dump()))


async def by_id(connection: AsyncConnection, id_: str) -> Token | None:
    """One token, None for none on record under this id."""
    rows = await connection.execute(select(tokens).where(tokens.c.id == id_))
    row = rows.mappings().first()
    return Token(**row) if row else None


async def of_person(connection: AsyncConnection, person: str, now: datetime) -> list[Token]:
    """A person's tokens that still hold, the latest first."""
    rows = await connection.execute(
        select(tokens)
        .where(tokens.c.person == person, tokens.c.ends_at > now, tokens.c.revoked_at.is_(None))
        .order_by(tokens.c.issued_at.desc(), tokens.c.id)
        .limit(500)
    )
    return [Token(**row) for row in rows.mappings()]


async def revoke(connection: AsyncConnection, id_: str, by: str, now: datetime) -> bool:
    """Revokes a token; false where it has been."""
    done = await connection.execute(
        update(tokens)
        .where(tokens.c.id == id_, tokens.c.revoked_at.is_(None))
        .values(revoked_by=by, revoked_at=now)
    )
    return done.rowcount == 1


# --- secrets of programs --------------------------------------------------------------------------


async def add_secret(connection: AsyncConnection, secret: ProgramSecret) -> bool:
    """Keeps a program's further secret; false for one that is kept already."""
    added = await connection.execute(
        insert(program_secrets)
        .values(**secret.model_dump())
        .on_conflict_do_nothing()
        .returning(program_secrets.c.id)
    )
    return added.first() is not None


async def end_secrets(
    connection: AsyncConnection, program: str, at: datetime, but: str = ""
) -> None:
    """Has a program's secrets end at an instant, unless they do before; ``but`` one of them."""
    await connection.execute(
        update(program_secrets)
        .where(program_secrets.c.program == program, program_secrets.c.id != but)
        .values(ends_at=func.least(program_secrets.c.ends_at, at))
    )


async def secrets_of(
    connection: AsyncConnection, program: str, now: datetime
) -> list[ProgramSecret]:
    """A program's secrets that hold, the latest first."""
    rows = await connection.execute(
        select(program_secrets)
        .where(
            program_secrets.c.program == program,
            or_(program_secrets.c.ends_at.is_(None), program_secrets.c.ends_at > now),
        )
        .order_by(program_secrets.c.made_at.desc(), program_secrets.c.id)
    )
    return [ProgramSecret(**row) for row in rows.mappings()]
