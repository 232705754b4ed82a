"""What the engine keeps of us is hidden from it: AES-256-GCM, the key's id beside what it hides.

What was written plain is read as before, and so is what any key hides that still holds.
"""

import secrets
from collections.abc import Iterable, Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from temporalio.api.common.v1 import Payload
from temporalio.client import WorkflowHistory
from temporalio.converter import PayloadCodec

from engine.orders import Secrets
from engine.values import WITHIN

HIDDEN = b"binary/encrypted"
_WITHIN = WITHIN.encode()
_NONCE = 12


class Unreadable(Exception):
    """What the engine keeps was hidden with a key that nobody has any more, or is not ours."""


class Encrypting(PayloadCodec):
    """Hides payloads, and shows them again."""

    def __init__(self, keys: Secrets) -> None:
        self._keys = keys
        self._ciphers: dict[bytes, AESGCM] = {}

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Each payload with all that is said of it, hidden."""
        if all(payload.metadata.get("encoding") == _WITHIN for payload in payloads):
            # what a local activity is told goes nowhere, see `engine.values`
            return list(payloads)
        key = self._keys()[0]
        return [self._hidden(payload, key.id, key.value) for payload in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Each payload as it was. Raises Unreadable."""
        return [
            self._shown(payload) if payload.metadata.get("encoding") == HIDDEN else payload
            for payload in payloads
        ]

    def _hidden(self, payload: Payload, id_: str, key: bytes) -> Payload:
        nonce = secrets.token_bytes(_NONCE)
        # an engine that swaps the names of keys is found out
        hidden = self._cipher(key).encrypt(nonce, payload.SerializeToString(), id_.encode())
        metadata = {"encoding": HIDDEN, "key": id_.encode()}
        return Payload(metadata=metadata, data=nonce + hidden)

    def _shown(self, payload: Payload) -> Payload:
        id_ = payload.metadata.get("key", b"").decode("ascii", "replace")
        key = next((one for one in self._keys() if one.id == id_), None)
        if key is None:
            raise Unreadable(f"no key {id_[:40]} for what the engine keeps")
        nonce, hidden = payload.data[:_NONCE], payload.data[_NONCE:]
        try:
            return Payload.FromString(self._cipher(key.value).decrypt(nonce, hidden, id_.encode()))
        except InvalidTag:
            raise Unreadable(f"what key {id_} is said to have hidden has been altered") from None

    def _cipher(self, key: bytes) -> AESGCM:
        if key not in self._ciphers:
            self._ciphers[key] = AESGCM(key)
        return self._ciphers[key]


async def shown(history: WorkflowHistory, codec: PayloadCodec | None) -> WorkflowHistory:
    """A history as it is kept by us: nothing in it is hidden, whatever becomes of the keys."""
    if codec is not None:
        for event in history.events:
            for payload in list(payloads_in(event)):
                if payload.metadata.get("encoding") == HIDDEN:
                    payload.CopyFrom((await codec.decode([payload]))[0])
    return history


def payloads_in(message: Message) -> Iterable[Payload]:
    """All payloads in an engine's message, however deep."""
    if isinstance(message, Payload):
        yield message
        return
    for field, value in message.ListFields():
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            inside = value.values() if hasattr(value, "values") else value
            for one in [value] if isinstance(value, Message) else inside:
                if isinstance(one, Message):
                    yield from payloads_in(one)
