"""What a submission needs to know, for many submissions in one query."""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy.ext.asyncio import AsyncEngine

from domain.case.status import Status
from domain.facts import CertificateFacts, InstitutionFacts, filing_end
from domain.ids import filing_id
from domain.legal_persons import Account
from domain.model import Value
from domain.refusals import Refusal
from store import hidden
from store.content import Completed
from store.hidden import Destroyed, destroyed
from store.institutions import COUNTED, Institution
from store.legal_persons import accounts_of, others_of
from store.sight import driver_of


class Submitted(Value):
    """A revision to be submitted: its hash and content, the newest number, all its editors, and
    the institution as it is on record now (None if it is not).

    ``returned_sha256`` is the hash of the revision that was sent back, None for none; ``files`` are
    the hashes of the files that stand beside it now, sorted. ``unreadable`` says why its content
    is not there, of one that was altered or destroyed: those beside it are not held up by it.
    ``account`` is the institution's, None for one that was merged, ``others`` are those of the
    same legal person. ``before`` is what `completed` opens.
    """

    sha256: str | None
    returned_sha256: str | None
    content: dict[str, Any]
    unreadable: Refusal | None = None
    latest: int
    editors: tuple[str, ...]
    files: tuple[str, ...]
    institution: Institution | None
    account: Account | None
    others: tuple[Account, ...]
    before: tuple[str, str] | None

    def completed(self) -> Completed | None:
        """What its filing of the year before is complete with, None for none or a destroyed one.

        Raises Refused: that was altered. Whoever needs it is told, and nobody beside it.
        """
        if self.before is None:
            return None
        rule_set, stored = self.before
        content = hidden.said(stored, "revisions.content")
        return None if content is Destroyed.KEY else Completed(rule_set=rule_set, content=content)


# What is wanted comes as JSON: of so many rows as it has nothing is foreseen, so that the statement
# is planned once a connection. Of an array it would be planned each time, which takes longer than
# everything else about it: each reference to a table with policies brings theirs.
_SUBMITTED = f"""
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
                 WHERE f.institution_id = w.institution AND f.kind = 'filing'),
           to_jsonb(own),
           ARRAY(SELECT to_jsonb(o) FROM ({others_of("w.year", "own.institution", "own.key")}) AS o
                 WHERE own.key <> ''),
           (SELECT ARRAY[b.rule_set, with_key(p.content, p.case_id, p.revision::text)]
            FROM cases b JOIN revisions p ON p.case_id = b.case_id AND p.revision = b.revision
            WHERE b.case_id = w.year_before AND b.status = 'completed')
    FROM jsonb_to_recordset(%(wanted)s::jsonb)
         AS w(case_id text, revision int, returned int, institution text, year int,
              year_before text, place int)
    LEFT JOIN revisions r ON r.case_id = w.case_id AND r.revision = w.revision
    LEFT JOIN institutions i ON i.id = w.institution
    LEFT JOIN LATERAL ({accounts_of("w.year")} AND i.id = w.institution) AS own ON true
    ORDER BY w.place
"""  # noqa: S608 - of constants


class Wanted(NamedTuple):
    """What is to be submitted for a year: a case, its revision, which one was sent back, by whom.

    ``returned`` is 0 where none was.
    """

    case_id: str
    revision: int
    returned: int
    institution: str
    year: int


async def read(engine: AsyncEngine, wanted: Sequence[Wanted]) -> list[Submitted]:
    """What is known of each, in their order."""
    rows = [
        {
            **one._asdict(),
            "year_before": filing_id(one.year - 1, one.institution),
            "place": place,
        }
        for place, one in enumerate(wanted)
    ]
    asked = {"wanted": json.dumps(rows), "counted": [status.value for status in COUNTED]}
    async with engine.connect() as connection:
        # one of the hottest statements: straight to the driver, on the same connection
        driver = await driver_of(connection)
        found = await (await driver.execute(_SUBMITTED, asked)).fetchall()
    return [
        Submitted(
            sha256=sha256,
            returned_sha256=returned_sha256,
            **_content(stored, wanted[place].case_id),
            latest=latest,
            editors=tuple(editors),
            files=tuple(files),
            institution=_institution(institution, certificates, filings) if institution else None,
            account=Account(**account) if account else None,
            others=tuple(Account(**one) for one in others),
            before=tuple(before) if before else None,
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
            account,
            others,
            before,
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
