"""Printing by processes of their own, few at a time, the others in a queue."""

import asyncio
import hashlib
import sys
from collections import Counter
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import structlog

from domain.jurisdictions import known
from domain.refusals import Code, Refusal, Refused
from printing.characters import missing_characters
from printing.job import Job, Outcome, Place

log = structlog.get_logger()

TEMPLATES = Path(__file__).resolve().parents[2] / "printing" / "templates"
"""The national templates, which a deployment may replace by a folder of its own."""

_ROOT = TEMPLATES.parent.parent
_AT_ONCE = 2
_EACH = 4
"""So many are under way for one person: whoever asks for many keeps nobody else out of the line."""
_MADE_BY = "|".join(f"{name} {version(name)}" for name in ("typst", "pylopdf-fonts-zh-cn"))
_CODES = {
    "characters_missing": Code.CHARACTERS_MISSING,
    "template_broken": Code.TEMPLATE_BROKEN,
}


def unprintable_with(templates: Path | None = None) -> Callable[[str], list[str]]:
    """Tells the characters of a text that cannot be printed with the fonts of the templates."""

    def unprintable(text: str) -> list[str]:
        try:
            return missing_characters(text, template_folder=templates or TEMPLATES)
        except ValueError:
            return []  # a file among the fonts is none: whoever prints is told

    return unprintable


class Printer:
    """Prints jobs, two at once, while up to ``waiting`` others wait in line.

    ``patience`` is how many seconds one may take, ``python`` what runs the printing process.
    """

    def __init__(
        self,
        templates: Path | None = None,
        *,
        waiting: int = 16,
        patience: float = 240,
        python: str = sys.executable,
    ) -> None:
        self.templates = templates or TEMPLATES
        self._waiting = waiting
        self._patience = patience
        self._python = python
        self._free = asyncio.Semaphore(_AT_ONCE)
        self._under_way: Counter[str] = Counter()

    async def print(self, job: Job, whose: str) -> tuple[Outcome, bytes]:
        """What was printed for somebody, and what of a batch was left out.

        Raises Refused: busy, characters missing, template broken, unavailable.
        """
        full = self._under_way.total() >= _AT_ONCE + self._waiting
        if full or self._under_way[whose] >= _EACH:
            raise Refused(Refusal(code=Code.BUSY))
        self._under_way[whose] += 1
        try:
            async with self._free:
                outcome, printed = await self._carry_out(job)
        finally:
            self._under_way -= Counter({whose: 1})
        if outcome.code:
            if outcome.code == "too_large":
                raise Refused(Refusal(code=Code.TOO_LARGE, params={"limit": outcome.text}))
            log.error("not_printed", code=outcome.code, diagnostic=outcome.diagnostic)
            code = _CODES.get(outcome.code, Code.INTERNAL)
            raise Refused(Refusal(code=code, params={"said": outcome.text}))
        return outcome, printed

    def tag(self, job: Job) -> str:
        """What changes whenever the printed bytes would: of the job, templates and fonts."""
        made = hashlib.sha256(f"{_MADE_BY}\n{job.model_dump_json()}\n".encode())
        for file in sorted(self.templates.rglob("*")):
            if file.is_file():
                known = str(file.stat().st_size).encode()
                text = file.read_bytes() if file.suffix == ".typ" else known
                made.update(f"{file.relative_to(self.templates)}\n".encode() + text)
        return made.hexdigest()[:32]

    async def _carry_out(self, job: Job) -> tuple[Outcome, bytes]:
        """Has a job done by a process that knows none of this one's secrets."""
        process = await asyncio.create_subprocess_exec(
            self._python,
            "-m",
            "printing",
            cwd=_ROOT,
            env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(self._patience):
                answer, said = await process.communicate(_asked(job))
        except TimeoutError:
            log.error("printing_took_too_long", kind=job.kind)
            raise Refused(Refusal(code=Code.UNAVAILABLE, params={"part": "打印程序"})) from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        first, _, printed = answer.partition(b"\n")
        if process.returncode != 0:
            words = said.decode(errors="replace")[-2000:]
            log.error("printing_failed", exit_code=process.returncode, said=words)
            raise Refused(Refusal(code=Code.UNAVAILABLE, params={"part": "打印程序"}))
        return Outcome.model_validate_json(first), printed


def _asked(job: Job) -> bytes:
    areas = known()
    place = Place(tree=areas.tree, national=areas.national, authorities=areas.authorities)
    return f"{place.model_dump_json()}\n{job.model_dump_json()}".encode()
