"""New institutions on pages: asking to be registered, and deciding on it."""

from starlette.responses import Response

from api.campaigns.registrations import RequestId
from api.door.asking import ask
from api.door.operations import Call
from api.door.requests import path, query
from api.workbench.acts import REASON, Act, Failed, Input, acts_shown, done_of, perform, summary_of
from api.workbench.pages import CURSOR, DONE, asked_of, page_of, said_at_once, text_parameter
from domain.case.commands import Role

_ASK = Act(
    "ask",
    "申请登记",
    "已申请，由所在辖区的经办人决定",
    (
        Input("name", "机构名称"),
        Input("uscc", "统一社会信用代码", hint="18 位。", required=False),
        Input("region", "所在区县的代码", hint="六位，如 350102。"),
        Input("legal_person", "是独立法人", "yes_no", preset="yes"),
    ),
    path="registration",
)
_APPROVE = Act("approve", "同意登记", "已登记")
_REFUSE = Act("refuse", "不予登记", "已不予登记", (REASON,))
_ALL = "/work/registrations"


async def registrations_page(call: Call, failed: Failed | None = None) -> Response:
    """An account's own requests with the form for one; or those of an operator's jurisdiction."""
    filer = call.actor.role is Role.FILER
    asked = asked_of(call, "cursor") if filer else asked_of(call, "state", "cursor")
    address = (
        f"/api/institutions/{call.actor.scope}/registration"
        if filer
        else "/api/institutions/registrations"
    )
    found = (await ask(call, "GET", address, query=asked)).body
    deciding = (_APPROVE, _REFUSE) if call.actor.role is Role.OPERATOR else ()
    about = call.request.path_params.get("registration", "")
    decided = {
        one["id"]: acts_shown(deciding, failed if one["id"] == about else None)
        for one in found["items"]
        if one["state"] == "asked"
    }
    forms = acts_shown([_ASK] if filer else [], failed if filer else None)
    wrong = [one for shown in decided.values() for one in shown]
    values = {
        "found": found,
        "asked": asked,
        "decided": decided,
        "done": done_of((_ASK, _APPROVE, _REFUSE), query(call.request, "done", str, "")),
        "forms": forms,
        **summary_of(wrong if about else forms, failed),
    }
    return said_at_once(call, "registrations.html", values, failed.told if failed else None)


async def ask_for_registration(call: Call) -> Response:
    """Asks for one's institution to be registered."""
    api = f"/api/institutions/{call.actor.scope}"
    return await perform(call, (_ASK,), api, _ALL, registrations_page)


async def decide(call: Call) -> Response:
    """Registers an institution, or refuses to."""
    id_: str = path(call.request, "registration", RequestId)
    api = f"/api/institutions/registrations/{id_}"
    return await perform(call, (_APPROVE, _REFUSE), api, _ALL, registrations_page)


PAGES = [
    page_of(
        "GET",
        _ALL,
        registrations_page,
        "机构登记",
        parameters=(text_parameter("state", "办理状态"), DONE, CURSOR),
    ),
    page_of("POST", f"{_ALL}/act/{{act}}", ask_for_registration, "申请登记"),
    page_of("POST", f"{_ALL}/{{registration}}/act/{{act}}", decide, "决定登记"),
]
