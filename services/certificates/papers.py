"""Certificates on paper: what of the register is to be printed, one or many at once."""

from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from domain.case.plan import FOREVER
from domain.certificates.certificate import CertificateStatus, status_on
from domain.certificates.statement import certificate_url
from domain.clock import first_instant, first_instant_after
from domain.messages import explain
from domain.refusals import Code, Refusal, Refused
from printing.job import LeftOut, Paper
from services.case_records import Case
from services.clock import Clock
from store.certificates import register
from store.certificates.register import Registered

MOST_PAPERS = 50
"""So many certificates are printed by one request, or"""
MOST_LINES = 5000
"""as many as have together so many lines in their annexes: some five seconds of typesetting."""


class Batch(NamedTuple):
    """Certificates to print together; ``next`` is the number to go on after, "" at the end."""

    papers: tuple[Paper, ...]
    left_out: tuple[LeftOut, ...]
    next: str


class PaperService:
    """Makes of certificates on record what is to be printed. ``site`` is where QR codes lead."""

    def __init__(
        self,
        engine: AsyncEngine,
        site: str,
        authority_name: Callable[[str], str],
        clock: Clock,
    ) -> None:
        self._engine = engine
        self._site = site
        self._authority_name = authority_name
        self._clock = clock

    async def of_case(self, case: Case) -> Paper:
        """A case's certificate as it is now. Raises Refused: not issued, not signed."""
        async with self._engine.connect() as connection:
            entry = await register.by_case(connection, case.case_id, whole=True)
            if entry is None:
                raise Refused(Refusal(code=Code.NO_CERTIFICATE))
            [paper] = await self._papers(connection, [entry])
        if isinstance(paper, Refusal):
            raise Refused(paper)
        return paper

    async def named(self, issuer: str, numbers: Sequence[str], after: str) -> Batch:
        """The next certificates of an issuer among those with these numbers. Raises Refused."""
        wanted = sorted({number for number in numbers if number > after})[: MOST_PAPERS + 1]
        async with self._engine.connect() as connection:
            known = await register.sizes(connection, wanted)
            sizes = [(number, known.get(number, 0)) for number in wanted]
            return await self._batch(connection, issuer, sizes)

    async def issued_between(self, issuer: str, first: date, last: date, after: str) -> Batch:
        """The next certificates an authority issued between two days. Raises Refused."""
        async with self._engine.connect() as connection:
            sizes = await register.issued_between(
                connection, issuer, first, last, after, MOST_PAPERS + 1
            )
            return await self._batch(connection, issuer, sizes)

    # --- private steps -----------------------------------------------------------------------

    async def _batch(
        self, connection: AsyncConnection, issuer: str, sizes: Sequence[tuple[str, int]]
    ) -> Batch:
        page = _page(sizes)
        if not page:
            raise Refused(Refusal(code=Code.NOT_FOUND, params={"what": "要打印的证书"}))
        on_record = await register.by_numbers(connection, page, whole=True)
        ours = [entry for entry in on_record if entry.issuer == issuer]
        papers = await self._papers(connection, ours)
        left_out = [*self._not_ours(page, on_record, issuer), *_not_printable(ours, papers)]
        return Batch(
            papers=tuple(paper for paper in papers if isinstance(paper, Paper)),
            left_out=tuple(sorted(left_out, key=lambda left: left.number)),
            next=page[-1] if len(page) < len(sizes) else "",
        )

    async def _papers(
        self, connection: AsyncConnection, entries: Sequence[Registered]
    ) -> list[Paper | Refusal]:
        changed = await register.changed_at(connection, [entry.number for entry in entries])
        today = self._clock().astimezone(FOREVER.tzinfo).date()
        return [
            _paper_of(
                entry,
                changed[entry.number],
                self._site,
                self._authority_name(entry.issuer),
                today,
            )
            for entry in entries
        ]

    def _not_ours(
        self, page: Sequence[str], on_record: Sequence[Registered], issuer: str
    ) -> list[LeftOut]:
        """Those that are not on record, and those that other authorities have issued."""
        known = {entry.number: entry for entry in on_record}
        refused = []
        for number in page:
            entry = known.get(number)
            if entry is None:
                refused.append((number, Refusal(code=Code.NOT_FOUND, params={"what": "这张证书"})))
            elif entry.issuer != issuer:
                name = self._authority_name(entry.issuer)
                params = {"what": f"证书 {number} ", "authority": name}
                refused.append((number, Refusal(code=Code.OTHER_ISSUER, params=params)))
        return [_left_out(number, refusal) for number, refusal in refused]


def _page(sizes: Sequence[tuple[str, int]]) -> list[str]:
    """The numbers to print now: up to `MOST_PAPERS`, fewer where annexes are long, at least one."""
    page: list[str] = []
    lines = 0
    for number, size in sizes[:MOST_PAPERS]:
        lines += size
        if page and lines > MOST_LINES:
            break
        page.append(number)
    return page


def _not_printable(
    entries: Sequence[Registered], papers: Sequence[Paper | Refusal]
) -> list[LeftOut]:
    return [
        _left_out(entry.number, paper)
        for entry, paper in zip(entries, papers, strict=True)
        if isinstance(paper, Refusal)
    ]


def _left_out(number: str, refusal: Refusal) -> LeftOut:
    words = explain(refusal)
    return LeftOut(number=number, code=refusal.code, reason=words.detail + words.remedy)


def _paper_of(
    entry: Registered, changed_at: datetime, site: str, issuer_name: str, today: date
) -> Paper | Refusal:
    """A certificate of the register as it is to be printed today, or why it cannot be.

    The moment on the paper is the last change on record, or the beginning or the end of its
    validity: the same paper comes out until something is different.
    """
    try:
        certificate = entry.certificate()
    except Refused as refused:
        return refused.refusal
    if certificate is None:
        return Refusal(code=Code.CONTENT_NOT_ON_RECORD, params={"number": entry.number})
    if not entry.statement:
        return Refusal(code=Code.NOT_SIGNED, params={"number": entry.number})
    match status_on(entry.status, entry.valid_to, today):
        case CertificateStatus.EXPIRED:
            changed_at = max(changed_at, first_instant_after(entry.valid_to))
        case CertificateStatus.VALID if certificate.valid_from <= today:
            changed_at = max(changed_at, first_instant(certificate.valid_from))
    return Paper(
        certificate=certificate,
        issuer_name=issuer_name,
        url=certificate_url(site, entry.code, entry.statement),
        timestamp=changed_at,
        status_since=entry.ended_on,
    )
