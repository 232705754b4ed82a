"""What a refusal says: the words of its code, filled in with what happened."""

from datetime import datetime

from domain.clock import BEIJING
from domain.refusals import Refusal, Words


def local_time(instant: datetime) -> str:
    """An instant as people in China read it: ``2025-03-22 00:00:00``."""
    return instant.astimezone(BEIJING).strftime("%Y-%m-%d %H:%M:%S")


def explain(refusal: Refusal) -> Words:
    """The words for a refusal, its parameters filled in and its rule named."""
    words = refusal.code.words
    params = dict(refusal.params)
    if refusal.at is not None:
        params["at"] = local_time(refusal.at)
    detail = words.detail.format_map(_Blank(params))
    if refusal.cite is not None:
        detail += f"依据：{refusal.cite}。"
    return Words(words.title, detail, words.remedy.format_map(_Blank(params)))


class _Blank(dict[str, str]):
    """A missing parameter shows as a dash: a refusal must reach its reader in any case."""

    def __missing__(self, key: str) -> str:
        return "—"
