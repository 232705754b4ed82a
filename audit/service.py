"""What an auditor asks over HTTP: the same as on the command line, and on record all the same."""

import tempfile
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client

from audit import as_of
from audit.as_of import Figures, Moment
from audit.export import NothingToExport, export
from audit.findings import Verified
from audit.recompute import NoSuchCase, Recomputed, Recomputing
from audit.replay import NoHistory, Replayed, replay
from audit.timeline import Told, whole_record
from audit.verify import Keys, verify
from domain.case.commands import Actor
from domain.refusals import Code, Refusal, Refused
from rules.compiled import CompiledRules
from rules.file.library import current_library
from services.clock import Clock
from services.reads import Reads
from services.reconciler import Behind, Reconciler
from services.rule_sets import PinnedRules
from settings import Settings


class AuditService:
    """Everything an auditor can ask. Each answer is a step in the reader's own chain."""

    def __init__(
        self, client: Client, engine: AsyncEngine, settings: Settings, clock: Clock
    ) -> None:
        self._client = client
        self._engine = engine
        self._settings = settings
        self._clock = clock
        self._reads = Reads(engine, clock)

    async def note(self, actor: Actor, what: str, request_id: str) -> None:
        """Puts an auditor's reading on record."""
        await self._reads.note(actor, "audited", what, request_id)

    async def verify(self, case_id: str) -> Verified:
        """Looks at every row, or at those of one case."""
        settings = self._settings
        keys = Keys(
            settings.certificate_keys,
            settings.audit_keys,
            settings.checkpoints,
            settings.receipt_keys,
        )
        return await verify(self._engine, self._client, keys, self._clock, case_id)

    async def replay(self, case_id: str) -> Replayed:
        """Replays a case. Raises Refused: no history."""
        try:
            return await replay(self._engine, self._client, case_id)
        except NoHistory:
            raise _not_found(f"{case_id} 的流程历史") from None

    async def recompute(self, case_id: str, rules: str = "") -> Recomputed:
        """Decides anew; with ``rules`` (``2024/national``) by those. Raises Refused."""
        other = None
        if rules:
            try:
                resolved = current_library(self._settings.rules).resolve_name(rules)
                other = CompiledRules(resolved.document)
            except (LookupError, ValueError, OSError):
                raise _not_found(f"规则集 {rules}") from None
        try:
            return await Recomputing(self._engine, other).case(case_id)
        except NoSuchCase:
            raise _not_found(case_id) from None

    async def as_of(self, case_id: str, at: datetime) -> Moment:
        """A case at a moment. Raises Refused: not on record yet."""
        found = await as_of.as_of(self._engine, case_id, at)
        if found is None:
            raise _not_found(f"{case_id} 在这一时刻的记录")
        return found

    async def figures_as_of(self, campaign: str, at: datetime) -> Figures:
        """A campaign's figures at a moment."""
        return await as_of.figures_as_of(self._engine, campaign, at)

    async def export(self, what: str) -> bytes:
        """The bundle of a case or a campaign, without contents. Raises Refused."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "bundle.zip"
            try:
                await export(self._engine, self._settings.audit_keys, self._clock, what, file)
            except NothingToExport:
                raise _not_found(what) from None
            return file.read_bytes()

    async def record(
        self,
        person: str,
        action: str,
        rule: str,
        since: datetime | None,
        until: datetime | None,
        size: int,
    ) -> Sequence[Told]:
        """The first steps of the whole record that a filter leaves, by time."""
        found: list[Told] = []
        async for one in whole_record(self._engine, person, action, rule, since, until, size):
            found.append(one)
        return found

    async def behind(self) -> list[Behind]:
        """Cases whose process is behind the record; nothing is done about them."""
        comparing = Reconciler(self._client, self._engine, PinnedRules(self._engine), self._clock)
        return [one async for one in comparing.sweep(closely=True)]


def _not_found(what: str) -> Refused:
    return Refused(Refusal(code=Code.NOT_FOUND, params={"what": what}))
