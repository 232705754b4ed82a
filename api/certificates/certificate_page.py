"""The public's pages about certificates: what a QR code leads to, and the search."""

import re
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from api.certificates.public import (
    LONGEST_TERM,
    SCAN_PARAMETERS,
    SEARCH_PARAMETERS,
    TERM_LABELS,
    find,
    scan,
    scan_code,
)
from api.door.operations import Call, Operation
from api.door.pages import render, render_refused, words_of
from api.door.parts import Parts, parts_of
from api.door.requests import parameters, wrong_parameter
from api.door.rights import Right
from domain.refusals import Code, Refused
from domain.text import normalised
from services.certificates.enquiries import MOST_PAGES, PAGE

_LEVELS = {"provincial": "省级", "national": "国家级"}
_FRESH = {"Cache-Control": "no-store", "Vary": "Accept"}


async def certificate_page(call: Call) -> Response:
    """What is known of a certificate, for whoever scans its QR code."""
    request = call.request
    if _wants_json(request):
        response = await scan_code(call)
        response.headers["Vary"] = "Accept"
        return response
    found, status = await scan(request)
    signed = [(name, value) for name, value in parameters(request) if name == "s"]
    values = {
        "scan": found,
        "levels": _LEVELS,
        "earlier": _part(found.code, found.part - 1, signed) if found.part > 1 else "",
        "later": _part(found.code, found.part + 1, signed) if found.part < found.parts else "",
    }
    return render("certificate.html", values, _FRESH, status)


async def search_page(call: Call) -> Response:
    """The form, and what was found once something is asked."""
    request = call.request
    given = dict.fromkeys(TERM_LABELS, "")
    given |= {name: text[:LONGEST_TERM] for name, text in parameters(request) if name in given}
    values: dict[str, Any] = {
        "given": given,
        "fields": await _fields(request),
        "found": None,
        "refused": None,
        "wrong": "",
        "levels": _LEVELS,
        "regions": parts_of(request).provinces_named(),
        "next": "",
        "page_size": PAGE,
        "most_pages": MOST_PAGES,
        "request_id": call.request_id,
    }
    # messengers append parameters of their own to what is passed on
    if not any(name in given for name, _ in parameters(request)):
        return render("certificates.html", values, {})
    try:
        found = await find(request, _region(parts_of(request), given["region"]))
    except Refused as refused:
        refusal = refused.refusal
        wrong = refusal.params.get("name", "") if refusal.code is Code.INVALID_PARAMETER else ""
        values |= {"refused": words_of(refusal, TERM_LABELS), "wrong": wrong}
        return render_refused("certificates.html", values, refusal)
    values["found"] = found
    if found.more:
        asked = {name: text for name, text in given.items() if text}
        values["next"] = "/certificates?" + urlencode({**asked, "page": found.page + 1})
    return render("certificates.html", values, {"Cache-Control": "no-store"})


def _region(parts: Parts, given: str) -> str:
    """The code of an area that is given by code or name. Raises Refused: by none, or by several."""
    text = normalised(given)
    if not text or re.fullmatch(r"[0-9]{6}", text):
        return text
    named = parts.areas_named(text)
    if len(named) == 1:
        return named[0]
    why = "没有这个名称的地区，请照“福建省”“福州市”填写"
    if named:
        shown = "、".join(f"{parts.whole_area_name(code)}（{code}）" for code in named[:8])
        why = f"有几个同名的地区，请填写代码：{shown}"
    raise wrong_parameter("region", why)


async def _fields(request: Request) -> list[tuple[str, str]]:
    """The fields that can be chosen; none while the rules cannot be read."""
    try:
        rules = parts_of(request).certificates.rules()
    except Exception:
        return []
    return sorted(rules.tables.fields.items())


def _part(code: str, number: int, signed: list[tuple[str, str]]) -> str:
    return f"/c/{code}?{urlencode([*signed, ('part', number)])}#capabilities"


def _wants_json(request: Request) -> bool:
    accept = request.headers.get("accept", "")
    return "application/json" in accept and "text/html" not in accept


PAGES = [
    Operation(
        "GET",
        "/c/{code}",
        certificate_page,
        "扫描证书二维码打开的页面",
        "页面",
        Right.ANYONE,
        None,
        answer_media="text/html",
        parameters=SCAN_PARAMETERS,
    ),
    Operation(
        "GET",
        "/certificates",
        search_page,
        "资质认定证书查询",
        "页面",
        Right.ANYONE,
        None,
        answer_media="text/html",
        parameters=SEARCH_PARAMETERS,
    ),
]
