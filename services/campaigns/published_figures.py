"""Figures of a closed year for everybody: added up, and nothing that gives anybody away.

Read from what was complete when the year was sealed, so that they never change; added up once in
each process.
"""

import asyncio
import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from sqlalchemy.ext.asyncio import AsyncEngine

from domain.aggregates import INSTITUTIONS, Table, withheld
from domain.case.status import Status
from domain.citation import Citation
from domain.ids import campaign_id
from domain.model import Value
from domain.numbers.quarters import Period
from domain.refusals import Code, Refusal, Refused
from domain.summaries import TOTAL
from rules.compiled import CompiledRules
from rules.file.schema import PublishedFigures
from rules.filing.forms.model import Form
from rules.filing.forms.structure import figures, needed
from services.campaigns.forecast import area_below
from services.rule_sets import PinnedRules
from store import campaigns, summaries
from store.campaigns import Campaign
from store.summaries import Sealed, SealedContent

TOTAL_LABEL, INSTITUTIONS_LABEL = "合计", "机构数"
HEADER = ("分列", "区域代码", "区域", "类别", "指标", "单位", "数值")
WITHHELD = "不公布"
_BATCH = 500


class Indicator(Value):
    """A figure: its id in the form, and how it is named."""

    id: str
    label: str
    unit: str


class FigureRow(Value):
    """The figures of an area (``total`` for all) and a group, in the order of the indicators.

    None is withheld. Whole numbers and decimals are texts, as in the forms.
    """

    area: str
    group: str
    figures: tuple[str | None, ...]


class FigureTable(Value):
    """Figures by area, and by kind or by field. One institution may have several fields."""

    by: str
    label: str
    indicators: tuple[Indicator, ...]
    rows: tuple[FigureRow, ...]


class FiguresPublished(Value):
    """What is published of a closed year's figures; ``left_out`` filings could not be read."""

    period: str
    jurisdiction: str
    sealed_at: datetime
    form: str
    fewest: int
    dominant: int
    cite: Citation
    names: dict[str, str]
    left_out: int
    tables: tuple[FigureTable, ...]

    def lines(self) -> Iterator[tuple[str, ...]]:
        """One line for each figure, under `HEADER`."""
        for table in self.tables:
            for row in table.rows:
                area = "" if row.area == TOTAL else row.area
                name = self.names.get(row.area, TOTAL_LABEL if row.area == TOTAL else row.area)
                group = TOTAL_LABEL if row.group == TOTAL else row.group
                for one, value in zip(table.indicators, row.figures, strict=True):
                    shown = WITHHELD if value is None else value
                    yield table.label, area, name, group, one.label, one.unit, shown


class _Plan(NamedTuple):
    """What is added up into which tables; ``names`` are all of the form that it is made of."""

    rule: PublishedFigures
    form: Form
    kind: str
    names: frozenset[str]
    tables: list[Table]


class PublishedFiguresService:
    """Adds up the figures of closed years."""

    def __init__(self, engine: AsyncEngine, pinned: PinnedRules, names: Mapping[str, str]) -> None:
        self._engine = engine
        self._pinned = pinned
        self._names = names
        self._known: dict[tuple[str, str], FiguresPublished] = {}
        # one at a time: whoever asks meanwhile waits for the same figures
        self._adding = asyncio.Lock()

    async def of(self, period: Period, jurisdiction: str) -> FiguresPublished:
        """The figures of a year. Raises Refused: not closed, or the rules publish none."""
        campaign_ = campaign_id(period, jurisdiction)
        async with self._engine.connect() as connection:
            campaign = await campaigns.by_id(connection, campaign_)
            sealed = await summaries.sealed(connection, campaign_)
        rules = await self._pinned.get(campaign.rule_set) if campaign is not None else None
        publication = rules.document.filing.publication if rules is not None else None
        if (
            campaign is None
            or campaign.annulled_at is not None
            or sealed is None
            or rules is None
            or publication is None
            or publication.figures is None
        ):
            params = {"year": str(period), "jurisdiction": jurisdiction}
            raise Refused(Refusal(code=Code.CAMPAIGN_NOT_CLOSED, params=params))
        key = (campaign_, sealed.sha256)
        async with self._adding:
            if key not in self._known:
                self._known[key] = await self._added_up(campaign, sealed, rules, period)
        return self._known[key]

    async def _added_up(
        self, campaign: Campaign, sealed: Sealed, rules: CompiledRules, period: Period
    ) -> FiguresPublished:
        publication = rules.document.filing.publication
        assert publication is not None
        assert publication.figures is not None
        rule = publication.figures
        plan = _plan(rule, rules.form(rule.part))
        complete = {
            one["id"]: one["sequence"]
            for one in json.loads(sealed.document)["filings"]
            if one["status"] == Status.COMPLETED
        }
        rule_sets = {one: await self._pinned.get(one) for one in campaign.rule_sets.values()}
        left_out = 0
        async with self._engine.connect() as connection:
            rows: list[SealedContent] = []
            found = summaries.contents(connection, complete, rule.part, sorted(plan.names))
            async for row in found:
                rows.append(row)
                if len(rows) == _BATCH:
                    left_out += await asyncio.to_thread(_add, plan, campaign, rule_sets, rows)
                    rows = []
            left_out += await asyncio.to_thread(_add, plan, campaign, rule_sets, rows)
        tables = await asyncio.to_thread(lambda: tuple(_tables(plan, publication.fewest)))
        areas = {row.area for table in tables for row in table.rows} - {TOTAL}
        return FiguresPublished(
            period=str(period),
            jurisdiction=campaign.jurisdiction,
            sealed_at=sealed.sealed_at,
            form=plan.form.title,
            fewest=publication.fewest,
            dominant=rule.dominant,
            cite=rules.document.citation(rule.cite),
            names={area: self._names.get(area, area) for area in sorted(areas)},
            left_out=left_out,
            tables=tables,
        )


def _plan(rule: PublishedFigures, form: Form) -> _Plan:
    assert form.peer_groups is not None
    kind, by = form.peer_groups.kind, rule.by_field
    names = needed(form, [*rule.values, kind, *((by.table,) if by is not None else ())])
    tables = [Table(form.fields[kind].options, rule.values)]
    if by is not None:
        columns = {one.id: one for one in form.tables[by.table].fields}
        tables.append(Table(columns[by.column].options, [*by.adds_up_to]))
    return _Plan(rule, form, kind, names, tables)


def _add(
    plan: _Plan,
    campaign: Campaign,
    rule_sets: Mapping[str, CompiledRules],
    rows: list[SealedContent],
) -> int:
    """Adds filings to the tables; returns how many could not be read."""
    left_out = 0
    for row in rows:
        try:
            rules = rule_sets[row.rule_set]
            values = figures(rules.form(plan.rule.part), row.values, plan.names)
            kind = values[plan.kind]
            by_kind = {name: Decimal(values[name]) for name in plan.rule.values if values.get(name)}
            by_field = _by_field(plan.rule, values)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
            left_out += 1
            continue
        area = area_below(rules.document.tree, campaign.jurisdiction, row.region)
        plan.tables[0].add(area, {kind: by_kind})
        if len(plan.tables) > 1:
            plan.tables[1].add(area, by_field)
    return left_out


def _by_field(rule: PublishedFigures, values: Mapping[str, Any]) -> dict[str, dict[str, Decimal]]:
    by = rule.by_field
    if by is None:
        return {}
    return {
        row[by.column]: {name: Decimal(row[name]) for name in by.adds_up_to if row.get(name)}
        for row in values.get(by.table) or ()
    }


def _tables(plan: _Plan, fewest: int) -> Iterator[FigureTable]:
    by = plan.rule.by_field
    same = [] if by is None else [((1, name), (0, of)) for name, of in by.adds_up_to.items()]
    if by is not None:
        same.append(((1, INSTITUTIONS), (0, INSTITUTIONS)))
    hidden = withheld(plan.tables, fewest, plan.rule.dominant, same)
    fields = [dict(plan.form.fields)]
    if by is not None:
        fields.append({one.id: one for one in plan.form.tables[by.table].fields})
    for table, places, own, (key, label) in zip(
        plan.tables, hidden, fields, (("kind", "按类别"), ("field", "按领域")), strict=False
    ):
        indicators = [Indicator(id=INSTITUTIONS, label=INSTITUTIONS_LABEL, unit="家")]
        indicators += [
            Indicator(id=name, label=own[name].label, unit=own[name].unit)
            for name in table.figures
            if name != INSTITUTIONS
        ]
        rows = [
            FigureRow(
                area=area,
                group=group,
                figures=tuple(
                    None if (area, group) in places[name] else f"{table.sum(name, area, group):f}"
                    for name in table.figures
                ),
            )
            for area in (*table.areas, TOTAL)
            for group in (*table.groups, TOTAL)
        ]
        yield FigureTable(by=key, label=label, indicators=tuple(indicators), rows=tuple(rows))
