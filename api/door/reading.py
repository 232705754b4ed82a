"""Which reads go on record: what an auditor asks, and content and personal data read by others.

An institution reads what is its own; of that nothing is kept.
"""

from urllib.parse import unquote_plus

from api.door.operations import Call, Operation
from api.door.rights import Right
from domain.case.commands import Role

_RIGHTS = frozenset(
    {
        Right.SEE_CONTENT,
        Right.SEE_COMPLAINT,
        Right.SEE_REGISTRATION,
        Right.SEE_QUESTIONS,
        Right.SEE_ENFORCEMENT,
        Right.SEE_CLIENTS,
        Right.SEE_OUTBOX,
        Right.GIVE_ROLES,
    }
)
"""Whatever these rights let people see is content, somebody's data, or who holds which key.

Reading contacts is put on record by `services.contacts`, in tables of many institutions as well.
"""

_PATHS = frozenset(
    {
        "/api/addresses",
        "/api/certificates/{application}/draft",
        "/api/certificates/{application}/paper",
        "/api/certificates/{application}/preview",
        "/api/certificates/linked/{uscc}",
        "/api/certificates/registered/{number}",
        "/api/certificates/search",
        "/api/institutions/registrations",
        "/api/notices",
        "/api/notices/{notice}",
    }
)
"""What is content, or somebody's data, below rights that let people see other things too."""

_PRINTED = frozenset({"/api/certificates/papers"})
"""What is asked for with a list, and answered with papers."""

_NOBODYS = frozenset({Right.ANYONE, Right.SIGNED_IN, Right.FOLLOW_EVENTS})
"""What is for everybody; and the feed of steps, which each record of its reading would lengthen."""

_OWN = (Role.FILER, Role.RESPONSIBLE)
"""Whoever acts for the institution itself."""

_NAMES = frozenset({"signatory"})
"""Parameters whose values are people's names."""

_LONGEST = 1000


def read_as(operation: Operation, role: Role) -> str:
    """The event that a read goes on record as; "" for one that does not."""
    printed = operation.path in _PRINTED
    reads = operation.method == "GET" or printed
    if not reads or operation.right in _NOBODYS or role in _OWN:
        return ""
    if role is Role.AUDITOR:
        return "audited"
    of_others = operation.right in _RIGHTS or operation.path in _PATHS or printed
    return "content_read" if of_others else ""


def what_of(operation: Operation, call: Call) -> str:
    """What was read, in words and by its address; not whom somebody has asked for by name."""
    url = call.request.url
    asked = f"{url.path}?{_without_names(url.query)}" if url.query else url.path
    return f"{operation.summary} {asked}"[:_LONGEST]


def _without_names(asked: str) -> str:
    # the record is kept for ever, and in the clear
    return "&".join(
        f"{name}=…" if unquote_plus(name) in _NAMES else f"{name}{sign}{value}"
        for name, sign, value in (one.partition("=") for one in asked.split("&"))
    )
