"""The public id of a certificate: what its QR code's address ends in."""

import secrets

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_LENGTH = 26


def new_code() -> str:
    """26 characters without I, L, O and U; 130 random bits, so nobody guesses or counts them."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))
