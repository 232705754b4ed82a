"""What is found about a filing's content: one report for preview, import, submission and review."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from domain.clock import day_of
from domain.ids import filing_id
from files.form_sheets import Filled
from rules.compiled import CompiledRules
from rules.filing.forms.checking import check_parts, readings
from rules.filing.forms.context import Context, PeerRange, Register
from rules.filing.forms.example import register_value
from rules.filing.forms.findings import FormReport, with_waivers
from rules.filing.forms.model import Form
from rules.filing.forms.peers import compared, groups
from rules.filing.forms.prefill import prefilled
from services.clock import Clock
from services.peers import PeerService
from services.rule_sets import PinnedRules, RuleSetMissing
from store import content, rule_sets
from store.institutions import Institution


def register_of(institution: Institution) -> Register:
    """What the checks are told of an institution on record."""
    facts = institution.facts
    return Register(
        name=institution.name,
        uscc=institution.uscc,
        region=facts.region,
        legal_person=facts.legal_person,
        accredited=facts.accredited,
        national_centres=facts.national_centres,
        certificates=institution.certificates,
    )


class AmongPeers(NamedTuple):
    """One figure of a filing beside what is usual in one of its institution's groups."""

    part: str
    field: str
    label: str
    value: Any
    usual: PeerRange


class ContentService:
    """Checks filings' contents against everything that is known beside them."""

    def __init__(self, engine: AsyncEngine, pinned: PinnedRules, clock: Clock) -> None:
        # single reads: no transaction to begin and end around them
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._pinned = pinned
        self._clock = clock
        self._peers = PeerService(engine, clock)

    async def report(
        self,
        rules: CompiledRules,
        parts: Sequence[str],
        institution: Institution | None,
        document: Mapping[str, Any],
        waived: Mapping[str, int] | None = None,
        last: Mapping[str, dict[str, Any]] | None = None,
    ) -> FormReport:
        """What is found about a filing's content, every part of ``parts`` wanted.

        ``waived`` are the numbers of the filing's waivers, by the findings that they are for;
        ``last`` are last year's values, where whoever asks has read them already.
        """
        forms = rules.forms_of(parts)
        year = rules.document.year
        known = Context(
            year=year,
            today=day_of(self._clock()),
            register=register_of(institution) if institution is not None else None,
        )
        if last is None and institution is not None:
            async with self._engine.connect() as connection:
                last = await self.last_year(connection, institution.facts.id, year)
        peers = {
            part: await self._peers.ranges(year, part, form)
            for part, form in forms.items()
            if part in document
        }
        found = check_parts(
            forms, document, complete=True, known=known, last_year=last or {}, peers=peers
        )
        return with_waivers(found, waived or {})

    async def pinned_form(self, form_id: str, sha256: str) -> Form | None:
        """The version of a form that some rule set on record holds; None where none does."""
        async with self._engine.connect() as connection:
            found = await rule_sets.forms_named(connection, form_id)
        return next(
            (form for form in map(Form.model_validate, found) if form.sha256 == sha256), None
        )

    def structure(
        self, rules: CompiledRules, parts: Sequence[str], document: Mapping[str, Any]
    ) -> FormReport:
        """What is wrong with the parts of a draft that are there, whatever else is missing."""
        return check_parts(rules.forms_of(parts), document, complete=False)

    async def last_year(
        self, connection: AsyncConnection, institution: str, year: int
    ) -> dict[str, dict[str, Any]]:
        """The values, by part, of the institution's complete filing of the year before."""
        return await self.values_of(
            await content.completed(connection, filing_id(year - 1, institution))
        )

    async def values_of(self, before: content.Completed | None) -> dict[str, dict[str, Any]]:
        """The values, by part, of what a filing was completed with; {} for none."""
        if before is None:
            return {}
        try:
            rules = await self._pinned.get(before.rule_set)
        except RuleSetMissing:
            return {}
        parts = [part for part in before.content if part in rules.part_ids]
        return readings(rules.forms_of(parts), before.content)

    async def year_before(self, institution: str, year: int) -> dict[str, Any]:
        """What the institution's filing of the year before was completed with; {} for nothing."""
        async with self._engine.connect() as connection:
            before = await content.completed(connection, filing_id(year - 1, institution))
        return before.content if before is not None else {}

    async def among_peers(
        self, rules: CompiledRules, document: Mapping[str, Any]
    ) -> list[AmongPeers]:
        """The figures of a content that are compared with others', and what is usual there."""
        forms = rules.forms_of(part for part in document if part in rules.part_ids)
        found: list[AmongPeers] = []
        for part, values in readings(forms, document).items():
            form = forms[part]
            if not compared(form):
                continue
            usual = await self._peers.ranges(rules.document.year, part, form)
            found += [
                AmongPeers(part, field, form.fields[field].label, values[field], usual[place])
                for field in compared(form)
                for group in groups(form, values)
                if field in values and (place := (field, group)) in usual
            ]
        return found

    async def prefilled(
        self, rules: CompiledRules, parts: Sequence[str], institution: Institution
    ) -> dict[str, dict[str, Any]]:
        """What a filing begins with, by part: from the register and from last year's filing."""
        case_id = filing_id(rules.document.year - 1, institution.facts.id)
        async with self._engine.connect() as connection:
            before = await content.completed(connection, case_id)
        last = before.content if before is not None else {}
        register = register_of(institution)
        return {
            part: prefilled(form, register, last.get(part))
            for part, form in rules.forms_of(parts).items()
        }

    async def sheets(
        self,
        rules: CompiledRules,
        parts: Sequence[str],
        institution: Institution | None,
        document: Mapping[str, Any],
    ) -> dict[str, Filled]:
        """The parts of a filing as its workbook shows them."""
        last: dict[str, dict[str, Any]] = {}
        known: dict[str, dict[str, Any]] = {}
        centres: tuple[str, ...] = ()
        if institution is not None:
            async with self._engine.connect() as connection:
                year = rules.document.year
                last = await self.last_year(connection, institution.facts.id, year)
            register = register_of(institution)
            centres = register.national_centres
            known = {
                part: {name: register_value(field, register) for name, field in form.fields.items()}
                for part, form in rules.forms_of(parts).items()
            }
        return {
            part: Filled(
                form, document.get(part, {}), last.get(part, {}), known.get(part, {}), centres
            )
            for part, form in rules.forms_of(parts).items()
        }
