"""For whom the database is asked while a request of a person is answered."""

from contextlib import AbstractContextManager
from functools import lru_cache

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


@lru_cache(maxsize=1024)
def _sight(role: str, scope: str, place: str | None) -> Sight:
    codes = [_NOWHERE] if place is None else regions(place) or []
    return Sight(role=role, scope=scope, regions=",".join(codes))
