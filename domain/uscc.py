"""Unified social credit codes (统一社会信用代码): GB 32100-2015 with its amendment of 2016."""

import re
from typing import Literal

_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_WEIGHTS = (1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28)
_SHAPE = re.compile(rf"[1-9ANY][0-9A-HJ-NP-RTUWXY][0-9]{{6}}[{_ALPHABET}]{{10}}")
"""Registrar (登记管理部门: 1 to 9, A, N, Y), category of the body, region, body, check digit."""


HolderKind = Literal["", "enterprise", "public_institution", "other"]
"""What kind of body a code was given to, "" where there is no code."""
_ENTERPRISE, _PUBLIC_INSTITUTION = "91", "12"


def holder_kind(code: str) -> HolderKind:
    """The kind of body that a code's registrar and category name (GB 32100, 表1)."""
    if not code:
        return ""
    if code.startswith(_ENTERPRISE):
        return "enterprise"
    return "public_institution" if code.startswith(_PUBLIC_INSTITUTION) else "other"


def check_digit(first_17: str) -> str:
    """The last character of a code that begins so. Raises ValueError for other characters."""
    total = sum(
        _ALPHABET.index(character) * weight
        for character, weight in zip(first_17, _WEIGHTS, strict=True)
    )
    return _ALPHABET[-total % 31]


def is_valid(code: str) -> bool:
    """Whether a code has the form of the standard and the right check digit."""
    return _SHAPE.fullmatch(code) is not None and check_digit(code[:17]) == code[17]
