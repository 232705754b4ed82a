"""The keys that sign certificates' statements: a folder with private keys and the published list.

``published.json`` is the list anybody may have (`domain.certificates.statement.PublishedKeys`);
``<id>.key`` the private half of a key, 64 hexadecimal digits, readable by its owner alone. Whoever
only checks statements needs the list and no private key.
"""

import os
from datetime import date
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import ValidationError

from domain.certificates.certificate import Certificate
from domain.certificates.statement import PublishedKey, PublishedKeys, public_key, sign, state
from services.private_files import alone, write_private

PUBLISHED = "published.json"


class SigningKeys:
    """Signs with the key in use. Reads the folder anew for each use: keys rotate while it runs."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def published(self) -> PublishedKeys:
        """The list of keys to check statements with; empty without a folder."""
        if self._folder is None or not (self._folder / PUBLISHED).exists():
            return PublishedKeys(keys=())
        return PublishedKeys.model_validate_json((self._folder / PUBLISHED).read_bytes())

    def statement(self, certificate: Certificate, today: date) -> str:
        """The signed statement of a certificate; empty where no key can sign today."""
        key = self.in_use(today)
        if key is None or self._folder is None:
            return ""
        text = _private_file(self._folder, key.id).read_text()
        private = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(text.strip()))
        return sign(state(certificate, key.id, today), private)

    def sign_bytes(self, key: PublishedKey, written: bytes) -> str:
        """The signature of a key at hand over some bytes, lowercase hex."""
        assert self._folder is not None
        text = _private_file(self._folder, key.id).read_text()
        return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(text.strip())).sign(written).hex()

    def in_use(self, today: date) -> PublishedKey | None:
        """The key that signs today: the newest of those at hand; None if there is none."""
        keys = reversed(self.published().keys)
        return next((key for key in keys if _signs(key, today) and self.can_sign(key)), None)

    def can_sign(self, key: PublishedKey) -> bool:
        """Whether the private half of a key is at hand."""
        return self._folder is not None and _private_file(self._folder, key.id).exists()


def _signs(key: PublishedKey, today: date) -> bool:
    return key.retired is None and key.first <= today <= (key.until or date.max)


def add_key(folder: Path, id_: str, today: date) -> PublishedKeys:
    """Makes a new key that signs from today on; the one in use until now signs no more after today.

    Raises ValueError when the id is taken, since statements name their key for ever, or is none.
    """
    private = Ed25519PrivateKey.generate()
    try:
        new = PublishedKey.model_validate(
            {"id": id_, "public_key": public_key(private), "from": today}
        )
    except ValidationError:
        raise ValueError(
            "密钥名称只能用字母、数字和连字符，以字母或数字开头，最多 32 个字符"
        ) from None
    with alone(folder):
        known = SigningKeys(folder).published()
        if any(one.id == id_ for one in known.keys):
            raise ValueError(f"密钥 {id_} 已经存在；请另取一个名字")
        # the private half first: what is published can sign
        write_private(_private_file(folder, id_), private.private_bytes_raw().hex())
        former = [
            one.model_copy(update={"until": max(today, one.first)})
            if one.retired is None and one.until is None
            else one
            for one in known.keys
        ]
        return _publish(folder, PublishedKeys(keys=(*former, new)))


def retire_key(folder: Path, id_: str, today: date) -> PublishedKeys:
    """Gives up a key that is no longer secret; its private half is deleted. Again: no change.

    Nothing it ever signed proves anything from now on. Raises ValueError for an unknown id.
    """
    with alone(folder):
        known = SigningKeys(folder).published()
        if all(one.id != id_ for one in known.keys):
            raise ValueError(f"没有密钥 {id_}；现有的见 zhibao certificates keys list")
        published = PublishedKeys(
            keys=tuple(
                one.model_copy(update={"retired": today})
                if one.id == id_ and one.retired is None
                else one
                for one in known.keys
            )
        )
        _publish(folder, published)
        _private_file(folder, id_).unlink(missing_ok=True)
        return published


def _private_file(folder: Path, id_: str) -> Path:
    return folder / f"{id_}.key"


def _publish(folder: Path, published: PublishedKeys) -> PublishedKeys:
    waiting = folder / f".{PUBLISHED}"
    with waiting.open("w") as out:
        out.write(published.model_dump_json(by_alias=True, indent=2) + "\n")
        out.flush()
        os.fsync(out.fileno())
    waiting.replace(folder / PUBLISHED)
    return published
