"""What commands are checked for: state, window, person, turn. Shared by all kinds of cases."""

from datetime import datetime

from domain.case.commands import ROLE_LABELS, Actor, Command, Release, Role
from domain.case.plan import CasePlan
from domain.case.state import LISTED_AS, CaseState, closing, submission_closing
from domain.case.status import STATUS_LABELS, STATUS_NEXT, Status
from domain.refusals import Code, Refusal


def wrong_status(state: CaseState, action: str, next_: str = "") -> Refusal:
    """The refusal of what a status does not allow; ``next_`` where something unusual comes next."""
    params = {
        "status": STATUS_LABELS[state.status],
        "action": action,
        "next": next_ or STATUS_NEXT[state.status],
    }
    return Refusal(code=Code.WRONG_STATUS, params=params)


def expect(state: CaseState, command: Command, *wanted: Status) -> Refusal | None:
    if state.status in wanted:
        return None
    return wrong_status(state, command.label)


def submission_window(state: CaseState, plan: CasePlan, now: datetime) -> Refusal | None:
    if now < plan.fill.opens:
        return Refusal(code=Code.NOT_OPEN_YET, cite=plan.fill.cite, at=plan.fill.opens)
    closes, cite = submission_closing(state, plan)
    if now >= closes:
        code = Code.CORRECT_CLOSED if state.submitted_before else Code.FILL_CLOSED
        return Refusal(code=code, cite=cite, at=closes)
    return None


def review_window(state: CaseState, plan: CasePlan, now: datetime) -> Refusal | None:
    if now < plan.review.opens:
        return Refusal(code=Code.REVIEW_NOT_OPEN, cite=plan.review.cite, at=plan.review.opens)
    if now >= closing(plan.review, state):
        return Refusal(
            code=Code.REVIEW_CLOSED, cite=plan.review.cite, at=closing(plan.review, state)
        )
    return None


def quality_window(state: CaseState, plan: CasePlan, now: datetime) -> Refusal | None:
    if plan.quality is None:
        return None
    closes = closing(plan.quality, state)
    if now < plan.quality.opens:
        return Refusal(code=Code.QUALITY_NOT_OPEN, cite=plan.quality.cite, at=plan.quality.opens)
    if now >= closes:
        return Refusal(code=Code.QUALITY_CLOSED, cite=plan.quality.cite, at=closes)
    return None


def turn_window(state: CaseState, plan: CasePlan, now: datetime) -> Refusal | None:
    if state.status is Status.IN_REVIEW:
        return review_window(state, plan, now)
    return quality_window(state, plan, now)


def person(state: CaseState, actor: Actor) -> Refusal | None:
    """Filer, reviewer and checker of one case are three different people."""
    other = _part_taken(state, actor.subject, actor.role)
    if other is None:
        return None
    params = {"role": ROLE_LABELS[other], "wanted": ROLE_LABELS[actor.role]}
    return Refusal(code=Code.SAME_PERSON, params=params)


def fit_for_turn(state: CaseState, subject: str) -> Refusal | None:
    """Whether somebody else may be given the case whose turn it is: as `person` for them."""
    wanted = turn_of(state)
    other = _part_taken(state, subject, wanted)
    if other is None:
        return None
    params = {"person": subject, "role": ROLE_LABELS[other], "wanted": ROLE_LABELS[wanted]}
    return Refusal(code=Code.PERSON_NOT_FIT, params=params)


def _part_taken(state: CaseState, subject: str, wanted: Role) -> Role | None:
    """As what somebody has taken part who must not have, to take part as ``wanted``."""
    for role in (Role.FILER, Role.REVIEWER, Role.CHECKER):
        if LISTED_AS[role] != LISTED_AS[wanted] and subject in getattr(state, LISTED_AS[role]):
            return role
    return None


def turn_of(state: CaseState) -> Role:
    """In what capacity a case of an authority is worked on now."""
    return Role.REVIEWER if state.status is Status.IN_REVIEW else Role.CHECKER


def turn(
    state: CaseState, plan: CasePlan, command: Command, *, claim_needed: bool
) -> Refusal | None:
    """Whether it is this person's turn: authority, separation of people, claim."""
    authority = state.authority(plan)
    wanted = turn_of(state)
    if command.actor.scope != authority or command.actor.role is not wanted:
        # of the authority itself, it is another capacity that is wanted
        wanted_as = f"（{ROLE_LABELS[wanted]}）" if command.actor.scope == authority else ""
        params = {"authority": f"{authority}{wanted_as}"}
        return Refusal(code=Code.NOT_YOUR_AUTHORITY, params=params)
    refusal = person(state, command.actor)
    if refusal is not None:
        return refusal
    if claim_needed and not state.claimed_by:
        return Refusal(code=Code.NOT_CLAIMED)
    if state.claimed_by and state.claimed_by not in (command.actor.subject, command.acting_for):
        return Refusal(code=Code.CLAIMED_BY_OTHER, params={"person": state.claimed_by})
    return None


def needs_note(command: Command) -> Refusal | None:
    if command.note_sha256:
        return None
    # where a note is free for most people, it has another name
    field = "note" if isinstance(command, Release) else "reason"
    return Refusal(code=Code.REASON_REQUIRED, params={"action": command.label, "field": field})
