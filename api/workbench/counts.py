"""How often the public asked, on pages: report numbers by day, certificates by month; never who."""

from typing import Any

from starlette.responses import Response

from api.door.asking import Told, ask
from api.door.operations import Call
from api.door.parts import parts_of
from api.workbench.pages import asked_of, page_of, said_at_once, text_parameter
from domain.certificates.public import SCAN_ANSWER_LABELS
from domain.numbers.report_numbers import ANSWER_LABELS

_HERE = "/work/counts"
_ASKED = {"scan": "扫码", "search": "检索"}
_WORDS: dict[str, str] = {
    **{one.value: label for one, label in SCAN_ANSWER_LABELS.items()},
    **{one.value: label for one, label in ANSWER_LABELS.items()},
    "one": "查到一张",
    "several": "查到几张",
    "none": "没有查到",
}


async def counts_page(call: Call) -> Response:
    """How often numbers were looked up and certificates asked for, by place and answer."""
    asked = asked_of(call, "from", "to")
    told = None
    found: dict[str, Any] = {"items": [], "next": None}
    try:
        found = (await ask(call, "GET", "/api/lookups/counts", query={"size": "200", **asked})).body
    except Told as refused:
        told = refused
    certificates = (await ask(call, "GET", "/api/certificates/counts")).body
    values: dict[str, Any] = {
        "lookups": found,
        "certificates": certificates,
        "asked": asked,
        "kinds": _ASKED,
        "words": _WORDS,
        "place_name": parts_of(call.request).progress.place_name,
    }
    return said_at_once(call, "counts.html", values, told)


PAGES = [
    page_of(
        "GET",
        _HERE,
        counts_page,
        "公众查询次数",
        parameters=(text_parameter("from", "自哪一天"), text_parameter("to", "至哪一天")),
    ),
]
