"""Reading a roster: good rows are kept, bad ones named with row, column and remedy."""

import csv
import gc
import io
import time
import zipfile
from datetime import date, datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.facts import Facts
from files import table
from files.roster import ROSTER, RosterReading, read_roster, roster_csv

LABELS = [column.label for column in ROSTER.columns]
IDS = [column.id for column in ROSTER.columns]
GOOD: dict[str, Any] = {
    "id": "fj-0001",
    "name": "福建演示检测机构（生成）",
    "uscc": "91620102739638125B",
    "region": "350102",
    "legal_person": "是",
    "under_samr": "否",
    "accredited": "是",
    "review_group": "group-railway",
    "other_qualifications": "特种设备、水利",
    "national_centres": "国家演示中心（生成）",
    "previous_reviewer": "amr-350000",
    "number": "241312050001",
    "level": "省级",
    "issuer": "amr-350000",
    "scope": "120",
    "valid_to": "2029-05-01",
    "valid_from": "",
    "contact_name": "",
    "contact_phone": "",
    "contact_mail": "",
}
MIDNIGHT = datetime.fromisoformat("2029-05-01T00:00:00")
NO_CERTIFICATE = dict.fromkeys(("number", "level", "issuer", "scope", "valid_to"), "")


def row(**changes: Any) -> list[Any]:
    return list({**GOOD, **changes}.values())


def csv_text(*rows: list[Any], header: list[str] | None = None, delimiter: str = ",") -> str:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\r\n")
    writer.writerows([LABELS if header is None else header, *rows])
    return text.getvalue()


def read(*rows: list[Any], **options: Any) -> RosterReading:
    return read_roster(csv_text(*rows).encode(), "名册.csv", **options)


def workbook(*rows: list[Any], header: list[str] | None = None) -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for cells in [LABELS if header is None else header, *rows]:
        sheet.append(cells)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def found(reading: RosterReading) -> list[tuple[int, str, str]]:
    return [(problem.row, problem.column, problem.code) for problem in reading.problems]


def test_a_row_becomes_an_institution_with_its_facts() -> None:
    reading = read(row(), row(number="240012050001", level="国家级", issuer="samr", scope="80"))
    assert reading.problems == ()
    assert reading.rows == 2
    (entry,) = reading.institutions
    assert (entry.id, entry.name, entry.uscc) == ("fj-0001", GOOD["name"], GOOD["uscc"])
    assert entry.facts() == Facts.model_validate(
        {
            "institution": {
                "id": "fj-0001",
                "region": "350102",
                "legal_person": True,
                "under_samr": False,
                "accredited": True,
                "review_group": "group-railway",
                "other_qualifications": ["特种设备", "水利"],
                "national_centres": ["国家演示中心（生成）"],
            },
            "certificates": [
                {
                    "number": "241312050001",
                    "level": "provincial",
                    "issuer": "amr-350000",
                    "scope": 120,
                    "valid_to": "2029-05-01",
                },
                {
                    "number": "240012050001",
                    "level": "national",
                    "issuer": "samr",
                    "scope": 80,
                    "valid_to": "2029-05-01",
                },
            ],
            "previous_reviewer": "amr-350000",
            "holder_kind": "enterprise",
        }
    )


def test_an_institution_without_certificate_has_empty_certificate_columns() -> None:
    (entry,) = read(row(**NO_CERTIFICATE)).institutions
    assert entry.certificates == ()


def test_certificate_columns_may_be_missing_altogether_but_not_in_part() -> None:
    header = LABELS[:11]
    reading = read_roster(csv_text(row()[:11], header=header).encode(), "a.csv")
    assert len(reading.institutions) == 1
    reading = read_roster(csv_text(row()[:15], header=LABELS[:15]).encode(), "a.csv")
    assert found(reading) == [(1, "", "missing_column")]
    assert "有效期至" in reading.problems[0].message


def test_blank_optional_cells_take_the_defaults_of_the_facts() -> None:
    blank = dict.fromkeys(IDS[4:11], "")
    (entry,) = read(row(uscc="", **blank)).institutions
    assert entry.uscc is None
    assert entry.institution.legal_person is True
    assert entry.institution.accredited is False
    assert entry.previous_reviewer is None


@pytest.mark.parametrize("header", [IDS, [name.upper() for name in IDS], LABELS])
def test_headers_are_known_in_chinese_and_english(header: list[str]) -> None:
    reading = read_roster(csv_text(row(), header=header).encode(), "a.csv")
    assert reading.problems == ()


def test_no_two_columns_share_a_name() -> None:
    names = [name for c in ROSTER.columns for name in {c.label, c.id, *c.aliases}]
    assert len(names) == len(set(names))
    assert len(ROSTER.named()) == len(names)


@pytest.mark.parametrize(
    "encode",
    [
        lambda text: text.encode(),
        lambda text: text.encode("utf-8-sig"),
        lambda text: text.encode("gb18030"),
        lambda text: text.encode("utf-16"),
    ],
    ids=["utf-8", "utf-8-bom", "gb18030", "utf-16"],
)
@pytest.mark.parametrize("delimiter", [",", ";", "\t"], ids=["comma", "semicolon", "tab"])
def test_encodings_and_delimiters_are_told_apart(encode: Any, delimiter: str) -> None:
    reading = read_roster(encode(csv_text(row(), delimiter=delimiter)), "a.csv")
    assert reading.problems == ()
    assert reading.institutions[0].name == GOOD["name"]


def test_quoted_newlines_and_blank_lines_keep_the_row_numbers_of_excel() -> None:
    reading = read(
        row(name="上半\r\n下半（生成）"),
        [],
        row(id="b", number="n2", region="35"),
    )
    assert reading.institutions[0].name == "上半 下半（生成）"
    assert found(reading) == [(4, "监管区域代码", "bad_code")]
    assert reading.rows == 2


CELL_ERRORS = [
    ("id", "", "required"),
    ("id", "编号一", "bad_code"),
    ("id", "a" * 65, "bad_code"),
    ("name", " ", "required"),
    ("name", "名" * 201, "too_long"),
    ("name", "=HYPERLINK()", "bad_characters"),
    ("name", "甲\x01乙", "bad_characters"),
    ("name", "甲" * 2001, "too_long"),
    ("national_centres", "@SUM(1)", "bad_characters"),
    ("uscc", "91620102739638125C", "bad_uscc"),
    ("uscc", "9162010273963812", "bad_code"),
    ("region", "", "required"),
    ("region", "35010", "bad_code"),
    ("region", "3501O2", "bad_code"),
    ("legal_person", "也许", "bad_flag"),
    ("under_samr", "2", "bad_flag"),
    ("accredited", "#N/A", "cell_error"),
    ("review_group", "铁路", "bad_code"),
    ("previous_reviewer", "福建省局", "bad_code"),
    ("number", "", "required"),
    ("number", "2413 12050001", "bad_code"),
    ("level", "市级", "bad_level"),
    ("issuer", "amr-35", "bad_code"),
    ("scope", "-1", "bad_count"),
    ("scope", "1.5", "bad_count"),
    ("scope", "9" * 30, "bad_count"),
    ("valid_to", "", "required"),
    ("valid_to", "2029-02-30", "bad_date"),
    ("valid_to", "05/01/2029", "bad_date"),
    ("valid_to", "长期", "bad_date"),
    ("valid_to", "1999-12-31", "bad_date"),
    ("valid_to", "2209-05-01", "bad_date"),
]


@pytest.mark.parametrize(("column", "cell", "code"), CELL_ERRORS)
def test_a_bad_cell_is_named_and_keeps_only_its_institution_out(
    column: str, cell: str, code: str
) -> None:
    other = row(id="other", name="另一机构（生成）", uscc="", number="other")
    reading = read(row(**{column: cell}), other)
    label = LABELS[IDS.index(column)]
    assert found(reading) == [(2, label, code)]
    assert [entry.id for entry in reading.institutions] == ["other"]
    problem = reading.problems[0]
    assert problem.level == "error"
    assert problem.message
    assert problem.mend


def test_one_bad_row_keeps_the_whole_institution_out() -> None:
    reading = read(row(), row(number="n2", scope="x"), row(id="c", uscc="", number="n3"))
    assert [entry.id for entry in reading.institutions] == ["c"]
    assert reading.rows == 3


def test_a_row_with_unreadable_id_keeps_out_the_institution_of_the_same_name() -> None:
    reading = read(row(), row(id="编号", number="n2"))
    assert reading.institutions == ()
    assert found(reading) == [(2, "", "partner_unreadable"), (3, "机构编号", "bad_code")]


@pytest.mark.parametrize(
    "text",
    ["2029-05-01", "2029/5/1", "2029.5.1", "2029年5月1日", "20290501", "2029-05-01 00:00:00"],
)
def test_dates_are_read_in_the_usual_forms(text: str) -> None:
    (entry,) = read(row(valid_to=text)).institutions
    assert entry.certificates[0].valid_to == date(2029, 5, 1)


def test_codes_are_normalised_with_a_notice() -> None:
    reading = read(
        row(id=" fj-0001　", uscc="91620102739638125b", region="３５０１０２", number="2413\t")
    )
    assert found(reading) == [
        (2, label, "normalised")
        for label in ("机构编号", "统一社会信用代码", "监管区域代码", "证书编号")
    ]
    assert all(problem.level == "notice" for problem in reading.problems)
    assert reading.errors == ()
    (entry,) = reading.institutions
    assert (entry.id, entry.institution.region) == ("fj-0001", "350102")
    assert entry.uscc == "91620102739638125B"
    assert entry.certificates[0].number == "2413"


def test_a_certificate_number_in_full_width_characters_is_refused_and_not_corrected() -> None:
    reading = read(row(number="２４13"))
    assert found(reading) == [(2, "证书编号", "bad_code")]
    assert "全角" in reading.problems[0].message


def test_regions_are_checked_when_the_known_ones_are_given() -> None:
    assert read(row(), known_regions={"350102"}.__contains__).problems == ()
    reading = read(row(), known_regions={"350100"}.__contains__)
    assert found(reading) == [(2, "监管区域代码", "unknown_region")]


def test_conflicting_institution_columns_name_both_rows() -> None:
    reading = read(row(), row(number="n2", name="另一名称", accredited="否"))
    assert found(reading) == [
        (3, "机构名称", "conflicting_rows"),
        (3, "获得认可", "conflicting_rows"),
    ]
    assert "第 2 行与第 3 行" in reading.problems[0].message
    assert reading.institutions == ()


def test_a_certificate_number_in_two_institutions_names_both_rows() -> None:
    reading = read(row(), row(id="b", uscc=""), row(id="c", uscc="", number="n3"))
    assert found(reading) == [
        (2, "证书编号", "duplicate_certificate"),
        (3, "证书编号", "duplicate_certificate"),
    ]
    assert all("第 2 行与第 3 行" in problem.message for problem in reading.problems)
    assert [entry.id for entry in reading.institutions] == ["c"]


def test_a_row_without_certificate_beside_one_with_is_an_error() -> None:
    reading = read(row(), row(**NO_CERTIFICATE))
    assert found(reading) == [(3, "", "row_without_certificate")]
    assert read(row(**NO_CERTIFICATE), row(**NO_CERTIFICATE)).institutions == ()


def test_several_accounts_may_share_a_uscc() -> None:
    reading = read(row(), row(id="b", number="n2", legal_person="否"))
    assert len(reading.institutions) == 2
    assert reading.problems == ()


def test_extra_cells_are_an_error() -> None:
    assert found(read([*row(), "多余"])) == [(2, "", "extra_cells")]
    assert read([*row(), "", " "]).problems == ()


# --- files that cannot be read at all -------------------------------------------------------------


def bomb() -> bytes:
    out = io.BytesIO()
    with (
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as book,
        book.open("xl/worksheets/sheet1.xml", "w", force_zip64=True) as part,
    ):
        for _ in range(260):
            part.write(b" " * 1024 * 1024)
    return out.getvalue()


@pytest.mark.parametrize(
    ("content", "name", "code"),
    [
        (b"", "a.csv", "empty"),
        (b"\xef\xbb\xbf\r\n", "a.csv", "empty"),
        (csv_text().encode(), "a.csv", "empty"),
        (b"\xff\xff\xff", "a.csv", "unknown_encoding"),
        ("机构编号".encode() + b"\x80", "a.csv", "unknown_encoding"),
        (b"a,b,c\r\n1,2,3", "a.csv", "unknown_column"),
        (csv_text(header=[*LABELS, "备注"]).encode(), "a.csv", "unknown_column"),
        (csv_text(header=[LABELS[0], "", *LABELS[1:]]).encode(), "a.csv", "unknown_column"),
        (csv_text(header=[*LABELS, "id"]).encode(), "a.csv", "duplicate_column"),
        (csv_text(header=LABELS[1:]).encode(), "a.csv", "missing_column"),
        (csv_text(row()).encode() + b'"open', "a.csv", "bad_csv"),
        (csv_text(row()).encode(), "a.xlsx", "wrong_type"),
        (csv_text(row()).encode(), "a.xls", "wrong_type"),
        (csv_text(row()).encode(), "a", "wrong_type"),
        (b"\xd0\xcf\x11\xe0", "a.xlsx", "wrong_type"),
        (workbook(row()), "a.csv", "wrong_type"),
        (workbook(row())[:3000], "a.xlsx", "broken_workbook"),
        (b"PK\x03\x04", "a.xlsx", "broken_workbook"),
        (workbook(header=[]), "a.xlsx", "empty"),
    ],
)
def test_a_file_that_cannot_be_read_has_one_problem_and_no_institutions(
    content: bytes, name: str, code: str
) -> None:
    reading = read_roster(content, name)
    assert [problem.code for problem in reading.problems] == [code]
    assert reading.problems[0].mend
    assert reading.institutions == ()


def test_a_zip_bomb_is_refused_without_unpacking() -> None:
    content = bomb()
    assert len(content) < 1_000_000
    assert found(read_roster(content, "a.xlsx")) == [(0, "", "zip_bomb")]


def test_a_file_too_large_or_with_too_many_rows_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(csv_text(row(), row(id="b", number="n2")).encode())
    monkeypatch.setattr(table, "MAX_ROWS", 2)
    assert len(read_roster(path, "a.csv").institutions) == 2
    monkeypatch.setattr(table, "MAX_ROWS", 1)
    assert found(read_roster(path, "a.csv")) == [(0, "", "too_many_rows")]
    monkeypatch.setattr(table, "MAX_BYTES", 10)
    assert found(read_roster(path, "a.csv")) == [(0, "", "too_large")]
    assert found(read_roster(path.read_bytes(), "a.csv")) == [(0, "", "too_large")]


@pytest.mark.parametrize("path", ["nothing.csv", "a\x00b.csv", "."])
def test_an_unreadable_path_is_a_problem_not_an_exception(path: str) -> None:
    assert found(read_roster(path, "a.csv")) == [(0, "", "unreadable")]


def test_more_problems_than_are_listed_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("files.findings.MAX_LISTED", 3)
    reading = read(*(row(id=f"i{i}", number=f"n{i}", scope="x") for i in range(5)))
    assert [problem.code for problem in reading.problems] == [
        "too_many_problems",
        *["bad_count"] * 3,
    ]
    assert "2 个" in reading.problems[0].message
    assert reading.institutions == ()


@pytest.mark.parametrize(
    ("level", "issuer"),
    [
        ("国家级", "amr-350000"), ("national", "amr-350000"), ("国家级", "caiq"),
        ("国家级", "group-railway"), ("省级", "samr"), ("省级", "cnas"),
        ("省级", "amr-350100"), ("省级", "amr-350102"), ("provincial", "amr-000000"),
    ],
)  # fmt: skip
def test_a_certificate_whose_level_is_not_that_of_its_issuer_is_refused(
    level: str, issuer: str
) -> None:
    reading = read(row(level=level, issuer=issuer), row(id="other", number="241312050002"))
    assert found(reading) == [(2, "证书级别", "level_not_of_issuer")]
    assert issuer in reading.problems[0].message
    assert [entry.id for entry in reading.institutions] == ["other"]


@pytest.mark.parametrize(
    ("level", "issuer"),
    [("国家级", "samr"), ("national", "samr"), ("省级", "amr-110000"), ("省级", "amr-660000")],
)
def test_a_certificate_of_the_right_issuer_is_taken(level: str, issuer: str) -> None:
    assert read(row(level=level, issuer=issuer)).problems == ()


def test_a_level_or_issuer_that_cannot_be_read_is_named_once() -> None:
    assert found(read(row(level="市级", issuer="amr-350100"))) == [(2, "证书级别", "bad_level")]
    assert found(read(row(level="省级", issuer="总局"))) == [(2, "发证机关", "bad_code")]


# --- XLSX -----------------------------------------------------------------------------------------


def test_a_workbook_with_numbers_and_dates_reads_like_its_text() -> None:
    content = workbook(
        row(region=350102, scope=120, valid_to=date(2029, 5, 1), accredited=True),
        row(region=350102, number=240012050001, level="national", issuer="samr",
            valid_to=MIDNIGHT),
    )  # fmt: skip
    reading = read_roster(content, "名册.XLSX")
    assert reading.problems == ()
    first, second = reading.institutions[0].certificates
    assert first.scope == 120
    assert second.number == "240012050001"
    assert first.valid_to == second.valid_to == date(2029, 5, 1)


def test_a_long_id_stored_as_a_number_is_refused() -> None:
    reading = read_roster(workbook(row(id=913501001234567890, uscc=9.1e17)), "a.xlsx")
    assert found(reading) == [
        (2, "机构编号", "lost_digits"),
        (2, "统一社会信用代码", "lost_digits"),
    ]
    assert "文本" in reading.problems[0].mend


def test_a_certificate_number_that_lost_its_leading_zero_is_refused() -> None:
    reading = read_roster(workbook(row(number=90012050001)), "a.xlsx")
    assert found(reading) == [(2, "证书编号", "lost_digits")]


def test_numeric_ids_and_serial_dates_are_read_with_one_notice_each() -> None:
    rows = [row(id=100 + i, number=f"n{i}", uscc="", valid_to=47239) for i in range(3)]
    reading = read_roster(workbook(*rows), "a.xlsx")
    assert found(reading) == [
        (2, "机构编号", "number_as_text"),
        (2, "有效期至", "serial_date"),
    ]
    assert [entry.id for entry in reading.institutions] == ["100", "101", "102"]
    assert reading.institutions[0].certificates[0].valid_to == date(2029, 5, 1)


def test_a_time_of_day_or_a_date_in_the_wrong_column_is_refused() -> None:
    content = workbook(row(name=date(2029, 5, 1), valid_to=MIDNIGHT.replace(hour=13)))
    assert found(read_roster(content, "a.xlsx")) == [
        (2, "机构名称", "wrong_type"),
        (2, "有效期至", "bad_date"),
    ]


def test_error_cells_and_formulas_without_result_are_not_read_as_blank() -> None:
    content = workbook(row(accredited="#N/A"), row(id="b", number="n2", accredited="=1+0"))
    assert found(read_roster(content, "a.xlsx")) == [
        (2, "获得认可", "cell_error"),
        (3, "获得认可", "no_value"),
    ]


def test_formulas_give_their_stored_value() -> None:
    content = with_sheet(
        lambda xml: xml.replace(b"<f>60*2</f><v></v>", b"<f>60*2</f><v>120</v>").replace(
            b"<f>60*2</f><v />", b"<f>60*2</f><v>120</v>"
        ),
        row(scope="=60*2"),
    )
    reading = read_roster(content, "a.xlsx")
    assert reading.problems == ()
    assert reading.institutions[0].certificates[0].scope == 120


def test_blank_leading_rows_keep_the_row_numbers_of_excel() -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for line, cells in ((3, LABELS), (5, row(region="1"))):
        for place, cell in enumerate(cells, start=1):
            sheet.cell(line, place, cell)
    out = io.BytesIO()
    book.save(out)
    assert found(read_roster(out.getvalue(), "a.xlsx")) == [(5, "监管区域代码", "bad_code")]


def test_only_one_sheet_may_hold_data() -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(LABELS)
    sheet.append(row())
    other = book.create_sheet("空表")
    out = io.BytesIO()
    book.save(out)
    assert len(read_roster(out.getvalue(), "a.xlsx").institutions) == 1
    other["A1"] = "内容"
    out = io.BytesIO()
    book.save(out)
    assert found(read_roster(out.getvalue(), "a.xlsx")) == [(0, "", "several_sheets")]


def with_sheet(change: Any, *rows: list[Any]) -> bytes:
    """A workbook whose sheet's XML is changed."""
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(workbook(*rows))) as old,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for entry in old.infolist():
            part = old.read(entry)
            sheet = entry.filename == "xl/worksheets/sheet1.xml"
            new.writestr(entry.filename, change(part) if sheet else part)
    return out.getvalue()


@pytest.mark.parametrize(
    ("row_", "place", "code"),
    [
        ("9", "XFD9", "extra_cells"),
        ("9", "AA9", "extra_cells"),
        ("1048576", "Z1048576", "extra_cells"),
        ("1048577", "A1048577", "broken_workbook"),
        ("9", "A1048576", "broken_workbook"),
        ("9", "a9", "broken_workbook"),
        ("2", "A2", "broken_workbook"),
    ],
)
def test_a_cell_far_out_costs_nothing_and_is_told(row_: str, place: str, code: str) -> None:
    far = f'<row r="{row_}"><c r="{place}"><v>1</v></c></row></sheetData>'.encode()
    content = with_sheet(lambda xml: xml.replace(b"</sheetData>", far), row())
    start = time.process_time()
    assert code in {problem.code for problem in read_roster(content, "a.xlsx").problems}
    assert time.process_time() - start < 2


def test_a_cell_without_place_follows_the_one_before_it() -> None:
    def put(cell: bytes) -> list[tuple[int, str, str]]:
        end = b"</row></sheetData>"
        content = with_sheet(lambda xml: xml.replace(end, cell + end), row())
        return found(read_roster(content, "a.xlsx"))

    assert put(b"<c/>") == []
    assert put(b"<c><v>1</v></c>") == [(2, "", "extra_cells")]


def test_hostile_markup_is_scanned_in_linear_time() -> None:
    for part in (b"<c ", b"<c r ", b'<c r="A1" ' + b"t " * 10, b"<c>" + b"<f"):
        hostile = b"<sheetData>" + part * 200_000
        content = with_sheet(lambda _, hostile=hostile: hostile)
        start = time.process_time()
        assert read_roster(content, "a.xlsx").institutions == ()
        assert time.process_time() - start < 5


def test_a_lying_size_in_the_zip_directory_is_found_out() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as book:
        book.writestr("xl/worksheets/sheet1.xml", b" " * 5_000_000)
    size = (5_000_000).to_bytes(4, "little")
    content = out.getvalue().replace(size, (10).to_bytes(4, "little"))
    assert found(read_roster(content, "a.xlsx")) == [(0, "", "broken_workbook")]


# --- hostile input, writing, speed ----------------------------------------------------------------


@given(content=st.binary(max_size=400), name=st.sampled_from(["a.csv", "a.xlsx", "a.tsv", ""]))
def test_no_bytes_make_the_reader_raise(content: bytes, name: str) -> None:
    for data in (content, b"PK\x03\x04" + content, csv_text(row()).encode() + content):
        assert read_roster(data, name).problems is not None


@given(
    cells=st.dictionaries(
        st.sampled_from(IDS), st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
    )
)
def test_no_text_in_a_cell_makes_the_reader_raise(cells: dict[str, str]) -> None:
    reading = read(row(**cells))
    assert reading.institutions or reading.errors


@given(
    cells=st.dictionaries(
        st.sampled_from(range(len(IDS))),
        st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.booleans(),
    )
)
def test_no_number_in_a_cell_makes_the_reader_raise(cells: dict[int, Any]) -> None:
    content = workbook([cells.get(i, cell) for i, cell in enumerate(row())])
    reading = read_roster(content, "a.xlsx")
    assert reading.institutions or reading.errors


@pytest.mark.parametrize("value", [b"1E400", b"-1E400", b"99999999999", b"x", b"", b"NaN"])
def test_no_stored_number_makes_the_reader_raise(value: bytes) -> None:
    def change(xml: bytes) -> bytes:
        return xml.replace(b"<v>47239</v>", b"<v>" + value + b"</v>")

    content = with_sheet(change, row(valid_to=47239))
    dated = with_sheet(change, row(valid_to=date(2029, 5, 1)))
    for data in (content, dated):
        reading = read_roster(data, "a.xlsx")
        assert reading.errors
        assert not reading.institutions


def test_the_template_is_a_csv_for_excel_whose_examples_are_generated() -> None:
    template = ROSTER.template()
    assert template.startswith(b"\xef\xbb\xbf")
    lines = template.decode("utf-8-sig").splitlines()
    assert lines[0] == ",".join(LABELS)
    assert len(lines) == 3
    assert all("生成" in line for line in lines[1:])
    reading = read_roster(template, "模板.csv")
    assert reading.errors == ()
    assert {problem.code for problem in reading.problems} == {"example_row"}
    assert len(reading.institutions[0].certificates) == 2


def test_what_is_written_is_read_back() -> None:
    first = read(row(), row(id="b", uscc="", number="n2", level="国家级", issuer="samr"))
    assert first.problems == ()
    again = read_roster(roster_csv(first.institutions), "a.csv")
    assert again == first


def test_ten_times_the_rows_take_ten_times_the_work() -> None:
    def work(rows: int) -> float:
        content = csv_text(*(row(id=f"i{i}", number=f"n{i}") for i in range(rows))).encode()
        # what other tests have left in this process is not gone through meanwhile
        gc.collect()
        gc.disable()
        try:
            start = time.process_time()
            assert len(read_roster(content, "a.csv").institutions) == rows
            return time.process_time() - start
        finally:
            gc.enable()

    work(100)
    assert work(10_000) < 25 * work(1_000)


@pytest.mark.parametrize(
    ("first", "known"), [("2029-05-01", date(2029, 5, 1)), ("2023-05-02", date(2023, 5, 2))]
)
def test_a_certificate_has_a_first_day_where_the_roster_says_it(first: str, known: date) -> None:
    reading = read(row(valid_from=first))
    assert reading.problems == ()
    assert reading.institutions[0].certificates[0].valid_from == known


def test_a_first_day_nobody_says_is_unknown_and_no_error() -> None:
    assert read(row()).institutions[0].certificates[0].valid_from is None
    without = [label for label in LABELS if label != "有效期起"]
    reading = read_roster(csv_text(row()[:-1], header=without).encode(), "名册.csv")
    assert reading.problems == ()
    assert reading.institutions[0].certificates[0].valid_from is None


def test_a_first_day_after_the_last_is_an_error() -> None:
    second = row(number="240012050001", level="国家级", issuer="samr")
    reading = read(row(valid_from="2029-05-02"), second)
    assert found(reading) == [(2, "有效期起", "reversed_days")]
