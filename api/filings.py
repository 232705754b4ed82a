"""Annual filings: looking at them, drafting, and every act of their life."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from api import cursors
from api.operations import PAGING, Call, Handler, Operation, Parameter, schema_of
from api.parts import Parts, parts_of
from api.problems import source
from api.requests import MOST_ERRORS, InvalidFields, Plain, Text, invalid, path, pointer, query
from api.rights import Right, Target, check
from domain import commands as c
from domain.case import Receipt
from domain.citation import Citation
from domain.commands import Command, Role
from domain.ids import AuthorityId, InstitutionId, filing_id, region_prefix
from domain.model import Value
from domain.plan import Window
from domain.refusals import Code, Refusal, Refused
from domain.status import STATUS_LABELS, Status
from rules.forms import check_form
from store import cases, content, institutions, journal
from store.cases import Case
from store.content import Revision

# --- what goes in and out ------------------------------------------------------------------------

_EARLIEST, _LATEST = (datetime(year, 1, 1, tzinfo=UTC) for year in (2000, 2200))
"""Between these an extension may end; far outside, no calendar could show it."""


class Draft(Value):
    """A filing's content: each part's id with its form's values."""

    parts: dict[str, dict[str, Any]]


class SubmitBody(Value):
    """Which revision is submitted, and, if there is a choice, the authority picked."""

    revision: int = Field(ge=1, le=2**31 - 1)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    choice: AuthorityId | None = None


class FieldReason(Value):
    """What is wrong with one field; ``field`` empty: with the part as a whole."""

    part: Plain = Field(max_length=64)
    field: Plain = Field(default="", max_length=64)
    reason: Text


class Reasons(Value):
    """Why something is sent back: a summary, and reasons by field."""

    reason: Text
    fields: tuple[FieldReason, ...] = Field(default=(), max_length=500)


class Note(Value):
    """A remark, not needed."""

    note: Plain = Field(default="", max_length=2000)


class QualityBody(Value):
    """The quality check's outcome; ``send_back`` needs a reason, and so do single fields."""

    outcome: Literal["pass", "send_back"]
    reason: Plain = Field(default="", max_length=2000)
    fields: tuple[FieldReason, ...] = Field(default=(), max_length=500)


class Grant(Value):
    """More time for one case: until when, why, and under which document."""

    until: Annotated[AwareDatetime, Field(gt=_EARLIEST, lt=_LATEST)]
    reason: Text
    document: Plain = Field(default="", max_length=200)


class Cause(Value):
    """Why a case is ended that should not exist."""

    reason: Text


class WindowShown(Value):
    """A window of the case's plan: ``closes`` is the first instant after it."""

    opens: datetime
    closes: datetime
    source: dict[str, str]


class FilingShown(Value):
    """One annual filing as its people see it; no figure out of a form."""

    id: str
    year: int
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

    items: tuple[FilingShown, ...]
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
    if actor.role is Role.FILER:
        check(Right.SEE_FILING, actor, Target(institution=filters["institution"]))
        filters["institution"] = actor.scope
    elif actor.role is Role.OPERATOR:
        filters["region_prefix"] = region_prefix(actor.scope)
    elif actor.role is not Role.AUDITOR:
        filters["involved"] = actor.scope
    async with parts.engine.connect() as connection:
        found = await cases.listed(
            connection, after=after[0] if after else "", size=size + 1, **filters
        )
    items = [shown(case, call) for case in found[:size]]
    more = cursors.encode([found[size - 1].case_id]) if len(found) > size else None
    return _json(FilingPage(items=tuple(items), next=more))


async def get_filing(call: Call) -> Response:
    """One filing."""
    return _json(shown(_case(call), call))


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


def shown(case: Case, call: Call) -> FilingShown:
    """A case as the API shows it to whoever calls; a filer is not told which reviewer it is."""
    plan, parts = case.plan, parts_of(call.request)
    windows = {
        name: window
        for name in ("fill", "supplement", "correct", "review", "quality")
        if (window := getattr(plan, name)) is not None
    }
    return FilingShown(
        id=case.case_id,
        year=case.year,
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
    return WindowShown(opens=window.opens, closes=window.closes, source=source(cite))


def _case(call: Call) -> Case:
    assert call.target.case is not None
    return call.target.case


def _json(value: BaseModel, **more: Any) -> Response:
    return Response(value.model_dump_json(), media_type="application/json", **more)


# --- content --------------------------------------------------------------------------------------


async def get_draft(call: Call) -> Response:
    """The newest revision for the filer; the submitted one for reviewers and checkers."""
    case, parts = _case(call), parts_of(call.request)
    async with parts.engine.connect() as connection:
        if call.actor.role is Role.FILER:
            found = await content.latest_revision(connection, case.case_id)
        else:
            found = await content.revision(connection, case.case_id, case.revision)
    problems = await _problems(parts, case, found.content if found else {}, complete=True)
    return _draft(found, problems)


async def put_draft(call: Call) -> Response:
    """Saves the revision after the one named by ``If-Match``."""
    case, parts = _case(call), parts_of(call.request)
    based_on = _revision_in(call.request.headers.get("if-match"))
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


def _revision_in(tag: str | None) -> int:
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


def _act(build: Callable[[Call, dict[str, Any]], tuple[Command, dict[str, Any] | None]]) -> Handler:
    """A handler that builds a command, keeps its note, has it carried out and shows the receipt."""

    async def handler(call: Call) -> Response:
        parts = parts_of(call.request)
        base = {"id": call.command_id, "actor": call.actor, "received_at": parts.clock()}
        command, note = build(call, base)
        if note is not None:
            await _refuse_unknown_fields(parts, _case(call), note)
            async with parts.engine.begin() as connection:
                sha256 = await content.save_note(connection, note)
            command = command.model_copy(update={"note_sha256": sha256})
        return _json(await parts.filings.act(_case(call), command))

    return handler


async def _refuse_unknown_fields(parts: Parts, case: Case, note: dict[str, Any]) -> None:
    """A reason by field must name a field that its filer can find."""
    rules = await parts.pinned.get(case.rule_set)
    unknown = [
        {
            "pointer": pointer("fields", index, "field"),
            "code": "unknown_field",
            "message": "表单中没有这个字段",
        }
        for index, one in enumerate(note.get("fields", ()))
        if one["field"] and one["field"] not in rules.form(one["part"]).fields
    ]
    if unknown:
        raise invalid(unknown)


async def submit(call: Call) -> Response:
    """Submits a revision; incomplete content is refused with every field that is missing."""
    try:
        return await _act(_submit)(call)
    except Refused as refused:
        if refused.refusal.code is not Code.CONTENT_INCOMPLETE:
            raise
        case, parts = _case(call), parts_of(call.request)
        async with parts.engine.connect() as connection:
            found = await content.revision(connection, case.case_id, call.body.revision)
        errors = await _problems(parts, case, found.content if found else {}, complete=True)
        raise InvalidFields(refused.refusal, errors[:MOST_ERRORS]) from None


def _submit(call: Call, base: dict[str, Any]) -> tuple[Command, dict[str, Any] | None]:
    body: SubmitBody = call.body
    return c.Submit(
        **base, revision=body.revision, content_sha256=body.sha256, choice=body.choice
    ), None


def _return(call: Call, base: dict[str, Any]) -> tuple[Command, dict[str, Any] | None]:
    return c.Return(**base), _reasons(call)


def _quality(call: Call, base: dict[str, Any]) -> tuple[Command, dict[str, Any] | None]:
    if call.body.outcome == "pass":
        return c.PassQuality(**base), _reasons(call)
    return c.SendBack(**base), _reasons(call)


def _reasons(call: Call) -> dict[str, Any] | None:
    if not call.body.reason.strip():
        if call.body.fields:
            missing = {"pointer": "/reason", "code": "missing", "message": "请先写明总的理由"}
            raise invalid([missing])
        return None
    known = set(_case(call).plan.parts)
    unknown = [index for index, one in enumerate(call.body.fields) if one.part not in known]
    if unknown:
        raise invalid(
            [
                {
                    "pointer": pointer("fields", index, "part"),
                    "code": "unknown_part",
                    "message": "没有这一部分",
                }
                for index in unknown
            ]
        )
    fields = [one.model_dump() for one in call.body.fields]
    return {"reason": call.body.reason, "fields": fields}


def _approve(call: Call, base: dict[str, Any]) -> tuple[Command, dict[str, Any] | None]:
    return c.Approve(**base), _note(call)


def _note(call: Call) -> dict[str, Any] | None:
    return {"reason": call.body.note} if call.body.note.strip() else None


def _extend(call: Call, base: dict[str, Any]) -> tuple[Command, dict[str, Any] | None]:
    command = c.Extend(**base, until=call.body.until, document=call.body.document)
    return command, {"reason": call.body.reason}


def _reopen(call: Call, base: dict[str, Any]) -> tuple[Command, dict[str, Any] | None]:
    command = c.Reopen(**base, until=call.body.until, document=call.body.document)
    return command, {"reason": call.body.reason}


def _cancel(call: Call, base: dict[str, Any]) -> tuple[Command, dict[str, Any] | None]:
    return c.Cancel(**base), {"reason": call.body.reason}


# --- the operations -------------------------------------------------------------------------------

_ONE = "/api/filings/{year}/{institution}"
_RECEIPT_EXAMPLE = {
    "case_id": "filing/2024/91350100M0000A1B2C",
    "command_id": "5f0c…",
    "command_sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "sequence": 4,
    "hash": "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae",
    "status": "in_review",
    "level": 1,
    "authority": "amr-350102",
    "at": "2025-01-20T09:30:00+08:00",
}
_REASONS_EXAMPLE = {
    "reason": "人员数与上年相差较大，请核实",
    "fields": [{"part": "statistics", "field": "staff", "reason": "与社保人数不符"}],
}
_GRANT_EXAMPLE = {
    "until": "2025-04-01T00:00:00+08:00",
    "reason": "所在地遭受洪灾，三日无法办公",
    "document": "市监函〔2025〕×号（示例）",
}


def _acting(
    name: str, handler: Handler, summary: str, right: Right, body: Any, example: Any
) -> Operation:
    return Operation(
        "POST",
        f"{_ONE}/{name}",
        handler,
        summary,
        "年度填报",
        right,
        Receipt,
        target=of_filing,
        body=body,
        writes=True,
        example=example,
        answer_example=_RECEIPT_EXAMPLE,
    )


class Nothing(Value):
    """No content is needed."""


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
        FilingShown,
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
        parameters=(Parameter("If-Match", '所改那一稿的 ETag；首次为 "0"', "header", True),),
        example={"parts": {"statistics": {"staff": 42}}},
    ),
    _acting(
        "submit",
        submit,
        "提交",
        Right.FILE,
        SubmitBody,
        {"revision": 3, "sha256": _RECEIPT_EXAMPLE["command_sha256"], "choice": "amr-350000"},
    ),
    _acting(
        "withdraw",
        _act(lambda call, base: (c.Withdraw(**base), None)),
        "撤回",
        Right.FILE,
        Nothing,
        {},
    ),
    _acting(
        "claim", _act(lambda call, base: (c.Claim(**base), None)), "领取", Right.CLAIM, Nothing, {}
    ),
    _acting(
        "release",
        _act(lambda call, base: (c.Release(**base), _note(call))),
        "退领",
        Right.RELEASE,
        Note,
        {"note": ""},
    ),
    _acting("return", _act(_return), "审核退回", Right.REVIEW, Reasons, _REASONS_EXAMPLE),
    _acting("approve", _act(_approve), "审核通过", Right.REVIEW, Note, {"note": ""}),
    _acting(
        "quality",
        _act(_quality),
        "质量审查",
        Right.CHECK,
        QualityBody,
        {"outcome": "send_back", **_REASONS_EXAMPLE},
    ),
    _acting("extension", _act(_extend), "延期", Right.OPERATE, Grant, _GRANT_EXAMPLE),
    _acting("reopen", _act(_reopen), "重新开启", Right.OPERATE, Grant, _GRANT_EXAMPLE),
    _acting(
        "cancel", _act(_cancel), "取消", Right.OPERATE, Cause, {"reason": "机构已注销，误列入名录"}
    ),
]
