"""What the door keeps of requests: keys that were used, acts it refused; and how it knows faults.

`FAULTY` are the database's errors that asking again would not help, `AWAY` those that it might.
"""

import psycopg
from sqlalchemy.exc import DataError, ProgrammingError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.case.timeline import RefusedAct
from domain.refusals import Code, Refusal, Refused
from store import refusals, requests
from store.database import lost_its_connection as lost_its_connection
from store.probe import can_write

FAULTY = (DataError, ProgrammingError)
AWAY = (SQLAlchemyError, psycopg.OperationalError, psycopg.InternalError, OSError)


class RequestRecords:
    """Keeps what the door has to remember."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def use_key(self, key: bytes, body_sha256: str) -> bool:
        """Whether an idempotency key (its hash) was used before; it is used from now on.

        Raises Refused when it was used for another request.
        """
        async with self._engine.begin() as connection:
            repeated, first_sha256 = await requests.use_key(connection, key, body_sha256)
            if first_sha256 != body_sha256:
                raise Refused(Refusal(code=Code.KEY_REUSED))
        return repeated

    async def record_refusal(self, case_id: str, act: RefusedAct, request_id: str) -> None:
        """Counts an act that was refused at the door, and puts it on its case's record.

        ``case_id`` is "" for what is about no case.
        """
        async with self._engine.begin() as connection:
            kept = await refusals.count(connection, act, keep=bool(case_id))
            if kept:
                await refusals.add(connection, case_id, act, request_id)

    async def database_writes(self) -> bool:
        """Whether the database takes writes; raises what keeps it from answering."""
        async with self._engine.connect() as connection:
            return await can_write(connection)
