"""Workflow engines of tests: namespaces of one server, since a server of one's own costs more.

Half a second of processor time goes by before a server stands still, and a namespace that it has
from its start costs a fiftieth of that. Nothing of what is in one namespace shows in another.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from deploy.embedded.temporal import temporal_binary
from engine.search_attributes import INSTITUTION, JURISDICTION, YEAR
from engine.values import VALUES

AT_ONCE = 24
"""Namespaces of a server; with the last one in use the next server is started."""


_servers: list[WorkflowEnvironment] = []
_free: list[tuple[str, str]] = []


@asynccontextmanager
async def fresh_engine() -> AsyncIterator[WorkflowEnvironment]:
    """An engine in real time with nothing in it, that nobody else is given."""
    if not _free:
        names = [f"test-{number}" for number in range(AT_ONCE)]
        server = await start_server([part for name in names for part in ("--namespace", name)])
        _servers.append(server)
        address = server.client.service_client.config.target_host
        _free.extend((address, name) for name in names)
    address, namespace = _free.pop()
    client = await Client.connect(address, namespace=namespace, data_converter=VALUES)
    yield WorkflowEnvironment.from_client(client)


async def end_servers() -> None:
    """Ends all servers that engines of tests were on."""
    while _servers:
        await _servers.pop().shutdown()


async def start_server(arguments: list[str] | None = None) -> WorkflowEnvironment:
    """A server that whoever asks for it also shuts down."""
    return await WorkflowEnvironment.start_local(
        data_converter=VALUES,
        dev_server_existing_path=str(temporal_binary()),
        dev_server_log_level="error",
        dev_server_extra_args=arguments or [],
        search_attributes=[YEAR, JURISDICTION, INSTITUTION],
    )
