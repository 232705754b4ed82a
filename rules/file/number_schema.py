"""What a rule file may say about report numbers: the section ``report_numbers``."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StrictInt

from domain.facts import FilingEnd
from domain.model import Value
from domain.numbers.report_numbers import Answer
from rules.file.shapes import Cite, Expression, Id, LevelRule, Obligations, Text, unique

GateCode = Literal["latest_year_not_completed", "first_filing_not_completed"]
Months = Annotated[StrictInt, Field(ge=1, le=24)]


class CountedCertificates(Value):
    """Which certificates oblige: those still valid on the quarter's first day."""

    as_of: Literal["quarter_first_day"]
    cite: Cite


class GovernedQuarters(Value):
    """Which quarters the set governs: the four of the calendar year that is its ``year``."""

    of: Literal["statistics_year"]
    cite: Cite


class UploadWindow(Value):
    """When a quarter's numbers are taken.

    ``after_quarter`` opens on the first day after the quarter, ``with_quarter`` on its first.
    ``due_months`` full months after the quarter's end it closes; never where that is left out.
    """

    opens: Literal["after_quarter", "with_quarter"]
    due_months: Months | None = None
    cite: Cite


class LateUploads(Value):
    """Until so many full months after the quarter's end late numbers are still taken."""

    until_months: Months
    cite: Cite


class NumberCompletion(Value):
    """When a batch is complete: its numbers reported, every level of ``review_chain`` passed."""

    require: Literal["reported"]
    cite: Cite


class ReminderRule(Value):
    """A reminder at 00:00 of the day ``days_before_due`` days before the last day of filling."""

    id: Id
    label: Text
    days_before_due: Annotated[StrictInt, Field(ge=0, le=366)]
    cite: Cite


class GateRule(Value):
    """What must hold for an upload to be allowed; where it does not, ``code`` and ``because``."""

    id: Id
    label: Text
    when: Expression
    code: GateCode
    because: Text
    cite: Cite


class FilingEndRule(Value):
    """What one end of the latest closed year's filing counts as before the gate.

    ``complete``: the year's statistics are complete. ``owed``: they are still to be completed.
    ``not_owed``: nothing of that year is asked of the institution.
    """

    counts: Literal["complete", "owed", "not_owed"]
    cite: Cite


class LatestYear(Value):
    """What it means to have completed the latest closed year, for every end of its filing."""

    completed: FilingEndRule
    under_way: FilingEndRule
    lapsed: FilingEndRule
    withdrawn: FilingEndRule
    cancelled: FilingEndRule
    not_obliged: FilingEndRule
    not_opened: FilingEndRule

    def of(self, end: FilingEnd) -> FilingEndRule:
        """What one end counts as."""
        rule: FilingEndRule = getattr(self, end.value)
        return rule


class Visibility(Value):
    """From 00:00 of the day so many days after the upload a number is found; 0: at once."""

    days: Annotated[StrictInt, Field(ge=0, le=366)]
    cite: Cite


class LongestNumber(Value):
    """The greatest length of a report number, in characters."""

    characters: Annotated[StrictInt, Field(ge=1, le=200)]
    cite: Cite


class EligibleRule(Value):
    """Whether the public lookup answers for an institution; ``because`` says why it does not."""

    when: Expression
    because: Text
    cite: Cite


class ComplaintRule(Value):
    """Who handles a complaint. The first that holds and yields an authority."""

    id: Id
    label: Text
    when: Expression
    assign: Expression
    cite: Cite


class AnswerWords(Value):
    """The words of one answer of the public lookup; see `domain.decision.PublicAnswer`."""

    title: Text
    says: Text
    proves: Text
    does_not_prove: Text
    next_step: Text
    cites: Annotated[tuple[Cite, ...], Field(min_length=1)]


class Answers(Value):
    """The words of every answer there is."""

    found: AnswerWords
    not_found: AnswerWords
    withdrawn: AnswerWords
    not_yet_visible: AnswerWords
    institution_not_eligible: AnswerWords

    def of(self, answer: Answer) -> AnswerWords:
        """The words of one answer."""
        words: AnswerWords = getattr(self, answer.value)
        return words


Reminders = Annotated[tuple[ReminderRule, ...], AfterValidator(unique)]
Gates = Annotated[tuple[GateRule, ...], AfterValidator(unique)]
NumberLevels = Annotated[tuple[LevelRule, ...], AfterValidator(unique)]
Complaints = Annotated[tuple[ComplaintRule, ...], Field(min_length=1), AfterValidator(unique)]


class ReportNumbers(Value):
    """The rules of report numbers: quarterly batches, their gate, the public lookup, complaints."""

    certificates: CountedCertificates
    obligation: Obligations
    quarters: GovernedQuarters
    window: UploadWindow
    late: LateUploads | None = None
    completion: NumberCompletion
    reminders: Reminders
    latest_year: LatestYear | None = None
    gate: Gates
    visible: Visibility
    longest_number: LongestNumber
    review_chain: NumberLevels = ()
    eligible: EligibleRule
    complaints: Complaints
    answers: Answers
