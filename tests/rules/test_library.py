"""Which set governs whom, what a plan says, and what a set answers from its document alone."""

from datetime import date
from pathlib import Path

import pytest

from domain.facts import CertificateFacts, Facts, InstitutionFacts
from domain.numbers.quarters import Quarter
from domain.refusals import Refused
from rules.compiled import CompiledRules, NotPublishable
from rules.file.catalogue import SHIPPED, load_catalogue
from rules.file.findings import RulesInvalid
from rules.file.library import RuleLibrary, RuleSetNotFound
from services.publishing import fit_to_publish


def institution(region: str, **more: object) -> Facts:
    level = f"amr-{region[:2]}0000"
    certificate = CertificateFacts(
        number="1", level="provincial", issuer=level, scope=1, valid_to=date(2030, 1, 1)
    )
    facts = InstitutionFacts.model_validate({"id": "x", "region": region, **more})
    return Facts(institution=facts, certificates=(certificate,))


@pytest.mark.parametrize(
    ("year", "region", "expected"),
    [
        (2024, "350102", "national-2024"),
        (2024, "000000", "national-2024"),
        (2020, "659001", "national-2020"),
        (2023, "350128", "fujian-2023"),
        (2023, "350000", "fujian-2023"),
        (2023, "430102", "hunan-2023"),
    ],
)
def test_the_most_specific_set_governs(
    year: int, region: str, expected: str, library: RuleLibrary
) -> None:
    assert library.most_specific(year, region).id == expected


def test_a_base_governs_nobody_and_says_why(library: RuleLibrary) -> None:
    with pytest.raises(RuleSetNotFound, match="只是基础") as caught:
        library.most_specific(2023, "110101")
    assert caught.value.known == library.sets()
    assert library.resolve(2023, "000000").not_publishable
    rules = CompiledRules(library.resolve(2023, "000000").document)
    with pytest.raises(NotPublishable, match="426号"):
        rules.plan(institution("110101"))


def test_an_unknown_year_names_the_sets_there_are(library: RuleLibrary) -> None:
    with pytest.raises(RuleSetNotFound, match="2024/000000"):
        library.resolve(2019, "000000")


def test_a_broken_file_does_not_hide_behind_not_found(folder: Path) -> None:
    (folder / "2024" / "national.yaml").write_text("year: 2024\nyear: 2024\n", "utf-8")
    broken = RuleLibrary(folder)
    with pytest.raises(RulesInvalid, match="duplicate_key"):
        broken.most_specific(2024, "350102")
    assert broken.most_specific(2023, "350102").id == "fujian-2023"


def test_plan_of_2024(compiled: dict[tuple[int, str], CompiledRules]) -> None:
    plan = compiled[2024, "000000"].plan(institution("350102"))
    assert plan.fill.opens.isoformat() == "2025-01-13T00:00:00+08:00"
    closes = {plan.fill.closes, plan.correct.closes, plan.review.closes}
    assert {moment.isoformat() for moment in closes} == {"2025-03-22T00:00:00+08:00"}
    assert (plan.supplement, plan.quality, plan.lapse_unapproved) == (None, None, True)
    assert (plan.checker, plan.parts, plan.obligation.outcome) == ("samr", ("statistics",), "must")
    assert plan.ruleset == compiled[2024, "000000"].ref


def test_plan_of_2023_in_fujian(compiled: dict[tuple[int, str], CompiledRules]) -> None:
    plan = compiled[2023, "350000"].plan(institution("350102", national_centres=["甲"]))
    assert plan.fill.closes.isoformat() == "2024-03-01T00:00:00+08:00"
    assert plan.supplement is not None
    assert plan.supplement.opens == plan.fill.closes
    assert plan.review.closes.isoformat() == "2024-03-08T00:00:00+08:00"
    assert (plan.lapse_unapproved, plan.checker) == (False, "samr")
    assert plan.parts == ("statistics", "annual-report")


def test_parts_of_2020(compiled: dict[tuple[int, str], CompiledRules]) -> None:
    rules = compiled[2020, "000000"]
    with_centre = rules.parts(institution("350102", national_centres=["甲"]))
    assert [part.form for part in with_centre] == [
        "statistics-2020",
        "annual-report-2020",
        "social-responsibility-2020",
    ]
    assert len(rules.parts(institution("350102"))) == 2


def test_stages_of_fujian(compiled: dict[tuple[int, str], CompiledRules]) -> None:
    stages = compiled[2023, "350000"].stages
    assert [stage.label for stage in stages] == ["准备阶段", "填报阶段", "审核阶段"]
    assert [stage.window.closes.date().isoformat() for stage in stages] == [
        "2024-02-01",
        "2024-03-01",
        "2024-03-08",
    ]


@pytest.mark.parametrize(
    ("authority", "name"),
    [
        ("samr", "国家市场监督管理总局"),
        ("amr-350128", "平潭综合实验区市场监督管理局"),
        ("amr-350102", "福州市鼓楼区市场监督管理局"),
        ("amr-110101", "北京市东城区市场监督管理局"),
        ("amr-120000", "天津市市场监督管理委员会"),
        ("amr-660000", "新疆生产建设兵团市场监督管理局"),
        ("group-railway", "国家资质认定铁路行业评审组"),
        ("group-else", "国家资质认定（else）行业评审组"),
        ("amr-999999", "amr-999999"),
    ],
)
def test_authorities_have_names(
    authority: str, name: str, compiled: dict[tuple[int, str], CompiledRules]
) -> None:
    assert compiled[2023, "350000"].authority_name(authority) == name


def test_every_area_leads_up_to_the_nation() -> None:
    catalogue = load_catalogue(SHIPPED)
    levels = {code: catalogue.tree.level(code) for code in catalogue.areas}
    for code in catalogue.areas:
        above = list(catalogue.tree.upwards(code))
        assert above[-1] == "000000"
        assert len(above) <= 4
        assert all(area in catalogue.areas for area in above), code
    assert sum(level == "province" for level in levels.values()) == 32
    assert catalogue.tree.parent("350128") == "350000"
    assert catalogue.tree.parent("110101") == "110000"
    assert catalogue.tree.parent("469001") == "460000"
    assert catalogue.tree.parent("350102") == "350100"


def test_provenance_names_file_line_and_clause(library: RuleLibrary) -> None:
    origins = {origin.path: origin for origin in library.resolve(2023, "350000").provenance}
    inherited = origins["filing.quality_check.by"]
    own = origins["filing.windows.fill.to"]
    assert inherited.place.file == "2023/national.yaml"
    assert own.place.file == "2023/fujian.yaml"
    assert own.value == "2024-02-29"
    assert own.cite is not None
    assert (own.cite.document, own.cite.clause) == ("闽市监认证〔2024〕1号", "四（二）")
    text = (SHIPPED / own.place.file).read_text("utf-8").splitlines()
    assert '"2024-02-29"' in text[own.place.line - 1]


def test_every_value_that_decides_is_cited(library: RuleLibrary) -> None:
    for key in library.sets():
        for origin in library.resolve(*key).provenance:
            if origin.path.startswith(("filing.", "report_numbers.")):
                assert origin.cites, origin.path
                for cite in origin.cites:
                    assert cite.assumption or cite.quote, origin.path


@pytest.mark.parametrize("place", ["2024/guangdong.yaml", "standing/guangdong.yaml"])
def test_nothing_is_published_beside_a_file_nobody_can_read(place: str, folder: Path) -> None:
    assert fit_to_publish(folder, 2024, "000000")
    (folder / place).parent.mkdir(exist_ok=True)
    (folder / place).write_text("id: [\n", "utf-8")
    with pytest.raises(Refused, match="rules_invalid"):
        fit_to_publish(folder, 2024, "000000")


def test_every_set_says_when_a_certificate_began_that_nobody_dated(
    compiled: dict[tuple[int, str], CompiledRules],
) -> None:
    """A number of the year after, with a last day six years on: nothing of the year is owed."""
    for (year, place), rules in compiled.items():
        region = {"000000": "350102", "350000": "350102", "430000": "430102"}[place]
        issuer = f"amr-{region[:2]}0000"

        def holder(
            number: str,
            valid_to: str,
            valid_from: str | None = None,
            region: str = region,
            issuer: str = issuer,
        ) -> Facts:
            one = {
                "number": number, "level": "provincial", "issuer": issuer, "scope": 1,
                "valid_to": valid_to, "valid_from": valid_from,
            }  # fmt: skip
            return Facts.model_validate(
                {"institution": {"id": "new", "region": region}, "certificates": [one]}
            )

        after, last = f"{year + 1 - 2000}1301060345", f"{year - 2000}1301060345"
        assert rules.obligation(holder(after, f"{year + 6}-12-31")).outcome == "none"
        assert rules.obligation(holder(last, f"{year + 6}-12-30")).outcome == "must"
        # the two do not agree: nobody knows, and it counts as begun
        assert rules.obligation(holder(after, f"{year + 5}-12-31")).outcome == "must"
        # what is stated goes before what is worked out
        stated = holder(after, f"{year + 6}-12-31", f"{year}-12-31")
        assert rules.obligation(stated).outcome == "must"


def test_a_certificate_that_began_in_a_quarter_obliges_from_it_on(
    compiled: dict[tuple[int, str], CompiledRules],
) -> None:
    rules = compiled[2024, "000000"].numbers
    assert rules is not None
    one = {
        "number": "241301060345", "level": "provincial", "issuer": "amr-350000", "scope": 1,
        "valid_to": "2030-06-30",
    }  # fmt: skip
    facts = Facts.model_validate(
        {"institution": {"id": "new", "region": "350102"}, "certificates": [one]}
    )
    assert [rules.obligation(facts, Quarter(2024, n)).outcome for n in (1, 2, 3, 4)] == [
        "none", "none", "may", "may",
    ]  # fmt: skip
    assert not rules.eligibility(facts, date(2024, 6, 30)).eligible
    assert rules.eligibility(facts, date(2024, 7, 1)).eligible
