"""The workflow engine's errors, each told as the refusal a person can act on."""

import pytest
from temporalio.client import (
    RPCTimeoutOrCancelledError,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.exceptions import ActivityError, ApplicationError, RetryState
from temporalio.service import RPCError, RPCStatusCode

from domain.citation import Citation
from domain.refusals import Code, Refusal, Refused
from engine.client import WorkflowGone, translated

pytestmark = pytest.mark.anyio

REFUSAL = Refusal(
    code=Code.FILL_CLOSED, params={"x": "y"}, cite=Citation(document="测试文号", clause="一")
)


def rpc(status: RPCStatusCode) -> RPCError:
    return RPCError("secret of the engine", status, b"")


def application(*details: object) -> ApplicationError:
    return ApplicationError("fill_closed", *details, type="fill_closed", non_retryable=True)


ACTIVITY = ActivityError(
    "an activity failed", scheduled_event_id=1, started_event_id=2, identity="", activity_type="",
    activity_id="", retry_state=RetryState.NON_RETRYABLE_FAILURE,
)  # fmt: skip

FAILURES: dict[str, tuple[BaseException, Code]] = {
    "a refusal": (
        WorkflowUpdateFailedError(application(REFUSAL.model_dump(mode="json"))),
        Code.FILL_CLOSED,
    ),
    "a failure without details": (WorkflowUpdateFailedError(application()), Code.INTERNAL),
    "an activity that failed": (WorkflowUpdateFailedError(ACTIVITY), Code.INTERNAL),
    "an update that took too long": (WorkflowUpdateRPCTimeoutOrCancelledError(), Code.UNAVAILABLE),
    "a call that took too long": (
        RPCTimeoutOrCancelledError("timeout", RPCStatusCode.CANCELLED, b""),
        Code.UNAVAILABLE,
    ),
    "time that ran out": (TimeoutError(), Code.UNAVAILABLE),
    "too many requests": (rpc(RPCStatusCode.RESOURCE_EXHAUSTED), Code.BUSY),
    "nobody there": (rpc(RPCStatusCode.UNAVAILABLE), Code.UNAVAILABLE),
    "a deadline": (rpc(RPCStatusCode.DEADLINE_EXCEEDED), Code.UNAVAILABLE),
    "something inside": (rpc(RPCStatusCode.INTERNAL), Code.UNAVAILABLE),
}


@pytest.mark.parametrize("name", FAILURES)
async def test_an_error_of_the_engine_is_told_as_a_refusal(name: str) -> None:
    failure, code = FAILURES[name]
    with pytest.raises(Refused) as refused:
        async with translated():
            raise failure
    assert refused.value.refusal.code is code
    assert "secret" not in refused.value.refusal.model_dump_json()


async def test_a_refusal_arrives_with_all_it_was_sent_with() -> None:
    with pytest.raises(Refused) as refused:
        async with translated():
            raise FAILURES["a refusal"][0]
    assert refused.value.refusal == REFUSAL


async def test_a_workflow_that_is_gone_is_no_refusal_but_a_case_to_look_up() -> None:
    with pytest.raises(WorkflowGone):
        async with translated():
            raise rpc(RPCStatusCode.NOT_FOUND)


async def test_an_error_that_is_not_the_engines_passes_as_it_is() -> None:
    with pytest.raises(ZeroDivisionError):
        async with translated():
            raise ZeroDivisionError
