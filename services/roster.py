"""The register of institutions: importing a roster, all or nothing unless asked otherwise."""

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from datetime import date
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from domain import contacts as people
from domain.canonical import sha256_of
from domain.certificates.certificate import CERTIFICATE_STATUS_LABELS
from domain.clock import day_of
from domain.contacts import ContactRole, ContactSource, Reachable
from domain.facts import CertificateFacts, Facts, InstitutionFacts
from domain.ids import NATION
from domain.jurisdictions import lies_in, speaks_for
from domain.model import Value
from domain.numbers.quarters import Quarter
from files.findings import Level, RowProblem
from files.roster import ROSTER, RosterInstitution, RosterReading, read_roster
from rules.compiled import CompiledRules
from rules.conditions import ConditionFailed
from rules.file.catalogue import Catalogue
from services.clock import Clock
from services.lists import ListReport, ListRequest, ListService, errors_in
from services.rule_sets import PinnedRules
from store import (
    campaigns,
    contacts,
    content,
    institution_acts,
    institutions,
    journal,
    roster_imports,
)
from store.campaigns import Campaign
from store.institutions import Institution, OnRecord

_LABELS = ROSTER.labels
_FACTS = tuple(name for name in InstitutionFacts.model_fields if name != "id")
_OUTCOMES = {
    "must": "应当报送",
    "may": "可以报送",
    "none": "不在报送范围",
    "": "没有规则",
    "uncomputable": "规则算不出",
}


def known_regions(catalogue: Catalogue, clock: Clock) -> Callable[[str], bool]:
    """Tells whether a six-digit code is an area an institution can be supervised in today."""
    places = catalogue.jurisdictions

    def there(code: str) -> bool:
        inside = code != NATION and code in places.names
        return inside and places.in_force(code).on(day_of(clock()))

    return there


class RosterChange(Value):
    """What a roster says otherwise than the record did, or what follows from that.

    With ``campaign`` it is a running campaign in which the obligation or the reviewer becomes
    another one; what is under way there stays with whom it is.
    """

    row: int
    institution: str
    column: str
    old: str
    new: str
    campaign: str = ""


class RosterReport(ListReport):
    """What an import did. ``accepted`` counts institutions, ``added`` those that are new.

    ``changes`` says per institution what became different, from what to what.
    """

    id: str
    repeated: bool
    added: int = 0
    changes: tuple[RosterChange, ...] = ()


class RosterService(ListService[RosterReading, RosterReport]):
    """Everything an operator can do with the register of institutions."""

    def __init__(
        self, engine: AsyncEngine, known_regions: Callable[[str], bool], clock: Clock
    ) -> None:
        super().__init__(engine, clock)
        self._known_regions = known_regions
        self._pinned = PinnedRules(engine)

    async def report(self, id_: str) -> RosterReport | None:
        """The report of an import that saved something, None if there is none with this id."""
        async with self._engine.connect() as connection:
            return _report(await roster_imports.by_id(connection, id_), repeated=False)

    # --- private steps -----------------------------------------------------------------------

    async def _known(
        self, connection: AsyncConnection, request: ListRequest
    ) -> RosterReport | None:
        """A key is one import, for ever; and the file that came last changes nothing again.

        An older one is imported anew, since it may be there to restore what it says.
        """
        if request.dry_run:
            return None
        step = await journal.by_command(connection, institutions.REGISTER, request.command_id)
        if step is not None:
            before = await roster_imports.by_id(connection, step.body["import"])
            return _report(before, repeated=True)
        latest = _report(await roster_imports.latest(connection), repeated=True)
        return latest if latest is not None and latest.id == _id_of(request) else None

    async def _read(self, request: ListRequest) -> RosterReading:
        return await asyncio.to_thread(
            read_roster, request.data, request.filename, known_regions=self._known_regions
        )

    async def _import(
        self, connection: AsyncConnection, reading: RosterReading, request: ListRequest
    ) -> RosterReport:
        await journal.lock(connection, institutions.REGISTER)
        # it may have come to another API at the same time
        standing = await self._known(connection, request)
        if standing is not None:
            return standing
        ids = [one.id for one in reading.institutions]
        known = await institutions.by_ids(connection, ids)
        good, problems = await _checked(connection, reading, known, request.actor.scope)
        reached, good = await _reached(connection, good, reading, problems)
        errors = errors_in(problems)
        saved = good if request.accept_good_rows or not errors else []
        merged = [_merged(one, known.get(one.id), reading.said[one.id]) for one in saved]
        changes = [
            change
            for one in merged
            if one.facts.id in known
            for change in _changes(known[one.facts.id], one, reading.places[one.facts.id][0])
        ]
        moved = {change.institution: change.row for change in changes}
        for one in merged:
            if one.facts.id in moved:
                row = moved[one.facts.id]
                changes += await self._moves(connection, known[one.facts.id], one, row)
        reached = {one.id: reached[one.id] for one in saved if one.id in reached}
        changes += [
            _contact_changed(id_, reading.places[id_][0]) for id_ in reached if id_ in known
        ]
        report = RosterReport(
            id=_id_of(request),
            filename=request.filename,
            rows=reading.rows,
            accepted=len(saved),
            accept_good_rows=request.accept_good_rows,
            dry_run=request.dry_run,
            errors=errors,
            problems=tuple(problems),
            repeated=False,
            added=sum(one.facts.id not in known for one in merged),
            changes=tuple(sorted(changes, key=lambda change: change.row)),
        )
        if saved:
            await institutions.save(connection, merged)
            await contacts.add(
                connection,
                reached,
                ContactRole.LIAISON,
                ContactSource.ROSTER,
                request.actor.subject,
                self._clock(),
            )
            added = [one.facts.id for one in merged if one.facts.id not in known]
            await self._put_on_record(connection, report, request, added)
            await institutions.note_roster(connection, [one.facts.id for one in merged])
        return report

    async def _moves(
        self, connection: AsyncConnection, before: Institution, after: Institution, row: int
    ) -> list[RosterChange]:
        """In which running campaigns the obligation or the reviewer becomes another one."""
        moves: list[RosterChange] = []
        for campaign in await campaigns.running(connection):
            old = await self._standing(campaign, before.facts_for(None))
            new = await self._standing(campaign, after.facts_for(None))
            for place, label in enumerate(("报送义务", "审核部门")):
                if old[place] != new[place]:
                    moves.append(
                        RosterChange(
                            row=row,
                            institution=after.facts.id,
                            column=label,
                            old=old[place],
                            new=new[place],
                            campaign=campaign.case_id,
                        )
                    )
        return moves

    async def _standing(self, campaign: Campaign, facts: Facts) -> tuple[str, str]:
        """The obligation and the reviewer that a campaign's rules come to, in words."""
        try:
            return await self._computed(campaign, facts)
        except ConditionFailed:
            # a list may be what makes it computable again: it is taken
            return _OUTCOMES["uncomputable"], ""

    async def _computed(self, campaign: Campaign, facts: Facts) -> tuple[str, str]:
        own = await self._pinned.get(campaign.rule_set)
        places = list(own.document.tree.upwards(facts.institution.region))
        if campaign.jurisdiction not in places:
            return _OUTCOMES["none"], ""
        sha256 = next((campaign.rule_sets[p] for p in places if p in campaign.rule_sets), "")
        if not sha256:
            return _OUTCOMES[""], ""
        rules = await self._pinned.get(sha256)
        if campaign.quarter:
            quarter = Quarter(campaign.year, campaign.quarter)
            return _OUTCOMES[rules.batch_obligation(facts, quarter).outcome], ""
        outcome = rules.obligation(facts).outcome
        return _OUTCOMES[outcome], "" if outcome == "none" else _reviewer(rules, facts)

    async def _put_on_record(
        self,
        connection: AsyncConnection,
        report: RosterReport,
        request: ListRequest,
        added: list[str],
    ) -> None:
        row = report.model_dump(mode="json", exclude={"repeated", "errors", "dry_run"})
        await roster_imports.save(connection, row, request.actor.subject, request.actor.scope)
        # a report is replaced when its file comes again; what each import changed is not
        note = await content.save_note(
            connection,
            {
                "import": report.id,
                "command": request.command_id,
                "added": added,
                "changes": row["changes"],
            },
        )
        await journal.append_operator_step(
            connection,
            institutions.REGISTER,
            "roster_imported",
            request.actor,
            self._clock(),
            {
                "import": report.id,
                "rows": report.rows,
                "accepted": report.accepted,
                "report_sha256": sha256_of(row),
                "added": report.added,
                "changed": len({change.institution for change in report.changes}),
            },
            request.command_id,
            note_sha256=note,
        )


def _report(row: dict[str, Any] | None, *, repeated: bool) -> RosterReport | None:
    """A report that is on record."""
    if row is None:
        return None
    known = {key: row[key] for key in RosterReport.model_fields if key in row}
    problems = [RowProblem(**problem) for problem in row["problems"]]
    return RosterReport(
        **{**known, "problems": tuple(problems), "errors": errors_in(problems)}, repeated=repeated
    )


def _id_of(request: ListRequest) -> str:
    kind = request.filename.rpartition(".")[2].lower()
    way = f"|{kind}|{request.accept_good_rows}|{request.actor.scope}"
    return hashlib.sha256(hashlib.sha256(request.data).digest() + way.encode()).hexdigest()


def _reviewer(rules: CompiledRules, facts: Facts) -> str:
    decision = rules.route(facts)
    chain = decision.chain or ((decision.reviewer,) if decision.reviewer else ())
    return " → ".join(rules.authority_name(authority) for authority in chain)


async def _checked(
    connection: AsyncConnection,
    reading: RosterReading,
    known: dict[str, Institution],
    scope: str,
) -> tuple[list[RosterInstitution], list[RowProblem]]:
    """What only the register and the importer's jurisdiction can tell."""
    numbers = [c.number for one in reading.institutions for c in one.certificates]
    register = await institutions.on_record(connection, numbers)
    former = await institution_acts.former_codes(connection, list(known))
    good, problems = [], list(reading.problems)
    for one in reading.institutions:
        rows = reading.places[one.id]
        found: list[RowProblem] = []
        notices: list[RowProblem] = []
        places = [one.institution.region]
        if one.id in known:
            places.append(known[one.id].facts.region)
        elsewhere = not all(lies_in(place, scope) for place in places)
        if elsewhere:
            # the same words whether it is on record elsewhere or nowhere
            what = f"机构 {one.id} 不在您的辖区"
            mend = "请核对机构编号和区域代码；确有其事的，请由其所在辖区的经办人办理"
            found.append(_problem(rows[0], "region", "outside_jurisdiction", what, mend))
        elif one.id in known and known[one.id].merged_into:
            what = f"机构 {one.id} 已并入 {known[one.id].merged_into}"
            mend = "请从名录中删去本行，证书写在并入后的机构名下"
            found.append(_problem(rows[0], "id", "institution_merged", what, mend))
        elif one.uscc and one.uscc in former.get(one.id, ()) and one.uscc != known[one.id].uscc:
            what = f"机构 {one.id} 的信用代码已变更为 {known[one.id].uscc}，本行写的是原代码"
            mend = "请改为现在的代码；变更有误的，请另办一次信用代码变更"
            found.append(_problem(rows[0], "uscc", "former_uscc", what, mend))
        # of what is elsewhere nothing more is looked at, and nothing told
        certificates = () if elsewhere else one.certificates
        for row, certificate in zip(rows, certificates, strict=False):
            known_as = register.get(certificate.number)
            own = known_as is not None and known_as.institution_id == one.id
            if not own and not speaks_for(scope, certificate.issuer):
                what = f"证书 {certificate.number} 的发证机关 {certificate.issuer} 不在您的辖区"
                mend = "请由发证机关登记这张证书，或由其所在辖区的经办人导入；名录中先不写证书"
                found.append(_problem(row, "issuer", "outside_jurisdiction", what, mend))
            elif known_as is not None and not own:
                holder = known_as.institution_id if scope == NATION else "其他机构"
                what = f"证书 {certificate.number} 已登记在{holder}名下"
                mend = "请核对证书编号；确已变更的，请先更新原机构的证书"
                found.append(_problem(row, "number", "certificate_held_by_other", what, mend))
            elif known_as is not None and _differs(known_as, certificate):
                what = f"证书 {certificate.number} 与证书登记不一致，以登记为准：{_told(known_as)}"
                mend = "登记无误的不必处理；登记有误的，请由发证机关更正登记"
                code = "certificate_in_register"
                notices.append(_problem(row, "number", code, what, mend, "notice"))
        problems.extend(found or notices)
        if not found:
            good.append(one)
    return good, sorted(problems, key=lambda problem: problem.row)


async def _reached(
    connection: AsyncConnection,
    good: Sequence[RosterInstitution],
    reading: RosterReading,
    problems: list[RowProblem],
) -> tuple[dict[str, Reachable], list[RosterInstitution]]:
    """Whom to reach now, where that becomes somebody else, and who may be taken at all."""
    standing = await contacts.current_of(connection, [one.id for one in good])
    changed: dict[str, Reachable] = {}
    taken = []
    for one in good:
        known = next((c for c in standing[one.id] if c.role is ContactRole.LIAISON), None)
        try:
            person = people.after_roster(
                known, one.contact_name, one.contact_phone, one.contact_mail
            )
        except ValueError:
            row = reading.places[one.id][0]
            what = "填了联系电话或电子邮箱，却没有联系人"
            mend = "请补填联系人，或把这两栏留空"
            problems.append(_problem(row, "contact_name", "required", what, mend))
            continue
        taken.append(one)
        if person is not None:
            changed[one.id] = person
    problems.sort(key=lambda problem: problem.row)
    return changed, taken


def _contact_changed(institution: str, row: int) -> RosterChange:
    """That the contact became another one; who, is for those who may see contacts."""
    kept = "（见联系人记录）"
    column = _LABELS["contact_name"]
    return RosterChange(row=row, institution=institution, column=column, old=kept, new=kept)


def _merged(
    given: RosterInstitution, known: Institution | None, said: frozenset[str]
) -> Institution:
    """What is on record after a roster: what it does not say stays as it is."""
    facts = given.institution
    made = Institution(
        name=given.name,
        uscc=given.uscc or "",
        previous_reviewer=given.previous_reviewer,
        facts=facts,
        certificates=given.certificates,
        outcomes=known.outcomes if known is not None else {},
    )
    if known is None:
        return made
    kept = {name: getattr(known.facts, name) for name in _FACTS if name not in said}
    # nor does it take a first day off the record that it does not state
    begins = {one.number: one.valid_from for one in known.certificates}
    stated = tuple(
        one.model_copy(update={"valid_from": one.valid_from or begins.get(one.number)})
        for one in given.certificates
    )
    return made.model_copy(
        update={
            "facts": facts.model_copy(update=kept),
            **{name: getattr(known, name) for name in ("uscc", "previous_reviewer")
               if name not in said},
            "certificates": stated if "number" in said else known.certificates,
        }
    )  # fmt: skip


def _changes(before: Institution, after: Institution, row: int) -> list[RosterChange]:
    """What became different of an institution, cell by cell."""
    cells = [
        *((name, getattr(before, name), getattr(after, name))
          for name in ("name", "uscc", "previous_reviewer")),
        *((name, getattr(before.facts, name), getattr(after.facts, name)) for name in _FACTS),
        ("number", _certificates(before.certificates), _certificates(after.certificates)),
    ]  # fmt: skip
    return [
        RosterChange(
            row=row,
            institution=after.facts.id,
            column=_LABELS[name],
            old=_words(old),
            new=_words(new),
        )
        for name, old, new in cells
        if _words(old) != _words(new)
    ]


def _certificates(certificates: Sequence[CertificateFacts]) -> tuple[str, ...]:
    return tuple(
        f"{one.number}（{one.issuer}，{one.scope} 项，{_days(one.valid_from, one.valid_to)}）"
        for one in sorted(certificates, key=lambda one: one.number)
    )


def _days(first: date | None, last: date) -> str:
    """From when to when, as far as anybody has said."""
    return f"{first} 至 {last}" if first else f"至 {last}"


def _words(value: Any) -> str:
    if isinstance(value, bool):
        return "是" if value else "否"
    return "、".join(value) if isinstance(value, tuple) else value or ""


def _differs(known: OnRecord, certificate: CertificateFacts) -> bool:
    """Whether the register, which a roster does not change, says otherwise."""
    return known.origin != institutions.ROSTER and not known.agrees(certificate)


def _told(known: OnRecord) -> str:
    return (
        f"{CERTIFICATE_STATUS_LABELS[known.status]}，"
        f"有效期{_days(known.valid_from, known.valid_to)}，"
        f"发证机关 {known.issuer}，参数 {known.scope} 项"
    )


def _problem(
    row: int, column: str, code: str, message: str, mend: str, level: Level = "error"
) -> RowProblem:
    column = _LABELS[column]
    return RowProblem(row=row, column=column, code=code, message=message, mend=mend, level=level)
