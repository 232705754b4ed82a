"""What is due to be destroyed, and destroying it: the keys of subjects, each on record."""

import asyncio
from datetime import datetime
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncEngine

from domain.case.commands import Actor
from domain.citation import Citation
from domain.clock import in_utc
from domain.model import Value
from domain.refusals import Refused, unseen
from domain.retention import KEPT_LABELS, Kept, Term
from rules.file.library import RulesInvalid
from rules.file.retention import load_retention
from services.clock import Clock
from services.publishing import rules_invalid
from store import journal, retention

_AT_ONCE = 200
_CHAIN = "retention"


class KindStanding(Value):
    """A kind: how long it is kept and by what, how much of it is due, and destroyed."""

    kind: Kept
    label: str
    years: int
    cite: Citation
    before: datetime
    due: int
    destroyed: int


class Destruction(Value):
    """What has been destroyed of a kind under one command, and what is left that is due."""

    kind: Kept
    destroyed: int
    left: int


class RetentionService:
    """Looks what is due by the rules, and destroys it; again, and it goes on where it stopped."""

    def __init__(self, engine: AsyncEngine, rules: Path, clock: Clock) -> None:
        self._engine = engine
        self._rules = rules
        self._clock = clock

    async def standing(self) -> tuple[KindStanding, ...]:
        """Every kind. Raises Refused: the rules are not in order."""
        now = self._clock()
        terms = await self._terms()
        async with self._engine.connect() as connection:
            return tuple(
                [
                    KindStanding(
                        kind=kept,
                        label=KEPT_LABELS[kept],
                        years=term.years,
                        cite=term.cite,
                        before=term.before(now),
                        due=await retention.count_due(connection, kept, term.before(now)),
                        destroyed=await retention.destroyed(connection, _rule(kept)),
                    )
                    for kept, term in terms.items()
                ]
            )

    async def due(self, kept: Kept, subject: str = "") -> int:
        """How many of a kind are due; with ``subject``, whether that one may be destroyed now.

        Somebody who has a right to it may have one destroyed before its time, once it is over: a
        case that has ended, a contact that was removed. Raises Refused for any other.
        """
        now = self._clock()
        before = now if subject else (await self._terms())[kept].before(now)
        async with self._engine.connect() as connection:
            number = await retention.count_due(connection, kept, before, subject)
            # asked for once more, it has been done
            gone = subject and await retention.is_destroyed(connection, subject, _rule(kept))
        if subject and not (number or gone):
            raise Refused(unseen())
        return number

    async def destroy(
        self, kept: Kept, actor: Actor, command_id: str, subject: str = "", document: str = ""
    ) -> Destruction:
        """Destroys what is due of a kind, some at a time; one subject by its ``document``."""
        now = self._clock()
        term = (await self._terms())[kept]
        before = now if subject else term.before(now)
        said = {"kind": kept.value, "rule": _rule(kept), "document": document or str(term.cite)}
        if not document:
            said["years"] = str(term.years)
        done = 0
        while True:
            async with self._engine.begin() as connection:
                # one after the other: nobody destroys what somebody else just has
                await journal.lock(connection, _CHAIN)
                page = await retention.due(connection, kept, before, _AT_ONCE, subject)
                for one in page:
                    body = {**said, "since": in_utc(one.since)}
                    await journal.append_operator_step(
                        connection,
                        f"destroyed/{one.subject}",
                        "data_destroyed",
                        actor,
                        now,
                        body,
                        command_id,
                    )
                subjects = [one.subject for one in page]
                await retention.destroy(connection, subjects, now, _rule(kept))
            done += len(page)
            if len(page) < _AT_ONCE:
                break
        async with self._engine.connect() as connection:
            left = await retention.count_due(connection, kept, before, subject)
        return Destruction(kind=kept, destroyed=done, left=left)

    async def _terms(self) -> dict[Kept, Term]:
        try:
            return await asyncio.to_thread(load_retention, self._rules)
        except RulesInvalid as invalid:
            raise Refused(rules_invalid(invalid, year="", jurisdiction="")) from None


def _rule(kept: Kept) -> str:
    return f"retention/{kept.value}"
