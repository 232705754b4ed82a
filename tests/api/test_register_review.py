"""摸清底数: who must file, who is missing, who is on record twice; what a roster changed."""

import csv
import io
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import quote

import openpyxl
import pytest

from deploy.embedded.postgres import EmbeddedPostgres
from store import content, journal
from tests.api.conftest import whole_system
from tests.api.test_institutions import GOOD, load, row, table
from tests.system import OPERATOR, REVIEWER, System, institution

pytestmark = pytest.mark.anyio

USCC = GOOD["uscc"]
OTHER = "91350102YY00000102"


def bare(name: str) -> list[Any]:
    """A row of an institution without certificates."""
    return row("bare", "", name=name, uscc="", level="", issuer="", scope="", valid_to="")


@pytest.fixture
async def house(postgres: EmbeddedPostgres, open_rules: Path) -> AsyncIterator[System]:
    async with whole_system(postgres, open_rules) as system:
        yield system


async def review(house: System, place: str = "350000", more: str = "") -> Any:
    token = house.token(OPERATOR, "operator-1", place)
    answer = await house.send("GET", f"/api/institutions/review/2024/{place}{more}", token)
    assert answer.status == 200, answer.body
    return answer.body


def told(reviewed: Any) -> set[tuple[str, str]]:
    return {(one["institution"], one["kind"]) for one in reviewed["findings"]}


async def test_each_finding_is_told_of_whom_it_concerns_and_of_nobody_else(house: System) -> None:
    await house.add(institution("certified-only", "350102"))
    rows = [
        row("right", "241300000001", name="甲所（生成）"),
        bare("乙所（生成）"),
        row("twice-1", "241300000002", name="丙 所（生成）", uscc=OTHER),
        row("twice-2", "241300000003", name="丙 所(生成)", uscc=OTHER),
        row("named-1", "241300000004", name="甲所（生成）", uscc=""),
        row("over", "241300000005", name="戊所（生成）", uscc="", valid_to="2024-05-01"),
        row("far", "241300000006", name="己所（生成）", region="440100", uscc=USCC,
            issuer="amr-440000"),
    ]  # fmt: skip
    assert (await load(house, table(*rows))).status == 200
    found = await review(house)
    assert told(found) == {
        ("certified-only", "certificate_without_roster"), ("certified-only", "without_uscc"),
        ("bare", "roster_without_certificate"), ("bare", "without_uscc"),
        ("twice-1", "several_accounts"), ("twice-1", "duplicate_uscc"),
        ("twice-2", "several_accounts"), ("twice-2", "duplicate_uscc"),
        ("right", "several_accounts"), ("right", "duplicate_name"),
        ("named-1", "duplicate_name"), ("named-1", "without_uscc"),
        ("over", "roster_without_certificate"), ("over", "without_uscc"),
    }  # fmt: skip
    by = {(one["institution"], one["kind"]): one for one in found["findings"]}
    # an account of another region is counted, and not named to whoever may not see it
    assert (
        by["right", "several_accounts"]["others"],
        by["right", "several_accounts"]["elsewhere"],
    ) == ([], 1)
    assert by["twice-1", "duplicate_uscc"]["others"] == ["twice-2"]
    assert found["total"]["institutions"] == 7
    assert found["total"]["must"] + found["total"]["may"] + found["total"]["outside"] == 7
    assert found["total"]["findings"]["duplicate_uscc"] == 2
    assert [one["region"] for one in found["regions"]] == ["350102"]
    nation = await review(house, "000000")
    by = {(one["institution"], one["kind"]): one for one in nation["findings"]}
    assert by["right", "several_accounts"]["others"] == ["far"]


async def test_rosters_count_from_the_last_one_or_from_whatever_day_is_said(
    house: System,
) -> None:
    before = datetime.now(UTC).isoformat()
    first = table(row("one", "241300000011"), row("two", "241300000012", uscc=OTHER, name="乙所"))
    assert (await load(house, first)).status == 200
    assert not [f for f in (await review(house))["findings"] if "roster" in f["kind"]]
    # a roster of one institution leaves the other out, unless the earlier one counts too
    assert (await load(house, table(row("one", "241300000011", scope="80")))).status == 200
    assert ("two", "certificate_without_roster") in told(await review(house))
    assert told(await review(house, more=f"?since={quote(before)}")) == set()
    # one of another province says nothing of this one
    guangdong = row("three", "241300000013", region="440100", uscc="", issuer="amr-440000")
    assert (await load(house, table(guangdong), jurisdiction="440000")).status == 200
    assert ("one", "certificate_without_roster") not in told(await review(house))


async def test_the_review_is_had_as_tables_that_no_spreadsheet_runs(house: System) -> None:
    await load(house, table(bare("+甲（生成）")))
    await house.add(institution("x", "350102").model_copy(update={"name": "=1+1（生成）"}))
    token = house.token(OPERATOR, "operator-1", "350000")
    address = "/api/institutions/review/2024/350000"
    headers = {"Authorization": f"Bearer {token}"}
    as_csv = await house.http.get(f"{address}/csv", headers=headers)
    lines = list(csv.reader(io.StringIO(as_csv.content.decode("utf-8-sig"))))
    assert lines[0][:3] == ["问题", "机构", "名称"]
    assert {line[2] for line in lines[1:]} >= {"'=1+1（生成）"}
    book = await house.http.get(f"{address}/xlsx?list=regions", headers=headers)
    sheet = openpyxl.load_workbook(BytesIO(book.content)).active
    assert sheet is not None
    shown = list(sheet.values)
    assert shown[1][:3] == ("350102", "鼓楼区", 2)
    assert shown[-1][0] == "350000"


async def test_only_operators_of_the_place_and_auditors_see_the_review(house: System) -> None:
    address = "/api/institutions/review/2024/350000"
    for role, scope, code in (
        (OPERATOR, "440000", "not_your_region"), (OPERATOR, "350100", "not_your_region"),
        (REVIEWER, "amr-350000", "forbidden"),
    ):  # fmt: skip
        for path in (address, f"{address}/csv", f"{address}/xlsx"):
            answer = await house.send("GET", path, house.token(role, "x", scope))
            assert (answer.status, answer.body["code"]) == (403, code)


async def test_the_journal_keeps_what_each_import_changed_old_and_new(house: System) -> None:
    first = table(row("kept", "241300000021"))
    await load(house, first)
    await load(
        house, table(row("kept", "241300000021", name="新名（生成）"), row("new", "241300000022"))
    )
    # the report of a file is one row; what an import changed is kept import by import
    await load(house, first)
    async with house.engine.connect() as connection:
        steps = await journal.steps(connection, "register/institutions")
        notes = await content.notes_by_sha256(connection, [one.note_sha256 for one in steps])
    kept = [notes[one.note_sha256] for one in steps]
    assert [one["added"] for one in kept] == [["kept"], ["new"], []]
    changed = [
        [(c["institution"], c["column"], c["old"], c["new"]) for c in one["changes"]]
        for one in kept
    ]
    assert changed == [
        [],
        [("kept", "机构名称", "测试机构（生成）", "新名（生成）")],
        [("kept", "机构名称", "新名（生成）", "测试机构（生成）")],
    ]
    assert [(one.body["added"], one.body["changed"]) for one in steps] == [(1, 0), (1, 1), (0, 1)]
