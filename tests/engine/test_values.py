"""How our values lie in the engine: long ones compressed, and what was written plain still read."""

from datetime import UTC, datetime

import pytest
from temporalio.api.common.v1 import Payload

from domain.case.commands import SYSTEM, Release
from engine.values import COMPRESSED, VALUES

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
