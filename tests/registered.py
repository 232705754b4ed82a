"""Certificates put straight into the register, for tests that need no workflow."""

import hashlib
from datetime import date, datetime, time
from typing import Any

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from domain.certificates.certificate import CertificateContent, CertificateStatus
from domain.certificates.issuing import HeldCertificate
from domain.clock import BEIJING
from domain.ids import certificate_id
from rules.certificates.certificates import current_certificate_rules
from rules.file.library import SHIPPED
from store import institutions, rule_sets
from store.certificates import register as certificates
from store.tables import cases
from tests.certificates import content
from tests.system import institution as facts

_RULES = current_certificate_rules(SHIPPED)
_HELD = {"status", "valid_from", "valid_to", "ended_on", "document", "superseded_by", "revision"}


async def register(
    engine: AsyncEngine,
    number: str,
    *,
    code: str = "",
    statement: str = "",
    region: str = "350102",
    fail: bool = False,
    **changed: Any,
) -> HeldCertificate:
    """A generated certificate with this number as it stands; ``changed`` of it or its content.

    Its institution is on record with that region, its case is empty.
    """
    own = {name: changed.pop(name) for name in _HELD & changed.keys()}
    id_ = changed.pop("institution", f"lab-{number}")
    held = HeldCertificate(
        number=number,
        code=code or f"CODE{number}",
        issued_on=own.get("valid_from", date(2022, 1, 1)),
        **{
            "valid_from": date(2022, 1, 1),
            "valid_to": date(2027, 12, 31),
            "revision": 1,
            "status": CertificateStatus.VALID,
            **own,
        },
    )
    async with engine.begin() as connection:
        case_id = certificate_id(hashlib.sha256(number.encode()).hexdigest()[:24])
        if id_ not in await institutions.by_ids(connection, [id_]):
            await institutions.save(connection, [facts(id_, region, certificates=())])
        await _case(connection, case_id, id_, held.issued_on)
        await certificates.write(
            connection,
            case_id,
            held,
            CertificateContent(**content(id_, **changed)),
            renews="",
            statement=statement,
        )
        if fail:
            raise RuntimeError("the transaction is given up")
    return held


async def _case(connection: AsyncConnection, case_id: str, id_: str, day: date) -> None:
    document = _RULES.document.model_dump(mode="json", by_alias=True)
    at = datetime.combine(day, time(), BEIJING)
    plan = _RULES.plan("amr-350000", at).model_dump(mode="json")
    values = {
        "case_id": case_id, "kind": "certificate", "year": day.year, "institution_id": id_,
        "jurisdiction": "350000", "campaign": "", "plan": plan, "status": "completed", "level": 0,
        "rule_set": await rule_sets.store(connection, document), "authority": "",
        "claimed_by": "", "revision": 1, "sequence": 1, "head": "", "opened_at": at,
        "updated_at": at,
    }  # fmt: skip
    await connection.execute(insert(cases).values(values).on_conflict_do_nothing())
