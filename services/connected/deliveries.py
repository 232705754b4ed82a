"""Deliveries of connected mode: checked whole, carried out once, answered with a receipt.

A delivery is on record before anything is done, so that whatever a crash interrupts is taken up
by the same delivery sent again: the names of its case and of its command follow from it.
"""

import asyncio
import hashlib
import random
from collections.abc import Awaitable, Callable
from datetime import date, datetime
from weakref import WeakValueDictionary

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from domain.canonical import sha256_of
from domain.case import commands as c
from domain.case.commands import Actor
from domain.case.status import Status
from domain.case.workflow_messages import Newcomer, Receipt, receipt_of
from domain.certificates.certificate import (
    CERTIFICATE_STATUS_LABELS,
    CertificateContent,
    CertificateStatus,
    status_on,
)
from domain.certificates.commands import EndCertificate
from domain.certificates.issuing import Purpose
from domain.certificates.statement import certificate_url
from domain.certificates.warnings import CertificateWarning, HolderFacts, certificate_warnings
from domain.clock import day_of
from domain.connected import (
    AnyDelivery,
    ApiClient,
    ChangeDelivery,
    DeliveryReceipt,
    EndDelivery,
    ExtensionDelivery,
    IssueDelivery,
    actor_of,
    sandbox_number,
)
from domain.refusals import Code, Refusal, Refused
from rules.certificates.certificates import CertificateRules
from rules.certificates.content import days_of
from rules.certificates.delivery_checks import Known, Named, Wrong, delivery_problems, mode_refusal
from services.certificates.applications import PART, CertificateService, case_id_of
from services.clock import Clock
from services.rate_limits import Limiter, RateLimits
from services.together import Together
from store import cases, content, institutions, journal
from store.cases import Case
from store.certificates import register
from store.certificates.register import Registered
from store.connected import deliveries
from store.connected.deliveries import Delivered as Delivered
from store.connected.deliveries import Stage as Stage
from store.content import Revision

_IN_DOUBT = frozenset({Code.UNAVAILABLE, Code.BUSY, Code.INTERNAL})
"""Refusals that do not say whether anything was done: the same delivery has to ask again."""

_TRIES = 20

_APART = 0.2
"""Seconds within which a delivery that was overtaken is tried again."""


Permit = Callable[[datetime, int], Awaitable[int | None]]
"""Raises Refused for a delivery that waits for a second person: the hour it came in, and how many
of its client were taken in it before. Else it holds while fewer than this were, None: always."""


class WrongFields(Refused):
    """A delivery refused, with what is wrong at which place."""

    def __init__(self, refusal: Refusal, wrong: list[Wrong]) -> None:
        super().__init__(refusal)
        self.wrong = wrong


class DeliveryService:
    """Everything a provincial approval system can have done."""

    def __init__(
        self,
        engine: AsyncEngine,
        certificates: CertificateService,
        known_regions: Callable[[str], bool],
        site: str,
        clock: Clock,
        limit: str,
        together: Together | None = None,
    ) -> None:
        self._engine = engine
        self._certificates = certificates
        self._known_regions = known_regions
        self._site = site
        self._clock = clock
        self._limiter = Limiter(RateLimits(limit, limit), together, "deliveries")
        self._changing: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def count(self, client: ApiClient) -> None:
        """Counts one delivery of a client. Raises Refused above the limit."""
        try:
            self._limiter.count_client(client.id, self._clock())
        except Refused as refused:
            params = {**refused.refusal.params, "counted": "本客户端"}
            raise Refused(Refusal(code=Code.TOO_MANY_DELIVERIES, params=params)) from None

    async def deliver(
        self, client: ApiClient, delivery: AnyDelivery, permit: Permit, tries: int = _TRIES
    ) -> DeliveryReceipt:
        """Has a delivery carried out; the same again is answered with the first receipt.

        ``permit`` raises Refused for what waits for a second person; it is asked about a delivery
        in which nothing is wrong, before it is put on record, and never in the sandbox.
        Raises Refused, WrongFields with the places: then nothing of it is in the register.
        """
        sha256 = sha256_of(delivery.model_dump(mode="json"))
        async with self._engine.connect() as connection:
            begun = await self._standing(connection, client, delivery)
        if begun is None or begun.stage == "refused":
            begun = await self._begin(client, delivery, sha256, permit)
        if begun.body_sha256 != sha256:
            raise other_content()
        if begun.receipt is not None:
            return begun.receipt
        try:
            receipt = await self._carry_out(begun, delivery)
        except Refused as refused:
            if refused.refusal.code in _IN_DOUBT:
                raise
            async with self._engine.begin() as connection:
                await deliveries.refuse(connection, begun, refused.refusal, self._clock())
            if refused.refusal.code is Code.STALE_REVISION and tries > 1:
                # a delivery about the same certificate, taken by another API, came in between;
                # waiting for a while by chance keeps the two from overtaking each other for ever
                await asyncio.sleep(random.uniform(0, _APART))  # noqa: S311 - nothing secret
                return await self.deliver(client, delivery, permit, tries - 1)
            raise
        async with self._engine.begin() as connection:
            return await deliveries.accept(connection, begun, receipt, self._clock())

    async def find(self, client: ApiClient, delivery_id: str) -> Delivered:
        """A delivery of a client's authority. Raises Refused when there is none."""
        async with self._engine.connect() as connection:
            delivered = await deliveries.by_id(
                connection, client.authority, client.sandbox, delivery_id
            )
        if delivered is None:
            raise Refused(Refusal(code=Code.NOT_FOUND, params={"what": f"送达 {delivery_id}"}))
        return delivered

    async def page(self, client: ApiClient, after: int, size: int) -> list[Delivered]:
        """Up to ``size`` deliveries of a client's authority in the order they came."""
        async with self._engine.connect() as connection:
            return await deliveries.page(connection, client.authority, client.sandbox, after, size)

    # --- private steps -----------------------------------------------------------------------

    async def _standing(
        self, connection: AsyncConnection, client: ApiClient, delivery: AnyDelivery
    ) -> Delivered | None:
        return await deliveries.by_id(
            connection, client.authority, client.sandbox, delivery.delivery_id
        )

    async def _begin(
        self, client: ApiClient, delivery: AnyDelivery, sha256: str, permit: Permit
    ) -> Delivered:
        """Checks a delivery that is new or was refused, and puts it on record."""
        rules = await asyncio.to_thread(self._certificates.rules)
        if refusal := mode_refusal(rules, client.authority, client.sandbox):
            raise Refused(refusal)
        now = self._clock()
        today = day_of(now)
        async with self._engine.connect() as connection:
            known = await self._known(connection, client, delivery)
            pinned = await self._pinned(connection, client, delivery) or rules
        unprintable = self._certificates.unprintable
        wrong = delivery_problems(pinned, client.authority, delivery, known, today, unprintable)
        if wrong:
            raise _wrong_fields(wrong)
        if client.sandbox:
            async with self._engine.begin() as connection:
                begun = await self._put_down(connection, client, delivery, sha256, now)
                if begun is not None:
                    receipt = await self._rehearsed(connection, rules, begun, delivery, today)
                    await deliveries.accept(connection, begun, receipt, now)
                standing = await self._standing(connection, client, delivery)
        else:
            standing = await self._begin_permitted(client, delivery, sha256, permit, now)
        assert standing is not None
        return standing

    async def _begin_permitted(
        self,
        client: ApiClient,
        delivery: AnyDelivery,
        sha256: str,
        permit: Permit,
        now: datetime,
    ) -> Delivered | None:
        """Puts a delivery on record that needs no second person, or has one, among many at once."""
        hour = now.replace(minute=0, second=0, microsecond=0)
        async with self._engine.connect() as connection:
            before = await deliveries.begun_since(connection, client.id, hour)
        while True:
            until = await permit(hour, before)
            async with self._engine.begin() as connection:
                if until is not None:
                    # one after the other: of many that saw the same number most would be too many
                    await journal.lock(connection, f"deliveries/{client.id}")
                    standing = await self._standing(connection, client, delivery)
                    if standing is not None and standing.stage != "refused":
                        return standing
                    before = await deliveries.begun_since(connection, client.id, hour)
                if until is None or before < until:
                    await self._put_down(connection, client, delivery, sha256, now)
                    # whoever sent the same at the same time may have been first
                    return await self._standing(connection, client, delivery)

    async def _put_down(
        self,
        connection: AsyncConnection,
        client: ApiClient,
        delivery: AnyDelivery,
        sha256: str,
        now: datetime,
    ) -> Delivered | None:
        return await deliveries.begin(
            connection, client.authority, client.sandbox, client.id, delivery, sha256, now
        )

    async def _carry_out(self, begun: Delivered, delivery: AnyDelivery) -> DeliveryReceipt:
        actor = actor_of(begun.client_id, begun.authority)
        key = f"delivery:{begun.delivery_id}:{begun.body_sha256}:{begun.attempt}"
        if isinstance(delivery, IssueDelivery):
            done = await self._issue(actor, key, delivery)
        elif isinstance(delivery, EndDelivery):
            done = await self._end(actor, key, delivery)
        else:
            # what is saved has to be the newest revision until it is applied: one after the other
            async with self._changing.setdefault(delivery.number, asyncio.Lock()):
                done = await self._change(actor, key, delivery)
        rules = await asyncio.to_thread(self._certificates.rules)
        async with self._engine.connect() as connection:
            held = await register.by_case(connection, done.case_id)
            warned = await self._warnings(connection, rules, delivery, done.case_id)
        assert held is not None
        assert held.issued_on is not None
        assert held.valid_from is not None
        today = day_of(self._clock())
        status = status_on(held.status, held.valid_to, today, held.valid_from)
        return DeliveryReceipt(
            delivery_id=begun.delivery_id,
            action=begun.action,
            sandbox=False,
            number=held.number,
            code=held.code,
            qr=certificate_url(self._site, held.code, held.statement),
            status=status,
            status_label=CERTIFICATE_STATUS_LABELS[status],
            issued_on=held.issued_on,
            valid_from=held.valid_from,
            valid_to=held.valid_to,
            case_id=done.case_id,
            sequence=done.sequence,
            hash=done.hash,
            received_at=begun.received_at,
            warnings=warned,
        )

    async def _warnings(
        self,
        connection: AsyncConnection,
        rules: CertificateRules,
        delivery: AnyDelivery,
        case_id: str = "",
    ) -> tuple[CertificateWarning, ...]:
        """What to look at in a delivered content, beside what the register has."""
        if isinstance(delivery, EndDelivery):
            return ()
        holder, replaces, region = delivery.content.institution, [], ""
        if isinstance(delivery, IssueDelivery):
            replaces = [delivery.decision.number, delivery.renews]
            region = delivery.institution.region if delivery.institution is not None else ""
        known = await register.of_holders(connection, [holder])
        return certificate_warnings(
            delivery.content,
            known.get(holder) or HolderFacts(name="", region=region),
            rules.tables,
            day_of(self._clock()),
            case_id=case_id,
            replaces=filter(None, replaces),
        )

    async def _issue(self, actor: Actor, key: str, delivery: IssueDelivery) -> Receipt:
        renews, details = "", delivery.institution
        newcomer = None
        if details is not None:
            newcomer = Newcomer(**details.model_dump(), delivery=delivery.delivery_id)
        async with self._engine.connect() as connection:
            if delivery.renews:
                old = await register.by_number(connection, delivery.renews)
                renews = old.code if old is not None else ""
        try:
            return await self._certificates.take_over(
                delivery.content,
                delivery.decision.decided(),
                delivery.decision.approver,
                actor,
                key,
                renews,
                newcomer,
            )
        except Refused as refused:
            if refused.refusal.code not in _IN_DOUBT:
                await self._withdraw(actor, key)
            raise

    async def _withdraw(self, actor: Actor, key: str) -> None:
        """An application that was begun and then refused is not left lying about."""
        async with self._engine.connect() as connection:
            case = await cases.by_id(connection, case_id_of(actor, key))
        if case is None or case.status != Status.DRAFT:
            return
        command = c.Withdraw(id=_command(key, "withdraw"), actor=actor, received_at=self._clock())
        await self._certificates.act(case, command)

    async def _change(
        self, actor: Actor, key: str, delivery: ChangeDelivery | ExtensionDelivery
    ) -> Receipt:
        case = await self._case(delivery.number)
        command_id = _command(key, "deliver")
        saved = await self._saved(case, actor, delivery.content, command_id)
        if isinstance(saved, Receipt):
            return saved
        change = delivery.change if isinstance(delivery, ChangeDelivery) else ""
        return await self._certificates.apply(
            case,
            Purpose.CHANGE if change else Purpose.EXTENSION,
            saved.revision,
            saved.sha256,
            actor,
            command_id,
            change=change,
            decided=delivery.decision.decided(),
            approver=delivery.decision.approver,
        )

    async def _saved(
        self, case: Case, actor: Actor, wanted: CertificateContent, command_id: str
    ) -> Revision | Receipt:
        """The newest revision, with this content, saved once however often a delivery is sent.

        The receipt instead, where the delivery's command has been carried out.
        """
        document = {PART: wanted.model_dump(mode="json")}
        for _ in range(_TRIES):
            async with self._engine.connect() as connection:
                latest = await content.latest_revision(connection, case.case_id)
                standing = await register.by_case(connection, case.case_id)
                # last, so that what has come into force by now is known to be done
                done = await journal.by_command(connection, case.case_id, command_id)
            assert latest is not None
            assert standing is not None
            if done is not None:
                return receipt_of(done)
            if latest.content == document and latest.revision > standing.revision:
                return latest
            try:
                return await self._certificates.save_draft(case, latest.revision, document, actor)
            except Refused as refused:
                if refused.refusal.code is not Code.REVISION_CONFLICT:
                    raise
        raise Refused(Refusal(code=Code.BUSY))

    async def _end(self, actor: Actor, key: str, delivery: EndDelivery) -> Receipt:
        command = EndCertificate(
            id=_command(key, "deliver"),
            actor=actor,
            received_at=self._clock(),
            ending=delivery.ending,
            on=delivery.on,
            document=delivery.document,
        )
        return await self._certificates.end(
            await self._case(delivery.number), command, delivery.reason, delivery.approver
        )

    async def _case(self, number: str) -> Case:
        async with self._engine.connect() as connection:
            held = await register.by_number(connection, number)
            case = await cases.by_id(connection, held.case_id) if held is not None else None
        if case is None:
            raise Refused(Refusal(code=Code.NOT_FOUND, params={"what": f"证书 {number}"}))
        return case

    # --- what is known -----------------------------------------------------------------------

    async def _known(
        self, connection: AsyncConnection, client: ApiClient, delivery: AnyDelivery
    ) -> Known:
        if not isinstance(delivery, IssueDelivery):
            compared = not isinstance(delivery, EndDelivery)
            named = await self._own(connection, client, delivery.number, whole=compared)
            return Known(institution=True, number=named)
        holder, number = delivery.content.institution, delivery.decision.number
        details, renews = delivery.institution, delivery.renews
        old = await self._own(connection, client, renews) if renews else None
        renewed_by = ""
        if renews and not client.sandbox:
            standing = await register.by_number(connection, renews)
            code = standing.code if standing is not None else ""
            other = await register.renewed_by(connection, code) if code else None
            renewed_by = other.number if other is not None else ""
        return Known(
            institution=holder in await institutions.by_ids(connection, [holder]),
            region=details is None or self._known_regions(details.region),
            number=await self._named(connection, client, number) if number else None,
            allotted=bool(number) and bool(await deliveries.case_with_number(connection, number)),
            renews=old,
            renewed_by=renewed_by,
        )

    async def _own(
        self, connection: AsyncConnection, client: ApiClient, number: str, *, whole: bool = False
    ) -> Named | None:
        """The certificate of a number that this client can change: the sandbox has its own.

        ``whole``: with all of its content. Raises Refused where some of it has been destroyed.
        """
        if client.sandbox:
            told = await deliveries.rehearsed(connection, client.authority, number)
            return _rehearsed_as(number, client.authority, told)
        held = await register.by_number(connection, number, whole=whole)
        if held is None:
            return None
        return _held_as(held, held.whole_content() if whole else None)

    async def _named(
        self, connection: AsyncConnection, client: ApiClient, number: str
    ) -> Named | None:
        """The certificate of a number that is to be kept, wherever it stands."""
        own = await self._own(connection, client, number)
        held = None if own else await register.by_number(connection, number)
        return _held_as(held) if held is not None else own

    async def _pinned(
        self, connection: AsyncConnection, client: ApiClient, delivery: AnyDelivery
    ) -> CertificateRules | None:
        """The rules that the case of a changed certificate runs on, as its workflow asks them."""
        if client.sandbox or not isinstance(delivery, ChangeDelivery):
            return None
        held = await register.by_number(connection, delivery.number)
        case = await cases.by_id(connection, held.case_id) if held and held.case_id else None
        return await self._certificates.pinned.get(case.rule_set) if case is not None else None

    async def _rehearsed(
        self,
        connection: AsyncConnection,
        rules: CertificateRules,
        begun: Delivered,
        delivery: AnyDelivery,
        today: date,
    ) -> DeliveryReceipt:
        """What a delivery would have led to; nothing but the delivery itself is on record."""
        if isinstance(delivery, IssueDelivery):
            decided = delivery.decision.decided()
            issued_on, valid_from, valid_to = days_of(rules, decided, today)
            number = decided.number or sandbox_number(issued_on.year, begun.no)
            code, status = f"sandbox-{begun.no}", CertificateStatus.VALID
        else:
            number = delivery.number
            told = await deliveries.rehearsed(connection, begun.authority, number)
            last = told[-1][1]
            code, status = last.code, last.status
            issued_on, valid_from, valid_to = last.issued_on, last.valid_from, last.valid_to
            if isinstance(delivery, EndDelivery):
                status = CertificateStatus(delivery.ending)
        told_as = status_on(status, valid_to, today)
        return DeliveryReceipt(
            delivery_id=begun.delivery_id,
            action=begun.action,
            sandbox=True,
            number=number,
            code=code,
            # never a signed statement: it would prove offline what nobody has granted
            qr=f"{self._site.rstrip('/')}/c/{code}",
            status=told_as,
            status_label=CERTIFICATE_STATUS_LABELS[told_as],
            issued_on=issued_on,
            valid_from=valid_from,
            valid_to=valid_to,
            case_id=f"sandbox/{begun.no}",
            sequence=0,
            hash=begun.body_sha256,
            received_at=begun.received_at,
            warnings=await self._warnings(connection, rules, delivery),
        )


def _command(key: str, act: str) -> str:
    return f"{act}:{hashlib.sha256(key.encode()).hexdigest()[:32]}"


def _wrong_fields(wrong: list[Wrong]) -> WrongFields:
    """One refusal where there is one, else how many places there are."""
    refusal = wrong[0].refusal if len(wrong) == 1 else None
    if refusal is None:
        refusal = Refusal(code=Code.CONTENT_INCOMPLETE, params={"count": str(len(wrong))})
    return WrongFields(refusal, wrong)


def other_content() -> WrongFields:
    """The refusal of another content under the id of a delivery."""
    message = "这个送达编号已用于内容不同的送达；新的送达请换用新的编号，重送请保持内容不变"
    wrong = Wrong(pointer="/delivery_id", code=Code.KEY_REUSED.value, message=message)
    return WrongFields(Refusal(code=Code.KEY_REUSED), [wrong])


def _held_as(held: Registered, content: CertificateContent | None = None) -> Named:
    return Named(
        number=held.number,
        institution=held.institution_id,
        issuer=held.issuer,
        listed=not held.case_id,
        status=held.status,
        valid_to=held.valid_to,
        issued_on=held.issued_on,
        content=content,
    )


def _rehearsed_as(
    number: str, authority: str, told: list[tuple[AnyDelivery, DeliveryReceipt]]
) -> Named | None:
    if not told:
        return None
    # the first of a number is always its issue
    contents = [one.content for one, _ in told if not isinstance(one, EndDelivery)]
    last = told[-1][1]
    return Named(
        number=number,
        institution=contents[-1].institution,
        issuer=authority,
        listed=False,
        status=last.status,
        valid_to=last.valid_to,
        issued_on=last.issued_on,
        content=contents[-1],
    )
