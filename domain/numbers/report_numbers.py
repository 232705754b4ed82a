"""Messages about report numbers: reading an upload, changing published numbers."""

import re
from datetime import date, datetime
from enum import StrEnum

from domain.model import Recorded
from domain.orders import Order
from domain.refusals import Code

BATCH_WORKFLOW = "report-batch"
INGEST_UPLOAD = "ingest_upload"
PREPARE_UPLOAD = "prepare_upload"
CHANGE_NUMBERS = "change_numbers"


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
    """Asks for a stored withdrawal or correction to be made; ``orders`` led to this."""

    case_id: str
    change: str
    first_day: date
    last_day: date
    longest: int
    visible_from: datetime
    at: datetime
    orders: tuple[Order, ...] = ()


class UploadStage(StrEnum):
    """How far an upload of report numbers has come."""

    RECEIVING = "receiving"
    QUEUED = "queued"
    READING = "reading"
    CHECKING = "checking"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    REPEATED = "repeated"
    ABANDONED = "abandoned"


GATE_REFUSALS = (
    Code.LATEST_YEAR_NOT_COMPLETED,
    Code.FIRST_FILING_NOT_COMPLETED,
    Code.NOT_IN_REPORTING,
    Code.UNKNOWN_INSTITUTION,
    Code.CONDITION_FAILED,
)
"""What ends an upload when its batch refuses it: the institution may not upload, whatever the file.

A file that came outside its window can still be completed once there is an extension.
"""
NO_ROOM = "no_room"
UPLOAD_TROUBLES: dict[str, str] = {
    "": "",
    NO_ROOM: "读取文件的服务器没有存放临时文件的空间；腾出空间后自动继续，不必重新上传",
}
"""What keeps an upload from being read, in the words of whoever waits for it."""

UPLOAD_STAGE_LABELS: dict[UploadStage, str] = {
    UploadStage.RECEIVING: "接收中",
    UploadStage.QUEUED: "已收齐，待核对",
    UploadStage.READING: "读取中",
    UploadStage.CHECKING: "核对并入库中",
    UploadStage.ACCEPTED: "已收下",
    UploadStage.REJECTED: "未收下",
    UploadStage.REPEATED: "与先前的文件相同",
    UploadStage.ABANDONED: "已放弃",
}


_HYPHENS = str.maketrans(dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe63_ ", "-"))


_SEAMS = re.compile(r"(?<=\D)(?=\d)|(?<=\d)(?=\D)|(?=20\d\d)|(?<=20\d\d)|(?<=[1-9])(?=00)")
"""Where hyphens are put in numbers: between letters and digits, about years, before serials."""

_MOST_SEAMS = 5
"""Every one doubles the spellings; few numbers have more hyphens."""


def spellings(number: str) -> list[str]:
    """How else a number may be written: with other hyphens, more or none, in other letters.

    Hyphens that are left out are put back where numbers usually have them.
    """
    hyphened = number.translate(_HYPHENS)
    bare = hyphened.replace("-", "")
    texts = [hyphened, *_hyphened(bare)] if bare else []
    letters = [text for text in texts[:2] for text in (text, text.upper(), text.lower())]
    capitals = [form for text in texts for form in (text, text.upper())]
    return [form for form in dict.fromkeys([*letters, *capitals]) if form != number]


def _hyphened(bare: str) -> list[str]:
    """A number without hyphens, then with them at some or all of its seams."""
    seams = [found.start() for found in _SEAMS.finditer(bare) if 0 < found.start() < len(bare)]
    made = [bare]
    for seam in reversed(seams[:_MOST_SEAMS]):
        # from behind: what stands before a seam has not moved
        made += [f"{text[:seam]}-{text[seam:]}" for text in made]
    return made
