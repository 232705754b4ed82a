"""What processes are told, and the gateway's word for it. Pure.

Whoever reaches the workflow engine's port can send a process anything. What came through the
gateway carries its word, a code that only holders of its key can make: over the process it is for,
over all that is said, over the instant and the key. The activity that acts on it looks first.
"""

from datetime import datetime, timedelta
from hmac import compare_digest, digest
from typing import Literal, Self

from domain.canonical import canonical_json, sha256_of
from domain.model import Recorded

FRESH_FOR = timedelta(days=1)
"""How long an act may be on its way: longer than an outage, shorter than an act is remembered."""

UNSIGNED_START = "unsigned_start"
"""The type of the failure of what a run asks for that the gateway has not started."""

Kind = Literal["act", "start"]


class Warrant(Recorded):
    """The gateway's word for one message: by which key, when, and the code that proves it."""

    key: str
    at: datetime
    code: str


class Sent(Recorded):
    """A message to a process. Its warrant is not among what the warrant is for."""

    warrant: Warrant | None = None

    def said(self) -> str:
        """The hash of what it says.

        Of what is not as it is unless it is said, so that a newer field changes no hash.
        """
        return sha256_of(self.model_dump(mode="json", exclude={"warrant"}, exclude_defaults=True))

    def warranted(self, process: str, kind: Kind, key: str, secret: bytes, at: datetime) -> Self:
        """The message with the gateway's word for it."""
        code = code_of(process, kind, self.said(), key, secret, at)
        return self.model_copy(update={"warrant": Warrant(key=key, at=at, code=code)})


class Order(Recorded):
    """A message as an activity is told of it, without its content.

    ``began`` is when the run began that a start began: those from before starts were signed
    carry no warrant.
    """

    process: str
    kind: Kind
    said: str
    warrant: Warrant | None
    began: datetime | None = None

    @classmethod
    def of(cls, process: str, kind: Kind, message: Sent, began: datetime | None = None) -> "Order":
        """What an activity is told of a message."""
        said = message.said() if message.warrant is not None else ""
        return cls(process=process, kind=kind, said=said, warrant=message.warrant, began=began)


def code_of(process: str, kind: Kind, said: str, key: str, secret: bytes, at: datetime) -> str:
    """HMAC-SHA-256 over what a warrant is for, 64 hexadecimal digits."""
    text = canonical_json([process, kind, said, key, at.isoformat()])
    return digest(secret, text, "sha256").hex()


def fault(order: Order, secret: bytes | None, now: datetime, since: datetime) -> str:
    """Why an order does not hold, a word for the log; "" for one that does.

    ``secret`` is that of the warrant's key, None for a key nobody knows; ``since`` is when signing
    began.
    """
    warrant = order.warrant
    if warrant is None:
        older = order.kind == "start" and order.began is not None and order.began < since
        return "" if older else "unsigned"
    if secret is None:
        return "foreign_key"
    code = code_of(order.process, order.kind, order.said, warrant.key, secret, warrant.at)
    if not compare_digest(code, warrant.code):
        return "altered"
    if order.kind == "act" and abs(now - warrant.at) > FRESH_FOR:
        return "stale"
    return ""
