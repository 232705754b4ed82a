"""The auditor's view: what happened to a case, step by step."""

from typing import Any

from starlette.responses import Response

from api.campaigns.campaigns import named, of_campaign
from api.cases.acts import case_of
from api.certificates.named import of_certificate
from api.complaints.complaints import of_complaint
from api.door.operations import Call, Operation, json_of
from api.door.parts import parts_of
from api.door.rights import ROLES, Right, of_institution
from api.enforcement.enforcement import ONE as ENFORCEMENT_PATH
from api.enforcement.enforcement import of_enforcement
from api.filings.filings import of_filing
from api.numbers.named import of_batch
from domain.case.commands import ROLE_LABELS, Role
from domain.case.timeline import Entry
from domain.ids import campaign_id
from domain.model import Value


class Timeline(Value):
    """A case's history; refused acts stand among the steps and have no sequence."""

    case_id: str
    entries: tuple[Entry, ...]


async def filing_timeline(call: Call) -> Response:
    """The history of one filing."""
    assert call.target.case is not None
    with_notes = call.actor.role in ROLES[Right.SEE_CONTENT]
    return await _timeline(call, call.target.case.case_id, with_notes=with_notes)


async def campaign_timeline(call: Call) -> Response:
    """The history of one campaign."""
    return await _timeline(call, campaign_id(*named(call.request)), with_notes=True)


async def batch_timeline(call: Call) -> Response:
    """The history of one batch of report numbers; its notes are reasons, not statistics."""
    return await _timeline(call, case_of(call).case_id, with_notes=True)


async def complaint_timeline(call: Call) -> Response:
    """The history of one complaint."""
    return await _timeline(call, case_of(call).case_id, with_notes=True)


async def certificate_timeline(call: Call) -> Response:
    """The history of one certificate."""
    return await _timeline(call, case_of(call).case_id, with_notes=True)


async def enforcement_timeline(call: Call) -> Response:
    """The history of one case of enforcement."""
    return await _timeline(call, case_of(call).case_id, with_notes=True)


async def _timeline(call: Call, case_id: str, *, with_notes: bool) -> Response:
    entries = await parts_of(call.request).records.timeline(case_id, with_notes=with_notes)
    if of_institution(call.actor):
        # the filer deals with an authority, not with the person in it
        own = (Role.FILER, Role.RESPONSIBLE, Role.SYSTEM)
        theirs = {ROLE_LABELS[role] for role in own}
        entries = [
            entry if entry.role in theirs else entry.model_copy(update=_NOBODY)
            for entry in entries
            if entry.event != "refused" or entry.scope == call.actor.scope
        ]
    return json_of(Timeline(case_id=case_id, entries=tuple(entries)))


_NOBODY = {"subject": "", "on_behalf_of": "", "person": "", "confirmed_by": ""}

_EXAMPLE: dict[str, Any] = {"case_id": "filing/2024/91350100M0000A1B2C", "entries": []}

OPERATIONS = [
    Operation(
        "GET",
        "/api/filings/{year}/{institution}/timeline",
        filing_timeline,
        "一件填报的经过",
        "审计",
        Right.SEE_FILING,
        Timeline,
        target=of_filing,
        answer_example=_EXAMPLE,
    ),
    Operation(
        "GET",
        "/api/report-batches/{quarter}/{institution}/timeline",
        batch_timeline,
        "一件报告编号报送的经过",
        "审计",
        Right.SEE_FILING,
        Timeline,
        target=of_batch,
        answer_example={"case_id": "report-numbers/2024Q3/91350100M0000A1B2C", "entries": []},
    ),
    Operation(
        "GET",
        "/api/complaints/{complaint}/timeline",
        complaint_timeline,
        "一件投诉的经过",
        "审计",
        Right.SEE_COMPLAINT,
        Timeline,
        target=of_complaint,
        answer_example={"case_id": "complaint/3f2a9c…", "entries": []},
    ),
    Operation(
        "GET",
        "/api/certificates/{application}/timeline",
        certificate_timeline,
        "一件证书的经过",
        "审计",
        Right.SEE_CERTIFICATE,
        Timeline,
        target=of_certificate,
        answer_example={"case_id": "certificate/3f2a9c…", "entries": []},
    ),
    Operation(
        "GET",
        f"{ENFORCEMENT_PATH}/timeline",
        enforcement_timeline,
        "一件后续处理的经过",
        "审计",
        Right.SEE_ENFORCEMENT,
        Timeline,
        target=of_enforcement,
        answer_example={"case_id": "enforcement/filing/2020/91350100M0000A1B2C/1", "entries": []},
    ),
    Operation(
        "GET",
        "/api/campaigns/{period}/{jurisdiction}/timeline",
        campaign_timeline,
        "年度统计工作的经过",
        "审计",
        Right.SEE_CAMPAIGNS,
        Timeline,
        target=of_campaign,
    ),
]
