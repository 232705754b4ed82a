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
def small(folder: Path) -> Path:
    """Such a folder with one year, and what hangs on it: all of it is checked in no time."""
    for year in ("2020", "2023"):
        shutil.rmtree(folder / year)
    for path in folder.glob("forms/*-20*.yaml"):
        if not path.stem.endswith("-2024"):
            path.unlink()
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the shipped rules folder, to spoil."""
    copy = tmp_path / "rules"
    shutil.copytree(SHIPPED, copy, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    return copy
