"""A complaint from the public, to the authority and back to its receipt."""

from typing import Any

import pytest
from sqlalchemy import text

from tests.system import AUDITOR, FILER, OPERATOR, REVIEWER, System, institution

pytestmark = pytest.mark.anyio

BODY = {"number": "JC-1", "about": "报告内容与委托不符", "contact": "complainant@example.org"}


async def complain(system: System, body: dict[str, Any], key: str) -> str:
    answer = await system.send("POST", "/public/complaints", body=body, idempotency_key=key)
    assert answer.status == 201, answer.body
    return str(answer.body["receipt"])


async def task(system: System, reviewer: str) -> dict[str, Any]:
    """The complaint in the authority's inbox."""
    for _ in range(200):
        found = (await system.send("GET", "/api/tasks", reviewer)).body["items"]
        if found:
            assert found[0]["kind"] == "complaint"
            return dict(found[0])
        await system.pause(0.05)
    raise AssertionError


async def state(system: System, receipt: str, wanted: str) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    for _ in range(200):
        shown = (await system.send("GET", f"/public/complaints/{receipt}")).body
        if shown["state"] == wanted:
            return shown
        await system.pause(0.05)
    raise AssertionError(shown)


async def test_a_complaint_is_followed_up_and_its_sender_told(system: System) -> None:
    receipt = await complain(system, BODY, "a")
    shown = await state(system, receipt, "in_review")
    assert (shown["outcome"], shown["reply"]) == (None, "")
    samr = system.token(REVIEWER, "reviewer-1", "samr")
    path = f"/api/complaints/{(await task(system, samr))['id'].partition('/')[2]}"

    seen = (await system.send("GET", path, samr)).body
    assert (seen["number"], seen["about"]) == (BODY["number"], BODY["about"])
    assert seen["contact"] == BODY["contact"]
    resolve = {"outcome": "substantiated", "reply": "经核实属实，已责令更正。", "reason": "附卷"}
    early = await system.send("POST", f"{path}/resolve", samr, resolve)
    assert (early.status, early.body["code"]) == (409, "not_claimed")
    assert (await system.send("POST", f"{path}/claim", samr, {})).status == 200
    colleague = system.token(REVIEWER, "reviewer-2", "samr")
    other = await system.send("POST", f"{path}/resolve", colleague, resolve)
    assert (other.status, other.body["code"]) == (409, "claimed_by_other")
    done = await system.send("POST", f"{path}/resolve", samr, resolve)
    assert (done.status, done.body["status"]) == (200, "completed")

    told = await state(system, receipt, "completed")
    for _ in range(200):
        if told["outcome"]:
            break
        await system.pause(0.05)
        told = await state(system, receipt, "completed")
    assert (told["outcome"], told["reply"]) == ("substantiated", resolve["reply"])
    assert (await system.send("GET", "/api/tasks", samr)).body["items"] == []
    auditor = system.token(AUDITOR, "auditor-1")
    entries = (await system.send("GET", f"{path}/timeline", auditor)).body["entries"]
    assert [entry["event"] for entry in entries if entry["event"] != "refused"] == [
        "complaint_received",
        "claimed",
        "complaint_resolved",
        "completed",
    ]


async def test_a_complaint_goes_on_to_a_colleague_and_to_the_authority_it_is_for(
    system: System,
) -> None:
    receipt = await complain(system, BODY, "f")
    await state(system, receipt, "in_review")
    first, second = (system.token(REVIEWER, f"reviewer-{n}", "samr") for n in (1, 2))
    xiamen = system.token(REVIEWER, "reviewer-9", "amr-350200")
    path = f"/api/complaints/{(await task(system, first))['id'].partition('/')[2]}"

    async def act(name: str, token: str, **body: str) -> tuple[int, str]:
        done = await system.send("POST", f"{path}/{name}", token, body)
        return done.status, done.body.get("code", "")

    on = {"authority": "amr-350200", "reason": "机构由该局监管"}
    assert await act("pass-on", first, **on) == (409, "not_claimed")
    assert await act("claim", first) == (200, "")
    # to a colleague: from then on it is theirs
    assert await act("hand-over", first, person="reviewer-2", reason="外出") == (200, "")
    assert await act("pass-on", first, **on) == (409, "claimed_by_other")
    # an operator of the authority gives it to somebody else of it
    operator = system.token(OPERATOR, "operator-x", "000000")
    assert await act("assign", operator, person="reviewer-3", reason="调离") == (200, "")
    second = system.token(REVIEWER, "reviewer-3", "samr")
    # nowhere, and to where it is, nothing is passed on; nor without a word
    for authority in ("amr-999999", "group-railway", "nobody"):
        assert await act("pass-on", second, **{**on, "authority": authority}) == (
            422,
            "invalid_body",
        )
    assert await act("pass-on", second, **{**on, "authority": "samr"}) == (409, "wrong_status")
    assert await act("pass-on", second, **{**on, "reason": " "}) == (422, "invalid_body")
    assert (await system.send("GET", path, xiamen)).status == 404
    assert await act("pass-on", second, **on) == (200, "")
    # whose it was sees what becomes of it, and nobody to reach; whose it is answers it
    before = await system.send("GET", path, second)
    assert (before.status, before.body["contact"]) == (200, "")
    assert await act("claim", second) == (403, "not_your_authority")
    shown = (await system.send("GET", path, xiamen)).body
    assert (shown["authority"], shown["claimed"], shown["contact"]) == (
        "amr-350200",
        False,
        BODY["contact"],
    )
    assert (await task(system, xiamen))["id"].endswith(path.rpartition("/")[2])
    assert await act("claim", xiamen) == (200, "")
    resolve = {"outcome": "unsubstantiated", "reply": "未发现。", "reason": "附卷"}
    assert await act("resolve", xiamen, **resolve) == (200, "")
    told = await state(system, receipt, "completed")
    assert "机构由该局监管" not in str(told)
    auditor = system.token(AUDITOR, "auditor-1")
    entries = (await system.send("GET", f"{path}/timeline", auditor)).body["entries"]
    [passed] = [one for one in entries if one["event"] == "complaint_passed_on"]
    assert passed["detail"] == "由 samr 转交 amr-350200"
    assert passed["note"]["reason"] == "机构由该局监管"


async def test_only_the_receipt_leads_back_and_only_the_authority_sees_who_complains(
    system: System,
) -> None:
    await system.add(institution("lab"))
    name = institution("lab").name
    receipt = await complain(system, {**BODY, "number": "", "institution": name}, "b")
    wrong = receipt[:-1] + ("A" if receipt[-1] != "A" else "B")
    missing = await system.send("GET", f"/public/complaints/{wrong}")
    assert (missing.status, missing.body["code"]) == (404, "not_found")
    samr = system.token(REVIEWER, "reviewer-1", "samr")
    case_id = (await task(system, samr))["id"]
    path = f"/api/complaints/{case_id.partition('/')[2]}"
    operator = system.token(OPERATOR, "operator-1", "000000")
    assert (await system.send("GET", path, operator)).body["contact"] == ""
    lab = system.token(FILER, "clerk", "lab")
    assert (await system.send("GET", path, lab)).status == 403
    elsewhere = system.token(REVIEWER, "reviewer-9", "amr-430000")
    assert (await system.send("GET", path, elsewhere)).status == 404
    # nothing that was written is in the engine, and the receipt is nowhere
    history = (await system.history(case_id)).to_json()
    for secret in (BODY["about"], BODY["contact"], receipt):
        assert secret not in history
    async with system.engine.connect() as connection:
        rows = (await connection.execute(text("SELECT c::text FROM complaints c"))).scalars().all()
    assert receipt not in "".join(rows)


async def test_the_same_request_again_has_the_same_receipt_and_one_case(system: System) -> None:
    first = await complain(system, BODY, "c")
    assert await complain(system, BODY, "c") == first
    assert await complain(system, BODY, "d") != first
    async with system.engine.connect() as connection:
        count = (await connection.execute(text("SELECT count(*) FROM complaints"))).scalar_one()
    assert count == 2


async def test_a_complaint_about_nothing_is_asked_what_it_is_about(system: System) -> None:
    answer = await system.send(
        "POST", "/public/complaints", body={"about": "不好"}, idempotency_key="e"
    )
    assert (answer.status, answer.body["errors"][0]["pointer"]) == (422, "/number")
