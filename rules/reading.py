"""A resolved rule set as people read it: value by value, each with what it rests on. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from domain.model import Value
from rules.diff import label_of

_SECTIONS = {"filing": "年度填报", "report_numbers": "报告编号", "enforcement": "后续处理"}
_UNTOLD = frozenset({"id", "label"})


class Line(Value):
    """One value of a rule set: ``depth`` 1 begins a section.

    ``cite`` has the document's number, its clause and quotation, or what is assumed; {} for none.
    """

    depth: int
    label: str
    text: str
    cite: dict[str, str]


def lines(document: Mapping[str, Any]) -> Iterator[Line]:
    """The values of a resolved set in its own order."""
    named = {name: source["document"] for name, source in document.get("sources", {}).items()}
    for key, title in _SECTIONS.items():
        if document.get(key):
            yield Line(depth=1, label=title, text="", cite={})
            yield from _mapping(document[key], (key,), 2, named)


def _mapping(
    values: Mapping[str, Any], path: tuple[str, ...], depth: int, named: Mapping[str, str]
) -> Iterator[Line]:
    for key, value in values.items():
        if key in _UNTOLD or key.endswith("cite") or value in (None, "", [], {}):
            continue
        here = (*path, key)
        cite = _cite(values.get(f"{key}_cite"), named)
        if isinstance(value, Mapping):
            own = _cite(value.get("cite"), named)
            yield Line(depth=depth, label=label_of(here), text=_range(value), cite=cite or own)
            rest = {name: one for name, one in value.items() if name not in ("from", "to")}
            yield from _mapping(rest if _range(value) else value, here, depth + 1, named)
        elif isinstance(value, list) and any(isinstance(one, Mapping) for one in value):
            yield Line(depth=depth, label=label_of(here), text="", cite=cite)
            for one in value:
                name = str(one.get("label") or one.get("id") or "")
                yield Line(depth=depth + 1, label=name, text="", cite=_cite(one.get("cite"), named))
                yield from _mapping(one, here, depth + 2, named)
        else:
            text = "、".join(map(str, value)) if isinstance(value, list) else _plain(value)
            yield Line(depth=depth, label=label_of(here), text=text, cite=cite)


def _range(value: Mapping[str, Any]) -> str:
    return f"{value['from']} 至 {value['to']}" if value.get("from") and value.get("to") else ""


def _plain(value: Any) -> str:
    return {True: "是", False: "否"}[value] if isinstance(value, bool) else str(value)


def _cite(given: Any, named: Mapping[str, str]) -> dict[str, str]:
    if not isinstance(given, Mapping):
        return {}
    told = {
        "document": named.get(given.get("source") or "", given.get("source") or ""),
        "clause": given.get("clause") or "",
        "quote": given.get("quote") or "",
        "assumption": given.get("assume") or "",
    }
    return {name: text for name, text in told.items() if text}
