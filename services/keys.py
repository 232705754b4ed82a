"""Making, rotating and ending the keys of `store.keyring`; and what is signed and derived by them.

A new key signs at once, or from an instant on, so that every host has it by then; the former ones
go on being taken until they are ended.
"""

import hmac
import secrets
from datetime import datetime
from pathlib import Path

from services.private_files import alone, write_private
from store.hidden import hide_with as hide_with
from store.keyring import (
    SIGNING,
    Key,
    Ring,
    file_of,
    new_key,
    public_file_of,
)
from store.keyring import KeyMissing as KeyMissing
from store.keyring import Keyring as Keyring
from store.keyring import Purpose as Purpose


def make_missing(folder: Path, now: datetime) -> list[Purpose]:
    """Makes a first key for each purpose that has none; for which."""
    made = []
    with alone(folder):
        folder.chmod(0o700)
        for purpose in Purpose:
            if (
                not file_of(folder, purpose).exists()
                and not public_file_of(folder, purpose).exists()
            ):
                _write(folder, purpose, (_new(purpose, now),))
                made.append(purpose)
    return made


def add_key(folder: Path, purpose: Purpose, starts: datetime) -> Key:
    """Makes a further key for a purpose, used from ``starts`` on; the others stay taken."""
    with alone(folder):
        known = Keyring(folder).keys(purpose)
        if known and not known[-1].secret:
            raise ValueError("这里只有公开的一半，没有私钥；请在保管私钥的主机上增加密钥")
        new = _new(purpose, starts)
        _write(folder, purpose, (*known, new))
    return new


def end_key(folder: Path, purpose: Purpose, id_: str, at: datetime, now: datetime) -> Key:
    """Ends a key at an instant; its secret is deleted once that has come. Raises ValueError.

    What was made with it holds no longer from then on, and what it hides is lost.
    """
    with alone(folder):
        known = Keyring(folder).keys(purpose)
        ended = next((key for key in known if key.id == id_), None)
        if ended is None:
            raise ValueError(f"没有密钥 {id_}；现有的见 zhibao keys list")
        ends = min(at, ended.ends) if ended.ends else at
        if not any(
            key.id != id_ and key.secret and key.starts <= ends and key.holds(ends) for key in known
        ):
            raise ValueError(f"届时没有别的密钥可用；请先运行 zhibao keys add {purpose}")
        ended = ended.model_copy(update={"ends": ends, **({"secret": ""} if ends <= now else {})})
        _write(folder, purpose, tuple(ended if key.id == id_ else key for key in known))
    return ended


def derived(keyring: Keyring, purpose: Purpose, now: datetime, text: str) -> str:
    """What a text gives under the key in use, 64 hexadecimal digits nobody else can work out."""
    return derived_by(keyring.current(purpose, now), text).hex()


def derived_by(key: Key, text: str) -> bytes:
    """The same under a certain key, 32 bytes."""
    return hmac.digest(key.value, text.encode(), "sha256")


def _new(purpose: Purpose, starts: datetime) -> Key:
    id_ = f"{starts:%Y%m%d}-{secrets.token_hex(3)}"
    return new_key(purpose, id_, starts, secrets.token_bytes)


def _write(folder: Path, purpose: Purpose, keys: tuple[Key, ...]) -> None:
    # the whole ring last: what signs can be checked by then
    if purpose in SIGNING:
        public = Ring(keys=tuple(key.model_copy(update={"secret": ""}) for key in keys))
        write_private(public_file_of(folder, purpose), public.model_dump_json(indent=1))
        public_file_of(folder, purpose).chmod(0o644)
    write_private(file_of(folder, purpose), Ring(keys=keys).model_dump_json(indent=1))
