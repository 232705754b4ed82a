"""Timers that nobody waits for are spread over a while; decisions compare instants all the same."""

from datetime import UTC, datetime, timedelta

import pytest

from domain.case import commands as c
from domain.case import kind
from domain.case.state import Timer
from domain.certificates.commands import Expire
from domain.numbers.commands import MarkOverdue, Publish

AT = datetime(2025, 3, 22, tzinfo=UTC)
SPREAD = timedelta(seconds=150)


@pytest.fixture(autouse=True)
def spread_out(timers_at_once: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kind, "SPREAD", SPREAD)


@pytest.mark.parametrize("command", [c.Lapse, c.Remind, MarkOverdue, Expire])
def test_what_nobody_waits_for_is_spread_evenly_and_the_same_every_time(
    command: type[c.Command],
) -> None:
    timer = Timer(AT, command)
    ids = [f"filing/2024/inst-{number}" for number in range(3_000)]
    later = [kind.spread(one, timer) for one in ids]
    assert later == [kind.spread(one, timer) for one in ids]
    assert all(timedelta() <= one < SPREAD for one in later)
    for tenth in range(10):
        among = [one for one in later if SPREAD * tenth / 10 <= one < SPREAD * (tenth + 1) / 10]
        assert 200 < len(among) < 400


@pytest.mark.parametrize("command", [c.Open, c.StartReview, c.StartQualityCheck, Publish, None])
def test_what_people_wait_for_comes_at_its_instant(command: type[c.Command] | None) -> None:
    ids = (f"filing/2024/inst-{number}" for number in range(100))
    assert {kind.spread(one, Timer(AT, command)) for one in ids} == {timedelta()}
