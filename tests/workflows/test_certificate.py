"""A certificate's life over HTTP: application, issue, change, renewal, and every end."""

from typing import Any

import pytest

from tests.certificates import Office, content
from tests.system import AUDITOR, System, institution

pytestmark = pytest.mark.anyio


@pytest.fixture
async def office(system: System) -> Office:
    await system.add(institution("lab", certificates=()))
    return Office(system)


async def events(system: System, path: str) -> list[str]:
    auditor = system.token(AUDITOR, "auditor-1")
    entries = (await system.send("GET", f"{path}/timeline", auditor)).body["entries"]
    return [entry["event"] for entry in entries if entry["event"] != "refused"]


async def test_an_application_is_reviewed_numbered_checked_and_issued(
    system: System, office: Office
) -> None:
    path = await office.begin({"content": content()})
    applied = await office.apply(path)
    assert (applied.status, applied.body["status"]) == (200, "in_review"), applied.body
    await office.grant(path)
    shown: dict[str, Any] = (await system.send("GET", path, office.filer)).body
    held = shown["certificate"]
    assert shown["status"] == "completed"
    assert held["number"][2:4] == "13"
    assert held["number"][4:8] == "0106"
    assert held["number"][8:] == "0001"
    assert (held["status"], held["status_label"]) == ("valid", "有效")
    assert await events(system, path) == [
        "application_begun",
        "submitted",
        "assigned",
        "claimed",
        "approved",
        "numbered",
        "quality_check_started",
        "claimed",
        "quality_passed",
        "issued",
    ]
