"""``zhibao audit …``: what an auditor asks of the whole record."""

from __future__ import annotations

import asyncio
import getpass
import os
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from rich.markup import escape

from cli.terminal import (
    HERE,
    NOT_IN_ORDER,
    WRONG_USAGE,
    AsJson,
    Data,
    err,
    logs_aside,
    out,
    print_json,
    read_instant,
    within,
)

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine
    from temporalio.client import Client

    from audit.recompute import Foreseen, Recomputed
    from audit.replay import Replayed
    from audit.timeline import Told
    from domain.citation import Citation
    from settings import Settings

Answer = TypeVar("Answer")

CaseId = Annotated[str, typer.Argument(metavar="CASE", help="如 filing/2024/<机构编号>")]
What = Annotated[
    str,
    typer.Argument(metavar="CASE|CAMPAIGN", help="一件，或一项统计工作（campaign/2024/000000）"),
]


@dataclass
class Auditor:
    """What an auditor's command works with. ``client`` None: the engine does not answer."""

    engine: AsyncEngine
    client: Client | None
    settings: Settings


def mount(app: typer.Typer) -> None:
    """Puts these commands below ``zhibao audit``."""
    for name, command in (
        ("verify", verify),
        ("receipt", receipt),
        ("seal", seal),
        ("archive", archive),
        ("replay", replay),
        ("recompute", recompute),
        ("counterfactual", counterfactual),
        ("as-of", as_of),
        ("export", export),
        ("timeline", timeline),
    ):
        app.command(name)(command)


# --- verify, seal, archive ------------------------------------------------------------------------


def verify(
    case_id: Annotated[str, typer.Argument(metavar="[CASE]", help="只核对一件；不填为全部")] = "",
    data: Data = HERE,
    as_json: AsJson = False,
) -> None:
    """核对全部记录：日志的哈希链、封存点、各表与日志、内容、编号、签名、流程，逐行指出不符。"""
    from audit.findings import KIND_LABELS
    from audit.verify import Keys
    from audit.verify import verify as work
    from services.clock import system_clock

    async def verifying(auditor: Auditor) -> Any:
        keys = Keys.of(auditor.settings)
        return await work(auditor.engine, auditor.client, keys, system_clock, case_id)

    found = run(data, f"verify {case_id}".strip(), verifying)
    if as_json:
        print_json(found)
    else:
        for one in found.findings:
            place = f" 第 {one.sequence} 步" if one.sequence is not None else ""
            where = escape(f"{one.case_id}{place}")
            out.print(
                f"[red]{KIND_LABELS[one.kind]}[/red]  {where}  {one.table}  {escape(one.message)}",
                highlight=False,
            )
        if found.more:
            out.print(f"另有 {found.more} 处未列出。")
        rows = sum(found.checked.values())
        told = "相符。" if found.ok else f"不符 {len(found.findings) + found.more} 处。"
        out.print(f"核对 {found.checked.get('cases', 0)} 件、{rows} 行，{told}", highlight=False)
        if "processes" not in found.checked:
            err.print("流程引擎连不上，流程没有核对。")
    if not found.ok:
        raise typer.Exit(NOT_IN_ORDER)


def receipt(
    file: Annotated[Path, typer.Argument(help="提交回执，如 GET …/receipt 的答复")],
    data: Data = HERE,
    as_json: AsJson = False,
) -> None:
    """核对一份提交回执：签名是不是本系统的，所写的与现在的日志是不是一致。"""
    import json

    from audit.receipts import against_record

    try:
        handed = json.loads(file.read_bytes())
    except (OSError, ValueError):
        err.print(f"读不出 {escape(str(file))}：应是一份 JSON 文件。")
        raise typer.Exit(WRONG_USAGE) from None

    async def checking(auditor: Auditor) -> Any:
        return await against_record(auditor.engine, handed, auditor.settings.receipt_keys)

    fault = run(data, "receipt", checking)
    if as_json:
        print_json({"ok": not fault, "fault": fault})
    elif fault:
        out.print(f"[red]不符[/red]  {escape(fault)}", highlight=False)
    else:
        out.print("相符：签名有效，与日志一致。")
    if fault:
        raise typer.Exit(NOT_IN_ORDER)


def seal(data: Data = HERE, as_json: AsJson = False) -> None:
    """封存现在的全部记录：做一个签名的封存点，并复制到封存目录；工作进程也会定时封存。"""
    from services.checkpoints import Sealing, handed_out
    from services.clock import system_clock

    async def sealing(auditor: Auditor) -> Any:
        settings = auditor.settings
        work = Sealing(auditor.engine, settings.audit_keys, settings.checkpoints, system_clock)
        made = await work.seal()
        await work.hand_out_all()
        return made

    made = run(data, "", sealing)
    if made is None:
        err.print("另有进程正在封存，请稍后再试。")
        raise typer.Exit(NOT_IN_ORDER)
    if as_json:
        print_json(handed_out(made))
        return
    signed = f"由密钥 {made.key} 签名" if made.key else "没有密钥，未签名"
    out.print(f"第 {made.number} 个封存点，SHA-256 {made.sha256}，{signed}。", highlight=False)


def archive(
    case_id: Annotated[str, typer.Argument(metavar="[CASE]", help="不填为全部已办结的")] = "",
    data: Data = HERE,
    as_json: AsJson = False,
) -> None:
    """把流程历史存档，使其比流程引擎保留得久；办结的由工作进程自动存档。"""
    from services.archive import Archiving
    from services.clock import system_clock
    from store import archive as kept

    async def archiving(auditor: Auditor) -> Any:
        work = Archiving(client_of(auditor), auditor.engine, system_clock)
        new = len(await work.archive_case(case_id)) if case_id else await work.archive_news()
        async with auditor.engine.connect() as connection:
            runs, size = await kept.size(connection)
        return {"new": new, "runs": runs, "bytes": size}

    done = run(data, f"archive {case_id}".strip(), archiving)
    if as_json:
        print_json(done)
    else:
        out.print(f"新存档 {done['new']} 件；共 {done['runs']} 轮，{done['bytes']} 字节。")


# --- replay ---------------------------------------------------------------------------------------


def replay(
    what: What,
    processes: Annotated[
        int,
        typer.Option(
            help="几个进程同时进行；不填为处理器的个数", callback=within("--processes", 0, 64)
        ),
    ] = 0,
    report: Annotated[
        Path | None,
        typer.Option("--report", help="报告目录：report.jsonl、.json、.csv、.html；再次运行接着做"),
    ] = None,
    data: Data = HERE,
    as_json: AsJson = False,
) -> None:
    """用现在的程序重演流程历史，逐项比较活动参数、结果、定时和每一步，指出不同之处。"""
    if what.startswith("campaign/") or report is not None:
        _replay_many(what, processes, report or Path("replay"), data, as_json)
        return
    from audit.replay import NoHistory
    from audit.replay import replay as work

    async def replaying(auditor: Auditor) -> Any:
        try:
            return await work(auditor.engine, auditor.client, what)
        except NoHistory:
            return None

    done = run(data, f"replay {what}", replaying)
    if done is None:
        err.print(f"{escape(what)} 没有流程历史，也没有存档。")
        raise typer.Exit(NOT_IN_ORDER)
    if as_json:
        print_json(done)
    else:
        _show_replayed(done)
    if done.differences:
        raise typer.Exit(NOT_IN_ORDER)


def _show_replayed(done: Replayed) -> None:
    for one in done.differences:
        told = f"事件 {one.event}  {one.what}  记录 {one.recorded}  重演 {one.recomputed}"
        out.print(f"[red]不同[/red]  {escape(told)}", highlight=False)
    where = "（存档）" if done.archived else ""
    out.print(
        f"{escape(done.case_id)}{where} {done.events} 个事件，不同 {len(done.differences)} 处。",
        highlight=False,
    )


def _replay_many(what: str, processes: int, folder: Path, data: Path, as_json: bool) -> None:
    from audit.many import Progress, replay_many

    last = 0

    def tell(progress: Progress) -> None:
        nonlocal last
        if progress.done - last >= max(1, progress.total // 20) or progress.done == progress.total:
            last = progress.done
            err.print(f"{progress.done}/{progress.total}，不同 {progress.differing} 件")

    async def ids(auditor: Auditor) -> list[str]:
        from store import auditing

        async with auditing.snapshot(auditor.engine) as connection:
            asked = auditing.rows(connection, auditing.IDS, what=what)
            return [row["case_id"] async for row in asked]

    cases = run(data, f"replay {what}", ids)
    if not cases:
        err.print(f"没有 {escape(what)} 的记录。")
        raise typer.Exit(NOT_IN_ORDER)
    at_once = processes or (os.cpu_count() or 1)
    summary = replay_many(data.resolve(), what, cases, at_once, folder, tell)
    if as_json:
        print_json(summary)
    else:
        out.print(f"报告在 {escape(str(folder))}：{summary['cases']} 件，"
                  f"不同 {summary['differing']} 件。", highlight=False)  # fmt: skip
    if summary["differing"]:
        raise typer.Exit(NOT_IN_ORDER)


# --- recompute, counterfactual --------------------------------------------------------------------


def recompute(case_id: CaseId, data: Data = HERE, as_json: AsJson = False) -> None:
    """依钉住的规则集和所记的事实重新作出每一项决定，不经过流程。"""
    found = _decided(data, f"recompute {case_id}", case_id, None)
    _show_decisions(found, as_json)
    if not all(one.same for one in found.decisions):
        raise typer.Exit(NOT_IN_ORDER)


def counterfactual(
    what: What,
    other: Annotated[str, typer.Option("--rules", metavar="YEAR/NAME", help="如 2024/national")],
    folder: Annotated[
        Path | None, typer.Option("--rules-folder", envvar="ZHIBAO_RULES", help="规则目录")
    ] = None,
    data: Data = HERE,
    as_json: AsJson = False,
) -> None:
    """同样的事实在另一年度或另一修订的规则下，哪些决定会不同，依据哪一条。"""
    from rules.compiled import CompiledRules
    from rules.file.library import SHIPPED, current_library

    try:
        resolved = current_library(folder or SHIPPED).resolve_name(other)
        rules = CompiledRules(resolved.document)
    except (LookupError, ValueError, OSError) as unknown:
        err.print(f"[red]没有规则集 {escape(other)}[/red]：{escape(str(unknown))}")
        raise typer.Exit(WRONG_USAGE) from None
    told = f"counterfactual {what} {other}"
    if what.startswith("campaign/"):
        _show_foreseen(_foreseen(data, told, what, rules), as_json)
    else:
        _show_decisions(_decided(data, told, what, rules), as_json)


def _decided(data: Path, told: str, what: str, rules: Any) -> Recomputed:
    from audit.recompute import Recomputing

    return _of_record(data, told, what, lambda engine: Recomputing(engine, rules).case(what))


def _foreseen(data: Path, told: str, what: str, rules: Any) -> Foreseen:
    from audit.recompute import Recomputing

    return _of_record(data, told, what, lambda engine: Recomputing(engine, rules).foreseen(what))


def _of_record(
    data: Path, told: str, what: str, work: Callable[[AsyncEngine], Awaitable[Answer]]
) -> Answer:
    from audit.recompute import NoSuchCase

    async def deciding(auditor: Auditor) -> Answer | None:
        try:
            return await work(auditor.engine)
        except NoSuchCase:
            return None

    found = run(data, told, deciding)
    if found is None:
        err.print(f"没有 {escape(what)} 的记录。")
        raise typer.Exit(NOT_IN_ORDER)
    return found


def _show_decisions(found: Recomputed, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    for one in found.decisions:
        values = f"{one.recorded} → {one.recomputed}" if not one.same else ""
        told = f"{found.case_id} 第 {one.sequence} 步 {one.kind} {values}{_cited(one.cite)}"
        out.print(f"{_SAME if one.same else _OTHER}  {escape(told)}", highlight=False)
    other = sum(not one.same for one in found.decisions)
    out.print(f"{len(found.decisions)} 项决定，不同 {other} 项。", highlight=False)


def _show_foreseen(found: Foreseen, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    for one in found.differences:
        told = f"{len(one.cases)} 件 {one.kind} {one.recorded} → {one.recomputed}"
        out.print(f"{_OTHER}  {escape(told + _cited(one.cite))}", highlight=False)
    out.print(
        f"{found.cases} 件，{found.decisions} 项决定，{found.differing} 件会不同。", highlight=False
    )


_SAME, _OTHER = "相同", "[red]不同[/red]"


def _cited(cite: Citation | None) -> str:
    return f"（{cite.document} {cite.clause}）" if cite is not None else ""


# --- as of ----------------------------------------------------------------------------------------


def as_of(
    what: What,
    at: Annotated[Any, typer.Argument(metavar="INSTANT", parser=read_instant, help="哪一时刻")],
    then: Annotated[
        Any,
        typer.Option("--and", metavar="INSTANT", parser=read_instant, help="再比较另一时刻"),
    ] = None,
    cases: Annotated[bool, typer.Option("--cases", help="统计工作的各件，而不是合计")] = False,
    data: Data = HERE,
    as_json: AsJson = False,
) -> None:
    """一件或一项统计工作在任何时刻的状态；给出两个时刻则比较。"""
    from audit import as_of as moments

    async def looking(auditor: Auditor) -> Any:
        engine = auditor.engine
        if not what.startswith("campaign/"):
            both = [await moments.as_of(engine, what, one) for one in (at, then) if one]
            return both if then else both[0]
        if then:
            return [one async for one in moments.compared(engine, what, at, then)]
        if cases:
            return [one async for one in moments.listed_as_of(engine, what, at)]
        return await moments.figures_as_of(engine, what, at)

    found = run(data, f"as-of {what} {at.isoformat()}", looking)
    if found is None or found == [None, None]:
        err.print(f"{escape(what)} 在这一时刻还没有记录。")
        raise typer.Exit(NOT_IN_ORDER)
    if as_json:
        print_json({"rows": found} if isinstance(found, list) else found)
        return
    for one in found if isinstance(found, list) else [found]:
        told = one.model_dump_json() if one is not None else "还没有记录"
        out.print(escape(told), highlight=False)


# --- export, timeline -----------------------------------------------------------------------------


def export(
    what: What,
    file: Annotated[Path, typer.Option("--out", help="写到哪个 ZIP 文件", dir_okay=False)],
    mandate: Annotated[
        str, typer.Option("--mandate", help="带上填报内容和理由所依据的授权；不填则只带其哈希")
    ] = "",
    data: Data = HERE,
    as_json: AsJson = False,
) -> None:
    """带走一件或一项统计工作：解开后在任何机器上运行 python3 -I verify.py 即可核对。"""
    from audit.export import NoKey, NothingToExport
    from audit.export import export as work
    from services.clock import system_clock

    async def exporting(auditor: Auditor) -> Any:
        try:
            keys = auditor.settings.audit_keys
            return await work(auditor.engine, keys, system_clock, what, file, mandate)
        except NothingToExport:
            return f"没有 {what} 的记录。"
        except NoKey:
            return "密钥表里的私钥都不在本机，不能给清单签名；请在有审计密钥的机器上导出。"

    told = f"export {what}" + (f"，含内容，授权：{mandate}" if mandate else "")
    made = run(data, told, exporting)
    if isinstance(made, str):
        err.print(escape(made))
        raise typer.Exit(NOT_IN_ORDER)
    if as_json:
        print_json(made)
    else:
        out.print(
            f"已写入 {escape(made.file)}：{made.chains} 件，{made.steps} 步，"
            f"清单 SHA-256 {made.manifest_sha256}",
            highlight=False,
        )


def timeline(
    case_id: Annotated[str, typer.Argument(metavar="[CASE]", help="不填为全部记录")] = "",
    person: Annotated[str, typer.Option("--by", help="只看此人所做的")] = "",
    action: Annotated[
        str, typer.Option(help="只看此类步骤，如 submitted；refused 为被拒绝的操作")
    ] = "",
    rule: Annotated[str, typer.Option(help="只看依此规则、文号作出的，或以此代码拒绝的")] = "",
    since: Annotated[
        Any, typer.Option("--from", metavar="INSTANT", parser=read_instant, help="自何时起")
    ] = None,
    until: Annotated[
        Any, typer.Option("--to", metavar="INSTANT", parser=read_instant, help="至何时止，不含")
    ] = None,
    csv: Annotated[Path | None, typer.Option(help="写入这一 CSV 文件", dir_okay=False)] = None,
    data: Data = HERE,
    as_json: AsJson = False,
) -> None:
    """一件或全部记录的经过：何人何时依何规则何条做了什么，包括被拒绝的操作，每步带内容和哈希。"""
    from audit.timeline import COLUMNS, Filter, csv_row, whole_record
    from files.export import CSV_MARK, csv_line

    wanted = Filter(case_id, person, action, rule, since, until)

    async def reading(auditor: Auditor) -> tuple[int, list[Told]]:
        number, kept = 0, []
        with csv.open("wb") if csv is not None else nullcontext() as file:
            if file is not None:
                file.write(CSV_MARK + csv_line(COLUMNS).encode())
            async for one in whole_record(auditor.engine, wanted):
                number += 1
                if file is not None:
                    file.write(csv_line(csv_row(one)).encode())
                if as_json:
                    kept.append(one)
                elif file is None:
                    _print_told(one, whole=not case_id)
        return number, kept

    filters = {"by": person, "action": action, "rule": rule, "from": since, "to": until}
    told = " ".join(f"{name}={value}" for name, value in filters.items() if value)
    number, found = run(data, f"timeline {case_id} {told}".strip(), reading)
    if csv is not None:
        err.print(f"已写入 {escape(str(csv))}，{number} 步", highlight=False)
    if as_json:
        print_json({**({"case_id": case_id} if case_id else {}), "entries": found})
    if not number and case_id:
        err.print(f"没有 {escape(case_id)} 的记录。")
        raise typer.Exit(NOT_IN_ORDER)


def _print_told(entry: Told, *, whole: bool) -> None:
    from domain.messages import local_time

    number = f"{entry.sequence:>3}" if entry.sequence is not None else "  ✗"
    scope = f"@{entry.scope}" if entry.scope else ""
    who = f"{entry.role} {entry.subject}{scope}"
    state = f" → {entry.status_label}" if entry.status_label else ""
    style = "" if entry.sequence is not None else "red"
    about = f"{escape(entry.case_id)}  " if whole else ""
    told = f"{escape(entry.label)}{state}  [dim]{escape(who)}[/dim]"
    out.print(
        f"{number}  {local_time(entry.at)}  {about}{told}",
        style=style,
        highlight=False,
    )
    for text in (_basis(entry), entry.detail, _reason(entry), entry.hash):
        if text:
            out.print(f"       [dim]{escape(text)}[/dim]", highlight=False)


def _basis(entry: Told) -> str:
    place = f"{entry.document} {entry.clause}".strip()
    parts = [f"规则 {entry.rule}" if entry.rule else "", place]
    parts.append(f"“{entry.quote}”" if entry.quote else "")
    parts.append(f"推定：{entry.assumption}" if entry.assumption else "")
    return "  ".join(part for part in parts if part)


def _reason(entry: Told) -> str:
    return f"理由：{entry.note['reason']}" if entry.note and "reason" in entry.note else ""


# --- private steps --------------------------------------------------------------------------------


def client_of(auditor: Auditor) -> Client:
    """The engine; without one the command ends."""
    if auditor.client is None:
        err.print("[red]连不上数据库或流程引擎。[/red]请先运行 zhibao up，或核对 --data。")
        raise typer.Exit(NOT_IN_ORDER)
    return auditor.client


@asynccontextmanager
async def auditing(settings: Settings) -> AsyncIterator[Auditor]:
    """What an auditor works with, on one system."""
    from rules.file.catalogue import put_in_use
    from services.doors import engine_of
    from store.database import connect

    logs_aside()
    put_in_use(settings.rules)
    try:
        client = await engine_of(settings)
    except RuntimeError:
        client = None
    url = settings.database_url.get_secret_value()
    # looking through everything takes its time
    engine = connect(url, pool_size=6, patience=3600)
    try:
        yield Auditor(engine, client, settings)
    finally:
        await engine.dispose()


def run(data: Path, told: str, work: Callable[[Auditor], Awaitable[Answer]]) -> Answer:
    """Does an auditor's work, and puts on record that it was done; ``told`` empty: nothing."""
    from sqlalchemy.exc import SQLAlchemyError
    from temporalio.service import RPCError

    from domain.messages import explain
    from domain.refusals import Code, Refusal
    from services.keys import KeyMissing, hide_with
    from settings import SettingMissing, of_system

    async def done() -> Answer:
        settings = of_system(data)
        hide_with(settings.keyring)
        async with auditing(settings) as auditor:
            answer = await work(auditor)
            if told:
                await note(auditor, told)
            return answer

    try:
        return asyncio.run(done())
    except SettingMissing as missing:
        err.print(f"[red]{escape(str(missing))}[/red]")
        raise typer.Exit(WRONG_USAGE) from None
    except KeyMissing:
        words = explain(Refusal(code=Code.KEYS_MISSING))
        err.print(f"[red]{words.title}[/red]：{words.detail}{words.remedy}")
        raise typer.Exit(NOT_IN_ORDER) from None
    except (SQLAlchemyError, RPCError, OSError):
        err.print("[red]连不上数据库或流程引擎。[/red]请先运行 zhibao up，或核对 --data。")
        raise typer.Exit(NOT_IN_ORDER) from None


async def note(auditor: Auditor, told: str) -> None:
    """Puts on record what was asked."""
    from domain.case.commands import Actor, Role
    from services.clock import system_clock
    from services.reads import Reads

    actor = Actor(subject=f"cli.{getpass.getuser()}", role=Role.AUDITOR)
    await Reads(auditor.engine, system_clock).note(actor, "audited", told, str(uuid.uuid4()))
