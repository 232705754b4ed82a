"""The inbox of people who are signed in, all at once: ``python -m bench.inbox``.

Each reviewer has a browser of their own, and opens the page once within some seconds, each at
another moment. Beside it the operation that the page is made of, for the same people by their
tokens, and an endpoint that does nothing, on the same server, in turns. The target is a 95th
percentile of at most three times the operation's.
"""

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client

from api.door.cookies import SESSION
from api.door.parts import Parts, build_parts
from bench.lookup import server
from bench.lookup_server import NOTHING
from bench.seeds import NATION, REVIEWER, YEAR, institution
from bench.system import ROOT
from deploy.embedded.postgres import EmbeddedPostgres
from domain.case.commands import SYSTEM, Actor, Role
from rules.compiled import CompiledRules
from rules.file.library import RuleLibrary
from services.starts import filing_start
from settings import Settings
from store import institutions, rule_sets
from store.database import connect
from store.migrate import upgrade
from store.tables import cases

TARGET = 3.0
_AN_HOUR = timedelta(hours=1)


async def add_filings(engine: AsyncEngine, rules_folder: Path, count: int) -> None:
    """Filings that wait for one authority, the read model alone."""
    document = RuleLibrary(rules_folder).resolve(YEAR, NATION).document
    rules, now = CompiledRules(document), datetime.now(UTC)
    owners = [institution(number) for number in range(count)]
    async with engine.begin() as connection:
        await institutions.save(connection, owners)
        pinned = await rule_sets.store(connection, document)
        rows: list[dict[str, Any]] = []
        for owner in owners:
            start = filing_start(YEAR, "bench", rules, owner.facts_for(None), now)
            assert start.opening is not None
            rows.append(
                {
                    "case_id": start.case_id,
                    "kind": "filing",
                    "year": YEAR,
                    "institution_id": owner.facts.id,
                    "jurisdiction": NATION,
                    "campaign": "",
                    "rule_set": pinned,
                    "plan": start.opening.plan.model_dump(mode="json"),
                    "status": "in_review",
                    "level": 1,
                    "authority": REVIEWER,
                    "claimed_by": "",
                    "revision": 1,
                    "due": now + _AN_HOUR,
                    "sequence": 1,
                    "head": "",
                    "opened_at": now,
                    "updated_at": now,
                }
            )
        await connection.execute(insert(cases), rows)


async def people(parts: Parts, count: int) -> tuple[list[str], list[str]]:
    """So many reviewers: what their browsers keep, and a token of each."""
    few = asyncio.Semaphore(4)

    async def signed_in(name: str) -> tuple[str, str]:
        async with few:
            await parts.memberships.give(
                name,
                Role.REVIEWER,
                REVIEWER,
                False,
                None,
                None,
                SYSTEM.model_copy(update={"subject": "cli.bench"}),
                name,
                "（生成）",
                by_hand=True,
            )
            kept = await parts.sign_in.begin(name, "bench", second_factor=False)
        actor = Actor(subject=name, role=Role.REVIEWER, scope=REVIEWER)
        return kept, parts.identity.issue(actor, datetime.now(UTC), _AN_HOUR)

    all_ = await asyncio.gather(*(signed_in(f"bench.reviewer-{number}") for number in range(count)))
    return [kept for kept, _ in all_], [token for _, token in all_]


async def prepare(settings: Settings, filings: int, count: int) -> dict[str, list[str]]:
    """What is on record, and what is asked for: a line for each person."""
    engine = connect(settings.database_url.get_secret_value(), pool_size=5)
    parts = build_parts(settings, await Client.connect("127.0.0.1:1", lazy=True), engine)
    await add_filings(engine, settings.rules, filings)
    kept, tokens = await people(parts, count)
    await engine.dispose()
    return {
        "nothing": [NOTHING],
        "operation": [f"/api/tasks?size=20\tAuthorization: Bearer {one}" for one in tokens],
        "page": [f"/work/tasks\tCookie: {SESSION.plain_name}={one}" for one in kept],
    }


def ask(port: int, lines: list[str], connections: int, spread: float) -> dict[str, Any]:
    """One round, in which everybody asks once; every answer must be one."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.http_load", str(port),
         "--connections", str(connections), "--seconds", "0", "--spread", str(spread)],
        input="\n".join(lines), capture_output=True, text=True, check=True, cwd=ROOT,
        timeout=300,
    )  # fmt: skip
    found: dict[str, Any] = json.loads(done.stdout)
    if found["statuses"].keys() != {"200"}:
        raise RuntimeError(f"not all were answered: {found['statuses']}")
    return found


def main(filings: int, count: int, rounds: int, spread: float) -> dict[str, object]:
    """Rounds of all in turns; medians of the 95th percentiles, and of the answers a second."""
    with (
        tempfile.TemporaryDirectory(prefix="zb") as folder,
        EmbeddedPostgres(Path(folder)) as db,
    ):
        upgrade(db.owner_url)
        settings = Settings(
            database_url=SecretStr(db.url),
            temporal_address="unused",
            token_key=SecretStr("for benchmarks only: whoever has it signs nothing of worth"),
            requests_per_person="1000000000/minute",
            requests_per_authority="1000000000/minute",
        )
        lines = asyncio.run(prepare(settings, filings, count))
        seen: dict[str, list[dict[str, Any]]] = {name: [] for name in lines}
        with server(settings, keep=False) as (port, _):
            for name in lines:
                ask(port, lines[name], min(count, 20), 2)
            for number in range(rounds):
                for name in list(lines)[:: 1 if number % 2 else -1]:
                    seen[name].append(ask(port, lines[name], count, spread))
    told: dict[str, object] = {"target": TARGET, "people": count, "within seconds": spread}
    p95 = {name: statistics.median(one["p95"] for one in rounds_) for name, rounds_ in seen.items()}
    told["p95 seconds"] = {name: round(value, 3) for name, value in p95.items()}
    told["ratio"] = round(p95["page"] / p95["operation"], 2)
    told["met"] = p95["page"] <= TARGET * p95["operation"]
    return told


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--filings", type=int, default=500)
    parser.add_argument("--people", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--spread", type=float, default=30, help="seconds within which all ask")
    parser.add_argument("--short", action="store_true", help="few people: that it still runs")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--check", action="store_true", help="exit with 1 above the target")
    given = parser.parse_args()
    if given.short:
        given.filings, given.people, given.rounds, given.spread = 50, 20, 1, 2
    result = main(given.filings, given.people, given.rounds, given.spread)
    if given.json:
        print(json.dumps(result))
    else:
        for key, value in result.items():
            print(f"{key:18}{value}")
    sys.exit(1 if given.check and not result["met"] else 0)
