"""The small shapes that rule files are made of: ids, texts, days, citations, conditions' rules."""

import re
from datetime import date, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)

from domain.model import Value
from domain.numbers.quarters import Quarter

FIRST_YEAR, LAST_YEAR = 1990, 2150
"""Years that days of a rule file may lie in; whatever is counted from them stays a real day."""

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\+08:00")


def _day(value: Any) -> Any:
    if isinstance(value, date):
        return value
    if not isinstance(value, str) or not _DAY.fullmatch(value):
        raise ValueError(f'日期写成带引号的 "年-月-日"，如 "2025-03-21"，不能是 {value!r}')
    try:
        day = date.fromisoformat(value)
    except ValueError:
        raise ValueError(f"{value} 不是真实存在的日期（平年没有2月29日）") from None
    if not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise ValueError(f"{value} 的年份不在 {FIRST_YEAR} 至 {LAST_YEAR} 之间；请更正")
    return day


def _moment(value: Any) -> Any:
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str) or not _MOMENT.fullmatch(value):
        raise ValueError('时刻写成带引号的 "2025-03-21T23:59:59+08:00"（北京时间）')
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise ValueError(f"{value} 不是真实存在的时刻") from None
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise ValueError(f"{value} 的年份不在 {FIRST_YEAR} 至 {LAST_YEAR} 之间；请更正")
    return moment


def _quarter(value: str) -> str:
    try:
        return str(Quarter.parse(value))
    except ValueError:
        raise ValueError(f"{value} 不是季度；季度写作 2024Q3（年份 2000 至 2100）") from None


class RepeatedId(ValueError):
    """Two items of one list have the same id."""


def unique(items: tuple[Any, ...]) -> tuple[Any, ...]:
    """The items, if no two have the same id. Raises RepeatedId otherwise."""
    seen: set[str] = set()
    for item in items:
        if item.id in seen:
            raise RepeatedId(f"id {item.id} 重复；同一列表里每项的 id 要不同")
        seen.add(item.id)
    return items


def worded(value: str) -> str:
    """The text, if it has a letter or a digit. Raises ValueError otherwise."""
    if not re.search(r"[^\W_]", value):
        raise ValueError(f"{value!r} 没有写字；这里是给人看的，请写清楚")
    return value


def worded_if_any(value: str) -> str:
    """The text, if it is left out or has a letter or a digit. Raises ValueError otherwise."""
    return worded(value) if value else value


Id = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,63}$")]
Text = Annotated[str, StringConstraints(min_length=1, max_length=500), AfterValidator(worded)]
"""Words for people: more than blanks and marks."""
Expression = Annotated[str, StringConstraints(min_length=1, max_length=2000)]
Day = Annotated[
    date,
    BeforeValidator(_day),
    WithJsonSchema({"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}$"}),
]
CountedDay = Annotated[
    date,
    BeforeValidator(_day),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}$"},
                {
                    "type": "object",
                    "properties": {
                        **{key: {"type": "string"} for key in ("at", "after", "before")},
                        **{key: {"type": "integer"} for key in ("days", "working_days", "months")},
                        "rolls": {"const": True},
                    },
                    "additionalProperties": False,
                },
            ]
        }
    ),
]
"""A day, written or counted out; see `rules.file.counted_days`."""
Moment = Annotated[
    datetime,
    BeforeValidator(_moment),
    WithJsonSchema({"type": "string", "pattern": _MOMENT.pattern}),
]


QuarterName = Annotated[str, AfterValidator(_quarter)]


class Cite(Value):
    """Where a value comes from: a source with clause and quote, an assumption, or both."""

    source: str | None = None
    clause: str = ""
    quote: str = ""
    assume: str = ""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.source is None:
            if not self.assume:
                raise ValueError("出处要写 source、clause 和 quote；没有出处的写 assume 和理由")
            if self.clause or self.quote:
                raise ValueError("写了 clause 或 quote，还要写 source")
        elif not self.clause.strip() or len(self.quote) < 2:
            raise ValueError("写了 source，就要写 clause（条款）和 quote（原文）")
        return self


class ObligationRule(Value):
    """Who must or may file. The first whose ``when`` holds decides; otherwise none."""

    id: Id
    label: Text
    when: Expression
    outcome: Literal["must", "may", "none"]
    cite: Cite


class LevelRule(Value):
    """One level of the review chain; left out when ``when`` fails or ``authority`` yields ""."""

    id: Id
    label: Text
    when: Expression
    authority: Expression
    cite: Cite


Obligations = Annotated[tuple[ObligationRule, ...], Field(min_length=1), AfterValidator(unique)]
