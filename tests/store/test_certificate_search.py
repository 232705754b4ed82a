"""Searching the register: terms of every length, standards, names, states, and who sees what."""

import unicodedata
from datetime import date
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text, update
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.certificates.certificate import RECORDED_STATUSES, CertificateStatus, status_on
from domain.ids import NATION
from domain.text import is_usable, name_key, unmarked
from store import institutions
from store.certificates.lines import standard_of
from store.certificates.search import NOTHING, Criteria, Seen, Sight, search, stands
from store.numbers import lookup
from store.tables import certificate_lines, certificates
from store.tables import institutions as institutions_table
from store.words import folded, parts_of
from tests.databases import owning
from tests.registered import register
from tests.system import institution

pytestmark = pytest.mark.anyio

TODAY = date(2025, 3, 22)
ALL = Sight(region=NATION)


async def found(engine: AsyncEngine, sight: Sight = ALL, **criteria: Any) -> list[str]:
    return [one.found.number for one in await seen(engine, sight, **criteria)]


async def seen(engine: AsyncEngine, sight: Sight = ALL, **criteria: Any) -> list[Seen]:
    async with engine.begin() as connection:
        return await search(connection, Criteria(**criteria), sight, TODAY, size=50)


async def test_a_capability_is_found_by_one_two_and_more_characters_of_it(
    engine: AsyncEngine,
) -> None:
    line = {"category": "饮用水", "item": "总大肠菌群", "standard": "GB/T 5750.12", "year": "2023"}
    await register(engine, "1", capabilities=[line])
    await register(engine, "2")
    for term in ("水", "菌", "饮用", "肠菌", "总大肠", "总大肠菌群", "菌群 饮用水", "ＰＨ"):
        assert await found(engine, capability=term) == ([] if term == "ＰＨ" else ["1"]), term
    # what is not in one text, or in another order, is not there
    for term in ("水总", "群菌", "大菌", "大肠肠菌", "饮用水 混凝土", "%", "_", "总%群", " "):
        assert await found(engine, capability=term) == [], term


async def test_a_term_is_found_whatever_its_width_and_case(engine: AsyncEngine) -> None:
    line = {"category": "ＰＶＣ-U管材", "item": "Vicat软化温度", "standard": "GB/T 8802"}
    await register(engine, "1", capabilities=[line])
    for term in ("pvc-u", "PVC－Ｕ", "vicat", "ＶＩＣＡＴ软化", "管材 vicat"):
        assert await found(engine, capability=term) == ["1"], term


@pytest.mark.parametrize(
    ("stored", "year", "asked", "finds"),
    [
        ("GB/T 50081", "2019", "GB/T 50081", True),
        ("GB/T 50081", "2019", "gb/t50081", True),
        ("GB/T 50081", "2019", "GB/T 50081-2019", True),
        ("GB/T 50081", "2019", "GB/T 50081—2019", True),
        ("GB/T 50081", "2019", "ＧＢ／Ｔ 50081－2019", True),
        ("GB/T 50081", "2019", "GB/T 50081-2002", False),
        ("GB/T 50081", "2019", "GB/T 5008", False),
        ("GB/T 50081-2019", "", "GB/T 50081", True),
        ("GB/T 50081-2019", "", "GB/T 50081-2019", True),
        ("ISO 9001:2015", "", "ISO 9001", True),
        ("GB/T 228.1", "2021", "GB/T 228", False),
        ("SN/T 2019", "", "SN/T 2019", True),
        ("SN/T 2019", "", "SN/T", False),
    ],
)
async def test_a_standard_is_found_by_its_number_with_or_without_its_year(
    engine: AsyncEngine, stored: str, year: str, asked: str, finds: bool
) -> None:
    line = {"category": "混凝土", "item": "抗压强度", "standard": stored, "year": year}
    await register(engine, "1", capabilities=[line])
    assert await found(engine, standard=asked) == (["1"] if finds else [])


def test_a_standard_without_a_year_is_none_with_a_year_in_its_number() -> None:
    assert standard_of("SN/T 2019") == ("SN/T2019", "")
    assert standard_of("GB/T 1-2019", "2020") == ("GB/T1-2019", "2020")


async def test_capability_and_standard_have_to_stand_in_one_line(engine: AsyncEngine) -> None:
    await register(engine, "1")
    assert await found(engine, capability="抗压", standard="GB/T 50081") == ["1"]
    assert await found(engine, capability="拉伸", standard="GB/T 50081") == []


async def test_equipment_and_signatories_find_only_what_is_seen_in_full(
    engine: AsyncEngine,
) -> None:
    await register(engine, "1", issuer="amr-350000")
    await register(engine, "2", issuer="amr-430000")
    terms: list[dict[str, Any]] = [
        {"equipment": "试验机"}, {"equipment": "we-1000"}, {"signatory": "测试签字人（生成）"},
    ]  # fmt: skip
    for term in terms:
        assert await found(engine, **term) == ["1", "2"]
        assert await found(engine, Sight(issuer="amr-350000"), **term) == ["1"]
        assert await found(engine, NOTHING, **term) == []
    own = await seen(engine, Sight(issuer="amr-350000"), capability="抗压")
    assert [(one.found.number, one.full) for one in own] == [("1", True), ("2", False)]


async def test_new_content_is_found_and_the_old_is_not(engine: AsyncEngine) -> None:
    await register(engine, "1")
    assert await found(engine, capability="拉伸") == ["1"]
    line = {"category": "土壤", "item": "镉", "standard": "GB/T 17141", "year": "1997"}
    await register(engine, "1", revision=2, capabilities=[line], equipment=[], signatories=[])
    before: list[dict[str, Any]] = [
        {"capability": "拉伸"}, {"equipment": "试验机"}, {"signatory": "测试签字人（生成）"},
    ]  # fmt: skip
    for gone in before:
        assert await found(engine, **gone) == []
    assert await found(engine, capability="镉") == ["1"]
    async with engine.connect() as connection:
        assert len((await connection.execute(select(certificate_lines))).all()) == 1


async def test_lines_and_register_are_written_together_or_not_at_all(engine: AsyncEngine) -> None:
    with pytest.raises(RuntimeError):
        await register(engine, "1", fail=True)
    assert await found(engine, capability="抗压") == []
    async with engine.connect() as connection:
        assert (await connection.execute(select(certificate_lines))).first() is None


async def test_a_certificate_shows_the_lines_that_were_asked_for(engine: AsyncEngine) -> None:
    lines = [
        {"category": "土壤", "item": f"第{n}项{'铅' if n > 90 else ''}", "standard": "HJ 1"}
        for n in range(100)
    ]
    await register(engine, "1", capabilities=lines)
    (one,) = await seen(engine, capability="铅")
    assert one.found.content is not None
    assert [line.item for line in one.found.content.capabilities] == [
        f"第{n}项铅" for n in range(91, 96)
    ]
    assert one.found.scope == 100
    (other,) = await seen(engine, number="1")
    assert other.found.content is not None
    assert other.found.content.capabilities[0].item == "第0项"


async def test_a_name_is_found_by_a_part_of_the_holders_or_of_the_institutions(
    engine: AsyncEngine,
) -> None:
    await register(engine, "1", institution="lab-a", holder="福州榕城建筑检测（生成）")
    async with engine.begin() as connection:
        await institutions.save(connection, [institution("lab-b")])
    rostered = await found(engine, institution="lab-b")
    assert len(rostered) == 1
    assert await found(engine, institution="lab-a") == ["1"]
    assert await found(engine, holder="榕城 检测(生成)") == ["1"]
    assert await found(engine, holder="测试机构 lab-b") == rostered
    assert await found(engine, institution="机构 lab-a") == ["1"]
    assert await found(engine, holder="lab-c") == []


async def test_a_uscc_finds_its_own_and_its_family_across_provinces(engine: AsyncEngine) -> None:
    group, lab, branch = "91350000000000001A", "91350000000000002B", "91430000000000003C"
    await register(engine, "1", uscc=group)
    await register(engine, "2", uscc=lab, parent_uscc=group)
    await register(engine, "3", uscc=branch, parent_uscc=lab, issuer="amr-430000")
    await register(engine, "4", uscc="91430000000000004D")
    rostered = institution("lab-r").model_copy(update={"uscc": group})
    async with engine.begin() as connection:
        await institutions.save(connection, [rostered])
    (listed,) = [number for number in await found(engine, uscc=group) if number != "1"]
    assert await found(engine, uscc=lab) == ["2"]
    assert await found(engine, parent_uscc=lab) == ["3"]
    assert set(await found(engine, related=lab)) == {"1", "2", "3", listed}
    assert set(await found(engine, related=group)) == {"1", "2", listed}
    assert await found(engine, related="91430000000000009X") == []


@pytest.mark.parametrize("status", RECORDED_STATUSES)
@pytest.mark.parametrize("valid_from", [None, TODAY, date(2025, 3, 23)])
@pytest.mark.parametrize("valid_to", [date(2025, 3, 21), TODAY, date(2025, 3, 23)])
async def test_the_state_in_a_search_is_the_one_of_the_one_function(
    engine: AsyncEngine, status: CertificateStatus, valid_from: date | None, valid_to: date
) -> None:
    await register(engine, "1", status=status, valid_to=valid_to)
    began = update(certificates).values(valid_from=valid_from)
    async with engine.begin() as connection:
        await connection.execute(began)
    async with engine.connect() as connection:
        holds = [
            state
            for state in CertificateStatus
            if (
                await connection.execute(select(certificates.c.number).where(stands(state, TODAY)))
            ).first()
        ]
    assert holds == [status_on(status, valid_to, TODAY, valid_from)]


async def test_region_field_issuer_and_expiry_narrow(engine: AsyncEngine) -> None:
    await register(engine, "1", region="350102", issuer="amr-350000", valid_to=date(2026, 1, 1))
    await register(
        engine, "2", region="430102", issuer="amr-430000", field="12", valid_to=date(2027, 1, 1)
    )
    for criteria, wanted in (
        ({"region": "350000"}, ["1"]),
        ({"region": "350100"}, ["1"]),
        ({"region": "350200"}, []),
        ({"field": "12"}, ["2"]),
        ({"issuer": "amr-430000"}, ["2"]),
        ({"expires_until": date(2026, 1, 1)}, ["1"]),
        ({"expires_until": date(2025, 12, 31)}, []),
        ({"expires_from": date(2026, 1, 2)}, ["2"]),
        ({"expires_from": date(2026, 1, 1)}, ["1", "2"]),
    ):
        assert await found(engine, **criteria) == wanted, criteria


async def test_pages_follow_each_other_without_gap_or_repeat(engine: AsyncEngine) -> None:
    numbers = [f"{n:03d}" for n in range(12)]
    for number in reversed(numbers):
        await register(engine, number)
    got: list[str] = []
    async with engine.begin() as connection:
        while True:
            page = await search(
                connection, Criteria(capability="抗压"), ALL, TODAY,
                after=got[-1] if got else "", size=5,
            )  # fmt: skip
            if not page:
                break
            got += [one.found.number for one in page]
    assert got == numbers


async def test_a_rare_term_goes_through_the_index(engine: AsyncEngine) -> None:
    await register(engine, "1")
    async with engine.begin() as connection:
        await connection.execute(text("SET LOCAL enable_seqscan = off"))
        plan = await connection.execute(
            text(
                "EXPLAIN SELECT number FROM certificate_lines WHERE kind = 'capability' "
                "AND certificate_grams(words) @> ARRAY['抗压', '压强']"
            )
        )
        assert "ix_certificate_lines_capability" in "\n".join(plan.scalars())


# texts as a certificate holds them
WORDS = (
    st.text(
        st.characters(exclude_categories=("Cc", "Cs"), max_codepoint=0x2FFFF),
        min_size=1,
        max_size=12,
    )
    .map(lambda text: unmarked(unicodedata.normalize("NFC", text)))
    .filter(lambda text: text.strip() != "" and is_usable(text))
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(item=WORDS, start=st.integers(0, 11), length=st.integers(1, 12))
async def test_every_part_of_every_text_finds_it(
    engine: AsyncEngine, item: str, start: int, length: int
) -> None:
    line = {"category": "类", "item": item, "standard": "GB 1"}
    await register(engine, "1", revision=1, capabilities=[line])
    term = folded(item)[start : start + length]
    assume(term)
    parts = parts_of(term)
    expected = ["1"] if parts and all(part in folded(item) for part in parts) else []
    assert await found(engine, capability=term) == expected


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(name=WORDS)
async def test_the_database_folds_names_as_terms_are_folded(engine: AsyncEngine, name: str) -> None:
    async with engine.connect() as connection:
        found = await connection.execute(
            text("SELECT certificate_folded(CAST(:name AS text))"), {"name": name}
        )
        assert found.scalar_one() == folded(name)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(words=st.lists(WORDS, min_size=1, max_size=3), blank=st.sampled_from("\u1680\u3000\u00a0 "))
async def test_the_database_compares_names_as_names_are_compared(
    engine: AsyncEngine, words: list[str], blank: str
) -> None:
    name = (blank * 2).join(words)
    async with engine.connect() as connection:
        same = await connection.execute(
            text("SELECT name_key(CAST(:name AS text))"), {"name": name}
        )
        assert same.scalar_one() == name_key(name)


async def test_a_name_is_found_however_its_blanks_and_brackets_are_written(
    engine: AsyncEngine,
) -> None:
    asked = [
        name_key(name) for name in ("ABC  检测(福建)", "ＡＢＣ　检测（福建）", "abc 检测（福建）")
    ]
    async with engine.begin() as connection:
        await institutions.save(
            connection, [institution("x").model_copy(update={"name": "ABC 检测（福建）"})]
        )
        bearers = await lookup.named(connection, asked)
        assert list(bearers) == ["ABC 检测(福建)"]
        for part in ("检测(福", "ＡＢＣ", "福建 abc"):
            assert [one.facts.id for one in await institutions.page(connection, "", 9, name=part)]


async def test_names_and_parts_of_names_are_found_through_their_indexes(
    engine: AsyncEngine,
) -> None:
    listed = institutions_table
    ways = {
        "ix_institutions_name_grams": select(listed.c.id)
        .where(listed.c.id > "", institutions.named("机构甲七"))
        .order_by(listed.c.id)
        .limit(21),
        "ix_institutions_name": select(listed.c.no).where(lookup.NAME_KEY.in_(["机构甲七"])),
    }
    async with engine.begin() as connection:
        await connection.execute(
            text("""
                INSERT INTO institutions (id, name, region, legal_person, under_samr, accredited,
                    other_qualifications, national_centres)
                SELECT 'x' || n, '检测机构' || n, '350102', true, false, false, '[]', '[]'
                FROM generate_series(1, 20000) AS n
            """)
        )
    async with owning(engine) as connection:
        await connection.execute(text("ANALYZE institutions"))
    async with engine.connect() as connection:
        for index, query in ways.items():
            asked = query.compile(dialect=engine.dialect, compile_kwargs={"literal_binds": True})
            plan = "\n".join((await connection.execute(text(f"EXPLAIN {asked}"))).scalars())
            assert f"Index Scan on {index}" in plan or f"using {index}" in plan, plan
            assert "Seq Scan" not in plan
