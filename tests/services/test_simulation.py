"""A campaign played ahead: the rules decide, the people are made up, and it adds up."""

from collections import Counter
from datetime import date
from xml.etree import ElementTree

import pytest
from temporalio.testing import WorkflowEnvironment

from deploy.demo.roster import generate_roster
from deploy.rehearsal import Rehearsal
from domain.numbers.quarters import Period
from rules.compiled import CompiledRules
from rules.file.library import RuleLibrary
from services.campaigns.simulation import Behaviour, Playing, Simulation
from services.campaigns.simulation_picture import picture
from worker import filings_worker

NATION = {"000000": CompiledRules(RuleLibrary().resolve(2024, "000000").document)}
FACTS = [one.facts() for one in generate_roster(150, 11)]


def played(days: list[date] | None = None, **behaviour: object) -> Simulation:
    people = Behaviour.model_validate(behaviour)
    playing = Playing(NATION, "000000", Period(2024), people, lambda day: day.weekday() < 5)
    return playing.play(FACTS, (days if days is not None else []).append)


def test_everybody_is_accounted_for_and_the_same_seed_plays_the_same() -> None:
    told: list[date] = []
    simulation = played(told)
    assert simulation.institutions == len(FACTS)
    assert sum(simulation.statuses.values()) == simulation.filings
    assert sum(day.lapsed for day in simulation.days) == simulation.statuses["lapsed"]
    assert sum(day.completed for day in simulation.days) == simulation.statuses["completed"]
    assert [day.day for day in simulation.days] == told
    assert simulation == played()
    assert simulation != played(seed=2)


def test_who_never_files_lapses_with_the_window_and_nobody_else_does() -> None:
    nobody = played(files=0, volunteers=0)
    assert nobody.statuses == {"lapsed": nobody.must}
    assert nobody.peak is not None
    assert (nobody.peak.submitted, nobody.authorities) == (0, {})
    # the window closes at the end of 21 March: to the instant, the first of the 22nd
    assert [day.day for day in nobody.days if day.lapsed] == [date(2025, 3, 22)]
    quick = played(files=1, returned=0, at_the_end=0, a_day=1000)
    assert "lapsed" not in quick.statuses


def test_what_authorities_cannot_do_in_time_piles_up_and_lapses() -> None:
    overrun = played(files=1, returned=0, a_day=0)
    assert overrun.statuses == {"lapsed": overrun.filings}
    assert all(desk.done == 0 for desk in overrun.authorities.values())
    assert max(day.backlog for day in overrun.days) > 0
    # where the review's end is the filing's own, nothing is left with anybody after it
    assert all(desk.left == 0 for desk in overrun.authorities.values())
    one = max(overrun.authorities, key=lambda id_: overrun.authorities[id_].received)
    eased = played(files=1, returned=0, a_day=0, authorities={one: 1000})
    assert eased.authorities[one].done > 0


def test_most_come_at_the_end_if_they_are_said_to() -> None:
    late = played(files=1, at_the_end=1, last_days=1)
    assert late.peak is not None
    assert late.peak.day == date(2025, 3, 21)
    assert late.last_day == late.peak.submitted > 0
    svg = picture(late, "模拟")
    root = ElementTree.fromstring(svg)
    told = ["".join(one.itertext()) for one in root.iter() if one.tag.endswith(("text", "title"))]
    # a bar for each day on which something came, said in words beside the highest
    assert f"{late.peak.day} {late.peak.submitted}" in told
    assert f"3月21日提交 {late.peak.submitted} 件" in told
    widest = max(late.authorities.values(), key=lambda one: one.most)
    assert widest.name in told


def test_a_backlog_is_told_day_by_day_for_each_authority() -> None:
    overrun = played(files=1, returned=0, a_day=1)
    for place, day in enumerate(overrun.days):
        assert sum(one.by_day[place] for one in overrun.authorities.values()) == day.backlog


def test_the_parts_of_a_script_are_all_of_it() -> None:
    playing = Playing(NATION, "000000", Period(2024), Behaviour(), lambda day: day.weekday() < 5)
    simulation = playing.play(FACTS, lambda day: None)
    script = playing.script()
    parts = [script.part(number, 3) for number in range(3)]
    for number, part in enumerate(parts):
        assert part.filings == script.filings[number::3]
        assert max(act.number for act in part.acts) < len(part.filings)
    assert sum(len(part.acts) for part in parts) == len(script.acts)
    assert Counter(s for part in parts for s in part.statuses) == simulation.statuses
    assert sum(one.added for part in parts for one in part.steps) == sum(
        one.added for one in script.steps
    )


@pytest.mark.anyio
async def test_processes_come_to_what_was_played(skipping_engine: WorkflowEnvironment) -> None:
    people = Behaviour(files=0.8, volunteers=1, returned=0.3, corrected=0.6, a_day=2, seed=3)
    playing = Playing(NATION, "000000", Period(2024), people, lambda day: day.weekday() < 5)
    simulation = playing.play(FACTS[:12], lambda day: None)
    assert {"completed", "lapsed"} <= simulation.statuses.keys()
    script = playing.script()
    days: list[date] = []
    rehearsed = await Rehearsal(script, skipping_engine).run(
        filings_worker, lambda day, steps: days.append(day)
    )
    assert rehearsed.differences == ()
    assert (rehearsed.filings, rehearsed.acts) == (simulation.filings, len(script.acts))
    assert rehearsed.steps == simulation.filings + sum(one.added for one in script.steps)
    assert days == sorted(days)


@pytest.mark.anyio
async def test_what_processes_do_otherwise_is_told(skipping_engine: WorkflowEnvironment) -> None:
    people = Behaviour(files=1, returned=0, a_day=10)
    playing = Playing(NATION, "000000", Period(2024), people, lambda day: day.weekday() < 5)
    playing.play(FACTS[:2], lambda day: None)
    script = playing.script()
    [first, *_] = [one for one in script.acts if one.command.kind == "submit"]
    # somebody who submits twice: the second time is refused, and it was played as taken
    twice = script._replace(acts=(*script.acts, first))
    rehearsed = await Rehearsal(twice, skipping_engine).run(filings_worker, lambda day, steps: None)
    assert rehearsed.differing == 1
    assert "演为 成，办理为 " in rehearsed.differences[0]


def test_a_share_is_a_share() -> None:
    with pytest.raises(ValueError, match="less than or equal to 1"):
        Behaviour(files=1.5)
