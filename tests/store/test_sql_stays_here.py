"""SQL is the store's: others hold connections and ask by noun."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ALLOWED = {"AsyncConnection", "AsyncEngine", "SQLAlchemyError", "DataError", "ProgrammingError"}
ALLOWED |= {"InterfaceError", "OperationalError"}
"""What may be held, and what may go wrong with it."""

STATEMENTS = {"execute", "scalar", "scalars", "exec_driver_sql"}
"""How a connection is given a statement."""


def _breaches(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names if name.name.split(".")[0] == "sqlalchemy")
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "sqlalchemy":
            yield from (name.name for name in node.names if name.name not in ALLOWED)
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in STATEMENTS
        ):
            yield ast.unparse(node.func)


@pytest.mark.parametrize("layer", ["services", "activities", "api"])
def test_no_statement_is_made_outside_the_store(layer: str) -> None:
    """Whoever looks for a query finds it in `store/`, and nowhere else."""
    files = sorted((ROOT / layer).rglob("*.py"))
    assert files
    found = {
        str(file.relative_to(ROOT)): breaches
        for file in files
        if (breaches := list(_breaches(file.read_text())))
    }
    assert found == {}


@pytest.mark.parametrize(
    "source",
    [
        "from sqlalchemy import select",
        "import sqlalchemy as sa",
        "from sqlalchemy.dialects.postgresql import insert",
        "await connection.execute(statement)",
    ],
)
def test_a_statement_elsewhere_would_be_seen(source: str) -> None:
    """The check above can fail."""
    assert list(_breaches(source))
