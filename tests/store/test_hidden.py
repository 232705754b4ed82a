"""Columns hidden at rest: what is stored, keys that rotate, keys that are destroyed."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.contacts import ContactRole, ContactSource, Reachable
from services.keys import add_key, end_key, make_missing
from store import contacts, hidden
from store.keyring import KeyMissing, Keyring, Purpose

pytestmark = pytest.mark.anyio
EARLIER = datetime(2020, 1, 1, tzinfo=UTC)
SAID = "（生成）13800000000"


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


def test_a_text_is_hidden_with_the_newest_key_and_read_with_its_own(folder: Path) -> None:
    first = hidden.hidden(SAID, "contacts.phone")
    assert SAID not in first
    assert first != hidden.hidden(SAID, "contacts.phone")
    old = Keyring(folder).keys(Purpose.COLUMNS)[0].id
    new = add_key(folder, Purpose.COLUMNS, EARLIER + timedelta(days=1)).id
    second = hidden.hidden(SAID, "contacts.phone")
    assert (f":{old}:" in first, f":{new}:" in second) == (True, True)
    assert [hidden.shown(one, "contacts.phone") for one in (first, second)] == [SAID, SAID]
    # what was plain before there were keys is read as it stands
    assert hidden.shown(SAID, "contacts.phone") == SAID
    assert hidden.hidden("", "contacts.phone") == ""
    # in another column, or changed by hand, it is found out
    changed = f"{first[:-8]}AAAA{first[-4:]}"
    for altered, column in (
        (first, "contacts.mail"),
        (changed, "contacts.phone"),
        (f"{first}~", "contacts.phone"),
        (first[:-3], "contacts.phone"),
        (first[: first.rindex(":") + 1], "contacts.phone"),
    ):
        with pytest.raises(hidden.Altered):
            hidden.shown(altered, column)
    # whoever writes what looks hidden has it hidden like anything else
    assert hidden.shown(hidden.hidden(first, "contacts.name"), "contacts.name") == first


def test_what_a_destroyed_key_hid_reads_as_nothing_and_is_told_apart(folder: Path) -> None:
    stored = hidden.hidden(SAID, "complaints.contact")
    [old] = Keyring(folder).keys(Purpose.COLUMNS)
    add_key(folder, Purpose.COLUMNS, EARLIER + timedelta(days=1))
    now = datetime.now(UTC)
    end_key(folder, Purpose.COLUMNS, old.id, now, now)
    assert hidden.shown(stored, "complaints.contact") == ""
    assert hidden.destroyed(stored, "complaints.contact")
    assert not hidden.destroyed(hidden.hidden(SAID, "complaints.contact"), "complaints.contact")
    assert not hidden.destroyed("", "complaints.contact")
    # no keys at all is a mistake of whoever set it up, and not the end of what was hidden
    (folder / "columns.json").unlink()
    with pytest.raises(KeyMissing):
        hidden.shown(stored, "complaints.contact")


async def test_the_database_holds_no_contact_in_the_clear(
    engine: AsyncEngine, folder: Path
) -> None:
    async with engine.begin() as connection:
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
