"""Served notices: an addressee's own, and those that an authority or an operator may look at."""

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from api.cases.cases import BY_INSTITUTION
from api.door import cursors
from api.door.operations import PAGING, Call, Operation, Parameter, json_of, schema_of
from api.door.parts import parts_of
from api.door.requests import path, query
from api.door.rights import SCOPES, Right, Scope, Target, check, check_found, region_in_sight
from domain.case.commands import ROLE_LABELS, Actor, Role
from domain.ids import InstitutionId, jurisdiction_of
from domain.model import Value
from domain.notices import (
    CHANNEL_LABELS,
    DELIVERY_STATE_LABELS,
    NOTICE_KIND_LABELS,
    Channel,
    DeliveryState,
    NoticeKind,
)
from domain.refusals import Refused, unseen
from services.notices.records import Notice

NoticeId = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
_CaseId = Annotated[str, Field(pattern=r"^[\x21-\x7e]+$", max_length=200)]


class ChannelShown(Value):
    """A notice on one channel; ``failure`` is why the latest attempt came to nothing."""

    id: str
    channel: Channel
    channel_label: str
    state: DeliveryState
    state_label: str
    attempts: int
    attempted_at: datetime | None
    delivered_at: datetime | None
    next_at: datetime | None
    failure: str


class NoticeShown(Value):
    """A served notice. ``seen_at`` is when its addressee first opened it; in lists, no ``body``.

    A filer is not told which person served it.
    """

    id: str
    case_id: str
    kind: NoticeKind
    kind_label: str
    institution: str
    audience: Role
    addressee: str
    title: str
    body: str | None
    document_sha256: str
    served_by: str
    served_role: str
    served_scope: str
    served_at: datetime
    seen_at: datetime | None
    channels: tuple[ChannelShown, ...]


class NoticePage(Value):
    """A page of notices, the newest first."""

    items: tuple[NoticeShown, ...]
    next: str | None


_AS_IT_IS = set(NoticeShown.model_fields) - {
    "kind_label",
    "body",
    "served_by",
    "served_role",
    "channels",
}


def shown(notice: Notice, actor: Actor, *, whole: bool) -> NoticeShown:
    """A notice as the API shows it."""
    filer = actor.role is Role.FILER
    return NoticeShown(
        **notice.model_dump(include=_AS_IT_IS),
        kind_label=NOTICE_KIND_LABELS[notice.kind],
        body=notice.body if whole else None,
        served_by="" if filer and notice.served_role is not Role.FILER else notice.served_by,
        served_role=ROLE_LABELS[notice.served_role],
        channels=tuple(
            ChannelShown(
                **one.model_dump(
                    include=set(ChannelShown.model_fields) - {"channel_label", "state_label"}
                ),
                channel_label=CHANNEL_LABELS[one.channel],
                state_label=DELIVERY_STATE_LABELS[one.state],
            )
            for one in notice.deliveries
        ),
    )


def in_sight(actor: Actor, institution: str | None) -> dict[str, Any]:
    """What narrows notices to those somebody may see. Raises Refused for another's."""
    match SCOPES[actor.role]:
        case Scope.INSTITUTION:
            check(Right.SEE_NOTICES, actor, Target(institution=institution))
            return {"addressee": actor.scope}
        case Scope.AUTHORITY:
            return {"involved": actor.scope}
        case Scope.JURISDICTION:
            return {"within": region_in_sight(actor)}
        case Scope.EVERYTHING:
            return {}


async def list_notices(call: Call) -> Response:
    """The notices that the asker may see, the newest first."""
    request = call.request
    institution = query(request, "institution", InstitutionId | None, None)
    filters = {
        "institution": institution,
        "case_id": query(request, "case", _CaseId | None, None),
        "kind": query(request, "kind", NoticeKind | None, None),
        **in_sight(call.actor, institution),
    }
    after = _after(cursors.given(request, (str, str)))
    notices, following = await cursors.paged(
        request,
        lambda size: parts_of(request).notices.page(after, size, **filters),
        lambda notice: [notice.served_at.isoformat(), notice.id],
    )
    items = tuple(shown(notice, call.actor, whole=False) for notice in notices)
    return json_of(NoticePage(items=items, next=following))


def _after(values: list[Any] | None) -> tuple[datetime, str] | None:
    if values is None:
        return None
    try:
        return datetime.fromisoformat(values[0]).astimezone(UTC), values[1]
    except (ValueError, OverflowError):
        raise cursors.refused() from None


async def of_notice(request: Request) -> Target:
    """The notice in the address: for its addressee, its sender's authority, its region."""
    parts = parts_of(request)
    notice = await parts.notices.find(path(request, "notice", NoticeId))
    if not notice.institution:
        return Target(region=jurisdiction_of(notice.addressee))
    institution, involved = await parts.institutions.find(notice.institution)
    return Target(
        institution=notice.institution,
        region=institution.facts.region,
        involved=involved | {notice.served_scope, notice.addressee},
    )


def _of_place(actor: Actor, notice: Notice) -> bool:
    """Whether what is about a place is for somebody: its authority's, or its operators' matter."""
    if SCOPES[actor.role] is Scope.AUTHORITY:
        return actor.scope in (notice.addressee, notice.served_scope)
    return SCOPES[actor.role] in (Scope.JURISDICTION, Scope.EVERYTHING)


async def get_notice(call: Call) -> Response:
    """One notice with its text; its addressee has seen it from then on."""
    notices = parts_of(call.request).notices
    notice = await notices.find(path(call.request, "notice", NoticeId))
    if call.actor.role is Role.FILER and notice.addressee != call.actor.scope:
        check_found(Right.SEE_NOTICES, call.actor, Target(institution=notice.addressee))
    if not notice.institution and not _of_place(call.actor, notice):
        raise Refused(unseen())
    opened = await notices.opened(notice, call.actor)
    return json_of(shown(opened, call.actor, whole=True))


_TAG = "通知送达"

OPERATIONS = [
    Operation(
        "GET",
        "/api/notices",
        list_notices,
        "送达的通知",
        _TAG,
        Right.SEE_NOTICES,
        NoticePage,
        parameters=(
            BY_INSTITUTION.parameter,
            Parameter("case", "办件编号", schema=schema_of(_CaseId)),
            Parameter("kind", "哪一种通知", schema={"enum": [kind.value for kind in NoticeKind]}),
            *PAGING,
        ),
        description="机构看到送给自己的；部门看到经手过的；经办人看到本辖区的。",
    ),
    Operation(
        "GET",
        "/api/notices/{notice}",
        get_notice,
        "一份通知",
        _TAG,
        Right.SEE_NOTICES,
        NoticeShown,
        target=of_notice,
        description="收件人第一次打开时，记下查看的时间。",
    ),
]
