"""Batch imports of certificates: the files, each certificate's outcome, every problem."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Select, and_, delete, func, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.certificates.imports import ImportMode, ImportStage, RowOutcome
from domain.model import Value
from domain.refusals import Refused
from store.data_keys import hiding
from store.hidden import Destroyed, Hiding, ToHide, destroyed, import_subject
from store.tables import (
    certificate_import_problems,
    certificate_import_rows,
    certificate_imports,
)

_CHUNK = 1_000
_SETTLED = (RowOutcome.ISSUED.value, RowOutcome.APPLIED.value)


class Import(Value):
    """One file. ``counts`` are its certificates by outcome, ``problems`` what is wrong by level.

    ``institutions`` counts those that it brought on record.
    """

    id: str
    authority: str
    filename: str
    sha256: str
    mode: ImportMode
    stage: ImportStage
    lines: int
    total: int
    requested_by: str
    institutions: int
    requested_at: datetime
    finished_at: datetime | None
    counts: dict[RowOutcome, int]
    problems: dict[str, int]


class ImportRow(Value):
    """One certificate of a file and what has become of it; ``row`` is its first row."""

    row: int
    institution_id: str
    holder: str
    outcome: RowOutcome
    number: str
    code: str
    case_id: str
    problem: str
    message: str


class ImportProblem(Value):
    """Something wrong, or to be looked at, in one cell, row or file (row 0)."""

    no: int
    row: int
    column: str
    code: str
    message: str
    mend: str
    level: str
    institution_id: str = ""
    holder: str = ""


class Waiting(Value):
    """A certificate whose turn it is; ``given`` is an `ImportedCertificate` as JSON."""

    row: int
    place: int
    given: dict[str, Any]


# --- reading --------------------------------------------------------------------------------------


async def by_id(connection: AsyncConnection, id_: str) -> Import | None:
    """One import, None if there is none with this id."""
    found = await _imports(
        connection, select(certificate_imports).where(certificate_imports.c.id == id_)
    )
    return found[0] if found else None


async def page(
    connection: AsyncConnection, authority: str, before: tuple[datetime, str] | None, size: int
) -> list[Import]:
    """An authority's imports, newest first, those before an instant and an id."""
    columns = certificate_imports.c
    query = select(certificate_imports).where(columns.authority == authority)
    if before is not None:
        query = query.where(tuple_(columns.requested_at, columns.id) < tuple_(*before))
    newest = query.order_by(columns.requested_at.desc(), columns.id.desc())
    return await _imports(connection, newest.limit(size))


async def working(connection: AsyncConnection) -> list[str]:
    """The ids of all imports that are to be worked through, the oldest first."""
    columns = certificate_imports.c
    found = await connection.execute(
        select(columns.id)
        .where(columns.stage == ImportStage.WORKING.value)
        .order_by(columns.requested_at, columns.id)
    )
    return list(found.scalars())


async def _imports(connection: AsyncConnection, query: Select[Any]) -> list[Import]:
    rows = (await connection.execute(query)).mappings().all()
    ids = [row["id"] for row in rows]
    counts: dict[str, dict[RowOutcome, int]] = {id_: {} for id_ in ids}
    problems: dict[str, dict[str, int]] = {id_: {} for id_ in ids}
    for table, column, kept in (
        (certificate_import_rows, certificate_import_rows.c.outcome, counts),
        (certificate_import_problems, certificate_import_problems.c.level, problems),
    ):
        grouped = await connection.execute(
            select(table.c.import_id, column, func.count())
            .where(table.c.import_id == func.any(ids))
            .group_by(table.c.import_id, column)
        )
        for id_, name, number in grouped:
            kept[id_][name] = number
    return [Import(**row, counts=counts[row["id"]], problems=problems[row["id"]]) for row in rows]


async def rows(
    connection: AsyncConnection,
    id_: str,
    *,
    after: int = 0,
    size: int = 200,
    outcome: RowOutcome | None = None,
) -> list[ImportRow]:
    """Certificates of an import in the order of the file."""
    columns = certificate_import_rows.c
    query = select(*(columns[name] for name in ImportRow.model_fields)).where(
        columns.import_id == id_, columns.row > after
    )
    if outcome is not None:
        query = query.where(columns.outcome == outcome.value)
    found = await connection.execute(query.order_by(columns.row).limit(size))
    return [ImportRow(**row) for row in found.mappings()]


async def problems(
    connection: AsyncConnection, id_: str, size: int | None = None
) -> list[ImportProblem]:
    """What is wrong in an import, in the order of the file."""
    columns = certificate_import_problems.c
    query = select(*(columns[name] for name in ImportProblem.model_fields)).where(
        columns.import_id == id_
    )
    found = await connection.execute(query.order_by(columns.no).limit(size))
    return [ImportProblem(**row) for row in found.mappings()]


async def waiting(connection: AsyncConnection, id_: str, size: int) -> list[Waiting]:
    """The certificates of an import whose turn is next, in order. Raises Refused: destroyed."""
    columns = certificate_import_rows.c
    found = await connection.execute(
        select(columns.row, columns.place, columns.given)
        .where(columns.import_id == id_, columns.outcome == RowOutcome.WAITING.value)
        .order_by(columns.place, columns.row)
        .limit(size)
    )
    listed = found.mappings().all()
    if any(row["given"] is Destroyed.KEY for row in listed):
        raise Refused(destroyed(import_subject(id_)))
    return [Waiting(**row) for row in listed]


# --- writing --------------------------------------------------------------------------------------


async def lock(connection: AsyncConnection, id_: str) -> None:
    """Keeps others from the same import until the transaction ends."""
    await connection.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"),
        {"name": f"certificate-import/{id_}"},
    )


async def save(
    connection: AsyncConnection,
    values: dict[str, Any],
    found_rows: Sequence[dict[str, Any]],
    found_problems: Sequence[dict[str, Any]],
) -> None:
    """Keeps an import as it was checked now; what it has issued before stays as it is."""
    id_ = values["id"]
    await connection.execute(
        insert(certificate_imports)
        .values(values)
        .on_conflict_do_update(index_elements=["id"], set_={**values, "finished_at": None})
    )
    wanted = insert(certificate_import_rows)
    replaced = {
        column.name: wanted.excluded[column.name]
        for column in certificate_import_rows.c
        if column.name not in ("import_id", "row", "updated_at")
    }
    key = await hiding(connection, import_subject(id_))
    kept = [
        {"import_id": id_, **row, "given": _hidden(key, row["given"], row)} for row in found_rows
    ]
    for chunk in _chunks(kept):
        await connection.execute(
            wanted.on_conflict_do_update(
                index_elements=["import_id", "row"],
                set_={**replaced, "updated_at": func.now()},
                where=and_(*(certificate_import_rows.c.outcome != one for one in _SETTLED)),
            ),
            chunk,
        )
    await connection.execute(
        delete(certificate_import_problems).where(certificate_import_problems.c.import_id == id_)
    )
    told = [
        {"import_id": id_, **one, "message": _hidden(key, one["message"], one)}
        for one in found_problems
    ]
    for chunk in _chunks(told):
        await connection.execute(insert(certificate_import_problems), chunk)


async def settle(
    connection: AsyncConnection,
    id_: str,
    row: int,
    outcome: RowOutcome,
    *,
    number: str = "",
    code: str = "",
    case_id: str = "",
    problem: str = "",
    message: str = "",
) -> None:
    """Writes down what has become of a certificate whose turn it was."""
    columns = certificate_import_rows.c
    await connection.execute(
        update(certificate_import_rows)
        .where(
            columns.import_id == id_,
            columns.row == row,
            columns.outcome == RowOutcome.WAITING.value,
        )
        .values(
            outcome=outcome.value,
            number=number,
            code=code,
            case_id=case_id,
            problem=problem,
            message=message,
            given=None,
            updated_at=func.now(),
        )
    )


async def finish(connection: AsyncConnection, id_: str, at: datetime) -> bool:
    """Closes an import that nothing waits in any more; False if something does."""
    columns = certificate_imports.c
    left = select(certificate_import_rows.c.row).where(
        certificate_import_rows.c.import_id == id_,
        certificate_import_rows.c.outcome == RowOutcome.WAITING.value,
    )
    await lock(connection, id_)
    done = await connection.execute(
        update(certificate_imports)
        .where(
            columns.id == id_,
            columns.stage == ImportStage.WORKING.value,
            ~left.exists(),
        )
        .values(stage=ImportStage.DONE.value, finished_at=at)
    )
    return bool(done.rowcount)


def _hidden(key: Hiding, value: Any, row: dict[str, Any]) -> ToHide | None:
    """What a row of a file gave, or was told of it: people are named there."""
    return None if value is None else key.of(value, str(row["row"]))


def _chunks(values: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    return [values[start : start + _CHUNK] for start in range(0, len(values), _CHUNK)]
