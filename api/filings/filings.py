"""Annual filings: looking at them, drafting, and every act of their life."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from api.cases.acts import (
    REASONS_EXAMPLE,
    RECEIPT_EXAMPLE,
    Built,
    FieldReason,
    Nothing,
    act,
    acting,
    case_of,
    reasons,
    shared_acts,
)
from api.door import cursors
from api.door.operations import PAGING, Call, Handler, Operation, Parameter, schema_of
from api.door.parts import Parts, parts_of
from api.door.problems import source
from api.door.requests import MOST_ERRORS, InvalidFields, Plain, invalid, path, pointer, query
from api.door.rights import Right, Target, check
from domain.case import commands as c
from domain.case.commands import Actor, Role
from domain.case.plan import FOREVER, Window
from domain.case.status import STATUS_LABELS, Kind, Status
from domain.citation import Citation
from domain.ids import AuthorityId, InstitutionId, filing_id, region_prefix
from domain.model import Value
from domain.refusals import Code, Refusal, Refused
from rules.filing.forms import MAX_FORM_BYTES, check_form
from store import cases, content, institutions, journal
from store.cases import Case
from store.content import Revision

# --- what goes in and out ------------------------------------------------------------------------


class Draft(Value):
    """A filing's content: each part's id with its form's values."""

    parts: dict[str, dict[str, Any]]


class SubmitBody(Value):
    """Which revision is submitted, and, if there is a choice, the authority picked."""

    revision: int = Field(ge=1, le=2**31 - 1)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    choice: AuthorityId | None = None


class QualityBody(Value):
    """The quality check's outcome; ``send_back`` needs a reason, and so do single fields."""

    outcome: Literal["pass", "send_back"]
    reason: Plain = Field(default="", max_length=2000)
    fields: tuple[FieldReason, ...] = Field(default=(), max_length=500)


class WindowShown(Value):
    """A window of the case's plan: ``closes`` is the first instant after it, None for no end."""

    opens: datetime
    closes: datetime | None
    source: dict[str, str]


class CaseShown(Value):
    """One case as its people see it; no figure out of a form. ``quarter`` 0: not of a quarter."""

    id: str
    kind: Kind
    year: int
    quarter: int
    institution: str
    institution_name: str
    region: str
    status: Status
    status_label: str
    level: int
    authority: str
    authority_name: str
    claimed: bool
    claimed_by: str
    revision: int
    due: datetime | None
    obligation: str
    parts: tuple[str, ...]
    windows: dict[str, WindowShown]
    rule_set: str
    sequence: int
    updated_at: datetime


class FilingPage(Value):
    """A page of filings; ``next`` is the cursor of the page after, None at the end."""

    items: tuple[CaseShown, ...]
    next: str | None


class Started(Value):
    """What has been set going; it is found under its own address."""

    id: str


class DraftShown(Value):
    """A revision and what still keeps it from being submitted."""

    revision: int
    sha256: str
    parts: dict[str, dict[str, Any]]
    saved_by: str
    saved_at: datetime | None
    problems: tuple[dict[str, str], ...]


# --- finding what rights depend on ----------------------------------------------------------------


async def of_filing(request: Request) -> Target:
    """The filing named by the path. Raises Refused when there is none."""
    year, institution = _named(request)
    case_id = filing_id(year, institution)
    async with parts_of(request).engine.connect() as connection:
        case = await cases.by_id(connection, case_id)
        if case is None:
            raise Refused(Refusal(code=Code.NOT_FOUND, params={"what": f"填报 {case_id}"}))
        involved = await journal.involved(connection, case_id)
    return Target(case=case, involved=involved)


async def of_institution(request: Request) -> Target:
    """The institution named by the path. Raises Refused when it is not on record."""
    id_: str = path(request, "institution", InstitutionId)
    async with parts_of(request).engine.connect() as connection:
        found = (await institutions.by_ids(connection, [id_])).get(id_)
        involved = await journal.involved_with_institution(connection, id_)
    if found is None:
        raise Refused(Refusal(code=Code.UNKNOWN_INSTITUTION, params={"institution": id_}))
    return Target(institution=id_, region=found.facts.region, involved=involved)


_Year = Annotated[int, Field(ge=2000, le=2999)]
_CampaignId = Annotated[str, Field(pattern=r"^campaign/[0-9]{4}/[0-9]{6}$")]


def _named(request: Request) -> tuple[int, str]:
    year: int = path(request, "year", _Year)
    institution: str = path(request, "institution", InstitutionId)
    return year, institution


# --- looking --------------------------------------------------------------------------------------


async def list_filings(call: Call) -> Response:
    """The filings the asker may see, by their ids."""
    request, actor, parts = call.request, call.actor, parts_of(call.request)
    size = query(request, "size", cursors.PageSize, 50)
    after = cursors.given(request, (str,))
    filters: dict[str, Any] = {
        "year": query(request, "year", _Year | None, None),
        "status": query(request, "status", Status | None, None),
        "institution": query(request, "institution", InstitutionId | None, None),
        "authority": query(request, "authority", AuthorityId | None, None),
        "campaign": query(request, "campaign", _CampaignId | None, None),
    }
    filters |= in_sight(actor, filters["institution"])
    async with parts.engine.connect() as connection:
        found = await cases.listed(
            connection,
            kind=Kind.FILING,
            after=after[0] if after else "",
            size=size + 1,
            **filters,
        )
    items = [shown(case, call) for case in found[:size]]
    more = cursors.encode([found[size - 1].case_id]) if len(found) > size else None
    return _json(FilingPage(items=tuple(items), next=more))


def in_sight(actor: Actor, institution: str | None = None) -> dict[str, Any]:
    """What narrows a list of cases to those its asker may see. Raises Refused for another's."""
    if actor.role is Role.FILER:
        check(Right.SEE_FILING, actor, Target(institution=institution))
        return {"institution": actor.scope}
    if actor.role is Role.OPERATOR:
        return {"region_prefix": region_prefix(actor.scope)}
    return {} if actor.role is Role.AUDITOR else {"involved": actor.scope}


async def get_filing(call: Call) -> Response:
    """One filing."""
    return _json(shown(case_of(call), call))


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


def shown(case: Case, call: Call) -> CaseShown:
    """A case as the API shows it to whoever calls; a filer is not told which reviewer it is."""
    plan, parts = case.plan, parts_of(call.request)
    windows = {
        name: window
        for name in ("fill", "supplement", "correct", "review", "quality")
        if (window := getattr(plan, name)) is not None
    }
    return CaseShown(
        id=case.case_id,
        kind=case.kind,
        year=case.year,
        quarter=case.quarter,
        institution=case.institution_id,
        institution_name=case.institution_name,
        region=case.region,
        status=case.status,
        status_label=STATUS_LABELS[case.status],
        level=case.level,
        authority=case.authority,
        authority_name=parts.authority_name(case.authority),
        claimed=bool(case.claimed_by),
        claimed_by="" if call.actor.role is Role.FILER else case.claimed_by,
        revision=case.revision,
        due=case.due,
        obligation=plan.obligation.outcome,
        parts=plan.parts,
        windows={name: _window(window) for name, window in windows.items()},
        rule_set=case.rule_set,
        sequence=case.sequence,
        updated_at=case.updated_at,
    )


def _window(window: Window) -> WindowShown:
    cite: Citation = window.cite
    closes = window.closes if window.closes < FOREVER else None
    return WindowShown(opens=window.opens, closes=closes, source=source(cite))


def _json(value: BaseModel, **more: Any) -> Response:
    return Response(value.model_dump_json(), media_type="application/json", **more)


# --- content --------------------------------------------------------------------------------------


async def get_draft(call: Call) -> Response:
    """The newest revision for the filer; the submitted one for reviewers and checkers."""
    case, parts = case_of(call), parts_of(call.request)
    async with parts.engine.connect() as connection:
        if call.actor.role is Role.FILER:
            found = await content.latest_revision(connection, case.case_id)
        else:
            found = await content.revision(connection, case.case_id, case.revision)
    problems = await _problems(parts, case, found.content if found else {}, complete=True)
    return _draft(found, problems)


async def put_draft(call: Call) -> Response:
    """Saves the revision after the one named by ``If-Match``."""
    case, parts = case_of(call), parts_of(call.request)
    based_on = revision_in(call.request.headers.get("if-match"))
    document: dict[str, Any] = call.body.parts
    unknown = [part for part in document if part not in case.plan.parts]
    if unknown:
        raise invalid(
            [
                {
                    "pointer": pointer("parts", part),
                    "code": "unknown_part",
                    "message": "没有这一部分",
                }
                for part in unknown
            ]
        )
    wrong = await _problems(parts, case, document, complete=False)
    if wrong:
        raise invalid(wrong)
    saved = await parts.filings.save_draft(case, based_on, document, call.actor)
    return _draft(saved, await _problems(parts, case, saved.content, complete=True))


def _draft(found: Revision | None, problems: list[dict[str, str]]) -> Response:
    body = DraftShown(
        revision=found.revision if found else 0,
        sha256=found.sha256 if found else "",
        parts=found.content if found else {},
        saved_by=found.saved_by if found else "",
        saved_at=found.saved_at if found else None,
        problems=tuple(problems),
    )
    return _json(body, headers={"ETag": f'"{body.revision}"'})


def revision_in(tag: str | None) -> int:
    bare = (tag or "").strip().removeprefix("W/").strip('"')
    if not (bare.isascii() and bare.isdigit() and len(bare) < 9):
        raise Refused(Refusal(code=Code.MATCH_REQUIRED))
    return int(bare)


async def _problems(
    parts: Parts, case: Case, document: dict[str, Any], *, complete: bool
) -> list[dict[str, str]]:
    """What is wrong with a filing's content, by part and field."""
    rules = await parts.pinned.get(case.rule_set)
    return [
        {
            "pointer": pointer("parts", part, found.field),
            "code": found.code,
            "message": found.message,
        }
        for part in case.plan.parts
        if complete or part in document
        for found in check_form(rules.form(part), document.get(part, {}), complete=complete)
    ]


# --- acts -----------------------------------------------------------------------------------------


async def submit(call: Call) -> Response:
    """Submits a revision; incomplete content is refused with every field that is missing."""
    try:
        return await act(_submit)(call)
    except Refused as refused:
        if refused.refusal.code is not Code.CONTENT_INCOMPLETE:
            raise
        case, parts = case_of(call), parts_of(call.request)
        async with parts.engine.connect() as connection:
            found = await content.revision(connection, case.case_id, call.body.revision)
        errors = await _problems(parts, case, found.content if found else {}, complete=True)
        raise InvalidFields(refused.refusal, errors[:MOST_ERRORS]) from None


def _submit(call: Call, base: dict[str, Any]) -> Built:
    body: SubmitBody = call.body
    return c.Submit(
        **base, revision=body.revision, content_sha256=body.sha256, choice=body.choice
    ), None


def _withdraw(call: Call, base: dict[str, Any]) -> Built:
    return c.Withdraw(**base), None


def _quality(call: Call, base: dict[str, Any]) -> Built:
    if call.body.outcome == "pass":
        return c.PassQuality(**base), reasons(call)
    return c.SendBack(**base), reasons(call)


# --- the operations -------------------------------------------------------------------------------

_ONE = "/api/filings/{year}/{institution}"


def _acting(
    name: str, handler: Handler, summary: str, right: Right, body: type[Value], example: Any
) -> Operation:
    path_ = f"{_ONE}/{name}"
    return acting(path_, handler, summary, right, body, example, tag="年度填报", target=of_filing)


OPERATIONS = [
    Operation(
        "GET",
        "/api/filings",
        list_filings,
        "填报列表",
        "年度填报",
        Right.SEE_FILING,
        FilingPage,
        parameters=(
            Parameter("year", "统计年度", schema=schema_of(_Year)),
            Parameter("status", "状态", schema={"enum": [s.value for s in Status]}),
            Parameter("institution", "机构编号", schema=schema_of(InstitutionId)),
            Parameter("authority", "现由哪个部门办理", schema=schema_of(AuthorityId)),
            Parameter("campaign", "年度统计工作的编号", schema=schema_of(_CampaignId)),
            *PAGING,
        ),
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
    Operation(
        "GET",
        f"{_ONE}/draft",
        get_draft,
        "填报内容",
        "年度填报",
        Right.SEE_CONTENT,
        DraftShown,
        target=of_filing,
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
        largest=MAX_FORM_BYTES,
        parameters=(Parameter("If-Match", '所改那一稿的 ETag；首次为 "0"', "header", True),),
        example={"parts": {"statistics": {"staff": 42}}},
    ),
    _acting(
        "submit",
        submit,
        "提交",
        Right.FILE,
        SubmitBody,
        {"revision": 3, "sha256": RECEIPT_EXAMPLE["command_sha256"], "choice": "amr-350000"},
    ),
    _acting("withdraw", act(_withdraw), "撤回", Right.FILE, Nothing, {}),
    _acting(
        "quality",
        act(_quality),
        "质量审查",
        Right.CHECK,
        QualityBody,
        {"outcome": "send_back", **REASONS_EXAMPLE},
    ),
    *shared_acts(_ONE, "年度填报", of_filing),
]
