"""The journal's group-committing writer: steps and read model in one transaction."""

import json
from collections.abc import Sequence
from typing import Any

import psycopg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from domain.case.amending import AMENDED
from domain.case.events import EventName, Step
from domain.case.opening import has_begun_anew
from domain.case.workflow_messages import CaseOpening, RecordedSteps, RecordRequest
from domain.filing.attesting import SIGNER_ASKED, SIGNER_DEMANDED, SIGNER_EXCUSED
from domain.filing.returning import RETURN_ASKED, RETURN_DECLINED, SETTLING
from domain.filing.waiving import WAIVER_ASKED, WAIVING_EVENTS
from domain.told import MARKED
from store.batching import Batcher
from store.sight import driver_of


class StepsTaken(Exception):
    """A place of a case's chain that steps were meant for is taken; nothing was written."""


class StepsRefused(Exception):
    """The database will not take these steps, however often it is asked; the text says why."""


class JournalFork(Exception):
    """The steps that stand in the journal do not continue the chain that the writer carries."""

    def __init__(self, case_id: str, sequence: int) -> None:
        super().__init__(f"{case_id} #{sequence}")


# One statement for everything, so that a batch is one round trip and one implicit transaction. A
# place that is taken fails it as a whole. Parts of one statement do not see each other's rows,
# hence a case that opens is inserted where its last step leaves it.
_WRITE = """
    WITH steps AS MATERIALIZED (
        SELECT step ->> 'case_id' AS case_id, CAST(step ->> 'sequence' AS int) AS sequence,
               step ->> 'event' AS event, step ->> 'command_id' AS command_id, step, hash,
               CAST(step ->> 'at' AS timestamptz) AS at
        FROM jsonb_to_recordset(CAST(%(steps)s AS jsonb)) AS r(step jsonb, hash text)
    ), written AS (
        INSERT INTO journal (case_id, sequence, event, command_id, step, hash, at)
        SELECT case_id, sequence, event, command_id, step, hash, at FROM steps
    ), queued AS (
        INSERT INTO outbox (case_id, sequence, to_tell)
        SELECT case_id, sequence, event = ANY(CAST(%(told)s AS text[])) FROM steps
    ), opened AS (
        INSERT INTO cases (case_id, kind, year, quarter, institution_id, jurisdiction, campaign,
                           rule_set, plan, status, level, authority, claimed_by, revision, due,
                           obligation, submitted_at, late, extended_until, extension, reviewer,
                           sequence, head, opened_at, updated_at, launched,
                           waiting_since)
        SELECT case_id, kind, year, quarter, institution_id, jurisdiction, campaign, rule_set, plan,
               status, level, authority, claimed_by, revision, due,
               plan -> 'obligation' ->> 'outcome', submitted_at, coalesce(late, false),
               extended_until, coalesce(extension, ''), coalesce(reviewer, ''), sequence, hash,
               at, at, CAST(%(launched)s AS boolean), at
        FROM jsonb_to_recordset(CAST(%(openings)s AS jsonb))
          AS r(case_id text, kind text, year int, quarter int, institution_id text,
               jurisdiction text, campaign text, rule_set text, plan jsonb, sequence int,
               status text, level int, authority text, claimed_by text, revision int,
               due timestamptz, submitted_at timestamptz, late boolean,
               extended_until timestamptz, extension text, reviewer text, hash text,
               at timestamptz)
    ), anew AS (
        UPDATE cases c
        SET jurisdiction = r.jurisdiction, campaign = r.campaign, rule_set = r.rule_set,
            plan = r.plan, obligation = r.plan -> 'obligation' ->> 'outcome', status = r.status,
            level = r.level, authority = r.authority, claimed_by = r.claimed_by,
            revision = r.revision, due = r.due, submitted_at = r.submitted_at, late = false,
            extended_until = r.extended_until, extension = coalesce(r.extension, ''),
            reviewer = '', return_asked = false, signer_asked = false,
            waiver_asked = false, sequence = r.sequence, head = r.hash,
            opened_at = r.at, updated_at = r.at, waiting_since = r.at,
            launched = CAST(%(launched)s AS boolean)
        FROM jsonb_to_recordset(CAST(%(anew)s AS jsonb))
          AS r(case_id text, jurisdiction text, campaign text, rule_set text, plan jsonb,
               sequence int, status text, level int, authority text, claimed_by text,
               revision int, due timestamptz, submitted_at timestamptz,
               extended_until timestamptz, extension text, hash text, at timestamptz)
        WHERE c.case_id = r.case_id
    ), assigned AS (
        INSERT INTO assignments (authority, case_id)
        SELECT DISTINCT authority, case_id FROM jsonb_to_recordset(CAST(%(turns)s AS jsonb))
          AS r(authority text, case_id text)
        ON CONFLICT DO NOTHING
    )
    UPDATE cases c
    SET status = r.status, level = r.level, authority = r.authority, claimed_by = r.claimed_by,
        revision = r.revision, due = r.due, sequence = r.sequence, head = r.hash,
        submitted_at = coalesce(c.submitted_at, r.submitted_at),
        late = c.late OR coalesce(r.late, false),
        extended_until = coalesce(r.extended_until, c.extended_until),
        extension = coalesce(r.extension, c.extension),
        waiting_since = CASE
            WHEN (c.status, c.level, c.authority) = (r.status, r.level, r.authority)
            THEN c.waiting_since ELSE r.at END,
        reviewer = coalesce(r.reviewer, c.reviewer),
        return_asked = coalesce(r.return_asked, c.return_asked),
        plan = coalesce(c.plan || r.plan, c.plan),
        rule_set = coalesce(r.plan -> 'ruleset' ->> 'sha256', c.rule_set),
        obligation = coalesce(r.plan -> 'obligation' ->> 'outcome', c.obligation),
        signer_asked = coalesce(r.signer_asked, c.signer_asked),
        waiver_asked = coalesce(r.waiver_asked, c.waiver_asked),
        updated_at = r.at
    FROM jsonb_to_recordset(CAST(%(moves)s AS jsonb))
      AS r(case_id text, sequence int, status text, level int, authority text, claimed_by text,
           revision int, due timestamptz, submitted_at timestamptz, late boolean,
           extended_until timestamptz, extension text, reviewer text, return_asked boolean,
           signer_asked boolean, waiver_asked boolean, plan jsonb, hash text, at timestamptz)
    WHERE c.case_id = r.case_id
"""

_TOLD = sorted(MARKED)

_SIGNER = {SIGNER_ASKED, SIGNER_EXCUSED, SIGNER_DEMANDED}
_ANSWERED = {RETURN_DECLINED, *SETTLING}

_PLACES = ("pk_journal", "pk_cases", "uq_outbox_case_id_sequence")
"""The constraints that a taken place breaks; which of them is told first is not determined."""

_RECORDED = text("""
    SELECT step, hash FROM journal
    WHERE case_id = :case_id AND sequence > :sequence ORDER BY sequence
""")

_RUNS_ON = text("""
    SELECT kind, year, quarter, coalesce(institution_id, '') AS institution, jurisdiction, campaign,
           plan
    FROM cases WHERE case_id = :case_id
""")


class JournalWriter:
    """Records steps. Concurrent callers share one transaction and each waits for its commit."""

    def __init__(self, engine: AsyncEngine) -> None:
        # each batch is one statement: it commits by itself
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._batcher: Batcher[RecordRequest, RecordedSteps] = Batcher(self._write)

    async def record(self, request: RecordRequest) -> RecordedSteps:
        """Records all steps of a request with the read model, or none.

        When their places are taken, by the same steps or by others, answers with what stands
        there. Raises JournalFork when that does not continue the request's own chain.
        """
        return await self._batcher.ask(request)

    async def _write(self, requests: Sequence[RecordRequest]) -> Sequence[RecordedSteps]:
        try:
            async with self._engine.connect() as connection:
                await write_steps(connection, requests)
        except StepsTaken:
            if len(requests) > 1:
                raise
            first = requests[0].steps[0]
            recorded = await self.recorded(first.case_id, first.sequence - 1, first.previous_hash)
            if not recorded.steps:
                raise JournalFork(first.case_id, first.sequence) from None
            return [recorded]
        return [RecordedSteps()] * len(requests)

    async def recorded(self, case_id: str, sequence: int, head: str) -> RecordedSteps:
        """The steps of a case after one of its places. Raises JournalFork: not of this chain."""
        place = {"case_id": case_id, "sequence": sequence}
        async with self._engine.connect() as connection:
            found = (await connection.execute(_RECORDED, place)).all()
            steps = tuple(Step(**step, hash=hash_) for step, hash_ in found)
            if steps and steps[0].previous_hash != head:
                raise JournalFork(case_id, sequence + 1)
            opening = None
            if has_begun_anew(steps):
                row = (await connection.execute(_RUNS_ON, {"case_id": case_id})).mappings().one()
                opening = CaseOpening.model_validate(dict(row))
        return RecordedSteps(steps=steps, opening=opening)


async def write_steps(
    connection: AsyncConnection, requests: Sequence[RecordRequest], *, launched: bool = True
) -> None:
    """Appends the steps of all requests on the caller's connection, all or none.

    ``launched``: whether the processes of cases that open here are there already.
    Raises StepsTaken when any of their places is taken: a transaction must then be given up.
    """
    steps = [step for request in requests for step in request.steps]
    last: dict[str, dict[str, Any]] = {}
    for step in steps:
        if step.position is not None:
            last[step.case_id] = {**last.get(step.case_id, {}), **case_row(step)}
    openings = [row for request in requests for row in _opening_row(request, last)]
    opening = {row["case_id"] for row in openings}
    anew = {r.steps[0].case_id for r in requests if r.opening and r.steps[0].sequence > 1}
    rows = {
        "steps": f"[{','.join(map(_journal_row, steps))}]",
        "openings": _json([row for row in openings if row["case_id"] not in anew]),
        "anew": _json([row for row in openings if row["case_id"] in anew]),
        "moves": _json([row for case_id, row in last.items() if case_id not in opening]),
        "turns": _json([row for step in steps for row in _turn_row(step)]),
        "launched": launched,
        "told": _TOLD,
    }
    # the hottest statement there is: straight to the driver, on the same connection
    driver = await driver_of(connection)
    try:
        await driver.execute(_WRITE, rows)
    except psycopg.errors.UniqueViolation as failure:
        if failure.diag.constraint_name in _PLACES:
            raise StepsTaken from None
        raise StepsRefused(str(failure.diag.constraint_name)) from None
    except (psycopg.DataError, psycopg.IntegrityError, psycopg.ProgrammingError) as failure:
        # the error's own text may quote a value
        raise StepsRefused(type(failure).__name__) from None


def _opening_row(request: RecordRequest, last: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    if request.opening is None:
        return []
    opening, case_id = request.opening, request.steps[0].case_id
    return [
        {
            **last[case_id],
            "kind": opening.kind,
            "year": opening.year,
            "quarter": opening.quarter,
            # one that is not on record yet follows with its certificate
            "institution_id": (None if opening.newcomer else opening.institution) or None,
            "jurisdiction": opening.jurisdiction,
            "campaign": opening.campaign,
            "rule_set": opening.plan.ruleset.sha256,
            "plan": opening.plan.model_dump(mode="json"),
        }
    ]


def _journal_row(step: Step) -> str:
    # the other columns are read out of the step where it is written
    return f'{{"hash":{json.dumps(step.hash)},"step":{step.model_dump_json(exclude={"hash"})}}}'


def case_row(step: Step) -> dict[str, Any]:
    """What a case's row of the read model takes from one of its steps."""
    assert step.position is not None
    return {
        "case_id": step.case_id,
        "sequence": step.sequence,
        "hash": step.hash,
        "at": step.at.isoformat(),
        **step.position.model_dump(mode="json"),
        **_milestone(step),
    }


def _milestone(step: Step) -> dict[str, Any]:
    """What the figures of a campaign count: first submissions, extensions, who reviews."""
    match step.event:
        case EventName.SUBMITTED:
            return {"submitted_at": step.at.isoformat(), "late": bool(step.body["late"])}
        case EventName.EXTENDED | EventName.REOPENED:
            until, extension = step.body["until"], step.body.get("extension", "")
            return {"extended_until": until, "extension": extension}
        case EventName.EXTENSION_SHORTENED:
            return {"extended_until": step.body["until"]}
        case EventName.ASSIGNED:
            return {"reviewer": step.body["levels"][0]["authority"]}
    if step.event == AMENDED:
        # of the plan, what the amendment changes
        return {"plan": {name: both["after"] for name, both in step.body["changes"].items()}}
    if step.event in _SIGNER:
        return {"signer_asked": step.event == SIGNER_ASKED}
    if step.event in WAIVING_EVENTS:
        return {"waiver_asked": bool(step.body["waiting"])}
    if step.event == RETURN_ASKED:
        return {"return_asked": True}
    return {"return_asked": False} if step.event in _ANSWERED else {}


def _turn_row(step: Step) -> list[dict[str, Any]]:
    return [{"authority": one, "case_id": step.case_id} for one in sees_from(step)]


def sees_from(step: Step) -> list[str]:
    """The authorities that see a case from a step on, and keep sight of it.

    That whose turn it is; those of all levels that a submission is assigned to, the ones above the
    present one included; and whoever is asked to waive a check.
    """
    if step.position is None:
        return []
    named = [step.position.authority]
    if step.event == EventName.ASSIGNED:
        named += [level["authority"] for level in step.body["levels"]]
    if step.event == WAIVER_ASKED:
        named.append(step.body["authority"])
    return list(dict.fromkeys(filter(None, named)))


def _json(rows: list[dict[str, Any]]) -> str:
    return json.dumps(rows, ensure_ascii=False) if rows else "[]"
