"""Files of report numbers: received whole or in pieces, how far each has come, what is wrong."""

import codecs
import hashlib
from collections.abc import AsyncIterator
from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from api.cases.acts import RECEIPT_EXAMPLE, acting, case_of
from api.door import cursors
from api.door.files import FILENAME, TABLES, Accept, Filename
from api.door.languages import explained
from api.door.operations import PAGING, Call, Operation, Parameter, json_of, schema_of
from api.door.parts import parts_of
from api.door.requests import Text, media_type, path, query
from api.door.rights import Right
from api.numbers.named import ADDRESS, TAG, of_batch
from domain.model import Value
from domain.numbers.report_numbers import UPLOAD_STAGE_LABELS, UPLOAD_TROUBLES, UploadStage
from domain.numbers.row_checks import words
from domain.refusals import Code, Refusal, Refused
from files.export import csv_line
from services.numbers.batches import ListedNumber, Upload, UploadProblem

UploadId = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]


NumberState = Literal["open", "waiting", "withdrawn", "corrected"]
NUMBER_STATE_LABELS: dict[NumberState, str] = {
    "open": "可以查询",
    "waiting": "等待开放查询",
    "withdrawn": "已撤回",
    "corrected": "已更正",
}
_Beginning = Annotated[str, Field(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]


class NumberShown(Value):
    """One report number of a batch; ``reason`` is why it was withdrawn or corrected, when it was.

    ``visible_from`` is the instant from which the public can look it up.
    """

    number: str
    issued_on: date
    upload: str
    state: NumberState
    state_label: str
    visible_from: datetime
    reason: str
    changed_at: datetime | None


class NumberPage(Value):
    """Numbers in the order of their characters; ``next`` is the cursor of the page after."""

    items: tuple[NumberShown, ...]
    next: str | None


class WithdrawUploadBody(Value):
    """Why an upload is withdrawn; it is shown to whoever looks up one of its numbers."""

    reason: Text


class UploadRefusal(Value):
    """Why a batch did not take a file: the refusal's code, and what it says."""

    code: Code
    title: str
    detail: str
    remedy: str


class UploadShown(Value):
    """One uploaded file and how far it has come.

    ``received_bytes`` is where a broken upload goes on. ``rows`` have been read so far, ``bad`` of
    them have an error, ``accepted`` numbers were put on record. ``repeats`` is the earlier upload
    of the same file, ``refusal`` why the batch did not take the file. ``notice`` says so when the
    public lookup does not answer for the institution, as when its certificate has expired.
    ``trouble`` says what keeps the file from being read, and is empty if nothing does.
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
    refusal: UploadRefusal | None
    notice: str | None
    trouble: str


class UploadPage(Value):
    """A page of uploads, newest first."""

    items: tuple[UploadShown, ...]
    next: str | None


class UploadBody(Value):
    """A file that is to come in pieces: its name, its size if known, what to do about errors."""

    filename: Filename
    media: Literal["csv", "xlsx"]
    accept: Accept = "all"
    bytes: int | None = Field(default=None, ge=1, le=2**53 - 1)


class CompleteBody(Value):
    """The file is complete; with its SHA-256, it is compared with what was received."""

    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")


async def upload_file(call: Call) -> Response:
    """Takes a whole file as it streams in, and has it read."""
    service, request, case = parts_of(call.request).batches, call.request, case_of(call)
    kind = TABLES[media_type(request)]
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
    return await _upload(call, done, status=202)


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
    return await _upload(call, begun, status=201)


async def receive_pieces(call: Call) -> Response:
    """Takes what follows from a position on; what came before a break is kept."""
    request = call.request
    at_byte = query(request, "at", Annotated[int, Field(ge=0, le=2**53)], 0)
    id_: str = path(request, "upload", UploadId)
    service = parts_of(request).batches
    return await _upload(call, await service.receive(case_of(call), id_, at_byte, request.stream()))


async def complete_upload(call: Call) -> Response:
    """Has a file read that has been received completely."""
    id_: str = path(call.request, "upload", UploadId)
    service = parts_of(call.request).batches
    done = await service.complete(case_of(call), id_, call.actor, call.command_id, call.body.sha256)
    return await _upload(call, done, status=202)


async def abandon_upload(call: Call) -> Response:
    """Gives up a file that is still being received."""
    id_: str = path(call.request, "upload", UploadId)
    return await _upload(call, await parts_of(call.request).batches.abandon(case_of(call), id_))


async def get_upload(call: Call) -> Response:
    """One upload and its progress."""
    id_: str = path(call.request, "upload", UploadId)
    return await _upload(call, await parts_of(call.request).batches.upload(case_of(call), id_))


async def list_uploads(call: Call) -> Response:
    """The uploads of a batch, newest first."""
    request = call.request
    [before] = cursors.given(request, (int,)) or [None]
    batches, case = parts_of(request).batches, case_of(call)
    uploads, more = await cursors.paged(
        request, lambda size: batches.uploads(case, before, size), lambda upload: [upload.no]
    )
    notice = await batches.not_shown(case)
    shown = tuple(_shown(upload, notice) for upload in uploads)
    return json_of(UploadPage(items=shown, next=more))


async def get_problems(call: Call) -> Response:
    """Every row with an error, as a CSV file: where, what, and how to mend it."""
    batches = parts_of(call.request).batches
    id_: str = path(call.request, "upload", UploadId)
    upload = await batches.upload(case_of(call), id_)

    async def lines() -> AsyncIterator[bytes]:
        # the mark at the start tells Excel that this is UTF-8
        yield codecs.BOM_UTF8 + "行号,列,代码,问题,怎样修改\r\n".encode()
        last: UploadProblem | None = None
        # no connection is held while a slow reader takes its time
        while page := await batches.problems(upload, last):
            last = page[-1]
            yield "".join(map(_line, page)).encode()

    name = f'attachment; filename="problems-{id_[:8]}.csv"'
    return StreamingResponse(
        lines(), media_type="text/csv; charset=utf-8", headers={"Content-Disposition": name}
    )


def _line(problem: UploadProblem) -> str:
    what, mend = words(problem.code, problem.detail)
    return csv_line([str(problem.row), problem.column, problem.code, what, mend])


def _shown(upload: Upload, notice: str | None) -> UploadShown:
    refusal = None
    if upload.refusal is not None:
        said = explained(upload.refusal)
        refusal = UploadRefusal(
            code=upload.refusal.code, title=said.title, detail=said.detail, remedy=said.remedy
        )
    told = {
        "stage_label": UPLOAD_STAGE_LABELS[upload.stage],
        "trouble": UPLOAD_TROUBLES[upload.trouble],
        "refusal": refusal,
        "notice": notice,
    }
    known = {name: getattr(upload, name) for name in UploadShown.model_fields if name not in told}
    return UploadShown(**known, **told)


async def _upload(call: Call, upload: Upload, *, status: int = 200) -> Response:
    notice = await parts_of(call.request).batches.not_shown(case_of(call))
    return json_of(_shown(upload, notice), status_code=status)


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
    "refusal": None,
    "notice": None,
    "trouble": "",
}
_FILE_PARAMETERS = (
    Parameter("accept", "all：有错即不收（默认）；good：只收无误的行", schema=schema_of(Accept)),
    FILENAME,
)


async def withdraw_upload(call: Call) -> Response:
    """Withdraws all numbers of an upload that still stand."""
    id_: str = path(call.request, "upload", UploadId)
    receipt = await parts_of(call.request).batches.withdraw_upload(
        case_of(call), id_, call.body.reason, call.actor, call.command_id
    )
    return json_of(receipt)


async def list_numbers(call: Call) -> Response:
    """The numbers of a batch."""
    request = call.request
    parts, case = parts_of(request), case_of(call)
    begins: str = query(request, "number", _Beginning, "")
    upload: str = query(request, "upload", UploadId | Literal[""], "")
    numbers, more = await cursors.paged(
        request,
        lambda size: parts.batches.numbers_of(case, begins, upload, _place(request), size),
        lambda one: [one.number.encode().hex(), one.upload_no],
    )
    now = parts.clock()
    return json_of(NumberPage(items=tuple(_number(one, now) for one in numbers), next=more))


def _place(request: Request) -> tuple[str, int]:
    given = cursors.given(request, (str, int))
    if given is None:
        return "", 0
    try:
        number = bytes.fromhex(given[0]).decode()
    except ValueError:
        raise cursors.refused() from None
    if "\0" in number:
        raise cursors.refused()
    return number, given[1]


def _number(one: ListedNumber, now: datetime) -> NumberShown:
    state: NumberState = "waiting" if one.visible_from > now else "open"
    if one.change:
        state = "corrected" if one.change == "corrected" else "withdrawn"
    return NumberShown(
        number=one.number,
        issued_on=one.issued_on,
        upload=one.upload,
        state=state,
        state_label=NUMBER_STATE_LABELS[state],
        visible_from=one.visible_from,
        reason=one.reason,
        changed_at=one.changed_at,
    )


OPERATIONS = [
    Operation(
        "GET",
        f"{ADDRESS}/numbers",
        list_numbers,
        "本季度的报告编号",
        TAG,
        Right.SEE_CONTENT,
        NumberPage,
        target=of_batch,
        parameters=(
            Parameter("number", "编号，或其开头的一部分", schema=schema_of(_Beginning)),
            Parameter("upload", "只看一次上传的", schema=schema_of(UploadId)),
            *PAGING,
        ),
        description="按编号的字符顺序；已撤回、已更正的也在内。",
    ),
    acting(
        f"{ADDRESS}/uploads/{{upload}}/withdraw",
        withdraw_upload,
        "撤回一次上传的全部编号",
        Right.FILE,
        WithdrawUploadBody,
        {"reason": "文件选错"},
        tag=TAG,
        target=of_batch,
    ),
    Operation(
        "GET",
        f"{ADDRESS}/uploads",
        list_uploads,
        "上传列表",
        TAG,
        Right.SEE_FILING,
        UploadPage,
        target=of_batch,
        parameters=PAGING,
    ),
    Operation(
        "POST",
        f"{ADDRESS}/uploads",
        upload_file,
        "上传一个文件",
        TAG,
        Right.FILE,
        UploadShown,
        target=of_batch,
        media=tuple(TABLES),
        streams=True,
        writes=True,
        status=202,
        parameters=_FILE_PARAMETERS,
        answer_example=_UPLOAD_EXAMPLE,
        description="CSV（UTF-8 或 GB18030）或 XLSX，边收边存。同一文件再次上传不产生变化。",
    ),
    Operation(
        "POST",
        f"{ADDRESS}/uploads/resumable",
        begin_upload,
        "开始一次可续传的上传",
        TAG,
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
        f"{ADDRESS}/uploads/{{upload}}",
        get_upload,
        "一次上传的进度",
        TAG,
        Right.SEE_FILING,
        UploadShown,
        target=of_batch,
        answer_example=_UPLOAD_EXAMPLE,
    ),
    Operation(
        "PUT",
        f"{ADDRESS}/uploads/{{upload}}",
        receive_pieces,
        "续传",
        TAG,
        Right.FILE,
        UploadShown,
        target=of_batch,
        media=("application/octet-stream", *TABLES),
        streams=True,
        parameters=(Parameter("at", "从第几个字节开始", schema={"type": "integer"}),),
        answer_example=_UPLOAD_EXAMPLE,
        description="从 at 所指的字节继续；中断后查询 received_bytes，从那里再来。",
    ),
    Operation(
        "DELETE",
        f"{ADDRESS}/uploads/{{upload}}",
        abandon_upload,
        "放弃尚未收齐的上传",
        TAG,
        Right.FILE,
        UploadShown,
        target=of_batch,
        answer_example=_UPLOAD_EXAMPLE,
    ),
    Operation(
        "POST",
        f"{ADDRESS}/uploads/{{upload}}/complete",
        complete_upload,
        "文件已收齐，开始核对",
        TAG,
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
        f"{ADDRESS}/uploads/{{upload}}/problems",
        get_problems,
        "逐行问题报告",
        TAG,
        Right.SEE_FILING,
        None,
        target=of_batch,
        answer_media="text/csv",
    ),
]
