"""A whole filing on paper, for signing and stamping.

The layout and all fixed words stand in ``filing.typ`` of the template folder; a jurisdiction that
wants others puts its own into a folder named by its code. The same input gives the same bytes.
"""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from printing.characters import printable
from printing.typesetting import TEMPLATES, places_of, template, typeset

_MAIN = """\
#import "{path}": document
#document(json(bytes(sys.inputs.data)))
"""


def render_filing(
    authority: str,
    data: Mapping[str, Any],
    timestamp: datetime,
    *,
    template_folder: Path = TEMPLATES,
    dots_per_inch: int | None = None,
) -> bytes:
    """A filing of an authority's area as PDF/A-2b, or its first page as a PNG.

    ``data`` is what `services.filing_papers` puts together. Raises `BrokenTemplate`.
    """
    path = template("filing.typ", places_of(authority), template_folder)
    return typeset(
        _MAIN.format(path=path),
        printable(data, template_folder),
        timestamp,
        template_folder,
        dots_per_inch=dots_per_inch,
    )
