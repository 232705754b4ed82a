"""A certificate's life over HTTP: application, issue, change, renewal, and every end."""

import asyncio
import os
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner

from domain.certificates.statement import Statement, verify
from domain.clock import BEIJING, day_of
from engine.values import VALUES
from services.certificates.keys import SigningKeys
from store import journal
from store.certificates import register as certificates
from tests.certificates import ISSUER, Office, content
from tests.system import (
    AUDITOR,
    CLERK,
    FILER,
    REVIEWER,
    System,
    certificate,
    institution,
    running,
)
from workflows import case
from workflows.registry import WORKFLOWS

HISTORIES = Path(__file__).parent / "histories"
pytestmark = pytest.mark.anyio


@pytest.fixture
async def office(system: System) -> Office:
    await system.add(institution("lab", certificates=()))
    return Office(system)


async def events(system: System, path: str) -> list[str]:
    auditor = system.token(AUDITOR, "auditor-1")
    entries = (await system.send("GET", f"{path}/timeline", auditor)).body["entries"]
    return [entry["event"] for entry in entries if entry["event"] != "refused"]


async def save(office: Office, path: str, **changed: Any) -> None:
    """Saves the newest content with some of it changed."""
    draft = (await office.system.send("GET", f"{path}/draft", office.filer)).body
    body = {"content": {**draft["content"], **changed}}
    saved = await office.system.send(
        "PUT", f"{path}/draft", office.filer, body, if_match=f'"{draft["revision"]}"'
    )
    assert saved.status == 200, saved.body


async def register(engine: AsyncEngine, number: str) -> certificates.Registered:
    async with engine.connect() as connection:
        found = await certificates.by_number(connection, number)
    assert found is not None
    return found


def today() -> date:
    return datetime.now(BEIJING).date()


# --- from the application to the certificate ------------------------------------------------------


async def test_an_application_is_reviewed_numbered_checked_and_issued(
    system: System, office: Office
) -> None:
    path = await office.begin({"content": content()})
    applied = await office.apply(path)
    assert (applied.status, applied.body["status"]) == (200, "in_review"), applied.body
    await office.grant(path)
    shown: dict[str, Any] = (await system.send("GET", path, office.filer)).body
    held = shown["certificate"]
    assert shown["status"] == "completed"
    assert held["number"] == f"{today().year % 100:02d}1301060001"
    assert (held["status"], held["status_label"]) == ("valid", "有效")
    assert (held["issued_on"], held["valid_from"]) == (today().isoformat(),) * 2
    assert await events(system, path) == [
        "application_begun",
        "submitted",
        "assigned",
        "claimed",
        "approved",
        "numbered",
        "quality_check_started",
        "claimed",
        "quality_passed",
        "issued",
    ]
    entry = await register(system.engine, held["number"])
    assert (entry.code, entry.holder, entry.scope) == (held["code"], content()["holder"], 2)
    said = verify(entry.statement, SigningKeys(system.keys).published())
    assert isinstance(said, Statement)
    assert (said.number, said.code, said.holder) == (entry.number, entry.code, entry.holder)
    # the list shows what one looks for, and is narrowed by it
    waiting = await office.begin({"content": content()})
    for narrowed, wanted in (
        ("", {(held["number"], entry.holder), ("", "")}),
        (f"?number={held['number']}", {(held["number"], entry.holder)}),
        ("?number=999999999999", set()),
        (f"?name={entry.institution_name[1:4]}", {(held["number"], entry.holder), ("", "")}),
        ("?name=无此机构", set()),
        (f"?region={entry.region[:2]}0000", {(held["number"], entry.holder), ("", "")}),
        ("?region=650000", set()),
    ):
        for token in (office.clerk, office.filer):
            listed = await system.send("GET", f"/api/certificates{narrowed}", token)
            assert listed.status == 200, listed.body
            shown_as = {(item["number"], item["holder"]) for item in listed.body["items"]}
            assert shown_as == wanted, (narrowed, waiting)


async def test_a_broken_key_keeps_no_certificate_from_being_issued(
    system: System, office: Office
) -> None:
    for file in system.keys.glob("*.key"):
        file.write_text("no key at all")
    held = await office.held(await office.issue())
    entry = await register(system.engine, held["number"])
    assert (entry.status.value, entry.statement) == ("valid", "")


async def test_nothing_of_its_content_is_in_the_engine(system: System, office: Office) -> None:
    path = await office.issue()
    case_id = path.removeprefix("/api/").replace("certificates", "certificate")
    history = (await system.history(case_id)).to_json()
    for said in (content()["holder"], content()["address"], "抗压强度", "测试签字人"):
        assert said not in history


async def test_what_is_sent_back_keeps_its_number(system: System, office: Office) -> None:
    path = await office.begin({"content": content()})
    await office.apply(path)
    await office.act(path, "claim", office.reviewer)
    await office.act(path, "approve", office.reviewer)
    back = await office.act(
        path, "quality", office.checker, {"outcome": "send_back", "reason": "地址不全"}
    )
    assert back.body["status"] == "returned", back.body
    async with system.engine.connect() as connection:
        assert await certificates.by_case(connection, back.body["case_id"]) is None
    await save(office, path, address="福州市鼓楼区测试路1号2层")
    assert (await office.apply(path)).status == 200
    await office.grant(path)
    held = await office.held(path)
    assert held["number"].endswith("0001")
    second = await office.held(await office.issue())
    assert second["number"].endswith("0002")


@pytest.mark.parametrize(
    ("changed", "digits"),
    [({"field": "12"}, "1206"), ({"industry": "05"}, "0105")],
    ids=["field", "industry"],
)
async def test_what_is_sent_back_and_is_another_certificate_then_gets_another_number(
    system: System, office: Office, changed: dict[str, str], digits: str
) -> None:
    """Field and industry are digits of the number: the old one would say what is not so."""
    path = await office.begin({"content": content()})
    await office.apply(path)
    await office.act(path, "claim", office.reviewer)
    await office.act(path, "approve", office.reviewer)
    await office.act(path, "quality", office.checker, {"outcome": "send_back", "reason": "有误"})
    await save(office, path, **changed)
    assert (await office.apply(path)).status == 200
    await office.grant(path)
    held = await office.held(path)
    year = f"{today().year % 100:02d}"
    assert held["number"] == f"{year}13{digits}0002"
    entry = await register(system.engine, held["number"])
    assert entry.code == held["code"]
    said = verify(entry.statement, SigningKeys(system.keys).published())
    assert isinstance(said, Statement)
    assert (said.number, said.code) == (held["number"], held["code"])
    told = await events(system, path)
    assert told[told.index("number_voided") + 1] == "numbered"
    old = f"{year}1301060001"
    async with system.engine.connect() as connection:
        found = await connection.execute(
            text("SELECT code, voided_at, void_reason FROM certificate_numbers WHERE number = :n"),
            {"n": old},
        )
        [kept] = found.all()
        assert await certificates.by_number(connection, old) is None
    assert kept.voided_at is not None
    assert digits[:2] in kept.void_reason
    assert digits[2:] in kept.void_reason
    assert kept.code != held["code"]
    # nobody gets it: neither the next in turn nor who brings it
    assert (await office.held(await office.issue()))["number"] == f"{year}1301060003"
    again = await office.begin({"content": content()}, office.clerk)
    refused = await office.apply(again, office.clerk, decided={**DECIDED, "number": old})
    assert (refused.status, refused.body["code"]) == (409, "number_taken")


async def test_a_number_given_twice_over_is_voided_twice_and_the_last_one_stays(
    system: System, office: Office
) -> None:
    path = await office.begin({"content": content()}, office.clerk)
    for changed in ({"field": "12"}, {"field": "01"}, {"address": "福州市鼓楼区测试路8号"}):
        await office.apply(path)
        await office.act(path, "claim", office.reviewer)
        await office.act(path, "approve", office.reviewer)
        back = {"outcome": "send_back", "reason": "有误"}
        await office.act(path, "quality", office.checker, back)
        await save(office, path, **changed)
    await save(office, path, field="12")
    # taken over by the clerk, it is numbered anew all the same
    taken = await office.apply(path, office.clerk, decided=DECIDED)
    assert taken.status == 200, taken.body
    assert (await office.held(path))["number"].endswith("1312060004")
    assert (await events(system, path)).count("number_voided") == 3


async def test_an_application_can_be_returned_withdrawn_applied_for_again_and_refused(
    system: System, office: Office
) -> None:
    path = await office.begin({"content": content()})
    await office.apply(path)
    assert (await office.act(path, "withdraw", office.filer)).body["status"] == "withdrawn"
    await office.apply(path)
    await office.act(path, "claim", office.reviewer)
    wrong = {"reason": "请补", "fields": [{"part": "certificate", "field": "x", "reason": "?"}]}
    refused = await office.act(path, "return", office.reviewer, wrong)
    assert (refused.status, refused.body["errors"][0]["code"]) == (422, "unknown_field")
    wrong["fields"] = [{"part": "certificate", "field": "address", "reason": "不全"}]
    assert (await office.act(path, "return", office.reviewer, wrong)).body["status"] == "returned"
    assert (await system.send("GET", path, office.reviewer)).body["unchanged"] is False
    await office.apply(path)
    assert (await system.send("GET", path, office.reviewer)).body["unchanged"] is True
    await office.act(path, "claim", office.reviewer)
    ended = await office.act(path, "reject", office.reviewer, {"reason": "现场核查不合格"})
    assert ended.body["status"] == "cancelled", ended.body
    again = await office.apply(path)
    assert (again.status, again.body["code"]) == (409, "case_ended")


async def test_filer_reviewer_and_checker_are_three_people(system: System, office: Office) -> None:
    path = await office.begin({"content": content()}, office.clerk)
    await office.apply(path, office.clerk)
    same = system.token(REVIEWER, "issuing-clerk", ISSUER)
    refused = await office.act(path, "claim", same)
    assert (refused.status, refused.body["code"]) == (403, "same_person")
    await office.grant(path)
    # the next application has people of its own
    await save(office, path, address="福州市鼓楼区测试路9号")
    changed = await office.apply(path, office.filer, purpose="change", change="name-address")
    assert changed.status == 200, changed.body
    claimed = await office.act(path, "claim", system.token(REVIEWER, "issuing-checker", ISSUER))
    assert claimed.status == 200, claimed.body


def codes(warned: list[dict[str, str]]) -> list[str]:
    assert all(one["message"] and one["mend"] for one in warned)
    return [one["code"] for one in warned]


async def test_what_is_to_be_looked_at_stands_in_draft_and_case_before_the_issue(
    system: System, office: Office
) -> None:
    async def warned(path: str, token: str) -> list[str]:
        return codes((await system.send("GET", path, token)).body["warnings"])

    named = {"holder": "测试机构 lab（生成）"}
    path = await office.begin({"content": content(**named)})
    assert await warned(f"{path}/draft", office.filer) == []
    await save(office, path, holder="改名检测中心（生成）")
    assert await warned(f"{path}/draft", office.filer) == ["holder_differs"]
    applied = await office.apply(path)
    assert applied.status == 200
    assert codes(applied.body["warnings"]) == ["holder_differs"]
    for token in (office.filer, office.reviewer):
        assert await warned(path, token) == ["holder_differs"]
    await office.grant(path)
    assert await warned(path, office.reviewer) == []
    # the one it has is no second certificate of its own, but of another application
    assert await warned(f"{path}/draft", office.filer) == ["holder_differs"]
    other = await office.begin({"content": content(**named)}, office.clerk)
    assert await warned(f"{other}/draft", office.filer) == ["second_certificate"]
    code = (await office.held(path))["code"]
    renewal = await office.begin({"content": content(**named), "renews": code})
    assert await warned(f"{renewal}/draft", office.filer) == []
    elsewhere = await office.begin({"content": content(**named, industry="07")})
    assert await warned(f"{elsewhere}/draft", office.filer) == []
    await system.add(institution("hunan", "430102", certificates=()))
    strange = content("hunan", holder="测试机构 hunan（生成）")
    path = await office.begin({"content": strange}, office.clerk)
    assert await warned(f"{path}/draft", office.clerk) == ["other_province"]
    decided = {"approved_on": "2025-03-21", "document": "（生成）", "approver": "（生成）"}
    at_once = await office.apply(other, office.clerk, decided=decided)
    assert codes(at_once.body["warnings"]) == ["second_certificate"]


async def test_a_change_of_name_is_flagged_in_the_register_until_the_two_agree(
    system: System, office: Office
) -> None:
    auditor = system.token(AUDITOR, "auditor-1")

    async def shown() -> dict[str, Any]:
        return dict((await system.send("GET", "/api/institutions/lab", auditor)).body)

    path = await office.issue({"content": content(holder="测试机构 lab（生成）")})
    before = await shown()
    assert before["warnings"] == []
    assert [one["holder"] for one in before["certificates"]] == ["测试机构 lab（生成）"]
    await save(office, path, holder="新名检测中心（生成）")
    changed = await office.apply(path, purpose="change", change="name-address")
    assert changed.status == 200, changed.body
    assert (await shown())["warnings"] == []
    await office.grant(path)
    after = await shown()
    assert (after["name"], codes(after["warnings"])) == (before["name"], ["holder_differs"])
    assert "新名检测中心（生成）" in after["warnings"][0]["message"]
    listed = (await system.send("GET", "/api/institutions", auditor)).body["items"]
    assert [codes(one["warnings"]) for one in listed if one["id"] == "lab"] == [["holder_differs"]]
    renamed = institution("lab", certificates=()).model_copy(
        update={"name": "新名检测中心（生成）"}
    )
    await system.add(renamed)
    assert (await shown())["warnings"] == []


async def test_incomplete_content_is_told_place_by_place(system: System, office: Office) -> None:
    body = content(uscc="91620102739638125A", field="99", capabilities=[], address="")
    path = await office.begin({"content": body})
    refused = await office.apply(path)
    assert (refused.status, refused.body["code"]) == (422, "content_incomplete")
    wrong = {(one["pointer"], one["code"]) for one in refused.body["errors"]}
    assert wrong == {
        ("/content/uscc", "bad_uscc"),
        ("/content/field", "unknown_field"),
        ("/content/capabilities", "missing"),
        ("/content/address", "missing"),
    }


async def test_everybody_stays_within_their_own(system: System, office: Office) -> None:
    await system.add(institution("other", certificates=()))
    mine = await system.send(
        "POST", "/api/certificates", office.filer, {"content": content("other")}
    )
    assert (mine.status, mine.body["code"]) == (403, "not_your_case")
    hunan = system.token(CLERK, "hunan-clerk", "amr-430000")
    theirs = await system.send("POST", "/api/certificates", hunan, {"content": content()})
    assert (theirs.status, theirs.body["code"]) == (403, "not_your_authority")
    path = await office.begin({"content": content()})
    for token in (hunan, system.token(FILER, "other-clerk", "other")):
        assert (await system.send("GET", path, token)).status == 404
        assert (await system.send("GET", f"{path}/draft", token)).status == 404
        assert (await office.apply(path, office.filer)).status in (200, 409)
    claimed = await office.act(path, "claim", system.token(REVIEWER, "r", "amr-430000"))
    assert claimed.status == 404
    nobody = await system.send(
        "POST", "/api/certificates", office.clerk, {"content": content("unknown")}
    )
    assert (nobody.status, nobody.body["code"]) == (404, "unknown_institution")


# --- what was decided elsewhere -------------------------------------------------------------------

DECIDED = {"approved_on": "2026-11-02", "document": "闽市监许〔2026〕1号", "approver": "测试批准人"}


async def test_a_decision_made_elsewhere_is_taken_over_with_its_number(
    system: System, office: Office
) -> None:
    path = await office.begin({"content": content()}, office.clerk)
    alone = await office.apply(path, office.filer, decided=DECIDED)
    assert (alone.status, alone.body["code"]) == (403, "decided_by_issuer_only")
    kept = {**DECIDED, "number": "KEEP-1", "valid_from": "2026-11-02", "valid_to": "2032-11-01"}
    taken = await office.apply(path, office.clerk, decided=kept)
    assert (taken.status, taken.body["status"]) == (200, "completed"), taken.body
    held = await office.held(path)
    assert (held["number"], held["valid_to"]) == ("KEEP-1", "2032-11-01")
    twice = await office.begin({"content": content()}, office.clerk)
    refused = await office.apply(twice, office.clerk, decided=kept)
    assert (refused.status, refused.body["code"]) == (409, "number_taken")


async def test_a_listed_certificate_is_taken_over_by_its_holder_alone(
    system: System, office: Office
) -> None:
    listed = certificate("211301060345", ISSUER)
    await system.add(institution("other", certificates=(listed,)))
    kept = {
        **DECIDED,
        "number": listed.number,
        "valid_from": "2026-11-02",
        "valid_to": "2032-11-01",
    }
    path = await office.begin({"content": content()}, office.clerk)
    refused = await office.apply(path, office.clerk, decided=kept)
    assert (refused.status, refused.body["code"]) == (409, "number_taken")
    theirs = await office.begin({"content": content("other")}, office.clerk)
    assert (await office.apply(theirs, office.clerk, decided=kept)).status == 200
    assert (await register(system.engine, listed.number)).origin == "issued"


async def test_an_annex_of_many_thousand_lines_is_taken(system: System, office: Office) -> None:
    lines = [
        {"category": "水", "item": f"参数{n}（生成）", "standard": "HJ 1", "year": "2017"}
        for n in range(12_000)
    ]
    path = await office.issue({"content": content(capabilities=lines)})
    held = await office.held(path)
    assert (await register(system.engine, held["number"])).scope == 12_000


@pytest.mark.parametrize(
    "changed",
    [
        {"approved_on": "2999-01-01"},
        {"valid_from": "2026-11-02"},
        {"number": "K", "valid_from": "2026-11-03", "valid_to": "2026-11-02"},
        {"valid_from": "2026-11-02", "valid_to": "2032-11-01"},
        # slips of the pen, on days that neither a statement nor a calendar can hold
        {"approved_on": "1999-12-31"},
        {"approved_on": "0001-01-01"},
        {"number": "K", "valid_from": "0206-11-02", "valid_to": "2032-11-01"},
        {"number": "K", "valid_from": "2026-11-02", "valid_to": "9999-12-31"},
    ],
)
async def test_an_impossible_decision_is_refused(office: Office, changed: dict[str, str]) -> None:
    path = await office.begin({"content": content()}, office.clerk)
    refused = await office.apply(path, office.clerk, decided={**DECIDED, **changed})
    assert (refused.status, refused.body["code"]) == (422, "decision_impossible"), refused.body


async def test_a_listed_certificate_of_another_authority_is_not_taken_over(
    system: System, office: Office
) -> None:
    listed = certificate("213301060345", "amr-330000")
    await system.add(institution("lab", certificates=(listed,)))
    kept = {
        **DECIDED,
        "number": listed.number,
        "valid_from": "2026-11-02",
        "valid_to": "2032-11-01",
    }
    path = await office.begin({"content": content()}, office.clerk)
    refused = await office.apply(path, office.clerk, decided=kept)
    assert (refused.status, refused.body["code"]) == (403, "other_issuer"), refused.body
    assert (await register(system.engine, listed.number)).issuer == "amr-330000"


@pytest.mark.parametrize(
    ("number", "kept"),
    [
        ("211301060345", True),
        ("211101060345", False),
        # the code table does not know 33, nor the rule numbers of another shape
        ("213301060345", True),
        ("CMA-2111-MIN", True),
    ],
)
async def test_a_number_of_another_authority_is_not_kept_though_no_list_knows_it(
    system: System, office: Office, number: str, kept: bool
) -> None:
    days = {"valid_from": "2026-11-02", "valid_to": "2032-11-01"}
    path = await office.begin({"content": content()}, office.clerk)
    answer = await office.apply(path, office.clerk, decided={**DECIDED, "number": number, **days})
    if kept:
        assert answer.status == 200, answer.body
        assert (await office.held(path))["number"] == number
        return
    assert (answer.status, answer.body["code"]) == (403, "other_issuer"), answer.body
    for name in ("福建省市场监督管理局", "浙江省市场监督管理局", number):
        assert name in answer.body["detail"]
    async with system.engine.connect() as connection:
        assert await certificates.by_number(connection, number) is None
    # without it the case goes on
    assert (await office.apply(path, office.clerk, decided=DECIDED)).status == 200


async def test_a_holders_name_begins_and_ends_with_a_character(office: Office) -> None:
    path = await office.begin({"content": content(holder=" " * 100 + "测 ")}, office.clerk)
    issued = await office.apply(path, office.clerk, decided=DECIDED)
    assert issued.status == 200, issued.body
    assert (await office.held(path))["status"] == "valid"
    draft = await office.system.send("GET", f"{path}/draft", office.clerk)
    assert draft.body["content"]["holder"] == "测"


async def test_what_has_a_number_is_not_decided_under_another(
    system: System, office: Office
) -> None:
    path = await office.begin({"content": content()}, office.clerk)
    await office.apply(path, office.clerk)
    await office.act(path, "claim", office.reviewer)
    await office.act(path, "approve", office.reviewer)
    await office.act(path, "quality", office.checker, {"outcome": "send_back", "reason": "有误"})
    refused = await office.apply(path, office.clerk, decided={**DECIDED, "number": "KEEP-1"})
    assert (refused.status, refused.body["code"]) == (422, "decision_impossible"), refused.body
    assert (await office.apply(path, office.clerk, decided=DECIDED)).status == 200
    assert (await office.held(path))["number"].endswith("0001")


async def due_for_renewal(office: Office) -> tuple[str, str]:
    """A certificate that can be renewed these days: its address and its code."""
    first, last = today() - timedelta(days=2150), today() + timedelta(days=40)
    days = {"approved_on": f"{first}", "valid_from": f"{first}", "valid_to": f"{last}"}
    decided = {**DECIDED, "number": "OLD-1", **days}
    path = await office.begin({"content": content()}, office.clerk)
    assert (await office.apply(path, office.clerk, decided=decided)).status == 200
    return path, (await office.held(path))["code"]


async def test_a_certificate_is_renewed_once_however_many_apply(
    system: System, office: Office
) -> None:
    _, old = await due_for_renewal(office)
    first = await office.begin({"content": content(), "renews": old})
    second = await office.begin({"content": content(), "renews": old})
    for one in (first, second):
        assert (await office.apply(one)).status == 200
        await office.act(one, "claim", office.reviewer)
    assert (await office.act(first, "approve", office.reviewer)).status == 200
    refused = await office.act(second, "approve", office.reviewer)
    assert (refused.status, refused.body["code"]) == (409, "renewed_already"), refused.body
    # given up, the first stands in nobody's way
    back = {"outcome": "send_back", "reason": "有误"}
    await office.act(first, "quality", office.checker, back)
    assert (await office.act(first, "withdraw", office.filer)).status == 200
    assert (await office.act(second, "approve", office.reviewer)).status == 200


@pytest.mark.parametrize("kind", ["deregistered", "revoked", "rescinded"])
async def test_a_renewal_is_not_approved_once_what_it_renews_has_ended(
    system: System, office: Office, kind: str
) -> None:
    path, old = await due_for_renewal(office)
    first, second = [
        await office.begin({"content": content(), "renews": old}, office.clerk) for _ in range(2)
    ]
    for one in (first, second):
        assert (await office.apply(one, office.clerk)).status == 200
        assert (await office.act(one, "claim", office.reviewer)).status == 200
    assert (await office.end(path, ending(kind))).status == 200
    refused = await office.act(first, "approve", office.reviewer)
    assert (refused.status, refused.body["code"]) == (409, "predecessor_ended"), refused.body
    label = {"deregistered": "注销", "revoked": "撤销", "rescinded": "吊销"}[kind]
    for words in ("OLD-1", label, "退回", "不予批准"):
        assert words in refused.body["detail"] + refused.body["remedy"]
    async with system.engine.connect() as connection:
        numbers = await connection.execute(text("SELECT number FROM certificate_numbers"))
    assert numbers.scalars().all() == ["OLD-1"]
    # what the words say can be done, can be done
    assert (await system.send("GET", first, office.filer)).body["status"] == "in_review"
    back = await office.act(first, "return", office.reviewer, {"reason": "原证书已终止"})
    assert back.body["status"] == "returned", back.body
    again = await office.apply(first, office.clerk)
    assert (again.status, again.body["code"]) == (409, "certificate_not_in_force"), again.body
    assert (await office.act(first, "withdraw", office.filer)).body["status"] == "withdrawn"
    ended = await office.act(second, "reject", office.reviewer, {"reason": "原证书已终止"})
    assert ended.body["status"] == "cancelled", ended.body


async def test_a_renewal_is_not_issued_once_what_it_renews_has_ended(
    system: System, office: Office
) -> None:
    """Ended between approval and quality check: nothing is issued in its place."""
    path, renews = await due_for_renewal(office)
    renewal = await office.begin({"content": content(), "renews": renews})
    assert (await office.apply(renewal)).status == 200
    await office.act(renewal, "claim", office.reviewer)
    approved = await office.act(renewal, "approve", office.reviewer)
    assert approved.status == 200, approved.body
    assert (await office.end(path, ending("revoked"))).status == 200
    refused = await office.act(renewal, "quality", office.checker, {"outcome": "pass"})
    assert (refused.status, refused.body["code"]) == (409, "predecessor_ended"), refused.body
    seen = (await system.send("GET", renewal, office.filer)).body
    assert (seen["status"], seen["certificate"]) == (approved.body["status"], None)
    back = {"outcome": "send_back", "reason": "原证书已撤销"}
    assert (await office.act(renewal, "quality", office.checker, back)).status == 200
    assert (await office.act(renewal, "withdraw", office.filer)).body["status"] == "withdrawn"


async def test_what_came_of_a_renewal_is_changed_like_any_other(
    system: System, office: Office
) -> None:
    old, renews = await due_for_renewal(office)
    path = await office.issue({"content": content(), "renews": renews})
    async with asyncio.timeout(20):
        while (await office.held(old))["status"] != "superseded":
            await asyncio.sleep(0.05)
    await save(office, path, address="福州市测试路7号（生成）")
    changed = await office.apply(path, purpose="change", change="name-address")
    assert changed.status == 200, changed.body
    await office.grant(path)
    assert (await events(system, path))[-1] == "certificate_changed"


async def test_a_listed_certificate_that_was_replaced_is_not_taken_over(
    system: System, office: Office
) -> None:
    await system.add(institution("lab", certificates=(certificate("211301060345", ISSUER),)))
    async with system.engine.begin() as connection:
        await connection.execute(text("UPDATE certificates SET status = 'superseded'"))
    days = {"valid_from": "2026-11-02", "valid_to": "2032-11-01"}
    path = await office.begin({"content": content()}, office.clerk)
    refused = await office.apply(
        path, office.clerk, decided={**DECIDED, "number": "211301060345", **days}
    )
    assert (refused.status, refused.body["code"]) == (409, "certificate_not_in_force")


async def test_nobody_renews_the_certificate_of_another_authority(
    system: System, office: Office
) -> None:
    path = await office.begin({"content": content()}, office.clerk)
    assert (await office.apply(path, office.clerk, decided=DECIDED)).status == 200
    code = (await office.held(path))["code"]
    other = Office(system, "amr-330000")
    body = {"content": content(issuer="amr-330000"), "renews": code}
    renewal = await other.begin(body, other.clerk)
    refused = await other.apply(renewal, other.clerk, decided=DECIDED)
    assert (refused.status, refused.body["code"]) == (403, "other_issuer"), refused.body
    assert (await office.held(path))["status"] == "valid"


# --- numbers --------------------------------------------------------------------------------------


async def test_serials_go_on_after_those_of_paper_and_never_back(
    system: System, office: Office
) -> None:
    path = f"/api/certificates/serials/{today().year}"
    body = {"authority": ISSUER, "last": 345, "reason": "本年已纸质发放 345 张"}
    assert (await system.send("POST", path, office.clerk, body)).body["last"] == 345
    held = await office.held(await office.issue())
    assert held["number"].endswith("0346")
    assert (await system.send("GET", path, office.clerk)).body["last"] == 346
    refused = await system.send("POST", path, office.clerk, {**body, "last": 345})
    assert (refused.status, refused.body["code"]) == (422, "serial_not_higher")
    end = {**body, "last": 9999}
    assert (await system.send("POST", path, office.clerk, end)).status == 200
    full = await office.begin({"content": content()})
    await office.apply(full)
    await office.act(full, "claim", office.reviewer)
    refused = await office.act(full, "approve", office.reviewer)
    assert (refused.status, refused.body["code"]) == (409, "serials_exhausted")
    assert (await system.send("GET", full, office.filer)).body["status"] == "in_review"
    # a slip of the pen: back to what is on record, and not below it
    mended = {**body, "last": 346, "reason": "误填 9999"}
    assert (await system.send("POST", path, office.clerk, mended)).body["last"] == 346
    assert (await office.act(full, "approve", office.reviewer)).status == 200
    assert (await system.send("GET", path, office.clerk)).body["last"] == 347
    async with system.engine.connect() as connection:
        steps = await journal.steps(connection, f"serials/{ISSUER}/{today().year}")
    assert [(one.event, one.body["before"], one.body["last"]) for one in steps] == [
        ("serials_set", 0, 345),
        ("serials_set", 346, 9999),
        ("serials_set", 9999, 346),
    ]
    assert (steps[-1].actor.subject, steps[-1].body["reason"]) == ("issuing-clerk", "误填 9999")


@pytest.mark.parametrize("known", ["issued", "approved", "voided", "listed", "rostered"])
async def test_serials_are_lowered_to_the_highest_number_known_and_no_further(
    system: System, office: Office, known: str
) -> None:
    year = today().year
    path = f"/api/certificates/serials/{year}"
    body = {"authority": ISSUER, "last": 499, "reason": "纸质发放（生成）"}
    number = f"{year % 100:02d}1312060500"
    if known in ("listed", "rostered"):
        await system.add(institution("other", certificates=(certificate(number, ISSUER),)))
        if known == "listed":
            async with system.engine.begin() as connection:
                await connection.execute(text("UPDATE certificates SET origin = 'register'"))
    else:
        assert (await system.send("POST", path, office.clerk, body)).status == 200
        application = await office.begin({"content": content(field="12")})
        await office.apply(application)
        await office.act(application, "claim", office.reviewer)
        assert (await office.act(application, "approve", office.reviewer)).status == 200
        if known == "issued":
            await office.act(application, "claim", office.checker)
            await office.act(application, "quality", office.checker, {"outcome": "pass"})
        if known == "voided":
            async with system.engine.begin() as connection:
                await connection.execute(text("UPDATE certificate_numbers SET voided_at = now()"))
    # numbers of other years, authorities and shapes stand in nobody's way
    strange = (f"{year % 100 + 1:02d}1301069000", f"{year % 100:02d}1101069000", "CMA-139000")
    owned = tuple(certificate(one, ISSUER) for one in strange)
    await system.add(institution("third", certificates=owned))
    assert (await system.send("POST", path, office.clerk, {**body, "last": 9999})).status == 200
    low = await system.send("POST", path, office.clerk, {**body, "last": 499})
    assert (low.status, low.body["code"]) == (422, "serial_not_higher"), low.body
    assert number in low.body["detail"]
    assert "500" in low.body["remedy"]
    assert (await system.send("GET", path, office.clerk)).body["last"] == 9999
    done = await system.send("POST", path, office.clerk, {**body, "last": 500})
    assert (done.status, done.body["last"]) == (200, 500), done.body
    assert (await office.held(await office.issue()))["number"].endswith("0501")


async def test_serials_of_a_year_without_numbers_go_back_to_nothing(
    system: System, office: Office
) -> None:
    path = "/api/certificates/serials/2027"
    body = {"authority": ISSUER, "last": 9999, "reason": "误填（生成）"}
    for last in (9999, 0):
        done = await system.send("POST", path, office.clerk, {**body, "last": last})
        assert (done.status, done.body["last"]) == (200, last)


# --- changes --------------------------------------------------------------------------------------


async def test_a_change_is_reviewed_while_the_certificate_stays_in_force(
    system: System, office: Office
) -> None:
    path = await office.issue()
    before = await office.held(path)
    await save(office, path, holder="新名称检测有限公司（生成）")
    applied = await office.apply(path, purpose="change", change="name-address")
    assert (applied.status, applied.body["status"]) == (200, "in_review"), applied.body
    during = await register(system.engine, before["number"])
    assert (during.holder, during.status) == (content()["holder"], "valid")
    await office.grant(path)
    after = await register(system.engine, before["number"])
    assert (after.holder, after.code) == ("新名称检测有限公司（生成）", during.code)
    assert after.statement != during.statement
    keys = SigningKeys(system.keys).published()
    said = verify(after.statement, keys)
    assert isinstance(said, Statement)
    assert said.holder == after.holder
    assert isinstance(verify(during.statement, keys), Statement)
    held = await office.held(path)
    assert (held["valid_to"], held["revision"]) == (before["valid_to"], 2)


@pytest.mark.parametrize(
    ("purpose", "change", "changed", "code"),
    [
        # a kind of change may touch only what the rules say
        ("change", "people", {"holder": "改名（生成）"}, "change_outside"),
        ("change", "nonsense", {"holder": "改名（生成）"}, "unknown_change"),
        ("extension", "", {"capabilities": content()["capabilities"][:1]}, "change_outside"),
        ("issue", "", {"address": "福州市测试路2号"}, "certificate_exists"),
    ],
)
async def test_a_change_must_be_of_its_kind(
    office: Office, purpose: str, change: str, changed: dict[str, Any], code: str
) -> None:
    path = await office.issue()
    await save(office, path, **changed)
    refused = await office.apply(path, purpose=purpose, change=change)
    assert refused.body["code"] == code, refused.body
    assert (await office.held(path))["revision"] == 1


async def test_more_scope_is_applied_for_and_a_change_can_be_given_up(
    system: System, office: Office
) -> None:
    path = await office.issue()
    number = (await office.held(path))["number"]
    more = {"category": "土工", "item": "含水率", "standard": "GB/T 50123", "year": "2019"}
    await save(office, path, capabilities=[*content()["capabilities"], more])
    assert (await office.apply(path, purpose="extension")).status == 200
    given_up = await office.act(path, "withdraw", office.filer)
    assert given_up.body["status"] == "completed", given_up.body
    assert (await register(system.engine, number)).scope == 2
    await save(office, path, capabilities=[*content()["capabilities"], more])
    assert (await office.apply(path, purpose="extension")).status == 200
    await office.act(path, "claim", office.reviewer)
    rejected = await office.act(path, "reject", office.reviewer, {"reason": "能力不足"})
    assert rejected.body["status"] == "completed", rejected.body
    wider = [*content()["capabilities"], more]
    await save(office, path, capabilities=wider, sites=["新址（生成）"])
    assert (await office.apply(path, purpose="extension")).status == 200
    await office.grant(path)
    assert (await register(system.engine, number)).scope == 3


# --- ends -----------------------------------------------------------------------------------------


def ending(kind: str = "revoked", **changed: str) -> dict[str, str]:
    return {
        "ending": kind,
        "on": today().isoformat(),
        "reason": "以欺骗手段取得",
        "document": "闽市监撤〔2026〕1号（生成）",
        "approver": "测试批准人",
        **changed,
    }


@pytest.mark.parametrize("kind", ["deregistered", "revoked", "rescinded"])
async def test_an_end_has_reason_document_and_a_second_person_who_approves(
    system: System, office: Office, kind: str
) -> None:
    path = await office.issue()
    number = (await office.held(path))["number"]
    refused = await office.end(path, ending(kind, reason=" "))
    assert (refused.status, refused.body["code"]) == (422, "ending_incomplete")
    for on in (today() - timedelta(days=1), today() + timedelta(days=1)):
        refused = await office.end(path, ending(kind, on=on.isoformat()))
        assert (refused.status, refused.body["code"]) == (422, "ending_day_outside")
    # an application for a change is moot once it has ended
    await save(office, path, address="福州市测试路3号")
    assert (await office.apply(path, purpose="change", change="name-address")).status == 200
    assert (await office.act(path, "end", office.filer, ending(kind))).status == 403
    # who confirms it approves it, where nobody else is named
    ended = await office.end(path, ending(kind, approver=" "))
    assert (ended.status, ended.body["state"]) == (200, "done"), ended.body
    auditor = system.token(AUDITOR, "auditor-1")
    told = (await system.send("GET", f"{path}/timeline", auditor)).body["entries"][-1]
    assert told["note"]["approver"] == "confirming-clerk", told
    entry = await register(system.engine, number)
    assert (entry.status, entry.ended_on, entry.document) == (
        kind,
        today(),
        ending()["document"],
    )
    assert (await events(system, path))[-2:] == ["change_abandoned", "certificate_ended"]
    again = await office.end(path, ending("deregistered"))
    assert (again.status, again.body["code"]) == (409, "certificate_not_in_force")
    await save(office, path, address="福州市测试路4号")
    late = await office.apply(path, purpose="change", change="name-address")
    assert (late.status, late.body["code"]) == (409, "certificate_not_in_force")


async def test_an_end_registered_by_mistake_is_corrected_by_two(
    system: System, office: Office
) -> None:
    path = await office.issue()
    number = (await office.held(path))["number"]
    assert (await office.end(path, ending())).status == 200
    correction = {
        "reason": "误登记",
        "document": "闽市监更〔2026〕1号（生成）",
        "approver": "测试批准人",
    }
    held = await office.act(path, "correct-end", office.clerk, correction)
    assert (held.status, held.body["code"]) == (409, "awaits_confirmation"), held.body
    assert (await register(system.engine, number)).status == "revoked"
    colleague = system.token(CLERK, "issuing-clerk-2", ISSUER)
    done = await system.send("POST", f"{held.headers['location']}/confirm", colleague)
    assert (done.status, done.body["state"]) == (200, "done"), done.body
    entry = await register(system.engine, number)
    assert (entry.status, entry.ended_on) == ("valid", None)
    assert (await events(system, path))[-2:] == ["certificate_ended", "end_corrected"]


# --- ten years ------------------------------------------------------------------------------------


@pytest.fixture
async def years(
    skipping_engine: WorkflowEnvironment, engine: AsyncEngine, moved_rules: Path
) -> Any:
    async with running(skipping_engine, engine, moved_rules) as found:
        yield found


def at(day: str, clock: str = "00:00:00") -> datetime:
    return datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=BEIJING)


async def status(system: System, number: str) -> str:
    return (await register(system.engine, number)).status.value


async def test_ten_years_of_a_certificate(years: System) -> None:
    system = years
    await system.add(institution("lab", certificates=()))
    office = Office(system)
    path = await office.issue()
    first = await office.held(path)
    ends = date.fromisoformat(first["valid_to"])
    issued = date.fromisoformat(first["issued_on"])
    assert ends == issued.replace(year=issued.year + 6) - timedelta(days=1)

    # two years on: a new name; three years on: more scope
    await system.skip_to(at(f"{issued.year + 2}-06-01", "09:00:00"))
    await save(office, path, holder="改名检测有限公司（生成）")
    assert (await office.apply(path, purpose="change", change="name-address")).status == 200
    await office.grant(path)
    await system.skip_to(at(f"{issued.year + 3}-06-01", "09:00:00"))
    more = {"category": "土工", "item": "含水率", "standard": "GB/T 50123", "year": "2019"}
    await save(office, path, capabilities=[*content()["capabilities"], more])
    assert (await office.apply(path, purpose="extension")).status == 200
    await office.grant(path)

    # renewal: refused the last second before its days begin, taken the first second after
    opens = date.fromisoformat(first["renewal_opens"])
    await system.skip_to(at((opens - timedelta(days=1)).isoformat(), "23:59:50"))
    renewed = content(
        holder="改名检测有限公司（生成）", capabilities=[*content()["capabilities"], more]
    )
    body = {"content": renewed, "renews": first["code"]}
    next_path = await office.begin(body)
    early = await office.apply(next_path)
    assert (early.status, early.body["code"]) == (409, "renewal_early"), early.body
    await system.skip_to(at(opens.isoformat()))
    applied = await office.apply(next_path)
    assert applied.status == 200, applied.body
    assert "reminded" not in await events(system, path)
    due = date.fromisoformat(first["renewal_due"])
    await system.skip_to(at((due - timedelta(days=6)).isoformat()))
    assert (await events(system, path)).count("reminded") == 3
    await office.grant(next_path)
    await system.skip_to(await system.environment.get_current_time() + timedelta(seconds=30))
    second = await office.held(next_path)
    assert second["number"] != first["number"]
    old = await office.held(path)
    assert (old["status"], old["superseded_by"]) == ("superseded", second["code"])
    assert (await events(system, next_path))[-1] == "predecessor_superseded"
    another = await office.begin(body)
    refused = await office.apply(another)
    assert refused.body["code"] == "renewed_already", refused.body

    # the old last day passes without an event: it was superseded
    await system.skip_to(at((ends + timedelta(days=1)).isoformat()))
    assert await status(system, first["number"]) == "superseded"
    assert await status(system, second["number"]) == "valid"

    # ten years after the first: deregistered
    await system.skip_to(at(f"{issued.year + 10}-01-15", "10:00:00"))
    on = (day_of(await system.environment.get_current_time())).isoformat()
    ended = await office.end(next_path, ending("deregistered", on=on))
    assert ended.status == 200, ended.body
    assert (await office.held(next_path))["status"] == "deregistered"
    assert (await office.held(path))["status"] == "superseded"


async def test_the_last_day_is_valid_to_its_last_second(years: System) -> None:
    system = years
    await system.add(institution("lab", certificates=()))
    office = Office(system)
    path = await office.begin({"content": content()}, office.clerk)
    last = today() + timedelta(days=40)
    decided = {
        **DECIDED,
        "approved_on": "2021-01-04",
        "number": "211301060345",
        "valid_from": "2021-01-04",
        "valid_to": last.isoformat(),
    }
    taken = await office.apply(path, office.clerk, decided=decided)
    assert taken.status == 200, taken.body
    # the days to apply for renewal were over before: no reminder comes after its time
    await system.skip_to(at(last.isoformat(), "23:59:50"))
    assert (await office.held(path))["status"] == "valid"
    assert "reminded" not in await events(system, path)
    await system.skip_to(at((last + timedelta(days=1)).isoformat()))
    assert (await office.held(path))["status"] == "expired"
    assert (await register(system.engine, "211301060345")).ended_on == last
    assert (await events(system, path))[-1] == "expired"
    # what has expired can still be renewed (late) or revoked
    body = {"content": content(), "renews": (await office.held(path))["code"]}
    late = await office.begin(body)
    assert (await office.apply(late)).status == 200
    assert (await office.act(late, "claim", office.reviewer)).status == 200
    assert (await office.act(late, "approve", office.reviewer)).status == 200
    on = (last + timedelta(days=1)).isoformat()
    assert (await office.end(path, ending(on=on))).status == 200


# --- histories ------------------------------------------------------------------------------------


async def test_a_case_that_is_moved_often_continues_with_its_history(
    dev_engine: WorkflowEnvironment,
    engine: AsyncEngine,
    moved_rules: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(case, "_MOST_UPDATES_PER_RUN", 4)
    runner = UnsandboxedWorkflowRunner()
    async with running(dev_engine, engine, moved_rules, runner=runner) as system:
        await system.add(institution("lab", certificates=()))
        office = Office(system)
        path = await office.issue()
        for n in range(3):
            await save(office, path, address=f"福州市测试路{n}号（生成）")
            assert (await office.apply(path, purpose="change", change="name-address")).status == 200
            await office.grant(path)
        held = await office.held(path)
        assert (held["revision"], held["status"]) == (4, "valid")
        assert (await events(system, path)).count("certificate_changed") == 3
        case_id = path.removeprefix("/api/").replace("certificates", "certificate")
        described = await system.client.get_workflow_handle(case_id).describe()
        assert described.raw_info.first_run_id != described.run_id


async def test_a_life_is_the_same_when_every_step_replays_all_before_it(
    dev_engine: WorkflowEnvironment, engine: AsyncEngine, moved_rules: Path
) -> None:
    async with running(dev_engine, engine, moved_rules, max_cached_workflows=0) as system:
        await system.add(institution("lab", certificates=()))
        office = Office(system)
        path = await office.issue()
        await save(office, path, address="福州市测试路7号（生成）")
        assert (await office.apply(path, purpose="change", change="name-address")).status == 200
        await office.grant(path)
        assert (await office.end(path, ending())).status == 200
        case_id = path.removeprefix("/api/").replace("certificates", "certificate")
        handle = system.client.get_workflow_handle(case_id)
        assert await handle.result() == "completed"
        history = await system.history(case_id)
    await Replayer(workflows=WORKFLOWS, data_converter=VALUES, debug_mode=True).replay_workflow(
        history
    )
    if os.environ.get("RECORD_HISTORIES"):  # at a release, and never to make a test pass
        (HISTORIES / "certificate-issue-change-end.json").write_text(history.to_json())
