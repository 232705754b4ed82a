"""Ways to look at an inbox that somebody has saved: kept by the browser, by person. Pure."""

import base64
import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple

VIEWS_COOKIE = "zhibao-views"
MOST = 10
_LONGEST_NAME, _LONGEST_VALUE = 20, 100


class View(NamedTuple):
    """A filter with the name that its reader gave it."""

    name: str
    wanted: dict[str, str]


def read_views(kept: str, person: str, names: Sequence[str]) -> list[View]:
    """What a browser has kept for a person; what it should not have is left out.

    ``names`` are those of the filter's blanks.
    """
    try:
        everybodys = json.loads(base64.urlsafe_b64decode(kept.encode()))
        views = [View(name, dict(wanted)) for name, wanted in everybodys.get(person, [])]
    except (ValueError, TypeError, AttributeError):
        return []
    return [one for one in views if _sound(one, names)][:MOST]


def _sound(view: View, names: Sequence[str]) -> bool:
    return (
        isinstance(view.name, str)
        and 0 < len(view.name) <= _LONGEST_NAME
        and all(
            name in names and isinstance(text, str) and len(text) <= _LONGEST_VALUE
            for name, text in view.wanted.items()
        )
    )


def with_view(views: Sequence[View], name: str, wanted: Mapping[str, str]) -> list[View]:
    """The views with one more in front; one of the same name gives way to it."""
    name = " ".join(name.split())[:_LONGEST_NAME]
    if not name or not wanted:
        return list(views)
    others = [one for one in views if one.name != name]
    return [View(name, dict(wanted)), *others][:MOST]


def without_view(views: Sequence[View], name: str) -> list[View]:
    """The views without the one of this name."""
    return [one for one in views if one.name != name]


def written_views(views: Sequence[View], person: str) -> str:
    """What the browser is to keep; of whoever signed in on it before, nothing stays."""
    text = json.dumps({person: [list(one) for one in views]}, ensure_ascii=False)
    return base64.urlsafe_b64encode(text.encode()).decode()
