"""Bulk jobs: asking for one, following, stopping and resuming it."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy

from domain.campaigns import Opening, process_id
from domain.canonical import sha256_of
from domain.case.commands import ROLE_LABELS, Actor, Role, forbidden
from domain.case.reminders import OWING
from domain.case.workflow_messages import TASK_QUEUE
from domain.filing.kind import FILING
from domain.ids import jurisdiction_of
from domain.jobs import (
    JOB_ACTION_LABELS,
    JOB_STATE_LABELS,
    JOB_WORKFLOW,
    ItemOutcome,
    JobAction,
    JobOrder,
    JobStart,
    JobState,
    needs_reason,
)
from domain.jurisdictions import regulates
from domain.kinds import KINDS
from domain.messages import explain, local_time
from domain.model import Value
from domain.refusals import Code, Refusal, Refused
from engine.client import ANSWER_WITHIN, translated
from files.selection import SelectionReading, read_selection
from services.clock import Clock
from store import content, jobs, journal
from store.areas import regions
from store.jobs import Job as Job
from store.jobs import JobItem as JobItem
from store.jobs import NewJob
from store.jobs import Selection as Selection

_PAGE = 500
LATER = frozenset({Code.UNAVAILABLE, Code.BUSY})
"""Refusals that say nothing of the act: it is tried again."""


class Beside:
    """What goes on record together with a job, in its transaction.

    ``about`` is the campaign it concerns; ``may_be_empty``: without cases it is a job all the
    same; ``everywhere``: beyond the asker's region; ``acts_itself``: whoever asks works through
    it, and the reconciler only if that fails.
    """

    about = ""
    may_be_empty = False
    acts_itself = False
    everywhere = False

    async def before(self, connection: AsyncConnection) -> None:
        """Before the cases are selected."""

    async def after(
        self, connection: AsyncConnection, order: JobOrder, total: int, now: datetime
    ) -> None:
        """When the job has its cases; not when it was there before."""


class _Everywhere(Beside):
    """Claims of a person lie wherever their authority reviews."""

    everywhere = True


class JobShown(Value):
    """A job and how far it has come; ``waiting`` cases have no outcome yet."""

    id: str
    action: JobAction
    action_label: str
    about: str
    requested_by: str
    state: JobState
    state_label: str
    total: int
    done: int
    refused: int
    waiting: int
    created_at: datetime
    ended_at: datetime | None


class JobService:
    """Everything that is asked about bulk jobs."""

    def __init__(self, client: Client, engine: AsyncEngine, clock: Clock) -> None:
        self._client = client
        self._engine = engine
        self._clock = clock

    async def ask(
        self,
        action: JobAction,
        selection: Selection,
        actor: Actor,
        key: str,
        *,
        details: dict[str, Any],
        reason: str = "",
    ) -> Job:
        """Begins a job over the cases that are selected now; the same key again is the same job.

        Raises Refused: not for this role, no case selected, or the key was used for another.
        """
        roles = _roles(action, selection.kind)
        if actor.role not in roles:
            raise Refused(forbidden(ROLE_LABELS[actor.role], roles))
        if needs_reason(action, actor) and not reason.strip():
            raise Refused(reason_required(action))
        id_ = id_of_job(actor.subject, key)
        chosen = _within(action, selection, actor)
        return await self.begin(id_, action, chosen, actor, details, reason)

    async def count(self, action: JobAction, selection: Selection, actor: Actor) -> int:
        """How many cases a job would be about if it was asked for now."""
        chosen = _within(action, selection, actor)
        async with self._engine.connect() as connection:
            return await jobs.count(connection, chosen, _regions(action, actor))

    async def annul(self, annulled: Opening, actor: Actor, reason: str) -> Job | None:
        """Annuls all filings of a campaign; one job whoever asks again, None without filings.

        Of an opening that stands no more it is only looked up.
        """
        campaign = annulled.case_id
        id_ = id_of_job("annul", process_id(campaign, annulled.number))
        if not annulled.stands:
            async with self._engine.connect() as connection:
                return await jobs.by_id(connection, id_)
        selection = Selection(kind=FILING.name, campaign=campaign)
        return await self._once(id_, JobAction.ANNUL, selection, actor, reason)

    async def cancel_merged(
        self, act: str, kind: str, ids: tuple[str, ...], actor: Actor, reason: str
    ) -> Job | None:
        """Cancels what a merged institution need not finish; one job whoever asks again."""
        selection = Selection(kind=kind, ids=ids)
        id_ = id_of_job(f"merged|{kind}", act)
        return await self._once(id_, JobAction.CANCEL, selection, actor, reason)

    async def _once(
        self, id_: str, action: JobAction, selection: Selection, actor: Actor, reason: str
    ) -> Job | None:
        try:
            return await self.begin(id_, action, selection, actor, {}, reason)
        except Refused as refused:
            if refused.refusal.code is Code.NOTHING_SELECTED:
                return None
            if refused.refusal.code is Code.KEY_REUSED:
                return await self.find(id_)
            raise

    async def find(self, id_: str) -> Job:
        """One job. Raises Refused for none."""
        async with self._engine.connect() as connection:
            job = await jobs.by_id(connection, id_)
        if job is None:
            raise Refused(Refusal(code=Code.NOT_FOUND, params={"what": f"批办 {id_}"}))
        return job

    async def release_claims(
        self, authority: str, person: str, actor: Actor, key: str, reason: str
    ) -> str:
        """Begins a job that releases all that a person of an authority has claimed; its id.

        Empty where they have claimed nothing.
        """
        jobs_of_kinds = []
        for kind in KINDS.values():
            if JobAction.RELEASE not in kind.commands:
                continue
            selection = Selection(kind=kind.name, authority=authority, claimed_by=person)
            id_ = id_of_job(actor.subject, f"{key}:{kind.name}")
            try:
                job = await self.begin(
                    id_, JobAction.RELEASE, selection, actor, {}, reason, beside=_Everywhere()
                )
            except Refused as refused:
                if refused.refusal.code is not Code.NOTHING_SELECTED:
                    raise
                continue
            jobs_of_kinds.append(job.id)
        return ",".join(jobs_of_kinds)

    async def keep_list(
        self, file: bytes, filename: str, actor: Actor
    ) -> tuple[str, SelectionReading]:
        """Keeps the ids of a file for a job, under the id that is returned; nothing of a bad one.

        The same file of the same person again is the same list.
        """
        reading = await asyncio.to_thread(read_selection, file, filename)
        whose = f"{actor.role}|{actor.scope}|{actor.subject}\n".encode()
        id_ = hashlib.sha256(whose + file).hexdigest()[:32]
        if not any(problem.level == "error" for problem in reading.problems):
            async with self._engine.begin() as connection:
                now = self._clock()
                await jobs.add_list(connection, id_, filename, list(reading.ids), actor, now)
                said = {"filename": filename, "rows": len(reading.ids)}
                await journal.append_operator_step(
                    connection, f"job-list/{id_}", "job_list_added", actor, now, said, id_
                )
        return id_, reading

    async def listed_ids(self, id_: str, actor: Actor) -> tuple[str, ...]:
        """The ids of a list that somebody uploaded. Raises Refused for none of theirs."""
        async with self._engine.connect() as connection:
            ids = await jobs.listed_ids(connection, id_, actor)
        if ids is None:
            raise Refused(Refusal(code=Code.NOT_FOUND, params={"what": f"您上传的名单 {id_}"}))
        return tuple(ids)

    async def stop(self, id_: str, actor: Actor) -> Job:
        """Has a running job act on no further case; what was done stays done."""
        await self._change(id_, JobState.RUNNING, JobState.STOPPED, actor)
        return await self.find(id_)

    async def resume(self, id_: str, actor: Actor) -> Job:
        """Has a stopped job go on with the cases that wait."""
        await self._change(id_, JobState.STOPPED, JobState.RUNNING, actor)
        job = await self.find(id_)
        if job.state is JobState.RUNNING:
            await self._start(id_)
        return job

    async def newest_first(
        self, actor: Actor, after: tuple[datetime, str] | None, size: int
    ) -> list[Job]:
        """Up to ``size`` jobs that somebody may see: an operator's own region's, all of others."""
        scopes = regions(actor.scope) if actor.role is Role.OPERATOR else None
        if actor.role in (Role.REVIEWER, Role.CHECKER):
            scopes = [actor.scope]
        async with self._engine.connect() as connection:
            return await jobs.newest_first(connection, scopes, after, size)

    async def items(
        self, id_: str, outcome: ItemOutcome | None, after: int, size: int
    ) -> list[JobItem]:
        """Up to ``size`` cases of a job with numbers after ``after``."""
        async with self._engine.connect() as connection:
            return await jobs.items(connection, id_, outcome, after, size)

    async def all_items(self, id_: str) -> AsyncIterator[JobItem]:
        """All cases of a job, by number."""
        after = 0
        while page := await self.items(id_, None, after, _PAGE):
            for item in page:
                yield item
            after = page[-1].number

    async def begin(
        self,
        id_: str,
        action: JobAction,
        selection: Selection,
        actor: Actor,
        details: dict[str, Any],
        reason: str,
        *,
        beside: Beside | None = None,
    ) -> Job:
        """Begins a job under an id of its own; the same one, asked for again, is the same job.

        ``beside`` is what goes on record with it. Raises Refused, as `ask` does.
        """
        selected = selection.model_dump(mode="json")
        if not selection.regions:
            # jobs from before there was this keep their hashes
            del selected["regions"]
        asked = sha256_of(
            {
                "action": action,
                "selection": selected,
                "details": details,
                "reason": reason,
            }
        )
        within = "" if beside and beside.everywhere else _regions(action, actor)
        async with self._engine.begin() as connection:
            note = await content.save_note(connection, {"reason": reason}) if reason else ""
            order = JobOrder(action=action, actor=actor, details=details, note_sha256=note)
            about = beside.about if beside else selection.campaign
            begun = NewJob(id=id_, about=about, order=order, asked_sha256=asked)
            now = self._clock()
            if beside is not None:
                await beside.before(connection)
            added = await jobs.add(connection, begun, selection, within, now)
            if added == 0 and not (beside and beside.may_be_empty):
                raise Refused(Refusal(code=Code.NOTHING_SELECTED))
            if beside is not None and added is not None:
                await beside.after(connection, order, added, now)
            if added is not None and not (beside and beside.acts_itself):
                said = {"action": action.value, "about": about, "total": added}
                said |= {"asked_sha256": asked}
                await _record(connection, id_, "job_begun", actor, now, said, note)
        job = await self.find(id_)
        if job.asked_sha256 != asked:
            raise Refused(Refusal(code=Code.KEY_REUSED))
        if job.state is JobState.RUNNING and not (beside and beside.acts_itself):
            await self._start(id_)
        return job

    # --- private steps -----------------------------------------------------------------------

    async def _change(self, id_: str, before: JobState, after: JobState, actor: Actor) -> None:
        async with self._engine.begin() as connection:
            if await jobs.state_of(connection, id_) is before:
                await jobs.set_state(connection, id_, after)
                event = "job_stopped" if after is JobState.STOPPED else "job_resumed"
                await _record(connection, id_, event, actor, self._clock(), {})

    async def _start(self, id_: str) -> None:
        async with translated():
            await start_job(self._client, id_)


async def _record(
    connection: AsyncConnection,
    id_: str,
    event: str,
    actor: Actor,
    now: datetime,
    said: dict[str, Any],
    note: str = "",
) -> None:
    """One step of a job's own chain; it begins once, and is stopped and resumed often."""
    key = event if event == "job_begun" else f"{event}:{now.isoformat()}"
    await journal.append_operator_step(
        connection, f"job/{id_}", event, actor, now, said, key, note_sha256=note
    )


async def start_job(client: Client, id_: str) -> None:
    """Starts the process of a job that is to go on; one that runs is left alone."""
    await client.start_workflow(
        JOB_WORKFLOW,
        JobStart(job_id=id_),
        id=f"job/{id_}",
        task_queue=TASK_QUEUE,
        id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        rpc_timeout=ANSWER_WITHIN,
    )


def reason_required(action: JobAction) -> Refusal:
    """The refusal of an act that needs a reason and has none."""
    params = {"action": JOB_ACTION_LABELS[action], "field": "reason"}
    return Refusal(code=Code.REASON_REQUIRED, params=params)


def id_of_job(whose: str, key: str) -> str:
    """The id of a job: the same for the same key of the same person."""
    return hashlib.sha256(f"{whose}\n{key}".encode()).hexdigest()[:32]


def _roles(action: JobAction, kind: str) -> frozenset[Role]:
    """Who may ask for it: operators open cases of enforcement, else whose command it is."""
    if action is JobAction.OPEN_ENFORCEMENT:
        return frozenset({Role.OPERATOR})
    return KINDS[kind].commands[action].roles


def _within(action: JobAction, selection: Selection, actor: Actor) -> Selection:
    """A reviewer's or checker's selection is among what is its authority's turn.

    A regulator reminds whoever is late in its region, whose turn it is not anybody's yet. Cases of
    enforcement are opened about what is not handed in, where nobody says about what.
    """
    if action is JobAction.OPEN_ENFORCEMENT and not (selection.ids or selection.statuses):
        return selection.model_copy(update={"statuses": OWING})
    reminding = action is JobAction.SERVE_REMINDER and regulates(actor.scope)
    if actor.role is Role.OPERATOR or reminding:
        return selection
    return selection.model_copy(update={"authority": actor.scope})


def _regions(action: JobAction, actor: Actor) -> str:
    """The jurisdiction whose cases somebody may act on together, "" for any."""
    if actor.role is Role.OPERATOR:
        return actor.scope
    if action is JobAction.SERVE_REMINDER:
        return jurisdiction_of(actor.scope)
    return ""


def job_shown(job: Job) -> JobShown:
    """A job as the API and the command line show it."""
    return JobShown(
        id=job.id,
        action=job.order.action,
        action_label=JOB_ACTION_LABELS[job.order.action],
        about=job.about,
        requested_by=job.order.actor.subject,
        state=job.state,
        state_label=JOB_STATE_LABELS[job.state],
        total=job.total,
        done=job.done,
        refused=job.refused,
        waiting=job.total - job.done - job.refused,
        created_at=job.created_at,
        ended_at=job.ended_at,
    )


REPORT = ("序号", "办件", "机构", "机构名称", "结果", "代码", "原因", "时间")
"""The columns of a job's report."""

_OUTCOMES = {ItemOutcome.WAITING: "待办", ItemOutcome.DONE: "已办", ItemOutcome.REFUSED: "未办"}


def report_row(item: JobItem) -> list[str]:
    """A case of a job as a row of its report."""
    words = explain(item.refusal) if item.refusal is not None else None
    return [
        str(item.number),
        item.case_id,
        item.institution_id,
        item.institution_name,
        _OUTCOMES[item.outcome],
        item.refusal.code if item.refusal is not None else "",
        f"{words.detail}{words.remedy}" if words is not None else "",
        local_time(item.at) if item.at is not None else "",
    ]
