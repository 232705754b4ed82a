"""A filer's request to have its claimed submission returned, and what becomes of it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar, Literal

from domain.case import commands as c
from domain.case import transitions as t
from domain.case.checks import expect, needs_note, turn, wrong_status
from domain.case.commands import Command, Role
from domain.case.events import Decision, Event, EventName, PendingEvent
from domain.case.kind import CommandRule, EventRule, commands, nothing_more, rule
from domain.case.plan import CasePlan
from domain.case.state import Findings
from domain.case.status import Status
from domain.filing.state import Filing
from domain.refusals import Code, Refusal

RETURN_ASKED = "return_asked"
RETURN_DECLINED = "return_declined"

SETTLING = (
    EventName.RETURNED,
    EventName.WITHDRAWN,
    EventName.LAPSED,
    EventName.CANCELLED,
    EventName.ANNULLED,
)
"""What settles a request, without a word to the filer about it."""


class AskReturn(Command):
    """The filer asks to have returned what somebody has claimed, with the reason."""

    kind: Literal["ask_return"] = "ask_return"
    label: ClassVar[str] = "申请退回"


class DeclineReturn(Command):
    """The reviewer does not return what its filer asked for, with the reason."""

    kind: Literal["decline_return"] = "decline_return"
    label: ClassVar[str] = "不予退回"


def _ask(s: Filing, p: CasePlan, m: AskReturn, now: datetime, _: Findings) -> Decision | Refusal:
    refusal = needs_note(m) or expect(s, m, Status.IN_REVIEW)
    if refusal is not None:
        return refusal
    if not s.claimed_by:
        return wrong_status(s, m.label, "还没有人领取，可以直接撤回（withdraw）")
    if s.own.return_asked:
        return wrong_status(s, f"再次{m.label}", "已经申请过，请等待审核部门答复")
    return t.time_to_correct(s, p, now) or [PendingEvent(RETURN_ASKED, m.actor)]


def _decline(
    s: Filing, p: CasePlan, m: DeclineReturn, _: datetime, __: Findings
) -> Decision | Refusal:
    refusal = expect(s, m, Status.IN_REVIEW) or turn(s, p, m, claim_needed=True) or needs_note(m)
    if refusal is None and not s.own.return_asked:
        refusal = wrong_status(s, m.label, "填报人没有申请退回，可以直接审核")
    return refusal or [PendingEvent(RETURN_DECLINED, m.actor)]


def _approve(
    s: Filing, p: CasePlan, m: c.Approve, now: datetime, f: Findings
) -> Decision | Refusal:
    """A request is answered before its filing is approved."""
    outcome = t.approve(s, p, m, now, f)
    if s.own.return_asked and not isinstance(outcome, Refusal):
        return Refusal(code=Code.RETURN_ASKED, params={"action": m.label})
    return outcome


RETURNING_COMMANDS: dict[str, CommandRule] = commands(
    rule(c.Approve, _approve, {Role.REVIEWER}),
    rule(AskReturn, _ask, {Role.FILER}),
    rule(DeclineReturn, _decline, {Role.REVIEWER}),
)


def settling(events: Mapping[str, EventRule]) -> dict[str, EventRule]:
    """Those of some events that settle a request, as they do so."""
    return {name: _settled(events[name]) for name in SETTLING}


def _settled(settles: EventRule) -> EventRule:
    def fold(s: Filing, event: Event) -> Mapping[str, Any]:
        changes = settles.fold(s, event)
        return {**changes, **s.own_with(return_asked=False)} if s.own.return_asked else changes

    return EventRule(settles.label, fold, settles.told)


def _asked(s: Filing, _: Event) -> Mapping[str, Any]:
    return s.own_with(return_asked=True)


def _declined(s: Filing, _: Event) -> Mapping[str, Any]:
    return s.own_with(return_asked=False)


RETURNING_EVENTS: dict[str, EventRule] = {
    RETURN_ASKED: EventRule("申请退回", _asked, nothing_more),
    RETURN_DECLINED: EventRule("不予退回", _declined, nothing_more),
}
