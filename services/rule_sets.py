"""Pinned rule sets, compiled once per process and kept: a hash's content never changes."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from sqlalchemy.ext.asyncio import AsyncEngine

from rules.certificates.certificates import CertificateRules
from rules.compiled import CompiledRules
from store import rule_sets

Rules = TypeVar("Rules")


class RuleSetMissing(Exception):
    """No rule set is stored under this hash: the record is damaged, trying again won't help."""


class _Pinned(Generic[Rules]):
    """Gives the rules behind a hash, made of the stored document once."""

    def __init__(self, engine: AsyncEngine, make: Callable[[dict[str, Any]], Rules]) -> None:
        self._engine = engine
        self._make = make
        self._made: dict[str, Rules] = {}

    async def get(self, sha256: str) -> Rules:
        """The rules stored under ``sha256``. Raises RuleSetMissing."""
        known = self._made.get(sha256)
        if known is None:
            document = await self.document(sha256)
            if document is None:
                raise RuleSetMissing(sha256)
            known = self._made[sha256] = self._make(document)
        return known

    async def document(self, sha256: str) -> dict[str, Any] | None:
        """The document stored under ``sha256``, None if there is none."""
        async with self._engine.connect() as connection:
            return await rule_sets.by_sha256(connection, sha256)


class PinnedRules(_Pinned[CompiledRules]):
    """The compiled rules of a year and a jurisdiction."""

    def __init__(self, engine: AsyncEngine) -> None:
        super().__init__(engine, CompiledRules)


class PinnedCertificateRules(_Pinned[CertificateRules]):
    """The rules of certificates."""

    def __init__(self, engine: AsyncEngine) -> None:
        super().__init__(engine, CertificateRules)
