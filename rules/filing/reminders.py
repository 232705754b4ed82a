"""Reminders of a filing: their days from the windows, their words, and what contradicts what. Pure.

A reminder is at 00:00 Beijing time of the day ``days`` after its anchor's: the first day of a
window for ``opening``, the last for ``closing`` and for an extension's end; 0 is that day itself.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from string import Formatter

from domain.case.plan import FOREVER, WINDOWS, Reminder
from domain.case.reminders import EXTENSION_END
from domain.citation import Citation
from domain.clock import first_instant
from rules.file.schema import FilingReminder, Windows

PLACEHOLDERS: dict[str, str] = {
    "institution": "机构名称",
    "year": "统计年度",
    "due": "截止时间，如 2025-03-21 24:00（北京时间）",
    "authority": "审核部门名称，尚未分派的为空",
}
"""What a reminder's text may name in braces."""


def reminder(rule: FilingReminder, windows: Windows, cite: Citation) -> Reminder:
    """A reminder with its instant."""
    day = _anchor_day(rule.anchor, windows)
    return Reminder(
        id=rule.id,
        label=rule.label,
        at=FOREVER if day is None else first_instant(day + timedelta(days=rule.days)),
        cite=cite,
        audience=rule.audience,
        anchor=rule.anchor,
        days=rule.days,
    )


def written(rule: FilingReminder, **words: str) -> str:
    """A reminder's text with its placeholders filled in."""
    return rule.text.format_map(words)


def _anchor_day(anchor: str, windows: Windows) -> date | None:
    """The day that a reminder is counted from; None for an extension's end, which has none yet."""
    if anchor == EXTENSION_END:
        return None
    name, _, edge = anchor.partition(".")
    span = getattr(windows, name)
    last: date = span.last
    first: date = span.first
    return first if edge == "opening" else last


def contradictions(
    reminders: Sequence[FilingReminder], windows: Windows
) -> list[tuple[str, str, str]]:
    """What is wrong with the reminders: code, path below ``filing``, Chinese sentence."""
    found = []
    for index, rule in enumerate(reminders):
        place = f"reminders[{index}]"
        name, _, edge = rule.anchor.partition(".")
        if wrong := _wrong_text(rule.text):
            found.append(("unknown_placeholder", f"{place}.text", wrong))
        if edge == "opening" and rule.days < 0:
            message = (
                f"days 是 {rule.days}，早于{_label(name)}开放，那时还没有可办的事；请改为 0 或正数"
            )
            found.append(("window_order", f"{place}.days", message))
        if edge != "opening" and rule.days > 0:
            message = f"days 是 {rule.days}，晚于截止，提醒已无从办理；请改为 0 或负数"
            found.append(("window_order", f"{place}.days", message))
        if rule.anchor == EXTENSION_END:
            continue
        span = getattr(windows, name)
        if span is None:
            message = f"规则没有{_label(name)}（windows.{name}），提醒无从算起；请改 anchor 或删去"
            found.append(("unknown_window", f"{place}.anchor", message))
            continue
        anchored = span.first if edge == "opening" else span.last
        day = anchored + timedelta(days=rule.days)
        if not span.first <= day <= span.last:
            message = (
                f"提醒在 {day}，不在{_label(name)}的 {span.first} 至 {span.last} 之内；请改 days"
            )
            found.append(("window_order", f"{place}.days", message))
    return found


def _wrong_text(text: str) -> str:
    """What is wrong with a template, "" for nothing."""
    known = "、".join(f"{{{name}}}（{words}）" for name, words in PLACEHOLDERS.items())
    try:
        named = [(name, spec, how) for _, name, spec, how in Formatter().parse(text)]
    except ValueError:
        return f"花括号不成对；可以写：{known}，要写花括号本身的写两遍"
    for name, spec, how in named:
        if name is not None and (name not in PLACEHOLDERS or spec or how):
            return f"不认识的占位 {{{name}}}；可以写：{known}"
    return ""


def _label(window: str) -> str:
    return f"{WINDOWS[window].label}期限" if window in WINDOWS else window
