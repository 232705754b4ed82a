"""What events of enforcement change in a case, and what timelines tell of them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from domain.case.events import Event
from domain.case.state import listed
from domain.case.status import Status
from domain.clock import day_of
from domain.decision import ReviewLevel
from domain.enforcement.commands import (
    ENDING_LABELS,
    Ending,
    Stage,
)
from domain.enforcement.state import State
from domain.messages import closing_time

# --- what events change ---------------------------------------------------------------------------

Change = Mapping[str, Any]


def _instant(body: Mapping[str, Any], name: str) -> datetime | None:
    value = body.get(name)
    return datetime.fromisoformat(value) if value else None


def opened(s: State, event: Event) -> Change:
    level = ReviewLevel.model_validate(event.body["level"])
    return {
        "status": Status.IN_REVIEW,
        "levels": (level,),
        "level": 1,
        **s.own_with(
            stage=Stage.OPENED,
            opened_at=_instant(event.body, "opened_at"),
            decision_due=_instant(event.body, "decision_due"),
        ),
    }


def proposed(s: State, event: Event) -> Change:
    body = event.body
    levels = tuple(
        ReviewLevel(id=name, authority=body[name], label=label, cite=event.cite)
        for name, label in (("proposes", "承办"), ("decides", "决定"))
    )
    return {
        "levels": levels,
        "level": 1 if body["heard"] else 2,
        "reviewers": listed(s.reviewers, event.actor.subject),
        **s.own_with(
            stage=Stage.PROPOSED,
            measure=body["measure"],
            decision_due=_instant(body, "decision_due"),
        ),
    }


def noticed(s: State, event: Event) -> Change:
    return {
        "level": 2,
        "reviewers": listed(s.reviewers, event.actor.subject),
        **s.own_with(stage=Stage.NOTICED, statement_due=_instant(event.body, "due")),
    }


def stated(s: State, event: Event) -> Change:
    return {
        "filers": listed(s.filers, event.actor.subject),
        **s.own_with(statements=event.body["number"]),
    }


def decided(s: State, event: Event) -> Change:
    return {
        "level": 1,
        "checkers": listed(s.checkers, event.actor.subject),
        **s.own_with(
            stage=Stage.DECIDED, service_due=_instant(event.body, "due"), decision_due=None
        ),
    }


def dismissed(s: State, event: Event) -> Change:
    return {"checkers": listed(s.checkers, event.actor.subject)}


def served(s: State, event: Event) -> Change:
    return {
        "reviewers": listed(s.reviewers, event.actor.subject),
        **s.own_with(
            stage=Stage.SERVED,
            service_due=None,
            effective_at=_instant(event.body, "effective_at"),
            expires_at=_instant(event.body, "expires_at"),
        ),
    }


def took_effect(s: State, event: Event) -> Change:
    return {
        "status": Status.IN_FORCE,
        "level": 0,
        **s.own_with(
            stage=Stage.IN_FORCE,
            effective_at=_instant(event.body, "effective_at"),
            expires_at=_instant(event.body, "expires_at"),
        ),
    }


def handed_over(s: State, event: Event) -> Change:
    return {"reviewers": listed(s.reviewers, event.actor.subject)}


def objected(s: State, event: Event) -> Change:
    due = _instant(event.body, "due")
    return {
        "filers": listed(s.filers, event.actor.subject),
        **s.own_with(objecting=True, objection_due=due, answer_late=False),
    }


def answered(s: State, event: Event) -> Change:
    return {
        "checkers": listed(s.checkers, event.actor.subject),
        **s.own_with(objecting=False, objection_due=None),
    }


def answer_late(s: State, _: Event) -> Change:
    return s.own_with(answer_late=True)


def ended(s: State, event: Event) -> Change:
    return {
        "status": Status.COMPLETED,
        "level": 0,
        "claimed_by": "",
        **s.own_with(
            stage=Stage.OVER,
            ended_by=Ending(event.body["by"]),
            decision_due=None,
            service_due=None,
        ),
    }


# --- what timelines tell --------------------------------------------------------------------------


def tell_opened(body: Mapping[str, Any]) -> str:
    return f"可以提出：{'、'.join(body['labels'])}（{body['because']}）"


def tell_measure(body: Mapping[str, Any]) -> str:
    return str(body["label"])


def tell_due(body: Mapping[str, Any]) -> str:
    ends = _instant(body, "due")
    label = body.get("label", "")
    until = f"期限到 {closing_time(ends)} 为止" if ends is not None else ""
    return "，".join(filter(None, (label, until)))


def tell_statement(body: Mapping[str, Any]) -> str:
    return f"第 {body['number']} 次"


def tell_effect(body: Mapping[str, Any]) -> str:
    since = _instant(body, "effective_at")
    expires = _instant(body, "expires_at")
    until = f"，至迟 {closing_time(expires)} 期满" if expires is not None else ""
    return f"{body['label']}，自 {day_of(since)} 起{until}" if since is not None else ""


def tell_handed_over(body: Mapping[str, Any]) -> str:
    return f"{body['agency']}（{body['document']}）"


def tell_answer(body: Mapping[str, Any]) -> str:
    return "异议成立" if body["upheld"] else "异议不成立"


def tell_ended(body: Mapping[str, Any]) -> str:
    return ENDING_LABELS[Ending(body["by"])]


def tell_late(_: Mapping[str, Any]) -> str:
    return "逾期没有答复，请尽快办理"
