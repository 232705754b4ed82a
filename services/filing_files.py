"""Files beside a filing: put there while it may be edited, read by whoever reads the filing."""

import hashlib

from domain.case.commands import Actor, Role
from domain.filing.beside import MOST_FILES
from domain.filing.receipts import submissions
from domain.refusals import Code, Refusal, Refused
from services.announcements import ATTACHMENTS
from services.cases import CaseService
from services.scanner import Scanner
from store import filing_files, journal
from store.cases import Case
from store.filing_files import FilingFile as FilingFile

LARGEST_FILE = 10 * 1024 * 1024
MEDIA = ("application/pdf", "image/png", "image/jpeg")
_OF_INSTITUTION = (Role.FILER, Role.RESPONSIBLE)


class FilingFileService(CaseService):
    """Keeps the files of filings."""

    async def add(
        self,
        case: Case,
        name: str,
        media: str,
        content: bytes,
        actor: Actor,
        scanner: Scanner,
        *,
        repeated: bool = False,
    ) -> list[FilingFile]:
        """Puts a file beside a filing; the same file again changes nothing.

        ``repeated``: its key was used before, so that what was removed since stays away.
        Raises Refused: the filing is closed, no such type, too many, infected, not looked through.
        """
        ending, beginnings = ATTACHMENTS[media]
        endings = (".jpg", ".jpeg") if ending == "jpg" else (f".{ending}",)
        if not content.startswith(beginnings) or not name.lower().endswith(endings):
            raise Refused(Refusal(code=Code.ATTACHMENT_UNFIT, params={"wanted": ending}))
        scanned = await scanner.look(content)
        now, sha256 = self._clock(), hashlib.sha256(content).hexdigest()
        file = FilingFile(
            sha256=sha256,
            name=name,
            media=media,
            size=len(content),
            scanned=scanned,
            added_by=actor.subject,
            added_at=now,
        )
        async with self._engine.begin() as connection:
            if repeated and await filing_files.was_added(connection, case.case_id, sha256):
                return await filing_files.standing(connection, case.case_id)
            await self.held_editable(connection, case, now)
            present = await filing_files.standing(connection, case.case_id)
            if file.sha256 not in {one.sha256 for one in present}:
                if len(present) >= MOST_FILES:
                    params = {"most": str(MOST_FILES)}
                    raise Refused(Refusal(code=Code.TOO_MANY_ATTACHMENTS, params=params))
                await filing_files.add(connection, case.case_id, file, content)
            return await filing_files.standing(connection, case.case_id)

    async def remove(
        self, case: Case, sha256: str, actor: Actor, *, repeated: bool = False
    ) -> list[FilingFile]:
        """Takes a file from beside a filing; it is kept. Raises Refused: closed, or none there.

        ``repeated``: its key was used before, so that one that is gone has been taken already.
        """
        now = self._clock()
        async with self._engine.begin() as connection:
            present = await filing_files.standing(connection, case.case_id)
            gone = sha256 not in {one.sha256 for one in present}
            if repeated and gone and await filing_files.was_added(connection, case.case_id, sha256):
                return present
            await self.held_editable(connection, case, now)
            if not await filing_files.remove(connection, case.case_id, sha256, actor.subject, now):
                raise Refused(Refusal(code=Code.NOT_FOUND, params={"what": "这一附件"}))
            return await filing_files.standing(connection, case.case_id)

    async def seen(self, case: Case, actor: Actor, revision: int = 0) -> list[FilingFile]:
        """The files beside a filing that somebody may see.

        Its filer sees those that stand there now, others those that were submitted last: like the
        content, what is changed since is a draft. With a ``revision`` that was submitted, those
        that it was submitted with.
        """
        async with self._engine.connect() as connection:
            steps = submissions(await journal.steps(connection, case.case_id))
            if actor.role in _OF_INSTITUTION and not revision:
                return await filing_files.standing(connection, case.case_id)
            wanted = revision or case.revision
            sent = [step for step in steps if step.body["revision"] == wanted]
            named = sent[-1].body.get("files", ()) if sent else ()
            if not sent and actor.role in _OF_INSTITUTION:
                return await filing_files.standing(connection, case.case_id)
            return await filing_files.named(connection, case.case_id, named)

    async def content(self, case: Case, sha256: str, actor: Actor) -> tuple[FilingFile, bytes]:
        """A file that somebody may see, with its content. Raises Refused for none."""
        seen = {one.sha256 for one in await self.seen(case, actor)}
        file = None
        async with self._engine.connect() as connection:
            for step in submissions(await journal.steps(connection, case.case_id)):
                seen |= set(step.body.get("files", ()))
            if sha256 in seen:
                file = await filing_files.content(connection, case.case_id, sha256)
        if file is None:
            raise Refused(Refusal(code=Code.NOT_FOUND, params={"what": "这一附件"}))
        return file
