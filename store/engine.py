"""Database engines: one place that knows how connections are made."""

from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

_OPTIONS = "-c statement_timeout=60000 -c timezone=Asia/Shanghai"
"""Instants are read in the zone of the notices, whatever the server's own."""


def connect(url: str, *, pool_size: int = 10) -> AsyncEngine:
    """An asynchronous engine on ``postgresql+psycopg://…``; nothing is connected yet."""
    return create_async_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=15,
        # errors are logged: no value of a form may stand in them
        hide_parameters=True,
        pool_pre_ping=False,
        # a connection the server has closed under us is replaced rather than handed out again
        pool_recycle=1800,
        connect_args={"connect_timeout": 10, "options": _OPTIONS},
    )
