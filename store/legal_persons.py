"""Accounts by the legal person they belong to, and what operators found of them."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func, insert, select, text
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.legal_persons import FILED, Account, Finding
from domain.model import Value
from domain.numbers.quarters import Period
from store.areas import regions
from store.tables import legal_person_findings

_NEWEST = """
    LEFT JOIN LATERAL (
        SELECT finding, files_with, parent_uscc FROM legal_person_findings
        WHERE institution_id = i.id ORDER BY found_at DESC, id DESC LIMIT 1
    ) AS f ON true
"""


def accounts_of(year: str) -> str:
    """The query for all accounts and their filings of a year, which is an expression."""
    return f"""
    SELECT i.id AS institution, i.name, i.uscc, i.region, i.legal_person,
           CASE WHEN i.legal_person THEN i.uscc ELSE coalesce(
               nullif(f.parent_uscc, ''),
               (SELECT max(parent_uscc) FROM certificates
                WHERE institution_id = i.id AND parent_uscc <> ''),
               i.uscc) END AS key,
           f.finding, coalesce(f.files_with, '') AS files_with, c.status AS filing
    FROM institutions i {_NEWEST}
    LEFT JOIN cases c ON c.institution_id = i.id AND c.kind = 'filing' AND c.year = {year}
    WHERE i.merged_into IS NULL
    """  # noqa: S608 - of constants, as all here


def others_of(year: str, own: str, key: str) -> str:
    """The query for the other accounts of an account's legal person, by expressions for both.

    The few that may be are found first, and each is looked at by itself (OFFSET sees to that):
    together it would be all accounts of the country.
    """
    return f"""
    SELECT a.* FROM (
        SELECT id FROM institutions WHERE uscc = {key}
        UNION SELECT institution_id FROM legal_person_findings WHERE parent_uscc = {key}
        UNION SELECT institution_id FROM certificates WHERE parent_uscc = {key}
    ) AS named
    CROSS JOIN LATERAL ({accounts_of(year)} AND i.id = named.id OFFSET 0) AS a
    WHERE named.id <> {own} AND a.key = {key} ORDER BY a.institution
    """  # noqa: S608


_ACCOUNTS = accounts_of(":year")


class FindingMade(Value):
    """What an operator found of an account, on which document, and when."""

    id: str
    institution_id: str
    finding: Finding
    files_with: str | None
    parent_uscc: str
    document: str
    note_sha256: str
    found_by: str
    found_at: datetime


async def account(connection: AsyncConnection, institution: str, year: int) -> Account | None:
    """One account; None where it is not on record or was merged."""
    rows = await connection.execute(
        text(f"{_ACCOUNTS} AND i.id = :id"), {"id": institution, "year": year}
    )
    row = rows.mappings().first()
    return Account(**row) if row else None


async def beside(connection: AsyncConnection, own: Account, year: int) -> list[Account]:
    """The other accounts of an account's legal person."""
    if not own.key:
        return []
    rows = await connection.execute(
        text(others_of(":year", ":id", ":key")),
        {"id": own.institution, "key": own.key, "year": year},
    )
    return [Account(**row) for row in rows.mappings()]


async def shared(connection: AsyncConnection, within: str, year: int) -> list[Account]:
    """The accounts of all legal persons of several accounts, one at least of them in a region."""
    rows = await connection.execute(
        text(f"""
            WITH a AS ({_ACCOUNTS})
            SELECT * FROM a WHERE key IN (
                SELECT key FROM a WHERE key <> '' GROUP BY key
                HAVING count(*) > 1
                   AND coalesce(bool_or(region = ANY(CAST(:regions AS text[]))), true)
            ) ORDER BY key, institution
        """),  # noqa: S608
        {"regions": regions(within), "year": year},
    )
    return [Account(**row) for row in rows.mappings()]


async def filing_with(connection: AsyncConnection, ids: Sequence[str]) -> dict[str, str]:
    """Of some accounts those that file with another one, and with which."""
    newest = (
        select(legal_person_findings)
        .ext(distinct_on(legal_person_findings.c.institution_id))
        .where(legal_person_findings.c.institution_id == func.any(list(ids)))
        .order_by(
            legal_person_findings.c.institution_id,
            legal_person_findings.c.found_at.desc(),
            legal_person_findings.c.id.desc(),
        )
        .subquery()
    )
    rows = await connection.execute(
        select(newest.c.institution_id, newest.c.files_with).where(
            newest.c.finding == Finding.FILES_WITH.value
        )
    )
    return {row.institution_id: row.files_with for row in rows}


async def filing_with_others(
    connection: AsyncConnection, period: Period, ids: Sequence[str]
) -> Collection[str]:
    """Who of some accounts files nothing of its own for a period; numbers everybody uploads."""
    return () if period.quarter else await filing_with(connection, ids)


async def centre_filed_by(
    connection: AsyncConnection, institution: str, centres: Sequence[str], year: int
) -> tuple[str, str] | None:
    """Who else has filed for the year and has one of these centres: its id and the centre."""
    rows = await connection.execute(
        text("""
            SELECT i.id, centre FROM institutions i
            JOIN cases c ON c.institution_id = i.id AND c.kind = 'filing' AND c.year = :year
            CROSS JOIN jsonb_array_elements_text(i.national_centres) AS centre
            WHERE i.id <> :id AND i.merged_into IS NULL AND c.status = ANY(:filed)
              AND centre = ANY(:centres)
            ORDER BY 1, 2 LIMIT 1
        """),
        {
            "id": institution,
            "centres": list(centres),
            "filed": [status.value for status in FILED],
            "year": year,
        },
    )
    row = rows.first()
    return (row.id, row.centre) if row else None


async def shared_centres(
    connection: AsyncConnection, within: str
) -> list[tuple[str, tuple[str, ...]]]:
    """National centres that several accounts have, one of them in a region: name and accounts."""
    rows = await connection.execute(
        text("""
            SELECT centre, array_agg(i.id ORDER BY i.id) AS ids FROM institutions i
            CROSS JOIN jsonb_array_elements_text(i.national_centres) AS centre
            WHERE i.merged_into IS NULL
            GROUP BY centre HAVING count(*) > 1
               AND coalesce(bool_or(i.region = ANY(CAST(:regions AS text[]))), true) ORDER BY 1
        """),
        {"regions": regions(within)},
    )
    return [(row.centre, tuple(row.ids)) for row in rows]


async def add(connection: AsyncConnection, found: FindingMade) -> None:
    """Keeps a finding; it holds until the next."""
    values: dict[str, Any] = found.model_dump()
    await connection.execute(insert(legal_person_findings).values(values))


async def by_id(connection: AsyncConnection, id_: str) -> FindingMade | None:
    """One finding, None for none."""
    rows = await connection.execute(
        select(legal_person_findings).where(legal_person_findings.c.id == id_)
    )
    row = rows.mappings().first()
    return FindingMade(**row) if row else None
