"""``python -m printing``: carries out one `printing.job.Job`, given on standard input behind a line
that says where: a `printing.job.Place`."""

import io
import resource
import sys

from domain.jurisdictions import Jurisdictions, use
from printing.batch import NotPrinted, Order, render_many
from printing.certificate import (
    BrokenTemplate,
    PrintError,
    preview_certificate,
    preview_draft,
    render_certificate,
)
from printing.filing import render_filing
from printing.job import Job, LeftOut, Outcome, Paper, Place

LONGEST = {"picture": 30, "draft": 30, "filing": 90, "pdf": 180, "zip": 180}
"""Seconds of computing for each kind of job: a template may never come to an end."""

MEMORY = 4 * 1024**3
"""Bytes of address space: an annex as long as any takes half of it."""

LARGEST = 512 * 1024**2
"""Bytes that are handed back at most."""


def carry_out(job: Job) -> tuple[Outcome, bytes]:
    """What came of a job, and what was printed."""
    try:
        return _print(job)
    except BrokenTemplate as broken:
        return Outcome(code=broken.code, text=str(broken), diagnostic=broken.diagnostic), b""
    except PrintError as error:
        return Outcome(code=error.code, text=str(error)), b""


def _print(job: Job) -> tuple[Outcome, bytes]:
    if job.kind == "draft":
        assert job.draft is not None
        return Outcome(), preview_draft(
            job.draft.content, issuer_name=job.draft.issuer_name, template_folder=job.templates
        )
    if job.kind == "filing":
        assert job.filing is not None
        of_filing = job.filing
        return Outcome(), render_filing(
            of_filing.authority,
            of_filing.data,
            of_filing.timestamp,
            template_folder=job.templates,
        )
    if job.kind == "zip":
        into = io.BytesIO()
        left_out = render_many(
            [_order(paper) for paper in job.papers],
            into,
            template_folder=job.templates,
            left_out=[NotPrinted(one.number, one.code, one.reason) for one in job.left_out],
        )
        told = tuple(LeftOut(**one._asdict()) for one in left_out)
        return Outcome(left_out=told), into.getvalue()
    [paper] = job.papers
    printer = render_certificate if job.kind == "pdf" else preview_certificate
    return Outcome(), printer(
        paper.certificate,
        issuer_name=paper.issuer_name,
        url=paper.url,
        timestamp=paper.timestamp,
        status_since=paper.status_since,
        template_folder=job.templates,
    )


def _order(paper: Paper) -> Order:
    return Order(
        paper.certificate, paper.issuer_name, paper.url, paper.timestamp, paper.status_since
    )


def main() -> None:
    """Reads a job, prints, writes."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    place, _, asked = sys.stdin.buffer.read().partition(b"\n")
    where = Place.model_validate_json(place)
    use(Jurisdictions(where.tree, {}, where.national, where.authorities))
    job = Job.model_validate_json(asked)
    longest = LONGEST[job.kind]
    resource.setrlimit(resource.RLIMIT_CPU, (longest, longest))
    outcome, printed = carry_out(job)
    if len(printed) > LARGEST:
        outcome, printed = Outcome(code="too_large", text=f"{LARGEST >> 20} MiB"), b""
    sys.stdout.buffer.write(outcome.model_dump_json().encode() + b"\n")
    sys.stdout.buffer.write(printed)


if __name__ == "__main__":
    main()
