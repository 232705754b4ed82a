"""docs/glossary.md holds every status, command, event, role and window with the label in use."""

from domain.case.commands import ROLE_LABELS
from domain.case.plan import WINDOWS
from domain.case.status import STATUS_LABELS
from domain.certificates.certificate import CERTIFICATE_STATUS_LABELS, CertificateStatus
from domain.kinds import KINDS
from domain.operator_events import OPERATOR_EVENTS
from files.roster import ROSTER
from tests.docs.pages import page

PAGE = page("docs/glossary.md")


def told(heading: str) -> dict[str, str]:
    return {row[0].strip("`"): row[1] for row in PAGE.table(heading)}


def test_statuses_commands_events_and_roles_stand_with_their_labels() -> None:
    assert told("## Statuses") == {key.value: label for key, label in STATUS_LABELS.items()}
    commands = {
        name: rule.command.label for kind in KINDS.values() for name, rule in kind.commands.items()
    }
    assert told("## Commands") == commands
    assert told("## Roles") == {key.value: label for key, label in ROLE_LABELS.items()}
    of_cases = {
        str(name): rule.label for kind in KINDS.values() for name, rule in kind.events.items()
    }
    of_operators = {name: event.label for name, event in OPERATOR_EVENTS.items()}
    assert told("## Events") == of_cases | of_operators


def test_windows_stand_with_their_labels() -> None:
    assert told("## Windows") == {name: window.label for name, window in WINDOWS.items()}


def test_a_certificate_before_its_first_day_stands_with_its_label_and_that_of_the_column() -> None:
    said = told("## The work")
    label = CERTIFICATE_STATUS_LABELS[CertificateStatus.NOT_YET_VALID]
    assert (said["not yet valid"], said["first day"]) == (label, ROSTER.labels["valid_from"])
