"""The cases' read model: single cases, inboxes, lists and counts."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple

from sqlalchemy import (
    ColumnElement,
    RowMapping,
    Select,
    false,
    func,
    or_,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.case.events import EventName
from domain.case.plan import CasePlan
from domain.case.status import EDITABLE, Status
from domain.enforcement.kind import ENFORCEMENT
from domain.facts import FilingEnd, filing_end
from domain.filing.kind import FILING
from domain.kinds import KindName
from domain.model import Value
from store import readable
from store.areas import lies_in
from store.institutions import named
from store.tables import assignments, campaigns, cases, certificates, institutions, journal

CaseOrder = Literal["id", "due", "age"]
"""How a list of cases is sorted."""


def place_of(row: Mapping[str, Any], sort: CaseOrder) -> tuple[datetime | None, str]:
    """Where a case stands in a list that is sorted so."""
    instant = {"due": "due", "age": "waiting_since"}.get(sort)
    return (row[instant] if instant else None), row["case_id"]


class Case(Value):
    """A case as lists show it. ``due`` is when the present status runs out.

    ``extended_until`` is what its latest extension or reopening says, None without any;
    ``extension`` is the id of that extension. Where it stands, it has stood ``waiting_since``.
    ``unchanged``: what was submitted last is what had been sent back. ``return_asked``: its filer
    has asked to have it returned and has not been answered; ``signer_asked``, ``waiver_asked``: it
    has asked to do without a confirmation, or to have a check waived.

    ``quarter`` is 0 but for batches of report numbers. A complaint about nobody on record has an
    empty institution and region.
    """

    case_id: str
    kind: KindName
    year: int
    quarter: int
    institution_id: str
    institution_name: str
    region: str
    jurisdiction: str
    campaign: str
    rule_set: str
    plan: CasePlan
    status: Status
    level: int
    authority: str
    claimed_by: str
    revision: int
    due: datetime | None
    extended_until: datetime | None
    extension: str
    waiting_since: datetime
    unchanged: bool
    return_asked: bool
    signer_asked: bool
    waiver_asked: bool
    sequence: int
    head: str
    opened_at: datetime
    updated_at: datetime


_SUBMITTED_UNCHANGED = (
    select(journal.c.step["body"].has_key("unchanged"))
    .where(journal.c.case_id == cases.c.case_id, journal.c.event == EventName.SUBMITTED.value)
    .order_by(journal.c.sequence.desc())
    .limit(1)
    .scalar_subquery()
)

_COLUMNS = (
    func.coalesce(_SUBMITTED_UNCHANGED, false()).label("unchanged"),
    *(
        column
        for column in cases.c
        if column.name
        not in ("institution_id", "launched", "obligation", "submitted_at", "late", "reviewer")
    ),
    func.coalesce(cases.c.institution_id, "").label("institution_id"),
    func.coalesce(institutions.c.name, "").label("institution_name"),
    func.coalesce(institutions.c.region, "").label("region"),
)


def _cases() -> Select[Any]:
    return select(*_COLUMNS).join(
        institutions, institutions.c.id == cases.c.institution_id, isouter=True
    )


def _made(row: RowMapping) -> Case:
    return Case(**row)


async def by_id(connection: AsyncConnection, case_id: str) -> Case | None:
    """One case, None if there is none with this id."""
    row = (await connection.execute(_cases().where(cases.c.case_id == case_id))).mappings().first()
    return Case(**row) if row else None


async def inbox(
    connection: AsyncConnection,
    authority: str,
    status: Status,
    *,
    level: int | None,
    claimed_by: Sequence[str] | None = None,
    kind: str | None = None,
    region: str = "",
    name: str = "",
    due_by: datetime | None = None,
    by_age: bool = False,
    after: tuple[datetime | None, str] | None = None,
    size: int = 50,
) -> list[Case]:
    """The cases an authority has to act on, the most pressing first (no due date: last).

    ``level`` names the turn of those who enforce (1 proposes and serves, 2 decides); None leaves
    their cases out.
    ``claimed_by``: None for all, ``[""]`` for those nobody has claimed, else some people's.
    ``region`` and ``name`` as for `listed`; ``due_by`` keeps what is due until then.
    ``by_age``: those first that have waited longest. ``after`` is the instant and the id of the
    last case of the page before.
    """
    far = cases.c.waiting_since if by_age else func.coalesce(cases.c.due, _NEVER)
    instant = "waiting_since" if by_age else "due"
    query = _cases().where(*_to_act_on(authority, status, level))
    if claimed_by is not None:
        query = query.where(cases.c.claimed_by.in_(claimed_by))
    if kind is not None:
        query = query.where(cases.c.kind == kind)
    if region:
        query = query.where(lies_in(institutions.c.region, region))
    if name:
        query = query.where(named(name))
    if due_by is not None:
        query = query.where(cases.c.due <= due_by)

    def following(last: tuple[datetime | None, str] | None) -> Select[Any]:
        ordered = query.order_by(far, cases.c.case_id)
        if last is None:
            return ordered
        return ordered.where(tuple_(far, cases.c.case_id) > tuple_(last[0] or _NEVER, last[1]))

    return await readable.page(
        connection, following, _made, lambda row: (row[instant], row["case_id"]), after, size
    )


def _to_act_on(authority: str, status: Status, level: int | None) -> list[ColumnElement[bool]]:
    """What tells the cases of an inbox, as `inbox` has it."""
    enforcing = cases.c.kind == ENFORCEMENT.name
    turn = [~enforcing] if level is None else [enforcing, cases.c.level == level]
    return [cases.c.authority == authority, cases.c.status == status.value, *turn]


class InboxCount(NamedTuple):
    """How many cases of one kind an authority has to act on; ``overdue`` ones were due earlier."""

    kind: str
    total: int
    unclaimed: int
    mine: int
    overdue: int


async def inbox_counts(
    connection: AsyncConnection,
    authority: str,
    status: Status,
    *,
    level: int | None,
    mine: Sequence[str],
    now: datetime,
) -> list[InboxCount]:
    """An inbox in numbers, by kind; ``mine`` are those whose claims its reader sees to."""
    count = func.count()
    found = await connection.execute(
        select(
            cases.c.kind,
            count,
            count.filter(cases.c.claimed_by == ""),
            count.filter(cases.c.claimed_by.in_(mine)),
            count.filter(cases.c.due <= now),
        )
        .where(*_to_act_on(authority, status, level))
        .group_by(cases.c.kind)
        .order_by(cases.c.kind)
    )
    return [InboxCount(*row) for row in found]


async def waivers_asked(connection: AsyncConnection, authority: str) -> int:
    """How many filings that are or were an authority's wait for an answer to ask for a waiver."""
    assigned = select(assignments.c.case_id).where(assignments.c.authority == authority)
    found = await connection.execute(
        select(func.count()).where(
            # said as it stands: the index of the few that ask for one is found
            cases.c.waiver_asked,
            cases.c.status.in_([one.value for one in EDITABLE]),
            or_(cases.c.authority == authority, cases.c.case_id.in_(assigned)),
        )
    )
    return int(found.scalar_one())


_NEVER = datetime.fromisoformat("9999-01-01T00:00:00+00:00")


async def listed(
    connection: AsyncConnection,
    *,
    kind: str,
    year: int | None = None,
    quarter: int | None = None,
    institution: str | None = None,
    authority: str | None = None,
    jurisdiction: str | None = None,
    within: str = "",
    campaign: str | None = None,
    status: Status | None = None,
    involved: str | None = None,
    revision: int | None = None,
    region: str = "",
    name: str = "",
    number: str | None = None,
    signer_asked: bool | None = None,
    waiver_asked: bool | None = None,
    sort: CaseOrder = "id",
    after: tuple[datetime | None, str] | None = None,
    size: int = 50,
) -> list[Case]:
    """Cases in the order of their ids, each filter narrowing the list.

    ``sort``: by ``due`` date, those without one last, or by ``age``, those first that have stood
    longest where they stand. ``after`` is that instant and the id of the last case before.

    ``involved`` keeps those that an authority has now, or has ever been assigned. ``region`` is
    a jurisdiction their institutions lie in, like ``within``, within which it narrows;
    ``name`` is part of their institutions' names, ``number`` that of the certificate issued.
    """
    query = _cases().where(cases.c.kind == kind)
    for column, value in (
        (cases.c.quarter, quarter),
        (cases.c.revision, revision),
        (cases.c.year, year),
        (cases.c.institution_id, institution),
        (cases.c.authority, authority),
        (cases.c.jurisdiction, jurisdiction),
        (cases.c.campaign, campaign),
        (cases.c.signer_asked, signer_asked),
        (cases.c.waiver_asked, waiver_asked),
        (cases.c.status, status.value if status else None),
    ):
        if value is not None:
            # said as it stands: the index of the few that ask for a waiver is found
            query = query.where(column if value is True else column == value)
    if signer_asked or waiver_asked:
        # what was submitted nevertheless waits for no answer
        query = query.where(cases.c.status.in_([one.value for one in EDITABLE]))
    for place in (within, region):
        query = query.where(lies_in(institutions.c.region, place))
    if name:
        query = query.where(named(name))
    if number is not None:
        issued = select(certificates.c.case_id).where(certificates.c.number == number)
        query = query.where(cases.c.case_id.in_(issued))
    if involved is not None:
        assigned = select(assignments.c.case_id).where(assignments.c.authority == involved)
        query = query.where(or_(cases.c.authority == involved, cases.c.case_id.in_(assigned)))
    at = {"due": func.coalesce(cases.c.due, _NEVER), "age": cases.c.waiting_since}.get(sort)

    def following(last: tuple[datetime | None, str] | None) -> Select[Any]:
        if at is None:
            ordered = query.order_by(cases.c.case_id)
            return ordered if last is None else ordered.where(cases.c.case_id > last[1])
        ordered = query.order_by(at, cases.c.case_id)
        if last is None:
            return ordered
        return ordered.where(tuple_(at, cases.c.case_id) > tuple_(last[0] or _NEVER, last[1]))

    return await readable.page(
        connection, following, _made, lambda row: place_of(dict(row), sort), after, size
    )


async def held_still(connection: AsyncConnection, case_id: str) -> tuple[Status, datetime | None]:
    """A case's status and when it runs out, which no step changes until the transaction ends.

    Others may hold it still at the same time.
    """
    found = await connection.execute(
        select(cases.c.status, cases.c.due)
        .where(cases.c.case_id == case_id)
        .with_for_update(read=True)
    )
    status, due = found.one()
    return Status(status), due


async def statuses(connection: AsyncConnection, ids: Sequence[str]) -> dict[str, Status]:
    """Those of these cases that exist, each with its status."""
    found = await connection.execute(
        select(cases.c.case_id, cases.c.status).where(cases.c.case_id == func.any(list(ids)))
    )
    return {row.case_id: Status(row.status) for row in found}


async def filings_by_year(connection: AsyncConnection, institution: str) -> dict[int, FilingEnd]:
    """How each year's filing that an institution has stands.

    For a year in which it has none, those of the accounts merged into it count: all of them have to
    be completed.
    """
    obligation = cases.c.plan["obligation"]["outcome"].astext.label("obligation")
    own = cases.c.institution_id == institution
    merged = select(institutions.c.id).where(institutions.c.merged_into == institution)
    filings = await connection.execute(
        select(cases.c.year, cases.c.status, obligation, own.label("own"))
        .where(own | cases.c.institution_id.in_(merged), cases.c.kind == FILING.name)
        .order_by(cases.c.year, cases.c.institution_id)
    )
    ends: dict[int, FilingEnd] = {}
    before: dict[int, list[FilingEnd]] = {}
    for row in filings:
        end = filing_end(Status(row.status), row.obligation)
        if row.own:
            ends[row.year] = end
        else:
            before.setdefault(row.year, []).append(end)
    for year, several in before.items():
        unfinished = (end for end in several if end is not FilingEnd.COMPLETED)
        ends.setdefault(year, next(unfinished, FilingEnd.COMPLETED))
    return ends


async def belongs_to(connection: AsyncConnection, case_id: str, institution: str) -> None:
    """Says whose a case is that began before its institution was on record."""
    await connection.execute(
        update(cases)
        .where(cases.c.case_id == case_id, cases.c.institution_id.is_(None))
        .values(institution_id=institution)
    )


async def counts(connection: AsyncConnection, campaign: str) -> dict[Status, int]:
    """How many cases of a campaign are in each status."""
    found = await connection.execute(
        select(cases.c.status, func.count())
        .where(cases.c.campaign == campaign)
        .group_by(cases.c.status)
    )
    return {Status(status): number for status, number in found}


async def reported(connection: AsyncConnection, campaign: str) -> int:
    """How many batches of a quarter have numbers on record, or a declaration of none."""
    found = await connection.execute(
        select(func.count())
        .select_from(cases)
        .where(
            cases.c.campaign == campaign,
            or_(cases.c.revision > 0, cases.c.status == Status.COMPLETED.value),
        )
    )
    return int(found.scalar_one())


async def to_launch(connection: AsyncConnection, campaign: str, size: int) -> list[Case]:
    """Up to ``size`` cases of a campaign that are on record and have no process yet."""
    rows = await connection.execute(
        _cases()
        .where(cases.c.campaign == campaign, cases.c.launched.is_(False))
        .order_by(cases.c.case_id)
        .limit(size)
    )
    return [Case(**row) for row in rows.mappings()]


async def mark_launched(connection: AsyncConnection, ids: Sequence[str]) -> None:
    """Says that these cases have their processes."""
    await connection.execute(
        update(cases).where(cases.c.case_id == func.any(list(ids))).values(launched=True)
    )


async def count_launched(connection: AsyncConnection, campaign: str) -> int:
    """How many cases of a campaign have had their process started."""
    rows = await connection.execute(
        select(func.count()).where(cases.c.campaign == campaign, cases.c.launched)
    )
    return int(rows.scalar_one())


async def campaigns_of(connection: AsyncConnection, ids: Sequence[str]) -> dict[str, str]:
    """Which of these cases exist, each with the campaign it belongs to."""
    found = await connection.execute(
        select(cases.c.case_id, cases.c.campaign).where(cases.c.case_id == func.any(list(ids)))
    )
    return {row.case_id: row.campaign for row in found}


class Annulled(Value):
    """A filing that was annulled with its campaign: where its record ends, and what it ran on."""

    case_id: str
    year: int
    institution_id: str
    jurisdiction: str
    campaign: str
    plan: CasePlan
    region: str
    sequence: int
    head: str


async def annulled_before(
    connection: AsyncConnection, ids: Sequence[str], campaign: str
) -> dict[str, Annulled]:
    """Those of these filings that begin anew in a campaign, none of which moves meanwhile.

    They were annulled in an earlier opening of it, or with another campaign. One that was annulled
    alone, in a campaign that stands, is none.
    """
    found = await connection.execute(
        text("""
            SELECT c.case_id, c.year, c.institution_id, c.jurisdiction, c.campaign, c.plan,
                   c.sequence, c.head, coalesce((
                       SELECT j.step -> 'body' ->> 'region' FROM journal j
                       WHERE j.case_id = c.case_id AND j.event = 'scheduled'
                       ORDER BY j.sequence DESC LIMIT 1
                   ), '') AS region
            FROM cases c JOIN campaigns k ON k.case_id = c.campaign
            WHERE c.case_id = ANY(:ids) AND c.kind = 'filing' AND c.status = 'annulled'
              AND CASE WHEN k.case_id = :campaign THEN c.opened_at < k.opened_at
                  ELSE k.annulled_at IS NOT NULL END
            FOR UPDATE OF c
        """),
        {"ids": list(ids), "campaign": campaign},
    )
    return {row["case_id"]: Annulled(**row) for row in found.mappings()}


async def unfinished_annulment(connection: AsyncConnection, campaign: str) -> int:
    """How many filings of an annulled campaign are not annulled yet, or wait in some job."""
    found = await connection.execute(
        text("""
            SELECT count(*) FROM cases c
            WHERE c.campaign = :campaign AND (c.status <> 'annulled' OR EXISTS (
                SELECT FROM job_items i WHERE i.case_id = c.case_id AND i.outcome = ''
            ))
        """),
        {"campaign": campaign},
    )
    return int(found.scalar_one())


async def standing_campaigns_of(connection: AsyncConnection, ids: Sequence[str]) -> dict[str, str]:
    """As `campaigns_of`, without those of campaigns that were annulled: they would begin anew."""
    query = select(cases.c.case_id, cases.c.campaign).where(cases.c.case_id == func.any(list(ids)))
    standing = query.join(campaigns, campaigns.c.case_id == cases.c.campaign).where(
        campaigns.c.annulled_at.is_(None)
    )
    return {row.case_id: row.campaign for row in await connection.execute(standing)}
