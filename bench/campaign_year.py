"""An operator's year over the whole register: ``python -m bench.campaign_year``.

Seconds for a forecast (20 wanted for 54,000), for putting everybody's filing on record (180), and
for the figures by county, now (0.2) and as of a moment before. Beside them a bare count of the
same rows in the same database: how many times as long the figures take.
"""

import argparse
import asyncio
import json
import time
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import text

from bench.seeds import NATION, YEAR
from bench.system import Bench, servers
from domain.campaigns import CampaignStart
from domain.case.commands import Actor, Role
from domain.facts import CertificateFacts, InstitutionFacts
from domain.ids import campaign_id
from domain.numbers.quarters import Period
from rules.check.checks import unfit
from rules.compiled import CompiledRules
from rules.file.catalogue import cached_catalogue
from services.campaigns.forecast import forecast
from services.campaigns.launch import PAGE, put_on_record
from services.campaigns.opening import record_opening
from services.campaigns.progress import ProgressService
from services.clock import system_clock
from services.publishing import fit_to_publish
from services.rule_sets import PinnedRules
from services.starts import filing_start
from store import institutions, rule_sets
from store.institutions import Institution

_OPERATOR = Actor(subject="bench-operator", role=Role.OPERATOR, scope=NATION)
_BARE = "SELECT count(*) FILTER (WHERE status = 'draft') FROM cases WHERE campaign = :campaign"


def everybody(number: int, counties: list[str]) -> list[Institution]:
    """Generated institutions all over the country, each with a certificate of its province."""
    made = []
    for n in range(number):
        region = counties[n % len(counties)]
        certificate = CertificateFacts(
            number=f"24{n:010d}",
            level="provincial",
            issuer=f"amr-{region[:2]}0000",
            scope=100,
            valid_to=date(2099, 1, 1),
        )
        made.append(
            Institution(
                name=f"测试机构 {n}（生成）",
                uscc="",
                previous_reviewer=None,
                facts=InstitutionFacts(id=f"bench-{n:06d}", region=region),
                certificates=(certificate,),
            )
        )
    return made


async def main(number: int) -> dict[str, Any]:
    """The seconds that each takes."""
    async with servers() as bench:
        return await measured(bench, number)


async def measured(bench: Bench, number: int) -> dict[str, Any]:
    catalogue = cached_catalogue(bench.settings.rules)
    counties = [code for code in sorted(catalogue.areas) if catalogue.tree.level(code) == "county"]
    added = everybody(number, counties)
    async with bench.engine.begin() as connection:
        await institutions.save(connection, added)
    sets = fit_to_publish(bench.settings.rules, YEAR, NATION, unfit)
    documents = {one.jurisdiction: one.document for one in sets}
    compiled = {place: CompiledRules(document) for place, document in documents.items()}
    now, taken = datetime.now(UTC), {}
    since = time.perf_counter()
    async with bench.engine.connect() as connection:
        told = await forecast(
            connection, compiled, catalogue.areas, Period(YEAR), NATION, now, opened=False
        )
    taken["forecast"] = time.perf_counter() - since
    campaign = campaign_id(YEAR, NATION)
    async with bench.engine.begin() as connection:
        pinned = {p: await rule_sets.store(connection, d) for p, d in documents.items()}
        await record_opening(
            connection,
            CampaignStart(
                case_id=campaign,
                year=YEAR,
                jurisdiction=NATION,
                opened_by=_OPERATOR,
                requested_at=now,
                rule_sets=pinned,
                stages=(),
                command_id="bench",
            ),
        )
    since = time.perf_counter()
    for first in range(0, number, PAGE):
        page = added[first : first + PAGE]
        await put_on_record(
            bench.engine,
            [filing_start(YEAR, campaign, compiled[NATION], i.facts_for(None), now) for i in page],
            now,
        )
    taken["on record"] = time.perf_counter() - since
    async with bench.engine.connect() as connection:
        await connection.execute(text("ANALYZE"))
        await connection.commit()
    pins = PinnedRules(bench.engine)
    service = ProgressService(bench.engine, pins, catalogue, system_clock)
    for name, moment in (("figures", None), ("figures then", now + timedelta(microseconds=1))):
        seconds = []
        for _ in range(4):
            since = time.perf_counter()
            figures = await service.figures(Period(YEAR), NATION, as_of=moment)
            seconds.append(time.perf_counter() - since)
        assert figures.total.must + figures.total.voluntary == number
        taken[name] = min(seconds)
    async with bench.engine.connect() as connection:
        since = time.perf_counter()
        await connection.execute(text(_BARE), {"campaign": campaign})
        bare = time.perf_counter() - since
    return {
        "institutions": number,
        "must": told.must,
        "rows": len(figures.rows),
        "seconds": {name: round(value, 3) for name, value in taken.items()},
        "figures, of a bare count": round(taken["figures"] / bare, 1),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--number", type=int, default=54_000, help="institutions")
    parser.add_argument("--short", action="store_true", help="a few: that it still runs")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    result = asyncio.run(main(1_000 if given.short else given.number))
    if given.json:
        print(json.dumps(result, ensure_ascii=False))
    else:
        for key, value in result.items():
            print(f"{key:26}{value}")
