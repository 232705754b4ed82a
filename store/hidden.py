"""Columns whose texts are hidden at rest: AES-256-GCM, the key's id beside what it hides.

A text is written with the newest key of the ring for columns, and read with the one it names. What
was written plain before is read as it stands. What a key hid that has been ended reads as "": the
row stays, with all that is said of it elsewhere, and nobody can read the text any more.
"""

import base64
import secrets
from datetime import UTC, datetime
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Text
from sqlalchemy.types import TypeDecorator

from store.keyring import KeyMissing, Keyring, Purpose

_MARK = "hidden:v1:"
"""What a stored text begins with that is hidden; another one that begins so is hidden as well."""
_NONCE = 12


class Altered(Exception):
    """A hidden text is not what was written, or stands in another column than it was written to."""


class _Ring:
    keyring: Keyring | None = None


def ring() -> Keyring | None:
    """The ring of this process, to be handed to those that it starts."""
    return _Ring.keyring


def hide_with(keyring: Keyring | None) -> None:
    """From now on texts are hidden and shown by this ring, in this process."""
    _Ring.keyring = keyring


def hidden(text: str, column: str) -> str:
    """A text as it is stored in a column. Plain where the process was given no ring."""
    if _Ring.keyring is None or not text:
        return text
    key = _Ring.keyring.current(Purpose.COLUMNS, datetime.now(UTC))
    nonce = secrets.token_bytes(_NONCE)
    said = AESGCM(key.value).encrypt(nonce, text.encode(), f"{key.id}|{column}".encode())
    return f"{_MARK}{key.id}:{base64.b64encode(nonce + said).decode()}"


def shown(stored: str, column: str) -> str:
    """A stored text as it was written, "" where its key is no more. Raises Altered, KeyMissing."""
    if not stored.startswith(_MARK):
        return stored
    if _Ring.keyring is None or not _Ring.keyring.keys(Purpose.COLUMNS):
        raise KeyMissing("no key for columns: see zhibao keys")
    id_, _, written = stored.removeprefix(_MARK).partition(":")
    key = _Ring.keyring.by_id(Purpose.COLUMNS, id_, datetime.now(UTC))
    if key is None or not key.secret:
        return ""
    try:
        data = base64.b64decode(written, validate=True)
        said = AESGCM(key.value).decrypt(data[:_NONCE], data[_NONCE:], f"{id_}|{column}".encode())
    except (InvalidTag, ValueError):
        raise Altered(f"{column}: what key {id_} is said to have hidden has been altered") from None
    return said.decode()


def destroyed(stored: str, column: str) -> bool:
    """Whether a stored text was hidden by a key that is no more."""
    return stored.startswith(_MARK) and not shown(stored, column)


class Hidden(TypeDecorator[str]):
    """A text column whose values are hidden at rest; ``column`` is its name with its table's."""

    impl = Text
    cache_ok = True

    def __init__(self, column: str) -> None:
        super().__init__()
        self.column = column

    def process_bind_param(self, value: str | None, dialect: Any) -> str | None:
        """As it is stored."""
        return None if value is None else hidden(value, self.column)

    def process_result_value(self, value: str | None, dialect: Any) -> str | None:
        """As it was written."""
        return None if value is None else shown(value, self.column)
