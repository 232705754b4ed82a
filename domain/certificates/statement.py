"""The signed statement in a certificate's QR code: what the paper says, provable offline. Pure.

A statement is bytes, signed with Ed25519 and written in base32, which QR codes hold densely and
addresses carry as it is: version, five texts with their lengths, four days, the hash of a long
holder's name, signature. There is one way to write it, and `verify` takes no other.

It proves what was issued, not how the certificate stands now: only the record knows of an ending.
"""

import base64
import hashlib
import re
from binascii import Error as NotBase32
from datetime import date, timedelta
from enum import StrEnum
from typing import Annotated, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from pydantic import Field, StringConstraints, ValidationError, model_validator

from domain.certificates.certificate import Certificate, Name
from domain.ids import AuthorityShape
from domain.model import Value

VERSION = 1
MAX_TEXT = 2000
"""No statement, and no address with one, has more characters."""

LONGEST_HOLDER = 96
"""Bytes of UTF-8 (32 Chinese characters) up to which a holder's name is carried whole."""

_SHORTENED = 63
_EPOCH = date(2000, 1, 1)
_LAST = _EPOCH + timedelta(days=65_535)
EARLIEST, LATEST = _EPOCH, _LAST
"""The days that a statement can hold; no certificate can be issued with others."""
_SIGNATURE, _HASH, _DAYS = 64, 32, 4
_TEXTS = ("key", "issuer", "number", "code", "holder")
_SHA256 = re.compile(r"^([0-9a-f]{64})?$")

KeyId = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z][0-9A-Za-z-]{0,31}$")]
Day = Annotated[date, Field(ge=_EPOCH, le=_LAST)]
Printable = Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{1,64}$")]


class Statement(Value):
    """What a certificate's paper says. ``signed_on`` dates the signature, not the certificate.

    ``holder`` is the whole name while ``holder_sha256`` is ""; otherwise its beginning, and
    ``holder_sha256`` is the SHA-256 of the whole name's UTF-8, so that `names` can prove it.
    """

    key: KeyId
    issuer: AuthorityShape
    number: Printable
    code: Printable
    holder: Name
    holder_sha256: str = Field(default="", pattern=_SHA256.pattern)
    issued_on: Day
    valid_from: Day
    valid_to: Day
    signed_on: Day

    @model_validator(mode="after")
    def _holder_fits(self) -> Self:
        limit = _SHORTENED if self.holder_sha256 else LONGEST_HOLDER
        if len(self.holder.encode()) > limit:
            raise ValueError(f"a holder's name of more than {limit} bytes is shortened by `state`")
        return self

    def names(self, holder: str) -> bool:
        """Whether the statement is about a holder of exactly this name."""
        if not self.holder_sha256:
            return holder == self.holder
        return holder.startswith(self.holder) and _hash(holder) == self.holder_sha256


class PublishedKey(Value):
    """A key of the published list.

    It signs from ``first`` to ``until``, both inside (None: still does). After that its statements
    keep their worth: certificates outlive keys. A key with ``retired``, the day it was given up
    as no longer secret, proves nothing at all, since whoever has it can write any date.
    """

    id: KeyId
    public_key: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    first: date = Field(alias="from")
    until: date | None = None
    retired: date | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.until is not None and self.until < self.first:
            raise ValueError(f"密钥 {self.id} 的 until 早于 from")
        return self


class PublishedKeys(Value):
    """The list of keys as published; ids are never used twice."""

    keys: tuple[PublishedKey, ...] = Field(max_length=1000)

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        ids = [key.id for key in self.keys]
        if len(set(ids)) != len(ids):
            raise ValueError("密钥表里有重复的 id")
        return self


class StatementFault(StrEnum):
    """Why a statement proves nothing."""

    MALFORMED = "malformed"
    UNKNOWN_VERSION = "unknown_version"
    UNKNOWN_KEY = "unknown_key"
    BAD_SIGNATURE = "bad_signature"
    KEY_RETIRED = "key_retired"
    KEY_NOT_IN_USE = "key_not_in_use"
    OTHER_CODE = "other_code"


class StatementProblem(Value):
    """What is wrong with a statement: a stable code and a Chinese sentence that helps."""

    code: StatementFault
    message: str


_WORDS = {
    StatementFault.MALFORMED: "这不是完整的证书签名；请重新扫描二维码，或把网址复制完整",
    StatementFault.UNKNOWN_VERSION: "签名的格式版本不认识；请使用新版程序核验",
    StatementFault.UNKNOWN_KEY: "签名所用的密钥 {key} 不在密钥表里；请更新密钥表后再核验，"
    "仍然没有的，签名不可信",
    StatementFault.BAD_SIGNATURE: "签名与内容不符：内容被改动过，或不是由密钥 {key} 签发；"
    "请向发证机关核实",
    StatementFault.KEY_RETIRED: "签名所用的密钥 {key} 已于 {day} 作废，不能再作证明；"
    "请按证书编号查询登记信息",
    StatementFault.KEY_NOT_IN_USE: "签名日期 {day} 不在密钥 {key} 的使用期内；请向发证机关核实",
    StatementFault.OTHER_CODE: "网址里的代码与签名里的不一致，二维码被拼接过；请向发证机关核实",
}


def state(certificate: Certificate, key: str, signed_on: date) -> Statement:
    """The statement of a certificate, to be signed with a key on a day.

    A holder's name that is too long for the QR code is cut between characters and hashed.
    Raises ValueError for what a statement cannot say, for one a day before 2000.
    """
    holder = certificate.content.holder
    whole = len(holder.encode()) <= LONGEST_HOLDER
    return Statement(
        key=key,
        issuer=certificate.content.issuer,
        number=certificate.number,
        code=certificate.code,
        holder=holder if whole else holder.encode()[:_SHORTENED].decode(errors="ignore"),
        holder_sha256="" if whole else _hash(holder),
        issued_on=certificate.issued_on,
        valid_from=certificate.valid_from,
        valid_to=certificate.valid_to,
        signed_on=signed_on,
    )


def differences(statement: Statement, certificate: Certificate) -> list[str]:
    """The names of the values in which the paper and the record differ.

    Both can be true: a record changes with a new name or a renewal, a paper does not.
    """
    recorded = {
        "code": certificate.code,
        "number": certificate.number,
        "issuer": certificate.content.issuer,
        "issued_on": certificate.issued_on,
        "valid_from": certificate.valid_from,
        "valid_to": certificate.valid_to,
    }
    found = [name for name, value in recorded.items() if getattr(statement, name) != value]
    return found if statement.names(certificate.content.holder) else [*found, "holder"]


def sign(statement: Statement, key: Ed25519PrivateKey) -> str:
    """The statement with its signature, in characters that addresses carry as they are."""
    body = _written(statement)
    return _text(body + key.sign(body))


def verify(text: str, keys: PublishedKeys) -> Statement | StatementProblem:
    """What a signed statement proves, or why it proves nothing. Never raises."""
    raw = _bytes(text)
    if raw is None:
        return _problem(StatementFault.MALFORMED)
    if raw[0] != VERSION:
        return _problem(StatementFault.UNKNOWN_VERSION)
    body = raw[:-_SIGNATURE]
    statement = _read(body)
    if statement is None:
        return _problem(StatementFault.MALFORMED)
    key = next((one for one in keys.keys if one.id == statement.key), None)
    if key is None:
        return _problem(StatementFault.UNKNOWN_KEY, key=statement.key)
    try:
        public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(key.public_key))
        public.verify(raw[-_SIGNATURE:], body)
    except InvalidSignature:
        return _problem(StatementFault.BAD_SIGNATURE, key=key.id)
    if key.retired is not None:
        return _problem(StatementFault.KEY_RETIRED, key=key.id, day=key.retired)
    if not key.first <= statement.signed_on <= (key.until or date.max):
        return _problem(StatementFault.KEY_NOT_IN_USE, key=key.id, day=statement.signed_on)
    return statement


def public_key(key: Ed25519PrivateKey) -> str:
    """The public half of a key as the published list writes it: 64 hexadecimal digits."""
    return key.public_key().public_bytes_raw().hex()


def certificate_url(site: str, code: str, statement: str) -> str:
    """What the QR code says: the certificate's page, with the signed statement.

    For the site ``https://host`` that is ``https://host/c/<code>?s=<statement>``.
    """
    return f"{site.rstrip('/')}/c/{code}?s={statement}"


def verify_scanned(text: str, keys: PublishedKeys) -> Statement | StatementProblem:
    """`verify` for what a scanner shows: the whole address, or the statement alone.

    In an address the code of the page must be the one that was signed.
    """
    if len(text) > MAX_TEXT:
        return _problem(StatementFault.MALFORMED)
    place, found, statement = text.strip().partition("?s=")
    if not found:
        return verify(place, keys)
    verified = verify(statement, keys)
    if isinstance(verified, Statement) and place.rpartition("/")[2] != verified.code:
        return _problem(StatementFault.OTHER_CODE)
    return verified


def _written(statement: Statement) -> bytes:
    flags = bool(statement.holder_sha256)
    parts = [bytes((VERSION, flags))]
    for name in _TEXTS:
        text = getattr(statement, name).encode()
        parts += [bytes((len(text),)), text]
    for day in (
        statement.issued_on,
        statement.valid_from,
        statement.valid_to,
        statement.signed_on,
    ):
        parts.append((day - _EPOCH).days.to_bytes(2))
    return b"".join((*parts, bytes.fromhex(statement.holder_sha256)))


def _read(body: bytes) -> Statement | None:
    """The statement written so; None if it is none, or could be written otherwise."""
    texts: list[str] = []
    at = 2
    try:
        for _ in _TEXTS:
            length = body[at]
            texts.append(body[at + 1 : at + 1 + length].decode())
            at += 1 + length
        days = [
            _EPOCH + timedelta(days=int.from_bytes(body[at + 2 * one : at + 2 * one + 2]))
            for one in range(_DAYS)
        ]
        statement = Statement(
            **dict(zip(_TEXTS, texts, strict=True)),
            holder_sha256=body[at + 2 * _DAYS :].hex(),
            issued_on=days[0],
            valid_from=days[1],
            valid_to=days[2],
            signed_on=days[3],
        )
    except (IndexError, UnicodeDecodeError, ValidationError):
        return None
    return statement if _written(statement) == body else None


def _text(raw: bytes) -> str:
    return base64.b32encode(raw).decode().rstrip("=")


def _bytes(text: str) -> bytes | None:
    """The bytes of a text that `_text` could have made; None for any other."""
    if len(text) > MAX_TEXT:
        return None
    try:
        raw = base64.b32decode(text + "=" * (-len(text) % 8))
    except (NotBase32, ValueError):
        return None
    return raw if len(raw) > _SIGNATURE + 2 and _text(raw) == text else None


def _hash(holder: str) -> str:
    return hashlib.sha256(holder.encode()).hexdigest()


def _problem(code: StatementFault, **values: object) -> StatementProblem:
    return StatementProblem(code=code, message=_WORDS[code].format(**values))
