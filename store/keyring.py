"""The keys of a system, a ring for each purpose: whoever has one of them has no other.

A folder holds ``<purpose>.json`` for each, readable by its owner alone, and for what is signed
``<purpose>.public.json`` besides: whoever only checks signatures is given no more than that.
Without a folder each ring is one key, derived from the one secret that the system is given.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pydantic import Field

from domain.model import Value


class Purpose(StrEnum):
    """What a key is for; none serves two."""

    TOKENS = "tokens"
    PROGRAMS = "programs"
    TOTP = "totp"
    LINKS = "links"
    WEBHOOKS = "webhooks"
    COMPLAINTS = "complaints"
    COLUMNS = "columns"
    NAMES = "names"
    COMMANDS = "commands"
    PAYLOADS = "payloads"


SIGNING = frozenset({Purpose.TOKENS, Purpose.PROGRAMS})
"""Ed25519: the public half checks what the private one signed. The others are plain secrets."""

LENGTH = 32
"""Bytes of every key."""

Hex = Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")]


class Key(Value):
    """One key of a ring: used from ``starts``; what was made with it is taken until ``ends``.

    ``secret`` is "" where only the public half is at hand, ``public`` "" where there is none.
    """

    id: str = Field(pattern=r"^[0-9A-Za-z][0-9A-Za-z-]{0,31}$")
    starts: datetime
    ends: datetime | None = None
    secret: Hex = Field(default="", repr=False)
    public: Hex = ""

    def holds(self, now: datetime) -> bool:
        """Whether what was made with it is still taken."""
        return self.ends is None or now < self.ends

    @property
    def value(self) -> bytes:
        """The secret."""
        return bytes.fromhex(self.secret)


class Ring(Value):
    """The keys for one purpose, the oldest first."""

    keys: tuple[Key, ...] = ()


class KeyMissing(Exception):
    """There is no key at hand for a purpose, or its ring cannot be read; the text says which."""


class Keyring:
    """All rings. A folder's files are read again whenever they change: keys rotate meanwhile."""

    def __init__(self, folder: Path | None, secret: str = "") -> None:
        self._folder = folder
        self._secret = secret
        self._read: dict[Path, tuple[tuple[int, int, int], Ring]] = {}
        self._derived: dict[Purpose, Ring] = {}

    def keys(self, purpose: Purpose) -> tuple[Key, ...]:
        """The keys for a purpose, the oldest first."""
        if self._folder is None:
            return self._only(purpose).keys
        whole = self._ring(file_of(self._folder, purpose))
        if whole.keys or purpose not in SIGNING:
            return whole.keys
        return self._ring(public_file_of(self._folder, purpose)).keys

    def current(self, purpose: Purpose, now: datetime) -> Key:
        """The newest key with which something can be made now. Raises KeyMissing."""
        for key in reversed(self.keys(purpose)):
            if key.secret and key.starts <= now and key.holds(now):
                return key
        raise KeyMissing(f"no key for {purpose}: see zhibao keys")

    def valid(self, purpose: Purpose, now: datetime) -> list[Key]:
        """The keys whose work is still taken, the newest first."""
        return [key for key in reversed(self.keys(purpose)) if key.holds(now)]

    def by_id(self, purpose: Purpose, id_: str, now: datetime) -> Key | None:
        """A key whose work is still taken, None for none of this id."""
        return next((key for key in self.valid(purpose, now) if key.id == id_), None)

    def _only(self, purpose: Purpose) -> Ring:
        if purpose not in self._derived:
            if not self._secret:
                raise KeyMissing(f"no key for {purpose}: neither a folder nor a secret is set")
            made = HKDF(SHA256(), LENGTH, salt=None, info=f"zhibao|{purpose}".encode())
            key = new_key(
                purpose,
                "derived",
                datetime.min.replace(tzinfo=UTC),
                lambda _: made.derive(self._secret.encode()),
            )
            self._derived[purpose] = Ring(keys=(key,))
        return self._derived[purpose]

    def _ring(self, file: Path) -> Ring:
        try:
            found = file.stat()
            state = (found.st_mtime_ns, found.st_size, found.st_ino)
            known = self._read.get(file)
            if known is None or known[0] != state:
                known = self._read[file] = (state, Ring.model_validate_json(file.read_bytes()))
        except FileNotFoundError:
            return Ring()
        except (OSError, ValueError) as wrong:
            raise KeyMissing(f"{file.name} cannot be read: see zhibao keys") from wrong
        return known[1]


def new_key(purpose: Purpose, id_: str, starts: datetime, random: Callable[[int], bytes]) -> Key:
    """A key out of so many random bytes."""
    secret = random(LENGTH)
    public = ""
    if purpose in SIGNING:
        half = Ed25519PrivateKey.from_private_bytes(secret).public_key()
        public = half.public_bytes_raw().hex()
    return Key(id=id_, starts=starts, secret=secret.hex(), public=public)


def file_of(folder: Path, purpose: Purpose) -> Path:
    """Where the keys for a purpose are."""
    return folder / f"{purpose}.json"


def public_file_of(folder: Path, purpose: Purpose) -> Path:
    """Where the public halves for a purpose are."""
    return folder / f"{purpose}.public.json"
