"""The quality check's samples: seeds kept until they are drawn by, and who was drawn."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.model import Value
from domain.sampling import Sampling


class Draw(Value):
    """One draw of a campaign; its seed is secret while ``drawn_at`` is None."""

    number: int
    seed: str
    committed_at: datetime
    drawn_at: datetime | None


class Candidate(Value):
    """An approved filing that waits for a draw, with what says how it is drawn for."""

    case_id: str
    rule_set: str
    rule: Sampling
    region: str
    reviewer: str


class SampledCase(Value):
    """A filing of a draw; filings of one ``rule_set`` and ``stratum`` were drawn among."""

    case_id: str
    rule_set: str
    stratum: str
    drawn: bool


async def commit(
    connection: AsyncConnection, campaign: str, opening: int, seed: str, at: datetime
) -> int:
    """Keeps the seed of a campaign's next draw; returns the draw's number."""
    rows = await connection.execute(
        text("""
            INSERT INTO sample_draws (campaign, number, opening, seed, committed_at)
            SELECT CAST(:campaign AS text), coalesce(max(number), 0) + 1, :opening, :seed, :at
            FROM sample_draws WHERE campaign = :campaign
            RETURNING number
        """),
        {"campaign": campaign, "opening": opening, "seed": seed, "at": at},
    )
    return int(rows.scalar_one())


async def draws(connection: AsyncConnection, campaign: str) -> list[Draw]:
    """A campaign's draws since it was opened last, the one that is to come at the end."""
    rows = await connection.execute(
        text("""
            SELECT d.number, d.seed, d.committed_at, d.drawn_at FROM sample_draws d
            JOIN campaigns c ON c.case_id = d.campaign AND c.opening = d.opening
            WHERE d.campaign = :campaign ORDER BY d.number
        """),
        {"campaign": campaign},
    )
    return [Draw(**row) for row in rows.mappings()]


async def candidates(connection: AsyncConnection, campaign: str, now: datetime) -> list[Candidate]:
    """The approved filings that wait for a draw and may be checked by ``now``, by their ids."""
    rows = await connection.execute(
        text("""
            SELECT c.case_id, c.rule_set, c.plan -> 'sample' AS rule, i.region, c.reviewer
            FROM cases c JOIN institutions i ON i.id = c.institution_id
            WHERE c.campaign = :campaign AND c.status = 'approved'
              AND jsonb_typeof(c.plan -> 'sample') = 'object'
              AND coalesce((c.plan -> 'quality' ->> 'opens')::timestamptz <= :now, true)
              AND NOT EXISTS (
                SELECT FROM sampled_cases s
                JOIN sample_draws d ON d.campaign = s.campaign AND d.number = s.number
                JOIN campaigns k ON k.case_id = d.campaign AND k.opening = d.opening
                WHERE s.case_id = c.case_id AND s.campaign = c.campaign
              )
            ORDER BY c.case_id COLLATE "C"
        """),
        {"campaign": campaign, "now": now},
    )
    return [Candidate(**row) for row in rows.mappings()]


async def keep(
    connection: AsyncConnection,
    campaign: str,
    number: int,
    sampled: Sequence[SampledCase],
    at: datetime,
) -> None:
    """Says who took part in a draw, and who was drawn."""
    await connection.execute(
        text("UPDATE sample_draws SET drawn_at = :at WHERE campaign = :campaign AND number = :n"),
        {"campaign": campaign, "n": number, "at": at},
    )
    await connection.execute(
        text("""
            INSERT INTO sampled_cases (campaign, number, case_id, rule_set, stratum, drawn)
            SELECT :campaign, :number, * FROM unnest(
                CAST(:ids AS text[]), CAST(:rule_sets AS text[]), CAST(:strata AS text[]),
                CAST(:drawn AS boolean[]))
        """),
        {
            "campaign": campaign,
            "number": number,
            "ids": [one.case_id for one in sampled],
            "rule_sets": [one.rule_set for one in sampled],
            "strata": [one.stratum for one in sampled],
            "drawn": [one.drawn for one in sampled],
        },
    )


async def checked_by_region(
    connection: AsyncConnection, campaigns: Sequence[str]
) -> dict[str, int]:
    """How many filings that were drawn have been checked and are complete, by region."""
    rows = await connection.execute(
        text("""
            SELECT i.region, count(*) AS number
            FROM sampled_cases s
            JOIN sample_draws d ON d.campaign = s.campaign AND d.number = s.number
            JOIN campaigns k ON k.case_id = d.campaign AND k.opening = d.opening
            JOIN cases c ON c.case_id = s.case_id AND c.status = 'completed'
            JOIN institutions i ON i.id = c.institution_id
            WHERE s.campaign = ANY(:campaigns) AND s.drawn
            GROUP BY 1
        """),
        {"campaigns": list(campaigns)},
    )
    return {row.region: row.number for row in rows}


async def seed_of(connection: AsyncConnection, campaign: str, number: int) -> str:
    """The seed of a draw, in whichever opening of the campaign; "" for a draw that is not there."""
    rows = await connection.execute(
        text("SELECT seed FROM sample_draws WHERE campaign = :campaign AND number = :number"),
        {"campaign": campaign, "number": number},
    )
    return rows.scalar_one_or_none() or ""


async def sampled(connection: AsyncConnection, campaign: str, number: int) -> list[SampledCase]:
    """Who took part in a draw, by their ids."""
    rows = await connection.execute(
        text("""
            SELECT case_id, rule_set, stratum, drawn FROM sampled_cases
            WHERE campaign = :campaign AND number = :number ORDER BY case_id COLLATE "C"
        """),
        {"campaign": campaign, "number": number},
    )
    return [SampledCase(**row) for row in rows.mappings()]
