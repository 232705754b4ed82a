"""The quality check's samples: drawn by the rules from a seed that was committed to before.

A draw is one transaction: who took part, who was drawn, the seed that is shown from then on, the
campaign's step in the journal, the next seed's commitment, and two jobs that tell every filing.
"""

import hashlib
import secrets
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from temporalio.client import Client

from domain.canonical import sha256_of
from domain.case.commands import Actor, Role
from domain.case.events import Step
from domain.filing.kind import FILING
from domain.ids import campaign_id
from domain.jobs import JobAction, JobOrder
from domain.jurisdictions import Tree
from domain.model import Value
from domain.numbers.quarters import Period
from domain.refusals import Code, Refusal, Refused
from domain.sampling import Sampling, commitment, draw
from engine.client import translated
from services.clock import Clock
from services.jobs import start_job
from services.rule_sets import PinnedRules
from store import campaigns, jobs, journal, samples
from store.jobs import NewJob, Selection
from store.samples import Candidate, SampledCase

SAMPLE_DRAWN = "sample_drawn"


class DrawShown(Value):
    """One draw of a campaign.

    ``commitment`` is the SHA-256 of the seed, on record before anything was drawn by it; ``seed``
    is empty until then. Of ``filings`` that took part ``drawn`` were drawn.
    """

    number: int
    commitment: str
    committed_at: datetime
    seed: str
    drawn_at: datetime | None
    filings: int
    drawn: int


class SampleShown(Value):
    """The draws of a campaign; ``waiting`` approved filings are to be drawn among next."""

    period: str
    jurisdiction: str
    draws: tuple[DrawShown, ...]
    waiting: int


class DrawnAgain(Value):
    """A draw with all that took part, and whether drawing again by its rules comes to the same."""

    number: int
    seed: str
    commitment: str
    rules: dict[str, Sampling]
    filings: tuple[SampledCase, ...]
    same: bool


async def commit_to_seed(
    connection: AsyncConnection, campaign: str, opening: int, at: datetime
) -> str:
    """Makes the seed of a campaign's next draw and keeps it; returns its commitment."""
    seed = secrets.token_hex(32)
    await samples.commit(connection, campaign, opening, seed, at)
    return commitment(seed)


class SampleService:
    """Draws samples, and draws them again."""

    def __init__(
        self, client: Client, engine: AsyncEngine, pinned: PinnedRules, clock: Clock
    ) -> None:
        self._client = client
        self._engine = engine
        self._pinned = pinned
        self._clock = clock

    async def draw(
        self, period: Period, jurisdiction: str, actor: Actor, command_id: str
    ) -> SampleShown:
        """Draws among the approved filings that wait for it; the same key again draws no more.

        Raises Refused: not opened, annulled, no sampling in its rules, or nothing waits.
        """
        campaign = campaign_id(period, jurisdiction)
        now = self._clock()
        async with self._engine.begin() as connection:
            await self._opened(connection, period, jurisdiction)
            await journal.lock(connection, campaign)
            recorded = await journal.by_command(connection, campaign, command_id)
            if recorded is None:
                begun = await self._draw(connection, campaign, actor, command_id, now)
            elif recorded.event == SAMPLE_DRAWN:
                # the jobs are on record with the draw: a worker starts those that nobody started
                begun = []
            else:
                raise Refused(Refusal(code=Code.KEY_REUSED))
        for job in begun:
            async with translated():
                await start_job(self._client, job)
        return await self.show(period, jurisdiction)

    async def show(self, period: Period, jurisdiction: str) -> SampleShown:
        """The draws of a campaign. Raises Refused when it has not been opened."""
        campaign = campaign_id(period, jurisdiction)
        async with self._engine.connect() as connection:
            await self._opened(connection, period, jurisdiction)
            shown = []
            for one in await samples.draws(connection, campaign):
                sampled = await samples.sampled(connection, campaign, one.number)
                shown.append(
                    DrawShown(
                        number=one.number,
                        commitment=commitment(one.seed),
                        committed_at=one.committed_at,
                        seed=one.seed if one.drawn_at else "",
                        drawn_at=one.drawn_at,
                        filings=len(sampled),
                        drawn=sum(case.drawn for case in sampled),
                    )
                )
            waiting = await samples.candidates(connection, campaign, self._clock())
        return SampleShown(
            period=str(period),
            jurisdiction=jurisdiction,
            draws=tuple(shown),
            waiting=len(waiting),
        )

    async def again(self, period: Period, jurisdiction: str, number: int) -> DrawnAgain:
        """A draw with all its filings, drawn once more. Raises Refused for one not drawn yet."""
        campaign = campaign_id(period, jurisdiction)
        async with self._engine.connect() as connection:
            await self._opened(connection, period, jurisdiction)
            drawn = [one for one in await samples.draws(connection, campaign) if one.drawn_at]
            of_number = next((one for one in drawn if one.number == number), None)
            if of_number is None:
                what = f"{campaign} 第 {number} 次抽样"
                raise Refused(Refusal(code=Code.NOT_FOUND, params={"what": what}))
            sampled = await samples.sampled(connection, campaign, number)
        rules = {}
        for sha256 in sorted({one.rule_set for one in sampled}):
            sample = (await self._pinned.get(sha256)).sample
            assert sample is not None
            rules[sha256] = sample
        redrawn = drawn_of(rules, of_number.seed, sampled)
        return DrawnAgain(
            number=number,
            seed=of_number.seed,
            commitment=commitment(of_number.seed),
            rules=rules,
            filings=tuple(sampled),
            same=redrawn == {one.case_id for one in sampled if one.drawn},
        )

    # --- private steps -----------------------------------------------------------------------

    async def _opened(self, connection: AsyncConnection, period: Period, jurisdiction: str) -> None:
        campaign = await campaigns.by_id(connection, campaign_id(period, jurisdiction))
        asked = {"year": str(period), "jurisdiction": jurisdiction}
        if campaign is None:
            raise Refused(Refusal(code=Code.CAMPAIGN_NOT_FOUND, params=asked))
        if campaign.annulled_at is not None:
            raise Refused(Refusal(code=Code.CAMPAIGN_ANNULLED, params=asked))

    async def _draw(
        self,
        connection: AsyncConnection,
        campaign: str,
        actor: Actor,
        command_id: str,
        now: datetime,
    ) -> list[str]:
        """Draws and puts it on record; returns the jobs that tell the filings."""
        to_come = [one for one in await samples.draws(connection, campaign) if not one.drawn_at]
        waiting = await samples.candidates(connection, campaign, now)
        if not to_come or not waiting:
            raise Refused(Refusal(code=Code.NOTHING_TO_DRAW))
        [this] = to_come
        opened = await campaigns.by_id(connection, campaign)
        assert opened is not None
        tree = (await self._pinned.get(opened.rule_set)).document.tree
        took_part = [
            SampledCase(
                case_id=one.case_id, rule_set=one.rule_set, stratum=_stratum(tree, one), drawn=False
            )
            for one in waiting
        ]
        rules = {one.rule_set: one.rule for one in waiting}
        drawn = drawn_of(rules, this.seed, took_part)
        sampled = [one.model_copy(update={"drawn": one.case_id in drawn}) for one in took_part]
        await samples.keep(connection, campaign, this.number, sampled, now)
        following = await commit_to_seed(connection, campaign, opened.opening, now)
        step = await journal.append_operator_step(
            connection,
            campaign,
            SAMPLE_DRAWN,
            actor,
            now,
            {
                "draw": this.number,
                "seed": this.seed,
                "commitment": commitment(this.seed),
                "next_commitment": following,
                "filings": len(sampled),
                "drawn": len(drawn),
                "filings_sha256": sha256_of(
                    [[one.case_id, one.rule_set, one.stratum] for one in sampled]
                ),
                "drawn_sha256": sha256_of(sorted(drawn)),
            },
            command_id,
        )
        begun = []
        for is_drawn, job in zip((True, False), _jobs_of(step), strict=True):
            ids = tuple(one.case_id for one in sampled if one.drawn is is_drawn)
            if ids:
                order = _order(opened.jurisdiction, this.number, drawn=is_drawn)
                new = NewJob(id=job, about=campaign, order=order, asked_sha256="")
                selection = Selection(kind=FILING.name, ids=ids)
                await jobs.add(connection, new, selection, "", now)
                begun.append(job)
        return begun


def drawn_of(rules: dict[str, Sampling], seed: str, sampled: Sequence[SampledCase]) -> set[str]:
    """Who is drawn of those that took part, each among those of its own rule set."""
    return {
        case_id
        for rule_set, rule in rules.items()
        for case_id in draw(
            rule, seed, {one.case_id: one.stratum for one in sampled if one.rule_set == rule_set}
        )
    }


def _stratum(tree: Tree, one: Candidate) -> str:
    match one.rule.strata:
        case "all":
            return ""
        case "authority":
            return one.reviewer
        case level:
            return tree.at_level(one.region, level) or one.region


def _jobs_of(step: Step) -> list[str]:
    """The ids of the jobs that tell the drawn of a draw, and the others."""
    return [
        hashlib.sha256(f"{step.hash}\n{which}".encode()).hexdigest()[:32]
        for which in ("drawn", "not drawn")
    ]


def _order(jurisdiction: str, number: int, *, drawn: bool) -> JobOrder:
    # nobody chooses who is drawn: the system tells each filing, for whoever may see the campaign
    by_lot = Actor(subject="system", role=Role.SYSTEM, scope=jurisdiction)
    return JobOrder(action=JobAction.DRAW, actor=by_lot, details={"draw": number, "drawn": drawn})
