"""Campaigns: opening a year once and under one set of rules, its progress, who has not filed."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.testing import WorkflowEnvironment

from deploy.demo.publishing import publish_generated
from deploy.embedded.postgres import EmbeddedPostgres
from domain.case.events import GENESIS, hash_of
from store import journal
from tests.api.conftest import whole_system
from tests.api.people import FUJIAN, GUANGDONG, HENAN, HUNAN, LIAONING, SHAANXI, Filing
from tests.conftest import LATER
from tests.system import AUDITOR, FILER, OPERATOR, Answer, System, institution, running

pytestmark = pytest.mark.anyio


def operator_of(house: System, jurisdiction: str = "000000") -> str:
    return house.token(OPERATOR, f"operator-{jurisdiction}", jurisdiction)


async def post(house: System, path: str, jurisdiction: str = "000000", **headers: str) -> Answer:
    operator = operator_of(house, jurisdiction)
    return await house.send("POST", f"/api/campaigns/{path}", operator, **headers)


async def get(house: System, path: str, jurisdiction: str = "000000") -> Any:
    operator = operator_of(house, jurisdiction)
    answer = await house.send("GET", f"/api/campaigns/{path}", operator)
    assert answer.status == 200, answer.body
    return answer.body


async def entries(house: System, path: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await get(house, f"{path}/timeline"))["entries"]
    return found


async def until_scanned(house: System, path: str, scans: int) -> Any:
    """Waits until a campaign has gone through the register this often."""
    for _ in range(400):
        found = [e for e in await entries(house, path) if e["event"] == "filings_started"]
        if len(found) >= scans:
            return await get(house, path)
        await house.pause(0.025)
    raise AssertionError(await entries(house, path))


async def filings(house: System, query: str = "") -> list[dict[str, Any]]:
    token = house.token(AUDITOR, "auditor-1")
    answer = await house.send("GET", f"/api/filings?size=200{query}", token)
    items: list[dict[str, Any]] = answer.body["items"]
    return items


# --- opening -------------------------------------------------------------------------------------


async def test_a_campaign_opened_again_and_again_is_opened_once(empty_house: System) -> None:
    house = empty_house
    await house.add(institution("gd-1", *GUANGDONG[:1]))
    answers = await asyncio.gather(
        *(post(house, "2024/000000") for _ in range(2)),
        *(post(house, "2024/000000", idempotency_key="the-same") for _ in range(2)),
    )
    assert [(one.status, one.body) for one in answers] == [
        (202, {"id": "campaign/2024/000000"})
    ] * 4
    assert answers[0].headers["location"] == "/api/campaigns/2024/000000"
    await house.open(2024, "000000")
    told = await entries(house, "2024/000000")
    events = [entry["event"] for entry in told]
    assert events.count("campaign_opened") == 1
    assert events.count("filings_started") == 1
    shown = await get(house, "2024/000000")
    assert shown["opened_by"] == "operator-000000"
    listed = (await house.send("GET", "/api/campaigns", operator_of(house))).body["items"]
    assert [one["case_id"] for one in listed] == ["campaign/2024/000000"]


async def test_an_open_campaign_is_not_opened_again_under_other_rules(
    postgres: EmbeddedPostgres, open_rules: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "rules"
    shutil.copytree(open_rules, folder)
    async with whole_system(postgres, folder) as house:
        await house.add(institution("gd-1", *GUANGDONG[:1]))
        await house.open(2024, "000000")
        before = await get(house, "2024/000000")
        file = folder / "2024" / "hunan.yaml"
        file.write_text(file.read_text().replace("revision: 1", "revision: 2"))
        # a file by itself changes nothing
        assert (await post(house, "2024/000000")).status == 202
        await publish_generated(house.engine, folder, house.now())
        refused = await post(house, "2024/000000")
        assert (refused.status, refused.body["code"]) == (409, "campaign_exists")
        assert before["rule_set"][:12] in refused.body["detail"]
        assert await get(house, "2024/000000") == before
        # and a part of the nation has its filings already
        covered = await post(house, "2024/410000")
        assert (covered.status, covered.body["code"]) == (409, "campaign_covered")


async def test_rules_that_are_not_in_order_open_nothing_and_those_that_are_get_published(
    postgres: EmbeddedPostgres, open_rules: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "rules"
    shutil.copytree(open_rules, folder)
    file = folder / "2024" / "hunan.yaml"
    right = file.read_text()
    file.write_text(right + "\nno_such_key: 1\n")
    async with whole_system(postgres, folder) as house:
        path, reason = "/api/rules/2024/430000/publish", {"reason": "（生成）"}
        refused = await house.send("POST", path, operator_of(house), reason)
        assert (refused.status, refused.body["code"]) == (409, "rules_invalid")
        assert "hunan.yaml" in refused.body["detail"]
        assert str(tmp_path) not in refused.body["detail"]
        refused = await post(house, "2024/430000")
        assert (refused.status, refused.body["code"]) == (409, "rules_invalid")
        missing = await house.send("GET", "/api/campaigns/2024/430000", operator_of(house))
        assert (missing.status, missing.body["code"]) == (404, "campaign_not_found")
        # mended: looking ahead publishes nothing, opening does
        file.write_text(right)
        ahead = "/api/campaigns/2024/430000/forecast"
        assert (await house.send("GET", ahead, operator_of(house))).status == 200
        listed = "/api/rules/2024/430000/publications"
        assert (await house.send("GET", listed, operator_of(house))).body["items"] == []
        opened = await post(house, "2024/430000")
        assert opened.status == 202, opened.body
        (published,) = (await house.send("GET", listed, operator_of(house))).body["items"]
        assert published["published_by"] == "operator-000000"
        shown = await get(house, "2024/430000")
        assert shown["rule_set"] == published["ruleset"]["sha256"]


async def test_there_is_no_campaign_without_rules_of_its_own_that_can_be_published(
    system: System,
) -> None:
    for path, code in (
        ("2019/000000", "rules_not_found"),
        ("2023/440000", "rules_not_found"),
        ("2024/350102", "rules_not_found"),
        ("2023/000000", "rules_not_found"),
        ("1999/000000", "not_found"),
        ("3000/000000", "not_found"),
        ("2024/35", "not_found"),
        ("2024/0000000", "not_found"),
        ("2024/fujian", "not_found"),
        ("year/000000", "not_found"),
        ("2024/%EF%BC%93%EF%BC%95%EF%BC%90%EF%BC%90%EF%BC%90%EF%BC%90", "not_found"),
    ):
        refused = await post(system, path)
        assert (refused.status, refused.body["code"]) == (404, code), path
        assert refused.body["remedy"]
    base = await post(system, "2023/000000")
    # why it cannot be used, and what to do instead
    assert "只是基础" in base.body["detail"]
    assert "省级规则" in base.body["detail"]
    assert (await system.send("GET", "/api/campaigns", operator_of(system))).body["items"] == []
    await system.add(institution("fj-1", "350102"), institution("hn-1", "430102"))
    await system.open(2023, "350000")
    assert [one["id"] for one in await filings(system)] == ["filing/2023/fj-1"]


async def test_a_campaign_is_opened_within_the_operators_jurisdiction_only(
    empty_house: System,
) -> None:
    for jurisdiction, path in (("350000", "2024/000000"), ("350000", "2024/430000"),
                               ("350100", "2024/350000")):  # fmt: skip
        refused = await post(empty_house, path, jurisdiction)
        assert (refused.status, refused.body["code"]) == (403, "not_your_region")
    assert (await post(empty_house, "2024/350000", "350000")).status == 202


# --- what it starts ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
async def whole_country(postgres: EmbeddedPostgres, open_rules: Path) -> AsyncIterator[System]:
    """A national campaign over institutions of six provinces, some of which need not file."""
    async with whole_system(postgres, open_rules) as house:
        for name, (region, issuer) in PROVINCES.items():
            await house.add(*(institution(f"{name}-{n}", region, issuer=issuer) for n in range(2)))
        await house.add(
            institution("may-1", "440106", certificates=(), other_qualifications=("雷电（生成）",)),
            institution("may-2", "350102", certificates=(), other_qualifications=("雷电（生成）",)),
            institution("none-1", "440106", certificates=()),
        )
        await house.open(2024, "000000")
        yield house


PROVINCES = {
    "guangdong": GUANGDONG, "fujian": FUJIAN, "hunan": HUNAN, "henan": HENAN,
    "liaoning": LIAONING, "shaanxi": SHAANXI,
}  # fmt: skip


async def test_the_progress_adds_up(whole_country: System) -> None:
    shown = await get(whole_country, "2024/000000")
    assert (shown["total"], shown["considered"]) == (15, 15)
    names = ("started", "voluntary", "outside", "without_rules", "elsewhere")
    assert [shown[name] for name in names] == [12, 2, 1, 0, 0]
    for name in ("liaoning-0", "liaoning-1"):
        await whole_country.until(f"2024/{name}", "after_window")
    shown = await get(whole_country, "2024/000000")
    counted = shown["statuses"]
    # other tests may have moved some of the eight drafts
    assert (counted["after_window"], counted["scheduled"], sum(counted.values())) == (2, 2, 12)
    assert shown["stage"] == "filing-and-review"
    stage = shown["stages"][0]
    assert datetime.fromisoformat(stage["opens"]) < datetime.fromisoformat(stage["closes"])


async def test_every_institution_gets_the_rules_of_its_own_place_and_the_nation_those_without(
    whole_country: System,
) -> None:
    house = whole_country
    shown = await get(house, "2024/000000")
    auditor = house.token(AUDITOR, "auditor-1")
    ids: dict[str, set[str]] = {}
    for one in await filings(house):
        pinned = await house.send("GET", f"/api/rule-sets/{one['rule_set']}", auditor)
        ids.setdefault(one["institution"].rpartition("-")[0], set()).add(
            pinned.body["ruleset"]["id"]
        )
        assert one["rule_set"] in shown["rule_sets"].values()
    assert ids == {
        "guangdong": {"demo-national-2024"}, "fujian": {"demo-fujian-2024"},
        "hunan": {"demo-hunan-2024"}, "henan": {"demo-henan-2024"},
        "liaoning": {"demo-liaoning-2024"}, "shaanxi": {"demo-shaanxi-2024"},
    }  # fmt: skip
    assert sorted(shown["rule_sets"]) == [
        "000000", "210000", "350000", "410000", "430000", "610000",
    ]  # fmt: skip


async def test_who_may_file_is_counted_but_not_started(whole_country: System) -> None:
    started = {one["institution"] for one in await filings(whole_country)}
    assert not started & {"may-1", "may-2", "none-1"}
    clerk = whole_country.token(FILER, "clerk", "may-1")
    assert (await whole_country.send("GET", "/api/filings/2024/may-1", clerk)).status == 404


async def test_the_campaigns_own_history_is_a_chain_that_verifies(whole_country: System) -> None:
    async with whole_country.engine.connect() as connection:
        steps = await journal.steps(connection, "campaign/2024/000000")
    head = GENESIS
    for number, step in enumerate(steps, 1):
        assert (step.sequence, step.previous_hash) == (number, head)
        head = step.hash
        assert head == hash_of(step)
    told = await entries(whole_country, "2024/000000")
    assert sorted(entry["event"] for entry in told) == [
        "campaign_opened", "filings_started", "stage_entered",
    ]  # fmt: skip
    opened = next(entry for entry in told if entry["event"] == "campaign_opened")
    assert (opened["subject"], opened["role"]) == ("operator-1", "经办人")
    counted = next(entry for entry in told if entry["event"] == "filings_started")
    assert "15" in counted["detail"]
    assert "12" in counted["detail"]


# --- later institutions --------------------------------------------------------------------------


async def test_another_pass_starts_the_filings_of_those_who_came_later_and_of_nobody_else(
    empty_house: System,
) -> None:
    house = empty_house
    operator = operator_of(house)
    await house.add(institution("old-1", "440106"), institution("old-2", "440106"))
    await house.open(2024, "000000")
    before = {one["id"]: one for one in await filings(house)}
    roster = (
        "机构编号,机构名称,监管区域代码,其他资质,证书编号,证书级别,发证机关,参数数量,有效期至\r\n"
        "new-1,测试机构（生成）,440106,,241901060001,省级,amr-440000,12,2090-01-01\r\n"
        "new-2,测试机构（生成）,440106,雷电（生成）,,,,,\r\n"
    ).encode()
    headers = {
        "authorization": f"Bearer {operator}",
        "content-type": "text/csv",
        "idempotency-key": "k1",
    }
    imported = await house.http.post("/api/institutions/imports", content=roster, headers=headers)
    assert imported.status_code == 200, imported.text
    assert set(before) == {"filing/2024/old-1", "filing/2024/old-2"}
    asked = await post(house, "2024/000000/rescan")
    assert (asked.status, asked.body) == (202, {"id": "campaign/2024/000000"})
    shown = await until_scanned(house, "2024/000000", 2)
    await house.until("2024/new-1", "draft")
    assert (shown["total"], shown["started"], shown["voluntary"]) == (4, 3, 1)
    after = {one["id"]: one for one in await filings(house)}
    assert {id_: one for id_, one in after.items() if id_ in before} == before
    assert set(after) == {*before, "filing/2024/new-1"}


async def test_many_passes_asked_for_at_once_start_nobody_twice(empty_house: System) -> None:
    house = empty_house
    await house.add(*(institution(f"inst-{n}", "440106") for n in range(5)))
    await house.open(2024, "000000")
    await house.add(*(institution(f"late-{n}", "440106") for n in range(5)))
    answers = await asyncio.gather(*(post(house, "2024/000000/rescan") for _ in range(6)))
    assert {answer.status for answer in answers} == {202}
    await until_scanned(house, "2024/000000", 2)
    for n in range(5):
        await house.until(f"2024/late-{n}", "draft")
    for one in await filings(house):
        found = Filing(house, one["institution"], GUANGDONG)
        assert [e["event"] for e in await found.timeline()] == ["scheduled", "opened"]
    shown = await get(house, "2024/000000")
    assert (shown["total"], shown["started"]) == (10, 10)


async def test_another_pass_needs_a_campaign_that_is_under_way(
    skipping_engine: WorkflowEnvironment, engine: AsyncEngine, moved_rules: Path
) -> None:
    async with running(skipping_engine, engine, moved_rules) as house:
        unknown = await post(house, "2024/000000/rescan")
        assert (unknown.status, unknown.body["code"]) == (404, "campaign_not_found")
        await house.add(institution("gd-1", "440106", issuer="amr-440000"))
        await house.open(2024, "000000")
        assert (await get(house, "2024/000000"))["stage"] == ""
        for day, stage in (("01-13", "filing-and-review"), ("03-22", "ended")):
            await house.skip_to(
                datetime.fromisoformat(f"{2025 + LATER}-{day}T00:00:01+08:00")
            )  # fmt: skip
            for _ in range(200):
                if (await get(house, "2024/000000"))["stage"] == stage:
                    break
                await house.pause(0.025)
            assert (await get(house, "2024/000000"))["stage"] == stage
        for _ in range(200):
            over = await post(house, "2024/000000/rescan")
            if over.status != 202:
                break
            await house.pause(0.025)
        assert (over.status, over.body["code"]) == (409, "case_ended")
        # whoever was missed is begun alone and extended, as the refusal says
        assert "POST /api/filings/2024/机构编号" in over.body["remedy"]
        assert "zhibao campaign extend" in over.body["remedy"]
        await house.add(institution("gd-2", "440106", issuer="amr-440000"))
        operator = operator_of(house, "000000")
        begun = await house.send("POST", "/api/filings/2024/gd-2", operator)
        assert begun.status == 202, begun.body
        until = f"{2026 + LATER}-01-01T00:00:00+08:00"
        more = {"reason": "（生成）漏列", "until": until, "ids": ["gd-2"]}
        given = await house.send("POST", "/api/campaigns/2024/000000/extensions", operator, more)
        assert given.status == 202, given.body
        await house.until("2024/gd-2", "draft")
        # opening it again does not begin it again either
        assert (await post(house, "2024/000000")).status == 202
        assert (await get(house, "2024/000000"))["stage"] == "ended"


# --- who has not filed ---------------------------------------------------------------------------


async def test_non_filers_are_listed_by_their_status_and_nobody_else(
    whole_country: System,
) -> None:
    house = whole_country

    async def listed(status: str, jurisdiction: str = "000000") -> list[str]:
        found: list[str] = []
        cursor = ""
        while cursor is not None:
            path = f"2024/000000/non-filers?status={status}&size=3&cursor={cursor}"
            page = await get(house, path, jurisdiction)
            found += [item["institution"] for item in page["items"]]
            cursor = page["next"]
        return found

    # whoever never had a chance to file has not failed to
    for name in ("liaoning-0", "liaoning-1"):
        await house.until(f"2024/{name}", "after_window")
    drafts = [f"{p}-{n}" for p in ("fujian", "guangdong", "henan", "hunan") for n in range(2)]
    assert await listed("draft") == drafts
    assert await listed("lapsed") == []
    assert await listed("scheduled") == ["shaanxi-0", "shaanxi-1"]
    assert await listed("returned") == await listed("withdrawn") == []
    assert await listed("draft", "350000") == ["fujian-0", "fujian-1"]
    one = Filing(house, "guangdong-0", GUANGDONG)
    await one.submitted()
    assert await listed("draft") == [name for name in drafts if name != "guangdong-0"]
    await one.done("withdraw", one.filer)
    assert await listed("withdrawn") == ["guangdong-0"]
    default = await get(house, "2024/000000/non-filers?size=200")
    everybody = sorted([*await listed("draft"), "guangdong-0", *await listed("scheduled")])
    assert [item["institution"] for item in default["items"]] == everybody


async def test_a_campaign_that_is_not_open_has_no_list_of_non_filers_that_reads_as_all_filed(
    empty_house: System,
) -> None:
    operator = operator_of(empty_house)
    for path in ("", "/non-filers", "/timeline"):
        answer = await empty_house.send("GET", f"/api/campaigns/2024/000000{path}", operator)
        assert (answer.status, answer.body["code"]) == (404, "campaign_not_found"), path


async def test_a_second_campaign_over_the_same_place_leaves_the_first_ones_filings_alone(
    empty_house: System,
) -> None:
    house = empty_house
    await house.add(institution("fj-1", *FUJIAN[:1]), institution("gd-1", *GUANGDONG[:1]))
    await house.open(2024, "350000")
    before = await filings(house)
    assert [one["id"] for one in before] == ["filing/2024/fj-1"]
    # it comes to its end though one of its institutions files elsewhere, and says so
    await house.open(2024, "000000")
    shown = await get(house, "2024/000000")
    assert (shown["considered"], shown["started"], shown["elsewhere"]) == (2, 1, 1)
    assert sum(shown["statuses"].values()) == 1
    assert await filings(house, "&campaign=campaign/2024/350000") == before
    assert [one["id"] for one in await filings(house, "&campaign=campaign/2024/000000")] == [
        "filing/2024/gd-1"
    ]


async def test_a_place_within_an_open_campaign_opens_none_of_its_own(empty_house: System) -> None:
    house = empty_house
    await house.add(institution("fj-1", *FUJIAN[:1]))
    await house.open(2024, "000000")
    refused = await post(house, "2024/350000", "350000")
    assert (refused.status, refused.body["code"]) == (409, "campaign_covered")
    assert "000000" in refused.body["detail"]
    assert "--region 350000" in refused.body["remedy"]
    listed = (await house.send("GET", "/api/campaigns", operator_of(house))).body["items"]
    assert [one["case_id"] for one in listed] == ["campaign/2024/000000"]
