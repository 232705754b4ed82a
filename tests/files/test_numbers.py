"""Reading an upload: any encoding and form people's files have, and every bad row named."""

import io
import tempfile
import tracemalloc
import zipfile
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

import openpyxl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from domain.numbers.row_checks import CODES, Terms, words
from files import apart
from files import numbers as numbers_module
from files.numbers import (
    Batch,
    CsvReading,
    NotUtf8,
    columns_of,
    days_pattern,
    iso_days_pattern,
    number_template,
    read_workbook,
)

TERMS = Terms(date(2024, 7, 1), date(2024, 9, 30), 64)
GB = "报告编号,出具日期\r\nJC-1,2024-07-01\r\n闽建检2024-001号,2024/9/30\r\n".encode("gb18030")


class Read(NamedTuple):
    good: list[tuple[int, str, date]]
    problems: list[tuple[int, str, str, str]]
    rows: int
    unusable: bool


def good_rows(batch: Batch) -> list[tuple[int, str, date]]:
    """The good rows of a batch, as they are copied."""
    lines = [line.split("\t") for line in batch.text.split("\n")[:-1]]
    rows = [row for run in batch.runs for row in range(run.first, run.first + run.count)]
    return [
        (row, number, date.fromisoformat(day))
        for row, (number, day) in zip(rows, lines, strict=True)
    ]


def gathered(batches: list[Any]) -> Read:
    for batch in batches:
        assert len(good_rows(batch)) == batch.good
    return Read(
        [row for batch in batches for row in good_rows(batch)],
        [tuple(problem) for batch in batches for problem in batch.problems],
        sum(batch.rows for batch in batches),
        any(batch.unusable for batch in batches),
    )


def read(content: bytes, part: int = 100_000, terms: Terms = TERMS) -> Read:
    """A CSV file as ingest reads it: UTF-8 first, then GB18030."""
    for encoding in ("utf-8", "gb18030"):
        reading = CsvReading(terms, encoding)
        try:
            batches = [
                reading.feed(content[start : start + part])
                for start in range(0, len(content), part)
            ]
            return gathered([*batches, reading.finish()])
        except NotUtf8:
            assert encoding == "utf-8"
    raise AssertionError


def book(*rows: list[Any], change: Callable[[Any], None] | None = None) -> bytes:
    """A workbook with these rows under the usual header."""
    made = openpyxl.Workbook()
    sheet: Any = made.active
    for row in (["报告编号", "出具日期"], *rows):
        sheet.append(row)
    if change is not None:
        change(made)
    file = io.BytesIO()
    made.save(file)
    return file.getvalue()


def read_book(content: bytes) -> Read:
    with tempfile.TemporaryFile() as file:
        file.write(content)
        return gathered(list(read_workbook(file, TERMS)))


def numbers(found: Read) -> list[str]:
    return [number for _, number, _ in found.good]


# --- CSV ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", [1, 2, 3, 7, 100_000])
@pytest.mark.parametrize(
    "content",
    [
        GB,
        GB.decode("gb18030").encode(),
        b"\xef\xbb\xbf" + GB.decode("gb18030").encode(),
        GB.decode("gb18030").encode("utf-16"),
        GB.replace(b"\r\n", b"\n"),
        GB.replace(b"\r\n", b"\r"),
        GB.replace(b",", b"\t"),
        GB.replace(b",", b";")[:-2],
    ],
)
def test_files_as_programs_write_them(content: bytes, part: int) -> None:
    found = read(content, part)
    assert found.good == [
        (2, "JC-1", date(2024, 7, 1)),
        (3, "闽建检2024-001号", date(2024, 9, 30)),
    ]
    assert found.problems == []


@pytest.mark.parametrize(
    ("cells", "number"),
    [
        ("ＪＣ－００１,2024-07-01", "JC-001"),
        ("  JC 1\u3000,2024-07-01", "JC 1"),
        ('"a,b",2024-07-01', "a,b"),
        ('"say ""x""",2024-07-01', 'say "x"'),
        ('5" pipe,2024-07-01', '5" pipe'),
        ('="00123",2024-07-01', "00123"),
        ("x" * 64 + ",2024-07-01", "x" * 64),
        ("2024E001,2024-07-01", "2024E001"),
        ("𠀀检,2024-07-01", "𠀀检"),
    ],
)
def test_numbers_are_kept_as_they_are_meant(cells: str, number: str) -> None:
    found = read(f"报告编号,出具日期\n{cells}\n".encode())
    assert (numbers(found), found.problems) == ([number], [])


@pytest.mark.parametrize(
    ("day", "meant"),
    [
        ("2024-07-01", (7, 1)),
        ("2024/7/1", (7, 1)),
        ("2024-9-30", (9, 30)),
        ("20240930", (9, 30)),
        ("2024年8月1日", (8, 1)),
        ("２０２４－０８－３１", (8, 31)),
        ("2024/7/10 0:00", (7, 10)),
        ('"2024-07-31"', (7, 31)),
    ],
)
def test_days_in_the_forms_people_write(day: str, meant: tuple[int, int]) -> None:
    found = read(f"报告编号,出具日期\nJC-1,{day}\n".encode())
    assert found.good == [(2, "JC-1", date(2024, *meant))]


@pytest.mark.parametrize(
    ("cells", "column", "code", "detail"),
    [
        (",2024-07-01", "报告编号", "number_empty", ""),
        ("x" * 65 + ",2024-07-01", "报告编号", "number_too_long", "65/64"),
        ("a\x07b,2024-07-01", "报告编号", "bad_characters", "U+0007"),
        ("a\u202eb,2024-07-01", "报告编号", "bad_characters", "U+202E"),
        ("1.23E+15,2024-07-01", "报告编号", "lost_digits", "1.23E+15"),
        ("JC-1,", "出具日期", "date_empty", ""),
        ("JC-1,2024-02-30", "出具日期", "bad_date", "2024-02-30"),
        ("JC-1,07/01/2024", "出具日期", "bad_date", "07/01/2024"),
        ("JC-1,2024-06-30", "出具日期", "outside_quarter", "2024-06-30 2024-07-01 2024-09-30"),
        ("JC-1,2024-10-01", "出具日期", "outside_quarter", "2024-10-01 2024-07-01 2024-09-30"),
        ("JC-1", "", "wrong_columns", "1/2"),
        ("JC-1,2024-07-01,x", "", "wrong_columns", "3/2"),
        ('"JC-1"x,2024-07-01', "", "bad_csv", ""),
        ('"JC-1,2024-07-01', "", "bad_csv", ""),
    ],
)
def test_what_is_wrong_is_named_and_the_rows_around_it_are_kept(
    cells: str, column: str, code: str, detail: str
) -> None:
    found = read(f"报告编号,出具日期\nfirst,2024-07-01\n{cells}\nlast,2024-07-01\n".encode())
    assert found.problems == [(3, column, code, detail)]
    assert [(row, number) for row, number, _ in found.good] == [(2, "first"), (4, "last")]
    assert found.rows == 3
    assert not found.unusable


def test_bytes_that_are_no_text_spoil_their_own_row_in_a_file_that_is_utf_8() -> None:
    content = "报告编号,出具日期\na,2024-07-01\n".encode() + b"b\xff,2024-07-01\nc,2024-07-01\n"
    found = read(content)
    assert (numbers(found), found.problems) == (["a", "c"], [(3, "报告编号", "bad_encoding", "")])


def test_rows_are_counted_as_excel_shows_them() -> None:
    content = '\n报告编号,出具日期\n\n"two\nlines",2024-07-01\n,\nlast,2024-07-01\n'
    found = read(content.encode())
    assert found.problems == [(4, "报告编号", "bad_characters", "U+000A")]
    assert found.good == [(6, "last", date(2024, 7, 1))]
    assert found.rows == 2


@pytest.mark.parametrize(
    ("content", "row", "code", "detail"),
    [
        (b"", 0, "empty_file", ""),
        (b"\r\n \r\n", 0, "empty_file", ""),
        ("报告编号,出具日期\n\n".encode(), 2, "no_rows", ""),
        ("报告编号,备注\nJC-1,x\n".encode(), 1, "missing_column", "出具日期"),
        (b"JC-1,2024-07-01\n", 1, "missing_column", "报告编号、出具日期"),
        ("报告编号,报告编号,出具日期\n".encode(), 1, "duplicate_column", "报告编号"),
        (b"PK\x03\x04\x14\x00", 0, "wrong_type", ""),
        (b"\xff\xff\xff,\xff\xff\n", 1, "unknown_encoding", ""),
    ],
)
def test_a_file_that_is_no_use_says_why(content: bytes, row: int, code: str, detail: str) -> None:
    found = read(content)
    assert found.problems == [(row, "", code, detail)]
    assert (found.rows, found.good) == (0, [])
    assert found.unusable


@pytest.mark.parametrize(
    "header",
    [
        ["序号", "检验检测报告编号", "报告 签发日期"],
        ["x", "Report_Number", "ISSUE DATE"],
        ["编号", "ＲＥＰＯＲＴ ＮＯ．", "报告日期*"],
    ],
)
def test_headers_in_many_words_the_best_of_several_counts(header: list[str]) -> None:
    assert columns_of(header) == (1, 2, 3)
    found = read((",".join(header) + "\n7,JC-1,2024-07-01\n8,JC-2,x\n").encode())
    assert numbers(found) == ["JC-1"]
    assert [problem[0] for problem in found.problems] == [3]


def test_columns_in_another_order_among_others() -> None:
    found = read("日期,备注,编号,\n2024-07-01,,JC-1,\n2024/7/2,x,JC-2\n".encode())
    assert found.good == [(2, "JC-1", date(2024, 7, 1)), (3, "JC-2", date(2024, 7, 2))]


def test_no_chinese_header_in_gb18030_is_taken_for_utf_8() -> None:
    from files.numbers import _NAMES

    for names in _NAMES.values():
        for name in names:
            if not name.isascii():
                with pytest.raises(UnicodeDecodeError):
                    name.encode("gb18030").decode()


@settings(deadline=None)
@given(st.dates(date(2000, 1, 1), date(2099, 12, 31)), st.integers(0, 120), st.data())
def test_the_quick_pattern_knows_just_the_days_of_the_span(
    first: date, length: int, data: st.DataObject
) -> None:
    import re

    last = first + timedelta(days=length)
    pattern = re.compile(days_pattern(first, last))
    iso = re.compile(iso_days_pattern(first, last))
    day = data.draw(st.dates(first - timedelta(days=40), last + timedelta(days=40)))
    forms = [f"{day}", f"{day:%Y%m%d}", f"{day.year}/{day.month}/{day.day}", f"{day:%Y/%m/%d}"]
    for form in forms:
        inside = first <= day <= last
        assert (pattern.fullmatch(form) is not None) == inside, form
        assert (iso.fullmatch(form) is not None) == (inside and form == f"{day}"), form
        # whichever pattern takes a row, the same row comes out of it
        read_ = CsvReading(Terms(first, last, 64)).feed(
            f"报告编号,出具日期\nJC-1,{form}\n".encode()
        )
        assert read_.text == (f"JC-1\t{day}\n" if inside else ""), form


CELL = st.one_of(
    st.text(max_size=8),
    st.sampled_from(
        ["JC-1", "2024-07-01", "2024/9/30", '"', '""', "x" * 65, "1E+15", "\x00", "=1"]
    ),
)


@settings(deadline=None)
@given(
    rows=st.lists(st.lists(CELL, max_size=4), max_size=12),
    header=st.sampled_from(["报告编号,出具日期", "date;no", "日期\t备注\t编号", "编号"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "gb18030", "utf-16"]),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    part=st.integers(1, 50),
)
def test_however_a_file_is_cut_it_reads_the_same(
    rows: list[list[str]], header: str, encoding: str, end: str, part: int
) -> None:
    text = end.join([header, *(",".join(cells) for cells in rows)])
    content = text.encode(encoding, "ignore")
    found = read(content, part)
    assert found == read(content)
    told(found)


@settings(deadline=None)
@given(st.binary(max_size=400), st.integers(1, 50))
@example(b'"', 1)
@example("报告编号,出具日期\n".encode() + b'"\xff\n', 3)
def test_no_bytes_raise_anything_but_reported_problems(content: bytes, part: int) -> None:
    told(read(content, part))
    told(read("报告编号,出具日期\n".encode() + content, part))


def told(found: Read) -> None:
    """Every row is good or has a problem, and every problem can be said."""
    assert len(found.good) <= found.rows
    for _, number, day in found.good:
        assert TERMS.first_day <= day <= TERMS.last_day
        assert 1 <= len(number) <= 64
        assert "\x00" not in number
    for _, _, code, detail in found.problems:
        assert code in CODES
        what, mend = words(code, detail)
        assert what
        assert mend
        assert "\x00" not in detail
        assert len(detail) < 100


@pytest.mark.parametrize("unit", [b"x", b'"\n', b",", b'a,"', b'"'])
def test_hostile_files_need_memory_for_a_part_only(unit: bytes) -> None:
    part = unit * (100_000 // len(unit))
    tracemalloc.start()
    reading = CsvReading(TERMS)
    reading.feed("报告编号,出具日期\n".encode())
    for _ in range(5):
        reading.feed(part)
    reading.finish()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 6_000_000


@pytest.mark.parametrize("code", CODES)
def test_every_code_says_what_and_how_to_mend_whatever_its_detail(code: str) -> None:
    for detail in ("", "x", "3/2", "2024-07-01", "2024-07-01 2024-07-01 2024-09-30"):
        what, mend = words(code, detail)
        assert what
        assert mend
        assert not (what + mend).endswith("。")


def test_the_template_is_read_as_it_is() -> None:
    found = read(number_template(TERMS))
    assert (len(found.good), found.problems) == (2, [])


# --- XLSX ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "meant"),
    [
        (123, "123"),
        (123456789012345, "123456789012345"),
        (7.0, "7"),
        ("ＪＣ－１ ", "JC-1"),
        ("00123", "00123"),
    ],
)
def test_numbers_in_cells(number: Any, meant: str) -> None:
    found = read_book(book([number, date(2024, 7, 1)]))
    assert (numbers(found), found.problems) == ([meant], [])


@pytest.mark.parametrize(
    "day",
    [date(2024, 7, 1), datetime(2024, 7, 1, 13, 5), 45474, "2024/7/1", 20240701],  # noqa: DTZ001
)
def test_days_in_cells(day: Any) -> None:
    assert read_book(book(["JC-1", day])).good == [(2, "JC-1", date(2024, 7, 1))]


def test_days_of_the_date_system_of_1904() -> None:
    def old_mac(made: Any) -> None:
        made.epoch = openpyxl.utils.datetime.CALENDAR_MAC_1904
        made.active["B2"] = date(2024, 7, 1)

    assert read_book(book(["JC-1", None], change=old_mac)).good == [(2, "JC-1", date(2024, 7, 1))]


@pytest.mark.parametrize(
    ("cells", "column", "code"),
    [
        ([1234567890123456, date(2024, 7, 1)], "报告编号", "lost_digits"),
        ([12.5, date(2024, 7, 1)], "报告编号", "lost_digits"),
        ([date(2024, 7, 1), date(2024, 7, 1)], "报告编号", "number_is_date"),
        (["=1+1", date(2024, 7, 1)], "报告编号", "no_value"),
        (["#N/A", date(2024, 7, 1)], "报告编号", "cell_error"),
        (["JC", "=TODAY()"], "出具日期", "no_value"),
        (["JC", date(2024, 10, 1)], "出具日期", "outside_quarter"),
        (["JC", None], "出具日期", "date_empty"),
        (["JC", -5], "出具日期", "bad_date"),
        ([None, date(2024, 7, 1)], "报告编号", "number_empty"),
    ],
)
def test_what_is_wrong_in_a_cell_is_named(cells: list[Any], column: str, code: str) -> None:
    found = read_book(book(["first", date(2024, 7, 1)], cells, [], ["last", date(2024, 7, 1)]))
    assert [problem[:3] for problem in found.problems] == [(3, column, code)]
    assert [(row, number) for row, number, _ in found.good] == [(2, "first"), (5, "last")]


def test_a_format_of_zeros_shows_the_digits_that_count() -> None:
    def zeros(made: Any) -> None:
        made.active["A2"].number_format = "00000"

    assert numbers(read_book(book([7, date(2024, 7, 1)], change=zeros))) == ["00007"]


def test_several_filled_sheets_are_refused_empty_ones_are_not_minded() -> None:
    row = ["JC-1", date(2024, 7, 1)]
    assert numbers(read_book(book(row, change=lambda made: made.create_sheet()))) == ["JC-1"]
    found = read_book(book(row, change=lambda made: made.create_sheet().append(["x"])))
    assert [problem[2] for problem in found.problems] == ["several_sheets"]


def part_replaced(content: bytes, name: str, text: bytes) -> bytes:
    """A workbook with one part replaced."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(file, "w", 8) as new:
        for entry in old.namelist():
            new.writestr(entry, text if entry == name else old.read(entry))
    return file.getvalue()


def test_a_large_workbook_is_read_by_a_process_of_its_own_and_just_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = [[f"N-{n}", date(2024, 7, 1 + n % 28)] for n in range(1_100)] + [["N-1", "昨天"], []]
    hidden = book(["N-1", date(2024, 7, 1)], change=hide_first_row)
    broken = [book(*rows)[:-200], book()]
    contents = [book(*rows), hidden, *broken, part_replaced(book(), SHEET, b"<worksheet/>")]
    here = [read_book(content) for content in contents]
    monkeypatch.setattr(apart, "SMALL", -1)
    assert [read_book(content) for content in contents] == here
    # nothing of it was read in this process
    monkeypatch.setattr(numbers_module, "Workbook", None)
    assert read_book(contents[0]) == here[0]


def test_a_workbook_that_costs_more_than_its_bound_is_refused_in_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(numbers_module, "_MEMORY", 96 << 20)
    costly = b"<worksheet><sheetData>" + (b"<row>" + b"<c/>" * 200 + b"</row>") * 10_000
    [problem] = read_book(part_replaced(book(), SHEET, costly)).problems
    # the parser itself may be what is refused memory
    assert problem[2] in ("too_costly", "broken_workbook")
    assert all(words(*problem[2:]))


def hide_first_row(made: Any) -> None:
    made.active.row_dimensions[2].hidden = True


LAUGHS = b"""<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]>
<worksheet><sheetData><row r="1"><c t="str"><v>&b;</v></c></row></sheetData></worksheet>"""
SHEET = "xl/worksheets/sheet1.xml"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "wrong_type"),
        (b"\xd0\xcf\x11\xe0" + bytes(600), "wrong_type"),
        (GB, "wrong_type"),
        (b"PK\x03\x04", "broken_workbook"),
        (book(["JC-1", "2024-07-01"])[:-200], "broken_workbook"),
        (part_replaced(book(), SHEET, LAUGHS), "broken_workbook"),
        (part_replaced(book(), SHEET, b"<worksheet"), "broken_workbook"),
        (part_replaced(book(), SHEET, b"<w><c t='s'><v>99</v></c></w>"), "broken_workbook"),
        (part_replaced(book(), SHEET, b"<w a='" + b"x" * 2_000_000 + b"'/>"), "zip_bomb"),
        (book(), "no_rows"),
    ],
)
def test_a_workbook_that_is_no_use_says_why(content: bytes, code: str) -> None:
    found = read_book(content)
    assert [problem[2] for problem in found.problems] == [code]
    assert found.unusable


def test_what_would_unpack_to_gigabytes_is_refused_before_it_is_unpacked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("files.numbers.MAX_UNPACKED_BYTES", 5_000_000)
    content = part_replaced(book(), SHEET, b"<w>" + b" " * 6_000_000 + b"</w>")
    assert len(content) < 50_000
    assert [problem[2] for problem in read_book(content).problems] == ["zip_bomb"]


@settings(deadline=None)
@given(st.binary(max_size=200), st.sampled_from([SHEET, "xl/sharedStrings.xml", "xl/workbook.xml"]))
def test_no_part_of_a_workbook_raises_anything(text: bytes, name: str) -> None:
    told(read_book(part_replaced(GOOD_BOOK, name, text)))


@settings(deadline=None)
@given(st.integers(0, 10_000), st.binary(min_size=1, max_size=3))
def test_no_change_of_a_workbooks_bytes_raises_anything(place: int, put: bytes) -> None:
    place %= len(GOOD_BOOK)
    told(read_book(GOOD_BOOK[:place] + put + GOOD_BOOK[place + len(put) :]))


GOOD_BOOK = book(["JC-1", date(2024, 7, 1)])
