"""Institutions and their certificates: the register that the rules' facts come from."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Literal

from pydantic import Field
from sqlalchemy import ColumnElement, RowMapping, delete, func, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.case.status import Status
from domain.certificates.certificate import CertificateStatus
from domain.facts import CertificateFacts, Facts, FilingEnd, InstitutionFacts, filing_end
from domain.filing.kind import FILING
from domain.model import Value
from domain.uscc import holder_kind
from store import readable
from store.areas import lies_in, regions
from store.tables import cases, certificates, institutions
from store.words import contains, folded_column

COUNTED = (CertificateStatus.VALID, CertificateStatus.EXPIRED)
"""What of the register the rules are told of. Whether a certificate was still valid on the day
that a year's rules ask about follows from its last day; one that was ended or replaced is out."""

REGISTER = "register/institutions"
"""The journal's name for the register of institutions as a whole."""

ROSTER = "roster"
"""Where certificates come from that a roster alone knows of: a new one may change them."""


class Institution(Value):
    """One institution on record with the certificates that count for the rules.

    Those of accounts merged into it are its own. ``merged_into`` is its survivor, "" for none; then
    it has no certificates that count. ``outcomes`` says how its own filing of each year stands.
    """

    name: str
    uscc: str
    previous_reviewer: str | None
    merged_into: str = ""
    facts: InstitutionFacts
    certificates: tuple[CertificateFacts, ...]
    outcomes: dict[int, FilingEnd] = Field(default_factory=dict)

    def facts_for(self, choice: str | None) -> Facts:
        """The facts a reviewer's decision reads, with the filer's choice."""
        return Facts(
            institution=self.facts,
            certificates=self.certificates,
            choice=choice,
            previous_reviewer=self.previous_reviewer,
            holder_kind=holder_kind(self.uscc),
            outcomes=self.outcomes,
        )


async def by_ids(
    connection: AsyncConnection, ids: Sequence[str], *, filings: bool = True
) -> dict[str, Institution]:
    """The institutions with these ids that are on record; without their ``filings``: no outcomes.

    Whoever answers the public has no sight of filings.
    """
    found = await connection.execute(
        select(institutions).where(institutions.c.id == func.any(list(ids)))
    )
    return await _with_certificates(connection, found.mappings().all(), filings=filings)


def named(part: str) -> ColumnElement[bool]:
    """Whether an institution's name has all parts of a term in it, case and width aside."""
    of = institutions.alias("of")
    found = select(of.c.id).where(*contains(folded_column("of.name"), part))
    # by itself, so that it is found through its index before anything is put in order
    return institutions.c.id.in_(found)


async def page(
    connection: AsyncConnection,
    after: str,
    size: int,
    within: str = "",
    region: str = "",
    name: str = "",
) -> list[Institution]:
    """Up to ``size`` institutions with ids after ``after``, in the order of their ids.

    Those that were merged into another one are not among them.

    They lie in both places; ``name`` is part of their names.
    """
    query = select(institutions).where(institutions.c.merged_into.is_(None))
    for place in (within, region):
        query = query.where(lies_in(institutions.c.region, place))
    if name:
        query = query.where(named(name))
    alone = await readable.page(
        connection,
        lambda last: query.where(institutions.c.id > last).order_by(institutions.c.id),
        lambda row: _institution(row, []),
        lambda row: row["id"],
        after,
        size,
    )
    ids = [one.facts.id for one in alone]
    owned, ends = await _certificates_of(connection, ids), await outcomes_of(connection, ids)
    return [
        one.model_copy(
            update={
                "certificates": tuple(owned[one.facts.id]),
                "outcomes": ends.get(one.facts.id, {}),
            }
        )
        for one in alone
    ]


async def count(connection: AsyncConnection, within: str = "") -> int:
    """How many institutions of a jurisdiction are on record."""
    query = select(func.count()).where(institutions.c.merged_into.is_(None))
    query = query.where(lies_in(institutions.c.region, within))
    return int((await connection.execute(query)).scalar_one())


async def _with_certificates(
    connection: AsyncConnection, rows: Sequence[RowMapping], *, filings: bool
) -> dict[str, Institution]:
    ids = [row["id"] for row in rows]
    owned = await _certificates_of(connection, ids)
    ends = await outcomes_of(connection, ids) if filings else {}
    return {row["id"]: _institution(row, owned[row["id"]], ends.get(row["id"])) for row in rows}


async def outcomes_of(
    connection: AsyncConnection, ids: Sequence[str]
) -> dict[str, dict[int, FilingEnd]]:
    """How the filings of some institutions stand, by year."""
    found = await connection.execute(
        select(cases.c.institution_id, cases.c.year, cases.c.status, cases.c.obligation).where(
            cases.c.institution_id == func.any(list(ids)), cases.c.kind == FILING.name
        )
    )
    ends: dict[str, dict[int, FilingEnd]] = {}
    for row in found:
        end = filing_end(Status(row.status), row.obligation)
        ends.setdefault(row.institution_id, {})[row.year] = end
    return ends


async def _certificates_of(
    connection: AsyncConnection, ids: Sequence[str]
) -> dict[str, list[CertificateFacts]]:
    owned: dict[str, list[CertificateFacts]] = {id_: [] for id_ in ids}
    if ids:
        named = [certificates.c[name] for name in CertificateFacts.model_fields]
        found = await connection.execute(
            select(*named, _OWNER.label("owner"))
            .join(institutions, institutions.c.id == certificates.c.institution_id)
            .where(
                _owned_by(ids),
                certificates.c.status.in_([status.value for status in COUNTED]),
            )
            .order_by(certificates.c.number)
        )
        for row in found.mappings():
            values = dict(row)
            owned[values.pop("owner")].append(CertificateFacts(**values))
    return owned


_OWNER = func.coalesce(institutions.c.merged_into, institutions.c.id)
"""Whose a certificate of an account is: the account's, or its survivor's."""


def _owned_by(ids: Sequence[str]) -> ColumnElement[bool]:
    own = (institutions.c.id == func.any(list(ids))) & institutions.c.merged_into.is_(None)
    return own | (institutions.c.merged_into == func.any(list(ids)))


def _institution(
    row: RowMapping, owned: list[CertificateFacts], ends: dict[int, FilingEnd] | None = None
) -> Institution:
    return Institution(
        name=row["name"],
        uscc=row["uscc"],
        previous_reviewer=row["previous_reviewer"],
        merged_into=row["merged_into"] or "",
        facts=InstitutionFacts(**{key: row[key] for key in InstitutionFacts.model_fields}),
        certificates=tuple(owned),
        outcomes=ends or {},
    )


async def save(connection: AsyncConnection, saved: Sequence[Institution]) -> None:
    """Adds institutions or replaces what was known of them, certificates of rosters included.

    What was issued or registered stays as it is: no roster knows it better.
    """
    rows: list[dict[str, Any]] = [
        {
            **one.facts.model_dump(mode="json"),
            "name": one.name,
            "uscc": one.uscc,
            "previous_reviewer": one.previous_reviewer,
        }
        for one in saved
    ]
    owned: list[dict[str, Any]] = [
        {**certificate.model_dump(), "institution_id": one.facts.id}
        for one in saved
        for certificate in one.certificates
    ]
    for chunk in _chunks(rows):
        statement = insert(institutions)
        replaced = {
            column.name: statement.excluded[column.name]
            for column in institutions.c
            if column.name not in ("id", "no", "updated_at")
        }
        await connection.execute(
            statement.on_conflict_do_update(
                index_elements=["id"], set_={**replaced, "updated_at": func.now()}
            ),
            chunk,
        )
        ids = [row["id"] for row in chunk]
        await connection.execute(
            delete(certificates).where(
                certificates.c.institution_id == func.any(ids), certificates.c.origin == ROSTER
            )
        )
    for chunk in _chunks(owned):
        added = insert(certificates)
        await connection.execute(
            added.on_conflict_do_update(
                index_elements=["number"],
                set_={
                    **{name: added.excluded[name] for name in CertificateFacts.model_fields},
                    # a roster that does not say the first day leaves the known one alone
                    "valid_from": func.coalesce(
                        added.excluded.valid_from, certificates.c.valid_from
                    ),
                    "institution_id": added.excluded.institution_id,
                    "updated_at": func.now(),
                },
                where=certificates.c.origin == ROSTER,
            ),
            chunk,
        )


async def add_missing(connection: AsyncConnection, added: Sequence[Institution]) -> int:
    """Puts institutions on record that are not there yet; returns how many. None is changed."""
    rows = [
        {
            **one.facts.model_dump(mode="json"),
            "name": one.name,
            "uscc": one.uscc,
            "previous_reviewer": one.previous_reviewer,
        }
        for one in added
    ]
    count_added = 0
    for chunk in _chunks(rows):
        done = await connection.execute(
            insert(institutions).values(chunk).on_conflict_do_nothing().returning(institutions.c.id)
        )
        count_added += len(done.all())
    return count_added


async def add_if_missing(connection: AsyncConnection, added: Institution) -> bool:
    """Puts an institution without certificates on record; one that is on record stays as it is."""
    found = await connection.execute(
        insert(institutions)
        .values(
            **added.facts.model_dump(mode="json"),
            name=added.name,
            uscc=added.uscc,
            previous_reviewer=added.previous_reviewer,
        )
        .on_conflict_do_nothing()
        .returning(institutions.c.id)
    )
    return found.first() is not None


async def number_of(connection: AsyncConnection, id_: str) -> int:
    """The short number that report numbers know an institution on record by."""
    found = await connection.execute(select(institutions.c.no).where(institutions.c.id == id_))
    return int(found.scalar_one())


class OnRecord(Value):
    """A certificate of the register, whatever has become of it.

    ``code`` and ``holder`` are "" from a roster.
    """

    number: str
    institution_id: str
    holder: str
    level: str
    issuer: str
    scope: int
    valid_to: date
    valid_from: date | None
    origin: str
    status: CertificateStatus
    code: str

    def agrees(self, other: CertificateFacts) -> bool:
        """Whether a roster says the same of it, and it counts as the roster's would."""
        stated = other.model_dump(exclude={"valid_from"} if other.valid_from is None else None)
        same = all(getattr(self, name) == value for name, value in stated.items())
        return same and self.status in COUNTED


async def on_record(connection: AsyncConnection, numbers: Sequence[str]) -> dict[str, OnRecord]:
    """The certificates with these numbers, as far as they are on record."""
    return {
        one.number: one
        for one in await _on_record(connection, certificates.c.number == func.any(list(numbers)))
    }


async def valid_by_issuer(
    connection: AsyncConnection, issuers: Sequence[str], day: date
) -> dict[str, int]:
    """How many certificates of each of these authorities are on record and valid on a day."""
    rows = await connection.execute(
        select(certificates.c.issuer, func.count().label("number"))
        .where(
            certificates.c.issuer == func.any(list(issuers)),
            certificates.c.status == CertificateStatus.VALID.value,
            certificates.c.valid_to >= day,
            or_(certificates.c.valid_from.is_(None), certificates.c.valid_from <= day),
        )
        .group_by(certificates.c.issuer)
    )
    return {row.issuer: row.number for row in rows}


async def certificates_of(
    connection: AsyncConnection, ids: Sequence[str]
) -> dict[str, list[OnRecord]]:
    """All certificates of institutions, ended ones included, by their numbers."""
    owned: dict[str, list[OnRecord]] = {id_: [] for id_ in ids}
    for owner, one in await _on_record_of(connection, _owned_by(ids)):
        owned[owner].append(one)
    return owned


async def _on_record(connection: AsyncConnection, where: ColumnElement[bool]) -> list[OnRecord]:
    return [one for _, one in await _on_record_of(connection, where)]


async def _on_record_of(
    connection: AsyncConnection, where: ColumnElement[bool]
) -> list[tuple[str, OnRecord]]:
    named = [certificates.c[name] for name in OnRecord.model_fields if name != "code"]
    rows = await connection.execute(
        select(*named, func.coalesce(certificates.c.code, "").label("code"), _OWNER.label("owner"))
        .join(institutions, institutions.c.id == certificates.c.institution_id)
        .where(where)
        .order_by(certificates.c.number)
    )
    return [
        (row["owner"], OnRecord(**{name: row[name] for name in OnRecord.model_fields}))
        for row in rows.mappings()
    ]


def _chunks(rows: list[dict[str, Any]], size: int = 2000) -> list[list[dict[str, Any]]]:
    return [rows[start : start + size] for start in range(0, len(rows), size)]


class Alike(Value):
    """Accounts of the register that share a code or a name; ``elsewhere`` lie in other regions."""

    ids: tuple[str, ...]
    elsewhere: int


async def alike(
    connection: AsyncConnection, by: Literal["uscc", "name"], within: str
) -> list[Alike]:
    """Who shares a unified social credit code or a name, as far as one is in the regions."""
    key = {"uscc": "uscc", "name": "name_key(name)"}[by]
    inside = "coalesce(region = ANY(CAST(:regions AS text[])), true)"
    rows = await connection.execute(
        text(
            f"SELECT array_agg(id ORDER BY id) FILTER (WHERE {inside}) AS ids,"  # noqa: S608
            f" count(*) FILTER (WHERE NOT {inside}) AS elsewhere"
            f" FROM institutions WHERE {key} <> '' AND merged_into IS NULL"
            f" GROUP BY {key} HAVING count(*) > 1 AND bool_or({inside}) ORDER BY 1"
        ),
        {"regions": regions(within)},
    )
    return [Alike(ids=tuple(row.ids), elsewhere=row.elsewhere) for row in rows]


async def resembling(connection: AsyncConnection, uscc: str, name: str) -> list[str]:
    """The accounts on record of a unified social credit code or a name, by their ids."""
    same_name = text("name_key(institutions.name) = name_key(:name)").bindparams(name=name)
    alike = same_name if not uscc else (institutions.c.uscc == uscc) | same_name
    rows = await connection.execute(
        select(institutions.c.id).where(alike).order_by(institutions.c.id).limit(20)
    )
    return list(rows.scalars())


async def named_by_rosters(connection: AsyncConnection, ids: Sequence[str]) -> dict[str, datetime]:
    """When a roster last named each of some institutions; those that none ever did are left out."""
    rows = await connection.execute(
        select(institutions.c.id, institutions.c.roster_at).where(
            institutions.c.id == func.any(list(ids)), institutions.c.roster_at.is_not(None)
        )
    )
    return {row.id: row.roster_at for row in rows}


async def note_roster(connection: AsyncConnection, ids: Sequence[str]) -> None:
    """Puts on record that a roster names these institutions now."""
    await connection.execute(
        update(institutions)
        .where(institutions.c.id == func.any(list(ids)))
        .values(roster_at=func.clock_timestamp())
    )
