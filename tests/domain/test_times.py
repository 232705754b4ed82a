"""Times as people and programs read them: Beijing time, with the zone, in one way."""

import json
from datetime import UTC, date, datetime, timedelta

import pytest

from api.door.operations import json_of
from domain.case.commands import SYSTEM, Role
from domain.case.events import Step
from domain.case.timeline import RefusedAct, entries
from domain.citation import Citation
from domain.messages import closing_time, explain, local_time
from domain.model import Value
from domain.refusals import Code, Refusal

MIDNIGHT = datetime(2027, 1, 27, 16, tzinfo=UTC)
"""00:00 of 2027-01-28 in Beijing."""
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("closes", "told"),
    [
        (MIDNIGHT, "2027-01-27 24:00（北京时间）"),
        (MIDNIGHT - SECOND, "2027-01-27 23:59:59（北京时间）"),
        (MIDNIGHT + SECOND, "2027-01-28 00:00:01（北京时间）"),
    ],
)
def test_a_closing_is_told_by_its_last_day(closes: datetime, told: str) -> None:
    assert closing_time(closes) == told


def test_an_opening_is_told_by_its_first_instant() -> None:
    assert local_time(MIDNIGHT) == "2027-01-28 00:00:00（北京时间）"


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (Code.NOT_OPEN_YET, "2027-01-28 00:00:00（北京时间）"),
        (Code.FILL_CLOSED, "2027-01-27 24:00（北京时间）"),
        (Code.CORRECT_CLOSED, "2027-01-27 24:00（北京时间）"),
        (Code.REVIEW_CLOSED, "2027-01-27 24:00（北京时间）"),
        (Code.EXTENSION_NOT_LATER, "2027-01-27 24:00（北京时间）"),
    ],
)
def test_a_refusal_tells_a_closing_as_such(code: Code, told: str) -> None:
    cite = Citation(document="x", clause="一", quote="", assumption="")
    assert told in explain(Refusal(code=code, at=MIDNIGHT, cite=cite)).detail


class _Inner(Value):
    at: datetime


class _Shown(Value):
    at: datetime
    day: date
    none: datetime | None
    inner: tuple[_Inner, ...]
    named: dict[str, _Inner]


def test_json_has_one_zone_wherever_an_instant_stands() -> None:
    inner = _Inner(at=MIDNIGHT)
    shown = _Shown(
        at=MIDNIGHT, day=date(2027, 1, 27), none=None, inner=(inner,), named={"a": inner}
    )
    at = "2027-01-28T00:00:00+08:00"
    assert json.loads(bytes(json_of(shown).body)) == {
        "at": at,
        "day": "2027-01-27",
        "none": None,
        "inner": [{"at": at}],
        "named": {"a": {"at": at}},
    }


class _Telling:
    label = "一步"

    @staticmethod
    def told(_: object) -> str:
        return ""


def test_a_timeline_is_in_order_of_sequence_though_a_clock_went_back() -> None:
    def step(sequence: int, at: datetime) -> Step:
        return Step(
            case_id="filing/2026/a",
            sequence=sequence,
            event="x",
            command_id=f"c{sequence}",
            actor=SYSTEM,
            at=at,
            received_at=at,
            body={},
            position=None,
            cite=None,
            command_sha256="",
            note_sha256="",
            previous_hash="",
            hash="",
        )

    def refused(at: datetime) -> RefusedAct:
        return RefusedAct(
            action="x", subject="a", role=Role.FILER, scope="a", at=at,
            refusal=Refusal(code=Code.NOT_CLAIMED),
        )  # fmt: skip

    steps = [step(1, MIDNIGHT), step(2, MIDNIGHT + 5 * SECOND), step(3, MIDNIGHT + SECOND)]
    acts = [refused(MIDNIGHT - SECOND), refused(MIDNIGHT + 6 * SECOND)]
    told = entries({"x": _Telling()}, {}, steps[::-1], acts, {}, {})
    assert [entry.sequence for entry in told] == [None, 1, 2, 3, None]
