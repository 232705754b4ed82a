"""Searching the register for people who are signed in: their own in full, others' public part."""

from collections.abc import Sequence
from datetime import date

from sqlalchemy.ext.asyncio import AsyncEngine

from domain.certificates.public import Counted
from store import institutions
from store.certificates import counts, search
from store.certificates.register import Registered as Registered
from store.certificates.register import Signatories as Signatories
from store.certificates.search import Criteria as Criteria
from store.certificates.search import Seen as Seen
from store.certificates.search import Sight as Sight


class CertificateSearch:
    """Finds certificates within somebody's sight."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def search(
        self, criteria: Criteria, sight: Sight, today: date, after: str, size: int, *, own: bool
    ) -> list[Seen]:
        """Up to ``size`` certificates with numbers after ``after``, by number.

        ``own`` finds only those that are seen in full.
        """
        async with self._engine.begin() as connection:
            return await search.search(
                connection, criteria, sight, today, after=after, size=size, own=own
            )

    async def newer(self, seen: Sequence[Seen]) -> dict[str, str]:
        """The numbers of what came after these certificates, by code."""
        async with self._engine.connect() as connection:
            return await search.numbers_of(
                connection, [certificate.found.superseded_by for certificate in seen]
            )

    async def in_full(self, number: str, sight: Sight) -> Seen | None:
        """One certificate with its whole content, None if there is none with this number."""
        async with self._engine.connect() as connection:
            return await search.in_full(connection, number, sight)

    async def parents_of(self, uscc: str) -> list[str]:
        """The units that the certificates of a USCC name as those it belongs to."""
        async with self._engine.connect() as connection:
            return await search.parents_of(connection, uscc)

    async def has_uscc(self, institution: str, uscc: str, sight: Sight, today: date) -> bool:
        """Whether a USCC is an institution's, by the register or by one of its certificates."""
        async with self._engine.connect() as connection:
            known = await institutions.by_ids(connection, [institution])
        if uscc in {institution.uscc for institution in known.values()}:
            return True
        return bool(await self.search(Criteria(uscc=uscc), sight, today, "", 1, own=True))

    async def counts(
        self,
        first: str,
        last: str,
        within: str,
        after: tuple[str, str, str] | None,
        size: int,
    ) -> list[tuple[str, str, Counted, dict[str, int]]]:
        """How often the public was answered, as `store.certificates.counts.counts` has it."""
        async with self._engine.connect() as connection:
            return await counts.counts(connection, first, last, within, after, size)
