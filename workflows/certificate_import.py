"""One file of certificates that an issuing office imports: worked through to its last row.

Legal basis: 市监检测函〔2019〕1364号, 三（一）, batch import. The file has been read and
checked before, and its certificates wait in the database, each with its outcome; a heartbeating
activity has them issued or applied for and goes on where it stopped, however often it has to.
"""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from domain.certificates.imports import IMPORT_WORKFLOW, WORK_THROUGH_IMPORT, ImportStart

_WHOLE_FILE = timedelta(hours=24)
_HEARTBEAT = timedelta(seconds=20)
_RETRY = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=30))


@workflow.defn(name=IMPORT_WORKFLOW)
class CertificateImport:
    """See the module's text."""

    @workflow.init
    def __init__(self, start: ImportStart) -> None:
        self._start = start

    @workflow.run
    async def run(self, start: ImportStart) -> None:
        await workflow.execute_activity(
            WORK_THROUGH_IMPORT,
            self._start,
            start_to_close_timeout=_WHOLE_FILE,
            heartbeat_timeout=_HEARTBEAT,
            retry_policy=_RETRY,
        )
