"""People with accounts: given a role at the terminal, a password set by link, signed in."""

import secrets
import zlib

import pyotp

from audit.verify import Keys, verify
from domain.case.commands import SYSTEM, Role
from domain.memberships import Membership
from tests.system import System

PASSWORD = "a-password-for-tests"
TERMINAL = SYSTEM.model_copy(update={"subject": "cli.tests"})


async def given(
    house: System, person: str, role: Role, scope: str, *, administers: bool = False
) -> Membership:
    """A role, given by whoever runs the system."""
    return await house.parts.memberships.give(
        person,
        role,
        scope,
        administers,
        None,
        None,
        TERMINAL,
        secrets.token_hex(8),
        "（生成）",
        by_hand=True,
    )


async def password_set(house: System, person: str) -> str:
    """Sets the person's password by a link; the secret of their codes, "" without."""
    link = await house.parts.memberships.link(person, TERMINAL, secrets.token_hex(8), by_hand=True)
    invitation = await house.parts.sign_in.invited(link)
    code = code_of(house, invitation.secret) if invitation.secret else ""
    await house.parts.sign_in.set_password(link, PASSWORD, PASSWORD, code)
    return invitation.secret


def code_of(house: System, secret: str, ahead: int = 0) -> str:
    """The code that a telephone shows so many time steps from now."""
    return pyotp.TOTP(secret).at(for_time=house.now(), counter_offset=ahead)


async def signed_in(
    house: System, person: str, role: Role, scope: str, *, administers: bool = False
) -> str:
    """What the browser of somebody new keeps once they are signed in."""
    await given(house, person, role, scope, administers=administers)
    secret = await password_set(house, person)
    code = code_of(house, secret, 1) if secret else ""
    # each from a network of their own: how many may sign in from one address is limited
    place = zlib.crc32(person.encode())
    address = f"198.18.{place >> 8 & 255}.{place & 255}"
    return await house.parts.sign_in.sign_in(person, PASSWORD, code, address, "tests")


async def in_order(house: System) -> None:
    """What people were given and lost, and got in by, is as their steps say, to the last row."""
    found = await verify(house.engine, None, Keys(house.keys), house.now)
    assert found.findings == ()
