"""The register of certificates: allotted numbers, what is in force, and who holds it."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    Text,
    case,
    collate,
    exists,
    func,
    select,
    text,
    type_coerce,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.certificates.certificate import Certificate, CertificateContent, CertificateStatus
from domain.certificates.commands import CertificateEvent
from domain.certificates.issuing import HeldCertificate
from domain.certificates.warnings import HolderFacts, InRegister
from domain.model import Value
from domain.refusals import Refused
from store.certificates.lines import replace_lines
from store.data_keys import hiding
from store.hidden import Destroyed, destroyed, said
from store.tables import (
    cases,
    certificate_numbers,
    certificate_serials,
    certificates,
    institution_acts,
    institutions,
    journal,
)

LAST_SERIAL = 9999


class SerialsExhausted(Exception):
    """An authority has used all four-digit serials of a year."""


class NumberTaken(Exception):
    """A number is on record for another certificate already."""


class Signatories(StrEnum):
    """Whether what was read of a certificate's content has its signatories."""

    SHOWN = "shown"
    LEFT_OUT = "left_out"
    DESTROYED = "destroyed"


class Registered(Value):
    """A certificate as the register has it. From a mere roster: without code and content.

    ``status`` is as recorded; what it comes to on a day says
    `domain.certificates.certificate.standing`. ``institution_name`` is that of the survivor where
    the account was merged; ``uscc_now`` is None unless its holder was, or has another code since.
    ``signatories`` says whether ``content`` has its own.
    """

    number: str
    code: str
    case_id: str
    origin: str
    institution_id: str
    institution_name: str
    region: str
    holder: str
    uscc: str
    uscc_now: str | None = None
    parent_uscc: str
    level: str
    issuer: str
    field: str
    industry: str
    scope: int
    status: CertificateStatus
    issued_on: date | None
    valid_from: date | None
    valid_to: date
    ended_on: date | None
    document: str
    superseded_by: str
    renews: str
    revision: int
    content: CertificateContent | None
    signatories: Signatories = Signatories.LEFT_OUT
    statement: str

    def whole_content(self) -> CertificateContent | None:
        """The content with its signatories. Raises Refused where they have been destroyed."""
        if self.content is not None and self.signatories is Signatories.DESTROYED:
            raise Refused(destroyed(self.case_id))
        # whoever goes by the content of a certificate has to ask for all of it
        assert self.content is None or self.signatories is Signatories.SHOWN, self.number
        return self.content

    def stated(self) -> Certificate | None:
        """The certificate as far as its signed statement goes, with the content as it was read.

        None where only a roster knows of it.
        """
        if self.content is None or self.issued_on is None or self.valid_from is None:
            return None
        return Certificate(
            code=self.code,
            number=self.number,
            issued_on=self.issued_on,
            valid_from=self.valid_from,
            valid_to=self.valid_to,
            status=self.status,
            superseded_by=self.superseded_by,
            content=self.content,
        )

    def certificate(self) -> Certificate | None:
        """The certificate to be printed; None where only a roster knows of it.

        Raises Refused where its signatories have been destroyed.
        """
        self.whole_content()
        return self.stated()


# --- reading --------------------------------------------------------------------------------------


def registered() -> Select[Any]:
    """All entries of the register with their institutions, to be narrowed; without signatories."""
    own = [
        column
        for column in certificates.c
        if column.name not in ("code", "case_id", "holder", "uscc", "signatories", "updated_at")
    ]
    survivors = institutions.alias("survivor")
    return select(
        *own,
        func.coalesce(certificates.c.code, "").label("code"),
        func.coalesce(certificates.c.case_id, "").label("case_id"),
        func.coalesce(func.nullif(certificates.c.holder, ""), institutions.c.name).label("holder"),
        func.coalesce(func.nullif(certificates.c.uscc, ""), institutions.c.uscc).label("uscc"),
        func.coalesce(survivors.c.name, institutions.c.name).label("institution_name"),
        institutions.c.region.label("region"),
        case(
            (survivors.c.id.is_not(None), survivors.c.uscc),
            (_code_changed(), institutions.c.uscc),
            else_=None,
        ).label("uscc_now"),
    ).select_from(
        certificates.join(
            institutions, institutions.c.id == certificates.c.institution_id
        ).outerjoin(survivors, survivors.c.id == institutions.c.merged_into)
    )


def signatories_of(of: ColumnElement[bool] | None = None) -> ColumnElement[Any]:
    """The signatories of an entry of the register, for `entry`; ``of``: of which entries only."""
    stored = type_coerce(certificates.c.signatories, Text)
    shown = stored if of is None else case((of, stored))
    return func.with_key(shown, certificates.c.case_id, "", type_=Text).label("signatories")


def entry(row: Mapping[str, Any], *, whole: bool = False) -> Registered:
    """An entry of `registered`; ``whole``: `signatories_of` it were asked for too.

    Raises Refused: they are not what was written; KeyMissing.
    """
    given = dict(row)
    stored = given.pop("signatories", None)
    if given["content"] is None:
        return Registered(**given)
    names = [] if stored is None else said(stored, "certificates.signatories")
    if not whole or names is Destroyed.KEY:
        known = Signatories.DESTROYED if whole else Signatories.LEFT_OUT
        given["content"] = {**given["content"], "signatories": []}
        return Registered(**given, signatories=known)
    given["content"] = {"signatories": names, **given["content"]}
    return Registered(**given, signatories=Signatories.SHOWN)


def _code_changed() -> ColumnElement[bool]:
    """Whether a certificate names its holder by a code that the holder had before."""
    return exists().where(
        institution_acts.c.institution_id == institutions.c.id,
        institution_acts.c.old_uscc == certificates.c.uscc,
        institution_acts.c.old_uscc != "",
        institution_acts.c.old_uscc != institutions.c.uscc,
    )


async def by_code(connection: AsyncConnection, code: str) -> Registered | None:
    """The certificate with this permanent code, None if there is none."""
    return await _one(connection, certificates.c.code == code)


async def by_number(
    connection: AsyncConnection, number: str, *, whole: bool = False
) -> Registered | None:
    """The certificate with this number, None if there is none; ``whole``: with its signatories."""
    return await _one(connection, certificates.c.number == number, whole=whole)


async def renewing(connection: AsyncConnection, code: str) -> Registered | None:
    """The certificate that was issued to replace the one with a code, None if there is none."""
    return await _one(connection, (certificates.c.renews == code) & (certificates.c.renews != ""))


async def by_case(
    connection: AsyncConnection, case_id: str, *, whole: bool = False
) -> Registered | None:
    """The certificate of a case, None while it has none; ``whole``: with its signatories."""
    return await _one(connection, certificates.c.case_id == case_id, whole=whole)


async def _one(
    connection: AsyncConnection, where: ColumnElement[bool], *, whole: bool = False
) -> Registered | None:
    row = (await connection.execute(_entries(whole=whole).where(where))).mappings().first()
    return entry(row, whole=whole) if row else None


def _entries(*, whole: bool) -> Select[Any]:
    return registered().add_columns(signatories_of()) if whole else registered()


async def statements(connection: AsyncConnection, after: str, size: int) -> list[tuple[str, str]]:
    """Codes and statements of up to ``size`` certificates whose content is on record, by code."""
    found = await connection.execute(
        select(certificates.c.code, certificates.c.statement)
        .where(certificates.c.content.is_not(None), certificates.c.code > after)
        .order_by(certificates.c.code)
        .limit(size)
    )
    return [(row.code, row.statement) for row in found]


async def by_numbers(
    connection: AsyncConnection, numbers: Sequence[str], *, whole: bool = False
) -> list[Registered]:
    """The certificates with these numbers that are on record, by their numbers.

    ``whole``: with their signatories.
    """
    found = await connection.execute(
        _entries(whole=whole)
        .where(certificates.c.number == func.any(list(numbers)))
        .order_by(_in_order)
    )
    return [entry(row, whole=whole) for row in found.mappings()]


async def by_cases(connection: AsyncConnection, case_ids: Sequence[str]) -> dict[str, Registered]:
    """The certificates that these cases have issued, by case."""
    found = await connection.execute(
        registered().where(certificates.c.case_id == func.any(list(case_ids)))
    )
    return {row["case_id"]: entry(row) for row in found.mappings()}


async def names_by_cases(
    connection: AsyncConnection, case_ids: Sequence[str]
) -> dict[str, tuple[str, str]]:
    """Number and holder of the certificates that these cases have issued, by case."""
    holder = func.coalesce(func.nullif(certificates.c.holder, ""), institutions.c.name)
    found = await connection.execute(
        select(certificates.c.case_id, certificates.c.number, holder)
        .join(institutions, institutions.c.id == certificates.c.institution_id)
        .where(certificates.c.case_id == func.any(list(case_ids)))
    )
    return {case_id: (number, name) for case_id, number, name in found}


async def renewals_of(connection: AsyncConnection, codes: Sequence[str]) -> dict[str, Registered]:
    """What renews the certificates with these codes, by the code of the one before."""
    # no code is the code of none, while most certificates renew none
    known = sorted({code for code in codes if code})
    found = await connection.execute(registered().where(certificates.c.renews == func.any(known)))
    return {row["renews"]: entry(row) for row in found.mappings()}


async def allotted_to(connection: AsyncConnection, numbers: Sequence[str]) -> dict[str, str]:
    """Those of these numbers that were given to a case, each with that case."""
    found = await connection.execute(
        select(certificate_numbers.c.number, certificate_numbers.c.case_id).where(
            certificate_numbers.c.number == func.any(list(numbers))
        )
    )
    return {row.number: row.case_id for row in found}


async def of_holders(connection: AsyncConnection, ids: Sequence[str]) -> dict[str, HolderFacts]:
    """What is on record of these institutions, with all their certificates by number."""
    owned: dict[str, list[InRegister]] = {id_: [] for id_ in ids}
    found = await connection.execute(
        select(
            certificates.c.institution_id,
            certificates.c.number,
            func.coalesce(certificates.c.code, "").label("code"),
            func.coalesce(certificates.c.case_id, "").label("case_id"),
            certificates.c.field,
            certificates.c.industry,
            certificates.c.status,
            certificates.c.valid_from,
            certificates.c.valid_to,
        )
        .where(certificates.c.institution_id == func.any(list(ids)))
        .order_by(_in_order)
    )
    for row in found.mappings():
        known = {name: row[name] for name in InRegister.model_fields}
        owned[row["institution_id"]].append(InRegister(**known))
    names = await connection.execute(
        select(institutions.c.id, institutions.c.name, institutions.c.region).where(
            institutions.c.id == func.any(list(ids))
        )
    )
    return {
        row.id: HolderFacts(name=row.name, region=row.region, certificates=tuple(owned[row.id]))
        for row in names
    }


async def sizes(connection: AsyncConnection, numbers: Sequence[str]) -> dict[str, int]:
    """How many parameters each of these certificates covers that are on record."""
    found = await connection.execute(
        select(certificates.c.number, certificates.c.scope).where(
            certificates.c.number == func.any(list(numbers))
        )
    )
    return {row.number: row.scope for row in found}


async def issued_between(
    connection: AsyncConnection, issuer: str, first: date, last: date, after: str, size: int
) -> list[tuple[str, int]]:
    """Up to ``size`` certificates an authority issued from ``first`` to ``last``, by number.

    Each with how many parameters it covers; numbers come after ``after``.
    """
    found = await connection.execute(
        select(certificates.c.number, certificates.c.scope)
        .where(
            certificates.c.issuer == issuer,
            certificates.c.issued_on.between(first, last),
            _in_order > after,
        )
        .order_by(_in_order)
        .limit(size)
    )
    return [(row.number, row.scope) for row in found]


_in_order = collate(certificates.c.number, "C")
_CHANGING = [
    name.value
    for name in (
        CertificateEvent.ISSUED,
        CertificateEvent.CERTIFICATE_CHANGED,
        CertificateEvent.CERTIFICATE_ENDED,
        CertificateEvent.END_CORRECTED,
        CertificateEvent.SUPERSEDED,
    )
]


async def changed_at(connection: AsyncConnection, numbers: Sequence[str]) -> dict[str, datetime]:
    """When each of these certificates, or how it stands, was last changed by a step on record.

    Expiry is no step's doing. One without a case changes with its entry in the register.
    """
    last = (
        select(func.max(journal.c.at))
        .where(journal.c.case_id == certificates.c.case_id, journal.c.event.in_(_CHANGING))
        .scalar_subquery()
    )
    found = await connection.execute(
        select(
            certificates.c.number, func.coalesce(last, certificates.c.updated_at).label("at")
        ).where(certificates.c.number == func.any(list(numbers)))
    )
    return {row.number: row.at for row in found}


# --- numbers --------------------------------------------------------------------------------------


async def allotted(connection: AsyncConnection, case_id: str) -> tuple[str, str] | None:
    """Number and code that a case has, None while it has none; a voided number is none.

    Until the caller's transaction ends nobody else gets an answer for this case: who asks twice at
    once must not be given two numbers. Waits while a list is put on the register: it might hold the
    number that comes next.
    """
    await connection.execute(_ONE_AT_A_TIME, {"case_id": case_id})
    found = await connection.execute(
        select(certificate_numbers.c.number, certificate_numbers.c.code).where(
            certificate_numbers.c.case_id == case_id, certificate_numbers.c.voided_at.is_(None)
        )
    )
    row = found.first()
    return (row.number, row.code) if row else None


_ONE_AT_A_TIME = text("""
    SELECT pg_advisory_xact_lock_shared(hashtextextended('certificate-numbers', 0)),
           pg_advisory_xact_lock(hashtextextended('certificate-number|' || :case_id, 0))
""")


async def next_serial(connection: AsyncConnection, authority_code: str, year: int) -> int:
    """The next serial of an authority's year, held until the caller's transaction ends.

    One that stands in a number on record from elsewhere is passed over. Given up with its
    transaction, a serial comes again: there are no gaps. Raises SerialsExhausted.
    """
    while True:
        counted = insert(certificate_serials).values(
            authority_code=authority_code, year=year, last=1
        )
        found = await connection.execute(
            counted.on_conflict_do_update(
                index_elements=["authority_code", "year"],
                set_={"last": certificate_serials.c.last + 1},
                where=certificate_serials.c.last < LAST_SERIAL,
            ).returning(certificate_serials.c.last)
        )
        serial = found.scalar_one_or_none()
        if serial is None:
            raise SerialsExhausted(f"{authority_code} {year}")
        taken = await connection.execute(
            _SERIAL_TAKEN,
            {"prefix": _prefix(authority_code, year), "serial": f"{serial:04d}"},
        )
        if taken.first() is None:
            return int(serial)


_KNOWN = """
    FROM (SELECT number FROM certificates UNION ALL SELECT number FROM certificate_numbers) AS n
    WHERE left(number, 4) = :prefix AND number ~ '^[0-9]{12}$'
"""
_SERIAL_TAKEN = text(f"SELECT 1 {_KNOWN} AND right(number, 4) = :serial LIMIT 1")
_HIGHEST = text(f"SELECT number {_KNOWN} ORDER BY right(number, 4) DESC LIMIT 1")


def _prefix(authority_code: str, year: int) -> str:
    return f"{year % 100:02d}{authority_code}"


async def highest_number(connection: AsyncConnection, authority_code: str, year: int) -> str:
    """Of an authority's year the number with the highest serial that is on record; "" if none is.

    Allotted, voided, issued, or known from a roster or a list.
    """
    prefix = {"prefix": _prefix(authority_code, year)}
    found = await connection.execute(_HIGHEST, prefix)
    return str(found.scalar_one_or_none() or "")


async def last_serial(connection: AsyncConnection, authority_code: str, year: int) -> int:
    """The last serial used in an authority's year; 0: none."""
    found = await connection.execute(
        select(certificate_serials.c.last).where(
            certificate_serials.c.authority_code == authority_code,
            certificate_serials.c.year == year,
        )
    )
    return int(found.scalar_one_or_none() or 0)


async def hold_serials(connection: AsyncConnection, authority_code: str, year: int) -> int:
    """The last serial used in an authority's year; none is given until the transaction ends."""
    of_year = {"authority_code": authority_code, "year": year}
    await connection.execute(
        insert(certificate_serials).values(**of_year, last=0).on_conflict_do_nothing()
    )
    found = await connection.execute(
        select(certificate_serials.c.last).filter_by(**of_year).with_for_update()
    )
    return int(found.scalar_one())


async def begin_serials_after(
    connection: AsyncConnection, authority_code: str, year: int, last: int
) -> None:
    """Sets after which serial an authority's year goes on; the caller holds the serials."""
    await connection.execute(
        update(certificate_serials)
        .where(
            certificate_serials.c.authority_code == authority_code,
            certificate_serials.c.year == year,
        )
        .values(last=last)
    )


async def keep_number(connection: AsyncConnection, number: str, code: str, case_id: str) -> None:
    """Gives a number and a code to a case, for ever. Raises NumberTaken."""
    standing = await connection.execute(
        select(certificates.c.case_id, certificates.c.institution_id).where(
            certificates.c.number == number
        )
    )
    row = standing.first()
    # what is known from a list only may be taken over by the case that brings its content
    holder = select(cases.c.institution_id).where(cases.c.case_id == case_id)
    if row is not None and (
        row.case_id is not None
        or row.institution_id != (await connection.execute(holder)).scalar_one()
    ):
        raise NumberTaken(number)
    kept = await connection.execute(
        insert(certificate_numbers)
        .values(number=number, code=code, case_id=case_id)
        .on_conflict_do_nothing()
        .returning(certificate_numbers.c.number)
    )
    if kept.first() is None:
        raise NumberTaken(number)


async def void_number(connection: AsyncConnection, number: str, reason: str) -> None:
    """Takes a number from its case for good: it stays on record, and nobody is given it again."""
    await connection.execute(
        update(certificate_numbers)
        .where(certificate_numbers.c.number == number)
        .values(voided_at=func.now(), void_reason=reason)
    )


async def renewed_by(connection: AsyncConnection, code: str) -> Registered | None:
    """The certificate that has been issued in place of another, None if none has."""
    return await _one(connection, certificates.c.renews == code)


async def numbered_renewal(connection: AsyncConnection, code: str, case_id: str) -> str:
    """The number that another case was given to renew a certificate, issued yet or not; "" if none.

    A case that was given up does not count. Until the caller's transaction ends nobody else gets an
    answer about this certificate.
    """
    given = {"code": code, "case_id": case_id}
    await connection.execute(_ONE_RENEWAL_AT_A_TIME, given)
    found = await connection.execute(_NUMBERED_RENEWAL, given)
    return str(found.scalar_one_or_none() or "")


_ONE_RENEWAL_AT_A_TIME = text(
    "SELECT pg_advisory_xact_lock(hashtextextended('certificate-renewal|' || :code, 0))"
)
# by way of the holder's cases, which are few
_NUMBERED_RENEWAL = text("""
    SELECT n.number
    FROM certificates AS old
    JOIN cases AS c ON c.institution_id = old.institution_id AND c.kind = 'certificate'
    JOIN certificate_numbers AS n ON n.case_id = c.case_id AND n.voided_at IS NULL
    JOIN journal AS j ON j.case_id = c.case_id AND j.sequence = 1
    WHERE old.code = :code AND c.case_id <> :case_id
      AND c.status NOT IN ('withdrawn', 'cancelled')
      AND j.step -> 'body' ->> 'renews' = :code
    ORDER BY n.number LIMIT 1
""")


async def code_of_number(connection: AsyncConnection, number: str) -> str:
    """The code a certificate of this number was given before; empty if none."""
    found = await connection.execute(
        select(func.coalesce(certificates.c.code, "")).where(certificates.c.number == number)
    )
    return str(found.scalar_one_or_none() or "")


# --- writing --------------------------------------------------------------------------------------


async def write(
    connection: AsyncConnection,
    case_id: str,
    held: HeldCertificate,
    content: CertificateContent,
    *,
    renews: str,
    statement: str,
) -> None:
    """Puts a certificate of a case into the register as it stands now, and what it is found by.

    Raises Refused: the key that its signatories are hidden with has been destroyed.
    """
    key = await hiding(connection, case_id)
    said_of = content.model_dump(mode="json")
    values: dict[str, Any] = {
        "number": held.number,
        "institution_id": content.institution,
        "level": content.level,
        "issuer": content.issuer,
        "scope": len(content.capabilities),
        "valid_to": held.valid_to,
        "origin": "issued",
        "code": held.code,
        "case_id": case_id,
        "status": held.status.value,
        "holder": content.holder,
        "uscc": content.uscc,
        "parent_uscc": content.parent_uscc,
        "field": content.field,
        "industry": content.industry,
        "issued_on": held.issued_on,
        "valid_from": held.valid_from,
        "ended_on": held.ended_on,
        "document": held.document,
        "superseded_by": held.superseded_by,
        "renews": renews,
        "revision": held.revision,
        "signatories": key.of(said_of.pop("signatories")),
        "content": said_of,
        "statement": statement,
    }
    new = insert(certificates).values(values)
    await connection.execute(
        new.on_conflict_do_update(
            index_elements=["number"],
            set_={
                **{name: new.excluded[name] for name in values.keys() - {"number", "renews"}},
                # a case that was revived does not carry it any more
                "renews": func.coalesce(func.nullif(renews, ""), certificates.c.renews),
                "updated_at": func.now(),
            },
        )
    )
    await replace_lines(connection, held.number, content)


async def replace_statement(connection: AsyncConnection, seen: Registered, statement: str) -> bool:
    """Puts another statement in the place of the one seen; False if the entry has changed since."""
    done = await connection.execute(
        update(certificates)
        .where(
            certificates.c.number == seen.number,
            certificates.c.revision == seen.revision,
            certificates.c.statement == seen.statement,
        )
        .values(statement=statement)
        .returning(certificates.c.number)
    )
    return done.first() is not None


async def supersede_listed(
    connection: AsyncConnection, code: str, by: str, on: date
) -> Registered | None:
    """Marks a certificate that only a list brought as replaced; one with a case is left alone."""
    await connection.execute(
        update(certificates)
        .where(
            certificates.c.code == code,
            certificates.c.case_id.is_(None),
            certificates.c.status == CertificateStatus.VALID.value,
        )
        .values(
            status=CertificateStatus.SUPERSEDED.value,
            superseded_by=by,
            ended_on=on,
            updated_at=func.now(),
        )
    )
    return await by_code(connection, code)
