"""What each role is shown of content and personal data: asked of the database, with no filter."""

from collections.abc import Iterator

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from api.door.rights import SCOPES, place_of
from domain.case.commands import Actor, Role
from services.sight import asked_by_person, counting, judging
from store import submissions
from store.database import connect
from store.roles import APPLICATION, AUDITOR, ENFORCEMENT, PUBLIC
from store.sight import seen_by
from store.submissions import Wanted
from store.writer import JournalWriter
from tests.databases import as_owner, libpq
from tests.store.conftest import Register

pytestmark = pytest.mark.anyio

TABLES = (
    "revisions", "filing_files", "contacts", "complaints", "enforcement_attachments",
    "enforcement_documents",
)  # fmt: skip

ROWS = """
    UPDATE institutions SET region = '430102' WHERE id = 'there';
    INSERT INTO cases SELECT (c).* FROM (
        SELECT jsonb_populate_record(cases, jsonb_build_object(
            'case_id', kind_ || '/' || institution_id, 'kind', kind_,
            'authority', CASE institution_id WHEN 'here' THEN 'amr-350100' ELSE 'amr-430100' END
        )) AS c
        FROM cases, unnest(ARRAY['report-numbers', 'certificate', 'complaint', 'enforcement']) kind_
        WHERE kind = 'filing') AS others;
    UPDATE cases SET jurisdiction = '430000' WHERE kind = 'certificate';
    INSERT INTO revisions (case_id, revision, sha256, content, saved_by, saved_at)
        SELECT case_id, 1, 'x', '{}', 'x', now() FROM cases WHERE kind IN ('filing', 'certificate');
    INSERT INTO filing_files (case_id, sha256, name, media, size, content, scanned, added_by,
        added_at) SELECT case_id, 'x', 'x', 'x', 1, 'x', 'clean', 'x', now() FROM cases
        WHERE kind = 'filing';
    INSERT INTO contacts (institution_id, role, name, source, set_by, set_at)
        SELECT id, 'liaison', 'x', 'filer', 'x', now() FROM institutions;
    INSERT INTO complaints (case_id, receipt_sha256, number, institution_id, institution_name,
        about, contact, received_at)
        SELECT case_id, case_id, 'x', institution_id, 'x', 'x', '', now() FROM cases
        WHERE kind = 'complaint';
    INSERT INTO enforcement_attachments (case_id, sha256, name, media, content, given_by, given_at)
        SELECT case_id, 'x', 'x', 'x', 'x', 'x', now() FROM cases WHERE kind = 'enforcement';
    INSERT INTO enforcement_documents (case_id, sequence, kind, number, sha256, content, made_at)
        SELECT case_id, 1, 'x', 'x', 'x', 'x', now() FROM cases WHERE kind = 'enforcement';
    INSERT INTO assignments (authority, case_id) VALUES ('cnas', 'filing/2024/here');
    INSERT INTO assignments (authority, case_id) SELECT 'caiq', case_id FROM cases;
    INSERT INTO journal (case_id, sequence, event, command_id, step, hash, at)
        SELECT case_id, 1, 'x', 'x', '{"actor": {"subject": "p-1"}}', 'x', now()
        FROM (SELECT case_id FROM cases WHERE kind <> 'filing'
              UNION SELECT 'register/institutions') AS chains;
    INSERT INTO refusals (case_id, command_id, action, subject, role, scope, refusal, at, number,
        previous_hash, hash) SELECT case_id, 'x', 'x', 'x', 'x', 'x', '{}', now(), 1, 'x', 'x'
        FROM (SELECT case_id FROM cases UNION SELECT 'register/institutions') AS chains;
    INSERT INTO uploads (id, case_id, institution_no, filename, media, accept, created_by,
        created_at) SELECT case_id, case_id, i.no, 'x', 'csv', 'all', 'x', now() FROM cases c
        JOIN institutions i ON i.id = c.institution_id WHERE c.kind = 'report-numbers';
    INSERT INTO number_changes (id, case_id, institution_no, kind, content, sha256, reason,
        changed_by, asked_at) SELECT id, case_id, institution_no, 'withdrawn', '[]', 'x', 'x', 'x',
        now() FROM uploads;
"""
"""An institution here, in Fuzhou, and one there, in Changsha, with all that is kept of each."""

ALL, HERE = {"here", "there"}, {"here"}
SEEN = {
    (Role.SYSTEM, ""): dict.fromkeys(TABLES, ALL),
    (Role.AUDITOR, ""): dict.fromkeys(TABLES, ALL),
    (Role.FILER, "here"): dict.fromkeys(TABLES, HERE) | {"complaints": set()},
    (Role.RESPONSIBLE, "here"): {"revisions": HERE, "filing_files": HERE, "contacts": HERE},
    (Role.OPERATOR, "000000"): dict.fromkeys(TABLES, ALL),
    (Role.OPERATOR, "350000"): dict.fromkeys(TABLES, HERE),
    (Role.OPERATOR, "350102"): dict.fromkeys(TABLES, HERE),
    (Role.OPERATOR, "350200"): {},
    (Role.REVIEWER, "amr-350000"): {
        "revisions": HERE, "filing_files": HERE, "contacts": HERE, "complaints": HERE,
    },
    # of no region: what it was assigned, a filing, and with it how its institution is reached
    (Role.REVIEWER, "cnas"): {"revisions": HERE, "filing_files": HERE, "contacts": HERE},
    (Role.CHECKER, "amr-350200"): {},
    (Role.CHECKER, "samr"): dict.fromkeys(TABLES, ALL)
    | {"enforcement_attachments": set(), "enforcement_documents": set()},
    (Role.CLERK, "amr-350000"): {},
    (Role.OFFICER, "amr-350000"): {"enforcement_attachments": ALL, "enforcement_documents": ALL},
    (Role.DECIDER, "samr"): {"enforcement_attachments": ALL, "enforcement_documents": ALL},
}  # fmt: skip
"""Whose rows a role is shown of a table, by institution; of a table not named, none."""

_BESIDE = {
    "contacts": "SELECT institution_id FROM contacts",
    **{
        table: f"SELECT split_part(case_id, '/', -1) FROM {table} WHERE case_id NOT LIKE 'cert%'"
        for table in TABLES
        if table != "contacts"
    },
}


def _of(institutions: set[str], *kinds: str) -> set[str]:
    return {f"{kind}/{institution}" for kind in kinds for institution in institutions}


KINDS = ("filing", "report-numbers", "complaint", "certificate", "enforcement")
CASES = {
    (Role.SYSTEM, ""): _of(ALL, *KINDS),
    (Role.AUDITOR, ""): _of(ALL, *KINDS),
    (Role.FILER, "here"): _of(HERE, "filing", "report-numbers", "certificate", "enforcement"),
    (Role.RESPONSIBLE, "here"): _of(HERE, "filing", "report-numbers"),
    (Role.OPERATOR, "000000"): _of(ALL, *KINDS),
    (Role.OPERATOR, "350000"): _of(HERE, *KINDS),
    (Role.OPERATOR, "350102"): _of(HERE, *KINDS),
    (Role.OPERATOR, "350200"): set(),
    (Role.REVIEWER, "amr-350000"): _of(HERE, *KINDS) - _of(ALL, "enforcement"),
    # of no region: what it was assigned
    (Role.REVIEWER, "cnas"): {"filing/here"},
    (Role.REVIEWER, "caiq"): _of(ALL, *KINDS) - _of(ALL, "enforcement"),
    (Role.CHECKER, "amr-350200"): set(),
    (Role.CHECKER, "samr"): _of(ALL, *KINDS) - _of(ALL, "enforcement"),
    (Role.CLERK, "amr-350000"): _of(HERE, "certificate"),
    # what it issued, or is to issue, wherever the institution lies
    (Role.CLERK, "amr-430000"): _of(ALL, "certificate"),
    (Role.OFFICER, "amr-350000"): _of(HERE, "certificate", "enforcement"),
    (Role.OFFICER, "amr-350200"): set(),
    (Role.DECIDER, "samr"): _of(ALL, "certificate", "enforcement"),
}
"""The cases that a role is shown, and with each its journal, refusals, turns and numbers."""

_CASE = "split_part(case_id, '/', 1) || '/' || split_part(case_id, '/', -1)"


@pytest.fixture
async def kept(engine: AsyncEngine, register: Register, database_url: str) -> str:
    """A database with rows of two institutions in all tables that have policies."""
    for one in await register.chains("here", "there"):
        await JournalWriter(engine).record(one.request(1))
    with psycopg.connect(libpq(as_owner(database_url)), autocommit=True) as connection:
        connection.execute(ROWS.encode())
    return database_url


async def seen(engine: AsyncEngine, query: str) -> set[str]:
    async with engine.connect() as connection:
        return set((await connection.execute(text(query))).scalars())


async def test_each_role_is_shown_its_place_and_its_purpose_whatever_is_asked(
    engine: AsyncEngine, kept: str
) -> None:
    assert {role for role, _ in SEEN} == set(SCOPES) | {Role.SYSTEM}
    for (role, scope), expected in SEEN.items():
        actor = Actor(subject="x", role=role, scope=scope)
        with asked_by_person(actor, place_of(actor)):
            shown = {table: await seen(engine, query) for table, query in _BESIDE.items()}
        assert shown == {table: expected.get(table, set()) for table in TABLES}, (role, scope)


async def test_what_an_authority_issues_by_is_read_by_authorities_and_what_was_filed_is_not(
    engine: AsyncEngine, kept: str
) -> None:
    actor = Actor(subject="x", role=Role.CLERK, scope="amr-350000")
    with asked_by_person(actor, place_of(actor)):
        cases = await seen(engine, "SELECT case_id FROM revisions")
    assert cases == {"certificate/here", "certificate/there"}


async def test_each_role_is_shown_the_cases_of_its_place_and_purpose_and_what_is_kept_of_them(
    engine: AsyncEngine, kept: str
) -> None:
    assert {role for role, _ in CASES} == set(SCOPES) | {Role.SYSTEM}
    chains = {"register/institutions"}
    for (role, scope), expected in CASES.items():
        actor = Actor(subject="x", role=role, scope=scope)
        numbers = {case for case in expected if case.startswith("report-numbers/")}
        with asked_by_person(actor, place_of(actor)):
            for table, rows in {
                "cases": expected,
                "assignments": expected,
                # what is of no case is needed to go on with, whoever acts
                "journal": expected | chains,
                "refusals": expected | chains,
                "uploads": numbers,
                "number_changes": numbers,
            }.items():
                query = f"SELECT {_CASE} FROM {table}"
                assert await seen(engine, query) == rows, (role, scope, table)


async def test_what_was_of_an_institution_merged_into_it_is_its_own(
    engine: AsyncEngine, kept: str
) -> None:
    with psycopg.connect(libpq(as_owner(kept)), autocommit=True) as connection:
        connection.execute("UPDATE institutions SET merged_into = 'here' WHERE id = 'there'")
    for scope, expected in (("here", ALL), ("there", {"there"})):
        actor = Actor(subject="x", role=Role.FILER, scope=scope)
        with asked_by_person(actor, place_of(actor)):
            query = "SELECT institution_id FROM cases WHERE kind = 'filing'"
            assert await seen(engine, query) == expected


async def test_what_policies_go_by_is_read_and_never_written_through_and_by_the_application_alone(
    engine: AsyncEngine, kept: str
) -> None:
    views = ("case_places", "case_turns", "journal_by_person")
    async with engine.connect() as connection:
        for view in views:
            for role, kinds in ((APPLICATION, {"SELECT"}), (AUDITOR, set()), (PUBLIC, set())):
                had = {
                    kind
                    for kind in ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE")
                    if (await connection.execute(
                        text("SELECT has_table_privilege(:role, :view, :kind)"),
                        {"role": role, "view": view, "kind": kind},
                    )).scalar_one()
                }  # fmt: skip
                assert had == kinds, (view, role)


async def test_what_is_in_a_campaign_of_the_place_stays_in_it_when_its_institution_moves(
    engine: AsyncEngine, kept: str
) -> None:
    with psycopg.connect(libpq(as_owner(kept)), autocommit=True) as connection:
        connection.execute(
            "UPDATE cases SET campaign = 'campaign/2024/350000' WHERE case_id = 'filing/2024/there'"
        )
    query = "SELECT institution_id FROM cases WHERE kind = 'filing'"
    for scope, expected in (("350000", ALL), ("350102", HERE), ("350200", set[str]())):
        actor = Actor(subject="x", role=Role.OPERATOR, scope=scope)
        with asked_by_person(actor, place_of(actor)):
            assert await seen(engine, query) == expected


async def test_figures_and_rules_go_by_all_and_only_while_they_are_asked_for(
    engine: AsyncEngine, kept: str
) -> None:
    actor = Actor(subject="x", role=Role.OPERATOR, scope="350200")
    query = "SELECT institution_id FROM cases WHERE kind = 'filing'"
    with asked_by_person(actor, place_of(actor)):
        for asked in (counting, judging):
            async with asked(engine) as connection:
                assert set((await connection.execute(text(query))).scalars()) == ALL
            assert await seen(engine, query) == set()


async def test_one_s_own_acts_stay_in_one_s_own_record(engine: AsyncEngine, kept: str) -> None:
    """Whoever acted on a case is shown that they did, when it is no more of their place."""
    actor = Actor(subject="p-1", role=Role.OFFICER, scope="amr-350200")
    with asked_by_person(actor, place_of(actor)):
        async with engine.connect() as connection:
            did = await connection.execute(
                text("SELECT case_id FROM journal_by_person"
                     " WHERE ((step -> 'actor') ->> 'subject') = 'p-1'")
            )  # fmt: skip
            assert "enforcement/here" in set(did.scalars())


async def test_who_asked_is_forgotten_whatever_a_connection_did_before(
    register: Register, kept: str
) -> None:
    """One connection for all, in transactions and without any, as services have both."""
    plain = connect(kept, pool_size=1)
    single = plain.execution_options(isolation_level="AUTOCOMMIT")
    officer = Actor(subject="x", role=Role.OFFICER, scope="amr-350000")
    filer = Actor(subject="x", role=Role.FILER, scope="here")
    steps = [
        (plain, officer, set()), (plain, None, ALL), (single, officer, set()), (plain, None, ALL),
        (plain, filer, HERE), (single, None, ALL), (single, filer, HERE), (plain, officer, set()),
        (single, filer, HERE), (single, officer, set()), (plain, officer, set()),
        (single, None, ALL),
    ]  # fmt: skip
    try:
        for engine, actor, expected in steps:
            with asked_by_person(actor, place_of(actor) if actor else None):
                assert await seen(engine, _BESIDE["contacts"]) == expected
                with seen_by(None):
                    assert await seen(engine, _BESIDE["contacts"]) == ALL
        # what goes straight to the driver asks for nobody as well, on the connection just used
        with asked_by_person(officer, place_of(officer)):
            assert await seen(single, _BESIDE["contacts"]) == set()
        wanted = [Wanted("filing/2024/here", 1, 0, "here", 2024)]
        (submitted,) = await submissions.read(plain, wanted)
        assert submitted.latest == 1
        # and so does what is written: unseen, a case would stand still while its journal goes on
        with asked_by_person(officer, place_of(officer)):
            assert await seen(single, "SELECT case_id FROM cases WHERE kind = 'filing'") == set()
        [gone_on] = await register.chains("further")
        for _ in range(2):
            await JournalWriter(plain).record(gone_on.request())
            with asked_by_person(officer, place_of(officer)):
                await seen(single, "SELECT case_id FROM cases WHERE kind = 'filing'")
        where = "SELECT sequence::text FROM cases WHERE case_id = 'filing/2024/further'"
        assert await seen(plain, where) == {"2"}
        with asked_by_person(filer, ""):
            async with plain.connect() as connection:
                await connection.rollback()
                found = await connection.execute(text(_BESIDE["contacts"]))
                assert set(found.scalars()) == HERE
                await connection.commit()
                found = await connection.execute(text(_BESIDE["contacts"]))
                assert set(found.scalars()) == HERE
    finally:
        await plain.dispose()


async def test_a_statement_planned_once_shows_each_who_asks_what_is_theirs(kept: str) -> None:
    """Planned for nobody in particular, on one connection, and asked for others after that."""
    plain = connect(kept, pool_size=1)
    wanted = [Wanted(f"filing/2024/{name}", 1, 0, name, 2024) for name in ("here", "there")]
    officer = Actor(subject="x", role=Role.OFFICER, scope="amr-350000")
    filer = Actor(subject="x", role=Role.FILER, scope="here")
    try:
        for _ in range(20):
            assert [one.latest for one in await submissions.read(plain, wanted)] == [1, 1]
        async with plain.connect() as connection:
            plans = await connection.execute(
                text(
                    "SELECT generic_plans, custom_plans FROM pg_prepared_statements"
                    " WHERE statement LIKE '%returned_sha256%' OR statement LIKE '%with_key%'"
                )
            )
            generic, custom = plans.one()
        assert generic >= 5
        assert custom <= 5
        for actor, seen_of_it in ((officer, [0, 0]), (filer, [1, 0]), (None, [1, 1])):
            with asked_by_person(actor, place_of(actor) if actor else None):
                found = await submissions.read(plain, wanted)
            assert [one.latest for one in found] == seen_of_it
    finally:
        await plain.dispose()


@pytest.fixture
def enforcing(kept: str) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    with psycopg.connect(libpq(kept), autocommit=True) as connection:
        connection.execute(f"SET ROLE {ENFORCEMENT}".encode())
        yield connection


async def test_who_enforces_is_shown_the_dates_of_its_own_places(
    enforcing: psycopg.Connection[tuple[object, ...]], kept: str
) -> None:
    def told(role: str, scope: str, regions: str) -> set[object]:
        for name, value in (("role", role), ("scope", scope), ("regions", regions)):
            enforcing.execute("SELECT set_config(%s, %s, false)", (f"zhibao.{name}", value))
        found = enforcing.execute("SELECT case_id FROM filing_dates_in_sight").fetchall()
        return {case for (case,) in found if str(case).startswith("filing/")}

    here, there = "filing/2024/here", "filing/2024/there"
    assert told("", "", "") == {here, there}
    assert told("officer", "samr", "") == {here, there}
    assert told("officer", "amr-350102", "350102") == {here}
    assert told("decider", "amr-350200", "350200,350201") == set()
    with psycopg.connect(libpq(as_owner(kept)), autocommit=True) as connection:
        connection.execute(
            "INSERT INTO enforcement_cases (case_id, about, n, authority, year, serial, key,"
            " opened_by, opened_at)"
            f" VALUES ('e', '{there}', 1, 'amr-350200', 2026, 1, 'x', 'x', now())".encode()
        )
    # what it has a case about stays in sight, wherever the institution is registered now
    assert told("decider", "amr-350200", "350200,350201") == {there}
