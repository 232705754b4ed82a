"""The auditor over HTTP; every question is itself put on record."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import AwareDatetime, Field
from starlette.responses import Response

from api.door.operations import Call, Handler, Operation, Parameter, json_of, schema_of
from api.door.parts import parts_of
from api.door.requests import query, wrong_parameter
from api.door.rights import Right
from audit.as_of import Figures, Moment
from audit.findings import Verified
from audit.recompute import Recomputed
from audit.replay import Replayed
from audit.timeline import Told
from domain.model import Value
from services.reconciler import Behind


class Record(Value):
    """Steps of the whole record, by time."""

    entries: tuple[Told, ...]


class BehindRecord(Value):
    """Cases whose process is behind the record."""

    behind: tuple[Behind, ...]


_Case = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[\x21-\x7e]+$")]
_Rules = Annotated[str, Field(pattern=r"^2[0-9]{3}/[0-9a-z-]{1,40}$")]
_Words = Annotated[str, Field(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
_Size = Annotated[int, Field(ge=1, le=1000)]


async def verify(call: Call) -> Response:
    """Looks at every row, or at those of one case."""
    case_id = query(call.request, "case", _Words, "")
    found = await parts_of(call.request).auditing.verify(case_id)
    return await _noted(call, f"verify {case_id}".strip(), json_of(found))


async def replay(call: Call) -> Response:
    """Replays a case with every value compared."""
    case_id = _needed(call, "case", _Case)
    found = await parts_of(call.request).auditing.replay(case_id)
    return await _noted(call, f"replay {case_id}", json_of(found))


async def recompute(call: Call) -> Response:
    """Decides anew by the pinned rules."""
    case_id = _needed(call, "case", _Case)
    found = await parts_of(call.request).auditing.recompute(case_id)
    return await _noted(call, f"recompute {case_id}", json_of(found))


async def counterfactual(call: Call) -> Response:
    """Decides anew by other rules."""
    case_id, rules = _needed(call, "case", _Case), _needed(call, "rules", _Rules)
    found = await parts_of(call.request).auditing.recompute(case_id, rules)
    return await _noted(call, f"counterfactual {case_id} {rules}", json_of(found))


async def as_of(call: Call) -> Response:
    """A case at a moment."""
    case_id, at = _needed(call, "case", _Case), _needed(call, "at", AwareDatetime)
    found = await parts_of(call.request).auditing.as_of(case_id, at)
    return await _noted(call, f"as-of {case_id} {at.isoformat()}", json_of(found))


async def figures(call: Call) -> Response:
    """A campaign's figures at a moment."""
    campaign = _needed(call, "campaign", _Case)
    at = _needed(call, "at", AwareDatetime)
    found = await parts_of(call.request).auditing.figures_as_of(campaign, at)
    return await _noted(call, f"as-of {campaign} {at.isoformat()}", json_of(found))


async def export(call: Call) -> Response:
    """A bundle that verifies by itself, without contents."""
    what = _needed(call, "case", _Case)
    bundle = await parts_of(call.request).auditing.export(what)
    name = what.replace("/", "_")
    headers = {"Content-Disposition": f'attachment; filename="{name}.zip"'}
    answer = Response(bundle, media_type="application/zip", headers=headers)
    return await _noted(call, f"export {what}", answer)


async def record(call: Call) -> Response:
    """The whole record, narrowed."""
    request = call.request
    person, action, rule = (query(request, name, _Words, "") for name in ("by", "action", "rule"))
    since: datetime | None = query(request, "from", AwareDatetime | None, None)
    until: datetime | None = query(request, "to", AwareDatetime | None, None)
    size = query(request, "size", _Size, 200)
    found = await parts_of(request).auditing.record(person, action, rule, since, until, size)
    told = f"record {person} {action} {rule}".strip()
    return await _noted(call, told, json_of(Record(entries=tuple(found))))


async def reconcile(call: Call) -> Response:
    """Cases whose process is behind the record."""
    behind = await parts_of(call.request).auditing.behind()
    return await _noted(call, "reconcile", json_of(BehindRecord(behind=tuple(behind))))


def _needed(call: Call, name: str, kind: Any) -> Any:
    """A parameter that an answer cannot do without. Raises Refused."""
    given = query(call.request, name, kind, None)
    if given is None:
        raise wrong_parameter(name, "缺少这个参数")
    return given


async def _noted(call: Call, told: str, answer: Response) -> Response:
    await parts_of(call.request).auditing.note(call.actor, told, call.request_id)
    return answer


_OF_CASE = Parameter("case", "件的编号，如 filing/2024/<机构编号>", "query", True, schema_of(_Case))
_AT = Parameter("at", "哪一时刻", "query", True, schema_of(AwareDatetime))
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
    _asked("recompute", recompute, "依钉住的规则重新作出决定", Recomputed, _OF_CASE),
    _asked(
        "counterfactual",
        counterfactual,
        "在另一规则集下会如何决定",
        Recomputed,
        _OF_CASE,
        Parameter("rules", "规则集，如 2024/national", "query", True, schema_of(_Rules)),
    ),
    _asked("as-of", as_of, "一件在任何时刻的状态", Moment, _OF_CASE, _AT),
    _asked(
        "figures",
        figures,
        "一项统计工作在任何时刻的合计",
        Figures,
        Parameter("campaign", "如 campaign/2024/000000", "query", True, schema_of(_Case)),
        _AT,
    ),
    _asked(
        "export",
        export,
        "带走一件或一项统计工作，自带核对程序",
        None,
        _OF_CASE,
        answer_media="application/zip",
    ),
    _asked(
        "record",
        record,
        "全部记录里的各步，按时间先后",
        Record,
        Parameter("by", "只看此人所做的"),
        Parameter("action", "只看此类步骤，如 submitted"),
        Parameter("rule", "只看依此规则或文号作出的"),
        Parameter("from", "自何时起", schema=schema_of(AwareDatetime)),
        Parameter("to", "至何时止，不含", schema=schema_of(AwareDatetime)),
        Parameter("size", "条数，1 至 1000", schema=schema_of(_Size)),
    ),
    _asked("reconcile", reconcile, "流程落后于记录的办件", BehindRecord),
]
