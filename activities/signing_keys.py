"""The keys that sign certificates' statements: a folder with private keys and the published list.

``published.json`` is the list anybody may have (`domain.certificate_statement.PublishedKeys`);
``<id>.key`` the private half of a key, 64 hexadecimal digits, readable by its owner alone.
"""

import os
from datetime import date
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from domain.certificate import Certificate
from domain.certificate_statement import PublishedKey, PublishedKeys, public_key, sign, state

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
        for key in reversed(self.published().keys):
            private = self._private(key)
            if private is not None and _signs(key, today):
                return sign(state(certificate, key.id, today), private)
        return ""

    def _private(self, key: PublishedKey) -> Ed25519PrivateKey | None:
        assert self._folder is not None
        file = self._folder / f"{key.id}.key"
        if not file.exists():
            return None
        return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(file.read_text().strip()))


def add_key(folder: Path, id_: str, today: date) -> PublishedKeys:
    """Makes a new key that signs from today on; the one in use until now signs no more after today.

    Raises ValueError when the id is taken: statements name their key for ever.
    """
    folder.mkdir(parents=True, exist_ok=True)
    known = SigningKeys(folder).published()
    if any(one.id == id_ for one in known.keys):
        raise ValueError(f"密钥 {id_} 已经存在；请另取一个名字")
    private = Ed25519PrivateKey.generate()
    descriptor = os.open(folder / f"{id_}.key", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(private.private_bytes_raw().hex())
    former = [
        one.model_copy(update={"until": today}) if _signs(one, today) and one.until is None else one
        for one in known.keys
    ]
    new = PublishedKey.model_validate({"id": id_, "public_key": public_key(private), "from": today})
    published = PublishedKeys(keys=(*former, new))
    waiting = folder / f".{PUBLISHED}"
    waiting.write_text(published.model_dump_json(by_alias=True, indent=2) + "\n")
    waiting.replace(folder / PUBLISHED)
    return published


def _signs(key: PublishedKey, today: date) -> bool:
    return key.retired is None and key.first <= today <= (key.until or date.max)
