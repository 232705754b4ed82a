"""Workbooks of forms: what comes in is what the person saw, and nothing written in is lost."""

import io
import zipfile
from collections.abc import Callable
from datetime import date
from typing import Any

import openpyxl
import pytest

from files.findings import Unusable
from files.form_sheets import Filled, Read, read, workbook
from rules.file.library import SHIPPED
from rules.filing.forms.example import blank_example
from rules.filing.forms.library import FormLibrary
from rules.filing.forms.structure import read as structure_of

FORM = FormLibrary(SHIPPED / "forms").get("statistics-2024")
FORMS = {"statistics": FORM}
EXAMPLE = blank_example(FORM)
NAME, USCC, PATENTS = "statistics/unit_name", "statistics/uscc", "statistics/patents"
CERTIFICATE = "statistics/certificates/1"


def filled(change: Callable[[Any, dict[str, int]], None]) -> Read:
    """What is read of the example's workbook after somebody has worked on it."""
    return read(changed(change), FORMS)


def changed(change: Callable[[Any, dict[str, int]], None]) -> bytes:
    book = openpyxl.load_workbook(
        io.BytesIO(workbook("测试（生成）", {"statistics": Filled(FORM, EXAMPLE)}))
    )
    rows = {row[0].value: row[0].row for row in book.worksheets[0].iter_rows() if row[0].value}
    change(book, rows)
    kept = io.BytesIO()
    book.save(kept)
    return kept.getvalue()


def written(address: str, value: Any, column: int = 4, form: str = "@") -> Read:
    """The same with one cell written by hand."""

    def change(book: Any, rows: dict[str, int]) -> None:
        cell = book.worksheets[0].cell(rows[address], column)
        cell.value, cell.number_format = value, form

    return filled(change)


def told(found: Read) -> list[tuple[str, str]]:
    """What is wrong, by its column and code."""
    return [(one.column, one.code) for one in found.problems]


def values(found: Read) -> dict[str, Any]:
    """What was read, of the one part that there is."""
    assert told(found) == []
    part: dict[str, Any] = found.content["statistics"]
    return part


def test_what_was_written_is_read_again() -> None:
    again = values(filled(lambda book, rows: None))
    assert again == {name: EXAMPLE[name] for name in again}
    assert set(EXAMPLE) - set(again) <= {"reasons"}


@pytest.mark.parametrize(
    ("address", "column", "text", "expected"),
    [
        (NAME, 4, "检测机构_x000D_", "检测机构"),
        (NAME, 4, "检测_x005F_x000D_机构", "检测_x000D_机构"),
        (NAME, 4, "检测\u200b机构", "bad_characters"),
        (NAME, 4, "\u202d检测机构\u202c", "检测机构"),
        (NAME, 4, "检测\ue863机构", "bad_characters"),
        (CERTIFICATE, 4, "'152701060345", "152701060345"),
        (CERTIFICATE, 4, "152701060345\ufe0f", "152701060345"),
        (CERTIFICATE, 4, "2.31901E+11", "lost_digits"),
        (USCC, 4, "N2440106MF0000001T", "N2440106MF0000001T"),
        (USCC, 4, "\uff2e2440106MF0000001T", "N2440106MF0000001T"),
        (PATENTS, 4, "1.2E+3", "bad_count"),
        (PATENTS, 4, "\uff11\uff12", 12),
        (PATENTS, 4, "1,200", "bad_count"),
        (PATENTS, 4, "#N/A", "cell_error"),
        (NAME, 4, "#REF!", "cell_error"),
        (NAME, 4, "=1+1", "no_value"),
        (NAME, 4, "@SUM(1)", "bad_characters"),
    ],
)
def test_texts_are_what_a_person_saw(address: str, column: int, text: str, expected: Any) -> None:
    found = written(address, text, column)
    if isinstance(expected, str) and expected.isascii() and expected.islower():
        assert told(found) == [("D", expected)]
        return
    part = values(found)
    row = part["certificates"][0] if address == CERTIFICATE else part
    name = "number" if address == CERTIFICATE else address.partition("/")[2]
    assert row[name] == expected
    if address == USCC:
        findings = structure_of(FORM, {**EXAMPLE, "uscc": row[name]}, complete=True).findings
        assert findings == []


@pytest.mark.parametrize(
    ("value", "form", "expected"),
    [
        (152701060345, "0", "152701060345"),
        (2.319010603456789e15, "General", "lost_digits"),
        (date(2024, 5, 1), "yyyy-mm-dd", "wrong_type"),
        (True, "General", "wrong_type"),
        (152701060345, "#,##0", "shown_otherwise"),
    ],
)
def test_a_number_of_a_certificate_keeps_all_its_digits(
    value: Any, form: str, expected: str
) -> None:
    found = written(CERTIFICATE, value, 4, form)
    if expected.isdigit():
        assert values(found)["certificates"][0]["number"] == expected
    else:
        assert told(found) == [("D", expected)]


@pytest.mark.parametrize(("old", "first"), [(False, "2031-05-30"), (True, "2035-05-31")])
def test_a_bare_number_is_a_day_of_the_workbooks_own_date_system(old: bool, first: str) -> None:
    days = [field.id for field in FORM.tables["certificates"].fields].index("valid_to")

    def change(book: Any, rows: dict[str, int]) -> None:
        cell = book.worksheets[0].cell(rows[CERTIFICATE], 4 + days)
        cell.value, cell.number_format = 47998, "General"
        if old:
            book.epoch = openpyxl.utils.datetime.CALENDAR_MAC_1904

    assert values(filled(change))["certificates"][0]["valid_to"] == first


def test_a_hidden_sheet_does_not_count_and_a_second_one_is_named() -> None:
    def more(state: str) -> Callable[[Any, dict[str, int]], None]:
        def change(book: Any, rows: dict[str, int]) -> None:
            book.create_sheet("选项").append(["是", "否"])
            book["选项"].sheet_state = state

        return change

    for state in ("hidden", "veryHidden"):
        assert values(filled(more(state)))["patents"] == EXAMPLE["patents"]
    with pytest.raises(Unusable) as bad:
        filled(more("visible"))
    assert bad.value.code == "several_sheets"
    assert "选项" in bad.value.message


def test_nothing_is_read_that_was_not_seen() -> None:
    def hide_row(book: Any, rows: dict[str, int]) -> None:
        book.active.row_dimensions[rows[PATENTS]].hidden = True

    def hide_column(book: Any, rows: dict[str, int]) -> None:
        book.active.column_dimensions["D"].hidden = True

    def merge(book: Any, rows: dict[str, int]) -> None:
        book.active.merge_cells(f"D{rows[PATENTS]}:E{rows[PATENTS]}")

    def hide_help(book: Any, rows: dict[str, int]) -> None:
        book.active.column_dimensions["Z"].hidden = True

    for change, code in (
        (hide_row, "hidden_row"),
        (hide_column, "hidden_column"),
        (merge, "merged_cells"),
    ):
        with pytest.raises(Unusable) as bad:
            filled(change)
        assert bad.value.code == code
    assert values(filled(hide_help))["patents"] == EXAMPLE["patents"]


def test_a_copied_row_is_told_of_and_overwrites_nothing() -> None:
    def copy(book: Any, rows: dict[str, int]) -> None:
        sheet = book.active
        last = sheet.max_row + 1
        sheet.cell(last, 1).value, sheet.cell(last, 4).value = CERTIFICATE, "152701069999"

    found = filled(copy)
    assert told(found) == [("A", "duplicate_address")]
    assert found.content["statistics"]["certificates"] == EXAMPLE["certificates"]

    # an empty copy says nothing, and a row with a number of its own is one more
    def more(book: Any, rows: dict[str, int]) -> None:
        sheet = book.active
        last = sheet.max_row + 1
        sheet.cell(last, 1).value = CERTIFICATE
        sheet.cell(last + 1, 1).value = "statistics/certificates/40"
        sheet.cell(last + 1, 4).value = "152701069999"

    assert [row["number"] for row in values(filled(more))["certificates"]] == [
        *(row["number"] for row in EXAMPLE["certificates"]),
        "152701069999",
    ]


def test_what_stands_in_a_row_without_an_address_is_told_of() -> None:
    def insert(book: Any, rows: dict[str, int]) -> None:
        sheet = book.active
        sheet.cell(rows[PATENTS], 1).value = None
        last = sheet.max_row + 1
        sheet.cell(last, 6).value = "（生成）加的一行"

    assert told(filled(insert)) == [("D", "no_address"), ("F", "no_address")]

    # what the system works out, and a note beside a heading, are nobody's answer
    def note(book: Any, rows: dict[str, int]) -> None:
        sheet = book.active
        heading = next(
            row[1].row for row in sheet.iter_rows(min_row=4) if row[1].value and not row[0].value
        )
        sheet.cell(heading, 7).value = "（生成）问过财务"

    assert values(filled(note))["patents"] == EXAMPLE["patents"]


def test_a_bomb_and_a_broken_file_are_refused_in_a_sentence() -> None:
    kept = io.BytesIO()
    with zipfile.ZipFile(kept, "w", zipfile.ZIP_DEFLATED) as book:
        for number in range(5):
            book.writestr(f"xl/worksheets/sheet{number}.xml", b" " * 64 * 1024 * 1024)
    for content, code in ((kept.getvalue(), "zip_bomb"), (b"PK\x03\x04", "broken_workbook")):
        with pytest.raises(Unusable) as bad:
            read(content, FORMS)
        assert bad.value.code == code
