"""What is taken away verifies with the standard library alone, and nothing of it can be changed."""

import json
import random
import runpy
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncEngine

from audit.export import VERIFIER, NothingToExport, export
from tests.audit.conftest import World, now
from tests.domain.test_canonical import VALUES

pytestmark = pytest.mark.anyio

CASES = ["filing/2023/done", "report-numbers/2024Q4/silent", "campaign/2023/350000"]


def verified(folder: Path, *words: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-I", "verify.py", *words], cwd=folder, capture_output=True, text=True
    )
    return done.returncode, done.stdout + done.stderr


async def taken(
    world: World, engine: AsyncEngine, folder: Path, what: str, mandate: str = ""
) -> Path:
    file = folder / "bundle.zip"
    made = await export(engine, world.audit_keys, now, what, file, mandate)
    assert (made.signed_by, made.checkpoint) == ("first", 2)
    with zipfile.ZipFile(file) as bundle:
        bundle.extractall(folder / "bundle")
    return folder / "bundle"


@pytest.mark.parametrize("what", CASES)
@pytest.mark.parametrize("mandate", ["", "（生成）专项检查通知"])
async def test_a_bundle_verifies_with_nothing_of_ours(
    world: World, audited: AsyncEngine, tmp_path: Path, what: str, mandate: str
) -> None:
    folder = await taken(world, audited, tmp_path, what, mandate)
    code, said = verified(folder)
    assert (code, what in said, "第 2 个封存点" in said) == (0, True, True), said
    published = world.audit_keys / "published.json"
    assert verified(folder, "--keys", str(published))[0] == 0
    contents = (folder / "revisions.jsonl").read_text()
    assert ('"content":' in contents) == bool(mandate and contents)


async def test_another_list_of_keys_refuses_it(
    world: World, audited: AsyncEngine, tmp_path: Path
) -> None:
    folder = await taken(world, audited, tmp_path, CASES[0])
    other = json.loads((world.audit_keys / "published.json").read_text())
    other["keys"][0]["public_key"] = "00" * 32
    (tmp_path / "other.json").write_text(json.dumps(other))
    code, said = verified(folder, "--keys", str(tmp_path / "other.json"))
    assert (code, "签名" in said) == (1, True)


async def test_nobody_is_exported_who_is_not_on_record(
    world: World, audited: AsyncEngine, tmp_path: Path
) -> None:
    with pytest.raises(NothingToExport):
        await export(audited, None, now, "filing/2023/nobody", tmp_path / "x.zip")
    assert not (tmp_path / "x.zip").exists()


async def test_it_is_refused_after_any_one_byte_is_changed(
    world: World, audited: AsyncEngine, tmp_path: Path
) -> None:
    folder = await taken(world, audited, tmp_path, CASES[0], "（生成）")
    choose = random.Random(7)
    for file in sorted(one for one in folder.rglob("*") if one.is_file() and one.stat().st_size):
        original = file.read_bytes()
        for _ in range(6 if file.name != "verify.py" else 25):
            changed = bytearray(original)
            changed[choose.randrange(len(changed))] ^= 1 << choose.randrange(8)
            file.write_bytes(changed)
            code, said = verified(folder)
            assert code == 1, (file.name, said)
        file.write_bytes(original)
    (folder / "more.txt").write_text("x")
    assert verified(folder)[0] == 1
    (folder / "more.txt").unlink()
    assert verified(folder)[0] == 0


async def test_it_is_refused_with_files_or_lines_more_fewer_or_in_another_order(
    world: World, audited: AsyncEngine, tmp_path: Path
) -> None:
    folder = await taken(world, audited, tmp_path, CASES[0], "（生成）")
    journal = folder / "journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    for changed in (
        [lines[1], lines[0], *lines[2:]],
        lines[:-1],
        [*lines, lines[-1]],
        [*lines[:-1], lines[-1][:-20]],
        [],
    ):
        journal.write_bytes(b"".join(changed))
        assert verified(folder)[0] == 1
    journal.write_bytes(b"".join(lines))
    for name in sorted(one.relative_to(folder) for one in folder.rglob("*") if one.is_file()):
        original = (folder / name).read_bytes()
        (folder / name).unlink()
        if name.name != "verify.py":
            assert verified(folder)[0] == 1, name
        (folder / name).write_bytes(original)
    for added in ("__pycache__/verify.pyc", "histories/more.json", ".hidden"):
        more = folder / added
        more.parent.mkdir(exist_ok=True)
        more.write_text("x")
        assert verified(folder)[0] == 1, added
        more.unlink()
    (folder / "link").symlink_to("/etc/hostname")
    assert verified(folder)[0] == 1
    (folder / "link").unlink()
    assert verified(folder)[0] == 0


async def test_a_changed_step_is_named_though_the_list_was_made_anew(
    world: World, audited: AsyncEngine, tmp_path: Path
) -> None:
    """Whoever takes the files' list along changes it all; the chain and the keys remain."""
    folder = await taken(world, audited, tmp_path, CASES[0])
    journal = folder / "journal.jsonl"
    lines = journal.read_text().splitlines()
    lines[2] = lines[2].replace('"clerk-done"', '"clerk-gone"')
    journal.write_text("\n".join(lines) + "\n")
    functions = VERIFY
    sha256 = functions["hashlib"].sha256
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"]["journal.jsonl"] = sha256(journal.read_bytes()).hexdigest()
    raw = functions["canonical"](manifest)
    (folder / "manifest.json").write_bytes(raw)
    signed = {"sha256": sha256(raw).hexdigest(), "key": "", "signature": ""}
    (folder / "manifest.sig.json").write_bytes(functions["canonical"](signed))
    assert "没有签名" in verified(folder)[1]
    (folder / "keys.json").unlink()
    del manifest["files"]["keys.json"]
    raw = functions["canonical"](manifest)
    (folder / "manifest.json").write_bytes(raw)
    signed["sha256"] = sha256(raw).hexdigest()
    (folder / "manifest.sig.json").write_bytes(functions["canonical"](signed))
    code, said = verified(folder)
    assert (code, "filing/2023/done 第 3 步" in said) == (1, True), said


VERIFY: dict[str, Any] = runpy.run_path(str(VERIFIER))


@settings(max_examples=200)
@given(VALUES)
def test_the_verifier_writes_canonical_json_as_the_rfc_has_it(value: Any) -> None:
    assert VERIFY["canonical"](value) == rfc8785.dumps(value)


@settings(max_examples=12, deadline=None)
@given(st.binary(min_size=32, max_size=32), st.binary(max_size=100), st.integers(0, 511))
def test_the_verifier_knows_signatures(seed: bytes, message: bytes, place: int) -> None:
    key = Ed25519PrivateKey.from_private_bytes(seed)
    public, signature = key.public_key().public_bytes_raw(), key.sign(message)
    assert VERIFY["signed_by"](public, message, signature)
    assert not VERIFY["signed_by"](public, message + b"x", signature)
    changed = bytearray(signature)
    changed[place // 8] ^= 1 << place % 8
    assert not VERIFY["signed_by"](public, message, bytes(changed))


def test_the_verifier_knows_the_rfcs_own_signature() -> None:
    public = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    signature = (
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
        "d25bf5f0595bbe24655141438e7a100b"
    )
    assert VERIFY["signed_by"](bytes.fromhex(public), b"", bytes.fromhex(signature))
