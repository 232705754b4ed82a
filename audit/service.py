"""What an auditor asks over HTTP: the same as on the command line, and on record all the same."""

import hashlib
import tempfile
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client

from audit import as_of
from audit.as_of import Figures, Moment, Moved
from audit.export import NothingToExport, export
from audit.findings import Verified
from audit.recompute import Foreseen, NoSuchCase, Recomputed, Recomputing
from audit.replay import NoHistory, Replayed, replay, run_of
from audit.timeline import Filter, Told, whole_record
from audit.verify import Keys, verify
from domain.model import Value
from domain.refusals import Code, Refusal, Refused
from rules.compiled import CompiledRules
from rules.file.library import current_library
from services.archive import histories_of
from services.clock import Clock
from services.reconciler import Behind, Reconciler
from services.rule_sets import PinnedRules
from settings import Settings
from store import archive, refusals
from store.refusals import Counted as Counted


class Run(Value):
    """One run's history as the engine's JSON, and the SHA-256 of that very text."""

    run_id: str
    sha256: str
    content: str


class History(Value):
    """All runs of a case's process. ``archived``: as they were kept when the case ended."""

    case_id: str
    archived: bool
    runs: tuple[Run, ...]


class AuditService:
    """Everything an auditor can ask. Each answer is a step in the reader's own chain."""

    def __init__(
        self, client: Client, engine: AsyncEngine, settings: Settings, clock: Clock
    ) -> None:
        self._client = client
        self._engine = engine
        self._settings = settings
        self._clock = clock

    async def verify(self, case_id: str) -> Verified:
        """Looks at every row, or at those of one case."""
        keys = Keys.of(self._settings)
        return await verify(self._engine, self._client, keys, self._clock, case_id)

    async def replay(self, case_id: str) -> Replayed:
        """Replays a case. Raises Refused: no history."""
        try:
            return await replay(self._engine, self._client, case_id)
        except NoHistory:
            raise _not_found(f"{case_id} 的流程历史") from None

    async def recompute(self, case_id: str, rules: str = "") -> Recomputed:
        """Decides anew; with ``rules`` (``2024/national``) by those. Raises Refused."""
        other = self._compiled(rules) if rules else None
        try:
            return await Recomputing(self._engine, other).case(case_id)
        except NoSuchCase:
            raise _not_found(case_id) from None

    async def foreseen(self, campaign: str, rules: str) -> Foreseen:
        """What other rules would have made of a campaign. Raises Refused."""
        try:
            return await Recomputing(self._engine, self._compiled(rules)).foreseen(campaign)
        except NoSuchCase:
            raise _not_found(campaign) from None

    def _compiled(self, rules: str) -> CompiledRules:
        try:
            return CompiledRules(current_library(self._settings.rules).resolve_name(rules).document)
        except (LookupError, ValueError, OSError):
            raise _not_found(f"规则集 {rules}") from None

    async def as_of(self, case_id: str, at: datetime) -> Moment:
        """A case at a moment. Raises Refused: not on record yet."""
        found = await as_of.as_of(self._engine, case_id, at)
        if found is None:
            raise _not_found(f"{case_id} 在这一时刻的记录")
        return found

    async def figures_as_of(self, campaign: str, at: datetime) -> Figures:
        """A campaign's figures at a moment."""
        return await as_of.figures_as_of(self._engine, campaign, at)

    async def listed_as_of(
        self, campaign: str, at: datetime, status: str, after: str, size: int
    ) -> Sequence[Moment]:
        """A campaign's cases at a moment, those after an id, by their ids."""
        stood = as_of.listed_as_of(self._engine, campaign, at, status, after, size)
        return [one async for one in stood]

    async def moved(
        self, campaign: str, before: datetime, after: datetime, last: str, size: int
    ) -> Sequence[Moved]:
        """A campaign's cases that did not stand where they had stood, those after an id."""
        moved = as_of.compared(self._engine, campaign, before, after, last, size)
        return [one async for one in moved]

    async def export(self, what: str) -> bytes:
        """The bundle of a case or a campaign, without contents. Raises Refused."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "bundle.zip"
            try:
                await export(self._engine, self._settings.audit_keys, self._clock, what, file)
            except NothingToExport:
                raise _not_found(what) from None
            return file.read_bytes()

    async def timeline(self, wanted: Filter, size: int | None) -> Sequence[Told]:
        """The first steps and refused acts of the whole record that a filter leaves, by time."""
        return [one async for one in whole_record(self._engine, wanted, size)]

    async def refusals(self, by: str, after: refusals.Place | None, size: int) -> list[Counted]:
        """Up to ``size`` counts of refused acts after a place, of one person or of all."""
        async with self._engine.connect() as connection:
            return await refusals.counts(connection, by, after, size)

    async def history(self, case_id: str) -> History:
        """The histories of a case's process, each with its SHA-256. Raises Refused: none."""
        async with self._engine.connect() as connection:
            kept = await archive.of_case(connection, case_id)
        live = [] if kept else await histories_of(self._client, case_id)
        runs = [(one.run_id, one.content) for one in kept]
        runs += [(run_of(one), one.to_json()) for one in live]
        if not runs:
            raise _not_found(f"{case_id} 的流程历史")
        return History(
            case_id=case_id,
            archived=bool(kept),
            runs=tuple(
                Run(
                    run_id=run_id,
                    sha256=hashlib.sha256(content.encode()).hexdigest(),
                    content=content,
                )
                for run_id, content in runs
            ),
        )

    async def behind(self) -> list[Behind]:
        """Cases whose process is behind the record; nothing is done about them."""
        comparing = Reconciler(self._client, self._engine, PinnedRules(self._engine), self._clock)
        return [one async for one in comparing.sweep(closely=True)]


def _not_found(what: str) -> Refused:
    return Refused(Refusal(code=Code.NOT_FOUND, params={"what": what}))
