"""Alembic's entry: runs migrations on the connection or address handed over by `store.migrate`."""

from contextlib import closing

from alembic import context
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from store.roles import OWNER
from store.tables import metadata

# without a pool, closing the connection leaves nothing open, whatever a migration raised
engine = create_engine(context.config.attributes["url"], poolclass=NullPool)
with closing(engine.connect()) as connection:
    context.configure(
        connection=connection,
        target_metadata=metadata,
        # the partitions of a year are made when the year is first needed
        include_name=lambda name, kind, _: (
            kind != "table" or not (name or "").startswith("report_numbers_")
        ),
    )
    with context.begin_transaction():
        # whoever migrates, all of it is the owner's
        connection.execute(
            text(
                "SELECT set_config('role', rolname, false) FROM pg_roles"
                " WHERE rolname = :owner AND pg_has_role(current_user, oid, 'MEMBER')"
            ),
            {"owner": OWNER},
        )
        # several processes may start at once: one migrates, the others find it done
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('zhibao migrations'))"))
        context.run_migrations()
