"""The QR code: small enough to print, read back by a scanner, the same bytes each time."""

import pytest

from domain.certificates.qr import qr, symbol
from domain.certificates.statement import certificate_url
from tests.domain.certificates.test_statement import CODE, SITE, signed
from tests.printing.papers import picture_says

HOLDERS = ["示例（生成）检测有限公司", "检" * 32, "检" * 200]


@pytest.mark.parametrize("holder", HOLDERS)
def test_the_code_stays_small_whatever_the_name(holder: str) -> None:
    drawn = symbol(certificate_url(SITE, CODE, signed(holder)))
    modules = drawn.symbol_size(border=0)[0]
    assert drawn.error == "M"
    assert modules <= 69, f"{modules} modules: less than 0.4 mm each on 3 cm"


@pytest.mark.parametrize("holder", HOLDERS)
def test_a_scanner_reads_the_address_back(holder: str) -> None:
    url = certificate_url(SITE, CODE, signed(holder))
    assert picture_says(qr(url, "png")) == url


def test_the_same_address_gives_the_same_drawing() -> None:
    url = certificate_url(SITE, CODE, signed())
    assert qr(url) == qr(url)
    assert qr(url, "png") == qr(url, "png")
    assert qr(url).startswith(b"<?xml")
    assert qr(url, "png").startswith(b"\x89PNG")


def test_more_than_a_code_holds_is_refused() -> None:
    with pytest.raises(ValueError, match=r"."):
        qr("x" * 5000)
