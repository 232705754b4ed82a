"""The tests' provider of OpenID Connect, with the check of PKCE (RFC 7636) that its package omits.

Run as ``python -m tests.verifying_provider``, with the options of ``oidc_provider_mock``.
"""

import runpy
from typing import Any

from authlib.oauth2.rfc7636 import CodeChallenge  # type: ignore[import-untyped]
from oidc_provider_mock import _app  # type: ignore[import-untyped]

_CHALLENGES: dict[str, str] = {}


class _Verifying(CodeChallenge):  # type: ignore[misc]
    def get_authorization_code_challenge(self, authorization_code: Any) -> str | None:
        return _CHALLENGES.get(authorization_code.code)

    def get_authorization_code_challenge_method(self, authorization_code: Any) -> str:
        return "S256"


class _Grant(_app.AuthorizationCodeGrant):  # type: ignore[misc]
    def __init__(self, request: Any, server: Any) -> None:
        super().__init__(request, server)
        _Verifying(required=True)(self)

    def save_authorization_code(self, code: str, request: Any) -> None:
        # whoever sends none is not served
        _CHALLENGES[code] = request.payload.data["code_challenge"]
        super().save_authorization_code(code, request)


if __name__ == "__main__":
    _app.AuthorizationCodeGrant = _Grant
    runpy.run_module("oidc_provider_mock", run_name="__main__")
