"""Closing a campaign: its summary is sealed, can be made again, and shows what came after."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from domain.canonical import canonical_json, sha256_of
from domain.case.commands import Actor
from domain.case.plan import FOREVER, WINDOWS
from domain.case.status import ENDED, Status
from domain.ids import campaign_id
from domain.model import Value
from domain.numbers.quarters import Period
from domain.refusals import Code, Refusal, Refused
from domain.summaries import TOTAL, Cells, Summing, suppressed, table
from services.campaigns.considering import windows_of
from services.campaigns.forecast import area_below
from services.checkpoints import Sealing
from services.clock import Clock
from services.rule_sets import PinnedRules
from store import campaigns, checkpoints, content, journal, summaries
from store.campaigns import Campaign

CAMPAIGN_CLOSED = "campaign_closed"


class Late(Value):
    """A filing that has moved since the summary was sealed: where it stood, and stands now.

    ``sealed`` is empty for one that came on record afterwards.
    """

    id: str
    sealed: str
    now: str
    sequence: int


class SealedBy(Value):
    """The signed checkpoint that seals a closing: its number and hash, and the key's id."""

    number: int
    sha256: str
    key: str
    made_at: datetime


class SummaryShown(Value):
    """A sealed summary, and whether it is what the journal says.

    ``sha256`` is of the ``document`` as canonical JSON; ``intact``: the journal's step of the
    closing has the same one; ``reproduced``: the journal's steps come to the same document.
    ``checkpoint`` is the first signed one over that step, None while nobody with a key made one.
    """

    sha256: str
    sealed_at: datetime
    intact: bool
    reproduced: bool
    checkpoint: SealedBy | None
    since: tuple[Late, ...]
    document: dict[str, Any]


class Published(Value):
    """A closed campaign's totals by area; None is withheld, to give no single institution away.

    ``fewest`` is the least number that is shown, by the rules; 0 is shown.
    """

    period: str
    jurisdiction: str
    sealed_at: datetime
    fewest: int
    names: dict[str, str]
    rows: dict[str, dict[str, int | None]]


async def summed_up(
    connection: AsyncConnection,
    campaign: str,
    sealed_at: str,
    up_to: dict[str, int] | None = None,
    own_up_to: int | None = None,
) -> dict[str, Any]:
    """A campaign's summary out of the journal alone.

    ``up_to`` are the last steps that count of each filing, ``own_up_to`` of the campaign itself;
    None: all there are.
    """
    own = await journal.steps(connection, campaign)
    ids = await summaries.filings(connection, campaign)
    if up_to is not None:
        ids = [one for one in ids if one in up_to]
    summing = Summing()
    async for steps in summaries.histories(connection, ids):
        last = len(steps) if up_to is None else up_to[steps[0].case_id]
        summing.add(steps[:last])
    return summing.document(own[:own_up_to], sealed_at)


class ClosingService:
    """Closes campaigns, and shows and publishes what they came to."""

    def __init__(
        self,
        engine: AsyncEngine,
        pinned: PinnedRules,
        names: Mapping[str, str],
        sealing: Sealing,
        clock: Clock,
    ) -> None:
        self._engine = engine
        self._sealing = sealing
        self._pinned = pinned
        self._names = names
        self._clock = clock

    async def close(
        self,
        period: Period,
        jurisdiction: str,
        actor: Actor,
        command_id: str,
        *,
        unfinished: bool = False,
        reason: str = "",
    ) -> SummaryShown:
        """Seals the summary of a year that is over; closing it again changes nothing of it.

        With a signing key at hand a checkpoint is made over it, unless there is one. Filings that
        have not ended are sealed as they are, ``unfinished``, with a reason. Raises Refused: not
        opened, annulled, a quarter's, a window still open, or filings unfinished.
        """
        now = self._clock()
        async with self._engine.begin() as connection:
            # of two that close it, the second finds it closed
            await journal.lock(connection, campaign_id(period, jurisdiction))
            campaign = await self._opened(connection, period, jurisdiction)
            if campaign.closed_at is None:
                await self._may_close(campaign, now)
                note = await self._unfinished(connection, campaign, reason if unfinished else None)
                await self._seal(connection, campaign, actor, command_id, now, note)
        shown = await self.show(period, jurisdiction)
        if shown.checkpoint is not None or not self._sealing.can_sign():
            return shown
        await self._sealing.seal(actor)
        return await self.show(period, jurisdiction)

    async def show(self, period: Period, jurisdiction: str) -> SummaryShown:
        """The sealed summary, made again from the journal. Raises Refused when it is not closed."""
        async with self._engine.connect() as connection:
            campaign = await self._opened(connection, period, jurisdiction)
            sealed = await summaries.sealed(connection, campaign.case_id)
            if sealed is None:
                raise Refused(_not_closed(period, jurisdiction))
            document: dict[str, Any] = json.loads(sealed.document)
            up_to = {one["id"]: one["sequence"] for one in document["filings"]}
            stood = {one["id"]: one["status"] for one in document["filings"]}
            again = await summed_up(
                connection,
                campaign.case_id,
                document["sealed_at"],
                up_to,
                document["sequence"],
            )
            steps = await journal.steps(connection, campaign.case_id)
            closing = [step for step in steps if step.event == CAMPAIGN_CLOSED][-1]
            moved = await summaries.moved_since(connection, campaign.case_id, up_to)
            over = await checkpoints.first_signed_over(
                connection, campaign.case_id, closing.sequence
            )
        return SummaryShown(
            sha256=sealed.sha256,
            sealed_at=sealed.sealed_at,
            intact=closing.body["sha256"] == sealed.sha256 == sha256_of(document),
            reproduced=again == document,
            checkpoint=SealedBy(**over.model_dump(include=set(SealedBy.model_fields)))
            if over is not None
            else None,
            since=tuple(
                Late(id=id_, sealed=stood.get(id_, ""), now=status, sequence=sequence)
                for id_, status, sequence in moved
            ),
            document=document,
        )

    async def published(self, period: Period, jurisdiction: str) -> Published:
        """What may be published of a closed campaign. Raises Refused: not closed, or no rule."""
        async with self._engine.connect() as connection:
            campaign = await self._opened(connection, period, jurisdiction)
            sealed = await summaries.sealed(connection, campaign.case_id)
        rules = await self._pinned.get(campaign.rule_set)
        rule = rules.document.filing.publication
        if sealed is None or rule is None:
            raise Refused(_not_closed(period, jurisdiction))
        by_area: dict[str, list[dict[str, int]]] = {}
        for region, counts in json.loads(sealed.document)["by_region"].items():
            area = area_below(rules.document.tree, jurisdiction, region)
            by_area.setdefault(area, []).append(counts)
        cells: Cells = table(by_area)
        withheld = suppressed(cells, rule.fewest)
        return Published(
            period=str(period),
            jurisdiction=jurisdiction,
            sealed_at=sealed.sealed_at,
            fewest=rule.fewest,
            names={area: self._names.get(area, area) for area in cells if area != TOTAL},
            rows={
                row: {
                    column: None if (row, column) in withheld else number
                    for column, number in columns.items()
                }
                for row, columns in cells.items()
            },
        )

    # --- private steps -----------------------------------------------------------------------

    async def _opened(
        self, connection: AsyncConnection, period: Period, jurisdiction: str
    ) -> Campaign:
        campaign = await campaigns.by_id(connection, campaign_id(period, jurisdiction))
        asked = {"year": str(period), "jurisdiction": jurisdiction}
        if campaign is None:
            raise Refused(Refusal(code=Code.CAMPAIGN_NOT_FOUND, params=asked))
        if campaign.annulled_at is not None:
            raise Refused(Refusal(code=Code.CAMPAIGN_ANNULLED, params=asked))
        return campaign

    async def _may_close(self, campaign: Campaign, now: datetime) -> None:
        """Raises Refused for a quarter, and while anybody's window is open."""
        period = Period(campaign.year, campaign.quarter)
        if period.quarter:
            raise Refused(Refusal(code=Code.QUARTER_NOT_CLOSED, params={"year": str(period)}))
        for sha256 in campaign.rule_sets.values():
            for name, window in windows_of(await self._pinned.get(sha256), period).items():
                if now < window.closes < FOREVER:
                    params = {"year": str(period), "window": WINDOWS[name].label}
                    raise Refused(
                        Refusal(
                            code=Code.CAMPAIGN_NOT_OVER,
                            params=params,
                            cite=window.cite,
                            at=window.closes,
                        )
                    )

    async def _unfinished(
        self, connection: AsyncConnection, campaign: Campaign, reason: str | None
    ) -> str:
        """Keeps why a campaign is closed with filings unfinished. Raises Refused without."""
        ended = [status.value for status in (*ENDED, Status.WITHDRAWN)]
        number = await summaries.unfinished(connection, campaign.case_id, ended)
        if not number:
            return ""
        if reason is None:
            params = {"count": str(number), "year": str(campaign.year)}
            raise Refused(Refusal(code=Code.FILINGS_UNFINISHED, params=params))
        if not reason.strip():
            params = {"action": "有未办结的仍要关闭", "field": "reason"}
            raise Refused(Refusal(code=Code.REASON_REQUIRED, params=params))
        return await content.save_note(connection, {"reason": reason.strip()})

    async def _seal(
        self,
        connection: AsyncConnection,
        campaign: Campaign,
        actor: Actor,
        command_id: str,
        now: datetime,
        note: str,
    ) -> None:
        document = await summed_up(connection, campaign.case_id, now.isoformat())
        sha256 = sha256_of(document)
        text = canonical_json(document).decode()
        sealed = summaries.Sealed(document=text, sha256=sha256, sealed_at=now)
        await summaries.seal(connection, campaign.case_id, campaign.opening, sealed)
        await journal.append_operator_step(
            connection,
            campaign.case_id,
            CAMPAIGN_CLOSED,
            actor,
            now,
            {
                "sha256": sha256,
                "filings": len(document["filings"]),
                "unfinished": document["counts"]["unfinished"],
            },
            command_id,
            note_sha256=note,
        )


def _not_closed(period: Period, jurisdiction: str) -> Refusal:
    params = {"year": str(period), "jurisdiction": jurisdiction}
    return Refusal(code=Code.CAMPAIGN_NOT_CLOSED, params=params)
