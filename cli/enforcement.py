"""``zhibao enforcement``: what might be proposed, cases and every act on them, what is in force.

Whoever acts here acts as the account they are logged in with: who proposes and who decides are two
of them, as everywhere.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from cli.terminal import (
    HERE,
    WRONG_USAGE,
    AsJson,
    Data,
    listing,
    out,
    print_json,
    print_listing,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from cli.system import Services
    from domain.case.commands import Command
    from domain.case.state import CaseState
    from domain.case.workflow_messages import Receipt
    from domain.enforcement.state import EnforcementState
    from domain.numbers.quarters import Period
    from services.case_records import Case
    from services.enforcement.cases import Attachment, Document
    from services.enforcement.register import Measure

enforcement_app = typer.Typer(no_args_is_help=True)

About = Annotated[str, typer.Argument(help="针对哪一件，如 filing/2020/<机构编号>")]
CaseId = Annotated[
    str, typer.Argument(metavar="CASE", help="如 enforcement/filing/2020/<机构编号>/1")
]
Year = Annotated[str, typer.Argument(help="统计年度，如 2020；季度如 2020Q3")]
Jurisdiction = Annotated[str, typer.Argument(help="六位辖区代码，全国为 000000")]
For = Annotated[str, typer.Option("--authority", help="以哪一部门的名义，如 amr-350000")]
Reason = Annotated[str, typer.Option(help="理由")]
Key = Annotated[str, typer.Option(help="同一编号只办一次；不填为新的一次")]


@enforcement_app.command("consequences")
def foresee(about: About, data: Data = HERE, as_json: AsJson = False) -> None:
    """对一件填报，现在可以提出哪些措施；什么也不改变。"""
    from cli.system import run
    from rules.rendering import consequences_lines

    read = f"可以提出什么 {about}"
    found = run(data, lambda services: services.enforcement.consequences(about), read)
    if as_json:
        print_json(found.model_dump())
        return
    for line in consequences_lines(found):
        typer.echo(line)


@enforcement_app.command("open")
def open_case(
    about: About,
    finding: Annotated[
        list[str] | None, typer.Option(help="承办人的认定：concealed、false、omitted，可多次")
    ] = None,
    evidence: Annotated[str, typer.Option(help="认定的证据，取自统计调查以外")] = "",
    key: Annotated[str, typer.Option(help="同一编号只立一件；不填为新的一件")] = "",
    data: Data = HERE,
    as_json: AsJson = False,
) -> None:
    """立案。立案不等于采取措施：由承办人提出，由另一人决定。"""
    from cli.system import operator, run
    from domain.enforcement.consequences import Finding

    named = [Finding(one) for one in finding or [] if one in list(Finding)]
    if len(named) < len(finding or []):
        typer.echo("--finding 应是 concealed、false 或 omitted", err=True)
        raise typer.Exit(WRONG_USAGE)
    given = key or _new_key()
    id_ = run(
        data,
        lambda services: services.enforcement.open(about, operator(), given, named, evidence),
    )
    if as_json:
        print_json({"id": id_})
    else:
        out.print(f"已立案 {escape(id_)}", highlight=False)


@enforcement_app.command("open-all")
def open_all(
    year: Year,
    jurisdiction: Jurisdiction,
    region: Annotated[str, typer.Option(help="只限这一区域，含其下级")] = "",
    status: Annotated[
        list[str] | None, typer.Option(help="只限这些状态，可重复；不填为没有提交的")
    ] = None,
    key: Key = "",
    data: Data = HERE,
    as_json: AsJson = False,
) -> None:
    """对一项统计工作里没有填报的逐件立案；每件各有结果，见 zhibao jobs show。"""
    from cli.jobs import show_job
    from cli.system import operator, run
    from domain.case.status import Status
    from domain.jobs import JobAction
    from services.campaigns.opening import kind_of
    from services.jobs import Selection

    period = _period(year)
    known = [one for one in status or [] if one in list(Status)]
    if len(known) < len(status or []):
        typer.echo(f"--status 应是 {'、'.join(Status)} 之一", err=True)
        raise typer.Exit(WRONG_USAGE)
    selection = Selection(
        kind=kind_of(period),
        campaign=f"campaign/{period}/{jurisdiction}",
        statuses=tuple(known),
        region=region,
    )
    job = run(
        data,
        lambda services: services.jobs.ask(
            JobAction.OPEN_ENFORCEMENT, selection, operator(), key or _new_key(), details={}
        ),
    )
    show_job(job, as_json=as_json)


@enforcement_app.command("list")
def list_cases(
    status: Annotated[str, typer.Option(help="in_review、in_force 或 completed")] = "",
    institution: Annotated[str, typer.Option(help="机构编号")] = "",
    authority: Annotated[str, typer.Option(help="现由哪一部门办理")] = "",
    data: Data = HERE,
    as_json: AsJson = False,
) -> None:
    """后续处理的办件。"""
    from cli.system import run
    from domain.enforcement.kind import ENFORCEMENT

    given = {"status": status, "institution": institution, "authority": authority}
    filters: dict[str, Any] = {name: value for name, value in given.items() if value}
    rows = run(
        data,
        lambda services: services.records.listed(ENFORCEMENT, None, 1000, **filters),
        " ".join(["后续处理的办件", *filters.values()]),
    )
    if as_json:
        print_json({"rows": [_row(case) for case in rows]})
        return
    table = listing("办件", "状态", "现由", "期限")
    for case in rows:
        due = f"{case.due:%Y-%m-%d}" if case.due is not None else ""
        table.add_row(case.case_id, case.status, case.authority, due)
    print_listing(table)


def _row(case: Case) -> dict[str, Any]:
    shown = {"case_id", "institution_id", "status", "authority", "due", "opened_at"}
    return case.model_dump(include=shown)


@enforcement_app.command("show")
def show(case_id: CaseId, data: Data = HERE, as_json: AsJson = False) -> None:
    """一件后续处理：事实、可以选择的措施、办到哪一步、文书和附件。"""
    from cli.system import run
    from domain.enforcement.commands import ENDING_LABELS, STAGE_LABELS, STAGE_NEXT
    from domain.enforcement.state import terms_of
    from domain.messages import closing_time

    async def ask(
        services: Services,
    ) -> tuple[Case, CaseState[EnforcementState], list[Document], list[Attachment]]:
        case = (await services.records.find(case_id, "后续处理")).case
        service = services.enforcement
        documents, attachments = await service.documents(case), await service.attachments(case)
        return case, await service.state(case), documents, attachments

    case, state, documents, attachments = run(data, ask, f"后续处理 {case_id}")
    terms, own = terms_of(case.plan), state.own
    if as_json:
        print_json(
            _row(case)
            | {
                "about": terms.about,
                "because": terms.consequences.because,
                "facts": terms.filing.model_dump(),
                "findings": terms.findings,
                "measures": [one.model_dump() for one in terms.measures],
                **own.model_dump(),
                "documents": [one.model_dump() for one in documents],
                "attachments": [one.model_dump() for one in attachments],
            }
        )
        return
    ended = f"，{ENDING_LABELS[own.ended_by]}" if own.ended_by else ""
    typer.echo(f"{case.case_id}：{STAGE_LABELS[own.stage]}{ended}")
    typer.echo(f"事实：{terms.consequences.because}")
    for one in terms.measures:
        chosen = "→" if one.id == own.measure else " "
        typer.echo(f"{chosen} {one.id} {one.label}（{one.proposes} 提出，{one.decides} 决定）")
    if case.due is not None:
        typer.echo(f"期限：{closing_time(case.due)}")
    for paper in documents:
        typer.echo(f"文书：{paper.number} {paper.kind} {paper.sha256[:12]}")
    typer.echo(f"下一步：{STAGE_NEXT[own.stage]}")


@enforcement_app.command("propose")
def propose(
    case_id: CaseId,
    measure: Annotated[str, typer.Argument(help="措施编号，见 show")],
    authority: For,
    reason: Reason,
    wording: Annotated[str, typer.Option(help="通知没有写明措施的，写明做什么")] = "",
    key: Key = "",
    data: Data = HERE,
    as_json: AsJson = False,
) -> None:
    """承办人提出一项措施。"""
    from domain.enforcement.commands import Propose

    async def act(services: Services) -> Receipt:
        noted = await services.enforcement.note({"wording": wording}) if wording.strip() else ""
        command = Propose(**_by("officer", authority, key), measure=measure, wording_sha256=noted)
        return await _perform(services, case_id, command, {"reason": reason})

    _told(act, data, as_json=as_json)


@enforcement_app.command("notice")
def give_notice(
    case_id: CaseId, authority: For, key: Key = "", data: Data = HERE, as_json: AsJson = False
) -> None:
    """承办人事先告知。"""
    from domain.enforcement.commands import GiveNotice

    command = GiveNotice(**_by("officer", authority, key))
    _told(lambda services: _perform(services, case_id, command), data, as_json=as_json)


@enforcement_app.command("state")
def make_statement(
    case_id: CaseId,
    institution: Annotated[str, typer.Option(help="机构编号：书面收到的陈述、申辩由谁提出")],
    text: Annotated[str, typer.Option(help="陈述、申辩的内容")],
    key: Key = "",
    data: Data = HERE,
    as_json: AsJson = False,
) -> None:
    """录入机构的陈述、申辩。"""
    from domain.enforcement.commands import MakeStatement

    command = MakeStatement(**_by("filer", institution, key))
    note = {"text": text, "attachments": []}
    _told(lambda services: _perform(services, case_id, command, note), data, as_json=as_json)


@enforcement_app.command("decide")
def decide(
    case_id: CaseId,
    outcome: Annotated[str, typer.Argument(help="impose 采取所提出的措施，dismiss 不采取")],
    authority: For,
    reason: Reason,
    basis: Annotated[str, typer.Option(help="行政处罚：本部门有权作出的法律条文")] = "",
    key: Key = "",
    data: Data = HERE,
    as_json: AsJson = False,
) -> None:
    """决定人决定：所提出的措施，或者不采取。"""
    from domain.enforcement.commands import Decide

    if outcome not in ("impose", "dismiss"):
        typer.echo("应是 impose（采取）或 dismiss（不采取）", err=True)
        raise typer.Exit(WRONG_USAGE)
    given = bool(basis.strip())
    command = Decide(**_by("decider", authority, key), outcome=outcome, basis_given=given)
    note = {"reason": reason, **({"basis": basis} if given else {})}
    _told(lambda services: _perform(services, case_id, command, note), data, as_json=as_json)


@enforcement_app.command("serve")
def serve(
    case_id: CaseId, authority: For, key: Key = "", data: Data = HERE, as_json: AsJson = False
) -> None:
    """承办人送达决定。"""
    from domain.enforcement.commands import ServeDecision

    command = ServeDecision(**_by("officer", authority, key))
    _told(lambda services: _perform(services, case_id, command), data, as_json=as_json)


@enforcement_app.command("withdraw")
def withdraw(
    case_id: CaseId,
    authority: For,
    reason: Reason,
    decided: Annotated[
        bool, typer.Option("--decided", help="已经决定的，由作出决定的部门撤回")
    ] = False,
    key: Key = "",
    data: Data = HERE,
    as_json: AsJson = False,
) -> None:
    """写明理由撤回：决定之前由承办人，之后由决定人。"""
    from domain.enforcement.commands import WithdrawMeasure

    command = WithdrawMeasure(**_by("decider" if decided else "officer", authority, key))
    note = {"reason": reason}
    _told(lambda services: _perform(services, case_id, command, note), data, as_json=as_json)


def _new_key() -> str:
    return f"cli-{uuid.uuid4().hex}"


def _by(role: str, scope: str, key: str) -> dict[str, Any]:
    """What every command says: its id, who gives it, when."""
    from cli.system import operator
    from domain.case.commands import Role
    from services.clock import system_clock

    actor = operator().model_copy(update={"role": Role(role), "scope": scope})
    return {"id": key or _new_key(), "actor": actor, "received_at": system_clock()}


async def _perform(
    services: Services, case_id: str, command: Command, note: dict[str, Any] | None = None
) -> Receipt:
    """One act on a case; an institution's only on its own. Raises Refused."""
    from domain.case.commands import Role
    from domain.refusals import Code, Refusal, Refused

    case = (await services.records.find(case_id, "后续处理")).case
    if command.actor.role is Role.FILER and command.actor.scope != case.institution_id:
        raise Refused(Refusal(code=Code.NOT_YOUR_CASE))
    return await services.enforcement.perform(case, command, note)


def _told(act: Callable[[Services], Awaitable[Receipt]], data: Path, *, as_json: bool) -> None:
    from cli.system import run

    receipt = run(data, act)
    if as_json:
        print_json(receipt)
    else:
        typer.echo(f"已办，第 {receipt.sequence} 步")


def _period(text: str) -> Period:
    """A year or a quarter. Ends the command where it is neither."""
    from domain.numbers.quarters import Period

    try:
        return Period.parse(text)
    except ValueError:
        typer.echo(f"{text} 不是统计年度或季度，如 2020、2020Q3", err=True)
        raise typer.Exit(WRONG_USAGE) from None


@enforcement_app.command("register")
def show_register(
    region: Annotated[str, typer.Option(help="机构的监管区域，含其下级")] = "000000",
    measure: Annotated[str, typer.Option(help="哪一种措施")] = "",
    ended: Annotated[bool, typer.Option("--ended", help="只看已经终止的；不填为生效的")] = False,
    data: Data = HERE,
    as_json: AsJson = False,
) -> None:
    """措施登记簿：生效的，或者已经终止的。"""
    from cli.system import run

    async def ask(services: Services) -> list[Measure]:
        return await services.measures.page(
            None,
            1000,
            within=region,
            measure=measure or None,
            holds=not ended,
        )

    rows = run(data, ask, f"措施登记簿 {region} {measure}".strip())
    if as_json:
        print_json({"rows": [row.model_dump() for row in rows]})
        return
    table = listing("机构", "措施", "部门", "自", "办件")
    for row in rows:
        since = f"{row.effective_at:%Y-%m-%d}"
        table.add_row(row.institution_name, row.label, row.authority, since, row.case_id)
    print_listing(table)


@enforcement_app.command("figures")
def show_figures(
    year: Year,
    jurisdiction: Jurisdiction,
    data: Data = HERE,
    as_json: AsJson = False,
) -> None:
    """一项统计工作的后续处理：各有多少件。"""
    from cli.system import run

    period = _period(year)
    rows = run(
        data, lambda services: services.measures.figures(f"campaign/{period}/{jurisdiction}", "")
    )
    named = [
        {"status": status, "measure": measure, "ended_by": ended, "cases": cases}
        for status, measure, ended, cases in rows
    ]
    if as_json:
        print_json({"rows": named, "total": sum(row[3] for row in rows)})
        return
    table = listing("状态", "措施", "怎样结束", "件数")
    for one in named:
        table.add_row(*(str(value) for value in one.values()))
    print_listing(table)
