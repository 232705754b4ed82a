"""A filing's content: read, saved revision by revision, checked, submitted."""

import asyncio
from collections.abc import Iterable
from datetime import date, datetime
from typing import Annotated, Any
from urllib.parse import quote

from pydantic import Field
from starlette.responses import Response

from api.cases.acts import Built, act, case_of
from api.door.languages import explained
from api.door.operations import Call, json_of
from api.door.parts import Parts, parts_of
from api.door.requests import MOST_ERRORS, InvalidFields, Plain, invalid, pointer, query
from api.door.rights import of_institution
from api.filings.standing import Standing, counting, reasons_of_waivers, standing
from domain.case.events import EventName
from domain.case.status import EDITABLE
from domain.clock import day_of
from domain.filing.beside import FilesSeen
from domain.filing.kind import Submit
from domain.filing.parts import left_over_refusal, parts_left_over
from domain.filing.receipts import submissions
from domain.filing.waiving import granted
from domain.jurisdictions import AuthorityId, authority_of
from domain.model import Value
from domain.refusals import Code, Refusal, Refused
from files.findings import Unusable
from files.form_sheets import XLSX, kept, workbook
from files.form_sheets import read as read_workbook
from printing.job import FilingPaper, Job
from rules.filing.forms.changes import Change, changes
from rules.filing.forms.checking import derived_values
from rules.filing.forms.findings import FormFinding, FormReport, report
from rules.filing.forms.model import Form
from rules.filing.forms.prefill import still_unconfirmed
from services.case_records import Case, FilingOnRecord, Revision
from services.filing_files import FilingFile
from services.filing_papers import Beside, filing_data
from services.filings import Due

LARGEST_WORKBOOK = 8 * 1024 * 1024
"""No filing's workbook is larger, in bytes."""

RevisionNumber = Annotated[int, Field(ge=1, le=2**31 - 1)]
RevisionFrom = Annotated[int, Field(ge=0, le=2**31 - 1)]


class Draft(Value):
    """A filing's content: each part's id with its form's values."""

    parts: dict[str, dict[str, Any]]


class Pieces(Value):
    """Some places of some parts; null takes a place out."""

    parts: dict[str, dict[str, Any]]


class FormRef(Value):
    """Which form a part is filled in on: as pinned when the filing began."""

    form: str
    revision: int
    sha256: str


class DraftShown(Value):
    """A revision, what follows from it, and what is found about it.

    ``derived`` are sums and shares by part, which nobody fills in. ``files`` are those beside it:
    what is confirmed and submitted with it. ``standing`` is what others say of it: the
    confirmation, waivers, remarks.
    """

    revision: int
    sha256: str
    forms: dict[str, FormRef]
    parts: dict[str, dict[str, Any]]
    derived: dict[str, Any]
    files: tuple[FilingFile, ...]
    saved_by: str
    saved_at: datetime | None
    report: FormReport
    standing: Standing


class SubmitBody(Value):
    """Which revision is submitted, and, if there is a choice, the authority picked.

    Where a filing that was completed is corrected: ``correction`` is the code of a reason of the
    rules, and ``reason`` says it in words. ``files`` are the hashes of the files that were looked
    at; without it all that there are.
    """

    revision: int = Field(ge=1, le=2**31 - 1)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    choice: AuthorityId | None = None
    correction: Plain = Field(default="", max_length=64)
    reason: Plain = Field(default="", max_length=2000)
    files: FilesSeen = None


class RevisionLine(Value):
    """One saved revision; ``submitted``: it was submitted at some time."""

    revision: int
    sha256: str
    saved_by: str
    saved_at: datetime
    submitted: bool


class RevisionList(Value):
    """The revisions of a filing that the asker may see, the newest first."""

    items: tuple[RevisionLine, ...]


class RevisionChanges(Value):
    """What differs between two revisions; revision 0 is an empty content."""

    before: int
    after: int
    changes: tuple[Change, ...]


class Prefilled(Value):
    """What a draft can begin with, by part; every value of it is marked as unconfirmed."""

    parts: dict[str, dict[str, Any]]


class WorkbookSaved(DraftShown):
    """What was saved of a workbook; ``cells`` are the findings' cells by their pointers."""

    cells: dict[str, str]


async def get_draft(call: Call) -> Response:
    """The newest revision for the filer, the submitted one for others; or the one asked for."""
    case, parts = case_of(call), parts_of(call.request)
    asked = query(call.request, "revision", RevisionNumber, 0)
    return await _shown(parts, case, await _revision(call, asked), call, asked)


async def list_revisions(call: Call) -> Response:
    """All revisions for the filer; those that were submitted for reviewers and checkers."""
    case, parts = case_of(call), parts_of(call.request)
    submitted = await _submitted_revisions(parts, case)
    lines = [
        RevisionLine(
            revision=one.revision,
            sha256=one.sha256,
            saved_by=one.saved_by,
            saved_at=one.saved_at,
            submitted=one.revision in submitted,
        )
        for one in await parts.records.revisions(case)
        if of_institution(call.actor) or one.revision in submitted
    ]
    return json_of(RevisionList(items=tuple(lines)))


async def get_changes(call: Call) -> Response:
    """What differs between two revisions: the last two submitted or saved, if none are named."""
    case, parts = case_of(call), parts_of(call.request)
    after = await _revision(call, query(call.request, "to", RevisionNumber, 0))
    newest = after.revision if after else 0
    given = query(call.request, "from", RevisionFrom, -1)
    if given < 0:
        seen = await _submitted_revisions(parts, case)
        given = max((one for one in seen if one < newest), default=0)
    before = await _revision(call, given) if given else None
    rules = await parts.pinned.get(case.rule_set)
    found = changes(
        rules.forms_of(case.plan.parts),
        before.content if before else {},
        after.content if after else {},
    )
    return json_of(RevisionChanges(before=given, after=newest, changes=tuple(found)))


async def get_prefilled(call: Call) -> Response:
    """What the draft can begin with; nothing is saved by it."""
    case, parts = case_of(call), parts_of(call.request)
    due = await parts.filings.due_of(case)
    if due.institution is None:
        return json_of(Prefilled(parts={}))
    found = await parts.contents.prefilled(due.rules, due.parts, due.institution)
    return json_of(Prefilled(parts=found))


async def patch_draft(call: Call) -> Response:
    """Saves some places of some parts over the revision named by ``If-Match``; null takes out.

    A section is saved by naming its fields: what is not named stays as it is.
    """
    case, parts = case_of(call), parts_of(call.request)
    based_on = revision_in(call.request.headers.get("if-match"))
    standing = await _based_on(parts, case, based_on)
    document = {**standing}
    for part, values in call.body.parts.items():
        merged = {**standing.get(part, {}), **values}
        document[part] = {name: value for name, value in merged.items() if value is not None}
    return await save(parts, case, based_on, document, call)


async def get_workbook(call: Call) -> Response:
    """The filing as a workbook to fill in offline, beside it last year and the register."""
    case, parts = case_of(call), parts_of(call.request)
    revision = await _revision(call, 0)
    due = await parts.filings.due_of(case)
    document = revision.content if revision else {}
    sheets = await parts.contents.sheets(due.rules, due.parts, due.institution, document)
    number = revision.revision if revision else 0
    title = f"{case.year}年度　{case.institution_name}　第 {number} 稿"
    content = await asyncio.to_thread(workbook, title, sheets)
    name = quote(f"{case.year}-{case.institution_id}.xlsx")
    headers = {
        "Content-Disposition": f"attachment; filename*=UTF-8''{name}",
        "ETag": f'"{number}"',
    }
    return Response(content, media_type=XLSX, headers=headers)


async def put_workbook(call: Call) -> Response:
    """Saves what a workbook holds as the next revision, or names every wrong cell."""
    case, parts = case_of(call), parts_of(call.request)
    based_on = revision_in(call.request.headers.get("if-match"))
    standing = await _based_on(parts, case, based_on)
    rules = await parts.pinned.get(case.rule_set)
    forms = rules.forms_of(case.plan.parts)
    try:
        found = await asyncio.to_thread(read_workbook, call.body, forms)
    except Unusable as bad:
        raise invalid(
            [{"pointer": "", "code": bad.code, "message": f"{bad.message}。{bad.mend}"}]
        ) from None
    document = {
        **standing,
        **{part: kept(standing.get(part, {}), new) for part, new in found.content.items()},
    }
    document = {
        part: still_unconfirmed(forms[part], standing.get(part, {}), values)
        if part in forms
        else values
        for part, values in document.items()
    }
    wrong = [
        {
            "pointer": f"/{one.column}{one.row}",
            "code": one.code,
            "message": f"{one.column}{one.row} 格：{one.message}。{one.mend}",
        }
        for one in found.problems
    ]
    for one in parts.contents.structure(rules, case.plan.parts, document).findings:
        cell = found.cell_of(one.pointer)
        place = f"{cell} 格：" if cell else ""
        at = f"/{cell}" if cell else f"/parts{one.pointer}"
        wrong.append({"pointer": at, "code": one.code, "message": f"{place}{one.message}"})
    if wrong:
        raise invalid(wrong)
    _refuse_expired(forms.values(), parts)
    saved = await parts.filings.save_draft(case, based_on, document, call.actor)
    shown = await _body(parts, case, saved, call)
    cells = {
        one.pointer: cell
        for one in shown.report.findings
        if (cell := found.cell_of(one.pointer.removeprefix("/parts")))
    }
    body = WorkbookSaved(**dict(shown), cells=cells)
    return json_of(body, headers={"ETag": f'"{body.revision}"'})


async def get_pdf(call: Call) -> Response:
    """The whole filing as a PDF, with lines for the filer and the responsible person to sign on."""
    case, parts = case_of(call), parts_of(call.request)
    asked = query(call.request, "revision", RevisionNumber, 0)
    revision = await _revision(call, asked)
    if revision is None:
        raise Refused(Refusal(code=Code.NOTHING_TO_SUBMIT))
    known = await parts.records.filing(case.case_id)
    sent = [
        step
        for step in submissions(known.steps)
        if step.body["content_sha256"] == revision.sha256
        and step.body["revision"] == revision.revision
    ]
    due = await parts.filings.due_of(case)
    report_ = await parts.contents.report(
        due.rules,
        due.parts,
        due.institution,
        revision.content,
        granted(known.own, counting(case, known)),
    )
    beside = Beside(
        report=report_,
        waivers=reasons_of_waivers(case, known),
        files=await parts.filing_files.seen(case, call.actor, revision.revision),
        receipt=await parts.receipts.of(case, sent[-1].sequence) if sent else None,
        authority_name=parts.authority_name,
    )
    uscc = due.institution.uscc if due.institution is not None else ""
    paper = FilingPaper(
        authority=authority_of(case.region),
        data=filing_data(case, uscc, due.rules, revision, beside),
        timestamp=revision.saved_at,
    )
    job = Job(kind="filing", templates=parts.printer.templates, filing=paper)
    _, printed = await parts.printer.print(job, call.actor.subject)
    name = quote(f"{case.year}-{case.institution_id}-{revision.revision}.pdf")
    headers = {"Content-Disposition": f"inline; filename*=UTF-8''{name}"}
    return Response(printed, media_type="application/pdf", headers=headers)


async def _based_on(parts: Parts, case: Case, based_on: int) -> dict[str, Any]:
    """The content that is built on. Whether it is still the newest is seen when it is saved."""
    if not based_on:
        return {}
    found = await parts.records.revision(case, based_on)
    if found is None:
        latest = await parts.records.latest_revision(case)
        params = {"given": str(based_on), "latest": str(latest.revision if latest else 0)}
        raise Refused(Refusal(code=Code.REVISION_CONFLICT, params=params))
    return found.content


async def _submitted_revisions(parts: Parts, case: Case) -> frozenset[int]:
    steps = await parts.records.steps(case)
    return frozenset(
        int(step.body["revision"]) for step in steps if step.event == EventName.SUBMITTED
    )


async def _revision(call: Call, asked: int) -> Revision | None:
    """The revision asked for, 0 for the newest that the asker may see; a filer sees drafts.

    Raises Refused for one there is not, and for a draft that was never submitted.
    """
    case, parts = case_of(call), parts_of(call.request)
    filer = of_institution(call.actor)
    if not asked:
        if filer:
            return await parts.records.latest_revision(case)
        return await parts.records.revision(case, case.revision)
    found = await parts.records.revision(case, asked)
    if found is None or not (filer or asked in await _submitted_revisions(parts, case)):
        raise Refused(Refusal(code=Code.NOT_FOUND, params={"what": f"第 {asked} 稿"}))
    return found


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
    forms = rules.forms_of(case.plan.parts)
    _refuse_expired(forms.values(), parts)
    standing = await parts.records.revision(case, based_on) if based_on else None
    if standing is not None:
        document = {
            part: still_unconfirmed(forms[part], standing.content.get(part, {}), values)
            for part, values in document.items()
        }
    wrong = parts.contents.structure(rules, case.plan.parts, document)
    if wrong.findings:
        raise invalid([_error(_placed(one)) for one in wrong.findings])
    saved = await parts.filings.save_draft(case, based_on, document, call.actor)
    return await _shown(parts, case, saved, call)


async def submit(call: Call) -> Response:
    """Submits a revision; what keeps it from being accepted is told in full."""
    try:
        answer = await act(_submit)(call)
        await parts_of(call.request).receipts.after_submission(case_of(call))
        return answer
    except Refused as refused:
        if refused.refusal.code is not Code.CONTENT_INCOMPLETE:
            raise
        case, parts = case_of(call), parts_of(call.request)
        revision = await parts.records.revision(case, call.body.revision)
        known = await parts.records.filing(case.case_id)
        found = await _report(parts, case, revision.content if revision else {}, known)
        errors = [_error(one) for one in found.open]
        raise InvalidFields(refused.refusal, errors[:MOST_ERRORS]) from None


def _submit(call: Call, base: dict[str, Any]) -> Built:
    body: SubmitBody = call.body
    submission = Submit(
        **base,
        revision=body.revision,
        content_sha256=body.sha256,
        choice=body.choice,
        correction=body.correction,
        files=body.files,
    )
    corrects = body.correction and body.reason.strip()
    return submission, {"reason": body.reason} if corrects else None


def revision_in(tag: str | None) -> int:
    """The revision an ``If-Match`` names. Raises Refused when it names none."""
    bare = (tag or "").strip().removeprefix("W/").strip('"')
    if not (bare.isascii() and bare.isdigit() and len(bare) < 9):
        raise Refused(Refusal(code=Code.MATCH_REQUIRED))
    return int(bare)


async def _shown(
    parts: Parts, case: Case, revision: Revision | None, call: Call, asked: int = 0
) -> Response:
    body = await _body(parts, case, revision, call, asked)
    return json_of(body, headers={"ETag": f'"{body.revision}"'})


async def _body(
    parts: Parts, case: Case, revision: Revision | None, call: Call, asked: int = 0
) -> DraftShown:
    known = await parts.records.filing(case.case_id)
    files = await parts.filing_files.seen(case, call.actor, asked)
    number = revision.revision if revision else 0
    content = revision.content if revision else {}
    rules = await parts.pinned.get(case.rule_set)
    forms = rules.forms_of(case.plan.parts)
    return DraftShown(
        revision=number,
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
        files=tuple(files),
        saved_by=revision.saved_by if revision else "",
        saved_at=revision.saved_at if revision else None,
        report=await _report(parts, case, content, known),
        standing=standing(call, rules, number, known, files),
    )


async def _report(
    parts: Parts, case: Case, document: dict[str, Any], known: FilingOnRecord
) -> FormReport:
    """What is found about a content: its forms, and parts that are not to be filed any more.

    Places are those of the answer, where the content stands under ``parts``.
    """
    due = await parts.filings.due_of(case)
    found = await parts.contents.report(
        due.rules, due.parts, due.institution, document, granted(known.own, counting(case, known))
    )
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


def _refuse_expired(forms: Iterable[Form], parts: Parts) -> None:
    refusal = expired(forms, day_of(parts.clock()))
    if refusal is not None:
        raise Refused(refusal)


def _left_over(part: str, due: Due) -> FormFinding:
    refusal = left_over_refusal([part], due.parts)
    assert refusal is not None
    words = explained(refusal)
    at = pointer("parts", part)
    return FormFinding(
        code=refusal.code, pointer=at, fields=(at,), message=f"{words.detail}{words.remedy}"
    )


def _error(found: FormFinding) -> dict[str, str]:
    """A finding as the errors of a refused request have it."""
    return {"pointer": found.pointer, "code": found.code, "message": found.message}
