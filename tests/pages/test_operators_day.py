"""What operators do to a whole campaign, and for it, in a real browser; acts of two by two."""

import re
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.async_api import Browser

from deploy.demo.publishing import publish_generated
from deploy.embedded.postgres import EmbeddedPostgres
from rules.file.confirmations import CONFIRMATIONS
from rules.file.library import SHIPPED
from tests.accounts import given
from tests.api.conftest import open_rules as open_rules
from tests.api.conftest import whole_system
from tests.api.lookups import served
from tests.api.people import GUANGDONG, LIAONING, Filing
from tests.pages.conftest import TELEPHONE
from tests.pages.test_days import Town, Visitor
from tests.system import AUDITOR, FILER, OPERATOR, REVIEWER, institution

pytestmark = pytest.mark.anyio

REGION, ISSUER = GUANGDONG
HERE = "/work/campaigns/2024/000000"
SAMPLED = """    by: samr
    sample:
      share: '0.5'
      at_least: 1
      strata: city
      cite: {assume: 测试（生成）：按市抽取一半}
"""


@pytest.fixture(scope="module")
async def folder(open_rules: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The open rules, with a sample drawn of what is approved, publishing and opening by two."""
    folder = tmp_path_factory.mktemp("operators") / "rules"
    shutil.copytree(open_rules, folder)
    shutil.copytree(SHIPPED / "2020", folder / "2020", dirs_exist_ok=True)
    file = folder / "2024" / "national.yaml"
    before = file.read_text("utf-8")
    assert "    by: samr\n" in before
    file.write_text(before.replace("    by: samr\n", SAMPLED), "utf-8")
    terms = folder / CONFIRMATIONS
    text = terms.read_text("utf-8")
    for act in ("publish_rules", "open_campaign"):
        text = text.replace(f"  {act}:\n    required: false", f"  {act}:\n    required: true")
    terms.write_text(text, "utf-8")
    return folder


@pytest.fixture(scope="module")
async def town(postgres: EmbeddedPostgres, folder: Path, browser: Browser) -> AsyncIterator[Town]:
    async with AsyncExitStack() as stack:
        house = await stack.enter_async_context(whole_system(postgres, folder))
        await house.add(
            *(institution(f"gd-{n}", REGION, issuer=ISSUER) for n in range(3)),
            institution("ln-0", LIAONING[0], issuer=LIAONING[1]),
        )
        address = await stack.enter_async_context(served(house.parts))
        yield Town(house, address, browser, stack, set(), {})


def numbered(file: Path, revision: int) -> None:
    """Gives a file of rules another number."""
    text = re.sub(r"(?m)^revision: \d+", f"revision: {revision}", file.read_text("utf-8"))
    file.write_text(text, "utf-8")


async def confirmed_by(second: Visitor) -> None:
    """Whatever waits for a second person is looked at and confirmed by one."""
    await second.at("/work/confirmations?waiting=true")
    await second.page.get_by_role("main").locator("li a").first.click()
    await second.press("确认，随即办理")
    assert "已确认并办理" in await second.text()


async def _assigned_and_handed_over(town: Town) -> None:
    """A filing is assigned by an operator of its authority, handed over by whoever has it."""
    operator = await town.person(OPERATOR, "440000")
    await Filing(town.house, "gd-2", GUANGDONG).submitted()
    reviewer = await town.person(REVIEWER, ISSUER)
    await given(town.house, "r-next", REVIEWER, ISSUER)
    here = "/work/filings/2024/gd-2"
    await operator.at(here)
    await operator.open("指派")
    await operator.press("指派")
    # to nobody it is told at its blank
    assert await operator.page.locator("#assign-person[aria-invalid]").count() == 1
    await operator.page.locator("#act-assign").get_by_label("交给谁").fill(reviewer.name)
    await operator.press("指派")
    assert "已指派" in await operator.text()
    await reviewer.at("/work/tasks?claimed=mine")
    await reviewer.page.get_by_role("link", name="测试机构 gd-2").click()
    await reviewer.looked_at()
    assert await reviewer.page.locator('button[accesskey="a"]').inner_text() == "审核通过"
    await reviewer.open("移交")
    await reviewer.page.locator("#act-hand-over").get_by_label("交给谁").fill("r-next")
    await reviewer.press("移交")
    told = await reviewer.text()
    assert "已移交" in told
    assert "r-next" in told


async def test_a_campaign_is_opened_amended_sampled_and_followed_up_by_two(
    town: Town, folder: Path
) -> None:
    first = await town.person(OPERATOR, "000000")
    second = await town.person(OPERATOR, "000000", TELEPHONE, administers=True)
    await first.at("/work/campaigns")
    await first.fill("年度，或季度报告编号", "2024")
    await first.press("先试算")
    assert "应填报" in await first.text()
    await first.press("按已发布的规则开启")
    assert "已提出，由另一人确认后办理" in await first.text()
    await confirmed_by(second)
    await town.house.until("2024/gd-0", "draft")
    await first.at(f"{HERE}/progress")

    # one whose time was over has a little more, which is over by when all else is done
    late = Filing(town.house, "ln-0", LIAONING)
    until = {"until": (town.house.now() + timedelta(seconds=6)).isoformat(), "reason": "（生成）"}
    await late.done("extension", late.operator, until)

    # a sample of what is approved
    for n in range(2):
        lab = Filing(town.house, f"gd-{n}", GUANGDONG)
        await lab.claimed()
        await lab.done("approve", lab.reviewer)
    await first.at(f"{HERE}/sample")
    await first.press("抽取样本")
    assert "已抽取" in await first.page.get_by_role("status").first.inner_text()
    await town.house.pause(0.2)
    stands = {(await Filing(town.house, f"gd-{n}", GUANGDONG).status()) for n in range(2)}
    assert stands <= {"quality_check", "completed", "approved"}

    await _assigned_and_handed_over(town)

    # a new revision of rules is published by two
    numbered(folder / "2020" / "national.yaml", 90)
    await first.at("/work/rules/2020/000000")
    assert "处改动" in await first.text()
    await first.open("发布")
    await first.fill("依据", "（生成）首次发布")
    await first.press("发布")
    await confirmed_by(second)
    await first.at("/work/rules/2020/000000")
    assert "第 90 版" in await first.page.locator("ul.entries").first.inner_text()

    # what is under way goes by a new revision; what was made up nobody publishes on a page
    numbered(folder / "2024" / "national.yaml", 90)
    await publish_generated(town.house.engine, folder, town.house.now())
    await first.at("/work/rules/2024/000000")
    assert "第 90 版" in await first.text()
    await first.at(f"{HERE}/amendments?forecast=1")
    await first.open("改按新发布的规则")
    await first.press("改按新发布的规则")
    assert await first.page.get_by_role("alert").count() == 1
    await first.page.locator("#act-amendments").get_by_label("理由").fill("（生成）")
    await first.press("改按新发布的规则")
    assert "已开始修订" in await first.page.get_by_role("status").first.inner_text()

    # one case about everybody whose time has passed
    await town.house.until("2024/ln-0", "lapsed")
    await first.at(f"{HERE}/enforcement")
    await first.open("逐家立案")
    await first.page.locator("#act-open").get_by_label("理由").fill("（生成）逾期未报")
    await first.press("逐家立案")
    await first.page.get_by_text("1 / 1").first.wait_for(timeout=30_000)
    assert "立案" in await first.page.title()


async def test_what_is_published_is_read_changed_and_withdrawn(town: Town) -> None:
    boss = await town.person(OPERATOR, "440000")
    await boss.at("/work/announcements")
    await boss.open("发布")
    await boss.fill("正文", "（生成）**请尽快**填报")
    await boss.press("发布")
    # without a title it is told at its blank, and nothing typed is lost
    assert await boss.page.get_by_role("alert").get_by_role("link").count() == 1
    assert "请尽快" in await boss.page.locator("#publish-body").input_value()
    await boss.fill("标题", "（生成）填报提醒")
    await boss.press("发布")
    assert "已发布" in await boss.text()
    await boss.open("添加附件")
    pdf = {"name": "说明.pdf", "mimeType": "application/pdf", "buffer": b"%PDF-1.7 made up"}
    await boss.page.get_by_label("文件").set_input_files(pdf)  # type: ignore[arg-type]
    await boss.press("添加")
    assert "说明.pdf" in await boss.text()
    lab = await town.person(FILER, "gd-2", TELEPHONE)
    await lab.at("/work/announcements")
    await lab.page.get_by_role("link", name="（生成）填报提醒").click()
    await lab.looked_at()
    assert "请尽快填报" in await lab.text()
    async with lab.page.expect_download() as download:
        await lab.page.get_by_role("link", name="说明.pdf").click()
    assert (await download.value).suggested_filename == "说明.pdf"
    await boss.open("发布下一版")
    await boss.fill("标题", "（生成）填报提醒，第二次")
    await boss.press("发布下一版")
    told = await boss.text()
    assert "已更新" in told
    assert "第 2 版" in told
    await boss.page.locator("summary", has_text="撤下").click()
    await boss.page.locator("#act-withdraw").get_by_label("理由").fill("（生成）有误")
    await boss.press("撤下")
    assert "已撤下" in await boss.text()
    await lab.at("/work/announcements")
    assert "填报提醒" not in await lab.text()


async def test_systems_that_deliver_and_addresses_get_secrets_that_are_shown_once(
    town: Town,
) -> None:
    operator = await town.person(OPERATOR, "000000")
    await operator.at("/work/clients")
    await operator.open("登记联网系统")
    await operator.fill("替哪个发证机关送达", "amr-000001")
    await operator.fill("系统的名称", "（生成）审批系统")
    await operator.press("登记联网系统")
    assert await operator.page.locator("[aria-invalid]").count() == 1
    await operator.fill("替哪个发证机关送达", ISSUER)
    await operator.press("登记联网系统")
    secret = await operator.page.get_by_role("status").get_by_role("code").last.inner_text()
    await operator.at("/work/clients")
    assert secret not in await operator.page.content()
    await operator.open("换发密钥")
    await operator.press("换发密钥")
    assert secret != await operator.page.get_by_role("status").get_by_role("code").last.inner_text()
    await operator.at("/work/clients")
    await operator.page.locator("summary", has_text="停用").click()
    await operator.page.get_by_role("form", name="停用").get_by_label("理由").fill("（生成）下线")
    await operator.press("停用")
    assert "已停用" in await operator.page.locator("ul.entries").inner_text()
    await operator.at("/work/certificates/provinces")
    await operator.open("登记对接方案")
    await operator.page.get_by_label("哪个省").select_option(ISSUER)
    await operator.fill("文号", "粤市监〔2019〕1号（生成）")
    await operator.press("登记对接方案")
    # without its day it is told at its blank
    assert await operator.page.locator("#plan-received_on[aria-invalid]").count() == 1
    await operator.fill("哪一天收到", "2019-07-25")
    await operator.press("登记对接方案")
    place = operator.page.locator(f"li[id='{ISSUER}']")
    assert "粤市监〔2019〕1号（生成）" in await place.inner_text()

    await operator.at(f"/work/addresses?addressee={ISSUER}")
    await operator.open("登记送达地址")
    await operator.page.get_by_label("怎样送达").select_option("mail")
    await operator.fill("送到哪里", "office@example.org")
    await operator.press("登记送达地址")
    assert "office@example.org" in await operator.text()
    await operator.press("停用")
    assert "已停用" in await operator.text()
    await operator.at("/work/outbox?state=failed")
    await operator.at("/work/counts")


async def test_the_register_is_gone_through_and_says_who_would_review(town: Town) -> None:
    operator = await town.person(OPERATOR, "440000")
    await operator.at("/work/institutions/review")
    await operator.press("查看")
    assert await operator.page.locator("dl.figures dd").first.inner_text() == "3"
    assert "没有信用代码" in await operator.text()
    await operator.page.get_by_role("link", name="广州").first.click()
    await operator.looked_at()
    await operator.page.get_by_role("link", name="同一法人的账号").click()
    await operator.looked_at()
    assert "没有这样的账号" in await operator.text()
    await operator.at("/work/institutions/gd-0")
    await operator.page.get_by_role("link", name="由谁审核，为什么").click()
    await operator.looked_at()
    await operator.press("试算")
    told = await operator.text()
    assert "由广东省市场监督管理局审核" in told
    assert "没有轮到" in told
    # nothing was in force that early
    await operator.fill("哪一天", "2001-01-01")
    await operator.press("试算")
    assert "还没有发布过" in await operator.page.get_by_role("alert").inner_text()


async def test_authorities_own_figures_have_their_page(town: Town) -> None:
    for role, scope in ((REVIEWER, "samr"), (AUDITOR, "")):
        visitor = await town.person(role, scope, TELEPHONE)
        await visitor.at("/work/authority-figures")
        assert "没有要报的" in await visitor.text()
