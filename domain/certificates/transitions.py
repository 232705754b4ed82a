"""What only certificates know: application, issue, change, renewal, and the ways to end.

A case holds one certificate from the application to the end of its life. While it is in force the
case is completed; an application for a change takes it round once more, and the certificate stays
in force meanwhile. Deciders as in `domain.case.transitions`; `domain.certificates.kind` puts them
together.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from domain.case import commands as c
from domain.case.checks import expect, needs_note, person, review_window, turn
from domain.case.commands import SYSTEM, Actor, Role
from domain.case.events import Decision, EventName, PendingEvent
from domain.case.kind import Asked
from domain.case.plan import CasePlan
from domain.case.reminders import REMINDED
from domain.case.status import EDITABLE, Status
from domain.case.transitions import unchanged_if
from domain.certificates import commands as cert
from domain.certificates.certificate import (
    CERTIFICATE_STATUS_LABELS,
    CertificateStatus,
    Ended,
    status_on,
)
from domain.certificates.commands import CertificateEvent
from domain.certificates.issuing import Allotment, HeldCertificate, Purpose
from domain.certificates.state import CertificateFindings, Holding
from domain.clock import day_of
from domain.jurisdictions import authority_of
from domain.refusals import Code, Refusal


def in_force(held: HeldCertificate | None, now: datetime) -> Refusal | None:
    """The refusal of what only a valid certificate allows."""
    if held is None:
        return Refusal(code=Code.NO_CERTIFICATE)
    if held.status is CertificateStatus.VALID and now < held.expires_at:
        return None
    status = status_on(held.status, held.valid_to, day_of(now))
    params = {"number": held.number, "status": CERTIFICATE_STATUS_LABELS[status]}
    return Refusal(code=Code.CERTIFICATE_NOT_IN_FORCE, params=params)


def issuer_of(plan: CasePlan) -> str:
    """The authority that issues a case's certificate."""
    return authority_of(plan.jurisdiction)


def not_the_issuers(plan: CasePlan, actor: Actor) -> Refusal | None:
    """A clerk acts for the issuing authority alone."""
    issuer = issuer_of(plan)
    if actor.role is Role.CLERK and actor.scope != issuer:
        return Refusal(code=Code.NOT_YOUR_AUTHORITY, params={"authority": issuer})
    return None


Decider = Callable[[Holding, CasePlan, Asked, datetime, CertificateFindings], Decision | Refusal]


def in_terms_of_certificates(decide: Decider[Asked]) -> Decider[Asked]:
    """What a shared decider leads to, said of a certificate.

    Approval numbers and codes it, completion issues it or puts a change into force. An application
    for a change that is withdrawn or refused leaves the certificate as it was.
    """

    def decided(
        s: Holding, p: CasePlan, m: Asked, now: datetime, findings: CertificateFindings
    ) -> Decision | Refusal:
        outcome = decide(s, p, m, now, findings)
        if isinstance(outcome, Refusal):
            return outcome
        return findings.refusal or _of_a_certificate(outcome, s, findings)

    return decided


def _of_a_certificate(
    decision: Decision, state: Holding, findings: CertificateFindings
) -> Decision:
    said: Decision = []
    for pending in decision:
        if pending.name == EventName.COMPLETED:
            said += _put_in_force(pending, state, findings)
        elif state.own.certificate is not None and pending.name in _GIVEN_UP:
            body = {"because": str(pending.name), **pending.body}
            abandoned = CertificateEvent.CHANGE_ABANDONED
            said.append(PendingEvent(abandoned, pending.actor, body, pending.cite))
        else:
            said.append(pending)
            if pending.name == EventName.APPROVED and findings.allotment is not None:
                said += _numbered(state, findings.allotment)
    return said


def _numbered(state: Holding, allotted: Allotment) -> Decision:
    """Number and code; a number that the case had before and has no more is told as voided."""
    given = PendingEvent(CertificateEvent.NUMBERED, SYSTEM, allotted.model_dump(mode="json"))
    old = state.own.allotment
    if old is None or old.number == allotted.number:
        return [given]
    body = {"number": old.number, "code": old.code, "instead": allotted.number}
    return [PendingEvent(CertificateEvent.NUMBER_VOIDED, SYSTEM, body), given]


_GIVEN_UP = (EventName.WITHDRAWN, EventName.CANCELLED)


def _put_in_force(pending: PendingEvent, state: Holding, findings: CertificateFindings) -> Decision:
    if state.own.certificate is not None:
        body = {
            "revision": state.revision,
            "purpose": state.own.purpose.value if state.own.purpose else "",
            "change": state.own.change,
        }
        return [PendingEvent(CertificateEvent.CERTIFICATE_CHANGED, SYSTEM, body, pending.cite)]
    allotment = findings.allotment or state.own.allotment
    if allotment is None:
        # only tried: whether it is refused is all that is asked
        return []
    body = {**allotment.model_dump(mode="json"), "revision": state.revision}
    return [PendingEvent(CertificateEvent.ISSUED, SYSTEM, body, pending.cite)]


def apply(
    s: Holding, p: CasePlan, m: cert.Apply, now: datetime, findings: CertificateFindings
) -> Decision | Refusal:
    """An application: into review, or into force where the issuer has decided elsewhere."""
    refusal = (
        expect(s, m, *EDITABLE, Status.COMPLETED)
        or _purpose_fits(s, m, now)
        # whoever reviewed the application before this one may file this one
        or (person(s, m.actor) if s.status is not Status.COMPLETED else None)
        or findings.refusal
    )
    if refusal is not None:
        return refusal
    if m.decided is not None and m.actor.role is not Role.CLERK:
        return Refusal(code=Code.DECIDED_BY_ISSUER_ONLY, cite=p.review.cite)
    body: dict[str, Any] = {
        "revision": m.revision,
        "content_sha256": m.content_sha256,
        "purpose": m.purpose.value,
        "change": m.change,
        "late": findings.late_renewal,
        "editors": list(findings.editors),
        **unchanged_if(findings.unchanged),
    }
    submitted = PendingEvent(EventName.SUBMITTED, m.actor, body, p.fill.cite)
    if m.decided is None:
        levels = {"levels": [one.model_dump(mode="json") for one in p.levels], "review_open": True}
        return [submitted, PendingEvent(EventName.ASSIGNED, SYSTEM, levels, p.levels[0].cite)]
    pending = [
        submitted,
        PendingEvent(
            CertificateEvent.TAKEN_OVER, m.actor, m.decided.model_dump(mode="json"), p.review.cite
        ),
    ]
    if s.own.certificate is not None:
        body = {"revision": m.revision, "purpose": m.purpose.value, "change": m.change}
        return [
            *pending,
            PendingEvent(CertificateEvent.CERTIFICATE_CHANGED, SYSTEM, body, p.completion_cite),
        ]
    if findings.allotment is None:
        return pending
    issued = {**findings.allotment.model_dump(mode="json"), "revision": m.revision}
    return [
        *pending,
        *_numbered(s, findings.allotment),
        PendingEvent(CertificateEvent.ISSUED, SYSTEM, issued, p.completion_cite),
    ]


def _purpose_fits(s: Holding, m: cert.Apply, now: datetime) -> Refusal | None:
    """A certificate is applied for once; changes and more scope while it is in force."""
    if m.purpose is not Purpose.ISSUE:
        return in_force(s.own.certificate, now)
    if s.own.certificate is not None:
        params = {"number": s.own.certificate.number}
        return Refusal(code=Code.CERTIFICATE_EXISTS, params=params)
    return None


def withdraw(
    s: Holding, p: CasePlan, m: c.Withdraw, now: datetime, _: CertificateFindings
) -> Decision | Refusal:
    """The applicant takes back what nobody has claimed."""
    mine = (Status.DRAFT, Status.SUBMITTED, Status.IN_REVIEW, Status.RETURNED)
    if refusal := expect(s, m, *mine):
        return refusal
    if s.claimed_by:
        # the applicant is not told which person of the authority it is
        return Refusal(code=Code.CLAIMED_BY_OTHER, params={"person": "审核人"})
    return [PendingEvent(EventName.WITHDRAWN, m.actor, cite=p.fill.cite)]


def reject(
    s: Holding, p: CasePlan, m: cert.Reject, now: datetime, _: CertificateFindings
) -> Decision | Refusal:
    """The reviewer refuses the application, with the reason."""
    refusal = (
        expect(s, m, Status.IN_REVIEW)
        or turn(s, p, m, claim_needed=True)
        or needs_note(m)
        or review_window(s, p, now)
    )
    body = {"rejected": True}
    return refusal or [PendingEvent(EventName.CANCELLED, m.actor, body, p.levels[0].cite)]


_ENDED: dict[Ended, CertificateStatus] = {
    "deregistered": CertificateStatus.DEREGISTERED,
    "revoked": CertificateStatus.REVOKED,
    "rescinded": CertificateStatus.RESCINDED,
}
_ENDED_FOR_GOOD = frozenset(_ENDED.values())


def end_certificate(
    s: Holding, p: CasePlan, m: cert.EndCertificate, now: datetime, _: CertificateFindings
) -> Decision | Refusal:
    """The issuing authority ends a certificate from one of its days on."""
    held = s.own.certificate
    if held is None:
        return Refusal(code=Code.NO_CERTIFICATE)
    if m.actor.scope != issuer_of(p):
        params = {"authority": issuer_of(p)}
        return Refusal(code=Code.NOT_YOUR_AUTHORITY, params=params)
    if held.status in _ENDED_FOR_GOOD:
        params = {"number": held.number, "status": CERTIFICATE_STATUS_LABELS[held.status]}
        return Refusal(code=Code.CERTIFICATE_NOT_IN_FORCE, params=params)
    if refusal := needs_note(m):
        return refusal
    today = day_of(now)
    if not held.issued_on <= m.on <= today:
        params = {"first": held.issued_on.isoformat(), "last": today.isoformat()}
        return Refusal(code=Code.ENDING_DAY_OUTSIDE, params=params)
    body = {
        "status": _ENDED[m.ending].value,
        "ended_on": m.on.isoformat(),
        "document": m.document,
    }
    return [
        *_change_over(s, m.kind),
        PendingEvent(CertificateEvent.CERTIFICATE_ENDED, m.actor, body),
    ]


def correct_end(
    s: Holding, p: CasePlan, m: cert.CorrectEnd, now: datetime, _: CertificateFindings
) -> Decision | Refusal:
    """An end that was put on record by mistake: there was none, or it was another one.

    One that should not have ended is in force again, or has expired meanwhile.
    """
    held = s.own.certificate
    if held is None:
        return Refusal(code=Code.NO_CERTIFICATE)
    if m.actor.scope != issuer_of(p):
        params = {"authority": issuer_of(p)}
        return Refusal(code=Code.NOT_YOUR_AUTHORITY, params=params)
    if held.status not in _ENDED_FOR_GOOD:
        params = {"number": held.number, "status": CERTIFICATE_STATUS_LABELS[held.status]}
        return Refusal(code=Code.CERTIFICATE_NOT_ENDED, params=params)
    if refusal := needs_note(m):
        return refusal
    if m.ending is not None:
        today = day_of(now)
        if m.on is None or not held.issued_on <= m.on <= today:
            params = {"first": held.issued_on.isoformat(), "last": today.isoformat()}
            return Refusal(code=Code.ENDING_DAY_OUTSIDE, params=params)
        status, ended_on = _ENDED[m.ending], m.on.isoformat()
    elif now < held.expires_at:
        status, ended_on = CertificateStatus.VALID, None
    else:
        status, ended_on = CertificateStatus.EXPIRED, held.valid_to.isoformat()
    body = {
        "status": status.value,
        "ended_on": ended_on,
        "document": m.document,
        "instead_of": {
            "status": held.status.value,
            "ended_on": held.ended_on.isoformat() if held.ended_on else None,
            "document": held.document,
        },
    }
    return [PendingEvent(CertificateEvent.END_CORRECTED, m.actor, body)]


def expire(
    s: Holding, p: CasePlan, m: cert.Expire, now: datetime, _: CertificateFindings
) -> Decision | Refusal:
    """The last day of a certificate that nobody has ended is over."""
    held = s.own.certificate
    if held is None or held.status is not CertificateStatus.VALID:
        return in_force(held, now) or Refusal(code=Code.NO_CERTIFICATE)
    if now < held.expires_at:
        return Refusal(code=Code.NOT_OPEN_YET, at=held.expires_at)
    body = {"status": CertificateStatus.EXPIRED.value, "ended_on": held.valid_to.isoformat()}
    return [*_change_over(s, m.kind), PendingEvent(CertificateEvent.EXPIRED, m.actor, body)]


def supersede(
    s: Holding, p: CasePlan, m: cert.Supersede, now: datetime, _: CertificateFindings
) -> Decision | Refusal:
    """The certificate that takes this one's place has been issued."""
    held = s.own.certificate
    if held is None or held.status in (*_ENDED_FOR_GOOD, CertificateStatus.SUPERSEDED):
        return in_force(held, now) or Refusal(code=Code.NO_CERTIFICATE)
    body = {
        "status": CertificateStatus.SUPERSEDED.value,
        "ended_on": m.on.isoformat(),
        "superseded_by": m.by,
    }
    return [*_change_over(s, m.kind), PendingEvent(CertificateEvent.SUPERSEDED, m.actor, body)]


def _change_over(s: Holding, because: str) -> Decision:
    """An application for a change is moot once the certificate has ended."""
    if s.status is Status.COMPLETED:
        return []
    return [PendingEvent(CertificateEvent.CHANGE_ABANDONED, SYSTEM, {"because": because})]


def remind(
    s: Holding, p: CasePlan, m: c.Remind, now: datetime, _: CertificateFindings
) -> Decision | Refusal:
    """The day of a reminder to renew has come."""
    held = s.own.certificate
    due = [one for one in held.reminders if one.id == m.reminder] if held is not None else []
    if not due or now < due[0].at or m.reminder in s.own.reminded:
        return Refusal(code=Code.NOT_OPEN_YET, at=due[0].at if due else None)
    assert held is not None
    body = {
        "reminder": due[0].id,
        "label": due[0].label,
        "due": held.expires_at.isoformat(),
    }
    return [PendingEvent(REMINDED, m.actor, body, due[0].cite)]


def note_predecessor(
    s: Holding, p: CasePlan, m: cert.NotePredecessor, now: datetime, _: CertificateFindings
) -> Decision | Refusal:
    """The certificate that this one replaces is marked as replaced."""
    body = {"predecessor": m.predecessor}
    return [PendingEvent(CertificateEvent.PREDECESSOR_SUPERSEDED, m.actor, body)]
