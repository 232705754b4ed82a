"""The figures of a campaign, now or at any moment before: out of the read model, or the journal.

Both give the same for the present moment; the read model is what is quick.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.case.status import Status
from domain.model import Value
from store.areas import regions
from store.institutions import named
from store.tables import institutions

_NOW = """
    SELECT c.case_id, c.institution_id, c.rule_set, c.status, c.obligation, c.reviewer,
           c.authority, c.submitted_at, c.late, c.extended_until IS NOT NULL AS extended,
           c.updated_at AS last_act_at, c.revision, c.opened_at AS began_at
    FROM cases c
    WHERE c.campaign = ANY(:campaigns)
"""

_THEN = """
    SELECT c.case_id, c.institution_id,
           coalesce(p.began #>> '{body,ruleset,sha256}', c.rule_set) AS rule_set, p.status,
           coalesce(p.began #>> '{body,obligation}', c.obligation) AS obligation,
           coalesce(p.reviewer, '') AS reviewer, p.authority, p.submitted_at,
           coalesce(p.late, false) AS late, p.extended, p.last_act_at, p.revision,
           coalesce((p.began ->> 'at')::timestamptz, c.opened_at) AS began_at
    FROM cases c
    CROSS JOIN LATERAL (
        -- a filing whose year was annulled and opened again has begun anew
        SELECT coalesce(max(j.sequence), 1) AS first FROM journal j
        WHERE j.case_id = c.case_id AND j.event = 'scheduled' AND j.at <= :at
    ) life
    JOIN LATERAL (
        SELECT (array_agg(j.step) FILTER (WHERE j.sequence = life.first))[1] AS began,
               (array_agg(j.step -> 'position' ->> 'status' ORDER BY j.sequence DESC))[1] AS status,
               (array_agg(j.step -> 'position' ->> 'authority' ORDER BY j.sequence DESC))[1]
                   AS authority,
               (array_agg((j.step -> 'position' ->> 'revision')::int ORDER BY j.sequence DESC))[1]
                   AS revision,
               (array_agg(j.step -> 'body' -> 'levels' -> 0 ->> 'authority'
                          ORDER BY j.sequence DESC) FILTER (WHERE j.event = 'assigned'))[1]
                   AS reviewer,
               min(j.at) FILTER (WHERE j.event = 'submitted') AS submitted_at,
               bool_or((j.step -> 'body' ->> 'late')::boolean) FILTER (WHERE j.event = 'submitted')
                   AS late,
               coalesce(bool_or(j.event IN ('extended', 'reopened')), false) AS extended,
               max(j.at) AS last_act_at
        FROM journal j
        WHERE j.case_id = c.case_id AND j.at <= :at AND j.sequence >= life.first
    ) p ON p.status IS NOT NULL
       AND coalesce(p.began #>> '{body,campaign}', c.campaign) = c.campaign
    WHERE c.campaign = ANY(:campaigns)
"""

_FIGURES = """
    SELECT {key} AS key,
           count(*) FILTER (WHERE owed) AS must,
           count(*) FILTER (WHERE NOT owed) AS voluntary,
           count(submitted_at) AS submitted,
           count(*) FILTER (WHERE submitted_at < closing.at) AS on_time,
           count(*) FILTER (WHERE submitted_at >= closing.at AND NOT late) AS in_grace,
           count(*) FILTER (WHERE late) AS late,
           count(*) FILTER (WHERE status = 'returned') AS returned,
           count(*) FILTER (WHERE status IN ('approved', 'quality_check', 'completed'))
               AS approved,
           count(*) FILTER (WHERE status = 'completed' AND closing.checked) AS checked,
           count(*) FILTER (WHERE status = 'completed') AS completed,
           count(*) FILTER (WHERE status = 'lapsed') AS lapsed,
           count(*) FILTER (WHERE extended) AS extended,
           count(*) FILTER (WHERE owed AND submitted_at IS NULL) AS not_filed
    FROM ({filings}) f
    JOIN institutions i ON i.id = f.institution_id
    JOIN unnest(CAST(:rule_sets AS text[]), CAST(:closings AS timestamptz[]),
                CAST(:checked AS boolean[])) AS closing (rule_set, at, checked)
        ON closing.rule_set = f.rule_set
    CROSS JOIN LATERAL (SELECT f.obligation = 'must' AS owed) o
    {field}
    WHERE coalesce(i.region = ANY(CAST(:regions AS text[])), true)
      AND f.status <> ALL(:none)
    GROUP BY 1 ORDER BY 1
"""

_FIELD = """
    LEFT JOIN LATERAL (
        SELECT c.field FROM certificates c
        WHERE c.institution_id = i.id AND c.field <> ''
        ORDER BY c.scope DESC, c.number LIMIT 1
    ) widest ON true
"""

KEYS: Mapping[str, str] = {
    "region": "i.region",
    "authority": "f.reviewer",
    "field": "coalesce(widest.field, '')",
}
"""What figures can be counted by."""

_COUNTED_NOT = (Status.CANCELLED, Status.ANNULLED, Status.AFTER_WINDOW)
"""Filings that are none: they count nowhere."""


class Figures(Value):
    """How many filings of one key stand where.

    ``must`` are owed, ``voluntary`` not; ``submitted`` have been at least once: ``on_time`` before
    the notice's own date, ``in_grace`` after it within an extension, ``late`` as 补报. ``returned``
    are with their filers again, ``approved`` by the last reviewer, ``checked`` by the checker where
    there is one. ``not_filed`` are owed and have never been submitted.
    """

    must: int = 0
    voluntary: int = 0
    submitted: int = 0
    on_time: int = 0
    in_grace: int = 0
    late: int = 0
    returned: int = 0
    approved: int = 0
    checked: int = 0
    completed: int = 0
    lapsed: int = 0
    extended: int = 0
    not_filed: int = 0


class Terms(Value):
    """What a rule set says that figures depend on: the notice's own closing, and a checker."""

    closes: datetime
    checked: bool


async def figures(
    connection: AsyncConnection,
    campaigns: Sequence[str],
    terms: Mapping[str, Terms],
    by: str,
    within: str,
    at: datetime | None = None,
) -> dict[str, Figures]:
    """The figures of some campaigns by key; ``at`` None: now.

    ``terms`` are those of the rule sets, by sha256; cases under others are not counted.
    """
    statement = _FIGURES.format(
        key=KEYS[by], filings=_NOW if at is None else _THEN, field=_FIELD if by == "field" else ""
    )
    asked: dict[str, Any] = {
        "campaigns": list(campaigns),
        "rule_sets": list(terms),
        "closings": [one.closes for one in terms.values()],
        "checked": [one.checked for one in terms.values()],
        "regions": regions(within),
        "none": [status.value for status in _COUNTED_NOT],
    }
    if at is not None:
        asked["at"] = at
    rows = await connection.execute(text(statement), asked)
    return {row.pop("key"): Figures(**row) for row in map(dict, rows.mappings())}


class NonFiler(Value):
    """A filing that is still with its filer, and what has last happened to it.

    ``reviewer`` is who reviewed it last, or the institution the year before; ``draft_saved_at``
    when a revision was last saved. ``reminders_served`` are the instants of the 催报 served on it.
    """

    case_id: str
    institution: str
    name: str
    region: str
    reviewer: str
    status: Status
    obligation: str
    submitted_at: datetime | None
    extended_until: datetime | None
    due: datetime | None
    last_act_at: datetime
    draft_saved_at: datetime | None
    reminders_served: tuple[datetime, ...]


_NON_FILERS = """
    SELECT f.case_id, i.id AS institution, i.name, i.region, a.authority AS reviewer, f.status,
           f.obligation, f.submitted_at, x.until AS extended_until, k.due, f.last_act_at,
           r.saved_at AS draft_saved_at, coalesce(s.served, '{{}}') AS reminders_served
    FROM ({filings}) f
    JOIN institutions i ON i.id = f.institution_id
    JOIN cases k ON k.case_id = f.case_id
    LEFT JOIN LATERAL (
        SELECT (j.step -> 'body' ->> 'until')::timestamptz AS until FROM journal j
        WHERE j.case_id = f.case_id AND j.event IN ('extended', 'reopened') AND j.at <= :upto
        ORDER BY j.sequence DESC LIMIT 1
    ) x ON f.extended
    LEFT JOIN LATERAL (
        SELECT max(v.saved_at) AS saved_at FROM revisions v
        WHERE v.case_id = f.case_id AND v.saved_at <= :upto
    ) r ON true
    CROSS JOIN LATERAL (
        SELECT coalesce(nullif(f.reviewer, ''), i.previous_reviewer, '') AS authority
    ) a
    LEFT JOIN LATERAL (
        SELECT array_agg(j.at ORDER BY j.sequence) AS served FROM journal j
        WHERE j.case_id = f.case_id AND j.event = 'reminder_served' AND j.at <= :upto
          AND j.at >= f.began_at
    ) s ON true
    WHERE coalesce(i.region = ANY(CAST(:regions AS text[])), true)
      AND f.status = ANY(:statuses) AND f.case_id > :after
      AND (f.revision = 0 OR NOT :unreported)
      AND (:authority = '' OR a.authority = :authority){named}
    ORDER BY f.case_id LIMIT :size
"""


async def non_filers(
    connection: AsyncConnection,
    campaigns: Sequence[str],
    statuses: Sequence[Status],
    within: str,
    upto: datetime,
    after: str,
    size: int,
    *,
    then: bool,
    unreported: bool,
    authority: str = "",
    name: str = "",
) -> list[NonFiler]:
    """Up to ``size`` filings in some statuses at ``upto``, in the order of their ids.

    ``then``: at a moment that has passed, out of the journal. ``unreported`` leaves out whoever
    has something on record, declared or not. ``name`` is part of an institution's name.
    """
    ids: list[str] | None = None
    if name:
        known = await connection.execute(select(institutions.c.id).where(named(name)))
        ids = list(known.scalars())
    statement = _NON_FILERS.format(
        filings=_THEN if then else _NOW, named="" if ids is None else " AND i.id = ANY(:ids)"
    )
    asked: dict[str, Any] = {
        "campaigns": list(campaigns),
        "statuses": [status.value for status in statuses],
        "regions": regions(within),
        "upto": upto,
        "after": after,
        "size": size,
        "unreported": unreported,
        "authority": authority,
    }
    if then:
        asked["at"] = upto
    if ids is not None:
        asked["ids"] = ids
    rows = await connection.execute(text(statement), asked)
    return [NonFiler(**row) for row in rows.mappings()]


class Backlog(Value):
    """What waits for an authority in one status, and since when.

    ``unclaimed`` of the ``waiting`` are nobody's yet; half of them have come after ``median``;
    ``oldest`` is since when the longest of them waits; ``due`` is when the first runs out.
    """

    authority: str
    status: Status
    waiting: int
    unclaimed: int
    oldest: datetime
    median: datetime
    due: datetime | None


_STANDS_NOW = """
    SELECT c.institution_id, c.status, c.authority, c.claimed_by, c.due, c.waiting_since
    FROM cases c
    WHERE c.campaign = ANY(:campaigns)
"""

_STOOD = """
    SELECT c.institution_id, t.status, t.authority, t.claimed_by, t.due, t.at AS waiting_since
    FROM cases c
    CROSS JOIN LATERAL (
        -- the last step that brought the case where it stood, and what later ones made of it there
        SELECT s.at, s.status, s.authority, s.last ->> 'claimed_by' AS claimed_by,
               (s.last ->> 'due')::timestamptz AS due
        FROM (
            SELECT j.sequence, j.at, j.step -> 'position' ->> 'status' AS status,
                   j.step -> 'position' ->> 'authority' AS authority,
                   lag((j.step -> 'position' ->> 'status', j.step -> 'position' ->> 'level',
                        j.step -> 'position' ->> 'authority')) OVER steps
                       IS DISTINCT FROM (j.step -> 'position' ->> 'status',
                                         j.step -> 'position' ->> 'level',
                                         j.step -> 'position' ->> 'authority') AS moved,
                   last_value(j.step -> 'position') OVER (
                       steps ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
                   ) AS last
            FROM journal j
            WHERE j.case_id = c.case_id AND j.at <= :at
            WINDOW steps AS (ORDER BY j.sequence)
        ) s
        WHERE s.moved
        ORDER BY s.sequence DESC LIMIT 1
    ) t
    WHERE c.campaign = ANY(:campaigns)
"""

_BACKLOG = """
    SELECT f.authority, f.status, count(*) AS waiting,
           count(*) FILTER (WHERE f.claimed_by = '') AS unclaimed,
           min(f.waiting_since) AS oldest,
           percentile_disc(0.5) WITHIN GROUP (ORDER BY f.waiting_since) AS median,
           min(f.due) AS due
    FROM ({filings}) f JOIN institutions i ON i.id = f.institution_id
    WHERE coalesce(i.region = ANY(CAST(:regions AS text[])), true)
      AND f.status = ANY(:turns) AND f.authority <> ''
    GROUP BY 1, 2 ORDER BY 1, 2
"""


async def backlog(
    connection: AsyncConnection,
    campaigns: Sequence[str],
    within: str,
    at: datetime | None = None,
) -> list[Backlog]:
    """What waits for each authority, by status; ``at`` None: now, else out of the journal."""
    asked: dict[str, Any] = {
        "campaigns": list(campaigns),
        "regions": regions(within),
        "turns": [Status.IN_REVIEW.value, Status.QUALITY_CHECK.value],
    }
    if at is not None:
        asked["at"] = at
    statement = _BACKLOG.format(filings=_STANDS_NOW if at is None else _STOOD)
    rows = await connection.execute(text(statement), asked)
    return [Backlog(**row) for row in rows.mappings()]


REFUSED_SUBMISSION = "submission_refused"
"""What an attempt to submit that was refused is counted as, beside the events of cases."""

_EVENTS = """
    SELECT date_trunc(:unit, j.at, :zone) AS began, j.event AS what, count(*) AS times
    FROM journal j
    JOIN cases c ON c.case_id = j.case_id
    JOIN institutions i ON i.id = c.institution_id
    WHERE j.at >= :start AND j.at < :upto AND j.event = ANY(:events) AND j.at >= c.opened_at
      AND c.campaign = ANY(:campaigns)
      AND coalesce(i.region = ANY(CAST(:regions AS text[])), true)
    GROUP BY 1, 2
    UNION ALL
    SELECT date_trunc(:unit, r.at, :zone), :refused, count(*)
    FROM refusals r
    JOIN cases c ON c.case_id = r.case_id
    JOIN institutions i ON i.id = c.institution_id
    WHERE r.at >= :start AND r.at < :upto AND r.action = 'submit'
      AND r.at >= c.opened_at
      AND c.campaign = ANY(:campaigns)
      AND coalesce(i.region = ANY(CAST(:regions AS text[])), true)
    GROUP BY 1
"""


async def happened(
    connection: AsyncConnection,
    campaigns: Sequence[str],
    within: str,
    span: tuple[datetime, datetime],
    unit: str,
    events: Sequence[str],
) -> dict[datetime, dict[str, int]]:
    """How often what has happened, by the hour or day (``unit``) of Beijing time it began in.

    ``span`` has its first instant inside and its last outside. Attempts to submit that were
    refused are counted as `REFUSED_SUBMISSION`.
    """
    asked = {
        "unit": unit,
        "zone": "Asia/Shanghai",
        "start": span[0],
        "upto": span[1],
        "events": list(events),
        "refused": REFUSED_SUBMISSION,
        "campaigns": list(campaigns),
        "regions": regions(within),
    }
    counted: dict[datetime, dict[str, int]] = {}
    for row in await connection.execute(text(_EVENTS), asked):
        counted.setdefault(row.began, {})[row.what] = row.times
    return counted
