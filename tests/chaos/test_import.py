"""Worker and API are killed in the middle of a file of certificates: nothing twice, no gap."""

import asyncio
import time
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from domain.case.commands import Role
from domain.facts import CertificateFacts, InstitutionFacts
from domain.ids import NATION
from files.roster import RosterInstitution, roster_csv
from store.database import connect
from tests.chaos.machine import Machine, open_rules
from tests.chaos.people import People
from tests.import_files import CSV, five_thousand, row, table
from tests.system import OPERATOR

pytestmark = pytest.mark.anyio

ISSUER = "amr-350000"
CLERK = (Role.CLERK, "issuing-clerk", ISSUER)


async def survive(data: Path, rules: Path, count: int, kills: int, within: float) -> None:
    """Imports a file with 37 bad rows while the worker is killed again and again."""
    content, _ = five_thousand(count)
    good = count - 37
    machine, random = Machine(data, rules), Random(1)
    async with machine.running(), httpx.AsyncClient(timeout=60) as http:
        people = People(machine.url, http, random)
        await people.ask(
            "POST",
            "/api/institutions/imports",
            (OPERATOR, "operator-1", NATION),
            "roster",
            content=roster_csv([holder()]),
            headers={"Content-Type": CSV},
        )
        begun = time.monotonic()
        sent = await people.ask(
            "POST",
            "/api/certificates/imports?mode=good",
            CLERK,
            "import",
            content=content,
            headers={"Content-Type": CSV},
        )
        for number in range(1, kills + 1):
            await issued(people, sent["id"], good * number // (kills + 1), within)
            await machine.kill("worker", random)
        shown = await issued(people, sent["id"], good, within)
        print(f"{good} certificates, {kills} kills: {time.monotonic() - begun:.0f} s")
        assert shown["counts"] == {"bad": 37, "issued": good}
        assert shown["stage"] == "done"
        await confirm(machine.settings["DATABASE_URL"], good)


def holder() -> RosterInstitution:
    """Whoever has the number already that one row of the file claims."""
    return RosterInstitution(
        institution=InstitutionFacts(id="other", region="350102"),
        name="另一机构（生成）",
        certificates=(
            CertificateFacts.model_validate(
                {
                    "number": "241301069999",
                    "level": "provincial",
                    "issuer": ISSUER,
                    "scope": 1,
                    "valid_to": "2090-01-01",
                }
            ),
        ),
    )


async def issued(people: People, id_: str, wanted: int, within: float) -> dict[str, Any]:
    """The import once so many of its certificates have been issued."""
    deadline = time.monotonic() + within
    while True:
        path = f"/api/certificates/imports/{id_}"
        shown: dict[str, Any] = await people.ask("GET", path, CLERK, "look")
        enough = shown["counts"].get("issued", 0) >= wanted
        if enough and (shown["stage"] == "done" or shown["counts"].get("waiting")):
            return shown
        assert time.monotonic() < deadline, shown["counts"]
        await asyncio.sleep(0.1)


async def confirm(database_url: str, good: int) -> None:
    """Each certificate stands once, with the next number; no case is left over."""
    engine = connect(database_url)
    async with engine.connect() as connection:
        rows = await connection.execute(
            text("SELECT number, count(DISTINCT case_id) FROM certificates"
                 " WHERE origin = 'issued' GROUP BY number ORDER BY number")
        )  # fmt: skip
        assert [tuple(row) for row in rows] == [
            (f"25130106{serial:04d}", 1) for serial in range(1, good + 1)
        ]
        cases = await connection.execute(
            text("SELECT status, count(*) FROM cases WHERE kind = 'certificate' GROUP BY status")
        )
        assert [tuple(row) for row in cases] == [("completed", good)]
    await engine.dispose()


async def test_a_worker_killed_in_the_middle_of_a_file_is_no_loss(short_folder: Path) -> None:
    await survive(short_folder / "import", open_rules(short_folder), 114, kills=1, within=100)


async def test_an_api_killed_before_it_hands_a_file_over_is_no_loss(short_folder: Path) -> None:
    machine, random = Machine(short_folder / "import-left", open_rules(short_folder)), Random(1)
    content = table(row(1), row(2, year="x"), row(3))
    async with machine.running(), httpx.AsyncClient(timeout=60) as http:
        people = People(machine.url, http, random)
        with machine.frozen("temporal"):
            sent = asyncio.create_task(
                http.post(
                    f"{machine.url()}/api/certificates/imports?mode=good",
                    content=content,
                    headers={
                        "Authorization": f"Bearer {people.token(CLERK)}",
                        "Idempotency-Key": "import",
                        "Content-Type": CSV,
                    },
                )
            )
            id_ = await kept(machine.settings["DATABASE_URL"])
            await machine.kill("api", random)
            with pytest.raises(httpx.TransportError):
                await sent
        # nobody sends it again
        shown = await issued(people, id_, 2, within=100)
        assert (shown["stage"], shown["counts"]) == ("done", {"bad": 1, "issued": 2})
        await confirm(machine.settings["DATABASE_URL"], 2)


async def kept(database_url: str) -> str:
    """The id of the only import, once it is on record and to be worked through."""
    engine = connect(database_url)
    try:
        async with asyncio.timeout(30):
            while True:
                async with engine.connect() as connection:
                    query = "SELECT id FROM certificate_imports WHERE stage = 'working'"
                    found = (await connection.execute(text(query))).scalar()
                if found is not None:
                    return str(found)
                await asyncio.sleep(0.02)
    finally:
        await engine.dispose()


@pytest.mark.slow
@pytest.mark.timeout(3600)
async def test_five_thousand_rows_with_37_bad_ones_and_three_kills(short_folder: Path) -> None:
    await survive(
        short_folder / "import-long", open_rules(short_folder), 5_000, kills=3, within=3000
    )
