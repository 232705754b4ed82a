"""Certificates: every act of a certificate's life once it is applied for, and what there is."""

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import Field
from starlette.responses import Response

from api.cases.acts import (
    REASONS_EXAMPLE,
    Built,
    Cause,
    Nothing,
    act,
    acting,
    case_of,
    shared_acts,
)
from api.cases.cases import (
    BY_AUTHORITY,
    BY_INSTITUTION,
    BY_NAME,
    BY_REGION,
    BY_STATUS,
    CaseShown,
    case_list,
    equal,
    in_sight,
    shown,
)
from api.cases.quality import QualityBody, quality, withdraw
from api.certificates.named import ADDRESS, TAG, of_certificate
from api.confirmations.held import hold
from api.door.operations import Call, Operation, json_of
from api.door.parts import Parts, parts_of
from api.door.requests import Plain, Text, invalid
from api.door.rights import SCOPES, Right, Scope
from domain.case.commands import Actor
from domain.case.events import event_of
from domain.case.kind import fold
from domain.case.status import ENDED, Status
from domain.certificates.certificate import (
    CERTIFICATE_STATUS_LABELS,
    CertificateContent,
    CertificateStatus,
    Ended,
    status_on,
)
from domain.certificates.commands import CorrectEnd, EndCertificate, Reject
from domain.certificates.issuing import PURPOSE_LABELS, HeldCertificate, Purpose
from domain.certificates.kind import CERTIFICATE
from domain.certificates.transitions import issuer_of
from domain.certificates.warnings import CertificateWarning
from domain.clock import day_of
from domain.confirmations import ConfirmedAct
from domain.ids import jurisdiction_of
from domain.jurisdictions import authority_of
from domain.model import Value
from services.case_records import Case

# --- what goes in and out ------------------------------------------------------------------------


class EndBody(Value):
    """How a certificate ends, from which day on, why, under which document, who approved it.

    What a second person confirms is approved by them where nobody else is named.
    """

    ending: Ended
    on: date
    reason: Plain = Field(max_length=2000)
    document: Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
    approver: Plain = Field(default="", max_length=200)


class CorrectEndBody(Value):
    """An end put on record by mistake: left out, there was none; else how and when it was.

    With the reason, the document, and who approved the correction: whoever confirms it where
    nobody else is named.
    """

    ending: Ended | None = None
    on: date | None = None
    reason: Text
    document: Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
    approver: Plain = Field(default="", max_length=200)


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
    """One certificate's case: what is applied for, and the certificate once it is issued.

    ``warnings`` are to be looked at before what is under way is decided.
    """

    issuer: str
    purpose: Purpose | None
    purpose_label: str
    change: str
    renews: str
    certificate: HeldShown | None
    warnings: tuple[CertificateWarning, ...]


class CertificateListed(CaseShown):
    """A certificate's case in a list: with number and holder once the certificate is issued."""

    number: str
    holder: str


class CertificatePage(Value):
    """A page of certificates' cases; ``next`` is the cursor of the page after, None at the end."""

    items: tuple[CertificateListed, ...]
    next: str | None


# --- looking --------------------------------------------------------------------------------------


def _in_sight(actor: Actor, institution: str | None) -> dict[str, Any]:
    """An issuing authority has all of its own, from the first draft on; others what was theirs."""
    area = jurisdiction_of(actor.scope) if SCOPES[actor.role] is Scope.AUTHORITY else ""
    if area and actor.scope == authority_of(area):
        return {"jurisdiction": area}
    return in_sight(actor, institution)


_Number = Annotated[str, Field(pattern=r"^[\x21-\x7e]{1,64}$")]
_BY_NUMBER = equal("number", _Number, "已发证书的编号")


async def _with_numbers(call: Call, cases: Sequence[Case]) -> list[CaseShown]:
    names = await parts_of(call.request).certificates.names([case.case_id for case in cases])
    listed: list[CaseShown] = []
    for case in cases:
        number, holder = names.get(case.case_id, ("", ""))
        known = (await shown(case, call)).model_dump()
        listed.append(CertificateListed(**known, number=number, holder=holder))
    return listed


async def get_certificate(call: Call) -> Response:
    """One certificate's case."""
    case, parts = case_of(call), parts_of(call.request)
    steps = await parts.records.steps(case)
    state = fold(CERTIFICATE, map(event_of, steps)).own
    return json_of(
        CertificateShown(
            **(await shown(case, call)).model_dump(),
            issuer=issuer_of(case.plan),
            purpose=state.purpose,
            purpose_label=PURPOSE_LABELS[state.purpose] if state.purpose else "",
            change=state.change,
            renews=str(steps[0].body.get("renews", "")),
            certificate=await _held(parts, case, state.certificate),
            warnings=await _warnings(parts, case),
        )
    )


_UNDER_WAY = frozenset(Status) - {*ENDED, Status.SCHEDULED, Status.DRAFT, Status.WITHDRAWN}
"""Where somebody has applied for something that is not decided for good."""


async def _warnings(parts: Parts, case: Case) -> tuple[CertificateWarning, ...]:
    if case.status not in _UNDER_WAY:
        return ()
    revision = await parts.records.revision(case, case.revision)
    assert revision is not None
    applied = CertificateContent.model_validate(revision.content[case.plan.parts[0]])
    return await parts.certificates.warnings(case, applied)


async def _held(parts: Parts, case: Case, held: HeldCertificate | None) -> HeldShown | None:
    if held is None:
        return None
    rules = await parts.certificates.pinned.get(case.rule_set)
    today = day_of(parts.clock())
    status = status_on(held.status, held.valid_to, today, held.valid_from)
    known = held.model_dump(exclude={"reminders", "status"})
    return HeldShown(
        **known,
        status=status,
        status_label=CERTIFICATE_STATUS_LABELS[status],
        renewal_opens=rules.renewal_opens(held.valid_to),
        renewal_due=rules.renewal_due(held.valid_to),
        renewal_stage=rules.renewal_stage(held.valid_to, today),
    )


# --- acts -----------------------------------------------------------------------------------------


async def content_fields(_: Parts, case: Case) -> dict[str, frozenset[str]]:
    """Reasons may name what a certificate's content consists of."""
    return {case.plan.parts[0]: frozenset(CertificateContent.model_fields)}


def _reject(call: Call, base: dict[str, Any]) -> Built:
    return Reject(**base), {"reason": call.body.reason}


async def end(call: Call) -> Response:
    """Ends a certificate: deregistered, revoked or rescinded."""
    body: EndBody = call.body
    parts = parts_of(call.request)
    command = EndCertificate(
        id=call.command_id,
        actor=call.actor,
        received_at=parts.clock(),
        ending=body.ending,
        on=body.on,
        document=body.document,
    )
    confirmed_by = await hold(
        call,
        ConfirmedAct.END_CERTIFICATE,
        check=lambda: parts.certificates.refuse_end(case_of(call), command, body.reason),
    )
    approver = body.approver.strip() or confirmed_by
    return json_of(await parts.certificates.end(case_of(call), command, body.reason, approver))


async def correct_end(call: Call) -> Response:
    """Corrects an end that was put on record by mistake."""
    body: CorrectEndBody = call.body
    parts = parts_of(call.request)
    if (body.ending is None) is not (body.on is None):
        message = "更正为另一种终止的，ending 和 on 都要写；恢复有效的，都不写"
        raise invalid([{"pointer": "/on", "code": "incomplete", "message": message}])
    command = CorrectEnd(
        id=call.command_id,
        actor=call.actor,
        received_at=parts.clock(),
        ending=body.ending,
        on=body.on,
        document=body.document,
    )
    confirmed_by = await hold(
        call,
        ConfirmedAct.CORRECT_END,
        check=lambda: parts.certificates.refuse_end(case_of(call), command, body.reason),
    )
    approver = body.approver.strip() or confirmed_by
    if not approver:
        message = "不须另一人确认的，要写批准人"
        raise invalid([{"pointer": "/approver", "code": "incomplete", "message": message}])
    return json_of(
        await parts.certificates.correct_end(case_of(call), command, body.reason, approver)
    )


_KEPT = {f"{ADDRESS}/{name}" for name in ("claim", "release", "return", "approve", "cancel")}

OPERATIONS = [
    case_list(
        "/api/certificates",
        CERTIFICATE,
        "证书办件列表",
        TAG,
        Right.SEE_CERTIFICATE,
        BY_STATUS,
        BY_INSTITUTION,
        BY_AUTHORITY,
        BY_REGION,
        BY_NAME,
        _BY_NUMBER,
        sight=_in_sight,
        answer=CertificatePage,
        show=_with_numbers,
    ),
    Operation(
        "GET",
        ADDRESS,
        get_certificate,
        "一件证书",
        TAG,
        Right.SEE_CERTIFICATE,
        CertificateShown,
        target=of_certificate,
    ),
    acting(
        f"{ADDRESS}/withdraw",
        act(withdraw),
        "撤回申请",
        Right.APPLY,
        Nothing,
        {},
        tag=TAG,
        target=of_certificate,
    ),
    acting(
        f"{ADDRESS}/reject",
        act(_reject),
        "不予批准",
        Right.REVIEW,
        Cause,
        {"reason": "申请材料与现场核查不符"},
        tag=TAG,
        target=of_certificate,
    ),
    acting(
        f"{ADDRESS}/quality",
        act(quality, content_fields),
        "质量审查",
        Right.CHECK,
        QualityBody,
        {"outcome": "send_back", "reason": REASONS_EXAMPLE["reason"]},
        tag=TAG,
        target=of_certificate,
    ),
    acting(
        f"{ADDRESS}/end",
        end,
        "终止证书（注销、撤销、吊销）",
        Right.END_CERTIFICATE,
        EndBody,
        {
            "ending": "deregistered",
            "on": "2025-03-01",
            "reason": "机构申请注销",
            "document": "示例市监注〔2025〕1号（示例）",
            "approver": "示例批准人",
        },
        tag=TAG,
        target=of_certificate,
    ),
    acting(
        f"{ADDRESS}/correct-end",
        correct_end,
        "更正误登记的终止",
        Right.END_CERTIFICATE,
        CorrectEndBody,
        {
            "reason": "误将另一机构的撤销登记在本证书上",
            "document": "示例市监更〔2025〕1号（示例）",
            "approver": "示例批准人",
        },
        tag=TAG,
        target=of_certificate,
    ),
    *(
        operation
        for operation in shared_acts(ADDRESS, TAG, of_certificate, content_fields)
        if operation.path in _KEPT
    ),
]
