"""Certificates searched, scanned and counted over HTTP: who sees what, and how much of it."""

import base64
import json
from collections.abc import AsyncIterator
from datetime import date, datetime, timedelta
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.case.commands import Role
from domain.certificates.certificate import CERTIFICATE_STATUS_LABELS, CertificateStatus
from domain.certificates.public import (
    SCAN_ANSWER_LABELS,
    SCAN_TITLES,
    PublicCertificate,
    ScanAnswer,
)
from domain.certificates.statement import PublishedKeys, Statement, verify
from rules.file.library import SHIPPED
from services.certificates.keys import SigningKeys
from store.certificates.register import Registered
from store.database import connect
from tests.api.enquiries import DAY, Enquiries, enquiries_on
from tests.registered import register

pytestmark = pytest.mark.anyio

SECRET = ("测试签字人", "万能试验机", "WE-1000", "lab-")


@pytest.fixture
async def asking(engine: AsyncEngine) -> AsyncIterator[Enquiries]:
    async with enquiries_on(engine, SHIPPED) as found:
        yield found


async def numbers(asking: Enquiries, who: dict[str, str], **given: str) -> list[str]:
    answer = await asking.http.get("/api/certificates/search", params=given, headers=who)
    assert answer.status_code == 200, answer.text
    return [one["public"]["number"] for one in answer.json()["items"]]


# --- the public's search ------------------------------------------------------------------------


async def public(asking: Enquiries, **given: str) -> list[str]:
    answer = await asking.http.get("/public/certificates", params=given)
    assert answer.status_code == 200, answer.text
    return [one["number"] for one in answer.json()["items"]]


async def test_the_public_finds_a_certificate_in_every_way_it_may_ask(asking: Enquiries) -> None:
    await asking.put("241301060001", uscc="91350000000000001A", holder="榕城检测（生成）")
    await asking.put("241801060001", region="430102", issuer="amr-430000", field="12")
    first, second = ["241301060001"], ["241801060001"]
    asked: list[tuple[dict[str, str], list[str]]] = [
        ({"number": "241301060001"}, first),
        ({"number": "２４１３０１０６０００１"}, first),
        ({"number": "24130106"}, []),
        ({"holder": "榕城"}, first),
        ({"uscc": "91350000000000001a"}, first),
        ({"capability": "抗压"}, first + second),
        ({"capability": "抗压", "region": "350000"}, first),
        ({"capability": "抗压", "region": "", "field": "12"}, second),
        ({"standard": "GB/T 50081-2019", "region": "430000"}, second),
        ({"holder": "没有这家"}, []),
    ]
    for one, wanted in asked:
        assert await public(asking, **one) == wanted, one


async def test_what_only_a_roster_claims_is_unverified_to_the_public(asking: Enquiries) -> None:
    await asking.put("claimed", code="")
    query = text("UPDATE certificates SET origin = 'roster', code = NULL WHERE number = 'claimed'")
    async with asking.engine.begin() as connection:
        await connection.execute(query)
    [found] = (await asking.http.get("/public/certificates", params={"number": "claimed"})).json()[
        "items"
    ]
    assert (found["status"], found["status_label"], found["since"]) == (
        "unverified", "未经发证机关核实", None,
    )  # fmt: skip
    page = await asking.http.get("/certificates", params={"number": "claimed"})
    assert "未经发证机关核实" in page.text
    assert "<strong>有效</strong>" not in page.text


async def test_nobody_finds_by_a_parent_what_it_may_not_see(asking: Enquiries) -> None:
    await asking.put("1", parent_uscc="91350000000000009Z")
    for scope, wanted in (("amr-350000", ["1"]), ("amr-430000", [])):
        who = asking.token(Role.CLERK, scope)
        found = await asking.http.get(
            "/api/certificates/search", params={"parent_uscc": "91350000000000009Z"}, headers=who
        )
        assert [one["public"]["number"] for one in found.json()["items"]] == wanted, scope


async def test_the_public_part_holds_nothing_else(asking: Enquiries) -> None:
    await asking.put("1", parent_uscc="91350000000000009Z", sites=["第二检测场所（生成）"])
    answer = await asking.http.get("/public/certificates", params={"number": "1"})
    scanned = await asking.http.get("/public/certificates/code/CODE1")
    page = await asking.http.get("/certificates", params={"number": "1"})
    opened = await asking.page("CODE1")
    assert set(answer.json()["items"][0]) == set(PublicCertificate.model_fields)
    assert not {"institution", "parent_uscc", "signatories"} & set(PublicCertificate.model_fields)
    for shown in (answer, scanned, page, opened):
        assert "抗压强度" in shown.text
        for secret in (*SECRET, "91350000000000009Z", "第二检测场所"):
            assert secret not in shown.text.replace("测试检测机构 lab-1（生成）", "")


@pytest.mark.parametrize("hidden", ["equipment", "signatory", "parent_uscc", "institution"])
async def test_the_public_cannot_search_for_what_it_may_not_see(
    asking: Enquiries, hidden: str
) -> None:
    given = {hidden: "试验机", "number": "1"}
    answer = await asking.http.get("/public/certificates", params=given)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_parameter")


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({}, "number"),
        ({"region": "350000"}, "number"),
        ({"field": "01", "region": "350000"}, "number"),
        ({"number": "", "holder": " "}, "number"),
        ({"holder": "检"}, "holder"),
        ({"capability": "水" * 101}, "capability"),
        ({"capability": "水" * 5_000}, "capability"),
        ({"capability": "a b c d e f g h i"}, "capability"),
        ({"number": "1\x00"}, "number"),
        ({"number": "1\u202e2"}, "number"),
        ({"number": "1", "region": "35"}, "region"),
        ({"number": "1", "field": "1"}, "field"),
        ({"number": "1", "page": "0"}, "page"),
        ({"number": "1", "page": "6"}, "page"),
        ({"number": "1", "size": "200"}, "size"),
    ],
)
async def test_what_cannot_be_searched_for_is_named(
    asking: Enquiries, given: dict[str, str], named: str
) -> None:
    answer = await asking.http.get("/public/certificates", params=given)
    body = answer.json()
    assert (answer.status_code, body["code"]) == (422, "invalid_parameter")
    assert named in body["detail"]


async def test_no_search_lists_more_than_its_pages(asking: Enquiries) -> None:
    for number in range(103):
        await asking.put(f"{number:012d}")
    got: list[str] = []
    for page in range(1, 6):
        answer = await asking.http.get(
            "/public/certificates", params={"capability": "抗压", "page": str(page)}
        )
        body = answer.json()
        got += [one["number"] for one in body["items"]]
        assert (body["more"], body["narrow"]) == (page < 5, page == 5)
    assert got == [f"{number:012d}" for number in range(100)]


async def test_who_asks_too_often_is_slowed_down(engine: AsyncEngine) -> None:
    async with enquiries_on(engine, SHIPPED, lookups_per_client="3/minute") as asking:
        for _ in range(2):
            assert await public(asking, capability="抗压") == []
        assert (await asking.page("X")).status_code == 404
        for path in ("/public/certificates?number=1", "/certificates?number=1", "/c/X"):
            answer = await asking.http.get(path)
            assert answer.status_code == 429
            assert answer.headers["retry-after"] == "60"
            assert "too_many_lookups" in answer.text
        # the form itself is no search
        assert (await asking.http.get("/certificates")).status_code == 200
        asking.now += timedelta(seconds=60)
        assert await public(asking, capability="抗压") == []


async def test_walking_along_a_years_serials_is_slowed_down_for_all(engine: AsyncEngine) -> None:
    async with enquiries_on(engine, SHIPPED, lookups_per_prefix="5/minute") as asking:
        # who walks has these, and who comes after it still a few (see the lookup of numbers)
        for serial in range(5):
            await public(asking, number=f"24130106{serial:04d}")
        answer = await asking.http.get("/public/certificates?number=241301069999")
        assert answer.status_code == 429
        assert await public(asking, number="251301060001") == []


HOSTILE = st.text(max_size=120) | st.sampled_from(
    ["%", "_", "'; DROP TABLE certificates; --", "\\", "{1,2}", "NULL", "$1", "🧪", "𠮷" * 60]
)


@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(given=st.dictionaries(
    st.sampled_from(["number", "holder", "uscc", "capability", "standard", "region", "page"]),
    HOSTILE, min_size=1,
))  # fmt: skip
async def test_any_text_is_answered_or_refused_by_name(
    asking: Enquiries, given: dict[str, str]
) -> None:
    for path in ("/public/certificates", "/certificates"):
        answer = await asking.http.get(path, params=given)
        assert answer.status_code in (200, 422), answer.text
        assert "<script" not in answer.text


# --- the signed-in search -----------------------------------------------------------------------


async def test_an_authority_sees_its_own_in_full_and_others_public_part(asking: Enquiries) -> None:
    await asking.put("1", issuer="amr-350000")
    await asking.put("2", issuer="amr-430000", region="430102")
    for role in (Role.CLERK, Role.REVIEWER, Role.CHECKER):
        who = asking.token(role, "amr-350000")
        answer = await asking.http.get(
            "/api/certificates/search", params={"capability": "抗压"}, headers=who
        )
        own, other = answer.json()["items"]
        assert own["own"]["signatories"] == [{"name": "测试签字人（生成）", "field": "建筑工程"}]
        assert (other["public"]["number"], other["own"]) == ("2", None)
        assert not any(one in json.dumps(other, ensure_ascii=False) for one in SECRET[:3])
        whole = await asking.http.get("/api/certificates/registered/2", headers=who)
        assert whole.json()["own"] is None
        assert "签字人" not in whole.text


@pytest.mark.parametrize(
    ("role", "scope", "finds"),
    [
        (Role.CLERK, "amr-350000", ["1"]),
        (Role.CLERK, "amr-430000", ["2"]),
        (Role.CLERK, "amr-350100", ["1"]),
        (Role.CLERK, "amr-350200", []),
        (Role.REVIEWER, "samr", ["1", "2"]),
        (Role.REVIEWER, "cnas", []),
        (Role.OPERATOR, "000000", ["1", "2"]),
        (Role.OPERATOR, "350000", ["1"]),
        (Role.OPERATOR, "350200", []),
        (Role.AUDITOR, "", ["1", "2"]),
        (Role.FILER, "lab-2", ["2"]),
        (Role.FILER, "lab-3", []),
    ],
)
async def test_signatories_are_found_by_whoever_may_see_them(
    asking: Enquiries, role: Role, scope: str, finds: list[str]
) -> None:
    await asking.put("1", issuer="amr-350000")
    await asking.put("2", issuer="amr-430000", region="430102")
    who = asking.token(role, scope)
    assert await numbers(asking, who, signatory="测试签字人（生成）") == finds
    # a part of a name finds nobody
    assert await numbers(asking, who, signatory="签字人") == []
    assert await numbers(asking, who, equipment="WE-1000") == finds


async def test_an_institution_finds_its_own_only(asking: Enquiries) -> None:
    await asking.put("1")
    await asking.put("2")
    who = asking.token(Role.FILER, "lab-1")
    assert await numbers(asking, who) == ["1"]
    assert await numbers(asking, who, number="2") == []
    assert (await asking.http.get("/api/certificates/registered/2", headers=who)).status_code == 404
    own = (await asking.http.get("/api/certificates/registered/1", headers=who)).json()
    assert own["own"]["equipment"] == [{"name": "万能试验机", "model": "WE-1000"}]


async def test_nobody_searches_without_signing_in(asking: Enquiries) -> None:
    for path in ("search", "registered/1", "linked/91350000000000001A", "counts"):
        assert (await asking.http.get(f"/api/certificates/{path}")).status_code == 401


async def test_the_state_is_that_of_today(asking: Enquiries) -> None:
    await asking.put("1", valid_to=date(2025, 3, 22))
    who = asking.token(Role.AUDITOR)
    assert await numbers(asking, who, state="valid") == ["1"]
    assert await numbers(asking, who, state="expired") == []
    asking.now = datetime.combine(date(2025, 3, 23), datetime.min.time(), DAY.tzinfo)
    assert await numbers(asking, who, state="valid") == []
    assert await numbers(asking, who, state="expired") == ["1"]
    asking.now -= timedelta(seconds=1)
    assert await numbers(asking, who, state="valid") == ["1"]


async def test_pages_of_numbers_of_any_kind_follow_each_other(asking: Enquiries) -> None:
    named = sorted(["（闽）量认字001号", "241301060001", "CNCA-1", "ü1"])
    for number in named:
        code = f"C{named.index(number)}"
        await register(asking.engine, number, code=code, institution="lab")
    who = asking.token(Role.AUDITOR)
    got, cursor = [], ""
    while cursor is not None:
        answer = await asking.http.get(
            "/api/certificates/search",
            params={"size": "1", **({"cursor": cursor} if cursor else {})},
            headers=who,
        )
        got += [one["public"]["number"] for one in answer.json()["items"]]
        cursor = answer.json()["next"]
    assert sorted(got) == named
    for bad in ("x", base64.urlsafe_b64encode(b'["zz"]').decode(), "WyIwMCJd"):
        refused = await asking.http.get(
            "/api/certificates/search", params={"cursor": bad}, headers=who
        )
        assert refused.status_code == 422


GROUP, LAB, BRANCH = "91350000000000001A", "91350000000000002B", "91430000000000003C"


async def test_a_familys_certificates_are_linked_across_provinces(asking: Enquiries) -> None:
    await asking.put("1", uscc=GROUP)
    await asking.put("2", uscc=LAB, parent_uscc=GROUP)
    await asking.put("3", uscc=BRANCH, parent_uscc=LAB, issuer="amr-430000", region="430102")
    await asking.put("4")
    who = asking.token(Role.CLERK, "amr-350000")
    answer = (await asking.http.get(f"/api/certificates/linked/{LAB}", headers=who)).json()
    assert answer["parents"] == [GROUP]
    assert [(one["public"]["number"], one["own"] is None) for one in answer["items"]] == [
        ("1", False), ("2", False), ("3", True),
    ]  # fmt: skip
    filer = asking.token(Role.FILER, "lab-2")
    own = (await asking.http.get(f"/api/certificates/linked/{LAB}", headers=filer)).json()
    assert [(one["public"]["number"], one["own"] is None) for one in own["items"]] == [
        ("1", True), ("2", False), ("3", True),
    ]  # fmt: skip
    strange = await asking.http.get(f"/api/certificates/linked/{BRANCH}", headers=filer)
    assert (strange.status_code, strange.json()["code"]) == (403, "not_your_case")
    nowhere = await asking.http.get("/api/certificates/linked/nonsense", headers=who)
    assert nowhere.status_code == 404


# --- scans --------------------------------------------------------------------------------------


async def test_a_genuine_statement_of_a_valid_certificate(asking: Enquiries) -> None:
    code, statement = await asking.put("241301060001")
    found = await asking.scan(code, statement)
    assert (found["answer"], found["proof"], found["fault"]) == ("valid", "genuine", None)
    assert found["certificate"]["issuer_name"] == "福建省市场监督管理局"
    assert found["certificate"]["since"] == "2022-01-01"
    assert found["differences"] == []
    assert found["live"] is True
    (source,) = found["sources"]
    assert source["document"] == "市监检测函〔2019〕1364号"
    assert "真伪" in source["quote"]


async def test_a_statement_with_any_bit_changed_is_not_taken_for_genuine(
    asking: Enquiries,
) -> None:
    code, statement = await asking.put("241301060001")
    raw = base64.b32decode(statement + "=" * (-len(statement) % 8))
    for bit in range(0, len(raw) * 8, 29):
        changed = bytearray(raw)
        changed[bit // 8] ^= 1 << bit % 8
        found = await asking.scan(code, base64.b32encode(changed).decode().rstrip("="))
        assert (found["answer"], found["proof"]) == ("unproven", "unproven"), bit
        assert found["certificate"]["number"] == "241301060001"
        assert found["paper"] is None
        assert "真的" in found["says"]
    changed = bytearray(raw)
    changed[-1] ^= 1
    told = await asking.scan(code, base64.b32encode(changed).decode().rstrip("="))
    assert (told["fault"], told["title"]) == ("bad_signature", "二维码是伪造的或被改动过")


async def test_a_genuine_statement_under_another_code_is_told(asking: Enquiries) -> None:
    _, statement = await asking.put("1")
    other, _ = await asking.put("2")
    found = await asking.scan(other, statement)
    assert (found["fault"], found["answer"]) == ("other_code", "unproven")


async def test_a_code_without_a_statement_is_shown_and_not_vouched_for(asking: Enquiries) -> None:
    code, _ = await asking.put("1")
    found = await asking.scan(code)
    assert (found["answer"], found["proof"]) == ("valid", "not_given")
    assert "没有核验" in found["proof_says"]
    assert (await asking.scan(code, ""))["fault"] == "malformed"


FUTURE = date(2150, 1, 1)
_WITH_TESTS_OF_THEIR_OWN = ("superseded", "not_yet_valid")


@pytest.mark.parametrize(
    "status", [one for one in CertificateStatus if one not in _WITH_TESTS_OF_THEIR_OWN]
)
async def test_every_status_is_a_normal_answer_with_its_day(
    asking: Enquiries, status: CertificateStatus
) -> None:
    ended = {} if status in ("valid", "expired") else {
        "ended_on": date(2025, 1, 15), "document": "闽市监撤〔2025〕1号（生成）", "status": status,
    }  # fmt: skip
    last = date(2025, 3, 21) if status == "expired" else date(2027, 12, 31)
    code, statement = await asking.put("1", valid_to=last, **ended)
    answer = await asking.page(code, statement)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    label = CERTIFICATE_STATUS_LABELS[status]
    since = {"valid": "2022-01-01", "expired": "2025-03-22"}.get(status, "2025-01-15")
    assert f"<strong>{label}</strong>（自 {since} 起）" in answer.text
    assert "签名属实" in answer.text
    if ended:
        assert "闽市监撤〔2025〕1号（生成）" in answer.text
    found = await asking.scan(code, statement)
    assert (found["answer"], found["title"]) == (status, SCAN_TITLES[CertificateStatus(status)])
    ended_in_red = status in ("deregistered", "revoked", "rescinded")
    assert ('class="answer refused"' in answer.text) is ended_in_red
    assert ('class="answer amber"' in answer.text) is (status in ("expired", "superseded"))


async def test_a_certificate_shows_as_not_yet_valid_before_its_first_day(asking: Enquiries) -> None:
    code, statement = await asking.put("1", valid_from=FUTURE, valid_to=FUTURE)
    answer = await asking.page(code, statement)
    assert answer.status_code == 200
    assert "尚未生效" in answer.text
    found = await asking.scan(code, statement)
    assert (found["answer"], found["title"]) == ("not_yet_valid", "证书尚未生效")


async def test_a_replaced_certificate_leads_to_the_one_that_is_current_now(
    asking: Enquiries,
) -> None:
    gone = {"status": "superseded", "ended_on": date(2025, 1, 1)}
    code, statement = await asking.put("1", superseded_by="CODE2", **gone)
    await asking.put("2", superseded_by="CODE3", **gone)
    await asking.put("3")
    found = await asking.scan(code, statement)
    assert found["answer"] == "superseded"
    assert found["certificate"]["superseded_by"] == "2"
    assert found["current"] == {
        "number": "3", "code": "CODE3", "status": "valid", "status_label": "有效",
    }  # fmt: skip
    assert 'href="/c/CODE3"' in (await asking.page(code, statement)).text


async def test_certificates_that_replace_each_other_in_a_circle_hang_nobody(
    asking: Enquiries,
) -> None:
    gone = {"status": "superseded", "ended_on": date(2025, 1, 1)}
    await asking.put("1", superseded_by="CODE2", **gone)
    await asking.put("2", superseded_by="CODE1", **gone)
    await asking.put("3", superseded_by="CODE3", **gone)
    await asking.put("4", superseded_by="NOWHERE", **gone)
    for code in ("CODE1", "CODE3", "CODE4"):
        found = await asking.scan(code)
        assert (found["answer"], found["current"]) == ("superseded", None)


async def test_paper_and_record_may_differ_and_both_be_true(asking: Enquiries) -> None:
    code, statement = await asking.put("1", holder="旧名检测（生成）")
    await asking.put("1", holder="新名检测（生成）", revision=2, valid_to=date(2028, 1, 1))
    found = await asking.scan(code, statement)
    assert (found["answer"], found["proof"]) == ("valid", "genuine")
    assert {one["name"] for one in found["differences"]} == {"holder", "valid_to"}
    assert {"name": "holder", "label": "机构名称", "paper": "旧名检测（生成）",
            "record": "新名检测（生成）"} in found["differences"]  # fmt: skip
    page = (await asking.page(code, statement)).text
    assert "两者都可以是真的" in page
    assert "伪造" not in page


@pytest.mark.parametrize("code", ["NOTHING", "x" * 5000, "%E4%BD%A0", "%00", "a%20b", "%3Fs%3D1"])
async def test_an_unknown_code_says_what_that_proves_and_what_to_do(
    asking: Enquiries, code: str
) -> None:
    answer = await asking.http.get(f"/c/{code}")
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/html")
    for words in ("没有查到这个代码", "不说明该机构没有资质", "向发证机关核实"):
        assert words in answer.text
    assert (await asking.http.get(f"/public/certificates/code/{code}")).status_code == 404


async def test_apps_may_add_parameters_to_the_address(asking: Enquiries) -> None:
    code, statement = await asking.put("1")
    answer = await asking.http.get(f"/c/{code}?s={statement}&from=singlemessage&isappinstalled=0")
    assert answer.status_code == 200
    assert "签名属实" in answer.text


async def test_the_page_is_json_for_whoever_asks_for_json(asking: Enquiries) -> None:
    code, statement = await asking.put("1")
    answer = await asking.http.get(
        f"/c/{code}", params={"s": statement}, headers={"Accept": "application/json"}
    )
    assert answer.json()["proof"] == "genuine"
    assert answer.headers["vary"] == "Accept"
    assert answer.headers["cache-control"] == "no-store"


async def test_a_long_annex_is_shown_in_parts(asking: Enquiries) -> None:
    lines = [{"category": "土", "item": f"第{n}项", "standard": "HJ 1"} for n in range(201)]
    code, statement = await asking.put("1", capabilities=lines)
    seen: list[str] = []
    for part in (1, 2, 3, 4):
        found = (await asking.http.get(f"/public/certificates/code/{code}?part={part}")).json()
        assert found["parts"] == 3
        seen += [one["item"] for one in found["certificate"]["capabilities"]]
    assert seen == [f"第{n}项" for n in range(201)]
    page = await asking.page(code, statement)
    assert "下一段" in page.text
    assert "上一段" not in page.text
    assert f"s={statement}&amp;part=2" in page.text


# --- without a database -------------------------------------------------------------------------


async def test_without_the_register_paper_is_still_proven_and_the_rest_has_an_age(
    engine: AsyncEngine, database_url: str
) -> None:
    async with enquiries_on(engine, SHIPPED) as asking:
        code, statement = await asking.put("1")
        other, unseen = await asking.put("2")
        await asking.scan(code, statement)
        nowhere = connect(database_url.rpartition("@")[0] + "@127.0.0.1:1/nowhere")
        asking.parts.enquiries._engine = nowhere
        asking.now += timedelta(minutes=10)
        with structlog.testing.capture_logs() as logged:
            kept = await asking.page(code, statement)
            bare = await asking.page(other, unseen)
            nothing = await asking.page(other)
        assert (kept.status_code, bare.status_code, nothing.status_code) == (200, 200, 503)
        assert "2025-03-22 09:00:00（北京时间）读到的" in kept.text
        assert "<strong>有效</strong>" in kept.text
        assert "看不到证书现在的状态" in bare.text
        assert "签名属实" in bare.text
        assert "测试检测机构 lab-2（生成）" in bare.text
        assert "有效</strong>" not in bare.text
        for answer in (kept, bare, nothing):
            assert answer.headers["cache-control"] == "no-store"
        forged = await asking.page(code, statement[:-8] + "AAAAAAAA")
        assert "签名不能作为证明" in forged.text
        assert not any(statement[:40] in str(line) for line in logged)
        await nowhere.dispose()


async def test_what_is_kept_expires_by_the_calendar_too(
    engine: AsyncEngine, database_url: str
) -> None:
    async with enquiries_on(engine, SHIPPED) as asking:
        code, statement = await asking.put("1", valid_to=date(2025, 3, 22))
        assert (await asking.scan(code, statement))["answer"] == "valid"
        nowhere = connect(database_url.rpartition("@")[0] + "@127.0.0.1:1/nowhere")
        asking.parts.enquiries._engine = nowhere
        asking.now += timedelta(days=1)
        found = await asking.scan(code, statement)
        assert (found["answer"], found["live"]) == ("expired", False)
        await nowhere.dispose()


async def test_unreadable_keys_are_no_forgery(asking: Enquiries) -> None:
    code, statement = await asking.put("1")
    keys = asking.parts.keys
    assert isinstance(keys, SigningKeys)
    assert keys._folder is not None
    (keys._folder / "published.json").write_text("{")
    found = await asking.scan(code, statement)
    assert (found["answer"], found["proof"]) == ("valid", "not_checked")


# --- keys and counts ----------------------------------------------------------------------------


async def test_the_published_keys_verify_offline_what_the_page_verifies(asking: Enquiries) -> None:
    _, statement = await asking.put("1")
    answer = await asking.http.get("/public/certificate-keys")
    assert "max-age" in answer.headers["cache-control"]
    published = PublishedKeys.model_validate_json(answer.content)
    assert isinstance(verify(statement, published), Statement)
    assert not any(".key" in name for name in answer.text.split('"'))


async def test_scans_and_searches_are_counted_by_month_and_province(asking: Enquiries) -> None:
    code, statement = await asking.put("241301060001")
    other, _ = await asking.put("241801060001", issuer="amr-430000", region="430102")
    await asking.page(code, statement)
    await asking.scan(code, statement)
    await asking.scan(code, "AAAA")
    await asking.scan(other)
    await asking.scan("NOTHING")
    await public(asking, number="241301060001")
    await public(asking, capability="抗压")
    await public(asking, number="0")
    asking.now = datetime(2025, 4, 1, tzinfo=DAY.tzinfo)
    await asking.scan(code)
    async with asking.engine.connect() as connection:
        # nothing is written while somebody waits
        assert (await connection.execute(text("SELECT 1 FROM certificate_counts"))).first() is None
    await asking.parts.enquiries.flush()
    await asking.parts.enquiries.flush()

    async def told(who: dict[str, str], **given: str) -> dict[tuple[str, str, str], Any]:
        answer = await asking.http.get("/api/certificates/counts", params=given, headers=who)
        assert answer.status_code == 200, answer.text
        return {
            (one["month"], one["province"], one["what"]): one["answers"]
            for one in answer.json()["items"]
        }

    everything = {
        ("2025-03", "000000", "scan"): {"unknown": 1},
        ("2025-03", "000000", "search"): {"found": 1, "not_found": 1},
        ("2025-03", "350000", "scan"): {"valid": 2, "unproven": 1},
        ("2025-03", "350000", "search"): {"found": 1},
        ("2025-03", "430000", "scan"): {"valid": 1},
        ("2025-04", "350000", "scan"): {"valid": 1},
    }
    for who in (asking.token(Role.AUDITOR), asking.token(Role.OPERATOR, "000000")):
        assert await told(who) == everything
    march = {key: value for key, value in everything.items() if key[0] == "2025-03"}
    given = {"from": "2025-01", "until": "2025-03"}
    assert await told(asking.token(Role.AUDITOR), **given) == march
    fujian = {key: value for key, value in everything.items() if key[1] == "350000"}
    assert await told(asking.token(Role.OPERATOR, "350000")) == fujian
    for role, scope in ((Role.CLERK, "amr-350000"), (Role.FILER, "lab-1")):
        refused = await asking.http.get(
            "/api/certificates/counts", headers=asking.token(role, scope)
        )
        assert refused.status_code == 403


@pytest.mark.parametrize(
    "given", [{"from": "2025-13"}, {"from": "2025-04", "until": "2025-03"}, {"from": "2000-01"}]
)
async def test_months_that_are_none_are_refused(asking: Enquiries, given: dict[str, str]) -> None:
    who = asking.token(Role.AUDITOR)
    answer = await asking.http.get("/api/certificates/counts", params=given, headers=who)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_parameter")


def test_every_answer_has_a_label() -> None:
    assert set(SCAN_ANSWER_LABELS) == set(ScanAnswer)
    for status in CertificateStatus:
        assert SCAN_ANSWER_LABELS[ScanAnswer(status)] == CERTIFICATE_STATUS_LABELS[status]


def test_whatever_the_register_has_is_public_by_decision_only() -> None:
    """A new column of the register is not public because somebody added it."""
    shared = set(Registered.model_fields) & set(PublicCertificate.model_fields)
    assert shared == {
        "number", "code", "holder", "uscc", "issuer", "level", "field", "industry",
        "valid_from", "valid_to", "status", "ended_on", "document", "superseded_by",
    }  # fmt: skip
