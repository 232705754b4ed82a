"""Remarks of whoever reviews or checks, bound to fields; their words are a note of the case.

A remark changes nothing but what its filer reads beside the field. No value is in it.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar, Literal

from domain.case.checks import expect, needs_note, turn, turn_window
from domain.case.commands import Command, Role
from domain.case.events import Decision, EventName, PendingEvent
from domain.case.kind import CommandRule, EventRule, changes_nothing, commands, rule
from domain.case.plan import CasePlan
from domain.case.state import Findings
from domain.case.status import Status
from domain.filing.state import Filing
from domain.refusals import Refusal

REMARKED = "remarked"

WITH_REMARKS = frozenset({REMARKED, EventName.RETURNED.value, EventName.SENT_BACK.value})
"""Events whose notes hold remarks on fields."""


class Remark(Command):
    """Whoever has the filing before them remarks on some of its fields."""

    kind: Literal["remark"] = "remark"
    label: ClassVar[str] = "批注"


def _remark(s: Filing, p: CasePlan, m: Remark, now: datetime, _: Findings) -> Decision | Refusal:
    claimed = s.status is Status.IN_REVIEW
    refusal = (
        expect(s, m, Status.IN_REVIEW, Status.QUALITY_CHECK)
        or turn(s, p, m, claim_needed=claimed)
        or turn_window(s, p, now)
        or needs_note(m)
    )
    return refusal or [PendingEvent(REMARKED, m.actor, {"revision": s.revision})]


def _tell(body: Mapping[str, Any]) -> str:
    return f"对第 {body['revision']} 稿"


REMARKING_COMMANDS: dict[str, CommandRule] = commands(
    rule(Remark, _remark, {Role.REVIEWER, Role.CHECKER})
)
REMARKING_EVENTS: dict[str, EventRule] = {REMARKED: EventRule("批注", changes_nothing, _tell)}
