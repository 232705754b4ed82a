"""When a role holds, and who may give and end which."""

from datetime import UTC, datetime, timedelta

import pytest

from domain.case.commands import Role
from domain.memberships import OF_AUTHORITY, Membership, holds, may_administer, wants_second_factor

NOW = datetime(2025, 3, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def held(role: Role = Role.OPERATOR, scope: str = "350000", **more: object) -> Membership:
    given = {"administers": True, "starts": NOW, "ends": None, **more}
    return Membership.model_validate(
        {"id": "m", "person": "p", "role": role, "scope": scope, "given_by": "g", "given_at": NOW}
        | given
    )


def test_a_role_holds_from_its_first_instant_until_before_its_last() -> None:
    role = held(ends=NOW + SECOND)
    assert [holds(role, NOW + n * SECOND) for n in (-1, 0, 1)] == [False, True, False]
    assert not holds(held(ended_at=NOW), NOW)


@pytest.mark.parametrize(
    ("role", "scope", "region", "may"),
    [
        (Role.REVIEWER, "amr-350200", None, True),
        (Role.CLERK, "amr-350000", None, True),
        (Role.REVIEWER, "amr-440000", None, False),
        (Role.REVIEWER, "samr", None, False),
        (Role.DECIDER, "group-railway", None, False),
        (Role.OPERATOR, "350000", None, True),
        (Role.OPERATOR, "350200", None, True),
        (Role.OPERATOR, "000000", None, False),
        (Role.OPERATOR, "360000", None, False),
        (Role.FILER, "lab", "350102", True),
        (Role.FILER, "lab", "440100", False),
        (Role.FILER, "nobody", None, False),
        (Role.RESPONSIBLE, "lab", "350102", True),
        (Role.AUDITOR, "", None, False),
        (Role.SYSTEM, "", None, False),
    ],
)
def test_a_province_gives_roles_within_itself(
    role: Role, scope: str, region: str | None, may: bool
) -> None:
    assert may_administer(held(), role, scope, region) is may
    assert not may_administer(held(administers=False), role, scope, region)


def test_the_nation_gives_what_is_no_provinces() -> None:
    nation = held(scope="000000")
    assert may_administer(nation, Role.AUDITOR, "", None)
    assert may_administer(nation, Role.REVIEWER, "group-railway", None)


def test_an_institution_gives_its_own_clerks_and_nothing_else() -> None:
    lab = held(Role.FILER, "lab-1")
    assert may_administer(lab, Role.FILER, "lab-1", "350102")
    assert may_administer(lab, Role.RESPONSIBLE, "lab-1", "350102")
    assert not may_administer(lab, Role.FILER, "lab-2", "350102")
    assert not may_administer(lab, Role.REVIEWER, "lab-1", None)


def test_every_role_is_of_something_that_somebody_administers() -> None:
    nation = held(scope="000000")
    scopes = {Role.OPERATOR: "350000", Role.AUDITOR: ""}
    for role in set(Role) - {Role.SYSTEM}:
        scope = "amr-350000" if role in OF_AUTHORITY else scopes.get(role, "lab")
        assert may_administer(nation, role, scope, "350102"), role
    assert not may_administer(nation, Role.SYSTEM, "", "350102")


def test_operators_and_administrators_need_a_second_factor() -> None:
    assert wants_second_factor(held(administers=False))
    assert wants_second_factor(held(Role.FILER, "lab-1"))
    assert not wants_second_factor(held(Role.FILER, "lab-1", administers=False))
