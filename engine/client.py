"""The workflow engine's errors, told as refusals."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from temporalio.client import (
    Client,
    RPCTimeoutOrCancelledError,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.converter import DataConverter
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode, TLSConfig

from domain.refusals import Code, Refusal, Refused
from engine.codec import Encrypting
from engine.orders import Secrets, Signing
from engine.values import VALUES


@dataclass(frozen=True)
class Door:
    """How a client comes to the engine: by which secrets it signs and hides, and how it connects.

    ``payloads`` None: what it sends is readable at the engine; what is hidden is not read then.
    """

    commands: Secrets
    payloads: Secrets | None = None
    tls: bool | TLSConfig = False
    api_key: str | None = None

    @property
    def converter(self) -> DataConverter:
        """Our values, hidden from the engine."""
        if self.payloads is None:
            return VALUES
        return dataclasses.replace(VALUES, payload_codec=Encrypting(self.payloads))


async def connect_engine(address: str, namespace: str, door: Door | None = None) -> Client:
    """A client of the workflow engine that writes and reads our values.

    Without a door what it sends is nobody's word, and processes do nothing for it.
    """
    if door is None:
        return await Client.connect(address, namespace=namespace, data_converter=VALUES)
    return await Client.connect(
        address,
        namespace=namespace,
        data_converter=door.converter,
        interceptors=[Signing(door.commands)],
        tls=door.tls,
        api_key=door.api_key,
    )


def through(client: Client, door: Door) -> Client:
    """The same connection, through a door."""
    return Client(
        client.service_client,
        namespace=client.namespace,
        data_converter=door.converter,
        interceptors=[Signing(door.commands)],
    )


async def no_engine() -> Client:
    """A client that reaches no engine, for a part that asks none."""
    return await Client.connect("127.0.0.1:1", lazy=True)


ANSWER_WITHIN = timedelta(seconds=11)
"""How long an act may take before its sender is told to ask again with the same key."""


class WorkflowGone(Exception):
    """The engine knows no running workflow of this id."""


@asynccontextmanager
async def translated() -> AsyncIterator[None]:
    """Turns the engine's errors into Refused; WorkflowGone where no workflow is running."""
    try:
        # the client asks on and on while the engine has an update and no worker takes it
        async with asyncio.timeout(ANSWER_WITHIN.total_seconds() + 1):
            yield
    except WorkflowUpdateFailedError as failure:
        raise Refused(_refusal_in(failure.cause)) from None
    except (TimeoutError, WorkflowUpdateRPCTimeoutOrCancelledError, RPCTimeoutOrCancelledError):
        raise Refused(Refusal(code=Code.UNAVAILABLE, params={"part": "流程引擎"})) from None
    except RPCError as failure:
        if failure.status is RPCStatusCode.NOT_FOUND:
            raise WorkflowGone from None
        code = Code.BUSY if failure.status is RPCStatusCode.RESOURCE_EXHAUSTED else Code.UNAVAILABLE
        raise Refused(Refusal(code=code, params={"part": "流程引擎"})) from None


def _refusal_in(cause: BaseException | None) -> Refusal:
    if isinstance(cause, ApplicationError) and cause.details:
        return Refusal.model_validate(cause.details[0])
    # an undecodable argument or an unknown update: ours to mend, not the sender's
    return Refusal(code=Code.INTERNAL)
