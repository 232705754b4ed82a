"""The worker's composition root: connects the parts and serves the task queue."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client
from temporalio.runtime import PrometheusConfig, Runtime, TelemetryConfig
from temporalio.worker import UnsandboxedWorkflowRunner, Worker, WorkflowRunner
from temporalio.workflow import NondeterminismError

from activities.annual_filing import FilingActivities
from activities.campaign import CampaignActivities
from activities.certificate import CertificateActivities
from activities.certificate_import import CertificateImportActivities
from activities.complaint import ComplaintActivities
from activities.enforcement import EnforcementActivities
from activities.job import JobActivities
from activities.report_batch import ReportBatchActivities
from domain.case.workflow_messages import TASK_QUEUE
from engine.orders import Checking, Secrets
from rules.file.catalogue import put_in_use
from rules.file.library import SHIPPED
from services.archive import Archiving
from services.cases import CaseService
from services.certificates.applications import CertificateService
from services.certificates.imports import CertificateImportService
from services.certificates.keys import SigningKeys
from services.certificates.printing import unprintable_with
from services.checkpoints import Sealing
from services.clock import system_clock
from services.contents import ContentService
from services.deadlines import Deadlines
from services.doors import door_of, engine_of
from services.enforcement.cases import EnforcementService
from services.jobs import JobService
from services.key_records import KeyRecords
from services.memberships import PassedRoles
from services.notices.delivery import Delivering
from services.notices.mail import MailServer
from services.notices.telling import Telling
from services.notices.webhooks import Webhooks
from services.numbers.batches import BatchService
from services.orders import OrderRecords
from services.reconciler import Reconciler
from services.recovery import Recovery
from services.roster import known_regions
from services.rule_sets import PinnedCertificateRules, PinnedRules
from settings import Settings, key_folders
from store.database import connect
from store.writer import JournalWriter
from workflows.registry import WORKFLOWS

log = structlog.get_logger()


def build_worker(
    client: Client,
    engine: AsyncEngine,
    commands: Secrets,
    *,
    runner: WorkflowRunner | None = None,
    max_cached_workflows: int = 2000,
    certificate_keys: Path | None = None,
    rules: Path = SHIPPED,
    templates: Path | None = None,
) -> Worker:
    """A worker with every workflow and activity; ``commands`` are the keys orders are signed with.

    In production workflows run outside the sandbox: it costs a third of a filing's life, and
    the purity lint, the sandboxed tests and the replay tests stand in for it.
    """
    pinned = PinnedRules(engine)
    pinned_certificates = PinnedCertificateRules(engine)
    importing = _importing(client, engine, rules, pinned_certificates, templates)
    contents = ContentService(engine, pinned, system_clock)
    filings = FilingActivities(engine, JournalWriter(engine), pinned, contents)
    batches = ReportBatchActivities(engine, pinned)
    cases = CaseService(client, engine, system_clock)
    complaints = ComplaintActivities(engine, cases)
    campaigns = CampaignActivities(engine, client, pinned)
    certificates = CertificateActivities(
        engine,
        JournalWriter(engine),
        pinned_certificates,
        SigningKeys(certificate_keys),
        cases,
        unprintable_with(templates),
    )
    enforcement = EnforcementActivities(engine, rules)
    opening = EnforcementService(client, engine, pinned, rules, system_clock, templates)
    jobs = JobActivities(engine, opening, system_clock)
    imports = CertificateImportActivities(engine, importing.carry_out, system_clock)
    return Worker(
        client,
        task_queue=TASK_QUEUE,
        workflows=WORKFLOWS,
        activities=[
            filings.record_steps,
            filings.prepare_submission,
            filings.prepare_amendment,
            filings.read_steps,
            batches.prepare_upload,
            batches.ingest_upload,
            batches.change_numbers,
            complaints.settle_complaint,
            enforcement.prepare_enforcement,
            certificates.prepare_application,
            certificates.allot_number,
            certificates.record_certificate,
            certificates.supersede_predecessor,
            imports.work_through_import,
            jobs.work_through_job,
            campaigns.begin_campaign,
            campaigns.start_filings,
            campaigns.enter_stage,
        ],
        interceptors=[Checking(commands, OrderRecords(engine, system_clock))],
        workflow_runner=runner or UnsandboxedWorkflowRunner(),
        # what does not replay under this code ends, and the reconciler starts it from its record
        workflow_failure_exception_types=[NondeterminismError],
        max_cached_workflows=max_cached_workflows,
        graceful_shutdown_timeout=timedelta(seconds=10),
    )


def filings_worker(client: Client, activities: Sequence[Callable[..., Awaitable[Any]]]) -> Worker:
    """A worker for annual filings alone, with whatever stands in for their activities."""
    return Worker(
        client,
        task_queue=TASK_QUEUE,
        workflows=WORKFLOWS,
        activities=activities,
        workflow_runner=UnsandboxedWorkflowRunner(),
        max_cached_workflows=10_000,
        # thousands of filings in one process: a pause to collect garbage is no deadlock
        debug_mode=True,
    )


def _importing(
    client: Client,
    engine: AsyncEngine,
    rules: Path,
    pinned: PinnedCertificateRules,
    templates: Path | None = None,
) -> CertificateImportService:
    issuing = CertificateService(client, engine, rules, pinned, system_clock, templates)
    regions = known_regions(put_in_use(rules), system_clock)
    return CertificateImportService(client, engine, issuing, regions, system_clock)


def _recovery(client: Client, engine: AsyncEngine, rules: Path) -> Recovery:
    return Recovery(
        engine,
        _importing(client, engine, rules, PinnedCertificateRules(engine)),
        BatchService(client, engine, PinnedRules(engine), system_clock),
        system_clock,
    )


def _delivering(settings: Settings, engine: AsyncEngine) -> Delivering:
    host, _, port = settings.mail_server.rpartition(":")
    server = None
    if host:
        server = MailServer(
            host,
            int(port),
            settings.mail_sender,
            settings.mail_security,
            settings.mail_user,
            settings.mail_password,
        )
    hooks = Webhooks(settings.keyring, settings.webhook_hosts.split(","), settings.site)
    return Delivering(engine, server, hooks, system_clock)


@contextlib.asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[Worker]:
    """A running worker on real servers; stops gracefully."""
    client = await engine_of(settings)
    engine = connect(settings.database_url.get_secret_value())
    try:
        worker = build_worker(
            client,
            engine,
            door_of(settings).commands,
            certificate_keys=settings.certificate_keys,
            rules=settings.rules,
            templates=settings.templates,
        )
        recovery = _recovery(client, engine, settings.rules)
        reconciler = Reconciler(client, engine, PinnedRules(engine), system_clock)
        deadlines = Deadlines(client, engine, system_clock)
        sealing = Sealing(engine, settings.audit_keys, settings.checkpoints, system_clock)
        telling = Telling(engine, PinnedRules(engine), system_clock, settings.templates)
        enforcing = EnforcementService(
            client,
            engine,
            PinnedRules(engine),
            settings.rules,
            system_clock,
            settings.templates,
        )
        async with (
            worker,
            recovery.running(),
            reconciler.running(),
            deadlines.running(),
            PassedRoles(engine, JobService(client, engine, system_clock), system_clock).running(),
            sealing.running(),
            KeyRecords(engine, key_folders(settings), settings.keys, system_clock).running(),
            Archiving(client, engine, system_clock).running(),
            telling.running(),
            enforcing.running(),
            _delivering(settings, engine).running(),
        ):
            yield worker
    finally:
        await engine.dispose()


async def serve(settings: Settings) -> None:
    """Serves until asked to stop (SIGTERM or SIGINT). Raises ValueError: no metrics there."""
    if settings.metrics:
        shown = PrometheusConfig(bind_address=settings.metrics)
        Runtime.set_default(Runtime(telemetry=TelemetryConfig(metrics=shown)))
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    async with serving(settings):
        log.info("worker_ready", temporal=settings.temporal_address)
        await stopping.wait()
    log.info("worker_stopped")
