"""Databases of tests: made from the migrated one, and reached as whom it takes."""

import itertools
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import psycopg
from sqlalchemy import NullPool, make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from deploy.embedded.postgres import MIGRATOR, SUPERUSER, EmbeddedPostgres
from store.roles import OWNER

_passwords: dict[str, str] = {}
_numbers = itertools.count(1)


def know(server: EmbeddedPostgres) -> None:
    """Remembers how the tests' one server is reached."""
    _passwords.update(server._read_passwords())


def as_owner(url: str) -> str:
    """The same database as whoever owns all that is in it."""
    return _as(MIGRATOR, url)


def as_administrator(url: str) -> str:
    """The same database as the server's superuser."""
    return _as(SUPERUSER, url)


def _as(role: str, url: str) -> str:
    changed = make_url(url).set(username=role, password=_passwords[role])
    return changed.render_as_string(hide_password=False)


@asynccontextmanager
async def owning(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A transaction in the application's database as whoever owns all that is in it."""
    url = as_owner(engine.url.render_as_string(hide_password=False))
    own = create_async_engine(url, poolclass=NullPool)
    try:
        async with own.begin() as connection:
            yield connection
    finally:
        await own.dispose()


def libpq(url: str) -> str:
    """An address as psycopg and PostgreSQL's programs take it."""
    return url.replace("+psycopg", "")


@contextmanager
def database(server: EmbeddedPostgres, name: str, template: str = "zhibao") -> Iterator[str]:
    """A database that is gone afterwards; its address as the application's."""
    base = server.url.rpartition("/")[0]
    admin = libpq(as_administrator(f"{base}/postgres"))
    how = "STRATEGY FILE_COPY" if template == "zhibao" else "ENCODING 'UTF8'"
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} OWNER {OWNER} {how}")
    yield f"{base}/{name}"
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def fresh_database(server: EmbeddedPostgres) -> Iterator[str]:
    """A migrated database with nothing on record."""
    with database(server, f"test_{os.getpid()}_{next(_numbers)}") as url:
        yield url
