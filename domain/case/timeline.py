"""A case's history in words: who did what, when, under which rule and clause."""

from datetime import datetime
from typing import Any

from domain.case.commands import ACTION_LABELS, ROLE_LABELS, Role
from domain.case.events import EVENT_LABELS, OPERATOR_EVENT_LABELS, Step
from domain.case.status import STATUS_LABELS
from domain.certificates.certificate import CERTIFICATE_STATUS_LABELS, CertificateStatus
from domain.certificates.issuing import PURPOSE_LABELS, Purpose
from domain.messages import explain, local_time
from domain.model import Value
from domain.numbers.report_numbers import COMPLAINT_OUTCOME_LABELS, ComplaintOutcome
from domain.refusals import Refusal


class RefusedAct(Value):
    """An act that was refused, as it stands on record."""

    action: str
    subject: str
    role: Role
    scope: str
    at: datetime
    refusal: Refusal


class Entry(Value):
    """One line of a timeline. ``sequence`` is None for a refused act, which is no step.

    ``rule`` is the id of the rule that decided, ``document`` and ``clause`` what it rests on.
    """

    sequence: int | None
    at: datetime
    received_at: datetime | None
    event: str
    label: str
    subject: str
    role: str
    scope: str
    status: str
    status_label: str
    authority: str
    level: int
    rule: str
    document: str
    clause: str
    quote: str
    assumption: str
    detail: str
    note: dict[str, Any] | None
    hash: str


_LABELS = {name.value: label for name, label in EVENT_LABELS.items()} | OPERATOR_EVENT_LABELS


def entries(
    steps: list[Step], refused: list[RefusedAct], notes: dict[str, dict[str, Any]]
) -> list[Entry]:
    """The timeline of a case, steps in their order, refused acts among them by time."""
    # Python's sort is stable, so steps of one instant keep their order
    return sorted(
        [*(_step(step, notes) for step in steps), *(_refused(act) for act in refused)],
        key=lambda entry: entry.at,
    )


def _step(step: Step, notes: dict[str, dict[str, Any]]) -> Entry:
    position, cite = step.position, step.cite
    return Entry(
        sequence=step.sequence,
        at=step.at,
        received_at=step.received_at,
        event=step.event,
        label=_LABELS.get(step.event, step.event),
        subject=step.actor.subject,
        role=ROLE_LABELS[step.actor.role],
        scope=step.actor.scope,
        status=position.status if position else "",
        status_label=STATUS_LABELS[position.status] if position else "",
        authority=position.authority if position else "",
        level=position.level if position else 0,
        rule=str(step.body.get("rule") or ""),
        document=cite.document if cite else "",
        clause=cite.clause if cite else "",
        quote=cite.quote if cite else "",
        assumption=cite.assumption if cite else "",
        detail=_detail(step),
        note=notes.get(step.note_sha256),
        hash=step.hash,
    )


def _detail(step: Step) -> str:
    body = step.body
    match step.event:
        case "submitted" if "total" in body:
            return f"声明共 {body['total']} 个编号{'，补报' if body['late'] else ''}"
        case "submitted" if "purpose" in body:
            late = "，逾期申请延续" if body["late"] else ""
            kind = f"（{body['change']}）" if body["change"] else ""
            return (
                f"第 {body['revision']} 稿，{PURPOSE_LABELS[Purpose(body['purpose'])]}{kind}{late}"
            )
        case "taken_over":
            return f"{body['approved_on']} 审批，文书 {body['document']}"
        case "numbered":
            return f"编号 {body['number']}"
        case "issued":
            return f"编号 {body['number']}，有效期 {body['valid_from']} 至 {body['valid_to']}"
        case "certificate_changed":
            return f"第 {body['revision']} 稿起效"
        case "expired" | "certificate_ended" | "superseded":
            status = CERTIFICATE_STATUS_LABELS[CertificateStatus(body["status"])]
            document = f"，文书 {body['document']}" if body.get("document") else ""
            return f"{status}，自 {body['ended_on']} 起{document}"
        case "submitted":
            late = "，补报" if body["late"] else ""
            choice = f"，选取审核部门 {body['choice']}" if body["choice"] else ""
            return f"第 {body['revision']} 稿{late}{choice}"
        case "assigned":
            chain = " → ".join(level["authority"] for level in body["levels"])
            others = "；".join(
                f"{c['rule']}：{c['because']}"
                for c in body.get("candidates", ())
                if c["verdict"] == "eliminated"
            )
            return f"审核部门 {chain}" + (f"（未采用：{others}）" if others else "")
        case "extended" | "reopened":
            document = f"（{body['document']}）" if body["document"] else ""
            return f"至 {local_time(datetime.fromisoformat(body['until']))}{document}"
        case "returned" | "level_approved" | "approved":
            return f"第 {body['level']} 级"
        case "lapsed" | "reopening_expired":
            return f"截止时仍为“{STATUS_LABELS[body['from']]}”"
        case "stage_entered" | "campaign_ended":
            return str(body["label"])
        case "roster_imported":
            return f"{body['rows']} 行，导入 {body['accepted']} 家机构"
        case "import_begun":
            return (
                f"{body['filename']}，{body['total']} 张，新登记机构 {len(body['institutions'])} 家"
            )
        case "certificates_imported":
            return f"{body['total']} 张，发证 {body.get('issued', 0)} 张"
        case "register_imported":
            return f"{body['rows']} 行，登记 {body['accepted']} 张"
        case "filings_started":
            return f"名录 {body['considered']} 家，应填报 {body['started']} 家"
        case "batches_started":
            return f"名录 {body['considered']} 家，应报送 {body['started']} 家"
        case _:
            return _detail_of_numbers(step.event, body)


def _detail_of_numbers(event: str, body: dict[str, Any]) -> str:
    match event:
        case "upload_received":
            return f"上传 {body['upload'][:8]}，{body['size']} 字节，SHA-256 {body['sha256'][:12]}"
        case "numbers_accepted":
            visible = local_time(datetime.fromisoformat(body["visible_from"]))
            late = "，逾期补报" if body["late"] else ""
            left_out = f"，{body['bad']} 行有错未收" if body["bad"] else ""
            return f"收下 {body['numbers']} 个{left_out}{late}，{visible} 起可查"
        case "upload_rejected":
            return f"{body['rows']} 行中 {body['bad']} 行有错，一个也没有收下"
        case "numbers_withdrawn" | "numbers_corrected":
            return f"{body['count']} 个"
        case "numbers_published":
            return f"{len(body['uploads'])} 次上传的编号"
        case "reminded":
            return f"{body['label']}，{local_time(datetime.fromisoformat(body['due']))} 截止"
        case "overdue":
            return f"补报至 {local_time(datetime.fromisoformat(body['until']))}"
        case "complaint_received":
            return f"转交 {body['levels'][0]['authority']}"
        case "complaint_resolved" | "complaint_noted":
            return COMPLAINT_OUTCOME_LABELS[ComplaintOutcome(body["outcome"])]
        case _:
            return ""


def _refused(act: RefusedAct) -> Entry:
    words, cite = explain(act.refusal), act.refusal.cite
    return Entry(
        sequence=None,
        at=act.at,
        received_at=None,
        event="refused",
        label=f"{ACTION_LABELS.get(act.action, act.action)}被拒绝：{words.title}",
        subject=act.subject,
        role=ROLE_LABELS[act.role],
        scope=act.scope,
        status="",
        status_label="",
        authority="",
        level=0,
        rule=act.refusal.code,
        document=cite.document if cite else "",
        clause=cite.clause if cite else "",
        quote=cite.quote if cite else "",
        assumption=cite.assumption if cite else "",
        detail=words.detail,
        note=None,
        hash="",
    )
