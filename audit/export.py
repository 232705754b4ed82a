"""Take away: a case or a campaign as files that verify on a machine with nothing of ours.

Everything stands under its hash. What the mandate does not cover, survey figures and personal data,
is left out, and its hash stays: the chains verify all the same.
"""

import gzip
import hashlib
import json
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from domain.canonical import canonical_json
from domain.clock import day_of, in_utc
from domain.merkle import MerkleTree
from domain.model import Value
from services.certificates.keys import SigningKeys
from services.checkpoints import handed_out
from services.clock import Clock
from store import auditing, checkpoints, content, rule_sets
from store.auditing import CaseRows
from store.refusals import HASHED

FORMAT = "zhibao-bundle-1"
VERIFIER = Path(__file__).parent / "bundle" / "verify.py"
_TABLES = ("journal", "cases", "refusals", "revisions", "histories")
_FILES = ("journal", "cases", "refusals", "revisions", "notes", "histories")


class Exported(Value):
    """What was taken away: the file, and the hash of the list that names all its files."""

    what: str
    file: str
    chains: int
    steps: int
    checkpoint: int
    with_content: bool
    signed_by: str
    manifest_sha256: str


class NoKey(Exception):
    """There is a list of keys, and the private half of none of them is at hand to sign with."""


class NothingToExport(Exception):
    """Neither a case nor a campaign of this id is on record."""


async def export(
    engine: AsyncEngine,
    keys: Path | None,
    clock: Clock,
    what: str,
    out: Path,
    mandate: str = "",
) -> Exported:
    """Writes the bundle of a case or a campaign. Raises NothingToExport, NoKey.

    With ``mandate``, the words that allow it, contents and reasons go along; without, their hashes.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        writing = _Writing(folder, with_content=bool(mandate))
        async with auditing.snapshot(engine) as connection:
            if what.startswith("campaign/"):
                await writing.rows(auditing.by_case(connection, what, _TABLES))
                await writing.rows(auditing.of_campaign(connection, what, _TABLES))
            else:
                await writing.rows(auditing.by_case(connection, what, _TABLES))
            writing.close()
            if not writing.chains:
                raise NothingToExport(what)
            await writing.rest(connection)
            number = await _sealed(connection, folder, what)
        shutil.copy(VERIFIER, folder / "verify.py")
        manifest = {
            "format": FORMAT,
            "what": what,
            "made_at": in_utc(clock()),
            "mandate": mandate,
            "checkpoint": number,
            "chains": dict(sorted(writing.chains.items())),
        }
        signed_by, sha256 = _close(folder, manifest, SigningKeys(keys), clock())
        _zip(folder, out)
    return Exported(
        what=what,
        file=str(out),
        chains=len(writing.chains),
        steps=sum(writing.chains.values()),
        checkpoint=number,
        with_content=bool(mandate),
        signed_by=signed_by,
        manifest_sha256=sha256,
    )


class _Writing:
    """Writes rows into the files of a bundle as they come."""

    def __init__(self, folder: Path, *, with_content: bool) -> None:
        self.chains: dict[str, int] = {}
        self._folder = folder
        self._with_content = with_content
        self._notes: dict[str, bool] = {}
        self._rule_sets: set[str] = set()
        self._open = ExitStack()
        self._files: dict[str, IO[bytes]] = {
            name: self._open.enter_context((folder / f"{name}.jsonl").open("wb")) for name in _FILES
        }

    async def rows(self, cases: Any) -> None:
        async for rows in cases:
            if rows["journal"]:
                self._case(rows)

    def _case(self, rows: CaseRows) -> None:
        self.chains[rows.case_id] = len(rows["journal"])
        for row in rows["journal"]:
            step = row["step"]
            self._put("journal", {"hash": row["hash"], "step": step})
            self._refers(step)
        for row in rows["cases"]:
            named = ("case_id", "sequence", "head", "status")
            self._put("cases", {name: row[name] for name in named})
            self._rule_sets.add(row["rule_set"])
        for row in rows["refusals"]:
            said = {name: row[name] for name in HASHED}
            self._put("refusals", {**said, "at": in_utc(row["at"]), "hash": row["hash"]})
        for row in rows["revisions"]:
            said = {name: row[name] for name in ("case_id", "revision", "sha256", "saved_by")}
            told = self._with_content and row["unread"] != "destroyed"
            more = {"content": row["content"]} if told else {}
            self._put("revisions", {**said, "saved_at": in_utc(row["saved_at"]), **more})
        for row in rows["histories"]:
            file = f"histories/{row['case_id'].replace('/', '_')}@{row['run_id']}.json"
            (self._folder / "histories").mkdir(exist_ok=True)
            (self._folder / file).write_bytes(gzip.decompress(row["content"]))
            of_run = ("case_id", "run_id", "sequence", "events", "sha256")
            self._put("histories", {**{name: row[name] for name in of_run}, "file": file})

    def _refers(self, step: Mapping[str, Any]) -> None:
        body = step["body"]
        of_operators = step["actor"]["role"] == "operator"
        if step["note_sha256"]:
            self._notes[step["note_sha256"]] = of_operators
        if body.get("reply_sha256"):
            self._notes.setdefault(body["reply_sha256"], False)
        if isinstance(body.get("ruleset"), dict):
            self._rule_sets.add(body["ruleset"]["sha256"])
        if isinstance(body.get("rule_sets"), dict):
            self._rule_sets |= set(body["rule_sets"].values())

    async def rest(self, connection: AsyncConnection) -> None:
        """What the rows refer to: reasons and rule sets."""
        with (self._folder / "notes.jsonl").open("wb") as file:
            kept = await content.notes_by_sha256(connection, sorted(self._notes))
            for sha256, of_operators in sorted(self._notes.items()):
                row: dict[str, Any] = {"sha256": sha256}
                if (self._with_content or of_operators) and sha256 in kept:
                    row["note"] = kept[sha256]
                file.write(canonical_json(row) + b"\n")
        (self._folder / "rule-sets").mkdir()
        for sha256 in sorted(self._rule_sets):
            document = await rule_sets.by_sha256(connection, sha256)
            if document is not None:
                (self._folder / "rule-sets" / f"{sha256}.json").write_bytes(
                    canonical_json(document)
                )

    def _put(self, name: str, row: Mapping[str, Any]) -> None:
        self._files[name].write(canonical_json(dict(row)) + b"\n")

    def close(self) -> None:
        self._open.close()


async def _sealed(connection: AsyncConnection, folder: Path, what: str) -> int:
    """The checkpoints, and what proves that the heads are among what the last of them seals."""
    every = await checkpoints.all_of_them(connection)
    with (folder / "checkpoints.jsonl").open("wb") as file:
        for one in every:
            file.write(canonical_json(handed_out(one)) + b"\n")
    if not every:
        return 0
    upto = every[-1].body["sealed"]["steps"]["upto"]
    if what.startswith("campaign/"):
        with (folder / "heads.jsonl").open("wb") as file:
            async for _, leaf in checkpoints.heads(connection, upto):
                file.write(leaf + b"\n")
        return every[-1].number
    place, found = 0, None
    async for case_id, leaf in checkpoints.heads(connection, upto):
        if case_id == what:
            found = leaf
        elif found is None:
            place += 1
    if found is not None:
        tree = MerkleTree(watched=place)
        async for _, leaf in checkpoints.heads(connection, upto):
            tree.add(leaf)
        tree.root()
        row = {"leaf": json.loads(found), "way": [list(one) for one in tree.way()]}
        (folder / "ways.jsonl").write_bytes(canonical_json(row) + b"\n")
    return every[-1].number


def _close(
    folder: Path, manifest: dict[str, Any], keys: SigningKeys, at: datetime
) -> tuple[str, str]:
    """Lists every file with its hash, and signs the list."""
    published = keys.published()
    if published.keys:
        (folder / "keys.json").write_text(published.model_dump_json(by_alias=True, indent=2))
    files = {name: _sha256(folder / name) for name in _names(folder)}
    raw = canonical_json({**manifest, "files": files})
    (folder / "manifest.json").write_bytes(raw)
    key = keys.in_use(day_of(at))
    signed = {
        "sha256": hashlib.sha256(raw).hexdigest(),
        "key": key.id if key is not None else "",
        "signature": keys.sign_bytes(key, raw) if key is not None else "",
    }
    if key is None and published.keys:
        raise NoKey
    (folder / "manifest.sig.json").write_bytes(canonical_json(signed))
    return signed["key"], signed["sha256"]


def _names(folder: Path) -> Iterator[str]:
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            yield file.relative_to(folder).as_posix()


def _sha256(file: Path) -> str:
    with file.open("rb") as raw:
        return hashlib.file_digest(raw, "sha256").hexdigest()


def _zip(folder: Path, out: Path) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    waiting = out.with_name(f".{out.name}.new")
    with zipfile.ZipFile(waiting, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name in _names(folder):
            bundle.write(folder / name, name)
    waiting.replace(out)
