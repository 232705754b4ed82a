"""Uploads of report numbers for tests: institutions with a batch each, files, what is on record."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.canonical import sha256_of
from domain.numbers.quarters import Quarter
from domain.numbers.report_numbers import ChangeRequest, IngestOutcome, IngestRequest
from store import institutions, rule_sets
from store.numbers import uploads
from store.numbers.uploads import Upload, UploadProblem
from tests.system import institution

AT = datetime(2024, 10, 8, 1, 2, 3, tzinfo=UTC)
VISIBLE = datetime(2024, 10, 9, tzinfo=UTC)
HEADER = "报告编号,出具日期\r\n"
LONGEST = 64


class Numbers:
    """Makes batches and uploads on record, and looks at what became of them."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine

    async def batch(self, name: str, quarter: str = "2024Q3") -> str:
        """A batch of an institution, both new unless they are there; returns its case id."""
        case_id = f"report-numbers/{quarter}/{name}"
        period = Quarter.parse(quarter)
        async with self.engine.begin() as connection:
            if not await institutions.by_ids(connection, [name]):
                await institutions.save(connection, [institution(name, certificates=())])
            document = {"id": "test", "year": 2024, "jurisdiction": "000000", "revision": 1}
            sha256 = await rule_sets.store(connection, document)
            await connection.execute(
                text("""
                    INSERT INTO cases (case_id, kind, year, quarter, institution_id, jurisdiction,
                        campaign, rule_set, plan, status, level, authority, claimed_by, revision,
                        sequence, head, opened_at, updated_at)
                    VALUES (:case_id, 'report-numbers', :year, :quarter, :name, '000000',
                        '', :sha256, '{}', 'draft', 0, '', '', 0, 1, '', :at, :at)
                    ON CONFLICT DO NOTHING
                """),
                {
                    "case_id": case_id, "year": period.year, "quarter": period.number,
                    "name": name, "sha256": sha256, "at": AT,
                },
            )  # fmt: skip
        return case_id

    async def no(self, name: str) -> int:
        """An institution's short number."""
        return int(await self.value("SELECT no FROM institutions WHERE id = :name", name=name))

    async def upload(
        self,
        case_id: str,
        content: bytes,
        *,
        id_: str = "u1",
        media: Any = "csv",
        accept: Any = "all",
        piece: int = 1024 * 1024,
        complete: bool = True,
    ) -> IngestRequest:
        """A file on record, complete, with what asks for it to be read."""
        no = await self.no(case_id.rpartition("/")[2])
        async with self.engine.begin() as connection:
            await uploads.create(
                connection, id_, case_id, no, f"编号.{media}", media, accept, len(content), "u", AT
            )
            for start in range(0, len(content), piece):
                await uploads.append(connection, id_, start, content[start : start + piece])
            if complete:
                await uploads.complete(connection, id_, AT)
        return self.request(case_id, id_)

    def request(self, case_id: str, id_: str) -> IngestRequest:
        """What asks for an upload to be read."""
        quarter = Quarter.parse(case_id.split("/")[1])
        return IngestRequest(
            case_id=case_id, upload=id_, first_day=quarter.first_day, last_day=quarter.last_day,
            longest=LONGEST, visible_from=VISIBLE,
        )  # fmt: skip

    async def change(
        self, case_id: str, kind: str, content: dict[str, Any], id_: str = "c1"
    ) -> ChangeRequest:
        """A change on record that has yet to be made."""
        quarter = Quarter.parse(case_id.split("/")[1])
        await self.value(
            """
            INSERT INTO number_changes (id, case_id, institution_no, kind, content, sha256, reason,
                changed_by, asked_at)
            SELECT :id, :case_id, no, :kind, CAST(:content AS jsonb), :sha256, '录入有误', 'u', :at
            FROM institutions WHERE id = :name RETURNING no
            """,
            id=id_, case_id=case_id, kind=kind, content=_json(content), sha256=sha256_of(content),
            at=AT, name=case_id.rpartition("/")[2],
        )  # fmt: skip
        return ChangeRequest(
            case_id=case_id, change=id_, first_day=quarter.first_day, last_day=quarter.last_day,
            longest=LONGEST, visible_from=VISIBLE, at=AT,
        )  # fmt: skip

    async def value(self, query: str, **values: Any) -> Any:
        """The first value of a query's answer."""
        async with self.engine.begin() as connection:
            return (await connection.execute(text(query), values)).scalar()

    async def rows(self, query: str, **values: Any) -> list[tuple[Any, ...]]:
        """A query's answer."""
        async with self.engine.begin() as connection:
            return [tuple(row) for row in await connection.execute(text(query), values)]

    async def seen(self, id_: str = "u1") -> Upload:
        """An upload as it is on record."""
        async with self.engine.connect() as connection:
            found = await uploads.by_id(connection, id_)
        assert found is not None
        return found

    async def problems(self, id_: str = "u1") -> list[UploadProblem]:
        """What is wrong in an upload."""
        upload = await self.seen(id_)
        found: list[UploadProblem] = []
        async with self.engine.connect() as connection:
            while page := await uploads.problems(
                connection, upload.no, after=found[-1] if found else None
            ):
                found += page
        return found

    async def on_record(self, name: str) -> dict[str, date]:
        """An institution's live numbers."""
        found = await self.rows(
            """
            SELECT number, issued_on FROM report_numbers WHERE change_no IS NULL
            AND institution_no = (SELECT no FROM institutions WHERE id = :name)
            """,
            name=name,
        )
        assert len(found) == len(dict(found)), "a number stands twice"
        return dict(found)


def _json(content: dict[str, Any]) -> str:
    import json

    return json.dumps(content, ensure_ascii=False)


def csv_of(rows: Sequence[tuple[str, str]], header: str = HEADER) -> bytes:
    """A CSV file as Excel writes it, in UTF-8 without BOM."""
    return (header + "".join(f"{number},{day}\r\n" for number, day in rows)).encode()


def many(count: int, prefix: str = "JC") -> list[tuple[str, str]]:
    """Good rows of the third quarter of 2024, in no order of any index."""
    return [
        (f"{prefix}-{n * 7919 % 1_000_003:07d}-{n}", f"2024-0{7 + n % 3}-{1 + n % 30:02d}")
        for n in range(count)
    ]


def quiet(_: int) -> None:
    """Takes signs of progress and does nothing."""


def accepted(outcome: IngestOutcome, numbers: int) -> bool:
    """Whether all of a file was taken."""
    return (outcome.accepted, outcome.bad, outcome.numbers) == (True, 0, numbers)
