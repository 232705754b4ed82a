"""The quality check of a sample: drawn by the rules, redrawn by an outsider, its own verdicts."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from deploy.embedded.postgres import EmbeddedPostgres
from tests.api.conftest import whole_system
from tests.api.people import REASONS, Filing
from tests.command import ROOT
from tests.system import CHECKER, OPERATOR, REVIEWER, Answer, System, certificate, institution

pytestmark = pytest.mark.anyio

ISSUER = "amr-440000"
GUANGZHOU, SHENZHEN = ("440106", ISSUER), ("440305", ISSUER)
PATH = "/api/campaigns/2024/000000"
SAMPLED = """
    sample:
      share: '0.25'
      at_least: 2
      strata: city
      cite: {assume: 测试（生成）：按市抽取四分之一，每市至少两件}
"""
LEVELS = """
    levels:
    - {id: first, label: 初审, by: samr, cite: {assume: 测试（生成）}}
    - {id: national, label: 国家级的, by: caiq, when: has_national, cite: {assume: 测试（生成）}}
    - {id: second, label: 复审, by: cnas, cite: {assume: 测试（生成）}}
"""


SPOT_CHECKS = """\
- id: spot-checks
  label: 抽查已通过审核的（生成）
  who: [province]
  measured: {by: checked, share: "0.5"}
  cite: {assume: 测试用的职责，没有这样的通知}
"""


def rules_with(folder: Path, source: Path, text: str) -> Path:
    """The open rules with more said of the national quality check."""
    shutil.copytree(source, folder)
    file = folder / "2024" / "national.yaml"
    before = file.read_text()
    assert "    by: samr\n" in before
    with_text = before.replace("    by: samr\n", f"    by: samr{text}")
    assert "\nduties:\n" in before
    file.write_text(with_text.replace("\nduties:\n", f"\nduties:\n{SPOT_CHECKS}"))
    return folder


@pytest.fixture
async def sampled(
    postgres: EmbeddedPostgres, open_rules: Path, tmp_path: Path
) -> AsyncIterator[System]:
    async with whole_system(postgres, rules_with(tmp_path / "rules", open_rules, SAMPLED)) as house:
        yield house


def operator(house: System) -> str:
    return house.token(OPERATOR, "operator-1", "000000")


async def spot_checks(house: System) -> tuple[str, bool]:
    """How far the province's duty has come that is measured by what was checked."""
    answer = await house.send("GET", "/api/duties", house.token(REVIEWER, "r", ISSUER))
    [duty] = [one for one in answer.body["items"] if one["measured"] == "checked"]
    return duty["figure"], duty["done"]


async def draw(house: System, **headers: str) -> Answer:
    return await house.send("POST", f"{PATH}/sample", operator(house), **headers)


async def shown(house: System, path: str = "") -> Any:
    answer = await house.send("GET", f"{PATH}/sample{path}", operator(house))
    assert answer.status == 200, answer.body
    return answer.body


async def labs(house: System, count: int, place: tuple[str, str], name: str) -> list[Filing]:
    made = [Filing(house, f"{name}-{n}", place) for n in range(count)]
    await house.add(*(institution(one.id, place[0], issuer=place[1]) for one in made))
    return made


async def approved(one: Filing) -> None:
    await one.claimed()
    answer = await one.done("approve", one.reviewer)
    assert answer.body["status"] == "approved"


async def settled(house: System, filings: list[Filing]) -> dict[str, str]:
    """Where filings stand once none of them waits for the draw."""
    for _ in range(400):
        stands = {one.case_id: await one.status() for one in filings}
        if "approved" not in stands.values():
            return stands
        await house.pause(0.05)
    raise AssertionError(stands)


def redrawn(told: dict[str, Any]) -> list[str]:
    """What an outsider comes to with the script in the documentation and nothing else."""
    page = (ROOT / "docs" / "campaigns.md").read_text()
    [script] = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    ran = subprocess.run(
        [sys.executable, "-I", "-c", script],
        input=json.dumps(told),
        capture_output=True,
        text=True,
        check=True,
    )
    return ran.stdout.split()


async def test_a_sample_is_drawn_by_the_rules_and_an_outsider_draws_the_same(
    sampled: System,
) -> None:
    house = sampled
    city, coast = (
        await labs(house, 6, GUANGZHOU, "gz"),
        await labs(house, 3, SHENZHEN, "sz"),
    )
    await house.open(2024, "000000")
    # what the seed is was settled before anybody filed, and nobody is told it
    before = (await shown(house))["draws"]
    assert [(one["number"], one["seed"], one["drawn_at"]) for one in before] == [(1, "", None)]
    early = await draw(house)
    assert (early.status, early.body["code"]) == (409, "nothing_to_draw")
    for one in (*city, *coast):
        await approved(one)
    assert (await shown(house))["waiting"] == 9

    answer = await draw(house, idempotency_key="once")
    assert answer.status == 202, answer.body
    first, second = answer.body["draws"]
    assert (first["filings"], first["drawn"]) == (9, 4)
    assert first["commitment"] == before[0]["commitment"]
    assert (second["seed"], second["drawn_at"]) == ("", None)
    assert second["commitment"] != first["commitment"]
    again = await draw(house, idempotency_key="once")
    assert again.body["draws"] == answer.body["draws"]

    told = await shown(house, "/1")
    assert told["same"]
    drawn = {one["case_id"] for one in told["filings"] if one["drawn"]}
    assert set(redrawn(told)) == drawn
    by_city = [one["stratum"] for one in told["filings"] if one["drawn"]]
    assert sorted(by_city) == ["440100", "440100", "440300", "440300"]

    stands = await settled(house, [*city, *coast])
    assert {case_id for case_id, status in stands.items() if status == "quality_check"} == drawn
    assert set(stands.values()) == {"quality_check", "completed"}
    none_left = await draw(house)
    assert (none_left.status, none_left.body["code"]) == (409, "nothing_to_draw")
    timeline = await house.send("GET", f"{PATH}/timeline", operator(house))
    steps = {entry["event"]: entry for entry in timeline.body["entries"]}
    assert first["seed"] in steps["sample_drawn"]["detail"]


async def test_one_sent_back_stays_drawn_and_one_reopened_is_checked_in_any_case(
    sampled: System,
) -> None:
    house = sampled
    filings = await labs(house, 3, GUANGZHOU, "gz")
    await house.open(2024, "000000")
    for one in filings:
        await approved(one)
    assert (await draw(house)).status == 202
    stands = await settled(house, filings)
    checked = next(one for one in filings if stands[one.case_id] == "quality_check")
    spared = next(one for one in filings if stands[one.case_id] == "completed")

    await checked.done("quality", checked.checker, {"outcome": "send_back", **REASONS})
    await house.save(checked.name, checked.filer)
    await checked.claimed()
    assert (await checked.done("approve", checked.reviewer)).body["status"] == "quality_check"

    cause = {"reason": "（生成）举报", "until": "2099-01-01T00:00:00+08:00", "document": ""}
    await spared.done("reopen", spared.operator, cause)
    await house.save(spared.name, spared.filer)
    await spared.claimed()
    assert (await spared.done("approve", spared.reviewer)).body["status"] == "quality_check"


async def test_who_comes_later_is_drawn_for_by_another_seed(sampled: System) -> None:
    house = sampled
    first, late = await labs(house, 2, GUANGZHOU, "gz")
    await house.open(2024, "000000")
    await approved(first)
    before = (await draw(house)).body["draws"]
    await approved(late)
    after = (await draw(house)).body["draws"]
    assert [one["filings"] for one in after] == [1, 1, 0]
    assert after[1]["commitment"] == before[1]["commitment"]
    assert after[0]["seed"] != after[1]["seed"]
    assert set(redrawn(await shown(house, "/2"))) == {late.case_id}


async def test_nobody_has_a_filing_drawn_or_spared_by_a_job(sampled: System) -> None:
    house = sampled
    [one] = await labs(house, 1, GUANGZHOU, "gz")
    await house.open(2024, "000000")
    await approved(one)
    body = {"action": "draw", "selection": {"ids": [one.case_id]}}
    for role, scope in ((OPERATOR, "000000"), (REVIEWER, ISSUER), (CHECKER, "samr")):
        refused = await house.send("POST", "/api/jobs", house.token(role, "x", scope), body)
        assert (refused.status, refused.body["code"]) == (422, "invalid_body")
    other = await house.send("POST", f"{PATH}/sample", house.token(OPERATOR, "p", "440000"))
    assert (other.status, other.body["code"]) == (403, "not_your_region")
    assert await one.status() == "approved"


async def test_verdicts_are_on_record_and_need_their_reasons(house: System) -> None:
    passed, remarked, faulty = [Filing(house, f"v-{n}", GUANGZHOU) for n in range(3)]
    await house.add(
        *(institution(one.id, one.region, issuer=ISSUER) for one in (passed, remarked, faulty))
    )
    for one in (passed, remarked, faulty):
        await house.send("POST", one.path, one.operator)
        await house.until(one.name, "draft")
        await one.checked()
    bare = await remarked.act("quality", remarked.checker, {"outcome": "pass_with_remark"})
    assert (bare.status, bare.body["code"]) == (422, "reason_required")
    await remarked.done(
        "quality", remarked.checker, {"outcome": "pass_with_remark", "reason": "（生成）口径"}
    )
    [verdict] = [
        e for e in await remarked.timeline(remarked.filer) if e["event"] == "quality_passed"
    ]
    assert (verdict["detail"], verdict["note"]["reason"]) == ("附意见", "（生成）口径")
    assert await remarked.status() == "completed"
    # while the filer can still correct it, it is sent back and not put down as faulty
    early = await faulty.act("quality", faulty.checker, {"outcome": "fail", "reason": "（生成）"})
    assert (early.status, early.body["code"]) == (409, "wrong_status")
    assert "退回" in early.body["remedy"] or "退回" in early.body["detail"]


async def test_each_level_is_passed_by_somebody_else_of_its_own_authority(
    postgres: EmbeddedPostgres, open_rules: Path, tmp_path: Path
) -> None:
    async with whole_system(postgres, rules_with(tmp_path / "r", open_rules, LEVELS)) as house:
        [one] = await labs(house, 1, GUANGZHOU, "gz")
        await house.open(2024, "000000")
        await one.checked()
        assert await spot_checks(house) == ("已核查 0/1 家（0.0%）", False)
        second = house.token(CHECKER, "second", "cnas")
        refused = await one.act("quality", second, {"outcome": "pass"})
        assert (refused.status, refused.body["code"]) == (404, "not_found")
        answer = await one.done("quality", one.checker, {"outcome": "pass"})
        assert answer.body["status"] == "quality_check"
        assert (await one.get()).body["authority"] == "cnas"
        same = house.token(CHECKER, f"checker-{one.id}", "cnas")
        refused = await one.act("quality", same, {"outcome": "pass"})
        assert (refused.status, refused.body["code"]) == (403, "same_person")
        # sent back at the second level, it begins at the first again
        await one.done("quality", second, {"outcome": "send_back", **REASONS})
        await house.save(one.name, one.filer)
        await one.claimed()
        await one.done("approve", one.reviewer)
        await one.done("quality", one.checker, {"outcome": "pass"})
        answer = await one.done("quality", second, {"outcome": "pass"})
        assert answer.body["status"] == "completed"
        assert await spot_checks(house) == ("已核查 1/1 家（100.0%）", True)


async def test_a_level_with_a_condition_is_passed_by_those_that_it_is_for(
    postgres: EmbeddedPostgres, open_rules: Path, tmp_path: Path
) -> None:
    async with whole_system(postgres, rules_with(tmp_path / "r", open_rules, LEVELS)) as house:
        both = Filing(house, "both", GUANGZHOU)
        held = (certificate("240001060017", ISSUER, 200), certificate("240000060018", "samr", 10))
        await house.add(institution(both.id, both.region, certificates=held))
        await house.open(2024, "000000")
        await both.checked()
        passed = []
        for authority in ("samr", "caiq", "cnas"):
            assert (await both.get()).body["authority"] == authority
            somebody = house.token(CHECKER, f"of-{authority}", authority)
            passed.append((await both.done("quality", somebody, {"outcome": "pass"})).body)
        assert [one["status"] for one in passed] == ["quality_check", "quality_check", "completed"]
