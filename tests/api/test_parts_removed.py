"""A national centre that is taken from an institution while its filing is under way."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from deploy.demo.rules import write_rules
from deploy.embedded.postgres import EmbeddedPostgres
from domain.clock import day_of
from services.clock import system_clock
from tests.api.conftest import whole_system
from tests.api.people import GUANGDONG, Filing, open_findings
from tests.import_files import CSV
from tests.system import System, certificate, institution

pytestmark = pytest.mark.anyio

PART = """
  - id: social-responsibility
    form: social-responsibility-2023
    label: 社会责任报告
    required_when: institution.national_centres.size() > 0
    cite: {assume: （测试）有国家质检中心的还要填报社会责任报告}
"""
ROSTER = "机构编号,机构名称,监管区域代码,国家质检中心\r\n{0},测试机构 {0}（生成）,440106,{1}\r\n"


@pytest.fixture
async def house(postgres: EmbeddedPostgres, tmp_path: Path) -> AsyncIterator[System]:
    """Rules under which whoever has a national centre files a part for it."""
    rules = tmp_path / "rules"
    write_rules(rules, day_of(system_clock()))
    national = rules / "2024" / "national.yaml"
    before, found, after = national.read_text().partition("\n  windows:\n")
    assert found
    national.write_text(before + PART.rstrip() + found + after)
    async with whole_system(postgres, rules) as running:
        yield running


async def test_its_part_is_refused_by_name_until_the_draft_is_without_it(house: System) -> None:
    region, issuer = GUANGDONG
    owned = (certificate("241901069001", issuer),)
    await house.add(
        institution("centre", region, certificates=owned, national_centres=["某中心（生成）"])
    )
    await house.open(2024, "000000")
    lab = Filing(house, "centre", GUANGDONG)
    saved = (await lab.saved()).body
    assert set(saved["parts"]) == {"statistics", "social-responsibility"}
    assert open_findings(saved) == []

    taken = await house.http.post(
        "/api/institutions/imports",
        content=ROSTER.format("centre", "清除").encode(),
        headers={
            "Authorization": f"Bearer {lab.operator}",
            "Content-Type": CSV,
            "Idempotency-Key": "taken",
        },
    )
    assert taken.status_code == 200, taken.text
    assert ("国家质检中心", "某中心（生成）", "") in [
        (one["column"], one["old"], one["new"]) for one in taken.json()["changes"]
    ]

    shown = (await lab.get(lab.filer, "/draft")).body
    assert [(one["pointer"], one["code"]) for one in open_findings(shown)] == [
        ("/parts/social-responsibility", "part_not_required")
    ]
    body = {"revision": saved["revision"], "sha256": saved["sha256"]}
    refused = await lab.act("submit", lab.filer, body)
    assert (refused.status, refused.body["code"]) == (409, "part_not_required")
    assert "social-responsibility" in refused.body["detail"]
    assert "去掉 social-responsibility" in refused.body["remedy"]

    kept = {"parts": {"statistics": saved["parts"]["statistics"]}}
    revision = f'"{saved["revision"]}"'
    without = await house.send("PUT", f"{lab.path}/draft", lab.filer, kept, if_match=revision)
    assert (without.status, open_findings(without.body)) == (200, []), without.body
    body = {"revision": without.body["revision"], "sha256": without.body["sha256"]}
    assert (await lab.act("submit", lab.filer, body)).status == 200
