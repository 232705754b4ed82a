"""Every kind of case has its workflow, and each does what its kind asks of it."""

from typing import Any

import pytest
from temporalio import workflow

from domain.kinds import KINDS
from workflows.case import CaseWorkflow
from workflows.registry import WORKFLOWS

CASES: list[Any] = [cls for cls in WORKFLOWS if issubclass(cls, CaseWorkflow)]


def test_each_kind_has_one_workflow_and_its_name_is_the_kinds() -> None:
    assert {cls.kind.name: cls.kind for cls in CASES} == KINDS
    assert len(CASES) == len(KINDS)
    for cls in CASES:
        definition = workflow._Definition.from_class(cls)
        assert definition is not None
        assert definition.name == cls.kind.workflow


@pytest.mark.parametrize("cls", CASES)
def test_a_workflow_begins_its_case_and_prepares_what_its_kind_prepares(cls: Any) -> None:
    assert cls.beginning is not CaseWorkflow.beginning
    assert (cls.prepare is not CaseWorkflow.prepare) == bool(cls.kind.prepares)
