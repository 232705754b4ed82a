"""Replay: a case's histories through today's code, every value compared with what was recorded.

Compared are timers, the arguments of activities, the results of updates and of the run, what one
run hands to the next, and each step that is to be recorded with the row that the journal has of it.
"""

import json
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from datetime import timedelta
from functools import cached_property
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client, WorkflowHistory
from temporalio.converter import DataConverter
from temporalio.worker import Replayer, WorkflowRunner

from audit.recomputed import (
    ComparingRunner,
    Journal,
    Recomputed,
    Told,
    plain,
    span,
    value_of,
)
from domain.case.events import GENESIS, Step, event_of
from domain.case.kind import evolve
from domain.case.workflow_messages import READ_STEPS, RECORD_STEPS
from domain.certificates.issuing import RECORD_CERTIFICATE
from domain.kinds import KINDS, kind_of
from domain.model import Value
from engine.values import VALUES
from services.archive import histories_of
from store import archive, journal
from workflows.registry import WORKFLOWS


class Difference(Value):
    """One value that today's code comes to and that was recorded otherwise.

    ``event`` is the event of the history, 0 where it is about none; ``what`` names the value.
    """

    event: int
    what: str
    recorded: Any
    recomputed: Any


class Replayed(Value):
    """What the replay of a case came to. ``archived``: the engine has forgotten its history."""

    case_id: str
    events: int
    runs: int
    archived: bool
    differences: tuple[Difference, ...]


class NoHistory(Exception):
    """Neither the engine nor the archive has a history of the case."""


async def replay(engine: AsyncEngine, client: Client | None, case_id: str) -> Replayed:
    """Replays all runs of a case. Raises NoHistory.

    What the engine still has counts; what it has forgotten is taken from the archive.
    """
    live = await histories_of(client, case_id) if client is not None else []
    async with engine.connect() as connection:
        kept = await archive.of_case(connection, case_id)
        steps = await journal.steps(connection, case_id)
    known = {run_of(one) for one in live}
    left = [
        WorkflowHistory.from_json(case_id, one.content) for one in kept if one.run_id not in known
    ]
    every = sorted([*left, *live], key=lambda one: one.events[0].event_time.ToNanoseconds())
    if not every:
        raise NoHistory(case_id)
    converter = client.data_converter if client is not None else VALUES
    differences = await compare(every, steps, converter)
    return Replayed(
        case_id=case_id,
        events=sum(len(one.events) for one in every),
        runs=len(every),
        archived=not live,
        differences=tuple(differences),
    )


async def compare(
    histories: Sequence[WorkflowHistory],
    steps: Sequence[Step] | None,
    converter: DataConverter = VALUES,
    *,
    workflows: Sequence[type] = WORKFLOWS,
    runner: WorkflowRunner | None = None,
) -> list[Difference]:
    """The differences of all runs of a case; without ``steps`` those that histories tell alone."""
    comparing = ComparingRunner(runner)
    replayer = Replayer(
        workflows=workflows,
        data_converter=comparing.values(converter),
        workflow_runner=comparing,
        unsandboxed_workflow_runner=comparing,
        # whoever waits two seconds for a processor has not differed from the history
        debug_mode=True,
    )
    rows = None if steps is None else {one.sequence: _row(one) for one in steps}
    found: list[Difference] = []
    reached = 0
    for history in histories:
        result = await replayer.replay_workflow(history, raise_on_replay_failure=False)
        recomputed = comparing.runs.pop(history.workflow_id, Recomputed())
        if result.replay_failure is not None:
            told = str(result.replay_failure)
            last = history.events[-1].event_id
            found.append(
                Difference(event=last, what="commands", recorded="见历史", recomputed=told)
            )
            continue
        events = [await _decoded(event, converter) for event in history.events]
        of_run = list(_of_run(events, recomputed))
        if rows is not None and kind_of(history.workflow_id) is not None:
            carried, more = _carried(history.workflow_id, events[0], rows)
            of_run += more
            covered = _Covered(rows, reached=max(reached, carried))
            of_run += covered.differences(events, recomputed)
            reached = covered.reached
        found += sorted(of_run, key=lambda one: one.event)
    if rows and histories and kind_of(histories[0].workflow_id) is not None and reached < max(rows):
        found.append(
            Difference(
                event=histories[-1].events[-1].event_id,
                what="final state",
                recorded=f"日志到第 {max(rows)} 步",
                recomputed=f"流程到第 {reached} 步",
            )
        )
    return found


def _row(step: Step) -> Mapping[str, Any]:
    return step.model_dump(mode="json")


def run_of(history: WorkflowHistory) -> str:
    """The id of the run that a history is of."""
    started = history.events[0].workflow_execution_started_event_attributes
    return str(started.original_execution_run_id)


class _Event:
    """An event of a history, its payloads without their codec and, once asked for, as values."""

    def __init__(self, event: HistoryEvent, payloads: list[Payload]) -> None:
        self.id = event.event_id
        self.name = EventType.Name(event.event_type).removeprefix("EVENT_TYPE_")
        self.event = event
        self.payloads = payloads

    @cached_property
    def values(self) -> list[Any]:
        return [value_of(payload) for payload in self.payloads]


async def _decoded(event: HistoryEvent, converter: DataConverter) -> _Event:
    payloads: list[Payload] = []
    match EventType.Name(event.event_type):
        case "EVENT_TYPE_WORKFLOW_EXECUTION_STARTED":
            payloads = list(event.workflow_execution_started_event_attributes.input.payloads)
        case "EVENT_TYPE_ACTIVITY_TASK_SCHEDULED":
            payloads = list(event.activity_task_scheduled_event_attributes.input.payloads)
        case "EVENT_TYPE_MARKER_RECORDED":
            details = event.marker_recorded_event_attributes.details
            payloads = list(details["result"].payloads) if "result" in details else []
        case "EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_COMPLETED":
            outcome = event.workflow_execution_update_completed_event_attributes.outcome
            payloads = list(outcome.success.payloads)
        case "EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED":
            payloads = list(event.workflow_execution_completed_event_attributes.result.payloads)
        case "EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW":
            again = event.workflow_execution_continued_as_new_event_attributes
            payloads = list(again.input.payloads)
    if payloads and converter.payload_codec is not None:
        payloads = list(await converter.payload_codec.decode(payloads))
    return _Event(event, payloads)


def _of_run(events: Sequence[_Event], run: Recomputed) -> Iterator[Difference]:
    """What the history itself tells of.

    Values are read only where the bytes that say them are not the same.
    """
    for one in events:
        recorded: Any
        recomputed: Told | None
        match one.name:
            case "TIMER_STARTED":
                timer = one.event.timer_started_event_attributes
                recorded = span(timer.start_to_fire_timeout).total_seconds()
                length = run.timers.get(timer.timer_id)
                recomputed = (
                    plain(min(length, LONGEST).total_seconds()) if length is not None else None
                )
                what = "timer"
            case "ACTIVITY_TASK_SCHEDULED":
                asked = one.event.activity_task_scheduled_event_attributes
                name = asked.activity_type.name
                recomputed = run.activities.get(asked.activity_id)
                if recomputed is not None and recomputed.said_by(name, one.payloads):
                    continue
                recorded = {"type": name, "input": one.values}
                what = f"activity {name}"
            case "WORKFLOW_EXECUTION_UPDATE_COMPLETED":
                done = one.event.workflow_execution_update_completed_event_attributes
                recomputed = run.updates.get(done.meta.update_id)
                if done.outcome.HasField("failure"):
                    recorded = {"failed": done.outcome.failure.application_failure_info.type}
                elif recomputed is not None and recomputed.said_by("", one.payloads):
                    continue
                else:
                    recorded = _first(one.values)
                what = "update result"
            case "WORKFLOW_EXECUTION_COMPLETED":
                recorded, recomputed = {"result": _first(one.values)}, run.end
                what = "result"
            case "WORKFLOW_EXECUTION_CONTINUED_AS_NEW":
                started = events[0].event.workflow_execution_started_event_attributes
                again = _read_again(started.workflow_type.name, one.values)
                recorded, recomputed = {"again": again}, run.end
                what = "next run"
            case _:
                continue
        yield from _told_otherwise(one.id, what, recorded, recomputed)


LONGEST = timedelta(days=36500)
"""The engine makes a longer timer this long."""


def _read_again(workflow: str, values: Sequence[Any]) -> list[Any]:
    """What a run hands to the next, its state as today's code reads it and writes it again."""
    kind = next((one for one in KINDS.values() if one.workflow == workflow), None)
    first = _first(values)
    carried = first.get("carried") if isinstance(first, dict) else None
    if kind is None or not carried:
        return list(values)
    state = kind.state(carried["state"]).model_dump(mode="json")
    return [{**first, "carried": {**carried, "state": state}}, *values[1:]]


def _told_otherwise(
    event: int, what: str, recorded: Any, recomputed: Told | None
) -> Iterator[Difference]:
    """The places in which what a workflow hands on is not what it handed on."""
    value = recomputed.value() if recomputed is not None else None
    if recorded != value:
        least = recomputed.least() if recomputed is not None else None
        yield from _unlike(event, what, recorded, value, least)


def _unlike(
    event: int, what: str, recorded: Any, recomputed: Any, least: Any
) -> Iterator[Difference]:
    """The places in which two values differ, named.

    What is neither in the recording nor in ``least`` is newer than it, and says nothing yet.
    """
    if recorded == recomputed:
        return
    if isinstance(recorded, dict) and isinstance(recomputed, dict):
        said = least if isinstance(least, dict) else {}
        for name in sorted({*recorded, *recomputed}):
            if name in recorded or name in said:
                yield from _unlike(
                    event,
                    f"{what}.{name}",
                    recorded.get(name),
                    recomputed.get(name),
                    said.get(name),
                )
        return
    if (
        isinstance(recorded, list)
        and isinstance(recomputed, list)
        and len(recorded) == len(recomputed)
    ):
        told = least if isinstance(least, list) and len(least) == len(recomputed) else recomputed
        for place, (before, after) in enumerate(zip(recorded, recomputed, strict=True)):
            yield from _unlike(event, f"{what}[{place}]", before, after, told[place])
        return
    yield Difference(event=event, what=what, recorded=recorded, recomputed=recomputed)


def _first(values: Sequence[Any]) -> Any:
    return values[0] if values else None


class _Covered:
    """A run's steps against the journal's rows."""

    def __init__(self, rows: Journal, reached: int) -> None:
        self._rows = rows
        self.reached = reached

    def differences(self, events: Sequence[_Event], run: Recomputed) -> Iterator[Difference]:
        for one in events:
            if one.name != "MARKER_RECORDED":
                continue
            marker = one.event.marker_recorded_event_attributes
            if marker.marker_name != "core_local_activity":
                continue
            data = json.loads(marker.details["data"].payloads[0].data)
            known = run.local_activities.get(int(data["seq"]))
            name = str(data["activity_type"])
            if known is None or known[0] != name:
                asked = known[0] if known is not None else None
                yield Difference(
                    event=one.id, what="local activity", recorded=name, recomputed=asked
                )
                continue
            if name not in (RECORD_STEPS, RECORD_CERTIFICATE, READ_STEPS) or marker.HasField(
                "failure"
            ):
                continue
            answered = _first(one.values) or {}
            adopted = answered.get("steps", [])
            # what stood in the journal already was adopted in the place of what was asked for
            for step in adopted or _asked_for(known[1]):
                yield from self._step(one.id, step)

    def _step(self, event: int, step: Mapping[str, Any]) -> Iterator[Difference]:
        sequence = step["sequence"]
        self.reached = max(self.reached, sequence)
        row = self._rows.get(sequence)
        what = f"step {sequence}"
        if row is None:
            yield Difference(event=event, what=what, recorded=None, recomputed=step["event"])
            return
        yield from _unlike(event, what, dict(row), dict(step), dict(step))


def _asked_for(arguments: Sequence[Payload]) -> list[Any]:
    """The steps that a local activity was asked to record."""
    request = value_of(arguments[0])
    steps: list[Any] = request.get("request", request).get("steps", [])
    return steps


def _carried(case_id: str, started: _Event, rows: Journal) -> tuple[int, list[Difference]]:
    """How far a run knew the case when it began, and what of that is not as the journal has it."""
    carried = (_first(started.values) or {}).get("carried") or {}
    sequence = int(carried.get("sequence", 0))
    if not sequence:
        return 0, []
    kind = kind_of(case_id)
    assert kind is not None
    if sequence not in rows:
        told = Difference(event=1, what="carried.sequence", recorded=None, recomputed=sequence)
        return sequence, [told]
    state, head = kind.new(), GENESIS
    for number in range(1, sequence + 1):
        step = Step(**rows[number])
        state, head = evolve(kind, state, event_of(step)), step.hash
    # read and written again: a newer field of today's code has its default in both
    known = kind.state(carried.get("state", {})).model_dump(mode="json")
    found = list(_unlike(1, "carried.state", state.model_dump(mode="json"), known, known))
    found += _unlike(1, "carried.head", head, carried.get("head"), None)
    return sequence, found


async def replay_campaign(
    engine: AsyncEngine, client: Client | None, case_ids: Sequence[str]
) -> AsyncIterator[Replayed]:
    """Replays several cases, one after the other; those without a history are told of as such."""
    for case_id in case_ids:
        try:
            yield await replay(engine, client, case_id)
        except NoHistory:
            missing = Difference(
                event=0, what="history", recorded="没有历史，也没有存档", recomputed=None
            )
            async with engine.connect() as connection:
                steps = await journal.steps(connection, case_id)
            # one that had ended as it was put on record never had a process
            never = len({step.command_id for step in steps}) == 1
            yield Replayed(
                case_id=case_id,
                events=0,
                runs=0,
                archived=False,
                differences=() if never else (missing,),
            )
