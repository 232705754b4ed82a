"""A form as a page shows it, and what a page sends as the API takes it. Pure.

A blank is named by its place below the part: ``staff``, ``sites/0/name``, ``copies/0/staff``.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from api.door.requests import Form

MORE_ROWS = 3
"""So many empty rows are shown below those of a table."""

_WHOLE = re.compile(r"-?[0-9]{1,15}")
YES, NO = "yes", "no"


class Blank(NamedTuple):
    """One blank: ``name`` is its place, ``id`` the same for HTML, ``text`` what stands in it.

    ``chosen`` are the options ticked; ``said`` what is found about it; ``unconfirmed``: it was
    filled in beforehand, and nobody has looked at it.
    """

    field: Mapping[str, Any]
    name: str
    id: str
    text: str
    chosen: frozenset[str]
    derived: str
    unconfirmed: bool
    said: tuple[str, ...]


class Group(NamedTuple):
    """A section of a form, in one copy of it; ``rows`` is None where it is no table."""

    section: Mapping[str, Any]
    copy: str
    blanks: tuple[Blank, ...]
    rows: tuple[tuple[Blank, ...], ...] | None
    name: str
    unconfirmed: bool
    said: tuple[str, ...]


class Warned(NamedTuple):
    """A check that warns: what it says, its copy, and under which ``name`` a reason is written.

    A check that is made row by row says several things and is explained once.
    """

    messages: tuple[str, ...]
    copy: str
    name: str
    reason: str


def place_labels(content: Mapping[str, Any]) -> dict[str, str]:
    """What the fields and tables of a form are called, by their ids."""
    labels = {one["id"]: one["title"] for one in content["sections"] if one["table"] is not None}
    plain = (one["fields"] for one in content["sections"] if one["table"] is None)
    return {**labels, **{field["id"]: field["label"] for fields in plain for field in fields}}


def warned(
    findings: Sequence[Mapping[str, Any]], own: str, copies: Sequence[str] | None
) -> list[Warned]:
    """The warnings among findings, those of one check in one copy together.

    ``own`` is what the part's pointers begin with.
    """
    made: dict[tuple[str, str], Warned] = {}
    for one in findings:
        if one["level"] != "warn" or not one["check"]:
            continue
        place, prefix, copy = one["pointer"].removeprefix(own).split("/"), "", ""
        if copies is not None and place[0] == "copies":
            prefix, number = f"copies/{place[1]}/", int(place[1])
            copy = copies[number] if number < len(copies) else ""
        key = (prefix, one["check"])
        before = made[key].messages if key in made else ()
        name = f"{prefix}reasons/{one['check']}"
        made[key] = Warned((*before, one["message"]), copy, name, one["reason"] or "")
    return list(made.values())


def groups(
    content: Mapping[str, Any],
    copies: Sequence[str] | None,
    values: Mapping[str, Any],
    derived: Mapping[str, Any] | Sequence[Mapping[str, Any]],
    said: Mapping[str, Sequence[str]],
) -> list[Group]:
    """The sections of a form with their blanks; ``said`` is what is found, by place.

    ``derived`` are its sums and shares: those of each copy in a list where the form repeats.
    """
    made = []
    for prefix, copy, own in _copies(copies, values):
        if isinstance(derived, Mapping):
            found = {} if prefix else derived
        else:
            number = int(prefix.split("/")[1])
            found = derived[number] if number < len(derived) else {}
        marked = frozenset(own.get("unconfirmed") or ())
        for section in content["sections"]:
            table, name = section["table"], f"{prefix}{section['id']}"
            rows: tuple[tuple[Blank, ...], ...] | None = None
            blanks: tuple[Blank, ...] = ()
            if table is None:
                blanks = tuple(
                    _blank(field, f"{prefix}{field['id']}", own, found, marked, said)
                    for field in section["fields"]
                )
            else:
                given = own.get(section["id"]) or []
                shown = min(len(given) + MORE_ROWS, table["max"])
                rows = tuple(
                    tuple(
                        _blank(
                            field,
                            f"{name}/{number}/{field['id']}",
                            given[number] if number < len(given) else {},
                            {},
                            frozenset(),
                            said,
                        )
                        for field in section["fields"]
                    )
                    for number in range(shown)
                )
            made.append(
                Group(
                    section,
                    copy,
                    blanks,
                    rows,
                    name,
                    section["id"] in marked,
                    tuple(said.get(name, ())),
                )
            )
    return made


def _copies(
    copies: Sequence[str] | None, values: Mapping[str, Any]
) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    if copies is None:
        yield "", "", values
        return
    given = values.get("copies") or []
    for number, copy in enumerate(copies):
        yield f"copies/{number}/", copy, given[number] if number < len(given) else {}


def _blank(
    field: Mapping[str, Any],
    name: str,
    own: Mapping[str, Any],
    derived: Mapping[str, Any],
    marked: frozenset[str],
    said: Mapping[str, Sequence[str]],
) -> Blank:
    value = own.get(field["id"])
    chosen = frozenset(map(str, value)) if isinstance(value, list) else frozenset()
    text = "" if value is None or isinstance(value, list) else str(value)
    if isinstance(value, bool):
        text = YES if value else NO
    found = derived.get(field["id"])
    return Blank(
        field=field,
        name=name,
        id=name.replace("/", "-"),
        text=text,
        chosen=chosen,
        derived="" if found is None else str(found),
        unconfirmed=field["id"] in marked,
        said=tuple(said.get(name, ())),
    )


def read_part(
    content: Mapping[str, Any],
    copies: Sequence[str] | None,
    form: Form,
    standing: Mapping[str, Any],
) -> dict[str, Any]:
    """What a page's form says of a part, place by place; None takes a place out.

    What was filled in beforehand stays marked until it is ticked off as looked at.
    """
    if copies is None:
        return _read_copy(content, form, "", standing)
    given = standing.get("copies") or []
    made = []
    for number in range(len(copies)):
        before = given[number] if number < len(given) else {}
        read = _read_copy(content, form, f"copies/{number}/", before)
        made.append({name: value for name, value in read.items() if value is not None})
    return {"copies": made}


def _read_copy(
    content: Mapping[str, Any], form: Form, prefix: str, standing: Mapping[str, Any]
) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for section in content["sections"]:
        if section["table"] is not None:
            rows = [
                {
                    field["id"]: value
                    for field in section["fields"]
                    if (value := _value(field, form, f"{prefix}{section['id']}/{number}/"))
                    is not None
                }
                for number in range(int(section["table"]["max"]))
            ]
            made[section["id"]] = [row for row in rows if row] or None
            continue
        for field in section["fields"]:
            if field["derived"] is None:
                made[field["id"]] = _value(field, form, prefix)
    looked_at = set(form.get(f"{prefix}confirmed", ()))
    left = [name for name in standing.get("unconfirmed") or () if name not in looked_at]
    made["unconfirmed"] = left or None
    given = {
        name.removeprefix(f"{prefix}reasons/"): form.text(name).strip()
        for name in form
        if name.startswith(f"{prefix}reasons/")
    }
    reasons = {**(standing.get("reasons") or {}), **given}
    made["reasons"] = {name: text for name, text in reasons.items() if text} or None
    return made


def _value(field: Mapping[str, Any], form: Form, prefix: str) -> Any:
    """The value of a blank, None for one left empty; what is wrong in it the API says."""
    name = f"{prefix}{field['id']}"
    if field["type"] == "choices":
        return [text for text in form.get(name, ()) if text] or None
    text = form.text(name).strip()
    if not text:
        return None
    if field["type"] == "integer":
        plain = text.replace(",", "").replace("，", "")
        return int(plain) if _WHOLE.fullmatch(plain) else text
    if field["type"] == "boolean":
        return {YES: True, NO: False}.get(text, text)
    return text
