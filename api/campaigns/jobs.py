"""Bulk jobs: one act on many filings; how far each has come, and what came of every one."""

import asyncio
import codecs
import re
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, Field
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from api.confirmations.held import hold
from api.door import cursors
from api.door.files import FILENAME, FORMAT, TABLES, filename_of, table_file
from api.door.languages import explained
from api.door.operations import PAGING, Call, Operation, Parameter, json_of
from api.door.parts import parts_of
from api.door.requests import InvalidFields, Plain, Text, invalid, path, pointer, query
from api.door.rights import Right, Target
from domain.case.commands import Person
from domain.case.status import Status
from domain.confirmations import BULK_ACTS
from domain.filing.kind import FILING
from domain.ids import jurisdiction_of
from domain.jobs import ItemOutcome, JobAction
from domain.jurisdictions import narrower
from domain.model import Value
from domain.notices import Channel
from domain.numbers.quarters import Period
from domain.refusals import Code, Refusal
from files.export import csv_line, xlsx
from services.extensions import ExtensionTerms
from services.jobs import REPORT, JobItem, JobShown, Selection, job_shown, report_row
from services.starts import id_of

JobId = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
_CaseId = Annotated[str, Field(max_length=200, pattern=r"^[\x21-\x7e]+$")]


class SelectionBody(Value):
    """Which filings: those of ``ids`` or of an uploaded ``list``, or all that the filters leave.

    ``campaign`` is ``2024/000000``; ``statuses`` empty means any status. An id is a case's, or an
    institution's, whose filing of the campaign's year is meant.
    """

    campaign: Annotated[str, Field(pattern=r"^(2[0-9]{3}/[0-9]{6})?$")] = ""
    statuses: tuple[Status, ...] = ()
    region: Annotated[str, Field(pattern=r"^([0-9]{2}){0,3}$")] = ""
    authority: Plain = Field(default="", max_length=64)
    claimed_by: Plain = Field(default="", max_length=64)
    name: Plain = Field(default="", max_length=100)
    ids: tuple[_CaseId, ...] = Field(default=(), max_length=20_000)
    list: Annotated[str, Field(pattern=r"^([0-9a-f]{32})?$")] = ""


class JobBody(Value):
    """One act on many filings.

    ``until`` belongs to an extension, ``person`` to what gives cases to somebody, ``channels`` to a
    催报, whose text is the ``reason``; ``document`` to an extension or a 催报.
    """

    action: Literal[
        "claim",
        "release",
        "assign",
        "hand_over",
        "return",
        "approve",
        "extend",
        "cancel",
        "annul",
        "serve_reminder",
        "open_enforcement",
    ]
    selection: SelectionBody
    reason: Text | None = None
    until: AwareDatetime | None = None
    person: Person | None = None
    document: Plain = Field(default="", max_length=200)
    channels: tuple[Channel, ...] = Field(default=(Channel.MAIL,), max_length=3)


_TO_A_PERSON = ("assign", "hand_over")


class JobPage(Value):
    """A page of jobs, the newest first."""

    items: tuple[JobShown, ...]
    next: str | None


class ItemShown(Value):
    """One case of a job; ``code`` and ``message`` say why it was not done."""

    number: int
    case_id: str
    institution: str
    institution_name: str
    outcome: ItemOutcome
    sequence: int | None
    code: str
    message: str
    at: datetime | None


class ItemPage(Value):
    """A page of a job's cases, by number."""

    items: tuple[ItemShown, ...]
    next: str | None


async def of_job(request: Request) -> Target:
    """The job in the address: for people of its scope, and operators of the region."""
    job = await parts_of(request).jobs.find(path(request, "job", JobId))
    region = job.scope if job.scope.isdigit() else jurisdiction_of(job.scope)
    return Target(institution="", region=region, involved=frozenset({job.scope}))


def item_shown(item: JobItem) -> ItemShown:
    """A case of a job as the API shows it."""
    words = explained(item.refusal) if item.refusal is not None else None
    return ItemShown(
        number=item.number,
        case_id=item.case_id,
        institution=item.institution_id,
        institution_name=item.institution_name,
        outcome=item.outcome,
        sequence=item.sequence,
        code=item.refusal.code if item.refusal is not None else "",
        message=f"{words.detail}{words.remedy}" if words is not None else "",
        at=item.at,
    )


async def ask_for_job(call: Call) -> Response:
    """Begins a job."""
    body: JobBody = call.body
    chosen, parts = body.selection, parts_of(call.request)
    year = _year_of(chosen)
    ids = await chosen_ids(call, chosen.ids, chosen.list, Period(year))
    if not ids and not chosen.campaign:
        raise _missing("/selection", "请写明 campaign（如 2024/000000）、list 或 ids")
    selection = Selection(
        kind=FILING.name,
        campaign=f"campaign/{chosen.campaign}" if chosen.campaign else "",
        **chosen.model_dump(exclude={"campaign", "region", "ids", "list"}),
        # a shorter code is that of the province or city with its zeros left out
        region=chosen.region and chosen.region.ljust(6, "0"),
        ids=ids,
    )
    if body.action == "extend":
        job = await parts.jobs.find(await _extension(call, selection, year))
    else:
        act = BULK_ACTS.get(JobAction(body.action))
        if act is not None:
            number = await parts.jobs.count(JobAction(body.action), selection, call.actor)
            await hold(call, act, number)
        job = await parts.jobs.ask(
            JobAction(body.action),
            selection,
            call.actor,
            call.command_id,
            details=_details(body),
            reason=body.reason or "",
        )
    return json_of(job_shown(job), status_code=202, headers={"Location": f"/api/jobs/{job.id}"})


def _details(body: JobBody) -> dict[str, Any]:
    """What a job's command says beside its reason."""
    if body.action == "serve_reminder":
        channels = [channel.value for channel in dict.fromkeys(body.channels)]
        return {"channels": channels, "document": body.document}
    if body.action not in _TO_A_PERSON:
        return {}
    if body.person is None:
        raise _missing("/person", "指派、移交要写明 person，即交给谁")
    return {"person": body.person}


async def _extension(call: Call, selection: Selection, year: int) -> str:
    """Extends what is selected; the extension's id is that of its job."""
    body: JobBody = call.body
    if body.until is None:
        raise _missing("/until", "延期要写明 until，即延至的时刻")
    if not year:
        raise _missing("/selection/campaign", "请写明 campaign，如 2024/000000")
    place = body.selection.campaign.partition("/")[2]
    whole = narrower(place, call.actor.scope)
    grant = ExtensionTerms(
        period=Period(year),
        jurisdiction=whole,
        until=body.until,
        reason=body.reason or "",
        document=body.document,
    )
    extensions = parts_of(call.request).extensions
    extension = await extensions.grant(grant, selection, call.actor, call.command_id)
    return extension.id


def _year_of(chosen: SelectionBody) -> int:
    """The year that a selection is about, 0 where nothing says so."""
    if chosen.campaign:
        return int(chosen.campaign[:4])
    years = re.match(r"filing/(2[0-9]{3})/", chosen.ids[0]) if chosen.ids else None
    return int(years[1]) if years else 0


def _missing(pointer: str, message: str) -> InvalidFields:
    return invalid([{"pointer": pointer, "code": "missing", "message": message}])


async def chosen_ids(
    call: Call, ids: tuple[str, ...], list_: str, period: Period
) -> tuple[str, ...]:
    """The ids of cases that are named one by one, or stand in an uploaded list.

    What has no kind before it is an institution: its case of the period is meant.
    """
    if list_:
        if ids:
            both = {"pointer": "/list", "code": "both", "message": "ids 和 list 只能给出一个"}
            raise invalid([both])
        ids = await parts_of(call.request).jobs.listed_ids(list_, call.actor)
    return tuple(id_ if "/" in id_ else id_of(period, id_) for id_ in ids)


class ListShown(Value):
    """A list of cases for a job, and how many ids are in it."""

    id: str
    count: int


async def add_list(call: Call) -> Response:
    """Keeps the ids of a table for a job."""
    filename = filename_of(call.request, "list")
    id_, reading = await _jobs(call).keep_list(call.body, filename, call.actor)
    errors = [
        {
            "pointer": pointer("rows", problem.row, *([problem.column] if problem.column else [])),
            "code": problem.code,
            "message": f"{problem.message}。{problem.mend}。",
        }
        for problem in reading.problems
        if problem.level == "error"
    ]
    if errors:
        params = {"count": str(len(errors))}
        raise invalid(errors, Refusal(code=Code.LIST_REJECTED, params=params))
    return json_of(ListShown(id=id_, count=len(reading.ids)), status_code=201)


async def list_jobs(call: Call) -> Response:
    """All jobs that the asker may see, the newest first."""
    request = call.request
    last = cursors.given(request, (str, str))
    after = (datetime.fromisoformat(last[0]), last[1]) if last else None
    page, following = await cursors.paged(
        request,
        lambda size: parts_of(request).jobs.newest_first(call.actor, after, size),
        lambda job: [job.created_at.isoformat(), job.id],
    )
    return json_of(JobPage(items=tuple(map(job_shown, page)), next=following))


async def get_job(call: Call) -> Response:
    """One job."""
    return json_of(job_shown(await _jobs(call).find(_id(call))))


async def job_items(call: Call) -> Response:
    """The cases of a job with their outcomes."""
    request = call.request
    outcome = query(request, "outcome", ItemOutcome | None, None)
    last = cursors.given(request, (int,))
    page, following = await cursors.paged(
        request,
        lambda size: _jobs(call).items(_id(call), outcome, last[0] if last else 0, size),
        lambda item: [item.number],
    )
    return json_of(ItemPage(items=tuple(map(item_shown, page)), next=following))


async def job_report(call: Call) -> Response:
    """The outcome of every case, as a table."""
    id_, jobs = _id(call), _jobs(call)
    if query(call.request, "format", Literal["csv", "xlsx"], "csv") == "xlsx":
        rows = [report_row(item) async for item in jobs.all_items(id_)]
        content = await asyncio.to_thread(xlsx, "批办结果", REPORT, rows)
        return table_file(content, f"job-{id_[:8]}.xlsx")

    async def lines() -> AsyncIterator[bytes]:
        # the mark at the start tells Excel that this is UTF-8
        yield codecs.BOM_UTF8 + f"{','.join(REPORT)}\r\n".encode()
        async for item in jobs.all_items(id_):
            yield csv_line(report_row(item)).encode()

    name = f'attachment; filename="job-{id_[:8]}.csv"'
    return StreamingResponse(
        lines(), media_type="text/csv; charset=utf-8", headers={"Content-Disposition": name}
    )


async def stop_job(call: Call) -> Response:
    """Has a job act on no further case."""
    return json_of(job_shown(await _jobs(call).stop(_id(call), call.actor)))


async def resume_job(call: Call) -> Response:
    """Has a stopped job go on."""
    return json_of(job_shown(await _jobs(call).resume(_id(call), call.actor)))


def _id(call: Call) -> str:
    id_: str = path(call.request, "job", JobId)
    return id_


def _jobs(call: Call) -> Any:
    return parts_of(call.request).jobs


_TAG = "批办"
_ONE = "/api/jobs/{job}"
_EXAMPLE = {
    "action": "extend",
    "selection": {"campaign": "2024/350000", "region": "350200", "statuses": ["draft", "returned"]},
    "until": "2025-04-01T00:00:00+08:00",
    "reason": "所在地遭受洪灾，三日无法办公",
    "document": "市监函〔2025〕×号（示例）",
}

OPERATIONS = [
    Operation(
        "POST",
        "/api/jobs",
        ask_for_job,
        "批办：对许多填报做同一件事",
        _TAG,
        Right.BULK,
        JobShown,
        body=JobBody,
        writes=True,
        status=202,
        example=_EXAMPLE,
        description="选中的是此刻符合条件的填报；同一个键只是一项批办。逐件办理，每件各有结果。",
    ),
    Operation(
        "POST",
        "/api/jobs/lists",
        add_list,
        "上传批办用的名单",
        _TAG,
        Right.BULK,
        ListShown,
        media=tuple(TABLES),
        writes=True,
        unhurried=True,
        status=201,
        parameters=(FILENAME,),
        answer_example={"id": "2f700b573539390de90b818f572ff1a6", "count": 120},
        description="一列：机构编号或办件编号；编号用于批办和延期的 list。有错的整份不收。",
    ),
    Operation(
        "GET", "/api/jobs", list_jobs, "批办列表", _TAG, Right.BULK, JobPage, parameters=PAGING
    ),
    Operation("GET", _ONE, get_job, "一项批办的进展", _TAG, Right.BULK, JobShown, target=of_job),
    Operation(
        "GET",
        f"{_ONE}/items",
        job_items,
        "批办中每一件的结果",
        _TAG,
        Right.BULK,
        ItemPage,
        target=of_job,
        parameters=(
            Parameter(
                "outcome",
                "结果：done 已办，refused 未办；不填为全部",
                schema={"enum": [ItemOutcome.DONE.value, ItemOutcome.REFUSED.value]},
            ),
            *PAGING,
        ),
    ),
    Operation(
        "GET",
        f"{_ONE}/report",
        job_report,
        "批办结果表（CSV 或 XLSX）",
        _TAG,
        Right.BULK,
        None,
        target=of_job,
        parameters=(FORMAT,),
        answer_media="text/csv",
        unhurried=True,
    ),
    *(
        Operation(
            "POST",
            f"{_ONE}/{name}",
            handler,
            summary,
            _TAG,
            Right.BULK,
            JobShown,
            target=of_job,
            writes=True,
        )
        for name, handler, summary in (
            ("stop", stop_job, "停止批办"),
            ("resume", resume_job, "继续批办"),
        )
    ),
]
