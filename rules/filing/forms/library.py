"""The forms of a folder: read strictly, derived forms put together, every form tried out."""

import re
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from rules.file.findings import RulesInvalid
from rules.file.strict_yaml import Node, load
from rules.file.validation import in_chinese, validate
from rules.filing.forms.expressions import compiled
from rules.filing.forms.model import Form, FormError, FormField
from rules.filing.forms.trial import try_checks, try_example

_FORM_ID = re.compile(r"[a-z][a-z0-9-]{0,63}")
_OWN = frozenset({"id", "title", "revision", "note", "header", "cite"})
_DIFFERENCES = ("texts", "remove", "change", "add")
"""What a derived form says of the form it derives from."""
_WORD = re.compile(r"[a-z][a-z0-9_-]*")
_READ_BY_PEOPLE = frozenset(
    {"title", "label", "message", "note", "options", "help", "source", "pattern_words", "what"}
)


class FormNotFound(KeyError):
    """No form has this id."""

    def __init__(self, form_id: str) -> None:
        super().__init__(form_id)
        self.form_id = form_id

    def __str__(self) -> str:
        return f"没有编号为“{self.form_id[:64]}”的表单，请核对规则文件中的 form"


class FormLibrary:
    """The forms of a folder, one ``<id>.yaml`` each, read when first asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._forms: dict[str, Form] = {}
        self._nodes: dict[str, Node] = {}
        self._tried: dict[str, list[FormError]] = {}

    def ids(self) -> tuple[str, ...]:
        """The ids of all forms, sorted."""
        return tuple(sorted(path.stem for path in self._folder.glob("*.yaml")))

    def get(self, form_id: str) -> Form:
        """The form. Raises `FormNotFound`, or `FormError` if its file is not in order."""
        if form_id not in self._forms:
            document = self._read(form_id)
            derived = "extends" in document
            form = self._form(form_id, self._whole(form_id, document, ()), derived=derived)
            compiled(form)
            try_example(form)
            self._forms[form_id] = form
        return self._forms[form_id]

    def node(self, form_id: str) -> Node | None:
        """A form's own file as it was read; None for one that nobody has asked for."""
        return self._nodes.get(form_id)

    def line(self, form_id: str, message: str) -> int:
        """The line of a form's file that a message is about: the last id it names, else 1."""
        node = self._nodes.get(form_id)
        places: dict[str, int] = {}
        for _, below in node.walk() if node is not None else ():
            if isinstance(below.value, dict) and (name := below.get("id")) is not None:
                if "重复" in message:  # the second of them is the one too many
                    places[str(name.value)] = below.place.line
                places.setdefault(str(name.value), below.place.line)
            if isinstance(below.value, str):
                places.setdefault(below.value, below.place.line)
            for key, place in below.keys.items():
                places.setdefault(key, place.line)
        named = [word for word in _WORD.findall(message) if word != form_id and word in places]
        return max((places[name] for name in named), default=1)

    def _form(self, form_id: str, document: dict[str, Any], derived: bool) -> Form:
        """The shape of a form, with the line of what is wrong where it stands in one file."""
        if derived:
            return _parse(form_id, document)
        try:
            return validate(Form, self._nodes[form_id])
        except RulesInvalid as invalid:
            # a mistyped key is why another is missing
            first = min(invalid.findings, key=lambda one: one.code != "unknown_key")
            others = len(invalid.findings) - 1
            more = f"（另有 {others} 处）" if others else ""
            message = f"{first.file}：{first.path}：{first.message}{more}"
            raise FormError("bad_form", message, first.line) from None

    def trial(self, form_id: str) -> list[FormError]:
        """What is wrong with the examples of its checks. Raises as `get` does."""
        if form_id not in self._tried:
            self._tried[form_id] = try_checks(self.get(form_id))
        return self._tried[form_id]

    def _read(self, form_id: str) -> dict[str, Any]:
        path = self._folder / f"{form_id}.yaml"
        # The pattern also keeps an id from leaving the folder.
        if _FORM_ID.fullmatch(form_id) is None or not path.is_file():
            raise FormNotFound(form_id)
        node = _load(path)
        self._nodes[form_id] = node
        document: Any = node.plain()
        if not isinstance(document, dict):
            raise FormError("bad_form", f"{path.name}：应为一个映射，含 id、title、sections 等")
        if document.get("id") != form_id:
            raise FormError("bad_form", f"{path.name}：id 应与文件名一致，写作 {form_id}")
        return document

    def _whole(
        self, form_id: str, document: dict[str, Any], below: tuple[str, ...]
    ) -> dict[str, Any]:
        """A form with those it derives from put together; ``below`` are those that derive from it.

        From the base: texts replaced, then items removed, changed and added, own words exchanged.
        """
        name, base_id = f"{form_id}.yaml", document.pop("extends", None)
        given = {key: document.pop(key) for key in _DIFFERENCES if key in document}
        if base_id is None:
            if given:
                message = f"{name}：{next(iter(given))} 只与 extends 同用，请删去"
                raise FormError("bad_form", message)
            return document
        if not isinstance(base_id, str):
            raise FormError("bad_form", f"{name}：extends 应为一个表单编号")
        if base_id == form_id or base_id in below:
            raise FormError("bad_form", f"{name}：extends 绕成了圈；请派生自另一个表单")
        base = self._whole(base_id, self._read(base_id), (*below, form_id))
        unknown = sorted(set(document) - _OWN)
        if unknown:
            differences = "、".join(_DIFFERENCES)
            message = (
                f"{name}：派生表单不能改动 {'、'.join(unknown)}；不同之处写在 {differences} 里"
            )
            raise FormError("bad_form", message)
        made = _replaced(name, base, given.get("texts", {}))
        made = _removed(name, made, given.get("remove", {}))
        made = _changed(name, made, given.get("change", {}))
        made = _added(name, made, given.get("add", {}))
        made.pop("revision", None)
        return {**made, **document}


def _load(path: Path) -> Node:
    """The YAML document of a file, read as strictly as the rules."""
    try:
        return load(path.read_bytes(), path.name)
    except RulesInvalid as invalid:
        first = invalid.findings[0]
        message = f"{path.name}：不是合格的 YAML：{first.message}"
        raise FormError("bad_yaml", message, first.line) from None


def _parse(form_id: str, document: dict[str, Any]) -> Form:
    try:
        return Form.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        message = f"{form_id}.yaml：{place}：{in_chinese(first)}"
        raise FormError("bad_form", message) from None


def _removed(name: str, base: dict[str, Any], removed: Any) -> dict[str, Any]:
    """``base`` without some sections, fields and checks, each named by its id."""
    if not isinstance(removed, dict) or set(removed) - {"fields", "sections", "checks"}:
        raise FormError("bad_form", f"{name}：remove 只写 fields、sections、checks")
    gone: dict[str, set[str]] = {}
    for kind, ids in removed.items():
        if not isinstance(ids, list) or not all(isinstance(one, str) for one in ids):
            raise FormError("bad_form", f"{name}：remove.{kind} 写成编号的列表")
        missing = [one for one in ids if one not in _ids(base, kind)]
        if missing:
            raise FormError("bad_form", f"{name}：remove.{kind} 里的 {missing[0]} 在原表中不存在")
        gone[kind] = set(ids)
    sections = [
        {**one, "fields": [f for f in one["fields"] if f["id"] not in gone.get("fields", ())]}
        for one in base["sections"]
        if one["id"] not in gone.get("sections", ())
    ]
    checks = [one for one in base.get("checks", ()) if one["id"] not in gone.get("checks", ())]
    return {**base, "sections": sections, "checks": checks}


def _changed(name: str, base: dict[str, Any], changed: Any) -> dict[str, Any]:
    """``base`` with some keys of its sections, fields and checks changed; null takes a key out."""
    if not isinstance(changed, dict) or set(changed) - {"fields", "sections", "checks"}:
        raise FormError("bad_form", f"{name}：change 只写 fields、sections、checks")
    for kind, items in changed.items():
        if not isinstance(items, dict) or not all(isinstance(one, dict) for one in items.values()):
            raise FormError("bad_form", f"{name}：change.{kind} 写成“编号: {{键: 新值}}”的映射")
        for item, keys in items.items():
            if item not in _ids(base, kind):
                message = f"{name}：change.{kind} 里的 {item} 在原表中不存在"
                raise FormError("bad_form", message)
            if "id" in keys or (kind == "sections" and "fields" in keys):
                message = (
                    f"{name}：change.{kind} 的 {item} 不能改编号或整列字段；请去掉它，另加新的"
                )
                raise FormError("bad_form", message)

    def new(kind: str, item: dict[str, Any]) -> dict[str, Any]:
        given = changed.get(kind, {}).get(item["id"], {})
        keys = {**item, **given}
        if kind == "fields" and "label" in given and item["type"] == keys["type"] == "text":
            # examples of checks name the value that was made of the label before
            keys.setdefault("example", FormField.model_validate(item).example_value())
        return {key: value for key, value in keys.items() if value is not None}

    sections = [
        {**new("sections", one), "fields": [new("fields", field) for field in one["fields"]]}
        for one in base["sections"]
    ]
    checks = [new("checks", one) for one in base.get("checks", ())]
    return {**base, "sections": sections, "checks": checks}


def _ids(base: dict[str, Any], kind: str) -> set[str]:
    if kind == "fields":
        return {field["id"] for section in base["sections"] for field in section["fields"]}
    return {one["id"] for one in base.get(kind, ())}


def _added(name: str, base: dict[str, Any], added: Any) -> dict[str, Any]:
    """``base`` with new fields (by section), sections and checks: a new year adds what is new."""
    if not isinstance(added, dict) or set(added) - {"fields", "sections", "checks"}:
        raise FormError("bad_form", f"{name}：add 只写 fields、sections、checks")
    fields = added.get("fields", {})
    if not isinstance(fields, dict) or not all(isinstance(one, list) for one in fields.values()):
        raise FormError("bad_form", f"{name}：add.fields 写成“分节编号: [字段]”的映射")
    for kind in ("sections", "checks"):
        if not isinstance(added.get(kind, []), list):
            raise FormError("bad_form", f"{name}：add.{kind} 写成列表")
    sections = [
        {**section, "fields": [*section["fields"], *fields.get(section["id"], ())]}
        for section in base["sections"]
    ]
    missing = sorted(set(fields) - {section["id"] for section in base["sections"]})
    if missing:
        raise FormError("bad_form", f"{name}：add.fields 里的分节 {missing[0]} 在原表中不存在")
    return {
        **base,
        "sections": [*sections, *added.get("sections", ())],
        "checks": [*base.get("checks", ()), *added.get("checks", ())],
    }


def _replaced(name: str, base: dict[str, Any], replacements: Any) -> dict[str, Any]:
    """``base`` with texts replaced, all in one pass: a replacement is not replaced again."""
    if not isinstance(replacements, dict) or not all(
        isinstance(text, str) and text for pair in replacements.items() for text in pair
    ):
        raise FormError("bad_form", f"{name}：texts 应为“原文: 新文”的映射，均为文字")
    if not replacements:
        return base
    pattern = re.compile("|".join(map(re.escape, sorted(replacements, key=len, reverse=True))))
    used: set[str] = set()

    def new_text(found: re.Match[str]) -> str:
        used.add(found[0])
        return str(replacements[found[0]])

    def walk(node: Any, key: str) -> Any:
        if isinstance(node, dict):
            return {name: walk(child, name) for name, child in node.items()}
        if isinstance(node, list):
            return [walk(child, key) for child in node]
        # Only what people read: ids, expressions and citations stay as they are.
        if isinstance(node, str) and key in _READ_BY_PEOPLE:
            return pattern.sub(new_text, node)
        return node

    result: dict[str, Any] = walk(base, "")
    unused = [text for text in replacements if text not in used]
    if unused:
        raise FormError("bad_form", f"{name}：texts 中的“{unused[0]}”在原表中不存在，请改正")
    return result
