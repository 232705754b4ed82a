"""Acts that one person proposes and another confirms.

What is asked for is kept as it was asked, and done in the name of whoever asked once somebody else
has confirmed it: through the same door, under the same command, with the rights they have then.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from domain.canonical import sha256_of
from domain.case.commands import ROLE_LABELS, Actor, Role
from domain.confirmations import (
    CONFIRMATION_STATE_LABELS,
    CONFIRMED_ACT_LABELS,
    SENT_AGAIN,
    ConfirmationState,
    ConfirmedAct,
    ProposedAct,
    concerns,
    may_not_decide,
    person_of,
    proposal_id,
)
from domain.refusals import Code, Refusal, Refused, unseen
from rules.file.confirmations import Confirmations, load_confirmations
from rules.file.library import RulesInvalid
from services.clock import Clock
from services.publishing import rules_invalid
from store import confirmations, content, journal

_MOST_WAITING = 200
_ENDED = frozenset({ConfirmationState.DECLINED, ConfirmationState.WITHDRAWN})


class ConfirmationService:
    """Holds back what needs a second person, and has it confirmed."""

    def __init__(self, engine: AsyncEngine, rules: Path, clock: Clock) -> None:
        self._engine = engine
        # single reads: no transaction to begin and end around them
        self._reads = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._rules = rules
        self._clock = clock

    async def hold(
        self,
        act: ConfirmedAct,
        number: int,
        path: str,
        body: dict[str, Any],
        actor: Actor,
        command_id: str,
        check: Callable[[], Awaitable[None]] | None = None,
    ) -> ProposedAct | None:
        """Returns for what one person may do, None; what was confirmed under this command: that.

        Otherwise it is put down as proposed, once for a command, and Refused is raised: it waits
        for its confirmation, was declined, or its time is over. ``check`` raises Refused for what
        could not be done now in any case: that is not proposed.
        """
        terms = await self._terms()
        id_ = proposal_id(command_id)
        now = self._clock()
        async with self._engine.begin() as connection:
            await journal.lock(connection, _chain(id_))
            standing = await confirmations.by_id(connection, id_)
            if standing is None:
                needed = terms.needed(act, number)
                if needed is None:
                    return None
                if check is not None:
                    await check()
                standing = ProposedAct(
                    id=id_,
                    act=act,
                    number=number,
                    path=path,
                    body=body,
                    body_sha256=sha256_of(body),
                    command_id=command_id,
                    proposed_by=actor,
                    proposed_at=now,
                    ends_at=now + timedelta(hours=terms.hours),
                )
                await confirmations.add(connection, standing)
                await self._record(connection, standing, "act_proposed", actor, now)
        if standing.state is ConfirmationState.OPEN:
            if now >= standing.ends_at:
                raise Refused(Refusal(code=Code.CONFIRMATION_LATE, at=standing.ends_at))
            params = {
                "act": CONFIRMED_ACT_LABELS[standing.act],
                "id": standing.id,
                "roles": _named(terms.acts[standing.act.value].roles),
                "then": SENT_AGAIN.get(standing.act, ""),
            }
            raise Refused(
                Refusal(code=Code.AWAITS_CONFIRMATION, params=params, at=standing.ends_at)
            )
        if standing.state in _ENDED:
            raise Refused(decided(standing))
        waits = standing.state is ConfirmationState.CONFIRMED and standing.act in SENT_AGAIN
        if waits and now >= standing.ends_at:
            raise Refused(Refusal(code=Code.CONFIRMATION_LATE, at=standing.ends_at))
        return standing

    async def from_how_many(self, act: ConfirmedAct) -> int:
        """From how many cases on an act needs a second person; 0: it needs none."""
        terms = (await self._terms()).acts[act.value]
        return terms.least if terms.required else 0

    async def asked(self, command_id: str) -> ProposedAct | None:
        """What was proposed under a command, None for nothing."""
        async with self._engine.connect() as connection:
            return await confirmations.by_id(connection, proposal_id(command_id))

    async def confirmed_by(self, command_id: str) -> str:
        """Who has confirmed what is done under a command, "" for nobody."""
        proposed = await self.asked(command_id)
        return proposed.decided_by if proposed is not None else ""

    async def confirm(self, id_: str, actor: Actor) -> ProposedAct:
        """Confirms an act, which is to be done now; again by the same person: the same.

        Raises Refused: not theirs, their own, too late, or decided otherwise.
        """
        return await self._decide(id_, actor, ConfirmationState.CONFIRMED, "act_confirmed")

    async def decline(self, id_: str, actor: Actor, reason: str) -> ProposedAct:
        """Declines an act, for a reason; it is never done then. Raises Refused as `confirm`."""
        return await self._decide(id_, actor, ConfirmationState.DECLINED, "act_declined", reason)

    async def withdraw(self, id_: str, actor: Actor) -> ProposedAct:
        """Whoever proposed an act takes it back. Raises Refused for another's, or decided."""
        now = self._clock()
        async with self._engine.begin() as connection:
            proposed = await self._held(connection, id_, actor)
            if proposed.state is ConfirmationState.WITHDRAWN:
                return proposed
            if person_of(actor.subject) != person_of(proposed.proposed_by.subject):
                params = {"person": proposed.proposed_by.subject}
                raise Refused(Refusal(code=Code.PROPOSERS_ONLY, params=params))
            if proposed.state is not ConfirmationState.OPEN:
                raise Refused(decided(proposed))
            state = ConfirmationState.WITHDRAWN
            await confirmations.decide(connection, id_, state, actor.subject, now, "")
            await self._record(connection, proposed, "act_withdrawn", actor, now)
            return await self._again(connection, id_)

    async def done(self, proposed: ProposedAct, actor: Actor, refused: str = "") -> ProposedAct:
        """Puts down that a confirmed act was done, or why it could not be: a refusal's code."""
        now = self._clock()
        state = ConfirmationState.REFUSED if refused else ConfirmationState.DONE
        async with self._engine.begin() as connection:
            await journal.lock(connection, _chain(proposed.id))
            if await confirmations.end(connection, proposed.id, state, refused):
                event = "act_refused" if refused else "act_done"
                await self._record(connection, proposed, event, actor, now, code=refused)
            return await self._again(connection, proposed.id)

    async def find(self, id_: str, actor: Actor) -> ProposedAct:
        """One act. Raises Refused for none that concerns the asker."""
        async with self._engine.connect() as connection:
            proposed = await confirmations.by_id(connection, id_)
        if proposed is None or not (actor.role is Role.AUDITOR or concerns(proposed, actor)):
            raise Refused(unseen())
        return proposed

    async def newest_first(
        self, actor: Actor, after: tuple[datetime, str] | None, size: int, *, waiting: bool = False
    ) -> list[ProposedAct]:
        """Up to ``size`` acts that concern somebody; ``waiting``: those that can be confirmed."""
        scope = "" if actor.role is Role.AUDITOR else actor.scope
        at = self._clock() if waiting else None
        async with self._reads.connect() as connection:
            return await confirmations.newest_first(connection, scope, at, after, size)

    async def waiting_for(self, actor: Actor) -> int:
        """How many acts that others have proposed somebody may confirm now; no more are counted
        than a page holds.
        """
        terms, listed = None, await self.newest_first(actor, None, _MOST_WAITING, waiting=True)
        if listed:
            terms = await self._terms()
        return sum(
            terms is not None
            and actor.role.value in terms.acts[one.act.value].roles
            and person_of(one.proposed_by.subject) != person_of(actor.subject)
            for one in listed
        )

    async def reasons(self, proposed: Sequence[ProposedAct]) -> dict[str, str]:
        """Why acts were declined, by the hash of the note."""
        hashes = [one.note_sha256 for one in proposed if one.note_sha256]
        async with self._engine.connect() as connection:
            notes = await content.notes_by_sha256(connection, hashes)
        return {sha256: str(note.get("reason", "")) for sha256, note in notes.items()}

    # --- private steps -----------------------------------------------------------------------

    async def _terms(self) -> Confirmations:
        try:
            return await asyncio.to_thread(load_confirmations, self._rules)
        except RulesInvalid as invalid:
            raise Refused(rules_invalid(invalid, year="", jurisdiction="")) from None

    async def _decide(
        self, id_: str, actor: Actor, state: ConfirmationState, event: str, reason: str = ""
    ) -> ProposedAct:
        terms = await self._terms()
        now = self._clock()
        async with self._engine.begin() as connection:
            proposed = await self._held(connection, id_, actor)
            roles = frozenset(terms.acts[proposed.act.value].roles)
            refusal = may_not_decide(proposed, actor, roles, _named(roles), now)
            if refusal is not None:
                raise Refused(refusal)
            if proposed.state is not ConfirmationState.OPEN:
                either = {proposed.state, state}
                if len(either) > 1 and either & _ENDED:
                    raise Refused(decided(proposed))
                return proposed
            note = await content.save_note(connection, {"reason": reason}) if reason else ""
            await confirmations.decide(connection, id_, state, actor.subject, now, note)
            await self._record(connection, proposed, event, actor, now, note)
            return await self._again(connection, id_)

    async def _held(self, connection: AsyncConnection, id_: str, actor: Actor) -> ProposedAct:
        await journal.lock(connection, _chain(id_))
        proposed = await confirmations.by_id(connection, id_, held=True)
        if proposed is None or not concerns(proposed, actor):
            raise Refused(unseen())
        if sha256_of(proposed.body) != proposed.body_sha256:
            params = {"case": _chain(id_), "what": "所提出的事项"}
            raise Refused(Refusal(code=Code.CONTENT_ALTERED, params=params))
        return proposed

    async def _again(self, connection: AsyncConnection, id_: str) -> ProposedAct:
        proposed = await confirmations.by_id(connection, id_)
        assert proposed is not None
        return proposed

    async def _record(
        self,
        connection: AsyncConnection,
        proposed: ProposedAct,
        event: str,
        actor: Actor,
        now: datetime,
        note: str = "",
        code: str = "",
    ) -> None:
        """One step of the act's own chain, which says what was proposed without saying it all."""
        body: dict[str, Any] = {
            "act": proposed.act.value,
            "path": proposed.path,
            "number": proposed.number,
            "body_sha256": proposed.body_sha256,
            "command": proposed.command_id,
            "proposed_by": proposed.proposed_by.subject,
            **({"code": code} if code else {}),
        }
        await journal.append_operator_step(
            connection, _chain(proposed.id), event, actor, now, body, event, note_sha256=note
        )


def _chain(id_: str) -> str:
    return f"confirmation/{id_}"


def _named(roles: Collection[str]) -> str:
    return "、".join(ROLE_LABELS[role] for role in Role if role.value in roles)


def decided(proposed: ProposedAct) -> Refusal:
    """The refusal of what was decided already, otherwise than was wanted."""
    params = {
        "state": CONFIRMATION_STATE_LABELS[proposed.state],
        "person": proposed.decided_by,
    }
    return Refusal(code=Code.CONFIRMATION_DECIDED, params=params, at=proposed.decided_at)
