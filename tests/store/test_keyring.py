"""Keys: one ring for each purpose, taken until they end, private to their owner."""

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from domain.signing_keys import RING_LABELS
from services.keys import add_key, derived, end_key, make_missing
from store.keyring import SIGNING, KeyMissing, Keyring, Purpose, file_of, public_file_of

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def test_every_purpose_gets_a_key_of_its_own_that_only_its_owner_reads(tmp_path: Path) -> None:
    assert make_missing(tmp_path, NOW) == list(Purpose)
    assert make_missing(tmp_path, NOW) == []
    ring = Keyring(tmp_path)
    assert len({ring.current(purpose, NOW).secret for purpose in Purpose}) == len(Purpose)
    for purpose in Purpose:
        assert stat.S_IMODE(file_of(tmp_path, purpose).stat().st_mode) == 0o600
        assert public_file_of(tmp_path, purpose).exists() == (purpose in SIGNING)
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o700


def test_a_new_key_is_used_from_its_beginning_and_the_old_one_holds_until_its_end(
    tmp_path: Path,
) -> None:
    make_missing(tmp_path, NOW)
    ring = Keyring(tmp_path)
    old = ring.current(Purpose.TOTP, NOW)
    new = add_key(tmp_path, Purpose.TOTP, NOW + DAY)
    before = NOW + DAY - timedelta(microseconds=1)
    assert ring.current(Purpose.TOTP, before).id == old.id
    assert ring.current(Purpose.TOTP, NOW + DAY).id == new.id
    assert ring.by_id(Purpose.TOTP, old.id, NOW + DAY) == old
    end_key(tmp_path, Purpose.TOTP, old.id, NOW + 2 * DAY, NOW)
    assert ring.by_id(Purpose.TOTP, old.id, NOW + 2 * DAY - timedelta(microseconds=1)) is not None
    assert ring.by_id(Purpose.TOTP, old.id, NOW + 2 * DAY) is None
    assert [key.id for key in ring.valid(Purpose.TOTP, NOW + 2 * DAY)] == [new.id]
    # a later end does not bring it back
    again = end_key(tmp_path, Purpose.TOTP, old.id, NOW + 9 * DAY, NOW)
    assert again.ends == NOW + 2 * DAY


def test_a_key_ended_at_once_leaves_no_secret_and_the_last_one_cannot_be(tmp_path: Path) -> None:
    make_missing(tmp_path, NOW)
    [old] = Keyring(tmp_path).keys(Purpose.LINKS)
    with pytest.raises(ValueError, match="zhibao keys add links"):
        end_key(tmp_path, Purpose.LINKS, old.id, NOW, NOW)
    add_key(tmp_path, Purpose.LINKS, NOW)
    end_key(tmp_path, Purpose.LINKS, old.id, NOW, NOW)
    assert old.secret not in file_of(tmp_path, Purpose.LINKS).read_text()
    with pytest.raises(ValueError, match="没有密钥 another"):
        end_key(tmp_path, Purpose.LINKS, "another", NOW, NOW)


def test_whoever_has_the_public_half_checks_and_cannot_make(tmp_path: Path) -> None:
    make_missing(tmp_path / "whole", NOW)
    checks = tmp_path / "checks"
    checks.mkdir()
    public = public_file_of(tmp_path / "whole", Purpose.TOKENS)
    (checks / public.name).write_bytes(public.read_bytes())
    whole, ring = Keyring(tmp_path / "whole"), Keyring(checks)
    [key] = ring.valid(Purpose.TOKENS, NOW)
    made = whole.current(Purpose.TOKENS, NOW)
    assert (key.public, key.secret) == (made.public, "")
    assert made.secret not in public.read_text()
    for purpose in (Purpose.TOKENS, Purpose.LINKS):
        with pytest.raises(KeyMissing):
            ring.current(purpose, NOW)
    with pytest.raises(ValueError, match="公开的一半"):
        add_key(checks, Purpose.TOKENS, NOW)


def test_without_a_folder_each_purpose_has_a_key_out_of_the_one_secret() -> None:
    ring, other = Keyring(None, "a" * 32), Keyring(None, "b" * 32)
    made = {ring.current(purpose, NOW).secret for purpose in Purpose}
    assert len(made) == len(Purpose)
    assert derived(ring, Purpose.LINKS, NOW, "x") == derived(
        Keyring(None, "a" * 32), Purpose.LINKS, NOW, "x"
    )
    assert derived(ring, Purpose.LINKS, NOW, "x") != derived(other, Purpose.LINKS, NOW, "x")
    with pytest.raises(KeyMissing):
        Keyring(None).current(Purpose.LINKS, NOW)
    # a key shows nothing of itself where it is printed
    assert ring.current(Purpose.LINKS, NOW).secret not in repr(ring.current(Purpose.LINKS, NOW))


def test_every_purpose_has_words() -> None:
    assert set(RING_LABELS) == set(Purpose)


@pytest.mark.parametrize("written", ["", "{", '{"keys": [{"id": "a"}]}'])
def test_a_ring_that_cannot_be_read_is_a_missing_one_until_it_is_mended(
    tmp_path: Path, written: str
) -> None:
    make_missing(tmp_path, NOW)
    ring, file = Keyring(tmp_path), file_of(tmp_path, Purpose.COLUMNS)
    whole, key = file.read_bytes(), ring.current(Purpose.COLUMNS, NOW)
    file.write_text(written)
    with pytest.raises(KeyMissing, match=r"columns\.json"):
        ring.current(Purpose.COLUMNS, NOW)
    file.unlink()
    file.mkdir()
    with pytest.raises(KeyMissing, match=r"columns\.json"):
        ring.current(Purpose.COLUMNS, NOW)
    file.rmdir()
    file.write_bytes(whole)
    assert ring.current(Purpose.COLUMNS, NOW) == key
