"""The first accounts of a system: its administrator's, or those of the demonstration."""

import asyncio
import getpass
from collections.abc import Iterable

from sqlalchemy.ext.asyncio import AsyncEngine

from api.door.parts import sign_in_service
from domain.case.commands import Actor, Role
from domain.ids import NATION
from domain.memberships import can_administer
from services.clock import system_clock
from services.memberships import MembershipService
from settings import Settings
from store.database import connect

FIRST = "admin"
"""What the account of the first administrator is called."""


def first_link(settings: Settings) -> str:
    """Where the first administrator sets a password, "" once one can sign in.

    Each start makes another link, and the one before ends.
    """

    async def work() -> str:
        engine = connect(settings.database_url.get_secret_value(), pool_size=1)
        try:
            secret = await _memberships(engine, settings).first_administrator(FIRST, _terminal())
        finally:
            await engine.dispose()
        return f"{settings.public_site}/sign-in/link/{secret}" if secret else ""

    return asyncio.run(work())


def open_demo_accounts(settings: Settings, people: Iterable[Actor]) -> None:
    """Accounts for people of the demonstration, which its sign-in page lists."""

    async def work() -> None:
        engine = connect(settings.database_url.get_secret_value(), pool_size=1)
        memberships = _memberships(engine, settings)
        sign_in = sign_in_service(settings, engine, system_clock)
        try:
            for person in people:
                await memberships.give(
                    person.subject,
                    person.role,
                    person.scope,
                    can_administer(person.role),
                    None,
                    None,
                    _terminal(),
                    f"{person.role}|{person.scope}|{person.subject}",
                    "（生成）",
                    by_hand=True,
                )
                await sign_in.open_demo_account(person.subject)
        finally:
            await engine.dispose()

    asyncio.run(work())


def _memberships(engine: AsyncEngine, settings: Settings) -> MembershipService:
    return MembershipService(engine, settings.keyring, None, system_clock)


def _terminal() -> Actor:
    """Whoever starts the system."""
    return Actor(subject=f"cli.{getpass.getuser()}", role=Role.OPERATOR, scope=NATION)
