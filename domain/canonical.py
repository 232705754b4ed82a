"""One way to write a value as bytes, so that equal values have equal hashes: RFC 8785.

Python's own encoder, written in C, writes most values just as the RFC has it. What it writes in
another way (numbers that are no integers, keys with characters beyond U+FFFF) goes to a library.
"""

import hashlib
import json
import re
from typing import Any

import rfc8785

# one encoder for all: json.dumps would make a new one at each call
_ENCODER = json.JSONEncoder(
    ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False
)
_OTHERWISE = re.compile(r"[:\[,]-?(?:\d{16,}|\d+(?:\.\d+)?[eE][-+]?\d+|\d+\.\d+)[,\]}]")
"""A number that the RFC may write in another way, between the signs that stand around numbers."""


def canonical_json(value: Any) -> bytes:
    """The JSON of ``value`` as RFC 8785 (JCS) writes it, in UTF-8.

    Raises TypeError for what JSON cannot hold, ValueError for a number that no double holds.
    """
    written = _ENCODER.encode(value)
    # two bytes for each character: none is beyond U+FFFF, and the order of keys is the same
    simple = len(written.encode("utf-16-le")) == 2 * len(written)
    if simple and isinstance(value, (dict, list, tuple)) and not _OTHERWISE.search(written):
        return written.encode()
    return rfc8785.dumps(value)


def sha256_of(value: Any) -> str:
    """Lowercase hex SHA-256 of the canonical JSON of ``value``."""
    return hashlib.sha256(canonical_json(value)).hexdigest()
