"""A value is held to its text, and what an example of the file reaches is never called dead."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from cli.main import app
from cli.rule_files import check_path
from rules.check.checks import check_folder, check_name
from rules.check.evidence import clause_of, says_day
from rules.conditions import Condition, ConditionInvalid
from rules.expression_work import too_much
from rules.file.findings import Finding
from rules.file.library import RuleLibrary
from tests.rules.test_refused_files import FUJIAN, NATIONAL, spoil

OPENING = "quote: 系统开放时间为 2025 年 1 月 13 日—3 月 21 日}"
ASSUMED = "通知没有写明哪一天有效的证书算数；统计的是2024年度，取该年最后一天"

# file, old, new, lines below the replacement, code, words of the sentence
CASES: dict[str, tuple[str, str, str, int, str, str]] = {
    "blank quote": (NATIONAL, OPENING, 'quote: "  "}', 0, "trivial_quote", "整句"),
    "a quote of wide blanks": (NATIONAL, OPENING, 'quote: "　　　　"}', 0, "trivial_quote", "太短"),
    "a quote that is invisible": (
        NATIONAL,
        OPENING,
        'quote: "\\u200b\\u200b\\u200b\\u200b"}',
        0,
        "trivial_quote",
        "太短",
    ),
    "a quote of line ends": (NATIONAL, OPENING, 'quote: "\\n \\n"}', 0, "trivial_quote", "太短"),
    "two characters of a number": (NATIONAL, OPENING, 'quote: "13"}', 0, "trivial_quote", "太短"),
    "two characters far apart": (
        NATIONAL,
        OPENING,
        'quote: "系  统"}',
        0,
        "trivial_quote",
        "太短",
    ),
    "three characters": (NATIONAL, OPENING, "quote: 开放时}", 0, "trivial_quote", "至少四个字"),
    "punctuation": (NATIONAL, OPENING, "quote: ，。（）}", 0, "trivial_quote", "太短"),
    "blank assumption": (NATIONAL, ASSUMED, '" "', 0, "trivial_assumption", "理由"),
    "wide blanks": (NATIONAL, ASSUMED, '"　　"', 0, "trivial_assumption", "理由"),
    "an invisible assumption": (
        NATIONAL,
        ASSUMED,
        '"\\u200b\\u200b"',
        0,
        "trivial_assumption",
        "理由",
    ),
    "line ends": (NATIONAL, ASSUMED, '"\\n\\n"', 0, "trivial_assumption", "理由"),
    "one letter": (NATIONAL, ASSUMED, "x", 0, "trivial_assumption", "“x”不是理由"),
    "the same as above": (NATIONAL, ASSUMED, "同上", 0, "trivial_assumption", "“同上”不是理由"),
    "one character again and again": (NATIONAL, ASSUMED, "的的的的", 0, "trivial_assumption", ""),
    "a word without sense": (NATIONAL, ASSUMED, "xxxxxxxx", 0, "trivial_assumption", ""),
    "a word again and again": (NATIONAL, ASSUMED, "推定推定推定", 0, "trivial_assumption", "理由"),
    "an example": (NATIONAL, ASSUMED, "示例", 0, "trivial_assumption", "“示例”不是理由"),
    "as needed": (NATIONAL, ASSUMED, "按需", 0, "trivial_assumption", "“按需”不是理由"),
    "one word": (NATIONAL, ASSUMED, "年末最后日", 0, "trivial_assumption", "请写一句话"),
    "words for anything": (
        NATIONAL,
        ASSUMED,
        "由本项目根据有关规定和实际情况确定",
        0,
        "trivial_assumption",
        "请写一句话",
    ),
    "two English words": (NATIONAL, ASSUMED, "assumed default", 0, "trivial_assumption", ""),
    "keys pressed": (NATIONAL, ASSUMED, "asdfasdf", 0, "trivial_assumption", "理由"),
    "a notice's title of another year": (
        NATIONAL,
        "title: 市场监管总局办公厅关于开展2024年度",
        "title: 市场监管总局办公厅关于开展2022年度",
        0,
        "other_year",
        "没有 2022 年",
    ),
    "a blank label": (
        NATIONAL,
        "label: 取得资质认定的检验检测机构\n",
        'label: "　"\n',
        0,
        "invalid_value",
        "没有写字",
    ),
    "a blank reason why not": (
        NATIONAL,
        "why_not: 没有并列最大的证书",
        'why_not: "……"',
        0,
        "invalid_value",
        "没有写字",
    ),
    "a blank word for the refused": (
        NATIONAL,
        "otherwise_because: 选取的部门没有给该机构颁发计入的证书，也不代为审核；请改选发证部门",
        'otherwise_because: "  "',
        0,
        "invalid_value",
        "没有写字",
    ),
    "a phrase of every notice": (
        NATIONAL,
        OPENING,
        "quote: 检验检测机构}",
        0,
        "trivial_quote",
        "次，证明不了",
    ),
    "a duty's day off": (
        FUJIAN,
        '    due: "2024-03-07"',
        '    due: "2024-03-09"',
        0,
        "last_day_off",
        "2024-03-09 是休息日",
    ),
    "a duty years later": (
        FUJIAN,
        '    due: "2024-03-07"',
        '    due: "2031-03-07"',
        0,
        "other_year",
        "2031-03-07",
    ),
    "a term the quotation does not say": (
        FUJIAN,
        '    due: "2024-03-07"',
        "    term: {event: 收到名单, working_days: 9}",
        0,
        "value_not_in_quote",
        "没有 9 这个数",
    ),
    "a share the quotation does not say": (
        FUJIAN,
        """    measured: {by: by_hand}
    cite:
      source: m1
      clause: 二（一）2
""",
        """    measured: {by: by_hand, share: "0.05"}
    cite:
      source: m1
      clause: 二（一）2
""",
        0,
        "value_not_in_quote",
        "没有 5%",
    ),
    "a group that nobody lists": (
        NATIONAL,
        "assign: \"'caiq'\"",
        "assign: \"'group-else'\"",
        0,
        "unknown_authority",
        "group-else",
    ),
    "a duty of a group that nobody lists": (
        NATIONAL,
        "    who: [province, caiq]",
        "    who: [province, group-rail]",
        0,
        "unknown_authority",
        "没有部门 group-rail",
    ),
    "a duty by position": (
        FUJIAN,
        "duties:\n",
        "duties:\n  - {id: mine, label: 试, who: [institution], when: 'certs[0].valid', "
        "cite: {assume: 生成的例子，没有这样的通知}}\n",
        1,
        "condition_fails",
        "certs[0]",
    ),
    "a duty nobody has": (
        FUJIAN,
        "duties:\n",
        "duties:\n  - {id: mine, label: 试, who: [institution], "
        "when: 'has_national && !has_certificate', cite: {assume: 生成的例子，没有这样的通知}}\n",
        1,
        "unreachable_duty",
        "mine",
    ),
    "no such clause": (
        NATIONAL,
        f"clause: 二, {OPENING}",
        f"clause: 第九十九条之八, {OPENING}",
        0,
        "unknown_clause",
        "第九十九条之八",
    ),
    "another clause": (
        NATIONAL,
        f"clause: 二, {OPENING}",
        f"clause: 三（二）, {OPENING}",
        0,
        "quote_not_in_clause",
        "不在“三（二）”里",
    ),
    "unseen without a reason": (
        NATIONAL,
        f"clause: 二, {OPENING}",
        f"clause: 未见, {OPENING}",
        0,
        "unknown_clause",
        "assume",
    ),
    "another document": (
        NATIONAL,
        "document: 市监检测函〔2024〕595号",
        "document: 市监检测函〔2024〕596号",
        0,
        "document_not_in_text",
        "595号",
    ),
    "a day the quotation does not say": (
        NATIONAL,
        '      to: "2025-03-21"',
        '      to: "2025-03-20"',
        0,
        "value_not_in_quote",
        "2025-03-20",
    ),
    "a day of another year": (
        NATIONAL,
        'from: "2025-01-13"',
        'from: "2024-01-13"',
        0,
        "other_year",
        "2024-01-13",
    ),
    "a last day off": (
        NATIONAL,
        """      from: "2025-01-13"
      to: "2025-03-21"
      cite: {source: n595, clause: 二, quote: 系统开放时间为 2025 年 1 月 13 日—3 月 21 日}""",
        """      from: "2025-01-13"
      to: "2025-03-22"
      cite: {source: n595, clause: 二, quote: 系统开放时间为 2025 年 1 月 13 日—3 月 21 日}""",
        1,
        "last_day_off",
        "2025-03-22 是休息日",
    ),
    "as_of of another year": (
        NATIONAL,
        'as_of: "2024-12-31"',
        'as_of: "2023-12-31"',
        0,
        "other_year",
        "2023-12-31",
    ),
    "title of another year": (
        NATIONAL,
        "title: 2024年度检验检测服务业统计",
        "title: 2023年度检验检测服务业统计",
        0,
        "other_year",
        "2023",
    ),
    "id of another year": (NATIONAL, "id: national-2024", "id: national-2022", 0, "other_year", ""),
    "form of another year": (
        NATIONAL,
        "form: statistics-2024",
        "form: statistics-2023",
        0,
        "other_year",
        "statistics-2023",
    ),
    "far future": (NATIONAL, 'to: "2025-03-21"', 'to: "9999-12-31"', 0, "invalid_value", "9999"),
    "far past": (NATIONAL, 'as_of: "2024-12-31"', 'as_of: "0001-01-01"', 0, "invalid_value", ""),
    "blank reason": (
        NATIONAL,
        "timezone: Asia/Shanghai",
        'timezone: Asia/Shanghai\nnot_publishable: ""',
        1,
        "trivial_assumption",
        "理由",
    ),
    "no such item": (
        NATIONAL,
        "  - filing.reviewers\n",
        "  - filing.reviewers[no-such-rule]\n",
        0,
        "unknown_path",
        "widest",
    ),
    "no list": (
        NATIONAL,
        "  - filing.windows\n",
        "  - filing.windows[fill]\n",
        0,
        "unknown_path",
        "不是带 id 的列表",
    ),
    "obligation by position": (
        NATIONAL,
        "when: has_certificate\n",
        "when: certs[0].scope > 0\n",
        0,
        "condition_fails",
        "certs[0]",
    ),
    "part by position": (
        NATIONAL,
        'required_when: "true"',
        "required_when: certs[0].scope >= 0",
        0,
        "condition_fails",
        "certs[0]",
    ),
    "nothing to file": (
        NATIONAL,
        'required_when: "true"',
        "required_when: '!has_certificate'",
        -4,
        "nothing_to_file",
        "必须填报",
    ),
    "lax yes": (
        NATIONAL,
        "facts:\n      institution: {region:",
        'facts:\n      institution: {legal_person: "no", region:',
        1,
        "example_fails",
        "legal_person",
    ),
    "unknown authority on a branch": (
        NATIONAL,
        "assign: widest_department",
        "assign: \"institution.legal_person ? widest_department : 'amr-329999'\"",
        0,
        "unknown_authority",
        "amr-329999",
    ),
    "nested loops": (
        NATIONAL,
        "when: has_certificate\n",
        "when: '[0,0].all(a, [0,0].all(b, [0,0].all(c, true))) && has_certificate'\n",
        0,
        "condition_too_costly",
        "2 层",
    ),
    "growing text": (
        NATIONAL,
        "when: has_certificate\n",
        "when: \"['xx'].map(a, a+a).map(a, a+a).size() > 0 && has_certificate\"\n",
        0,
        "condition_too_costly",
        "+",
    ),
    "the same item twice": (
        FUJIAN,
        "  review_chain:\n",
        "  review_chain:\n    - {id: county, remove: true}\n    - {id: county, remove: true}\n",
        2,
        "duplicate_id",
        "已经写过",
    ),
    "more beside remove": (
        FUJIAN,
        "  review_chain:\n",
        "  review_chain:\n    - id: review\n      remove: true\n      when: 这不是表达式\n",
        3,
        "invalid_value",
        "when",
    ),
    "a mistyped key of an overlay": (
        FUJIAN,
        "  windows:\n",
        "  windowz:\n",
        0,
        "unknown_key",
        "是不是想写 windows",
    ),
    "a list of bases": (
        FUJIAN,
        "extends: 2023/national",
        "extends: [2023/national]",
        0,
        "invalid_value",
        "2024/national",
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_is_refused_at_its_line(case: tuple[str, str, str, int, str, str], folder: Path) -> None:
    name, old, new, below, code, words = case
    line = spoil(folder, name, old, new)
    findings = check_name(RuleLibrary(folder), name)
    matching = [finding for finding in findings if finding.code == code]
    assert matching, [str(finding) for finding in findings]
    assert (matching[0].file, matching[0].line) == (f"{name}.yaml", line + below)
    assert words in matching[0].message


OVERLAY = """\
id: guangdong-2024
year: 2024
jurisdiction: "440000"
extends: 2024/national
title: 2024年度广东省检验检测服务业统计（生成的例子）
revision: 1
filing:
  reviewers:
    - id: mine
      before: chosen
      label: 由设区市审核
      when: "{when}"
      why_not: 不属于这一类
      assign: city
      cite: {{assume: 生成的例子，没有这样的通知}}
examples:
  - name: 一例
    facts:
      institution: {{region: "440106"{institution}}}
      certificates: [{{level: provincial, issuer: amr-440000{certificate}}}]
    expect: {{reviewer: amr-440100, rule: mine}}
"""


def check_overlay(folder: Path, text: str) -> list[Finding]:
    (folder / "2024" / "guangdong.yaml").write_text(text, "utf-8")
    return check_name(RuleLibrary(folder), "2024/guangdong")


@pytest.mark.parametrize(
    ("when", "institution", "certificate"),
    [
        (
            "'机动车安检' in institution.other_qualifications",
            ", other_qualifications: [机动车安检]",
            "",
        ),
        ("!institution.legal_person", ", legal_person: false", ""),
        ("institution.national_centres.size() > 1", ", national_centres: [甲, 乙]", ""),
        (
            "certs.exists(c, c.valid && c.number.matches('^[0-9]{4}05'))",
            "",
            ', number: "240005010001"',
        ),
        ("certs.exists(c, c.number.endsWith('777'))", "", ', number: "240001010777"'),
        ("institution.id == 'example'", "", ""),
        ("widest.scope == 12345", "", ", scope: 12345"),
    ],
)
def test_what_an_example_reaches_is_not_dead(
    when: str, institution: str, certificate: str, folder: Path
) -> None:
    text = OVERLAY.format(when=when, institution=institution, certificate=certificate)
    assert check_overlay(folder, text) == []


def test_a_level_of_any_city_is_reached(folder: Path) -> None:
    text = OVERLAY.format(when="tied", institution="", certificate="")
    head, _ = text.split("  reviewers:\n")
    cites = "cite: {assume: 生成的例子，没有这样的通知}"
    chain = (
        "  review_chain:\n"
        "    - {id: county, before: review, label: 县级初审, authority: county, "
        f"when: \"city == 'amr-440500'\", {cites}}}\n"
        "examples:\n  - {name: 开放, at: '2025-01-13T00:00:00+08:00', expect: {inside: [fill]}}\n"
    )
    assert check_overlay(folder, head + chain) == []


def test_a_fault_of_the_overlay_is_told_in_the_overlay(folder: Path) -> None:
    text = OVERLAY.format(when="tied", institution="", certificate="").split("  reviewers:\n")[0]
    text += (
        '  windows:\n    review:\n      from: "2025-01-20"\n      to: "2025-02-21"\n'
        "      cite: {assume: 生成的例子，没有这样的通知}\n"
        "examples:\n  - {name: 开放, at: '2025-01-20T00:00:00+08:00', expect: {inside: [review]}}\n"
    )
    findings = check_overlay(folder, text)
    assert {(one.code, one.file, one.line) for one in findings} == {
        ("window_order", "2024/guangdong.yaml", 11)
    }


SPECIAL = '  - code: "350128"\n'


@pytest.mark.parametrize(
    ("entry", "code"),
    [
        ('{code: "350128", level: county, parent: "350100", why: 重复}', "duplicate_id"),
        ('{code: "320500", level: city, parent: "320500", why: 自己}', "jurisdiction_cycle"),
        ('{code: "320000", level: county, parent: "320505", why: 倒置}', "jurisdiction_cycle"),
        ('{code: "320505", level: county, parent: "320506", why: 平级}', "jurisdiction_level"),
        (
            '{code: "320500", level: county, parent: "320000", why: 其下还有县}',
            "jurisdiction_level",
        ),
        ('{code: "429004", level: city, parent: "999999", why: 没有}', "unknown_jurisdiction"),
        ('{code: "999998", level: city, parent: "350000", why: 没有}', "unknown_jurisdiction"),
    ],
)
def test_a_broken_tree_is_refused(entry: str, code: str, folder: Path) -> None:
    spoil(folder, "jurisdictions", SPECIAL, f"  - {entry}\n{SPECIAL}")
    findings = check_folder(RuleLibrary(folder))
    assert {one.code for one in findings} == {code}, [str(one) for one in findings]
    assert all(one.file == "jurisdictions.yaml" and one.line > 1 for one in findings)


@pytest.mark.parametrize(
    ("place", "code"),
    [
        ("2024/old/national.yaml", "never_read"),
        ("2024年/national.yaml", "never_read"),
        ("24/national.yaml", "never_read"),
        ("guangdong-2024.yaml", "never_read"),
        ("2024/guangdong.YAML", "wrong_suffix"),
        ("2024/guangdong.yml", "wrong_suffix"),
    ],
)
def test_a_file_nobody_reads_is_told(place: str, code: str, small: Path) -> None:
    path = small / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes((small / "2024" / "national.yaml").read_bytes())
    assert [(one.code, one.file) for one in check_folder(RuleLibrary(small))] == [(code, place)]


def test_a_difference_with_a_missing_form_is_told(folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "mine.yaml"
    text = (folder / "2024" / "national.yaml").read_text("utf-8")
    outside.write_text(text.replace("form: statistics-2024", "form: no-such-form"), "utf-8")
    command = ["rules", "diff", "2024/000000", str(outside), "--rules", str(folder)]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 1
    assert "no-such-form" in result.output
    assert "Traceback" not in result.output


WORDING = """\
一、分工
（一）甲方负责。1.先做甲事；2.再做乙事。
（二）乙方负责。
二、时间
（一）一月开始。
附件 1
一、格式
"""


@pytest.mark.parametrize(
    ("clause", "inside", "outside"),
    [
        ("一", "再做乙事", "一月开始"),
        ("一（一）2", "再做乙事", "先做甲事"),
        ("一（二）", "乙方负责", "甲方负责"),
        ("二（一）", "一月开始", "甲方负责"),
        ("附件1一", "格式", "分工"),
    ],
)
def test_a_clause_is_found_where_it_stands(clause: str, inside: str, outside: str) -> None:
    wording = clause_of(WORDING, clause)
    assert wording is not None
    assert inside in wording
    assert outside not in wording


@pytest.mark.parametrize("clause", ["三", "一（三）", "二（一）1", "第一条", "随便", "附件2"])
def test_a_clause_that_is_not_there_is_none(clause: str) -> None:
    assert clause_of(WORDING, clause) is None


def test_a_day_is_said_to_the_day() -> None:
    said: Callable[[str, date], bool] = says_day
    assert said("2025年1月13日—3月21日", date(2025, 3, 21))
    assert not said("2025年1月13日—3月21日", date(2025, 3, 2))
    assert not said("2025年1月13日—3月21日", date(2027, 3, 21))
    assert not said("2025年11月3日", date(2025, 1, 3))
    assert said("2024年1月至4月底", date(2024, 4, 30))
    assert not said("2024年1月至4月底", date(2024, 4, 29))
    assert said("2024年1月至4月底", date(2024, 1, 1))


@given(st.text(alphabet="certsmapallx.()[],+'\" 0123", max_size=200))
def test_no_text_breaks_the_bound(source: str) -> None:
    reason = too_much(source)
    assert reason is None or reason
    with pytest.raises(ConditionInvalid):
        Condition(f"{source} (", "departments")


@pytest.mark.parametrize(
    ("when", "code", "words"),
    [
        ("tied and has_national", "condition_syntax", "“并且”写 &&"),
        ("choice = ''", "condition_syntax", "两个等号"),
        ("choice <> ''", "condition_syntax", "“不等于”写 !="),
        ("choice == “a”", "condition_syntax", "符号要用半角的"),
        ("choice == 'a", "condition_syntax", "单引号没有成对"),
        ("certs.size > 0", "condition_syntax", "size 后面要有括号"),
        ("(tied", "condition_syntax", "第 6 列"),
        ("certs.exist(c, c.valid)", "unknown_fact", "没有函数 exist；是不是想写 exists"),
        ("choice.startswith('a')", "unknown_fact", "是不是想写 startsWith"),
        ("has_certificate == 'a'", "condition_type", "== 不能用在真假、文本上"),
        ("choice in issuers && issuers.contains('a')", "condition_type", "文本的列表、文本"),
    ],
)
def test_a_miswritten_condition_is_told_with_what_to_write(
    when: str, code: str, words: str
) -> None:
    with pytest.raises(ConditionInvalid) as told:
        Condition(when, "departments")
    assert told.value.code == code
    assert words in str(told.value)


def test_a_file_nobody_reads_is_told_when_it_is_checked_alone(small: Path) -> None:
    for place, code in (
        ("2024/jiangsu.yml", "wrong_suffix"),
        ("2024/deeper/jiangsu.yaml", "never_read"),
        ("20240/jiangsu.yaml", "never_read"),
    ):
        path = small / place
        path.parent.mkdir(exist_ok=True)
        path.write_text("id: x\n", "utf-8")
        assert [one.code for one in check_path(RuleLibrary(small), path)] == [code]
        path.unlink()


def test_a_broken_calendar_is_told_and_breaks_nothing(small: Path) -> None:
    path = small / "calendar" / "2025.yaml"
    path.write_text("year: 2025\n", "utf-8")
    codes = {(one.file, one.code) for one in check_folder(RuleLibrary(small))}
    assert codes == {("calendar/2025.yaml", "missing_key")}
    assert check_name(RuleLibrary(small), "2024/national") == []


def test_a_level_for_another_provinces_certificate_is_reached(folder: Path) -> None:
    """An issuer that a condition names is tried, and a place outside the set's never is."""
    for when, codes in (
        ("reviewer == 'amr-430000' && city == 'amr-441600'", set()),
        ("city == 'amr-350200'", {"unreachable_level"}),
    ):
        (folder / "2024" / "guangdong.yaml").write_text(
            f"""\
id: guangdong-2024
year: 2024
jurisdiction: "440000"
extends: 2024/national
title: 2024年度广东省检验检测服务业统计（生成的例子）
revision: 1
filing:
  review_chain:
    - id: city
      before: review
      label: 初审
      when: "{when}"
      authority: city
      cite: {{assume: 生成的例子，没有这样的通知}}
examples:
  - name: 一例
    at: "2025-01-13T00:00:00+08:00"
    expect: {{inside: [fill]}}
""",
            "utf-8",
        )
        found = check_name(RuleLibrary(folder), "2024/guangdong")
        assert {one.code for one in found} == codes


OWN = "source: own\n      clause: 第三条\n      quote: 有关资料"
TERM = "通知没有写保存年限；所提出的事项是办理的依据，与所涉填报保存同样久，取 10 年"


@pytest.mark.parametrize(
    ("cite", "codes"),
    [
        ("assume: 同上", ["trivial_assumption"]),
        # a law that is not among the texts cannot be cited, nor a clause of it be named
        (
            "source: law\n      clause: 第十九条\n      quote: 保存期限应当为十年",
            ["unknown_source"],
        ),
        ("document: 中华人民共和国个人信息保护法\n      assume: 取最短的时间", ["unknown_key"]),
        ("clause: 第十九条\n      assume: 取最短的时间", ["invalid_value"]),
        (
            f"{OWN}保存二十年",
            ["quote_not_in_source", "quote_not_in_clause", "value_not_in_quote"],
        ),
        (
            "source: own\n      clause: 第三条\n      quote: 有关资料至少保存十五年",
            ["value_not_in_quote"],
        ),
        (f"{OWN}至少保存十年", []),
    ],
)
def test_how_long_contents_are_kept_is_quoted_or_assumed(
    folder: Path, cite: str, codes: list[str]
) -> None:
    text = "第二条　（生成）。\n第三条　有关资料至少保存十五年。有关资料至少保存十年。\n"
    if "source: own" in cite:
        (folder / "sources" / "own.txt").write_text(text)
    file = folder / "retention.yaml"
    written = file.read_text()
    assert f"assume: {TERM}" in written
    own = "sources:\n  own: {document: 生成的规定, title: 生成的规定, text: own.txt}\n"
    changed = written.replace(f"assume: {TERM}", cite)
    file.write_text((own if "source: own" in cite else "") + changed)
    found = check_folder(RuleLibrary(folder))
    assert sorted(one.code for one in found) == sorted(codes), [str(one) for one in found]
    assert all(one.file == "retention.yaml" for one in found)
