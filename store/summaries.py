"""Sealed summaries, and what the journal says of a campaign's filings. Nothing else is read."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.case.events import Step
from domain.model import Value
from store import hidden, journal

_PAGE = 500


class Sealed(Value):
    """A summary as it was sealed; ``document`` is canonical JSON."""

    document: str
    sha256: str
    sealed_at: datetime


async def filings(connection: AsyncConnection, campaign: str) -> list[str]:
    """The ids of the filings that the journal has put on record for a campaign."""
    rows = await connection.execute(
        text("""
            SELECT DISTINCT case_id FROM journal
            WHERE event = 'scheduled' AND step -> 'body' ->> 'campaign' = :campaign
            ORDER BY case_id
        """),
        {"campaign": campaign},
    )
    return list(rows.scalars())


async def histories(connection: AsyncConnection, ids: list[str]) -> AsyncIterator[list[Step]]:
    """All steps of each of some cases."""
    for first in range(0, len(ids), _PAGE):
        by_case = await journal.steps_of(connection, ids[first : first + _PAGE])
        for steps in by_case.values():
            yield steps


async def seal(connection: AsyncConnection, campaign: str, opening: int, sealed: Sealed) -> None:
    """Keeps a summary, and says that its campaign is closed."""
    await connection.execute(
        text("""
            INSERT INTO campaign_summaries (campaign, opening, document, sha256, sealed_at)
            VALUES (:campaign, :opening, :document, :sha256, :sealed_at)
        """),
        {"campaign": campaign, "opening": opening, **sealed.model_dump()},
    )
    await connection.execute(
        text("UPDATE campaigns SET closed_at = :at WHERE case_id = :campaign"),
        {"campaign": campaign, "at": sealed.sealed_at},
    )


async def sealed(connection: AsyncConnection, campaign: str) -> Sealed | None:
    """The summary of a campaign as it was opened last, None while it is not closed."""
    rows = await connection.execute(
        text("""
            SELECT s.document, s.sha256, s.sealed_at FROM campaign_summaries s
            JOIN campaigns c ON c.case_id = s.campaign AND c.opening = s.opening
            WHERE s.campaign = :campaign
        """),
        {"campaign": campaign},
    )
    row = rows.mappings().first()
    return Sealed(**row) if row else None


async def unfinished(connection: AsyncConnection, campaign: str, ended: list[str]) -> int:
    """How many filings of a campaign have yet to come to an end."""
    rows = await connection.execute(
        text("SELECT count(*) FROM cases WHERE campaign = :campaign AND status <> ALL(:ended)"),
        {"campaign": campaign, "ended": ended},
    )
    return int(rows.scalar_one())


async def moved_since(
    connection: AsyncConnection, campaign: str, sequences: dict[str, int]
) -> list[tuple[str, str, int]]:
    """The filings with steps beyond those sequences: id, status and sequence now."""
    rows = await connection.execute(
        text("""
            SELECT c.case_id, c.status, c.sequence FROM cases c
            LEFT JOIN unnest(CAST(:ids AS text[]), CAST(:sequences AS int[]))
                AS s (case_id, sequence) ON s.case_id = c.case_id
            WHERE c.campaign = :campaign AND c.sequence > coalesce(s.sequence, 0)
            ORDER BY c.case_id
        """),
        {
            "campaign": campaign,
            "ids": list(sequences),
            "sequences": list(sequences.values()),
        },
    )
    return [(row.case_id, row.status, row.sequence) for row in rows]


class SealedContent(Value):
    """One part of a filing as it stood when its campaign was sealed, and the rules it ran on."""

    region: str
    rule_set: str
    values: dict[str, Any]


async def contents(
    connection: AsyncConnection, sequences: dict[str, int], part: str, names: list[str]
) -> AsyncIterator[SealedContent]:
    """The named values of a part of some filings, as last submitted up to those sequences."""
    rows = await connection.stream(
        text("""
            SELECT coalesce((
                       SELECT j.step -> 'body' ->> 'region' FROM journal j
                       WHERE j.case_id = s.case_id AND j.event = 'scheduled'
                         AND j.sequence <= s.sequence
                       ORDER BY j.sequence DESC LIMIT 1), ''),
                   c.rule_set, with_key(r.content, r.case_id, r.revision::text)
            FROM unnest(CAST(:ids AS text[]), CAST(:sequences AS int[])) AS s (case_id, sequence)
            JOIN cases c ON c.case_id = s.case_id
            JOIN LATERAL (
                SELECT (j.step -> 'body' ->> 'revision')::int AS revision FROM journal j
                WHERE j.case_id = s.case_id AND j.event = 'submitted' AND j.sequence <= s.sequence
                ORDER BY j.sequence DESC LIMIT 1
            ) AS last ON true
            JOIN revisions r ON r.case_id = s.case_id AND r.revision = last.revision
        """),
        {"ids": list(sequences), "sequences": list(sequences.values())},
    )
    async for region, rule_set, stored in rows:
        values = hidden.part_of(stored, part, names)
        if values is not None:
            yield SealedContent(region=region, rule_set=rule_set, values=values)
