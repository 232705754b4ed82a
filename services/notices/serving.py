"""Serving a notice: on record once, in the system at once, elsewhere by `delivery`."""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.canonical import sha256_of
from domain.notices import EVIDENCE, NOTICE_SERVED, NewNotice, notice_case_id
from store import journal, notices
from store.notices import served_reminders as served_reminders


async def serve(connection: AsyncConnection, new: NewNotice, now: datetime) -> str:
    """Serves a notice in the caller's transaction; its id. The same again changes nothing.

    Whoever it is for sees it from then on; mail and webhooks follow from ``now`` on, by the
    worker. What is evidence stands, with what becomes of it, in a journal of its own.
    """
    if await notices.add(connection, new, now) and new.kind in EVIDENCE:
        await journal.append_operator_step(
            connection,
            notice_case_id(new.id),
            NOTICE_SERVED,
            new.served_by,
            new.served_at,
            {
                "case_id": new.case_id,
                "kind": new.kind.value,
                "addressee": new.addressee,
                "title": new.title,
                "text_sha256": sha256_of({"title": new.title, "body": new.body}),
                "document_sha256": new.document_sha256,
                "channels": [channel.value for channel in new.channels],
            },
            NOTICE_SERVED,
        )
    return new.id
