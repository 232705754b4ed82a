"""What a person has done, and what was done about their account, over all the record."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import ColumnElement, MetaData, and_, not_, select, text, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.case.events import Step
from domain.own_record import ENTERING, READINGS, OwnPart, person_chain
from store.tables import journal as steps

# one's own acts stay one's own when their cases are another's now; and what is looked up here is
# found by an index that the policies of the journal itself would not let be used
journal = steps.to_metadata(MetaData(), name="journal_by_person")

_PLACE = (journal.c.at, journal.c.case_id, journal.c.sequence)


class Narrowed(NamedTuple):
    """Steps ``since`` an instant and before ``until`` one, on records that begin so."""

    since: datetime | None = None
    until: datetime | None = None
    about: str = ""


async def of_person(
    connection: AsyncConnection,
    person: str,
    part: OwnPart,
    narrowed: Narrowed,
    after: tuple[datetime, str, int] | None,
    size: int,
) -> list[Step]:
    """Up to ``size`` steps of one part of a person's own record, the latest first."""
    wanted = [_part(person, part)]
    if narrowed.since is not None:
        wanted.append(journal.c.at >= narrowed.since)
    if narrowed.until is not None:
        wanted.append(journal.c.at < narrowed.until)
    if narrowed.about:
        wanted.append(journal.c.case_id.startswith(narrowed.about, autoescape=True))
    if after is not None:
        wanted.append(tuple_(*_PLACE) < tuple_(*after))
    rows = await connection.execute(
        select(journal.c.step, journal.c.hash)
        .where(*wanted)
        .order_by(*(one.desc() for one in _PLACE))
        .limit(size)
    )
    return [Step(**step, hash=hash_) for step, hash_ in rows]


def _part(person: str, part: OwnPart) -> ColumnElement[bool]:
    given = and_(journal.c.case_id == person_chain(person), journal.c.event.not_in(ENTERING))
    if part is OwnPart.GIVEN:
        return given
    by = text("((step -> 'actor') ->> 'subject') = :person").bindparams(person=person)
    if part is OwnPart.SEEN:
        return and_(by, journal.c.event.in_(READINGS))
    return and_(by, journal.c.event.not_in(READINGS), not_(given))
