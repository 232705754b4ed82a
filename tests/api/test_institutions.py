"""The register over HTTP: rosters in every form they come in, whole or not at all."""

import asyncio
import csv
import io
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import openpyxl
import pytest
from sqlalchemy import delete, insert

from domain.refusals import Code
from files.roster import ROSTER, roster_csv
from store import institutions, journal
from store.tables import certificates
from tests.system import AUDITOR, FILER, OPERATOR, Answer, System

pytestmark = pytest.mark.anyio

CSV = "text/csv"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
LABELS = [column.label for column in ROSTER.columns]
GOOD: dict[str, Any] = {
    "id": "fj-1",
    "name": "测试机构（生成）",
    "uscc": "91620102739638125B",
    "region": "350102",
    "legal_person": "是",
    "under_samr": "否",
    "accredited": "是",
    "review_group": "group-railway",
    "other_qualifications": "雷电（生成）、水利（生成）",
    "national_centres": "",
    "previous_reviewer": "amr-350000",
    "number": "241301060001",
    "level": "省级",
    "issuer": "amr-350000",
    "scope": "120",
    "valid_to": "2090-05-01",
}


def row(id_: str, number: str, **changes: Any) -> list[Any]:
    """A good row, but for the changes."""
    return list({**GOOD, "id": id_, "number": number, **changes}.values())


def table(*rows: list[Any]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows([LABELS, *rows])
    return text.getvalue().encode()


def workbook(*rows: list[Any]) -> bytes:
    book = openpyxl.Workbook()
    assert book.active is not None
    for cells in (LABELS, *rows):
        book.active.append(cells)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


_keys = iter(range(10**9))


async def load(
    house: System,
    content: Any,
    query: str = "",
    *,
    jurisdiction: str = "000000",
    media: str = CSV,
    key: str = "",
) -> Answer:
    """Imports a roster as the operator of a jurisdiction."""
    token = house.token(OPERATOR, f"operator-{jurisdiction}", jurisdiction)
    headers = {
        "authorization": f"Bearer {token}",
        "content-type": media,
        "idempotency-key": key or f"roster-{next(_keys)}",
    }
    path = f"/api/institutions/imports{query}"
    answer = await house.http.post(path, content=content, headers=headers)
    return Answer(answer.status_code, answer.json(), answer.headers)


async def shown(house: System, id_: str) -> Any:
    """An institution as an auditor sees it, None if it is not on record."""
    answer = await house.send("GET", f"/api/institutions/{id_}", house.token(AUDITOR, "auditor-1"))
    assert answer.status in (200, 404)
    return answer.body if answer.status == 200 else None


async def imports_on_record(house: System) -> list[Any]:
    async with house.engine.connect() as connection:
        return await journal.steps(connection, "register/institutions")


# --- what can be imported ------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["csv", "csv with BOM", "csv in GB18030", "xlsx"])
async def test_a_roster_is_imported_from_every_form_it_comes_in(house: System, form: str) -> None:
    name = f"form-{form.replace(' ', '-')}"
    rows = [
        row(name, f"2413{len(form):08d}"),
        row(name, f"2400{len(form):08d}", level="国家级", issuer="samr", scope="80"),
    ]
    content = workbook(*rows) if form == "xlsx" else table(*rows)
    if form == "csv with BOM":
        content = b"\xef\xbb\xbf" + content
    if form == "csv in GB18030":
        content = content.decode().encode("gb18030")
    answer = await load(house, content, media=XLSX if form == "xlsx" else f"{CSV}; charset=utf-8")
    assert answer.status == 200, answer.body
    assert (answer.body["rows"], answer.body["accepted"]) == (2, 1)
    assert (answer.body["problems"], answer.body["repeated"]) == ([], False)
    found = await shown(house, name)
    assert found | {"certificates": []} == {
        "id": name, "name": "测试机构（生成）", "uscc": "91620102739638125B",
        "region": "350102", "legal_person": True, "under_samr": False, "accredited": True,
        "review_group": "group-railway",
        "other_qualifications": ["雷电（生成）", "水利（生成）"], "national_centres": [],
        "previous_reviewer": "amr-350000", "merged_into": "", "certificates": [], "warnings": [],
    }  # fmt: skip
    assert [(c["level"], c["issuer"], c["scope"]) for c in found["certificates"]] == [
        ("national", "samr", 80), ("provincial", "amr-350000", 120),
    ]  # fmt: skip


async def test_an_import_replaces_what_was_known_of_an_institution_and_of_no_other(
    house: System,
) -> None:
    first = table(row("change-1", "241300100001"), row("change-2", "241300100002"))
    assert (await load(house, first)).status == 200
    second = table(row("change-1", "241300100003", name="新名（生成）", uscc=""))
    answer = await load(house, second)
    assert answer.status == 200
    changed, kept = await shown(house, "change-1"), await shown(house, "change-2")
    assert (changed["name"], changed["uscc"]) == ("新名（生成）", "91620102739638125B")
    assert [
        (c["row"], c["institution"], c["column"], c["old"]) for c in answer.body["changes"]
    ] == [
        (2, "change-1", "机构名称", "测试机构（生成）"),
        (2, "change-1", "证书编号", "241300100001（amr-350000，120 项，至 2090-05-01）"),
    ]
    assert answer.body["changes"][0]["new"] == "新名（生成）"
    assert answer.body["added"] == 0
    assert [c["number"] for c in changed["certificates"]] == ["241300100003"]
    assert [c["number"] for c in kept["certificates"]] == ["241300100002"]


async def test_a_first_day_is_told_in_changes_and_stays_where_a_roster_does_not_state_it(
    house: System,
) -> None:
    stated = [*row("first-1", "241300140001"), "2024-05-02"]
    known = await load(house, table(stated))
    assert known.status == 200, known.body
    before = await shown(house, "first-1")
    assert before["certificates"][0]["valid_from"] == "2024-05-02"
    silent = await load(house, table(row("first-1", "241300140001")))
    assert (silent.status, silent.body["changes"]) == (200, []), silent.body
    assert await shown(house, "first-1") == before
    later = [*stated[:-1], "2024-06-01"]
    moved = await load(house, table(later))
    told = {c["column"]: (c["old"], c["new"]) for c in moved.body["changes"] if not c["campaign"]}
    days = "241300140001（amr-350000，120 项，{} 至 2090-05-01）"
    assert told == {"证书编号": (days.format("2024-05-02"), days.format("2024-06-01"))}


OPTIONAL = (
    "uscc", "legal_person", "under_samr", "accredited", "review_group", "other_qualifications",
    "national_centres", "previous_reviewer",
)  # fmt: skip


async def test_columns_that_are_absent_and_cells_that_are_empty_change_nothing(
    house: System,
) -> None:
    full = row("absent-1", "241300110001", legal_person="否", national_centres="某中心（生成）")
    assert (await load(house, table(full))).status == 200
    before = await shown(house, "absent-1")
    needed = "机构编号,机构名称,监管区域代码\r\nabsent-1,测试机构（生成）,350102\r\n".encode()
    blank = row("absent-1", "", **dict.fromkeys((*OPTIONAL, "level", "issuer", "scope"), ""))
    blank[LABELS.index("有效期至")] = ""
    for content in (needed, table(blank)):
        answer = await load(house, content)
        assert (answer.status, answer.body["changes"]) == (200, []), answer.body
        assert await shown(house, "absent-1") == before


async def test_the_word_for_it_clears_what_is_on_record(house: System) -> None:
    assert (await load(house, table(row("clear-1", "241300120001")))).status == 200
    cleared = dict.fromkeys(("uscc", "review_group", "other_qualifications"), "清除")
    cells = row("clear-1", "清除", previous_reviewer="清除", **cleared)
    cells[-4:] = [""] * 4
    answer = await load(house, table(cells))
    assert answer.status == 200, answer.body
    found = await shown(house, "clear-1")
    assert (found["uscc"], found["review_group"], found["previous_reviewer"]) == ("", None, None)
    assert (found["other_qualifications"], found["certificates"]) == ([], [])
    own = [c for c in answer.body["changes"] if not c["campaign"]]
    assert {c["column"]: c["new"] for c in own} == dict.fromkeys(
        ("统一社会信用代码", "行业评审组", "其他资质", "上年度审核部门", "证书编号"), ""
    )


async def test_a_dry_run_tells_the_same_and_writes_nothing(house: System) -> None:
    assert (await load(house, table(row("dry-1", "241300130001")))).status == 200
    before, steps = await shown(house, "dry-1"), await imports_on_record(house)
    content = table(row("dry-1", "241300130001", region="350103"), row("dry-2", "241300130002"))
    trial = await load(house, content, "?dry_run=true")
    assert (trial.status, trial.body["dry_run"], trial.body["added"]) == (200, True, 1)
    own = [c for c in trial.body["changes"] if not c["campaign"]]
    assert [(c["old"], c["new"]) for c in own] == [("350102", "350103")]
    assert (await shown(house, "dry-1"), await shown(house, "dry-2")) == (before, None)
    assert await imports_on_record(house) == steps
    real = await load(house, content)
    assert real.body == trial.body | {"dry_run": False}


async def test_thousands_of_institutions_are_imported_at_once(house: System) -> None:
    count = 4500
    rows = [row(f"many-{n:05d}", f"2513{n:08d}") for n in range(100_000, 100_000 + count)]
    answer = await load(house, table(*rows))
    assert (answer.status, answer.body["accepted"]) == (200, count)
    assert (await shown(house, "many-104499"))["certificates"][0]["number"] == "251300104499"


# --- all or nothing ------------------------------------------------------------------------------

BAD_ROWS = [
    row("bad-region", "241300200002", region="999999"),
    row("bad-number", "241300200003", scope="many"),
    row("bad-level", "241300200004", level="国家级"),
    row("", "241300200005"),
    row("bad-date", "241300200006", valid_to="2090-02-30"),
]
NAMED = [
    ("/rows/3/监管区域代码", "unknown_region"),
    ("/rows/4/参数数量", "bad_count"),
    ("/rows/5/证书级别", "level_not_of_issuer"),
    ("/rows/6/机构编号", "required"),
    ("/rows/7/有效期至", "bad_date"),
]


async def test_with_one_error_nothing_is_imported_and_every_error_is_named_by_row_and_column(
    house: System,
) -> None:
    before = await imports_on_record(house)
    answer = await load(house, table(row("good-alone", "241300200001"), *BAD_ROWS))
    assert (answer.status, answer.body["code"]) == (422, Code.ROSTER_REJECTED)
    assert answer.headers["content-type"] == "application/problem+json"
    named = [(error["pointer"], error["code"]) for error in answer.body["errors"]]
    assert [one for one in named if one[1] != "partner_unreadable"] == NAMED
    assert "6 行" in answer.body["detail"]
    for error in answer.body["errors"]:
        assert error["message"].endswith("。")
    assert await shown(house, "good-alone") is None
    assert await imports_on_record(house) == before


async def test_with_good_rows_accepted_the_good_are_imported_and_the_bad_are_reported(
    house: System,
) -> None:
    before = len(await imports_on_record(house))
    other = {"name": "另一家（生成）"}
    content = table(
        row("good-1", "241300300001", **other), *BAD_ROWS, row("good-2", "241300300002", **other)
    )
    answer = await load(house, content, "?accept=good&filename=half.csv")
    assert answer.status == 200, answer.body
    assert (answer.body["rows"], answer.body["accepted"]) == (7, 2)
    assert answer.body["filename"] == "half.csv"
    problems = {(p["row"], p["column"], p["code"]) for p in answer.body["problems"]}
    assert (3, "监管区域代码", "unknown_region") in problems
    assert (6, "机构编号", "required") in problems
    for id_ in ("good-1", "good-2"):
        assert await shown(house, id_) is not None
    for id_ in ("bad-region", "bad-number", "bad-level", "bad-date"):
        assert await shown(house, id_) is None, id_
    (step,) = (await imports_on_record(house))[before:]
    assert (step.event, step.actor.subject) == ("roster_imported", "operator-000000")
    assert (step.body["rows"], step.body["accepted"]) == (7, 2)


async def test_an_institution_with_one_bad_row_is_left_out_with_all_its_rows(
    house: System,
) -> None:
    content = table(
        row("two-rows", "241300400001"), row("two-rows", "241300400002", scope="-1"),
        row("one-row", "241300400003"),
    )  # fmt: skip
    answer = await load(house, content, "?accept=good")
    assert (answer.status, answer.body["accepted"]) == (200, 1)
    assert await shown(house, "two-rows") is None


async def test_nothing_good_in_a_file_is_a_refusal_in_either_way(house: System) -> None:
    content = table(*BAD_ROWS)
    for query in ("", "?accept=all", "?accept=good"):
        answer = await load(house, content, query)
        assert (answer.status, answer.body["code"]) == (422, "roster_rejected")


async def test_a_thousand_errors_are_all_in_the_report(house: System) -> None:
    rows = [row(f"bad-{n}", f"2413{n:08d}", region="999999") for n in range(1000)]
    answer = await load(house, table(*rows))
    assert answer.status == 422
    assert [error["pointer"] for error in answer.body["errors"]] == [
        f"/rows/{n + 2}/监管区域代码" for n in range(1000)
    ]


@pytest.mark.parametrize(
    ("content", "media", "code"),
    [
        (b"", CSV, "empty"),
        (b"\xef\xbb\xbf\r\n", CSV, "empty"),
        (table(), CSV, "empty"),
        (b"PK\x03\x04 no workbook", XLSX, "broken_workbook"),
        (table(row("x", "241300000009")), XLSX, "wrong_type"),
        (workbook(row("x", "241300000009")), CSV, "wrong_type"),
        (b"\xff\xfe\x00", CSV, "unknown_encoding"),
        ("一,二\r\n1,2\r\n".encode(), CSV, "unknown_column"),
        (b'{"institutions": []}', CSV, "unknown_column"),
        (b"\x00" * 1000, CSV, "empty"),
    ],
)
async def test_a_file_that_is_no_roster_is_refused_as_a_whole(
    house: System, content: bytes, media: str, code: str
) -> None:
    answer = await load(house, content, media=media)
    assert (answer.status, answer.body["code"]) == (422, "roster_rejected"), answer.body
    assert answer.body["errors"][0]["code"] == code


# --- the same file again -------------------------------------------------------------------------


async def test_the_same_file_again_is_recognised_and_changes_nothing(house: System) -> None:
    content = table(row("again-1", "241300500001"))
    first = await load(house, content)
    before = await imports_on_record(house)
    for query in ("", "?filename=renamed.csv"):
        again = await load(house, content, query)
        assert again.status == 200
        assert again.body | {"repeated": False} == first.body
        assert again.body["repeated"] is True
    assert await imports_on_record(house) == before


async def test_an_older_file_is_imported_again_since_it_may_be_there_to_restore(
    house: System,
) -> None:
    old = table(row("restore-1", "241300600001", name="旧名（生成）"))
    new = table(row("restore-1", "241300600001", name="新名（生成）"))
    for content, name in ((old, "旧名（生成）"), (new, "新名（生成）"), (old, "旧名（生成）")):
        answer = await load(house, content)
        assert (answer.status, answer.body["repeated"]) == (200, False)
        assert (await shown(house, "restore-1"))["name"] == name


async def test_five_copies_of_one_import_sent_at_once_are_one_import(house: System) -> None:
    before = len(await imports_on_record(house))
    content = table(*(row(f"race-{n}", f"24130070{n:04d}") for n in range(200)))
    answers = await asyncio.gather(*(load(house, content, key="race") for _ in range(5)))
    assert [answer.status for answer in answers] == [200] * 5
    assert {answer.body["accepted"] for answer in answers} == {200}
    assert len(await imports_on_record(house)) == before + 1
    other = await load(house, content + b"\r\n", key="race")
    assert (other.status, other.body["code"]) == (422, "key_reused")


# --- what only the register can tell -------------------------------------------------------------


async def test_a_certificate_another_institution_holds_is_refused_and_its_holder_named(
    house: System,
) -> None:
    assert (await load(house, table(row("holder", "241300800001")))).status == 200
    content = table(row("taker", "241300800001"), row("bystander", "241300800002"))
    refused = await load(house, content)
    (error,) = refused.body["errors"]
    assert (error["code"], error["pointer"]) == ("certificate_held_by_other", "/rows/2/证书编号")
    assert "holder" in error["message"]
    assert await shown(house, "bystander") is None
    assert (await load(house, content, "?accept=good")).body["accepted"] == 1
    assert await shown(house, "taker") is None
    assert (await shown(house, "holder"))["certificates"][0]["number"] == "241300800001"


async def test_an_operator_imports_into_its_own_jurisdiction_only(house: System) -> None:
    content = table(
        row("inside", "241300900001"),
        row("outside", "241300900002", region="430102", issuer="amr-430000"),
    )
    refused = await load(house, content, jurisdiction="350000")
    (error,) = refused.body["errors"]
    assert error["code"] == "outside_jurisdiction"
    assert "outside" in error["message"]
    assert await shown(house, "inside") is None
    accepted = await load(house, content, "?accept=good", jurisdiction="350000")
    assert (accepted.status, accepted.body["accepted"]) == (200, 1)
    assert await shown(house, "outside") is None


async def test_an_operator_claims_no_certificate_of_an_issuer_elsewhere(house: System) -> None:
    for scope, issuer in (
        ("350102", "amr-350000"), ("350102", "samr"), ("350000", "samr"), ("350000", "amr-430000"),
    ):  # fmt: skip
        level = {"level": "国家级"} if issuer == "samr" else {}
        claimed = table(row("claims", "241399300001", issuer=issuer, **level))
        refused = await load(house, claimed, jurisdiction=scope)
        assert refused.status == 422, refused.body
        [error] = refused.body["errors"]
        assert (error["code"], issuer in error["message"]) == ("outside_jurisdiction", True)
    assert await shown(house, "claims") is None
    # whose issuer it is, the nation's, or what stands in its name already
    own = row("claims", "241399300002", issuer="amr-350000")
    assert (await load(house, table(own), jurisdiction="350000")).status == 200
    again = await load(house, table([*own]), "?accept=good", jurisdiction="350102")
    assert (again.status, again.body["errors"]) == (200, 0)


async def test_what_is_elsewhere_is_refused_in_the_same_words_as_what_is_nowhere(
    house: System,
) -> None:
    there = row("hunans", "241399400001", region="430102", issuer="amr-430000")
    assert (await load(house, table(there))).status == 200

    async def told(id_: str, **changes: Any) -> str:
        given = row(id_, f"2413994{len(id_):05d}", **changes)
        [error] = (await load(house, table(given), jurisdiction="350000")).body["errors"]
        return str(error["message"]).replace(id_, "…")

    claimed = {"region": "350102", "issuer": "amr-350000"}
    elsewhere = {"region": "430102", "issuer": "amr-350000"}
    assert await told("hunans", **claimed) == await told("nobody", **elsewhere)


async def test_an_operator_cannot_take_an_institution_out_of_another_jurisdiction(
    house: System,
) -> None:
    theirs = row("theirs", "241301000001", region="430102", issuer="amr-430000")
    assert (await load(house, table(theirs))).status == 200
    taken = row("theirs", "241301000001", region="350102", issuer="amr-430000")
    refused = await load(house, table(taken), jurisdiction="350000")
    (error,) = refused.body["errors"]
    assert error["code"] == "outside_jurisdiction"
    assert (await shown(house, "theirs"))["region"] == "430102"
    # whoever covers both may move it
    assert (await load(house, table(taken))).status == 200
    assert (await shown(house, "theirs"))["region"] == "350102"


async def test_an_import_is_an_event_for_those_who_see_the_whole_register(house: System) -> None:
    assert (await load(house, table(row("event-1", "241301100001")))).status == 200
    for jurisdiction, seen in (("000000", True), ("350000", False)):
        token = house.token(OPERATOR, "somebody", jurisdiction)
        items = (await house.send("GET", "/api/events?size=1000", token)).body["items"]
        assert ("roster_imported" in {item["event"] for item in items}) is seen


# --- the request ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "media", ["", "application/json", "text/plain", "application/zip", "multipart/form-data"]
)
async def test_anything_but_csv_and_xlsx_is_refused_by_its_type(house: System, media: str) -> None:
    answer = await load(house, table(row("typed", "241301200001")), media=media)
    assert (answer.status, answer.body["code"]) == (415, "unsupported_media_type")
    assert await shown(house, "typed") is None


async def test_a_file_of_the_wrong_type_is_refused_before_it_is_read(house: System) -> None:
    read = 0

    async def slowly() -> Any:
        nonlocal read
        for _ in range(32):
            read += 1
            yield b" " * 1024 * 1024

    answer = await load(house, slowly(), media="application/zip")
    assert answer.status == 415
    assert read <= 1


async def test_a_huge_file_is_refused_without_reading_on(house: System) -> None:
    read = 0

    async def endless() -> Any:
        nonlocal read
        while True:
            read += 1
            yield b"0" * 1024 * 1024

    answer = await load(house, endless())
    assert (answer.status, answer.body["code"]) == (413, "too_large")
    assert read < 70


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("?accept=some", "accept"), ("?accept=", "accept"), ("?accept=GOOD", "accept"),
        ("?accept=good&accept=all", "accept"), ("?filename=a%00b.csv", "filename"),
        (f"?filename={'a' * 201}", "filename"), ("?acept=good", "acept"),
    ],
)  # fmt: skip
async def test_a_parameter_that_is_no_use_is_refused_and_nothing_imported(
    house: System, query: str, name: str
) -> None:
    answer = await load(house, table(row("asked", "241301300001")), query)
    assert (answer.status, answer.body["code"]) == (422, "invalid_parameter")
    assert name in answer.body["detail"]
    assert await shown(house, "asked") is None


# --- the template --------------------------------------------------------------------------------


async def test_the_template_opens_in_a_spreadsheet_and_is_itself_a_roster(house: System) -> None:
    token = house.token(OPERATOR, "operator-1", "000000")
    path = "/api/institutions/template"
    answer = await house.http.get(path, headers={"authorization": f"Bearer {token}"})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert 'filename="roster-template.csv"' in answer.headers["content-disposition"]
    assert answer.content.startswith(b"\xef\xbb\xbf")
    header, *rows = csv.reader(io.StringIO(answer.content.decode("utf-8-sig")))
    assert header == LABELS
    assert all("生成" in line[1] for line in rows)
    imported = await load(house, answer.content)
    assert (imported.status, imported.body["accepted"]) == (200, 1)
    # the example is imported as it stands, but not without a word
    assert {p["code"] for p in imported.body["problems"]} == {"example_row"}
    assert {p["level"] for p in imported.body["problems"]} == {"notice"}


async def test_what_is_on_record_can_be_written_as_a_roster_and_read_back(house: System) -> None:
    from files.roster import read_roster

    rows = table(row("round-1", "241301400001"), row("round-2", "241301400002", uscc=""))
    assert (await load(house, rows)).status == 200
    before = [await shown(house, id_) for id_ in ("round-1", "round-2")]
    written = roster_csv(read_roster(rows, "roster.csv").institutions)
    assert (await load(house, written)).status == 200
    assert [await shown(house, id_) for id_ in ("round-1", "round-2")] == before


# --- looking -------------------------------------------------------------------------------------


async def test_an_institution_is_found_by_its_id_and_by_nothing_else(house: System) -> None:
    assert (await load(house, table(row("by-id", "241301500001")))).status == 200
    auditor = house.token(AUDITOR, "auditor-1")
    for path, status, code in (
        ("by-id", 200, None),
        ("by-i", 404, "unknown_institution"),
        ("BY-ID", 404, "unknown_institution"),
        ("91620102739638125B", 404, "unknown_institution"),
        ("a%00", 404, "not_found"),
        ("%2e%2e%2fby-id", 404, "not_found"),
        ("-by-id", 404, "not_found"),
        ("a" * 65, 404, "not_found"),
        ("%E6%9C%BA%E6%9E%84", 404, "not_found"),
    ):
        answer = await house.send("GET", f"/api/institutions/{path}", auditor)
        assert (answer.status, answer.body.get("code")) == (status, code), path
    own = house.token(FILER, "clerk", "by-id")
    assert (await house.send("GET", "/api/institutions/by-id", own)).status == 200


# --- what the register of certificates knows better ----------------------------------------------


async def issued(house: System, number: str, institution: str, **changes: Any) -> None:
    """A certificate as an issue leaves it in the register."""
    values = {
        "number": number, "institution_id": institution, "level": "provincial",
        "issuer": "amr-350000", "scope": 7, "valid_to": date(2031, 1, 1), "origin": "issued",
        "code": f"C{number}", "status": "valid",
    }  # fmt: skip
    async with house.engine.begin() as connection:
        await connection.execute(insert(certificates).values(values | changes))


@pytest.mark.parametrize("origin", ["issued", "register"])
async def test_a_roster_neither_changes_nor_removes_what_was_issued_or_registered(
    house: System, origin: str
) -> None:
    id_, kept, absent = f"known-{origin}", f"24139{len(origin):07}", f"24138{len(origin):07}"
    assert (await load(house, table(row(id_, f"24137{len(origin):07}")))).status == 200
    await issued(house, kept, id_, origin=origin)
    await issued(house, absent, id_, origin=origin)
    answer = await load(house, table(row(id_, kept, scope="120"), row(id_, "241300999001")))
    assert answer.status == 200, answer.body
    [notice] = answer.body["problems"]
    assert (notice["level"], notice["code"]) == ("notice", "certificate_in_register")
    assert kept in notice["message"]
    assert "有效期至 2031-01-01" in notice["message"]
    assert "参数 7 项" in notice["message"]
    found = {one["number"]: one for one in (await shown(house, id_))["certificates"]}
    assert set(found) == {kept, absent, "241300999001"}
    assert (found[kept]["scope"], found[kept]["code"]) == (7, f"C{kept}")
    assert found["241300999001"]["scope"] == 120
    # a roster that does not name them leaves them too
    assert (await load(house, table(row(id_, "241300999001", scope="5")))).body["problems"] == []
    found = {one["number"]: one for one in (await shown(house, id_))["certificates"]}
    assert set(found) == {kept, absent, "241300999001"}
    assert found["241300999001"]["scope"] == 5
    async with house.engine.begin() as connection:
        await connection.execute(
            delete(certificates).where(certificates.c.number == "241300999001")
        )


async def test_a_roster_that_says_what_the_register_says_is_no_matter(house: System) -> None:
    same = {"scope": "7", "valid_to": "2031-01-01"}
    assert (await load(house, table(row("agrees", "241390000001")))).status == 200
    await issued(house, "241390000002", "agrees")
    answer = await load(house, table(row("agrees", "241390000002", **same)))
    assert (answer.status, answer.body["problems"]) == (200, [])


async def test_a_roster_does_not_bring_back_what_was_revoked(house: System) -> None:
    same = {"scope": "7", "valid_to": "2031-01-01"}
    assert (await load(house, table(row("revoked", "241390000003")))).status == 200
    await issued(house, "241390000004", "revoked", status="revoked", ended_on=date(2026, 1, 1))
    answer = await load(house, table(row("revoked", "241390000004", **same)))
    [notice] = answer.body["problems"]
    assert notice["code"] == "certificate_in_register"
    assert "撤销" in notice["message"]
    [found] = (await shown(house, "revoked"))["certificates"]
    assert (found["status"], found["status_label"]) == ("revoked", "撤销")
    async with house.engine.connect() as connection:
        known = await institutions.by_ids(connection, ["revoked"])
    assert known["revoked"].certificates == ()


@pytest.mark.parametrize(("last", "label"), [(0, "有效"), (-1, "过期")])
async def test_a_certificate_shows_as_expired_after_its_last_day_and_still_counts_for_the_rules(
    house: System, last: int, label: str
) -> None:
    """Which day a year's rules ask about is theirs to say: they are told of the last day."""
    today = house.now().astimezone(ZoneInfo("Asia/Shanghai")).date()
    id_, number = f"ends-{-last}", f"24139000001{-last}"
    assert (await load(house, table(row(id_, f"24139000002{-last}")))).status == 200
    await issued(house, number, id_, valid_to=today + timedelta(days=last))
    found = {one["number"]: one for one in (await shown(house, id_))["certificates"]}
    assert found[number]["status_label"] == label
    async with house.engine.connect() as connection:
        known = await institutions.by_ids(connection, [id_])
    assert number in [one.number for one in known[id_].certificates]
