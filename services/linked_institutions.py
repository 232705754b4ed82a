"""Institutions that belong together: accounts of one legal person, what became of which."""

from datetime import date
from enum import StrEnum
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from domain.clock import day_of
from domain.institutions import ActKind
from services.clock import Clock
from store import institution_acts, institutions, legal_persons
from store.institution_acts import Act


class Link(StrEnum):
    """How another institution belongs to one, seen from that one."""

    SAME_LEGAL_PERSON = "same_legal_person"
    MERGED_IN = "merged_in"
    MERGED_INTO = "merged_into"
    SPLIT_FROM = "split_from"
    SPLIT_OFF = "split_off"


LINK_LABELS: dict[Link, str] = {
    Link.SAME_LEGAL_PERSON: "同一法人",
    Link.MERGED_IN: "并入本机构的前身",
    Link.MERGED_INTO: "本机构并入",
    Link.SPLIT_FROM: "本机构由其分立",
    Link.SPLIT_OFF: "由本机构分立",
}


class Linked(NamedTuple):
    """Another institution, how it is linked, since when and by which document if by an act."""

    institution: str
    name: str
    region: str
    link: Link
    since: date | None
    document: str


class LinkedInstitutions:
    """Finds what an institution belongs together with."""

    def __init__(self, engine: AsyncEngine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    async def of(self, institution: str) -> list[Linked]:
        """The institutions linked to one: by acts, the latest first, then of its legal person."""
        year = day_of(self._clock()).year
        async with self._engine.connect() as connection:
            acts = await institution_acts.of_institution(connection, institution)
            by_act = [one for act in reversed(acts) for one in _by_act(act, institution)]
            linked = await _named(connection, by_act)
            own = await legal_persons.account(connection, institution, year)
            others = await legal_persons.beside(connection, own, year) if own else []
        same = [
            Linked(one.institution, one.name, one.region, Link.SAME_LEGAL_PERSON, None, "")
            for one in others
        ]
        return [*linked, *same]


def _by_act(act: Act, own: str) -> list[tuple[str, Link, Act]]:
    """Whom an act links an institution to, and how. Pure."""
    if act.kind is ActKind.MERGED and act.into_id is not None:
        if act.institution_id == own:
            return [(act.into_id, Link.MERGED_INTO, act)]
        return [(act.institution_id, Link.MERGED_IN, act)]
    if act.institution_id == own:
        return [(part.institution, Link.SPLIT_OFF, act) for part in act.parts]
    return [(act.institution_id, Link.SPLIT_FROM, act)] if act.parts else []


async def _named(connection: AsyncConnection, by_act: list[tuple[str, Link, Act]]) -> list[Linked]:
    known = await institutions.by_ids(connection, [other for other, _, _ in by_act])
    return [
        Linked(
            other,
            known[other].name,
            known[other].facts.region,
            link,
            act.effective_on,
            act.document,
        )
        for other, link, act in by_act
        if other in known
    ]
