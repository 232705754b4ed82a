"""Cases of every kind as the API shows them: one, a list of them, what of them somebody sees."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, NamedTuple

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from api.door import cursors
from api.door.operations import PAGING, Call, Operation, Parameter, json_of, schema_of
from api.door.parts import parts_of
from api.door.problems import source
from api.door.requests import Plain, query
from api.door.rights import (
    SCOPES,
    Right,
    Scope,
    Target,
    check,
    of_institution,
    region_in_sight,
)
from domain.announcements import about_case
from domain.case.commands import Actor
from domain.case.kind import CaseKind
from domain.case.plan import FOREVER, Window
from domain.case.status import STATUS_LABELS, Status
from domain.decision import RuleSetRef
from domain.ids import InstitutionId, JurisdictionCode
from domain.jurisdictions import AuthorityId
from domain.kinds import KindName
from domain.model import Value
from domain.text import name_key
from services.case_records import Case, CaseOrder, place_of

# --- what goes out --------------------------------------------------------------------------------


class WindowShown(Value):
    """A window of the case: ``closes`` is the first instant after it, None for no end.

    An extension of the case is in it.
    """

    opens: datetime
    closes: datetime | None
    source: dict[str, str]


class CaseAnnouncement(Value):
    """An announcement that matters to a case; the whole is under ``/api/announcements``."""

    id: str
    title: str
    shown_from: datetime


class CaseShown(Value):
    """One case as its people see it; no figure out of a form. ``quarter`` 0: not of a quarter.

    ``unchanged``: what was submitted last is what had been sent back, without any change.
    ``return_asked``: its filer has asked to have it returned, and has not been answered.
    ``signer_asked``, ``waiver_asked``: it has asked to do without its responsible person's
    confirmation, or to have a check waived, and has not been answered.
    ``extension`` is the id of the extension that ``extended_until`` comes from, "" for none.
    Where it stands, it has stood ``waiting_since``.
    ``announcements`` are those for its asker that matter to it, the newest first.
    """

    id: str
    kind: KindName
    year: int
    quarter: int
    institution: str
    institution_name: str
    region: str
    status: Status
    status_label: str
    level: int
    authority: str
    authority_name: str
    claimed: bool
    claimed_by: str
    revision: int
    unchanged: bool
    return_asked: bool
    signer_asked: bool
    waiver_asked: bool
    due: datetime | None
    extended_until: datetime | None
    extension: str
    waiting_since: datetime
    obligation: str
    parts: tuple[str, ...]
    windows: dict[str, WindowShown]
    rule_set: str
    ruleset: RuleSetRef
    sequence: int
    updated_at: datetime
    announcements: tuple[CaseAnnouncement, ...] = ()


class CasePage(Value):
    """A page of cases; ``next`` is the cursor of the page after, None at the end."""

    items: tuple[CaseShown, ...]
    next: str | None


class Started(Value):
    """What has been set going; it is found under its own address."""

    id: str


async def shown(case: Case, call: Call) -> CaseShown:
    """A case as the API shows it to whoever calls; a filer is not told which reviewer it is."""
    plan, parts = case.plan, parts_of(call.request)
    pieces = about_case(
        await parts.announcements.standing(),
        call.actor.role,
        case.region,
        case.campaign,
        parts.clock(),
    )
    return CaseShown(
        id=case.case_id,
        kind=case.kind,
        year=case.year,
        quarter=case.quarter,
        institution=case.institution_id,
        institution_name=case.institution_name,
        region=case.region,
        status=case.status,
        status_label=STATUS_LABELS[case.status],
        level=case.level,
        authority=case.authority,
        authority_name=parts.authority_name(case.authority),
        claimed=bool(case.claimed_by),
        claimed_by="" if of_institution(call.actor) else case.claimed_by,
        revision=case.revision,
        unchanged=case.unchanged,
        return_asked=case.return_asked,
        signer_asked=case.signer_asked,
        waiver_asked=case.waiver_asked,
        due=case.due,
        extended_until=case.extended_until,
        extension=case.extension,
        waiting_since=case.waiting_since,
        obligation=plan.obligation.outcome,
        parts=plan.parts,
        windows={
            name: _window(window, case.extended_until) for name, window in plan.stated().items()
        },
        rule_set=case.rule_set,
        ruleset=plan.ruleset,
        sequence=case.sequence,
        updated_at=case.updated_at,
        announcements=tuple(
            CaseAnnouncement(id=piece.id, title=piece.title, shown_from=piece.shown_from)
            for piece in pieces
        ),
    )


def _window(window: Window, extended_until: datetime | None) -> WindowShown:
    end = max(window.closes, extended_until or window.closes)
    closes = end if end < FOREVER else None
    return WindowShown(opens=window.opens, closes=closes, source=source(window.cite))


# --- one ------------------------------------------------------------------------------------------


async def target_of(request: Request, case_id: str, what: str, mend: str = "") -> Target:
    """A case and who was ever involved. Raises Refused: there is no such ``what``."""
    case, involved = await parts_of(request).records.find(case_id, what, mend)
    return Target(case=case, involved=involved)


# --- lists ----------------------------------------------------------------------------------------


Shower = Callable[[Call, Sequence[Case]], Awaitable[Sequence[CaseShown]]]
"""What makes the items of a list out of its cases."""


class Filter(NamedTuple):
    """A query parameter that narrows a list of cases: its type, and what it says of the cases."""

    parameter: Parameter
    kind: Any
    narrowing: Callable[[Any], dict[str, Any]]


def equal(name: str, kind: Any, description: str, schema: dict[str, Any] | None = None) -> Filter:
    """A filter by what a case has under the parameter's own name."""
    parameter = Parameter(name, description, schema=schema or schema_of(kind))
    return Filter(parameter, kind, lambda given: {name: given})


CaseYear = Annotated[int, Field(ge=2000, le=2999)]
BY_STATUS = equal("status", Status, "状态", {"enum": [status.value for status in Status]})
BY_INSTITUTION = equal("institution", InstitutionId, "机构编号")
BY_AUTHORITY = equal("authority", AuthorityId, "现由哪个部门办理")
BY_REGION = Filter(
    Parameter("region", "机构的监管区域，含其下级", schema=schema_of(JurisdictionCode)),
    JurisdictionCode,
    lambda given: {"region": given},
)
NameGiven = Annotated[Plain, Field(max_length=200)]
BY_NAME = Filter(
    Parameter("name", "机构名称的一部分", schema=schema_of(NameGiven)),
    NameGiven,
    lambda given: {"name": name_key(given)},
)


def in_sight(actor: Actor, institution: str | None = None) -> dict[str, Any]:
    """What narrows a list of cases to those its asker may see. Raises Refused for another's."""
    match SCOPES[actor.role]:
        case Scope.INSTITUTION:
            check(Right.SEE_FILING, actor, Target(institution=institution))
            return {"institution": actor.scope}
        case Scope.JURISDICTION:
            return {"within": region_in_sight(actor)}
        case Scope.AUTHORITY:
            return {"involved": actor.scope}
        case Scope.EVERYTHING:
            return {}


def case_list(
    path: str,
    kind: CaseKind,
    summary: str,
    tag: str,
    right: Right,
    *filters: Filter,
    sight: Callable[[Actor, str | None], dict[str, Any]] = in_sight,
    answer: type[Value] = CasePage,
    show: Shower | None = None,
) -> Operation:
    """The operation that lists the cases of a kind, by their ids, as far as its asker sees them.

    ``show`` makes the items of ``answer``, where a kind shows more than all do.
    """

    async def list_cases(call: Call) -> Response:
        narrowed: dict[str, Any] = {}
        for filter_ in filters:
            given = query(call.request, filter_.parameter.name, filter_.kind | None, None)
            if given is not None:
                narrowed |= filter_.narrowing(given)
        narrowed |= sight(call.actor, narrowed.get("institution"))
        records = parts_of(call.request).records
        sort: CaseOrder = query(call.request, "sort", CaseOrder, "id")
        return await case_page(
            call,
            lambda after, size: records.listed(kind, after, size, sort, **narrowed),
            answer,
            show,
            sort,
        )

    return Operation(
        "GET",
        path,
        list_cases,
        summary,
        tag,
        right,
        answer,
        parameters=(*(filter_.parameter for filter_ in filters), SORT, *PAGING),
    )


SORT = Parameter(
    "sort",
    "id 按编号（默认）；due 期限近的在前；age 在现状态停得久的在前",
    schema=schema_of(CaseOrder),
)


def instant_of(text: str) -> datetime | None:
    """The instant in a cursor, None for none. Raises Refused for what is no instant."""
    try:
        return datetime.fromisoformat(text).astimezone(UTC) if text else None
    except (ValueError, OverflowError):
        raise cursors.refused() from None


async def case_page(
    call: Call,
    fetch: Callable[[tuple[datetime | None, str] | None, int], Awaitable[Sequence[Case]]],
    answer: type[Value] = CasePage,
    show: Shower | None = None,
    sort: CaseOrder = "id",
) -> Response:
    """A page of cases as they are sorted; ``fetch`` gets up to so many after a place."""
    given = cursors.given(call.request, (str, str))
    after = None if given is None else (instant_of(given[0]), given[1])

    def place(case: Case) -> list[Any]:
        instant, id_ = place_of(dict(case), sort)
        return [instant.isoformat() if instant else "", id_]

    rows, more = await cursors.paged(call.request, lambda size: fetch(after, size), place)
    items = await show(call, rows) if show else [await shown(case, call) for case in rows]
    return json_of(answer.model_validate({"items": tuple(items), "next": more}))
