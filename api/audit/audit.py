"""The auditor over HTTP."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

from pydantic import AwareDatetime, Field
from starlette.responses import Response

from api.door.cursors import given, paged, refused
from api.door.operations import (
    PAGING,
    Call,
    Handler,
    Operation,
    Parameter,
    json_of,
    schema_of,
)
from api.door.parts import parts_of
from api.door.requests import query, wrong_parameter
from api.door.rights import Right
from audit.as_of import Figures, Moment, Moved
from audit.findings import Verified
from audit.recompute import Foreseen, Recomputed
from audit.replay import Replayed
from audit.service import AuditService, Counted, History
from audit.timeline import COLUMNS, Filter, Told, csv_row
from domain.clock import in_utc
from domain.model import Value
from files.export import csv_table
from services.reconciler import Behind


class Timeline(Value):
    """Steps and refused acts of the record, by time; ``next`` is the cursor of what follows."""

    entries: tuple[Told, ...]
    next: str | None


class Listed(Value):
    """Where the cases of a campaign stood at a moment; ``next`` is the cursor of what follows."""

    items: tuple[Moment, ...]
    next: str | None


class Compared(Value):
    """Cases of a campaign that stood elsewhere at one of two moments."""

    items: tuple[Moved, ...]
    next: str | None


class RefusalsCounted(Value):
    """How often whom was refused by which code in which hour, the latest hour first."""

    items: tuple[Counted, ...]
    next: str | None


class BehindRecord(Value):
    """Cases whose process is behind the record."""

    behind: tuple[Behind, ...]


_Case = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[\x21-\x7e]+$")]
_Rules = Annotated[str, Field(pattern=r"^2[0-9]{3}/[0-9a-z-]{1,40}$")]
_Words = Annotated[str, Field(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]


async def verify(call: Call) -> Response:
    """Looks at every row, or at those of one case."""
    return json_of(await _auditing(call).verify(query(call.request, "case", _Words, "")))


async def replay(call: Call) -> Response:
    """Replays a case with every value compared."""
    return json_of(await _auditing(call).replay(_needed(call, "case", _Case)))


async def history(call: Call) -> Response:
    """The histories of a case's process with their hashes."""
    return json_of(await _auditing(call).history(_needed(call, "case", _Case)))


async def recompute(call: Call) -> Response:
    """Decides anew by the pinned rules."""
    return json_of(await _auditing(call).recompute(_needed(call, "case", _Case)))


async def counterfactual(call: Call) -> Response:
    """Decides a case anew by other rules."""
    case_id, rules = _needed(call, "case", _Case), _needed(call, "rules", _Rules)
    return json_of(await _auditing(call).recompute(case_id, rules))


async def foreseen(call: Call) -> Response:
    """Decides a campaign anew by other rules."""
    campaign, rules = _needed(call, "campaign", _Case), _needed(call, "rules", _Rules)
    return json_of(await _auditing(call).foreseen(campaign, rules))


async def as_of(call: Call) -> Response:
    """A case at a moment."""
    case_id, at = _needed(call, "case", _Case), _needed(call, "at", AwareDatetime)
    return json_of(await _auditing(call).as_of(case_id, at))


async def figures(call: Call) -> Response:
    """A campaign's figures at a moment."""
    campaign, at = _needed(call, "campaign", _Case), _needed(call, "at", AwareDatetime)
    return json_of(await _auditing(call).figures_as_of(campaign, at))


async def listed(call: Call) -> Response:
    """The cases of a campaign at a moment."""
    campaign, at = _needed(call, "campaign", _Case), _needed(call, "at", AwareDatetime)
    status = query(call.request, "status", _Words, "")
    (after,) = given(call.request, (str,)) or [""]

    async def fetch(size: int) -> Sequence[Moment]:
        return await _auditing(call).listed_as_of(campaign, at, status, after, size)

    rows, following = await paged(call.request, fetch, lambda row: [row.case_id])
    return json_of(Listed(items=tuple(rows), next=following))


async def compared(call: Call) -> Response:
    """The cases of a campaign that moved between two moments."""
    campaign, at = _needed(call, "campaign", _Case), _needed(call, "at", AwareDatetime)
    then = _needed(call, "and", AwareDatetime)
    (after,) = given(call.request, (str,)) or [""]

    async def fetch(size: int) -> Sequence[Moved]:
        return await _auditing(call).moved(campaign, at, then, after, size)

    rows, following = await paged(call.request, fetch, lambda row: [row.case_id])
    return json_of(Compared(items=tuple(rows), next=following))


async def export(call: Call) -> Response:
    """A bundle that verifies by itself, without contents."""
    what = _needed(call, "case", _Case)
    bundle = await _auditing(call).export(what)
    name = what.replace("/", "_")
    headers = {"Content-Disposition": f'attachment; filename="{name}.zip"'}
    return Response(bundle, media_type="application/zip", headers=headers)


async def timeline(call: Call) -> Response:
    """The whole record, narrowed."""
    wanted = _wanted(call)
    if (place := given(call.request, (str, str, int))) is not None:
        try:
            at = datetime.fromisoformat(place[0])
        except ValueError:
            raise refused() from None
        wanted = wanted._replace(after=(at, place[1], place[2]))

    async def fetch(size: int) -> Sequence[Told]:
        return await _auditing(call).timeline(wanted, size)

    rows, following = await paged(
        call.request, fetch, lambda row: [in_utc(row.at), row.case_id, row.place], size=200
    )
    return json_of(Timeline(entries=tuple(rows), next=following))


async def refusals(call: Call) -> Response:
    """Refused acts by person and hour."""
    by = query(call.request, "by", _Words, "")
    after = None
    if (place := given(call.request, (str, str, str, str, str))) is not None:
        try:
            subject, role, scope, code = (bytes.fromhex(one).decode() for one in place[1:])
            after = (datetime.fromisoformat(place[0]), subject, role, scope, code)
        except ValueError:
            raise refused() from None

    async def fetch(size: int) -> Sequence[Counted]:
        return await _auditing(call).refusals(by, after, size)

    def stands(row: Counted) -> list[str]:
        key = (row.subject, row.role, row.scope, row.code)
        return [in_utc(row.hour), *(one.encode().hex() for one in key)]

    rows, following = await paged(call.request, fetch, stands, size=200)
    return json_of(RefusalsCounted(items=tuple(rows), next=following))


async def timeline_table(call: Call) -> Response:
    """The whole record, narrowed, as CSV."""
    rows = await _auditing(call).timeline(_wanted(call), None)
    headers = {"Content-Disposition": 'attachment; filename="timeline.csv"'}
    return Response(csv_table(COLUMNS, map(csv_row, rows)), media_type="text/csv", headers=headers)


def _wanted(call: Call) -> Filter:
    names = ("case", "by", "action", "rule")
    case_id, person, action, rule = (query(call.request, name, _Words, "") for name in names)
    since: datetime | None = query(call.request, "from", AwareDatetime | None, None)
    until: datetime | None = query(call.request, "to", AwareDatetime | None, None)
    return Filter(case_id, person, action, rule, since, until)


async def reconcile(call: Call) -> Response:
    """Cases whose process is behind the record."""
    return json_of(BehindRecord(behind=tuple(await _auditing(call).behind())))


def _auditing(call: Call) -> AuditService:
    return parts_of(call.request).auditing


def _needed(call: Call, name: str, kind: Any) -> Any:
    """A parameter that an answer cannot do without. Raises Refused."""
    found = query(call.request, name, kind, None)
    if found is None:
        raise wrong_parameter(name, "缺少这个参数")
    return found


_OF_CASE = Parameter("case", "件的编号，如 filing/2024/<机构编号>", "query", True, schema_of(_Case))
_OF_CAMPAIGN = Parameter("campaign", "如 campaign/2024/000000", "query", True, schema_of(_Case))
_AT = Parameter("at", "哪一时刻", "query", True, schema_of(AwareDatetime))
_RULES = Parameter("rules", "规则集，如 2024/national", "query", True, schema_of(_Rules))
_NARROWED = (
    Parameter("case", "只看一件或一项统计工作的"),
    Parameter("by", "只看此人所做的"),
    Parameter("action", "只看此类步骤，如 submitted；refused 为被拒绝的操作"),
    Parameter("rule", "只看依此规则、文号作出的，或以此代码拒绝的"),
    Parameter("from", "自何时起", schema=schema_of(AwareDatetime)),
    Parameter("to", "至何时止，不含", schema=schema_of(AwareDatetime)),
)
_TAG = "审计"


def _asked(
    path: str,
    handler: Handler,
    summary: str,
    answer: type[Value] | None,
    *given: Parameter,
    **more: str,
) -> Operation:
    return Operation(
        "GET",
        f"/api/audit/{path}",
        handler,
        summary,
        _TAG,
        Right.AUDIT,
        answer,
        parameters=given,
        unhurried=True,
        description=more.get("description", ""),
        answer_media=more.get("answer_media", "application/json"),
    )


OPERATIONS = [
    _asked(
        "verify",
        verify,
        "核对全部记录或一件",
        Verified,
        Parameter("case", "只核对一件；不填为全部"),
        description="核对日志的哈希链、封存点、各表与日志、内容、编号、签名和流程；"
        "findings 逐行指出不符。",
    ),
    _asked("replay", replay, "重演一件的流程历史", Replayed, _OF_CASE),
    _asked("history", history, "一件的流程历史及其哈希", History, _OF_CASE),
    _asked("recompute", recompute, "依钉住的规则重新作出决定", Recomputed, _OF_CASE),
    _asked(
        "counterfactual", counterfactual, "在另一规则集下会如何决定", Recomputed, _OF_CASE, _RULES
    ),
    _asked(
        "foreseen", foreseen, "一项统计工作在另一规则集下会有何不同", Foreseen, _OF_CAMPAIGN, _RULES
    ),
    _asked("as-of", as_of, "一件在任何时刻的状态", Moment, _OF_CASE, _AT),
    _asked("figures", figures, "一项统计工作在任何时刻的合计", Figures, _OF_CAMPAIGN, _AT),
    _asked(
        "listed",
        listed,
        "一项统计工作的各件在任何时刻的状态",
        Listed,
        _OF_CAMPAIGN,
        _AT,
        Parameter("status", "只看此状态的，如 in_review"),
        *PAGING,
    ),
    _asked(
        "compared",
        compared,
        "两个时刻之间一项统计工作的哪些件有变动",
        Compared,
        _OF_CAMPAIGN,
        _AT,
        Parameter("and", "另一时刻", "query", True, schema_of(AwareDatetime)),
        *PAGING,
    ),
    _asked(
        "export",
        export,
        "带走一件或一项统计工作，自带核对程序",
        None,
        _OF_CASE,
        answer_media="application/zip",
    ),
    _asked("timeline", timeline, "全部记录的经过，按时间先后", Timeline, *_NARROWED, *PAGING),
    _asked(
        "timeline/table",
        timeline_table,
        "全部记录的经过（CSV）",
        None,
        *_NARROWED,
        answer_media="text/csv",
    ),
    _asked(
        "refusals",
        refusals,
        "被拒绝的操作，按人按小时计数",
        RefusalsCounted,
        Parameter("by", "只看此人的"),
        *PAGING,
        description="times 为次数，kept 为其中逐次在案的次数；"
        "逐次的经过见 timeline（action=refused）。",
    ),
    _asked("reconcile", reconcile, "流程落后于记录的办件", BehindRecord),
]
