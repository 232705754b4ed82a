"""Files that an institution puts beside its filing. None is ever lost: removed ones are kept."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.model import Value
from domain.refusals import Refused
from store.data_keys import hiding
from store.hidden import Destroyed, destroyed
from store.tables import filing_files


class FilingFile(Value):
    """A file beside a filing, without its content; ``scanned``: ``clean`` or ``not_scanned``."""

    sha256: str
    name: str
    media: str
    size: int
    scanned: str
    added_by: str
    added_at: datetime


_NAMED = [filing_files.c[name] for name in FilingFile.model_fields]


async def add(connection: AsyncConnection, case_id: str, file: FilingFile, content: bytes) -> None:
    """Puts a file beside a filing; one that was removed stands again."""
    values = {**file.model_dump(), "removed_by": "", "removed_at": None}
    key = await hiding(connection, case_id)
    await connection.execute(
        insert(filing_files)
        .values(case_id=case_id, content=key.of(content, file.sha256), **values)
        .on_conflict_do_update(
            index_elements=["case_id", "sha256"],
            set_=values,
            where=filing_files.c.removed_at.is_not(None),
        )
    )


async def remove(
    connection: AsyncConnection, case_id: str, sha256: str, by: str, at: datetime
) -> bool:
    """Takes a file from beside a filing; False where none stands there."""
    done = await connection.execute(
        update(filing_files)
        .where(
            filing_files.c.case_id == case_id,
            filing_files.c.sha256 == sha256,
            filing_files.c.removed_at.is_(None),
        )
        .values(removed_by=by, removed_at=at)
    )
    return done.rowcount > 0


async def was_added(connection: AsyncConnection, case_id: str, sha256: str) -> bool:
    """Whether a file was ever put beside a filing, be it removed or not."""
    rows = await connection.execute(
        select(filing_files.c.sha256).where(
            filing_files.c.case_id == case_id, filing_files.c.sha256 == sha256
        )
    )
    return rows.first() is not None


async def standing(connection: AsyncConnection, case_id: str) -> list[FilingFile]:
    """The files beside a filing now, in the order they came."""
    return await _listed(connection, case_id, filing_files.c.removed_at.is_(None))


async def named(
    connection: AsyncConnection, case_id: str, hashes: Collection[str]
) -> list[FilingFile]:
    """Those of a filing's files that have these hashes, removed or not, in the order they came."""
    return await _listed(connection, case_id, filing_files.c.sha256 == func.any(list(hashes)))


async def _listed(
    connection: AsyncConnection, case_id: str, wanted: ColumnElement[bool]
) -> list[FilingFile]:
    rows = await connection.execute(
        select(*_NAMED)
        .where(filing_files.c.case_id == case_id, wanted)
        .order_by(filing_files.c.added_at, filing_files.c.sha256)
    )
    return [FilingFile(**row) for row in rows.mappings()]


async def content(
    connection: AsyncConnection, case_id: str, sha256: str
) -> tuple[FilingFile, bytes] | None:
    """A file beside a filing, removed or not, with its content; None for none.

    Raises Refused: its key has been destroyed, or it is not what was added.
    """
    rows = await connection.execute(
        select(*_NAMED, filing_files.c.content).where(
            filing_files.c.case_id == case_id,
            filing_files.c.sha256 == sha256,
        )
    )
    row = rows.mappings().first()
    if row is None:
        return None
    if row["content"] is Destroyed.KEY:
        raise Refused(destroyed(case_id))
    known = {name: row[name] for name in FilingFile.model_fields}
    return FilingFile(**known), row["content"]
