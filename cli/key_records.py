"""What is done to keys on the command line is on record, where there is a record."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from cli.terminal import err

if TYPE_CHECKING:
    from settings import Settings


def put_on_record(place: Path, data: Path) -> None:
    """Puts on record the keys in a folder of the system at hand; of another folder, nothing."""
    from pydantic import ValidationError
    from sqlalchemy.exc import SQLAlchemyError

    from services.keys import KeyMissing
    from settings import SettingMissing, of_system

    try:
        settings = of_system(data)
    except SettingMissing:
        # keys may be made where no system is; a worker that has them puts them on record
        return
    try:
        asyncio.run(_note(settings, place.resolve()))
    except (SQLAlchemyError, ValidationError, KeyMissing, OSError):
        err.print("连不上数据库，这一改动没有记入日志；工作进程启动后补记。")


async def _note(settings: Settings, place: Path) -> None:
    from cli.system import operator
    from services.clock import system_clock
    from services.key_records import KeyRecords
    from settings import key_folders
    from store.database import connect

    folders = {
        purpose: folder
        for purpose, folder in key_folders(settings).items()
        if folder.resolve() == place
    }
    rings = place if settings.keys is not None and settings.keys.resolve() == place else None
    if not folders and rings is None:
        return
    engine = connect(settings.database_url.get_secret_value(), pool_size=1)
    try:
        await KeyRecords(engine, folders, rings, system_clock).note(operator())
    finally:
        await engine.dispose()
