"""What the language says without a programmer: each notice here is made up, and YAML only."""

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.case.plan import CasePlan
from domain.facts import CertificateFacts, Facts, FilingEnd, InstitutionFacts
from rules.check.checks import check_name, idle
from rules.check.form_checks import check_form_file
from rules.check.meaning import meaning
from rules.compiled import CompiledRules
from rules.file.findings import RulesInvalid
from rules.file.library import RuleLibrary

ASSUMED = "cite: {assume: 生成的例子，没有这样的通知}"

NEXT_YEAR = f"""\
id: national-2025
year: 2025
jurisdiction: "000000"
extends: 2024/national
title: 2025年度检验检测统计（生成的例子）
revision: 1
filing:
  certificates:
    as_of: {{at: this-year-12-31}}
    {ASSUMED}
    scope: greatest_of_issuer
    scope_{ASSUMED}
  parts:
    - id: statistics
      form: statistics-2025
      label: 统计报表
      required_when: "true"
      {ASSUMED}
  windows:
    fill:
      from: "2026-01-12"
      to: "2026-03-20"
      {ASSUMED}
    correct:
      from: {{at: fill.from}}
      to: {{at: fill.to}}
      {ASSUMED}
    review:
      from: {{at: fill.from}}
      to: {{after: fill.to, working_days: 5}}
      {ASSUMED}
  stages: {{remove: true}}
examples:
  - name: 最后一秒
    at: "2026-03-20T23:59:59+08:00"
    expect: {{inside: [fill, review]}}
  - name: 审核多五个工作日
    at: "2026-03-27T23:59:59+08:00"
    expect: {{inside: [review], outside: [fill]}}
  - name: 此后没有
    at: "2026-03-28T00:00:00+08:00"
    expect: {{outside: [review]}}
"""

NEXT_FORM = """\
id: statistics-2025
extends: statistics-2024
title: 2025年度检验检测统计调查表（生成的例子）
revision: 1
"""


def write(folder: Path, name: str, text: str) -> None:
    path = folder / f"{name}.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, "utf-8")


def in_order(folder: Path, *names: str) -> RuleLibrary:
    library = RuleLibrary(folder)
    for name in names:
        assert [str(one) for one in check_name(library, name)] == []
    return library


def rules_of(library: RuleLibrary, year: int, place: str) -> CompiledRules:
    return CompiledRules(library.resolve(year, place).document)


def holder(region: str, issuer: str, number: str = "241301060345") -> Facts:
    return Facts(
        institution=InstitutionFacts(id="any", region=region),
        certificates=(
            CertificateFacts.model_validate(
                {
                    "number": number,
                    "level": "provincial",
                    "issuer": issuer,
                    "scope": 5,
                    "valid_to": "2031-01-01",
                }
            ),
        ),
    )


def codes(folder: Path, name: str) -> dict[str, int]:
    return {one.code: one.line for one in check_name(RuleLibrary(folder), name)}


def test_a_following_year_is_its_differences(folder: Path) -> None:
    write(folder, "2025/national", NEXT_YEAR)
    write(folder, "forms/statistics-2025", NEXT_FORM)
    rules = rules_of(in_order(folder, "2025/national"), 2025, "000000")
    facts = holder("350102", "amr-350000")
    assert rules.route(facts).reviewer == "amr-350000"
    plan: CasePlan = rules.plan(facts)
    assert plan.review.closes.isoformat() == "2026-03-28T00:00:00+08:00"
    assert rules.stages == []


def test_a_following_year_restates_what_belongs_to_the_last(folder: Path) -> None:
    head, _ = NEXT_YEAR.split("filing:\n")
    write(folder, "2025/national", head + NEXT_YEAR[NEXT_YEAR.index("examples:\n") :])
    findings = check_name(RuleLibrary(folder), "2025/national")
    stale = [one for one in findings if one.code == "other_year"]
    assert {one.path for one in stale} >= {
        "filing.windows.fill.to",
        "filing.certificates.as_of",
        "filing.parts[0].form",
    }
    assert {one.file for one in stale} == {"2025/national.yaml"}


PROVINCE = f"""\
id: jiangsu-2024
year: 2024
jurisdiction: "320000"
extends: 2024/national
title: 2024年度江苏省检验检测统计（生成的例子）
revision: 1
overridable:
  - filing.review_chain
filing:
  completion:
    require: submitted_inside_window
    {ASSUMED}
examples:
  - name: 省局一级
    facts:
      institution: {{region: "320505"}}
      certificates: [{{level: provincial, issuer: amr-320000}}]
    expect: {{chain: [amr-320000]}}
"""
CITY = f"""\
id: suzhou-2024
year: 2024
jurisdiction: "320500"
extends: 2024/jiangsu
title: 2024年度苏州市检验检测统计（生成的例子）
revision: 1
filing:
  review_chain:
    - id: city
      before: review
      label: 市级初审
      when: reviewer == province
      authority: city
      {ASSUMED}
examples:
  - name: 两级
    facts:
      institution: {{region: "320505"}}
      certificates: [{{level: provincial, issuer: amr-320000}}]
    expect: {{chain: [amr-320500, amr-320000]}}
"""


def test_a_city_changes_what_its_province_lets_it(folder: Path) -> None:
    write(folder, "2024/jiangsu", PROVINCE)
    write(folder, "2024/suzhou", CITY)
    library = in_order(folder, "2024/jiangsu", "2024/suzhou")
    assert library.most_specific(2024, "320505").id == "suzhou-2024"
    assert library.most_specific(2024, "320102").id == "jiangsu-2024"


def test_a_city_changes_nothing_else(folder: Path) -> None:
    write(folder, "2024/jiangsu", PROVINCE)
    city = CITY.replace(
        "filing:\n",
        f"filing:\n  completion:\n    require: submitted_inside_window\n    {ASSUMED}\n",
    )
    write(folder, "2024/suzhou", city)
    assert codes(folder, "2024/suzhou") == {"overlay_not_allowed": 9}


def test_a_province_hands_on_only_what_the_nation_did(folder: Path) -> None:
    write(
        folder, "2024/jiangsu", PROVINCE.replace("  - filing.review_chain", "  - filing.obligation")
    )
    assert codes(folder, "2024/jiangsu") == {"overridable_not_granted": 8}


CARRIED = """\
id: jiangsu-2025
year: 2025
jurisdiction: "320000"
extends: 2024/jiangsu
title: 2025年度江苏省检验检测统计（生成的例子）
revision: 1
examples:
  - name: 最后一秒
    at: "2026-03-20T23:59:59+08:00"
    expect: {inside: [fill]}
"""


def test_a_province_goes_on_over_this_years_nation(folder: Path) -> None:
    write(folder, "2025/national", NEXT_YEAR)
    write(folder, "forms/statistics-2025", NEXT_FORM)
    write(folder, "2024/jiangsu", PROVINCE)
    write(folder, "2025/jiangsu", CARRIED)
    library = in_order(folder, "2025/jiangsu")
    merged = library.merged("2025/jiangsu")
    assert merged.bases == ("2024/jiangsu", "2025/national", "2024/national")
    plan = rules_of(library, 2025, "320000").plan(holder("320505", "amr-320000"))
    assert not plan.lapse_unapproved
    assert plan.fill.closes.isoformat() == "2026-03-21T00:00:00+08:00"
    assert merged.rules.overridable == ("filing.review_chain",)


def test_a_province_does_not_go_on_with_what_the_nation_takes_back(folder: Path) -> None:
    permissions = "title:", "overridable: [filing.review_chain]\ntitle:"
    write(folder, "2025/national", NEXT_YEAR.replace(*permissions, 1))
    write(folder, "forms/statistics-2025", NEXT_FORM)
    write(folder, "2024/jiangsu", PROVINCE)
    write(folder, "2025/jiangsu", CARRIED)
    assert codes(folder, "2025/jiangsu") == {"overlay_not_allowed": 4}


STANDING = f"""\
id: jiangsu-standing
jurisdiction: "320000"
extends: national
in_force:
  from: "2022-01-20"
  {ASSUMED}
title: 江苏省检验检测服务业统计工作管理办法（生成的例子）
revision: 1
overridable:
  - filing.review_chain
filing:
  windows:
    review:
      from: {{at: fill.from}}
      to: {{after: next-year-03-21, days: 10, rolls: true}}
      {ASSUMED}
examples:
  - name: 省局一级
    facts:
      institution: {{region: "320505"}}
      certificates: [{{level: provincial, issuer: amr-320000}}]
    expect: {{chain: [amr-320000]}}
"""


def standing_city(name: str, code: str, level: str) -> str:
    """A city's own standing notice: who looks first, its county or itself."""
    county = f"{code[:4]}05"
    reviewer = county if level == "county" else code
    return f"""\
id: {name}-standing
jurisdiction: "{code}"
extends: standing/jiangsu
in_force:
  from: "2022-06-01"
  {ASSUMED}
title: 检验检测统计分工（生成的例子）
revision: 1
filing:
  review_chain:
    - id: {level}
      before: review
      label: 初审
      when: reviewer == province
      authority: {level}
      {ASSUMED}
examples:
  - name: 初审
    facts:
      institution: {{region: "{county}"}}
      certificates: [{{level: provincial, issuer: amr-320000}}]
    expect: {{chain: [amr-{reviewer}, amr-320000]}}
"""


def test_a_regulation_stands_for_years_with_cities_that_differ(folder: Path) -> None:
    write(folder, "standing/jiangsu", STANDING)
    write(folder, "standing/suzhou", standing_city("suzhou", "320500", "county"))
    write(folder, "standing/nanjing", standing_city("nanjing", "320100", "city"))
    names = [f"standing/{name}@2024" for name in ("jiangsu", "suzhou", "nanjing")]
    library = in_order(folder, *names)
    assert library.most_specific(2024, "320102").id == "nanjing-standing-2024"
    assert library.most_specific(2024, "320505").id == "suzhou-standing-2024"
    assert library.most_specific(2024, "320612").id == "jiangsu-standing-2024"
    # in force since 2022, so that it governs no statistics of 2020
    assert (2020, "320000") not in library.sets()
    rules = rules_of(library, 2024, "320000")
    assert rules.windows["review"].closes.isoformat() == "2025-04-01T00:00:00+08:00"


def test_a_regulation_gives_no_set_over_a_mere_base(folder: Path) -> None:
    """Of 2023 there is no national notice to open a campaign under, only a base."""
    write(folder, "standing/jiangsu", STANDING)
    library = RuleLibrary(folder)
    assert library.sets_of("standing/jiangsu") == ["standing/jiangsu@2024"]
    own = "".join(
        f"""    {name}:
      from: {{at: next-year-01-01}}
      to: {{at: next-year-03-29}}
      {ASSUMED}
"""
        for name in ("fill", "correct")
    )
    review = f"{own}    review:\n      from: {{at: fill.from}}\n      to: {{at: fill.to}}\n"
    complete = STANDING[: STANDING.index("    review:")] + f"{review}      {ASSUMED}\n"
    complete += f"  completion:\n    require: submitted_inside_window\n    {ASSUMED}\n"
    write(folder, "standing/jiangsu", complete + STANDING[STANDING.index("examples:") :])
    library = in_order(folder, "standing/jiangsu@2023", "standing/jiangsu@2024")
    assert library.most_specific(2023, "320505").id == "jiangsu-standing-2023"


def test_a_year_of_a_standing_regulation_is_its_differences(folder: Path) -> None:
    write(folder, "standing/jiangsu", STANDING)
    alone = PROVINCE.replace("overridable:\n  - filing.review_chain\n", "")
    write(folder, "2024/jiangsu", alone)
    assert codes(folder, "2024/jiangsu") == {"standing_ignored": 4}
    write(folder, "2024/jiangsu", alone.replace("2024/national", "standing/jiangsu"))
    library = in_order(folder, "2024/jiangsu")
    rules = rules_of(library, 2024, "320000")
    assert rules.windows["review"].closes.isoformat() == "2025-04-01T00:00:00+08:00"
    assert not rules.plan(holder("320505", "amr-320000")).lapse_unapproved
    assert library.name_of(2024, "320000") == "2024/jiangsu"
    assert library.duplicates() == []
    # and it may let its cities change what the regulation lets them
    write(folder, "2024/suzhou", CITY)
    in_order(folder, "2024/suzhou")


def test_two_regulations_of_one_place_are_told(folder: Path) -> None:
    write(folder, "standing/jiangsu", STANDING)
    write(folder, "standing/suzhou", STANDING)
    findings = RuleLibrary(folder).duplicates()
    assert {(one.code, one.file) for one in findings} == {("duplicate_set", "standing/suzhou.yaml")}


@pytest.mark.parametrize(
    ("old", "new", "code", "line"),
    [
        ("in_force:\n", "year: 2024\nin_force:\n", "unknown_key", 4),
        ('from: "2022-01-20"', 'from: "2022-02-30"', "invalid_value", 5),
        ("extends: national", "extends: nationa", "unknown_base", 3),
        ("next-year-03-21", "next-year-02-30", "invalid_value", 15),
        ("days: 10, rolls: true", "workdays: 10", "unknown_key", 15),
        ("after: next-year-03-21, days: 10, rolls: true", "at: review.to", "invalid_value", 15),
        ("days: 10, rolls: true", "working_days: 900", "calendar_missing", 15),
    ],
)
def test_a_standing_file_is_told_at_its_line(
    old: str, new: str, code: str, line: int, folder: Path
) -> None:
    write(folder, "standing/jiangsu", STANDING.replace(old, new, 1))
    assert codes(folder, "standing/jiangsu@2024") == {code: line}


REVIEWED_BY_THE_CITY = f"""\
facts:
  - id: watched
    about: 上年逾期未填的企业
    kind: yes-no
    means: holder_kind == 'enterprise' && last_year_filing == 'lapsed'
    {ASSUMED}
  - id: newcomer
    about: 上年没有填报，证书在本年生效
    kind: yes-no
    means: last_year_filing == 'not_opened' && certs.exists(c, c.valid && c.valid_from >= '2024')
    {ASSUMED}
filing:
  reviewers:
    - id: by-city
      before: chosen
      label: 由设区市审核
      when: watched || newcomer
      why_not: 不是上年逾期的企业，也不是新获证的机构
      assign: city
      {ASSUMED}
"""


def test_facts_are_declared_over_the_register_and_earlier_results(folder: Path) -> None:
    text = PROVINCE.replace("filing:\n", REVIEWED_BY_THE_CITY, 1)
    text += """\
  - name: 上年逾期的企业由市级审核
    facts:
      institution: {region: "320505"}
      certificates: [{level: provincial, issuer: amr-320000}]
      holder_kind: enterprise
      outcomes: {"2022": completed, "2023": lapsed}
    expect: {reviewer: amr-320500, rule: by-city}
  - name: 上年逾期的事业单位照常
    facts:
      institution: {region: "320505"}
      certificates: [{level: provincial, issuer: amr-320000}]
      holder_kind: public_institution
      outcomes: {"2023": lapsed}
    expect: {reviewer: amr-320000}
  - name: 新获证的由市级审核
    facts:
      institution: {region: "320505"}
      certificates: [{level: provincial, issuer: amr-320000, valid_from: "2024-05-01"}]
    expect: {reviewer: amr-320500, rule: by-city}
"""
    write(folder, "2024/jiangsu", text)
    rules = rules_of(in_order(folder, "2024/jiangsu"), 2024, "320000")
    facts = holder("320505", "amr-320000")
    late = {"holder_kind": "enterprise", "outcomes": {2023: FilingEnd.LAPSED}}
    assert rules.route(facts.model_copy(update=late)).reviewer == "amr-320500"
    late = {"holder_kind": "enterprise", "outcomes": {2022: FilingEnd.LAPSED}}
    assert rules.route(facts.model_copy(update=late)).reviewer == "amr-320000"


def test_a_place_is_one_of_its_year(folder: Path) -> None:
    text = PROVINCE.replace('region: "320505"', 'region: "320602"')
    write(folder, "2024/jiangsu", text)
    assert codes(folder, "2024/jiangsu") == {"jurisdiction_not_in_force": 16}
    [told] = check_name(RuleLibrary(folder), "2024/jiangsu")
    assert "请改写为 320613（崇川区）" in told.message
    city = CITY.replace('"320500"', '"330114"').replace("id: suzhou", "id: qiantang")
    city = city.replace("2024/jiangsu", "2020/national").replace("2024", "2020")
    write(folder, "2020/qiantang", city)
    found = check_name(RuleLibrary(folder), "2020/qiantang")
    assert [one.line for one in found if one.code == "jurisdiction_not_in_force"] == [3]


def duties(*items: str) -> str:
    return PROVINCE.replace("examples:\n", "duties:\n" + "".join(items) + "examples:\n")


BACKFILL = f"""\
  - id: backfill
    label: 补报2022、2023年度的报告编号
    who: [institution]
    when: vehicle_inspection
    due: {{after: "2025-09-26", working_days: 5}}
    once: true
    years: [2022, 2023]
    {ASSUMED}
  - id: answer
    label: 收到退回通知后改好
    who: [institution]
    term: {{event: 收到退回通知, working_days: 5}}
    {ASSUMED}
  - id: spot-check
    label: 抽查5%
    who: [province]
    due: {{at: 2025Q2}}
    measured: {{by: by_hand, share: "0.05"}}
    {ASSUMED}
"""
VEHICLES = f"""\
facts:
  - id: vehicle_inspection
    about: 持有机动车安检领域的证书
    kind: yes-no
    means: certs.exists(c, c.valid && c.field == '13')
    {ASSUMED}
filing:
"""


def test_duties_have_their_days_and_facts_their_names(folder: Path) -> None:
    text = duties(BACKFILL).replace("filing:\n", VEHICLES, 1)
    text += """\
  - name: 机动车安检机构要补报
    facts:
      institution: {region: "320505"}
      certificates: [{level: provincial, issuer: amr-320000, number: "243213010345"}]
    expect: {duties: [backfill, answer]}
"""
    write(folder, "2024/jiangsu", text)
    rules = rules_of(in_order(folder, "2024/jiangsu"), 2024, "320000")
    other = holder("320505", "amr-320000", "243201010345")
    assert [one.id for one in rules.duties_of(other)] == ["answer"]
    due = {one.id: one.due for one in rules.duties if one.due is not None}
    # Sunday 28 September is worked, eight days off follow the 30th: 28, 29, 30, 9, 10
    assert str(due["backfill"]) == "2025-10-10"
    assert str(due["spot-check"]) == "2025-06-30"


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("years: [2022, 2023]", "years: [2022, 2024]", "other_year"),
        ("who: [province]", "who: [amr-329999]", "unknown_authority"),
        ("when: vehicle_inspection", "when: vehicle_inspektion", "unknown_fact"),
        ("once: true\n", "once: false\n", "invalid_value"),
        ("id: vehicle_inspection", "id: has_certificate", "duplicate_id"),
        ("c.field == '13'", "c.feld == '13'", "unknown_fact"),
        ("kind: yes-no", "kind: number", "condition_type"),
    ],
)
def test_a_duty_that_cannot_be_is_refused(old: str, new: str, code: str, folder: Path) -> None:
    text = duties(BACKFILL).replace("filing:\n", VEHICLES, 1)
    assert old in text
    write(folder, "2024/jiangsu", text.replace(old, new, 1))
    assert code in codes(folder, "2024/jiangsu")


CHECKS = f"""\
filing:
  quality_check:
    by: cnas
    levels:
      - id: first
        label: 抽查
        by: cnas
        {ASSUMED}
      - id: second
        label: 复核
        by: caiq
        when: has_national
        {ASSUMED}
      - id: third
        label: 终审
        by: samr
        {ASSUMED}
    sample: {{share: "0.05", strata: province, {ASSUMED}}}
    {ASSUMED}
"""


def test_a_third_level_and_a_sample_of_five_in_a_hundred(folder: Path) -> None:
    text = NEXT_YEAR.replace("filing:\n", CHECKS, 1)
    text += """\
  - name: 省级证书的不经第二级
    facts:
      institution: {region: "320505"}
      certificates: [{level: provincial, issuer: amr-320000}]
    expect: {checks: [cnas, samr]}
  - name: 国家级证书的三级都经过
    facts:
      institution: {region: "320505"}
      certificates: [{level: national, issuer: samr}]
    expect: {checks: [cnas, caiq, samr]}
"""
    write(folder, "2025/national", text)
    write(folder, "forms/statistics-2025", NEXT_FORM)
    rules = rules_of(in_order(folder, "2025/national"), 2025, "000000")
    plan = rules.plan(holder("350102", "amr-350000"))
    assert [one.authority for one in plan.checks] == ["cnas", "samr"]
    assert plan.sample is not None
    assert str(plan.sample.share) == "0.05"


CHANGED_FORM = """\
id: statistics-2025
extends: statistics-2024
title: 2025年度检验检测统计调查表（生成的例子）
revision: 1
remove:
  fields: [high_tech]
  checks: [high-tech-research]
change:
  fields:
    unit_name: {label: 机构名称}
  sections:
    sites: {note: null, title: 三、场所}
add:
  fields:
    institution:
      - {id: new_area, label: 新领域收入, type: boolean, source: 生成的例子, example: true}
"""


def test_next_years_form_is_its_differences(folder: Path) -> None:
    write(folder, "forms/statistics-2025", CHANGED_FORM)
    again = CHANGED_FORM[: CHANGED_FORM.index("remove:")].replace("2025", "2026", 1)
    write(folder, "forms/statistics-2026", again.replace("statistics-2024", "statistics-2025"))
    forms = RuleLibrary(folder).forms
    old, new, next_one = (forms.get(f"statistics-{year}") for year in (2024, 2025, 2026))
    assert set(old.fields) - set(new.fields) == {"high_tech"}
    assert set(new.fields) - set(old.fields) == {"new_area"}
    assert new.fields["unit_name"].label == "机构名称"
    assert set(next_one.fields) == set(new.fields)
    assert [one.title for one in new.sections if one.id == "sites"] == ["三、场所"]


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("[high_tech]", "[high_teck]", 6),
        ("unit_name:", "unit_nane:", 10),
        ("sites: {note: null, title", "sites: {id: other, title", 12),
        ("    institution:\n", "    institutions:\n", 15),
        ("extends: statistics-2024", "extends: statistics-2025", 2),
    ],
)
def test_a_difference_that_cannot_be_is_told_at_its_line(
    old: str, new: str, line: int, folder: Path
) -> None:
    write(folder, "forms/statistics-2025", CHANGED_FORM.replace(old, new, 1))
    findings = check_form_file(
        folder / "forms" / "statistics-2025.yaml", "forms/statistics-2025.yaml", RuleLibrary(folder)
    )
    assert [(one.code, one.line) for one in findings] == [("bad_form", line)]


@st.composite
def damaged(draw: st.DrawFn, text: str) -> bytes:
    """A file with some of its lines, words or bytes lost, doubled or exchanged."""
    lines = text.split("\n")
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(lines) - 1))
        change = draw(st.sampled_from(["lose", "double", "value", "deeper", "text"]))
        if change == "lose":
            lines[at] = ""
        elif change == "double":
            lines.insert(at, lines[at])
        elif change == "value":
            value = draw(st.sampled_from(["[]", "{}", "null", "7", '""', "[1]", "{a: 1}", '"@"']))
            lines[at] = f"{lines[at].split(':')[0]}: {value}"
        elif change == "deeper":
            lines[at] = f"  {lines[at]}"
        else:
            lines[at] += draw(st.text(max_size=5))
    content = "\n".join(lines).encode("utf-8", "surrogatepass")
    at = draw(st.integers(0, len(content)))
    return content[:at] + draw(st.binary(max_size=2)) + content[at:]


@given(data=st.data())
@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_a_damaged_file_is_told_and_breaks_nothing(data: st.DataObject, folder: Path) -> None:
    name, text = data.draw(
        st.sampled_from(
            [
                ("standing/jiangsu", STANDING),
                ("2025/national", NEXT_YEAR),
                ("2024/jiangsu", duties(BACKFILL).replace("filing:\n", VEHICLES, 1)),
            ]
        )
    )
    path = folder / f"{name}.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data.draw(damaged(text)))
    library = RuleLibrary(folder)
    sets = library.sets_of(name)
    assert sets or any(idle(library))
    for one in sets:
        with suppress(RulesInvalid):
            meaning(library, library.merged(one))
    path.unlink()


@pytest.mark.parametrize("assign", ["'cnass'", "has_national ? 'cnas' : 'cnass'"])
def test_an_authority_there_is_not_is_told_behind_every_branch(assign: str, folder: Path) -> None:
    text = PROVINCE.replace(
        "filing:\n",
        f"""\
filing:
  reviewers:
    - id: mine
      before: chosen
      label: 由别的部门审核
      when: institution.region == '320505'
      why_not: 不在该区
      assign: "{assign}"
      {ASSUMED}
""",
        1,
    )
    write(folder, "2024/jiangsu", text)
    assert codes(folder, "2024/jiangsu") == {"unknown_authority": 16}
