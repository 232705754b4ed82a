"""docs/adding-a-kind.md builds a kind of case that runs, with as few edits as it says."""

import importlib
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import UnsandboxedWorkflowRunner

import domain
import workflows
from domain.case import commands as c
from domain.case.commands import SYSTEM, Actor, Role
from domain.case.plan import CasePlan, Window
from domain.case.workflow_messages import CaseOpening, CaseStart
from domain.citation import Citation
from domain.decision import Obligation, ReviewLevel
from domain.kinds import KINDS
from domain.refusals import Code, Refused
from engine.starting import start_case
from rules.compiled import CompiledRules
from rules.file.library import current_library
from store import cases, rule_sets, timeline
from store.cases import Case
from tests.docs.pages import ROOT, page
from tests.system import System, institution, running

pytestmark = pytest.mark.anyio

PAGE = page("docs/adding-a-kind.md")
MOST_EDITED = 4
CITE = Citation(document="测试文号", clause="一")
CASE_ID = "visit/1"
REVIEWER = Actor(subject="r-1", role=Role.REVIEWER, scope="amr-350000")


def edited(file: str) -> str:
    """An existing file with the page's edits made in it."""
    text = (ROOT / file).read_text()
    for block in PAGE.blocks:
        if block.marked("edit") != file:
            continue
        lines = block.text.splitlines(keepends=True)
        old = "".join(line[1:] for line in lines if line[0] in " -")
        assert text.count(old) == 1, f"{block}: not in {file} as it stands"
        text = text.replace(old, "".join(line[1:] for line in lines if line[0] in " +"))
    return text


def loaded(file: str) -> ModuleType:
    """An edited file as a module of its own; the real one stays as it is."""
    module = ModuleType(f"edited_{Path(file).stem}")
    exec(compile(edited(file), file, "exec"), module.__dict__)
    return module


@pytest.fixture
def visits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The page's new files, where it says they belong, and its edits."""
    for package in (domain, workflows):
        (tmp_path / package.__name__).mkdir()
        places = [*package.__path__, str(tmp_path / package.__name__)]
        monkeypatch.setattr(package, "__path__", places)
    for block in PAGE.blocks:
        if file := block.marked("new"):
            assert not (ROOT / file).exists()
            (tmp_path / file).write_text(block.text)
    try:
        kinds, registry = loaded("domain/kinds.py"), loaded("workflows/registry.py")
        visits = importlib.import_module("domain.visits")
        assert {**KINDS, "visit": visits.VISIT} == kinds.KINDS
        monkeypatch.setitem(KINDS, "visit", visits.VISIT)
        monkeypatch.setattr("worker.WORKFLOWS", registry.WORKFLOWS)
        yield visits
    finally:
        for name in ("domain.visits", "workflows.visit"):
            sys.modules.pop(name, None)


@pytest.fixture
async def system(
    visits: ModuleType, dev_engine: WorkflowEnvironment, engine: AsyncEngine, moved_rules: Path
) -> Any:
    async with running(
        dev_engine, engine, moved_rules, runner=UnsandboxedWorkflowRunner()
    ) as system:
        yield system


def test_no_more_existing_files_change_than_the_page_says() -> None:
    told = {row[0].strip("`") for row in PAGE.table("## What changes")}
    assert {block.marked("edit") for block in PAGE.blocks} - {None} <= told
    assert len(told) == MOST_EDITED
    assert all((ROOT / file).exists() for file in told)


async def begun(system: System, rules: Path, closes: datetime) -> Case:
    resolved = current_library(rules).latest_national()
    always = Window(opens=datetime.now(UTC) - timedelta(days=1), closes=closes, cite=CITE)
    async with system.engine.begin() as connection:
        await rule_sets.store(connection, resolved.document)
    plan = CasePlan(
        year=2024,
        jurisdiction="350000",
        ruleset=CompiledRules(resolved.document).ref,
        obligation=Obligation(outcome="may", rule=None, cite=CITE),
        fill=always,
        correct=always,
        review=always,
        completion_cite=CITE,
        levels=(ReviewLevel(id="visit", authority="amr-350000", cite=CITE),),
    )
    await system.add(institution("inst-1"))
    await start_case(
        system.client,
        CaseStart(
            case_id=CASE_ID,
            opening=CaseOpening(
                kind="visit",
                year=2024,
                institution="inst-1",
                jurisdiction="350000",
                campaign="",
                plan=plan,
            ),
            requested_at=datetime.now(UTC),
            requested_by=SYSTEM,
        ),
    )
    return await on_record(system, "in_review")


async def on_record(system: System, status: str) -> Case:
    case = None
    for _ in range(400):
        async with system.engine.connect() as connection:
            case = await cases.by_id(connection, CASE_ID)
        if case is not None and case.status == status:
            return case
        await system.pause(0.05)
    raise AssertionError(case)


async def test_the_kind_of_the_page_lives_its_life_on_real_servers(
    system: System, visits: ModuleType, moved_rules: Path
) -> None:
    closes = datetime.now(UTC) + timedelta(seconds=6)
    case = await begun(system, moved_rules, closes)
    assert (case.kind, case.authority, case.due) == ("visit", "amr-350000", closes)

    def base(key: str) -> dict[str, Any]:
        return {
            "id": key,
            "actor": REVIEWER,
            "received_at": datetime.now(UTC),
            "note_sha256": "a" * 64,
        }

    act = system.parts.filings.act
    with pytest.raises(Refused) as early:
        await act(case, visits.Observe(**base("early")))
    assert early.value.refusal.code is Code.NOT_CLAIMED
    await act(case, c.Claim(**base("claim")))
    receipt = await act(case, visits.Observe(**base("observe")))
    assert receipt.status == "in_review"
    # a command of another kind is none of this one's
    with pytest.raises(Refused) as other:
        await act(case, c.Approve(**base("approve")))
    assert other.value.refusal.code is Code.WRONG_STATUS

    case = await on_record(system, "completed")
    async with system.engine.connect() as connection:
        told = await timeline.of_case(connection, CASE_ID, with_notes=True)
    assert [entry.label for entry in told if entry.sequence] == [
        "安排走访",
        "领取",
        "记录所见",
        "走访结束",
    ]
    assert told[-1].detail == "记录 1 条"
    with pytest.raises(Refused) as ended:
        await act(case, visits.Observe(**base("too-late")))
    assert ended.value.refusal.code is Code.CASE_ENDED
