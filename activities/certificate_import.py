"""Works through the certificates of an import; each one's outcome is in the database."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime

import psycopg
import structlog
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio import activity
from temporalio.exceptions import ApplicationError

from domain.case.commands import Actor, Role
from domain.certificates.imports import (
    WORK_THROUGH_IMPORT,
    ImportedCertificate,
    ImportStart,
    RowOutcome,
)
from domain.messages import explain
from domain.refusals import Code, Refusal, Refused
from services.certificates.imports import CarriedOut
from store import journal
from store.certificates import imports
from store.certificates.imports import Import, Waiting

log = structlog.get_logger()

_PAGE = 200
_AT_ONCE = 10
"""Certificates under way at once; more only adds latency (see docs/performance.md)."""
_BEAT = 3.0
_LATER = frozenset({Code.UNAVAILABLE, Code.BUSY})


CarryOut = Callable[[ImportedCertificate, Actor], Awaitable[CarriedOut]]


class CertificateImportActivities:
    """The activity of imports, with what it needs to act."""

    def __init__(
        self, engine: AsyncEngine, carry_out: CarryOut, clock: Callable[[], datetime]
    ) -> None:
        self._engine = engine
        self._carry_out = carry_out
        self._clock = clock

    @activity.defn(name=WORK_THROUGH_IMPORT)
    async def work_through_import(self, start: ImportStart) -> None:
        """Has all that waits issued or applied for; goes on wherever it stopped before."""
        async with self._engine.connect() as connection:
            found = await imports.by_id(connection, start.import_id)
        if found is None:
            raise ApplicationError("no such import", non_retryable=True)
        beating = asyncio.create_task(_beat())
        try:
            while True:
                async with self._engine.connect() as connection:
                    waiting = await imports.waiting(connection, found.id, _PAGE)
                if not waiting:
                    break
                # a number brought along is taken before any of its kind is allotted
                await self._work(found, [w for w in waiting if w.place == waiting[0].place])
        finally:
            beating.cancel()
        await self._finish(found)

    # --- private steps -----------------------------------------------------------------------

    async def _work(self, found: Import, page: list[Waiting]) -> None:
        """One page; raises when the engine or the database does not answer: it is tried again."""
        gate = asyncio.Semaphore(_AT_ONCE)
        actor = Actor(subject=found.requested_by, role=Role.CLERK, scope=found.authority)

        async def one(waiting: Waiting) -> bool:
            async with gate:
                return await self._settle(found.id, waiting, actor)

        if not all(await asyncio.gather(*(one(waiting) for waiting in page))):
            raise ApplicationError("the engine or the database does not answer")

    async def _settle(self, import_id: str, waiting: Waiting, actor: Actor) -> bool:
        """Has one certificate done and writes down how; False when it has to be tried again."""
        try:
            done = await self._carry_out(ImportedCertificate.model_validate(waiting.given), actor)
        except Refused as refused:
            if refused.refusal.code in _LATER:
                return False
            return await self._failed(import_id, waiting.row, refused.refusal)
        except (OperationalError, InterfaceError, psycopg.OperationalError, OSError):
            return False
        except Exception:
            # one certificate that nobody foresaw must not hold up all others
            log.exception("certificate_not_imported", import_id=import_id, row=waiting.row)
            return await self._failed(import_id, waiting.row, Refusal(code=Code.INTERNAL))
        async with self._engine.begin() as connection:
            await imports.settle(
                connection,
                import_id,
                waiting.row,
                done.outcome,
                number=done.number,
                code=done.code,
                case_id=done.case_id,
            )
        return True

    async def _failed(self, import_id: str, row: int, refusal: Refusal) -> bool:
        words = explain(refusal)
        async with self._engine.begin() as connection:
            await imports.settle(
                connection,
                import_id,
                row,
                RowOutcome.FAILED,
                problem=refusal.code.value,
                message=f"{words.detail}{words.remedy}",
            )
        return True

    async def _finish(self, found: Import) -> None:
        async with self._engine.begin() as connection:
            if not await imports.finish(connection, found.id, self._clock()):
                return
            done = await imports.by_id(connection, found.id)
            assert done is not None
            await journal.append_operator_step(
                connection,
                f"certificate-import/{found.id}",
                "certificates_imported",
                Actor(subject=found.requested_by, role=Role.CLERK, scope=found.authority),
                self._clock(),
                {"total": done.total, **{key.value: n for key, n in sorted(done.counts.items())}},
                f"{activity.info().workflow_run_id}",
            )


async def _beat() -> None:
    while True:
        activity.heartbeat()
        await asyncio.sleep(_BEAT)
