"""A rule file that is not in order is refused with its file, its line and a helpful sentence."""

from collections.abc import Callable
from pathlib import Path

import pytest

from rules.check.checks import check_folder, check_name
from rules.file.findings import Finding
from rules.file.library import RuleLibrary

NATIONAL, FUJIAN, HUNAN, YEAR_2020 = (
    "2024/national",
    "2023/fujian",
    "2023/hunan",
    "2020/national",
)


def spoil(folder: Path, name: str, old: str, new: str) -> int:
    """Replace the first ``old`` in a file; the line where the new text starts."""
    path = folder / f"{name}.yaml"
    text = path.read_text("utf-8")
    assert old in text
    line = text[: text.index(old)].count("\n") + 1
    path.write_text(text.replace(old, new, 1), "utf-8")
    return line


def only(folder: Path, name: str) -> Finding:
    findings = check_name(RuleLibrary(folder), name)
    assert len(findings) == 1, [str(finding) for finding in findings]
    return findings[0]


Case = tuple[str, str, str, int | None, str, str]

PUBLISHED = """  publication:
    fewest: 5
    figures:
      part: statistics
      values: [staff, reports]
      by_field: {table: reports_by_field, column: field, adds_up_to: {reports: reports}}
      dominant: 80
      cite: {assume: 测试（生成）：可以公布}
    cite: {assume: 测试（生成）：少于五家的不公布}
"""


def published(old: str, new: str) -> str:
    assert old in PUBLISHED
    return f"{PUBLISHED.replace(old, new)}  quality_check:"


CASES: dict[str, Case] = {
    "a published figure that gives another away": (
        NATIONAL,
        "  quality_check:",
        published("[staff, reports]", "[staff, reports, staff_bachelor]"),
        4,
        "derivable_figure",
        "staff 由 staff_bachelor 推算",
    ),
    "a published figure there is not": (
        NATIONAL,
        "  quality_check:",
        published("[staff, reports]", "[staf, reports]"),
        4,
        "unknown_field",
        "没有能够相加的字段 staf",
    ),
    "published shares are no sums": (
        NATIONAL,
        "  quality_check:",
        published("[staff, reports]", "[imported_share, reports]"),
        4,
        "unknown_field",
        "没有能够相加的字段 imported_share",
    ),
    "published figures of a part there is not": (
        NATIONAL,
        "  quality_check:",
        published("part: statistics", "part: statistic"),
        3,
        "unknown_part",
        "没有 statistic 这一部分",
    ),
    "figures by a field there is not": (
        NATIONAL,
        "  quality_check:",
        published("column: field", "column: fields"),
        5,
        "unknown_field",
        "没有单选的列 fields",
    ),
    "figures by field without their total": (
        NATIONAL,
        "  quality_check:",
        published("{reports: reports}", "{reports: patents}"),
        5,
        "unknown_field",
        "合计 patents 没有列入",
    ),
    # name: file, old, new, lines below the replacement, code, words of the sentence
    "unknown key": (
        NATIONAL,
        "revision: 4",
        "revison: 4\nrevision: 4",
        0,
        "unknown_key",
        "revision",
    ),
    "a reminder names what it has not": (
        NATIONAL,
        "{institution}：{year}年度检验检测统计尚未提交",
        "{name}：{year}年度检验检测统计尚未提交",
        0,
        "unknown_placeholder",
        "{institution}（机构名称）",
    ),
    "a reminder with half a brace": (
        NATIONAL,
        "{institution}：{year}年度检验检测统计尚未提交",
        "{institution：{year}年度检验检测统计尚未提交",
        0,
        "unknown_placeholder",
        "花括号不成对",
    ),
    "a reminder that looks into what it names": (
        NATIONAL,
        "{institution}：{year}年度检验检测统计尚未提交",
        "{institution.name}：{year}年度检验检测统计尚未提交",
        0,
        "unknown_placeholder",
        "不认识的占位",
    ),
    "a reminder before its window": (
        NATIONAL,
        "days: -7",
        "days: -68",
        0,
        "window_order",
        "不在填报期限的 2025-01-13 至 2025-03-21 之内",
    ),
    "a reminder after its closing": (
        NATIONAL,
        "days: -7",
        "days: 1",
        0,
        "window_order",
        "晚于截止",
    ),
    "a reminder of a window that is not stated": (
        NATIONAL,
        "anchor: fill.closing",
        "anchor: supplement.closing",
        0,
        "unknown_window",
        "windows.supplement",
    ),
    "unknown key deep": (
        NATIONAL,
        "      why_not: 机构没有选取",
        "      whynot: x\n      why_not: 机构没有选取",
        0,
        "unknown_key",
        "why_not",
    ),
    "duplicate key": (
        NATIONAL,
        "year: 2024",
        "year: 2024\nyear: 2024",
        1,
        "duplicate_key",
        "第 5 行",
    ),
    "unquoted code": (NATIONAL, '"000000"', "010203", 0, "yaml_surprise", '"010203"'),
    "unquoted no": (
        NATIONAL,
        "title: 2024年度检验检测服务业统计",
        "title: no",
        0,
        "yaml_surprise",
        '"no"',
    ),
    "unquoted date": (NATIONAL, '"2024-12-31"', "2024-12-31", 0, "yaml_surprise", "日期"),
    "sexagesimal": (NATIONAL, "revision: 4", "revision: 4:30", 0, "yaml_surprise", "六十进制"),
    "reversed window": (
        NATIONAL,
        '      to: "2025-03-21"',
        '      to: "2025-01-12"',
        0,
        "reversed_window",
        "早于",
    ),
    "overlapping window": (
        FUJIAN,
        '      from: "2024-03-01"',
        '      from: "2024-02-29"',
        0,
        "overlapping_windows",
        "补报",
    ),
    "gap between windows": (
        FUJIAN,
        '      from: "2024-03-01"',
        '      from: "2024-03-02"',
        0,
        "gap_between_windows",
        "次日",
    ),
    "overlapping stages": (
        FUJIAN,
        "      overlaps: [preparation]\n",
        "",
        -2,
        "overlapping_stages",
        "overlaps: [preparation]",
    ),
    "no such day": (
        FUJIAN,
        '      to: "2024-02-29"',
        '      to: "2024-02-30"',
        0,
        "invalid_value",
        "不是真实存在的日期",
    ),
    "unknown source": (
        NATIONAL,
        "cite: {source: n595, clause: 三（二）",
        "cite: {source: n596, clause: 三（二）",
        0,
        "unknown_source",
        "n595",
    ),
    "unused source": (
        NATIONAL,
        "sources:\n",
        "sources:\n  spare: {document: 文, title: 题, text: samr-2019-1364.txt}\n",
        1,
        "unused_source",
        "spare",
    ),
    "misquoted": (
        NATIONAL,
        "quote: 仅填写一次统计报表",
        "quote: 仅填写两次统计报表",
        0,
        "quote_not_in_source",
        "逐字",
    ),
    "quote missing": (NATIONAL, ", quote: 仅填写一次统计报表", "", 0, "invalid_value", "quote"),
    "misspelt fact": (
        NATIONAL,
        "when: choice != '' && has_certificate",
        "when: chioce != ''",
        0,
        "unknown_fact",
        "choice",
    ),
    "misspelt field": (
        NATIONAL,
        "assign: widest.issuer",
        "assign: widest.isuer",
        0,
        "unknown_fact",
        "issuer",
    ),
    "fact not yet known": (
        NATIONAL,
        "when: review_group != ''",
        "when: chosen != ''",
        0,
        "unknown_fact",
        "还不能用",
    ),
    "wrong type": (
        NATIONAL,
        "when: choice != '' && has_certificate",
        "when: choice",
        0,
        "condition_type",
        "真假",
    ),
    "types that do not mix": (
        NATIONAL,
        "when: choice != '' && has_certificate",
        "when: choice != 1",
        0,
        "condition_type",
        "类型",
    ),
    "condition syntax": (
        NATIONAL,
        "when: choice != '' && has_certificate",
        "when: choice !=",
        0,
        "condition_syntax",
        "条件写法",
    ),
    "condition that fails": (
        NATIONAL,
        "when: choice != '' && has_certificate",
        "when: certs[0].issuer != ''",
        None,
        "condition_fails",
        "算不出",
    ),
    "unreachable after always": (
        NATIONAL,
        "      when: choice != '' && has_certificate\n",
        '      when: "true"\n',
        None,
        "unreachable_reviewer",
        "总是适用",
    ),
    "overlay not allowed": (
        FUJIAN,
        "filing:\n",
        "filing:\n  quality_check: {by: cnas, cite: {assume: 试写一条规则}}\n",
        1,
        "overlay_not_allowed",
        "filing.quality_check",
    ),
    "overlay item not allowed": (
        FUJIAN,
        "filing:\n",
        "filing:\n  national_department:\n    - {id: group, remove: true}\n",
        2,
        "overlay_not_allowed",
        "filing.national_department[group]",
    ),
    "overlay removes nothing": (
        FUJIAN,
        "  reviewers:\n",
        "  reviewers:\n    - {id: nothing, remove: true}\n",
        1,
        "overlay_unknown_item",
        "nothing",
    ),
    "unknown base": (
        FUJIAN,
        "extends: 2023/national",
        "extends: 2023/natoinal",
        0,
        "unknown_base",
        "2023/national",
    ),
    "cycle": (FUJIAN, "extends: 2023/national", "extends: 2023/fujian", 0, "extends_cycle", "圈"),
    "other year": (FUJIAN, "year: 2023", "year: 2024", 0, "year_mismatch", "2024"),
    "not below its base": (
        FUJIAN,
        'jurisdiction: "350000"',
        'jurisdiction: "000000"',
        0,
        "jurisdiction_mismatch",
        "辖区",
    ),
    "failing example": (
        NATIONAL,
        "    expect: {outside: [fill, correct, review]}",
        "    expect: {inside: [fill]}",
        -2,
        "example_fails",
        "窗口内应为 fill",
    ),
    "unknown form": (
        NATIONAL,
        "form: statistics-2024",
        "form: statistics-2042",
        0,
        "unknown_form",
        "statistics-2042",
    ),
    "unknown authority": (
        NATIONAL,
        "assign: \"'caiq'\"",
        "assign: \"'caqi'\"",
        None,
        "unknown_authority",
        "caqi",
    ),
    "unknown area": (
        NATIONAL,
        'jurisdiction: "000000"',
        'jurisdiction: "999999"',
        0,
        "unknown_jurisdiction",
        "999999",
    ),
    "label missing": (
        NATIONAL,
        "      label: 由机构选取的部门审核\n",
        "",
        -1,
        "missing_key",
        "label",
    ),
    "window missing": (
        NATIONAL,
        "    review:\n      from",
        "    quality:\n      from",
        -14,
        "missing_key",
        "review",
    ),
    "missing refusal": (
        NATIONAL,
        "      otherwise: choice_not_an_issuer\n",
        "",
        -5,
        "invalid_value",
        "otherwise",
    ),
    "unknown refusal": (
        NATIONAL,
        "refuse: choice_needed",
        "refuse: choice_neded",
        0,
        "unknown_value",
        "choice_needed",
    ),
    "same id twice": (
        NATIONAL,
        "    - id: caiq\n",
        "    - id: group\n",
        None,
        "duplicate_id",
        "已经写过",
    ),
    "no last rule": (
        NATIONAL,
        '      when: "true"\n      why_not: 总是适用',
        "      when: tied\n      why_not: 总是适用",
        -2,
        "no_final_rule",
        "总是适用",
    ),
    "unknown overridable": (
        NATIONAL,
        "  - enforcement",
        "  - enforcment",
        0,
        "unknown_path",
        "enforcment",
    ),
    "number for text": (NATIONAL, "id: national-2024", "id: 2024", 0, "invalid_value", "加引号"),
    "text for number": (NATIONAL, "revision: 4", 'revision: "4"', 0, "invalid_value", "整数"),
}


LEVEL = (
    "  review_chain:\n    - id: never\n      label: 空\n      when: {when}\n"
    "      authority: {authority}\n      cite: {{assume: 试写一条规则}}\n"
)
COMPLAINT = (
    "  complaints:\n    - id: local\n      label: 空\n      when: {when}\n"
    "      assign: {assign}\n      cite: {{assume: 试写一条规则}}\n"
)

CASES |= {
    # about report numbers
    "numbers: unknown key": (
        YEAR_2020,
        "    due_months: 1\n",
        "    due_month: 1\n",
        0,
        "unknown_key",
        "due_months",
    ),
    "numbers: no months": (YEAR_2020, "due_months: 1", "due_months: 0", 0, "invalid_value", "0"),
    "numbers: text for months": (
        YEAR_2020,
        "due_months: 1",
        'due_months: "1"',
        0,
        "invalid_value",
        "整数",
    ),
    "numbers: unknown opening": (
        NATIONAL,
        "opens: with_quarter",
        "opens: with_year",
        0,
        "unknown_value",
        "with_quarter",
    ),
    "numbers: late before it is due": (
        YEAR_2020,
        "    until_months: 3",
        "    until_months: 1",
        0,
        "window_order",
        "逾期补报",
    ),
    "numbers: late without a due date": (
        NATIONAL,
        "  completion:\n    require: reported",
        "  late: {until_months: 3, cite: {assume: 试写一条规则}}\n"
        "  completion:\n    require: reported",
        0,
        "without_due",
        "没有截止",
    ),
    "numbers: reminder without a due date": (
        NATIONAL,
        "  reminders: []",
        "  reminders:\n"
        "    - {id: soon, label: 空, days_before_due: 1, cite: {assume: 试写一条规则}}\n",
        1,
        "without_due",
        "提醒",
    ),
    "numbers: reminder before the opening": (
        YEAR_2020,
        "days_before_due: 7",
        "days_before_due: 30",
        0,
        "window_order",
        "早于报送开始",
    ),
    "numbers: unknown gate code": (
        NATIONAL,
        "code: first_filing_not_completed",
        "code: first_filling_not_completed",
        0,
        "unknown_value",
        "first_filing_not_completed",
    ),
    "numbers: misspelt fact of the gate": (
        NATIONAL,
        "completed_years > 0",
        "complete_years > 0",
        0,
        "unknown_fact",
        "completed_years",
    ),
    "numbers: a fact of the gate elsewhere": (
        NATIONAL,
        "  eligible:\n    when: has_certificate",
        "  eligible:\n    when: completed_years > 0",
        1,
        "unknown_fact",
        "report_numbers.gate",
    ),
    "numbers: the reviewer is not known to a batch": (
        NATIONAL,
        "  review_chain: []   # 由上传",
        LEVEL.format(when='"true"', authority="reviewer") + "  # 由上传",
        4,
        "unknown_fact",
        "还不能用",
    ),
    "numbers: eligible by text": (
        NATIONAL,
        "  eligible:\n    when: has_certificate",
        "  eligible:\n    when: local",
        1,
        "condition_type",
        "真假",
    ),
    "numbers: the public is told nothing of filings": (
        NATIONAL,
        "  eligible:\n    when: has_certificate",
        "  eligible:\n    when: has_certificate && last_year_filing != 'lapsed'",
        1,
        "unknown_fact",
        "公众查询",
    ),
    "numbers: complaint by yes or no": (
        NATIONAL,
        "  complaints:\n",
        COMPLAINT.format(when="has_certificate", assign="known_institution"),
        4,
        "condition_type",
        "文本",
    ),
    "numbers: a condition that fails without an institution": (
        NATIONAL,
        "  complaints:\n",
        COMPLAINT.format(when="certs[0].issuer != ''", assign="local"),
        3,
        "condition_fails",
        "算不出",
    ),
    "numbers: a gate asks what latest_year does not say": (
        NATIONAL,
        "  latest_year:\n    completed:",
        "  latest_years:\n    completed:",
        None,
        "unknown_key",
        "latest_year",
    ),
    "numbers: an end of a filing is left out": (
        NATIONAL,
        "    cancelled:\n      counts: not_owed\n",
        "    canceled:\n      counts: not_owed\n",
        None,
        "missing_key",
        "cancelled",
    ),
    "numbers: a gate that fails": (
        NATIONAL,
        "when: latest_closed_year_completed || completed_years > 0",
        "when: 10 / latest_closed_year > 0",
        None,
        "condition_fails",
        "算不出",
    ),
    "numbers: nobody for a complaint": (
        NATIONAL,
        "      assign: \"'samr'\"\n      cite: {assume: 通知没有写投诉",
        "      assign: local\n      cite: {assume: 通知没有写投诉",
        None,
        "condition_fails",
        "没有一条得出承办部门",
    ),
    "numbers: no last complaint rule": (
        NATIONAL,
        '      label: 市场监管总局依据投诉跟踪处理\n      when: "true"\n',
        "      label: 市场监管总局依据投诉跟踪处理\n      when: known_institution\n",
        -1,
        "no_final_rule",
        "每件投诉",
    ),
    "numbers: unreachable complaint rule": (
        NATIONAL,
        "  complaints:\n",
        COMPLAINT.format(when="has_certificate && tied && !tied", assign="local"),
        1,
        "unreachable_complaint_rule",
        "local",
    ),
    "numbers: complaint to nobody there is": (
        NATIONAL,
        "  complaints:\n",
        COMPLAINT.format(when="has_certificate", assign="\"'amr-999999'\""),
        4,
        "unknown_authority",
        "amr-999999",
    ),
    "numbers: unreachable level": (
        NATIONAL,
        "  review_chain: []   # 由上传",
        LEVEL.format(when="has_certificate && !has_certificate", authority="local") + "  # 由上传",
        1,
        "unreachable_level",
        "never",
    ),
    "numbers: misquoted answer": (
        NATIONAL,
        "quote: 由上传机构对内容的真实性负责，查询结果仅为编号信息，无",
        "quote: 由上传机构对内容的真实性负责，查询结果只是编号信息，无",
        0,
        "quote_not_in_source",
        "逐字",
    ),
    "numbers: unknown source of an answer": (
        NATIONAL,
        "        - {source: n595, clause: 三（一）, quote: 由上传机构",
        "        - {source: n596, clause: 三（一）, quote: 由上传机构",
        0,
        "unknown_source",
        "n595",
    ),
    "numbers: an answer without words": (
        NATIONAL,
        "    withdrawn:\n      title: 该编号已由上传机构撤回或更正\n",
        "    withdrawn:\n",
        0,
        "missing_key",
        "title",
    ),
    "numbers: an answer without sources": (
        HUNAN,
        "report_numbers:\n",
        "report_numbers:\n  answers: {found: {title: 空, cites: []}}\n",
        1,
        "overlay_not_allowed",
        "report_numbers.answers",
    ),
    "numbers: visibility is not a province's": (
        HUNAN,
        "report_numbers:\n",
        "report_numbers:\n  visible: {days: 0, cite: {assume: 试写一条规则}}\n",
        1,
        "overlay_not_allowed",
        "report_numbers.visible",
    ),
    "numbers: unknown overridable": (
        NATIONAL,
        "  - report_numbers.reminders",
        "  - report_numbers.reminder",
        0,
        "unknown_path",
        "report_numbers.reminder",
    ),
    "numbers: failing example": (
        NATIONAL,
        "expect: {upload: first_filing_not_completed}",
        "expect: {upload: allowed}",
        None,
        "example_fails",
        "能否上传应为 allowed，实为 first_filing_not_completed",
    ),
    "numbers: example of another year": (
        NATIONAL,
        '    quarter: "2024Q1"',
        '    quarter: "2023Q1"',
        None,
        "example_fails",
        "规则不管 2023Q1",
    ),
    "numbers: example of no quarter": (
        NATIONAL,
        '    quarter: "2024Q1"',
        '    quarter: "2024Q5"',
        0,
        "invalid_value",
        "2024Q5 不是季度",
    ),
    "numbers: example that lacks its circumstances": (
        NATIONAL,
        '    quarter: "2024Q1"\n',
        "",
        -2,
        "invalid_value",
        "quarter 才能判断",
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_is_refused_with_its_line(case: Case, folder: Path) -> None:
    name, old, new, below, code, words = case
    line = spoil(folder, name, old, new)
    findings = check_name(RuleLibrary(folder), name)
    matching = [finding for finding in findings if finding.code == code]
    assert matching, [str(finding) for finding in findings]
    finding = matching[0]
    assert finding.file == f"{name}.yaml"
    if below is not None:
        assert finding.line == line + below, str(finding)
    assert any(words in one.message for one in matching), [str(one) for one in matching]


def test_an_unreachable_reviewer_names_its_own_line(folder: Path) -> None:
    rule = (
        "    - id: idle\n      label: 空\n      when: tied\n      why_not: 空\n"
        "      assign: \"'samr'\"\n      cite: {assume: 试写一条规则}\n"
    )
    line = spoil(
        folder,
        NATIONAL,
        "    - id: other-qualifications\n      label: 没有",
        rule + "    - id: other-qualifications\n      label: 没有",
    )
    finding = only(folder, NATIONAL)
    assert (finding.code, finding.line) == ("unreachable_reviewer", line)
    assert "tied 条件相同" in finding.message


def test_a_rule_no_combination_reaches_is_found(folder: Path) -> None:
    spoil(
        folder,
        NATIONAL,
        "when: has_provincial && has_national && !tied",
        "when: has_national && !has_certificate",
    )
    codes = {finding.code for finding in check_name(RuleLibrary(folder), NATIONAL)}
    assert "unreachable_reviewer" in codes


def test_a_level_no_case_passes_is_found(folder: Path) -> None:
    spoil(
        folder,
        FUJIAN,
        "when: reviewer == 'amr-350000'\n      authority: reviewer",
        "when: reviewer == ''\n      authority: reviewer",
    )
    findings = check_name(RuleLibrary(folder), FUJIAN)
    assert findings
    assert {finding.code for finding in findings} <= {
        "unreachable_level",
        "example_fails",
        "condition_fails",
    }


def test_a_shared_source_name_is_not_redefined(folder: Path) -> None:
    spoil(folder, FUJIAN, "  m1:\n", "  fujian:\n")
    assert only(folder, FUJIAN).code == "source_redefined"


def test_examples_of_numbers_need_the_section(folder: Path) -> None:
    path = folder / "2020" / "national.yaml"
    rules, examples = path.read_text("utf-8").split("\nexamples:\n")
    rules = rules.split("\nreport_numbers:\n")[0]
    kept = [line for line in rules.splitlines() if not line.startswith("  - report_numbers.")]
    path.write_text("\n".join(kept) + "\nexamples:\n" + examples, "utf-8")
    findings = check_name(RuleLibrary(folder), YEAR_2020)
    assert {finding.code for finding in findings} == {"example_fails"}
    assert all("没有 report_numbers 一节" in finding.message for finding in findings)


@pytest.mark.parametrize(
    ("remove", "code"),
    [
        (lambda folder: (folder / "authorities.yaml").unlink(), "file_missing"),
        (lambda folder: (folder / "sources" / "samr-2024-595.txt").unlink(), "source_text_missing"),
        (
            lambda folder: [path.unlink() for path in (folder / "forms").glob("*.yaml")],
            "unknown_form",
        ),
        (
            lambda folder: (folder / "2024" / "again.yaml").write_bytes(
                (folder / "2024" / "national.yaml").read_bytes()
            ),
            "duplicate_set",
        ),
        (
            lambda folder: (
                (folder / "2025").mkdir()
                or (folder / "2024" / "national.yaml").rename(folder / "2025" / "national.yaml")
            ),
            "year_mismatch",
        ),
        (lambda folder: (folder / "2024" / "national.yaml").write_bytes(b"\xff\xfe"), "not_utf8"),
    ],
)
def test_a_folder_in_disorder_is_refused(
    remove: Callable[[Path], object], code: str, small: Path
) -> None:
    remove(small)
    findings = check_folder(RuleLibrary(small))
    assert code in {finding.code for finding in findings}, [str(one) for one in findings]


def test_the_shipped_rules_are_in_order(library: RuleLibrary) -> None:
    assert check_folder(library) == []
