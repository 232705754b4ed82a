"""Our values in the engine's payloads: Pydantic's JSON, its type adapters made once a process.

The SDK makes a new converter for each workflow task, and its own Pydantic converter keeps its
adapters to itself: the union of all commands would be built anew for every case.

What is long is compressed: the engine keeps every payload for ten years, and a plan or a step is
half as long then. What was written plain is read as before.
"""

import dataclasses
import zlib
from typing import Any

from temporalio.api.common.v1 import Payload
from temporalio.contrib.pydantic import PydanticJSONPlainPayloadConverter, pydantic_data_converter
from temporalio.converter import (
    CompositePayloadConverter,
    DefaultPayloadConverter,
    EncodingPayloadConverter,
)

COMPRESSED = "json/zlib"
_LONG = 300
"""Bytes of JSON below which compressing saves less than the longer name of the encoding costs."""


class _Json(PydanticJSONPlainPayloadConverter):
    """Pydantic's JSON, compressed where it is long."""

    def to_payload(self, value: Any) -> Payload | None:
        plain = super().to_payload(value)
        if plain is None or len(plain.data) < _LONG:
            return plain
        return Payload(metadata={"encoding": COMPRESSED.encode()}, data=zlib.compress(plain.data))


_JSON = _Json()


class _CompressedJson(EncodingPayloadConverter):
    """Reads what `_Json` has compressed."""

    @property
    def encoding(self) -> str:
        return COMPRESSED

    def to_payload(self, value: Any) -> Payload | None:
        return None

    def from_payload(self, payload: Payload, type_hint: type | None = None) -> Any:
        plain = Payload(metadata=payload.metadata, data=zlib.decompress(payload.data))
        return _JSON.from_payload(plain, type_hint)


_CONVERTERS = (
    *(
        _JSON if one.encoding == _JSON.encoding else one
        for one in DefaultPayloadConverter().converters.values()
    ),
    _CompressedJson(),
)


class ValueConverter(CompositePayloadConverter):
    """The SDK's Pydantic converter, sharing what it knows of types."""

    def __init__(self) -> None:
        super().__init__(*_CONVERTERS)


VALUES = dataclasses.replace(pydantic_data_converter, payload_converter_class=ValueConverter)
