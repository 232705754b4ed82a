"""A folder of rule files, read: each file merged with its base and valid in shape.

A rule file is ``<year>/<name>.yaml``; ``<year>/certificates.yaml`` is of another kind, see
`rules.certificates.certificates`. Beside them lie `authorities.yaml`, `jurisdictions.yaml`,
``sources/`` with the wording of the notices and ``forms/``.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from rules.compiled import SHIPPED
from rules.file.catalogue import Catalogue, load_catalogue
from rules.file.findings import Finding, RulesInvalid
from rules.file.overlay import merge
from rules.file.schema import RuleFile, known_keys
from rules.file.strict_yaml import Node, load
from rules.file.validation import validate
from rules.filing.forms.library import FormLibrary

CERTIFICATES = "certificates"
"""The name no jurisdiction's file can have: it holds the rules of certificates."""


@dataclass(frozen=True, slots=True)
class Merged:
    """A rule file read, merged with its base and valid in shape; not yet checked for meaning.

    ``own`` is the file alone, ``node`` the merged one; every node knows its own file and line.
    """

    name: str
    own: Node
    node: Node
    rules: RuleFile


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
        """The rule files: ``2024/national``, in order."""
        return [name for name in self._files if name not in self.certificate_names]

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
        """One file alone. Raises RulesInvalid."""
        file = f"{name}.yaml"
        return load(_bytes(self.root / file, file), file)

    def source_text(self, name: str) -> str | None:
        """The wording of a notice, None where the folder does not hold it."""
        try:
            return (self.root / "sources" / name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return None

    def _merge(self, name: str, own: Node, below: tuple[str, ...]) -> Merged:
        extends = own.get("extends")
        if extends is None or extends.value is None:
            return Merged(name, own, own, validate(RuleFile, own))
        place = own.place_of(("extends",))
        if not isinstance(extends.value, str):
            message = "extends 写一个规则文件的名字（文本），如 2024/national；不能是列表或数字"
            raise RulesInvalid([Finding("invalid_value", *place, "extends", message)])
        base_name = extends.value
        if base_name == name or base_name in below:
            message = f"extends 绕成了圈：{' → '.join((*below, name, base_name))}"
            raise RulesInvalid([Finding("extends_cycle", *place, "extends", message)])
        if base_name not in self.names:
            message = f"extends 指的 {base_name} 不存在；有：{'、'.join(self.names)}"
            raise RulesInvalid([Finding("unknown_base", *place, "extends", message)])
        base = self._merge(base_name, self.read(base_name), (*below, name))
        node = merge(base.node, own, base.rules.overridable, base_name, known_keys)
        rules = validate(RuleFile, node)
        self._below(rules, base.rules, own, base_name)
        return Merged(name, own, node, rules)

    def _below(self, rules: RuleFile, base: RuleFile, own: Node, base_name: str) -> None:
        findings = []
        if rules.year != base.year:
            message = f"年度 {rules.year} 与所依据的 {base_name}（{base.year}）不同"
            findings.append(Finding("year_mismatch", *own.place_of(("year",)), "year", message))
        above = list(self.catalogue.tree.upwards(rules.jurisdiction))[1:]
        if base.jurisdiction not in above:
            place = own.place_of(("jurisdiction",))
            message = f"{rules.jurisdiction} 不在 {base_name}（{base.jurisdiction}）的辖区之内"
            findings.append(Finding("jurisdiction_mismatch", *place, "jurisdiction", message))
        if findings:
            raise RulesInvalid(findings)


def _bytes(path: Path, shown: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        message = f"读不了这个文件（{error.strerror}）；请核对路径和权限"
        raise RulesInvalid([Finding("file_missing", shown, 1, "", message)]) from None
