"""Generated institutions and drafts for benchmarks, put on record in bulk. None of them is real."""

from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import insert, update

from bench.system import Bench
from domain.campaigns import CampaignStart
from domain.canonical import sha256_of
from domain.case.commands import Actor, Role
from domain.case.workflow_messages import CaseStart
from domain.facts import CertificateFacts, InstitutionFacts
from rules.compiled import CompiledRules
from rules.file.library import RuleLibrary
from rules.filing.forms.example import blank_example
from services.starts import filing_start
from store import campaigns, institutions, rule_sets
from store.data_keys import hiding_each
from store.institutions import Institution
from store.tables import campaigns as table
from store.tables import revisions

YEAR, NATION, REVIEWER, CHECKER = 2024, "000000", "amr-440000", "samr"


def institution(number: int) -> Institution:
    """An institution in Guangdong with one certificate in force."""
    certificate = CertificateFacts(
        number=f"2419{number:08d}",
        level="provincial",
        issuer=REVIEWER,
        scope=100,
        valid_to=date(2099, 1, 1),
    )
    return Institution(
        name=f"测试机构 {number}（生成）",
        uscc="",
        previous_reviewer=None,
        facts=InstitutionFacts(id=f"bench-{number:06d}", region="440106"),
        certificates=(certificate,),
    )


async def add_institutions(bench: Bench, numbers: range) -> list[Institution]:
    """Puts institutions on record."""
    added = [institution(number) for number in numbers]
    async with bench.engine.begin() as connection:
        await institutions.save(connection, added)
    return added


async def add_filings(bench: Bench, numbers: range) -> tuple[list[CaseStart], str]:
    """Filings ready to start, each with a complete draft on record; and the draft's sha256."""
    document = RuleLibrary(bench.settings.rules).resolve(YEAR, NATION).document
    rules = CompiledRules(document)
    parts = [part.id for part in rules.document.filing.parts]
    content = {part: blank_example(rules.form(part)) for part in parts}
    now = datetime.now(UTC)
    owners = await add_institutions(bench, numbers)
    starts = [filing_start(YEAR, "bench", rules, one.facts_for(None), now) for one in owners]
    async with bench.engine.begin() as connection:
        pinned = await rule_sets.store(connection, document)
        campaign = CampaignStart(
            case_id="bench",
            year=YEAR,
            jurisdiction=NATION,
            opened_by=Actor(subject="bench-operator", role=Role.OPERATOR, scope=NATION),
            requested_at=now,
            rule_sets={NATION: pinned},
            stages=(),
            command_id="bench",
        )
        await campaigns.add(connection, campaign)
        # nobody has opened it: whoever looks for campaigns without a process is to find none
        await connection.execute(update(table).values(stage="ended"))
        sha256 = sha256_of(content)
        keys = await hiding_each(connection, [start.case_id for start in starts])
        rows: list[dict[str, Any]] = [
            {
                "case_id": start.case_id,
                "revision": 1,
                "sha256": sha256,
                "content": keys[start.case_id].of(content, "1"),
                "saved_by": "bench-filer",
                "saved_at": now,
            }
            for start in starts
        ]
        await connection.execute(insert(revisions), rows)
    return starts, sha256
