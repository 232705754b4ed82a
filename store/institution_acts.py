"""What became of institutions: codes changed, mergers, splits. Rows are added and never changed.

A merged account keeps its cases, certificates and report numbers. Whoever reads them finds its
survivor by ``institutions.merged_into``, which always names the last of a line of mergers.
"""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import func, insert, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.institutions import ActKind, Part
from domain.model import Value
from store import hidden
from store.tables import cases, certificates, institution_acts, institutions


class Act(Value):
    """One act, with its date, document and by whom.

    ``into_id`` is a merger's survivor, ``parts`` what a split gave to whom, the codes those of a
    change of code.
    """

    id: str
    kind: ActKind
    institution_id: str
    into_id: str | None = None
    old_uscc: str = ""
    new_uscc: str = ""
    parts: tuple[Part, ...] = ()
    effective_on: date
    document: str
    note_sha256: str
    done_by: str
    done_at: datetime


async def add(connection: AsyncConnection, act: Act) -> None:
    """Keeps an act and does it: the code, the survivor, whose the certificates are."""
    await connection.execute(
        insert(institution_acts).values(
            {**act.model_dump(), "parts": [part.model_dump(mode="json") for part in act.parts]}
        )
    )
    own = institutions.c.id == act.institution_id
    if act.kind is ActKind.USCC_CHANGED:
        await connection.execute(update(institutions).where(own).values(uscc=act.new_uscc))
    if act.kind is ActKind.MERGED:
        # whoever was merged into it before is led on
        line = or_(own, institutions.c.merged_into == act.institution_id)
        await connection.execute(update(institutions).where(line).values(merged_into=act.into_id))
    for part in act.parts:
        await connection.execute(
            update(certificates)
            .where(
                certificates.c.number == func.any(list(part.certificates)),
                certificates.c.institution_id == act.institution_id,
            )
            .values(institution_id=part.institution)
        )


async def by_id(connection: AsyncConnection, id_: str) -> Act | None:
    """One act, None if there is none with this id."""
    row = (
        (await connection.execute(select(institution_acts).where(institution_acts.c.id == id_)))
        .mappings()
        .first()
    )
    return Act(**row) if row else None


async def of_institution(connection: AsyncConnection, institution: str) -> list[Act]:
    """The acts that concern an institution, as the one that changed or the one it went to."""
    rows = await connection.execute(
        select(institution_acts)
        .where(
            or_(
                institution_acts.c.institution_id == institution,
                institution_acts.c.into_id == institution,
                institution_acts.c.parts.contains([{"institution": institution}]),
            )
        )
        .order_by(institution_acts.c.done_at, institution_acts.c.id)
    )
    return [Act(**row) for row in rows.mappings()]


async def former_codes(connection: AsyncConnection, ids: Sequence[str]) -> dict[str, set[str]]:
    """The codes that each of some institutions had before."""
    rows = await connection.execute(
        select(institution_acts.c.institution_id, institution_acts.c.old_uscc).where(
            institution_acts.c.institution_id == func.any(list(ids)),
            institution_acts.c.old_uscc != "",
        )
    )
    former: dict[str, set[str]] = {}
    for row in rows:
        former.setdefault(row.institution_id, set()).add(row.old_uscc)
    return former


async def certificates_to_split(connection: AsyncConnection, institution: str) -> dict[str, bool]:
    """The numbers of an institution's certificates; True for those that a case stands behind."""
    rows = await connection.execute(
        select(certificates.c.number, certificates.c.case_id).where(
            certificates.c.institution_id == institution
        )
    )
    return {row.number: row.case_id is not None for row in rows}


async def cases_with(
    connection: AsyncConnection, institution: str, kinds: Sequence[str], statuses: Sequence[str]
) -> dict[str, list[str]]:
    """An institution's cases of some kinds in some statuses, by kind."""
    rows = await connection.execute(
        select(cases.c.kind, cases.c.case_id)
        .where(
            cases.c.institution_id == institution,
            cases.c.kind == func.any(list(kinds)),
            cases.c.status == func.any(list(statuses)),
        )
        .order_by(cases.c.case_id)
    )
    by_kind: dict[str, list[str]] = {}
    for row in rows:
        by_kind.setdefault(row.kind, []).append(row.case_id)
    return by_kind


async def roster_changes(connection: AsyncConnection, institution: str) -> list[dict[str, Any]]:
    """What rosters changed of an institution: when, by whom, which column, old and new."""
    rows = await connection.execute(_ROSTERS)
    return [
        {"at": at, "by": by, **{name: change[name] for name in ("column", "old", "new")}}
        for at, by, stored in rows
        for change in (hidden.note(stored) or {}).get("changes", ())
        if change["institution"] == institution
    ]


_ROSTERS = text("""
    SELECT j.at, j.step -> 'actor' ->> 'subject', with_key(n.note, 'note/' || n.sha256, '')
    FROM journal j JOIN notes n ON n.sha256 = j.step ->> 'note_sha256'
    WHERE j.case_id = 'register/institutions' AND j.event = 'roster_imported'
    ORDER BY j.sequence
""")
