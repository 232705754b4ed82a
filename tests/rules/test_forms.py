"""Forms: every file is in order, every check has two sides, no values make the checker raise."""

import re
import shutil
import time
import unicodedata
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.canonical import canonical_json
from domain.facts import CertificateFacts
from rules.check.checks import check_name
from rules.check.form_checks import check_forms
from rules.file.library import RuleLibrary
from rules.filing.forms import peers
from rules.filing.forms.checking import check_form, check_parts, derived_values
from rules.filing.forms.context import Context, PeerRange, Register
from rules.filing.forms.example import blank_example
from rules.filing.forms.expressions import compiled
from rules.filing.forms.json_schema import json_schema
from rules.filing.forms.library import FormLibrary, FormNotFound
from rules.filing.forms.model import COPIES, MAX_NUMBER, MAX_TEXT, Form, FormError
from rules.filing.forms.structure import MAX_FORM_BYTES
from rules.filing.forms.trial import try_checks, try_example

RULES = Path(__file__).resolve().parents[2] / "rules"
FOLDER = RULES / "forms"
LIBRARY = FormLibrary(FOLDER)
NESTED = "[1].all(x, [1].all(y, [1].all(z, a > 0)))"
ALL = [
    "accreditation-2020",
    "annual-report-2020",
    "annual-report-2023",
    "social-responsibility-2020",
    "social-responsibility-2023",
    "statistics-2020",
    "statistics-2023",
    "statistics-2024",
]
SOCIAL = LIBRARY.get("social-responsibility-2023")
STATISTICS = LIBRARY.get("statistics-2024")

# 湘市监认函〔2024〕8号附件2, word for word, each blank replaced by the field that holds it.
ANNEX_2 = """
国家质检中心名称（盖章）：{centre_name}
1. 国家质检中心名称：{centre_name}
所在法人单位资质认定证书号：{cma_certificate_number}
所在法人单位认可证书号（适用时）：{accreditation_certificate_number}
2. 所在法人单位名称：{legal_entity_name}
地址：{address} 邮编：{postcode}
主任 姓名{director_name}联系方式（手机）{director_mobile}
副主任
姓名：{deputy_1_name}电话（座机）：{deputy_1_phone}手机：{deputy_1_mobile}
姓名：{deputy_2_name}电话（座机）：{deputy_2_phone}手机：{deputy_2_mobile}
姓名：{deputy_3_name}电话（座机）：{deputy_3_phone}手机：{deputy_3_mobile}
质量负责人
姓名：{quality_manager_name}电话（座机）：{quality_manager_phone}手机：{quality_manager_mobile}
传真：{fax}电子邮箱：{email}
4. 中心现有员工{staff}人，其中管理人员{managers}人，检验检测人员{testers}人，
辅助人员（适用时）{assistants}人；固定资产{fixed_assets}万元；主要仪器设备{instruments}台套
（其中进口仪器设备{imported_instruments}台套）；实验室面积{laboratory_area}平方米。
(1) 承担市场监管总局产品质量监督抽查任务{national_spot_checks}批次；
(2) 除国抽外，承担各级政府部门监督抽查任务{other_spot_checks}批次；
(3) 承担 CCC 检验检测任务{ccc_tests} 批次；
(4) 承担生产许可证（登记证）检验检测任务{production_licence_tests}批次；
(5) 承担仲裁、司法鉴定的检验检测任务{arbitration_tests}批次；
(6) 参加省部级以上部门组织的能力验证或实验室间比对任务{proficiency_tests}批次，其中，
由本中心组织的有{proficiency_tests_organised} 批次；
另外，本中心还自发组织{proficiency_tests_own} 批次的能力验证（或比对）活动；
(7) 参与制修订国家标准{national_standards}个，
其中，作为牵头单位负责制修订{national_standards_led} 个；
参与制修订行业标准{industry_standards} 个，其中，作为牵头单位负责制修订{industry_standards_led} 个。
(1) 2023 年新增工作人{new_staff}人，新增仪器设备{new_instruments}台套，
新增仪器设备投入{new_instruments_investment}万元，实验室面积扩大{new_laboratory_area}平方米；
(2) 2023 年完成科研项目{research_projects}项，科研经费投入{research_funds}万元，
科研投入占业务收入的{research_share} %；
(3) 2023 年承担委托检验检测{commissioned_tests}批次，较 2022 年增长{commissioned_tests_growth} %。
2023 年度委托检验检测收入占业务总收入的{commissioned_revenue_share} %，
收入较 2022 年增长{commissioned_revenue_growth} %；
(4) 2023 年获得外部资金投入共计{external_funds}万元，其中属于国家财政投入的有{state_funds} 万元。
二、2023 年促进经济社会高质量发展的工作情况 {contribution_summary}
三、2023 年度社会责任报告（另附页）{report_text}
"""


def codes(form: Form, complete: bool = True, **changes: Any) -> list[tuple[str, str]]:
    """(field or check, code) of each finding of the example with some values changed.

    Findings that a written reason answers are left out.
    """
    values = blank_example(form)
    if form.repeats is not None:
        values = {COPIES: [{**values[COPIES][0], **changes}]}
    else:
        values = {**values, **changes}
    found = check_form(form, values, complete)
    return [(one.check or one.pointer.rpartition("/")[2], one.code) for one in found if one.open]


def form_of(
    fields: list[dict[str, Any]], checks: list[dict[str, Any]] | None = None, **more: Any
) -> Form:
    """A tiny form for tests, compiled."""
    unknown = {"value": "未公开", "assumption": "测试"}
    names = ("table_number", "issuing_authority", "approval_number", "valid_until")
    form = Form.model_validate(
        {
            "id": "tiny",
            "title": "测试表",
            "header": dict.fromkeys(names, unknown),
            "cite": {"document": "测试"},
            "sections": [{"id": "only", "title": "唯一一节", "fields": fields}],
            "checks": checks or [],
            **more,
        }
    )
    compiled(form)
    return form


def write(folder: Path, name: str, text: str) -> FormLibrary:
    (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    return FormLibrary(folder)


def test_the_folder_holds_the_expected_forms() -> None:
    assert list(LIBRARY.ids()) == ALL


@pytest.mark.parametrize("form_id", ALL)
def test_every_example_is_complete_valid_and_says_it_is_generated(form_id: str) -> None:
    form = LIBRARY.get(form_id)
    example = blank_example(form)
    assert [one for one in check_form(form, example, complete=True) if one.open] == []
    [values] = example[COPIES] if form.repeats is not None else [example]
    for field in form.fields.values():
        if field.type == "text" and field.id not in ("postcode", "uscc"):
            assert "生成" in values[field.id]


@pytest.mark.parametrize("form_id", ALL)
def test_every_check_fires_on_its_example_and_passes_on_the_other(form_id: str) -> None:
    assert try_checks(LIBRARY.get(form_id)) == []


@pytest.mark.parametrize("form_id", ALL)
def test_every_form_carries_a_statutory_header_and_names_its_own_year_only(form_id: str) -> None:
    form = LIBRARY.get(form_id)
    year = form_id[-4:]
    for _, item in form.header:
        assert item.known or item.value == "未公开" or "推定" in item.assumption
    shown = " ".join(
        [form.title]
        + [section.title for section in form.sections]
        + [field.label for field in form.fields.values()]
    )
    years = set(re.findall(r"20[0-9]{2}", shown))
    assert year in years
    assert years <= {year, str(int(year) - 1)}


def test_a_form_without_official_text_says_so() -> None:
    for form_id in ALL:
        form = LIBRARY.get(form_id)
        assumed = form_id.startswith("statistics") or form_id.endswith("2020")
        assert bool(form.cite.assumption) is assumed
        assert not assumed or "未公开" in form.note or "未取得" in form.note


def bare(text: str) -> str:
    """A text without blanks, marks of Markdown and brackets' styles; each blank to fill in as □."""
    text = re.sub(r"(\\_)+", "□", text)
    return re.sub(r"[\s#*\-]", "", unicodedata.normalize("NFKC", text))


def test_each_blank_of_annex_2_is_a_field_with_the_annex_unit() -> None:
    """The notice itself is walked through: its blanks, in its order, are the form's fields."""
    source = (RULES / "sources" / "hunan-2024-8.txt").read_text(encoding="utf-8")
    annex = bare(source[source.rindex("附件 2") :])
    blanks = re.findall(r"\{(\w+)\}", ANNEX_2)
    written = blanks[:-2]  # the last two are sections to write, with no line to fill in
    assert annex.count("□") == len(written)
    place = 0
    for line in ANNEX_2.splitlines():
        for piece in re.split(r"\{\w+\}", line):
            found = annex.find(bare(piece), place)
            assert found >= 0, piece
            place = found
    own = {one.id for s in SOCIAL.sections if s.id != "supplement" for one in s.fields}
    assert set(blanks) == own
    assert len(blanks) == len(own) + 1  # the name stands on the cover as well
    units = dict(re.findall(r"\{(\w+)\}\s*(人|万元|台套|平方米|批次|个|项|%)", ANNEX_2))
    assert units == {id_: SOCIAL.fields[id_].unit for id_ in own if SOCIAL.fields[id_].unit}


def test_what_the_annex_does_not_print_says_why_it_is_asked() -> None:
    [supplement] = [section for section in SOCIAL.sections if section.id == "supplement"]
    assert "附件" in supplement.assumption
    assert all("推算" in field.source for field in supplement.fields)
    assert all(field.source for field in SOCIAL.fields.values())


def test_annex_1_is_a_cover_and_four_sections_word_for_word() -> None:
    source = (RULES / "sources" / "hunan-2024-8.txt").read_text(encoding="utf-8")
    annex = bare(source[source.index("附件 1\n") : source.rindex("附件 2")])
    assert annex.count("□") == 1
    form = LIBRARY.get("annual-report-2023")
    assert len(form.fields) == 5
    place = annex.index("检验检测机构名称")
    for section in form.sections[1:]:
        found = annex.find(bare(section.title), place)
        assert found > place, section.title
        place = found


def test_only_the_fourth_section_of_the_annual_report_is_optional() -> None:
    form = LIBRARY.get("annual-report-2023")
    assert [f.id for f in form.fields.values() if not f.required] == ["achievements_reported"]
    assert [section.title[:2] for section in form.sections[1:]] == ["一、", "二、", "三、", "四、"]


def test_a_check_does_not_run_while_a_field_it_names_is_blank_or_wrong() -> None:
    assert codes(SOCIAL, managers=None) == [("managers", "required")]
    assert codes(SOCIAL, managers="8") == [("managers", "wrong_type")]


def test_a_draft_may_lack_required_fields_but_hold_nothing_wrong() -> None:
    assert check_form(STATISTICS, {}, complete=False) == []
    assert check_form(STATISTICS, {"patents": None, "unit_nature": " "}, complete=False) == []
    assert codes(STATISTICS, complete=False, patents=-1) == [("patents", "out_of_range")]
    assert codes(STATISTICS, complete=False, patents=0) == []
    missing = check_form(STATISTICS, {}, complete=True)
    assert {one.code for one in missing} == {"required"}
    asked = [
        one.id
        for section in STATISTICS.sections
        if section.when is None and section.table is None
        for one in section.fields
        if one.required and one.derived is None
    ]
    tables = [section.id for section in STATISTICS.sections if section.table and section.table.min]
    assert {one.pointer[1:] for one in missing} == {*asked, *tables}


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("patents", True, "wrong_type"),
        ("patents", 36.0, "wrong_type"),
        ("patents", float("nan"), "wrong_type"),
        ("patents", "36", "wrong_type"),
        pytest.param("patents", 10**5000, "too_large", id="huge"),
        ("projects", -(MAX_NUMBER + 1), "too_large"),
        ("assets", 12.34, "wrong_type"),
        ("assets", 12, "wrong_type"),
        ("assets", "12.345", "bad_format"),
        ("assets", "1,000", "bad_format"),
        ("assets", "NaN", "bad_format"),
        ("assets", "Infinity", "bad_format"),
        ("assets", "1e3", "bad_format"),
        ("assets", "１２", "bad_format"),
        ("assets", "12\n", "bad_format"),
        ("assets", "9" * 100_000, "bad_format"),
        ("assets", "1000000000000.01", "too_large"),
        ("listed", "true", "wrong_type"),
        ("listed", 1, "wrong_type"),
        ("unit_nature", "公司", "not_an_option"),
        ("unit_nature", ["企业"], "wrong_type"),
        ("fields", "食品", "wrong_type"),
        ("fields", ["食品", "食品"], "duplicate_option"),
        ("fields", ["食品", "航天"], "not_an_option"),
        ("fields", [["食品"]], "wrong_type"),
        ("remarks", 5, "wrong_type"),
        ("remarks", "字" * (MAX_TEXT + 1), "too_long"),
        ("remarks", "甲\x00乙", "bad_characters"),
        ("remarks", "甲\ud800乙", "bad_characters"),
    ],
)
def test_a_wrong_value_has_a_stable_code_even_in_a_draft(field: str, value: Any, code: str) -> None:
    assert codes(STATISTICS, complete=False, **{field: value}) == [(field, code)]


def test_values_at_their_bounds_are_taken() -> None:
    assert codes(STATISTICS, remarks="字" * MAX_TEXT) == []
    assert codes(STATISTICS, net_profit=str(-MAX_NUMBER), assets=str(MAX_NUMBER)) == []
    assert codes(STATISTICS, patents=MAX_NUMBER) == []


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("2024-02-29", []),
        ("2023-02-29", ["bad_format"]),
        ("20240229", ["bad_format"]),
        ("2024-2-9", ["bad_format"]),
        ("2024-02-29T00:00", ["bad_format"]),
        (20240229, ["wrong_type"]),
    ],
)
def test_dates_are_iso_days_that_exist(value: Any, found: list[str]) -> None:
    form = form_of([{"id": "day", "label": "日期", "type": "date"}])
    assert [p.code for p in check_form(form, {"day": value}, True)] == found


def test_unknown_fields_are_named_but_not_without_end() -> None:
    problems = check_form(STATISTICS, {f"x{i}": 1 for i in range(1000)}, complete=False)
    assert len(problems) == 21
    assert problems[0].pointer == "/x0"
    assert "980" in problems[-1].message


def test_a_form_may_be_as_large_as_its_limit_and_not_a_byte_larger() -> None:
    """Texts that are each short enough may be too much together."""
    texts = [
        {"id": f"text_{n}", "label": "说明", "type": "text", "max_length": MAX_TEXT}
        for n in range(20)
    ]
    form = form_of(texts)
    values = {str(field["id"]): "a" * 13_000 for field in texts}
    missing = MAX_FORM_BYTES - len(canonical_json(values))
    values["text_0"] += "a" * missing
    assert len(canonical_json(values)) == MAX_FORM_BYTES
    assert check_form(form, values, complete=False) == []
    values["text_0"] = values["text_0"][1:] + "字"
    for complete in (False, True):
        [problem] = check_form(form, values, complete=complete)
        assert (problem.pointer, problem.code) == ("", "form_too_large")
        assert "256 千字节" in problem.message


def test_characters_count_as_the_bytes_they_are_kept_as() -> None:
    """The same number of characters fits or does not, by what they take."""
    form = LIBRARY.get("annual-report-2023")
    texts = [f.id for f in form.fields.values() if f.type == "text" and f.max_length == MAX_TEXT]
    plain = {**blank_example(form), **dict.fromkeys(texts, "字" * MAX_TEXT)}
    rare = {**plain, **dict.fromkeys(texts, "𠮷" * MAX_TEXT)}
    assert "form_too_large" not in [p.code for p in check_form(form, plain, complete=False)]
    assert [p.code for p in check_form(form, rare, complete=False)] == ["form_too_large"]


REGISTER = Register(
    name="甲检测公司",
    uscc="91350100M000100Y43",
    national_centres=("国家甲质检中心",),
    certificates=(
        CertificateFacts(
            number="241301060345",
            level="provincial",
            issuer="amr-350000",
            scope=120,
            valid_to=date(2029, 5, 1),
        ),
    ),
)

hostile = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(
    form_id=st.sampled_from(ALL),
    changes=st.dictionaries(
        st.sampled_from([*SOCIAL.fields, *STATISTICS.fields, "institution_name"]) | st.text(),
        hostile | st.from_regex(r"\A-?[0-9]{1,14}(\.[0-9]{1,2})?\Z"),
        max_size=12,
    ),
    complete=st.booleans(),
)
def test_no_values_make_the_checker_raise(
    form_id: str, changes: dict[str, Any], complete: bool
) -> None:
    form = LIBRARY.get(form_id)
    example = blank_example(form)
    if form.repeats is not None:
        values: dict[str, Any] = {COPIES: [{**example[COPIES][0], **changes}]}
    else:
        values = {**example, **changes}
    known = Context(year=2024, register=REGISTER, last_year={})
    found = check_form(form, values, complete, known)
    assert all(one.message and one.code for one in found)
    assert not any(one.code == "check_not_computable" for one in found)
    derived_values(form, values)


@given(values=hostile)
def test_no_document_makes_the_checker_raise(values: Any) -> None:
    check_form(SOCIAL, values, complete=True)


def test_a_check_that_cannot_be_computed_is_reported_not_passed() -> None:
    number = {"type": "integer", "example": 1}
    form = form_of(
        [{"id": "a", "label": "甲", **number}, {"id": "b", "label": "乙", **number}],
        [{"id": "ratio", "fields": ["a", "b"], "holds": "a / b >= 0", "message": "甲乙之比"}],
    )
    problems = check_form(form, {"a": 1, "b": 0}, complete=True)
    assert [(p.check, p.code) for p in problems] == [("ratio", "check_not_computable")]
    assert "甲1、乙0" in problems[0].message


def test_a_long_sum_is_written_with_sum() -> None:
    fields = [{"id": f"f{i}", "label": str(i), "type": "decimal"} for i in range(60)]
    names = [f"f{i}" for i in range(60)]
    check = {
        "id": "total",
        "fields": names,
        "holds": f"sum([{', '.join(names[1:])}]) == f0",
        "message": "合计不符",
    }
    form = form_of(fields, [check])
    values = {name: str(MAX_NUMBER) for name in names}
    assert [p.code for p in check_form(form, values, True)] == ["check_failed"]


def test_150_checks_take_less_than_5_ms() -> None:
    fields = [{"id": f"f{i}", "label": str(i), "type": "integer"} for i in range(152)]
    checks = [
        {
            "id": f"c{i}",
            "fields": [f"f{i}", f"f{i + 1}", f"f{i + 2}"],
            "holds": f"f{i} + f{i + 1} == f{i + 2}",
            "message": "不符",
        }
        for i in range(150)
    ]
    form = form_of(fields, checks)
    values = blank_example(form)
    best = 1.0
    for _ in range(20):
        start = time.process_time()
        assert check_form(form, values, complete=True) == []
        best = min(best, time.process_time() - start)
    assert best < 0.005


@pytest.mark.parametrize(
    ("check", "part"),
    [
        ({"holds": "a > 0", "fields": ["a", "zz"]}, "没有字段 zz"),
        ({"holds": "a > b", "fields": ["a"]}, "请写进 fields"),
        ({"holds": "a > zz", "fields": ["a"]}, "没有 zz 这个字段"),
        ({"holds": "kind == '三'", "fields": ["kind"]}, "没有选项“三”；有：一、二"),
        ({"holds": "'三' in several", "fields": ["several"]}, "没有选项“三”"),
        ({"holds": "a <= money", "fields": ["a", "money"]}, "一个是整数、一个是小数"),
        ({"holds": "a > 0", "fields": ["a"], "message": "共{b}"}, "message 里的 {b}"),
        ({"holds": "a <= tolerance", "fields": ["a"]}, "没有写出容许的误差"),
        ({"holds": "a > 0", "fields": ["a"], "each": "a"}, "each 要写表格的编号"),
        ({"holds": NESTED, "fields": ["a"]}, "循环套得太深"),
        ({"peers": {"field": "a"}, "fields": ["a"]}, "peers 要有 peer_groups"),
        ({"holds": "last_year.zz > 0 && a > 0", "fields": ["a"]}, "有误"),
        ({"holds": "a > 0", "fields": ["a", "b"]}, "b 未被表达式使用"),
        ({"holds": "a + 1", "fields": ["a"]}, "不是真假值"),
        ({"holds": "a >", "fields": ["a"]}, "有误"),
        ({"holds": "a > 1.5", "fields": ["a"]}, "有误"),
        ({"holds": "a > 0", "fields": ["a"], "absent": ["a"]}, "既在 fields 又在 absent"),
    ],
)
def test_a_wrong_check_is_refused_when_the_form_is_loaded(check: dict[str, Any], part: str) -> None:
    fields: list[dict[str, Any]] = [
        *({"id": name, "label": name, "type": "integer"} for name in "ab"),
        {"id": "money", "label": "钱", "type": "decimal"},
        {"id": "kind", "label": "类", "type": "choice", "options": ["一", "二"]},
        {"id": "several", "label": "几类", "type": "choices", "options": ["一", "二"]},
    ]
    with pytest.raises(FormError, match=part):
        form_of(fields, [{"id": "c", "message": "不符", **check}])


def test_a_form_whose_example_fails_its_checks_is_refused() -> None:
    field = {"id": "a", "label": "甲", "type": "integer", "example": 0}
    check = {"id": "c", "fields": ["a"], "holds": "a > 0", "message": "应为正数"}
    with pytest.raises(FormError, match="示例不合格"):
        try_example(form_of([field], [check]))


@pytest.mark.parametrize("form_id", ["nothing", "../forms/statistics-2024", "", "a" * 500, "表"])
def test_an_unknown_form_is_not_found(form_id: str) -> None:
    with pytest.raises(FormNotFound, match="没有编号为"):
        LIBRARY.get(form_id)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("id: [", "不是合格的 YAML"),
        ("- 1", "应为一个映射"),
        ("id: other", "id 应与文件名一致"),
        ("id: x\ntitle: 1", "x.yaml：cite：缺少 cite"),
        ("id: x\nunknown: 1", "不认识的键 unknown|缺少"),
        ("id: x\nextends: nothing", "没有编号为"),
        ("id: x\ntexts: {a: b}", "texts 只与 extends 同用"),
        ("id: x\nextends: [1]", "extends 应为"),
    ],
)
def test_a_wrong_file_is_refused_with_its_name_and_no_folder(
    tmp_path: Path, text: str, part: str
) -> None:
    with pytest.raises((FormError, FormNotFound), match=part) as caught:
        write(tmp_path, "x", text).get("x")
    assert str(tmp_path) not in str(caught.value)


CHECKED = """
id: next-year
extends: x
add:
  fields: {only: [{id: robots, label: 检测机器人, type: integer, min: 0, example: 2}]}
  checks:
    - id: robots
      level: warn
      fields: [robots, staff]
      holds: robots <= staff
      message: 机器人{robots}多于人员{staff}
      example: {fires: {robots: 4}, passes: {robots: 3}}
"""


def test_a_new_indicator_and_a_check_for_a_new_year_are_yaml_only(tmp_path: Path) -> None:
    header = "".join(
        f"  {name}: {{value: 未公开, assumption: 测试}}\n"
        for name in ("table_number", "issuing_authority", "approval_number", "valid_until")
    )
    staff = "{id: staff, label: 人员, type: integer, min: 0, example: 3}"
    base = (
        f"id: x\ntitle: 甲表\ncite: {{document: 测试}}\nheader:\n{header}"
        f"sections:\n  - {{id: only, title: 一节, fields: [{staff}]}}\n"
    )
    write(tmp_path, "x", base)
    library = write(tmp_path, "next-year", CHECKED)
    form = library.get("next-year")
    assert library.trial("next-year") == []
    assert list(form.fields) == ["staff", "robots"]
    [found] = check_form(form, {"staff": 1, "robots": 2}, complete=True)
    assert (found.check, found.level, found.message) == ("robots", "warn", "机器人2多于人员1")
    assert json_schema(form)["required"] == ["staff", "robots"]
    write(tmp_path, "next-year", CHECKED.replace("{robots: 3}", "{robots: 4}"))
    [wrong] = FormLibrary(tmp_path).trial("next-year")
    assert "例子 passes 应通过" in str(wrong)


def test_a_derived_form_changes_texts_in_one_pass_and_only_what_exists(tmp_path: Path) -> None:
    base = (FOLDER / "annual-report-2023.yaml").read_text(encoding="utf-8")
    write(tmp_path, "annual-report-2023", base)
    derived = "id: x\nextends: annual-report-2023\ntexts: {'2023': '2022', '2022': '2021'}\n"
    with pytest.raises(FormError, match="“2022”在原表中不存在"):
        write(tmp_path, "x", derived).get("x")
    derived = "id: x\nextends: annual-report-2023\ntexts: {'2023': '2022', '报告': '2023'}\n"
    assert write(tmp_path, "x", derived).get("x").title == "2022年检验检测机构2023"
    derived = "id: x\nextends: annual-report-2023\nsections: []\n"
    with pytest.raises(FormError, match="不能改动 sections"):
        write(tmp_path, "x", derived).get("x")


def test_a_form_has_a_stable_hash_that_differs_by_year() -> None:
    hashes = {FormLibrary(FOLDER).get(form_id).sha256 for form_id in ALL}
    assert len(hashes) == len(ALL)
    assert FormLibrary(FOLDER).get("statistics-2024").sha256 == STATISTICS.sha256


# --- sections, tables, derived values -------------------------------------------------------------


def test_a_section_is_asked_for_where_its_answer_calls_for_it() -> None:
    asked = {"operating_revenue", "fiscal_allocation", "total_income"}
    for kind, wanted in (
        ("企业", {"operating_revenue"}),
        ("事业单位", {"fiscal_allocation"}),
        ("其他", {"total_income"}),
        (None, set()),
    ):
        found = check_form(STATISTICS, {"unit_nature": kind}, complete=True)
        required = {one.pointer[1:] for one in found if one.code == "required"}
        assert required & asked == wanted, kind


def test_what_an_answer_leaves_nothing_to_fill_in_for_is_refused_even_in_a_draft() -> None:
    values = {"unit_nature": "其他", "operating_revenue": "1.00"}
    [found] = check_form(STATISTICS, values, complete=False)
    assert (found.pointer, found.code) == ("/operating_revenue", "not_applicable")
    assert "营业收入" in found.message
    # an unanswered question leaves both open
    assert check_form(STATISTICS, {"operating_revenue": "1.00"}, complete=False) == []


def test_sums_and_shares_follow_and_are_never_typed() -> None:
    values = blank_example(STATISTICS)
    derived = derived_values(STATISTICS, values)
    assert derived["staff"] == 4 + 18 + 14
    assert derived["instruments_value"] == "1260.50"
    assert derived["laboratory_area"] == "1800.00"
    assert derived["revenue"] == "980.00"
    assert derived["imported_share"] == "39.69"  # 500.25 / 1260.50
    assert codes(STATISTICS, False, staff=36) == [("staff", "derived")]
    public = {k: v for k, v in values.items() if STATISTICS.section_of(k) is None}
    public |= {
        "unit_nature": "事业单位",
        "fiscal_allocation": "0.10",
        "business_income": "0.20",
        "operating_income": "0.00",
        "other_income": "0.00",
        "expenditure": "0.30",
    }
    assert derived_values(STATISTICS, public)["revenue"] == "0.30"
    # a term that has still to come keeps its sum open, and nothing is divided by nothing
    del values["staff_bachelor"]
    assert "staff" not in derived_values(STATISTICS, values)
    none = {**values, "instruments_domestic_value": "0", "instruments_imported_value": "0"}
    assert "imported_share" not in derived_values(STATISTICS, none)


def test_shares_of_the_annex_are_rounded_half_up_to_two_places() -> None:
    [copy] = blank_example(SOCIAL)[COPIES]
    copy |= {"research_funds": "1.00", "business_revenue": "800.00"}
    [derived] = derived_values(SOCIAL, {COPIES: [copy]})
    assert derived["research_share"] == "0.13"  # 0.125
    assert derived["commissioned_tests_growth"] == "3.20"
    copy["commissioned_tests_last_year"] = 0
    [derived] = derived_values(SOCIAL, {COPIES: [copy]})
    assert "commissioned_tests_growth" not in derived


ROW = {"number": "241301060345", "level": "省级", "valid_to": "2029-05-01"}


@pytest.mark.parametrize(
    ("rows", "pointer", "code"),
    [
        ("一张", "/certificates", "wrong_type"),
        ([["一张"]], "/certificates", "wrong_type"),
        ([{**ROW, "level": "市级"}], "/certificates/0/level", "not_an_option"),
        ([ROW, {**ROW, "scope": -1}], "/certificates/1/scope", "out_of_range"),
        ([ROW, ROW], "/certificates/1/number", "duplicate_row"),
        ([{**ROW, "a/b": 1}], "/certificates/0/a~1b", "unknown_field"),
        ([{**ROW, "valid_to": "2023-02-29"}], "/certificates/0/valid_to", "bad_format"),
        ([{**ROW, "number": str(n)} for n in range(101)], "/certificates", "too_many_rows"),
    ],
)
def test_rows_are_looked_at_one_by_one_even_in_a_draft(rows: Any, pointer: str, code: str) -> None:
    found = check_form(STATISTICS, {"certificates": rows}, complete=False)
    assert (found[0].pointer, found[0].code) == (pointer, code)


def test_a_choice_that_is_none_is_told_with_all_there_are() -> None:
    [found] = check_form(STATISTICS, {"unit_nature": "公司"}, complete=False)
    assert found.message == "“单位性质”只能从给定的 3 个选项中选：企业、事业单位、其他"


def test_one_copy_is_wanted_for_each_centre_of_the_register() -> None:
    known = Context(year=2023, register=REGISTER)

    def told(*names: str) -> list[tuple[str, str]]:
        [copy] = blank_example(SOCIAL)[COPIES]
        copies = [{**copy, "centre_name": name} for name in names]
        found = check_form(SOCIAL, {COPIES: copies}, True, known)
        return [(one.pointer, one.code) for one in found if one.open]

    assert told("国家甲质检中心") == []
    assert told() == [(f"/{COPIES}", "required"), (f"/{COPIES}", "copy_missing")]
    place = f"/{COPIES}/1/centre_name"
    assert told("国家甲质检中心", "国家乙质检中心") == [(place, "copy_unknown")]
    assert told("国家甲质检中心", "国家甲质检中心") == [(place, "duplicate_row")]


# --- levels, reasons, what is known beside the form -----------------------------------------------


def test_a_warning_is_accepted_with_a_written_reason_and_a_block_is_not() -> None:
    values = {**blank_example(STATISTICS), "liabilities": "2100.01"}
    [found] = [one for one in check_form(STATISTICS, values, True) if one.open]
    assert (found.check, found.level) == ("liabilities", "warn")
    assert found.message == ("负债合计2100.01万元大于资产总计2100.00万元，确属资不抵债的请说明")
    values["reasons"] = {**values["reasons"], "liabilities": " "}
    assert [one.check for one in check_form(STATISTICS, values, True) if one.open] == [
        "liabilities"
    ]
    values["reasons"]["liabilities"] = "股东借款"
    [found] = [one for one in check_form(STATISTICS, values, True) if one.level == "warn"]
    assert (found.reason, found.open) == ("股东借款", False)
    values["reasons"] = {"staff-titles": "不想改"}
    assert ("/reasons/staff-titles", "not_explainable") in [
        (one.pointer, one.code) for one in check_form(STATISTICS, values, False)
    ]
    values["reasons"] = {"no-such-check": "理由"}
    [found] = check_form(STATISTICS, values, False)
    assert (found.pointer, found.code) == ("/reasons/no-such-check", "unknown_check")


def test_what_was_filled_in_beforehand_has_to_be_confirmed() -> None:
    values = {**blank_example(STATISTICS), "unconfirmed": ["unit_name", "certificates"]}
    assert check_form(STATISTICS, values, complete=False) == []
    found = [one for one in check_form(STATISTICS, values, True) if one.open]
    assert [(one.pointer, one.code) for one in found] == [
        ("/unit_name", "unconfirmed"),
        ("/certificates", "unconfirmed"),
    ]
    [wrong] = check_form(STATISTICS, {"unconfirmed": ["nothing"]}, complete=False)
    assert (wrong.pointer, wrong.code) == ("/unconfirmed", "wrong_type")


def test_the_report_on_a_filing_numbers_everything_and_names_places_by_part() -> None:
    forms = {
        "statistics": LIBRARY.get("statistics-2020"),
        "annual-report": LIBRARY.get("annual-report-2020"),
        "social-responsibility": LIBRARY.get("social-responsibility-2020"),
    }
    content = {part: blank_example(form, REGISTER, 2020) for part, form in forms.items()}
    known = Context(year=2020, register=REGISTER)
    ready = check_parts(forms, content, True, known)
    assert ready.ready, [one for one in ready.findings if one.open]
    content["annual-report"]["institution_name"] = "乙检测公司"
    content["statistics"]["staff_testers"] = 37
    content["social-responsibility"][COPIES][0]["testers"] = 29
    found = check_parts(forms, content, True, known)
    assert [one.number for one in found.findings] == [*range(1, len(found.findings) + 1)]
    told = {one.check: one for one in found.open}
    assert told["staff-testers"].pointer == "/statistics/staff"
    between = told["name-in-statistics"]
    assert between.fields == ("/annual-report/institution_name", "/statistics/unit_name")
    within = told["staff-within-unit"]
    assert within.pointer == "/social-responsibility/copies/0/staff"
    assert "37人多于统计报表中所在单位的从业人员36人" in within.message
    assert (found.blocks, found.ready) == (3, False)


def test_last_year_is_compared_by_copy_where_a_form_repeats() -> None:
    content = {"social-responsibility": blank_example(SOCIAL, REGISTER, 2023)}
    last = {"social-responsibility": {"国家甲质检中心": {"commissioned_tests": 8000}}}
    found = check_parts(
        {"social-responsibility": SOCIAL}, content, True, Context(register=REGISTER), last
    )
    assert [one.check for one in found.findings if one.level == "warn"] == ["tests-last-year"]


def test_peers_are_asked_in_each_group_and_one_that_fits_is_enough() -> None:
    values = {**blank_example(STATISTICS), "fields": ["食品", "建材"]}
    usual = {"count": 30, "median": Decimal(10), "low": Decimal(1), "high": Decimal(35)}
    narrow = PeerRange(group="企业·食品", **usual)
    wide = narrow.model_copy(update={"group": "企业·建材", "high": Decimal(36)})
    few = narrow.model_copy(update={"count": 29})

    def told(**ranges: PeerRange) -> list[str]:
        known = {("staff", one.group): one for one in ranges.values()}
        found = check_form(STATISTICS, values, True, Context(peers=known))
        return [one.message for one in found if one.check == "staff-peers"]

    [message] = told(food=narrow)
    assert "从业人员36人；同类机构（企业·食品，30家已提交的）中位数10人" in message
    assert told(food=narrow, building=wide) == []
    assert told(food=few) == []


def test_a_form_past_its_validity_is_told_of_on_the_day_after_its_last() -> None:
    last = {"value": "2025-03-21"}
    unknown = {"value": "未公开", "assumption": "测试"}
    header = {
        "table_number": {"value": "国统甲"},
        "issuing_authority": unknown,
        "approval_number": {"value": "国统制〔2022〕1号"},
        "valid_until": last,
    }
    form = form_of([{"id": "a", "label": "甲", "type": "integer"}], header=header)
    known = [Context(today=date(2025, 3, day)) for day in (21, 22)]
    codes_ = [[one.code for one in check_form(form, {"a": 1}, True, one)] for one in known]
    assert codes_ == [[], ["form_expired"]]
    [found] = check_form(form, {"a": 1}, True, known[1])
    assert "表号 国统甲" in found.message
    assert "2025-03-21" in found.message


@pytest.mark.parametrize(
    "valid_until", [{"value": " "}, {"value": "2019年12月31日"}, {"value": "2019-02-29"}]
)
def test_the_legal_particulars_are_neither_blank_nor_no_date(valid_until: Any) -> None:
    unknown = {"value": "未公开", "assumption": "测试"}
    names = ("table_number", "issuing_authority", "approval_number")
    header = {**dict.fromkeys(names, unknown), "valid_until": valid_until}
    with pytest.raises(ValueError, match="valid_until"):
        form_of([{"id": "a", "label": "甲", "type": "integer"}], header=header)


def test_a_form_of_a_set_from_before_is_read_and_checked_as_it_is_kept() -> None:
    """Levels, examples and help came later: running filings keep the forms they began with."""
    number = {"type": "integer", "unit": "人", "min": 0, "note": "（生成）说明", "example": 1}
    old = form_of(
        [{"id": "a", "label": "甲", **number}, {"id": "b", "label": "乙", **number}],
        [{"id": "c", "fields": ["a", "b"], "holds": "a <= b", "message": "甲不能多于乙"}],
    )
    assert old.fields["a"].help == "（生成）说明"
    [found] = check_form(old, {"a": 2, "b": 1}, complete=True)
    assert (found.check, found.level, found.open) == ("c", "block", True)


def test_the_json_schema_takes_what_the_form_takes() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    for form_id in ALL:
        form = LIBRARY.get(form_id)
        schema = json_schema(form)
        jsonschema.Draft202012Validator.check_schema(schema)
        jsonschema.validate(blank_example(form), schema)
    schema = json_schema(STATISTICS)
    bad: tuple[dict[str, Any], ...] = (
        {"staff": 3},
        {"unit_nature": "公司"},
        {"assets": 3},
        {"sites": []},
    )
    for wrong in bad:
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**blank_example(STATISTICS), **wrong}, schema)


def test_the_rules_find_a_form_that_is_valid_too_short_and_a_forged_quotation(
    tmp_path: Path,
) -> None:
    shutil.copytree(RULES, tmp_path / "rules", ignore=shutil.ignore_patterns("*.py", "filing"))
    path = tmp_path / "rules" / "forms" / "statistics-2024.yaml"
    for other in path.parent.glob("*-202[03].yaml"):
        other.unlink()
    text = path.read_text(encoding="utf-8")
    unknown = "valid_until: {value: 未公开, assumption: 通知未载有效期限}"
    assert unknown in text

    def found() -> list[str]:
        library = RuleLibrary(tmp_path / "rules")
        return sorted(
            {one.code for one in [*check_forms(library), *check_name(library, "2024/national")]}
        )

    path.write_text(text.replace(unknown, 'valid_until: {value: "2025-03-21"}'), encoding="utf-8")
    assert found() == []
    path.write_text(text.replace(unknown, 'valid_until: {value: "2025-03-20"}'), encoding="utf-8")
    assert found() == ["form_expired"]
    path.write_text(
        text.replace("quote: 仅填写一次统计报表", "quote: 须填写两次"), encoding="utf-8"
    )
    assert found() == ["quote_not_in_source"]


def test_what_is_usual_among_peers_is_robust_and_never_narrower_than_the_factor() -> None:
    contents = [
        {
            "unit_nature": "企业",
            "fields": ["食品"],
            "staff_postgraduate": 1,
            "staff_bachelor": 10 + number % 5,
            "staff_other_education": 9,
            "testing_revenue": f"{100 + number}.00",
        }
        for number in range(40)
    ]
    before = peers.ranges(STATISTICS, contents)["testing_revenue", "企业·食品"]
    assert (before.count, before.median) == (40, Decimal("119.50"))
    assert before.low <= Decimal("11.95")
    assert before.high >= Decimal("1195.00")
    staff = peers.ranges(STATISTICS, contents)["staff", "企业·食品"]
    assert staff.median == 22  # 1 + 12 + 9: derived, as the form has it
    # a few who typed yuan, or what cannot be read, move nothing
    spoiled = [{**contents[0], "testing_revenue": "1000000.00"}] * 3
    broken = [{**contents[0], "testing_revenue": ["?"]}, {"unit_nature": "企业", "fields": 3}]
    after = peers.ranges(STATISTICS, [*contents, *spoiled, *broken])
    usual = after["testing_revenue", "企业·食品"]
    assert (usual.count, usual.high < 2000) == (43, True)
    assert peers.ranges(STATISTICS, contents[:29]) == {}
    none = [{**one, "testing_revenue": "0.00"} for one in contents[:39]] + [contents[39]]
    # most have none: nothing is said of those that have some
    found = peers.ranges(STATISTICS, none)["testing_revenue", "企业·食品"]
    assert found.low == 0
    assert found.high >= Decimal("139.00")
