"""For whom the database is asked while a request of a person is answered."""

from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager
from functools import lru_cache

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from domain.case.commands import Actor, Role
from store.areas import regions
from store.sight import Sight, seen_by

_NOWHERE = "-"


def asked_by_person(actor: Actor | None, place: str | None) -> AbstractContextManager[None]:
    """Within this the database shows what is in somebody's place, and for their role's purpose.

    ``place`` is the jurisdiction they answer for: "" for all, None for none. An auditor, and nobody
    (None), are shown all.
    """
    if actor is None or actor.role in (Role.AUDITOR, Role.SYSTEM):
        return seen_by(None)
    return seen_by(_sight(actor.role.value, actor.scope, place))


@asynccontextmanager
async def counting(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A connection for figures of a campaign: what is in it counts, whoever asks.

    Rights and filters say whose figures they are. No row is shown by them, and an institution that
    has moved since stays counted where the campaign had it.
    """
    with seen_by(None):
        async with engine.connect() as connection:
            yield connection


@asynccontextmanager
async def judging(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A connection for rules that go by others' cases too, of which only the outcome is told.

    Whether another account of a legal person has filed, or another institution for a centre;
    whether another case of enforcement about the same is under way.
    """
    with seen_by(None):
        async with engine.begin() as connection:
            yield connection


@lru_cache(maxsize=1024)
def _sight(role: str, scope: str, place: str | None) -> Sight:
    codes = [_NOWHERE] if place is None else regions(place) or []
    return Sight(role=role, scope=scope, regions=",".join(codes))
