"""Acts that wait for a second person: who has proposed what, confirming, declining, withdrawing."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import Field
from starlette.responses import Response

from api.door import cursors
from api.door.asking import Told, fetch
from api.door.operations import PAGING, Call, Operation, Parameter, json_of, schema_of
from api.door.parts import Parts, parts_of
from api.door.requests import Text, path, query
from api.door.rights import Right
from domain.confirmations import (
    CONFIRMATION_STATE_LABELS,
    CONFIRMED_ACT_LABELS,
    SENT_AGAIN,
    ConfirmationState,
    ConfirmedAct,
    ProposedAct,
    person_of,
)
from domain.model import Value
from domain.refusals import Code, Refusal, Refused

ConfirmationId = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
_LATER = frozenset({429, 503})
"""Answers that say nothing of the act: it is tried again."""


class ConfirmationShown(Value):
    """A proposed act, whole, and what became of it; ``own``: the asker has proposed it.

    ``reason`` is why it was declined, ``outcome`` the code by which it was refused in the end.
    """

    id: str
    act: ConfirmedAct
    act_label: str
    number: int
    path: str
    body: dict[str, Any]
    proposed_by: str
    proposed_as: str
    scope: str
    proposed_at: datetime
    ends_at: datetime
    state: ConfirmationState
    state_label: str
    late: bool
    own: bool
    decided_by: str
    decided_at: datetime | None
    reason: str
    outcome: str


class ConfirmationPage(Value):
    """A page of proposed acts, the newest first."""

    items: tuple[ConfirmationShown, ...]
    next: str | None


class Nothing(Value):
    """No content is needed."""


class DeclineBody(Value):
    """Why an act is not confirmed."""

    reason: Text


def shown(
    proposed: ProposedAct, reasons: dict[str, str], asker: str, now: datetime
) -> ConfirmationShown:
    """A proposed act as the API and the command line show it."""
    open_ = proposed.state is ConfirmationState.OPEN
    return ConfirmationShown(
        id=proposed.id,
        act=proposed.act,
        act_label=CONFIRMED_ACT_LABELS[proposed.act],
        number=proposed.number,
        path=proposed.path,
        body=proposed.body,
        proposed_by=proposed.proposed_by.subject,
        proposed_as=proposed.proposed_by.role.value,
        scope=proposed.proposed_by.scope,
        proposed_at=proposed.proposed_at,
        ends_at=proposed.ends_at,
        state=proposed.state,
        state_label=CONFIRMATION_STATE_LABELS[proposed.state],
        late=open_ and now >= proposed.ends_at,
        own=person_of(asker) == person_of(proposed.proposed_by.subject),
        decided_by=proposed.decided_by,
        decided_at=proposed.decided_at,
        reason=reasons.get(proposed.note_sha256, ""),
        outcome=proposed.outcome,
    )


async def list_confirmations(call: Call) -> Response:
    """What has been proposed in the asker's authority or jurisdiction."""
    request, parts = call.request, parts_of(call.request)
    waiting = query(request, "waiting", bool, default=False)
    last = cursors.given(request, (str, str))
    after = (datetime.fromisoformat(last[0]), last[1]) if last else None
    page, following = await cursors.paged(
        request,
        lambda size: parts.confirmations.newest_first(call.actor, after, size, waiting=waiting),
        lambda one: [one.proposed_at.isoformat(), one.id],
    )
    reasons = await parts.confirmations.reasons(page)
    now = parts.clock()
    items = tuple(shown(one, reasons, call.actor.subject, now) for one in page)
    return json_of(ConfirmationPage(items=items, next=following))


async def get_confirmation(call: Call) -> Response:
    """One proposed act."""
    parts = parts_of(call.request)
    return await _answer(call, await parts.confirmations.find(_id(call), call.actor))


async def confirm(call: Call) -> Response:
    """Confirms an act, which is done at once in the name of whoever proposed it."""
    parts = parts_of(call.request)
    proposed = await parts.confirmations.confirm(_id(call), call.actor)
    if proposed.state is ConfirmationState.CONFIRMED and proposed.act not in SENT_AGAIN:
        proposed = await _do(call, parts, proposed)
    if proposed.state is ConfirmationState.REFUSED:
        raise Refused(_refused(proposed.outcome))
    return await _answer(call, proposed)


async def _do(call: Call, parts: Parts, proposed: ProposedAct) -> ProposedAct:
    """Makes the request as it was asked for. Raises Refused, or Told for what may work later."""
    proposer = proposed.proposed_by
    try:
        # a role that has ended since does not act any more
        await parts.people.standing(proposer)
        as_asked = call._replace(actor=proposer)
        body = proposed.body
        await fetch(as_asked, "POST", proposed.path, body, confirmed=proposed.command_id)
    except Told as told:
        if told.problem["status"] in _LATER:
            raise
        await parts.confirmations.done(proposed, call.actor, told.problem["code"])
        params = {"why": f"{told.problem['detail']}{told.problem['remedy']}"}
        raise Refused(Refusal(code=Code.CONFIRMED_AND_REFUSED, params=params)) from None
    except Refused as refused:
        await parts.confirmations.done(proposed, call.actor, refused.refusal.code.value)
        raise Refused(_refused(refused.refusal.code.value)) from None
    return await parts.confirmations.done(proposed, call.actor)


def _refused(code: str) -> Refusal:
    words = Code(code).words
    return Refusal(code=Code.CONFIRMED_AND_REFUSED, params={"why": f"{words.title}。"})


async def decline(call: Call) -> Response:
    """Declines an act, for a reason."""
    parts = parts_of(call.request)
    reason = call.body.reason
    return await _answer(call, await parts.confirmations.decline(_id(call), call.actor, reason))


async def withdraw(call: Call) -> Response:
    """Takes back what one has proposed."""
    parts = parts_of(call.request)
    return await _answer(call, await parts.confirmations.withdraw(_id(call), call.actor))


async def _answer(call: Call, proposed: ProposedAct) -> Response:
    parts = parts_of(call.request)
    reasons = await parts.confirmations.reasons([proposed])
    return json_of(shown(proposed, reasons, call.actor.subject, parts.clock()))


def _id(call: Call) -> str:
    found: str = path(call.request, "confirmation", ConfirmationId)
    return found


_TAG = "两人办理"
_ALL = "/api/confirmations"
_ONE = f"{_ALL}/{{confirmation}}"

OPERATIONS = [
    Operation(
        "GET",
        _ALL,
        list_confirmations,
        "须另一人确认的事项",
        _TAG,
        Right.SEE_CONFIRMATIONS,
        ConfirmationPage,
        parameters=(
            Parameter("waiting", "true：只列现在可以确认的", schema=schema_of(bool)),
            *PAGING,
        ),
    ),
    Operation(
        "GET",
        _ONE,
        get_confirmation,
        "一件须另一人确认的事项",
        _TAG,
        Right.SEE_CONFIRMATIONS,
        ConfirmationShown,
    ),
    Operation(
        "POST",
        f"{_ONE}/confirm",
        confirm,
        "确认，随即以提出人的名义办理",
        _TAG,
        Right.CONFIRM,
        ConfirmationShown,
        writes=True,
        # what is confirmed may be what takes long: rules are checked in full
        unhurried=True,
        body=Nothing,
        body_optional=True,
        example={},
        description="规则规定哪些事项须由两人办理、由谁确认、多久之内；提出人自己不能确认。",
    ),
    Operation(
        "POST",
        f"{_ONE}/decline",
        decline,
        "不予确认",
        _TAG,
        Right.CONFIRM,
        ConfirmationShown,
        writes=True,
        body=DeclineBody,
        example={"reason": "文书号与附件不符"},
    ),
    Operation(
        "POST",
        f"{_ONE}/withdraw",
        withdraw,
        "撤回自己提出的事项",
        _TAG,
        Right.CONFIRM,
        ConfirmationShown,
        writes=True,
        body=Nothing,
        body_optional=True,
        example={},
    ),
]
