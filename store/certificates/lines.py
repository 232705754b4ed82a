"""What certificates are found by: a line for each capability, signatory, piece of equipment."""

import re
import unicodedata
from enum import StrEnum
from typing import NamedTuple

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.certificates.certificate import CertificateContent
from store.tables import certificate_lines
from store.words import folded


class LineKind(StrEnum):
    """What of a certificate's content a line is about."""

    CAPABILITY = "capability"
    EQUIPMENT = "equipment"
    SIGNATORY = "signatory"


class Line(NamedTuple):
    """One line; ``line`` is its place in the content, ``standard`` and ``year`` a capability's."""

    kind: str
    line: int
    words: str
    standard: str = ""
    year: str = ""


_DASHES = str.maketrans(dict.fromkeys("‐‑‒–—―−", "-"))
_YEAR = re.compile(r"(.*[0-9].*)[-:]((?:19|20)[0-9]{2})")


def standard_of(text: str, year: str = "") -> tuple[str, str]:
    """Number and year of a standard, written without blanks: ``("GB/T50081", "2019")``.

    A year at the end of the text counts where none is given beside it; "" if there is none.
    """
    bare = "".join(unicodedata.normalize("NFKC", text).translate(_DASHES).upper().split())
    found = _YEAR.fullmatch(bare)
    if found is not None and year in ("", found[2]):
        return found[1], found[2]
    return bare, year


def lines_of(content: CertificateContent) -> list[Line]:
    """The lines of a certificate's content, in order."""
    found = [
        Line(
            LineKind.CAPABILITY.value,
            place,
            _words(one.category, one.item),
            *standard_of(one.standard, one.year),
        )
        for place, one in enumerate(content.capabilities)
    ]
    found += [
        Line(LineKind.EQUIPMENT.value, place, _words(one.name, one.model))
        for place, one in enumerate(content.equipment)
    ]
    found += [
        Line(LineKind.SIGNATORY.value, place, _words(one.name))
        for place, one in enumerate(content.signatories)
    ]
    return found


async def replace_lines(
    connection: AsyncConnection, number: str, content: CertificateContent
) -> None:
    """Makes the lines of a certificate those of its content; unchanged ones are left alone."""
    wanted = lines_of(content)
    standing = await connection.execute(
        select(*(certificate_lines.c[name] for name in Line._fields)).where(
            certificate_lines.c.number == number
        )
    )
    if sorted(tuple(row) for row in standing) == sorted(tuple(one) for one in wanted):
        return
    await connection.execute(delete(certificate_lines).where(certificate_lines.c.number == number))
    if wanted:
        await connection.execute(
            insert(certificate_lines), [{"number": number, **one._asdict()} for one in wanted]
        )


def _words(*texts: str) -> str:
    # no term has a line break, so none reaches from one text into the next
    return "\n".join(folded(text) for text in texts if text)
