"""Requests of new institutions to be put on the register."""

from datetime import datetime

from sqlalchemy import insert, select, tuple_, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.institutions import RequestState
from domain.model import Value
from store.areas import lies_in
from store.tables import registration_requests as requests


class RegistrationRequest(Value):
    """A request to be registered: what for, by whom, and what was decided."""

    id: str
    institution_id: str
    name: str
    uscc: str
    region: str
    legal_person: bool
    state: RequestState
    asked_by: str
    asked_at: datetime
    decided_by: str = ""
    decided_at: datetime | None = None
    note_sha256: str = ""


async def add(connection: AsyncConnection, asked: RegistrationRequest) -> bool:
    """Keeps a request; False when another one for the same account waits already."""
    try:
        async with connection.begin_nested():
            await connection.execute(insert(requests).values(asked.model_dump(mode="python")))
    except IntegrityError:
        return False
    return True


async def by_id(connection: AsyncConnection, id_: str) -> RegistrationRequest | None:
    """One request, None if there is none with this id."""
    row = (await connection.execute(select(requests).where(requests.c.id == id_))).mappings()
    known = row.first()
    return RegistrationRequest(**known) if known else None


async def decide(
    connection: AsyncConnection,
    id_: str,
    state: RequestState,
    by: str,
    at: datetime,
    note_sha256: str,
) -> None:
    """Puts down what was decided of a request that waits."""
    await connection.execute(
        update(requests)
        .where(requests.c.id == id_, requests.c.state == RequestState.ASKED.value)
        .values(state=state, decided_by=by, decided_at=at, note_sha256=note_sha256)
    )


async def page(
    connection: AsyncConnection,
    within: str,
    institution: str,
    state: RequestState | None,
    after: tuple[datetime, str] | None,
    size: int,
) -> list[RegistrationRequest]:
    """Up to ``size`` requests, the oldest first; of one account where ``institution`` says so."""
    query = select(requests).order_by(requests.c.asked_at, requests.c.id).limit(size)
    query = query.where(lies_in(requests.c.region, within))
    if institution:
        query = query.where(requests.c.institution_id == institution)
    if state is not None:
        query = query.where(requests.c.state == state.value)
    if after is not None:
        query = query.where(tuple_(requests.c.asked_at, requests.c.id) > after)
    rows = await connection.execute(query)
    return [RegistrationRequest(**row) for row in rows.mappings()]
