"""One way to write a value as bytes, so that equal values have equal hashes."""

import hashlib
import json
from typing import Any

# one encoder for all: json.dumps would make a new one at each call
_ENCODER = json.JSONEncoder(
    ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False
)


def canonical_json(value: Any) -> bytes:
    """UTF-8 JSON with sorted keys and no spaces. Raises TypeError for what JSON cannot hold."""
    return _ENCODER.encode(value).encode()


def sha256_of(value: Any) -> str:
    """Lowercase hex SHA-256 of the canonical JSON of ``value``."""
    return hashlib.sha256(canonical_json(value)).hexdigest()
