"""The complaint's page in a real browser without scripts, on a telephone, with the whole system."""

import pytest
from playwright.async_api import Page

from tests.api.lookups import served
from tests.pages.test_lookup_page import shown
from tests.system import REVIEWER, System

pytestmark = pytest.mark.anyio


async def test_a_visitor_complains_and_comes_back_with_the_receipt(
    system: System, page: Page
) -> None:
    async with served(system.parts) as address:
        await page.goto(f"{address}/complaint?number=JC-1&institution=")
        await shown(page, "complaint-form")
        assert await page.get_by_label("报告编号", exact=True).input_value() == "JC-1"
        await page.get_by_label("投诉的事项").fill("报告内容与委托不符\n<b>第二行</b>")
        await page.get_by_role("button", name="提交投诉").click()
        assert await page.get_by_role("heading", level=2).inner_text() == "投诉已收到"
        await shown(page, "complaint-received")
        receipt = await page.locator("strong").inner_text()
        await page.get_by_role("link", name="查询办理情况").click()
        heading = page.get_by_role("heading", level=2)
        assert await heading.inner_text() in ("已收到，正在转交", "已转交主管部门办理")

        samr = system.token(REVIEWER, "reviewer-1", "samr")
        for _ in range(200):
            if tasks := (await system.send("GET", "/api/tasks", samr)).body["items"]:
                break
            await system.pause(0.05)
        path = f"/api/complaints/{tasks[0]['id'].partition('/')[2]}"
        assert (await system.send("POST", f"{path}/claim", samr, {})).status == 200
        reply = {"outcome": "unsubstantiated", "reply": "经核实，报告属实。", "reason": "附卷"}
        assert (await system.send("POST", f"{path}/resolve", samr, reply)).status == 200
        for _ in range(200):
            await page.goto(f"{address}/complaint")
            await page.get_by_label("回执编号").fill(receipt.lower().replace("-", " "))
            await page.get_by_role("button", name="查询").click()
            if "经核实" in await page.locator("#answer").inner_text():
                break
            await system.pause(0.05)
        told = await page.locator("#answer").inner_text()
        for words in ("已办结", "未发现所述情况", "经核实，报告属实。", "JC-1"):
            assert words in told
        await shown(page, "complaint-resolved")


async def test_what_is_missing_is_said_and_nothing_typed_is_lost(
    system: System, page: Page
) -> None:
    async with served(system.parts) as address:
        await page.goto(f"{address}/complaint")
        await page.get_by_label("投诉的事项").fill("没有写编号")
        await page.get_by_role("button", name="提交投诉").click()
        told = await page.locator("#answer").inner_text()
        assert "请写明报告编号或机构名称，至少一项" in told
        assert await page.get_by_label("投诉的事项").input_value() == "没有写编号"
        await page.goto(f"{address}/complaint?receipt=AAAAA-AAAAA-AAAAA-AAAAA")
        assert "没有找到" in await page.locator("#answer").inner_text()
        await shown(page, "complaint-refused")


async def test_whoever_complains_too_often_has_to_wait(system: System) -> None:
    body = {"number": "JC-1", "about": "（生成）"}
    for number in range(20):
        answer = await system.send(
            "POST", "/public/complaints", body=body, idempotency_key=f"often-{number}"
        )
        assert answer.status == 201, answer.body
    answer = await system.send("POST", "/public/complaints", body=body, idempotency_key="once-more")
    assert (answer.status, answer.body["code"]) == (429, "too_many_complaints")
    assert 0 < int(answer.headers["retry-after"]) <= 3600


async def test_the_same_form_sent_twice_is_one_complaint_and_a_huge_one_is_refused(
    system: System,
) -> None:
    form = {"content-type": "application/x-www-form-urlencoded"}
    data = b"key=1&number=JC-1&institution=&about=x&contact="
    pages = [await system.http.post("/complaint", content=data, headers=form) for _ in range(2)]
    assert [page.status_code for page in pages] == [200, 200]
    first, second = (page.text.split("<strong>")[1].split("<")[0] for page in pages)
    assert first == second
    huge = await system.http.post("/complaint", content=b"a" * 70_000, headers=form)
    assert huge.status_code == 413
    for hostile in (b"\xff\xfe", b"about=%00&number=1", b"&" * 1000, b"number=" + b"9" * 5000):
        answer = await system.http.post("/complaint", content=hostile, headers=form)
        assert answer.status_code == 422
