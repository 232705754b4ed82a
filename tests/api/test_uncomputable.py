"""A condition of the rules that comes to no result for one institution holds up nobody else."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from audit.recompute import Recomputing
from audit.verify import Keys, verify
from deploy.demo.publishing import publish_generated
from deploy.embedded.postgres import EmbeddedPostgres
from tests.api.conftest import whole_system
from tests.api.test_institutions import load, row, table
from tests.system import AUDITOR, FILER, OPERATOR, Answer, System, certificate, institution

pytestmark = pytest.mark.anyio

DIVIDES = "1 / (certs.size() - 7) < 100"


def broken(folder: Path, section: str, item: str) -> None:
    """Has the first condition of a part of the year divide by nothing for who has seven."""
    for file in folder.glob("2024/*.yaml"):
        rules = yaml.safe_load(file.read_text("utf-8"))
        rules["revision"] += 1
        for first in rules.get(section, {}).get(item, [])[:1]:
            first["when"] = f"({first['when']}) && {DIVIDES}"
        file.write_text(yaml.safe_dump(rules, allow_unicode=True), "utf-8")


def with_certificates(id_: str, count: int) -> Any:
    held = tuple(certificate(f"24{len(id_):04}{n:06}", "amr-350000") for n in range(count))
    return institution(id_, "350102", certificates=held)


@pytest.fixture
def folder(open_rules: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "rules"
    shutil.copytree(open_rules, folder)
    return folder


@pytest.fixture
async def house(postgres: EmbeddedPostgres, folder: Path) -> AsyncIterator[System]:
    async with whole_system(postgres, folder) as house:
        await house.add(with_certificates("lab", 1), with_certificates("lab-seven", 7))
        yield house


def operator(house: System) -> str:
    return house.token(OPERATOR, "operator-1", "000000")


async def settled(house: System, job: str) -> dict[str, str]:
    """What became of each item of a job, once it is done: "" or the code of a refusal."""
    for _ in range(600):
        if (await house.send("GET", f"/api/jobs/{job}", operator(house))).body["state"] == "done":
            break
        await house.pause(0.05)
    items = (await house.send("GET", f"/api/jobs/{job}/items", operator(house))).body["items"]
    return {item["institution"]: item["code"] for item in items}


async def test_whoever_the_opening_cannot_be_computed_for_is_refused_on_record(
    house: System, folder: Path
) -> None:
    broken(folder, "filing", "obligation")
    await publish_generated(house.engine, folder, house.now())
    place = "/api/campaigns/2024/000000"
    foreseen = (await house.send("GET", f"{place}/forecast", operator(house))).body
    assert (foreseen["must"], foreseen["uncomputable"]) == (1, 1)
    await house.open(2024, "000000")
    shown = (await house.send("GET", place, operator(house))).body
    assert (shown["considered"], shown["started"], shown["uncomputable"]) == (2, 1, 1)

    # on record with a code, by the institution's name, once for a pass over the register
    asked = "/api/audit/timeline?case=filing/2024/lab-seven"
    [entry] = (await house.send("GET", asked, house.token(AUDITOR, "auditor-1"))).body["entries"]
    assert (entry["rule"], entry["sequence"]) == ("condition_failed", None)
    assert "certs.size() - 7" in entry["detail"]
    reviewed = await house.send("GET", "/api/institutions/review/2024/000000", operator(house))
    doubts = {(one["institution"], one["kind"]) for one in reviewed.body["findings"]}
    assert ("lab-seven", "uncomputable") in doubts
    assert ("lab", "uncomputable") not in doubts
    asked_for = await house.send("POST", "/api/filings/2024/lab-seven", operator(house))
    assert (asked_for.status, asked_for.body["code"]) == (409, "condition_failed")
    keys = Keys(house.keys, None, None)
    assert (await verify(house.engine, house.client, keys, house.now)).findings == ()

    # a roster that makes it seven is taken; once it has fewer, the next pass begins its filing
    rows = [row("lab", f"2413000010{n:02}", uscc="") for n in range(7)]
    assert (await load(house, table(*rows))).status == 200
    await house.add(with_certificates("lab-seven", 6))
    await house.send("POST", f"{place}/rescan", operator(house))
    await house.until("2024/lab-seven", "draft")


async def test_an_amendment_that_cannot_be_computed_leaves_the_filing_as_it_is(
    house: System, folder: Path
) -> None:
    await house.open(2024, "000000")
    broken(folder, "filing", "obligation")
    await publish_generated(house.engine, folder, house.now())
    path = "/api/campaigns/2024/000000/amendments"
    foreseen = (await house.send("GET", f"{path}/forecast", operator(house))).body
    assert {one["institution"]: one["outcome"] for one in foreseen["rows"]} == {
        "lab": "changes",
        "lab-seven": "decided",
    }
    made = await house.send("POST", path, operator(house), {"reason": "改正（生成）"})
    assert made.status == 202, made.body
    assert await settled(house, made.body["id"]) == {"lab": "", "lab-seven": "condition_failed"}
    recomputed = await Recomputing(house.engine).case("filing/2024/lab-seven")
    assert [one.kind for one in recomputed.decisions if not one.same] == []


async def test_a_gate_that_cannot_be_computed_is_a_refusal_that_ends_the_upload(
    house: System, folder: Path
) -> None:
    broken(folder, "report_numbers", "gate")
    await publish_generated(house.engine, folder, house.now())
    await house.open(2024, "000000")

    async def uploaded(id_: str) -> Answer:
        token = house.token(FILER, f"clerk-{id_}", id_)
        batch = f"/api/report-batches/2024Q4/{id_}"
        assert (await house.send("POST", batch, token)).status == 202
        sent = await house.http.post(
            f"{batch}/uploads",
            content="报告编号,出具日期\nR-1,2024-12-05\n".encode(),
            headers={"Authorization": f"Bearer {token}", "Content-Type": "text/csv",
                     "Idempotency-Key": f"upload-{id_}"},
        )  # fmt: skip
        return Answer(sent.status_code, sent.json(), sent.headers)

    await house.open("2024Q4", "000000")
    refused = await uploaded("lab-seven")
    assert (refused.status, refused.body["code"]) == (409, "condition_failed"), refused.body
    assert (await uploaded("lab")).body["code"] == "first_filing_not_completed"
