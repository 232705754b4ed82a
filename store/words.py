"""Words in the database: how names are compared, how parts of them and of lines are found.

`certificate_folded`, `certificate_grams` and `name_key` are functions of the database, so that
indexes hold what they give; each says beside it what in Python gives the same.
"""

import unicodedata
from collections.abc import Sequence
from itertools import pairwise

from sqlalchemy import ColumnElement, Text, false, func, literal_column
from sqlalchemy.dialects.postgresql import ARRAY

_SMALL = str.maketrans({chr(one): chr(one + 32) for one in range(ord("A"), ord("Z") + 1)})


def folded(text: str) -> str:
    """A text as it is searched: full-width characters are the usual ones, A to Z small.

    The database's own ``certificate_folded`` gives the same.
    """
    return unicodedata.normalize("NFKC", text).translate(_SMALL)


def folded_column(column: str) -> ColumnElement[str]:
    """A column, named by its table, as `folded` gives it and as the index has it."""
    return literal_column(f"certificate_folded({column})", Text)


def name_key_of(column: str) -> ColumnElement[str]:
    """A column of names, named by its table, as `domain.text.name_key` gives them."""
    return literal_column(f"name_key({column})", Text)


def parts_of(term: str) -> list[str]:
    """The parts of a term as they are searched."""
    return list(dict.fromkeys(folded(term).split()))


def grams_of(parts: Sequence[str]) -> list[str]:
    """What a text has in the index if each of these parts is in it."""
    pairs = {
        gram
        for part in parts
        for gram in ([part] if len(part) < 3 else map("".join, pairwise(part)))
    }
    return sorted(pairs)


def contains(
    words: ColumnElement[str], term: str, *, indexed: bool = True
) -> list[ColumnElement[bool]]:
    """That all parts of a term stand in words that are folded; a blank term stands in none.

    ``indexed``: looked for in all rows; otherwise among a few, where an index would not help.
    """
    parts = parts_of(term)
    if not parts:
        return [false()]
    exact: list[ColumnElement[bool]] = [func.strpos(words, part) > 0 for part in parts]
    if not indexed:
        return exact
    grams = func.certificate_grams(words, type_=ARRAY(Text))
    return [grams.contains(grams_of(parts)), *exact]
