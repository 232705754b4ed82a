"""One legal person, one filing: which accounts belong to one, and which of them files. Pure.

An account belongs to the legal person of its own code, or, being none itself, of its parent's.
"""

from collections.abc import Sequence
from enum import StrEnum

from domain.case.status import Status
from domain.model import Value


class Finding(StrEnum):
    """What an operator has found of an account."""

    KEEPS_ACCOUNT = "keeps_account"
    SEPARATE = "separate"
    FILES_WITH = "files_with"


FINDING_LABELS: dict[Finding, str] = {
    Finding.KEEPS_ACCOUNT: "沿用此前账号填报",
    Finding.SEPARATE: "另一独立法人，另行填报",
    Finding.FILES_WITH: "并入同一法人的账号填报",
}

FILED = (
    Status.SUBMITTED,
    Status.IN_REVIEW,
    Status.APPROVED,
    Status.QUALITY_CHECK,
    Status.COMPLETED,
    # back with its filer to be corrected, a completed one among them: nobody else comes between
    Status.RETURNED,
)
"""How a filing stands that counts as the legal person's own."""


class Account(Value):
    """An account of a legal person, ``key`` being that one's code ("" for none known).

    ``filing`` is how its filing of the year stands, None for none.
    """

    institution: str
    name: str
    uscc: str
    region: str
    legal_person: bool
    key: str
    finding: Finding | None = None
    files_with: str = ""
    filing: Status | None = None


def by_itself(account: Account, accounts_kept: bool) -> bool:
    """Whether an account files whatever others of its legal person do.

    ``accounts_kept``: by the rules, bodies that are no legal person keep the account they have.
    """
    if account.finding is not None:
        return account.finding is not Finding.FILES_WITH
    return accounts_kept and not account.legal_person


def rival(own: Account, others: Sequence[Account], accounts_kept: bool) -> Account | None:
    """The account that has filed for the same legal person already, None for none."""
    if not own.key or by_itself(own, accounts_kept):
        return None
    return next(
        (
            one
            for one in others
            if one.key == own.key and one.filing in FILED and not by_itself(one, accounts_kept)
        ),
        None,
    )


def doubtful(accounts: Sequence[Account], accounts_kept: bool) -> tuple[Account, ...]:
    """Of the accounts of one legal person those of which nobody has said which is to file."""
    waiting = tuple(
        one for one in accounts if one.finding is None and not by_itself(one, accounts_kept)
    )
    return waiting if len(waiting) > 1 else ()
