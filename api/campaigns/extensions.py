"""Extensions: more time for a place or a selection; which there are; an earlier end."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from pydantic import AwareDatetime, Field
from starlette.requests import Request
from starlette.responses import Response

from api.campaigns.campaigns import named, of_jurisdiction, of_place
from api.campaigns.jobs import JobId, chosen_ids
from api.cases.acts import EARLIEST, LATEST
from api.door import cursors
from api.door.operations import PAGING, Call, Operation, json_of
from api.door.parts import parts_of
from api.door.requests import Plain, Text, invalid, path
from api.door.rights import Right, Target, region_in_sight
from domain.case.status import Status
from domain.ids import JurisdictionCode
from domain.jurisdictions import AuthorityId, lies_in, narrower
from domain.model import Value
from domain.refusals import Code, Refusal, Refused
from domain.text import name_key
from services.campaigns.opening import kind_of
from services.extensions import UNFINISHED, Extension, ExtensionShown, ExtensionTerms, shown
from services.jobs import Selection

_Instant = Annotated[AwareDatetime, Field(gt=EARLIEST, lt=LATEST)]
_CaseId = Annotated[str, Field(max_length=200, pattern=r"^[\x21-\x7e]+$")]


class ExtensionBody(Value):
    """More time until ``until``, the first instant no longer inside.

    For all of the address's jurisdiction, or of ``region`` in it, and whoever comes into it later;
    or, with any of the others, for the filings that are selected now: ``ids`` of institutions or
    cases, the ids of an uploaded ``list``, filters.
    """

    until: _Instant
    reason: Text
    document: Plain = Field(default="", max_length=200)
    authorised_by: Plain = Field(default="", max_length=200)
    region: JurisdictionCode | None = None
    statuses: tuple[Status, ...] = ()
    authority: AuthorityId | None = None
    name: Plain = Field(default="", max_length=100)
    ids: tuple[_CaseId, ...] = Field(default=(), max_length=20_000)
    list: Annotated[str, Field(pattern=r"^([0-9a-f]{32})?$")] = ""


class ShortenBody(Value):
    """The earlier end of an extension, at once by default, and why."""

    until: _Instant | None = None
    reason: Text


class ExtensionPage(Value):
    """A page of extensions, the newest first."""

    items: tuple[ExtensionShown, ...]
    next: str | None


async def of_extension(request: Request) -> Target:
    """The extension in the address: of its place's operators, and of those around it."""
    period, jurisdiction = named(request)
    extension = await parts_of(request).extensions.find(path(request, "extension", JobId))
    elsewhere = not lies_in(extension.jurisdiction, jurisdiction)
    if (extension.year, extension.quarter) != period or elsewhere:
        what = {"what": f"{period} 年度 {jurisdiction} 的延期 {extension.id}"}
        raise Refused(Refusal(code=Code.NOT_FOUND, params=what))
    return Target(region=extension.jurisdiction)


async def extend(call: Call) -> Response:
    """Gives a place, or a selection in it, more time."""
    request, body = call.request, call.body
    period, jurisdiction = named(request)
    region: str = body.region or jurisdiction
    if not lies_in(region, jurisdiction):
        outside = {"pointer": "/region", "code": "outside", "message": f"应在 {jurisdiction} 之内"}
        raise invalid([outside])
    ids = await chosen_ids(call, (*body.ids,), body.list, period)
    standing = not (ids or body.statuses or body.authority or body.name)
    selection = Selection(
        kind=kind_of(period),
        year=period.year,
        quarter=period.quarter,
        statuses=() if ids else tuple(body.statuses or UNFINISHED),
        region=region,
        authority=body.authority or "",
        name=name_key(body.name),
        ids=ids,
    )
    grant = ExtensionTerms(
        period=period,
        jurisdiction=region,
        standing=standing,
        until=body.until,
        reason=body.reason,
        document=body.document,
        authorised_by=body.authorised_by,
    )
    parts = parts_of(request)
    extension = await parts.extensions.grant(grant, selection, call.actor, call.command_id)
    [shown] = await _shown(call, [extension])
    location = f"/api/campaigns/{period}/{jurisdiction}/extensions/{extension.id}"
    return json_of(shown, status_code=202, headers={"Location": location})


async def list_extensions(call: Call) -> Response:
    """The extensions of a place, and those of a place around it."""
    request = call.request
    period, jurisdiction = named(request)
    place = narrower(region_in_sight(call.actor), jurisdiction)
    last = cursors.given(request, (str, str))
    after = (datetime.fromisoformat(last[0]), last[1]) if last else None
    page, following = await cursors.paged(
        request,
        lambda size: parts_of(request).extensions.newest_first(period, place, after, size),
        lambda extension: [extension.granted_at.isoformat(), extension.id],
    )
    return json_of(ExtensionPage(items=tuple(await _shown(call, page)), next=following))


async def get_extension(call: Call) -> Response:
    """One extension."""
    extension = await parts_of(call.request).extensions.find(path(call.request, "extension", JobId))
    [shown] = await _shown(call, [extension])
    return json_of(shown)


async def shorten(call: Call) -> Response:
    """Has an extension end earlier."""
    extension = await parts_of(call.request).extensions.shorten(
        path(call.request, "extension", JobId),
        call.body.until,
        call.actor,
        call.command_id,
        call.body.reason,
    )
    [shown] = await _shown(call, [extension])
    return json_of(shown, status_code=202)


async def _shown(call: Call, extensions: Sequence[Extension]) -> list[ExtensionShown]:
    parts = parts_of(call.request)
    reasons, now = await parts.extensions.reasons(extensions), parts.clock()
    return [shown(one, reasons, now) for one in extensions]


_TAG = "延期"
_ALL = "/api/campaigns/{period}/{jurisdiction}/extensions"
_ONE = f"{_ALL}/{{extension}}"
_EXAMPLE = {
    "region": "350200",
    "until": "2025-04-01T00:00:00+08:00",
    "reason": "台风停工三日",
    "document": "市监函〔2025〕×号（示例）",
    "authorised_by": "福建省市场监督管理局",
}

OPERATIONS = [
    Operation(
        "POST",
        _ALL,
        extend,
        "延期：一件、一份名单或整个辖区",
        _TAG,
        Right.OPERATE,
        ExtensionShown,
        target=of_jurisdiction,
        body=ExtensionBody,
        writes=True,
        status=202,
        example=_EXAMPLE,
        description="只写辖区的，后来列入的机构同样延期；到期自行恢复原定期限。"
        "每一件的结果见同一编号的批办。",
    ),
    Operation(
        "GET",
        _ALL,
        list_extensions,
        "延期列表",
        _TAG,
        Right.SEE_REGISTER,
        ExtensionPage,
        target=of_place,
        parameters=PAGING,
    ),
    Operation(
        "GET",
        _ONE,
        get_extension,
        "一项延期",
        _TAG,
        Right.SEE_REGISTER,
        ExtensionShown,
        target=of_extension,
    ),
    Operation(
        "POST",
        f"{_ONE}/shorten",
        shorten,
        "缩短或收回延期",
        _TAG,
        Right.OPERATE,
        ExtensionShown,
        target=of_extension,
        body=ShortenBody,
        writes=True,
        status=202,
        example={"reason": "台风未登陆，照常办公"},
        description="原定期限已过、只靠这项延期的填报不受影响；每一件的结果见 shortened_job。",
    ),
]
