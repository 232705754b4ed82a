"""The revisions of a filing on pages: which there are, what differs between two, the final ones."""

from typing import Any

from starlette.responses import Response

from api.door.asking import Told, ask
from api.door.operations import Call
from api.workbench.filings import filing_of
from api.workbench.pages import asked_of, if_shown, page_of, said_at_once, text_parameter


async def revisions_page(call: Call) -> Response:
    """All revisions that the reader may see; two of them beside each other; completed versions."""
    api, here = filing_of(call)
    filing = (await ask(call, "GET", api)).body
    asked, told = asked_of(call, "from", "to"), None
    listed = (await ask(call, "GET", f"{api}/draft/revisions")).body["items"]
    differences = None
    if asked:
        try:
            differences = (await ask(call, "GET", f"{api}/draft/changes", query=asked)).body
        except Told as refused:
            told = refused
    versions = await if_shown(call, f"{api}/versions")
    values: dict[str, Any] = {
        "filing": filing,
        "revisions": listed,
        "differences": differences,
        "versions": versions["items"] if versions else [],
        "asked": asked,
        "here": here,
    }
    return said_at_once(call, "filing_revisions.html", values, told)


PAGES = [
    page_of(
        "GET",
        "/work/filings/{year}/{institution}/revisions",
        revisions_page,
        "填报的各稿",
        parameters=(text_parameter("from", "较早的一稿"), text_parameter("to", "较晚的一稿")),
    ),
]
