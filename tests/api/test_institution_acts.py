"""A change of code, a merger, a split: one institution afterwards, and the old code leads there."""

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from domain.clock import day_of
from domain.facts import FilingEnd
from domain.text import name_key
from store import cases, institutions, journal
from store.certificates import lists
from store.numbers import lookup
from tests.api.people import FUJIAN, GUANGDONG, Filing, filing
from tests.api.test_institutions import load, row, shown, table
from tests.certificates import content
from tests.registered import register
from tests.system import AUDITOR, FILER, OPERATOR, REVIEWER, Answer, System

pytestmark = pytest.mark.anyio

OLD, NEW = "91620102739638125B", "91350102YY00000102"
GROUNDS = {"effective_on": "2025-01-06", "document": "示例〔2025〕1号", "reason": "（生成）"}


async def act(house: System, id_: str, kind: str, token: str = "", **body: Any) -> Answer:
    token = token or house.token(OPERATOR, "operator-fj", "350000")
    path = f"/api/institutions/{id_}/{kind}"
    return await house.send("POST", path, token, GROUNDS | body)


async def rows_of(house: System, *rows: list[Any]) -> None:
    answer = await load(house, table(*rows))
    assert answer.status == 200, answer.body


async def found_by(house: System, uscc: str) -> list[str]:
    answer = await house.send("GET", f"/public/certificates?uscc={uscc}")
    assert answer.status == 200, answer.body
    return sorted(one["number"] for one in answer.body["items"])


async def settled(house: System, jobs: list[str]) -> None:
    operator = house.token(OPERATOR, "operator-fj", "350000")
    for job in jobs:
        for _ in range(400):
            seen = await house.send("GET", f"/api/jobs/{job}", operator)
            if seen.body["state"] == "done":
                break
            await house.pause(0.05)
        assert (seen.body["state"], seen.body["refused"]) == ("done", 0), seen.body


# --- change of code ------------------------------------------------------------------------------


async def test_a_changed_code_leads_where_the_old_one_did(house: System) -> None:
    await rows_of(house, row("code-1", "241311000001", uscc=OLD, name="甲改码"))
    await register(house.engine, "241311000002", institution="code-1", uscc=OLD)
    before = await found_by(house, OLD)
    assert {"241311000001", "241311000002"} <= set(before)
    done = await act(house, "code-1", "uscc", uscc=NEW)
    assert done.status == 200, done.body
    assert (done.body["old_uscc"], done.body["new_uscc"]) == (OLD, NEW)
    assert (await shown(house, "code-1"))["uscc"] == NEW
    for code in (OLD, NEW):
        assert {"241311000001", "241311000002"} <= set(await found_by(house, code)), code
    scanned = await house.send("GET", "/public/certificates/code/CODE241311000002")
    told = scanned.body["certificate"]
    # what the paper says stays, and what is so now stands beside it
    assert (told["uscc"], told["holder_now"]) == (OLD, {"name": "甲改码", "uscc": NEW})
    page = await house.http.get("/c/CODE241311000002")
    assert "现机构" in page.text
    assert NEW in page.text
    async with house.engine.connect() as connection:
        holders = await lists.holders(connection, [], [OLD, NEW])
    assert "code-1" in holders.of_uscc[OLD]
    assert holders.of_uscc[NEW] == ["code-1"]


async def test_a_code_is_changed_once_and_no_roster_takes_it_back(house: System) -> None:
    await rows_of(house, row("code-2", "241311000011"))
    token = house.token(OPERATOR, "operator-fj", "350000")
    path, body = "/api/institutions/code-2/uscc", GROUNDS | {"uscc": NEW}
    first = await house.send("POST", path, token, body, idempotency_key="code-2")
    again = await house.send("POST", path, token, body, idempotency_key="code-2")
    assert (first.status, again.status, again.body["id"]) == (200, 200, first.body["id"])
    twice = await act(house, "code-2", "uscc", uscc=NEW)
    assert (twice.status, twice.body["code"]) == (409, "uscc_unchanged")
    stale = await load(house, table(row("code-2", "241311000011", name="新名（生成）")))
    assert (stale.status, stale.body["errors"][0]["code"]) == (422, "former_uscc")
    right = await load(house, table(row("code-2", "241311000011", uscc=NEW, name="新名（生成）")))
    assert right.status == 200, right.body


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [({"uscc": "91350102YY00000103"}, "/uscc"), ({"uscc": ""}, "/uscc"),
     ({"reason": " "}, "/reason"), ({"document": ""}, "/document"),
     ({"effective_on": "2025-13-01"}, "/effective_on")],
)  # fmt: skip
async def test_an_act_needs_its_grounds(
    house: System, changes: dict[str, str], pointer: str
) -> None:
    await rows_of(house, row("code-3", "241311000021"))
    answer = await act(house, "code-3", "uscc", **({"uscc": NEW} | changes))
    assert (answer.status, answer.body["errors"][0]["pointer"]) == (422, pointer)


async def test_an_act_is_done_from_its_day_on_and_not_before(house: System) -> None:
    await rows_of(house, row("code-4", "241311000031"))
    today = day_of(datetime.now(UTC))
    early = await act(
        house, "code-4", "uscc", uscc=NEW, effective_on=str(today + timedelta(days=1))
    )
    assert (early.status, early.body["code"]) == (422, "not_effective_yet")
    on_the_day = await act(house, "code-4", "uscc", uscc=NEW, effective_on=str(today))
    assert on_the_day.status == 200


# --- merger --------------------------------------------------------------------------------------


async def pair(house: System) -> tuple[Filing, Filing]:
    return await filing(house, FUJIAN), await filing(house, FUJIAN)


async def links(house: System, institution: str, token: str) -> list[tuple[str, str, str]]:
    answer = await house.send("GET", f"/api/institutions/{institution}/linked", token)
    assert answer.status == 200, answer.body
    return [(one["link"], one["institution"], one["document"]) for one in answer.body["items"]]


async def test_after_a_merger_there_is_one_institution_everywhere(house: System) -> None:
    gone, stays = await pair(house)
    held = await register(house.engine, f"M-{gone.id}", institution=gone.id, uscc=OLD)
    done = await act(house, gone.id, "merge", into=stays.id)
    assert done.status == 200, done.body
    # obligation: what was with its filer is cancelled, and no pass finds it again
    await settled(house, done.body["jobs"])
    assert (await gone.get()).body["status"] == "cancelled"
    assert (await stays.get()).body["status"] == "draft"
    operator = house.token(OPERATOR, "operator-fj", "350000")
    listed: list[str] = []
    cursor = ""
    while True:
        page = await house.send("GET", f"/api/institutions?size=200&cursor={cursor}", operator)
        listed += [one["id"] for one in page.body["items"]]
        if not (cursor := page.body["next"] or ""):
            break
    assert gone.id not in listed
    assert stays.id in listed
    # facts: its certificates count as those of its survivor, and nobody else's
    one, two = await shown(house, gone.id), await shown(house, stays.id)
    assert (one["merged_into"], one["certificates"]) == (stays.id, [])
    assert held.number in {c["number"] for c in two["certificates"]}
    # QR and search
    scanned = await house.send("GET", f"/public/certificates/code/{held.code}")
    assert scanned.body["certificate"]["holder_now"]["name"] == two["name"]
    named = await house.send("GET", f"/public/certificates?holder={two['name']}")
    assert held.number in {c["number"] for c in named.body["items"]}
    # the lookup of report numbers, by either name
    async with house.engine.connect() as connection:
        rows = await connection.execute(text("SELECT id, no FROM institutions"))
        nos = {row.id: row.no for row in rows}
        both = {nos[gone.id], nos[stays.id]}
        names = [name_key(one["name"]), name_key(two["name"])]
        bearers = await lookup.named(connection, names)
        assert {name: set(of) for name, of in bearers.items()} == dict.fromkeys(names, both)
        holders = await lookup.by_no(connection, [nos[gone.id]])
        assert holders[nos[gone.id]].name == two["name"]
    # each leads to the other, as far as one sees there
    elsewhere = house.token(OPERATOR, "operator-hn", "430000")
    assert await links(house, stays.id, operator) == [("merged_in", gone.id, "示例〔2025〕1号")]
    assert await links(house, gone.id, operator) == [("merged_into", stays.id, "示例〔2025〕1号")]
    linked = await house.send("GET", f"/api/institutions/{stays.id}/linked", elsewhere)
    assert linked.status in (403, 404)
    history = await house.send("GET", f"/api/institutions/{stays.id}/history", operator)
    assert [(a["kind"], a["institution"], a["document"]) for a in history.body["acts"]] == [
        ("merged", gone.id, "示例〔2025〕1号")
    ]


async def test_a_merged_institution_begins_nothing_and_finishes_what_was_submitted(
    house: System,
) -> None:
    gone, stays = await filing(house, GUANGDONG), await filing(house, GUANGDONG)
    await gone.submitted()
    nation = house.token(OPERATOR, "operator-1", "000000")
    done = await act(house, gone.id, "merge", nation, into=stays.id)
    assert (done.status, done.body["jobs"]) == (200, [])
    await gone.done("claim", gone.reviewer)
    assert (await gone.done("approve", gone.reviewer)).status == 200
    asked = await house.send("POST", f"/api/filings/2024/{gone.id}", gone.filer)
    assert (asked.status, asked.body["code"]) == (409, "institution_merged")
    assert stays.id in asked.body["remedy"]
    applied = {"content": content(gone.id, issuer=gone.issuer)}
    certificate = await house.send("POST", "/api/certificates", gone.filer, applied)
    assert (certificate.status, certificate.body["code"]) == (409, "institution_merged")
    named = row(gone.id, "241312000099", region="440100", issuer="amr-440000")
    roster = await load(house, table(named))
    assert (roster.status, roster.body["errors"][0]["code"]) == (422, "institution_merged")


async def test_the_gate_asks_a_survivor_without_a_filing_of_its_own_for_its_predecessors(
    house: System,
) -> None:
    async with house.engine.connect() as connection:
        gone, stays = await filing(house, GUANGDONG), await filing(house, GUANGDONG)
        await gone.completed()
        nation = house.token(OPERATOR, "operator-1", "000000")
        new = "merged-new"
        await rows_of(
            house, row(new, "241312000001", region="440100", issuer="amr-440000", uscc="")
        )
        assert (await act(house, gone.id, "merge", nation, into=new)).status == 200
        ends = await cases.filings_by_year(connection, new)
        assert ends == {2024: FilingEnd.COMPLETED}
        # one of two predecessors that has not filed is one too many
        done = await act(house, stays.id, "merge", nation, into=new)
        assert done.status == 200
        await connection.rollback()
        ends = await cases.filings_by_year(connection, new)
        assert ends[2024] is not FilingEnd.COMPLETED


async def test_no_merger_is_done_twice_in_a_circle_or_with_itself(house: System) -> None:
    ids = ["ring-a", "ring-b", "ring-c"]
    await rows_of(house, *(row(id_, f"24131300000{n}", uscc="") for n, id_ in enumerate(ids)))
    a, b, c = ids
    itself = await act(house, a, "merge", into=a)
    assert (itself.status, itself.body["code"]) == (422, "same_institution")
    nobody = await act(house, a, "merge", into="ring-x")
    assert (nobody.status, nobody.body["code"]) == (404, "not_found")
    assert (await act(house, a, "merge", into=b)).status == 200
    for one, other in ((a, b), (a, c), (b, a), (c, a)):
        answer = await act(house, one, "merge", into=other)
        assert (answer.status, answer.body["code"]) == (409, "institution_merged"), (one, other)
    changed = await act(house, a, "uscc", uscc=NEW)
    assert changed.body["code"] == "institution_merged"
    # a line of mergers leads to its end at once
    assert (await act(house, b, "merge", into=c)).status == 200
    assert (await shown(house, a))["merged_into"] == c
    assert {one["number"] for one in (await shown(house, c))["certificates"]} == {
        f"24131300000{n}" for n in range(3)
    }


async def test_one_key_merges_once_and_answers_the_same(house: System) -> None:
    gone, stays = await pair(house)
    token = house.token(OPERATOR, "operator-fj", "350000")
    path, body = f"/api/institutions/{gone.id}/merge", GROUNDS | {"into": stays.id}
    first = await house.send("POST", path, token, body, idempotency_key=f"merge-{gone.id}")
    await settled(house, first.body["jobs"])
    again = await house.send("POST", path, token, body, idempotency_key=f"merge-{gone.id}")
    assert (again.status, again.body["id"]) == (200, first.body["id"])
    async with house.engine.connect() as connection:
        steps = await journal.steps(connection, "register/institutions")
    merged = [s for s in steps if s.event == "institution_merged"
              and s.body["institution_id"] == gone.id]  # fmt: skip
    assert len(merged) == 1
    assert merged[0].body["into_id"] == stays.id
    assert merged[0].body["effective_on"] == "2025-01-06"


async def test_an_act_needs_the_right_over_every_institution_it_concerns(house: System) -> None:
    here, there = await filing(house, FUJIAN), await filing(house, GUANGDONG)
    fujian = house.token(OPERATOR, "operator-fj", "350000")
    guangdong = house.token(OPERATOR, "operator-gd", "440000")
    parts = {"parts": [{"institution": there.id}]}
    for token in (fujian, guangdong):
        for kind, body in (("merge", {"into": there.id}), ("split", parts)):
            answer = await act(house, here.id, kind, token, **body)
            assert (answer.status, answer.body["code"]) == (404, "not_found"), kind
    assert (await shown(house, here.id))["merged_into"] == ""
    for role, scope in ((FILER, here.id), (REVIEWER, "amr-350000"), (AUDITOR, "")):
        answer = await act(house, here.id, "merge", house.token(role, "x", scope), into=there.id)
        assert (answer.status, answer.body["code"]) == (403, "forbidden")


# --- split ---------------------------------------------------------------------------------------


async def test_a_split_gives_certificates_to_whoever_takes_them_over(house: System) -> None:
    await rows_of(
        house,
        row("split-a", "241314000001", uscc=""), row("split-a", "241314000002", uscc=""),
        row("split-b", "241314000003", uscc=""),
    )  # fmt: skip
    parts = [{"institution": "split-b", "certificates": ["241314000002"]}]
    done = await act(house, "split-a", "split", parts=parts)
    assert done.status == 200, done.body
    assert [c["number"] for c in (await shown(house, "split-a"))["certificates"]] == [
        "241314000001"
    ]
    assert [c["number"] for c in (await shown(house, "split-b"))["certificates"]] == [
        "241314000002", "241314000003",
    ]  # fmt: skip
    again = await act(house, "split-a", "split", parts=parts)
    assert (again.status, again.body["code"]) == (422, "other_holder")
    operator = house.token(OPERATOR, "operator-fj", "350000")
    told = await house.send("GET", "/api/institutions/split-b/history", operator)
    assert [one["kind"] for one in told.body["acts"]] == ["split"]


async def test_what_cannot_be_split_is_not(house: System) -> None:
    await rows_of(house, row("split-c", "241314000011", uscc=""), row("split-d", "241314000012"))
    await register(house.engine, "241314000013", institution="split-c")
    attempts: list[tuple[Any, str]] = [
        ([{"institution": "split-d", "certificates": ["241314000013"]}], "certificate_stays"),
        ([{"institution": "split-d", "certificates": ["241314000012"]}], "other_holder"),
        ([{"institution": "split-c", "certificates": []}], "same_institution"),
        ([{"institution": "split-d"}, {"institution": "split-d"}], "same_institution"),
        ([{"institution": "nowhere"}], "not_found"),
        ([{"institution": "split-d", "certificates": ["241314000011", "241314000011"]}],
         "other_holder"),
    ]  # fmt: skip
    for parts, code in attempts:
        answer = await act(house, "split-c", "split", parts=parts)
        assert answer.body["code"] == code, (parts, answer.body)
    empty = await act(house, "split-c", "split", parts=[])
    assert empty.status == 422


# --- the record ----------------------------------------------------------------------------------


async def test_an_institutions_history_has_its_acts_and_what_rosters_changed(
    house: System,
) -> None:
    await rows_of(house, row("told-1", "241315000001", uscc=""))
    await rows_of(house, row("told-1", "241315000001", uscc="", name="新名（生成）"))
    assert (await act(house, "told-1", "uscc", uscc=NEW)).status == 200
    filer = house.token(FILER, "f", "told-1")
    told = (await house.send("GET", "/api/institutions/told-1/history", filer)).body
    assert [(c["column"], c["old"], c["new"], c["by"]) for c in told["changes"]] == [
        ("机构名称", "测试机构（生成）", "新名（生成）", "operator-000000")
    ]
    [changed] = told["acts"]
    assert (changed["effective_on"], changed["reason"]) == (str(date(2025, 1, 6)), "（生成）")
    stranger = house.token(FILER, "f", "another")
    other = await house.send("GET", "/api/institutions/told-1/history", stranger)
    assert other.status == 403
    assert "told-1" not in json.dumps(other.body.get("errors"))
    async with house.engine.connect() as connection:
        known = await institutions.by_ids(connection, ["told-1"])
    assert known["told-1"].uscc == NEW
