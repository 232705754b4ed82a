"""Lists of valid certificates in the register: many rows at a time, nothing issued overwritten."""

from collections.abc import Collection, Sequence
from datetime import date
from typing import Any, NamedTuple

from sqlalchemy import func, or_, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.certificates.certificate import CertificateStatus
from domain.model import Value
from store.tables import certificate_numbers, certificates, institutions

_CHUNK = 5_000


class Entry(NamedTuple):
    """One certificate as a list has it; what the list does not say is empty or None."""

    number: str
    institution_id: str
    level: str
    issuer: str
    scope: int
    valid_to: date
    code: str
    holder: str
    uscc: str
    field: str
    industry: str
    issued_on: date | None
    valid_from: date | None


class Holders(NamedTuple):
    """Institutions on record: the USCC of each id asked for, the ids of each USCC.

    A USCC that an institution had before, or that of an account merged into it, leads to it.
    """

    uscc_of: dict[str, str]
    of_uscc: dict[str, list[str]]


class MissingCertificate(Value):
    """A certificate on record, known from lists only, that an authority's whole list lacks."""

    number: str
    institution: str
    name: str
    valid_to: date


async def lock(connection: AsyncConnection) -> None:
    """Lets one list at a time in until the transaction ends."""
    await connection.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended('certificate-register', 0))")
    )


async def holders(connection: AsyncConnection, ids: Sequence[str], usccs: Sequence[str]) -> Holders:
    """The institutions with these ids or these USCCs."""
    found = await connection.execute(
        select(institutions.c.id, institutions.c.uscc)
        .where(
            or_(
                institutions.c.id == func.any(list(ids)),
                institutions.c.uscc == func.any(list(usccs)),
            )
        )
        .order_by(institutions.c.id)
    )
    uscc_of: dict[str, str] = {}
    of_uscc: dict[str, list[str]] = {}
    for row in found:
        uscc_of[row.id] = row.uscc
    for row in await connection.execute(_OF_USCC, {"usccs": list(usccs)}):
        of_uscc.setdefault(row.uscc, []).append(row.id)
    return Holders(uscc_of, of_uscc)


_OF_USCC = text("""
    SELECT DISTINCT asked.uscc, coalesce(i.merged_into, i.id) AS id
    FROM unnest(CAST(:usccs AS text[])) AS asked(uscc)
    JOIN institutions i ON i.uscc = asked.uscc OR i.id IN (
        SELECT a.institution_id FROM institution_acts a
        WHERE a.old_uscc = asked.uscc AND asked.uscc <> '')
    ORDER BY 1, 2
""")


async def allotted(connection: AsyncConnection, numbers: Sequence[str]) -> dict[str, str]:
    """Those of these numbers that were given to a case, each with why it was voided, if it was.

    Until the caller's transaction ends no number is given to anybody.
    """
    await connection.execute(_NO_NUMBERS_MEANWHILE)
    found = await connection.execute(
        select(certificate_numbers.c.number, certificate_numbers.c.void_reason).where(
            certificate_numbers.c.number == func.any(list(numbers))
        )
    )
    return {row.number: row.void_reason for row in found}


_NO_NUMBERS_MEANWHILE = text(
    "SELECT pg_advisory_xact_lock(hashtextextended('certificate-numbers', 0))"
)


async def standing(
    connection: AsyncConnection, numbers: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """What is on record under these numbers; ``issued`` says that a case stands behind it."""
    columns = certificates.c
    found = await connection.execute(
        select(
            columns.number,
            columns.institution_id,
            columns.issuer,
            columns.valid_to,
            columns.status,
            func.coalesce(columns.code, "").label("code"),
            or_(columns.origin == "issued", columns.case_id.is_not(None)).label("issued"),
        ).where(columns.number == func.any(list(numbers)))
    )
    return {row["number"]: dict(row) for row in found.mappings()}


_SAVE = text("""
    INSERT INTO certificates (
        number, institution_id, level, issuer, scope, valid_to, code,
        holder, uscc, field, industry, issued_on, valid_from, origin
    )
    SELECT *, 'register' FROM unnest(
        CAST(:number AS text[]), CAST(:institution_id AS text[]), CAST(:level AS text[]),
        CAST(:issuer AS text[]), CAST(:scope AS integer[]), CAST(:valid_to AS date[]),
        CAST(:code AS text[]), CAST(:holder AS text[]), CAST(:uscc AS text[]),
        CAST(:field AS text[]), CAST(:industry AS text[]), CAST(:issued_on AS date[]),
        CAST(:valid_from AS date[])
    )
    ON CONFLICT (number) DO UPDATE SET
        level = excluded.level,
        scope = excluded.scope,
        valid_to = excluded.valid_to,
        origin = 'register',
        code = COALESCE(certificates.code, excluded.code),
        holder = COALESCE(NULLIF(excluded.holder, ''), certificates.holder),
        uscc = COALESCE(NULLIF(excluded.uscc, ''), certificates.uscc),
        field = COALESCE(NULLIF(excluded.field, ''), certificates.field),
        industry = COALESCE(NULLIF(excluded.industry, ''), certificates.industry),
        issued_on = COALESCE(excluded.issued_on, certificates.issued_on),
        valid_from = COALESCE(excluded.valid_from, certificates.valid_from),
        updated_at = now()
    WHERE certificates.origin <> 'issued' AND certificates.case_id IS NULL
      AND (
        certificates.origin <> 'register' OR certificates.code IS NULL
        OR (certificates.level, certificates.scope, certificates.valid_to)
           <> (excluded.level, excluded.scope, excluded.valid_to)
        OR excluded.holder NOT IN ('', certificates.holder)
        OR excluded.uscc NOT IN ('', certificates.uscc)
        OR excluded.field NOT IN ('', certificates.field)
        OR excluded.industry NOT IN ('', certificates.industry)
        OR COALESCE(excluded.issued_on, certificates.issued_on)
           IS DISTINCT FROM certificates.issued_on
        OR COALESCE(excluded.valid_from, certificates.valid_from)
           IS DISTINCT FROM certificates.valid_from
      )
    RETURNING (xmax = 0) AS inserted
""")


async def save(connection: AsyncConnection, entries: Sequence[Entry]) -> tuple[int, int]:
    """Puts entries on the register; returns how many are new and how many say something else.

    A code that a certificate has is kept, and so is what a list does not say. What was issued here
    is not touched.
    """
    inserted = updated = 0
    for start in range(0, len(entries), _CHUNK):
        columns = zip(*entries[start : start + _CHUNK], strict=True)
        given = dict(zip(Entry._fields, map(list, columns), strict=True))
        for row in await connection.execute(_SAVE, given):
            inserted += row.inserted
            updated += not row.inserted
    return inserted, updated


async def missing(
    connection: AsyncConnection, authority: str, numbers: Collection[str], today: date
) -> list[MissingCertificate]:
    """An authority's valid certificates, known from lists only, that are not among these."""
    columns = certificates.c
    found = await connection.execute(
        select(columns.number, columns.institution_id, institutions.c.name, columns.valid_to)
        .join(institutions, institutions.c.id == columns.institution_id)
        .where(
            columns.issuer == authority,
            columns.case_id.is_(None),
            columns.origin != "issued",
            columns.status == CertificateStatus.VALID.value,
            columns.valid_to >= today,
        )
        .order_by(columns.number)
    )
    return [
        MissingCertificate(
            number=row.number,
            institution=row.institution_id,
            name=row.name,
            valid_to=row.valid_to,
        )
        for row in found
        if row.number not in numbers
    ]
