"""The onboarding of provinces: what each has to have done, and how far it has come."""

import asyncio
from datetime import date, datetime
from typing import Literal

from sqlalchemy.ext.asyncio import AsyncEngine

from domain.case.commands import Actor
from domain.citation import Citation
from domain.clock import day_of
from domain.ids import jurisdiction_of
from domain.jurisdictions import lies_in
from domain.model import Value
from domain.refusals import Code, Refusal, Refused
from rules.certificates.certificates import CertificateRules
from services.certificates.applications import CertificateService
from services.clock import Clock
from store import journal
from store.connected import provinces
from store.connected.provinces import PlannedMode as PlannedMode
from store.connected.provinces import Progress
from store.connected.provinces import ProvincePlan as ProvincePlan


class ProvinceDeadline(Value):
    """What a province has to have done by the end of ``last``; ``done_on`` None: not yet.

    ``overdue``: not done, and the last day has passed.
    """

    id: str
    label: str
    last: date
    source: dict[str, str]
    done_on: date | None
    overdue: bool


class Issued(Value):
    """How many certificates have come in by each of the three ways."""

    manual: int
    batch: int
    connected: int


class ProvinceShown(Value):
    """How one province's certificates are coded, and how far its onboarding has come."""

    authority: str
    name: str
    mode: Literal["manual", "connected"]
    mode_source: dict[str, str]
    deadlines: tuple[ProvinceDeadline, ...]
    plan: ProvincePlan | None
    first_sandbox_delivery: datetime | None
    first_delivery: datetime | None
    issued: Issued


class ProvinceService:
    """Reads how far provinces are, and records what they send in."""

    def __init__(self, engine: AsyncEngine, certificates: CertificateService, clock: Clock) -> None:
        self._engine = engine
        self._certificates = certificates
        self._clock = clock

    async def overview(self, jurisdiction: str) -> list[ProvinceShown]:
        """The provinces in a jurisdiction, in the order of their codes, as of now."""
        rules = await asyncio.to_thread(self._certificates.rules)
        today = day_of(self._clock())
        async with self._engine.connect() as connection:
            plans = await provinces.plans(connection)
            progress = await provinces.progress(connection)
        return [
            _shown(rules, one, plans.get(one), progress.get(one, Progress()), today)
            for one in known_provinces(rules)
            if lies_in(jurisdiction_of(one), jurisdiction)
        ]

    async def record_plan(
        self,
        authority: str,
        received_on: date,
        document: str,
        mode: PlannedMode,
        actor: Actor,
        command_id: str,
    ) -> ProvincePlan:
        """Puts a province's plan on record; one sent in later takes its place. Raises Refused."""
        rules = await asyncio.to_thread(self._certificates.rules)
        if authority not in known_provinces(rules):
            raise Refused(Refusal(code=Code.NOT_FOUND, params={"what": f"省级部门 {authority}"}))
        now = self._clock()
        plan = ProvincePlan(
            authority=authority,
            received_on=received_on,
            document=document,
            mode=mode,
            recorded_by=actor.subject,
            recorded_at=now,
        )
        async with self._engine.begin() as connection:
            step = await journal.append_operator_step(
                connection,
                f"province/{authority}",
                "plan_received",
                actor,
                now,
                {"received_on": received_on.isoformat(), "document": document, "mode": mode},
                command_id,
            )
            # the same command again, long after, does not undo a later one
            if step.at == now:
                await provinces.save_plan(connection, plan)
            known = (await provinces.plans(connection))[authority]
        return known


def known_provinces(rules: CertificateRules) -> list[str]:
    """The authorities of provinces, in the order of their codes."""
    return sorted(one for one in rules.document.names if one.startswith("amr-"))


def _shown(
    rules: CertificateRules,
    authority: str,
    plan: ProvincePlan | None,
    progress: Progress,
    today: date,
) -> ProvinceShown:
    first = progress.first_certificate
    done: dict[str, date | None] = {
        "plan": plan.received_on if plan is not None else None,
        "connected": day_of(first) if first is not None else None,
    }
    return ProvinceShown(
        authority=authority,
        name=rules.authority_name(authority),
        mode=rules.mode(authority),
        mode_source=_source(rules.mode_cite(authority)),
        deadlines=tuple(
            ProvinceDeadline(
                id=one.id,
                label=one.label,
                last=one.last,
                source=_source(one.cite),
                done_on=done.get(one.id),
                overdue=done.get(one.id) is None and today > one.last,
            )
            for one in rules.deadlines
        ),
        plan=plan,
        first_sandbox_delivery=progress.first_sandbox_delivery,
        first_delivery=progress.first_delivery,
        issued=Issued(manual=progress.manual, batch=progress.batch, connected=progress.connected),
    )


def _source(cite: Citation) -> dict[str, str]:
    return {name: value for name, value in cite.model_dump().items() if value}
