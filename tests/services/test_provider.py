"""What a provider of OpenID Connect says is believed only where it is its own, ours, and of now."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey

from services.provider import (
    LEEWAY,
    LOGOUT_EVENT,
    OLDEST,
    Client,
    NotBelieved,
    Provider,
    ProviderAway,
)

pytestmark = pytest.mark.anyio

ISSUER = "https://login.example"
CLIENT = Client(ISSUER, "zhibao", "a secret:/+", "统一身份认证", "mfa")
NOW = 1_800_000_000


class Elsewhere:
    """A provider's endpoints, whose keys and answers a test may change."""

    def __init__(self) -> None:
        self.signing = ECKey.generate_key("P-256", {"kid": "first", "use": "sig"})
        self.published = [self.signing]
        self.id_token = ""
        self.asked: list[str] = []
        self.form: dict[str, list[str]] = {}
        self.metadata: dict[str, Any] = {
            "issuer": ISSUER,
            "authorization_endpoint": f"{ISSUER}/authorize",
            "token_endpoint": f"{ISSUER}/token",
            "jwks_uri": f"{ISSUER}/keys",
        }
        self.seconds = 0.0
        self.provider = Provider(
            CLIENT,
            lambda: NOW,
            lambda: httpx.AsyncClient(transport=httpx.MockTransport(self._answer)),
            lambda: self.seconds,
        )

    def _answer(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        self.asked.append(path)
        if path == "/.well-known/openid-configuration":
            return httpx.Response(200, json=self.metadata)
        if path == "/keys":
            return httpx.Response(
                200, json={"keys": [key.as_dict(private=False) for key in self.published]}
            )
        self.form = parse_qs(request.content.decode())
        return httpx.Response(200, json={"id_token": self.id_token})

    def signs(self, **changes: Any) -> str:
        claims = {
            "iss": ISSUER, "aud": "zhibao", "sub": "someone", "nonce": "n",
            "iat": NOW, "exp": NOW + 300,
        } | changes  # fmt: skip
        claims = {name: value for name, value in claims.items() if value is not None}
        header = {"alg": "ES256", "kid": self.signing.kid}
        return jwt.encode(header, claims, self.signing, algorithms=["ES256"])

    async def claims(self, id_token: str) -> Any:
        self.id_token = id_token
        return await self.provider.claims("code", "verifier", "n", "https://here/back")


@pytest.fixture
def there() -> Elsewhere:
    return Elsewhere()


async def test_a_code_is_exchanged_with_its_verifier_and_the_claims_are_told(
    there: Elsewhere,
) -> None:
    found = await there.claims(there.signs(sid="s-1", amr=["pwd", "mfa"]))
    assert found == ("someone", "s-1", True)
    assert (there.form["code_verifier"], there.form["redirect_uri"]) == (
        ["verifier"],
        ["https://here/back"],
    )
    assert (await there.claims(there.signs(acr="mfa"))).second_factor
    assert not (await there.claims(there.signs(amr=["pwd"]))).second_factor
    assert not (await there.claims(there.signs())).second_factor


@pytest.mark.parametrize(
    ("changes", "believed"),
    [
        ({"exp": NOW - LEEWAY + 1}, True),
        ({"exp": NOW - LEEWAY}, False),
        ({"iat": NOW + LEEWAY}, True),
        ({"iat": NOW + LEEWAY + 1}, False),
        ({"iat": NOW - OLDEST - LEEWAY}, True),
        ({"iat": NOW - OLDEST - LEEWAY - 1}, False),
        ({"aud": ["zhibao"]}, True),
        ({"aud": ["zhibao", "other"], "azp": "zhibao"}, True),
        ({"aud": ["zhibao", "other"]}, False),
        ({"aud": ["zhibao", "other"], "azp": "other"}, False),
        ({"azp": "other"}, False),
        ({"aud": "other"}, False),
        ({"aud": None}, False),
        ({"iss": f"{ISSUER}/"}, False),
        ({"iss": None}, False),
        ({"nonce": "another"}, False),
        ({"nonce": None}, False),
        ({"sub": ""}, False),
        ({"sub": "x" * 256}, False),
        ({"sub": 7}, False),
        ({"iat": None}, False),
        ({"exp": None}, False),
        ({"exp": "later"}, False),
    ],
)
async def test_an_id_token_is_this_providers_for_this_system_of_this_sign_in_and_of_now(
    there: Elsewhere, changes: dict[str, Any], believed: bool
) -> None:
    if believed:
        assert (await there.claims(there.signs(**changes))).subject == "someone"
        return
    with pytest.raises(NotBelieved):
        await there.claims(there.signs(**changes))


def tampered(there: Elsewhere) -> str:
    head, _, signature = there.signs().split(".")
    return f"{head}.{there.signs(sub='boss').split('.')[1]}.{signature}"


def unsigned(there: Elsewhere) -> str:
    return "eyJhbGciOiJub25lIn0." + there.signs().split(".")[1] + "."


def signed_with_the_secret(_: Elsewhere) -> str:
    claims = {"iss": ISSUER, "aud": "zhibao", "sub": "boss", "nonce": "n", "iat": NOW}
    header = {"alg": "HS256", "kid": "first"}
    key = OctKey.import_key(CLIENT.secret * 4)
    return jwt.encode(header, {**claims, "exp": NOW + 300}, key, algorithms=["HS256"])


def another_key_under_its_name(there: Elsewhere) -> str:
    there.signing = ECKey.generate_key("P-256", {"kid": "first", "use": "sig"})
    return there.signs()


@pytest.mark.parametrize(
    "made",
    [tampered, unsigned, signed_with_the_secret, another_key_under_its_name, lambda _: "x.y.z"],
)
async def test_what_the_provider_has_not_signed_is_not_believed(
    there: Elsewhere, made: Callable[[Elsewhere], str]
) -> None:
    await there.claims(there.signs())
    with pytest.raises(NotBelieved):
        await there.claims(made(there))


async def test_keys_are_read_again_for_a_new_one_now_and_then_and_old_ones_are_forgotten(
    there: Elsewhere,
) -> None:
    old = there.signs()
    await there.claims(old)
    there.signing = ECKey.generate_key("P-256", {"kid": "second", "use": "sig"})
    there.published = [there.signing]
    # names made up do not have the provider asked over and over
    for _ in range(3):
        with pytest.raises(NotBelieved):
            await there.claims(there.signs())
    assert there.asked.count("/keys") == 1
    there.seconds = 31
    assert (await there.claims(there.signs())).subject == "someone"
    assert there.asked.count("/keys") == 2
    # what has been rotated out signs nobody in any more
    with pytest.raises(NotBelieved):
        await there.claims(old)
    assert there.asked.count("/.well-known/openid-configuration") == 1


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://other.example"},
        {"token_endpoint": None},
        {"jwks_uri": "http://login.example/keys"},
    ],
)
async def test_a_provider_that_is_another_or_speaks_openly_is_none(
    there: Elsewhere, metadata: dict[str, Any]
) -> None:
    there.metadata |= metadata
    with pytest.raises(ProviderAway):
        await there.claims(there.signs())


async def test_a_word_of_signing_out_names_whose_sign_ins_end(there: Elsewhere) -> None:
    def word(**changes: Any) -> str:
        events: dict[str, Any] = {
            "events": {LOGOUT_EVENT: {}},
            "jti": "j",
            "nonce": None,
            "exp": None,
        }
        return there.signs(**(events | changes))

    assert await there.provider.signed_out(word()) == ("someone", "", "j")
    assert await there.provider.signed_out(word(sub=None, sid="s")) == ("", "s", "j")
    wrongs: tuple[dict[str, Any], ...] = (
        {"sub": None}, {"nonce": "n"}, {"events": {}}, {"events": None}, {"jti": None},
        {"aud": "other"}, {"iss": "https://other.example"}, {"iat": NOW - OLDEST - LEEWAY - 1},
        {"exp": NOW - LEEWAY},
    )  # fmt: skip
    for wrong in wrongs:
        with pytest.raises(NotBelieved):
            await there.provider.signed_out(word(**wrong))
    # an ID token is none
    with pytest.raises(NotBelieved):
        await there.provider.signed_out(there.signs())


async def test_the_browser_is_sent_with_a_challenge_and_never_the_verifier(
    there: Elsewhere,
) -> None:
    address = await there.provider.address("s", "n", "verifier", "https://here/back")
    asked = parse_qs(httpx.URL(address).query.decode())
    assert asked["code_challenge_method"] == ["S256"]
    assert asked["code_challenge"] == ["iMnq5o6zALKXGivsnlom_0F5_WYda32GHkxlV7mq7hQ"]
    assert "verifier" not in json.dumps(asked).replace("code_challenge", "")
    assert await there.provider.leaving("https://here/") == ""
