"""A filing on pages, in a real browser without scripts: the lab's clerk, then the reviewer."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser

from deploy.embedded.postgres import EmbeddedPostgres
from tests.accounts import PASSWORD, given, password_set
from tests.api.conftest import open_rules as open_rules
from tests.api.conftest import whole_system
from tests.api.lookups import served
from tests.api.people import GUANGDONG, Filing
from tests.pages.conftest import keep_picture, sign_in
from tests.system import FILER, REVIEWER, System, institution

pytestmark = pytest.mark.anyio


@pytest.fixture
async def house(postgres: EmbeddedPostgres, open_rules: Path) -> AsyncIterator[System]:
    """Two labs of Guangdong with filings, a clerk of each and a reviewer with accounts."""
    async with whole_system(postgres, open_rules) as house:
        region, issuer = GUANGDONG
        await house.add(*(institution(f"gd-{n}", region, issuer=issuer) for n in range(2)))
        await house.open(2024, "000000")
        for person, role, scope in (
            ("clerk-0", FILER, "gd-0"),
            ("clerk-1", FILER, "gd-1"),
            ("r-1", REVIEWER, issuer),
        ):
            await given(house, person, role, scope)
            await password_set(house, person)
        yield house


async def test_a_filing_goes_from_the_clerk_to_the_reviewer_and_back_on_pages(
    house: System, browser: Browser
) -> None:
    lab = Filing(house, "gd-0", GUANGDONG)
    async with served(house.parts) as address:
        context = await browser.new_context(
            java_script_enabled=False, viewport={"width": 360, "height": 740}
        )
        clerk = await context.new_page()
        await clerk.goto(f"{address}/")
        await keep_picture(clerk, "home-360")
        await clerk.get_by_role("main").get_by_role("link", name="工作台").click()
        assert "需要登录" in await clerk.content() or "登录" in await clerk.content()
        await clerk.get_by_role("main").get_by_role("link", name="登录").click()
        await sign_in(clerk, "clerk-0", PASSWORD)
        assert clerk.url == f"{address}/work/filings"
        await keep_picture(clerk, "filings-360")
        await clerk.get_by_role("link", name="gd-0").click()
        await clerk.get_by_role("button", name="从名录和上年数据开始填").click()
        await keep_picture(clerk, "filing-begun-360")
        assert "须改正" in await clerk.get_by_role("main").inner_text()
        first = clerk.get_by_role("main").get_by_role("listitem").first.get_by_role("link").first
        await first.click()
        await keep_picture(clerk, "part-360")
        await clerk.get_by_role("button", name="保存", exact=True).click()
        assert "已保存" in await clerk.get_by_role("status").inner_text()
        # what a clerk types wrong is told at its field, and what they typed stays
        assert (await house.save("2024/gd-0", lab.filer)).status == 200
        await clerk.goto(f"{address}/work/filings/2024/gd-0/parts/statistics")
        box = clerk.locator('input[inputmode="decimal"]').first
        await box.fill("many")
        await clerk.get_by_role("button", name="保存", exact=True).click()
        assert await clerk.get_by_role("alert").count() == 1
        box = clerk.locator('input[aria-invalid="true"]').first
        assert await box.input_value() == "many"
        await keep_picture(clerk, "part-wrong-360")
        # another lab's filing is not to be seen
        other = await clerk.goto(f"{address}/work/filings/2024/gd-1")
        assert other is not None
        assert other.status == 403
        await clerk.goto(f"{address}/work/filings/2024/gd-0")
        await clerk.get_by_role("link", name="核对并提交").click()
        await keep_picture(clerk, "check-360")
        await clerk.get_by_role("button", name="提交第").click()
        told = await clerk.get_by_role("status").inner_text()
        assert "已提交" in told, told
        assert "回执编号" in told
        await keep_picture(clerk, "submitted-360")

        reviewing = await browser.new_context(
            java_script_enabled=False, viewport={"width": 1280, "height": 900}
        )
        reviewer = await reviewing.new_page()
        await reviewer.goto(f"{address}/sign-in")
        await sign_in(reviewer, "r-1", PASSWORD)
        assert reviewer.url == f"{address}/work/tasks"
        await keep_picture(reviewer, "inbox-1280")
        await reviewer.get_by_role("link", name="gd-0").click()
        form: dict[str, str | float | bool] = {
            name: await reviewer.locator(f'form.act input[name="{name}"]').first.input_value()
            for name in ("csrf", "key")
        }
        act = f"{address}/work/filings/2024/gd-0/act/claim"
        foreign = await reviewing.request.post(act, form={**form, "csrf": "0" * 64})
        assert foreign.status == 403
        # a form rendered once is one act, however often it is sent
        for _ in range(2):
            sent = await reviewing.request.post(act, form=form, max_redirects=0)
            assert sent.status == 303
        claims = [one for one in await lab.timeline(lab.auditor) if one["event"] == "claimed"]
        assert len(claims) == 1
        await reviewer.reload()
        await keep_picture(reviewer, "review-1280")
        await reviewer.get_by_label("退回的理由").fill("（生成）请核实")
        await reviewer.get_by_label("这一项的问题").fill("")
        await reviewer.get_by_role("button", name="退回", exact=True).click()
        assert "已退回" in await reviewer.get_by_role("status").inner_text()
        await clerk.goto(f"{address}/work/filings/2024/gd-0")
        assert "（生成）请核实" in await clerk.get_by_role("main").inner_text()
        await context.close()
        await reviewing.close()
