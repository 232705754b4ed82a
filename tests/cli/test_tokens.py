"""``zhibao token`` and ``zhibao keys``: on record, revoked; nothing secret on a terminal."""

import json
import stat
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import Result
from typer.testing import CliRunner

from api.door.identity import Identity
from cli import terminal
from cli.main import app
from domain.case.commands import Role
from domain.refusals import Refused
from services.clock import system_clock
from services.keys import Keyring, Purpose, make_missing

LONGEST = timedelta(days=90)


@pytest.fixture
def surroundings(database_url: str, tmp_path: Path) -> dict[str, str]:
    make_missing(tmp_path / "keys", system_clock())
    return {
        "DATABASE_URL": database_url,
        "TEMPORAL_ADDRESS": "127.0.0.1:1",
        "ZHIBAO_KEYS": str(tmp_path / "keys"),
    }


def run(surroundings: dict[str, str], *words: str) -> Result:
    return CliRunner(env=surroundings).invoke(app, list(words))  # type: ignore[return-value]


def done(surroundings: dict[str, str], *words: str) -> Any:
    found = run(surroundings, *words, "--json")
    assert found.exit_code == 0, found.output
    return json.loads(found.stdout)


def identity(surroundings: dict[str, str]) -> Identity:
    return Identity(Keyring(Path(surroundings["ZHIBAO_KEYS"])), LONGEST)


@pytest.mark.parametrize(
    ("role", "scope"),
    [
        ("filer", "demo-000006"),
        ("reviewer", "samr"),
        ("checker", "group-railway"),
        ("clerk", "amr-350000"),
        ("operator", "350000"),
        ("auditor", ""),
    ],
)
def test_a_token_carries_what_was_asked_for(
    surroundings: dict[str, str], role: str, scope: str
) -> None:
    words = ["token", "--role", role, "--subject", "zhang.san"]
    issued = run(surroundings, *words, *(["--scope", scope] if scope else []))
    assert issued.exit_code == 0, issued.output
    actor = identity(surroundings).identify(f"Bearer {issued.stdout.strip()}").actor
    assert (actor.role, actor.scope, actor.subject) == (Role(role), scope, "zhang.san")


def test_a_token_is_on_record_listed_and_revoked(surroundings: dict[str, str]) -> None:
    words = ["token", "--role", "auditor", "--subject", "zhang.san", "--days", "90"]
    token = run(surroundings, *words).stdout.strip()
    bearer = identity(surroundings).identify(f"Bearer {token}")
    [listed] = done(surroundings, "people", "tokens", "zhang.san")["rows"]
    assert (listed["id"], listed["role"]) == (bearer.id, "auditor")
    assert listed["issued_by"].startswith("cli.")
    assert token not in json.dumps(listed)
    assert done(surroundings, "people", "revoke-token", bearer.id)["revoked_at"]
    assert done(surroundings, "people", "tokens", "zhang.san")["rows"] == []
    with psycopg.connect(surroundings["DATABASE_URL"].replace("+psycopg", "")) as connection:
        events = connection.execute(
            "SELECT event FROM journal WHERE case_id = 'person/zhang.san' ORDER BY sequence"
        ).fetchall()
    assert events == [("token_issued",), ("token_revoked",)]
    assert run(surroundings, "people", "revoke-token", "0" * 32).exit_code == 1


def test_no_token_lasts_longer_than_the_system_allows(surroundings: dict[str, str]) -> None:
    words = ["token", "--role", "auditor", "--subject", "zhang.san", "--days"]
    refused = run(surroundings, *words, "91")
    assert (refused.exit_code, "至多 90 天" in refused.output) == (2, True)
    allowed = run({**surroundings, "ZHIBAO_TOKEN_DAYS": "91"}, *words, "91")
    assert allowed.exit_code == 0
    # and what was issued while more was allowed does not hold where it is not
    with pytest.raises(Refused):
        identity(surroundings).identify(f"Bearer {allowed.stdout.strip()}")


def test_whoever_only_checks_tokens_issues_none(
    surroundings: dict[str, str], tmp_path: Path
) -> None:
    checks = tmp_path / "checks"
    checks.mkdir()
    public = tmp_path / "keys" / "tokens.public.json"
    (checks / public.name).write_bytes(public.read_bytes())
    words = ["token", "--role", "auditor", "--subject", "zhang.san"]
    refused = run({**surroundings, "ZHIBAO_KEYS": str(checks)}, *words)
    assert (refused.exit_code, refused.stdout) == (1, "")
    token = run(surroundings, *words).stdout.strip()
    there = {**surroundings, "ZHIBAO_KEYS": str(checks)}
    assert identity(there).identify(f"Bearer {token}").actor.subject == "zhang.san"


def test_a_key_gives_way_without_a_token_being_refused_until_it_is_ended(
    surroundings: dict[str, str],
) -> None:
    words = ["token", "--role", "auditor", "--subject", "zhang.san"]
    checking = identity(surroundings)
    old = run(surroundings, *words).stdout.strip()
    before = done(surroundings, "keys", "list")["keys"]
    [first] = [one["id"] for one in before if one["purpose"] == "tokens"]
    done(surroundings, "keys", "add", "tokens")
    new = run(surroundings, *words).stdout.strip()
    for token in (old, new):
        assert checking.identify(f"Bearer {token}").actor.subject == "zhang.san"
    ended = done(surroundings, "keys", "end", "tokens", first)["keys"]
    [state] = [(one["used"], one["private"]) for one in ended if one["id"] == first]
    assert state == (False, False)
    assert checking.identify(f"Bearer {new}")
    with pytest.raises(Refused):
        checking.identify(f"Bearer {old}")
    [last] = [one["id"] for one in ended if one["purpose"] == "tokens" and one["used"]]
    for wrong in (("tokens", last), ("tokens", "nothing"), ("nonsense", first)):
        assert run(surroundings, "keys", "end", *wrong).exit_code == 2


def test_secrets_go_into_files_of_their_owner_and_onto_no_terminal(
    surroundings: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a.token"
    words = ["token", "--role", "auditor", "--subject", "zhang.san"]
    told = run(surroundings, *words, "--out", str(file))
    assert (told.exit_code, told.stdout) == (0, "")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    token = file.read_text().strip()
    assert identity(surroundings).identify(f"Bearer {token}").actor.subject == "zhang.san"
    listed = done(surroundings, "keys", "list")
    secrets = [key.secret for key in Keyring(tmp_path / "keys").keys("tokens")]  # type: ignore[arg-type]
    assert not any(secret in json.dumps(listed) for secret in secrets)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    with pytest.raises(Exception, match="不能显示在终端上"):
        terminal.may_hand_out(None)
    terminal.may_hand_out(file)


def test_what_is_done_to_keys_is_on_record(surroundings: dict[str, str], tmp_path: Path) -> None:
    made = done(surroundings, "keys", "make")["keys"]
    first = next(one["id"] for one in made if one["purpose"] == "links")
    keys = done(surroundings, "keys", "add", "links")["keys"]
    second = next(one["id"] for one in keys if one["purpose"] == "links" and one["used"])
    done(surroundings, "keys", "end", "links", first, "--at", "2099-01-01")
    done(surroundings, "keys", "end", "links", first)
    # a folder that is not the system's is nobody's business
    done(surroundings, "keys", "make", "--folder", str(tmp_path / "elsewhere"))
    with psycopg.connect(surroundings["DATABASE_URL"].replace("+psycopg", "")) as connection:
        rows = connection.execute(
            "SELECT event, step #>> '{body,purpose}', step #>> '{body,key}', step -> 'body',"
            " step #>> '{actor,role}' FROM journal WHERE case_id = 'register/keys'"
            " ORDER BY sequence"
        ).fetchall()
    assert {row[1] for row in rows if row[0] == "ring_key_made"} == set(Purpose)
    of_links = [(row[0], row[2]) for row in rows if row[1] == "links"]
    assert of_links == [
        ("ring_key_made", first),
        ("ring_key_made", second),
        ("ring_key_ended", first),
        ("ring_key_ended", first),
    ]
    assert {row[4] for row in rows} == {"operator"}
    assert [row[3]["public_key"] for row in rows if row[1] == "tokens"] == [
        Keyring(tmp_path / "keys").keys(Purpose.TOKENS)[0].public
    ]
    ring = Keyring(tmp_path / "keys")
    said = json.dumps([row[3] for row in rows])
    assert not [
        key for one in Purpose for key in ring.keys(one) if key.secret and key.secret in said
    ]
