"""What is in force and what has ended: for authorities all of it, for the public what is public."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import Field
from starlette.responses import Response

from api.campaigns.campaigns import of_campaign
from api.door import cursors
from api.door.operations import PAGING, Call, Operation, Parameter, json_of, schema_of
from api.door.pages import render
from api.door.parts import parts_of
from api.door.problems import source
from api.door.requests import Plain, path, query
from api.door.rights import Right, region_in_sight
from domain.case.status import STATUS_LABELS, Status
from domain.enforcement.commands import ENDING_LABELS, Ending
from domain.enforcement.consequences import KIND_LABELS
from domain.ids import NATION, JurisdictionCode, campaign_id
from domain.jurisdictions import lies_in, narrower
from domain.model import Value
from services.enforcement.register import Measure

_Name = Annotated[Plain, Field(max_length=200)]
_MeasureId = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,63}$")]
_State = Literal["in_force", "ended"]
_PeriodName = Annotated[str, Field(pattern=r"^2[0-9]{3}(Q[1-4])?$")]


class MeasureRow(Value):
    """A measure that took effect. The public is shown no ``case_id``."""

    case_id: str
    institution: str
    institution_name: str
    region: str
    year: int
    authority: str
    authority_name: str
    measure: str
    label: str
    kind_label: str
    effective_at: datetime
    expires_at: datetime | None
    state: _State
    ended_at: datetime | None
    ended_by_label: str
    source: dict[str, str]


class MeasurePage(Value):
    """A page of measures, the newest first."""

    items: tuple[MeasureRow, ...]
    next: str | None


class FigureRow(Value):
    """How many cases stand there: status, measure proposed, how it ended."""

    status: Status
    status_label: str
    measure: str
    ended_by: str
    ended_by_label: str
    cases: int


class Figures(Value):
    """The enforcement of one campaign in figures."""

    rows: tuple[FigureRow, ...]
    total: int


def row_of(measure: Measure, call: Call, *, public: bool) -> MeasureRow:
    """A measure as registers show it."""
    parts = parts_of(call.request)
    now = parts.clock()
    holds = (
        measure.ended_at is None
        and not measure.cured
        and (measure.expires_at is None or measure.expires_at > now)
    )
    ended = "" if holds else ENDING_LABELS[Ending(measure.ended_by or _yet(measure))]
    return MeasureRow(
        **measure.model_dump(
            include={
                "institution_name", "region", "year", "authority", "measure", "label",
                "effective_at", "expires_at", "ended_at",
            }
        ),
        case_id="" if public else measure.case_id,
        institution=measure.institution_id,
        authority_name=parts.authority_name(measure.authority),
        kind_label=KIND_LABELS[measure.kind],  # type: ignore[index]
        state="in_force" if holds else "ended",
        ended_by_label=ended,
        source=source(measure.cite) if measure.cite is not None else {},
    )  # fmt: skip


def _yet(measure: Measure) -> str:
    """How a measure has ended whose last step is not on record yet."""
    return Ending.CURED if measure.cured else Ending.EXPIRED


_FILTERS = (
    Parameter("region", "机构的监管区域，含其下级", schema=schema_of(JurisdictionCode)),
    Parameter("measure", "哪一种措施", schema=schema_of(_MeasureId)),
    Parameter("state", "in_force 生效，ended 已终止", schema=schema_of(_State)),
    Parameter("name", "机构名称的一部分", schema=schema_of(_Name)),
)


async def _page(call: Call, *, public: bool) -> MeasurePage:
    request = call.request
    region = query(request, "region", JurisdictionCode | None, None)
    state = query(request, "state", _State | None, None)
    sight = NATION if public else region_in_sight(call.actor)
    if region is not None and not (lies_in(region, sight) or lies_in(sight, region)):
        return MeasurePage(items=(), next=None)
    filters: dict[str, Any] = {
        "within": narrower(region or "", sight),
        "measure": query(request, "measure", _MeasureId | None, None),
        "holds": None if state is None else state == "in_force",
        "published": True if public else None,
        "name": query(request, "name", _Name, "").strip(),
    }
    given = cursors.given(request, (str, str))
    after = _after(given)
    rows, following = await cursors.paged(
        request,
        lambda size: parts_of(request).measures.page(after, size, **filters),
        lambda one: [one.effective_at.isoformat(), one.case_id],
    )
    items = tuple(row_of(one, call, public=public) for one in rows)
    return MeasurePage(items=items, next=following)


def _after(values: list[Any] | None) -> tuple[datetime, str] | None:
    if values is None:
        return None
    try:
        return datetime.fromisoformat(values[0]).astimezone(UTC), values[1]
    except (ValueError, OverflowError):
        raise cursors.refused() from None


async def list_measures(call: Call) -> Response:
    """The register of measures, as far as its asker may see it."""
    return json_of(await _page(call, public=False))


async def list_published(call: Call) -> Response:
    """What the rules have published; never anything of a mere warning."""
    return json_of(await _page(call, public=True))


async def measures_page(call: Call) -> Response:
    """The public page of measures, with its search."""
    name = query(call.request, "name", _Name, "").strip()
    page = await _page(call, public=True)
    values = {"name": name, "rows": page.items, "next": page.next, "request_id": call.request_id}
    return render("measures.html", values, {"Cache-Control": "no-store"})


async def campaign_figures(call: Call) -> Response:
    """The enforcement of a campaign in figures."""
    request = call.request
    period: str = path(request, "period", _PeriodName)
    jurisdiction: str = path(request, "jurisdiction", JurisdictionCode)
    year = int(period) if period.isdigit() else period
    found = await parts_of(request).measures.figures(
        campaign_id(year, jurisdiction),  # type: ignore[arg-type]
        region_in_sight(call.actor),
    )
    rows = tuple(
        FigureRow(
            status=Status(status),
            status_label=STATUS_LABELS[Status(status)],
            measure=measure,
            ended_by=ended,
            ended_by_label=ENDING_LABELS[Ending(ended)] if ended else "",
            cases=cases,
        )
        for status, measure, ended, cases in found
    )
    return json_of(Figures(rows=rows, total=sum(row.cases for row in rows)))


_TAG = "后续处理"
OPERATIONS = [
    Operation(
        "GET",
        "/public/measures",
        list_published,
        "公示的措施",
        _TAG,
        Right.ANYONE,
        MeasurePage,
        parameters=(*_FILTERS, *PAGING),
        description="只公示规则规定公示的措施；仅受到警告的不公示（总局令第45号第二条）。",
    ),
    Operation(
        "GET",
        "/api/enforcement/register",
        list_measures,
        "措施登记簿",
        _TAG,
        Right.SEE_MEASURES,
        MeasurePage,
        parameters=(*_FILTERS, *PAGING),
    ),
    Operation(
        "GET",
        "/api/campaigns/{period}/{jurisdiction}/enforcement",
        campaign_figures,
        "统计工作的后续处理",
        _TAG,
        Right.OPERATE,
        Figures,
        target=of_campaign,
    ),
]
PAGES = [
    Operation(
        "GET",
        "/measures",
        measures_page,
        "公示的措施",
        "页面",
        Right.ANYONE,
        None,
        answer_media="text/html",
        parameters=(*_FILTERS, *PAGING),
    ),
]
