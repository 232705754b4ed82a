"""Roles given and ended by administrators, at once; accounts, links, and who gets in."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from time import monotonic, process_time
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
import yaml
from sqlalchemy import text

from api.door import app, languages, pages
from deploy.embedded.postgres import EmbeddedPostgres
from domain.case.commands import Actor, Role
from domain.clock import BEIJING
from domain.memberships import may_administer
from domain.refusals import Code, Refused
from services.sign_in import MOST_SIGN_INS, REFUSED_IN_STEPS_OF, SignInService, Terms, csrf_token
from store import accounts
from tests.accounts import PASSWORD, TERMINAL, code_of, given, in_order, password_set, signed_in
from tests.api.conftest import open_rules as open_rules
from tests.api.conftest import whole_system
from tests.api.documented import as_documented
from tests.api.people import events_of
from tests.system import (
    AUDITOR,
    FILER,
    OPERATOR,
    RESPONSIBLE,
    REVIEWER,
    Answer,
    System,
    institution,
)

pytestmark = pytest.mark.anyio

PATH = "/api/people/memberships"
REVIEWING = {"person": "r-new", "role": "reviewer", "scope": "amr-350200"}


@pytest.fixture(scope="module")
async def house(postgres: EmbeddedPostgres, open_rules: Path) -> AsyncIterator[System]:
    async with whole_system(postgres, open_rules) as house:
        await house.add(institution("lab-1", "350102"), institution("lab-2", "350102"))
        await given(house, "boss", OPERATOR, "350000", administers=True)
        await given(house, "boss-city", OPERATOR, "350200", administers=True)
        await given(house, "lab-boss", FILER, "lab-1", administers=True)
        yield house
        await in_order(house)


def boss(house: System) -> str:
    return house.token(OPERATOR, "boss", "350000")


async def give(house: System, token: str, **body: Any) -> Answer:
    return await house.send("POST", PATH, token, {**REVIEWING, **body})


async def page(
    house: System, path: str, cookie: str, form: dict[str, str] | None = None, **headers: str
) -> httpx.Response:
    """A page, asked for by a browser that keeps ``cookie``."""
    named = {"cookie": f"zhibao_session={cookie}", "accept": "text/html", **headers}
    if form is None:
        return await house.http.get(path, headers=named)
    return await house.http.post(path, data=form, headers=named)


async def test_an_administrator_gives_and_ends_roles_of_its_own_jurisdiction(
    house: System,
) -> None:
    assert (await give(house, house.token(OPERATOR, "another", "350000"))).status == 403
    assert (await give(house, boss(house), scope="amr-440000")).status == 403
    assert (await give(house, house.token(FILER, "lab-boss", "lab-1"))).status == 403
    assert (await give(house, boss(house), person="boss")).status == 422
    # nobody is to be taken for a client, or for the system
    for name in ("client-0123456789abcdef", "cli.root", "system"):
        assert (await give(house, boss(house), person=name, role="clerk")).status == 422, name
    assert (await give(house, boss(house), scope="350200")).status == 422
    assert (await give(house, boss(house), administers=True)).status == 422
    first = await house.send("POST", PATH, boss(house), REVIEWING, idempotency_key="once")
    again = await house.send("POST", PATH, boss(house), REVIEWING, idempotency_key="once")
    assert (first.status, first.body) == (201, again.body)
    listing = (await house.send("GET", f"{PATH}?scope=amr-350200", boss(house))).body
    as_documented(PATH, listing)
    listed = listing["items"]
    assert [(one["person"], one["open"], one["given_by"]) for one in listed] == [
        ("r-new", True, "boss")
    ]
    reviewer = house.token(REVIEWER, "r-new", "amr-350200")
    assert (await house.send("GET", "/api/tasks", reviewer)).status == 200
    end = f"{PATH}/{first.body['id']}/end"
    assert (await house.send("POST", end, house.token(OPERATOR, "x", "350000"))).status == 403
    ended = await house.send("POST", end, boss(house), {"reason": "（生成）调离"})
    assert (ended.body["open"], ended.body["ended_by"]) == (False, "boss")
    # at once, whatever the token says; another authority's is another role
    gone = await house.send("GET", "/api/tasks", reviewer)
    assert (gone.status, gone.body["code"]) == (403, "role_ended")
    other = house.token(REVIEWER, "r-new", "samr")
    assert (await house.send("GET", "/api/tasks", other)).status == 200


async def test_an_administrator_sees_all_that_it_may_give_and_nothing_else(house: System) -> None:
    """The list is the same question as the right to give, asked of all rows at once."""
    await house.add(institution("lab-far", "440106"))
    for person, role, scope in (
        ("s-1", REVIEWER, "amr-350100"),
        ("s-2", REVIEWER, "amr-440000"),
        ("s-3", OPERATOR, "350102"),
        ("s-4", OPERATOR, "440000"),
        ("s-5", FILER, "lab-2"),
        ("s-6", FILER, "lab-far"),
        ("s-7", RESPONSIBLE, "lab-1"),
        ("s-8", AUDITOR, ""),
        ("s-9", REVIEWER, "group-railway"),
    ):
        await given(house, person, role, scope)
    await given(house, "boss-all", OPERATOR, "000000", administers=True)
    people = (("boss", OPERATOR, "350000"), ("boss-city", OPERATOR, "350200"))
    for name, role, scope in (
        *people,
        ("lab-boss", FILER, "lab-1"),
        ("boss-all", OPERATOR, "000000"),
    ):
        token, listed, cursor = house.token(role, name, scope), [], ""
        while cursor is not None:
            query = f"?size=7&cursor={cursor}" if cursor else "?size=7"
            page_ = (await house.send("GET", PATH + query, token)).body
            as_documented(PATH, page_)
            listed += [one["id"] for one in page_["items"]]
            cursor = page_["next"]
        async with house.engine.connect() as connection:
            own = await accounts.memberships_of(connection, name)
            [administrator] = [one for one in own if one.administers]
            ids = await connection.execute(text("SELECT id FROM memberships"))
            every = [await accounts.membership(connection, id_) for id_ in ids.scalars()]
            rows = await connection.execute(text("SELECT id, region FROM institutions"))
            regions = {row.id: row.region for row in rows}
        expected = {
            one.id
            for one in every
            if one and may_administer(administrator, one.role, one.scope, regions.get(one.scope))
        }
        assert len(listed) == len(set(listed)), name
        assert set(listed) == expected, name
    near = await house.send("GET", f"{PATH}?person=s-1&open=true", boss(house))
    [shown] = near.body["items"]
    assert shown["scope_name"] == "福州市市场监督管理局"
    assert (await house.send("GET", f"{PATH}?person=s-2", boss(house))).body["items"] == []
    nobody = await house.send("GET", PATH, house.token(FILER, "s-5", "lab-2"))
    assert (nobody.status, nobody.body["code"]) == (403, "not_an_administrator")


async def test_what_somebody_was_given_and_lost_is_on_their_record(house: System) -> None:
    given_ = await give(house, boss(house), person="r-kept")
    await house.send("POST", f"{PATH}/{given_.body['id']}/end", boss(house), {"reason": "x"})
    await house.send("POST", f"{PATH}/{given_.body['id']}/end", boss(house), {"reason": "x"})
    entries = await house.parts.records.timeline("person/r-kept", with_notes=False)
    assert [(entry.event, entry.subject) for entry in entries] == [
        ("role_given", "boss"),
        ("role_ended", "boss"),
    ]


async def test_only_who_administers_all_that_somebody_holds_makes_them_a_link(
    house: System,
) -> None:
    """Whoever has a link becomes that person."""
    await given(house, "two-roles", FILER, "lab-1")
    lab = house.token(FILER, "lab-boss", "lab-1")
    path = "/api/people/accounts/two-roles/link"
    made = await house.send("POST", path, lab, idempotency_key="l")
    assert made.status == 201
    again = await house.send("POST", path, lab, idempotency_key="l")
    assert again.body == made.body
    await given(house, "two-roles", OPERATOR, "350200")
    refused = await house.send("POST", path, lab)
    assert (refused.status, refused.body["code"]) == (403, "not_an_administrator")
    assert (await house.send("POST", path, boss(house))).status == 201
    # the earlier link ended with the later one
    secret = made.body["path"].rpartition("/")[2]
    with pytest.raises(Refused) as ended:
        await house.parts.sign_in.invited(secret)
    assert ended.value.refusal.code is Code.LINK_ENDED


async def test_a_role_lost_is_lost_within_a_second_where_somebody_is_signed_in(
    house: System,
) -> None:
    cookie = await signed_in(house, "r-signed", REVIEWER, "amr-350000")
    assert (await page(house, "/me", cookie)).status_code == 200
    assert (await page(house, "/work", cookie)).status_code == 303
    held = (await house.send("GET", f"{PATH}?scope=amr-350000", boss(house))).body["items"]
    [mine] = [one for one in held if one["person"] == "r-signed"]
    await house.send("POST", f"{PATH}/{mine['id']}/end", boss(house), {})
    gone = await page(house, "/work", cookie)
    assert gone.status_code == 403
    assert "身份已到期或收回" in gone.text
    # and with another role they go on, having chosen it on their own page
    other = await given(house, "r-signed", FILER, "lab-1")
    assert "填报人" in (await page(house, "/me", cookie)).text
    form = {"csrf": csrf_token(cookie), "membership": other.id}
    assert (await page(house, "/me/role", cookie, form)).status_code == 303
    assert (await page(house, "/work", cookie)).headers["location"] == "/work/filings"
    foreign = await given(house, "somebody-else", FILER, "lab-2")
    form["membership"] = foreign.id
    assert (await page(house, "/me/role", cookie, form)).status_code == 403
    await house.parts.sign_in.sign_out("r-signed")
    assert await events_of(house, "person/r-signed") == [
        "role_given",
        "link_made",
        "password_set",
        "signed_in",
        "role_ended",
        "role_given",
        "role_chosen",
        "signed_out",
    ]


async def test_one_s_own_record_is_told_part_by_part_and_nobody_elses(house: System) -> None:
    cookie = await signed_in(house, "r-own", REVIEWER, "amr-350000")
    await signed_in(house, "r-ow", REVIEWER, "amr-350000")
    mine, another = (house.token(REVIEWER, who, "amr-350000") for who in ("r-own", "r-ow"))
    actor = Actor(subject="r-own", role=REVIEWER, scope="amr-350000")
    for n in range(3):
        await house.parts.reads.note(actor, "content_read", f"filing/2024/lab-{n}", f"read-{n}")

    async def told(token: str, **asked: str) -> Answer:
        return await house.send("GET", f"/api/me/record?{urlencode(asked)}", token)

    async def labels(token: str, **asked: str) -> list[str]:
        return [one["label"] for one in (await told(token, **asked)).body["items"]]

    # each step stands in one part
    assert await labels(mine) == ["登录", "设定密码"]
    assert await labels(mine, what="given") == ["发出一次性链接", "给予身份"]
    assert await labels(mine, what="seen") == ["查看内容"] * 3
    assert await labels(another, what="seen") == []
    given_by = (await told(mine, what="given")).body["items"][-1]["by"]
    assert given_by not in ("", "r-own")
    # page by page, the latest first
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page_ = (await told(mine, what="seen", size="2", **cursor)).body
        seen += [one["what"] for one in page_["items"]]
        if page_["next"] is None:
            break
        cursor = {"cursor": page_["next"]}
    assert seen == ["filing/2024/lab-2", "filing/2024/lab-1", "filing/2024/lab-0"]
    # narrowed by day, both ends included, and by what it is about
    today = house.now().astimezone(BEIJING).date()
    day = {"from": today.isoformat(), "to": today.isoformat()}
    assert len(await labels(mine, what="seen", **day)) == 3
    gone = (today - timedelta(days=1)).isoformat()
    assert await labels(mine, what="seen", **{"from": gone, "to": gone}) == []
    assert len(await labels(mine, what="seen", about="reads/reviewer/r-own")) == 3
    assert await labels(mine, what="seen", about="reads/reviewer/r%own") == []
    for wrong in ({"what": "all"}, {"from": "x"}, {"from": day["to"], "to": gone}, {"cursor": "x"}):
        assert (await told(mine, **wrong)).status == 422, wrong
    # on the page as well, where what is wrong is told
    on_page = (await page(house, "/me/record?what=seen&size=2", cookie)).text
    assert ("filing/2024/lab-2" in on_page, "filing/2024/lab-0" in on_page) == (True, False)
    assert "下一页" in on_page
    assert "给予身份" not in on_page
    assert (await page(house, "/me/record?what=given", cookie)).text.count("给予身份") == 1
    assert (await page(house, "/me/record?from=x", cookie)).status_code == 422
    assert (await house.http.get("/me/record")).headers["location"] == "/sign-in?to=/me/record"


async def test_a_page_and_what_the_api_refuses_it_are_in_the_language_asked_for(
    house: System, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = {"工作台": "Desk", "refusals": {"not_found": {"title": "Not here"}}}
    (tmp_path / "en.yaml").write_text(yaml.safe_dump(said, allow_unicode=True), "utf-8")
    speaking = languages.in_other_languages(pages._TEMPLATES, tmp_path)
    for module in (pages, app):
        monkeypatch.setattr(module, "SPEAKING", speaking)
    monkeypatch.setattr(languages, "REFUSED_IN", languages.refusals_in(tmp_path))
    cookie = await signed_in(house, "r-en", REVIEWER, "amr-350000")

    async def told(address: str, wanted: str) -> str:
        return (await page(house, address, cookie, None, **{"accept-language": wanted})).text

    missing = "/work/filings/2024/no-such-lab"
    assert "<h1>Not here</h1>" in await told(missing, "en")
    assert "Not here" not in await told(missing, "zh-CN")
    # a page that asks the API first speaks it as well
    assert '<a href="/work">Desk</a>' in await told("/work/rules", "en")
    assert '<a href="/work">工作台</a>' in await told("/work/rules", "zh-CN")


async def test_operators_sign_in_with_a_code_that_holds_once(house: System) -> None:
    sign_in = house.parts.sign_in.sign_in
    await given(house, "op-code", OPERATOR, "350100")
    secret = await password_set(house, "op-code")
    for password, code in ((PASSWORD, ""), (PASSWORD, "000000"), ("wrong-password", "")):
        with pytest.raises(Refused) as refused:
            await sign_in("op-code", password, code, "192.0.2.7", "")
        assert refused.value.refusal.code is Code.SIGN_IN_REFUSED
    code = code_of(house, secret, 1)
    assert await sign_in("op-code", PASSWORD, code, "192.0.2.7", "")
    with pytest.raises(Refused):
        await sign_in("op-code", PASSWORD, code, "192.0.2.7", "")
    # a role that wants a code is not to be had by a sign-in without one
    plain = await signed_in(house, "f-plain", FILER, "lab-1")
    await given(house, "f-plain", OPERATOR, "350100")
    found = await house.parts.sign_in.signed_in(plain)
    assert found is not None
    assert [one.role for one in await house.parts.sign_in.roles(found)] == [Role.FILER]


async def test_who_was_not_let_in_by_an_account_is_on_its_record(house: System) -> None:
    cookie = await signed_in(house, "f-tried", FILER, "lab-1")
    assert "登录而被拒绝" not in (await page(house, "/me", cookie)).text
    for name in ("f-tried", "f-tried", "nobody-of-that-name"):
        with pytest.raises(Refused):
            await house.parts.sign_in.sign_in(name, "x", "", "198.51.100.140", "")
    assert "近三十天有 2 次以这一账号登录而被拒绝" in (await page(house, "/me", cookie)).text
    auditor = house.token(AUDITOR, "auditor-1")
    asked = "/api/audit/timeline?action=refused&case=person/f-tried"
    answer = await house.send("GET", asked, auditor)
    assert answer.status == 200, answer.body
    told = answer.body["entries"]
    assert [one["label"].startswith("登录被拒绝") for one in told] == [True, True]
    house.ahead = timedelta(days=31)
    later = await house.parts.sign_in.refused_of_late("f-tried")
    assert later.times == 0
    house.ahead = timedelta()


async def test_how_long_a_refusal_takes_does_not_tell_whether_there_is_an_account(
    house: System,
) -> None:
    await given(house, "f-there", FILER, "lab-1")
    for number, name in enumerate(("f-there", "f-not-there")):
        begun = monotonic()
        with pytest.raises(Refused):
            await house.parts.sign_in.sign_in(name, "x", "", f"192.0.2.{190 + number}", "")
        # what is put on record for the one is done in a time that both take
        assert monotonic() - begun >= REFUSED_IN_STEPS_OF


async def test_guessing_passwords_comes_to_an_end(house: System) -> None:
    await given(house, "guessed", FILER, "lab-1")
    await password_set(house, "guessed")
    codes = []
    for number in range(21):
        with pytest.raises(Refused) as refused:
            await house.parts.sign_in.sign_in("guessed", "x", "", f"192.0.2.{100 + number}", "")
        codes.append(refused.value.refusal.code)
    assert codes == [Code.SIGN_IN_REFUSED] * 20 + [Code.TOO_MANY_SIGN_INS]
    # the right password does not help now either, wherever it comes from
    with pytest.raises(Refused):
        await house.parts.sign_in.sign_in("guessed", PASSWORD, "", "198.51.100.1", "")


async def test_forms_of_other_sites_and_of_earlier_sign_ins_are_refused(house: System) -> None:
    cookie = await signed_in(house, "f-forms", FILER, "lab-1")
    good = {"csrf": csrf_token(cookie), "session": ""}
    for form, headers in (
        ({"session": ""}, {}),
        ({**good, "csrf": csrf_token("another")}, {}),
        ({**good, "csrf": "é"}, {}),
        (good, {"sec-fetch-site": "cross-site"}),
    ):
        refused = await page(house, "/me/sign-out", cookie, form, **headers)
        assert (refused.status_code, "表单已失效" in refused.text) == (403, True)
    assert (await page(house, "/me", cookie)).status_code == 200
    # the cookie opens pages and nothing of the API
    bare = {"cookie": f"zhibao_session={cookie}"}
    assert (await house.http.get("/api/me", headers=bare)).status_code == 401
    out = await page(house, "/me/sign-out", cookie, good)
    assert out.status_code == 303
    assert (await page(house, "/work", cookie)).status_code == 401


@pytest.mark.parametrize(
    "to", ["https://example.org/", "//example.org", "/work//x", "/work\\x", "/c/1", "/work\n"]
)
async def test_signing_in_leads_nowhere_else(house: System, to: str) -> None:
    cookie = await signed_in(house, f"f-{abs(hash(to))}", FILER, "lab-1")
    found = await house.parts.sign_in.signed_in(cookie)
    assert found is not None
    form = {"name": found.session.person, "password": PASSWORD, "to": to}
    answer = await house.http.post("/sign-in", data=form)
    house.http.cookies.clear()
    assert (answer.status_code, answer.headers["location"]) == (303, "/work")
    kept = answer.headers["set-cookie"]
    assert "HttpOnly" in kept
    assert "samesite=lax" in kept.lower()


async def test_the_first_administrator_gets_a_link_until_one_can_sign_in(house: System) -> None:
    first = house.parts.memberships.first_administrator
    link = await first("first-admin", TERMINAL)
    later = await first("first-admin", TERMINAL)
    assert later not in ("", link)
    invitation = await house.parts.sign_in.invited(later)
    unfit = ["short", "first-admin-1", "Password2024!", "zhibao123456", "检验检测直报2026直报"]
    for password, again in (*((one, one) for one in unfit), (f"{PASSWORD}a", f"{PASSWORD}b")):
        with pytest.raises(Refused) as refused:
            await house.parts.sign_in.set_password(later, password, again, "")
        assert refused.value.refusal.code is Code.PASSWORD_UNFIT
    code = code_of(house, invitation.secret)
    both = await asyncio.gather(
        *(house.parts.sign_in.set_password(later, PASSWORD, PASSWORD, code) for _ in range(2)),
        return_exceptions=True,
    )
    assert sorted(isinstance(one, Refused) for one in both) == [False, True]
    assert await first("first-admin", TERMINAL) == ""


async def test_a_sign_in_ends_after_its_hours(house: System) -> None:
    cookie = await signed_in(house, "f-hours", FILER, "lab-1")
    for hour in range(10):
        house.ahead = timedelta(hours=hour, minutes=59)
        assert (await page(house, "/work", cookie)).status_code == 303
    house.ahead = timedelta(hours=10, seconds=1)
    assert (await page(house, "/work", cookie)).status_code == 401
    house.ahead = timedelta()


async def test_a_sign_in_ends_that_nobody_does_anything_with(house: System) -> None:
    cookie = await signed_in(house, "f-idle", FILER, "lab-1")
    other = await signed_in(house, "f-away", FILER, "lab-1")
    house.ahead = timedelta(minutes=119)
    assert (await page(house, "/work", cookie)).status_code == 303
    # what a page asks for by itself while nobody sits there keeps nothing open
    by_itself = {"zhibao-refreshes": "1"}
    assert (await page(house, "/work", other, None, **by_itself)).status_code == 303
    house.ahead = timedelta(minutes=121)
    assert (await page(house, "/work", cookie)).status_code == 303
    assert (await page(house, "/work", other)).status_code == 401
    assert (await page(house, "/me", other)).headers["location"] == "/sign-in?to=/me"
    assert await house.parts.sign_in.sessions("f-away") == []
    # used at 121 minutes: for two hours more, and not a minute longer
    house.ahead = timedelta(minutes=240)
    assert (await page(house, "/work", cookie, None, **by_itself)).status_code == 303
    house.ahead = timedelta(minutes=242)
    assert (await page(house, "/work", cookie)).status_code == 401
    house.ahead = timedelta()


async def test_one_browser_too_many_ends_the_eldest_sign_in(house: System) -> None:
    first = await signed_in(house, "f-many", FILER, "lab-1")
    later = [
        await house.parts.sign_in.sign_in("f-many", PASSWORD, "", f"198.51.100.{number}", "")
        for number in range(MOST_SIGN_INS - 1)
    ]
    assert (await page(house, "/me", first)).status_code == 200
    await house.parts.sign_in.sign_in("f-many", PASSWORD, "", "198.51.100.99", "")
    assert (await page(house, "/me", first)).status_code == 303
    assert (await page(house, "/me", later[0])).status_code == 200
    assert len(await house.parts.sign_in.sessions("f-many")) == MOST_SIGN_INS


async def test_a_person_changes_their_password_by_the_old_one(house: System) -> None:
    here = await signed_in(house, "f-change", FILER, "lab-1")
    there = await house.parts.sign_in.sign_in("f-change", PASSWORD, "", "198.51.100.120", "")
    new = "quiet-river-under-stones"

    async def change(old: str, password: str, again: str) -> httpx.Response:
        form = {"csrf": csrf_token(here), "old": old, "password": password, "again": again}
        return await page(house, "/me/password", here, form)

    for old, password, again, said in (
        ("not-the-old-one", new, new, "原密码或动态口令不对"),
        (PASSWORD, "short", "short", "密码须有"),
        (PASSWORD, "Password2024!", "Password2024!", "太容易猜到"),
        (PASSWORD, new, f"{new}x", "两次填写的密码不一样"),
    ):
        refused = await change(old, password, again)
        assert (refused.status_code, said in refused.text) == (422, True), said
        assert f'value="{password}"' not in refused.text
    assert (await page(house, "/me", there)).status_code == 200
    changed = await change(PASSWORD, new, new)
    assert (changed.status_code, changed.headers["location"]) == (303, "/me?set=1")
    assert "密码已改" in (await page(house, "/me?set=1", here)).text
    # whoever was signed in elsewhere is out, and the old password opens nothing
    assert (await page(house, "/me", there)).status_code == 303
    sign_in = house.parts.sign_in.sign_in
    with pytest.raises(Refused):
        await sign_in("f-change", PASSWORD, "", "198.51.100.121", "")
    assert await sign_in("f-change", new, "", "198.51.100.122", "")
    told = await events_of(house, "person/f-change")
    assert (told.count("password_set"), told[-2:]) == (2, ["password_set", "signed_in"])


async def test_changing_a_password_takes_the_code_as_well_and_ends_in_too_many_tries(
    house: System,
) -> None:
    await given(house, "op-change", OPERATOR, "350100")
    secret = await password_set(house, "op-change")
    cookie = await house.parts.sign_in.sign_in(
        "op-change", PASSWORD, code_of(house, secret, 1), "198.51.100.130", ""
    )
    new = "stones-in-a-quiet-river"
    form = {"csrf": csrf_token(cookie), "old": PASSWORD, "password": new, "again": new}
    assert 'name="code"' in (await page(house, "/me", cookie)).text
    for code in ("", "000000"):
        refused = await page(house, "/me/password", cookie, {**form, "code": code})
        assert (refused.status_code, "原密码或动态口令不对" in refused.text) == (422, True)
    house.ahead = timedelta(minutes=2)
    good = {**form, "code": code_of(house, secret)}
    assert (await page(house, "/me/password", cookie, good)).status_code == 303
    house.ahead = timedelta()
    for _ in range(20):
        tried = await page(house, "/me/password", cookie, {**form, "old": "x"})
    assert (tried.status_code, "too_many_sign_ins" in tried.text) == (429, True)


async def test_guessing_at_a_name_keeps_nobody_from_changing_their_password(house: System) -> None:
    cookie = await signed_in(house, "f-besieged", FILER, "lab-1")
    codes = []
    for number in range(21):
        with pytest.raises(Refused) as refused:
            await house.parts.sign_in.sign_in("f-besieged", "x", "", f"192.0.2.{150 + number}", "")
        codes.append(refused.value.refusal.code)
    assert codes[-1] is Code.TOO_MANY_SIGN_INS
    new = "a-lantern-by-the-harbour"
    form = {"csrf": csrf_token(cookie), "old": PASSWORD, "password": new, "again": new}
    assert (await page(house, "/me/password", cookie, form)).status_code == 303


async def test_a_link_is_not_tried_with_passwords_for_ever(house: System) -> None:
    """To look at a password costs: whoever has a link has it done a number of times."""
    await given(house, "f-linked", FILER, "lab-1")
    link = await house.parts.memberships.link("f-linked", TERMINAL, "linked", by_hand=True)
    codes = []
    for _ in range(21):
        with pytest.raises(Refused) as refused:
            await house.parts.sign_in.set_password(link, "Password2024!", "Password2024!", "")
        codes.append(refused.value.refusal.code)
    assert codes == [Code.PASSWORD_UNFIT] * 20 + [Code.TOO_MANY_SIGN_INS]
    house.ahead = timedelta(minutes=10, seconds=1)
    # all of it may stand for a letter: of this a longer piece takes seconds, of the whole process
    costly = "3!9@&[&593&($+5+83343!86$884749#||{(0&80%[[{{&9(20+9{<{$@&+%$2<91[$@2%3"
    begun = process_time()
    with pytest.raises(Refused):
        await house.parts.sign_in.set_password(link, costly, "another", "")
    assert process_time() - begun < 1
    await house.parts.sign_in.set_password(link, PASSWORD, PASSWORD, "")
    house.ahead = timedelta()


async def test_an_open_browser_does_not_tell_a_password_from_a_code(house: System) -> None:
    await given(house, "op-open", OPERATOR, "350100")
    secret = await password_set(house, "op-open")
    code = code_of(house, secret, 1)
    cookie = await house.parts.sign_in.sign_in("op-open", PASSWORD, code, "198.51.100.131", "")
    csrf = {"csrf": csrf_token(cookie), "code": "000000"}
    # whoever has no code must not learn from a new password that cannot be taken, either
    for new, again in (("short", "short"), ("stones-in-the-river", "another"), ("fine-" * 4, "")):
        told = [
            (await page(house, "/me/password", cookie, {**form, **csrf})).text
            for form in (
                {"old": old, "password": new, "again": again} for old in (PASSWORD, "not-it")
            )
        ]
        assert ["原密码或动态口令不对" in one for one in told] == [False, False]


async def test_a_link_wins_over_whoever_knew_the_old_password(
    house: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What began with the old password comes to nothing once another one was set by a link."""
    cookie = await signed_in(house, "f-raced", FILER, "lab-1")
    sign_in, checks = house.parts.sign_in, house.parts.sign_in._fits
    theirs, to_be_set = "a-password-of-an-intruder", ["set-anew-by-a-link", "set-anew-once-more"]

    async def overtaken(kept: str, password: str) -> bool:
        right = await checks(kept, password)
        anew = to_be_set.pop(0)
        link = await house.parts.memberships.link("f-raced", TERMINAL, anew, by_hand=True)
        await sign_in.set_password(link, anew, anew, "")
        return right

    found = await sign_in.signed_in(cookie)
    assert found is not None
    with monkeypatch.context() as patched:
        patched.setattr(sign_in, "_fits", overtaken)
        with pytest.raises(Refused):
            await sign_in.change_password(found, PASSWORD, theirs, theirs, "")
        with pytest.raises(Refused) as refused:
            await sign_in.sign_in("f-raced", "set-anew-by-a-link", "", "198.51.100.134", "")
    assert refused.value.refusal.code is Code.SIGN_IN_REFUSED
    assert await sign_in.sessions("f-raced") == []
    assert await sign_in.sign_in("f-raced", "set-anew-once-more", "", "198.51.100.133", "")


async def test_over_tls_browsers_keep_a_sign_in_where_no_neighbour_can_put_one(
    house: System,
) -> None:
    await given(house, "f-tls", FILER, "lab-1")
    await password_set(house, "f-tls")
    form = {"name": "f-tls", "password": PASSWORD, "code": "", "to": ""}
    async with httpx.AsyncClient(
        transport=house.http._transport, base_url="https://test"
    ) as browser:
        answer = await browser.post("/sign-in", data=form)
        kept = {one.partition("=")[0]: one for one in answer.headers.get_list("set-cookie")}
        assert set(kept) == {"__Host-zhibao_session", "__Secure-zhibao_browser"}
        session = kept["__Host-zhibao_session"]
        assert {"Secure", "HttpOnly", "Path=/"} <= {one.strip() for one in session.split(";")}
        assert "domain" not in session.lower()
        assert "Secure" in kept["__Secure-zhibao_browser"]
        assert (await browser.get("/me")).status_code == 200
        # what a neighbouring site, or one without TLS, could have put there counts for nothing
        secret = browser.cookies["__Host-zhibao_session"]
        slipped_in = {"cookie": f"zhibao_session={secret}"}
        browser.cookies.clear()
        assert (await browser.get("/me", headers=slipped_in)).status_code == 303
        named = {"cookie": f"__Host-zhibao_session={secret}"}
        left = await browser.post("/sign-out", data={"csrf": csrf_token(secret)}, headers=named)
        assert left.headers["clear-site-data"] == '"cache", "storage"'
        assert left.headers["set-cookie"].startswith('__Host-zhibao_session="";')
        assert (await browser.get("/me", headers=named)).status_code == 303


async def test_no_account_has_a_password_that_is_shown_outside_the_demonstration(
    house: System,
) -> None:
    await given(house, "demo-x", FILER, "lab-1")
    assert await house.parts.sign_in.demo_accounts() == []
    with pytest.raises(ValueError, match="demonstration"):
        await house.parts.sign_in.open_demo_account("demo-x")
    assert "演示账号" not in (await house.http.get("/sign-in")).text


async def test_no_visitor_of_a_demonstration_shuts_the_others_out(house: System) -> None:
    await given(house, "demo-y", FILER, "lab-1")
    terms = Terms("100/minute", timedelta(hours=2))
    shown = SignInService(house.engine, house.settings.keyring, terms, demo=True, clock=house.now)
    await shown.open_demo_account("demo-y")
    [password] = [
        one.password for one in await shown.demo_accounts() if one.membership.person == "demo-y"
    ]
    first = await shown.sign_in("demo-y", password, "", "198.51.100.150", "")
    found = await shown.signed_in(first)
    assert found is not None
    new = "a-visitors-own-password"
    with pytest.raises(Refused) as refused:
        await shown.change_password(found, password, new, new, "")
    assert refused.value.refusal.code is Code.PASSWORD_UNFIT
    for _ in range(MOST_SIGN_INS):
        await shown.sign_in("demo-y", password, "", "198.51.100.150", "")
    assert await shown.signed_in(first) is not None


async def test_a_browser_is_answered_with_pages_and_a_program_with_problems(
    house: System,
) -> None:
    for path, status in (("/nothing", 404), ("/api/nothing", 404), ("/api/me", 401)):
        browser = await house.http.get(path, headers={"accept": "text/html,*/*;q=0.8"})
        program = await house.http.get(path, headers={"accept": "*/*"})
        assert (browser.status_code, program.status_code) == (status, status)
        assert browser.headers["content-type"].startswith("text/html")
        assert program.headers["content-type"] == "application/problem+json"


async def test_an_operators_workbench_lists_the_campaigns(house: System) -> None:
    await house.open(2024, "000000")
    named = {"authorization": f"Bearer {boss(house)}"}
    begun = await house.http.get("/work", headers=named)
    assert (begun.status_code, begun.headers["location"]) == (303, "/work/campaigns")
    listed = await house.http.get("/work/campaigns", headers=named)
    assert listed.status_code == 200
    assert 'href="/work/campaigns/2024/000000"' in listed.text
