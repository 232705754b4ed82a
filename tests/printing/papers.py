"""Certificates to print, and how a printed one is read back."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import Any

import pypdfium2
import zxingcpp
from PIL import Image

from domain.certificates.certificate import Capability, Certificate, CertificateContent, Signatory

ISSUER = "福建省市场监督管理局"
URL = "https://zhibao.example.gov.cn/c/7Q2M5K9X4T"
PRINTED = datetime(2024, 6, 1, 10, 0, tzinfo=UTC)


def capabilities(count: int) -> list[Capability]:
    """Lines of an annex, of one, two and three lines of print in turn."""
    items = ("铅", "化学需氧量（COD）", "2,3,7,8-四氯二苯并呋喃及其同系物的总量测定" * 2)
    limits = ("", "不测第二法", "只测火焰原子吸收光谱法，不测石墨炉原子吸收光谱法和电感耦合法")
    return [
        Capability(
            category=("食品", "水（含大气降水）和废水")[number % 2],
            item=f"{items[number % 3]}第{number + 1}项",
            standard=("GB 5009.12", "HJ 828", "GB/T 5750.4")[number % 3],
            year=("2023", "2017", "")[number % 3],
            limits=limits[number % 3],
        )
        for number in range(count)
    ]


def certificate(
    *, annex: int = 3, content: dict[str, Any] | None = None, **over: Any
) -> Certificate:
    """A certificate with so many lines in its annex; anything in it can be given another value."""
    parts: dict[str, Any] = {
        "institution": "91350000M0000A1B2C",
        "holder": "福建省产品质量检验研究院/国家加工食品质量检验检测中心",
        "uscc": "91620102739638125B",
        "address": "福建省福州市仓山区山西路二号",
        "sites": ["福建省福州市仓山区山西路二号", "福建省福州市鼓楼区杨桥西路三号"],
        "level": "provincial",
        "issuer": "amr-350000",
        "field": "00",
        "industry": "11",
        "capabilities": capabilities(annex),
        "signatories": [
            Signatory(name="陈镕喆", field="食品"),
            Signatory(name="林㻏", field="环境与环保"),
        ],
    }
    face: dict[str, Any] = {
        "code": "7Q2M5K9X4T",
        "number": "241301060345",
        "issued_on": date(2024, 5, 2),
        "valid_from": date(2024, 5, 2),
        "valid_to": date(2030, 5, 1),
        "status": "valid",
    }
    return Certificate(
        **(face | over), content=CertificateContent.model_validate(parts | (content or {}))
    )


def text_of(printed: bytes, *, page: int | None = None) -> str:
    """What a reader can select and copy, line breaks and spaces of the layout removed."""
    return "".join(raw_text(printed, page=page).split())


def raw_text(printed: bytes, *, page: int | None = None) -> str:
    """What a reader can select and copy on a page (counted from 1), or on all."""
    with _opened(printed) as document:
        chosen = list(document) if page is None else [document[page - 1]]
        return "\n".join(one.get_textpage().get_text_range() for one in chosen)


def fonts_in(printed: bytes) -> set[tuple[str, bool]]:
    """The fonts a file's text is set in, and whether each stands in the file itself."""
    with _opened(printed) as document:
        return {
            (font.get_base_name(), font.is_embedded)
            for page in document
            for words in page.get_objects(filter=[pypdfium2.raw.FPDF_PAGEOBJ_TEXT])
            for font in [words.get_font()]
        }


def pages_in(printed: bytes) -> int:
    """How many pages a file has."""
    with _opened(printed) as document:
        return len(document)


def edges(printed: bytes, *, page: int) -> tuple[float, float]:
    """Where the characters of a page begin and end, in points from its left edge."""
    with _opened(printed) as document:
        text = document[page - 1].get_textpage()
        boxes = [text.get_charbox(at) for at in range(text.count_chars())]
    return min(left for left, *_ in boxes), max(right for _, _, right, _ in boxes)


def scanned(printed: bytes, *, dots_per_inch: int = 150) -> str:
    """What the QR code on the first page says, photographed at this resolution."""
    with _opened(printed) as document:
        return _code_in(document[0].render(scale=dots_per_inch / 72).to_pil())


def picture_says(picture: bytes) -> str:
    """What the QR code in a picture says; empty if there is none that scans."""
    return _code_in(Image.open(io.BytesIO(picture)))


def _code_in(picture: Image.Image) -> str:
    # lines of a table may pass for bars of other codes
    codes = zxingcpp.read_barcodes(
        picture, formats=zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode)
    )
    assert len(codes) <= 1
    return "".join(code.bytes.decode() for code in codes)


@contextmanager
def _opened(printed: bytes) -> Iterator[pypdfium2.PdfDocument]:
    document = pypdfium2.PdfDocument(printed)
    try:
        yield document
    finally:
        document.close()
