"""The lookup's page in a real browser, without scripts, on a telephone, and as plain HTTP."""

from collections.abc import AsyncIterator
from datetime import timedelta
from html.parser import HTMLParser

import pytest
from playwright.async_api import Page
from sqlalchemy.ext.asyncio import AsyncEngine

from services.rate_limits import RateLimits
from tests.api.lookups import DAY, LIMITS, Lookups, lookups_on, partitions, served
from tests.pages.conftest import TELEPHONE, keep_picture

pytestmark = pytest.mark.anyio


@pytest.fixture
async def lookups(engine: AsyncEngine) -> AsyncIterator[Lookups]:
    await partitions(engine, 2025)
    async with lookups_on(engine) as found:
        no = await found.add("福州榕城建筑工程质量检测技术有限责任公司（生成）")
        await found.put(no, "FZ-2025-0001")
        gone = ("withdrawn", "编号录入有误（生成）", DAY)
        await found.put(no, "FZ-2025-0002", change=gone)
        await found.put(no, "FZ-2025-0003", visible_from=DAY + timedelta(days=1))
        await found.put(await found.add("无证检测", certificates=()), "FZ-2025-0004")
        other = await found.add("湖南另一家检测有限公司（生成）", "430102")
        await found.put(other, "FZ-2025-0002")
        yield found


async def shown(page: Page, name: str) -> None:
    """Keeps a picture where a person has asked for pictures; checks that nothing sticks out."""
    await keep_picture(page, name)
    for selector in ("body", "main", "header", "#number", "button", "#answer"):
        for found in await page.locator(selector).all():
            box = await found.bounding_box()
            assert box is not None
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= TELEPHONE["width"] + 0.5, selector


async def ask(page: Page, number: str, institution: str = "") -> None:
    """Fills in the form and sends it, as a visitor does."""
    await page.get_by_label("报告编号", exact=True).fill(number)
    await page.get_by_label("机构名称（可不填）").fill(institution)
    await page.get_by_role("button", name="查询").click()


async def test_a_visitor_finds_every_answer_with_its_limits(lookups: Lookups, page: Page) -> None:
    refused: list[str] = []
    page.on("requestfailed", lambda request: refused.append(request.url))
    page.on("console", lambda message: refused.append(message.text))
    async with served(lookups.parts) as address:
        await page.goto(f"{address}/lookup")
        await shown(page, "form")
        assert await page.locator("#answer").count() == 0
        for number, title, words in (
            ("ＦＺ－2025－0001", "查到编号信息", ["福州榕城建筑工程", "2025-03-18"]),
            ("FZ-2025-0002", "查到编号信息", ["湖南另一家", "编号录入有误", "2025-03-22 00:00:00"]),
            ("FZ-2025-0003", "已上传，尚未开放查询", ["2025-03-23 00:00:00"]),
            ("FZ-2025-0004", "机构不在可供查询之列", ["目前没有在册的有效资质"]),
            ("FZ-2025-0009", "未查到编号信息", []),
        ):
            await ask(page, number)
            answer = page.locator("#answer")
            assert await answer.get_by_role("heading", level=2).inner_text() == title
            told = await answer.inner_text()
            for one in [*words, number, LIMITS]:
                assert one in told
            assert await answer.locator("details", has_text="市监检测函〔2024〕595号").count() == 1
            await shown(page, f"answer-{number[-4:]}")
            # the browser is led to the answer without any script
            assert page.url.endswith("#answer")
        # as somebody types it, and by an address that a messenger has added to
        await page.goto(f"{address}/lookup?number=fz–2025–0001&from=singlemessage")
        await page.locator("#near").get_by_role("link", name="FZ-2025-0001").click()
        assert await page.get_by_role("heading", level=2).inner_text() == "查到编号信息"
        # with its hyphens left out as well
        await page.goto(f"{address}/lookup?number=fz20250001")
        await page.locator("#near").get_by_role("link", name="FZ-2025-0001").click()
        assert await page.get_by_role("heading", level=2).inner_text() == "查到编号信息"
        # what cannot be found by typing it is not hinted at
        await page.goto(f"{address}/lookup?number=fz-2025-0003")
        assert await page.locator("#near").count() == 0
        await page.goto(f"{address}/lookup?from=timeline&isappinstalled=0")
        assert await page.locator("#answer").count() == 0
        await ask(page, "FZ-2025-0002", "福州榕城建筑工程质量检测技术有限责任公司(生成)")
        assert await page.get_by_role("heading", level=2).inner_text() == "编号已撤回或更正"
        link = page.get_by_role("link", name="对这份报告或这一编号投诉")
        assert "number=FZ-2025-0002&institution=" in str(await link.get_attribute("href"))
    assert not refused


async def test_the_page_is_usable_by_keyboard_and_by_ear(lookups: Lookups, page: Page) -> None:
    async with served(lookups.parts) as address:
        await page.goto(f"{address}/lookup")
        assert await page.locator("html").get_attribute("lang") == "zh-CN"
        # past what every page begins with
        await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")
        await page.keyboard.press("Tab")
        await page.keyboard.type("FZ-2025-0001")
        outline = await page.locator("#number").evaluate("e => getComputedStyle(e).outlineWidth")
        assert outline == "3px"
        await page.keyboard.press("Enter")
        await page.wait_for_selector("#answer")
        assert await page.locator("[aria-live=polite] #answer").count() == 1
        for field in await page.locator("form input").all():
            assert await page.locator(f"label[for={await field.get_attribute('id')}]").count() == 1


async def test_what_is_refused_is_told_at_the_field(lookups: Lookups, page: Page) -> None:
    async with served(lookups.parts) as address:
        answer = await page.goto(f"{address}/lookup?number={'1' * 65}")
        assert answer is not None
        assert answer.status == 422
        assert await page.locator("#number").get_attribute("aria-invalid") == "true"
        assert "报告编号最多 64 个字符" in await page.locator("#refusal").inner_text()
        assert "invalid_parameter" in await page.locator("#answer").inner_text()
        await shown(page, "refused")


async def test_paper_shows_the_answer_and_not_the_form(lookups: Lookups, page: Page) -> None:
    async with served(lookups.parts) as address:
        await page.goto(f"{address}/lookup?number=FZ-2025-0001")
        await page.emulate_media(media="print")
        assert not await page.locator("form").is_visible()
        assert await page.locator("#answer").is_visible()


# --- without a browser --------------------------------------------------------------------------


class Addresses(HTMLParser):
    """Everything a page would load or run."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.running: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in ("link", "img", "script", "iframe"):
            self.loaded.append(given.get("href") or given.get("src") or "inline")
        if tag in ("script", "style"):
            self.running.append(tag)
        self.running += [name for name in given if name.startswith("on") or name == "style"]


@pytest.mark.parametrize("query", ["", "?number=FZ-2025-0001", "?number=", "?like=1"])
async def test_a_page_loads_nothing_from_elsewhere_and_runs_nothing(
    lookups: Lookups, query: str
) -> None:
    answer = await lookups.http.get(f"/lookup{query}")
    found = Addresses()
    found.feed(answer.text)
    assert found.loaded == ["/static/pages.css"]
    assert found.running == []
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["x-content-type-options"] == "nosniff"
    style = await lookups.http.get("/static/pages.css")
    assert style.headers["content-type"].startswith("text/css")
    assert "url(" not in style.text
    assert "@import" not in style.text


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", '"><b>', "{{ 7*7 }}", "&amp;"])
async def test_what_was_asked_is_shown_as_text(lookups: Lookups, text: str) -> None:
    for query in ({"number": text}, {"number": "1", "institution": text}):
        answer = await lookups.http.get("/lookup", params=query)
        assert answer.status_code == 200
        assert "<script" not in answer.text
        assert '"><b>' not in answer.text
        assert ">49<" not in answer.text


@pytest.mark.parametrize(
    "query",
    ["number=FZ-2025-0001", "number=none", "number=", "number=%00", "number=1&number=2",
     "number=" + "1" * 10_000, "number=1&institution=%00"],
)  # fmt: skip
async def test_the_page_has_the_status_and_the_code_of_the_api(
    lookups: Lookups, query: str
) -> None:
    page = await lookups.http.get(f"/lookup?{query}")
    api = await lookups.http.get(f"/public/report-numbers?{query}")
    assert page.status_code == api.status_code
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["cache-control"] == api.headers["cache-control"]
    if page.status_code != 200:
        assert api.json()["code"] in page.text


async def test_the_page_counts_against_the_same_limit(engine: AsyncEngine) -> None:
    async with lookups_on(engine, RateLimits("1/minute", "100/minute")) as lookups:
        # looking at the form is no lookup
        for _ in range(3):
            assert (await lookups.http.get("/lookup")).status_code == 200
        await lookups.ask("1")
        page = await lookups.http.get("/lookup?number=1")
        assert (page.status_code, page.headers["retry-after"]) == (429, "60")
        assert "too_many_lookups" in page.text
        assert "请在 60 秒之后再查" in page.text


async def test_a_page_without_a_database_says_so_in_words(database_url: str) -> None:
    from store.database import connect

    nowhere = connect(database_url.rpartition("@")[0] + "@127.0.0.1:1/nowhere")
    async with lookups_on(nowhere) as lookups:
        page = await lookups.http.get("/lookup?number=1")
    await nowhere.dispose()
    assert page.status_code == 503
    assert "unavailable" in page.text
    assert "不说明该编号是否在册" in page.text
    assert "Idempotency-Key" not in page.text
