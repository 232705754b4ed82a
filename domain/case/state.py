"""What is known of a case, whatever its kind, and what time will bring.

A state is always the fold of its events, in the journal as in the workflow. What only one kind
knows is that kind's own model, beside the rest.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Generic, NamedTuple, assert_never

from pydantic import SerializeAsAny
from typing_extensions import TypeVar

from domain.case.commands import Actor, Command, Lapse, Open, Role, StartQualityCheck, StartReview
from domain.case.plan import CasePlan, Window
from domain.case.status import Status
from domain.citation import Citation
from domain.decision import ReviewLevel
from domain.model import Recorded
from domain.refusals import Refusal

Own_co = TypeVar("Own_co", bound=Recorded, covariant=True, default=Recorded)


class CaseState(Recorded, Generic[Own_co]):
    """All that the state machine knows of a case; ``own`` is what only its kind knows.

    ``filers``, ``reviewers`` and ``checkers`` are the people who have acted as such.
    ``late`` says that the first submission came in the supplementary window (补报).
    ``lapsed_from`` is where an extension takes a lapsed case back to. ``completed_revision`` is
    what was approved last; a case ``reopened`` and not corrected in time goes back to it.
    ``returned_revision`` is what was sent back last and not completed since, 0 for nothing.
    ``since`` is when status or extension changed last, as far as that is on record.
    ``drawn`` says whether the quality check's sample has it, None before it was drawn for;
    ``passed_by`` are those who have passed a level of the quality check since it began.
    ``extension`` is the id of the grant that ``extended_until`` comes from.
    """

    own: SerializeAsAny[Own_co]
    status: Status = Status.SCHEDULED
    levels: tuple[ReviewLevel, ...] = ()
    level: int = 0
    claimed_by: str = ""
    revision: int = 0
    filers: tuple[str, ...] = ()
    reviewers: tuple[str, ...] = ()
    checkers: tuple[str, ...] = ()
    extended_until: datetime | None = None
    extension: str = ""
    submitted_before: bool = False
    late: bool = False
    lapsed_from: Status | None = None
    completed_revision: int = 0
    returned_revision: int = 0
    reopened: bool = False
    since: datetime | None = None
    drawn: bool | None = None
    passed_by: tuple[str, ...] = ()

    def authority(self, plan: CasePlan) -> str:
        """The authority whose turn it is; empty when it is the filer's or nobody's."""
        if self.status is Status.IN_REVIEW:
            return self.levels[self.level - 1].authority
        if self.status is Status.QUALITY_CHECK:
            checks = plan.checks[len(self.passed_by) :]
            return checks[0].authority if checks else plan.checker or ""
        return ""

    def own_with(self, **changes: Any) -> dict[str, Any]:
        """The change of a state that some of its own fields make."""
        return {"own": self.own.model_copy(update=changes)}


class Findings(Recorded):
    """What was found out about a command before deciding on it; each kind adds its own.

    ``refusal``: why it cannot be accepted, for a reason that the case itself does not know.
    """

    refusal: Refusal | None = None


class Timer(NamedTuple):
    """The command that time gives at ``at`` if nothing else happens before.

    ``command`` None: nothing is left to wait for, and the case's process ends. ``details`` are
    the fields of the command beside those that all commands have.
    """

    at: datetime
    command: type[Command] | None
    details: Mapping[str, Any] = {}


LISTED_AS: dict[Role, str] = {
    Role.FILER: "filers",
    Role.RESPONSIBLE: "filers",
    # who enters an application for somebody files it all the same
    Role.CLERK: "filers",
    Role.REVIEWER: "reviewers",
    Role.CHECKER: "checkers",
    Role.OFFICER: "reviewers",
    Role.DECIDER: "checkers",
}
"""Where a state lists whoever takes part in a capacity. Nobody else takes part in a case."""


def took_part(state: CaseState, actor: Actor, *others: str) -> dict[str, tuple[str, ...]]:
    """The change that lists an actor, and ``others`` who acted in the same capacity."""
    people = LISTED_AS[actor.role]
    return {people: listed(getattr(state, people), actor.subject, *others)}


def listed(people: tuple[str, ...], *more: str) -> tuple[str, ...]:
    """A list of people with more of them in it, each once."""
    return tuple(dict.fromkeys((*people, *more)))


def closing(window: Window, state: CaseState) -> datetime:
    """When a window closes for this case, its extension included."""
    return max(window.closes, state.extended_until or window.closes)


def submission_closing(state: CaseState, plan: CasePlan) -> tuple[datetime, Citation]:
    """Until when the filer can submit, and the clause that says so."""
    if state.submitted_before:
        return closing(plan.correct, state), plan.correct.cite
    last = plan.supplement or plan.fill
    return closing(last, state), last.cite


def status_timer(state: CaseState, plan: CasePlan) -> Timer | None:
    """What ends the present status if nobody acts; None when nothing does."""
    match state.status:
        case Status.SCHEDULED:
            return Timer(plan.fill.opens, Open)
        case Status.DRAFT | Status.RETURNED:
            return Timer(submission_closing(state, plan)[0], Lapse)
        case Status.WITHDRAWN:
            must = plan.obligation.outcome == "must" or state.reopened
            return Timer(submission_closing(state, plan)[0], Lapse if must else None)
        case Status.SUBMITTED:
            return Timer(plan.review.opens, StartReview)
        case Status.IN_REVIEW:
            return Timer(closing(plan.review, state), Lapse) if plan.lapse_unapproved else None
        case Status.APPROVED:
            waits_for_draw = plan.sample is not None and state.drawn is None
            if plan.quality is None or waits_for_draw:
                return None
            return Timer(plan.quality.opens, StartQualityCheck)
        case Status.QUALITY_CHECK | Status.COMPLETED | Status.LAPSED | Status.CANCELLED:
            return None
        case Status.AFTER_WINDOW | Status.ANNULLED | Status.IN_FORCE:
            return None
        case never:  # pragma: no cover
            assert_never(never)


def status_timers(state: CaseState, plan: CasePlan) -> list[Timer]:
    """The timers of a case that waits for nothing but the end of its status."""
    timer = status_timer(state, plan)
    return [] if timer is None else [timer]


def status_due(state: CaseState, plan: CasePlan) -> datetime | None:
    """When the present status runs out, None when it does not."""
    timer = status_timer(state, plan)
    return None if timer is None else timer.at
