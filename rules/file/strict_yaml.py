"""YAML without surprises: every value with the file and line it stands in.

A small, strict part of YAML 1.2: mappings with distinct text keys, lists, text, ``true``/``false``,
``null``, whole and decimal numbers. What YAML 1.1 would silently turn into something else
(``no``, ``010203``, ``12:30``, ``2025-03-21``) is refused with the advice to quote it.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import yaml

from rules.file.findings import Finding, Place, RulesInvalid, dotted

MAX_BYTES = 1_000_000
MAX_DEPTH = 40

Path = tuple[str | int, ...]

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_WHOLE = re.compile(r"-?(0|[1-9][0-9]{0,17})")
_UNPAIRED = re.compile("[\ud800-\udfff]")
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]{0,14})\.[0-9]{1,15}")
_SURPRISES = (
    (re.compile(r"y|yes|n|no|on|off|true|false", re.I), "会被读成真假值；真假写 true 或 false"),
    (re.compile(r"~|null", re.I), "会被读成空值；空值写 null"),
    (re.compile(r"[-+]?0[0-9_]+"), "以 0 开头的数字会被读成八进制数或丢掉前面的 0；代码是文本"),
    (re.compile(r"[-+]?0[box][0-9a-f_]+", re.I), "会被读成其他进制的数"),
    (re.compile(r"[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?"), "会被读成六十进制数"),
    (
        re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt \t].*)?"),
        "会被读成日期类型；日期在这里是文本",
    ),
    (re.compile(r"[-+]?[0-9][0-9_]*"), "不是规范写法的整数（正号、下划线或位数过多）"),
    (re.compile(r"[-+]?(\.[0-9]+|[0-9][0-9_]*\.[0-9_]*)(e[-+]?[0-9]+)?", re.I), "会被读成浮点数"),
    (re.compile(r"[-+]?[0-9]+e[-+]?[0-9]+", re.I), "会被读成浮点数"),
    (re.compile(r"[-+]?\.(inf|nan)", re.I), "会被读成无穷或非数"),
    (re.compile(r"=|<<"), "在 YAML 里有特殊含义"),
)


@dataclass(frozen=True, slots=True)
class Node:
    """A value with its place. ``keys`` gives, for a mapping, the place of each key."""

    value: "bool | int | float | str | list[Node] | dict[str, Node] | None"
    place: Place
    keys: Mapping[str, Place] = field(default_factory=dict)

    def plain(self) -> Any:
        """The value alone, as plain Python."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value

    def get(self, *path: str | int) -> "Node | None":
        """The node at ``path``, or None."""
        node = self
        for step in path:
            if isinstance(node.value, dict) and isinstance(step, str) and step in node.value:
                node = node.value[step]
            elif isinstance(node.value, list) and isinstance(step, int):
                if not 0 <= step < len(node.value):
                    return None
                node = node.value[step]
            else:
                return None
        return node

    def place_of(self, path: Sequence[str | int]) -> Place:
        """The place of ``path`` (in a mapping, its key's), or of the nearest one above it."""
        node, place = self, self.place
        for step in path:
            below = node.get(step)
            if below is None:
                return node.keys.get(str(step), place)
            node, place = below, node.keys.get(str(step), below.place)
        return place

    def without(self, path: Sequence[str | int]) -> "Node":
        """This node without the member of a mapping at ``path``; itself where there is none."""
        if not path or not isinstance(self.value, dict | list):
            return self
        step, *rest = path
        below = self.get(step)
        if below is None:
            return self
        if isinstance(self.value, list):
            items = [
                below.without(rest) if n == step else item for n, item in enumerate(self.value)
            ]
            return Node(items, self.place, self.keys)
        members = dict(self.value)
        if rest:
            members[str(step)] = below.without(rest)
        else:
            del members[str(step)]
        return Node(members, self.place, self.keys)

    def walk(self, path: Path = ()) -> Iterator[tuple[Path, "Node"]]:
        """This node and everything below it, with paths, in the file's order."""
        yield path, self
        if isinstance(self.value, dict):
            for key, node in self.value.items():
                yield from node.walk((*path, key))
        elif isinstance(self.value, list):
            for index, node in enumerate(self.value):
                yield from node.walk((*path, index))


# a folder of which one file has changed is read again, the others of which are as they were
@lru_cache(maxsize=128)
def load(content: bytes | str, file: str) -> Node:
    """Read one document. ``file`` is the name findings carry. Raises RulesInvalid."""
    text = _decoded(content, file)
    reader = _Reader(file)
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            reader.take(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = (mark.line if mark else 0) + 1
        reader.refuse("yaml_syntax", line, _syntax_message(error, text, line))
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1 if isinstance(error.position, int) else 1
        reader.refuse("yaml_syntax", line, "含有 YAML 不允许的控制字符；请删去")
    if reader.findings:
        raise RulesInvalid(reader.findings)
    if reader.root is None:
        raise RulesInvalid([Finding("yaml_empty", file, 1, "", "文件没有内容")])
    return reader.root


def _decoded(content: bytes | str, file: str) -> str:
    raw = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
    if len(raw) > MAX_BYTES:
        message = f"文件有 {len(raw)} 字节，超过上限 {MAX_BYTES}；规则文件应当是人能读完的"
        raise RulesInvalid([Finding("file_too_large", file, 1, "", message)])
    try:
        return raw.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        message = "不是 UTF-8 编码；请另存为 UTF-8"
        raise RulesInvalid([Finding("not_utf8", file, line, "", message)]) from None


def _syntax_message(error: yaml.MarkedYAMLError, text: str, line: int) -> str:
    problem = error.problem or error.context or "无法解析"
    lines = text.split("\n")
    if line <= len(lines) and "\t" in lines[line - 1]:
        return "缩进里有制表符（Tab）；请改用空格"
    return f"YAML 语法有误（{problem}）；请检查缩进、引号、冒号和括号"


class _Open:
    """A mapping or list that is still being read."""

    def __init__(self, line: int, is_mapping: bool) -> None:
        self.line = line
        self.is_mapping = is_mapping
        self.members: dict[str, Node] = {}
        self.keys: dict[str, Place] = {}
        self.items: list[Node] = []
        self.key: str | None = None
        self.awaits_key = is_mapping


class _Reader:
    """Builds nodes from parser events; no recursion, so depth is ours to limit."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.root: Node | None = None
        self.findings: list[Finding] = []
        self._stack: list[_Open] = []
        self._documents = 0
        self._too_deep = 0

    def refuse(self, code: str, line: int, message: str) -> None:
        path = dotted(o.key if o.is_mapping and o.key else len(o.items) for o in self._stack)
        self.findings.append(Finding(code, self.file, line, path, message))

    def take(self, event: Any) -> None:
        line = event.start_mark.line + 1
        if isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents == 2:
                self.refuse("yaml_documents", line, "一个文件只能有一个 YAML 文档；请删去 ---")
            if event.version or event.tags:
                self.refuse("yaml_directive", line, "不支持 %YAML、%TAG 指令；请删去")
        if self._documents > 1 or not isinstance(event, yaml.NodeEvent | yaml.CollectionEndEvent):
            return
        if isinstance(event, yaml.AliasEvent):
            self.refuse("yaml_anchor", line, f"不支持引用 *{event.anchor}；请把内容写全")
            self._put(Node(None, Place(self.file, line)))
            return
        if isinstance(event, yaml.CollectionEndEvent):
            self._close()
            return
        if event.anchor is not None:
            self.refuse("yaml_anchor", line, f"不支持锚点 &{event.anchor}；请把内容写全")
        tag = getattr(event, "tag", None)
        if tag is not None:
            self.refuse("yaml_tag", line, f"不支持类型标签 {tag}；请删去")
        if isinstance(event, yaml.ScalarEvent):
            self._scalar(event, line)
        else:
            self._open(line, isinstance(event, yaml.MappingStartEvent))

    def _open(self, line: int, is_mapping: bool) -> None:
        if self._too_deep or len(self._stack) >= MAX_DEPTH:
            if not self._too_deep:
                self.refuse("yaml_depth", line, f"嵌套超过 {MAX_DEPTH} 层")
            self._too_deep += 1
            return
        top = self._stack[-1] if self._stack else None
        if top is not None and top.awaits_key:
            if not any(finding.code == "yaml_key" for finding in self.findings):
                self.refuse("yaml_key", line, "键必须是文本，不能是列表或映射")
            top.key, top.awaits_key = f"?{line}", False
            # Read it as a value nobody sees, so that the pairing of keys and values stays right.
            self._stack.append(_Open(line, is_mapping))
            self._stack[-1].line = -line
            return
        self._stack.append(_Open(line, is_mapping))

    def _close(self) -> None:
        if self._too_deep:
            self._too_deep -= 1
            if not self._too_deep:
                self._put(Node(None, Place(self.file, 1)))
            return
        done = self._stack.pop()
        if done.line < 0:
            return
        place = Place(self.file, done.line)
        node = Node(done.members, place, done.keys) if done.is_mapping else Node(done.items, place)
        self._put(node)

    def _scalar(self, event: yaml.ScalarEvent, line: int) -> None:
        if self._too_deep:
            return
        top = self._stack[-1] if self._stack else None
        plain = event.implicit[0]
        if top is not None and top.awaits_key:
            self._key(top, event.value, plain, line)
            return
        self._put(Node(self._resolved(event.value, plain, line), Place(self.file, line)))

    def _key(self, top: _Open, name: str, plain: bool, line: int) -> None:
        resolved = self._resolved(name, plain, line)
        if not isinstance(resolved, str):
            self.refuse("yaml_key", line, f'键 {name!r} 会被读成数字或真假值；请加引号："{name}"')
        first = top.keys.get(name)
        if first is not None:
            message = f"键 {name} 在第 {first.line} 行已经写过；请合并或删去一个"
            self.refuse("duplicate_key", line, message)
        else:
            top.keys[name] = Place(self.file, line)
        top.key, top.awaits_key = name, False

    def _put(self, node: Node) -> None:
        if not self._stack:
            self.root = node
            return
        top = self._stack[-1]
        if not top.is_mapping:
            top.items.append(node)
        elif top.awaits_key:
            self.refuse("yaml_key", node.place.line, "键必须是文本")
            top.key, top.awaits_key = f"?{node.place.line}", False
        else:
            top.members.setdefault(top.key or "", node)
            top.key, top.awaits_key = None, True

    def _resolved(self, text: str, plain: bool, line: int) -> bool | int | float | str | None:
        if not plain:
            if _UNPAIRED.search(text):
                self.refuse("yaml_syntax", line, "文本里有不成对的代理字符；请改写")
            return text
        if text in ("true", "false"):
            return text == "true"
        if text == "null":
            return None
        if text == "":
            self.refuse("yaml_empty_value", line, "冒号或短横后面没有值；没有值时请写 null")
            return None
        if _WHOLE.fullmatch(text):
            return int(text)
        if _DECIMAL.fullmatch(text):
            return float(text)
        for pattern, reading in _SURPRISES:
            if pattern.fullmatch(text):
                self.refuse("yaml_surprise", line, f'{text} {reading}。请加引号："{text}"')
                break
        return text
