"""The one place that says who may do what.

Every operation names a `Right`. Whether somebody has it at all is decided by `admit`, before
anything is looked up; on what an address names, by `check`, before the operation's code. What is
there and not for whoever asks is answered as what is not there: `domain.refusals.unseen`. The
state machine decides on its own whether the case allows the act at this moment.
"""

from enum import StrEnum

from domain.case.commands import ROLE_LABELS, Actor, Role, forbidden
from domain.connected import client_of
from domain.ids import NATION, jurisdiction_of
from domain.jurisdictions import lies_in, regulates
from domain.refusals import Code, Refusal, Refused, unseen
from services.case_records import Case


class Right(StrEnum):
    """What an operation needs its asker to be."""

    ANYONE = "anyone"
    SIGNED_IN = "signed_in"
    SEE_FILING = "see_filing"
    SEE_CONTENT = "see_content"
    START_FILING = "start_filing"
    FILE = "file"
    ATTEST = "attest"
    REVIEW = "review"
    CLAIM = "claim"
    RELEASE = "release"
    CHECK = "check"
    OPERATE = "operate"
    BULK = "bulk"
    SEE_CAMPAIGNS = "see_campaigns"
    SEE_REGISTER = "see_register"
    PUBLISH = "publish"
    REGISTER = "register"
    SEE_REGISTRATION = "see_registration"
    SEE_CONTACTS = "see_contacts"
    SET_CONTACTS = "set_contacts"
    SEE_TASKS = "see_tasks"
    AUDIT = "audit"
    FOLLOW_EVENTS = "follow_events"
    SEE_COMPLAINT = "see_complaint"
    SEE_CERTIFICATE = "see_certificate"
    APPLY = "apply"
    END_CERTIFICATE = "end_certificate"
    ISSUE = "issue"
    DELIVER = "deliver"
    REMIND = "remind"
    SEE_OUTBOX = "see_outbox"
    SEE_QUESTIONS = "see_questions"
    ANSWER = "answer"
    SETTLE = "settle"
    SEE_NOTICES = "see_notices"
    SEE_OWN_FIGURES = "see_own_figures"
    OWN_FIGURES = "own_figures"
    SEE_DUTIES = "see_duties"
    REPORT_DUTY = "report_duty"
    MANAGE_CLIENTS = "manage_clients"
    SEE_CLIENTS = "see_clients"
    SEE_ENFORCEMENT = "see_enforcement"
    SEE_MEASURES = "see_measures"
    OPEN_ENFORCEMENT = "open_enforcement"
    PROPOSE_MEASURE = "propose_measure"
    DECIDE_MEASURE = "decide_measure"
    WITHDRAW_MEASURE = "withdraw_measure"
    STATE_CASE = "state_case"
    END_BY_CURE = "end_by_cure"
    GIVE_ROLES = "give_roles"
    CONFIRM = "confirm"
    SEE_CONFIRMATIONS = "see_confirmations"
    DESTROY = "destroy"


ROLES: dict[Right, frozenset[Role]] = {
    Right.ANYONE: frozenset(Role),
    Right.SIGNED_IN: frozenset(Role),
    # whoever enforces sees dates of filings, and never what was filed
    Right.SEE_FILING: frozenset(Role) - {Role.CLERK, Role.OFFICER, Role.DECIDER},
    Right.SEE_CONTENT: frozenset({Role.FILER, Role.RESPONSIBLE, Role.REVIEWER, Role.CHECKER}),
    Right.START_FILING: frozenset({Role.FILER, Role.OPERATOR}),
    Right.FILE: frozenset({Role.FILER}),
    Right.ATTEST: frozenset({Role.RESPONSIBLE}),
    Right.REVIEW: frozenset({Role.REVIEWER}),
    Right.CLAIM: frozenset({Role.REVIEWER, Role.CHECKER}),
    Right.RELEASE: frozenset({Role.REVIEWER, Role.CHECKER, Role.OPERATOR}),
    Right.CHECK: frozenset({Role.CHECKER}),
    Right.OPERATE: frozenset({Role.OPERATOR}),
    Right.BULK: frozenset({Role.OPERATOR, Role.REVIEWER, Role.CHECKER}),
    Right.SEE_CAMPAIGNS: frozenset({Role.OPERATOR, Role.AUDITOR, Role.REVIEWER, Role.CHECKER}),
    Right.SEE_REGISTER: frozenset({Role.OPERATOR, Role.AUDITOR}),
    Right.PUBLISH: frozenset({Role.OPERATOR}),
    Right.REGISTER: frozenset({Role.FILER, Role.OPERATOR}),
    Right.SEE_REGISTRATION: frozenset({Role.FILER, Role.OPERATOR, Role.AUDITOR}),
    # personal data: the institution itself, who reviews it, who answers for its region
    Right.SEE_CONTACTS: frozenset({Role.FILER, Role.REVIEWER, Role.OPERATOR}),
    Right.SET_CONTACTS: frozenset({Role.FILER, Role.OPERATOR}),
    Right.SEE_TASKS: frozenset({Role.REVIEWER, Role.CHECKER, Role.OFFICER, Role.DECIDER}),
    Right.AUDIT: frozenset({Role.AUDITOR}),
    Right.FOLLOW_EVENTS: frozenset({Role.OPERATOR, Role.AUDITOR}),
    # whoever is complained of does not see who complains
    Right.SEE_COMPLAINT: frozenset({Role.REVIEWER, Role.OPERATOR, Role.AUDITOR}),
    Right.SEE_CERTIFICATE: frozenset(Role) - {Role.RESPONSIBLE},
    Right.APPLY: frozenset({Role.FILER, Role.CLERK}),
    Right.END_CERTIFICATE: frozenset({Role.CLERK, Role.REVIEWER}),
    Right.ISSUE: frozenset({Role.CLERK}),
    Right.DELIVER: frozenset({Role.CLERK}),
    Right.REMIND: frozenset({Role.OPERATOR, Role.REVIEWER}),
    Right.SEE_OUTBOX: frozenset({Role.OPERATOR, Role.AUDITOR}),
    # a question may quote what was filed
    Right.SEE_QUESTIONS: frozenset(Role) - {Role.CLERK, Role.OFFICER, Role.DECIDER},
    Right.ANSWER: frozenset({Role.REVIEWER}),
    Right.SETTLE: frozenset({Role.FILER, Role.REVIEWER}),
    Right.SEE_NOTICES: frozenset({Role.FILER, Role.REVIEWER, Role.OPERATOR, Role.AUDITOR}),
    # which authority's they are stands in the rules: the service looks closer
    Right.SEE_OWN_FIGURES: frozenset({Role.REVIEWER, Role.CHECKER, Role.OPERATOR, Role.AUDITOR}),
    Right.OWN_FIGURES: frozenset({Role.REVIEWER}),
    # of the authority that somebody acts for; an operator acts for the regulator of its place
    Right.SEE_DUTIES: frozenset({Role.REVIEWER, Role.CHECKER, Role.OPERATOR}),
    Right.REPORT_DUTY: frozenset({Role.REVIEWER, Role.OPERATOR}),
    Right.MANAGE_CLIENTS: frozenset({Role.OPERATOR}),
    Right.SEE_CLIENTS: frozenset({Role.OPERATOR, Role.AUDITOR}),
    Right.SEE_ENFORCEMENT: frozenset(
        {Role.FILER, Role.OFFICER, Role.DECIDER, Role.OPERATOR, Role.AUDITOR}
    ),
    Right.SEE_MEASURES: frozenset({Role.OFFICER, Role.DECIDER, Role.OPERATOR, Role.AUDITOR}),
    Right.OPEN_ENFORCEMENT: frozenset({Role.OFFICER, Role.OPERATOR}),
    Right.PROPOSE_MEASURE: frozenset({Role.OFFICER}),
    Right.DECIDE_MEASURE: frozenset({Role.DECIDER}),
    Right.WITHDRAW_MEASURE: frozenset({Role.OFFICER, Role.DECIDER}),
    Right.STATE_CASE: frozenset({Role.FILER}),
    Right.END_BY_CURE: frozenset({Role.FILER, Role.OFFICER}),
    # of these only who has been made an administrator, see `services.memberships`
    Right.GIVE_ROLES: frozenset({Role.FILER, Role.OPERATOR}),
    # of what its own authority or jurisdiction has proposed; the rules say who of them
    Right.CONFIRM: frozenset({Role.OPERATOR, Role.CLERK, Role.REVIEWER}),
    Right.SEE_CONFIRMATIONS: frozenset({Role.OPERATOR, Role.CLERK, Role.REVIEWER, Role.AUDITOR}),
    Right.DESTROY: frozenset({Role.OPERATOR}),
}


class Scope(StrEnum):
    """What the scope of somebody's role names, and so what of the records is theirs to see."""

    INSTITUTION = "institution"
    AUTHORITY = "authority"
    JURISDICTION = "jurisdiction"
    EVERYTHING = "everything"


SCOPES: dict[Role, Scope] = {
    Role.FILER: Scope.INSTITUTION,
    Role.RESPONSIBLE: Scope.INSTITUTION,
    Role.REVIEWER: Scope.AUTHORITY,
    Role.CHECKER: Scope.AUTHORITY,
    Role.CLERK: Scope.AUTHORITY,
    Role.OFFICER: Scope.AUTHORITY,
    Role.DECIDER: Scope.AUTHORITY,
    Role.OPERATOR: Scope.JURISDICTION,
    Role.AUDITOR: Scope.EVERYTHING,
}
"""Nobody is given the system's role: it has no scope."""

NATIONAL = frozenset({Right.MANAGE_CLIENTS, Right.SEE_CLIENTS, Right.DESTROY})
"""What of the operators only the nation's may do."""


OF_SUPERVISORS = frozenset(
    {Right.REMIND, Right.SEE_QUESTIONS, Right.ANSWER, Right.SETTLE, Right.SEE_NOTICES}
)
"""What the regulator of a region may do before a case there has ever been its turn."""


def of_institution(actor: Actor) -> bool:
    """Whether somebody acts for an institution: it deals with authorities, not people in them."""
    return SCOPES.get(actor.role) is Scope.INSTITUTION


class Target:
    """What an operation is about, as far as rights depend on it.

    ``involved`` are the authorities a case has ever been assigned to, its checker included;
    ``campaign`` is the jurisdiction of a campaign that is to be looked at. ``addressed``: the
    address itself says all of it, so that nothing on record is told by it.
    """

    def __init__(
        self,
        *,
        case: Case | None = None,
        involved: frozenset[str] = frozenset(),
        institution: str | None = None,
        region: str | None = None,
        campaign: str | None = None,
        addressed: bool = False,
    ) -> None:
        self.addressed = addressed
        self.case = case
        self.campaign = campaign
        self.involved = involved
        self.institution = case.institution_id if case else institution
        self.region = case.region if case else region


def admit(right: Right, actor: Actor) -> None:
    """Raises Refused unless ``actor`` may have ``right`` on anything."""
    if actor.role not in ROLES[right]:
        raise Refused(forbidden(ROLE_LABELS[actor.role], ROLES[right]))
    if client_of(actor) and right is not Right.DELIVER:
        # a client delivers, and does nothing that a person does
        raise Refused(forbidden("联网系统", ROLES[right]))
    if right is Right.DELIVER and not client_of(actor):
        raise Refused(Refusal(code=Code.CLIENTS_ONLY))
    national = right in NATIONAL and SCOPES[actor.role] is Scope.JURISDICTION
    if national and actor.scope != NATION:
        params = {"role": "省、市、县经办人", "wanted": f"全国的经办人（辖区 {NATION}）"}
        raise Refused(Refusal(code=Code.FORBIDDEN, params=params))


def check(right: Right, actor: Actor, target: Target) -> None:
    """Raises Refused unless ``actor`` has ``right`` on ``target``."""
    admit(right, actor)
    scope = SCOPES[actor.role]
    if scope is Scope.INSTITUTION and target.institution not in (None, actor.scope):
        raise Refused(_not_yours(target))
    if scope is Scope.JURISDICTION and not covers(actor.scope, target.region):
        raise Refused(_elsewhere(actor, target.region))
    if target.campaign is not None and not sees_campaign(actor, target.campaign):
        raise Refused(_elsewhere(actor, target.campaign))
    if (
        scope is Scope.AUTHORITY
        and target.institution is not None
        and actor.scope not in target.involved
        and not (right in OF_SUPERVISORS and supervises(actor.scope, target.region))
    ):
        authority = (target.case.authority if target.case else "") or "其他部门或填报机构"
        raise Refused(Refusal(code=Code.NOT_YOUR_AUTHORITY, params={"authority": authority}))


def check_found(right: Right, actor: Actor, target: Target) -> None:
    """`check` of what was looked up: what is another's is refused as what does not exist."""
    admit(right, actor)
    try:
        check(right, actor, target)
    except Refused:
        raise Refused(unseen()) from None


def knows_all(actor: Actor, institution: str | None) -> bool:
    """Whether nothing that is asked for is another's: it is told what is missing, and what to do.

    ``institution`` is the one that the address names.
    """
    match SCOPES[actor.role]:
        case Scope.EVERYTHING:
            return True
        case Scope.JURISDICTION:
            return actor.scope == NATION
        case Scope.INSTITUTION:
            return institution == actor.scope
        case Scope.AUTHORITY:
            return False


def region_in_sight(actor: Actor) -> str:
    """The jurisdiction whose records somebody sees: an operator's own, else the nation."""
    return actor.scope if SCOPES[actor.role] is Scope.JURISDICTION else NATION


def place_of(actor: Actor) -> str | None:
    """The jurisdiction that somebody answers for: "" for all, None for none."""
    match SCOPES.get(actor.role):
        case Scope.JURISDICTION:
            return actor.scope
        case Scope.AUTHORITY:
            return jurisdiction_of(actor.scope) if regulates(actor.scope) else None
        case _:
            return ""


def sees_contacts(actor: Actor) -> bool:
    """Whether contacts are shown in lists that somebody sees."""
    return actor.role in ROLES[Right.SEE_CONTACTS]


def covers(jurisdiction: str, region: str | None) -> bool:
    """Whether a region, or a campaign's jurisdiction, lies in an operator's jurisdiction."""
    return region is None or lies_in(region, jurisdiction)


def supervises(authority: str, region: str | None) -> bool:
    """Whether an authority is the market regulator of a region, or one above it."""
    return (
        regulates(authority) and region is not None and covers(jurisdiction_of(authority), region)
    )


def sees_campaign(actor: Actor, jurisdiction: str) -> bool:
    """An operator sees the campaigns within its jurisdiction, and those its own lies within."""
    if SCOPES[actor.role] is not Scope.JURISDICTION:
        return True
    return covers(actor.scope, jurisdiction) or covers(jurisdiction, actor.scope)


def _elsewhere(actor: Actor, region: str | None) -> Refusal:
    params = {"region": region or "—", "jurisdiction": actor.scope}
    return Refusal(code=Code.NOT_YOUR_REGION, params=params)


def _not_yours(target: Target) -> Refusal:
    return Refusal(code=Code.NOT_YOUR_CASE, params={"institution": target.institution or "—"})
