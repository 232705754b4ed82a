"""Days as people write them."""

import re
import unicodedata
from datetime import date
from functools import lru_cache

from domain.faults import Fault, shown
from domain.text import unmarked

_DAY = re.compile(
    r"([0-9]{4})(?:-([0-9]{1,2})-([0-9]{1,2})|/([0-9]{1,2})/([0-9]{1,2})|\.([0-9]{1,2})\.([0-9]{1,2})"
    r"|年([0-9]{1,2})月([0-9]{1,2})日|([0-9]{2})([0-9]{2}))"
    r"(?:[ T]([0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?(?:\s?[AP]M)?)"
    r"\s?([A-Z]{1,4}|[+-][0-9:]{2,5})?)?",
    re.IGNORECASE,
)


@lru_cache(maxsize=4096)
def day_written(text: str) -> tuple[date, bool] | Fault:
    """The day that a text names, and whether a time of day other than midnight stands behind it.

    Read are 2024-07-01, 2024/7/1, 2024.7.1, 20240701 and 2024年7月1日, in full-width digits too. A
    time with its zone is a fault: the day in Beijing may be another one.
    """
    if len(text) > 64:
        return Fault("bad_date", shown(text))
    found = _DAY.fullmatch(unmarked(unicodedata.normalize("NFKC", text)))
    if found is None:
        return Fault("bad_date", shown(text))
    *parts, time, zone = found.groups()
    if zone:
        return Fault("date_with_zone", shown(text))
    year, month, day = (int(part) for part in parts if part)
    try:
        return date(year, month, day), bool(time and time.strip("0:."))
    except ValueError:
        return Fault("bad_date", shown(text))


def day_of(text: str) -> date | None:
    """The day a text names, None if it names none; a time of day behind it is left out."""
    day = day_written(text)
    return None if isinstance(day, Fault) else day[0]


def months_after(start: date, months: int) -> date:
    """The first day after ``months`` whole months that begin with ``start``.

    Where the month has no such day, the first of the next: six years from 29 February 2020 end
    where 1 March 2026 begins.
    """
    year, month = divmod(start.year * 12 + start.month - 1 + months, 12)
    try:
        return date(year, month + 1, start.day)
    except ValueError:
        return date(year, month + 2, 1)  # never December: it has 31 days


def months_before(end: date, months: int) -> date:
    """The latest day from which ``months`` whole months fit in before ``end``."""
    year, month = divmod(end.year * 12 + end.month - 1 - months, 12)
    for day in range(end.day, 0, -1):
        try:
            return date(year, month + 1, day)
        except ValueError:
            continue
    raise AssertionError("every month has a first day")
