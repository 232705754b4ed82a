"""A province's file over its base: what it may change, and what comes out.

Merged are the file's own keys, ``filing``, ``filing.windows``, ``report_numbers``,
``enforcement`` and lists of items with ids; every value with a citation is replaced whole, so that
no value keeps another value's citation.

A list item with an id the base has replaces that item in place, and takes from it what every such
item must have and it leaves out, but for its citation; a new one goes to the end, or
``before: <id>``; ``remove: true`` takes one out, and stands in a value's place to take out that.
"""

import difflib
from collections.abc import Callable, Sequence

from rules.file.findings import Finding, RulesInvalid, dotted
from rules.file.strict_yaml import Node
from rules.file.validation import FORMER

OWN = frozenset({
    "id", "year", "jurisdiction", "title", "extends", "revision", "not_publishable", "sources",
    "overridable", "examples", "in_force",
})  # fmt: skip
"""Keys that are each file's own: never inherited, except ``sources``, which add up."""

_ADDED = (("facts",), ("duties",))
"""Lists that any file may add to; changing what stands in them must be allowed."""

_MERGED = (("filing",), ("filing", "windows"), ("report_numbers",), ("enforcement",))


def merge(
    base: Node,
    overlay: Node,
    overridable: Sequence[str] | None,
    base_name: str,
    known: Callable[[tuple[str, ...]], Sequence[str]],
    needed: Callable[[tuple[str, ...]], frozenset[str]],
    *,
    inherits_all: bool = False,
) -> tuple[Node, list[Finding]]:
    """``overlay`` over ``base``, and a finding for each key that nobody knows, which is left out.

    ``overridable`` None allows everything; ``known`` gives the keys that a file may have below a
    path, ``needed`` those that every item of a list must have. With ``inherits_all`` the base is
    the same jurisdiction's own, whose permissions go on.
    Raises RulesInvalid for what is not allowed.
    """
    allowed = None if overridable is None else tuple(overridable)
    own = OWN - {"overridable"} if inherits_all else OWN
    merger = _Merger(allowed, base_name, known, needed, own)
    merged = merger.mapping(base, overlay, ())
    if merger.findings:
        raise RulesInvalid([*merger.findings, *merger.unknown])
    return merged, merger.unknown


def covers(overridable: Sequence[str], path: str) -> bool:
    """Whether a path, as ``filing.reviewers[chosen]``, lies in what may be changed."""
    return any(path == one or path.startswith((f"{one}.", f"{one}[")) for one in overridable)


class _Merger:
    def __init__(
        self,
        overridable: tuple[str, ...] | None,
        base_name: str,
        known: Callable[[tuple[str, ...]], Sequence[str]],
        needed: Callable[[tuple[str, ...]], frozenset[str]],
        own: frozenset[str],
    ) -> None:
        self.overridable = overridable
        self.base_name = base_name
        self.known = known
        self.needed = needed
        self.own = own
        self.findings: list[Finding] = []
        self.unknown: list[Finding] = []

    def mapping(self, base: Node, overlay: Node, path: tuple[str, ...]) -> Node:
        if not isinstance(base.value, dict) or not isinstance(overlay.value, dict):
            self._refuse("invalid_value", overlay, path, "这里要写“键: 值”的映射")
            return overlay
        members, keys = dict(base.value), dict(base.keys)
        if not path:
            members = {key: node for key, node in members.items() if key not in self.own}
            keys = {key: place for key, place in keys.items() if key not in self.own}
        for key in overlay.value:
            member = self._member(base, overlay, key, (*path, key))
            if member is None:
                members.pop(key, None)
                keys.pop(key, None)
            else:
                members[key], keys[key] = member, overlay.keys[key]
        if not path and "sources" not in members and (inherited := base.get("sources")):
            members["sources"], keys["sources"] = inherited, base.keys["sources"]
        return Node(members, overlay.place, keys)

    def _member(self, base: Node, overlay: Node, key: str, path: tuple[str, ...]) -> Node | None:
        """What stands at ``path`` in the end, None where nothing does."""
        assert isinstance(overlay.value, dict)
        below, node = base.get(key), overlay.value[key]
        if path == ("sources",):
            return self._sources(below, node)
        if len(path) == 1 and key in OWN:
            return node
        if key not in (known := self.known(path[:-1])):
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"；是不是想写 {near[0]}？" if near else f"；这里可以写：{'、'.join(known)}"
            if key in FORMER:
                hint = f"；{FORMER[key]}"
            place = overlay.keys[key]
            message = f"不认识的键 {key}{hint}"
            found = Finding("unknown_key", place.file, place.line, dotted(path), message)
            self.unknown.append(found)
            return None
        if node.get("remove") is not None:
            self._allow(path, None, node)
            self._removal(node, path)
            if below is None:
                self._refuse("overlay_unknown_item", node, path, f"{self.base_name} 里没有 {key}")
            return None
        if path in _MERGED and below is not None:
            return self.mapping(below, node, path)
        if _has_ids(node) and (below is None or _has_ids(below)):
            return self._items(below, node, path)
        self._allow(path, None, node)
        return node

    def _sources(self, base: Node | None, overlay: Node) -> Node:
        if base is None or not isinstance(base.value, dict) or not isinstance(overlay.value, dict):
            return overlay
        for key in overlay.value:
            if key in base.value:
                message = f"来源 {key} 在 {self.base_name} 里已经有了；请换一个名字"
                place = overlay.keys[key]
                path = f"sources.{key}"
                found = Finding("source_redefined", place.file, place.line, path, message)
                self.findings.append(found)
        keys = {**base.keys, **overlay.keys}
        return Node({**base.value, **overlay.value}, overlay.place, keys)

    def _items(self, base: Node | None, overlay: Node, path: tuple[str, ...]) -> Node:
        items = list(base.value) if base is not None and isinstance(base.value, list) else []
        assert isinstance(overlay.value, list)
        own: dict[str, Node] = {}
        for item in overlay.value:
            name = _id_of(item)
            ids = [_id_of(other) for other in items]
            # new names and new duties take nothing away from those above
            if path not in _ADDED or name in ids:
                self._allow(path, name, item)
            first = own.setdefault(name, item)
            if first is not item:
                message = f"{name} 在第 {first.place.line} 行已经写过；同一列表里每项的 id 要不同"
                self._refuse("duplicate_id", item, path, message)
            elif item.get("remove") is not None:
                self._removal(item, path)
                if name not in ids:
                    self._refuse(
                        "overlay_unknown_item", item, path, f"{self.base_name} 里没有 {name}"
                    )
                else:
                    del items[ids.index(name)]
            elif name in ids:
                replaced = items.pop(ids.index(name))
                at = ids.index(name)
                whole = _completed(_without(item, "before"), replaced, self.needed(path))
                if item.get("before") is not None:
                    ids.remove(name)
                    at = self._position(item, ids, path)
                items.insert(at, whole)
            else:
                items.insert(self._position(item, ids, path), _without(item, "before"))
        return Node(items, overlay.place)

    def _removal(self, item: Node, path: tuple[str, ...]) -> None:
        assert isinstance(item.value, dict)
        remove = item.value["remove"]
        if remove.value is not True:
            message = "remove 只能写 true；不去掉这一项的，请删去这一行"
            self._refuse("invalid_value", remove, path, message)
        beside = [key for key in item.value if key not in ("id", "remove")]
        if beside:
            place = item.keys[beside[0]]
            message = f"remove: true 旁边至多写 id，不能写 {'、'.join(beside)}；请删去其中一种"
            found = Finding("invalid_value", place.file, place.line, dotted(path), message)
            self.findings.append(found)

    def _position(self, item: Node, ids: list[str], path: tuple[str, ...]) -> int:
        before = item.get("before")
        if before is None:
            return len(ids)
        if before.value in ids:
            return ids.index(str(before.value))
        if not isinstance(before.value, str):
            message = f"before 写列表中一项的 id（文本）；列表里有：{'、'.join(ids)}"
            self._refuse("invalid_value", before, path, message)
            return len(ids)
        message = f"before 指的 {before.value} 不在列表里；列表里有：{'、'.join(ids)}"
        self._refuse("overlay_unknown_item", before, path, message)
        return len(ids)

    def _allow(self, path: tuple[str, ...], item: str | None, node: Node) -> None:
        what = dotted(path) if item is None else f"{dotted(path)}[{item}]"
        if self.overridable is not None and not covers(self.overridable, what):
            may = "、".join(self.overridable) or "（没有）"
            message = f"改动了 {what}，而 {self.base_name} 不允许；允许改动的是：{may}"
            self._refuse("overlay_not_allowed", node, path, message)

    def _refuse(self, code: str, node: Node, path: tuple[str, ...], message: str) -> None:
        place = node.place
        self.findings.append(Finding(code, place.file, place.line, dotted(path), message))


def _has_ids(node: Node) -> bool:
    return (
        isinstance(node.value, list)
        and len(node.value) > 0
        and all(item.get("id") is not None for item in node.value)
    )


def _id_of(item: Node) -> str:
    node = item.get("id")
    return str(node.value) if node is not None else ""


def _completed(item: Node, replaced: Node, needed: frozenset[str]) -> Node:
    """An item with what it must have and leaves out from the one that it replaces."""
    assert isinstance(item.value, dict)
    if not isinstance(replaced.value, dict):
        return item
    missing = [key for key in replaced.value if key in needed and key not in item.value]
    members = {**item.value, **{key: replaced.value[key] for key in missing}}
    keys = {**item.keys, **{key: replaced.keys[key] for key in missing}}
    return Node(members, item.place, keys)


def _without(item: Node, key: str) -> Node:
    assert isinstance(item.value, dict)
    members = {name: node for name, node in item.value.items() if name != key}
    return Node(members, item.place, item.keys)
