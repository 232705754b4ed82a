"""What must be true of the record after a storm: nothing lost, doubled, stuck or ahead."""

import asyncio
import re
import time
from collections import Counter
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client

from domain.case.events import GENESIS, hash_of
from domain.case.kind import position
from domain.case.status import Status
from domain.kinds import KINDS
from domain.model import Value
from services.clock import system_clock
from services.doors import engine_of
from services.reconciler import Reconciler
from services.rule_sets import PinnedRules
from settings import from_environment
from store import cases, journal
from store.database import connect
from tests.chaos.machine import Machine
from tests.chaos.people import ROWS, People

TWO_MINUTES = 120.0


class Confirmed(Value):
    """What was found: lists of what is wrong, each empty where all is well."""

    acknowledged: int
    """Acts and files that were answered with a receipt."""
    steps: int
    """Steps of the journal that were gone through, hash by hash."""
    agreed_after: float
    """Seconds after the last blow until engine and record agreed and no file waited."""
    ahead: list[str]
    lost: list[str]
    doubled: list[str]
    stuck: list[str]
    disagreeing: list[str]
    """Cases whose chain, read model or outbox says something else than their journal."""

    @property
    def wrong(self) -> list[str]:
        """Everything that is not as it has to be."""
        return [*self.ahead, *self.lost, *self.doubled, *self.stuck, *self.disagreeing]


async def confirm(machine: Machine, people: People, last_blow: float) -> Confirmed:
    """Compares all that people were told with the journal, the read model and the engine.

    ``last_blow`` is when the last process was killed, of `time.monotonic`; the record has two
    minutes from there.
    """
    settings = machine.settings
    engine = connect(settings["DATABASE_URL"])
    client = await engine_of(from_environment(settings))
    try:
        ahead, waiting = await _agreed(client, engine, last_blow + TWO_MINUTES)
        after = time.monotonic() - last_blow
        async with engine.connect() as connection:
            lost, doubled = await _receipts(connection, people)
            steps, disagreeing = await _chains(connection)
            for wanted, found in (
                await _numbers(connection, people),
                await _certificates(connection, people),
            ):
                lost += wanted
                doubled += found
            stuck = waiting + await _unfinished(connection, people)
        doubled += await _twice_in_history(client, people)
    finally:
        await engine.dispose()
    return Confirmed(
        acknowledged=len(people.receipts) + len(people.uploads),
        steps=steps,
        agreed_after=round(after, 1),
        ahead=ahead,
        lost=lost,
        doubled=doubled,
        stuck=stuck,
        disagreeing=disagreeing,
    )


async def _agreed(
    client: Client, engine: AsyncEngine, deadline: float
) -> tuple[list[str], list[str]]:
    """Cases ahead of their engine and uploads still to be read: none, or those at the deadline."""
    looking = Reconciler(client, engine, PinnedRules(engine), system_clock)
    while True:
        ahead = [one.case_id async for one in looking.sweep(closely=True)]
        async with engine.connect() as connection:
            waiting = list(
                (
                    await connection.execute(
                        text("SELECT id FROM uploads WHERE stage IN ('queued', 'reading')")
                    )
                ).scalars()
            )
        if not (ahead or waiting) or time.monotonic() > deadline:
            return ahead, waiting
        await asyncio.sleep(2)


async def _receipts(connection: AsyncConnection, people: People) -> tuple[list[str], list[str]]:
    """Receipts that the journal does not know, and acts of people that nobody was told of."""
    rows = await connection.execute(
        text("""
            SELECT case_id, command_id, sequence, hash, event FROM journal
            WHERE split_part(case_id, '/', 1) = ANY(:kinds)
        """),
        {"kinds": list(KINDS)},
    )
    recorded = {(row.case_id, row.sequence): row for row in rows}
    lost = []
    for receipt in people.receipts:
        row = recorded.get((receipt["case_id"], receipt["sequence"]))
        if row is None or (row.hash, row.command_id) != (receipt["hash"], receipt["command_id"]):
            lost.append(f"{receipt['case_id']}#{receipt['sequence']}")
    told = Counter((one["case_id"], one["command_id"]) for one in people.receipts)
    doubled = [
        f"{case_id}: one act answered {n} times" for (case_id, _), n in told.items() if n > 1
    ]
    seen = Counter((row.case_id, row.command_id, row.event) for row in recorded.values())
    doubled += [f"{case_id} {event}: {n} times" for (case_id, _, event), n in seen.items() if n > 1]
    files = {f"report-numbers/{path.split('/', 3)[3]}" for path in people.uploads.values()}
    for row in recorded.values():
        by_somebody = _KEY.fullmatch(row.command_id) is not None
        upload = row.event == "upload_received" and row.case_id in files
        if by_somebody and not upload and (row.case_id, row.command_id) not in told:
            doubled.append(f"{row.case_id} {row.event}: nobody was told")
    return lost, doubled


_KEY = re.compile("[0-9a-f]{64}")
"""Commands of people have the hashes of their keys as ids; those of the system have names."""


async def _chains(connection: AsyncConnection) -> tuple[int, list[str]]:
    """How many steps there are, and cases where journal, read model and outbox disagree."""
    ids = (await connection.execute(text("SELECT case_id FROM cases ORDER BY case_id"))).scalars()
    gone_through, wrong = 0, []
    for case_id in list(ids):
        steps = await journal.steps(connection, case_id)
        previous = GENESIS
        for number, step in enumerate(steps, 1):
            if (step.sequence, step.previous_hash, step.hash) != (number, previous, hash_of(step)):
                wrong.append(f"{case_id}: chain broken at {number}")
            previous = step.hash
        gone_through += len(steps)
        case = await cases.by_id(connection, case_id)
        assert case is not None
        kind = KINDS[case.kind]
        known = await journal.carried(connection, kind, case_id)
        shown = position(kind, kind.state(known.state), case.plan)
        if (case.sequence, case.head, case.status) != (len(steps), previous, shown.status):
            wrong.append(f"{case_id}: read model at {case.sequence}, {case.status}")
    unsent = await connection.execute(
        text("""
            SELECT coalesce(j.case_id, o.case_id) FROM journal j
            FULL JOIN outbox o USING (case_id, sequence)
            WHERE j.case_id IS NULL OR o.case_id IS NULL
        """)
    )
    wrong += [f"{case_id}: outbox" for case_id in unsent.scalars()]
    return gone_through, wrong


async def _numbers(connection: AsyncConnection, people: People) -> tuple[list[str], list[str]]:
    """Acknowledged files whose numbers are not on record, and numbers that stand twice."""
    rows = await connection.execute(
        text("""
            SELECT c.case_id, count(r.number) AS standing, count(DISTINCT r.number) AS different
            FROM cases c JOIN institutions i ON i.id = c.institution_id
            LEFT JOIN report_numbers r ON r.institution_no = i.no
            WHERE c.kind = 'report-numbers' GROUP BY c.case_id
        """)
    )
    by_case = {row.case_id: (row.standing, row.different) for row in rows}
    lost, doubled = [], []
    for path in people.uploads.values():
        case_id = f"report-numbers/{path.split('/', 3)[3]}"
        standing, different = by_case[case_id]
        if different < ROWS:
            lost.append(f"{case_id}: {different} of {ROWS} numbers")
        if standing > different:
            doubled.append(f"{case_id}: {standing} rows for {different} numbers")
    return lost, doubled


async def _certificates(connection: AsyncConnection, people: People) -> tuple[list[str], list[str]]:
    """Certificates that were granted and are not there; numbers with gaps or given twice."""
    rows: list[Any] = list(
        await connection.execute(
            text("SELECT number, case_id FROM certificates WHERE origin = 'issued' ORDER BY number")
        )
    )
    issued = {row.case_id for row in rows}
    lost = [case_id for case_id in people.certificates if case_id not in issued]
    doubled = [
        f"number {n}: {c} times" for n, c in Counter(r.number for r in rows).items() if c > 1
    ]
    doubled += [
        f"{i}: {c} certificates" for i, c in Counter(r.case_id for r in rows).items() if c > 1
    ]
    by_authority: dict[str, list[int]] = {}
    for row in rows:
        by_authority.setdefault(row.number[:4], []).append(int(row.number[-4:]))
    for authority, serials in by_authority.items():
        missing = set(range(1, max(serials) + 1)) - set(serials)
        lost += [f"number {serial} of {authority} was given to nobody" for serial in missing]
    return lost, doubled


async def _unfinished(connection: AsyncConnection, people: People) -> list[str]:
    """Cases that people brought to their end and that have not ended."""
    ended = {
        receipt["case_id"] for receipt in people.receipts if receipt["status"] == Status.COMPLETED
    }
    rows = await connection.execute(
        text("SELECT case_id, status FROM cases WHERE case_id = ANY(:ids) AND status <> :ended"),
        {"ids": list(ended), "ended": Status.COMPLETED.value},
    )
    return [f"{row.case_id}: {row.status}" for row in rows]


async def _twice_in_history(client: Client, people: People) -> list[str]:
    """Commands that a workflow's history has as carried out more than once."""
    twice = []
    for case_id in sorted({receipt["case_id"] for receipt in people.receipts}):
        history = await client.get_workflow_handle(case_id).fetch_history()
        done = Counter(
            event.workflow_execution_update_completed_event_attributes.meta.update_id
            for event in history.events
            if event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_COMPLETED
        )
        twice += [f"{case_id}: update {id_} {n} times" for id_, n in done.items() if n > 1]
    return twice
