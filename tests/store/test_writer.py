"""The journal's writer: many callers, one commit, and each answered for its own steps."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.case.events import EventName, Position, Step, chained, hash_of
from domain.case.status import Status
from domain.case.workflow_messages import RecordedSteps, RecordRequest
from store import cases, journal, rule_sets
from store.batching import Batcher
from store.database import connect
from store.writer import JournalFork, JournalWriter, StepsRefused
from tests.databases import owning
from tests.store.conftest import START, Chain, Register

pytestmark = pytest.mark.anyio

TAKEN = RecordedSteps()
"""The answer for steps that were recorded."""


async def on_record(engine: AsyncEngine, chain: Chain) -> list[Step]:
    async with engine.connect() as connection:
        return await journal.steps(connection, chain.case_id)


async def count(engine: AsyncEngine, table: str, what: str = "*") -> int:
    async with engine.connect() as connection:
        return int(
            (await connection.execute(text(f"SELECT count({what}) FROM {table}"))).scalar_one()
        )


# --- many at once --------------------------------------------------------------------------------


async def test_two_hundred_callers_share_a_few_commits_and_each_has_its_row(
    engine: AsyncEngine, register: Register
) -> None:
    chains = await register.chains(*(f"inst-{n:03d}" for n in range(200)))
    writer = JournalWriter(engine)
    answers = await asyncio.gather(*(writer.record(chain.request(2)) for chain in chains))
    assert answers == [TAKEN] * 200
    assert await count(engine, "journal") == 400
    assert await count(engine, "outbox") == 400
    assert await count(engine, "cases") == 200
    # 200 callers, but not 200 commits
    assert await count(engine, "outbox", "DISTINCT transaction") <= 3
    for chain in chains:
        assert await on_record(engine, chain) == chain.steps


async def test_the_read_model_is_where_the_last_step_left_it(
    engine: AsyncEngine, register: Register
) -> None:
    (chain,) = await register.chains("inst")
    writer = JournalWriter(engine)
    due = START + timedelta(days=3, microseconds=1)
    await writer.record(chain.request(2))
    position = Position(
        status=Status.IN_REVIEW, level=2, authority="amr-350100", claimed_by="r-1", revision=7,
        due=due,
    )  # fmt: skip
    assert await writer.record(chain.request(position=position)) == TAKEN
    async with engine.connect() as connection:
        case = await cases.by_id(connection, chain.case_id)
        seen = await cases.listed(connection, kind="filing", involved="amr-350100")
    assert case is not None
    assert {name: getattr(case, name) for name in Position.model_fields} == dict(position)
    assert (case.sequence, case.head) == (3, chain.steps[-1].hash)
    assert (case.opened_at, case.updated_at) == (chain.steps[1].at, chain.steps[2].at)
    assert [one.case_id for one in seen] == [chain.case_id]


async def test_several_requests_of_one_case_may_stand_in_one_batch(
    engine: AsyncEngine, register: Register
) -> None:
    (chain,) = await register.chains("inst")
    writer = JournalWriter(engine)
    requests = [chain.request(2), chain.request(), chain.request(3)]
    answers = await asyncio.gather(*(writer.record(request) for request in requests))
    assert answers == [TAKEN] * 3
    assert await on_record(engine, chain) == chain.steps
    assert await count(engine, "outbox", "DISTINCT transaction") == 1
    async with engine.connect() as connection:
        case = await cases.by_id(connection, chain.case_id)
    assert case is not None
    assert (case.sequence, case.head) == (6, chain.steps[-1].hash)


async def test_what_is_read_back_is_what_was_recorded_to_the_letter(
    engine: AsyncEngine, register: Register
) -> None:
    (chain,) = await register.chains("inst")
    body = {
        "文": "“引号” \"\\ \u2028 😀 é e\u0301 \t\n", "空": None,
        # the greatest and the least whole number that RFC 8785 has
        "数": [0, -1, 2**53 - 1, 1 - 2**53],
        "真": True, "内": {"b": 1, "a": {"z": [], "y": {}}}, "": "空名",
    }  # fmt: skip
    await JournalWriter(engine).record(chain.request(body=body))
    (step,) = await on_record(engine, chain)
    assert step == chain.steps[0]
    assert step.hash == hash_of(step)
    assert list(step.body["数"]) == body["数"]


# --- the same again ------------------------------------------------------------------------------


async def test_steps_recorded_before_are_answered_with_what_stands_and_not_written_twice(
    engine: AsyncEngine, register: Register
) -> None:
    (chain,) = await register.chains("inst")
    writer = JournalWriter(engine)
    first, second = chain.request(2), chain.request()
    await writer.record(first)
    again = await asyncio.gather(*(writer.record(first) for _ in range(5)))
    assert again == [RecordedSteps(steps=tuple(chain.steps[:2]))] * 5
    await writer.record(second)
    # also when the chain has gone on since
    assert await writer.record(first) == RecordedSteps(steps=tuple(chain.steps))
    assert await count(engine, "journal") == 3
    assert await count(engine, "outbox") == 3


async def test_of_two_workers_that_record_the_same_steps_at_once_one_writes_and_both_know(
    engine: AsyncEngine, database_url: str, register: Register
) -> None:
    chains = await register.chains(*(f"inst-{n}" for n in range(20)))
    requests = [chain.request(2) for chain in chains]
    other = connect(database_url)
    writers = [JournalWriter(engine), JournalWriter(other)]
    answers = await asyncio.gather(
        *(writer.record(request) for request in requests for writer in writers)
    )
    for chain, one, two in zip(chains, answers[::2], answers[1::2], strict=True):
        recorded = RecordedSteps(steps=tuple(chain.steps))
        assert sorted([one, two], key=lambda a: len(a.steps)) == [TAKEN, recorded]
    assert await count(engine, "journal") == await count(engine, "outbox") == 40
    await other.dispose()


# --- a place that is taken -----------------------------------------------------------------------


def other_than(step: Step, **changes: Any) -> Step:
    """Another step for the same place."""
    return chained(step.model_copy(update={"body": {"另": "一步"}, **changes}))


async def test_another_step_for_a_taken_place_is_not_written_and_told_what_stands_there(
    engine: AsyncEngine, register: Register
) -> None:
    chain, bystander = await register.chains("inst", "bystander")
    writer = JournalWriter(engine)
    await writer.record(chain.request(2))
    rival = RecordRequest(steps=(other_than(chain.steps[1]),))
    answers = await asyncio.gather(
        writer.record(bystander.request()), writer.record(rival), writer.record(bystander.request())
    )
    # the rival is told of the step that stands; nobody else is kept from recording
    assert list(answers) == [TAKEN, RecordedSteps(steps=(chain.steps[1],)), TAKEN]
    assert await on_record(engine, chain) == chain.steps
    assert await on_record(engine, bystander) == bystander.steps


async def test_a_request_with_one_place_taken_leaves_nothing_behind(
    engine: AsyncEngine, register: Register
) -> None:
    (chain,) = await register.chains("inst")
    writer = JournalWriter(engine)
    await writer.record(chain.request(2))
    async with engine.connect() as connection:
        before = await cases.by_id(connection, chain.case_id)
    taken = other_than(chain.steps[1])
    free = other_than(chain.steps[1], sequence=3, previous_hash=taken.hash)
    await writer.record(RecordRequest(steps=(taken, free)))
    assert await on_record(engine, chain) == chain.steps
    assert await count(engine, "outbox") == 2
    async with engine.connect() as connection:
        assert await cases.by_id(connection, chain.case_id) == before


async def test_a_chain_that_forks_from_what_stands_fails_its_own_caller_only(
    engine: AsyncEngine, register: Register
) -> None:
    chain, bystander = await register.chains("inst", "bystander")
    writer = JournalWriter(engine)
    await writer.record(chain.request(2))
    forked = RecordRequest(steps=(other_than(chain.steps[1], previous_hash="f" * 64),))
    answers = await asyncio.gather(
        writer.record(bystander.request()), writer.record(forked), return_exceptions=True
    )
    assert answers[0] == TAKEN
    assert isinstance(answers[1], JournalFork)
    assert str(answers[1]) == "filing/2024/inst #2"
    assert await on_record(engine, chain) == chain.steps


async def test_a_case_is_opened_once(engine: AsyncEngine, register: Register) -> None:
    (chain,) = await register.chains("inst")
    writer = JournalWriter(engine)
    first = chain.request()
    await writer.record(first)
    rival = RecordRequest(steps=(other_than(chain.steps[0]),), opening=chain.opening())
    assert await writer.record(rival) == RecordedSteps(steps=(chain.steps[0],))
    assert await count(engine, "cases") == 1


# --- what the database will not take -------------------------------------------------------------


async def test_a_bad_request_in_a_batch_fails_its_own_caller_and_nobody_else(
    engine: AsyncEngine, register: Register
) -> None:
    good = await register.chains(*(f"good-{n}" for n in range(20)))
    nobody = Chain("not-on-record", register.sha256)
    no_rules = (await register.chains("no-rules"))[0]
    no_rules.sha256 = "0" * 64
    (nul,) = await register.chains("nul")
    (too_large,) = await register.chains("too-large")
    bad = [
        nobody.request(),
        no_rules.request(),
        nul.request(body={"文": "secret\x00value"}),
        too_large.request(position=Position(status=Status.DRAFT, revision=2**31)),
    ]
    writer = JournalWriter(engine)
    requests = [*(chain.request(2) for chain in good[:10]), *bad]
    requests += [chain.request(2) for chain in good[10:]]
    answers = await asyncio.gather(
        *(writer.record(request) for request in requests), return_exceptions=True
    )
    assert [isinstance(answer, StepsRefused) for answer in answers] == [
        request in bad for request in requests
    ]
    for chain in good:
        assert await on_record(engine, chain) == chain.steps
    for chain in (nobody, no_rules, nul, too_large):
        assert await on_record(engine, chain) == []
    assert await count(engine, "cases") == 20
    # the reason is told, the value is not
    assert "secret" not in "".join(str(answer) for answer in answers)


async def test_a_writer_goes_on_after_its_connections_were_cut(
    engine: AsyncEngine, register: Register
) -> None:
    (chain,) = await register.chains("inst")
    writer = JournalWriter(engine)
    await writer.record(chain.request())
    cut = "pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
    async with engine.connect() as connection:
        with pytest.raises(DBAPIError):
            await connection.execute(text(f"SELECT {cut}"))
    request = chain.request()
    answers: list[Any] = []
    for _ in range(5):
        # a cut connection shows only when it is used
        answers += await asyncio.gather(writer.record(request), return_exceptions=True)
        if answers[-1] == TAKEN:
            break
    assert answers[-1] == TAKEN
    assert not [one for one in answers if isinstance(one, StepsRefused | JournalFork)]
    assert await on_record(engine, chain) == chain.steps


# --- gathering -----------------------------------------------------------------------------------


async def test_a_batch_takes_what_came_in_meanwhile_and_no_more_than_its_largest() -> None:
    sizes: list[int] = []

    async def work(asked: Sequence[int]) -> Sequence[int]:
        sizes.append(len(asked))
        await asyncio.sleep(0.01)
        return [number * 2 for number in asked]

    batcher: Batcher[int, int] = Batcher(work, largest=50)
    answers = await asyncio.gather(*(batcher.ask(number) for number in range(120)))
    assert answers == [number * 2 for number in range(120)]
    assert sizes == [50, 50, 20]
    assert await batcher.ask(7) == 14


async def test_a_caller_that_gives_up_takes_nobody_with_it() -> None:
    going = asyncio.Event()

    async def work(asked: Sequence[int]) -> Sequence[int]:
        await going.wait()
        return list(asked)

    batcher: Batcher[int, int] = Batcher(work)
    callers = [asyncio.create_task(batcher.ask(number)) for number in range(5)]
    await asyncio.sleep(0.01)
    callers[2].cancel()
    going.set()
    answers = await asyncio.gather(*callers, return_exceptions=True)
    assert answers[:2] + answers[3:] == [0, 1, 3, 4]
    assert isinstance(answers[2], asyncio.CancelledError)
    assert await batcher.ask(9) == 9


async def test_each_caller_of_a_failing_batch_is_told_its_own_failure() -> None:
    async def work(asked: Sequence[int]) -> Sequence[int]:
        for number in asked:
            if number % 3 == 0:
                raise ValueError(str(number))
        return list(asked)

    batcher: Batcher[int, int] = Batcher(work)
    answers = await asyncio.gather(
        *(batcher.ask(number) for number in range(9)), return_exceptions=True
    )
    told = [str(a) if isinstance(a, ValueError) else a for a in answers]
    assert told == ["0", 1, 2, "3", 4, 5, "6", 7, 8]


# --- nothing is ever changed ---------------------------------------------------------------------

ATTEMPTS = [
    "UPDATE journal SET event = 'approved'",
    "UPDATE journal SET hash = hash WHERE false",
    "DELETE FROM journal",
    "DELETE FROM journal WHERE case_id = 'nothing'",
    "TRUNCATE journal",
    "TRUNCATE cases, journal CASCADE",
    "INSERT INTO journal SELECT * FROM journal "
    "ON CONFLICT (case_id, sequence) DO UPDATE SET hash = 'x'",
    "UPDATE rule_sets SET document = '{}'",
    "DELETE FROM rule_sets",
    "TRUNCATE rule_sets CASCADE",
]


@pytest.mark.parametrize("statement", ATTEMPTS)
async def test_the_journal_and_the_published_rules_refuse_every_change(
    engine: AsyncEngine, register: Register, statement: str
) -> None:
    (chain,) = await register.chains("inst")
    await JournalWriter(engine).record(chain.request(2))
    async with engine.connect() as connection:
        with pytest.raises(DBAPIError, match=r"permission denied|must be owner"):
            await connection.execute(text(statement))
    # nor may whoever owns them, as long as they have not taken the guard away
    with pytest.raises(DBAPIError, match="只增不改"):
        async with owning(engine) as connection:
            await connection.execute(text(statement))
    assert await on_record(engine, chain) == chain.steps
    async with engine.connect() as connection:
        assert await rule_sets.by_sha256(connection, register.sha256) is not None


async def test_an_event_of_the_state_machine_is_all_that_a_chain_here_is_made_of(
    engine: AsyncEngine, register: Register
) -> None:
    (chain,) = await register.chains("inst")
    await JournalWriter(engine).record(chain.request(event=EventName.OPENED))
    async with engine.connect() as connection:
        known = await journal.by_command(connection, chain.case_id, "inst-1")
        assert known == chain.steps[0]
        assert await journal.by_command(connection, chain.case_id, "inst-2") is None
