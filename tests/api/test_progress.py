"""How a year goes: what opening it would do, its figures now and then, who has not filed."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import quote

import openpyxl
import pytest

from audit.verify import Keys, verify
from deploy.embedded.postgres import EmbeddedPostgres
from files.export import csv_table, xlsx
from tests.api.conftest import whole_system
from tests.api.documented import as_documented
from tests.api.people import FUJIAN, GUANGDONG, HENAN, HUNAN, LIAONING, SHAANXI, Filing
from tests.system import (
    AUDITOR,
    CHECKER,
    FILER,
    OPERATOR,
    REVIEWER,
    Answer,
    System,
    institution,
)

pytestmark = pytest.mark.anyio

PLACES = {
    "fujian": FUJIAN, "guangdong": GUANGDONG, "henan": HENAN, "hunan": HUNAN,
    "liaoning": LIAONING, "shaanxi": SHAANXI,
}  # fmt: skip


@pytest.fixture
async def country(postgres: EmbeddedPostgres, open_rules: Path) -> AsyncIterator[System]:
    """Two institutions in each of six provinces; no campaign."""
    async with whole_system(postgres, open_rules) as house:
        for name, (region, issuer) in PLACES.items():
            for n in range(2):
                await house.add(institution(f"{name}-{n}", region, issuer=issuer))
        yield house


async def get(house: System, path: str, jurisdiction: str = "000000") -> Any:
    operator = house.token(OPERATOR, "operator-1", jurisdiction)
    answer = await house.send("GET", f"/api/campaigns/{path}", operator)
    assert answer.status == 200, answer.body
    return answer.body


async def rows(house: System) -> int:
    async with house.engine.connect() as connection:
        from sqlalchemy import text

        found = await connection.execute(
            text(
                "SELECT (SELECT count(*) FROM journal) + (SELECT count(*) FROM cases)"
                " + (SELECT count(*) FROM campaigns) + (SELECT count(*) FROM rule_sets)"
            )
        )
        return int(found.scalar_one())


async def test_a_forecast_says_what_opening_would_do_and_does_nothing(country: System) -> None:
    before = await rows(country)
    told = await get(country, "2024/000000/forecast")
    assert await rows(country) == before
    assert (told["must"], told["may"], told["outside"], told["without_rules"]) == (12, 0, 0, 0)
    # the windows of Liaoning have closed: its two would have no chance
    assert told["would_lapse"] == 2
    assert told["by_jurisdiction"]["210000"]["would_lapse"] == 2
    assert told["by_jurisdiction"]["440000"] == {
        "must": 2, "may": 0, "outside": 0, "without_rules": 0, "elsewhere": 0, "would_lapse": 0,
        "uncomputable": 0, "name": "广东省",
        "rule_sets": told["by_jurisdiction"]["440000"]["rule_sets"],
    }  # fmt: skip
    assert told["windows"]["fill"]["state"] == "open"
    assert told["opened"] is False
    await country.open(2024, "000000")
    again = await get(country, "2024/000000/forecast")
    assert (again["opened"], again["must"], again["would_lapse"]) == (True, 12, 0)
    # what one campaign has, another would not open once more
    fujian = await get(country, "2024/350000/forecast", "350000")
    assert (fujian["must"], fujian["elsewhere"]) == (0, 2)
    assert set(fujian["by_jurisdiction"]) == {"350100"}


async def test_a_year_whose_filling_has_closed_is_opened_only_with_that_word_and_a_reason(
    country: System,
) -> None:
    operator = country.token(OPERATOR, "operator-1", "000000")
    path = "/api/campaigns/2024/210000"
    refused = await country.send("POST", path, operator)
    assert (refused.status, refused.body["code"]) == (409, "window_passed")
    assert refused.body["sources"]
    assert "24:00" in refused.body["detail"]
    unsaid = await country.send("POST", path, operator, {"after_window": True})
    assert (unsaid.status, unsaid.body["code"]) == (422, "reason_required")
    missing = await country.send("GET", path, operator)
    assert missing.status == 404
    await country.open(2024, "210000", {"after_window": True, "reason": "（生成）补办"})
    shown = await get(country, "2024/210000")
    assert (shown["late"], shown["reason"]) == (True, "（生成）补办")
    assert {s: n for s, n in shown["statuses"].items() if n} == {"after_window": 2}
    told = await get(country, "2024/210000/progress")
    assert told["total"]["must"] == told["total"]["lapsed"] == 0


async def test_figures_count_each_filing_where_it_stands_now_and_as_it_stood(
    country: System,
) -> None:
    house = country
    await house.open(2024, "000000")
    start = datetime.now(UTC)
    filed, back = Filing(house, "guangdong-0", GUANGDONG), Filing(house, "guangdong-1", GUANGDONG)
    await back.returned()
    middle = datetime.now(UTC)
    await filed.completed()
    now = await get(house, "2024/000000/progress?level=province")
    keys = {row["key"]: row for row in now["rows"]}
    assert list(keys) == ["350000", "410000", "430000", "440000", "610000"]
    assert keys["440000"] == {
        "key": "440000", "name": "广东省", "must": 2, "voluntary": 0, "submitted": 2, "on_time": 2,
        "in_grace": 0, "late": 0, "returned": 1, "approved": 1, "checked": 1, "completed": 1,
        "lapsed": 0, "extended": 0, "not_filed": 0,
    }  # fmt: skip
    assert now["total"]["must"] == 10
    assert now["total"]["not_filed"] == 8
    # the present out of the journal is what the read model says
    late = (datetime.now(UTC) + timedelta(microseconds=1)).isoformat().replace("+", "%2B")
    for by in ("region", "authority", "field"):
        present = await get(house, f"2024/000000/progress?by={by}")
        await house.pause(0.05)
        recorded = await get(house, f"2024/000000/progress?by={by}&as_of={late}")
        assert recorded["rows"] == present["rows"], by
    then = await get(house, f"2024/000000/progress?as_of={middle.isoformat().replace('+', '%2B')}")
    assert (then["total"]["submitted"], then["total"]["completed"]) == (1, 0)
    before = await get(house, f"2024/000000/progress?as_of={start.isoformat().replace('+', '%2B')}")
    assert (before["total"]["must"], before["total"]["submitted"]) == (10, 0)
    by_authority = await get(house, "2024/000000/progress?by=authority")
    names = {row["key"]: row["must"] for row in by_authority["rows"]}
    assert names == {"": 8, "amr-440000": 2}
    # a province sees its own
    own = await get(house, "2024/000000/progress", "350000")
    assert [row["key"] for row in own["rows"]] == [FUJIAN[0]]
    below = await get(house, "2024/350000/progress", "350000")
    assert below["rows"] == own["rows"]


async def test_a_quarter_has_figures_and_non_filers_of_its_own(country: System) -> None:
    house = country
    await house.open("2024Q4", "000000")
    clerk = house.token(FILER, "clerk-1", "guangdong-0")
    told = await get(house, "2024Q4/000000/progress")
    # whoever may report, and need not, has a batch when it asks
    assert told["total"]["must"] == told["total"]["submitted"] == 0
    path = "/api/report-batches/2024Q4/guangdong-0"
    assert (await house.send("POST", path, clerk)).status == 202
    while (await house.send("GET", path, clerk)).status != 200:
        await house.pause(0.05)
    told = await get(house, "2024Q4/000000/progress")
    assert (told["total"]["voluntary"], told["total"]["not_filed"]) == (1, 0)
    listed = (await get(house, "2024Q4/000000/non-filers"))["items"]
    assert [row["institution"] for row in listed] == ["guangdong-0"]


async def test_everybody_who_has_not_filed_is_listed_with_why(country: System) -> None:
    house = country
    await house.open(2024, "000000")
    saved, back = Filing(house, "fujian-0", FUJIAN), Filing(house, "guangdong-0", GUANGDONG)
    await saved.saved()
    await back.returned()
    given = {"until": "2099-01-01T00:00:00+08:00", "reason": "（生成）", "document": ""}
    await Filing(house, "hunan-0", HUNAN).done("extension", back.operator, given)
    page = (await get(house, "2024/000000/non-filers?size=200"))["items"]
    why = {row["institution"]: row["reason"] for row in page}
    assert "liaoning-0" not in why
    assert why["fujian-1"] == "从未填写"
    assert "保存过草稿" in why["fujian-0"]
    # by whom, not what the reviewer wrote
    assert "由广东省市场监督管理局退回" in why["guangdong-0"]
    assert "人员数" not in why["guangdong-0"]
    assert why["hunan-0"].endswith("已延期至 2098-12-31 24:00（北京时间）")
    assert why["shaanxi-0"] == "填报尚未开放"
    inside = await get(house, "2024/000000/non-filers?region=350000")
    assert [row["institution"] for row in inside["items"]] == ["fujian-0", "fujian-1"]
    elsewhere = await get(house, "2024/000000/non-filers?region=440000", "350000")
    assert elsewhere["items"] == []


async def test_a_campaign_opened_by_mistake_counts_for_nothing_once_it_is_annulled(
    country: System,
) -> None:
    house = country
    await house.open(2024, "000000")
    done = Filing(house, "guangdong-0", GUANGDONG)
    await done.completed()
    operator = house.token(OPERATOR, "operator-1", "000000")
    path = "/api/campaigns/2024/000000/annul"
    other = house.token(OPERATOR, "operator-350000", "350000")
    assert (await house.send("POST", path, other, {"reason": "x"})).status == 403
    blank = await house.send("POST", path, operator, {"reason": "  "})
    assert blank.status == 422
    second = house.token(OPERATOR, "operator-2", "000000")
    annulled = await house.by_two(path, operator, second, {"reason": "（生成）误选年度"}, "a-1")
    assert annulled.status == 202
    again = await house.by_two(path, operator, second, {"reason": "（生成）误选年度"}, "a-2")
    assert again.body == annulled.body
    for name in ("guangdong-0", "guangdong-1"):
        await house.until(f"2024/{name}", "annulled")
    last = (await done.timeline())[-1]
    assert (last["event"], last["note"]) == ("annulled", {"reason": "（生成）误选年度"})
    assert "已办结" in last["detail"]
    shown = await get(house, "2024/000000")
    assert shown["annulled_at"]
    assert shown["reason"] == "（生成）误选年度"
    gone = await house.send("GET", "/api/campaigns/2024/000000/progress", operator)
    assert (gone.status, gone.body["code"]) == (404, "campaign_not_found")
    late = await done.act("reopen", done.operator, {"until": "2099-01-01T00:00:00+08:00",
                                                    "reason": "（生成）"})  # fmt: skip
    assert late.status == 409


def test_what_people_wrote_stays_text_in_every_table() -> None:
    header = ["名称", "件数"]
    told: list[list[str | int]] = [["=1+1", 3], ["名" * 300, 4], ["a\x07b", 5]]
    book = openpyxl.load_workbook(BytesIO(xlsx("表", header, told)))
    cells = list(book.active.iter_rows(values_only=False))
    assert [cell.value for cell in cells[1]] == ["=1+1", 3]
    assert cells[1][0].data_type == "s"
    assert cells[2][0].value == "名" * 300
    assert cells[3][0].value == "ab"
    assert "'=1+1,3" in csv_table(header, told).decode("utf-8-sig")


async def test_duties_are_listed_with_how_far_they_have_come(country: System) -> None:
    house = country
    await house.open(2024, "000000")
    await Filing(house, "guangdong-0", GUANGDONG).claimed()
    found = {one["id"]: one for one in (await get(house, "2024/000000/duties"))["items"]}
    assert found["review"]["who"] == ["省级市场监管部门", "中国检验检疫科学研究院"]
    assert found["review"]["due"] == "2025-03-21"
    assert found["review"]["done"] is False
    assert found["review"]["figure"].startswith("审核通过 ")
    assert found["settle-problems"]["done"] is None

    # and each is a task of every authority that has it
    guangdong = house.token(REVIEWER, "reviewer-1", "amr-440000")

    async def tasks(token: str) -> dict[str, Any]:
        answer = await house.send("GET", "/api/duties", token)
        assert answer.status == 200, answer.body
        as_documented("/api/duties", answer.body)
        return {one["duty"]: one for one in answer.body["items"]}

    async def says(
        token: str, duty: str, body: Any, period: str = "2024", **headers: str
    ) -> Answer:
        return await house.send("POST", f"/api/duties/{period}/{duty}", token, body, **headers)

    own = await tasks(guangdong)
    # the last is of no year: the rules of certificates have it
    assert set(own) == {"review", "settle-problems", "others", "in-charge"}
    assert (own["in-charge"]["period"], own["in-charge"]["done"]) == ("certificates", None)
    review = own["review"]
    assert (review["period"], review["due"], review["measured"]) == (
        "2024", "2025-03-21", "approved",
    )  # fmt: skip
    assert (review["done"], review["overdue"]) == (False, True)
    assert review["figure"].startswith("审核通过 0/")
    assert (own["settle-problems"]["done"], own["settle-problems"]["figure"]) == (None, "")
    # the nation's own is nobody else's, and a place has those of its level
    assert set(await tasks(house.token(CHECKER, "checker-1", "samr"))) == {
        "handbooks", "assistance", "circulars",
    }  # fmt: skip
    assert set(await tasks(house.token(REVIEWER, "r", "amr-440106"))) == {"others"}
    assert set(await tasks(house.token(REVIEWER, "r", "caiq"))) == {"review"}

    why = {"reason": "（生成）逐件沟通", "document": "（生成）1号"}
    assert (await says(guangdong, "review", why)).body["code"] == "duty_measured"
    assert (await says(guangdong, "handbooks", why)).status == 404
    assert (await says(guangdong, "settle-problems", {"reason": " "})).status == 422
    told = await says(guangdong, "settle-problems", why, idempotency_key="once")
    assert (told.status, told.body["done"], told.body["said"]) == (200, True, why["reason"])
    again = await says(guangdong, "settle-problems", why, idempotency_key="once")
    assert again.body == told.body
    other = await says(guangdong, "settle-problems", {"reason": "x"}, idempotency_key="once")
    assert other.body["code"] == "key_reused"
    # the operator of the place sees what was said, and nobody of another place is done by it
    operator = house.token(OPERATOR, "operator-gd", "440000")
    assert (await tasks(operator))["settle-problems"]["said_by"] == "reviewer-1"
    hunan = house.token(REVIEWER, "reviewer-2", "amr-430000")
    assert all(one["done"] is not True for one in (await tasks(hunan)).values())
    whole = {one["id"]: one for one in (await get(house, "2024/000000/duties"))["items"]}
    standing = {one["authority"]: one for one in whole["settle-problems"]["authorities"]}
    assert (standing["amr-440000"]["done"], standing["amr-110000"]["done"]) == (True, None)
    assert whole["settle-problems"]["done"] is False
    # what no year's rules ask for is said likewise, and what a year's ask for is not its own
    assert (await says(guangdong, "settle-problems", why, "certificates")).status == 404
    assert (await says(guangdong, "in-charge", why)).status == 404
    said = await says(guangdong, "in-charge", why, "certificates", idempotency_key="certificates")
    assert (said.body["period"], said.body["done"], said.body["said"]) == (
        "certificates", True, why["reason"],
    )  # fmt: skip
    assert (await tasks(guangdong))["in-charge"]["said_by"] == "reviewer-1"
    assert (await tasks(hunan))["in-charge"]["done"] is None
    assert (await says(guangdong, "in-charge", why, "2024Q9")).status == 404
    # what was said is taken back by saying so, and stays on record
    back = await says(operator, "settle-problems", {"reason": "（生成）又有问题", "done": False})
    assert (back.body["done"], back.body["document"]) == (False, "")
    keys = Keys(house.keys, None, None)
    verified = await verify(house.engine, None, keys, house.now, "duties/2024/amr-440000")
    assert verified.checked["journal"] == 2
    assert verified.findings == ()
    verified = await verify(house.engine, None, keys, house.now, "duties/certificates/amr-440000")
    assert (verified.checked["journal"], verified.findings) == (1, ())


async def test_the_backlog_says_what_waits_for_whom_and_how_long(country: System) -> None:
    house = country
    await house.open(2024, "000000")
    await Filing(house, "guangdong-0", GUANGDONG).claimed()
    await Filing(house, "guangdong-1", GUANGDONG).checked()
    told = await get(house, "2024/000000/backlog")
    rows = {row["authority"]: row for row in told["items"]}
    assert set(rows) == {"amr-440000", "samr"}
    review = rows["amr-440000"]
    assert (review["status"], review["waiting"], review["unclaimed"]) == ("in_review", 1, 0)
    assert (review["name"], review["oldest_days"]) == ("广东省市场监督管理局", 0.0)
    # a claim is no new turn: since when it waits does not change by it
    auditor = house.token(AUDITOR, "auditor-1")
    timeline = await house.send("GET", "/api/filings/2024/guangdong-0/timeline", auditor)
    assigned = next(e for e in timeline.body["entries"] if e["event"] == "assigned")
    assert datetime.fromisoformat(review["oldest"]) == datetime.fromisoformat(assigned["at"])
    assert (await get(house, "2024/000000/backlog", "350000"))["items"] == []
    # out of the journal: at present the same, before the claim nobody's, before that nothing
    claimed = next(e for e in timeline.body["entries"] if e["event"] == "claimed")
    moment = timedelta(microseconds=1)
    for at, shown in (
        (datetime.now(UTC) - moment, [review]),
        (datetime.fromisoformat(claimed["at"]) - moment, [{**review, "unclaimed": 1}]),
        (datetime.fromisoformat(assigned["at"]) - moment, []),
    ):
        then = await get(house, f"2024/000000/backlog?as_of={quote(at.isoformat())}")
        assert [row for row in then["items"] if row["authority"] == "amr-440000"] == shown


async def test_the_day_s_curve_counts_attempts_that_were_refused_too(country: System) -> None:
    house = country
    await house.open(2024, "000000")
    first = Filing(house, "guangdong-0", GUANGDONG)
    clerk = Filing(house, "guangdong-1", GUANGDONG).filer
    body = {"revision": 1, "sha256": "0" * 64, "choice": None}
    nothing = await house.act("2024/guangdong-1", "submit", clerk, body)
    assert nothing.status in (409, 422), nothing.body
    await first.completed()
    hours = (await get(house, "2024/000000/activity"))["items"]
    assert len(hours) == 24
    assert all(hour["attempts"] == hour["submitted"] + hour["refused"] for hour in hours)
    assert sum(hour["submitted"] for hour in hours) == 1
    assert sum(hour["refused"] for hour in hours) == 1
    assert hours[0]["began"].endswith("T00:00:00+08:00")
    days = (await get(house, "2024/000000/activity?by=day&days=7"))["items"]
    assert len(days) == 7
    assert (days[-1]["submitted"], days[-1]["refused"], days[-1]["completed"]) == (1, 1, 1)
    before = (await get(house, "2024/000000/activity?by=day&from=2024-02-28&days=2"))["items"]
    assert [day["began"][:10] for day in before] == ["2024-02-28", "2024-02-29"]
    assert sum(day["attempts"] for day in before) == 0
    elsewhere = (await get(house, "2024/000000/activity", "350000"))["items"]
    assert sum(hour["attempts"] for hour in elsewhere) == 0


async def test_non_filers_are_narrowed_by_name_and_authority_and_come_as_tables(
    country: System,
) -> None:
    house = country
    await house.open(2024, "000000")
    await Filing(house, "guangdong-0", GUANGDONG).returned()

    async def listed(query: str) -> list[str]:
        told = await get(house, f"2024/000000/non-filers?{query}")
        return [row["institution"] for row in told["items"]]

    assert await listed("authority=amr-440000") == ["guangdong-0"]
    assert await listed("name=ｆｕｊｉａｎ－１") == ["fujian-1"]
    assert await listed("name=fujian&authority=amr-440000") == []
    assert await listed("name=guangdong&status=returned&region=440000") == ["guangdong-0"]
    operator = house.token(OPERATOR, "operator-1", "000000")
    answer = await house.http.get(
        "/api/campaigns/2024/000000/non-filers/table?format=xlsx&region=440000",
        headers={"Authorization": f"Bearer {operator}"},
    )
    sheet = openpyxl.load_workbook(BytesIO(answer.content)).active
    assert sheet is not None
    assert [row[1] for row in sheet.iter_rows(min_row=2, values_only=True)] == [
        "测试机构 guangdong-0（生成）", "测试机构 guangdong-1（生成）",
    ]  # fmt: skip
    never = await house.send("GET", "/api/campaigns/2023/000000/non-filers", operator)
    assert (never.status, never.body["code"]) == (404, "campaign_not_found")


async def test_a_place_reports_how_far_it_has_come(country: System) -> None:
    house = country
    await house.open(2024, "000000")
    await Filing(house, "guangdong-0", GUANGDONG).completed()
    operator = house.token(OPERATOR, "operator-1", "440000")
    path = "/api/campaigns/2024/440000/report"
    headers = {"Authorization": f"Bearer {operator}"}
    told = (await house.http.get(path, headers=headers)).text
    assert "报送单位：广东省市场监督管理局" in told
    assert "应填报 2 家，已提交 1 家（50.0%）" in told
    assert "规则没有写明应当报送的条款" in told
    content = (await house.http.get(f"{path}?format=xlsx", headers=headers)).content
    book = openpyxl.load_workbook(BytesIO(content))
    assert book.sheetnames == ["报告", "各地进展", "待办", "延期", "各项职责", "未报机构名单"]
    names = [row[1] for row in book["未报机构名单"].iter_rows(min_row=2, values_only=True)]
    assert names == ["测试机构 guangdong-1（生成）"]
