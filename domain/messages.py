"""What a refusal says: the words of its code, filled in with what happened."""

from datetime import datetime, time, timedelta

from domain.clock import BEIJING
from domain.refusals import Code, Refusal, Words

_CLOSINGS = (
    Code.FILL_CLOSED,
    Code.CORRECT_CLOSED,
    Code.REVIEW_CLOSED,
    Code.EXTENSION_NOT_LATER,
    Code.EXTENSION_RELIED_ON,
    Code.EXTENSION_NOT_EARLIER,
    Code.WINDOW_PASSED,
    Code.STATEMENT_CLOSED,
    Code.STATEMENT_RUNNING,
    Code.DECISION_OVERDUE,
    Code.SERVICE_OVERDUE,
)
"""Refusals whose ``at`` is the end of something."""


def local_time(instant: datetime) -> str:
    """An instant as people in China read it: ``2025-03-22 00:00:00（北京时间）``."""
    return instant.astimezone(BEIJING).strftime("%Y-%m-%d %H:%M:%S（北京时间）")


def closing_time(closes: datetime) -> str:
    """The end of a window, ``closes`` the first instant after it, by its last day.

    00:00 of 2025-03-22 is ``2025-03-21 24:00（北京时间）``: nobody is to read a day too many.
    """
    here = closes.astimezone(BEIJING)
    if here.time() != time.min:
        return local_time(closes)
    return f"{here.date() - timedelta(days=1)} 24:00（北京时间）"


def explain(refusal: Refusal, words: Words | None = None) -> Words:
    """The words for a refusal, its parameters filled in and its rule named.

    ``words`` are those of its code in another language than Chinese.
    """
    words = words or refusal.code.words
    params = dict(refusal.params)
    if refusal.at is not None:
        told = closing_time if refusal.code in _CLOSINGS else local_time
        params["at"] = told(refusal.at)
    detail = words.detail.format_map(_Blank(params))
    if refusal.cite is not None:
        detail += f"依据：{refusal.cite}。"
    return Words(words.title, detail, words.remedy.format_map(_Blank(params)))


class _Blank(dict[str, str]):
    """A missing parameter shows as a dash: a refusal must reach its reader in any case."""

    def __missing__(self, key: str) -> str:
        return "—"
