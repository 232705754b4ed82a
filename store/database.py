"""Database engines: one place that knows how connections are made."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import URL, NullPool, make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

_OPTIONS = "-c statement_timeout=60000 -c timezone=Asia/Shanghai"
"""Instants are read in the zone of the notices, whatever the server's own."""


def connect(url: str, *, pool_size: int = 10) -> AsyncEngine:
    """An asynchronous engine on ``postgresql+psycopg://…``; nothing is connected yet."""
    return _engine(
        make_url(url),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=15,
        pool_pre_ping=False,
        # a connection the server has closed under us is replaced rather than handed out again
        pool_recycle=1800,
    )


@asynccontextmanager
async def beside(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """One more connection for who holds one of the pool: waiting there might wait for oneself."""
    own = _engine(engine.url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    async with own.connect() as connection:
        yield connection


def _engine(url: URL, **pool: Any) -> AsyncEngine:
    return create_async_engine(
        url,
        # errors are logged: no value of a form may stand in them
        hide_parameters=True,
        connect_args={"connect_timeout": 10, "options": _OPTIONS},
        **pool,
    )
