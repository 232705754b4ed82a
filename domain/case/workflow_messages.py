"""Messages between whoever starts or moves a case and its workflow."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Self

from pydantic import Field

from domain.canonical import sha256_of
from domain.case.commands import SYSTEM, Actor, Command
from domain.case.events import GENESIS, Step
from domain.case.plan import CasePlan
from domain.case.status import Status
from domain.ids import JurisdictionCode
from domain.model import Recorded
from domain.orders import Order, Sent
from domain.refusals import Refusal

CAMPAIGN_WORKFLOW = "campaign"
ACT = "act"
CATCH_UP = "catch_up"
SEQUENCE = "sequence"
TASK_QUEUE = "zhibao"
RECORD_STEPS = "record_steps"
READ_STEPS = "read_steps"


class Receipt(Recorded):
    """What an accepted command led to: its last step, and the hash that proves it."""

    case_id: str
    command_id: str
    command_sha256: str
    sequence: int
    hash: str
    status: Status
    level: int
    authority: str
    at: datetime


class Act(Sent):
    """The argument of the one update: a command in its JSON form.

    What it may be depends on the kind of case, so the case's workflow decodes it.
    """

    command: dict[str, Any]

    @classmethod
    def of(cls, command: Command) -> Self:
        """The argument that asks for a command."""
        return cls(command=command.model_dump(mode="json"))


class Carried(Recorded):
    """A case's memory between two runs of its workflow: the state and the end of its chain.

    ``state`` is in its JSON form, which the case's kind knows to read.
    """

    state: dict[str, Any] = Field(default_factory=dict)
    sequence: int = 0
    head: str = GENESIS
    receipts: dict[str, Receipt] = Field(default_factory=dict)


class Newcomer(Recorded):
    """An institution that comes on record with its first certificate, or not at all.

    ``region`` is its supervising area, ``delivery`` the id of the delivery that names it.
    """

    region: JurisdictionCode
    legal_person: bool
    delivery: str


class CaseOpening(Recorded):
    """What the read model is to know of a case from its first step on.

    ``quarter`` is 0 but for batches of report numbers, ``institution`` empty only for a complaint
    about nobody on record. ``renews`` is the code of the certificate that is to be replaced.
    ``newcomer``: the institution is not on record before a certificate is issued to it.
    ``region`` is the institution's when its case of a campaign was put on record, else empty.
    """

    kind: str
    year: int
    quarter: int = 0
    institution: str
    jurisdiction: str
    campaign: str
    plan: CasePlan
    renews: str = ""
    newcomer: Newcomer | None = None
    region: str = ""

    def placed(self) -> dict[str, str]:
        """The campaign and the region that the first step of a campaign's case tells."""
        return {"campaign": self.campaign, "region": self.region} if self.region else {}


class CaseStart(Sent):
    """Input of every kind of case's workflow.

    ``carried`` is not empty when a run goes on where another ended; ``revived_by`` is then the
    command that an ended case was started again for. ``vouched``: its first step says the hash of
    its opening, as those of processes from before that did not. ``inputs`` are the facts that its
    plan was decided by; they go on record with the first step, and into no history. ``before`` is
    what a case was opened with that begins anew: with the step too, and into no history either.
    """

    case_id: str
    opening: CaseOpening
    requested_at: datetime
    requested_by: Actor = SYSTEM
    carried: Carried = Carried()
    revived_by: str = ""
    vouched: bool = False
    inputs: dict[str, Any] = Field(default_factory=dict)
    before: CaseOpening | None = None


class RecordRequest(Recorded):
    """The steps of one accepted command, to be recorded together or not at all.

    ``opening`` is what the read model is told of a case that begins with them, or begins anew.
    ``shared`` are the legal persons and centres that only one account files for: recorded is the
    first one's submission, by the rules of ``rule_set``.
    ``orders`` are what was sent to the process and led to them; none for what time brings about.
    """

    steps: tuple[Step, ...]
    opening: CaseOpening | None = None
    shared: tuple[str, ...] = ()
    rule_set: str = ""
    orders: tuple[Order, ...] = ()


class RecordedSteps(Recorded):
    """What the journal already holds in the place of steps that were to be recorded there.

    Empty when they were recorded. Otherwise nothing was written: a crash came between an earlier
    commit and the engine's history, and the workflow has to adopt these steps first. ``opening`` is
    what the case runs on since, if it has begun anew among them. ``refusal``: nothing was written,
    because another case was quicker.
    """

    steps: tuple[Step, ...] = ()
    opening: CaseOpening | None = None
    refusal: Refusal | None = None


class ReadSteps(Recorded):
    """Asks for the steps of a case that the journal holds after ``sequence``."""

    case_id: str
    sequence: int
    head: str


RECEIPTS_CARRIED = 200
"""How many commands' receipts a new run knows; the journal answers for older ones."""


def newest(receipts: Mapping[str, Receipt]) -> dict[str, Receipt]:
    """The receipts that a new run is told of."""
    return dict(list(receipts.items())[-RECEIPTS_CARRIED:])


_NOT_ASKED = {"received_at", "id", "seen_sequence", "acting_for"}
"""What is found out about a command, and not said by its sender."""


def command_sha256(command: Command) -> str:
    """The hash of what a command asks, without when it was received: equal retries are equal."""
    asked = command.model_dump(mode="json", exclude=_NOT_ASKED)
    for newer in ("extension", "correction", "files"):
        if not asked.get(newer, True):
            # commands from before these were known keep their hashes
            del asked[newer]
    return sha256_of(asked)


def receipt_of(step: Step) -> Receipt:
    """The receipt for a command whose last step this is."""
    assert step.position is not None
    return Receipt(
        case_id=step.case_id,
        command_id=step.command_id,
        command_sha256=step.command_sha256,
        sequence=step.sequence,
        hash=step.hash,
        status=step.position.status,
        level=step.position.level,
        authority=step.position.authority,
        at=step.at,
    )
