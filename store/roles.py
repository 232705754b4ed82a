"""The database's roles, as `deploy/database/roles.sql` makes them and migration 0043 fits them out.

Each is a role without a login; who signs in is given those that are needed.
"""

from typing import Final

import psycopg

OWNER: Final = "zhibao_owner"
APPLICATION: Final = "zhibao_application"
PUBLIC: Final = "zhibao_public"
ENFORCEMENT: Final = "zhibao_enforcement"
AUDITOR: Final = "zhibao_auditor"

PUBLISHED: Final = "published"
"""The schema of what the public is shown: views by the names of the tables they show of."""

_MIGHT: Final = """
    SELECT rolsuper OR rolbypassrls OR EXISTS (
        SELECT FROM pg_class WHERE oid = to_regclass('public.journal')
           AND pg_has_role(current_user, relowner, 'USAGE'))
    FROM pg_roles WHERE rolname = current_user
"""


class TooMuchPower(RuntimeError):
    """The login may do what only the owner of the record, or an administrator, should."""


def refuse_power(url: str) -> None:
    """Raises TooMuchPower; of a database that does not answer nothing is said here."""
    plain = url.replace("postgresql+psycopg://", "postgresql://")
    try:
        with psycopg.connect(plain, connect_timeout=3) as connection:
            found = connection.execute(_MIGHT).fetchone()
            login = connection.info.user
    except psycopg.Error:
        return
    if found is not None and found[0]:
        raise TooMuchPower(
            f"数据库账号 {login} 是管理员，或者拥有各张表，能停用触发器、改动日志："
            "服务只能以 zhibao_application 的成员运行。"
            "请数据库管理员执行 deploy/database/roles.sql，"
            "DATABASE_URL 改用其中的 zhibao，"
            "升级结构所用的 zhibao_migrator 写在 ZHIBAO_MIGRATION_DATABASE_URL 中。"
        )
