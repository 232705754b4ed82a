"""The system that a command works on: the environment's, or that of a data folder."""

import asyncio
import getpass
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import NamedTuple, TypeVar

import typer
from rich.markup import escape
from sqlalchemy.exc import SQLAlchemyError

from api.door.parts import provider_sign_in
from cli.terminal import NOT_IN_ORDER, WRONG_USAGE, err, logs_aside
from domain.case.commands import Actor, Role
from domain.ids import NATION
from domain.messages import explain
from domain.refusals import Code, Refusal, Refused
from rules.file.catalogue import put_in_use
from services.announcements import AnnouncementService
from services.campaigns.amending import AmendmentService
from services.campaigns.closing import ClosingService
from services.campaigns.duties import DutyService
from services.campaigns.opening import CampaignService
from services.campaigns.progress import ProgressService
from services.campaigns.published_figures import PublishedFiguresService
from services.campaigns.report import ReportService
from services.campaigns.sampling import SampleService
from services.case_records import CaseRecords
from services.cases import CaseService
from services.certificates.register import RegisterService
from services.checkpoints import Sealing
from services.clock import system_clock
from services.confirmations import ConfirmationService
from services.contacts import ContactService
from services.doors import engine_of
from services.emergencies import EmergencyService
from services.enforcement.cases import EnforcementService
from services.enforcement.register import EnforcementRegister
from services.extensions import ExtensionService
from services.institution_acts import InstitutionActService
from services.institutions import InstitutionService
from services.jobs import JobService
from services.keys import KeyMissing, hide_with
from services.memberships import MembershipService
from services.notices.outbox import OutboxService
from services.notices.reminding import ReminderService
from services.notices.telling import Telling
from services.notices.webhooks import Webhooks
from services.people import PeopleService
from services.programs import ProgramService
from services.provider_sign_in import ProviderSignIn
from services.publishing import PublicationService
from services.reads import Reads
from services.registrations import RegistrationService
from services.retention import RetentionService
from services.review import ReviewService
from services.roster import RosterService, known_regions
from services.rule_sets import PinnedRules
from services.schedule import ScheduleService
from services.tokens import TokenService
from settings import SettingMissing, Settings, of_system
from store.database import connect

Answer = TypeVar("Answer")
Opened = TypeVar("Opened")


class Services(NamedTuple):
    """What an operator's command works with."""

    campaigns: CampaignService
    progress: ProgressService
    reports: ReportService
    duties: DutyService
    samples: SampleService
    closing: ClosingService
    jobs: JobService
    extensions: ExtensionService
    people: PeopleService
    memberships: MembershipService
    roster: RosterService
    register: RegisterService
    institutions: InstitutionService
    contacts: ContactService
    review: ReviewService
    registrations: RegistrationService
    acts: InstitutionActService
    announcements: AnnouncementService
    reminders: ReminderService
    outbox: OutboxService
    schedule: ScheduleService
    records: CaseRecords
    enforcement: EnforcementService
    measures: EnforcementRegister
    publications: PublicationService
    amendments: AmendmentService
    published_figures: PublishedFiguresService
    reads: Reads
    confirmations: ConfirmationService
    retention: RetentionService


class Credentials(NamedTuple):
    """What commands about tokens, programs, identities, emergencies need: no engine."""

    settings: Settings
    tokens: TokenService
    programs: ProgramService
    provider: ProviderSignIn
    emergencies: EmergencyService


@asynccontextmanager
async def credentials(data: Path) -> AsyncIterator[Credentials]:
    """The same for the system that the environment or the data folder names."""
    logs_aside()
    settings = of_system(data)
    engine = connect(settings.database_url.get_secret_value(), pool_size=1)
    memberships = MembershipService(engine, settings.keyring, None, system_clock)
    try:
        yield Credentials(
            settings,
            TokenService(engine, memberships, system_clock),
            ProgramService(
                engine, memberships, settings.keyring, settings.tokens_per_client, system_clock
            ),
            provider_sign_in(settings, engine, memberships, system_clock),
            EmergencyService(engine, system_clock),
        )
    finally:
        await engine.dispose()


@asynccontextmanager
async def connected(data: Path) -> AsyncIterator[Services]:
    """Services to the system that the environment or the data folder names."""
    logs_aside()
    settings = of_system(data)
    hide_with(settings.keyring)
    client = await engine_of(settings)
    engine = connect(settings.database_url.get_secret_value(), pool_size=2)
    catalogue = put_in_use(settings.rules)
    jobs = JobService(client, engine, system_clock)
    progress = ProgressService(engine, PinnedRules(engine), catalogue, system_clock)
    memberships = MembershipService(engine, settings.keyring, jobs, system_clock)
    duties = DutyService(
        engine, progress, PinnedRules(engine), catalogue, settings.rules, system_clock
    )
    try:
        campaigns = CampaignService(
            client, engine, PinnedRules(engine), settings.rules, system_clock
        )
        yield Services(
            campaigns,
            progress,
            ReportService(engine, progress, PinnedRules(engine), catalogue, duties),
            duties,
            SampleService(client, engine, PinnedRules(engine), system_clock),
            ClosingService(
                engine,
                PinnedRules(engine),
                catalogue.areas,
                Sealing(engine, settings.audit_keys, settings.checkpoints, system_clock),
                system_clock,
            ),
            jobs,
            ExtensionService(engine, jobs, CaseService(client, engine, system_clock), system_clock),
            PeopleService(engine, jobs, system_clock),
            memberships,
            RosterService(engine, known_regions(catalogue, system_clock), system_clock),
            RegisterService(engine, settings.rules, system_clock),
            InstitutionService(engine),
            ContactService(engine, system_clock),
            ReviewService(engine, campaigns, catalogue, system_clock),
            RegistrationService(engine, catalogue, system_clock),
            InstitutionActService(engine, jobs, system_clock),
            AnnouncementService(engine, system_clock),
            ReminderService(
                engine,
                CaseService(client, engine, system_clock),
                Telling(engine, PinnedRules(engine), system_clock),
                system_clock,
            ),
            OutboxService(
                engine,
                Webhooks(settings.keyring, settings.webhook_hosts.split(",")),
                system_clock,
            ),
            ScheduleService(engine, PinnedRules(engine), system_clock),
            CaseRecords(engine),
            EnforcementService(
                client,
                engine,
                PinnedRules(engine),
                settings.rules,
                system_clock,
                settings.templates,
            ),
            EnforcementRegister(engine, system_clock),
            PublicationService(engine, settings.rules, system_clock),
            AmendmentService(engine, PinnedRules(engine), jobs, system_clock),
            PublishedFiguresService(engine, PinnedRules(engine), catalogue.areas),
            Reads(engine, system_clock),
            ConfirmationService(engine, settings.rules, system_clock),
            RetentionService(engine, settings.rules, system_clock),
        )
    finally:
        await engine.dispose()


def run(data: Path, work: Callable[[Services], Awaitable[Answer]], read: str = "") -> Answer:
    """Runs an operator's command; a refusal or a missing system ends it with a sentence.

    ``read`` says of whose data it tells; that it was read goes on record then.
    """

    async def told(services: Services) -> Answer:
        answer = await work(services)
        if read:
            await services.reads.note(operator(), "content_read", read, uuid.uuid4().hex)
        return answer

    return _run(connected(data), told)


def run_on_credentials(data: Path, work: Callable[[Credentials], Awaitable[Answer]]) -> Answer:
    """The same for commands about tokens, programs and identities."""
    return _run(credentials(data), work)


def run_on(
    opened: AbstractAsyncContextManager[Opened], work: Callable[[Opened], Awaitable[Answer]]
) -> Answer:
    """The same for what a command opens by itself."""
    return _run(opened, work)


def _run(
    opened: AbstractAsyncContextManager[Opened], work: Callable[[Opened], Awaitable[Answer]]
) -> Answer:
    async def within() -> Answer:
        async with opened as services:
            return await work(services)

    try:
        return asyncio.run(within())
    except Refused as refused:
        words = explain(refused.refusal)
        err.print(f"[red]{escape(words.title)}[/red]：{escape(words.detail)}{escape(words.remedy)}")
        raise typer.Exit(NOT_IN_ORDER) from None
    except KeyMissing:
        words = explain(Refusal(code=Code.KEYS_MISSING))
        err.print(f"[red]{escape(words.title)}[/red]：{escape(words.detail)}{escape(words.remedy)}")
        raise typer.Exit(NOT_IN_ORDER) from None
    except SettingMissing as missing:
        err.print(f"[red]{escape(str(missing))}[/red]")
        raise typer.Exit(WRONG_USAGE) from None
    except (SQLAlchemyError, RuntimeError, OSError):
        words = explain(Refusal(code=Code.UNAVAILABLE, params={"part": "数据库或流程引擎"}))
        err.print(f"[red]{words.title}[/red]：连不上系统。请先运行 zhibao up，或核对 --data。")
        raise typer.Exit(NOT_IN_ORDER) from None


def operator() -> Actor:
    """Whoever is logged in at the terminal, with the nation as jurisdiction."""
    return Actor(subject=f"cli.{getpass.getuser()}", role=Role.OPERATOR, scope=NATION)
