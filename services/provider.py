"""A provider of OpenID Connect as this system sees it: discovery, keys, codes for tokens, claims.

What is checked: OpenID Connect Core 1.0, 3.1.3.7 (ID tokens); Back-Channel Logout 1.0, 2.6; RFC
7636 (PKCE, S256), RFC 9207 (who has answered).
"""

import asyncio
import base64
import hashlib
import json
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlencode

import httpx
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry, Key
from pydantic import BaseModel, ConfigDict, ValidationError

LEEWAY = 60
"""Seconds by which the provider's clock may differ from this system's."""

OLDEST = 600
"""Seconds after which an ID token, or a word of signing out, is none any more."""

ALGORITHMS = ("RS256", "PS256", "ES256", "Ed25519", "EdDSA")
"""No algorithm with a shared secret, and never none."""

LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"

_KEPT = 3600.0
"""Seconds for which what the provider says of itself is kept, and its keys at most."""

_KEYS_AGAIN = 30.0
"""Seconds before the keys are asked for again because of a key that is not among them."""

_WITHIN = 10.0
LARGEST = 256 * 1024
"""Bytes of whatever a provider says."""


class NotBelieved(Exception):
    """What the provider or the browser has brought is not to be believed; the text says why."""


class ProviderAway(Exception):
    """The provider does not answer, or not as a provider does."""


class Metadata(BaseModel):
    """What a provider says of itself, as far as it is used."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    end_session_endpoint: str = ""
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)
    authorization_response_iss_parameter_supported: bool = False


class Client(NamedTuple):
    """The provider and what it knows this system by; ``second`` names its second factor."""

    issuer: str
    id: str
    secret: str
    name: str
    second: str


class Claims(NamedTuple):
    """Who has signed in at the provider; ``session`` is its name for the sign-in, "" for none."""

    subject: str
    session: str
    second_factor: bool


class Provider:
    """Asks the provider, and believes what it has signed."""

    def __init__(
        self,
        client: Client,
        now: Callable[[], int],
        http: Callable[[], httpx.AsyncClient] = lambda: httpx.AsyncClient(timeout=_WITHIN),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.client = client
        self._now = now
        self._http = http
        self._monotonic = monotonic
        self._metadata: tuple[float, Metadata] | None = None
        self._keys: tuple[float, dict[str, Key]] | None = None
        self._asking = asyncio.Lock()

    async def metadata(self) -> Metadata:
        """What the provider says of itself. Raises ProviderAway."""
        if self._metadata is None or self._metadata[0] + _KEPT < self._monotonic():
            address = f"{self.client.issuer.rstrip('/')}/.well-known/openid-configuration"
            try:
                found = Metadata.model_validate(await self._json("GET", address))
            except ValidationError:
                raise ProviderAway("discovery") from None
            if found.issuer != self.client.issuer:
                raise ProviderAway(f"discovery names {found.issuer}")
            self._metadata = (self._monotonic(), found)
        return self._metadata[1]

    async def address(self, state: str, nonce: str, verifier: str, back: str) -> str:
        """Where a browser is sent to sign in."""
        digest = hashlib.sha256(verifier.encode()).digest()
        asked = {
            "response_type": "code",
            "client_id": self.client.id,
            "redirect_uri": back,
            "scope": "openid",
            "state": state,
            "nonce": nonce,
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        return _with((await self.metadata()).authorization_endpoint, asked)

    async def leaving(self, back: str) -> str:
        """Where a browser signs out of the provider as well, "" where there is no such place."""
        end = (await self.metadata()).end_session_endpoint
        asked = {"client_id": self.client.id, "post_logout_redirect_uri": back}
        return _with(end, asked) if end else ""

    async def claims(self, code: str, verifier: str, nonce: str, back: str) -> Claims:
        """Who has signed in. Raises NotBelieved, ProviderAway."""
        metadata = await self.metadata()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": back,
            "code_verifier": verifier,
            "client_id": self.client.id,
        }
        auth = None
        if self.client.secret:
            if "client_secret_basic" in metadata.token_endpoint_auth_methods_supported:
                auth = httpx.BasicAuth(self.client.id, self.client.secret)
            else:
                form["client_secret"] = self.client.secret
        answer = await self._json("POST", metadata.token_endpoint, data=form, auth=auth)
        given = answer.get("id_token")
        if not isinstance(given, str):
            raise NotBelieved("没有身份令牌")
        claims = await self._signed(given)
        checked(claims, self.client, nonce, self._now())
        ways = claims.get("amr")
        named = {*(ways if isinstance(ways, list) else ()), claims.get("acr")}
        session = claims.get("sid")
        return Claims(
            subject=claims["sub"],
            session=session if isinstance(session, str) else "",
            second_factor=bool(self.client.second) and self.client.second in named,
        )

    async def signed_out(self, given: str) -> tuple[str, str, str]:
        """The person and the sign-in that have ended at the provider, either may be "", and an id.

        Raises NotBelieved, ProviderAway.
        """
        claims = await self._signed(given)
        return checked_logout(claims, self.client, self._now())

    async def _signed(self, given: str) -> dict[str, Any]:
        """The claims of a token that the provider has signed."""
        id_ = _key_named(given)
        key = await self._key(id_)
        if key is None:
            raise NotBelieved("签名所用的密钥不在公布之列")
        try:
            return jwt.decode(given, key, algorithms=list(ALGORITHMS)).claims
        except (JoseError, ValueError, TypeError):
            raise NotBelieved("签名不对") from None

    async def _key(self, id_: str) -> Key | None:
        async with self._asking:
            now = self._monotonic()
            if self._keys is None or self._keys[0] + _KEPT < now:
                self._keys = (now, await self._read_keys())
            elif _found(self._keys[1], id_) is None and self._keys[0] + _KEYS_AGAIN < now:
                # keys have been exchanged, or somebody made one up: asked for now and then
                self._keys = (now, await self._read_keys())
            return _found(self._keys[1], id_)

    async def _read_keys(self) -> dict[str, Key]:
        listed = (await self._json("GET", (await self.metadata()).jwks_uri)).get("keys")
        keys: dict[str, Key] = {}
        for one in listed if isinstance(listed, list) else ():
            try:
                if one.get("use", "sig") == "sig" and one.get("kty") != "oct":
                    keys[str(one.get("kid", ""))] = JWKRegistry.import_key(one)
            except (JoseError, ValueError, TypeError, AttributeError, KeyError):
                continue
        return keys

    async def _json(self, method: str, address: str, **more: Any) -> dict[str, Any]:
        if not self._safe(address):
            raise ProviderAway("no https")
        try:
            async with (
                asyncio.timeout(_WITHIN),
                self._http() as http,
                http.stream(method, address, **more) as answer,
            ):
                body = b""
                async for part in answer.aiter_bytes():
                    body += part
                    if len(body) > LARGEST:
                        raise ProviderAway("too much")
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as failure:
            raise ProviderAway(type(failure).__name__) from None
        if answer.status_code == 400 and method == "POST":
            raise NotBelieved("授权码不对或已用过")
        try:
            found = json.loads(body) if answer.status_code == 200 else None
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise ProviderAway(f"HTTP {answer.status_code}")
        return found

    def _safe(self, address: str) -> bool:
        """Whether an address is as safe as the issuer's own."""
        return address.startswith("https://") or (
            self.client.issuer.startswith("http://") and address.startswith("http://")
        )


def checked(claims: Mapping[str, Any], client: Client, nonce: str, now: int) -> None:
    """Raises NotBelieved unless an ID token is for this system, of this sign-in, and of now."""
    _checked(claims, client, now)
    if not isinstance(claims.get("exp"), int | float) or claims["exp"] <= now - LEEWAY:
        raise NotBelieved("已过期")
    if claims.get("nonce") != nonce:
        raise NotBelieved("不是这一次登录的")
    if not _text(claims.get("sub")):
        raise NotBelieved("没有说明是谁")


def checked_logout(claims: Mapping[str, Any], client: Client, now: int) -> tuple[str, str, str]:
    """Person, sign-in and id of a logout token. Raises NotBelieved."""
    _checked(claims, client, now)
    if isinstance(claims.get("exp"), int | float) and claims["exp"] <= now - LEEWAY:
        raise NotBelieved("已过期")
    events = claims.get("events")
    if not isinstance(events, dict) or not isinstance(events.get(LOGOUT_EVENT), dict):
        raise NotBelieved("不是退出通知")
    subject, session = _text(claims.get("sub")), _text(claims.get("sid"))
    if "nonce" in claims or not (subject or session) or not _text(claims.get("jti")):
        raise NotBelieved("退出通知不完整")
    return subject, session, claims["jti"]


def _checked(claims: Mapping[str, Any], client: Client, now: int) -> None:
    if claims.get("iss") != client.issuer:
        raise NotBelieved("签发者不对")
    audience = claims.get("aud")
    given = audience if isinstance(audience, list) else [audience]
    party = claims.get("azp", client.id if len(given) == 1 else None)
    if client.id not in given or party != client.id:
        raise NotBelieved("不是给本系统的")
    issued = claims.get("iat")
    if not isinstance(issued, int | float) or issued > now + LEEWAY:
        raise NotBelieved("签发时间不对")
    if issued < now - OLDEST - LEEWAY:
        raise NotBelieved("签发已久")


def _text(value: object) -> str:
    return value if isinstance(value, str) and 0 < len(value) <= 255 else ""


def _found(keys: Mapping[str, Key], id_: str) -> Key | None:
    if not id_ and len(keys) == 1:
        return next(iter(keys.values()))
    return keys.get(id_)


def _key_named(given: str) -> str:
    """The key that a token names, "" for none. Raises NotBelieved for what is no token."""
    head = given.partition(".")[0]
    try:
        if len(given) > LARGEST:
            raise ValueError
        header = json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))
        if not isinstance(header, dict) or header.get("alg") not in ALGORITHMS:
            raise ValueError
    except ValueError:
        raise NotBelieved("不是可采信的令牌") from None
    return str(header.get("kid", ""))


def _with(address: str, asked: Mapping[str, str]) -> str:
    return f"{address}{'&' if '?' in address else '?'}{urlencode(asked)}"
