"""Our values in the engine's payloads: Pydantic's JSON, its type adapters made once a process.

The SDK makes a new converter for each workflow task, and its own Pydantic converter keeps its
adapters to itself: the union of all commands would be built anew for every case.
"""

import dataclasses

from temporalio.contrib.pydantic import PydanticJSONPlainPayloadConverter, pydantic_data_converter
from temporalio.converter import CompositePayloadConverter, DefaultPayloadConverter

_CONVERTERS = tuple(
    PydanticJSONPlainPayloadConverter() if one.encoding == "json/plain" else one
    for one in DefaultPayloadConverter().converters.values()
)


class ValueConverter(CompositePayloadConverter):
    """The SDK's Pydantic converter, sharing what it knows of types."""

    def __init__(self) -> None:
        super().__init__(*_CONVERTERS)


VALUES = dataclasses.replace(pydantic_data_converter, payload_converter_class=ValueConverter)
