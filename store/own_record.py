"""What a person has done, and what was done about their account, over all the record."""

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.case.events import Step
from store.tables import journal


async def of_person(connection: AsyncConnection, person: str, size: int) -> list[Step]:
    """The steps that are a person's own, or on their own record, the latest first."""
    by = text("((step -> 'actor') ->> 'subject') = :person").bindparams(person=person)
    steps: dict[tuple[str, int], Step] = {}
    # each of the two by its own index
    for chosen in (by, journal.c.case_id == f"person/{person}"):
        rows = await connection.execute(
            select(journal.c.step, journal.c.hash)
            .where(chosen)
            .order_by(journal.c.at.desc())
            .limit(size)
        )
        for step, hash_ in rows:
            kept = Step(**step, hash=hash_)
            steps[kept.case_id, kept.sequence] = kept
    return sorted(steps.values(), key=lambda step: step.at, reverse=True)[:size]
