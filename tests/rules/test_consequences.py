"""What would be proposed for one filing, over every combination of its facts."""

import itertools
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from domain.clock import BEIJING
from domain.enforcement.consequences import Consequences, EnforcementFacts
from rules.check.checks import check_name
from rules.compiled import CompiledRules, FactsIncomplete
from rules.file.library import RuleLibrary
from rules.filing.facts_file import FactsInvalid, parse_facts

DUE = datetime(2021, 2, 1, tzinfo=BEIJING)
LATER = DUE + timedelta(days=30)
SECOND = timedelta(seconds=1)
FOUR = ["warning", "public-notice", "applications-refused", "listed-abnormal"]
Sets = Mapping[tuple[int, str], CompiledRules]


def _facts(findings: tuple[str, ...] = (), **filing: Any) -> EnforcementFacts:
    return EnforcementFacts.model_validate(
        {
            "institution": {"id": "demo", "region": "350102"},
            "certificates": [
                {
                    "number": "1",
                    "level": "provincial",
                    "issuer": "amr-350000",
                    "scope": 1,
                    "valid_to": "2030-01-01",
                }
            ],
            "filing": {"status": "lapsed", "obligation": "must", "due": DUE, **filing},
            "findings": findings,
        }
    )


def _named(found: Consequences) -> list[str]:
    return [one.measure for one in found.proposals]


def _of_2020(compiled: Sets, facts: EnforcementFacts, at: datetime = LATER) -> Consequences:
    return compiled[2020, "000000"].consequences(facts, at)


def test_not_filed_may_lead_to_the_four_measures_and_each_has_its_kind_and_clause(
    compiled: Sets,
) -> None:
    found = _of_2020(compiled, _facts())
    assert _named(found) == FOUR
    assert [one.kind for one in found.proposals] == ["penalty", *["management"] * 3]
    assert {one.rule for one in found.proposals} == {"not-filed"}
    assert {one.cite.clause for one in found.proposals} == {"四（二）"}
    assert found.proposals[0].laws, "a penalty names the law it rests on"


def test_both_sides_of_the_second(compiled: Sets) -> None:
    assert _named(_of_2020(compiled, _facts(status="draft"), DUE - SECOND)) == []
    assert _named(_of_2020(compiled, _facts(status="draft"), DUE)) == FOUR


def test_the_last_second_of_a_day_as_a_term_still_counts(compiled: Sets) -> None:
    facts = _facts(status="draft", due=DUE - SECOND)
    assert _named(_of_2020(compiled, facts, DUE - SECOND)) == []
    assert _named(_of_2020(compiled, facts, DUE)) == FOUR


@pytest.mark.parametrize(("submitted", "named"), [(DUE - SECOND, []), (DUE, FOUR)])
def test_submitted_in_time_or_a_second_late(
    compiled: Sets, submitted: datetime, named: list[str]
) -> None:
    found = _of_2020(compiled, _facts(status="in_review", submitted_at=submitted))
    assert _named(found) == named
    assert {one.rule for one in found.proposals} <= {"late"}


def test_an_extension_moves_the_second(compiled: Sets) -> None:
    until = DUE + timedelta(days=10)
    draft = _facts(status="draft", extended_until=until)
    assert _named(_of_2020(compiled, draft, until - SECOND)) == []
    assert _named(_of_2020(compiled, draft, until)) == FOUR
    for submitted, named in ((until - SECOND, []), (until, FOUR)):
        facts = _facts(status="in_review", submitted_at=submitted, extended_until=until)
        assert _named(_of_2020(compiled, facts)) == named
    earlier = _facts(status="draft", extended_until=DUE - timedelta(days=5))
    assert _named(_of_2020(compiled, earlier, DUE - SECOND)) == []


def test_what_a_late_filing_has_made_good_is_not_proposed_again(compiled: Sets) -> None:
    late = DUE + timedelta(days=3)
    facts = _facts(status="completed", submitted_at=late, approved_at=late + SECOND)
    found = _of_2020(compiled, facts)
    assert _named(found) == ["warning"], "what is past can be warned of, nothing else is needed"
    reasons = {one.measure: one.because for one in found.candidates if one.rule == "late"}
    assert "解除的条件已经满足" in reasons["applications-refused"]
    before = _of_2020(compiled, facts, late)
    assert _named(before) == FOUR, "approved a second later"


@pytest.mark.parametrize(
    ("served", "referred"),
    [([], False), ([LATER + SECOND], False), ([LATER], True), ([DUE - SECOND, DUE], True)],
)
def test_a_referral_needs_a_reminder_served(
    compiled: Sets, served: list[datetime], referred: bool
) -> None:
    found = _of_2020(compiled, _facts(reminders_served=served))
    assert ("referral" in _named(found)) is referred
    [candidate] = [one for one in found.candidates if one.measure == "referral"]
    assert candidate.verdict == ("proposed" if referred else "eliminated")


def test_a_reminder_after_a_late_filing_is_none(compiled: Sets) -> None:
    late = DUE + timedelta(days=3)
    for served, referred in ((late, True), (late + SECOND, False)):
        facts = _facts(status="in_review", submitted_at=late, reminders_served=[served])
        assert ("referral" in _named(_of_2020(compiled, facts))) is referred


@pytest.mark.parametrize("finding", ["concealed", "false", "omitted"])
def test_an_officers_finding_is_a_ground_of_its_own(compiled: Sets, finding: str) -> None:
    in_time = DUE - SECOND
    facts = _facts((finding,), status="completed", submitted_at=in_time, approved_at=in_time)
    found = _of_2020(compiled, facts)
    assert _named(found) == FOUR
    assert {one.rule for one in found.proposals} == {f"{finding}-data"}
    assert _named(_of_2020(compiled, _facts(status="completed", submitted_at=in_time))) == []


def test_several_grounds_make_one_proposal_of_a_measure(compiled: Sets) -> None:
    late = DUE + SECOND
    facts = _facts(("false", "omitted"), status="in_review", submitted_at=late)
    found = _of_2020(compiled, facts)
    assert _named(found) == FOUR
    assert found.proposals[0].grounds == ("late", "false-data", "omitted-data")


_NOTHING_OWED = [
    {"annulled": True},
    {"status": "annulled"},
    {"status": "cancelled"},
    {"status": "after_window"},
    {"obligation": "may"},
    {"obligation": "none"},
]


@pytest.mark.parametrize("change", _NOTHING_OWED)
def test_whoever_owes_nothing_meets_nothing(compiled: Sets, change: dict[str, Any]) -> None:
    for findings, served in itertools.product(((), ("false",)), ([], [DUE])):
        facts = _facts(findings, **{"reminders_served": served, **change})
        found = _of_2020(compiled, facts)
        assert found.proposals == ()
        assert {one.verdict for one in found.candidates} == {"eliminated"}
        assert all(one.because for one in found.candidates)


def test_taken_back_and_sent_back_count_as_not_handed_in(compiled: Sets) -> None:
    for status in ("withdrawn", "lapsed"):
        found = _of_2020(compiled, _facts(status=status, submitted_at=DUE - timedelta(days=3)))
        assert _named(found) == FOUR


@pytest.mark.parametrize(
    ("place", "due", "corrected_until", "named"),
    [
        ((2020, "000000"), DUE, datetime(2021, 3, 1, tzinfo=BEIJING), FOUR),
        (
            (2023, "350000"),
            datetime(2024, 3, 1, tzinfo=BEIJING),
            datetime(2024, 3, 8, tzinfo=BEIJING),
            ["case-by-case"],
        ),
    ],
)
def test_sent_back_counts_as_handed_in_while_it_can_be_corrected(
    compiled: Sets,
    place: tuple[int, str],
    due: datetime,
    corrected_until: datetime,
    named: list[str],
) -> None:
    """Whoever filed in time and was sent back has the rules' time to correct, and no more."""
    filed: dict[str, Any] = {
        "status": "returned",
        "due": due,
        "submitted_at": due - timedelta(days=3),
    }
    rules = compiled[place]
    assert _named(rules.consequences(_facts(**filed), corrected_until - SECOND)) == []
    found = rules.consequences(_facts(**filed), corrected_until)
    assert (_named(found), {one.rule for one in found.proposals}) == (named, {"not-filed"})
    longer = _facts(**filed, extended_until=corrected_until + SECOND)
    assert _named(rules.consequences(longer, corrected_until)) == []


def test_an_extension_until_the_last_second_of_a_day_includes_it(compiled: Sets) -> None:
    until = datetime(2021, 2, 10, 23, 59, 59, tzinfo=BEIJING)
    draft = _facts(status="draft", extended_until=until)
    assert _named(_of_2020(compiled, draft, until)) == []
    assert _named(_of_2020(compiled, draft, until + SECOND)) == FOUR


@pytest.mark.parametrize("place", [(2023, "430000"), (2024, "000000")])
def test_a_notice_that_names_no_measure_leads_to_none(
    compiled: Sets, place: tuple[int, str]
) -> None:
    for findings, served in itertools.product(((), ("false", "concealed")), ([], [DUE])):
        found = compiled[place].consequences(_facts(findings, reminders_served=served), LATER)
        assert found.proposals == ()
        assert "没有规定" in found.because


def test_fujians_wording_is_open(compiled: Sets) -> None:
    rules = compiled[2023, "350000"]
    found = rules.consequences(_facts(reminders_served=[DUE]), LATER)
    assert [(one.measure, one.kind) for one in found.proposals] == [("case-by-case", "management")]
    [measure] = rules.enforcement_terms(_facts(), LATER).measures
    assert (measure.open_wording, measure.decides) == (True, "amr-350102")


def test_what_the_facts_leave_out_comes_from_the_rules(compiled: Sets) -> None:
    left_out = _facts(status="draft", due=None, obligation=None)
    assert _named(_of_2020(compiled, left_out, DUE - SECOND)) == []
    assert _named(_of_2020(compiled, left_out, DUE)) == FOUR
    numbers = _facts(about="report_numbers", due=None)
    with pytest.raises(FactsIncomplete, match=r"filing\.due"):
        _of_2020(compiled, numbers)


def test_report_numbers_need_a_rule_of_their_own(compiled: Sets) -> None:
    assert _of_2020(compiled, _facts(about="report_numbers")).proposals == ()


@pytest.mark.parametrize(
    ("filing", "says"),
    [
        ({"status": "completed"}, "submitted_at"),
        ({"approved_at": DUE}, "approved_at"),
        ({"submitted_at": DUE, "approved_at": DUE - SECOND}, "早于"),
        ({"status": "draft", "submitted_at": DUE}, "draft"),
        ({"status": "gone"}, "status"),
        ({"obligation": "perhaps"}, "obligation"),
        ({"due": "2021-02-01T00:00:00"}, "due"),
        ({"due": "2021-02-01"}, "due"),
        ({"revenue": 5}, "revenue"),
    ],
)
def test_facts_that_cannot_be_are_refused(filing: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        _facts(**filing)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"findings": None}, "findings：要写成列表，如 []；没有的请删去这一项"),
        ({"findings": "false"}, "findings：要写成列表"),
        ({"filing": []}, "filing：要写成对象"),
        (
            {"filing": {"status": "draft", "annulled": None}},
            "filing.annulled：只能是 true",
        ),
        (
            {"filing": {"status": "draft", "annulled": "no"}},
            "filing.annulled：只能是 true",
        ),
        ({"filing": {"status": "draft", "reminders_served": None}}, "filing.reminders_served：要"),
        ({"filing": {"status": None}}, "filing.status：只能是"),
        ({"filing": {"status": "draft", "due": 1612108800}}, "filing.due：不是时刻"),
        ({"filing": {"status": "draft", "due": "2021-02-01T00:00:00"}}, "filing.due：时刻要带时区"),
        ({"filing": {}}, "filing.status：缺少这一项"),
        ({"institution": None}, "institution：要写成对象"),
        ({"remark": ""}, "remark：不认识这一项"),
    ],
)
def test_a_file_of_facts_that_is_wrong_is_told_where_and_what_it_should_be(
    change: dict[str, Any], says: str
) -> None:
    """In words of its reader; what is not known may be left out."""
    given = {"institution": {"id": "demo", "region": "350102"}, "filing": {"status": "draft"}}
    with pytest.raises(FactsInvalid) as invalid:
        parse_facts(json.dumps(given | change).encode(), "事实", EnforcementFacts)
    assert f"事实: {says}" in str(invalid.value)
    assert "Input should" not in str(invalid.value)


def test_a_finding_is_one_of_three_and_given_once() -> None:
    for findings in (("false", "false"), ("late",)):
        with pytest.raises(ValidationError):
            _facts(findings)


def test_every_trigger_says_why_over_every_combination(compiled: Sets) -> None:
    """Nobody is left without a reason, and nothing is proposed that no candidate proposes."""
    moments = (None, DUE - SECOND, DUE, LATER)
    tried = 0
    for status, submitted, approved, served, at in itertools.product(
        ("draft", "in_review", "returned", "completed", "lapsed", "withdrawn"),
        moments,
        moments,
        ([], [DUE]),
        (DUE - SECOND, DUE, LATER),
    ):
        try:
            facts = _facts(
                status=status, submitted_at=submitted, approved_at=approved, reminders_served=served
            )
        except ValidationError:
            continue
        tried += 1
        found = _of_2020(compiled, facts, at)
        assert all(one.because for one in found.candidates)
        proposed = {one.measure for one in found.candidates if one.verdict == "proposed"}
        assert proposed == set(_named(found))
        if at < DUE:
            assert not proposed, "before the term is over nothing is late"
    assert tried > 100


# --- rule files ---------------------------------------------------------------------------------

_PROVINCE = """\
id: jiangsu-2024
year: 2024
jurisdiction: "320000"
extends: 2024/national
title: 2024年度江苏省检验检测统计（示例，不是真实规定）
revision: 1
enforcement:
  triggers:
    - id: silent
      label: 催报后仍未报
      about: filing
      when: not_filed && reminded >= 2
      why_not: 没有在两次催报之后仍未报
      measures: [talk]
      cite: {assume: 示例，没有这样的通知}
  measures:
    - id: talk
      label: 约谈负责人
      kind: management
      when: "true"
      why_not: 没有别的条件
      proposes: city
      decides: province
      authority_cite: {assume: 示例，没有这样的通知}
      steps: [decision, service]
      terms:
        decision: {days: 30, unit: days, cite: {assume: 示例，没有这样的通知}}
        service: {days: 3, unit: working_days, cite: {assume: 示例，没有这样的通知}}
      says: 请负责人到场说明情况。
      cure: 补报即可。
      cite: {assume: 示例，没有这样的通知}
examples:
  - name: 零点之前还不能填报
    at: "2025-01-12T23:59:59+08:00"
    expect: {outside: [fill]}
"""


@pytest.fixture
def province(folder: Path) -> Path:
    path = folder / "2024" / "jiangsu.yaml"
    path.write_text(_PROVINCE, "utf-8")
    return path


def test_another_province_has_its_own_wording_as_yaml_only(province: Path) -> None:
    library = RuleLibrary(province.parent.parent)
    assert check_name(library, "2024/jiangsu") == []
    rules = CompiledRules(library.resolve(2024, "320000").document)
    for served, named in ((1, []), (2, ["talk"])):
        found = rules.consequences(_facts(reminders_served=[DUE] * served), LATER)
        assert _named(found) == named


def test_a_batch_of_report_numbers_can_be_a_trigger_too(province: Path) -> None:
    province.write_text(_PROVINCE.replace("about: filing", "about: report_numbers"), "utf-8")
    library = RuleLibrary(province.parent.parent)
    assert check_name(library, "2024/jiangsu") == []
    rules = CompiledRules(library.resolve(2024, "320000").document)
    for about, named in (("report_numbers", ["talk"]), ("filing", [])):
        facts = _facts(about=about, reminders_served=[DUE, DUE])
        assert _named(rules.consequences(facts, LATER)) == named
        assert _named(rules.consequences(facts, DUE - SECOND)) == []


@pytest.mark.parametrize(
    ("old", "new", "code", "says"),
    [
        ("kind: management", "kind: penalty", "penalty_without_law", "第十六条"),
        ("measures: [talk]", "measures: [walk]", "unknown_measure", "walk"),
        ("measures: [talk]", "measures: [talk, talk2]", "unknown_measure", "talk2"),
        ("not_filed && reminded >= 2", "late && not_filed", "unreachable_trigger", "silent"),
        ("not_filed && reminded >= 2", "revenue > 5", "unknown_fact", "revenue"),
        (
            "not_filed && reminded >= 2",
            "institution.legal_person",
            "unknown_fact",
            "实施条例",
        ),
        ("steps: [decision, service]", "steps: [service, decision]", "step_order", "次序"),
        ("steps: [decision, service]", "steps: [service]", "step_missing", "decision"),
        (
            "steps: [decision, service]",
            "steps: [decision, service, publication]",
            "step_missing",
            "in_force",
        ),
        ("decision: {days: 30", "lasts: {days: 30", "missing_key", "decision"),
        (
            "days: 30, unit: days, cite: {assume: 示例，没有这样的通知}",
            "days: 30, unit: days",
            "invalid_value",
            "出处",
        ),
        ("days: 30", "days: 0", "invalid_value", ""),
        ("unit: working_days", "unit: weeks", "unknown_value", "weeks"),
        ("proposes: city", "proposes: town", "unknown_fact", "town"),
        ("proposes: city", "proposes: \"'amr-999999'\"", "unknown_authority", "amr-999999"),
        ('when: "true"', "when: reminded > 100", "unreachable_measure", "talk"),
        ("kind: management", "kind: referral", "step_missing", "refer"),
    ],
)
def test_what_a_section_cannot_say(
    province: Path, old: str, new: str, code: str, says: str
) -> None:
    assert old in _PROVINCE
    province.write_text(_PROVINCE.replace(old, new, 1), "utf-8")
    found = [
        one
        for one in check_name(RuleLibrary(province.parent.parent), "2024/jiangsu")
        if one.code == code
    ]
    assert any(says in one.message for one in found), code
    assert all(one.file == "2024/jiangsu.yaml" and one.line > 6 for one in found)


def test_a_mere_warning_can_never_be_published(folder: Path) -> None:
    path = folder / "2020" / "national.yaml"
    text = path.read_text("utf-8")
    assert "steps: [prior_notice, decision, service]" in text
    path.write_text(
        text.replace(
            "steps: [prior_notice, decision, service]",
            "steps: [prior_notice, decision, service, in_force, publication]",
            1,
        ),
        "utf-8",
    )
    codes = {one.code: one.message for one in check_name(RuleLibrary(folder), "2020/national")}
    assert "第45号" in codes["penalty_published"]
