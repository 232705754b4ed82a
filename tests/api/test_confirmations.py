"""What one person proposes and another confirms, and what neither can do alone."""

import asyncio
import getpass
import json
import re
import secrets
import shutil
import subprocess
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.testing import WorkflowEnvironment

from domain.case.commands import Actor, Role
from domain.clock import BEIJING
from domain.confirmations import ConfirmedAct
from rules.file.confirmations import CONFIRMATIONS, load_confirmations
from rules.file.library import SHIPPED
from services.sign_in import csrf_token
from tests.accounts import signed_in
from tests.certificates import ISSUER, Office, content
from tests.command import ZHIBAO, environment
from tests.import_files import row, table
from tests.system import (
    AUDITOR,
    CLERK,
    KEY,
    OPERATOR,
    REVIEWER,
    Answer,
    System,
    institution,
    running,
)

pytestmark = pytest.mark.anyio
DOCUMENT = "闽市监更〔2026〕1号（生成）"
DECIDED = {"approved_on": "2025-03-21", "document": "（生成）", "approver": "（生成）"}


@pytest.fixture
async def house(
    dev_engine: WorkflowEnvironment, engine: AsyncEngine, moved_rules: Path, tmp_path: Path
) -> AsyncIterator[System]:
    """The whole system where every act that can need a second person does, from two cases on."""
    folder = tmp_path / "rules"
    shutil.copytree(moved_rules, folder)
    terms = (SHIPPED / CONFIRMATIONS).read_text("utf-8")
    terms = terms.replace("required: false", "required: true")
    terms = re.sub("from: 10{2,3}", "from: 2", terms)
    (folder / CONFIRMATIONS).write_text(terms, "utf-8")
    async with running(dev_engine, engine, folder) as found:
        await found.add(institution("lab", certificates=()))
        yield found


def waits(answer: Answer) -> str:
    """The address of what an act was put down as."""
    assert (answer.status, answer.body["code"]) == (409, "awaits_confirmation"), answer.body
    address: str = answer.headers["location"]
    assert address.rpartition("/")[2] in answer.body["detail"]
    return address


def ending() -> dict[str, Any]:
    today = datetime.now(BEIJING).date().isoformat()
    return {
        "ending": "revoked",
        "on": today,
        "reason": "以欺骗手段取得",
        "document": "闽市监撤〔2026〕1号（生成）",
        "approver": "测试批准人",
    }


async def test_an_end_is_done_by_two_and_a_mistaken_one_is_corrected_by_two(
    house: System,
) -> None:
    office = Office(house)
    path = await office.issue()
    proposed = await office.act(path, "end", office.clerk, ending(), idempotency_key="end-1")
    at = waits(proposed)
    assert (await office.held(path))["status"] == "valid"
    # asked for again with its key it is the same proposal
    again = await office.act(path, "end", office.clerk, ending(), idempotency_key="end-1")
    assert waits(again) == at

    colleague = house.token(CLERK, "issuing-clerk-2", ISSUER)
    listed = await house.send("GET", "/api/confirmations?waiting=true", colleague)
    assert [f"/api/confirmations/{one['id']}" for one in listed.body["items"]] == [at]
    assert listed.body["items"][0]["body"] == ending()
    assert (await house.send("GET", at, office.clerk)).body["own"] is True
    # not by whoever proposed it, in whatever role or at the terminal, nor by a program
    for subject, role, code in (
        ("issuing-clerk", CLERK, "own_proposal"),
        ("issuing-clerk", REVIEWER, "own_proposal"),
        ("cli.issuing-clerk", REVIEWER, "own_proposal"),
        ("program.robot", CLERK, "not_to_confirm"),
    ):
        answer = await house.send("POST", f"{at}/confirm", house.token(role, subject, ISSUER))
        assert answer.body["code"] == code, (subject, role, answer.body)
    # elsewhere it is not there, and who cannot confirm anything is told so
    absent = at[:-4] + "0000"
    for role, scope in ((CLERK, "amr-430000"), (OPERATOR, "430000"), (OPERATOR, "000000")):
        stranger = house.token(role, "stranger", scope)
        there = await house.send("POST", f"{at}/confirm", stranger)
        missing = await house.send("POST", f"{absent}/confirm", stranger)
        assert there.status == missing.status == 404
        assert {**there.body, "request_id": ""} == {**missing.body, "request_id": ""}
    assert (await house.send("POST", f"{at}/confirm", office.filer)).status == 403
    assert (await office.held(path))["status"] == "valid"

    done = await house.send("POST", f"{at}/confirm", colleague, {}, idempotency_key="c-1")
    assert (done.status, done.body["state"]) == (200, "done"), done.body
    assert (done.body["proposed_by"], done.body["decided_by"]) == (
        "issuing-clerk",
        "issuing-clerk-2",
    )
    assert (await office.held(path))["status"] == "revoked"
    # the case's own history names both; the institution deals with an authority
    for token, named in ((colleague, "issuing-clerk-2"), (office.filer, "")):
        entries = (await house.send("GET", f"{path}/timeline", token)).body["entries"]
        assert [one["confirmed_by"] for one in entries if one["confirmed_by"]] == [named] * bool(
            named
        )
        assert entries[-1]["confirmed_by"] == named
    # once more, whoever asks: nothing is done twice
    repeated = await house.send("POST", f"{at}/confirm", colleague, {}, idempotency_key="c-1")
    assert repeated.body == done.body
    receipt = await office.act(path, "end", office.clerk, ending(), idempotency_key="end-1")
    assert (receipt.status, receipt.body["status"]) == (200, "completed")
    late = await house.send("POST", f"{at}/decline", colleague, {"reason": "不对"})
    assert late.body["code"] == "confirmation_decided"

    # it was another institution's: the certificate is in force again, and the public is told so
    body = {"reason": "误登记", "document": DOCUMENT, "approver": "测试批准人"}
    at = waits(await office.act(path, "correct-end", office.clerk, body))
    later = waits(await office.act(path, "correct-end", office.clerk, body))
    # the process that took the confirmation was killed before it acted: asked again, it is done
    whole = Actor(subject="issuing-clerk-2", role=CLERK, scope=ISSUER)
    await house.parts.confirmations.confirm(at.rpartition("/")[2], whole)
    assert (await office.held(path))["status"] == "revoked"
    assert (await house.send("GET", at, colleague)).body["state"] == "confirmed"
    assert (await house.send("POST", f"{at}/confirm", colleague)).body["state"] == "done"
    held = await office.held(path)
    assert (held["status"], held["ended_on"], held["document"]) == ("valid", None, DOCUMENT)
    page = await house.http.get(f"/c/{held['code']}", headers={"accept": "text/html"})
    assert "此前登记的终止已更正，依据的文书" in page.text
    # what has not ended cannot be corrected, nor what lies ahead be an end: nothing is proposed
    refused = await office.act(path, "correct-end", office.clerk, body)
    assert (refused.status, refused.body["code"]) == (409, "certificate_not_ended")
    tomorrow = (datetime.now(BEIJING).date() + timedelta(days=1)).isoformat()
    refused = await office.act(path, "end", office.clerk, {**ending(), "on": tomorrow})
    assert (refused.status, refused.body["code"]) == (422, "ending_day_outside")
    # corrected meanwhile by another proposal: told to whoever confirms, and it stays on record
    at = later
    refused = await house.send("POST", f"{at}/confirm", colleague)
    assert refused.body["code"] == "confirmed_and_refused"
    assert "没有误登记的注销" in refused.body["detail"]
    shown = (await house.send("GET", at, house.token(AUDITOR, "auditor-1"))).body
    assert (shown["state"], shown["outcome"]) == ("refused", "certificate_not_ended")
    # nobody acts through another one after their role was taken away
    at = waits(await office.act(path, "end", office.clerk, ending()))
    by = Actor(subject="operator-1", role=OPERATOR, scope="350000")
    await house.parts.people.revoke(ISSUER, "issuing-clerk", by, "r-1", "（生成）调离")
    refused = await house.send("POST", f"{at}/confirm", colleague)
    assert (refused.status, refused.body["code"]) == (409, "confirmed_and_refused")
    assert (await office.held(path))["status"] == "valid"


async def test_late_declined_and_withdrawn_acts_are_never_done(house: System) -> None:
    operator = house.token(OPERATOR, "operator-1", "000000")
    second = house.token(OPERATOR, "operator-2", "000000")
    path = "/api/rules/2024/000000/publish"
    reason = {"reason": "（生成）试发"}
    taken_back = waits(await house.send("POST", path, operator, reason, idempotency_key="p-1"))
    others = await house.send("POST", f"{taken_back}/withdraw", second)
    assert others.body["code"] == "proposers_only"
    withdrawn = await house.send("POST", f"{taken_back}/withdraw", operator)
    assert withdrawn.body["state"] == "withdrawn"
    answer = await house.send("POST", f"{taken_back}/confirm", second)
    assert answer.body["code"] == "confirmation_decided"
    answer = await house.send("POST", path, operator, reason, idempotency_key="p-1")
    assert answer.body["code"] == "confirmation_decided"

    declined = waits(await house.send("POST", path, operator, reason))
    answer = await house.send("POST", f"{declined}/decline", second, {"reason": "依据不足"})
    assert (answer.body["state"], answer.body["reason"]) == ("declined", "依据不足")

    # the last second, and the first after it
    late = waits(await house.send("POST", path, operator, reason, idempotency_key="p-3"))
    ends = datetime.fromisoformat((await house.send("GET", late, second)).body["ends_at"])
    now = house.now
    try:
        house.now = lambda: ends  # type: ignore[method-assign]
        answer = await house.send("POST", f"{late}/confirm", second)
        assert (answer.status, answer.body["code"]) == (409, "confirmation_late")
        again = await house.send("POST", path, operator, reason, idempotency_key="p-3")
        assert again.body["code"] == "confirmation_late"
        house.now = lambda: ends - timedelta(seconds=1)  # type: ignore[method-assign]
        answer = await house.send("POST", f"{late}/confirm", second)
        # in time: it is the generated rules themselves that cannot be published
        assert answer.body["code"] == "confirmed_and_refused", answer.body
        assert "rules check" in answer.body["detail"]
    finally:
        house.now = now  # type: ignore[method-assign]


async def test_a_file_of_many_certificates_is_looked_at_by_a_second_person(house: System) -> None:
    office = Office(house)
    colleague = house.token(CLERK, "issuing-clerk-2", ISSUER)

    async def given(rows: int, mode: str, token: str = office.clerk) -> httpx.Response:
        headers = {
            "authorization": f"Bearer {token}",
            "content-type": "text/csv",
            "idempotency-key": secrets.token_hex(8),
        }
        content = table(*(row(place) for place in range(1, rows + 1)))
        path = f"/api/certificates/imports?mode={mode}"
        return await house.http.post(path, content=content, headers=headers)

    # one alone, and looking at many, is for one person
    assert (await given(1, "all")).status_code == 200
    assert (await given(2, "check")).status_code == 200
    held = await given(2, "all")
    assert (held.status_code, held.json()["code"]) == (409, "awaits_confirmation")
    assert "再上传同一个文件" in held.json()["remedy"]
    at = held.headers["location"]
    # under another key it is the same proposal; in another mode, or by another, another one
    assert (await given(2, "all")).headers["location"] == at
    for other in (await given(2, "good"), await given(2, "all", colleague)):
        assert other.status_code == 409
        assert other.headers["location"] != at
    shown = (await house.send("GET", at, colleague)).body
    assert (shown["number"], shown["act"]) == (2, "bulk_issue")
    looked = f"/api/certificates/imports/{shown['body']['import']}"
    checked = (await house.send("GET", looked, colleague)).body
    assert (checked["mode"], checked["total"], checked["stage"]) == ("check", 2, "checked")
    alone = await house.send("POST", f"{at}/confirm", office.clerk)
    assert alone.body["code"] == "own_proposal"
    confirmed = await house.send("POST", f"{at}/confirm", colleague)
    assert (confirmed.status, confirmed.body["state"]) == (200, "confirmed")
    done = await given(2, "all")
    assert (done.status_code, done.json()["mode"]) == (200, "all"), done.text
    assert (await house.send("GET", at, colleague)).body["state"] == "done"
    assert (await given(2, "all")).status_code == 200
    # what was declined can be proposed anew, and so can what was confirmed and not sent in time
    declined = (await given(3, "good")).headers["location"]
    no = await house.send("POST", f"{declined}/decline", colleague, {"reason": "依据不足"})
    assert no.body["state"] == "declined"
    late = (await given(3, "good")).headers["location"]
    assert late != declined
    confirmed = await house.send("POST", f"{late}/confirm", colleague)
    ends = datetime.fromisoformat(confirmed.body["ends_at"])
    now = house.now
    house.now = lambda: ends  # type: ignore[method-assign]
    try:
        anew = await given(3, "good")
    finally:
        house.now = now  # type: ignore[method-assign]
    assert anew.json()["code"] == "awaits_confirmation"
    assert anew.headers["location"] not in (declined, late)
    # what was confirmed is that file
    assert (await given(3, "all")).json()["code"] == "awaits_confirmation"


async def test_the_command_line_shows_confirms_declines_and_takes_back(house: System) -> None:
    me = getpass.getuser()
    client = house.client
    where = {
        "DATABASE_URL": house.engine.url.render_as_string(hide_password=False),
        "TEMPORAL_ADDRESS": client.service_client.config.target_host,
        "TEMPORAL_NAMESPACE": client.namespace,
        "ZHIBAO_TOKEN_KEY": KEY,
        "ZHIBAO_RULES": str(house.settings.rules),
    }

    async def command(*words: str) -> tuple[int, Any]:
        done = await asyncio.to_thread(
            subprocess.run,
            [*ZHIBAO, "confirmations", *words, "--json"],
            capture_output=True,
            env=environment(**where, COLUMNS="300"),
        )
        assert b"Traceback" not in done.stderr, done.stderr.decode()
        told = json.loads(done.stdout) if done.stdout else done.stderr.decode()
        return done.returncode, told

    others = house.token(OPERATOR, "operator-1", "000000")
    path, reason = "/api/rules/2024/000000/publish", {"reason": "（生成）试发"}
    at = waits(await house.send("POST", path, others, reason)).rpartition("/")[2]
    own = house.token(OPERATOR, me, "000000")
    mine = waits(await house.send("POST", path, own, reason)).rpartition("/")[2]
    code, listed = await command("list", "--waiting")
    assert (code, {one["id"] for one in listed["rows"]}) == (0, {at, mine})
    code, told = await command("show", at)
    assert (code, told["path"], told["proposed_by"]) == (0, path, "operator-1")
    # at the terminal one is the same person as on pages
    code, said = await command("confirm", mine)
    assert (code, "本人" in said or "自己" in said) == (1, True), said
    code, told = await command("withdraw", mine)
    assert (code, told["state"]) == (0, "withdrawn")
    code, told = await command("decline", at, "--reason", "依据不足")
    assert (code, told["state"], told["decided_by"]) == (0, "declined", f"cli.{me}")
    code, said = await command("confirm", at)
    assert (code, "不予确认" in said) == (1, True), said


async def test_a_clerk_does_not_write_over_what_the_institution_writes(house: System) -> None:
    office = Office(house)
    path = await office.begin({"content": content()})
    body = {"content": content(address="另一地址")}
    refused = await house.send("PUT", f"{path}/draft", office.clerk, body, if_match='"1"')
    assert (refused.status, refused.body["code"]) == (409, "filers_draft")
    assert (await house.send("GET", f"{path}/draft", office.filer)).body["revision"] == 1
    # nor applies with it, decided on or not
    for more in ({}, {"decided": DECIDED}):
        applied = await office.apply(path, office.clerk, **more)
        assert (applied.status, applied.body["code"]) == (409, "filers_draft"), applied.body
    shown = [(await house.send("GET", f"{path}/draft", who)).body["theirs"] for who in
             (office.clerk, office.filer)]  # fmt: skip
    assert shown == [True, False]
    cookie = await signed_in(house, "clerk-c", CLERK, ISSUER)
    named = {"cookie": f"zhibao_session={cookie}", "accept": "text/html"}
    page = (await house.http.get(path.replace("/api/", "/work/"), headers=named)).text
    assert ("由机构自己填写和提交" in page, "act/apply" in page, "/content" in page) == (
        True, False, False,
    )  # fmt: skip
    own = await office.begin({"content": content()}, office.clerk)
    saved = await house.send("PUT", f"{own}/draft", office.clerk, body, if_match='"1"')
    assert saved.status == 200, saved.body
    assert (await office.apply(own, office.clerk)).status == 200


def test_the_shipped_terms_name_every_act_and_wrong_ones_are_found(tmp_path: Path) -> None:
    terms = load_confirmations(SHIPPED)
    assert set(terms.acts) == set(ConfirmedAct)
    assert terms.needed(ConfirmedAct.ANNUL_CAMPAIGN, 1) is not None
    assert terms.needed(ConfirmedAct.BULK_ISSUE, 999) is None
    assert terms.needed(ConfirmedAct.BULK_ISSUE, 1000) is not None
    assert terms.needed(ConfirmedAct.BULK_CANCEL, 99) is None
    assert terms.needed(ConfirmedAct.BULK_CANCEL, 100) is not None
    assert {Role(role) for act in terms.acts.values() for role in act.roles} <= {
        OPERATOR, CLERK, REVIEWER,
    }  # fmt: skip


async def test_on_pages_one_proposes_and_another_confirms(house: System) -> None:
    office = Office(house)
    path = await office.issue()
    on_page = path.replace("/api/", "/work/")
    first, second = [
        await signed_in(house, person, CLERK, ISSUER) for person in ("clerk-a", "clerk-b")
    ]

    async def sent(cookie: str, place: str, form: dict[str, str] | None = None) -> Any:
        named = {"cookie": f"zhibao_session={cookie}", "accept": "text/html"}
        if form is None:
            return await house.http.get(place, headers=named)
        data = {"csrf": csrf_token(cookie), "key": secrets.token_hex(16), **form}
        return await house.http.post(place, headers=named, data=data)

    # who approves it is whoever confirms it
    form = {name: text for name, text in ending().items() if name != "approver"}
    held = await sent(first, f"{on_page}/act/end", form)
    assert held.status_code == 303, held.text
    put_down = (await sent(first, held.headers["location"])).text
    assert "已提出，由另一人确认后办理" in put_down
    listed = (await sent(second, "/work/confirmations?waiting=true")).text
    [place] = re.findall(r'href="(/work/confirmations/[0-9a-f]{32})"', listed)
    assert "终止证书" in listed
    assert place in (await sent(first, "/work/confirmations")).text
    # whoever proposed it can take it back and no more
    own = (await sent(first, place)).text
    assert ("本人，不能自己确认" in own, "确认，随即办理" in own) == (True, False)
    alone = await sent(first, f"{place}/act/confirm", {})
    assert (alone.status_code, "own_proposal" in alone.text) == (409, True), alone.text
    shown = (await sent(second, place)).text
    assert ending()["document"] in shown
    assert f'href="{on_page}"' in shown
    assert (await sent(second, f"{place}/act/decline", {"reason": ""})).status_code == 422
    done = await sent(second, f"{place}/act/confirm", {})
    assert (done.status_code, done.headers["location"]) == (303, f"{place}?done=confirm")
    after = (await sent(second, done.headers["location"])).text
    assert ("已确认并办理" in after, "确认，随即办理" in after) == (True, False)
    assert (await office.held(path))["status"] == "revoked"
    # the correction goes the same way
    assert "更正误登记的终止" in (await sent(first, on_page)).text
    held = await sent(
        first, f"{on_page}/act/correct-end", {"reason": "误登记", "document": DOCUMENT}
    )
    place = held.headers["location"].partition("?")[0]
    assert (await sent(second, f"{place}/act/confirm", {})).status_code == 303
    assert (await office.held(path))["status"] == "valid"
