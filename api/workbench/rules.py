"""Rules on pages: each set value by value with what it rests on, and what revisions changed."""

from typing import Annotated, Any

from pydantic import Field
from starlette.responses import Response

from api.door.asking import ask
from api.door.operations import Call, Parameter
from api.door.pages import page
from api.door.parts import parts_of
from api.door.requests import path, query
from api.workbench.acts import (
    REASON,
    Act,
    Failed,
    acts_shown,
    done_of,
    perform,
    summary_of,
)
from api.workbench.pages import DONE, here_of, if_shown, page_of, said_at_once
from domain.case.commands import Role
from domain.ids import JurisdictionCode
from domain.jurisdictions import lies_in
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


_PUBLISH = Act(
    "publish",
    "发布",
    "已发布",
    (REASON._replace(label="依据", hint="所依据的通知或修订。"),),
    "发布之后新开启的统计工作按这一版；已经开启的不变，要改的在统计工作里修订。",
    grave=True,
)


async def publish(call: Call) -> Response:
    """Puts the sets of a place in force."""
    year: int = path(call.request, "year", _Year)
    jurisdiction: str = path(call.request, "jurisdiction", JurisdictionCode)
    api, here = here_of(f"rules/{year}/{jurisdiction}")
    return await perform(call, (_PUBLISH,), api, here, rules_page)


async def rules_page(call: Call, failed: Failed | None = None) -> Response:
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
    elif not sha256 and published and published["items"]:
        # what is on the server beside what is in force
        in_force = published["items"][0]["ruleset"]["sha256"]
        if in_force != shown["ruleset"]["sha256"]:
            older = (await ask(call, "GET", f"/api/rule-sets/{in_force}")).body
            differences, since = changes(older["document"], shown["document"]), in_force
    publishes = (
        call.actor.role is Role.OPERATOR
        and not sha256
        and lies_in(jurisdiction, call.actor.scope)
        and not (published and published["items"] and not differences)
    )
    forms = acts_shown([_PUBLISH] if publishes else [], failed)
    values = {
        "place": place,
        "name": parts_of(call.request).progress.place_name(jurisdiction),
        "year": year,
        "shown": shown,
        "lines": list(lines(shown["document"])),
        "published": published["items"] if published else [],
        "since": since,
        "differences": differences,
        "done": done_of((_PUBLISH,), query(call.request, "done", str, "")),
        "forms": forms,
        **summary_of(forms, failed),
    }
    return said_at_once(call, "rule_set.html", values, failed.told if failed else None)


PAGES = [
    page_of("GET", "/work/rules", list_rules, "规则"),
    page_of(
        "GET",
        "/work/rules/{year}/{jurisdiction}",
        rules_page,
        "一个规则集",
        parameters=(Parameter("revision", "哪一版"), Parameter("since", "与哪一版比较"), DONE),
    ),
    page_of(
        "POST", "/work/rules/{year}/{jurisdiction}/act/{act}", publish, "发布规则", unhurried=True
    ),
]
