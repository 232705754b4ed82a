"""One legal person files once; an authority reports its own figures. Over HTTP, to the end."""

import asyncio
import re
from typing import Any

import pytest

from activities.annual_filing import FilingActivities
from domain.campaigns import CampaignStart
from domain.case.commands import Actor
from domain.case.workflow_messages import RecordRequest
from domain.facts import InstitutionFacts
from domain.filing.findings import PrepareSubmission
from domain.ids import NATION
from domain.uscc import check_digit
from rules.file.library import SHIPPED, RuleLibrary
from rules.filing.forms.example import blank_example
from rules.filing.forms.library import FormLibrary
from services.sign_in import csrf_token
from store import campaigns, institutions, rule_sets
from store.writer import JournalWriter
from tests.accounts import signed_in
from tests.api.documented import as_documented
from tests.api.people import Filing, filing
from tests.system import AUDITOR, CHECKER, FILER, OPERATOR, REVIEWER, System, institution

pytestmark = pytest.mark.anyio


def code(first: str) -> str:
    """A unified social credit code that begins like this."""
    return first + check_digit(first)


DOUBTS = "/api/institutions/legal-persons/2024/000000"


async def shares(house: System, uscc: str, *filings: Filing, **facts: Any) -> None:
    """Gives accounts one code, the last of them further facts."""
    async with house.engine.begin() as connection:
        known = await institutions.by_ids(connection, [one.id for one in filings])
        changed = [
            known[one.id].model_copy(
                update={
                    "uscc": uscc,
                    "facts": InstitutionFacts(
                        **{**known[one.id].facts.model_dump(), **(facts if last else {})}
                    ),
                }
            )
            for one in filings
            for last in [one is filings[-1]]
        ]
        await institutions.save(connection, changed)


async def doubts(house: System, uscc: str) -> dict[str, Any]:
    operator = house.token(OPERATOR, "operator-1", "000000")
    answer = await house.send("GET", DOUBTS, operator)
    assert answer.status == 200, answer.body
    return next(one for one in answer.body["legal_persons"] if one["key"] == uscc)


async def test_the_second_account_of_a_legal_person_is_refused_until_an_operator_finds_otherwise(
    house: System,
) -> None:
    first, second = await filing(house), await filing(house)
    uscc = code("91350100M000100Y4")
    await shares(house, uscc, first, second)
    listed = await doubts(house, uscc)
    assert [(one["institution"], one["open"]) for one in listed["accounts"]] == [
        (first.id, True),
        (second.id, True),
    ]
    await first.submitted()
    await second.saved()
    refused = await house.submit(second.name, second.filer)
    assert (refused.status, refused.body["code"]) == (409, "legal_person_files_once")
    assert first.id in refused.body["detail"]
    assert refused.body["sources"][0]["document"] == "市监检测函〔2024〕595号"
    found = {"document": "（生成）1号", "reason": "（生成）另一独立法人"}
    one = f"/api/institutions/{second.id}/legal-person"
    itself = {**found, "finding": "files_with", "files_with": second.id}
    assert (await house.send("POST", one, second.operator, itself)).status == 422
    elsewhere = house.token(OPERATOR, "operator-fj", "350000")
    separate = {**found, "finding": "separate"}
    assert (await house.send("POST", one, elsewhere, separate)).status == 404
    assert (await house.send("POST", one, second.operator, separate)).status == 200
    assert not (await doubts(house, uscc))["open"]
    await second.submitted()


async def test_of_two_accounts_that_submit_at_once_one_is_refused_with_the_clause(
    house: System,
) -> None:
    first, second = await filing(house), await filing(house)
    uscc = code("91350100M000100Y8")
    await shares(house, uscc, first, second)
    for one in (first, second):
        await one.saved()
    both = await asyncio.gather(*(house.submit(one.name, one.filer) for one in (first, second)))
    assert sorted(answer.status for answer in both) == [200, 409]
    [refused] = [answer for answer in both if answer.status == 409]
    assert refused.body["code"] == "legal_person_files_once"
    assert refused.body["sources"][0]["document"] == "市监检测函〔2024〕595号"
    assert sorted([await first.status(), await second.status()]) == ["draft", "in_review"]


async def test_what_another_account_filed_meanwhile_is_seen_before_a_submission_is_recorded(
    house: System,
) -> None:
    first, second = await filing(house), await filing(house)
    uscc = code("91350100M000100Y9")
    await shares(house, uscc, first, second)
    saved = (await second.saved()).body
    parts = house.parts
    activities = FilingActivities(
        house.engine, JournalWriter(house.engine), parts.pinned, parts.contents
    )
    case = (await parts.records.find(second.case_id, "填报")).case
    found = await activities.prepare_submission(
        PrepareSubmission(
            case_id=second.case_id,
            institution=second.id,
            rule_set=case.rule_set,
            revision=saved["revision"],
            content_sha256=saved["sha256"],
            choice=None,
            parts=case.plan.parts,
        )
    )
    assert (found.refusal, found.shared) == (None, (f"legal-person/2024/{uscc}",))
    # between looking into it and recording it the other one files
    await first.submitted()
    before = (await parts.records.steps(case))[-1]
    step = before.model_copy(
        update={"event": "submitted", "actor": Actor(subject="f", role=FILER, scope=second.id)}
    )
    request = RecordRequest(steps=(step,), shared=found.shared, rule_set=case.rule_set)
    recorded = await activities.record_steps(request)
    assert recorded.refusal is not None
    assert (recorded.refusal.code, recorded.refusal.params["other"]) == (
        "legal_person_files_once", first.id,
    )  # fmt: skip
    assert (await parts.records.steps(case))[-1] == before


async def test_who_files_with_another_is_not_counted_as_owing_a_filing(house: System) -> None:
    head = await filing(house)
    branch = f"branch-{head.id}"
    await house.add(institution(branch, head.region, issuer=head.issuer))

    async def counted() -> tuple[int, int, int, int]:
        foreseen = await house.send("GET", "/api/campaigns/2024/000000/forecast", head.operator)
        review = await house.send("GET", "/api/institutions/review/2024/000000", head.operator)
        total = review.body["total"]
        return (
            foreseen.body["must"], foreseen.body["outside"], total["must"], total["outside"],
        )  # fmt: skip

    before = await counted()
    body = {
        "finding": "files_with",
        "files_with": head.id,
        "document": "（生成）6号",
        "reason": "（生成）同一法人",
    }
    path = f"/api/institutions/{branch}/legal-person"
    made = await house.send("POST", path, head.operator, body)
    assert made.status == 200, made.body
    assert await counted() == (before[0] - 1, before[1] + 1, before[2] - 1, before[3] + 1)


async def test_an_account_kept_from_before_files_and_is_seen(house: System) -> None:
    head, branch = await filing(house), await filing(house)
    uscc = code("91350100M000100Y5")
    await shares(house, uscc, head, branch, legal_person=False)
    await head.submitted()
    await branch.submitted()
    listed = await doubts(house, uscc)
    told = {one["institution"]: one["by_itself"] for one in listed["accounts"]}
    assert (listed["open"], told) == (False, {head.id: False, branch.id: True})


async def test_who_files_with_another_has_nothing_left_to_file(house: System) -> None:
    head, branch = await filing(house), await filing(house)
    uscc = code("91350100M000100Y6")
    await shares(house, uscc, head, branch)
    body = {
        "finding": "files_with",
        "files_with": head.id,
        "document": "（生成）2号",
        "reason": "（生成）同一法人",
    }
    path = f"/api/institutions/{branch.id}/legal-person"
    made = await house.send("POST", path, branch.operator, body)
    assert made.status == 200, made.body
    await house.until(branch.name, "cancelled")
    assert not (await doubts(house, uscc))["open"]
    # another one that has no filing yet gets none
    late = f"late-{head.id}"
    await house.add(institution(late, head.region, issuer=head.issuer))
    body["document"] = "（生成）3号"
    joined = await house.send("POST", f"/api/institutions/{late}/legal-person", head.operator, body)
    assert joined.status == 200, joined.body
    asked = await house.send("POST", f"/api/filings/2024/{late}", head.operator)
    assert (asked.status, asked.body["code"]) == (409, "legal_person_files_once")


async def test_nobody_files_while_the_other_account_corrects_what_it_filed(house: System) -> None:
    first, second = await filing(house), await filing(house)
    await shares(house, code("91350100M000100Y7"), first, second)
    await second.saved()
    await first.returned()
    refused = await house.submit(second.name, second.filer)
    assert (refused.status, refused.body["code"]) == (409, "legal_person_files_once")
    await first.submitted()


async def test_a_late_repeat_of_what_was_found_ends_no_filing(house: System) -> None:
    head = await filing(house)
    joined = {
        "finding": "files_with",
        "files_with": head.id,
        "document": "（生成）4号",
        "reason": "（生成）同一法人",
    }
    separate = {"finding": "separate", "document": "（生成）5号", "reason": "（生成）独立法人"}
    late = f"later-{head.id}"
    await house.add(institution(late, head.region, issuer=head.issuer))
    path = f"/api/institutions/{late}/legal-person"
    key = {"idempotency_key": f"joined-{late}"}
    made = await house.send("POST", path, head.operator, joined, **key)
    assert made.status == 200, made.body
    assert (await house.send("POST", path, head.operator, separate)).status == 200
    await house.send("POST", f"/api/filings/2024/{late}", head.operator)
    await house.until(f"2024/{late}", "draft")
    again = await house.send("POST", path, head.operator, joined, **key)
    assert (again.status, again.body) == (200, made.body)
    jobs = (await house.send("GET", "/api/jobs?size=200", head.operator)).body["items"]
    assert not [job for job in jobs if late in str(job)]
    # nobody files with an account that files with another itself
    assert (await house.send("POST", path, head.operator, joined)).status == 200
    circle = await house.send(
        "POST",
        f"/api/institutions/{head.id}/legal-person",
        head.operator,
        {**joined, "files_with": late},
    )
    assert (circle.status, circle.body["code"]) == (409, "legal_person_files_once")
    assert head.id in circle.body["detail"]


async def test_a_centre_of_two_units_is_listed(house: System) -> None:
    one, other = await filing(house), await filing(house)
    centres = ("国家共建产品质量检验检测中心（生成）",)
    await shares(house, "", one, national_centres=centres)
    await shares(house, "", other, national_centres=centres)
    answer = await house.send("GET", f"{DOUBTS}?open=true", one.operator)
    assert answer.body["centres"] == [{"name": centres[0], "institutions": [one.id, other.id]}]


async def _reported_on_pages(house: System, values: dict[str, Any]) -> None:
    """The same by a form, whose third revision is the newest: saved, told what is wrong, sent."""
    kept = await signed_in(house, "clerk-on-pages", REVIEWER, "cnas")
    named = {"cookie": f"zhibao_session={kept}", "accept": "text/html"}
    listed = await house.http.get("/work/authority-figures", headers=named)
    assert "认可业务数据信息" in listed.text
    here = "/work/authority-figures/2020/accreditation"
    form = {name: str(value) for name, value in values.items()}
    form |= {"csrf": csrf_token(kept), "revision": "3"}
    wrong = await house.http.post(here, data={**form, "laboratories": "-1"}, headers=named)
    assert wrong.status_code == 422
    assert 'href="#laboratories"' in wrong.text
    assert 'value="-1"' in wrong.text
    # sent twice it is saved once; what was read before somebody else saved is not written over
    for _ in range(2):
        assert (await house.http.post(here, data=form, headers=named)).status_code == 303
    late = await house.http.post(here, data={**form, "laboratories": "1"}, headers=named)
    assert late.status_code == 412
    shown = (await house.http.get(here, headers=named)).text
    assert "提交第 4 稿" in shown
    [sha256] = re.findall(r'name="sha256" value="([0-9a-f]{64})"', shown)
    sent = {"csrf": csrf_token(kept), "key": "figures-page", "revision": "4", "sha256": sha256}
    assert (await house.http.post(f"{here}/submit", data=sent, headers=named)).status_code == 303
    shown = (await house.http.get(f"{here}?done=submitted", headers=named)).text
    assert "已提交" in shown
    assert "提交第" not in shown


async def test_the_accreditation_body_reports_its_own_figures(house: System) -> None:
    document = RuleLibrary().resolve(2020, NATION).document
    operator = Actor(subject="operator-1", role=OPERATOR, scope=NATION)
    async with house.engine.begin() as connection:
        sha256 = await rule_sets.store(connection, document)
        start = CampaignStart(
            case_id="campaign/2020/000000",
            year=2020,
            jurisdiction=NATION,
            rule_sets={NATION: sha256},
            stages=(),
            requested_at=house.now(),
            opened_by=operator,
            command_id="open-2020",
        )
        await campaigns.add(connection, start)
    cnas = house.token(REVIEWER, "clerk-cnas", "cnas")
    samr = house.token(CHECKER, "checker-1", "samr")
    path = "/api/authority-figures/2020/accreditation"

    async def duty() -> list[tuple[str, bool]]:
        items = (await house.send("GET", "/api/duties", cnas)).body["items"]
        return [
            (one["figure"], one["done"]) for one in items if one["measured"] == "figures_submitted"
        ]

    assert await duty() == [("未提交", False)]
    values = blank_example(FormLibrary(SHIPPED / "forms").get("accreditation-2020"))
    tag = {"if_match": '"0"'}
    negative = {"values": {**values, "laboratories": -1}}
    refused = await house.send("PUT", path, cnas, negative, **tag)
    assert (refused.status, [one["pointer"] for one in refused.body["errors"]]) == (
        422, ["/values/laboratories"],
    )  # fmt: skip
    saved = await house.send("PUT", path, cnas, {"values": values}, **tag)
    assert (saved.status, saved.body["revision"]) == (200, 1), saved.body
    assert saved.body["derived"]["accredited"] == 11850
    stale = await house.send("PUT", path, cnas, {"values": {}}, **tag)
    assert (stale.status, stale.body["code"]) == (412, "revision_conflict")
    # a draft is the authority's own, and nobody else's is the form
    assert (await house.send("GET", path, samr)).body["values"] == {}
    for role, subject, scope in ((REVIEWER, "r", "caiq"), (OPERATOR, "o", "350000")):
        other = await house.send("GET", path, house.token(role, subject, scope))
        assert other.status == 404
    assert (
        await house.send("PUT", path, house.token(FILER, "f", "cnas"), {"values": {}}, **tag)
    ).status == 403
    sent = await house.send(
        "POST", f"{path}/submit", cnas, {"revision": 1, "sha256": saved.body["sha256"]}
    )
    assert (sent.status, sent.body["submitted_revision"], sent.body["late"]) == (200, 1, True)
    assert await duty() == [("已提交", True)]
    shown = await house.send("GET", path, samr)
    assert shown.body["values"]["laboratories"] == 11000
    as_documented("/api/authority-figures/{year}/{subject}", shown.body)
    # the same key again, after another revision was saved
    key = {"idempotency_key": "figures-again"}
    values["laboratories"] = 11001
    newer = await house.send("PUT", path, cnas, {"values": values}, if_match='"1"')
    body = {"revision": 2, "sha256": newer.body["sha256"]}
    assert (await house.send("POST", f"{path}/submit", cnas, body, **key)).status == 200
    await house.send(
        "PUT", path, cnas, {"values": {**values, "laboratories": 11002}}, if_match='"2"'
    )
    repeated = await house.send("POST", f"{path}/submit", cnas, body, **key)
    assert (repeated.status, repeated.body["submitted_revision"]) == (200, 2), repeated.body
    auditor = house.token(AUDITOR, "auditor-1")
    (listed,) = (await house.send("GET", "/api/authority-figures/2020", auditor)).body["items"]
    assert (listed["authority"], listed["due"], listed["late"]) == ("cnas", "2021-02-28", True)
    await _reported_on_pages(house, {**values, "laboratories": 11003})
