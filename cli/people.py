"""``zhibao people``: roles of people, links to sign in; deputies; what is taken away."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.terminal import (
    HERE,
    AsJson,
    Data,
    Out,
    ends_plainly,
    fail,
    hand_out,
    listing,
    may_hand_out,
    out,
    print_json,
    print_listing,
    read_instant,
)

if TYPE_CHECKING:
    from domain.case.commands import Actor

people_app = typer.Typer(no_args_is_help=True)

Authority = Annotated[str, typer.Argument(help="部门，如 amr-350200")]


def _instant(option: str, about: str) -> Any:
    return typer.Option(option, help=about, parser=read_instant, metavar="INSTANT")


From = Annotated[Any, _instant("--from", "自何时起；不填为现在")]
Why = Annotated[str, typer.Option("--reason", help="事由")]
Whom = Annotated[str, typer.Argument(metavar="PERSON", help="凭证上的账号")]


def _of(authority: str) -> Actor:
    """The operator at the terminal, for an authority's own jurisdiction."""
    from cli.system import operator
    from domain.ids import jurisdiction_of

    return operator().model_copy(update={"scope": jurisdiction_of(authority)})


@people_app.command("deputy")
def deputy(
    authority: Authority,
    person: Whom,
    deputy: Annotated[str, typer.Argument(help="代为办理的人")],
    ends: Annotated[Any, _instant("--until", "代办至何时")],
    starts: From = None,
    reason: Why = "",
    data: Data = HERE,
    as_json: AsJson = False,
) -> None:
    """登记某人离岗期间由谁代为办理；代办的每一步都记明代谁办理。"""
    from cli.system import run
    from services.clock import system_clock

    named = run(
        data,
        lambda services: services.people.name_deputy(
            authority,
            person,
            deputy,
            starts or system_clock(),
            ends,
            _of(authority),
            uuid.uuid4().hex,
            reason,
        ),
    )
    print_json(named) if as_json else out.print(f"已登记：{named.id}", highlight=False)


@people_app.command("deputies")
def deputies(authority: Authority, data: Data = HERE, as_json: AsJson = False) -> None:
    """一个部门的离岗和代办，新的在前。"""
    from cli.system import run
    from domain.messages import local_time

    read = f"离岗和代办 {authority}"
    named = run(data, lambda services: services.people.deputies(_of(authority), authority), read)
    if as_json:
        print_json({"rows": [one.model_dump() for one in named]})
        return
    table = listing("编号", "离岗", "代办", "自", "至", "提前结束")
    for one in named:
        ended = local_time(one.ended_at) if one.ended_at else ""
        table.add_row(
            one.id, one.person, one.deputy, local_time(one.starts), local_time(one.ends), ended
        )
    print_listing(table)


@people_app.command("revoke")
def revoke(
    authority: Authority,
    person: Whom,
    reason: Annotated[str, typer.Option(help="停用的理由")],
    data: Data = HERE,
    as_json: AsJson = False,
) -> None:
    """停用某人在某部门的身份；即刻生效，已领取的由批办退领。"""
    from cli.system import run

    revoked = run(
        data,
        lambda services: services.people.revoke(
            authority, person, _of(authority), uuid.uuid4().hex, reason
        ),
    )
    print_json(revoked) if as_json else out.print(f"已停用：{revoked.id}", highlight=False)


@people_app.command("restore")
def restore(
    revocation: Annotated[str, typer.Argument(help="停用编号")],
    data: Data = HERE,
    as_json: AsJson = False,
) -> None:
    """恢复停用的身份；仍在有效期内的凭证重新可用。"""
    from cli.system import operator, run

    restored = run(data, lambda services: services.people.restore(revocation, operator()))
    print_json(restored) if as_json else out.print("已恢复。")


@people_app.command("give")
@ends_plainly
def give(
    person: Whom,
    role: Annotated[str, typer.Argument(help="filer、reviewer、operator 等，见 zhibao token")],
    scope: Annotated[str, typer.Argument(help="机构、部门或辖区；auditor 不填")] = "",
    administers: Annotated[
        bool, typer.Option("--administrator", help="可以在本范围内给予和收回身份")
    ] = False,
    ends: Annotated[Any, _instant("--until", "至何时")] = None,
    starts: From = None,
    reason: Why = "",
    data: Data = HERE,
    as_json: AsJson = False,
) -> None:
    """给予身份，没有账号的随之建立；本人凭一次性链接（zhibao people link）设定密码。"""
    from api.door.identity import wrong_part
    from cli.system import operator, run
    from domain.case.commands import Actor, Role

    known = role in {one.value for one in Role}
    wanted = Actor(subject=person, role=Role(role) if known else Role.SYSTEM, scope=scope)
    if wrong_part(wanted) is not None:
        fail("账号、身份或范围不对：范围是机构编号、部门编号或六位辖区代码，依身份而定")
    given = run(
        data,
        lambda services: services.memberships.give(
            person,
            wanted.role,
            scope,
            administers,
            starts,
            ends,
            operator(),
            uuid.uuid4().hex,
            reason,
            by_hand=True,
        ),
    )
    print_json(given) if as_json else out.print(f"已给予：{given.id}", highlight=False)


@people_app.command("end")
def end(
    membership: Annotated[str, typer.Argument(help="身份编号")],
    reason: Why = "",
    data: Data = HERE,
    as_json: AsJson = False,
) -> None:
    """收回身份，即刻生效。"""
    from cli.system import operator, run

    ended = run(
        data,
        lambda services: services.memberships.end(membership, operator(), reason, by_hand=True),
    )
    print_json(ended) if as_json else out.print("已收回。")


@people_app.command("roles")
def roles(
    scope: Annotated[str, typer.Argument(help="机构、部门或辖区")],
    data: Data = HERE,
    as_json: AsJson = False,
) -> None:
    """谁为一个机构、部门或辖区办事，新的在前。"""
    from cli.system import run
    from domain.case.commands import ROLE_LABELS
    from domain.messages import local_time

    held = run(
        data,
        lambda services: services.memberships.held_for(scope),
        f"身份 {scope}",
    )
    if as_json:
        print_json({"rows": [one.model_dump() for one in held]})
        return
    table = listing("编号", "账号", "身份", "管理员", "自", "至", "收回")
    for one in held:
        table.add_row(
            one.id,
            one.person,
            ROLE_LABELS[one.role],
            "是" if one.administers else "",
            local_time(one.starts),
            local_time(one.ends) if one.ends else "",
            local_time(one.ended_at) if one.ended_at else "",
        )
    print_listing(table)


@people_app.command("link")
@ends_plainly
def link(person: Whom, file: Out = None, data: Data = HERE) -> None:
    """发出一次性链接，写入文件或交给另一个程序：本人由此设定密码和动态口令，三天内有效。"""
    from cli.main import settings_for
    from cli.system import operator, run

    may_hand_out(file)
    secret = run(
        data,
        lambda services: services.memberships.link(
            person, operator(), uuid.uuid4().hex, by_hand=True
        ),
    )
    hand_out(f"{settings_for(data).public_site}/sign-in/link/{secret}", file)
