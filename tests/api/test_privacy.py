"""What is known of people and institutions: where it may not be seen, and how it ends for good."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from domain.case.commands import Actor, Role
from domain.retention import Kept
from services.retention import RetentionService
from tests.api.people import GUANGDONG, filing
from tests.databases import owning
from tests.system import OPERATOR, System

pytestmark = pytest.mark.anyio

CONTACT = {"role": "liaison", "name": "植入联络人甲", "phone": "+86 591 87000991",
           "mail": "planted-person@example.org"}  # fmt: skip


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


async def _subjects(house: System, prefix: str, *, kept: bool = False) -> list[str]:
    """The subjects of data keys; ``kept``: those whose keys are still there."""
    asked = text(
        "SELECT subject FROM data_keys WHERE starts_with(subject, :prefix)"
        " AND (NOT :kept OR wrapped <> '') ORDER BY subject"
    )
    async with house.engine.connect() as connection:
        rows = await connection.execute(asked, {"prefix": prefix, "kept": kept})
        return list(rows.scalars())
