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


class FilingQualityBody(QualityBody):
    """The quality check's outcome; all but ``pass`` need a reason, and so do single fields.

    ``fail``: there are faults, and no time is left to correct them; the filing stands with them.
    """

    outcome: Literal["pass", "pass_with_remark", "fail", "send_back"]  # type: ignore[assignment]


def withdraw(call: Call, base: dict[str, Any]) -> Built:
    """The command that takes back what was submitted."""
    return c.Withdraw(**base), None


def quality(call: Call, base: dict[str, Any]) -> Built:
    """The command that says what the check has come to, with the reasons."""
    return _VERDICTS[call.body.outcome](**base), reasons(call)


_VERDICTS: dict[str, type[c.Command]] = {
    "pass": c.PassQuality,
    "pass_with_remark": c.PassWithRemark,
    "fail": c.FailQuality,
    "send_back": c.SendBack,
}
