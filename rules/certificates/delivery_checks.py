"""What is wrong with a delivery of connected mode, place by place, before anything is begun. Pure.

The same checks stand behind real deliveries and the sandbox. What a certificate's case refuses
beyond this, it refuses when it is asked.
"""

from collections.abc import Callable
from datetime import date

from domain.certificates.certificate import (
    CERTIFICATE_STATUS_LABELS,
    CertificateContent,
    CertificateStatus,
    status_on,
)
from domain.certificates.issuing import Purpose
from domain.connected import (
    AnyDelivery,
    ChangeDelivery,
    EndDelivery,
    ExtensionDelivery,
    IssueDelivery,
)
from domain.ids import jurisdiction_of
from domain.jurisdictions import lies_in
from domain.messages import explain
from domain.model import Value
from domain.refusals import Code, Refusal
from rules.certificates.certificates import CertificateRules
from rules.certificates.content import (
    change_refusal,
    content_problems,
    decided_refusal,
    number_refusal,
)


class Named(Value):
    """A certificate that a delivery names, as far as it is known.

    ``listed``: from a roster or a register only, with neither case nor content.
    """

    number: str
    institution: str
    issuer: str
    listed: bool
    status: CertificateStatus
    valid_to: date
    issued_on: date | None = None
    content: CertificateContent | None = None


class Known(Value):
    """What is on record about what a delivery names.

    ``number`` is the certificate that is delivered anew, changed or ended; ``allotted``: its
    number has been given to a case, issued yet or not. ``renewed_by`` is the number of the
    certificate that has replaced ``renews`` already. ``region``: the region told is one there is.
    """

    institution: bool
    region: bool = True
    number: Named | None = None
    allotted: bool = False
    renews: Named | None = None
    renewed_by: str = ""


class Wrong(Value):
    """What is wrong at one place of a delivery, a JSON pointer; ``refusal`` where it is one."""

    pointer: str
    code: str
    message: str
    refusal: Refusal | None = None


def mode_refusal(rules: CertificateRules, authority: str, sandbox: bool) -> Refusal | None:
    """Why an authority's deliveries are not taken at all: it codes by hand."""
    if sandbox or rules.mode(authority) == "connected":
        return None
    params = {"authority": rules.authority_name(authority), "id": authority}
    return Refusal(code=Code.MANUAL_MODE, params=params, cite=rules.mode_cite(authority))


def delivery_problems(
    rules: CertificateRules,
    authority: str,
    delivery: AnyDelivery,
    known: Known,
    today: date,
    unprintable: Callable[[str], list[str]] = lambda _: [],
) -> list[Wrong]:
    """What keeps an authority's delivery from being taken; nothing where it can be."""
    if isinstance(delivery, IssueDelivery):
        return [
            *_content(rules, authority, delivery.content, unprintable),
            *_refused("/decision", decided_refusal(delivery.decision.decided(), today)),
            *_number(rules, authority, delivery, known, today),
            *_institution(authority, delivery, known),
            *_renewal(authority, delivery, known, today),
        ]
    found = _refused("/number", _not_usable(authority, delivery.number, known.number))
    if found or known.number is None:
        return found
    if isinstance(delivery, EndDelivery):
        return _end(delivery, known.number, today)
    return [
        *_content(rules, authority, delivery.content, unprintable),
        *_refused("/decision", decided_refusal(delivery.decision.decided(), today)),
        *_change(rules, delivery, known.number, today),
    ]


def _refused(pointer: str, refusal: Refusal | None) -> list[Wrong]:
    if refusal is None:
        return []
    words = explain(refusal)
    message = f"{words.detail}{words.remedy}"
    return [Wrong(pointer=pointer, code=refusal.code.value, message=message, refusal=refusal)]


def _content(
    rules: CertificateRules,
    authority: str,
    content: CertificateContent,
    unprintable: Callable[[str], list[str]],
) -> list[Wrong]:
    found = [
        Wrong(pointer=f"/content{one.pointer}", code=one.code, message=one.message)
        for one in content_problems(rules, content, unprintable)
    ]
    if content.issuer != authority:
        refusal = _not_the_issuer("这张证书", content.issuer)
        found += _refused("/content/issuer", refusal)
    return found


def _number(
    rules: CertificateRules, authority: str, delivery: IssueDelivery, known: Known, today: date
) -> list[Wrong]:
    """An existing certificate keeps its number: nobody else's, and only the first time."""
    number, holder = delivery.decision.number, delivery.content.institution
    if not number:
        return []
    listed = known.number
    refusal = number_refusal(rules, number, authority)
    if refusal is not None:
        return _refused("/decision/number", refusal)
    if listed is not None and listed.issuer != authority:
        refusal = _not_the_issuer(f"证书 {number} ", listed.issuer)
    elif known.allotted or (listed is not None and not listed.listed):
        refusal = Refusal(code=Code.NUMBER_TAKEN, params={"number": number})
    elif listed is not None and listed.institution != holder:
        refusal = Refusal(code=Code.OTHER_HOLDER, params={"number": number, "institution": holder})
    elif listed is not None:
        refusal = _ended(listed, today, CertificateStatus.EXPIRED)
    return _refused("/decision/number", refusal)


def _institution(authority: str, delivery: IssueDelivery, known: Known) -> list[Wrong]:
    if known.institution:
        return []
    details = delivery.institution
    if details is None:
        params = {"institution": delivery.content.institution}
        refusal = Refusal(code=Code.UNKNOWN_INSTITUTION, params=params)
        return _refused("/content/institution", refusal)
    if not known.region:
        message = "没有这个辖区代码；请按 rules/jurisdictions.yaml 填写机构的监管区域"
        return [Wrong(pointer="/institution/region", code="unknown_region", message=message)]
    if not lies_in(details.region, jurisdiction_of(authority)):
        message = "机构的监管区域不在发证机关的辖区之内；请核对"
        return [Wrong(pointer="/institution/region", code="outside_jurisdiction", message=message)]
    return []


def _renewal(authority: str, delivery: IssueDelivery, known: Known, today: date) -> list[Wrong]:
    if not delivery.renews:
        return []
    old = known.renews
    refusal = _not_usable(authority, delivery.renews, old)
    if refusal is None and old is not None:
        holder = delivery.content.institution
        if old.institution != holder:
            params = {"number": old.number, "institution": holder}
            refusal = Refusal(code=Code.OTHER_HOLDER, params=params)
        elif known.renewed_by:
            params = {"number": old.number, "other": known.renewed_by}
            refusal = Refusal(code=Code.RENEWED_ALREADY, params=params)
        else:
            refusal = _ended(old, today, CertificateStatus.EXPIRED)
    return _refused("/renews", refusal)


def _change(
    rules: CertificateRules,
    delivery: ChangeDelivery | ExtensionDelivery,
    named: Named,
    today: date,
) -> list[Wrong]:
    if refusal := _ended(named, today):
        return _refused("/number", refusal)
    assert named.content is not None
    if delivery.content.institution != named.institution:
        params = {"number": named.number, "institution": delivery.content.institution}
        refusal = Refusal(code=Code.OTHER_HOLDER, params=params)
        return _refused("/content/institution", refusal)
    change = delivery.change if isinstance(delivery, ChangeDelivery) else ""
    purpose = Purpose.CHANGE if change else Purpose.EXTENSION
    refusal = change_refusal(rules, purpose, change, named.content, delivery.content)
    unknown = refusal is not None and refusal.code is Code.UNKNOWN_CHANGE
    return _refused("/change" if unknown else "/content", refusal)


def _end(delivery: EndDelivery, named: Named, today: date) -> list[Wrong]:
    refusal = _ended(named, today, CertificateStatus.EXPIRED, CertificateStatus.SUPERSEDED)
    if refusal is not None:
        return _refused("/number", refusal)
    first = named.issued_on or delivery.on
    if first <= delivery.on <= today:
        return []
    params = {"first": first.isoformat(), "last": today.isoformat()}
    return _refused("/on", Refusal(code=Code.ENDING_DAY_OUTSIDE, params=params))


def _not_usable(authority: str, number: str, named: Named | None) -> Refusal | None:
    """Why a certificate cannot be changed, ended or renewed by an authority's delivery."""
    if named is None:
        return Refusal(code=Code.NOT_FOUND, params={"what": f"证书 {number}"})
    if named.issuer != authority:
        return _not_the_issuer(f"证书 {number} ", named.issuer)
    if named.listed:
        return Refusal(code=Code.CERTIFICATE_NOT_TAKEN_OVER, params={"number": number})
    return None


def _not_the_issuer(what: str, issuer: str) -> Refusal:
    return Refusal(code=Code.OTHER_ISSUER, params={"what": what, "authority": issuer})


def _ended(named: Named, today: date, *allowed: CertificateStatus) -> Refusal | None:
    now = status_on(named.status, named.valid_to, today)
    if now in (CertificateStatus.VALID, *allowed):
        return None
    params = {"number": named.number, "status": CERTIFICATE_STATUS_LABELS[now]}
    return Refusal(code=Code.CERTIFICATE_NOT_IN_FORCE, params=params)
