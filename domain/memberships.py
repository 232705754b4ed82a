"""Roles that people hold for a while, and who may give and end them."""

from collections.abc import Collection
from datetime import datetime

from domain.case.commands import Actor, Role
from domain.ids import NATION, jurisdiction_of
from domain.jurisdictions import lies_in
from domain.model import Value

OF_INSTITUTION = frozenset({Role.FILER, Role.RESPONSIBLE})
PROGRAM = "program."
"""What the names of accounts begin with that are programs, and no people."""
OF_AUTHORITY = frozenset({Role.REVIEWER, Role.CHECKER, Role.CLERK, Role.OFFICER, Role.DECIDER})


class Membership(Value):
    """A role that a person holds for ``scope`` from ``starts`` until before ``ends``, if ever.

    ``scope`` is an institution, an authority or a jurisdiction, "" for an auditor.
    ``administers``: of a jurisdiction or an institution, its holder gives roles in it.
    """

    id: str
    person: str
    role: Role
    scope: str
    administers: bool
    starts: datetime
    ends: datetime | None
    given_by: str
    note_sha256: str = ""
    given_at: datetime
    ended_by: str = ""
    ended_at: datetime | None = None

    @property
    def actor(self) -> Actor:
        """The person in this role."""
        return Actor(subject=self.person, role=self.role, scope=self.scope)


def holds(membership: Membership, now: datetime) -> bool:
    """Whether it holds at an instant."""
    begun = membership.starts <= now
    over = membership.ends is not None and membership.ends <= now
    return begun and not over and membership.ended_at is None


def is_program(name: str) -> bool:
    """Whether an account is a program's: it has secrets, and no password."""
    return name.startswith(PROGRAM)


def wants_second_factor(membership: Membership, others: Collection[Role] = ()) -> bool:
    """Operators and administrators sign in with a second factor, and whoever holds ``others``."""
    return membership.role is Role.OPERATOR or membership.administers or membership.role in others


def can_administer(role: Role) -> bool:
    """Whether holders of a role can be administrators: of a jurisdiction or an institution."""
    return role in (Role.OPERATOR, Role.FILER)


def may_administer(administrator: Membership, role: Role, scope: str, region: str | None) -> bool:
    """Whether an administrator's membership lets it give or end a role for a scope.

    ``region`` is that of the institution where ``scope`` names one, None for one that is unknown.
    """
    if not administrator.administers:
        return False
    if administrator.role is Role.FILER:
        return role in OF_INSTITUTION and scope == administrator.scope
    if role in OF_INSTITUTION:
        return region is not None and _within(region, administrator)
    if role in OF_AUTHORITY:
        return _within(jurisdiction_of(scope), administrator)
    if role is Role.OPERATOR:
        return _within(scope, administrator)
    return role is Role.AUDITOR and administrator.scope == NATION


def _within(region: str, administrator: Membership) -> bool:
    return lies_in(region, administrator.scope)
