"""The sandbox of tests, with the part of it that is the same for every worker done once."""

from temporalio import workflow
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

_prepared: set[type] = set()


class Sandbox(SandboxedWorkflowRunner):
    """The sandbox, which has each workflow imported on trial once for all workers of a process."""

    def prepare_workflow(self, defn: "workflow._Definition") -> None:
        """Nothing of a trial is kept: every run of a workflow is imported anew all the same."""
        if defn.cls not in _prepared:
            super().prepare_workflow(defn)
            _prepared.add(defn.cls)
