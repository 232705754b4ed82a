"""The pages of announcements in a real browser, without scripts, narrow and wide."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, Page
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.announcements import Audience, PieceKind
from domain.case.commands import Actor, Role
from services.announcements import AnnouncementService, Said
from tests.api.lookups import Lookups, lookups_on, served
from tests.pages.conftest import keep_picture

pytestmark = pytest.mark.anyio

OPERATOR = Actor(subject="operator-1", role=Role.OPERATOR, scope="000000")
LONG = "关于开展2024年度检验检测服务业统计直报工作并做好资质认定证书赋码有关事项的公告（生成）"
BODY = """请各检验检测机构于 **2025年3月21日** 前完成填报，[查询报告编号](/lookup)。

## 时间安排

| 事项 | 开始 | 截止 |
|---|---|---|
| 填报 | 2025-01-13 | 2025-03-21 |
| 审核 | 2025-01-13 | 2025-03-21 |

1. 核对机构信息
2. 填报并提交

> 依据：示例〔2024〕1号（生成）

https-long-unbroken-word-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa

<script>document.title = "hacked"</script>
"""


@pytest.fixture
async def published(engine: AsyncEngine) -> AsyncIterator[tuple[Lookups, str]]:
    async with lookups_on(engine) as found:
        service: AnnouncementService = found.parts.announcements
        everybody = (Audience.PUBLIC,)
        for n, (kind, title) in enumerate(
            [
                (PieceKind.QUESTION, "忘记账号怎么办（生成）"),
                (PieceKind.HELP, "怎样上传报告编号（生成）"),
                (PieceKind.ANNOUNCEMENT, LONG),
            ]
        ):
            said = Said(title=title, body=BODY, audience=everybody)
            piece = await service.publish(kind, "000000", said, OPERATOR, f"k{n}")
        for n, name in enumerate(("关于统计直报工作的通知（生成）.pdf", "二（生成）.pdf")):
            data = b"%PDF-1.7\n" + bytes([n]) * 30_000
            await service.attach(
                piece.piece.id, name, "application/pdf", data, OPERATOR, f"file-{n}"
            )
        hidden = Said(title="只给审核人（生成）", body="x", audience=(Audience.REVIEWER,))
        await service.publish(PieceKind.ANNOUNCEMENT, "000000", hidden, OPERATOR, "hidden")
        yield found, piece.piece.id


async def fits(page: Page) -> None:
    """Nothing sticks out of the window to the side."""
    wide = await page.locator("html").bounding_box()
    assert wide is not None
    assert page.viewport_size is not None
    assert wide["width"] <= page.viewport_size["width"]
    for selector in ("main", "header", "h1", "li", ".body", ".body table"):
        for part in await page.locator(selector).all():
            box = await part.bounding_box()
            assert box is not None
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= page.viewport_size["width"] + 0.5, selector


@pytest.mark.parametrize("width", [360, 1280])
async def test_a_visitor_reads_what_is_published(
    published: tuple[Lookups, str], browser: Browser, width: int
) -> None:
    lookups, id_ = published
    context = await browser.new_context(
        java_script_enabled=False, viewport={"width": width, "height": 800}
    )
    page = await context.new_page()
    failed: list[str] = []
    page.on("requestfailed", lambda request: failed.append(request.url))
    page.on("console", lambda message: failed.append(message.text))
    async with served(lookups.parts) as address:
        await page.goto(f"{address}/announcements")
        assert await page.get_by_role("heading", level=2).all_inner_texts() == [
            "系统公告", "系统帮助", "常见问题",
        ]  # fmt: skip
        assert await page.get_by_text("只给审核人").count() == 0
        await fits(page)
        await keep_picture(page, f"announcements-{width}")
        await page.get_by_role("link", name="常见问题").click()
        assert await page.get_by_role("heading", level=2).all_inner_texts() == ["常见问题"]
        await page.get_by_role("link", name="全部").click()
        await page.get_by_role("link", name=LONG).click()
        assert page.url == f"{address}/announcements/{id_}"
        assert await page.title() == LONG
        assert await page.get_by_role("cell", name="2025-03-21").count() == 2
        # what somebody wrote as a script is read as text
        assert await page.locator("script").count() == 0
        assert "hacked" in await page.locator(".body").inner_text()
        await fits(page)
        await keep_picture(page, f"announcement-{width}")
        file = page.get_by_role("link", name="关于统计直报工作的通知（生成）.pdf")
        async with page.expect_download() as download:
            await file.click()
        assert (await download.value).suggested_filename == "关于统计直报工作的通知（生成）.pdf"
        missing = await page.goto(f"{address}/announcements/{'0' * 32}")
        assert missing is not None
        assert missing.status == 404
    await context.close()
    assert not [one for one in failed if "404" not in one and "files" not in one]
