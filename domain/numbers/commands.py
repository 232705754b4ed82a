"""What can be asked of a batch of report numbers beside what every case is asked."""

from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from domain.case.commands import Command, Sha256
from domain.complaints import ComplaintOutcome
from domain.numbers.report_numbers import IngestOutcome

UploadId = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]


class ReceiveUpload(Command):
    """A file of report numbers has been received completely and is to be read."""

    kind: Literal["receive_upload"] = "receive_upload"
    label: ClassVar[str] = "上传报告编号"
    upload: UploadId
    sha256: Sha256
    size: int = Field(ge=0)


class FinishUpload(Command):
    """An upload has been read: what became of it (the system's command)."""

    kind: Literal["finish_upload"] = "finish_upload"
    label: ClassVar[str] = "登记上传结果"
    outcome: IngestOutcome


class Declare(Command):
    """The filer declares that all numbers of the quarter are in, ``total`` of them; 0 for none."""

    kind: Literal["declare"] = "declare"
    label: ClassVar[str] = "声明本季度已报齐"
    total: int = Field(ge=0)


class ChangeNumbers(Command):
    """The filer withdraws or corrects numbers on record; the list is stored beside the case."""

    kind: Literal["change_numbers"] = "change_numbers"
    label: ClassVar[str] = "撤回或更正报告编号"
    change: UploadId
    action: Literal["withdrawn", "corrected"]
    count: int = Field(ge=1)
    content_sha256: Sha256


class Publish(Command):
    """The day has come from which accepted numbers are visible (a timer's command)."""

    kind: Literal["publish"] = "publish"
    label: ClassVar[str] = "开放查询"


class MarkOverdue(Command):
    """The due date has passed without a submission (a timer's command)."""

    kind: Literal["mark_overdue"] = "mark_overdue"
    label: ClassVar[str] = "登记逾期"
    unhurried: ClassVar[bool] = True


class NoteComplaint(Command):
    """A complaint about a number of this batch has ended (the system's command)."""

    kind: Literal["note_complaint"] = "note_complaint"
    label: ClassVar[str] = "登记投诉结果"
    complaint: str
    outcome: ComplaintOutcome


class NumberEvent(StrEnum):
    """What only happens to batches of report numbers."""

    UPLOAD_RECEIVED = "upload_received"
    NUMBERS_ACCEPTED = "numbers_accepted"
    UPLOAD_REJECTED = "upload_rejected"
    NUMBERS_PUBLISHED = "numbers_published"
    NUMBERS_WITHDRAWN = "numbers_withdrawn"
    NUMBERS_CORRECTED = "numbers_corrected"
    OVERDUE = "overdue"
    COMPLAINT_NOTED = "complaint_noted"
