"""Checkpoints: the whole record in a few hashes, signed, chained, and handed out of the database.

Whoever can write the database can write all of it anew; not what was signed and handed out before.
A checkpoint is made from time to time by a worker, by ``zhibao audit seal``, and when a campaign is
closed. What it seals and how it is checked stands in docs/audit.md.
"""

import json
import os
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from domain.canonical import canonical_json, sha256_of
from domain.case.commands import SYSTEM, Actor
from domain.case.events import GENESIS
from domain.clock import day_of, in_utc
from domain.merkle import MerkleTree
from services.certificates.keys import PUBLISHED, SigningKeys
from services.clock import Clock
from services.repeated import repeated
from store import auditing, checkpoints, journal, unfinished
from store.checkpoints import Checkpoint as Checkpoint
from store.database import beside

log = structlog.get_logger()

FORMAT = "zhibao-checkpoint-1"
EVERY = 900.0
"""Seconds between two checkpoints that a worker makes, if there is anything new."""
_FIRST = 60.0


class Sealing:
    """Makes checkpoints, signs them, and copies them to a folder of the operator's choosing."""

    def __init__(
        self, engine: AsyncEngine, keys: Path | None, folder: Path | None, clock: Clock
    ) -> None:
        self._engine = engine
        self._keys = SigningKeys(keys)
        self._keys_folder = keys
        self._folder = folder
        self._clock = clock

    def running(self) -> AbstractAsyncContextManager[None]:
        """Seals from time to time what is new."""
        return repeated(self.seal_news, first=_FIRST, every=EVERY, failed="not_sealed")

    def can_sign(self) -> bool:
        """Whether there is a key here that signs today."""
        return self._keys.in_use(day_of(self._clock())) is not None

    async def seal_news(self) -> Checkpoint | None:
        """A checkpoint if there is anything new and nobody else is at it; else None."""
        async with self._engine.connect() as connection:
            before = await checkpoints.last(connection)
            if before is not None and not await checkpoints.has_news(connection, _upto(before)):
                return None
        return await self.seal()

    async def seal(self, by: Actor = SYSTEM) -> Checkpoint | None:
        """Seals the record as it is now; None while somebody else is at it."""
        async with beside(self._engine) as alone:
            if not await unfinished.alone(alone, "checkpoint"):
                return None
            async with self._engine.begin() as connection:
                marks = await checkpoints.marks(connection)
            async with auditing.snapshot(self._engine) as connection:
                before = await checkpoints.last(connection)
                body = await body_of(connection, before, marks, self._clock())
            made = self._signed(body)
            async with self._engine.begin() as connection:
                await checkpoints.add(connection, made)
                await journal.append_operator_step(
                    connection,
                    checkpoints.LOG,
                    "checkpoint_made",
                    by,
                    made.made_at,
                    {"number": made.number, "sha256": made.sha256, "key": made.key},
                    f"checkpoint:{made.number}",
                )
        self.hand_out(made)
        log.info("checkpoint_made", number=made.number, sha256=made.sha256)
        return made

    async def hand_out_all(self) -> int:
        """Copies every checkpoint to the folder; returns how many there are."""
        async with self._engine.connect() as connection:
            every = await checkpoints.all_of_them(connection)
        for one in every:
            self.hand_out(one)
        return len(every)

    def hand_out(self, made: Checkpoint) -> None:
        """Copies a checkpoint and the list of keys to the folder; one that is there stays."""
        if self._folder is None:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        file = self._folder / f"checkpoint-{made.number:06d}.json"
        if not file.exists():
            _write(file, json.dumps(handed_out(made), ensure_ascii=False, indent=2) + "\n")
        published = self._keys.published()
        if published.keys:
            _write(self._folder / PUBLISHED, published.model_dump_json(by_alias=True, indent=2))

    def _signed(self, body: dict[str, Any]) -> Checkpoint:
        at = datetime.fromisoformat(body["at"])
        key = self._keys.in_use(day_of(at))
        body = {**body, "key": key.id if key is not None else ""}
        written = canonical_json(body)
        return Checkpoint(
            number=body["number"],
            body=body,
            sha256=sha256_of(body),
            key=body["key"],
            signature=self._keys.sign_bytes(key, written) if key is not None else "",
            made_at=at,
        )


async def body_of(
    connection: AsyncConnection,
    before: Checkpoint | None,
    marks: Mapping[str, int],
    at: datetime,
) -> dict[str, Any]:
    """What the checkpoint after ``before`` says of the record up to ``marks``."""
    upto = _upto(before) if before is not None else {}
    sealed = {}
    for name, mark in marks.items():
        tree = MerkleTree()
        async for _, leaf in checkpoints.leaves(connection, name, upto.get(name, 0), mark):
            tree.add(leaf)
        sealed[name] = {"upto": mark, "count": tree.count, "root": tree.root()}
    heads = MerkleTree()
    async for _, leaf in checkpoints.heads(connection, marks["steps"]):
        heads.add(leaf)
    return {
        "format": FORMAT,
        "number": before.number + 1 if before is not None else 1,
        "previous": before.sha256 if before is not None else GENESIS,
        "at": in_utc(at),
        "heads": {"count": heads.count, "root": heads.root()},
        "sealed": sealed,
    }


def handed_out(made: Checkpoint) -> dict[str, Any]:
    """A checkpoint as it leaves the database."""
    return made.model_dump(mode="json", include={"body", "sha256", "key", "signature"})


def _upto(before: Checkpoint) -> dict[str, int]:
    return {name: sealed["upto"] for name, sealed in before.body["sealed"].items()}


def _write(file: Path, text: str) -> None:
    waiting = file.with_name(f".{file.name}.new")
    with waiting.open("w", encoding="utf-8") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    waiting.replace(file)
