"""What the public asks about certificates: scans of QR codes, and searches in bounds.

A scan is answered from the register as it is at that moment. Where the register cannot be
reached, the paper's signature is checked all the same, and what this process last read of the
certificate is shown with its age.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import date, datetime, timedelta
from typing import NamedTuple

import psycopg
import structlog
from sqlalchemy.exc import DataError, OperationalError, ProgrammingError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from domain.certificates.certificate import CERTIFICATE_STATUS_LABELS, CertificateStatus, status_on
from domain.certificates.public import (
    PROOF_WORDS,
    UNVERIFIED_LABEL,
    Counted,
    Current,
    HolderNow,
    Mark,
    Paper,
    PublicCertificate,
    Scan,
    SearchAnswer,
    Unverified,
    proof_of,
    scan_answer,
    scan_words,
    told_differences,
)
from domain.certificates.statement import PublishedKeys, Statement, StatementProblem, verify_scanned
from domain.clock import BEIJING, day_of
from domain.ids import NATION, jurisdiction_of
from domain.jurisdictions import known
from domain.refusals import Code, Refusal, Refused
from rules.certificates.certificates import CertificateRules
from services.clock import Clock
from services.counting import Counting
from services.enforcement.register import listed_on_certificates
from services.rate_limits import Limiter, RateLimits
from store.certificates import search as certificate_search
from store.certificates.counts import CertificateCount, add_counts
from store.certificates.register import Registered
from store.certificates.search import NOTHING, Criteria
from store.institutions import ROSTER

log = structlog.get_logger()

PAGE = 20
"""Certificates on one page of the public's search."""

MOST_PAGES = 5
"""Nobody is shown more pages of one search: it finds certificates and does not list them."""

PART = 100
"""Capabilities shown at once of a certificate that was scanned."""

_WAIT = 5.0
_SEARCHES = 4
_SEARCHES_WAITING = 40
_KEPT_CODES = 2_000
_KEPT_CAPABILITIES = 20
_LONGEST_LINE = 50
_AWAY = (SQLAlchemyError, psycopg.Error, OSError)


class Names(NamedTuple):
    """Chinese names by authority, field and industry; what has none is named by its code."""

    authority: Callable[[str], str]
    field: Callable[[str], str]
    industry: Callable[[str], str]


class _Known(NamedTuple):
    """What the register says of a code at an instant: its entry, successor and end of the line.

    ``current`` is None where nothing came after, or where the line leads back to itself.
    """

    found: Registered | None
    successor: str
    current: Registered | None
    at: datetime
    marks: tuple[Mark, ...] = ()


class CertificateEnquiries:
    """Answers the public's questions about certificates, counts them, and sets bounds to them."""

    def __init__(
        self,
        engine: AsyncEngine,
        rules: Callable[[], CertificateRules],
        keys: Callable[[], PublishedKeys],
        authority_name: Callable[[str], str],
        clock: Clock,
        limits: RateLimits,
    ) -> None:
        self._engine = engine
        self._read_rules = rules
        self._keys = keys
        self._authority_name = authority_name
        self._clock = clock
        self._limiter = Limiter(limits)
        self._counts: Counting[CertificateCount] = Counting(engine, add_counts)
        self._rules: CertificateRules | None = None
        self._kept: dict[str, _Known] = {}
        self._free = asyncio.Semaphore(_SEARCHES)
        self._waiting = 0

    async def scan(self, code: str, statement: str | None, part: int, client: str) -> Scan:
        """What is known of a code, and what the signature in its address proves.

        ``statement`` is None where the address has none; ``part`` counts stretches of `PART`
        capabilities from 1. ``code`` has at most 64 printable ASCII characters. Raises Refused:
        asked too often.
        """
        now = self._clock()
        self._limiter.count_client(client, now)
        checked = await self._checked(code, statement)
        proof, fault = proof_of(checked, given=statement is not None)
        live = await self._read(code, part, now)
        known = live or self._kept.get(code)
        told = await self._told(now)
        today = day_of(now)
        found = known.found if known else None
        status = status_on(found.status, found.valid_to, today, found.valid_from) if found else None
        words = scan_words(proof, fault, status, live=live is not None, reached=known is not None)
        genuine = checked if isinstance(checked, Statement) else None
        recorded = found.stated() if found else None
        answer = scan_answer(proof, status, reached=known is not None)
        self._count(now, [found] if found else [], Counted.SCAN, answer.value)
        current = known.current if known else None
        successor = known.successor if known else ""
        parts = -(-found.scope // PART) if found is not None and live is not None else 1
        return Scan(
            code=code,
            answer=answer,
            **words.model_dump(),
            proof=proof,
            proof_says=PROOF_WORDS[proof].format(
                issuer=told.names.authority(genuine.issuer) if genuine else "",
                fault=checked.message if isinstance(checked, StatementProblem) else "",
            ),
            fault=fault,
            paper=_paper(genuine, told.names) if genuine else None,
            certificate=public_part(found, today, told.names, successor) if found else None,
            part=part if live is not None else 1,
            parts=max(1, parts),
            differences=told_differences(genuine, recorded) if genuine and recorded else (),
            current=_current(current, today) if current else None,
            marks=known.marks if known else (),
            live=live is not None,
            known_at=known.at if known else None,
            asked_at=now,
            sources=(told.rules.scan_cite,) if told.rules else (),
        )

    async def search(
        self, criteria: Criteria, page: int, client: str
    ) -> tuple[list[PublicCertificate], bool]:
        """One page of what a search finds, and whether there is more. Raises Refused."""
        now = self._clock()
        self._limiter.count_client(client, now)
        if criteria.number:
            self._limiter.count_number(criteria.number, now, client)
        today = day_of(now)
        async with self._searching(), self._engine.begin() as connection:
            seen = await certificate_search.search(
                connection, criteria, NOTHING, today, skip=(page - 1) * PAGE, size=PAGE + 1
            )
            codes = [one.found.superseded_by for one in seen]
            newer = await certificate_search.numbers_of(connection, codes)
        found = [one.found for one in seen[:PAGE]]
        names = (await self._told(now)).names
        if page == 1:
            answer = SearchAnswer.FOUND if found else SearchAnswer.NOT_FOUND
            self._count(now, found, Counted.SEARCH, answer.value)
        shown = [public_part(one, today, names, newer.get(one.superseded_by, "")) for one in found]
        return shown, len(seen) > PAGE

    async def names(self) -> Names:
        """The names of authorities, fields and industries as the rules have them now."""
        return (await self._told(self._clock())).names

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Adds to the counts from time to time and at the end."""
        async with self._counts.running():
            yield

    async def flush(self) -> None:
        """Adds to the counts what was answered since; what cannot be added now is kept."""
        await self._counts.flush()

    # --- private steps -----------------------------------------------------------------------

    @asynccontextmanager
    async def _searching(self) -> AsyncIterator[None]:
        """Few searches at once, so that scans have connections; none takes longer than it may.

        Raises Refused: too many wait, or the database has given up what was too wide.
        """
        if self._waiting >= _SEARCHES_WAITING:
            raise Refused(Refusal(code=Code.BUSY))
        self._waiting += 1
        try:
            async with self._free:
                yield
        except OperationalError as failure:
            if isinstance(failure.orig, psycopg.errors.QueryCanceled):
                raise Refused(Refusal(code=Code.SEARCH_TOO_WIDE)) from None
            raise
        finally:
            self._waiting -= 1

    async def _checked(
        self, code: str, statement: str | None
    ) -> Statement | StatementProblem | None:
        if statement is None:
            return None
        try:
            keys = await asyncio.to_thread(self._keys)
        except (OSError, ValueError):
            log.exception("published_keys_unreadable")
            return None
        return verify_scanned(f"/c/{code}?s={statement}", keys)

    async def _read(self, code: str, part: int, now: datetime) -> _Known | None:
        """What the register says; None where it cannot be reached in time."""
        try:
            async with asyncio.timeout(_WAIT), self._engine.connect() as connection:
                found = await certificate_search.scanned(connection, code, (part - 1) * PART, PART)
                line = await _line(connection, found) if found else []
                marks = await _marks(connection, found, now) if found else ()
        except (DataError, ProgrammingError):
            raise
        except _AWAY:
            # nothing of what was asked may stand in the log
            log.error("register_unreachable", exc_info=True)
            return None
        successor = line[0].number if line else ""
        current = line[-1] if line and not line[-1].superseded_by else None
        known = _Known(found, successor, current, now, marks)
        self._keep(code, known)
        return known

    def _keep(self, code: str, known: _Known) -> None:
        self._kept.pop(code, None)
        if known.found is None:
            return
        content = known.found.content
        if content is not None:
            few = content.capabilities[:_KEPT_CAPABILITIES]
            content = content.model_copy(update={"capabilities": few})
        found = known.found.model_copy(update={"content": content})
        self._kept[code] = known._replace(found=found)
        while len(self._kept) > _KEPT_CODES:
            del self._kept[next(iter(self._kept))]

    async def _told(self, now: datetime) -> "_Told":
        """Names and sources; while the rules cannot be read, those known so far."""
        try:
            self._rules = await asyncio.to_thread(self._read_rules)
        except Exception:
            log.exception("certificate_rules_unreadable")
        rules = self._rules
        if rules is None:
            return _Told(Names(self._authority_name, str, str), None)
        return _Told(
            Names(
                self._authority_name,
                lambda code: rules.field_name(code) or code,
                lambda code: rules.industry_name(code) or code,
            ),
            rules,
        )

    def _count(
        self, now: datetime, found: Sequence[Registered], what: Counted, answer: str
    ) -> None:
        provinces = {province_of(one.issuer) for one in found}
        province = provinces.pop() if len(provinces) == 1 else NATION
        month = f"{now.astimezone(BEIJING):%Y-%m}"
        self._counts.count(CertificateCount(month, province, what, answer))


async def _marks(connection: AsyncConnection, found: Registered, now: datetime) -> tuple[Mark, ...]:
    """What the rules have shown of the holder's measures in force."""
    return tuple(
        Mark(label=one.label, since=day_of(one.effective_at), cite=one.cite)
        for one in await listed_on_certificates(connection, found.institution_id, now)
    )


class _Told(NamedTuple):
    names: Names
    rules: CertificateRules | None


def public_part(
    found: Registered, today: date, names: Names, superseded_by: str
) -> PublicCertificate:
    """What anybody may know of an entry of the register: the one place that decides it.

    ``superseded_by`` is the successor's number. Of the capabilities, those that ``found`` has.
    """
    status = status_on(found.status, found.valid_to, today, found.valid_from)
    standing = (CertificateStatus.VALID, CertificateStatus.NOT_YET_VALID)
    claimed = found.origin == ROSTER and status in standing
    content = found.content
    return PublicCertificate(
        number=found.number,
        code="" if claimed else found.code,
        holder=found.holder,
        uscc=found.uscc,
        address=content.address if content else "",
        issuer=found.issuer,
        issuer_name=names.authority(found.issuer),
        level=found.level,
        field=found.field,
        field_label=names.field(found.field),
        industry=found.industry,
        industry_label=names.industry(found.industry),
        valid_from=found.valid_from,
        valid_to=found.valid_to,
        status=Unverified.UNVERIFIED if claimed else status,
        status_label=UNVERIFIED_LABEL if claimed else CERTIFICATE_STATUS_LABELS[status],
        since=None if claimed else _since(found, status),
        ended_on=found.ended_on,
        document=found.document,
        superseded_by=superseded_by,
        holder_now=_holder_now(found),
        capabilities=content.capabilities if content else (),
        capabilities_total=found.scope,
    )


def _holder_now(found: Registered) -> HolderNow | None:
    if found.uscc_now is None:
        return None
    return HolderNow(name=found.institution_name, uscc=found.uscc_now)


def province_of(issuer: str) -> str:
    """The province whose authority issued, ``000000`` for the nation's."""
    return known().province(jurisdiction_of(issuer))


def _since(found: Registered, status: CertificateStatus) -> date | None:
    if status in (CertificateStatus.VALID, CertificateStatus.NOT_YET_VALID):
        return found.valid_from
    if status is CertificateStatus.EXPIRED:
        return found.valid_to + timedelta(days=1)
    return found.ended_on


async def _line(connection: AsyncConnection, found: Registered) -> list[Registered]:
    """The certificates that replaced it one after the other; it breaks off before a repetition."""
    seen, at, line = {found.code}, found, list[Registered]()
    while at.superseded_by and at.superseded_by not in seen and len(line) < _LONGEST_LINE:
        seen.add(at.superseded_by)
        newer = await certificate_search.scanned(connection, at.superseded_by, 0, 1)
        if newer is None:
            break
        line.append(newer)
        at = newer
    return line


def _paper(statement: Statement, names: Names) -> Paper:
    return Paper(
        number=statement.number,
        holder=statement.holder + ("…" if statement.holder_sha256 else ""),
        issuer=statement.issuer,
        issuer_name=names.authority(statement.issuer),
        issued_on=statement.issued_on,
        valid_from=statement.valid_from,
        valid_to=statement.valid_to,
        signed_on=statement.signed_on,
    )


def _current(found: Registered, today: date) -> Current:
    status = status_on(found.status, found.valid_to, today, found.valid_from)
    return Current(
        number=found.number,
        code=found.code,
        status=status,
        status_label=CERTIFICATE_STATUS_LABELS[status],
    )
