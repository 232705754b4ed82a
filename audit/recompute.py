"""Recompute and foresee otherwise: every decision anew from its rule set and recorded inputs.

No workflow is asked and none of its code is run: what a decision was made from stands in the
journal, and the rule set under its hash. Under another rule set the same inputs may come to
something else; what would differ is told with the clause that makes the difference.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from domain.canonical import canonical_json, sha256_of
from domain.case.amending import AMENDED, plan_before, ruled_by
from domain.case.events import EventName, Step
from domain.case.plan import WINDOWS, CasePlan
from domain.case.workflow_messages import CaseOpening
from domain.certificates.number import NumberProblem, decode
from domain.citation import Citation
from domain.enforcement.consequences import EnforcementFacts, EnforcementTerms
from domain.enforcement.kind import ENFORCEMENT
from domain.facts import Facts, FilingRecord
from domain.model import Value
from domain.numbers.commands import NumberEvent
from domain.numbers.quarters import Quarter
from domain.numbers.transitions import visible_from
from domain.sampling import commitment
from rules.certificates.certificates import CertificateRules
from rules.compiled import CompiledRules, NotPublishable
from rules.conditions import ConditionFailed
from services.campaigns.sampling import SAMPLE_DRAWN, drawn_of
from services.rule_sets import PinnedCertificateRules, PinnedRules
from store import auditing, samples


class Decision(Value):
    """One decision as it was recorded and as it comes out anew.

    ``sequence`` is the step that holds it; ``cite`` the clause behind what comes out anew.
    """

    kind: str
    sequence: int
    recorded: Any
    recomputed: Any
    same: bool
    cite: Citation | None


class Recomputed(Value):
    """The decisions of one case, in the order of its steps."""

    case_id: str
    decisions: tuple[Decision, ...]


class Otherwise(Value):
    """One difference that other rules would make, and the ids of the cases it would be made in."""

    kind: str
    recorded: Any
    recomputed: Any
    cite: Citation | None
    cases: tuple[str, ...]


class Foreseen(Value):
    """What other rules would have made of a campaign.

    Of ``cases`` looked at, ``differing`` would have come out otherwise; ``decisions`` were made
    anew. Equal differences stand together, those of most cases first.
    """

    campaign: str
    cases: int
    decisions: int
    differing: int
    differences: tuple[Otherwise, ...]


class NoSuchCase(Exception):
    """The case is not on record."""


class Recomputing:
    """Makes decisions anew. ``rules``: those to decide by instead of the pinned ones."""

    def __init__(self, engine: AsyncEngine, rules: CompiledRules | None = None) -> None:
        self._engine = engine
        self._rules = rules
        self._pinned = PinnedRules(engine)
        self._certificates = PinnedCertificateRules(engine)
        self._draws: dict[tuple[str, int], _Drawn] = {}

    async def case(self, case_id: str) -> Recomputed:
        """The decisions of one case. Raises NoSuchCase."""
        async with auditing.snapshot(self._engine) as connection:
            known = [rows async for rows in auditing.by_case(connection, case_id, _TABLES)]
            if not known:
                raise NoSuchCase(case_id)
            return await self._case(connection, known[0])

    async def campaign(self, campaign: str) -> AsyncIterator[Recomputed]:
        """The decisions of every case of a campaign, case by case."""
        async with auditing.snapshot(self._engine) as connection:
            async for rows in auditing.by_case(connection, campaign, ("journal",)):
                yield await self._case(connection, rows)
            async for rows in auditing.of_campaign(connection, campaign, _TABLES, _DECIDING):
                yield await self._case(connection, rows)

    async def foreseen(self, campaign: str) -> Foreseen:
        """What would differ over a campaign, by difference. Raises NoSuchCase."""
        cases = decisions = differing = 0
        alike: dict[bytes, tuple[Decision, list[str]]] = {}
        async for one in self.campaign(campaign):
            cases += one.case_id != campaign
            decisions += len(one.decisions)
            others = [decision for decision in one.decisions if not decision.same]
            differing += bool(others)
            for decision in others:
                about = decision.model_dump(mode="json", exclude={"sequence", "same"})
                _, ids = alike.setdefault(canonical_json(about), (decision, []))
                ids.append(one.case_id)
        if not cases:
            raise NoSuchCase(campaign)
        return Foreseen(
            campaign=campaign,
            cases=cases,
            decisions=decisions,
            differing=differing,
            differences=tuple(
                Otherwise(
                    kind=decision.kind,
                    recorded=decision.recorded,
                    recomputed=decision.recomputed,
                    cite=decision.cite,
                    cases=tuple(ids),
                )
                for decision, ids in sorted(alike.values(), key=lambda pair: -len(pair[1]))
            ),
        )

    # --- private steps -----------------------------------------------------------------------

    async def _case(self, connection: AsyncConnection, rows: auditing.CaseRows) -> Recomputed:
        decisions: list[Decision] = []
        for row in rows["journal"]:
            if (
                decision := await self._sampled(connection, row["step"], rows["cases"])
            ) is not None:
                decisions.append(decision)
        if rows["cases"]:
            case = rows["cases"][0]
            began = _beginnings(rows)
            steps = [Step(**row["step"], hash=row["hash"]) for row in rows["journal"]]
            for first, later in zip(began, [*began[1:], None], strict=True):
                ended = later["sequence"] if later is not None else len(steps) + 1
                life = [s for s in steps if first["sequence"] <= s.sequence < ended]
                begun = _begun_on(_ran_on(case, later), life)
                if case["kind"] == ENFORCEMENT.name:
                    decisions += await self._measures(first, begun)
                else:
                    decisions += await self._opening(first, begun)
                    decisions += await self._amendments(first, begun, life)
            facts = began[0]["body"].get("inputs") if began else None
            for row in rows["journal"]:
                if row["step"] in began:
                    facts = row["step"]["body"].get("inputs")
                async for decision in self._step(row["step"], case, facts):
                    decisions.append(decision)
        return Recomputed(case_id=rows.case_id, decisions=tuple(decisions))

    async def _ruled_by(self, sha256: str) -> CompiledRules:
        return self._rules or await self._pinned.get(sha256)

    async def _opening(self, first: Mapping[str, Any], case: Mapping[str, Any]) -> list[Decision]:
        """Obligation, windows and what else a plan says, from the facts recorded with them."""
        began, inputs = first["sequence"], first["body"].get("inputs")
        if not inputs or "institution" not in inputs:
            return []
        rules, facts = await self._ruled_by(case["rule_set"]), Facts.model_validate(inputs)
        recorded = CasePlan.model_validate(case["plan"])
        try:
            if case["quarter"]:
                plan = rules.batch_plan(facts, Quarter(case["year"], case["quarter"]))
            else:
                plan = rules.plan(facts)
        except (NotPublishable, ValueError, KeyError) as impossible:
            told = f"这套规则排不出计划：{impossible}"
            return [_decision("plan", began, recorded.jurisdiction, told, None)]
        decisions = [
            _decision(
                "obligation",
                began,
                recorded.obligation.outcome,
                plan.obligation.outcome,
                plan.obligation.cite,
            )
        ]
        for name in WINDOWS:
            before, after = getattr(recorded, name), getattr(plan, name)
            if before is None and after is None:
                continue
            cite = after.cite if after is not None else None
            decisions.append(_decision(f"window {name}", began, _span(before), _span(after), cite))
        for what in ("checker", "lapse_unapproved", "parts"):
            cite = plan.checker_cite if what == "checker" else plan.completion_cite
            old, new = (_plain(getattr(one, what)) for one in (recorded, plan))
            decisions.append(_decision(what, began, old, new, cite))
        for what, cited in (("levels", plan.levels), ("reminders", plan.reminders)):
            old, new = ([_told(one) for one in getattr(by, what)] for by in (recorded, plan))
            if old or new:
                cite = cited[0].cite if cited else None
                decisions.append(_decision(what, began, old, new, cite))
        return decisions

    async def _amendments(
        self, first: Mapping[str, Any], begun: Mapping[str, Any], life: Sequence[Step]
    ) -> list[Decision]:
        """The windows that an amendment gave, from the same facts under the amended rules."""
        inputs, plan = first["body"].get("inputs"), CasePlan.model_validate(begun["plan"])
        decisions = []
        for step in life:
            plan = ruled_by(plan, step.event, step.body)
            if step.event != AMENDED or not inputs:
                continue
            rules = await self._ruled_by(plan.ruleset.sha256)
            try:
                anew = rules.plan(Facts.model_validate(inputs))
            except (NotPublishable, ValueError) as impossible:
                told = f"这套规则排不出计划：{impossible}"
                decisions.append(_decision("amendment", step.sequence, "windows", told, None))
                continue
            old, new = (
                {name: _span(getattr(one, name)) for name in WINDOWS} for one in (plan, anew)
            )
            decisions.append(_decision("amendment", step.sequence, old, new, anew.fill.cite))
        return decisions

    async def _measures(self, first: Mapping[str, Any], case: Mapping[str, Any]) -> list[Decision]:
        """The measures that a case of enforcement may choose from, and why no others."""
        recorded = CasePlan.model_validate(case["plan"]).enforcement
        inputs = first["body"].get("inputs")
        if recorded is None or not inputs:
            return []
        rules, facts = (
            await self._ruled_by(case["rule_set"]),
            EnforcementFacts.model_validate(inputs),
        )
        try:
            anew = rules.enforcement_terms(facts, recorded.consequences.at)
        except ValueError as impossible:
            told = f"这套规则得不出措施：{impossible}"
            return [_decision("measures", first["sequence"], _proposed(recorded), told, None)]
        cite = anew.measures[0].cite if anew.measures else None
        before, after = _proposed(recorded), _proposed(anew)
        if self._rules is not None:
            # another year's triggers have other ids
            before, after = ({"measures": one["measures"]} for one in (before, after))
        return [_decision("measures", first["sequence"], before, after, cite)]

    async def _sampled(
        self, connection: AsyncConnection, step: Mapping[str, Any], cases: Sequence[auditing.Row]
    ) -> Decision | None:
        """Who is drawn for the quality check: of a campaign all of a draw, of a filing itself."""
        event, body = step["event"], step["body"]
        if event == SAMPLE_DRAWN:
            return await self._draw(connection, step)
        if event not in (EventName.SAMPLED, EventName.NOT_SAMPLED) or not cases:
            return None
        drawn = await self._drawn(connection, cases[0]["campaign"], body["draw"])
        recorded, recomputed = event == EventName.SAMPLED, step["case_id"] in drawn.ids
        return _decision("sample", step["sequence"], recorded, recomputed, drawn.cite)

    async def _draw(self, connection: AsyncConnection, step: Mapping[str, Any]) -> Decision:
        body, campaign = step["body"], step["case_id"]
        drawn = await self._drawn(connection, campaign, body["draw"])
        names = ("commitment", "drawn", "drawn_sha256")
        recorded = {name: body[name] for name in names}
        recomputed = {
            "commitment": commitment(body["seed"]),
            "drawn": len(drawn.ids),
            "drawn_sha256": sha256_of(sorted(drawn.ids)),
        }
        return _decision("sample", step["sequence"], recorded, recomputed, drawn.cite)

    async def _drawn(self, connection: AsyncConnection, campaign: str, number: int) -> "_Drawn":
        """A draw made once more, from its seed and all that took part."""
        if (campaign, number) not in self._draws:
            seed = await samples.seed_of(connection, campaign, number)
            took_part = await samples.sampled(connection, campaign, number)
            rules = {}
            for sha256 in sorted({one.rule_set for one in took_part}):
                sample = (await self._ruled_by(sha256)).sample
                if sample is not None:
                    rules[sha256] = sample
            cite = next((rule.cite for rule in rules.values()), None)
            self._draws = {(campaign, number): _Drawn(drawn_of(rules, seed, took_part), cite)}
        return self._draws[campaign, number]

    async def _step(
        self, step: Mapping[str, Any], case: Mapping[str, Any], facts: Any
    ) -> AsyncIterator[Decision]:
        body, sequence = step["body"], step["sequence"]
        match step["event"]:
            case "assigned":
                if (decision := await self._reviewer(body, sequence)) is not None:
                    yield decision
            case "upload_received":
                async for decision in self._upload(step, case, facts):
                    yield decision
            case "numbered":
                yield await self._number(body, sequence, case)

    async def _reviewer(self, body: Mapping[str, Any], sequence: int) -> Decision | None:
        inputs = body.get("inputs")
        if not inputs:
            return None
        rules = await self._ruled_by(body["ruleset"]["sha256"])
        try:
            anew = rules.route(Facts.model_validate(inputs))
        except ConditionFailed as failed:
            return _decision(
                "reviewer", sequence, {"reviewer": body["reviewer"]}, str(failed), None
            )
        recorded = {
            "reviewer": body["reviewer"],
            "rule": body["rule"],
            "chain": [one["authority"] for one in body["levels"]],
            "candidates": [[one["rule"], one["verdict"]] for one in body["candidates"]],
        }
        recomputed = {
            "reviewer": anew.reviewer,
            "rule": anew.rule,
            "chain": list(anew.chain),
            "candidates": [[one.rule, one.verdict] for one in anew.candidates],
        }
        if self._rules is not None:
            # another year's rules have other ids: who reviews is what counts
            recorded, recomputed = (
                {name: one[name] for name in ("reviewer", "chain")}
                for one in (recorded, recomputed)
            )
        elif body.get("inputs_sha256") and sha256_of(inputs) != body["inputs_sha256"]:
            recomputed["inputs"] = "所记的事实与其哈希不符"
        return _decision("reviewer", sequence, recorded, recomputed, anew.cite)

    async def _upload(
        self, step: Mapping[str, Any], case: Mapping[str, Any], facts: Any
    ) -> AsyncIterator[Decision]:
        body, sequence, plan = step["body"], step["sequence"], CasePlan.model_validate(case["plan"])
        # a file counts from when it was there
        at = min(datetime.fromisoformat(step["at"]), datetime.fromisoformat(step["received_at"]))
        if self._rules is None and plan.numbers is not None:
            yield _decision(
                "visibility",
                sequence,
                datetime.fromisoformat(body["visible_from"]).isoformat(),
                visible_from(plan, at).isoformat(),
                plan.numbers.visible_cite,
            )
        gate = body.get("gate")
        if gate and gate.get("inputs"):
            read, rules = gate["inputs"], await self._ruled_by(gate["ruleset"]["sha256"])
            known = read.get("facts") or facts
            if known:
                standing = FilingRecord.model_validate(read["standing"])
                today = date.fromisoformat(read["today"])
                recorded = {"allowed": gate["allowed"], "rule": gate["rule"]}
                try:
                    anew = rules.gate(Facts.model_validate(known), standing, today)
                except ConditionFailed as failed:
                    yield _decision("gate", sequence, recorded, str(failed), None)
                    return
                recomputed = {"allowed": anew.allowed, "rule": anew.rule}
                if self._rules is not None:
                    recorded, recomputed = (
                        {"allowed": one["allowed"]} for one in (recorded, recomputed)
                    )
                yield _decision("gate", sequence, recorded, recomputed, anew.cite)

    async def _number(
        self, body: Mapping[str, Any], sequence: int, case: Mapping[str, Any]
    ) -> Decision:
        """A number tells its year, authority, field and industry; its serial is told by none."""
        rules: CertificateRules = await self._certificates.get(case["rule_set"])
        told = decode(body["number"], rules.tables)
        recomputed: Any = body["number"]
        if isinstance(told, NumberProblem):
            recomputed = body["number"] if len(body["number"]) != 12 else told.message
        return _decision("number", sequence, body["number"], recomputed, rules.number_cite)


_TABLES = ("journal", "cases")
_DECIDING = (
    EventName.SCHEDULED, EventName.ASSIGNED, EventName.SAMPLED, EventName.NOT_SAMPLED,
    NumberEvent.UPLOAD_RECEIVED, "numbered",
)  # fmt: skip
"""The steps that a decision of a campaign's case is recorded in, beside the first."""


class _Drawn(NamedTuple):
    ids: set[str]
    cite: Citation | None


def _beginnings(rows: auditing.CaseRows) -> list[Mapping[str, Any]]:
    """The steps that a case began with: anew, after its year was annulled and opened again."""
    steps = [row["step"] for row in rows["journal"]]
    return [s for s in steps if s["sequence"] == 1 or s["event"] == EventName.SCHEDULED]


def _ran_on(case: Mapping[str, Any], later: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """What a case ran on before it began anew with step ``later``; None: what it runs on now."""
    if later is None:
        return case
    before = CaseOpening.model_validate(later["body"]["before"])
    return {
        **before.model_dump(include={"year", "quarter"}),
        "rule_set": before.plan.ruleset.sha256,
        "plan": before.plan.model_dump(mode="json"),
    }


def _begun_on(case: Mapping[str, Any], life: Sequence[Step]) -> Mapping[str, Any]:
    """What a case ran on at the beginning of a life, before any amendment in it."""
    plan = plan_before(CasePlan.model_validate(case["plan"]), life)
    begun = {"plan": plan.model_dump(mode="json"), "rule_set": plan.ruleset.sha256}
    return {**case, **begun} if any(step.event == AMENDED for step in life) else case


def _decision(
    kind: str, sequence: int, recorded: Any, recomputed: Any, cite: Citation | None
) -> Decision:
    return Decision(
        kind=kind,
        sequence=sequence,
        recorded=recorded,
        recomputed=recomputed,
        same=recorded == recomputed,
        cite=cite,
    )


def _proposed(terms: EnforcementTerms) -> dict[str, Any]:
    """What may be chosen, by whom, and what came of each trigger."""
    return {
        "measures": [[one.id, one.proposes, one.decides] for one in terms.measures],
        "candidates": [
            one.model_dump(mode="json", exclude={"because"})
            for one in terms.consequences.candidates
        ],
    }


def _span(window: Any) -> list[str] | None:
    if window is None:
        return None
    return [window.opens.isoformat(), window.closes.isoformat()]


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _told(one: Any) -> Any:
    """A review level's authority, a reminder's id and instant."""
    at = getattr(one, "at", None)
    return [one.id, at.isoformat()] if at is not None else one.authority
