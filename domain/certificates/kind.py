"""A certificate (资质认定证书) as a kind of case: what its events change, and what time brings."""

from collections.abc import Mapping
from typing import Any

from domain.case import commands as c
from domain.case import transitions as t
from domain.case.commands import Role
from domain.case.events import Event, EventName
from domain.case.kind import CaseKind, EventRule, commands, nothing_more, rule
from domain.case.plan import CasePlan
from domain.case.reminders import REMINDER_EVENTS, reminder_timers
from domain.case.state import Timer, listed, status_due, status_timers
from domain.case.status import EDITABLE, Status
from domain.certificates import commands as cert
from domain.certificates import transitions as of_certificates
from domain.certificates.certificate import CERTIFICATE_STATUS_LABELS, CertificateStatus
from domain.certificates.commands import CertificateEvent
from domain.certificates.issuing import (
    CERTIFICATE_WORKFLOW,
    PURPOSE_LABELS,
    Allotment,
    HeldCertificate,
    Purpose,
)
from domain.certificates.state import CertificateFindings, CertificateState, Holding
from domain.certificates.transitions import in_terms_of_certificates, not_the_issuers

# --- what events change ---------------------------------------------------------------------------

_NOTHING_ASKED = {"purpose": None, "change": ""}
_NOBODY = {"level": 0, "claimed_by": ""}


def _submitted(s: Holding, event: Event) -> Mapping[str, Any]:
    body = event.body
    asked = s.own_with(purpose=Purpose(body["purpose"]), change=body["change"])
    changes = {**t.submitted(s, event), **asked}
    if s.status is not Status.COMPLETED:
        return changes
    # years may lie between: whoever dealt with the last application may deal with this one
    people = listed((), event.actor.subject, *body["editors"])
    return {**changes, "filers": people, "reviewers": (), "checkers": ()}


def _taken_over(_: Holding, __: Event) -> Mapping[str, Any]:
    return {"status": Status.APPROVED}


def _number_voided(s: Holding, _: Event) -> Mapping[str, Any]:
    return s.own_with(allotment=None)


def _numbered(s: Holding, event: Event) -> Mapping[str, Any]:
    return s.own_with(allotment=Allotment.model_validate(event.body))


def _issued(s: Holding, event: Event) -> Mapping[str, Any]:
    issued = HeldCertificate.model_validate(event.body)
    return {**_completed(issued.revision), **s.own_with(certificate=issued, **_NOTHING_ASKED)}


def _certificate_changed(s: Holding, event: Event) -> Mapping[str, Any]:
    revision = event.body["revision"]
    changed = _held(s).model_copy(update={"revision": revision})
    return {**_completed(revision), **s.own_with(certificate=changed, **_NOTHING_ASKED)}


def _completed(revision: int) -> Mapping[str, Any]:
    return {
        "status": Status.COMPLETED,
        "completed_revision": revision,
        "returned_revision": 0,
        **_NOBODY,
    }


def _change_abandoned(s: Holding, _: Event) -> Mapping[str, Any]:
    back = {**_completed(s.completed_revision), "revision": s.completed_revision, "levels": ()}
    return {**back, **s.own_with(**_NOTHING_ASKED)}


def _ended(s: Holding, event: Event) -> Mapping[str, Any]:
    ended = HeldCertificate.model_validate({**_held(s).model_dump(), **event.body})
    return s.own_with(certificate=ended)


def _end_corrected(s: Holding, event: Event) -> Mapping[str, Any]:
    said = {name: event.body[name] for name in ("status", "ended_on", "document")}
    return s.own_with(certificate=HeldCertificate.model_validate({**_held(s).model_dump(), **said}))


def _predecessor_superseded(s: Holding, _: Event) -> Mapping[str, Any]:
    return s.own_with(predecessor_told=True)


def _held(s: Holding) -> HeldCertificate:
    assert s.own.certificate is not None
    return s.own.certificate


# --- what timelines tell --------------------------------------------------------------------------


def _tell_applied(body: Mapping[str, Any]) -> str:
    late = "，逾期申请延续" if body["late"] else ""
    change = f"（{body['change']}）" if body["change"] else ""
    purpose = PURPOSE_LABELS[Purpose(body["purpose"])]
    return f"第 {body['revision']} 稿，{purpose}{change}{late}{t.tell_unchanged(body)}"


def _tell_taken_over(body: Mapping[str, Any]) -> str:
    return f"{body['approved_on']} 审批，文书 {body['document']}"


def _tell_number(body: Mapping[str, Any]) -> str:
    return f"编号 {body['number']}"


def _tell_issued(body: Mapping[str, Any]) -> str:
    return f"编号 {body['number']}，有效期 {body['valid_from']} 至 {body['valid_to']}"


def _tell_changed(body: Mapping[str, Any]) -> str:
    return f"第 {body['revision']} 稿起效"


def _tell_ended(body: Mapping[str, Any]) -> str:
    status = CERTIFICATE_STATUS_LABELS[CertificateStatus(body["status"])]
    document = f"，文书 {body['document']}" if body.get("document") else ""
    return f"{status}，自 {body['ended_on']} 起{document}"


def _tell_corrected(body: Mapping[str, Any]) -> str:
    before = CERTIFICATE_STATUS_LABELS[CertificateStatus(body["instead_of"]["status"])]
    status = CERTIFICATE_STATUS_LABELS[CertificateStatus(body["status"])]
    since = f"，自 {body['ended_on']} 起" if body["ended_on"] else ""
    return f"误登记的“{before}”更正为“{status}”{since}，文书 {body['document']}"


# --- what time brings -----------------------------------------------------------------------------


def _timers(s: Holding, p: CasePlan) -> list[Timer]:
    """Reminders to renew and the end of what is in force; before it, the end of a status."""
    held = s.own.certificate
    if held is None:
        return status_timers(s, p)
    if held.status is not CertificateStatus.VALID:
        return []
    return [Timer(held.expires_at, cert.Expire), *reminder_timers(s.own, held.reminders)]


_COMPLETED = frozenset({Status.COMPLETED})

CERTIFICATE = CaseKind(
    name="certificate",
    label="资质认定证书",
    workflow=CERTIFICATE_WORKFLOW,
    own=CertificateState,
    findings=CertificateFindings,
    commands={
        **{name: t.REVIEW_COMMANDS[name] for name in ("claim", "release", "return")},
        **commands(
            rule(c.Open, t.open_, {Role.SYSTEM}),
            rule(c.Approve, in_terms_of_certificates(t.approve), {Role.REVIEWER}),
            rule(c.PassQuality, in_terms_of_certificates(t.pass_quality), {Role.CHECKER}),
            rule(c.SendBack, t.send_back, {Role.CHECKER}),
            rule(c.Cancel, in_terms_of_certificates(t.cancel), {Role.OPERATOR}),
            rule(
                c.Withdraw,
                in_terms_of_certificates(of_certificates.withdraw),
                {Role.FILER, Role.CLERK},
            ),
            rule(cert.Reject, in_terms_of_certificates(of_certificates.reject), {Role.REVIEWER}),
            # most of a certificate's life comes after its application has ended
            rule(cert.Apply, of_certificates.apply, {Role.FILER, Role.CLERK}, _COMPLETED),
            rule(
                cert.EndCertificate,
                of_certificates.end_certificate,
                {Role.CLERK, Role.REVIEWER},
                _COMPLETED,
            ),
            rule(
                cert.CorrectEnd,
                of_certificates.correct_end,
                {Role.CLERK, Role.REVIEWER},
                _COMPLETED,
            ),
            rule(c.Remind, of_certificates.remind, {Role.SYSTEM}, _COMPLETED),
            rule(cert.Expire, of_certificates.expire, {Role.SYSTEM}, _COMPLETED),
            rule(cert.Supersede, of_certificates.supersede, {Role.SYSTEM}, _COMPLETED),
            rule(cert.NotePredecessor, of_certificates.note_predecessor, {Role.SYSTEM}, _COMPLETED),
        ),
    },
    events={
        **t.SHARED_EVENTS,
        **REMINDER_EVENTS,
        EventName.SUBMITTED: EventRule("提交", _submitted, _tell_applied),
        CertificateEvent.APPLICATION_BEGUN: EventRule("建立申请", t.opened, nothing_more),
        CertificateEvent.TAKEN_OVER: EventRule(
            "采集发证机关已作的决定", _taken_over, _tell_taken_over
        ),
        CertificateEvent.NUMBER_VOIDED: EventRule("原编号作废", _number_voided, nothing_more),
        CertificateEvent.NUMBERED: EventRule("编号赋码", _numbered, _tell_number),
        CertificateEvent.ISSUED: EventRule("发证", _issued, _tell_issued),
        CertificateEvent.CERTIFICATE_CHANGED: EventRule(
            "证书变更生效", _certificate_changed, _tell_changed
        ),
        CertificateEvent.CHANGE_ABANDONED: EventRule(
            "终止变更申请", _change_abandoned, nothing_more
        ),
        CertificateEvent.EXPIRED: EventRule("有效期届满", _ended, _tell_ended),
        CertificateEvent.CERTIFICATE_ENDED: EventRule("证书终止", _ended, _tell_ended),
        CertificateEvent.END_CORRECTED: EventRule("更正终止", _end_corrected, _tell_corrected),
        CertificateEvent.SUPERSEDED: EventRule("已换发新证", _ended, _tell_ended),
        CertificateEvent.PREDECESSOR_SUPERSEDED: EventRule(
            "登记原证书已换发", _predecessor_superseded, nothing_more
        ),
    },
    prepares=frozenset({cert.Apply.name(), c.Approve.name(), c.PassQuality.name()}),
    timers=_timers,
    due=status_due,
    admits=not_the_issuers,
    # what is saved beside a certificate in force is a change that may be applied for
    editable=frozenset({*EDITABLE, Status.COMPLETED}),
)
