"""A filing's content: read, saved revision by revision, checked, submitted."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any

from pydantic import Field
from starlette.responses import Response

from api.cases.acts import Built, act, case_of
from api.door.operations import Call, json_of
from api.door.parts import Parts, parts_of
from api.door.requests import MOST_ERRORS, InvalidFields, invalid, pointer
from domain.case.commands import Role
from domain.case.status import EDITABLE
from domain.clock import day_of
from domain.filing.kind import Submit
from domain.filing.parts import left_over_refusal, parts_left_over
from domain.ids import AuthorityId
from domain.messages import explain
from domain.model import Value
from domain.refusals import Code, Refusal, Refused
from rules.filing.forms.checking import derived_values
from rules.filing.forms.findings import FormFinding, FormReport, report
from rules.filing.forms.model import Form
from services.case_records import Case, Revision
from services.filings import Due


class Draft(Value):
    """A filing's content: each part's id with its form's values."""

    parts: dict[str, dict[str, Any]]


class FormRef(Value):
    """Which form a part is filled in on: as pinned when the filing began."""

    form: str
    revision: int
    sha256: str


class DraftShown(Value):
    """A revision, what follows from it, and what is found about it.

    ``derived`` are sums and shares by part, which nobody fills in.
    """

    revision: int
    sha256: str
    forms: dict[str, FormRef]
    parts: dict[str, dict[str, Any]]
    derived: dict[str, Any]
    saved_by: str
    saved_at: datetime | None
    report: FormReport


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
    return await save(parts, case, based_on, call.body.parts, call)


async def save(
    parts: Parts, case: Case, based_on: int, document: dict[str, Any], call: Call
) -> Response:
    """Saves a whole content as the next revision; what it can't hold is refused, place by place."""
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
    rules = await parts.pinned.get(case.rule_set)
    refusal = expired(rules.forms_of(case.plan.parts).values(), day_of(parts.clock()))
    if refusal is not None:
        raise Refused(refusal)
    wrong = parts.contents.structure(rules, case.plan.parts, document)
    if wrong.findings:
        raise invalid([_error(_placed(one)) for one in wrong.findings])
    return await _shown(
        parts, case, await parts.filings.save_draft(case, based_on, document, call.actor)
    )


async def submit(call: Call) -> Response:
    """Submits a revision; what keeps it from being accepted is told in full."""
    try:
        return await act(_submit)(call)
    except Refused as refused:
        if refused.refusal.code is not Code.CONTENT_INCOMPLETE:
            raise
        case, parts = case_of(call), parts_of(call.request)
        revision = await parts.records.revision(case, call.body.revision)
        found = await _report(parts, case, revision.content if revision else {})
        errors = [_error(one) for one in found.open]
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
    rules = await parts.pinned.get(case.rule_set)
    forms = rules.forms_of(case.plan.parts)
    body = DraftShown(
        revision=revision.revision if revision else 0,
        sha256=revision.sha256 if revision else "",
        forms={
            part: FormRef(form=form.id, revision=form.revision, sha256=form.sha256)
            for part, form in forms.items()
        },
        parts=content,
        derived={
            part: derived_values(form, content[part])
            for part, form in forms.items()
            if part in content
        },
        saved_by=revision.saved_by if revision else "",
        saved_at=revision.saved_at if revision else None,
        report=await _report(parts, case, content),
    )
    return json_of(body, headers={"ETag": f'"{body.revision}"'})


async def _report(parts: Parts, case: Case, document: dict[str, Any]) -> FormReport:
    """What is found about a content: its forms, and parts that are not to be filed any more.

    Places are those of the answer, where the content stands under ``parts``.
    """
    due = await parts.filings.due_of(case)
    found = await parts.contents.report(due.rules, due.parts, due.institution, document)
    here = [_placed(one) for one in found.findings]
    if case.status in EDITABLE:
        here = [_left_over(part, due) for part in parts_left_over(document, due.parts)] + here
    return report(here)


def _placed(found: FormFinding) -> FormFinding:
    fields = tuple(f"/parts{place}" for place in found.fields)
    return found.model_copy(update={"pointer": f"/parts{found.pointer}", "fields": fields})


def expired(forms: Iterable[Form], today: date) -> Refusal | None:
    """Why nothing can be filled in: a form past its validity may be refused by whoever files."""
    for form in forms:
        last, header = form.header.last_day, form.header
        if last is not None and today > last:
            params = {
                "form": form.title,
                "table": header.table_number.value,
                "approval": header.approval_number.value,
                "until": last.isoformat(),
                "authority": header.issuing_authority.value,
            }
            return Refusal(code=Code.FORM_EXPIRED, params=params)
    return None


def _left_over(part: str, due: Due) -> FormFinding:
    refusal = left_over_refusal([part], due.parts)
    assert refusal is not None
    words = explain(refusal)
    at = pointer("parts", part)
    return FormFinding(
        code=refusal.code, pointer=at, fields=(at,), message=f"{words.detail}{words.remedy}"
    )


def _error(found: FormFinding) -> dict[str, str]:
    """A finding as the errors of a refused request have it."""
    return {"pointer": found.pointer, "code": found.code, "message": found.message}
