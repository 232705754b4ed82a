"""The page on which anybody looks up a report number."""

from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response

from api.door.operations import Call, Operation, Parameter
from api.door.pages import render, render_refused, words_of
from api.door.parts import parts_of
from api.door.requests import parameters
from api.door.rights import Right
from api.numbers.lookup import asked, find
from domain.numbers.report_numbers import ANSWER_LABELS, Answer
from domain.refusals import Refused

_SHOWN = 200
_LABELLED = ("number", "institution")


async def lookup_page(call: Call) -> Response:
    """The form, and the answer once something is asked."""
    request = call.request
    values: dict[str, Any] = {
        "number": "",
        "institution": "",
        "found": None,
        "refused": None,
        "wrong": "",
        "near": (),
        "labels": ANSWER_LABELS,
        "request_id": call.request_id,
    }
    try:
        number, institution = asked(request)
        values |= {"number": number[:_SHOWN], "institution": institution[:_SHOWN]}
        # messengers append parameters of their own to what is passed on
        if not any(name in _LABELLED for name, _ in parameters(request)):
            return render("lookup.html", values, {})
        found, keep = await find(request, number, institution)
    except Refused as refused:
        refusal = refused.refusal
        values |= {"refused": words_of(refusal), "wrong": refusal.params.get("name", "")}
        return render_refused("lookup.html", values, refusal)
    if found.outcome.answer is Answer.NOT_FOUND:
        values["near"] = await parts_of(request).lookups.near(number, institution)
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
