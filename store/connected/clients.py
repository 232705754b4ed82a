"""Clients: the provincial approval systems that may deliver, and the hashes of their secrets."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.connected import ApiClient
from store.tables import api_client_secrets, api_clients


async def by_id(connection: AsyncConnection, id_: str) -> ApiClient | None:
    """A client, None if there is none."""
    found = await connection.execute(select(api_clients).where(api_clients.c.id == id_))
    row = found.mappings().first()
    return ApiClient(**row) if row else None


async def page(connection: AsyncConnection, after: str, size: int) -> list[ApiClient]:
    """Up to ``size`` clients with ids after ``after``, in the order of their ids."""
    found = await connection.execute(
        select(api_clients).where(api_clients.c.id > after).order_by(api_clients.c.id).limit(size)
    )
    return [ApiClient(**row) for row in found.mappings()]


async def secrets_of(
    connection: AsyncConnection, ids: Sequence[str]
) -> dict[str, list[tuple[datetime, datetime | None]]]:
    """When the secrets of these clients were made and when they end, oldest first."""
    found = await connection.execute(
        select(
            api_client_secrets.c.client_id,
            api_client_secrets.c.created_at,
            api_client_secrets.c.expires_at,
        )
        .where(api_client_secrets.c.client_id == func.any(list(ids)))
        .order_by(api_client_secrets.c.created_at, api_client_secrets.c.id)
    )
    secrets: dict[str, list[tuple[datetime, datetime | None]]] = {id_: [] for id_ in ids}
    for row in found:
        secrets[row.client_id].append((row.created_at, row.expires_at))
    return secrets


async def hashes_at(connection: AsyncConnection, id_: str, now: datetime) -> list[str]:
    """The hashes of the secrets that a client may use now; none once it is revoked."""
    found = await connection.execute(
        select(api_client_secrets.c.sha256)
        .join(api_clients, api_clients.c.id == api_client_secrets.c.client_id)
        .where(
            api_clients.c.id == id_,
            api_clients.c.revoked_at.is_(None),
            or_(
                api_client_secrets.c.expires_at.is_(None),
                api_client_secrets.c.expires_at > now,
            ),
        )
    )
    return list(found.scalars())


async def add(connection: AsyncConnection, client: ApiClient) -> bool:
    """Puts a client on record; False for one that is."""
    found = await connection.execute(
        insert(api_clients)
        .values(client.model_dump())
        .on_conflict_do_nothing()
        .returning(api_clients.c.id)
    )
    return found.first() is not None


async def add_secret(
    connection: AsyncConnection, id_: str, client_id: str, sha256: str, now: datetime
) -> bool:
    """Gives a client a further secret; False for one it was given."""
    found = await connection.execute(
        insert(api_client_secrets)
        .values(id=id_, client_id=client_id, sha256=sha256, created_at=now)
        .on_conflict_do_nothing()
        .returning(api_client_secrets.c.id)
    )
    return found.first() is not None


async def end_other_secrets(
    connection: AsyncConnection, client_id: str, kept: str, at: datetime
) -> None:
    """Lets all secrets of a client but one end, at the latest at an instant."""
    await connection.execute(
        update(api_client_secrets)
        .where(api_client_secrets.c.client_id == client_id, api_client_secrets.c.id != kept)
        .values(expires_at=func.least(api_client_secrets.c.expires_at, at))
    )


async def revoke(connection: AsyncConnection, id_: str, now: datetime) -> bool:
    """Revokes a client for good; False for one that was revoked before."""
    found = await connection.execute(
        update(api_clients)
        .where(api_clients.c.id == id_, api_clients.c.revoked_at.is_(None))
        .values(revoked_at=now)
        .returning(api_clients.c.id)
    )
    return found.first() is not None
