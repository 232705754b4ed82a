"""A decision as a value: outcome, rule, citation, rule set, and why not the others."""

from typing import Any, Literal

from pydantic import Field

from domain.citation import Citation
from domain.model import Recorded


class RuleSetRef(Recorded):
    """The exact rule set a decision was made under; ``sha256`` is of its resolved form."""

    id: str
    revision: int
    sha256: str


class Candidate(Recorded):
    """One rule of the precedence list and what became of it; ``because`` is for people."""

    rule: str
    authority: str | None
    verdict: Literal["chosen", "eliminated", "not_reached"]
    because: str


class ReviewLevel(Recorded):
    """One level of the review chain: its id in the rules, and the authority that acts there."""

    id: str
    authority: str
    label: str = ""
    cite: Citation | None = None


class ReviewerDecision(Recorded):
    """Who reviews a case.

    ``reviewer`` is None when no rule yields an authority; ``refusal`` is then the code of what is
    to be done (see `domain.refusals.Code`). ``inputs`` are the facts the decision read.
    """

    reviewer: str | None
    rule: str | None
    levels: tuple[ReviewLevel, ...]
    cite: Citation | None
    ruleset: RuleSetRef
    candidates: tuple[Candidate, ...]
    refusal: str | None = None
    because: str = ""
    inputs: dict[str, Any] = Field(default_factory=dict)
    inputs_sha256: str = ""

    @property
    def chain(self) -> tuple[str, ...]:
        """The authorities of the review levels, first to last."""
        return tuple(level.authority for level in self.levels)


class Obligation(Recorded):
    """Whether an institution must file, may file when it asks, or is outside the statistics."""

    outcome: Literal["must", "may", "none"]
    rule: str | None
    cite: Citation | None


class GateDecision(Recorded):
    """Whether an institution may upload report numbers now, and under which rule.

    ``code`` is the refusal's code (see `domain.refusals.Code`) where ``allowed`` is false, and
    ``because`` a Chinese sentence. ``inputs`` are the facts the decision read.
    """

    allowed: bool
    rule: str | None
    because: str = ""
    code: str | None = None
    cite: Citation | None = None
    ruleset: RuleSetRef
    inputs: dict[str, Any] = Field(default_factory=dict)


class Eligibility(Recorded):
    """Whether the public lookup answers for an institution's numbers today."""

    eligible: bool
    because: str = ""
    cite: Citation | None = None


class PublicAnswer(Recorded):
    """The words of one answer of the public lookup, in the notice's own terms.

    ``proves`` and ``does_not_prove`` say what the reader may conclude, ``next_step`` what to do.
    """

    title: str
    says: str
    proves: str
    does_not_prove: str
    next_step: str
    cites: tuple[Citation, ...]
