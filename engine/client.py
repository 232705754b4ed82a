"""The workflow engine's errors, told as refusals."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from temporalio.client import (
    Client,
    RPCTimeoutOrCancelledError,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from domain.refusals import Code, Refusal, Refused
from engine.values import VALUES


async def connect_engine(address: str, namespace: str) -> Client:
    """A client of the workflow engine that writes and reads our values."""
    return await Client.connect(address, namespace=namespace, data_converter=VALUES)


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
