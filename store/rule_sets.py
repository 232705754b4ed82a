"""Published rule sets, kept for ever under the hash of their content."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.canonical import sha256_of
from store.tables import rule_sets


async def store(connection: AsyncConnection, document: dict[str, Any]) -> str:
    """Keeps a resolved rule set; returns its sha256. Storing it again changes nothing."""
    sha256 = sha256_of(document)
    await connection.execute(
        insert(rule_sets)
        .values(
            sha256=sha256,
            id=document["id"],
            year=document["year"],
            jurisdiction=document["jurisdiction"],
            revision=document["revision"],
            document=document,
        )
        .on_conflict_do_nothing()
    )
    return sha256


async def by_sha256(connection: AsyncConnection, sha256: str) -> dict[str, Any] | None:
    """The document stored under a hash, None if there is none."""
    found = await connection.execute(
        select(rule_sets.c.document).where(rule_sets.c.sha256 == sha256)
    )
    return found.scalar_one_or_none()


async def forms_named(connection: AsyncConnection, form_id: str) -> list[dict[str, Any]]:
    """The versions of a form that the rule sets on record hold, as they hold them."""
    form = rule_sets.c.document["forms"][form_id]
    found = await connection.execute(select(form.label("form")).where(form.isnot(None)).distinct())
    return [row for row in found.scalars() if row is not None]
