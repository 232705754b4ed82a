"""One case's rows against its journal, in both directions. Pure.

What stands in the read model must follow from a step, and what a step says must stand there.
"""

import gzip
import hashlib
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from itertools import groupby, pairwise
from typing import Any, NamedTuple

from pydantic import ValidationError

from audit.chains import journal_fault, outbox_faults, refusal_fault
from audit.findings import NO_KEY, Finding, Kind
from audit.receipts import receipt_fault, unlike_record
from domain.canonical import sha256_of
from domain.case.amending import plan_before, ruled_by
from domain.case.events import EventName, Step, event_of
from domain.case.kind import CaseKind, evolve, position
from domain.case.opening import opening_sha256
from domain.case.plan import CasePlan
from domain.case.state import CaseState
from domain.case.workflow_messages import CaseOpening
from domain.certificates.certificate import CertificateContent
from domain.certificates.kind import CERTIFICATE
from domain.certificates.statement import PublishedKeys, Statement, StatementProblem, verify
from domain.complaints import COMPLAINT, ComplaintEvent, complaint_sha256
from domain.filing.kind import FILING
from domain.kinds import kind_of
from domain.numbers.batch import BATCH
from domain.numbers.commands import NumberEvent
from domain.numbers.report_numbers import UploadStage
from domain.operator_events import OPERATOR_EVENTS
from domain.text import normalised
from store.auditing import CaseRows, Row
from store.writer import case_row, sees_from

UNDER_WAY = timedelta(hours=1)
"""For so long a table may be ahead of the journal, or behind it: something is just being done."""

DERIVED = (
    "case_id", "kind", "year", "quarter", "institution_id", "jurisdiction", "campaign", "rule_set",
    "plan", "status", "level", "authority", "claimed_by", "revision", "due", "obligation",
    "submitted_at", "late", "extended_until", "reviewer", "sequence", "head", "opened_at",
    "updated_at", "launched", "return_asked", "signer_asked", "waiver_asked", "extension",
    "waiting_since",
)  # fmt: skip
"""The columns of ``cases`` that are compared with the journal: all there are."""


class Circumstances(NamedTuple):
    """What a case's checks need beside its rows: the instant, and the keys of certificates and of
    receipts."""

    now: datetime
    certificate_keys: PublishedKeys
    receipt_keys: PublishedKeys


class _Checking:
    """The checks of one case whose chain holds."""

    def __init__(self, rows: CaseRows, about: Circumstances) -> None:
        self.rows = rows
        self.case_id = rows.case_id
        self.about = about
        self.steps = [Step(**row["step"], hash=row["hash"]) for row in rows["journal"]]
        self.case = rows["cases"][0] if rows["cases"] else None

    def wrong(
        self, table: str, message: str, sequence: int | None = None, kind: Kind = Kind.UNLIKE
    ) -> Finding:
        return Finding(
            kind=kind, case_id=self.case_id, sequence=sequence, table=table, message=message
        )

    def events(self, *names: str) -> list[Step]:
        return [step for step in self.steps if step.event in names]

    def differs(
        self,
        table: str,
        row: Row,
        expected: Mapping[str, Any],
        sequence: int | None = None,
        what: str = "",
    ) -> Iterator[Finding]:
        """The first column of a row that is not what the journal says."""
        for column, value in expected.items():
            if row[column] != value:
                told = f"{what}{column} 为 {_shown(row[column])}，按日志应为 {_shown(value)}"
                yield self.wrong(table, told, sequence)
                return


def check_case(rows: CaseRows, about: Circumstances) -> Iterator[Finding]:
    """What is wrong with one case or one chain of operators."""
    if (refused := refusal_fault(rows)) is not None:
        yield refused
    yield from _archives(rows)
    if not rows["journal"] and not rows["outbox"]:
        yield from _without_journal(rows, about)
        return
    fault = journal_fault(rows)
    if fault is not None:
        # whatever else differs, differs because of it
        yield fault
        return
    yield from outbox_faults(rows)
    kind = kind_of(rows.case_id)
    try:
        checking = _Checking(rows, about)
        if kind is None:
            yield from _operators(checking)
        else:
            yield from _case(checking, kind)
    except (ValidationError, KeyError, TypeError, ValueError, AttributeError) as unreadable:
        yield Finding(
            kind=Kind.UNLIKE,
            case_id=rows.case_id,
            sequence=None,
            table="cases" if kind is not None else "journal",
            message=f"内容读不出来（{type(unreadable).__name__}），不是本系统写的样子",
        )


def _without_journal(rows: CaseRows, about: Circumstances) -> Iterator[Finding]:
    for table, present in rows.rows.items():
        if table in ("journal", "refusals", "refusal_heads") or not present:
            continue
        if table == "complaints" and about.now - present[0]["received_at"] < UNDER_WAY:
            continue
        yield Finding(
            kind=Kind.WITHOUT_STEP,
            case_id=rows.case_id,
            sequence=None,
            table=table,
            message="表中有行，日志里没有这一件",
        )
        return


def _archives(rows: CaseRows) -> Iterator[Finding]:
    for row in rows["histories"]:
        try:
            text = gzip.decompress(row["content"])
        except (OSError, EOFError, zlib.error):
            text = b""
        if hashlib.sha256(text).hexdigest() != row["sha256"]:
            yield Finding(
                kind=Kind.ARCHIVE,
                case_id=rows.case_id,
                sequence=row["sequence"],
                table="histories",
                message=f"存档的流程历史 {row['run_id']} 与其哈希不符",
            )
            return


# --- cases ----------------------------------------------------------------------------------------


def _case(c: _Checking, kind: CaseKind) -> Iterator[Finding]:
    if c.case is None:
        yield c.wrong("cases", "日志里有这一件，办件表里没有", kind=Kind.DELETED)
        return
    plan = CasePlan.model_validate(c.case["plan"])
    state = kind.new()
    for step in c.steps:
        if step.event not in kind.events:
            yield c.wrong("journal", f"{kind.label}没有 {step.event} 这样的步骤", step.sequence)
            return
        state = evolve(kind, state, event_of(step))
    yield from _read_model(c, kind, plan)
    yield from _openings_before(c)
    yield from _positions(c, kind, plan)
    yield from _assignments(c)
    yield from _revisions(c, kind)
    if kind is FILING:
        yield from _receipts(c, plan)
    if kind is BATCH:
        yield from _uploads(c, plan)
        yield from _changes(c)
    if kind is COMPLAINT:
        yield from _complaint(c)
    if kind is CERTIFICATE:
        yield from _certificate(c, state)
    for table, wanted in (
        ("uploads", BATCH),
        ("complaints", COMPLAINT),
        ("filing_receipts", FILING),
    ):
        if kind is not wanted and c.rows[table]:
            yield c.wrong(table, f"{kind.label}不会有这样的行", kind=Kind.WITHOUT_STEP)


def _read_model(c: _Checking, kind: CaseKind, plan: CasePlan) -> Iterator[Finding]:
    """Every column of the case's row."""
    case = c.case
    assert case is not None
    first, last = _lives(c.steps)[-1][0].body, c.steps[-1].sequence
    vouched = first.get("opening_sha256")
    # as the model writes it: nothing in it that the model does not know
    normal = plan.model_dump(mode="json", exclude_unset=True) == case["plan"]
    opening = CaseOpening(
        kind=case["kind"],
        year=case["year"],
        quarter=case["quarter"],
        institution=case["institution_id"] or first.get("institution", ""),
        jurisdiction=case["jurisdiction"],
        campaign=case["campaign"],
        plan=plan_before(plan, _lives(c.steps)[-1]),
        renews=first.get("renews", ""),
        newcomer=first.get("newcomer"),
        region=first.get("region", ""),
    )
    if not normal or (vouched and opening_sha256(opening) != vouched):
        told = "年度、机构、辖区、所属工作或计划（plan）与建立时记下的哈希不符"
        yield c.wrong("cases", told, 1)
        return
    expected = {
        "kind": kind.name,
        "rule_set": plan.ruleset.sha256,
        "obligation": plan.obligation.outcome,
        **_folded(c.steps),
    }
    yield from c.differs("cases", case, expected, last)
    if not case["launched"] and len({step.command_id for step in _lives(c.steps)[-1]}) > 1:
        yield c.wrong("cases", "launched 为否，而这一件已经有人办理", last)


def _folded(steps: Sequence[Step]) -> dict[str, Any]:
    """What the columns of a case's row come to, step by step, as the writer writes them."""
    row: dict[str, Any] = {
        "submitted_at": None, "late": False, "extended_until": None, "reviewer": "",
        "return_asked": False, "signer_asked": False, "waiver_asked": False, "extension": "",
    }  # fmt: skip
    since = _lives(steps)[-1]
    for place, (_, group) in enumerate(groupby(since, key=lambda step: step.command_id)):
        said: dict[str, Any] = {}
        for step in group:
            said = {**said, **case_row(step)}
        at = datetime.fromisoformat(said["at"])
        if place == 0:
            row["opened_at"] = at
        if any(row.get(name) != said[name] for name in _PLACE):
            row["waiting_since"] = at
        due = said["due"]
        row |= {
            **{name: said[name] for name in _AS_TOLD},
            "due": datetime.fromisoformat(due) if due else None,
            "head": said["hash"],
            "updated_at": at,
            "late": row["late"] or bool(said.get("late")),
            "reviewer": said.get("reviewer") or row["reviewer"],
        }
        for name in ("return_asked", "signer_asked", "waiver_asked", "extension"):
            if said.get(name) is not None:
                row[name] = said[name]
        for name, kept in (("submitted_at", True), ("extended_until", False)):
            told = said.get(name)
            if told and not (kept and row[name]):
                row[name] = datetime.fromisoformat(told)
    return row


_PLACE = ("status", "level", "authority")
_AS_TOLD = ("status", "level", "authority", "claimed_by", "revision", "sequence")


def _lives(steps: Sequence[Step]) -> list[Sequence[Step]]:
    """The steps of a case by its beginnings: one for each time its year was opened."""
    begun = [n for n, step in enumerate(steps) if n and step.event == EventName.SCHEDULED]
    return [steps[start:end] for start, end in pairwise([0, *begun, len(steps)])]


def _before(later: Sequence[Step]) -> CaseOpening:
    """What a case was opened with before it began anew with these steps."""
    return CaseOpening.model_validate(later[0].body["before"])


def _openings_before(c: _Checking) -> Iterator[Finding]:
    """What a filing ran on before its year was annulled, as it began anew, and when it had begun.

    It is told by the step that it began anew with, and vouched for by the first of those before.
    """
    for life, later in pairwise(_lives(c.steps)):
        vouched = life[0].body.get("opening_sha256")
        opened = _before(later)
        began = opened.model_copy(update={"plan": plan_before(opened.plan, life)})
        if life[-1].event != EventName.ANNULLED:
            told = f"第 {later[0].sequence} 步重新列入，此前却没有作废"
            yield c.wrong("journal", told, later[0].sequence)
            return
        if vouched and opening_sha256(began) != vouched:
            told = f"第 {later[0].sequence} 步所记的此前的计划，与当时记下的哈希不符"
            yield c.wrong("journal", told, later[0].sequence)
            return


def _positions(c: _Checking, kind: CaseKind, plan: CasePlan) -> Iterator[Finding]:
    """Where each step says that the case stands, against what the steps before it come to."""
    state: CaseState = kind.new()
    lives = _lives(c.steps)
    # a life before ended on the plan that the step after it tells
    ended_on = [*(_before(later).plan for later in lives[1:]), plan]
    begun_on = {
        life[0].sequence: plan_before(last, life)
        for life, last in zip(lives, ended_on, strict=True)
    }
    for step in c.steps:
        plan = ruled_by(begun_on.get(step.sequence, plan), step.event, step.body)
        state = evolve(kind, state, event_of(step))
        assert step.position is not None
        if position(kind, state, plan) != step.position:
            told = f"第 {step.sequence} 步所记的状态不是由此前各步得出的"
            yield c.wrong("journal", told, step.sequence)
            return


def _assignments(c: _Checking) -> Iterator[Finding]:
    turns: dict[str, int] = {}
    for step in c.steps:
        for authority in sees_from(step):
            turns.setdefault(authority, step.sequence)
    listed = [row["authority"] for row in c.rows["assignments"]]
    for authority, sequence in turns.items():
        if authority not in listed:
            told = f"第 {sequence} 步起 {authority} 可以查看，经手部门里没有"
            yield c.wrong("assignments", told, sequence, Kind.DELETED)
            return
    for authority in listed:
        if authority not in turns:
            told = f"经手部门里有 {authority}，日志里没有依据"
            yield c.wrong("assignments", told, kind=Kind.WITHOUT_STEP)
            return


def _revisions(c: _Checking, kind: CaseKind) -> Iterator[Finding]:
    by_number = {row["revision"]: row for row in c.rows["revisions"]}
    for number, row in by_number.items():
        if row["unread"] == "destroyed":
            continue
        if row["unread"] == "no_key":
            yield c.wrong("revisions", f"第 {number} 稿{NO_KEY}", kind=Kind.CONTENT)
            return
        if row["unread"] or sha256_of(row["content"]) != row["sha256"]:
            told = f"第 {number} 稿的内容与其哈希不符"
            yield c.wrong("revisions", told, _submission(c, number), Kind.CONTENT)
            return
    for step in c.steps:
        sha256, number = step.body.get("content_sha256"), step.body.get("revision")
        if step.event != "submitted" or not sha256:
            continue
        if number not in by_number:
            told = f"第 {step.sequence} 步提交的第 {number} 稿不在"
            yield c.wrong("revisions", told, step.sequence, Kind.DELETED)
            return
        row = by_number[number]
        if row["sha256"] != sha256:
            told = f"第 {number} 稿不是第 {step.sequence} 步提交的内容"
            yield c.wrong("revisions", told, step.sequence, Kind.CONTENT)
            return
        if row["saved_by"] not in step.body["editors"] or row["saved_at"] > step.at + UNDER_WAY:
            told = f"第 {number} 稿由谁、何时保存，与第 {step.sequence} 步所记的不符"
            yield c.wrong("revisions", told, step.sequence)
            return
    for place, number in enumerate(sorted(by_number), 1):
        if number != place:
            yield c.wrong("revisions", f"第 {place} 稿不在", kind=Kind.DELETED)
            return
    if by_number and kind not in _WITH_CONTENT:
        yield c.wrong("revisions", f"{kind.label}没有填报内容", kind=Kind.WITHOUT_STEP)


_WITH_CONTENT = tuple(one for one in map(kind_of, ("filing/", "certificate/")) if one)


def _receipts(c: _Checking, plan: CasePlan) -> Iterator[Finding]:
    """Each receipt is signed, and says what its submission's steps say."""
    lives = _lives(c.steps)
    plans = {later[0].sequence: _before(later).plan for later in lives[1:]}
    for row in c.rows["filing_receipts"]:
        sequence = row["sequence"]
        then = next((plans[first] for first in sorted(plans) if first > sequence), plan)
        handed = {name: row[name] for name in ("body", "sha256", "key", "signature")}
        keys = c.about.receipt_keys
        if keys.keys and (why := receipt_fault(handed, keys)):
            told = f"第 {sequence} 步的提交回执：{why}"
            yield c.wrong("filing_receipts", told, sequence, Kind.SIGNATURE)
            return
        differs = unlike_record(row["body"], then, c.steps)
        if differs or row["body"]["sequence"] != sequence:
            told = f"第 {sequence} 步的提交回执：{differs or '是另一步的'}"
            yield c.wrong("filing_receipts", told, sequence)
            return


def _submission(c: _Checking, number: int) -> int | None:
    found = [s.sequence for s in c.events("submitted") if s.body.get("revision") == number]
    return found[0] if found else None


# --- report numbers -------------------------------------------------------------------------------


def _uploads(c: _Checking, plan: CasePlan) -> Iterator[Finding]:
    rows = {row["id"]: row for row in c.rows["uploads"]}
    received = {step.body["upload"]: step for step in c.events(NumberEvent.UPLOAD_RECEIVED)}
    accepted = {step.body["upload"]: step for step in c.events(NumberEvent.NUMBERS_ACCEPTED)}
    rejected = {step.body["upload"]: step for step in c.events(NumberEvent.UPLOAD_REJECTED)}
    for id_, step in received.items():
        if id_ not in rows:
            told = f"第 {step.sequence} 步收到的上传 {id_} 不在"
            yield c.wrong("uploads", told, step.sequence, Kind.DELETED)
            return
        expected = {"sha256": step.body["sha256"], "received_bytes": step.body["size"]}
        yield from c.differs("uploads", rows[id_], expected, step.sequence, f"上传 {id_} 的 ")
    for id_, step in accepted.items():
        body = step.body
        expected = {
            "stage": UploadStage.ACCEPTED.value,
            "rows": body["rows"],
            "bad": body["bad"],
            "accepted": body["numbers"],
            "digest": body["digest"],
            "visible_from": datetime.fromisoformat(body["visible_from"]),
        }
        yield from c.differs("uploads", rows[id_], expected, step.sequence, f"上传 {id_} 的 ")
    for id_, step in rejected.items():
        if rows[id_]["stage"] not in (UploadStage.REJECTED, UploadStage.REPEATED):
            told = f"第 {step.sequence} 步未收下上传 {id_}，其状态却为 {rows[id_]['stage']}"
            yield c.wrong("uploads", told, step.sequence)
    yield from _numbers(c, plan, rows.values(), {**received, **accepted})
    for id_, row in rows.items():
        if row["stage"] != UploadStage.ACCEPTED or id_ in accepted:
            continue
        if row["media"] != "correction" and id_ not in received:
            told = f"上传 {id_} 记为已收下，日志里没有收到它"
            yield c.wrong("uploads", told, kind=Kind.WITHOUT_STEP)


def _numbers(
    c: _Checking, plan: CasePlan, uploads: Iterable[Row], steps: Mapping[str, Step]
) -> Iterator[Finding]:
    """The numbers on record of each upload: how many, which, whose, of which days."""
    there = {row["upload_no"]: row for row in c.rows["report_numbers"]}
    for upload in uploads:
        row = there.get(upload["no"])
        step = steps.get(upload["id"])
        sequence = step.sequence if step is not None else None
        taken = upload["stage"] == UploadStage.ACCEPTED.value
        wanted, digest = (upload["accepted"], upload["digest"]) if taken else (0, "")
        count = row["numbers"] if row is not None else 0
        if count != wanted:
            told = f"上传 {upload['id']} 收下 {wanted} 个编号，库中有 {count} 个"
            yield c.wrong("report_numbers", told, sequence, Kind.NUMBERS)
            return
        if row is None:
            continue
        if f"{int(row['total']) % 2**64:016x}" != digest:
            told = f"上传 {upload['id']} 的编号或出具日期与合计哈希不符"
            yield c.wrong("report_numbers", told, sequence, Kind.NUMBERS)
            return
        terms = plan.numbers
        outside = terms is not None and not (
            terms.first_day <= row["first_day"] and row["last_day"] <= terms.last_day
        )
        if not row["of_institution"] or outside:
            told = f"上传 {upload['id']} 的编号不是本机构本季度的"
            yield c.wrong("report_numbers", told, sequence, Kind.NUMBERS)
            return


def _changes(c: _Checking) -> Iterator[Finding]:
    steps = {
        step.body["change"]: step
        for step in c.events(NumberEvent.NUMBERS_WITHDRAWN, NumberEvent.NUMBERS_CORRECTED)
    }
    rows: dict[str, Row] = {row["id"]: row for row in c.rows["number_changes"]}
    marked = {row["change_no"]: row["numbers"] for row in c.rows["changed_numbers"]}
    for id_, step in steps.items():
        if id_ not in rows:
            told = f"第 {step.sequence} 步的撤回或更正 {id_} 不在"
            yield c.wrong("number_changes", told, step.sequence, Kind.DELETED)
            return
        row = rows[id_]
        kind = "withdrawn" if step.event == NumberEvent.NUMBERS_WITHDRAWN else "corrected"
        expected = {
            "kind": kind,
            "sha256": step.body["content_sha256"],
            "changed_by": step.actor.subject,
        }
        yield from c.differs("number_changes", row, expected, step.sequence, f"{id_} 的 ")
        if row["made_at"] is None or sha256_of({"reason": row["reason"]}) != step.note_sha256:
            yield c.wrong("number_changes", f"{id_} 的理由或办成的时间不符", step.sequence)
    for id_, row in rows.items():
        found = steps.get(id_)
        sequence = found.sequence if found is not None else None
        if sha256_of(row["content"]) != row["sha256"]:
            told = f"撤回或更正 {id_} 的内容与其哈希不符"
            yield c.wrong("number_changes", told, sequence, Kind.CONTENT)
            return
        wanted = _changed_by(row["content"]) if row["made_at"] is not None else []
        there = sorted(marked.get(row["no"], []))
        if there != wanted:
            told = f"{id_} 撤回或更正 {len(wanted)} 个编号，库中有 {len(there)} 个，或不是那些"
            yield c.wrong("report_numbers", told, sequence, Kind.NUMBERS)
            return
        if row["made_at"] is not None and found is None and _long_ago(c, row["made_at"]):
            told = f"撤回或更正 {id_} 已办，日志里没有"
            yield c.wrong("number_changes", told, kind=Kind.WITHOUT_STEP)
            return


def _changed_by(content: Mapping[str, Any]) -> list[str]:
    """The numbers that a withdrawal or a correction is about, as they stand on record."""
    listed = content.get("numbers") or [one["number"] for one in content.get("corrections", [])]
    return sorted(map(normalised, map(str, listed)))


def _long_ago(c: _Checking, at: datetime) -> bool:
    return c.about.now - at > UNDER_WAY


# --- complaints -----------------------------------------------------------------------------------


_SAID = ("number", "institution_name", "about", "contact", "receipt_sha256")


def _complaint(c: _Checking) -> Iterator[Finding]:
    if not c.rows["complaints"]:
        yield c.wrong("complaints", "投诉的内容不在", 1, Kind.DELETED)
        return
    row, first = c.rows["complaints"][0], c.steps[0]
    assert c.case is not None
    said = first.body.get("inputs", {}).get("complaint_sha256")
    # what a key hid that is no more cannot be read, and so is no corruption: its seal holds
    unread = row["unread"]
    if unread == "no_key":
        yield c.wrong("complaints", f"投诉的内容{NO_KEY}", 1, Kind.CONTENT)
    elif unread == "altered" or (
        said and not unread and complaint_sha256(**{name: row[name] for name in _SAID}) != said
    ):
        yield c.wrong("complaints", "投诉的内容与收到时的哈希不符", 1, Kind.CONTENT)
    if row["institution_id"] != c.case["institution_id"]:
        yield c.wrong("complaints", "所投诉的机构与办件不同", 1)
    resolved = c.events(ComplaintEvent.RESOLVED)
    if not resolved:
        expected: dict[str, Any] = {"outcome": "", "resolved_at": None}
        if not unread:
            expected["reply"] = ""
        yield from c.differs("complaints", row, expected)
        return
    step = resolved[-1]
    if row["outcome"] == "" and not _long_ago(c, step.at):
        return
    expected = {"outcome": step.body["outcome"], "resolved_at": step.at}
    yield from c.differs("complaints", row, expected, step.sequence)
    if not unread and sha256_of({"reply": row["reply"]}) != step.body["reply_sha256"]:
        yield c.wrong("complaints", "答复与办结时的哈希不符", step.sequence, Kind.CONTENT)


# --- certificates ---------------------------------------------------------------------------------

PART = "certificate"


def _certificate(c: _Checking, state: CaseState) -> Iterator[Finding]:
    own: Any = state.own
    held = own.certificate
    row = c.rows["certificates"][0] if c.rows["certificates"] else None
    yield from _allotted(c, held)
    if held is None:
        if row is not None:
            yield c.wrong("certificates", "登记里有证书，日志里没有发证", kind=Kind.WITHOUT_STEP)
        return
    step = c.steps[-1]
    if row is None:
        yield c.wrong("certificates", f"证书 {held.number} 不在登记里", step.sequence, Kind.DELETED)
        return
    revision = next((one for one in c.rows["revisions"] if one["revision"] == held.revision), None)
    if revision is None:
        told = f"现行的第 {held.revision} 稿不在"
        yield c.wrong("revisions", told, step.sequence, Kind.DELETED)
        return
    if revision["unread"]:
        # told of at the revision
        return
    content = CertificateContent.model_validate(revision["content"][PART])
    names = row["signatories"]
    if row["unread"]:
        told = f"证书 {held.number} 的授权签字人被改动，不能再读"
        yield c.wrong("certificates", told, step.sequence, Kind.CONTENT)
        # of the rest it is told all the same
        names = content.model_dump(mode="json")["signatories"]
    if row["content"] is not None and names is not None:
        row = {**row, "content": {**row["content"], "signatories": names}}
    expected = {
        "number": held.number, "institution_id": content.institution, "level": content.level,
        "issuer": content.issuer, "scope": len(content.capabilities), "valid_to": held.valid_to,
        "origin": "issued", "code": held.code, "status": held.status.value,
        "holder": content.holder, "uscc": content.uscc, "parent_uscc": content.parent_uscc,
        "field": content.field, "industry": content.industry, "issued_on": held.issued_on,
        "valid_from": held.valid_from, "ended_on": held.ended_on, "document": held.document,
        "superseded_by": held.superseded_by, "renews": c.steps[0].body.get("renews", ""),
        "revision": held.revision, "content": content.model_dump(mode="json"),
    }  # fmt: skip
    yield from c.differs("certificates", row, expected, step.sequence, f"证书 {held.number} 的 ")
    yield from _statement(c, row, step.sequence)


def _allotted(c: _Checking, held: Any) -> Iterator[Finding]:
    rows = {row["number"]: row for row in c.rows["certificate_numbers"]}
    voided = {step.body["number"] for step in c.events("number_voided")}
    for step in c.events("numbered"):
        number = step.body["number"]
        row = rows.get(number)
        if row is None or row["code"] != step.body["code"]:
            told = f"第 {step.sequence} 步分配的编号 {number} 或其代码不在"
            yield c.wrong("certificate_numbers", told, step.sequence, Kind.DELETED)
            return
        if number in voided and row["voided_at"] is None:
            told = f"编号 {number} 已作废，登记里没有作废"
            yield c.wrong("certificate_numbers", told, step.sequence)
            return
    if held is not None and held.number in rows and rows[held.number]["voided_at"] is not None:
        told = f"证书 {held.number} 的编号被记为作废，日志里没有"
        yield c.wrong("certificate_numbers", told, kind=Kind.WITHOUT_STEP)


def _statement(c: _Checking, row: Row, sequence: int) -> Iterator[Finding]:
    """The signature in the QR code, and that it is about this very certificate."""
    keys = c.about.certificate_keys
    if not keys.keys:
        return

    def wrong(why: str) -> Finding:
        told = f"证书 {row['number']} 的签名：{why}"
        return c.wrong("certificates", told, sequence, Kind.SIGNATURE)

    if not row["statement"]:
        if row["issued_on"] >= min(key.first for key in keys.keys):
            yield wrong("没有签名；补签用 zhibao certificates sign")
        return
    told = verify(row["statement"], keys)
    if isinstance(told, StatementProblem):
        yield wrong(told.message)
        return
    alike = _about(told) == tuple(row[name] for name in _SIGNED)
    if not alike or not told.names(row["holder"]):
        yield wrong("所签的不是这张证书")


_SIGNED = ("number", "code", "issuer", "issued_on", "valid_from", "valid_to")


def _about(statement: Statement) -> tuple[Any, ...]:
    return tuple(getattr(statement, name) for name in _SIGNED)


# --- operators ------------------------------------------------------------------------------------


def _operators(c: _Checking) -> Iterator[Finding]:
    for step in c.steps:
        if step.event not in OPERATOR_EVENTS:
            yield c.wrong("journal", f"没有 {step.event} 这样的操作", step.sequence)
            return
    if c.case_id.startswith("campaign/"):
        yield from _campaign(c)
    for table in (
        "cases", "assignments", "revisions", "uploads", "certificates", "filing_receipts",
    ):  # fmt: skip
        if c.rows[table]:
            yield c.wrong(table, "这不是办件，不会有这样的行", kind=Kind.WITHOUT_STEP)


def _campaign(c: _Checking) -> Iterator[Finding]:
    opened = c.events("campaign_opened")
    if not opened:
        return
    # what counts is what has happened since it was opened last
    since = opened[-1].sequence

    def events(*names: str) -> list[Step]:
        return [step for step in c.events(*names) if step.sequence >= since]

    if not c.rows["campaigns"]:
        yield c.wrong("campaigns", "开启过的统计工作不在", opened[0].sequence, Kind.DELETED)
        return
    row, first = c.rows["campaigns"][0], opened[-1]
    _, period, jurisdiction = c.case_id.split("/")
    year, _, quarter = period.partition("Q")
    annulled = events("campaign_annulled")
    stages = events("stage_entered", "campaign_ended")
    last = (annulled or stages or opened)[-1]
    note = (annulled or [first])[0].note_sha256
    # an amendment has it pin other sets
    pinned = (events("campaign_amended") or [first])[-1].body["rule_sets"]
    expected: dict[str, Any] = {
        "year": int(year),
        "quarter": int(quarter or 0),
        "jurisdiction": jurisdiction,
        "opened_by": first.actor.subject,
        "opened_at": first.at,
        "rule_sets": pinned,
        "rule_set": pinned[jurisdiction],
        "late": first.body.get("late", False),
        "opening": len(opened),
        "annulled_at": annulled[0].at if annulled else None,
    }
    if first.note_sha256 or annulled:
        expected["note_sha256"] = note
    if annulled or (stages and stages[-1].event == "campaign_ended"):
        expected["stage"] = "ended"
    elif stages:
        expected["stage"] = stages[-1].body["stage"]
    yield from c.differs("campaigns", row, expected, last.sequence)
    scans = events("filings_started", "batches_started")
    if scans and not annulled:
        if row["started_at"] is None:
            yield c.wrong("campaigns", "started_at 为空，日志里已核对完名录", scans[-1].sequence)
            return
        said = {k: v for k, v in scans[-1].body.items() if k in _COUNTED}
        if row["started_at"] == scans[-1].at and len(scans) == 1:
            yield from c.differs("campaigns", row, said, scans[-1].sequence)


_COUNTED = (
    "considered",
    "started",
    "voluntary",
    "outside",
    "without_rules",
    "uncomputable",
    "elsewhere",
    "total",
)


def _shown(value: Any) -> str:
    if isinstance(value, date):
        return value.isoformat()
    text = str(value)
    return f"“{text[:60]}…”" if len(text) > 60 else f"“{text}”"
