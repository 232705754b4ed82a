"""Makes a stored withdrawal or correction of published report numbers true, once."""

from collections.abc import Sequence
from datetime import date

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from domain.days import day_of
from domain.faults import Fault, shown
from domain.model import Recorded, Value
from domain.numbers.report_numbers import ChangeRequest
from domain.numbers.row_checks import ISSUED_ON, NUMBER, Terms, day_fault, number_fault
from domain.text import normalised
from store.numbers import changes, report_numbers, uploads
from store.numbers.changes import StoredChange
from store.numbers.report_numbers import StandingNumber


class ChangeProblem(Recorded):
    """Why a number cannot be changed: its place in the list from 1, and as problems of uploads."""

    place: int
    column: str
    code: str
    detail: str


class ChangeOutcome(Recorded):
    """What became of a change: all ``numbers`` of it were made, or none for these reasons.

    ``busy``: a file of the institution is being read just now; nothing was looked into.
    """

    change: str
    made: bool
    numbers: int
    problems: tuple[ChangeProblem, ...] = ()
    busy: bool = False


class Correction(Value):
    """A number that stands wrongly on record, and what should stand there."""

    number: str
    to_number: str
    to_issued_on: str


class NoSuchChange(Exception):
    """The case has no such change; asking again will not help."""


async def apply_change(engine: AsyncEngine, request: ChangeRequest) -> ChangeOutcome:
    """Makes a change of `number_changes`, all of it or nothing. Raises `NoSuchChange`.

    Its ``content`` is ``{"numbers": [...]}`` of a withdrawal, ``{"corrections": [{"number",
    "to_number", "to_issued_on"}, ...]}`` of a correction. A change that was made is not made again.
    """
    terms = Terms(request.first_day, request.last_day, request.longest)
    async with engine.begin() as connection:
        change = await _change(connection, request)
        await report_numbers.ensure_years(connection, terms.first_day.year, terms.last_day.year)
    async with engine.begin() as connection:
        if not await report_numbers.lock_institution(connection, change.institution_no):
            return ChangeOutcome(change=request.change, made=False, numbers=0, busy=True)
        change = await _change(connection, request)
        wanted = change.corrections(terms)
        if change.made:
            return ChangeOutcome(change=request.change, made=True, numbers=len(wanted))
        standing, problems = await _checked(connection, change, request, wanted)
        if problems:
            return ChangeOutcome(
                change=request.change, made=False, numbers=0, problems=tuple(problems)
            )
        await report_numbers.mark_changed(connection, standing, change.no)
        replacing = [(one.number, one.day) for one in wanted if one.day is not None]
        if replacing:
            await _add(connection, change, request, replacing)
        await changes.mark_made(connection, change.no, request.at)
        return ChangeOutcome(change=request.change, made=True, numbers=len(wanted))


async def problems_of_change(
    engine: AsyncEngine, request: ChangeRequest
) -> tuple[ChangeProblem, ...]:
    """What speaks against a stored change as things stand; changes nothing."""
    terms = Terms(request.first_day, request.last_day, request.longest)
    async with engine.connect() as connection:
        change = await _change(connection, request)
        _, problems = await _checked(connection, change, request, change.corrections(terms))
    return tuple(problems)


class _Wanted(Value):
    """One item of a change as it was understood; ``number`` and ``day`` replace ``old``."""

    place: int
    old: str
    number: str = ""
    day: date | None = None
    problems: tuple[ChangeProblem, ...] = ()


class _Change(StoredChange):
    """A stored change, its content understood."""

    content: dict[str, list[str | Correction]]

    def corrections(self, terms: Terms) -> list[_Wanted]:
        """What is wanted, each item checked by itself."""
        if self.kind == "withdrawn":
            return [
                _Wanted(place=place, old=normalised(str(number)))
                for place, number in enumerate(self.content["numbers"], start=1)
            ]
        return [
            _understood(place, one, terms)
            for place, one in enumerate(self.content["corrections"], start=1)
            if isinstance(one, Correction)
        ]


def _understood(place: int, one: Correction, terms: Terms) -> _Wanted:
    number, day = normalised(one.to_number), day_of(one.to_issued_on)
    faults: list[tuple[str, Fault | None]] = [(NUMBER, number_fault(number, terms.longest))]
    if day is None:
        faults.append((ISSUED_ON, Fault("bad_date", shown(one.to_issued_on))))
    else:
        faults.append((ISSUED_ON, day_fault(day, terms)))
    return _Wanted(
        place=place,
        old=normalised(one.number),
        number=number,
        day=day,
        problems=tuple(_problem(place, column, *fault) for column, fault in faults if fault),
    )


def _problem(place: int, column: str, code: str, detail: str) -> ChangeProblem:
    return ChangeProblem(place=place, column=column, code=code, detail=detail)


async def _change(connection: AsyncConnection, request: ChangeRequest) -> _Change:
    stored = await changes.by_id(connection, request.change, request.case_id)
    if stored is None:
        raise NoSuchChange(f"no change {request.change} of {request.case_id}")
    return _Change(**stored.model_dump())


async def _checked(
    connection: AsyncConnection, change: _Change, request: ChangeRequest, wanted: Sequence[_Wanted]
) -> tuple[list[StandingNumber], list[ChangeProblem]]:
    """The numbers to be changed, and what speaks against it."""
    named = {name for one in wanted for name in (one.old, one.number) if name}
    on_record = await report_numbers.live(connection, change.institution_no, sorted(named))
    problems: list[ChangeProblem] = []
    old_seen: set[str] = set()
    new_seen: set[str] = set()
    leaving = {one.old for one in wanted}
    for one in wanted:
        problems += one.problems
        standing = on_record.get(one.old)
        if one.old in old_seen:
            problems.append(_problem(one.place, NUMBER, "repeated_in_change", shown(one.old)))
        elif standing is None or standing.case_id != request.case_id:
            problems.append(_problem(one.place, NUMBER, "not_on_record", shown(one.old)))
        old_seen.add(one.old)
        if not one.number:
            continue
        taken = on_record.get(one.number)
        if one.number in new_seen:
            problems.append(_problem(one.place, NUMBER, "repeated_in_change", shown(one.number)))
        elif taken is not None and one.number not in leaving:
            problems.append(_problem(one.place, NUMBER, "on_record", str(taken.issued_on)))
        new_seen.add(one.number)
    return [on_record[one.old] for one in wanted if one.old in on_record], problems


async def _add(
    connection: AsyncConnection,
    change: _Change,
    request: ChangeRequest,
    numbers: Sequence[tuple[str, date]],
) -> None:
    """Corrected numbers come on record like an upload's, visible from the same moment on."""
    upload = await uploads.create_correction(
        connection, f"correction-{change.id}", change.case_id, change.institution_no,
        len(numbers), request.visible_from, change.changed_by, request.at,
    )  # fmt: skip
    digest = await report_numbers.add(connection, change.institution_no, upload.no, numbers)
    await uploads.set_digest(connection, upload.no, digest)
