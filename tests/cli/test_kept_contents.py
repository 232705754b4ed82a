"""``zhibao keys rewrap``, ``zhibao keys hide``, ``zhibao retention``: whole commands, on record."""

import asyncio
import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import Result
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection
from typer.testing import CliRunner

from cli.main import app
from deploy.embedded.temporal import EmbeddedTemporal
from domain.canonical import sha256_of
from domain.contacts import NOBODY, ContactRole, ContactSource, Reachable
from domain.ids import NATION
from services.keys import make_missing
from store import contacts, content, enforcement, hidden, plain_values
from store.certificates import imports, names
from store.certificates import register as certificates
from store.certificates.search import Criteria, Sight, search
from store.database import connect
from store.hidden import Hiding, contact_subject
from store.keyring import Keyring, file_of
from store.tables import (
    api_clients,
    certificate_deliveries,
    certificate_import_problems,
    certificate_import_rows,
    certificate_imports,
    complaints,
    enforcement_attachments,
    enforcement_documents,
    institutions,
    notes,
    proposed_acts,
    roster_imports,
)
from store.tables import contacts as contacts_table
from tests.databases import as_owner, libpq
from tests.registered import register

START = datetime(2024, 1, 13, 1, 2, 3, 456789, tzinfo=UTC)
PLANTED = ("植入理由", "植入投诉", "13800000000", "植入附件", "植入事项", "植入签字人")
FILE = "植入附件".encode()
NOTES = [{"reason": f"植入理由{number}"} for number in range(5)]
DELIVERED = {"content": {"signatories": [{"name": "植入签字人"}]}}
COMPLAINT, MEASURE = "complaint/1", "enforcement/filing/2024/lab/1"


@pytest.fixture
def surroundings(database_url: str, tmp_path: Path) -> Iterator[dict[str, str]]:
    before = hidden.ring()
    make_missing(tmp_path / "keys", START)
    yield {
        "DATABASE_URL": database_url,
        "ZHIBAO_MIGRATION_DATABASE_URL": as_owner(database_url),
        "TEMPORAL_ADDRESS": "127.0.0.1:1",
        "ZHIBAO_KEYS": str(tmp_path / "keys"),
    }
    hidden.hide_with(before)


def run(surroundings: Mapping[str, str], *words: str) -> Result:
    return CliRunner(env=surroundings).invoke(app, list(words))  # type: ignore[return-value]


def done(surroundings: Mapping[str, str], *words: str) -> Any:
    found = run(surroundings, *words, "--json")
    assert found.exit_code == 0, found.output
    return json.loads(found.stdout)


def within(surroundings: Mapping[str, str], work: Any) -> Any:
    """What some work in the system's database gives, by its keys."""

    async def asked() -> Any:
        engine = connect(surroundings["DATABASE_URL"], pool_size=1)
        try:
            async with engine.begin() as connection:
                return await work(connection)
        finally:
            await engine.dispose()

    hidden.hide_with(Keyring(Path(surroundings["ZHIBAO_KEYS"])))
    return asyncio.run(asked())


def rows(surroundings: Mapping[str, str], statement: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(libpq(as_owner(surroundings["DATABASE_URL"]))) as connection:
        connection.execute("SET timezone = 'UTC'")
        return connection.execute(statement).fetchall()


def in_the_clear(surroundings: Mapping[str, str]) -> list[str]:
    """What of the planted a copy of the database tells."""
    tables = (
        "notes", "complaints", "contacts", "enforcement_attachments", "proposed_acts",
        "certificates", "certificate_lines", "certificate_deliveries", "certificate_import_rows",
        "certificate_import_problems", "enforcement_documents", "roster_imports",
    )  # fmt: skip
    told = "".join(
        str(row) for table in tables for row in rows(surroundings, f"SELECT * FROM {table}")
    )
    # as a file stands in the clear
    return [one for one in (*PLANTED, "5qSN5YWl6ZmE5Lu2") if one in told]


def _as_all_was_before(surroundings: Mapping[str, str]) -> None:
    """Rows as the application wrote them before there were data keys."""
    hidden.hide_with(None)
    _issued(surroundings, [{"name": "植入签字人", "field": ""}])
    within(surroundings, _as_before)


def _issued(surroundings: Mapping[str, str], people: list[dict[str, str]]) -> None:
    """A certificate with these signatories."""

    async def issued() -> None:
        engine = connect(surroundings["DATABASE_URL"], pool_size=2)
        try:
            await register(engine, "1", signatories=people)
        finally:
            await engine.dispose()

    asyncio.run(issued())


async def _laboratory(connection: AsyncConnection) -> None:
    await connection.execute(
        insert(institutions).values(
            id="lab", name="（生成）", uscc="", region="350102", legal_person=True,
            under_samr=False, accredited=False, other_qualifications=[], national_centres=[],
        )
    )  # fmt: skip


async def _as_before(connection: AsyncConnection) -> None:
    await _laboratory(connection)

    def plain(value: Any) -> Any:
        return Hiding("", b"").of(value)

    for table, row in (
        *((notes, {"sha256": sha256_of(one), "note": plain(one)}) for one in NOTES),
        (complaints, {"case_id": COMPLAINT, "receipt_sha256": "r", "number": "N-1",
                      "institution_name": "", "about": plain("植入投诉"), "contact": plain(""),
                      "received_at": START}),
        (contacts_table, {"institution_id": "lab", "role": "liaison", "name": plain("甲"),
                          "phone": plain("13800000000"), "source": "filer", "set_by": "c",
                          "set_at": START}),
        (enforcement_attachments, {"case_id": MEASURE, "sha256": "f", "name": "a.txt",
                                   "media": "text/plain", "content": plain(FILE),
                                   "given_by": "c", "given_at": START}),
        (proposed_acts, {"id": "s", "act": "roster", "number": 1, "path": "/api/x",
                         "body": plain({"why": "植入事项"}), "body_sha256": "b",
                         "command_id": "t", "proposed_by": {}, "scope": "000000",
                         "proposed_at": START, "ends_at": START, "state": "declined"}),
        (enforcement_documents, {"case_id": MEASURE, "sequence": 1, "kind": "decision",
                                 "number": "d", "sha256": "d", "content": plain(FILE),
                                 "made_at": START}),
        (api_clients, {"id": "c", "authority": "amr-350000", "name": "（生成）",
                       "sandbox": False, "created_by": "x", "created_at": START}),
        (certificate_deliveries, {"authority": "amr-350000", "sandbox": False, "delivery_id": "d 1",
                                  "client_id": "c", "action": "issue", "stage": "working",
                                  "body": plain(DELIVERED), "body_sha256": sha256_of(DELIVERED),
                                  "attempt": 1, "received_at": START}),
        (certificate_imports, {"id": "i", "authority": "amr-350000", "filename": "x.csv",
                               "sha256": "", "mode": "all", "stage": "working", "lines": 1,
                               "total": 1, "requested_by": "x", "requested_at": START}),
        (certificate_import_rows, {"import_id": "i", "row": 2, "sha256": "", "place": 0,
                                   "institution_id": "lab", "holder": "", "outcome": "waiting",
                                   "given": plain({"names": ["植入签字人"]})}),
        (roster_imports, {"id": "r", "filename": "x.csv", "imported_by": "x", "rows": 1,
                          "accept_good_rows": False, "accepted": 0,
                          "problems": plain([{"message": "“13800000000”"}])}),
        (certificate_import_problems, {"import_id": "i", "row": 2, "column": "授权签字人",
                                       "code": "bad_separator", "mend": "", "level": "error",
                                       "message": plain("“植入签字人、某”像是几个人")}),
    ):  # fmt: skip
        await connection.execute(insert(table).values(**row))


async def _read(connection: AsyncConnection) -> tuple[Any, ...]:
    known = await content.notes_by_sha256(connection, [sha256_of(one) for one in NOTES])
    [person] = await contacts.current(connection, "lab")
    file = await enforcement.attachment(connection, MEASURE, "f")
    said = (await connection.execute(complaints.select())).one()
    document = await enforcement.document(connection, MEASURE, "d")
    body = await connection.scalar(select(certificate_deliveries.c.body))
    [waiting] = await imports.waiting(connection, "i", 9)
    [problem] = await imports.problems(connection, "i")
    issued = await certificates.by_number(connection, "1", whole=True)
    found = await search(
        connection, Criteria(signatory="植入签字人"), Sight(region=NATION), START.date(), size=9
    )
    return (
        [known[sha256_of(one)] for one in NOTES], person.phone, file, said.about, said.contact,
        document, body, waiting.given, problem.message,
        issued.whole_content() if issued else None, [one.found.number for one in found],
    )  # fmt: skip


def test_what_was_written_before_is_hidden_in_parts_and_reads_as_it_was(
    surroundings: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _as_all_was_before(surroundings)
    assert len(in_the_clear(surroundings)) == len(PLANTED)
    before = within(surroundings, _read)
    # the application's own login may not
    refused = run({**surroundings, "ZHIBAO_MIGRATION_DATABASE_URL": ""}, "keys", "hide")
    assert refused.exit_code == 2
    assert "ZHIBAO_MIGRATION_DATABASE_URL" in refused.stderr
    assert rows(surroundings, _STEPS) == []

    monkeypatch.setattr("store.plain_values._AT_ONCE", 2)
    # stopped in the middle, what is done stays done, and the next run goes on
    broken = iter([False, True])
    whole = plain_values.hide

    async def stopped(*given: Any) -> int:
        if next(broken):
            raise KeyboardInterrupt
        return await whole(*given)

    with monkeypatch.context() as killed:
        killed.setattr(plain_values, "hide", stopped)
        assert run(surroundings, "keys", "hide").exit_code != 0
    [(_, first)] = rows(surroundings, _STEPS)
    assert in_the_clear(surroundings) != []
    told = done(surroundings, "keys", "hide")
    assert told == {"hidden": 17 - int(first), "left": 0}
    assert in_the_clear(surroundings) == []
    assert within(surroundings, _read) == before
    # how much was hidden of what is on record, part by part; again there is nothing to do
    steps = rows(surroundings, _STEPS)
    assert sum(int(row[1]) for row in steps) == 17
    assert done(surroundings, "keys", "hide") == {"hidden": 0, "left": 0}
    assert rows(surroundings, _STEPS) == steps
    # each row has the seal of how it stands now
    [(sealed, now)] = rows(surroundings, _SEALS)
    assert sealed == now


_SEALS = """
    SELECT s.sha256, seal_of(to_jsonb(c), split_part(encode(t.tgargs, 'escape'), '\\000', 2))
    FROM complaints c, seals s, pg_trigger t
    WHERE s."table" = 'complaints' AND t.tgname = 'complaints_sealed_on_insert'
"""
_STEPS = """
    SELECT step #>> '{body,column}', step #>> '{body,hidden}' FROM journal
    WHERE event = 'plain_values_hidden' ORDER BY sequence
"""


def test_what_was_altered_by_hand_is_left_and_stops_nothing(surroundings: dict[str, str]) -> None:
    _as_all_was_before(surroundings)
    with psycopg.connect(libpq(as_owner(surroundings["DATABASE_URL"]))) as connection:
        connection.execute("UPDATE enforcement_attachments SET content = '5qS-'")
        connection.execute("UPDATE proposed_acts SET body = '{'")
    assert done(surroundings, "keys", "hide") == {"hidden": 15, "left": 2}
    assert rows(surroundings, "SELECT content FROM enforcement_attachments") == [("5qS-",)]
    assert in_the_clear(surroundings) == []


def test_what_was_destroyed_is_not_left_in_the_clear(surroundings: dict[str, str]) -> None:
    _as_all_was_before(surroundings)
    subject = contact_subject("lab", "liaison", START)
    with psycopg.connect(libpq(as_owner(surroundings["DATABASE_URL"]))) as connection:
        connection.execute(
            "INSERT INTO data_keys (subject, wrapped, destroyed_at) VALUES (%s, '', now())",
            (subject,),
        )
    done(surroundings, "keys", "hide")
    assert in_the_clear(surroundings) == []

    async def history(connection: AsyncConnection) -> Any:
        return [one.phone for one in await contacts.history(connection, "lab")]

    assert within(surroundings, history) == [""]


def test_a_rotation_wraps_anew_and_without_the_ring_it_says_so(
    surroundings: dict[str, str],
) -> None:
    async def write(connection: AsyncConnection) -> None:
        for note in NOTES:
            await content.save_note(connection, note)

    within(surroundings, write)
    [old] = [one for one in done(surroundings, "keys", "list")["keys"]
             if one["purpose"] == "columns"]  # fmt: skip
    keys = done(surroundings, "keys", "add", "columns")["keys"]
    new = next(one["id"] for one in keys if one["purpose"] == "columns" and one["used"])
    # what still wraps something is not ended
    refused = run(surroundings, "keys", "end", "columns", old["id"])
    assert (refused.exit_code, "5 把" in refused.stderr) == (2, True)
    told = {"key": new, "wrapped": 5, "names_key": _of("names", keys), "names": 0, "left": 0}
    assert done(surroundings, "keys", "rewrap") == told
    assert done(surroundings, "keys", "rewrap") == told | {"wrapped": 0}
    done(surroundings, "keys", "end", "columns", old["id"])
    found = within(
        surroundings,
        lambda connection: content.notes_by_sha256(connection, [sha256_of(NOTES[0])]),
    )
    assert list(found.values()) == [NOTES[0]]
    file_of(Path(surroundings["ZHIBAO_KEYS"]), "columns").write_text("{")  # type: ignore[arg-type]
    for words in (("keys", "rewrap"), ("keys", "hide"), ("keys", "list")):
        missing = run(surroundings, *words)
        assert missing.exit_code in (1, 2), missing.output
        assert "密钥" in missing.stderr
        assert "Traceback" not in missing.output


def _of(purpose: str, keys: list[dict[str, Any]]) -> str:
    """The key that is used for a purpose."""
    [using] = [one["id"] for one in keys if one["purpose"] == purpose and one["used"]]
    return str(using)


def test_a_key_for_names_is_ended_once_everybody_is_found_by_the_next(
    surroundings: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    hidden.hide_with(Keyring(Path(surroundings["ZHIBAO_KEYS"])))
    people = [{"name": f"植入签字人{number}", "field": ""} for number in range(5)]
    _issued(surroundings, people)
    old = _of("names", done(surroundings, "keys", "list")["keys"])
    new = _of("names", done(surroundings, "keys", "add", "names")["keys"])
    refused = run(surroundings, "keys", "end", "names", old)
    assert (refused.exit_code, "5 个" in refused.stderr) == (2, True), refused.stderr
    # stopped in the middle, what is done stays done, and the next run goes on
    monkeypatch.setattr("cli.keys._AT_ONCE", 2)
    whole, parts = names.index_anew, iter([False, True])

    async def stopped(*given: Any) -> Any:
        if next(parts):
            raise KeyboardInterrupt
        return await whole(*given)

    with monkeypatch.context() as killed:
        killed.setattr(names, "index_anew", stopped)
        assert run(surroundings, "keys", "rewrap").exit_code != 0
    told = done(surroundings, "keys", "rewrap")
    assert (told["names_key"], told["names"], told["left"]) == (new, 3, 0)
    done(surroundings, "keys", "end", "names", old)
    assert in_the_clear(surroundings) == []

    async def found(connection: AsyncConnection) -> list[int]:
        return [
            len(
                await search(
                    connection,
                    Criteria(signatory=one["name"]),
                    Sight(region=NATION),
                    START.date(),
                    size=9,
                )
            )
            for one in people
        ]

    assert within(surroundings, found) == [1] * 5


def test_a_removed_contact_is_destroyed_by_two_people_at_the_terminal(
    surroundings: dict[str, str], temporal: EmbeddedTemporal, monkeypatch: pytest.MonkeyPatch
) -> None:
    surroundings["TEMPORAL_ADDRESS"] = temporal.address
    person = Reachable(name="植入联络人", phone="13800000000", mail="")

    async def set_and_removed(connection: AsyncConnection) -> None:
        await _laboratory(connection)
        for known, at in ((person, START), (NOBODY, START + timedelta(days=1))):
            await contacts.add(
                connection, {"lab": known}, ContactRole.LIAISON, ContactSource.FILER, "c", at
            )

    within(surroundings, set_and_removed)
    [kind] = [one for one in done(surroundings, "retention", "show")["rows"]
              if one["kind"] == "contact"]  # fmt: skip
    assert (kind["due"], kind["destroyed"]) == (1, 0)
    assert kind["cite"]["assumption"]
    monkeypatch.setattr("getpass.getuser", lambda: "first")
    asked = run(surroundings, "retention", "destroy", "contact")
    assert asked.exit_code == 1, asked.output
    assert "确认" in asked.stderr
    [waiting] = done(surroundings, "confirmations", "list", "--waiting")["rows"]
    # never by the same person
    assert run(surroundings, "confirmations", "confirm", waiting["id"]).exit_code == 1
    assert done(surroundings, "retention", "show")["rows"] != []
    monkeypatch.setattr("getpass.getuser", lambda: "second")
    confirmed = done(surroundings, "confirmations", "confirm", waiting["id"])
    assert re.search(r"done", json.dumps(confirmed)), confirmed
    [kind] = [one for one in done(surroundings, "retention", "show")["rows"]
              if one["kind"] == "contact"]  # fmt: skip
    assert (kind["due"], kind["destroyed"]) == (0, 1)
    assert rows(surroundings, "SELECT count(*) FROM journal WHERE event = 'data_destroyed'") == [
        (1,)
    ]
    # with nothing due nothing is proposed
    assert done(surroundings, "retention", "destroy", "contact")["destroyed"] == 0

    async def history(connection: AsyncConnection) -> Any:
        return [one.name for one in await contacts.history(connection, "lab")]

    assert within(surroundings, history) == ["", ""]
