"""Certificates on paper: the PDF, a picture of its first page, its QR code, many at once."""

from datetime import date
from typing import Annotated, Any, Self

from pydantic import Field, ValidationError, model_validator
from starlette.responses import Response

from api.cases.acts import case_of
from api.certificates.named import ADDRESS, TAG, of_certificate
from api.door import cursors
from api.door.operations import Call, Operation, Parameter, schema_of
from api.door.parts import parts_of
from api.door.requests import query
from api.door.rights import ROLES, Right
from domain.certificates.certificate import CertificateContent
from domain.certificates.qr import qr
from domain.certificates.transitions import issuer_of
from domain.model import Value
from domain.refusals import Code, Refusal, Refused
from printing.job import Job, Paper, Sample
from services.certificates.applications import PART
from services.certificates.papers import MOST_LINES, MOST_PAPERS

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
    writes = call.actor.role in ROLES[Right.APPLY]
    records = parts.records
    saved = await (
        records.latest_revision(case) if writes else records.revision(case, case.revision)
    )
    try:
        applied = CertificateContent.model_validate((saved.content if saved else {}).get(PART))
    except ValidationError:
        raise Refused(Refusal(code=Code.NOT_FOUND, params={"what": "可以预览的内容"})) from None
    sample = Sample(content=applied, issuer_name=parts.authority_name(issuer_of(case.plan)))
    job = Job(kind="draft", templates=parts.printer.templates, draft=sample)
    return await _answer(call, job, "image/png")


async def get_qr(call: Call) -> Response:
    """The QR code as a drawing."""
    return Response(qr((await _paper(call)).url), media_type="image/svg+xml")


async def get_qr_picture(call: Call) -> Response:
    """The QR code as a picture."""
    return Response(qr((await _paper(call)).url, "png", scale=8), media_type="image/png")


async def _paper(call: Call) -> Paper:
    """The case's certificate as it is to be printed. Raises Refused: not issued, not signed."""
    return await parts_of(call.request).papers.of_case(case_of(call))


async def _printed(
    call: Call, kind: Any, media: str, paper: Paper, headers: dict[str, str] | None = None
) -> Response:
    templates = parts_of(call.request).printer.templates
    return await _answer(call, Job(kind=kind, templates=templates, papers=(paper,)), media, headers)


async def _answer(
    call: Call, job: Job, media: str, headers: dict[str, str] | None = None
) -> Response:
    """Prints, unless the asker has the very same already."""
    printer = parts_of(call.request).printer
    etag = f'"{printer.tag(job)}"'
    named = {"ETag": etag, "Cache-Control": "private, no-cache"}
    asked = call.request.headers.get("if-none-match", "")
    if etag in {tag.strip().removeprefix("W/") for tag in asked.split(",")}:
        return Response(status_code=304, headers=named)
    _, printed = await printer.print(job, call.actor.subject)
    return Response(printed, media_type=media, headers=named | (headers or {}))


# --- many -----------------------------------------------------------------------------------------


async def print_papers(call: Call) -> Response:
    """The next certificates of a batch in a ZIP file, and where to go on."""
    parts, body = parts_of(call.request), call.body
    after = cursors.given(call.request, (str,))
    done = str(after[0]) if after else ""
    issuer = call.actor.scope
    if body.numbers:
        batch = await parts.papers.named(issuer, body.numbers, done)
    else:
        batch = await parts.papers.issued_between(issuer, body.issued_from, body.issued_to, done)
    job = Job(
        kind="zip",
        templates=parts.printer.templates,
        papers=batch.papers,
        left_out=batch.left_out,
    )
    outcome, printed = await parts.printer.print(job, call.actor.subject)
    headers = {
        "Content-Disposition": 'attachment; filename="certificates.zip"',
        "X-Printed": str(len(batch.papers) + len(batch.left_out) - len(outcome.left_out)),
        "X-Left-Out": str(len(outcome.left_out)),
    }
    if batch.next:
        headers["X-Next-Cursor"] = cursors.encode([batch.next])
    return Response(printed, media_type="application/zip", headers=headers)


# --- the operations -------------------------------------------------------------------------------

_SAME = "未变时内容逐字节相同，可用 ETag 和 If-None-Match（未变答 304）。"
_MATCH = Parameter("If-None-Match", "已有那一份的 ETag", "header")

OPERATIONS = [
    Operation(
        "POST",
        "/api/certificates/papers",
        print_papers,
        "成批打印证书",
        TAG,
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
        f"{ADDRESS}/paper",
        get_paper,
        "打印证书（PDF/A，含附表）",
        TAG,
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
        f"{ADDRESS}/preview",
        get_preview,
        "预览证书首页（PNG）",
        TAG,
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
        f"{ADDRESS}/qr",
        get_qr,
        "证书的二维码（SVG）",
        TAG,
        Right.SEE_CERTIFICATE,
        None,
        target=of_certificate,
        answer_media="image/svg+xml",
    ),
    Operation(
        "GET",
        f"{ADDRESS}/qr.png",
        get_qr_picture,
        "证书的二维码（PNG）",
        TAG,
        Right.SEE_CERTIFICATE,
        None,
        target=of_certificate,
        answer_media="image/png",
    ),
]
