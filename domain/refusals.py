"""Refusals as data: a stable code, its parameters, the clause behind it, the date concerned."""

from datetime import datetime
from enum import StrEnum

from pydantic import Field

from domain.citation import Citation
from domain.model import Recorded


class Code(StrEnum):
    """Every reason for which something asked of the system can be refused."""

    # the life of a case
    NOT_OPEN_YET = "not_open_yet"
    FILL_CLOSED = "fill_closed"
    CORRECT_CLOSED = "correct_closed"
    REVIEW_NOT_OPEN = "review_not_open"
    REVIEW_CLOSED = "review_closed"
    QUALITY_CLOSED = "quality_closed"
    WRONG_STATUS = "wrong_status"
    CASE_ENDED = "case_ended"
    NOT_YOUR_AUTHORITY = "not_your_authority"
    NOT_YOUR_CASE = "not_your_case"
    NOT_CLAIMED = "not_claimed"
    CLAIMED_BY_OTHER = "claimed_by_other"
    SAME_PERSON = "same_person"
    REASON_REQUIRED = "reason_required"
    EXTENSION_NOT_LATER = "extension_not_later"
    NOTHING_TO_SUBMIT = "nothing_to_submit"
    STALE_REVISION = "stale_revision"
    CONTENT_INCOMPLETE = "content_incomplete"
    CHOICE_NOT_AN_ISSUER = "choice_not_an_issuer"
    CHOICE_NEEDED = "choice_needed"
    NOBODY_APPLIES = "nobody_applies"
    # report numbers and complaints
    UPLOADS_UNDER_WAY = "uploads_under_way"
    TOTAL_DIFFERS = "total_differs"
    NUMBERS_NOT_ON_RECORD = "numbers_not_on_record"
    UPLOAD_CLOSED = "upload_closed"
    UPLOAD_GAP = "upload_gap"
    UPLOAD_INCOMPLETE = "upload_incomplete"
    QUARTER_NOT_OPEN = "quarter_not_open"
    NOT_IN_REPORTING = "not_in_reporting"
    BATCH_EXISTS = "batch_exists"
    LATEST_YEAR_NOT_COMPLETED = "latest_year_not_completed"
    FIRST_FILING_NOT_COMPLETED = "first_filing_not_completed"
    # certificates
    NO_CERTIFICATE = "no_certificate"
    CERTIFICATE_NOT_IN_FORCE = "certificate_not_in_force"
    CERTIFICATE_EXISTS = "certificate_exists"
    DECIDED_BY_ISSUER_ONLY = "decided_by_issuer_only"
    ENDING_DAY_OUTSIDE = "ending_day_outside"
    ENDING_INCOMPLETE = "ending_incomplete"
    NUMBER_TAKEN = "number_taken"
    SERIALS_EXHAUSTED = "serials_exhausted"
    SERIAL_NOT_HIGHER = "serial_not_higher"
    NO_AUTHORITY_CODE = "no_authority_code"
    RENEWAL_EARLY = "renewal_early"
    RENEWED_ALREADY = "renewed_already"
    PREDECESSOR_ENDED = "predecessor_ended"
    OTHER_HOLDER = "other_holder"
    CHANGE_OUTSIDE = "change_outside"
    UNKNOWN_CHANGE = "unknown_change"
    DECISION_IMPOSSIBLE = "decision_impossible"
    NOT_SIGNED = "not_signed"
    CONTENT_NOT_ON_RECORD = "content_not_on_record"
    CHARACTERS_MISSING = "characters_missing"
    TEMPLATE_BROKEN = "template_broken"
    MANUAL_MODE = "manual_mode"
    OTHER_ISSUER = "other_issuer"
    CERTIFICATE_NOT_TAKEN_OVER = "certificate_not_taken_over"
    CLIENT_REFUSED = "client_refused"
    CLIENTS_ONLY = "clients_only"
    TOO_MANY_DELIVERIES = "too_many_deliveries"
    # the request
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    INVALID_BODY = "invalid_body"
    INVALID_PARAMETER = "invalid_parameter"
    TOO_LARGE = "too_large"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    KEY_REQUIRED = "key_required"
    KEY_REUSED = "key_reused"
    MATCH_REQUIRED = "match_required"
    REVISION_CONFLICT = "revision_conflict"
    # campaigns, institutions, rules
    RULES_NOT_FOUND = "rules_not_found"
    RULES_INVALID = "rules_invalid"
    CAMPAIGN_NOT_FOUND = "campaign_not_found"
    CAMPAIGN_EXISTS = "campaign_exists"
    UNKNOWN_INSTITUTION = "unknown_institution"
    NOT_IN_STATISTICS = "not_in_statistics"
    FILING_EXISTS = "filing_exists"
    ROSTER_REJECTED = "roster_rejected"
    # the public
    TOO_MANY_LOOKUPS = "too_many_lookups"
    TOO_MANY_COMPLAINTS = "too_many_complaints"
    # the system itself
    BUSY = "busy"
    UNAVAILABLE = "unavailable"
    INTERNAL = "internal"


class Refusal(Recorded):
    """Why something was refused. ``at`` is the date concerned, ``cite`` the rule behind it."""

    code: Code
    params: dict[str, str] = Field(default_factory=dict)
    cite: Citation | None = None
    at: datetime | None = None


class Refused(Exception):
    """Carries a `Refusal` through layers that answer with a value otherwise."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.code.value)
        self.refusal = refusal
