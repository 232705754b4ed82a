"""Who asks: signed bearer tokens that carry one person in one capacity."""

import re
from datetime import datetime, timedelta
from typing import Any, Literal

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey
from pydantic import TypeAdapter, ValidationError

from api.door.rights import SCOPES, Scope
from domain.case.commands import Actor
from domain.ids import InstitutionId, JurisdictionCode
from domain.jurisdictions import AuthorityId
from domain.refusals import Code, Refusal, Refused

SESSION_COOKIE = "zhibao_session"
"""Under which a browser keeps the secret that its pages are asked with."""

_ISSUER = "zhibao"
_ALGORITHM = "HS256"
_SUBJECT = re.compile(r"[0-9A-Za-z][0-9A-Za-z._@-]{0,63}")
_SHAPES: dict[Scope, TypeAdapter[Any]] = {
    Scope.INSTITUTION: TypeAdapter(InstitutionId),
    Scope.AUTHORITY: TypeAdapter(AuthorityId),
    Scope.JURISDICTION: TypeAdapter(JurisdictionCode),
    Scope.EVERYTHING: TypeAdapter(Literal[""]),
}
"""What a scope that names this is written like."""


class Identity:
    """Issues and checks tokens with one key."""

    def __init__(self, key: str) -> None:
        self._key = OctKey.import_key(key)
        self._claims = jwt.JWTClaimsRegistry(
            iss={"essential": True, "value": _ISSUER},
            exp={"essential": True},
            sub={"essential": True},
            role={"essential": True, "values": [role.value for role in SCOPES]},
        )

    def issue(self, actor: Actor, now: datetime, lifetime: timedelta) -> str:
        """A token for one person in one capacity. Raises ValueError where `wrong_part` has one."""
        if (part := wrong_part(actor)) is not None:
            raise ValueError(f"no token for {actor!r}: {part}")
        claims = {
            "iss": _ISSUER,
            "sub": actor.subject,
            "role": actor.role.value,
            "scope": actor.scope,
            "iat": int(now.timestamp()),
            "exp": int((now + lifetime).timestamp()),
        }
        return jwt.encode({"alg": _ALGORITHM}, claims, self._key)

    def identify(self, authorization: str | None) -> Actor:
        """Who a request's ``Authorization`` header stands for. Raises Refused."""
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise _unknown("缺少 Authorization: Bearer")
        if len(token) > 4096:
            raise _unknown("凭证过长")
        try:
            claims = jwt.decode(token.strip(), self._key, algorithms=[_ALGORITHM]).claims
            self._claims.validate(claims)
            actor = Actor(subject=claims["sub"], role=claims["role"], scope=claims.get("scope", ""))
        except (JoseError, ValidationError, ValueError, TypeError) as failure:
            why = "已过期" if "expired" in str(failure) else "签名或内容无效"
            raise _unknown(why) from None
        if wrong_part(actor) is not None:
            raise _unknown("签名或内容无效")
        return actor


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
