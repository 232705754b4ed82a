"""The public's pages: plain HTML from the server, the same answers as the API gives, no script."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse, Response

from api.door.operations import Call, Operation, Parameter
from api.door.parts import parts_of
from api.door.problems import headers_of, status_of
from api.door.requests import parameters
from api.door.rights import Right
from api.numbers.lookup import asked, find
from domain.messages import explain, local_time
from domain.numbers.report_numbers import ANSWER_LABELS
from domain.refusals import Code, Refusal, Refused

_TEMPLATES = Environment(
    loader=PackageLoader("api"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_TEMPLATES.globals.update(local_time=local_time, labels=ANSWER_LABELS)

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    # the number asked for stands in the address
    "Referrer-Policy": "no-referrer",
}

_FIELDS = {"number": "报告编号", "institution": "机构名称"}
_SHOWN = 200


def render(
    template: str, values: Mapping[str, Any], headers: Mapping[str, str], status: int = 200
) -> Response:
    """A page."""
    text = _TEMPLATES.get_template(template).render(values)
    return HTMLResponse(text, status_code=status, headers={**HEADERS, **headers})


def words_of(refusal: Refusal) -> dict[str, str]:
    """A refusal as pages tell it; whoever looks something up knows of no request header."""
    words = explain(refusal)._asdict()
    if refusal.code in (Code.BUSY, Code.UNAVAILABLE, Code.INTERNAL):
        words["detail"], words["remedy"] = "系统暂时没有响应。", "请稍后再试。"
    if refusal.params.get("name") in _FIELDS:
        words["title"] = f"{_FIELDS[refusal.params['name']]}有误"
        words["detail"] = f"{_FIELDS[refusal.params['name']]}{refusal.params['why']}。"
        words["remedy"] = "请修改后再查。"
    return {**words, "code": refusal.code.value}


def refused_page(refusal: Refusal, request_id: str) -> Response:
    """What a page is answered with that could not be made: the API's status, in words."""
    values = {"refused": words_of(refusal), "request_id": request_id}
    return render("refused.html", values, headers_of(refusal), status_of(refusal.code))


async def lookup_page(call: Call) -> Response:
    """The form, and the answer once something is asked."""
    request = call.request
    values: dict[str, Any] = {
        "number": "",
        "institution": "",
        "found": None,
        "refused": None,
        "wrong": "",
        "request_id": call.request_id,
    }
    try:
        number, institution = asked(request)
        values |= {"number": number[:_SHOWN], "institution": institution[:_SHOWN]}
        if not parameters(request):
            return render("lookup.html", values, {})
        found, keep = await find(request, number, institution)
    except Refused as refused:
        refusal = refused.refusal
        values |= {"refused": words_of(refusal), "wrong": refusal.params.get("name", "")}
        return render("lookup.html", values, headers_of(refusal), status_of(refusal.code))
    given = {"number": number, **({"institution": institution} if institution else {})}
    values |= {"found": found, "now": parts_of(request).clock(), "complaint": urlencode(given)}
    return render("lookup.html", values, {"Cache-Control": keep})


PAGES = [
    Operation(
        "GET",
        "/lookup",
        lookup_page,
        "报告编号查询",
        "页面",
        Right.ANYONE,
        None,
        answer_media="text/html",
        parameters=(Parameter("number", "报告编号"), Parameter("institution", "机构名称")),
    ),
]
"""Behind the same door as the operations of the API, and not in its description."""
