"""The folder of signing keys: what is published, what stays private, what a key's end means."""

import shutil
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path

import pytest

from domain.certificates.statement import Statement, StatementProblem, verify
from services.certificates.keys import PUBLISHED, SigningKeys, add_key, retire_key
from tests.printing.papers import certificate

TODAY = date(2026, 3, 1)
LATER = TODAY + timedelta(days=30)


def test_the_newest_key_signs_and_what_older_ones_signed_keeps_its_worth(tmp_path: Path) -> None:
    add_key(tmp_path, "a", TODAY)
    before = SigningKeys(tmp_path).statement(certificate(), TODAY)
    published = add_key(tmp_path, "b", LATER)
    after = SigningKeys(tmp_path).statement(certificate(), LATER)
    for text, key in ((before, "a"), (after, "b")):
        said = verify(text, published)
        assert isinstance(said, Statement)
        assert said.key == key
    assert [one.until for one in published.keys] == [LATER, None]


def test_a_key_is_read_by_its_owner_alone_and_the_list_by_anybody(tmp_path: Path) -> None:
    add_key(tmp_path, "a", TODAY)
    private = (tmp_path / "a.key").read_text()
    assert stat.S_IMODE((tmp_path / "a.key").stat().st_mode) == 0o600
    listed = (tmp_path / PUBLISHED).read_text()
    assert stat.S_IMODE((tmp_path / PUBLISHED).stat().st_mode) & 0o044
    assert len(private) == 64
    assert private not in listed


def test_the_list_alone_checks_statements_and_signs_nothing(tmp_path: Path) -> None:
    here, there = tmp_path / "worker", tmp_path / "api"
    there.mkdir()
    add_key(here, "a", TODAY)
    shutil.copy(here / PUBLISHED, there)
    statement = SigningKeys(here).statement(certificate(), TODAY)
    assert isinstance(verify(statement, SigningKeys(there).published()), Statement)
    assert SigningKeys(there).statement(certificate(), TODAY) == ""


def test_a_key_given_up_proves_nothing_and_is_gone(tmp_path: Path) -> None:
    add_key(tmp_path, "a", TODAY)
    statement = SigningKeys(tmp_path).statement(certificate(), TODAY)
    published = retire_key(tmp_path, "a", LATER)
    said = verify(statement, published)
    assert isinstance(said, StatementProblem)
    assert said.code == "key_retired"
    assert not (tmp_path / "a.key").exists()
    assert SigningKeys(tmp_path).statement(certificate(), LATER) == ""
    assert retire_key(tmp_path, "a", LATER + timedelta(days=1)) == published
    published = add_key(tmp_path, "b", LATER)
    assert published.keys[0].retired == LATER
    assert SigningKeys(tmp_path).statement(certificate(), LATER)


@pytest.mark.parametrize("id_", ["", "../a", "a/b", "a b", "密钥", "a" * 33, "-a", "a.key"])
def test_what_is_no_name_makes_no_key(id_: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="字母"):
        add_key(tmp_path / "keys", id_, TODAY)
    assert not list(tmp_path.rglob("*.key"))
    with pytest.raises(ValueError, match="没有密钥"):
        retire_key(tmp_path / "keys", id_, TODAY)


def test_a_name_is_used_once_even_after_its_key_was_given_up(tmp_path: Path) -> None:
    add_key(tmp_path, "a", TODAY)
    private = (tmp_path / "a.key").read_text()
    with pytest.raises(ValueError, match="已经存在"):
        add_key(tmp_path, "a", TODAY)
    assert (tmp_path / "a.key").read_text() == private
    retire_key(tmp_path, "a", TODAY)
    with pytest.raises(ValueError, match="已经存在"):
        add_key(tmp_path, "a", TODAY)


def test_a_key_that_was_half_made_when_the_power_failed_can_be_made_again(tmp_path: Path) -> None:
    (tmp_path / "a.key").write_text("half")
    published = add_key(tmp_path, "a", TODAY)
    said = verify(SigningKeys(tmp_path).statement(certificate(), TODAY), published)
    assert isinstance(said, Statement)


def test_keys_added_at_once_are_all_published(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: add_key(tmp_path, f"k-{n}", TODAY), range(16)))
    published = SigningKeys(tmp_path).published()
    assert {one.id for one in published.keys} == {f"k-{n}" for n in range(16)}
    assert sum(one.until is None for one in published.keys) == 1
