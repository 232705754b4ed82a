"""What the tests of workflows share: workflows run in the sandbox, which lets nothing pass."""

import pytest
from temporalio import workflow
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

from tests import system

_prepared: set[type] = set()


class Sandbox(SandboxedWorkflowRunner):
    """The sandbox, which has each workflow imported on trial once for all workers of a process."""

    def prepare_workflow(self, defn: "workflow._Definition") -> None:
        """Nothing of a trial is kept: every run of a workflow is imported anew all the same."""
        if defn.cls not in _prepared:
            super().prepare_workflow(defn)
            _prepared.add(defn.cls)


@pytest.fixture(autouse=True)
def in_the_sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    """A system that names no runner of its own has the sandbox, and not what production has."""
    monkeypatch.setattr(system, "default_runner", Sandbox)
