"""Whom to reach at an institution: for itself, its reviewers and the operators of its region."""

from datetime import datetime

from pydantic import Field
from starlette.responses import Response

from api.campaigns.institutions import of_institution
from api.door.operations import Call, Operation, json_of
from api.door.parts import parts_of
from api.door.requests import path
from api.door.rights import Right
from domain.contacts import (
    CONTACT_ROLE_LABELS,
    CONTACT_SOURCE_LABELS,
    NOBODY,
    ContactRole,
    ContactSource,
    Mail,
    PersonName,
    Phone,
    Reachable,
)
from domain.ids import InstitutionId
from domain.model import Value
from services.contacts import ContactsOf


class ContactBody(Value):
    """Who is to be reached for a role; whoever was before is kept in the history."""

    role: ContactRole
    name: PersonName = Field(min_length=1)
    phone: Phone = ""
    mail: Mail = ""


class RoleBody(Value):
    """The role whose person is taken off the record."""

    role: ContactRole


class ContactShown(Value):
    """Who is to be reached for a role."""

    role: ContactRole
    role_label: str
    name: str
    phone: str
    mail: str
    since: datetime


class ContactChangeShown(Value):
    """One change of a contact: what it became, by whom; ``name`` is "" where it was removed."""

    role: ContactRole
    role_label: str
    name: str
    phone: str
    mail: str
    source: ContactSource
    source_label: str
    set_by: str
    set_at: datetime


class ContactList(Value):
    """The contacts of an institution, and every change of them, the newest first."""

    items: tuple[ContactShown, ...]
    history: tuple[ContactChangeShown, ...]


def _shown(known: ContactsOf) -> ContactList:
    return ContactList(
        items=tuple(
            ContactShown(role_label=CONTACT_ROLE_LABELS[contact.role], **contact.model_dump())
            for contact in known.current
        ),
        history=tuple(
            ContactChangeShown(
                role_label=CONTACT_ROLE_LABELS[entry.role],
                source_label=CONTACT_SOURCE_LABELS[entry.source],
                **entry.model_dump(),
            )
            for entry in known.history
        ),
    )


async def get_contacts(call: Call) -> Response:
    """Whom to reach at an institution."""
    id_: str = path(call.request, "institution", InstitutionId)
    return json_of(_shown(await parts_of(call.request).contacts.shown(id_, call.actor)))


async def set_contact(call: Call) -> Response:
    """Puts a person in a role's place."""
    body: ContactBody = call.body
    person = Reachable(name=body.name, phone=body.phone, mail=body.mail)
    return await _set(call, body.role, person)


async def remove_contact(call: Call) -> Response:
    """Takes the person of a role off the record."""
    return await _set(call, call.body.role, NOBODY)


async def _set(call: Call, role: ContactRole, person: Reachable) -> Response:
    id_: str = path(call.request, "institution", InstitutionId)
    contacts = parts_of(call.request).contacts
    return json_of(_shown(await contacts.set(id_, role, person, call.actor, call.command_id)))


_PATH = "/api/institutions/{institution}/contacts"
_EXAMPLE = {
    "role": "liaison",
    "name": "示例",
    "phone": "0591-87000000",
    "mail": "name@example.org",
}

OPERATIONS = [
    Operation(
        "GET",
        _PATH,
        get_contacts,
        "机构的联系人",
        "机构",
        Right.SEE_CONTACTS,
        ContactList,
        target=of_institution,
        description="个人信息：只给本机构、审核过它的部门和所在辖区的经办人；他人每次查看都记入日志。",
    ),
    Operation(
        "POST",
        _PATH,
        set_contact,
        "设定联系人",
        "机构",
        Right.SET_CONTACTS,
        ContactList,
        target=of_institution,
        body=ContactBody,
        writes=True,
        example=_EXAMPLE,
        description="同一角色原来的人留在历次记录里。",
    ),
    Operation(
        "POST",
        f"{_PATH}/remove",
        remove_contact,
        "删去联系人",
        "机构",
        Right.SET_CONTACTS,
        ContactList,
        target=of_institution,
        body=RoleBody,
        writes=True,
        example={"role": "liaison"},
    ),
]
