"""The pages about tables against the formats as they are declared."""

import pytest

from domain.faults import WORDS
from files.certificate_import import IMPORT
from files.certificate_register import REGISTER
from files.numbers import NUMBERS
from files.roster import ROSTER
from files.table import CLEAR, Format
from tests.docs.pages import ROOT

PAGES = {
    "docs/tables.md": [ROSTER],
    "docs/certificate-import.md": [IMPORT, REGISTER],
    "docs/report-numbers.md": [NUMBERS],
}


@pytest.mark.parametrize(
    ("page", "table"), [(page, table) for page, tables in PAGES.items() for table in tables]
)
def test_the_table_of_columns_is_the_declared_one(page: str, table: Format) -> None:
    assert table.documentation() in (ROOT / page).read_text("utf-8")


def test_every_shared_finding_that_a_person_can_mend_is_explained() -> None:
    text = (ROOT / "docs/tables.md").read_text("utf-8")
    own = set(WORDS) - {"broken_workbook", "zip_bomb", "bad_encoding", "wrong_type"}
    assert {code for code in own if f"`{code}`" not in text} == set()
    assert CLEAR in text
