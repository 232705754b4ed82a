"""Which rows lie in a jurisdiction: the codes of its areas, never what a code begins with."""

from typing import Any

from sqlalchemy import ColumnElement, func, true

from domain.ids import NATION
from domain.jurisdictions import known


def regions(jurisdiction: str) -> list[str] | None:
    """The codes of a jurisdiction's areas, None for "" and the nation: no row lies elsewhere."""
    return None if jurisdiction in ("", NATION) else known().within(jurisdiction)


def lies_in(column: ColumnElement[Any], jurisdiction: str) -> ColumnElement[bool]:
    """Whether a column holds the code of a jurisdiction's area; "" and the nation hold all."""
    codes = regions(jurisdiction)
    return true() if codes is None else column == func.any(codes)
