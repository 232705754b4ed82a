"""``zhibao institutions``: what operators do with single entries of the register."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from cli.terminal import (
    HERE,
    AsJson,
    Data,
    ends_plainly,
    fail,
    listing,
    out,
    print_json,
    print_listing,
)
from domain.contacts import ContactRole

if TYPE_CHECKING:
    from services.contacts import ContactsOf

institutions_app = typer.Typer(no_args_is_help=True)

OfInstitution = Annotated[str, typer.Argument(help="机构编号")]


@institutions_app.command("contacts")
def show_contacts(institution: OfInstitution, data: Data = HERE, as_json: AsJson = False) -> None:
    """一家机构的联系人和历次改动；查看会记入日志。"""
    from cli.system import Services, operator, run

    async def work(services: Services) -> ContactsOf:
        await services.institutions.find(institution)
        return await services.contacts.shown(institution, operator())

    _show_contacts(run(data, work), as_json)


@institutions_app.command("set-contact")
@ends_plainly
def set_contact(
    institution: OfInstitution,
    name: Annotated[str, typer.Option(help="姓名")],
    role: Annotated[ContactRole, typer.Option(help="角色")] = ContactRole.LIAISON,
    phone: Annotated[str, typer.Option(help="电话")] = "",
    mail: Annotated[str, typer.Option(help="电子邮箱")] = "",
    data: Data = HERE,
    as_json: AsJson = False,
) -> None:
    """设定联系人；同一角色原来的人留在历次记录里。"""
    from pydantic import TypeAdapter, ValidationError

    from cli.system import Services, operator, run
    from domain.contacts import Mail, PersonName, Phone, Reachable
    from domain.text import ENTERING

    given: dict[str, str] = {}
    for option, kind, value in (
        ("name", PersonName, name),
        ("phone", Phone, phone),
        ("mail", Mail, mail),
    ):
        try:
            given[option] = TypeAdapter(kind).validate_python(value, context=ENTERING)
        except ValidationError:
            fail(f"--{option} 不合格式：请只写一个姓名、电话或电子邮箱")

    async def work(services: Services) -> ContactsOf:
        await services.institutions.find(institution)
        return await services.contacts.set(
            institution, role, Reachable(**given), operator(), uuid.uuid4().hex
        )

    _show_contacts(run(data, work), as_json)


@institutions_app.command("remove-contact")
def remove_contact(
    institution: OfInstitution,
    role: Annotated[ContactRole, typer.Option(help="角色")] = ContactRole.LIAISON,
    data: Data = HERE,
    as_json: AsJson = False,
) -> None:
    """删去一个角色的联系人；历次记录仍在。"""
    from cli.system import Services, operator, run
    from domain.contacts import NOBODY

    async def work(services: Services) -> ContactsOf:
        await services.institutions.find(institution)
        return await services.contacts.set(institution, role, NOBODY, operator(), uuid.uuid4().hex)

    _show_contacts(run(data, work), as_json)


def _show_contacts(known: ContactsOf, as_json: bool) -> None:
    from domain.contacts import CONTACT_ROLE_LABELS, CONTACT_SOURCE_LABELS
    from domain.messages import local_time

    if as_json:
        print_json(
            {
                "items": [one.model_dump(mode="json") for one in known.current],
                "history": [one.model_dump(mode="json") for one in known.history],
            }
        )
        return
    for contact in known.current:
        out.print(escape(contact.words), highlight=False)
    table = listing("角色", "姓名", "电话", "邮箱", "由", "何人", "时间")
    for entry in known.history:
        table.add_row(
            CONTACT_ROLE_LABELS[entry.role],
            escape(entry.name or "（删去）"),
            escape(entry.phone),
            escape(entry.mail),
            CONTACT_SOURCE_LABELS[entry.source],
            entry.set_by,
            local_time(entry.set_at),
        )
    print_listing(table)
