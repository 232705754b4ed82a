"""Files that are made to cost: each is refused in words, and no other request waits for it."""

import io
import zipfile

import pytest
from openpyxl import Workbook as NewWorkbook

from files import apart
from files.findings import Unusable
from files.roster import ROSTER
from files.table import Table

HEADER = "机构编号,机构名称,统一社会信用代码,监管区域代码,是否法人"
ROW = "lab-{n},（生成）第{n}检测机构,,350102,是"


def read(content: bytes, name: str) -> Table:
    return ROSTER.read(content, name, lambda region: region)


def workbook(rows: int) -> bytes:
    book, content = NewWorkbook(write_only=True), io.BytesIO()
    sheet = book.create_sheet("名录")
    sheet.append(HEADER.split(","))
    for n in range(rows):
        sheet.append(ROW.format(n=n).split(","))
    book.save(content)
    return content.getvalue()


def with_sheet(book: bytes, sheet: bytes) -> bytes:
    """The same workbook with another sheet."""
    content = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(book)) as old,
        zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as new,
    ):
        for entry in old.infolist():
            is_sheet = entry.filename.startswith("xl/worksheets/")
            new.writestr(entry, sheet if is_sheet else old.read(entry))
    return content.getvalue()


def refusal(content: bytes, name: str) -> str:
    with pytest.raises(Unusable) as refused:
        read(content, name)
    return refused.value.code


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_a_table_is_the_same_wherever_it_is_read(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = "\n".join([HEADER, *(ROW.format(n=n) for n in range(1200)), "", ",,,,"])
    content = lines.encode() if kind == "csv" else workbook(1200)
    here = read(content, f"f.{kind}")
    assert len(here.rows) == 1200
    monkeypatch.setattr(apart, "SMALL", 0)
    assert not apart.is_small(kind, content)
    there = read(content, f"f.{kind}")
    assert there == here


def test_what_another_process_finds_is_told_in_the_same_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    book = workbook(1)
    row = b'<row r="1" hidden="1"><c t="str"><v>x</v></c></row>'
    hidden = with_sheet(book, b"<worksheet><sheetData>" + row + b"</sheetData></worksheet>")
    empty = with_sheet(book, b"<worksheet><sheetData/></worksheet>")
    for content in (hidden, empty, book[:-100], b"PK\x03\x04"):
        with pytest.raises(Unusable) as here:
            read(content, "f.xlsx")
        monkeypatch.setattr(apart, "SMALL", -1)
        with pytest.raises(Unusable) as there:
            read(content, "f.xlsx")
        monkeypatch.undo()
        assert vars(there.value) == vars(here.value)


def test_one_line_of_31_megabytes_is_no_header() -> None:
    assert refusal(b"," * (31 << 20), "f.csv") == "too_long"
    assert refusal(HEADER.encode() + b"\r" + b"x;" * (15 << 20), "f.csv") == "too_long"


def test_more_lines_than_a_sheet_has_are_no_table_even_if_they_are_blank() -> None:
    assert refusal(HEADER.encode() + b"\n" * (1 << 21), "f.csv") == "too_many_rows"


def test_a_tag_of_a_hundred_megabytes_is_not_held_in_memory() -> None:
    sheet = b'<worksheet><sheetData><row r="1" x="' + b"a" * (100 << 20) + b'"/>'
    assert refusal(with_sheet(workbook(1), sheet), "f.xlsx") == "zip_bomb"


@pytest.mark.parametrize(("limit", "least"), [("MEMORY", 96 << 20), ("SECONDS", 1)])
def test_who_takes_more_than_the_bound_is_ended(
    limit: str, least: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = b"<row>" + b"<c/>" * 200 + b"</row>"
    costly = with_sheet(workbook(1), b"<worksheet><sheetData>" + cells * 40_000)
    monkeypatch.setattr(apart, limit, least)
    # the parser itself may be what is refused memory
    assert refusal(costly, "f.xlsx") in ("too_costly", "broken_workbook")


def test_nothing_is_taken_from_the_other_process_but_rows() -> None:
    import pickle

    with pytest.raises(pickle.UnpicklingError):
        apart._Plain(io.BytesIO(pickle.dumps(io.BytesIO))).load()
