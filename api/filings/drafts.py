"""A filing's content: read, saved revision by revision, submitted."""

from datetime import datetime
from typing import Any

from pydantic import Field
from starlette.responses import Response

from api.cases.acts import Built, act, case_of
from api.door.operations import Call, json_of
from api.door.parts import Parts, parts_of
from api.door.requests import MOST_ERRORS, InvalidFields, invalid, pointer
from domain.case.commands import Role
from domain.case.status import EDITABLE
from domain.filing.kind import Submit
from domain.filing.parts import left_over_refusal, parts_left_over
from domain.ids import AuthorityId
from domain.messages import explain
from domain.model import Value
from domain.refusals import Code, Refusal, Refused
from rules.filing.forms import check_form
from services.case_records import Case, Revision


class Draft(Value):
    """A filing's content: each part's id with its form's values."""

    parts: dict[str, dict[str, Any]]


class DraftShown(Value):
    """A revision and what still keeps it from being submitted."""

    revision: int
    sha256: str
    parts: dict[str, dict[str, Any]]
    saved_by: str
    saved_at: datetime | None
    problems: tuple[dict[str, str], ...]


class SubmitBody(Value):
    """Which revision is submitted, and, if there is a choice, the authority picked."""

    revision: int = Field(ge=1, le=2**31 - 1)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    choice: AuthorityId | None = None


async def get_draft(call: Call) -> Response:
    """The newest revision for the filer; the submitted one for reviewers and checkers."""
    case, parts = case_of(call), parts_of(call.request)
    if call.actor.role is Role.FILER:
        revision = await parts.records.latest_revision(case)
    else:
        revision = await parts.records.revision(case, case.revision)
    return await _shown(parts, case, revision)


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
                    "message": f"没有这一部分；本件有 {'、'.join(case.plan.parts)}",
                }
                for part in unknown
            ]
        )
    wrong = await _problems(parts, case, document, complete=False)
    if wrong:
        raise invalid(wrong)
    return await _shown(
        parts, case, await parts.filings.save_draft(case, based_on, document, call.actor)
    )


async def submit(call: Call) -> Response:
    """Submits a revision; incomplete content is refused with every field that is missing."""
    try:
        return await act(_submit)(call)
    except Refused as refused:
        if refused.refusal.code is not Code.CONTENT_INCOMPLETE:
            raise
        case, parts = case_of(call), parts_of(call.request)
        revision = await parts.records.revision(case, call.body.revision)
        errors = await _problems(parts, case, revision.content if revision else {}, complete=True)
        raise InvalidFields(refused.refusal, errors[:MOST_ERRORS]) from None


def _submit(call: Call, base: dict[str, Any]) -> Built:
    body: SubmitBody = call.body
    return Submit(
        **base, revision=body.revision, content_sha256=body.sha256, choice=body.choice
    ), None


def revision_in(tag: str | None) -> int:
    """The revision an ``If-Match`` names. Raises Refused when it names none."""
    bare = (tag or "").strip().removeprefix("W/").strip('"')
    if not (bare.isascii() and bare.isdigit() and len(bare) < 9):
        raise Refused(Refusal(code=Code.MATCH_REQUIRED))
    return int(bare)


async def _shown(parts: Parts, case: Case, revision: Revision | None) -> Response:
    content = revision.content if revision else {}
    body = DraftShown(
        revision=revision.revision if revision else 0,
        sha256=revision.sha256 if revision else "",
        parts=content,
        saved_by=revision.saved_by if revision else "",
        saved_at=revision.saved_at if revision else None,
        problems=tuple(await _problems(parts, case, content, complete=True)),
    )
    return json_of(body, headers={"ETag": f'"{body.revision}"'})


async def _problems(
    parts: Parts, case: Case, document: dict[str, Any], *, complete: bool
) -> list[dict[str, str]]:
    """What is wrong with a filing's content, by part and field.

    With ``complete``, also what is missing, and parts that are not to be filed any more.
    """
    rules = await parts.pinned.get(case.rule_set)
    to_file = await parts.filings.parts_to_file(case) if complete else case.plan.parts
    left_over = (
        [_left_over(part, to_file) for part in parts_left_over(document, to_file)]
        if complete and case.status in EDITABLE
        else []
    )
    return left_over + [
        {
            "pointer": pointer("parts", part, *filter(None, [problem.field])),
            "code": problem.code,
            "message": problem.message,
        }
        for part in to_file
        if complete or part in document
        for problem in check_form(rules.form(part), document.get(part, {}), complete=complete)
    ]


def _left_over(part: str, to_file: tuple[str, ...]) -> dict[str, str]:
    refusal = left_over_refusal([part], to_file)
    assert refusal is not None
    words = explain(refusal)
    return {
        "pointer": pointer("parts", part),
        "code": refusal.code,
        "message": f"{words.detail}{words.remedy}",
    }
