"""Rules on pages: each set value by value with what it rests on, and what revisions changed."""

from typing import Annotated, Any

from pydantic import Field
from starlette.responses import Response

from api.door.asking import ask
from api.door.operations import Call, Parameter
from api.door.pages import page
from api.door.parts import parts_of
from api.door.requests import path, query
from api.workbench.pages import if_shown, page_of
from domain.ids import JurisdictionCode
from rules.diff import changes
from rules.reading import lines

_Year = Annotated[int, Field(ge=2000, le=2999)]
_Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


async def list_rules(call: Call) -> Response:
    """The sets on this server."""
    values = {
        "sets": (await ask(call, "GET", "/api/rules")).body["items"],
        "place_name": parts_of(call.request).progress.place_name,
    }
    return page(call, "rule_sets.html", values)


async def rules_page(call: Call) -> Response:
    """One set, or a stored revision of it, in readable form; beside it what a revision changed."""
    year: int = path(call.request, "year", _Year)
    jurisdiction: str = path(call.request, "jurisdiction", JurisdictionCode)
    place = f"{year}/{jurisdiction}"
    sha256 = query(call.request, "revision", _Hash | None, None)
    since = query(call.request, "since", _Hash | None, None)
    shown = (
        await ask(call, "GET", f"/api/rule-sets/{sha256}" if sha256 else f"/api/rules/{place}")
    ).body
    published = await if_shown(call, f"/api/rules/{place}/publications")
    differences: list[Any] = []
    if since:
        older = (await ask(call, "GET", f"/api/rule-sets/{since}")).body
        differences = changes(older["document"], shown["document"])
    values = {
        "place": place,
        "name": parts_of(call.request).progress.place_name(jurisdiction),
        "year": year,
        "shown": shown,
        "lines": list(lines(shown["document"])),
        "published": published["items"] if published else [],
        "since": since,
        "differences": differences,
    }
    return page(call, "rule_set.html", values)


PAGES = [
    page_of("GET", "/work/rules", list_rules, "规则"),
    page_of(
        "GET",
        "/work/rules/{year}/{jurisdiction}",
        rules_page,
        "一个规则集",
        parameters=(Parameter("revision", "哪一版"), Parameter("since", "与哪一版比较")),
    ),
]
