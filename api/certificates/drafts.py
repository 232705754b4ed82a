"""Applying for certificates: beginning, saving the content revision by revision, handing it in."""

from datetime import date
from typing import Annotated, Any

from pydantic import Field, ValidationError
from starlette.responses import Response

from api.cases.acts import RECEIPT_EXAMPLE, acting, case_of
from api.certificates.named import ADDRESS, TAG, of_certificate
from api.confirmations.held import hold
from api.door.operations import Call, Operation, Parameter, json_of
from api.door.parts import Parts, parts_of
from api.door.requests import Plain, Text, invalid
from api.door.rights import ROLES, Right
from api.filings.drafts import revision_in
from domain.case.commands import Actor, Role
from domain.case.workflow_messages import Receipt
from domain.certificates.certificate import CertificateContent
from domain.certificates.issuing import Decided, Purpose
from domain.certificates.transitions import issuer_of
from domain.certificates.warnings import CertificateWarning
from domain.confirmations import ConfirmedAct
from domain.ids import CertificateNumber
from domain.model import Value
from domain.refusals import Code, Refusal, Refused
from domain.text import Visible
from rules.certificates.content import content_problems
from services.case_records import Case, Revision
from services.certificates.applications import PART

LARGEST_CONTENT = 8 * 1024 * 1024
"""Bytes of a content: an annex can have many thousand lines."""


class ApplicationBody(Value):
    """An application to begin: the content, and the code of the certificate it is to replace."""

    content: CertificateContent
    renews: Plain = Field(default="", max_length=64)


class Begun(Value):
    """The application that was begun; it is found under its own address."""

    id: str
    revision: int
    sha256: str


class CertificateDraft(Value):
    """A revision of a certificate's content."""

    content: CertificateContent


class ContentShown(Value):
    """A revision, and what still keeps it from being applied for.

    ``warnings`` keep nobody from anything: they are to be looked at before the issue. ``theirs``:
    the institution writes it, and the clerk who asks can neither change it nor apply with it.
    """

    revision: int
    sha256: str
    content: CertificateContent | None
    problems: tuple[dict[str, str], ...]
    warnings: tuple[CertificateWarning, ...]
    theirs: bool


class DecidedBody(Value):
    """What the issuing authority has decided elsewhere: when, who, under which document."""

    approved_on: date
    document: Annotated[Text, Visible]
    approver: Annotated[Text, Visible]
    number: CertificateNumber = ""
    valid_from: date | None = None
    valid_to: date | None = None

    def decided(self) -> Decided:
        """The decision without the name of who made it."""
        return Decided(**self.model_dump(exclude={"approver"}))


class ApplyBody(Value):
    """What is applied for, with which revision; ``decided`` only by the issuing authority."""

    purpose: Purpose = Purpose.ISSUE
    change: Plain = Field(default="", max_length=64)
    revision: int = Field(ge=1, le=2**31 - 1)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    decided: DecidedBody | None = None


async def begin(call: Call) -> Response:
    """Begins an application with its first revision."""
    body: ApplicationBody = call.body
    parts, actor, applied = parts_of(call.request), call.actor, body.content
    if actor.role is Role.FILER and applied.institution != actor.scope:
        raise Refused(Refusal(code=Code.NOT_YOUR_CASE, params={"institution": applied.institution}))
    if actor.role is Role.CLERK and applied.issuer != actor.scope:
        raise Refused(Refusal(code=Code.NOT_YOUR_AUTHORITY, params={"authority": applied.issuer}))
    case = await parts.certificates.begin(applied, actor, call.command_id, body.renews)
    first = await parts.records.revision(case, 1)
    assert first is not None
    application = case.case_id.partition("/")[2]
    begun = Begun(id=case.case_id, revision=1, sha256=first.sha256)
    return json_of(begun, status_code=201, headers={"Location": f"/api/certificates/{application}"})


async def get_draft(call: Call) -> Response:
    """The newest revision for whoever applies; the one applied with for reviewer and checker."""
    case, parts = case_of(call), parts_of(call.request)
    writes = call.actor.role in ROLES[Right.APPLY]
    records = parts.records
    revision = await (
        records.latest_revision(case) if writes else records.revision(case, case.revision)
    )
    return await _draft(parts, case, revision, call.actor)


async def put_draft(call: Call) -> Response:
    """Saves the revision after the one named by ``If-Match``."""
    case, parts = case_of(call), parts_of(call.request)
    based_on = revision_in(call.request.headers.get("if-match"))
    applied: CertificateContent = call.body.content
    holder = case.institution_id or applied.institution  # not on record before it is issued
    fixed = {"institution": holder, "issuer": issuer_of(case.plan)}
    message = "机构和发证机关不能改；要换的请另建申请"
    wrong = [
        {"pointer": f"/content/{name}", "code": "fixed", "message": message}
        for name, value in fixed.items()
        if getattr(applied, name) != value
    ]
    if wrong:
        raise invalid(wrong)
    await parts.certificates.refuse_filers_draft(case, call.actor)
    document = {PART: applied.model_dump(mode="json")}
    saved = await parts.certificates.save_draft(case, based_on, document, call.actor)
    return await _draft(parts, case, saved, call.actor)


async def _draft(parts: Parts, case: Case, revision: Revision | None, actor: Actor) -> Response:
    applied, problems = await _read(parts, case, revision)
    body = ContentShown(
        revision=revision.revision if revision else 0,
        sha256=revision.sha256 if revision else "",
        content=applied,
        problems=tuple(problems),
        warnings=await parts.certificates.warnings(case, applied) if applied else (),
        theirs=await parts.certificates.filers_draft(case, actor),
    )
    return json_of(body, headers={"ETag": f'"{body.revision}"'})


async def _read(
    parts: Parts, case: Case, revision: Revision | None
) -> tuple[CertificateContent | None, list[dict[str, str]]]:
    """A revision's content, and what still keeps it from being applied for."""
    try:
        applied = CertificateContent.model_validate(
            (revision.content if revision else {}).get(PART)
        )
    except ValidationError:
        return None, []
    rules = await parts.certificates.pinned.get(case.rule_set)
    wrong = content_problems(rules, applied, parts.certificates.unprintable)
    return applied, [
        {**problem.model_dump(), "pointer": f"/content{problem.pointer}"} for problem in wrong
    ]


class ApplicationReceipt(Receipt):
    """A receipt with what is to be looked at before the certificate is issued, or now that it is.

    ``warnings`` keep nobody from anything.
    """

    warnings: tuple[CertificateWarning, ...] = ()


async def apply(call: Call) -> Response:
    """Applies with a saved revision; what is wrong with it is told place by place."""
    body: ApplyBody = call.body
    case, parts = case_of(call), parts_of(call.request)
    await parts.certificates.refuse_filers_draft(case, call.actor)
    decided = body.decided
    if decided is not None:
        await hold(call, ConfirmedAct.ISSUE_CERTIFICATE)
    try:
        receipt = await parts.certificates.apply(
            case,
            body.purpose,
            body.revision,
            body.sha256,
            call.actor,
            call.command_id,
            change=body.change,
            decided=decided.decided() if decided else None,
            approver=decided.approver if decided else "",
        )
    except Refused as refused:
        if refused.refusal.code is not Code.CONTENT_INCOMPLETE:
            raise
        revision = await parts.records.revision(case, body.revision)
        _, problems = await _read(parts, case, revision)
        raise invalid(problems, refused.refusal) from None
    applied, _ = await _read(parts, case, await parts.records.revision(case, body.revision))
    assert applied is not None
    warned = await parts.certificates.warnings(case, applied)
    return json_of(ApplicationReceipt(**receipt.model_dump(), warnings=warned))


CONTENT_EXAMPLE: dict[str, Any] = {
    "institution": "91350100M0000A1B2C",
    "holder": "示例检测有限公司（示例）",
    "uscc": "91620102739638125B",
    "address": "示例市示例路1号",
    "level": "provincial",
    "issuer": "amr-350000",
    "field": "01",
    "industry": "06",
    "capabilities": [
        {"category": "混凝土", "item": "抗压强度", "standard": "GB/T 50081", "year": "2019"}
    ],
    "signatories": [{"name": "示例签字人", "field": "建筑工程"}],
}

OPERATIONS = [
    Operation(
        "POST",
        "/api/certificates",
        begin,
        "建立证书申请",
        TAG,
        Right.APPLY,
        Begun,
        body=ApplicationBody,
        writes=True,
        status=201,
        largest=LARGEST_CONTENT,
        example={"content": CONTENT_EXAMPLE},
        description="机构为自己申请，或由发证机关的经办人代为录入；renews 填所延续证书的代码。",
    ),
    Operation(
        "GET",
        f"{ADDRESS}/draft",
        get_draft,
        "申请内容",
        TAG,
        Right.SEE_CERTIFICATE,
        ContentShown,
        target=of_certificate,
    ),
    Operation(
        "PUT",
        f"{ADDRESS}/draft",
        put_draft,
        "保存申请内容（新的一稿）",
        TAG,
        Right.APPLY,
        ContentShown,
        target=of_certificate,
        body=CertificateDraft,
        largest=LARGEST_CONTENT,
        parameters=(Parameter("If-Match", "所改那一稿的 ETag", "header", True),),
        example={"content": CONTENT_EXAMPLE},
    ),
    acting(
        f"{ADDRESS}/apply",
        apply,
        "提交申请",
        Right.APPLY,
        ApplyBody,
        {"purpose": "issue", "revision": 1, "sha256": RECEIPT_EXAMPLE["command_sha256"]},
        tag=TAG,
        target=of_certificate,
        answer=ApplicationReceipt,
    ),
]
