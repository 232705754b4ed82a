"""One case of enforcement, from its opening until no measure of it has any effect.

Legal basis: the measures a year's notice names, and the law that each step rests on, both in the
rules. A case proposes; an officer proposes one measure, another person decides, an officer serves
it, and only then can it take effect. Terms are counted by working days that the rules hold as
data, so an activity counts them. Each term has a timer; what nobody does in time has no effect.
"""

from temporalio import workflow

from workflows.case import ONE_TRY, RETRY, CaseWorkflow

with workflow.unsafe.imports_passed_through():
    from domain.case.commands import Command
    from domain.case.events import Event
    from domain.case.kind import evolve, position
    from domain.case.state import CaseState, Findings
    from domain.case.status import Status
    from domain.case.workflow_messages import CaseStart
    from domain.decision import ReviewLevel
    from domain.enforcement.commands import (
        ENFORCEMENT_WORKFLOW,
        PREPARE_ENFORCEMENT,
        AskedTerm,
        EnforcementFindings,
        PrepareEnforcement,
    )
    from domain.enforcement.kind import ENFORCEMENT
    from domain.enforcement.state import EnforcementEvent, EnforcementState, terms_of

_TERMS: dict[str, tuple[tuple[str, str], ...]] = {
    "give_notice": (("statement", ""),),
    "decide": (("service", ""),),
    "serve_decision": (("correction", ""), ("lasts", "correction")),
    "raise_objection": (("objection", ""),),
}
"""Which terms begin with a command, each with the term after whose end it begins."""


@workflow.defn(name=ENFORCEMENT_WORKFLOW)
class Enforcement(CaseWorkflow):
    """See the module's text."""

    kind = ENFORCEMENT
    _state: CaseState[EnforcementState]

    @workflow.init
    def __init__(self, start: CaseStart) -> None:
        super().__init__(start)

    @workflow.run
    async def run(self, start: CaseStart) -> Status:
        await self.begin()
        while await self.goes_on():
            await self.people_or_time()
        return self.status

    def beginning(self) -> tuple[Event, ...]:
        """A case is with the authority that may propose from its first moment."""
        terms = terms_of(self._plan)
        first = terms.measures[0]
        found = terms.consequences
        last = max(terms.decision_due.values(), default=None)
        opened = Event(
            name=EnforcementEvent.OPENED,
            actor=self._start.requested_by,
            position=position(self.kind, self._state, self._plan),
            cite=first.cite,
            body={
                "level": ReviewLevel(
                    id="proposes", authority=first.proposes, label="承办", cite=first.cite
                ).model_dump(mode="json"),
                "about": terms.about,
                "number": terms.number,
                "measures": [one.id for one in terms.measures],
                "labels": [one.label for one in terms.measures],
                "because": found.because,
                "facts": terms.filing.model_dump(mode="json"),
                "findings": [finding.value for finding in terms.findings],
                "evidence_sha256": terms.evidence_sha256,
                "candidates": [one.model_dump(mode="json") for one in found.candidates],
                "ruleset": self._plan.ruleset.model_dump(mode="json"),
                "opened_at": self._start.requested_at.isoformat(),
                "decision_due": last.isoformat() if last is not None else None,
            },
        )
        state = evolve(self.kind, self._state, opened)
        return (opened.model_copy(update={"position": position(self.kind, state, self._plan)}),)

    async def prepare(self, command: Command) -> Findings:
        """Counts the terms that begin with a command; looks whether the filing is approved now."""
        terms, own = terms_of(self._plan), self._state.own
        measure = terms.measure(own.measure)
        asked = tuple(
            AskedTerm(name=name, term=measure.terms[name], after=after)
            for name, after in _TERMS.get(command.kind, ())
            if measure is not None and name in measure.terms
        )
        cure = command.kind in ("cure", "decide")
        if not asked and not cure:
            return EnforcementFindings()
        found: EnforcementFindings = await workflow.execute_local_activity(
            PREPARE_ENFORCEMENT,
            PrepareEnforcement(
                now=workflow.now(),
                terms=asked,
                about=terms.about if cure else "",
                since=own.opened_at if cure else None,
            ),
            result_type=EnforcementFindings,
            start_to_close_timeout=ONE_TRY,
            retry_policy=RETRY,
        )
        return found
