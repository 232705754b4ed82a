"""Who asks: signed bearer tokens that carry one person in one capacity."""

import re
from base64 import urlsafe_b64encode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from secrets import token_hex
from typing import Any, Literal, NamedTuple

from joserfc import jwt
from joserfc.errors import ExpiredTokenError, JoseError
from joserfc.jwk import OKPKey
from pydantic import TypeAdapter, ValidationError

from api.door.rights import SCOPES, Scope
from domain.case.commands import Actor
from domain.connected import client_of
from domain.ids import InstitutionId, JurisdictionCode
from domain.jurisdictions import AuthorityId
from domain.memberships import is_program
from domain.refusals import Code, Refusal, Refused
from services.clock import system_clock
from services.keys import Keyring, Purpose

_ISSUER = "zhibao"
_AUDIENCE = "zhibao-api"
_ALGORITHM = "Ed25519"
_LEEWAY = 30
"""Seconds by which the clocks of two hosts may differ."""
_BAD = "签名或内容无效"
_SUBJECT = re.compile(r"[0-9A-Za-z][0-9A-Za-z._@-]{0,63}")
_SHAPES: dict[Scope, TypeAdapter[Any]] = {
    Scope.INSTITUTION: TypeAdapter(InstitutionId),
    Scope.AUTHORITY: TypeAdapter(AuthorityId),
    Scope.JURISDICTION: TypeAdapter(JurisdictionCode),
    Scope.EVERYTHING: TypeAdapter(Literal[""]),
}
"""What a scope that names this is written like."""


class Bearer(NamedTuple):
    """Whom a token stands for; ``id`` names the token."""

    actor: Actor
    id: str
    issued_at: datetime


class Identity:
    """Issues and checks tokens: Ed25519, so that who checks them cannot issue any.

    People's are signed by one ring of keys, those of programs and of clients, which the API
    issues by itself, by another: with that one nobody can pass for a person.
    """

    def __init__(
        self, keyring: Keyring, longest: timedelta, clock: Callable[[], datetime] = system_clock
    ) -> None:
        self._keyring = keyring
        self._longest = longest
        self._clock = clock
        self._public: dict[str, OKPKey] = {}
        self._claims = jwt.JWTClaimsRegistry(
            now=lambda: int(clock().timestamp()),
            leeway=_LEEWAY,
            iss={"essential": True, "value": _ISSUER},
            aud={"essential": True, "value": _AUDIENCE},
            exp={"essential": True},
            iat={"essential": True},
            jti={"essential": True},
            sub={"essential": True},
            role={"essential": True, "values": [role.value for role in SCOPES]},
        )

    def issue(self, actor: Actor, now: datetime, lifetime: timedelta) -> str:
        """A token for one person in one capacity.

        Raises ValueError where `wrong_part` has one, or it would last too long; KeyMissing.
        """
        return self.issued(actor, now, lifetime)[0]

    def issued(self, actor: Actor, now: datetime, lifetime: timedelta) -> tuple[str, str]:
        """The same, with the token's id."""
        if (part := wrong_part(actor)) is not None:
            raise ValueError(f"no token for {actor!r}: {part}")
        if lifetime > self._longest:
            raise ValueError(f"no token lasts longer than {self._longest}")
        key = self._keyring.current(_ring(actor), now)
        id_ = token_hex(16)
        claims = {
            "iss": _ISSUER,
            "aud": _AUDIENCE,
            "sub": actor.subject,
            "role": actor.role.value,
            "scope": actor.scope,
            "iat": int(now.timestamp()),
            "exp": int((now + lifetime).timestamp()),
            "jti": id_,
        }
        private = OKPKey.import_key(
            {"kty": "OKP", "crv": "Ed25519", "x": _base64(key.public), "d": _base64(key.secret)}
        )
        header = {"alg": _ALGORITHM, "kid": f"{_ring(actor)}.{key.id}"}
        return jwt.encode(header, claims, private, algorithms=[_ALGORITHM]), id_

    def identify(self, authorization: str | None) -> Bearer:
        """Whom a request's ``Authorization`` header stands for. Raises Refused."""
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise _unknown("缺少 Authorization: Bearer")
        if len(token) > 4096:
            raise _unknown("凭证过长")
        used: list[Purpose] = []

        def key_of(signed: Any) -> OKPKey:
            purpose, key = self._checked_by(signed.headers().get("kid"))
            used.append(purpose)
            return key

        try:
            claims = jwt.decode(token.strip(), key_of, algorithms=[_ALGORITHM]).claims
            self._claims.validate(claims)
            actor = Actor(subject=claims["sub"], role=claims["role"], scope=claims.get("scope", ""))
            lasts = timedelta(seconds=int(claims["exp"]) - int(claims["iat"]))
            issued_at = datetime.fromtimestamp(int(claims["iat"]), UTC)
        except (JoseError, ValidationError, ValueError, TypeError, OverflowError) as failure:
            why = "已过期" if isinstance(failure, ExpiredTokenError) else _BAD
            raise _unknown(why) from None
        if wrong_part(actor) is not None or used != [_ring(actor)]:
            raise _unknown(_BAD)
        if lasts > self._longest:
            raise _unknown("有效期超过了本系统所许的")
        return Bearer(actor, claims["jti"], issued_at)

    def _checked_by(self, id_: object) -> tuple[Purpose, OKPKey]:
        """The ring and the public key that a token names. Raises ValueError for none."""
        now = self._clock()
        for purpose in (Purpose.TOKENS, Purpose.PROGRAMS):
            for key in self._keyring.valid(purpose, now):
                # without a folder both rings have a key of the same name
                if f"{purpose}.{key.id}" == id_:
                    if key.public not in self._public:
                        self._public[key.public] = OKPKey.import_key(
                            {"kty": "OKP", "crv": "Ed25519", "x": _base64(key.public)}
                        )
                    return purpose, self._public[key.public]
        raise ValueError(f"no key {id_!r}")


def _ring(actor: Actor) -> Purpose:
    """Which keys sign the tokens of somebody."""
    program = client_of(actor) or is_program(actor.subject)
    return Purpose.PROGRAMS if program else Purpose.TOKENS


def _base64(digits: str) -> str:
    return urlsafe_b64encode(bytes.fromhex(digits)).rstrip(b"=").decode()


def wrong_part(actor: Actor) -> Literal["role", "subject", "scope"] | None:
    """The first part of an actor that no token can carry, None if all can be.

    A scope left out or of another shape must never widen what somebody sees.
    """
    if actor.role not in SCOPES:
        return "role"
    if not _SUBJECT.fullmatch(actor.subject):
        return "subject"
    try:
        _SHAPES[SCOPES[actor.role]].validate_python(actor.scope)
    except ValidationError:
        return "scope"
    return None if actor.scope.isascii() else "scope"


def _unknown(why: str) -> Refused:
    return Refused(Refusal(code=Code.UNAUTHENTICATED, params={"why": why}))
