"""How our values lie in the engine: long ones compressed, and what was written plain still read."""

import dataclasses
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from temporalio import activity, workflow
from temporalio.api.common.v1 import Payload
from temporalio.client import Client
from temporalio.converter import ActivitySerializationContext
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from domain.case.commands import SYSTEM, Release
from engine.codec import HIDDEN, Encrypting, payloads_in
from engine.orders import Secret
from engine.values import COMPRESSED, VALUES, WITHIN

CONVERTER = VALUES.payload_converter
RELEASE = Release(id="1", actor=SYSTEM, received_at=datetime(2025, 3, 21, tzinfo=UTC))


def encoding(payload: Payload) -> str:
    return payload.metadata["encoding"].decode()


def test_a_long_value_is_compressed_and_read_again() -> None:
    long = RELEASE.model_copy(update={"note_sha256": "ab" * 32, "id": "x" * 200})
    payload = CONVERTER.to_payload(long)
    assert encoding(payload) == COMPRESSED
    assert len(payload.data) < len(long.model_dump_json()) / 2
    assert CONVERTER.from_payload(payload, Release) == long


@pytest.mark.parametrize("value", [RELEASE, None, "draft", b"bytes", {"k": [1, "二"]}])
def test_a_short_value_stays_as_it_is(value: object) -> None:
    payload = CONVERTER.to_payload(value)
    assert encoding(payload) != COMPRESSED
    assert CONVERTER.from_payload(payload, type(value)) == value


def test_a_long_value_written_plain_is_read_as_before() -> None:
    text = "一" * 1000
    plain = Payload(metadata={"encoding": b"json/plain"}, data=f'"{text}"'.encode())
    assert CONVERTER.from_payload(plain, str) == text
    assert CONVERTER.from_payload(CONVERTER.to_payload(text), str) == text


def test_outside_a_workflow_nothing_is_written_as_for_a_local_activity() -> None:
    """What an activity answers is written with the same words about where, and goes far."""
    context = ActivitySerializationContext("n", "1", "record_steps", "q", "w", "filing", True)
    payload = VALUES.with_context(context).payload_converter.to_payload(RELEASE)
    assert encoding(payload) != WITHIN


@workflow.defn(name="asking")
class Asking:
    """Has something said by a local activity and by another one."""

    @workflow.run
    async def run(self, secret: str) -> str:
        soon = timedelta(seconds=10)
        near = await workflow.execute_local_activity(
            repeated, secret + "near", start_to_close_timeout=soon
        )
        far = await workflow.execute_activity(repeated, secret + "far", start_to_close_timeout=soon)
        return near + far


@activity.defn
async def repeated(what: str) -> str:
    """Says it again."""
    return what * 40


@pytest.mark.anyio
async def test_what_a_local_activity_is_told_stands_nowhere_and_all_else_is_hidden(
    dev_engine: WorkflowEnvironment,
) -> None:
    told: list[str] = []

    class Listening(Encrypting):
        async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
            told.extend(encoding(payload) for payload in payloads)
            return await super().encode(payloads)

    door = dataclasses.replace(VALUES, payload_codec=Listening(lambda: [Secret("one", b"k" * 32)]))
    ours = dev_engine.client
    client = Client(ours.service_client, namespace=ours.namespace, data_converter=door)
    worker = Worker(
        client,
        task_queue="asking",
        workflows=[Asking],
        activities=[repeated],
        workflow_runner=UnsandboxedWorkflowRunner(),
    )
    async with worker:
        handle = await client.start_workflow(
            Asking.run, "figure-", id="asking", task_queue="asking"
        )
        assert await handle.result() == "figure-near" * 40 + "figure-far" * 40
    plain = dev_engine.client.get_workflow_handle("asking")
    history = await plain.fetch_history()
    assert told.count(WITHIN) == 1
    kept = [payload for event in history.events for payload in payloads_in(event)]
    hidden = [payload for payload in kept if payload.metadata["encoding"] == HIDDEN]
    # sent, told to the other activity, answered by both, the result
    assert len(hidden) == 5
    assert all(encoding(payload) != WITHIN for payload in kept)
    assert b"figure-" not in b"".join(event.SerializeToString() for event in history.events)
