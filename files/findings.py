"""What is wrong in a file, by row and column, in the order of the file."""

from dataclasses import dataclass, field
from typing import Literal

from domain.faults import Fault, words
from domain.model import Value

MAX_LISTED = 20_000
"""At most so many problems of each level are listed; more are counted in one last line."""

Level = Literal["error", "notice"]


class RowProblem(Value):
    """What is wrong in one cell, row or file, and how to mend it; both in Chinese.

    ``row`` counts from 1 as Excel shows it, header included; 0 is the file as a whole. ``column``
    is the column's Chinese name, empty for a whole row. A notice does not keep a row out.
    """

    row: int
    column: str
    code: str
    message: str
    mend: str
    level: Level = "error"


class Unusable(Exception):
    """A cell, row or file that cannot be used."""

    def __init__(self, code: str, message: str, mend: str, row: int = 0, detail: str = "") -> None:
        super().__init__(message)
        self.code, self.message, self.mend, self.row = code, message, mend, row
        self.detail = detail

    @property
    def fault(self) -> Fault:
        """The same as a code with a detail."""
        return Fault(self.code, self.detail)

    def problem(self) -> RowProblem:
        """The same as a problem of the file."""
        return RowProblem(
            row=self.row, column="", code=self.code, message=self.message, mend=self.mend
        )


def unusable(code: str, detail: str = "", row: int = 0) -> Unusable:
    """What cannot be used for a reason that all formats share."""
    return Unusable(code, *words(code, detail), row, detail)


@dataclass
class Problems:
    """Collects problems, and remembers which rows are bad even when no more are listed."""

    problems: list[RowProblem] = field(default_factory=list)
    bad_rows: set[int] = field(default_factory=set)
    counts: dict[Level, int] = field(default_factory=lambda: {"error": 0, "notice": 0})
    told: set[str] = field(default_factory=set)
    most: int = MAX_LISTED

    def error(self, row: int, column: str, code: str, message: str, mend: str) -> None:
        """Something that keeps its row out."""
        self.bad_rows.add(row)
        self._add(row, column, code, message, mend, "error")

    def notice(self, row: int, column: str, code: str, message: str, mend: str) -> None:
        """Something to be looked at."""
        self._add(row, column, code, message, mend, "notice")

    def notice_once(self, row: int, column: str, code: str, message: str, mend: str) -> None:
        """Something that is told at its first place only."""
        if (key := f"{column}/{code}") not in self.told:
            self.told.add(key)
            self.notice(row, column, code, f"{message}（同类情形只提示一次）", mend)

    def _add(self, row: int, column: str, code: str, message: str, mend: str, level: Level) -> None:
        self.counts[level] += 1
        if self.counts[level] <= self.most:
            self.problems.append(
                RowProblem(
                    row=row, column=column, code=code, message=message, mend=mend, level=level
                )
            )

    def listed(self) -> tuple[RowProblem, ...]:
        """The problems by row, with what was left off counted first."""
        left_off = [
            RowProblem(
                row=0,
                column="",
                code="too_many_problems",
                message=f"另有 {count - self.most} 个问题未逐条列出",
                mend="请先改正已列出的问题，再次上传",
                level=level,
            )
            for level, count in self.counts.items()
            if count > self.most
        ]
        return (*left_off, *sorted(self.problems, key=lambda problem: problem.row))
