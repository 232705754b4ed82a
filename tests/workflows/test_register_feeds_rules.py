"""What becomes of a certificate decides who files, who reviews and who reports, from that day on.

The rules are the demonstration's: those of 2024 with windows that are open now.
"""

from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from deploy.demo.rules import write_rules
from deploy.embedded.postgres import EmbeddedPostgres
from domain.facts import CertificateFacts
from store import institutions
from tests.api.conftest import whole_system
from tests.certificates import Office, content
from tests.system import (
    CHECKER,
    FILER,
    OPERATOR,
    REVIEWER,
    Answer,
    System,
    certificate,
    institution,
)

pytestmark = pytest.mark.anyio

GUANGDONG, SHANDONG = "amr-440000", "amr-370000"
TODAY = datetime.now(ZoneInfo("Asia/Shanghai")).date()
DECIDED = {
    # before the first day of the quarter and the last of the year that the rules ask about
    "approved_on": "2024-06-03",
    "document": "（生成）许〔2024〕1号",
    "approver": "测试批准人",
}


@pytest.fixture(scope="module")
async def house(postgres: EmbeddedPostgres, short_folder: Path) -> AsyncIterator[System]:
    """A system with the national campaign and a quarter of report numbers open."""
    folder = short_folder / "register-rules"
    write_rules(folder, TODAY)
    async with whole_system(postgres, folder) as found:
        await found.open(2024, "000000")
        await found.open("2024Q4", "000000")
        yield found


class Lab:
    """An institution in Guangdong, its filing of 2024 and its certificates."""

    def __init__(self, house: System, id_: str) -> None:
        self.house = house
        self.id = id_
        self.path = f"/api/filings/2024/{id_}"
        self.filer = house.token(FILER, "lab-clerk", id_)
        self.operator = house.token(OPERATOR, "operator-1", "000000")

    def office(self, issuer: str = GUANGDONG) -> Office:
        return Office(self.house, issuer, self.id)

    async def certify(self, count: int = 2, issuer: str = GUANGDONG, renews: str = "") -> str:
        """A certificate its issuer has decided on, with so many parameters; its case's path."""
        office = self.office(issuer)
        body = {"content": content(self.id, issuer=issuer, capabilities=lines(count))}
        path = await office.begin(body | {"renews": renews}, office.clerk)
        taken = await office.apply(path, office.clerk, decided=DECIDED)
        assert (taken.status, taken.body["status"]) == (200, "completed"), taken.body
        return path

    async def start(self) -> Answer:
        return await self.house.send("POST", self.path, self.filer)

    async def reviewer(self) -> str:
        """Who would review: submits what is true of the register now, and takes it back."""
        saved = await self.house.save(f"2024/{self.id}", self.filer)
        assert saved.status == 200, saved.body
        done = await self.house.submit(f"2024/{self.id}", self.filer)
        assert done.status == 200, done.body
        assigned = str(done.body["authority"])
        assert (await self.house.act(f"2024/{self.id}", "withdraw", self.filer)).status == 200
        return assigned

    async def counted(self) -> list[str]:
        """The certificates that the rules are told of."""
        async with self.house.engine.connect() as connection:
            found = await institutions.by_ids(connection, [self.id])
        return [one.number for one in found[self.id].certificates]

    async def shown(self) -> dict[str, Any]:
        answer = await self.house.send("GET", f"/api/institutions/{self.id}", self.filer)
        return {one["number"]: one for one in answer.body["certificates"]}


def lines(count: int) -> list[dict[str, str]]:
    return [
        {"category": "混凝土", "item": f"项目{n}", "standard": "GB/T 50081", "year": "2019"}
        for n in range(count)
    ]


async def lab(house: System, id_: str, *known: CertificateFacts) -> Lab:
    await house.add(institution(id_, "440106", certificates=known))
    return Lab(house, id_)


def revoking(kind: str = "revoked") -> dict[str, str]:
    return {
        "ending": kind,
        "on": TODAY.isoformat(),
        "reason": "以欺骗手段取得",
        "document": "（生成）撤〔2026〕1号",
        "approver": "测试批准人",
    }


async def test_whoever_gets_a_certificate_has_to_file_and_its_issuer_reviews(
    house: System,
) -> None:
    new = await lab(house, "newly")
    refused = await new.start()
    assert (refused.status, refused.body["code"]) == (409, "not_in_statistics"), refused.body
    office = new.office()
    path = await office.begin({"content": content(new.id, issuer=GUANGDONG)})
    assert (await office.apply(path)).status == 200
    still = await new.start()
    assert (still.status, still.body["code"]) == (409, "not_in_statistics")
    await office.grant(path)
    # its first day is today, after the last day of the year that is filed
    late = await new.start()
    assert (late.status, late.body["code"]) == (409, "not_in_statistics")
    await new.certify()
    assert (await new.start()).status == 202
    await house.until(f"2024/{new.id}", "draft")
    assert await new.reviewer() == GUANGDONG


async def test_more_scope_makes_another_issuer_the_widest(house: System) -> None:
    wide = await lab(house, "wider", certificate("241501060009", SHANDONG, scope=3))
    path = await wide.certify(2)
    await wide.start()
    await house.until(f"2024/{wide.id}", "draft")
    assert await wide.reviewer() == SHANDONG
    office = wide.office()
    draft = (await house.send("GET", f"{path}/draft", office.clerk)).body
    body = {"content": {**draft["content"], "capabilities": lines(4)}}
    saved = await house.send("PUT", f"{path}/draft", office.clerk, body, if_match='"1"')
    assert saved.status == 200, saved.body
    assert await wide.reviewer() == SHANDONG
    extended = await office.apply(path, office.clerk, purpose="extension", decided=DECIDED)
    assert extended.status == 200, extended.body
    assert await wide.reviewer() == GUANGDONG


@pytest.mark.parametrize("kind", ["deregistered", "revoked", "rescinded"])
async def test_an_issuer_whose_certificate_has_ended_reviews_no_more(
    house: System, kind: str
) -> None:
    ended = await lab(house, f"ended-{kind}", certificate(f"24150106{len(kind):04}", SHANDONG, 1))
    path = await ended.certify(5)
    await ended.start()
    await house.until(f"2024/{ended.id}", "draft")
    assert await ended.reviewer() == GUANGDONG
    office = ended.office()
    number = (await office.held(path))["number"]
    assert (await office.end(path, revoking(kind))).status == 200
    assert await ended.reviewer() == SHANDONG
    shown = await ended.shown()
    assert (shown[number]["status"], len(shown)) == (kind, 2)
    assert shown[number]["status_label"] in ("注销", "撤销", "吊销")


async def test_who_has_lost_its_only_certificate_is_outside_the_statistics(house: System) -> None:
    alone = await lab(house, "alone")
    path = await alone.certify()
    office = alone.office()
    assert (await office.end(path, revoking())).status == 200
    refused = await alone.start()
    assert (refused.status, refused.body["code"]) == (409, "not_in_statistics")


async def test_a_renewed_certificate_counts_once(house: System) -> None:
    lasting = await lab(house, "lasting")
    first = await lasting.office().held(await lasting.certify(3))
    second = await lasting.office().held(await lasting.certify(3, renews=first["code"]))
    for _ in range(200):
        if await lasting.counted() == [second["number"]]:
            break
        await house.pause(0.05)
    assert await lasting.counted() == [second["number"]]
    shown = await lasting.shown()
    assert shown[first["number"]]["status"] == "superseded"
    assert (shown[second["number"]]["status"], shown[second["number"]]["code"]) == (
        "valid",
        second["code"],
    )


async def test_the_newly_certified_report_after_their_first_filing(house: System) -> None:
    first = await lab(house, "first")
    batch = f"/api/report-batches/2024Q4/{first.id}"
    outside = await house.send("POST", batch, first.filer)
    assert (outside.status, outside.body["code"]) == (409, "not_in_reporting"), outside.body
    await first.certify()
    assert (await first.start()).status == 202
    await house.until(f"2024/{first.id}", "draft")
    assert (await house.send("POST", batch, first.filer)).status == 202
    while (await house.send("GET", batch, first.filer)).status != 200:
        await house.pause(0.05)
    early = await upload(first, batch)
    assert early.body["code"] == "first_filing_not_completed", early.body
    assert (await house.submit(f"2024/{first.id}", first.filer)).status == 200
    reviewer = house.token(REVIEWER, "first-reviewer", GUANGDONG)
    checker = house.token(CHECKER, "first-checker", "samr")
    for name, token, body in (
        ("claim", reviewer, {}),
        ("approve", reviewer, {}),
        ("quality", checker, {"outcome": "pass"}),
    ):
        done = await house.act(f"2024/{first.id}", name, token, body)
        assert done.status == 200, (name, done.body)
    assert (await upload(first, batch)).status == 202


_uploads = iter(range(100))


async def upload(one: Lab, batch: str) -> Answer:
    answer = await one.house.http.post(
        f"{batch}/uploads",
        content="报告编号,出具日期\r\nR-1,2024-11-01\r\n".encode(),
        headers={
            "authorization": f"Bearer {one.filer}",
            "content-type": "text/csv",
            "idempotency-key": f"upload-{next(_uploads)}",
        },
    )
    return Answer(answer.status_code, answer.json(), answer.headers)
