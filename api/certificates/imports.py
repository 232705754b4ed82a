"""Batch imports of certificates by an issuing office: a file, how far it has come, its report."""

import codecs
from datetime import datetime
from typing import Annotated

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from api.confirmations.held import hold_file, sent
from api.door import cursors
from api.door.files import FILENAME, TABLES, csv_file, filename_of, template_of
from api.door.operations import PAGING, Call, Operation, Parameter, json_of
from api.door.parts import parts_of
from api.door.requests import path, query
from api.door.rights import Right
from domain.certificates.imports import (
    IMPORT_MODE_LABELS,
    IMPORT_STAGE_LABELS,
    ROW_OUTCOME_LABELS,
    ImportMode,
    ImportStage,
    RowOutcome,
)
from domain.confirmations import ConfirmedAct, ProposedAct
from domain.model import Value
from domain.refusals import Code, Refusal, Refused
from files.certificate_import import IMPORT
from files.export import csv_line
from services.certificates.imports import Import, ImportProblem, ImportRow, Loaded, import_id

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
    name = filename_of(call.request, "certificates")
    imports = parts_of(call.request).imports
    confirmed: list[ProposedAct | None] = []

    async def permit(total: int) -> None:
        if mode is ImportMode.CHECK:
            return
        checked = import_id(call.body, name, ImportMode.CHECK, call.actor.scope)
        told = {"import": checked, "filename": name, "mode": mode.value}
        confirmed.append(await hold_file(call, ConfirmedAct.BULK_ISSUE, total, told))

    async def load(mode: ImportMode) -> Loaded:
        return await imports.load(call.body, name, mode, call.actor, call.command_id, permit)

    try:
        loaded = await load(mode)
    except Refused as refused:
        if refused.refusal.code is Code.AWAITS_CONFIRMATION:
            # whoever is to confirm it looks at the same file, checked
            await imports.load(call.body, name, ImportMode.CHECK, call.actor, call.command_id)
        raise
    for one in confirmed:
        await sent(call, one)
    return json_of(await _with_problems(call.request, loaded.found, repeated=loaded.repeated))


async def list_imports(call: Call) -> Response:
    """The imports of the clerk's authority, newest first."""
    request = call.request
    cursor = cursors.given(request, (str, str))
    before = None
    if cursor is not None:
        try:
            before = (datetime.fromisoformat(cursor[0]), cursor[1])
        except ValueError:
            raise cursors.refused() from None
        if before[0].tzinfo is None:
            raise cursors.refused()
    imports, more = await cursors.paged(
        request,
        lambda size: parts_of(request).imports.page(call.actor.scope, before, size),
        lambda listed: [listed.requested_at.isoformat(), listed.id],
    )
    return json_of(ImportPage(items=tuple(_shown(listed, ()) for listed in imports), next=more))


async def get_import(call: Call) -> Response:
    """One import and how far it has come."""
    return json_of(await _with_problems(call.request, await _own(call)))


async def list_rows(call: Call) -> Response:
    """The certificates of an import and what has become of each."""
    request = call.request
    id_ = (await _own(call)).id
    outcome = query(request, "outcome", RowOutcome | None, None)
    [after] = cursors.given(request, (int,)) or [0]
    imports = parts_of(request).imports
    rows, more = await cursors.paged(
        request,
        lambda size: imports.rows(id_, after=after, size=size, outcome=outcome),
        lambda row: [row.row],
    )
    return json_of(RowPage(items=tuple(map(_row_shown, rows)), next=more))


async def get_report(call: Call) -> Response:
    """Every certificate's outcome and every problem, as a CSV file in the order of the rows."""
    imports, reported = parts_of(call.request).imports, await _own(call)
    rows = await imports.rows(reported.id, size=reported.total)
    problems = await imports.problems(reported.id)
    lines: list[tuple[int, list[str]]] = [
        (problem.row, _problem_line(problem)) for problem in problems
    ]
    lines += [(row.row, _row_line(row)) for row in rows if row.outcome is not RowOutcome.BAD]
    lines.sort(key=lambda line: line[0])
    head = ["行号", "结果", "机构编号", "机构名称", "证书编号", "证书代码"]
    head += ["列", "代码", "问题", "怎样修改"]
    text = "".join(map(csv_line, [head, *(cells for _, cells in lines)]))
    return csv_file(codecs.BOM_UTF8 + text.encode(), f"import-{reported.id[:8]}.csv")


async def get_import_template(call: Call) -> Response:
    """A file of certificates to fill in, with generated example rows."""
    return template_of(IMPORT, "certificates")


def _problem_line(problem: ImportProblem) -> list[str]:
    result = "有错" if problem.level == "error" else "提示"
    return [
        str(problem.row),
        result,
        problem.institution_id,
        problem.holder,
        "",
        "",
        problem.column,
        problem.code,
        problem.message,
        problem.mend,
    ]


def _row_line(row: ImportRow) -> list[str]:
    known = [row.institution_id, row.holder, row.number, row.code]
    return [
        str(row.row),
        ROW_OUTCOME_LABELS[row.outcome],
        *known,
        "",
        row.problem,
        row.message,
        "",
    ]


async def _own(call: Call) -> Import:
    """The import that the path names. Raises Refused: there is none, or it is another's."""
    id_: str = path(call.request, "import", ImportId)
    standing = await parts_of(call.request).imports.find(id_)
    if standing is None or standing.authority != call.actor.scope:
        raise Refused(Refusal(code=Code.NOT_FOUND, params={"what": f"导入 {id_}"}))
    return standing


async def _with_problems(
    request: Request, standing: Import, *, repeated: bool = False
) -> ImportShown:
    problems = await parts_of(request).imports.problems(standing.id, MOST_SHOWN)
    shown = tuple(
        ProblemShown(**problem.model_dump(exclude={"no", "institution_id", "holder"}))
        for problem in problems
    )
    return _shown(standing, shown, repeated=repeated)


def _shown(
    standing: Import, problems: tuple[ProblemShown, ...], *, repeated: bool = False
) -> ImportShown:
    return ImportShown(
        **standing.model_dump(exclude={"problems"}),
        mode_label=IMPORT_MODE_LABELS[standing.mode],
        stage_label=IMPORT_STAGE_LABELS[standing.stage],
        errors=standing.problems.get("error", 0),
        notices=standing.problems.get("notice", 0),
        problems=problems,
        repeated=repeated,
    )


def _row_shown(row: ImportRow) -> RowShown:
    return RowShown(
        **row.model_dump(exclude={"institution_id", "case_id"}),
        institution=row.institution_id,
        outcome_label=ROW_OUTCOME_LABELS[row.outcome],
        case=row.case_id,
    )


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
        media=tuple(TABLES),
        unhurried=True,
        writes=True,
        parameters=(
            Parameter(
                "mode",
                "check：只核对，除核对报告外不写入；all：有一处错误即不办理（默认）；"
                "good：只办理无误的",
                schema={"enum": [mode.value for mode in ImportMode]},
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
            Parameter(
                "outcome", "结果", schema={"enum": [outcome.value for outcome in RowOutcome]}
            ),
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
]
