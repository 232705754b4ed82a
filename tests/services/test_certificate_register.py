"""Lists of valid certificates: brought on record as they are, overruling nothing issued here."""

import asyncio
import csv
import io
import json
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from typer.testing import CliRunner

from cli import main
from domain.case.commands import Actor, Role
from files.certificate_register import REGISTER as FORMAT
from files.certificate_register import read_register
from rules.certificates.certificates import current_certificate_rules
from rules.file.library import SHIPPED
from services.certificates.register import REGISTER, RegisterReport, RegisterService
from store import institutions, journal
from store.certificates import lists, register
from store.certificates.register import Registered
from tests.certificates import Office, content
from tests.import_files import CSV, book
from tests.system import OPERATOR, System, certificate, institution

pytestmark = pytest.mark.anyio

IDS = [column.id for column in FORMAT.columns]
LABELS = FORMAT.labels
NOW = datetime(2026, 1, 15, tzinfo=UTC)
USCC = "91620102739638125B"


def listed(number: str, institution: str = "lab", **changed: Any) -> dict[str, Any]:
    return {
        "number": number,
        "institution": institution,
        "issuer": "amr-350000",
        "level": "省级",
        "scope": "120",
        "valid_to": "2030-04-30",
        **changed,
    }


def cells(*rows: dict[str, Any]) -> list[list[Any]]:
    return [[LABELS[id_] for id_ in IDS], *([one.get(id_, "") for id_ in IDS] for one in rows)]


def table(*rows: dict[str, Any], encoding: str = "utf-8") -> bytes:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerows(cells(*rows))
    return out.getvalue().encode(encoding)


@pytest.fixture
async def service(engine: AsyncEngine) -> RegisterService:
    labs = [
        institution("lab", "350102", certificates=()).model_copy(update={"uscc": USCC}),
        institution("listed", "350102", certificates=(certificate("241301060009", "amr-350000"),)),
        institution("other", "440106", certificates=(certificate("CMA-9", "amr-440000"),)),
    ]
    async with engine.begin() as connection:
        await institutions.save(connection, labs)
    return RegisterService(engine, SHIPPED, lambda: NOW)


async def load(
    service: RegisterService,
    data: bytes,
    *,
    good: bool = False,
    complete: str = "",
    scope: str = "000000",
    filename: str = "a.csv",
) -> RegisterReport:
    actor = Actor(subject="operator-1", role=Role.OPERATOR, scope=scope)
    return await service.load(
        data,
        filename,
        actor,
        f"c-{time.monotonic_ns()}",
        accept_good_rows=good,
        complete=complete,
    )


def told(report: RegisterReport) -> list[tuple[int, str, str]]:
    return [(p.row, p.column, p.code) for p in report.problems if p.level == "error"]


async def standing(engine: AsyncEngine, number: str) -> Registered | None:
    async with engine.connect() as connection:
        return await register.by_number(connection, number)


async def test_a_list_is_put_on_record_with_a_permanent_code(
    service: RegisterService, engine: AsyncEngine
) -> None:
    rows = (
        listed("2011-CMA-7", valid_from="2024-05-01"),
        listed("241301060001", "", uscc=USCC, field="建筑工程", industry="6", holder="甲/乙"),
        listed("240001210001", issuer="samr", level="国家级"),
    )
    report = await load(service, table(*rows))
    assert (report.accepted, report.inserted, report.errors) == (3, 3, 0), report.problems
    one = await standing(engine, "241301060001")
    assert one is not None
    assert (one.origin, one.institution_id, one.uscc) == ("register", "lab", USCC)
    assert (one.field, one.industry, one.holder, one.scope) == ("01", "06", "甲/乙", 120)
    assert len(one.code) == 26
    again = await load(service, table(*rows))
    assert (again.inserted, again.updated, again.unchanged) == (0, 0, 3)
    changed = await load(service, table(listed("241301060001", valid_to="2031-04-30")))
    assert (changed.inserted, changed.updated) == (0, 1)
    two = await standing(engine, "241301060001")
    assert two is not None
    assert (two.valid_to, two.code, two.holder, two.field) == (
        date(2031, 4, 30),
        one.code,
        "甲/乙",
        "01",
    )


async def test_a_certificate_of_a_roster_gets_its_code_and_a_later_roster_leaves_it(
    service: RegisterService, engine: AsyncEngine
) -> None:
    before = await standing(engine, "241301060009")
    assert before is not None
    assert (before.origin, before.code) == ("roster", "")
    await load(service, table(listed("241301060009", "listed")))
    on_list = await standing(engine, "241301060009")
    assert on_list is not None
    assert on_list.origin == "register"
    assert on_list.code
    async with engine.begin() as connection:
        again = institution(
            "listed", "350102", certificates=(certificate("241301060009", "amr-350000"),)
        )
        await institutions.save(connection, [again])
    assert await standing(engine, "241301060009") == on_list


async def test_one_bad_row_keeps_all_out_unless_the_good_ones_are_wanted(
    service: RegisterService, engine: AsyncEngine
) -> None:
    data = table(listed("241301060001"), listed("241301060002", "nobody"))
    report = await load(service, data)
    assert (report.accepted, told(report)) == (0, [(3, "机构编号", "unknown_institution")])
    assert await standing(engine, "241301060001") is None
    async with engine.connect() as connection:
        assert await journal.steps(connection, REGISTER) == []
    report = await load(service, data, good=True)
    assert (report.accepted, report.errors) == (1, 1)
    assert await standing(engine, "241301060001") is not None
    async with engine.connect() as connection:
        (step,) = await journal.steps(connection, REGISTER)
    assert (step.event, step.actor.subject) == ("register_imported", "operator-1")
    assert (step.body["rows"], step.body["accepted"]) == (2, 1)


@pytest.mark.parametrize(
    ("changed", "column", "code"),
    [
        ({"number": ""}, "证书编号", "required"),
        ({"number": "２４１３０１０６０００１"}, "证书编号", "bad_code"),
        ({"number": "2413 0106"}, "证书编号", "bad_code"),
        ({"institution": ""}, "机构编号", "required"),
        ({"institution": "", "uscc": "91620102739638125X"}, "统一社会信用代码", "bad_uscc"),
        ({"institution": "listed", "uscc": USCC}, None, None),
        ({"institution": "lab", "uscc": "911101085923662400"}, "统一社会信用代码", "uscc_differs"),
        ({"issuer": "amr-350100"}, "发证机关", "unknown_issuer"),
        ({"issuer": "谁"}, "发证机关", "unknown_issuer"),
        ({"number": "240001060001", "issuer": "samr"}, "级别", "level_not_of_issuer"),
        ({"level": "县级"}, "级别", "bad_level"),
        ({"scope": "-1"}, "能力参数数量", "bad_count"),
        ({"scope": ""}, "能力参数数量", "required"),
        ({"field": "99"}, "专业领域", "unknown_field"),
        ({"valid_to": "2030-02-30"}, "有效期止", "bad_date"),
        ({"valid_from": "2030-05-01"}, "有效期起", "reversed_days"),
        ({"holder": "=1"}, "机构名称", "bad_characters"),
        ({"holder": "名" * 201}, "机构名称", "too_long"),
        ({"number": "241301060009"}, "证书编号", "certificate_held_by_other"),
        ({"number": "CMA-9", "institution": "other"}, "证书编号", "issuer_differs"),
        # a province's list holds that province's numbers: the number's own digits say whose it is
        ({"number": "241901060001"}, "证书编号", "other_issuer"),
        ({"number": "240001060001"}, "证书编号", "other_issuer"),
        ({"number": "243301060001"}, None, None),
        ({"number": "241901060001", "issuer": "amr-440000"}, None, None),
    ],
)  # fmt: skip
async def test_what_is_wrong_is_told_at_its_column(
    service: RegisterService, changed: dict[str, Any], column: str | None, code: str | None
) -> None:
    report = await load(service, table({**listed("241301060001"), **changed}))
    assert told(report) == ([(2, column, code)] if column else [])


async def test_a_code_shared_by_accounts_needs_the_institution(
    service: RegisterService, engine: AsyncEngine
) -> None:
    twin = institution("twin", "350102", certificates=()).model_copy(update={"uscc": USCC})
    async with engine.begin() as connection:
        await institutions.save(connection, [twin])
    report = await load(service, table(listed("241301060001", "", uscc=USCC)))
    assert told(report) == [(2, "统一社会信用代码", "several_institutions")]
    assert "lab、twin" in report.problems[0].message


async def test_a_whole_list_names_what_it_lacks_and_ends_nothing(
    service: RegisterService, engine: AsyncEngine
) -> None:
    await load(
        service,
        table(
            listed("241301060001"),
            listed("241301060002"),
            listed("241301060003", valid_to="2026-01-14"),
            listed("241901060001", issuer="amr-440000"),
        ),
    )
    report = await load(service, table(listed("241301060002")), complete="amr-350000")
    # the roster's is missing too; what has expired and what others issued is not
    assert [one.number for one in report.missing] == ["241301060001", "241301060009"]
    assert report.accepted == 1
    one = await standing(engine, "241301060001")
    assert one is not None
    assert one.status == "valid"
    mixed = table(listed("241301060002"), listed("241901060001", issuer="amr-440000"))
    report = await load(service, mixed, complete="amr-350000")
    assert told(report) == [(3, "发证机关", "other_authority")]


async def test_an_operator_brings_only_lists_of_its_own_area(service: RegisterService) -> None:
    rows = table(listed("241301060001"), listed("241901060001", issuer="amr-440000"),
                 listed("240001060001", issuer="samr", level="国家级"))  # fmt: skip
    report = await load(service, rows, scope="350000")
    assert told(report) == [
        (3, "发证机关", "outside_jurisdiction"),
        (4, "发证机关", "outside_jurisdiction"),
    ]


async def test_what_was_issued_here_is_kept_whatever_a_list_says(system: System) -> None:
    await system.add(institution("lab", certificates=()))
    office = Office(system)
    held = await office.held(await office.issue({"content": content()}))
    operator = system.token(OPERATOR, "operator-1", "350000")
    answer = await system.http.post(
        "/api/certificates/register?filename=闽.csv&complete=amr-350000",
        content=table(listed(held["number"], valid_to="2099-01-01"), encoding="gb18030"),
        headers={
            "Authorization": f"Bearer {operator}",
            "Content-Type": CSV,
            "Idempotency-Key": "register",
        },
    )
    assert answer.status_code == 200, answer.text
    report = answer.json()
    assert (report["accepted"], report["kept"], report["inserted"]) == (1, 1, 0)
    assert [one["code"] for one in report["problems"]] == ["issued_differs"]
    assert (await office.held(f"/api/certificates/{await case(system, held['number'])}")) == held


async def uploaded(system: System, *rows: dict[str, Any], accept: str = "all") -> dict[str, Any]:
    """Sends a list of Fujian; the report."""
    operator = system.token(OPERATOR, "operator-1", "350000")
    answer = await system.http.post(
        f"/api/certificates/register?accept={accept}",
        content=table(*rows),
        headers={
            "Authorization": f"Bearer {operator}",
            "Content-Type": CSV,
            "Idempotency-Key": f"register-{time.monotonic_ns()}",
        },
    )
    assert answer.status_code == 200, answer.text
    report: dict[str, Any] = answer.json()
    return report


async def test_a_number_given_to_a_case_that_is_not_issued_yet_is_no_lists(
    system: System,
) -> None:
    await system.add(institution("lab", certificates=()))
    office = Office(system)
    path = await office.begin({"content": content()})
    await office.apply(path)
    for name in ("claim", "approve"):
        assert (await office.act(path, name, office.reviewer)).status == 200
    year = datetime.now(ZoneInfo("Asia/Shanghai")).year % 100
    given, free = f"{year:02d}1301060001", f"{year:02d}1301060002"
    report = await uploaded(system, listed(given), listed(free), accept="good")
    assert (report["accepted"], report["inserted"]) == (1, 1)
    [problem] = report["problems"]
    assert (problem["row"], problem["column"], problem["code"]) == (2, "证书编号", "number_taken")
    assert problem["level"] == "error"
    assert given in problem["message"]
    assert await standing(system.engine, given) is None
    assert (await uploaded(system, listed(given)))["accepted"] == 0
    # it is the case's, and once it is issued the list says nothing new
    for name, body in (("claim", {}), ("quality", {"outcome": "pass"})):
        assert (await office.act(path, name, office.checker, body)).status == 200
    assert (await office.held(path))["number"] == given
    report = await uploaded(system, listed(given))
    assert (report["kept"], report["inserted"], report["errors"]) == (1, 0, 0)
    # what the list brought is passed over
    assert (await office.held(await office.issue()))["number"].endswith("0003")


async def test_a_voided_number_is_no_lists_either(
    service: RegisterService, engine: AsyncEngine, system: System
) -> None:
    office = Office(system)
    path = await office.begin({"content": content()})
    await office.apply(path)
    for name in ("claim", "approve"):
        assert (await office.act(path, name, office.reviewer)).status == 200
    async with engine.begin() as connection:
        await connection.execute(
            text("UPDATE certificate_numbers SET voided_at = now(), void_reason = '改了行业'")
        )
        number = (
            await connection.execute(text("SELECT number FROM certificate_numbers"))
        ).scalar_one()
    report = await load(service, table(listed(number)))
    assert told(report) == [(2, "证书编号", "number_taken")]
    assert "改了行业" in report.problems[0].message


async def test_no_number_is_given_while_a_list_is_put_on_record(
    service: RegisterService, system: System
) -> None:
    """Neither can miss the other: whoever comes second sees what the first has written."""
    office = Office(system)
    path = await office.begin({"content": content()})
    await office.apply(path)
    assert (await office.act(path, "claim", office.reviewer)).status == 200
    year = datetime.now(ZoneInfo("Asia/Shanghai")).year % 100
    number = f"{year:02d}1301060001"
    async with system.engine.begin() as connection:
        assert await lists.allotted(connection, [number]) == {}
        approving = asyncio.create_task(office.act(path, "approve", office.reviewer))
        await asyncio.sleep(1)
        assert not approving.done()
        entry = lists.Entry(
            number, "other", "provincial", "amr-350000", 7, date(2040, 1, 1), "X" * 26,
            "", "", "", "", None, None,
        )  # fmt: skip
        assert await lists.save(connection, [entry]) == (1, 0)
    assert (await approving).status == 200
    async with system.engine.connect() as connection:
        given = await connection.execute(text("SELECT number FROM certificate_numbers"))
    assert given.scalar_one() == f"{year:02d}1301060002"


async def case(system: System, number: str) -> str:
    async with system.engine.connect() as connection:
        found = await register.by_number(connection, number)
    assert found is not None
    return found.case_id.partition("/")[2]


async def test_a_workbook_is_read_like_a_csv(service: RegisterService) -> None:
    lines = cells(listed("x"), listed("y"))
    lines[1][0], lines[1][-1] = 241301060001, 47603
    lines[2][0] = 41301060001
    report = await load(service, book(lines), good=True, filename="a.xlsx")
    assert told(report) == [(3, "证书编号", "lost_digits")]
    assert report.accepted == 1


async def test_the_whole_country_in_one_file_takes_seconds(
    service: RegisterService, engine: AsyncEngine
) -> None:
    async with engine.begin() as connection:
        many = [institution(f"i-{n}", "350102", certificates=()) for n in range(5_000)]
        await institutions.save(connection, many)
    rows = [listed(f"24130106-{n}", f"i-{n % 5_000}") for n in range(53_000)]
    data = table(*rows)
    begun = time.process_time()
    report = await load(service, data)
    took = time.process_time() - begun
    assert (report.accepted, report.inserted) == (53_000, 53_000)
    print(f"53,000 rows: {took:.1f} s of this process")
    assert took < 30


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "empty"),
        (b"a,b\r\n", "unknown_column"),
        ("证书编号,发证机关\r\n".encode(), "missing_column"),
        (table(), "empty"),
        (b"\xff" * 9, "unknown_encoding"),
    ],
)
async def test_a_file_of_no_use_is_one_problem(
    service: RegisterService, data: bytes, code: str
) -> None:
    report = await load(service, data, complete="amr-350000")
    assert [c for _, _, c in told(report)] == [code]
    # nothing is missing from what is no list
    assert report.missing == ()


def test_the_template_can_be_read() -> None:
    reading = read_register(FORMAT.template(), "a.csv", rules=current_certificate_rules(SHIPPED))
    assert (reading.problems, len(reading.certificates)) == ((), 1)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=400), st.sampled_from(["a.csv", "a.xlsx"]))
def test_no_bytes_make_the_reader_raise(data: bytes, filename: str) -> None:
    reading = read_register(data, filename, rules=current_certificate_rules(SHIPPED))
    assert reading.certificates == []
    assert reading.problems


async def test_an_entry_that_was_issued_meanwhile_is_not_touched(
    service: RegisterService, engine: AsyncEngine
) -> None:
    """The database itself keeps a list from what a case stands behind."""
    async with engine.begin() as connection:
        await connection.execute(
            text("UPDATE certificates SET origin = 'issued' WHERE number = '241301060009'")
        )
        entry = lists.Entry(
            "241301060009", "listed", "provincial", "amr-350000", 7, date(2040, 1, 1), "X" * 26,
            "", "", "", "", None, None,
        )  # fmt: skip
        assert await lists.save(connection, [entry]) == (0, 0)


def test_the_command_prints_one_document(
    database_url: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch, temporal: Any
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("TEMPORAL_ADDRESS", temporal.address)
    monkeypatch.setenv("ZHIBAO_TOKEN_KEY", "k" * 40)
    file = tmp_path / "list.csv"
    file.write_bytes(table(listed("241301060001", "nobody")))
    run: Callable[..., Any] = CliRunner().invoke
    done = run(main.app, ["certificates", "import", str(file), "--json"])
    assert done.exit_code == 1, done.output
    report = json.loads(done.stdout)
    assert (report["rows"], report["accepted"], report["errors"]) == (1, 0, 1)
    wrong = run(main.app, ["certificates", "import", str(file), "--complete", "福建"])
    assert wrong.exit_code == 2
