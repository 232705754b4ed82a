"""Checkpoints against the record they seal, against each other, and against what was handed out."""

import json
from collections.abc import AsyncIterator, Container, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.findings import Finding, Kind, Tally
from domain.canonical import canonical_json, sha256_of
from domain.case.events import GENESIS
from domain.certificates.statement import PublishedKeys
from domain.clock import day_of, in_utc
from domain.merkle import MerkleTree
from domain.signing_keys import KEY_PURPOSE_LABELS, RING_LABELS, KeyPurpose
from store import auditing, checkpoints
from store.checkpoints import LOG, SEALED, Checkpoint

SEALED_LABELS = {
    "steps": "日志的各步",
    "refusals": "拒绝记录",
    "revisions": "填报内容各稿",
    "notes": "理由和说明",
    "rule_sets": "规则集",
    "histories": "存档的流程历史",
    "seals": "各表每行的哈希",
}

_TABLES = {"steps": "journal", "seals": "seal_log"}
"""The table of what is sealed, where it has another name."""


def _wrong(message: str, kind: Kind = Kind.CHECKPOINT, table: str = "checkpoints") -> Finding:
    return Finding(kind=kind, case_id=LOG, sequence=None, table=table, message=message)


async def check_checkpoints(
    connection: AsyncConnection, keys: PublishedKeys, folder: Path | None, tally: Tally
) -> None:
    """The chain of checkpoints, their signatures, all they seal, and their copies in a folder."""
    every = await checkpoints.all_of_them(connection)
    tally.checked["checkpoints"] = len(every)
    faults = [*_chain(every), *_signatures(every, keys), *_copies(every, folder)]
    async for row in auditing.rows(connection, auditing.CHECKPOINTS_TOLD):
        told = row["said"]
        standing = next((one for one in every if one.number == row["number"]), None)
        if told is None:
            faults.append(_wrong(f"第 {row['number']} 个封存点日志里没有", Kind.WITHOUT_STEP))
        elif standing is None or standing.sha256 != told:
            faults.append(_wrong(f"第 {row['number']} 个封存点不是日志所记的，或已不在", Kind.CUT))
    tally.found(iter(faults))
    if faults:
        # what is sealed tells nothing while the seals themselves are in doubt
        return
    for name in SEALED:
        async for finding in _sealed(connection, name, every):
            tally.found(iter((finding,)))
    if every:
        async for finding in _heads(connection, every[-1]):
            tally.found(iter((finding,)))


def _chain(every: Sequence[Checkpoint]) -> list[Finding]:
    previous = GENESIS
    for place, one in enumerate(every, 1):
        if one.number != place:
            return [_wrong(f"第 {place} 个封存点不在", Kind.DELETED)]
        if sha256_of(one.body) != one.sha256 or _unlike(one):
            return [_wrong(f"第 {place} 个封存点的内容与其哈希不符", Kind.CHANGED)]
        if one.body["previous"] != previous:
            return [_wrong(f"第 {place} 个封存点不接前一个的哈希", Kind.CHANGED)]
        previous = one.sha256
    return []


def _unlike(one: Checkpoint) -> bool:
    """Whether the columns say something else than what is signed."""
    said = (one.body.get("number"), one.body.get("key"), one.body.get("at"))
    return said != (one.number, one.key, in_utc(one.made_at))


def signature_fault(
    body: Mapping[str, Any], key: str, signature: str, keys: PublishedKeys, day: Any
) -> str:
    """Why a checkpoint's signature proves nothing; "" if it proves what it should."""
    if not key and not keys.keys:
        return ""
    published = next((one for one in keys.keys if one.id == key), None)
    if not key:
        first = min(one.first for one in keys.keys)
        return "没有签名" if day >= first else ""
    if published is None:
        return f"签名所用的密钥 {key} 不在公布的密钥表里"
    try:
        public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(published.public_key))
        public.verify(bytes.fromhex(signature), canonical_json(body))
    except (InvalidSignature, ValueError):
        return f"签名与内容不符，或不是由密钥 {key} 签的"
    if published.retired is not None:
        return f"密钥 {key} 已作废，不能再作证明"
    if not published.first <= day <= (published.until or day):
        return f"签名日期不在密钥 {key} 的使用期内"
    return ""


def _signatures(every: Sequence[Checkpoint], keys: PublishedKeys) -> list[Finding]:
    for one in every:
        why = signature_fault(one.body, one.key, one.signature, keys, day_of(one.made_at))
        if why:
            return [_wrong(f"第 {one.number} 个封存点：{why}", Kind.SIGNATURE)]
    return []


async def key_faults(
    connection: AsyncConnection,
    at_hand: Mapping[str, Mapping[str, str]],
    given_up: Container[tuple[str, str]],
) -> AsyncIterator[Finding]:
    """The keys on record against those at hand, as far as there are any for their purpose.

    ``at_hand`` holds public halves by purpose and id, ``given_up`` the purpose and id of retired
    ones.
    """
    async for row in auditing.rows(connection, auditing.KEYS_TOLD):
        said = row["body"]
        purpose, id_ = said["purpose"], said["key"]
        keys = at_hand.get(purpose, {})
        if not keys:
            continue
        if id_ not in keys:
            told = "不在公布的密钥表或密钥目录里"
        elif keys[id_] != said["public_key"]:
            told = "在公布的密钥表或密钥目录里是另一把"
        elif row["event"] == "key_retired" and (purpose, id_) not in given_up:
            told = "已作废，公布的密钥表里却没有"
        else:
            continue
        label = RING_LABELS.get(purpose) or KEY_PURPOSE_LABELS[KeyPurpose(purpose)]
        yield Finding(
            kind=Kind.SIGNATURE,
            case_id=row["case_id"],
            sequence=row["sequence"],
            table="journal",
            message=f"第 {row['sequence']} 步记下的{label} {id_}{told}",
        )


def _copies(every: Sequence[Checkpoint], folder: Path | None) -> list[Finding]:
    """What was handed out must still be there, as it was."""
    known = {one.number: one for one in every}
    faults = []
    for file in sorted(folder.glob("checkpoint-*.json")) if folder is not None else ():
        try:
            copy = json.loads(file.read_bytes())
            number, sha256 = copy["body"]["number"], sha256_of(copy["body"])
        except (OSError, ValueError, KeyError, TypeError):
            faults.append(_wrong(f"封存点的副本 {file.name} 读不出来"))
            continue
        standing = known.get(number)
        if standing is None:
            faults.append(
                _wrong(f"第 {number} 个封存点不在库里，其副本 {file.name} 还在", Kind.CUT)
            )
        elif (standing.sha256, standing.signature) != (sha256, copy.get("signature")):
            told = f"第 {number} 个封存点与其副本 {file.name} 不同"
            faults.append(_wrong(told, Kind.CHANGED))
    return faults[:1]


async def _sealed(
    connection: AsyncConnection, name: str, every: Sequence[Checkpoint]
) -> AsyncIterator[Finding]:
    """The rows between each two checkpoints, in one walk over all of them."""
    if not every:
        return
    table = _TABLES.get(name, name)
    waiting = iter(every)
    current: Checkpoint | None = next(waiting)
    tree = MerkleTree()

    def fault() -> Finding | None:
        assert current is not None
        said = current.body["sealed"].get(name)
        if said is None or (said["count"], said["root"]) == (tree.count, tree.root()):
            return None
        there = f"{tree.count} 行，封存时 {said['count']} 行"
        told = there if tree.count != said["count"] else "内容与封存时不同"
        message = f"第 {current.number} 个封存点所封的{SEALED_LABELS[name]}：{told}"
        return _wrong(message, table=table)

    def upto(one: Checkpoint) -> int:
        return int(one.body["sealed"].get(name, {}).get("upto", 0))

    async with aclosing(checkpoints.leaves(connection, name, 0, upto(every[-1]))) as leaves:
        async for number, leaf in leaves:
            while current is not None and number > upto(current):
                if (wrong := fault()) is not None:
                    yield wrong
                    return
                current, tree = next(waiting, None), MerkleTree()
            tree.add(leaf)
    while current is not None:
        if (wrong := fault()) is not None:
            yield wrong
            return
        current, tree = next(waiting, None), MerkleTree()


async def _heads(connection: AsyncConnection, newest: Checkpoint) -> AsyncIterator[Finding]:
    tree = MerkleTree()
    async for _, leaf in checkpoints.heads(connection, newest.body["sealed"]["steps"]["upto"]):
        tree.add(leaf)
    said = newest.body["heads"]
    if (said["count"], said["root"]) != (tree.count, tree.root()):
        yield _wrong(f"各件的末尾与第 {newest.number} 个封存点所封的不同", table="journal")
