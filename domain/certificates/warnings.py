"""What to look at before a certificate is issued, and in the register afterwards. Pure.

None of it keeps a certificate from being issued: the register may be behind, and an issuing
authority may have its reasons. It is told beside what is applied for, with what can be done.
"""

from collections.abc import Iterable
from datetime import date

from domain.certificates.certificate import CertificateContent, CertificateStatus, status_on
from domain.certificates.number import NumberTables, decode
from domain.ids import jurisdiction_of
from domain.jurisdictions import lies_in
from domain.model import Value
from domain.text import same_name

SECOND_MEND = "要延续的请填原证书，要增加能力的请申请扩项，要改内容的请申请变更；确需另发的可以继续"
"""What can be done about a second certificate of the same institution, field and industry."""
_IN_FORCE = (CertificateStatus.VALID, CertificateStatus.NOT_YET_VALID)


class CertificateWarning(Value):
    """Something to look at: a stable code, what it is, and what can be done, both in Chinese."""

    code: str
    message: str
    mend: str


class InRegister(Value):
    """A certificate of an institution as the register has it, without its content.

    ``code``, ``case_id``, ``field`` and ``industry`` are empty where only a roster knows of it; the
    number says field and industry then.
    """

    number: str
    code: str
    case_id: str
    field: str
    industry: str
    status: CertificateStatus
    valid_from: date | None
    valid_to: date

    def in_force(self, today: date) -> bool:
        """Whether it is valid on a day, or will be."""
        return status_on(self.status, self.valid_to, today, self.valid_from) in _IN_FORCE

    def covers(self, field: str, industry: str, tables: NumberTables) -> bool:
        """Whether it is of a field and an industry; of a number that says neither, it is not."""
        if self.field:
            return (self.field, self.industry) == (field, industry)
        told = decode(self.number, tables)
        return (getattr(told, "field", ""), getattr(told, "industry", "")) == (field, industry)


class HolderFacts(Value):
    """What is on record of an institution; ``name`` is empty for one that is not there yet."""

    name: str
    region: str
    certificates: tuple[InRegister, ...] = ()


def certificate_warnings(
    content: CertificateContent,
    holder: HolderFacts,
    tables: NumberTables,
    today: date,
    *,
    case_id: str = "",
    replaces: Iterable[str] = (),
) -> tuple[CertificateWarning, ...]:
    """What to look at before a certificate with this content is issued, or changed.

    Not its own second certificate are the one of ``case_id``, and those whose numbers or codes are
    in ``replaces``: what it renews, and what is taken over under its number.
    """
    gone = set(replaces)
    others = [
        one.number
        for one in holder.certificates
        if one.in_force(today)
        and not (case_id and one.case_id == case_id)
        and not gone.intersection((one.number, one.code))
        and one.covers(content.field, content.industry, tables)
    ]
    return (
        *_other_name(content.holder, holder.name),
        *_second(others),
        *_other_province(content.issuer, holder.region),
    )


def register_warnings(
    name: str, certificates: Iterable[tuple[str, str, CertificateStatus]]
) -> tuple[CertificateWarning, ...]:
    """What to look at in an institution's entry: its certificates in force name it otherwise.

    ``certificates`` are number, holder and today's status; a roster tells no holder.
    """
    return tuple(
        CertificateWarning(
            code="holder_differs",
            message=f"证书 {number} 上的机构名称是“{holder}”，名录中是“{name}”",
            mend="机构已更名的，请经办人更正名录；未更名的，请发证机关变更证书",
        )
        for number, holder, status in certificates
        if status in _IN_FORCE and holder and not same_name(holder, name)
    )


def _other_name(holder: str, name: str) -> list[CertificateWarning]:
    if not name or same_name(holder, name):
        return []
    message = f"机构名称“{holder}”与名录中的“{name}”不同"
    mend = "写错的请改正；机构已更名的，请经办人同时更正名录"
    return [CertificateWarning(code="holder_differs", message=message, mend=mend)]


def _second(others: list[str]) -> list[CertificateWarning]:
    if not others:
        return []
    message = f"该机构在同一专业领域和行业已有有效证书：{'、'.join(others)}"
    return [CertificateWarning(code="second_certificate", message=message, mend=SECOND_MEND)]


def _other_province(issuer: str, region: str) -> list[CertificateWarning]:
    if not region or lies_in(region, jurisdiction_of(issuer)):
        return []
    message = f"该机构的监管区域 {region} 不在发证机关 {issuer} 的辖区"
    mend = "请核对机构编号和发证机关；名录中的区域不对的，请经办人更正名录"
    return [CertificateWarning(code="other_province", message=message, mend=mend)]
