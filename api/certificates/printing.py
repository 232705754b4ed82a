"""Certificates on paper: the PDF, a picture of its first page, its QR code, many at once."""

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Any, Self

from pydantic import Field, ValidationError, model_validator
from starlette.responses import Response

from api.cases.acts import case_of
from api.certificates.certificates import of_certificate
from api.door import cursors
from api.door.operations import Call, Operation, Parameter, schema_of
from api.door.parts import Parts, parts_of
from api.door.requests import query
from api.door.rights import Right
from domain.case.commands import Role
from domain.case.plan import FOREVER
from domain.certificates.certificate import CertificateContent
from domain.certificates.qr import qr
from domain.certificates.transitions import issuer_of
from domain.messages import explain
from domain.model import Value
from domain.refusals import Code, Refusal, Refused
from printing.job import Job, LeftOut, Paper, Sample
from services.certificates.applications import PART
from services.certificates.printing import papers_of
from store import content
from store.certificates import register
from store.certificates.register import Registered

MOST_PAPERS = 50
"""So many certificates are printed by one request, or"""
MOST_LINES = 5000
"""as many as have together so many lines in their annexes: some five seconds of typesetting."""

_Number = Annotated[str, Field(pattern=r"^[\x21-\x7e]{1,64}$")]


class PapersBody(Value):
    """The certificates to print: named by their numbers, or all issued between two days."""

    numbers: tuple[_Number, ...] = Field(default=(), max_length=5000)
    issued_from: date | None = None
    issued_to: date | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        days = (self.issued_from, self.issued_to)
        if bool(self.numbers) == (days != (None, None)) or (None in days) != (days == (None, None)):
            raise ValueError("either numbers or both days")
        return self


# --- one certificate ------------------------------------------------------------------------------


async def get_paper(call: Call) -> Response:
    """The certificate with its annex as it is now; an ended one says that it has ended."""
    paper = await _paper(call)
    name = "".join(c if c.isascii() and c.isalnum() else "_" for c in paper.certificate.number)
    disposition = {"Content-Disposition": f'inline; filename="{name}.pdf"'}
    return await _printed(call, "pdf", "application/pdf", paper, disposition)


async def get_preview(call: Call) -> Response:
    """The first page as a picture; of what is not issued yet, or with ``draft``, a sample."""
    if not query(call.request, "draft", bool, False):
        try:
            return await _printed(call, "picture", "image/png", await _paper(call))
        except Refused as refused:
            if refused.refusal.code is not Code.NO_CERTIFICATE:
                raise
    parts, case = parts_of(call.request), case_of(call)
    writes = call.actor.role in (Role.FILER, Role.CLERK)
    async with parts.engine.connect() as connection:
        found = (
            await content.latest_revision(connection, case.case_id)
            if writes
            else await content.revision(connection, case.case_id, case.revision)
        )
    try:
        applied = CertificateContent.model_validate((found.content if found else {}).get(PART))
    except ValidationError:
        raise Refused(Refusal(code=Code.NOT_FOUND, params={"what": "可以预览的内容"})) from None
    sample = Sample(content=applied, issuer_name=parts.authority_name(issuer_of(case.plan)))
    job = Job(kind="draft", templates=parts.papers.templates, draft=sample)
    return await _answer(call, job, "image/png")


async def get_qr(call: Call) -> Response:
    """The QR code as a drawing."""
    return Response(qr((await _paper(call)).url), media_type="image/svg+xml")


async def get_qr_picture(call: Call) -> Response:
    """The QR code as a picture."""
    return Response(qr((await _paper(call)).url, "png", scale=8), media_type="image/png")


async def _paper(call: Call) -> Paper:
    """The case's certificate as it is to be printed. Raises Refused: not issued, not signed."""
    parts = parts_of(call.request)
    async with parts.engine.connect() as connection:
        entry = await register.by_case(connection, case_of(call).case_id)
        if entry is None:
            raise Refused(Refusal(code=Code.NO_CERTIFICATE))
        [found] = await papers_of(
            connection, [entry], parts.site, parts.authority_name(entry.issuer), _today(parts)
        )
    if isinstance(found, Refusal):
        raise Refused(found)
    return found


async def _printed(
    call: Call, kind: Any, media: str, paper: Paper, headers: dict[str, str] | None = None
) -> Response:
    templates = parts_of(call.request).papers.templates
    return await _answer(call, Job(kind=kind, templates=templates, papers=(paper,)), media, headers)


async def _answer(
    call: Call, job: Job, media: str, headers: dict[str, str] | None = None
) -> Response:
    """Prints, unless the asker has the very same already."""
    papers = parts_of(call.request).papers
    etag = f'"{papers.tag(job)}"'
    named = {"ETag": etag, "Cache-Control": "private, no-cache"}
    asked = call.request.headers.get("if-none-match", "")
    if etag in {one.strip().removeprefix("W/") for one in asked.split(",")}:
        return Response(status_code=304, headers=named)
    _, printed = await papers.print(job)
    return Response(printed, media_type=media, headers=named | (headers or {}))


# --- many -----------------------------------------------------------------------------------------


async def print_papers(call: Call) -> Response:
    """The next certificates of a batch in a ZIP file, and where to go on."""
    parts, body = parts_of(call.request), call.body
    after = cursors.given(call.request, (str,))
    done = str(after[0]) if after else ""
    issuer = call.actor.scope
    async with parts.engine.connect() as connection:
        if body.numbers:
            wanted = sorted({one for one in body.numbers if one > done})[: MOST_PAPERS + 1]
            known = await register.sizes(connection, wanted)
            sizes = [(number, known.get(number, 0)) for number in wanted]
        else:
            sizes = await register.issued_between(
                connection, issuer, body.issued_from, body.issued_to, done, MOST_PAPERS + 1
            )
        page = _page(sizes)
        if not page:
            raise Refused(Refusal(code=Code.NOT_FOUND, params={"what": "要打印的证书"}))
        found = await register.by_numbers(connection, page)
        ours = [one for one in found if one.issuer == issuer]
        name = parts.authority_name(issuer)
        papers = await papers_of(connection, ours, parts.site, name, _today(parts))
    left_out = [*_not_ours(parts, page, found, issuer), *_not_printable(ours, papers)]
    job = Job(
        kind="zip",
        templates=parts.papers.templates,
        papers=tuple(one for one in papers if isinstance(one, Paper)),
        left_out=tuple(sorted(left_out, key=lambda one: one.number)),
    )
    outcome, printed = await parts.papers.print(job)
    headers = {
        "Content-Disposition": 'attachment; filename="certificates.zip"',
        "X-Printed": str(len(page) - len(outcome.left_out)),
        "X-Left-Out": str(len(outcome.left_out)),
    }
    if len(page) < len(sizes):
        headers["X-Next-Cursor"] = cursors.encode([page[-1]])
    return Response(printed, media_type="application/zip", headers=headers)


def _page(sizes: Sequence[tuple[str, int]]) -> list[str]:
    """The numbers to print now: up to `MOST_PAPERS`, fewer where annexes are long, at least one."""
    page: list[str] = []
    lines = 0
    for number, size in sizes[:MOST_PAPERS]:
        lines += size
        if page and lines > MOST_LINES:
            break
        page.append(number)
    return page


def _not_ours(
    parts: Parts, page: Sequence[str], found: Sequence[Registered], issuer: str
) -> list[LeftOut]:
    """Those that are not on record, and those that other authorities have issued."""
    known = {one.number: one for one in found}
    refused = []
    for number in page:
        entry = known.get(number)
        if entry is None:
            refused.append((number, Refusal(code=Code.NOT_FOUND, params={"what": "这张证书"})))
        elif entry.issuer != issuer:
            name = parts.authority_name(entry.issuer)
            params = {"what": f"证书 {number} ", "authority": name}
            refused.append((number, Refusal(code=Code.OTHER_ISSUER, params=params)))
    return [_left_out(number, refusal) for number, refusal in refused]


def _not_printable(
    entries: Sequence[Registered], papers: Sequence[Paper | Refusal]
) -> list[LeftOut]:
    return [
        _left_out(entry.number, paper)
        for entry, paper in zip(entries, papers, strict=True)
        if isinstance(paper, Refusal)
    ]


def _left_out(number: str, refusal: Refusal) -> LeftOut:
    words = explain(refusal)
    return LeftOut(number=number, code=refusal.code, reason=words.detail + words.remedy)


def _today(parts: Parts) -> date:
    return parts.clock().astimezone(FOREVER.tzinfo).date()


# --- the operations -------------------------------------------------------------------------------

_TAG = "资质认定证书"
_ONE = "/api/certificates/{application}"
_SAME = "未变时内容逐字节相同，可用 ETag 和 If-None-Match（未变答 304）。"
_MATCH = Parameter("If-None-Match", "已有那一份的 ETag", "header")

OPERATIONS = [
    Operation(
        "POST",
        "/api/certificates/papers",
        print_papers,
        "成批打印证书",
        _TAG,
        Right.ISSUE,
        None,
        body=PapersBody,
        answer_media="application/zip",
        unhurried=True,
        parameters=(Parameter("cursor", "上一次的 X-Next-Cursor", schema=schema_of(str)),),
        example={"issued_from": "2026-01-01", "issued_to": "2026-03-31"},
        description=(
            "按编号，或打印两日之间所发的全部；每张一个 PDF，未能打印的列在“未打印.txt”。"
            f"一次最多 {MOST_PAPERS} 张、附表合计 {MOST_LINES} 行左右；"
            "答复有 X-Next-Cursor 的，用它作 cursor 接着打印。不改变任何登记，可以重做。"
        ),
    ),
    Operation(
        "GET",
        f"{_ONE}/paper",
        get_paper,
        "打印证书（PDF/A，含附表）",
        _TAG,
        Right.SEE_CERTIFICATE,
        None,
        target=of_certificate,
        answer_media="application/pdf",
        unhurried=True,
        parameters=(_MATCH,),
        description=f"按现行内容打印；已终止的证书印明其状态。{_SAME}",
    ),
    Operation(
        "GET",
        f"{_ONE}/preview",
        get_preview,
        "预览证书首页（PNG）",
        _TAG,
        Right.SEE_CERTIFICATE,
        None,
        target=of_certificate,
        answer_media="image/png",
        unhurried=True,
        parameters=(
            Parameter(
                "draft", "true：看最新一稿的样张，而不是已发的证书", schema={"type": "boolean"}
            ),
            _MATCH,
        ),
        description=f"尚未发证的为样张：没有编号、日期和有效的二维码。{_SAME}",
    ),
    Operation(
        "GET",
        f"{_ONE}/qr",
        get_qr,
        "证书的二维码（SVG）",
        _TAG,
        Right.SEE_CERTIFICATE,
        None,
        target=of_certificate,
        answer_media="image/svg+xml",
    ),
    Operation(
        "GET",
        f"{_ONE}/qr.png",
        get_qr_picture,
        "证书的二维码（PNG）",
        _TAG,
        Right.SEE_CERTIFICATE,
        None,
        target=of_certificate,
        answer_media="image/png",
    ),
]
