"""What is wrong with a rule file: one finding, one place, one sentence that helps."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple


class Place(NamedTuple):
    """A file (relative to the rules folder) and a line, counted from 1."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not in order.

    ``code`` is stable, ``path`` names the value (``filing.windows.fill.to``), ``message`` is a
    Chinese sentence saying what is wrong and what to write instead.
    """

    code: str
    file: str
    line: int
    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: [{self.code}] {self.message}"


class RulesInvalid(ValueError):
    """Rule files that are not in order; ``findings`` says what and where, at least one."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings: list[Finding] = in_order(findings)
        super().__init__("\n".join(str(finding) for finding in self.findings))


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """The findings without repetitions, by file, line and code."""
    return sorted(set(findings), key=lambda f: (f.file, f.line, f.code, f.path, f.message))


def dotted(path: Iterable[str | int]) -> str:
    """A path as people write it: ``filing.reviewers[2].when``."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            text += f".{step}" if text else step
    return text
