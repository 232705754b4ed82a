"""What only a certificate's case knows, and what is found out for it."""

from domain.case.reminders import Reminded
from domain.case.state import CaseState, Findings
from domain.certificates.issuing import Allotment, HeldCertificate, Purpose


class CertificateState(Reminded):
    """``purpose`` and ``change`` say what is applied for.

    ``allotment`` is what was numbered and coded, ``certificate`` what has been issued.
    ``predecessor_told``: the certificate that it replaces has been marked so.
    """

    purpose: Purpose | None = None
    change: str = ""
    allotment: Allotment | None = None
    certificate: HeldCertificate | None = None
    predecessor_told: bool = False


Holding = CaseState[CertificateState]
"""The state of a certificate's case."""


class CertificateFindings(Findings):
    """``editors`` are all people who saved a revision of the content that is applied for.

    ``allotment`` is what a certificate is given when it is approved; ``late_renewal``: its renewal
    was applied for after the last day for that. ``unchanged``: it is what was sent back.
    """

    editors: tuple[str, ...] = ()
    allotment: Allotment | None = None
    late_renewal: bool = False
    unchanged: bool = False
