"""Signing certificates of the register that carry no statement, or one that proves nothing now."""

from datetime import date

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from domain.case.commands import Actor
from domain.certificates.statement import Statement, verify
from domain.clock import day_of
from domain.model import Value
from services.certificates.keys import SigningKeys
from services.clock import Clock
from store import journal
from store.certificates import register

REGISTER = "register/certificates"
"""The journal's name for the register of certificates as a whole."""

_PAGE = 500


class NoKey(Exception):
    """No key can sign today."""


class Signed(Value):
    """How many certificates were ``signed`` for the first time, ``renewed`` since their statement
    proved nothing any more (its key given up or unknown), and left as they were: ``kept``."""

    signed: int = 0
    renewed: int = 0
    kept: int = 0


async def sign_register(
    engine: AsyncEngine, keys: SigningKeys, actor: Actor, clock: Clock, command_id: str
) -> Signed:
    """Signs what needs it, page by page; broken off and run again it goes on. Raises NoKey.

    Papers printed before keep the statement they have. What changed is on record as one step.
    """
    published = keys.published()
    today = day_of(clock())
    signed = renewed = kept = 0
    after = ""
    while True:
        async with engine.begin() as connection:
            page = await register.statements(connection, after, _PAGE)
            for code, statement in page:
                good = isinstance(verify(statement, published), Statement)
                if good or not await _sign(connection, code, keys, today):
                    kept += 1
                elif statement:
                    renewed += 1
                else:
                    signed += 1
        if len(page) < _PAGE:
            break
        after = page[-1][0]
    counts = Signed(signed=signed, renewed=renewed, kept=kept)
    if signed or renewed:
        async with engine.begin() as connection:
            await journal.append_operator_step(
                connection,
                REGISTER,
                "certificates_signed",
                actor,
                clock(),
                counts.model_dump(),
                command_id,
            )
    return counts


async def _sign(connection: AsyncConnection, code: str, keys: SigningKeys, today: date) -> bool:
    """Signs one certificate; False if it has changed meanwhile, and was signed with the change."""
    entry = await register.by_code(connection, code)
    certificate = entry.stated() if entry is not None else None
    if entry is None or certificate is None:
        return False
    statement = keys.statement(certificate, today)
    if not statement:
        raise NoKey
    return await register.replace_statement(connection, entry, statement)
