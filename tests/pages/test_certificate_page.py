"""The pages about certificates in a real browser, without scripts, on a telephone."""

from collections.abc import AsyncIterator
from datetime import date

import pytest
from playwright.async_api import Page
from sqlalchemy.ext.asyncio import AsyncEngine

from rules.file.library import SHIPPED
from tests.api.enquiries import Enquiries, enquiries_on
from tests.api.lookups import served
from tests.pages.conftest import TELEPHONE, keep_picture
from tests.pages.test_lookup_page import Addresses

pytestmark = pytest.mark.anyio

LONG = "福州榕城建筑工程质量检测技术有限责任公司／福州榕城环境监测中心（生成）"


@pytest.fixture
async def asking(engine: AsyncEngine) -> AsyncIterator[Enquiries]:
    async with enquiries_on(engine, SHIPPED) as found:
        yield found


async def shown(page: Page, name: str) -> None:
    """Keeps a picture where a person has asked for pictures; checks that nothing sticks out."""
    await keep_picture(page, name)
    for selector in ("body", "main", "header", "input", "select", "button", "#answer", "li", "a"):
        for found in await page.locator(selector).all():
            box = await found.bounding_box()
            assert box is not None
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= TELEPHONE["width"] + 0.5, selector
    wide = await page.evaluate("document.documentElement.scrollWidth")
    assert wide <= TELEPHONE["width"]


async def test_a_scan_opens_a_page_that_says_it_all(asking: Enquiries, page: Page) -> None:
    refused: list[str] = []
    page.on("requestfailed", lambda request: refused.append(request.url))
    page.on("console", lambda message: refused.append(message.text))
    lines = [
        {"category": "混凝土", "item": f"氯离子含量第{n}法", "standard": "GB/T 50344",
         "year": "2019", "limits": "不做现场取样" if n == 3 else ""}
        for n in range(120)
    ]  # fmt: skip
    code, statement = await asking.put("241301060345", holder=LONG, capabilities=lines)
    async with served(asking.parts) as address:
        answer = await page.goto(f"{address}/c/{code}?s={statement}")
        assert answer is not None
        assert answer.status == 200
        assert await page.locator("#answer h2").inner_text() == "证书有效"
        told = await page.locator("main").inner_text()
        for words in (
            "签名属实", LONG, "241301060345", "福建省市场监督管理局", "2022-01-01 至 2027-12-31",
            "共 120 项，第 1 段，共 2 段", "GB/T 50344-2019；限制：不做现场取样",
        ):  # fmt: skip
            assert words in told, words
        await page.get_by_text("依据", exact=True).click()
        sources = await page.locator("details.sources").inner_text()
        for words in ("市监检测函〔2019〕1364号 一", "追溯证书的颁发部门、有效期、证书状态等信息"):
            assert words in sources, words
        await shown(page, "certificate-valid")
        await page.get_by_role("link", name="下一段").click()
        assert "氯离子含量第119法" in await page.locator("#capabilities").inner_text()
        # the signature goes along: the page still vouches for the paper
        assert "签名属实" in await page.locator("#proof").inner_text()
    assert not refused


async def test_an_ended_a_replaced_and_a_forged_certificate_look_as_different_as_they_are(
    asking: Enquiries, page: Page
) -> None:
    ended = {"ended_on": date(2025, 1, 15), "document": "闽市监撤〔2025〕1号（生成）"}
    revoked, its = await asking.put("1", status="revoked", **ended)
    gone = {"status": "superseded", "ended_on": date(2025, 1, 1), "superseded_by": "CODE3"}
    replaced, paper = await asking.put("2", **gone)
    await asking.put("3", holder=LONG)
    async with served(asking.parts) as address:
        await page.goto(f"{address}/c/{revoked}?s={its}")
        assert await page.locator("#answer h2").inner_text() == "证书已被撤销，不再有效"
        told = await page.locator("#answer").inner_text()
        assert "撤销（自 2025-01-15 起）" in told
        assert "闽市监撤〔2025〕1号（生成）" in told
        await shown(page, "certificate-revoked")
        await page.goto(f"{address}/c/{replaced}?s={paper}")
        await shown(page, "certificate-replaced")
        await page.get_by_role("link", name="3（有效）").click()
        assert await page.locator("#answer h2").inner_text() == "证书有效"
        assert "没有核验签名" in await page.locator("#proof").inner_text()
        await page.goto(f"{address}/c/{revoked}?s={paper}")
        assert await page.locator("#answer h2").inner_text() == "二维码是伪造的或被改动过"
        assert await page.locator("#answer.refused").count() == 1
        await shown(page, "certificate-forged")
        answer = await page.goto(f"{address}/c/NOTHING")
        assert answer is not None
        assert answer.status == 404
        assert await page.locator("#answer h2").inner_text() == "没有查到这个代码"
        await shown(page, "certificate-unknown")


async def test_a_visitor_searches_without_any_script(asking: Enquiries, page: Page) -> None:
    await asking.put("241301060345", holder=LONG)
    for number in range(25):
        await asking.put(f"25130106{number:04d}")
    async with served(asking.parts) as address:
        await page.goto(f"{address}/certificates")
        await shown(page, "search-form")
        for field in await page.locator("form input, form select").all():
            assert await page.locator(f"label[for={await field.get_attribute('id')}]").count() == 1
        await page.get_by_label("机构名称", exact=True).fill("榕城 环境")
        await page.get_by_role("button", name="查询").click()
        assert page.url.endswith("#answer")
        assert await page.locator("#answer h2").inner_text() == "查到证书"
        assert await page.locator("#answer .entries > li").count() == 1
        assert LONG in await page.locator("#answer").inner_text()
        await shown(page, "search-found")
        # appended by a messenger, and a region by its name
        await page.goto(f"{address}/certificates?holder=榕城&region=福建省&from=timeline")
        assert await page.locator("#answer .entries > li").count() == 1
        await page.goto(f"{address}/certificates?holder=榕城&region=鼓楼区")
        assert "320106" in await page.locator("#refusal").inner_text()
        await page.goto(f"{address}/certificates?isappinstalled=0")
        assert await page.locator("#answer").count() == 0
        await page.goto(f"{address}/certificates?holder=榕城 环境")
        await page.locator("#answer").get_by_role("link", name=LONG).click()
        assert await page.locator("#answer h2").inner_text() == "证书有效"
        await page.goto(f"{address}/certificates")
        await page.get_by_label("机构名称", exact=True).fill("")
        await page.get_by_label("检测能力", exact=True).fill("抗压")
        await page.get_by_label("专业领域（可不填）").select_option("01")
        await page.get_by_role("button", name="查询").click()
        assert await page.locator("#answer .entries > li").count() == 20
        await page.get_by_role("link", name="下一页").click()
        assert await page.locator("#answer .entries > li").count() == 6
        assert await page.get_by_label("专业领域（可不填）").input_value() == "01"
        await page.goto(f"{address}/certificates?holder=x")
        assert await page.locator("#holder").get_attribute("aria-invalid") == "true"
        assert "机构名称至少填写 2 个字" in await page.locator("#refusal").inner_text()
        await shown(page, "search-refused")


@pytest.mark.parametrize(
    "path",
    ["/certificates", "/certificates?number=1", "/certificates?holder=x", "/c/CODE1", "/c/X",
     "/c/CODE1?s=AAAA"],
)  # fmt: skip
async def test_a_page_loads_nothing_from_elsewhere_and_runs_nothing(
    asking: Enquiries, path: str
) -> None:
    await asking.put("1")
    answer = await asking.http.get(path)
    found = Addresses()
    found.feed(answer.text)
    assert found.loaded == ["/static/pages.css"]
    assert found.running == []
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    # the statement stands in the address
    assert answer.headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", '"><b>', "{{ 7*7 }}", "&amp;"])
async def test_what_was_asked_or_is_on_record_is_shown_as_text(
    asking: Enquiries, text: str
) -> None:
    await asking.put("1", holder=f"甲{text}", address=text)
    for path, given in (
        ("/certificates", {"holder": text}),
        ("/certificates", {"number": text, "region": text}),
        ("/certificates", {"number": "1"}),
        ("/c/CODE1", {"s": text}),
        (f"/c/{text}", {}),
    ):
        answer = await asking.http.get(path, params=given)
        assert "<script" not in answer.text
        assert '"><b>' not in answer.text
        assert ">49<" not in answer.text
