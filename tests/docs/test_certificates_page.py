"""docs/certificates.md against the code: purposes, statuses, commands, refusals."""

from domain.certificates.certificate import CERTIFICATE_STATUS_LABELS
from domain.certificates.issuing import PURPOSE_LABELS
from domain.certificates.kind import CERTIFICATE
from domain.refusals import Code
from tests.docs.pages import page

PAGE = page("docs/certificates.md")


def told(heading: str) -> dict[str, str]:
    return {row[0].strip("`"): row[1] for row in PAGE.table(heading)}


def test_purposes_and_statuses_stand_with_their_labels() -> None:
    assert told("## While it is in force") == {
        key.value: label for key, label in PURPOSE_LABELS.items()
    }
    assert told("## How it ends") == {
        key.value: label for key, label in CERTIFICATE_STATUS_LABELS.items()
    }


def test_every_command_stands_with_who_may_give_it() -> None:
    rows = PAGE.table("## Who may do what")
    assert {row[0].strip("`") for row in rows} == set(CERTIFICATE.commands)
    for command, label, who in rows:
        rule = CERTIFICATE.commands[command.strip("`")]
        assert label == rule.command.label
        assert set(who.split(", ")) == {role.value for role in rule.roles}


def test_every_refusal_has_its_line_as_it_reads() -> None:
    rows = {
        row[0].strip("`"): (row[1], row[2])
        for row in PAGE.table("## What is refused, and how it reads")
    }
    codes = [code.value for code in Code]
    own = codes[codes.index("no_certificate") : codes.index("unauthenticated")]
    assert list(rows) == own
    assert rows == {code: (Code(code).words.title, Code(code).words.remedy) for code in own}
