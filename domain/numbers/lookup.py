"""What the public lookup answers, decided from what is on record: pure.

What the answers mean, in words, comes from the rules (`domain.decision.PublicAnswer`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal, NamedTuple

from domain.citation import Citation
from domain.model import Value
from domain.numbers.report_numbers import Answer

MOST_ENTRIES = 20
"""At most so many institutions are shown for one number; a name narrows it down."""


class NumberRow(NamedTuple):
    """One row of an accepted upload; ``change`` is empty unless withdrawn or corrected."""

    institution_no: int
    issued_on: date
    visible_from: datetime
    change: str
    reason: str
    changed_at: datetime | None


class Holder(NamedTuple):
    """An institution as the lookup knows it: its province has six digits."""

    name: str
    province: str
    eligible: bool


class NumberChange(Value):
    """Why a number no longer stands as it was uploaded, and since when."""

    kind: Literal["withdrawn", "corrected"]
    reason: str
    at: datetime


@dataclass(slots=True)
class LookupEntry:
    """What is on record at one institution; no model, since making one takes longer.

    ``institution`` is named where something is open to the public; ``visible_from`` is the
    instant from which what waits can be looked up.
    """

    answer: Answer
    institution: str | None = None
    issued_on: date | None = None
    visible_from: datetime | None = None
    change: NumberChange | None = None


class LookupAnswer(Value):
    """The answer of the lookup, with the words and limits that the rules give it.

    ``entries`` has one item per institution, the most telling first; ``more`` says that there are
    further ones, which naming the institution would find.
    """

    answer: Answer
    title: str
    says: str
    proves: str
    does_not_prove: str
    next_step: str
    sources: tuple[Citation, ...]
    more: bool
    entries: tuple[LookupEntry, ...]


class Outcome(NamedTuple):
    """The answer in values: ``province`` is that of the institution that decided it, else nation.

    ``changes_at`` is the next instant at which time alone changes the answer, None for never.
    """

    answer: Answer
    entries: tuple[LookupEntry, ...]
    more: bool
    province: str
    changes_at: datetime | None


_ORDER = {
    Answer.FOUND: 0,
    Answer.WITHDRAWN: 1,
    Answer.NOT_YET_VISIBLE: 2,
    Answer.INSTITUTION_NOT_ELIGIBLE: 3,
}

NOWHERE = "000000"
"""The province that answers without an institution are counted under."""

NOTHING = Outcome(Answer.NOT_FOUND, (), False, NOWHERE, None)


def decide(
    rows: Sequence[NumberRow],
    holders: Mapping[int, Holder],
    named: Sequence[Holder],
    now: datetime,
) -> Outcome:
    """What the rows of one number amount to.

    ``holders`` has the institutions of the rows; ``named`` those that the asker's name stands for,
    empty when no name was given, or none of that name is on record.
    """
    if not rows:
        if named and not any(one.eligible for one in named):
            entry = LookupEntry(answer=Answer.INSTITUTION_NOT_ELIGIBLE)
            return Outcome(entry.answer, (entry,), False, named[0].province, None)
        return NOTHING
    if len(rows) == 1:  # nearly always
        row = rows[0]
        holder = holders[row.institution_no]
        entry = _entry(rows, holder, now)
        opens = row.visible_from if row.visible_from > now else None
        return Outcome(entry.answer, (entry,), False, holder.province, opens)
    of: dict[int, list[NumberRow]] = {}
    for row in rows:
        of.setdefault(row.institution_no, []).append(row)
    told = [(_entry(many, holders[no], now), holders[no]) for no, many in of.items()]
    told.sort(key=lambda one: (_ORDER[one[0].answer], one[0].institution or ""))
    waiting = [row.visible_from for row in rows if row.visible_from > now]
    return Outcome(
        told[0][0].answer,
        tuple(entry for entry, _ in told[:MOST_ENTRIES]),
        len(told) > MOST_ENTRIES,
        told[0][1].province,
        min(waiting) if waiting else None,
    )


def _entry(rows: Sequence[NumberRow], holder: Holder, now: datetime) -> LookupEntry:
    """One institution's entry: what stands goes before what was withdrawn, open before waiting."""
    if not holder.eligible:
        return LookupEntry(answer=Answer.INSTITUTION_NOT_ELIGIBLE)
    standing = [row.issued_on for row in rows if row.visible_from <= now and not row.change]
    if standing:
        return LookupEntry(answer=Answer.FOUND, institution=holder.name, issued_on=max(standing))
    visible = [row for row in rows if row.visible_from <= now]
    waiting = [row.visible_from for row in rows if row.visible_from > now and not row.change]
    opens = min(waiting) if waiting else None
    if visible:
        last = max(visible, key=lambda row: row.changed_at or row.visible_from)
        return LookupEntry(
            answer=Answer.WITHDRAWN,
            institution=holder.name,
            visible_from=opens,
            change=NumberChange.model_validate(
                {"kind": last.change, "reason": last.reason, "at": last.changed_at}
            ),
        )
    # also for what was withdrawn before it opened: the day tells nothing more than that
    first = min(row.visible_from for row in rows)
    return LookupEntry(answer=Answer.NOT_YET_VISIBLE, visible_from=opens or first)
