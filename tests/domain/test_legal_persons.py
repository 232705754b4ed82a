"""Which accounts of one legal person file: one, and those that keep theirs."""

from typing import Any

import pytest

from domain.case.status import Status
from domain.legal_persons import FILED, Account, Finding, by_itself, doubtful, rival

KEY = "91620102739638125B"


def account(id_: str, **given: Any) -> Account:
    known = {"name": id_, "uscc": KEY, "region": "350102", "legal_person": True, "key": KEY}
    return Account(institution=id_, **{**known, **given})


def test_whoever_files_second_for_one_legal_person_has_a_rival() -> None:
    own, other = account("a"), account("b", filing=Status.SUBMITTED)
    found = rival(own, [other], accounts_kept=True)
    assert found is not None
    assert found.institution == "b"


@pytest.mark.parametrize("status", [None, *(one for one in Status if one not in FILED)])
def test_what_is_not_submitted_keeps_nobody_from_filing(status: Status | None) -> None:
    assert rival(account("a"), [account("b", filing=status)], accounts_kept=False) is None


def test_a_body_that_is_no_legal_person_keeps_its_account_where_the_rules_say_so() -> None:
    branch, head = account("branch", legal_person=False), account("head", filing=Status.COMPLETED)
    assert rival(branch, [head], accounts_kept=True) is None
    assert rival(branch, [head], accounts_kept=False) == head
    filed = branch.model_copy(update={"filing": Status.COMPLETED})
    assert rival(account("head"), [filed], accounts_kept=True) is None
    assert rival(account("head"), [filed], accounts_kept=False) == filed


@pytest.mark.parametrize("finding", [Finding.SEPARATE, Finding.KEEPS_ACCOUNT])
def test_what_an_operator_found_goes_before(finding: Finding) -> None:
    found, other = account("a", finding=finding), account("b", filing=Status.SUBMITTED)
    assert rival(found, [other], accounts_kept=False) is None
    assert (
        rival(account("b"), [found.model_copy(update={"filing": Status.SUBMITTED})], False) is None
    )
    joined = account("a", finding=Finding.FILES_WITH, files_with="b", legal_person=False)
    assert not by_itself(joined, accounts_kept=True)


def test_without_a_code_nobody_is_taken_for_another() -> None:
    nameless = {"uscc": "", "key": ""}
    other = account("b", filing=Status.SUBMITTED, **nameless)
    assert rival(account("a", **nameless), [other], accounts_kept=False) is None


def test_it_is_doubtful_while_two_would_file_and_nobody_has_said_which() -> None:
    a, b = account("a"), account("b")
    assert doubtful([a, b], accounts_kept=True) == (a, b)
    joined = account("b", finding=Finding.FILES_WITH, files_with="a")
    assert doubtful([a, joined], accounts_kept=True) == ()
    branch = account("b", legal_person=False)
    assert doubtful([a, branch], accounts_kept=True) == ()
    assert doubtful([a, branch], accounts_kept=False) == (a, branch)
