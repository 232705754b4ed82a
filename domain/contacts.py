"""Whom to reach at an institution. Personal data: never in the journal, a history or a log."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import StringConstraints

from domain.model import Value
from domain.text import Trimmed, Unmarked, Visible, same_name


class ContactRole(StrEnum):
    """What somebody is to be reached for. One person a role."""

    LIAISON = "liaison"
    STATISTICS = "statistics"
    HEAD = "head"


CONTACT_ROLE_LABELS: dict[ContactRole, str] = {
    ContactRole.LIAISON: "联系人",
    ContactRole.STATISTICS: "统计负责人",
    ContactRole.HEAD: "机构负责人",
}

PHONE = r"^(\+?[0-9(（][0-9()（） -]{4,28}(转[0-9]{1,6})?)?$"
MAIL = r"^([0-9A-Za-z._%+-]{1,64}@[0-9A-Za-z-]{1,63}(\.[0-9A-Za-z-]{1,63}){1,4})?$"

PersonName = Annotated[
    str,
    StringConstraints(max_length=50, pattern=r"^[^\x00-\x1f\x7f]*[^\x00-\x1f\x7f\s]$"),
    Trimmed,
    Visible,
]
Phone = Annotated[str, StringConstraints(pattern=PHONE), Trimmed]
Mail = Annotated[str, StringConstraints(max_length=200, pattern=MAIL), Unmarked]


class Reachable(Value):
    """A person and how to reach it; ``phone`` and ``mail`` are "" where they are not known."""

    name: str
    phone: str = ""
    mail: str = ""


NOBODY = Reachable(name="")
"""What stands for a role whose person was taken off the record."""


class Contact(Reachable):
    """Who is to be reached for a role, and since when that is on record."""

    role: ContactRole
    since: datetime

    @property
    def words(self) -> str:
        """In one line, for a table."""
        told = (CONTACT_ROLE_LABELS[self.role], self.name, self.phone, self.mail)
        return " ".join(filter(None, told))


class ContactSource(StrEnum):
    """Where a contact came from."""

    FILER = "filer"
    OPERATOR = "operator"
    ROSTER = "roster"


CONTACT_SOURCE_LABELS: dict[ContactSource, str] = {
    ContactSource.FILER: "机构填写",
    ContactSource.OPERATOR: "经办人填写",
    ContactSource.ROSTER: "名录导入",
}


def after_roster(
    known: Reachable | None, name: str | None, phone: str | None, mail: str | None
) -> Reachable | None:
    """Whom a roster's cells leave on record; None where they change nothing.

    None is a cell that says nothing, "" one that clears. The phone of one person is not taken
    for the next one's. Raises ValueError for a phone or a mail of nobody.
    """
    standing = known or NOBODY
    wanted = standing.name if name is None else name
    if not wanted:
        if phone or mail:
            raise ValueError("nobody to be reached there")
        found = NOBODY
    else:
        same = same_name(standing.name, wanted)
        found = Reachable(
            name=wanted,
            phone=phone if phone is not None else standing.phone if same else "",
            mail=mail if mail is not None else standing.mail if same else "",
        )
    unchanged = (found.name, found.phone, found.mail) == (
        standing.name,
        standing.phone,
        standing.mail,
    )
    return None if unchanged else found
