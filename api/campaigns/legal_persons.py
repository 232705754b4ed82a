"""Accounts of one legal person: which of them files, listed for operators and settled by them."""

from starlette.responses import Response

from api.campaigns.campaigns import named, of_jurisdiction
from api.campaigns.institution_acts import Document
from api.campaigns.institutions import of_institution
from api.campaigns.registrations import Uscc
from api.door.operations import Call, Operation, Parameter, json_of, schema_of
from api.door.parts import parts_of
from api.door.requests import Text, path, query
from api.door.rights import Right
from domain.ids import InstitutionId
from domain.legal_persons import Finding
from domain.model import Value
from services.legal_persons import Doubts, Found


class FindingBody(Value):
    """What is found of an account; ``files_with`` names the one that files for both."""

    finding: Finding
    files_with: InstitutionId | None = None
    parent_uscc: Uscc = ""
    document: Document
    reason: Text


class FindingKept(Value):
    """The finding's id."""

    id: str


async def list_doubts(call: Call) -> Response:
    """Legal persons of several accounts, and centres of several units."""
    period, jurisdiction = named(call.request)
    only_open: bool = query(call.request, "open", bool, default=False)
    service = parts_of(call.request).legal_persons
    return json_of(await service.doubts(period, jurisdiction, only_open=only_open))


async def settle(call: Call) -> Response:
    """Says of an account whether it files by itself."""
    body: FindingBody = call.body
    institution: str = path(call.request, "institution", InstitutionId)
    found = Found(body.finding, body.files_with or "", body.parent_uscc, body.document, body.reason)
    id_ = await parts_of(call.request).legal_persons.find(
        institution, found, call.actor, call.command_id
    )
    return json_of(FindingKept(id=id_))


OPERATIONS = [
    Operation(
        "GET",
        "/api/institutions/legal-persons/{period}/{jurisdiction}",
        list_doubts,
        "同一法人的账号和共建的国家质检中心",
        "机构",
        Right.SEE_REGISTER,
        Doubts,
        target=of_jurisdiction,
        unhurried=True,
        parameters=(Parameter("open", "只列待认定的", schema=schema_of(bool)),),
        description="同一信用代码（非法人的为其上级法人的信用代码）的各账号由谁填报；沿用此前账号的也列出。",
    ),
    Operation(
        "POST",
        "/api/institutions/{institution}/legal-person",
        settle,
        "认定账号由谁填报",
        "机构",
        Right.OPERATE,
        FindingKept,
        target=of_institution,
        body=FindingBody,
        writes=True,
        example={
            "finding": "files_with",
            "files_with": "lab-1",
            "document": "（生成）〔2025〕1号",
            "reason": "同一法人的两个账号",
        },
        answer_example={"id": "0" * 32},
        description="files_with：由同一法人的另一账号填报，尚在填报的取消；keeps_account：沿用此前账号；separate：另一独立法人。",
    ),
]
