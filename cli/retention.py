"""``zhibao retention``: what is due to be destroyed by the rules, and having it destroyed."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Annotated

import typer

from cli.terminal import HERE, AsJson, Data, listing, out, print_json, print_listing

if TYPE_CHECKING:
    from cli.system import Services
    from services.retention import Destruction

retention_app = typer.Typer(no_args_is_help=True)


@retention_app.command("show")
def show(data: Data = HERE, as_json: AsJson = False) -> None:
    """各类内容保存几年、依据什么、有多少已到期；什么也不改。"""
    from cli.system import run

    kinds = run(data, lambda services: services.retention.standing())
    if as_json:
        print_json({"rows": [one.model_dump(mode="json") for one in kinds]})
        return
    table = listing("类别", "内容", "年", "已到期", "已销毁", "依据")
    for one in kinds:
        counts = (str(one.years), str(one.due), str(one.destroyed))
        table.add_row(one.kind.value, one.label, *counts, str(one.cite))
    print_listing(table)


@retention_app.command("destroy")
def destroy(
    kind: Annotated[str, typer.Argument(metavar="KIND", help="类别，见 zhibao retention show")],
    subject: Annotated[str, typer.Option(help="只销毁这一件，不等到期；须写 --document")] = "",
    document: Annotated[str, typer.Option(help="提前销毁所依据的文书")] = "",
    data: Data = HERE,
    as_json: AsJson = False,
) -> None:
    """销毁一类中到期的内容；由另一名全国的经办人确认之后才办理，不能恢复。"""
    from cli.system import operator, run
    from domain.confirmations import ConfirmedAct
    from domain.retention import Kept

    if kind not in {one.value for one in Kept}:
        raise typer.BadParameter(f"应是 {'、'.join(one.value for one in Kept)} 之一")
    if bool(subject) != bool(document.strip()):
        raise typer.BadParameter("--subject 和 --document 要一起写")
    kept = Kept(kind)

    async def work(services: Services) -> Destruction:
        key, path = uuid.uuid4().hex, "/api/retention/destructions"
        one = {"one": {"subject": subject, "document": document}} if subject else {}
        number = await services.retention.due(kept, subject)
        if number:
            await services.confirmations.hold(
                ConfirmedAct.DESTROY_CONTENT, number, path, {"kind": kind, **one}, operator(), key
            )
        return await services.retention.destroy(kept, operator(), key, subject, document)

    done = run(data, work)
    if as_json:
        print_json(done)
    else:
        out.print(f"已销毁 {done.destroyed} 件，尚余 {done.left} 件", highlight=False)
