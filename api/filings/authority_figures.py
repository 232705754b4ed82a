"""What authorities report of their own work, such as the accreditation body's business figures."""

from typing import Annotated, Any

from pydantic import Field
from starlette.responses import Response

from api.cases.cases import CaseYear
from api.door.operations import Call, Operation, Parameter, json_of
from api.door.parts import parts_of
from api.door.requests import MOST_ERRORS, InvalidFields, invalid, path
from api.door.rights import Right
from api.filings.drafts import revision_in
from domain.model import Value
from domain.refusals import Code, Refused
from rules.filing.forms.findings import FormFinding
from services.authority_figures import PART, Subject, SubjectShown

_SubjectId = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,63}$")]


class Figures(Value):
    """What is filled in on the subject's form."""

    values: dict[str, Any]


class SubmitFigures(Value):
    """Which revision is submitted, exactly as it was seen."""

    revision: int = Field(ge=1, le=2**31 - 1)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class SubjectList(Value):
    """What authorities report for a year, as far as the asker may see it."""

    items: tuple[Subject, ...]


def _named(call: Call) -> tuple[int, str]:
    year: int = path(call.request, "year", CaseYear)
    subject: str = path(call.request, "subject", _SubjectId)
    return year, subject


def _shown(shown: SubjectShown) -> Response:
    return json_of(shown, headers={"ETag": f'"{shown.revision}"'})


async def list_subjects(call: Call) -> Response:
    """What authorities report for a year, and how far they have come."""
    year: int = path(call.request, "year", CaseYear)
    service = parts_of(call.request).authority_figures
    return json_of(SubjectList(items=await service.subjects(year, call.actor)))


async def get_subject(call: Call) -> Response:
    """One of them: the newest revision for the authority, the submitted one for others."""
    return _shown(await parts_of(call.request).authority_figures.show(*_named(call), call.actor))


async def put_subject(call: Call) -> Response:
    """Saves the revision after the one named by ``If-Match``."""
    service, named = parts_of(call.request).authority_figures, _named(call)
    based_on = revision_in(call.request.headers.get("if-match"))
    wrong = await service.structure(*named, call.body.values, call.actor)
    if wrong.findings:
        raise invalid([_error(one) for one in wrong.findings])
    return _shown(await service.save(*named, based_on, call.body.values, call.actor))


async def submit_subject(call: Call) -> Response:
    """Submits a revision; what keeps it from being taken is told in full."""
    service, named = parts_of(call.request).authority_figures, _named(call)
    body: SubmitFigures = call.body
    try:
        return _shown(
            await service.submit(*named, body.revision, body.sha256, call.actor, call.command_id)
        )
    except Refused as refused:
        if refused.refusal.code is not Code.CONTENT_INCOMPLETE:
            raise
        shown = await service.show(*named, call.actor)
        errors = [_error(one) for one in shown.report.open]
        raise InvalidFields(refused.refusal, errors[:MOST_ERRORS]) from None


def _error(finding: FormFinding) -> dict[str, Any]:
    place = finding.pointer.removeprefix(f"/{PART}")
    return {
        "pointer": f"/values{place}",
        "code": finding.code,
        "message": finding.message,
    }


_TAG = "部门自己的统计"
_ONE = "/api/authority-figures/{year}/{subject}"

OPERATIONS = [
    Operation(
        "GET",
        "/api/authority-figures/{year}",
        list_subjects,
        "各部门自己的统计",
        _TAG,
        Right.SEE_OWN_FIGURES,
        SubjectList,
        description="规则要求部门报送的自己业务的统计（如认可业务数据），何时到期、是否已报。",
    ),
    Operation(
        "GET",
        _ONE,
        get_subject,
        "一项部门统计的内容",
        _TAG,
        Right.SEE_OWN_FIGURES,
        SubjectShown,
    ),
    Operation(
        "PUT",
        _ONE,
        put_subject,
        "保存部门统计（新的一稿）",
        _TAG,
        Right.OWN_FIGURES,
        SubjectShown,
        body=Figures,
        parameters=(Parameter("If-Match", '所改那一稿的 ETag；首次为 "0"', "header", True),),
        example={"values": {"laboratories": 11000}},
    ),
    Operation(
        "POST",
        f"{_ONE}/submit",
        submit_subject,
        "提交部门统计",
        _TAG,
        Right.OWN_FIGURES,
        SubjectShown,
        body=SubmitFigures,
        writes=True,
        example={"revision": 1, "sha256": "0" * 64},
    ),
]
