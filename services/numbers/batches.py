"""Batches of report numbers: starting one, receiving files, withdrawing and correcting numbers."""

import hashlib
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any, Literal

from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client

from domain.canonical import sha256_of
from domain.case.commands import Actor
from domain.case.review import check
from domain.case.workflow_messages import Receipt
from domain.clock import day_of
from domain.ids import batch_id
from domain.numbers.batch import BATCH
from domain.numbers.commands import ChangeNumbers, ReceiveUpload
from domain.numbers.quarters import Period, Quarter
from domain.numbers.report_numbers import UPLOAD_STAGE_LABELS, ChangeRequest, UploadStage
from domain.refusals import Code, Refusal, Refused
from domain.text import normalised
from services.campaigns.launch import Annulled, begin_one
from services.campaigns.lookup import campaign_for
from services.cases import CaseService
from services.clock import Clock
from services.institutions import refuse_merged
from services.numbers.changes import ChangeProblem, problems_of_change
from services.rule_sets import PinnedRules
from services.starts import batch_start
from store import cases, content, institutions, journal
from store.cases import Case
from store.numbers import changes, report_numbers, uploads
from store.numbers.changes import Totals
from store.numbers.report_numbers import ListedNumber as ListedNumber
from store.numbers.uploads import Append, Completion
from store.numbers.uploads import Upload as Upload
from store.numbers.uploads import UploadProblem as UploadProblem

MOST_WITHDRAWN_AT_ONCE = 100_000
"""Numbers of one upload that are withdrawn in one act: their list is part of the record."""

PIECE = 4 * 1024 * 1024
"""A file is kept in pieces of at most so many bytes: what a broken connection can cost."""
MOST_OPEN = 20
"""So many files of one batch may be on their way at a time."""
KEPT_OPEN = timedelta(days=7)
"""A file that was not received whole by then is given up when the next one is begun."""
LARGEST_UPLOAD = 2 * 1024 * 1024 * 1024
"""A file has at most so many bytes; more is uploaded as several files."""


class ChangeRefused(Refused):
    """A withdrawal or correction that names single numbers as wrong."""

    def __init__(self, refusal: Refusal, wrong: Sequence[ChangeProblem]) -> None:
        super().__init__(refusal)
        self.wrong = wrong


class BatchService(CaseService):
    """Everything the outside can do with batches of report numbers."""

    def __init__(
        self, client: Client, engine: AsyncEngine, pinned: PinnedRules, clock: Clock
    ) -> None:
        super().__init__(client, engine, clock)
        self._pinned = pinned

    async def ask_for(self, quarter: Quarter, institution_id: str, actor: Actor) -> str:
        """Starts the batch of an institution that may report; returns the case's id.

        Raises Refused: quarter not opened, institution unknown or not in reporting, batch exists.
        """
        case_id = batch_id(str(quarter), institution_id)
        async with self._engine.connect() as connection:
            found = await institutions.by_ids(connection, [institution_id])
            if institution_id not in found:
                params = {"institution": institution_id}
                raise Refused(Refusal(code=Code.UNKNOWN_INSTITUTION, params=params))
            refuse_merged(found[institution_id])
            facts = found[institution_id].facts_for(None)
            region = facts.institution.region
            campaign = await campaign_for(connection, self._pinned, Period(*quarter), region)
            if campaign is None:
                params = {"quarter": str(quarter), "jurisdiction": region}
                raise Refused(Refusal(code=Code.QUARTER_NOT_OPEN, params=params))
            if await cases.by_id(connection, case_id) is not None:
                params = {"quarter": str(quarter), "institution": institution_id}
                raise Refused(Refusal(code=Code.BATCH_EXISTS, params=params))
        rules = await self._pinned.get(campaign[1])
        obligation = rules.batch_obligation(facts, quarter)
        if obligation.outcome == "none":
            params = {"institution": institution_id}
            raise Refused(Refusal(code=Code.NOT_IN_REPORTING, params=params, cite=obligation.cite))
        start = batch_start(quarter, campaign[0], rules, facts, self._clock()).model_copy(
            update={"requested_by": actor}
        )
        try:
            begun = await begin_one(self._engine, self._client, start, self._clock())
        except Annulled:
            params = {"year": str(quarter), "jurisdiction": region}
            raise Refused(Refusal(code=Code.CAMPAIGN_ANNULLED, params=params)) from None
        if not begun:
            params = {"quarter": str(quarter), "institution": institution_id}
            raise Refused(Refusal(code=Code.BATCH_EXISTS, params=params))
        return case_id

    # --- files ---------------------------------------------------------------------------------

    async def begin_upload(
        self,
        case: Case,
        actor: Actor,
        command_id: str,
        *,
        filename: str,
        media: Literal["csv", "xlsx"],
        accept: Literal["all", "good"],
        declared_bytes: int | None,
    ) -> Upload:
        """Makes room for a file; the same command again answers with the same upload."""
        id_ = hashlib.sha256(f"upload|{command_id}".encode()).hexdigest()[:32]
        if declared_bytes is not None and declared_bytes > LARGEST_UPLOAD:
            raise Refused(_too_large())
        async with self._engine.begin() as connection:
            standing = await uploads.by_id(connection, id_)
            if standing is not None:
                return _the_same(standing, case, filename, media, accept)
            now = self._clock()
            await uploads.abandon_stale(connection, case.case_id, now - KEPT_OPEN, now)
            await uploads.end_refused(connection, case.case_id, now)
            # one after the other: many that count at once would all find room
            await uploads.lock_case(connection, case.case_id)
            waiting = await uploads.count_open(connection, case.case_id)
            if waiting >= MOST_OPEN:
                params = {"count": str(waiting)}
                raise Refused(Refusal(code=Code.UPLOADS_UNDER_WAY, params=params))
            await self._refuse_in_vain(connection, case, actor)
            begun = await uploads.create(
                connection,
                id_=id_,
                case_id=case.case_id,
                institution_no=await institutions.number_of(connection, case.institution_id),
                filename=filename,
                media=media,
                accept=accept,
                declared_bytes=declared_bytes,
                by=actor.subject,
                at=self._clock(),
            )
            if begun is None:
                # the same command came in another way, a moment earlier
                begun = await uploads.by_id(connection, id_)
                assert begun is not None
                return _the_same(begun, case, filename, media, accept)
            return begun

    async def receive(
        self, case: Case, upload_id: str, at_byte: int, stream: AsyncIterator[bytes]
    ) -> Upload:
        """Keeps what comes from ``at_byte`` on, piece by piece, each as it is complete.

        Raises Refused when the position does not fit; what was kept before is kept.
        """
        await self.upload(case, upload_id)  # no other case's upload is reached through this one
        buffer, at = bytearray(), at_byte
        async for chunk in stream:
            buffer += chunk
            while len(buffer) >= PIECE:
                await self._append(case, upload_id, at, bytes(buffer[:PIECE]))
                del buffer[:PIECE]
                at += PIECE
        if buffer:
            await self._append(case, upload_id, at, bytes(buffer))
        return await self.upload(case, upload_id)

    async def receive_whole(
        self, case: Case, upload_id: str, stream: AsyncIterator[bytes]
    ) -> Upload:
        """Keeps a file from its first byte to its last.

        Raises Refused also when more of it was here before: it is not the file it was then.
        """
        sent, sha256 = 0, hashlib.sha256()

        async def counted() -> AsyncIterator[bytes]:
            nonlocal sent
            async for chunk in stream:
                sent += len(chunk)
                sha256.update(chunk)
                yield chunk

        try:
            found = await self.receive(case, upload_id, 0, counted())
        except Refused as refused:
            if refused.refusal.code is not Code.UPLOAD_CLOSED:
                raise
            # the same request, come in another way, may have been quicker: if it is the same
            async for _ in counted():
                pass
            found = await self.upload(case, upload_id)
            if not found.sha256:
                raise
            if found.sha256 != sha256.hexdigest():
                raise Refused(Refusal(code=Code.KEY_REUSED)) from None
            return found
        if found.received_bytes != sent:
            raise Refused(Refusal(code=Code.KEY_REUSED))
        return found

    async def complete(
        self, case: Case, upload_id: str, actor: Actor, command_id: str, sha256: str | None
    ) -> Upload:
        """Declares a file complete and has it read; one uploaded before is only pointed out.

        Raises Refused: not all there, not what was declared, or the case does not take it.
        """
        found = await self._completed(case, upload_id, actor, command_id, sha256)
        if found.stage is UploadStage.REJECTED and found.refusal is not None:
            raise Refused(found.refusal)
        if found.stage is not UploadStage.QUEUED:
            return found
        await self.hand_over(case, found)
        return await self.upload(case, upload_id)

    async def hand_over(self, case: Case, found: Upload) -> None:
        """Tells the case of a completed file; told again, it answers as it did.

        Raises Refused: at the gate, the upload has ended; else the file stays as it came, to be
        completed again when the case takes it.
        """
        assert found.command is not None
        try:
            await self.act(case, found.command)
        except Refused:
            async with self._engine.begin() as connection:
                await uploads.end_refused(connection, case.case_id, self._clock())
            raise

    async def abandon(self, case: Case, upload_id: str) -> Upload:
        """Gives up a file that is still being received. Raises Refused when it is not."""
        found = await self.upload(case, upload_id)
        async with self._engine.begin() as connection:
            if not await uploads.abandon(connection, upload_id, self._clock()):
                raise Refused(_closed(found, "放弃"))
        return await self.upload(case, upload_id)

    async def upload(self, case: Case, upload_id: str) -> Upload:
        """One upload of a case. Raises Refused when it has none of this id."""
        async with self._engine.connect() as connection:
            found = await self._upload(connection, case, upload_id)
            [shown] = await _as_recorded(connection, [found])
        return shown

    async def not_shown(self, case: Case) -> str | None:
        """Why the public lookup does not answer for the batch's institution today, None if it does.

        In the words of the rules that the batch runs on, Chinese.
        """
        async with self._engine.connect() as connection:
            known = await institutions.by_ids(connection, [case.institution_id])
        rules = await self._pinned.get(case.plan.ruleset.sha256)
        facts = known[case.institution_id].facts_for(None)
        eligibility = rules.number_eligibility(facts, day_of(self._clock()))
        return None if eligibility.eligible else eligibility.because

    async def uploads(self, case: Case, before: int | None, size: int) -> list[Upload]:
        """Up to ``size`` of a case's uploads, newest first, ``before`` the ``no`` of one."""
        async with self._engine.connect() as connection:
            found = await uploads.of_case(connection, case.case_id, before=before, size=size)
            return await _as_recorded(connection, found)

    async def problems(
        self, upload: Upload, after: UploadProblem | None
    ) -> Sequence[UploadProblem]:
        """The next of an upload's problems by row; none at the end."""
        async with self._engine.connect() as connection:
            return await uploads.problems(connection, upload.no, after=after)

    # --- numbers on record -----------------------------------------------------------------------

    async def totals(self, case: Case) -> Totals:
        """How many numbers of a batch stand, were withdrawn or corrected, wait for their day."""
        async with self._engine.connect() as connection:
            return await changes.totals(connection, case.case_id, self._clock())

    async def withdraw(
        self, case: Case, numbers: Sequence[str], reason: str, actor: Actor, command_id: str
    ) -> Receipt:
        """Withdraws numbers on record, all or none. Raises ChangeRefused naming the wrong ones."""
        return await self._change(case, "withdrawn", list(numbers), reason, actor, command_id)

    async def withdraw_upload(
        self, case: Case, upload_id: str, reason: str, actor: Actor, command_id: str
    ) -> Receipt:
        """Withdraws what still stands of an upload, all of it. Raises Refused.

        Asked for again with the same key it is the same change, though nothing stands any more.
        """
        terms = case.plan.numbers
        assert terms is not None
        async with self._engine.connect() as connection:
            upload = await self._upload(connection, case, upload_id)
            asked = await changes.by_id(connection, _change_id(command_id), case.case_id)
            numbers: list[str] = (
                asked.content.get("numbers", [])
                if asked is not None
                else await report_numbers.live_of_upload(
                    connection,
                    upload.no,
                    (terms.first_day, terms.last_day),
                    MOST_WITHDRAWN_AT_ONCE + 1,
                )
            )
        if len(numbers) > MOST_WITHDRAWN_AT_ONCE:
            limit = f"一次撤回 {MOST_WITHDRAWN_AT_ONCE} 个编号；这一文件须按编号分批撤回"
            raise Refused(Refusal(code=Code.TOO_LARGE, params={"limit": limit}))
        if not numbers:
            what = f"上传 {upload_id} 中仍然有效的编号"
            raise Refused(Refusal(code=Code.NOT_FOUND, params={"what": what}))
        return await self._change(case, "withdrawn", numbers, reason, actor, command_id)

    async def numbers_of(
        self, case: Case, begins: str, upload: str, after: tuple[str, int], size: int
    ) -> list[ListedNumber]:
        """A batch's numbers, in the order of their characters; see `store`."""
        terms = case.plan.numbers
        assert terms is not None
        days = (terms.first_day, terms.last_day)
        async with self._engine.connect() as connection:
            return await report_numbers.of_batch(
                connection, case.case_id, days, normalised(begins), upload, after, size
            )

    async def correct(
        self,
        case: Case,
        corrections: Sequence[dict[str, str]],
        reason: str,
        actor: Actor,
        command_id: str,
    ) -> Receipt:
        """Replaces numbers on record by others, all or none. Raises ChangeRefused."""
        return await self._change(case, "corrected", list(corrections), reason, actor, command_id)

    # --- private steps -----------------------------------------------------------------------

    async def _refuse_in_vain(self, connection: Any, case: Case, actor: Actor) -> None:
        """Nobody is to send a file for hours that the case will not take. Raises Refused."""
        known = await journal.carried(connection, BATCH, case.case_id)
        now = self._clock()
        command = ReceiveUpload(
            id="x", actor=actor, received_at=now, upload="0" * 32, sha256="0" * 64, size=0
        )
        refusal = check(BATCH, BATCH.state(known.state), case.plan, command, now)
        if refusal is not None:
            raise Refused(refusal)

    async def _completed(
        self, case: Case, upload_id: str, actor: Actor, command_id: str, sha256: str | None
    ) -> Upload:
        """Closes an upload; one whose file the case has accepted before ends here.

        What the case is to be told is kept with it: should this process die before it has told
        the case, another one does (`services.recovery`), and the file counts from when it came.
        """
        found = await self.upload(case, upload_id)
        async with self._engine.begin() as connection:
            outcome = await uploads.complete(connection, upload_id, self._clock())
            if outcome is Completion.NOT_RECEIVING:
                raise Refused(_closed(found, "收齐"))
            if outcome in (Completion.BYTES_MISSING, Completion.EMPTY):
                raise Refused(_incomplete(found))
            found = await self._upload(connection, case, upload_id)
            if sha256 not in (None, found.sha256):
                # what is raised here takes the closing back: pieces can still be sent
                raise Refused(_incomplete(found))
            if found.stage is not UploadStage.QUEUED:
                return found
            earlier = await uploads.same_file(connection, case.case_id, found.sha256)
            if earlier is not None:
                await uploads.mark_repeated(connection, upload_id, earlier.id, self._clock())
            elif found.command is None or found.command.id != command_id:
                command = ReceiveUpload(
                    id=command_id,
                    actor=actor,
                    received_at=self._clock(),
                    upload=found.id,
                    sha256=found.sha256,
                    size=found.received_bytes,
                )
                await uploads.keep_command(connection, upload_id, command)
        return await self.upload(case, upload_id)

    async def _change(
        self, case: Case, kind: Any, listed: list[Any], reason: str, actor: Actor, command_id: str
    ) -> Receipt:
        stored = {"numbers" if kind == "withdrawn" else "corrections": listed}
        id_ = _change_id(command_id)
        async with self._engine.begin() as connection:
            await changes.add(
                connection,
                id_=id_,
                case_id=case.case_id,
                institution_no=await institutions.number_of(connection, case.institution_id),
                kind=kind,
                content=stored,
                reason=reason,
                changed_by=actor.subject,
                at=self._clock(),
            )
            note = await content.save_note(connection, {"reason": reason})
        command = ChangeNumbers(
            id=command_id,
            actor=actor,
            received_at=self._clock(),
            note_sha256=note,
            change=id_,
            action=kind,
            count=len(listed),
            content_sha256=sha256_of(stored),
        )
        try:
            return await self.act(case, command)
        except Refused as refused:
            if refused.refusal.code is not Code.NUMBERS_NOT_ON_RECORD:
                raise
            terms = case.plan.numbers
            assert terms is not None
            asked = ChangeRequest(
                case_id=case.case_id,
                change=id_,
                first_day=terms.first_day,
                last_day=terms.last_day,
                longest=terms.longest,
                visible_from=self._clock(),
                at=self._clock(),
            )
            wrong = await problems_of_change(self._engine, asked)
            raise ChangeRefused(refused.refusal, wrong) from None

    async def _upload(self, connection: Any, case: Case, upload_id: str) -> Upload:
        found = await uploads.by_id(connection, upload_id)
        if found is None or found.case_id != case.case_id:
            raise Refused(Refusal(code=Code.NOT_FOUND, params={"what": f"上传 {upload_id}"}))
        return found

    async def _append(self, case: Case, upload_id: str, at_byte: int, piece: bytes) -> None:
        if at_byte + len(piece) > LARGEST_UPLOAD:
            raise Refused(_too_large())
        async with self._engine.begin() as connection:
            outcome = await uploads.append(connection, upload_id, at_byte, piece)
        if outcome.outcome in (Append.KEPT, Append.KEPT_BEFORE):
            return
        if outcome.outcome is Append.TOO_MANY_BYTES:
            raise Refused(_incomplete(await self.upload(case, upload_id)))
        if outcome.outcome in (Append.GAP, Append.OTHER_CONTENT):
            params = {"received": str(outcome.received_bytes), "given": str(at_byte)}
            raise Refused(Refusal(code=Code.UPLOAD_GAP, params=params))
        raise Refused(_closed(await self.upload(case, upload_id), "继续接收"))


def _change_id(command_id: str) -> str:
    return hashlib.sha256(f"change|{command_id}".encode()).hexdigest()[:32]


async def _as_recorded(connection: Any, found: Sequence[Upload]) -> list[Upload]:
    """Uploads as they may be shown: decided is what the case has on record as decided."""
    decided = [one for one in found if one.stage in _TOLD]
    early = await uploads.not_on_record(connection, decided) if decided else frozenset()
    still = {"stage": UploadStage.CHECKING, "accepted": 0, "decided_at": None, "repeats": None}
    return [one.model_copy(update=still) if one.id in early else one for one in found]


_TOLD = (UploadStage.ACCEPTED, UploadStage.REJECTED, UploadStage.REPEATED)


def _the_same(standing: Upload, case: Case, filename: str, media: str, accept: str) -> Upload:
    """An upload that stands, for a command come again. Raises Refused: it began another one."""
    begun = (standing.case_id, standing.filename, standing.media, standing.accept)
    if begun != (case.case_id, filename, media, accept):
        raise Refused(Refusal(code=Code.KEY_REUSED))
    return standing


def _too_large() -> Refusal:
    limit = f"{LARGEST_UPLOAD // 1024**3} GiB"
    return Refusal(code=Code.TOO_LARGE, params={"limit": limit})


def _incomplete(found: Upload) -> Refusal:
    declared = str(found.declared_bytes) if found.declared_bytes is not None else "—"
    params = {"received": str(found.received_bytes), "declared": declared}
    return Refusal(code=Code.UPLOAD_INCOMPLETE, params=params)


def _closed(found: Upload, action: str) -> Refusal:
    params = {"stage": UPLOAD_STAGE_LABELS[found.stage], "action": action}
    return Refusal(code=Code.UPLOAD_CLOSED, params=params)
