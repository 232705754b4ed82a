"""Questions of a filer to its reviewer, and its requests to have a submission returned."""

from typing import Any

import pytest

from tests.api.people import FUJIAN, REASONS, Filing, filing
from tests.system import FILER, REVIEWER, System

pytestmark = pytest.mark.anyio

ASKED = {"text": "（生成）去年划转的人员计入哪一项？"}
ANSWERED = {"text": "（生成）计入从业人员"}
WHY = {"reason": "（生成）设备数有误"}


async def questions(found: Filing, token: str) -> list[dict[str, Any]]:
    answer = await found.get(token, "/questions")
    assert answer.status == 200, answer.body
    items: list[dict[str, Any]] = answer.body["items"]
    return items


async def titles(house: System, token: str, found: Filing) -> list[str]:
    listed = await house.send("GET", f"/api/notices?case={found.case_id}", token)
    return [one["title"] for one in listed.body["items"]]


async def test_a_question_is_answered_closed_and_reopened_and_kept_with_the_case(
    house: System,
) -> None:
    found = await filing(house, FUJIAN)
    # before anybody reviews it, the regulator of the place is asked
    county = house.token(REVIEWER, "somebody", "amr-350102")
    await found.done("questions", found.filer, ASKED)
    assert await titles(house, county, found) == ["填报机构提问"]
    [question] = await questions(found, county)
    assert (question["number"], question["state"]) == (1, "open")
    assert question["said"][0]["text"] == ASKED["text"]
    await found.done("questions/1/answer", county, ANSWERED)
    assert await titles(house, found.filer, found) == ["提问已有答复"]
    [answered] = await questions(found, found.filer)
    assert [one["text"] for one in answered["said"]] == [ASKED["text"], ANSWERED["text"]]
    # the filer deals with an authority, not with the person in it
    assert (answered["said"][1]["scope"], answered["said"][1]["subject"]) == ("amr-350102", "")
    # what is asked may quote a form: whoever may not read that sees that it was asked
    [told] = await questions(found, found.operator)
    assert (told["state"], told["said"][0]["text"]) == ("answered", None)
    await found.done("questions/1/close", found.filer)
    again = await found.act("questions/1/answer", county, ANSWERED)
    assert (again.status, again.body["code"]) == (409, "question_state")
    assert "已了结" in again.body["detail"]
    await found.done("questions/1/reopen", found.filer, WHY)
    await found.done("questions", found.filer, ASKED)
    states = [(one["number"], one["state"]) for one in await questions(found, found.filer)]
    assert states == [(1, "open"), (2, "open")]
    events = [one["event"] for one in await found.timeline() if one["event"] != "refused"]
    assert events[-5:] == [
        "question_asked", "question_answered", "question_closed", "question_reopened",
        "question_asked",
    ]  # fmt: skip


async def test_questions_have_their_people_and_their_bounds(house: System) -> None:
    found = await filing(house, FUJIAN)
    county = house.token(REVIEWER, "somebody", "amr-350102")
    unknown = await found.act("questions/3/answer", county, ANSWERED)
    assert (unknown.status, unknown.body["code"]) == (404, "not_found")
    for token, code in (
        (house.token(FILER, "x", "some-other-institution"), "not_your_case"),
        (county, "forbidden"),
    ):
        refused = await found.act("questions", token, ASKED)
        assert (refused.status, refused.body["code"]) == (403, code)
    elsewhere = house.token(REVIEWER, "x", "amr-440000")
    refused = await found.get(elsewhere, "/questions")
    assert (refused.status, refused.body["code"]) == (404, "not_found")
    for _ in range(20):
        await found.done("questions", found.filer, ASKED)
    full = await found.act("questions", found.filer, ASKED)
    assert (full.status, full.body["code"]) == (409, "too_many_questions")
    await found.done("questions/7/close", found.filer)
    await found.done("questions", found.filer, ASKED)
    labels = [one["label"] for one in await found.timeline() if one["event"] == "refused"]
    assert any(label.startswith("答复被拒绝") for label in labels)
    assert any(label.startswith("提问被拒绝") for label in labels)


async def test_what_somebody_has_claimed_can_be_asked_back(house: System) -> None:
    found = await filing(house)
    await found.submitted()
    unclaimed = await found.act("ask-return", found.filer, WHY)
    assert (unclaimed.status, unclaimed.body["code"]) == (409, "wrong_status")
    assert "withdraw" in unclaimed.body["remedy"]
    await found.done("claim", found.reviewer)

    async def asked() -> bool:
        tasks = (await house.send("GET", "/api/tasks?size=200", found.reviewer)).body["items"]
        [task] = [task for task in tasks if task["id"] == found.case_id]
        return bool(task["return_asked"])

    none = await found.act("decline-return", found.reviewer, WHY)
    assert (none.status, none.body["code"]) == (409, "wrong_status")
    assert not await asked()
    await found.done("ask-return", found.filer, WHY)
    assert await asked()
    assert "填报机构申请退回" in await titles(house, found.reviewer, found)
    again = await found.act("ask-return", found.filer, WHY)
    assert (again.status, again.body["code"]) == (409, "wrong_status")
    # it is answered before anything else is decided
    approved = await found.act("approve", found.reviewer)
    assert (approved.status, approved.body["code"]) == (409, "return_asked")
    blank = await found.act("decline-return", found.reviewer, {"reason": " "})
    assert blank.status == 422
    await found.done("decline-return", found.reviewer, {"reason": "（生成）数据无误"})
    assert not await asked()
    assert await titles(house, found.filer, found) == ["未予退回"]
    await found.done("ask-return", found.filer, WHY)
    await found.done("return", found.reviewer, REASONS)
    assert (await found.get()).body["return_asked"] is False
    # nothing of it is left when it comes in again
    await found.submitted()
    await found.done("claim", found.reviewer)
    assert not await asked()
    await found.done("approve", found.reviewer)
