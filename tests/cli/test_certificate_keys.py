"""``zhibao certificates keys | sign``: what they print, what they change, how they end."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import psycopg
import pytest
import typer
from click.testing import Result
from psycopg.types.json import Jsonb
from typer.testing import CliRunner

from cli.certificate_keys import mount
from domain.certificates.statement import Statement, verify
from services.certificates.keys import SigningKeys
from tests.printing.papers import certificate

app = typer.Typer()
mount(app)


def run(*arguments: str, **environment: str) -> Result:
    runner = CliRunner(env={"ZHIBAO_CERTIFICATE_KEYS": "", **environment})
    return runner.invoke(app, list(arguments))  # type: ignore[return-value]


def answer(*arguments: str, code: Any = 0, **environment: str) -> Any:
    result = run(*arguments, "--json", **environment)
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)


# --- keys -----------------------------------------------------------------------------------------


def test_keys_are_added_listed_and_given_up(tmp_path: Path) -> None:
    folder = ("--folder", str(tmp_path / "keys"))
    assert answer("keys", "list", *folder)["keys"] == []
    assert "还没有密钥" in run("keys", "list", *folder).stdout
    [first] = answer("keys", "add", "2026-1", *folder)["keys"]
    assert (first["id"], first["signs"], first["until"]) == ("2026-1", True, None)
    former, used = answer("keys", "add", "2026-2", *folder)["keys"]
    assert (former["signs"], used["signs"]) == (False, True)
    assert former["until"] == used["from"]
    given_up = answer("keys", "retire", "2026-2", *folder)["keys"][1]
    assert (given_up["signs"], given_up["private"]) == (False, False)
    assert given_up["retired"] == used["from"]
    first_line, second_line = run("keys", "list", *folder).stdout.splitlines()
    assert first_line.startswith("2026-1")
    assert second_line.startswith("2026-2")
    assert "作废" in second_line


def test_a_key_that_is_made_or_given_up_is_on_record(tmp_path: Path, database_url: str) -> None:
    system = {
        "DATABASE_URL": database_url,
        "TEMPORAL_ADDRESS": "127.0.0.1:1",
        "ZHIBAO_TOKEN_KEY": "a-key-for-tests-only-a-key-for-tests-only",
        "ZHIBAO_CERTIFICATE_KEYS": str(tmp_path / "keys"),
        "ZHIBAO_AUDIT_KEYS": str(tmp_path / "others"),
    }
    answer("keys", "add", "a", **system)
    [_, used] = answer("keys", "add", "b", **system)["keys"]
    answer("keys", "retire", "a", **system)
    answer("keys", "retire", "a", **system)
    answer("keys", "add", "c", "--folder", str(tmp_path / "others"), **system)
    answer("keys", "add", "nobodys", "--folder", str(tmp_path / "elsewhere"), **system)
    with psycopg.connect(database_url.replace("+psycopg", "")) as connection:
        rows = connection.execute(
            "SELECT event, step #>> '{body,purpose}', step #>> '{body,key}',"
            " step #>> '{body,public_key}' FROM journal WHERE case_id = 'register/keys'"
            " ORDER BY sequence"
        ).fetchall()
    assert [row[:3] for row in rows] == [
        ("key_made", "certificates", "a"),
        ("key_made", "certificates", "b"),
        ("key_retired", "certificates", "a"),
        ("key_made", "checkpoints", "c"),
    ]
    assert rows[1][3] == used["public_key"]


def test_no_private_key_is_ever_printed(tmp_path: Path) -> None:
    said = ""
    for words in (("add", "a"), ("list",), ("add", "b"), ("list",)):
        for more in ((), ("--json",)):
            folder = str(tmp_path / "-".join((*words, *more)))
            said += run("keys", *words, "--folder", folder, *more).output
    private = [file.read_text() for file in tmp_path.rglob("*.key")]
    assert len(private) == 4
    assert not [one for one in private if one in said]


def test_the_folder_is_that_of_the_environment_or_of_the_data_folder(tmp_path: Path) -> None:
    keys, data = tmp_path / "keys", tmp_path / "data"
    data.mkdir()
    known = {"environment": {"ZHIBAO_CERTIFICATE_KEYS": str(keys)}}
    (data / "runtime.json").write_text(json.dumps(known))
    answer("keys", "add", "a", "--data", str(data))
    assert len(answer("keys", "list", ZHIBAO_CERTIFICATE_KEYS=str(keys))["keys"]) == 1
    refused = run("keys", "list", "--data", str(tmp_path / "none"))
    assert refused.exit_code == 2
    assert "ZHIBAO_CERTIFICATE_KEYS" in refused.stderr


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff", b'{"keys": [{"id": "a"}]}'])
def test_a_folder_in_disorder_is_named(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "published.json").write_bytes(content)
    for words in (("list",), ("add", "a"), ("retire", "a")):
        result = run("keys", *words, "--folder", str(tmp_path))
        assert result.exit_code == 2, result.output
        assert str(tmp_path) in result.stderr
        assert "Traceback" not in result.output
    assert (tmp_path / "published.json").read_bytes() == content


def test_a_taken_or_unknown_name_ends_with_2(tmp_path: Path) -> None:
    folder = ("--folder", str(tmp_path))
    run("keys", "add", "a", *folder)
    assert "已经存在" in answer("keys", "add", "a", *folder, code=2)["error"]
    assert "没有密钥 b" in answer("keys", "retire", "b", *folder, code=2)["error"]
    assert run("keys", "add", *folder).exit_code == 2


# --- signing what was issued without a key --------------------------------------------------------


@pytest.fixture
def surroundings(database_url: str, tmp_path: Path) -> dict[str, str]:
    """The environment of a system with three unsigned certificates and one of a roster."""
    one = certificate()
    with psycopg.connect(database_url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("""
            INSERT INTO institutions (id, name, region, legal_person, under_samr, accredited,
                other_qualifications, national_centres)
            VALUES ('lab', '（生成）', '350102', true, false, false, '[]', '[]')
        """)
        for n in range(4):
            connection.execute(
                """
                INSERT INTO certificates (number, institution_id, level, issuer, scope, valid_to,
                    origin, code, issued_on, valid_from, content)
                VALUES (%s, 'lab', 'provincial', 'amr-350000', 3, '2030-05-01',
                    %s, %s, '2024-05-02', '2024-05-02', %s)
                """,
                (
                    f"24130106034{n}",
                    "issued" if n < 3 else "roster",
                    f"C{n}" if n < 3 else None,
                    Jsonb(one.content.model_dump(mode="json")) if n < 3 else None,
                ),
            )
    return {
        "DATABASE_URL": database_url,
        "TEMPORAL_ADDRESS": "unused",
        "ZHIBAO_TOKEN_KEY": "k" * 32,
        "ZHIBAO_CERTIFICATE_KEYS": str(tmp_path / "keys"),
    }


def rows(surroundings: dict[str, str], query: str) -> list[Any]:
    url = surroundings["DATABASE_URL"].replace("+psycopg", "")
    with psycopg.connect(url) as connection:
        return [row[0] for row in connection.execute(query.encode())]


def statements(surroundings: dict[str, str]) -> list[str]:
    return rows(surroundings, "SELECT statement FROM certificates ORDER BY number")


def test_what_was_issued_without_a_key_is_signed_later_and_once(
    surroundings: dict[str, str],
) -> None:
    keys = SigningKeys(Path(surroundings["ZHIBAO_CERTIFICATE_KEYS"]))
    refused = answer("sign", code=1, **surroundings)
    assert "keys add" in refused["error"]
    assert statements(surroundings) == [""] * 4
    run("keys", "add", "a", **surroundings)
    counts = answer("sign", **surroundings)
    assert counts == {"signed": 3, "renewed": 0, "kept": 0}
    *signed, listed = statements(surroundings)
    assert listed == ""
    said = [verify(text, keys.published()) for text in signed]
    assert [one.code for one in said if isinstance(one, Statement)] == ["C0", "C1", "C2"]
    assert answer("sign", **surroundings) == {"signed": 0, "renewed": 0, "kept": 3}
    assert statements(surroundings)[:3] == signed
    assert "新签 0 张" in run("sign", **surroundings).stdout
    # on record once: the two runs that changed nothing left no step
    steps = rows(
        surroundings, "SELECT step->'body' FROM journal WHERE event = 'certificates_signed'"
    )
    assert steps == [counts]


def test_what_a_key_given_up_has_signed_is_signed_anew(surroundings: dict[str, str]) -> None:
    keys = SigningKeys(Path(surroundings["ZHIBAO_CERTIFICATE_KEYS"]))
    run("keys", "add", "a", **surroundings)
    run("sign", **surroundings)
    before = statements(surroundings)
    run("keys", "add", "b", **surroundings)
    # a key that merely gave way to a newer one has signed for good
    assert answer("sign", **surroundings)["kept"] == 3
    run("keys", "retire", "a", **surroundings)
    assert answer("sign", **surroundings) == {"signed": 0, "renewed": 3, "kept": 0}
    for old, new in zip(before[:3], statements(surroundings)[:3], strict=True):
        assert not isinstance(verify(old, keys.published()), Statement)
        said = verify(new, keys.published())
        assert isinstance(said, Statement)
        assert (said.key, said.signed_on >= date(2026, 1, 1)) == ("b", True)


def test_without_a_folder_or_a_database_nothing_is_signed(
    surroundings: dict[str, str], tmp_path: Path
) -> None:
    nowhere = surroundings | {"ZHIBAO_CERTIFICATE_KEYS": ""}
    assert "ZHIBAO_CERTIFICATE_KEYS" in answer("sign", code=2, **nowhere)["error"]
    away = surroundings | {"DATABASE_URL": "postgresql+psycopg://u:p@127.0.0.1:1/none"}
    run("keys", "add", "a", **surroundings)
    assert "数据库" in answer("sign", code=1, **away)["error"]
    absent = run("sign", "--data", str(tmp_path), DATABASE_URL="", TEMPORAL_ADDRESS="")
    assert absent.exit_code == 2
