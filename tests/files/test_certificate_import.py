"""Files of certificates: rows into certificates, every problem with its row, column and code."""

import csv
import io
from datetime import date, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.certificates.certificate import Capability, Equipment, Signatory
from domain.certificates.imports import ImportedCertificate
from files import certificate_import
from files.certificate_import import COLUMNS, IMPORT, LABELS, ImportReading, read_import
from rules.certificates.certificates import CertificateRules, current_certificate_rules
from rules.file.library import SHIPPED
from tests.import_files import IDS, book, cells, row, table, workbook

RULES = current_certificate_rules(SHIPPED)
TODAY = date(2026, 1, 15)


def read(
    content: bytes,
    filename: str = "a.csv",
    *,
    authority: str = "amr-350000",
    rules: CertificateRules = RULES,
    today: date = TODAY,
) -> ImportReading:
    return read_import(
        content,
        filename,
        rules=rules,
        authority=authority,
        today=today,
        known_regions=lambda code: code in ("350102", "440106"),
    )


def errors(reading: ImportReading) -> list[tuple[int, str, str]]:
    return [(p.row, p.column, p.code) for p in reading.problems if p.level == "error"]


def one(*rows: dict[str, Any]) -> ImportedCertificate:
    reading = read(table(*rows))
    assert errors(reading) == []
    (found,) = reading.certificates
    return found


def wrong(**changed: Any) -> list[tuple[str, str]]:
    reading = read(table(row(**changed)))
    assert (reading.certificates, set(reading.bad)) == ((), {2})
    return [(column, code) for _, column, code in errors(reading)]


# --- what a row says ------------------------------------------------------------------------------


def test_a_row_is_a_certificate_with_its_decision() -> None:
    found = one(row(sites="一号楼；二号楼", number="241301060345", valid_from="2025年3月1日",
                    valid_to="2031/2/28"))  # fmt: skip
    assert (found.row, found.content.holder) == (2, "测试检测机构 1（生成）")
    assert (found.content.field, found.content.industry) == ("01", "06")
    assert (found.content.level, found.content.issuer) == ("provincial", "amr-350000")
    assert found.content.sites == ("一号楼", "二号楼")
    assert found.content.signatories == (
        Signatory(name="测试甲", field="建筑工程"),
        Signatory(name="测试乙"),
    )
    assert found.content.equipment == (Equipment(name="万能试验机", model="WE-1000"),)
    assert found.decided is not None
    assert (found.decided.number, found.decided.approved_on) == ("241301060345", date(2025, 3, 1))
    assert (found.decided.valid_from, found.decided.valid_to) == (
        date(2025, 3, 1),
        date(2031, 2, 28),
    )
    assert (found.approver, found.region, found.legal_person) == (
        "测试批准人（生成）",
        "350102",
        True,
    )


def test_without_a_decision_it_is_an_application() -> None:
    found = one(row(approved_on="", document="", approver=""))
    assert (found.decided, found.approver) == (None, "")


@pytest.mark.parametrize("number", ["241301060345", "旧", "CMA-2011(闽)字001", "012345678901"])
def test_a_number_is_kept_as_it_is_or_refused(number: str) -> None:
    if number.isascii():
        assert one(row(number=number)).number == number
    else:
        assert wrong(number=number) == [("证书编号", "bad_code")]


def test_a_number_that_says_something_else_is_pointed_out_and_kept() -> None:
    reading = read(table(row(1, number="CMA-2011-1"), row(2, number="241302060001"), row(3)))
    assert [(p.row, p.code, p.level) for p in reading.problems] == [
        (2, "unusual_number", "notice"),
        (3, "unusual_number", "notice"),
    ]
    assert len(reading.certificates) == 3


def test_a_number_of_another_authority_is_refused_with_the_names_of_both() -> None:
    reading = read(table(row(1, number="241101060001"), row(2, number="241301060002")))
    [problem] = reading.problems
    assert (problem.row, problem.column, problem.code) == (2, "证书编号", "other_issuer")
    assert problem.level == "error"
    assert "浙江省市场监督管理局" in problem.message
    assert "福建省市场监督管理局" in problem.message
    assert [one.number for one in reading.certificates] == ["241301060002"]


def test_further_rows_with_the_same_key_continue_the_lists() -> None:
    found = one(
        row(key="A", equipment="甲机"),
        {"key": "A", "category": "钢筋", "item": "拉伸", "standard": "GB/T 228.1-2021"},
        # filled down by dragging: the same as the first row, but for the capability
        row(key="A", equipment="甲机\n乙机（B-2）", item="抗折强度", limits="不含 C60 以上"),
        {"key": "A", "signatories": "测试丙"},
    )
    assert found.rows == (2, 3, 4, 5)
    assert found.content.capabilities == (
        Capability(category="混凝土", item="抗压强度", standard="GB/T 50081", year="2019"),
        Capability(category="钢筋", item="拉伸", standard="GB/T 228.1", year="2021"),
        Capability(
            category="混凝土",
            item="抗折强度",
            standard="GB/T 50081",
            year="2019",
            limits="不含 C60 以上",
        ),
    )
    assert [e.name for e in found.content.equipment] == ["甲机", "乙机"]
    assert [s.name for s in found.content.signatories] == ["测试甲", "测试乙", "测试丙"]


def test_rows_of_one_key_must_agree() -> None:
    reading = read(table(row(1, key="1"), row(2, key="1", item="抗折强度")))
    assert ("机构编号", "conflicting_rows") in {(c, code) for _, c, code in errors(reading)}
    assert {number for number, _, _ in errors(reading)} == {3}
    assert (reading.total, set(reading.bad)) == (1, {2})


def test_a_row_of_nothing_but_a_capability_spoils_what_it_may_belong_to() -> None:
    lost = {"category": "钢筋", "item": "拉伸", "standard": "GB/T 228.1", "year": "2021"}
    reading = read(table(row(1, key="1"), lost, row(2, key="2")))
    assert (3, "序号", "row_without_certificate") in errors(reading)
    assert (2, "序号", "row_in_doubt") in errors(reading)
    assert [found.row for found in reading.certificates] == [4]


def test_a_bad_further_row_keeps_the_whole_certificate_out() -> None:
    more = {"key": "1", "category": "钢筋", "item": "拉伸", "standard": "GB 1", "year": "x"}
    reading = read(table(row(1, key="1"), more, row(2)))
    assert errors(reading) == [(3, "标准年份", "bad_year")]
    assert [found.row for found in reading.certificates] == [4]


def test_a_capability_named_twice_is_told_where_it_stands_again() -> None:
    reading = read(table(row(key="1"), row(key="1")))
    assert errors(reading) == [(3, "产品或参数", "duplicate")]


@pytest.mark.parametrize(
    ("changed", "column", "code"),
    [
        ({"number": "1", "approved_on": "", "document": "", "approver": ""}, "证书编号",
         "undecided_with_number"),
        ({"approved_on": ""}, "审批日期", "decision_half_filled"),
        ({"approved_on": "2026-01-16"}, "审批日期", "decision_impossible"),
        ({"valid_from": "2025-03-01", "valid_to": "2031-02-28"}, "有效期止",
         "decision_impossible"),
        ({"number": "1", "valid_from": "2031-03-01", "valid_to": "2031-02-28"}, "有效期止",
         "decision_impossible"),
        ({"valid_from": "2025-03-01"}, "有效期起", "decision_impossible"),
        ({"valid_to": "2031-02-28"}, "有效期止", "decision_impossible"),
        ({"number": "1", "valid_from": "2025-03-01"}, "有效期止", "decision_impossible"),
        ({"number": "1", "valid_to": "2031-02-28"}, "有效期起", "decision_impossible"),
        ({"equipment": "=cmd|calc"}, "仪器设备", "bad_characters"),
        ({"document": "文" * 201}, "审批文书号", "too_long"),
        ({"sites": "所" * 301}, "场所", "too_long"),
        ({"address": "#REF!"}, "地址", "cell_error"),
        ({"limits": "含\x00"}, "限制", "bad_characters"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_at_its_column(
    changed: dict[str, Any], column: str, code: str
) -> None:
    assert wrong(**changed) == [(column, code)]


def test_a_decision_of_today_is_possible_and_one_of_tomorrow_is_not() -> None:
    assert one(row(approved_on="2026-01-15")).decided is not None
    assert wrong(approved_on="2026-01-16") == [("审批日期", "decision_impossible")]


def test_what_comes_twice_is_refused() -> None:
    reading = read(
        table(
            row(1, number="241301060001"),
            row(2, number="241301060001"),
            row(3, renews="241301060009"),
            row(4, renews="241301060009"),
            row(5),
            row(5, key="other"),
        )
    )
    assert errors(reading) == [
        (2, "证书编号", "duplicate_number"),
        (3, "证书编号", "duplicate_number"),
        (4, "延续的原证书编号", "duplicate_renews"),
        (5, "延续的原证书编号", "duplicate_renews"),
        (7, "", "duplicate_row"),
    ]
    assert [found.row for found in reading.certificates] == [6]


def test_the_nations_office_issues_national_certificates() -> None:
    found = read(table(row(level="", region="440106")), authority="samr")
    assert [one.content.level for one in found.certificates] == ["national"]


def test_a_connected_province_brings_only_numbers_that_exist() -> None:
    document = RULES.document.model_dump(mode="json", by_alias=True)
    own = {"mode": "connected", "cite": {"assume": "测试"}}
    document["modes"]["provinces"]["amr-350000"] = own
    connected = CertificateRules(document)
    rows = (row(1, number="241301060001"), row(2), row(3, approved_on="", document="", approver=""))
    reading = read(table(*rows), rules=connected)
    assert errors(reading) == [
        (3, "证书编号", "connected_mode"),
        (4, "证书编号", "connected_mode"),
    ]
    assert [found.row for found in reading.certificates] == [2]
    assert errors(read(table(*rows))) == []


# --- files ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
def test_every_encoding_a_spreadsheet_writes_is_read(encoding: str) -> None:
    reading = read(table(row(holder="测试𠮷检测（生成）"), encoding=encoding))
    assert [found.content.holder for found in reading.certificates] == ["测试𠮷检测（生成）"]


def test_names_of_columns_may_be_english_in_any_order() -> None:
    names = list(reversed(IDS))
    text = io.StringIO()
    given = row()
    csv.writer(text).writerows([names, [given.get(name, "") for name in names]])
    assert len(read(text.getvalue().encode()).certificates) == 1


def test_a_workbook_with_dates_as_dates_and_as_serials() -> None:
    given = row(approved_on=datetime(2025, 3, 1), number="241301060001")  # noqa: DTZ001
    serials = given | {"institution": "x", "approved_on": 45717, "number": "241301060002"}
    reading = read(workbook(given, serials), "a.xlsx")
    days = [found.decided.approved_on for found in reading.certificates if found.decided]
    assert days == [date(2025, 3, 1)] * 2
    assert [p.code for p in reading.problems] == ["serial_date"]


def test_a_number_cell_keeps_all_its_digits_or_is_refused() -> None:
    reading = read(workbook(row(1, number=241301060001), row(2, number=91301060001)), "a.xlsx")
    assert [found.number for found in reading.certificates] == ["241301060001"]
    assert errors(reading) == [(3, "证书编号", "lost_digits")]


def test_codes_that_lost_their_zero_are_read_by_their_table() -> None:
    reading = read(workbook(row(field=1, industry=6)), "a.xlsx")
    (found,) = reading.certificates
    assert (found.content.field, found.content.industry) == ("01", "06")


def test_formulas_and_errors_in_cells_are_told() -> None:
    content = workbook(row(1, holder='=HYPERLINK("http://x","y")'), row(2))
    reading = read(content, "a.xlsx")
    assert errors(reading) == [(2, "机构名称", "no_value")]
    assert [found.row for found in reading.certificates] == [3]


def test_a_cell_of_a_megabyte_is_refused_and_nothing_else_happens() -> None:
    big = "长" * 350_000
    assert errors(read(table(row(1, address=big), row(2)))) == [(2, "", "too_long")]
    lines = cells(row(1, limits="长" * 32_767), row(2))
    assert errors(read(book(lines), "a.xlsx")) == [(2, "限制", "too_long")]


@pytest.mark.parametrize(
    ("content", "filename", "code"),
    [
        (b"", "a.csv", "empty"),
        (b"PK\x03\x04", "a.xlsx", "broken_workbook"),
        (b"PK\x03\x04", "a.csv", "wrong_type"),
        (b"a,b\r\n1,2\r\n", "a.csv", "unknown_column"),
        ("机构编号,机构编号\r\n".encode(), "a.csv", "duplicate_column"),
        ("机构编号,机构名称\r\n".encode(), "a.csv", "missing_column"),
        (table(), "a.csv", "empty"),
        (b"\xff" * 10, "a.csv", "unknown_encoding"),
        (table(row()), "a.pdf", "wrong_type"),
    ],
)
def test_a_file_of_no_use_is_one_problem(content: bytes, filename: str, code: str) -> None:
    reading = read(content, filename)
    assert [c for _, _, c in errors(reading)] == [code]
    assert reading.certificates == ()


def test_one_certificate_more_than_the_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(certificate_import, "MAX_CERTIFICATES", 2)
    more = {"key": "1", "category": "钢筋", "item": "拉伸", "standard": "GB 1"}
    assert len(read(table(row(1, key="1"), more, row(2))).certificates) == 2
    assert errors(read(table(row(1), row(2), row(3)))) == [(0, "", "too_many_rows")]


def test_the_template_can_be_filled_in_as_it_is() -> None:
    content = IMPORT.template()
    assert content.startswith(b"\xef\xbb\xbf")
    header = content.decode("utf-8-sig").splitlines()[0].split(",")
    assert header == [column.label for column in COLUMNS]
    reading = read(content)
    assert (errors(reading), len(reading.certificates), reading.lines) == ([], 2, 3)


def test_no_two_columns_share_a_name() -> None:
    names = [name for c in COLUMNS for name in {c.label, c.id, *c.aliases}]
    assert len(names) == len(set(names)) == len(IMPORT.named())
    assert set(LABELS) == {column.id for column in COLUMNS}


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from(IDS), st.text(max_size=60), max_size=6))
def test_whatever_stands_in_cells_is_a_certificate_or_told(changed: dict[str, str]) -> None:
    # lone surrogates can stand in no file
    clean = {k: v.encode("utf-8", "ignore").decode() for k, v in changed.items()}
    reading = read(table(row(1, **clean), row(2)))
    told = {number for number, _, _ in errors(reading)}
    assert bool(told) or len(reading.certificates) == 2
    for found in reading.certificates:
        assert found.row not in told


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=400), st.sampled_from(["a.csv", "a.xlsx"]))
def test_no_bytes_make_the_reader_raise(content: bytes, filename: str) -> None:
    reading = read(content, filename)
    assert reading.certificates == ()
    assert errors(reading)
