"""``zhibao outbox``: notices that leave the system, and those that did not arrive."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from cli.terminal import HERE, AsJson, Data, listing, out, print_json, print_listing
from domain.notices import CHANNEL_LABELS, DELIVERY_STATE_LABELS, Channel, DeliveryState

if TYPE_CHECKING:
    from cli.system import Services
    from services.notices.outbox import Delivery, Notice

outbox_app = typer.Typer(no_args_is_help=True)

_PAGE = 500


@outbox_app.command("list")
def list_outbox(
    state: Annotated[
        DeliveryState | None,
        typer.Option(help="只列这一状态；failed 为未能送达、不再自动重试的"),
    ] = None,
    channel: Annotated[Channel | None, typer.Option(help="只列这一渠道")] = None,
    data: Data = HERE,
    as_json: AsJson = False,
) -> None:
    """系统以外的送达，每一通知、每一渠道一行。"""
    from cli.system import run

    async def work(services: Services) -> list[tuple[Delivery, Notice]]:
        rows: list[tuple[Delivery, Notice]] = []
        while page := await services.outbox.page(
            state=state, channel=channel, after=rows[-1][0].id if rows else "", size=_PAGE
        ):
            rows.extend(page)
        return rows

    rows = run(data, work, "系统以外的送达")
    if as_json:
        print_json({"rows": [_told(*row) for row in rows]})
        return
    table = listing("编号", "收件人", "标题", "渠道", "状态", "次数", "原因")
    for delivery, notice in rows:
        table.add_row(
            delivery.id,
            notice.addressee,
            escape(notice.title),
            CHANNEL_LABELS[delivery.channel],
            DELIVERY_STATE_LABELS[delivery.state],
            str(delivery.attempts),
            escape(delivery.failure),
        )
    print_listing(table)


@outbox_app.command("replay")
def replay(
    deliveries: Annotated[
        list[str] | None, typer.Argument(metavar="[ID]...", help="送达编号，见 zhibao outbox list")
    ] = None,
    failed: Annotated[bool, typer.Option("--failed", help="重新送达全部未能送达的")] = False,
    data: Data = HERE,
    as_json: AsJson = False,
) -> None:
    """重新送达未能送达的通知；已送达的不受影响。"""
    from cli.system import operator, run

    if bool(deliveries) == failed:
        raise typer.BadParameter("给出送达编号，或 --failed", param_hint="ID")

    async def work(services: Services) -> list[tuple[Delivery, Notice]]:
        ids = list(deliveries or [])
        if failed:
            after = ""
            while page := await services.outbox.page(
                state=DeliveryState.FAILED, after=after, size=_PAGE
            ):
                ids += [delivery.id for delivery, _ in page]
                after = page[-1][0].id
        actor = operator()
        return [await services.outbox.replay(id_, actor, uuid.uuid4().hex) for id_ in ids]

    rows = run(data, work)
    if as_json:
        print_json({"rows": [_told(*row) for row in rows]})
    else:
        out.print(f"重新送达 {len(rows)} 份", highlight=False)


def _told(delivery: Delivery, notice: Notice) -> dict[str, Any]:
    told = delivery.model_dump(exclude={"target", "address_id"})
    return {**told, "case_id": notice.case_id, "addressee": notice.addressee, "title": notice.title}
