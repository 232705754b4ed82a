"""Which acts a case's page offers to whom: those that the case itself would take from them."""

import pytest

from api.workbench.acts import ASSIGN, shared_acts_now
from domain.case.commands import Actor, Role
from domain.case.status import Status


@pytest.mark.parametrize(
    ("scope", "authority", "offered"),
    [
        ("350000", "amr-350000", True),
        ("000000", "samr", True),
        # whoever supervises an authority does not give work to its people
        ("000000", "amr-350000", False),
        ("350000", "amr-350200", False),
        ("350200", "amr-350000", False),
    ],
)
def test_people_are_given_work_by_their_own_authority_s_operators(
    scope: str, authority: str, offered: bool
) -> None:
    operator = Actor(subject="operator-1", role=Role.OPERATOR, scope=scope)
    for status in (Status.IN_REVIEW, Status.QUALITY_CHECK):
        shown = {"status": status.value, "claimed": True, "authority": authority}
        assert (ASSIGN in shared_acts_now(shown, operator, mine=False)) is offered
    ended = {"status": Status.DRAFT.value, "claimed": False, "authority": authority}
    assert ASSIGN not in shared_acts_now(ended, operator, mine=False)
