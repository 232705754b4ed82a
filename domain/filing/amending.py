"""A filing under way comes under newly published rules, where nothing that is decided changes."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar, Literal

from domain.case.amending import AMENDED, differences
from domain.case.checks import needs_note
from domain.case.commands import Command, Document, Lapse, Role
from domain.case.events import Decision, Event, PendingEvent
from domain.case.kind import CommandRule, EventRule, commands, rule
from domain.case.plan import WINDOWS, CasePlan, Reminder
from domain.case.state import CaseState, status_timer
from domain.case.status import Status
from domain.clock import day_of
from domain.filing.findings import FilingFindings
from domain.filing.state import Filing
from domain.messages import closing_time
from domain.model import Recorded
from domain.refusals import Code, Refusal

PREPARE_AMENDMENT = "prepare_amendment"


class Amend(Command):
    """An operator brings a filing under way under the rules that ``amendment`` names."""

    kind: Literal["amend"] = "amend"
    label: ClassVar[str] = "修订规则"
    amendment: str
    document: Document = ""


class PrepareAmendment(Recorded):
    """What plan a filing is to have: asked for by the amendment's id."""

    case_id: str
    amendment: str


def amended(s: CaseState, p: CasePlan, new: CasePlan, now: datetime) -> CasePlan | Refusal:
    """What a filing runs on under an amendment that would give it ``new`` if it began now.

    Whether it is owed, and with which parts, is decided by the first submission; how it is checked
    by the approval. A case keeps its year. The refusal says what of it is decided otherwise.
    """
    if new.ruleset.sha256 == p.ruleset.sha256:
        return Refusal(code=Code.AMENDMENT_UNNEEDED)
    if s.submitted_before:
        new = new.model_copy(update={"obligation": p.obligation})
    if new.obligation.outcome == "none":
        return _decided("本机构按修订后的规则不填报，本件应由经办人取消")
    if s.submitted_before and new.parts != p.parts:
        return _decided("已经提交，应填的部分随之确定")
    checked = ("checker", "checks", "sample")
    if s.status in (Status.APPROVED, Status.QUALITY_CHECK) and any(
        getattr(new, name) != getattr(p, name) for name in checked
    ):
        return _decided("已经审核通过，由谁质量审查、查不查随之确定")
    new = new.model_copy(update={"year": p.year, "levels": p.levels})
    if _makes_late(s, p, new, now):
        return _decided("修订后的期限已过，本件会当即逾期")
    return new


def _decided(why: str) -> Refusal:
    return Refusal(code=Code.AMENDMENT_DECIDED, params={"why": why})


def _makes_late(s: CaseState, p: CasePlan, new: CasePlan, now: datetime) -> bool:
    before, after = status_timer(s, p), status_timer(s, new)
    if after is None or after.command is not Lapse or after.at > now:
        return False
    return before is None or before.at > now


def _amend(
    s: Filing, p: CasePlan, m: Amend, now: datetime, f: FilingFindings
) -> Decision | Refusal:
    refusal = needs_note(m) or f.refusal
    if refusal is not None:
        return refusal
    if f.plan is None:
        return []
    new = amended(s, p, f.plan, now)
    if isinstance(new, Refusal):
        return new
    body = {
        "amendment": m.amendment,
        "document": m.document,
        "changes": differences(p, new),
        "reminders": _again(p.reminders, new.reminders, now),
    }
    return [PendingEvent(AMENDED, m.actor, body, _cite(p, new))]


def _again(before: tuple[Reminder, ...], after: tuple[Reminder, ...], now: datetime) -> list[str]:
    """The reminders that have moved to a day to come: they are given then, again if need be."""
    days = {one.id: one.at for one in before}
    return [one.id for one in after if one.at > now and days.get(one.id) != one.at]


def _cite(p: CasePlan, new: CasePlan) -> Any:
    stated = new.stated()
    moved = [name for name, window in stated.items() if window != getattr(p, name)]
    return stated[moved[0]].cite if moved else new.obligation.cite


def _changed(s: Filing, event: Event) -> Mapping[str, Any]:
    again = event.body["reminders"]
    kept = tuple(one for one in s.own.reminded if one not in again)
    return s.own_with(reminded=kept)


def tell_amended(body: Mapping[str, Any]) -> str:
    """What an amendment changes of a filing, in a sentence."""
    changes = body["changes"]
    ref = changes["ruleset"]["after"]
    told = [f"改按 {ref['id']} 第 {ref['revision']} 版"]
    for name, window in WINDOWS.items():
        if name in changes and (until := _until(changes[name])):
            told.append(f"{window.label}{until}")
    told += [f"{label}有变" for name, label in _OTHERS.items() if name in changes]
    if body["document"]:
        told.append(f"依据 {body['document']}")
    return "，".join(told)


_OTHERS = {
    "obligation": "填报义务", "parts": "应填的部分", "checker": "质量审查",
    "checks": "质量审查的层级", "sample": "质量审查的抽样", "lapse_unapproved": "逾期的处理",
}  # fmt: skip


def _until(both: Mapping[str, Any]) -> str:
    old, new = (_span(both[side]) for side in ("before", "after"))
    return f"{old}改为{new}" if old != new else ""


def _span(window: Mapping[str, Any] | None) -> str:
    if window is None:
        return "（无）"
    opens, closes = (datetime.fromisoformat(window[name]) for name in ("opens", "closes"))
    return f" {day_of(opens)} 至 {closing_time(closes)} "


AMENDING_COMMANDS: dict[str, CommandRule] = commands(rule(Amend, _amend, {Role.OPERATOR}))

AMENDING_EVENTS: dict[str, EventRule] = {AMENDED: EventRule("规则修订", _changed, tell_amended)}
