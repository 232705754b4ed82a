"""How an amendment of the rules changes what a case runs on; its steps tell old and new values.

What it changes stands in its step, as JSON by the names of `CasePlan`: from the plan that a case
has now, each plan before comes out again, and the other way round.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from domain.case.events import Step
from domain.case.plan import CasePlan

AMENDED = "amended"

Changes = Mapping[str, Mapping[str, Any]]
"""Old and new values, ``before`` and ``after``, by the names of a plan's fields."""


def differences(before: CasePlan, after: CasePlan) -> dict[str, dict[str, Any]]:
    """What differs between two plans."""
    old, new = before.model_dump(mode="json"), after.model_dump(mode="json")
    return {
        name: {"before": old[name], "after": new[name]} for name in old if old[name] != new[name]
    }


def ruled_by(plan: CasePlan, event: str, body: Mapping[str, Any]) -> CasePlan:
    """What a case runs on after an event."""
    return _with(plan, body["changes"], "after") if event == AMENDED else plan


def plan_before(plan: CasePlan, steps: Iterable[Step]) -> CasePlan:
    """What a case ran on before these steps, if ``plan`` is what it runs on after them."""
    for step in reversed(list(steps)):
        if step.event == AMENDED:
            plan = _with(plan, step.body["changes"], "before")
    return plan


def _with(plan: CasePlan, changes: Changes, side: str) -> CasePlan:
    values = {name: both[side] for name, both in changes.items()}
    return CasePlan.model_validate({**plan.model_dump(mode="json"), **values})
