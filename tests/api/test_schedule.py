"""What time brings: to a case and to a campaign, with its instant and where it stands."""

from datetime import timedelta
from typing import Any

import pytest

from domain.clock import day_of, first_instant
from domain.notices import Channel
from services.notices.delivery import Delivering
from services.notices.webhooks import Webhooks
from tests.api.people import GUANGDONG, SHAANXI, Filing, filing
from tests.system import KEYS, OPERATOR, System

pytestmark = pytest.mark.anyio


async def schedule(found: Filing) -> list[dict[str, Any]]:
    answer = await found.get(found.filer, "/schedule")
    assert answer.status == 200, answer.body
    items: list[dict[str, Any]] = answer.body["items"]
    return items


async def test_a_filing_lists_its_reminders_its_term_and_what_has_come(house: System) -> None:
    found = await filing(house, GUANGDONG)
    rows = await schedule(found)
    said = [(row["what"], row["state"], row["detail"]) for row in rows]
    assert said == [
        ("opened", "done", ""),
        ("remind", "waiting", "填报截止前七日提醒"),
        ("remind", "waiting", "填报截止前一日提醒"),
        ("lapse", "waiting", ""),
    ]
    closes = first_instant(day_of(house.now()) + timedelta(days=61))
    assert rows[-1]["at"] == closes.isoformat()
    assert rows[1]["at"] == (closes - timedelta(days=8)).isoformat()
    assert rows[2]["at"] == (closes - timedelta(days=2)).isoformat()
    # with the reviewer, it is the reviewer who is reminded
    await found.submitted()
    rows = await schedule(found)
    assert [row["detail"] for row in rows if row["what"] == "remind"] == [
        "审核截止前三日提醒审核部门"
    ]
    await found.done("cancel", found.operator, {"reason": "（生成）"})
    assert [row["what"] for row in await schedule(found)] == ["opened"]


async def test_what_is_ahead_waits_for_its_opening(house: System) -> None:
    [row] = await schedule(await filing(house, SHAANXI, until="scheduled"))
    assert (row["what"], row["state"], row["state_label"]) == ("open", "waiting", "等待")


async def test_a_delivery_is_waiting_then_retried_then_given_up_and_told_of(
    house: System,
) -> None:
    found = await filing(house)

    async def delivery() -> str:
        [row] = [row for row in await schedule(found) if row["what"] == "delivery"]
        state: str = row["state"]
        return state

    hooks = Webhooks(KEYS, ["127.0.0.1:9"])
    body = {"addressee": found.id, "channel": "webhook", "target": "http://127.0.0.1:9/x"}
    refused = await house.send("POST", "/api/addresses", found.operator, body)
    assert (refused.status, refused.body["code"]) == (422, "wrong_address")
    body["target"] = "https://127.0.0.1:9/x"
    registered = await house.send("POST", "/api/addresses", found.operator, body)
    assert registered.status == 201
    assert registered.body["secret"].startswith("whsec_")
    listed = await house.send("GET", f"/api/addresses?addressee={found.id}", found.operator)
    assert [(one["target"], one["secret"]) for one in listed.body["items"]] == [
        ("https://127.0.0.1:9/x", "")
    ]
    said = {"text": "（生成）", "channels": ["webhook"]}
    await found.done("reminders", found.operator, said)
    assert await delivery() == "waiting"
    # nobody listens there, and it may be named
    await Delivering(house.engine, None, hooks, house.now).deliver()
    assert await delivery() == "retrying"
    # a private address that nobody has named is given up at once
    later = house.now() + timedelta(minutes=1)
    await Delivering(house.engine, None, Webhooks(KEYS), lambda: later).deliver()
    assert await delivery() == "failed"
    path = "/api/outbox?state=failed&channel=webhook"
    [row] = [
        row
        for row in (await house.send("GET", path, found.operator)).body["items"]
        if row["addressee"] == found.id
    ]
    assert "ZHIBAO_WEBHOOK_HOSTS" in row["failure"]
    elsewhere = house.token(OPERATOR, "x", "350000")
    replay = f"/api/outbox/{row['id']}/replay"
    refused = await house.send("POST", replay, elsewhere)
    assert (refused.status, refused.body["code"]) == (404, "not_found")
    assert row["id"] not in [
        one["id"] for one in (await house.send("GET", path, elsewhere)).body["items"]
    ]
    replayed = await house.send("POST", replay, found.operator)
    assert (replayed.status, replayed.body["state"]) == (200, "waiting")
    end = f"/api/addresses/{registered.body['id']}/end"
    ended = await house.send("POST", end, found.operator)
    assert (ended.status, ended.body["active"]) == (200, False)


async def test_a_campaign_lists_its_stages_and_terms_in_numbers(house: System) -> None:
    found = await filing(house, GUANGDONG)
    answer = await house.send("GET", "/api/campaigns/2024/000000/schedule", found.operator)
    rows = answer.body["items"]
    assert [row["at"] for row in rows] == sorted(row["at"] for row in rows)
    stage = next(row for row in rows if row["what"] == "stage")
    assert (stage["label"], stage["state"]) == ("进入阶段：填报和审核", "done")
    counted = {(row["what"], row["state"]): row["count"] for row in rows}
    assert counted["draft", "waiting"] >= 1
    reminders = {row["label"] for row in rows if row["what"] == "remind"}
    assert "填报截止前七日提醒" in reminders
    assert Channel.MAIL.value not in reminders
