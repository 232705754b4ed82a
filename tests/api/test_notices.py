"""催报 and other served notices: who may serve them, what they prove, who has seen them."""

from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import text

from services.notices.serving import served_reminders
from services.notices.telling import Telling
from tests.api.people import FUJIAN, SHAANXI, filing
from tests.system import FILER, OPERATOR, REVIEWER, System

pytestmark = pytest.mark.anyio

_UNTOLD = """
    UPDATE outbox o SET to_tell = true FROM journal j
    WHERE j.case_id = o.case_id AND j.sequence = o.sequence AND o.case_id = :id
      AND j.event = 'reminder_served'
"""

SAID: dict[str, Any] = {"text": "（生成）请尽快填报", "document": "（生成）函〔2025〕1号"}


async def notices(house: System, token: str, more: str = "") -> list[dict[str, Any]]:
    answer = await house.send("GET", f"/api/notices?size=200{more}", token)
    assert answer.status == 200, answer.body
    items: list[dict[str, Any]] = answer.body["items"]
    return items


async def test_a_reminder_to_file_is_served_with_proof_of_who_when_how_and_seen(
    house: System,
) -> None:
    late = await filing(house, FUJIAN)
    served = await late.done("reminders", late.operator, SAID)
    assert served.body["status"] == "draft"
    [mine] = await notices(house, late.filer)
    assert (mine["kind"], mine["kind_label"], mine["addressee"]) == (
        "reminder_to_file", "催报", late.id,
    )  # fmt: skip
    assert (mine["served_at"], mine["seen_at"]) == (served.body["at"], None)
    # the filer deals with an authority, not with the person in it; the list tells no text
    assert (mine["served_by"], mine["served_role"], mine["body"]) == ("", "经办人", None)
    ways = {way["channel"]: way["state"] for way in mine["channels"]}
    assert ways == {"message": "delivered", "mail": "waiting"}
    # whoever else looks at it has not seen it for its addressee
    [theirs] = await notices(house, late.operator, f"&case={late.case_id}")
    looked = await house.send("GET", f"/api/notices/{theirs['id']}", late.operator)
    assert (looked.body["served_by"], looked.body["seen_at"]) == ("operator-1", None)
    opened = await house.send("GET", f"/api/notices/{mine['id']}", late.filer)
    assert SAID["text"] in opened.body["body"]
    assert "24:00（北京时间）" in opened.body["body"]
    assert "依据：" in opened.body["body"]
    assert opened.body["seen_at"].endswith("+08:00")
    again = await house.send("GET", f"/api/notices/{mine['id']}", late.filer)
    assert again.body["seen_at"] == opened.body["seen_at"]
    last = (await late.timeline())[-1]
    assert (last["event"], last["label"], last["subject"]) == (
        "reminder_served", "催报", "operator-1",
    )  # fmt: skip
    assert last["note"]["reason"] == SAID["text"]
    assert "站内消息、电子邮件" in last["detail"]
    async with house.engine.connect() as connection:
        proof = await connection.execute(
            text("SELECT event FROM journal WHERE case_id = :id ORDER BY sequence"),
            {"id": f"notice/{mine['id']}"},
        )
        assert list(proof.scalars()) == ["notice_served", "notice_seen"]
        [at] = await served_reminders(connection, late.case_id)
    assert at.isoformat() == served.body["at"]


async def test_the_same_key_serves_one_notice_and_another_key_another(house: System) -> None:
    late = await filing(house)
    first = await late.done("reminders", late.operator, SAID, idempotency_key="r-1")
    again = await late.done("reminders", late.operator, SAID, idempotency_key="r-1")
    assert again.body == first.body
    assert len(await notices(house, late.filer)) == 1
    other = await late.act("reminders", late.operator, {"text": "x"}, idempotency_key="r-1")
    assert (other.status, other.body["code"]) == (422, "key_reused")
    await late.done("reminders", late.operator, SAID)
    assert len(await notices(house, late.filer)) == 2


async def test_who_has_not_filed_is_listed_with_its_reminders_as_of_any_instant(
    house: System,
) -> None:
    late = await filing(house, FUJIAN)

    async def reminded(as_of: str = "") -> list[str]:
        path = f"/api/campaigns/2024/000000/non-filers?size=200&region={late.region}{as_of}"
        rows = (await house.send("GET", path, late.operator)).body["items"]
        [row] = [row for row in rows if row["institution"] == late.id]
        served: list[str] = row["reminders_served"]
        return served

    assert await reminded() == []
    before = house.now().isoformat().replace("+", "%2B")
    first = (await late.done("reminders", late.operator, SAID)).body["at"]
    assert await reminded() == [first]
    assert first.endswith("+08:00")
    await house.pause(0.01)
    between = house.now().isoformat().replace("+", "%2B")
    second = (await late.done("reminders", late.operator, SAID)).body["at"]
    assert await reminded() == [first, second]
    assert await reminded(f"&as_of={before}") == []
    assert await reminded(f"&as_of={between}") == [first]
    # to the very instant
    at = datetime.fromisoformat(second).isoformat().replace("+", "%2B")
    assert await reminded(f"&as_of={at}") == [first, second]


@pytest.mark.parametrize(
    ("role", "scope", "status", "code"),
    [
        # the regulators of the region, up to the nation's, before it was anybody's turn
        (REVIEWER, "amr-350102", 200, None),
        (REVIEWER, "amr-350100", 200, None),
        (REVIEWER, "amr-350000", 200, None),
        (REVIEWER, "samr", 200, None),
        (REVIEWER, "amr-350200", 404, "not_found"),
        (REVIEWER, "amr-440000", 404, "not_found"),
        (REVIEWER, "cnas", 404, "not_found"),
        (REVIEWER, "group-railway", 404, "not_found"),
        (OPERATOR, "350100", 200, None),
        (OPERATOR, "350200", 404, "not_found"),
    ],
)
async def test_only_an_authority_over_the_region_serves_a_reminder(
    house: System, role: Any, scope: str, status: int, code: str | None
) -> None:
    late = await filing(house, FUJIAN)
    answer = await late.act("reminders", house.token(role, "somebody", scope), SAID)
    assert (answer.status, answer.body.get("code")) == (status, code)
    assert len(await notices(house, late.filer)) == (1 if status == 200 else 0)


async def test_a_notice_is_its_addressees_and_its_authoritys_and_nobody_elses(
    house: System,
) -> None:
    late = await filing(house, FUJIAN)
    await late.done("reminders", house.token(REVIEWER, "r", "amr-350100"), SAID)
    [mine] = await notices(house, late.filer)
    path = f"/api/notices/{mine['id']}"
    for role, scope, status in (
        (FILER, "some-other-institution", 404),
        (REVIEWER, "amr-440000", 404),
        (OPERATOR, "440000", 404),
        (REVIEWER, "amr-350100", 200),
        (OPERATOR, "350000", 200),
    ):
        token = house.token(role, "somebody", scope)
        assert (await house.send("GET", path, token)).status == status, (role, scope)
        seen = mine["id"] in [one["id"] for one in await notices(house, token)]
        assert seen is (status == 200), (role, scope)
    foreign = await house.send(
        "GET", f"/api/notices?institution={late.id}", house.token(FILER, "x", "x")
    )
    assert (foreign.status, foreign.body["code"]) == (403, "not_your_case")


async def test_who_owes_nothing_yet_or_no_more_is_not_reminded(house: System) -> None:
    ahead = await filing(house, SHAANXI, until="scheduled")
    refused = await ahead.act("reminders", ahead.operator, SAID)
    assert (refused.status, refused.body["code"]) == (409, "wrong_status")
    filed = await filing(house)
    await filed.submitted()
    refused = await filed.act("reminders", filed.operator, SAID)
    assert (refused.status, refused.body["code"]) == (409, "wrong_status")
    assert await notices(house, filed.filer) == []
    blank = await filed.act("reminders", filed.operator, {"text": "  "})
    assert blank.status == 422
    # its refusal is on record with who asked for it
    assert [one["event"] for one in await filed.timeline()][-1] == "refused"


async def test_what_a_crash_left_untold_is_told_by_the_worker_once(house: System) -> None:
    late = await filing(house)
    await late.done("reminders", late.operator, SAID)
    async with house.engine.begin() as connection:
        for statement in (
            "DELETE FROM notice_deliveries WHERE notice_id IN"
            " (SELECT id FROM notices WHERE case_id = :id)",
            "DELETE FROM notices WHERE case_id = :id",
            _UNTOLD,
        ):
            await connection.execute(text(statement), {"id": late.case_id})
    telling = Telling(house.engine, house.parts.pinned, house.now)
    await telling.tell_all()
    await telling.tell_all()
    assert len(await notices(house, late.filer)) == 1
    async with house.engine.begin() as connection:
        await connection.execute(text(_UNTOLD), {"id": late.case_id})
    await telling.tell_all()
    assert len(await notices(house, late.filer)) == 1
