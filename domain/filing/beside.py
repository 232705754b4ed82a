"""The files beside a filing, as confirming and submitting name them: by their hashes. Pure."""

from collections.abc import Collection, Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field

from domain.case.commands import Sha256
from domain.refusals import Code, Refusal

MOST_FILES = 20
"""So many files stand beside a filing at the most."""

FilesSeen = Annotated[tuple[Sha256, ...], Field(max_length=MOST_FILES)] | None
"""The hashes of the files that somebody has seen, in any order; None for those that there are."""


def files_refusal(seen: Collection[str] | None, standing: Collection[str] | None) -> Refusal | None:
    """The refusal of an act on other files than stand there now; None where they are the same."""
    if seen is None or standing is None or set(seen) == set(standing):
        return None
    gone = sum(one not in standing for one in set(seen))
    new = sum(one not in seen for one in standing)
    return Refusal(code=Code.STALE_FILES, params={"gone": str(gone), "new": str(new)})


def files_if(files: Sequence[str] | None) -> dict[str, list[str]]:
    """What the body of a step says of the files; nothing at all where there are none."""
    return {"files": list(files)} if files else {}


def tell_files(body: Mapping[str, Any]) -> str:
    """The files of such a body, in words."""
    return f"，附件 {len(body['files'])} 件" if body.get("files") else ""
