"""The QR code of a certificate, drawn. Pure: the same address gives the same bytes."""

import io
import re
from typing import Any, Literal

import segno

_RUNS = re.compile(r"[0-9A-Z]{16,}|(?:(?![0-9A-Z]{16}).)+", re.DOTALL)
QUIET_ZONE = 4
"""Modules of white around the code, which scanners need."""


def qr(url: str, kind: Literal["svg", "png"] = "svg", scale: int = 4) -> bytes:
    """The code as a drawing, ``scale`` pixels a module; black on white, with its quiet zone.

    15 % of it may be damaged (level M). Raises ValueError for more than a QR code can hold.
    """
    out = io.BytesIO()
    drawn = symbol(url)
    if kind == "svg":
        drawn.save(out, kind="svg", scale=scale, border=QUIET_ZONE, light="#fff")
    else:
        drawn.save(out, kind="png", scale=scale, border=QUIET_ZONE)
    return out.getvalue()


def symbol(url: str) -> segno.QRCode:
    """The code itself. Long runs of capitals and digits are held at 5.5 bits a character."""
    parts: Any = _RUNS.findall(url)  # segno takes a list of parts, its types do not say so
    return segno.make_qr(parts, error="m", boost_error=False)
