"""Messages about report numbers: reading an upload, changing published numbers, complaints."""

from datetime import date, datetime
from enum import StrEnum

from domain.model import Recorded

BATCH_WORKFLOW = "report-batch"
COMPLAINT_WORKFLOW = "complaint"
INGEST_UPLOAD = "ingest_upload"
PREPARE_UPLOAD = "prepare_upload"
CHANGE_NUMBERS = "change_numbers"
SETTLE_COMPLAINT = "settle_complaint"


LONGEST_NUMBER = 64
"""No number that anybody puts on record, or asks for, has more characters."""


class Answer(StrEnum):
    """The answers of the public lookup; none of them says that a report is genuine or forged."""

    FOUND = "found"
    NOT_FOUND = "not_found"
    WITHDRAWN = "withdrawn"
    NOT_YET_VISIBLE = "not_yet_visible"
    INSTITUTION_NOT_ELIGIBLE = "institution_not_eligible"


ANSWER_LABELS: dict[Answer, str] = {
    Answer.FOUND: "查到编号信息",
    Answer.NOT_FOUND: "未查到编号信息",
    Answer.WITHDRAWN: "编号已撤回或更正",
    Answer.NOT_YET_VISIBLE: "已上传，尚未开放查询",
    Answer.INSTITUTION_NOT_ELIGIBLE: "机构不在可供查询之列",
}


class IngestRequest(Recorded):
    """Asks for one completely received upload to be read, checked and merged.

    Dates of issue must lie from ``first_day`` to ``last_day``, both inside; a number has at most
    ``longest`` characters. What is accepted becomes visible at ``visible_from``.
    """

    case_id: str
    upload: str
    first_day: date
    last_day: date
    longest: int
    visible_from: datetime


class IngestOutcome(Recorded):
    """What became of an upload.

    ``rows`` were read, ``bad`` of them have an error, ``numbers`` were put on record.
    ``digest`` proves which: 16 hex digits of the sum, modulo 2^64, of
    ``hashtextextended(number, 0) * (2 * (issued_on - date '2000-01-01') + 1)`` over them.
    """

    upload: str
    accepted: bool
    rows: int
    bad: int
    numbers: int
    digest: str


class PrepareUpload(Recorded):
    """Asks whether an institution may upload now, under its pinned rules."""

    case_id: str
    institution: str
    rule_set: str
    at: datetime


class ChangeRequest(Recorded):
    """Asks for a stored withdrawal or correction to be made."""

    case_id: str
    change: str
    first_day: date
    last_day: date
    longest: int
    visible_from: datetime
    at: datetime


class ComplaintOutcome(StrEnum):
    """How a complaint ends."""

    SUBSTANTIATED = "substantiated"
    UNSUBSTANTIATED = "unsubstantiated"
    OUT_OF_SCOPE = "out_of_scope"


COMPLAINT_OUTCOME_LABELS: dict[ComplaintOutcome, str] = {
    ComplaintOutcome.SUBSTANTIATED: "情况属实",
    ComplaintOutcome.UNSUBSTANTIATED: "未发现所述情况",
    ComplaintOutcome.OUT_OF_SCOPE: "不属本部门办理，已告知办理途径",
}


class SettleComplaint(Recorded):
    """Asks for a resolved complaint to be told: to the complainant, and to the batches."""

    case_id: str
