"""One certificate (资质认定证书), from its application to the end of its life.

Legal basis: 市监检测函〔2019〕1364号 and the rules pinned when the case begins. An application is
reviewed by the issuing authority, approved, numbered and coded, checked and issued. The case then
lives on: reminders to renew and expiry are timers, changes go the same way round once more while
the certificate stays in force, and ending or replacing it is recorded whenever it comes. What the
register shows is written together with the step that changes it. A case that is moved often
continues as new, with its state and the end of its chain.
"""

from collections.abc import Sequence
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

from workflows.case import ONE_TRY, RETRY, CaseWorkflow

with workflow.unsafe.imports_passed_through():
    from domain.case.commands import SYSTEM, Approve, Command, PassQuality
    from domain.case.events import Event
    from domain.case.kind import evolve, position
    from domain.case.review import check
    from domain.case.state import CaseState
    from domain.case.status import Status
    from domain.case.workflow_messages import CaseStart, RecordedSteps, RecordRequest
    from domain.certificates.commands import Apply, CertificateEvent, NotePredecessor
    from domain.certificates.issuing import (
        ALLOT_NUMBER,
        CERTIFICATE_WORKFLOW,
        PREPARE_APPLICATION,
        RECORD_CERTIFICATE,
        SUPERSEDE_PREDECESSOR,
        AllotNumber,
        Decided,
        PrepareApplication,
        RecordCertificate,
        SupersedePredecessor,
    )
    from domain.certificates.kind import CERTIFICATE
    from domain.certificates.state import CertificateFindings, CertificateState
    from domain.certificates.transitions import issuer_of

_SHORT = timedelta(seconds=60)
_UNTIL_IT_WORKS = RetryPolicy(
    initial_interval=timedelta(seconds=1), maximum_interval=timedelta(minutes=1)
)


@workflow.defn(name=CERTIFICATE_WORKFLOW)
class Certificate(CaseWorkflow):
    """See the module's text."""

    kind = CERTIFICATE
    _state: CaseState[CertificateState]

    @workflow.init
    def __init__(self, start: CaseStart) -> None:
        super().__init__(start)

    @workflow.run
    async def run(self, start: CaseStart) -> Status:
        await self.begin()
        while await self.goes_on():
            if self.has_work():
                await self.attempt(self._predecessor_is_marked)
            elif self._state.own.certificate is None:
                await self._applied_for()
            elif self.status is Status.COMPLETED:
                await self._in_force()
            else:
                await self._change_applied_for()
        return self.status

    # --- the phases of a certificate ---------------------------------------------------------

    async def _applied_for(self) -> None:
        """Somebody applies; the issuing authority reviews, numbers, checks and issues.

        Or its clerk enters what it has decided elsewhere. An application that is rejected or
        cancelled ends the case; one that is returned or withdrawn can be made again.
        """
        await self.people_or_time()

    async def _in_force(self) -> None:
        """The register shows it. Time reminds its holder to renew, and ends it at its last day.

        The issuing authority may end it, and another certificate may take its place. After its
        end the case is over, though it still takes what is recorded late.
        """
        await self.people_or_time()

    async def _change_applied_for(self) -> None:
        """A change or more scope goes the same way round, while the certificate is in force."""
        await self.people_or_time()

    async def _predecessor_is_marked(self) -> None:
        """The certificate that this one replaces is marked as superseded, and that is noted."""
        held, predecessor = self._state.own.certificate, self._start.opening.renews
        assert held is not None
        await workflow.execute_activity(
            SUPERSEDE_PREDECESSOR,
            SupersedePredecessor(
                case_id=self._start.case_id,
                predecessor=predecessor,
                by=held.code,
                on=held.issued_on,
            ),
            start_to_close_timeout=_SHORT,
            retry_policy=_UNTIL_IT_WORKS,
        )
        await self.give(
            NotePredecessor(
                id=f"predecessor:{predecessor}",
                actor=SYSTEM,
                received_at=workflow.now(),
                predecessor=predecessor,
            )
        )

    # --- what only certificates do -----------------------------------------------------------

    def beginning(self) -> tuple[Event, ...]:
        """A case begins with an application that can be written."""
        draft = self._state.model_copy(update={"status": Status.DRAFT})
        newcomer = self._start.opening.newcomer
        # until the certificate is issued, this is the only place that knows the institution
        unknown = (
            {
                "institution": self._start.opening.institution,
                "newcomer": newcomer.model_dump(mode="json"),
            }
            if newcomer
            else {}
        )
        begun = Event(
            name=CertificateEvent.APPLICATION_BEGUN,
            actor=self._start.requested_by,
            position=position(self.kind, draft, self._plan),
            cite=self._plan.fill.cite,
            body={
                "renews": self._start.opening.renews,
                "ruleset": self._plan.ruleset.model_dump(mode="json"),
                **unknown,
            },
        )
        return (begun,)

    def has_work(self) -> bool:
        """The certificate that this one replaces has yet to be marked so."""
        own = self._state.own
        replaces = bool(self._start.opening.renews) and own.certificate is not None
        return replaces and not own.predecessor_told

    async def prepare(self, command: Command) -> CertificateFindings:
        """An application's content is looked into; what is approved for issue gets its number."""
        refusal = check(self.kind, self._state, self._plan, command, workflow.now())
        if refusal is not None:
            # whatever it is, nothing is looked into or numbered for it: no number is lost
            return CertificateFindings(refusal=refusal)
        issued = self._state.own.certificate is not None
        if isinstance(command, Apply):
            findings = await self._look_into(command)
            if findings.refusal is not None or issued or command.decided is None:
                return findings
            numbered = await self._allot(command.revision, command.decided)
            return findings.model_copy(
                update={"allotment": numbered.allotment, "refusal": numbered.refusal}
            )
        if isinstance(command, Approve):
            last = self._state.level == len(self._state.levels)
            if not issued and last:
                return await self._allot(self._state.revision, None)
            return CertificateFindings()
        assert isinstance(command, PassQuality)
        if self._start.opening.renews and not issued:
            # what it renews may have ended since the approval; its number is the one it has
            numbered = await self._allot(self._state.revision, None)
            return CertificateFindings(refusal=numbered.refusal)
        return CertificateFindings()

    async def write(self, request: RecordRequest, events: Sequence[Event]) -> RecordedSteps:
        """Steps that change what is in force are written together with the register."""
        after = self._state
        for event in events:
            after = evolve(self.kind, after, event)
        held = after.own.certificate
        if held is None or held == self._state.own.certificate:
            return await super().write(request, events)
        opening = self._start.opening
        recorded: RecordedSteps = await workflow.execute_local_activity(
            RECORD_CERTIFICATE,
            RecordCertificate(
                request=request,
                held=held,
                renews=opening.renews,
                newcomer=opening.newcomer if self._state.own.certificate is None else None,
            ),
            result_type=RecordedSteps,
            start_to_close_timeout=ONE_TRY,
            retry_policy=RETRY,
        )
        return recorded

    # --- private steps -----------------------------------------------------------------------

    async def _look_into(self, command: Apply) -> CertificateFindings:
        findings: CertificateFindings = await workflow.execute_local_activity(
            PREPARE_APPLICATION,
            PrepareApplication(
                case_id=self._start.case_id,
                institution=self._start.opening.institution,
                issuer=issuer_of(self._plan),
                rule_set=self._plan.ruleset.sha256,
                purpose=command.purpose,
                change=command.change,
                revision=command.revision,
                content_sha256=command.content_sha256,
                standing_revision=self._state.completed_revision,
                renews=self._start.opening.renews,
                decided=command.decided,
                at=workflow.now(),
                returned_revision=self._state.returned_revision,
            ),
            result_type=CertificateFindings,
            start_to_close_timeout=ONE_TRY,
            retry_policy=RETRY,
        )
        return findings

    async def _allot(self, revision: int, decided: Decided | None) -> CertificateFindings:
        findings: CertificateFindings = await workflow.execute_local_activity(
            ALLOT_NUMBER,
            AllotNumber(
                case_id=self._start.case_id,
                issuer=issuer_of(self._plan),
                rule_set=self._plan.ruleset.sha256,
                revision=revision,
                decided=decided,
                renews=self._start.opening.renews,
                at=workflow.now(),
                orders=self.orders,
            ),
            result_type=CertificateFindings,
            start_to_close_timeout=ONE_TRY,
            retry_policy=RETRY,
        )
        return findings
