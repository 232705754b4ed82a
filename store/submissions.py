"""What a submission needs to know, for many submissions in one query."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from domain.case.status import Status
from domain.facts import CertificateFacts, InstitutionFacts, filing_end
from domain.model import Value
from domain.refusals import Refusal
from store import hidden
from store.hidden import Destroyed, destroyed
from store.institutions import COUNTED, Institution
from store.sight import driver_of


class Submitted(Value):
    """A revision to be submitted: its hash and content, the newest number, all its editors, and
    the institution as it is on record now (None if it is not).

    ``returned_sha256`` is the hash of the revision that was sent back, None for none; ``files`` are
    the hashes of the files that stand beside it now, sorted. ``unreadable`` says why its content
    is not there, of one that was altered or destroyed: those beside it are not held up by it."""

    sha256: str | None
    returned_sha256: str | None
    content: dict[str, Any]
    unreadable: Refusal | None = None
    latest: int
    editors: tuple[str, ...]
    files: tuple[str, ...]
    institution: Institution | None


_SUBMITTED = """
    SELECT r.sha256, with_key(r.content, r.case_id, r.revision::text),
           (SELECT sha256 FROM revisions b
            WHERE b.case_id = w.case_id AND b.revision = w.returned),
           coalesce((SELECT max(revision) FROM revisions a WHERE a.case_id = w.case_id), 0),
           ARRAY(SELECT DISTINCT saved_by FROM revisions e WHERE e.case_id = w.case_id ORDER BY 1),
           ARRAY(SELECT f.sha256 FROM filing_files f
                 WHERE f.case_id = w.case_id AND f.removed_at IS NULL
                 ORDER BY f.sha256 COLLATE "C"),
           to_jsonb(i),
           ARRAY(SELECT to_jsonb(c) FROM certificates c
                 WHERE c.institution_id = w.institution
                   AND c.status = ANY(%(counted)s::text[]) ORDER BY c.number),
           ARRAY(SELECT jsonb_build_array(f.year, f.status, f.obligation) FROM cases f
                 WHERE f.institution_id = w.institution AND f.kind = 'filing')
    FROM unnest(%(cases)s::text[], %(numbers)s::int[], %(returned)s::int[],
                %(institutions)s::text[])
         WITH ORDINALITY AS w(case_id, revision, returned, institution, place)
    LEFT JOIN revisions r ON r.case_id = w.case_id AND r.revision = w.revision
    LEFT JOIN institutions i ON i.id = w.institution
    ORDER BY w.place
"""


async def read(engine: AsyncEngine, wanted: Sequence[tuple[str, int, int, str]]) -> list[Submitted]:
    """What is known of each (case, revision, revision sent back, institution), in their order."""
    cases, numbers, returned, institutions = zip(*wanted, strict=True)
    asked = {
        "cases": list(cases),
        "numbers": list(numbers),
        "returned": list(returned),
        "institutions": list(institutions),
        "counted": [status.value for status in COUNTED],
    }
    async with engine.connect() as connection:
        # one of the hottest statements: straight to the driver, on the same connection
        driver = await driver_of(connection)
        found = await (await driver.execute(_SUBMITTED, asked)).fetchall()
    return [
        Submitted(
            sha256=sha256,
            returned_sha256=returned_sha256,
            **_content(stored, cases[place]),
            latest=latest,
            editors=tuple(editors),
            files=tuple(files),
            institution=_institution(institution, certificates, filings) if institution else None,
        )
        for place, (
            sha256,
            stored,
            returned_sha256,
            latest,
            editors,
            files,
            institution,
            certificates,
            filings,
        ) in enumerate(found)
    ]


def _content(stored: str | None, case_id: str) -> dict[str, Any]:
    try:
        content = {} if stored is None else hidden.said(stored, "revisions.content")
    except hidden.Altered as altered:
        return {"content": {}, "unreadable": altered.refusal}
    if content is Destroyed.KEY:
        return {"content": {}, "unreadable": destroyed(case_id)}
    return {"content": content}


def _institution(
    row: dict[str, Any], certificates: list[dict[str, Any]], filings: list[tuple[int, str, str]]
) -> Institution:
    return Institution(
        name=row["name"],
        uscc=row["uscc"],
        previous_reviewer=row["previous_reviewer"],
        facts=InstitutionFacts(**{key: row[key] for key in InstitutionFacts.model_fields}),
        certificates=tuple(
            CertificateFacts(**{key: one[key] for key in CertificateFacts.model_fields})
            for one in certificates
        ),
        outcomes={year: filing_end(Status(status), owed) for year, status, owed in filings},
    )
