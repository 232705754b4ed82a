"""Taking back what was submitted, and the quality check: the same for whatever is checked."""

from typing import Any, Literal

from pydantic import Field

from api.cases.acts import Built, FieldReason, reasons
from api.door.operations import Call
from api.door.requests import Plain
from domain.case import commands as c
from domain.model import Value


class QualityBody(Value):
    """The quality check's outcome; ``send_back`` needs a reason, and so do single fields."""

    outcome: Literal["pass", "send_back"]
    reason: Plain = Field(default="", max_length=2000)
    fields: tuple[FieldReason, ...] = Field(default=(), max_length=500)


def withdraw(call: Call, base: dict[str, Any]) -> Built:
    """The command that takes back what was submitted."""
    return c.Withdraw(**base), None


def quality(call: Call, base: dict[str, Any]) -> Built:
    """The command that passes what is checked, or sends it back with the reasons."""
    if call.body.outcome == "pass":
        return c.PassQuality(**base), reasons(call)
    return c.SendBack(**base), reasons(call)
