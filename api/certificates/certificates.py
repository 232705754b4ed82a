"""Certificates: applying, reviewing, issuing, changing, ending; and what there is of each."""

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from api.campaigns.rules import RuleSetShown
from api.cases.acts import (
    REASONS_EXAMPLE,
    RECEIPT_EXAMPLE,
    Built,
    Cause,
    Nothing,
    act,
    acting,
    case_of,
    reasons,
    shared_acts,
)
from api.door import cursors
from api.door.operations import PAGING, Call, Operation, Parameter, schema_of
from api.door.parts import Parts, parts_of
from api.door.requests import Plain, Text, invalid, path, query
from api.door.rights import Right, Target
from api.filings.filings import CaseShown, FilingPage, QualityBody, in_sight, revision_in, shown
from domain.case import commands as c
from domain.case.commands import Role
from domain.case.events import event_of
from domain.case.plan import FOREVER
from domain.case.state import fold
from domain.case.status import Kind, Status
from domain.certificates.certificate import (
    CERTIFICATE_STATUS_LABELS,
    CertificateContent,
    CertificateStatus,
    Ended,
    standing,
)
from domain.certificates.issuing import PURPOSE_LABELS, Decided, HeldCertificate, Purpose
from domain.certificates.transitions import issuer_of
from domain.ids import (
    AuthorityId,
    CertificateNumber,
    InstitutionId,
    certificate_id,
    jurisdiction_of,
)
from domain.model import Value
from domain.refusals import Code, Refusal, Refused
from domain.text import Visible
from rules.certificates.certificates import NoAuthorityCode
from rules.certificates.content import content_problems
from services.certificates.applications import PART
from store import cases, content, journal
from store.cases import Case
from store.content import Revision

LARGEST_CONTENT = 8 * 1024 * 1024
"""Bytes of a content: an annex can have many thousand lines."""

# --- what goes in and out ------------------------------------------------------------------------


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
    """A revision, and what still keeps it from being applied for."""

    revision: int
    sha256: str
    content: CertificateContent | None
    problems: tuple[dict[str, str], ...]


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


class EndBody(Value):
    """How a certificate ends, from which day on, why, under which document, who authorised it."""

    ending: Ended
    on: date
    reason: Plain = Field(max_length=2000)
    document: Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
    authoriser: Plain = Field(max_length=200)


class SerialsBody(Value):
    """The last serial that was used on paper, and why it is set."""

    authority: AuthorityId
    last: int = Field(ge=0, le=9999)
    reason: Text


class Serials(Value):
    """The last serial used: the next certificate gets the one after it."""

    authority: str
    year: int
    last: int


class HeldShown(Value):
    """A certificate as its people see it; days in Beijing."""

    number: str
    code: str
    issued_on: date
    valid_from: date
    valid_to: date
    status: CertificateStatus
    status_label: str
    ended_on: date | None
    document: str
    superseded_by: str
    revision: int
    renewal_opens: date
    renewal_due: date
    renewal_stage: Literal["early", "open", "late"]


class CertificateShown(CaseShown):
    """One certificate's case: what is applied for, and the certificate once it is issued."""

    issuer: str
    purpose: Purpose | None
    purpose_label: str
    change: str
    renews: str
    certificate: HeldShown | None


# --- finding what rights depend on ----------------------------------------------------------------

_Application = Annotated[str, Field(pattern=r"^[0-9a-f]{24}$")]
_Year = Annotated[int, Field(ge=2000, le=2099)]


async def of_certificate(request: Request) -> Target:
    """The certificate's case named by the path. Raises Refused when there is none."""
    case_id = certificate_id(path(request, "application", _Application))
    async with parts_of(request).engine.connect() as connection:
        case = await cases.by_id(connection, case_id)
        if case is None:
            raise Refused(Refusal(code=Code.NOT_FOUND, params={"what": f"证书办件 {case_id}"}))
        involved = await journal.involved(connection, case_id)
    return Target(case=case, involved=involved | {issuer_of(case.plan)})


# --- looking --------------------------------------------------------------------------------------


async def list_certificates(call: Call) -> Response:
    """The cases of certificates the asker may see, by their ids."""
    request, actor = call.request, call.actor
    size = query(request, "size", cursors.PageSize, 50)
    after = cursors.given(request, (str,))
    filters: dict[str, Any] = {
        "status": query(request, "status", Status | None, None),
        "institution": query(request, "institution", InstitutionId | None, None),
        "authority": query(request, "authority", AuthorityId | None, None),
    }
    if actor.role in (Role.REVIEWER, Role.CHECKER, Role.CLERK):
        # an issuing authority has all of its own, from the first draft on
        filters["jurisdiction"] = jurisdiction_of(actor.scope)
    else:
        filters |= in_sight(actor, filters["institution"])
    async with parts_of(request).engine.connect() as connection:
        found = await cases.listed(
            connection,
            kind=Kind.CERTIFICATE,
            after=after[0] if after else "",
            size=size + 1,
            **filters,
        )
    more = cursors.encode([found[size - 1].case_id]) if len(found) > size else None
    return _json(FilingPage(items=tuple(shown(one, call) for one in found[:size]), next=more))


async def get_certificate(call: Call) -> Response:
    """One certificate's case."""
    case, parts = case_of(call), parts_of(call.request)
    async with parts.engine.connect() as connection:
        steps = await journal.steps(connection, case.case_id)
    state = fold([event_of(step) for step in steps])
    return _json(
        CertificateShown(
            **shown(case, call).model_dump(),
            issuer=issuer_of(case.plan),
            purpose=state.purpose,
            purpose_label=PURPOSE_LABELS[state.purpose] if state.purpose else "",
            change=state.change,
            renews=str(steps[0].body.get("renews", "")),
            certificate=await _held(parts, case, state.certificate),
        )
    )


async def _held(parts: Parts, case: Case, held: HeldCertificate | None) -> HeldShown | None:
    if held is None:
        return None
    rules = await parts.certificates.pinned.get(case.rule_set)
    today = parts.clock().astimezone(FOREVER.tzinfo).date()
    status = standing(held.status, held.valid_to, today)
    known = held.model_dump(exclude={"reminders", "status"})
    return HeldShown(
        **known,
        status=status,
        status_label=CERTIFICATE_STATUS_LABELS[status],
        renewal_opens=rules.renewal_opens(held.valid_to),
        renewal_due=rules.renewal_due(held.valid_to),
        renewal_stage=rules.renewal_stage(held.valid_to, today),
    )


# --- applying -------------------------------------------------------------------------------------


async def begin(call: Call) -> Response:
    """Begins an application with its first revision."""
    body: ApplicationBody = call.body
    parts, actor, applied = parts_of(call.request), call.actor, body.content
    if actor.role is Role.FILER and applied.institution != actor.scope:
        raise Refused(Refusal(code=Code.NOT_YOUR_CASE, params={"institution": applied.institution}))
    if actor.role is Role.CLERK and applied.issuer != actor.scope:
        raise Refused(Refusal(code=Code.NOT_YOUR_AUTHORITY, params={"authority": applied.issuer}))
    case = await parts.certificates.begin(applied, actor, call.command_id, body.renews)
    async with parts.engine.connect() as connection:
        first = await content.revision(connection, case.case_id, 1)
    assert first is not None
    application = case.case_id.partition("/")[2]
    begun = Begun(id=case.case_id, revision=1, sha256=first.sha256)
    return _json(begun, status_code=201, headers={"Location": f"/api/certificates/{application}"})


async def get_draft(call: Call) -> Response:
    """The newest revision for whoever applies; the one applied with for reviewer and checker."""
    case, parts = case_of(call), parts_of(call.request)
    writes = call.actor.role in (Role.FILER, Role.CLERK)
    async with parts.engine.connect() as connection:
        found = (
            await content.latest_revision(connection, case.case_id)
            if writes
            else await content.revision(connection, case.case_id, case.revision)
        )
    return await _draft(parts, case, found)


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
    document = {PART: applied.model_dump(mode="json")}
    saved = await parts.certificates.save_draft(case, based_on, document, call.actor)
    return await _draft(parts, case, saved)


async def _draft(parts: Parts, case: Case, found: Revision | None) -> Response:
    applied, problems = await _read(parts, case, found)
    body = ContentShown(
        revision=found.revision if found else 0,
        sha256=found.sha256 if found else "",
        content=applied,
        problems=tuple(problems),
    )
    return _json(body, headers={"ETag": f'"{body.revision}"'})


async def _read(
    parts: Parts, case: Case, found: Revision | None
) -> tuple[CertificateContent | None, list[dict[str, str]]]:
    """A revision's content, and what still keeps it from being applied for."""
    try:
        applied = CertificateContent.model_validate((found.content if found else {}).get(PART))
    except ValidationError:
        return None, []
    rules = await parts.certificates.pinned.get(case.rule_set)
    wrong = content_problems(rules, applied, parts.certificates.unprintable)
    return applied, [{**one.model_dump(), "pointer": f"/content{one.pointer}"} for one in wrong]


async def apply(call: Call) -> Response:
    """Applies with a saved revision; what is wrong with it is told place by place."""
    body: ApplyBody = call.body
    case, parts = case_of(call), parts_of(call.request)
    decided = body.decided
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
        async with parts.engine.connect() as connection:
            found = await content.revision(connection, case.case_id, body.revision)
        _, problems = await _read(parts, case, found)
        raise invalid(problems, refused.refusal) from None
    return _json(receipt)


def _withdraw(call: Call, base: dict[str, Any]) -> Built:
    return c.Withdraw(**base), None


def _reject(call: Call, base: dict[str, Any]) -> Built:
    return c.Reject(**base), {"reason": call.body.reason}


def _quality(call: Call, base: dict[str, Any]) -> Built:
    if call.body.outcome == "pass":
        return c.PassQuality(**base), reasons(call)
    return c.SendBack(**base), reasons(call)


async def end(call: Call) -> Response:
    """Ends a certificate: deregistered, revoked or rescinded."""
    body: EndBody = call.body
    parts = parts_of(call.request)
    command = c.EndCertificate(
        id=call.command_id,
        actor=call.actor,
        received_at=parts.clock(),
        ending=body.ending,
        on=body.on,
        document=body.document,
    )
    return _json(await parts.certificates.end(case_of(call), command, body.reason, body.authoriser))


async def get_serials(call: Call) -> Response:
    """Up to where the serials of the clerk's authority are used in a year."""
    year: int = path(call.request, "year", _Year)
    authority = call.actor.scope
    try:
        last = await parts_of(call.request).certificates.last_serial(authority, year)
    except NoAuthorityCode:
        raise _no_code(call, authority) from None
    return _json(Serials(authority=authority, year=year, last=last))


async def get_rules(call: Call) -> Response:
    """The rules of certificates that an application begun now is pinned to."""
    rules = parts_of(call.request).certificates.rules()
    document = rules.document.model_dump(mode="json", by_alias=True)
    return _json(RuleSetShown(ruleset=rules.ref, document=document))


async def set_serials(call: Call) -> Response:
    """Sets where an authority's serials of a year go on after those used on paper."""
    body: SerialsBody = call.body
    year: int = path(call.request, "year", _Year)
    if call.actor.scope != body.authority:
        params = {"authority": body.authority}
        raise Refused(Refusal(code=Code.NOT_YOUR_AUTHORITY, params=params))
    try:
        last = await parts_of(call.request).certificates.begin_serials_after(
            body.authority, year, body.last, body.reason, call.actor, call.command_id
        )
    except NoAuthorityCode:
        raise _no_code(call, body.authority) from None
    return _json(Serials(authority=body.authority, year=year, last=last))


def _no_code(call: Call, authority: str) -> Refused:
    name = parts_of(call.request).authority_name(authority)
    return Refused(Refusal(code=Code.NO_AUTHORITY_CODE, params={"authority": name}))


def _json(value: BaseModel, **more: Any) -> Response:
    return Response(value.model_dump_json(), media_type="application/json", **more)


# --- the operations -------------------------------------------------------------------------------

_TAG = "资质认定证书"
_ONE = "/api/certificates/{application}"
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
_KEPT = {f"{_ONE}/{name}" for name in ("claim", "release", "return", "approve", "cancel")}

OPERATIONS = [
    Operation(
        "GET",
        "/api/certificates",
        list_certificates,
        "证书办件列表",
        _TAG,
        Right.SEE_CERTIFICATE,
        FilingPage,
        parameters=(
            Parameter("status", "状态", schema={"enum": [s.value for s in Status]}),
            Parameter("institution", "机构编号", schema=schema_of(InstitutionId)),
            Parameter("authority", "现由哪个部门办理", schema=schema_of(AuthorityId)),
            *PAGING,
        ),
    ),
    Operation(
        "POST",
        "/api/certificates",
        begin,
        "建立证书申请",
        _TAG,
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
        "/api/certificates/rules",
        get_rules,
        "证书规则",
        _TAG,
        Right.SEE_CERTIFICATE,
        RuleSetShown,
        description="现在建立的申请所用的规则：变更种类、有效期、编号代码表、各省模式。",
    ),
    Operation(
        "GET",
        "/api/certificates/serials/{year}",
        get_serials,
        "已用到的流水号",
        _TAG,
        Right.ISSUE,
        Serials,
    ),
    Operation(
        "POST",
        "/api/certificates/serials/{year}",
        set_serials,
        "设定流水号起点",
        _TAG,
        Right.ISSUE,
        Serials,
        body=SerialsBody,
        writes=True,
        example={"authority": "amr-350000", "last": 345, "reason": "本年已纸质发放 345 张"},
        description="此前纸质发放已用到的流水号；填高了的可以调低，但不低于已分配或已登记编号的最大流水号。",
    ),
    Operation(
        "GET",
        _ONE,
        get_certificate,
        "一件证书",
        _TAG,
        Right.SEE_CERTIFICATE,
        CertificateShown,
        target=of_certificate,
    ),
    Operation(
        "GET",
        f"{_ONE}/draft",
        get_draft,
        "申请内容",
        _TAG,
        Right.SEE_CERTIFICATE,
        ContentShown,
        target=of_certificate,
    ),
    Operation(
        "PUT",
        f"{_ONE}/draft",
        put_draft,
        "保存申请内容（新的一稿）",
        _TAG,
        Right.APPLY,
        ContentShown,
        target=of_certificate,
        body=CertificateDraft,
        largest=LARGEST_CONTENT,
        parameters=(Parameter("If-Match", "所改那一稿的 ETag", "header", True),),
        example={"content": CONTENT_EXAMPLE},
    ),
    acting(
        f"{_ONE}/apply",
        apply,
        "提交申请",
        Right.APPLY,
        ApplyBody,
        {"purpose": "issue", "revision": 1, "sha256": RECEIPT_EXAMPLE["command_sha256"]},
        tag=_TAG,
        target=of_certificate,
    ),
    acting(
        f"{_ONE}/withdraw",
        act(_withdraw),
        "撤回申请",
        Right.APPLY,
        Nothing,
        {},
        tag=_TAG,
        target=of_certificate,
    ),
    acting(
        f"{_ONE}/reject",
        act(_reject),
        "不予批准",
        Right.REVIEW,
        Cause,
        {"reason": "申请材料与现场核查不符"},
        tag=_TAG,
        target=of_certificate,
    ),
    acting(
        f"{_ONE}/quality",
        act(_quality),
        "质量审查",
        Right.CHECK,
        QualityBody,
        {"outcome": "send_back", "reason": REASONS_EXAMPLE["reason"]},
        tag=_TAG,
        target=of_certificate,
    ),
    acting(
        f"{_ONE}/end",
        end,
        "终止证书（注销、撤销、吊销）",
        Right.END_CERTIFICATE,
        EndBody,
        {
            "ending": "deregistered",
            "on": "2025-03-01",
            "reason": "机构申请注销",
            "document": "示例市监注〔2025〕1号（示例）",
            "authoriser": "示例批准人",
        },
        tag=_TAG,
        target=of_certificate,
    ),
    *(one for one in shared_acts(_ONE, _TAG, of_certificate) if one.path in _KEPT),
]
