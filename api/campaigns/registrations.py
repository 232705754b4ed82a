"""New institutions: asking to be registered, and what the operator of the region decides."""

from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError
from starlette.requests import Request
from starlette.responses import Response

from api.cases.acts import Cause
from api.door import cursors
from api.door.operations import PAGING, Call, Operation, Parameter, json_of, schema_of
from api.door.parts import parts_of
from api.door.requests import path, query
from api.door.rights import Right, Target, check, region_in_sight
from domain import uscc
from domain.ids import InstitutionId, JurisdictionCode
from domain.institutions import REQUEST_STATE_LABELS, RequestState
from domain.model import Value
from domain.refusals import Refused
from domain.text import AllDigits, Trimmed, Unmarked, Visible
from services.registrations import Applied, RequestKnown

RequestId = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]


def _right_uscc(text: str) -> str:
    if text and not uscc.is_valid(text):
        raise PydanticCustomError("bad_uscc", "不是合格的统一社会信用代码，请对照证照改正")
    return text


Uscc = Annotated[
    str, Field(pattern=r"^([0-9A-Z]{18})?$"), AfterValidator(_right_uscc), Unmarked, AllDigits
]
InstitutionName = Annotated[
    str,
    Field(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*[^\x00-\x1f\x7f\s]$"),
    Trimmed,
    Visible,
]


class RegistrationBody(Value):
    """What an institution is to be registered as; ``region`` down to its county."""

    name: InstitutionName
    uscc: Uscc = ""
    region: JurisdictionCode
    legal_person: bool = True


class RegistrationShown(Value):
    """A request to be registered, what was decided, and why.

    ``alike`` are accounts on record with the same code or name: they may be the same institution.
    Filers do not see them.
    """

    id: str
    institution: str
    name: str
    uscc: str
    region: str
    legal_person: bool
    state: RequestState
    state_label: str
    asked_by: str
    asked_at: datetime
    decided_by: str
    decided_at: datetime | None
    reason: str
    alike: tuple[str, ...]


class RegistrationPage(Value):
    """A page of requests, the oldest first."""

    items: tuple[RegistrationShown, ...]
    next: str | None


def _shown(known: RequestKnown, call: Call) -> RegistrationShown:
    request = known.request
    seen = check_quietly(call, request.region)
    return RegistrationShown(
        **request.model_dump(exclude={"institution_id", "note_sha256"}),
        institution=request.institution_id,
        state_label=REQUEST_STATE_LABELS[request.state],
        reason=known.reason,
        alike=known.alike if seen else (),
    )


def check_quietly(call: Call, region: str) -> bool:
    """Whether the asker sees the register of a region."""
    try:
        check(Right.SEE_REGISTER, call.actor, Target(region=region))
    except Refused:
        return False
    return True


async def of_account(request: Request) -> Target:
    """The account named by the path, on record or not."""
    return Target(institution=path(request, "institution", InstitutionId), addressed=True)


async def of_registration(request: Request) -> Target:
    """The request named by the path. Raises Refused for none."""
    id_: str = path(request, "registration", RequestId)
    known = await parts_of(request).registrations.find(id_)
    return Target(region=known.request.region)


async def ask(call: Call) -> Response:
    """Asks for an institution to be registered."""
    id_: str = path(call.request, "institution", InstitutionId)
    body: RegistrationBody = call.body
    check(Right.REGISTER, call.actor, Target(institution=id_, region=body.region))
    applied = Applied(institution=id_, **body.model_dump())
    known = await parts_of(call.request).registrations.ask(applied, call.actor, call.command_id)
    return json_of(_shown(known, call), status_code=201)


async def list_own(call: Call) -> Response:
    """The requests for an account."""
    id_: str = path(call.request, "institution", InstitutionId)
    return await _page(call, id_)


async def list_registrations(call: Call) -> Response:
    """The requests in the asker's jurisdiction."""
    return await _page(call, "")


async def _page(call: Call, institution: str) -> Response:
    state = query(call.request, "state", RequestState | None, None)
    last = cursors.given(call.request, (str, str))
    after = (_instant(last[0]), str(last[1])) if last else None
    rows, following = await cursors.paged(
        call.request,
        lambda size: parts_of(call.request).registrations.page(
            region_in_sight(call.actor), institution, state, after, size
        ),
        lambda known: [known.request.asked_at.isoformat(), known.request.id],
    )
    return json_of(
        RegistrationPage(items=tuple(_shown(known, call) for known in rows), next=following)
    )


def _instant(text: str) -> datetime:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise cursors.refused() from None
    if instant.tzinfo is None:
        raise cursors.refused()
    return instant


async def approve(call: Call) -> Response:
    """Puts the institution on the register."""
    id_: str = path(call.request, "registration", RequestId)
    known = await parts_of(call.request).registrations.approve(id_, call.actor, call.command_id)
    return json_of(_shown(known, call))


async def refuse(call: Call) -> Response:
    """Refuses to register, for a reason."""
    id_: str = path(call.request, "registration", RequestId)
    known = await parts_of(call.request).registrations.refuse(
        id_, call.body.reason, call.actor, call.command_id
    )
    return json_of(_shown(known, call))


_STATE = Parameter("state", "办理状态", schema=schema_of(RequestState))

OPERATIONS = [
    Operation(
        "POST",
        "/api/institutions/{institution}/registration",
        ask,
        "申请登记机构",
        "机构",
        Right.REGISTER,
        RegistrationShown,
        target=of_account,
        body=RegistrationBody,
        writes=True,
        status=201,
        example={
            "name": "示例检测所（生成）",
            "uscc": "91350102YY00000102",
            "region": "350102",
            "legal_person": True,
        },
        description="由机构自己的账号或所在辖区的经办人申请，由所在辖区的经办人决定。",
    ),
    Operation(
        "GET",
        "/api/institutions/{institution}/registration",
        list_own,
        "一个账号的登记申请",
        "机构",
        Right.SEE_REGISTRATION,
        RegistrationPage,
        target=of_account,
        parameters=(_STATE, *PAGING),
    ),
    Operation(
        "GET",
        "/api/institutions/registrations",
        list_registrations,
        "登记申请",
        "机构",
        Right.SEE_REGISTER,
        RegistrationPage,
        parameters=(_STATE, *PAGING),
    ),
    Operation(
        "POST",
        "/api/institutions/registrations/{registration}/approve",
        approve,
        "同意登记",
        "机构",
        Right.OPERATE,
        RegistrationShown,
        target=of_registration,
        writes=True,
        description="机构即时列入名录；要为它补建填报的，重新核对名录（rescan）。",
    ),
    Operation(
        "POST",
        "/api/institutions/registrations/{registration}/refuse",
        refuse,
        "不予登记",
        "机构",
        Right.OPERATE,
        RegistrationShown,
        target=of_registration,
        body=Cause,
        writes=True,
        example={"reason": "（生成）与在册机构重复"},
    ),
]
