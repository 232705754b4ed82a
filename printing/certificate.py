"""A certificate on paper: its page, its annex, and a picture of the page.

The layout is a template, ``certificate.typ`` and ``annex.typ`` of the template folder; a
jurisdiction that wants another puts its own into a folder named by its code (``350000/``). All
that people wrote reaches a template as data and is never read as typesetting language.
"""

import io
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from domain.certificates.certificate import (
    CERTIFICATE_STATUS_LABELS,
    Certificate,
    CertificateContent,
    CertificateStatus,
    status_at,
)
from domain.certificates.qr import QUIET_ZONE, symbol
from domain.clock import BEIJING
from printing.characters import missing_characters
from printing.typesetting import (
    TEMPLATES,
    BrokenTemplate,
    MissingCharacters,
    PrintError,
    places_of,
    template,
    typeset,
)

__all__ = ["TEMPLATES", "BrokenTemplate", "MissingCharacters", "PrintError"]

MAX_MODULES = 105
"""Along one side of the QR code, quiet zone included: 44 mm on paper. It holds some 660 characters
of an address, or 960 where they are capitals and digits."""

SAMPLE = "样张"
"""What stands on a draft in place of all that makes a certificate: number, days, code."""

_NO_CODE = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100 100">
<rect x="2" y="2" width="96" height="96" fill="none" stroke="#b3261e" stroke-dasharray="6 4"/>
<path d="M2 2L98 98M98 2L2 98" stroke="#b3261e"/>
</svg>
"""
_MAIN = """\
#import "{certificate}": certificate
#import "{annex}": annex
#let data = json(bytes(sys.inputs.data))
#certificate(data)
#if sys.inputs.annex == "yes" {{ annex(data) }}
"""


def render_certificate(
    certificate: Certificate,
    *,
    issuer_name: str,
    url: str,
    timestamp: datetime,
    status_since: date | None = None,
    template_folder: Path = TEMPLATES,
) -> bytes:
    """The certificate and its annex as PDF/A-2b; the same input gives the same bytes.

    ``url`` is what the QR code says. ``timestamp``, with a time zone, is the moment from which
    the paper tells the truth, the last change on record: a certificate whose first day lies ahead
    then prints as not yet valid, one whose last day is over as expired. ``status_since`` is the day
    its status came about, where that is known.
    Raises `MissingCharacters` and `BrokenTemplate`, and ValueError for an address that is empty or
    needs more than ``MAX_MODULES``.
    """
    data = _data(certificate, issuer_name, url, timestamp, status_since)
    return _compile(certificate.content.issuer, data, timestamp, template_folder)


def preview_certificate(
    certificate: Certificate,
    *,
    issuer_name: str,
    url: str,
    timestamp: datetime,
    status_since: date | None = None,
    template_folder: Path = TEMPLATES,
    dots_per_inch: int = 180,
) -> bytes:
    """The first page as a PNG. Parameters and errors are those of `render_certificate`."""
    data = _data(certificate, issuer_name, url, timestamp, status_since)
    return _compile(
        certificate.content.issuer, data, timestamp, template_folder, dots_per_inch=dots_per_inch
    )


def preview_draft(
    content: CertificateContent,
    *,
    issuer_name: str,
    template_folder: Path = TEMPLATES,
    dots_per_inch: int = 180,
) -> bytes:
    """The first page of what is no certificate yet, as a PNG marked as a sample.

    The template is given neither number nor days nor a code that scans, but ``SAMPLE`` in their
    place: whatever the layout, a draft cannot pass for a certificate. Errors as in
    `render_certificate`.
    """
    data = {
        **_content(content),
        "number": f"{SAMPLE}，未编号",
        "code": "",
        "issuer": issuer_name,
        "issued_on": SAMPLE,
        "valid_from": SAMPLE,
        "starts_later": False,
        "valid_to": SAMPLE,
        "status": "draft",
        "status_label": SAMPLE,
        "status_since": "",
        "superseded_by": "",
        "recorded_at": SAMPLE,
        "url": SAMPLE,
        "qr": _NO_CODE,
        "qr_modules": 0,
    }
    at = datetime(2000, 1, 1, tzinfo=BEIJING)
    return _compile(content.issuer, data, at, template_folder, dots_per_inch=dots_per_inch)


def _qr(url: str) -> tuple[str, int]:
    """The QR code of an address as SVG, and its modules along one side, quiet zone included.

    Raises ValueError for an empty or a too long address.
    """
    if not url:
        raise ValueError("a certificate needs an address in its QR code")
    code = symbol(url)
    modules = int(code.symbol_size(border=QUIET_ZONE)[0])
    if modules > MAX_MODULES:
        raise ValueError(f"an address of {len(url)} characters does not fit a certificate")
    drawing = io.BytesIO()
    code.save(drawing, kind="svg", border=QUIET_ZONE, light="#fff", xmldecl=False)
    return drawing.getvalue().decode(), modules


def _data(
    certificate: Certificate,
    issuer_name: str,
    url: str,
    timestamp: datetime,
    status_since: date | None,
) -> dict[str, Any]:
    """All that a template is given: texts, and the lists of the annex."""
    if timestamp.tzinfo is None:
        raise ValueError("the moment of the last change needs a time zone")
    recorded_at = timestamp.astimezone(BEIJING)
    status = status_at(certificate, recorded_at.date())
    since = status_since
    if status is CertificateStatus.EXPIRED:
        since = certificate.valid_to + timedelta(days=1)
    svg, modules = _qr(url)
    return {
        **_content(certificate.content),
        "number": certificate.number,
        "code": certificate.code,
        "issuer": issuer_name,
        "issued_on": _chinese(certificate.issued_on),
        "valid_from": _chinese(certificate.valid_from),
        "starts_later": certificate.valid_from != certificate.issued_on,
        "valid_to": _chinese(certificate.valid_to),
        "status": status.value,
        "status_label": CERTIFICATE_STATUS_LABELS[status],
        "status_since": _chinese(since) if since else "",
        "superseded_by": certificate.superseded_by,
        "recorded_at": recorded_at.strftime("%Y-%m-%d %H:%M:%S"),
        "url": url,
        "qr": svg,
        "qr_modules": modules,
    }


def _content(content: CertificateContent) -> dict[str, Any]:
    return {
        "holder": content.holder,
        "uscc": content.uscc,
        "parent_uscc": content.parent_uscc,
        "address": content.address,
        "sites": list(content.sites),
        "signatories": [one.model_dump() for one in content.signatories],
        "capabilities": [one.model_dump() for one in content.capabilities],
    }


def _chinese(day: date) -> str:
    return f"{day.year}年{day.month:02}月{day.day:02}日"


def _compile(
    issuer: str,
    data: dict[str, Any],
    timestamp: datetime,
    folder: Path,
    *,
    dots_per_inch: int | None = None,
) -> bytes:
    """A PDF with the annex, or with ``dots_per_inch`` a picture of the first page."""
    try:
        missing = missing_characters("".join(_texts(data)), template_folder=folder)
    except ValueError as error:
        raise BrokenTemplate(f"fonts: {error}") from error
    if missing:
        raise MissingCharacters(missing)
    places = places_of(issuer)
    main = _MAIN.format(
        certificate=template("certificate.typ", places, folder),
        annex=template("annex.typ", places, folder),
    )
    return typeset(
        main,
        data,
        timestamp,
        folder,
        inputs={"annex": "no" if dots_per_inch is not None else "yes"},
        dots_per_inch=dots_per_inch,
    )


def _texts(value: object) -> list[str]:
    """Every text inside the data, down to the cells of the annex."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for key, part in value.items() if key != "qr" for text in _texts(part)]
    if isinstance(value, list):
        return [text for part in value for text in _texts(part)]
    return []
