"""Receipts of submissions: made of the record, signed with keys of their own, kept for good.

A receipt is made with its submission; where that broke off, when it is asked for. Without a key at
hand it is shown unsigned and not kept, so that it is signed once there is one.
"""

from pathlib import Path
from typing import Any

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.canonical import canonical_json, sha256_of
from domain.clock import day_of
from domain.filing.receipts import receipt_body, submissions
from services.certificates.keys import SigningKeys
from services.clock import Clock
from services.rule_sets import PinnedRules
from store import filing_receipts, journal
from store.cases import Case
from store.filing_receipts import FilingReceipt as FilingReceipt

log = structlog.get_logger()


class ReceiptService:
    """Makes, keeps and shows the receipts of filings."""

    def __init__(
        self, engine: AsyncEngine, pinned: PinnedRules, keys: Path | None, clock: Clock
    ) -> None:
        self._engine = engine
        self._pinned = pinned
        self._keys = SigningKeys(keys)
        self._clock = clock

    async def of(self, case: Case, sequence: int = 0) -> FilingReceipt | None:
        """The receipt of a submission, 0 for the newest; None where there is no such submission.

        One that could not be signed has an empty key.
        """
        async with self._engine.connect() as connection:
            steps = await journal.steps(connection, case.case_id)
            known = [step.sequence for step in submissions(steps)]
            if not known or (sequence and sequence not in known):
                return None
            wanted = sequence or known[-1]
            kept = await filing_receipts.of_step(connection, case.case_id, wanted)
        if kept is not None:
            return kept
        rules = await self._pinned.get(case.rule_set)
        submitted = next(step for step in steps if step.sequence == wanted)
        async with self._engine.connect() as connection:
            content = await filing_receipts.content_parts(
                connection, case.case_id, submitted.body["revision"]
            )
        forms = {
            part: {"form": form.id, "revision": form.revision, "sha256": form.sha256}
            for part, form in rules.forms_of(
                part for part in case.plan.parts if part in content
            ).items()
        }
        now = self._clock()
        key = self._keys.in_use(day_of(now))
        signed = (key.id, now) if key is not None else ("", None)
        body = receipt_body(case.plan, steps, wanted, forms, *signed)
        made = FilingReceipt(
            case_id=case.case_id,
            sequence=wanted,
            body=body,
            sha256=sha256_of(body),
            key=body["key"],
            signature=self._keys.sign_bytes(key, canonical_json(body)) if key is not None else "",
            made_at=now,
        )
        if key is None:
            return made
        async with self._engine.begin() as connection:
            return await filing_receipts.keep(connection, made)

    async def after_submission(self, case: Case) -> None:
        """Keeps the receipt of what was just submitted; a submission never fails for it."""
        try:
            await self.of(case)
        except Exception:
            # it is made when it is asked for
            log.exception("receipt_not_made", case_id=case.case_id)


def handed_out(receipt: FilingReceipt) -> dict[str, Any]:
    """A receipt as it leaves the database."""
    return receipt.model_dump(mode="json", include={"body", "sha256", "key", "signature"})
