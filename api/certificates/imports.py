"""Batch imports of certificates by an issuing office, and a province's list by an operator."""

import codecs
from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from api.door import cursors
from api.door.operations import PAGING, Call, Operation, Parameter, schema_of
from api.door.parts import parts_of
from api.door.requests import path, query
from api.door.rights import Right
from api.lists import FILENAME, MEDIA, PARAMETERS, filename_of, import_list, template_of
from api.numbers.batches import csv_cell
from domain.certificates.imports import (
    IMPORT_MODE_LABELS,
    IMPORT_STAGE_LABELS,
    ROW_OUTCOME_LABELS,
    ImportMode,
    ImportStage,
    RowOutcome,
)
from domain.ids import AuthorityId
from domain.model import Value
from domain.refusals import Code, Refusal, Refused
from files.certificate_import import IMPORT
from files.certificate_register import REGISTER
from services.certificates.register import RegisterReport
from store.certificates import imports
from store.certificates.imports import Import, ImportProblem, ImportRow

MOST_SHOWN = 100
"""At most so many problems are shown with an import; its report lists all of them."""

ImportId = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]


class ProblemShown(Value):
    """Something wrong: the row as Excel shows it (0: the file), the column, how to mend it."""

    row: int
    column: str
    code: str
    message: str
    mend: str
    level: str


class ImportShown(Value):
    """An import and how far it has come. ``counts`` are its certificates by outcome.

    ``errors`` and ``notices`` count problems, ``problems`` shows the first of them.
    """

    id: str
    authority: str
    filename: str
    sha256: str
    mode: ImportMode
    mode_label: str
    stage: ImportStage
    stage_label: str
    lines: int
    total: int
    institutions: int
    counts: dict[RowOutcome, int]
    errors: int
    notices: int
    problems: tuple[ProblemShown, ...]
    requested_by: str
    requested_at: datetime
    finished_at: datetime | None
    repeated: bool = False


class ImportPage(Value):
    """A page of imports, newest first; ``next`` is the cursor of the page after."""

    items: tuple[ImportShown, ...]
    next: str | None


class RowShown(Value):
    """One certificate of an import and what has become of it.

    ``problem`` and ``message`` say why it could not be done; what is wrong with a bad one stands
    in the problems and in the report.
    """

    row: int
    institution: str
    holder: str
    outcome: RowOutcome
    outcome_label: str
    number: str
    code: str
    case: str
    problem: str
    message: str


class RowPage(Value):
    """A page of certificates in the order of the file."""

    items: tuple[RowShown, ...]
    next: str | None


# --- imports --------------------------------------------------------------------------------------


async def import_certificates(call: Call) -> Response:
    """Checks a file of certificates and, as ``mode`` says, has them issued or applied for."""
    mode = query(call.request, "mode", ImportMode, ImportMode.ALL)
    loaded = await parts_of(call.request).imports.load(
        call.body,
        filename_of(call, "certificates"),
        mode,
        call.actor,
        call.command_id,
    )
    return _json(await _with_problems(call.request, loaded.found, repeated=loaded.repeated))


async def list_imports(call: Call) -> Response:
    """The imports of the clerk's authority, newest first."""
    request = call.request
    size = query(request, "size", cursors.PageSize, 50)
    cursor = cursors.given(request, (str, str))
    before = None
    if cursor is not None:
        try:
            before = (datetime.fromisoformat(cursor[0]), cursor[1])
        except ValueError:
            raise cursors.refused() from None
        if before[0].tzinfo is None:
            raise cursors.refused()
    async with parts_of(request).engine.connect() as connection:
        found = await imports.page(connection, call.actor.scope, before, size + 1)
    more = None
    if len(found) > size:
        more = cursors.encode([found[size - 1].requested_at.isoformat(), found[size - 1].id])
    return _json(ImportPage(items=tuple(_shown(one, ()) for one in found[:size]), next=more))


async def get_import(call: Call) -> Response:
    """One import and how far it has come."""
    return _json(await _with_problems(call.request, await _own(call)))


async def list_rows(call: Call) -> Response:
    """The certificates of an import and what has become of each."""
    request = call.request
    found = await _own(call)
    size = query(request, "size", cursors.PageSize, 50)
    after = cursors.given(request, (int,))
    async with parts_of(request).engine.connect() as connection:
        rows = await imports.rows(
            connection,
            found.id,
            after=after[0] if after else 0,
            size=size + 1,
            outcome=query(request, "outcome", RowOutcome | None, None),
        )
    more = cursors.encode([rows[size - 1].row]) if len(rows) > size else None
    return _json(RowPage(items=tuple(map(_row_shown, rows[:size])), next=more))


async def get_report(call: Call) -> Response:
    """Every certificate's outcome and every problem, as a CSV file in the order of the rows."""
    found = await _own(call)
    async with parts_of(call.request).engine.connect() as connection:
        rows = await imports.rows(connection, found.id, size=found.total + 1)
        problems = await imports.problems(connection, found.id)
    lines: list[tuple[int, list[str]]] = [(one.row, _problem_line(one)) for one in problems]
    lines += [(one.row, _row_line(one)) for one in rows if one.outcome is not RowOutcome.BAD]
    lines.sort(key=lambda line: line[0])
    head = ["行号", "结果", "机构编号", "机构名称", "证书编号", "证书代码"]
    head += ["列", "代码", "问题", "怎样修改"]
    text = "".join(
        ",".join(map(csv_cell, cells)) + "\r\n" for cells in [head, *(c for _, c in lines)]
    )
    name = f'attachment; filename="import-{found.id[:8]}.csv"'
    return Response(
        codecs.BOM_UTF8 + text.encode(),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": name},
    )


async def get_import_template(call: Call) -> Response:
    """A file of certificates to fill in, with generated example rows."""
    return template_of(IMPORT, "certificates")


def _problem_line(one: ImportProblem) -> list[str]:
    result = "有错" if one.level == "error" else "提示"
    about = [one.institution_id, one.holder, "", ""]
    return [str(one.row), result, *about, one.column, one.code, one.message, one.mend]


def _row_line(one: ImportRow) -> list[str]:
    known = [one.institution_id, one.holder, one.number, one.code]
    return [
        str(one.row),
        ROW_OUTCOME_LABELS[one.outcome],
        *known,
        "",
        one.problem,
        one.message,
        "",
    ]


async def _own(call: Call) -> Import:
    """The import that the path names. Raises Refused: there is none, or it is another's."""
    id_: str = path(call.request, "import", ImportId)
    found = await parts_of(call.request).imports.find(id_)
    if found is None or found.authority != call.actor.scope:
        raise Refused(Refusal(code=Code.NOT_FOUND, params={"what": f"导入 {id_}"}))
    return found


async def _with_problems(request: Request, found: Import, *, repeated: bool = False) -> ImportShown:
    async with parts_of(request).engine.connect() as connection:
        problems = await imports.problems(connection, found.id, MOST_SHOWN)
    shown = tuple(
        ProblemShown(**one.model_dump(exclude={"no", "institution_id", "holder"}))
        for one in problems
    )
    return _shown(found, shown, repeated=repeated)


def _shown(
    one: Import, problems: tuple[ProblemShown, ...], *, repeated: bool = False
) -> ImportShown:
    return ImportShown(
        **one.model_dump(exclude={"problems"}),
        mode_label=IMPORT_MODE_LABELS[one.mode],
        stage_label=IMPORT_STAGE_LABELS[one.stage],
        errors=one.problems.get("error", 0),
        notices=one.problems.get("notice", 0),
        problems=problems,
        repeated=repeated,
    )


def _row_shown(one: ImportRow) -> RowShown:
    return RowShown(
        **one.model_dump(exclude={"institution_id", "case_id"}),
        institution=one.institution_id,
        outcome_label=ROW_OUTCOME_LABELS[one.outcome],
        case=one.case_id,
    )


# --- the register ---------------------------------------------------------------------------------


async def import_register(call: Call) -> Response:
    """Puts a list of valid certificates on the register, all or with ``accept=good`` the good."""
    complete = query(call.request, "complete", AuthorityId | None, None) or ""
    service = parts_of(call.request).register
    return _json(await import_list(call, service, "register", complete))


async def get_register_template(call: Call) -> Response:
    """A list of valid certificates to fill in, with generated example rows."""
    return template_of(REGISTER, "register")


def _json(value: BaseModel) -> Response:
    return Response(value.model_dump_json(), media_type="application/json")


# --- the operations -------------------------------------------------------------------------------

_TAG = "资质认定证书"
_ALL = "/api/certificates/imports"
_ONE = f"{_ALL}/{{import}}"

OPERATIONS = [
    Operation(
        "GET",
        _ALL,
        list_imports,
        "批量导入列表",
        _TAG,
        Right.ISSUE,
        ImportPage,
        parameters=(*PAGING,),
    ),
    Operation(
        "POST",
        _ALL,
        import_certificates,
        "批量导入证书",
        _TAG,
        Right.ISSUE,
        ImportShown,
        media=tuple(MEDIA),
        writes=True,
        parameters=(
            Parameter(
                "mode",
                "check：只核对，除核对报告外不写入；all：有一处错误即不办理（默认）；"
                "good：只办理无误的",
                schema={"enum": [one.value for one in ImportMode]},
            ),
            FILENAME,
        ),
        description=(
            "每行一张证书；有审批文书的即行发证，没有的作为申请进入审核。"
            "逐行核对并报告；办理可中断后接着做；同一内容不论在哪个文件里都只办一次。"
        ),
    ),
    Operation(
        "GET",
        f"{_ALL}/template",
        get_import_template,
        "批量导入模板",
        _TAG,
        Right.ISSUE,
        None,
        answer_media="text/csv",
    ),
    Operation("GET", _ONE, get_import, "一次批量导入", _TAG, Right.ISSUE, ImportShown),
    Operation(
        "GET",
        f"{_ONE}/rows",
        list_rows,
        "批量导入的每一张证书",
        _TAG,
        Right.ISSUE,
        RowPage,
        parameters=(
            Parameter("outcome", "结果", schema={"enum": [one.value for one in RowOutcome]}),
            *PAGING,
        ),
    ),
    Operation(
        "GET",
        f"{_ONE}/report",
        get_report,
        "批量导入的逐行报告",
        _TAG,
        Right.ISSUE,
        None,
        answer_media="text/csv",
    ),
    Operation(
        "POST",
        "/api/certificates/register",
        import_register,
        "导入有效证书清单",
        _TAG,
        Right.OPERATE,
        RegisterReport,
        media=tuple(MEDIA),
        writes=True,
        parameters=(
            *PARAMETERS,
            Parameter(
                "complete",
                "声明文件是该发证机关的全部有效证书；登记中有而文件里没有的列在报告里",
                schema=schema_of(AuthorityId),
            ),
        ),
        description="编号照原样登记；本系统签发的证书不会被清单覆盖；只报告、不注销缺少的证书。",
    ),
    Operation(
        "GET",
        "/api/certificates/register/template",
        get_register_template,
        "有效证书清单模板",
        _TAG,
        Right.OPERATE,
        None,
        answer_media="text/csv",
    ),
]
