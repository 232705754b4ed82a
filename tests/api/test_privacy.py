"""What is known of people and institutions: where it may not be seen, and how it ends for good."""

import io
import json
import zipfile
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from temporalio.api.history.v1 import HistoryEvent

from domain.case.commands import Actor, Role
from domain.retention import Kept
from engine.codec import payloads_in
from services.retention import RetentionService
from store.keyring import Keyring
from store.tables import metadata
from tests.accounts import PASSWORD, signed_in
from tests.api.people import GUANGDONG, filing
from tests.databases import owning
from tests.system import OPERATOR, REVIEWER, System

pytestmark = pytest.mark.anyio

CONTACT = {"role": "liaison", "name": "植入联络人甲", "phone": "+86 591 87000991",
           "mail": "planted-person@example.org"}  # fmt: skip
ABOUT, REACHED_AT = "植入投诉内容乙乙", "planted-complainant@example.org"
REASON, FIGURE, REPLY = "植入退回理由丙丙", "植入填报内容丁丁", "植入答复内容戊戊"
PLANTED = (
    CONTACT["name"], CONTACT["phone"], CONTACT["mail"], ABOUT, REACHED_AT, REASON, FIGURE, REPLY,
)  # fmt: skip


def in_any(said: str, *more: str) -> list[str]:
    """What of the planted stands in a text, in whichever way it is written."""
    return [one for one in (*PLANTED, *more) if one in said or json.dumps(one)[1:-1] in said]


async def _database(house: System, *more: str) -> dict[str, list[str]]:
    """By table what a copy of the database says of the planted; a file's bytes as well."""
    found: dict[str, list[str]] = {}
    async with owning(house.engine) as connection:
        for table in metadata.sorted_tables:
            rows = await connection.execute(
                text(f"SELECT string_agg(t::text, E'\\n') FROM \"{table.name}\" t")
            )
            if told := in_any(rows.scalar() or "", *more):
                found[table.name] = told
    return found


async def _complained(house: System, number: str) -> str:
    """A complaint that has been made, by its address."""
    said = {"number": number, "about": ABOUT, "contact": REACHED_AT}
    received = await house.send("POST", "/public/complaints", body=said)
    assert received.status == 201, received.body
    samr = house.token(REVIEWER, "reviewer-samr", "samr")
    for _ in range(400):
        for one in (await house.send("GET", "/api/complaints?size=200", samr)).body["items"]:
            path = f"/api/complaints/{one['id'].partition('/')[2]}"
            if (await house.send("GET", path, samr)).body["number"] == number:
                return path
        await house.pause(0.05)
    raise AssertionError(number)


async def test_what_is_planted_is_found_where_it_belongs_and_nowhere_else(
    house: System, capfd: pytest.CaptureFixture[str]
) -> None:
    of = await filing(house, GUANGDONG)
    contacts = f"/api/institutions/{of.id}/contacts"
    assert (await house.send("POST", contacts, of.filer, CONTACT)).status == 200
    parts = await house.example(of.name, of.filer)
    parts["statistics"]["remarks"] = FIGURE
    saved = await house.send("PUT", f"{of.path}/draft", of.filer, {"parts": parts}, if_match='"0"')
    assert saved.status == 200, saved.body
    await of.claimed()
    returned = await of.done("return", of.reviewer, {"reason": REASON, "fields": []})
    assert returned.status == 200
    complaint = await _complained(house, f"N-{of.id}")
    samr = house.token(REVIEWER, "reviewer-samr", "samr")
    assert (await house.send("POST", f"{complaint}/claim", samr, {})).status == 200
    resolved = {"outcome": "unsubstantiated", "reason": REASON, "reply": REPLY}
    done = await house.send("POST", f"{complaint}/resolve", samr, resolved)
    assert done.status == 200, done.body
    # a password, what a browser keeps, a token
    kept = await signed_in(house, f"planted-{of.id}", REVIEWER, of.issuer)
    secrets = (PASSWORD, kept, of.filer)

    # whoever may, reads it as it was
    assert CONTACT["name"] in json.dumps(
        (await house.send("GET", contacts, of.filer)).body, ensure_ascii=False
    )
    review = await house.send("GET", f"{of.path}/draft", of.reviewer)
    assert FIGURE in json.dumps(review.body, ensure_ascii=False)
    assert (await house.send("GET", complaint, samr)).body["about"] == ABOUT

    # a copy of the database says nothing of it
    assert await _database(house, *secrets) == {}
    # nor do the engine's histories and what processes are found by, even with nothing hidden
    for id_ in (of.case_id, complaint.removeprefix("/api/").replace("complaints", "complaint")):
        for event in (await house.history(id_)).events:
            assert in_any(_told_by(event)) == []
    # nor what is told to whoever measures, audits without a mandate, follows, or may not know
    for path, token in (
        ("/metrics", ""),
        (f"/api/audit/export?case={of.case_id}", of.auditor),
        ("/api/audit/timeline?size=200", of.auditor),
        ("/api/events?size=200", of.operator),
        (contacts, of.auditor),
        (f"{of.path}/draft", of.officer),
        (complaint, of.filer),
    ):
        answer = await house.http.get(
            path, headers={"Authorization": f"Bearer {token}"} if token else {}
        )
        told = answer.text
        if answer.content.startswith(b"PK"):
            with zipfile.ZipFile(io.BytesIO(answer.content)) as bundle:
                files = [bundle.read(name).decode("utf-8", "replace") for name in bundle.namelist()]
                told = "".join(files)
        assert in_any(told) == [], path
    # what is refused does not repeat it
    for path, body in (
        (contacts, CONTACT | {"role": REASON}),
        ("/public/complaints", {"number": "N-1", "about": ABOUT, "contact": ABOUT * 100}),
        (f"{of.path}/return", {"reason": REASON, "fields": FIGURE}),
    ):
        refused = await house.send("POST", path, of.filer, body)
        assert refused.status in (403, 404, 422), refused.body
        assert in_any(json.dumps(refused.body, ensure_ascii=False)) == [], refused.body
    # and no log line has it
    logged = capfd.readouterr()
    assert in_any(logged.out + logged.err, *secrets) == []
    # whoever read somebody's data is on record
    async with house.engine.connect() as connection:
        read = await connection.execute(
            text("SELECT count(*) FROM journal WHERE event LIKE '%read%'")
        )
        assert read.scalar_one() > 0


def _told_by(event: HistoryEvent) -> str:
    inside = b" ".join(payload.data for payload in payloads_in(event))
    return inside.decode("utf-8", "replace") + str(event)


async def test_a_contact_that_was_removed_is_destroyed_by_two_and_the_record_stays_whole(
    house: System,
) -> None:
    of = await filing(house, GUANGDONG)
    contacts = f"/api/institutions/{of.id}/contacts"
    await house.send("POST", contacts, of.filer, CONTACT)
    [subject] = await _subjects(house, f"contact/{of.id}/")
    one = {"subject": subject, "document": "个人信息保护法第四十七条申请（生成）"}
    asked = {"kind": "contact", "one": one}
    path, second = "/api/retention/destructions", house.token(OPERATOR, "operator-2", "000000")
    # in use it is not destroyed; elsewhere nobody may, and nobody can tell
    assert (await house.send("POST", path, of.operator, asked)).status == 404
    local = house.token(OPERATOR, "operator-gd", "440000")
    assert (await house.send("POST", path, local, asked)).status == 403
    assert (await house.send("GET", "/api/retention", local)).status == 403
    await house.send("POST", f"{contacts}/remove", of.filer, {"role": "liaison"})
    # by the rules nothing is due yet, and nothing is done
    nothing = await house.send("POST", path, of.operator, {"kind": "contact"})
    assert (nothing.status, nothing.body) == (
        200, {"kind": "contact", "destroyed": 0, "left": 0},
    )  # fmt: skip
    again = await house.by_two(path, of.operator, second, asked, f"destroy-{of.id}")
    assert (again.status, again.body["destroyed"]) == (200, 0), again.body
    shown = await house.send("GET", contacts, of.filer)
    assert [entry["name"] for entry in shown.body["history"]] == ["", ""]
    # whatever copy of the values there is, their key is gone; the record knows it and is whole
    assert await _subjects(house, f"contact/{of.id}/", kept=True) == []
    verified = await house.send("GET", "/api/audit/verify", of.auditor)
    assert [finding for finding in verified.body["findings"] if finding["table"] != "cases"] == []
    assert verified.body["checked"]["destroyed"] >= 1
    # a new one is somebody else's, and is kept again
    assert (await house.send("POST", contacts, of.filer, CONTACT)).status == 200
    shown = await house.send("GET", contacts, of.filer)
    assert [entry["name"] for entry in shown.body["items"]] == [CONTACT["name"]]


async def test_what_is_due_by_the_rules_is_destroyed_some_at_a_time_and_once(
    house: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.retention._AT_ONCE", 1)
    of = await filing(house, GUANGDONG)
    await of.completed()
    other = await filing(house, GUANGDONG)
    await other.submitted()
    who = Actor(subject="operator-1", role=Role.OPERATOR, scope="000000")
    late = RetentionService(
        house.engine, house.settings.rules, lambda: house.now() + timedelta(days=365 * 12)
    )
    standing = {one.kind: one for one in await late.standing()}
    assert standing[Kept.FILING].due >= 1
    done = await late.destroy(Kept.FILING, who, f"due-{of.id}")
    assert (done.destroyed >= 1, done.left) == (True, 0)
    assert (await late.destroy(Kept.FILING, who, f"due-{of.id}")).destroyed == 0
    # what is under way is not touched
    assert (await house.send("GET", f"{other.path}/draft", other.filer)).status == 200
    gone = await house.send("GET", f"{of.path}/draft", of.filer)
    assert (gone.status, gone.body["code"]) == (409, "content_destroyed"), gone.body
    verified = await house.send("GET", f"/api/audit/verify?case={of.case_id}", of.auditor)
    assert verified.body["ok"], verified.body["findings"]
    bundle = await house.http.get(
        f"/api/audit/export?case={of.case_id}",
        headers={"Authorization": f"Bearer {of.auditor}"},
    )
    assert bundle.status_code == 200


async def test_a_destruction_that_no_step_tells_of_is_found(house: System) -> None:
    of = await filing(house, GUANGDONG)
    await of.saved()
    async with owning(house.engine) as connection:
        await connection.execute(
            text("UPDATE data_keys SET wrapped = '', destroyed_at = now() WHERE subject = :of"),
            {"of": of.case_id},
        )
    gone = await house.send("GET", f"{of.path}/draft", of.filer)
    assert (gone.status, gone.body["code"]) == (409, "content_destroyed")
    verified = await house.send("GET", "/api/audit/verify", of.auditor)
    assert ("data_keys", "without_step") in {
        (one["table"], one["kind"]) for one in verified.body["findings"]
    }


async def test_what_was_altered_by_hand_is_refused_and_no_error(house: System) -> None:
    of = await filing(house, GUANGDONG)
    contacts = f"/api/institutions/{of.id}/contacts"
    await house.send("POST", contacts, of.filer, CONTACT)
    async with owning(house.engine) as connection:
        await connection.execute(
            text("UPDATE contacts SET phone = mail WHERE institution_id = :of"), {"of": of.id}
        )
    answer = await house.send("GET", contacts, of.filer)
    assert (answer.status, answer.body["code"]) == (409, "content_altered"), answer.body


async def test_without_the_ring_nothing_is_read_or_written_and_it_is_no_fault(
    house: System, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = await filing(house, GUANGDONG)
    contacts = f"/api/institutions/{of.id}/contacts"
    await house.send("POST", contacts, of.filer, CONTACT)
    other, late = CONTACT | {"name": "另一联络人"}, {"idempotency_key": f"late-{of.id}"}
    (tmp_path / "columns.json").write_text("{")
    for folder in (tmp_path, tmp_path / "none"):
        with monkeypatch.context() as forgotten:
            forgotten.setattr("store.hidden._Ring.keyring", Keyring(folder))
            read = await house.send("GET", contacts, of.filer)
            assert (read.status, read.body["code"]) == (503, "keys_missing"), read.body
            assert "ZHIBAO_KEYS" in read.body["remedy"]
            assert read.headers["retry-after"]
            refused = await house.send("POST", contacts, of.filer, other, **late)
            assert (refused.status, refused.body["code"]) == (503, "keys_missing"), refused.body
    # nothing was done, and with the ring the same request is
    done = await house.send("POST", contacts, of.filer, other, **late)
    assert done.status == 200, done.body
    shown = await house.send("GET", contacts, of.filer)
    assert [entry["name"] for entry in shown.body["history"]] == [other["name"], CONTACT["name"]]


async def _subjects(house: System, prefix: str, *, kept: bool = False) -> list[str]:
    """The subjects of data keys; ``kept``: those whose keys are still there."""
    asked = text(
        "SELECT subject FROM data_keys WHERE starts_with(subject, :prefix)"
        " AND (NOT :kept OR wrapped <> '') ORDER BY subject"
    )
    async with house.engine.connect() as connection:
        rows = await connection.execute(asked, {"prefix": prefix, "kept": kept})
        return list(rows.scalars())
