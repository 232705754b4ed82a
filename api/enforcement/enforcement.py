"""Cases of enforcement: foreseeing, opening, and every act, by officers, deciders, institutions."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, Any, Literal
from urllib.parse import quote

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from api.cases.acts import acting, case_of
from api.cases.cases import (
    BY_AUTHORITY,
    BY_INSTITUTION,
    BY_STATUS,
    CaseShown,
    Started,
    case_list,
    in_sight,
    shown,
    target_of,
)
from api.door.files import Filename
from api.door.operations import Call, Operation, Parameter, json_of, schema_of
from api.door.parts import Parts, parts_of
from api.door.problems import source
from api.door.requests import Plain, Text, invalid, media_type, path, query
from api.door.rights import Right, Target, check, check_found
from domain.case.commands import Actor, Command, Role
from domain.case.workflow_messages import Receipt
from domain.enforcement.commands import (
    ENDING_LABELS,
    STAGE_LABELS,
    STAGE_NEXT,
    AnswerObjection,
    Cure,
    Decide,
    GiveNotice,
    MakeStatement,
    Propose,
    RaiseObjection,
    Refer,
    ServeDecision,
    WithdrawMeasure,
)
from domain.enforcement.consequences import (
    KIND_LABELS,
    Consequences,
    FilingFacts,
    Finding,
    MeasureTerms,
)
from domain.enforcement.kind import ENFORCEMENT
from domain.enforcement.state import terms_of
from domain.ids import InstitutionId, enforcement_id
from domain.model import Value
from domain.refusals import Refused, unseen

About = Literal["filing", "report-numbers"]
PeriodName = Annotated[str, Field(pattern=r"^2[0-9]{3}(Q[1-4])?$")]
CaseNumber = Annotated[int, Field(ge=1, le=9999)]
_Filing = Annotated[
    str,
    Field(
        pattern=r"^(filing/2[0-9]{3}|report-numbers/2[0-9]{3}Q[1-4])"
        r"/[0-9A-Za-z][0-9A-Za-z._-]{0,63}$"
    ),
]
_Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_Measure = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,63}$")]
MEDIA = ("application/pdf", "image/jpeg", "image/png", "text/plain")
LARGEST = 5 * 1024 * 1024
MOST_FILES = 20


# --- what comes in --------------------------------------------------------------------------------


class OpenBody(Value):
    """A filing, and what an officer has found about it with evidence from outside the survey."""

    about: _Filing
    findings: tuple[Finding, ...] = Field(default=(), max_length=3)
    evidence: Plain = Field(default="", max_length=2000)


class ProposeBody(Value):
    """One of the measures that may be proposed; ``wording`` where the notice leaves it open."""

    measure: _Measure
    reason: Text
    wording: Plain = Field(default="", max_length=2000)


class Nothing(Value):
    """No content is needed."""


class StatementBody(Value):
    """What an institution says; ``attachments`` are files it has added before, by their sha256."""

    text: Text
    attachments: tuple[_Hash, ...] = Field(default=(), max_length=MOST_FILES)


class DecideBody(Value):
    """``basis``: for a penalty, the statute and article that give the authority the power."""

    outcome: Literal["impose", "dismiss"]
    reason: Text
    basis: Plain = Field(default="", max_length=500)


class ReferBody(Value):
    """Which agency the file is handed to, and under which document number."""

    agency: Plain = Field(min_length=1, max_length=200)
    document: Plain = Field(min_length=1, max_length=200)


class AnswerBody(Value):
    """Whether an objection is upheld, and why."""

    upheld: bool
    reason: Text


class ReasonBody(Value):
    """Why."""

    reason: Text


# --- what goes out --------------------------------------------------------------------------------


class MeasureShown(Value):
    """A measure that may be chosen, or was."""

    id: str
    label: str
    kind: Literal["penalty", "management", "referral"]
    kind_label: str
    grounds: tuple[str, ...]
    open_wording: bool
    proposes: str
    decides: str
    steps: tuple[str, ...]
    says: str
    cure: str
    source: dict[str, str]
    laws: tuple[dict[str, str], ...]


class CandidateShown(Value):
    """One trigger with one measure, and what speaks for or against it."""

    rule: str
    measure: str | None
    verdict: Literal["proposed", "eliminated"]
    because: str


class PaperShown(Value):
    """A document of the case."""

    kind: str
    number: str
    sha256: str
    made_at: datetime


class AttachmentShown(Value):
    """A file that the institution has added."""

    name: str
    media: str
    sha256: str
    given_at: datetime


class EnforcementShown(CaseShown):
    """A case of enforcement: facts of filing, what may be chosen, how far it has come."""

    about: str
    stage: str
    stage_label: str
    next: str
    facts: FilingFacts
    findings: tuple[Finding, ...]
    because: str
    candidates: tuple[CandidateShown, ...]
    measures: tuple[MeasureShown, ...]
    measure: str
    decision_due: datetime | None
    statement_due: datetime | None
    statements: int
    service_due: datetime | None
    effective_at: datetime | None
    expires_at: datetime | None
    objecting: bool
    objection_due: datetime | None
    answer_late: bool
    ended_by: str | None
    ended_by_label: str
    documents: tuple[PaperShown, ...]
    attachments: tuple[AttachmentShown, ...]


class Attached(Value):
    """A file that was added."""

    sha256: str


# --- before there is a case -----------------------------------------------------------------------


async def foresee(call: Call) -> Response:
    """What would be proposed about a filing now, and why nothing else."""
    about = query(call.request, "about", _Filing | None, None)
    if about is None:
        message = "请写明针对哪一件，如 filing/2020/<机构编号>"
        raise invalid([{"pointer": "/about", "code": "missing", "message": message}])
    await _may_look(call, about)
    return json_of(await parts_of(call.request).enforcement.consequences(about))


async def open_case(call: Call) -> Response:
    """Opens a case about a filing; it proposes nothing by itself."""
    body: OpenBody = call.body
    await _may_look(call, body.about)
    id_ = await parts_of(call.request).enforcement.open(
        body.about, call.actor, call.command_id, body.findings, body.evidence
    )
    return json_of(Started(id=id_), status_code=201)


async def _may_look(call: Call, about: str) -> None:
    """An operator acts in its own jurisdiction; an officer's authority is the service's affair."""
    if call.actor.role is Role.OPERATOR:
        try:
            found = await parts_of(call.request).records.find(about, "填报")
        except Refused:
            raise Refused(unseen()) from None
        check_found(Right.OPEN_ENFORCEMENT, call.actor, Target(region=found.case.region))


# --- one case -------------------------------------------------------------------------------------


async def of_enforcement(request: Request) -> Target:
    """The case in the address. Raises Refused when there is none."""
    about: str = path(request, "about", About)
    period: str = path(request, "period", PeriodName)
    institution: str = path(request, "institution", InstitutionId)
    number: int = path(request, "n", CaseNumber)
    case_id = enforcement_id(f"{about}/{period}/{institution}", number)
    return await target_of(request, case_id, "后续处理")


async def get_case(call: Call) -> Response:
    """One case, with its documents and files."""
    case, service = case_of(call), parts_of(call.request).enforcement
    state, terms = await service.state(case), terms_of(case.plan)
    own = state.own
    return json_of(
        EnforcementShown(
            **(await shown(case, call)).model_dump(),
            about=terms.about,
            stage=own.stage,
            stage_label=STAGE_LABELS[own.stage],
            next=STAGE_NEXT[own.stage],
            facts=terms.filing,
            findings=terms.findings,
            because=terms.consequences.because,
            candidates=tuple(
                CandidateShown(**one.model_dump()) for one in terms.consequences.candidates
            ),
            measures=tuple(_measure(one) for one in terms.measures),
            measure=own.measure,
            decision_due=own.decision_due,
            statement_due=own.statement_due,
            statements=own.statements,
            service_due=own.service_due,
            effective_at=own.effective_at,
            expires_at=own.expires_at,
            objecting=own.objecting,
            objection_due=own.objection_due,
            answer_late=own.answer_late,
            ended_by=own.ended_by,
            ended_by_label=ENDING_LABELS[own.ended_by] if own.ended_by else "",
            documents=tuple(
                PaperShown(**one.model_dump(include=set(PaperShown.model_fields)))
                for one in await service.documents(case)
                if call.actor.role is not Role.FILER
                or one.kind not in ("decision", "referral")
                or own.stage in ("served", "in_force", "over")
            ),
            attachments=tuple(
                AttachmentShown(**one.model_dump(include=set(AttachmentShown.model_fields)))
                for one in await service.attachments(case)
            ),
        )
    )


def _measure(one: MeasureTerms) -> MeasureShown:
    return MeasureShown(
        **one.model_dump(
            include={"id", "label", "kind", "grounds", "open_wording", "proposes", "decides",
                     "steps", "says", "cure"}
        ),
        kind_label=KIND_LABELS[one.kind],
        source=source(one.cite),
        laws=tuple(law.model_dump() for law in one.laws),
    )  # fmt: skip


# --- acts -----------------------------------------------------------------------------------------

_Built = tuple[Command, dict[str, Any] | None]
_Build = Callable[[Parts, Call, dict[str, Any]], Awaitable[_Built]]


def _act(build: _Build) -> Callable[[Call], Awaitable[Response]]:
    async def handler(call: Call) -> Response:
        parts = parts_of(call.request)
        base = {"id": call.command_id, "actor": call.actor, "received_at": parts.clock()}
        command, note = await build(parts, call, base)
        return json_of(await parts.enforcement.perform(case_of(call), command, note))

    return handler


async def _propose(parts: Parts, call: Call, base: dict[str, Any]) -> _Built:
    body: ProposeBody = call.body
    sha256 = ""
    if body.wording.strip():
        sha256 = await parts.enforcement.note({"wording": body.wording})
    command = Propose(**base, measure=body.measure, wording_sha256=sha256)
    return command, {"reason": body.reason}


async def _notice(_: Parts, __: Call, base: dict[str, Any]) -> _Built:
    return GiveNotice(**base), None


async def _statement(parts: Parts, call: Call, base: dict[str, Any]) -> _Built:
    return MakeStatement(**base), await _said(parts, call)


async def _objection(parts: Parts, call: Call, base: dict[str, Any]) -> _Built:
    return RaiseObjection(**base), await _said(parts, call)


async def _said(parts: Parts, call: Call) -> dict[str, Any]:
    body: StatementBody = call.body
    known = {one.sha256: one.name for one in await parts.enforcement.attachments(case_of(call))}
    unknown = [
        {
            "pointer": f"/attachments/{index}",
            "code": "unknown_attachment",
            "message": "没有这个附件；请先上传，再在这里写它的 sha256",
        }
        for index, sha256 in enumerate(body.attachments)
        if sha256 not in known
    ]
    if unknown:
        raise invalid(unknown)
    files = [{"name": known[sha256], "sha256": sha256} for sha256 in body.attachments]
    return {"text": body.text, "attachments": files}


async def _decide(_: Parts, call: Call, base: dict[str, Any]) -> _Built:
    body: DecideBody = call.body
    given = bool(body.basis.strip())
    note = {"reason": body.reason, **({"basis": body.basis} if given else {})}
    return Decide(**base, outcome=body.outcome, basis_given=given), note


async def _service(_: Parts, __: Call, base: dict[str, Any]) -> _Built:
    return ServeDecision(**base), None


async def _refer(_: Parts, call: Call, base: dict[str, Any]) -> _Built:
    body: ReferBody = call.body
    return Refer(**base, agency=body.agency, document=body.document), None


async def _answer(_: Parts, call: Call, base: dict[str, Any]) -> _Built:
    return AnswerObjection(**base, upheld=call.body.upheld), {"reason": call.body.reason}


async def _withdraw(_: Parts, call: Call, base: dict[str, Any]) -> _Built:
    return WithdrawMeasure(**base), {"reason": call.body.reason}


async def _cure(_: Parts, __: Call, base: dict[str, Any]) -> _Built:
    return Cure(**base), None


# --- files and documents --------------------------------------------------------------------------


async def attach(call: Call) -> Response:
    """Keeps a file of the institution's, to be named in a statement or an objection."""
    service, case = parts_of(call.request).enforcement, case_of(call)
    there = await service.attachments(case)
    if len(there) >= MOST_FILES:
        message = f"一件至多 {MOST_FILES} 个附件"
        raise invalid([{"pointer": "", "code": "too_many", "message": message}])
    if not call.body:
        raise invalid([{"pointer": "", "code": "missing", "message": "文件是空的"}])
    name = query(call.request, "filename", Filename, "") or "附件"
    sha256 = await service.attach(case, name, media_type(call.request), call.body, call.actor)
    return json_of(Attached(sha256=sha256), status_code=201)


async def get_attachment(call: Call) -> Response:
    """A file that the institution has added: its bytes to be saved, never shown by a browser."""
    service = parts_of(call.request).enforcement
    name, _, content = await service.attachment(
        case_of(call), path(call.request, "attachment", _Hash)
    )
    return _file(content, "application/octet-stream", name)


async def get_document(call: Call) -> Response:
    """A document of the case as PDF, the same bytes for ever."""
    service, case = parts_of(call.request).enforcement, case_of(call)
    sha256: str = path(call.request, "document", _Hash)
    content = await service.document(case, sha256)
    return _file(content, "application/pdf", f"{sha256[:12]}.pdf")


def _file(content: bytes, media: str, name: str) -> Response:
    return Response(
        content,
        media_type=media,
        headers={
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}",
            "X-Content-Type-Options": "nosniff",
        },
    )


def _sight(actor: Actor, institution: str | None) -> dict[str, Any]:
    if actor.role is Role.FILER:
        check(Right.SEE_ENFORCEMENT, actor, Target(institution=institution))
        return {"institution": actor.scope}
    return in_sight(actor, institution)


_TAG = "后续处理"
ONE = "/api/enforcement/{about}/{period}/{institution}/{n}"
_REASON = {"reason": "两次催报之后仍未上报"}
_ACTS: list[tuple[str, _Build, str, Right, type[Value], Any]] = [
    (
        "propose",
        _propose,
        "提出措施",
        Right.PROPOSE_MEASURE,
        ProposeBody,
        {"measure": "applications-refused", **_REASON},
    ),
    ("notice", _notice, "事先告知", Right.PROPOSE_MEASURE, Nothing, {}),
    (
        "statement",
        _statement,
        "陈述、申辩",
        Right.STATE_CASE,
        StatementBody,
        {"text": "因搬迁没有收到通知，已于3月2日补报。", "attachments": []},
    ),
    (
        "decide",
        _decide,
        "决定",
        Right.DECIDE_MEASURE,
        DecideBody,
        {"outcome": "impose", "reason": "情况属实，陈述的理由不成立", "basis": ""},
    ),
    ("service", _service, "送达决定", Right.PROPOSE_MEASURE, Nothing, {}),
    (
        "refer",
        _refer,
        "移送",
        Right.PROPOSE_MEASURE,
        ReferBody,
        {"agency": "福州市统计局", "document": "榕市监移〔2021〕×号（示例）"},
    ),
    (
        "objection",
        _objection,
        "提出异议",
        Right.STATE_CASE,
        StatementBody,
        {"text": "公示的日期有误。", "attachments": []},
    ),
    (
        "objection-answer",
        _answer,
        "答复异议",
        Right.DECIDE_MEASURE,
        AnswerBody,
        {"upheld": True, "reason": "经核实，提交时间确在期限之内"},
    ),
    (
        "withdraw",
        _withdraw,
        "撤回措施",
        Right.WITHDRAW_MEASURE,
        ReasonBody,
        {"reason": "事实认定有误"},
    ),
    ("cure", _cure, "补报解除", Right.END_BY_CURE, Nothing, {}),
]

OPERATIONS = [
    Operation(
        "GET",
        "/api/enforcement/consequences",
        foresee,
        "可以提出什么",
        _TAG,
        Right.OPEN_ENFORCEMENT,
        Consequences,
        parameters=(Parameter("about", "针对哪一件", required=True, schema=schema_of(_Filing)),),
        description="只看填报与否和日期，不看任何填报数据；什么也不改变。",
    ),
    case_list(
        "/api/enforcement",
        ENFORCEMENT,
        "后续处理列表",
        _TAG,
        Right.SEE_ENFORCEMENT,
        BY_STATUS,
        BY_INSTITUTION,
        BY_AUTHORITY,
        sight=_sight,
    ),
    Operation(
        "POST",
        "/api/enforcement",
        open_case,
        "立案",
        _TAG,
        Right.OPEN_ENFORCEMENT,
        Started,
        body=OpenBody,
        writes=True,
        status=201,
        example={"about": "filing/2020/91350100M0000A1B2C", "findings": [], "evidence": ""},
        answer_example={"id": "enforcement/filing/2020/91350100M0000A1B2C/1"},
        description="立案不等于采取措施：由承办人提出，由另一人决定。",
    ),
    Operation(
        "GET",
        ONE,
        get_case,
        "一件后续处理",
        _TAG,
        Right.SEE_ENFORCEMENT,
        EnforcementShown,
        target=of_enforcement,
    ),
    *(
        acting(
            f"{ONE}/{name}",
            _act(build),
            summary,
            right,
            body,
            example,
            tag=_TAG,
            target=of_enforcement,
            answer=Receipt,
        )
        for name, build, summary, right, body, example in _ACTS
    ),
    Operation(
        "POST",
        f"{ONE}/attachments",
        attach,
        "上传附件",
        _TAG,
        Right.STATE_CASE,
        Attached,
        target=of_enforcement,
        media=MEDIA,
        largest=LARGEST,
        status=201,
        parameters=(Parameter("filename", "文件名", schema=schema_of(Filename)),),
        answer_example={"sha256": "0" * 64},
        writes=True,
    ),
    Operation(
        "GET",
        f"{ONE}/attachments/{{attachment}}",
        get_attachment,
        "下载附件",
        _TAG,
        Right.SEE_ENFORCEMENT,
        None,
        target=of_enforcement,
        answer_media="application/octet-stream",
    ),
    Operation(
        "GET",
        f"{ONE}/documents/{{document}}",
        get_document,
        "下载文书",
        _TAG,
        Right.SEE_ENFORCEMENT,
        None,
        target=of_enforcement,
        answer_media="application/pdf",
    ),
]
