"""Refusals as ``application/problem+json`` (RFC 9457)."""

from typing import Any

from starlette.responses import JSONResponse

from api.door.languages import explained
from domain.citation import Citation
from domain.clock import BEIJING
from domain.model import Value
from domain.refusals import Code, Refusal


class FieldProblem(Value):
    """One wrong field."""

    pointer: str
    code: str
    message: str


class Problem(Value):
    """An error as RFC 9457 has it; ``remedy`` says what to do, ``sources`` which rule it is."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    remedy: str
    at: str | None
    sources: tuple[dict[str, str], ...]
    errors: tuple[FieldProblem, ...]
    request_id: str


def problem(
    refusal: Refusal, request_id: str, errors: list[dict[str, str]] | None = None
) -> JSONResponse:
    """The answer for a refusal. ``errors`` names single fields; input is never echoed."""
    return JSONResponse(
        problem_body(refusal, request_id, errors),
        status_code=refusal.code.status,
        headers=headers_of(refusal),
        media_type="application/problem+json",
    )


def headers_of(refusal: Refusal) -> dict[str, str]:
    """The headers a refusal is answered with: how to ask, and when to ask again."""
    status = refusal.code.status
    headers = {"Cache-Control": "no-store"}
    if status == 401:
        secret = refusal.code is Code.CLIENT_REFUSED
        headers["WWW-Authenticate"] = "Basic" if secret else "Bearer"
    if refusal.code is Code.AWAITS_CONFIRMATION and (held := refusal.params.get("id")):
        headers["Location"] = f"/api/confirmations/{held}"
    if status in (429, 503):
        headers["Retry-After"] = refusal.params.get("seconds", "5")
    return headers


def problem_body(
    refusal: Refusal, request_id: str, errors: list[dict[str, str]] | None = None
) -> dict[str, Any]:
    """The fields of a problem document."""
    words = explained(refusal)
    return {
        "type": f"urn:zhibao:problem:{refusal.code}",
        "title": words.title,
        "status": refusal.code.status,
        "detail": words.detail,
        "code": refusal.code.value,
        "remedy": words.remedy,
        "at": refusal.at.astimezone(BEIJING).isoformat() if refusal.at else None,
        "sources": [source(refusal.cite)] if refusal.cite else [],
        "errors": errors or [],
        "request_id": request_id,
    }


def source(cite: Citation) -> dict[str, str]:
    """A citation as the API shows it."""
    return {name: value for name, value in cite.model_dump().items() if value}
