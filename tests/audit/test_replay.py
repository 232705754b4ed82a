"""Replay with comparison: what Temporal's own replayer passes over is named, value by value."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer
from temporalio.workflow import _Definition

from audit.replay import NoHistory, compare, replay
from domain.case import opening
from engine.values import VALUES
from tests.audit.conftest import World
from tests.workflows.test_engine import _CONTINUED_AFTER
from workflows import case as case_workflow
from workflows.registry import WORKFLOWS

pytestmark = pytest.mark.anyio

HISTORIES = sorted((Path(__file__).parents[1] / "workflows" / "histories").glob("*.json"))


def history_of(file: Path) -> WorkflowHistory:
    return WorkflowHistory.from_json(file.stem, file.read_text())


NEWER = "next run.again[0].carried.state.since"
"""A state knows since when it stands; those that were handed on before it did, do not."""
BEFORE = ["annual-filing-continued-3", *(f"certificate-continued-{n}" for n in (1, 2, 3, 4))]


@pytest.mark.parametrize("file", HISTORIES, ids=lambda file: file.stem)
async def test_every_recorded_life_comes_to_the_values_it_was_recorded_with(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for life, most in _CONTINUED_AFTER.items():
        if file.stem.startswith(life):
            monkeypatch.setattr(case_workflow, "_MOST_UPDATES_PER_RUN", most)
    found = await compare([history_of(file)], None)
    assert [one.what for one in found] == ([NEWER] if file.stem in BEFORE else [])


def test_every_workflow_has_recorded_lives() -> None:
    recorded = {
        history_of(file).events[0].workflow_execution_started_event_attributes.workflow_type.name
        for file in HISTORIES
    }
    assert recorded == {_Definition.must_from_class(one).name for one in WORKFLOWS}


@pytest.mark.usefixtures("timers_as_they_were")
async def test_an_archived_case_is_replayed_without_the_engine(
    world: World, audited: AsyncEngine
) -> None:
    done = await replay(audited, None, "filing/2023/done")
    assert done.differences == ()
    assert (done.archived, done.runs, done.events > 20) == (True, 1, True)
    with pytest.raises(NoHistory):
        await replay(audited, None, "filing/2023/nobody")


@pytest.mark.usefixtures("timers_as_they_were")
async def test_one_changed_value_is_named_though_temporals_replayer_passes_it(
    world: World, audited: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain = opening.chain

    def slightly_other(*arguments: Any) -> Any:
        case_id, sequence, head, command, events, now = arguments
        other = [
            event.model_copy(update={"body": {**event.body, "revision": 7}})
            if event.name == "submitted"
            else event
            for event in events
        ]
        return chain(case_id, sequence, head, command, other, now)

    monkeypatch.setattr(case_workflow, "chain", slightly_other)
    found = await replay(audited, None, "filing/2023/done")
    first = found.differences[0]
    assert (first.what, first.recorded, first.recomputed) == ("step 3.body.revision", 1, 7)
    assert first.event > 0
    file = next(one for one in HISTORIES if one.stem == "annual-filing-back-and-forth-1")
    plain = Replayer(workflows=WORKFLOWS, data_converter=VALUES, debug_mode=True)
    await plain.replay_workflow(history_of(file))
    # it was recorded with timers that were not spread
    found_in_life = {one.what for one in await compare([history_of(file)], None)} - {"timer"}
    assert found_in_life == {"update result.hash"}


async def test_a_timer_of_another_length_is_named(world: World, audited: AsyncEngine) -> None:
    # in tests timers are not spread: every timer has another length than it was recorded with
    found = await replay(audited, None, "filing/2023/done")
    assert {one.what for one in found.differences} == {"timer"}
