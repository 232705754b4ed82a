"""The rule sets of a folder: which there are, which one governs whom, and each one resolved."""

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Protocol

from domain.canonical import sha256_of
from domain.citation import Citation
from domain.decision import RuleSetRef
from domain.ids import NATION
from rules.check.meaning import meaning
from rules.file.catalogue import SHIPPED
from rules.file.document import RuleDocument, build_document
from rules.file.findings import Finding, Place, RulesInvalid
from rules.file.folder import STANDING, Merged, RuleFolder
from rules.file.shapes import Cite
from rules.file.strict_yaml import Node

__all__ = [
    "SHIPPED",
    "Origin",
    "ResolvedSet",
    "RuleLibrary",
    "RuleSetNotFound",
    "RulesInvalid",
]


def current_library(root: Path) -> "RuleLibrary":
    """The library of a folder as its files are now; read again only when one has changed."""
    return _library_of(root, stamp_of(root))


def stamp_of(root: Path) -> tuple[tuple[str, int, int], ...]:
    """Which rule files and wordings a folder holds, each with when it was saved and its size."""
    stamp = []
    # asked for with every request that goes by rules: a fifth of what Path.rglob takes
    for folder, _, names in os.walk(root):
        for name in names:
            if name.endswith((".yaml", ".txt")):
                path = os.path.join(folder, name)
                with suppress(FileNotFoundError):  # an editor replaces what it saves
                    stat = os.stat(path)
                    stamp.append((path, stat.st_mtime_ns, stat.st_size))
    return tuple(sorted(stamp))


@lru_cache(maxsize=2)
def _library_of(root: Path, stamp: tuple[tuple[str, int, int], ...]) -> "RuleLibrary":
    return RuleLibrary(root)


class RuleSetNotFound(LookupError):
    """No set for this year and jurisdiction; ``known`` lists those there are."""

    def __init__(
        self, year: int, jurisdiction: str, known: list[tuple[int, str]], reason: str = ""
    ) -> None:
        self.year, self.jurisdiction, self.known, self.reason = year, jurisdiction, known, reason
        there = "、".join(f"{known_year}/{code}" for known_year, code in known) or "（没有）"
        why = f"：{reason}" if reason else ""
        super().__init__(f"没有 {year} 年度 {jurisdiction} 的规则集{why}。现有：{there}")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value of a resolved set comes from. ``cites`` are those that govern it, if any."""

    path: str
    value: Any
    place: Place
    cites: tuple[Citation, ...]

    @property
    def cite(self) -> Citation | None:
        """The first of the citations."""
        return self.cites[0] if self.cites else None


@dataclass(frozen=True, slots=True)
class ResolvedSet:
    """A set with its overlay merged in. ``document`` is what is stored, hashed and run."""

    id: str
    year: int
    jurisdiction: str
    revision: int
    title: str
    sha256: str
    document: dict[str, Any] = field(repr=False)
    provenance: tuple[Origin, ...] = field(repr=False)
    not_publishable: str | None = None

    def ref(self) -> RuleSetRef:
        """The reference a case pins."""
        return RuleSetRef(id=self.id, revision=self.revision, sha256=self.sha256)


class RuleLibrary(RuleFolder):
    """The rule sets of one folder; make a new library to see changed files."""

    def __init__(self, root: Path = SHIPPED) -> None:
        super().__init__(root)
        self._resolved: dict[str, ResolvedSet] = {}

    def sets(self) -> list[tuple[int, str]]:
        """Year and jurisdiction of every readable file, bases included."""
        return sorted(self._index)

    def name_of(self, year: int, jurisdiction: str) -> str:
        """The file of a set. Raises RuleSetNotFound, RulesInvalid where a broken file may be it."""
        name = self._index.get((year, jurisdiction))
        if name is not None:
            return name
        broken = self.broken_in(year)
        if broken:
            raise RulesInvalid(broken)
        raise RuleSetNotFound(year, jurisdiction, self.sets())

    def resolve(self, year: int, jurisdiction: str) -> ResolvedSet:
        """Exactly this set, a base included. Raises RuleSetNotFound, RulesInvalid."""
        return self.resolve_name(self.name_of(year, jurisdiction))

    def most_specific(self, year: int, region: str) -> ResolvedSet:
        """The set an institution of ``region`` falls under: its area's, else the one above.

        Raises RuleSetNotFound, also where only a base is reached, and RulesInvalid.
        """
        for area in self.catalogue.tree.upwards(region):
            if (year, area) in self._index:
                found = self.resolve(year, area)
                if found.not_publishable is None:
                    return found
                where = self.catalogue.area_name(region)
                reason = (
                    f"{where}没有自己的规则，上级的 {found.id} 只是基础：{found.not_publishable}"
                )
                raise RuleSetNotFound(year, region, self.sets(), reason)
        broken = self.broken_in(year)
        if broken:
            raise RulesInvalid(broken)
        raise RuleSetNotFound(year, region, self.sets())

    def latest_national(self) -> ResolvedSet:
        """The national set of the latest year that opens campaigns and rules on report numbers.

        Raises RulesInvalid where a file of that year or a later one is not in order, and
        RuleSetNotFound where there is none.
        """
        years = {year for year, code in self._index if code == NATION}
        years |= {int(finding.file[:4]) for finding in self._broken if finding.file[:4].isdigit()}
        for year in sorted(years, reverse=True):
            broken = self.broken_in(year)
            if broken:
                raise RulesInvalid(broken)
            found = self.resolve(year, NATION)
            if found.not_publishable is None and "report_numbers" in found.document:
                return found
        reason = "没有一个全国规则集规定检验检测报告编号"
        raise RuleSetNotFound(max(years, default=0), NATION, self.sets(), reason)

    def resolve_name(self, name: str) -> ResolvedSet:
        """The set of one file, checked for what a case could stumble over. Raises RulesInvalid."""
        if name not in self._resolved:
            merged = self.merged(name)
            findings = meaning(self, merged)
            if findings:
                raise RulesInvalid(findings)
            self._resolved[name] = self.resolved(merged)
        return self._resolved[name]

    def resolved(self, merged: Merged) -> ResolvedSet:
        """A merged file as a resolved set, unchecked."""
        rules = merged.rules
        document = build_document(rules, self.catalogue, self.forms)
        return ResolvedSet(
            id=rules.id,
            year=rules.year,
            jurisdiction=rules.jurisdiction,
            revision=rules.revision,
            title=rules.title,
            sha256=sha256_of(document),
            document=document,
            provenance=tuple(origins(merged.node, RuleDocument.model_validate(document))),
            not_publishable=rules.not_publishable,
        )

    @cached_property
    def _read(self) -> tuple[dict[tuple[int, str], str], list[Finding]]:
        index: dict[tuple[int, str], str] = {}
        broken: list[Finding] = []
        for name in self.names:
            try:
                node = self.read(name)
            except RulesInvalid as invalid:
                broken += invalid.findings
                continue
            year, jurisdiction = node.get("year"), node.get("jurisdiction")
            key = (year.value if year else None, jurisdiction.value if jurisdiction else None)
            if not isinstance(key[0], int) or not isinstance(key[1], str):
                message = "缺少 year（整数）或 jurisdiction（带引号的六位代码）"
                broken.append(Finding("missing_key", f"{name}.yaml", 1, "", message))
            elif key in index:
                other = index[key[0], key[1]]
                if name.startswith(STANDING) and not other.startswith(STANDING):
                    continue  # the year's own file goes before the standing one, and rests on it
                file, there = (f"{one.rpartition('@')[0] or one}.yaml" for one in (name, other))
                message = f"{key[0]} 年度 {key[1]} 的规则集在 {there} 里已经有了"
                broken.append(Finding("duplicate_set", file, 1, "", message))
            else:
                index[key[0], key[1]] = name
        return index, broken

    @property
    def _index(self) -> dict[tuple[int, str], str]:
        return self._read[0]

    @property
    def _broken(self) -> list[Finding]:
        return self._read[1]

    def broken_in(self, year: int) -> list[Finding]:
        """What keeps files of a year, or standing ones, from being any set at all."""
        folders = (f"{year}/", f"{STANDING}/")
        return [finding for finding in self._broken if finding.file.startswith(folders)]

    def duplicates(self) -> list[Finding]:
        """Files that give a set another file gives already."""
        return [finding for finding in self._broken if finding.code == "duplicate_set"]


class Citing(Protocol):
    """A document that can say what a citation by source name stands for."""

    def citation(self, cite: Cite) -> Citation: ...


def origins(node: Node, document: Citing) -> Iterator[Origin]:
    """Every single value outside the examples with its place and the citation nearest to it."""
    for path, below in node.walk():
        if not path or path[0] in ("examples", "overridable"):
            continue
        if any(str(step).endswith(("cite", "cites")) for step in path):
            continue
        if isinstance(below.value, list | dict):
            continue
        yield Origin(_by_id(node, path), below.value, below.place, _governing(node, path, document))


def _by_id(node: Node, path: tuple[str | int, ...]) -> str:
    text = ""
    for index, step in enumerate(path):
        if isinstance(step, int):
            item = node.get(*path[: index + 1], "id")
            text += f"[{item.value if item is not None else step}]"
        else:
            text += f".{step}" if text else step
    return text


def _governing(node: Node, path: tuple[str | int, ...], document: Citing) -> tuple[Citation, ...]:
    for length in range(len(path), 0, -1):
        key = f"{path[length - 1]}_cite" if length == len(path) else "cite"
        above = path[: length - 1] if length == len(path) else path[:length]
        one, several = node.get(*above, key), node.get(*above, "cites")
        found = [one] if one is not None else several.value if several is not None else None
        if isinstance(found, list):
            return tuple(document.citation(Cite.model_validate(cite.plain())) for cite in found)
    return ()
