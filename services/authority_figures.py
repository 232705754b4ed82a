"""What authorities report of their own work: subjects and forms by the rules of the year.

The accreditation body's business figures are one. They are no filing: nobody reviews them, and
what is late is taken and said to be late.
"""

from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy.ext.asyncio import AsyncEngine

from domain.canonical import sha256_of
from domain.case.commands import Actor, Role
from domain.citation import Citation
from domain.clock import day_of
from domain.ids import NATION, campaign_id
from domain.model import Value
from domain.numbers.quarters import Period
from domain.refusals import Code, Refusal, Refused
from rules.compiled import CompiledRules
from rules.file.schema import AuthorityFigures
from rules.filing.forms.checking import check_parts, derived_values
from rules.filing.forms.context import Context
from rules.filing.forms.findings import FormReport
from rules.filing.forms.model import Form
from services.clock import Clock
from services.rule_sets import PinnedRules
from store import authority_figures, campaigns, journal
from store.authority_figures import OwnRevision

JOURNAL = "register/authority-figures"
"""The journal's name for what authorities submit of themselves."""

PART = "figures"


class Subject(Value):
    """What an authority reports: on which form, until when, and how it stands.

    ``late``: it was first submitted after its day, or that day has passed without.
    """

    id: str
    label: str
    authority: str
    form: str
    form_sha256: str
    due: date
    cite: Citation
    revision: int
    submitted_revision: int
    submitted_at: datetime | None
    late: bool


class SubjectShown(Subject):
    """A subject with its content, what follows from it, and what is found about it."""

    sha256: str
    values: dict[str, Any]
    derived: dict[str, Any]
    report: FormReport


class _Asked(NamedTuple):
    rules: CompiledRules
    rule: AuthorityFigures
    form: Form


class AuthorityFigureService:
    """Takes the figures of authorities."""

    def __init__(self, engine: AsyncEngine, pinned: PinnedRules, clock: Clock) -> None:
        self._engine = engine
        self._pinned = pinned
        self._clock = clock

    async def subjects(self, year: int, actor: Actor) -> tuple[Subject, ...]:
        """What authorities report for a year, as far as somebody may see it."""
        rules = await self._rules(year)
        seen = [one for one in rules.document.filing.authority_figures if sees(actor, rules, one)]
        return tuple([await self._subject(_asked(rules, one), year) for one in seen])

    async def show(self, year: int, subject: str, actor: Actor) -> SubjectShown:
        """A subject; drafts are the authority's own. Raises Refused: none, or not to be seen."""
        asked = await self._asked(year, subject, actor)
        async with self._engine.connect() as connection:
            newest = await authority_figures.latest(
                connection, year, subject, submitted=not owns(actor, asked.rule)
            )
        return await self._shown(asked, year, newest)

    async def save(
        self, year: int, subject: str, based_on: int, values: dict[str, Any], actor: Actor
    ) -> SubjectShown:
        """Saves the next revision. Raises Refused: not the authority's, overtaken."""
        asked = await self._own(year, subject, actor)
        new = OwnRevision(
            year=year,
            subject=subject,
            revision=based_on + 1,
            authority=asked.rule.by,
            rule_set=asked.rules.ref.sha256,
            content=values,
            sha256=sha256_of(values),
            saved_by=actor.subject,
            saved_at=self._clock(),
        )
        async with self._engine.begin() as connection:
            await journal.lock(connection, JOURNAL)
            newest = await authority_figures.latest(connection, year, subject)
            number = newest.revision if newest is not None else 0
            if number == new.revision and newest is not None and newest.sha256 == new.sha256:
                # the same again, its answer lost on the way
                return await self._shown(asked, year, newest)
            if number != based_on or not await authority_figures.save(connection, new):
                params = {"given": str(based_on), "latest": str(number)}
                raise Refused(Refusal(code=Code.REVISION_CONFLICT, params=params))
        return await self._shown(asked, year, new)

    async def submit(
        self, year: int, subject: str, revision: int, sha256: str, actor: Actor, command_id: str
    ) -> SubjectShown:
        """Submits the newest revision. Raises Refused: another one is the newest, or incomplete."""
        asked = await self._own(year, subject, actor)
        now = self._clock()
        async with self._engine.begin() as connection:
            await journal.lock(connection, JOURNAL)
            newest = await authority_figures.latest(connection, year, subject)
            if await journal.by_command(connection, JOURNAL, command_id) is not None:
                # the same command again, whatever was saved since
                return await self._shown(asked, year, newest)
            if newest is None:
                raise Refused(Refusal(code=Code.NOTHING_TO_SUBMIT))
            if (newest.revision, newest.sha256) != (revision, sha256):
                params = {"revision": str(revision), "latest": str(newest.revision)}
                raise Refused(Refusal(code=Code.STALE_REVISION, params=params))
            if newest.submitted_at is None:
                report = _report(asked.form, year, newest.content, day_of(now))
                if not report.ready:
                    params = {"count": str(len(report.open))}
                    raise Refused(Refusal(code=Code.CONTENT_INCOMPLETE, params=params))
                await authority_figures.submit(
                    connection, year, subject, revision, actor.subject, now
                )
                body = {
                    "year": year,
                    "subject": subject,
                    "label": asked.rule.label,
                    "authority": asked.rule.by,
                    "revision": revision,
                    "content_sha256": sha256,
                    "rule_set": asked.rules.ref.sha256,
                    "late": day_of(now) > asked.rule.due,
                }
                await journal.append_operator_step(
                    connection,
                    JOURNAL,
                    "authority_figures_submitted",
                    actor,
                    now,
                    body,
                    command_id,
                )
            newest = await authority_figures.latest(connection, year, subject)
        return await self._shown(asked, year, newest)

    async def structure(
        self, year: int, subject: str, values: dict[str, Any], actor: Actor
    ) -> FormReport:
        """What is wrong with a draft, whatever else is missing."""
        asked = await self._own(year, subject, actor)
        return check_parts({PART: asked.form}, {PART: values}, complete=False)

    # --- private steps -----------------------------------------------------------------------

    async def _rules(self, year: int) -> CompiledRules:
        """The nation's rules of a year. Raises Refused while that is not opened."""
        async with self._engine.connect() as connection:
            campaign = await campaigns.by_id(connection, campaign_id(Period(year), NATION))
        if campaign is None or campaign.annulled_at is not None:
            params = {"year": str(year), "jurisdiction": NATION}
            raise Refused(Refusal(code=Code.CAMPAIGN_NOT_FOUND, params=params))
        return await self._pinned.get(campaign.rule_set)

    async def _asked(self, year: int, subject: str, actor: Actor) -> _Asked:
        rules = await self._rules(year)
        for one in rules.document.filing.authority_figures:
            if one.id == subject and sees(actor, rules, one):
                return _asked(rules, one)
        raise Refused(Refusal(code=Code.NOT_FOUND, params={"what": "这一项部门统计"}))

    async def _own(self, year: int, subject: str, actor: Actor) -> _Asked:
        asked = await self._asked(year, subject, actor)
        if not owns(actor, asked.rule):
            params = {"authority": asked.rule.by}
            raise Refused(Refusal(code=Code.NOT_YOUR_AUTHORITY, params=params))
        return asked

    async def _subject(self, asked: _Asked, year: int) -> Subject:
        rule, form = asked.rule, asked.form
        async with self._engine.connect() as connection:
            newest = await authority_figures.latest(connection, year, rule.id)
            sent = await authority_figures.latest(connection, year, rule.id, submitted=True)
            first = await authority_figures.first_submitted(connection, year, rule.id)
        return Subject(
            id=rule.id,
            label=rule.label,
            authority=rule.by,
            form=form.id,
            form_sha256=form.sha256,
            due=rule.due,
            cite=asked.rules.document.citation(rule.cite),
            revision=newest.revision if newest is not None else 0,
            submitted_revision=sent.revision if sent is not None else 0,
            submitted_at=sent.submitted_at if sent is not None else None,
            late=day_of(first if first is not None else self._clock()) > rule.due,
        )

    async def _shown(self, asked: _Asked, year: int, newest: OwnRevision | None) -> SubjectShown:
        subject = await self._subject(asked, year)
        values = newest.content if newest is not None else {}
        known = subject.model_dump()
        known["revision"] = newest.revision if newest is not None else 0
        return SubjectShown(
            **known,
            sha256=newest.sha256 if newest is not None else "",
            values=values,
            derived=derived_values(asked.form, values),
            report=_report(asked.form, year, values, day_of(self._clock())),
        )


def sees(actor: Actor, rules: CompiledRules, rule: AuthorityFigures) -> bool:
    """Whether somebody may know of an authority's figures.

    The authority itself, whoever checks the year's quality, the nation's operators, auditors.
    """
    check = rules.document.filing.quality_check
    if actor.role is Role.CHECKER:
        return check is not None and actor.scope in (check.by, rule.by)
    if actor.role is Role.OPERATOR:
        return actor.scope == NATION
    return actor.role is Role.AUDITOR or owns(actor, rule)


def owns(actor: Actor, rule: AuthorityFigures) -> bool:
    """Whether somebody acts for the authority whose figures they are."""
    return actor.role is Role.REVIEWER and actor.scope == rule.by


def _asked(rules: CompiledRules, rule: AuthorityFigures) -> _Asked:
    return _Asked(rules, rule, rules.document.forms[rule.form])


def _report(form: Form, year: int, values: dict[str, Any], today: date) -> FormReport:
    known = Context(year=year, today=today)
    return check_parts({PART: form}, {PART: values}, complete=True, known=known)
