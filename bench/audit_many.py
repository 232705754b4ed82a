"""Verifying and deciding otherwise over many cases: ``python -m bench.audit_many [CASES…]``.

Every case is a filing that is handed in, with its reviewer and every candidate on record.

Prints seconds, seconds for 54,000, and how much memory was added at the highest.
"""

import asyncio
import resource
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.recompute import Recomputing
from audit.verify import Keys, verify
from deploy.demo.roster import generate_roster
from deploy.embedded.postgres import EmbeddedPostgres
from domain.campaigns import CampaignStart
from domain.canonical import sha256_of
from domain.case.commands import Actor, Role
from domain.case.events import event_of
from domain.case.kind import fold
from domain.case.opening import chain, opened_on_record
from domain.case.review import decide
from domain.case.workflow_messages import CaseStart, RecordRequest
from domain.facts import Facts
from domain.filing.findings import FilingFindings
from domain.filing.kind import FILING, Submit
from rules.compiled import CompiledRules
from rules.file.library import SHIPPED, RuleLibrary
from services.campaigns.launch import PAGE, put_on_record
from services.checkpoints import Sealing
from services.starts import filing_start
from store import campaigns, institutions, journal, rule_sets
from store.data_keys import hiding_each
from store.database import connect
from store.hidden import Hiding
from store.institutions import Institution
from store.migrate import upgrade
from store.tables import revisions
from store.writer import write_steps

NATIONAL = 54_000
CAMPAIGN = "campaign/2024/000000"
FILER = Actor(subject="bench-filer", role=Role.FILER, scope="bench")
CONTENT: dict[str, Any] = {"statistics": {"employees": 12}}


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
    at = rules.windows["fill"].opens + timedelta(days=1)
    async with engine.begin() as connection:
        await _open(connection, await rule_sets.store(connection, document))
    for start in range(0, count, PAGE):
        page = saved[start : start + PAGE]
        async with engine.begin() as connection:
            await institutions.save(connection, page)
        starts = [filing_start(2024, CAMPAIGN, rules, one.facts_for(None), at) for one in page]
        await put_on_record(engine, starts, at, launched=True)
        async with engine.begin() as connection:
            keys = await hiding_each(connection, [one.case_id for one in starts])
            rows = [_revision(one, at, keys[one.case_id]) for one in starts]
            await connection.execute(insert(revisions), rows)
            handed_in = [_submitted(rules, one, at) for one in starts]
            await write_steps(connection, [one for one in handed_in if one is not None])
    await Sealing(engine, None, None, now).seal()
    await engine.dispose()


def _revision(start: CaseStart, at: datetime, key: Hiding) -> dict[str, Any]:
    return {
        "case_id": start.case_id,
        "revision": 1,
        "sha256": sha256_of(CONTENT),
        "content": key.of(CONTENT, "1"),
        "saved_by": FILER.subject,
        "saved_at": at,
    }


def _submitted(rules: CompiledRules, start: CaseStart, at: datetime) -> RecordRequest | None:
    """The steps of a filing that is handed in, its reviewer with every candidate among them.

    None where the institution would have to choose.
    """
    facts = Facts.model_validate(start.inputs)
    inputs = facts.model_dump(mode="json")
    decision = rules.route(facts)
    if decision.reviewer is None:
        return None
    pinned = decision.model_copy(update={"inputs": inputs, "inputs_sha256": sha256_of(inputs)})
    submit = Submit(
        id="submit",
        actor=FILER.model_copy(update={"scope": start.opening.institution}),
        received_at=at,
        revision=1,
        content_sha256=sha256_of(CONTENT),
    )
    begun = opened_on_record(FILING, start, at).steps
    state, last = fold(FILING, map(event_of, begun)), begun[-1]
    findings = FilingFindings(decision=pinned, editors=(FILER.subject,))
    events = decide(FILING, state, start.opening.plan, submit, at, findings)
    assert isinstance(events, tuple), events
    return RecordRequest(steps=chain(start.case_id, last.sequence, last.hash, submit, events, at))


async def _open(connection: AsyncConnection, pinned: str) -> None:
    """Puts the campaign on record that the filings are of."""
    by, at = Actor(subject="bench-operator", role=Role.OPERATOR, scope="000000"), now()
    opened = CampaignStart(
        case_id=CAMPAIGN,
        year=2024,
        jurisdiction="000000",
        opened_by=by,
        requested_at=at,
        rule_sets={"000000": pinned},
        stages=(),
        command_id="bench",
    )
    await campaigns.add(connection, opened)
    body = {"rule_sets": opened.rule_sets, "late": False}
    await journal.append_operator_step(
        connection, CAMPAIGN, "campaign_opened", by, at, body, opened.command_id
    )


async def measure(url: str, count: int, other: CompiledRules) -> None:
    """Times both over what is on record."""
    engine = connect(url, patience=3600)
    for name in ("verify", "counterfactual"):
        before, began = highest(), time.perf_counter()
        if name == "verify":
            found = await verify(engine, None, Keys(), now)
            assert found.ok, found.findings[:3]
        else:
            foreseen = await Recomputing(engine, other).foreseen(CAMPAIGN)
            assert foreseen.cases == count
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
    other = CompiledRules(library.resolve_name("2023/national").document)
    sizes = ["200"] if "--short" in sys.argv else sys.argv[1:] or ["2000", "10000"]
    for count in map(int, sizes):
        with (
            tempfile.TemporaryDirectory(prefix="zb") as folder,
            EmbeddedPostgres(Path(folder)) as server,
        ):
            upgrade(server.owner_url)
            asyncio.run(fill(server.url, count, rules, document))
            asyncio.run(measure(server.url, count, other))


if __name__ == "__main__":
    main()
