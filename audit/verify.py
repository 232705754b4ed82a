"""Verify: whether the record is what it says it is, all of it or one case."""

from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from temporalio.client import Client

from audit.case_checks import Circumstances, check_case
from audit.findings import Finding, Kind, Tally, Verified
from audit.processes import check_processes
from audit.seal_checks import check_checkpoints, key_faults
from audit.table_checks import check_tables, seal_faults, structure_faults
from domain.certificates.statement import PublishedKeys
from domain.signing_keys import KeyPurpose
from services.certificates.keys import SigningKeys
from services.clock import Clock
from settings import Settings
from store import auditing
from store.keyring import Keyring, Purpose


class Keys:
    """The published keys that signatures are checked with, and where checkpoints are copied to."""

    def __init__(
        self,
        certificates: Path | None = None,
        audit: Path | None = None,
        checkpoints: Path | None = None,
        receipts: Path | None = None,
        rings: Path | None = None,
    ) -> None:
        self.certificates: PublishedKeys = SigningKeys(certificates).published()
        self.audit: PublishedKeys = SigningKeys(audit).published()
        self.checkpoints = checkpoints
        self.receipts: PublishedKeys = SigningKeys(receipts).published()
        published = {
            KeyPurpose.CERTIFICATES: self.certificates,
            KeyPurpose.CHECKPOINTS: self.audit,
            KeyPurpose.RECEIPTS: self.receipts,
        }
        self.by_purpose: dict[str, dict[str, str]] = {
            purpose.value: {key.id: key.public_key for key in keys.keys}
            for purpose, keys in published.items()
        }
        if rings is not None:
            ring = Keyring(rings)
            for one in Purpose:
                self.by_purpose[one.value] = {key.id: key.public for key in ring.keys(one)}
        """The public halves of the keys at hand by purpose and id; "" of a secret that has none."""
        self.given_up = {
            (one.value, key.id)
            for one, keys in published.items()
            for key in keys.keys
            if key.retired is not None
        }

    @classmethod
    def of(cls, settings: Settings) -> "Keys":
        """Those of a system."""
        return cls(
            settings.certificate_keys,
            settings.audit_keys,
            settings.checkpoints,
            settings.receipt_keys,
            settings.keys,
        )


async def verify(
    engine: AsyncEngine, client: Client | None, keys: Keys, clock: Clock, case_id: str = ""
) -> Verified:
    """Looks at every row there is, or at those of one case. Nothing is changed.

    Without ``client`` the processes are left out. Its memory does not grow with the cases.
    """
    tally = Tally()
    async with auditing.snapshot(engine) as connection:
        await check_record(connection, keys, clock, tally, case_id)
    if case_id and not tally.checked:
        unknown = Finding(
            kind=Kind.DELETED,
            case_id=case_id,
            sequence=None,
            table="journal",
            message="没有这一件的记录",
        )
        tally.found(iter((unknown,)))
    elif client is not None:
        tally.checked["processes"] = 0
        async for finding in check_processes(client, engine, clock, case_id):
            tally.found(iter((finding,)))
        tally.checked["processes"] = tally.checked["cases"]
    return tally.result()


async def check_record(
    connection: AsyncConnection, keys: Keys, clock: Clock, tally: Tally, case_id: str = ""
) -> None:
    """Looks at what the database holds, as a connection sees it."""
    if missing := await structure_faults(connection):
        tally.found(iter(missing))
        return
    about = Circumstances(clock(), keys.certificates, keys.receipts)
    async for rows in auditing.by_case(connection, case_id):
        for table, present in rows.rows.items():
            tally.checked[table] += len(present)
        tally.found(check_case(rows, about))
    if case_id:
        async for finding in seal_faults(connection, case_id):
            tally.found(iter((finding,)))
        return
    await check_tables(connection, tally)
    async for finding in key_faults(connection, keys.by_purpose, keys.given_up):
        tally.found(iter((finding,)))
    await check_checkpoints(connection, keys.audit, keys.checkpoints, tally)
