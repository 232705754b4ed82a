"""Whom to reach at an institution: set, superseded, shown to those who may, and to nobody else."""

import csv
import io
import json
from typing import Any

import pytest
from sqlalchemy import text

from store import contacts
from tests.api.people import FUJIAN, Filing, filing
from tests.api.test_institutions import load, row, shown, table
from tests.system import AUDITOR, CHECKER, FILER, OPERATOR, REVIEWER, System

pytestmark = pytest.mark.anyio

PERSON = {"role": "liaison", "name": "生成甲", "phone": "0591-87000001", "mail": "a@example.org"}
SECRETS = ("生成甲", "生成乙", "0591-87000001", "0591-87000002", "a@example.org", "b@example.org")


async def fujian(house: System) -> Filing:
    return await filing(house, FUJIAN)


def path(of: Filing) -> str:
    return f"/api/institutions/{of.id}/contacts"


async def put(house: System, of: Filing, token: str, **changes: Any) -> Any:
    return await house.send("POST", path(of), token, PERSON | changes)


async def test_a_contact_is_superseded_and_never_overwritten(house: System) -> None:
    of = await fujian(house)
    operator = house.token(OPERATOR, "operator-fz", "350100")
    assert (await put(house, of, of.filer)).status == 200
    changed = await put(house, of, operator, name="生成乙", phone="+86 591 87000002", mail="")
    assert changed.status == 200, changed.body
    assert [one["name"] for one in changed.body["items"]] == ["生成乙"]
    assert [(h["name"], h["source"], h["set_by"]) for h in changed.body["history"]] == [
        ("生成乙", "operator", "operator-fz"), ("生成甲", "filer", f"clerk-{of.id}"),
    ]  # fmt: skip
    # the same again is no change, another role stands beside
    again = await put(house, of, operator, name="生成乙", phone="+86 591 87000002", mail="")
    assert len(again.body["history"]) == 2
    beside = await put(house, of, of.filer, role="head")
    assert [one["role"] for one in beside.body["items"]] == ["liaison", "head"]
    gone = await house.send("POST", f"{path(of)}/remove", of.filer, {"role": "liaison"})
    assert [one["role"] for one in gone.body["items"]] == ["head"]
    assert [h["name"] for h in gone.body["history"]] == ["", "生成甲", "生成乙", "生成甲"]


async def test_one_key_sets_a_contact_once(house: System) -> None:
    of = await fujian(house)
    await house.send("POST", path(of), of.filer, PERSON, idempotency_key="contact-once")
    await put(house, of, of.filer, name="生成乙")
    late = await house.send("POST", path(of), of.filer, PERSON, idempotency_key="contact-once")
    assert late.status == 200
    assert [one["name"] for one in late.body["items"]] == ["生成乙"]


async def test_contacts_are_shown_to_their_own_people_and_those_responsible_only(
    house: System,
) -> None:
    of = await fujian(house)
    await of.submitted()
    await put(house, of, of.filer)
    operator = house.token(OPERATOR, "operator-fz", "350100")
    county = house.token(REVIEWER, "county", "amr-350102")
    for token in (of.filer, county, operator):
        answer = await house.send("GET", path(of), token)
        assert answer.status == 200, answer.body
        assert answer.body["items"][0]["phone"] == "0591-87000001"
    others = [
        (house.token(FILER, "f", "another"), "not_your_case"),
        (house.token(REVIEWER, "r", "amr-330000"), "not_found"),
        (house.token(OPERATOR, "o", "330000"), "not_found"),
        (house.token(OPERATOR, "o", "350200"), "not_found"),
        (of.auditor, "forbidden"), (of.checker, "forbidden"), (of.clerk, "forbidden"),
    ]  # fmt: skip
    for token, code in others:
        for method, address, body in (("GET", path(of), None), ("POST", path(of), PERSON)):
            answer = await house.send(method, address, token, body)
            assert answer.status in (403, 404), answer.body
            assert answer.body["code"] in (code, "forbidden"), answer.body
            assert not any(s in json.dumps(answer.body, ensure_ascii=False) for s in SECRETS)


async def test_every_reading_of_others_contacts_is_on_record_and_no_contact_is(
    house: System,
) -> None:
    of = await fujian(house)
    operator = house.token(OPERATOR, "operator-fz-reads", "350100")
    await house.send("GET", path(of), operator)
    await put(house, of, of.filer)
    await house.send("GET", path(of), of.filer)
    await house.send("GET", path(of), operator)
    async with house.engine.connect() as connection:
        rows = await connection.execute(
            text(
                "SELECT event, step -> 'actor' ->> 'subject', step -> 'body' ->> 'about'"
                " FROM journal WHERE case_id = :c AND :id IN"
                " (step -> 'body' ->> 'about', step -> 'body' ->> 'institution')"
                " ORDER BY sequence"
            ),
            {"c": contacts.contacts_chain(of.id), "id": of.id},
        )
        assert [tuple(r) for r in rows] == [
            ("contact_set", f"clerk-{of.id}", None),
            ("contacts_read", "operator-fz-reads", of.id),
        ]
        for column in ("journal.step", "outbox.case_id", "notes.note", "cases.plan"):
            name, _, field = column.partition(".")
            kept = await connection.execute(text(f"SELECT {field}::text FROM {name}"))
            everything = "\n".join(kept.scalars())
            assert not [secret for secret in SECRETS if secret in everything], column


async def test_who_has_not_filed_is_listed_with_whom_to_call(house: System) -> None:
    of = await fujian(house)
    await put(house, of, of.filer)
    address = "/api/campaigns/2024/350100/non-filers?size=200"

    async def told(token: str, more: str = "") -> str:
        answer = await house.send("GET", address + more, token)
        assert answer.status == 200, answer.body
        [own] = [r["contact"] for r in answer.body["items"] if r["institution"] == of.id]
        return str(own)

    operator = house.token(OPERATOR, "operator-fz", "350100")
    assert await told(operator) == "联系人 生成甲 0591-87000001 a@example.org"
    # an auditor sees who has not filed, and nobody's telephone
    assert await told(house.token(AUDITOR, "auditor-1")) == ""


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", " "), ("name", "a\nb"), ("name", "生\u202e成"), ("name", "长" * 51),
        ("phone", "12"), ("phone", "请打电话"), ("phone", "0591\r\nBcc: x"),
        ("mail", "a@b"), ("mail", "a@example.org\nBcc: b@example.org"), ("mail", "a b@example.org"),
        ("role", "boss"),
    ],
)  # fmt: skip
async def test_what_is_no_contact_is_refused_and_not_repeated(
    house: System, field: str, value: str
) -> None:
    of = await fujian(house)
    answer = await put(house, of, of.filer, **{field: value})
    assert (answer.status, answer.body["errors"][0]["pointer"]) == (422, f"/{field}")
    assert value not in json.dumps(answer.body, ensure_ascii=False) or len(value) < 3


# --- with a roster -------------------------------------------------------------------------------


def with_contact(content: bytes, *people: tuple[str, str, str]) -> bytes:
    """A roster with the three columns of the contact behind it, filled in."""
    lines = list(csv.reader(io.StringIO(content.decode())))
    header, rows = lines[0], lines[1:]
    at = header.index("联系人")
    filled = [header]
    for line, person in zip(rows, people, strict=True):
        filled.append([*line, *[""] * (at - len(line)), *person])
    out = io.StringIO()
    csv.writer(out).writerows(filled)
    return out.getvalue().encode()


async def reached(house: System, id_: str) -> list[tuple[str, str, str]]:
    async with house.engine.connect() as connection:
        return [(c.name, c.phone, c.mail) for c in await contacts.current(connection, id_)]


async def test_a_roster_brings_contacts_and_leaves_what_it_does_not_say(house: System) -> None:
    one = table(row("contact-r", "241300900001"))
    person = ("生成甲", "0591-87000001", "a@example.org")
    first = await load(house, with_contact(one, person))
    assert first.status == 200, first.body
    assert await reached(house, "contact-r") == [person]
    # a roster without the columns, and one with empty cells, leave it
    await load(house, table(row("contact-r", "241300900001", scope="90")))
    assert await reached(house, "contact-r") == [person]
    # the same person's mail stays when only the phone is said; another person's does not
    await load(house, with_contact(one, ("", "0591-87000002", "")))
    assert await reached(house, "contact-r") == [("生成甲", "0591-87000002", "a@example.org")]
    told = await load(house, with_contact(one, ("生成乙", "", "")))
    assert await reached(house, "contact-r") == [("生成乙", "", "")]
    assert [c["column"] for c in told.body["changes"]] == ["联系人"]
    assert not any(secret in json.dumps(told.body, ensure_ascii=False) for secret in SECRETS)
    dry = await load(house, with_contact(one, ("清除", "", "")), "?dry_run=true")
    assert dry.body["dry_run"] is True
    assert await reached(house, "contact-r") == [("生成乙", "", "")]
    await load(house, with_contact(one, ("清除", "", "")))
    assert await reached(house, "contact-r") == []
    async with house.engine.connect() as connection:
        assert len(await contacts.history(connection, "contact-r")) == 4


async def test_a_rosters_telephone_of_nobody_and_a_wrong_one_are_refused_without_a_word_of_it(
    house: System,
) -> None:
    one = table(row("contact-n", "241300900002"))
    for person, column in (
        (("", "0591-87000001", ""), "联系人"),
        (("生成甲", "打 0591-87000001", ""), "联系电话"),
        (("生成甲", "", "a@example.org;b@example.org"), "电子邮箱"),
    ):
        answer = await load(house, with_contact(one, person))
        assert answer.status == 422, answer.body
        said = json.dumps(answer.body, ensure_ascii=False)
        assert column in said
        assert not any(secret in said for secret in SECRETS)
    assert await shown(house, "contact-n") is None


async def test_whoever_checks_sees_no_contact(house: System) -> None:
    of = await fujian(house)
    await put(house, of, of.filer)
    answer = await house.send("GET", path(of), house.token(CHECKER, "checker", "samr"))
    assert (answer.status, answer.body["code"]) == (403, "forbidden")
