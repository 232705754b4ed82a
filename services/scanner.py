"""Looking through files for malware, by a program that is plugged in.

The program reads the file on standard input and ends with 0 for a clean one and 1 for an infected
one, as ``clamdscan -`` does; anything else is no answer, and no answer keeps no file.
"""

import asyncio
import shlex
from contextlib import suppress

import structlog

from domain.refusals import Code, Refusal, Refused

log = structlog.get_logger()

PATIENCE = 60.0
"""Seconds that a program has for one file."""

CLEAN, NOT_SCANNED = "clean", "not_scanned"


class Scanner:
    """Asks the program; ``command`` is as in a shell, empty for none."""

    def __init__(self, command: str, patience: float = PATIENCE) -> None:
        self._command = shlex.split(command)
        self._patience = patience

    async def look(self, content: bytes) -> str:
        """What was found: `CLEAN` or `NOT_SCANNED`. Raises Refused: infected, or no answer."""
        if not self._command:
            return NOT_SCANNED
        code = await self._ask(content)
        if code == 0:
            return CLEAN
        if code == 1:
            raise Refused(Refusal(code=Code.ATTACHMENT_INFECTED))
        log.error("scanner_gave_no_answer", code=code)
        raise Refused(Refusal(code=Code.UNAVAILABLE, params={"part": "查毒程序"}))

    async def _ask(self, content: bytes) -> int | None:
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
            )
        except OSError:
            return None
        try:
            await asyncio.wait_for(process.communicate(content), self._patience)
        except TimeoutError:
            return None
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        return process.returncode
