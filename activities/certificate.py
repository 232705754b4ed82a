"""What a certificate's workflow asks for: looking into an application, numbering, the register."""

from collections.abc import Callable, Sequence
from datetime import date

from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from temporalio import activity

from domain.case.commands import SYSTEM
from domain.case.events import Step
from domain.case.workflow_messages import Newcomer, RecordedSteps
from domain.certificates.certificate import (
    CERTIFICATE_STATUS_LABELS,
    Certificate,
    CertificateContent,
    CertificateStatus,
    status_on,
)
from domain.certificates.commands import Supersede
from domain.certificates.issuing import (
    ALLOT_NUMBER,
    PREPARE_APPLICATION,
    RECORD_CERTIFICATE,
    SUPERSEDE_PREDECESSOR,
    AllotNumber,
    PrepareApplication,
    Purpose,
    RecordCertificate,
    SupersedePredecessor,
)
from domain.certificates.number import NumberProblem, decode, encode
from domain.certificates.state import CertificateFindings
from domain.clock import day_of
from domain.facts import InstitutionFacts
from domain.refusals import Code, Refusal, Refused
from rules.certificates.certificates import CertificateRules, NoAuthorityCode
from rules.certificates.content import (
    allotment,
    change_refusal,
    content_problems,
    days_of,
    decided_refusal,
    number_refusal,
    renewal_refusal,
)
from services.cases import CaseService
from services.certificates.codes import new_code
from services.certificates.keys import SigningKeys
from services.rule_sets import PinnedCertificateRules
from store import cases, content, institutions, journal
from store.certificates import register
from store.content import Revision
from store.institutions import Institution
from store.writer import JournalWriter, StepsTaken, write_steps

PART = "certificate"
"""The part of a revision that holds a certificate's content."""


class CertificateActivities:
    """The activities of certificates, with what they need to act."""

    def __init__(
        self,
        engine: AsyncEngine,
        writer: JournalWriter,
        pinned: PinnedCertificateRules,
        keys: SigningKeys,
        cases: CaseService,
        unprintable: Callable[[str], list[str]],
    ) -> None:
        self._unprintable = unprintable
        self._engine = engine
        self._writer = writer
        self._pinned = pinned
        self._keys = keys
        self._cases = cases

    @activity.defn(name=PREPARE_APPLICATION)
    async def prepare_application(self, asked: PrepareApplication) -> CertificateFindings:
        """Whether what is applied for can be granted, as far as its content tells."""
        rules = await self._pinned.get(asked.rule_set)
        async with self._engine.connect() as connection:
            latest = await content.latest_revision(connection, asked.case_id)
            refusal = _not_the_newest(asked, latest)
            if refusal is not None or latest is None:
                return CertificateFindings(refusal=refusal)
            try:
                applied = CertificateContent.model_validate(latest.content[PART])
            except (KeyError, ValidationError):
                return CertificateFindings(
                    refusal=Refusal(code=Code.CONTENT_INCOMPLETE, params={"count": "1"})
                )
            refusal = await _content_refusal(connection, rules, asked, applied, self._unprintable)
            if refusal is not None:
                return CertificateFindings(refusal=refusal)
            late = False
            if asked.renews and asked.purpose is Purpose.ISSUE:
                refusal, late = await _renewal(connection, rules, asked)
            editors = await content.editors(connection, asked.case_id, asked.standing_revision)
            returned = await content.revision(connection, asked.case_id, asked.returned_revision)
        return CertificateFindings(
            refusal=refusal,
            editors=editors,
            late_renewal=late,
            unchanged=returned is not None and returned.sha256 == latest.sha256,
        )

    @activity.defn(name=ALLOT_NUMBER)
    async def allot_number(self, asked: AllotNumber) -> CertificateFindings:
        """Gives the case its number and code, once and for ever; again: the same ones.

        Where field or industry have changed since, its number would say what is not so: it is
        voided, and the case gets another one.
        """
        rules = await self._pinned.get(asked.rule_set)
        today = day_of(asked.at)
        days = days_of(rules, asked.decided, today)
        try:
            async with self._engine.begin() as connection:
                given = await register.allotted(connection, asked.case_id)
                if refusal := await _not_to_be_renewed(connection, asked, today):
                    return CertificateFindings(refusal=refusal)
                if given is not None and await _voided(connection, rules, asked, given[0]):
                    given = None
                if given is None:
                    given = await _allot(connection, rules, asked, days[0].year)
                elif asked.decided is not None and asked.decided.number not in ("", given[0]):
                    because = f"本件已经分配编号 {given[0]}，与所填的 {asked.decided.number} 不同"
                    params = {"because": because}
                    return CertificateFindings(
                        refusal=Refusal(code=Code.DECISION_IMPOSSIBLE, params=params)
                    )
        except register.NumberTaken as taken:
            refusal = Refusal(code=Code.NUMBER_TAKEN, params={"number": str(taken)})
            return CertificateFindings(refusal=refusal)
        except register.SerialsExhausted:
            params = {"authority": rules.authority_name(asked.issuer), "year": str(days[0].year)}
            return CertificateFindings(refusal=Refusal(code=Code.SERIALS_EXHAUSTED, params=params))
        except NoAuthorityCode:
            params = {"authority": rules.authority_name(asked.issuer)}
            refusal = Refusal(code=Code.NO_AUTHORITY_CODE, params=params, cite=rules.number_cite)
            return CertificateFindings(refusal=refusal)
        return CertificateFindings(allotment=allotment(rules, *given, days, today))

    @activity.defn(name=RECORD_CERTIFICATE)
    async def record_certificate(self, asked: RecordCertificate) -> RecordedSteps:
        """Writes the steps of one command and what the register shows, together or not at all."""
        steps, held = asked.request.steps, asked.held
        case_id, day = steps[0].case_id, day_of(steps[-1].at)
        try:
            async with self._engine.begin() as connection:
                await write_steps(connection, [asked.request])
                standing_content = await _content(connection, case_id, held.revision)
                if asked.newcomer is not None:
                    await _put_on_record(connection, asked.newcomer, standing_content, steps)
                certificate = Certificate(
                    code=held.code,
                    number=held.number,
                    issued_on=held.issued_on,
                    valid_from=held.valid_from,
                    valid_to=held.valid_to,
                    status=held.status,
                    superseded_by=held.superseded_by,
                    content=standing_content,
                )
                before = await register.by_case(connection, case_id)
                if before is not None and before.revision == held.revision and before.statement:
                    statement = before.statement
                else:
                    statement = self._statement(certificate, day)
                await register.write(
                    connection,
                    case_id,
                    held,
                    standing_content,
                    renews=asked.renews,
                    statement=statement,
                )
        except StepsTaken:
            first = steps[0]
            return await self._writer.recorded(case_id, first.sequence - 1, first.previous_hash)
        return RecordedSteps()

    def _statement(self, certificate: Certificate, day: date) -> str:
        """The signed statement; empty where it cannot be made, which keeps nobody waiting."""
        try:
            return self._keys.statement(certificate, day)
        except (ValueError, OSError):
            # what is decided stands; `zhibao certificates sign` makes up for it
            activity.logger.exception("a certificate could not be signed")
            return ""

    @activity.defn(name=SUPERSEDE_PREDECESSOR)
    async def supersede_predecessor(self, asked: SupersedePredecessor) -> None:
        """Marks the certificate that another one replaces; one that has ended stays ended."""
        async with self._engine.begin() as connection:
            found = await register.supersede_listed(
                connection, asked.predecessor, asked.by, asked.on
            )
            case = await cases.by_id(connection, found.case_id) if found is not None else None
        if case is None:
            return
        command = Supersede(
            id=f"superseded-by:{asked.by}",
            actor=SYSTEM,
            received_at=case.updated_at,
            by=asked.by,
            on=asked.on,
        )
        try:
            await self._cases.act(case, command)
        except Refused as refused:
            if refused.refusal.code not in (Code.CERTIFICATE_NOT_IN_FORCE, Code.CASE_ENDED):
                raise


def _not_the_newest(asked: PrepareApplication, latest: Revision | None) -> Refusal | None:
    if latest is None or latest.revision <= asked.standing_revision:
        return Refusal(code=Code.NOTHING_TO_SUBMIT)
    if (latest.revision, latest.sha256) != (asked.revision, asked.content_sha256):
        params = {"revision": str(asked.revision), "latest": str(latest.revision)}
        return Refusal(code=Code.STALE_REVISION, params=params)
    return None


async def _content_refusal(
    connection: AsyncConnection,
    rules: CertificateRules,
    asked: PrepareApplication,
    applied: CertificateContent,
    unprintable: Callable[[str], list[str]],
) -> Refusal | None:
    if applied.institution != asked.institution:
        params = {"number": "", "institution": asked.institution}
        return Refusal(code=Code.OTHER_HOLDER, params=params)
    wrong = len(content_problems(rules, applied, unprintable)) + (applied.issuer != asked.issuer)
    if wrong:
        return Refusal(code=Code.CONTENT_INCOMPLETE, params={"count": str(wrong)})
    if asked.decided is not None:
        today = day_of(asked.at)
        refusal = (
            decided_refusal(asked.decided, today)
            or number_refusal(rules, asked.decided.number, asked.issuer)
            or await _listed_refusal(connection, asked, asked.decided.number, today)
        )
        if refusal is not None:
            return refusal
    if asked.purpose is Purpose.ISSUE:
        return None
    before = await _content(connection, asked.case_id, asked.standing_revision)
    return change_refusal(rules, asked.purpose, asked.change, before, applied)


async def _listed_refusal(
    connection: AsyncConnection, asked: PrepareApplication, number: str, today: date
) -> Refusal | None:
    """Why a certificate known from a list cannot be taken over: not the issuer's, or ended."""
    listed = await register.by_number(connection, number) if number else None
    if listed is None or listed.case_id:
        # whether the number is another case's is seen when it is given
        return None
    if listed.issuer != asked.issuer:
        params = {"what": f"证书 {number} ", "authority": listed.issuer}
        return Refusal(code=Code.OTHER_ISSUER, params=params)
    stands = status_on(listed.status, listed.valid_to, today)
    if stands in (CertificateStatus.VALID, CertificateStatus.EXPIRED):
        return None
    params = {"number": number, "status": CERTIFICATE_STATUS_LABELS[stands]}
    return Refusal(code=Code.CERTIFICATE_NOT_IN_FORCE, params=params)


async def _renewal(
    connection: AsyncConnection, rules: CertificateRules, asked: PrepareApplication
) -> tuple[Refusal | None, bool]:
    """Whether the certificate to be replaced can be, and whether that is asked for late."""
    old = await register.by_code(connection, asked.renews)
    if old is None or old.institution_id != asked.institution:
        number = old.number if old is not None else asked.renews
        params = {"number": number, "institution": asked.institution}
        return Refusal(code=Code.OTHER_HOLDER, params=params), False
    if old.issuer != asked.issuer:
        params = {"what": f"证书 {old.number} ", "authority": old.issuer}
        return Refusal(code=Code.OTHER_ISSUER, params=params), False
    other = await register.renewed_by(connection, asked.renews)
    if other is not None and other.case_id != asked.case_id:
        params = {"number": old.number, "other": other.number}
        return Refusal(code=Code.RENEWED_ALREADY, params=params), False
    today = day_of(asked.at)
    now_standing = status_on(old.status, old.valid_to, today)
    if now_standing not in (CertificateStatus.VALID, CertificateStatus.EXPIRED):
        params = {"number": old.number, "status": CERTIFICATE_STATUS_LABELS[now_standing]}
        return Refusal(code=Code.CERTIFICATE_NOT_IN_FORCE, params=params), False
    late = rules.renewal_stage(old.valid_to, today) == "late"
    if asked.decided is not None:
        # when it was asked for elsewhere is not known here
        return None, late
    return renewal_refusal(rules, old.number, old.valid_to, today), late


async def _not_to_be_renewed(
    connection: AsyncConnection, asked: AllotNumber, today: date
) -> Refusal | None:
    """Why a certificate that could be renewed when that was applied for cannot be any more.

    Of several applications to renew it the first approved gets the number.
    """
    if not asked.renews:
        return None
    other = await register.numbered_renewal(connection, asked.renews, asked.case_id)
    old = await register.by_code(connection, asked.renews)
    if old is None:
        return None
    if other:
        return Refusal(code=Code.RENEWED_ALREADY, params={"number": old.number, "other": other})
    stands = status_on(old.status, old.valid_to, today)
    if stands in (CertificateStatus.VALID, CertificateStatus.EXPIRED):
        return None
    params = {"number": old.number, "status": CERTIFICATE_STATUS_LABELS[stands]}
    return Refusal(code=Code.PREDECESSOR_ENDED, params=params)


async def _allot(
    connection: AsyncConnection, rules: CertificateRules, asked: AllotNumber, year: int
) -> tuple[str, str]:
    decided = asked.decided
    if decided is not None and decided.number:
        number = decided.number
        # a code that was printed once leads to the same certificate for ever
        code = await register.code_of_number(connection, number) or new_code()
    else:
        applied = await _content(connection, asked.case_id, asked.revision)
        authority = rules.authority_code(asked.issuer)
        serial = await register.next_serial(connection, authority, year)
        number = encode(year, authority, applied.field, applied.industry, serial)
        code = new_code()
    await register.keep_number(connection, number, code, asked.case_id)
    return number, code


async def _voided(
    connection: AsyncConnection, rules: CertificateRules, asked: AllotNumber, number: str
) -> bool:
    """Voids the number a case has if it says another field or industry than is applied for now."""
    told = decode(number, rules.tables)
    if isinstance(told, NumberProblem) or (asked.decided is not None and asked.decided.number):
        # not built by the rules, or told by whoever decided: it is as it is
        return False
    applied = await _content(connection, asked.case_id, asked.revision)
    if (told.field, told.industry) == (applied.field, applied.industry):
        return False
    reason = (
        f"退回后改为专业领域 {applied.field}、行业 {applied.industry}，与编号里的 "
        f"{told.field}、{told.industry} 不符"
    )
    await register.void_number(connection, number, reason)
    return True


async def _content(connection: AsyncConnection, case_id: str, revision: int) -> CertificateContent:
    found = await content.revision(connection, case_id, revision)
    assert found is not None
    return CertificateContent.model_validate(found.content[PART])


async def _put_on_record(
    connection: AsyncConnection,
    newcomer: Newcomer,
    content: CertificateContent,
    steps: Sequence[Step],
) -> None:
    """Puts the institution of a first certificate on record; one that is there stays as it is."""
    added = Institution(
        name=content.holder,
        uscc=content.uscc,
        previous_reviewer=None,
        facts=InstitutionFacts(
            id=content.institution, region=newcomer.region, legal_person=newcomer.legal_person
        ),
        certificates=(),
    )
    if await institutions.add_if_missing(connection, added):
        await journal.append_operator_step(
            connection,
            institutions.REGISTER,
            "institution_delivered",
            steps[0].actor,
            steps[-1].at,
            {"institution": content.institution, "delivery": newcomer.delivery},
            f"delivered:{content.institution}",
        )
    await cases.belongs_to(connection, steps[0].case_id, content.institution)
