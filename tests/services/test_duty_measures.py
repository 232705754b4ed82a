"""By what is on record, a duty is done or not: each measure on both sides of its boundary."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from domain.case.commands import Role
from domain.citation import Citation
from domain.duties import Duty, DutyMeasure
from services.campaigns.duties import DutyService, DutyTask, Evidence, measured
from store.database import connect
from store.progress import Figures

ROSTER = datetime(2025, 1, 5, tzinfo=UTC)


def duty(measure: DutyMeasure, share: str = "") -> Duty:
    cite = Citation(document="", clause="", quote="", assumption="生成的例子")
    return Duty(id="x", label="试", who=("city",), measure=measure, share=share, cite=cite)


@pytest.mark.parametrize(
    ("measure", "share", "seen", "figure", "done"),
    [
        ("submitted", "1", Evidence(Figures(must=3, submitted=3)), "已提交 3/3", True),
        ("submitted", "1", Evidence(Figures(must=3, submitted=2)), "已提交 2/3", False),
        ("approved", "0.5", Evidence(Figures(must=4, approved=2)), "审核通过 2/4", True),
        ("completed", "0.5", Evidence(Figures(must=4, completed=1)), "办结 1/4", False),
        ("checked", "0.05", Evidence(Figures(approved=100, checked=5)), "已核查 5/100", True),
        ("checked", "0.05", Evidence(Figures(approved=100, checked=4)), "已核查 4/100", False),
        # where a sample is drawn, those drawn and checked count
        ("checked", "0.05", Evidence(Figures(approved=100, checked=90), 4), "已核查 4/100", False),
        ("checked", "0.05", Evidence(Figures(approved=100), 5), "已核查 5/100", True),
        ("checked", "0.05", Evidence(), "已核查 0/0", False),
        ("figures_submitted", "", Evidence(submitted=True), "已提交", True),
        ("figures_submitted", "", Evidence(submitted=False), "未提交", False),
        ("figures_submitted", "", Evidence(), "未提交", False),
        ("no_non_filers", "", Evidence(Figures(must=3)), "从未提交 0 家", True),
        ("no_non_filers", "", Evidence(Figures(must=3, not_filed=1)), "从未提交 1 家", False),
        (
            "roster_imported",
            "",
            Evidence(roster_at=ROSTER, as_of=date(2025, 1, 4)),
            "2025-01-05",
            True,
        ),
        (
            "roster_imported",
            "",
            Evidence(roster_at=ROSTER, as_of=date(2025, 1, 5)),
            "2025-01-05",
            None,
        ),
        ("certificates", "", Evidence(certificates=7), "7 张", None),
        ("by_hand", "", Evidence(), "", None),
    ],
)
def test_a_measure_tells(
    measure: str, share: str, seen: Evidence, figure: str, done: bool | None
) -> None:
    told, is_done = measured(duty(DutyMeasure(measure), share), seen)
    assert figure in told
    assert is_done is done


@pytest.mark.anyio
async def test_an_inbox_shows_what_was_read_for_a_colleague_moments_ago() -> None:
    read: list[str] = []
    broken = False

    class Counted(DutyService):
        async def tasks(self, authority: str) -> tuple[DutyTask, ...]:
            read.append(authority)
            await asyncio.sleep(0)
            if broken:
                raise OSError("away")
            return ()

    now = ROSTER
    nobody = connect("postgresql+psycopg://nobody@127.0.0.1:1/none")
    clock = lambda: now  # noqa: E731
    unused: Any = None
    duties = Counted(nobody, unused, unused, unused, unused, clock)
    await asyncio.gather(*(duties.lately("samr", Role.REVIEWER) for _ in range(5)))
    now = ROSTER + timedelta(seconds=9.9)
    await duties.lately("samr", Role.REVIEWER)
    assert read == ["samr"]
    # another role, another authority and the eleventh second read anew
    await duties.lately("samr", Role.CHECKER)
    await duties.lately("caiq", Role.REVIEWER)
    now = ROSTER + timedelta(seconds=10)
    broken = True
    with pytest.raises(OSError, match="away"):
        await duties.lately("samr", Role.REVIEWER)
    # what went wrong is kept for nobody
    broken = False
    assert await duties.lately("samr", Role.REVIEWER) == ()
    assert read == ["samr", "samr", "caiq", "samr", "samr"]
