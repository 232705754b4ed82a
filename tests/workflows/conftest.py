"""What the tests of workflows share: workflows run in the sandbox, which lets nothing pass."""

import pytest

from tests import system
from tests.workflows.sandbox import Sandbox


@pytest.fixture(autouse=True)
def in_the_sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    """A system that names no runner of its own has the sandbox, and not what production has."""
    monkeypatch.setattr(system, "default_runner", Sandbox)
