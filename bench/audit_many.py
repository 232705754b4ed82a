"""Verifying and deciding otherwise over many cases: ``python -m bench.audit_many [CASES…]``.

Prints seconds, seconds for 54,000, and how much memory was added at the highest.
"""

import asyncio
import resource
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from audit.recompute import Recomputing
from audit.verify import Keys, verify
from deploy.demo.roster import generate_roster
from deploy.embedded.postgres import EmbeddedPostgres
from domain.facts import Facts
from rules.compiled import CompiledRules
from rules.file.library import SHIPPED, RuleLibrary
from services.campaigns.launch import PAGE, put_on_record
from services.checkpoints import Sealing
from services.starts import filing_start
from store import institutions, rule_sets
from store.database import connect
from store.institutions import Institution
from store.migrate import upgrade

NATIONAL = 54_000
CAMPAIGN = "campaign/2024/000000"


def now() -> datetime:
    """The clock of this program."""
    return datetime.now(UTC)


def highest() -> float:
    """The most memory so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


async def fill(url: str, count: int, rules: CompiledRules, document: dict[str, Any]) -> None:
    """Puts a generated register and everybody's filing on record."""
    engine = connect(url)
    roster = generate_roster(count, seed=1)
    saved = [
        Institution(
            name=one.name,
            uscc="",
            previous_reviewer=None,
            facts=one.institution,
            certificates=one.certificates,
        )
        for one in roster
    ]
    async with engine.begin() as connection:
        await rule_sets.store(connection, document)
    for at in range(0, count, PAGE):
        page = saved[at : at + PAGE]
        async with engine.begin() as connection:
            await institutions.save(connection, page)
        starts = [
            filing_start(
                2024,
                CAMPAIGN,
                rules,
                Facts(
                    institution=one.facts,
                    certificates=one.certificates,
                    choice=None,
                    previous_reviewer=None,
                ),
                now(),
            )
            for one in page
        ]
        await put_on_record(engine, starts, now(), launched=True)
    await Sealing(engine, None, None, now).seal()
    await engine.dispose()


async def measure(url: str, count: int, other: CompiledRules) -> None:
    """Times both over what is on record."""
    engine = connect(url, patience=3600)
    for name in ("verify", "counterfactual"):
        before, began = highest(), time.perf_counter()
        if name == "verify":
            found = await verify(engine, None, Keys(), now)
            assert found.ok, found.findings[:3]
        else:
            async for _ in Recomputing(engine, other).campaign(CAMPAIGN):
                pass
        took = time.perf_counter() - began
        print(
            f"{count} cases, {name}: {took:.1f} s, {took / count * NATIONAL:.0f} s for {NATIONAL}, "
            f"{highest() - before:.0f} MB more"
        )
    await engine.dispose()


def main() -> None:
    """Several sizes, each on a database of its own."""
    library = RuleLibrary(SHIPPED)
    document = library.resolve_name("2024/national").document
    rules = CompiledRules(document)
    for count in map(int, sys.argv[1:] or ("2000", "10000")):
        with (
            tempfile.TemporaryDirectory(prefix="zb") as folder,
            EmbeddedPostgres(Path(folder)) as server,
        ):
            upgrade(server.url)
            asyncio.run(fill(server.url, count, rules, document))
            asyncio.run(measure(server.url, count, rules))


if __name__ == "__main__":
    main()
