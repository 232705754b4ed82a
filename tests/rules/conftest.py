import shutil
from pathlib import Path

import pytest

from rules.compiled import CompiledRules
from rules.file.library import SHIPPED, RuleLibrary

SETS = ((2020, "000000"), (2023, "350000"), (2023, "430000"), (2024, "000000"))


@pytest.fixture(scope="session")
def library() -> RuleLibrary:
    return RuleLibrary(SHIPPED)


@pytest.fixture(scope="session")
def compiled(library: RuleLibrary) -> dict[tuple[int, str], CompiledRules]:
    return {key: CompiledRules(library.resolve(*key).document) for key in SETS}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the shipped rules folder, to spoil."""
    copy = tmp_path / "rules"
    shutil.copytree(SHIPPED, copy, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    return copy
