"""docs/glossary.md holds every status, command, event, role and window with the label in use."""

from domain.case.commands import ACTION_LABELS, ROLE_LABELS
from domain.case.events import EVENT_LABELS, OPERATOR_EVENT_LABELS
from domain.case.status import STATUS_LABELS
from rules.filing.windows import LABELS
from tests.docs.pages import page

PAGE = page("docs/glossary.md")


def told(heading: str) -> dict[str, str]:
    return {row[0].strip("`"): row[1] for row in PAGE.table(heading)}


def test_statuses_commands_events_and_roles_stand_with_their_labels() -> None:
    assert told("## Statuses") == {key.value: label for key, label in STATUS_LABELS.items()}
    assert told("## Commands") == ACTION_LABELS
    assert told("## Roles") == {key.value: label for key, label in ROLE_LABELS.items()}
    events = {key.value: label for key, label in EVENT_LABELS.items()} | OPERATOR_EVENT_LABELS
    assert told("## Events") == events


def test_windows_stand_with_their_labels() -> None:
    assert told("## Windows") == LABELS
