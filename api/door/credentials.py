"""What programs and clients show to get a token: OAuth 2.0's client credentials (RFC 6749)."""

import base64
import binascii
from urllib.parse import parse_qs

from starlette.requests import Request

from api.door.requests import invalid

LONGEST_FORM = 4096


def credentials_form(data: bytes) -> dict[str, list[str]]:
    """The form that asks for a token. Raises InvalidFields for another kind of asking."""
    try:
        form = parse_qs(data.decode("ascii"), max_num_fields=10)
    except ValueError:
        form = {}
    if form.get("grant_type") != ["client_credentials"]:
        message = "应为 client_credentials"
        wrong = {"pointer": "/grant_type", "code": "literal_error", "message": message}
        raise invalid([wrong])
    return form


def basic_credentials(request: Request) -> tuple[str, str] | None:
    """Id and secret of ``Authorization: Basic``, None where there are none."""
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    try:
        if scheme.lower() != "basic" or len(given) > LONGEST_FORM:
            return None
        id_, found, secret = base64.b64decode(given.strip(), validate=True).decode().partition(":")
    except (ValueError, binascii.Error):
        return None
    return (id_, secret) if found and id_.isascii() else None
