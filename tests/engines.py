"""Workflow engines of tests: namespaces of one server, since a server of one's own costs more.

Half a second of processor time goes by before a server stands still, and a namespace that it has
from its start costs a fiftieth of that. Nothing of what is in one namespace shows in another.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from deploy.embedded.temporal import temporal_binary
from engine.search_attributes import INSTITUTION, JURISDICTION, YEAR
from engine.values import VALUES

AT_ONCE = 32
"""Namespaces of a server; whoever asks for one more has the next server started."""


@dataclass
class _Server:
    """A server, its namespaces that nobody has had, and how many are in use."""

    environment: WorkflowEnvironment
    free: list[str]
    used: int = 0


_servers: list[_Server] = []


@asynccontextmanager
async def fresh_engine() -> AsyncIterator[WorkflowEnvironment]:
    """An engine in real time with nothing in it, that nobody else is given."""
    if not _servers or not _servers[-1].free:
        names = [f"test-{number}" for number in range(AT_ONCE)]
        environment = await start_server([x for name in names for x in ("--namespace", name)])
        _servers.append(_Server(environment, names))
    server = _servers[-1]
    address = server.environment.client.service_client.config.target_host
    namespace = server.free.pop()
    server.used += 1
    try:
        client = await Client.connect(address, namespace=namespace, data_converter=VALUES)
        yield WorkflowEnvironment.from_client(client)
    finally:
        server.used -= 1
        if not server.used and not server.free:
            _servers.remove(server)
            await server.environment.shutdown()


async def end_servers() -> None:
    """Ends all servers that engines of tests were on."""
    while _servers:
        await _servers.pop().environment.shutdown()


async def start_server(arguments: list[str] | None = None) -> WorkflowEnvironment:
    """A server that whoever asks for it also shuts down."""
    return await WorkflowEnvironment.start_local(
        data_converter=VALUES,
        dev_server_existing_path=str(temporal_binary()),
        dev_server_log_level="error",
        dev_server_extra_args=arguments or [],
        search_attributes=[YEAR, JURISDICTION, INSTITUTION],
    )
