"""What an operator names on the command line: rule files, folders, sets and facts."""

import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

from cli.terminal import NOT_IN_ORDER, fail
from domain.facts import Facts
from rules.check import checks
from rules.check.certificate_checks import check_certificates
from rules.check.form_checks import check_form_file
from rules.file.calendars import CALENDAR, read_year
from rules.file.catalogue import AUTHORITIES, JURISDICTIONS, put_in_use
from rules.file.confirmations import CONFIRMATIONS
from rules.file.document import build_document
from rules.file.findings import Finding, RulesInvalid, in_order
from rules.file.folder import CERTIFICATES, STANDING
from rules.file.library import SHIPPED, ResolvedSet, RuleLibrary, RuleSetNotFound, stamp_of
from rules.file.retention import RETENTION
from rules.filing.facts_file import FactsInvalid, parse_facts
from rules.filing.forms.library import FormNotFound
from rules.filing.forms.model import FormError

_LOOKS_EVERY = 0.3
"""Seconds between two looks for files saved again."""

Answer = TypeVar("Answer")
Asked = TypeVar("Asked", bound=Facts)


def library_in(folder: Path | None) -> RuleLibrary:
    """The rules of a folder, of the shipped one if none is named. Ends the command without it."""
    root = folder if folder is not None else SHIPPED
    if not root.is_dir():
        fail(f"规则目录 {root} 不存在；请用 --rules 或 ZHIBAO_RULES 指向一个规则目录")
    with suppress(RulesInvalid):  # what is wrong with it, the command itself will tell
        put_in_use(root)
    return RuleLibrary(root)


def display(library: RuleLibrary, file: str) -> str:
    """A finding's file as the user can open it from where they are."""
    inside = library.root / file
    if Path(file).is_absolute() or not inside.exists():
        return file
    here = os.path.relpath(inside)
    return here if not here.startswith("..") else str(inside)


def check_path(library: RuleLibrary, path: Path) -> list[Finding]:
    """What is wrong with a rule file, or with all files of a folder."""
    if not path.exists():
        fail(f"{path} 不存在；请给出规则文件或规则目录的路径")
    if path.is_dir() and (path / "jurisdictions.yaml").exists():
        other = library if path.resolve() == library.root.resolve() else RuleLibrary(path)
        return _shown(other, checks.check_folder(other))
    if path.is_dir():
        files = sorted(path.rglob("*.yaml"))
        return [finding for file in files for finding in check_path(library, file)]
    if path.parent.name == CALENDAR and path.suffix == ".yaml":
        try:
            read_year(path, str(path))
        except RulesInvalid as invalid:
            return invalid.findings
        return []
    if path.parent.name == "forms":
        return check_form_file(path, str(path), library)
    if path.name in (AUTHORITIES, CONFIRMATIONS, JURISDICTIONS, RETENTION):
        owner = RuleLibrary(path.parent)
        return _shown(owner, checks.check_catalogue(owner))
    if path.stem == CERTIFICATES:
        owner = next(iter(_owning(path)), library)
        return _shown(owner, check_certificates(owner, path, _inside(owner, path)))
    for owner in (library, *_around(path)):
        own = _inside(owner, path)
        if unread := [one for one in checks.unread(owner.root) if one.file == own]:
            return _shown(owner, unread)
    for owner in (library, *_owning(path)):
        if _name_in(owner, path) is not None:
            sets = owner.sets_of(Path(_inside(owner, path)).with_suffix("").as_posix())
            found = [finding for name in sets for finding in checks.check_name(owner, name)]
            return _shown(owner, in_order(found))
        own = _inside(owner, path)
        if Path(own).with_suffix("").as_posix() in owner.standing_files:
            return _shown(owner, [one for one in checks.idle(owner) if one.file == own])
    return checks.check_outside(library, path, str(path))


def saved_again(paths: Sequence[Path], seen: Any = None) -> Any:
    """A mark of how files and folders stand; with one given, waits until they stand otherwise."""
    while True:
        now = [stamp_of(path if path.is_dir() else path.parent) for path in paths]
        if now != seen:
            return now
        time.sleep(_LOOKS_EVERY)


def _owning(path: Path) -> list[RuleLibrary]:
    """The rules folder around a file, when the file lies in one of its years."""
    root = path.resolve().parent.parent
    return [RuleLibrary(root)] if (root / "jurisdictions.yaml").exists() else []


def _around(path: Path) -> list[RuleLibrary]:
    """The rules folder around a file, however deep the file lies in it."""
    roots = [root for root in path.resolve().parents if (root / JURISDICTIONS).exists()]
    return [RuleLibrary(root) for root in roots[:1]]


def _inside(library: RuleLibrary, path: Path) -> str:
    """A file as findings name it: from the rules folder if it lies there."""
    whole, root = path.resolve(), library.root.resolve()
    return whole.relative_to(root).as_posix() if whole.is_relative_to(root) else str(path)


def _name_in(library: RuleLibrary, path: Path) -> str | None:
    try:
        relative = path.resolve().relative_to(library.root.resolve())
    except ValueError:
        return None
    sets = library.sets_of(relative.with_suffix("").as_posix())
    return sets[-1] if sets else None


def _shown(library: RuleLibrary, findings: list[Finding]) -> list[Finding]:
    return [replace(finding, file=display(library, finding.file)) for finding in findings]


def resolve(library: RuleLibrary, year: int, jurisdiction: str) -> ResolvedSet:
    """The set of a year and what the user typed for a jurisdiction. Ends the command without."""
    return answer(library, lambda: library.resolve(year, _code(library, year, jurisdiction)))


def _code(library: RuleLibrary, year: int, jurisdiction: str) -> str:
    """A six-digit code from what the user typed: the code, ``national`` or a file's name."""
    if jurisdiction.isdigit():
        return jurisdiction
    if jurisdiction == "national":
        return "000000"
    for name in (f"{year}/{jurisdiction}", f"{STANDING}/{jurisdiction}@{year}"):
        if name in library.names:
            return library.merged(name).rules.jurisdiction
    raise RuleSetNotFound(year, jurisdiction, library.sets())


def in_reach(library: RuleLibrary, ruleset: ResolvedSet, region: str, day: date) -> None:
    """Ends the command where the set does not govern the region, or there is none on that day."""
    catalogue = library.catalogue
    if region not in catalogue.areas:
        fail(f"事实里的监管所在地 {region} 不是现行的区划代码；请核对 institution.region")
    if (gone := catalogue.not_there(region, day)) is not None:
        fail(f"事实里的监管所在地 {gone}")
    if ruleset.jurisdiction not in catalogue.tree.upwards(region):
        name, own = catalogue.area_name(region), catalogue.area_name(ruleset.jurisdiction)
        fail(f"{region}（{name}）不在 {ruleset.id} 的辖区 {own} 之内；请换一个规则集或更正地区")


def document_of(library: RuleLibrary, named: str) -> dict[str, Any]:
    """The document of a set (``2024/000000``) or of a rule file. Ends the command without."""
    path = Path(named)
    if path.is_file():
        inside = _name_in(library, path)
        if inside is not None:
            return answer(library, lambda: library.resolve_name(inside).document)
        return answer(library, lambda: _document_outside(library, path))
    year, _, jurisdiction = named.partition("/")
    if not (year.isdigit() and jurisdiction):
        fail(f"{named} 不是 年度/辖区（如 2024/000000），也不是规则文件的路径")
    return resolve(library, int(year), jurisdiction).document


def _document_outside(library: RuleLibrary, path: Path) -> dict[str, Any]:
    merged = library.merged_file(path, str(path))
    try:
        return build_document(merged.rules, library.catalogue, library.forms)
    except (FormNotFound, FormError) as error:
        place = merged.node.place_of(("filing", "parts"))
        raise RulesInvalid([Finding("unknown_form", *place, "filing.parts", str(error))]) from None


def answer(library: RuleLibrary, ask: Callable[[], Answer]) -> Answer:
    """What the rules answer; a missing or broken set ends the command with its findings."""
    try:
        return ask()
    except (RuleSetNotFound, FormNotFound, FormError) as missing:
        fail(str(missing))
    except RulesInvalid as invalid:
        fail("\n".join(map(str, _shown(library, invalid.findings))), NOT_IN_ORDER)


def facts_in(named: str, model: type[Asked]) -> Asked:
    """The facts in a JSON file, ``-`` for standard input. Ends the command without."""
    shown = "标准输入" if named == "-" else named
    try:
        raw = sys.stdin.buffer.read() if named == "-" else Path(named).read_bytes()
    except OSError as error:
        fail(f"读不了事实文件 {shown}：{error.strerror}")
    try:
        return parse_facts(raw, shown, model)
    except FactsInvalid as invalid:
        fail(str(invalid))
