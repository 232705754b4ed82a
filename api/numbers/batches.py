"""Batches of report numbers: looking, uploading, declaring, withdrawing, correcting."""

import codecs
import hashlib
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from api.cases.acts import RECEIPT_EXAMPLE, Built, act, acting, case_of, shared_acts
from api.door import cursors
from api.door.operations import PAGING, Call, Operation, Parameter, schema_of
from api.door.parts import parts_of
from api.door.problems import source
from api.door.requests import (
    MOST_ERRORS,
    InvalidFields,
    Plain,
    Text,
    media_type,
    path,
    pointer,
    query,
)
from api.door.rights import Right, Target
from api.filings.filings import CaseShown, Started, in_sight, of_institution, shown
from domain.case import commands as c
from domain.case.status import UPLOAD_STAGE_LABELS, Kind, Status, UploadStage
from domain.case.workflow_messages import Receipt
from domain.ids import InstitutionId, batch_id
from domain.model import Value
from domain.numbers.quarters import Quarter
from domain.numbers.row_checks import Terms, words
from domain.refusals import Code, Refusal, Refused
from files.numbers import number_template
from services.numbers.batches import ChangeRefused
from store import cases, journal
from store.numbers import changes, uploads
from store.numbers.uploads import Upload, UploadProblem

_MEDIA: dict[str, Literal["csv", "xlsx"]] = {
    "text/csv": "csv",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
}
_MOST_CHANGES = 10_000


def _known_quarter(text: str) -> str:
    Quarter.parse(text)
    return text


QuarterText = Annotated[str, Field(pattern=r"^2[0-9]{3}Q[1-4]$"), AfterValidator(_known_quarter)]
UploadId = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
Filename = Annotated[Plain, Field(max_length=200)]
Accept = Literal["all", "good"]
Number = Annotated[Plain, Field(min_length=1, max_length=200)]


# --- what goes in and out ------------------------------------------------------------------------


class BatchShown(CaseShown):
    """One batch. ``numbers`` stand on record, ``withdrawn`` were withdrawn or corrected.

    ``waiting`` were uploaded and cannot be looked up before their day; ``visibility`` is the rule
    behind it.
    """

    quarter_name: str
    numbers: int
    withdrawn: int
    waiting: int
    visibility: dict[str, str]
    reminders: tuple[dict[str, Any], ...]


class BatchPage(Value):
    """A page of batches; ``next`` is the cursor of the page after, None at the end."""

    items: tuple[CaseShown, ...]
    next: str | None


class UploadShown(Value):
    """One uploaded file and how far it has come.

    ``received_bytes`` is where a broken upload goes on. ``rows`` have been read so far, ``bad`` of
    them have an error, ``accepted`` numbers were put on record. ``repeats`` is the earlier upload
    of the same file.
    """

    id: str
    filename: str
    media: str
    accept: str
    stage: UploadStage
    stage_label: str
    declared_bytes: int | None
    received_bytes: int
    sha256: str
    rows: int
    bad: int
    accepted: int
    repeats: str | None
    visible_from: datetime | None
    created_at: datetime
    decided_at: datetime | None


class UploadPage(Value):
    """A page of uploads, newest first."""

    items: tuple[UploadShown, ...]
    next: str | None


class UploadBody(Value):
    """A file that is to come in pieces: its name, its size if known, what to do about errors."""

    filename: Filename
    media: Literal["csv", "xlsx"]
    accept: Accept = "all"
    bytes: int | None = Field(default=None, ge=1)


class CompleteBody(Value):
    """The file is complete; with its SHA-256, it is compared with what was received."""

    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")


class DeclareBody(Value):
    """All numbers of the quarter are in, so many of them; 0: no report was issued."""

    total: int = Field(ge=0, le=2**53)


class WithdrawBody(Value):
    """Numbers to withdraw, and why; the reason is shown to whoever looks them up."""

    numbers: tuple[Number, ...] = Field(min_length=1, max_length=_MOST_CHANGES)
    reason: Text


class Correction(Value):
    """One number on record, and what it should be."""

    number: Number
    to_number: Number
    to_issued_on: Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]


class CorrectBody(Value):
    """Numbers to correct, and why; the reason is shown to whoever looks up the old ones."""

    corrections: tuple[Correction, ...] = Field(min_length=1, max_length=_MOST_CHANGES)
    reason: Text


# --- finding what rights depend on ----------------------------------------------------------------


def _named(request: Request) -> tuple[Quarter, str]:
    quarter: str = path(request, "quarter", QuarterText)
    institution: str = path(request, "institution", InstitutionId)
    return Quarter.parse(quarter), institution


async def of_batch(request: Request) -> Target:
    """The batch named by the path. Raises Refused when there is none."""
    quarter, institution = _named(request)
    case_id = batch_id(str(quarter), institution)
    async with parts_of(request).engine.connect() as connection:
        case = await cases.by_id(connection, case_id)
        if case is None:
            raise Refused(Refusal(code=Code.NOT_FOUND, params={"what": f"报送 {case_id}"}))
        involved = await journal.involved(connection, case_id)
    return Target(case=case, involved=involved)


# --- looking --------------------------------------------------------------------------------------


async def list_batches(call: Call) -> Response:
    """The batches the asker may see, by their ids."""
    request, actor, parts = call.request, call.actor, parts_of(call.request)
    size = query(request, "size", cursors.PageSize, 50)
    after = cursors.given(request, (str,))
    named = query(request, "quarter", QuarterText | None, None)
    filters: dict[str, Any] = {
        "status": query(request, "status", Status | None, None),
        "institution": query(request, "institution", InstitutionId | None, None),
    }
    if named is not None:
        filters["year"], filters["quarter"] = Quarter.parse(named)
    filters |= in_sight(actor, filters["institution"])
    async with parts.engine.connect() as connection:
        found = await cases.listed(
            connection,
            kind=Kind.REPORT_NUMBERS,
            after=after[0] if after else "",
            size=size + 1,
            **filters,
        )
    items = tuple(shown(case, call) for case in found[:size])
    more = cursors.encode([found[size - 1].case_id]) if len(found) > size else None
    return _json(BatchPage(items=items, next=more))


async def get_batch(call: Call) -> Response:
    """One batch with its totals."""
    case, parts = case_of(call), parts_of(call.request)
    terms = case.plan.numbers
    assert terms is not None
    async with parts.engine.connect() as connection:
        totals = await changes.totals(connection, case.case_id, parts.clock())
    reminders = tuple(
        {"id": one.id, "label": one.label, "at": one.at, "source": source(one.cite)}
        for one in case.plan.reminders
    )
    return _json(
        BatchShown(
            **shown(case, call).model_dump(),
            quarter_name=terms.quarter,
            numbers=totals.numbers,
            withdrawn=totals.withdrawn,
            waiting=totals.waiting,
            visibility=source(terms.visible_cite),
            reminders=reminders,
        )
    )


async def ask_for_batch(call: Call) -> Response:
    """Starts the batch of an institution that may report, or was missed."""
    quarter, institution = _named(call.request)
    try:
        case_id = await parts_of(call.request).batches.ask_for(quarter, institution, call.actor)
    except Refused as refused:
        # the same request again, whose first answer may have been lost on its way
        if not call.repeated or refused.refusal.code is not Code.BATCH_EXISTS:
            raise
        case_id = batch_id(str(quarter), institution)
    location = f"/api/report-batches/{quarter}/{institution}"
    return JSONResponse({"id": case_id}, status_code=202, headers={"Location": location})


# --- files ----------------------------------------------------------------------------------------


async def upload_file(call: Call) -> Response:
    """Takes a whole file as it streams in, and has it read."""
    service, request, case = parts_of(call.request).batches, call.request, case_of(call)
    kind = _MEDIA[media_type(request)]
    begun = await service.begin_upload(
        case,
        call.actor,
        call.command_id,
        filename=query(request, "filename", Filename, f"numbers.{kind}"),
        media=kind,
        accept=query(request, "accept", Accept, "all"),
        declared_bytes=None,
    )
    if begun.stage is UploadStage.RECEIVING:
        await service.receive_whole(case, begun.id, request.stream())
    else:
        await _same_again(request, begun.sha256)
    done = await service.complete(case, begun.id, call.actor, call.command_id, None)
    return _upload(done, status=202)


async def _same_again(request: Request, sha256: str) -> None:
    """A key used before must come with the very same file. Raises Refused."""
    given = hashlib.sha256()
    async for chunk in request.stream():
        given.update(chunk)
    if given.hexdigest() != sha256:
        raise Refused(Refusal(code=Code.KEY_REUSED))


async def begin_upload(call: Call) -> Response:
    """Makes room for a file that comes in pieces."""
    body: UploadBody = call.body
    begun = await parts_of(call.request).batches.begin_upload(
        case_of(call),
        call.actor,
        call.command_id,
        filename=body.filename,
        media=body.media,
        accept=body.accept,
        declared_bytes=body.bytes,
    )
    return _upload(begun, status=201)


async def receive_pieces(call: Call) -> Response:
    """Takes what follows from a position on; what came before a break is kept."""
    request = call.request
    at_byte = query(request, "at", Annotated[int, Field(ge=0, le=2**53)], 0)
    id_: str = path(request, "upload", UploadId)
    service = parts_of(request).batches
    return _upload(await service.receive(case_of(call), id_, at_byte, request.stream()))


async def complete_upload(call: Call) -> Response:
    """Has a file read that has been received completely."""
    id_: str = path(call.request, "upload", UploadId)
    service = parts_of(call.request).batches
    done = await service.complete(case_of(call), id_, call.actor, call.command_id, call.body.sha256)
    return _upload(done, status=202)


async def abandon_upload(call: Call) -> Response:
    """Gives up a file that is still being received."""
    id_: str = path(call.request, "upload", UploadId)
    return _upload(await parts_of(call.request).batches.abandon(case_of(call), id_))


async def get_upload(call: Call) -> Response:
    """One upload and its progress."""
    id_: str = path(call.request, "upload", UploadId)
    return _upload(await parts_of(call.request).batches.upload(case_of(call), id_))


async def list_uploads(call: Call) -> Response:
    """The uploads of a batch, newest first."""
    request = call.request
    size = query(request, "size", cursors.PageSize, 50)
    before = cursors.given(request, (int,))
    async with parts_of(request).engine.connect() as connection:
        found = await uploads.of_case(
            connection, case_of(call).case_id, before=before[0] if before else None, size=size + 1
        )
    more = cursors.encode([found[size - 1].no]) if len(found) > size else None
    return _json(UploadPage(items=tuple(_shown(one) for one in found[:size]), next=more))


async def get_problems(call: Call) -> Response:
    """Every row with an error, as a CSV file: where, what, and how to mend it."""
    parts = parts_of(call.request)
    id_: str = path(call.request, "upload", UploadId)
    found = await parts.batches.upload(case_of(call), id_)

    async def lines() -> AsyncIterator[bytes]:
        # the mark at the start tells Excel that this is UTF-8
        yield codecs.BOM_UTF8 + "行号,列,代码,问题,怎样修改\r\n".encode()
        last: UploadProblem | None = None
        while True:
            # no connection is held while a slow reader takes its time
            async with parts.engine.connect() as connection:
                page = await uploads.problems(connection, found.no, after=last)
            if not page:
                return
            last = page[-1]
            yield "".join(map(_line, page)).encode()

    name = f'attachment; filename="problems-{id_[:8]}.csv"'
    return StreamingResponse(
        lines(), media_type="text/csv; charset=utf-8", headers={"Content-Disposition": name}
    )


def _line(problem: UploadProblem) -> str:
    what, mend = words(problem.code, problem.detail)
    cells = (str(problem.row), problem.column, problem.code, what, mend)
    return ",".join(map(csv_cell, cells)) + "\r\n"


def csv_cell(text: str) -> str:
    """A CSV cell that no spreadsheet takes for a formula."""
    if text[:1] in ("=", "+", "-", "@", "\t", "\r"):
        text = "'" + text
    return '"' + text.replace('"', '""') + '"' if set(text) & set(',"\r\n') else text


async def get_template(call: Call) -> Response:
    """A file to fill in, with generated example rows."""
    numbers = case_of(call).plan.numbers
    assert numbers is not None
    return Response(
        number_template(Terms(numbers.first_day, numbers.last_day, numbers.longest)),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="report-numbers-template.csv"'},
    )


# --- acts -----------------------------------------------------------------------------------------


def _declare(call: Call, base: dict[str, Any]) -> Built:
    return c.Declare(**base, total=call.body.total), None


async def withdraw_numbers(call: Call) -> Response:
    """Withdraws numbers; refused as a whole when one of them is not on record."""
    body: WithdrawBody = call.body
    service = parts_of(call.request).batches
    try:
        receipt = await service.withdraw(
            case_of(call), body.numbers, body.reason, call.actor, call.command_id
        )
    except ChangeRefused as refused:
        raise _wrong(refused, "numbers") from None
    return _json(receipt)


async def correct_numbers(call: Call) -> Response:
    """Corrects numbers; refused as a whole when one of them cannot be."""
    body: CorrectBody = call.body
    service = parts_of(call.request).batches
    corrections = [one.model_dump() for one in body.corrections]
    try:
        receipt = await service.correct(
            case_of(call), corrections, body.reason, call.actor, call.command_id
        )
    except ChangeRefused as refused:
        raise _wrong(refused, "corrections") from None
    return _json(receipt)


def _wrong(refused: ChangeRefused, field: str) -> InvalidFields:
    errors = []
    for one in refused.wrong[:MOST_ERRORS]:
        what, mend = words(one.code, one.detail)
        errors.append(
            {
                "pointer": pointer(field, one.place - 1),
                "code": one.code,
                "message": f"{what}。{mend}。",
            }
        )
    return InvalidFields(refused.refusal, errors)


# --- rendering ------------------------------------------------------------------------------------


def _shown(one: Upload) -> UploadShown:
    known = {name: getattr(one, name) for name in UploadShown.model_fields if name != "stage_label"}
    return UploadShown(**known, stage_label=UPLOAD_STAGE_LABELS[one.stage])


def _upload(one: Upload, *, status: int = 200) -> Response:
    return _json(_shown(one), status_code=status)


def _json(value: Value | Receipt, **more: Any) -> Response:
    return Response(value.model_dump_json(), media_type="application/json", **more)


# --- the operations -------------------------------------------------------------------------------

_TAG = "报告编号"
_ONE = "/api/report-batches/{quarter}/{institution}"
_UPLOAD_EXAMPLE: dict[str, Any] = {
    "id": "0123456789abcdef0123456789abcdef",
    "filename": "2024Q3.csv",
    "media": "csv",
    "accept": "all",
    "stage": "reading",
    "stage_label": "读取中",
    "declared_bytes": 31_000_000,
    "received_bytes": 31_000_000,
    "sha256": RECEIPT_EXAMPLE["command_sha256"],
    "rows": 400_000,
    "bad": 0,
    "accepted": 0,
    "repeats": None,
    "visible_from": None,
    "created_at": "2024-10-08T09:30:00+08:00",
    "decided_at": None,
}
_FILE_PARAMETERS = (
    Parameter("accept", "all：有错即不收（默认）；good：只收无误的行", schema=schema_of(Accept)),
    Parameter("filename", "文件名，记入报告", schema=schema_of(Filename)),
)

OPERATIONS = [
    Operation(
        "GET",
        "/api/report-batches",
        list_batches,
        "报告编号报送列表",
        _TAG,
        Right.SEE_FILING,
        BatchPage,
        parameters=(
            Parameter("quarter", "季度，如 2024Q3", schema=schema_of(QuarterText)),
            Parameter("status", "状态", schema={"enum": [s.value for s in Status]}),
            Parameter("institution", "机构编号", schema=schema_of(InstitutionId)),
            *PAGING,
        ),
    ),
    Operation(
        "GET", _ONE, get_batch, "一件报送", _TAG, Right.SEE_FILING, BatchShown, target=of_batch
    ),
    Operation(
        "POST",
        _ONE,
        ask_for_batch,
        "为可以报送的机构建立季度报送",
        _TAG,
        Right.START_FILING,
        Started,
        target=of_institution,
        writes=True,
        status=202,
        answer_example={"id": "report-numbers/2024Q3/91350100M0000A1B2C"},
        description="可以报送（非必须）的机构由此建立；必须报送的机构在该季度开启时已自动建立。",
    ),
    Operation(
        "GET",
        f"{_ONE}/template",
        get_template,
        "报告编号文件模板",
        _TAG,
        Right.SEE_FILING,
        None,
        target=of_batch,
        answer_media="text/csv",
    ),
    Operation(
        "GET",
        f"{_ONE}/uploads",
        list_uploads,
        "上传列表",
        _TAG,
        Right.SEE_FILING,
        UploadPage,
        target=of_batch,
        parameters=PAGING,
    ),
    Operation(
        "POST",
        f"{_ONE}/uploads",
        upload_file,
        "上传一个文件",
        _TAG,
        Right.FILE,
        UploadShown,
        target=of_batch,
        media=tuple(_MEDIA),
        streams=True,
        writes=True,
        status=202,
        parameters=_FILE_PARAMETERS,
        answer_example=_UPLOAD_EXAMPLE,
        description="CSV（UTF-8 或 GB18030）或 XLSX，边收边存。同一文件再次上传不产生变化。",
    ),
    Operation(
        "POST",
        f"{_ONE}/uploads/resumable",
        begin_upload,
        "开始一次可续传的上传",
        _TAG,
        Right.FILE,
        UploadShown,
        target=of_batch,
        body=UploadBody,
        writes=True,
        status=201,
        example={"filename": "2024Q3.csv", "media": "csv", "accept": "all", "bytes": 31_000_000},
        answer_example=_UPLOAD_EXAMPLE,
    ),
    Operation(
        "GET",
        f"{_ONE}/uploads/{{upload}}",
        get_upload,
        "一次上传的进度",
        _TAG,
        Right.SEE_FILING,
        UploadShown,
        target=of_batch,
        answer_example=_UPLOAD_EXAMPLE,
    ),
    Operation(
        "PUT",
        f"{_ONE}/uploads/{{upload}}",
        receive_pieces,
        "续传",
        _TAG,
        Right.FILE,
        UploadShown,
        target=of_batch,
        media=("application/octet-stream", *_MEDIA),
        streams=True,
        parameters=(Parameter("at", "从第几个字节开始", schema={"type": "integer"}),),
        answer_example=_UPLOAD_EXAMPLE,
        description="从 at 所指的字节继续；中断后查询 received_bytes，从那里再来。",
    ),
    Operation(
        "DELETE",
        f"{_ONE}/uploads/{{upload}}",
        abandon_upload,
        "放弃尚未收齐的上传",
        _TAG,
        Right.FILE,
        UploadShown,
        target=of_batch,
        answer_example=_UPLOAD_EXAMPLE,
    ),
    Operation(
        "POST",
        f"{_ONE}/uploads/{{upload}}/complete",
        complete_upload,
        "文件已收齐，开始核对",
        _TAG,
        Right.FILE,
        UploadShown,
        target=of_batch,
        body=CompleteBody,
        writes=True,
        status=202,
        example={"sha256": RECEIPT_EXAMPLE["command_sha256"]},
        answer_example=_UPLOAD_EXAMPLE,
    ),
    Operation(
        "GET",
        f"{_ONE}/uploads/{{upload}}/problems",
        get_problems,
        "逐行问题报告",
        _TAG,
        Right.SEE_FILING,
        None,
        target=of_batch,
        answer_media="text/csv",
    ),
    acting(
        f"{_ONE}/submit",
        act(_declare),
        "声明本季度已报齐",
        Right.FILE,
        DeclareBody,
        {"total": 2600},
        tag=_TAG,
        target=of_batch,
    ),
    acting(
        f"{_ONE}/withdraw-numbers",
        withdraw_numbers,
        "撤回报告编号",
        Right.FILE,
        WithdrawBody,
        {"numbers": ["JC2024-000123"], "reason": "报告作废"},
        tag=_TAG,
        target=of_batch,
    ),
    acting(
        f"{_ONE}/correct-numbers",
        correct_numbers,
        "更正报告编号",
        Right.FILE,
        CorrectBody,
        {
            "corrections": [
                {
                    "number": "JC2024-000123",
                    "to_number": "JC2024-000132",
                    "to_issued_on": "2024-09-02",
                }
            ],
            "reason": "编号录入有误",
        },
        tag=_TAG,
        target=of_batch,
    ),
    *shared_acts(_ONE, _TAG, of_batch),
]
