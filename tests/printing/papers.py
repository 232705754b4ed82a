"""Certificates to print, and how a printed one is read back with poppler and zbar."""

import re
import subprocess
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

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


def text_of(printed: bytes, folder: Path, *, page: int | None = None) -> str:
    """What a reader can select and copy, line breaks and spaces of the layout removed."""
    return "".join(raw_text(printed, folder, page=page).split())


def raw_text(printed: bytes, folder: Path, *, page: int | None = None) -> str:
    pages = [] if page is None else ["-f", str(page), "-l", str(page)]
    return _run("pdftotext", "-raw", *pages, str(_file(printed, folder)), "-")


def fonts_in(printed: bytes, folder: Path) -> list[tuple[str, bool]]:
    """The fonts a file uses, and whether each stands in the file itself."""
    lines = _run("pdffonts", str(_file(printed, folder))).splitlines()[2:]
    return [(line.split()[0], line.split()[-5] == "yes") for line in lines]


def pages_in(printed: bytes, folder: Path) -> int:
    lines = _run("pdfinfo", str(_file(printed, folder))).splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pages:"))


def edges(printed: bytes, folder: Path, *, page: int) -> tuple[float, float]:
    """Where the words of a page begin and end, in points from its left edge."""
    only = ("-f", str(page), "-l", str(page))
    boxes = _run("pdftotext", "-bbox", *only, str(_file(printed, folder)), "-")
    starts, ends = (re.findall(rf'<word .*?{name}="([0-9.]+)"', boxes) for name in ("xMin", "xMax"))
    return min(map(float, starts)), max(map(float, ends))


def scanned(printed: bytes, folder: Path, *, dots_per_inch: int = 150) -> str:
    """What the QR code on the first page says, photographed at this resolution."""
    picture = folder / "page"
    resolution = str(dots_per_inch)
    source = str(_file(printed, folder))
    _run("pdftoppm", "-r", resolution, "-png", "-l", "1", "-singlefile", source, str(picture))
    return _run("zbarimg", "--quiet", "--raw", f"{picture}.png").strip()


def picture_says(picture: bytes, folder: Path) -> str:
    """What the QR code in a picture says; empty if there is none that scans."""
    file = folder / "picture.png"
    file.write_bytes(picture)
    done = subprocess.run(
        ["zbarimg", "--quiet", "--raw", str(file)], capture_output=True, text=True
    )
    return done.stdout.strip()


def _file(printed: bytes, folder: Path) -> Path:
    file = folder / "printed.pdf"
    file.write_bytes(printed)
    return file


def _run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
