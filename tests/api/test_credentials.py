"""By what people and programs get in: a provider's word, secrets, tokens; and when no more."""

import asyncio
import base64
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest
from pydantic import SecretStr

from api.door.app import create_app
from api.door.parts import Parts, provider_sign_in
from deploy.embedded.postgres import EmbeddedPostgres
from deploy.embedded.processes import choose_port
from domain.case.commands import Actor
from domain.refusals import Code, Refused
from services.provider import Provider
from services.sign_in import csrf_token
from tests.accounts import PASSWORD, TERMINAL, given, in_order, password_set, signed_in
from tests.api.conftest import open_rules as open_rules
from tests.api.conftest import whole_system
from tests.api.documented import as_documented
from tests.system import FILER, OPERATOR, REVIEWER, Answer, System, institution

pytestmark = pytest.mark.anyio

BACK = "https://certificates.example/sign-in/provider/back"


@pytest.fixture(scope="module")
async def house(postgres: EmbeddedPostgres, open_rules: Path) -> AsyncIterator[System]:
    async with whole_system(postgres, open_rules) as house:
        await house.add(institution("lab-1", "350102"), institution("lab-2", "350102"))
        await given(house, "boss", OPERATOR, "350000", administers=True)
        yield house
        await in_order(house)


def boss(house: System) -> str:
    return house.token(OPERATOR, "boss", "350000")


# --- a provider of OpenID Connect -----------------------------------------------------------------


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    """A provider on this machine, in a process of its own."""
    port = choose_port()
    address = f"http://127.0.0.1:{port}"
    words = ["-m", "tests.verifying_provider", "--port", str(port), "--require-nonce", "true"]
    provider = subprocess.Popen(
        [sys.executable, *words],
        env={**os.environ, "AUTHLIB_INSECURE_TRANSPORT": "1", "PYTHONWARNINGS": "ignore"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        with httpx.Client(trust_env=False) as http:
            for _ in range(600):
                assert provider.poll() is None
                with suppress(httpx.HTTPError):
                    if http.get(f"{address}/jwks").status_code == 200:
                        break
                time.sleep(0.1)
        yield address
    finally:
        provider.kill()
        provider.wait()


class Visitor:
    """A browser, between this system and the provider."""

    def __init__(self, parts: Parts, issuer: str) -> None:
        self.parts = parts
        self.here = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=create_app(parts), raise_app_exceptions=False),
            base_url="http://test",
            headers={"accept": "text/html"},
        )
        self.there = httpx.AsyncClient(base_url=issuer, trust_env=False)

    async def sent(self, path: str = "/sign-in/provider") -> str:
        """Where it is sent to sign in."""
        answer = await self.here.get(path)
        assert answer.status_code == 303, answer.text
        return str(answer.headers["location"])

    async def back(self, address: str, subject: str) -> str:
        """Where the provider sends it back to."""
        answer = await self.there.post(address, data={"sub": subject})
        assert answer.status_code == 302, answer.text
        came, question, asked = answer.headers["location"].partition("?")
        assert came == BACK
        return f"/sign-in/provider/back{question}{asked}"

    async def signs_in(self, subject: str, path: str = "/sign-in/provider") -> httpx.Response:
        return await self.here.get(await self.back(await self.sent(path), subject))


@pytest.fixture
async def visitor(house: System, issuer: str) -> AsyncIterator[Visitor]:
    named = {
        "oidc_issuer": issuer,
        "oidc_client": "zhibao",
        "oidc_secret": SecretStr("a secret:/+"),
        "oidc_name": "（生成）认证",
    }
    settings = house.settings.model_copy(update=named)
    of_here = house.parts.memberships, house.now, house.parts.sign_in
    provider = provider_sign_in(settings, house.engine, *of_here)
    found = Visitor(replace(house.parts, provider=provider), issuer)
    async with found.here, found.there:
        yield found


async def test_a_code_is_worth_nothing_without_the_verifier_of_its_sign_in(
    house: System, visitor: Visitor
) -> None:
    """A code that somebody has got hold of, put into another sign-in of theirs (RFC 9700, 4.5)."""
    await given(house, "f-pkce", FILER, "lab-1")
    link = await house.parts.memberships.link("f-pkce", TERMINAL, "pkce", by_hand=True)
    assert (await visitor.signs_in("pkce-sub", f"/sign-in/link/{link}/provider")).status_code == 303
    visitor.here.cookies.clear()
    stolen = await visitor.back(await visitor.sent(), "pkce-sub")
    code = parse_qs(stolen.partition("?")[2])["code"][0]
    # the provider itself: the code with another verifier, and without any
    exchange = {"grant_type": "authorization_code", "code": code, "redirect_uri": BACK}
    of_client = httpx.BasicAuth("zhibao", "a secret:/+")
    for verifier in ({"code_verifier": "v" * 43}, {}):
        told = await visitor.there.post(
            "/oauth2/token", data={**exchange, **verifier}, auth=of_client
        )
        assert told.status_code == 400, told.text
    visitor.here.cookies.clear()
    mine = await visitor.back(await visitor.sent(), "somebody-else")
    own_code = parse_qs(mine.partition("?")[2])["code"][0]
    injected = await visitor.here.get(mine.replace(own_code, code))
    assert (injected.status_code, "没有完成" in injected.text) == (400, True)
    assert "zhibao_session" not in visitor.here.cookies


async def test_a_person_ties_their_account_by_a_link_and_signs_in_by_the_provider(
    house: System, visitor: Visitor
) -> None:
    await given(house, "f-tied", FILER, "lab-1")
    stranger = await visitor.signs_in("f-sub")
    assert (stranger.status_code, "还没有绑定账号" in stranger.text) == (403, True)
    link = await house.parts.memberships.link("f-tied", TERMINAL, "tie", by_hand=True)
    page = await visitor.here.get(f"/sign-in/link/{link}")
    assert f'href="/sign-in/link/{link}/provider"' in page.text
    tied = await visitor.signs_in("f-sub", f"/sign-in/link/{link}/provider")
    assert (tied.status_code, tied.headers["location"]) == (303, "/work")
    # the link is used up; the account is the person's from now on
    assert (await visitor.here.get(f"/sign-in/link/{link}/provider")).status_code == 404
    again = await visitor.signs_in("f-sub", "/sign-in/provider?to=/me")
    assert (again.status_code, again.headers["location"]) == (303, "/me")
    own = await visitor.here.get("/me/record?what=given")
    assert (own.status_code, "绑定身份认证" in own.text) == (200, True)
    # what was signed in by the provider leads to its own way out
    secret = visitor.here.cookies["zhibao_session"]
    out = await visitor.here.post("/sign-out", data={"csrf": csrf_token(secret)})
    assert out.headers["location"] == "/sign-in?left=1"
    left = await visitor.here.get("/sign-in?left=1")
    assert "/oauth2/end_session?client_id=zhibao" in left.text


async def test_an_answer_signs_in_the_browser_it_was_asked_for_by_and_once(
    house: System, visitor: Visitor, issuer: str
) -> None:
    await given(house, "f-once", FILER, "lab-1")
    await house.parts.memberships.link("f-once", TERMINAL, "once", by_hand=True)
    provider = visitor.parts.provider
    await provider.tie("f-once", "once-sub", TERMINAL, by_hand=True)
    address = await visitor.sent()
    asked = parse_qs(urlsplit(address).query)
    assert (asked["redirect_uri"], asked["code_challenge_method"]) == ([BACK], ["S256"])
    back = await visitor.back(address, "once-sub")
    given_back = dict(item.split("=") for item in back.partition("?")[2].split("&"))
    # another's answer, given to this browser
    other = Visitor(visitor.parts, issuer)
    async with other.here, other.there:
        await other.sent()
        stolen = await other.here.get(back)
        assert (stolen.status_code, "没有完成" in stolen.text) == (400, True)
    wrong = urlencode({**given_back, "state": "x" * 43})
    assert (await visitor.here.get(f"/sign-in/provider/back?{wrong}")).status_code == 400
    foreign = urlencode({**given_back, "iss": "https://other.example"})
    assert (await visitor.here.get(f"/sign-in/provider/back?{foreign}")).status_code == 400
    # that answer is used up by now, and so is every one once it was given
    assert (await visitor.here.get(back)).status_code == 400
    address = await visitor.sent()
    back = await visitor.back(address, "once-sub")
    assert (await visitor.here.get(back)).status_code == 303
    assert (await visitor.here.get(back)).status_code == 400
    # a code of another sign-in: the provider has another challenge for it
    first = await visitor.back(await visitor.sent(), "once-sub")
    code = parse_qs(urlsplit(first).query)["code"][0]
    second = parse_qs(urlsplit(await visitor.back(await visitor.sent(), "once-sub")).query)
    mixed = urlencode({"code": code, "state": second["state"][0]})
    refused = await visitor.here.get(f"/sign-in/provider/back?{mixed}")
    assert (refused.status_code, "没有完成" in refused.text) == (400, True)
    # too late
    back = await visitor.back(await visitor.sent(), "once-sub")
    house.ahead = timedelta(minutes=10, seconds=1)
    assert (await visitor.here.get(back)).status_code == 400
    house.ahead = timedelta()


async def test_an_operator_needs_the_providers_second_factor(
    house: System, visitor: Visitor
) -> None:
    await given(house, "op-tied", OPERATOR, "350100")
    await visitor.parts.provider.tie("op-tied", "op-sub", TERMINAL, by_hand=True)
    assert (await visitor.signs_in("op-sub")).status_code == 403
    await visitor.there.put("/users/op-sub", json={"amr": ["pwd", "mfa"]})
    assert (await visitor.signs_in("op-sub")).status_code == 303


async def test_who_administers_somebody_ties_and_unties_them_at_once(
    house: System, visitor: Visitor
) -> None:
    await given(house, "r-tied", REVIEWER, "amr-350200")
    await given(house, "r-there", REVIEWER, "amr-440000")

    async def asked(person: str, end: str = "") -> httpx.Response:
        return await visitor.here.post(
            f"/api/people/accounts/{person}/identities{end}",
            json={"subject": "r-sub"},
            headers={
                "authorization": f"Bearer {boss(house)}",
                "idempotency-key": f"{person}{end}",
                "accept": "application/json",
            },
        )

    assert (await asked("r-there")).status_code == 403
    assert (await asked("r-tied")).status_code == 201
    # nobody's identity becomes another's while it stands
    await given(house, "r-other", REVIEWER, "amr-350200")
    assert (await asked("r-other")).status_code == 422
    assert (await visitor.signs_in("r-sub")).status_code == 303
    assert (await visitor.here.get("/me")).status_code == 200
    assert (await asked("r-tied", "/end")).status_code == 200
    assert (await visitor.here.get("/work")).status_code == 401
    assert (await visitor.signs_in("r-sub")).status_code == 403


async def test_a_word_of_signing_out_ends_what_came_from_there_once(
    house: System, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def says_out() -> int:
        form = {"logout_token": "e30.e30.e30"}
        return (await visitor.here.post("/sign-in/provider/logout", data=form)).status_code

    await given(house, "f-out", FILER, "lab-1")
    await visitor.parts.provider.tie("f-out", "out-sub", TERMINAL, by_hand=True)
    await visitor.signs_in("out-sub")
    assert await says_out() == 400
    assert (await visitor.here.get("/work")).status_code == 303
    here = await signed_in(house, "f-stays", FILER, "lab-1")

    async def believed(_: Provider, __: str) -> tuple[str, str, str]:
        return "out-sub", "", "word-1"

    # what the provider has signed is looked at in `tests.services.test_provider`
    monkeypatch.setattr(Provider, "signed_out", believed)
    assert await says_out() == 200
    assert (await visitor.here.get("/work")).status_code == 401
    assert await house.parts.sign_in.signed_in(here) is not None
    # kept and sent again it ends nothing of what began since
    await visitor.signs_in("out-sub")
    assert await says_out() == 400
    assert (await visitor.here.get("/work")).status_code == 303


async def test_without_a_provider_there_is_no_way_to_one(house: System) -> None:
    assert (await house.http.get("/sign-in/provider")).status_code == 404
    assert "统一身份认证" not in (await house.http.get("/sign-in")).text


# --- tries ----------------------------------------------------------------------------------------


async def test_guesses_from_many_addresses_lock_out_who_guesses_and_not_who_is_known(
    house: System,
) -> None:
    await given(house, "f-guessed", FILER, "lab-1")
    await password_set(house, "f-guessed")
    form = {"name": "f-guessed", "password": PASSWORD}
    known = await house.http.post("/sign-in", data=form)
    assert known.status_code == 303
    browser = known.cookies["zhibao_browser"]
    house.http.cookies.clear()
    sign_in = house.parts.sign_in.sign_in
    for number in range(30):
        with pytest.raises(Refused):
            await sign_in("f-guessed", "x", "", f"198.51.100.{number}", "")
    with pytest.raises(Refused) as locked:
        await sign_in("f-guessed", PASSWORD, "", "203.0.113.1", "")
    assert locked.value.refusal.code is Code.TOO_MANY_SIGN_INS
    assert await sign_in("f-guessed", PASSWORD, "", "203.0.113.2", "", browser)
    # a browser is known for its own person, and guesses as few times as any other
    with pytest.raises(Refused):
        await sign_in("f-guessed", PASSWORD, "", "203.0.113.3", "", "made-up")
    codes = []
    for number in range(21):
        with pytest.raises(Refused) as refused:
            await sign_in("f-guessed", "x", "", f"203.0.113.{10 + number}", "", browser)
        codes.append(refused.value.refusal.code)
    assert codes[-1] is Code.TOO_MANY_SIGN_INS
    assert codes[0] is Code.SIGN_IN_REFUSED
    house.ahead = timedelta(minutes=10, seconds=1)
    assert await sign_in("f-guessed", PASSWORD, "", "203.0.113.1", "")
    house.ahead = timedelta()


async def test_tries_are_counted_for_all_processes_together_and_forgotten(house: System) -> None:
    from services.throttle import Throttle
    from tests.system import KEYS

    both = [Throttle(house.engine, KEYS, "3/10 minute", house.now) for _ in range(2)]
    tried = await asyncio.gather(
        *(one.count("name", "f-both", "x") for one in both for _ in range(3)),
        return_exceptions=True,
    )
    assert sorted(isinstance(one, Refused) for one in tried) == [False] * 3 + [True] * 3
    house.ahead = timedelta(minutes=10, seconds=1)
    await both[0].count("name", "f-both", "x")
    house.ahead = timedelta()


# --- programs and tokens --------------------------------------------------------------------------

LIMS = "program.lims"
SECRETS = f"/api/people/programs/{LIMS}/secrets"


async def token_for(house: System, secret: str, scope: str = "", name: str = LIMS) -> Answer:
    basic = base64.b64encode(f"{name}:{secret}".encode()).decode()
    answer = await house.http.post(
        "/oauth/token",
        data={"grant_type": "client_credentials", **({"scope": scope} if scope else {})},
        headers={"authorization": f"Basic {basic}"},
    )
    return Answer(answer.status_code, answer.json(), answer.headers)


async def test_a_program_gets_short_tokens_for_its_secret_while_it_holds_a_role(
    house: System,
) -> None:
    role = await given(house, LIMS, FILER, "lab-1")
    await given(house, LIMS, FILER, "lab-2")
    made = await house.send("POST", SECRETS, boss(house), {}, idempotency_key="first")
    assert made.status == 201, made.body
    again = await house.send("POST", SECRETS, boss(house), {}, idempotency_key="first")
    assert (again.status, again.body["secret"]) == (201, "")
    secret = made.body["secret"]
    got = await token_for(house, secret, "filer:lab-1")
    assert (got.status, got.body["expires_in"], got.body["scope"]) == (200, 600, "filer:lab-1")
    token = got.body["access_token"]
    me = await house.send("GET", "/api/me", token)
    assert (me.body["subject"], me.body["scope"]) == (LIMS, "lab-1")
    for wrong in (
        await token_for(house, "x" * 43),
        await token_for(house, secret, name="program.other"),
        await token_for(house, secret, "operator:350000"),
        await token_for(house, secret, "filer:lab-3"),
    ):
        assert (wrong.status, wrong.body["code"]) == (401, "program_refused")
    # a new secret beside the old one for as long as was said
    newer = await house.send("POST", SECRETS, boss(house), {"overlap_hours": 1})
    assert (await token_for(house, secret)).status == 200
    house.ahead = timedelta(hours=1, seconds=1)
    assert (await token_for(house, secret)).status == 401
    assert (await token_for(house, newer.body["secret"])).status == 200
    house.ahead = timedelta()
    # with the role the token is gone at once, and none is to be had
    await house.parts.memberships.end(role.id, TERMINAL, "（生成）", by_hand=True)
    lost = await house.send("GET", "/api/me", token)
    assert (lost.status, lost.body["code"]) == (403, "role_ended")
    assert (await token_for(house, newer.body["secret"], "filer:lab-1")).status == 401
    await house.send("POST", f"{SECRETS}/end", boss(house), {})
    assert (await token_for(house, newer.body["secret"])).status == 401


async def test_programs_are_no_people_and_people_no_programs(house: System) -> None:
    await given(house, "program.p", REVIEWER, "amr-350200")
    link = await house.send("POST", "/api/people/accounts/program.p/link", boss(house))
    assert link.status == 422
    administers = {"person": "program.p", "role": "operator", "scope": "350200"}
    refused = await house.send(
        "POST", "/api/people/memberships", boss(house), {**administers, "administers": True}
    )
    assert refused.status == 422
    await given(house, "r-person", REVIEWER, "amr-350200")
    secret = await house.send("POST", "/api/people/programs/r-person/secrets", boss(house))
    assert secret.status in (404, 422)
    # who does not administer all of it gives it no secret
    await given(house, "program.far", REVIEWER, "amr-440000")
    far = await house.send("POST", "/api/people/programs/program.far/secrets", boss(house))
    assert (far.status, far.body["code"]) == (403, "not_an_administrator")


async def test_a_token_is_revoked_by_its_person_and_by_who_administers_them(
    house: System,
) -> None:
    await given(house, "r-token", REVIEWER, "amr-350200")
    actor = Actor(subject="r-token", role=REVIEWER, scope="amr-350200")
    issued = []
    for _ in range(2):
        now, lasts = house.now(), timedelta(days=1)
        token, id_ = house.parts.identity.issued(actor, now, lasts)
        await house.parts.tokens.issued(id_, actor, now, now + lasts, TERMINAL)
        issued.append((token, id_))
    (first, first_id), (second, second_id) = issued
    mine = await house.send("GET", "/api/me/tokens", first)
    as_documented("/api/me/tokens", mine.body)
    assert {one["id"] for one in mine.body["items"]} == {first_id, second_id}
    assert first not in str(mine.body)
    # another's is not told from none
    other = house.token(REVIEWER, "r-nosy", "amr-350200")
    for id_ in (first_id, "0" * 32):
        nothing = await house.send("POST", f"/api/me/tokens/{id_}/revoke", other)
        assert (nothing.status, nothing.body["detail"].replace(id_, "")) == (
            404,
            nothing.body["detail"],
        )
    assert (await house.send("POST", f"/api/me/tokens/{first_id}/revoke", first)).status == 200
    gone = await house.send("GET", "/api/me", first)
    assert (gone.status, "已作废" in gone.body["detail"]) == (401, True)
    assert (await house.send("GET", "/api/me", second)).status == 200
    listed = await house.send("GET", "/api/people/tokens?person=r-token", boss(house))
    assert [one["id"] for one in listed.body["items"]] == [second_id]
    foreign = house.token(OPERATOR, "boss-elsewhere", "440000")
    assert (await house.send("GET", "/api/people/tokens?person=r-token", foreign)).status == 403
    path = f"/api/people/tokens/{second_id}/revoke"
    assert (await house.send("POST", path, foreign)).status == 404
    assert (await house.send("POST", path, boss(house))).status == 200
    assert (await house.send("GET", "/api/me", second)).status == 401


async def test_ones_own_page_shows_what_one_did_saw_was_given_and_lost(house: System) -> None:
    cookie = await signed_in(house, "r-own", REVIEWER, "amr-350000")
    await house.parts.reads.note(
        Actor(subject="r-own", role=REVIEWER, scope="amr-350000"),
        "content_read",
        "（生成）一份填报",
        "read-once",
    )
    lost = await given(house, "r-own", REVIEWER, "amr-350200")
    await house.parts.memberships.end(lost.id, TERMINAL, "（生成）", by_hand=True)
    named = {"cookie": f"zhibao_session={cookie}", "accept": "text/html"}
    assert (await house.http.get("/me", headers=named)).status_code == 200
    shown = {}
    for part in ("did", "seen", "given"):
        page = await house.http.get(f"/me/record?what={part}", headers=named)
        assert page.status_code == 200
        shown[part] = page.text
    assert "查看内容" in shown["seen"]
    assert "（生成）一份填报" in shown["seen"]
    assert "（生成）一份填报" not in shown["given"]
    for said in ("给予身份", "收回身份", "cli.tests"):
        assert said in shown["given"], said
    assert "设定密码" in shown["did"] + shown["given"]
    other = await signed_in(house, "r-else", REVIEWER, "amr-350000")
    named["cookie"] = f"zhibao_session={other}"
    theirs = await house.http.get("/me/record?what=seen", headers=named)
    assert (theirs.status_code, "（生成）一份填报" in theirs.text) == (200, False)
