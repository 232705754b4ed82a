"""The register of institutions: looking up, importing a roster, its report."""

from datetime import date
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from api.cases.cases import BY_NAME, BY_REGION, NameGiven
from api.door import cursors
from api.door.files import IMPORTING, TABLES, import_list, template_of
from api.door.operations import PAGING, Call, Operation, json_of
from api.door.parts import parts_of
from api.door.requests import InvalidFields, path, pointer, query
from api.door.rights import Right, Target, region_in_sight
from domain.certificates.certificate import CERTIFICATE_STATUS_LABELS, CertificateStatus, status_on
from domain.certificates.warnings import CertificateWarning, register_warnings
from domain.clock import day_of
from domain.facts import CertificateFacts
from domain.ids import NATION, InstitutionId, JurisdictionCode
from domain.model import Value
from domain.refusals import Code, Refusal
from domain.text import name_key
from files.roster import ROSTER
from services.institutions import Holder, OnRecord
from services.roster import RosterReport


class CertificateOnRecord(CertificateFacts):
    """A certificate and how it stands today.

    ``code`` is its public id, ``holder`` the institution's name on it; both "" from a roster.
    """

    status: CertificateStatus
    status_label: str
    code: str
    holder: str


class InstitutionShown(Value):
    """One institution on record with all its certificates, ended ones included.

    ``warnings``: a certificate in force names the institution otherwise than the register.
    ``merged_into`` is the institution that stands for this one since a merger, "" for none.
    """

    id: str
    name: str
    uscc: str
    region: str
    legal_person: bool
    under_samr: bool
    accredited: bool
    review_group: str | None
    other_qualifications: tuple[str, ...]
    national_centres: tuple[str, ...]
    previous_reviewer: str | None
    merged_into: str
    certificates: tuple[CertificateOnRecord, ...]
    warnings: tuple[CertificateWarning, ...]


class InstitutionPage(Value):
    """A page of institutions by their ids; ``next`` is the cursor of the page after."""

    items: tuple[InstitutionShown, ...]
    next: str | None


async def of_institution(request: Request) -> Target:
    """The institution named by the path. Raises Refused when it is not on record."""
    id_: str = path(request, "institution", InstitutionId)
    institution, involved = await parts_of(request).institutions.find(id_)
    return Target(institution=id_, region=institution.facts.region, involved=involved)


def _shown(holder: Holder, today: date) -> InstitutionShown:
    institution = holder.institution
    certificates = tuple(_certificate(known, today) for known in holder.certificates)
    return InstitutionShown(
        **institution.facts.model_dump(),
        name=institution.name,
        uscc=institution.uscc,
        previous_reviewer=institution.previous_reviewer,
        merged_into=institution.merged_into,
        certificates=certificates,
        warnings=register_warnings(
            institution.name, ((one.number, one.holder, one.status) for one in certificates)
        ),
    )


def _certificate(known: OnRecord, today: date) -> CertificateOnRecord:
    status = status_on(known.status, known.valid_to, today, known.valid_from)
    return CertificateOnRecord(
        **known.model_dump(include=set(CertificateFacts.model_fields) | {"code", "holder"}),
        status=status,
        status_label=CERTIFICATE_STATUS_LABELS[status],
    )


def _today(call: Call) -> date:
    return day_of(parts_of(call.request).clock())


async def list_institutions(call: Call) -> Response:
    """The institutions in the asker's jurisdiction."""
    institutions, within = parts_of(call.request).institutions, region_in_sight(call.actor)
    region = query(call.request, "region", JurisdictionCode, NATION)
    name = name_key(query(call.request, "name", NameGiven, ""))
    [after] = cursors.given(call.request, (str,)) or [""]
    holders, more = await cursors.paged(
        call.request,
        lambda size: institutions.holders(after, size, within, region, name),
        lambda holder: [holder.institution.facts.id],
    )
    today = _today(call)
    items = tuple(_shown(holder, today) for holder in holders)
    return json_of(InstitutionPage(items=items, next=more))


async def get_institution(call: Call) -> Response:
    """One institution."""
    id_: str = path(call.request, "institution", InstitutionId)
    holder = await parts_of(call.request).institutions.holder(id_)
    return json_of(_shown(holder, _today(call)))


async def import_roster(call: Call) -> Response:
    """Imports a roster: all of it, or with ``accept=good`` the institutions without an error."""
    report = await import_list(call, parts_of(call.request).roster, "roster")
    if report.accepted == 0 and report.errors > 0:
        raise _rejected(report)
    return json_of(report)


def _rejected(report: RosterReport) -> InvalidFields:
    """Nothing was imported: the refusal names every cell that is wrong, and how to mend it."""
    params = {"rows": str(report.rows), "bad": str(report.errors)}
    errors = [
        {
            "pointer": pointer("rows", problem.row, *([problem.column] if problem.column else [])),
            "code": problem.code,
            "message": f"{problem.message}。{problem.mend}。",
        }
        for problem in report.problems
        if problem.level == "error"
    ]
    return InvalidFields(Refusal(code=Code.ROSTER_REJECTED, params=params), errors)


async def get_template(call: Call) -> Response:
    """A roster file to fill in, with generated example rows."""
    return template_of(ROSTER, "roster")


_REPORT_EXAMPLE: dict[str, Any] = {
    "id": "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae",
    "filename": "roster.csv",
    "rows": 2,
    "accepted": 1,
    "accept_good_rows": True,
    "dry_run": False,
    "errors": 1,
    "repeated": False,
    "added": 0,
    "changes": [
        {
            "row": 2,
            "institution": "fj-1",
            "column": "监管区域代码",
            "old": "350102",
            "new": "350103",
            "campaign": "",
        }
    ],
    "problems": [
        {
            "row": 3,
            "column": "监管区域代码",
            "code": "unknown_region",
            "message": "没有区域代码 999999",
            "mend": "请填写六位行政区划代码",
            "level": "error",
        }
    ],
}

OPERATIONS = [
    Operation(
        "GET",
        "/api/institutions",
        list_institutions,
        "机构名录",
        "机构",
        Right.SEE_REGISTER,
        InstitutionPage,
        parameters=(BY_REGION.parameter, BY_NAME.parameter, *PAGING),
    ),
    Operation(
        "GET",
        "/api/institutions/template",
        get_template,
        "名录模板",
        "机构",
        Right.SEE_REGISTER,
        None,
        answer_media="text/csv",
    ),
    Operation(
        "POST",
        "/api/institutions/imports",
        import_roster,
        "导入名录",
        "机构",
        Right.OPERATE,
        RosterReport,
        media=tuple(TABLES),
        unhurried=True,
        writes=True,
        answer_example=_REPORT_EXAMPLE,
        parameters=IMPORTING,
        description=(
            "逐行核对，报告每一处问题和每一处改动；同一文件再次导入不产生变化。"
            "没有的列、空着的格不改动原值；要清空的填“清除”。"
        ),
    ),
    Operation(
        "GET",
        "/api/institutions/{institution}",
        get_institution,
        "一家机构",
        "机构",
        Right.SEE_FILING,
        InstitutionShown,
        target=of_institution,
    ),
]
