"""Extensions: for a filing, a list, a place and its newcomers; when they end, and end earlier."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from deploy.embedded.postgres import EmbeddedPostgres
from tests.api.conftest import whole_system
from tests.api.people import FUJIAN, GUANGDONG, LIAONING, Filing
from tests.system import AUDITOR, FILER, OPERATOR, REVIEWER, Answer, System, institution

pytestmark = pytest.mark.anyio

UNTIL = "2099-01-01T00:00:00+08:00"
PLACE = "/api/campaigns/2024/000000/extensions"


@pytest.fixture
async def country(postgres: EmbeddedPostgres, open_rules: Path) -> AsyncIterator[System]:
    """Three institutions in Guangdong, one in Fujian, two in Liaoning, whose windows are over."""
    async with whole_system(postgres, open_rules) as house:
        await house.add(
            *(institution(f"lab-{n}", GUANGDONG[0], issuer=GUANGDONG[1]) for n in range(3)),
            institution("fujian", FUJIAN[0], issuer=FUJIAN[1]),
            *(institution(f"late-{n}", LIAONING[0], issuer=LIAONING[1]) for n in range(2)),
        )
        await house.open(2024, "000000")
        yield house


def operator(house: System, jurisdiction: str = "000000") -> str:
    return house.token(OPERATOR, f"operator-{jurisdiction}", jurisdiction)


async def grant(
    house: System, place: str = "000000", token: str = "", key: str = "", **more: Any
) -> Answer:
    body = {"until": UNTIL, "reason": "（生成）台风停工", **more}
    headers = {"idempotency_key": key} if key else {}
    path = f"/api/campaigns/2024/{place}/extensions"
    return await house.send("POST", path, token or operator(house), body, **headers)


async def done(house: System, job: str) -> dict[str, Any]:
    for _ in range(600):
        shown = await house.send("GET", f"/api/jobs/{job}", operator(house))
        assert shown.status == 200, shown.body
        if shown.body["state"] == "done":
            return dict(shown.body)
        await house.pause(0.05)
    raise AssertionError(shown.body)


async def filing(house: System, name: str) -> dict[str, Any]:
    auditor = house.token(AUDITOR, "auditor-1")
    answer = await house.send("GET", f"/api/filings/2024/{name}", auditor)
    return dict(answer.body)


async def test_a_place_is_extended_and_whoever_comes_into_it_later_is_too(country: System) -> None:
    house = country
    answers = await asyncio.gather(
        *(
            grant(
                house, "440000", operator(house, "440000"), "once", region="440100",
                document="（示例）1号", authorised_by="广东省市场监督管理局",
            )
            for _ in range(3)
        )
    )  # fmt: skip
    assert {answer.status for answer in answers} == {202}
    [id_] = {answer.body["id"] for answer in answers}
    job = await done(house, id_)
    assert (job["total"], job["done"]) == (3, 3)
    for name, extended in (("lab-0", True), ("fujian", False), ("late-0", False)):
        shown = await filing(house, name)
        assert (shown["extension"] == id_) is extended, name
        assert (shown["extended_until"] == UNTIL) is extended
        assert (shown["windows"]["fill"]["closes"] == UNTIL) is extended
        assert (shown["due"] == UNTIL) is extended
    # one that comes on record later, in the city and outside of it
    await house.add(
        institution("newcomer", "440105", issuer=GUANGDONG[1]),
        institution("stranger", "440300", issuer=GUANGDONG[1]),
    )
    for name in ("newcomer", "stranger"):
        asked = await house.send("POST", f"/api/filings/2024/{name}", operator(house))
        assert asked.status == 202, asked.body
    assert (await filing(house, "newcomer"))["due"] == UNTIL
    assert (await filing(house, "stranger"))["extension"] == ""
    told = await house.send(
        "GET", "/api/filings/2024/newcomer/timeline", house.token(AUDITOR, "auditor-1")
    )
    [entry] = [entry for entry in told.body["entries"] if entry["event"] == "extended"]
    assert (entry["subject"], entry["note"]["reason"]) == ("operator-440000", "（生成）台风停工")
    # and it is acted on as any other
    await house.submit("2024/newcomer", house.token(FILER, "clerk-n", "newcomer"))
    whole = (await house.send("GET", f"{PLACE}/{id_}", operator(house))).body
    assert (whole["standing"], whole["total"], whole["extended"]) == (True, 3, 4)
    assert (whole["jurisdiction"], whole["open"]) == ("440100", True)
    assert whole["authorised_by"] == "广东省市场监督管理局"
    campaign = await house.send("GET", "/api/campaigns/2024/000000/timeline", operator(house))
    granted = [e for e in campaign.body["entries"] if e["event"] == "extension_granted"]
    assert [entry["detail"] for entry in granted] == [
        "440100 全部，至 2098-12-31 24:00（北京时间）（（示例）1号）"
    ]
    other = await grant(house, "440000", operator(house, "440000"), "once", region="440000")
    assert (other.status, other.body["code"]) == (422, "key_reused")


async def test_a_place_whose_windows_are_over_gets_its_filings_back_newcomers_included(
    country: System,
) -> None:
    house = country
    assert (await filing(house, "late-0"))["status"] == "after_window"
    await grant(house, "210000")
    await house.until("2024/late-0", "draft")
    await house.add(institution("late-2", LIAONING[0], issuer=LIAONING[1]))
    await house.send("POST", "/api/filings/2024/late-2", operator(house))
    await house.until("2024/late-2", "draft")
    sent = await house.submit("2024/late-2", house.token(FILER, "clerk-l", "late-2"))
    assert sent.status == 200, sent.body
    listed = await house.send(
        "GET", "/api/campaigns/2024/000000/non-filers?region=210000", operator(house)
    )
    assert {row["institution"]: row["extended_until"] for row in listed.body["items"]} == {
        "late-0": UNTIL, "late-1": UNTIL,
    }  # fmt: skip


async def test_an_extension_ends_by_itself_to_the_instant(country: System) -> None:
    house = country
    ends = datetime.now(UTC) + timedelta(seconds=4)
    given = await grant(house, "210000", until=ends.isoformat())
    await done(house, given.body["id"])
    clerk = house.token(FILER, "clerk-l", "late-0")
    await house.save("2024/late-0", clerk)
    lapsed = (await house.send("GET", "/api/filings/2024/late-0", clerk)).body
    assert datetime.fromisoformat(lapsed["due"]) == ends
    await house.pause((ends - datetime.now(UTC)).total_seconds() + 0.05)
    late = await house.submit("2024/late-0", clerk)
    assert (late.status, late.body["code"]) == (409, "fill_closed")
    shown = await house.send("GET", f"{PLACE}/{given.body['id']}", operator(house))
    assert shown.body["open"] is False
    # nobody who comes now is given what has ended
    await house.add(institution("late-3", LIAONING[0], issuer=LIAONING[1]))
    await house.send("POST", "/api/filings/2024/late-3", operator(house))
    assert (await filing(house, "late-3"))["status"] == "after_window"


async def test_a_list_and_a_selection_are_for_those_that_are_selected_now(country: System) -> None:
    house = country
    listed = await grant(house, ids=["lab-0", "filing/2024/fujian", "nobody"])
    job = await done(house, listed.body["id"])
    assert (job["done"], job["refused"], listed.body["standing"]) == (2, 1, False)
    await Filing(house, "lab-1", GUANGDONG).submitted()
    chosen = await grant(house, "440000", statuses=["draft"], until="2099-02-01T00:00:00+08:00")
    job = await done(house, chosen.body["id"])
    assert (job["total"], chosen.body["standing"]) == (2, False)
    one = await Filing(house, "fujian", FUJIAN).act(
        "extension",
        operator(house),
        {"until": "2099-03-01T00:00:00+08:00", "reason": "（生成）"},
        idempotency_key="single",
    )
    assert one.status == 200, one.body
    again = await Filing(house, "fujian", FUJIAN).act(
        "extension",
        operator(house),
        {"until": "2099-03-01T00:00:00+08:00", "reason": "（生成）"},
        idempotency_key="single",
    )
    assert again.body == one.body
    refused = await Filing(house, "fujian", FUJIAN).act(
        "extension", operator(house), {"until": UNTIL, "reason": "（生成）"}
    )
    assert (refused.status, refused.body["code"]) == (422, "extension_not_later")
    page = await house.send("GET", PLACE, operator(house))
    assert [(row["total"], row["extended"]) for row in page.body["items"]] == [
        (1, 1), (2, 2), (3, 0),
    ]  # fmt: skip
    of_fujian = await house.send("GET", PLACE, operator(house, "350000"))
    assert [row["total"] for row in of_fujian.body["items"]] == [1]


async def test_it_is_taken_back_where_the_own_window_runs_and_kept_where_it_is_relied_on(
    country: System,
) -> None:
    house = country
    given = await grant(house)
    id_ = given.body["id"]
    await done(house, id_)
    for wrong in (UNTIL, "2001-01-01T00:00:00+08:00"):
        answer = await house.send(
            "POST", f"{PLACE}/{id_}/shorten", operator(house), {"until": wrong, "reason": "x"}
        )
        assert (answer.status, answer.body["code"]) == (422, "extension_not_earlier"), wrong
    body = {"reason": "（生成）台风未登陆"}
    back, twice = [
        await house.send(
            "POST", f"{PLACE}/{id_}/shorten", operator(house), body, idempotency_key="back"
        )
        for _ in range(2)
    ]
    assert (back.status, twice.body) == (202, back.body)
    job = await done(house, back.body["shortened_job"])
    assert (job["done"], job["refused"]) == (4, 2)
    items = await house.send(
        "GET", f"/api/jobs/{back.body['shortened_job']}/items?outcome=refused", operator(house)
    )
    assert {(i["institution"], i["code"]) for i in items.body["items"]} == {
        ("late-0", "extension_relied_on"), ("late-1", "extension_relied_on"),
    }  # fmt: skip
    assert (await filing(house, "lab-0"))["windows"]["fill"]["closes"] != UNTIL
    assert (await filing(house, "late-0"))["due"] == UNTIL
    assert back.body["shortened_reason"] == "（生成）台风未登陆"
    # whoever comes now is given nothing
    await house.add(institution("late-4", LIAONING[0], issuer=LIAONING[1]))
    await house.send("POST", "/api/filings/2024/late-4", operator(house))
    assert (await filing(house, "late-4"))["status"] == "after_window"


async def test_who_may_extend_what(country: System) -> None:
    house = country
    province = operator(house, "440000")
    assert (await grant(house, "000000", province)).status == 403
    assert (await grant(house, "350000", province)).status == 403
    outside = await grant(house, "440000", province, region="350000")
    assert outside.status == 422
    reviewer = house.token(REVIEWER, "reviewer-1", "amr-440000")
    assert (await grant(house, "440000", reviewer)).status == 403
    past = await grant(house, until="2020-01-01T00:00:00+08:00")
    assert (past.status, past.body["code"]) == (422, "extension_not_later")
    never = await house.send(
        "POST",
        "/api/campaigns/2023/000000/extensions",
        operator(house),
        {"until": UNTIL, "reason": "（生成）"},
    )
    assert (never.status, never.body["code"]) == (404, "campaign_not_found")
    given = await grant(house, "350000")
    path = f"/api/campaigns/2024/350000/extensions/{given.body['id']}"
    assert (await house.send("GET", path, province)).status == 403
    assert (await house.send("GET", path.replace("350000", "440000"), province)).status == 404
    body = {"reason": "（生成）"}
    assert (await house.send("POST", f"{path}/shorten", province, body)).status == 403
