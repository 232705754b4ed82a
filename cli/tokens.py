"""``zhibao token``, and below ``zhibao people``: tokens, programs, persons of the provider's."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from cli.terminal import (
    HERE,
    NOT_IN_ORDER,
    WRONG_USAGE,
    AsJson,
    Data,
    Out,
    ends_plainly,
    err,
    fail,
    hand_out,
    listing,
    may_hand_out,
    out,
    print_json,
    print_listing,
    within,
)

if TYPE_CHECKING:
    from domain.case.commands import Actor

Person = Annotated[str, typer.Argument(metavar="PERSON", help="账号")]
Program = Annotated[str, typer.Argument(metavar="PROGRAM", help="程序的账号，以 program. 开头")]
Subject = Annotated[str, typer.Argument(help="统一身份认证中的编号（sub）")]


def mount(app: typer.Typer, people_app: typer.Typer) -> None:
    """Puts these commands where they belong."""
    app.command("token")(token)
    people_app.command("tokens")(tokens)
    people_app.command("revoke-token")(revoke_token)
    people_app.command("secret")(secret)
    people_app.command("end-secrets")(end_secrets)
    people_app.command("tie")(tie)
    people_app.command("untie")(untie)


_NAMED = "filer、reviewer、checker、clerk、officer、decider、operator、auditor、responsible"


@ends_plainly
def token(
    role: Annotated[
        str,
        typer.Option(help=f"应是 {_NAMED} 之一"),
    ],
    subject: Annotated[str, typer.Option(help="人员编号，如 zhang.san")],
    scope: Annotated[
        str, typer.Option(help="机构编号、部门编号或辖区代码，依身份而定；auditor 不填")
    ] = "",
    days: Annotated[
        int, typer.Option(help="有效天数，1 至 366", callback=within("--days", 1, 366))
    ] = 1,
    file: Out = None,
    data: Data = HERE,
) -> None:
    """签发一个凭证，记录在案：写入文件，或交给另一个程序；可以用 zhibao people 查看和作废。"""
    from api.door.identity import Identity, wrong_part
    from cli.main import settings_for
    from cli.system import operator, run_on_credentials
    from domain.case.commands import Actor, Role
    from services.clock import system_clock
    from services.keys import KeyMissing

    capacity = Role(role) if role in _SCOPES else Role.SYSTEM
    actor = Actor(subject=subject, role=capacity, scope=scope)
    if (part := wrong_part(actor)) is not None:
        err.print(f"[red]{escape(_mend(part, actor, role))}[/red]")
        raise typer.Exit(WRONG_USAGE)
    may_hand_out(file)
    settings = settings_for(data)
    lifetime = timedelta(days=days)
    if lifetime > settings.longest_token:
        fail(f"凭证至多 {settings.token_days} 天有效（ZHIBAO_TOKEN_DAYS）；请减小 --days")
    now = system_clock()
    try:
        issued, id_ = Identity(settings.keyring, settings.longest_token).issued(
            actor, now, lifetime
        )
    except KeyMissing:
        fail("这里没有签发凭证的私钥；请在保管私钥的主机上签发，见 zhibao keys", NOT_IN_ORDER)
    run_on_credentials(
        data,
        lambda services: services.tokens.issued(id_, actor, now, now + lifetime, operator()),
    )
    hand_out(issued, file)


_INSTITUTION = (
    "应是机构编号：字母或数字开头，只用字母、数字和 . _ -，至多 64 个字符，如 demo-000006"
)
_AUTHORITY = "应是部门编号，如 samr、amr-350000、group-railway"
_SCOPES = {
    "filer": _INSTITUTION,
    "reviewer": _AUTHORITY,
    "checker": _AUTHORITY,
    "clerk": _AUTHORITY,
    "officer": _AUTHORITY,
    "decider": _AUTHORITY,
    "operator": "应是六位辖区代码，如 350000，全国为 000000",
    "auditor": "不限，请去掉 --scope",
    "responsible": _INSTITUTION,
}


def _mend(part: str, actor: Actor, role: str) -> str:
    """Which option is wrong, and how it should look."""
    if part == "role":
        return f"--role {role} 不是身份：应是 {'、'.join(_SCOPES)} 之一"
    if part == "subject":
        return (
            f"--subject {actor.subject} 不是人员编号："
            "字母或数字开头，只用字母、数字和 . _ @ -，至多 64 个字符，如 zhang.san"
        )
    given = f"--scope {actor.scope} 不对" if actor.scope else "缺少 --scope"
    return f"{given}：{role} 的范围{_SCOPES[role]}"


def tokens(person: Person, data: Data = HERE, as_json: AsJson = False) -> None:
    """某人现在有效的凭证，新的在前；凭证本身不保存。"""
    from cli.system import operator, run_on_credentials
    from domain.case.commands import ROLE_LABELS
    from domain.messages import local_time

    held = run_on_credentials(
        data, lambda services: services.tokens.of_person(person, operator(), by_hand=True)
    )
    if as_json:
        print_json({"rows": [one.model_dump() for one in held]})
        return
    table = listing("编号", "身份", "范围", "签发人", "自", "至")
    for one in held:
        times = local_time(one.issued_at), local_time(one.ends_at)
        table.add_row(one.id, ROLE_LABELS[one.role], one.scope, one.issued_by, *times)
    print_listing(table)


def revoke_token(
    token: Annotated[str, typer.Argument(help="凭证编号，见 zhibao people tokens")],
    data: Data = HERE,
    as_json: AsJson = False,
) -> None:
    """作废一个凭证，即刻生效。"""
    from cli.system import operator, run_on_credentials

    revoked = run_on_credentials(
        data, lambda services: services.tokens.revoke(token, operator(), by_hand=True)
    )
    print_json(revoked) if as_json else out.print("已作废。")


@ends_plainly
def secret(
    program: Program,
    overlap: Annotated[
        int,
        typer.Option(help="旧密钥还有效的小时数", callback=within("--overlap", 0, 720)),
    ] = 24,
    file: Out = None,
    data: Data = HERE,
) -> None:
    """发给程序一个新密钥：它凭账号和密钥到 /oauth/token 换取十分钟有效的凭证。"""
    from cli.system import operator, run_on_credentials

    may_hand_out(file)
    _, made = run_on_credentials(
        data,
        lambda services: services.programs.new_secret(
            program, timedelta(hours=overlap), operator(), uuid.uuid4().hex, by_hand=True
        ),
    )
    hand_out(made, file)


def end_secrets(program: Program, data: Data = HERE) -> None:
    """停用程序的全部密钥，即刻生效。"""
    from cli.system import operator, run_on_credentials

    run_on_credentials(
        data,
        lambda services: services.programs.end_secrets(program, operator(), by_hand=True),
    )
    out.print("已停用。")


def tie(person: Person, subject: Subject, data: Data = HERE) -> None:
    """把统一身份认证中的一个人绑定到账号；本人也可由一次性链接自行绑定。"""
    from cli.system import operator, run_on_credentials

    run_on_credentials(
        data,
        lambda services: services.provider.tie(person, subject, operator(), by_hand=True),
    )
    out.print("已绑定。")


def untie(person: Person, subject: Subject, data: Data = HERE) -> None:
    """解除绑定；由它登录着的浏览器即刻退出。"""
    from cli.system import operator, run_on_credentials

    run_on_credentials(
        data,
        lambda services: services.provider.untie(person, subject, operator(), by_hand=True),
    )
    out.print("已解除。")
