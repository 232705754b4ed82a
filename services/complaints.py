"""Complaints from the public: receiving one, and looking up what became of it."""

import asyncio
import base64
import hashlib
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client

from domain.canonical import sha256_of
from domain.case.commands import Actor
from domain.case.workflow_messages import CaseOpening, CaseStart, Receipt
from domain.complaints import COMPLAINT, ComplaintOutcome, Resolve, complaint_sha256
from domain.ids import complaint_id
from domain.refusals import Code, Refusal, Refused
from domain.text import normalised
from engine.client import translated
from engine.starting import start_case
from rules.compiled import CompiledRules
from rules.file.library import ResolvedSet, current_library
from services.cases import CaseService
from services.clock import Clock
from services.keys import Keyring, Purpose, derived_by
from services.rate_limits import Limiter, RateLimits
from services.together import Together
from store import complaints, content, institutions, rule_sets
from store.cases import Case
from store.complaints import Complaint as Complaint


class ComplaintService(CaseService):
    """Everything the outside can do with complaints."""

    def __init__(
        self,
        client: Client,
        engine: AsyncEngine,
        rules: Path,
        clock: Clock,
        keyring: Keyring,
        limit: str,
        together: Together | None = None,
    ) -> None:
        super().__init__(client, engine, clock)
        self._limiter = Limiter(RateLimits(limit, limit), together, "complaints")
        self._compiled: CompiledRules | None = None
        self._rules = rules
        self._keyring = keyring

    async def receive(
        self,
        command_id: str,
        address: str,
        *,
        number: str,
        institution: str,
        about: str,
        contact: str,
    ) -> str:
        """Takes a complaint about a number, an institution, or both; returns its receipt.

        ``address`` is where it comes from; it is counted, not kept. Raises Refused: too many.

        The receipt is the only way back to the complaint; it is not kept. The same command again
        is answered with the same receipt.
        """
        self._count(address)
        receipts = self._receipts_for(command_id)
        case_id = complaint_id(hashlib.sha256(f"complaint|{command_id}".encode()).hexdigest()[:32])
        now = self._clock()
        resolved, rules = await asyncio.to_thread(self._latest)
        async with self._engine.begin() as connection:
            standing = await complaints.receipt_of(connection, case_id)
            receipt = next((one for one in receipts if _hashed(one) == standing), receipts[0])
            sha256 = await rule_sets.store(connection, resolved.document)
            holders = await complaints.holders(connection, number, institution)
            # two institutions may share a number or a name: then it is not clear who is meant
            about_whom = holders[0] if len(holders) == 1 else None
            known = await institutions.by_ids(connection, [about_whom] if about_whom else [])
            await complaints.add(
                connection,
                case_id=case_id,
                receipt_sha256=_hashed(receipt),
                number=number,
                institution_id=about_whom,
                institution_name=institution,
                about=about,
                contact=contact,
                received_at=now,
            )
        facts = known[about_whom].facts_for(None) if about_whom else None
        plan = rules.complaint_plan(facts, now)
        assert plan.ruleset.sha256 == sha256
        start = CaseStart(
            case_id=case_id,
            opening=CaseOpening(
                kind=COMPLAINT.name,
                year=plan.year,
                institution=about_whom or "",
                jurisdiction=plan.jurisdiction,
                campaign="",
                plan=plan,
            ),
            requested_at=now,
            vouched=True,
            inputs={
                "complaint_sha256": complaint_sha256(
                    number=number,
                    institution_name=institution,
                    about=about,
                    contact=contact,
                    receipt_sha256=_hashed(receipt),
                )
            },
        )
        async with translated():
            await start_case(self._client, start)
        return receipt

    async def by_receipt(self, receipt: str) -> Complaint:
        """The complaint behind a receipt. Raises Refused when there is none."""
        async with self._engine.connect() as connection:
            found = await complaints.by_receipt(connection, _hashed(_as_made(receipt)))
        if found is None:
            raise Refused(Refusal(code=Code.NOT_FOUND, params={"what": "这个回执编号"}))
        return found

    async def of_case(self, case: Case) -> Complaint:
        """What a case's complaint says."""
        async with self._engine.connect() as connection:
            complaint = await complaints.by_case(connection, case.case_id)
        assert complaint is not None
        return complaint

    async def resolve(
        self,
        case: Case,
        outcome: ComplaintOutcome,
        reply: str,
        reason: str,
        actor: Actor,
        command_id: str,
    ) -> Receipt:
        """Ends a complaint: ``reply`` is for the complainant, ``reason`` for the record."""
        async with self._engine.begin() as connection:
            reply_sha256 = await content.save_note(connection, {"reply": reply})
            note = await content.save_note(connection, {"reason": reason})
        assert reply_sha256 == sha256_of({"reply": reply})
        command = Resolve(
            id=command_id,
            actor=actor,
            received_at=self._clock(),
            note_sha256=note,
            outcome=outcome,
            reply_sha256=reply_sha256,
        )
        return await self.act(case, command)

    def _latest(self) -> tuple[ResolvedSet, CompiledRules]:
        """The latest national rules; compiled anew only when they have changed."""
        resolved = current_library(self._rules).latest_national()
        if self._compiled is None or self._compiled.ref.sha256 != resolved.sha256:
            self._compiled = CompiledRules(resolved.document)
        return resolved, self._compiled

    def _count(self, address: str) -> None:
        try:
            self._limiter.count_client(address, self._clock())
        except Refused as refused:
            params = refused.refusal.params
            raise Refused(Refusal(code=Code.TOO_MANY_COMPLAINTS, params=params)) from None

    def _receipts_for(self, command_id: str) -> list[str]:
        """The receipt of a new complaint, then those it may have got under earlier keys."""
        now = self._clock()
        using = self._keyring.current(Purpose.COMPLAINTS, now)
        keys = self._keyring.valid(Purpose.COMPLAINTS, now)
        return [
            _receipt(derived_by(key, command_id)) for key in (using, *keys) if key.starts <= now
        ]


def _receipt(made: bytes) -> str:
    """Twenty letters and digits (100 bits) that nobody can guess, in groups of five."""
    text = base64.b32encode(made).decode()[:20]
    return "-".join(text[at : at + 5] for at in range(0, 20, 5))


def _as_made(typed: str) -> str:
    """A receipt as `_receipt` makes it, however it was typed: blanks, small letters, no hyphens."""
    text = "".join(one for one in normalised(typed).upper() if one.isalnum())
    return "-".join(text[at : at + 5] for at in range(0, len(text), 5))


def _hashed(receipt: str) -> str:
    return hashlib.sha256(f"receipt|{receipt}".encode()).hexdigest()
