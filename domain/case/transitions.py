"""What kinds of cases share: the deciders of their commands, and what their events change.

Each decider takes state, plan, command, instant and what was found out before, and returns the
events that the command leads to, or a refusal. A kind takes into its own tables what applies to
it, from `REVIEW_COMMANDS` and `SHARED_EVENTS` or one by one; nothing is taken in by itself.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from domain.case import commands as c
from domain.case.checks import (
    expect,
    fit_for_turn,
    needs_note,
    quality_window,
    review_window,
    submission_window,
    turn,
    turn_window,
    wrong_status,
)
from domain.case.commands import ROLE_LABELS, SYSTEM, Role
from domain.case.events import Decision, Event, EventName, PendingEvent
from domain.case.kind import EventRule, commands, nothing_more, rule
from domain.case.plan import CasePlan
from domain.case.state import (
    CaseState,
    Findings,
    closing,
    status_timer,
    submission_closing,
    took_part,
)
from domain.case.status import STATUS_LABELS, Status
from domain.citation import Citation
from domain.decision import ReviewLevel
from domain.ids import jurisdiction_of
from domain.messages import closing_time
from domain.refusals import Code, Refusal


def open_(s: CaseState, p: CasePlan, m: c.Open, now: datetime, _: Findings) -> Decision | Refusal:
    """The filling window opens."""
    if refusal := expect(s, m, Status.SCHEDULED):
        return refusal
    if now < p.fill.opens:
        return Refusal(code=Code.NOT_OPEN_YET, cite=p.fill.cite, at=p.fill.opens)
    return [PendingEvent(EventName.OPENED, m.actor, cite=p.fill.cite)]


def not_open(p: CasePlan) -> Refusal:
    """The refusal of what only an open window allows."""
    return Refusal(code=Code.NOT_OPEN_YET, cite=p.fill.cite, at=p.fill.opens)


def start_review(
    s: CaseState, p: CasePlan, m: c.StartReview, now: datetime, _: Findings
) -> Decision | Refusal:
    """The review window opens for what was submitted before it."""
    refusal = expect(s, m, Status.SUBMITTED)
    if refusal is None and now < p.review.opens:
        refusal = review_window(s, p, now)
    return refusal or [PendingEvent(EventName.REVIEW_STARTED, m.actor, cite=p.review.cite)]


def withdraw(
    s: CaseState, p: CasePlan, m: c.Withdraw, now: datetime, _: Findings
) -> Decision | Refusal:
    """The filer takes back what nobody has claimed, or leaves a voluntary filing."""
    voluntary_draft = s.status is Status.DRAFT and p.obligation.outcome == "may"
    if not voluntary_draft and (
        refusal := expect(s, m, Status.SUBMITTED, Status.IN_REVIEW) or _unclaimed(s)
    ):
        return refusal
    if refusal := submission_window(s, p, now):
        return refusal
    return [PendingEvent(EventName.WITHDRAWN, m.actor, cite=p.fill.cite)]


def _unclaimed(s: CaseState) -> Refusal | None:
    if not s.claimed_by:
        return None
    # the filer is not told which person of the authority it is
    return Refusal(code=Code.CLAIMED_BY_OTHER, params={"person": "审核人"})


def claim(s: CaseState, p: CasePlan, m: c.Claim, now: datetime, _: Findings) -> Decision | Refusal:
    """A person of the authority whose turn it is takes the case."""
    refusal = (
        (review_window(s, p, now) if s.status is Status.SUBMITTED else None)
        or expect(s, m, Status.IN_REVIEW, Status.QUALITY_CHECK)
        or turn(s, p, m, claim_needed=False)
        or turn_window(s, p, now)
    )
    if refusal is not None:
        return refusal
    if s.claimed_by:
        return wrong_status(s, "重复领取", "您已经领取了本件，可以直接办理")
    return [PendingEvent(EventName.CLAIMED, m.actor, cite=_level_cite(s, p))]


def release(
    s: CaseState, p: CasePlan, m: c.Release, now: datetime, _: Findings
) -> Decision | Refusal:
    """The case is given back, by its claimant or by an operator with a reason."""
    refusal = expect(s, m, Status.IN_REVIEW, Status.QUALITY_CHECK)
    if refusal is None and m.actor.role is Role.OPERATOR:
        refusal = needs_note(m) or (None if s.claimed_by else Refusal(code=Code.NOT_CLAIMED))
    elif refusal is None:
        refusal = turn(s, p, m, claim_needed=True)
    return refusal or [PendingEvent(EventName.RELEASED, m.actor)]


def assign(
    s: CaseState, p: CasePlan, m: c.Assign, now: datetime, _: Findings
) -> Decision | Refusal:
    """An operator of the authority gives the case to one of its people, from another too."""
    refusal = (
        (review_window(s, p, now) if s.status is Status.SUBMITTED else None)
        or expect(s, m, Status.IN_REVIEW, Status.QUALITY_CHECK)
        or _of_the_authority(s, p, m)
        or turn_window(s, p, now)
        or _can_be_given(s, m.person)
        # whoever has it is told why not any more
        or (needs_note(m) if s.claimed_by else None)
    )
    body = {"person": m.person}
    return refusal or [PendingEvent(EventName.TASK_ASSIGNED, m.actor, body, _level_cite(s, p))]


def _of_the_authority(s: CaseState, p: CasePlan, m: c.Assign) -> Refusal | None:
    authority = s.authority(p)
    if m.actor.scope == jurisdiction_of(authority):
        return None
    params = {"authority": f"{authority}（{ROLE_LABELS[m.actor.role]}）"}
    return Refusal(code=Code.NOT_YOUR_AUTHORITY, params=params)


def _can_be_given(s: CaseState, person: str) -> Refusal | None:
    if s.claimed_by == person:
        return wrong_status(s, f"再交给 {person}", f"本件已由 {person} 领取，可以直接办理")
    return fit_for_turn(s, person)


def hand_over(
    s: CaseState, p: CasePlan, m: c.HandOver, now: datetime, _: Findings
) -> Decision | Refusal:
    """The claimant hands the case to a colleague."""
    refusal = (
        expect(s, m, Status.IN_REVIEW, Status.QUALITY_CHECK)
        or turn(s, p, m, claim_needed=True)
        or turn_window(s, p, now)
        or _can_be_given(s, m.person)
    )
    body = {"person": m.person}
    return refusal or [PendingEvent(EventName.TASK_HANDED_OVER, m.actor, body, _level_cite(s, p))]


def return_(
    s: CaseState, p: CasePlan, m: c.Return, now: datetime, _: Findings
) -> Decision | Refusal:
    """The reviewer sends the case back while it can still be corrected."""
    refusal = (
        expect(s, m, Status.IN_REVIEW)
        or turn(s, p, m, claim_needed=True)
        or needs_note(m)
        or review_window(s, p, now)
        or time_to_correct(s, p, now)
    )
    body = {"level": s.level, "level_id": s.levels[s.level - 1].id if s.level else ""}
    return refusal or [PendingEvent(EventName.RETURNED, m.actor, body, _level_cite(s, p))]


def time_to_correct(s: CaseState, p: CasePlan, now: datetime) -> Refusal | None:
    """A return is worth something only while the filer can still answer it."""
    closes = closing(p.correct, s)
    if now < closes:
        return None
    return Refusal(code=Code.CORRECT_CLOSED, cite=p.correct.cite, at=closes)


def approve(
    s: CaseState, p: CasePlan, m: c.Approve, now: datetime, _: Findings
) -> Decision | Refusal:
    """The reviewer approves at one level; after the last comes the quality check or the end."""
    refusal = (
        expect(s, m, Status.IN_REVIEW)
        or turn(s, p, m, claim_needed=True)
        or review_window(s, p, now)
    )
    if refusal is not None:
        return refusal
    body = {"level": s.level, "level_id": s.levels[s.level - 1].id}
    cite = _level_cite(s, p)
    if s.level < len(s.levels):
        return [PendingEvent(EventName.LEVEL_APPROVED, m.actor, body, cite)]
    drafts = [PendingEvent(EventName.APPROVED, m.actor, body, cite)]
    if p.checker is None:
        return [*drafts, _completing(p)]
    return [*drafts, *_after_draw(p, s.drawn if p.sample else True, now)]


def _completing(p: CasePlan) -> PendingEvent:
    return PendingEvent(EventName.COMPLETED, SYSTEM, cite=p.completion_cite)


def _after_draw(p: CasePlan, drawn: bool | None, now: datetime) -> Decision:
    """What follows on an approval: the check for whoever is drawn, the end for others.

    None: whether it is drawn is not known yet, and it waits.
    """
    if drawn is False:
        return [_completing(p)]
    if drawn and (p.quality is None or now >= p.quality.opens):
        return [PendingEvent(EventName.QUALITY_CHECK_STARTED, SYSTEM, cite=p.checker_cite)]
    return []


def _level_cite(s: CaseState, p: CasePlan) -> Citation | None:
    if s.status is Status.IN_REVIEW:
        return s.levels[s.level - 1].cite or p.review.cite
    checks = p.checks[len(s.passed_by) :]
    return (checks[0].cite if checks else None) or p.checker_cite


def draw(s: CaseState, p: CasePlan, m: c.Draw, now: datetime, _: Findings) -> Decision | Refusal:
    """The sample has been drawn: an approved filing is checked, or complete."""
    if refusal := expect(s, m, Status.APPROVED):
        return refusal
    if p.sample is None or s.drawn is not None:
        return wrong_status(s, m.label)
    name = EventName.SAMPLED if m.drawn else EventName.NOT_SAMPLED
    pending = PendingEvent(name, m.actor, {"draw": m.draw}, p.sample.cite)
    return [pending, *_after_draw(p, m.drawn, now)]


def start_quality_check(
    s: CaseState, p: CasePlan, m: c.StartQualityCheck, now: datetime, _: Findings
) -> Decision | Refusal:
    """The quality check's window opens for what was approved before it."""
    refusal = expect(s, m, Status.APPROVED)
    if refusal is None and p.sample is not None and s.drawn is None:
        refusal = wrong_status(s, m.label)
    if refusal is None and p.quality is not None and now < p.quality.opens:
        refusal = quality_window(s, p, now)
    return refusal or [PendingEvent(EventName.QUALITY_CHECK_STARTED, m.actor, cite=p.checker_cite)]


def pass_quality(
    s: CaseState, p: CasePlan, m: c.PassQuality, now: datetime, _: Findings
) -> Decision | Refusal:
    """The checker finds the case in order; after the last level of checking it is complete."""
    return _may_check(s, p, m, now) or _passing(s, p, m, {})


def pass_with_remark(
    s: CaseState, p: CasePlan, m: c.PassWithRemark, now: datetime, _: Findings
) -> Decision | Refusal:
    """As passing, and what the checker has to say is on record."""
    return _may_check(s, p, m, now) or needs_note(m) or _passing(s, p, m, {"remark": True})


def _passing(s: CaseState, p: CasePlan, m: c.Command, remarked: dict[str, Any]) -> Decision:
    body, cite = {**remarked, **_check_level(s, p)}, _level_cite(s, p)
    if len(s.passed_by) + 1 < len(p.checks):
        return [PendingEvent(EventName.QUALITY_LEVEL_PASSED, m.actor, body, cite)]
    return [PendingEvent(EventName.QUALITY_PASSED, m.actor, body, cite), _completing(p)]


def fail_quality(
    s: CaseState, p: CasePlan, m: c.FailQuality, now: datetime, _: Findings
) -> Decision | Refusal:
    """The checker finds faults that nobody can correct in time: the filing stands, with them."""
    refusal = _may_check(s, p, m, now) or needs_note(m)
    if refusal is None and time_to_correct(s, p, now) is None:
        refusal = wrong_status(s, m.label, "修改的期限未过，有问题的请退回修改")
    failed = PendingEvent(EventName.QUALITY_FAILED, m.actor, _check_level(s, p), _level_cite(s, p))
    return refusal or [failed, _completing(p)]


def _may_check(s: CaseState, p: CasePlan, m: c.Command, now: datetime) -> Refusal | None:
    refusal = expect(s, m, Status.QUALITY_CHECK) or turn(s, p, m, claim_needed=False)
    if refusal is None and m.actor.subject in s.passed_by:
        params = {"role": "上一级质量审查人", "wanted": ROLE_LABELS[Role.CHECKER]}
        refusal = Refusal(code=Code.SAME_PERSON, params=params)
    return refusal or quality_window(s, p, now)


def _check_level(s: CaseState, p: CasePlan) -> dict[str, Any]:
    """Which level of checking it is, where there are several."""
    if not p.checks:
        return {}
    return {"level": len(s.passed_by) + 1, "level_id": p.checks[len(s.passed_by)].id}


def send_back(
    s: CaseState, p: CasePlan, m: c.SendBack, now: datetime, _: Findings
) -> Decision | Refusal:
    """The checker sends the case back while it can still be corrected."""
    refusal = (
        expect(s, m, Status.QUALITY_CHECK)
        or turn(s, p, m, claim_needed=False)
        or needs_note(m)
        or quality_window(s, p, now)
        or time_to_correct(s, p, now)
    )
    body = _check_level(s, p)
    return refusal or [PendingEvent(EventName.SENT_BACK, m.actor, body, _level_cite(s, p))]


def extend(
    s: CaseState, p: CasePlan, m: c.Extend, now: datetime, _: Findings
) -> Decision | Refusal:
    """An operator gives a case more time than it has."""
    refusal = needs_note(m) or _later(s, p, m.until, now)
    body = {"until": m.until.isoformat(), "document": m.document}
    if m.extension:
        body["extension"] = m.extension
    return refusal or [PendingEvent(EventName.EXTENDED, m.actor, body)]


def _later(s: CaseState, p: CasePlan, until: datetime, now: datetime) -> Refusal | None:
    """An extension must reach beyond what the case's present status depends on."""
    present, cite = _depends_on(s, p)
    if until <= max(present, now):
        return Refusal(code=Code.EXTENSION_NOT_LATER, cite=cite, at=present)
    return None


def _depends_on(s: CaseState, p: CasePlan) -> tuple[datetime, Citation]:
    """The closing that a case depends on where it stands, extended or not."""
    status = s.lapsed_from or s.status
    if status in (Status.SUBMITTED, Status.IN_REVIEW):
        return closing(p.review, s), p.review.cite
    return submission_closing(s, p)


def shorten(
    s: CaseState, p: CasePlan, m: c.Shorten, now: datetime, _: Findings
) -> Decision | Refusal:
    """An extension ends earlier, as long as the notice's own time for the case still runs.

    Once that has passed, the case lives by the extension alone, and whoever relied on it keeps it.
    """
    if refusal := needs_note(m):
        return refusal
    if s.extension != m.extension:
        return Refusal(code=Code.EXTENSION_REPLACED)
    own, cite = _depends_on(s.model_copy(update={"extended_until": None}), p)
    if now >= own:
        return Refusal(code=Code.EXTENSION_RELIED_ON, cite=cite, at=own)
    body = {"until": m.until.isoformat(), "extension": m.extension}
    return [PendingEvent(EventName.EXTENSION_SHORTENED, m.actor, body)]


def reopen(
    s: CaseState, p: CasePlan, m: c.Reopen, now: datetime, _: Findings
) -> Decision | Refusal:
    """An operator reopens a completed case until an instant to come."""
    refusal = expect(s, m, Status.COMPLETED) or needs_note(m)
    if refusal is not None:
        return refusal
    if m.until <= now:
        return Refusal(code=Code.EXTENSION_NOT_LATER, cite=p.correct.cite, at=now)
    body = {"until": m.until.isoformat(), "document": m.document}
    return [PendingEvent(EventName.REOPENED, m.actor, body, p.completion_cite)]


def cancel(
    s: CaseState, p: CasePlan, m: c.Cancel, now: datetime, _: Findings
) -> Decision | Refusal:
    """An operator ends a case, with the reason."""
    return needs_note(m) or [PendingEvent(EventName.CANCELLED, m.actor)]


def annul(s: CaseState, p: CasePlan, m: c.Annul, now: datetime, _: Findings) -> Decision | Refusal:
    """An operator annuls a case with its whole campaign, whatever has become of it."""
    return needs_note(m) or [PendingEvent(EventName.ANNULLED, m.actor, {"from": s.status.value})]


def lapse(s: CaseState, p: CasePlan, m: c.Lapse, now: datetime, _: Findings) -> Decision | Refusal:
    """The last window has closed; what follows depends on the duty and on an earlier end."""
    timer = status_timer(s, p)
    if timer is None or timer.command is not c.Lapse:
        return wrong_status(s, m.label)
    if now < timer.at:
        return Refusal(code=Code.NOT_OPEN_YET, at=timer.at)
    cite = p.completion_cite if s.status is Status.IN_REVIEW else submission_closing(s, p)[1]
    if s.reopened:
        return [PendingEvent(EventName.REOPENING_EXPIRED, m.actor, {"from": s.status.value}, cite)]
    if p.obligation.outcome == "may" and s.status in (Status.DRAFT, Status.RETURNED):
        # nobody who need not file is on record as having failed to
        return [PendingEvent(EventName.WITHDRAWN, m.actor, cite=cite)]
    return [PendingEvent(EventName.LAPSED, m.actor, {"from": s.status.value}, cite)]


REVIEW_COMMANDS = commands(
    rule(c.Claim, claim, {Role.REVIEWER, Role.CHECKER}),
    rule(c.Release, release, {Role.REVIEWER, Role.CHECKER, Role.OPERATOR}),
    rule(c.Assign, assign, {Role.OPERATOR}),
    rule(c.HandOver, hand_over, {Role.REVIEWER, Role.CHECKER}),
    rule(c.Return, return_, {Role.REVIEWER}),
    rule(c.Approve, approve, {Role.REVIEWER}),
    rule(c.Cancel, cancel, {Role.OPERATOR}),
    rule(c.Extend, extend, {Role.OPERATOR}, after_end={Status.LAPSED, Status.AFTER_WINDOW}),
    rule(c.Shorten, shorten, {Role.OPERATOR}),
    rule(c.Reopen, reopen, {Role.OPERATOR}, after_end={Status.COMPLETED}),
)
"""What reviewers and operators can ask of a case that is filed and reviewed."""


# --- what events change ---------------------------------------------------------------------------

_NOBODY = {"level": 0, "claimed_by": ""}


def submitted(s: CaseState, event: Event) -> dict[str, Any]:
    """A submission: who filed and edited it is listed, and the review begins anew."""
    return {
        "status": Status.SUBMITTED,
        "revision": event.body["revision"],
        **took_part(s, event.actor, *event.body["editors"]),
        "submitted_before": True,
        "late": s.late or event.body["late"],
        "levels": (),
        **_NOBODY,
    }


def unchanged_if(unchanged: bool) -> dict[str, bool]:
    """What the body of a submission says of content that is what was sent back.

    Nothing at all of other content: what is on record of it stays as it is.
    """
    return {"unchanged": True} if unchanged else {}


def reviewed(s: CaseState, event: Event) -> dict[str, Any]:
    """An act of a person of the authority, after which nobody holds the case."""
    return {"claimed_by": "", **took_part(s, event.actor)}


def levels_of(event: Event) -> tuple[ReviewLevel, ...]:
    """The levels of review that an event names."""
    return tuple(ReviewLevel.model_validate(level) for level in event.body["levels"])


def opened(_: CaseState, __: Event) -> dict[str, Any]:
    """Content may be entered."""
    return {"status": Status.DRAFT}


def _scheduled(_: CaseState, __: Event) -> dict[str, Any]:
    return {"status": Status.SCHEDULED}


def _assigned(_: CaseState, event: Event) -> dict[str, Any]:
    started = {"status": Status.IN_REVIEW, "level": 1} if event.body["review_open"] else {}
    return {"levels": levels_of(event), **started}


def _review_started(_: CaseState, __: Event) -> dict[str, Any]:
    return {"status": Status.IN_REVIEW, "level": 1}


def _withdrawn(_: CaseState, __: Event) -> dict[str, Any]:
    return {"status": Status.WITHDRAWN, "levels": (), **_NOBODY}


def _claimed(s: CaseState, event: Event) -> dict[str, Any]:
    return {"claimed_by": event.actor.subject, **took_part(s, event.actor)}


def _released(_: CaseState, __: Event) -> dict[str, Any]:
    return {"claimed_by": ""}


def _given(_: CaseState, event: Event) -> dict[str, Any]:
    return {"claimed_by": event.body["person"]}


def _level_approved(s: CaseState, event: Event) -> dict[str, Any]:
    return {"level": s.level + 1, **reviewed(s, event)}


def _approved(s: CaseState, event: Event) -> dict[str, Any]:
    return {"status": Status.APPROVED, "level": 0, **reviewed(s, event)}


def _returned(s: CaseState, event: Event) -> dict[str, Any]:
    sent_back = {"status": Status.RETURNED, "level": 0, "returned_revision": s.revision}
    return {**sent_back, "passed_by": (), **reviewed(s, event)}


def _sampled(_: CaseState, __: Event) -> dict[str, Any]:
    return {"drawn": True}


def _not_sampled(_: CaseState, __: Event) -> dict[str, Any]:
    return {"drawn": False}


def _quality_check_started(_: CaseState, __: Event) -> dict[str, Any]:
    return {"status": Status.QUALITY_CHECK, "passed_by": ()}


def _quality_level_passed(s: CaseState, event: Event) -> dict[str, Any]:
    return {"passed_by": (*s.passed_by, event.actor.subject), **reviewed(s, event)}


def _completed(s: CaseState, _: Event) -> dict[str, Any]:
    return {
        "status": Status.COMPLETED,
        "completed_revision": s.revision,
        "returned_revision": 0,
        "reopened": False,
    }


def _extended(s: CaseState, event: Event) -> dict[str, Any]:
    until = {
        "extended_until": datetime.fromisoformat(event.body["until"]),
        "extension": event.body.get("extension", ""),
    }
    if s.status is Status.LAPSED and s.lapsed_from:
        return {**until, "status": s.lapsed_from, "lapsed_from": None}
    if s.status is Status.AFTER_WINDOW:
        return {**until, "status": Status.DRAFT}
    return until


def _shortened(_: CaseState, event: Event) -> dict[str, Any]:
    return {"extended_until": datetime.fromisoformat(event.body["until"])}


def _reopened(s: CaseState, event: Event) -> dict[str, Any]:
    return {
        "status": Status.RETURNED,
        "extended_until": datetime.fromisoformat(event.body["until"]),
        "extension": "",
        "returned_revision": s.revision,
        "reopened": True,
        # what is corrected for cause is checked, whatever was drawn before
        "drawn": True,
    }


def _reopening_expired(s: CaseState, _: Event) -> dict[str, Any]:
    revision = s.completed_revision
    return {
        "status": Status.COMPLETED,
        "revision": revision,
        "returned_revision": 0,
        "reopened": False,
        **_NOBODY,
    }


def _cancelled(_: CaseState, __: Event) -> dict[str, Any]:
    return {"status": Status.CANCELLED, **_NOBODY}


def _opened_after_window(_: CaseState, __: Event) -> dict[str, Any]:
    return {"status": Status.AFTER_WINDOW}


def _annulled(_: CaseState, __: Event) -> dict[str, Any]:
    return {"status": Status.ANNULLED, "lapsed_from": None, **_NOBODY}


def _lapsed(s: CaseState, _: Event) -> dict[str, Any]:
    return {"status": Status.LAPSED, "lapsed_from": s.status, "claimed_by": ""}


# --- what timelines tell --------------------------------------------------------------------------


def tell_unchanged(body: Mapping[str, Any]) -> str:
    """Says of a submission that it is what was sent back; nothing of any other."""
    return "，与退回的内容相同，没有修改" if body.get("unchanged") else ""


def _tell_assigned(body: Mapping[str, Any]) -> str:
    chain = " → ".join(level["authority"] for level in body["levels"])
    others = "；".join(
        f"{candidate['rule']}：{candidate['because']}"
        for candidate in body.get("candidates", ())
        if candidate["verdict"] == "eliminated"
    )
    return f"审核部门 {chain}" + (f"（未采用：{others}）" if others else "")


def _tell_until(body: Mapping[str, Any]) -> str:
    document = f"（{body['document']}）" if body["document"] else ""
    return f"至 {closing_time(datetime.fromisoformat(body['until']))}{document}"


def _tell_shortened(body: Mapping[str, Any]) -> str:
    return f"延期改至 {closing_time(datetime.fromisoformat(body['until']))}，原定期限不变"


def _tell_level(body: Mapping[str, Any]) -> str:
    return f"第 {body['level']} 级"


def _tell_draw(body: Mapping[str, Any]) -> str:
    return f"第 {body['draw']} 次抽样"


def _tell_verdict(body: Mapping[str, Any]) -> str:
    level = _tell_level(body) if "level" in body else ""
    return "，".join(filter(None, (level, "附意见" if body.get("remark") else "")))


def _tell_left(body: Mapping[str, Any]) -> str:
    return f"截止时仍为“{STATUS_LABELS[body['from']]}”"


def _tell_before(body: Mapping[str, Any]) -> str:
    return f"此前为“{STATUS_LABELS[body['from']]}”"


SHARED_EVENTS: dict[str, EventRule] = {
    EventName.SCHEDULED: EventRule("列入本年度填报", _scheduled, nothing_more),
    EventName.OPENED: EventRule("开放填报", opened, nothing_more),
    EventName.ASSIGNED: EventRule("分派审核部门", _assigned, _tell_assigned),
    EventName.REVIEW_STARTED: EventRule("转入审核", _review_started, nothing_more),
    EventName.WITHDRAWN: EventRule("撤回", _withdrawn, nothing_more),
    EventName.CLAIMED: EventRule("领取", _claimed, nothing_more),
    EventName.RELEASED: EventRule("退领", _released, nothing_more),
    EventName.TASK_ASSIGNED: EventRule("指派", _given, nothing_more),
    EventName.TASK_HANDED_OVER: EventRule("移交", _given, nothing_more),
    EventName.RETURNED: EventRule("审核退回", _returned, _tell_level),
    EventName.LEVEL_APPROVED: EventRule("本级审核通过", _level_approved, _tell_level),
    EventName.APPROVED: EventRule("审核通过", _approved, _tell_level),
    EventName.QUALITY_CHECK_STARTED: EventRule(
        "转入质量审查", _quality_check_started, nothing_more
    ),
    EventName.QUALITY_PASSED: EventRule("质量审查通过", reviewed, _tell_verdict),
    EventName.SENT_BACK: EventRule("质量审查退回", _returned, _tell_verdict),
    EventName.COMPLETED: EventRule("办结", _completed, nothing_more),
    EventName.EXTENDED: EventRule("延期", _extended, _tell_until),
    EventName.EXTENSION_SHORTENED: EventRule("缩短延期", _shortened, _tell_shortened),
    EventName.REOPENED: EventRule("重新开启", _reopened, _tell_until),
    EventName.REOPENING_EXPIRED: EventRule(
        "逾期未更正，维持原办结", _reopening_expired, _tell_left
    ),
    EventName.CANCELLED: EventRule("取消", _cancelled, nothing_more),
    EventName.LAPSED: EventRule("逾期未完成", _lapsed, _tell_left),
}
"""What most kinds share; of ``submitted`` each has its own to tell."""

OF_CAMPAIGNS: dict[str, EventRule] = {
    EventName.OPENED_AFTER_WINDOW: EventRule(
        "期限过后建立，延期前不计应报", _opened_after_window, nothing_more
    ),
}
"""What happens to the cases of campaigns only."""

OF_SAMPLES: dict[str, EventRule] = {
    EventName.SAMPLED: EventRule("抽中质量审查", _sampled, _tell_draw),
    EventName.NOT_SAMPLED: EventRule("未抽中质量审查", _not_sampled, _tell_draw),
    EventName.QUALITY_LEVEL_PASSED: EventRule(
        "本级质量审查通过", _quality_level_passed, _tell_verdict
    ),
    EventName.QUALITY_FAILED: EventRule("质量审查不合格", reviewed, _tell_verdict),
}
"""What happens where the rules draw a sample, or have the quality check at several levels."""

ANNULLED = EventRule("随统计工作作废", _annulled, _tell_before)
