"""The application under measurement, in a process of its own: ``python -m bench.lookup_server``.

As shipped, with a route beside it that does nothing; prints its port when it serves. Without
``--keep`` no answer is kept from one lookup to the next.
"""

import argparse
import asyncio
import socket
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta

import uvicorn
import uvloop
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from temporalio.client import Client

from api.door.app import create_app
from api.door.parts import build_parts
from api.server import http_config, settle
from domain.citation import Citation
from domain.decision import Eligibility, PublicAnswer
from domain.facts import Facts
from domain.numbers.report_numbers import ANSWER_LABELS, Answer
from services.clock import system_clock
from services.numbers.lookup import KEEP, LookupService
from services.rate_limits import RateLimits
from settings import from_environment
from store.database import connect

NOTHING = "/nothing"


class _Rules:
    public_answers: Mapping[Answer, PublicAnswer] = {
        answer: PublicAnswer(
            title=label,
            says=label,
            proves="",
            does_not_prove="x" * 100,
            next_step="",
            cites=(Citation(document="x", clause="x"),),
        )
        for answer, label in ANSWER_LABELS.items()
    }

    def number_eligibility(self, facts: Facts, today: date) -> Eligibility:
        return Eligibility(eligible=True)


async def nothing(request: Request) -> Response:
    """The bare limit: routed like everything else, and answered at once."""
    return PlainTextResponse("ok")


async def serve(*, keep: bool) -> None:
    """Serves until told to stop."""
    settings = from_environment()
    engine = connect(settings.database_url.get_secret_value(), pool_size=20)
    client = await Client.connect("127.0.0.1:1", lazy=True)
    parts = build_parts(settings, client, engine)
    some = _Rules()
    limits = RateLimits(settings.lookups_per_client, settings.lookups_per_prefix)
    lookups = LookupService(
        engine, lambda: some, system_clock, limits, answers_for=KEEP if keep else timedelta()
    )
    app = create_app(replace(parts, lookups=lookups))
    # first of all routes: no more is done for it than must be
    app.router.routes.insert(0, Route(NOTHING, nothing))
    listening = socket.create_server(("127.0.0.1", 0))
    async with lookups.running():
        settle()
        server = uvicorn.Server(http_config(app, settings))
        serving = asyncio.create_task(server.serve([listening]))
        while not server.started:
            await asyncio.sleep(0.01)
        print(listening.getsockname()[1], flush=True)
        await serving
    await engine.dispose()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", action="store_true")
    uvloop.run(serve(keep=parser.parse_args().keep))
