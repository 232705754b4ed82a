"""What is found out about a filing's content before its state machine decides."""

from typing import Literal

from pydantic import Field

from domain.case.plan import CasePlan
from domain.case.state import Findings
from domain.citation import Citation
from domain.decision import ReviewerDecision
from domain.model import Recorded


class Correction(Recorded):
    """Why a completed filing is corrected: a reason of the rules, and whether it is material."""

    code: str
    label: str
    material: bool


class FilingFindings(Findings):
    """Who reviews what is submitted, and ``editors``, all who saved a revision of it.

    ``unchanged``: it is what was sent back. ``attestation`` is the clause that a second signature
    is asked for by, None where none is. ``corrections`` are the reasons that the rules know for
    correcting what was completed, none where they do not ask for one; ``figures_changed``: a figure
    or choice is another than in what was completed. ``plan`` is what the filing
    would run on under amended rules, found out for amendments alone. ``files`` are the hashes of
    the files beside the content, sorted; None as long as nobody has looked. ``shared`` are the
    legal persons and centres of a year for which some other account could file as well, see
    `domain.legal_persons`.
    """

    decision: ReviewerDecision | None = None
    editors: tuple[str, ...] = ()
    unchanged: bool = False
    attestation: Citation | None = None
    corrections: tuple[Correction, ...] = ()
    figures_changed: bool = False
    plan: CasePlan | None = None
    files: tuple[str, ...] | None = None
    shared: tuple[str, ...] = ()


class PrepareSubmission(Recorded):
    """What is to be found out about a submission before the state machine decides on it.

    ``parts`` are those of the plan; ``returned_revision`` is what was sent back, 0 for nothing.
    ``completed_revision`` is what is corrected, 0 where nothing was completed.
    ``purpose`` is what it is looked into for: a confirmation needs no reviewer, a waiver no
    content. ``waived`` are the filing's waivers by the authorities that granted them, each by the
    finding that it is for.
    """

    case_id: str
    institution: str
    rule_set: str
    revision: int
    content_sha256: str
    choice: str | None
    parts: tuple[str, ...]
    returned_revision: int = 0
    completed_revision: int = 0
    purpose: Literal["submit", "attest", "waive"] = "submit"
    waived: dict[str, dict[str, int]] = Field(default_factory=dict)
