"""What others read of content and of people is a step of theirs; what is one's own is none."""

import pytest
from sqlalchemy import text

from api.door.reading import read_as
from api.door.rights import Right
from api.resources import OPERATIONS
from domain.case.commands import Role
from tests.api.people import FUJIAN, filing
from tests.system import AUDITOR, REVIEWER, System

pytestmark = pytest.mark.anyio


async def read_by(house: System, reader: str) -> list[tuple[str, str]]:
    async with house.engine.connect() as connection:
        rows = await connection.execute(
            text("SELECT event, step #>> '{body,what}' FROM journal"
                 " WHERE case_id = :reader ORDER BY sequence"),
            {"reader": f"reads/{reader}"},
        )  # fmt: skip
        return [(event, what) for event, what in rows]


async def test_who_reads_a_draft_is_on_record_and_its_filer_is_not(house: System) -> None:
    of = await filing(house, FUJIAN)
    draft = f"{of.path}/draft"
    await of.saved()
    assert (await house.send("GET", draft, of.filer)).status == 200
    reviewer = house.token(REVIEWER, "reviewer-reads", "amr-350102")
    await of.submitted()
    for _ in range(2):
        assert (await house.send("GET", draft, reviewer)).status == 200
    assert (await house.send("GET", f"{draft}?revision=99", reviewer)).status == 404
    assert (await house.send("GET", of.path, reviewer)).status == 200
    assert (
        await read_by(house, "reviewer/reviewer-reads")
        == [("content_read", f"填报内容 {draft}")] * 2
    )
    assert await read_by(house, f"filer/clerk-{of.id}") == []
    auditor = house.token(AUDITOR, "auditor-reads", "")
    timeline = f"{of.path}/timeline"
    assert (await house.send("GET", timeline, auditor)).status == 200
    assert await read_by(house, "auditor/auditor-reads") == [
        ("audited", f"一件填报的经过 {timeline}")
    ]


def test_everything_that_says_content_or_somebodys_data_is_on_record() -> None:
    """Whoever adds an address names it here, or sees to it in `api/door/reading.py`."""
    kept = {
        one.path
        for one in OPERATIONS
        if one.method == "GET" and one.right is not Right.ANYONE and read_as(one, Role.OPERATOR)
    }
    assert kept >= {
        "/api/filings/{year}/{institution}/draft",
        "/api/filings/{year}/{institution}/draft/revisions",
        "/api/filings/{year}/{institution}/draft/changes",
        "/api/filings/{year}/{institution}/draft/workbook",
        "/api/filings/{year}/{institution}/questions",
        "/api/certificates/{application}/draft",
        "/api/certificates/{application}/paper",
        "/api/complaints/{complaint}",
        "/api/enforcement/{about}/{period}/{institution}/{n}",
        "/api/clients",
    }
    of_auditors = [one for one in OPERATIONS if one.right is Right.AUDIT]
    assert of_auditors
    assert all(read_as(one, Role.AUDITOR) == "audited" for one in of_auditors)
