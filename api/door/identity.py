"""Who asks: signed bearer tokens that carry one person in one capacity."""

import re
from datetime import datetime, timedelta
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey
from pydantic import TypeAdapter, ValidationError

from domain.case.commands import Actor, Role
from domain.ids import AuthorityId, InstitutionId, JurisdictionCode
from domain.refusals import Code, Refusal, Refused

_ISSUER = "zhibao"
_ALGORITHM = "HS256"
_SUBJECT = re.compile(r"[0-9A-Za-z][0-9A-Za-z._@-]{0,63}")
_SCOPES: dict[Role, TypeAdapter[Any]] = {
    Role.FILER: TypeAdapter(InstitutionId),
    Role.REVIEWER: TypeAdapter(AuthorityId),
    Role.CHECKER: TypeAdapter(AuthorityId),
    Role.CLERK: TypeAdapter(AuthorityId),
    Role.OPERATOR: TypeAdapter(JurisdictionCode),
}
"""What each role's scope must be; an auditor has none, and nobody is given the system's role."""


class Identity:
    """Issues and checks tokens with one key."""

    def __init__(self, key: str) -> None:
        self._key = OctKey.import_key(key)
        self._claims = jwt.JWTClaimsRegistry(
            iss={"essential": True, "value": _ISSUER},
            exp={"essential": True},
            sub={"essential": True},
            role={"essential": True, "values": [role.value for role in Role if role != "system"]},
        )

    def issue(self, actor: Actor, now: datetime, lifetime: timedelta) -> str:
        """A token for one person in one capacity. Raises ValueError where no such one can be."""
        if not _can_be(actor):
            raise ValueError(f"no token for {actor.subject!r} as {actor.role} of {actor.scope!r}")
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
        if not _can_be(actor):
            raise _unknown("签名或内容无效")
        return actor


def _can_be(actor: Actor) -> bool:
    """A scope left out or of another shape must never widen what somebody sees."""
    if not _SUBJECT.fullmatch(actor.subject) or actor.role is Role.SYSTEM:
        return False
    if actor.role is Role.AUDITOR:
        return actor.scope == ""
    try:
        _SCOPES[actor.role].validate_python(actor.scope)
    except ValidationError:
        return False
    return actor.scope.isascii()


def _unknown(why: str) -> Refused:
    return Refused(Refusal(code=Code.UNAUTHENTICATED, params={"why": why}))
