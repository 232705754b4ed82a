"""What only annual filings know: the submission of a form, and the kind as a whole."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from domain.case import commands as c
from domain.case import transitions as t
from domain.case.checks import expect, person, submission_window
from domain.case.commands import ROLE_LABELS, SYSTEM, Command, Revision, Role, Sha256
from domain.case.events import Decision, Event, EventName, PendingEvent
from domain.case.kind import CaseKind, EventRule, anybody, commands, nothing_more, rule
from domain.case.plan import CasePlan
from domain.case.reminders import (
    REMINDER_EVENTS,
    SERVE_REMINDER,
    SERVED_EVENTS,
    remind,
    timers_of_filing,
)
from domain.case.state import CaseState, Timer, closing, status_due, status_timers
from domain.case.status import EDITABLE, ENDED, Status
from domain.filing.amending import AMENDING_COMMANDS, AMENDING_EVENTS, Amend
from domain.filing.attesting import ATTESTING_COMMANDS, ATTESTING_EVENTS, Attest, unsigned
from domain.filing.beside import FilesSeen, files_if, files_refusal, tell_files
from domain.filing.correcting import correction_of
from domain.filing.findings import FilingFindings
from domain.filing.questions import QUESTION_COMMANDS, QUESTION_EVENTS
from domain.filing.remarking import REMARKING_COMMANDS, REMARKING_EVENTS
from domain.filing.returning import RETURNING_COMMANDS, RETURNING_EVENTS, settling
from domain.filing.state import Filing, FilingState
from domain.filing.waiving import WAIVING_COMMANDS, WAIVING_EVENTS, AskWaiver
from domain.refusals import Code, Refusal

FILING_WORKFLOW = "annual-filing"
PREPARE_SUBMISSION = "prepare_submission"


class Submit(Command):
    """The filer submits a saved revision; ``choice`` is the authority it picks, if it may.

    ``correction`` is the code of the reason why a filing that was completed is corrected; the
    reason in words is then the note. ``files`` are the files beside it, where they are named.
    """

    kind: Literal["submit"] = "submit"
    label: ClassVar[str] = "提交"
    revision: Revision
    content_sha256: Sha256
    choice: Annotated[str, Field(max_length=64)] | None = None
    correction: Annotated[str, Field(max_length=64)] = ""
    files: FilesSeen = None


def _submit(
    s: Filing, p: CasePlan, m: Submit, now: datetime, findings: FilingFindings
) -> Decision | Refusal:
    refusal = (
        (t.not_open(p) if s.status is Status.SCHEDULED else None)
        or expect(s, m, *EDITABLE)
        or submission_window(s, p, now)
        or person(s, m.actor)
        or findings.refusal
        or files_refusal(m.files, findings.files)
    )
    if refusal is not None:
        return refusal
    if any(editor in (*s.reviewers, *s.checkers) for editor in findings.editors):
        return Refusal(
            code=Code.SAME_PERSON,
            params={"role": ROLE_LABELS[Role.REVIEWER], "wanted": ROLE_LABELS[Role.FILER]},
        )
    if (refusal := unsigned(s, m, findings)) is not None:
        return refusal
    correction = correction_of(s, m.correction, m.note_sha256, findings)
    if isinstance(correction, Refusal):
        return correction
    # an extension moves the end of filling for this case: what comes within it is not late
    late = not s.submitted_before and now >= closing(p.fill, s)
    body = {
        "revision": m.revision,
        "content_sha256": m.content_sha256,
        "choice": m.choice,
        "late": late,
        "editors": list(findings.editors),
        **t.unchanged_if(findings.unchanged and set(s.own.files) == set(findings.files or ())),
        **files_if(findings.files),
        **correction,
    }
    cite = p.supplement.cite if late and p.supplement else p.fill.cite
    pending = [PendingEvent(EventName.SUBMITTED, m.actor, body, cite)]
    decision = findings.decision
    if decision is not None and decision.reviewer is not None:
        assigned = {**decision.model_dump(mode="json"), "review_open": now >= p.review.opens}
        pending.append(PendingEvent(EventName.ASSIGNED, SYSTEM, assigned, decision.cite))
    return pending


def _tell_submitted(body: Mapping[str, Any]) -> str:
    late = "，补报" if body["late"] else ""
    choice = f"，选取审核部门 {body['choice']}" if body["choice"] else ""
    told = f"第 {body['revision']} 稿{tell_files(body)}{late}{choice}{t.tell_unchanged(body)}"
    correction = body.get("correction")
    if correction is None:
        return told
    kind = "重大更正" if correction["material"] else "非重大更正"
    return f"{told}，{kind}：{correction['label']}"


def _submitted(s: Filing, event: Event) -> Mapping[str, Any]:
    return {**t.submitted(s, event), **s.own_with(files=tuple(event.body.get("files", ())))}


def _scheduled(_: CaseState, __: object) -> Mapping[str, Any]:
    """On the list; once more after its year was annulled, and then nothing of before counts."""
    new = CaseState(own=FilingState())
    return {name: getattr(new, name) for name in CaseState.model_fields}


def _timers(s: Filing, p: CasePlan) -> list[Timer]:
    return [*status_timers(s, p), *timers_of_filing(s, p)]


FILING = CaseKind(
    name="filing",
    label="年度统计填报",
    workflow=FILING_WORKFLOW,
    own=FilingState,
    findings=FilingFindings,
    commands={
        **t.REVIEW_COMMANDS,
        **RETURNING_COMMANDS,
        **QUESTION_COMMANDS,
        **AMENDING_COMMANDS,
        **ATTESTING_COMMANDS,
        **WAIVING_COMMANDS,
        **REMARKING_COMMANDS,
        **commands(
            rule(c.Open, t.open_, {Role.SYSTEM}),
            rule(Submit, _submit, {Role.FILER}),
            rule(c.StartReview, t.start_review, {Role.SYSTEM}),
            rule(c.Withdraw, t.withdraw, {Role.FILER}),
            rule(c.StartQualityCheck, t.start_quality_check, {Role.SYSTEM}),
            rule(c.Draw, t.draw, {Role.SYSTEM}),
            rule(c.PassQuality, t.pass_quality, {Role.CHECKER}),
            rule(c.PassWithRemark, t.pass_with_remark, {Role.CHECKER}),
            rule(c.FailQuality, t.fail_quality, {Role.CHECKER}),
            rule(c.SendBack, t.send_back, {Role.CHECKER}),
            rule(c.Lapse, t.lapse, {Role.SYSTEM}),
            rule(c.Remind, remind, {Role.SYSTEM}),
            SERVE_REMINDER,
            rule(c.Annul, t.annul, {Role.OPERATOR}, set(ENDED) - {Status.ANNULLED}),
        ),
    },
    events={
        **t.SHARED_EVENTS,
        **t.OF_CAMPAIGNS,
        **REMINDER_EVENTS,
        **t.OF_SAMPLES,
        **SERVED_EVENTS,
        **QUESTION_EVENTS,
        **AMENDING_EVENTS,
        **RETURNING_EVENTS,
        **ATTESTING_EVENTS,
        **WAIVING_EVENTS,
        **REMARKING_EVENTS,
        **settling({**t.SHARED_EVENTS, EventName.ANNULLED: t.ANNULLED}),
        EventName.SCHEDULED: EventRule("列入本年度填报", _scheduled, nothing_more),
        EventName.SUBMITTED: EventRule("提交", _submitted, _tell_submitted),
    },
    prepares=frozenset({Submit.name(), Attest.name(), AskWaiver.name(), Amend.name()}),
    timers=_timers,
    due=status_due,
    admits=anybody,
    editable=frozenset(EDITABLE),
)
