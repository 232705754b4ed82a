"""New institutions: asked for by their own account or an operator, decided by an operator.

The decision is that of the region the institution lies in. What is approved is on the register at
once; whether it must file is found by the next pass over the register.
"""

import hashlib
from datetime import datetime
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from domain.case.commands import Actor
from domain.facts import InstitutionFacts
from domain.ids import NATION
from domain.institutions import REQUEST_STATE_LABELS, RequestState
from domain.model import Value
from domain.refusals import Code, Refusal, Refused
from rules.file.catalogue import Catalogue
from services.clock import Clock
from store import content, institutions, journal, registrations
from store.institutions import REGISTER, Institution
from store.registrations import RegistrationRequest as RegistrationRequest


class Applied(Value):
    """What somebody asks to be registered as."""

    institution: str
    name: str
    uscc: str
    region: str
    legal_person: bool


class RequestKnown(NamedTuple):
    """A request with the reason of its decision, and the accounts on record that resemble it."""

    request: RegistrationRequest
    reason: str
    alike: tuple[str, ...]


class RegistrationService:
    """Takes requests to be registered and has them decided."""

    def __init__(self, engine: AsyncEngine, catalogue: Catalogue, clock: Clock) -> None:
        self._engine = engine
        self._catalogue = catalogue
        self._clock = clock

    async def ask(self, applied: Applied, actor: Actor, command_id: str) -> RequestKnown:
        """Asks for an institution to be registered; the same command again is the same request.

        Raises Refused: no such region, registered already, or another request for it waits.
        """
        id_ = hashlib.sha256(f"registration|{command_id}".encode()).hexdigest()[:32]
        if applied.region == NATION or applied.region not in self._catalogue.areas:
            params = {"region": applied.region}
            raise Refused(Refusal(code=Code.UNKNOWN_REGION, params=params))
        now = self._clock()
        async with self._engine.begin() as connection:
            await journal.lock(connection, REGISTER)
            standing = await registrations.by_id(connection, id_)
            if standing is not None:
                return await _known(connection, standing)
            await _refuse_registered(connection, applied.institution)
            asked = RegistrationRequest(
                id=id_,
                institution_id=applied.institution,
                **applied.model_dump(exclude={"institution"}),
                state=RequestState.ASKED,
                asked_by=actor.subject,
                asked_at=now,
            )
            if not await registrations.add(connection, asked):
                params = {"institution": applied.institution}
                raise Refused(Refusal(code=Code.REGISTRATION_WAITING, params=params))
            await self._on_record(
                connection, asked, "registration_requested", actor, now, command_id
            )
            return await _known(connection, asked)

    async def find(self, id_: str) -> RequestKnown:
        """One request. Raises Refused for none."""
        async with self._engine.connect() as connection:
            request = await registrations.by_id(connection, id_)
            if request is None:
                raise Refused(Refusal(code=Code.NOT_FOUND, params={"what": "这一登记申请"}))
            return await _known(connection, request)

    async def page(
        self,
        within: str,
        institution: str,
        state: RequestState | None,
        after: tuple[datetime, str] | None,
        size: int,
    ) -> list[RequestKnown]:
        """Up to ``size`` requests, the oldest first, as `store.registrations.page`."""
        async with self._engine.connect() as connection:
            found = await registrations.page(connection, within, institution, state, after, size)
            return [await _known(connection, request) for request in found]

    async def approve(self, id_: str, actor: Actor, command_id: str) -> RequestKnown:
        """Puts the institution on the register. Raises Refused as `refuse`, or it is there."""
        return await self._decide(id_, RequestState.APPROVED, "", actor, command_id)

    async def refuse(self, id_: str, reason: str, actor: Actor, command_id: str) -> RequestKnown:
        """Refuses to register, for a reason. Raises Refused when it was decided otherwise."""
        return await self._decide(id_, RequestState.REFUSED, reason, actor, command_id)

    # --- private steps -----------------------------------------------------------------------

    async def _decide(
        self, id_: str, state: RequestState, reason: str, actor: Actor, command_id: str
    ) -> RequestKnown:
        if state is RequestState.REFUSED and not reason.strip():
            params = {"action": "不予登记", "field": "reason"}
            raise Refused(Refusal(code=Code.REASON_REQUIRED, params=params))
        now = self._clock()
        async with self._engine.begin() as connection:
            await journal.lock(connection, REGISTER)
            request = await registrations.by_id(connection, id_)
            if request is None:
                raise Refused(Refusal(code=Code.NOT_FOUND, params={"what": "这一登记申请"}))
            if request.state is state:
                return await _known(connection, request)
            if request.state is not RequestState.ASKED:
                params = {"state": REQUEST_STATE_LABELS[request.state]}
                raise Refused(
                    Refusal(code=Code.REGISTRATION_DECIDED, params=params, at=request.decided_at)
                )
            note = ""
            if state is RequestState.APPROVED:
                await _refuse_registered(connection, request.institution_id)
                await institutions.add_if_missing(connection, _made(request))
            else:
                note = await content.save_note(connection, {"reason": reason.strip()})
            await registrations.decide(connection, id_, state, actor.subject, now, note)
            event = f"registration_{state.value}"
            await self._on_record(connection, request, event, actor, now, command_id, note)
            decided = await registrations.by_id(connection, id_)
            assert decided is not None
            return await _known(connection, decided)

    async def _on_record(
        self,
        connection: AsyncConnection,
        request: RegistrationRequest,
        event: str,
        actor: Actor,
        at: datetime,
        command_id: str,
        note: str = "",
    ) -> None:
        body = {
            "request": request.id,
            "institution": request.institution_id,
            "name": request.name,
            "uscc": request.uscc,
            "region": request.region,
        }
        await journal.append_operator_step(
            connection, REGISTER, event, actor, at, body, command_id, note_sha256=note
        )


async def _known(connection: AsyncConnection, request: RegistrationRequest) -> RequestKnown:
    notes = await content.notes_by_sha256(connection, [request.note_sha256])
    alike = await institutions.resembling(connection, request.uscc, request.name)
    others = tuple(id_ for id_ in alike if id_ != request.institution_id)
    return RequestKnown(request, notes.get(request.note_sha256, {}).get("reason", ""), others)


async def _refuse_registered(connection: AsyncConnection, institution: str) -> None:
    if institution in await institutions.by_ids(connection, [institution]):
        params = {"institution": institution}
        raise Refused(Refusal(code=Code.ALREADY_REGISTERED, params=params))


def _made(request: RegistrationRequest) -> Institution:
    return Institution(
        name=request.name,
        uscc=request.uscc,
        previous_reviewer=None,
        facts=InstitutionFacts(
            id=request.institution_id, region=request.region, legal_person=request.legal_person
        ),
        certificates=(),
    )
