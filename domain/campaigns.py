"""Messages of a year's campaign: what its workflow starts from and what it reports."""

from datetime import datetime
from typing import NamedTuple

from domain.case.commands import Actor
from domain.model import Recorded
from domain.orders import Sent

RESCAN = "rescan"
ANNUL = "annul"
BEGIN_CAMPAIGN = "begin_campaign"
START_FILINGS = "start_filings"
ENTER_STAGE = "enter_stage"


class Opening(NamedTuple):
    """One opening of a campaign; ``stands``: it has not been opened again since."""

    case_id: str
    number: int
    stands: bool = True


class CampaignStage(Recorded):
    """One stage of the year as the rules name it; ``closes`` is the first instant after it."""

    id: str
    label: str
    opens: datetime
    closes: datetime


class CampaignStart(Sent):
    """Input of the campaign's workflow. ``quarter`` 0: a year's statistics.

    ``rule_sets`` maps each jurisdiction that has rules of its own, the campaign's included, to
    the sha256 of its pinned rule set. ``late``: it was opened after its filing window, knowingly;
    the reason is kept as a note under ``note_sha256``. ``opening`` counts how often it was opened;
    ``sampled``: some of its rule sets have the quality check draw a sample.
    """

    case_id: str
    year: int
    quarter: int = 0
    jurisdiction: str
    opened_by: Actor
    requested_at: datetime
    rule_sets: dict[str, str]
    stages: tuple[CampaignStage, ...]
    command_id: str
    late: bool = False
    note_sha256: str = ""
    opening: int = 1
    sampled: bool = False


def process_id(case_id: str, opening: int) -> str:
    """The id of the process that carries one opening of a campaign."""
    return case_id if opening == 1 else f"{case_id}@{opening}"


class Stage(Recorded):
    """The stage a campaign enters at ``at``, or, with ``ended``, leaves for good.

    ``before`` is how often it had been opened, and annulled, before this opening.
    """

    case_id: str
    stage: CampaignStage
    at: datetime
    ended: bool = False
    before: int = 0


class ScanRequest(Recorded):
    """Start the filing of everyone who must file. ``scan`` counts the passes over the register.

    ``before`` is how often the campaign had been opened, and annulled, before this opening.
    """

    case_id: str
    year: int
    quarter: int = 0
    jurisdiction: str
    rule_sets: dict[str, str]
    scan: int
    requested_at: datetime
    before: int = 0


class ScanProgress(Recorded):
    """How far a pass over the register has come; also its heartbeat and its result.

    ``after`` is the last institution considered. ``started`` counts must-filers whose filing
    is on record, ``launched`` the filings whose process runs, ``voluntary`` those who may file,
    ``outside`` those the rules do not know, ``without_rules`` those whose jurisdiction has no
    published rules, ``elsewhere`` those who file in another campaign of the same year,
    ``uncomputable`` those for whom a condition of the rules comes to no result.
    """

    after: str = ""
    total: int = 0
    considered: int = 0
    started: int = 0
    launched: int = 0
    voluntary: int = 0
    outside: int = 0
    without_rules: int = 0
    uncomputable: int = 0
    elsewhere: int = 0
