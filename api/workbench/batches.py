"""Report numbers on pages: a quarter's batch, its files with every wrong row, acts on numbers."""

import csv
import io
from typing import Any

from starlette.responses import RedirectResponse, Response

from api.door.asking import Told, ask, fetch
from api.door.operations import Call
from api.door.pages import page
from api.door.requests import path, query
from api.door.rights import ROLES, Right
from api.numbers.named import named
from api.numbers.uploads import UploadId
from api.workbench.acts import (
    SHARED,
    Act,
    Failed,
    Input,
    acts_shown,
    done_of,
    perform,
    shared_acts_now,
    summary_of,
)
from api.workbench.pages import (
    CURSOR,
    DONE,
    asked_of,
    here_of,
    media_of,
    name_of,
    page_of,
    said_at_once,
    text_parameter,
)
from domain.case.commands import Actor, Role
from domain.case.status import STATUS_LABELS, STATUS_NEXT, Status
from domain.numbers.report_numbers import UploadStage

_SHOWN = 200
"""So many wrong rows stand on the page; the file has them all."""

_OVER = (UploadStage.ACCEPTED, UploadStage.REJECTED, UploadStage.REPEATED, UploadStage.ABANDONED)
_DECLARE = Act(
    "submit",
    "声明本季度已报齐",
    "已声明报齐",
    (Input("total", "本季度共出具多少份报告", "number", "没有出具报告的填 0。"),),
)
_WITHDRAW = Act(
    "withdraw-numbers",
    "撤回编号",
    "已撤回",
    (
        Input("numbers", "编号", "lines", "每行一个。"),
        Input("reason", "理由", "text", "查询这些编号的人会看到。"),
    ),
    grave=True,
)
_CORRECT = Act(
    "correct-numbers",
    "更正编号",
    "已更正",
    (
        Input(
            "corrections",
            "更正",
            "table",
            "每行：原编号、新编号、新的签发日期（如 2024-09-02），用制表符或竖线分开，"
            "可以从表格中复制。",
            columns=("number", "to_number", "to_issued_on"),
        ),
        Input("reason", "理由", "text", "查询原编号的人会看到。"),
    ),
)
_ACTS = (_DECLARE, _WITHDRAW, _CORRECT, *SHARED)
_WITHDRAW_UPLOAD = Act(
    "withdraw",
    "撤回这一文件的全部编号",
    "已撤回这一文件的全部编号",
    (Input("reason", "理由", "text", "查询这些编号的人会看到。"),),
    "仍然有效的编号一次全部撤回，不能恢复；改正之后可以重新上传。",
    grave=True,
)


def _acts_now(batch: dict[str, Any], actor: Actor, *, mine: bool) -> list[Act]:
    if actor.role is not Role.FILER:
        return shared_acts_now(batch, actor, mine=mine)
    declares = Status(batch["status"]) in (Status.DRAFT, Status.RETURNED)
    numbers = (_WITHDRAW, _CORRECT) if batch["numbers"] else ()
    return [*((_DECLARE,) if declares else ()), *numbers]


async def list_batches(call: Call) -> Response:
    """The batches that somebody sees, the most pressing first."""
    return await _list(call)


async def _list(call: Call, told: Told | None = None) -> Response:
    asked = asked_of(call, "quarter", "status", "cursor")
    found = (await ask(call, "GET", "/api/report-batches", query={"sort": "due", **asked})).body
    values = {
        "found": found,
        "asked": asked,
        "next_by": STATUS_NEXT,
        "statuses": [(one.value, STATUS_LABELS[one]) for one in Status],
    }
    return said_at_once(call, "batches.html", values, told)


async def start_batch(call: Call) -> Response:
    """Starts a batch that its institution may report."""
    quarter = call.body.text("quarter").strip()
    address = f"report-batches/{quarter[:6]}/{call.actor.scope}"
    try:
        await ask(call, "POST", f"/api/{address}", idempotency_key=call.body.text("key"))
    except Told as told:
        return await _list(call, told)
    return RedirectResponse(f"/work/{address}", status_code=303)


def _named(call: Call) -> tuple[str, str]:
    quarter, institution = named(call.request)
    return here_of(f"report-batches/{quarter}/{institution}")


async def batch_page(call: Call, failed: Failed | None = None) -> Response:
    """One batch."""
    return await _batch(call, failed, None)


async def _batch(call: Call, failed: Failed | None, told: Told | None) -> Response:
    api, here = _named(call)
    batch = (await ask(call, "GET", api)).body
    cursor = asked_of(call, "cursor")
    uploads = (await ask(call, "GET", f"{api}/uploads", query={"size": "20", **cursor})).body
    role = call.actor.role
    forms = acts_shown(
        _acts_now(batch, call.actor, mine=batch["claimed_by"] == call.actor.subject), failed
    )
    values = {
        "batch": batch,
        "uploads": uploads,
        "timeline": (await ask(call, "GET", f"{api}/timeline")).body,
        "here": here,
        "next": STATUS_NEXT[Status(batch["status"])],
        "done": done_of(_ACTS, query(call.request, "done", str, "")),
        "writes": role is Role.FILER,
        "reads": role in ROLES[Right.SEE_CONTENT],
        "forms": forms,
        **summary_of(forms, failed),
    }
    return said_at_once(call, "batch.html", values, told or (failed.told if failed else None))


async def act_on_batch(call: Call) -> Response:
    """One act on a batch."""
    api, here = _named(call)
    return await perform(call, _ACTS, api, here, batch_page)


async def upload(call: Call) -> Response:
    """Hands a file on to the API as it is, and leads to its report."""
    api, here = _named(call)
    file = call.body.file
    name = name_of(file)
    asked = {"accept": call.body.text("accept") or "all", **({"filename": name} if name else {})}
    try:
        taken = await ask(
            call,
            "POST",
            f"{api}/uploads",
            query=asked,
            file=file,
            content_type=media_of(name),
            idempotency_key=call.body.text("key"),
        )
    except Told as told:
        return await _batch(call, None, told)
    return RedirectResponse(f"{here}/uploads/{taken.body['id']}", status_code=303)


async def upload_page(call: Call, failed: Failed | None = None) -> Response:
    """One file: how far it has come, and every row that is wrong; withdrawing all of it."""
    api, here = _named(call)
    id_: str = path(call.request, "upload", UploadId)
    shown = (await ask(call, "GET", f"{api}/uploads/{id_}")).body
    under_way = shown["stage"] not in _OVER
    rows = await _problems(call, f"{api}/uploads/{id_}/problems") if shown["bad"] else []
    can = call.actor.role is Role.FILER and shown["stage"] == UploadStage.ACCEPTED
    forms = acts_shown((_WITHDRAW_UPLOAD,) if can else (), failed)
    values = {
        "upload": shown,
        "rows": rows,
        "here": here,
        "under_way": under_way,
        "forms": forms,
        "done": done_of((_WITHDRAW_UPLOAD,), query(call.request, "done", str, "")),
        **summary_of(forms, failed),
    }
    return said_at_once(call, "upload.html", values, failed.told if failed else None)


async def act_on_upload(call: Call) -> Response:
    """Withdraws a whole upload."""
    api, here = _named(call)
    place = f"/uploads/{path(call.request, 'upload', UploadId)}"
    return await perform(call, (_WITHDRAW_UPLOAD,), api + place, here + place, upload_page)


async def numbers_page(call: Call) -> Response:
    """The numbers of a batch, found by how they begin."""
    api, here = _named(call)
    asked = asked_of(call, "number", "upload", "cursor")
    values = {
        "batch": (await ask(call, "GET", api)).body,
        "found": (await ask(call, "GET", f"{api}/numbers", query=asked)).body,
        "asked": asked,
        "here": here,
    }
    return page(call, "numbers.html", values)


async def _problems(call: Call, address: str) -> list[list[str]]:
    """The first rows of the API's table of problems."""
    answer = await fetch(call, "GET", address)
    text = ""
    async for chunk in answer.body_iterator:  # type: ignore[attr-defined]
        text += chunk if isinstance(chunk, str) else bytes(chunk).decode("utf-8-sig")
        if text.count("\n") > 4 * _SHOWN:
            break
    await answer.body_iterator.aclose()  # type: ignore[attr-defined]
    return list(csv.reader(io.StringIO(text)))[1 : _SHOWN + 1]


_ONE = "/work/report-batches/{quarter}/{institution}"

PAGES = [
    page_of(
        "GET",
        "/work/report-batches",
        list_batches,
        "报告编号报送",
        parameters=(text_parameter("quarter", "季度"), text_parameter("status", "状态"), CURSOR),
    ),
    page_of("POST", "/work/report-batches", start_batch, "自愿报送一个季度"),
    page_of("GET", _ONE, batch_page, "一件报送", parameters=(DONE, CURSOR)),
    page_of("POST", f"{_ONE}/act/{{act}}", act_on_batch, "办理", unhurried=True),
    page_of("POST", f"{_ONE}/upload", upload, "上传一个文件", unhurried=True, with_file=True),
    page_of(
        "GET",
        f"{_ONE}/numbers",
        numbers_page,
        "本季度的报告编号",
        parameters=(
            text_parameter("number", "编号的开头"),
            text_parameter("upload", "一次上传"),
            CURSOR,
        ),
    ),
    page_of("GET", f"{_ONE}/uploads/{{upload}}", upload_page, "一个文件", parameters=(DONE,)),
    page_of(
        "POST",
        f"{_ONE}/uploads/{{upload}}/act/{{act}}",
        act_on_upload,
        "撤回一个文件的编号",
        unhurried=True,
    ),
]
