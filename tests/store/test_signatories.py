"""Signatories: hidden at rest, found by their whole name, under keys that rotate."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.certificates.certificate import Signatory
from domain.ids import NATION
from domain.refusals import Refused
from services.keys import add_key, end_key, make_missing
from store import blind, hidden, retention
from store.certificates import imports, names, register
from store.certificates.lines import signatory_key
from store.certificates.register import Signatories
from store.certificates.search import NOTHING, Criteria, Seen, Sight, in_full, scanned, search
from store.hidden import Hiding
from store.keyring import KeyMissing, Keyring, Purpose, file_of
from store.tables import certificate_lines, certificates
from tests.databases import owning
from tests.registered import register as put
from tests.store.test_certificate_search import TODAY

pytestmark = pytest.mark.anyio
EARLIER = datetime(2020, 1, 1, tzinfo=UTC)
NAME, OTHER = "植入签字人甲", "植入签字人乙"
ALL = Sight(region=NATION)


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


@pytest.fixture
def no_ring() -> Iterator[None]:
    """A process that hides nothing."""
    before = hidden.ring()
    hidden.hide_with(None)
    yield
    hidden.hide_with(before)


def people(*known: str) -> list[dict[str, str]]:
    return [{"name": name, "field": f"{name}的领域"} for name in known]


async def seen(engine: AsyncEngine, name: str, sight: Sight = ALL) -> list[Seen]:
    async with engine.begin() as connection:
        return await search(connection, Criteria(signatory=name), sight, TODAY, size=50)


async def found(engine: AsyncEngine, name: str, sight: Sight = ALL) -> list[str]:
    return [one.found.number for one in await seen(engine, name, sight)]


async def lines(engine: AsyncEngine) -> list[str]:
    """What stands in the lines of signatories."""
    async with engine.connect() as connection:
        rows = await connection.execute(
            select(certificate_lines.c.words)
            .where(certificate_lines.c.kind == "signatory")
            .order_by(certificate_lines.c.number, certificate_lines.c.line)
        )
        return list(rows.scalars())


async def copy_of(engine: AsyncEngine) -> str:
    """What a copy of the register and of what it is found by says."""
    told = ""
    async with owning(engine) as connection:
        for table in ("certificates", "certificate_lines", "data_keys", "seals", "seal_log"):
            rows = await connection.execute(
                text(f"SELECT string_agg(t::text, E'\\n') FROM {table} t")
            )
            told += rows.scalar() or ""
    return told


async def test_a_copy_names_nobody_and_whoever_may_finds_and_reads_them(
    engine: AsyncEngine, folder: Path
) -> None:
    await put(engine, "1", issuer="amr-350000", signatories=people(NAME, OTHER))
    await put(engine, "2", issuer="amr-430000", signatories=people(NAME))
    told = await copy_of(engine)
    assert [one for one in (NAME, OTHER, "领域") if one in told] == []
    assert await found(engine, NAME) == ["1", "2"]
    assert await found(engine, OTHER) == ["1"]
    assert await found(engine, NAME, Sight(issuer="amr-430000")) == ["2"]
    assert await found(engine, NAME, NOTHING) == []
    # a part of a name, or of what stands for it, finds nobody
    for part in ("植入", "签字人甲", NAME[:-1], f"{NAME} {OTHER}", " ", "blind:v1:"):
        assert await found(engine, part) == []
    # all of them for whoever sees the certificate in full, the public part of it for others
    async with engine.connect() as connection:
        one = await in_full(connection, "1", ALL)
        other = await in_full(connection, "1", Sight(issuer="amr-430000"))
        public = await scanned(connection, "CODE1", 0, 5)
        printed = await register.by_number(connection, "1", whole=True)
    assert one is not None
    assert one.found.content is not None
    assert one.found.content.signatories == (
        Signatory(name=NAME, field=f"{NAME}的领域"), Signatory(name=OTHER, field=f"{OTHER}的领域"),
    )  # fmt: skip
    assert printed is not None
    assert printed.whole_content() == one.found.content
    for part_of in (other.found if other else None, public):
        assert part_of is not None
        assert part_of.content is not None
        assert part_of.content.signatories == ()
        assert part_of.signatories is Signatories.LEFT_OUT
        # what was not read is never taken for there being none
        with pytest.raises(AssertionError):
            part_of.certificate()
    # of many, those are shown that were asked for
    many = people(*(f"植入签字人{n}" for n in range(20)))
    await put(engine, "1", revision=2, signatories=many)
    [asked] = await seen(engine, "植入签字人17")
    assert asked.found.content is not None
    assert [one.name for one in asked.found.content.signatories] == ["植入签字人17"]


@pytest.mark.parametrize(
    ("written", "asked", "same"),
    [
        ("张三", "张 三", True),
        ("张　三", " 张三 ", True),
        ("买买提·艾力", "买买提•艾力", True),
        ("买买提・艾力", "买买提·艾力", True),
        ("John Ｓmith", "john smith", True),
        ("张三", "张三丰", False),
        ("张三丰", "张三", False),
        ("买买提·艾力", "买买提艾力", False),
    ],
)
def test_names_are_compared_without_blanks_and_widths(written: str, asked: str, same: bool) -> None:
    assert (signatory_key(written) == signatory_key(asked)) is same


async def test_without_a_ring_names_stand_as_they_are_and_are_found_the_same_way(
    engine: AsyncEngine, no_ring: None
) -> None:
    await put(engine, "1", signatories=people("张 三"))
    assert await lines(engine) == ["张三"]
    assert await found(engine, "张三") == ["1"]
    assert await found(engine, "张") == []


async def test_what_stood_in_the_clear_is_found_before_and_after_it_is_hidden(
    engine: AsyncEngine, folder: Path
) -> None:
    await put(engine, "1", signatories=people("张 三", NAME))
    await put(engine, "2", signatories=people(OTHER))
    # as rows stood before: the words with their blanks
    async with engine.begin() as connection:
        for number, line, words in (("1", 0, "张 三"), ("1", 1, NAME), ("2", 0, OTHER)):
            await connection.execute(
                update(certificate_lines)
                .where(
                    certificate_lines.c.number == number,
                    certificate_lines.c.kind == "signatory",
                    certificate_lines.c.line == line,
                )
                .values(words=words)
            )
        await connection.execute(
            update(certificates)
            .where(certificates.c.number == "1")
            .values(signatories=Hiding("", b"").of(people("张 三", NAME)))
        )
    assert await found(engine, "张 三") == ["1"]
    assert await found(engine, NAME) == ["1"]
    async with engine.begin() as connection:
        assert await names.count_plain(connection) == 3
        part = await names.hide(connection, names.FIRST, 2)
        assert part == names.Part(2, ("1", 1))
        # what was altered by hand is left, and stops nothing
        await connection.execute(
            text("UPDATE certificates SET signatories = 'hidden:v2:AAAA' WHERE number = '2'")
        )
        assert await names.hide(connection, ("1", 1), 2) == names.Part(0, ("2", 0))
        assert await names.hide(connection, ("2", 0), 2) == names.Part(0, None)
    assert [words.startswith(blind.MARK) for words in await lines(engine)] == [True, True, False]
    assert await found(engine, "张三") == ["1"]
    assert await found(engine, NAME) == ["1"]


async def test_a_key_for_names_changes_while_everybody_is_found(
    engine: AsyncEngine, folder: Path
) -> None:
    for number in ("1", "2", "3"):
        await put(engine, number, signatories=people(NAME, OTHER))
    before = await lines(engine)
    old = blind.newest().id
    new = add_key(folder, Purpose.NAMES, EARLIER + timedelta(days=1)).id
    # what is written from now on stands under the new one; a search tries both
    await put(engine, "4", signatories=people(NAME))
    assert {words.split(":")[2] for words in await lines(engine)} == {old, new}
    assert await found(engine, NAME) == ["1", "2", "3", "4"]
    async with engine.begin() as connection:
        assert await names.count_under(connection, old) == 6
        assert await names.count_by_others(connection, new) == 6
        part = await names.index_anew(connection, names.FIRST, 4)
        assert part == names.Part(4, ("2", 1))
    assert await found(engine, NAME) == ["1", "2", "3", "4"]
    async with engine.begin() as connection:
        assert await names.index_anew(connection, ("2", 1), 4) == names.Part(2, ("3", 1))
        assert await names.index_anew(connection, names.FIRST, 4) == names.Part(0, None)
        assert await names.count_under(connection, old) == 0
    now = datetime.now(UTC)
    end_key(folder, Purpose.NAMES, old, now, now)
    assert await found(engine, NAME) == ["1", "2", "3", "4"]
    assert await found(engine, OTHER) == ["1", "2", "3"]
    assert not set(before) & set(await lines(engine))
    # a ring that is not there is a mistake, and nobody who is not found
    file_of(folder, Purpose.NAMES).unlink()
    with pytest.raises(KeyMissing):
        await found(engine, NAME)
    with pytest.raises(KeyMissing):
        await put(engine, "5", signatories=people(NAME))


async def test_what_was_destroyed_is_told_as_such_and_found_by_nobody(
    engine: AsyncEngine, folder: Path
) -> None:
    held = await put(engine, "1", signatories=people(NAME))
    await put(engine, "2", signatories=people(NAME))
    async with engine.begin() as connection:
        one = await register.by_number(connection, "1")
        assert one is not None
        await retention.destroy(connection, [one.case_id], EARLIER, "test")
    assert await found(engine, NAME) == ["2"]
    async with engine.connect() as connection:
        gone = await register.by_number(connection, "1", whole=True)
        seen_of = await in_full(connection, "1", ALL)
    assert gone is not None
    assert (gone.signatories, gone.number) == (Signatories.DESTROYED, held.number)
    assert gone.content is not None
    assert gone.content.equipment != ()
    with pytest.raises(Refused) as refused:
        gone.certificate()
    assert refused.value.refusal.code == "content_destroyed"
    assert seen_of is not None
    assert seen_of.found.signatories is Signatories.DESTROYED
    # what was left behind in a line goes with the next change of keys
    async with engine.begin() as connection:
        left = certificate_lines.insert().values(
            number="1", kind="signatory", line=0, words=f"{blind.MARK}gone:00"
        )
        await connection.execute(left)
        part = await names.index_anew(connection, names.FIRST, 9)
        assert part == names.Part(1, ("1", 0))
    assert len(await lines(engine)) == 1


async def test_what_waits_of_an_import_and_what_was_told_of_it_names_nobody(
    engine: AsyncEngine, folder: Path
) -> None:
    row = {"row": 2, "sha256": "", "place": 0, "institution_id": "lab", "holder": "", "number": "",
           "code": "", "case_id": "", "problem": "", "message": ""}  # fmt: skip
    problem = {"row": 3, "column": "授权签字人", "code": "bad_separator", "mend": "",
               "level": "error", "institution_id": "lab", "holder": ""}  # fmt: skip
    kept = {"id": "i", "authority": "amr-350000", "filename": "x.csv", "sha256": "", "mode": "good",
            "stage": "working", "lines": 2, "total": 2, "requested_by": "x", "institutions": 0,
            "requested_at": EARLIER}  # fmt: skip
    rows = [
        row | {"outcome": "waiting", "given": {"people": people(NAME)}},
        row | {"row": 3, "outcome": "bad", "given": None},
    ]
    # sent again, it is kept anew
    for told in ("", f"“{NAME}、{OTHER}”像是几个人"):
        async with engine.begin() as connection:
            await imports.save(connection, kept, rows, [problem | {"message": told}])
    async with owning(engine) as connection:
        rows_of = "SELECT string_agg(t::text, '') FROM {} t"
        tables = ("certificate_import_rows", "certificate_import_problems")
        said = [await connection.scalar(text(rows_of.format(table))) for table in tables]
    assert [one for one in (NAME, OTHER) if one in "".join(map(str, said))] == []
    async with engine.connect() as connection:
        [waiting] = await imports.waiting(connection, "i", 9)
        [problem_told] = await imports.problems(connection, "i")
    assert waiting.given == {"people": people(NAME)}
    assert problem_told.message == told


async def test_signatories_moved_to_another_certificate_are_found_out(
    engine: AsyncEngine, folder: Path
) -> None:
    await put(engine, "1", signatories=people(NAME))
    await put(engine, "2", signatories=people(OTHER))
    async with engine.begin() as connection:
        await connection.execute(
            text(
                "UPDATE certificates SET signatories ="
                " (SELECT signatories FROM certificates WHERE number = '1') WHERE number = '2'"
            )
        )
    async with engine.connect() as connection:
        with pytest.raises(Refused) as refused:
            await register.by_number(connection, "2", whole=True)
        # who does not read them is not kept from the rest
        assert await register.by_number(connection, "2") is not None
    assert refused.value.refusal.code == "content_altered"


async def test_a_name_is_found_through_its_index(engine: AsyncEngine, folder: Path) -> None:
    await put(engine, "1", signatories=people(NAME))
    async with owning(engine) as connection:
        await connection.execute(
            text("""
                INSERT INTO certificate_lines (number, kind, line, words)
                SELECT '1', 'signatory', n, 'blind:v1:k:' || md5(n::text)
                FROM generate_series(1, 20000) AS n
            """)
        )
        await connection.execute(text("ANALYZE certificate_lines"))
    asked = _planned(blind.indexed(NAME, names.COLUMN))
    async with engine.connect() as connection:
        plan = "\n".join((await connection.execute(text(asked))).scalars())
    assert "ix_certificate_lines_signatory" in plan, plan
    assert await found(engine, NAME) == ["1"]


def _planned(words: str) -> str:
    return (
        "EXPLAIN SELECT number FROM certificate_lines WHERE kind = 'signatory'"
        f" AND words IN ('{words}', '{NAME}')"
    )
