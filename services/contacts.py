"""Contacts of institutions, set and read by those who may; every reading of others is on record.

Legal basis of the care: the Personal Information Protection Law (个人信息保护法), 6 and 51: no
more than is needed, for those who need it, and traceable.
"""

import uuid
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from domain.case.commands import Actor, Role
from domain.contacts import NOBODY, Contact, ContactRole, ContactSource, Reachable
from services.clock import Clock
from store import contacts, journal
from store.contacts import ContactEntry as ContactEntry
from store.contacts import contacts_chain
from store.contacts import current as current


class ContactsOf(NamedTuple):
    """Whom to reach at an institution, and every change on record, the newest first."""

    current: list[Contact]
    history: list[ContactEntry]


class ContactService:
    """Sets and shows whom to reach at an institution."""

    def __init__(self, engine: AsyncEngine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    async def shown(self, institution: str, reader: Actor) -> ContactsOf:
        """The contacts of an institution; whoever is not of it leaves a row in the journal."""
        async with self._engine.begin() as connection:
            found = ContactsOf(
                await contacts.current(connection, institution),
                await contacts.history(connection, institution),
            )
            if found.history and reader.role is not Role.FILER:
                chain = contacts_chain(institution)
                await self.note_reading(connection, chain, reader, institution, 1)
        return found

    async def note_reading(
        self,
        connection: AsyncConnection,
        chain: str,
        reader: Actor,
        about: str,
        institutions: int,
    ) -> None:
        """Puts on record that somebody has read the contacts of so many institutions."""
        await journal.append_operator_step(
            connection,
            chain,
            "contacts_read",
            reader,
            self._clock(),
            {"about": about, "institutions": institutions},
            uuid.uuid4().hex,
        )

    async def set(
        self,
        institution: str,
        role: ContactRole,
        person: Reachable,
        actor: Actor,
        command_id: str,
    ) -> ContactsOf:
        """Puts a person in a role's place; `NOBODY` takes the one there off.

        What stands already is not put on record again.
        """
        source = ContactSource.FILER if actor.role is Role.FILER else ContactSource.OPERATOR
        async with self._engine.begin() as connection:
            chain = contacts_chain(institution)
            await journal.lock(connection, chain)
            if await journal.by_command(connection, chain, command_id) is None:
                standing = await contacts.current(connection, institution)
                if person != _in_role(standing, role):
                    now = self._clock()
                    await contacts.add(
                        connection, {institution: person}, role, source, actor.subject, now
                    )
                    await journal.append_operator_step(
                        connection,
                        chain,
                        "contact_set" if person.name else "contact_removed",
                        actor,
                        now,
                        {"institution": institution, "role": role.value},
                        command_id,
                    )
            return ContactsOf(
                await contacts.current(connection, institution),
                await contacts.history(connection, institution),
            )


def _in_role(standing: list[Contact], role: ContactRole) -> Reachable:
    for contact in standing:
        if contact.role is role:
            return Reachable(name=contact.name, phone=contact.phone, mail=contact.mail)
    return NOBODY
