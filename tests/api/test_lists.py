"""Lists: every page once, nothing twice, nothing stale, and no cursor but our own."""

import base64
import json
from typing import Any
from urllib.parse import quote

import pytest

from tests.api.people import FUJIAN, GUANGDONG, Filing, filing
from tests.system import CHECKER, OPERATOR, REVIEWER, System, institution

pytestmark = pytest.mark.anyio

SICHUAN = ("510104", "amr-510000")
GUIZHOU = ("520102", "amr-520000")
"""Provinces of which each test here has one to itself."""


async def page(house: System, path: str, token: str, size: int, cursor: str = "") -> Any:
    mark = "&" if "?" in path else "?"
    answer = await house.send("GET", f"{path}{mark}size={size}&cursor={cursor}", token)
    assert answer.status == 200, answer.body
    assert len(answer.body["items"]) <= size
    return answer.body


async def walk(house: System, path: str, token: str, size: int = 2) -> list[dict[str, Any]]:
    """All items of a list, page by page to the end."""
    found: list[dict[str, Any]] = []
    cursor = ""
    while True:
        shown = await page(house, path, token, size, cursor)
        found += shown["items"]
        cursor = shown["next"]
        if cursor is None:
            return found


def ids(items: list[dict[str, Any]]) -> list[str]:
    return [item["id"] for item in items]


# --- paging while things change ------------------------------------------------------------------


async def test_an_inbox_is_paged_without_loss_or_repetition_while_its_cases_move(
    house: System,
) -> None:
    mine = [await filing(house, SICHUAN) for _ in range(7)]
    for one in mine:
        await one.submitted()
    reviewer = mine[0].reviewer
    seen: list[str] = []
    cursor = ""
    moves = iter([(mine[0], "claim"), (mine[3], "withdraw"), (mine[1], "claim")])
    while True:
        shown = await page(house, "/api/tasks", reviewer, 2, cursor)
        seen += ids(shown["items"])
        cursor = shown["next"]
        if cursor is None:
            break
        moved, name = next(moves)
        await moved.done(name, moved.filer if name == "withdraw" else moved.reviewer)
    assert len(seen) == len(set(seen))
    # all that were there from beginning to end; the one that left may be among them or not
    staying = {one.case_id for one in mine if one is not mine[3]}
    assert staying <= set(seen) <= {one.case_id for one in mine}


async def test_an_inbox_shows_the_most_pressing_first_and_those_without_a_date_last(
    house: System,
) -> None:
    first, second = await filing(house, GUIZHOU), await filing(house, GUIZHOU)
    for one in (first, second):
        await one.submitted()
    shown = (await first.get()).body
    later = {"until": "2099-01-01T00:00:00+08:00", "reason": "（生成）洪灾"}
    await first.done("extension", first.operator, later)
    assert ids(await walk(house, "/api/tasks", first.reviewer, 1)) == [
        second.case_id,
        first.case_id,
    ]
    assert shown["due"] is not None
    # the quality check has no end in the notice: no date, and the pages still come to an end
    for one in (first, second):
        await one.done("claim", one.reviewer)
        await one.done("approve", one.reviewer)
    checking = [
        item
        for item in await walk(house, "/api/tasks", first.checker, 1)
        if item["id"] in (first.case_id, second.case_id)
    ]
    assert ids(checking) == sorted([first.case_id, second.case_id])
    assert [item["due"] for item in checking] == [None, None]


async def test_an_inbox_is_narrowed_and_counted(house: System) -> None:
    first, second = await filing(house, SICHUAN), await filing(house, SICHUAN)
    token = first.reviewer
    before = (await house.send("GET", "/api/tasks/counts", token)).body
    for one in (first, second):
        await one.submitted()
    await first.done("claim", token)
    after = (await house.send("GET", "/api/tasks/counts", token)).body
    grown = {name: after[name] - before[name] for name in ("total", "unclaimed", "mine", "overdue")}
    assert grown == {"total": 2, "unclaimed": 1, "mine": 1, "overdue": 0}
    assert sum(one["total"] for one in after["kinds"]) == after["total"]
    due = (await first.get()).body["due"]
    shown = {
        asked: set(ids(await walk(house, f"/api/tasks?{asked}", token, 50)))
        for asked in (
            "kind=filing", "kind=complaint", "region=510000", "region=350000",
            f"name={quote(first.id)}", "claimed=mine", "claimed=nobody",
            f"due_by={quote(due)}", "due_by=2001-01-01T00:00:00Z",
        )
    }  # fmt: skip
    both = {first.case_id, second.case_id}
    for asked in ("kind=filing", "region=510000", f"due_by={quote(due)}"):
        assert both <= shown[asked], asked
    for asked in ("kind=complaint", "region=350000", "due_by=2001-01-01T00:00:00Z"):
        assert shown[asked] == set(), asked
    assert shown[f"name={quote(first.id)}"] == {first.case_id}
    assert shown["claimed=mine"] & both == {first.case_id}
    assert shown["claimed=nobody"] & both == {second.case_id}
    wrong = await house.send("GET", "/api/tasks?due_by=tomorrow", token)
    assert (wrong.status, wrong.body["code"]) == (422, "invalid_parameter")


async def test_filings_are_paged_in_the_order_of_their_ids_while_others_are_added(
    house: System,
) -> None:
    operator = house.token(OPERATOR, "operator-1", "000000")
    before = [await filing(house) for _ in range(5)]
    seen: list[str] = []
    cursor = ""
    while True:
        shown = await page(house, "/api/filings", operator, 3, cursor)
        seen += ids(shown["items"])
        cursor = shown["next"]
        if cursor is None:
            break
        if len(seen) < 12:
            await filing(house)
    assert seen == sorted(set(seen))
    assert {one.case_id for one in before} <= set(seen)


async def test_the_register_is_paged_while_institutions_come_and_change(house: System) -> None:
    operator = house.token(OPERATOR, "qinghai", "630000")
    names = [f"qh-{n}" for n in range(7)]
    await house.add(*(institution(name, "630102") for name in names))
    first = await page(house, "/api/institutions", operator, 3)
    await house.add(institution("qh-2b", "630102"), institution("qh-9", "630102"))
    await house.add(institution("qh-5", "640104"))  # moved away to another province
    rest = []
    cursor = first["next"]
    while cursor:
        shown = await page(house, "/api/institutions", operator, 3, cursor)
        rest += shown["items"]
        cursor = shown["next"]
    assert ids(first["items"] + rest) == [
        "qh-0",
        "qh-1",
        "qh-2",
        "qh-2b",
        "qh-3",
        "qh-4",
        "qh-6",
        "qh-9",
    ]


async def test_events_are_read_on_from_a_cursor_without_loss_or_repetition_while_more_come(
    house: System,
) -> None:
    operator = house.token(OPERATOR, "hainan", "460000")
    one = await filing(house, ("460105", "amr-460000"))
    seen: list[tuple[str, int]] = []
    cursor = ""
    for act in (None, one.submitted, lambda: one.done("withdraw", one.filer)):
        if act is not None:
            await act()
        while (shown := await page(house, "/api/events", operator, 1, cursor))["items"]:
            cursor = shown["next"]
            seen += [(item["case_id"], item["sequence"]) for item in shown["items"]]
        cursor = shown["next"]
    assert seen == [(one.case_id, sequence) for sequence in range(1, 6)]
    # an empty page gives a cursor to ask again with
    assert (await page(house, "/api/events", operator, 5, cursor))["next"] == cursor
    again = await page(house, "/api/events", operator, 1000)
    assert [(item["case_id"], item["sequence"]) for item in again["items"]] == seen


async def test_an_event_carries_the_hash_of_its_step_and_no_content(house: System) -> None:
    found = await filing(house)
    await found.returned()
    shown = await page(house, "/api/events", found.operator, 1000)
    mine = [item for item in shown["items"] if item["case_id"] == found.case_id]
    entries = [entry for entry in await found.timeline() if entry["sequence"]]
    assert [item["hash"] for item in mine] == [entry["hash"] for entry in entries]
    assert all(
        set(item)
        == {
            "transaction",
            "id",
            "case_id",
            "sequence",
            "event",
            "status",
            "authority",
            "at",
            "hash",
        }
        for item in mine
    )


# --- cursors -------------------------------------------------------------------------------------

LISTS: dict[str, tuple[str, list[Any]]] = {
    "tasks": ("/api/tasks", ["", "x"]),
    "filings": ("/api/filings", ["x"]),
    "register": ("/api/institutions", ["x"]),
    "non-filers": ("/api/campaigns/2024/000000/non-filers", ["x"]),
    "events": ("/api/events", [1, 2]),
}


def cursor_of(value: Any) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def whoever(house: System, name: str) -> str:
    if name == "tasks":
        return house.token(REVIEWER, "reviewer-1", "amr-440000")
    return house.token(OPERATOR, "operator-1", "000000")


BAD_CURSORS: dict[str, str] = {
    "no base64": "%21%21%21",
    "base64 with something between": "WyJ4%2AIl0",
    "base64 with padding": "WyJ4Il0%3D",
    "not ASCII": "%E9%A1%B5",
    "a control character": "WyJ4Il0%00",
    "no JSON": cursor_of(b"page 2"),
    "no UTF-8": cursor_of(b"\xff\xfe"),
    "no list": cursor_of({"after": "x"}),
    "an empty list": cursor_of([]),
    "too many values": cursor_of(["x"] * 9),
    "null": cursor_of([None]),
    "an object inside": cursor_of([{}]),
    "nested without end": cursor_of(b"[" * 700),
    "far too long": cursor_of(["x" * 5000]),
    "other spaces": cursor_of(b'[ "x" ]'),
    "not a number": cursor_of(b"[NaN]"),
}


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("cursor", BAD_CURSORS.values(), ids=list(BAD_CURSORS))
async def test_a_cursor_the_interface_has_not_made_is_refused(
    house: System, name: str, cursor: str
) -> None:
    path, _ = LISTS[name]
    answer = await house.send("GET", f"{path}?cursor={cursor}", whoever(house, name))
    assert (answer.status, answer.body["code"]) == (422, "invalid_parameter")
    assert "cursor" in answer.body["detail"]


@pytest.mark.parametrize("name", LISTS)
async def test_a_cursor_with_values_no_row_can_have_is_refused(house: System, name: str) -> None:
    path, shape = LISTS[name]
    for value in ("\x00", "a\x00b", "\ud800", "页", True, 2**63, -(2**70), 1.5, None, "\n"):
        for place in range(len(shape)):
            values = [*shape[:place], value, *shape[place + 1 :]]
            answer = await house.send(
                "GET", f"{path}?cursor={cursor_of(values)}", whoever(house, name)
            )
            assert (answer.status, answer.body["code"]) == (422, "invalid_parameter"), values


async def test_a_task_cursor_with_an_impossible_date_is_refused(house: System) -> None:
    token = whoever(house, "tasks")
    for due in ("yesterday", "2025-13-01T00:00:00+08:00", "0001-01-01T00:00:00+23:59"):
        cursor = cursor_of([due, "filing/2024/x"])
        answer = await house.send("GET", f"/api/tasks?cursor={cursor}", token)
        assert (answer.status, answer.body["code"]) == (422, "invalid_parameter"), due


async def test_a_cursor_of_somebody_else_opens_nothing(house: System) -> None:
    one = await filing(house, GUANGDONG)
    await filing(house, GUANGDONG)  # so that there is a next page, whatever else is on record
    theirs = await page(house, "/api/filings", one.operator, 1)
    fujian = house.token(OPERATOR, "fujian", "350000")
    shown = await page(house, "/api/filings", fujian, 200, theirs["next"])
    assert all(item["region"].startswith("35") for item in shown["items"])
    forged = cursor_of(["", ""])
    assert all(
        item["region"].startswith("35")
        for item in (await page(house, "/api/filings", fujian, 200, forged))["items"]
    )


# --- parameters ----------------------------------------------------------------------------------

BAD_PARAMETERS: list[tuple[str, str]] = [
    ("/api/filings?yaer=2024", "yaer"),
    ("/api/filings?year=2024&year=2023", "year"),
    ("/api/filings?year=twenty", "year"),
    ("/api/filings?year=99999999999999999999", "year"),
    ("/api/filings?year=-1", "year"),
    ("/api/filings?year=", "year"),
    ("/api/filings?status=done", "status"),
    ("/api/filings?status=DRAFT", "status"),
    ("/api/filings?institution=a%00b", "institution"),
    ("/api/filings?institution=%E6%9C%BA%E6%9E%84", "institution"),
    ("/api/filings?authority=amr-35", "authority"),
    ("/api/filings?authority=%00", "authority"),
    ("/api/filings?campaign=%00", "campaign"),
    ("/api/filings?campaign=2024", "campaign"),
    ("/api/filings?size=0", "size"),
    ("/api/filings?size=201", "size"),
    ("/api/filings?size=-1", "size"),
    ("/api/filings?size=ten", "size"),
    ("/api/filings?size=1e2", "size"),
    ("/api/filings?size=999999999999999999999999", "size"),
    ("/api/institutions?region=35", "region"),
    ("/api/institutions?size=0", "size"),
    ("/api/events?size=1001", "size"),
    ("/api/events?after=1", "after"),
    ("/api/campaigns?year=2024", "year"),
    ("/api/campaigns/2024/000000/non-filers?status=completed", "status"),
    ("/api/campaigns/2024/000000/non-filers?status=", "status"),
    ("/api/filings/2024/x?fields=all", "fields"),
    ("/api/rules?year=2024", "year"),
    ("/api/me?verbose", "verbose"),
    ("/healthz?deep=1", "deep"),
    ("/api/filings?size=5&_debug=1", "_debug"),
]


@pytest.mark.parametrize(("path", "name"), BAD_PARAMETERS, ids=[p for p, _ in BAD_PARAMETERS])
async def test_a_parameter_that_is_unknown_or_no_use_is_refused_by_name(
    house: System, path: str, name: str
) -> None:
    operator = house.token(OPERATOR, "operator-1", "000000")
    answer = await house.send("GET", path, operator)
    assert (answer.status, answer.body["code"]) == (422, "invalid_parameter"), answer.body
    assert name in answer.body["detail"]


async def test_an_unknown_claim_filter_is_refused_and_the_known_ones_filter(
    house: System,
) -> None:
    one, two = (
        await filing(house, ("530102", "amr-530000")),
        await filing(house, ("530102", "amr-530000")),
    )
    await one.submitted()
    await two.submitted()
    await one.done("claim", one.reviewer)
    refused = await house.send("GET", "/api/tasks?claimed=theirs", one.reviewer)
    assert (refused.status, refused.body["code"]) == (422, "invalid_parameter")
    assert ids(await walk(house, "/api/tasks?claimed=mine", one.reviewer)) == [one.case_id]
    assert ids(await walk(house, "/api/tasks?claimed=mine", two.reviewer)) == []
    assert ids(await walk(house, "/api/tasks?claimed=nobody", one.reviewer)) == [two.case_id]


# --- nothing lags --------------------------------------------------------------------------------


async def inboxes(found: Filing, *tokens: str) -> list[bool]:
    """In which of these people's inboxes a filing is."""
    return [
        found.case_id in ids(await walk(found.house, "/api/tasks", token, 200)) for token in tokens
    ]


async def test_every_act_shows_in_every_inbox_as_soon_as_it_is_answered(house: System) -> None:
    found = await filing(house, FUJIAN)
    county = house.token(REVIEWER, "county", "amr-350102")
    city = house.token(REVIEWER, "city", "amr-350100")
    province = house.token(REVIEWER, "province", "amr-350000")
    everybody = (county, city, province, found.checker)
    assert await inboxes(found, *everybody) == [False, False, False, False]
    await found.submitted()
    assert await inboxes(found, *everybody) == [True, False, False, False]
    await found.done("withdraw", found.filer)
    assert await inboxes(found, *everybody) == [False, False, False, False]
    await found.submitted()
    for number, token in enumerate((county, city, province)):
        assert await inboxes(found, *everybody) == [n == number for n in range(4)]
        await found.done("claim", token)
        mine = await walk(house, "/api/tasks?claimed=mine", token, 200)
        assert found.case_id in ids(mine)
        await found.done("approve", token)
    assert await inboxes(found, *everybody) == [False, False, False, True]
    other = house.token(CHECKER, "other", "cnas")
    assert await inboxes(found, other) == [False]
    await found.done("quality", found.checker, {"outcome": "pass"})
    assert await inboxes(found, *everybody) == [False, False, False, False]
    listed = await page(house, f"/api/filings?institution={found.id}", found.auditor, 10)
    assert [item["status"] for item in listed["items"]] == ["completed"]


# --- what a list is narrowed by -------------------------------------------------------------------


async def test_lists_are_narrowed_by_region_and_by_part_of_a_name(house: System) -> None:
    here, there = await filing(house, FUJIAN), await filing(house, GUANGDONG)
    nation = house.token(OPERATOR, "operator", "000000")
    fujian = house.token(OPERATOR, "fujian", "350000")
    for token, narrowed, wanted in (
        (nation, f"name={here.id}", {here.id}),
        # as people type it: blanks around it, brackets of the other width
        (nation, f"name=%20测试机构 {here.id}(生成)%20", {here.id}),
        (nation, f"name={here.id}&region=350000", {here.id}),
        (nation, f"name={there.id}&region={there.region}", {there.id}),
        (nation, f"name={here.id}&region=650000", set()),
        # a filter narrows, and never widens what somebody sees
        (fujian, f"name={here.id}", {here.id}),
        (fujian, f"name={there.id}", set()),
        (fujian, f"name={there.id}&region=440000", set()),
        (nation, f"name=%25{here.id}", set()),
    ):
        cases = await walk(house, f"/api/filings?{narrowed}", token)
        assert {item["institution"] for item in cases} == wanted, narrowed
        register = await walk(house, f"/api/institutions?{narrowed}", token)
        assert {item["id"] for item in register} == wanted, narrowed
    shown = (await walk(house, f"/api/filings?name={here.id}", nation))[0]
    assert (here.id in shown["institution_name"], shown["region"]) == (True, here.region)
