"""docs/report-numbers.md against the code: commands, stages, outcomes, refusals."""

import re

from domain.case.commands import COMMANDS_OF, ROLE_OF, Role
from domain.case.status import UPLOAD_STAGE_LABELS, Kind
from domain.messages import WORDS
from domain.numbers.report_numbers import COMPLAINT_OUTCOME_LABELS
from domain.refusals import Code
from tests.docs.pages import page

PAGE = page("docs/report-numbers.md")


def told(heading: str) -> dict[str, str]:
    return {row[0].strip("`"): row[1] for row in PAGE.table(heading)}


def test_the_commands_of_batches_and_who_gives_them() -> None:
    rows = told("## Who reports, and when")
    assert set(rows) == COMMANDS_OF[Kind.REPORT_NUMBERS] - COMMANDS_OF[Kind.FILING]
    assert all(Role(who) is ROLE_OF[kind] for kind, who in rows.items())


def test_stages_and_outcomes_with_their_labels() -> None:
    stages = {key.value: label for key, label in UPLOAD_STAGE_LABELS.items()}
    assert told("## A file and its upload") == stages
    outcomes = {key.value: label for key, label in COMPLAINT_OUTCOME_LABELS.items()}
    assert told("## Complaints") == outcomes


def test_every_refusal_has_its_line_as_it_reads() -> None:
    rows = {
        re.sub("`", "", row[0]): (row[1], row[2])
        for row in PAGE.table("## What is refused, and how it reads")
    }
    codes = [code.value for code in Code]
    of_numbers = codes[codes.index("uploads_under_way") : codes.index("no_certificate")]
    assert list(rows) == of_numbers
    assert rows == {
        code: (WORDS[Code(code)].title, WORDS[Code(code)].remedy) for code in of_numbers
    }
