"""Quarters of a calendar year: how batches of report numbers are named and dated."""

import re
from datetime import date, timedelta
from typing import NamedTuple, Self

_QUARTER = re.compile(r"([0-9]{4})Q([1-4])")


class Quarter(NamedTuple):
    """A quarter, written ``2024Q3``. Later quarters compare greater."""

    year: int
    number: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """The quarter a text names. Raises ValueError for anything but ``2024Q3``."""
        found = _QUARTER.fullmatch(text)
        if found is None or not 2000 <= int(found[1]) <= 2100:
            raise ValueError(f"not a quarter: {text!r}")
        return cls(int(found[1]), int(found[2]))

    @classmethod
    def of(cls, day: date) -> Self:
        """The quarter a day lies in."""
        return cls(day.year, (day.month + 2) // 3)

    def __str__(self) -> str:
        return f"{self.year}Q{self.number}"

    @property
    def first_day(self) -> date:
        """Its first day."""
        return date(self.year, 3 * self.number - 2, 1)

    @property
    def last_day(self) -> date:
        """Its last day, still inside."""
        return self.after(0) - timedelta(days=1)

    def after(self, months: int) -> date:
        """The first day of the month that begins ``months`` months after the quarter's end."""
        count = 12 * self.year + 3 * self.number + months
        return date(count // 12, count % 12 + 1, 1)


class Period(NamedTuple):
    """What a campaign is about: a statistics year, ``2024``, or a quarter's numbers, ``2024Q3``."""

    year: int
    quarter: int = 0

    @classmethod
    def parse(cls, text: str) -> Self:
        """The period a text names. Raises ValueError for anything else."""
        if "Q" in text:
            return cls(*Quarter.parse(text))
        Quarter.parse(f"{text}Q1")
        return cls(int(text))

    def __str__(self) -> str:
        return f"{self.year}Q{self.quarter}" if self.quarter else str(self.year)
