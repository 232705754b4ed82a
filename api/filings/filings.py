"""Annual filings: looking, starting one that is asked for, and every act on one."""

from typing import Annotated, Any

from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from api.campaigns.institutions import of_institution
from api.cases.acts import (
    REASONS_EXAMPLE,
    RECEIPT_EXAMPLE,
    Nothing,
    act,
    acting,
    case_of,
    form_fields,
    shared_acts,
)
from api.cases.cases import (
    BY_AUTHORITY,
    BY_INSTITUTION,
    BY_NAME,
    BY_REGION,
    BY_STATUS,
    CaseShown,
    CaseYear,
    Started,
    case_list,
    equal,
    shown,
    target_of,
)
from api.cases.quality import FilingQualityBody, quality, withdraw
from api.cases.reminders import reminding
from api.door.operations import Call, Handler, Operation, Parameter, json_of
from api.door.parts import parts_of
from api.door.requests import path
from api.door.rights import Right, Target
from api.filings.drafts import (
    LARGEST_WORKBOOK,
    Draft,
    DraftShown,
    Pieces,
    Prefilled,
    RevisionChanges,
    RevisionList,
    SubmitBody,
    WorkbookSaved,
    get_changes,
    get_draft,
    get_pdf,
    get_prefilled,
    get_workbook,
    list_revisions,
    patch_draft,
    put_draft,
    put_workbook,
    submit,
)
from api.filings.files import file_operations
from api.filings.forms import OPERATIONS as FORM_OPERATIONS
from api.filings.forms import FilingForms, of_filing_forms
from api.filings.questions import question_operations
from api.filings.standing import standing_operations
from domain.filing.kind import FILING
from domain.ids import InstitutionId, filing_id
from domain.model import Value
from domain.refusals import Code, Refused
from files.form_sheets import XLSX

_CampaignId = Annotated[str, Field(pattern=r"^campaign/[0-9]{4}/[0-9]{6}$")]


def _named(request: Request) -> tuple[int, str]:
    year: int = path(request, "year", CaseYear)
    institution: str = path(request, "institution", InstitutionId)
    return year, institution


async def of_filing(request: Request) -> Target:
    """The filing named by the path. Raises Refused when there is none."""
    mend = "；统计工作已开启而还没有填报的，请先建立（POST /api/filings/年度/机构）"
    return await target_of(request, filing_id(*_named(request)), "填报", mend)


async def get_filing(call: Call) -> Response:
    """One filing."""
    return json_of(await shown(case_of(call), call))


async def ask_for_filing(call: Call) -> Response:
    """Starts the filing of an institution that may file, or was missed."""
    parts = parts_of(call.request)
    year, institution = _named(call.request)
    try:
        case_id = await parts.filings.ask_for(year, institution, call.actor)
    except Refused as refused:
        # the same request again, whose first answer may have been lost on its way
        if not call.repeated or refused.refusal.code is not Code.FILING_EXISTS:
            raise
        case_id = filing_id(year, institution)
    location = f"/api/filings/{year}/{institution}"
    return JSONResponse({"id": case_id}, status_code=202, headers={"Location": location})


# --- the operations -------------------------------------------------------------------------------

_ONE = "/api/filings/{year}/{institution}"
_IF_MATCH = Parameter("If-Match", '所改那一稿的 ETag；首次为 "0"', "header", True)
_REVISION = {"type": "integer", "minimum": 0}


def _acting(
    name: str, handler: Handler, summary: str, right: Right, body: type[Value], example: Any
) -> Operation:
    path_ = f"{_ONE}/{name}"
    return acting(path_, handler, summary, right, body, example, tag="年度填报", target=of_filing)


OPERATIONS = [
    case_list(
        "/api/filings",
        FILING,
        "填报列表",
        "年度填报",
        Right.SEE_FILING,
        equal("year", CaseYear, "统计年度"),
        BY_STATUS,
        BY_INSTITUTION,
        BY_REGION,
        BY_NAME,
        BY_AUTHORITY,
        equal("campaign", _CampaignId, "年度统计工作的编号"),
        equal("signer_asked", bool, "true：申请免予单位负责人确认、尚未答复的"),
        equal("waiver_asked", bool, "true：申请豁免校验、尚未全部答复的"),
    ),
    Operation(
        "GET",
        _ONE,
        get_filing,
        "一件填报",
        "年度填报",
        Right.SEE_FILING,
        CaseShown,
        target=of_filing,
    ),
    Operation(
        "POST",
        _ONE,
        ask_for_filing,
        "为可以填报的机构建立填报",
        "年度填报",
        Right.START_FILING,
        Started,
        target=of_institution,
        writes=True,
        status=202,
        description="可以填报（非必须）的机构由此建立本年度填报；必须填报的机构在统计工作开启时已自动建立。",
    ),
    *FORM_OPERATIONS,
    Operation(
        "GET",
        f"{_ONE}/forms",
        of_filing_forms,
        "本件各部分的表单",
        "年度填报",
        Right.SEE_FILING,
        FilingForms,
        target=of_filing,
    ),
    Operation(
        "GET",
        f"{_ONE}/draft",
        get_draft,
        "填报内容",
        "年度填报",
        Right.SEE_CONTENT,
        DraftShown,
        target=of_filing,
        parameters=(
            Parameter(
                "revision", "第几稿；不写则为最新（审核人为最近提交的）一稿", schema=_REVISION
            ),
        ),
    ),
    Operation(
        "GET",
        f"{_ONE}/draft/revisions",
        list_revisions,
        "填报内容的各稿",
        "年度填报",
        Right.SEE_CONTENT,
        RevisionList,
        target=of_filing,
    ),
    Operation(
        "GET",
        f"{_ONE}/draft/changes",
        get_changes,
        "两稿的差别",
        "年度填报",
        Right.SEE_CONTENT,
        RevisionChanges,
        target=of_filing,
        parameters=(
            Parameter("from", "较早的一稿，0 为空白；不写则为此前最近提交的一稿", schema=_REVISION),
            Parameter("to", "较晚的一稿；不写则为最新一稿", schema=_REVISION),
        ),
    ),
    Operation(
        "GET",
        f"{_ONE}/draft/prefilled",
        get_prefilled,
        "可以预填的内容",
        "年度填报",
        Right.FILE,
        Prefilled,
        target=of_filing,
        description="取自名录和上一年度已办结的填报，均列在 unconfirmed 中，核对后从中删去。",
    ),
    Operation(
        "GET",
        f"{_ONE}/draft/workbook",
        get_workbook,
        "填报内容的 XLSX 工作簿",
        "年度填报",
        Right.SEE_CONTENT,
        None,
        target=of_filing,
        answer_media=XLSX,
        unhurried=True,
    ),
    Operation(
        "GET",
        f"{_ONE}/draft/pdf",
        get_pdf,
        "填报全文的 PDF，供签字盖章",
        "年度填报",
        Right.SEE_CONTENT,
        None,
        target=of_filing,
        answer_media="application/pdf",
        unhurried=True,
        parameters=(
            Parameter(
                "revision", "第几稿；不写则为最新（审核人为最近提交的）一稿", schema=_REVISION
            ),
        ),
    ),
    Operation(
        "PUT",
        f"{_ONE}/draft/workbook",
        put_workbook,
        "上传填好的工作簿（新的一稿）",
        "年度填报",
        Right.FILE,
        WorkbookSaved,
        target=of_filing,
        media=(XLSX,),
        largest=LARGEST_WORKBOOK,
        unhurried=True,
        parameters=(_IF_MATCH,),
    ),
    Operation(
        "PATCH",
        f"{_ONE}/draft",
        patch_draft,
        "保存填报内容的一部分（新的一稿）",
        "年度填报",
        Right.FILE,
        DraftShown,
        target=of_filing,
        body=Pieces,
        parameters=(_IF_MATCH,),
        example={"parts": {"statistics": {"patents": 6, "patents_invention": None}}},
    ),
    Operation(
        "PUT",
        f"{_ONE}/draft",
        put_draft,
        "保存填报内容（新的一稿）",
        "年度填报",
        Right.FILE,
        DraftShown,
        target=of_filing,
        body=Draft,
        parameters=(_IF_MATCH,),
        example={"parts": {"statistics": {"staff_bachelor": 42}}},
    ),
    _acting(
        "submit",
        submit,
        "提交",
        Right.FILE,
        SubmitBody,
        {"revision": 3, "sha256": RECEIPT_EXAMPLE["command_sha256"], "choice": "amr-350000"},
    ),
    _acting("withdraw", act(withdraw), "撤回", Right.FILE, Nothing, {}),
    _acting(
        "quality",
        act(quality, form_fields),
        "质量审查",
        Right.CHECK,
        FilingQualityBody,
        {"outcome": "send_back", **REASONS_EXAMPLE},
    ),
    *shared_acts(_ONE, "年度填报", of_filing, form_fields),
    reminding(_ONE, "年度填报", of_filing),
    *file_operations(_ONE, "年度填报", of_filing),
    *question_operations(_ONE, "年度填报", of_filing),
    *standing_operations(_ONE, "年度填报", of_filing),
]
