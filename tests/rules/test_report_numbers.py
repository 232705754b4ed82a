"""Report numbers under the shipped rules: terms, gate, lookup, complaints, words; to the second."""

import json
import re
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.canonical import sha256_of
from domain.case.plan import FOREVER, CasePlan, Window
from domain.case.status import Status
from domain.clock import BEIJING, day_of
from domain.decision import Obligation
from domain.facts import (
    CertificateFacts,
    Facts,
    FilingEnd,
    FilingRecord,
    InstitutionFacts,
    filing_end,
)
from domain.numbers.quarters import Quarter
from domain.numbers.report_numbers import Answer
from domain.numbers.transitions import visible_from
from domain.refusals import Code
from rules.compiled import CompiledRules, NotPublishable
from rules.diff import changes
from rules.file.document import RuleDocument
from rules.file.findings import RulesInvalid
from rules.file.library import SHIPPED, RuleLibrary, RuleSetNotFound
from tests.rules.conftest import SETS

LIBRARY = RuleLibrary(SHIPPED)
RULES = {key: CompiledRules(LIBRARY.resolve(*key).document) for key in SETS}
MANDATORY = [key for key in SETS if key[0] != 2024]
VOLUNTARY = RULES[2024, "000000"]
SECOND = timedelta(seconds=1)
OWED = (FilingEnd.UNDER_WAY, FilingEnd.LAPSED, FilingEnd.WITHDRAWN)
"""What the gate of 2024 holds against the filing of the latest closed year."""

sets = st.sampled_from(SETS)
quarters = st.integers(1, 4)
days = st.dates(date(2019, 1, 1), date(2031, 12, 31))
instants = st.integers(0, 10 * 366 * 86_400).map(
    lambda seconds: datetime(2020, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
)
standings = st.builds(
    FilingRecord,
    latest_closed_year=st.integers(0, 2030),
    end=st.sampled_from(FilingEnd),
    completed_years=st.integers(0, 20),
)


def certified(*valid_to: date, region: str = "350102", **more: object) -> Facts:
    return Facts(
        institution=InstitutionFacts.model_validate({"id": "x", "region": region, **more}),
        certificates=tuple(
            CertificateFacts(
                number=f"{number}", level="provincial", issuer="amr-350000", scope=1, valid_to=day
            )
            for number, day in enumerate(valid_to)
        ),
    )


@st.composite
def institutions(draw: st.DrawFn) -> Facts:
    return certified(
        *draw(st.lists(days, max_size=3)),
        region=draw(st.sampled_from(["350102", "110101", "350128", "430000", "659001"])),
        under_samr=draw(st.booleans()),
        other_qualifications=draw(st.sampled_from([(), ("水利",)])),
    )


def midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, BEIJING)


# --- who and when --------------------------------------------------------------------------------


@given(sets, quarters, institutions())
def test_a_certificate_valid_on_the_quarters_first_day_is_what_counts(
    key: tuple[int, str], number: int, facts: Facts
) -> None:
    quarter = Quarter(key[0], number)
    counted = any(one.valid_to >= quarter.first_day for one in facts.certificates)
    found = RULES[key].batch_obligation(facts, quarter)
    must = "must" if key in MANDATORY else "may"
    assert found.outcome == (must if counted else "none")
    assert found.rule == ("certified" if counted else "not-certified")
    assert found.cite is not None
    assert RULES[key].batch_plan(facts, quarter).obligation == found


@given(st.sampled_from(MANDATORY), quarters, institutions())
def test_a_mandatory_quarter_is_due_in_the_month_after_it_and_late_until_the_next_one_opens(
    key: tuple[int, str], number: int, facts: Facts
) -> None:
    quarter = Quarter(key[0], number)
    plan = RULES[key].batch_plan(facts, quarter)
    first = quarter.last_day + timedelta(days=1)
    assert plan.fill.opens == midnight(first)
    # the month after the quarter, whole: it ends where its day of the month is 1 again
    last = plan.fill.closes - SECOND
    assert (last.month, last.year) == (first.month, first.year)
    assert (plan.fill.closes.month, plan.fill.closes.day) == (first.month + 1, 1)
    assert last.strftime("%H:%M:%S") == "23:59:59"
    assert plan.fill.holds(last)
    assert not plan.fill.holds(plan.fill.closes)
    assert plan.supplement is not None
    assert plan.supplement.opens == plan.fill.closes
    assert plan.supplement.closes == midnight(Quarter.of(first).last_day + timedelta(days=1))
    assert (plan.correct.opens, plan.correct.closes) == (plan.fill.opens, plan.supplement.closes)
    assert (plan.review.opens, plan.review.closes) == (plan.fill.opens, FOREVER)
    # two quarters of one institution are never open at once
    if number < 4:
        later = RULES[key].batch_plan(facts, Quarter(key[0], number + 1))
        assert later.fill.opens == plan.supplement.closes


@given(quarters, institutions())
def test_a_voluntary_quarter_opens_with_it_and_never_ends(number: int, facts: Facts) -> None:
    quarter = Quarter(2024, number)
    plan = VOLUNTARY.batch_plan(facts, quarter)
    assert plan.fill.opens == plan.correct.opens == plan.review.opens == midnight(quarter.first_day)
    assert {plan.fill.closes, plan.correct.closes, plan.review.closes} == {FOREVER}
    assert (plan.supplement, plan.reminders) == (None, ())


@given(st.sampled_from(MANDATORY), quarters)
def test_reminders_come_at_midnight_of_their_days_before_the_last_one(
    key: tuple[int, str], number: int
) -> None:
    plan = RULES[key].batch_plan(certified(date(2030, 1, 1)), Quarter(key[0], number))
    last_day = (plan.fill.closes - SECOND).date()
    assert [(one.id, one.at) for one in plan.reminders] == [
        ("week-before", midnight(last_day - timedelta(days=7))),
        ("day-before", midnight(last_day - timedelta(days=1))),
    ]
    assert all(plan.fill.holds(one.at) and one.label and one.cite for one in plan.reminders)


@given(sets, quarters, institutions())
def test_a_batchs_plan_says_all_it_runs_on(key: tuple[int, str], number: int, facts: Facts) -> None:
    quarter, rules = Quarter(key[0], number), RULES[key]
    plan = rules.batch_plan(facts, quarter)
    assert (plan.year, plan.jurisdiction) == key
    assert plan.ruleset == rules.ref
    assert (plan.parts, plan.levels, plan.quality, plan.checker) == ((), (), None, None)
    assert plan.lapse_unapproved is False
    assert plan.completion_cite.assumption
    assert plan.numbers is not None
    assert (plan.numbers.quarter, plan.numbers.longest) == (str(quarter), 64)
    assert (plan.numbers.first_day, plan.numbers.last_day) == (quarter.first_day, quarter.last_day)
    assert CasePlan.model_validate(json.loads(plan.model_dump_json())) == plan


def test_29_february_moves_nothing() -> None:
    plan = RULES[2023, "430000"].batch_plan(certified(date(2030, 1, 1)), Quarter(2023, 4))
    assert plan.supplement is not None
    assert plan.supplement.holds(datetime(2024, 2, 29, 23, 59, 59, tzinfo=BEIJING))
    assert plan.supplement.holds(datetime(2024, 3, 1, tzinfo=BEIJING))
    assert plan.supplement.closes == datetime(2024, 4, 1, tzinfo=BEIJING)


@pytest.mark.parametrize("key", [key for key in SETS if key != (2024, "000000")])
def test_the_fourth_quarter_is_due_while_the_annual_filing_is_under_way(
    key: tuple[int, str],
) -> None:
    facts = certified(date(2030, 1, 1))
    filing, batch = RULES[key].plan(facts), RULES[key].batch_plan(facts, Quarter(key[0], 4))
    last = datetime(key[0] + 1, 1, 31, 23, 59, 59, tzinfo=BEIJING)
    assert filing.fill.holds(last)
    assert batch.fill.holds(last)
    assert not batch.fill.holds(last + SECOND)


@given(sets, quarters, instants)
def test_visible_from_midnight_of_the_next_day_in_beijing(
    key: tuple[int, str], number: int, uploaded: datetime
) -> None:
    rules = RULES[key]
    plan = rules.batch_plan(certified(), Quarter(key[0], number))
    found = visible_from(plan, uploaded)
    assert found == midnight(day_of(uploaded) + timedelta(days=1))
    assert timedelta() < found - uploaded <= timedelta(days=1)
    # what the examples of the rule files run on is what cases run on
    assert rules.numbers is not None
    assert rules.numbers.visible_from(uploaded) == found


@given(sets, st.integers(2000, 2100), quarters)
def test_a_set_governs_the_quarters_of_its_year_and_no_others(
    key: tuple[int, str], year: int, number: int
) -> None:
    facts, quarter = certified(), Quarter(year, number)
    if year == key[0]:
        assert RULES[key].batch_plan(facts, quarter).year == year
        return
    for ask in (RULES[key].batch_plan, RULES[key].batch_obligation):
        with pytest.raises(NotPublishable, match=str(quarter)):
            ask(facts, quarter)


def test_a_mere_base_answers_nothing_about_report_numbers() -> None:
    base = CompiledRules(LIBRARY.resolve(2023, "000000").document)
    facts, today = certified(), date(2024, 1, 1)
    for ask in (
        lambda: base.batch_obligation(facts, Quarter(2023, 4)),
        lambda: base.batch_plan(facts, Quarter(2023, 4)),
        lambda: base.gate(facts, FilingRecord(), today),
        lambda: base.number_eligibility(facts, today),
        lambda: base.complaint_plan(None, midnight(today)),
        lambda: base.public_answers,
    ):
        with pytest.raises(NotPublishable, match="426号"):
            ask()


# --- the gate ------------------------------------------------------------------------------------


@given(institutions(), standings, days)
def test_the_gate_of_2024(facts: Facts, standing: FilingRecord, today: date) -> None:
    found = VOLUNTARY.gate(facts, standing, today)
    latest = standing.end is FilingEnd.COMPLETED
    newly = standing.end not in OWED and standing.completed_years > 0
    assert found.allowed is (latest or newly)
    assert found.ruleset == VOLUNTARY.ref
    assert found.inputs == {
        "today": today.isoformat(),
        "standing": standing.model_dump(mode="json"),
    }
    assert found.cite is not None
    assert found.because
    assert found.cite.document == "市监检测函〔2024〕595号"
    if found.allowed:
        assert found.code is None
    elif standing.end in OWED:
        assert (found.rule, found.code) == ("latest-closed-year", "latest_year_not_completed")
    else:
        assert (found.rule, found.code) == ("first-filing", "first_filing_not_completed")
    assert found.code is None or Code(found.code)


@given(st.sampled_from(MANDATORY), institutions(), standings, days)
def test_mandatory_sets_have_no_gate(
    key: tuple[int, str], facts: Facts, standing: FilingRecord, today: date
) -> None:
    found = RULES[key].gate(facts, standing, today)
    assert (found.allowed, found.rule, found.code) == (True, None, None)


@pytest.mark.parametrize(
    ("status", "obligation", "end"),
    [
        (Status.COMPLETED, "must", FilingEnd.COMPLETED),
        (Status.COMPLETED, "may", FilingEnd.COMPLETED),
        (Status.CANCELLED, "must", FilingEnd.CANCELLED),
        (Status.CANCELLED, "may", FilingEnd.CANCELLED),
        (Status.LAPSED, "must", FilingEnd.LAPSED),
        (Status.LAPSED, "may", FilingEnd.NOT_OBLIGED),
        (Status.WITHDRAWN, "must", FilingEnd.WITHDRAWN),
        (Status.WITHDRAWN, "may", FilingEnd.NOT_OBLIGED),
        (Status.DRAFT, "must", FilingEnd.UNDER_WAY),
        (Status.DRAFT, "may", FilingEnd.NOT_OBLIGED),
        (Status.IN_REVIEW, "must", FilingEnd.UNDER_WAY),
        (Status.QUALITY_CHECK, "must", FilingEnd.UNDER_WAY),
    ],
)
def test_how_a_filing_stands(status: Status, obligation: str, end: FilingEnd) -> None:
    assert filing_end(status, obligation) is end


def test_a_set_published_without_the_section_counts_as_it_did() -> None:
    document = LIBRARY.resolve(2024, "000000").document
    section = {k: v for k, v in document["report_numbers"].items() if k != "latest_year"}
    rules = CompiledRules({**document, "report_numbers": section})
    facts, today = certified(date(2029, 5, 1)), date(2025, 3, 22)
    allowed = {
        end: rules.gate(
            facts, FilingRecord(latest_closed_year=2024, end=end, completed_years=1), today
        ).allowed
        for end in FilingEnd
    }
    assert {end for end in FilingEnd if allowed[end]} == {
        FilingEnd.COMPLETED,
        FilingEnd.NOT_OPENED,
    }


def test_a_gate_that_reads_the_institution_records_it(folder: Path) -> None:
    path = folder / "2024" / "national.yaml"
    text = path.read_text("utf-8")
    old = "when: latest_closed_year_completed || completed_years > 0"
    assert old in text
    path.write_text(text.replace(old, f"{old} || has_certificate"), "utf-8")
    rules = CompiledRules(RuleLibrary(folder).resolve(2024, "000000").document)
    facts, today = certified(date(2025, 2, 10)), date(2025, 2, 10)
    on_the_day = rules.gate(facts, FilingRecord(), today)
    assert on_the_day.allowed
    assert on_the_day.inputs["facts"] == facts.model_dump(mode="json")
    assert not rules.gate(facts, FilingRecord(), today + timedelta(days=1)).allowed


# --- lookup and complaints -----------------------------------------------------------------------


@given(sets, institutions(), days)
def test_the_lookup_answers_for_who_holds_a_certificate_today(
    key: tuple[int, str], facts: Facts, today: date
) -> None:
    found = RULES[key].number_eligibility(facts, today)
    assert found.eligible is any(one.valid_to >= today for one in facts.certificates)
    assert bool(found.because) is not found.eligible
    assert found.cite is not None


@given(sets, st.none() | institutions(), instants)
def test_every_complaint_has_an_authority_known_or_not(
    key: tuple[int, str], facts: Facts | None, received: datetime
) -> None:
    rules = RULES[key]
    plan = rules.complaint_plan(facts, received)
    (level,) = plan.levels
    assert (plan.year, plan.jurisdiction) == key
    assert (level.authority, level.id) == ("samr", "platform")
    assert level.label
    always = Window(opens=received, closes=FOREVER, cite=plan.completion_cite)
    assert plan.fill == plan.correct == plan.review == always
    assert level.cite == plan.completion_cite
    assert plan.obligation == Obligation(outcome="may", rule=level.id, cite=level.cite)
    assert (plan.supplement, plan.numbers, plan.reminders, plan.parts) == (None, None, (), ())
    assert plan.lapse_unapproved is False


COMPLAINTS = """\
report_numbers:
  complaints:
    - id: local
      before: platform
      label: 在册的机构，由所在地办理
      when: known_institution && has_certificate
      assign: county
      cite: {assume: 为测试而设，没有这样的通知}
  review_chain:
    - id: city
      label: 市级核对
      when: has_certificate
      authority: city
      cite: {assume: 为测试而设，没有这样的通知}
    - id: province
      label: 省级核对
      when: "true"
      authority: province
      cite: {assume: 为测试而设，没有这样的通知}
"""
PROVINCE = (
    'id: of-its-own\nyear: 2024\njurisdiction: "350000"\nextends: 2024/national\n'
    "title: 某省的规则（生成）\nrevision: 1\n"
)
EXAMPLE = """\
examples:
  - name: 有证书的由县级办理投诉
    facts:
      institution: {region: "350102"}
      certificates: [{level: provincial, issuer: amr-350000}]
    at: "2024-05-01T00:00:00+08:00"
    quarter: "2024Q1"
    expect: {complaint: amr-350102, batch_chain: [amr-350100, amr-350000]}
"""


@pytest.fixture
def province(folder: Path) -> CompiledRules:
    """A province that routes complaints and reviews numbers in its own way, by YAML alone."""
    from rules.check.checks import check_name

    (folder / "2024" / "province.yaml").write_text(PROVINCE + COMPLAINTS + EXAMPLE, "utf-8")
    library = RuleLibrary(folder)
    assert [str(one) for one in check_name(library, "2024/province")] == []
    return CompiledRules(library.resolve(2024, "350000").document)


def test_complaints_go_to_the_first_rule_that_yields_an_authority(province: CompiledRules) -> None:
    received = datetime(2024, 5, 1, tzinfo=BEIJING)

    def goes_to(facts: Facts | None, at: datetime = received) -> tuple[str, str]:
        (level,) = province.complaint_plan(facts, at).levels
        return level.id, level.authority

    valid = date(2024, 5, 1)
    assert goes_to(certified(valid)) == ("local", "amr-350102")
    # the certificate is judged on the Beijing day the complaint came in
    last = datetime(2024, 5, 1, 15, 59, 59, tzinfo=UTC)
    assert goes_to(certified(valid), last) == ("local", "amr-350102")
    assert goes_to(certified(valid), last + SECOND) == ("platform", "samr")
    # holds, but yields nothing: Pingtan has no county
    assert goes_to(certified(valid, region="350128")) == ("platform", "samr")
    assert goes_to(certified()) == ("platform", "samr")
    assert goes_to(None) == ("platform", "samr")


def test_a_province_adds_a_review_of_numbers_by_yaml_alone(province: CompiledRules) -> None:
    quarter = Quarter(2024, 2)
    plan = province.batch_plan(certified(date(2024, 4, 1)), quarter)
    assert [(one.id, one.authority) for one in plan.levels] == [
        ("city", "amr-350100"),
        ("province", "amr-350000"),
    ]
    assert plan.review.cite == plan.levels[0].cite
    # certificates count on the quarter's first day; a level without an authority is left out
    late = province.batch_plan(certified(date(2024, 3, 31)), quarter)
    assert [one.id for one in late.levels] == ["province"]
    outside = province.batch_plan(certified(date(2024, 4, 1), region="110101"), quarter)
    assert [one.authority for one in outside.levels] == ["amr-110000"]
    # everything else is the nation's
    assert province.public_answers.keys() == VOLUNTARY.public_answers.keys()


# --- the words -----------------------------------------------------------------------------------

WORDS = [(key, answer) for key in SETS for answer in Answer]


@pytest.mark.parametrize(("key", "answer"), WORDS)
def test_every_answer_has_its_words_and_its_sources(key: tuple[int, str], answer: Answer) -> None:
    words = RULES[key].public_answers[answer]
    for text in (words.title, words.says, words.proves, words.does_not_prove, words.next_step):
        assert re.search("[一-鿿]", text)
    assert words.cites
    assert all(cite.quote or cite.assumption for cite in words.cites)


@pytest.mark.parametrize(("key", "answer"), WORDS)
def test_no_answer_says_genuine_or_forged(key: tuple[int, str], answer: Answer) -> None:
    words = RULES[key].public_answers[answer]
    judgement = re.compile("伪造|虚假|假报告|造假|属实|真实")
    assert not judgement.search(words.title + words.next_step)
    # who answers for the truth may be said, and that nothing follows about it
    assert not judgement.search(words.says)
    assert not judgement.search(re.sub("内容的真实性由上传机构负责", "", words.proves))
    if answer is not Answer.FOUND and "伪造" in words.does_not_prove:
        assert "不说明报告是伪造的" in words.does_not_prove


@pytest.mark.parametrize("key", SETS)
def test_not_found_says_that_it_may_just_not_be_uploaded(key: tuple[int, str]) -> None:
    words = RULES[key].public_answers[Answer.NOT_FOUND]
    assert words.does_not_prove.startswith("不说明报告是伪造的")
    assert re.search("没有(上传|报送)", words.does_not_prove)
    assert ("根据需要" in words.does_not_prove) is (key not in MANDATORY)


def test_the_limits_of_a_found_number_are_the_notices_own() -> None:
    (cite,) = VOLUNTARY.public_answers[Answer.FOUND].cites
    assert (cite.document, cite.clause) == ("市监检测函〔2024〕595号", "三（一）")
    for limit in ("由上传机构对内容的真实性负责", "仅为编号信息", "不能单独作为验证报告真伪的手段"):
        assert limit in cite.quote
    assert "不能单独作为验证报告真伪的手段" in (
        VOLUNTARY.public_answers[Answer.FOUND].does_not_prove
    )


# --- the document, the library, show and diff -----------------------------------------------------

WITHOUT = {
    # what the sets' hashes would be if they had never had the section, their forms aside; each
    # was last worked out when the content of its set was last changed
    "2020/national": "5de804bc54c67affb005dbcbf1549e2b4e19c7d4f3c69a12760e5bee4357060b",
    "2023/national": "67b18a7f8fb9ade9b4e4fd7c8ca85a16c70c85be3657348c2067a6eae87496d3",
    "2024/national": "ce852d639748a5aa5b540177b2e51f7fb91a53b545dd1a80bdb10127976d6131",
}


_NAMED = {
    "source": "n2020",
    "clause": "四（二）",
    "quote": "采取警告、公告、不再受理其资质认定申请和列为异常检验检测机构等措施予以处理",
    "assume": "",
}
MEASURES = {
    # what stood there before measures had a section of their own
    "2020/national": [
        {"id": "warning", "label": "警告", "cite": _NAMED},
        {"id": "public-notice", "label": "公告", "cite": _NAMED},
        {"id": "applications-refused", "label": "不再受理其资质认定申请", "cite": _NAMED},
        {"id": "listed-abnormal", "label": "列为异常检验检测机构", "cite": _NAMED},
    ]
}


TREE_BEFORE = {
    # before the divisions and cities of the corps, and 西咸新区, had their places
    "no_city_level": ["11", "12", "31", "50", "4190", "4290", "4690", "6590"],
    "special": {
        "350128": {"level": "city", "parent": "350000"},
        "610403": {"level": "city", "parent": "610000"},
        "660000": {"level": "province", "parent": "000000"},
    },
}


def without_numbers(folder: Path, name: str) -> None:
    """The file as it was before it had the section."""
    path = folder / f"{name}.yaml"
    rules, examples = path.read_text("utf-8").split("\nexamples:\n")
    rules = re.sub(r"(?m)^  - report_numbers\..*\n", "", rules)
    rules = rules.split("\nreport_numbers:\n")[0]
    # nor did it say when certificates began that nobody has dated
    rules = re.sub(r"    first_day:\n      valid_years: .*\n      cite: .*\n", "", rules)
    rules = re.sub(r"(?m)^revision: \d+", "revision: 1", rules)
    needs = re.compile("quarter: |expect: {(upload|eligible|complaint)")
    kept = [one for one in re.split(r"(?m)^(?=  - name: )", examples) if not needs.search(one)]
    path.write_text(f"{rules}\nexamples:\n{''.join(kept)}", "utf-8")


@pytest.mark.parametrize("name", WITHOUT)
def test_a_set_without_the_section_keeps_its_hash(name: str, folder: Path) -> None:
    without_numbers(folder, name)
    resolved = RuleLibrary(folder).resolve_name(name)
    assert "report_numbers" not in resolved.document
    before = resolved.document
    if name in MEASURES:
        before = {**before, "filing": {**before["filing"], "sanctions": MEASURES[name]}}
    before = {**before, "tree": TREE_BEFORE}
    assert sha256_of({**before, "forms": {}}) == WITHOUT[name]
    # read back as it was stored, it is still the same set
    stored = json.loads(json.dumps(before))
    assert RuleDocument.model_validate(stored).report_numbers is None
    assert CompiledRules(stored).ref.sha256 == sha256_of(stored) == sha256_of(before)


def test_a_set_without_the_section_says_nothing_about_report_numbers(folder: Path) -> None:
    without_numbers(folder, "2024/national")
    rules = CompiledRules(RuleLibrary(folder).resolve(2024, "000000").document)
    assert rules.plan(certified(date(2030, 1, 1))).year == 2024
    with pytest.raises(NotPublishable, match="没有规定检验检测报告编号"):
        rules.batch_plan(certified(), Quarter(2024, 1))
    with pytest.raises(NotPublishable, match="没有规定检验检测报告编号"):
        _ = rules.public_answers


def test_the_latest_national_set_is_one_that_rules_on_report_numbers(folder: Path) -> None:
    assert LIBRARY.latest_national().id == "national-2024"
    without_numbers(folder, "2024/national")
    # 2023 is a mere base
    assert RuleLibrary(folder).latest_national().id == "national-2020"
    without_numbers(folder, "2020/national")
    with pytest.raises(RuleSetNotFound, match="报告编号"):
        RuleLibrary(folder).latest_national()
    (folder / "2024" / "national.yaml").write_text("year: 2024\nyear: 2024\n", "utf-8")
    with pytest.raises(RulesInvalid, match="duplicate_key"):
        RuleLibrary(folder).latest_national()


def test_the_section_is_shown_with_where_each_value_comes_from() -> None:
    origins = {origin.path: origin for origin in LIBRARY.resolve(2023, "350000").provenance}
    own = origins["report_numbers.window.due_months"]
    inherited = origins["report_numbers.visible.days"]
    words = origins["report_numbers.answers.not_found.says"]
    assert (own.value, own.place.file) == (1, "2023/fujian.yaml")
    assert own.cite is not None
    assert (own.cite.document, own.cite.clause) == ("闽市监认证〔2024〕1号", "三（二）1")
    assert (inherited.value, inherited.place.file) == (1, "2023/national.yaml")
    assert words.place.file == "2023/national.yaml"
    assert len(words.cites) == 2
    assert words.cite == words.cites[0]


def test_a_change_of_the_section_is_told_in_words(folder: Path) -> None:
    old, new = (LIBRARY.resolve(year, "000000").document for year in (2020, 2024))
    told = {change.path: change.text for change in changes(old, new)}
    assert told["report_numbers.window.due_months"] == (
        "报告编号 · 报送时间 · 季度结束后几个月内报送：取消，原为 1"
    )
    assert told["report_numbers.obligation[certified].outcome"].endswith("由 必须 改为 可以")
    assert "latest_year_not_completed" in told["report_numbers.gate[latest-closed-year]"]
    # no key goes by its English name; a part is called by its id
    words = [re.sub(r"^表单 · [a-z-]+ · ", "表单 · ", text) for text in told.values()]
    assert not [text for text in words if re.search(r" · [a-z_]+[：· ]", text)]
    # a section that only one side has is told value by value
    without_numbers(folder, "2024/national")
    bare = RuleLibrary(folder).resolve(2024, "000000").document
    added = [one for one in changes(bare, new) if one.path.startswith("report_numbers")]
    assert {one.kind for one in added} == {"added"}
    assert len(added) > 10
    removed = [one for one in changes(new, bare) if one.path.startswith("report_numbers")]
    assert {one.kind for one in removed} == {"removed"}
    assert [one.path for one in removed] == [one.path for one in added]
