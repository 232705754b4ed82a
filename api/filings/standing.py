"""What stands beside a filing's content: confirmation, waivers, remarks; its versions, a review."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, NamedTuple

from pydantic import Field
from starlette.responses import Response

from api.cases.acts import (
    RECEIPT_EXAMPLE,
    Built,
    Cause,
    FieldReason,
    act,
    acting,
    case_of,
    form_fields,
    told,
)
from api.door.operations import Call, Handler, Operation, Parameter, Targeting, json_of, schema_of
from api.door.parts import Parts, parts_of
from api.door.problems import source
from api.door.requests import Text, invalid, path, pointer, query
from api.door.rights import Right, of_institution
from domain.case.commands import ROLE_LABELS, Document, Sha256
from domain.case.events import EventName, Step
from domain.case.status import EDITABLE
from domain.filing.attesting import AskUnsigned, Attest, DemandSigner, ExcuseSigner
from domain.filing.beside import FilesSeen
from domain.filing.correcting import Version, versions
from domain.filing.kind import FILING
from domain.filing.remarking import WITH_REMARKS, Remark
from domain.filing.state import Signer, Waiver, WaiverState
from domain.filing.waiving import (
    WAIVER_GRANTED,
    WAIVER_STATE_LABELS,
    AskWaiver,
    DeclineWaiver,
    GrantWaiver,
    granted,
)
from domain.jurisdictions import AuthorityId
from domain.model import Value
from domain.refusals import Code, Refusal, Refused
from rules.compiled import CompiledRules
from rules.filing.forms.changes import Change, changes
from rules.filing.forms.findings import FormReport
from services.case_records import Case, FilingOnRecord
from services.filing_files import FilingFile
from services.filing_receipts import handed_out

RevisionNumber = Annotated[int, Field(ge=1, le=2**31 - 1)]
WaiverNumber = Annotated[int, Field(ge=1, le=2**31 - 1)]
StepNumber = Annotated[int, Field(ge=0, le=2**31 - 1)]


class AttestationShown(Value):
    """Whether the unit's responsible person has to confirm, and what stands confirmed.

    ``revision`` is what was confirmed last, 0 for nothing; it ``holds`` while that is the newest,
    with the same files beside it.
    ``signer``: ``asked`` where the operator was asked to do without, ``excused`` where it agreed.
    """

    required: bool
    source: dict[str, str] | None
    revision: int
    by: str
    at: datetime | None
    holds: bool
    signer: Signer


class WaiverShown(Value):
    """A request to waive a blocking check: what was found, who asked and why, who decided and why.

    ``pointer`` is the place in the draft, ``finding`` the hash that the finding has in reports.
    """

    number: int
    part: str
    check: str
    pointer: str
    finding: str
    message: str
    state: WaiverState
    state_label: str
    authority: str
    authority_name: str
    asked_by: str
    asked_at: datetime
    reason: str
    decided_by: str
    decided_at: datetime | None
    why: str


class RemarkShown(Value):
    """What an authority wrote about a field; ``field`` empty: about the part as a whole."""

    part: str
    field: str
    pointer: str
    text: str
    event: str
    label: str
    role: str
    authority: str
    subject: str
    revision: int
    at: datetime


class Standing(Value):
    """What stands beside the content of a filing."""

    attestation: AttestationShown
    waivers: tuple[WaiverShown, ...]
    remarks: tuple[RemarkShown, ...]


class Waivers(Value):
    """The waivers of a filing, in the order in which they were asked for."""

    items: tuple[WaiverShown, ...]


class ReceiptShown(Value):
    """The receipt of a submission; ``signature`` is Ed25519 over the canonical JSON of ``body``."""

    body: dict[str, Any]
    sha256: str
    key: str
    signature: str


class VersionShown(Version):
    """A version with its ``reason`` in words; ``changes`` is what differs from the one before."""

    reason: str
    changes: tuple[Change, ...]


class Versions(Value):
    """The versions of a filing, the first one first; each is read under its revision."""

    items: tuple[VersionShown, ...]


class PeerShown(Value):
    """One figure beside what is usual among institutions alike."""

    pointer: str
    label: str
    value: str
    group: str
    count: int
    median: str
    low: str
    high: str
    unusual: bool


class ReviewShown(Value):
    """What a reviewer compares a submission with; nothing in it can be changed.

    ``before`` is the revision submitted before this one, 0 for none; ``last_year`` is what differs
    from what was completed for the year before, None where nothing was. ``files`` are those
    submitted with it, ``files_before`` those with the one before.
    """

    revision: int
    sha256: str
    before: int
    changes: tuple[Change, ...]
    last_year: tuple[Change, ...] | None
    report: FormReport
    peers: tuple[PeerShown, ...]
    files: tuple[FilingFile, ...]
    files_before: tuple[FilingFile, ...]
    questions: int
    standing: Standing


class AttestBody(Value):
    """Which revision is confirmed, with the hash of what was read.

    ``files`` are the hashes of the files that were looked at; without it all that there are.
    """

    revision: RevisionNumber
    sha256: Sha256
    files: FilesSeen = None


class Excuse(Value):
    """Why a filing goes without a confirmation, and under which document."""

    reason: Text
    document: Document = ""


class WaiverBody(Value):
    """Which finding of which revision is to be waived, and why; ``choice`` as for submitting."""

    revision: RevisionNumber
    finding: Sha256
    reason: Text
    choice: AuthorityId | None = None


class Remarks(Value):
    """Remarks on fields of the filing; a field left empty stands for the whole part."""

    fields: tuple[FieldReason, ...] = Field(min_length=1, max_length=500)


# --- what is shown --------------------------------------------------------------------------------


def standing(
    call: Call,
    rules: CompiledRules,
    newest: int,
    known: FilingOnRecord,
    files: Sequence[FilingFile],
) -> Standing:
    """What stands beside a content whose newest revision is ``newest``, with its files."""
    return Standing(
        attestation=_attestation(rules, newest, known, {one.sha256 for one in files}),
        waivers=tuple(_waivers(call, known)),
        remarks=tuple(_remarks(call, known)),
    )


def _attestation(
    rules: CompiledRules, newest: int, known: FilingOnRecord, files: set[str]
) -> AttestationShown:
    last, cite = known.own.attestation, rules.attestation
    return AttestationShown(
        required=cite is not None and known.own.signer is not Signer.EXCUSED,
        source=source(cite) if cite is not None else None,
        revision=last.revision if last is not None else 0,
        by=last.by if last is not None else "",
        at=last.at if last is not None else None,
        holds=last is not None and last.revision == newest and set(last.files) == files,
        signer=known.own.signer,
    )


def _waivers(call: Call, known: FilingOnRecord) -> Sequence[WaiverShown]:
    steps: dict[int, list[Step]] = {}
    for step in _this_life(known.steps):
        if "waiver" in step.body:
            steps.setdefault(step.body["waiver"], []).append(step)
    shown = []
    for one in known.own.waivers:
        asked, *decided = steps[one.number]
        note = known.notes.get(asked.note_sha256, {})
        last = decided[-1] if decided else None
        why = known.notes.get(last.note_sha256, {}) if last is not None else {}
        by = last.actor.subject if last is not None else ""
        shown.append(
            WaiverShown(
                number=one.number,
                part=one.part,
                check=one.check,
                pointer=f"/parts{one.pointer}",
                finding=one.finding,
                message=note.get("finding", ""),
                state=one.state,
                state_label=WAIVER_STATE_LABELS[one.state],
                authority=one.authority,
                authority_name=parts_of(call.request).authority_name(one.authority),
                asked_by=asked.actor.subject,
                asked_at=asked.at,
                reason=note.get("reason", ""),
                # the filer deals with an authority, not with the person in it
                decided_by="" if of_institution(call.actor) else by,
                decided_at=last.at if last is not None else None,
                why=why.get("reason", ""),
            )
        )
    return shown


def counting(case: Case, known: FilingOnRecord) -> str | None:
    """Whose waivers count: its reviewer's once a filing is submitted, before that anybody's."""
    if case.status in EDITABLE:
        return None
    assigned = [step for step in _this_life(known.steps) if step.event == EventName.ASSIGNED]
    return str(assigned[-1].body["reviewer"]) if assigned else None


def reasons_of_waivers(case: Case, known: FilingOnRecord) -> list[tuple[Waiver, str]]:
    """The waivers that count, each with the reason that the authority gave."""
    authority = counting(case, known)
    why = {
        step.body["waiver"]: known.notes.get(step.note_sha256, {}).get("reason", "")
        for step in _this_life(known.steps)
        if step.event == WAIVER_GRANTED
    }
    return [
        (one, why.get(one.number, ""))
        for one in known.own.waivers
        if one.state is WaiverState.GRANTED and authority in (None, one.authority)
    ]


def _this_life(steps: Sequence[Step]) -> Sequence[Step]:
    """The steps since a filing began, or began anew after its year was annulled."""
    begun = [n for n, step in enumerate(steps) if step.event == EventName.SCHEDULED]
    return steps[begun[-1] :] if begun else steps


def _remarks(call: Call, known: FilingOnRecord) -> Sequence[RemarkShown]:
    return [
        RemarkShown(
            part=one["part"],
            field=one["field"],
            pointer=pointer("parts", one["part"], *filter(None, [one["field"]])),
            text=one["reason"],
            event=step.event,
            label=FILING.events[step.event].label,
            role=ROLE_LABELS[step.actor.role],
            authority=step.actor.scope,
            subject="" if of_institution(call.actor) else step.actor.subject,
            revision=step.body.get("revision") or (step.position.revision if step.position else 0),
            at=step.at,
        )
        for step in reversed(_this_life(known.steps))
        if step.event in WITH_REMARKS
        for one in known.notes.get(step.note_sha256, {}).get("fields", ())
    ]


async def list_waivers(call: Call) -> Response:
    """The waivers of a filing."""
    known = await parts_of(call.request).records.filing(case_of(call).case_id)
    return json_of(Waivers(items=tuple(_waivers(call, known))))


async def get_receipt(call: Call) -> Response:
    """The receipt of the newest submission, or of the one at a step."""
    sequence = query(call.request, "sequence", StepNumber, 0)
    found = await parts_of(call.request).receipts.of(case_of(call), sequence)
    if found is None:
        what = f"第 {sequence} 步的提交回执" if sequence else "提交回执：本件还没有提交"
        raise Refused(Refusal(code=Code.NOT_FOUND, params={"what": what}))
    return json_of(ReceiptShown.model_validate(handed_out(found)))


async def list_versions(call: Call) -> Response:
    """The versions of a filing, with what differs from one to the next."""
    case, parts = case_of(call), parts_of(call.request)
    known = await parts.records.filing(case.case_id)
    rules = await parts.pinned.get(case.rule_set)
    forms = rules.forms_of(case.plan.parts)
    items: list[VersionShown] = []
    before: dict[str, Any] | None = None
    for one, note_sha256 in versions(known.steps):
        revision = await parts.records.revision(case, one.revision)
        content = revision.content if revision is not None else {}
        differs = changes(forms, before, content) if before is not None else []
        reason = known.notes.get(note_sha256, {}).get("reason", "")
        items.append(VersionShown(**dict(one), reason=reason, changes=tuple(differs)))
        before = content
    return json_of(Versions(items=tuple(items)))


async def get_review(call: Call) -> Response:
    """What was submitted, beside everything that it can be compared with."""
    case, parts = case_of(call), parts_of(call.request)
    known = await parts.records.filing(case.case_id)
    revision = await parts.records.revision(case, case.revision)
    if revision is None:
        what = "提交的内容：本件还没有提交"
        raise Refused(Refusal(code=Code.NOT_FOUND, params={"what": what}))
    submitted = [
        int(step.body["revision"])
        for step in _this_life(known.steps)
        if step.event == EventName.SUBMITTED
    ]
    number = max((one for one in submitted if one < revision.revision), default=0)
    earlier = await parts.records.revision(case, number) if number else None
    rules = await parts.pinned.get(case.rule_set)
    forms = rules.forms_of(case.plan.parts)
    last = await parts.contents.year_before(case.institution_id, case.year)
    due = await parts.filings.due_of(case)
    report = await parts.contents.report(
        rules,
        due.parts,
        due.institution,
        revision.content,
        granted(known.own, counting(case, known)),
    )
    files = await parts.filing_files.seen(case, call.actor, revision.revision)
    before = await parts.filing_files.seen(case, call.actor, number) if number else []
    peers = await parts.contents.among_peers(rules, revision.content)
    return json_of(
        ReviewShown(
            revision=revision.revision,
            sha256=revision.sha256,
            before=number,
            changes=tuple(changes(forms, earlier.content, revision.content)) if earlier else (),
            last_year=tuple(changes(forms, last, revision.content)) if last else None,
            report=report,
            peers=tuple(
                PeerShown(
                    pointer=pointer("parts", one.part, one.field),
                    label=one.label,
                    value=str(one.value),
                    group=one.usual.group,
                    count=one.usual.count,
                    median=str(one.usual.median),
                    low=str(one.usual.low),
                    high=str(one.usual.high),
                    unusual=not one.usual.low <= one.value <= one.usual.high,
                )
                for one in peers
            ),
            files=tuple(files),
            files_before=tuple(before),
            questions=len(known.own.questions),
            standing=standing(call, rules, revision.revision, known, files),
        )
    )


# --- acts -----------------------------------------------------------------------------------------


def _attest(call: Call, base: dict[str, Any]) -> Built:
    body: AttestBody = call.body
    return (
        Attest(**base, revision=body.revision, content_sha256=body.sha256, files=body.files),
        None,
    )


def _ask_unsigned(call: Call, base: dict[str, Any]) -> Built:
    return AskUnsigned(**base), {"reason": call.body.reason}


def _excuse(call: Call, base: dict[str, Any]) -> Built:
    return ExcuseSigner(**base, document=call.body.document), {"reason": call.body.reason}


def _demand(call: Call, base: dict[str, Any]) -> Built:
    return DemandSigner(**base), {"reason": call.body.reason}


async def ask_waiver(call: Call) -> Response:
    """Asks to have a blocking check waived; what was found is kept with the request."""
    case, parts, body = case_of(call), parts_of(call.request), call.body
    known = await parts.records.filing(case.case_id)
    # what a repeated request asks for may have been mended since; the record answers for it
    before = _asked_before(known, body) if call.repeated else None
    found = before or await _waivable(parts, case, body)

    def build(_: Call, base: dict[str, Any]) -> Built:
        command = AskWaiver(
            **base,
            part=found.part,
            check=found.check,
            pointer=found.pointer,
            finding=body.finding,
            choice=body.choice,
        )
        return command, {"reason": body.reason, "finding": found.message}

    return await act(build)(call)


class _Found(NamedTuple):
    """What a waiver is asked for."""

    part: str
    check: str
    pointer: str
    message: str


def _asked_before(known: FilingOnRecord, body: WaiverBody) -> _Found | None:
    """What was found when it was asked for before: a repeated request asks for the very same."""
    one = next((one for one in known.own.waivers if one.finding == body.finding), None)
    if one is None:
        return None
    asked = next(step for step in _this_life(known.steps) if step.body.get("waiver") == one.number)
    message = known.notes.get(asked.note_sha256, {}).get("finding", "")
    return _Found(one.part, one.check, one.pointer, message)


async def _waivable(parts: Parts, case: Case, body: WaiverBody) -> _Found:
    """A finding of the newest revision that only a waiver or another figure ends."""
    latest = await parts.records.latest_revision(case)
    if latest is None or latest.revision != body.revision:
        newest = str(latest.revision if latest is not None else 0)
        params = {"revision": str(body.revision), "latest": newest}
        raise Refused(Refusal(code=Code.STALE_REVISION, params=params))
    due = await parts.filings.due_of(case)
    # what one authority has waived another one may be asked for
    report = await parts.contents.report(due.rules, due.parts, due.institution, latest.content)
    for one in report.findings:
        if one.sha256 == body.finding and one.open and one.check is not None:
            part = one.pointer.split("/")[1]
            return _Found(part, one.check, one.pointer, one.message)
    raise Refused(Refusal(code=Code.NOT_WAIVABLE, params={"revision": str(body.revision)}))


def _grant(call: Call, base: dict[str, Any]) -> Built:
    return GrantWaiver(**base, waiver=_waiver(call)), {"reason": call.body.reason}


def _decline(call: Call, base: dict[str, Any]) -> Built:
    return DeclineWaiver(**base, waiver=_waiver(call)), {"reason": call.body.reason}


def _waiver(call: Call) -> int:
    number: int = path(call.request, "waiver", WaiverNumber)
    return number


def _remark(call: Call, base: dict[str, Any]) -> Built:
    known = case_of(call).plan.parts
    unknown = [
        {
            "pointer": pointer("fields", index, "part"),
            "code": "unknown_part",
            "message": f"没有这一部分；本件有 {'、'.join(known)}",
        }
        for index, one in enumerate(call.body.fields)
        if one.part not in known
    ]
    if unknown:
        raise invalid(unknown)
    return Remark(**base), {"fields": [one.model_dump() for one in call.body.fields]}


_REVISION = {"revision": 3, "sha256": RECEIPT_EXAMPLE["command_sha256"]}
_WAIVER = {
    "revision": 3,
    "finding": _REVISION["sha256"],
    "reason": "年内合并了两个实验室，上年数据只含其中一个",
}
_REASON = {"reason": "单位负责人空缺，新任人选尚未任命"}
_REMARKS = {"fields": [{"part": "statistics", "field": "staff", "reason": "请与社保人数核对"}]}


def standing_operations(prefix: str, tag: str, target: Targeting) -> list[Operation]:
    """Confirming, waiving, remarking; the receipt, the versions and what a reviewer compares."""
    one = f"{prefix}/waivers/{{waiver}}"
    ask_unsigned, excuse, demand, grant, decline = (
        told(act(build)) for build in (_ask_unsigned, _excuse, _demand, _grant, _decline)
    )
    rows: list[tuple[str, Handler, str, Right, type[Value], Any]] = [
        (f"{prefix}/attest", act(_attest), "单位负责人确认", Right.ATTEST, AttestBody, _REVISION),
        (f"{prefix}/ask-unsigned", ask_unsigned, "申请免予确认", Right.FILE, Cause, _REASON),
        (f"{prefix}/excuse-signer", excuse, "准予免予确认", Right.OPERATE, Excuse, _REASON),
        (f"{prefix}/demand-signer", demand, "不予免予确认", Right.OPERATE, Cause, _REASON),
        (f"{prefix}/waivers", told(ask_waiver), "申请豁免校验", Right.FILE, WaiverBody, _WAIVER),
        (f"{one}/grant", grant, "准予豁免", Right.REVIEW, Cause, _REASON),
        (f"{one}/decline", decline, "不予豁免", Right.REVIEW, Cause, _REASON),
        (
            f"{prefix}/remarks",
            act(_remark, form_fields),
            "对字段批注",
            Right.CLAIM,
            Remarks,
            _REMARKS,
        ),
    ]
    reads: list[tuple[str, Handler, str, Right, type[Value], tuple[Parameter, ...]]] = [
        ("waivers", list_waivers, "豁免校验的申请", Right.SEE_CONTENT, Waivers, ()),
        ("receipt", get_receipt, "提交回执", Right.SEE_FILING, ReceiptShown, (_STEP,)),
        ("versions", list_versions, "办结的各版", Right.SEE_CONTENT, Versions, ()),
        ("review", get_review, "审核对照", Right.SEE_CONTENT, ReviewShown, ()),
    ]
    return [
        *(
            Operation(
                "GET",
                f"{prefix}/{name}",
                handler,
                summary,
                tag,
                right,
                answer,
                target=target,
                parameters=parameters,
            )
            for name, handler, summary, right, answer, parameters in reads
        ),
        *(
            acting(address, handler, summary, right, body, example, tag=tag, target=target)
            for address, handler, summary, right, body, example in rows
        ),
    ]


_STEP = Parameter("sequence", "哪一步提交；不写则为最近一次提交", schema=schema_of(StepNumber))
