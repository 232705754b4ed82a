"""The duties of the asker's own authority beside filing: its tasks, and what it says of them."""

from typing import Annotated, Any, Literal

from pydantic import Field
from starlette.responses import Response

from api.campaigns.campaigns import PeriodText
from api.door.operations import Call, Operation, json_of
from api.door.parts import parts_of
from api.door.requests import Plain, Text, path
from api.door.rights import SCOPES, Right, Scope
from domain.case.commands import Actor
from domain.jurisdictions import authority_of
from domain.model import Value
from services.campaigns.duties import DutyTask

_Of = PeriodText | Literal["certificates"]
_DutyId = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,63}$")]


class DutyBody(Value):
    """What was done, by which document; ``done`` false takes back that it was."""

    reason: Text
    document: Plain = Field(default="", max_length=200)
    done: bool = True


class DutyTasks(Value):
    """What the asker's authority has to do, what is due first in front, what is done at the end."""

    items: tuple[DutyTask, ...]


def authority_with_duties(actor: Actor) -> str:
    """Whose tasks somebody has: an operator has those of the regulator of its place."""
    return authority_of(actor.scope) if SCOPES[actor.role] is Scope.JURISDICTION else actor.scope


async def list_duties(call: Call) -> Response:
    """The duties of the asker's authority in all periods that are open."""
    tasks = await parts_of(call.request).duties.tasks(authority_with_duties(call.actor))
    return json_of(DutyTasks(items=tasks))


async def report_duty(call: Call) -> Response:
    """Puts on record what the asker's authority says of one of its duties."""
    body: DutyBody = call.body
    period: str = path(call.request, "period", _Of)
    duty: str = path(call.request, "duty", _DutyId)
    task = await parts_of(call.request).duties.report(
        period,
        duty,
        authority_with_duties(call.actor),
        call.actor,
        call.command_id,
        body.reason,
        body.document,
        done=body.done,
    )
    return json_of(task)


_TAG = "待办"
_EXAMPLE: dict[str, Any] = {"reason": "工作方案已印发", "document": "示例〔2025〕1号"}

OPERATIONS = [
    Operation(
        "GET",
        "/api/duties",
        list_duties,
        "本部门在填报以外的职责",
        _TAG,
        Right.SEE_DUTIES,
        DutyTasks,
        description="各个开展中的年度里，以及资质认定证书的规则（period 为 certificates）里，"
        "要求本部门做什么、到哪一天、怎样看出做到没有。",
    ),
    Operation(
        "POST",
        "/api/duties/{period}/{duty}",
        report_duty,
        "说明一项职责已经办好",
        _TAG,
        Right.REPORT_DUTY,
        DutyTask,
        body=DutyBody,
        writes=True,
        example=_EXAMPLE,
        description="由系统数据说明的职责不由人填写；说错了的，以 done 为 false 再说明一次。",
    ),
]
