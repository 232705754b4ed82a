"""A PostgreSQL server that tests may freeze, set read-only, or cut off; disks that are full."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
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


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[bool]:
    """A folder that has room for so much; whether it really has, or may not be had here."""
    folder.mkdir(parents=True)
    size = f"size={megabytes}m,mode=755"
    real = False
    if shutil.which("mount"):
        made = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", size, "tmpfs", folder], capture_output=True, check=False
        )
        real = made.returncode == 0
    try:
        yield real
    finally:
        if real:
            subprocess.run(["umount", "--lazy", folder], check=True)


@contextmanager
def full(folder: Path) -> Iterator[None]:
    """No byte of the disk under a folder is left."""
    filler = folder / "filler"
    try:
        with filler.open("wb", buffering=0) as file:
            for piece in (1 << 20, 1 << 16, 1 << 12):
                with suppress(OSError):
                    while file.write(bytes(piece)) == piece:
                        pass
        yield
    finally:
        filler.unlink()


@contextmanager
def as_if_full(server: EmbeddedPostgres) -> Iterator[None]:
    """The server answers as on a full disk: for where no small disk may be had."""
    as_superuser(
        server,
        "ALTER SYSTEM SET temp_file_limit = 0",
        "SELECT pg_reload_conf()",
        """
        CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE 'No space left on device' USING ERRCODE = 'disk_full'; END $$
        """,
        "CREATE TRIGGER no_room BEFORE INSERT ON journal EXECUTE FUNCTION no_room()",
    )
    try:
        yield
    finally:
        as_superuser(
            server,
            "DROP FUNCTION no_room() CASCADE",
            "ALTER SYSTEM RESET temp_file_limit",
            "SELECT pg_reload_conf()",
        )
