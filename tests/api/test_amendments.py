"""Amendments of a campaign's rules: foreseen, made filing by filing, and what is decided stays."""

import re
import shutil
from collections.abc import AsyncIterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from audit.recompute import Recomputing
from audit.verify import Keys, verify
from deploy.demo.publishing import publish_generated
from deploy.embedded.postgres import EmbeddedPostgres
from domain.case.commands import Role
from rules.check.checks import unfit
from rules.file.library import RuleLibrary
from tests.api.conftest import whole_system
from tests.api.documented import as_documented
from tests.api.people import GUANGDONG, HUNAN, LIAONING, SHAANXI
from tests.system import AUDITOR, FILER, OPERATOR, REVIEWER, Answer, System, institution

pytestmark = pytest.mark.anyio

PATH = "/api/campaigns/2024/000000"
WHY = {"reason": "受灾，延长三周（生成）", "document": "示例〔2025〕1号"}


@pytest.fixture
def folder(open_rules: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "rules"
    shutil.copytree(open_rules, folder)
    return folder


@pytest.fixture
async def house(postgres: EmbeddedPostgres, folder: Path) -> AsyncIterator[System]:
    """The campaign open with two institutions in each of four provinces."""
    async with whole_system(postgres, folder) as house:
        for name, (region, issuer) in {
            "gd": GUANGDONG, "hn": HUNAN, "ln": LIAONING, "sn": SHAANXI
        }.items():  # fmt: skip
            for n in range(2):
                await house.add(institution(f"{name}-{n}", region, issuer=issuer))
        await house.open(2024, "000000")
        yield house


def operator(house: System) -> str:
    return house.token(OPERATOR, "operator-1", "000000")


async def three_weeks_more(house: System, folder: Path, *names: str) -> None:
    """A published revision by which these provinces' windows close three weeks later."""
    for name in names:
        file = folder / "2024" / f"{name}.yaml"
        text = file.read_text("utf-8").replace("revision: 1", "revision: 2")
        file.write_text(
            re.sub(
                r"(to: ')(\d{4}-\d\d-\d\d)",
                lambda m: f"{m[1]}{date.fromisoformat(m[2]) + timedelta(days=21)}",
                text,
            ),
            "utf-8",
        )
        assert not unfit(RuleLibrary(folder), f"2024/{name}")
    await publish_generated(house.engine, folder, house.now())


async def amend(house: System, scope: str = "000000", **headers: str) -> Answer:
    token = house.token(OPERATOR, "operator-1", scope)
    return await house.send("POST", f"{PATH}/amendments", token, WHY, **headers)


async def settled(house: System, id_: str) -> dict[str, tuple[str, str]]:
    """What became of each filing of a job, once it is done: outcome and code."""
    for _ in range(600):
        job = (await house.send("GET", f"/api/jobs/{id_}", operator(house))).body
        if job["state"] == "done":
            break
        await house.pause(0.05)
    items = (await house.send("GET", f"/api/jobs/{id_}/items?size=200", operator(house))).body
    return {one["institution"]: (one["outcome"], one["code"]) for one in items["items"]}


async def filing(house: System, id_: str) -> dict[str, Any]:
    shown: dict[str, Any] = (
        await house.send("GET", f"/api/filings/2024/{id_}", house.token(AUDITOR, "auditor-1"))
    ).body
    return shown


async def regulators_are_told(house: System, amendment: str) -> None:
    """Whoever answers for the places is told once, and nobody of other places reads it."""

    async def told(role: Role, scope: str) -> list[dict[str, Any]]:
        token = house.token(role, f"of-{scope}", scope)
        items = (await house.send("GET", "/api/notices?kind=amendment", token)).body["items"]
        return [one for one in items if one["institution"] == ""]

    [notice] = await told(REVIEWER, "amr-610000")
    address = f"/api/notices/{notice['id']}"
    shown = await house.send("GET", address, house.token(REVIEWER, "r", "amr-610000"))
    assert amendment in shown.body["body"]
    assert WHY["document"] in shown.body["body"]
    assert "辖区内正在办理 2 件" in shown.body["body"]
    assert [one["id"] for one in await told(OPERATOR, "610000")] == [notice["id"]]
    assert [one["addressee"] for one in await told(REVIEWER, "amr-210000")] == ["amr-210000"]
    assert await told(REVIEWER, "amr-440000") == await told(OPERATOR, "440000") == []
    for role, scope in ((REVIEWER, "amr-440000"), (OPERATOR, "440000"), (FILER, "sn-0")):
        refused = await house.send("GET", address, house.token(role, "x", scope))
        assert refused.status == 404, (role, refused.body)


async def test_a_province_has_three_weeks_more_and_each_filing_its_outcome(
    house: System, folder: Path
) -> None:
    nothing = await amend(house)
    assert (nothing.status, nothing.body["code"]) == (409, "amendment_unneeded")
    before = {id_: await filing(house, id_) for id_ in ("sn-0", "ln-0", "gd-0")}
    await three_weeks_more(house, folder, "shaanxi", "liaoning")

    foreseen = (await house.send("GET", f"{PATH}/amendments/forecast", operator(house))).body
    as_documented("/api/campaigns/{period}/{jurisdiction}/amendments/forecast", foreseen)
    # those of Liaoning are on record as opened after their window: that is decided
    assert set(foreseen["revisions"]) == {"210000", "610000"}
    assert (foreseen["running"], foreseen["would_change"], foreseen["decided"]) == (6, 2, 0)
    assert {row["institution"] for row in foreseen["rows"]} == {"sn-0", "sn-1"}
    assert before == {id_: await filing(house, id_) for id_ in before}

    assert (await amend(house, "610000")).status == 403
    made = await amend(house, idempotency_key="once")
    assert (made.status, made.body["total"]) == (202, 2)
    assert await settled(house, made.body["id"]) == {"sn-0": ("done", ""), "sn-1": ("done", "")}
    assert (await amend(house, idempotency_key="once")).body["id"] == made.body["id"]
    assert (await amend(house)).body["code"] == "amendment_unneeded"

    after = await filing(house, "sn-0")
    closes, closed = (
        datetime.fromisoformat(one["windows"]["fill"]["closes"]) for one in (after, before["sn-0"])
    )
    assert closes - closed == timedelta(days=21)
    assert after["ruleset"]["revision"] == 2
    assert {id_: await filing(house, id_) for id_ in ("ln-0", "gd-0")} == {
        id_: before[id_] for id_ in ("ln-0", "gd-0")
    }
    filer = house.token(FILER, "filer-1", "sn-0")
    told = (await house.send("GET", "/api/filings/2024/sn-0/timeline", filer)).body["entries"][-1]
    assert (told["event"], told["label"]) == ("amended", "规则修订")
    assert "填报" in told["detail"]
    assert WHY["document"] in told["detail"]
    await house.parts.telling.tell_all()
    notices = (await house.send("GET", "/api/notices", filer)).body["items"]
    assert [one["kind"] for one in notices] == ["amendment"]
    await regulators_are_told(house, made.body["id"])
    shown = (await house.send("GET", f"{PATH}/amendments", operator(house))).body["items"]
    assert [(one["id"], one["amended"], one["refused"]) for one in shown] == [
        (made.body["id"], 2, 0)
    ]

    # and the record proves what became of whom
    keys = Keys(house.keys, None, None)
    verified = await verify(house.engine, house.client, keys, house.now)
    assert verified.findings == ()
    decided = (await Recomputing(house.engine).case("filing/2024/sn-0")).decisions
    assert [one.kind for one in decided if not one.same] == []
    assert "amendment" in {one.kind for one in decided}

    # who comes on record from here on has the new rules, from the first step on
    region, issuer = SHAANXI
    await house.add(institution("sn-2", region, issuer=issuer))
    await house.send("POST", f"{PATH}/rescan", operator(house))
    for _ in range(200):
        if "id" in (new := await filing(house, "sn-2")):
            break
        await house.pause(0.05)
    assert new["ruleset"] == after["ruleset"]
