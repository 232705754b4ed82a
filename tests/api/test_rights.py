"""Who may do what: the whole matrix of operations and roles, and who sees which case."""

import base64
import copy
import json
import re
from collections.abc import Iterator
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc import jwt
from joserfc.jwk import OctKey, OKPKey

from api.door.identity import Identity
from api.door.rights import ROLES, SCOPES, Right
from api.resources import OPERATIONS
from domain.case.commands import Actor, Role
from domain.messages import explain
from domain.refusals import unseen
from services.keys import Keyring, Purpose
from store.refusals import MOST
from tests.api.people import FUJIAN, GUANGDONG, REASONS, Filing, filing
from tests.api.places import places
from tests.system import (
    AUDITOR,
    CHECKER,
    CLERK,
    DECIDER,
    FILER,
    KEY,
    KEYS,
    OFFICER,
    OPERATOR,
    RESPONSIBLE,
    REVIEWER,
    Answer,
    System,
    institution,
)

pytestmark = pytest.mark.anyio

F, R, C, O, A, K = FILER, REVIEWER, CHECKER, OPERATOR, AUDITOR, CLERK  # noqa: E741
E, D, H = OFFICER, DECIDER, RESPONSIBLE
EVERYBODY = {F, R, C, O, A, H}
"""Whoever has to do with statistics."""

CLERKS_TOO = EVERYBODY | {K, E, D}
"""And whoever issues or enforces."""

ISSUING = CLERKS_TOO - {H}
"""The responsible person of an institution has to do with its filings alone."""

PUBLIC = None
"""Nobody has to say who they are."""

FILING = "/api/filings/{year}/{institution}"
CERTIFICATE = "/api/certificates/{application}"
CAMPAIGN = "/api/campaigns/{period}/{jurisdiction}"
BATCH = "/api/report-batches/{quarter}/{institution}"
COMPLAINT = "/api/complaints/{complaint}"
ENFORCEMENT = "/api/enforcement/{about}/{period}/{institution}/{n}"

MATRIX: dict[tuple[str, str], set[Role] | None] = {
    ("GET", "/api/me"): CLERKS_TOO,
    ("GET", "/api/me/record"): CLERKS_TOO,
    ("GET", "/api/tasks"): {R, C, E, D},
    ("GET", "/api/tasks/counts"): {R, C, E, D},
    ("GET", "/api/duties"): {R, C, O},
    ("POST", "/api/duties/{period}/{duty}"): {R, O},
    ("GET", "/api/filings"): EVERYBODY,
    ("GET", FILING): EVERYBODY,
    ("POST", FILING): {F, O},
    ("GET", f"{FILING}/draft"): {F, R, C, H},
    ("PUT", f"{FILING}/draft"): {F},
    ("PATCH", f"{FILING}/draft"): {F},
    ("GET", f"{FILING}/draft/revisions"): {F, R, C, H},
    ("GET", f"{FILING}/draft/changes"): {F, R, C, H},
    ("GET", f"{FILING}/draft/prefilled"): {F},
    ("GET", f"{FILING}/draft/workbook"): {F, R, C, H},
    ("GET", f"{FILING}/draft/pdf"): {F, R, C, H},
    ("PUT", f"{FILING}/draft/workbook"): {F},
    ("GET", "/api/institutions/legal-persons/{period}/{jurisdiction}"): {O, A},
    ("POST", "/api/institutions/{institution}/legal-person"): {O},
    ("GET", "/api/authority-figures/{year}"): {R, C, O, A},
    ("GET", "/api/authority-figures/{year}/{subject}"): {R, C, O, A},
    ("PUT", "/api/authority-figures/{year}/{subject}"): {R},
    ("POST", "/api/authority-figures/{year}/{subject}/submit"): {R},
    ("GET", f"{FILING}/files"): {F, R, C, H},
    ("POST", f"{FILING}/files"): {F},
    ("GET", f"{FILING}/files/{{file}}"): {F, R, C, H},
    ("POST", f"{FILING}/files/{{file}}/remove"): {F},
    ("GET", f"{FILING}/forms"): EVERYBODY,
    ("GET", "/api/forms"): CLERKS_TOO,
    ("GET", "/api/forms/{form}"): CLERKS_TOO,
    ("GET", "/api/forms/{form}/schema"): CLERKS_TOO,
    ("GET", "/api/forms/{form}/template"): CLERKS_TOO,
    ("POST", f"{FILING}/submit"): {F},
    ("POST", f"{FILING}/withdraw"): {F},
    ("POST", f"{FILING}/claim"): {R, C},
    ("POST", f"{FILING}/release"): {R, C, O},
    ("POST", f"{FILING}/return"): {R},
    ("POST", f"{FILING}/approve"): {R},
    ("POST", f"{FILING}/quality"): {C},
    ("POST", f"{FILING}/assign"): {O},
    ("POST", f"{FILING}/hand-over"): {R, C},
    ("POST", f"{FILING}/extension"): {O},
    ("POST", f"{FILING}/reopen"): {O},
    ("POST", f"{FILING}/cancel"): {O},
    ("GET", f"{FILING}/timeline"): EVERYBODY,
    ("POST", f"{FILING}/reminders"): {R, O},
    ("GET", f"{FILING}/questions"): EVERYBODY,
    ("POST", f"{FILING}/questions"): {F},
    ("POST", f"{FILING}/questions/{{question}}/answer"): {R},
    ("POST", f"{FILING}/questions/{{question}}/close"): {F, R},
    ("POST", f"{FILING}/questions/{{question}}/reopen"): {F, R},
    ("POST", f"{FILING}/ask-return"): {F},
    ("POST", f"{FILING}/decline-return"): {R},
    ("POST", f"{FILING}/attest"): {H},
    ("POST", f"{FILING}/ask-unsigned"): {F},
    ("POST", f"{FILING}/excuse-signer"): {O},
    ("POST", f"{FILING}/demand-signer"): {O},
    ("GET", f"{FILING}/waivers"): {F, R, C, H},
    ("POST", f"{FILING}/waivers"): {F},
    ("POST", f"{FILING}/waivers/{{waiver}}/grant"): {R},
    ("POST", f"{FILING}/waivers/{{waiver}}/decline"): {R},
    ("POST", f"{FILING}/remarks"): {R, C},
    ("GET", f"{FILING}/receipt"): EVERYBODY,
    ("GET", f"{FILING}/versions"): {F, R, C, H},
    ("GET", f"{FILING}/review"): {F, R, C, H},
    ("GET", f"{FILING}/schedule"): EVERYBODY,
    ("GET", f"{BATCH}/schedule"): EVERYBODY,
    ("GET", f"{CAMPAIGN}/schedule"): {R, C, O, A},
    ("GET", "/api/outbox"): {O, A},
    ("POST", "/api/outbox/{sending}/replay"): {O},
    ("GET", "/api/addresses"): {O},
    ("POST", "/api/addresses"): {O},
    ("POST", "/api/addresses/{address}/end"): {O},
    ("GET", "/api/notices"): {F, R, O, A},
    ("GET", "/api/notices/{notice}"): {F, R, O, A},
    ("GET", "/api/campaigns"): {R, C, O, A},
    ("GET", CAMPAIGN): {R, C, O, A},
    ("POST", "/api/rules/{year}/{jurisdiction}/publish"): {O},
    ("GET", "/api/rules/{year}/{jurisdiction}/publications"): CLERKS_TOO,
    ("POST", CAMPAIGN): {O},
    ("GET", f"{CAMPAIGN}/forecast"): {O},
    ("POST", f"{CAMPAIGN}/amendments"): {O},
    ("GET", f"{CAMPAIGN}/amendments"): {O, A},
    ("GET", f"{CAMPAIGN}/amendments/forecast"): {O},
    ("POST", f"{CAMPAIGN}/annul"): {O},
    ("POST", f"{CAMPAIGN}/rescan"): {O},
    ("GET", f"{CAMPAIGN}/sample"): {R, C, O, A},
    ("POST", f"{CAMPAIGN}/sample"): {O},
    ("POST", f"{CAMPAIGN}/close"): {O},
    ("GET", f"{CAMPAIGN}/summary"): {O, A},
    ("GET", "/public/statistics/{period}/{jurisdiction}"): PUBLIC,
    ("GET", "/public/statistics/{period}/{jurisdiction}/figures"): PUBLIC,
    ("GET", "/public/statistics/{period}/{jurisdiction}/figures/table"): PUBLIC,
    ("GET", f"{CAMPAIGN}/sample/{{draw}}"): {R, C, O, A},
    ("GET", f"{CAMPAIGN}/progress"): {O, A},
    ("GET", f"{CAMPAIGN}/non-filers"): {O, A},
    ("GET", f"{CAMPAIGN}/non-filers/table"): {O, A},
    ("GET", f"{CAMPAIGN}/backlog"): {O, A},
    ("GET", f"{CAMPAIGN}/activity"): {O, A},
    ("GET", f"{CAMPAIGN}/report"): {O, A},
    ("GET", f"{CAMPAIGN}/duties"): {O, A},
    ("GET", f"{CAMPAIGN}/extensions"): {O, A},
    ("POST", f"{CAMPAIGN}/extensions"): {O},
    ("GET", f"{CAMPAIGN}/extensions/{{extension}}"): {O, A},
    ("POST", f"{CAMPAIGN}/extensions/{{extension}}/shorten"): {O},
    ("GET", "/api/jobs"): {R, C, O},
    ("POST", "/api/jobs"): {R, C, O},
    ("POST", "/api/jobs/lists"): {R, C, O},
    ("GET", "/api/confirmations"): {O, K, R, A},
    ("GET", "/api/confirmations/{confirmation}"): {O, K, R, A},
    ("POST", "/api/confirmations/{confirmation}/confirm"): {O, K, R},
    ("POST", "/api/confirmations/{confirmation}/decline"): {O, K, R},
    ("POST", "/api/confirmations/{confirmation}/withdraw"): {O, K, R},
    ("GET", "/api/retention"): {O},
    ("POST", "/api/retention/destructions"): {O},
    ("GET", "/api/people/deputies"): {R, C, O},
    ("POST", "/api/people/deputies"): {R, C, O},
    ("POST", "/api/people/deputies/{deputy}/end"): {R, C, O},
    ("GET", "/api/people/revocations"): {O},
    ("POST", "/api/people/revocations"): {O},
    ("POST", "/api/people/revocations/{revocation}/restore"): {O},
    # administrators among these, see `tests.api.test_memberships`
    ("GET", "/api/people/memberships"): {F, O},
    ("POST", "/api/people/memberships"): {F, O},
    ("POST", "/api/people/memberships/{membership}/end"): {F, O},
    ("POST", "/api/people/accounts/{person}/link"): {F, O},
    ("POST", "/api/people/accounts/{person}/identities"): {F, O},
    ("POST", "/api/people/accounts/{person}/identities/end"): {F, O},
    ("GET", "/api/people/tokens"): {F, O},
    ("POST", "/api/people/tokens/{token}/revoke"): {F, O},
    ("POST", "/api/people/programs/{program}/secrets"): {F, O},
    ("POST", "/api/people/programs/{program}/secrets/end"): {F, O},
    ("GET", "/api/me/tokens"): CLERKS_TOO,
    ("GET", "/api/me/views"): CLERKS_TOO,
    ("POST", "/api/me/views"): CLERKS_TOO,
    ("POST", "/api/me/views/forget"): CLERKS_TOO,
    ("POST", "/api/me/tokens/{token}/revoke"): CLERKS_TOO,
    ("POST", "/oauth/token"): PUBLIC,
    ("POST", "/sign-in/provider/logout"): PUBLIC,
    ("GET", "/api/me/sessions"): CLERKS_TOO,
    ("POST", "/api/me/sign-out"): CLERKS_TOO,
    ("GET", "/api/jobs/{job}"): {R, C, O},
    ("GET", "/api/jobs/{job}/items"): {R, C, O},
    ("GET", "/api/jobs/{job}/report"): {R, C, O},
    ("POST", "/api/jobs/{job}/stop"): {R, C, O},
    ("POST", "/api/jobs/{job}/resume"): {R, C, O},
    ("GET", f"{CAMPAIGN}/timeline"): {R, C, O, A},
    ("GET", "/api/report-batches"): EVERYBODY,
    ("GET", BATCH): EVERYBODY,
    ("POST", BATCH): {F, O},
    ("GET", f"{BATCH}/template"): EVERYBODY,
    ("GET", f"{BATCH}/numbers"): {F, R, C, H},
    ("POST", f"{BATCH}/uploads/{{upload}}/withdraw"): {F},
    ("GET", f"{BATCH}/uploads"): EVERYBODY,
    ("POST", f"{BATCH}/uploads"): {F},
    ("POST", f"{BATCH}/uploads/resumable"): {F},
    ("GET", f"{BATCH}/uploads/{{upload}}"): EVERYBODY,
    ("PUT", f"{BATCH}/uploads/{{upload}}"): {F},
    ("DELETE", f"{BATCH}/uploads/{{upload}}"): {F},
    ("POST", f"{BATCH}/uploads/{{upload}}/complete"): {F},
    ("GET", f"{BATCH}/uploads/{{upload}}/problems"): EVERYBODY,
    ("POST", f"{BATCH}/submit"): {F},
    ("POST", f"{BATCH}/withdraw-numbers"): {F},
    ("POST", f"{BATCH}/correct-numbers"): {F},
    ("POST", f"{BATCH}/claim"): {R, C},
    ("POST", f"{BATCH}/release"): {R, C, O},
    ("POST", f"{BATCH}/return"): {R},
    ("POST", f"{BATCH}/approve"): {R},
    ("POST", f"{BATCH}/assign"): {O},
    ("POST", f"{BATCH}/hand-over"): {R, C},
    ("POST", f"{BATCH}/extension"): {O},
    ("POST", f"{BATCH}/reopen"): {O},
    ("POST", f"{BATCH}/cancel"): {O},
    ("POST", f"{BATCH}/reminders"): {R, O},
    ("GET", f"{BATCH}/timeline"): EVERYBODY,
    ("GET", "/public/report-numbers"): PUBLIC,
    ("POST", "/public/complaints"): PUBLIC,
    ("GET", "/public/complaints/{receipt}"): PUBLIC,
    ("GET", "/api/complaints"): {R, O, A},
    ("GET", COMPLAINT): {R, O, A},
    ("POST", f"{COMPLAINT}/claim"): {R, C},
    ("POST", f"{COMPLAINT}/release"): {R, C, O},
    ("POST", f"{COMPLAINT}/resolve"): {R},
    ("POST", f"{COMPLAINT}/pass-on"): {R},
    ("POST", f"{COMPLAINT}/hand-over"): {R, C},
    ("POST", f"{COMPLAINT}/assign"): {O},
    ("POST", f"{COMPLAINT}/cancel"): {O},
    ("GET", f"{COMPLAINT}/timeline"): {R, O, A},
    ("GET", "/public/measures"): PUBLIC,
    ("GET", "/api/enforcement/register"): {E, D, O, A},
    ("GET", f"{CAMPAIGN}/enforcement"): {O},
    ("GET", "/api/enforcement/consequences"): {E, O},
    ("GET", "/api/enforcement"): {F, E, D, O, A},
    ("POST", "/api/enforcement"): {E, O},
    ("GET", ENFORCEMENT): {F, E, D, O, A},
    ("POST", f"{ENFORCEMENT}/propose"): {E},
    ("POST", f"{ENFORCEMENT}/notice"): {E},
    ("POST", f"{ENFORCEMENT}/statement"): {F},
    ("POST", f"{ENFORCEMENT}/decide"): {D},
    ("POST", f"{ENFORCEMENT}/service"): {E},
    ("POST", f"{ENFORCEMENT}/refer"): {E},
    ("POST", f"{ENFORCEMENT}/objection"): {F},
    ("POST", f"{ENFORCEMENT}/objection-answer"): {D},
    ("POST", f"{ENFORCEMENT}/withdraw"): {E, D},
    ("POST", f"{ENFORCEMENT}/cure"): {F, E},
    ("POST", f"{ENFORCEMENT}/attachments"): {F},
    ("GET", f"{ENFORCEMENT}/attachments/{{attachment}}"): {F, E, D, O, A},
    ("GET", f"{ENFORCEMENT}/documents/{{document}}"): {F, E, D, O, A},
    ("GET", f"{ENFORCEMENT}/timeline"): {F, E, D, O, A},
    # a person of the issuing authority is told apart from its client further on
    ("GET", "/api/certificates/deliveries"): {K},
    ("POST", "/api/certificates/deliveries"): {K},
    ("POST", "/api/certificates/deliveries/batch"): {K},
    ("GET", "/api/certificates/deliveries/{delivery}"): {K},
    ("GET", "/public/schemas/certificate-delivery/v1.json"): PUBLIC,
    ("GET", "/api/certificates/provinces"): {O, A},
    ("POST", "/api/certificates/provinces/{authority}/plan"): {O},
    ("GET", "/api/clients"): {O, A},
    ("POST", "/api/clients"): {O},
    ("POST", "/api/clients/{client}/rotate"): {O},
    ("POST", "/api/clients/{client}/revoke"): {O},
    ("POST", "/api/connected/token"): PUBLIC,
    ("GET", "/api/certificates"): ISSUING,
    ("POST", "/api/certificates"): {F, K},
    ("GET", "/api/certificates/rules"): ISSUING,
    ("GET", "/api/certificates/imports"): {K},
    ("POST", "/api/certificates/imports"): {K},
    ("GET", "/api/certificates/imports/template"): {K},
    ("GET", "/api/certificates/imports/{import}"): {K},
    ("GET", "/api/certificates/imports/{import}/rows"): {K},
    ("GET", "/api/certificates/imports/{import}/report"): {K},
    ("POST", "/api/certificates/register"): {O},
    ("GET", "/api/certificates/register/template"): {O},
    ("GET", "/api/certificates/serials/{year}"): {K},
    ("POST", "/api/certificates/serials/{year}"): {K},
    ("GET", CERTIFICATE): ISSUING,
    ("GET", f"{CERTIFICATE}/draft"): ISSUING,
    ("PUT", f"{CERTIFICATE}/draft"): {F, K},
    ("POST", f"{CERTIFICATE}/apply"): {F, K},
    ("POST", f"{CERTIFICATE}/withdraw"): {F, K},
    ("POST", f"{CERTIFICATE}/claim"): {R, C},
    ("POST", f"{CERTIFICATE}/release"): {R, C, O},
    ("POST", f"{CERTIFICATE}/return"): {R},
    ("POST", f"{CERTIFICATE}/approve"): {R},
    ("POST", f"{CERTIFICATE}/reject"): {R},
    ("POST", f"{CERTIFICATE}/quality"): {C},
    ("POST", f"{CERTIFICATE}/end"): {K, R},
    ("POST", f"{CERTIFICATE}/correct-end"): {K, R},
    ("POST", f"{CERTIFICATE}/cancel"): {O},
    ("GET", f"{CERTIFICATE}/timeline"): ISSUING,
    ("GET", f"{CERTIFICATE}/paper"): ISSUING,
    ("GET", f"{CERTIFICATE}/preview"): ISSUING,
    ("GET", f"{CERTIFICATE}/qr"): ISSUING,
    ("GET", f"{CERTIFICATE}/qr.png"): ISSUING,
    ("POST", "/api/certificates/papers"): {K},
    ("GET", "/api/institutions"): {O, A},
    ("GET", "/api/institutions/template"): {O, A},
    ("POST", "/api/institutions/imports"): {O},
    ("GET", "/api/institutions/{institution}"): EVERYBODY,
    ("POST", "/api/institutions/{institution}/registration"): {F, O},
    ("GET", "/api/institutions/{institution}/registration"): {F, O, A},
    ("GET", "/api/institutions/registrations"): {O, A},
    ("POST", "/api/institutions/registrations/{registration}/approve"): {O},
    ("POST", "/api/institutions/registrations/{registration}/refuse"): {O},
    ("POST", "/api/institutions/{institution}/uscc"): {O},
    ("POST", "/api/institutions/{institution}/merge"): {O},
    ("POST", "/api/institutions/{institution}/split"): {O},
    ("GET", "/api/institutions/{institution}/history"): EVERYBODY,
    ("GET", "/api/institutions/{institution}/linked"): EVERYBODY,
    ("GET", "/api/institutions/{institution}/reviewer"): EVERYBODY,
    ("GET", "/api/institutions/review/{period}/{jurisdiction}"): {O, A},
    ("GET", "/api/institutions/review/{period}/{jurisdiction}/csv"): {O, A},
    ("GET", "/api/institutions/review/{period}/{jurisdiction}/xlsx"): {O, A},
    ("GET", "/api/institutions/{institution}/contacts"): {F, R, O},
    ("POST", "/api/institutions/{institution}/contacts"): {F, O},
    ("POST", "/api/institutions/{institution}/contacts/remove"): {F, O},
    ("GET", "/public/announcements"): PUBLIC,
    ("GET", "/public/announcements/{announcement}"): PUBLIC,
    ("GET", "/public/announcements/{announcement}/files/{file}"): PUBLIC,
    ("GET", "/api/announcements"): CLERKS_TOO,
    ("POST", "/api/announcements"): {O},
    ("GET", "/api/announcements/published"): {O, A},
    ("GET", "/api/announcements/{announcement}"): CLERKS_TOO,
    ("GET", "/api/announcements/{announcement}/files/{file}"): CLERKS_TOO,
    ("POST", "/api/announcements/{announcement}"): {O},
    ("GET", "/api/announcements/{announcement}/versions"): {O, A},
    ("POST", "/api/announcements/{announcement}/withdraw"): {O},
    ("POST", "/api/announcements/{announcement}/files"): {O},
    ("POST", "/api/announcements/{announcement}/files/{file}/remove"): {O},
    ("GET", "/api/rules"): CLERKS_TOO,
    ("GET", "/api/rules/{year}/{jurisdiction}"): CLERKS_TOO,
    ("POST", "/api/rules/{year}/{jurisdiction}/route"): CLERKS_TOO,
    ("GET", "/api/rule-sets/{sha256}"): CLERKS_TOO,
    ("GET", "/api/events"): {O, A},
    **{
        ("GET", f"/api/audit/{name}"): {A}
        for name in (
            "verify",
            "replay",
            "recompute",
            "counterfactual",
            "as-of",
            "figures",
            "foreseen",
            "refusals",
            "history",
            "listed",
            "compared",
            "export",
            "timeline",
            "timeline/table",
            "reconcile",
        )
    },
    ("GET", "/api/lookups/counts"): {O, A},
    ("GET", "/public/certificates"): PUBLIC,
    ("GET", "/public/certificates/code/{code}"): PUBLIC,
    ("GET", "/public/certificate-keys"): PUBLIC,
    ("GET", "/api/certificates/search"): ISSUING,
    ("GET", "/api/certificates/registered/{number}"): ISSUING,
    ("GET", "/api/certificates/linked/{uscc}"): ISSUING,
    ("GET", "/api/certificates/counts"): {O, A},
    ("GET", "/healthz"): PUBLIC,
    ("GET", "/readyz"): PUBLIC,
}  # fmt: skip
"""Written by hand, from nothing in the application: a new operation needs a new line here."""

ROWS = sorted(MATRIX)
NAMES = [f"{method} {path}" for method, path in ROWS]


PLACES: dict[str, dict[str, str]] = {}
"""The batch, upload and complaint on record beside a case."""

NOWHERE = {
    "subject": "accreditation",
    "form": "statistics-2024",
    "sending": "0" * 32,
    "address": "0" * 32,
    "question": "1",
    "waiver": "1",
    "draw": "1",
    "duty": "settle-problems",
    "notice": "0" * 32,
    "job": "0" * 32,
    "extension": "0" * 32,
    "confirmation": "0" * 32,
    "deputy": "0" * 32,
    "revocation": "0" * 32,
    "membership": "0" * 32,
    "person": "nobody",
    "program": "program.nobody",
    "token": "0" * 32,
    "registration": "0" * 32,
    "announcement": "0" * 32,
    "file": "0" * 64,
    "attachment": "0" * 64,
    "document": "0" * 64,
    "period": "2024",
    "quarter": "2024Q4",
    "upload": "0" * 32,
    "complaint": "0" * 32,
    "receipt": "AAAAA-AAAAA-AAAAA-AAAAA",
    "application": "0" * 24,
    "import": "0" * 32,
    "authority": "amr-350000",
    "client": "0" * 16,
    "delivery": "D-1",
    "number": "0" * 12,
    "code": "0" * 26,
    "uscc": "91620102739638125B",
    "about": "filing",
    "n": "1",
}


def test_every_right_and_every_role_is_decided_on() -> None:
    """Forgotten in its table, a right would be nobody's and a role's scope anybody's guess."""
    assert set(ROLES) == set(Right)
    assert set(SCOPES) == set(Role) - {Role.SYSTEM}


@pytest.fixture(scope="module")
async def case(house: System) -> Filing:
    """A filing that waits for its quality check: reviewer and checker are both involved."""
    found = await filing(house)
    await found.checked()
    PLACES[found.id] = await places(house, found)
    return found


def filled(path: str, case: Filing) -> str:
    return path.format(
        year=2024,
        institution=case.id,
        jurisdiction="000000",
        sha256="0" * 64,
        **PLACES.get(case.id, NOWHERE),
    )


async def tried(
    house: System, row: tuple[str, str], case: Filing, token: str = "", **headers: str
) -> Answer:
    """One operation on a case, with a body that says nothing."""
    method, path = row
    body: Any = None if method == "GET" else {}
    return await house.send(method, filled(path, case), token, body, **headers)


def tokens(case: Filing) -> dict[Role, str]:
    return {
        F: case.filer, R: case.reviewer, C: case.checker, O: case.operator, A: case.auditor,
        K: case.clerk, E: case.officer, D: case.decider, H: case.responsible,
    }  # fmt: skip


def test_every_operation_has_its_line_in_the_matrix_and_no_other() -> None:
    assert sorted((o.method, o.path) for o in OPERATIONS) == ROWS


@pytest.mark.parametrize("row", ROWS, ids=NAMES)
async def test_a_role_may_use_exactly_the_operations_of_its_column(
    house: System, case: Filing, row: tuple[str, str]
) -> None:
    allowed = MATRIX[row]
    for role, token in tokens(case).items():
        answer = await tried(house, row, case, token)
        code = (answer.body or {}).get("code")
        if allowed is PUBLIC or role in allowed:
            assert answer.status != 401, (role, answer.body)
            assert code not in ("forbidden", "not_your_case", "not_your_region"), (
                role,
                answer.body,
            )
        else:
            assert (answer.status, code) == (403, "forbidden"), (role, answer.body)


# --- what is another's is what is not there -------------------------------------------------------

SHOWN_TO_ALL = {
    "/api/announcements/{announcement}",
    "/api/announcements/{announcement}/files/{file}",
    "/api/authority-figures/{year}/{subject}",
    "/api/authority-figures/{year}/{subject}/submit",
    "/api/certificates/registered/{number}",
    "/api/certificates/linked/{uscc}",
    "/api/certificates/serials/{year}",
    "/api/forms/{form}",
    "/api/forms/{form}/schema",
    "/api/forms/{form}/template",
    "/api/rule-sets/{sha256}",
}
"""What everybody is shown whose role lets them ask: no scope ends there."""

NOT_THEIRS = explain(unseen()).detail

STRANGERS = {
    F: "some-other-institution", H: "some-other-institution", R: "amr-330000", C: "amr-330000",
    K: "amr-330000", E: "amr-330000", D: "amr-330000", O: "330000",
}  # fmt: skip


def elsewhere(known: str) -> str:
    """An id as long as one that is on record, and on no record itself."""
    return known[:-1] + ("1" if known[-1] != "1" else "2")


KEPT = {
    "year", "period", "quarter", "jurisdiction", "form", "subject", "about", "n", "question",
    "waiver", "draw", "sha256",
}  # fmt: skip
"""Parts of an address that name no record by themselves."""

NAMED = [
    row
    for row in ROWS
    if set(re.findall(r"{(\w+)}", row[1])) - KEPT and MATRIX[row] and row[1] not in SHOWN_TO_ALL
]


@pytest.mark.parametrize("row", NAMED, ids=[" ".join(row) for row in NAMED])
async def test_what_is_anothers_is_answered_as_what_is_not_there(
    house: System, case: Filing, row: tuple[str, str]
) -> None:
    method, path = row
    known = {**PLACES[case.id], "institution": case.id, "year": "2024"}
    known |= {"jurisdiction": "000000", "sha256": "0" * 64}
    missing = {name: id_ if name in KEPT else elsewhere(id_) for name, id_ in known.items()}
    body: Any = None if method == "GET" else {}
    for role in sorted((MATRIX[row] or set()) - {A}):
        token = house.token(role, "stranger", STRANGERS[role])
        theirs, nobodys = [
            await house.send(method, path.format(**ids), token, body) for ids in (known, missing)
        ]
        assert theirs.status == nobodys.status, (role, theirs.body, nobodys.body)
        told, like = (
            json.dumps({**(one.body or {}), "request_id": ""}, ensure_ascii=False)
            for one in (theirs, nobodys)
        )
        # the asker's own words may come back
        for name in re.findall(r"{(\w+)}", path):
            told = told.replace(known[name], missing[name])
        assert told == like, role
        assert theirs.headers["content-length"] == nobodys.headers["content-length"]


ASKED: ContextVar[list[str] | None] = ContextVar("asked", default=None)
"""What one's own requests ask of the database."""

STATES = ("saved", "submitted", "claimed", "returned", "checked")
"""How far a filing has come: nobody has seen it, its reviewer has, its checker too."""


@pytest.mark.parametrize("state", STATES)
async def test_in_no_state_is_a_filing_there_for_whoever_it_is_not_for(
    house: System, state: str
) -> None:
    """Status, body, length; and as many questions to the database, so that time tells nothing."""
    found = await filing(house)
    await getattr(found, state)()
    absent = f"{found.id[:-1]}x"
    asked: list[str] = []
    engine = house.engine.sync_engine
    mine = ASKED.set(asked)

    def heard(*told: Any) -> None:
        # workers of the same system ask as well, in the midst of it
        if ASKED.get() is asked:
            asked.append(told[2])

    sa.event.listen(engine, "before_cursor_execute", heard)
    try:
        for method, path in sorted(MATRIX):
            if not path.startswith(FILING) or "{" in path.removeprefix(FILING):
                continue
            body: Any = None if method == "GET" else {}
            for role in sorted(MATRIX[method, path] or set()):
                if role in (A, F, H):  # the auditor's scope ends nowhere, an institution's above
                    continue
                token = house.token(role, "stranger", STRANGERS[role])
                answers = []
                for id_ in (found.id, absent):
                    asked.clear()
                    at = path.format(year=2024, institution=id_)
                    answers.append((await house.send(method, at, token, body), len(asked)))
                (theirs, questions), (nobodys, others) = answers
                assert theirs.status == nobodys.status == 404, (method, path, role)
                assert _nameless(theirs, found.id) == _nameless(nobodys, absent)
                assert theirs.headers["content-length"] == nobodys.headers["content-length"]
                assert questions > 0
                assert abs(questions - others) <= QUESTIONS_MORE, (
                    path, role, questions, others, [one[:90] for one in asked],
                )  # fmt: skip
    finally:
        sa.event.remove(engine, "before_cursor_execute", heard)
        ASKED.reset(mine)


QUESTIONS_MORE = 6
"""So many more an address of something there may cost, or of nothing: whose it is, what is kept."""


def _nameless(answer: Answer, id_: str) -> str:
    told = json.dumps({**answer.body, "request_id": ""}, ensure_ascii=False)
    return told.replace(id_, "…")


# --- what people write stays out of the logs -----------------------------------------------------

MARK = "marker-that-no-log-may-hold"

ASKING = {(one.method, one.path): one for one in OPERATIONS}


def leaves(example: Any, at: str = "") -> Iterator[str]:
    """The pointers of all texts in an example."""
    if isinstance(example, str):
        yield at
    elif isinstance(example, dict):
        for name, value in example.items():
            yield from leaves(value, f"{at}/{name}")
    elif isinstance(example, list):
        for place, value in enumerate(example):
            yield from leaves(value, f"{at}/{place}")


def planted(example: Any, pointer: str, text: str) -> Any:
    """An example with another text at a place."""
    body = copy.deepcopy(example)
    *above, last = pointer.split("/")[1:]
    inside = body
    for name in above:
        inside = inside[int(name) if isinstance(inside, list) else name]
    inside[int(last) if isinstance(inside, list) else last] = text
    return body


@pytest.mark.parametrize("row", ROWS, ids=NAMES)
async def test_whatever_is_written_is_answered_and_in_no_log(
    house: System,
    case: Filing,
    row: tuple[str, str],
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    operation, (method, path) = ASKING[row], row
    allowed = MATRIX[row]
    role = O if allowed and O in allowed else min(allowed) if allowed else A
    token, at = tokens(case)[role], filled(path, case)
    nowhere = path.format(**dict.fromkeys(re.findall(r"{(\w+)}", path), MARK))
    answers = [await house.send(method, nowhere, token, None if method == "GET" else {})]
    for parameter in operation.parameters:
        if parameter.where == "query":
            query = f"{at}?{parameter.name}={MARK}%00"
            answers.append(await house.send(method, query, token, None))
    headers = {"if_match": MARK, "x_request_id": MARK, "user_agent": MARK, "accept": MARK}
    if operation.body is None:
        answers.append(await house.send(method, at, token, None, **headers))
        answers.append(await house.send(method, at, MARK, None))
    for pointer in leaves(operation.example) if operation.body is not None else ():
        for text in (f"{MARK}\x01", MARK + "长" * 200_000):
            answer = await house.send(method, at, token, planted(operation.example, pointer, text))
            answers.append(answer)
            named = [error["pointer"] for error in (answer.body or {}).get("errors", ())]
            assert answer.status in (403, 404, 413, 422), (pointer, answer.body)
            assert answer.status != 422 or named, (pointer, answer.body)
    assert max(answer.status for answer in answers) < 500, [one.body for one in answers]
    out, err = capfd.readouterr()
    assert MARK not in out + err + caplog.text


def signed(
    key: str = KEY, purpose: Purpose = Purpose.TOKENS, kid: str = "tokens.derived", **changes: Any
) -> str:
    """A token made by hand; a claim set to None is left out."""
    header = {"alg": "Ed25519", "kid": kid}
    secret = Keyring(None, key).current(purpose, datetime.now(UTC)).value
    private = OKPKey.import_key(
        {
            "kty": "OKP",
            "crv": "Ed25519",
            "x": base64.urlsafe_b64encode(
                Ed25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()
            ).decode().rstrip("="),
            "d": base64.urlsafe_b64encode(secret).decode().rstrip("="),
        }
    )  # fmt: skip
    return jwt.encode(header, _claims(changes), private, algorithms=["Ed25519"])


def _claims(changes: dict[str, Any]) -> dict[str, Any]:
    now = int(datetime.now(UTC).timestamp())
    claims = {
        "iss": "zhibao", "aud": "zhibao-api", "sub": "operator-1", "role": "operator",
        "scope": "000000", "iat": now, "exp": now + 3600, "jti": "1" * 32,
    } | changes  # fmt: skip
    return {name: value for name, value in claims.items() if value is not None}


def with_the_public_key_as_secret() -> str:
    """What whoever may check tokens could make if the algorithm were the token's to choose."""
    public = Keyring(None, KEY).current(Purpose.TOKENS, datetime.now(UTC)).public
    header = {"alg": "HS256", "kid": "tokens.derived"}
    return jwt.encode(header, _claims({}), OctKey.import_key(public), algorithms=["HS256"])


def unsigned() -> str:
    claims = signed().split(".")[1]
    said = b'{"alg":"none","kid":"tokens.derived","typ":"JWT"}'
    header = base64.urlsafe_b64encode(said).decode().rstrip("=")
    return f"{header}.{claims}."


def with_other_claims() -> str:
    header, claims, signature = signed(role="auditor", scope=None).split(".")
    decoded = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
    raw = json.dumps(decoded | {"role": "operator", "scope": "000000"}).encode()
    return f"{header}.{base64.urlsafe_b64encode(raw).decode().rstrip('=')}.{signature}"


OTHER_KEY = "another-key-for-tests-only-another-key"

BAD_HEADERS = {
    "no header": None,
    "another scheme": "Basic b3BlcmF0b3I6eA==",
    "no token": "Bearer ",
    "no JWT": "Bearer nonsense",
    "three empty parts": "Bearer ..",
    "expired": "Bearer " + signed(exp=1_700_000_000),
    "no expiry": "Bearer " + signed(exp=None),
    "not valid yet": "Bearer " + signed(nbf=4_000_000_000),
    "another key": "Bearer " + signed(OTHER_KEY),
    "another algorithm": "Bearer " + with_the_public_key_as_secret(),
    "a key of another purpose": "Bearer " + signed(purpose=Purpose.LINKS),
    "a person by the programs' key": "Bearer "
    + signed(purpose=Purpose.PROGRAMS, kid="programs.derived"),
    "a program by the people's key": "Bearer " + signed(sub="program.x"),
    "no key named": "Bearer " + signed(kid="derived"),
    "another audience": "Bearer " + signed(aud="zhibao"),
    "no audience": "Bearer " + signed(aud=None),
    "no beginning": "Bearer " + signed(iat=None),
    "of tomorrow": "Bearer " + signed(iat=4_000_000_000, exp=4_000_003_600),
    "no number": "Bearer " + signed(jti=None),
    "far too lasting": "Bearer " + signed(exp=4_000_000_000),
    "an end that is none": "Bearer " + signed(exp="tomorrow"),
    "no signature": "Bearer " + unsigned(),
    "claims exchanged": "Bearer " + with_other_claims(),
    "another issuer": "Bearer " + signed(iss="elsewhere"),
    "no subject": "Bearer " + signed(sub=None),
    "subject with a line break": "Bearer " + signed(sub="operator\n1"),
    "no role": "Bearer " + signed(role=None),
    "the system's role": "Bearer " + signed(role="system"),
    "an unknown role": "Bearer " + signed(role="root"),
    "an operator without a jurisdiction": "Bearer " + signed(scope=None),
    "an operator with an empty jurisdiction": "Bearer " + signed(scope=""),
    "an operator of a prefix": "Bearer " + signed(scope="35"),
    "a reviewer without an authority": "Bearer " + signed(role="reviewer", scope=""),
    "a checker of no authority": "Bearer " + signed(role="checker", scope="350000"),
    "a filer without an institution": "Bearer " + signed(role="filer", scope=""),
    "an auditor with a scope": "Bearer " + signed(role="auditor", scope="350000"),
    "far too long": "Bearer " + "a" * 20_000,
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_HEADERS)
async def test_nobody_gets_past_the_door_without_a_token_that_holds(
    house: System, case: Filing, name: str
) -> None:
    header = BAD_HEADERS[name]
    headers = {} if header is None else {"authorization": header}
    before = await case.timeline()
    for row, allowed in MATRIX.items():
        answer = await tried(house, row, case, **headers)
        if allowed is PUBLIC:
            assert answer.status not in (401, 403)
            continue
        assert (answer.status, answer.body["code"]) == (401, "unauthenticated"), row
        assert answer.headers["www-authenticate"] == "Bearer"
        assert "nonsense" not in answer.body["detail"]
    assert await case.timeline() == before


async def test_a_token_that_holds_is_told_who_it_stands_for(house: System) -> None:
    told = await house.send("GET", "/api/me", authorization="bearer " + signed())
    assert told.body == {
        "subject": "operator-1", "role": "operator", "role_label": "经办人", "scope": "000000",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("role", "scope"),
    [
        (OPERATOR, ""), (OPERATOR, "35"), (OPERATOR, "３５００００"), (REVIEWER, ""),
        (REVIEWER, "amr-35"), (CHECKER, "nobody"), (FILER, ""), (FILER, "a/b"),
        (AUDITOR, "350000"), (Role.SYSTEM, ""),
    ],
)  # fmt: skip
def test_no_token_is_issued_for_a_scope_that_does_not_fit_the_role(role: Role, scope: str) -> None:
    actor = Actor(subject="somebody", role=role, scope=scope)
    with pytest.raises(ValueError, match="no token"):
        Identity(KEYS, timedelta(days=1)).issue(actor, datetime.now(UTC), timedelta(days=1))


# --- whose case is it ----------------------------------------------------------------------------


def on_a_filing(role: Role) -> list[Any]:
    """A role's operations on one filing, as parameters of a test."""
    return [
        pytest.param(row, id=" ".join(row))
        for row in ROWS
        if row[1].startswith(FILING) and role in (MATRIX[row] or ())
    ]


@pytest.mark.parametrize("row", on_a_filing(F))
async def test_a_filers_rights_end_at_its_own_institution(
    house: System, case: Filing, row: tuple[str, str]
) -> None:
    stranger = house.token(FILER, "stranger", "some-other-institution")
    answer = await tried(house, row, case, stranger)
    assert (answer.status, answer.body["code"]) == (403, "not_your_case")


@pytest.mark.parametrize(
    ("role", "row"),
    [pytest.param(r, *p.values, id=f"{r} {p.id}") for r in (R, C) for p in on_a_filing(r)],
)
async def test_an_authority_that_never_had_the_case_may_neither_see_nor_move_it(
    house: System, case: Filing, role: Role, row: tuple[str, str]
) -> None:
    stranger = house.token(role, "stranger", "amr-330000")
    answer = await tried(house, row, case, stranger)
    assert (answer.status, answer.body["code"]) == (404, "not_found")


@pytest.mark.parametrize("row", on_a_filing(O))
@pytest.mark.parametrize(
    ("jurisdiction", "inside"),
    [("000000", True), ("440000", True), ("440100", True), ("440106", True),
     ("350000", False), ("440300", False), ("440105", False)],
)  # fmt: skip
async def test_an_operators_rights_end_at_its_jurisdiction(
    house: System, case: Filing, row: tuple[str, str], jurisdiction: str, inside: bool
) -> None:
    operator = house.token(OPERATOR, "somewhere", jurisdiction)
    answer = await tried(house, row, case, operator)
    if inside:
        assert answer.status not in (401, 403), answer.body
        assert (answer.body or {}).get("detail") != NOT_THEIRS
    else:
        assert (answer.status, answer.body["detail"]) == (404, NOT_THEIRS)


async def test_every_level_sees_a_case_from_its_submission_on_and_keeps_sight_of_it(
    house: System,
) -> None:
    found = await filing(house, FUJIAN)
    levels = ["amr-350102", "amr-350100", "amr-350000"]
    people = [house.token(REVIEWER, f"r-{a}", a) for a in levels] + [found.checker]

    async def seeing() -> list[bool]:
        answers = [(await found.get(t), await found.get(t, "/draft")) for t in people]
        assert all(one.status == draft.status for one, draft in answers)
        return [one.status == 200 for one, _ in answers]

    assert await seeing() == [False] * 4
    await found.submitted()
    for turn in range(3):
        # the levels above look on; the checker's turn comes after the last of them
        assert await seeing() == [True, True, True, False]
        await found.done("claim", people[turn])
        await found.done("approve", people[turn])
    assert await seeing() == [True] * 4
    await found.done("quality", found.checker, {"outcome": "send_back", **REASONS})
    assert await seeing() == [True] * 4
    assert (await found.get(found.auditor)).status == 200
    assert (await found.get(found.auditor, "/draft")).status == 403


async def test_an_authority_looks_up_the_institutions_whose_cases_it_has_had_and_no_others(
    house: System,
) -> None:
    found, other = await filing(house, FUJIAN), await filing(house, FUJIAN)
    county = house.token(REVIEWER, "county", "amr-350102")
    city = house.token(REVIEWER, "city", "amr-350100")
    await found.submitted()
    for token, id_, status in (
        (county, found.id, 200), (county, other.id, 404),
        (city, found.id, 200), (city, other.id, 404),
        (found.filer, found.id, 200), (found.filer, other.id, 403),
    ):  # fmt: skip
        answer = await house.send("GET", f"/api/institutions/{id_}", token)
        assert answer.status == status


async def test_only_the_level_whose_turn_it_is_can_act(house: System) -> None:
    found = await filing(house, FUJIAN)
    await found.submitted()
    later = house.token(REVIEWER, "r-later", "amr-350000")
    early = await found.act("claim", later)
    assert (early.status, early.body["code"]) == (403, "not_your_authority")


# --- content stays where it belongs --------------------------------------------------------------

SECRET = "绝密内容七七八八九九"  # generated


async def with_secrets(house: System) -> Filing:
    """Completed after a return; its content, and every reason of reviewers, carry the secret."""
    found = await filing(house)
    await found.saved()
    draft = (await found.get(found.filer, "/draft")).body
    draft["parts"]["statistics"]["remarks"] = SECRET
    saved = await house.send(
        "PUT", f"{found.path}/draft", found.filer, {"parts": draft["parts"]}, if_match='"1"'
    )
    assert saved.status == 200, saved.body
    await found.claimed()
    reasons = {
        "reason": SECRET,
        "fields": [{"part": "statistics", "field": "staff", "reason": SECRET}],
    }
    await found.done("return", found.reviewer, reasons)
    await found.claimed()
    await found.done("approve", found.reviewer, {"note": SECRET})
    sent_back = {"outcome": "send_back", **reasons}
    await found.done("quality", found.checker, sent_back)
    return found


def addresses(found: Filing) -> list[str]:
    """Every address that can be read with GET, lists included."""
    return [
        filled(path, found)
        for method, path in ROWS
        if method == "GET" and path != "/api/institutions/template"
    ] + [f"/api/filings?institution={found.id}", "/api/filings?size=200", "/api/events?size=1000"]


async def test_content_and_reasons_are_shown_to_filer_reviewer_and_checker_only(
    house: System,
) -> None:
    found = await with_secrets(house)
    outsiders = {
        "the operator": found.operator,
        "the provincial operator": house.token(OPERATOR, "operator-gd", "440000"),
        "the auditor": found.auditor,
        "another institution": house.token(FILER, "stranger", "some-other-institution"),
        "another authority": house.token(REVIEWER, "stranger", "amr-330000"),
        "another checker": house.token(CHECKER, "stranger", "cnas"),
    }
    for who, token in outsiders.items():
        for address in addresses(found):
            answer = await house.send("GET", address, token)
            assert SECRET not in json.dumps(answer.body, ensure_ascii=False), (who, address)
    for token in (found.filer, found.reviewer, found.checker):
        draft = (await found.get(token, "/draft")).body
        assert draft["parts"]["statistics"]["remarks"] == SECRET
        told = {e["event"]: e["note"] for e in await found.timeline(token) if e["note"]}
        for event in ("returned", "approved", "sent_back"):
            assert told[event]["reason"] == SECRET
        assert told["returned"]["fields"][0]["reason"] == SECRET


async def test_a_reviewer_sees_what_was_submitted_and_not_what_the_filer_is_drafting(
    house: System,
) -> None:
    found = await filing(house)
    await found.returned()
    draft = (await found.get(found.filer, "/draft")).body
    draft["parts"]["statistics"]["remarks"] = SECRET
    body = {"parts": draft["parts"]}
    saved = await house.send("PUT", f"{found.path}/draft", found.filer, body, if_match='"1"')
    assert saved.body["revision"] == 2
    seen = (await found.get(found.reviewer, "/draft")).body
    assert seen["revision"] == 1
    assert SECRET not in json.dumps(seen, ensure_ascii=False)


async def test_an_operators_reasons_are_shown_to_everybody_who_sees_the_case(
    house: System,
) -> None:
    found = await filing(house)
    await found.done("cancel", found.operator, {"reason": "（生成）误列入名录"})
    for token in (found.filer, found.operator, found.auditor):
        last = (await found.timeline(token))[-1]
        assert (last["event"], last["note"]) == ("cancelled", {"reason": "（生成）误列入名录"})


# --- lists show no more than single cases --------------------------------------------------------


async def pages(house: System, path: str, token: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor = ""
    while True:
        mark = "&" if "?" in path else "?"
        page = await house.send("GET", f"{path}{mark}size=3&cursor={cursor}", token)
        assert page.status == 200, page.body
        found += page.body["items"]
        if page.body["next"] is None:
            return found
        cursor = page.body["next"]


async def test_whatever_a_list_shows_can_be_seen_alone_by_the_same_person_and_is_the_same(
    house: System,
) -> None:
    one, two, three = await filing(house), await filing(house, FUJIAN), await filing(house)
    await one.checked()
    await two.submitted()
    await three.returned()
    people = {
        "filer": one.filer,
        "filer of nothing": house.token(FILER, "nobody", "no-such-institution"),
        "reviewer": one.reviewer,
        "county reviewer": house.token(REVIEWER, "county", "amr-350102"),
        "uninvolved reviewer": house.token(REVIEWER, "stranger", "amr-330000"),
        "checker": one.checker,
        "operator": one.operator,
        "operator of a province": house.token(OPERATOR, "fujian", "350000"),
        "operator elsewhere": house.token(OPERATOR, "elsewhere", "330000"),
        "auditor": one.auditor,
    }
    seen: dict[str, set[str]] = {}
    for who, token in people.items():
        lists = ["/api/filings"]
        lists += ["/api/tasks"] if "reviewer" in who or who == "checker" else []
        found = [item for path in lists for item in await pages(house, path, token)]
        seen[who] = {item["id"] for item in found}
        for item in found:
            alone = await house.send(
                "GET", f"/api/{item['id'].replace('filing', 'filings')}", token
            )
            assert alone.body == item, (who, item["id"])
    assert seen["filer"] == {one.case_id}
    assert {one.case_id, three.case_id} <= seen["reviewer"]
    assert two.case_id not in seen["reviewer"]
    assert {two.case_id} <= seen["county reviewer"]
    assert {one.case_id} <= seen["checker"]
    assert two.case_id in seen["operator of a province"]
    assert one.case_id not in seen["operator of a province"]
    for who in ("filer of nothing", "uninvolved reviewer", "operator elsewhere"):
        assert seen[who] == set()
    assert {one.case_id, two.case_id, three.case_id} <= seen["operator"] & seen["auditor"]


async def test_no_filter_widens_what_a_list_shows(house: System) -> None:
    found = await filing(house, FUJIAN)
    await found.submitted()
    stranger = house.token(FILER, "stranger", "some-other-institution")
    asked = await house.send("GET", f"/api/filings?institution={found.id}", stranger)
    assert (asked.status, asked.body["code"]) == (403, "not_your_case")
    elsewhere = house.token(OPERATOR, "elsewhere", "330000")
    reviewer = house.token(REVIEWER, "stranger", "amr-330000")
    filters = [
        f"institution={found.id}", "authority=amr-350102", "campaign=campaign/2024/000000",
        "year=2024", "status=in_review",
    ]  # fmt: skip
    for one in filters:
        for token in (elsewhere, reviewer):
            assert (await house.send("GET", f"/api/filings?{one}", token)).body["items"] == []
        shown = (await house.send("GET", f"/api/filings?{one}&size=200", found.auditor)).body
        assert found.case_id in [item["id"] for item in shown["items"]]


async def test_an_operator_sees_the_register_and_the_events_of_its_jurisdiction_only(
    house: System,
) -> None:
    inside, outside = await filing(house, FUJIAN), await filing(house, GUANGDONG)
    operator = house.token(OPERATOR, "fujian", "350000")
    shown = {item["id"] for item in await pages(house, "/api/institutions", operator)}
    assert inside.id in shown
    assert outside.id not in shown
    for id_ in shown:
        assert (await house.send("GET", f"/api/institutions/{id_}", operator)).status == 200
    alone = await house.send("GET", f"/api/institutions/{outside.id}", operator)
    assert (alone.status, alone.body["code"]) == (404, "not_found")
    events = (await house.send("GET", "/api/events?size=1000", operator)).body["items"]
    cases = {event["case_id"] for event in events}
    assert inside.case_id in cases
    assert outside.case_id not in cases
    missing = "/api/campaigns/2024/000000/non-filers?status=draft"
    non_filers = {item["id"] for item in await pages(house, missing, operator)}
    assert inside.case_id in non_filers
    assert outside.case_id not in non_filers


async def test_a_campaign_is_shown_alone_to_exactly_those_whose_list_shows_it(
    empty_house: System,
) -> None:
    house = empty_house
    await house.add(institution("only", "350102"))
    await house.open(2024, "350000")
    everybody = {
        "the province": ("350000", True), "a county in it": ("350102", True),
        "the nation": ("000000", True), "another province": ("440000", False),
    }  # fmt: skip
    for who, (jurisdiction, visible) in everybody.items():
        operator = house.token(OPERATOR, "somebody", jurisdiction)
        listed = (await house.send("GET", "/api/campaigns", operator)).body["items"]
        assert [one["case_id"] for one in listed] == ["campaign/2024/350000"] * visible, who
        for path in ("", "/timeline", "/non-filers"):
            alone = await house.send("GET", f"/api/campaigns/2024/350000{path}", operator)
            assert (alone.status == 200) is visible, (who, path, alone.body)
            if not visible:
                assert alone.body["code"] == "not_your_region"
    for role, scope in ((REVIEWER, "amr-440000"), (CHECKER, "samr"), (AUDITOR, "")):
        token = house.token(role, "somebody", scope)
        assert (await house.send("GET", "/api/campaigns/2024/350000", token)).status == 200


# --- what was refused is on record ---------------------------------------------------------------


async def test_every_refused_act_on_a_case_is_on_its_timeline(house: System) -> None:
    found = await filing(house)
    await found.submitted()
    grant = {"until": "2090-01-01T00:00:00+08:00", "reason": "（生成）洪灾"}
    good = {"outcome": "pass"}
    attempts: list[tuple[str, str, Any, str]] = [
        # refused for who asks, before the case is asked; some are told it is not there
        ("submit", house.token(FILER, "thief", "some-other-institution"), {}, "not_your_case"),
        ("approve", house.token(REVIEWER, "wrong-house", "amr-330000"), {}, "not_your_authority"),
        ("extension", house.token(OPERATOR, "wrong-place", "330000"), grant, "not_your_region"),
        ("extension", house.token(REVIEWER, "no-operator", "amr-440000"), grant, "forbidden"),
        ("quality", house.token(AUDITOR, "curious"), {}, "forbidden"),
        # refused by the case
        ("approve", house.token(REVIEWER, "hasty", "amr-440000"), {}, "not_claimed"),
        ("quality", house.token(CHECKER, "early", "amr-440000"), good, "wrong_status"),
        ("reopen", found.operator, grant, "wrong_status"),
    ]  # fmt: skip
    for name, token, body, code in attempts:
        answer = await found.act(name, token, body)
        told = "not_found" if code in ("not_your_authority", "not_your_region") else code
        assert answer.body["code"] == told, (name, answer.body)
    refused = [entry for entry in await found.timeline() if entry["event"] == "refused"]
    assert [entry["rule"] for entry in refused] == [code for *_, code in attempts]
    assert [entry["subject"] for entry in refused] == [
        "thief", "wrong-house", "wrong-place", "no-operator", "curious", "hasty", "early",
        "operator-1",
    ]  # fmt: skip
    for entry in refused:
        assert entry["sequence"] is None
        assert entry["detail"]
        assert "被拒绝" in entry["label"]
    by_name = {entry["subject"]: entry["label"] for entry in refused}
    assert by_name["wrong-place"].startswith("延期被拒绝")
    assert not [label for label in by_name.values() if re.match("[a-z]", label)], by_name


async def test_nobody_floods_away_what_others_were_refused(house: System) -> None:
    found = await filing(house)
    # somebody of whom nothing else is refused within the hour
    quiet = house.token(AUDITOR, "quiet-auditor")
    assert (await found.act("approve", quiet, {})).status == 403
    thief = house.token(FILER, "flood", "some-other-institution")
    for _ in range(MOST + 3):
        assert (await found.act("submit", thief, {})).body["code"] == "not_your_case"
    query = "/api/audit/refusals?by=flood&size=1"
    page = (await house.send("GET", query, found.auditor)).body
    rows = page["items"]
    while page["next"]:
        page = (await house.send("GET", f"{query}&cursor={page['next']}", found.auditor)).body
        rows += page["items"]
    # the test may run over the full hour
    assert sum(one["times"] for one in rows) == MOST + 3
    assert [one["kept"] for one in rows] == [min(one["times"], MOST) for one in rows]
    kept = sum(one["kept"] for one in rows)
    refused = [entry for entry in await found.timeline() if entry["event"] == "refused"]
    assert [entry["rule"] for entry in refused] == ["forbidden", *["not_your_case"] * kept]
    assert {(one["code"], one["scope"]) for one in rows} == {
        ("not_your_case", "some-other-institution")
    }


async def test_a_refused_look_and_a_request_without_a_token_leave_no_trace(house: System) -> None:
    found = await filing(house)
    before = await found.timeline()
    stranger = house.token(FILER, "stranger", "some-other-institution")
    assert (await found.get(stranger)).status == 403
    assert (await found.act("submit", "", {})).status == 401
    assert await found.timeline() == before


async def test_reasons_of_one_case_are_not_those_of_another(house: System) -> None:
    one, two = await filing(house), await filing(house)
    await one.returned()
    await two.returned()
    assert [e["note"] for e in await one.timeline(one.filer) if e["note"]] == [REASONS]
    other = await two.get(one.filer, "/timeline")
    assert other.status == 403
