"""The receipt of a submission: what the record says of it, in one document. Pure.

Everything in it but its forms' versions follows from the case's plan and steps, so that whoever has
the record can make it again and compare.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from domain.case.events import EventName, Step, event_of
from domain.case.kind import evolve
from domain.case.plan import CasePlan
from domain.clock import in_utc
from domain.filing.kind import FILING
from domain.filing.state import FilingState, Signer, WaiverState

FORMAT = "zhibao-filing-receipt-1"

NOT_OF_STEPS = ("forms", "key", "signed_at")
"""What of a receipt does not follow from plan and steps."""


def submissions(steps: Sequence[Step]) -> list[Step]:
    """The steps by which a filing was submitted, the first one first."""
    return [step for step in steps if step.event == EventName.SUBMITTED]


def receipt_body(
    plan: CasePlan,
    steps: Sequence[Step],
    sequence: int,
    forms: Mapping[str, Mapping[str, Any]],
    key: str,
    signed_at: datetime | None = None,
) -> dict[str, Any]:
    """What the receipt of the submission at step ``sequence`` says.

    ``forms`` are the versions of the parts' forms, ``key`` the id of the key it is signed with and
    ``signed_at`` when.
    Raises StopIteration for a step that is no submission.
    """
    step = next(one for one in submissions(steps) if one.sequence == sequence)
    state = FILING.new()
    for one in steps:
        if one.sequence <= sequence:
            state = evolve(FILING, state, event_of(one))
    own = state.own
    assert isinstance(own, FilingState)
    assigned = next(
        (
            one
            for one in steps
            if one.command_id == step.command_id and one.event == EventName.ASSIGNED
        ),
        None,
    )
    review = assigned.body["reviewer"] if assigned is not None else ""
    return {
        "format": FORMAT,
        "case_id": step.case_id,
        "sequence": step.sequence,
        "step_hash": step.hash,
        "revision": step.body["revision"],
        "content_sha256": step.body["content_sha256"],
        "files": list(step.body.get("files", ())),
        "received_at": in_utc(step.received_at),
        "decided_at": in_utc(step.at),
        "late": step.body["late"],
        "submitted_by": step.actor.subject,
        "institution": step.actor.scope,
        "review": review,
        "rule_set": plan.ruleset.model_dump(mode="json"),
        "forms": {part: dict(form) for part, form in forms.items()},
        "attestation": _attestation(own, step),
        "waivers": [
            {
                "waiver": one.number,
                "part": one.part,
                "check": one.check,
                "pointer": one.pointer,
                "authority": one.authority,
            }
            for one in own.waivers
            if one.state is WaiverState.GRANTED and one.authority == review
        ],
        "correction": step.body.get("correction"),
        "key": key,
        "signed_at": in_utc(signed_at) if signed_at is not None else "",
    }


def _attestation(own: FilingState, step: Step) -> dict[str, Any] | None:
    last = own.attestation
    wanted = (step.body["revision"], step.body["content_sha256"], own.files)
    if last is not None and (last.revision, last.content_sha256, last.files) == wanted:
        assert last.at is not None
        return {"by": last.by, "at": in_utc(last.at)}
    return {"excused": True} if own.signer is Signer.EXCUSED else None
