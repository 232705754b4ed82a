"""Connected mode over HTTP: what a provincial system delivers, and what it gets back."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from sqlalchemy import text

from api.connected.delivery_schema import delivery_schema
from deploy.embedded.postgres import EmbeddedPostgres
from domain.case.commands import Actor, Role
from domain.certificates.number import NumberProblem, decode
from domain.certificates.statement import Statement, verify_scanned
from domain.clock import day_of
from domain.connected import Delivery, IssueDelivery, actor_of
from rules.certificates.certificates import current_certificate_rules
from rules.file.confirmations import CONFIRMATIONS
from rules.file.library import SHIPPED
from store import cases, journal
from store.certificates import register as certificates
from tests.api.conftest import whole_system
from tests.certificates import ISSUER, Office, content
from tests.connected import (
    DELIVERIES,
    Client,
    basic,
    change,
    connected_rules,
    end,
    issue,
    operator,
    register,
)
from tests.databases import owning
from tests.system import AUDITOR, CLERK, FILER, OPERATOR, Answer, System, certificate, institution

pytestmark = pytest.mark.anyio

OTHER = "amr-330000"
GOLDEN = Path(__file__).parent / "golden" / "certificate-delivery-v1.json"


@pytest.fixture(scope="module")
async def house(
    postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[System]:
    """A system in which Fujian and Zhejiang are connected, and one institution is on record."""
    rules = connected_rules(tmp_path_factory.mktemp("rules") / "rules", ISSUER, OTHER)
    async with whole_system(postgres, rules) as found:
        await found.add(
            institution("lab", certificates=()),
            institution("listed", certificates=(certificate("201301060001", ISSUER),)),
            institution("listed-too", certificates=(certificate("LEGACY-7", OTHER),)),
        )
        yield found


@pytest.fixture(scope="module")
async def client(house: System) -> Client:
    return await register(house)


async def count(house: System, table: str) -> int:
    async with house.engine.connect() as connection:
        found = await connection.execute(text(f"SELECT count(*) FROM {table}"))
        return int(found.scalar_one())


async def snapshot(house: System) -> dict[str, int]:
    """How much is on record of everything that a delivery could touch."""
    tables = ("cases", "certificates", "certificate_numbers", "revisions", "institutions")
    return {table: await count(house, table) for table in tables}


# --- delivering ----------------------------------------------------------------------------------


async def test_a_delivered_decision_is_numbered_coded_and_proved_by_its_receipt(
    house: System, client: Client
) -> None:
    body = issue()
    receipt = await client.accepted(body)
    assert receipt["number"].startswith("25130106")
    assert (receipt["status"], receipt["status_label"]) == ("valid", "有效")
    assert (receipt["issued_on"], receipt["valid_to"]) == ("2025-03-21", "2031-03-20")
    assert receipt["qr"].startswith(f"https://certificates.example/c/{receipt['code']}?s=")
    proved = verify_scanned(receipt["qr"], house.parts.keys.published())
    assert isinstance(proved, Statement)
    assert (proved.number, proved.issuer) == (receipt["number"], ISSUER)
    async with house.engine.connect() as connection:
        found = await connection.execute(
            text("SELECT hash FROM journal WHERE case_id = :case AND sequence = :sequence"),
            {"case": receipt["case_id"], "sequence": receipt["sequence"]},
        )
    assert found.scalar_one() == receipt["hash"]


async def test_the_same_delivery_again_gets_the_same_receipt_and_issues_nothing(
    house: System, client: Client
) -> None:
    body = issue()
    first = await client.accepted(body)
    before = await snapshot(house)
    # another order of the names is the same content
    assert await client.accepted(dict(reversed(body.items()))) == first
    assert await snapshot(house) == before
    kept = await client.get(f"/{body['delivery_id']}")
    assert (kept.status, kept.body["stage"], kept.body["receipt"]) == (200, "accepted", first)


async def test_another_content_under_a_used_id_is_refused(house: System, client: Client) -> None:
    body = issue()
    first = await client.accepted(body)
    before = await snapshot(house)
    other = await client.deliver(body | {"decision": body["decision"] | {"document": "另一文书"}})
    assert (other.status, other.body["code"]) == (422, "key_reused")
    assert other.body["errors"][0]["pointer"] == "/delivery_id"
    assert await snapshot(house) == before
    assert await client.accepted(body) == first


async def test_ten_at_once_make_one_certificate(house: System, client: Client) -> None:
    body = issue()
    before = await count(house, "certificates")
    receipts = await asyncio.gather(*(client.accepted(body) for _ in range(10)))
    assert all(one == receipts[0] for one in receipts)
    assert await count(house, "certificates") == before + 1


async def test_ten_changes_at_once_are_one_change(house: System, client: Client) -> None:
    number = (await client.accepted(issue()))["number"]
    body = change(number, content(address="福州市鼓楼区测试路99号"))
    before = await count(house, "revisions")
    receipts = await asyncio.gather(*(client.accepted(body) for _ in range(10)))
    assert all(one == receipts[0] for one in receipts)
    assert await count(house, "revisions") == before + 1


async def test_changes_that_meet_are_all_taken_one_after_the_other(
    house: System, client: Client
) -> None:
    number = (await client.accepted(issue()))["number"]
    bodies = [change(number, content(address=f"福州市鼓楼区测试路{n}号")) for n in range(12)]
    receipts = await asyncio.gather(*(client.accepted(body) for body in bodies))
    assert len({one["sequence"] for one in receipts}) == 12
    last = max(range(12), key=lambda n: receipts[n]["sequence"])
    async with house.engine.connect() as connection:
        found = await connection.execute(
            text("SELECT content ->> 'address' FROM certificates WHERE number = :number"),
            {"number": number},
        )
    assert found.scalar_one() == f"福州市鼓楼区测试路{last}号"


async def test_change_extension_and_end_follow_on_the_same_certificate(
    house: System, client: Client
) -> None:
    first = await client.accepted(issue())
    moved = content(address="福州市鼓楼区测试路2号")
    changed = await client.accepted(change(first["number"], moved))
    more = {"category": "砖", "item": "抗压强度", "standard": "GB/T 2542", "year": "2012"}
    wider = moved | {"capabilities": [*moved["capabilities"], more]}
    extension = issue(content_=wider) | {"action": "extension", "number": first["number"]}
    extended = await client.accepted(extension)
    ended = await client.accepted(end(first["number"]))
    for one in (changed, extended, ended):
        assert (one["number"], one["code"]) == (first["number"], first["code"])
        assert one["case_id"] == first["case_id"]
    sequences = [one["sequence"] for one in (first, changed, extended, ended)]
    assert sequences == sorted(set(sequences))
    assert (extended["status"], ended["status"]) == ("valid", "deregistered")
    async with house.engine.connect() as connection:
        found = await connection.execute(
            text("SELECT content, status FROM certificates WHERE number = :number"),
            {"number": first["number"]},
        )
        row = found.one()
    assert row.status == "deregistered"
    assert len(row.content["capabilities"]) == 3
    assert row.content["address"] == "福州市鼓楼区测试路2号"
    again = await client.deliver(end(first["number"]))
    assert (again.status, again.body["code"]) == (409, "certificate_not_in_force")


async def test_a_renewal_names_the_old_number_and_supersedes_it(
    house: System, client: Client
) -> None:
    old = await client.accepted(issue())
    new = await client.accepted(issue(renews=old["number"]))
    assert new["number"] != old["number"]
    for _ in range(100):
        async with house.engine.connect() as connection:
            found = await connection.execute(
                text("SELECT status, superseded_by FROM certificates WHERE number = :number"),
                {"number": old["number"]},
            )
            row = found.one()
        if row.status == "superseded":
            break
        await house.pause(0.05)
    assert (row.status, row.superseded_by) == ("superseded", new["code"])
    twice = await client.deliver(issue(renews=old["number"]))
    assert (twice.status, twice.body["code"]) == (409, "renewed_already")
    assert twice.body["errors"][0]["pointer"] == "/renews"


async def test_a_listed_certificate_is_taken_over_under_its_own_number(
    house: System, client: Client
) -> None:
    listed = {
        "decision": {
            "number": "201301060001", "valid_from": "2024-01-01", "valid_to": "2029-12-31",
            "approved_on": "2024-01-01",
        }
    }  # fmt: skip
    early = await client.deliver(change("201301060001", content("listed")))
    assert (early.status, early.body["code"]) == (409, "certificate_not_taken_over")
    renewing = await client.deliver(issue("listed", renews="201301060001"))
    assert (renewing.status, renewing.body["code"]) == (409, "certificate_not_taken_over")
    receipt = await client.accepted(issue("listed", **listed))
    assert receipt["number"] == "201301060001"
    assert (receipt["valid_from"], receipt["valid_to"]) == ("2024-01-01", "2029-12-31")
    twice = await client.deliver(issue("listed", **listed))
    assert (twice.status, twice.body["code"]) == (409, "number_taken")
    async with house.engine.connect() as connection:
        found = await connection.execute(
            text("SELECT origin, code FROM certificates WHERE number = '201301060001'")
        )
        row = found.one()
    assert (row.origin, row.code) == ("issued", receipt["code"])
    changed = await client.accepted(change("201301060001", content("listed", address="新址")))
    assert changed["code"] == receipt["code"]


@pytest.mark.parametrize("sandbox", [False, True])
async def test_a_certificate_that_has_expired_is_not_told_as_valid(
    house: System, sandbox: bool
) -> None:
    past = {"valid_from": "2019-01-01", "valid_to": "2024-12-31", "approved_on": "2019-01-01"}
    body = issue(decision={"number": f"PAST-{sandbox}", **past})
    receipt = await (await register(house, sandbox=sandbox)).accepted(body)
    assert (receipt["status"], receipt["status_label"]) == ("expired", "过期")


async def test_an_unknown_institution_is_put_on_record_with_its_details_only(
    house: System, client: Client
) -> None:
    bare = await client.deliver(issue("newcomer"))
    assert (bare.status, bare.body["code"]) == (404, "unknown_institution")
    assert bare.body["errors"][0]["pointer"] == "/content/institution"
    for region, code in (("999999", "unknown_region"), ("330102", "outside_jurisdiction")):
        details = {"region": region, "legal_person": True}
        refused = await client.deliver(issue("newcomer", institution=details))
        assert refused.status == 422
        assert [(e["pointer"], e["code"]) for e in refused.body["errors"]] == [
            ("/institution/region", code)
        ]
    details = {"region": "350203", "legal_person": False}
    await client.accepted(issue("newcomer", institution=details))
    # what is on record stays as it is
    await client.accepted(issue("newcomer", institution={"region": "350102", "legal_person": True}))
    auditor = house.token(AUDITOR, "auditor-1")
    shown = (await house.send("GET", "/api/institutions/newcomer", auditor)).body
    assert (shown["region"], shown["legal_person"]) == ("350203", False)


async def test_a_batch_gives_every_delivery_its_own_outcome(house: System, client: Client) -> None:
    good, also = issue(), issue()
    bad = issue(content_=content(uscc="91620102739638125A"))
    items = [good, bad, "no object", {"action": "issue"}, good, also]
    sent = await house.send("POST", f"{DELIVERIES}/batch", client.token, {"deliveries": items})
    assert sent.status == 200, sent.body
    assert (sent.body["accepted"], sent.body["refused"]) == (3, 3)
    told = sent.body["outcomes"]
    assert [one["accepted"] for one in told] == [True, False, False, False, True, True]
    assert told[4]["receipt"] == told[0]["receipt"]
    assert told[1]["problem"]["errors"][0]["pointer"] == "/content/uscc"
    assert {e["pointer"] for e in told[3]["problem"]["errors"]} >= {"/version", "/content"}
    again = await house.send("POST", f"{DELIVERIES}/batch", client.token, {"deliveries": items})
    assert [one["receipt"] for one in again.body["outcomes"]] == [one["receipt"] for one in told]


@pytest.mark.parametrize("size", [0, 101])
async def test_a_batch_has_one_to_a_hundred_deliveries(
    house: System, client: Client, size: int
) -> None:
    body = {"deliveries": [issue()] * size}
    sent = await house.send("POST", f"{DELIVERIES}/batch", client.token, body)
    assert (sent.status, sent.body["code"]) == (422, "invalid_body")


async def test_deliveries_are_listed_page_by_page(house: System) -> None:
    client = await register(house, OTHER)
    ids = []
    for _ in range(5):
        body = issue(content_=content(issuer=OTHER))
        ids.append(body["delivery_id"])
        await client.accepted(body)
    seen, cursor = [], ""
    while True:
        page = await client.get(f"?size=2{cursor}")
        seen += [one["delivery_id"] for one in page.body["items"]]
        if page.body["next"] is None:
            break
        cursor = f"&cursor={page.body['next']}"
    assert seen == ids


# --- errors by field -----------------------------------------------------------------------------

WRONG: list[tuple[str, dict[str, Any], set[tuple[str, str]]]] = [
    (
        "two fields",
        issue(content_=content(uscc="91620102739638125A", field="99")),
        {("/content/uscc", "bad_uscc"), ("/content/field", "unknown_field")},
    ),
    ("another issuer", issue(content_=content(issuer=OTHER)), {
        ("/content/issuer", "other_issuer")
    }),
    ("approved tomorrow", issue(decision={"approved_on": "2999-01-01"}), {
        ("/decision", "decision_impossible")
    }),
    ("no capabilities", issue(content_=content(capabilities=[])), {
        ("/content/capabilities", "missing")
    }),
    ("a number of another authority", issue(decision={"number": "152701060345"}), {
        ("/decision/number", "other_issuer")
    }),
    ("a listed number of another issuer", issue("listed-too", decision={
        "number": "LEGACY-7"
    }), {("/decision/number", "other_issuer")}),
    ("an unknown certificate", change("999999999999", content()), {("/number", "not_found")}),
    ("no action", {k: v for k, v in issue().items() if k != "action"}, {
        ("/action", "union_tag_not_found")
    }),
    ("another action", issue() | {"action": "destroy"}, {("/action", "union_tag_invalid")}),
    ("another version", issue() | {"version": 2}, {("/version", "literal_error")}),
    ("a field too many", issue() | {"surprise": 1}, {("/surprise", "extra_forbidden")}),
    ("types", issue() | {"content": content(holder=7, sites="x")}, {
        ("/content/holder", "string_type"), ("/content/sites", "tuple_type")
    }),
    ("a control character", issue(content_=content(holder="坏\u0000名")), {
        ("/content/holder", "string_pattern_mismatch")
    }),
    ("an id with a slash", issue() | {"delivery_id": "a/b"}, {
        ("/delivery_id", "string_pattern_mismatch")
    }),
]  # fmt: skip


@pytest.mark.parametrize(("body", "wrong"), [w[1:] for w in WRONG], ids=[w[0] for w in WRONG])
async def test_what_is_wrong_is_told_place_by_place_and_nothing_is_written(
    house: System, client: Client, body: dict[str, Any], wrong: set[tuple[str, str]]
) -> None:
    before, known = await snapshot(house), await count(house, "certificate_deliveries")
    answer = await client.deliver(body)
    assert 400 <= answer.status < 500, answer.body
    assert {(e["pointer"], e["code"]) for e in answer.body["errors"]} == wrong
    assert all(e["message"] for e in answer.body["errors"])
    assert await snapshot(house) == before
    assert await count(house, "certificate_deliveries") == known


async def test_a_change_outside_its_kind_is_refused_before_anything_is_saved(
    house: System, client: Client
) -> None:
    number = (await client.accepted(issue()))["number"]
    before = await snapshot(house)
    for body, pointer, code in (
        (change(number, content(signatories=[])), "/content", "change_outside"),
        (change(number, content(), "moving"), "/change", "unknown_change"),
        (change(number, content("other-lab")), "/content/institution", "other_holder"),
        (end(number, on="2024-01-01"), "/on", "ending_day_outside"),
        (end(number, on="2999-01-01"), "/on", "ending_day_outside"),
        (end(number, reason=" "), "/reason", "string_too_short"),
    ):
        answer = await client.deliver(body)
        assert [(e["pointer"], e["code"]) for e in answer.body["errors"]] == [(pointer, code)]
    assert await snapshot(house) == before


async def test_a_refused_delivery_can_be_corrected_under_its_own_id(
    house: System, client: Client
) -> None:
    body = issue(content_=content(field="99"))
    assert (await client.deliver(body)).status == 422
    corrected = await client.accepted(body | {"content": content()})
    assert corrected["delivery_id"] == body["delivery_id"]


async def test_what_only_the_case_refuses_is_withdrawn_kept_and_can_be_sent_again(
    house: System, client: Client
) -> None:
    """All serials of a year are used; then the same delivery comes with its old number."""
    async with house.engine.begin() as connection:
        await connection.execute(text("INSERT INTO certificate_serials VALUES ('13', 2023, 9999)"))
    body = issue(decision={"approved_on": "2023-05-05"})
    before = await count(house, "cases WHERE status = 'withdrawn'")
    refused = await client.deliver(body)
    assert (refused.status, refused.body["code"]) == (409, "serials_exhausted")
    kept = (await client.get(f"/{body['delivery_id']}")).body
    assert (kept["stage"], kept["refusal"]["code"]) == ("refused", "serials_exhausted")
    assert await count(house, "cases WHERE status = 'withdrawn'") == before + 1
    assert (await client.deliver(body)).body["code"] == "serials_exhausted"
    numbered = body["decision"] | {"number": "231301069990"}
    receipt = await client.accepted(body | {"decision": numbered})
    assert receipt["number"] == "231301069990"
    async with house.engine.begin() as connection:
        await connection.execute(
            text("UPDATE certificate_serials SET last = 9000 WHERE year = 2023")
        )
    later = issue(decision={"approved_on": "2023-05-05"})
    assert (await client.accepted(later))["number"].endswith("9001")


async def test_a_refused_delivery_leaves_no_institution_behind(
    house: System, client: Client
) -> None:
    async with house.engine.begin() as connection:
        await connection.execute(text("INSERT INTO certificate_serials VALUES ('13', 2022, 9999)"))
    details = {"region": "350203", "legal_person": False}
    body = issue("stranger", institution=details, decision={"approved_on": "2022-05-05"})
    before = await snapshot(house)
    refused = await client.deliver(body)
    assert (refused.status, refused.body["code"]) == (409, "serials_exhausted")
    after = await snapshot(house)
    # the withdrawn application and its content are all there is
    assert after == before | {"cases": before["cases"] + 1, "revisions": before["revisions"] + 1}
    auditor = house.token(AUDITOR, "auditor-1")
    assert (await house.send("GET", "/api/institutions/stranger", auditor)).status == 404
    async with house.engine.connect() as connection:
        steps = await journal.steps(connection, "register/institutions")
    assert "stranger" not in [one.body.get("institution") for one in steps]
    bare = await client.deliver(issue("stranger"))
    assert (bare.status, bare.body["code"]) == (404, "unknown_institution")
    # corrected, it brings the institution with its certificate, together
    year = {"decision": body["decision"] | {"approved_on": "2022-05-05", "number": "STRANGER-1"}}
    receipt = await client.accepted(body | year)
    shown = (await house.send("GET", "/api/institutions/stranger", auditor)).body
    assert (shown["name"], shown["region"], shown["legal_person"]) == (
        body["content"]["holder"], "350203", False,
    )  # fmt: skip
    assert [one["number"] for one in shown["certificates"]] == ["STRANGER-1"]
    async with house.engine.connect() as connection:
        steps = await journal.steps(connection, "register/institutions")
        held = await certificates.by_number(connection, "STRANGER-1")
        case = await cases.by_id(connection, receipt["case_id"])
    [added] = [one for one in steps if one.body.get("institution") == "stranger"]
    assert (added.event, added.body["delivery"]) == ("institution_delivered", body["delivery_id"])
    assert (added.actor.subject, added.actor.scope) == (f"client-{client.id}", ISSUER)
    assert held is not None
    assert case is not None
    assert (held.institution_id, held.region, case.institution_id) == (
        "stranger", "350203", "stranger",
    )  # fmt: skip
    # it is an institution like any other: changed, and its people see the case
    await client.accepted(change("STRANGER-1", content("stranger", address="新址")))
    filer = house.token(FILER, "stranger-clerk", "stranger")
    path = "/api/" + receipt["case_id"].replace("certificate/", "certificates/")
    assert (await house.send("GET", path, filer)).status == 200


async def test_two_deliveries_that_bring_the_same_institution_are_both_taken(
    house: System, client: Client
) -> None:
    bodies = [
        issue("twofold", institution={"region": region, "legal_person": True})
        for region in ("350203", "350102")
    ]
    receipts = await asyncio.gather(*(client.accepted(body) for body in bodies))
    assert len({one["number"] for one in receipts}) == 2
    assert await count(house, "institutions WHERE id = 'twofold'") == 1
    assert await count(house, "cases WHERE institution_id = 'twofold'") == 2
    added = "journal WHERE step -> 'body' ->> 'institution' = 'twofold'"
    assert await count(house, f"{added} AND event = 'institution_delivered'") == 1


async def test_an_institution_comes_on_record_with_its_certificate_or_not_at_all(
    house: System, client: Client
) -> None:
    """The register cannot be written: nothing of the delivery is there until it can be."""
    async with owning(house.engine) as connection:
        await connection.execute(text(
            "CREATE FUNCTION full_up() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'full' USING ERRCODE = '53100'; END $$"
        ))  # fmt: skip
        await connection.execute(text(
            "CREATE TRIGGER full_up BEFORE INSERT ON certificates "
            "FOR EACH ROW EXECUTE FUNCTION full_up()"
        ))  # fmt: skip
    body = issue("together", institution={"region": "350203", "legal_person": True})
    sent = asyncio.create_task(client.accepted(body))
    await asyncio.sleep(1.5)
    seen = await count(house, "institutions WHERE id = 'together'")
    async with owning(house.engine) as connection:
        await connection.execute(text("DROP FUNCTION full_up CASCADE"))
    await sent
    assert seen == 0
    assert await count(house, "institutions WHERE id = 'together'") == 1


# --- crashes -------------------------------------------------------------------------------------


async def test_a_crash_between_issue_and_receipt_costs_no_second_number(
    house: System, client: Client
) -> None:
    body = issue()
    async with owning(house.engine) as connection:
        await connection.execute(text(
            "CREATE FUNCTION crash() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'crashed' USING ERRCODE = '57P01'; END $$"
        ))  # fmt: skip
        await connection.execute(text(
            "CREATE TRIGGER crash BEFORE UPDATE ON certificate_deliveries "
            "FOR EACH ROW WHEN (NEW.stage = 'accepted') EXECUTE FUNCTION crash()"
        ))  # fmt: skip
    before = await count(house, "certificates")
    crashed = await client.deliver(body)
    assert crashed.status in (500, 503)
    assert await count(house, "certificates") == before + 1
    assert (await client.get(f"/{body['delivery_id']}")).body["stage"] == "working"
    async with owning(house.engine) as connection:
        await connection.execute(text("DROP FUNCTION crash CASCADE"))
    other = await client.deliver(body | {"decision": body["decision"] | {"approver": "别人"}})
    assert (other.status, other.body["code"]) == (422, "key_reused")
    receipt = await client.accepted(body)
    assert await count(house, "certificates") == before + 1
    async with house.engine.connect() as connection:
        found = await connection.execute(
            text("SELECT number FROM certificate_numbers WHERE case_id = :case"),
            {"case": receipt["case_id"]},
        )
    assert found.scalars().all() == [receipt["number"]]


# --- the sandbox ---------------------------------------------------------------------------------


@pytest.mark.parametrize("sandbox", [False, True])
async def test_what_is_to_be_looked_at_is_told_with_the_receipt(
    house: System, sandbox: bool
) -> None:
    holder = f"warned-{sandbox}"
    await house.add(institution(holder, certificates=()))
    client = await register(house, sandbox=sandbox)
    agreeing = content(holder, holder=f"测试机构 {holder}（生成）")
    assert (await client.accepted(issue(content_=agreeing)))["warnings"] == []
    renamed = content(holder, holder="改名检测中心（生成）", industry="07")
    body = issue(content_=renamed)
    receipt = await client.accepted(body)
    assert [one["code"] for one in receipt["warnings"]] == ["holder_differs"]
    assert await client.accepted(body) == receipt


async def test_the_sandbox_checks_everything_and_touches_nothing(house: System) -> None:
    client = await register(house, "amr-430000", sandbox=True)
    mine = {"issuer": "amr-430000"}
    before = await snapshot(house)
    details = {"region": "430102", "legal_person": True}
    body = issue("nowhere", content_=content("nowhere", **mine), institution=details)
    receipt = await client.accepted(body)
    assert receipt["sandbox"] is True
    assert "?s=" not in receipt["qr"]
    tables = current_certificate_rules(SHIPPED).tables
    assert isinstance(decode(receipt["number"], tables), NumberProblem)
    assert len(receipt["number"]) == 12
    assert await client.accepted(body) == receipt
    moved = content("nowhere", address="新址", **mine)
    changed = await client.accepted(change(receipt["number"], moved))
    assert (changed["number"], changed["code"]) == (receipt["number"], receipt["code"])
    outside = await client.deliver(change(receipt["number"], moved | {"signatories": []}))
    assert outside.body["code"] == "change_outside"
    ended = await client.accepted(end(receipt["number"]))
    assert ended["status"] == "deregistered"
    assert (await client.deliver(end(receipt["number"]))).body["code"] == "certificate_not_in_force"
    taken = await client.deliver(
        issue(
            "nowhere", content_=moved, institution=details, decision={"number": receipt["number"]}
        )
    )
    assert taken.body["code"] == "number_taken"
    wrong = await client.deliver(issue(content_=content(field="99", **mine)))
    assert wrong.body["errors"][0]["pointer"] == "/content/field"
    assert await snapshot(house) == before
    landing = await house.http.get(receipt["qr"].removeprefix("https://certificates.example"))
    assert landing.status_code == 404


async def test_the_sandbox_and_the_register_are_kept_apart(house: System, client: Client) -> None:
    sandbox = await register(house, sandbox=True)
    body = issue()
    rehearsed = await sandbox.accepted(body)
    assert (await client.get(f"/{body['delivery_id']}")).status == 404
    real = await client.accepted(body)
    assert (rehearsed["sandbox"], real["sandbox"]) == (True, False)
    assert real["number"] != rehearsed["number"]
    assert (await client.deliver(end(rehearsed["number"]))).body["code"] == "not_found"


async def test_a_province_in_manual_mode_is_told_what_to_do_and_may_use_the_sandbox(
    house: System,
) -> None:
    hunan = "amr-430000"
    body = issue(content_=content(issuer=hunan))
    real = await register(house, hunan)
    refused = await real.deliver(body)
    assert (refused.status, refused.body["code"]) == (409, "manual_mode")
    assert refused.body["sources"][0]["document"] == "市监检测函〔2019〕1364号"
    assert refused.body["sources"][0]["clause"] == "三"
    assert hunan in refused.body["remedy"]
    assert "sandbox" in refused.body["remedy"]
    sandbox = await register(house, hunan, sandbox=True)
    assert (await sandbox.accepted(body))["sandbox"] is True


# --- who asks ------------------------------------------------------------------------------------


async def test_another_provinces_client_neither_sees_nor_touches(
    house: System, client: Client
) -> None:
    body = issue()
    receipt = await client.accepted(body)
    stranger = await register(house, OTHER)
    assert (await stranger.get(f"/{body['delivery_id']}")).status == 404
    listed = (await stranger.get("?size=200")).body["items"]
    assert body["delivery_id"] not in {one["delivery_id"] for one in listed}
    for attempt in (
        change(receipt["number"], content(address="别处")),
        change(receipt["number"], content(address="别处", issuer=OTHER)),
        end(receipt["number"]),
    ):
        answer = await stranger.deliver(attempt)
        assert (answer.status, answer.body["code"]) == (403, "other_issuer")
    foreign = content(issuer=OTHER)
    renewing = await stranger.deliver(issue(content_=foreign, renews=receipt["number"]))
    assert renewing.body["errors"][0]["pointer"] == "/renews"
    # the same id is another delivery there
    own = await stranger.accepted(body | {"content": foreign})
    assert own["number"] != receipt["number"]
    assert await client.accepted(body) == receipt


async def test_a_client_delivers_and_does_nothing_else(house: System, client: Client) -> None:
    for method, path in (
        ("POST", "/api/certificates"),
        ("GET", "/api/certificates"),
        ("POST", "/api/certificates/serials/2025"),
        ("GET", "/api/me"),
    ):
        answer = await house.send(method, path, client.token, {} if method == "POST" else None)
        assert (answer.status, answer.body["code"]) == (403, "forbidden"), path


async def test_a_person_does_not_deliver(house: System) -> None:
    clerk = house.token(CLERK, "some-clerk", ISSUER)
    answer = await house.send("POST", DELIVERIES, clerk, issue())
    assert (answer.status, answer.body["code"]) == (403, "clients_only")
    for role, scope in ((OPERATOR, "000000"), (AUDITOR, "")):
        answer = await house.send("POST", DELIVERIES, house.token(role, "somebody", scope), issue())
        assert (answer.status, answer.body["code"]) == (403, "forbidden")


async def test_tokens_that_expired_are_forged_or_name_nobody_are_refused(
    house: System, client: Client
) -> None:
    identity, now = house.parts.identity, datetime.now(UTC)
    actor = actor_of(client.id, ISSUER)
    expired = identity.issue(actor, now - timedelta(minutes=11), timedelta(minutes=10))
    moved = identity.issue(actor_of(client.id, OTHER), now, timedelta(minutes=10))
    nobody = identity.issue(actor_of("0" * 16, ISSUER), now, timedelta(minutes=10))
    before = await snapshot(house)
    for token in (expired, moved, nobody, client.token[:-3] + "abc", ""):
        answer = await house.send("POST", DELIVERIES, token, issue())
        assert (answer.status, answer.body["code"]) == (401, "unauthenticated")
    assert await snapshot(house) == before


async def test_a_revoked_client_is_refused_at_once_with_secret_and_token(house: System) -> None:
    client = await register(house)
    await client.accepted(issue())
    body = {"reason": "系统下线（生成）"}
    path = f"/api/clients/{client.id}/revoke"
    revoked = await house.send("POST", path, operator(house), body)
    assert revoked.body["revoked_at"] is not None
    assert (await client.deliver(issue())).status == 401
    assert (await client.get()).status == 401
    refused = await client.sign_in()
    assert (refused.status, refused.body["code"]) == (401, "client_refused")
    rotated = await house.send(
        "POST", f"/api/clients/{client.id}/rotate", operator(house), {"overlap_hours": 1}
    )
    assert rotated.status == 404


async def test_secrets_overlap_while_they_rotate(house: System) -> None:
    client = await register(house)
    path = f"/api/clients/{client.id}/rotate"
    rotated = await house.send("POST", path, operator(house), {"overlap_hours": 1})
    new = rotated.body["secret"]
    assert new not in ("", client.secret)
    assert (await client.sign_in()).status == 200
    assert (await client.sign_in(new)).status == 200
    house.ahead = timedelta(minutes=61)
    try:
        assert (await client.sign_in()).status == 401
        assert (await client.sign_in(new)).status == 200
    finally:
        house.ahead = timedelta()
    last = await house.send("POST", path, operator(house), {"overlap_hours": 0})
    assert (await client.sign_in(new)).status == 401
    assert (await client.sign_in(last.body["secret"])).status == 200


async def test_a_secret_is_told_once_and_kept_as_a_hash_only(house: System) -> None:
    body = {"authority": ISSUER, "name": "测试（生成）", "sandbox": True}
    first = await house.send("POST", "/api/clients", operator(house), body, idempotency_key="once")
    again = await house.send("POST", "/api/clients", operator(house), body, idempotency_key="once")
    assert (first.status, again.status) == (201, 201)
    assert again.body == first.body | {"secret": ""}
    secret = first.body["secret"]
    assert len(secret) >= 43
    listed = await house.send("GET", "/api/clients?size=200", operator(house))
    assert secret not in json.dumps(listed.body)
    async with house.engine.connect() as connection:
        for table in ("api_clients", "api_client_secrets", "journal", "requests"):
            found = await connection.execute(text(f"SELECT t::text FROM {table} t"))
            assert not any(secret in row for row in found.scalars())
        steps = await connection.execute(
            text("SELECT event FROM journal WHERE case_id = :case"),
            {"case": f"client/{first.body['client']['id']}"},
        )
    assert steps.scalars().all() == ["client_registered"]


async def test_only_the_nations_operators_manage_clients(house: System) -> None:
    body = {"authority": ISSUER, "name": "测试（生成）", "sandbox": False}
    local = house.token(OPERATOR, "local", "350000")
    for token in (local, house.token(CLERK, "clerk", ISSUER), house.token(AUDITOR, "auditor-1")):
        answer = await house.send("POST", "/api/clients", token, body)
        assert (answer.status, answer.body["code"]) == (403, "forbidden")
    assert (await house.send("GET", "/api/clients", local)).status == 403
    assert (await house.send("GET", "/api/clients", house.token(AUDITOR, "a"))).status == 200
    unknown = await house.send(
        "POST", "/api/clients", operator(house), body | {"authority": "amr-350100"}
    )
    assert unknown.body["errors"][0]["pointer"] == "/authority"


TOKEN_REQUESTS: list[tuple[str, dict[str, str], str, int]] = [
    ("no credentials", {}, "grant_type=client_credentials", 401),
    ("another scheme", {"Authorization": "Bearer x"}, "grant_type=client_credentials", 401),
    ("no base64", {"Authorization": "Basic ???"}, "grant_type=client_credentials", 401),
    ("no colon", {"Authorization": "Basic YWJj"}, "grant_type=client_credentials", 401),
    ("unknown", {"Authorization": basic("0" * 16, "x")}, "grant_type=client_credentials", 401),
    ("bytes", {"Authorization": "Basic /////w=="}, "grant_type=client_credentials", 401),
    ("password", {"Authorization": basic("a", "b")}, "grant_type=password&username=a", 422),
    ("nothing", {"Authorization": basic("a", "b")}, "", 422),
    ("enormous", {"Authorization": basic("a", "b")}, "grant_type=" + "x" * 5000, 413),
]


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [t[1:] for t in TOKEN_REQUESTS],
    ids=[t[0] for t in TOKEN_REQUESTS],
)
async def test_a_bad_request_for_a_token_is_refused_in_words(
    house: System, headers: dict[str, str], body: str, status: int
) -> None:
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = await house.http.post(
        "/api/connected/token", content=body, headers={**kind, **headers}
    )
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    if status == 401:
        assert answer.headers["www-authenticate"] == "Basic"


# --- hostile and enormous ------------------------------------------------------------------------

HOSTILE = [
    b"", b"null", b"[]", b"{", b'{"action":"issue","action":"end"}', b'{"version":NaN}',
    b'{"delivery_id":"\\ud800"}', b"[" * 100_000, b'{"a":' * 5000 + b"1" + b"}" * 5000,
    b'{"version":' + b"9" * 10_000 + b"}", b"\xff\xfe", b'{"content":{"holder":"\\u0000"}}',
]  # fmt: skip


@pytest.mark.parametrize("data", HOSTILE, ids=range(len(HOSTILE)))
async def test_a_hostile_body_is_refused_precisely(
    house: System, client: Client, data: bytes
) -> None:
    headers = {"Authorization": f"Bearer {client.token}", "Content-Type": "application/json"}
    for path in (DELIVERIES, f"{DELIVERIES}/batch"):
        answer = await house.http.post(path, content=data, headers=headers)
        assert answer.status_code == 422, answer.text
        assert answer.json()["code"] == "invalid_body"


async def test_an_enormous_body_is_refused_and_a_large_annex_is_not(
    house: System, client: Client
) -> None:
    lines = [
        {"category": "水泥", "item": f"第 {n} 项参数", "standard": "GB/T 17671", "year": "2021"}
        for n in range(20_000)
    ]
    large = issue(content_=content(capabilities=lines))
    assert len(json.dumps(large)) > 2_000_000
    receipt = await client.accepted(large)
    assert receipt["status"] == "valid"
    more = await client.deliver(
        issue(content_=content(capabilities=[*lines, lines[0] | {"item": "x"}]))
    )
    assert more.body["errors"][0]["pointer"] == "/content/capabilities"
    enormous = await client.deliver(issue() | {"x": "y" * (8 * 1024 * 1024)})
    assert (enormous.status, enormous.body["code"]) == (413, "too_large")


async def test_too_many_deliveries_are_refused_with_when_to_go_on(
    postgres: EmbeddedPostgres, tmp_path: Path
) -> None:
    rules = connected_rules(tmp_path / "rules", ISSUER)
    async with whole_system(postgres, rules) as house:
        client = await register(house, sandbox=True)
        body = issue(institution={"region": "350102", "legal_person": True})
        statuses = [(await client.deliver(body)).status for _ in range(601)]
        assert statuses == [200] * 600 + [429]
        refused = await client.deliver(body)
        assert refused.body["code"] == "too_many_deliveries"
        assert 1 <= int(refused.headers["retry-after"]) <= 60
        house.ahead = timedelta(seconds=61)
        assert (await client.deliver(body)).status == 200
        signed_in = [(await client.sign_in()).status for _ in range(61)]
        assert signed_in == [200] * 60 + [429]


# --- the published schema ------------------------------------------------------------------------


async def test_the_published_schema_is_the_committed_one(house: System) -> None:
    """A published version never changes: what differs becomes version 2."""
    served = await house.send("GET", "/public/schemas/certificate-delivery/v1.json")
    assert served.status == 200
    assert served.body == json.loads(GOLDEN.read_text())


def test_the_schema_is_valid_and_described_in_chinese_throughout() -> None:
    schema = delivery_schema()
    Draft202012Validator.check_schema(schema)
    for name, one in schema["$defs"].items():
        for field, described in one["properties"].items():
            words = described["description"]
            assert any("\u4e00" <= mark <= "\u9fff" for mark in words), (name, field)


def test_schema_and_system_agree_on_what_a_delivery_is() -> None:
    checker = Draft202012Validator(delivery_schema())
    extension = {k: v for k, v in change("251301060001", content()).items() if k != "change"}
    for body in (
        issue(institution={"region": "350102", "legal_person": True}, renews="251301060001"),
        issue(decision={"number": "A-1", "valid_from": "2024-01-01", "valid_to": "2029-12-31"}),
        change("251301060001", content()),
        extension | {"action": "extension"},
        end("251301060001"),
    ):
        assert checker.is_valid(body)
        Delivery.model_validate_json(json.dumps(body), strict=True)
    for wrong in (
        issue() | {"version": 2},
        issue() | {"surprise": 1},
        issue() | {"delivery_id": "a/b"},
        issue(content_=content(level="local")),
        end("251301060001", ending="suspended"),
    ):
        assert not checker.is_valid(wrong)
        with pytest.raises(ValueError, match="validation error"):
            Delivery.model_validate_json(json.dumps(wrong), strict=True)


# --- the onboarding of provinces -----------------------------------------------------------------


async def test_the_onboarding_of_provinces_shows_what_is_due_done_and_overdue(
    postgres: EmbeddedPostgres, tmp_path: Path
) -> None:
    async with whole_system(postgres, connected_rules(tmp_path / "rules", ISSUER)) as house:
        await house.add(institution("lab", certificates=()))

        async def shown(authority: str, token: str = "") -> dict[str, Any]:
            answer = await house.send(
                "GET", "/api/certificates/provinces", token or operator(house)
            )
            assert answer.status == 200, answer.body
            return next(one for one in answer.body["items"] if one["authority"] == authority)

        fresh = await shown(ISSUER)
        assert (fresh["name"], fresh["mode"]) == ("福建省市场监督管理局", "connected")
        assert [(d["id"], d["last"], d["overdue"]) for d in fresh["deadlines"]] == [
            ("plan", "2019-07-31", True),
            ("connected", "2019-12-31", True),
        ]
        assert fresh["issued"] == {"manual": 0, "batch": 0, "connected": 0}
        # the last days are inside
        house.ahead = datetime(2019, 7, 31, 15, 59, 59, tzinfo=UTC) - datetime.now(UTC)
        assert [d["overdue"] for d in (await shown(ISSUER))["deadlines"]] == [False, False]
        house.ahead += timedelta(seconds=2)
        assert [d["overdue"] for d in (await shown(ISSUER))["deadlines"]] == [True, False]
        house.ahead = timedelta()

        body = {"received_on": "2019-07-25", "document": "测函〔2019〕1号", "mode": "connected"}
        path = f"/api/certificates/provinces/{ISSUER}/plan"
        local = house.token(OPERATOR, "local", "350000")
        assert (await house.send("POST", path, local, body)).status == 403
        assert (await house.send("POST", path, operator(house), body)).status == 200
        bad = await house.send("POST", path, operator(house), body | {"received_on": "2999-01-01"})
        assert bad.body["errors"][0]["pointer"] == "/received_on"
        nowhere = path.replace(ISSUER, "amr-350100")
        assert (await house.send("POST", nowhere, operator(house), body)).status == 404

        sandbox, client = await register(house, sandbox=True), await register(house)
        await sandbox.accepted(issue())
        await client.accepted(issue())
        row = IssueDelivery.model_validate_json(json.dumps(issue()), strict=True)
        importer = Actor(subject="importer", role=Role.CLERK, scope=ISSUER)
        await house.parts.certificates.take_over(
            row.content, row.decision.decided(), row.decision.approver, importer, "row-1"
        )
        await Office(house).issue({"content": content()})
        done = await shown(ISSUER)
        assert done["issued"] == {"manual": 1, "batch": 1, "connected": 1}
        assert done["plan"]["received_on"] == "2019-07-25"
        assert [d["overdue"] for d in done["deadlines"]] == [False, False]
        today = day_of(datetime.now(UTC)).isoformat()
        assert [d["done_on"] for d in done["deadlines"]] == ["2019-07-25", today]
        assert done["first_sandbox_delivery"] < done["first_delivery"]
        items = (await house.send("GET", "/api/certificates/provinces", local)).body["items"]
        assert [one["authority"] for one in items] == [ISSUER]
        auditor = house.token(AUDITOR, "auditor-1")
        everyone = (await house.send("GET", "/api/certificates/provinces", auditor)).body["items"]
        assert len(everyone) >= 32


# --- a second person ------------------------------------------------------------------------------


@pytest.fixture
def two_people(house: System) -> Iterator[Callable[..., None]]:
    """Says from how many deliveries on, of one or in an hour, a second person is needed."""
    file = house.settings.rules / CONFIRMATIONS
    shipped = (SHIPPED / CONFIRMATIONS).read_text("utf-8")

    def say(*, each: bool = False, in_an_hour: int = 1000) -> None:
        head, name, rest = shipped.partition("  deliver_certificates:\n    required: false")
        assert name
        assert "from: 1000" in rest
        each_ = name.replace("false", "true") if each else name
        file.write_text(f"{head}{each_}{rest.replace('from: 1000', f'from: {in_an_hour}')}")

    before = file.read_bytes() if file.exists() else None
    yield say
    if before is None:
        file.unlink()
    else:
        file.write_bytes(before)


def proposed(answer: Answer) -> str:
    assert (answer.status, answer.body["code"]) == (409, "awaits_confirmation"), answer.body
    at: str = answer.headers["location"]
    assert at in answer.body["remedy"] + answer.body["detail"]
    return at


async def test_a_delivery_waits_for_a_second_person_where_the_rules_say_so(
    house: System, client: Client, two_people: Callable[..., None]
) -> None:
    taken = issue()
    first = await client.accepted(taken)
    two_people(each=True)
    before, body = await snapshot(house), issue()
    at = proposed(await client.deliver(body))
    assert await snapshot(house) == before
    # what was taken before is answered as it was; what is wrong is told, and waits for nobody
    assert await client.accepted(taken) == first
    wrong = await client.deliver(issue("nowhere-at-all"))
    assert (wrong.status, wrong.body["code"]) == (404, "unknown_institution")
    # sent again it is the same; it is found as what it is, and nothing else comes under its id
    assert proposed(await client.deliver(body)) == at
    shown = (await client.get(f"/{body['delivery_id']}")).body
    assert (shown["stage"], shown["action"], shown["receipt"]) == ("proposed", "issue", None)
    assert at.endswith(shown["confirmation"])
    other = await client.deliver(body | {"decision": body["decision"] | {"document": "另一文书"}})
    assert (other.status, other.body["code"]) == (422, "key_reused")

    clerk = house.token(CLERK, "issuing-clerk-2", ISSUER)
    waiting = await house.send("GET", "/api/confirmations?waiting=true", clerk)
    assert at.rpartition("/")[2] in [one["id"] for one in waiting.body["items"]]
    looked = (await house.send("GET", at, clerk)).body
    assert (looked["act"], looked["own"], looked["body"]) == ("deliver_certificates", False, body)
    stranger = house.token(CLERK, "issuing-clerk-3", OTHER)
    assert (await house.send("POST", f"{at}/confirm", stranger)).status == 404
    # a program is no second person
    assert (await house.send("POST", f"{at}/confirm", client.token)).status == 403
    done = await house.send("POST", f"{at}/confirm", clerk)
    assert (done.status, done.body["state"]) == (200, "done"), done.body
    kept = (await client.get(f"/{body['delivery_id']}")).body
    assert (kept["stage"], kept["client"]) == ("accepted", client.id)
    assert await client.accepted(body) == kept["receipt"]
    after = await snapshot(house)
    assert after["certificates"] == before["certificates"] + 1


async def test_a_delivery_that_was_declined_is_corrected_and_proposed_anew(
    house: System, client: Client, two_people: Callable[..., None]
) -> None:
    two_people(each=True)
    body = issue()
    items = {"deliveries": [body, issue()]}
    sent = await house.send("POST", f"{DELIVERIES}/batch", client.token, items)
    codes = [one["problem"]["code"] for one in sent.body["outcomes"]]
    assert codes == ["awaits_confirmation"] * 2
    at = proposed(await client.deliver(body))
    clerk = house.token(CLERK, "issuing-clerk-2", ISSUER)
    before = await snapshot(house)
    no = await house.send("POST", f"{at}/decline", clerk, {"reason": "文书号与批准的不符"})
    assert no.body["state"] == "declined"
    again = await client.deliver(body)
    assert (again.status, again.body["code"]) == (409, "confirmation_decided")
    shown = (await client.get(f"/{body['delivery_id']}")).body
    assert (shown["stage"], shown["refusal"]["code"]) == ("refused", "confirmation_decided")
    assert await snapshot(house) == before
    corrected = body | {"decision": body["decision"] | {"document": "更正的文书（生成）"}}
    anew = proposed(await client.deliver(corrected))
    assert anew != at
    late = datetime.fromisoformat((await house.send("GET", anew, clerk)).body["ends_at"])
    house.ahead = late - datetime.now(UTC) + timedelta(seconds=1)
    try:
        once_more = proposed(await client.deliver(corrected))
        assert once_more not in (at, anew)
    finally:
        house.ahead = timedelta()
    # what is tried in the sandbox waits for nobody
    trying = await register(house, sandbox=True)
    assert (await trying.accepted(issue()))["sandbox"] is True


async def test_many_deliveries_of_an_hour_wait_for_a_second_person_as_a_file_does(
    house: System, two_people: Callable[..., None]
) -> None:
    two_people(in_an_hour=3)
    clerk = house.token(CLERK, "issuing-clerk-2", ISSUER)
    program, another = await register(house), await register(house)
    # all of it in one hour, whenever the test runs
    now = datetime.now(UTC)
    house.ahead = now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1) - now
    try:
        sent = [issue() for _ in range(2)]
        receipts = [await program.accepted(one) for one in sent]
        third, fourth = issue(), issue()
        before = await snapshot(house)
        at = proposed(await program.deliver(third))
        assert proposed(await program.deliver(fourth)) == at
        assert await snapshot(house) == before
        # others go on, and so does what was taken
        await another.accepted(issue())
        assert await program.accepted(sent[0]) == receipts[0]
        shown = (await house.send("GET", at, clerk)).body
        assert (shown["act"], shown["number"]) == ("bulk_deliver", 3)
        assert shown["body"]["client"] == program.id
        confirmed = await house.send("POST", f"{at}/confirm", clerk)
        assert (confirmed.status, confirmed.body["state"]) == (200, "confirmed")
        for one in (third, fourth, issue()):
            await program.accepted(one)
        assert (await house.send("GET", at, clerk)).body["state"] == "done"
        # as many again are looked at again, or wait for the hour to be over
        sixth = issue()
        further = proposed(await program.deliver(sixth))
        assert further != at
        assert "下一小时" in (await program.deliver(sixth)).body["remedy"]
        no = await house.send("POST", f"{further}/decline", clerk, {"reason": "未见批准文书"})
        assert no.status == 200
        assert (await program.deliver(sixth)).body["code"] == "confirmation_decided"
        house.ahead += timedelta(hours=1)
        await program.accepted(sixth)
    finally:
        house.ahead = timedelta()


async def test_many_at_the_same_moment_are_no_way_round_the_second_person(
    house: System, two_people: Callable[..., None]
) -> None:
    two_people(in_an_hour=3)
    program = await register(house)
    now = datetime.now(UTC)
    house.ahead = now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1) - now
    try:
        await program.accepted(issue())
        answers = await asyncio.gather(*(program.deliver(issue()) for _ in range(6)))
    finally:
        house.ahead = timedelta()
    taken = [one for one in answers if one.status == 200]
    assert len(taken) == 1
    assert len({proposed(one) for one in answers if one not in taken}) == 1


async def test_what_was_refused_after_its_confirmation_is_looked_at_again(
    house: System, client: Client, two_people: Callable[..., None]
) -> None:
    """Confirmed once, it is not what a program may have done whenever it becomes possible."""
    two_people()
    number = (await client.accepted(issue()))["number"]
    two_people(each=True)
    clerk = house.token(CLERK, "issuing-clerk-2", ISSUER)
    house.ahead = timedelta(days=1)
    body = end(number, on=day_of(house.now()).isoformat())
    at = proposed(await client.deliver(body))
    house.ahead = timedelta()
    # not to be ended on a day to come: confirmed, and then not possible
    confirmed = await house.send("POST", f"{at}/confirm", clerk)
    assert (confirmed.status, confirmed.body["code"]) == (409, "confirmed_and_refused")
    house.ahead = timedelta(days=1)
    try:
        assert proposed(await client.deliver(body)) != at
    finally:
        house.ahead = timedelta()


async def test_a_confirmation_that_came_to_nothing_holds_for_its_hours_and_no_longer(
    house: System, client: Client, two_people: Callable[..., None]
) -> None:
    two_people(each=True)
    sent_in_time, sent_late = issue(), issue()
    clerk = Actor(subject="issuing-clerk-2", role=Role.CLERK, scope=ISSUER)
    at = ""
    for body in (sent_in_time, sent_late):
        at = proposed(await client.deliver(body))
        # as where the database was away just then: confirmed, and not done
        await house.parts.confirmations.confirm(at.rpartition("/")[2], clerk)
    assert (await client.accepted(sent_in_time))["sandbox"] is False
    house.ahead = timedelta(hours=73)
    try:
        assert proposed(await client.deliver(sent_late)) != at
    finally:
        house.ahead = timedelta()
