"""What of the record is a person's own: what they did, have seen, were given and lost. Pure."""

from enum import StrEnum


class OwnPart(StrEnum):
    """A part of somebody's own record; each step that is theirs stands in one."""

    DID = "did"
    SEEN = "seen"
    GIVEN = "given"


OWN_PART_LABELS: dict[OwnPart, str] = {
    OwnPart.DID: "办过的",
    OwnPart.SEEN: "看过的内容和联系方式",
    OwnPart.GIVEN: "身份和凭证的给予、收回",
}

READINGS = frozenset({"audited", "content_read", "contacts_read"})
"""What is put on record of whoever looks at others' contents, contacts and records."""

ENTERING = frozenset({"signed_in", "role_chosen", "signed_out", "password_set"})
"""Of what stands on an account's own record, what its person does themselves."""


def person_chain(person: str) -> str:
    """Where everything about somebody's account is on record."""
    return f"person/{person}"
