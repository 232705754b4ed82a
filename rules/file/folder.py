"""A folder of rule files, read: each file merged with its base and valid in shape.

A rule file is ``<year>/<name>.yaml``, or ``standing/<name>.yaml`` for a regulation that stands for
years and is resolved for each of them, as ``standing/<name>@<year>``; ``<year>/certificates.yaml``
is of another kind, see `rules.certificates.certificates`. Beside them lie `authorities.yaml`,
`jurisdictions.yaml`, ``sources/`` with the wording of the notices and ``forms/``.
"""

import difflib
import re
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from pathlib import Path

from domain.case.plan import NEEDED_WINDOWS
from rules.file.catalogue import SHIPPED, Catalogue, load_catalogue
from rules.file.counted_days import count_days
from rules.file.declared_facts import written_out
from rules.file.findings import Finding, Place, RulesInvalid
from rules.file.overlay import covers, merge
from rules.file.schema import RuleFile, known_keys, needed_keys
from rules.file.shapes import FIRST_YEAR, LAST_YEAR
from rules.file.strict_yaml import Node, load
from rules.file.validation import repeated_ids, validate_what_is_known
from rules.filing.forms.library import FormLibrary

CERTIFICATES = "certificates"
"""The name no jurisdiction's file can have: it holds the rules of certificates."""


STANDING = "standing"
"""The folder of regulations that stand for years."""


@dataclass(frozen=True, slots=True)
class Merged:
    """A rule file read, merged with its base and valid in shape; not yet checked for meaning.

    ``own`` is the file alone, ``written`` the merged one as people wrote it, ``node`` the same with
    its counted days counted out; every node knows its own file and line. ``may_change`` are the
    paths that the file above allows this one to change, None where there is no such file;
    ``bases`` the files below it, the nearest first; ``carried`` says that it goes on from another
    year's file; ``unknown`` are its keys that nobody knows, left out of ``node``.
    """

    name: str
    own: Node
    written: Node
    node: Node
    rules: RuleFile
    may_change: tuple[str, ...] | None = None
    bases: tuple[str, ...] = ()
    carried: bool = False
    unknown: tuple[Finding, ...] = ()


class RuleFolder:
    """The files of one folder, read once; make a new one to see changed files."""

    def __init__(self, root: Path = SHIPPED) -> None:
        self.root = root
        self._merged: dict[str, Merged] = {}

    @cached_property
    def catalogue(self) -> Catalogue:
        """Authorities and areas. Raises RulesInvalid."""
        return load_catalogue(self.root)

    @cached_property
    def forms(self) -> FormLibrary:
        """The forms of this folder."""
        return FormLibrary(self.root / "forms")

    @cached_property
    def names(self) -> list[str]:
        """The sets: ``2024/national``, ``standing/jiangsu@2024``, in order."""
        return [*self._yearly, *sorted(self._standing)]

    @cached_property
    def _yearly(self) -> list[str]:
        return [name for name in self._files if name not in self.certificate_names]

    @cached_property
    def standing_files(self) -> list[str]:
        """The regulations that stand for years: ``standing/jiangsu``, in order."""
        paths = sorted((self.root / STANDING).glob("*.yaml"))
        return [path.relative_to(self.root).with_suffix("").as_posix() for path in paths]

    @cached_property
    def _standing(self) -> dict[str, str | None]:
        """Each standing file in each year it governs, with its jurisdiction if that can be read."""
        governed: dict[str, str | None] = {}
        years = sorted({int(name[:4]) for name in self._yearly})
        for name in self.standing_files:
            try:
                node = self.read(name)
            except RulesInvalid:
                governed |= {f"{name}@{year}": None for year in years[-1:]}
                continue
            place = node.get("jurisdiction")
            code = place.value if place is not None and isinstance(place.value, str) else None
            there = [
                year for year in years if _governs(node, year) and self._more_than_base(node, year)
            ]
            if _days(node) is None or code is None:  # told when the file is checked
                there = years[-1:]
            governed |= {f"{name}@{year}": code for year in there}
        return governed

    def _more_than_base(self, node: Node, year: int, depth: int = 0) -> bool:
        """Whether a standing file is more than a mere base in a year: by its own, or by its base's.

        What cannot be read counts as more, and is told when the file is checked.
        """
        stated = [node.get("filing", "windows", name) for name in NEEDED_WINDOWS]
        if all([*stated, node.get("filing", "completion")]):
            return True
        extends = _value(node, "extends")
        below = f"{extends}"
        if not below.startswith(f"{STANDING}/") and "/" not in below:
            below = f"{year}/{below}"
        try:
            base = self.read(below)
        except RulesInvalid:
            return True
        if below.startswith(f"{STANDING}/") and depth < _DEEPEST:
            return self._more_than_base(base, year, depth + 1)
        return _value(base, "not_publishable") is None

    def standing_over(self, year: int, jurisdiction: str) -> list[str]:
        """The standing files of a jurisdiction that govern a year: ``standing/jiangsu``."""
        own = [name for name, code in self._standing.items() if code == jurisdiction]
        return [name.rsplit("@", 1)[0] for name in own if name.endswith(f"@{year}")]

    def sets_of(self, file: str) -> list[str]:
        """The sets a file without its suffix gives: one, or one a year for a standing one."""
        return [name for name in self.names if name == file or name.startswith(f"{file}@")]

    @cached_property
    def certificate_names(self) -> list[str]:
        """The files of certificates' rules: ``2019/certificates``, in order of their years."""
        return [name for name in self._files if name.endswith(f"/{CERTIFICATES}")]

    @cached_property
    def _files(self) -> list[str]:
        found = sorted(self.root.glob("[0-9][0-9][0-9][0-9]/*.yaml"))
        return [path.relative_to(self.root).with_suffix("").as_posix() for path in found]

    def merged(self, name: str) -> Merged:
        """The file ``name`` over its bases. Raises RulesInvalid."""
        if name not in self._merged:
            self._merged[name] = self._merge(name, self.read(name), ())
        return self._merged[name]

    def merged_file(self, path: Path, shown: str) -> Merged:
        """A file outside the folder, named ``shown``, over bases of this folder."""
        return self._merge(shown, load(_bytes(path, shown), shown), ())

    def read(self, name: str) -> Node:
        """One file alone, a standing one with the year it is read for. Raises RulesInvalid."""
        standing = name.startswith(f"{STANDING}/") and "@" in name
        path, year = name.rsplit("@", 1) if standing else (name, "")
        file = f"{path}.yaml"
        node = load(_bytes(self.root / file, file), file)
        return _in_year(node, int(year)) if year else node

    def source_text(self, name: str) -> str | None:
        """The wording of a notice, None where the folder does not hold it."""
        try:
            return (self.root / "sources" / name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return None

    def _merge(
        self, name: str, own: Node, below: tuple[str, ...], year: int | None = None
    ) -> Merged:
        """``own`` over its bases; ``year`` is the one that goes on from this file, if any."""
        repeated = tuple(repeated_ids(own))
        try:
            merged = self._over_bases(name, own, below, year)
        except RulesInvalid as invalid:
            raise RulesInvalid([*invalid.findings, *repeated]) from None
        return replace(merged, unknown=(*merged.unknown, *repeated))

    def _over_bases(self, name: str, own: Node, below: tuple[str, ...], year: int | None) -> Merged:
        self._at_home(name, own)
        extends = own.get("extends")
        if extends is None or extends.value is None:
            return self._finished(name, own, own, None)
        place = own.place_of(("extends",))
        if not isinstance(extends.value, str):
            message = "extends 写一个规则文件的名字（文本），如 2024/national；不能是列表或数字"
            raise RulesInvalid([Finding("invalid_value", *place, "extends", message)])
        base_name = self._base_name(name, own, extends.value, year)
        if base_name == name or base_name in below:
            message = f"extends 绕成了圈：{' → '.join((*below, name, base_name))}"
            raise RulesInvalid([Finding("extends_cycle", *place, "extends", message)])
        if base_name not in self.names:
            there = [*self._yearly, *self.standing_files]
            near = difflib.get_close_matches(base_name, there, n=1)
            advice = f"是不是想写 {near[0]}？" if near else "请核对；"
            if re.fullmatch(r"\d{4}/national", base_name):
                advice = f"{base_name[:4]} 年度还没有全国规则，请先写 {base_name}.yaml；{advice}"
            message = f"extends 指的“{base_name}”不存在；{advice}有：{'、'.join(there)}"
            raise RulesInvalid([Finding("unknown_base", *place, "extends", message)])
        base_own = self.read(base_name)
        same_place = _same(own, base_own, "jurisdiction")
        carried = same_place and not _same(own, base_own, "year")
        goes_on = year if year is not None else _whole(own, "year")
        try:
            base = self._merge(base_name, base_own, (*below, name), goes_on if carried else None)
        except RulesInvalid as invalid:
            if not carried:
                raise
            # in order in its own year: what is wrong is that this one goes on from it
            advice = f"{goes_on} 年度不能沿用，请直接以上级本年度的规则为基础"
            raise RulesInvalid(
                Finding(f.code, *place, "extends", f"{f.message}（{f.file}:{f.line}）；{advice}")
                for f in invalid.findings
            ) from None
        may_change = base.may_change if same_place else base.rules.overridable
        node, unknown = merge(
            base.written,
            own,
            may_change,
            base_name,
            known_keys,
            needed_keys,
            inherits_all=same_place,
        )
        try:
            merged = self._finished(name, own, node, base, may_change, tuple(unknown), carried)
        except RulesInvalid as invalid:
            raise RulesInvalid([*invalid.findings, *unknown]) from None
        self._below(merged, base, same_place, goes_on)
        return merged

    def _at_home(self, name: str, own: Node) -> None:
        """Whether ``in_force`` stands where it has a meaning. Raises RulesInvalid."""
        stated, standing = own.get("in_force"), name.startswith(f"{STANDING}/")
        if standing and stated is None:
            message = "standing 下的文件要写 in_force（from、可以没有的 to、cite）：何时起、何时止"
            raise RulesInvalid([Finding("missing_key", own.place.file, 1, "in_force", message)])
        if standing and own.get("extends") is None:
            message = "常设规则建立在各年度的规则之上；请写 extends，如 national"
            raise RulesInvalid([Finding("missing_key", own.place.file, 1, "extends", message)])
        if stated is not None and not standing:
            message = "in_force 只写在 standing/ 下的常设规则里；年度文件写 year"
            place = own.place_of(("in_force",))
            raise RulesInvalid([Finding("unknown_key", *place, "in_force", message)])

    def _base_name(self, name: str, own: Node, extends: str, year: int | None) -> str:
        """The set that ``extends`` means, in ``year`` where another year goes on from this file."""
        own_year = _whole(own, "year")
        there = year if year is not None else own_year
        if extends.startswith(f"{STANDING}/"):
            if name.startswith(f"{STANDING}/") and extends in self.standing_files:
                place = self.read(extends).get("jurisdiction")
                code = place.value if place is not None else None
                for other in self._yearly:
                    if other.startswith(f"{there}/") and self._stands_at(other, code):
                        return other
            return f"{extends}@{there}"
        if name.startswith(f"{STANDING}/"):
            return f"{there}/{extends}" if "/" not in extends else extends
        if year is not None and extends.startswith(f"{own_year}/"):
            return f"{year}/{extends.partition('/')[2]}"
        return extends

    def _stands_at(self, name: str, code: object) -> bool:
        try:
            place = self.read(name).get("jurisdiction")
        except RulesInvalid:
            return False
        return place is not None and place.value == code

    def _finished(
        self,
        name: str,
        own: Node,
        written: Node,
        base: Merged | None,
        may_change: tuple[str, ...] | None = None,
        unknown: tuple[Finding, ...] = (),
        carried: bool = False,
    ) -> Merged:
        node = written_out(count_days(self.root, written))
        rules, node, more = validate_what_is_known(RuleFile, node)
        return Merged(
            name=name,
            own=own,
            written=written,
            node=node,
            rules=rules,
            may_change=may_change,
            bases=(base.name, *base.bases) if base is not None else (),
            carried=carried or (base is not None and base.carried),
            unknown=(*unknown, *more),
        )

    def _below(self, merged: Merged, base: Merged, same_place: bool, goes_on: int | None) -> None:
        """Whether the base is one the file can have; ``goes_on`` is the year it is read for."""
        findings = []
        own, rules, base_name = merged.own, merged.rules, base.name
        year = goes_on if goes_on is not None else rules.year
        later = same_place and year > base.rules.year
        if year != base.rules.year and not later:
            message = f"年度 {rules.year} 与所依据的 {base_name}（{base.rules.year}）不同"
            if same_place:
                message = f"{rules.year} 年度不能沿用更晚的 {base_name}；请改 extends"
            findings.append(Finding("year_mismatch", *own.place_of(("year",)), "year", message))
        if same_place and rules.year == base.rules.year and not base_name.startswith(STANDING):
            message = f"{base_name} 与本文件同一年度、同一辖区；请改 extends 或 jurisdiction"
            place = own.place_of(("jurisdiction",))
            findings.append(Finding("jurisdiction_mismatch", *place, "jurisdiction", message))
        above = list(self.catalogue.tree.upwards(rules.jurisdiction))[1:]
        if not same_place and base.rules.jurisdiction not in above:
            place = own.place_of(("jurisdiction",))
            message = (
                f"{rules.jurisdiction} 不在 {base_name}（{base.rules.jurisdiction}）的辖区之内"
            )
            findings.append(Finding("jurisdiction_mismatch", *place, "jurisdiction", message))
        for index, path in enumerate(rules.overridable):
            if merged.may_change is None or covers(merged.may_change, path):
                continue
            may = "、".join(merged.may_change) or "（没有）"
            message = (
                f"{path} 是上级不许本级改动的，不能再许给下级；上级许可的是：{may}。请删去这一行"
            )
            place = own.place_of(("overridable", index))
            path_shown = f"overridable[{index}]"
            findings.append(Finding("overridable_not_granted", *place, path_shown, message))
        if findings:
            raise RulesInvalid(findings)


_DEEPEST = 5
"""So many standing files stand upon one another: nation, province, city, county, and to spare."""


def _same(one: Node, other: Node, key: str) -> bool:
    return one.get(key) is not None and _value(one, key) == _value(other, key)


def _value(node: Node, key: str) -> object:
    below = node.get(key)
    return below.value if below is not None else None


def _whole(node: Node, key: str) -> int | None:
    value = _value(node, key)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _days(node: Node) -> tuple[date, date] | None:
    """From when until when a standing file is in force; None where that cannot be read."""
    first, last = node.get("in_force", "from"), node.get("in_force", "to")
    try:
        begins = date.fromisoformat(str(first.value if first is not None else ""))
        ends = (
            date.max if last is None or last.value is None else date.fromisoformat(str(last.value))
        )
    except ValueError:
        return None
    if begins > ends or not FIRST_YEAR <= begins.year <= LAST_YEAR:
        return None
    return begins, ends


def _governs(node: Node, year: int) -> bool:
    """Whether a standing file governs the statistics of a year.

    They are collected from the first day of the year after it on, so that it must be in force then.
    """
    days = _days(node)
    if year >= date.max.year:
        return False
    return days is not None and days[0] <= date(year + 1, 1, 1) <= days[1]


def _in_year(node: Node, year: int) -> Node:
    """A standing file as a set of one year: with that year, and an id and a title of its own."""
    if not isinstance(node.value, dict):
        return node
    members, keys = dict(node.value), dict(node.keys)
    if "year" in members:
        message = "常设规则不写 year；何时起、何时止写在 in_force 里"
        raise RulesInvalid([Finding("unknown_key", *node.place_of(("year",)), "year", message)])
    place: Place = node.place_of(("in_force",))
    members["year"], keys["year"] = Node(year, place), place
    for key, suffix in (("id", f"-{year}"), ("title", f"（{year}年度）")):
        below = members.get(key)
        if below is not None and isinstance(below.value, str):
            members[key] = Node(f"{below.value}{suffix}", below.place)
    return Node(members, node.place, keys)


def _bytes(path: Path, shown: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        message = f"读不了这个文件（{error.strerror}）；请核对路径和权限"
        raise RulesInvalid([Finding("file_missing", shown, 1, "", message)]) from None
