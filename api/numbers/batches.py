"""Batches of report numbers: looking, starting one that is asked for, the template."""

from typing import Any

from starlette.responses import JSONResponse, Response

from api.campaigns.institutions import of_institution
from api.cases.acts import case_of
from api.cases.cases import (
    BY_INSTITUTION,
    BY_NAME,
    BY_REGION,
    BY_STATUS,
    CaseShown,
    Filter,
    Started,
    case_list,
    shown,
)
from api.door.files import csv_file
from api.door.operations import Call, Operation, Parameter, json_of, schema_of
from api.door.parts import parts_of
from api.door.problems import source
from api.door.rights import Right
from api.numbers.named import ADDRESS, TAG, QuarterText, named, of_batch
from domain.ids import batch_id
from domain.numbers.batch import BATCH
from domain.numbers.quarters import Quarter
from domain.numbers.row_checks import Terms
from domain.refusals import Code, Refused
from files.numbers import number_template


class BatchShown(CaseShown):
    """One batch. ``numbers`` stand on record, ``withdrawn`` were withdrawn or corrected.

    ``waiting`` were uploaded and cannot be looked up before their day; ``visibility`` is the rule
    behind it.
    """

    quarter_name: str
    numbers: int
    withdrawn: int
    waiting: int
    visibility: dict[str, str]
    reminders: tuple[dict[str, Any], ...]


def _of_quarter(text: str) -> dict[str, Any]:
    year, quarter = Quarter.parse(text)
    return {"year": year, "quarter": quarter}


_BY_QUARTER = Filter(
    Parameter("quarter", "季度，如 2024Q3", schema=schema_of(QuarterText)),
    QuarterText,
    _of_quarter,
)


async def get_batch(call: Call) -> Response:
    """One batch with its totals."""
    case, parts = case_of(call), parts_of(call.request)
    terms = case.plan.numbers
    assert terms is not None
    totals = await parts.batches.totals(case)
    reminders = tuple(
        {
            "id": reminder.id,
            "label": reminder.label,
            "at": reminder.at,
            "source": source(reminder.cite),
        }
        for reminder in case.plan.reminders
    )
    return json_of(
        BatchShown(
            **(await shown(case, call)).model_dump(),
            quarter_name=terms.quarter,
            numbers=totals.numbers,
            withdrawn=totals.withdrawn,
            waiting=totals.waiting,
            visibility=source(terms.visible_cite),
            reminders=reminders,
        )
    )


async def ask_for_batch(call: Call) -> Response:
    """Starts the batch of an institution that may report, or was missed."""
    quarter, institution = named(call.request)
    try:
        case_id = await parts_of(call.request).batches.ask_for(quarter, institution, call.actor)
    except Refused as refused:
        # the same request again, whose first answer may have been lost on its way
        if not call.repeated or refused.refusal.code is not Code.BATCH_EXISTS:
            raise
        case_id = batch_id(str(quarter), institution)
    location = f"/api/report-batches/{quarter}/{institution}"
    return JSONResponse({"id": case_id}, status_code=202, headers={"Location": location})


async def get_template(call: Call) -> Response:
    """A file to fill in, with generated example rows."""
    numbers = case_of(call).plan.numbers
    assert numbers is not None
    template = number_template(Terms(numbers.first_day, numbers.last_day, numbers.longest))
    return csv_file(template, "report-numbers-template.csv")


OPERATIONS = [
    case_list(
        "/api/report-batches",
        BATCH,
        "报告编号报送列表",
        TAG,
        Right.SEE_FILING,
        _BY_QUARTER,
        BY_STATUS,
        BY_INSTITUTION,
        BY_REGION,
        BY_NAME,
    ),
    Operation(
        "GET", ADDRESS, get_batch, "一件报送", TAG, Right.SEE_FILING, BatchShown, target=of_batch
    ),
    Operation(
        "POST",
        ADDRESS,
        ask_for_batch,
        "为可以报送的机构建立季度报送",
        TAG,
        Right.START_FILING,
        Started,
        target=of_institution,
        writes=True,
        status=202,
        answer_example={"id": "report-numbers/2024Q3/91350100M0000A1B2C"},
        description="可以报送（非必须）的机构由此建立；必须报送的机构在该季度开启时已自动建立。",
    ),
    Operation(
        "GET",
        f"{ADDRESS}/template",
        get_template,
        "报告编号文件模板",
        TAG,
        Right.SEE_FILING,
        None,
        target=of_batch,
        answer_media="text/csv",
    ),
]
