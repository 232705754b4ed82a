"""What is done round all guards is told before and after, with whoever watched."""

import hashlib
from datetime import UTC, datetime

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.case.commands import Actor, Role
from domain.refusals import Refused
from services.emergencies import EmergencyService
from store import journal
from store.timeline import of_case

pytestmark = pytest.mark.anyio

WHO = Actor(subject="cli.root", role=Role.OPERATOR, scope="000000")


async def test_an_emergency_is_on_record_before_and_after_once(engine: AsyncEngine) -> None:
    service = EmergencyService(engine, lambda: datetime(2026, 1, 2, tzinfo=UTC))
    for alone in ("root", "cli.root"):
        with pytest.raises(Refused):
            await service.begin(WHO, alone, "（生成）误删", b"x")
    with pytest.raises(Refused):
        await service.end("0" * 16, WHO, "（生成）", b"x")
    id_ = await service.begin(WHO, "观察人", "（生成）误删", b"UPDATE 1")
    await service.end(id_, WHO, "（生成）改回一行", b"UPDATE 2")
    await service.end(id_, WHO, "（生成）另一说法", b"UPDATE 3")
    async with engine.connect() as connection:
        steps = await journal.steps(connection, f"emergency/{id_}")
        told = await of_case(connection, f"emergency/{id_}", with_notes=True)
    assert [(step.event, step.actor.subject) for step in steps] == [
        ("glass_broken", "cli.root"),
        ("glass_mended", "cli.root"),
    ]
    for step, ran in zip(steps, (b"UPDATE 1", b"UPDATE 2"), strict=True):
        assert step.body["statements_sha256"] == hashlib.sha256(ran).hexdigest()
        assert step.body["watched_by"] == "观察人"
    assert [entry.note for entry in told] == [
        {"reason": "（生成）误删"},
        {"reason": "（生成）改回一行"},
    ]
    assert "观察人 在场" in told[0].detail
