"""What goes on record is what the person saw: every kind of cell, in every format."""

import csv
import io
import re
import unicodedata
import zipfile
from collections.abc import Callable
from datetime import date, datetime
from typing import Any

import openpyxl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from domain.certificates.certificate import CertificateContent
from domain.connected import Number
from domain.ids import CertificateNumber
from domain.numbers.row_checks import Terms
from domain.text import ENTERING, NO_VALUES, is_usable, lost_digits, name_key, normalised, unseen
from files.certificate_import import IMPORT
from files.certificate_register import REGISTER, read_register
from files.number_formats import built_in
from files.numbers import CsvReading, NotUtf8, read_workbook
from files.roster import ROSTER, read_roster
from files.workbook import column_letters
from printing.certificate import MissingCharacters, render_certificate
from printing.characters import missing_characters
from rules.certificates.certificates import current_certificate_rules
from rules.certificates.content import content_problems
from rules.file.library import SHIPPED
from tests.certificates import content
from tests.files.test_certificate_import import read as read_import
from tests.files.test_numbers import good_rows
from tests.files.test_roster import GOOD
from tests.import_files import row as import_row
from tests.printing.papers import ISSUER, PRINTED, URL, certificate

TERMS = Terms(date(2024, 10, 1), date(2024, 12, 31), 64)
RULES = current_certificate_rules(SHIPPED)
DAY = date(2024, 11, 15)
LISTED = {
    "number": "241301060001", "institution": "lab", "holder": "测试（生成）",
    "issuer": "amr-350000", "level": "省级", "scope": "120", "valid_to": "2035-05-31",
}  # fmt: skip


def book(lines: list[list[Any]], change: Callable[[Any], None] | None = None) -> bytes:
    made = openpyxl.Workbook()
    sheet: Any = made.active
    for line in lines:
        sheet.append(line)
    if change is not None:
        change(made)
    out = io.BytesIO()
    made.save(out)
    return out.getvalue()


def patched(content: bytes, replace: dict[str, Any]) -> bytes:
    """A workbook with parts changed."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(out, "w") as new:
        for entry in old.namelist():
            part = old.read(entry)
            new.writestr(entry, replace[entry](part) if entry in replace else part)
    return out.getvalue()


SHEET = "xl/worksheets/sheet1.xml"


def with_shared_string(content: bytes, text: str) -> bytes:
    """The workbook with its text HERE among the shared strings instead of in its cell."""
    inline = re.compile(rb'(<c r="A2"[^>]*?) t="inlineStr"([^>]*)><is><t>HERE</t></is></c>')
    made = patched(content, {SHEET: lambda xml: inline.sub(rb'\1 t="s"\2><v>0</v></c>', xml)})
    out = io.BytesIO(made)
    with zipfile.ZipFile(out, "a") as book_:
        book_.writestr("xl/sharedStrings.xml", f"<sst><si><t>{text}</t></si></sst>")
    return out.getvalue()


def numbers_of(rows: list[list[Any]], change: Callable[[Any], None] | None = None) -> Any:
    """What an upload of report numbers takes of a workbook, and what it refuses."""
    file = io.BytesIO(book([["报告编号", "出具日期"], *rows], change))
    batches = list(read_workbook(file, TERMS))
    good = [(number, day) for batch in batches for _, number, day in good_rows(batch)]
    return good, [problem.code for batch in batches for problem in batch.problems]


def csv_numbers(text: str) -> Any:
    """The same of a CSV file."""
    for encoding in ("utf-8", "gb18030"):
        reading = CsvReading(TERMS, encoding)
        try:
            batches = [reading.feed(text.encode("utf-8", "surrogatepass")), reading.finish()]
        except NotUtf8:
            continue
        good = [number for batch in batches for _, number, _ in good_rows(batch)]
        return good, [problem.code for batch in batches for problem in batch.problems]
    raise AssertionError


def tables(changed: dict[str, dict[str, Any]], *, xlsx: bool) -> dict[str, Any]:
    """The three tables with cells changed, read: good entries and the codes of errors."""
    given = {
        "roster": (ROSTER, {**GOOD, "uscc": ""}),
        "register": (REGISTER, LISTED),
        "import": (IMPORT, import_row(number="241301060001")),
    }
    read = {}
    for name, (table, good) in given.items():
        cells = {**good, **changed.get(name, {})}
        lines = [list(table.labels.values()), [cells.get(id_, "") for id_ in table.labels]]
        if xlsx:
            file, filename = book(lines), "a.xlsx"
        else:
            out = io.StringIO()
            csv.writer(out).writerows(lines)
            file, filename = out.getvalue().encode("utf-8", "surrogatepass"), "a.csv"
        if name == "roster":
            reading: Any = read_roster(file, filename)
            entries: Any = reading.institutions
        elif name == "register":
            reading = read_register(file, filename, rules=RULES)
            entries = reading.certificates
        else:
            reading = read_import(file, filename)
            entries = reading.certificates
        errors = [p.code for p in reading.problems if p.level == "error"]
        read[name] = (entries, errors)
    return read


def entered(**changed: Any) -> CertificateContent:
    """A certificate's content as the door takes it of whoever enters or delivers it."""
    return CertificateContent.model_validate(content("lab", **changed), context=ENTERING)


def of_number(value: Any) -> dict[str, dict[str, Any]]:
    return {name: {"number": value} for name in ("roster", "register", "import")}


def of_name(value: Any) -> dict[str, dict[str, Any]]:
    return {"roster": {"name": value}, "register": {"holder": value}, "import": {"holder": value}}


def number_in(name: str, entry: Any) -> str:
    return str(entry.certificates[0].number if name == "roster" else entry.number)


def name_in(name: str, entry: Any) -> str:
    if name == "roster":
        return str(entry.name)
    return str(entry.holder if name == "register" else entry.content.holder)


# --- digits ---------------------------------------------------------------------------------------

LOST = [
    "2.31901E+11", "2.41901E+11", "2.41901060345E11", "241901060345.0", "241901060345.",
    "2.413E+11", "1e+16", "2.41901e+11", "2,41901E+11", "2.4×10^11", "241,901,060,345",
    "２.４１９E＋１１", "-2.4E+11", "2E+11", "24.1E+10", "241901060345.00",
    "2.41901×10¹¹", "−2.41901E+11", "241901060345,0", "241901060345,00",
]  # fmt: skip
KEPT = ["12E12", "0047583311587E590003", "2024E001", "241301060345", "E+11", "CMA-1.0-2"]


@pytest.mark.parametrize("text", LOST)
def test_a_number_that_has_lost_digits_is_refused_everywhere(text: str) -> None:
    assert csv_numbers(f'报告编号,出具日期\n"{text}",2024-11-15\n') == ([], ["lost_digits"])
    for read in (tables(of_number(text), xlsx=False), tables(of_number(text), xlsx=True)):
        for name, (entries, errors) in read.items():
            assert (list(entries), errors) == ([], ["lost_digits"]), name
    renews = {"import": {"number": "", "renews": text}}
    assert tables(renews, xlsx=False)["import"][1] == ["lost_digits"]


@pytest.mark.parametrize("text", KEPT)
def test_a_real_code_is_kept(text: str) -> None:
    assert csv_numbers(f"报告编号,出具日期\n{text},2024-11-15\n") == ([text], [])
    assert not lost_digits(text)
    for name, (entries, errors) in tables(of_number(text), xlsx=True).items():
        assert (number_in(name, entries[0]), errors) == (text, [])


# --- markers and what nobody sees -----------------------------------------------------------------


@pytest.mark.parametrize(
    "mark",
    ["'{}", "’{}", "`{}", "´{}", "′{}", "ʼ{}", "‛{}", "''{}", "'{}'", "‘{}’", "\t{}", '="{}"',
     '＝＂{}＂', "=\"'{}\"", '\'="{}"', "{}\ufe0f", "\u202d{}\u202c", "\u200b{}\u3164",
     "{}\u034f", "{}\u2800", "\ufeff{}\u00ad"],
)  # fmt: skip
def test_marks_at_the_edges_are_taken_off_everywhere(mark: str) -> None:
    number = "202411150001234567"
    text = mark.format(number)
    quoted = text.replace('"', '""')
    assert csv_numbers(f'报告编号,出具日期\n"{quoted}",2024-11-15\n') == ([number], [])
    assert numbers_of([[text, DAY]])[0] == [(number, DAY)] or text.startswith("=")
    for name, (entries, errors) in tables(of_number(text), xlsx=False).items():
        assert (number_in(name, entries[0]), errors) == (number, []), name
    for name, (entries, errors) in tables(of_name(mark.format("测试")), xlsx=False).items():
        assert (name_in(name, entries[0]), errors) == ("测试", []), name


@pytest.mark.parametrize("text", ["=241301060001", '=T("241301060001")', "='1'", '="1'])
def test_a_formula_that_is_only_text_is_no_number(text: str) -> None:
    quoted = text.replace('"', '""')
    assert csv_numbers(f'报告编号,出具日期\n"{quoted}",2024-11-15\n') == ([], ["no_value"])
    for name, (entries, errors) in tables(of_number(text), xlsx=False).items():
        assert (list(entries), errors) == ([], ["no_value"]), name


@pytest.mark.parametrize("text", ["'", "’‘", '=""', "'\u200b", '="\u3164"', "\u00a0'"])
def test_a_cell_with_nothing_but_marks_is_empty(text: str) -> None:
    read = tables({**of_number(text), "import": {"uscc": text, "number": text}}, xlsx=False)
    assert [read[name][1] for name in read] == [["required"], ["required"], []]
    assert tables(of_name(text), xlsx=False)["roster"][1] == ["required"]
    assert tables({"roster": {"uscc": text}}, xlsx=False)["roster"][1] == []


@pytest.mark.parametrize("text", ["\u0301甲", "\u20dd甲", "'\u0301甲"])
def test_a_mark_that_combines_with_nothing_is_refused(text: str) -> None:
    assert csv_numbers(f"报告编号,出具日期\n{text},2024-11-15\n") == ([], ["bad_characters"])
    for name, (entries, errors) in tables(of_name(text), xlsx=False).items():
        assert (list(entries), errors) == ([], ["bad_characters"]), name
    assert unseen("甲\u0301") is None


def test_rows_of_blanks_are_none_in_a_csv_file_as_in_a_workbook() -> None:
    text = "\n,,\n\u200b,\n报告编号,出具日期\n\u200b,\u3164\nJC-1,2024-11-15\n',\n"
    assert csv_numbers(text) == (["JC-1"], [])
    lines: list[list[Any]] = [
        ["", "\u200b"],
        ["报告编号", "出具日期"],
        ["\u200b", "\u3164"],
        ["JC-1", DAY],
        ["'"],
    ]
    [batch] = read_workbook(io.BytesIO(book(lines)), TERMS)
    assert ([n for _, n, _ in good_rows(batch)], batch.problems) == (["JC-1"], [])


def test_a_number_of_a_delivery_or_an_entry_loses_the_marks_of_a_spreadsheet() -> None:
    for type_ in (CertificateNumber, Number):
        read = TypeAdapter[str](type_).validate_python
        for text in ("'2413", '="2413"', "2413\u200b"):
            assert read(text, context=ENTERING) == "2413"
        assert read("24'13", context=ENTERING) == "24'13"


@pytest.mark.parametrize(
    "character",
    ["\u200b", "\u034f", "\u115f", "\u3164", "\u2800", "\ufe0f", "\u202e", "\u2066", "\ue863",
     "\U000f0000", "\U000e0100", "\u00ad", "\u180e"],
)  # fmt: skip
def test_what_nobody_sees_inside_a_text_is_refused_everywhere(character: str) -> None:
    text = f"甲{character}乙"
    assert unseen(text) == character
    assert csv_numbers(f"报告编号,出具日期\n{text},2024-11-15\n") == ([], ["bad_characters"])
    for xlsx in (False, True):
        for name, (entries, errors) in tables(of_name(text), xlsx=xlsx).items():
            assert (list(entries), errors) == ([], ["bad_characters"]), name
    for field in ("holder", "address"):
        with pytest.raises(ValueError, match="看不见"):
            entered(**{field: text})


def test_a_text_that_is_not_composed_is_refused_in_names_and_folded_in_report_numbers() -> None:
    for text in ("Cafe\u0301检测", "\uf900检测"):
        for name, (entries, errors) in tables(of_name(text), xlsx=False).items():
            assert (list(entries), errors) == ([], ["not_composed"]), name
        with pytest.raises(ValueError, match="NFC"):
            entered(holder=text)
    assert csv_numbers("报告编号,出具日期\ne\u0301,2024-11-15\n") == (["é"], [])


def test_an_unpaired_surrogate_is_refused_and_a_pair_is_one_character() -> None:
    def escape(text: str) -> Any:
        written = book([["报告编号", "出具日期"], ["HERE", DAY]])
        inline = {SHEET: lambda xml: xml.replace(b"HERE", text.encode())}
        outcomes = []
        for made in (patched(written, inline), with_shared_string(written, text)):
            batches = list(read_workbook(io.BytesIO(made), TERMS))
            good = [number for batch in batches for _, number, _ in good_rows(batch)]
            outcomes.append((good, [p.code for batch in batches for p in batch.problems]))
        assert outcomes[0] == outcomes[1]
        return outcomes[0]

    assert escape("JC-_xD842_1") == ([], ["bad_characters"])
    assert escape("JC-_xD842__xDFB7_1") == (["JC-𠮷1"], [])
    assert escape("JC-2024-9001_x000D_") == (["JC-2024-9001"], [])
    assert escape("JC_x005F_x0041_") == (["JC_x0041_"], [])
    assert escape("JC_x0041_") == (["JCA"], [])


# --- what a sheet shows ---------------------------------------------------------------------------


def formatted(code: str, place: str = "A2") -> Callable[[Any], None]:
    def change(made: Any) -> None:
        made.active[place].number_format = code

    return change


@pytest.mark.parametrize(
    ("value", "code", "number"),
    [
        (7, "General", "7"), (7, "0", "7"), (7, "00000", "00007"), (7, '"JC-"0000', "JC-0007"),
        (7, '0000"号"', "0007号"), (7, "[Red]0000", "0007"),
        (241301060345, "General", "241301060345"),
        ("00123", "@", "00123"),
        (1234, "#,##0", None), (20240001, "0000-0000", None), (7, "0.00", None), (7, ";;;", None),
        (7, "0.00E+00", None), (7, "[>5]0;00", None), (0, "#", None), (7, "0%", None),
        ("001", '"JC-"@', None), ("001", ";;;", None), ("001", ';;;"x"@', None),
        (-7, '"JC"0', None),
        (7, "0;-0;;@", "7"), (0, "0;-0;;@", None), (0, "0;-0", "0"), (-7, "0;0", None),
        (7, '0;[<9]"x"0', None), (7, "*-0", None), (7, "_-* 0_-", "7"), (7, "[$-804]0", "7"),
        (7, "[$-1E000804]0", None), (7, "[DBNum1][$-804]General", None),
        (7, '_ * #,##0_ ;_ * -#,##0_ ;_ * "-"_ ;_ @_ ', None),
        (123456789012345678, "0", None),
    ],
)  # fmt: skip
def test_a_number_format_shows_what_counts_or_is_refused(
    value: Any, code: str, number: str | None
) -> None:
    good, codes = numbers_of([[value, DAY]], formatted(code))
    if number is None:
        assert (good, len(codes)) == ([], 1)
        assert codes[0] in ("shown_otherwise", "lost_digits")
    else:
        assert (good, codes) == ([(number, DAY)], [])


@pytest.mark.parametrize(
    ("code", "taken"),
    [
        ("yyyy-mm-dd", True), ("m/d/yyyy", True), ('yyyy"年"m"月"d"日"', True),
        ("[$-804]yyyy/m/d;@", True), ("yyyy-mm-dd hh:mm", True), ("General", True),
        ("yyyy/m", False), ("mmm-yy", False), ("m/d", False), ("h:mm", False), ("[h]:mm", False),
    ],
)  # fmt: skip
def test_a_day_counts_where_year_month_and_day_are_shown(code: str, taken: bool) -> None:
    good, codes = numbers_of([["JC-1", DAY]], formatted(code, "B2"))
    assert (good, codes) == (([("JC-1", DAY)], []) if taken else ([], ["date_not_shown"]))


@pytest.mark.parametrize("number", [5, 8, 41, 42, 43, 44])
def test_a_built_in_format_of_money_adds_characters(number: int) -> None:
    assert built_in(number).kind in ("decorated", "other")
    assert not built_in(number).text_as_is or built_in(number).kind != "plain"


@pytest.mark.parametrize(
    ("value", "code", "refused"),
    [
        (45611, ";;;", "shown_otherwise"), (45611, '[>0]yyyy-mm-dd;0', "shown_otherwise"),
        (20241115, "yyyy-mm-dd", "bad_date"), (-5, "yyyy-mm-dd", "bad_date"),
        (45611, '"JC-"0', "shown_otherwise"), (45611, 'General"号"', "shown_otherwise"),
        (45611, "#,##0", "shown_otherwise"), (45611, "0.00", "shown_otherwise"),
        (20241115, "#,##0", "shown_otherwise"), (20241115, '"JC-"0', "shown_otherwise"),
    ],
)  # fmt: skip
def test_a_day_that_is_hidden_or_too_wide_is_refused(value: int, code: str, refused: str) -> None:
    assert numbers_of([["JC-1", value]], formatted(code, "B2")) == ([], [refused])


@pytest.mark.parametrize("code", ["General", "0", "@", "[Red]0", '0" "', "0_);(0)"])
def test_a_bare_number_is_a_day_in_whatever_shows_its_digits_alone(code: str) -> None:
    for value in (45611, 20241115):
        assert numbers_of([["JC-1", value]], formatted(code, "B2")) == ([("JC-1", DAY)], [])


def test_two_cells_in_one_place_are_refused() -> None:
    twice = b'<c r="A2" t="inlineStr"><is><t>JC-2</t></is></c><c r="B2"'
    file = patched(
        book([["报告编号", "出具日期"], ["JC-1", DAY]]),
        {SHEET: lambda xml: xml.replace(b'<c r="B2"', twice, 1)},
    )
    [batch] = read_workbook(io.BytesIO(file), TERMS)
    assert (batch.good, [problem.code for problem in batch.problems]) == (0, ["broken_workbook"])


def test_half_days_are_no_zone() -> None:
    for text in ("2024-11-15 3:00 PM", "2024-11-15 03:00:00AM"):
        assert csv_numbers(f"报告编号,出具日期\nJC-1,{text}\n") == (["JC-1"], [])
    assert csv_numbers("报告编号,出具日期\nJC-1,2024-11-15 3:00 PM UTC\n")[1] == ["date_with_zone"]


def test_a_number_in_a_name_is_as_it_is_shown_and_an_amount_is_not() -> None:
    labels = list(ROSTER.labels)

    def read(id_: str, value: float, code: str) -> Any:
        cells = [{**GOOD, "uscc": "", id_: value}[label] if label in {**GOOD, id_: 0} else ""
                 for label in labels]  # fmt: skip
        place = f"{column_letters(labels.index(id_))}2"
        file = book([list(ROSTER.labels.values()), cells], formatted(code, place))
        reading = read_roster(file, "a.xlsx")
        return reading.institutions, [p.code for p in reading.errors]

    assert read("name", 7.55, "0.0") == ((), ["shown_otherwise"])
    [entry] = read("scope", 1200, "#,##0")[0]
    assert entry.certificates[0].scope == 1200
    assert read("scope", 0, "0;-0;;@") == ((), ["shown_otherwise"])


@pytest.mark.parametrize(
    "text", ["2024-11-15T23:30:00Z", "2024-11-15 08:00 UTC", "2024-11-15T08:00:00+08:00"]
)
def test_a_time_with_its_zone_is_refused(text: str) -> None:
    assert csv_numbers(f"报告编号,出具日期\nJC-1,{text}\n")[1] == ["date_with_zone"]
    read = tables({"roster": {"valid_to": text}, "register": {"valid_to": text}}, xlsx=False)
    assert [read[name][1] for name in ("roster", "register")] == [["date_with_zone"]] * 2


def test_a_general_cell_counts_by_the_date_system_of_its_workbook() -> None:
    labels = list(ROSTER.labels.values())
    for value in (47998, datetime(2035, 5, 31)):  # noqa: DTZ001
        cells = [GOOD[id_] for id_ in ROSTER.labels]

        def old_mac(made: Any, value: Any = value) -> None:
            made.epoch = openpyxl.utils.datetime.CALENDAR_MAC_1904
            made.active["P2"] = value

        (entry,) = read_roster(book([labels, cells], old_mac), "a.xlsx").institutions
        assert entry.certificates[0].valid_to == date(2035, 5, 31)


def test_a_sheet_of_blanks_is_no_further_sheet() -> None:
    def blanks(made: Any) -> None:
        made.create_sheet("空").append(["\u200b\u00a0"])

    assert numbers_of([["JC-1", DAY]], blanks) == ([("JC-1", DAY)], [])


def test_hidden_sheets_do_not_count_and_are_named_when_there_are_no_others() -> None:
    def options(state: str) -> Callable[[Any], None]:
        def change(made: Any) -> None:
            made.create_sheet("选项").append(["是"])
            made["选项"].sheet_state = state

        return change

    for state in ("hidden", "veryHidden"):
        assert numbers_of([["JC-1", DAY]], options(state)) == ([("JC-1", DAY)], [])
    content = book([], options("hidden"))
    [problem] = read_roster(content, "a.xlsx").problems
    assert problem.code == "hidden_sheet"
    assert "选项" in problem.message
    content = book([["x"]], lambda made: made.create_sheet("说明").append(["y"]))
    [problem] = read_roster(content, "a.xlsx").problems
    assert "Sheet、说明" in problem.message


def test_rows_and_columns_that_nobody_sees_are_refused_with_their_place() -> None:
    def hide_row(made: Any) -> None:
        made.active.row_dimensions[3].hidden = True

    def hide_column(made: Any) -> None:
        made.active.column_dimensions["B"].hidden = True

    def hide_blank(made: Any) -> None:
        made.active["A9"] = "\u200b "
        made.active.row_dimensions[9].hidden = True

    rows = [["JC-1", DAY], ["JC-2", DAY]]
    low = {SHEET: lambda xml: xml.replace(b'<row r="2"', b'<row r="2" ht="0"')}
    file = patched(book([["报告编号", "出具日期"], *rows]), low)
    [batch] = read_workbook(io.BytesIO(file), TERMS)
    assert [(problem.row, problem.code) for problem in batch.problems] == [(2, "hidden_row")]
    assert numbers_of(rows, hide_blank)[1] == []
    assert numbers_of(rows, hide_row)[1] == ["hidden_row"]
    assert numbers_of(rows, hide_column)[1] == ["hidden_column"]
    assert numbers_of(rows, lambda made: made.active.row_dimensions.__getitem__(9))[1] == []


@pytest.mark.parametrize(
    ("cells", "refused"), [("A2:A3", True), ("C2:C3", False), ("A1:A1", False)]
)
def test_merged_cells_are_refused_where_they_are_read(cells: str, refused: bool) -> None:
    rows = [["JC-1", DAY, "x"], ["JC-2", DAY, "y"]]
    codes = numbers_of(rows, lambda made: made.active.merge_cells(cells))[1]
    assert ("merged_cells" in codes) == refused


def test_merged_cells_beyond_counting_are_refused() -> None:
    cells = "".join(f'<mergeCell ref="C{n}:C{n + 1}"/>' for n in range(2, 20_004, 2))
    merged = f"</sheetData><mergeCells>{cells}</mergeCells>".encode()
    file = patched(
        book([["报告编号", "出具日期"], ["JC-1", DAY]]),
        {SHEET: lambda xml: xml.replace(b"</sheetData>", merged)},
    )
    problems = [p.code for batch in read_workbook(io.BytesIO(file), TERMS) for p in batch.problems]
    assert problems == ["merged_cells"]


def test_a_formula_that_a_program_left_to_excel_has_no_value() -> None:
    def uncomputed(xml: bytes) -> bytes:
        return xml.replace(b"<f>1+1</f><v />", b"<f>1+1</f><v>0</v>").replace(
            b"<f>1+1</f><v></v>", b"<f>1+1</f><v>0</v>"
        )

    content = patched(book([["报告编号", "出具日期"], ["=1+1", DAY]]), {SHEET: uncomputed})
    (batch,) = read_workbook(io.BytesIO(content), TERMS)
    assert [problem.code for problem in batch.problems] == ["no_value"]


def test_a_million_blank_rows_behind_the_table_cost_little() -> None:
    blank = b"".join(b'<row r="%d"><c r="A%d" s="0"/></row>' % (n, n) for n in range(3, 200_000))
    content = patched(
        book([["报告编号", "出具日期"], ["JC-1", DAY]]),
        {SHEET: lambda xml: xml.replace(b"</sheetData>", blank + b"</sheetData>")},
    )
    batches = list(read_workbook(io.BytesIO(content), TERMS))
    assert [batch.rows for batch in batches] == [1]


# --- any text -------------------------------------------------------------------------------------

ANY = st.one_of(
    st.text(st.characters(exclude_characters="\r\n"), min_size=1, max_size=12),
    st.text(st.sampled_from("0123456789.,E+e'`’=\"#- xX*^×检Ａ\u200b\u3164\u0301é"), max_size=12),
    st.sampled_from([*LOST, *KEPT, *NO_VALUES, "'1", '="1"', "#N/A", "nan-1", "+12", "Inf"]),
)


@settings(deadline=None, max_examples=300)
@given(texts=st.lists(ANY, min_size=1, max_size=6))
@example(texts=["1.0"])
@example(texts=["'0"])
@example(texts=["nan", "None1", "inf", "<NA>", "null"])
def test_the_fast_way_and_the_slow_way_take_the_same_of_any_text(texts: list[str]) -> None:
    def read(*, fast: bool) -> Any:
        out = io.StringIO()
        csv.writer(out, lineterminator="\n").writerows([(text, "2024-11-15") for text in texts])
        reading = CsvReading(TERMS)
        # before a header is complete nothing is taken fast; an unusual day takes the slow way
        body = out.getvalue() if fast else out.getvalue().replace("2024-11-15", "2024.11.15")
        try:
            data = ("报告编号,出具日期\n" + body).encode("utf-8", "surrogatepass")
            batches = [reading.feed(data), reading.finish()]
        except NotUtf8:
            return None
        rows = [row for batch in batches for row in good_rows(batch)]
        return rows, [tuple(problem) for batch in batches for problem in batch.problems]

    fast = read(fast=True)
    assert fast == read(fast=False)
    for _, number, _ in fast[0] if fast else ():
        # what is stored is what is looked up, by what the person saw
        assert normalised(number) == number
        assert is_usable(number)
        assert not lost_digits(number)


# what a cell of a sheet can hold and a person could see there; a leading sign is a formula to it
SEEN = st.one_of(
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12),
    st.text(
        st.sampled_from("检测甲Ａa1　 ·（)'’`\"\u200b\u00ad\u3164\u0301\ue863\ufe0f"), max_size=8
    ),
    st.sampled_from(["nan", "None", "#N/A", "测试\u3000 检测", "𠮷野", "Cafe\u0301", "ﬁ"]),
).filter(lambda text: text[:1] not in tuple("=＝@+-") and text.strip() != "")


def told(text: str) -> dict[str, str | None]:
    """What each way in makes of a name, None where it refuses it."""
    outcomes: dict[str, str | None] = {}
    for xlsx in (False, True):
        for name, (entries, errors) in tables(of_name(text), xlsx=xlsx).items():
            assert bool(entries) != bool(errors)
            outcomes[f"{name}{xlsx}"] = name_in(name, entries[0]) if entries else None
    try:
        outcomes["entry"] = entered(holder=text).holder
    except ValidationError:
        outcomes["entry"] = None
    return outcomes


@settings(deadline=None, max_examples=150)
@given(text=SEEN)
@example(text="'甲'")
@example(text="甲　 乙")
@example(text="#REF!")
def test_any_name_is_taken_as_the_same_by_every_way_in_or_refused_by_all(text: str) -> None:
    """In a sheet, in CSV and in JSON: what is taken is seen, found, and printed or told of."""
    outcomes = told(text)
    names = set(outcomes.values())
    if None in names or "" in names:
        # of marks alone a list makes an empty cell, which it may have
        assert names <= {None, ""}, outcomes
        return
    for name in names:
        assert name is not None
        assert unseen(name) is None
        assert unicodedata.is_normalized("NFC", name)
        assert name_key(name) == name_key(text)
        applied = entered(holder=name)
        problems = content_problems(RULES, applied, missing_characters)
        codes = {one.code for one in problems if one.pointer == "/holder"}
        assert codes == ({"characters_missing"} if missing_characters(name) else set())


@settings(deadline=None, max_examples=20)
@given(text=SEEN)
@example(text="𠮷野检测")
def test_a_name_that_passes_its_check_prints_and_another_does_not(text: str) -> None:
    name = told(text)["entry"]
    if name is None:
        return
    one = certificate(content={"holder": name})
    passes = not content_problems(RULES, one.content, missing_characters)
    try:
        printed = render_certificate(one, issuer_name=ISSUER, url=URL, timestamp=PRINTED)
    except MissingCharacters:
        assert not passes
    else:
        assert passes
        assert printed.startswith(b"%PDF")
