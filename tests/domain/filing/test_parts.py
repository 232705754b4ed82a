"""The parts that a filing consists of now, and what is said of others that its draft holds."""

from domain.facts import Facts, InstitutionFacts
from domain.filing.parts import left_over_refusal, parts_left_over, parts_to_file
from domain.messages import explain
from domain.refusals import Code
from rules.compiled import CompiledRules
from rules.file.library import SHIPPED, RuleLibrary

PLANNED = ("statistics", "annual-report", "social-responsibility")


def test_a_planned_part_is_filed_while_it_is_required_and_no_other_comes_to_it() -> None:
    assert parts_to_file(PLANNED, {*PLANNED}) == PLANNED
    assert parts_to_file(PLANNED, {"annual-report", "statistics"}) == PLANNED[:2]
    assert parts_to_file(PLANNED[:2], {*PLANNED}) == PLANNED[:2]


def test_a_part_that_is_not_to_be_filed_is_refused_by_its_name_with_what_to_do() -> None:
    assert left_over_refusal(PLANNED[:1], PLANNED[:1]) is None
    # one that is not in the draft is another matter: its fields are missing
    assert left_over_refusal((), PLANNED[:1]) is None
    content = ("statistics", "social-responsibility")
    assert parts_left_over(content, PLANNED[:2]) == ("social-responsibility",)
    refusal = left_over_refusal(content, PLANNED[:2])
    assert refusal is not None
    assert (refusal.code, refusal.code.status) == (Code.PART_NOT_REQUIRED, 409)
    words = explain(refusal)
    assert "social-responsibility" in words.detail
    assert "statistics、annual-report" in words.detail
    assert "去掉 social-responsibility" in words.remedy


def test_a_national_centre_that_is_taken_away_takes_its_part_with_it() -> None:
    rules = CompiledRules(RuleLibrary(SHIPPED).resolve(2020, "000000").document)

    def required(*centres: str) -> list[str]:
        lab = InstitutionFacts(
            id="lab", region="440106", legal_person=True, national_centres=centres
        )
        facts = Facts(institution=lab, certificates=(), choice=None, previous_reviewer=None)
        return [part.id for part in rules.parts(facts)]

    planned = tuple(required("国家家具产品质量检验检测中心"))
    assert planned == PLANNED
    assert parts_to_file(planned, required()) == PLANNED[:2]
