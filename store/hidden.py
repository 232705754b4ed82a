"""Columns whose values are hidden at rest: AES-256-GCM, under a key of whomever they are about.

Each subject (a case, a contact, a note) has a data key of its own in ``data_keys``, wrapped by the
newest key of the ring for columns. Rotation wraps data keys anew and leaves the values alone; a
value whose data key has been destroyed can be read by nobody, in no copy that lacks the key.
What is hidden is bound to its table, column, subject and row: in another place it is altered.

A value is written as `Hiding.of` gives it, see `store.data_keys`, and read like any other column:
the database puts the wrapped key before it (``with_key``). Plain where the process has no ring.
"""

import base64
import json
import secrets
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from enum import Enum
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import ColumnElement, FromClause, Text, case, func, literal
from sqlalchemy.types import TypeDecorator

from domain.refusals import Code, Refusal, Refused
from store.keyring import Key, KeyMissing, Keyring, Purpose

HIDDEN = "hidden:v"
"""What a stored value begins with that is hidden, in this form or a former one."""
_MARK = f"{HIDDEN}2:"
_WITH_KEY = "with-key:v2:"
_GONE = "destroyed"
"""What stands for the wrapped key of a subject whose key has been destroyed."""
_NONCE = 12


class Altered(Refused):
    """A hidden value is not what was written, or stands in another place than it was written to."""

    def __init__(self, column: str, subject: str) -> None:
        params = {"what": f"加密保存的内容（{column}）", "case": subject}
        super().__init__(Refusal(code=Code.CONTENT_ALTERED, params=params))


def destroyed(subject: str) -> Refusal:
    """Why what is known of a subject can be read by nobody any more."""
    return Refusal(code=Code.CONTENT_DESTROYED, params={"case": subject})


class Destroyed(Enum):
    """What a value reads as whose key has been destroyed, where "" could be a value."""

    KEY = "destroyed"


class _Ring:
    keyring: Keyring | None = None


def ring() -> Keyring | None:
    """The ring of this process, to be handed to those that it starts."""
    return _Ring.keyring


def hide_with(keyring: Keyring | None) -> None:
    """From now on values are hidden and shown by this ring, in this process."""
    _Ring.keyring = keyring


class Hiding(NamedTuple):
    """A subject and its data key; without one, in a process without a ring, nothing is hidden."""

    subject: str
    key: bytes

    def of(self, value: Any, row: str = "") -> "ToHide":
        """A value to be written under this key; ``row`` tells the subject's rows apart."""
        return ToHide(self, row, value)


class ToHide(NamedTuple):
    """A value on its way into a hidden column."""

    hiding: Hiding
    row: str
    value: Any


# --- keys -----------------------------------------------------------------------------------------


def new_key(subject: str) -> tuple[Hiding, str]:
    """A data key for a subject, and how it is kept: wrapped. Raises KeyMissing."""
    hiding = Hiding(subject, secrets.token_bytes(32))
    return hiding, wrapped(hiding)


def wrapped(hiding: Hiding) -> str:
    """A data key as it is kept, under the newest key for columns. Raises KeyMissing."""
    key = newest()
    return f"{key.id}:{_sealed(key.value, hiding.key, f'{key.id}|{hiding.subject}')}"


def newest() -> Key:
    """The master key that wraps now. Raises KeyMissing."""
    if _Ring.keyring is None:
        raise KeyMissing("no ring of keys for columns")
    return _Ring.keyring.current(Purpose.COLUMNS, datetime.now(UTC))


def unwrapped(kept: str, subject: str) -> Hiding:
    """A data key as `wrapped` gave it. Raises Altered, KeyMissing."""
    id_, _, rest = kept.partition(":")
    known = _Ring.keyring
    key = None if known is None else known.by_id(Purpose.COLUMNS, id_, datetime.now(UTC))
    if key is None or not key.secret:
        # never "destroyed": a ring that was forgotten would look like the end of what it hides
        raise KeyMissing(f"no key {id_} for columns: see zhibao keys")
    return Hiding(subject, _opened(key.value, rest, f"{id_}|{subject}", "data_keys", subject))


def _sealed(key: bytes, value: bytes, place: str) -> str:
    nonce = secrets.token_bytes(_NONCE)
    return base64.b64encode(nonce + AESGCM(key).encrypt(nonce, value, place.encode())).decode()


def _opened(key: bytes, text: str, place: str, column: str, subject: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
        return AESGCM(key).decrypt(data[:_NONCE], data[_NONCE:], place.encode())
    except (InvalidTag, ValueError):
        raise Altered(column, subject) from None


# --- values ---------------------------------------------------------------------------------------


def hidden(given: ToHide, written: bytes, column: str) -> str:
    """A value, as bytes, as it is stored in a column under its subject's key."""
    hiding = given.hiding
    return _MARK + _sealed(hiding.key, written, f"{column}|{hiding.subject}|{given.row}")


def shown(stored: str, column: str) -> bytes | Destroyed:
    """What ``with_key`` gives of a stored value, as it was written. Raises Altered, KeyMissing."""
    if not stored.startswith(_WITH_KEY):
        return stored.encode()
    key, _, rest = stored.removeprefix(_WITH_KEY).partition(" ")
    place, _, written = rest.rpartition(" ")
    row, _, subject = place.partition(" ")
    if key == _GONE:
        return Destroyed.KEY
    hiding = unwrapped(key, subject) if key else None
    if hiding is None or not written.startswith(_MARK):
        raise Altered(column, subject)
    where = f"{column}|{subject}|{row}"
    return _opened(hiding.key, written.removeprefix(_MARK), where, column, subject)


def said(stored: str, column: str) -> Any:
    """The same of a column of JSON: the value itself."""
    opened = shown(stored, column)
    return opened if isinstance(opened, Destroyed) else json.loads(opened)


def note(stored: str | None) -> dict[str, Any] | None:
    """A note as ``with_key`` gives it; None for none, and where its key has been destroyed."""
    opened = None if stored is None else said(stored, "notes.note")
    return None if opened is Destroyed.KEY else opened


def part_of(stored: str, part: str, names: Collection[str]) -> dict[str, Any] | None:
    """The named values of a part of a revision, as ``with_key`` gives that one.

    None where it has no such part, and where its key has been destroyed.
    """
    content = said(stored, "revisions.content")
    values = None if content is Destroyed.KEY else content.get(part)
    if not isinstance(values, dict):
        return None
    return {name: values[name] for name in names if name in values}


Place = Callable[[FromClause], ColumnElement[str]]
"""What of a row a value is bound to, as an expression over its table."""


def OF_CASE(table: FromClause) -> ColumnElement[str]:
    """The case of a row."""
    return table.c.case_id


def CONTACT(table: FromClause) -> ColumnElement[str]:
    """One entry among an institution's contacts, as `contact_subject` names it."""
    at = func.to_char(func.timezone("UTC", table.c.set_at), 'YYYYMMDD"T"HH24MISSUS')
    return func.concat("contact/", table.c.institution_id, "/", table.c.role, "/", at)


def ROSTER(table: FromClause) -> ColumnElement[str]:
    """A roster, as `roster_subject` names it."""
    return literal("roster-import/").concat(table.c.id)


def roster_subject(id_: str) -> str:
    """The subject of what was told of a roster."""
    return f"roster-import/{id_}"


def IMPORT(table: FromClause) -> ColumnElement[str]:
    """A file of certificates, as `import_subject` names it."""
    return literal("certificate-import/").concat(table.c.import_id)


def import_subject(id_: str) -> str:
    """The subject of what a file of certificates brought."""
    return f"certificate-import/{id_}"


def DELIVERY(table: FromClause) -> ColumnElement[str]:
    """A delivery of connected mode, as `delivery_subject` names it."""
    which = case((table.c.sandbox, "sandbox"), else_="register")
    return func.concat("delivery/", table.c.authority, "/", which, "/", table.c.delivery_id)


def delivery_subject(authority: str, sandbox: bool, id_: str) -> str:
    """The subject of what an authority's system has delivered."""
    return f"delivery/{authority}/{'sandbox' if sandbox else 'register'}/{id_}"


def contact_subject(institution: str, role: str, at: datetime) -> str:
    """The subject of a contact that was set at an instant."""
    return f"contact/{institution}/{role}/{at.astimezone(UTC):%Y%m%dT%H%M%S%f}"


class HiddenColumn(TypeDecorator[Any]):
    """A column whose values are hidden at rest: ``name`` with its table's, ``subject`` whose key.

    ``row`` tells the rows of a subject apart, where it has several; it has no blank in it.
    """

    impl = Text
    cache_ok = True

    def __init__(self, name: str, subject: Place, row: Place | None = None) -> None:
        super().__init__()
        self.name = name
        self.subject = subject
        self.row = row

    def column_expression(self, column: Any) -> Any:
        """What is selected of it: the value with its key before it."""
        table = column.table
        row = literal("") if self.row is None else self.row(table)
        return func.with_key(column, self.subject(table), row, type_=self)

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        """As it is stored."""
        if isinstance(value, ToHide):
            written = self._written(value.value)
            if not value.hiding.key or not written:
                return self._plain(written)
            return hidden(value, written, self.name)
        if value:
            # a value that nobody's key hides would stand there in the clear
            raise TypeError(f"{self.name}: no key was given for what is written")
        return value

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        """As it was written."""
        return None if value is None else self.read(value)

    def read(self, stored: str) -> Any:
        """A value as it was written, of what is selected of it, or of what stands in the clear."""
        raise NotImplementedError

    def _written(self, value: Any) -> bytes:
        raise NotImplementedError

    def _plain(self, written: bytes) -> str:
        return written.decode()


class HiddenText(HiddenColumn):
    """A text; what a destroyed key hid reads as ""."""

    cache_ok = True

    def _written(self, value: Any) -> bytes:
        written: bytes = value.encode()
        return written

    def read(self, stored: str) -> Any:
        """The text."""
        opened = shown(stored, self.name)
        return "" if isinstance(opened, Destroyed) else opened.decode()


class HiddenJson(HiddenColumn):
    """A JSON value; what a destroyed key hid reads as `Destroyed.KEY`."""

    cache_ok = True

    def _written(self, value: Any) -> bytes:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()

    def read(self, stored: str) -> Any:
        """The value."""
        return said(stored, self.name)


class HiddenFile(HiddenColumn):
    """The bytes of a file; what a destroyed key hid reads as `Destroyed.KEY`."""

    cache_ok = True

    def _written(self, value: Any) -> bytes:
        return bytes(value)

    def _plain(self, written: bytes) -> str:
        return base64.b64encode(written).decode()

    def read(self, stored: str) -> Any:
        """The bytes."""
        return file_of(stored, self.name)


def file_of(stored: str, column: str) -> bytes | Destroyed:
    """The same of a column of files: the bytes."""
    opened = shown(stored, column)
    if isinstance(opened, Destroyed) or stored.startswith(_WITH_KEY):
        return opened
    try:
        return base64.b64decode(opened, validate=True)
    except ValueError:
        raise Altered(column, "") from None
