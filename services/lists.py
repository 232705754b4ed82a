"""What rosters and lists of valid certificates have in common: importing a file, whole or not."""

from abc import ABC, abstractmethod
from typing import Generic, NamedTuple, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from domain.case.commands import Actor
from domain.model import Value
from files.findings import RowProblem
from services.clock import Clock


class ListReport(Value):
    """What an import did, or with ``dry_run`` would have done: then nothing is on record of it.

    ``accepted`` counts what is on record now, ``errors`` the problems that kept something out.
    """

    filename: str
    rows: int
    accepted: int
    accept_good_rows: bool
    dry_run: bool = False
    errors: int
    problems: tuple[RowProblem, ...]


class ListRequest(NamedTuple):
    """A file to be imported: with any error nothing is saved unless good rows are accepted."""

    data: bytes
    filename: str
    actor: Actor
    command_id: str
    accept_good_rows: bool
    dry_run: bool
    complete: str


Reading = TypeVar("Reading")
Report = TypeVar("Report", bound=ListReport)


class ListService(ABC, Generic[Reading, Report]):
    """Imports files of one kind."""

    def __init__(self, engine: AsyncEngine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    async def load(
        self,
        data: bytes,
        filename: str,
        actor: Actor,
        command_id: str,
        *,
        accept_good_rows: bool,
        dry_run: bool = False,
        complete: str = "",
    ) -> Report:
        """Imports a file; ``dry_run`` takes everything back. Raises Refused."""
        request = ListRequest(
            data, filename[:200], actor, command_id, accept_good_rows, dry_run, complete
        )
        async with self._engine.connect() as connection:
            known = await self._known(connection, request)
        if known is not None:
            return known
        reading = await self._read(request)
        async with self._engine.connect() as connection, connection.begin() as transaction:
            report = await self._import(connection, reading, request)
            if dry_run:
                await transaction.rollback()
        return report

    async def _known(self, connection: AsyncConnection, request: ListRequest) -> Report | None:
        """The report of the same request, or file, that came before, where that is recognised."""
        return None

    @abstractmethod
    async def _read(self, request: ListRequest) -> Reading:
        """What stands in the file; seconds of pure computing belong into a thread."""

    @abstractmethod
    async def _import(
        self, connection: AsyncConnection, reading: Reading, request: ListRequest
    ) -> Report:
        """Checks what was read beside the record, and saves it."""


def errors_in(problems: list[RowProblem]) -> int:
    """How many problems keep something out."""
    return sum(problem.level == "error" for problem in problems)
