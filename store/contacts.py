"""Contacts of institutions: a row for every change, the newest of a role is the one in use."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import Row, func, insert, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.contacts import NOBODY, Contact, ContactRole, ContactSource, Reachable
from store.data_keys import hiding_each
from store.hidden import Hiding, contact_subject
from store.tables import contacts


def contacts_chain(institution: str) -> str:
    """The journal's name for an institution's contacts: who set and who read them, never what.

    Each has a chain of its own: there are as many as institutions.
    """
    return f"register/contacts/{institution}"


class ContactEntry(Reachable):
    """One change of a contact: what it was set to, by whom; ``name`` is "" where it was removed."""

    role: ContactRole
    source: ContactSource
    set_by: str
    set_at: datetime


async def current(connection: AsyncConnection, institution: str) -> list[Contact]:
    """Whom to reach at an institution, by role."""
    return (await current_of(connection, [institution]))[institution]


async def current_of(
    connection: AsyncConnection, institutions: Sequence[str], at: datetime | None = None
) -> dict[str, list[Contact]]:
    """Whom to reach at each of some institutions, now or as it was on record ``at`` a moment."""
    newest = (
        select(contacts)
        .ext(distinct_on(contacts.c.institution_id, contacts.c.role))
        .where(contacts.c.institution_id == func.any(list(institutions)))
        .order_by(contacts.c.institution_id, contacts.c.role, contacts.c.id.desc())
    )
    if at is not None:
        newest = newest.where(contacts.c.set_at <= at)
    reached: dict[str, list[Contact]] = {id_: [] for id_ in institutions}
    for row in await connection.execute(newest):
        if row.name:
            reached[row.institution_id].append(_contact(row))
    for several in reached.values():
        several.sort(key=lambda contact: list(ContactRole).index(contact.role))
    return reached


async def history(connection: AsyncConnection, institution: str) -> list[ContactEntry]:
    """Every change of an institution's contacts, the newest first."""
    rows = await connection.execute(
        select(*(contacts.c[name] for name in ContactEntry.model_fields))
        .where(contacts.c.institution_id == institution)
        .order_by(contacts.c.id.desc())
    )
    return [ContactEntry(**row) for row in rows.mappings()]


async def add(
    connection: AsyncConnection,
    changed: Mapping[str, Reachable],
    role: ContactRole,
    source: ContactSource,
    set_by: str,
    at: datetime,
) -> None:
    """Puts the contacts of institutions, by their ids, after those that were on record."""
    if not changed:
        return
    subjects = {id_: contact_subject(id_, role, at) for id_ in changed}
    # of a removal there is nothing to hide
    said = [subjects[id_] for id_, person in changed.items() if person != NOBODY]
    nothing = {subject: Hiding(subject, b"") for subject in subjects.values()}
    keys = nothing | await hiding_each(connection, said)
    await connection.execute(
        insert(contacts),
        [
            {
                "institution_id": institution,
                "role": role,
                **{
                    name: keys[subjects[institution]].of(getattr(person, name))
                    for name in Reachable.model_fields
                },
                "source": source,
                "set_by": set_by,
                "set_at": at,
            }
            for institution, person in changed.items()
        ],
    )


def _contact(row: Row[tuple[object, ...]]) -> Contact:
    return Contact(
        role=ContactRole(row.role), name=row.name, phone=row.phone, mail=row.mail, since=row.set_at
    )
