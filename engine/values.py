"""Our values in the engine's payloads: Pydantic's JSON, its type adapters made once a process.

The SDK makes a new converter for each workflow task, and its own Pydantic converter keeps its
adapters to itself: the union of all commands would be built anew for every case.

What is long is compressed: the engine keeps every payload for ten years, and a plan or a step is
half as long then. What was written plain is read as before.

What a workflow tells a local activity never leaves its process and stands in no history: it is
neither compressed nor, by `engine.codec`, hidden.
"""

import dataclasses
import zlib
from collections.abc import Sequence
from typing import Any, Self, cast

from pydantic_core import to_json
from temporalio.api.common.v1 import Payload
from temporalio.contrib.pydantic import PydanticJSONPlainPayloadConverter, pydantic_data_converter
from temporalio.converter import (
    ActivitySerializationContext,
    CompositePayloadConverter,
    DefaultPayloadConverter,
    EncodingPayloadConverter,
    SerializationContext,
)
from temporalio.workflow import in_workflow

COMPRESSED = "json/zlib"
WITHIN = "json/within"
"""Of what stays within the process that writes it."""

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


class _Within(EncodingPayloadConverter):
    """Reads what is told to a local activity."""

    @property
    def encoding(self) -> str:
        return WITHIN

    def to_payload(self, value: Any) -> Payload | None:
        return None

    def from_payload(self, payload: Payload, type_hint: type | None = None) -> Any:
        return _JSON.from_payload(payload, type_hint)


_CONVERTERS = (
    *(
        _JSON if one.encoding == _JSON.encoding else one
        for one in DefaultPayloadConverter().converters.values()
    ),
    _CompressedJson(),
    _Within(),
)


class ValueConverter(CompositePayloadConverter):
    """The SDK's Pydantic converter, sharing what it knows of types."""

    def __init__(self) -> None:
        super().__init__(*_CONVERTERS)

    def with_context(self, context: SerializationContext) -> Self:
        """What writes in a context: within a workflow, for a local activity, nothing but plain.

        Its result is written by the activity, not here, and goes to the engine.
        """
        local = isinstance(context, ActivitySerializationContext) and context.is_local
        return cast("Self", _TO_LOCAL) if local and in_workflow() else self


class _ToLocalActivities(ValueConverter):
    """Writes what `_Within` reads, and reads everything."""

    def to_payloads(self, values: Sequence[Any]) -> list[Payload]:
        metadata = {"encoding": WITHIN.encode()}
        return [Payload(metadata=metadata, data=to_json(value)) for value in values]

    def with_context(self, context: SerializationContext) -> Self:
        return self


_TO_LOCAL = _ToLocalActivities()

VALUES = dataclasses.replace(pydantic_data_converter, payload_converter_class=ValueConverter)
