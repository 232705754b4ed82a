"""A process that has numbers allotted until it is killed: ``python -m tests.allotting``.

Takes the rule set's hash and the cases on its command line, the database from DATABASE_URL.
"""

import asyncio
import os
import sys
from datetime import UTC, datetime
from typing import Any

from activities.certificate import CertificateActivities
from domain.certificates.issuing import AllotNumber
from services.certificates.keys import SigningKeys
from services.rule_sets import PinnedCertificateRules
from store.database import connect
from store.hidden import hide_with
from store.writer import JournalWriter
from tests.certificates import ISSUER
from tests.system import KEYS

AT = datetime(2031, 5, 1, 1, tzinfo=UTC)
_AT_ONCE = 8


async def allot(rule_set: str, cases: list[str]) -> None:
    """Asks for the number of each case, several at a time."""
    hide_with(KEYS)
    engine = connect(os.environ["DATABASE_URL"])
    nothing: Any = None
    activities = CertificateActivities(
        engine,
        JournalWriter(engine),
        PinnedCertificateRules(engine),
        SigningKeys(None),
        nothing,
        nothing,
    )
    waiting = asyncio.Semaphore(_AT_ONCE)

    async def one(case_id: str) -> None:
        asked = AllotNumber(
            case_id=case_id, issuer=ISSUER, rule_set=rule_set, revision=1, decided=None, at=AT
        )
        async with waiting:
            found = await activities.allot_number(asked)
            assert found.allotment is not None, found.refusal
            print(case_id, found.allotment.number, flush=True)

    await asyncio.gather(*(one(case_id) for case_id in cases))
    await engine.dispose()


if __name__ == "__main__":
    asyncio.run(allot(sys.argv[1], sys.argv[2:]))
