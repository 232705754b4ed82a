"""How long what is known of somebody is kept, and what becomes of it then.

The terms are rules (`rules/retention.yaml`). What is destroyed is the key of a subject: its values
can be read by nobody any more, and the record, which holds their hashes, stays whole.
"""

from datetime import datetime
from enum import StrEnum

from domain.citation import Citation
from domain.model import Value


class Kept(StrEnum):
    """What is kept for a time, each with what its time runs from."""

    FILING = "filing"
    COMPLAINT = "complaint"
    CONTACT = "contact"
    PROPOSED_ACT = "proposed_act"


KEPT_LABELS: dict[Kept, str] = {
    Kept.FILING: "填报的内容、附件和通知，自办结起",
    Kept.COMPLAINT: "投诉的内容、联系方式和答复，自办结起",
    Kept.CONTACT: "已更换或删去的联系人，自更换起",
    Kept.PROPOSED_ACT: "两人办理的事项的内容，自决定或过期起",
}


class Term(Value):
    """How many years a kind is kept, and by what."""

    years: int
    cite: Citation

    def before(self, now: datetime) -> datetime:
        """What its time ran from earlier than this is due."""
        day = 28 if (now.month, now.day) == (2, 29) else now.day
        return now.replace(year=now.year - self.years, day=day)
