"""Signatories, whichever way they come in: read by whoever may, and in no copy of the database."""

import base64
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import pytest
from sqlalchemy import text

from deploy.embedded.postgres import EmbeddedPostgres
from domain.case.commands import Actor, Role
from engine.codec import payloads_in
from services.reads import chain_of
from store import hidden
from tests.api.conftest import whole_system
from tests.certificates import ISSUER, Office, content
from tests.connected import change, connected_rules, issue, register
from tests.databases import owning
from tests.import_files import CSV, row, table
from tests.system import AUDITOR, CLERK, System, institution

pytestmark = pytest.mark.anyio

CONNECTED = "amr-330000"
FIELD = "植入领域"
WAYS = ("申请", "经办", "变更", "延续", "送达", "改送", "演练", "导入", "待办", "连写")
NAMES = {way: f"植入{way}签字人" for way in WAYS}
APPROVER = "植入批准人"


@pytest.fixture(scope="module")
async def house(
    postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[System]:
    """A system with a ring of keys, in which one province is connected and another is not."""
    rules = connected_rules(tmp_path_factory.mktemp("rules") / "rules", CONNECTED)
    async with whole_system(postgres, rules) as found:
        assert hidden.ring() is not None
        await found.add(
            institution("lab", certificates=()), institution("lab-z", "330102", certificates=())
        )
        yield found


def _said(way: str, institution_id: str = "lab", **more: Any) -> dict[str, Any]:
    people = [{"name": NAMES[way], "field": FIELD}]
    return content(institution_id, signatories=people, **more)


async def _filed(house: System) -> str:
    """Applied for, issued, changed, renewed."""
    office = Office(house)
    path = await office.issue({"content": _said("申请")})
    draft = (await house.send("GET", f"{path}/draft", office.filer)).body
    saved = await house.send(
        "PUT", f"{path}/draft", office.filer, {"content": _said("变更")},
        if_match=f'"{draft["revision"]}"',
    )  # fmt: skip
    assert saved.status == 200, saved.body
    asked = await office.apply(path, purpose="change", change="people")
    assert asked.status == 200, asked.body
    await office.grant(path)
    return path


async def _imported(house: System) -> None:
    """By a file; one certificate of it is not to be done, and one cell cannot be read."""
    rows = (
        row(1, signatories=f"{NAMES['导入']}（{FIELD}）", approver=APPROVER),
        row(2, signatories=f"{NAMES['待办']}（{FIELD}）", approver=APPROVER),
        row(3, signatories=f"{NAMES['连写']}、某某"),
    )
    token = house.token(CLERK, "issuing-clerk", ISSUER)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": CSV}
    for mode, sent in (("good", table(rows[0], rows[2])), ("check", table(*rows))):
        at = f"/api/certificates/imports?mode={mode}&filename=x.csv"
        answer = await house.http.post(
            at, content=sent, headers={**headers, "Idempotency-Key": f"planted-{mode}"}
        )
        if answer.status_code == 409:
            colleague = house.token(CLERK, "issuing-clerk-2", ISSUER)
            confirm = f"{answer.headers['location']}/confirm"
            assert (await house.send("POST", confirm, colleague)).body["state"] == "confirmed"
            answer = await house.http.post(
                at, content=sent, headers={**headers, "Idempotency-Key": f"planted-{mode}"}
            )
        assert answer.status_code == 200, answer.text
        found = answer.json()
        for _ in range(400):
            shown = (
                await house.send("GET", f"/api/certificates/imports/{found['id']}", token)
            ).body
            if shown["stage"] != "working":
                break
            await house.pause(0.05)
        assert (mode, shown["stage"]) in (("good", "done"), ("check", "checked")), shown
    # whoever sent the file is told which cell it is, by what stands in it
    told = await house.http.get(
        f"/api/certificates/imports/{found['id']}/report",
        headers={"Authorization": f"Bearer {token}"},
    )
    assert NAMES["连写"] in told.text, told.text


async def _delivered(house: System) -> str:
    """By a program: a certificate, its change, and one that is only rehearsed."""
    client = await register(house, CONNECTED)
    more = {"issuer": CONNECTED}
    first = await client.accepted(issue(content_=_said("送达", "lab-z", **more)))
    again = change(first["number"], _said("改送", "lab-z", **more), kind="people")
    assert (await client.accepted(again))["number"] == first["number"]
    rehearsing = await register(house, CONNECTED, sandbox=True)
    tried = await rehearsing.accepted(issue(content_=_said("演练", "lab-z", **more)))
    # what is rehearsed is read again from what was delivered
    again = change(tried["number"], _said("演练", "lab-z", **more), kind="people")
    await rehearsing.accepted(again)
    return str(first["number"])


async def _told(house: System) -> dict[str, list[str]]:
    """By table what of the planted a copy of the database says, however it is written there."""
    planted = (*NAMES.values(), FIELD, APPROVER)
    forms = {
        form: one
        for one in planted
        for form in (
            one,
            json.dumps(one)[1:-1],
            quote(one),
            one.encode().hex(),
            base64.b64encode(one.encode()).decode()[:-4],
        )
    }
    found: dict[str, list[str]] = {}
    async with owning(house.engine) as connection:
        await connection.execute(text("ANALYZE"))
        named = await connection.execute(
            text(
                "SELECT schemaname, relname FROM pg_stat_user_tables"
                " UNION SELECT 'pg_catalog', 'pg_stats' ORDER BY 1, 2"
            )
        )
        for schema, name in named:
            rows = await connection.execute(
                text(f'SELECT string_agg(t::text, E\'\\n\') FROM "{schema}"."{name}" t')
            )
            said = rows.scalar() or ""
            if told := sorted({one for form, one in forms.items() if form in said}):
                found[name] = told
    return found


async def test_whichever_way_they_come_in_a_copy_names_nobody(
    house: System, capfd: pytest.CaptureFixture[str]
) -> None:
    path = await _filed(house)
    office = Office(house)
    await office.begin({"content": _said("经办")}, office.clerk)
    held = await office.held(path)
    renewal = {"content": _said("延续"), "renews": held["code"]}
    await office.begin(renewal)
    await _imported(house)
    number = await _delivered(house)
    auditor = house.token(AUDITOR, "auditor-1", "")
    clerk = house.token(CLERK, "issuing-clerk", ISSUER)

    # whoever may finds and reads them
    for token, name, numbers in (
        (clerk, NAMES["变更"], [held["number"]]),
        (clerk, NAMES["申请"], []),
        (clerk, NAMES["改送"], []),
        (auditor, NAMES["改送"], [number]),
        (auditor, NAMES["改送"][:-1], []),
    ):
        found = await house.send("GET", f"/api/certificates/search?signatory={name}", token)
        assert [one["public"]["number"] for one in found.body["items"]] == numbers, found.body
        shown = [one["own"]["signatories"] for one in found.body["items"]]
        assert shown == [[{"name": name, "field": FIELD}] for _ in numbers]
    whole = await house.send("GET", f"/api/certificates/registered/{held['number']}", clerk)
    assert whole.body["own"]["signatories"] == [{"name": NAMES["变更"], "field": FIELD}]
    printed = await house.http.get(
        f"{path}/paper", headers={"Authorization": f"Bearer {office.filer}"}
    )
    assert (printed.status_code, printed.content[:5]) == (200, b"%PDF-"), printed.text
    page = await house.http.get(
        f"/work/certificates/search?signatory={NAMES['变更']}",
        headers={"Authorization": f"Bearer {auditor}", "Accept": "text/html"},
    )
    assert NAMES["变更"] in page.text

    # a copy of the database, statistics of its columns with it, says nothing of it
    assert await _told(house) == {}
    # nor does the engine, with nothing hidden, nor any line of a log
    case_id = path.removeprefix("/api/").replace("certificates", "certificate")
    for event in (await house.history(case_id)).events:
        inside = b" ".join(payload.data for payload in payloads_in(event))
        told = inside.decode("utf-8", "replace") + str(event)
        assert [one for one in NAMES.values() if one in told] == []
    logged = capfd.readouterr()
    assert [one for one in NAMES.values() if one in logged.out + logged.err] == []
    # the record is in order, and says who has read, and not whom somebody asked for
    verified = await house.send("GET", "/api/audit/verify", auditor)
    assert verified.body["findings"] == []
    async with house.engine.connect() as connection:
        steps = await connection.execute(
            text("SELECT event, step #>> '{body,what}' FROM journal WHERE case_id = :chain"),
            {"chain": chain_of(Actor(subject="issuing-clerk", role=Role.CLERK, scope=ISSUER))},
        )
        read = [tuple(one) for one in steps]
    assert ("content_read", "检索证书登记 /api/certificates/search?signatory=…") in read
    assert ("content_read", f"一张证书的登记 /api/certificates/registered/{held['number']}") in read


async def test_what_was_destroyed_is_told_as_such_and_what_was_altered_as_that(
    house: System,
) -> None:
    office = Office(house)
    gone, altered = [
        await office.issue({"content": _said("申请", field=field)}) for field in ("12", "13")
    ]
    numbers = [(await office.held(path))["number"] for path in (gone, altered)]
    auditor = house.token(AUDITOR, "auditor-1", "")
    async with owning(house.engine) as connection:
        await connection.execute(
            text(
                "UPDATE data_keys SET wrapped = '', destroyed_at = now() WHERE subject ="
                " (SELECT case_id FROM certificates WHERE number = :number)"
            ),
            {"number": numbers[0]},
        )
        await connection.execute(
            text("UPDATE certificates SET signatories = 'hidden:v2:AAAA' WHERE number = :number"),
            {"number": numbers[1]},
        )
    read = await house.send("GET", f"/api/certificates/registered/{numbers[0]}", office.clerk)
    assert (read.status, read.body["own"]["signatories"]) == (200, []), read.body
    assert read.body["own"]["signatories_destroyed"] is True
    # what has been destroyed is not printed as if there had been nobody
    paper = await house.send("GET", f"{gone}/paper", office.clerk)
    assert (paper.status, paper.body["code"]) == (409, "content_destroyed"), paper.body
    refused = await house.send("GET", f"/api/certificates/registered/{numbers[1]}", office.clerk)
    assert (refused.status, refused.body["code"]) == (409, "content_altered"), refused.body
    # the public is answered about both
    for number in numbers:
        public = await house.http.get("/public/certificates", params={"number": number})
        assert [one["number"] for one in public.json()["items"]] == [number]
    verified = await house.send("GET", "/api/audit/verify", auditor)
    found = {(one["table"], one["kind"]) for one in verified.body["findings"]}
    assert ("certificates", "content") in found
    # what was destroyed here without a step is told of as that, and as nothing else
    cases = {one["case_id"] for one in verified.body["findings"] if one["table"] == "certificates"}
    assert cases == {altered.removeprefix("/api/").replace("certificates", "certificate")}
