"""The duties of authorities beside filing itself: whose they are, how far they have come.

What a figure of the system shows is measured; of the others the authority says that they are done,
on record with who said so, when, and by which document. Nothing follows from a duty not done.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from domain.case.commands import Actor, Role
from domain.case.events import Step
from domain.citation import Citation
from domain.clock import day_of
from domain.decision import RuleSetRef
from domain.duties import CERTIFICATES, DUTY_REPORTED, SAID, Duty, DutyMeasure, duty_journal
from domain.ids import jurisdiction_of
from domain.jurisdictions import authority_of, lies_in, regulates
from domain.model import Value
from domain.numbers.quarters import Period
from domain.refusals import Code, Refusal, Refused
from rules.certificates.certificates import CertificateRules, current_certificate_rules
from rules.compiled import CompiledRules
from rules.file.catalogue import Catalogue
from rules.file.findings import RulesInvalid
from rules.file.library import RuleSetNotFound
from services.campaigns.progress import Progress, ProgressService
from services.clock import Clock
from services.rule_sets import PinnedRules
from services.sight import counting
from store import authority_figures, campaigns, content, institutions, journal, roster_imports
from store import samples as drawn
from store.progress import Figures

_LATELY = timedelta(seconds=10)
"""For how long an inbox shows the duties that were read for a colleague, unless one was reported to
this process since: they go by the figures of a whole place, and change in days."""

_LEVELS = {
    "nation": "市场监管总局",
    "province": "省级市场监管部门",
    "city": "设区市市场监管部门",
    "county": "县级市场监管部门",
    "institution": "检验检测机构",
}


class DutyStanding(Value):
    """How far one authority has come with a duty.

    ``figure`` says how far, "" where no figure of the system tells. ``done`` is None where that is
    for the authority to say and it has not. ``said_by``, ``said_at``, ``said`` and ``document``
    are what it said last.
    """

    authority: str
    name: str
    figure: str
    done: bool | None
    overdue: bool
    said_by: str = ""
    said_at: datetime | None = None
    said: str = ""
    document: str = ""


class DutyRow(Value):
    """One duty of a campaign. ``due`` is its last day, None where no day is named.

    ``figure`` says how far it has come in the whole place, "" where no figure of the system tells;
    ``done`` is then None unless all of ``authorities`` have said it. ``overdue`` is a duty whose
    last day is over and that is not known to be done.
    """

    id: str
    label: str
    who: tuple[str, ...]
    due: date | None
    term: str
    once: bool
    years: tuple[int, ...]
    figure: str
    done: bool | None
    overdue: bool
    cite: Citation
    authorities: tuple[DutyStanding, ...]

    def text(self) -> str:
        """The duty as people read it."""
        when = f"，{self.due} 前（含当日）" if self.due else f"，{self.term}" if self.term else ""
        years = f"，补做 {'、'.join(map(str, self.years))} 年度" if self.years else ""
        state = self.figure or ("已办" if self.done else "没有系统数据可以说明")
        late = "，已逾期" if self.overdue and self.done is False else ""
        who = "、".join(self.who)
        several = len(self.authorities) > 1
        how_many = f"，{len(self.authorities)} 个部门中 {self.done_by} 个做到" if several else ""
        return f"{self.label}（{who}{when}{years}）：{state}{how_many}{late}。依据：{self.cite}"

    @property
    def done_by(self) -> int:
        """How many of the authorities have done it."""
        return sum(one.done is True for one in self.authorities)


class DutyTask(DutyStanding):
    """A duty as a task of one authority. ``period`` is a year, or ``certificates``.

    ``measured`` tells by what one sees that it is done; ``by_hand`` and ``certificates`` are
    reported by the authority, the others follow from what is on record.
    """

    period: str
    duty: str
    label: str
    due: date | None
    term: str
    measured: DutyMeasure
    share: str
    cite: Citation
    ruleset: str
    revision: int


class _Said(NamedTuple):
    step: Step
    text: str


class Evidence(NamedTuple):
    """What is on record that tells how far an authority has come; ``drawn`` None: no sampling."""

    figures: Figures = Figures()
    drawn_and_checked: int | None = None
    roster_at: datetime | None = None
    as_of: date | None = None
    submitted: bool | None = None
    certificates: int = 0


def measured(duty: Duty, seen: Evidence) -> tuple[str, bool | None]:
    """How far a duty has come by what is on record, and whether it is done. Pure."""
    total = seen.figures
    wanted = Decimal(duty.share or "1")
    match duty.measure:
        case DutyMeasure.BY_HAND:
            return "", None
        case DutyMeasure.CERTIFICATES:
            return f"在库有效证书 {seen.certificates} 张", None
        case DutyMeasure.NO_NON_FILERS:
            return f"从未提交 {total.not_filed} 家", total.not_filed == 0
        case DutyMeasure.FIGURES_SUBMITTED:
            return ("已提交" if seen.submitted else "未提交"), bool(seen.submitted)
        case DutyMeasure.ROSTER_IMPORTED:
            if seen.roster_at is None:
                return "没有导入过名录", None
            day = day_of(seen.roster_at)
            recent = seen.as_of is None or day > seen.as_of
            return f"名录最近导入于 {day}", True if recent else None
        case DutyMeasure.CHECKED:
            checked = total.checked if seen.drawn_and_checked is None else seen.drawn_and_checked
            told = f"已核查 {checked}/{total.approved} 家（{_share(checked, total.approved)}）"
            return told, total.approved > 0 and checked >= wanted * total.approved
    reached = {
        DutyMeasure.SUBMITTED: total.submitted,
        DutyMeasure.APPROVED: total.approved,
        DutyMeasure.COMPLETED: total.completed,
    }[duty.measure]
    word = {"submitted": "已提交", "approved": "审核通过", "completed": "办结"}[duty.measure]
    told = f"{word} {reached}/{total.must} 家（{_share(reached, total.must)}）"
    return told, reached >= wanted * total.must


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f}%" if whole else "—"


class DutyService:
    """Reads duties with what is on record of them; takes what authorities say of theirs."""

    def __init__(
        self,
        engine: AsyncEngine,
        progress: ProgressService,
        pinned: PinnedRules,
        catalogue: Catalogue,
        rules: Path,
        clock: Clock,
    ) -> None:
        self._engine = engine
        # single reads: no transaction to begin and end around them
        self._reads = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._rules = rules
        self._progress = progress
        self._pinned = pinned
        self._catalogue = catalogue
        self._clock = clock
        self._lately: dict[
            tuple[str, Role], tuple[datetime, asyncio.Task[tuple[DutyTask, ...]]]
        ] = {}

    async def of_place(
        self, period: Period, jurisdiction: str, within: str = ""
    ) -> tuple[DutyRow, ...]:
        """The duties that the rules of a place name, with every authority that has them there.

        ``within`` is the jurisdiction that the asker may see. Raises Refused: not opened.
        """
        regions = await self._progress.figures(period, jurisdiction, within=within)
        pinned = await self._pinned_by_place(period)
        place = self._governing(pinned, jurisdiction)
        rules = await self._pinned.get(pinned[place]) if place else None
        if rules is None:
            return ()
        concerned = {
            duty.id: [
                one
                for one in self._concerned(duty, pinned, place, jurisdiction)
                if lies_in(jurisdiction_of(one), within) or not regulates(one)
            ]
            for duty in rules.duties
        }
        everybody = sorted({one for listed in concerned.values() for one in listed})
        evidence = await self._evidence(period, regions, rules, everybody, within)
        said = await self._said(str(period), everybody)
        whole = Evidence(figures=regions.total)
        return tuple(
            self._row(
                duty,
                whole,
                [
                    self._standing(duty, one, evidence[one], said.get((one, duty.id)))
                    for one in concerned[duty.id]
                ],
            )
            for duty in rules.duties
        )

    async def ruleset(self, period: Period, jurisdiction: str) -> RuleSetRef | None:
        """The rules that hold in a place; None where no campaign that reaches it is open."""
        pinned = await self._pinned_by_place(period)
        place = self._governing(pinned, jurisdiction)
        return (await self._pinned.get(pinned[place])).ref if place else None

    async def tasks(self, authority: str) -> tuple[DutyTask, ...]:
        """What an authority has to do, what is due first in front.

        In all periods that are open, and by the rules of certificates.
        """
        async with self._reads.connect() as connection:
            opened = await campaigns.newest_first(connection)
        periods = [
            Period(one.year, one.quarter)
            for one in opened
            if one.annulled_at is None and one.closed_at is None and not one.quarter
        ]
        tasks = [
            task for period in dict.fromkeys(periods) for task in await self._own(period, authority)
        ]
        tasks += await self._own_of_certificates(authority)
        return tuple(sorted(tasks, key=lambda task: (task.done is True, task.due or date.max)))

    async def lately(self, authority: str, role: Role) -> tuple[DutyTask, ...]:
        """The same, as it was read for anybody in this role at most ten seconds ago.

        Whoever asks while it is being read waits for that.
        """
        # what one role is shown is not kept for another: the database has its own mind of who sees
        key, now = (authority, role), self._clock()
        since, reading = self._lately.get(key, (now, None))
        failed = reading is not None and reading.done() and _went_wrong(reading)
        if reading is None or failed or not since <= now < since + _LATELY:
            reading = asyncio.create_task(self.tasks(authority))
            self._lately[key] = now, reading
        # whoever gives up waiting takes nothing away from the others
        return await asyncio.shield(reading)

    async def of_certificates(self, jurisdiction: str) -> tuple[DutyRow, ...]:
        """The duties that the rules of certificates name, with every authority that has them."""
        rules = self._certificate_rules()
        duties = rules.duties if rules is not None else ()
        places = self._catalogue.within(jurisdiction)
        concerned = {
            duty.id: [
                authority_of(code)
                for code in places
                if {authority_of(code), self._catalogue.tree.level(code)} & {*duty.who}
            ]
            for duty in duties
        }
        everybody = sorted({one for listed in concerned.values() for one in listed})
        evidence = await self._on_record(duties, everybody)
        said = await self._said(CERTIFICATES, everybody)
        return tuple(
            self._row(
                duty,
                Evidence(),
                [
                    self._standing(duty, one, evidence[one], said.get((one, duty.id)))
                    for one in concerned[duty.id]
                ],
            )
            for duty in duties
        )

    async def report(
        self,
        period: str,
        duty: str,
        authority: str,
        actor: Actor,
        command_id: str,
        reason: str,
        document: str,
        *,
        done: bool,
    ) -> DutyTask:
        """Puts on record what an authority says of a duty of its own.

        ``period`` is a year, or ``certificates`` for the rules of certificates.
        The same key again changes nothing. Raises Refused: no such duty, or a figure tells.
        """
        name = duty_journal(period, authority)
        task = await self._task(period, duty, authority)
        if task.measured not in SAID:
            raise Refused(Refusal(code=Code.DUTY_MEASURED, params={"figure": task.figure}))
        async with self._engine.begin() as connection:
            await journal.lock(connection, name)
            note = await content.save_note(connection, {"reason": reason})
            body = {
                "period": period,
                "duty": duty,
                "label": task.label,
                "ruleset": task.ruleset,
                "revision": task.revision,
                "done": done,
                "document": document,
            }
            step = await journal.append_operator_step(
                connection, name, DUTY_REPORTED, actor, self._clock(), body, command_id,
                note_sha256=note,
            )  # fmt: skip
        self._lately = {key: kept for key, kept in self._lately.items() if key[0] != authority}
        # the rules may have been amended since it was said for the first time
        said = {**step.body, **{name: body[name] for name in ("label", "ruleset", "revision")}}
        if (said, step.note_sha256) != (body, note):
            raise Refused(Refusal(code=Code.KEY_REUSED))
        return await self._task(period, duty, authority)

    # --- whose duties they are ---------------------------------------------------------------

    async def _pinned_by_place(self, period: Period) -> dict[str, str]:
        """The rule set of every place that the open campaigns of a year pin one for.

        Duties are of years: a quarter's report numbers have none of their own.
        """
        if period.quarter:
            return {}
        async with self._reads.connect() as connection:
            opened = await campaigns.of_period(connection, period.year, period.quarter)
        return {place: sha for one in opened for place, sha in one.rule_sets.items()}

    def _governing(self, pinned: Mapping[str, str], jurisdiction: str) -> str:
        """The place whose rules hold in a jurisdiction; "" where none do."""
        upwards = self._catalogue.tree.upwards(jurisdiction)
        return next((place for place in upwards if place in pinned), "")

    def _concerned(
        self, duty: Duty, pinned: Mapping[str, str], place: str, jurisdiction: str
    ) -> list[str]:
        """The authorities in a jurisdiction that have a duty of the rules of ``place``."""
        found: list[str] = []
        for who in duty.who:
            if who == "institution":
                continue
            if who not in _LEVELS:
                if jurisdiction in (place, jurisdiction_of(who)):
                    found.append(who)
                continue
            found += [
                authority_of(code)
                for code in self._catalogue.within(jurisdiction)
                if self._catalogue.tree.level(code) == who
                and self._governing(pinned, code) == place
            ]
        return list(dict.fromkeys(found))

    async def _own(self, period: Period, authority: str) -> list[DutyTask]:
        """The duties of one authority in a period."""
        pinned = await self._pinned_by_place(period)
        home = jurisdiction_of(authority)
        place = self._governing(pinned, home)
        # a body of the nation's is named by whichever rules there are, where the nation has none
        shas = [pinned[place]] if place else sorted(set(pinned.values()))
        tasks: dict[str, DutyTask] = {}
        level = self._catalogue.tree.level(home) if regulates(authority) else ""
        for sha in shas:
            rules = await self._pinned.get(sha)
            own = [one for one in rules.duties if authority in one.who or level in one.who]
            if not own:
                continue
            about = home if place else rules.document.jurisdiction
            regions = await self._progress.figures(period, about)
            evidence = await self._evidence(period, regions, rules, [authority], "")
            said = await self._said(str(period), [authority])
            for duty in own:
                standing = self._standing(
                    duty, authority, evidence[authority], said.get((authority, duty.id))
                )
                tasks.setdefault(duty.id, _task(str(period), rules.ref, duty, standing))
        return list(tasks.values())

    def _certificate_rules(self) -> CertificateRules | None:
        """The rules of certificates as their file is now; None where there is none to go by."""
        try:
            return current_certificate_rules(self._rules)
        except (RuleSetNotFound, RulesInvalid):
            return None

    async def _own_of_certificates(self, authority: str) -> list[DutyTask]:
        """The duties of one authority by the rules of certificates."""
        rules = self._certificate_rules()
        level = (
            self._catalogue.tree.level(jurisdiction_of(authority)) if regulates(authority) else ""
        )
        duties = rules.duties if rules is not None else ()
        own = [one for one in duties if authority in one.who or level in one.who]
        if rules is None or not own:
            return []
        evidence = await self._on_record(own, [authority])
        said = await self._said(CERTIFICATES, [authority])
        return [
            _task(
                CERTIFICATES,
                rules.ref,
                duty,
                self._standing(
                    duty, authority, evidence[authority], said.get((authority, duty.id))
                ),
            )
            for duty in own
        ]

    async def _task(self, period: str, duty: str, authority: str) -> DutyTask:
        own = (
            await self._own_of_certificates(authority)
            if period == CERTIFICATES
            else await self._own(Period.parse(period), authority)
        )
        for task in own:
            if task.duty == duty:
                return task
        whose = "资质认定证书规则" if period == CERTIFICATES else f"{period} 年度规则"
        what = f"{whose}中 {self._catalogue.authority_name(authority)} 的职责 {duty}"
        raise Refused(Refusal(code=Code.NOT_FOUND, params={"what": what}))

    # --- what is on record of them -----------------------------------------------------------

    async def _evidence(
        self,
        period: Period,
        regions: Progress,
        rules: CompiledRules,
        authorities: Sequence[str],
        within: str,
    ) -> dict[str, Evidence]:
        measures = {duty.measure for duty in rules.duties}
        today = day_of(self._clock())
        by_place = self._summed((row.key, row) for row in regions.rows)
        others = [one for one in authorities if not regulates(one)]
        by_authority = {}
        if others:
            told = await self._progress.figures(
                period, regions.jurisdiction, "authority", within=within
            )
            by_authority = {row.key: row for row in told.rows}
        async with counting(self._reads) as connection:
            rosters = await roster_imports.newest_by_scope(connection)
            issued = await institutions.valid_by_issuer(connection, authorities, today)
            checked: dict[str, int] | None = None
            if rules.sample is not None and DutyMeasure.CHECKED in measures:
                opened = await campaigns.of_period(connection, period.year, period.quarter)
                ids = [one.case_id for one in opened]
                checked = await drawn.checked_by_region(connection, ids)
            submitted = await self._figures_of(connection, period, rules, authorities)
        asked_on = rules.document.filing.certificates.as_of
        found = {}
        for one in authorities:
            place = jurisdiction_of(one)
            figures = by_place.get(place) if regulates(one) else by_authority.get(one)
            found[one] = Evidence(
                figures=Figures() if figures is None else figures,
                drawn_and_checked=None if checked is None else self._in(checked, place),
                roster_at=rosters.get(place) if regulates(one) else None,
                as_of=asked_on,
                submitted=submitted.get(one),
                certificates=issued.get(one, 0),
            )
        return found

    async def _on_record(
        self, duties: Sequence[Duty], authorities: Sequence[str]
    ) -> dict[str, Evidence]:
        """What tells of duties that no year's campaign has to do with."""
        measures = {duty.measure for duty in duties}
        if measures.isdisjoint((DutyMeasure.ROSTER_IMPORTED, DutyMeasure.CERTIFICATES)):
            return dict.fromkeys(authorities, Evidence())
        rosters: dict[str, datetime] = {}
        issued: dict[str, int] = {}
        async with self._reads.connect() as connection:
            if DutyMeasure.ROSTER_IMPORTED in measures:
                rosters = await roster_imports.newest_by_scope(connection)
            if DutyMeasure.CERTIFICATES in measures:
                issued = await institutions.valid_by_issuer(
                    connection, authorities, day_of(self._clock())
                )
        return {
            one: Evidence(
                roster_at=rosters.get(jurisdiction_of(one)) if regulates(one) else None,
                certificates=issued.get(one, 0),
            )
            for one in authorities
        }

    async def _figures_of(
        self,
        connection: AsyncConnection,
        period: Period,
        rules: CompiledRules,
        authorities: Sequence[str],
    ) -> dict[str, bool]:
        """Whether an authority that reports figures of its own work has submitted all of them."""
        sent: dict[str, bool] = {}
        for rule in rules.document.filing.authority_figures:
            if rule.by in authorities:
                newest = await authority_figures.latest(
                    connection, period.year, rule.id, submitted=True
                )
                sent[rule.by] = sent.get(rule.by, True) and newest is not None
        return sent

    async def _said(self, period: str, authorities: Sequence[str]) -> dict[tuple[str, str], _Said]:
        """What each authority has said last of each of its duties."""
        names = {duty_journal(period, one): one for one in authorities}
        async with self._reads.connect() as connection:
            steps = await journal.steps_of(connection, list(names))
            hashes = {step.note_sha256 for told in steps.values() for step in told}
            notes = await content.notes_by_sha256(connection, sorted(hashes)) if hashes else {}
        return {
            (names[name], step.body["duty"]): _Said(
                step, notes.get(step.note_sha256, {}).get("reason", "")
            )
            for name, told in steps.items()
            for step in told
        }

    def _summed(self, rows: Iterable[tuple[str, Figures]]) -> dict[str, Figures]:
        """The figures of regions, summed up for every area that they lie in."""
        sums: dict[str, dict[str, int]] = {}
        for region, figures in rows:
            counted = {name: getattr(figures, name) for name in Figures.model_fields}
            for place in self._catalogue.tree.upwards(region):
                have = sums.setdefault(place, dict.fromkeys(counted, 0))
                for name, number in counted.items():
                    have[name] += number
        return {place: Figures(**have) for place, have in sums.items()}

    def _in(self, counted: Mapping[str, int], place: str) -> int:
        return sum(
            n for region, n in counted.items() if place in self._catalogue.tree.upwards(region)
        )

    # --- as people read it -------------------------------------------------------------------

    def _standing(
        self, duty: Duty, authority: str, seen: Evidence, said: _Said | None
    ) -> DutyStanding:
        figure, done = measured(duty, seen)
        told = {}
        if said is not None and duty.measure in SAID:
            done = bool(done or said.step.body["done"])
            told = {
                "said_by": said.step.actor.subject,
                "said_at": said.step.at,
                "said": said.text,
                "document": said.step.body["document"],
            }
        return DutyStanding(
            authority=authority,
            name=self._catalogue.authority_name(authority),
            figure=figure,
            done=done,
            overdue=self._overdue(duty, done),
            **told,
        )

    def _row(self, duty: Duty, whole: Evidence, standings: list[DutyStanding]) -> DutyRow:
        figure, done = "", None
        if duty.measure in _OF_FILINGS:
            figure, done = measured(duty, whole)
        elif standings and any(one.done is not None for one in standings):
            done = all(one.done for one in standings)
        return DutyRow(
            id=duty.id,
            label=duty.label,
            who=tuple(_LEVELS.get(who) or self._catalogue.authority_name(who) for who in duty.who),
            due=duty.due,
            term=_term(duty),
            once=duty.once,
            years=duty.years,
            figure=figure,
            done=done,
            overdue=self._overdue(duty, done),
            cite=duty.cite,
            authorities=tuple(standings),
        )

    def _overdue(self, duty: Duty, done: bool | None) -> bool:
        return duty.due is not None and duty.due < day_of(self._clock()) and done is not True


def _went_wrong(reading: asyncio.Task[tuple[DutyTask, ...]]) -> bool:
    return reading.cancelled() or reading.exception() is not None


_OF_FILINGS = frozenset(
    {
        DutyMeasure.SUBMITTED,
        DutyMeasure.APPROVED,
        DutyMeasure.COMPLETED,
        DutyMeasure.NO_NON_FILERS,
    }
)
"""Measures that add up over a place."""


def _term(duty: Duty) -> str:
    units = {"days": "日", "working_days": "个工作日", "months": "个月"}
    if duty.term is None:
        return ""
    term = duty.term.term
    return f"{duty.term.event}之后 {term.days} {units[term.unit]}内"


def _task(period: str, rules: RuleSetRef, duty: Duty, standing: DutyStanding) -> DutyTask:
    return DutyTask(
        **standing.model_dump(),
        period=period,
        duty=duty.id,
        label=duty.label,
        due=duty.due,
        term=_term(duty),
        measured=duty.measure,
        share=duty.share,
        cite=duty.cite,
        ruleset=rules.id,
        revision=rules.revision,
    )
