"""What the public is told of certificates: the public part, and what a scan comes to.

Pure: what a paper's signature proves and what the register says are handed in.
"""

from datetime import date, datetime
from enum import StrEnum

from domain.certificates.certificate import Capability, Certificate, CertificateStatus
from domain.certificates.statement import Statement, StatementFault, StatementProblem, differences
from domain.citation import Citation
from domain.model import Value


class Counted(StrEnum):
    """What of the public's questions is counted."""

    SCAN = "scan"
    SEARCH = "search"


class ScanAnswer(StrEnum):
    """What a scan is answered with, as it is counted: a status of the register, or why none."""

    VALID = "valid"
    NOT_YET_VALID = "not_yet_valid"
    EXPIRED = "expired"
    SUPERSEDED = "superseded"
    DEREGISTERED = "deregistered"
    REVOKED = "revoked"
    RESCINDED = "rescinded"
    UNPROVEN = "unproven"
    UNKNOWN = "unknown"
    UNAVAILABLE = "unavailable"


SCAN_ANSWER_LABELS: dict[ScanAnswer, str] = {
    ScanAnswer.VALID: "有效",
    ScanAnswer.NOT_YET_VALID: "尚未生效",
    ScanAnswer.EXPIRED: "过期",
    ScanAnswer.SUPERSEDED: "已换发",
    ScanAnswer.DEREGISTERED: "注销",
    ScanAnswer.REVOKED: "撤销",
    ScanAnswer.RESCINDED: "吊销",
    ScanAnswer.UNPROVEN: "签名不能证明",
    ScanAnswer.UNKNOWN: "没有这个代码",
    ScanAnswer.UNAVAILABLE: "暂时查不到登记",
}


SCAN_TITLES: dict[CertificateStatus, str] = {
    CertificateStatus.VALID: "证书有效",
    CertificateStatus.NOT_YET_VALID: "证书尚未生效",
    CertificateStatus.EXPIRED: "证书已过期",
    CertificateStatus.SUPERSEDED: "证书已换发，请看现在的证书",
    CertificateStatus.DEREGISTERED: "证书已注销，不再有效",
    CertificateStatus.REVOKED: "证书已被撤销，不再有效",
    CertificateStatus.RESCINDED: "证书已被吊销，不再有效",
}
"""What stands over the answer to a scan."""


class SearchAnswer(StrEnum):
    """What a search is answered with, as it is counted."""

    FOUND = "found"
    NOT_FOUND = "not_found"


class Proof(StrEnum):
    """What the signature in a QR code shows of the paper it stands on."""

    GENUINE = "genuine"
    NOT_GIVEN = "not_given"
    UNPROVEN = "unproven"
    NOT_CHECKED = "not_checked"


class Unverified(StrEnum):
    """The status of what only a roster claims: no issuing authority has said so."""

    UNVERIFIED = "unverified"


UNVERIFIED_LABEL = "未经发证机关核实"


class HolderNow(Value):
    """Who the holder of a certificate is now, after a merger or a change of its code."""

    name: str
    uscc: str


class PublicCertificate(Value):
    """What anybody may know of a certificate. ``since`` is the first day of its status.

    ``code`` is that of its address ``/c/<code>``, "" where no issuing authority has stated it.

    ``document`` is the number of the document that ended it; ``capabilities`` are some of its
    ``capabilities_total`` lines; ``superseded_by`` is the number of its successor.
    ``holder_now`` is set where its holder was merged or has another code since. What only a
    roster claims is ``unverified``, and never valid.
    """

    number: str
    code: str
    holder: str
    uscc: str
    address: str
    issuer: str
    issuer_name: str
    level: str
    field: str
    field_label: str
    industry: str
    industry_label: str
    valid_from: date | None
    valid_to: date
    status: CertificateStatus | Unverified
    status_label: str
    since: date | None
    ended_on: date | None
    document: str
    superseded_by: str
    holder_now: HolderNow | None = None
    capabilities: tuple[Capability, ...]
    capabilities_total: int


class Paper(Value):
    """What a genuine signature says was issued. A long name is given by its beginning."""

    number: str
    holder: str
    issuer: str
    issuer_name: str
    issued_on: date
    valid_from: date
    valid_to: date
    signed_on: date


class Difference(Value):
    """One thing in which paper and register differ."""

    name: str
    label: str
    paper: str
    record: str


class Current(Value):
    """The certificate that is now in the place of one that was replaced."""

    number: str
    code: str
    status: CertificateStatus
    status_label: str


class Mark(Value):
    """A measure in force against the holder that the rules have shown here, with its first day."""

    label: str
    since: date
    cite: Citation | None


class Scan(Value):
    """The answer to a scan. ``known_at`` is when the register was read, None where it was not.

    ``live`` says that this was just now; otherwise what came later is not known.
    """

    code: str
    answer: ScanAnswer
    title: str
    says: str
    proves: str
    does_not_prove: str
    next_step: str
    proof: Proof
    proof_says: str
    fault: StatementFault | None
    paper: Paper | None
    certificate: PublicCertificate | None
    part: int
    parts: int
    differences: tuple[Difference, ...]
    current: Current | None
    marks: tuple[Mark, ...]
    live: bool
    known_at: datetime | None
    asked_at: datetime
    sources: tuple[Citation, ...]


PROOF_WORDS: dict[Proof, str] = {
    Proof.GENUINE: "二维码的内容由{issuer}签发，没有改动过。",
    Proof.NOT_GIVEN: "网址里没有签名，没有核验您手里的证书；请扫描证书上的二维码，"
    "或将下面的登记信息与证书逐项核对。",
    Proof.UNPROVEN: "{fault}。",
    Proof.NOT_CHECKED: "现在读不到密钥表，没有核验签名；请稍后再扫描一次。",
}

_FORGED = frozenset({StatementFault.BAD_SIGNATURE, StatementFault.OTHER_CODE})
_DIFFERENCE_LABELS = {
    "code": "证书代码",
    "number": "证书编号",
    "issuer": "发证机关",
    "issued_on": "发证日期",
    "valid_from": "有效期起",
    "valid_to": "有效期至",
    "holder": "机构名称",
}


class ScanWords(Value):
    """The words of an answer."""

    title: str
    says: str
    proves: str
    does_not_prove: str
    next_step: str


_STATUS_SAYS: dict[CertificateStatus, str] = {
    CertificateStatus.VALID: "登记显示，这张证书现行有效。",
    CertificateStatus.NOT_YET_VALID: "登记显示，这张证书尚未生效，有效期还没有开始。",
    CertificateStatus.EXPIRED: "登记显示，这张证书的有效期已满。",
    CertificateStatus.SUPERSEDED: "登记显示，这张证书已由新证书代替。",
    CertificateStatus.DEREGISTERED: "登记显示，这张证书已经注销。",
    CertificateStatus.REVOKED: "登记显示，这张证书已被撤销。",
    CertificateStatus.RESCINDED: "登记显示，这张证书已被吊销。",
}

_LIMITS = "不说明某一份检验检测报告是真的，也不说明报告中的项目都在能力范围之内。"
_AFTER_END = "在此之前出具的报告是否有效，不由这一状态决定；对具体报告有疑问的，请向发证机关核实。"


def scan_words(
    proof: Proof,
    fault: StatementFault | None,
    status: CertificateStatus | None,
    *,
    live: bool,
    reached: bool,
) -> ScanWords:
    """The words of a scan's answer.

    ``status`` is what the register says, None where it has no such code or nothing is known of
    it; ``reached``: the register was asked now or before; ``live``: just now.
    """
    if proof is Proof.UNPROVEN:
        return _unproven(fault, status)
    if not reached:
        return ScanWords(
            title="暂时查不到证书状态",
            says="现在连不上证书登记，不能告诉您证书是否仍然有效。",
            proves="签名属实，说明二维码所载的证书确由发证机关签发过。"
            if proof is Proof.GENUINE
            else "这一次没有得到任何证明。",
            does_not_prove="不说明证书现在仍然有效：之后的变更、注销、撤销、吊销都看不到。",
            next_step="请稍后再扫描一次；急需确认的，请向发证机关核实。",
        )
    if status is None:
        return ScanWords(
            title="没有查到这个代码",
            says="证书登记里没有这个代码。",
            proves="签名属实，但登记里没有对应的证书，请向发证机关核实。"
            if proof is Proof.GENUINE
            else "只说明登记里没有使用这个代码的证书。",
            does_not_prove="不说明该机构没有资质：网址可能不完整或抄写有误，"
            "统一赋码之前发放的证书也没有代码。",
            next_step="请重新扫描证书上的二维码；也可以按证书编号或机构名称查询，"
            "或向发证机关核实。",
        )
    ended = status not in (
        CertificateStatus.VALID,
        CertificateStatus.NOT_YET_VALID,
        CertificateStatus.SUPERSEDED,
    )
    return ScanWords(
        title=SCAN_TITLES[status],
        says=_STATUS_SAYS[status]
        if live
        else f"现在连不上证书登记，下面是先前读到的。{_STATUS_SAYS[status]}",
        proves="说明发证机关签发过这张证书，以及登记中它的颁发部门、有效期和状态。"
        if proof is Proof.GENUINE
        else "说明登记中有这张证书，以及它的颁发部门、有效期和状态。",
        does_not_prove=_LIMITS + (_AFTER_END if ended else ""),
        next_step="请核对机构名称、证书编号与您手里的证书或报告是否一致；不一致的，请向发证机关核实。",
    )


def _unproven(fault: StatementFault | None, status: CertificateStatus | None) -> ScanWords:
    found = "下面的登记信息是按网址里的代码查到的，不说明您手里的证书是真的。"
    return ScanWords(
        title="二维码是伪造的或被改动过" if fault in _FORGED else "签名不能证明这张证书",
        says=found if status is not None else "也没有查到这个代码的登记信息。",
        proves="这个二维码没有证明任何事情。",
        does_not_prove="不说明登记中的这张证书有问题：可能有人用了它的代码。",
        next_step="请向发证机关核实，并以登记信息为准；怀疑证书是伪造的，请保留证书并向当地市场监管部门反映。",
    )


def proof_of(
    checked: Statement | StatementProblem | None, *, given: bool
) -> tuple[Proof, StatementFault | None]:
    """What a check of the signature comes to; None: it could not be made."""
    if not given:
        return Proof.NOT_GIVEN, None
    if checked is None:
        return Proof.NOT_CHECKED, None
    if isinstance(checked, StatementProblem):
        return Proof.UNPROVEN, checked.code
    return Proof.GENUINE, None


def scan_answer(proof: Proof, status: CertificateStatus | None, *, reached: bool) -> ScanAnswer:
    """As what a scan is counted."""
    if proof is Proof.UNPROVEN:
        return ScanAnswer.UNPROVEN
    if not reached:
        return ScanAnswer.UNAVAILABLE
    return ScanAnswer.UNKNOWN if status is None else ScanAnswer(status.value)


def told_differences(statement: Statement, certificate: Certificate) -> tuple[Difference, ...]:
    """In what paper and register differ, as people read it."""
    recorded = {
        **certificate.model_dump(mode="json", include=set(_DIFFERENCE_LABELS)),
        "issuer": certificate.content.issuer,
        "holder": certificate.content.holder,
    }
    on_paper = statement.model_dump(mode="json", include=set(_DIFFERENCE_LABELS))
    return tuple(
        Difference(
            name=name,
            label=_DIFFERENCE_LABELS[name],
            paper=on_paper[name] + ("…" if name == "holder" and statement.holder_sha256 else ""),
            record=recorded[name],
        )
        for name in differences(statement, certificate)
    )
