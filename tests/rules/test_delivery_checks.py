"""What is wrong with a delivery, at each side of each boundary; no server is needed."""

from datetime import date, timedelta
from typing import Any

import pytest

from domain.certificates.certificate import CertificateContent, CertificateStatus
from domain.connected import ChangeDelivery, EndDelivery, IssueDelivery
from rules.certificates.certificates import current_certificate_rules
from rules.certificates.delivery_checks import Known, Named, delivery_problems, mode_refusal
from rules.file.library import SHIPPED
from tests.certificates import ISSUER, content
from tests.connected import change, end, issue

RULES = current_certificate_rules(SHIPPED)
TODAY = date(2025, 6, 30)
DAY = timedelta(days=1)
ISSUED = date(2025, 3, 21)
HELD = Named(
    number="251301060001",
    institution="lab",
    issuer=ISSUER,
    listed=False,
    status=CertificateStatus.VALID,
    issued_on=ISSUED,
    valid_to=date(2031, 3, 20),
    content=CertificateContent.model_validate(content()),
)
ON_RECORD = Known(institution=True)


def codes(delivery: Any, known: Known, today: date = TODAY) -> list[tuple[str, str]]:
    found = delivery_problems(RULES, ISSUER, delivery, known, today)
    assert all(one.message for one in found)
    return [(one.pointer, one.code) for one in found]


@pytest.mark.parametrize(
    ("on", "wrong"),
    [
        (ISSUED - DAY, True),
        (ISSUED, False),
        (TODAY, False),
        (TODAY + DAY, True),
    ],
)
def test_an_end_lies_between_the_day_of_issue_and_today(on: date, wrong: bool) -> None:
    delivery = EndDelivery.model_validate(end(HELD.number, on=on))
    known = Known(institution=True, number=HELD)
    assert codes(delivery, known) == ([("/on", "ending_day_outside")] if wrong else [])


@pytest.mark.parametrize(("approved_on", "wrong"), [(TODAY, False), (TODAY + DAY, True)])
def test_a_decision_is_not_of_tomorrow(approved_on: date, wrong: bool) -> None:
    delivery = IssueDelivery.model_validate(issue(decision={"approved_on": approved_on}))
    assert codes(delivery, ON_RECORD) == ([("/decision", "decision_impossible")] if wrong else [])


@pytest.mark.parametrize(("after", "wrong"), [(timedelta(), False), (DAY, True)])
def test_a_certificate_is_changed_until_its_last_day_and_ended_later_too(
    after: timedelta, wrong: bool
) -> None:
    known, today = Known(institution=True, number=HELD), HELD.valid_to + after
    changed = ChangeDelivery.model_validate(change(HELD.number, content(address="新址")))
    expected = [("/number", "certificate_not_in_force")] if wrong else []
    assert codes(changed, known, today) == expected
    assert codes(EndDelivery.model_validate(end(HELD.number)), known, today) == []


@pytest.mark.parametrize("status", list(CertificateStatus))
def test_a_listed_certificate_that_has_ended_is_not_revived_by_taking_it_over(
    status: CertificateStatus,
) -> None:
    listed = HELD.model_copy(update={"listed": True, "status": status, "content": None})
    delivery = IssueDelivery.model_validate(issue(decision={"number": HELD.number}))
    fine = status in (CertificateStatus.VALID, CertificateStatus.EXPIRED)
    expected = [] if fine else [("/decision/number", "certificate_not_in_force")]
    assert codes(delivery, Known(institution=True, number=listed)) == expected


def test_a_listed_certificate_of_another_holder_or_issuer_is_not_taken_over() -> None:
    listed = HELD.model_copy(update={"listed": True, "number": "A-1", "content": None})
    delivery = IssueDelivery.model_validate(issue(decision={"number": "A-1"}))
    for update, code in (
        ({"institution": "other"}, "other_holder"),
        ({"issuer": "amr-330000"}, "other_issuer"),
        ({"listed": False}, "number_taken"),
    ):
        known = Known(institution=True, number=listed.model_copy(update=update))
        assert codes(delivery, known) == [("/decision/number", code)]
    assert codes(delivery, Known(institution=True, allotted=True)) == [
        ("/decision/number", "number_taken")
    ]


def test_a_number_is_its_own_authoritys() -> None:
    for number, expected in (
        ("251301069998", []),
        ("251101069998", [("/decision/number", "other_issuer")]),
        ("253301069998", []),
    ):
        delivery = IssueDelivery.model_validate(issue(decision={"number": number}))
        assert codes(delivery, Known(institution=True)) == expected


@pytest.mark.parametrize(
    ("region", "code"),
    [("350102", None), ("350000", None), ("360102", "outside_jurisdiction")],
)
def test_a_new_institution_lies_in_its_issuers_jurisdiction(region: str, code: str | None) -> None:
    details = {"region": region, "legal_person": True}
    delivery = IssueDelivery.model_validate(issue(institution=details))
    expected = [("/institution/region", code)] if code else []
    assert codes(delivery, Known(institution=False)) == expected


def test_the_mode_decides_and_the_sandbox_is_free_of_it() -> None:
    refusal = mode_refusal(RULES, ISSUER, sandbox=False)
    assert refusal is not None
    assert refusal.cite is not None
    assert (refusal.cite.document, refusal.cite.clause) == ("市监检测函〔2019〕1364号", "三")
    assert mode_refusal(RULES, ISSUER, sandbox=True) is None
