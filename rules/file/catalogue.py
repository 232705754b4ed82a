"""Who the authorities are and which area lies in which: `authorities.yaml`, `jurisdictions.yaml`.

`Tree` is the pure part; a resolved rule set carries its own, so that it needs no file.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from domain.ids import NATION, AuthorityId, JurisdictionCode
from domain.model import Value
from rules.file.findings import Finding, RulesInvalid
from rules.file.strict_yaml import Node, load
from rules.file.validation import validate

AUTHORITIES = "authorities.yaml"
JURISDICTIONS = "jurisdictions.yaml"

AreaLevel = Literal["nation", "province", "city", "county"]
_GROUP = re.compile(r"group-[a-z0-9-]{1,40}")
_Name = Annotated[str, StringConstraints(min_length=1, max_length=60)]


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
        level = self.level(code)
        if level == "nation":
            return None
        if level == "province":
            return NATION
        if level == "city" or code.startswith(self.no_city_level):
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


class _SpecialEntry(Value):
    code: JurisdictionCode
    level: Literal["province", "city", "county"]
    parent: JurisdictionCode
    why: str = Field(min_length=1)


class _NoCityLevel(Value):
    prefixes: tuple[Annotated[str, StringConstraints(pattern=r"^\d{2}(\d{2})?$")], ...]


class _JurisdictionsFile(Value):
    no_city_level: _NoCityLevel
    special: tuple[_SpecialEntry, ...]
    names: dict[JurisdictionCode, _Name]


class _Regulators(Value):
    suffix: _Name
    named: dict[JurisdictionCode, _Name]


class _Groups(Value):
    prefix: _Name
    suffix: _Name
    industries: dict[str, _Name]


class _AuthoritiesFile(Value):
    fixed: dict[AuthorityId, _Name]
    regulators: _Regulators
    groups: _Groups


@dataclass(frozen=True)
class Catalogue:
    """Names of areas and authorities, and the tree."""

    tree: Tree
    areas: dict[str, str] = field(repr=False)
    authorities: _AuthoritiesFile = field(repr=False)

    def area_name(self, code: str) -> str:
        """The Chinese name of an area; an unknown one is named by its code."""
        return self.areas.get(code, code)

    def authority_name(self, authority: str) -> str:
        """The Chinese name of an authority; an unknown one is named by its id."""
        fixed = self.authorities.fixed.get(authority)
        if fixed is not None:
            return fixed
        kind, _, rest = authority.partition("-")
        if kind == "group":
            groups = self.authorities.groups
            return f"{groups.prefix}{groups.industries.get(rest, f'（{rest}）')}{groups.suffix}"
        if kind != "amr":
            return authority
        regulators = self.authorities.regulators
        if rest in regulators.named:
            return regulators.named[rest]
        if rest not in self.areas:
            return authority
        county = self.tree.level(rest) == "county"
        above = self.area_name(self.tree.parent(rest) or "") if county else ""
        return f"{above}{self.area_name(rest)}{regulators.suffix}"

    def knows(self, authority: str) -> bool:
        """Whether an authority of this id exists: a group by its form, a regulator by its area."""
        if authority.startswith("amr-"):
            return authority[4:] in self.areas and authority[4:] != NATION
        return authority in self.authorities.fixed or _GROUP.fullmatch(authority) is not None

    def within(self, jurisdiction: str) -> list[str]:
        """The codes of the listed areas in ``jurisdiction``, itself included, in order."""
        return [code for code in sorted(self.areas) if jurisdiction in self.tree.upwards(code)]


def load_catalogue(root: Path) -> Catalogue:
    """Read both files of a rules folder. Raises RulesInvalid, also where one is missing."""
    node = _read(root, JURISDICTIONS)
    areas = validate(_JurisdictionsFile, node)
    broken = list(_broken(areas, node))
    if broken:
        raise RulesInvalid(broken)
    authorities = validate(_AuthoritiesFile, _read(root, AUTHORITIES))
    tree = Tree(
        no_city_level=areas.no_city_level.prefixes,
        special={
            entry.code: SpecialArea(level=entry.level, parent=entry.parent)
            for entry in areas.special
        },
    )
    return Catalogue(tree, dict(areas.names), authorities)


_ORDER: tuple[AreaLevel, ...] = ("nation", "province", "city", "county")


def _broken(areas: _JurisdictionsFile, node: Node) -> Iterator[Finding]:
    """Exceptions given twice, under themselves, in circles, below what is not above them."""

    def finding(code: str, index: int, key: str, message: str) -> Finding:
        place = node.place_of(("special", index, key))
        return Finding(code, *place, f"special[{index}].{key}", message)

    special: dict[str, SpecialArea] = {}
    for index, entry in enumerate(areas.special):
        if entry.code in special:
            message = f"{entry.code} 在 special 里写了两次；请删去一个"
            yield finding("duplicate_id", index, "code", message)
        special.setdefault(entry.code, SpecialArea(level=entry.level, parent=entry.parent))
    tree = Tree(no_city_level=areas.no_city_level.prefixes, special=special)
    for index, entry in enumerate(areas.special):
        if entry.code not in areas.names:
            yield finding("unknown_jurisdiction", index, "code", f"{entry.code} 不在 names 里")
        if entry.parent not in areas.names:
            message = f"上级 {entry.parent} 不在 names 里；请更正"
            yield finding("unknown_jurisdiction", index, "parent", message)
        elif NATION not in tree.upwards(entry.code):
            message = f"{entry.code} 的上级绕成了圈，到不了全国；请更正"
            yield finding("jurisdiction_cycle", index, "parent", message)
        elif _ORDER.index(tree.level(entry.parent)) >= _ORDER.index(entry.level):
            message = f"上级 {entry.parent} 的层级不高于 {entry.code}（{entry.level}）；请更正"
            yield finding("jurisdiction_level", index, "parent", message)
    for code in areas.names:
        parent = tree.parent(code)
        if code not in special and parent is not None and parent not in areas.names:
            place = node.place_of(("names", code))
            message = f"{code} 的上级 {parent} 不在 names 里；请补上，或写进 special"
            yield Finding("unknown_jurisdiction", *place, f"names.{code}", message)


@lru_cache(maxsize=4)
def cached_catalogue(root: Path) -> Catalogue:
    """The catalogue of ``root``, read once per process; for files that do not change."""
    return load_catalogue(root)


def _read(root: Path, name: str) -> Node:
    try:
        content = (root / name).read_bytes()
    except OSError:
        message = f"规则目录里缺少 {name}；请从随附的规则目录复制一份"
        raise RulesInvalid([Finding("file_missing", name, 1, "", message)]) from None
    return load(content, name)
