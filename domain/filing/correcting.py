"""Correcting what was completed: each time it is completed again is a version of the filing.

The reasons, and which of them are material, are the rules'. What was completed first and when is
never changed by it.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from domain.case.events import EventName, Step
from domain.case.state import CaseState
from domain.filing.findings import FilingFindings
from domain.model import Value
from domain.refusals import Code, Refusal


def correction_of(
    s: CaseState, code: str, words: str, findings: FilingFindings
) -> dict[str, Any] | Refusal:
    """What the body of a submission says of why it corrects a completed filing; {} for nothing.

    ``words`` is the hash of the reason in words. Refused: a reason that the rules do not know, or
    one where nothing was completed, or none at all where they ask for one; and one that is not
    material where a figure differs from what was completed.
    """
    known = {one.code: one for one in findings.corrections}
    options = "、".join(f"{one.code}（{one.label}）" for one in known.values())
    if not s.reopened:
        if code:
            return Refusal(code=Code.NO_CORRECTION)
        return {}
    if findings.decision is None or (not known and not code):
        # the rules have not been looked into yet, or ask for nothing
        return {}
    if code not in known or not words:
        return Refusal(code=Code.CORRECTION_REASON, params={"options": options or "（没有）"})
    if findings.figures_changed and not known[code].material:
        material = "、".join(f"{one.code}（{one.label}）" for one in known.values() if one.material)
        params = {
            "label": known[code].label,
            "completed": str(s.completed_revision),
            "options": material or "（没有）",
        }
        return Refusal(code=Code.CORRECTION_CHANGES_FIGURES, params=params)
    return {"correction": known[code].model_dump(mode="json")}


class Version(Value):
    """One time that a filing was completed, from 1; ``revision`` is what it was completed as.

    ``first`` is when it was completed first. ``material`` is None where no reason is on record:
    for the first version, and where the rules ask for none. ``files`` are the hashes of
    those beside it.
    """

    number: int
    revision: int
    sha256: str
    submitted_at: datetime
    completed_at: datetime
    first: datetime
    material: bool | None
    code: str
    label: str
    files: tuple[str, ...]


def versions(steps: Sequence[Step]) -> Iterator[tuple[Version, str]]:
    """The versions of a filing, the first one first, each with the hash of its reason in words.

    Of an annulled year's none are left.
    """
    begun = [step.sequence for step in steps if step.event == EventName.SCHEDULED]
    submitted: Step | None = None
    number, first = 0, None
    for step in steps:
        if begun and step.sequence < begun[-1]:
            continue
        if step.event == EventName.SUBMITTED:
            submitted = step
        if step.event != EventName.COMPLETED or submitted is None:
            continue
        number, first = number + 1, first or step.at
        correction = submitted.body.get("correction") or {}
        version = Version(
            number=number,
            revision=submitted.body["revision"],
            sha256=submitted.body["content_sha256"],
            submitted_at=submitted.at,
            completed_at=step.at,
            first=first,
            material=correction.get("material"),
            code=correction.get("code", ""),
            label=correction.get("label", ""),
            files=tuple(submitted.body.get("files", ())),
        )
        yield version, submitted.note_sha256
