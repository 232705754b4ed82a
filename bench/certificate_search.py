"""Searching capabilities among a million lines: ``python -m bench.certificate_search``.

Generated certificates with 50 lines each, and terms of one, two and more characters that stand in
very many lines, in few, in none. Rounds in turns of the search as the application makes it, of the
same term looked for without an index, and of one certificate by its number, which is the bare
limit. Targets: what stands in few lines or in none takes at most twice the bare limit,
though it shows up to 21 certificates; what stands in many is found faster than without the index.
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import date
from pathlib import Path

import psycopg
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from deploy.embedded.postgres import EmbeddedPostgres
from domain.ids import NATION
from store.certificates.search import NOTHING, Criteria, Sight, search
from store.database import connect
from store.migrate import upgrade

TARGET = 2.0
LINES_EACH = 50
SIGNING_FOR = 5
TODAY = date(2025, 3, 22)
_PRODUCTS = """
    混凝土 钢筋 水泥 饮用水 废水 土壤 大米 食用油 玩具 服装 电缆 变压器 钢材 涂料
    塑料 橡胶 化妆品 牛奶 肉制品 茶叶 轴承 压力容器 电梯 汽车 轮胎 玻璃 陶瓷 木材
    纸张 石膏板 防水卷材 沥青 集料 砂浆 砖 铝合金 铜管 阀门 煤炭 汽油
"""
_PARAMETERS = """
    抗压强度 拉伸性能 含水率 密度 硬度 导热系数 铅 镉 汞 砷 总大肠菌群 菌落总数
    酸碱度 化学需氧量 氨氮 甲醛 苯 色牢度 绝缘电阻 耐压试验 弯曲性能 冲击韧性 粒度
    灰分 水分 蛋白质 脂肪 黄曲霉毒素 农药残留 氯离子含量 碳化深度 抗渗性能 凝结时间
    安定性 外观质量 尺寸偏差 噪声 振动 辐射 电磁兼容
"""
FREQUENT = ("水", "混凝", "混凝土", "抗压强度", "混凝土 抗压强度")
RARE = ("丁", "一丁", "黄曲霉毒素 煤炭", "铬鞣革", "没有的项目")

# the first words of both lists are the most frequent; every third parameter has two characters
# that hardly another has
_LINES = """
    INSERT INTO certificate_lines (number, kind, line, words, standard, year)
    SELECT lpad((n / %(each)s)::text, 12, '0'), 'capability', n %% %(each)s,
           (%(products)s::text[])[1 + floor(random() * random() * 40)::int] || chr(10) ||
           (%(parameters)s::text[])[1 + floor(random() * random() * 40)::int] ||
           CASE WHEN n %% 3 = 0 THEN chr(19968 + floor(random() * 20000)::int)
                                  || chr(19968 + floor(random() * 20000)::int) ELSE '' END,
           'GB/T' || n %% 9000, '2019'
    FROM generate_series(0, %(lines)s - 1) n
"""


# a signatory each, some of whom sign for several
_PEOPLE = """
    INSERT INTO certificate_lines (number, kind, line, words)
    SELECT lpad(n::text, 12, '0'), 'signatory', 0, 'signatory' || n / %(each)s
    FROM generate_series(0, %(certificates)s - 1) n
"""


def fill(address: str, lines: int) -> float:
    """Certificates with so many lines in all; the seconds that indexing the lines took."""
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("SELECT setseed(0.5)")
        connection.execute(
            """
            INSERT INTO institutions (id, name, region, legal_person, under_samr, accredited,
                                      other_qualifications, national_centres)
            SELECT 'bench-' || n, '机构' || n || '（生成）', '350102', true, false, false,
                   '[]', '[]'
            FROM generate_series(0, %s - 1) n
            """,
            [lines // LINES_EACH],
        )
        connection.execute(
            """
            INSERT INTO certificates (number, institution_id, level, issuer, scope, valid_to)
            SELECT lpad(n::text, 12, '0'), 'bench-' || n, 'provincial', 'amr-350000', 50,
                   '2099-01-01'
            FROM generate_series(0, %s - 1) n
            """,
            [lines // LINES_EACH],
        )
        connection.execute("DROP INDEX ix_certificate_lines_capability")
        values = {
            "each": LINES_EACH, "lines": lines, "products": _PRODUCTS.split(),
            "parameters": _PARAMETERS.split(),
        }  # fmt: skip
        connection.execute(_LINES, values)
        connection.execute(_PEOPLE, {"certificates": lines // LINES_EACH, "each": SIGNING_FOR})
        began = time.perf_counter()
        connection.execute(
            "CREATE INDEX ix_certificate_lines_capability ON certificate_lines "
            "USING gin (certificate_grams(words)) WHERE kind = 'capability'"
        )
        took = time.perf_counter() - began
        connection.execute("VACUUM ANALYZE certificate_lines, certificates, institutions")
        return took


async def by_index(connection: AsyncConnection, term: str) -> None:
    """The search as the application makes it: a page of the public's."""
    await search(connection, Criteria(capability=term), NOTHING, TODAY, size=21)


async def by_number(connection: AsyncConnection, number: str) -> None:
    """The same search for one certificate."""
    await search(connection, Criteria(number=number), NOTHING, TODAY, size=21)


async def by_signatory(connection: AsyncConnection, name: str) -> None:
    """What somebody signs for, as an authority that sees all searches for it."""
    await search(connection, Criteria(signatory=name), Sight(region=NATION), TODAY, size=21)


async def by_reading(connection: AsyncConnection, term: str) -> None:
    """All lines are looked through, and nothing is read of the certificates."""
    await connection.execute(text("SET LOCAL enable_bitmapscan = off"))
    await connection.execute(text("SET LOCAL enable_indexscan = off"))
    await connection.execute(text("SET LOCAL enable_indexonlyscan = off"))
    wanted = " AND ".join(f"strpos(words, :p{n}) > 0" for n, _ in enumerate(term.split()))
    await connection.execute(
        text(f"SELECT DISTINCT number FROM certificate_lines WHERE {wanted} "
             "ORDER BY number LIMIT 21"),
        {f"p{n}": part for n, part in enumerate(term.split())},
    )  # fmt: skip


async def timed(
    engine: AsyncEngine, work: Callable[[AsyncConnection, str], Awaitable[None]], asked: str
) -> float:
    """Milliseconds of one search in a transaction of its own."""
    async with engine.connect() as connection:
        began = time.perf_counter()
        await work(connection, asked)
        took = (time.perf_counter() - began) * 1000
        await connection.rollback()
        return took


async def plans(engine: AsyncEngine, terms: tuple[str, ...]) -> dict[str, str]:
    """How each term is found, and that its lines are reached through the index."""
    sent: list[tuple[str, object]] = []

    @event.listens_for(engine.sync_engine, "before_cursor_execute")
    def keep(_c: object, _cursor: object, sql: str, given: object, *_: object) -> None:
        sent.append((sql, given))

    told = {}
    for term in terms:
        async with engine.connect() as connection:
            sent.clear()
            await by_index(connection, term)
            settings, lines, *rest = sent
            await connection.exec_driver_sql(*settings)  # type: ignore[arg-type]
            rows = await connection.exec_driver_sql(f"EXPLAIN {lines[0]}", lines[1])  # type: ignore[arg-type]
            plan = "\n".join(rows.scalars())
        if "Bitmap Index Scan on ix_certificate_lines_capability" not in plan:
            raise RuntimeError(f"{term} is not found through the index:\n{plan}")
        walked = any("EXISTS" in sql for sql, _ in rest)
        told[term] = "too many lines: walked" if walked else "listed"
    event.remove(engine.sync_engine, "before_cursor_execute", keep)
    return told


async def measure(url: str, rounds: int) -> dict[str, object]:
    """Medians of each term's times in milliseconds, and how they compare."""
    engine = connect(url, pool_size=1)
    times: dict[tuple[str, str], list[float]] = {}
    kinds = {"index": by_index, "reading": by_reading}
    for number in range(-1, rounds):
        for term in (*FREQUENT, *RARE):
            for name, work in list(kinds.items())[:: 1 if number % 2 else -1]:
                took = await timed(engine, work, term)
                if number >= 0:
                    times.setdefault((name, term), []).append(took)
        took = await timed(engine, by_number, f"{abs(number):012d}")
        if number >= 0:
            times.setdefault(("number", ""), []).append(took)
        took = await timed(engine, by_signatory, f"Signatory{abs(number)}")
        if number >= 0:
            times.setdefault(("signatory", ""), []).append(took)
    ways = await plans(engine, (*FREQUENT, *RARE))
    await engine.dispose()
    middle = {key: statistics.median(found) for key, found in times.items()}
    bare = middle["number", ""]
    of_bare = max(middle["index", term] / bare for term in RARE)
    of_reading = max(middle["index", term] / middle["reading", term] for term in FREQUENT)
    return {
        "by number, ms": round(bare, 2),
        "by signatory, ms": round(middle["signatory", ""], 2),
        "terms": {
            term: {
                "ms": round(middle["index", term], 2),
                "reading_ms": round(middle["reading", term], 1),
                "way": ways[term],
            }
            for term in (*FREQUENT, *RARE)
        },
        "rare, of bare limit": round(of_bare, 2),
        "signatory, of bare limit": round(middle["signatory", ""] / bare, 2),
        "frequent, of reading": round(of_reading, 2),
        "met": of_bare <= TARGET and of_reading < 1,
    }


def main(lines: int, rounds: int) -> dict[str, object]:
    """Fills a database and measures on it."""
    with tempfile.TemporaryDirectory(prefix="zb") as folder, EmbeddedPostgres(Path(folder)) as db:
        upgrade(db.owner_url)
        address = db.owner_url.replace("+psycopg", "")
        told: dict[str, object] = {"target": TARGET, "lines": lines}
        told["indexing, s"] = round(fill(address, lines), 1)
        with psycopg.connect(address) as connection:
            sizes = connection.execute(
                "SELECT pg_table_size('certificate_lines') / 1000000, "
                "pg_relation_size('ix_certificate_lines_capability') / 1000000"
            ).fetchone()
            assert sizes is not None
            told["table and index, MB"] = list(sizes)
        return told | asyncio.run(measure(db.url, rounds))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--short", action="store_true", help="few lines: that it still runs")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--check", action="store_true", help="exit with 1 below the target")
    given = parser.parse_args()
    if given.short:
        given.lines, given.rounds = 50_000, 3
    result = main(given.lines, given.rounds)
    if given.json:
        print(json.dumps(result, ensure_ascii=False))
    else:
        for key, value in result.items():
            if isinstance(value, dict):
                for name, one in value.items():
                    print(f"{name:20}{one}")
            else:
                print(f"{key:20}{value}")
    sys.exit(1 if given.check and not result["met"] else 0)
