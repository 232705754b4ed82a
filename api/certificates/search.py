"""Searching the register: one's own certificates in full, others' as the public sees them."""

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Any

from pydantic import Field
from starlette.responses import Response

from api.certificates.public import TwoDigits, term
from api.door import cursors
from api.door.operations import PAGING, Call, Operation, Parameter, json_of, schema_of
from api.door.parts import parts_of
from api.door.requests import path, query, wrong_parameter
from api.door.rights import SCOPES, Right, Scope, region_in_sight
from domain.case.commands import Actor, Role
from domain.certificates.certificate import (
    CertificateContent,
    CertificateStatus,
    Equipment,
    Signatory,
)
from domain.certificates.public import Counted, PublicCertificate
from domain.clock import day_of
from domain.ids import JurisdictionCode, jurisdiction_of
from domain.jurisdictions import AuthorityId, authority_of
from domain.model import Value
from domain.refusals import Code, Refusal, Refused
from services.certificates.enquiries import public_part
from services.certificates.search import Criteria, Registered, Seen, Sight, Signatories

MOST_MONTHS = 120
"""Counts are shown for at most so many months at once."""

_Day = Annotated[date, Field(ge=date(1990, 1, 1), le=date(2999, 12, 31))]
_Month = Annotated[str, Field(pattern=r"^20[0-9]{2}-(0[1-9]|1[0-2])$")]
_Uscc = Annotated[str, Field(pattern=r"^[0-9A-Z]{18}$")]


class OwnPart(Value):
    """What only those see who see a certificate in full; some of its lines in a list.

    ``signatories_destroyed``: what was on record of them can be read by nobody any more.
    """

    institution: str
    institution_name: str
    region: str
    parent_uscc: str
    case_id: str
    code: str
    origin: str
    renews: str
    issued_on: date | None
    sites: tuple[str, ...]
    signatories: tuple[Signatory, ...]
    signatories_destroyed: bool
    equipment: tuple[Equipment, ...]


class CertificateFound(Value):
    """A certificate: the public part, and ``own`` for whoever may see it in full."""

    public: PublicCertificate
    own: OwnPart | None


class CertificatesFound(Value):
    """Certificates by their numbers; ``next`` is the cursor of the page after."""

    items: tuple[CertificateFound, ...]
    next: str | None


class LinkedCertificates(CertificatesFound):
    """All certificates of a USCC, of those it belongs to (``parents``), and of units below it."""

    uscc: str
    parents: tuple[str, ...]


class MonthCounts(Value):
    """How often something was answered in a month about certificates of one province's issuers.

    ``province`` is ``000000`` where the nation's authority issued, where certificates of several
    provinces were found, or none.
    """

    month: str
    province: str
    what: Counted
    answers: dict[str, int]


class CertificateCounts(Value):
    """Counts by month, province and kind; ``next`` is the cursor of the page after."""

    items: tuple[MonthCounts, ...]
    next: str | None


def sight_of(actor: Actor) -> Sight:
    """Whose certificates somebody sees in full."""
    match SCOPES[actor.role]:
        case Scope.INSTITUTION:
            return Sight(institution=actor.scope)
        case Scope.JURISDICTION | Scope.EVERYTHING:
            return Sight(region=region_in_sight(actor))
        case Scope.AUTHORITY:
            area = jurisdiction_of(actor.scope)
            if actor.scope != authority_of(area):
                return Sight(issuer=actor.scope)
            # a market regulator has to do with all institutions of its area, whoever certified them
            return Sight(issuer=actor.scope, region=area)


# --- searching ------------------------------------------------------------------------------------


async def search(call: Call) -> Response:
    """What is found; an institution's own people find its own certificates only."""
    request = call.request
    region: str = query(request, "region", JurisdictionCode, "")
    criteria = Criteria(
        **{name: term(request, name) for name in _TERMS},
        uscc=term(request, "uscc").upper(),
        parent_uscc=term(request, "parent_uscc").upper(),
        region=region,
        field=query(request, "field", TwoDigits, ""),
        issuer=query(request, "issuer", AuthorityId, ""),
        state=query(request, "state", CertificateStatus | None, None),
        expires_from=query(request, "expires_from", _Day | None, None),
        expires_until=query(request, "expires_until", _Day | None, None),
    )
    items, next_ = await _page(call, criteria, own=call.actor.role is Role.FILER)
    return json_of(CertificatesFound(items=items, next=next_))


async def linked(call: Call) -> Response:
    """All certificates of one USCC and its family, whoever issued them."""
    uscc: str = path(call.request, "uscc", _Uscc)
    search, actor = parts_of(call.request).search, call.actor
    if actor.role is Role.FILER and not await search.has_uscc(
        actor.scope, uscc, sight_of(actor), _today(call)
    ):
        raise Refused(Refusal(code=Code.NOT_YOUR_CASE, params={"institution": uscc}))
    parents = await search.parents_of(uscc)
    items, next_ = await _page(call, Criteria(related=uscc), own=False)
    return json_of(LinkedCertificates(items=items, next=next_, uscc=uscc, parents=tuple(parents)))


def _today(call: Call) -> date:
    return day_of(parts_of(call.request).clock())


async def get_registered(call: Call) -> Response:
    """One certificate by its number, with its whole content for whoever may see it."""
    number = call.request.path_params["number"]
    seen = (
        await parts_of(call.request).search.in_full(number, sight_of(call.actor))
        if len(number) <= 64 and "\x00" not in number
        else None
    )
    if seen is None or (call.actor.role is Role.FILER and not seen.full):
        raise Refused(Refusal(code=Code.NOT_FOUND, params={"what": "这张证书"}))
    [shown] = await _shown(call, [seen])
    return json_of(shown)


async def _page(
    call: Call, criteria: Criteria, *, own: bool
) -> tuple[tuple[CertificateFound, ...], str | None]:
    search, sight, today = parts_of(call.request).search, sight_of(call.actor), _today(call)
    given = cursors.given(call.request, (str,))
    after = _number(given[0]) if given else ""
    seen, more = await cursors.paged(
        call.request,
        lambda size: search.search(criteria, sight, today, after, size, own=own),
        lambda one: [one.found.number.encode().hex()],
    )
    return await _shown(call, seen), more


def _number(cursor: str) -> str:
    """The number a cursor stands for; numbers taken over may have any characters."""
    try:
        number = bytes.fromhex(cursor).decode()
    except ValueError:
        raise cursors.refused() from None
    if not number or "\x00" in number or number.encode().hex() != cursor:
        raise cursors.refused()
    return number


async def _shown(call: Call, seen: Sequence[Seen]) -> tuple[CertificateFound, ...]:
    parts, today = parts_of(call.request), _today(call)
    newer = await parts.search.newer(seen)
    names = await parts.enquiries.names()
    return tuple(
        CertificateFound(
            public=public_part(one.found, today, names, newer.get(one.found.superseded_by, "")),
            own=_own(one.found) if one.full else None,
        )
        for one in seen
    )


def _own(found: Registered) -> OwnPart:
    content: CertificateContent | None = found.content
    return OwnPart(
        institution=found.institution_id,
        institution_name=found.institution_name,
        region=found.region,
        parent_uscc=found.parent_uscc,
        case_id=found.case_id,
        code=found.code,
        origin=found.origin,
        renews=found.renews,
        issued_on=found.issued_on,
        sites=content.sites if content else (),
        signatories=content.signatories if content else (),
        signatories_destroyed=found.signatories is Signatories.DESTROYED,
        equipment=content.equipment if content else (),
    )


# --- counts ---------------------------------------------------------------------------------------


async def counts(call: Call) -> Response:
    """How often the public scanned and searched, by month and province."""
    request = call.request
    last: str = query(request, "until", _Month, f"{_today(call):%Y-%m}")
    first: str = query(request, "from", _Month, f"{last[:4]}-01")
    if not 0 <= _months(last) - _months(first) < MOST_MONTHS:
        raise wrong_parameter("from", f"须不晚于 until，且相距不超过 {MOST_MONTHS} 个月")
    given = cursors.given(request, (str, str, str))
    after = (given[0], given[1], given[2]) if given else None
    search, within = parts_of(request).search, region_in_sight(call.actor)
    counted, more = await cursors.paged(
        request,
        lambda size: search.counts(first, last, within, after, size),
        lambda row: [row[0], row[1], row[2].value],
        size=200,
    )
    items = tuple(
        MonthCounts(month=month, province=province, what=what, answers=answers)
        for month, province, what, answers in counted
    )
    return json_of(CertificateCounts(items=items, next=more))


def _months(month: str) -> int:
    return int(month[:4]) * 12 + int(month[5:])


# --- the operations -------------------------------------------------------------------------------

_TERMS = ("institution", "number", "capability", "standard", "equipment", "signatory")
_TAG = "资质认定证书"
_COUNTED: dict[str, Any] = {
    "items": [
        {
            "month": "2025-03",
            "province": "350000",
            "what": "scan",
            "answers": {"valid": 120, "revoked": 1},
        },
        {"month": "2025-03", "province": "000000", "what": "search", "answers": {"not_found": 7}},
    ],
    "next": None,
}

OPERATIONS = [
    Operation(
        "GET",
        "/api/certificates/search",
        search,
        "检索证书登记",
        _TAG,
        Right.SEE_CERTIFICATE,
        CertificatesFound,
        parameters=(
            Parameter("institution", "机构编号，或机构名称的全部或一部分"),
            Parameter("uscc", "统一社会信用代码"),
            Parameter("parent_uscc", "所属单位的统一社会信用代码"),
            Parameter("number", "证书编号"),
            Parameter("capability", "检测能力：类别、产品或参数名称的全部或一部分"),
            Parameter("standard", "标准号，可带年份"),
            Parameter("equipment", "仪器设备的名称或型号；只在有权看全部内容的证书中查"),
            Parameter("signatory", "授权签字人的完整姓名；只在有权看全部内容的证书中查"),
            Parameter("region", "地区代码六位", schema=schema_of(JurisdictionCode)),
            Parameter("field", "专业领域代码两位", schema=schema_of(TwoDigits)),
            Parameter("state", "证书状态", schema={"enum": [s.value for s in CertificateStatus]}),
            Parameter("expires_from", "有效期至，从这一天起", schema=schema_of(_Day)),
            Parameter("expires_until", "有效期至，到这一天止", schema=schema_of(_Day)),
            Parameter("issuer", "发证机关", schema=schema_of(AuthorityId)),
            *PAGING,
        ),
        description="本部门发放的（经办人：本辖区的；机构：自己的）可看全部内容，其余只看公开部分；"
        "列表中每张证书只带所查到的若干项，全部内容见 /api/certificates/registered/{number}。",
    ),
    Operation(
        "GET",
        "/api/certificates/registered/{number}",
        get_registered,
        "一张证书的登记",
        _TAG,
        Right.SEE_CERTIFICATE,
        CertificateFound,
    ),
    Operation(
        "GET",
        "/api/certificates/linked/{uscc}",
        linked,
        "同一信用代码及其所属、下属单位的证书",
        _TAG,
        Right.SEE_CERTIFICATE,
        LinkedCertificates,
        parameters=PAGING,
        description="跨省；看得到哪些内容，与检索相同。",
    ),
    Operation(
        "GET",
        "/api/certificates/counts",
        counts,
        "扫码和查询次数",
        _TAG,
        Right.SEE_REGISTER,
        CertificateCounts,
        parameters=(
            Parameter("from", "第一个月，如 2025-01", schema=schema_of(_Month)),
            Parameter("until", "最后一个月，默认为本月", schema=schema_of(_Month)),
            *PAGING,
        ),
        answer_example=_COUNTED,
        description="按月、按发证机关所在省、按结果；不记录谁扫码、查询了什么。"
        "经办人只看到本辖区各省。",
    ),
]
