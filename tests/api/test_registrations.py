"""New institutions: asked for by their own account, decided by the operator of their region."""

from typing import Any

import pytest

from store import content, journal
from tests.api.test_institutions import shown
from tests.system import AUDITOR, FILER, OPERATOR, REVIEWER, Answer, System

pytestmark = pytest.mark.anyio

BODY: dict[str, Any] = {
    "name": "新所（生成）", "uscc": "91350102YY00000102", "region": "350102", "legal_person": False,
}  # fmt: skip
LIST = "/api/institutions/registrations"


async def ask(house: System, id_: str, token: str = "", **changes: Any) -> Answer:
    token = token or house.token(FILER, f"f-{id_}", id_)
    return await house.send("POST", f"/api/institutions/{id_}/registration", token, BODY | changes)


def county(house: System) -> str:
    return house.token(OPERATOR, "operator-gulou", "350102")


async def decide(house: System, asked: Answer, how: str, token: str = "", body: Any = None) -> Any:
    path = f"{LIST}/{asked.body['id']}/{how}"
    return await house.send("POST", path, token or county(house), body)


async def test_what_is_approved_is_on_the_register_and_all_of_it_on_record(house: System) -> None:
    asked = await ask(house, "reg-1")
    assert (asked.status, asked.body["state"], asked.body["alike"]) == (201, "asked", [])
    assert await shown(house, "reg-1") is None
    waiting = await house.send("GET", f"{LIST}?state=asked&size=200", county(house))
    assert asked.body["id"] in [one["id"] for one in waiting.body["items"]]
    done = await decide(house, asked, "approve")
    assert (done.status, done.body["state"]) == (200, "approved")
    known = await shown(house, "reg-1")
    assert (known["name"], known["legal_person"], known["certificates"]) == (
        "新所（生成）", False, [],
    )  # fmt: skip
    # once more, with another key, is the same decision
    assert (await decide(house, asked, "approve")).status == 200
    otherwise = await decide(house, asked, "refuse", body={"reason": "（生成）"})
    assert (otherwise.status, otherwise.body["code"]) == (409, "registration_decided")
    async with house.engine.connect() as connection:
        steps = await journal.steps(connection, "register/institutions")
    assert [
        (step.event, step.actor.subject)
        for step in steps
        if step.body.get("institution") == "reg-1"
    ] == [("registration_requested", "f-reg-1"), ("registration_approved", "operator-gulou")]
    again = await ask(house, "reg-1")
    assert (again.status, again.body["code"]) == (409, "already_registered")


async def test_a_refusal_has_a_reason_that_its_asker_reads_and_may_ask_again_after(
    house: System,
) -> None:
    asked = await ask(house, "reg-2")
    twice = await ask(house, "reg-2")
    assert (twice.status, twice.body["code"]) == (409, "registration_waiting")
    blank = await decide(house, asked, "refuse", body={"reason": " "})
    assert blank.status == 422
    done = await decide(house, asked, "refuse", body={"reason": "（生成）材料不全"})
    assert done.status == 200, done.body
    filer = house.token(FILER, "f-reg-2", "reg-2")
    own = await house.send("GET", "/api/institutions/reg-2/registration", filer)
    assert [(one["state"], one["reason"]) for one in own.body["items"]] == [
        ("refused", "（生成）材料不全")
    ]
    assert await shown(house, "reg-2") is None
    assert (await ask(house, "reg-2")).status == 201
    async with house.engine.connect() as connection:
        steps = await journal.steps(connection, "register/institutions")
        [refused] = [
            s for s in steps
            if s.event == "registration_refused" and s.body["institution"] == "reg-2"
        ]  # fmt: skip
        notes = await content.notes_by_sha256(connection, [refused.note_sha256])
    assert notes[refused.note_sha256] == {"reason": "（生成）材料不全"}


async def test_one_key_is_one_request(house: System) -> None:
    token = house.token(FILER, "f-reg-3", "reg-3")
    path = "/api/institutions/reg-3/registration"
    first = await house.send("POST", path, token, BODY, idempotency_key="reg-3-once")
    await decide(house, first, "refuse", body={"reason": "（生成）"})
    late = await house.send("POST", path, token, BODY, idempotency_key="reg-3-once")
    assert (late.status, late.body["id"], late.body["state"]) == (201, first.body["id"], "refused")


async def test_nobody_asks_for_or_decides_about_others(house: System) -> None:
    stranger = house.token(FILER, "thief", "another")
    assert (await ask(house, "reg-4", stranger)).body["code"] == "not_your_case"
    elsewhere = house.token(OPERATOR, "o", "440000")
    assert (await ask(house, "reg-4", elsewhere)).body["code"] == "not_your_region"
    asked = await ask(house, "reg-4")
    assert asked.status == 201
    for token, code in (
        (elsewhere, "not_found"), (house.token(OPERATOR, "o", "350200"), "not_found"),
        (house.token(FILER, "f-reg-4", "reg-4"), "forbidden"),
        (house.token(REVIEWER, "r", "amr-350000"), "forbidden"),
        (house.token(AUDITOR, "a"), "forbidden"),
    ):  # fmt: skip
        for how, body in (("approve", None), ("refuse", {"reason": "（生成）"})):
            answer = await decide(house, asked, how, token, body)
            assert (answer.status, answer.body["code"]) == (
                404 if code == "not_found" else 403,
                code,
            )
    listed = await house.send("GET", f"{LIST}?size=200", elsewhere)
    assert asked.body["id"] not in [one["id"] for one in listed.body["items"]]
    other = await house.send("GET", "/api/institutions/reg-4/registration", stranger)
    assert other.status == 403


async def test_who_decides_is_told_of_accounts_that_resemble_it_and_the_asker_is_not(
    house: System,
) -> None:
    first = await ask(house, "reg-5", name="同名所（生成）", uscc="")
    await decide(house, first, "approve")
    second = await ask(house, "reg-6", name="同名所(生成)", uscc="")
    assert second.body["alike"] == []
    listed = await house.send("GET", f"{LIST}?state=asked&size=200", county(house))
    [own] = [one for one in listed.body["items"] if one["institution"] == "reg-6"]
    assert own["alike"] == ["reg-5"]


@pytest.mark.parametrize(
    ("field", "value"),
    [("name", " "), ("uscc", "91350102YY00000103"), ("uscc", "9135"), ("region", "999999"),
     ("region", "000000"), ("legal_person", "是")],
)  # fmt: skip
async def test_what_is_no_institution_is_refused(house: System, field: str, value: str) -> None:
    answer = await ask(house, "reg-7", **{field: value})
    assert answer.status == 422, answer.body
    assert answer.body["code"] == "unknown_region" or (
        answer.body["errors"][0]["pointer"] == f"/{field}"
    )
