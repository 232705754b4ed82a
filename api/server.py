"""The API's composition root: connects the parts and serves HTTP."""

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
import uvicorn
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.applications import Starlette
from temporalio.client import Client

from activities.rule_sets import PinnedCertificateRules, PinnedRules
from activities.signing_keys import SigningKeys
from api.app import create_app
from api.identity import Identity
from api.parts import Parts
from gateways.api_clients import ClientGateway
from gateways.campaigns import CampaignGateway
from gateways.certificates import CertificateGateway
from gateways.clock import Clock, system_clock
from gateways.complaints import ComplaintGateway
from gateways.deliveries import DeliveryGateway
from gateways.engine import connect_engine
from gateways.filings import FilingGateway
from gateways.lookup import LookupGateway, latest_rules
from gateways.lookup_limits import LookupLimits
from gateways.papers import Printer
from gateways.provinces import ProvinceGateway
from gateways.report_batches import BatchGateway
from gateways.roster import RosterGateway, known_regions
from rules.catalogue import cached_catalogue
from settings import Settings
from store.engine import connect

log = structlog.get_logger()


def build_parts(
    settings: Settings, client: Client, engine: AsyncEngine, clock: Clock = system_clock
) -> Parts:
    """All parts of the API over one engine client and one database."""
    catalogue = cached_catalogue(settings.rules)
    pinned = PinnedRules(engine)
    certificates = CertificateGateway(
        client, engine, settings.rules, PinnedCertificateRules(engine), clock
    )
    return Parts(
        engine=engine,
        identity=Identity(settings.token_key.get_secret_value()),
        clock=clock,
        rules=settings.rules,
        pinned=pinned,
        filings=FilingGateway(client, engine, pinned, clock),
        batches=BatchGateway(client, engine, pinned, clock),
        complaints=ComplaintGateway(
            client,
            engine,
            settings.rules,
            clock,
            settings.token_key.get_secret_value(),
            settings.complaints_per_client,
        ),
        certificates=certificates,
        clients=ClientGateway(engine, clock, settings.tokens_per_client),
        deliveries=DeliveryGateway(
            engine,
            certificates,
            known_regions(catalogue),
            settings.public_site,
            clock,
            settings.deliveries_per_client,
        ),
        provinces=ProvinceGateway(engine, certificates, clock),
        keys=SigningKeys(settings.certificate_keys),
        site=settings.public_site,
        papers=Printer(settings.templates),
        campaigns=CampaignGateway(client, engine, pinned, settings.rules, clock),
        roster=RosterGateway(engine, known_regions(catalogue), clock),
        lookups=LookupGateway(
            engine,
            latest_rules(settings.rules),
            clock,
            LookupLimits(settings.lookups_per_client, settings.lookups_per_prefix),
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
        async with parts.lookups.running():
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
