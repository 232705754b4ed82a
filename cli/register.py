"""``zhibao institutions``: what operators do with single entries of the register."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Annotated, Any

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
    from datetime import date

    from services.contacts import ContactsOf
    from services.institution_acts import ActKnown, Grounds
    from services.registrations import RequestKnown

institutions_app = typer.Typer(no_args_is_help=True)


def _day(text: str) -> date:
    from datetime import date

    try:
        return date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter("写作 2025-01-06") from None


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


# --- new institutions ----------------------------------------------------------------------

OfRequest = Annotated[str, typer.Argument(help="登记申请编号，见 requests")]


@institutions_app.command("requests")
def list_requests(
    everything: Annotated[bool, typer.Option("--all", help="已办的也列出")] = False,
    data: Data = HERE,
    as_json: AsJson = False,
) -> None:
    """新机构的登记申请，最早的在前。"""
    from cli.system import Services, run
    from domain.institutions import RequestState
    from domain.messages import local_time

    state = None if everything else RequestState.ASKED

    async def work(services: Services) -> list[RequestKnown]:
        found: list[RequestKnown] = []
        after = None
        while page := await services.registrations.page("", "", state, after, 500):
            found += page
            after = (page[-1].request.asked_at, page[-1].request.id)
        return found

    known = run(data, work, "机构登记申请")
    if as_json:
        print_json({"items": [_request(one) for one in known]})
        return
    table = listing("编号", "机构", "名称", "信用代码", "区域", "申请时间", "状态", "相似的机构")
    for one in known:
        told = _request(one)
        table.add_row(
            told["id"],
            told["institution_id"],
            escape(told["name"]),
            told["uscc"],
            told["region"],
            local_time(one.request.asked_at),
            told["state_label"],
            "、".join(one.alike),
        )
    print_listing(table)


def _request(known: RequestKnown) -> dict[str, Any]:
    from domain.institutions import REQUEST_STATE_LABELS

    return {
        **known.request.model_dump(mode="json", exclude={"note_sha256"}),
        "state_label": REQUEST_STATE_LABELS[known.request.state],
        "reason": known.reason,
        "alike": list(known.alike),
    }


@institutions_app.command("approve")
def approve(request: OfRequest, data: Data = HERE, as_json: AsJson = False) -> None:
    """同意登记：机构即时列入名录。"""
    from cli.system import operator, run

    known = run(
        data,
        lambda services: services.registrations.approve(request, operator(), uuid.uuid4().hex),
    )
    print_json(_request(known)) if as_json else out.print(f"已登记 {known.request.institution_id}")


@institutions_app.command("refuse")
def refuse(
    request: OfRequest,
    reason: Annotated[str, typer.Option(help="不予登记的理由")],
    data: Data = HERE,
    as_json: AsJson = False,
) -> None:
    """不予登记，写明理由。"""
    from cli.system import operator, run

    known = run(
        data,
        lambda services: services.registrations.refuse(
            request, reason, operator(), uuid.uuid4().hex
        ),
    )
    print_json(_request(known)) if as_json else out.print("已记为不予登记。")


# --- acts ----------------------------------------------------------------------------------

Effective = Annotated[
    Any, typer.Option("--effective-on", help="生效日期，如 2025-01-06", parser=_day, metavar="DATE")
]
ByDocument = Annotated[str, typer.Option("--document", help="依据的文书")]
ForReason = Annotated[str, typer.Option("--reason", help="理由")]


@institutions_app.command("change-uscc")
@ends_plainly
def change_uscc(
    institution: OfInstitution,
    uscc: Annotated[str, typer.Argument(help="现在的统一社会信用代码")],
    effective_on: Effective,
    document: ByDocument,
    reason: ForReason,
    data: Data = HERE,
    as_json: AsJson = False,
) -> None:
    """信用代码变更；原代码仍查得到本机构。"""
    from cli.system import operator, run
    from domain import uscc as codes

    if not codes.is_valid(uscc):
        fail("这不是合格的统一社会信用代码，请对照证照改正")
    grounds = _grounds(effective_on, document, reason)
    known = run(
        data,
        lambda services: services.acts.change_uscc(
            institution, uscc, grounds, operator(), uuid.uuid4().hex
        ),
    )
    _show_act(known, as_json)


@institutions_app.command("merge")
@ends_plainly
def merge(
    institution: OfInstitution,
    into: Annotated[str, typer.Argument(help="并入的机构编号")],
    effective_on: Effective,
    document: ByDocument,
    reason: ForReason,
    data: Data = HERE,
    as_json: AsJson = False,
) -> None:
    """机构合并：还在它手里的填报和报送由批办取消，由并入的机构办理。"""
    from cli.system import operator, run

    grounds = _grounds(effective_on, document, reason)
    known = run(
        data,
        lambda services: services.acts.merge(
            institution, into, grounds, operator(), uuid.uuid4().hex
        ),
    )
    _show_act(known, as_json)


@institutions_app.command("split")
@ends_plainly
def split(
    institution: OfInstitution,
    part: Annotated[list[str], typer.Option("--part", help="机构编号=证书编号,证书编号；可写几次")],
    effective_on: Effective,
    document: ByDocument,
    reason: ForReason,
    data: Data = HERE,
    as_json: AsJson = False,
) -> None:
    """机构分立：原机构存续，所列证书归分立出的机构。"""
    from cli.system import operator, run
    from domain.institutions import Part

    parts = []
    for text in part:
        name, _, numbers = text.partition("=")
        listed = tuple(filter(None, (number.strip() for number in numbers.split(","))))
        parts.append(Part(institution=name.strip(), certificates=listed))
    grounds = _grounds(effective_on, document, reason)
    known = run(
        data,
        lambda services: services.acts.split(
            institution, tuple(parts), grounds, operator(), uuid.uuid4().hex
        ),
    )
    _show_act(known, as_json)


def _grounds(effective_on: date, document: str, reason: str) -> Grounds:
    from services.institution_acts import Grounds

    if not document.strip() or not reason.strip():
        fail("--document 和 --reason 都不能为空")
    return Grounds(effective_on, document.strip(), reason.strip())


def _show_act(known: ActKnown, as_json: bool) -> None:
    from domain.institutions import ACT_KIND_LABELS

    act = known.act
    if as_json:
        print_json(
            {
                **act.model_dump(mode="json", exclude={"note_sha256"}),
                "reason": known.reason,
                "jobs": list(known.jobs),
            }
        )
        return
    out.print(f"已记录：{ACT_KIND_LABELS[act.kind]} {act.institution_id}，{act.effective_on} 起")
    for job in known.jobs:
        out.print(f"取消其未提交办件的批办：{job}（zhibao jobs show {job}）", highlight=False)
