"""Facts that a rule file declares: a name for an expression, written into where it is used.

``facts`` at the top of a file names what conditions ask again and again ("a vehicle inspection
body"). Everything that is resolved from the file holds the expression itself.
"""

import re
from collections.abc import Mapping

from rules.file.findings import Finding, RulesInvalid
from rules.file.strict_yaml import Node
from rules.file.strict_yaml import Path as NodePath

EXPRESSIONS = frozenset({"when", "required_when", "must", "assign", "authority", "spent"})
"""The keys that hold an expression, beside ``proposes`` and ``decides`` of a measure."""

_TOKEN = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|(?<![.\w])[A-Za-z_]\w*(?!\s*\()")
LONGEST = 2000


def written_out(node: Node) -> Node:
    """``node`` with the declared facts in its expressions written out. Raises RulesInvalid."""
    listed = node.get("facts")
    if listed is None or not isinstance(listed.value, list):
        return node
    meanings: dict[str, str] = {}
    items = []
    for item in listed.value:
        name, means = item.get("id"), item.get("means")
        if not isinstance(item.value, dict) or name is None or means is None:
            return node  # told as a missing key
        if not isinstance(name.value, str) or not isinstance(means.value, str):
            return node  # told as a wrong value
        text = _expanded(means.value, meanings)
        _bounded(text, means, f"facts.{name.value}")
        meanings[str(name.value)] = f"({text})"
        items.append(Node({**item.value, "means": Node(text, means.place)}, item.place, item.keys))
    made = _walk(node, (), meanings)
    assert isinstance(made.value, dict)
    return Node({**made.value, "facts": Node(items, listed.place)}, made.place, made.keys)


def _walk(node: Node, path: NodePath, meanings: Mapping[str, str]) -> Node:
    if path and path[0] in ("examples", "sources", "facts"):
        return node
    if isinstance(node.value, dict):
        members = {key: _walk(below, (*path, key), meanings) for key, below in node.value.items()}
        return Node(members, node.place, node.keys)
    if isinstance(node.value, list):
        items = [_walk(below, (*path, n), meanings) for n, below in enumerate(node.value)]
        return Node(items, node.place, node.keys)
    holds = path and (path[-1] in EXPRESSIONS or path[-1] in ("proposes", "decides"))
    if holds and isinstance(node.value, str):
        text = _expanded(node.value, meanings)
        if text != node.value:
            _bounded(text, node, str(path[-1]))
            return Node(text, node.place)
    return node


def _expanded(source: str, meanings: Mapping[str, str]) -> str:
    return _TOKEN.sub(lambda token: meanings.get(token[0], token[0]), source)


def _bounded(text: str, node: Node, path: str) -> None:
    if len(text) > LONGEST:
        message = f"代入声明的事实之后，条件有 {len(text)} 个字符，最多 {LONGEST} 个；请拆成几条"
        raise RulesInvalid([Finding("condition_too_costly", *node.place, path, message)])
