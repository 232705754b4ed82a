"""A PostgreSQL server that tests may freeze, set read-only, or cut off."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from sqlalchemy import make_url

from deploy.embedded.postgres import SUPERUSER, EmbeddedPostgres


def as_superuser(server: EmbeddedPostgres, *statements: str) -> None:
    password = server._read_passwords()[SUPERUSER]
    url = make_url(server.url).set(drivername="postgresql", username=SUPERUSER, password=password)
    with psycopg.connect(
        url.render_as_string(hide_password=False),
        autocommit=True,
        options="-c default_transaction_read_only=off",
    ) as connection:
        for statement in statements:
            connection.execute(statement)


@contextmanager
def frozen(server: EmbeddedPostgres) -> Iterator[None]:
    """The server's processes all stand still; the kernel goes on taking their connections."""
    pids = [server.pid]
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            words = status.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(words[1]) == server.pid:
            pids.append(int(status.parent.name))
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in reversed(pids):
            os.kill(pid, signal.SIGCONT)
