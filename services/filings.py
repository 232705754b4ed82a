"""Annual filings: acting on them, starting one that is asked for."""

from typing import Any, NamedTuple

from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client

from domain.case.commands import Actor
from domain.filing.parts import parts_to_file
from domain.ids import filing_id
from domain.numbers.quarters import Period
from domain.refusals import Code, Refusal, Refused
from rules.compiled import CompiledRules
from services import legal_persons
from services.campaigns.launch import Amended, Annulled, begin_one
from services.campaigns.lookup import campaign_for
from services.cases import CaseService
from services.clock import Clock
from services.institutions import refuse_merged
from services.rule_sets import PinnedRules
from services.sight import judging
from services.starts import filing_start
from store import cases, institutions
from store.cases import Case


class Due(NamedTuple):
    """The rules a filing runs on, the parts that are to be filed now, and the institution."""

    rules: CompiledRules
    parts: tuple[str, ...]
    institution: institutions.Institution | None


class FilingService(CaseService):
    """Everything the outside can do with annual filings."""

    def __init__(
        self, client: Client, engine: AsyncEngine, pinned: PinnedRules, clock: Clock
    ) -> None:
        super().__init__(client, engine, clock)
        self._pinned = pinned

    async def ask_for(self, year: int, institution_id: str, actor: Actor) -> str:
        """Starts the filing of an institution that asks for it; returns the case's id.

        Raises Refused when there is no campaign, no such institution, or no place for it.
        """
        case_id = filing_id(year, institution_id)
        async with self._engine.connect() as connection:
            found = await institutions.by_ids(connection, [institution_id])
            if institution_id not in found:
                raise Refused(
                    Refusal(code=Code.UNKNOWN_INSTITUTION, params={"institution": institution_id})
                )
            refuse_merged(found[institution_id])
            facts = found[institution_id].facts_for(None)
            campaign, sha256 = await self._campaign_for(connection, year, facts.institution.region)
            standing = await cases.by_id(connection, case_id)
            anew = await cases.annulled_before(connection, [case_id], campaign)
            if standing is not None and not anew:
                params = {"institution": institution_id, "year": str(year)}
                raise Refused(Refusal(code=Code.FILING_EXISTS, params=params))
        rules = await self._pinned.get(sha256)
        async with judging(self._engine) as connection:
            beside = await legal_persons.beside(connection, rules, found[institution_id])
        if beside.refusal is not None:
            raise Refused(beside.refusal)
        obligation = rules.obligation(facts)
        if obligation.outcome == "none":
            params = {"institution": institution_id}
            raise Refused(Refusal(code=Code.NOT_IN_STATISTICS, params=params, cite=obligation.cite))
        start = filing_start(year, campaign, rules, facts, self._clock()).model_copy(
            update={"requested_by": actor}
        )
        last = start.opening.plan.supplement or start.opening.plan.fill
        if obligation.outcome == "may" and self._clock() >= last.closes:
            # whoever need not file must not be made late by asking
            raise Refused(Refusal(code=Code.VOLUNTARY_CLOSED, cite=last.cite, at=last.closes))
        try:
            begun = await begin_one(self._engine, self._client, start, self._clock())
        except Amended:
            # planned under rules that have been amended meanwhile: planned anew
            return await self.ask_for(year, institution_id, actor)
        except Annulled:
            params = {"year": str(year), "jurisdiction": facts.institution.region}
            raise Refused(Refusal(code=Code.CAMPAIGN_ANNULLED, params=params)) from None
        if not begun:
            params = {"institution": institution_id, "year": str(year)}
            raise Refused(Refusal(code=Code.FILING_EXISTS, params=params))
        return case_id

    async def due_of(self, case: Case) -> Due:
        """What has to be filed, by the institution as it is on record now."""
        async with self._engine.connect() as connection:
            known = await institutions.by_ids(connection, [case.institution_id])
        rules = await self._pinned.get(case.rule_set)
        institution = known.get(case.institution_id)
        if institution is None:
            return Due(rules, case.plan.parts, None)
        required = [part.id for part in rules.parts(institution.facts_for(None))]
        return Due(rules, parts_to_file(case.plan.parts, required), institution)

    # --- private steps -----------------------------------------------------------------------

    async def _campaign_for(self, connection: Any, year: int, region: str) -> tuple[str, str]:
        """The campaign an institution belongs to and the rule set it pins for its region."""
        found = await campaign_for(connection, self._pinned, Period(year), region)
        if found is None:
            params = {"year": str(year), "jurisdiction": region}
            raise Refused(Refusal(code=Code.CAMPAIGN_NOT_FOUND, params=params))
        return found
