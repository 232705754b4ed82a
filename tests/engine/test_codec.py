"""What the engine keeps of us cannot be read there, and by us as long as a key holds."""

import pytest
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowHistory

from engine.codec import HIDDEN, Encrypting, Unreadable, shown
from engine.orders import Secret

pytestmark = pytest.mark.anyio

OLD, NEW = (Secret(name, name.encode() * 8) for name in ("old1", "new1"))
PLAIN = Payload(metadata={"encoding": b"json/plain"}, data="检验检测机构".encode() * 20)


def codec(*keys: Secret) -> Encrypting:
    return Encrypting(lambda: keys)


async def test_what_is_hidden_says_nothing_but_the_name_of_its_key() -> None:
    [hidden] = await codec(OLD).encode([PLAIN])
    assert dict(hidden.metadata) == {"encoding": HIDDEN, "key": b"old1"}
    assert "检验".encode() not in hidden.SerializeToString()
    assert b"json/plain" not in hidden.SerializeToString()
    [again] = await codec(OLD).encode([PLAIN])
    assert again.data != hidden.data
    assert await codec(OLD).decode([hidden]) == [PLAIN]


async def test_keys_rotate_and_what_was_hidden_before_is_read_until_its_key_ends() -> None:
    [before] = await codec(OLD).encode([PLAIN])
    [after] = await codec(NEW, OLD).encode([PLAIN])
    assert after.metadata["key"] == b"new1"
    assert await codec(NEW, OLD).decode([before, after]) == [PLAIN, PLAIN]
    with pytest.raises(Unreadable, match="old1"):
        await codec(NEW).decode([before])


async def test_what_was_written_plain_is_read_as_before() -> None:
    assert await codec(NEW).decode([PLAIN]) == [PLAIN]


async def test_what_was_altered_is_not_read() -> None:
    [hidden] = await codec(OLD, NEW).encode([PLAIN])
    altered = Payload(metadata=hidden.metadata, data=hidden.data[:-1] + b"\x00")
    renamed = Payload(metadata={**hidden.metadata, "key": b"new1"}, data=hidden.data)
    for wrong in (altered, renamed):
        with pytest.raises(Unreadable):
            await codec(OLD, NEW).decode([wrong])


async def test_a_history_is_kept_with_nothing_hidden_in_it() -> None:
    event = HistoryEvent(event_id=1)
    started = event.workflow_execution_started_event_attributes
    started.input.payloads.extend(await codec(OLD).encode([PLAIN]))
    marked = HistoryEvent(event_id=2)
    details = marked.marker_recorded_event_attributes.details
    details["result"].CopyFrom(Payloads(payloads=await codec(OLD).encode([PLAIN])))
    history = await shown(WorkflowHistory("w", [event, marked]), codec(OLD))
    assert history.events[0].workflow_execution_started_event_attributes.input.payloads == [PLAIN]
    kept = history.events[1].marker_recorded_event_attributes.details["result"]
    assert kept.payloads == [PLAIN]
