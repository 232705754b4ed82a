"""Who may do what in the database, asked of it directly: nothing of the application between."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege, ObjectNotInPrerequisiteState
from sqlalchemy import make_url
from sqlalchemy.ext.asyncio import AsyncEngine

from deploy.embedded.postgres import ROLE, EmbeddedPostgres
from store.database import connect_public
from store.roles import APPLICATION, AUDITOR, OWNER, PUBLIC, PUBLISHED, TooMuchPower, refuse_power
from store.tables import metadata
from store.writer import JournalWriter
from tests.databases import as_administrator, as_owner, libpq
from tests.ill_treated import as_superuser
from tests.store.conftest import Register

Connection = psycopg.Connection[tuple[object, ...]]

GROWING = ("journal", "refusals", "rule_sets", "checkpoints", "revisions", "notes")

FORBIDDEN = [
    *(f"UPDATE {table} SET {column} = {column}" for table, column in (
        ("journal", "hash"), ("refusals", "hash"), ("rule_sets", "sha256"),
        ("checkpoints", "sha256"), ("revisions", "sha256"), ("notes", "sha256"),
        ("seals", "sha256"), ("alembic_version", "version_num"),
    )),
    *(f"DELETE FROM {table}" for table in (*GROWING, "seals", "alembic_version")),
    *(f"TRUNCATE {table} CASCADE" for table in (*GROWING, "cases", "outbox", "seals")),
    "INSERT INTO seals VALUES ('cases', 'x', 'y')",
    "ALTER TABLE journal DISABLE TRIGGER ALL",
    "ALTER TABLE revisions DISABLE TRIGGER USER",
    "ALTER TABLE cases DISABLE ROW LEVEL SECURITY",
    "DROP TRIGGER journal_only_grows ON journal",
    "DROP TABLE notes",
    "CREATE TABLE public.mine (n int)",
    "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS "
    "'BEGIN RETURN NULL; END'",
    "SET session_replication_role = replica",
    "SET ROLE zhibao_owner",
    "SET ROLE zhibao_migrator",
    "CREATE ROLE mine SUPERUSER",
    "COPY notes TO PROGRAM 'cat'",
]  # fmt: skip


@contextmanager
def _as(url: str, role: str = "") -> Iterator[Connection]:
    with psycopg.connect(libpq(url), autocommit=True) as connection:
        if role:
            connection.execute(f"SET ROLE {role}".encode())
        yield connection


def _all(connection: Connection, query: str) -> list[tuple[object, ...]]:
    return connection.execute(query.encode()).fetchall()


# --- the application ------------------------------------------------------------------------------


def test_the_application_may_not_do_what_would_undo_the_record(database_url: str) -> None:
    with _as(database_url) as connection:
        for statement in FORBIDDEN:
            try:
                connection.execute(statement.encode())
            except InsufficientPrivilege:
                continue
            pytest.fail(statement)


def test_the_application_owns_nothing_and_is_nobody_in_particular(database_url: str) -> None:
    with _as(database_url) as connection:
        owners = _all(
            connection,
            "SELECT DISTINCT c.relowner::regrole::text FROM pg_class c"
            " JOIN pg_namespace n ON n.oid = c.relnamespace"
            f" WHERE n.nspname IN ('public', '{PUBLISHED}')"
            " UNION SELECT proowner::regrole::text FROM pg_proc p"
            " JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = 'public'",
        )
        assert owners == [(OWNER,)]
        [might] = _all(
            connection,
            "SELECT rolsuper, rolcreatedb, rolcreaterole, rolbypassrls, rolreplication"
            " FROM pg_roles WHERE rolname = current_user",
        )
        assert not any(might)
        groups = {
            name
            for (name,) in _all(
                connection,
                "SELECT rolname FROM pg_roles WHERE pg_has_role(current_user, oid, 'MEMBER')"
                " AND rolname LIKE 'zhibao%'",
            )
        }
        assert groups == {ROLE, APPLICATION, PUBLIC, "zhibao_enforcement"}


def test_what_serves_does_not_start_as_who_could_take_the_record_apart(database_url: str) -> None:
    refuse_power(database_url)
    for url in (as_owner(database_url), as_administrator(database_url)):
        with pytest.raises(TooMuchPower, match="zhibao_application"):
            refuse_power(url)


# --- the public -----------------------------------------------------------------------------------

SHOWN = {
    "public_numbers": "number institution_no issued_on change_no visible_from change_kind"
    " change_reason changed_at",
    "institutions": "id no name uscc region legal_person under_samr accredited review_group"
    " other_qualifications national_centres previous_reviewer roster_at merged_into updated_at",
    "institution_acts": "institution_id kind old_uscc new_uscc effective_on",
    "certificates": "number institution_id level issuer scope valid_to origin code case_id status"
    " holder uscc parent_uscc field industry issued_on valid_from ended_on document superseded_by"
    " renews revision content statement updated_at",
    "certificate_lines": "number kind line words standard year",
    "enforcement_register": "case_id about institution_id institution_name region year authority"
    " jurisdiction measure label kind effects published effective_at expires_at cure cite ended_at"
    " ended_by cured",
    "announcements": "id kind jurisdiction version title audience campaign shown_from shown_until"
    " withdrawn_at",
    "announcement_versions": "announcement_id version title body audience campaign shown_from"
    " shown_until published_by published_at sha256",
    "announcement_files": "announcement_id sha256 name media size content added_by added_at"
    " removed_at",
    "lookup_counts": "day province answer count",
    "certificate_counts": "month province what answer count",
}


def test_the_public_is_shown_these_columns_and_no_others(database_url: str) -> None:
    with _as(database_url, PUBLIC) as connection:
        shown: dict[object, set[object]] = {}
        for table, column in _all(
            connection,
            "SELECT table_name, column_name FROM information_schema.columns"
            f" WHERE table_schema IN ('public', '{PUBLISHED}')",
        ):
            shown.setdefault(table, set()).add(column)
        assert shown == {table: set(columns.split()) for table, columns in SHOWN.items()}
        for table in metadata.tables:
            with pytest.raises(InsufficientPrivilege):
                connection.execute(f"SELECT FROM public.{table}".encode())
        for view in SHOWN.keys() - {"lookup_counts", "certificate_counts"}:
            with pytest.raises((InsufficientPrivilege, ObjectNotInPrerequisiteState)):
                connection.execute(f"DELETE FROM {PUBLISHED}.{view}".encode())


ROWS = """
    INSERT INTO institutions (id, name, region, legal_person, under_samr, accredited,
        other_qualifications, national_centres)
    VALUES ('fuzhou', '（生成）福州', '350102', true, false, false, '[]', '[]'),
           ('changsha', '（生成）长沙', '430102', true, false, false, '[]', '[]');
    INSERT INTO certificates (number, institution_id, level, issuer, scope, valid_to, content)
    VALUES ('241301060345', 'fuzhou', 'provincial', 'amr-350000', 1, '2030-05-01',
        '{"address": "示例路", "capabilities": [], "equipment": [{"name": "天平"}],
          "signatories": [{"name": "签字人甲乙丙"}]}');
    INSERT INTO certificate_lines (number, kind, line, words)
    VALUES ('241301060345', 'capability', 0, '水质'),
           ('241301060345', 'signatory', 0, '签字人甲乙丙');
    INSERT INTO announcements (id, kind, jurisdiction, version, title, audience, shown_from,
        withdrawn_at)
    VALUES ('all', 'announcement', '000000', 1, '公开', '{public}', '2020-01-01', NULL),
           ('some', 'announcement', '000000', 1, '内部', '{reviewer}', '2020-01-01', NULL),
           ('ahead', 'announcement', '000000', 1, '未到', '{public}', '2999-01-01', NULL),
           ('gone', 'announcement', '000000', 1, '已撤', '{public}', '2020-01-01', now());
    INSERT INTO contacts (institution_id, role, name, source, set_by, set_at)
    VALUES ('fuzhou', 'liaison', '联系人甲', 'filer', 'x', now()),
           ('changsha', 'liaison', '联系人乙', 'filer', 'x', now());
"""


def test_of_each_the_public_is_shown_what_is_published(database_url: str) -> None:
    with _as(database_url) as connection:
        connection.execute(ROWS.encode())
    with _as(database_url, PUBLIC) as connection:
        connection.execute(f"SET search_path = {PUBLISHED}".encode())
        assert _all(connection, "SELECT id FROM announcements") == [("all",)]
        assert _all(connection, "SELECT words FROM certificate_lines") == [("水质",)]
        [(content,)] = _all(connection, "SELECT content FROM certificates")
        assert content == {"address": "示例路", "capabilities": []}


@pytest.mark.anyio
async def test_the_public_s_connections_are_its_role_s_and_give_up_soon(
    engine: AsyncEngine,
) -> None:
    public = connect_public(engine.url, longest=0.2, pool_size=1)
    try:
        async with public.connect() as connection:
            who = await connection.exec_driver_sql("SELECT current_user, current_schemas(false)")
            assert who.one() == (PUBLIC, [PUBLISHED, "public"])
            with pytest.raises(Exception, match="statement timeout"):
                await connection.exec_driver_sql("SELECT pg_sleep(20)")
    finally:
        await public.dispose()


# --- the auditor ----------------------------------------------------------------------------------


@pytest.fixture
def auditors(postgres: EmbeddedPostgres) -> Iterator[dict[str, str]]:
    """Logins of auditors by the region they were given, "" for none."""
    given = {"350000": "fujian", "000000": "nation", "": "nowhere"}
    regions = [f"zhibao_region_{region}" for region in given if region]
    logins = [f"auditor_{name}" for name in given.values()]
    as_superuser(
        postgres,
        *(f"CREATE ROLE {one} NOLOGIN" for one in regions),
        *(f"CREATE ROLE {one} LOGIN PASSWORD 'x' IN ROLE {AUDITOR}" for one in logins),
        "GRANT zhibao_region_350000 TO auditor_fujian",
        "GRANT zhibao_region_000000 TO auditor_nation",
    )
    yield {region: f"auditor_{name}" for region, name in given.items()}
    as_superuser(postgres, *(f"DROP ROLE {one}" for one in (*logins, *regions)))


@pytest.mark.anyio
async def test_an_auditor_reads_the_regions_it_was_given_and_writes_nothing(
    database_url: str, engine: AsyncEngine, register: Register, auditors: dict[str, str]
) -> None:
    with _as(database_url) as connection:
        connection.execute(ROWS.encode())
    [chain] = await register.chains("inst")  # in Fuzhou
    [other] = await register.chains("elsewhere")
    with _as(database_url) as connection:
        connection.execute("UPDATE institutions SET region = '430102' WHERE id = 'elsewhere'")
    for one in (chain, other):
        await JournalWriter(engine).record(one.request(2))
    seen = {}
    for region, login in auditors.items():
        url = make_url(database_url).set(username=login, password="x")
        with _as(url.render_as_string(hide_password=False)) as connection:
            seen[region] = [
                {name for (name,) in _all(connection, query)}
                for query in (
                    "SELECT id FROM institutions",
                    "SELECT name FROM contacts",
                    "SELECT case_id FROM cases",
                    "SELECT case_id FROM journal WHERE case_id LIKE 'filing/%'",
                )
            ]
            for statement in (
                "UPDATE cases SET status = status", "DELETE FROM contacts",
                "INSERT INTO notes (sha256, note) VALUES ('x', '{}')",
                "SET ROLE zhibao_application", "SELECT stand_still()",
            ):  # fmt: skip
                with pytest.raises(InsufficientPrivilege):
                    connection.execute(statement.encode())
    fujian, hunan = {chain.case_id}, {other.case_id}
    assert seen == {
        "350000": [{"fuzhou", "inst"}, {"联系人甲"}, fujian, fujian],
        "000000": [
            {"fuzhou", "changsha", "inst", "elsewhere"},
            {"联系人甲", "联系人乙"},
            fujian | hunan,
            fujian | hunan,
        ],
        "": [set(), set(), set(), set()],
    }
