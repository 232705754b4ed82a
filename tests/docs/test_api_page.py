"""docs/api.md lists every code with its status and title, and the roles with what they may do."""

from api.door.rights import ROLES, Right
from domain.case.commands import Role
from domain.refusals import Code
from tests.docs.pages import page

PAGE = page("docs/api.md")


def test_every_code_stands_with_its_status_and_title() -> None:
    told = [
        (row[0].strip("`"), int(row[1]), row[2])
        for row in PAGE.table("## When something is refused")
    ]
    assert told == [(code.value, code.status, code.words.title) for code in Code]


def test_every_role_that_a_token_can_have_has_its_line() -> None:
    told = {row[0].strip("`") for row in PAGE.table("## Who asks")}
    assert told == {role.value for role in Role if role is not Role.SYSTEM}


def test_content_is_shown_to_whom_the_page_says() -> None:
    assert ROLES[Right.SEE_CONTENT] == {
        Role.FILER, Role.RESPONSIBLE, Role.REVIEWER, Role.CHECKER,
    }  # fmt: skip
