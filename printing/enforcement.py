"""The documents of enforcement: what is served, handed over and filed away.

The layout and all fixed words stand in ``enforcement.typ`` of the template folder; a jurisdiction
that wants others puts its own into a folder named by its code. The same input gives the same bytes.
"""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from printing.characters import printable
from printing.typesetting import TEMPLATES, places_of, template, typeset

Kind = Literal["prior_notice", "decision", "service_record", "objection_answer", "referral", "end"]
KIND_WORDS: dict[Kind, tuple[str, str]] = {
    "prior_notice": ("告知书", "告"),
    "decision": ("决定书", "决"),
    "service_record": ("送达回证", "送"),
    "objection_answer": ("异议答复书", "复"),
    "referral": ("移送函", "移"),
    "end": ("终止通知书", "终"),
}
"""What each document is called, and the word that stands for it in its number."""

_MAIN = """\
#import "{path}": document
#document(json(bytes(sys.inputs.data)))
"""


def number_of(kind: Kind, year: int, serial: int, which: int = 1) -> str:
    """The number of a document: the year, the word of its kind, the case's serial.

    ``which``: the second of its kind in a case, as of two objections, is number “1-2”.
    """
    shown = f"{serial}-{which}" if which > 1 else serial
    return f"处{KIND_WORDS[kind][1]}〔{year}〕{shown}号"


def render(
    authority: str,
    data: Mapping[str, Any],
    timestamp: datetime,
    *,
    template_folder: Path = TEMPLATES,
    dots_per_inch: int | None = None,
) -> bytes:
    """A document of an authority as PDF/A-2b, or its first page as a PNG.

    ``data`` is what `services.enforcement.papers` puts together. Raises `BrokenTemplate`.
    """
    shown = printable(data, template_folder)
    path = template("enforcement.typ", places_of(authority), template_folder)
    main = _MAIN.format(path=path)
    return typeset(main, shown, timestamp, template_folder, dots_per_inch=dots_per_inch)
