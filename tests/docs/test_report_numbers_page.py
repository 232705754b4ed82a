"""docs/report-numbers.md against the code: commands, stages, outcomes, refusals."""

import re

from domain.case.commands import Role
from domain.complaints import COMPLAINT_OUTCOME_LABELS
from domain.filing.kind import FILING
from domain.numbers.batch import BATCH
from domain.numbers.report_numbers import UPLOAD_STAGE_LABELS
from domain.refusals import Code
from tests.docs.pages import page

PAGE = page("docs/report-numbers.md")


def told(heading: str) -> dict[str, str]:
    return {row[0].strip("`"): row[1] for row in PAGE.table(heading)}


def test_the_commands_of_batches_and_who_gives_them() -> None:
    rows = told("## Who reports, and when")
    assert set(rows) == set(BATCH.commands) - set(FILING.commands)
    assert all({Role(who)} == BATCH.commands[name].roles for name, who in rows.items())


def test_stages_and_outcomes_with_their_labels() -> None:
    stages = {key.value: label for key, label in UPLOAD_STAGE_LABELS.items()}
    assert told("## Uploading") == stages
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
    assert rows == {code: (Code(code).words.title, Code(code).words.remedy) for code in of_numbers}
