"""How a certificate stands on a day: both sides of its first day and of its last."""

from datetime import date, timedelta

import pytest

from domain.certificates.certificate import CertificateStatus, status_on

FIRST, LAST = date(2026, 5, 1), date(2032, 4, 30)
DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("day", "status"),
    [
        (FIRST - DAY, CertificateStatus.NOT_YET_VALID),
        (FIRST, CertificateStatus.VALID),
        (LAST, CertificateStatus.VALID),
        (LAST + DAY, CertificateStatus.EXPIRED),
    ],
)
def test_a_valid_certificate_by_the_day(day: date, status: CertificateStatus) -> None:
    assert status_on(CertificateStatus.VALID, LAST, day, FIRST) is status


def test_a_first_day_nobody_has_stated_is_assumed_to_have_come() -> None:
    assert status_on(CertificateStatus.VALID, LAST, FIRST - DAY, None) is CertificateStatus.VALID


@pytest.mark.parametrize("ended", [CertificateStatus.REVOKED, CertificateStatus.DEREGISTERED])
def test_what_has_ended_has_ended_also_before_its_first_day(ended: CertificateStatus) -> None:
    assert status_on(ended, LAST, FIRST - DAY, FIRST) is ended
