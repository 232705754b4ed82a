"""A real browser, the one thing that the tests use of the machine and do without if it has none."""

import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.async_api import Browser, Page, ViewportSize, async_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--no-first-run",
]  # fmt: skip
TELEPHONE: ViewportSize = {"width": 360, "height": 740}


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    """Chromium of the system, without which its tests are left out."""
    if CHROMIUM is None:
        pytest.skip("a real browser is needed (Debian: apt-get install chromium)")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        await browser.close()


@pytest.fixture
async def page(browser: Browser) -> AsyncIterator[Page]:
    """A telephone's page that runs no scripts."""
    context = await browser.new_context(java_script_enabled=False, viewport=TELEPHONE)
    yield await context.new_page()
    await context.close()


async def sign_in(page: Page, name: str, password: str, code: str = "") -> None:
    """Fills in the sign-in page and sends it."""
    await page.get_by_label("账号").fill(name)
    await page.get_by_label("密码").fill(password)
    await page.get_by_label("动态口令").fill(code)
    await page.get_by_role("button", name="登录").click()


_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]


async def faults(page: Page) -> list[str]:
    """What axe finds of WCAG 2.2 AA that is serious or worse: rule and where."""
    await page.evaluate(AXE_SCRIPT)
    found = await page.evaluate(
        "rules => axe.run({runOnly: rules, resultTypes: ['violations']}).then(r => r.violations)",
        _RULES,
    )
    return [
        f"{one['id']}: {one['nodes'][0]['html'][:200]}"
        for one in found
        if one["impact"] in ("serious", "critical")
    ]


async def keep_picture(page: Page, name: str, *, full_page: bool = True) -> None:
    """Keeps a picture where a person has asked for pictures."""
    if folder := os.environ.get("ZHIBAO_TEST_PICTURES"):
        await page.screenshot(path=str(Path(folder) / f"{name}.png"), full_page=full_page)
