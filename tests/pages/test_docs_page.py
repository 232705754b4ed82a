"""The API's documentation in a real browser: the one page that lives by its scripts."""

from collections import Counter

import pytest
from playwright.async_api import Browser, ConsoleMessage
from sqlalchemy.ext.asyncio import AsyncEngine

from api.resources import OPERATIONS
from tests.api.lookups import lookups_on, served
from tests.pages.conftest import keep_picture

pytestmark = pytest.mark.anyio


async def test_the_documentation_shows_every_operation_and_nothing_is_refused(
    engine: AsyncEngine, browser: Browser
) -> None:
    page = await browser.new_page()
    refused: list[str] = []
    asked: list[str] = []
    said: list[ConsoleMessage] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("requestfailed", lambda request: refused.append(request.url))
    page.on("console", lambda message: said.append(message))
    page.on("pageerror", lambda error: refused.append(str(error)))
    async with lookups_on(engine) as lookups, served(lookups.parts) as address:
        await page.goto(f"{address}/docs")
        blocks = page.locator(".opblock")
        await blocks.last.wait_for()
        shown = Counter(await page.locator(".opblock-summary-method").all_inner_texts())
        assert shown == Counter(one.method for one in OPERATIONS)
        lookup = page.locator("[id$=-get_public_report_numbers]")
        await lookup.locator(".opblock-summary-control").click()
        await lookup.get_by_text("报告编号，全角字符按半角处理").first.wait_for()
        await keep_picture(page, "docs", full_page=False)
    await page.close()
    assert not refused
    # the browser asks for an icon by itself
    assert not [m.text for m in said if m.location["url"] != f"{address}/favicon.ico"]
    assert {url.removeprefix(address) for url in asked if url.startswith("http")} == {
        "/docs",
        "/openapi.json",
        "/static/docs.js",
        "/static/swagger-ui/swagger-ui-bundle.js",
        "/static/swagger-ui/swagger-ui.css",
    }
