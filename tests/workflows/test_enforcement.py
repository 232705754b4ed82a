"""Enforcement from its opening to its end: each term on both sides, on a clock that moves."""

import hashlib
from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.testing import WorkflowEnvironment

from audit.recompute import Recomputing
from audit.verify import Keys, verify
from rules.compiled import CompiledRules
from rules.file.library import RuleLibrary
from tests.certificates import content
from tests.enforcing import Matter, at, enforcing_rules, local_matter, matter
from tests.printing.papers import text_of
from tests.registered import register
from tests.system import DECIDER, FILER, OFFICER, OPERATOR, System, running

pytestmark = pytest.mark.anyio


@pytest.fixture
async def system(
    skipping_engine: WorkflowEnvironment, engine: AsyncEngine, later_rules: Path, tmp_path: Path
) -> AsyncIterator[System]:
    rules = enforcing_rules(later_rules, tmp_path / "rules")
    async with running(skipping_engine, engine, rules) as found:
        yield found


async def test_a_warning_is_heard_decided_by_another_served_and_never_published(
    system: System,
) -> None:
    lab = await matter(system, "lab")
    opened = await lab.open()
    assert opened.status == 201, opened.body
    shown = await lab.shown()
    assert shown["stage"] == "opened"
    assert [one["id"] for one in shown["measures"]] == [
        "warning", "public-notice", "applications-refused", "listed-abnormal",
    ]  # fmt: skip
    await lab.done("propose", lab.officer, {"measure": "warning", "reason": "经催促仍未上报"})
    early = await lab.refused(
        "decide", lab.decider, {"outcome": "impose", "reason": "属实", "basis": "统计法"}
    )
    assert early["code"] == "not_heard"
    await lab.done("notice", lab.officer)
    # five working days from Thursday 2029-03-01: Friday, then Monday to Thursday
    assert (await lab.shown())["statement_due"] == "2029-03-09T00:00:00+08:00"
    added = await system.http.post(
        f"{lab.path}/attachments?filename=proof.txt",
        content="寄出的单据".encode(),
        headers={
            "Authorization": f"Bearer {lab.filer}",
            "Content-Type": "text/plain",
            "Idempotency-Key": "file-1",
        },
    )
    assert added.status_code == 201, added.text
    file = added.json()["sha256"]
    assert file == hashlib.sha256("寄出的单据".encode()).hexdigest()
    await system.skip_to(at("2029-03-08T23:59:58"))
    said = {"text": "通知没有收到，请不予处罚。", "attachments": [file]}
    await lab.done("statement", lab.filer, said)
    running_on = await lab.refused(
        "decide", lab.decider, {"outcome": "impose", "reason": "属实", "basis": "统计法"}
    )
    assert running_on["code"] == "statement_running"
    await system.skip_to(at("2029-03-09T00:00:00"))
    late = await lab.refused("statement", lab.filer, said)
    assert late["code"] == "statement_closed"
    baseless = await lab.refused("decide", lab.decider, {"outcome": "impose", "reason": "属实"})
    assert baseless["code"] == "basis_required"
    decision = {"outcome": "impose", "reason": "理由不成立", "basis": "统计法第四十二条"}
    await lab.done("decide", lab.decider, decision)
    # seven working days from Friday 2029-03-09 end with Tuesday the 20th
    assert (await lab.shown())["service_due"] == "2029-03-21T00:00:00+08:00"
    await system.skip_to(at("2029-03-20T23:59:58"))
    await lab.done("service", lab.officer)
    shown = await lab.shown()
    assert (shown["stage"], shown["status"], shown["ended_by"]) == ("over", "completed", "done")
    kinds = [one["kind"] for one in shown["documents"]]
    assert kinds == ["prior_notice", "decision", "service_record"]
    assert (await system.send("GET", "/public/measures")).body["items"] == []
    notices = (await system.send("GET", "/api/notices?kind=document", lab.filer)).body["items"]
    assert [one["document_sha256"] for one in reversed(notices)] == [
        shown["documents"][0]["sha256"],
        shown["documents"][1]["sha256"],
    ]
    for one in shown["documents"]:
        paper = await system.http.get(
            f"{lab.path}/documents/{one['sha256']}",
            headers={"Authorization": f"Bearer {lab.filer}"},
        )
        assert hashlib.sha256(paper.content).hexdigest() == one["sha256"]
        assert paper.content.startswith(b"%PDF")
    case_id = lab.path.removeprefix("/api/")
    [measures] = (await Recomputing(system.engine).case(case_id)).decisions
    assert (measures.kind, measures.same) == ("measures", True)
    assert next(one[0] for one in measures.recorded["measures"]) == "warning"
    without = CompiledRules(RuleLibrary().resolve_name("2024/national").document)
    [otherwise] = (await Recomputing(system.engine, without).case(case_id)).decisions
    assert otherwise.recomputed == {"measures": []}
    async with system.engine.begin() as connection:
        assert (await verify(system.engine, None, Keys(), system.now, case_id)).ok
        decides = "'{enforcement,measures,0,decides}'"
        await connection.execute(
            text(f"UPDATE cases SET plan = jsonb_set(plan, {decides}, '\"samr\"')"
                 " WHERE case_id = :case_id"),
            {"case_id": case_id},
        )  # fmt: skip
    [wrong] = (await verify(system.engine, None, Keys(), system.now, case_id)).findings
    assert (wrong.kind, wrong.table, wrong.sequence) == ("unlike", "cases", 1)


async def test_across_the_october_holiday_and_a_worked_saturday(system: System) -> None:
    lab = await matter(system, "lab", "2029-09-28T16:00:00")
    await lab.proposed("warning")
    await lab.done("notice", lab.officer)
    # Sunday the 30th is worked, the holiday is not counted; then 8, 9, 10, 11 October
    assert (await lab.shown())["statement_due"] == "2029-10-12T00:00:00+08:00"
    await system.skip_to(at("2029-10-12T09:00:00"))
    decision = {"outcome": "impose", "reason": "属实", "basis": "统计法第四十二条"}
    await lab.done("decide", lab.decider, decision)
    # Saturday the 13th is worked: 13, 15, 16, 17, 18, 19, 22
    assert (await lab.shown())["service_due"] == "2029-10-23T00:00:00+08:00"
    await system.skip_to(at("2029-10-23T00:00:01"))
    shown = await lab.shown()
    assert (shown["stage"], shown["ended_by"]) == ("over", "not_served")
    late = await lab.refused("service", lab.officer)
    assert late["code"] == "case_ended"


async def test_who_did_not_file_is_refused_applications_until_it_has(system: System) -> None:
    lab = await matter(system, "lab")
    await lab.decided("applications-refused", "2029-03-09T09:00:00")
    await lab.done("service", lab.officer)
    # ten working days to make it good, from Friday 2029-03-09
    shown = await lab.shown()
    assert (shown["stage"], shown["effective_at"]) == ("served", "2029-03-24T00:00:00+08:00")
    assert await _refused_to_apply(system, lab) is None
    await system.skip_to(at("2029-03-23T23:59:58"))
    assert await _refused_to_apply(system, lab) is None
    await system.skip_to(at("2029-03-24T00:00:01"))
    assert (await lab.shown())["status"] == "in_force"
    refused = await _refused_to_apply(system, lab)
    assert refused == "applications_refused"
    early = await lab.refused("cure", lab.filer)
    assert early["code"] == "not_cured"
    await lab.completed()
    # from the moment of approval, whatever its own case knows of it
    assert await _refused_to_apply(system, lab) is None
    await lab.done("cure", lab.filer)
    shown = await lab.shown()
    assert (shown["stage"], shown["ended_by"]) == ("over", "cured")
    # the institution asked for the end, the authority tells of it
    [end] = [one for one in shown["documents"] if one["kind"] == "end"]
    paper = await system.http.get(
        f"{lab.path}/documents/{end['sha256']}", headers={"Authorization": f"Bearer {lab.filer}"}
    )
    said = text_of(paper.content)
    assert system.parts.authority_name(lab.authority) in said
    assert "补报并通过审核，解除" in said


async def _refused_to_apply(system: System, lab: Matter) -> str | None:
    """The code with which an application is refused for a measure; None when it is taken."""
    applied = content(lab.id, issuer=lab.authority)
    answer = await system.send("POST", "/api/certificates", lab.filer, {"content": applied})
    return None if answer.status == 201 else str(answer.body["code"])


async def test_a_listing_is_published_shown_objected_to_and_corrected(system: System) -> None:
    lab = await matter(system, "lab")
    valid_to = date(2035, 1, 1)
    held = await register(system.engine, "240000000009", institution="lab", valid_to=valid_to)
    await lab.decided("listed-abnormal", "2029-03-09T09:00:00")
    assert (await system.send("GET", "/public/measures")).body["items"] == []
    assert "列为异常" not in (await system.http.get(f"/c/{held.code}")).text
    await lab.done("service", lab.officer)
    await system.skip_to(at("2029-03-24T00:00:01"))
    [row] = (await system.send("GET", "/public/measures")).body["items"]
    assert (row["label"], row["state"], row["case_id"]) == ("列为异常检验检测机构", "in_force", "")
    assert (await system.send("GET", "/public/measures?name=没有这家")).body["items"] == []
    page = await system.http.get("/measures?name=lab")
    assert "列为异常检验检测机构" in page.text
    # the rules have it shown with the certificate, from its first day
    certificate = (await system.http.get(f"/c/{held.code}")).text
    assert "列为异常检验检测机构，自 2029-03-24 起" in certificate
    nothing = await lab.refused("objection-answer", lab.decider, {"upheld": True, "reason": "对"})
    assert nothing["code"] == "wrong_status"
    await lab.done("objection", lab.filer, {"text": "提交时间记错了。"})
    shown = await lab.shown()
    # fifteen working days from Saturday 2029-03-24
    assert (shown["objecting"], shown["objection_due"]) == (True, "2029-04-14T00:00:00+08:00")
    twice = await lab.refused("objection", lab.filer, {"text": "再说一次。"})
    assert twice["code"] == "wrong_status"
    await system.skip_to(at("2029-04-13T23:59:57"))
    assert (await lab.shown())["answer_late"] is False
    await system.skip_to(at("2029-04-14T00:00:01"))
    assert (await lab.shown())["answer_late"] is True
    await lab.done("objection-answer", lab.decider, {"upheld": True, "reason": "核实无误"})
    shown = await lab.shown()
    assert (shown["stage"], shown["ended_by"]) == ("over", "corrected")
    [row] = (await system.send("GET", "/public/measures")).body["items"]
    assert (row["state"], row["ended_by_label"]) == ("ended", "异议成立，更正")
    assert (await system.send("GET", "/public/measures?state=in_force")).body["items"] == []
    assert "列为异常" not in (await system.http.get(f"/c/{held.code}")).text


async def test_a_measure_expires_by_itself_and_an_objection_may_still_come(system: System) -> None:
    lab = await matter(system, "lab")
    await lab.decided("public-notice", "2029-03-09T09:00:00")
    await lab.done("service", lab.officer)
    await system.skip_to(at("2029-03-24T00:00:01"))
    # a public notice is published, and the rules do not have it shown with certificates
    held = await register(system.engine, "240000000008", institution="lab")
    assert "公告，自" not in (await system.http.get(f"/c/{held.code}")).text
    assert (await lab.shown())["expires_at"] == "2030-03-24T00:00:00+08:00"
    await system.skip_to(at("2030-03-23T23:59:57"))
    assert (await lab.shown())["stage"] == "in_force"
    await system.skip_to(at("2030-03-24T00:00:01"))
    shown = await lab.shown()
    assert (shown["stage"], shown["ended_by"]) == ("over", "expired")
    await lab.done("objection", lab.filer, {"text": "原来的公告有误。"})
    await lab.done("objection-answer", lab.decider, {"upheld": False, "reason": "没有错误"})
    assert (await lab.shown())["ended_by"] == "expired"
    await lab.done("objection", lab.filer, {"text": "原来的公告确实有误。"})
    await lab.done("objection-answer", lab.decider, {"upheld": True, "reason": "核实有误"})
    assert (await lab.shown())["ended_by"] == "corrected"
    [row] = (await system.send("GET", "/public/measures")).body["items"]
    assert (row["ended_at"][:10], row["ended_by_label"]) == ("2030-03-24", "异议成立，更正")
    numbers = [one["number"] for one in (await lab.shown())["documents"]]
    assert [one for one in numbers if one.startswith("处复")] == [
        "处复〔2029〕1号",
        "处复〔2029〕1-2号",
    ]
    assert len(set(numbers)) == len(numbers)


async def test_ninety_days_without_a_decision_end_it(system: System) -> None:
    lab = await matter(system, "lab")
    await lab.proposed("warning")
    await lab.done("notice", lab.officer)
    assert (await lab.shown())["decision_due"] == "2029-05-31T00:00:00+08:00"
    await system.skip_to(at("2029-05-30T23:59:57"))
    assert (await lab.shown())["stage"] == "noticed"
    await system.skip_to(at("2029-05-31T00:00:01"))
    shown = await lab.shown()
    assert (shown["stage"], shown["ended_by"]) == ("over", "out_of_time")
    late = await lab.refused("decide", lab.decider, {"outcome": "dismiss", "reason": "算了"})
    assert late["code"] == "case_ended"
    again = await lab.open()
    assert again.body["id"].endswith("/2")


async def test_a_defence_that_is_accepted_ends_it_and_so_does_a_withdrawal(system: System) -> None:
    lab = await matter(system, "lab")
    await lab.proposed("warning")
    await lab.done("notice", lab.officer)
    await lab.done("statement", lab.filer, {"text": "洪灾，无法上报。"})
    await lab.done("decide", lab.decider, {"outcome": "dismiss", "reason": "理由成立"})
    assert (await lab.shown())["ended_by"] == "dismissed"
    await lab.proposed("public-notice")
    await lab.done("withdraw", lab.officer, {"reason": "事实有误"})
    assert (await lab.shown())["ended_by"] == "withdrawn"
    await lab.decided("public-notice", "2029-03-12T09:00:00")
    not_theirs = await lab.refused("withdraw", lab.officer, {"reason": "不该由承办人撤"})
    assert not_theirs["code"] == "forbidden"
    await lab.done("withdraw", lab.decider, {"reason": "撤销决定"})
    assert (await lab.shown())["ended_by"] == "withdrawn"


async def test_what_is_made_good_meanwhile_cannot_be_imposed_any_more(system: System) -> None:
    lab = await matter(system, "lab")
    await lab.proposed("listed-abnormal")
    await lab.done("notice", lab.officer)
    await lab.completed()
    await system.skip_to(at("2029-03-09T09:00:00"))
    impose = {"outcome": "impose", "reason": "属实"}
    assert (await lab.refused("decide", lab.decider, impose))["code"] == "cured_meanwhile"
    assert await system.parts.enforcement.cure_all() == 1
    assert (await lab.shown())["ended_by"] == "cured"
    assert await system.parts.enforcement.cure_all() == 0


async def test_a_referral_needs_a_reminder_and_carries_its_proof(system: System) -> None:
    lab = await matter(system, "lab", "2029-01-20T10:00:00")
    operator = system.token(OPERATOR, "operator-1", "000000")
    text = {"text": "请尽快上报。"}
    reminded = await system.send("POST", "/api/filings/2028/lab/reminders", operator, text)
    assert reminded.status == 200, reminded.body
    await system.skip_to(at("2029-03-01T10:00:00"))
    await lab.proposed("referral")
    await lab.done("decide", lab.decider, {"outcome": "impose", "reason": "催报后仍未上报"})
    given = {"agency": "福州市统计局", "document": "榕市监移〔2029〕1号"}
    await lab.done("refer", lab.officer, given)
    shown = await lab.shown()
    assert shown["ended_by"] == "handed_over"
    assert [one[:13] for one in shown["facts"]["reminders_served"]] == ["2029-01-20T10"]
    assert [one["kind"] for one in shown["documents"]] == ["decision", "referral"]


async def test_without_a_reminder_nothing_is_referred(system: System) -> None:
    lab = await matter(system, "lab")
    await lab.open()
    none = await lab.refused("propose", lab.officer, {"measure": "referral", "reason": "没催"})
    assert none["code"] == "unknown_measure"


async def test_nobody_acts_alone_or_elsewhere(system: System) -> None:
    lab = await matter(system, "lab")
    elsewhere = system.token(OFFICER, "officer-9", "amr-430000")
    assert (await lab.open(elsewhere)).body["code"] == "not_found"
    hunan = system.token(OPERATOR, "operator-9", "430000")
    assert (await lab.open(hunan)).body["code"] == "not_found"
    await lab.proposed("warning")
    await lab.done("notice", lab.officer)
    await system.skip_to(at("2029-03-09T09:00:00"))
    impose = {"outcome": "impose", "reason": "属实", "basis": "统计法第四十二条"}
    alone = system.token(DECIDER, "officer-1", lab.authority)
    refused = await lab.refused("decide", alone, impose)
    assert (refused["code"], refused["sources"][0]["clause"]) == (
        "same_person",
        "第五十七条、第五十八条",
    )
    other = system.token(DECIDER, "decider-9", "amr-430000")
    assert (await lab.refused("decide", other, impose))["code"] == "not_found"
    await lab.done("decide", lab.decider, impose)
    also = system.token(OFFICER, "decider-1", lab.authority)
    assert (await lab.refused("service", also))["code"] == "same_person"
    stranger = system.token(FILER, "clerk-x", "x")
    assert (await system.send("GET", lab.path, stranger)).body["code"] == "not_your_case"


async def test_what_fujian_leaves_open_is_worded_by_the_officer(system: System) -> None:
    lab = await local_matter(system, 2031, "350000", "350102", "amr-350102", "2032-04-06T10:00:00")
    await lab.open()
    [measure] = (await lab.shown())["measures"]
    assert (measure["label"], measure["open_wording"]) == ("根据具体情况予以处置", True)
    assert measure["source"]["document"] == "闽市监认证〔2024〕1号"
    given = {"measure": measure["id"], "reason": "经催促仍未上报"}
    assert (await lab.refused("propose", lab.officer, given))["code"] == "reason_required"
    await lab.done("propose", lab.officer, {**given, "wording": "约谈负责人，责令说明情况"})
    await lab.done("notice", lab.officer)
    # five working days from Tuesday 2032-04-06: to Tuesday the 13th
    assert (await lab.shown())["statement_due"] == "2032-04-14T00:00:00+08:00"
    await system.skip_to(at("2032-04-14T09:00:00"))
    await lab.done("decide", lab.decider, {"outcome": "impose", "reason": "属实"})
    await lab.done("service", lab.officer)
    # ten working days from Wednesday the 14th
    assert (await lab.shown())["effective_at"] == "2032-04-29T00:00:00+08:00"
    await system.skip_to(at("2032-04-29T00:00:01"))
    shown = await lab.shown()
    assert (shown["stage"], shown["expires_at"]) == ("in_force", "2033-04-29T00:00:00+08:00")
    # the notice has nothing published
    assert (await system.send("GET", "/public/measures")).body["items"] == []
    await system.skip_to(at("2033-04-28T23:59:57"))
    assert (await lab.shown())["stage"] == "in_force"
    await system.skip_to(at("2033-04-29T00:00:01"))
    assert (await lab.shown())["ended_by"] == "expired"


async def test_a_province_with_a_measure_of_its_own_needs_rules_alone(system: System) -> None:
    lab = await local_matter(system, 2032, "440000", "440106", "amr-440000", "2033-04-06T10:00:00")
    await lab.open()
    [measure] = (await lab.shown())["measures"]
    assert (measure["id"], measure["label"]) == ("talk", "约谈负责人")
    await lab.done("propose", lab.officer, {"measure": "talk", "reason": "经催促仍未上报"})
    unheard = await lab.refused("notice", lab.officer)
    assert unheard["code"] == "wrong_status"
    await lab.done("decide", lab.decider, {"outcome": "impose", "reason": "属实"})
    # three working days from Wednesday 2033-04-06
    assert (await lab.shown())["service_due"] == "2033-04-12T00:00:00+08:00"
    await lab.done("service", lab.officer)
    assert (await lab.shown())["effective_at"] == "2033-04-09T00:00:00+08:00"
    await system.skip_to(at("2033-04-09T00:00:01"))
    assert (await lab.shown())["expires_at"] == "2033-04-19T00:00:00+08:00"
    await system.skip_to(at("2033-04-18T23:59:57"))
    assert (await lab.shown())["stage"] == "in_force"
    await system.skip_to(at("2033-04-19T00:00:01"))
    assert (await lab.shown())["ended_by"] == "expired"


@pytest.mark.parametrize(
    ("year", "jurisdiction", "region", "now"),
    [(2031, "430000", "430102", "2032-05-06T10:00:00"),
     (2032, "000000", "430102", "2033-04-06T10:00:00")],
)  # fmt: skip
async def test_where_the_notice_names_nothing_nothing_can_be_opened(
    system: System, year: int, jurisdiction: str, region: str, now: str
) -> None:
    lab = await local_matter(system, year, jurisdiction, region, "amr-430000", now)
    refused = await lab.open()
    assert refused.body["code"] == "nothing_to_propose"
    path = f"/api/enforcement/consequences?about={lab.about}"
    foreseen = await system.send("GET", path, lab.officer)
    assert (foreseen.body["proposals"], foreseen.body["due"] is not None) == ([], True)
    assert "没有规定后续处理措施，所以什么也不提出" in foreseen.body["because"]
    page = await system.send("GET", "/api/enforcement", system.token(OPERATOR, "o", "000000"))
    assert page.body["items"] == []
