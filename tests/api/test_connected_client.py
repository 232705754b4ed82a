"""The example client of the documentation against a running server."""

import asyncio
import re
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import uvicorn
from sqlalchemy import text

from api.door.app import create_app
from deploy.embedded.postgres import EmbeddedPostgres
from tests.api.conftest import whole_system
from tests.certificates import ISSUER
from tests.connected import Client, connected_rules, register
from tests.system import System

pytestmark = pytest.mark.anyio

SCRIPT = Path(__file__).resolve().parents[2] / "docs" / "examples" / "connected_client.py"


@pytest.fixture(scope="module")
async def house(
    postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[System]:
    rules = connected_rules(tmp_path_factory.mktemp("rules") / "rules", ISSUER)
    async with whole_system(postgres, rules) as found:
        yield found


@pytest.fixture(scope="module")
async def address(house: System) -> AsyncIterator[str]:
    """The same application behind a real HTTP server."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        config = uvicorn.Config(
            create_app(house.parts), log_config=None, access_log=False, lifespan="off", ws="none"
        )
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        while not server.started:
            await asyncio.sleep(0.01)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        await serving


async def run(address: str, client: Client, **more: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(SCRIPT),
        env={
            "LANG": "C.UTF-8",
            "API": address,
            "CLIENT_ID": client.id,
            "CLIENT_SECRET": client.secret,
            "RUN": "walk",
            **more,
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode or 0, out.decode(), err.decode()


@pytest.mark.parametrize("sandbox", [True, False])
async def test_the_example_client_goes_the_whole_way(
    house: System, address: str, sandbox: bool
) -> None:
    client = await register(house, sandbox=sandbox, signed_in=False)
    code, out, err = await run(address, client)
    assert code == 0, out + err
    lines = out.splitlines()
    assert lines[0] == f"凭证：amr-350000，600 秒内有效，联调：{'是' if sandbox else '否'}"
    found_number = re.search("编号 ([0-9]{12})，", lines[1])
    assert found_number
    number = found_number[1]
    assert number.startswith("2599" if sandbox else "25130106")
    assert ("?s=" in lines[2]) is not sandbox
    assert lines[3] == "重送：同一回执，没有第二张证书"
    assert lines[4] == "两处有误：content_incomplete"
    assert [line.split()[0] for line in lines[5:7]] == ["/content/uscc", "/content/field"]
    assert lines[7] == f"终止：编号 {number}，注销"
    assert lines[8] == "查回执：与当时答复的一致"
    async with house.engine.connect() as connection:
        found = await connection.execute(
            text("SELECT status FROM certificates WHERE number = :number"), {"number": number}
        )
    assert found.scalar_one_or_none() == (None if sandbox else "deregistered")


async def test_the_example_client_with_a_wrong_secret_is_told_and_stops(
    house: System, address: str
) -> None:
    client = await register(house, sandbox=True, signed_in=False)
    code, out, err = await run(address, client, CLIENT_SECRET="wrong")
    assert code != 0
    assert "得到 401" in err
    assert "送达" not in out
