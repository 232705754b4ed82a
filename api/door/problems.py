"""Refusals as ``application/problem+json`` (RFC 9457): the only place that knows status codes."""

from typing import Any

from starlette.responses import JSONResponse

from domain.citation import Citation
from domain.messages import explain
from domain.refusals import Code, Refusal

STATUS: dict[Code, int] = {
    Code.UNAUTHENTICATED: 401,
    Code.CLIENT_REFUSED: 401,
    Code.FORBIDDEN: 403,
    Code.CLIENTS_ONLY: 403,
    Code.OTHER_ISSUER: 403,
    Code.NOT_YOUR_AUTHORITY: 403,
    Code.NOT_YOUR_CASE: 403,
    Code.SAME_PERSON: 403,
    Code.NOT_FOUND: 404,
    Code.UNKNOWN_INSTITUTION: 404,
    Code.CAMPAIGN_NOT_FOUND: 404,
    Code.RULES_NOT_FOUND: 404,
    Code.METHOD_NOT_ALLOWED: 405,
    Code.REVISION_CONFLICT: 412,
    Code.TOO_LARGE: 413,
    Code.UNSUPPORTED_MEDIA_TYPE: 415,
    Code.INVALID_BODY: 422,
    Code.INVALID_PARAMETER: 422,
    Code.CONTENT_INCOMPLETE: 422,
    Code.CHOICE_NOT_AN_ISSUER: 422,
    Code.CHOICE_NEEDED: 422,
    Code.REASON_REQUIRED: 422,
    Code.EXTENSION_NOT_LATER: 422,
    Code.NOTHING_TO_SUBMIT: 422,
    Code.ROSTER_REJECTED: 422,
    Code.QUARTER_NOT_OPEN: 404,
    Code.NUMBERS_NOT_ON_RECORD: 422,
    Code.TOTAL_DIFFERS: 422,
    Code.UPLOAD_INCOMPLETE: 422,
    Code.DECIDED_BY_ISSUER_ONLY: 403,
    Code.ENDING_DAY_OUTSIDE: 422,
    Code.ENDING_INCOMPLETE: 422,
    Code.SERIAL_NOT_HIGHER: 422,
    Code.OTHER_HOLDER: 422,
    Code.CHANGE_OUTSIDE: 422,
    Code.UNKNOWN_CHANGE: 422,
    Code.DECISION_IMPOSSIBLE: 422,
    Code.KEY_REQUIRED: 428,
    Code.MATCH_REQUIRED: 428,
    Code.KEY_REUSED: 422,
    Code.BUSY: 429,
    Code.TOO_MANY_LOOKUPS: 429,
    Code.TOO_MANY_COMPLAINTS: 429,
    Code.TEMPLATE_BROKEN: 500,
    Code.TOO_MANY_DELIVERIES: 429,
    Code.INTERNAL: 500,
    Code.UNAVAILABLE: 503,
}
"""Every other code is 409: the request is understood, the case does not allow it now."""


def status_of(code: Code) -> int:
    """The HTTP status a code is answered with."""
    return STATUS.get(code, 409)


def problem(
    refusal: Refusal, request_id: str, errors: list[dict[str, str]] | None = None
) -> JSONResponse:
    """The answer for a refusal. ``errors`` names single fields; input is never echoed."""
    return JSONResponse(
        problem_body(refusal, request_id, errors),
        status_code=status_of(refusal.code),
        headers=headers_of(refusal),
        media_type="application/problem+json",
    )


def headers_of(refusal: Refusal) -> dict[str, str]:
    """The headers a refusal is answered with: how to ask, and when to ask again."""
    status = status_of(refusal.code)
    headers = {"Cache-Control": "no-store"}
    if status == 401:
        secret = refusal.code is Code.CLIENT_REFUSED
        headers["WWW-Authenticate"] = "Basic" if secret else "Bearer"
    if status in (429, 503):
        headers["Retry-After"] = refusal.params.get("seconds", "5")
    return headers


def problem_body(
    refusal: Refusal, request_id: str, errors: list[dict[str, str]] | None = None
) -> dict[str, Any]:
    """The fields of a problem document."""
    words = explain(refusal)
    return {
        "type": f"urn:zhibao:problem:{refusal.code}",
        "title": words.title,
        "status": status_of(refusal.code),
        "detail": words.detail,
        "code": refusal.code.value,
        "remedy": words.remedy,
        "at": refusal.at.isoformat() if refusal.at else None,
        "sources": [source(refusal.cite)] if refusal.cite else [],
        "errors": errors or [],
        "request_id": request_id,
    }


def source(cite: Citation) -> dict[str, str]:
    """A citation as the API shows it."""
    return {name: value for name, value in cite.model_dump().items() if value}
