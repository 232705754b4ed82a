"""Bulk jobs: which there are, which of their cases wait, and what came of each."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, literal, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.case.commands import Actor
from domain.jobs import ItemOutcome, JobOrder, JobState
from domain.model import Value
from domain.refusals import Code, Refusal
from store.areas import lies_in
from store.institutions import named
from store.tables import cases, institutions, job_items, job_lists, jobs


class Job(Value):
    """A job; ``done`` and ``refused`` of its ``total`` cases have their outcome."""

    id: str
    about: str
    order: JobOrder
    asked_sha256: str
    scope: str
    total: int
    done: int
    refused: int
    state: JobState
    created_at: datetime
    ended_at: datetime | None


class NewJob(Value):
    """A job that is to be put on record; ``about`` is its campaign's id, "" for none."""

    id: str
    about: str
    order: JobOrder
    asked_sha256: str


class JobItem(Value):
    """One case of a job and what came of it; ``sequence`` is the step that it led to."""

    number: int
    case_id: str
    institution_id: str = ""
    institution_name: str = ""
    outcome: ItemOutcome
    refusal: Refusal | None
    sequence: int | None
    at: datetime | None


class Selection(Value):
    """Which cases a job is about: those of ``ids``, or else all that the filters leave.

    ``campaign`` is a campaign's id, ``year`` and ``quarter`` a period of whichever campaigns;
    ``statuses`` empty: any. ``region`` is a jurisdiction, ``authority`` whose turn it is,
    ``claimed_by`` who has claimed it, ``name`` part of an institution's name, ``extension`` the id
    of the extension in force. ``regions``: they lie in any of these.
    """

    kind: str
    campaign: str = ""
    year: int = 0
    quarter: int = 0
    statuses: tuple[str, ...] = ()
    region: str = ""
    authority: str = ""
    claimed_by: str = ""
    extension: str = ""
    name: str = ""
    regions: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()


_COUNTS = (
    select(
        job_items.c.job_id,
        func.count().filter(job_items.c.outcome == ItemOutcome.DONE.value).label("done"),
        func.count().filter(job_items.c.outcome == ItemOutcome.REFUSED.value).label("refused"),
    )
    .group_by(job_items.c.job_id)
    .subquery()
)


def _jobs() -> Select[Any]:
    return select(
        *(column for column in jobs.c if column.name != "work"),
        jobs.c.work.label("order"),
        func.coalesce(_COUNTS.c.done, 0).label("done"),
        func.coalesce(_COUNTS.c.refused, 0).label("refused"),
    ).join(_COUNTS, _COUNTS.c.job_id == jobs.c.id, isouter=True)


async def by_id(connection: AsyncConnection, id_: str) -> Job | None:
    """One job, None if there is none with this id."""
    row = (await connection.execute(_jobs().where(jobs.c.id == id_))).mappings().first()
    return Job(**row) if row else None


async def newest_first(
    connection: AsyncConnection,
    scopes: Sequence[str] | None,
    after: tuple[datetime, str] | None,
    size: int,
) -> list[Job]:
    """Up to ``size`` jobs, the newest first; ``scopes`` keeps those of some scopes."""
    query = _jobs().order_by(jobs.c.created_at.desc(), jobs.c.id.desc()).limit(size)
    if scopes is not None:
        query = query.where(jobs.c.scope == func.any(list(scopes)))
    if after is not None:
        at, id_ = after
        older = (jobs.c.created_at < at) | ((jobs.c.created_at == at) & (jobs.c.id < id_))
        query = query.where(older)
    return [Job(**row) for row in (await connection.execute(query)).mappings()]


async def running(connection: AsyncConnection) -> list[str]:
    """The ids of the jobs that are to go on."""
    rows = await connection.execute(select(jobs.c.id).where(jobs.c.state == JobState.RUNNING.value))
    return list(rows.scalars())


async def count(connection: AsyncConnection, selection: Selection, within: str) -> int:
    """How many cases a selection holds now; ``within`` as for `add`."""
    chosen = _chosen(selection, within).subquery()
    found = await connection.execute(select(func.count()).select_from(chosen))
    return int(found.scalar_one())


async def add(
    connection: AsyncConnection, job: NewJob, selection: Selection, within: str, at: datetime
) -> int | None:
    """Puts a job on record with the cases it is about now; how many, None if it is there already.

    ``within`` keeps cases within somebody's jurisdiction.
    """
    added = await connection.execute(
        insert(jobs)
        .values(
            id=job.id,
            about=job.about,
            work=job.order.model_dump(mode="json"),
            asked_sha256=job.asked_sha256,
            scope=job.order.actor.scope,
            total=0,
            state=JobState.RUNNING.value,
            created_at=at,
        )
        .on_conflict_do_nothing()
        .returning(jobs.c.id)
    )
    if added.first() is None:
        return None
    if selection.ids:
        total = await _add_named(connection, job.id, selection, within, at)
    else:
        total = await _add_chosen(connection, job.id, selection, within)
    await connection.execute(update(jobs).where(jobs.c.id == job.id).values(total=total))
    return total


async def _add_chosen(
    connection: AsyncConnection, id_: str, selection: Selection, within: str
) -> int:
    chosen = _chosen(selection, within).subquery()
    number = func.row_number().over(order_by=chosen.c.case_id)
    added = await connection.execute(
        insert(job_items)
        .from_select(
            ["job_id", "number", "case_id"], select(literal(id_), number, chosen.c.case_id)
        )
        .returning(job_items.c.number)
    )
    return len(added.all())


async def _add_named(
    connection: AsyncConnection, id_: str, selection: Selection, within: str, at: datetime
) -> int:
    """All ids that were named, in their order; those that may not be acted on are told of."""
    rows = await connection.execute(_chosen(selection, within))
    known = set(rows.scalars())
    named = list(dict.fromkeys(selection.ids))
    unknown = Refusal(code=Code.NOT_FOUND, params={"what": "办件"}).model_dump(mode="json")
    items = [
        {"job_id": id_, "number": number, "case_id": case_id}
        | (
            {"outcome": ItemOutcome.WAITING.value, "refusal": None, "at": None}
            if case_id in known
            else {"outcome": ItemOutcome.REFUSED.value, "refusal": unknown, "at": at}
        )
        for number, case_id in enumerate(named, 1)
    ]
    await connection.execute(insert(job_items), items)
    return len(items)


def _chosen(selection: Selection, within: str) -> Select[Any]:
    query = (
        select(cases.c.case_id)
        .join(institutions, institutions.c.id == cases.c.institution_id)
        .where(cases.c.kind == selection.kind)
    )
    for place in (within, selection.region):
        query = query.where(lies_in(institutions.c.region, place))
    if selection.ids:
        return query.where(cases.c.case_id == func.any(list(selection.ids)))
    if selection.year:
        query = query.where(cases.c.year == selection.year, cases.c.quarter == selection.quarter)
    for column, value in (
        (cases.c.campaign, selection.campaign),
        (cases.c.authority, selection.authority),
        (cases.c.claimed_by, selection.claimed_by),
        (cases.c.extension, selection.extension),
    ):
        if value:
            query = query.where(column == value)
    if selection.regions:
        places = [lies_in(institutions.c.region, place) for place in selection.regions]
        query = query.where(or_(*places))
    if selection.statuses:
        query = query.where(cases.c.status == func.any(list(selection.statuses)))
    if selection.name:
        query = query.where(named(selection.name))
    return query


async def remove(connection: AsyncConnection, id_: str) -> None:
    """Takes back a job of which nothing has come."""
    await connection.execute(job_items.delete().where(job_items.c.job_id == id_))
    await connection.execute(jobs.delete().where(jobs.c.id == id_))


async def add_list(
    connection: AsyncConnection, id_: str, filename: str, ids: list[str], actor: Actor, at: datetime
) -> None:
    """Keeps the ids of a file; the same file of the same person again is the same list."""
    await connection.execute(
        insert(job_lists)
        .values(
            id=id_,
            filename=filename,
            ids=ids,
            added_by=actor.model_dump(mode="json"),
            added_at=at,
        )
        .on_conflict_do_nothing()
    )


async def listed_ids(connection: AsyncConnection, id_: str, actor: Actor) -> list[str] | None:
    """The ids of a list that somebody added, None if there is no such list of theirs."""
    rows = await connection.execute(
        select(job_lists.c.ids).where(
            job_lists.c.id == id_, job_lists.c.added_by == actor.model_dump(mode="json")
        )
    )
    ids = rows.scalar()
    return None if ids is None else list(ids)


async def state_of(connection: AsyncConnection, id_: str) -> JobState | None:
    """Where a job stands."""
    state = (await connection.execute(select(jobs.c.state).where(jobs.c.id == id_))).scalar()
    return None if state is None else JobState(state)


async def set_state(
    connection: AsyncConnection, id_: str, state: JobState, at: datetime | None = None
) -> None:
    """Says where a job stands, and when it ended."""
    await connection.execute(
        update(jobs).where(jobs.c.id == id_).values(state=state.value, ended_at=at)
    )


async def waiting(connection: AsyncConnection, id_: str, size: int) -> list[tuple[int, str]]:
    """Up to ``size`` cases of a job without an outcome, by number."""
    rows = await connection.execute(
        select(job_items.c.number, job_items.c.case_id)
        .where(job_items.c.job_id == id_, job_items.c.outcome == ItemOutcome.WAITING.value)
        .order_by(job_items.c.number)
        .limit(size)
    )
    return [(row.number, row.case_id) for row in rows]


async def settle(
    connection: AsyncConnection,
    id_: str,
    number: int,
    at: datetime,
    *,
    sequence: int | None = None,
    refusal: Refusal | None = None,
) -> None:
    """Keeps what came of one case; the first outcome stays."""
    outcome = ItemOutcome.DONE if refusal is None else ItemOutcome.REFUSED
    await connection.execute(
        update(job_items)
        .where(
            job_items.c.job_id == id_,
            job_items.c.number == number,
            job_items.c.outcome == ItemOutcome.WAITING.value,
        )
        .values(
            outcome=outcome.value,
            sequence=sequence,
            refusal=None if refusal is None else refusal.model_dump(mode="json"),
            at=at,
        )
    )


async def items(
    connection: AsyncConnection, id_: str, outcome: ItemOutcome | None, after: int, size: int
) -> list[JobItem]:
    """Up to ``size`` cases of a job with numbers after ``after``, those of one outcome if asked."""
    query = (
        select(
            job_items.c.number,
            job_items.c.case_id,
            job_items.c.outcome,
            job_items.c.refusal,
            job_items.c.sequence,
            job_items.c.at,
            func.coalesce(institutions.c.id, "").label("institution_id"),
            func.coalesce(institutions.c.name, "").label("institution_name"),
        )
        .join(cases, cases.c.case_id == job_items.c.case_id, isouter=True)
        .join(institutions, institutions.c.id == cases.c.institution_id, isouter=True)
        .where(job_items.c.job_id == id_, job_items.c.number > after)
        .order_by(job_items.c.number)
        .limit(size)
    )
    if outcome is not None:
        query = query.where(job_items.c.outcome == outcome.value)
    return [JobItem(**row) for row in (await connection.execute(query)).mappings()]
