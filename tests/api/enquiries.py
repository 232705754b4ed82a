"""The application for questions about certificates: a clock that tests move, and signing keys."""

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client

from api.door.app import create_app
from api.door.parts import Parts, build_parts
from api.server import LONGEST_ASKED
from domain.case.commands import Actor, Role
from domain.certificates.certificate import Certificate, CertificateContent
from domain.certificates.issuing import HeldCertificate
from domain.clock import BEIJING
from services.certificates.keys import SigningKeys, add_key
from settings import Settings
from store.database import connect_public
from tests.certificates import content
from tests.registered import register
from tests.system import KEY, disposed

DAY = datetime(2025, 3, 22, 9, tzinfo=BEIJING)
SIGNED_ON = date(2022, 1, 1)


class Enquiries:
    """The application, and shorthand for certificates with genuine signatures."""

    def __init__(self, engine: AsyncEngine, parts: Parts, http: httpx.AsyncClient) -> None:
        self.engine = engine
        self.parts = parts
        self.http = http
        self.now = DAY

    def signed(self, held: HeldCertificate, **changed: Any) -> str:
        """The statement on the paper of a certificate with such content."""
        certificate = Certificate(
            code=held.code,
            number=held.number,
            issued_on=held.issued_on,
            valid_from=held.valid_from,
            valid_to=held.valid_to,
            status=held.status,
            content=CertificateContent(**content(f"lab-{held.number}", **changed)),
        )
        return self.parts.keys.statement(certificate, SIGNED_ON)

    async def put(self, number: str, **changed: Any) -> tuple[str, str]:
        """A certificate on record; its code and the statement on its paper."""
        held = await register(self.engine, number, **changed)
        own = {name: value for name, value in changed.items() if name in {"holder", "issuer"}}
        return held.code, self.signed(held, **own)

    def token(self, role: Role, scope: str = "") -> dict[str, str]:
        """The header of somebody in a capacity."""
        actor = Actor(subject=f"{role}-1", role=role, scope=scope)
        issued = self.parts.identity.issue(actor, datetime.now(UTC), timedelta(days=90))
        return {"Authorization": f"Bearer {issued}"}

    async def scan(self, code: str, statement: str | None = None) -> Any:
        """The answer to a scan, as JSON."""
        given = {} if statement is None else {"s": statement}
        answer = await self.http.get(f"/public/certificates/code/{code}", params=given)
        assert answer.status_code in (200, 404), answer.text
        return answer.json()

    async def page(self, code: str, statement: str | None = None) -> httpx.Response:
        """The page a scan opens."""
        given = {} if statement is None else {"s": statement}
        return await self.http.get(f"/c/{code}", params=given)


@asynccontextmanager
async def enquiries_on(
    engine: AsyncEngine, rules: Path, **settings: Any
) -> AsyncIterator[Enquiries]:
    """The whole application over a database; its engine client connects to nothing."""
    holder: list[Enquiries] = []
    public = connect_public(engine.url, longest=LONGEST_ASKED, pool_size=4)

    def clock() -> datetime:
        return holder[0].now

    with tempfile.TemporaryDirectory(prefix="zk") as folder:
        add_key(Path(folder), "test-1", date(2019, 1, 1))
        given = {
            "lookups_per_client": "1000000/minute",
            "lookups_per_prefix": "1000000/minute",
            "certificate_keys": Path(folder),
            **settings,
        }
        parts = build_parts(
            Settings(
                database_url=SecretStr("postgresql+psycopg://unused"),
                temporal_address="unused",
                token_key=SecretStr(KEY),
                rules=rules,
                **given,
            ),
            await Client.connect("127.0.0.1:1", lazy=True),
            engine,
            clock,
            public,
        )
        assert isinstance(parts.keys, SigningKeys)
        transport = httpx.ASGITransport(app=create_app(parts), raise_app_exceptions=False)
        async with (
            disposed(public),
            httpx.AsyncClient(transport=transport, base_url="http://test") as http,
        ):
            holder.append(Enquiries(engine, parts, http))
            async with parts.enquiries.running():
                yield holder[0]
