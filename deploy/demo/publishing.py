"""Putting generated rules in force: their windows lie around today, not in their own year.

What people write is published by `services.publishing` alone, which would refuse these dates.
"""

from contextlib import suppress
from datetime import datetime
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncEngine

from domain.case.commands import Actor, Role
from domain.ids import NATION
from rules.file.library import RulesInvalid, current_library
from services.publishing import put_in_force
from store.database import connect

_DEMO = Actor(subject="demo-operator", role=Role.OPERATOR, scope=NATION)


async def publish_generated(engine: AsyncEngine, rules: Path, now: datetime) -> None:
    """Has all sets of a folder in force that are in order; those that are so already stay."""
    library = current_library(rules)
    sets = []
    for year, place in library.sets():
        with suppress(RulesInvalid):
            sets.append(library.resolve(year, place))
    fit = [one for one in sets if one.not_publishable is None]
    key = f"generated-{now:%Y%m%d%H%M%S%f}"
    async with engine.begin() as connection:
        await put_in_force(connection, fit, _DEMO, key, "（生成）", now)


async def publish_at(database_url: str, rules: Path, now: datetime) -> None:
    """As `publish_generated`, in a database that nobody is connected to yet."""
    engine = connect(database_url, pool_size=1)
    try:
        await publish_generated(engine, rules, now)
    finally:
        await engine.dispose()
