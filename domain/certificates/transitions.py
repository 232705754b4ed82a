"""What only certificates know: application, issue, change, renewal, and the ways to end.

A case holds one certificate from the application to the end of its life. While it is in force the
case is completed; an application for a change takes it round once more, and the certificate stays
in force meanwhile. Deciders as in `domain.numbers.transitions`.
"""

from datetime import datetime
from typing import Any

from domain.case import commands as c
from domain.case.checks import Draft, Found, expect, needs_note, person, review_window, turn
from domain.case.commands import ROLE_LABELS, SYSTEM, Command, Role
from domain.case.events import EventName
from domain.case.plan import FOREVER, CasePlan
from domain.case.state import CaseState, Submission
from domain.case.status import EDITABLE, Kind, Status
from domain.certificates.certificate import CERTIFICATE_STATUS_LABELS, CertificateStatus, Ended
from domain.certificates.issuing import Allotment, HeldCertificate, Purpose
from domain.ids import authority_of
from domain.refusals import Code, Refusal

AFTER_THE_END: dict[Status, frozenset[str]] = {
    Status.COMPLETED: frozenset(
        {"apply", "remind", "end_certificate", "expire", "supersede", "note_predecessor"}
    ),
    Status.CANCELLED: frozenset(),
}
"""What a completed or cancelled case still takes: most of a certificate's life."""


def in_force(held: HeldCertificate | None, now: datetime) -> Refusal | None:
    """The refusal of what only a valid certificate allows."""
    if held is None:
        return Refusal(code=Code.NO_CERTIFICATE)
    if held.status is CertificateStatus.VALID and now < held.expires_at:
        return None
    standing = held.status
    if standing is CertificateStatus.VALID:
        standing = CertificateStatus.EXPIRED
    params = {"number": held.number, "status": CERTIFICATE_STATUS_LABELS[standing]}
    return Refusal(code=Code.CERTIFICATE_NOT_IN_FORCE, params=params)


def issuer_of(plan: CasePlan) -> str:
    """The authority that issues a case's certificate."""
    return authority_of(plan.jurisdiction)


def not_the_issuers(plan: CasePlan, command: Command) -> Refusal | None:
    """A clerk acts for the issuing authority alone, and on nothing but certificates."""
    if plan.kind != Kind.CERTIFICATE:
        return Refusal(code=Code.FORBIDDEN, params={"role": ROLE_LABELS[command.actor.role]})
    issuer = issuer_of(plan)
    if command.actor.scope != issuer:
        return Refusal(code=Code.NOT_YOUR_AUTHORITY, params={"authority": issuer})
    return None


def in_terms_of_certificates(
    drafts: list[Draft], state: CaseState, submission: Submission
) -> list[Draft]:
    """What the shared deciders lead to, said of a certificate.

    Approval numbers and codes it, completion issues it or puts a change into force. An application
    for a change that is withdrawn or refused leaves the certificate as it was.
    """
    found: list[Draft] = []
    for draft in drafts:
        if draft.name is EventName.COMPLETED:
            found += _put_in_force(draft, state, submission)
        elif state.certificate is not None and draft.name in _GIVEN_UP:
            body = {"because": draft.name.value, **draft.body}
            found.append(Draft(EventName.CHANGE_ABANDONED, draft.actor, body, draft.cite))
        else:
            found.append(draft)
            if draft.name is EventName.APPROVED and submission.allotment is not None:
                found += _numbered(state, submission.allotment)
    return found


def _numbered(state: CaseState, allotted: Allotment) -> list[Draft]:
    """Number and code; a number that the case had before and has no more is told as voided."""
    given = Draft(EventName.NUMBERED, SYSTEM, allotted.model_dump(mode="json"))
    old = state.allotment
    if old is None or old.number == allotted.number:
        return [given]
    body = {"number": old.number, "code": old.code, "instead": allotted.number}
    return [Draft(EventName.NUMBER_VOIDED, SYSTEM, body), given]


_GIVEN_UP = (EventName.WITHDRAWN, EventName.CANCELLED)


def _put_in_force(draft: Draft, state: CaseState, submission: Submission) -> list[Draft]:
    if state.certificate is not None:
        body = {
            "revision": state.revision,
            "purpose": state.purpose.value if state.purpose else "",
            "change": state.change,
        }
        return [Draft(EventName.CERTIFICATE_CHANGED, SYSTEM, body, draft.cite)]
    allotment = submission.allotment or state.allotment
    if allotment is None:
        # only tried: whether it is refused is all that is asked
        return []
    body = {**allotment.model_dump(mode="json"), "revision": state.revision}
    return [Draft(EventName.ISSUED, SYSTEM, body, draft.cite)]


def _apply(s: CaseState, p: CasePlan, m: c.Apply, now: datetime, found: Submission) -> Found:
    refusal = (
        expect(s, m, *EDITABLE, Status.COMPLETED)
        or _purpose_fits(s, m, now)
        # whoever reviewed the application before this one may file this one
        or (person(s, m.actor) if s.status is not Status.COMPLETED else None)
        or found.refusal
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
        "late": found.late_renewal,
        "editors": list(found.editors),
    }
    submitted = Draft(EventName.SUBMITTED, m.actor, body, p.fill.cite)
    if m.decided is None:
        levels = {"levels": [one.model_dump(mode="json") for one in p.levels], "review_open": True}
        return [submitted, Draft(EventName.ASSIGNED, SYSTEM, levels, p.levels[0].cite)]
    drafts = [
        submitted,
        Draft(EventName.TAKEN_OVER, m.actor, m.decided.model_dump(mode="json"), p.review.cite),
    ]
    if s.certificate is not None:
        body = {"revision": m.revision, "purpose": m.purpose.value, "change": m.change}
        return [*drafts, Draft(EventName.CERTIFICATE_CHANGED, SYSTEM, body, p.completion_cite)]
    if found.allotment is None:
        return drafts
    issued = {**found.allotment.model_dump(mode="json"), "revision": m.revision}
    return [
        *drafts,
        *_numbered(s, found.allotment),
        Draft(EventName.ISSUED, SYSTEM, issued, p.completion_cite),
    ]


def _purpose_fits(s: CaseState, m: c.Apply, now: datetime) -> Refusal | None:
    """A certificate is applied for once; changes and more scope while it is in force."""
    if m.purpose is not Purpose.ISSUE:
        return in_force(s.certificate, now)
    if s.certificate is not None:
        params = {"number": s.certificate.number}
        return Refusal(code=Code.CERTIFICATE_EXISTS, params=params)
    return None


def _withdraw(s: CaseState, p: CasePlan, m: c.Withdraw, now: datetime, _: Submission) -> Found:
    mine = (Status.DRAFT, Status.SUBMITTED, Status.IN_REVIEW, Status.RETURNED)
    if refusal := expect(s, m, *mine):
        return refusal
    if s.claimed_by:
        # the applicant is not told which person of the authority it is
        return Refusal(code=Code.CLAIMED_BY_OTHER, params={"person": "审核人"})
    return [Draft(EventName.WITHDRAWN, m.actor, cite=p.fill.cite)]


def _reject(s: CaseState, p: CasePlan, m: c.Reject, now: datetime, _: Submission) -> Found:
    refusal = (
        expect(s, m, Status.IN_REVIEW)
        or turn(s, p, m, claim_needed=True)
        or needs_note(m)
        or review_window(s, p, now)
    )
    body = {"rejected": True}
    return refusal or [Draft(EventName.CANCELLED, m.actor, body, p.levels[0].cite)]


_ENDED: dict[Ended, CertificateStatus] = {
    "deregistered": CertificateStatus.DEREGISTERED,
    "revoked": CertificateStatus.REVOKED,
    "rescinded": CertificateStatus.RESCINDED,
}
_ENDED_FOR_GOOD = frozenset(_ENDED.values())


def _end(s: CaseState, p: CasePlan, m: c.EndCertificate, now: datetime, _: Submission) -> Found:
    held = s.certificate
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
    today = now.astimezone(FOREVER.tzinfo).date()
    if not held.issued_on <= m.on <= today:
        params = {"first": held.issued_on.isoformat(), "last": today.isoformat()}
        return Refusal(code=Code.ENDING_DAY_OUTSIDE, params=params)
    body = {
        "status": _ENDED[m.ending].value,
        "ended_on": m.on.isoformat(),
        "document": m.document,
    }
    return [*_change_over(s, m.kind), Draft(EventName.CERTIFICATE_ENDED, m.actor, body)]


def _expire(s: CaseState, p: CasePlan, m: c.Expire, now: datetime, _: Submission) -> Found:
    held = s.certificate
    if held is None or held.status is not CertificateStatus.VALID:
        return in_force(held, now) or Refusal(code=Code.NO_CERTIFICATE)
    if now < held.expires_at:
        return Refusal(code=Code.NOT_OPEN_YET, at=held.expires_at)
    body = {"status": CertificateStatus.EXPIRED.value, "ended_on": held.valid_to.isoformat()}
    return [*_change_over(s, m.kind), Draft(EventName.EXPIRED, m.actor, body)]


def _supersede(s: CaseState, p: CasePlan, m: c.Supersede, now: datetime, _: Submission) -> Found:
    held = s.certificate
    if held is None or held.status in (*_ENDED_FOR_GOOD, CertificateStatus.SUPERSEDED):
        return in_force(held, now) or Refusal(code=Code.NO_CERTIFICATE)
    body = {
        "status": CertificateStatus.SUPERSEDED.value,
        "ended_on": m.on.isoformat(),
        "superseded_by": m.by,
    }
    return [*_change_over(s, m.kind), Draft(EventName.SUPERSEDED, m.actor, body)]


def _change_over(s: CaseState, because: str) -> list[Draft]:
    """An application for a change is moot once the certificate has ended."""
    if s.status is Status.COMPLETED:
        return []
    return [Draft(EventName.CHANGE_ABANDONED, SYSTEM, {"because": because})]


def _remind(s: CaseState, p: CasePlan, m: c.Remind, now: datetime, _: Submission) -> Found:
    held = s.certificate
    due = [one for one in held.reminders if one.id == m.reminder] if held is not None else []
    if not due or now < due[0].at or m.reminder in s.reminded:
        return Refusal(code=Code.NOT_OPEN_YET, at=due[0].at if due else None)
    assert held is not None
    body = {
        "reminder": due[0].id,
        "label": due[0].label,
        "due": held.expires_at.isoformat(),
    }
    return [Draft(EventName.REMINDED, m.actor, body, due[0].cite)]


def _note_predecessor(
    s: CaseState, p: CasePlan, m: c.NotePredecessor, now: datetime, _: Submission
) -> Found:
    body = {"predecessor": m.predecessor}
    return [Draft(EventName.PREDECESSOR_SUPERSEDED, m.actor, body)]


DECIDERS: dict[str, Any] = {
    "apply": _apply,
    "withdraw": _withdraw,
    "reject": _reject,
    "end_certificate": _end,
    "expire": _expire,
    "supersede": _supersede,
    "remind": _remind,
    "note_predecessor": _note_predecessor,
}
