"""A lookup to ask, and shorthand for what stands in its tables; no workflow engine is needed."""

import asyncio
import itertools
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import date, datetime, timedelta
from typing import Any

import httpx
import uvicorn
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from temporalio.client import Client

from api.door.app import create_app
from api.door.parts import Parts, build_parts
from api.server import LONGEST_ASKED
from domain.citation import Citation
from domain.clock import BEIJING
from domain.decision import Eligibility, PublicAnswer
from domain.facts import Facts
from domain.numbers.report_numbers import ANSWER_LABELS, Answer
from rules.file.library import SHIPPED
from services.numbers.lookup import LookupService, PublicRules
from services.rate_limits import RateLimits
from settings import Settings
from store import institutions, rule_sets
from store.database import connect_public
from store.numbers import report_numbers
from store.tables import cases
from tests.system import KEY, disposed, institution

LIMITS = (
    "由上传机构对内容的真实性负责，查询结果仅为编号信息，无报告完整信息，"
    "不能单独作为验证报告真伪的手段"
)
DAY = datetime(2025, 3, 22, tzinfo=BEIJING)
"""The day from which what `Lookups.put` puts on record can be looked up."""

BATCH = "report-numbers/2025Q1/test"
"""The batch that all uploads here belong to."""

WIDE = RateLimits("1000000/minute", "1000000/minute")


class SomeRules:
    """Words and eligibility as a national rule set gives them: a certificate in force."""

    public_answers: Mapping[Answer, PublicAnswer] = {
        answer: PublicAnswer(
            title=ANSWER_LABELS[answer],
            says=f"（测试）{ANSWER_LABELS[answer]}。",
            proves="（测试）能说明什么。",
            does_not_prove=LIMITS,
            next_step="（测试）下一步。",
            cites=(Citation(document="市监检测函〔2024〕595号", clause="三（一）", quote=LIMITS),),
        )
        for answer in Answer
    }

    def number_eligibility(self, facts: Facts, today: date) -> Eligibility:
        return Eligibility(eligible=any(one.valid_to >= today for one in facts.certificates))


class Lookups:
    """The application with a clock that tests move, and its tables."""

    def __init__(self, engine: AsyncEngine, parts: Parts, http: httpx.AsyncClient) -> None:
        self.engine = engine
        self.parts = parts
        self.http = http
        self.now = DAY + timedelta(hours=9)
        self._ids = itertools.count(1)

    async def ask(self, number: str, institution: str | None = None, **headers: str) -> Any:
        """The lookup's answer, which must be one."""
        given = {"number": number} | ({"institution": institution} if institution else {})
        answer = await self.http.get("/public/report-numbers", params=given, headers=headers)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def add(self, name: str, region: str = "350102", **facts: Any) -> int:
        """An institution of this name; its short number."""
        id_ = f"lookup-{next(self._ids)}"
        one = institution(id_, region, **facts).model_copy(update={"name": name})
        async with self.engine.begin() as connection:
            await institutions.save(connection, [one])
            found = await connection.execute(
                text("SELECT no FROM institutions WHERE id = :id"), {"id": id_}
            )
            return int(found.scalar_one())

    async def put(
        self,
        institution_no: int,
        *numbers: str,
        issued_on: date = date(2025, 3, 18),
        visible_from: datetime | None = DAY,
        stage: str = "accepted",
        change: tuple[str, str, datetime] | None = None,
    ) -> None:
        """An upload of these numbers; ``change`` is kind, reason and instant."""
        number = next(self._ids)
        async with self.engine.begin() as connection:
            await _case(connection)
            upload = await connection.execute(
                text("""
                    INSERT INTO uploads (id, case_id, institution_no, filename, media, accept,
                                         stage, visible_from, created_by, created_at)
                    VALUES (:id, :case, :no, 'f.csv', 'csv', 'all', :stage, :visible, 'x', now())
                    RETURNING no
                """),
                {"id": f"u{number}", "case": BATCH, "no": institution_no, "stage": stage,
                 "visible": visible_from},
            )  # fmt: skip
            values = {
                "numbers": list(numbers), "issued": issued_on, "no": institution_no,
                "upload": upload.scalar_one(), "change": None,
            }  # fmt: skip
            if change is not None:
                made = await connection.execute(
                    text("""
                        INSERT INTO number_changes (id, case_id, institution_no, kind, content,
                                            sha256, reason, changed_by, asked_at, made_at)
                        VALUES (:id, :case, :no, :kind, '[]', '', :reason, 'x', :at, :at)
                        RETURNING no
                    """),
                    {"id": f"c{number}", "case": BATCH, "no": institution_no, "kind": change[0],
                     "reason": change[1], "at": change[2]},
                )  # fmt: skip
                values["change"] = made.scalar_one()
            await connection.execute(
                text("""
                    INSERT INTO report_numbers
                    SELECT unnest(CAST(:numbers AS text[])), :issued, :no, :upload, :change
                """),
                values,
            )


async def _case(connection: AsyncConnection) -> None:
    """The batch that all uploads here belong to."""
    document = {"id": "test", "year": 2025, "jurisdiction": "000000", "revision": 1}
    values = {
        "case_id": BATCH, "kind": "report-numbers", "year": 2025, "jurisdiction": "000000",
        "campaign": "c", "rule_set": await rule_sets.store(connection, document), "plan": {},
        "status": "draft", "level": 0, "authority": "", "claimed_by": "", "revision": 0,
        "sequence": 1, "head": "", "opened_at": DAY, "updated_at": DAY,
    }  # fmt: skip
    await connection.execute(insert(cases).values(values).on_conflict_do_nothing())


async def partitions(engine: AsyncEngine, *years: int) -> None:
    """A partition for each of these years."""
    async with engine.begin() as connection:
        for year in years:
            await report_numbers.ensure_years(connection, year, year)


@asynccontextmanager
async def lookups_on(
    engine: AsyncEngine,
    limits: RateLimits = WIDE,
    read: Callable[[], PublicRules] = SomeRules,
) -> AsyncIterator[Lookups]:
    """The whole application over a database; its engine client connects to nothing."""
    settings = Settings(
        database_url=SecretStr("postgresql+psycopg://unused"),
        temporal_address="unused",
        token_key=SecretStr(KEY),
        rules=SHIPPED,
    )
    holder: list[Lookups] = []

    def clock() -> datetime:
        return holder[0].now

    client = await Client.connect("127.0.0.1:1", lazy=True)
    public = connect_public(engine.url, longest=LONGEST_ASKED, pool_size=4)
    parts = build_parts(settings, client, engine, clock, public)
    service = LookupService(public, read, clock, limits)
    parts = Parts(**{**vars(parts), "lookups": service})
    transport = httpx.ASGITransport(app=create_app(parts), raise_app_exceptions=False)
    async with (
        disposed(public),
        httpx.AsyncClient(transport=transport, base_url="http://test") as http,
    ):
        holder.append(Lookups(engine, parts, http))
        async with service.running():
            yield holder[0]


@asynccontextmanager
async def served(parts: Parts, **options: Any) -> AsyncIterator[str]:
    """The application behind a real HTTP server; its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = uvicorn.Config(
        create_app(parts), port=port, log_config=None, access_log=False, lifespan="off", **options
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await serving
