"""Brings a database to the present schema."""

from contextlib import suppress
from pathlib import Path

import psycopg
from alembic import command
from alembic.config import Config
from alembic.script.revision import ResolutionError
from alembic.util import CommandError
from sqlalchemy.exc import DBAPIError

_HERE = Path(__file__).parent


def configuration(url: str) -> Config:
    """Alembic's configuration for a database."""
    config = Config()
    config.set_main_option("script_location", str(_HERE / "migrations"))
    config.attributes["url"] = url
    return config


class DatabaseNotReady(RuntimeError):
    """The database is not as this version needs it; the text is for operators."""


class NewerDatabase(DatabaseNotReady):
    """It has been migrated by a later version than this."""


class RoleMissing(DatabaseNotReady):
    """It lacks a role that only an administrator can make; the text says how."""


_ROLE_MISSING = "ZH001"
"""The SQLSTATE with which migrations say so."""


_NOT_THE_OWNER = (
    "这个账号不能改数据库的结构：请把 zhibao_migrator 的连接写在 ZHIBAO_MIGRATION_DATABASE_URL "
    "中再运行 zhibao migrate。从早先的版本升级的，先请数据库管理员连接到这个数据库，"
    "执行 deploy/database/roles.sql。"
)

_NEWER = (
    "数据库的结构比这一版程序新，已由更新的版本升级过："
    "请改用那个版本或更新的版本，或者恢复升级之前的备份。"
)


def upgrade(url: str) -> None:
    """Applies all migrations that the database lacks; none twice. Raises DatabaseNotReady."""
    try:
        command.upgrade(configuration(url), "head")
    except DBAPIError as failure:
        refused = failure.orig
        if isinstance(refused, psycopg.errors.InsufficientPrivilege):
            raise RoleMissing(_NOT_THE_OWNER) from None
        if not isinstance(refused, psycopg.Error) or refused.sqlstate != _ROLE_MISSING:
            raise
        raise RoleMissing(refused.diag.message_primary) from None
    except CommandError as failure:
        if not isinstance(failure.__cause__, ResolutionError):
            raise
        raise NewerDatabase(_NEWER) from None


def refuse_newer(url: str) -> None:
    """Raises NewerDatabase; of a database that does not answer nothing is said here."""
    known = {file.name.partition("_")[0] for file in (_HERE / "migrations/versions").glob("*.py")}
    plain = url.replace("postgresql+psycopg://", "postgresql://")
    with suppress(psycopg.Error), psycopg.connect(plain, connect_timeout=3) as connection:
        versions = connection.execute("SELECT version_num FROM alembic_version").fetchall()
        if not {version for (version,) in versions} <= known:
            raise NewerDatabase(_NEWER)
