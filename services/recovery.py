"""Takes up files that were kept for a workflow which was never told of them.

The API keeps a file and tells its workflow next; dying in between, it leaves a file that waits for
nobody. The file's own record says so: an import is still to be worked through, or no step and no
refusal of a batch answers its upload. Telling a workflow twice is telling it once.
"""

from contextlib import AbstractAsyncContextManager
from datetime import timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.refusals import Code, Refused
from engine.client import ANSWER_WITHIN
from services.certificates.imports import CertificateImportService
from services.clock import Clock
from services.numbers.batches import BatchService
from services.repeated import repeated
from store import cases
from store.certificates import imports as certificate_imports
from store.numbers import uploads
from store.numbers.uploads import Upload

log = structlog.get_logger()

EVERY = 15.0
"""Seconds between two looks."""

LEFT_AFTER = ANSWER_WITHIN + timedelta(seconds=5)
"""An upload completed as long ago as this is no longer on its way: who sent it has an answer."""

_LATER = frozenset({Code.UNAVAILABLE, Code.BUSY})


class Recovery:
    """Looks for such files; any number of processes may do so at the same time."""

    def __init__(
        self,
        engine: AsyncEngine,
        imports: CertificateImportService,
        batches: BatchService,
        clock: Clock,
    ) -> None:
        self._engine = engine
        self._imports = imports
        self._batches = batches
        self._clock = clock

    def running(self) -> AbstractAsyncContextManager[None]:
        """Looks at the start and from time to time."""
        return repeated(self.recover, first=0, every=EVERY, failed="files_not_taken_up")

    async def recover(self) -> None:
        """Hands over all that was left; while the engine does not answer, the rest waits."""
        async with self._engine.connect() as connection:
            working = await certificate_imports.working(connection)
            left = await uploads.never_handed_over(connection, self._clock() - LEFT_AFTER)
        try:
            for import_id in working:
                await self._imports.begin_work(import_id)
            for upload in left:
                await self._hand_over(upload)
        except Refused as refused:
            log.warning("files_wait_to_be_taken_up", code=refused.refusal.code.value)

    # --- private steps -----------------------------------------------------------------------

    async def _hand_over(self, upload: Upload) -> None:
        """Tells a batch of an upload. Raises Refused when that has to wait."""
        async with self._engine.connect() as connection:
            case = await cases.by_id(connection, upload.case_id)
        assert case is not None
        try:
            await self._batches.hand_over(case, upload)
        except Refused as refused:
            if refused.refusal.code in _LATER:
                raise
            # on the batch's record, and the file can be completed again
            log.info("upload_refused", upload=upload.id, code=refused.refusal.code.value)
        except Exception:
            # one file that nobody foresaw must not keep the others waiting
            log.exception("upload_not_taken_up", upload=upload.id)
        else:
            log.info("upload_taken_up", upload=upload.id, case_id=upload.case_id)
