"""A day of each audience in a real browser.

Every page that is seen is looked at by axe on a telephone's screen and on a wide one, must not be
wider than either, and what is pressed can be pressed on both.
"""

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.async_api import Browser, FilePayload, Page, ViewportSize

from api.door.cookies import SESSION
from deploy.embedded.postgres import EmbeddedPostgres
from domain.case.commands import Role
from tests.accounts import PASSWORD, signed_in
from tests.api.conftest import open_rules as open_rules
from tests.api.conftest import whole_system
from tests.api.lookups import served
from tests.api.people import GUANGDONG, LIAONING, Filing
from tests.certificates import content
from tests.enforcing import case_on_record
from tests.import_files import row, table
from tests.pages.conftest import TELEPHONE, faults, keep_picture, sign_in
from tests.system import (
    AUDITOR,
    CHECKER,
    CLERK,
    DECIDER,
    FILER,
    OFFICER,
    OPERATOR,
    RESPONSIBLE,
    REVIEWER,
    System,
    institution,
)

pytestmark = pytest.mark.anyio

REGION, ISSUER = GUANGDONG
QUARTER = "2024Q4"
WIDE: ViewportSize = {"width": 1280, "height": 900}


@dataclass
class Town:
    """A system with some labs of Guangdong, served to browsers."""

    house: System
    address: str
    browser: Browser
    stack: AsyncExitStack
    looked: set[str]
    cookies: dict[str, str]

    async def person(
        self, role: Role, scope: str, size: ViewportSize = WIDE, *, administers: bool = False
    ) -> "Visitor":
        """A new browser of somebody who is signed in."""
        name = f"{'head-' * administers}{role}-{scope or 'all'}"
        if name not in self.cookies:
            self.cookies[name] = await signed_in(
                self.house, name, role, scope, administers=administers
            )
        cookie = self.cookies[name]
        context = await self.browser.new_context(viewport=size)
        self.stack.push_async_callback(context.close)
        await context.add_cookies(
            [{"name": SESSION.plain_name, "value": cookie, "url": self.address}]
        )
        return Visitor(self, await context.new_page(), name)

    async def anybody(self) -> "Visitor":
        """A browser in which nobody is signed in."""
        context = await self.browser.new_context(viewport=TELEPHONE)
        self.stack.push_async_callback(context.close)
        return Visitor(self, await context.new_page(), "anybody")


@dataclass
class Visitor:
    """Somebody at their browser."""

    town: Town
    page: Page
    name: str

    async def at(self, path: str) -> None:
        """Goes to a page, which must be there."""
        answer = await self.page.goto(self.town.address + path)
        assert answer is not None
        assert answer.status == 200, await self.text()
        await self.looked_at()

    async def looked_at(self) -> None:
        """No page sticks out of a telephone or a wide screen; axe finds nothing, once by place."""
        # what was pressed may only just have led here
        await self.page.wait_for_load_state()
        where = self.page.url.removeprefix(self.town.address)
        place = re.sub(r"[?#].*|[0-9a-f]{24,}", "", where)
        new = place not in self.town.looked
        self.town.looked.add(place)
        own = self.page.viewport_size
        assert own is not None
        for size in (TELEPHONE, WIDE):
            await self.page.set_viewport_size(size)
            name = f"{self.name}{where}".replace("/", "_")[:100]
            await keep_picture(self.page, f"{name}-{size['width']}")
            width = await self.page.evaluate("document.documentElement.scrollWidth")
            assert width <= size["width"], where
            if new:
                assert await faults(self.page) == [], (where, size["width"])
        await self.page.set_viewport_size(own)

    async def press(self, name: str) -> None:
        """Presses a button that can be pressed on either screen, and looks at what comes."""
        button, own = (
            self.page.get_by_role("button", name=name, exact=True),
            self.page.viewport_size,
        )
        assert own is not None
        for size in (*(one for one in (TELEPHONE, WIDE) if one != own), own):
            await self.page.set_viewport_size(size)
            await button.click(trial=True)
        await button.click()
        await self.looked_at()

    async def open(self, name: str) -> None:
        """Unfolds an act's form."""
        await self.page.locator("summary", has_text=name).first.click()

    async def fill(self, label: str, value: str) -> None:
        """Fills in a blank by its label, in the form that is unfolded."""
        await self.page.locator(":visible").get_by_label(label).last.fill(value)

    async def text(self) -> str:
        """What the page says."""
        return await self.page.get_by_role("main").inner_text()


@pytest.fixture(scope="module")
async def town(
    postgres: EmbeddedPostgres, open_rules: Path, browser: Browser
) -> AsyncIterator[Town]:
    async with AsyncExitStack() as stack:
        house = await stack.enter_async_context(whole_system(postgres, open_rules))
        await house.add(
            *(institution(f"gd-{n}", REGION, issuer=ISSUER) for n in range(4)),
            institution("ln-0", LIAONING[0], issuer=LIAONING[1]),
        )
        await house.open(2024, "000000")
        await house.open(QUARTER, "000000")
        address = await stack.enter_async_context(served(house.parts))
        yield Town(house, address, browser, stack, set(), {})


async def test_a_labs_clerk_fills_in_checks_and_submits(town: Town) -> None:
    lab = Filing(town.house, "gd-0", GUANGDONG)
    await lab.saved()
    clerk = await town.person(FILER, "gd-0", TELEPHONE)
    await clerk.at("/work")
    await clerk.page.get_by_role("link", name="测试机构 gd-0").click()
    await clerk.page.get_by_role("link", name="核对并提交").click()
    await clerk.looked_at()
    assert "提交之前核对" in await clerk.page.title()
    await clerk.press("提交第 1 稿")
    assert "回执编号" in await clerk.text()
    assert clerk.page.url.endswith("/work/filings/2024/gd-0/receipt?sent=1")


async def test_what_is_typed_is_kept_without_pressing_anything(town: Town) -> None:
    lab = Filing(town.house, "gd-2", GUANGDONG)
    await lab.saved()
    clerk = await town.person(FILER, "gd-2")
    said: list[str] = []
    clerk.page.on("console", lambda message: said.append(message.text))
    # axe's own styles are against our policy, so it does not look here
    await clerk.page.goto(f"{town.address}/work/filings/2024/gd-2/parts/statistics")
    box = clerk.page.locator('input[inputmode="decimal"]').first
    for typed, revision in (("7", 2), ("8", 3)):
        await box.fill(typed)
        await box.blur()
        await clerk.page.locator("#kept", has_text=f"已自动保存为第 {revision} 稿").wait_for()
    # saving by hand goes on from there
    await clerk.page.get_by_role("button", name="保存", exact=True).click()
    assert "第 4 稿" in await clerk.page.get_by_role("status").inner_text()
    assert await box.input_value() == "8"
    assert said == []
    await clerk.looked_at()


async def test_a_reviewer_compares_remarks_and_sends_back(town: Town) -> None:
    lab = Filing(town.house, "gd-1", GUANGDONG)
    await lab.submitted()
    reviewer = await town.person(REVIEWER, ISSUER)
    await reviewer.at("/work/tasks")
    await reviewer.at("/work/tasks?name=gd-1&claimed=nobody")
    await reviewer.fill("保存这个筛选，叫作", "一号")
    await reviewer.press("保存筛选")
    # on another device as well
    elsewhere = await town.person(REVIEWER, ISSUER, TELEPHONE)
    await elsewhere.at("/work/tasks?sort=age")
    assert await elsewhere.page.get_by_role("link", name="一号").count() == 1
    await reviewer.at("/work/tasks?name=nobody-is-called-so")
    assert "没有符合条件的待办" in await reviewer.text()
    await reviewer.page.get_by_role("navigation", name="看哪些").get_by_text("一号").click()
    await reviewer.page.get_by_label("选中 测试机构 gd-1").check()
    await reviewer.press("办理选中的")
    await town.house.until("2024/gd-1", "in_review")
    await reviewer.at("/work/filings/2024/gd-1/parts/statistics")
    await reviewer.page.get_by_role("link", name="写批注").first.click()
    await reviewer.fill("批注", "（生成）请核实")
    await reviewer.press("写批注")
    assert "（生成）请核实" in await reviewer.text()
    await reviewer.at("/work/filings/2024/gd-1/revisions")
    assert "提交过" in await reviewer.text()
    await reviewer.press("比较")
    assert "第 0 稿到第 1 稿" in await reviewer.text()
    await reviewer.at("/work/filings/2024/gd-1")
    assert "对照" in await reviewer.text()
    await reviewer.fill("退回的理由", "（生成）请改正")
    await reviewer.press("退回")
    assert "已退回" in await reviewer.text()
    await reviewer.page.get_by_role("link", name="下一件").click()
    await reviewer.looked_at()
    # the lab finds it under the name of its field, and at the field
    clerk = await town.person(FILER, "gd-1", TELEPHONE)
    await clerk.at("/work/filings/2024/gd-1")
    remark = clerk.page.get_by_role("listitem").filter(has_text="（生成）请核实").first
    called = await remark.get_by_role("link").inner_text()
    assert re.search(r"：[^a-z]+$", called), called
    await remark.get_by_role("link").click()
    assert "批注：（生成）请核实" in await clerk.page.locator(".said").all_inner_texts()


async def test_anybody_looks_up_and_complains(town: Town) -> None:
    anybody = await town.anybody()
    await anybody.at("/")
    asking = anybody.page.get_by_role("search", name="查报告编号")
    await asking.get_by_label("报告编号").fill("no-1")
    await anybody.press("查报告编号")
    assert "没有查到该编号" in await anybody.text()
    await anybody.at("/")
    await anybody.page.get_by_label("机构名称").fill("测试机构 gd-1")
    await anybody.press("查证书")
    await anybody.page.get_by_role("navigation", name="全站").get_by_text("投诉").click()
    await anybody.page.get_by_label("报告编号").fill("no-1")
    await anybody.page.get_by_label("投诉的事项").fill("（生成）报告内容与委托不符")
    await anybody.press("提交投诉")
    receipt = await anybody.page.get_by_role("status").locator("strong").inner_text()
    await anybody.at("/complaint")
    # typed without its hyphens, in small letters
    await anybody.page.get_by_label("回执编号").fill(receipt.replace("-", "").lower())
    await anybody.press("查询")
    assert "no-1" in await anybody.text()
    for place in ("/announcements", "/measures", "/sign-in", "/certificates"):
        await anybody.at(place)


async def test_an_issuing_clerk_issues_and_revokes(town: Town) -> None:
    clerk = await town.person(CLERK, ISSUER)
    await clerk.at("/work")
    await clerk.page.get_by_role("link", name="新建申请").click()
    await clerk.press("建立申请")
    assert await clerk.page.get_by_role("alert").count() == 1
    applied = content("gd-2", issuer=ISSUER)
    for label, name in (("机构编号", "institution"), ("证书上的机构名称", "holder")):
        await clerk.fill(label, applied[name])
    await clerk.page.get_by_label("专业领域").select_option(applied["field"])
    await clerk.page.get_by_label("行业").select_option(applied["industry"])
    await clerk.fill("地址", applied["address"])
    await clerk.fill("检测能力", "混凝土\t抗压强度\tGB/T 50081\t2019\n钢筋 | 拉伸性能 | GB/T 28900")
    await clerk.press("建立申请")
    told = await clerk.text()
    assert "GB/T 28900" in told
    # the register knows another name
    assert "发证之前请核对" in told
    await clerk.open("提交申请或发证")
    await clerk.fill("批准日期", "2026-01-05")
    await clerk.fill("批准文书", "粤市监〔2026〕1号（生成）")
    await clerk.fill("批准人", "（生成）")
    await clerk.press("提交申请或发证")
    assert "证书编号" in await clerk.text()
    await clerk.open("终止证书")
    await clerk.page.get_by_label("怎样终止").select_option("revoked")
    await clerk.fill("自哪一天起", "2026-02-01")
    await clerk.press("终止证书")
    assert "文书" in await clerk.page.get_by_role("alert").inner_text()
    assert await clerk.page.locator("#end-on").input_value() == "2026-02-01"
    for label in ("理由", "文书"):
        await clerk.page.locator("#act-end").get_by_label(label).fill("（生成）")
    await clerk.press("终止证书")
    # four eyes: it is done once another person has confirmed it
    assert "已提出，由另一人确认后办理" in await clerk.text()
    where = clerk.page.url.removeprefix(town.address).partition("?")[0]
    colleague = await town.person(REVIEWER, ISSUER)
    await colleague.at("/work/confirmations?waiting=true")
    await colleague.at(where)
    await colleague.press("确认，随即办理")
    assert "已确认并办理" in await colleague.text()
    await clerk.page.get_by_role("link", name="看它现在的情况").click()
    assert "撤销" in await clerk.text()
    await clerk.page.get_by_role("link", name="查验页").click()
    await clerk.page.get_by_text("撤销").first.wait_for()
    await clerk.at("/work/certificates/search?institution=gd-2")
    assert "撤销" in await clerk.text()


_DROP = """form => {
    const dropped = new DataTransfer();
    dropped.items.add(new File(["x"], "x.csv"));
    form.dispatchEvent(new DragEvent("drop", {dataTransfer: dropped, bubbles: true}));
}"""
_WATCH = """() => {
    window.told = [];
    document.addEventListener("htmx:xhr:progress", ({target}) => {
        const bar = target.querySelector("progress");
        window.told.push([bar.max, target.querySelector(".busy").innerText]);
    });
}"""


async def test_a_lab_uploads_numbers_and_sees_every_wrong_row(town: Town) -> None:
    await Filing(town.house, "gd-3", GUANGDONG).completed()
    clerk = await town.person(FILER, "gd-3")
    await clerk.at("/work/report-batches")
    await clerk.open("自愿报送一个季度")
    await clerk.fill("季度", QUARTER)
    await clerk.page.get_by_role("button", name="建立").click()
    await clerk.page.wait_for_url(f"**/{QUARTER}/gd-3")
    await clerk.looked_at()
    # dropped anywhere on the form it is chosen
    form = clerk.page.get_by_role("form", name="上传", exact=True)
    await form.evaluate(_DROP)
    assert await form.locator("input[type=file]").evaluate("e => e.files[0].name") == "x.csv"
    for rows, stage in (("2024-13-01", "行有错"), ("2024-11-01", "收了 1 个编号")):
        await clerk.page.evaluate(_WATCH)
        await clerk.page.get_by_label("文件").set_input_files(
            {
                "name": "编号.csv",
                "mimeType": "text/csv",
                "buffer": f"报告编号,出具日期\r\nGD-0001,{rows}\r\n".encode(),
            }
        )
        await clerk.page.get_by_role("button", name="上传").click()
        await clerk.page.wait_for_url("**/uploads/*")
        # how much of it had left was told; the page it leads to is the same without a script
        told = await clerk.page.evaluate("window.told")
        assert told[-1][0] > 50
        assert told[-1][1] == "已传完，正在读取和核对。"
        # the page asks again by itself until the file is read
        await clerk.page.locator("[hx-trigger]").wait_for(state="detached")
        await clerk.looked_at()
        assert stage in await clerk.text()
        if "13" in rows:
            assert "怎样修改" in await clerk.text()
        await clerk.page.get_by_role("link", name="报告编号报送").last.click()
    await clerk.page.get_by_role("link", name="查找和查看本季度的编号").click()
    await clerk.page.get_by_label("编号，或其开头").fill("GD-")
    await clerk.press("查找")
    assert "GD-0001" in await clerk.text()
    await clerk.page.get_by_label("编号，或其开头").fill("0001")
    await clerk.press("查找")
    assert "没有这样的编号" in await clerk.text()
    await clerk.page.get_by_role("link", name="报告编号报送").last.click()
    await clerk.open("撤回编号")
    await clerk.page.locator("#act-withdraw-numbers").get_by_label("编号").fill("GD-0001\nGD-9")
    await clerk.page.locator("#act-withdraw-numbers").get_by_label("理由").fill("（生成）")
    await clerk.press("撤回编号")
    assert await clerk.page.locator("#withdraw-numbers-numbers").input_value() == "GD-0001\nGD-9"
    await clerk.page.locator("#act-withdraw-numbers").get_by_label("编号").fill("GD-0001")
    await clerk.press("撤回编号")
    assert "已撤回" in await clerk.page.get_by_role("status").inner_text()
    # nothing of the file stands any more
    await clerk.page.get_by_role("link", name="编号.csv").first.click()
    await clerk.open("撤回这一文件的全部编号")
    await clerk.page.get_by_role("form").get_by_label("理由").fill("（生成）选错文件")
    await clerk.press("撤回这一文件的全部编号")
    assert "没有" in await clerk.page.get_by_role("alert").inner_text()


async def test_officer_institution_and_decider_settle_a_case(town: Town) -> None:
    await case_on_record(town.house, "gd-0", "filing/2024/gd-0")
    here = "/work/enforcement/filing/2024/gd-0/1"
    officer = await town.person(OFFICER, "amr-440000")
    await officer.at("/work")
    await officer.at(here)
    await officer.open("提出措施")
    await officer.page.locator("#act-propose").get_by_label("理由").fill("（生成）两次催报未报")
    await officer.press("提出措施")
    assert "已提出" in await officer.text()
    decider = await town.person(DECIDER, "amr-440000", TELEPHONE)
    await decider.at(here)
    await decider.open("决定")
    await decider.page.locator("#decide-outcome").select_option("dismiss")
    await decider.page.locator("#act-decide").get_by_label("理由").fill("（生成）理由不足")
    await decider.press("决定")
    told = await decider.text()
    assert "已决定" in told or "先告知" in told, told


async def test_an_operator_opens_drills_down_and_reminds(town: Town) -> None:
    operator = await town.person(OPERATOR, "000000")
    await operator.at("/work")
    await operator.at("/work/campaigns?period=2024&jurisdiction=350000")
    assert "现在开启会怎样" in await operator.text()
    await operator.at("/work/campaigns/2024/000000/progress")
    for place in ("广东省", "广州市"):
        await operator.page.get_by_role("link", name=place).first.click()
        await operator.looked_at()
    assert operator.page.url.endswith("/440100/progress")
    await operator.at("/work/campaigns/2024/000000/non-filers?status=draft")
    await operator.page.get_by_label("测试机构 gd-2").check()
    await operator.fill("催报的内容", "（生成）请尽快填报")
    await operator.press("开始批办")
    await operator.page.get_by_text("已办 1，未办 0").wait_for(timeout=30_000)
    await operator.at("/work/rules")
    await operator.at("/work/rules/2024/000000")
    assert "市监检测函〔2024〕595号" in await operator.page.content()
    await operator.at("/work/registrations")


def sheet(*rows: Sequence[str]) -> FilePayload:
    """A CSV file as a browser sends it."""
    text = "".join(",".join(row) + "\r\n" for row in rows)
    return {"name": "名单.csv", "mimeType": "text/csv", "buffer": text.encode()}


async def test_an_operator_brings_lists_in_and_works_by_list(town: Town) -> None:
    operator = await town.person(OPERATOR, REGION)
    page = operator.page
    await operator.at("/work/institutions?name=gd-1")
    await page.get_by_role("link", name="测试机构 gd-1").click()
    await operator.looked_at()
    await operator.open("设定联系人")
    await operator.fill("姓名", "（生成）")
    await operator.fill("电话", "020-81000000")
    await operator.press("设定联系人")
    assert "020-81000000" in await operator.text()
    head = ("机构编号", "机构名称", "监管区域代码")
    good, bad = (
        ("gd-1", "测试机构 gd-1（更名）（生成）", REGION),
        ("gd-2", "测试机构 gd-2", "999999"),
    )
    # one wrong row keeps the whole list out, looked at or imported
    for trial in ("只核对，什么都不写入", "导入"):
        await operator.at("/work/institutions/imports")
        await page.get_by_label("文件").set_input_files(sheet(head, good, bad))
        await page.get_by_role("radio", name=trial, exact=True).check()
        await page.get_by_role("button", name="开始").click()
        await page.get_by_role("alert").wait_for()
        wrong = await page.get_by_role("region", name="有错的行").inner_text()
        assert "3\t监管区域代码" in wrong, wrong
        await operator.looked_at()
    for trial, said in (("只核对，什么都不写入", "什么都没有写入"), ("导入", "已导入")):
        await operator.at("/work/institutions/imports")
        await page.get_by_label("文件").set_input_files(sheet(head, good, bad))
        await page.get_by_role("radio", name=trial, exact=True).check()
        await page.get_by_label("只导入无误的").check()
        await page.get_by_role("button", name="开始").click()
        await page.get_by_role("status").get_by_text(said).wait_for()
        assert "更名" in await page.get_by_role("region", name="改动").inner_text()
        found, _ = await town.house.parts.institutions.find("gd-1")
        assert ("更名" in found.name) == (trial == "导入")
    # a list of institutions, of which one has no filing
    await operator.at("/work/jobs/new")
    await page.get_by_label("名单", exact=True).set_input_files(
        sheet(("机构编号",), ("gd-2",), ("nobody",))
    )
    await page.get_by_label("做什么").select_option("serve_reminder")
    await operator.fill("理由", "（生成）请尽快填报")
    await page.get_by_role("button", name="开始批办").click()
    await page.get_by_text("已办 1，未办 1").wait_for(timeout=30_000)
    await operator.looked_at()


async def test_an_operator_gives_more_time_and_takes_it_back(town: Town) -> None:
    operator = await town.person(OPERATOR, "000000")
    here = "/work/campaigns/2024/000000"
    await operator.at(f"{here}/progress")
    await operator.open("延期")
    form = operator.page.locator("#act-extensions")
    await form.get_by_label("延到什么时候").fill("2199-01-01T00:00")
    await form.get_by_label("理由").fill("（生成）")
    await operator.press("延期")
    await operator.at(f"{here}/extensions")
    assert "2198-12-31 星期一 24:00（北京时间）" in await operator.text()
    await operator.open("缩短或收回")
    await operator.press("缩短或收回")
    assert await operator.page.get_by_role("alert").count() == 1
    await operator.fill("理由", "（生成）")
    await operator.press("缩短或收回")
    assert "已缩短" in await operator.page.get_by_role("status").inner_text()
    for place in ("amendments", "sample", "schedule", "enforcement"):
        await operator.at(f"{here}/{place}")
    await operator.at("/work/duties")


async def test_a_complaint_goes_from_the_public_to_its_answer(town: Town) -> None:
    visitor = await town.browser.new_context(viewport=TELEPHONE)
    town.stack.push_async_callback(visitor.close)
    public = await visitor.new_page()
    await public.goto(f"{town.address}/complaint?institution=测试机构 gd-0（生成）")
    await public.get_by_label("投诉的事项").fill("（生成）报告与样品不符")
    await public.get_by_role("button", name="提交投诉").click()
    receipt = re.findall(r"[0-9A-Z]{5}(?:-[0-9A-Z]{5}){3}", await public.inner_text("main"))[0]
    reviewer = await town.person(REVIEWER, "samr", TELEPHONE)
    await reviewer.at("/work/complaints")
    await reviewer.page.get_by_role("main").get_by_role("link", name="gd-0").click()
    await reviewer.press("领取")
    await reviewer.open("办结投诉")
    await reviewer.press("办结投诉")
    assert await reviewer.page.get_by_role("alert").get_by_role("link").count() == 2
    await reviewer.page.get_by_label("结论").select_option("substantiated")
    await reviewer.fill("给投诉人的答复", "（生成）已责令改正")
    await reviewer.fill("办理情况", "（生成）附卷")
    await reviewer.press("办结投诉")
    assert "情况属实" in await reviewer.text()
    await public.goto(f"{town.address}/complaint?receipt={receipt}")
    told = await public.inner_text("main")
    assert "（生成）已责令改正" in told
    assert "附卷" not in told


async def test_a_question_is_asked_and_answered_on_pages(town: Town) -> None:
    here = "/work/filings/2024/gd-2"
    clerk = await town.person(FILER, "gd-2", TELEPHONE)
    await clerk.at(f"{here}/questions")
    await clerk.open("提问")
    await clerk.fill("问什么", "（生成）划转的人员计入哪一项？")
    await clerk.press("提问")
    assert "待答复" in await clerk.text()
    await Filing(town.house, "gd-2", GUANGDONG).submitted()
    reviewer = await town.person(REVIEWER, ISSUER)
    await reviewer.at(f"{here}/questions")
    await reviewer.open("答复")
    await reviewer.press("答复")
    assert await reviewer.page.get_by_role("alert").count() == 1
    await reviewer.page.locator("#answer-q1-text").fill("（生成）计入在编人员")
    await reviewer.press("答复")
    await clerk.at(f"{here}/questions")
    told = await clerk.text()
    assert "已答复" in told
    assert "计入在编人员" in told
    # the filer deals with an authority, not with the person in it
    assert reviewer.name not in told


async def test_a_clerk_brings_certificates_in_by_file(town: Town) -> None:
    clerk = await town.person(CLERK, ISSUER)
    await clerk.at("/work/certificates/imports")
    file: FilePayload = {
        "name": "证书.csv",
        "mimeType": "text/csv",
        "buffer": table(row(1, region=REGION), row(2, region=REGION, field="无")),
    }
    await clerk.page.get_by_label("文件").set_input_files(file)
    await clerk.page.get_by_role("button", name="上传").click()
    await clerk.page.wait_for_url("**/imports/*")
    await clerk.looked_at()
    told = await clerk.text()
    assert "已核对" in told
    assert "3" in await clerk.page.get_by_role("region", name="问题").inner_text()
    assert "可以办理 1" in told, told
    await clerk.page.get_by_label("结果", exact=True).select_option("bad")
    await clerk.press("筛选")
    assert await clerk.page.get_by_role("listitem").filter(has_text="第 3 行").count() == 1
    await clerk.at("/work/certificates/serials")


async def test_an_auditor_follows_verifies_and_takes_a_case_along(town: Town) -> None:
    auditor = await town.person(AUDITOR, "")
    await auditor.at("/work")
    case = "filing/2024/gd-2"
    await auditor.at(f"/work/audit?case={case}")
    assert case in await auditor.text()
    for look, words in (("verify", "记录"), ("recompute", "项决定")):
        await auditor.at(f"/work/audit/case?case={case}&look={look}")
        assert words in await auditor.text()
    await auditor.at("/work/audit/campaign?campaign=campaign/2024/000000&at=2099-01-01T00:00")
    assert case in await auditor.text()
    await auditor.at("/work/audit/refusals")
    await auditor.at(f"/work/audit/case?case={case}&look=as-of&at=2099-01-01T00:00")
    async with auditor.page.expect_download() as download:
        await auditor.page.get_by_role("link", name="带走这一件").click()
    assert (await download.value).suggested_filename.endswith(".zip")


async def test_an_administrator_invites_and_takes_away_at_once(town: Town) -> None:
    lab = await town.person(FILER, "gd-1", TELEPHONE, administers=True)
    await lab.at("/work/people")
    await lab.open("给予身份")
    await lab.fill("账号", "new.clerk")
    await lab.press("给予身份")
    assert "已给予" in await lab.page.get_by_role("status").inner_text()
    link = await lab.page.get_by_role("status").get_by_role("code").inner_text()
    # whoever is invited sets a password, signs in, and is at work
    context = await town.browser.new_context(viewport=TELEPHONE)
    town.stack.push_async_callback(context.close)
    clerk = Visitor(town, await context.new_page(), "new.clerk")
    await clerk.page.goto(link)
    await clerk.page.get_by_label("密码", exact=True).fill(PASSWORD)
    await clerk.page.get_by_label("再填一次密码").fill(PASSWORD)
    await clerk.page.get_by_role("button", name="设定").click()
    await sign_in(clerk.page, "new.clerk", PASSWORD)
    assert clerk.page.url.endswith("/work/filings")
    # the clerk is no administrator, and is told who is
    await clerk.at("/work/people")
    assert "您现在不是管理员" in await clerk.text()
    await lab.open("收回")
    await lab.page.get_by_role("form", name="收回").get_by_label("事由").fill("（生成）离职")
    await lab.press("收回")
    assert "已收回" in await lab.page.get_by_role("status").inner_text()
    gone = await clerk.page.goto(f"{town.address}/work/filings")
    assert gone is not None
    assert gone.status == 403
    await clerk.at("/me")
    await clerk.at("/me/record?what=given")
    assert "收回身份" in await clerk.text()


async def test_an_operator_sees_the_people_of_the_province(town: Town) -> None:
    boss = await town.person(OPERATOR, "440000", administers=True)
    await boss.at("/work/people")
    await boss.open("给予身份")
    await boss.fill("账号", "r-deputy")
    await boss.page.get_by_label("身份").last.select_option(label="审核人")
    await boss.page.get_by_label("范围").last.fill("amr-350000")
    await boss.press("给予身份")
    assert "不是" in await boss.page.get_by_role("alert").inner_text()
    await boss.page.get_by_label("范围").last.fill(ISSUER)
    await boss.press("给予身份")
    assert "广东省市场监督管理局" in await boss.text()
    await boss.at(f"/work/people?scope={ISSUER}&open=true")
    assert "r-deputy" in await boss.text()
    await boss.at("/work/deputies")
    await boss.open("登记离岗和代办")
    await boss.fill("离岗的人", "r-away")
    await boss.fill("由谁代办", "r-deputy")
    await boss.fill("代办至何时", "2099-01-01T00:00")
    await boss.press("登记离岗和代办")
    assert "r-away 离岗，由 r-deputy 代办" in await boss.text()
    await boss.press("提前结束")
    assert "已结束" in await boss.page.get_by_role("status").inner_text()


async def test_everybody_finds_their_work_from_the_first_page(town: Town) -> None:
    for role, scope in (
        (FILER, "gd-2"), (RESPONSIBLE, "gd-2"), (REVIEWER, "amr-440100"), (CHECKER, "samr"),
        (CLERK, "amr-440100"), (OFFICER, "amr-440100"), (DECIDER, "amr-440100"),
        (OPERATOR, "440000"), (AUDITOR, ""),
    ):  # fmt: skip
        visitor = await town.person(role, scope, TELEPHONE)
        await visitor.at("/work")
        links = visitor.page.get_by_role("navigation", name="工作").get_by_role("link")
        for address in [await one.get_attribute("href") for one in await links.all()]:
            assert address is not None
            if address in town.looked:
                answer = await visitor.page.request.get(town.address + address)
                assert answer.status == 200
            else:
                await visitor.at(address)
