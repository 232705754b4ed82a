"""Blind indexes: what is hidden is found by its whole value, which stands nowhere in the clear.

In the place of a value stands what HMAC-SHA256 makes of it under the newest key of the ring for
names, with that key's id: whoever has no key can neither read it nor try values on it, and can
only tell that two rows have the same. A search tries every key that holds, so that a key can be
changed while rows still stand under the former. Plain where the process has no ring.
"""

import hmac
from datetime import UTC, datetime

from store import hidden
from store.keyring import Key, KeyMissing, Purpose

MARK = "blind:v1:"
"""What a stored value begins with that stands for another one."""


def newest() -> Key:
    """The key that values stand under from now on. Raises KeyMissing."""
    keyring = hidden.ring()
    if keyring is None:
        raise KeyMissing("no ring of keys for names")
    return keyring.current(Purpose.NAMES, datetime.now(UTC))


def indexed(value: str, place: str) -> str:
    """What is stored for a value in a place, a table's column. Raises KeyMissing."""
    return value if hidden.ring() is None else _under(newest(), value, place)


def ways(value: str, place: str) -> list[str]:
    """Everything that may be stored for a value: under each key that holds, and in the clear.

    Raises KeyMissing.
    """
    keyring = hidden.ring()
    if keyring is None:
        return [value]
    # a ring that was forgotten would look as if nobody had the name
    newest()
    holding = keyring.valid(Purpose.NAMES, datetime.now(UTC))
    return [value, *(_under(key, value, place) for key in holding if key.secret)]


def stands_for(stored: str, value: str, place: str) -> bool:
    """Whether this is stored for a value. Raises KeyMissing: nobody can tell without its key."""
    if not stored.startswith(MARK):
        return stored == value
    id_ = stored.removeprefix(MARK).partition(":")[0]
    keyring = hidden.ring()
    key = None if keyring is None else keyring.by_id(Purpose.NAMES, id_, datetime.now(UTC))
    if key is None or not key.secret:
        raise KeyMissing(f"no key {id_} for names: see zhibao keys")
    return hmac.compare_digest(stored.encode(), _under(key, value, place).encode())


def begins(key: str) -> str:
    """What all begins with that is stored under a key, by its id."""
    return f"{MARK}{key}:"


def _under(key: Key, value: str, place: str) -> str:
    return begins(key.id) + hmac.digest(key.value, f"{place}|{value}".encode(), "sha256").hex()
