"""The auditor's commands and addresses: what they print, how they end, and that they are noted."""

import asyncio
import hashlib
import json
import subprocess
import sys
import zipfile
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from api.door.app import create_app
from api.door.parts import build_parts
from deploy.embedded.temporal import EmbeddedTemporal
from domain.canonical import canonical_json, sha256_of
from domain.case.commands import Actor, Role
from domain.filing.receipts import receipt_body, submissions
from engine.client import connect_engine, through
from services.certificates.keys import SigningKeys, add_key
from services.doors import door_of
from settings import Settings
from store import cases, journal
from store.database import connect
from tests.audit.conftest import World, now
from tests.command import ZHIBAO
from tests.system import KEY

pytestmark = pytest.mark.anyio

DONE, OPEN = "filing/2023/done", "filing/2023/claimed"


async def audit(where: dict[str, str], folder: Path, *words: str) -> tuple[int | None, str]:
    """What a command ends with, and what it prints."""
    process = await asyncio.create_subprocess_exec(
        *(*ZHIBAO, "audit", *words), cwd=folder, env=where, stdout=-1, stderr=-1
    )
    out, err = await process.communicate()
    assert b"Traceback" not in err, err.decode()
    return process.returncode, (out or err).decode()


async def told(where: dict[str, str], folder: Path, *words: str) -> tuple[int | None, Any]:
    code, said = await audit(where, folder, *words, "--json")
    return code, json.loads(said)


async def test_a_receipt_that_somebody_holds_is_checked_against_its_key_and_the_record(
    where: dict[str, str], world: World, tmp_path: Path
) -> None:
    keys = tmp_path / "receipt-keys"
    add_key(keys, "receipt-1", date(2020, 1, 1))
    signing = SigningKeys(keys)
    key = signing.in_use(now().date())
    assert key is not None
    engine = connect(world.url)
    async with engine.connect() as connection:
        case = await cases.by_id(connection, DONE)
        steps = await journal.steps(connection, DONE)
    await engine.dispose()
    assert case is not None
    last = submissions(steps)[-1].sequence
    body = receipt_body(case.plan, steps, last, {}, key.id, now())
    signature = signing.sign_bytes(key, canonical_json(body))
    handed = {"body": body, "sha256": sha256_of(body), "key": key.id, "signature": signature}
    file = tmp_path / "receipt.json"
    file.write_text(json.dumps(handed), "utf-8")
    environment = {**where, "ZHIBAO_RECEIPT_KEYS": str(keys)}
    assert await told(environment, tmp_path, "receipt", str(file)) == (0, {"ok": True, "fault": ""})
    # signed again over something else: the signature holds, the record says otherwise
    lies = {**body, "late": not body["late"]}
    signature = signing.sign_bytes(key, canonical_json(lies))
    handed |= {"body": lies, "sha256": sha256_of(lies), "signature": signature}
    file.write_text(json.dumps(handed), "utf-8")
    code, found = await told(environment, tmp_path, "receipt", str(file))
    assert (code, found["ok"], "late" in found["fault"]) == (1, False, True)
    file.write_text("{", "utf-8")
    code, said = await audit(environment, tmp_path, "receipt", str(file))
    assert (code, "JSON" in said) == (2, True)


async def test_each_command_prints_its_document(where: dict[str, str], tmp_path: Path) -> None:
    code, found = await told(where, tmp_path, "verify", DONE)
    assert (code, found["ok"], found["findings"]) == (0, True, [])
    assert found["checked"]["cases"] == 1
    code, found = await told(where, tmp_path, "replay", DONE)
    assert (found["case_id"], found["events"] > 20) == (DONE, True)
    assert (code, found["differences"]) == (0, [])
    code, found = await told(where, tmp_path, "recompute", DONE)
    assert code == 0
    assert {"kind", "sequence", "recorded", "recomputed", "same", "cite"} <= set(
        found["decisions"][0]
    )
    code, found = await told(where, tmp_path, "counterfactual", DONE, "--rules", "2024/national")
    assert code == 0
    assert {one["same"] for one in found["decisions"]} == {True, False}
    code, found = await told(where, tmp_path, "as-of", DONE, datetime.now(UTC).isoformat())
    assert code == 0
    assert {"status", "level", "authority", "due", "revision", "sequence"} <= set(found)
    assert found["status"] == "completed"
    code, found = await told(where, tmp_path, "timeline", "--action", "campaign_opened")
    assert (code, {one["event"] for one in found["entries"]}) == (0, {"campaign_opened"})
    code, found = await told(where, tmp_path, "timeline", DONE)
    first = found["entries"][0]
    assert (code, first["case_id"], first["sequence"], first["event"]) == (0, DONE, 1, "scheduled")
    assert {"body", "hash", "previous_hash", "command_id"} <= set(first)
    assert {one["event"] for one in found["entries"]} >= {"refused", "completed"}
    code, _ = await audit(where, tmp_path, "timeline", "--csv", "record.csv")
    assert code == 0
    table = (tmp_path / "record.csv").read_text("utf-8-sig")
    assert "campaign/2023/350000" in table
    assert first["hash"] in table
    words = ("counterfactual", "campaign/2023/350000", "--rules", "2024/national")
    code, found = await told(where, tmp_path, *words)
    assert (code, found["cases"], found["differing"]) == (0, 8, 8)
    fill = next(one for one in found["differences"] if one["kind"] == "window fill")
    assert DONE in fill["cases"]
    code, found = await told(where, tmp_path, "export", DONE, "--out", "b.zip")
    assert (code, found["checkpoint"]) == (0, 2)
    with zipfile.ZipFile(tmp_path / "b.zip") as bundle:
        bundle.extractall(tmp_path / "b")
    done = subprocess.run([sys.executable, "-I", "verify.py"], cwd=tmp_path / "b", check=False)
    assert done.returncode == 0


async def test_wrong_questions_end_with_a_sentence(where: dict[str, str], tmp_path: Path) -> None:
    for code, *words in (
        (1, "verify", "filing/2023/nobody"),
        (1, "replay", "filing/2023/nobody"),
        (1, "recompute", "filing/2023/nobody"),
        (2, "counterfactual", DONE, "--rules", "1999/nowhere"),
        (1, "as-of", DONE, "2001-01-01"),
        (2, "as-of", DONE, "yesterday"),
        (1, "export", "filing/2023/nobody", "--out", "n.zip"),
    ):
        ended, said = await audit(where, tmp_path, *map(str, words))
        assert (ended, bool(said.strip())) == (code, True), (words, said)


async def test_a_campaign_is_replayed_in_processes_and_goes_on_where_it_was(
    where: dict[str, str], tmp_path: Path
) -> None:
    words = ("replay", "campaign/2023/350000", "--report", "out", "--processes", "2")
    code, found = await told(where, tmp_path, *words)
    assert (code, found["differing"], found["cases"] >= 8) == (0, 0, True), found
    lines = (tmp_path / "out" / "report.jsonl").read_text().splitlines()
    (tmp_path / "out" / "report.jsonl").write_text("\n".join(lines[:3]) + "\n" + lines[3][:40])
    code, again = await told(where, tmp_path, *words)
    assert (code, again) == (0, found)
    assert "重演报告" in (tmp_path / "out" / "report.html").read_text()


async def test_a_process_that_is_gone_is_found(
    where: dict[str, str], tmp_path: Path, temporal: EmbeddedTemporal
) -> None:
    code, found = await told(where, tmp_path, "verify")
    assert (code, found["findings"]) == (0, [])
    client = await connect_engine(temporal.address, temporal.namespace)
    await client.get_workflow_handle(OPEN).terminate("by hand")
    async with asyncio.timeout(60):
        while True:
            code, found = await told(where, tmp_path, "verify")
            if code == 1:
                break
            await asyncio.sleep(0.5)
    (one,) = found["findings"]
    assert (one["kind"], one["case_id"], one["table"]) == ("process_gone", OPEN, "cases")
    assert "流程被终止" in one["message"]
    assert (await told(where, tmp_path, "verify", OPEN))[0] == 1
    assert (await told(where, tmp_path, "verify", DONE))[0] == 0


@pytest.fixture
async def http(
    world: World, temporal: EmbeddedTemporal
) -> AsyncIterator[tuple[httpx.AsyncClient, str, AsyncEngine]]:
    client = await connect_engine(temporal.address, temporal.namespace)
    engine = connect(world.url)
    settings = Settings(
        database_url=SecretStr("postgresql+psycopg://unused"),
        temporal_address="unused",
        token_key=SecretStr(KEY),
        certificate_keys=world.certificate_keys,
        audit_keys=world.audit_keys,
        checkpoints=world.checkpoints,
    )
    client = through(client, door_of(settings))
    parts = build_parts(settings, client, engine, now)
    auditor = Actor(subject="auditor-7", role=Role.AUDITOR)
    token = parts.identity.issue(auditor, now(), timedelta(days=1))
    transport = httpx.ASGITransport(app=create_app(parts))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client_:
        yield client_, token, engine
    await engine.dispose()


@pytest.mark.usefixtures("timers_as_they_were")
async def test_over_http_the_same_is_answered_and_noted(
    http: tuple[httpx.AsyncClient, str, AsyncEngine],
) -> None:
    client, token, engine = http
    headers = {"authorization": f"Bearer {token}"}

    async def ask(path: str, status: int = 200) -> Any:
        answer = await client.get(f"/api/audit/{path}", headers=headers)
        assert answer.status_code == status, answer.text
        return answer.json() if "json" in answer.headers["content-type"] else answer.content

    assert (await ask(f"verify?case={DONE}"))["ok"]
    assert (await ask(f"replay?case={DONE}"))["differences"] == []
    assert all(one["same"] for one in (await ask(f"recompute?case={DONE}"))["decisions"])
    other = await ask(f"counterfactual?case={DONE}&rules=2024/national")
    assert not all(one["same"] for one in other["decisions"])
    at = "2199-01-01T00:00:00%2B08:00"
    assert (await ask(f"as-of?case={DONE}&at={at}"))["status"] == "completed"
    figures = await ask(f"figures?campaign=campaign/2023/350000&at={at}")
    assert figures["statuses"]["completed"] == 1
    assert (await ask(f"export?case={DONE}"))[:2] == b"PK"
    campaign = "campaign=campaign/2023/350000"
    listed = await ask(f"listed?{campaign}&at={at}&size=3")
    more = await ask(f"listed?{campaign}&at={at}&size=3&cursor={listed['next']}")
    ids = [one["case_id"] for one in (*listed["items"], *more["items"])]
    assert (len(set(ids)), ids == sorted(ids)) == (6, True)
    early = "2001-01-01T00:00:00%2B08:00"
    moved = await ask(f"compared?{campaign}&at={early}&and={at}")
    assert {"case_id": DONE, "before": "", "after": "completed"} in moved["items"]
    foreseen = await ask(f"foreseen?{campaign}&rules=2024/national")
    assert (foreseen["cases"], foreseen["differing"]) == (8, 8)
    (run,) = (await ask(f"history?case={DONE}"))["runs"]
    assert hashlib.sha256(run["content"].encode()).hexdigest() == run["sha256"]
    page = await ask("timeline?action=submitted&size=3")
    assert {one["event"] for one in page["entries"]} == {"submitted"}
    more = await ask(f"timeline?action=submitted&size=3&cursor={page['next']}")
    hashes = [one["hash"] for one in (*page["entries"], *more["entries"])]
    assert len(set(hashes)) == 6
    assert all(one["at"].endswith("+08:00") for one in page["entries"])
    refused = (await ask(f"timeline?case={DONE}&by=clerk-done&action=refused"))["entries"]
    assert [(one["sequence"], one["rule"]) for one in refused] == [(None, "case_ended")]
    cited = page["entries"][0]["document"]
    assert (await ask(f"timeline?rule={cited}"))["entries"][0]["document"] == cited
    assert (await ask(f"timeline?to={early}"))["entries"] == []
    table = (await ask(f"timeline/table?case={DONE}")).decode("utf-8-sig")
    assert hashes[0] in (await ask("timeline/table")).decode()
    assert table.count(DONE) > 5
    assert (await ask("replay?case=filing/2023/nobody", 404))["code"] == "not_found"
    assert (await ask("replay", 422))["code"] == "invalid_parameter"
    async with engine.connect() as connection:
        rows = await connection.execute(
            text("SELECT step #>> '{body,what}' FROM journal"
                 " WHERE case_id = 'reads/auditor/auditor-7' ORDER BY sequence")
        )  # fmt: skip
        noted = list(rows.scalars())
    assert noted[0] == f"核对全部记录或一件 /api/audit/verify?case={DONE}"
    assert len(noted) == 19
