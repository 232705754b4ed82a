"""Ways to look at an inbox that somebody has saved: the same on every device they use."""

from typing import Annotated

from pydantic import Field
from starlette.responses import Response

from api.door.operations import Call, Operation, json_of
from api.door.parts import parts_of
from api.door.requests import Plain
from api.door.rights import Right
from domain.model import Value
from domain.text import Trimmed, Visible
from services.saved_views import MOST, SavedView

_Name = Annotated[Plain, Field(min_length=1, max_length=20), Trimmed, Visible]
_Said = Annotated[Plain, Field(min_length=1, max_length=100)]


class WantedBody(Value):
    """What a filter of the inbox says, as the parameters of ``/api/tasks`` take it."""

    claimed: _Said | None = None
    kind: _Said | None = None
    name: _Said | None = None
    region: _Said | None = None
    due_by: _Said | None = None
    sort: _Said | None = None


class ViewBody(Value):
    """A filter to keep, and what its reader calls it."""

    name: _Name
    wanted: WantedBody


class ForgetBody(Value):
    """Which of one's own is not kept any longer."""

    name: _Name


class ViewList(Value):
    """The asker's own, the latest first."""

    items: tuple[SavedView, ...]


async def list_views(call: Call) -> Response:
    """The asker's own."""
    return _listed(await parts_of(call.request).saved_views.of(call.actor.subject))


async def save_view(call: Call) -> Response:
    """Keeps a filter under a name."""
    body: ViewBody = call.body
    wanted = body.wanted.model_dump(exclude_none=True)
    saved = parts_of(call.request).saved_views
    return _listed(await saved.save(call.actor.subject, body.name, wanted))


async def forget_view(call: Call) -> Response:
    """Forgets one."""
    saved = parts_of(call.request).saved_views
    return _listed(await saved.forget(call.actor.subject, call.body.name))


def _listed(views: list[SavedView]) -> Response:
    return json_of(ViewList(items=tuple(views)))


_EXAMPLE = {"name": "福州的", "wanted": {"region": "350100", "sort": "age"}}

OPERATIONS = [
    Operation(
        "GET", "/api/me/views", list_views, "本人保存的筛选", "身份", Right.SIGNED_IN, ViewList
    ),
    Operation(
        "POST",
        "/api/me/views",
        save_view,
        "保存待办的一个筛选",
        "身份",
        Right.SIGNED_IN,
        ViewList,
        body=ViewBody,
        writes=True,
        example=_EXAMPLE,
        description=f"同名的由它代替；至多 {MOST} 个，再多的，最早的不再保留。",
    ),
    Operation(
        "POST",
        "/api/me/views/forget",
        forget_view,
        "删去保存的筛选",
        "身份",
        Right.SIGNED_IN,
        ViewList,
        body=ForgetBody,
        writes=True,
        example={"name": "福州的"},
    ),
]
