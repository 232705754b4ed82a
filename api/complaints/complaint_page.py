"""The page on which anybody complains, and finds a complaint again by its receipt."""

import hashlib
from secrets import token_hex
from typing import Any
from urllib.parse import parse_qs

from pydantic import ValidationError
from starlette.responses import Response

from api.complaints.complaints import ComplaintBody, receive, state_of
from api.door.operations import Call, Operation, Parameter
from api.door.pages import render, render_refused, words_of
from api.door.parts import parts_of
from api.door.requests import InvalidFields, field_errors, invalid, query, refuse_foreign
from api.door.rights import Right
from domain.refusals import Refused

_FORM = "application/x-www-form-urlencoded"
_FIELDS = {
    "number": "报告编号",
    "institution": "机构名称",
    "about": "投诉的事项",
    "contact": "联系方式",
}
_SHOWN = 2000


def _values(call: Call, **given: str) -> dict[str, Any]:
    return {
        **dict.fromkeys(_FIELDS, ""),
        "key": token_hex(16),
        "receipt": "",
        "state": None,
        "refused": None,
        "errors": [],
        "request_id": call.request_id,
        **{name: text[:_SHOWN] for name, text in given.items()},
    }


async def complaint_page(call: Call) -> Response:
    """The form; with a receipt, how far its complaint has come."""
    request = call.request
    given = {name: query(request, name, str, "") for name in ("number", "institution")}
    values = _values(call, **given)
    receipt = query(request, "receipt", str, "").strip()
    if not receipt:
        return render("complaint.html", values, {"Cache-Control": "no-store"})
    try:
        found = await parts_of(request).complaints.by_receipt(receipt)
    except Refused as refused:
        values["refused"] = words_of(refused.refusal)
        return render_refused("complaint.html", values, refused.refusal)
    values["state"] = state_of(found)
    return render("complaint.html", values, {"Cache-Control": "no-store"})


async def complain(call: Call) -> Response:
    """Takes the form; the same form sent twice is one complaint."""
    refuse_foreign(call.request)
    data: bytes = call.body
    try:
        form = parse_qs(data.decode(), keep_blank_values=True, max_num_fields=10)
    except ValueError:
        form = {}
    given = {name: form.get(name, [""])[-1].replace("\r\n", "\n") for name in _FIELDS}
    try:
        try:
            body = ComplaintBody.model_validate(given)
        except ValidationError as failure:
            raise invalid(field_errors(failure)) from None
        receipt = await receive(call.request, body, hashlib.sha256(data).hexdigest())
    except Refused as refused:
        values = _values(call, **given)
        errors = refused.errors if isinstance(refused, InvalidFields) else []
        named = [(_FIELDS.get(one["pointer"].strip("/"), ""), one["message"]) for one in errors]
        words = words_of(refused.refusal)
        if errors:
            words["detail"], words["remedy"] = "投诉没有填写完整或填写有误。", "请修改后再提交。"
        values |= {"refused": words, "errors": named}
        return render_refused("complaint.html", values, refused.refusal)
    return render(
        "complaint.html", {**_values(call), "receipt": receipt}, {"Cache-Control": "no-store"}
    )


PAGES = [
    Operation(
        "GET",
        "/complaint",
        complaint_page,
        "投诉",
        "页面",
        Right.ANYONE,
        None,
        answer_media="text/html",
        parameters=(
            Parameter("number", "报告编号"),
            Parameter("institution", "机构名称"),
            Parameter("receipt", "回执编号"),
        ),
    ),
    Operation(
        "POST",
        "/complaint",
        complain,
        "提交投诉",
        "页面",
        Right.ANYONE,
        None,
        media=(_FORM,),
        largest=64 * 1024,
        answer_media="text/html",
    ),
]
