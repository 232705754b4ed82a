"""The gateway's word for what processes are told: what it covers, and what holds without it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain.case.workflow_messages import Act
from domain.orders import FRESH_FOR, Kind, Order, Warrant, fault

NOW = datetime(2025, 3, 1, 9, tzinfo=UTC)
CASE, KEY = "filing/2024/lab-1", b"k" * 32
ASKED: dict[str, Any] = {
    "kind": "approve",
    "id": "command-1",
    "actor": {"subject": "zhang.san", "role": "reviewer", "scope": "amr-440000"},
    "received_at": "2025-03-01T17:00:00+08:00",
    "seen_sequence": 4,
}
SENT = Act(command=ASKED).warranted(CASE, "act", "key-1", KEY, NOW)


def why_not(
    sent: Act,
    process: str = CASE,
    kind: Kind = "act",
    secret: bytes | None = KEY,
    now: datetime = NOW,
    began: datetime | None = None,
) -> str:
    return fault(Order.of(process, kind, sent, began), secret, now, NOW)


def test_what_the_gateway_sends_holds_for_a_day() -> None:
    assert why_not(SENT) == ""
    assert why_not(SENT, now=NOW + FRESH_FOR) == ""
    assert why_not(SENT, now=NOW + FRESH_FOR + timedelta(seconds=1)) == "stale"
    # or a sender's clock that is ahead by as much
    assert why_not(SENT, now=NOW - FRESH_FOR - timedelta(seconds=1)) == "stale"


def test_it_reads_the_same_on_the_other_side() -> None:
    assert why_not(Act.model_validate_json(SENT.model_dump_json())) == ""


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "return"},
        {"id": "command-2"},
        {"actor": {**ASKED["actor"], "subject": "li.si"}},
        {"actor": {**ASKED["actor"], "scope": "samr"}},
        {"actor": {**ASKED["actor"], "role": "checker"}},
        {"received_at": "2025-02-01T17:00:00+08:00"},
        {"seen_sequence": 5},
        {"acting_for": "wang.wu"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_nothing_of_it_can_be_another(change: dict[str, Any]) -> None:
    assert why_not(SENT.model_copy(update={"command": {**ASKED, **change}})) == "altered"


def test_it_is_for_one_process_and_one_purpose() -> None:
    assert why_not(SENT, process="filing/2024/lab-2") == "altered"
    assert why_not(SENT, kind="start") == "altered"


def test_neither_instant_nor_key_of_it_can_be_another() -> None:
    assert SENT.warrant is not None
    later = SENT.warrant.model_copy(update={"at": NOW + timedelta(seconds=1)})
    assert why_not(SENT.model_copy(update={"warrant": later})) == "altered"
    renamed = SENT.warrant.model_copy(update={"key": "key-2"})
    assert why_not(SENT.model_copy(update={"warrant": renamed})) == "altered"
    assert why_not(SENT, secret=b"o" * 32) == "altered"
    assert why_not(SENT, secret=None) == "foreign_key"


def test_without_it_nothing_holds_but_what_was_started_before_there_were_keys() -> None:
    bare = Act(command=ASKED)
    assert why_not(bare) == "unsigned"
    before = NOW - timedelta(seconds=1)
    assert why_not(bare, kind="start", began=before) == ""
    assert why_not(bare, kind="start", began=NOW) == "unsigned"
    # an act comes when it comes
    assert why_not(bare, kind="act", began=before) == "unsigned"


def test_a_made_up_code_is_none() -> None:
    warrant = Warrant(key="key-1", at=NOW, code="0" * 64)
    assert why_not(Act(command=ASKED, warrant=warrant)) == "altered"
