"""Pinned rule sets, compiled once per process and kept: a hash's content never changes."""

from sqlalchemy.ext.asyncio import AsyncEngine

from rules.certificates import CertificateRules
from rules.compiled import CompiledRules
from store import rule_sets


class RuleSetMissing(Exception):
    """No rule set is stored under this hash: the record is damaged, trying again won't help."""


class PinnedRules:
    """Gives the compiled rules behind a hash."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._compiled: dict[str, CompiledRules] = {}

    async def get(self, sha256: str) -> CompiledRules:
        """The rules stored under ``sha256``. Raises RuleSetMissing."""
        known = self._compiled.get(sha256)
        if known is None:
            async with self._engine.connect() as connection:
                document = await rule_sets.by_sha256(connection, sha256)
            if document is None:
                raise RuleSetMissing(sha256)
            known = self._compiled[sha256] = CompiledRules(document)
        return known


class PinnedCertificateRules:
    """Gives the rules of certificates behind a hash."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._made: dict[str, CertificateRules] = {}

    async def get(self, sha256: str) -> CertificateRules:
        """The rules stored under ``sha256``. Raises RuleSetMissing."""
        known = self._made.get(sha256)
        if known is None:
            async with self._engine.connect() as connection:
                document = await rule_sets.by_sha256(connection, sha256)
            if document is None:
                raise RuleSetMissing(sha256)
            known = self._made[sha256] = CertificateRules(document)
        return known
