"""What is asked of the process that prints, and what it answers: a line of JSON for where it works
and JSON for the job in, a line of JSON and the printed bytes out.

Typesetting needs memory by the hundreds of megabytes for a long annex and runs what template
authors wrote: it has a process of its own, which ends when it is done.
"""

from datetime import date, datetime
from pathlib import Path
from typing import Any, Literal

from domain.certificates.certificate import Certificate, CertificateContent
from domain.jurisdictions import Tree
from domain.model import Value


class Place(Value):
    """Of the jurisdictions in use, what printing needs: without it no authority is known."""

    tree: Tree
    national: str
    authorities: frozenset[str]


class Paper(Value):
    """One certificate to print; the parts are the parameters of `render_certificate`."""

    certificate: Certificate
    issuer_name: str
    url: str
    timestamp: datetime
    status_since: date | None = None


class Sample(Value):
    """The content of an application, to be looked at as a draft."""

    content: CertificateContent
    issuer_name: str


class FilingPaper(Value):
    """A whole filing to print; the parts are the parameters of `render_filing`."""

    authority: str
    data: dict[str, Any]
    timestamp: datetime


class LeftOut(Value):
    """A certificate that is not printed: its number, a stable code, a Chinese reason."""

    number: str
    code: str
    reason: str


class Job(Value):
    """One paper (``pdf``), a picture of its first page, a draft's, many papers in a ZIP file, or a
    whole filing.

    ``left_out`` are those of a batch that are known not to be printable.
    """

    kind: Literal["pdf", "picture", "draft", "zip", "filing"]
    templates: Path
    papers: tuple[Paper, ...] = ()
    draft: Sample | None = None
    filing: FilingPaper | None = None
    left_out: tuple[LeftOut, ...] = ()


class Outcome(Value):
    """The first line of the answer. ``code`` is empty where something was printed.

    ``diagnostic`` is for whoever writes templates, never for the public.
    """

    code: str = ""
    text: str = ""
    diagnostic: str = ""
    left_out: tuple[LeftOut, ...] = ()
