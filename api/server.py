"""The API's composition root: connects the parts and serves HTTP."""

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
import uvicorn
from starlette.applications import Starlette

from api.door.app import create_app
from api.door.parts import build_parts
from engine.client import connect_engine
from settings import Settings
from store.database import connect

log = structlog.get_logger()

PATIENCE = 10.5
"""Seconds for which a request waits for a database that says nothing: longer than the search of
certificates may take, shorter than `api.door.app.DEADLINE`."""


@asynccontextmanager
async def application(settings: Settings) -> AsyncIterator[Starlette]:
    """The application on real servers; its connections are closed afterwards."""
    client = await connect_engine(settings.temporal_address, settings.temporal_namespace)
    engine = connect(settings.database_url.get_secret_value(), pool_size=20, patience=PATIENCE)
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
