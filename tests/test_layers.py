"""The contract of layers: it holds, and it is broken by an import that it forbids."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.command import ROOT

CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packages of this checkout and their contracts, to spoil."""
    copy = tmp_path_factory.mktemp("checkout")
    shutil.copy(ROOT / "pyproject.toml", copy)
    for package in CONTRACTS["root_packages"]:
        ignored = shutil.ignore_patterns("__pycache__", "*.yaml", "*.txt", "static")
        shutil.copytree(ROOT / package, copy / package, ignore=ignored)
    return copy


def linted(checkout: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache"],
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": str(checkout)},
        capture_output=True,
        text=True,
    )


def test_every_package_has_its_place_among_the_layers() -> None:
    (layers,) = [c["layers"] for c in CONTRACTS["contracts"] if c["type"] == "layers"]
    placed = [name.strip() for layer in layers for name in layer.split("|")]
    assert sorted(placed) == sorted(CONTRACTS["root_packages"])
    packages = {file.parent.name for file in ROOT.glob("*/__init__.py")}
    assert packages - {"tests"} <= set(placed)


def test_the_contracts_hold(checkout: Path) -> None:
    done = linted(checkout)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("module", "forbidden"),
    [
        ("domain/model.py", "store.cases"),
        ("store/cases.py", "services.cases"),
        ("files/table.py", "services.roster"),
        ("services/cases.py", "workflows.case"),
        ("services/roster.py", "activities.campaign"),
        ("api/numbers/lookup.py", "store.cases"),
        ("activities/campaign.py", "api.cases.acts"),
        ("workflows/case.py", "rules.compiled"),
    ],
)
def test_a_forbidden_import_breaks_them(checkout: Path, module: str, forbidden: str) -> None:
    file = checkout / module
    before = file.read_text()
    file.write_text(f"{before}\nimport {forbidden}\n")
    try:
        done = linted(checkout)
    finally:
        file.write_text(before)
    assert done.returncode == 1
    assert forbidden.partition(".")[0] in done.stdout
