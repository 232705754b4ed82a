"""Forms over HTTP, and a clerk's way through a draft: prefilled, saved by place, as a workbook."""

import asyncio
import hashlib
import io
import json
import zipfile
from datetime import datetime, timedelta
from typing import Any

import pytest
from openpyxl import load_workbook

from domain.refusals import Refused
from files.form_sheets import XLSX
from rules.file.library import SHIPPED
from rules.filing.forms.example import blank_example
from rules.filing.forms.library import FormLibrary
from rules.filing.forms.peers import names_compared
from services.peers import PeerService
from services.scanner import Scanner
from store import peers
from tests.api.people import Filing, filing, open_findings
from tests.system import Answer, System

pytestmark = pytest.mark.anyio

STATISTICS = FormLibrary(SHIPPED / "forms").get("statistics-2024")


async def draft(found: Filing, query: str = "", token: str = "") -> Answer:
    return await found.get(token or found.filer, f"/draft{query}")


async def patch(found: Filing, based_on: int, values: dict[str, Any]) -> Answer:
    body = {"parts": {"statistics": values}}
    return await found.house.send(
        "PATCH", f"{found.path}/draft", found.filer, body, if_match=f'"{based_on}"'
    )


async def workbook(found: Filing, token: str = "") -> Any:
    headers = {"authorization": f"Bearer {token or found.filer}"}
    answer = await found.house.http.get(f"{found.path}/draft/workbook", headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == XLSX
    return load_workbook(io.BytesIO(answer.content))


def cells(book: Any) -> dict[str, int]:
    """The row of each address of a workbook."""
    return {row[0].value: row[0].row for row in book.active.iter_rows() if row[0].value}


async def put_workbook(found: Filing, based_on: int, book: Any) -> Answer:
    if isinstance(book, bytes):
        content = book
    else:
        kept = io.BytesIO()
        book.save(kept)
        content = kept.getvalue()
    headers = {
        "authorization": f"Bearer {found.filer}",
        "content-type": XLSX,
        "if-match": f'"{based_on}"',
    }
    path = f"{found.path}/draft/workbook"
    answer = await found.house.http.put(path, content=content, headers=headers)
    return Answer(answer.status_code, answer.json(), answer.headers)


async def test_a_form_is_shown_with_its_version_and_particulars(house: System) -> None:
    found = await filing(house)
    listed = (await house.send("GET", "/api/forms", found.filer)).body["items"]
    assert [one["id"] for one in listed] == [*FormLibrary(SHIPPED / "forms").ids()]
    shown = (await house.send("GET", "/api/forms/statistics-2024", found.filer)).body
    assert shown["sha256"] == STATISTICS.sha256
    assert shown["header"]["table_number"]["assumption"]
    assert shown["expired"] is False
    missing = await house.send("GET", "/api/forms/nothing", found.filer)
    assert (missing.status, missing.body["code"]) == (404, "not_found")
    assert "statistics-2024" in missing.body["detail"]


async def test_the_forms_of_a_filing_are_those_it_began_with(house: System) -> None:
    found = await filing(house)
    shown = (await found.get(found.filer, "/forms")).body
    [statistics] = shown["items"]
    assert (statistics["part"], statistics["required"]) == ("statistics", True)
    pinned = statistics["sha256"]
    assert (await draft(found)).body["forms"]["statistics"]["sha256"] == pinned
    path = f"/api/forms/{statistics['id']}"
    by_version = (await house.send("GET", f"{path}?sha256={pinned}", found.filer)).body
    assert by_version["content"] == statistics["content"]
    other = await house.send("GET", f"{path}?sha256={'0' * 64}", found.filer)
    assert other.status == 404
    schema = (await house.send("GET", f"{path}/schema", found.filer)).body
    assert "unit_name" in schema["json_schema"]["required"]


async def test_a_clerk_begins_with_the_register_confirms_saves_by_section_and_submits(
    house: System,
) -> None:
    found = await filing(house)
    prefilled = (await found.get(found.filer, "/draft/prefilled")).body["parts"]
    values = prefilled["statistics"]
    assert values["unit_name"].startswith("测试机构")
    assert [row["level"] for row in values["certificates"]] == ["省级"]
    assert set(values["unconfirmed"]) == set(values) - {"unconfirmed"}
    first = await patch(found, 0, values)
    assert (first.status, first.body["revision"]) == (200, 1)
    codes = {(one["pointer"], one["code"]) for one in open_findings(first.body)}
    assert ("/parts/statistics/unit_name", "unconfirmed") in codes
    # what is changed is confirmed by it; another section is saved by itself
    second = await patch(found, 1, {"legal_person": False, "unit_nature": "事业单位"})
    assert "legal_person" not in second.body["parts"]["statistics"]["unconfirmed"]
    assert second.body["parts"]["statistics"]["unit_name"] == values["unit_name"]
    # the same again, its answer lost on the way; and somebody who has not seen it
    again = await patch(found, 1, {"legal_person": False, "unit_nature": "事业单位"})
    assert (again.status, again.body) == (200, second.body)
    stale = await patch(found, 1, {"patents": 3})
    assert (stale.status, stale.body["code"]) == (412, "revision_conflict")
    gone = await patch(found, 2, {"unit_nature": None})
    assert "unit_nature" not in gone.body["parts"]["statistics"]
    rest = blank_example(STATISTICS)
    own = {name: value for name, value in rest.items() if name not in values}
    filled = await patch(found, 3, {**own, "legal_person": True, "unconfirmed": []})
    # a made-up number of a certificate may name any authority
    warned = [one["check"] for one in open_findings(filled.body)]
    assert set(warned) <= {"certificate-level"}
    reasons = dict.fromkeys(warned, "（生成）编号是生成的")
    filled = await patch(found, 4, {"reasons": reasons})
    assert open_findings(filled.body) == []
    body = {"revision": 5, "sha256": filled.body["sha256"]}
    assert (await found.act("submit", found.filer, body)).status == 200


async def test_a_warning_keeps_a_filing_back_until_its_reason_is_written(house: System) -> None:
    found = await filing(house)
    saved = (await found.saved()).body
    warned = (await patch(found, 1, {"liabilities": "9999.00"})).body
    [one] = open_findings(warned)
    assert (one["check"], one["level"]) == ("liabilities", "warn")
    body = {"revision": 2, "sha256": warned["sha256"]}
    refused = await found.act("submit", found.filer, body)
    assert (refused.status, refused.body["code"]) == (422, "content_incomplete")
    assert [error["message"] for error in refused.body["errors"]] == [one["message"]]
    reasons = {**saved["parts"]["statistics"].get("reasons", {}), "liabilities": "（生成）借款"}
    explained = (await patch(found, 2, {"reasons": reasons})).body
    assert open_findings(explained) == []
    body = {"revision": 3, "sha256": explained["sha256"]}
    assert (await found.act("submit", found.filer, body)).status == 200
    seen = (await draft(found, "", found.reviewer)).body["report"]["findings"]
    assert {one["check"]: one["reason"] for one in seen}["liabilities"] == "（生成）借款"


async def test_revisions_are_read_again_and_compared_and_drafts_are_the_filers_own(
    house: System,
) -> None:
    found = await filing(house)
    await found.returned()
    changed = (await patch(found, 1, {"patents": 9, "remarks": "（生成）更正"})).body
    assert (await draft(found, "?revision=1")).body["parts"]["statistics"]["patents"] == 6
    assert (await draft(found)).body["sha256"] == changed["sha256"]
    told = (await found.get(found.filer, "/draft/changes?from=1&to=2")).body
    first = told["changes"][0]
    assert (first["pointer"], first["label"]) == ("/statistics/patents", "有效专利")
    assert (first["old"], first["new"]) == (6, 9)
    assert (await found.get(found.filer, "/draft/changes")).body == told
    listed = (await found.get(found.filer, "/draft/revisions")).body["items"]
    assert [(one["revision"], one["submitted"]) for one in listed] == [(2, False), (1, True)]
    # reviewers see what was submitted, and no draft
    assert [
        one["revision"]
        for one in (await found.get(found.reviewer, "/draft/revisions")).body["items"]
    ] == [1]
    hidden = await draft(found, "?revision=2", found.reviewer)
    assert hidden.status == 404
    assert (await found.get(found.reviewer, "/draft/changes?from=1&to=2")).status == 404


async def test_a_workbook_filled_in_offline_is_the_same_draft(house: System) -> None:
    found = await filing(house)
    saved = (await found.saved()).body
    book = await workbook(found)
    rows, sheet = cells(book), book.active
    again = await put_workbook(found, 1, book)
    assert again.status == 200, again.body
    assert again.body["parts"] == saved["parts"]
    sheet.cell(rows["statistics/patents"], 4).value = "12"
    sheet.cell(rows["statistics/sites/2"], 4).value = "（生成）第二场所"
    sheet.cell(rows["statistics/sites/2"], 5).value = 20.5
    sheet.cell(rows["statistics/liabilities"], 4).value = 9999
    more = await put_workbook(found, 2, book)
    assert more.status == 200, more.body
    values = more.body["parts"]["statistics"]
    assert values["patents"] == 12
    assert values["sites"][1] == {"address": "（生成）第二场所", "area": "20.5"}
    assert values["reasons"] == saved["parts"]["statistics"].get("reasons", values["reasons"])
    # a finding is told with its cell
    pointer = "/parts/statistics/liabilities"
    assert more.body["cells"][pointer] == f"D{rows['statistics/liabilities']}"


async def test_every_wrong_cell_of_a_workbook_is_named_and_nothing_is_saved(
    house: System,
) -> None:
    found = await filing(house)
    await found.saved()
    book = await workbook(found)
    rows, sheet = cells(book), book.active
    wrong = {
        "statistics/patents": ("-1", "out_of_range"),
        "statistics/projects": ("很多", "bad_count"),
        "statistics/assets": ("NaN", "not_a_value"),
        "statistics/unit_nature": ("公司", "not_an_option"),
        "statistics/unit_name": ("字" * 30_000, "too_long"),
        "statistics/remarks": ('=HYPERLINK("http://x")', "no_value"),
    }
    for address, (value, _) in wrong.items():
        sheet.cell(rows[address], 4).value = value
    sheet.cell(rows["statistics/patents_invention"], 1).value = "statistics/nothing"
    answer = await put_workbook(found, 1, book)
    assert (answer.status, answer.body["code"]) == (422, "invalid_body")
    told = {error["pointer"]: error["code"] for error in answer.body["errors"]}
    assert told == {
        **{f"/D{rows[address]}": code for address, (_, code) in wrong.items()},
        f"/A{rows['statistics/patents_invention']}": "unknown_address",
    }
    assert (await draft(found)).body["revision"] == 1


def bomb() -> bytes:
    """A workbook of a few kilobytes that says it holds a gigabyte."""
    kept = io.BytesIO()
    with zipfile.ZipFile(kept, "w", zipfile.ZIP_DEFLATED) as book:
        for number in range(16):
            book.writestr(f"xl/worksheets/sheet{number}.xml", b" " * 64 * 1024 * 1024)
    return kept.getvalue()


async def test_what_is_no_workbook_is_refused_in_a_sentence(house: System) -> None:
    found = await filing(house)
    await found.saved()
    small = await asyncio.to_thread(bomb)
    assert len(small) < 2 * 1024 * 1024
    for content, status, code in (
        (b"unit_name,value", 422, "wrong_type"),
        (b"PK\x03\x04 broken", 422, "broken_workbook"),
        (small, 422, "zip_bomb"),
        (b"PK" + b"\0" * 50 * 1024 * 1024, 413, "too_large"),
    ):
        answer = await put_workbook(found, 1, content)
        assert answer.status == status, answer.body
        told = [one["code"] for one in answer.body["errors"]] or [answer.body["code"]]
        assert told == [code]
    assert (await draft(found)).body["revision"] == 1


async def test_content_meant_to_break_it_gets_a_precise_error_and_changes_nothing(
    house: System,
) -> None:
    found = await filing(house)
    before = (await found.saved()).body
    cases: list[tuple[dict[str, Any], str]] = [
        ({"remarks": "字" * 100_000}, "/parts/statistics/remarks"),
        ({"patents": -1}, "/parts/statistics/patents"),
        ({"staff": 36}, "/parts/statistics/staff"),
        ({"sites": [{"address": "甲", "area": "1.234"}]}, "/parts/statistics/sites/0/area"),
        ({"sites": [{}] * 201}, "/parts/statistics/sites"),
        ({"reasons": {"staff-titles": "就这样"}}, "/parts/statistics/reasons/staff-titles"),
    ]
    for values, pointer in cases:
        answer = await patch(found, 1, values)
        assert (answer.status, answer.body["code"]) == (422, "invalid_body"), values.keys()
        assert [one["pointer"] for one in answer.body["errors"]] == [pointer]
        assert len(json.dumps(answer.body)) < 10_000
    assert (await draft(found)).body == before


async def put_file(
    found: Filing, name: str, content: bytes, media: str = "application/pdf", key: str = ""
) -> Answer:
    headers = {
        "authorization": f"Bearer {found.filer}",
        "content-type": media,
        "idempotency-key": key or f"{found.id}-file",
    }
    answer = await found.house.http.post(
        f"{found.path}/files?filename={name}", content=content, headers=headers
    )
    return Answer(answer.status_code, answer.json(), answer.headers)


async def test_files_stand_beside_a_filing_while_it_may_be_edited(house: System) -> None:
    found = await filing(house)
    content = b"%PDF-1.7 \xe6\xbc\x94"
    added = await put_file(found, "授权.pdf", content)
    assert added.status == 201, added.body
    (file,) = added.body["items"]
    assert (file["size"], file["media"], file["scanned"]) == (12, "application/pdf", "not_scanned")
    assert file["sha256"] == hashlib.sha256(content).hexdigest()
    # the same again changes nothing; what is none of it is refused
    again = await put_file(found, "授权.pdf", content, key=f"{found.id}-again")
    assert again.body == added.body
    for name, bad, media, code in (
        ("a.pdf", b"MZ\x90", "application/pdf", "attachment_unfit"),
        ("a.exe", content, "application/pdf", "attachment_unfit"),
        ("a.png", content, "image/png", "attachment_unfit"),
        ("a.pdf", content, "text/html", "unsupported_media_type"),
        ("a.pdf", b"%PDF" + b"0" * 10 * 1024 * 1024, "application/pdf", "too_large"),
    ):
        refused = await put_file(found, name, bad, media, f"{found.id}-{name}-{code}")
        assert (refused.status >= 400, refused.body["code"]) == (True, code)
    one = f"{found.path}/files/{file['sha256']}"
    await found.submitted()
    got = await house.http.get(one, headers={"authorization": f"Bearer {found.reviewer}"})
    assert (got.status_code, got.content) == (200, content)
    assert got.headers["content-type"] == "application/octet-stream"
    late = await put_file(found, "b.pdf", content + b"1", key=f"{found.id}-late")
    removed = await house.send("POST", f"{one}/remove", found.filer, {})
    assert (late.status, removed.status) == (409, 409), (late.body, removed.body)
    assert (await found.get(found.reviewer, "/files")).body == added.body


async def test_a_late_repeat_undoes_nothing_that_was_done_with_files_since(house: System) -> None:
    found = await filing(house)
    content = b"%PDF-1.7 late"
    added = await put_file(found, "a.pdf", content, key=f"{found.id}-late-add")
    one = f"{found.path}/files/{added.body['items'][0]['sha256']}/remove"
    key = f"{found.id}-late-remove"
    removed = await house.send("POST", one, found.filer, {}, idempotency_key=key)
    assert (removed.status, removed.body["items"]) == (200, [])
    assert (await house.send("POST", one, found.filer, {}, idempotency_key=key)).body == {
        "items": []
    }
    again = await put_file(found, "a.pdf", content, key=f"{found.id}-late-add")
    assert (again.status, again.body["items"]) == (201, [])
    anew = await put_file(found, "a.pdf", content, key=f"{found.id}-anew")
    assert [file["name"] for file in anew.body["items"]] == ["a.pdf"]


async def test_a_reviewer_sees_the_files_that_were_submitted_and_no_draft(house: System) -> None:
    found = await filing(house)
    kept = (await put_file(found, "a.pdf", b"%PDF-1.7 kept")).body["items"]
    await found.returned()
    await put_file(found, "b.pdf", b"%PDF-1.7 draft", key=f"{found.id}-draft")
    old, new = (await found.get(found.filer, "/files")).body["items"]
    await house.send("POST", f"{found.path}/files/{old['sha256']}/remove", found.filer, {})
    assert (await found.get(found.reviewer, "/files")).body["items"] == kept
    for file, status in ((old, 200), (new, 404)):
        got = await house.http.get(
            f"{found.path}/files/{file['sha256']}",
            headers={"authorization": f"Bearer {found.reviewer}"},
        )
        assert got.status_code == status
    assert [file["name"] for file in (await found.get(found.filer, "/files")).body["items"]] == [
        "b.pdf"
    ]
    await found.submitted()
    assert (await found.get(found.reviewer, "/files")).body["items"] == [new]


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("sh -c 'grep -q EICAR && exit 1 || exit 0'", "attachment_infected"),
        ("sh -c 'exit 2'", "unavailable"),
        ("/nowhere/scanner", "unavailable"),
        ("sleep 5", "unavailable"),
    ],
)
async def test_what_a_scanner_finds_or_cannot_look_through_is_not_kept(
    command: str, code: str
) -> None:
    scanner = Scanner(command, patience=0.2)
    with pytest.raises(Refused) as refused:
        await scanner.look(b"%PDF-1.7 EICAR")
    assert refused.value.refusal.code == code


async def test_a_clean_file_is_said_to_be_clean() -> None:
    scanner = Scanner("sh -c 'grep -q EICAR && exit 1 || exit 0'")
    assert await scanner.look(b"%PDF-1.7") == "clean"


async def test_peers_are_those_who_stand_submitted_before_the_day(house: System) -> None:
    found = await filing(house)
    await found.saved()
    names = sorted(names_compared(STATISTICS))

    async def seen(before: datetime) -> list[dict[str, Any]]:
        async with house.engine.connect() as connection:
            rows = peers.submitted(connection, 2024, "statistics", names, before)
            return [row async for row in rows if row.get("projects", 0) == 0]

    drafts = len(await seen(house.now() + timedelta(days=1)))
    await found.submitted()
    rows = await seen(house.now() + timedelta(days=1))
    assert len(rows) == drafts + 1
    assert set(rows[0]) <= set(names)
    assert await seen(house.now() - timedelta(days=1)) == []
    service = PeerService(house.engine, lambda: house.now() + timedelta(days=1))
    # far fewer than are compared
    assert await service.ranges(2024, "statistics", STATISTICS) == {}
