"""Blocking checks that the reviewing authority waives for one filing.

A waiver is for what was found when it was asked for: the check, its place and its figures, which
``finding`` is the hash of. With other figures the check blocks again, and with another reviewer.
Who asked, who granted and why are steps and notes of the case.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from domain.case.checks import expect, needs_note, wrong_status
from domain.case.commands import Command, Role, Sha256
from domain.case.events import Decision, Event, PendingEvent
from domain.case.kind import CommandRule, EventRule, commands, rule
from domain.case.plan import CasePlan
from domain.case.status import EDITABLE
from domain.filing.findings import FilingFindings
from domain.filing.state import Filing, FilingState, Waiver, WaiverState
from domain.refusals import Code, Refusal

WAIVER_ASKED = "waiver_asked"
WAIVER_GRANTED = "waiver_granted"
WAIVER_DECLINED = "waiver_declined"

MOST = 50
"""So many waivers one filing may ever ask for."""

WAIVER_STATE_LABELS: dict[WaiverState, str] = {
    WaiverState.ASKED: "待答复",
    WaiverState.GRANTED: "已准予",
    WaiverState.DECLINED: "未予准许",
}


class AskWaiver(Command):
    """The filer asks to have a blocking check waived; ``choice`` as in a submission."""

    kind: Literal["ask_waiver"] = "ask_waiver"
    label: ClassVar[str] = "申请豁免校验"
    part: Annotated[str, Field(max_length=64)]
    check: Annotated[str, Field(max_length=64)]
    pointer: Annotated[str, Field(max_length=300)]
    finding: Sha256
    choice: Annotated[str, Field(max_length=64)] | None = None


class _About(Command):
    waiver: int = Field(ge=1, le=2**31 - 1)


class GrantWaiver(_About):
    """The reviewing authority waives a check for this filing, with the reason."""

    kind: Literal["grant_waiver"] = "grant_waiver"
    label: ClassVar[str] = "准予豁免"


class DeclineWaiver(_About):
    """It does not, with the reason."""

    kind: Literal["decline_waiver"] = "decline_waiver"
    label: ClassVar[str] = "不予豁免"


def _ask(
    s: Filing, _: CasePlan, m: AskWaiver, __: datetime, findings: FilingFindings
) -> Decision | Refusal:
    refusal = expect(s, m, *EDITABLE) or needs_note(m) or findings.refusal
    if refusal is not None:
        return refusal
    decision = findings.decision
    authority = (decision.reviewer if decision is not None else "") or ""
    # whoever reviews it instead has not been asked yet
    known = [
        one for one in s.own.waivers if one.finding == m.finding and one.authority == authority
    ]
    if any(one.state is not WaiverState.DECLINED for one in known):
        return _wrong(known[-1], m.label)
    if len(s.own.waivers) >= MOST:
        return wrong_status(s, m.label, f"本件申请豁免已满 {MOST} 次，请更正数据")
    body = {
        "waiver": len(s.own.waivers) + 1,
        "part": m.part,
        "check": m.check,
        "pointer": m.pointer,
        "finding": m.finding,
        "authority": authority,
        "waiting": True,
    }
    return [PendingEvent(WAIVER_ASKED, m.actor, body)]


def _wrong(waiver: Waiver, action: str) -> Refusal:
    params = {
        "waiver": str(waiver.number),
        "state": WAIVER_STATE_LABELS[waiver.state],
        "action": action,
    }
    return Refusal(code=Code.WAIVER_STATE, params=params)


def _answers(event: str) -> Callable[[Filing, CasePlan, Any, datetime, Any], Decision | Refusal]:
    def decide(s: Filing, _: CasePlan, m: _About, __: datetime, ___: Any) -> Decision | Refusal:
        refusal = expect(s, m, *EDITABLE)
        if refusal is not None:
            return refusal
        waiver = next((one for one in s.own.waivers if one.number == m.waiver), None)
        if waiver is None:
            return Refusal(code=Code.NOT_FOUND, params={"what": f"第 {m.waiver} 号豁免申请"})
        if m.actor.scope != waiver.authority:
            return Refusal(code=Code.NOT_YOUR_AUTHORITY, params={"authority": waiver.authority})
        if waiver.state is not WaiverState.ASKED:
            return _wrong(waiver, m.label)
        others = any(
            one.state is WaiverState.ASKED and one.number != m.waiver for one in s.own.waivers
        )
        body = {"waiver": m.waiver, "check": waiver.check, "waiting": others}
        return needs_note(m) or [PendingEvent(event, m.actor, body)]

    return decide


WAIVING_COMMANDS: dict[str, CommandRule] = commands(
    rule(AskWaiver, _ask, {Role.FILER}),
    rule(GrantWaiver, _answers(WAIVER_GRANTED), {Role.REVIEWER}),
    rule(DeclineWaiver, _answers(WAIVER_DECLINED), {Role.REVIEWER}),
)


def _asked(s: Filing, event: Event) -> Mapping[str, Any]:
    body = event.body
    new = Waiver(
        number=body["waiver"],
        part=body["part"],
        check=body["check"],
        pointer=body["pointer"],
        finding=body["finding"],
        authority=body["authority"],
        state=WaiverState.ASKED,
    )
    return s.own_with(waivers=(*s.own.waivers, new))


def _now(state: WaiverState) -> Callable[[Filing, Event], Mapping[str, Any]]:
    def fold(s: Filing, event: Event) -> Mapping[str, Any]:
        moved = tuple(
            one.model_copy(update={"state": state}) if one.number == event.body["waiver"] else one
            for one in s.own.waivers
        )
        return s.own_with(waivers=moved)

    return fold


def granted(own: FilingState, authority: str | None = None) -> dict[str, int]:
    """The numbers of the waivers that were granted, by the findings that they are for.

    Those of one authority; of all where nobody has been found to review the filing yet.
    """
    return {
        one.finding: one.number
        for one in own.waivers
        if one.state is WaiverState.GRANTED and authority in (None, one.authority)
    }


def granted_by(own: FilingState) -> dict[str, dict[str, int]]:
    """The same by the authorities that granted them."""
    authorities = sorted({one.authority for one in own.waivers})
    return {one: mine for one in authorities if (mine := granted(own, one))}


def waived_by_another(
    used: Mapping[str, int], waived: Mapping[str, Mapping[str, int]], reviewer: str
) -> Refusal | None:
    """The refusal of a filing that passes by what another authority than its reviewer waived.

    ``used`` are the findings that were let pass, with the numbers of the waivers; ``waived`` is
    what `granted_by` says.
    """
    left = [finding for finding in used if finding not in waived.get(reviewer, {})]
    if not left:
        return None
    others = sorted(one for one in waived if any(finding in waived[one] for finding in left))
    params = {
        "waivers": "、".join(str(number) for number in sorted({used[one] for one in left})),
        "authorities": "、".join(others),
        "reviewer": reviewer,
    }
    return Refusal(code=Code.WAIVED_BY_ANOTHER, params=params)


def _tell(body: Mapping[str, Any]) -> str:
    return f"第 {body['waiver']} 号，校验 {body['check']}"


WAIVING_EVENTS: dict[str, EventRule] = {
    WAIVER_ASKED: EventRule("申请豁免校验", _asked, _tell),
    WAIVER_GRANTED: EventRule("准予豁免", _now(WaiverState.GRANTED), _tell),
    WAIVER_DECLINED: EventRule("不予豁免", _now(WaiverState.DECLINED), _tell),
}
