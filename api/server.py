"""The API's composition root: connects the parts and serves HTTP."""

import asyncio
import gc
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import FrameType

import structlog
import uvicorn

from api.door.app import Application, create_app
from api.door.bounded import BoundedProtocol
from api.door.draining import Draining
from api.door.parts import build_parts
from api.public import PUBLIC
from engine.client import no_engine
from services.doors import engine_of
from settings import Settings
from store.database import connect, connect_public

log = structlog.get_logger()

FOUND_OUT_WITHIN = 3.0
"""Seconds after SIGTERM in which people still come, and ``readyz`` says that they should not."""

BODIES_WITHIN = 5.0
"""Seconds after that in which files that are being sent may still come to their end."""

_MOMENT = 0.5

PATIENCE = 10.5
"""Seconds for which a request waits for a database that says nothing: longer than the search of
certificates may take, shorter than `api.door.app.DEADLINE`."""


LONGEST_ASKED = 3.0
"""Seconds that the database works on one question of the public, then it is given up."""


@asynccontextmanager
async def application(settings: Settings) -> AsyncIterator[Application]:
    """The application on real servers; its connections are closed afterwards."""
    client = await engine_of(settings)
    engine = connect(settings.database_url.get_secret_value(), pool_size=20, patience=PATIENCE)
    public = connect_public(
        settings.database_url.get_secret_value(),
        longest=LONGEST_ASKED,
        pool_size=8,
        patience=PATIENCE,
    )
    parts = build_parts(settings, client, engine, public=public)
    try:
        async with parts.lookups.running(), parts.enquiries.running():
            yield create_app(parts, settings.hosts)
    finally:
        await public.dispose()
        await engine.dispose()


@asynccontextmanager
async def public_application(settings: Settings) -> AsyncIterator[Application]:
    """What anybody may read, by itself: no engine, no key, and a database login of its own."""
    public = connect_public(
        settings.database_url.get_secret_value(), longest=LONGEST_ASKED, patience=PATIENCE
    )
    parts = build_parts(settings, await no_engine(), public)
    try:
        async with parts.lookups.running(), parts.enquiries.running():
            yield create_app(parts, settings.hosts, PUBLIC)
    finally:
        await public.dispose()


async def serve(settings: Settings, *, public: bool = False) -> None:
    """Serves HTTP until asked to stop: by SIGTERM, with others to go on, or by SIGINT, at once.

    ``public``: only what anybody may read.
    """
    served = public_application if public else application
    async with served(settings) as app:
        settle()
        await DrainingServer(http_config(app, settings), app.parts.draining).serve()


class DrainingServer(uvicorn.Server):
    """Ends so that nobody notices who has another API to go to.

    Told to end by SIGTERM it first only says that it is not ready, while whoever sends people here
    finds that out; then it takes no connection any more and ends what is under way. Told by SIGINT,
    or told again, it does not wait to be found out.
    """

    def __init__(self, config: uvicorn.Config, draining: Draining) -> None:
        super().__init__(config)
        self._draining = draining

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal to end."""
        self.force_exit = self.should_exit and sig == signal.SIGINT
        at_once = sig != signal.SIGTERM or self._draining.begun
        self._draining.begin()
        wait, bodies = (0.0, _MOMENT) if at_once else (FOUND_OUT_WITHIN, BODIES_WITHIN)
        loop = asyncio.get_running_loop()
        loop.call_soon_threadsafe(loop.call_later, wait, self._end)
        loop.call_soon_threadsafe(loop.call_later, wait + bodies, self._draining.cut)

    def _end(self) -> None:
        self.should_exit = True


def settle() -> None:
    """Spares the garbage collector what has been made so far: it stays, and it is a lot."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


def http_config(app: Application, settings: Settings) -> uvicorn.Config:
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
        http=BoundedProtocol,
        ws="none",
    )
