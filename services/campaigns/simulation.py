"""A campaign played before it is opened: who files when, what piles up where, who lapses. Pure.

What the rules decide is decided by the very code that runs filings, plan, reviewer, state machine
and timers; only the people are made up, as a `Behaviour` says, and the same seed plays the same
campaign. No engine and no database take part; a `Script` is what real processes are given to
carry the same campaign, see `deploy.rehearsal`.
"""

import heapq
import itertools
import random
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import NamedTuple

from pydantic import Field

from domain.case import commands as c
from domain.case.commands import Actor, Command, Role
from domain.case.kind import evolve, next_timer, timed
from domain.case.plan import CasePlan
from domain.case.review import decide
from domain.case.state import submission_closing
from domain.case.status import Status
from domain.clock import BEIJING, day_of
from domain.enforcement.consequences import EnforcementFacts, FilingFacts
from domain.facts import Facts
from domain.filing.findings import FilingFindings
from domain.filing.kind import FILING, Submit
from domain.filing.state import Filing
from domain.model import Value
from domain.numbers.quarters import Period
from domain.refusals import Refusal
from rules.compiled import CompiledRules, FactsIncomplete
from services.campaigns.considering import consider

Share = float


class Behaviour(Value):
    """How people behave; shares are from 0 to 1.

    ``files`` of those who must file do, ``volunteers`` of those who may; ``at_the_end`` of them in
    the last ``last_days`` of their window, the rest evenly before. Reviewers return ``returned`` of
    what they look at, and ``corrected`` of that comes back within ten days. An authority deals with
    ``a_day`` cases a working day, unless ``authorities`` says otherwise.
    """

    files: Share = Field(default=0.97, ge=0, le=1)
    volunteers: Share = Field(default=0.1, ge=0, le=1)
    at_the_end: Share = Field(default=0.4, ge=0, le=1)
    last_days: int = Field(default=3, ge=1, le=60)
    returned: Share = Field(default=0.08, ge=0, le=1)
    corrected: Share = Field(default=0.9, ge=0, le=1)
    a_day: int = Field(default=60, ge=0, le=100_000)
    authorities: dict[str, int] = Field(default_factory=dict)
    seed: int = 1


class Day(Value):
    """What happened on one day, Beijing time; ``backlog`` is what authorities have at its end."""

    day: date
    submitted: int
    returned: int
    completed: int
    lapsed: int
    backlog: int


class Backlog(Value):
    """What one authority had to do: in all, done, most at once, and left over at the end.

    ``by_day`` is what waited for it at the end of each day of the campaign.
    """

    name: str
    received: int
    done: int
    most: int
    most_on: date | None
    left: int
    by_day: tuple[int, ...]


class Simulation(Value):
    """A campaign as it might go. ``peak`` is the day with the most submissions.

    ``last_day`` is how many came on the last day of the window for it. ``proposals`` are the
    measures that might follow for those who did not file or filed late; ``refused`` counts acts
    that came too late, by code.
    """

    institutions: int
    must: int
    may: int
    filings: int
    statuses: dict[str, int]
    peak: Day | None
    last_day: int
    days: tuple[Day, ...]
    authorities: dict[str, Backlog]
    proposals: dict[str, int]
    refused: dict[str, int]


class Act(NamedTuple):
    """What somebody asks of a filing on a day: by its number, and what it came to.

    ``findings`` are what is found out for it, ``refused`` is its refusal's code, "" for none.
    """

    day: date
    number: int
    command: Command
    findings: FilingFindings | None
    refused: str


class Steps(NamedTuple):
    """So many steps of a filing on a day; ``timed``: time brought them before anybody else did."""

    day: date
    number: int
    added: int
    timed: bool


class Script(NamedTuple):
    """A campaign as it was played: its filings with their plans, and all that people did.

    ``days`` are all of them, ``steps`` what was recorded on each; ``statuses`` are the filings' at
    the end of the last.
    """

    period: Period
    filings: tuple[tuple[Facts, CasePlan], ...]
    acts: tuple[Act, ...]
    days: tuple[date, ...]
    steps: tuple[Steps, ...]
    statuses: tuple[Status, ...]

    def part(self, number: int, of: int) -> "Script":
        """Every so manieth of the filings, with all that is about them: one of ``of`` parts."""
        return self._replace(
            filings=self.filings[number::of],
            acts=tuple(
                one._replace(number=one.number // of)
                for one in self.acts
                if one.number % of == number
            ),
            steps=tuple(
                one._replace(number=one.number // of)
                for one in self.steps
                if one.number % of == number
            ),
            statuses=self.statuses[number::of],
        )


@dataclass
class _Case:
    facts: Facts
    rules: CompiledRules
    plan: CasePlan
    state: Filing
    submitted_at: datetime | None = None
    approved_at: datetime | None = None
    sequence: int = 0


@dataclass
class _Desk:
    waiting: deque[int] = field(default_factory=deque)
    received: int = 0
    done: int = 0
    most: int = 0
    most_on: date | None = None
    by_day: dict[date, int] = field(default_factory=dict)


_SHA = "0" * 64
_NOTE = "1" * 64
_CORRECTION = timedelta(days=10)


class Playing:
    """Plays a campaign, day by day."""

    def __init__(
        self,
        rule_sets: Mapping[str, CompiledRules],
        jurisdiction: str,
        period: Period,
        behaviour: Behaviour,
        works: Callable[[date], bool],
    ) -> None:
        self._rule_sets = rule_sets
        self._jurisdiction = jurisdiction
        self._period = period
        self._behaviour = behaviour
        self._works = works
        self._random = random.Random(behaviour.seed)  # noqa: S311  nothing is kept secret
        self._cases: list[_Case] = []
        self._agenda: list[tuple[datetime, int, int, str]] = []
        self._order = itertools.count()
        self._desks: dict[str, _Desk] = {}
        self._happened: dict[date, Counter[str]] = {}
        self._refused: Counter[str] = Counter()
        self._last_days: Counter[bool] = Counter()
        self._acts: list[Act] = []
        self._steps: list[Steps] = []
        self._acted: dict[int, date] = {}
        self._days_played: list[date] = []
        self._today = date.min

    def play(self, listed: Iterable[Facts], tell: Callable[[date], None]) -> Simulation:
        """The campaign of these institutions; ``tell`` is called with each day that begins."""
        outcomes: Counter[str] = Counter()
        for facts in listed:
            considered = consider(self._rule_sets, self._jurisdiction, facts, self._period)
            outcomes[considered.outcome] += 1
            if considered.refusal is not None:
                self._refused[considered.refusal.code.value] += 1
            self._enter(facts, considered.outcome, considered.place)
        days = self._days(tell) if self._cases else []
        statuses = Counter(case.state.status.value for case in self._cases)
        return Simulation(
            institutions=outcomes.total(),
            must=outcomes["must"],
            may=outcomes["may"],
            filings=len(self._cases),
            statuses=dict(sorted(statuses.items())),
            peak=max(days, key=lambda one: one.submitted, default=None),
            last_day=self._last_days[True],
            days=tuple(days),
            authorities={id_: self._told(id_) for id_ in sorted(self._desks)},
            proposals=self._proposals(),
            refused=dict(sorted(self._refused.items())),
        )

    def script(self) -> Script:
        """What was played, for processes that are to carry it."""
        return Script(
            period=self._period,
            filings=tuple((case.facts, case.plan) for case in self._cases),
            acts=tuple(self._acts),
            days=tuple(self._days_played),
            steps=tuple(self._steps),
            statuses=tuple(case.state.status for case in self._cases),
        )

    # --- who takes part, and when ------------------------------------------------------------

    def _enter(self, facts: Facts, outcome: str, place: str) -> None:
        wanted = {"must": self._behaviour.files, "may": self._behaviour.volunteers}.get(outcome)
        if wanted is None:
            return
        comes = self._random.random() < wanted
        if outcome == "may" and not comes:
            return
        rules = self._rule_sets[place]
        plan = rules.plan(facts)
        number = len(self._cases)
        self._cases.append(_Case(facts, rules, plan, FILING.new()))
        self._wait(number)
        if comes:
            self._at(self._when(plan), number, "submit")

    def _when(self, plan: CasePlan) -> datetime:
        opens, closes = plan.fill.opens, plan.fill.closes
        end = max(opens, closes - timedelta(days=self._behaviour.last_days))
        late = self._random.random() < self._behaviour.at_the_end
        first, last = (end, closes) if late or end <= opens else (opens, end)
        return first + (last - first) * self._random.random()

    def _at(self, at: datetime, number: int, what: str) -> None:
        heapq.heappush(self._agenda, (at, next(self._order), number, what))

    def _wait(self, number: int) -> None:
        """Has time act on a case at its next instant."""
        case = self._cases[number]
        timer = next_timer(FILING, case.state, case.plan)
        if timer is not None:
            self._at(timer.at, number, "time")

    # --- the days ----------------------------------------------------------------------------

    def _days(self, tell: Callable[[date], None]) -> list[Day]:
        first = min(day_of(case.plan.fill.opens) for case in self._cases)
        last = max(self._end(case.plan) for case in self._cases)
        days = []
        day = first
        while day <= last:
            tell(day)
            self._today = day
            nine = datetime(day.year, day.month, day.day, 9, tzinfo=BEIJING)
            self._until(nine)
            if self._works(day):
                for authority in sorted(self._desks):
                    self._works_off(authority, nine)
            self._until(datetime(day.year, day.month, day.day, tzinfo=BEIJING) + timedelta(days=1))
            days.append(self._day(day))
            self._days_played.append(day)
            day += timedelta(days=1)
        return days

    def _end(self, plan: CasePlan) -> date:
        """The last day on which anything of a filing is due, and the day on which it lapses."""
        closings = [window.closes for window in plan.stated().values()]
        beyond = plan.fill.closes + timedelta(days=366)
        return day_of(max(one for one in closings if one <= beyond))

    def _until(self, instant: datetime) -> None:
        while self._agenda and self._agenda[0][0] < instant:
            at, _, number, what = heapq.heappop(self._agenda)
            if what == "submit":
                self._submit(number, at)
            else:
                self._time_passes(number, at)

    def _day(self, day: date) -> Day:
        waiting = 0
        for id_, desk in self._desks.items():
            # what has lapsed waits for nobody
            desk.waiting = deque(n for n in desk.waiting if self._is_with(n, id_))
            waiting += len(desk.waiting)
            desk.by_day[day] = len(desk.waiting)
            if len(desk.waiting) > desk.most:
                desk.most, desk.most_on = len(desk.waiting), day
        count = self._happened.get(day, Counter())
        return Day(
            day=day,
            submitted=count["submitted"],
            returned=count["returned"] + count["sent_back"],
            completed=count["completed"],
            lapsed=count["lapsed"],
            backlog=waiting,
        )

    def _is_with(self, number: int, authority: str) -> bool:
        case = self._cases[number]
        return case.state.authority(case.plan) == authority

    # --- acts --------------------------------------------------------------------------------

    def _time_passes(self, number: int, at: datetime) -> None:
        case = self._cases[number]
        timer = next_timer(FILING, case.state, case.plan)
        if timer is None or timer.at > at:
            return
        command = timed(timer, case.sequence)
        if command is not None:
            self._give(number, command, at)

    def _submit(self, number: int, at: datetime) -> None:
        case = self._cases[number]
        facts = case.facts
        decision = case.rules.route(facts)
        if decision.reviewer is None and facts.certificates:
            # the form asks for a choice, and its filer makes one
            facts = facts.model_copy(update={"choice": facts.certificates[0].issuer})
            decision = case.rules.route(facts)
        if decision.reviewer is None:
            self._refused[str(decision.refusal)] += 1
            return
        id_ = facts.institution.id
        command = Submit(
            id="s",
            actor=Actor(subject=f"filer-{id_}", role=Role.FILER, scope=id_),
            received_at=at,
            revision=case.state.revision + 1,
            content_sha256=_SHA,
            choice=facts.choice,
        )
        closes = submission_closing(case.state, case.plan)[0]
        if self._give(number, command, at, FilingFindings(decision=decision)):
            case.submitted_at = case.submitted_at or at
            self._last_days[closes - at <= timedelta(days=1)] += 1

    def _works_off(self, authority: str, nine: datetime) -> None:
        desk = self._desks[authority]
        behaviour = self._behaviour
        most = behaviour.authorities.get(authority, behaviour.a_day)
        for turn in range(min(most, len(desk.waiting))):
            number = desk.waiting.popleft()
            if not self._is_with(number, authority):
                # taken from it meanwhile: it has lapsed
                continue
            self._looked_at(number, authority, nine + timedelta(hours=8) * (turn / max(most, 1)))
            desk.done += 1

    def _looked_at(self, number: int, authority: str, at: datetime) -> None:
        case = self._cases[number]
        checking = case.state.status is Status.QUALITY_CHECK
        role = Role.CHECKER if checking else Role.REVIEWER
        # whoever passes one level passes no other
        person = f"{role}-{authority}-{len(case.state.passed_by)}"
        told = {
            "id": "r",
            "actor": Actor(subject=person, role=role, scope=authority),
            "received_at": at,
            "note_sha256": _NOTE,
        }
        if not self._give(number, c.Claim(**told), at):
            return
        if not checking and self._random.random() < self._behaviour.returned:
            if self._give(number, c.Return(**told), at) and (
                self._random.random() < self._behaviour.corrected
            ):
                self._at(at + _CORRECTION * self._random.random(), number, "submit")
            return
        self._give(number, c.PassQuality(**told) if checking else c.Approve(**told), at)

    def _give(
        self, number: int, command: Command, at: datetime, findings: FilingFindings | None = None
    ) -> bool:
        case = self._cases[number]
        before = case.state.authority(case.plan)
        outcome = decide(FILING, case.state, case.plan, command, at, findings)
        if command.actor.role is not Role.SYSTEM:
            refused = outcome.code.value if isinstance(outcome, Refusal) else ""
            self._acts.append(Act(self._today, number, command, findings, refused))
            self._acted[number] = self._today
        if isinstance(outcome, Refusal):
            self._refused[outcome.code.value] += 1
            return False
        # what time brings to a filing that somebody has moved today comes with that
        timed = command.actor.role is Role.SYSTEM and self._acted.get(number) != self._today
        self._steps.append(Steps(self._today, number, len(outcome), timed))
        for event in outcome:
            case.state = evolve(FILING, case.state, event.model_copy(update={"at": at}))
            case.sequence += 1
            self._happened.setdefault(day_of(at), Counter())[str(event.name)] += 1
            if event.name == "approved":
                case.approved_at = at
        after = case.state.authority(case.plan)
        if after and (after != before or command.kind in ("approve", "pass_quality")):
            desk = self._desks.setdefault(after, _Desk())
            desk.waiting.append(number)
            desk.received += 1
        self._wait(number)
        return True

    # --- what came of it ---------------------------------------------------------------------

    def _told(self, authority: str) -> Backlog:
        desk = self._desks[authority]
        rules = self._rule_sets[self._jurisdiction]
        return Backlog(
            name=rules.authority_name(authority),
            received=desk.received,
            done=desk.done,
            most=desk.most,
            most_on=desk.most_on,
            left=sum(self._is_with(number, authority) for number in desk.waiting),
            by_day=tuple(desk.by_day.get(day, 0) for day in self._days_played),
        )

    def _proposals(self) -> dict[str, int]:
        found: Counter[str] = Counter()
        for case in self._cases:
            if case.plan.obligation.outcome != "must" or case.rules.enforcement is None:
                continue
            due = (case.plan.supplement or case.plan.fill).closes
            filing = FilingFacts(
                status=case.state.status,
                obligation="must",
                due=case.plan.fill.closes,
                submitted_at=case.submitted_at,
                approved_at=case.approved_at,
            )
            facts = EnforcementFacts(**dict(case.facts), filing=filing)
            try:
                told = case.rules.consequences(facts, due + timedelta(days=1))
            except FactsIncomplete:
                continue
            found.update({one.measure for one in told.proposals})
        return dict(sorted(found.items()))
