"""Columns hidden at rest: what is stored, keys that rotate, keys that are destroyed."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from domain.case.events import Position
from domain.case.status import Status
from domain.contacts import ContactRole, ContactSource, Reachable
from domain.refusals import Refused
from services.keys import add_key, end_key, make_missing
from store import contacts, content, data_keys, hidden, submissions
from store.keyring import KeyMissing, Keyring, Purpose
from store.submissions import Wanted
from store.tables import data_keys as kept
from store.tables import notes
from store.writer import JournalWriter
from tests.databases import as_owner, libpq
from tests.store.conftest import START, Register

pytestmark = pytest.mark.anyio
EARLIER = datetime(2020, 1, 1, tzinfo=UTC)
SAID = {"reason": "（生成）请打 13800000000"}


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder of keys by which this process hides columns for the time of the test."""
    before = hidden.ring()
    keys = tmp_path / "keys"
    keys.mkdir()
    make_missing(keys, EARLIER)
    hidden.hide_with(Keyring(keys))
    yield keys
    hidden.hide_with(before)


@pytest.fixture
async def connection(engine: AsyncEngine, folder: Path) -> Any:
    """A connection in a transaction that comes to nothing."""
    async with engine.connect() as connected:
        yield connected
        await connected.rollback()


async def _stored(connection: AsyncConnection, sha256: str) -> str:
    found = await connection.execute(
        text("SELECT note FROM notes WHERE sha256 = :sha256"), {"sha256": sha256}
    )
    return str(found.scalar_one())


async def test_what_is_written_is_hidden_and_read_as_it_was(connection: AsyncConnection) -> None:
    sha256 = await content.save_note(connection, SAID)
    stored = await _stored(connection, sha256)
    assert stored.startswith("hidden:v2:")
    assert "13800000000" not in stored
    assert await content.notes_by_sha256(connection, [sha256]) == {sha256: SAID}
    # what stood there in the clear before there were keys is read as it stands
    await connection.execute(text("INSERT INTO notes (sha256, note) VALUES ('old', '{\"a\": 1}')"))
    assert await content.notes_by_sha256(connection, ["old"]) == {"old": {"a": 1}}
    # what nobody's key hides is not written
    with pytest.raises(Exception, match="no key was given"):
        await connection.execute(insert(notes).values(sha256="bare", note=SAID))


def _as_selected(key: str, subject: str, row: str, stored: str) -> str:
    """What ``with_key`` makes of a stored value."""
    return f"with-key:v2:{key} {row} {subject} {stored}"


def test_what_is_altered_or_stands_elsewhere_is_found_out(folder: Path) -> None:
    key, kept_as = hidden.new_key("case/a b")
    other, others = hidden.new_key("case/2")
    stored = hidden.hidden(key.of("", "1"), b"said", "revisions.content")

    def read(*given: str, column: str = "revisions.content") -> Any:
        return hidden.shown(_as_selected(*given), column)

    assert read(kept_as, "case/a b", "1", stored) == b"said"
    theirs = hidden.hidden(other.of("", "1"), b"said", "revisions.content")
    for given in (
        (kept_as, "case/a b", "2", stored),
        (kept_as, "case/a b", "1", theirs),
        (others, "case/2", "1", stored),
        # the key of somebody else, moved by hand
        (others, "case/a b", "1", theirs),
        (kept_as, "case/a b", "1", f"{stored}A"),
        (kept_as, "case/a b", "1", stored[:-4]),
        (kept_as, "case/a b", "1", f"{stored[:30]}AAAA{stored[34:]}"),
        (kept_as, "case/a b", "1", "hidden:v2:"),
        # the row of the key is gone
        ("", "case/a b", "1", stored),
    ):
        with pytest.raises(Refused) as refused:
            read(*given)
        assert refused.value.refusal.code == "content_altered"
    with pytest.raises(hidden.Altered):
        read(kept_as, "case/a b", "1", stored, column="notes.note")
    assert read("destroyed", "case/a b", "1", stored) is hidden.Destroyed.KEY


async def test_a_master_key_that_is_not_at_hand_is_a_mistake_and_no_destruction(
    connection: AsyncConnection, folder: Path
) -> None:
    sha256 = await content.save_note(connection, SAID)
    (folder / "columns.json").unlink()
    with pytest.raises(KeyMissing):
        await content.notes_by_sha256(connection, [sha256])


async def test_new_subjects_take_the_newest_key_and_old_ones_keep_theirs(
    connection: AsyncConnection, folder: Path
) -> None:
    old = Keyring(folder).keys(Purpose.COLUMNS)[0].id
    await data_keys.hiding(connection, "case/1")
    new = add_key(folder, Purpose.COLUMNS, EARLIER + timedelta(days=1)).id
    first = await data_keys.hiding(connection, "case/1")
    second = await data_keys.hiding(connection, "case/2")
    assert first.key != second.key
    assert await data_keys.hiding(connection, "case/1") == first
    rows = await connection.execute(select(kept.c.subject, kept.c.wrapped))
    masters = {subject: wrapped.partition(":")[0] for subject, wrapped in rows}
    assert masters == {"case/1": old, "case/2": new}


async def test_a_rotation_goes_on_where_it_stopped_and_the_old_key_can_be_ended(
    connection: AsyncConnection, folder: Path
) -> None:
    said = [{"reason": f"（生成）第 {number} 条"} for number in range(3)]
    written = [await content.save_note(connection, one) for one in said]
    stored = [await _stored(connection, sha256) for sha256 in written]
    old = Keyring(folder).keys(Purpose.COLUMNS)[0].id
    new = add_key(folder, Purpose.COLUMNS, EARLIER + timedelta(days=1)).id
    assert await data_keys.wrapped_by_others(connection, new) == 3
    assert [await data_keys.wrap_anew(connection, 2) for _ in range(3)] == [2, 1, 0]
    assert await data_keys.wrapped_by(connection, old) == 0
    now = datetime.now(UTC)
    end_key(folder, Purpose.COLUMNS, old, now, now)
    # no value was written anew, and each is read
    assert [await _stored(connection, sha256) for sha256 in written] == stored
    read = await content.notes_by_sha256(connection, written)
    assert [read[sha256] for sha256 in written] == said


async def test_what_a_submission_reads_is_by_the_keys_that_there_are_now(
    engine: AsyncEngine, database_url: str, register: Register, folder: Path
) -> None:
    """Read by one statement for several, on connections on which it is prepared."""
    writer, wanted = JournalWriter(engine), []
    for chain in await register.chains("gone", "kept", "odd"):
        done = Position(status=Status.COMPLETED, revision=1)
        await writer.record(chain.request(position=done))
        async with engine.begin() as connection:
            assert await content.save_revision(
                connection, chain.case_id, 0, {"part": {"n": chain.name}}, "clerk", START
            )
        wanted += [
            Wanted(chain.case_id, 1, 0, chain.name, 2024),
            Wanted(f"filing/2025/{chain.name}", 1, 0, chain.name, 2025),
        ]
    single = engine.execution_options(isolation_level="AUTOCOMMIT")
    for _ in range(12):
        read = await submissions.read(single, wanted)
    assert [one.content for one in read[::2]] == [
        {"part": {"n": name}} for name in ("gone", "kept", "odd")
    ]
    before = [one.completed() for one in read[1::2]]
    assert [one.content["part"]["n"] for one in before if one] == ["gone", "kept", "odd"]
    with psycopg.connect(libpq(as_owner(database_url)), autocommit=True) as owner:
        owner.execute(
            "UPDATE data_keys SET wrapped = '', destroyed_at = now() WHERE subject ~ 'gone'"
        )
        owner.execute(
            "UPDATE revisions r SET content = k.content FROM revisions k"
            " WHERE r.case_id ~ 'odd' AND k.case_id ~ 'kept'"
        )
    gone, gone_before, one, one_before, odd, odd_before = await submissions.read(single, wanted)
    assert (gone.content, gone_before.completed()) == ({}, None)
    assert gone.unreadable is not None
    assert gone.unreadable.code == "content_destroyed"
    assert one.content == {"part": {"n": "kept"}}
    assert one_before.completed() == before[1]
    assert odd.unreadable is not None
    assert odd.unreadable.code == "content_altered"
    with pytest.raises(hidden.Altered):
        odd_before.completed()
    # the master key is ended: nothing that was read before is read from anywhere but the database
    old = Keyring(folder).keys(Purpose.COLUMNS)[0].id
    add_key(folder, Purpose.COLUMNS, EARLIER + timedelta(days=1))
    now = datetime.now(UTC)
    end_key(folder, Purpose.COLUMNS, old, now, now)
    with pytest.raises(KeyMissing):
        await submissions.read(single, wanted)


async def test_the_database_holds_no_contact_in_the_clear(
    connection: AsyncConnection,
) -> None:
    await connection.execute(
        text(
            "INSERT INTO institutions (id, name, uscc, region, legal_person, under_samr,"
            " accredited, other_qualifications, national_centres)"
            " VALUES ('lab', '（生成）', '', '350102', true, false, false, '[]', '[]')"
        )
    )
    person = Reachable(name="测试联系人", phone="13800000000", mail="p@example.org")
    await contacts.add(
        connection, {"lab": person}, ContactRole.LIAISON, ContactSource.FILER, "c", EARLIER
    )
    [known] = await contacts.current(connection, "lab")
    assert (known.name, known.phone, known.mail) == (person.name, person.phone, person.mail)
    row = (await connection.execute(text("SELECT to_jsonb(c)::text FROM contacts c"))).scalar()
    assert row is not None
    planted = ("测试联系人", "13800000000", "example.org")
    assert [said for said in planted if said in row] == []
