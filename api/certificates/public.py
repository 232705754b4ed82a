"""Certificates for the public: a search in bounds, what a code leads to, the published keys."""

from typing import Annotated, Any

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from api.door.operations import Call, Operation, Parameter, json_of, schema_of
from api.door.parts import parts_of
from api.door.requests import parameters, query, wrong_parameter
from api.door.rights import Right
from domain.certificates.public import Proof, PublicCertificate, Scan, SearchAnswer
from domain.certificates.statement import PublishedKeys
from domain.ids import JurisdictionCode
from domain.model import Value
from domain.text import is_usable, normalised
from services.certificates.enquiries import MOST_PAGES, PAGE
from services.certificates.search import Criteria

LONGEST_TERM = 100
_SHORTEST_NAME = 2
_MOST_PARTS = 8
TERMS = ("number", "holder", "uscc", "capability", "standard")
"""A search needs one of these; region and field narrow it only."""

TERM_LABELS = {
    "number": "证书编号",
    "holder": "机构名称",
    "uscc": "统一社会信用代码",
    "capability": "检测能力",
    "standard": "标准",
    "region": "地区",
    "field": "专业领域",
}
TwoDigits = Annotated[str, Field(pattern=r"^[0-9]{2}$")]
_Page = Annotated[int, Field(ge=1, le=MOST_PAGES)]
_Part = Annotated[int, Field(ge=1, le=1000)]
_CODE = 64

NOT_PROVEN = (
    "检索结果只是登记信息，不证明某一张证书或某一份检验检测报告是真的；"
    "没有查到的，不说明该机构没有资质。"
)


class PublicSearch(Value):
    """One page of what a search found. ``narrow``: there is more than the last page shows."""

    answer: SearchAnswer
    does_not_prove: str
    items: tuple[PublicCertificate, ...]
    page: int
    more: bool
    narrow: bool


def term(request: Request, name: str) -> str:
    """A parameter as it is searched, "" if it is not given. Raises Refused, naming it."""
    given = query(request, name, str, "")
    text = normalised(given) if len(given) <= LONGEST_TERM * 5 else given
    why = ""
    if len(text) > LONGEST_TERM:
        why = f"最多 {LONGEST_TERM} 个字符"
    elif text and not is_usable(text):
        why = "含有看不见的字符或乱码，请重新输入"
    elif len(text.split()) > _MOST_PARTS:
        why = f"以空格分开的词最多 {_MOST_PARTS} 个"
    if why:
        raise wrong_parameter(name, why)
    return text


def asked(request: Request, region: str | None = None) -> tuple[Criteria, int]:
    """What is searched for, and which page; a ``region`` given goes first. Raises Refused."""
    given = {name: term(request, name) for name in TERMS}
    if not any(given.values()):
        raise wrong_parameter("number", "与机构名称、信用代码、检测能力、标准至少填写一项")
    if given["holder"] and len(given["holder"]) < _SHORTEST_NAME:
        raise wrong_parameter("holder", f"至少填写 {_SHORTEST_NAME} 个字")
    if region is None:
        region = _narrowing(request, "region", JurisdictionCode)
    criteria = Criteria(
        **{**given, "uscc": given["uscc"].upper()},
        region=region,
        field=_narrowing(request, "field", TwoDigits),
    )
    return criteria, query(request, "page", _Page, 1)


def _narrowing(request: Request, name: str, kind: Any) -> str:
    """A parameter that a form sends empty where nothing is chosen."""
    given = query(request, name, str, "")
    return query(request, name, kind, "") if given else ""


def client_of(request: Request) -> str:
    """The address a request comes from; in-process callers count as one."""
    return str((request.scope.get("client") or ("", 0))[0])


async def find(request: Request, region: str | None = None) -> PublicSearch:
    """One page of what the request asks for, in a region if one is named. Raises Refused."""
    criteria, page = asked(request, region)
    found, more = await parts_of(request).enquiries.search(criteria, page, client_of(request))
    return PublicSearch(
        answer=SearchAnswer.FOUND if found else SearchAnswer.NOT_FOUND,
        does_not_prove=NOT_PROVEN,
        items=tuple(found),
        page=page,
        more=more and page < MOST_PAGES,
        narrow=more and page == MOST_PAGES,
    )


async def scan(request: Request) -> tuple[Scan, int]:
    """The answer to a scan, and its HTTP status. Raises Refused: asked too often.

    A revoked or expired certificate is an answer like any other. Without the register, an answer
    that still says something of the paper or of the certificate is one; 503 says that none is.
    """
    code = str(request.path_params["code"])
    if not (len(code) <= _CODE and all("!" <= mark <= "~" for mark in code)):
        code = "-"  # no certificate has it
    signed = any(name == "s" for name, _ in parameters(request))
    statement = query(request, "s", str, "") if signed else None
    part = query(request, "part", _Part, 1)
    found = await parts_of(request).enquiries.scan(code, statement, part, client_of(request))
    if found.certificate is not None:
        return found, 200
    if found.known_at is not None:
        return found, 404
    return found, 200 if found.proof in (Proof.GENUINE, Proof.UNPROVEN) else 503


async def search_certificates(call: Call) -> Response:
    """What the public's search finds."""
    found = await find(call.request)
    return json_of(found)


async def scan_code(call: Call) -> Response:
    """What a code leads to, as JSON."""
    found, status = await scan(call.request)
    return json_of(found, status_code=status)


async def published_keys(call: Call) -> Response:
    """The list of keys that statements are verified with."""
    keys = parts_of(call.request).keys.published()
    return Response(
        keys.model_dump_json(by_alias=True),
        media_type="application/json",
        headers={"Cache-Control": "public, max-age=3600"},
    )


_TAG = "公众查询"
SCAN_PARAMETERS = (
    Parameter("s", "证书上的签名，即二维码网址里 ?s= 之后的内容"),
    Parameter("part", f"能力附表的第几段，每段 {PAGE * 5} 项", schema=schema_of(_Part)),
)
SEARCH_PARAMETERS = (
    Parameter("number", "证书编号，须完整"),
    Parameter("holder", "机构名称的全部或一部分，至少两个字"),
    Parameter("uscc", "统一社会信用代码，须完整"),
    Parameter("capability", "检测能力：产品或参数名称的全部或一部分"),
    Parameter("standard", "标准号，可带年份，如 GB/T 50081-2019"),
    Parameter("region", "地区代码六位，如 350100；与其他条件合用", schema={"type": "string"}),
    Parameter("field", "专业领域代码两位；与其他条件合用", schema={"type": "string"}),
    Parameter("page", f"第几页，每页 {PAGE} 张，最多 {MOST_PAGES} 页", schema=schema_of(_Page)),
)
_SEARCHED: dict[str, Any] = {
    "answer": "found",
    "does_not_prove": NOT_PROVEN,
    "items": [
        {
            "number": "241301060001",
            "code": "7K2M9QXW4R8T",
            "holder": "示例检测有限公司（示例）",
            "uscc": "91620102739638125B",
            "address": "示例市示例路1号",
            "issuer": "amr-350000",
            "issuer_name": "福建省市场监督管理局",
            "level": "provincial",
            "field": "01",
            "field_label": "建筑工程",
            "industry": "06",
            "industry_label": "住建",
            "valid_from": "2024-03-01",
            "valid_to": "2030-02-28",
            "status": "valid",
            "status_label": "有效",
            "since": "2024-03-01",
            "ended_on": None,
            "document": "",
            "superseded_by": "",
            "capabilities": [
                {
                    "category": "混凝土",
                    "item": "抗压强度",
                    "standard": "GB/T 50081",
                    "year": "2019",
                    "limits": "",
                }
            ],
            "capabilities_total": 120,
        }
    ],
    "page": 1,
    "more": False,
    "narrow": False,
}

OPERATIONS = [
    Operation(
        "GET",
        "/public/certificates",
        search_certificates,
        "查询资质认定证书",
        _TAG,
        Right.ANYONE,
        PublicSearch,
        parameters=SEARCH_PARAMETERS,
        answer_example=_SEARCHED,
        description="编号、机构名称、信用代码、检测能力、标准至少给出一项；只列出前几页，"
        "不提供全部名单。查询次数有上限，超过时为 429 too_many_lookups。",
    ),
    Operation(
        "GET",
        "/public/certificates/code/{code}",
        scan_code,
        "按代码查验证书",
        _TAG,
        Right.ANYONE,
        Scan,
        others={404: Scan, 503: Scan},
        parameters=SCAN_PARAMETERS,
        passed_on=True,
        description="与扫描二维码打开的页面 /c/{code} 内容相同。"
        "注销、撤销、吊销、过期都是正常的答复。没有这个代码的为 404；"
        "登记暂时查不到、也没有可核验的签名的为 503。",
    ),
    Operation(
        "GET",
        "/public/certificate-keys",
        published_keys,
        "核验证书签名的公开密钥表",
        _TAG,
        Right.ANYONE,
        PublishedKeys,
        answer_example={
            "keys": [
                {
                    "id": "2025-1",
                    "public_key": "8a88e3dd7409f195" * 4,
                    "from": "2025-01-01",
                    "until": None,
                    "retired": None,
                }
            ]
        },
        description="保存下来之后，不联网也能用 zhibao certificates verify 核验。",
    ),
]
