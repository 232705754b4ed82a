"""Days and instants: the one place that knows where the country's clocks stand."""

from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import Any

BEIJING = timezone(timedelta(hours=8))
"""Asia/Shanghai has kept +08:00 all year since 1992; a fixed offset needs no zone database."""


def first_instant(day: date) -> datetime:
    """00:00 of a day in Beijing."""
    return datetime.combine(day, time.min, BEIJING)


def first_instant_after(day: date) -> datetime:
    """00:00 of the following day in Beijing: the first instant that is no longer in ``day``."""
    return first_instant(day + timedelta(days=1))


def in_beijing(value: Any) -> Any:
    """The same dumped value with every instant in it, however deep, on Beijing's clocks."""
    if isinstance(value, datetime):
        return value.astimezone(BEIJING)
    if isinstance(value, dict):
        return {key: in_beijing(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [in_beijing(part) for part in value]
    return value


def in_utc(instant: datetime) -> str:
    """An instant as hashes are made of it: ISO 8601 in UTC, with ``+00:00``."""
    return instant.astimezone(UTC).isoformat()


def day_of(instant: datetime) -> date:
    """The day in Beijing that an instant lies in."""
    return instant.astimezone(BEIJING).date()
