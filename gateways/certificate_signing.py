"""Signing certificates of the register that carry no statement, or one that proves nothing now."""

from datetime import date

from sqlalchemy.ext.asyncio import AsyncEngine

from activities.signing_keys import SigningKeys
from domain.certificate_statement import PublishedKeys, Statement, verify
from domain.commands import Actor
from domain.model import Value
from domain.plan import FOREVER
from gateways.clock import Clock
from store import certificates, journal
from store.certificates import Registered

REGISTER = "register/certificates"
"""The journal's name for the register of certificates as a whole."""

_PAGE = 200


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
    today = clock().astimezone(FOREVER.tzinfo).date()
    signed = renewed = kept = 0
    after = ""
    while True:
        async with engine.begin() as connection:
            page = await certificates.printable(connection, after, _PAGE)
            for entry in page:
                statement = _better(entry, keys, published, today)
                if statement is None or not await certificates.replace_statement(
                    connection, entry, statement
                ):
                    kept += 1
                elif entry.statement:
                    renewed += 1
                else:
                    signed += 1
        if len(page) < _PAGE:
            break
        after = page[-1].code
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


def _better(
    entry: Registered, keys: SigningKeys, published: PublishedKeys, today: date
) -> str | None:
    """A statement in place of the one an entry has; None where that one is good."""
    if entry.statement and isinstance(verify(entry.statement, published), Statement):
        return None
    certificate = entry.certificate()
    if certificate is None:
        return None
    statement = keys.statement(certificate, today)
    if not statement:
        raise NoKey
    return statement
