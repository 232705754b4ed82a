"""``zhibao announcements``: what operators publish."""

from __future__ import annotations

import mimetypes
import uuid
from pathlib import Path
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
from domain.announcements import Audience, PieceKind

if TYPE_CHECKING:
    from datetime import datetime

    from services.announcements import Published, Said

announcements_app = typer.Typer(no_args_is_help=True)


def _instant(text: str) -> datetime:
    from datetime import datetime

    from domain.clock import BEIJING

    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter("写作 2025-03-01T00:00:00+08:00") from None
    return instant if instant.tzinfo else instant.replace(tzinfo=BEIJING)


OfPiece = Annotated[str, typer.Argument(help="公告编号，见 list")]
Body = Annotated[
    Path, typer.Argument(exists=True, dir_okay=False, help="正文：Markdown，不含 HTML 和图片")
]
Title = Annotated[str, typer.Option("--title", help="标题")]
To = Annotated[list[Audience], typer.Option("--to", help="给谁看，可写几次；public 为公众")]
Campaign = Annotated[
    str, typer.Option("--campaign", help="有关的统计工作，如 campaign/2024/000000；不填为不限")
]
From = Annotated[
    Any,
    typer.Option("--from", help="从何时起显示；不填为即时", parser=_instant, metavar="INSTANT"),
]
Until = Annotated[
    Any,
    typer.Option("--until", help="到何时为止；不填为不限", parser=_instant, metavar="INSTANT"),
]
Files = Annotated[
    list[Path] | None, typer.Option("--attach", exists=True, dir_okay=False, help="附件，可写几次")
]


@announcements_app.command("publish")
@ends_plainly
def publish(
    body: Body,
    title: Title,
    to: To,
    kind: Annotated[PieceKind, typer.Option("--kind", help="哪一类")] = PieceKind.ANNOUNCEMENT,
    jurisdiction: Annotated[
        str, typer.Option("--jurisdiction", help="适用的辖区；不填为全国")
    ] = "000000",
    campaign: Campaign = "",
    shown_from: From = None,
    shown_until: Until = None,
    attach: Files = None,
    data: Data = HERE,
    as_json: AsJson = False,
) -> None:
    """发布公告、帮助或常见问题。"""
    from cli.system import Services, operator, run

    said = _said(body, title, to, campaign, shown_from, shown_until)
    files = [_file(path) for path in attach or []]

    async def work(services: Services) -> Published:
        published = await services.announcements.publish(
            kind, jurisdiction, said, operator(), uuid.uuid4().hex
        )
        for name, media, content in files:
            published = await services.announcements.attach(
                published.piece.id, name, media, content, operator(), uuid.uuid4().hex
            )
        return published

    _show(run(data, work), as_json)


@announcements_app.command("change")
@ends_plainly
def change(
    piece: OfPiece,
    body: Body,
    title: Title,
    to: To,
    campaign: Campaign = "",
    shown_from: From = None,
    shown_until: Until = None,
    data: Data = HERE,
    as_json: AsJson = False,
) -> None:
    """发布一则公告的下一版；各版都保留。"""
    from cli.system import operator, run

    said = _said(body, title, to, campaign, shown_from, shown_until)
    published = run(
        data,
        lambda services: services.announcements.change(piece, said, operator(), uuid.uuid4().hex),
    )
    _show(published, as_json)


@announcements_app.command("withdraw")
def withdraw(
    piece: OfPiece,
    reason: Annotated[str, typer.Option(help="撤下的理由")],
    data: Data = HERE,
    as_json: AsJson = False,
) -> None:
    """撤下一则公告。"""
    from cli.system import operator, run

    published = run(
        data,
        lambda services: services.announcements.withdraw(
            piece, reason, operator(), uuid.uuid4().hex
        ),
    )
    _show(published, as_json)


@announcements_app.command("list")
def list_pieces(
    kind: Annotated[PieceKind | None, typer.Option("--kind", help="只列一类")] = None,
    data: Data = HERE,
    as_json: AsJson = False,
) -> None:
    """发布过的公告、帮助和常见问题，最新的在前。"""
    from cli.system import run
    from domain.announcements import AUDIENCE_LABELS, PIECE_KIND_LABELS
    from domain.messages import local_time

    pieces = run(data, lambda services: services.announcements.within("", kind))
    if as_json:
        print_json({"items": [piece.model_dump(mode="json") for piece in pieces]})
        return
    table = listing("编号", "类别", "标题", "辖区", "给谁", "版", "起", "止", "撤下")
    for piece in pieces:
        table.add_row(
            piece.id,
            PIECE_KIND_LABELS[piece.kind],
            escape(piece.title),
            piece.jurisdiction,
            "、".join(AUDIENCE_LABELS[one] for one in piece.audience),
            str(piece.version),
            local_time(piece.shown_from),
            local_time(piece.shown_until) if piece.shown_until else "",
            local_time(piece.withdrawn_at) if piece.withdrawn_at else "",
        )
    print_listing(table)


def _said(
    body: Path,
    title: str,
    to: list[Audience],
    campaign: str,
    shown_from: datetime | None,
    shown_until: datetime | None,
) -> Said:
    from services.announcements import Said

    text = body.read_text("utf-8-sig")
    if not title.strip() or not text.strip():
        fail("标题和正文都不能为空")
    return Said(
        title=title.strip(),
        body=text,
        audience=tuple(dict.fromkeys(to)),
        campaign=campaign,
        shown_from=shown_from,
        shown_until=shown_until,
    )


def _file(path: Path) -> tuple[str, str, bytes]:
    from services.announcements import ATTACHMENTS, LARGEST_ATTACHMENT

    media = mimetypes.guess_type(path.name)[0] or ""
    if media not in ATTACHMENTS:
        endings = "、".join(ending for ending, _ in ATTACHMENTS.values())
        fail(f"附件 {path.name} 不能用：只能是 {endings}")
    content = path.read_bytes()
    if len(content) > LARGEST_ATTACHMENT:
        fail(f"附件 {path.name} 超过 10 MiB")
    return path.name, media, content


def _show(published: Published, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                **published.piece.model_dump(mode="json"),
                "body": published.version.body,
                "sha256": published.version.sha256,
                "attachments": [file.model_dump(mode="json") for file in published.files],
            }
        )
        return
    piece = published.piece
    stands = "已撤下" if piece.withdrawn_at else f"第 {piece.version} 版已发布"
    out.print(f"{escape(piece.title)}：{stands}（{piece.id}）", highlight=False)
