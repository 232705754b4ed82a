"""Complaints: the public's way in and back by receipt, and the authority's work on them."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from api.cases.acts import Built, act, acting, case_of, no_fields, shared_acts
from api.cases.cases import BY_STATUS, CaseShown, case_list, shown, target_of
from api.door.operations import Call, Operation, json_of
from api.door.parts import parts_of
from api.door.requests import Plain, Text, invalid, path
from api.door.rights import Right, Target
from domain.case.commands import Role
from domain.case.events import event_of
from domain.case.kind import fold
from domain.case.status import Status
from domain.complaints import COMPLAINT, COMPLAINT_OUTCOME_LABELS, ComplaintOutcome, PassOn
from domain.ids import complaint_id
from domain.jurisdictions import AuthorityId, known_regulator
from domain.model import Value
from domain.text import name_key, normalised, not_written
from services.complaints import Complaint

_Id = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
_Receipt = Annotated[str, Field(pattern=r"^[0-9A-Za-z-]{10,40}$")]


class ComplaintBody(Value):
    """What somebody complains of: a number, an institution, or both; ``contact`` is voluntary."""

    number: Plain = Field(default="", max_length=200)
    institution: Plain = Field(default="", max_length=200)
    about: Text
    contact: Plain = Field(default="", max_length=200)


class Received(Value):
    """The receipt: keep it, it is the only way back to the complaint."""

    receipt: str


class ComplaintState(Value):
    """How far a complaint has come, for whoever has its receipt."""

    number: str
    institution: str
    state: str
    state_label: str
    outcome: ComplaintOutcome | None
    outcome_label: str
    reply: str
    received_at: datetime
    resolved_at: datetime | None


class ComplaintShown(CaseShown):
    """A complaint as the authority sees it."""

    number: str
    about: str
    named_institution: str
    contact: str
    outcome: ComplaintOutcome | None
    reply: str
    received_at: datetime


class ResolveBody(Value):
    """How the complaint ends: ``reply`` goes to the complainant, ``reason`` stays on record."""

    outcome: ComplaintOutcome
    reply: Text
    reason: Text


class PassOnBody(Value):
    """Which authority it is for, and why; the reason stays on record."""

    authority: AuthorityId
    reason: Text


async def of_complaint(request: Request) -> Target:
    """The complaint named by the path. Raises Refused when there is none."""
    return await target_of(request, complaint_id(path(request, "complaint", _Id)), "投诉")


# --- the public -----------------------------------------------------------------------------------


async def receive(request: Request, body: ComplaintBody, command_id: str) -> str:
    """Takes a complaint and gives its receipt. Raises Refused."""
    number, institution = normalised(body.number), name_key(body.institution)
    if not number and not institution:
        message = "请写明报告编号或机构名称，至少一项"
        raise invalid([{"pointer": "/number", "code": "missing", "message": message}])
    wrong = [
        {"pointer": f"/{name}", "code": "bad_characters", "message": why}
        for name, text in (("number", number), ("institution", institution))
        if (why := not_written(text)) is not None
    ]
    if wrong:
        raise invalid(wrong)
    # without a client there is no network either: in-process callers count as one
    client = request.scope.get("client") or ("", 0)
    return await parts_of(request).complaints.receive(
        command_id,
        client[0],
        number=number,
        institution=institution,
        about=body.about,
        contact=body.contact,
    )


async def receive_complaint(call: Call) -> Response:
    """Takes a complaint and gives its receipt."""
    receipt = await receive(call.request, call.body, call.command_id)
    return json_of(Received(receipt=receipt), status_code=201)


async def complaint_state(call: Call) -> Response:
    """How far a complaint has come."""
    receipt: str = path(call.request, "receipt", _Receipt)
    parts = parts_of(call.request)
    return json_of(state_of(await parts.complaints.by_receipt(receipt)))


_STATES = {
    Status.SUBMITTED: ("received", "已收到，正在转交"),
    Status.IN_REVIEW: ("in_review", "已转交主管部门办理"),
    Status.COMPLETED: ("completed", "已办结"),
    Status.CANCELLED: ("cancelled", "不予受理"),
}


def state_of(complaint: Complaint) -> ComplaintState:
    """A complaint as its receipt shows it: nothing that its sender did not write or get."""
    state, label = _STATES.get(complaint.status, _STATES[Status.IN_REVIEW])
    return ComplaintState(
        number=complaint.number,
        institution=complaint.institution_name,
        state=state,
        state_label=label,
        outcome=complaint.outcome,
        outcome_label=COMPLAINT_OUTCOME_LABELS[complaint.outcome] if complaint.outcome else "",
        reply=complaint.reply,
        received_at=complaint.received_at,
        resolved_at=complaint.resolved_at,
    )


# --- the authority --------------------------------------------------------------------------------


async def get_complaint(call: Call) -> Response:
    """One complaint; how to reach the complainant only for the authority that deals with it."""
    case, parts = case_of(call), parts_of(call.request)
    complaint = await parts.complaints.of_case(case)
    # whoever has passed it on sees what became of it, and has nobody to reach any more
    steps = await parts.records.steps(case)
    [level] = fold(COMPLAINT, map(event_of, steps)).levels
    deals = call.actor.role is Role.REVIEWER and call.actor.scope == level.authority
    return json_of(
        ComplaintShown(
            **(await shown(case, call)).model_dump(),
            number=complaint.number,
            about=complaint.about,
            named_institution=complaint.institution_name,
            contact=complaint.contact if deals else "",
            outcome=complaint.outcome,
            reply=complaint.reply,
            received_at=complaint.received_at,
        )
    )


async def resolve_complaint(call: Call) -> Response:
    """Ends a complaint with its outcome and a reply."""
    body: ResolveBody = call.body
    receipt = await parts_of(call.request).complaints.resolve(
        case_of(call), body.outcome, body.reply, body.reason, call.actor, call.command_id
    )
    return json_of(receipt)


def _pass_on(call: Call, base: dict[str, Any]) -> Built:
    body: PassOnBody = call.body
    if not known_regulator(body.authority):
        message = "不是市场监管部门，或没有这样的辖区；应如 amr-350200、samr"
        raise invalid([{"pointer": "/authority", "code": "unknown", "message": message}])
    return PassOn(**base, authority=body.authority), {"reason": body.reason}


_TAG = "投诉"
_ONE = "/api/complaints/{complaint}"
_SHARED = ("claim", "release", "assign", "hand-over", "cancel")
_KEPT = {f"{_ONE}/{name}" for name in _SHARED}

OPERATIONS = [
    Operation(
        "POST",
        "/public/complaints",
        receive_complaint,
        "投诉",
        _TAG,
        Right.ANYONE,
        Received,
        body=ComplaintBody,
        writes=True,
        status=201,
        example={"number": "JC2024-000123", "institution": "", "about": "报告内容与委托不符"},
        answer_example={"receipt": "K7QWE-3MZ5A-PL2XB-9RTYC"},
        description="不需要登录；回执编号请妥善保存，凭它查询办理情况。",
    ),
    Operation(
        "GET",
        "/public/complaints/{receipt}",
        complaint_state,
        "投诉办理情况",
        _TAG,
        Right.ANYONE,
        ComplaintState,
    ),
    case_list("/api/complaints", COMPLAINT, "投诉列表", _TAG, Right.SEE_COMPLAINT, BY_STATUS),
    Operation(
        "GET",
        _ONE,
        get_complaint,
        "一件投诉",
        _TAG,
        Right.SEE_COMPLAINT,
        ComplaintShown,
        target=of_complaint,
    ),
    acting(
        f"{_ONE}/resolve",
        resolve_complaint,
        "办结投诉",
        Right.REVIEW,
        ResolveBody,
        {
            "outcome": "substantiated",
            "reply": "经核实，该编号的报告不是该机构出具，已责令更正。",
            "reason": "现场核查记录附卷",
        },
        tag=_TAG,
        target=of_complaint,
    ),
    acting(
        f"{_ONE}/pass-on",
        act(_pass_on),
        "转交其他部门",
        Right.REVIEW,
        PassOnBody,
        {"authority": "amr-350200", "reason": "机构由该局监管"},
        tag=_TAG,
        target=of_complaint,
    ),
    *(
        operation
        for operation in shared_acts(_ONE, _TAG, of_complaint, no_fields)
        if operation.path in _KEPT
    ),
]
