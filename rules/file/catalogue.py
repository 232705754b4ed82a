"""Who the authorities are and which area lies in which: `authorities.yaml`, `jurisdictions.yaml`.

`domain.jurisdictions` is the pure part; a resolved rule set carries its own tree, and no file.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from domain.ids import NATION, AuthorityShape, JurisdictionCode
from domain.jurisdictions import (
    AreaLevel,
    InForce,
    Jurisdictions,
    SpecialArea,
    Tree,
    default_to,
    use,
)
from domain.model import Value
from rules.file.findings import Finding, RulesInvalid
from rules.file.strict_yaml import Node, load
from rules.file.strict_yaml import Path as NodePath
from rules.file.validation import validate

SHIPPED = Path(__file__).resolve().parents[1]
"""The rules folder this code comes with."""
AUTHORITIES = "authorities.yaml"
JURISDICTIONS = "jurisdictions.yaml"

_Name = Annotated[str, StringConstraints(min_length=1, max_length=60, pattern=r"\S")]
_Why = Annotated[str, StringConstraints(min_length=1, pattern=r"\S")]


class _SpecialEntry(Value):
    code: JurisdictionCode
    level: Literal["province", "city", "county"]
    parent: JurisdictionCode
    why: _Why


class _NoCityLevel(Value):
    prefixes: tuple[Annotated[str, StringConstraints(pattern=r"^\d{2}(\d{2})?$")], ...]


class _Change(Value):
    """A day on which areas begin and end; an area that ends goes on in the areas named for it."""

    day: date
    ends: dict[JurisdictionCode, tuple[JurisdictionCode, ...]] = Field(default_factory=dict)
    begins: tuple[JurisdictionCode, ...] = ()
    why: _Why


class _JurisdictionsFile(Value):
    no_city_level: _NoCityLevel
    special: tuple[_SpecialEntry, ...]
    changes: tuple[_Change, ...] = ()
    names: dict[JurisdictionCode, _Name]


class _Regulators(Value):
    nation: AuthorityShape
    suffix: _Name
    named: dict[JurisdictionCode, _Name]


class _Groups(Value):
    prefix: _Name
    suffix: _Name
    industries: dict[str, _Name]


class _AuthoritiesFile(Value):
    fixed: dict[AuthorityShape, _Name]
    regulators: _Regulators
    groups: _Groups


@dataclass(frozen=True)
class Catalogue:
    """Names of areas and authorities, and the tree."""

    jurisdictions: Jurisdictions
    authorities: _AuthoritiesFile = field(repr=False)

    @property
    def tree(self) -> Tree:
        """Which area lies in which."""
        return self.jurisdictions.tree

    @property
    def areas(self) -> Mapping[str, str]:
        """The names of the areas by their codes, those abolished since 2020 included."""
        return self.jurisdictions.names

    def area_name(self, code: str) -> str:
        """The Chinese name of an area; an unknown one is named by its code."""
        return self.areas.get(code, code)

    def areas_named(self, name: str) -> list[str]:
        """The areas in force that are called so, whole or without 省, 市 and the like."""
        names = {name, *(f"{name}{suffix}" for suffix in ("省", "市", "区", "县"))}
        return [
            code
            for code, its in self.areas.items()
            if (its in names or (len(name) > 1 and self.whole_area_name(code) == name))
            and self.jurisdictions.in_force(code).last is None
        ]

    def whole_area_name(self, code: str) -> str:
        """An area with what it lies in: 福建省福州市鼓楼区."""
        above = [area for area in self.tree.upwards(code) if area != NATION]
        return "".join(self.area_name(area) for area in reversed(above))

    def provinces_named(self) -> list[str]:
        """The provinces by name, in the order of their codes."""
        return [
            self.area_name(code)
            for code in sorted(self.areas)
            if self.tree.level(code) == "province"
        ]

    def not_there(self, code: str, day: date) -> str | None:
        """Why an area is none on a day and what to write instead; None where it is one."""
        days = self.jurisdictions.in_force(code)
        if days.on(day):
            return None
        name = f"{code}（{self.area_name(code)}）"
        if days.first is not None and day < days.first:
            former = [
                other
                for other, its in self.jurisdictions.days.items()
                if code in its.instead and its.on(day)
            ]
            return f"{name}在 {days.first} 才设立，{day} 还没有；{self._write(former)}"
        return f"{name}在 {days.last} 之后已撤销，{day} 不再有；{self._write(days.instead)}"

    def _write(self, codes: Sequence[str]) -> str:
        named = "、".join(f"{code}（{self.area_name(code)}）" for code in codes)
        return f"请改写为 {named}" if named else "请核对区划代码"

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
        """Whether an authority of this id exists: one that is listed, or an area's regulator."""
        kind, _, rest = authority.partition("-")
        if kind == "amr":
            return rest in self.areas and rest != NATION
        if kind == "group":
            return rest in self.authorities.groups.industries
        return authority in self.authorities.fixed

    def within(self, jurisdiction: str) -> list[str]:
        """The codes of the listed areas in ``jurisdiction``, itself included, in order."""
        return self.jurisdictions.within(jurisdiction)


def load_catalogue(root: Path) -> Catalogue:
    """Read both files of a rules folder. Raises RulesInvalid, also where one is missing."""
    node = _read(root, JURISDICTIONS)
    areas = validate(_JurisdictionsFile, node)
    broken = list(_broken(areas, node))
    if broken:
        raise RulesInvalid(broken)
    written = _read(root, AUTHORITIES)
    authorities = validate(_AuthoritiesFile, written)
    national = authorities.regulators.nation
    if national not in authorities.fixed:
        place = written.place_of(("regulators", "nation"))
        message = f"{national} 不在 fixed 里；请写 fixed 中的一个，或把它补进 fixed"
        raise RulesInvalid([Finding("unknown_authority", *place, "regulators.nation", message)])
    tree = Tree(
        no_city_level=areas.no_city_level.prefixes,
        special={
            entry.code: SpecialArea(level=entry.level, parent=entry.parent)
            for entry in areas.special
        },
    )
    jurisdictions = Jurisdictions(
        tree, dict(areas.names), national, frozenset(authorities.fixed), _days(areas)
    )
    return Catalogue(jurisdictions, authorities)


def _days(areas: _JurisdictionsFile) -> dict[str, InForce]:
    """The first and last days of the areas that a change begins or ends."""
    first = {code: change.day for change in areas.changes for code in change.begins}
    last = {
        code: (change.day - timedelta(days=1), instead)
        for change in areas.changes
        for code, instead in change.ends.items()
    }
    return {
        code: InForce(first.get(code), *last.get(code, (None, ())))
        for code in sorted({*first, *last})
    }


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
    yield from _broken_changes(areas, node)
    places = {entry.code: index for index, entry in enumerate(areas.special)}
    upended: dict[str, str] = {}
    for code in areas.names:
        parent = tree.parent(code)
        if code in special or parent is None or parent not in special:
            continue
        if _ORDER.index(tree.level(parent)) >= _ORDER.index(tree.level(code)):
            upended.setdefault(parent, code)
    for parent, code in upended.items():
        if NATION not in tree.upwards(parent):
            continue  # told as a circle
        message = (
            f"{parent} 的层级写作 {special[parent].level}，而按代码在它之下的 {code} 层级不比它低；"
            f"请更正 level，或把其下的各个代码也写进 special"
        )
        yield finding("jurisdiction_level", places[parent], "level", message)
    for code in areas.names:
        parent = tree.parent(code)
        if code not in special and parent is not None and parent not in areas.names:
            place = node.place_of(("names", code))
            message = f"{code} 的上级 {parent} 不在 names 里；请补上，或写进 special"
            yield Finding("unknown_jurisdiction", *place, f"names.{code}", message)


def _broken_changes(areas: _JurisdictionsFile, node: Node) -> Iterator[Finding]:
    """Areas that begin or end twice, end before they begin, or go on in what is not there."""
    begun: dict[str, date] = {}
    ended: dict[str, date] = {}
    for index, change in enumerate(areas.changes):
        steps: list[tuple[NodePath, str, dict[str, date]]] = [
            (("begins", at), code, begun) for at, code in enumerate(change.begins)
        ]
        steps += [(("ends", code), code, ended) for code in change.ends]
        for step, code, days in steps:
            path = ("changes", index, *step)
            shown = f"changes[{index}].{step[0]}"
            if code not in areas.names:
                message = f"{code} 不在 names 里；请补上名称，或更正代码"
                yield Finding("unknown_jurisdiction", *node.place_of(path), shown, message)
            if code in days:
                message = f"{code} 在 {days[code]} 的变更里已经写过；请删去一个"
                yield Finding("duplicate_id", *node.place_of(path), shown, message)
            days.setdefault(code, change.day)
        for code, instead in change.ends.items():
            for at, other in enumerate(instead):
                if other not in areas.names or other == code:
                    place = node.place_of(("changes", index, "ends", code, at))
                    message = f"{code} 并入的 {other} 不在 names 里，或就是它自己；请更正"
                    yield Finding("unknown_jurisdiction", *place, f"changes[{index}]", message)
    for index, change in enumerate(areas.changes):
        for code in change.ends:
            if code in begun and begun[code] >= change.day:
                place = node.place_of(("changes", index, "day"))
                message = f"{code} 在 {begun[code]} 才设立，不能在 {change.day} 撤销；请更正日子"
                yield Finding("reversed_window", *place, f"changes[{index}].day", message)


def put_in_use(root: Path) -> Catalogue:
    """The catalogue of ``root``, whose areas and authorities the process goes by from now on."""
    catalogue = cached_catalogue(root)
    use(catalogue.jurisdictions)
    return catalogue


@lru_cache(maxsize=4)
def cached_catalogue(root: Path) -> Catalogue:
    """The catalogue of ``root``, read once per process; for files that do not change."""
    return load_catalogue(root)


# a process that is told of no folder goes by the shipped one
default_to(lambda: cached_catalogue(SHIPPED).jurisdictions)


def _read(root: Path, name: str) -> Node:
    try:
        content = (root / name).read_bytes()
    except OSError:
        message = f"规则目录里缺少 {name}；请从随附的规则目录复制一份"
        raise RulesInvalid([Finding("file_missing", name, 1, "", message)]) from None
    return load(content, name)
