"""One legal person files once: refusing the second, and having doubtful accounts settled.

Two accounts of one code may both be right, so nothing is taken from anybody by itself: whoever
files second is refused with the clause, and an operator finds who files.
"""

import hashlib
from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from domain.case.commands import Actor
from domain.filing.kind import FILING
from domain.legal_persons import (
    FINDING_LABELS,
    Account,
    Finding,
    by_itself,
    doubtful,
    rival,
)
from domain.model import Value
from domain.numbers.quarters import Period
from domain.refusals import Code, Refusal, Refused
from rules.compiled import CompiledRules
from services.campaigns.opening import CampaignService
from services.clock import Clock
from services.institution_acts import WITH_ITS_FILER
from services.institutions import refuse_merged
from services.jobs import JobService
from services.sight import judging
from store import content, institution_acts, institutions, journal, legal_persons
from store.institutions import REGISTER, Institution
from store.legal_persons import FindingMade as FindingMade


class AccountShown(Account):
    """An account of a legal person: whether it files by itself, and whether that is open."""

    finding_label: str = ""
    by_itself: bool
    open: bool


class LegalPerson(Value):
    """A legal person of several accounts; ``open``: nobody has said yet who files."""

    key: str
    open: bool
    accounts: tuple[AccountShown, ...]


class SharedCentre(Value):
    """A national centre that several accounts have; only its lead unit reports on it."""

    name: str
    institutions: tuple[str, ...]


class Doubts(Value):
    """What an operator has to settle, and what was settled, before a year or in it."""

    period: str
    jurisdiction: str
    open: int
    legal_persons: tuple[LegalPerson, ...]
    centres: tuple[SharedCentre, ...]


class Found(NamedTuple):
    """What an operator finds of an account, and what that rests on."""

    finding: Finding
    files_with: str
    parent_uscc: str
    document: str
    reason: str


class Beside(NamedTuple):
    """How an account stands beside others: why it may not file, and what it shares with them.

    ``shared`` names, for a year, what only one of several accounts files for; sorted, so that
    whoever locks several of them does so in one order.
    """

    refusal: Refusal | None = None
    shared: tuple[str, ...] = ()


async def beside(
    connection: AsyncConnection, rules: CompiledRules, institution: Institution
) -> Beside:
    """Whether an institution may file for a year, or another account has; and what they share."""
    year = rules.document.year
    if rules.document.filing.one_filing is None:
        return Beside()
    own = await legal_persons.account(connection, institution.facts.id, year)
    if own is None:
        return Beside()
    others = await legal_persons.beside(connection, own, year)
    return await at_centres(connection, rules, institution, among(rules, own, others))


def among(rules: CompiledRules, own: Account | None, others: Sequence[Account]) -> Beside:
    """The same, of accounts that are known, as far as no national centre is concerned."""
    rule, year = rules.document.filing.one_filing, rules.document.year
    if rule is None or own is None:
        return Beside()
    cite = rules.document.citation(rule.cite)
    params = {"year": str(year), "institution": own.institution}
    if own.finding is Finding.FILES_WITH:
        told = {**params, "other": own.files_with}
        return Beside(Refusal(code=Code.LEGAL_PERSON_FILES_ONCE, params=told, cite=cite))
    kept = rule.accounts_kept is not None
    found = rival(own, others, kept)
    if found is not None:
        told = {**params, "other": found.institution}
        return Beside(Refusal(code=Code.LEGAL_PERSON_FILES_ONCE, params=told, cite=cite))
    alike = others and not by_itself(own, kept)
    return Beside(shared=(f"legal-person/{year}/{own.key}",) if alike else ())


def has_centres(rules: CompiledRules, institution: Institution) -> bool:
    """Whether an institution has national centres that only one of several accounts reports on."""
    rule = rules.document.filing.one_filing
    known = rule is not None and rule.joint_centres is not None
    return known and bool(institution.facts.national_centres)


async def at_centres(
    connection: AsyncConnection, rules: CompiledRules, institution: Institution, found: Beside
) -> Beside:
    """What `among` has found, and whether another account has filed for a centre of its own."""
    rule, year = rules.document.filing.one_filing, rules.document.year
    if found.refusal is not None or not has_centres(rules, institution):
        return found
    assert rule is not None
    assert rule.joint_centres is not None
    own, centres = institution.facts.id, institution.facts.national_centres
    filed = await legal_persons.centre_filed_by(connection, own, centres, year)
    if filed is not None:
        params = {"other": filed[0], "centre": filed[1]}
        joint = rules.document.citation(rule.joint_centres)
        return Beside(Refusal(code=Code.CENTRE_FILED_BY_LEAD, params=params, cite=joint))
    shared = {*found.shared, *(f"centre/{year}/{one}" for one in centres)}
    return Beside(shared=tuple(sorted(shared)))


class LegalPersonService:
    """Lists accounts of one legal person, and takes what operators find of them."""

    def __init__(
        self, engine: AsyncEngine, campaigns: CampaignService, jobs: JobService, clock: Clock
    ) -> None:
        self._engine = engine
        self._campaigns = campaigns
        self._jobs = jobs
        self._clock = clock

    async def doubts(self, period: Period, jurisdiction: str, *, only_open: bool) -> Doubts:
        """The legal persons of several accounts in a jurisdiction. Raises Refused: no rules."""
        governed, rule_sets = await self._campaigns.rules_over(period, jurisdiction)
        rule = rule_sets[governed].document.filing.one_filing
        kept = rule is not None and rule.accounts_kept is not None
        # of a legal person in the jurisdiction, accounts elsewhere count as well
        async with judging(self._engine) as connection:
            accounts = await legal_persons.shared(connection, jurisdiction, period.year)
            centres = await legal_persons.shared_centres(connection, jurisdiction)
        persons = [
            _person(key, list(own), kept) for key, own in groupby(accounts, lambda one: one.key)
        ]
        return Doubts(
            period=str(period),
            jurisdiction=jurisdiction,
            open=sum(one.open for one in persons) + len(centres),
            legal_persons=tuple(one for one in persons if one.open or not only_open),
            centres=tuple(SharedCentre(name=name, institutions=ids) for name, ids in centres),
        )

    async def find(self, institution: str, found: Found, actor: Actor, command_id: str) -> str:
        """Keeps what an operator finds of an account; returns the finding's id.

        Of one that files with another the open filings are cancelled by a job, as long as nothing
        else was found since. Raises Refused: unknown, merged, elsewhere, or no account to file
        with: that one files with another itself.
        """
        id_ = hashlib.sha256(f"legal-person|{command_id}".encode()).hexdigest()[:32]
        joined = found.finding is Finding.FILES_WITH
        if joined == (found.files_with in ("", institution)):
            params = {"institution": institution, "action": FINDING_LABELS[found.finding]}
            raise Refused(Refusal(code=Code.SAME_INSTITUTION, params=params))
        async with self._engine.begin() as connection:
            await journal.lock(connection, REGISTER)
            if await legal_persons.by_id(connection, id_) is None:
                await self._keep(connection, id_, institution, found, actor, command_id)
            standing = (await legal_persons.filing_with(connection, [institution])).get(institution)
        if joined and standing == found.files_with:
            await self._end_open(id_, institution, found, actor)
        return id_

    # --- private steps -----------------------------------------------------------------------

    async def _keep(
        self,
        connection: AsyncConnection,
        id_: str,
        institution: str,
        found: Found,
        actor: Actor,
        command_id: str,
    ) -> None:
        named = [institution, *filter(None, [found.files_with])]
        known = await institutions.by_ids(connection, named)
        for one in named:
            if one not in known:
                raise Refused(Refusal(code=Code.UNKNOWN_INSTITUTION, params={"institution": one}))
            refuse_merged(known[one])
        with_another = await legal_persons.filing_with(connection, named[1:])
        for one, other in with_another.items():
            params = {"year": str(self._clock().year), "institution": one, "other": other}
            raise Refused(Refusal(code=Code.LEGAL_PERSON_FILES_ONCE, params=params))
        now = self._clock()
        note = await content.save_note(connection, {"reason": found.reason})
        made = FindingMade(
            id=id_,
            institution_id=institution,
            finding=found.finding,
            files_with=found.files_with or None,
            parent_uscc=found.parent_uscc,
            document=found.document,
            note_sha256=note,
            found_by=actor.subject,
            found_at=now,
        )
        await legal_persons.add(connection, made)
        body = {
            "finding_id": id_,
            **made.model_dump(include={"institution_id", "parent_uscc", "document"}),
            "finding": found.finding.value,
            "files_with": found.files_with,
        }
        await journal.append_operator_step(
            connection,
            REGISTER,
            "legal_person_found",
            actor,
            now,
            body,
            command_id,
            note_sha256=note,
        )

    async def _end_open(self, id_: str, institution: str, found: Found, actor: Actor) -> None:
        async with self._engine.connect() as connection:
            open_ = await institution_acts.cases_with(
                connection, institution, [FILING.name], [one.value for one in WITH_ITS_FILER]
            )
        for kind, ids in open_.items():
            reason = f"{institution} 由 {found.files_with} 一并填报（{found.document}）"
            await self._jobs.cancel_merged(id_, kind, tuple(ids), actor, reason)


def _person(key: str, accounts: list[Account], kept: bool) -> LegalPerson:
    waiting = {one.institution for one in doubtful(accounts, kept)}
    return LegalPerson(
        key=key,
        open=bool(waiting),
        accounts=tuple(
            AccountShown(
                **one.model_dump(),
                finding_label=FINDING_LABELS[one.finding] if one.finding is not None else "",
                by_itself=by_itself(one, kept),
                open=one.institution in waiting,
            )
            for one in accounts
        ),
    )
