"""docs/life-of-a-case.md against the state machine: every move, status, window and refusal."""

import re

import pytest

from domain.case.commands import Role
from domain.case.kind import CommandRule
from domain.case.plan import WINDOWS
from domain.case.status import STATUS_LABELS, Status
from domain.filing.attesting import ATTESTING_COMMANDS
from domain.filing.kind import FILING
from domain.filing.questions import QUESTION_COMMANDS
from domain.filing.remarking import REMARKING_COMMANDS
from domain.filing.waiving import WAIVING_COMMANDS
from domain.refusals import Code
from tests.docs.pages import page
from tests.docs.transitions import moves

PAGE = page("docs/life-of-a-case.md")


def codes_in(cell: str) -> list[str]:
    return re.findall(r"`(\w+)`", cell)


def test_the_table_of_commands_holds_every_move_and_no_other() -> None:
    told: dict[tuple[str, str], set[str]] = {}
    for command, _, _, start, to, _ in PAGE.table("## Who may do what"):
        told.setdefault((codes_in(start)[0], codes_in(command)[0]), set()).update(codes_in(to))
    assert told == moves()


def test_the_table_of_commands_names_labels_and_roles() -> None:
    for command, label, who, *_ in PAGE.table("## Who may do what"):
        rule = FILING.commands[codes_in(command)[0]]
        assert label == rule.command.label
        assert Role(who) in rule.roles


@pytest.mark.parametrize(
    ("heading", "commands"),
    [
        ("## Questions", QUESTION_COMMANDS),
        ("## Confirmed by a second person", ATTESTING_COMMANDS),
        ("## A check waived", WAIVING_COMMANDS),
        ("## What a reviewer looks at", REMARKING_COMMANDS),
    ],
)
def test_the_tables_of_what_moves_no_status_name_every_command_about_it(
    heading: str, commands: dict[str, CommandRule]
) -> None:
    told = [(codes_in(row[0])[0], row[1], row[2]) for row in PAGE.table(heading)]
    assert told == [
        (name, rule.command.label, ", ".join(sorted(rule.roles))) for name, rule in commands.items()
    ]


def test_the_picture_shows_the_same_moves() -> None:
    drawn = {
        (start, words.split(",")[0], to)
        for start, to, words in re.findall(r"(\w+) --> (\w+): (.+)", PAGE.blocks[0].text)
    }
    possible = {
        (start, command, to)
        for (start, command), ends in moves().items()
        for to in ends
        if command not in ("cancel", "annul") and (start != to or command == "approve")
    }
    assert drawn == possible


def test_every_status_and_window_has_its_line() -> None:
    statuses = {codes_in(row[0])[0]: row[1] for row in PAGE.table("## Statuses")}
    assert statuses == {status.value: label for status, label in STATUS_LABELS.items()}
    assert set(statuses) == {status.value for status in Status}
    windows = {codes_in(row[0])[0]: row[1] for row in PAGE.table("## Windows")}
    assert windows == {name: window.label for name, window in WINDOWS.items()}


def test_every_refusal_of_a_case_has_its_line_as_it_reads() -> None:
    rows = {codes_in(row[0])[0]: row for row in PAGE.table("## What is refused, and how it reads")}
    everything = [code.value for code in Code]
    of_cases = everything[: everything.index("uploads_under_way")]
    assert list(rows) == of_cases
    for code, (_, title, remedy) in rows.items():
        assert (title, remedy) == (Code(code).words.title, Code(code).words.remedy)
