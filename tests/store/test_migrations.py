"""Migrations: one line of them, the same schema as the tables say, and safe to run again."""

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect, make_url, text

from deploy.embedded.postgres import EmbeddedPostgres
from domain.case.status import Status
from store.migrate import NewerDatabase, RoleMissing, configuration, refuse_newer, upgrade
from store.tables import metadata
from tests.command import ZHIBAO, environment
from tests.databases import as_owner, database
from tests.ill_treated import as_superuser

ROOT = Path(__file__).parents[2]


def _migrate_in_a_process(url: str) -> None:
    """As `zhibao migrate` does when several start together."""
    code = f"from store.migrate import upgrade; upgrade({url!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def empty_database(postgres: EmbeddedPostgres) -> Iterator[str]:
    """A database with nothing in it, no schema either."""
    with database(postgres, "test_migrations", "template0") as url:
        yield as_owner(url)


def test_the_migrations_lead_exactly_to_the_tables_the_code_works_with(
    empty_database: str,
) -> None:
    upgrade(empty_database)
    # raises when a migration is missing for something in store/tables, or the other way round
    command.check(configuration(empty_database))


def test_there_is_one_line_of_migrations_from_nothing_to_the_present() -> None:
    scripts = ScriptDirectory.from_config(configuration("postgresql+psycopg://unused"))
    assert len(scripts.get_heads()) == 1
    assert len(scripts.get_bases()) == 1
    revisions = list(scripts.walk_revisions())
    assert all(not one.is_merge_point and not one.is_branch_point for one in revisions)
    assert all(one.doc for one in revisions)


def test_migrating_again_changes_nothing(empty_database: str) -> None:
    upgrade(empty_database)
    engine = create_engine(empty_database)
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO notes (sha256, note) VALUES ('x', '{}')"))
    upgrade(empty_database)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM notes")).scalar_one() == 1
        versions = connection.execute(text("SELECT count(*) FROM alembic_version")).scalar_one()
    assert versions == 1
    engine.dispose()


def test_processes_that_migrate_at_once_do_so_once(empty_database: str) -> None:
    with ThreadPoolExecutor() as processes:
        list(processes.map(_migrate_in_a_process, [empty_database] * 3))
    command.check(configuration(empty_database))


def test_a_migration_that_fails_leaves_nothing_behind(empty_database: str) -> None:
    engine = create_engine(empty_database)
    with engine.begin() as connection:
        # in the way of the first migration
        connection.execute(text("CREATE TABLE outbox (id int)"))
    with pytest.raises(Exception, match="outbox"):
        upgrade(empty_database)
    assert set(inspect(engine).get_table_names()) <= {"outbox", "alembic_version"}
    engine.dispose()


@pytest.mark.parametrize("table", ["journal", "rule_sets"])
def test_what_only_grows_is_guarded_in_the_database_itself(empty_database: str, table: str) -> None:
    upgrade(empty_database)
    engine = create_engine(empty_database)
    with engine.connect() as connection:
        guarded = connection.execute(
            text("SELECT tgname, tgenabled FROM pg_trigger WHERE tgrelid = CAST(:t AS regclass)"
                 " AND NOT tgisinternal"), {"t": table},
        ).all()  # fmt: skip
    names = {name for name, _ in guarded}
    # a table that is sealed row by row notes what it should not have let happen as well
    assert names - {f"{table}_sealed_on_{act}" for act in ("insert", "update", "delete")} == {
        f"{table}_only_grows"
    }
    assert {enabled for _, enabled in guarded} == {"O"}
    engine.dispose()


def test_every_table_says_in_chinese_what_it_is_for() -> None:
    for table in metadata.sorted_tables:
        assert table.comment or table.name == "institutions", table.name
        assert not table.comment or any("一" <= mark <= "鿿" for mark in table.comment)


def test_the_database_knows_every_status_and_no_other(empty_database: str) -> None:
    upgrade(empty_database)
    engine = create_engine(empty_database)
    checks = inspect(engine).get_check_constraints("cases")
    (status,) = [one["sqltext"] for one in checks if one["name"] == "ck_cases_status"]
    assert {one for one in Status if f"'{one.value}'" in status} == set(Status)
    assert status.count("'") == 2 * len(Status)
    engine.dispose()


def test_a_database_of_a_later_version_is_told_so(empty_database: str) -> None:
    upgrade(empty_database)
    with psycopg.connect(empty_database.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(NewerDatabase, match="比这一版程序新"):
        upgrade(empty_database)


def test_what_serves_is_told_of_a_later_database_and_does_not_start(empty_database: str) -> None:
    refuse_newer(empty_database)  # nothing is there yet
    upgrade(empty_database)
    refuse_newer(empty_database)
    with psycopg.connect(empty_database.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    needed = {
        "DATABASE_URL": empty_database,
        "TEMPORAL_ADDRESS": "127.0.0.1:1",
        "ZHIBAO_TOKEN_KEY": "a-key-for-tests-only-a-key-for-tests-only",
        "COLUMNS": "200",
    }
    for part in ("api", "worker", "migrate"):
        done = subprocess.run(
            [*ZHIBAO, part], capture_output=True, text=True, env=environment(**needed), timeout=60
        )
        assert done.returncode == 1, done.stderr
        [sentence] = done.stderr.splitlines()
        assert "比这一版程序新" in sentence


def test_every_migration_has_its_way_back_in_the_operator_s_page() -> None:
    """By a downgrade or by restoring a copy: the page says which."""
    page = (ROOT / "docs" / "operations.md").read_text("utf-8")
    scripts = ScriptDirectory.from_config(configuration("postgresql+psycopg://unused"))
    for revision in scripts.walk_revisions():
        [row] = [line for line in page.splitlines() if line.startswith(f"| {revision.revision} |")]
        assert ("downgrade" in row) == hasattr(revision.module, "downgrade")
        assert ("restore" in row) != hasattr(revision.module, "downgrade")


_BEFORE_0059 = """
    INSERT INTO institutions (id, name, region, legal_person, under_samr, accredited,
        other_qualifications, national_centres)
    VALUES ('lab', '（生成）', '350102', true, false, false, '[]', '[]');
    INSERT INTO certificates (number, institution_id, level, issuer, scope, valid_to, content)
    VALUES ('1', 'lab', 'provincial', 'amr-350000', 1, '2030-05-01',
            '{"address": "示例路", "signatories": [{"name": "甲", "field": "\\"乙\\""}]}'),
           ('2', 'lab', 'provincial', 'amr-350000', 1, '2030-05-01', '{"address": "示例路"}'),
           ('3', 'lab', 'provincial', 'amr-350000', 1, '2030-05-01', NULL);
    INSERT INTO api_clients (id, authority, name, sandbox, created_by, created_at)
    VALUES ('c', 'amr-350000', '（生成）', false, 'x', now());
    INSERT INTO certificate_deliveries (authority, sandbox, delivery_id, client_id, action, body,
        body_sha256, stage, attempt, received_at)
    SELECT 'amr-350000', false, id, 'c', 'issue', '{"a": "甲"}', '', 'working', 1, now()
    FROM unnest(ARRAY['right', 'wrong']) AS id;
    INSERT INTO certificate_imports (id, authority, filename, sha256, mode, stage, lines, total,
        requested_by, requested_at)
    VALUES ('i', 'amr-350000', 'x.csv', '', 'all', 'working', 1, 1, 'x', now());
    INSERT INTO certificate_import_rows (import_id, row, sha256, place, institution_id, holder,
        outcome, given)
    VALUES ('i', 2, '', 0, 'lab', '', 'waiting', '{"a": "甲"}'),
           ('i', 3, '', 0, 'lab', '', 'waiting', NULL);
    INSERT INTO roster_imports (id, filename, imported_by, accept_good_rows, rows, accepted,
        problems)
    VALUES ('r', 'x.csv', 'x', false, 1, 0, '{"a": "甲"}');
    INSERT INTO enforcement_documents (case_id, sequence, kind, number, sha256, content, made_at)
    VALUES ('e', 1, 'decision', '', '', '\\x255044', now());
"""
_SEALED_RIGHTLY = """
    SELECT "table", key FROM (
        SELECT c.relname AS named, split_part(encode(t.tgargs, 'escape'), '\\000', 1) AS keys,
               split_part(encode(t.tgargs, 'escape'), '\\000', 2) AS columns
        FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
        WHERE t.tgname = c.relname || '_sealed_on_insert') g
    JOIN seals s ON s."table" = g.named
    JOIN (
        SELECT 'certificates' AS of, to_jsonb(r) AS j FROM certificates r
        UNION ALL SELECT 'certificate_deliveries', to_jsonb(r) FROM certificate_deliveries r
        UNION ALL SELECT 'certificate_import_rows', to_jsonb(r) FROM certificate_import_rows r
        UNION ALL SELECT 'enforcement_documents', to_jsonb(r) FROM enforcement_documents r
        UNION ALL SELECT 'roster_imports', to_jsonb(r) FROM roster_imports r
    ) n ON n.of = g.named AND s.key = seal_key(n.j, g.keys)
    WHERE s.sha256 = seal_of(n.j, g.columns) ORDER BY 1, 2
"""


def test_what_is_to_be_hidden_is_kept_to_the_letter_and_no_seal_is_mended(
    empty_database: str,
) -> None:
    command.upgrade(configuration(empty_database), "0058")
    with psycopg.connect(empty_database.replace("+psycopg", "")) as connection:
        connection.execute("SET timezone = 'UTC'; SET zhibao.writer = 'on'")
        connection.execute(_BEFORE_0059.encode())
        connection.execute("SET zhibao.writer = 'off'")
        # by hand, as a step of no application
        connection.execute(
            "UPDATE certificate_deliveries SET action = 'end' WHERE delivery_id = 'wrong'"
        )
        connection.execute("UPDATE certificates SET scope = 7 WHERE number = '2'")
        sealed = connection.execute(_SEALED_RIGHTLY.encode()).fetchall()
    assert len(sealed) == 7
    upgrade(empty_database)
    with psycopg.connect(empty_database.replace("+psycopg", "")) as connection:
        connection.execute("SET timezone = 'UTC'")
        assert connection.execute(_SEALED_RIGHTLY.encode()).fetchall() == sealed
        moved = connection.execute(
            "SELECT content, signatories::jsonb FROM certificates ORDER BY number"
        ).fetchall()
        assert moved == [
            ({"address": "示例路"}, [{"name": "甲", "field": '"乙"'}]),
            ({"address": "示例路"}, None),
            (None, None),
        ]
        kept = connection.execute(
            "SELECT body::jsonb FROM certificate_deliveries UNION ALL"
            " SELECT given::jsonb FROM certificate_import_rows WHERE row = 2 UNION ALL"
            " SELECT problems::jsonb FROM roster_imports"
        ).fetchall()
        assert kept == [({"a": "甲"},)] * 4
        document = connection.execute("SELECT content FROM enforcement_documents").fetchall()
        assert document == [("JVBE",)]


def test_a_role_that_only_an_administrator_can_make_is_asked_for_precisely(
    postgres: EmbeddedPostgres, empty_database: str
) -> None:
    """As on a server of one's own, where nobody has made it yet."""
    theirs = make_url(empty_database).set(username="newcomer", password="newcomer")
    url = theirs.render_as_string(hide_password=False)
    as_superuser(
        postgres,
        "CREATE ROLE newcomer LOGIN PASSWORD 'newcomer'",
        "ALTER ROLE zhibao_auditor RENAME TO away",
    )
    try:
        with pytest.raises(RoleMissing) as missing:
            upgrade(empty_database)
        assert "缺少角色 zhibao_auditor" in str(missing.value)
        assert "deploy/database/roles.sql" in str(missing.value)
        as_superuser(postgres, "ALTER ROLE away RENAME TO zhibao_auditor")
        # whoever is not the owner is told who is
        with pytest.raises(RoleMissing, match="zhibao_migrator"):
            upgrade(url)
        migrating = environment(ZHIBAO_MIGRATION_DATABASE_URL=url, COLUMNS="500")
        done = subprocess.run([*ZHIBAO, "migrate"], capture_output=True, env=migrating)
        assert (done.returncode, "roles.sql" in done.stderr.decode()) == (1, True), done.stderr
        assert "Traceback" not in done.stderr.decode()
        upgrade(empty_database)
    finally:
        as_superuser(postgres, "DROP ROLE newcomer")
