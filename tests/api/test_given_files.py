"""What people bring, in every way in over HTTP: it is answered as it was seen, or refused.

The ways in are the upload of report numbers, roster, register and batch of certificates (each as
CSV and XLSX), a certificate entered by itself, a delivery, the public's lookup, search and form.
"""

import asyncio
import csv
import io
import json
import zipfile
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import openpyxl
import pytest
from sqlalchemy import text as sql

from deploy.demo.rules import write_rules
from deploy.embedded.postgres import EmbeddedPostgres
from domain import uscc
from domain.clock import day_of
from files.certificate_import import IMPORT
from files.certificate_register import REGISTER
from files.roster import ROSTER
from files.table import Format
from services.clock import system_clock
from tests.api.conftest import whole_system
from tests.certificates import ISSUER, Office, content
from tests.connected import DELIVERIES, Client, issue
from tests.connected import register as register_client
from tests.import_files import CSV, XLSX, book
from tests.import_files import row as import_row
from tests.system import FILER, OPERATOR, Answer, System, institution

pytestmark = pytest.mark.anyio

QUARTER = "2024Q4"
DAY = "2024-11-15"
CONNECTED = "amr-330000"
MEDIA = {"csv": CSV, "xlsx": XLSX}
BOTH = pytest.mark.parametrize("kind", ["csv", "xlsx"])
GOOD_ROSTER = {
    "id": "lab", "name": "测试机构（生成）", "region": "350102", "number": "241301069001",
    "level": "省级", "issuer": ISSUER, "scope": "120", "valid_to": "2035-05-31",
}  # fmt: skip
NONE = {"number": "", "level": "", "issuer": "", "scope": "", "valid_to": ""}
"""A roster's row without a certificate."""
GOOD_LISTED = {
    "number": "241301069001", "institution": "lab", "holder": "测试机构（生成）", "issuer": ISSUER,
    "level": "省级", "scope": "120", "valid_to": "2035-05-31",
}  # fmt: skip


def file_of(lines: Sequence[Sequence[Any]], kind: str) -> bytes:
    """The lines as a file that Excel would make."""
    if kind == "xlsx":
        return book(lines)
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerows(lines)
    return out.getvalue().encode()


def table_of(table: Format, rows: Iterable[dict[str, Any]], kind: str) -> bytes:
    """Rows of a format as a file, all its columns in order."""
    lines = [[row.get(id_, "") for id_ in table.labels] for row in rows]
    return file_of([list(table.labels.values()), *lines], kind)


_COMPLETED = """
    INSERT INTO cases (case_id, kind, year, quarter, institution_id, jurisdiction, campaign,
        rule_set, plan, status, level, authority, claimed_by, revision, sequence, head,
        opened_at, updated_at)
    SELECT 'filing/2023/' || :id, 'filing', 2023, 0, :id, '000000', '',
        sha256, '{"obligation": {"outcome": "must"}}', 'completed', 0, '', '', 1, 1, '', :at, :at
    FROM rule_sets LIMIT 1
"""
"""Whoever uploads has completed a year's filing."""


@dataclass
class Ways:
    """All ways in, as those people have them who use them."""

    house: System
    client: Client
    uploads: int = 0

    @property
    def operator(self) -> str:
        return self.house.token(OPERATOR, "operator-1", "000000")

    @property
    def office(self) -> Office:
        return Office(self.house)

    async def post(self, path: str, token: str, data: bytes, kind: str) -> Answer:
        """A file sent to an address."""
        answer = await self.house.http.post(
            path,
            content=data,
            headers={
                "Authorization": f"Bearer {token}",
                "Content-Type": MEDIA[kind],
                "Idempotency-Key": f"given-{next(self.house._keys)}",
            },
        )
        return Answer(answer.status_code, answer.json(), answer.headers)

    async def numbers(self, data: bytes, kind: str) -> dict[int, str]:
        """An upload of report numbers: the code of each row that is refused.

        Each file is of a new institution, so that none of its numbers was there before.
        """
        self.uploads += 1
        id_ = f"up-{self.uploads}"
        await self.house.add(institution(id_))
        async with self.house.engine.begin() as connection:
            await connection.execute(sql(_COMPLETED), {"id": id_, "at": self.house.now()})
        token = self.house.token(FILER, f"filer-{id_}", id_)
        batch = f"/api/report-batches/{QUARTER}/{id_}"
        begun = await self.house.send("POST", batch, token)
        assert begun.status == 202, begun.body
        while (await self.house.send("GET", batch, token)).status != 200:
            await asyncio.sleep(0.02)
        sent = await self.post(f"{batch}/uploads?accept=good", token, data, kind)
        assert sent.status == 202, sent.body
        place = f"{batch}/uploads/{sent.body['id']}"
        for _ in range(600):
            shown = (await self.house.send("GET", place, token)).body
            if shown["stage"] in ("accepted", "rejected"):
                break
            await asyncio.sleep(0.05)
        else:
            raise AssertionError(shown)
        report = await self.house.http.get(
            f"{place}/problems", headers={"Authorization": f"Bearer {token}"}
        )
        listed = csv.reader(io.StringIO(report.content.decode("utf-8-sig")))
        head, *rows = listed
        return {int(line[0]): line[head.index("代码")] for line in rows}

    async def on_record(self) -> set[str]:
        """The report numbers of the latest upload."""
        return set(
            await self._column(
                "SELECT number FROM report_numbers WHERE institution_no ="
                f" (SELECT no FROM institutions WHERE id = 'up-{self.uploads}')"
            )
        )

    async def _column(self, query: str) -> list[Any]:
        async with self.house.engine.connect() as connection:
            return list((await connection.execute(sql(query))).scalars())

    async def roster(self, data: bytes, kind: str) -> dict[int, str]:
        """A roster: the code of each row that is refused."""
        return await self._list("/api/institutions/imports?accept=good&", data, kind)

    async def register(self, data: bytes, kind: str) -> dict[int, str]:
        """A list of valid certificates: the code of each row that is refused."""
        return await self._list("/api/certificates/register?accept=good&", data, kind)

    async def _list(self, path: str, data: bytes, kind: str) -> dict[int, str]:
        sent = await self.post(f"{path}filename=a.{kind}", self.operator, data, kind)
        assert sent.status in (200, 422), sent.body
        if sent.status == 422:  # nothing at all was taken
            places = [(one["pointer"].split("/")[2], one["code"]) for one in sent.body["errors"]]
            return {int(row): code for row, code in places}
        problems = sent.body["problems"]
        return {one["row"]: one["code"] for one in problems if one["level"] == "error"}

    async def batch(self, data: bytes, kind: str) -> dict[int, str]:
        """A file of certificates, checked and not issued: the code of each row refused."""
        path = "/api/certificates/imports?mode=check"
        sent = await self.post(path, self.office.clerk, data, kind)
        assert sent.status == 200, sent.body
        report = await self.house.http.get(
            f"/api/certificates/imports/{sent.body['id']}/report",
            headers={"Authorization": f"Bearer {self.office.clerk}"},
        )
        head, *rows = csv.reader(io.StringIO(report.content.decode("utf-8-sig")))
        return {int(line[0]): line[head.index("代码")] for line in rows if line[1] == "有错"}

    async def entry(self, **changed: Any) -> tuple[int, list[str], Any]:
        """A certificate entered by itself: status, codes, and the draft as it is on record."""
        body = {"content": content() | changed}
        answer = await self.house.send("POST", "/api/certificates", self.office.clerk, body)
        if answer.status != 201:
            return answer.status, [one["code"] for one in answer.body["errors"]], None
        path = f"/api/{answer.body['id'].replace('certificate/', 'certificates/')}/draft"
        draft = (await self.house.send("GET", path, self.office.filer)).body
        return 201, [], draft["content"]

    async def delivery(self, **more: Any) -> tuple[int, list[str], Any]:
        """A delivery: status, codes, receipt."""
        answer = await self.client.deliver(issue(**more))
        errors = answer.body.get("errors", []) if answer.status != 200 else []
        return answer.status, [one["code"] for one in errors], answer.body


@pytest.fixture(scope="module")
async def ways(
    postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Ways]:
    rules = tmp_path_factory.mktemp("rules") / "rules"
    write_rules(rules, day_of(system_clock()))
    file = rules / "2019" / "certificates.yaml"
    one = f"\n    {CONNECTED}: {{mode: connected, cite: {{assume: （测试）该省方案}}}}"
    file.write_text(file.read_text().replace("  provinces: {}", f"  provinces:{one}"))
    async with whole_system(postgres, rules) as house:
        await house.add(institution("lab", certificates=()))
        await house.add(institution("lab-zj", "330102", certificates=()))
        await house.open(QUARTER, "000000")
        yield Ways(house, await register_client(house, CONNECTED))


def delivered(**changed: Any) -> dict[str, Any]:
    return content("lab-zj", issuer=CONNECTED, **changed)


# --- identifiers ----------------------------------------------------------------------------------

LOST = [
    "2.31901E+11", "2.31901e+11", "1.23e+11", "1,23E+11", "2.31901E11", "2.41901060345E11",
    "1.0E5", "2E+11", "231901060345.0", "231901060345.", "231,901,060,345", "+2.31901E+11",
    "２．３１９０１Ｅ＋１１", "2.31901×10^11", "-2.4E+11",
]  # fmt: skip
BROKEN = {
    "#N/A": "cell_error", "#REF!": "cell_error", "########": "cell_error",
    "nan": "not_a_value", "NaN": "not_a_value", "None": "not_a_value", "null": "not_a_value",
    "NULL": "not_a_value", "inf": "not_a_value", "undefined": "not_a_value", "<NA>": "not_a_value",
    "NaT": "not_a_value",
}  # fmt: skip
REAL = ["12E12", "0047583311587E590003", "2024E001", "CMA-1.0-2", "000123456789", "1E5", "N-1"]
MARKED = {
    "'{}": "撇号", "’{}": "弯撇号", "`{}": "反引号", "\t{}": "制表符", '="{}"': "等号引号",
    "{}\u200b": "U+200B", "\u2060{}": "U+2060", "\ufeff{}": "U+FEFF", "{}\u00ad": "U+00AD",
    "{}\u034f": "U+034F", "{}\ufe0f": "U+FE0F", "{}\u3164": "U+3164", "{}\u2800": "U+2800",
    "\u202d{}\u202c": "U+202D", "\u00a0{}\u3000": "空白",
}  # fmt: skip
INSIDE = [
    "\u200b", "\u2060", "\ufeff", "\u00ad", "\u034f", "\ufe0f", "\u3164", "\u2800", "\ue863",
    "\u1160", "\u202e", "\u2066", "\U000e0041", "\U000f0000",
]  # fmt: skip


def refused(outcome: dict[int, str], codes: Sequence[str]) -> None:
    """Each row from the second on is refused with its code."""
    expected = dict(enumerate(codes, start=2))
    assert outcome == expected


@BOTH
async def test_a_number_that_lost_digits_or_is_no_value_is_refused_in_every_file(
    ways: Ways, kind: str
) -> None:
    texts = [*LOST, *BROKEN]
    codes = ["lost_digits"] * len(LOST) + list(BROKEN.values())
    lines = [["报告编号", "出具日期"], *([text, DAY] for text in texts)]
    refused(await ways.numbers(file_of(lines, kind), kind), codes)
    rows = [{**GOOD_ROSTER, "id": f"lost-{n}", "number": t} for n, t in enumerate(texts)]
    refused(await ways.roster(table_of(ROSTER, rows, kind), kind), codes)
    for id_ in ("id", "uscc"):
        rows = [{**GOOD_ROSTER, **NONE, "id": f"lost-{n}", id_: t} for n, t in enumerate(texts)]
        found = await ways.roster(table_of(ROSTER, rows, kind), kind)
        assert {found[n] for n in range(2, 2 + len(LOST))} == {"lost_digits"}, id_
        assert len(found) == len(texts)
    rows = [{**GOOD_LISTED, "number": t} for t in texts]
    refused(await ways.register(table_of(REGISTER, rows, kind), kind), codes)
    for id_ in ("number", "renews"):
        rows = [import_row(n, institution="lab", **{id_: t}) for n, t in enumerate(texts)]
        refused(await ways.batch(table_of(IMPORT, rows, kind), kind), codes)


async def test_a_number_that_lost_digits_or_is_no_value_is_refused_by_itself_too(
    ways: Ways,
) -> None:
    office = ways.office
    path = await office.begin({"content": content("lab")}, office.clerk)
    decided = {"approved_on": DAY, "document": "测（生成）", "approver": "测试（生成）",
               "valid_from": DAY, "valid_to": "2030-11-14"}  # fmt: skip
    for text in [*LOST, *BROKEN]:
        answer = await office.apply(path, office.clerk, decided={**decided, "number": text})
        assert answer.status == 422, (text, answer.body)
        for more in ({"decision": {**decided, "number": text}}, {"renews": text}):
            status, _, body = await ways.delivery(content_=delivered(), **more)
            assert status == 422, (text, body)
        status, _, _ = await ways.entry(institution=text)
        assert status == 422, text


@BOTH
async def test_real_codes_are_kept_and_marks_at_the_edges_taken_off_in_every_file(
    ways: Ways, kind: str
) -> None:
    number = "202411150001234567"
    marked = [mark.format(f"{number}{n:02}") for n, mark in enumerate(MARKED)]
    # a workbook tells a formula by its own element, never by an equals sign in a text
    texts = [t for t in [*REAL, *marked] if not (kind == "xlsx" and t.startswith("="))]
    seen = {*REAL, *(f"{number}{n:02}" for n, t in enumerate(marked) if t in texts)}
    lines = [["报告编号", "出具日期"], *([text, DAY] for text in texts)]
    assert await ways.numbers(file_of(lines, kind), kind) == {}
    assert await ways.on_record() == seen
    rows = [{**GOOD_ROSTER, "id": f"kept-{kind}-{n}", "number": t} for n, t in enumerate(texts)]
    assert await ways.roster(table_of(ROSTER, rows, kind), kind) == {}
    listed = await ways._column(
        f"SELECT number FROM certificates WHERE institution_id LIKE 'kept-{kind}-%'"
    )
    assert set(listed) == seen
    rows = [{**GOOD_LISTED, "institution": f"kept-{kind}-{n}", "number": t}
            for n, t in enumerate(texts)]  # fmt: skip
    assert await ways.register(table_of(REGISTER, rows, kind), kind) == {}
    listed = await ways._column("SELECT number FROM certificates WHERE origin = 'register'")
    assert set(listed) == seen
    async with ways.house.engine.begin() as connection:
        await connection.execute(sql("DELETE FROM certificates"))
    rows = [import_row(n, institution="lab", number=t) for n, t in enumerate(texts)]
    assert await ways.batch(table_of(IMPORT, rows, kind), kind) == {}


async def test_marks_are_taken_off_a_number_that_is_entered_or_delivered(ways: Ways) -> None:
    decided = {"approved_on": DAY, "document": "测（生成）", "approver": "测试（生成）",
               "valid_from": DAY, "valid_to": "2030-11-14"}  # fmt: skip
    for n, mark in enumerate(MARKED):
        number = f"OLD-{n:02}"
        status, codes, receipt = await ways.delivery(
            content_=delivered(), decision={**decided, "number": mark.format(number)}
        )
        assert (status, codes) == (200, []), (mark, receipt)
        assert receipt["number"] == number
    office = ways.office
    path = await office.begin({"content": content("lab")}, office.clerk)
    applied = await office.apply(path, office.clerk, decided={**decided, "number": "'MINE-1\u200b"})
    assert applied.status == 200, applied.body
    assert (await office.held(path))["number"] == "MINE-1"


# --- what nobody sees -----------------------------------------------------------------------------


@BOTH
async def test_what_nobody_sees_inside_a_text_is_refused_in_every_way_in(
    ways: Ways, kind: str
) -> None:
    texts = [f"测试{mark}检测机构" for mark in INSIDE]
    codes = ["bad_characters"] * len(texts)
    lines = [["报告编号", "出具日期"], *([f"JC{mark}1", DAY] for mark in INSIDE)]
    refused(await ways.numbers(file_of(lines, kind), kind), codes)
    rows = [{**GOOD_ROSTER, "id": f"seen-{n}", "number": f"S-{n}", "name": t}
            for n, t in enumerate(texts)]  # fmt: skip
    refused(await ways.roster(table_of(ROSTER, rows, kind), kind), codes)
    rows = [{**GOOD_LISTED, "number": f"S-{n}", "holder": t} for n, t in enumerate(texts)]
    refused(await ways.register(table_of(REGISTER, rows, kind), kind), codes)
    for id_ in ("holder", "address", "item", "signatories", "equipment", "document"):
        rows = [import_row(n, institution="lab", **{id_: t}) for n, t in enumerate(texts)]
        refused(await ways.batch(table_of(IMPORT, rows, kind), kind), codes)
    for text in texts if kind == "csv" else ():
        for field in ("holder", "address"):
            assert (await ways.entry(**{field: text}))[:2] == (422, ["bad_characters"])
            found = await ways.delivery(content_=delivered(**{field: text}))
            assert found[:2] == (422, ["bad_characters"])
        complaint = {"number": text, "about": "（生成）"}
        sent = await ways.house.send("POST", "/public/complaints", body=complaint)
        assert (sent.status, sent.body["errors"][0]["code"]) == (422, "bad_characters")
        looked = await ways.house.http.get("/public/report-numbers", params={"number": text})
        assert looked.status_code == 422
        searched = await ways.house.http.get("/public/certificates", params={"holder": text})
        assert searched.status_code == 422


async def test_half_a_pair_and_names_not_composed_are_refused_in_every_way_in(ways: Ways) -> None:
    for field in ("holder", "address"):
        assert (await ways.entry(**{field: "Cafe\u0301检测"}))[:2] == (422, ["bad_characters"])
        found = await ways.delivery(content_=delivered(**{field: "Cafe\u0301检测"}))
        assert found[:2] == (422, ["bad_characters"])
    rows = [{**GOOD_ROSTER, "id": "nfd", "name": "Cafe\u0301检测"}]
    refused(await ways.roster(table_of(ROSTER, rows, "csv"), "csv"), ["not_composed"])
    for path, token, body in (
        ("/api/certificates", ways.office.filer, {"content": content("lab", holder="测HALF")}),
        (DELIVERIES, ways.client.token, issue(content_=delivered(holder="HALF"))),
        ("/public/complaints", "", {"number": "JC-HALF", "about": "（生成）"}),
    ):  # fmt: skip
        headers = {"Content-Type": "application/json", "Idempotency-Key": f"half-{len(path)}"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        raw = json.dumps(body).replace("HALF", "\\ud842")
        answer = await ways.house.http.post(path, content=raw, headers=headers)
        assert answer.status_code == 422, (path, answer.text)


async def test_edges_of_a_name_are_taken_off_and_it_is_found_as_it_is_printed(ways: Ways) -> None:
    status, codes, draft = await ways.entry(holder="\u200b测试检测机构（生成）\u202c ")
    assert (status, codes, draft["holder"]) == (201, [], "测试检测机构（生成）")
    _, _, receipt = await ways.delivery(
        content_=delivered(holder="\u202d杭州边缘检测（生成）\u202c")
    )
    found = await ways.house.http.get(
        "/public/certificates", params={"holder": "\u200b杭州边缘检测(生成)"}
    )
    assert [one["number"] for one in found.json()["items"]] == [receipt["number"]]


# --- what a workbook shows ------------------------------------------------------------------------


def patched(data: bytes, part: str, old: bytes, new: bytes) -> bytes:
    """A workbook in which something was replaced in one of its parts."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as was, zipfile.ZipFile(out, "w") as now:
        for name in was.namelist():
            content_ = was.read(name)
            if name == part:
                assert old in content_
                content_ = content_.replace(old, new)
            now.writestr(name, content_)
    return out.getvalue()


SHEET = "xl/worksheets/sheet1.xml"


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("JC-9001_x000D_", "JC-9001"), ("JC-9001_x005F_x000D_", "JC-9001_x000D_"),
        ("JC-9001_x000A_", "JC-9001"), ("JC-9001_x200B_", "JC-9001"),
        ("JC-9_xD842_001", None), ("JC-9_xE863_001", None),
    ],
)  # fmt: skip
async def test_escapes_of_a_workbook_are_undone_in_every_file(
    ways: Ways, written: str, shown: str | None
) -> None:
    """Escaped half a pair and private characters are what they stand for, and are refused."""
    made = {
        ways.numbers: file_of([["报告编号", "出具日期"], ["HERE", DAY]], "xlsx"),
        ways.roster: table_of(ROSTER, [{**GOOD_ROSTER, "id": "escaped", "number": "HERE"}], "xlsx"),
        ways.register: table_of(
            REGISTER, [{**GOOD_LISTED, "institution": "escaped", "number": "HERE"}], "xlsx"
        ),
        ways.batch: table_of(IMPORT, [import_row(1, institution="escaped", number="HERE")], "xlsx"),
    }
    for way, data in made.items():
        found = await way(patched(data, SHEET, b"HERE", written.encode()), "xlsx")
        assert found == ({} if shown else {2: "bad_characters"}), way
        if shown and way == ways.numbers:
            assert await ways.on_record() == {shown}
    if shown:
        held = "DELETE FROM certificates WHERE institution_id = 'escaped' RETURNING number"
        async with ways.house.engine.begin() as connection:
            assert list((await connection.execute(sql(held))).scalars()) == [shown]


@pytest.mark.parametrize("state", ["hidden", "veryHidden"])
async def test_hidden_sheets_do_not_count_in_any_file(ways: Ways, state: str) -> None:
    def with_options(data: bytes) -> bytes:
        made = openpyxl.load_workbook(io.BytesIO(data))
        made.create_sheet("选项").append(["是", "否"])
        made["选项"].sheet_state = state
        out = io.BytesIO()
        made.save(out)
        return out.getvalue()

    number = f"H-{state}"
    for way, data in (
        (ways.numbers, file_of([["报告编号", "出具日期"], [number, DAY]], "xlsx")),
        (ways.roster, table_of(ROSTER, [{**GOOD_ROSTER, "id": number, "number": number}], "xlsx")),
        (ways.register, table_of(REGISTER, [{**GOOD_LISTED, "institution": number,
                                             "number": number}], "xlsx")),
        (ways.batch, table_of(IMPORT, [import_row(1, institution="lab", number="H-9")], "xlsx")),
    ):  # fmt: skip
        assert await way(with_options(data), "xlsx") == {}


async def test_a_bare_number_is_a_day_of_the_workbook_s_own_date_system_in_every_list(
    ways: Ways,
) -> None:
    """47998 is 2035-05-31 where days are counted from 1904."""
    given = {"valid_to": 47998}
    for way, table, row in (
        (ways.roster, ROSTER, {**GOOD_ROSTER, "id": "mac", "number": "MAC-1"}),
        (ways.register, REGISTER, {**GOOD_LISTED, "institution": "mac", "number": "MAC-1"}),
    ):  # fmt: skip
        made = openpyxl.load_workbook(io.BytesIO(table_of(table, [{**row, **given}], "xlsx")))
        made.epoch = openpyxl.utils.datetime.CALENDAR_MAC_1904
        out = io.BytesIO()
        made.save(out)
        assert await way(out.getvalue(), "xlsx") == {}
        days = await ways._column("SELECT valid_to FROM certificates WHERE number = 'MAC-1'")
        assert [str(day) for day in days] == ["2035-05-31"]


# --- standards ------------------------------------------------------------------------------------

RIGHT = [
    "N2440106MF0000001T",
    "A1440106MB00000012",
    "Y1440106MB0000001" + uscc.check_digit("Y1440106MB0000001"),
    "91620102739638125B",
]
WRONG = ["N2440106MF00000010", "91620102739638125X", "A1440106MB00000013", "94620102739638125B"]


@BOTH
async def test_codes_of_gb_32100_are_taken_and_wrong_check_digits_refused_in_every_way_in(
    ways: Ways, kind: str
) -> None:
    texts = [*RIGHT, *WRONG]
    codes = dict.fromkeys(range(2 + len(RIGHT), 2 + len(texts)), "bad_uscc")
    rows = [{**GOOD_ROSTER, **NONE, "id": f"uscc-{kind}-{n}", "uscc": t}
            for n, t in enumerate(texts)]  # fmt: skip
    assert await ways.roster(table_of(ROSTER, rows, kind), kind) == codes
    rows = [{**GOOD_LISTED, "number": f"U-{kind}-{n}", "uscc": t} for n, t in enumerate(texts)]
    assert await ways.register(table_of(REGISTER, rows, kind), kind) == codes
    rows = [import_row(n, institution="lab", uscc=t) for n, t in enumerate(texts)]
    assert await ways.batch(table_of(IMPORT, rows, kind), kind) == codes
    for place, text in enumerate(texts, start=2) if kind == "csv" else ():
        office = ways.office
        path = await office.begin({"content": content("lab", uscc=text)})
        draft = (await ways.house.send("GET", f"{path}/draft", office.filer)).body
        assert [one["code"] for one in draft["problems"]] == (
            ["bad_uscc"] if place in codes else []
        )
        status, found, _ = await ways.delivery(content_=delivered(uscc=text))
        assert (status, found) == ((422, ["bad_uscc"]) if place in codes else (200, []))


@BOTH
async def test_districts_in_force_are_known_and_others_are_not(ways: Ways, kind: str) -> None:
    rows = [
        {**GOOD_ROSTER, "id": f"hz-{kind}-{region}", "region": region, "number": f"Z{kind}{region}",
         "issuer": CONNECTED}
        for region in ("330113", "330114", "330199", "999999", "330103", "330104")
    ]  # fmt: skip
    codes = dict.fromkeys((4, 5, 6, 7), "unknown_region")
    assert await ways.roster(table_of(ROSTER, rows, kind), kind) == codes


# --- what is looked up ----------------------------------------------------------------------------


async def test_a_number_is_found_as_it_is_printed_whatever_stood_around_it_in_the_file(
    ways: Ways,
) -> None:
    lines = [
        ["报告编号", "出具日期"], ["'JC-2024-77", DAY], ["ＪＣ－2024－78", DAY],
        ["JC-2024-79\ufe0f", DAY],
    ]  # fmt: skip
    assert await ways.numbers(file_of(lines, "csv"), "csv") == {}
    ways.house.ahead = timedelta(days=3)
    try:
        for asked in (
            "JC-2024-77",
            "'JC-2024-77",
            "JC-2024-78",
            "ＪＣ－2024－78",
            "JC-2024-79\u200b",
        ):
            answer = await ways.house.http.get("/public/report-numbers", params={"number": asked})
            assert answer.json()["answer"] == "found", asked
            page = await ways.house.http.get(
                "/lookup", params={"number": asked, "from": "timeline", "isappinstalled": "0"}
            )
            assert page.status_code == 200
            assert "查到该编号" in page.text
    finally:
        ways.house.ahead = timedelta()
