"""Amendments: filings under way come under newly published rules, each with its outcome.

An amendment is a job beside a row of its own, under the same id. Whoever comes on record from then
on has the new rules; what is decided of the others stays, and the job says of whom.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from domain.canonical import sha256_of
from domain.case.amending import differences
from domain.case.commands import ROLE_LABELS, Actor, Role, forbidden
from domain.case.plan import CasePlan
from domain.case.state import CaseState
from domain.case.status import ENDED, Status
from domain.decision import RuleSetRef
from domain.facts import Facts
from domain.filing.amending import amended, tell_amended
from domain.filing.kind import FILING
from domain.filing.state import FilingState
from domain.ids import campaign_id, jurisdiction_of
from domain.jobs import JobAction, JobOrder
from domain.jurisdictions import authority_of, lies_in, regulates
from domain.messages import explain
from domain.model import Value
from domain.notices import NewNotice, NoticeKind
from domain.numbers.quarters import Period
from domain.refusals import Code, Refusal, Refused
from rules.compiled import CompiledRules
from rules.conditions import ConditionFailed
from services.campaigns.considering import consider
from services.clock import Clock
from services.jobs import Beside, JobService, Selection, id_of_job, reason_required
from services.notices.serving import serve
from services.rule_sets import PinnedRules
from store import amendments, campaigns, content, jobs, journal, publications
from store.amendments import Amendment, UnderWay
from store.campaigns import Campaign
from store.institutions import by_ids

RUNNING = tuple(status for status in Status if status not in ENDED)
_PAGE = 1000
Outcome = Literal["changes", "unneeded", "decided"]


class Revision(Value):
    """The set of one jurisdiction before and after; ``before`` None: it had none of its own."""

    before: RuleSetRef | None
    after: RuleSetRef


class Foreseen(Value):
    """What an amendment would do to one filing, in words."""

    institution: str
    name: str
    region: str
    status: Status
    outcome: Outcome
    what: str


class AmendmentForecast(Value):
    """What an amendment would do now. ``changes`` counts the filings that change alike."""

    revisions: dict[str, Revision]
    running: int
    would_change: int
    decided: int
    changes: dict[str, int]
    rows: tuple[Foreseen, ...]


class AmendmentShown(Value):
    """An amendment; what became of each filing is in the job of the same id."""

    id: str
    document: str
    reason: str
    made_by: str
    made_at: datetime
    revisions: dict[str, Revision]
    total: int
    amended: int
    refused: int


class AmendmentService:
    """Everything that is done with amendments."""

    def __init__(
        self, engine: AsyncEngine, pinned: PinnedRules, of_jobs: JobService, clock: Clock
    ) -> None:
        self._engine = engine
        self._pinned = pinned
        self._jobs = of_jobs
        self._clock = clock

    async def foresee(self, period: Period, jurisdiction: str) -> AmendmentForecast:
        """What amending a campaign by what is published now would do; nothing is written."""
        async with self._engine.connect() as connection:
            campaign, after = await self._newly_published(connection, period, jurisdiction)
            rules = {place: await self._pinned.get(sha) for place, sha in after.items()}
            planned = _Planned(rules, jurisdiction, period)
            rows: list[Foreseen] = []
            last = ""
            while page := await amendments.under_way(
                connection, campaign.case_id, RUNNING, last, _PAGE
            ):
                last = page[-1].case_id
                rows += [self._foreseen(planned, one) for one in page]
            revisions = await _revisions(connection, campaign.rule_sets, after)
        outcomes = Counter(row.outcome for row in rows)
        return AmendmentForecast(
            revisions=revisions,
            running=len(rows),
            would_change=outcomes["changes"],
            decided=outcomes["decided"],
            changes=dict(Counter(row.what for row in rows if row.outcome == "changes")),
            rows=tuple(row for row in rows if row.outcome != "unneeded"),
        )

    async def amend(
        self,
        period: Period,
        jurisdiction: str,
        actor: Actor,
        key: str,
        reason: str,
        document: str = "",
    ) -> AmendmentShown:
        """Brings the filings under way of a campaign under what is published now, one by one.

        The same key again is the same amendment. Raises Refused: not for this role, no reason, a
        quarter, no such campaign, or nothing newly published.
        """
        rule = FILING.commands[JobAction.AMEND]
        if actor.role not in rule.roles:
            raise Refused(forbidden(ROLE_LABELS[actor.role], rule.roles))
        if not reason.strip():
            raise Refused(reason_required(JobAction.AMEND))
        id_ = id_of_job(actor.subject, key)
        async with self._engine.connect() as connection:
            known = await amendments.by_id(connection, id_)
            if known is None:
                campaign, after = await self._newly_published(connection, period, jurisdiction)
                before = campaign.rule_sets
            else:
                before, after = known.before, known.after
        moved = sorted(place for place, sha in after.items() if before.get(place) != sha)
        await self._jobs.begin(
            id_,
            JobAction.AMEND,
            Selection(
                kind=FILING.name,
                campaign=campaign_id(period, jurisdiction),
                statuses=RUNNING,
                regions=tuple(moved),
            ),
            actor,
            {"amendment": id_, "document": document},
            reason,
            beside=_Amended(id_, period, jurisdiction, before, after, document, key),
        )
        return await self.find(id_)

    async def find(self, id_: str) -> AmendmentShown:
        """One amendment. Raises Refused for none."""
        async with self._engine.connect() as connection:
            known = await amendments.by_id(connection, id_)
            if known is None:
                raise Refused(Refusal(code=Code.NOT_FOUND, params={"what": f"修订 {id_}"}))
            return await _shown(connection, known)

    async def of_campaign(self, period: Period, jurisdiction: str) -> tuple[AmendmentShown, ...]:
        """The amendments of a campaign, the newest first."""
        async with self._engine.connect() as connection:
            listed = await amendments.of_campaign(connection, campaign_id(period, jurisdiction))
            return tuple([await _shown(connection, one) for one in listed])

    # --- private steps -----------------------------------------------------------------------

    async def _newly_published(
        self, connection: AsyncConnection, period: Period, jurisdiction: str
    ) -> tuple[Campaign, dict[str, str]]:
        """The campaign and what it would pin; Raises Refused where there is nothing to amend."""
        params = {"year": str(period), "jurisdiction": jurisdiction}
        if period.quarter:
            raise Refused(Refusal(code=Code.QUARTER_NOT_AMENDED, params=params))
        campaign = await campaigns.by_id(connection, campaign_id(period, jurisdiction))
        if campaign is None:
            raise Refused(Refusal(code=Code.CAMPAIGN_NOT_FOUND, params=params))
        if campaign.annulled_at is not None:
            raise Refused(Refusal(code=Code.CAMPAIGN_ANNULLED, params=params))
        published = await publications.in_force(connection, period.year, jurisdiction)
        after = {
            **campaign.rule_sets,
            **{place: one.rule_set for place, one in published.items()},
        }
        if after == campaign.rule_sets:
            raise Refused(Refusal(code=Code.AMENDMENT_UNNEEDED))
        return campaign, after

    def _foreseen(self, planned: "_Planned", one: UnderWay) -> Foreseen:
        new = planned.plan(one.inputs, one.region)
        state = CaseState(
            own=FilingState(),
            status=one.status,
            submitted_before=one.submitted,
            extended_until=one.extended_until,
        )
        found = new if isinstance(new, Refusal) else amended(state, one.plan, new, self._clock())
        outcome: Outcome
        if isinstance(found, Refusal):
            unneeded = found.code is Code.AMENDMENT_UNNEEDED
            outcome, what = ("unneeded" if unneeded else "decided"), explain(found).detail
        else:
            outcome = "changes"
            what = tell_amended({"changes": differences(one.plan, found), "document": ""})
        return Foreseen(
            institution=one.institution_id,
            name=one.institution_name,
            region=one.region,
            status=one.status,
            outcome=outcome,
            what=what,
        )


class _Planned:
    """The plans of filings under the amended rules; equal facts are planned once."""

    def __init__(
        self, rules: Mapping[str, CompiledRules], jurisdiction: str, period: Period
    ) -> None:
        self._rules = rules
        self._jurisdiction = jurisdiction
        self._period = period
        self._known: dict[str, CasePlan | Refusal] = {}

    def plan(self, inputs: Mapping[str, Any] | None, region: str) -> CasePlan | Refusal:
        """What a filing would run on. A refusal where no rules are for it any more."""
        if inputs is None:
            return Refusal(code=Code.AMENDMENT_DECIDED, params={"why": "建立时的事实没有记录"})
        alike = sha256_of({**inputs, "institution": {**inputs["institution"], "id": "0"}})
        if alike not in self._known:
            self._known[alike] = plan_under(
                self._rules, self._jurisdiction, Facts.model_validate(inputs), self._period
            )
        return self._known[alike]


def plan_under(
    rules: Mapping[str, CompiledRules], jurisdiction: str, facts: Facts, period: Period
) -> CasePlan | Refusal:
    """What a filing would run on under the rules of its place; a refusal where none can tell."""
    considered = consider(rules, jurisdiction, facts, period)
    if considered.refusal is not None:
        return considered.refusal
    if not considered.place:
        return Refusal(code=Code.AMENDMENT_UNNEEDED)
    try:
        return rules[considered.place].plan(facts)
    except ConditionFailed as failed:
        return failed.refusal


class _Amended(Beside):
    """An amendment on record with the job that brings each filing under it."""

    may_be_empty = True

    def __init__(
        self,
        id_: str,
        period: Period,
        jurisdiction: str,
        before: dict[str, str],
        after: dict[str, str],
        document: str,
        key: str,
    ) -> None:
        self.about = campaign_id(period, jurisdiction)
        self._id, self._period, self._jurisdiction = id_, period, jurisdiction
        self._before, self._after, self._document, self._key = before, after, document, key

    async def before(self, connection: AsyncConnection) -> None:
        """Whoever comes on record from here on has the new rules; the others are selected."""
        place = self._jurisdiction
        await campaigns.of_place(connection, self._period.year, self._period.quarter, place)

    async def after(
        self, connection: AsyncConnection, order: JobOrder, total: int, now: datetime
    ) -> None:
        """Puts it on record, and has the campaign pin the new rules."""
        standing = await campaigns.by_id(connection, self.about)
        assert standing is not None
        if standing.rule_sets != self._before or standing.annulled_at is not None:
            # somebody was a moment earlier, and what was foreseen is no more
            raise Refused(Refusal(code=Code.AMENDMENT_UNNEEDED))
        await campaigns.amend(connection, self.about, self._after, self._jurisdiction)
        await amendments.add(
            connection,
            Amendment(
                id=self._id,
                campaign=self.about,
                opening=standing.opening,
                before=self._before,
                after=self._after,
                document=self._document,
                note_sha256=order.note_sha256,
                made_by=order.actor,
                made_at=now,
            ),
        )
        changed = sorted(p for p, sha in self._after.items() if self._before.get(p) != sha)
        await self._tell(connection, changed, order.actor, now)
        body = {
            "amendment": self._id,
            "places": changed,
            "rule_sets": self._after,
            "document": self._document,
            "total": total,
        }
        await journal.append_operator_step(
            connection,
            self.about,
            "campaign_amended",
            order.actor,
            now,
            body,
            self._key,
            note_sha256=order.note_sha256,
        )

    async def _tell(
        self, connection: AsyncConnection, changed: Sequence[str], by: Actor, now: datetime
    ) -> None:
        """Has the regulators of the places, and whoever has filings of them, told; each once.

        The filers are told one by one, when their filing has changed.
        """
        held = await amendments.held(connection, self._id)
        waiting: Counter[str] = Counter()
        for one in held:
            if one.authority:
                waiting[one.authority] += one.number
        revisions = await _revisions(connection, self._before, self._after)
        told = "；".join(
            f"{place} 改按 {both.after.id} 第 {both.after.revision} 版"
            f"（SHA-256 {both.after.sha256[:12]}…）"
            for place, both in revisions.items()
        )
        basis = f"依据 {self._document}。" if self._document else ""
        for authority in sorted({*map(authority_of, changed), *waiting}):
            place = jurisdiction_of(authority)
            inside = sum(
                one.number for one in held if regulates(authority) and lies_in(one.region, place)
            )
            await serve(
                connection,
                NewNotice(
                    case_id=self.about,
                    key=self._id,
                    kind=NoticeKind.AMENDMENT,
                    institution="",
                    audience=Role.REVIEWER,
                    addressee=authority,
                    title=f"{self._period} 年度统计工作的规则修订",
                    body=(
                        f"{self._period} 年度统计工作的规则已经修订：{told}。{basis}"
                        f"本部门正在审核或质量审查 {waiting[authority]} 件，"
                        f"辖区内正在办理 {inside} 件。"
                        "各件随后逐一改按新的规则，已经确定的事项不变；"
                        f"每一件的结果见批办 {self._id}。"
                    ),
                    served_by=by,
                    served_at=now,
                ),
                now,
            )


async def plan_of(
    connection: AsyncConnection, pinned: PinnedRules, case_id: str, amendment: str
) -> CasePlan | Refusal:
    """What a filing would run on under an amendment, by the facts that it began with."""
    known = await amendments.by_id(connection, amendment)
    if known is None:
        return Refusal(code=Code.NOT_FOUND, params={"what": f"修订 {amendment}"})
    inputs = await amendments.inputs(connection, case_id)
    if inputs is None:
        id_ = case_id.rsplit("/", 1)[-1]
        facts = (await by_ids(connection, [id_]))[id_].facts_for(None)
    else:
        facts = Facts.model_validate(inputs)
    rules = {place: await pinned.get(sha) for place, sha in known.after.items()}
    _, period, jurisdiction = known.campaign.split("/")
    return plan_under(rules, jurisdiction, facts, Period.parse(period))


async def _revisions(
    connection: AsyncConnection, before: Mapping[str, str], after: Mapping[str, str]
) -> dict[str, Revision]:
    moved = {place: sha for place, sha in after.items() if before.get(place) != sha}
    hashes = [*moved.values(), *(before[place] for place in moved if place in before)]
    named = await publications.named(connection, hashes)

    def ref(sha: str) -> RuleSetRef:
        return RuleSetRef(id=named[sha][0], revision=named[sha][1], sha256=sha)

    return {
        place: Revision(before=ref(before[place]) if place in before else None, after=ref(sha))
        for place, sha in sorted(moved.items())
    }


async def _shown(connection: AsyncConnection, amendment: Amendment) -> AmendmentShown:
    notes = await content.notes_by_sha256(connection, [amendment.note_sha256])
    job = await jobs.by_id(connection, amendment.id)
    assert job is not None
    return AmendmentShown(
        id=amendment.id,
        document=amendment.document,
        reason=notes.get(amendment.note_sha256, {}).get("reason", ""),
        made_by=amendment.made_by.subject,
        made_at=amendment.made_at,
        revisions=await _revisions(connection, amendment.before, amendment.after),
        total=job.total,
        amended=job.done,
        refused=job.refused,
    )
