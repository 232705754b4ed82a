"""Forms: every file is in order, every check has two sides, no values make the checker raise."""

import re
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.canonical import canonical_json
from rules.filing.forms import (
    MAX_FORM_BYTES,
    MAX_NUMBER,
    MAX_TEXT,
    Form,
    FormError,
    FormLibrary,
    FormNotFound,
    check_form,
)

FOLDER = Path(__file__).resolve().parents[2] / "rules" / "forms"
LIBRARY = FormLibrary(FOLDER)
ALL = [
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
    """(field or check, code) of each problem of the example with some values changed."""
    values = {**form.blank_example(), **changes}
    return [(p.check or p.field, p.code) for p in check_form(form, values, complete)]


def form_of(fields: list[dict[str, Any]], checks: list[dict[str, Any]] | None = None) -> Form:
    """A tiny form for tests."""
    unknown = {"value": "未公开", "assumption": "测试"}
    names = ("table_number", "issuing_authority", "approval_number", "valid_until")
    return Form.model_validate(
        {
            "id": "tiny",
            "title": "测试表",
            "header": dict.fromkeys(names, unknown),
            "cite": {"document": "测试"},
            "sections": [{"id": "only", "title": "唯一一节", "fields": fields}],
            "checks": checks or [],
        }
    )


def write(folder: Path, name: str, text: str) -> FormLibrary:
    (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    return FormLibrary(folder)


def test_the_folder_holds_the_expected_forms() -> None:
    assert list(LIBRARY.ids()) == ALL


@pytest.mark.parametrize("form_id", ALL)
def test_every_example_is_complete_valid_and_says_it_is_generated(form_id: str) -> None:
    form = LIBRARY.get(form_id)
    example = form.blank_example()
    assert check_form(form, example, complete=True) == []
    assert set(example) == set(form.fields)
    for field in form.fields.values():
        if field.type == "text" and field.id != "postcode":
            assert "生成" in example[field.id]


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


def test_each_blank_of_annex_2_is_a_field_with_the_annex_unit() -> None:
    blanks = re.findall(r"\{(\w+)\}", ANNEX_2)
    assert set(blanks) == set(SOCIAL.fields)
    assert len(blanks) == len(SOCIAL.fields) + 1  # the name stands on the cover as well
    units = dict(re.findall(r"\{(\w+)\}\s*(人|万元|台套|平方米|批次|个|项|%)", ANNEX_2))
    assert units == {field.id: field.unit for field in SOCIAL.fields.values() if field.unit}


def test_only_the_fourth_section_of_the_annual_report_is_optional() -> None:
    form = LIBRARY.get("annual-report-2023")
    assert [f.id for f in form.fields.values() if not f.required] == ["achievements_reported"]
    assert [section.title[:2] for section in form.sections[1:]] == ["一、", "二、", "三、", "四、"]


SIDES = [
    (SOCIAL, "staff-sum", {"staff": 60}, {"staff": 61}),
    (
        SOCIAL,
        "staff-sum-without-assistants",
        {"staff": 53, "assistants": None},
        {"staff": 60, "assistants": None},
    ),
    (SOCIAL, "imported-instruments", {"imported_instruments": 320}, {"imported_instruments": 321}),
    (
        SOCIAL,
        "proficiency-organised",
        {"proficiency_tests_organised": 12},
        {"proficiency_tests_organised": 13},
    ),
    (
        SOCIAL,
        "national-standards-led",
        {"national_standards_led": 6},
        {"national_standards_led": 7},
    ),
    (
        SOCIAL,
        "industry-standards-led",
        {"industry_standards_led": 5},
        {"industry_standards_led": 6},
    ),
    (SOCIAL, "state-funds", {"state_funds": "150"}, {"state_funds": "150.01"}),
    (
        SOCIAL,
        "research-share",
        {"research_funds": "0.00", "research_share": "0"},
        {"research_funds": "0", "research_share": "0.01"},
    ),
    (
        SOCIAL,
        "commissioned-growth",
        {"commissioned_tests": 0, "commissioned_tests_growth": "-100.00"},
        {"commissioned_tests": 0, "commissioned_tests_growth": "-99.99"},
    ),
    (STATISTICS, "instruments-sum", {"instruments": 210}, {"instruments": 211}),
    (
        STATISTICS,
        "instruments-value-sum",
        {"instruments_value": "1260.51"},
        {"instruments_value": "1260.52"},
    ),
    (
        STATISTICS,
        "instruments-value-sum",
        {"instruments_value": "1260.49"},
        {"instruments_value": "1260.48"},
    ),
    (STATISTICS, "reports-sum", {"reports": 5020}, {"reports": 5019}),
    (STATISTICS, "invention-patents", {"patents_invention": 6}, {"patents_invention": 7}),
]


@pytest.mark.parametrize(
    ("form", "check", "right", "wrong"),
    SIDES,
    ids=[f"{s[0].id}-{s[1]}-{i}" for i, s in enumerate(SIDES)],
)
def test_each_check_passes_on_one_side_and_fails_on_the_other(
    form: Form, check: str, right: dict[str, Any], wrong: dict[str, Any]
) -> None:
    assert codes(form, **right) == []
    assert codes(form, **wrong) == [(check, "check_failed")]
    assert codes(form, complete=False, **wrong) == []


def test_every_check_of_every_form_has_its_two_sides_tested() -> None:
    tested = {side[1] for side in SIDES}
    for form_id in ALL:
        assert {check.id for check in LIBRARY.get(form_id).checks} <= tested


def test_a_check_does_not_run_while_a_field_it_names_is_blank_or_wrong() -> None:
    assert codes(SOCIAL, managers=None) == [("managers", "required")]
    assert codes(SOCIAL, managers="8") == [("managers", "wrong_type")]


def test_a_draft_may_lack_required_fields_but_not_hold_wrong_types() -> None:
    assert check_form(STATISTICS, {}, complete=False) == []
    assert check_form(STATISTICS, {"staff": None, "unit_nature": " "}, complete=False) == []
    assert codes(STATISTICS, complete=False, staff=-1) == []
    assert codes(STATISTICS, complete=True, staff=-1) == [("staff", "out_of_range")]
    missing = check_form(STATISTICS, {}, complete=True)
    assert {p.code for p in missing} == {"required"}
    assert len(missing) == len(STATISTICS.fields)


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("staff", True, "wrong_type"),
        ("staff", 36.0, "wrong_type"),
        ("staff", float("nan"), "wrong_type"),
        ("staff", "36", "wrong_type"),
        pytest.param("staff", 10**5000, "too_large", id="huge"),
        ("staff", -(MAX_NUMBER + 1), "too_large"),
        ("revenue", 12.34, "wrong_type"),
        ("revenue", 12, "wrong_type"),
        ("revenue", "12.345", "bad_format"),
        ("revenue", "1,000", "bad_format"),
        ("revenue", "NaN", "bad_format"),
        ("revenue", "Infinity", "bad_format"),
        ("revenue", "1e3", "bad_format"),
        ("revenue", "１２", "bad_format"),
        ("revenue", "12\n", "bad_format"),
        ("revenue", "9" * 100_000, "bad_format"),
        ("revenue", "1000000000000.01", "too_large"),
        ("listed", "true", "wrong_type"),
        ("listed", 1, "wrong_type"),
        ("unit_nature", "公司", "not_an_option"),
        ("unit_nature", ["企业"], "wrong_type"),
        ("fields", "食品", "wrong_type"),
        ("fields", ["食品", "食品"], "duplicate_option"),
        ("fields", ["食品", "航天"], "not_an_option"),
        ("fields", [["食品"]], "wrong_type"),
        ("certificates", 5, "wrong_type"),
        ("certificates", "字" * (MAX_TEXT + 1), "too_long"),
        ("certificates", "甲\x00乙", "bad_characters"),
        ("certificates", "甲\ud800乙", "bad_characters"),
    ],
)
def test_a_wrong_value_has_a_stable_code_even_in_a_draft(field: str, value: Any, code: str) -> None:
    assert codes(STATISTICS, complete=False, **{field: value}) == [(field, code)]


def test_values_at_their_bounds_are_taken() -> None:
    assert codes(STATISTICS, certificates="字" * MAX_TEXT) == []
    assert codes(STATISTICS, revenue=str(-MAX_NUMBER), assets=str(MAX_NUMBER)) == []
    assert codes(STATISTICS, staff=MAX_NUMBER) == []


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
    assert problems[0].field == "x0"
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
        assert (problem.field, problem.code) == ("", "form_too_large")
        assert "256 千字节" in problem.message


def test_characters_count_as_the_bytes_they_are_kept_as() -> None:
    """The same number of characters fits or does not, by what they take."""
    form = LIBRARY.get("annual-report-2023")
    texts = [f.id for f in form.fields.values() if f.type == "text" and f.max_length == MAX_TEXT]
    plain = {**form.blank_example(), **dict.fromkeys(texts, "字" * MAX_TEXT)}
    rare = {**plain, **dict.fromkeys(texts, "𠮷" * MAX_TEXT)}
    assert "form_too_large" not in [p.code for p in check_form(form, plain, complete=False)]
    assert [p.code for p in check_form(form, rare, complete=False)] == ["form_too_large"]


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
    problems = check_form(form, {**form.blank_example(), **changes}, complete)
    assert all(problem.message and problem.code for problem in problems)
    assert not any(problem.code == "check_not_computable" for problem in problems)


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
    values = form.blank_example()
    best = 1.0
    for _ in range(20):
        start = time.perf_counter()
        assert check_form(form, values, complete=True) == []
        best = min(best, time.perf_counter() - start)
    assert best < 0.005


@pytest.mark.parametrize(
    ("check", "part"),
    [
        ({"holds": "a > 0", "fields": ["a", "zz"]}, "没有字段 zz"),
        ({"holds": "a > b", "fields": ["a"]}, "undeclared reference to 'b'"),
        ({"holds": "a > 0", "fields": ["a", "b"]}, "b 未被表达式使用"),
        ({"holds": "a + 1", "fields": ["a"]}, "不是真假值"),
        ({"holds": "a >", "fields": ["a"]}, "有误"),
        ({"holds": "a > 1.5", "fields": ["a"]}, "有误"),
        ({"holds": "a > 0", "fields": ["a"], "absent": ["a"]}, "既在 fields 又在 absent"),
    ],
)
def test_a_wrong_check_is_refused_when_the_form_is_loaded(check: dict[str, Any], part: str) -> None:
    fields = [{"id": name, "label": name, "type": "integer"} for name in "ab"]
    with pytest.raises(FormError, match=part):
        form_of(fields, [{"id": "c", "message": "不符", **check}])


def test_a_form_whose_example_fails_its_checks_is_refused() -> None:
    field = {"id": "a", "label": "甲", "type": "integer", "example": 0}
    check = {"id": "c", "fields": ["a"], "holds": "a > 0", "message": "应为正数"}
    with pytest.raises(FormError, match="示例不合格"):
        form_of([field], [check])


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
        ("id: x\ntitle: 1", "x.yaml：title"),
        ("id: x\nunknown: 1", "x.yaml："),
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
