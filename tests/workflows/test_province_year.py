"""A province's year, from the dry run to the sealed close, over HTTP and command line."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.testing import WorkflowEnvironment

from audit.recompute import Recomputing
from domain.clock import day_of
from services.certificates.keys import add_key
from tests.api.documented import as_documented
from tests.api.people import REASONS
from tests.command import ROOT, ZHIBAO, environment
from tests.conftest import LATER
from tests.system import (
    CHECKER,
    FILER,
    KEY,
    OPERATOR,
    REVIEWER,
    Answer,
    System,
    institution,
    running,
)

pytestmark = pytest.mark.anyio

FUJIAN = "350000"
PATH = f"/api/campaigns/2023/{FUJIAN}"
CHAINS = {
    "fz": ("amr-350102", "amr-350100", "amr-350000"),
    "xm": ("amr-350203", "amr-350200", "amr-350000"),
}
MORE = """
    sample:
      share: "0.5"
      strata: all
      cite: {assume: 测试（生成）：抽取一半}
"""
PUBLICATION = """
  publication:
    fewest: 3
    figures:
      part: statistics
      values: [staff, reports, testing_revenue, patents]
      by_field:
        table: reports_by_field
        column: field
        adds_up_to: {reports: reports, revenue: testing_revenue}
      dominant: 80
      cite: {assume: 测试（生成）：从业人员、报告、收入、专利可以公布}
    cite: {assume: 测试（生成）：少于三家的不公布}

  quality_check:
"""


def moment(text_: str) -> datetime:
    year, rest = text_.split("-", 1)
    return datetime.fromisoformat(f"{int(year) + LATER}-{rest}+08:00")


@pytest.fixture
async def province(
    skipping_engine: WorkflowEnvironment, engine: AsyncEngine, moved_rules: Path, tmp_path: Path
) -> AsyncIterator["Province"]:
    folder = tmp_path / "rules"
    shutil.copytree(moved_rules, folder)
    file = folder / "2023" / "national.yaml"
    before = file.read_text()
    after = before.replace("    by: samr\n", f"    by: samr{MORE}", 1)
    file.write_text(after.replace("\n  quality_check:\n", PUBLICATION, 1))
    async with running(skipping_engine, engine, folder) as house:
        yield Province(house, folder)


class Province:
    """The people of a province's year, and its operator's terminal."""

    def __init__(self, house: System, rules: Path) -> None:
        self.house = house
        self.rules = rules
        self.audit_keys = rules.parent / "audit-keys"
        self.checkpoints = rules.parent / "checkpoints"
        self.operator = house.token(OPERATOR, "operator-fj", FUJIAN)

    async def command(self, *words: str, code: int = 0) -> Any:
        """The JSON of one command line."""
        config = self.house.client.service_client.config
        process = await asyncio.create_subprocess_exec(
            *ZHIBAO,
            *words,
            "--json",
            cwd=ROOT,
            env=environment(
                DATABASE_URL=self.house.engine.url.render_as_string(hide_password=False),
                TEMPORAL_ADDRESS=config.target_host,
                TEMPORAL_NAMESPACE=self.house.client.namespace,
                ZHIBAO_TOKEN_KEY=KEY,
                ZHIBAO_RULES=str(self.rules),
                ZHIBAO_AUDIT_KEYS=str(self.audit_keys),
                ZHIBAO_CHECKPOINTS=str(self.checkpoints),
            ),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        told, errors = await process.communicate()
        assert process.returncode == code, errors.decode()
        return json.loads(told)

    async def ask(self, method: str, path: str, body: Any = None) -> Answer:
        return await self.house.send(method, f"{PATH}{path}", self.operator, body)

    async def done(self, lab: str, act: str, token: str, body: Any = None) -> Any:
        answer = await self.house.act(f"2023/{lab}", act, token, body)
        assert answer.status == 200, (lab, act, answer.body)
        return answer.body

    async def files(self, lab: str, *, again: bool = False) -> None:
        filer = self.house.token(FILER, f"clerk-{lab}", lab)
        if again:
            assert (await self.house.save(f"2023/{lab}", filer)).status == 200
        answer = await self.house.submit(f"2023/{lab}", filer)
        assert answer.status == 200, answer.body

    async def approved(self, lab: str) -> str:
        for authority in CHAINS[lab[:2]]:
            reviewer = self.house.token(REVIEWER, f"reviewer-{authority}", authority)
            await self.done(lab, "claim", reviewer)
            told = await self.done(lab, "approve", reviewer)
        return str(told["status"])

    async def checked(self, lab: str, outcome: str, **more: Any) -> None:
        checker = self.house.token(CHECKER, "checker-1", "samr")
        await self.done(lab, "quality", checker, {"outcome": outcome, **more})

    async def reopened(self, lab: str, until: str) -> None:
        body = {"reason": "（生成）举报属实", "until": moment(until).isoformat(), "document": ""}
        await self.done(lab, "reopen", self.operator, body)

    async def publishes_figures(self) -> None:
        """Four have completed, three of them in Fuzhou: only what is of all four can be shown."""
        address = f"/public/statistics/2023/{FUJIAN}/figures"
        shown = await self.house.send("GET", address)
        assert shown.status == 200, shown.body
        as_documented("/public/statistics/{period}/{jurisdiction}/figures", shown.body)
        kinds, fields = shown.body["tables"]
        assert [one["id"] for one in kinds["indicators"]][:2] == ["institutions", "staff"]
        assert [one["id"] for one in fields["indicators"]] == ["institutions", "reports", "revenue"]
        told = {(row["area"], row["group"]): row["figures"] for row in kinds["rows"]}
        assert told["total", "企业"][:3] == ["4", "144", "20800"]
        assert told["350100", "企业"][0] is told["350200", "企业"][0] is None
        assert told["350100", "事业单位"][0] == "0"
        for name in ("fz-", "xm-", "（生成）fz"):
            assert name not in json.dumps(shown.body, ensure_ascii=False)
        table = await self.house.http.get(f"{address}/table")
        assert table.status_code == 200, table.text
        lines = table.text.splitlines()
        assert "按类别,,合计,企业,从业人员,人,144" in lines
        assert "按领域,350100,福州市,食品,机构数,家,不公布" in lines
        printed = await self.command("campaign", "figures", "2023", FUJIAN)
        assert printed == shown.body
        page = await self.house.http.get(f"/statistics/2023/{FUJIAN}")
        assert page.status_code == 200, page.text
        assert "20800" in page.text
        nothing = await self.house.http.get("/statistics/2024/000000")
        assert nothing.status_code == 404

    async def statuses(self) -> dict[str, int]:
        shown = (await self.ask("GET", "")).body["statuses"]
        return {name: number for name, number in shown.items() if number}


async def test_a_province_s_year_from_the_dry_run_to_the_sealed_close(province: Province) -> None:
    house = province.house
    labs = {**dict.fromkeys(("fz-1", "fz-2", "fz-3", "fz-4"), "350102"), "xm-1": "350203",
            "xm-2": "350203"}  # fmt: skip
    await house.add(*(institution(lab, region) for lab, region in labs.items()))

    foreseen = await province.command("campaign", "open", "2023", FUJIAN, "--dry-run")
    assert (foreseen["must"], foreseen["opened"], foreseen["would_lapse"]) == (6, False, 0)
    opened = await province.command("campaign", "open", "2023", FUJIAN)
    assert opened["statuses"]["scheduled"] == 6
    # a city's own campaign would have nobody: everybody files in the province's
    city = await house.send("POST", "/api/campaigns/2023/350200", province.operator)
    assert city.status in (404, 409), city.body

    await house.skip_to(moment("2024-01-10T09:00:00"))
    for lab in ("fz-1", "fz-2", "fz-3"):
        await province.files(lab)
        assert await province.approved(lab) == "approved"
    await house.skip_to(moment("2024-02-29T12:00:00"))
    until = moment("2024-03-15T00:00:00").isoformat()
    extension = {
        "action": "extend",
        "selection": {"campaign": f"2023/{FUJIAN}", "region": "350200"},
        "until": until,
        "reason": "（生成）台风",
    }
    job = await house.send("POST", "/api/jobs", province.operator, extension)
    assert (job.status, job.body["total"]) == (202, 2)
    while (await house.send("GET", f"/api/jobs/{job.body['id']}", province.operator)).body[
        "state"
    ] != "done":
        await house.pause(0.05)

    # closed only when the last window is over, to the instant, and nothing is unfinished
    closes = moment("2024-03-08T00:00:00")
    await house.skip_to(closes - timedelta(seconds=30))
    early = await province.ask("POST", "/close", {})
    assert (early.status, early.body["code"]) == (409, "campaign_not_over")
    assert datetime.fromisoformat(early.body["at"]) == closes
    await house.skip_to(closes + timedelta(seconds=1))
    waiting = await province.ask("POST", "/close", {})
    assert (waiting.status, waiting.body["code"]) == (409, "filings_unfinished")
    assert "5 件" in waiting.body["detail"]
    bare = await province.ask("POST", "/close", {"unfinished": True})
    assert (bare.status, bare.body["code"]) == (422, "reason_required")
    assert (await province.ask("GET", "/summary")).body["code"] == "campaign_not_closed"

    # Fuzhou's fourth has lapsed with the province's last day, Xiamen has a week more
    assert await province.statuses() == {"approved": 3, "lapsed": 1, "draft": 2}
    await province.files("xm-1")
    assert await province.approved("xm-1") == "approved"
    missing = await province.command("campaign", "non-filers", "2023", FUJIAN)
    assert {row["institution"]: row["status"] for row in missing["rows"]} == {
        "fz-4": "lapsed",
        "xm-2": "draft",
    }
    words = ("--text", "（生成）请尽快完成", "--key", "march")
    jobs = [await province.command("campaign", "remind", "2023", FUJIAN, *words) for _ in range(2)]
    assert [(job["id"], job["total"]) for job in jobs] == [(jobs[0]["id"], 2)] * 2
    for _ in range(200):
        reminded = (await province.ask("GET", "/non-filers")).body["items"]
        if all(row["reminders_served"] for row in reminded):
            break
        await house.pause(0.05)
    assert [len(row["reminders_served"]) for row in reminded] == [1, 1]
    await house.skip_to(moment("2024-03-15T00:00:01"))
    assert await province.statuses() == {"approved": 4, "lapsed": 2}

    drawn = await province.ask("POST", "/sample")
    assert drawn.status == 202, drawn.body
    assert (drawn.body["draws"][0]["filings"], drawn.body["draws"][0]["drawn"]) == (4, 2)
    for _ in range(200):
        if (await province.statuses()) == {"quality_check": 2, "completed": 2, "lapsed": 2}:
            break
        await house.pause(0.05)
    sample = (await province.ask("GET", "/sample/1")).body["filings"]
    first, second = (one["case_id"].split("/")[2] for one in sample if one["drawn"])
    spared = next(one["case_id"].split("/")[2] for one in sample if not one["drawn"])
    await province.checked(first, "pass_with_remark", reason="（生成）口径请统一")
    await province.checked(second, "fail", **REASONS)

    # one is reopened for cause, corrected, and checked though it was not drawn
    await province.reopened(spared, "2024-03-25T00:00:00")
    await province.files(spared, again=True)
    assert await province.approved(spared) == "quality_check"
    await province.checked(spared, "pass")

    # drawn once more by code that no workflow runs, for the campaign and for each filing
    decided = Recomputing(house.engine)
    campaign = f"campaign/2023/{FUJIAN}"
    [draw] = (await decided.case(campaign)).decisions
    assert (draw.kind, draw.same, draw.recorded["drawn"]) == ("sample", True, 2)
    told = [
        (one.recorded, one.same)
        for name in (first, second, spared)
        for one in (await decided.case(f"filing/2023/{name}")).decisions
        if one.kind == "sample"
    ]
    assert told == [(True, True), (True, True), (False, True)]

    closed = await province.ask("POST", "/close", {})
    assert closed.status == 200, closed.body
    again = await province.ask("POST", "/close", {})
    assert again.body["sha256"] == closed.body["sha256"]
    told = await province.command("campaign", "summary", "2023", FUJIAN)
    assert (told["intact"], told["reproduced"], told["since"]) == (True, True, [])
    counts = told["document"]["counts"]
    wanted = {
        "must": 6, "submitted": 4, "not_filed": 2, "extended": 2, "reopened": 1, "sampled": 2,
        "passed": 1, "passed_with_remark": 1, "failed": 1, "completed": 4, "lapsed": 2,
        "unfinished": 0, "late": 0, "voluntary": 0,
    }  # fmt: skip
    assert counts == wanted
    # the read model, which the summary does not read, counts the same
    figures = (await province.ask("GET", "/progress")).body["total"]
    for name in ("must", "submitted", "completed", "lapsed", "not_filed", "late"):
        assert figures[name] == counts[name], name
    assert told["document"]["by_region"]["350203"]["completed"] == 1

    # without a key nothing is signed; closed again where there is one, it is, once
    assert (told["checkpoint"], closed.body["checkpoint"]) == (None, None)
    add_key(province.audit_keys, "audit-1", day_of(datetime.now(UTC)))
    signed = await province.command("campaign", "close", "2023", FUJIAN)
    sealed = json.loads((province.checkpoints / "checkpoint-000001.json").read_text())
    named = signed["checkpoint"]
    assert (named["number"], named["key"], named["sha256"]) == (1, "audit-1", sealed["sha256"])
    assert (signed["sha256"], sealed["key"]) == (told["sha256"], "audit-1")
    for act in ("close", "summary"):
        again_told = await province.command("campaign", act, "2023", FUJIAN)
        assert again_told["checkpoint"] == named, act
    assert len(list(province.checkpoints.glob("checkpoint-*.json"))) == 1

    # what comes later stands beside what was sealed
    await province.reopened("fz-1" if spared != "fz-1" else "fz-2", "2024-04-01T00:00:00")
    later = await province.command("campaign", "summary", "2023", FUJIAN)
    assert (later["sha256"], later["reproduced"]) == (told["sha256"], True)
    assert [(one["sealed"], one["now"]) for one in later["since"]] == [("completed", "returned")]

    # nobody of the public learns of a single institution
    shown = await house.send("GET", f"/public/statistics/2023/{FUJIAN}")
    assert shown.status == 200, shown.body
    rows = shown.body["rows"]
    assert (rows["total"]["total"], rows["350100"]["completed"]) == (6, None)
    assert all(n is None or n == 0 or n >= 3 for row in rows.values() for n in row.values())
    assert (await province.command("campaign", "published", "2023", FUJIAN))["rows"] == rows

    await province.publishes_figures()

    async with house.engine.begin() as connection:
        await connection.execute(
            text("UPDATE campaign_summaries SET document = replace(document, 'lapsed', 'lapsee')")
        )
    forged = await province.command("campaign", "summary", "2023", FUJIAN, code=1)
    assert (forged["intact"], forged["reproduced"]) == (False, False)
