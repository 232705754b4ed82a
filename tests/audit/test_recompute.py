"""Decisions anew, without any workflow; and under rules of another year."""

import copy

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from audit.as_of import as_of, compared, figures_as_of
from audit.recompute import NoSuchCase, Recomputing
from rules.compiled import CompiledRules
from rules.file.library import SHIPPED, current_library
from tests.audit.conftest import World, now

pytestmark = pytest.mark.anyio


async def test_every_decision_comes_out_as_it_was_recorded(
    world: World, audited: AsyncEngine
) -> None:
    recomputing = Recomputing(audited)
    kinds = set()
    for case_id in ("filing/2023/done", "report-numbers/2024Q4/silent"):
        found = await recomputing.case(case_id)
        kinds |= {one.kind for one in found.decisions}
        assert [one for one in found.decisions if not one.same] == []
    async with audited.connect() as connection:
        ids = await connection.execute(
            text("SELECT case_id FROM cases WHERE kind = 'certificate' ORDER BY 1")
        )
        for case_id in ids.scalars():
            kinds |= {one.kind for one in (await recomputing.case(case_id)).decisions}
    assert kinds >= {
        "obligation", "window fill", "window review", "reviewer", "checker", "visibility", "number",
    }  # fmt: skip
    with pytest.raises(NoSuchCase):
        await recomputing.case("filing/2023/nobody")


async def test_a_campaign_under_another_years_rules_tells_what_would_differ_and_why(
    world: World, audited: AsyncEngine
) -> None:
    library = current_library(SHIPPED)
    other = CompiledRules(library.resolve_name("2024/national").document)
    found = [one async for one in Recomputing(audited, other).campaign("campaign/2023/350000")]
    assert len(found) >= 8
    done = next(one for one in found if one.case_id == "filing/2023/done")
    by_kind = {one.kind: one for one in done.decisions}
    assert not by_kind["window fill"].same
    assert not by_kind["reviewer"].same
    cite = by_kind["window fill"].cite
    assert cite is not None
    assert "市监" in cite.document


async def test_rules_that_come_to_no_result_are_told_of_each_decision_and_end_nothing(
    world: World, audited: AsyncEngine
) -> None:
    document = copy.deepcopy(current_library(SHIPPED).resolve_name("2024/national").document)
    for rules in (document["filing"]["obligation"], document["filing"]["reviewers"]):
        rules[0]["when"] = "1 / (certs.size() - certs.size()) < 100"
    recomputing = Recomputing(audited, CompiledRules(document))
    decided = (await recomputing.case("filing/2023/done")).decisions
    by_kind = {one.kind: one for one in decided}
    for kind in ("plan", "reviewer"):
        assert not by_kind[kind].same
        assert "算不出结果" in by_kind[kind].recomputed
    assert (await recomputing.foreseen("campaign/2023/350000")).cases >= 8


async def test_a_case_and_a_campaign_as_of_a_moment(world: World, audited: AsyncEngine) -> None:
    async with audited.connect() as connection:
        rows = await connection.execute(
            text("SELECT sequence, at, event FROM journal"
                 " WHERE case_id = 'filing/2023/done' ORDER BY sequence")
        )  # fmt: skip
        steps = rows.all()
    submitted = next(one for one in steps if one.event == "submitted")
    assert await as_of(audited, "filing/2023/done", steps[0].at.replace(year=2020)) is None
    before = await as_of(audited, "filing/2023/done", steps[1].at)
    assert before is not None
    assert before.status == "draft"
    then = await as_of(audited, "filing/2023/done", submitted.at)
    assert then is not None
    assert (then.status, then.level, then.sequence) == ("in_review", 1, submitted.sequence + 1)
    last = await as_of(audited, "filing/2023/done", now())
    assert last is not None
    assert (last.status, last.sequence) == ("completed", len(steps))
    figures = await figures_as_of(audited, "campaign/2023/350000", now())
    assert figures.statuses["completed"] == 1
    moved = [
        one
        async for one in compared(audited, "campaign/2023/350000", submitted.at, now())
        if one.case_id == "filing/2023/done"
    ]
    assert [(one.before, one.after) for one in moved] == [("in_review", "completed")]
