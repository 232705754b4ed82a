"""Which area lies in which, from when until when, and who regulates it.

One tree is asked by rights, scans, counts and rules alike. A process puts the one of its rules
folder in use when it starts; what a code begins with says nothing about where its area lies.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, WithJsonSchema

from domain.ids import AUTHORITY, NATION, JurisdictionCode, jurisdiction_of
from domain.model import Value

AreaLevel = Literal["nation", "province", "city", "county"]


class SpecialArea(Value):
    """An area whose place in the tree is not what its code says."""

    level: Literal["province", "city", "county"]
    parent: JurisdictionCode


class Tree(Value):
    """The jurisdiction tree: parents are derived from the code, exceptions are listed.

    ``no_city_level`` holds code prefixes whose counties stand directly under the province.
    """

    no_city_level: tuple[str, ...] = ()
    special: dict[str, SpecialArea] = Field(default_factory=dict)

    def level(self, code: str) -> AreaLevel:
        """Which level of the tree a six-digit code stands on."""
        listed = self.special.get(code)
        if listed is not None:
            return listed.level
        if code == NATION:
            return "nation"
        if code.endswith("0000"):
            return "province"
        return "city" if code.endswith("00") else "county"

    def parent(self, code: str) -> str | None:
        """The area directly above, None above the nation."""
        listed = self.special.get(code)
        if listed is not None:
            return listed.parent
        if code.endswith("0000"):
            return NATION if code != NATION else None
        if code.endswith("00") or code.startswith(self.no_city_level):
            return f"{code[:2]}0000"
        return f"{code[:4]}00"

    def upwards(self, code: str) -> Iterator[str]:
        """The area itself, then everything above it, the nation last."""
        seen: set[str] = set()
        step: str | None = code
        while step is not None and step not in seen:
            seen.add(step)
            yield step
            step = self.parent(step)

    def at_level(self, code: str, level: AreaLevel) -> str:
        """The area of ``level`` that ``code`` is or lies in; "" where the tree has none."""
        return next((area for area in self.upwards(code) if self.level(area) == level), "")


@dataclass(frozen=True)
class InForce:
    """An area's first and last day; None where it was there before 2020, or is still there.

    ``instead`` are the areas that what was in it lies in since.
    """

    first: date | None = None
    last: date | None = None
    instead: tuple[str, ...] = ()

    def on(self, day: date) -> bool:
        """Whether the area is there on a day."""
        begun = self.first is None or self.first <= day
        return begun and (self.last is None or day <= self.last)


_ALWAYS = InForce()


@dataclass(frozen=True)
class Jurisdictions:
    """The areas there are, who regulates the nation, and which authorities stand beside regulators.

    ``days`` are only of areas that began or ended since 2020.
    """

    tree: Tree
    names: Mapping[str, str] = field(repr=False)
    national: str
    authorities: frozenset[str] = frozenset()
    days: Mapping[str, InForce] = field(default_factory=dict, repr=False)

    def in_force(self, code: str) -> InForce:
        """From when until when an area is there."""
        return self.days.get(code, _ALWAYS)

    def lies_in(self, region: str, jurisdiction: str) -> bool:
        """Whether an area is a jurisdiction or lies in it; all lie in the nation."""
        return jurisdiction in ("", NATION) or jurisdiction in self.tree.upwards(region)

    def within(self, jurisdiction: str) -> list[str]:
        """The codes of all areas in a jurisdiction, itself included, in order."""
        return self._below.get(jurisdiction, [jurisdiction])

    def province(self, region: str) -> str:
        """The province that an area lies in; the nation's code for the nation itself."""
        return self.tree.at_level(region, "province") or NATION

    @cached_property
    def _below(self) -> dict[str, list[str]]:
        below: dict[str, list[str]] = {}
        for code in sorted(self.names):
            for above in self.tree.upwards(code):
                below.setdefault(above, []).append(code)
        return below


class _OfTheProcess:
    """What is in use, or how to read it once somebody asks."""

    in_use: Jurisdictions | None = None
    read: Callable[[], Jurisdictions] | None = None


def use(jurisdictions: Jurisdictions) -> None:
    """Makes these the jurisdictions of the process."""
    _OfTheProcess.in_use = jurisdictions


def default_to(read: Callable[[], Jurisdictions]) -> None:
    """Says where a process that has put none in use reads them once somebody asks."""
    _OfTheProcess.read = read


def known() -> Jurisdictions:
    """The jurisdictions of the process. Raises RuntimeError where there are none."""
    if _OfTheProcess.in_use is None:
        if _OfTheProcess.read is None:
            raise RuntimeError("no jurisdictions: put those of a rules folder in use first")
        _OfTheProcess.in_use = _OfTheProcess.read()
    return _OfTheProcess.in_use


def lies_in(region: str, jurisdiction: str) -> bool:
    """Whether an area is a jurisdiction or lies in it; "" and the nation are everywhere."""
    return known().lies_in(region, jurisdiction)


def narrower(one: str, other: str) -> str:
    """Of two places, one of which lies in the other, the smaller; "" is everywhere."""
    return one if one and lies_in(one, other) else other


def authority_of(jurisdiction: str) -> str:
    """The market regulator of a jurisdiction: ``amr-350000``; the nation's as the rules name it."""
    return known().national if jurisdiction == NATION else f"amr-{jurisdiction}"


def speaks_for(jurisdiction: str, authority: str) -> bool:
    """Whether an operator's jurisdiction is that of an authority, or has it within."""
    area = jurisdiction_of(authority)
    return jurisdiction == NATION or (area != NATION and lies_in(area, jurisdiction))


def issues(authority: str, level: str) -> bool:
    """Whether certificates of a level are an authority's: the nation's regulator, a province's."""
    if level == "national":
        return authority == known().national
    code = authority.removeprefix("amr-")
    return code != authority and known().tree.level(code) == "province" and code in known().names


def _of_an_authority(text: str) -> str:
    if not re.fullmatch(AUTHORITY, text) or ("-" not in text and text not in known().authorities):
        raise ValueError("应是部门编号，如 amr-350000、group-railway")
    return text


AuthorityId = Annotated[
    str,
    AfterValidator(_of_an_authority),
    WithJsonSchema({"type": "string", "pattern": AUTHORITY}),
]
"""An authority's id: a regulator's or a review group's, else one that `authorities.yaml` lists."""


def known_regulator(authority: str) -> bool:
    """Whether an authority is the market regulator of a jurisdiction that there is."""
    return regulates(authority) and jurisdiction_of(authority) in {NATION, *known().names}


def regulates(authority: str) -> bool:
    """Whether an authority is the market regulator of a jurisdiction."""
    return authority.startswith("amr-") or authority == known().national
