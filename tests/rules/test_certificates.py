"""The rules of certificates: days, codes, modes; the file checked, found by year, kept."""

import re
import shutil
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.demo.rules import write_rules
from domain.certificates.certificate import (
    CERTIFICATE_STATUS_LABELS,
    CertificateContent,
    CertificateStatus,
)
from domain.days import months_after, months_before
from rules.certificates.certificates import (
    CertificateRules,
    NoAuthorityCode,
    current_certificate_rules,
    read_certificates,
    resolve_certificates,
)
from rules.check.certificate_checks import check_certificates, shortcomings
from rules.check.checks import check_folder
from rules.file.certificate_schema import CertificateExample
from rules.file.findings import RulesInvalid
from rules.file.library import SHIPPED, RuleLibrary, RuleSetNotFound

NAME = "2019/certificates"
RULES = current_certificate_rules(SHIPPED)
EXAMPLES = [
    pytest.param(example, id=example.name)
    for example in read_certificates(RuleLibrary(), NAME).file.examples
]
DAYS = st.dates(date(2000, 1, 1), date(2150, 12, 31))
DAY = timedelta(days=1)


@pytest.mark.parametrize("example", EXAMPLES)
def test_example_holds(example: CertificateExample) -> None:
    assert shortcomings(RULES, example) == []


def test_a_failing_example_says_expected_and_got() -> None:
    wrong = {"name": "错的", "issued_on": "2020-02-29", "expect": {"valid_to": "2026-03-01"}}
    assert shortcomings(RULES, CertificateExample.model_validate(wrong)) == [
        "有效期最后一天应为 2026-03-01，实为 2026-02-28"
    ]


@given(DAYS)
def test_the_day_after_the_last_is_six_years_later(issued: date) -> None:
    first, last = RULES.validity(issued)
    after = last + DAY
    assert first == issued
    assert after.year == issued.year + 6
    leap_day = (issued.month, issued.day) == (2, 29)
    assert (after.month, after.day) == ((3, 1) if leap_day else (issued.month, issued.day))


@given(DAYS)
def test_three_whole_months_remain_after_the_last_day_to_apply_and_not_after_the_next(
    last: date,
) -> None:
    due, end = RULES.renewal_due(last), last + DAY
    assert months_after(due + DAY, 3) <= end
    assert months_after(due + 2 * DAY, 3) > end
    assert RULES.renewal_stage(last, due) == "open"
    assert RULES.renewal_stage(last, due + DAY) == "late"
    opens = RULES.renewal_opens(last)
    assert RULES.renewal_stage(last, opens) == "open"
    assert RULES.renewal_stage(last, opens - DAY) == "early"


@given(DAYS, st.integers(0, 100))
def test_months_back_are_the_latest_day_from_which_they_fit(end: date, months: int) -> None:
    start = months_before(end, months)
    assert months_after(start, months) <= end < months_after(start + DAY, months)


@given(DAYS)
def test_reminders_come_in_order_while_renewal_is_open_at_midnight_in_beijing(last: date) -> None:
    reminders = RULES.reminders(last)
    days = [one.at.date() for one in reminders]
    assert len(days) == 3
    assert days == sorted(days)
    assert all(RULES.renewal_stage(last, day) == "open" for day in days)
    assert all(one.at.isoformat().endswith("T00:00:00+08:00") for one in reminders)
    assert (RULES.renewal_due(last) - days[-1]).days == 7


def test_every_code_leads_to_its_authority_and_back() -> None:
    for code, authority in RULES.tables.authorities.items():
        assert RULES.tables.authorities[code] == authority
        assert RULES.authority_code(authority) == code
        assert RULES.authority_name(authority) != authority
    assert len(RULES.tables.authorities) == 32
    assert (len(RULES.tables.fields), len(RULES.tables.industries)) == (22, 35)
    assert RULES.authority_code("amr-330000") == "11"
    assert (RULES.field_name("00"), RULES.industry_name("34")) == ("食品", "其他")
    assert "32" not in RULES.tables.authorities
    assert RULES.field_name("22") is RULES.industry_name("35") is None


def test_the_corps_has_no_code_and_is_told_so() -> None:
    with pytest.raises(NoAuthorityCode, match="新疆生产建设兵团市场监督管理局"):
        RULES.authority_code("amr-660000")


def test_deadlines_of_the_notice() -> None:
    last = {one.id: (one.last, one.cite.document, one.cite.clause) for one in RULES.deadlines}
    notice = "市监检测函〔2019〕1364号"
    assert last == {
        "plan": (date(2019, 7, 31), notice, "四（二）"),
        "connected": (date(2019, 12, 31), notice, "四（二）"),
    }


def test_a_province_moves_to_the_connected_mode_by_yaml_alone(folder: Path) -> None:
    assert RULES.mode("amr-350000") == "manual"
    path = folder / f"{NAME}.yaml"
    own = "provinces: {amr-350000: {mode: connected, cite: {assume: 依据该省来函}}}"
    path.write_text(path.read_text("utf-8").replace("provinces: {}", own), "utf-8")
    assert check_certificates(RuleLibrary(folder), path, f"{NAME}.yaml") == []
    rules = current_certificate_rules(folder)
    assert (rules.mode("amr-350000"), rules.mode("amr-430000")) == ("connected", "manual")
    assert rules.mode_cite("amr-350000").assumption == "依据该省来函"
    assert rules.mode_cite("amr-430000").clause == "三"
    assert rules.ref.sha256 != RULES.ref.sha256


def test_changes_touch_only_what_a_certificate_has() -> None:
    assert len(RULES.changes) == 5
    touched = {name for change in RULES.changes for name in change.may_change}
    assert touched < set(CertificateContent.model_fields)
    fixed = {"institution", "level", "issuer", "field", "industry"}
    assert set(CertificateContent.model_fields) - touched == fixed


def test_every_ending_needs_reason_document_and_approver() -> None:
    labels = {CertificateStatus(one.id): one.label for one in RULES.endings}
    assert labels == {
        status: CERTIFICATE_STATUS_LABELS[status]
        for status in (
            CertificateStatus.DEREGISTERED,
            CertificateStatus.REVOKED,
            CertificateStatus.RESCINDED,
        )
    }
    assert all(one.requires == ("reason", "document", "approver") for one in RULES.endings)


def test_every_value_that_decides_is_cited_or_says_why_not(library: RuleLibrary) -> None:
    for origin in resolve_certificates(library).provenance:
        if origin.path.split(".")[0].split("[")[0] in (
            "number",
            "validity",
            "renewal",
            "reminders",
            "modes",
            "deadlines",
            "changes",
            "endings",
        ):
            assert origin.cite is not None, origin.path
            assert origin.cite.quote or origin.cite.assumption, origin.path


def test_a_later_years_file_takes_over_from_its_year(small: Path) -> None:
    later = small / "2023" / "certificates.yaml"
    later.parent.mkdir()
    text = (small / f"{NAME}.yaml").read_text("utf-8")
    later.write_text(
        text.replace("certificates-2019", "certificates-2023").replace("year: 2019", "year: 2023")
    )
    assert check_folder(RuleLibrary(small)) == []
    found = {
        year: current_certificate_rules(small, year).ref.id
        for year in (2019, 2022, 2023, 2030, None)
    }
    assert list(found.values()) == ["certificates-2019"] * 2 + ["certificates-2023"] * 3
    with pytest.raises(RuleSetNotFound, match="2019/certificates"):
        current_certificate_rules(small, 2018)


def test_changed_files_are_seen_and_a_broken_one_is_never_used(folder: Path) -> None:
    path = folder / f"{NAME}.yaml"
    path.write_text(path.read_text("utf-8").replace("revision: 1", "revision: 2"), "utf-8")
    assert current_certificate_rules(folder).ref.revision == 2
    path.write_text(path.read_text("utf-8").replace('"00": samr', '"00": nobody'), "utf-8")
    with pytest.raises(RulesInvalid):
        current_certificate_rules(folder)


def test_the_demonstrations_folder_has_them_too(tmp_path: Path) -> None:
    write_rules(tmp_path / "rules", date(2026, 3, 1))
    assert current_certificate_rules(tmp_path / "rules").ref == RULES.ref


def test_the_stored_document_answers_alone_and_forms_no_campaigns_set(library: RuleLibrary) -> None:
    resolved = resolve_certificates(library)
    again = CertificateRules(resolved.document)
    assert again.ref == resolved.ref()
    assert again.validity(date(2020, 2, 29)) == (date(2020, 2, 29), date(2026, 2, 28))
    assert NAME not in library.names
    assert all(year != 2019 for year, _ in library.sets())


CASES = {
    # old, new, code, words
    "unknown key": ("revision: 1", "revison: 1\nrevision: 1", "unknown_key", "revision"),
    "unquoted code": ('      "08": amr-230000', "      08: amr-230000", "yaml_surprise", "08"),
    "one digit": ('      "08": amr-230000', '      "8": amr-230000', "invalid_value", "8"),
    "code twice": ('      "02": amr-120000', '      "01": amr-120000', "duplicate_key", "01"),
    "authority twice": ("amr-120000", "amr-110000", "duplicate_code", "一个部门只有一个代码"),
    "no such authority": ("amr-120000", "amr-990000", "unknown_authority", "amr-990000"),
    "city with a mode": (
        "provinces: {}",
        "provinces: {amr-350100: {mode: connected, cite: {assume: x}}}",
        "unknown_authority",
        "不是省级",
    ),
    "unknown mode": ("default: manual", "default: automatic", "unknown_value", "automatic"),
    "misquoted": ("2019 年 7 月底之前将", "2019 年 8 月底之前将", "quote_not_in_source", "逐字"),
    "uncited": ("    cite: {assume: 通知没有写专业领域代码", "    cite: {note: 通知没有写", "", ""),
    "source of another name": ("  n1364:\n", "  n1365:\n", "unused_source", "n1365"),
    "no time to renew": (
        "opens_months_before: 6",
        "opens_months_before: 3",
        "reversed_window",
        "due_months_before",
    ),
    "no such day": ('last: "2019-07-31"', 'last: "2019-06-31"', "invalid_value", "真实存在"),
    "no ending": ("  - id: rescinded", "  - id: revoked", "invalid_value", "rescinded"),
    "wrong year": ("year: 2019", "year: 2018", "year_mismatch", "2019"),
    "wrong example": ('valid_to: "2026-02-28", re', 'valid_to: "2026-03-01", re', "", "2026-02-28"),
    "idle example": (
        '    expect: {valid_to: "2026-02-27"}',
        "    expect: {}",
        "invalid_value",
        "expect",
    ),
    "example without a day": (
        '    day: "2019-07-11"\n',
        "",
        "invalid_value",
        "要写 day",
    ),
}


ABOVE = {"no ending": 9, "wrong example": 2, "idle example": 2, "example without a day": 2}
"""How many lines above the spoilt one stands the list or example that the finding is about."""


@pytest.mark.parametrize("name", CASES)
def test_is_refused_with_its_line(name: str, folder: Path) -> None:
    old, new, code, words = CASES[name]
    path = folder / f"{NAME}.yaml"
    text = path.read_text("utf-8")
    assert old in text
    line = text[: text.index(old)].count("\n") + 1
    path.write_text(text.replace(old, new, 1), "utf-8")
    findings = check_certificates(RuleLibrary(folder), path, f"{NAME}.yaml")
    assert findings
    assert {one.file for one in findings} == {f"{NAME}.yaml"}
    matching = [one for one in findings if (not code or one.code == code) and words in one.message]
    assert matching, [str(one) for one in findings]
    assert matching[0].line == line - ABOVE.get(name, 0), [str(one) for one in matching]


def test_the_check_of_a_folder_is_one_of_its_certificates_too(small: Path) -> None:
    path = small / f"{NAME}.yaml"
    old, new, code, _ = CASES["misquoted"]
    path.write_text(path.read_text("utf-8").replace(old, new, 1), "utf-8")
    assert [(f.file, f.code) for f in check_folder(RuleLibrary(small))] == [(f"{NAME}.yaml", code)]


def test_a_file_elsewhere_is_checked_with_the_folders_sources(tmp_path: Path) -> None:
    path = tmp_path / "certificates.yaml"
    shutil.copy(SHIPPED / f"{NAME}.yaml", path)
    assert check_certificates(RuleLibrary(), path, str(path)) == []
    text = path.read_text("utf-8")
    path.write_text(re.sub(r"(?m)^revision: \d+", "revision: 0", text))
    (finding,) = check_certificates(RuleLibrary(), path, str(path))
    line = 1 + next(n for n, one in enumerate(text.splitlines()) if one.startswith("revision: "))
    assert (finding.file, finding.line) == (str(path), line)
    (missing,) = check_certificates(RuleLibrary(), tmp_path / "none.yaml", "none.yaml")
    assert missing.code == "file_missing"
