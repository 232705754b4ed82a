"""Second signatures, waivers, remarks and corrections, as the state machine decides on them."""

from typing import Any

import pytest

from domain.case import commands as c
from domain.case.kind import evolve
from domain.case.review import decide
from domain.case.state import CaseState
from domain.citation import Citation
from domain.filing.attesting import AskUnsigned, Attest, DemandSigner, ExcuseSigner
from domain.filing.findings import Correction, FilingFindings
from domain.filing.kind import FILING, Submit
from domain.filing.remarking import Remark
from domain.filing.state import FilingState
from domain.filing.waiving import (
    AskWaiver,
    DeclineWaiver,
    GrantWaiver,
    granted,
    granted_by,
    waived_by_another,
)
from domain.refusals import Code, Refusal
from tests.domain.filing.test_transitions import (
    ONE,
    OPERATOR,
    SHA,
    base,
    checker,
    day,
    decision,
    draft,
    filer,
    in_review,
    played,
    responsible,
    reviewer,
)

LAW = Citation(document="中华人民共和国统计法实施条例", clause="第十七条")
SIGNED = FilingFindings(decision=decision(1), editors=("filer-1",), attestation=LAW, files=())
OTHER = "b" * 64


def after(state: CaseState, command: c.Command, findings: FilingFindings = SIGNED) -> CaseState:
    found = decide(FILING, state, ONE, command, command.received_at, findings)
    assert not isinstance(found, Refusal), found
    for event in found:
        state = evolve(FILING, state, event.model_copy(update={"at": command.received_at}))
    return state


def why_not(
    state: CaseState, command: c.Command, findings: FilingFindings = SIGNED
) -> tuple[Code, str]:
    found = decide(FILING, state, ONE, command, command.received_at, findings)
    assert isinstance(found, Refusal), found
    return found.code, found.cite.clause if found.cite else ""


def given(made: type[c.Command], actor: c.Actor, note: bool = True, **fields: Any) -> Any:
    return made.model_validate({**base(day(2), actor, note), **fields})


def attest(who: str = "head-1", revision: int = 1, sha256: str = SHA) -> Any:
    return given(Attest, responsible(who), revision=revision, content_sha256=sha256)


def submit(revision: int = 1, sha256: str = SHA, who: str = "filer-1", **more: Any) -> Any:
    return given(Submit, filer(who), revision=revision, content_sha256=sha256, **more)


def test_what_nobody_has_confirmed_is_not_submitted_and_the_clause_says_so() -> None:
    state = draft(ONE)
    assert why_not(state, submit()) == (Code.NOT_ATTESTED, "第十七条")
    confirmed = after(state, attest())
    assert after(confirmed, submit()).revision == 1
    # where the rules do not ask for it, nobody has to
    assert after(state, submit(), FilingFindings(decision=decision(1))).revision == 1


def test_a_confirmation_holds_for_its_own_revision_and_no_other() -> None:
    confirmed = after(draft(ONE), attest())
    assert why_not(confirmed, submit(2, OTHER)) == (Code.NOT_ATTESTED, "第十七条")
    assert why_not(confirmed, submit(1, OTHER)) == (Code.NOT_ATTESTED, "第十七条")
    again = after(confirmed, attest(revision=2, sha256=OTHER))
    assert why_not(again, submit()) == (Code.NOT_ATTESTED, "第十七条")
    assert after(again, submit(2, OTHER)).revision == 2
    assert why_not(again, attest(revision=2, sha256=OTHER))[0] is Code.WRONG_STATUS


def test_who_filled_it_in_or_submits_it_does_not_confirm_it() -> None:
    state = draft(ONE)
    assert why_not(state, attest("filer-1"))[0] is Code.SIGNER_IS_FILER
    confirmed = after(state, attest("head-1"))
    assert why_not(confirmed, submit(who="head-1")) == (Code.SIGNER_IS_FILER, "第十七条")


def test_who_confirmed_reviews_nothing_of_it() -> None:
    state = after(after(draft(ONE), attest("head-1")), submit())
    claim = given(c.Claim, reviewer("amr-350102", "head-1"))
    assert why_not(state, claim)[0] is Code.SAME_PERSON


def test_nobody_left_to_sign_is_for_the_operator() -> None:
    state = draft(ONE)
    ask = given(AskUnsigned, filer())
    assert why_not(state, given(AskUnsigned, filer(), note=False))[0] is Code.REASON_REQUIRED
    assert why_not(state, given(ExcuseSigner, OPERATOR))[0] is Code.WRONG_STATUS
    asked = after(state, ask)
    assert why_not(asked, ask)[0] is Code.WRONG_STATUS
    assert why_not(asked, submit())[0] is Code.NOT_ATTESTED
    excused = after(asked, given(ExcuseSigner, OPERATOR))
    assert after(excused, submit()).revision == 1
    # the operator can ask for the signature again
    demanded = after(excused, given(DemandSigner, OPERATOR))
    assert why_not(demanded, submit())[0] is Code.NOT_ATTESTED


def own(state: CaseState) -> FilingState:
    """What a filing's state has beside what every case has."""
    assert isinstance(state.own, FilingState)
    return state.own


ASKED: dict[str, Any] = {
    "part": "statistics",
    "check": "staff-zero",
    "pointer": "/statistics/staff",
}


def test_a_check_is_waived_by_the_reviewing_authority_for_what_was_found() -> None:
    state = draft(ONE)
    ask = given(AskWaiver, filer(), **ASKED, finding=SHA)
    asked = after(state, ask)
    authority = decision(1).reviewer
    assert own(asked).waivers[0].authority == authority
    assert why_not(asked, ask)[0] is Code.WAIVER_STATE
    grant = given(GrantWaiver, reviewer("amr-440000"), waiver=1)
    assert why_not(asked, grant)[0] is Code.NOT_YOUR_AUTHORITY
    assert granted(own(asked)) == {}
    grant = given(GrantWaiver, reviewer(str(authority)), waiver=1)
    waived = after(asked, grant)
    assert granted(own(waived)) == {SHA: 1}
    assert why_not(waived, grant)[0] is Code.WAIVER_STATE
    unknown = given(GrantWaiver, reviewer(str(authority)), waiver=2)
    assert why_not(waived, unknown)[0] is Code.NOT_FOUND


def test_what_was_declined_can_be_asked_for_again() -> None:
    ask = given(AskWaiver, filer(), **ASKED, finding=SHA)
    asked = after(draft(ONE), ask)
    authority = str(decision(1).reviewer)
    no = given(DeclineWaiver, reviewer(authority), note=False, waiver=1)
    assert why_not(asked, no)[0] is Code.REASON_REQUIRED
    declined = after(asked, given(DeclineWaiver, reviewer(authority), waiver=1))
    assert granted(own(declined)) == {}
    assert [one.number for one in own(after(declined, ask)).waivers] == [1, 2]


def test_a_waiver_is_for_the_authority_that_granted_it() -> None:
    ask = given(AskWaiver, filer(), **ASKED, finding=SHA)
    first, second = decision(1), decision(1).model_copy(update={"reviewer": "amr-440000"})
    waived = after(
        after(draft(ONE), ask), given(GrantWaiver, reviewer(str(first.reviewer)), waiver=1)
    )
    assert waived_by_another({SHA: 1}, granted_by(own(waived)), str(first.reviewer)) is None
    refusal = waived_by_another({SHA: 1}, granted_by(own(waived)), "amr-440000")
    assert refusal is not None
    assert (refusal.code, refusal.params) == (
        Code.WAIVED_BY_ANOTHER,
        {"waivers": "1", "authorities": str(first.reviewer), "reviewer": "amr-440000"},
    )
    # nothing passes by a waiver: whoever reviews it has nothing to grant
    assert waived_by_another({}, granted_by(own(waived)), "amr-440000") is None
    # the other one is asked for itself
    asked = after(waived, ask, FilingFindings(decision=second))
    both = after(asked, given(GrantWaiver, reviewer("amr-440000"), waiver=2))
    assert granted(own(both), "amr-440000") == {SHA: 2}
    assert granted(own(both), str(first.reviewer)) == {SHA: 1}
    assert waived_by_another({SHA: 2}, granted_by(own(both)), "amr-440000") is None


FILE = "c" * 64


def test_what_is_confirmed_and_submitted_are_the_files_too() -> None:
    state = draft(ONE)
    with_file = SIGNED.model_copy(update={"files": (FILE,)})
    confirmed = after(state, attest())
    # a file more, or one less, is other content
    assert why_not(confirmed, submit(), with_file)[0] is Code.NOT_ATTESTED
    again = after(confirmed, attest(), with_file)
    assert own(again).attestation is not None
    assert why_not(again, submit())[0] is Code.NOT_ATTESTED
    # whoever names files has seen these, all of them and no others
    for seen in ((), (FILE, OTHER), (OTHER,)):
        assert why_not(again, submit(files=seen), with_file)[0] is Code.STALE_FILES
        unseen = given(Attest, responsible("head-2"), revision=1, content_sha256=SHA, files=seen)
        assert why_not(again, unseen, with_file)[0] is Code.STALE_FILES
    submitted = after(again, submit(files=(FILE, FILE)), with_file)
    assert (own(submitted).files, submitted.revision) == ((FILE,), 1)


def test_the_same_content_with_other_files_is_not_unchanged() -> None:
    with_file = FilingFindings(decision=decision(1), files=(FILE,), unchanged=True)
    mine = reviewer("amr-350102")
    sent = after(draft(ONE), submit(), with_file.model_copy(update={"unchanged": False}))
    returned = played(sent, ONE, 1, ("claim", mine, 2), ("return", mine, 2))
    for files, unchanged in (((FILE,), True), ((), False), ((FILE, OTHER), False)):
        found = decide(
            FILING, returned, ONE, submit(), day(2), with_file.model_copy(update={"files": files})
        )
        assert not isinstance(found, Refusal), found
        assert found[0].body.get("unchanged", False) is unchanged


def test_only_who_has_the_filing_before_them_remarks_on_it() -> None:
    state = in_review(ONE)
    mine, foreign = reviewer("amr-350102"), reviewer("amr-440000", "reviewer-9")
    assert why_not(state, given(Remark, mine))[0] is Code.NOT_CLAIMED
    claimed = played(state, ONE, 1, ("claim", mine, 2))
    assert why_not(claimed, given(Remark, foreign))[0] is Code.NOT_YOUR_AUTHORITY
    colleague = reviewer("amr-350102", "reviewer-2")
    assert why_not(claimed, given(Remark, colleague))[0] is Code.CLAIMED_BY_OTHER
    assert why_not(claimed, given(Remark, checker()))[0] is Code.NOT_YOUR_AUTHORITY
    assert why_not(claimed, given(Remark, mine, note=False))[0] is Code.REASON_REQUIRED
    # nothing of the filing is changed by it
    assert after(claimed, given(Remark, mine)) == claimed


REASONS = (
    Correction(code="figures-wrong", label="数据有差错", material=True),
    Correction(code="wording", label="笔误", material=False),
)


@pytest.mark.parametrize("reasons", [REASONS, ()])
def test_a_correction_of_what_was_completed_says_why_where_the_rules_ask(
    reasons: tuple[Correction, ...],
) -> None:
    findings = FilingFindings(decision=decision(1), corrections=reasons)
    state = draft(ONE)
    assert why_not(state, submit(correction="wording"), findings)[0] is Code.NO_CORRECTION
    mine = reviewer("amr-350102")
    state = played(
        in_review(ONE),
        ONE,
        1,
        ("claim", mine, 2),
        ("approve", mine, 2),
        ("pass_quality", checker(), 2),
        ("reopen", OPERATOR, 2),
    )
    if not reasons:
        assert after(state, submit(2, OTHER), findings).revision == 2
        return
    for command in (submit(2, OTHER), submit(2, OTHER, correction="unknown")):
        assert why_not(state, command, findings)[0] is Code.CORRECTION_REASON
    silent = given(
        Submit, filer(), note=False, revision=2, content_sha256=OTHER, correction="wording"
    )
    assert why_not(state, silent, findings)[0] is Code.CORRECTION_REASON
    found = decide(FILING, state, ONE, submit(2, OTHER, correction="wording"), day(2), findings)
    assert not isinstance(found, Refusal)
    assert found[0].body["correction"] == REASONS[1].model_dump()
