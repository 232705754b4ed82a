"""What certificates are found by: a line for each capability, signatory, piece of equipment.

A signatory's line has no name in it but what stands for the whole name, see `store.blind`.
"""

import re
import unicodedata
from enum import StrEnum
from typing import NamedTuple

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.certificates.certificate import CertificateContent
from store import blind
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
_DOTS = str.maketrans(dict.fromkeys("•‧∙⋅・", "·"))
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


def signatory_key(name: str) -> str:
    """A person's name as it is compared: without blanks, with one middle dot for all."""
    return "".join(folded(name).translate(_DOTS).split())


def lines_of(content: CertificateContent) -> list[Line]:
    """The lines of a certificate's content, in order; of signatories the name as it is compared."""
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
        Line(LineKind.SIGNATORY.value, place, signatory_key(one.name))
        for place, one in enumerate(content.signatories)
    ]
    return found


async def replace_lines(
    connection: AsyncConnection, number: str, content: CertificateContent
) -> None:
    """Makes the lines of a certificate those of its content; unchanged ones are left alone.

    Raises KeyMissing.
    """
    wanted = [_stored(line) for line in lines_of(content)]
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


def signatory_words(name: str) -> str:
    """What stands in the line of a signatory of a name. Raises KeyMissing."""
    return blind.indexed(signatory_key(name), _NAMES)


def signatory_ways(name: str) -> list[str]:
    """All that may stand in the line of a signatory of a name. Raises KeyMissing."""
    # from before names were hidden a line has the name as it was written, with its blanks
    return list(dict.fromkeys([*blind.ways(signatory_key(name), _NAMES), folded(name)]))


def stands_for(words: str, line: Line) -> bool:
    """Whether these are the words of a line of `lines_of`, as stored. Raises KeyMissing."""
    if line.kind != LineKind.SIGNATORY or words == line.words:
        return words == line.words
    if words.startswith(blind.MARK):
        return blind.stands_for(words, line.words, _NAMES)
    return signatory_key(words) == line.words


def _stored(line: Line) -> Line:
    if line.kind != LineKind.SIGNATORY:
        return line
    return line._replace(words=signatory_words(line.words))


_NAMES = "certificate_lines.words"


def _words(*texts: str) -> str:
    # no term has a line break, so none reaches from one text into the next
    return "\n".join(folded(text) for text in texts if text)
