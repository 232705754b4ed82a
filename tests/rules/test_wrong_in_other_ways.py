"""Many wrong places in one file at once: each is told at its own line, whatever else is wrong."""

from pathlib import Path

import pytest

from cli.rule_files import check_path
from rules.check.checks import check_name
from rules.file.library import RuleLibrary

ASSUMED = "cite: {assume: 生成的例子，没有这样的通知}"
HEAD = """\
id: guangdong-2024
year: 2024
jurisdiction: "440000"
extends: 2024/national
title: 2024年度广东省检验检测服务业统计（生成的例子）
revision: 1
"""
EXAMPLE = """\
examples:
  - name: 一例
    at: "2025-01-13T00:00:00+08:00"
    expect: {inside: [fill]}
"""

Wrong = tuple[str, str, str, str]
"""What is replaced by what, and the code and words that are told at the line of it."""

OPENING = "quote: 系统开放时间为 2025 年 1 月 13 日—3 月 21 日}"
FILES: dict[str, tuple[str, list[Wrong]]] = {
    "what proves nothing": (
        "2024/national",
        [
            (OPENING, 'quote: "　　"}', "trivial_quote", "太短"),
            ("clause: 三（三）\n", "clause: 三（九）\n", "unknown_clause", "三（九）"),
            ("quote: 上传后次日可查}", "quote: 检验检测}", "trivial_quote", "次，证明不了"),
            (
                "assume: 次日从北京时间零点起",
                'assume: "…………"',
                "trivial_assumption",
                "不是理由",
            ),
            (
                "  - filing.completion\n",
                "  - filing.completion\n  - filing.windows\n",
                "duplicate_id",
                "写了两次",
            ),
            (
                "  - report_numbers.complaints\n",
                "  - report_numbers.gate[nope]\n",
                "unknown_path",
                "first-filing",
            ),
        ],
    ),
    "a province's": (
        "2023/fujian",
        [
            ("clause: 四（二）\n", "clause: 四（三）\n", "quote_not_in_clause", "不在“四（三）”里"),
            (
                'due: "2024-01-31"\n    measured: {by: roster_imported}',
                'due: "2023-01-31"\n    measured: {by: roster_imported}',
                "other_year",
                "引文又没有写年份",
            ),
            ("quote: 市场监管部门要根据具体情况予以处置", "quote: 处置", "trivial_quote", "太短"),
        ],
    ),
    "what stands twice": (
        "2020/national",
        [
            ("    - id: public-notice\n", "    - id: warning\n", "duplicate_id", "已经写过"),
            ("    - id: widest\n", "    - id: chosen\n", "duplicate_id", "已经写过"),
            ("quality_check:", "quality_chek:", "unknown_key", "是不是想写 quality_check"),
        ],
    ),
    "certificates": (
        "2019/certificates",
        [
            ("year: 2019\n", "year: 2021\n", "year_mismatch", "目录"),
            ("id: certificates-2019\n", "id: certificates-2017\n", "other_year", "2017"),
            (
                "clause: 四（二）\n      quote: 总局认可检测司将安排",
                "clause: 二（一）\n      quote: 总局认可检测司将安排",
                "quote_not_in_clause",
                "二（一）",
            ),
            (
                "assume: 通知只是鼓励，不加印的不产生任何后果",
                'assume: "-"',
                "trivial_assumption",
                "不是理由",
            ),
        ],
    ),
    "a form": (
        "forms/statistics-2024",
        [
            (
                "value: 未公开, assumption: 通知未载批准文号",
                "value: 未公开",
                "trivial_assumption",
                "approval_number",
            ),
            (
                "valid_until: {value: 未公开, assumption: 通知未载有效期限}",
                'valid_until: {value: "2020-12-31"}',
                "form_expired",
                "2020-12-31",
            ),
            ("title: 2024年度", "title: 2022年度", "other_year", "2022"),
            (
                "    assumption: 控股情况分类按国家统计通行分类推定",
                '    assumption: " "',
                "trivial_assumption",
                "不是理由",
            ),
            ("  clause: 三（二）\n", "  clause: 二\n", "quote_not_in_clause", "不在“二”里"),
        ],
    ),
}


@pytest.mark.parametrize("wrong", FILES.values(), ids=FILES)
def test_everything_wrong_is_told_where_it_stands(
    wrong: tuple[str, list[Wrong]], folder: Path
) -> None:
    name, replaced = wrong
    path = folder / f"{name}.yaml"
    text = path.read_text("utf-8")
    for old, new, _, _ in replaced:
        assert old in text, old
        text = text.replace(old, new, 1)
    path.write_text(text, "utf-8")
    found = check_path(RuleLibrary(folder), path)
    for _, new, code, words in replaced:
        # the last line of what was written, whose first lines only find the place
        lines = {
            text[: at + len(new.rstrip("\n"))].count("\n") + 1 - back
            for at in _everywhere(text, new)
            for back in range(new.strip("\n").count("\n") + 1)
        }
        told = [one for one in found if one.code == code and one.line in lines]
        assert any(words in one.message for one in told), (code, lines, [str(f) for f in found])


def _everywhere(text: str, part: str) -> list[int]:
    return [at for at in range(len(text)) if text.startswith(part, at)]


def reviewer(when: str, assign: str = "city") -> str:
    return f"""\
filing:
  reviewers:
    - id: mine
      before: chosen
      label: 由设区市审核
      when: "{when}"
      why_not: 不属于这一类
      assign: "{assign}"
      {ASSUMED}
"""


def example(institution: str, certificate: str, expect: str) -> str:
    return f"""\
examples:
  - name: 一例
    facts:
      institution: {{{institution}}}
      certificates: [{{level: provincial, issuer: {certificate}}}]
    expect: {expect}
"""


GUANGZHOU = 'region: "440106"'
OVERLAYS: dict[str, tuple[str, int, str, str]] = {
    "by position in the chain": (
        f"filing:\n  review_chain:\n    - {{id: c, before: review, label: 市, "
        f'when: has_certificate, authority: "issuers[1]", {ASSUMED}}}\n{EXAMPLE}',
        9,
        "condition_fails",
        "不要按位置取",
    ),
    "divided by nothing": (
        reviewer("1 / national_scope > 0") + EXAMPLE,
        12,
        "condition_fails",
        "除数可能是零",
    ),
    "an item moved before a list": (
        reviewer("tied").replace("before: chosen", "before: [chosen]") + EXAMPLE,
        10,
        "invalid_value",
        "before 写列表中一项的 id",
    ),
    "a mistyped key of an item": (
        reviewer("tied").replace("label:", "lable:") + EXAMPLE,
        11,
        "unknown_key",
        "是不是想写 label",
    ),
    "a key that stands elsewhere": (
        f'filing:\n  windows:\n    review:\n      form: "2025-01-13"\n      to: "2025-03-21"\n'
        f"      {ASSUMED}\n{EXAMPLE}",
        10,
        "unknown_key",
        "是不是想写 from",
    ),
    "a section of former times with one id twice": (
        f"filing:\n  sanctions:\n    - {{id: a, label: 甲}}\n    - {{id: a, label: 乙}}\n{EXAMPLE}",
        10,
        "duplicate_id",
        "已经写过",
    ),
    "a rule that takes everything": (
        reviewer("true", "'amr-440000'") + EXAMPLE,
        9,
        "unreachable_reviewer",
        "总是适用",
    ),
    "lax yes of a duty": (
        f'duties:\n  - {{id: x, label: 试, who: [city], once: "yes", {ASSUMED}}}\n{EXAMPLE}',
        8,
        "invalid_value",
        "true 或 false",
    ),
    "an example of nowhere": (
        example('region: "999999"', "amr-440000", "{reviewer: amr-440000}"),
        10,
        "unknown_jurisdiction",
        "999999",
    ),
    "an example's issuer that is none": (
        example(GUANGZHOU, "amr-990000", "{reviewer: amr-990000}"),
        11,
        "unknown_authority",
        "amr-990000",
    ),
    "an example's lax yes": (
        example(f'{GUANGZHOU}, accredited: "true"', "amr-440000", "{reviewer: amr-440000}"),
        10,
        "example_fails",
        "institution.accredited",
    ),
    "a year without a nation's file": (
        EXAMPLE.replace("examples:", "x_y: 1\nexamples:"),
        7,
        "unknown_key",
        "x_y",
    ),
}


@pytest.mark.parametrize("wrong", OVERLAYS.values(), ids=OVERLAYS)
def test_an_overlay_is_told_at_its_line(wrong: tuple[str, int, str, str], folder: Path) -> None:
    body, line, code, words = wrong
    (folder / "2024" / "guangdong.yaml").write_text(HEAD + body, "utf-8")
    found = check_name(RuleLibrary(folder), "2024/guangdong")
    told = [one for one in found if (one.file, one.line) == ("2024/guangdong.yaml", line)]
    assert [one for one in told if one.code == code and words in one.message], [*map(str, found)]


def test_a_mistyped_key_is_told_beside_what_is_missing_for_it(folder: Path) -> None:
    text = (HEAD + EXAMPLE).replace("revision: 1", "revison: 1").replace("year:", "yaer:")
    (folder / "2024" / "guangdong.yaml").write_text(text, "utf-8")
    found = {(f.code, f.line) for f in check_name(RuleLibrary(folder), "2024/guangdong")}
    assert found >= {("unknown_key", 6), ("unknown_key", 2)}
    assert {code for code, _ in found} == {"unknown_key", "missing_key"}


@pytest.mark.parametrize(
    ("extends", "words"),
    [
        ("2022/national", "2022 年度还没有全国规则"),
        ("national", "是不是想写 2024/national"),
        ("2024/national.yaml", "是不是想写 2024/national"),
        ('""', "“”不存在"),
    ],
)
def test_a_base_there_is_not_is_told_with_what_to_write(
    extends: str, words: str, folder: Path
) -> None:
    text = (HEAD + EXAMPLE).replace("extends: 2024/national", f"extends: {extends}")
    (folder / "2024" / "guangdong.yaml").write_text(text, "utf-8")
    [told] = check_name(RuleLibrary(folder), "2024/guangdong")
    assert (told.code, told.line) == ("unknown_base", 4)
    assert words in told.message


def test_an_item_is_replaced_and_moved_at_once(folder: Path) -> None:
    body = (
        reviewer("tied").replace("id: mine", "id: tied").replace("before: chosen", "before: nobody")
    )
    body = body.replace('assign: "city"', "refuse: choice_needed")
    (folder / "2024" / "guangdong.yaml").write_text(HEAD + body + EXAMPLE, "utf-8")
    library = RuleLibrary(folder)
    assert check_name(library, "2024/guangdong") == []
    rules = library.merged("2024/guangdong").rules.filing.reviewers
    assert [one.id for one in rules][-2:] == ["tied", "nobody"]


RIGHT = {
    "a text's beginning": (
        reviewer("institution.other_qualifications.exists(q, q.startsWith('雷电'))"),
        f"{GUANGZHOU}, other_qualifications: [雷电防护]",
        "",
    ),
    "the industry of a certificate": (
        reviewer("certs.exists(c, c.industry == '18')"),
        GUANGZHOU,
        ', number: "241901180345"',
    ),
    "a last day": (
        reviewer("certs.exists(c, c.valid && c.valid_to < '2025-06-01')"),
        GUANGZHOU,
        ', valid_to: "2025-05-01"',
    ),
    "by position behind a guard": (
        reviewer("certs.size() > 0 && certs[0].valid && province == 'amr-440000'"),
        GUANGZHOU,
        "",
    ),
}


@pytest.mark.parametrize("right", RIGHT.values(), ids=RIGHT)
def test_what_an_example_reaches_is_accepted(right: tuple[str, str, str], folder: Path) -> None:
    rule, institution, certificate = right
    text = rule + example(institution, f"amr-440000{certificate}", "{reviewer: amr-440100}")
    (folder / "2024" / "guangdong.yaml").write_text(HEAD + text, "utf-8")
    assert check_name(RuleLibrary(folder), "2024/guangdong") == []


@pytest.mark.parametrize(
    "when",
    [
        "city == 'amr-445300'",
        "local == 'amr-440115' || county == 'amr-445381'",
        "institution.region.matches('^4452')",
    ],
)
def test_a_level_of_any_place_is_reached(when: str, folder: Path) -> None:
    body = (
        "filing:\n  review_chain:\n    - {id: county, before: review, label: 初审, "
        f'authority: county, when: "{when}", {ASSUMED}}}\n'
    )
    (folder / "2024" / "guangdong.yaml").write_text(HEAD + body + EXAMPLE, "utf-8")
    assert check_name(RuleLibrary(folder), "2024/guangdong") == []
