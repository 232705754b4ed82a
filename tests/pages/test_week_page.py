"""The operators' page in a real browser without scripts: signing in, figures, pictures, refresh."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Page

from api.door.cookies import SESSION
from deploy.embedded.postgres import EmbeddedPostgres
from tests.accounts import PASSWORD, code_of, given, password_set
from tests.api.conftest import open_rules as open_rules
from tests.api.conftest import whole_system
from tests.api.lookups import served
from tests.api.people import FUJIAN, GUANGDONG, Filing
from tests.pages.conftest import keep_picture, sign_in
from tests.system import FILER, OPERATOR, System, institution

pytestmark = pytest.mark.anyio


@pytest.fixture
async def country(postgres: EmbeddedPostgres, open_rules: Path) -> AsyncIterator[System]:
    """Six filings, of which some are done and one was tried in vain."""
    async with whole_system(postgres, open_rules) as house:
        await house.add(
            *(institution(f"gd-{n}", GUANGDONG[0], issuer=GUANGDONG[1]) for n in range(4)),
            *(institution(f"fj-{n}", FUJIAN[0], issuer=FUJIAN[1]) for n in range(2)),
        )
        await house.open(2024, "000000")
        for n in range(3):
            await Filing(house, f"gd-{n}", GUANGDONG).submitted()
        clerk = Filing(house, "gd-3", GUANGDONG).filer
        body = {"revision": 1, "sha256": "0" * 64, "choice": None}
        await house.act("2024/gd-3", "submit", clerk, body)
        yield house


async def test_an_operator_signs_in_and_sees_the_week(country: System, page: Page) -> None:
    await given(country, "operator-gd", OPERATOR, "440000")
    secret = await password_set(country, "operator-gd")
    async with served(country.parts) as address:
        refused = await page.goto(f"{address}/work/campaigns/2024/440000")
        assert refused is not None
        assert refused.status == 401
        await page.get_by_role("main").get_by_role("link", name="登录").click()
        await sign_in(page, "operator-gd", "nonsense-password")
        assert "账号、密码或动态口令不对" in await page.get_by_role("alert").inner_text()
        assert "nonsense" not in await page.content()
        await keep_picture(page, "sign-in-360")
        await sign_in(page, "operator-gd", PASSWORD, code_of(country, secret, 1))
        assert page.url.endswith("/work/campaigns/2024/440000")
        assert await page.locator("h1").inner_text() == "广东省 2024 年度填报进展"
        figures = await page.locator(".figures").inner_text()
        assert "应填报\n4" in figures
        assert "75.0%" in figures
        assert (
            "广东省市场监督管理局"
            in await page.get_by_role("region", name="各部门待办").inner_text()
        )
        # the highest bar is today's: three that went through, one that did not
        [today] = (await page.locator("svg").all())[:1]
        assert await today.locator(".scale").text_content() == "4"
        heights = [
            float(await bar.get_attribute("height") or 0)
            for bar in await today.locator("rect").all()
        ]
        assert heights[-2] == pytest.approx(3 * heights[-1], abs=0.2)
        assert heights[-1] > 0
        refresh = page.locator("[hx-trigger]")
        assert await refresh.get_attribute("hx-trigger") == "every 60s"
        assert await refresh.get_by_role("link", name="现在刷新").get_attribute("href") == (
            "/work/campaigns/2024/440000"
        )
        await keep_picture(page, "week-360")
        await page.set_viewport_size({"width": 1280, "height": 900})
        await keep_picture(page, "week-1280")
        # no wider than the screen, whatever the tables are
        await page.set_viewport_size({"width": 360, "height": 740})
        box = await page.locator("main").bounding_box()
        assert box is not None
        assert box["width"] <= 360
        elsewhere = await page.goto(f"{address}/work/campaigns/2024/350000")
        assert elsewhere is not None
        assert elsewhere.status == 403
        kept = {cookie["name"]: cookie for cookie in await page.context.cookies()}
        assert all(cookie["httpOnly"] and cookie["sameSite"] == "Lax" for cookie in kept.values())
        assert kept[SESSION.plain_name]["path"] == "/"
        # what the browser keeps opens pages and nothing else
        api = await page.goto(f"{address}/api/me")
        assert api is not None
        assert api.status == 401


async def test_others_than_operators_and_auditors_have_no_such_page(
    country: System, page: Page
) -> None:
    async with served(country.parts) as address:
        await given(country, "clerk-gd", FILER, "gd-0")
        await password_set(country, "clerk-gd")
        await page.goto(f"{address}/sign-in?to=/work/campaigns/2024/440000")
        await sign_in(page, "clerk-gd", PASSWORD)
        assert await page.locator("h1").inner_text() == "没有权限"
