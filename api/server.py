"""The API's composition root: connects the parts and serves HTTP."""

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
import uvicorn
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.applications import Starlette
from temporalio.client import Client

from api.door.app import create_app
from api.door.identity import Identity
from api.door.parts import Parts
from engine.client import connect_engine
from rules.file.catalogue import cached_catalogue
from services.campaigns import CampaignService
from services.certificates.applications import CertificateService
from services.certificates.enquiries import CertificateEnquiries
from services.certificates.imports import CertificateImportService
from services.certificates.keys import SigningKeys
from services.certificates.printing import Printer
from services.certificates.register import RegisterService
from services.clock import Clock, system_clock
from services.complaints import ComplaintService
from services.connected.clients import ClientService
from services.connected.deliveries import DeliveryService
from services.connected.provinces import ProvinceService
from services.filings import FilingService
from services.numbers.batches import BatchService
from services.numbers.lookup import LookupService, latest_rules
from services.rate_limits import RateLimits
from services.roster import RosterService, known_regions
from services.rule_sets import PinnedCertificateRules, PinnedRules
from settings import Settings
from store.database import connect

log = structlog.get_logger()


def build_parts(
    settings: Settings, client: Client, engine: AsyncEngine, clock: Clock = system_clock
) -> Parts:
    """All parts of the API over one engine client and one database."""
    catalogue = cached_catalogue(settings.rules)
    pinned = PinnedRules(engine)
    certificates = CertificateService(
        client, engine, settings.rules, PinnedCertificateRules(engine), clock, settings.templates
    )
    keys = SigningKeys(settings.certificate_keys)
    limits = RateLimits(settings.lookups_per_client, settings.lookups_per_prefix)
    return Parts(
        engine=engine,
        identity=Identity(settings.token_key.get_secret_value()),
        clock=clock,
        rules=settings.rules,
        pinned=pinned,
        filings=FilingService(client, engine, pinned, clock),
        batches=BatchService(client, engine, pinned, clock),
        complaints=ComplaintService(
            client,
            engine,
            settings.rules,
            clock,
            settings.token_key.get_secret_value(),
            settings.complaints_per_client,
        ),
        certificates=certificates,
        keys=keys,
        imports=CertificateImportService(
            client, engine, certificates, known_regions(catalogue), clock
        ),
        register=RegisterService(engine, settings.rules, clock),
        clients=ClientService(engine, clock, settings.tokens_per_client),
        deliveries=DeliveryService(
            engine,
            certificates,
            known_regions(catalogue),
            settings.public_site,
            clock,
            settings.deliveries_per_client,
        ),
        provinces=ProvinceService(engine, certificates, clock),
        site=settings.public_site,
        papers=Printer(settings.templates),
        campaigns=CampaignService(client, engine, pinned, settings.rules, clock),
        roster=RosterService(engine, known_regions(catalogue), clock),
        lookups=LookupService(engine, latest_rules(settings.rules), clock, limits),
        enquiries=CertificateEnquiries(
            engine, certificates.rules, keys.published, catalogue.authority_name, clock, limits
        ),
        authority_name=catalogue.authority_name,
    )


@asynccontextmanager
async def application(settings: Settings) -> AsyncIterator[Starlette]:
    """The application on real servers; its connections are closed afterwards."""
    client = await connect_engine(settings.temporal_address, settings.temporal_namespace)
    engine = connect(settings.database_url.get_secret_value(), pool_size=20)
    parts = build_parts(settings, client, engine)
    try:
        async with parts.lookups.running(), parts.enquiries.running():
            yield create_app(parts)
    finally:
        await engine.dispose()


async def serve(settings: Settings) -> None:
    """Serves HTTP until asked to stop (SIGTERM or SIGINT)."""
    async with application(settings) as app:
        settle()
        await uvicorn.Server(http_config(app, settings)).serve()


def settle() -> None:
    """Spares the garbage collector what has been made so far: it stays, and it is a lot."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


def http_config(app: Starlette, settings: Settings) -> uvicorn.Config:
    """How HTTP is served."""
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        # whoever is not a trusted proxy cannot say for whom it asks
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=settings.trusted_proxies,
        timeout_graceful_shutdown=20,
        h11_max_incomplete_event_size=32 * 1024,
    )
