"""The register of institutions, as it is looked up; rosters come in by `services.roster`."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncEngine

from domain.refusals import Code, Refusal, Refused
from store import institutions, journal
from store.institutions import Institution as Institution
from store.institutions import OnRecord as OnRecord


class Holder(NamedTuple):
    """An institution with all its certificates, ended ones included."""

    institution: Institution
    certificates: Sequence[OnRecord]


class InstitutionService:
    """Looks institutions up."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def find(self, id_: str) -> tuple[Institution, frozenset[str]]:
        """An institution and the authorities that have ever had a case of it.

        Raises Refused when it is not on record.
        """
        async with self._engine.connect() as connection:
            known = await institutions.by_ids(connection, [id_])
            # asked for one that is not there as well: how long an answer takes tells nothing
            involved = await journal.involved_with_institution(connection, id_)
            if id_ not in known:
                params = {"institution": id_}
                raise Refused(Refusal(code=Code.UNKNOWN_INSTITUTION, params=params))
            return known[id_], involved

    async def holder(self, id_: str) -> Holder:
        """An institution on record with its certificates."""
        async with self._engine.connect() as connection:
            known = await institutions.by_ids(connection, [id_])
            owned = await institutions.certificates_of(connection, [id_])
        return Holder(known[id_], owned[id_])

    async def holders(
        self, after: str, size: int, within: str, region: str = "", name: str = ""
    ) -> list[Holder]:
        """Up to ``size`` institutions with ids after ``after``, as `store.institutions.page`."""
        async with self._engine.connect() as connection:
            known = await institutions.page(connection, after, size, within, region, name)
            owned = await institutions.certificates_of(
                connection, [institution.facts.id for institution in known]
            )
        return [Holder(institution, owned[institution.facts.id]) for institution in known]


def refuse_merged(institution: Institution) -> None:
    """Raises Refused for an institution that was merged: its survivor acts."""
    if institution.merged_into:
        params = {"institution": institution.facts.id, "into": institution.merged_into}
        raise Refused(Refusal(code=Code.INSTITUTION_MERGED, params=params))
