"""The rules of certificates, and the serials that an authority's numbers go on from."""

from typing import Annotated

from pydantic import Field
from starlette.responses import Response

from api.campaigns.rules import RuleSetShown
from api.certificates.named import TAG
from api.door.operations import Call, Operation, json_of
from api.door.parts import parts_of
from api.door.requests import Text, path
from api.door.rights import Right
from domain.jurisdictions import AuthorityId
from domain.model import Value
from domain.refusals import Code, Refusal, Refused
from rules.certificates.certificates import NoAuthorityCode


class SerialsBody(Value):
    """The last serial that was used on paper, and why it is set."""

    authority: AuthorityId
    last: int = Field(ge=0, le=9999)
    reason: Text


class Serials(Value):
    """The last serial used: the next certificate gets the one after it."""

    authority: str
    year: int
    last: int


_Year = Annotated[int, Field(ge=2000, le=2099)]


async def get_serials(call: Call) -> Response:
    """Up to where the serials of the clerk's authority are used in a year."""
    year: int = path(call.request, "year", _Year)
    authority = call.actor.scope
    try:
        last = await parts_of(call.request).certificates.last_serial(authority, year)
    except NoAuthorityCode:
        raise _no_code(call, authority) from None
    return json_of(Serials(authority=authority, year=year, last=last))


async def get_rules(call: Call) -> Response:
    """The rules of certificates that an application begun now is pinned to."""
    rules = parts_of(call.request).certificates.rules()
    document = rules.document.model_dump(mode="json", by_alias=True)
    return json_of(RuleSetShown(ruleset=rules.ref, document=document))


async def set_serials(call: Call) -> Response:
    """Sets where an authority's serials of a year go on after those used on paper."""
    body: SerialsBody = call.body
    year: int = path(call.request, "year", _Year)
    if call.actor.scope != body.authority:
        params = {"authority": body.authority}
        raise Refused(Refusal(code=Code.NOT_YOUR_AUTHORITY, params=params))
    try:
        last = await parts_of(call.request).certificates.begin_serials_after(
            body.authority, year, body.last, body.reason, call.actor, call.command_id
        )
    except NoAuthorityCode:
        raise _no_code(call, body.authority) from None
    return json_of(Serials(authority=body.authority, year=year, last=last))


def _no_code(call: Call, authority: str) -> Refused:
    name = parts_of(call.request).authority_name(authority)
    return Refused(Refusal(code=Code.NO_AUTHORITY_CODE, params={"authority": name}))


OPERATIONS = [
    Operation(
        "GET",
        "/api/certificates/rules",
        get_rules,
        "证书规则",
        TAG,
        Right.SEE_CERTIFICATE,
        RuleSetShown,
        description="现在建立的申请所用的规则：变更种类、有效期、编号代码表、各省模式。",
    ),
    Operation(
        "GET",
        "/api/certificates/serials/{year}",
        get_serials,
        "已用到的流水号",
        TAG,
        Right.ISSUE,
        Serials,
    ),
    Operation(
        "POST",
        "/api/certificates/serials/{year}",
        set_serials,
        "设定流水号起点",
        TAG,
        Right.ISSUE,
        Serials,
        body=SerialsBody,
        writes=True,
        example={"authority": "amr-350000", "last": 345, "reason": "本年已纸质发放 345 张"},
        description="此前纸质发放已用到的流水号；填高了的可以调低，但不低于已分配或已登记编号的最大流水号。",
    ),
]
