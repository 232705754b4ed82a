"""How a year goes: figures by place, authority or field, and who has not filed, and why."""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import Literal

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from domain.case.commands import Actor
from domain.case.events import EventName
from domain.case.status import STATUS_LABELS, Status
from domain.clock import BEIJING
from domain.jurisdictions import lies_in, narrower
from domain.messages import closing_time, local_time
from domain.model import Value
from domain.numbers.quarters import Period
from domain.refusals import Code, Refusal, Refused
from rules.file.catalogue import Catalogue
from services.campaigns.considering import windows_of
from services.clock import Clock
from services.contacts import ContactService
from services.reads import chain_of
from services.rule_sets import PinnedRules
from services.sight import counting
from store import campaigns, contacts, progress
from store.campaigns import Campaign
from store.progress import REFUSED_SUBMISSION, Backlog, Figures, NonFiler, Terms

By = Literal["region", "authority", "field"]
Level = Literal["province", "city", "county"]

UNFINISHED = (
    Status.SCHEDULED,
    Status.DRAFT,
    Status.RETURNED,
    Status.WITHDRAWN,
    Status.LAPSED,
)
"""Where a filing stands that its filer still has to see to."""

_PAGE = 1_000


class ProgressRow(Figures):
    """The figures of one place, authority or field, with its name."""

    key: str
    name: str


class Progress(Value):
    """Figures at ``as_of``; ``rows`` in the order of their keys, ``total`` of all of them."""

    period: str
    jurisdiction: str
    by: By
    as_of: datetime
    rows: tuple[ProgressRow, ...]
    total: Figures


class NonFilerRow(Value):
    """An institution whose filing is with itself: where it stands, and why it is not filed."""

    id: str
    institution: str
    name: str
    region: str
    authority: str
    status: Status
    status_label: str
    reason: str
    due: datetime | None
    extended_until: datetime | None
    last_act_at: datetime
    reminders_served: tuple[datetime, ...] = ()
    contact: str = ""


Unit = Literal["hour", "day"]


class BacklogRow(Backlog):
    """What waits for an authority, with names and with ages in days."""

    name: str
    status_label: str
    oldest_days: float
    median_days: float


class ActivityRow(Value):
    """What happened in the hour or day that began then: how many filings were submitted, and so on.

    ``attempts`` to submit were ``submitted`` or ``refused``.
    """

    began: datetime
    attempts: int
    submitted: int
    refused: int
    returned: int
    approved: int
    completed: int
    lapsed: int
    extended: int


_COUNTED = {
    EventName.SUBMITTED.value: "submitted",
    EventName.RETURNED.value: "returned",
    EventName.APPROVED.value: "approved",
    EventName.COMPLETED.value: "completed",
    EventName.LAPSED.value: "lapsed",
    EventName.EXTENDED.value: "extended",
}
"""The events that are counted by hour and day, with their figures."""


def _days(since: datetime, now: datetime) -> float:
    return round((now - since) / timedelta(days=1), 1)


class ProgressService:
    """Reads the figures of campaigns; writes nothing."""

    def __init__(
        self, engine: AsyncEngine, pinned: PinnedRules, catalogue: Catalogue, clock: Clock
    ) -> None:
        self._engine = engine
        self._pinned = pinned
        self._catalogue = catalogue
        self._clock = clock
        self._contacts = ContactService(engine, clock)

    async def figures(
        self,
        period: Period,
        jurisdiction: str,
        by: By = "region",
        *,
        level: Level | None = None,
        as_of: datetime | None = None,
        within: str = "",
    ) -> Progress:
        """The figures of a jurisdiction's filings, at a moment, the present by default.

        By region, ``level`` gathers counties into what they lie in. ``within`` is the
        jurisdiction that the asker may see. Raises Refused when nothing was opened there.
        """
        at, then = self._moment(as_of)
        async with counting(self._engine) as connection:
            opened = await self._opened(connection, period, jurisdiction)
            counted = await progress.figures(
                connection,
                [campaign.case_id for campaign in opened],
                await self._terms(period, opened),
                by,
                narrower(within, jurisdiction),
                at if then else None,
            )
        if by == "region" and level is not None:
            counted = self._gathered(counted, level)
        rows = [
            ProgressRow(key=key, name=self._named(by, key), **figures.model_dump())
            for key, figures in sorted(counted.items())
        ]
        return Progress(
            period=str(period),
            jurisdiction=jurisdiction,
            by=by,
            as_of=at,
            rows=tuple(rows),
            total=_sum(list(counted.values())),
        )

    async def non_filers(
        self,
        period: Period,
        jurisdiction: str,
        *,
        statuses: Sequence[Status] = UNFINISHED,
        region: str = "",
        authority: str = "",
        name: str = "",
        as_of: datetime | None = None,
        within: str = "",
        after: str = "",
        size: int = _PAGE,
        reader: Actor | None = None,
    ) -> list[NonFilerRow]:
        """Up to ``size`` filings with their filers, in the order of their ids, each with why.

        ``reader`` is whoever may see contacts: they are shown, and the reading is put on record.
        Raises Refused when nothing was opened in the jurisdiction.
        """
        page = await self._page(
            period,
            jurisdiction,
            statuses,
            region,
            as_of,
            authority=authority,
            name=name,
            within=within,
            after=after,
            size=size,
        )
        return await self._with_contacts(page, f"{period} {jurisdiction}", as_of, reader)

    async def all_non_filers(
        self,
        period: Period,
        jurisdiction: str,
        *,
        statuses: Sequence[Status] = UNFINISHED,
        region: str = "",
        authority: str = "",
        name: str = "",
        as_of: datetime | None = None,
        within: str = "",
        reader: Actor | None = None,
    ) -> list[NonFilerRow]:
        """All of them, for a table."""
        rows: list[NonFilerRow] = []
        while page := await self._page(
            period,
            jurisdiction,
            statuses,
            region,
            as_of,
            authority=authority,
            name=name,
            within=within,
            after=rows[-1].id if rows else "",
        ):
            rows.extend(page)
        return await self._with_contacts(rows, f"{period} {jurisdiction}", as_of, reader)

    def place_name(self, jurisdiction: str) -> str:
        """What a jurisdiction is called."""
        return self._catalogue.areas.get(jurisdiction, "全国")

    async def backlog(
        self,
        period: Period,
        jurisdiction: str,
        within: str = "",
        *,
        as_of: datetime | None = None,
    ) -> tuple[BacklogRow, ...]:
        """What waits for each authority, by status, and how long, at a moment; else at present.

        Raises Refused when nothing was opened there.
        """
        at, then = self._moment(as_of)
        async with counting(self._engine) as connection:
            opened = await self._opened(connection, period, jurisdiction)
            waiting = await progress.backlog(
                connection,
                [campaign.case_id for campaign in opened],
                narrower(within, jurisdiction),
                at if then else None,
            )
        return tuple(
            BacklogRow(
                **row.model_dump(),
                name=self._catalogue.authority_name(row.authority),
                status_label=STATUS_LABELS[row.status],
                oldest_days=_days(row.oldest, at),
                median_days=_days(row.median, at),
            )
            for row in waiting
        )

    async def activity(
        self,
        period: Period,
        jurisdiction: str,
        first: date,
        days: int,
        unit: Unit,
        within: str = "",
    ) -> tuple[ActivityRow, ...]:
        """What happened in ``days`` days of Beijing time from ``first`` on, by hour or day.

        Hours and days in which nothing happened are there too. Raises Refused as `figures`.
        """
        start = datetime.combine(first, time.min, BEIJING)
        upto = start + timedelta(days=days)
        async with counting(self._engine) as connection:
            opened = await self._opened(connection, period, jurisdiction)
            counted = await progress.happened(
                connection,
                [campaign.case_id for campaign in opened],
                narrower(within, jurisdiction),
                (start, upto),
                unit,
                list(_COUNTED),
            )
        step = timedelta(hours=1) if unit == "hour" else timedelta(days=1)
        rows = []
        for number in range((upto - start) // step):
            began = start + number * step
            times = counted.get(began, {})
            known = {name: times.get(event, 0) for event, name in _COUNTED.items()}
            refused = times.get(REFUSED_SUBMISSION, 0)
            attempts = known["submitted"] + refused
            rows.append(ActivityRow(began=began, refused=refused, attempts=attempts, **known))
        return tuple(rows)

    # --- private steps -----------------------------------------------------------------------

    async def _page(
        self,
        period: Period,
        jurisdiction: str,
        statuses: Sequence[Status],
        region: str,
        as_of: datetime | None,
        *,
        authority: str = "",
        name: str = "",
        within: str = "",
        after: str = "",
        size: int = _PAGE,
    ) -> list[NonFilerRow]:
        at, then = self._moment(as_of)
        place = narrower(within, jurisdiction)
        async with self._engine.connect() as connection:
            opened = await self._opened(connection, period, jurisdiction)
            if region and not (lies_in(region, place) or lies_in(place, region)):
                # a region that lies elsewhere has nobody here
                return []
            filings = await progress.non_filers(
                connection,
                [campaign.case_id for campaign in opened],
                statuses,
                narrower(region, place),
                at,
                after,
                size,
                then=then,
                unreported=bool(period.quarter),
                authority=authority,
                name=name,
            )
        return [self._row(filing) for filing in filings]

    async def _with_contacts(
        self,
        rows: list[NonFilerRow],
        about: str,
        as_of: datetime | None,
        reader: Actor | None,
    ) -> list[NonFilerRow]:
        if reader is None:
            return rows
        async with self._engine.begin() as connection:
            reached = await contacts.current_of(
                connection, [row.institution for row in rows], as_of
            )
            known = sum(map(bool, reached.values()))
            if known:
                chain = chain_of(reader)
                await self._contacts.note_reading(connection, chain, reader, about, known)
        return [
            row.model_copy(
                update={"contact": "；".join(one.words for one in reached[row.institution])}
            )
            for row in rows
        ]

    def _moment(self, as_of: datetime | None) -> tuple[datetime, bool]:
        """The moment asked about, and whether it has passed."""
        now = self._clock()
        return (now, False) if as_of is None or as_of >= now else (as_of, True)

    async def _opened(
        self, connection: AsyncConnection, period: Period, jurisdiction: str
    ) -> list[Campaign]:
        """The campaigns that a jurisdiction's filings may belong to. Raises Refused for none."""
        upwards = set(self._catalogue.tree.upwards(jurisdiction))
        opened = [
            campaign
            for campaign in await campaigns.of_period(connection, period.year, period.quarter)
            if campaign.jurisdiction in upwards
            or jurisdiction in self._catalogue.tree.upwards(campaign.jurisdiction)
        ]
        if not opened:
            params = {"year": str(period), "jurisdiction": jurisdiction}
            raise Refused(Refusal(code=Code.CAMPAIGN_NOT_FOUND, params=params))
        return opened

    async def _terms(self, period: Period, opened: Sequence[Campaign]) -> dict[str, Terms]:
        terms = {}
        pinned = {sha256 for one in opened for sha256 in one.rule_sets.values()}
        async with self._engine.connect() as connection:
            for one in opened:
                if one.opening > 1:
                    # moments before it was annulled are counted by what governed then
                    pinned |= await campaigns.ever_pinned(connection, one.case_id)
        for sha256 in pinned:
            rules = await self._pinned.get(sha256)
            checked = rules.document.filing.quality_check is not None and not period.quarter
            terms[sha256] = Terms(closes=windows_of(rules, period)["fill"].closes, checked=checked)
        return terms

    def _row(self, filing: NonFiler) -> NonFilerRow:
        reviewer = filing.reviewer
        return NonFilerRow(
            **filing.model_dump(include=set(NonFilerRow.model_fields)),
            id=filing.case_id,
            authority=reviewer,
            status_label=STATUS_LABELS[filing.status],
            reason=_reason(filing, self._catalogue.authority_name(reviewer) if reviewer else ""),
        )

    def _gathered(self, counted: dict[str, Figures], level: Level) -> dict[str, Figures]:
        together: dict[str, list[Figures]] = {}
        for region, figures in counted.items():
            place = self._catalogue.tree.at_level(region, level) or region
            together.setdefault(place, []).append(figures)
        return {place: _sum(many) for place, many in together.items()}

    def _named(self, by: By, key: str) -> str:
        if by == "region":
            return self._catalogue.areas.get(key, key)
        if by == "authority":
            return self._catalogue.authority_name(key) if key else "尚未分派"
        return key or "未登记领域"


NON_FILERS = (
    "机构", "名称", "区域", "部门", "状态", "原因", "期限", "最近一步", "催报", "联系人",
)  # fmt: skip
"""The columns of a list of non-filers."""


def non_filer_cells(row: NonFilerRow) -> list[str]:
    """One institution of the list as a row of its table."""
    return [
        row.institution,
        row.name,
        row.region,
        row.authority,
        row.status_label,
        row.reason,
        closing_time(row.due) if row.due else "",
        local_time(row.last_act_at),
        "；".join(map(local_time, row.reminders_served)),
        row.contact,
    ]


def _sum(many: Sequence[Figures]) -> Figures:
    return Figures(
        **{name: sum(getattr(one, name) for one in many) for name in Figures.model_fields}
    )


def _reason(filing: NonFiler, reviewer: str) -> str:
    """Why a filing is not finished, in a sentence for whoever has to go after it.

    What a reviewer wrote is for the filer: it may repeat what was filed.
    """
    saved = filing.draft_saved_at
    match filing.status:
        case Status.SCHEDULED:
            why = "填报尚未开放"
        case Status.RETURNED:
            why = f"{local_time(filing.last_act_at)}由{reviewer}退回，尚未重新提交"
        case Status.LAPSED:
            last = "提交过，未在期限内通过" if filing.submitted_at else "没有提交过"
            why = f"逾期未完成（{last}）"
        case Status.WITHDRAWN:
            why = f"{local_time(filing.last_act_at)}撤回，尚未重新提交"
        case Status.DRAFT:
            why = f"{local_time(saved)}保存过草稿，尚未提交" if saved else "从未填写"
        case other:
            why = STATUS_LABELS[other]
    if filing.extended_until is not None:
        why += f"；已延期至 {closing_time(filing.extended_until)}"
    return why
