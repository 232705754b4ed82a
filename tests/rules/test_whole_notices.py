"""Whole notices written as YAML only: a nation's year, a province's and a city's (all made up)."""

import shutil
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from domain.facts import Facts
from rules.check.checks import check_name
from rules.compiled import CompiledRules
from rules.file.library import RuleLibrary

NOTICES = Path(__file__).parent / "notices"


@pytest.fixture
def library(small: Path) -> RuleLibrary:
    shutil.copytree(NOTICES, small, dirs_exist_ok=True)
    return RuleLibrary(small)


def holder(region: str, number: str = "1", **more: object) -> Facts:
    certificate = {
        "number": number, "level": "provincial", "issuer": f"amr-{region[:2]}0000", "scope": 1,
        "valid_to": "2028-01-01",
    }  # fmt: skip
    return Facts.model_validate(
        {"institution": {"id": "x", "region": region}, "certificates": [certificate], **more}
    )


def test_a_year_a_province_and_a_city_are_in_order_and_decide(library: RuleLibrary) -> None:
    for name in ("2025/national", "2025/zhejiang", "2025/wenzhou"):
        assert [str(one) for one in check_name(library, name)] == []
    nation, province, city = (
        CompiledRules(library.resolve(2025, place).document)
        for place in ("000000", "330000", "330300")
    )
    # ten working days from 20 March, and five from the end of the supplement
    assert nation.windows["review"].closes == datetime(2026, 4, 3, 16, tzinfo=UTC)
    assert province.windows["review"].closes == datetime(2026, 4, 3, 16, tzinfo=UTC)
    assert city.windows["review"].closes == datetime(2026, 4, 2, 16, tzinfo=UTC)
    # cities split the work differently
    chains = {
        (rules, region): [level.authority for level in rules.route(holder(region)).levels]
        for rules in (province, city)
        for region in ("330106", "330302")
    }
    assert chains[province, "330106"] == ["amr-330100", "amr-330000"]
    assert chains[province, "330302"] == ["amr-330302", "amr-330300", "amr-330000"]
    assert chains[city, "330302"] == ["amr-330300", "amr-330000"]
    assert province.route(holder("330302", "231113080001")).reviewer == "amr-330300"
    # the nation's own: two levels of checks over 5% by province, and a backfill once and for all
    plan = nation.plan(holder("330106"))
    assert [level.authority for level in plan.checks] == ["cnas", "samr"]
    assert plan.sample is not None
    assert (str(plan.sample.share), plan.sample.at_least) == ("0.05", 3)
    known = holder("330106", previous_reviewer="amr-330000")
    assert [duty.id for duty in province.duties_of(known)] == ["backfill", "resubmit"]
    [backfill] = nation.duties_of(known)
    assert (backfill.due, backfill.years) == (date(2026, 6, 30), (2021, 2022, 2023))
    assert "robots" in nation.form("statistics").fields


def test_an_item_has_what_it_must_have_from_the_one_it_replaces(library: RuleLibrary) -> None:
    """Only what changes is written, and where it comes from; what may be left out is left out."""
    [review] = [one for one in library.merged("2025/national").rules.duties if one.id == "review"]
    assert (review.label, review.who, review.measured) == (
        "按分工完成数据审核", ("province", "caiq"), None,
    )  # fmt: skip
    path = library.root / "2025" / "national.yaml"
    text = path.read_text("utf-8")
    without = text.replace("{id: review, due: {at: review.to}, cite: {assume: 与审核窗口同止}}",
                           "{id: review, due: {at: review.to}}")  # fmt: skip
    assert without != text
    path.write_text(without, "utf-8")
    told = check_name(RuleLibrary(library.root), "2025/national")
    assert [(one.code, "cite" in one.message) for one in told] == [("missing_key", True)]


def test_what_the_nation_says_of_other_places_is_no_fault_of_a_province(
    library: RuleLibrary,
) -> None:
    path = library.root / "2025" / "national.yaml"
    text = path.read_text("utf-8").replace(
        "  quality_check:\n",
        """\
  review_chain:
    - id: city
      before: review
      label: 青岛由市局初审
      when: city == 'amr-370200'
      authority: city
      cite: {assume: 生成的例子，没有这样的通知}
  quality_check:
""",
    )
    path.write_text(text, "utf-8")
    changed = RuleLibrary(library.root)
    assert check_name(changed, "2025/national") == []
    assert check_name(changed, "2025/zhejiang") == []
