"""Uploads of report numbers: their pieces while they arrive, how far they are, what was wrong."""

import hashlib
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from sqlalchemy import (
    DateTime,
    Label,
    Select,
    cast,
    delete,
    exists,
    func,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.model import Value
from domain.numbers.commands import ReceiveUpload
from domain.numbers.report_numbers import GATE_REFUSALS, UploadStage
from domain.refusals import Refusal
from store import readable
from store.sight import driver_of
from store.tables import (
    journal,
    number_changes,
    refusals,
    upload_pieces,
    upload_problems,
    uploads,
)

_UNDECIDED = (UploadStage.QUEUED, UploadStage.READING, UploadStage.CHECKING)
_ENDED = (
    UploadStage.ACCEPTED,
    UploadStage.REJECTED,
    UploadStage.REPEATED,
    UploadStage.ABANDONED,
)


class Upload(Value):
    """One upload. ``bad`` and ``rows`` grow while it is read; ``accepted`` is known at the end.

    ``command`` is what its case is told once it is complete, ``refusal`` why the case did not take
    it, None if it did or has not answered. ``trouble`` keeps it from being read.
    """

    no: int
    id: str
    case_id: str
    institution_no: int
    filename: str
    media: Literal["csv", "xlsx", "correction"]
    accept: Literal["all", "good"]
    declared_bytes: int | None
    received_bytes: int
    sha256: str
    stage: UploadStage
    rows: int
    bad: int
    accepted: int
    digest: str
    repeats: str | None
    visible_from: datetime | None
    created_by: str
    created_at: datetime
    received_at: datetime | None
    decided_at: datetime | None
    trouble: str
    command: ReceiveUpload | None
    refusal: Refusal | None = None

    @property
    def decided(self) -> bool:
        """Whether its file was taken or not, once and for all."""
        return self.stage in _ENDED


class UploadProblem(Value):
    """One thing wrong in an upload; `domain.numbers.row_checks.words` says it in Chinese."""

    row: int
    column: str
    code: str
    detail: str


class Append(StrEnum):
    """What became of a piece."""

    KEPT = "kept"
    KEPT_BEFORE = "kept_before"
    GAP = "gap"
    OTHER_CONTENT = "other_content"
    TOO_MANY_BYTES = "too_many_bytes"
    NOT_RECEIVING = "not_receiving"
    UNKNOWN = "unknown"


class Appended(Value):
    """What became of a piece, and how many bytes are there now: where the next piece begins."""

    outcome: Append
    received_bytes: int


class Completion(StrEnum):
    """What became of the wish to complete an upload."""

    COMPLETE = "complete"
    COMPLETE_BEFORE = "complete_before"
    BYTES_MISSING = "bytes_missing"
    EMPTY = "empty"
    NOT_RECEIVING = "not_receiving"
    UNKNOWN = "unknown"


async def create(
    connection: AsyncConnection,
    id_: str,
    case_id: str,
    institution_no: int,
    filename: str,
    media: Literal["csv", "xlsx"],
    accept: Literal["all", "good"],
    declared_bytes: int | None,
    by: str,
    at: datetime,
) -> Upload | None:
    """Begins an upload; None if somebody else has begun one of this id."""
    values = {
        "id": id_, "case_id": case_id, "institution_no": institution_no, "filename": filename,
        "media": media, "accept": accept, "declared_bytes": declared_bytes, "created_by": by,
        "created_at": at,
    }  # fmt: skip
    made = await connection.execute(
        insert(uploads)
        .values(values)
        .on_conflict_do_nothing(index_elements=[uploads.c.id])
        .returning(uploads)
    )
    row = made.mappings().first()
    return Upload(**row) if row else None


def _refusal() -> Label[Any]:
    """Why its case last refused the command of an upload that it never took."""
    untaken = uploads.c.stage.in_([UploadStage.QUEUED.value, UploadStage.REJECTED.value])
    refused = (
        select(refusals.c.refusal)
        .where(
            refusals.c.case_id == uploads.c.case_id,
            refusals.c.command_id == uploads.c.command["id"].astext,
            untaken,
        )
        .order_by(refusals.c.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    return refused.label("refusal")


async def by_id(
    connection: AsyncConnection, id_: str, *, for_update: bool = False
) -> Upload | None:
    """One upload, None if there is none with this id; locked for this transaction if asked."""
    query = select(uploads, _refusal()).where(uploads.c.id == id_)
    if for_update:
        query = query.with_for_update(key_share=True, of=uploads)
    row = (await connection.execute(query)).mappings().first()
    return Upload(**row) if row else None


async def of_case(
    connection: AsyncConnection, case_id: str, *, before: int | None = None, size: int = 50
) -> list[Upload]:
    """A case's uploads, the newest first, ``before`` the ``no`` of the page before's last."""
    query = select(uploads, _refusal()).where(
        uploads.c.case_id == case_id, uploads.c.media != "correction"
    )

    def following(last: int | None) -> Select[Any]:
        older = query if last is None else query.where(uploads.c.no < last)
        return older.order_by(uploads.c.no.desc())

    return await readable.page(
        connection, following, lambda row: Upload(**row), lambda row: row["no"], before, size
    )


async def not_on_record(connection: AsyncConnection, found: Sequence[Upload]) -> frozenset[str]:
    """Those of some uploads that their case has received and not yet told the outcome of."""
    received = exists().where(
        journal.c.case_id == uploads.c.case_id,
        journal.c.command_id == uploads.c.command["id"].astext,
    )
    finished = exists().where(
        journal.c.case_id == uploads.c.case_id,
        journal.c.command_id == func.concat("finish:", uploads.c.id),
    )
    query = select(uploads.c.id).where(
        uploads.c.no.in_([one.no for one in found]), received, ~finished
    )
    return frozenset((await connection.execute(query)).scalars())


async def same_file(connection: AsyncConnection, case_id: str, sha256: str) -> Upload | None:
    """The accepted upload of a case with the very same file, None if there is none.

    Numbers that were withdrawn or corrected since may be uploaded again: then there is none.
    """
    changed = exists().where(
        number_changes.c.case_id == case_id, number_changes.c.made_at >= uploads.c.decided_at
    )
    query = select(uploads).where(
        uploads.c.case_id == case_id,
        uploads.c.sha256 == sha256,
        uploads.c.stage == UploadStage.ACCEPTED.value,
        ~changed,
    )
    row = (await connection.execute(query.order_by(uploads.c.no).limit(1))).mappings().first()
    return Upload(**row) if row else None


async def append(connection: AsyncConnection, id_: str, at_byte: int, content: bytes) -> Appended:
    """Keeps a piece that begins at ``at_byte``, once.

    What was received before may come again, cut differently too, and changes nothing. A gap, other
    content where some is already, and more bytes than were declared change nothing either.
    """
    upload = await by_id(connection, id_, for_update=True)
    if upload is None:
        return Appended(outcome=Append.UNKNOWN, received_bytes=0)
    received = upload.received_bytes

    def told(outcome: Append) -> Appended:
        return Appended(outcome=outcome, received_bytes=received)

    if upload.stage is not UploadStage.RECEIVING:
        return told(Append.NOT_RECEIVING)
    if at_byte > received:
        return told(Append.GAP)
    end, before = at_byte + len(content), received - at_byte
    if upload.declared_bytes is not None and end > upload.declared_bytes:
        return told(Append.TOO_MANY_BYTES)
    # what is sent again may be cut into other pieces than the first time
    if before and not await _stands(connection, upload.no, at_byte, content[:before]):
        return told(Append.OTHER_CONTENT)
    if end <= received:
        return told(Append.KEPT_BEFORE)
    piece = {"upload_no": upload.no, "at_byte": received, "content": content[before:]}
    await connection.execute(insert(upload_pieces).values(piece))
    await connection.execute(
        update(uploads).where(uploads.c.no == upload.no).values(received_bytes=end)
    )
    return Appended(outcome=Append.KEPT, received_bytes=end)


async def _stands(
    connection: AsyncConnection, upload_no: int, at_byte: int, content: bytes
) -> bool:
    """Whether just this was received from ``at_byte`` on."""
    place, end = upload_pieces.c.at_byte, at_byte + len(content)
    found = await connection.execute(
        select(place, upload_pieces.c.content)
        .where(upload_pieces.c.upload_no == upload_no, place < end)
        .where(place + func.length(upload_pieces.c.content) > at_byte)
        .order_by(place)
    )
    for start, piece in found:
        first, last = max(start, at_byte), min(start + len(piece), end)
        if piece[first - start : last - start] != content[first - at_byte : last - at_byte]:
            return False
    return True


async def pieces(connection: AsyncConnection, upload_no: int) -> AsyncIterator[bytes]:
    """An upload's content in order, piece by piece; one of them at a time is in memory."""
    raw = await driver_of(connection)
    query = """
        SELECT at_byte, content FROM upload_pieces WHERE upload_no = %s AND at_byte > %s
        ORDER BY at_byte LIMIT 1
    """
    after = -1
    # in binary: as text, bytes come as twice as many hexadecimal digits
    while row := await (await raw.execute(query, (upload_no, after), binary=True)).fetchone():
        after, content = row
        yield content


async def complete(connection: AsyncConnection, id_: str, at: datetime) -> Completion:
    """Closes an upload: all bytes are there, its SHA-256 is known, it waits to be read."""
    upload = await by_id(connection, id_, for_update=True)
    if upload is None:
        return Completion.UNKNOWN
    if upload.stage is UploadStage.ABANDONED:
        return Completion.NOT_RECEIVING
    if upload.stage in _UNDECIDED or upload.decided:
        return Completion.COMPLETE_BEFORE
    if upload.stage is not UploadStage.RECEIVING:
        return Completion.NOT_RECEIVING
    if upload.declared_bytes not in (None, upload.received_bytes):
        return Completion.BYTES_MISSING
    if not upload.received_bytes:
        return Completion.EMPTY
    sha256 = hashlib.sha256()
    async for piece in pieces(connection, upload.no):
        sha256.update(piece)
    await connection.execute(
        update(uploads)
        .where(uploads.c.no == upload.no)
        .values(sha256=sha256.hexdigest(), received_at=at, stage=UploadStage.QUEUED.value)
    )
    return Completion.COMPLETE


async def keep_command(connection: AsyncConnection, id_: str, command: ReceiveUpload) -> None:
    """Keeps what the case is to be told, until it has been told, whoever comes to do it."""
    await connection.execute(
        update(uploads).where(uploads.c.id == id_).values(command=command.model_dump(mode="json"))
    )


async def never_handed_over(
    connection: AsyncConnection, before: datetime, *, size: int = 1_000
) -> list[Upload]:
    """Uploads that were completed before an instant, and whose case has never answered.

    Neither a step nor a refusal of the case names the command. What it refused stays as it is.
    """
    command = uploads.c.command
    answered = [
        exists().where(
            table.c.case_id == uploads.c.case_id, table.c.command_id == command["id"].astext
        )
        for table in (journal, refusals)
    ]
    query = select(uploads).where(
        uploads.c.stage == UploadStage.QUEUED.value,
        command.is_not(None),
        cast(command["received_at"].astext, DateTime(timezone=True)) < before,
        *(~one for one in answered),
    )
    found = await connection.execute(query.order_by(uploads.c.no).limit(size))
    return readable.rows(found.mappings(), lambda row: Upload(**row), lambda row: row["id"])


async def end_refused(connection: AsyncConnection, case_id: str, at: datetime) -> None:
    """Ends the uploads of a case that were refused at the gate, and lets go of their pieces."""
    at_the_gate = exists().where(
        refusals.c.case_id == case_id,
        refusals.c.command_id == uploads.c.command["id"].astext,
        refusals.c.refusal["code"].astext.in_([code.value for code in GATE_REFUSALS]),
    )
    ended = await connection.execute(
        update(uploads)
        .where(
            uploads.c.case_id == case_id,
            uploads.c.stage == UploadStage.QUEUED.value,
            at_the_gate,
        )
        .values(stage=UploadStage.REJECTED.value, decided_at=at)
        .returning(uploads.c.no)
    )
    for upload_no in ended.scalars().all():
        await delete_pieces(connection, upload_no)


async def mark_repeated(connection: AsyncConnection, id_: str, earlier: str, at: datetime) -> bool:
    """Ends an upload still unread: its file was accepted before. False if it is too late."""
    done = await connection.execute(
        update(uploads)
        .where(uploads.c.id == id_, uploads.c.stage == UploadStage.QUEUED.value)
        .values(stage=UploadStage.REPEATED.value, repeats=earlier, decided_at=at)
        .returning(uploads.c.no)
    )
    return await _without_pieces(connection, done.scalar_one_or_none())


async def abandon(connection: AsyncConnection, id_: str, at: datetime) -> bool:
    """Gives an upload up that nobody has begun to read, and its pieces. False if it is too late."""
    done = await connection.execute(
        update(uploads)
        .where(
            uploads.c.id == id_,
            uploads.c.stage.in_([UploadStage.RECEIVING.value, UploadStage.QUEUED.value]),
        )
        .values(stage=UploadStage.ABANDONED.value, decided_at=at)
        .returning(uploads.c.no)
    )
    return await _without_pieces(connection, done.scalar_one_or_none())


async def abandon_stale(
    connection: AsyncConnection, case_id: str, before: datetime, at: datetime
) -> None:
    """Gives up what a case began to receive before an instant and never got whole."""
    stale = await connection.execute(
        update(uploads)
        .where(
            uploads.c.case_id == case_id,
            uploads.c.stage == UploadStage.RECEIVING.value,
            uploads.c.created_at < before,
        )
        .values(stage=UploadStage.ABANDONED.value, decided_at=at)
        .returning(uploads.c.no)
    )
    for upload_no in stale.scalars().all():
        await delete_pieces(connection, upload_no)


async def _without_pieces(connection: AsyncConnection, upload_no: int | None) -> bool:
    if upload_no is None:
        return False
    await delete_pieces(connection, upload_no)
    return True


async def delete_pieces(connection: AsyncConnection, upload_no: int) -> None:
    """Deletes what an upload was received as."""
    await connection.execute(delete(upload_pieces).where(upload_pieces.c.upload_no == upload_no))


async def show_progress(
    connection: AsyncConnection, upload_no: int, stage: UploadStage, rows: int, bad: int
) -> None:
    """Lets everybody see how far the reading is; a decided upload is left as it is."""
    # the transaction that decides may hold the row, and wait for whoever calls this
    await connection.execute(text("SET LOCAL lock_timeout = '500ms'"))
    await connection.execute(
        update(uploads)
        .where(uploads.c.no == upload_no)
        .where(uploads.c.stage.in_([one.value for one in _UNDECIDED]))
        .values(stage=stage.value, rows=rows, bad=bad, trouble="")
    )


async def show_trouble(connection: AsyncConnection, upload_no: int, trouble: str) -> None:
    """Lets everybody see what keeps an upload from being read: it waits again."""
    await connection.execute(
        update(uploads)
        .where(uploads.c.no == upload_no)
        .where(uploads.c.stage.in_([one.value for one in _UNDECIDED]))
        .values(stage=UploadStage.QUEUED.value, rows=0, bad=0, trouble=trouble)
    )


async def decide(
    connection: AsyncConnection,
    upload_no: int,
    stage: UploadStage,
    *,
    rows: int,
    bad: int,
    accepted: int,
    digest: str,
    visible_from: datetime | None,
) -> bool:
    """Writes down what became of an upload, and lets go of what it was received as.

    False when somebody has given it up meanwhile: then nothing of it may go on record.
    """
    done = await connection.execute(
        update(uploads)
        .where(uploads.c.no == upload_no)
        .where(uploads.c.stage.in_([one.value for one in _UNDECIDED]))
        .values(
            stage=stage.value,
            rows=rows,
            bad=bad,
            accepted=accepted,
            digest=digest,
            trouble="",
            visible_from=visible_from,
            decided_at=func.clock_timestamp(),
        )
        .returning(uploads.c.no)
    )
    return await _without_pieces(connection, done.scalar_one_or_none())


async def mark_known(connection: AsyncConnection, upload_no: int, earlier: str) -> bool:
    """Ends an upload that is being read: its file was accepted before. False: it has ended."""
    done = await connection.execute(
        update(uploads)
        .where(uploads.c.no == upload_no)
        .where(uploads.c.stage.in_([one.value for one in _UNDECIDED]))
        .values(
            stage=UploadStage.REPEATED.value, repeats=earlier, decided_at=func.clock_timestamp()
        )
        .returning(uploads.c.no)
    )
    return await _without_pieces(connection, done.scalar_one_or_none())


async def lock_case(connection: AsyncConnection, case_id: str) -> None:
    """Keeps others from beginning uploads of a case until the transaction ends."""
    await connection.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:lock, 0))"),
        {"lock": f"uploads|{case_id}"},
    )


async def count_open(connection: AsyncConnection, case_id: str) -> int:
    """How many uploads of a case are being received or wait to be read."""
    query = select(func.count()).where(
        uploads.c.case_id == case_id,
        uploads.c.stage.in_([UploadStage.RECEIVING.value, UploadStage.QUEUED.value]),
    )
    return int((await connection.execute(query)).scalar_one())


async def forget_problems(connection: AsyncConnection, upload_no: int) -> None:
    """Deletes an upload's problems: it is read anew."""
    await connection.execute(
        delete(upload_problems).where(upload_problems.c.upload_no == upload_no)
    )


async def problems(
    connection: AsyncConnection,
    upload_no: int,
    *,
    after: UploadProblem | None = None,
    size: int = 1_000,
) -> list[UploadProblem]:
    """Up to ``size`` of an upload's problems by row, those that come after one of them."""
    columns = upload_problems.c
    place = (columns.row, columns.column, columns.code)
    query = select(*place, columns.detail).where(columns.upload_no == upload_no)
    if after is not None:
        query = query.where(tuple_(*place) > tuple_(after.row, after.column, after.code))
    found = await connection.execute(query.order_by(*place).limit(size))
    return [UploadProblem(**row) for row in found.mappings()]


async def create_correction(
    connection: AsyncConnection,
    id_: str,
    case_id: str,
    institution_no: int,
    numbers: int,
    visible_from: datetime,
    by: str,
    at: datetime,
) -> Upload:
    """What corrected numbers belong to: an upload without a file, accepted from the start."""
    values = {
        "id": id_, "case_id": case_id, "institution_no": institution_no, "filename": "",
        "media": "correction", "accept": "all", "stage": UploadStage.ACCEPTED.value,
        "rows": numbers, "accepted": numbers, "visible_from": visible_from, "created_by": by,
        "created_at": at, "received_at": at, "decided_at": at,
    }  # fmt: skip
    made = await connection.execute(insert(uploads).values(values).returning(uploads))
    return Upload(**made.mappings().one())


async def set_digest(connection: AsyncConnection, upload_no: int, digest: str) -> None:
    """Writes down which numbers a correction brought."""
    await connection.execute(update(uploads).where(uploads.c.no == upload_no).values(digest=digest))
