"""What the rules may look at: an institution, its certificates, its choice.

The JSON form of `Facts` is what ``zhibao rules route --facts`` reads.
"""

import re
from datetime import date
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, StrictBool, StrictInt, field_validator, model_validator

from domain.case.status import Status
from domain.ids import NATION, AuthorityShape, InstitutionId, JurisdictionCode
from domain.jurisdictions import authority_of
from domain.model import Value
from domain.text import AllDigits, Unmarked, Visible
from domain.uscc import HolderKind

_GROUP = re.compile(r"group-[a-z0-9-]{1,40}")


class InstitutionFacts(Value):
    """``id`` is the account's own; ``region`` the six-digit supervising area, down to county.

    ``review_group`` is ``group-<industry>`` (a bare industry is completed), None if there is none.
    ``national_centres`` lists the names of the national centres (国家质检中心) it holds or leads.
    """

    id: InstitutionId
    region: JurisdictionCode
    legal_person: StrictBool = True
    under_samr: StrictBool = False
    accredited: StrictBool = False
    review_group: str | None = None
    other_qualifications: tuple[str, ...] = ()
    national_centres: tuple[str, ...] = ()

    @field_validator("review_group")
    @classmethod
    def _with_prefix(cls, value: str | None) -> str | None:
        if not value:
            return None
        named = value if value.startswith("group-") else f"group-{value}"
        if not _GROUP.fullmatch(named):
            raise ValueError("行业评审组写作 group-<行业>，行业用小写英文字母，如 group-railway")
        return named


class CertificateFacts(Value):
    """One certificate: ``scope`` counts the parameters it covers, ``valid_to`` its last day.

    ``valid_from`` is its first day. None: nobody has said which, and it is assumed to have begun.
    """

    number: Annotated[str, Field(min_length=1, max_length=64), Unmarked, Visible, AllDigits]
    level: Literal["provincial", "national"]
    issuer: AuthorityShape
    scope: int = Field(ge=0, le=1_000_000_000)
    valid_to: date
    valid_from: date | None = None

    def counts(self, first: date, last: date) -> bool:
        """Whether it is valid on any of the days from ``first`` to ``last``."""
        begun = self.valid_from is None or self.valid_from <= last
        return begun and self.valid_to >= first

    @model_validator(mode="after")
    def _issued_at_its_level(self) -> Self:
        national = authority_of(NATION)
        if (self.level == "national") != (self.issuer == national):
            raise ValueError(f"国家级证书由 {national} 颁发，省级证书由省级部门（amr-…）颁发")
        return self


class FilingEnd(StrEnum):
    """How an institution's filing of a year stands once the window of its filers has closed."""

    COMPLETED = "completed"
    UNDER_WAY = "under_way"
    LAPSED = "lapsed"
    WITHDRAWN = "withdrawn"
    CANCELLED = "cancelled"
    NOT_OBLIGED = "not_obliged"
    NOT_OPENED = "not_opened"


class Facts(Value):
    """Everything a reviewer's decision reads. Absent choice and previous reviewer are None.

    ``outcomes`` says how the institution's filing of each year stands, years with none left out.
    """

    institution: InstitutionFacts
    certificates: tuple[CertificateFacts, ...] = ()
    choice: str | None = None
    previous_reviewer: str | None = None
    holder_kind: HolderKind = ""
    outcomes: dict[int, FilingEnd] = Field(default_factory=dict)


def filing_end(status: Status, obligation: str) -> FilingEnd:
    """How a filing stands; ``obligation`` is its plan's outcome, ``must`` or ``may``.

    Whoever may file, and need not, is not obliged whatever became of the filing, as long as it is
    neither complete nor cancelled; so does one whose filing was opened after its window.
    A filing that was annulled with its campaign is none.
    """
    if status is Status.COMPLETED:
        return FilingEnd.COMPLETED
    if status is Status.CANCELLED:
        return FilingEnd.CANCELLED
    if status is Status.ANNULLED:
        return FilingEnd.NOT_OPENED
    if obligation != "must" or status is Status.AFTER_WINDOW:
        return FilingEnd.NOT_OBLIGED
    if status is Status.LAPSED:
        return FilingEnd.LAPSED
    if status is Status.WITHDRAWN:
        return FilingEnd.WITHDRAWN
    return FilingEnd.UNDER_WAY


class FilingRecord(Value):
    """What is on record of an institution's annual filings at one moment.

    ``latest_closed_year`` is the last statistics year whose window has closed where the
    institution is supervised, 0 when none has; ``end`` says how its filing of that year stands,
    and the rules (``report_numbers.latest_year``) what that counts as. ``completed_years`` counts
    complete filings of any year.
    """

    latest_closed_year: StrictInt = 0
    end: FilingEnd = FilingEnd.NOT_OPENED
    completed_years: StrictInt = 0
