"""A played campaign as a picture: what comes day by day, and what waits for whom. SVG, pure."""

from collections.abc import Iterator, Sequence
from datetime import date
from html import escape
from math import ceil
from typing import NamedTuple

from domain.case.status import STATUS_LABELS, Status
from services.campaigns.simulation import Simulation

_WIDTH = 960
_LEFT, _RIGHT = 64, 24
_MOST_NAMED = 5
"""So many authorities have a line of their own, those with the most at once."""

_COLOURS = ("#9a3412", "#6d28d9", "#047857", "#b45309", "#be185d")
_SUBMITTED, _COMPLETED, _LAPSED, _INK, _FAINT = (
    "#2b6cb0",
    "#2f855a",
    "#c53030",
    "#2d3748",
    "#e2e8f0",
)


class _Panel(NamedTuple):
    """A part of the picture: its floor, its height, and what stands at its top."""

    floor: int
    height: int
    most: int

    def y(self, value: float) -> float:
        return self.floor - self.height * value / self.most


def picture(played: Simulation, title: str) -> str:
    """Submissions, completions and lapses by day, and below them the authorities' backlog."""
    days = [one.day for one in played.days]
    most = max((max(one.submitted, one.completed, one.lapsed) for one in played.days), default=0)
    piled = max((one.backlog for one in played.days), default=0)
    named = sorted(played.authorities.values(), key=lambda one: -one.most)[:_MOST_NAMED]
    upper = _Panel(floor=280, height=190, most=_round(most))
    lower = _Panel(floor=540, height=170, most=_round(piled))
    told = (
        f"填报 {played.filings} 件；"
        + "，".join(f"{STATUS_LABELS[Status(k)]} {n}" for k, n in played.statuses.items())
        + f"；最后一日提交 {played.last_day} 件"
    )
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} 600" '
        f'font-family="sans-serif" font-size="13" fill="{_INK}">',
        f'<rect width="{_WIDTH}" height="600" fill="#fff"/>',
        f'<text x="{_LEFT}" y="28" font-size="18">{escape(title)}</text>',
        f'<text x="{_LEFT}" y="50">{escape(told)}</text>',
        *_legend(74, [("每日提交", _SUBMITTED), ("每日办结", _COMPLETED), ("每日逾期", _LAPSED)]),
        *_scale(upper, days),
        *_bars(upper, days, [one.submitted for one in played.days], _SUBMITTED, 0),
        *_bars(upper, days, [one.completed for one in played.days], _COMPLETED, 1),
        *_bars(upper, days, [one.lapsed for one in played.days], _LAPSED, 2),
        *_peak(upper, days, played),
        *_legend(
            334,
            [("待办合计", _INK)] + [(one.name, _COLOURS[n]) for n, one in enumerate(named)],
        ),
        *_scale(lower, days),
        _line(lower, days, [one.backlog for one in played.days], _INK, 2),
        *(_line(lower, days, one.by_day, _COLOURS[n], 1.5) for n, one in enumerate(named)),
        "</svg>\n",
    ]
    return "\n".join(parts)


def _round(most: int) -> int:
    """Four times the least number of one digit and noughts that makes it at least ``most``."""
    quarter = max(1, ceil(most / 4))
    step: int = 10 ** (len(str(quarter)) - 1)
    return 4 * ceil(quarter / step) * step


def _x(number: float, days: Sequence[date]) -> float:
    return _LEFT + (_WIDTH - _LEFT - _RIGHT) * number / max(len(days), 1)


def _scale(panel: _Panel, days: Sequence[date]) -> Iterator[str]:
    """Lines at quarters with their numbers, and the days: each Monday a tick, each month named."""
    for quarter in range(5):
        value = panel.most * quarter / 4
        y = panel.y(value)
        yield (
            f'<line x1="{_LEFT}" y1="{y:.1f}" x2="{_WIDTH - _RIGHT}" y2="{y:.1f}" '
            f'stroke="{_INK if quarter == 0 else _FAINT}"/>'
        )
        yield f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{value:g}</text>'
    for number, day in enumerate(days):
        x = _x(number, days)
        if day.weekday() == 0:
            yield (
                f'<line x1="{x:.1f}" y1="{panel.floor}" x2="{x:.1f}" y2="{panel.floor + 4}" '
                f'stroke="{_INK}"/>'
            )
        if number in (0, len(days) - 1) or (day.day in (1, 15) and 3 < number < len(days) - 4):
            anchor = "end" if number == len(days) - 1 else "start"
            yield (
                f'<text x="{x:.1f}" y="{panel.floor + 18}" text-anchor="{anchor}">'
                f"{day.month}月{day.day}日</text>"
            )


def _bars(
    panel: _Panel, days: Sequence[date], values: Sequence[int], colour: str, place: int
) -> Iterator[str]:
    wide = (_x(1, days) - _x(0, days)) * 0.28
    for number, value in enumerate(values):
        if value:
            x, y = _x(number, days) + place * wide, panel.y(value)
            yield (
                f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(wide, 0.6):.1f}" '
                f'height="{panel.floor - y:.1f}" fill="{colour}">'
                f"<title>{days[number]} {value}</title></rect>"
            )


def _peak(panel: _Panel, days: Sequence[date], played: Simulation) -> Iterator[str]:
    """The day with the most submissions, named beside its bar."""
    if played.peak is not None and played.peak.submitted:
        number = days.index(played.peak.day)
        left = number > len(days) / 2
        x, anchor = _x(number, days) + (-4 if left else 16), "end" if left else "start"
        text = f"{played.peak.day.month}月{played.peak.day.day}日提交 {played.peak.submitted} 件"
        yield (
            f'<text x="{x:.1f}" y="{panel.y(played.peak.submitted) - 4:.1f}" '
            f'text-anchor="{anchor}" fill="{_SUBMITTED}">{text}</text>'
        )


def _line(
    panel: _Panel, days: Sequence[date], values: Sequence[int], colour: str, wide: float
) -> str:
    points = " ".join(
        f"{_x(number + 0.5, days):.1f},{panel.y(value):.1f}" for number, value in enumerate(values)
    )
    return f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="{wide}"/>'


def _legend(y: int, entries: Sequence[tuple[str, str]]) -> Iterator[str]:
    x = float(_LEFT)
    for words, colour in entries:
        if x + 15 + 13.2 * len(words) > _WIDTH - _RIGHT:
            x, y = float(_LEFT), y + 18
        yield f'<rect x="{x:.0f}" y="{y - 10}" width="10" height="10" fill="{colour}"/>'
        yield f'<text x="{x + 15:.0f}" y="{y}">{escape(words)}</text>'
        x += 34 + 13.2 * len(words)
