"""Certificates: beginning an application, and every act of a certificate's life."""

import asyncio
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client

from domain.canonical import sha256_of
from domain.case.commands import Actor, Role
from domain.case.events import event_of
from domain.case.kind import fold
from domain.case.workflow_messages import CaseOpening, CaseStart, Newcomer, Receipt
from domain.certificates.certificate import CertificateContent
from domain.certificates.commands import Apply, CorrectEnd, EndCertificate
from domain.certificates.issuing import Decided, Purpose
from domain.certificates.kind import CERTIFICATE
from domain.certificates.state import CertificateFindings
from domain.certificates.warnings import CertificateWarning, HolderFacts, certificate_warnings
from domain.clock import day_of
from domain.ids import certificate_id
from domain.refusals import Code, Refusal, Refused
from engine.client import ANSWER_WITHIN, translated
from engine.starting import start_case
from rules.certificates.certificates import CertificateRules, current_certificate_rules
from services.cases import CaseService
from services.certificates.printing import unprintable_with
from services.clock import Clock
from services.enforcement.register import refuse_applications
from services.institutions import refuse_merged
from services.rule_sets import PinnedCertificateRules
from store import cases, content, institutions, journal, rule_sets
from store.cases import Case
from store.certificates import register

PART = "certificate"
_LOOK_AGAIN = 0.02


class CertificateService(CaseService):
    """Everything the outside can do with certificates."""

    def __init__(
        self,
        client: Client,
        engine: AsyncEngine,
        rules: Path,
        pinned: PinnedCertificateRules,
        clock: Clock,
        templates: Path | None = None,
    ) -> None:
        super().__init__(client, engine, clock)
        self.unprintable = unprintable_with(templates)
        self._rules = rules
        self.pinned = pinned

    def rules(self) -> CertificateRules:
        """The rules that an application begun now is pinned to."""
        return current_certificate_rules(self._rules)

    async def names(self, case_ids: Sequence[str]) -> dict[str, tuple[str, str]]:
        """Number and holder of the certificates that these cases have issued, by case."""
        async with self._engine.connect() as connection:
            return await register.names_by_cases(connection, case_ids)

    async def warnings(
        self, case: Case, applied: CertificateContent
    ) -> tuple[CertificateWarning, ...]:
        """What to look at before a case's certificate is issued, or changed, with this content."""
        rules = await self.pinned.get(case.rule_set)
        async with self._engine.connect() as connection:
            begun = (await journal.steps(connection, case.case_id))[0].body
            known = await register.of_holders(connection, [applied.institution])
        newcomer = begun.get("newcomer") or {}
        return certificate_warnings(
            applied,
            known.get(applied.institution)
            or HolderFacts(name="", region=newcomer.get("region", "")),
            rules.tables,
            day_of(self._clock()),
            case_id=case.case_id,
            replaces=filter(None, [begun.get("renews")]),
        )

    async def begin(
        self,
        applied: CertificateContent,
        actor: Actor,
        command_id: str,
        renews: str = "",
        newcomer: Newcomer | None = None,
        *,
        decided_elsewhere: bool = False,
    ) -> Case:
        """Begins an application with its first revision; ``renews`` is the code it replaces.

        The same command again finds the same case. Raises Refused: no such institution, and no
        ``newcomer`` to be put on record when the certificate is issued; or a measure in force for
        which no application is taken, unless this one was ``decided_elsewhere`` already.
        """
        case_id = case_id_of(actor, command_id)
        rules = await asyncio.to_thread(self.rules)
        plan = rules.plan(applied.issuer, self._clock())
        async with self._engine.begin() as connection:
            standing = await cases.by_id(connection, case_id)
            if standing is None:
                if await self._known(connection, applied.institution, newcomer, renews):
                    newcomer = None
                if not decided_elsewhere:
                    await refuse_applications(connection, applied.institution, self._clock())
                await rule_sets.store(
                    connection, rules.document.model_dump(mode="json", by_alias=True)
                )
        if standing is None:
            start = CaseStart(
                case_id=case_id,
                opening=CaseOpening(
                    kind=CERTIFICATE.name,
                    year=plan.year,
                    institution=applied.institution,
                    jurisdiction=plan.jurisdiction,
                    campaign="",
                    plan=plan,
                    renews=renews,
                    newcomer=newcomer,
                ),
                requested_at=self._clock(),
                requested_by=actor,
                vouched=True,
            )
            async with translated():
                await start_case(self._client, start)
            standing = await self._opened(case_id)
        async with self._engine.begin() as connection:
            if await content.latest_revision(connection, case_id) is None:
                document = {PART: applied.model_dump(mode="json")}
                await content.save_revision(
                    connection, case_id, 0, document, actor.subject, self._clock()
                )
        return standing

    async def apply(
        self,
        case: Case,
        purpose: Purpose,
        revision: int,
        content_sha256: str,
        actor: Actor,
        command_id: str,
        *,
        change: str = "",
        decided: Decided | None = None,
        approver: str = "",
    ) -> Receipt:
        """Applies with a saved revision; with ``decided`` it is granted at once. Raises Refused.

        ``approver`` is the name of who decided elsewhere; it is kept beside the case.
        """
        note = ""
        if decided is not None:
            async with self._engine.begin() as connection:
                note = await content.save_note(connection, {"approver": approver})
        command = Apply(
            id=command_id,
            actor=actor,
            received_at=self._clock(),
            note_sha256=note,
            purpose=purpose,
            change=change,
            revision=revision,
            content_sha256=content_sha256,
            decided=decided,
        )
        return await self.act(case, command)

    async def take_over(
        self,
        applied: CertificateContent,
        decided: Decided,
        approver: str,
        actor: Actor,
        key: str,
        renews: str = "",
        newcomer: Newcomer | None = None,
    ) -> Receipt:
        """Takes over a certificate that the issuing authority has decided on elsewhere.

        Begins its case, saves the content, numbers and issues it. ``key`` names the delivery: the
        same again (from the same authority) is answered with the first receipt. Raises Refused.
        """
        case = await self.begin(applied, actor, key, renews, newcomer, decided_elsewhere=True)
        async with self._engine.connect() as connection:
            first = await content.revision(connection, case.case_id, 1)
        assert first is not None
        if first.content != {PART: applied.model_dump(mode="json")}:
            raise Refused(Refusal(code=Code.KEY_REUSED))
        return await self.apply(
            case,
            Purpose.ISSUE,
            1,
            first.sha256,
            actor,
            f"take-over:{hashlib.sha256(key.encode()).hexdigest()[:32]}",
            decided=decided,
            approver=approver,
        )

    async def end(
        self,
        case: Case,
        command: EndCertificate,
        reason: str,
        approver: str,
    ) -> Receipt:
        """Ends a certificate; the rules say what it takes. Raises Refused."""
        await self._refuse_incomplete(case, command, reason, approver)
        async with self._engine.begin() as connection:
            note = {"reason": reason, "approver": approver}
            sha256 = await content.save_note(connection, note)
        return await self.act(case, command.model_copy(update={"note_sha256": sha256}))

    async def correct_end(
        self, case: Case, command: CorrectEnd, reason: str, approver: str
    ) -> Receipt:
        """Corrects an end that was put on record by mistake. Raises Refused.

        One whose place another certificate has taken does not come back into force.
        """
        async with self._engine.begin() as connection:
            held = await register.by_case(connection, case.case_id)
            newer = await register.renewing(connection, held.code) if held is not None else None
            if command.ending is None and held is not None and newer is not None:
                params = {"number": held.number, "by": newer.number}
                raise Refused(Refusal(code=Code.REPLACED_MEANWHILE, params=params))
            sha256 = await content.save_note(connection, {"reason": reason, "approver": approver})
        return await self.act(case, command.model_copy(update={"note_sha256": sha256}))

    async def refuse_end(
        self, case: Case, command: EndCertificate | CorrectEnd, reason: str
    ) -> None:
        """Raises Refused for an end, or its correction, that nobody could put on record now."""
        if isinstance(command, EndCertificate):
            await self._refuse_incomplete(case, command, reason, _WHOEVER_CONFIRMS)
        async with self._engine.connect() as connection:
            steps = await journal.steps(connection, case.case_id)
        state = fold(CERTIFICATE, map(event_of, steps))
        noted = command.model_copy(update={"note_sha256": sha256_of({"reason": reason})})
        decided = CERTIFICATE.commands[command.kind].decide(
            state, case.plan, noted, self._clock(), CertificateFindings()
        )
        if isinstance(decided, Refusal):
            raise Refused(decided)

    async def refuse_filers_draft(self, case: Case, actor: Actor) -> None:
        """Raises Refused where a clerk would change, or apply with, what is the institution's."""
        if await self.filers_draft(case, actor):
            raise Refused(Refusal(code=Code.FILERS_DRAFT))

    async def filers_draft(self, case: Case, actor: Actor) -> bool:
        """Whether a clerk has before them what the institution itself has written.

        An application that the institution has begun is its own; of a change, what it has saved.
        """
        if actor.role is not Role.CLERK:
            return False
        async with self._engine.connect() as connection:
            steps = await journal.steps(connection, case.case_id)
            latest = await content.latest_revision(connection, case.case_id)
            held = await register.by_case(connection, case.case_id)
        if held is None or not held.revision:
            return steps[0].actor.role is Role.FILER
        clerks = {step.actor.subject for step in steps if step.actor.role is Role.CLERK}
        changed = latest if latest is not None and latest.revision > held.revision else None
        return changed is not None and changed.saved_by not in {*clerks, actor.subject}

    async def last_serial(self, issuer: str, year: int) -> int:
        """The last serial an authority has used in a year. Raises NoAuthorityCode."""
        async with self._engine.connect() as connection:
            code = self.rules().authority_code(issuer)
            return await register.last_serial(connection, code, year)

    async def begin_serials_after(
        self, issuer: str, year: int, last: int, reason: str, actor: Actor, command_id: str
    ) -> int:
        """Sets the serial up to which an authority has numbered on paper. Raises Refused.

        It is lowered no further than to the highest number on record: none is given again.
        """
        code = self.rules().authority_code(issuer)
        async with self._engine.begin() as connection:
            before = await register.hold_serials(connection, code, year)
            if last < before:
                highest = await register.highest_number(connection, code, year)
                if highest and last < (lowest := int(highest[-4:])):
                    params = {"number": highest, "last": str(lowest)}
                    raise Refused(Refusal(code=Code.SERIAL_NOT_HIGHER, params=params))
            await register.begin_serials_after(connection, code, year, last)
            await journal.append_operator_step(
                connection,
                f"serials/{issuer}/{year}",
                "serials_set",
                actor,
                self._clock(),
                {"before": before, "last": last, "reason": reason},
                command_id,
            )
        return last

    # --- private steps -----------------------------------------------------------------------

    async def _refuse_incomplete(
        self, case: Case, command: EndCertificate, reason: str, approver: str
    ) -> None:
        rules = await self.pinned.get(case.rule_set)
        ending = next(one for one in rules.endings if one.id == command.ending)
        given = {"reason": reason, "document": command.document, "approver": approver}
        missing = [_NEEDED[name] for name in ending.requires if not given[name].strip()]
        if missing:
            params = {"ending": ending.label, "missing": "、".join(missing)}
            raise Refused(Refusal(code=Code.ENDING_INCOMPLETE, params=params, cite=ending.cite))

    async def _known(
        self, connection: Any, institution: str, newcomer: Newcomer | None, renews: str
    ) -> bool:
        """Whether an institution is on record. Raises Refused where it has to be."""
        on_record = await institutions.by_ids(connection, [institution])
        known = institution in on_record
        if known:
            refuse_merged(on_record[institution])
        if not known and newcomer is None:
            params = {"institution": institution}
            raise Refused(Refusal(code=Code.UNKNOWN_INSTITUTION, params=params))
        old = await register.by_code(connection, renews) if renews else None
        if renews and (old is None or old.institution_id != institution):
            params = {"number": old.number if old else "", "institution": institution}
            raise Refused(Refusal(code=Code.OTHER_HOLDER, params=params))
        return known

    async def _opened(self, case_id: str) -> Case:
        """The case once its first step is on record; whoever asks again finds it later."""
        waited = 0.0
        while waited < ANSWER_WITHIN.total_seconds():
            async with self._engine.connect() as connection:
                found = await cases.by_id(connection, case_id)
            if found is not None:
                return found
            await asyncio.sleep(_LOOK_AGAIN)
            waited += _LOOK_AGAIN
        raise Refused(Refusal(code=Code.UNAVAILABLE, params={"part": "流程引擎"}))


_WHOEVER_CONFIRMS = "?"
"""Who approves is known once it is confirmed."""

_NEEDED = {"reason": "理由", "document": "文书号", "approver": "批准人"}


def case_id_of(actor: Actor, key: str) -> str:
    """The id of the case that a key of somebody's leads to, the same every time."""
    made = hashlib.sha256(f"certificate|{actor.role}|{actor.scope}|{key}".encode())
    return certificate_id(made.hexdigest()[:24])
