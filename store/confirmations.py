"""Acts that wait for a second person: put down, decided, listed."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import func, insert, or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.confirmations import ConfirmationState, ProposedAct, proposal_id
from store.areas import lies_in
from store.data_keys import hiding
from store.hidden import Destroyed
from store.tables import proposed_acts as acts


async def add(connection: AsyncConnection, proposed: ProposedAct) -> None:
    """Puts down an act."""
    values = proposed.model_dump(mode="python")
    key = await hiding(connection, f"confirmation/{proposed.id}")
    values |= {"body": key.of(proposed.body), "scope": proposed.proposed_by.scope}
    await connection.execute(insert(acts).values(values))


async def by_id(connection: AsyncConnection, id_: str, *, held: bool = False) -> ProposedAct | None:
    """One act, None if there is none; ``held``: nobody else decides it meanwhile."""
    query = select(acts).where(acts.c.id == id_)
    row = (await connection.execute(query.with_for_update() if held else query)).mappings().first()
    return _act(row) if row is not None else None


async def confirmed(connection: AsyncConnection, command_ids: Collection[str]) -> dict[str, str]:
    """Who has confirmed which of these commands; what one person has done is not among them."""
    ids = [proposal_id(one) for one in command_ids]
    ended = (ConfirmationState.CONFIRMED.value, ConfirmationState.DONE.value)
    query = select(acts.c.command_id, acts.c.decided_by).where(
        acts.c.id == func.any(ids), acts.c.state.in_(ended)
    )
    rows = (await connection.execute(query)).all()
    return {row.command_id: row.decided_by for row in rows}


async def decide(
    connection: AsyncConnection,
    id_: str,
    state: ConfirmationState,
    by: str,
    at: datetime,
    note_sha256: str,
) -> None:
    """Puts down what somebody decided."""
    await connection.execute(
        update(acts)
        .where(acts.c.id == id_)
        .values(state=state.value, decided_by=by, decided_at=at, note_sha256=note_sha256)
    )


async def end(
    connection: AsyncConnection, id_: str, state: ConfirmationState, outcome: str
) -> bool:
    """Puts down how a confirmed act ended; False where that is on record already."""
    done = await connection.execute(
        update(acts)
        .where(acts.c.id == id_, acts.c.state == ConfirmationState.CONFIRMED.value)
        .values(state=state.value, outcome=outcome)
        .returning(acts.c.id)
    )
    return done.first() is not None


async def newest_first(
    connection: AsyncConnection,
    scope: str,
    waiting_at: datetime | None,
    after: tuple[datetime, str] | None,
    size: int,
) -> list[ProposedAct]:
    """Up to ``size`` acts of an authority, or of a jurisdiction and all within it.

    ``scope`` is "" for all. With ``waiting_at`` only what can be confirmed at that instant, and
    what was confirmed and is not done.
    """
    query = select(acts).order_by(acts.c.proposed_at.desc(), acts.c.id.desc()).limit(size)
    if scope.isdigit():
        query = query.where(acts.c.scope.regexp_match("^[0-9]{6}$"), lies_in(acts.c.scope, scope))
    elif scope:
        query = query.where(acts.c.scope == scope)
    if waiting_at is not None:
        open_ = (acts.c.state == ConfirmationState.OPEN.value) & (acts.c.ends_at > waiting_at)
        query = query.where(or_(open_, acts.c.state == ConfirmationState.CONFIRMED.value))
    if after is not None:
        query = query.where(tuple_(acts.c.proposed_at, acts.c.id) < after)
    return [_act(row) for row in (await connection.execute(query)).mappings()]


def _act(row: Any) -> ProposedAct:
    known = {name: row[name] for name in ProposedAct.model_fields}
    if row["body"] is Destroyed.KEY:
        known["body"] = {}
    return ProposedAct(**known)
