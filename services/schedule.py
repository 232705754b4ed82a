"""What is to happen to a case or a campaign by itself, and what has: waiting, done, late, failed.

Out of the plan, the journal and the outbox; the engine is not asked.
"""

import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy.ext.asyncio import AsyncEngine

from domain.case.commands import Remind
from domain.case.events import EventName, Step, event_of
from domain.case.kind import SPREAD, CaseKind, fold, spread
from domain.case.plan import FOREVER
from domain.case.state import Timer
from domain.case.status import STATUS_LABELS
from domain.kinds import KINDS
from domain.model import Value
from domain.notices import CHANNEL_LABELS, DELIVERY_STATE_LABELS, Channel, DeliveryState
from domain.numbers.quarters import Period
from services.clock import Clock
from services.rule_sets import PinnedRules
from services.sight import counting
from store import journal, notices, schedule
from store.campaigns import Campaign
from store.cases import Case
from store.notices import Notice

_MARGIN = timedelta(minutes=5)
"""What is later than its instant by more than this is being tried again."""


class ActionState(StrEnum):
    """Where a scheduled action stands; ``retrying``: it was tried, or is late."""

    WAITING = "waiting"
    DONE = "done"
    RETRYING = "retrying"
    FAILED = "failed"


ACTION_STATE_LABELS: dict[ActionState, str] = {
    ActionState.WAITING: "等待",
    ActionState.DONE: "已办",
    ActionState.RETRYING: "重试中",
    ActionState.FAILED: "未成",
}


class Action(Value):
    """One thing that time brings. ``at`` is its instant, ``done_at`` when it was on record.

    ``what`` is a command, an event or ``delivery``; ``count`` how many cases it is about.
    """

    what: str
    label: str
    at: datetime
    state: ActionState
    state_label: str
    count: int = 1
    done_at: datetime | None = None
    detail: str = ""


class ScheduleService:
    """Tells what is scheduled; writes nothing."""

    def __init__(self, engine: AsyncEngine, pinned: PinnedRules, clock: Clock) -> None:
        self._engine = engine
        self._pinned = pinned
        self._clock = clock

    async def of_case(self, case: Case) -> list[Action]:
        """What time has brought to a case and will bring if nobody acts, by instant."""
        async with self._engine.connect() as connection:
            steps = await journal.steps(connection, case.case_id)
            served = await notices.page(connection, case_id=case.case_id, size=1_000)
        kind, now = KINDS[case.kind], self._clock()
        state = fold(kind, map(event_of, steps))
        coming = [timer for timer in kind.timers(state, case.plan) if timer.at < FOREVER]
        labels = {reminder.id: reminder.label for reminder in case.plan.reminders}
        return _in_order(
            [
                *_happened(kind, steps),
                *(_waits(case.case_id, timer, labels, now) for timer in coming),
                *(action for notice in served for action in _deliveries(notice)),
            ]
        )

    async def of_campaign(self, campaign: Campaign, period: Period) -> list[Action]:
        """What a campaign and its cases go through by themselves, in numbers, by instant."""
        async with counting(self._engine) as connection:
            steps = await journal.steps(connection, campaign.case_id)
            done = await schedule.done(connection, campaign.case_id)
            waiting = await schedule.waiting(connection, campaign.case_id)
            sent = await schedule.sent(connection, campaign.case_id)
        now = self._clock()
        actions = await self._stages(campaign, period, steps, now)
        for row in done:
            label = KINDS[row.kind].events[row.event].label
            detail = row.reminder
            actions.append(
                _action(row.event, label, row.at, ActionState.DONE, row.number, row.last_at, detail)
            )
        for one in waiting:
            label = f"“{STATUS_LABELS[one.status]}”到期"
            state = _late(one.at + SPREAD, now)
            actions.append(_action(one.status.value, label, one.at, state, one.number))
        for each in sent:
            state = _delivery_state(each.state, tried=each.tried)
            label = f"送达：{CHANNEL_LABELS[each.channel]}"
            detail = DELIVERY_STATE_LABELS[each.state]
            actions.append(
                _action("delivery", label, each.first_at, state, each.number, None, detail)
            )
        return _in_order(actions)

    # --- private steps -----------------------------------------------------------------------

    async def _stages(
        self, campaign: Campaign, period: Period, steps: list[Step], now: datetime
    ) -> list[Action]:
        """Its stages, and the reminders of its rules that are yet to come."""
        rules = await self._pinned.get(campaign.rule_set)
        entered = {step.body["stage"]: step.at for step in steps if step.event == "stage_entered"}
        actions = [] if campaign.annulled_at else [
            _action(
                "stage",
                f"进入阶段：{stage.label}",
                stage.window.opens,
                ActionState.DONE
                if stage.id in entered
                else _late(stage.window.opens, now),
                1,
                entered.get(stage.id),
            )
            for stage in ([] if period.quarter else rules.stages)
        ]  # fmt: skip
        if campaign.annulled_at or period.quarter:
            return actions
        for sha256 in sorted(set(campaign.rule_sets.values())):
            own = await self._pinned.get(sha256)
            actions += [
                _action(Remind.name(), one.label, one.at, ActionState.WAITING, 0, None, own.ref.id)
                for one in own.reminders
                if now < one.at < FOREVER
            ]
        return actions


def _happened(kind: CaseKind, steps: Iterable[Step]) -> list[Action]:
    return [
        _action(
            step.event,
            kind.events[step.event].label,
            step.received_at,
            ActionState.DONE,
            1,
            step.at,
            kind.events[step.event].told(step.body),
        )
        for step in steps
        if re.match(schedule.TIMED, step.command_id) or step.event == EventName.OPENED
    ]


def _waits(case_id: str, timer: Timer, labels: dict[str, str], now: datetime) -> Action:
    name, label = "end", "不再办理"
    if timer.command is not None:
        name, label = timer.command.name(), timer.command.label
    reminder = str(timer.details.get("reminder", ""))
    detail = labels.get(reminder.partition("@")[0], "")
    state = _late(timer.at + spread(case_id, timer), now)
    return _action(name, label, timer.at, state, 1, None, detail)


def _deliveries(notice: Notice) -> list[Action]:
    return [
        _action(
            "delivery",
            f"送达：{CHANNEL_LABELS[one.channel]}",
            notice.served_at,
            _delivery_state(one.state, tried=one.attempts > 0),
            1,
            one.delivered_at,
            "；".join(filter(None, (notice.title, one.failure))),
        )
        for one in notice.deliveries
        if one.channel is not Channel.MESSAGE
    ]


def _delivery_state(state: DeliveryState, *, tried: bool) -> ActionState:
    match state:
        case DeliveryState.DELIVERED:
            return ActionState.DONE
        case DeliveryState.FAILED | DeliveryState.UNADDRESSED:
            return ActionState.FAILED
        case DeliveryState.WAITING:
            return ActionState.RETRYING if tried else ActionState.WAITING


def _late(due: datetime, now: datetime) -> ActionState:
    return ActionState.WAITING if now <= due + _MARGIN else ActionState.RETRYING


def _action(
    what: str,
    label: str,
    at: datetime,
    state: ActionState,
    count: int,
    done_at: datetime | None = None,
    detail: str = "",
) -> Action:
    return Action(
        what=what,
        label=label,
        at=at,
        state=state,
        state_label=ACTION_STATE_LABELS[state],
        count=count,
        done_at=done_at,
        detail=detail,
    )


def _in_order(actions: list[Action]) -> list[Action]:
    return sorted(actions, key=lambda one: (one.at, one.what, one.detail))
