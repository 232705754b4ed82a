"""Corruptions that somebody with a superuser's rights might think of, each found and named."""

import re

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from audit.findings import Kind
from services.key_records import KEYS
from store import journal
from tests.audit.conftest import World, now
from tests.audit.corruption import by_hand, found_by
from tests.audit.other_rows import OPERATOR

pytestmark = pytest.mark.anyio

DONE = "filing/2023/done"
_WITHOUT_SEAL = "DELETE FROM seals WHERE \"table\" = '{0}' AND key = '{1}'"

CORRUPTIONS: dict[str, tuple[tuple[str, ...], str, str]] = {
    # --- the read model -----------------------------------------------------------------------
    "a deadline is moved": (
        (f"UPDATE cases SET due = now() + interval '9 days' WHERE case_id = '{DONE}'",),
        "unlike", "cases",
    ),
    "a deadline is taken away": (
        ("UPDATE cases SET due = NULL WHERE case_id = 'filing/2023/returned'",), "unlike", "cases",
    ),
    "a waiver is waited for": (
        ("UPDATE cases SET waiver_asked = true WHERE case_id = 'filing/2023/second'",),
        "unlike", "cases",
    ),
    "a name is taken out of a plan that says its default": (
        ("UPDATE cases SET plan = plan - 'numbers' WHERE case_id = 'filing/2023/claimed'",),
        "unlike", "cases",
    ),
    "a name is put into a plan": (
        ("UPDATE cases SET plan = jsonb_set(plan, '{days}', '[]')"
         " WHERE case_id = 'filing/2023/check'",),
        "unlike", "cases",
    ),
    "a window of a plan is made longer": (
        ("UPDATE cases SET plan = jsonb_set(plan, '{fill,closes}', '\"2031-01-01T00:00:00+08:00\"')"
         " WHERE case_id = 'filing/2023/withdrawn'",),
        "unlike", "cases",
    ),
    "a case is made up": (
        ("INSERT INTO cases SELECT (jsonb_populate_record(NULL::cases, to_jsonb(c)"
         f" || '{{\"case_id\": \"filing/2023/x\"}}')).* FROM cases c WHERE case_id = '{DONE}'",),
        "without_step", "cases",
    ),
    "a case is gone": (
        ("DELETE FROM cases WHERE case_id = 'filing/2023/unclaimed'",), "deleted", "cases",
    ),
    "an authority comes to see a case": (
        (f"INSERT INTO assignments VALUES ('amr-110000', '{DONE}')",),
        "without_step", "assignments",
    ),
    # --- the feed, and what is sealed -----------------------------------------------------------
    "two steps are handed on the other way round": (
        ("ALTER TABLE outbox ALTER COLUMN id DROP IDENTITY",
         "UPDATE outbox SET id = -id WHERE case_id = 'filing/2023/draft'",
         "UPDATE outbox o SET id = -p.id FROM outbox p WHERE o.case_id = 'filing/2023/draft'"
         " AND p.case_id = o.case_id AND o.sequence < 3 AND p.sequence = 3 - o.sequence",
         "UPDATE outbox SET id = -id WHERE id < 0"),
        "reordered", "outbox",
    ),
    "a step is not handed on": (
        (f"DELETE FROM outbox WHERE case_id = '{DONE}' AND sequence = 2",), "deleted", "outbox",
    ),
    "a checkpoint is gone": (
        ("DELETE FROM checkpoints WHERE number = 2",), "cut", "checkpoints",
    ),
    "the first checkpoint is gone": (
        ("DELETE FROM checkpoints WHERE number = 1",), "deleted", "checkpoints",
    ),
    "a refusal is gone, and so is its head": (
        ("DELETE FROM refusals WHERE case_id = 'filing/2023/second'",
         "DELETE FROM refusal_heads WHERE case_id = 'filing/2023/second'"),
        "checkpoint", "refusals",
    ),
    # --- content ------------------------------------------------------------------------------
    "an attachment has other bytes": (
        ("UPDATE filing_files SET content = '\\x00'",), "content", "filing_files",
    ),
    "a file given in a case of enforcement has other bytes": (
        ("UPDATE enforcement_attachments SET content = 'AA=='",),
        "content", "enforcement_attachments",
    ),
    "a document of enforcement has other bytes": (
        ("UPDATE enforcement_documents SET content = '\\x00'",), "content", "enforcement_documents",
    ),
    "a kept history has other bytes": (
        (f"UPDATE histories SET content = '\\x00' WHERE case_id = '{DONE}'",),
        "archive", "histories",
    ),
    "a reason is another": (
        ("UPDATE notes SET note = '{\"reason\": \"x\"}' WHERE no = (SELECT min(no) FROM notes)",),
        "content", "notes",
    ),
    "a published rule set says something else": (
        ("UPDATE rule_sets SET document = jsonb_set(document, '{revision}', '99')"
         " WHERE no = (SELECT min(no) FROM rule_sets)",),
        "content", "rule_sets",
    ),
    "an amendment says something else": (
        ("UPDATE amendments SET document = 'x'",), "unlike", "amendments",
    ),
    # --- report numbers and certificates ------------------------------------------------------
    "a number is gone": (
        ("DELETE FROM report_numbers WHERE number = 'S-3'",), "numbers", "report_numbers",
    ),
    "a number is withdrawn in the place of another": (
        ("UPDATE report_numbers SET change_no = (SELECT change_no FROM report_numbers"
         " WHERE number = 'S-1') WHERE number = 'S-3'",
         "UPDATE report_numbers SET change_no = NULL WHERE number = 'S-1'"),
        "numbers", "report_numbers",
    ),
    "an upload counts one more": (
        ("UPDATE uploads SET accepted = accepted + 1 WHERE stage = 'accepted'",),
        "unlike", "uploads",
    ),
    "a certificate's signature is another": (
        ("UPDATE certificates SET statement = reverse(statement) WHERE statement <> ''",),
        "signature", "certificates",
    ),
    "a certificate holds longer": (
        ("UPDATE certificates SET valid_to = valid_to + 365 WHERE case_id IS NOT NULL",),
        "unlike", "certificates",
    ),
    "a certificate names another signatory": (
        ("UPDATE certificates SET signatories = '[{\"name\": \"某\", \"field\": \"\"}]'"
         " WHERE case_id IS NOT NULL",),
        "unlike", "certificates",
    ),
    "a certificate is found by another name": (
        ("UPDATE certificate_lines SET words = left(words, -1) || 'x' WHERE kind = 'signatory'",),
        "unlike", "certificate_lines",
    ),
    "a delivery says something else": (
        ("UPDATE certificate_deliveries SET body = '{}'",), "content", "certificate_deliveries",
    ),
    # --- people ---------------------------------------------------------------------------------
    "a role is given": (
        ("INSERT INTO memberships SELECT (jsonb_populate_record(NULL::memberships, to_jsonb(m)"
         " || '{\"id\": \"x\", \"role\": \"operator\", \"scope\": \"000000\"}')).*"
         " FROM memberships m WHERE id = 'n'",),
        "without_step", "memberships",
    ),
    "a role and its seal are gone": (
        ("DELETE FROM memberships WHERE id = 'n'", _WITHOUT_SEAL.format("memberships", "n")),
        "deleted", "memberships",
    ),
    "a sign-in lasts longer": (
        ("UPDATE sessions SET ends_at = ends_at + interval '1 year'",), "unlike", "sessions",
    ),
    "a publication and its seal are gone": (
        ("DELETE FROM publications WHERE jurisdiction = '350000' AND year = 2023",
         _WITHOUT_SEAL.format("publications", "2023|350000|1")),
        "deleted", "publications",
    ),
    # --- the database's own guards --------------------------------------------------------------
    "a guard is off": (
        ("ALTER TABLE journal DISABLE TRIGGER journal_only_grows",), "unlike", "journal",
    ),
    "a guard is gone": (
        ("DROP TRIGGER institutions_sealed_on_update ON institutions",), "unlike", "institutions",
    ),
    "a guard does nothing": (
        ("CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql"
         " AS 'BEGIN RETURN NULL; END'",),
        "unlike", "seals",
    ),
    "a guard seals less": (
        ("DROP TRIGGER notices_sealed_on_insert ON notices",
         "CREATE TRIGGER notices_sealed_on_insert AFTER INSERT ON notices REFERENCING NEW TABLE"
         " AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION keep_seals('id', 'id')"),
        "unlike", "notices",
    ),
    "a guard never acts": (
        ("DROP TRIGGER jobs_sealed_on_delete ON jobs",
         "CREATE TRIGGER jobs_sealed_on_delete AFTER DELETE ON jobs FOR EACH ROW"
         " WHEN (OLD.id = '') EXECUTE FUNCTION keep_seals('id', 'id')"),
        "unlike", "jobs",
    ),
    "two rows may be the same": (
        ("ALTER TABLE job_lists DROP CONSTRAINT pk_job_lists CASCADE",), "unlike", "job_lists",
    ),
    "a table of the same name stands before ours": (
        ("CREATE SCHEMA theirs", "CREATE TABLE theirs.accounts AS SELECT * FROM accounts"),
        "inserted", "accounts",
    ),
    "somebody's own trigger waits": (
        ("CREATE FUNCTION theirs() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
         "CREATE TRIGGER theirs BEFORE INSERT ON cases FOR EACH ROW EXECUTE FUNCTION theirs()"),
        "inserted", "cases",
    ),
    "what is refused is rewritten": (
        ("CREATE RULE quiet AS ON INSERT TO refusals DO INSTEAD NOTHING",), "unlike", "refusals",
    ),
    "a view stands in a table's place": (
        ("ALTER TABLE contacts RENAME TO contacts_kept",
         "CREATE VIEW contacts AS SELECT * FROM contacts_kept"),
        "unlike", "contacts",
    ),
    "a table is gone": (("DROP TABLE upload_pieces",), "deleted", "upload_pieces"),
    "numbers are given out anew": (
        ("ALTER SEQUENCE outbox_id_seq RESTART WITH 1",), "unlike", "outbox",
    ),
}  # fmt: skip


ALONE = (
    "a table is gone",
    "a checkpoint is gone",
    "the first checkpoint is gone",
    "a number is withdrawn in the place of another",
    "numbers are given out anew",
)
"""What hides others, or is hidden by them."""

TOGETHER = [
    tuple(what for what in CORRUPTIONS if what not in ALONE),
    *((what,) for what in ALONE),
]


@pytest.mark.parametrize("every", TOGETHER, ids=lambda every: every[0])
async def test_each_is_found_and_named(
    world: World, audited: AsyncEngine, every: tuple[str, ...]
) -> None:
    async with by_hand(audited) as connection:
        for what in every:
            for statement in CORRUPTIONS[what][0]:
                done = await connection.execute(text(statement))
                assert done.rowcount, (what, statement)
        found = await found_by(connection, world)
    named = {(one.kind.value, one.table) for one in found.findings}
    missed = [what for what in every if CORRUPTIONS[what][1:] not in named]
    assert missed == []
    assert all(one.message for one in found.findings)
    # each case that was changed is named as well
    about = set(
        re.findall(r"filing/2023/\w+", " ".join(str(CORRUPTIONS[what][0]) for what in every))
    )
    assert about <= {one.case_id for one in found.findings}


async def test_one_case_is_looked_at_to_the_letter_as_well(
    world: World, audited: AsyncEngine
) -> None:
    statements, *told = CORRUPTIONS["a name is taken out of a plan that says its default"]
    async with by_hand(audited) as connection:
        await connection.execute(text(statements[0]))
        found = await found_by(connection, world, "filing/2023/claimed")
        other = await found_by(connection, world, DONE)
    assert [[one.kind.value, one.table, one.case_id] for one in found.findings] == [
        [*told, "filing/2023/claimed"]
    ]
    assert other.ok


async def test_a_published_key_that_is_another_is_found(world: World, audited: AsyncEngine) -> None:
    """Whoever replaces a key and signs everything anew has not replaced what was told of it."""
    async with by_hand(audited) as connection:
        for key, public in (("first", "00" * 32), ("gone", "11" * 32)):
            said = {"purpose": "checkpoints", "key": key, "public_key": public, "day": "2020-01-01"}
            await journal.append_operator_step(
                connection, KEYS, "key_made", OPERATOR, now(), said, f"key_made:{key}"
            )
        found = await found_by(connection, world)
    wrong = [one for one in found.findings if one.kind is Kind.SIGNATURE]
    assert [(one.case_id, one.sequence) for one in wrong] == [(KEYS, 1), (KEYS, 2)]
    assert ["first" in one.message for one in wrong] == [True, False]
