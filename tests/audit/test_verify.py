"""Every way of changing the record by hand, with a superuser's rights: found, and named."""

import random
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from audit.findings import Finding, Kind
from audit.verify import Keys, verify
from domain.canonical import canonical_json, sha256_of
from services.certificates.keys import add_key
from store.tables import metadata
from tests.audit.conftest import World, now
from tests.audit.corruption import (
    by_hand,
    changed,
    cut,
    deleted,
    found_by,
    inserted,
    reordered,
    some_step,
    written_anew,
)
from tests.audit.vouched import NO_EVIDENCE, NOT_VOUCHED

pytestmark = pytest.mark.anyio

TABLES = [table for table in metadata.sorted_tables if table.name not in NO_EVIDENCE]


def the_only(findings: tuple[Finding, ...]) -> tuple[str, str, int | None, str]:
    assert findings
    first = findings[0]
    return first.kind.value, first.case_id, first.sequence, first.table


async def test_a_record_in_order_is_found_in_order(world: World, audited: AsyncEngine) -> None:
    found = await verify(audited, None, world.keys, now)
    assert found.findings == ()
    assert found.ok
    looked_at = {name for name, number in found.checked.items() if number}
    assert looked_at >= {
        "journal", "cases", "outbox", "assignments", "revisions", "refusals", "uploads",
        "report_numbers", "number_changes", "complaints", "certificates", "certificate_numbers",
        "campaigns", "rule_sets", "notes", "histories", "checkpoints", "roster_imports",
    }  # fmt: skip
    one = await verify(audited, None, world.keys, now, "filing/2023/done")
    assert (one.ok, one.checked["cases"], one.checked["journal"] > 5) == (True, 1, True)
    none = await verify(audited, None, world.keys, now, "filing/2023/nobody")
    assert (none.ok, none.findings[0].case_id) == (False, "filing/2023/nobody")


@pytest.mark.parametrize(
    ("corrupt", "kind"),
    [(cut, "cut"), (reordered, "reordered"), (inserted, "inserted"), (written_anew, "changed")],
)
@pytest.mark.parametrize("seed", range(3))
async def test_a_chain_names_its_first_wrong_step(
    world: World,
    audited: AsyncEngine,
    corrupt: Callable[..., Awaitable[tuple[str, int]]],
    kind: str,
    seed: int,
) -> None:
    async with by_hand(audited) as connection:
        case_id, sequence = await corrupt(connection, random.Random(seed))
        found = await found_by(connection, world)
    of_case = [one for one in found.findings if one.case_id == case_id]
    last = 0 if corrupt is not written_anew else 99
    if last and not of_case:
        # to the very end of its chain: only the checkpoint knows, and it knows no case
        assert {one.table for one in found.findings} == {"journal"}
        return
    assert of_case[0].kind == kind
    if corrupt is not written_anew:
        assert (of_case[0].sequence, of_case[0].table) == (sequence, "journal")


async def test_a_changed_and_a_deleted_step_are_named(world: World, audited: AsyncEngine) -> None:
    for seed in range(4):
        choose = random.Random(seed)
        async with by_hand(audited) as connection:
            row = await some_step(connection, choose, 3)
            where = f"case_id = '{row.case_id}' AND sequence = {row.sequence}"
            await changed(connection, metadata.tables["journal"], "step", choose, where)
            found = await found_by(connection, world)
        assert the_only(found.findings)[1:] == (row.case_id, row.sequence, "journal")
        async with by_hand(audited) as connection:
            place = {"case_id": row.case_id, "sequence": 2}
            await connection.execute(
                text("DELETE FROM journal WHERE case_id = :case_id AND sequence = :sequence"), place
            )
            found = await found_by(connection, world)
        assert the_only(found.findings) == ("deleted", row.case_id, 2, "journal")


async def test_a_replaced_revision_is_found_though_its_hash_was_made_anew(
    world: World, audited: AsyncEngine
) -> None:
    async with by_hand(audited) as connection:
        content = {"statistics": {"employees": 1}}
        await connection.execute(
            text("UPDATE revisions SET content = :content, sha256 = :sha256"
                 " WHERE case_id = 'filing/2023/done'"),
            {"content": canonical_json(content).decode(), "sha256": sha256_of(content)},
        )  # fmt: skip
        found = await found_by(connection, world)
    kind, case_id, sequence, table = the_only(found.findings)
    assert (kind, case_id, table) == ("content", "filing/2023/done", "revisions")
    assert sequence is not None


async def test_a_tail_cut_from_every_table_shows_against_the_checkpoint(
    world: World, audited: AsyncEngine
) -> None:
    async with by_hand(audited) as connection:
        for statement in (
            "DELETE FROM journal WHERE case_id = 'campaign/2020/000000' AND sequence = 2",
            "DELETE FROM outbox WHERE case_id = 'campaign/2020/000000' AND sequence = 2",
        ):
            await connection.execute(text(statement))
        found = await found_by(connection, world)
    assert Kind.CHECKPOINT in {one.kind for one in found.findings}


async def test_checkpoints_signed_with_a_wrong_key_or_cut_are_found(
    world: World, audited: AsyncEngine
) -> None:
    wrong = Ed25519PrivateKey.generate()
    async with by_hand(audited) as connection:
        rows = (await connection.execute(text("SELECT * FROM checkpoints"))).all()
        for row in rows:
            await connection.execute(
                text("UPDATE checkpoints SET signature = :signature WHERE number = :number"),
                {"signature": wrong.sign(canonical_json(row.body)).hex(), "number": row.number},
            )
        found = await found_by(connection, world)
    assert found.findings[0].kind is Kind.SIGNATURE
    assert "密钥 first" in found.findings[0].message
    async with by_hand(audited) as connection:
        await connection.execute(text("DELETE FROM checkpoints WHERE number = 2"))
        await connection.execute(
            text("DELETE FROM journal WHERE case_id = 'register/checkpoints' AND sequence = 2")
        )
        await connection.execute(
            text("DELETE FROM outbox WHERE case_id = 'register/checkpoints' AND sequence = 2")
        )
        found = await found_by(connection, world)
    assert [(one.kind, "副本" in one.message) for one in found.findings] == [(Kind.CUT, True)]


async def test_another_list_of_keys_proves_nothing(
    world: World, audited: AsyncEngine, short_folder: Any
) -> None:
    others = short_folder / "other-keys"
    add_key(others, "other", now().date() - timedelta(days=1))
    keys = Keys(world.certificate_keys, others, None)
    found = await verify(audited, None, keys, now)
    assert [one.kind for one in found.findings] == [Kind.SIGNATURE]


async def _some_corruption(
    connection: AsyncConnection, choose: random.Random
) -> tuple[str, str] | None:
    """Does one thing to one table; what, and to which. None: there was nothing to do it to."""
    act = choose.choice(("change", "change", "change", "change", "delete", "chain"))
    if act == "chain":
        corrupt = choose.choice((cut, reordered, inserted))
        case_id, _ = await corrupt(connection, choose)
        return corrupt.__name__, case_id
    table = choose.choice(TABLES)
    if act == "delete":
        return ("deleted", table.name) if await deleted(connection, table, choose) else None
    columns = [
        column.name for column in table.columns if (table.name, column.name) not in NOT_VOUCHED
    ]
    column = choose.choice(columns)
    try:
        async with connection.begin_nested():
            if table.columns[column].identity is not None:
                await connection.execute(
                    text(f'ALTER TABLE {table.name} ALTER COLUMN "{column}" DROP IDENTITY')
                )
            if not await changed(connection, table, column, choose):
                return None
    except DBAPIError:
        # even a superuser cannot write what a check forbids
        return None
    return f"changed {column}", table.name


async def _none_is_missed(world: World, audited: AsyncEngine, seed: int, wanted: int) -> None:
    choose, done, missed = random.Random(seed), 0, []
    while done < wanted:
        async with by_hand(audited) as connection:
            did = await _some_corruption(connection, choose)
            if did is None:
                continue
            done += 1
            if (await found_by(connection, world)).ok:
                missed.append(did)
    assert missed == []


async def test_no_random_corruption_is_missed(world: World, audited: AsyncEngine) -> None:
    await _none_is_missed(world, audited, 1, 40)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(2, 6))
async def test_none_of_a_thousand_random_corruptions_is_missed(
    world: World, audited: AsyncEngine, seed: int
) -> None:
    await _none_is_missed(world, audited, seed, 250)
