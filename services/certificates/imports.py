"""Batch imports of certificates: checking a file, having it worked through, its outcomes."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy

from domain.case.commands import Actor
from domain.case.status import Status
from domain.case.workflow_messages import TASK_QUEUE
from domain.certificates.certificate import CERTIFICATE_STATUS_LABELS, CertificateStatus, status_on
from domain.certificates.imports import (
    IMPORT_WORKFLOW,
    ImportedCertificate,
    ImportMode,
    ImportStage,
    ImportStart,
    RowOutcome,
)
from domain.certificates.issuing import Purpose
from domain.certificates.number import NumberTables
from domain.certificates.warnings import SECOND_MEND, HolderFacts, certificate_warnings
from domain.clock import day_of
from domain.facts import InstitutionFacts
from domain.model import Value
from domain.refusals import Code, Refusal, Refused
from engine.client import ANSWER_WITHIN, translated
from files.certificate_import import LABELS, ImportReading, read_import
from files.findings import Level, RowProblem
from services.certificates.applications import CertificateService, case_id_of
from services.clock import Clock
from store import cases, content, institutions, journal
from store.certificates import imports, register
from store.certificates.imports import Import as Import
from store.certificates.imports import ImportProblem as ImportProblem
from store.certificates.imports import ImportRow as ImportRow
from store.certificates.register import Registered
from store.institutions import Institution

_BEFORE_SUBMISSION = (Status.DRAFT.value,)
_GIVEN_UP = (Status.WITHDRAWN.value, Status.CANCELLED.value)


class CarriedOut(Value):
    """What a certificate of an import has led to."""

    outcome: RowOutcome
    case_id: str
    number: str = ""
    code: str = ""


class Loaded(Value):
    """An import as it stands after a file came; ``repeated``: the file was here before."""

    found: Import
    repeated: bool


def import_id(data: bytes, filename: str, mode: ImportMode, authority: str) -> str:
    """The id that an authority's import of a file has: the same file is the same import."""
    kind, sha256 = filename.rpartition(".")[2].lower(), hashlib.sha256(data).hexdigest()
    named = hashlib.sha256(f"{sha256}|{kind}|{mode}|{authority}".encode())
    return named.hexdigest()[:32]


class CertificateImportService:
    """Everything an issuing office can do with files of certificates."""

    def __init__(
        self,
        client: Client,
        engine: AsyncEngine,
        issuing: CertificateService,
        known_regions: Callable[[str], bool],
        clock: Clock,
    ) -> None:
        self._client = client
        self._engine = engine
        self._issuing = issuing
        self._known_regions = known_regions
        self._clock = clock

    async def load(
        self,
        data: bytes,
        filename: str,
        mode: ImportMode,
        actor: Actor,
        command_id: str,
        permit: Callable[[int], Awaitable[None]] | None = None,
    ) -> Loaded:
        """Reads and checks a file of the clerk's authority and, as ``mode`` says, has it done.

        The same file again: one under way or done without a fault is only shown; otherwise it is
        checked anew and what could not be done before is tried. What has been done, in whichever
        file it came, is never done twice. ``permit`` is asked once it is known of how many
        certificates a file is, and raises Refused where nothing is to be done with so many.
        """
        sha256 = hashlib.sha256(data).hexdigest()
        id_ = import_id(data, filename, mode, actor.scope)
        before = await self.find(id_)
        if before is not None and _settled(before):
            await self._go_on(before)
            return Loaded(found=before, repeated=True)
        now = self._clock()
        # seconds of pure computing for a large file: other requests go on meanwhile
        rules = await asyncio.to_thread(self._issuing.rules)
        reading = await asyncio.to_thread(
            read_import,
            data,
            filename,
            rules=rules,
            authority=actor.scope,
            today=day_of(now),
            known_regions=self._known_regions,
            unprintable=self._issuing.unprintable,
        )
        if permit is not None:
            await permit(reading.total)
        async with self._engine.begin() as connection:
            await imports.lock(connection, id_)
            before = await imports.by_id(connection, id_)
            if before is None or not _settled(before):
                checked = await _Check(
                    connection, reading, actor, self._clock, rules.tables
                ).result()
                stage = _stage(mode, checked)
                new = checked.institutions if stage is ImportStage.WORKING else ()
                await imports.save(
                    connection,
                    {
                        "id": id_,
                        "authority": actor.scope,
                        "filename": filename[:200],
                        "sha256": sha256,
                        "mode": mode.value,
                        "stage": stage.value,
                        "lines": reading.lines,
                        "total": reading.total,
                        "requested_by": actor.subject,
                        "institutions": await institutions.add_missing(connection, new),
                        "requested_at": now,
                    },
                    _rows(reading, checked, stage),
                    _problems(reading, checked),
                )
                if stage is ImportStage.WORKING:
                    await journal.append_operator_step(
                        connection,
                        f"certificate-import/{id_}",
                        "import_begun",
                        actor,
                        now,
                        {
                            "filename": filename[:200],
                            "sha256": sha256,
                            "mode": mode.value,
                            "total": reading.total,
                            "institutions": [one.facts.id for one in new],
                        },
                        command_id,
                    )
        found = await self.find(id_)
        assert found is not None
        await self._go_on(found)
        return Loaded(found=found, repeated=before is not None)

    async def find(self, import_id: str) -> Import | None:
        """One import, None if there is none with this id."""
        async with self._engine.connect() as connection:
            return await imports.by_id(connection, import_id)

    async def page(
        self, authority: str, before: tuple[datetime, str] | None, size: int
    ) -> list[Import]:
        """Up to ``size`` of an authority's imports, newest first, before an instant and an id."""
        async with self._engine.connect() as connection:
            return await imports.page(connection, authority, before, size)

    async def rows(
        self, import_id: str, *, after: int = 0, size: int, outcome: RowOutcome | None = None
    ) -> list[ImportRow]:
        """Up to ``size`` certificates of an import in the order of the file."""
        async with self._engine.connect() as connection:
            return await imports.rows(
                connection, import_id, after=after, size=size, outcome=outcome
            )

    async def problems(self, import_id: str, size: int | None = None) -> list[ImportProblem]:
        """What is wrong in an import, in the order of the file."""
        async with self._engine.connect() as connection:
            return await imports.problems(connection, import_id, size)

    async def begin_work(self, import_id: str) -> None:
        """Has an import worked through; while that goes on already, nothing changes.

        Raises Refused when the engine does not answer.
        """
        async with translated():
            await self._client.start_workflow(
                IMPORT_WORKFLOW,
                ImportStart(import_id=import_id),
                id=f"certificate-import/{import_id}",
                task_queue=TASK_QUEUE,
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                rpc_timeout=ANSWER_WITHIN,
            )

    async def carry_out(self, one: ImportedCertificate, actor: Actor) -> CarriedOut:
        """Issues or applies for one certificate, once for ever. Raises Refused."""
        key = key_of(one)
        case_id = case_id_of(actor, key)
        renews = await self._code_of(one) if one.renews else ""
        try:
            if one.decided is not None:
                await self._issuing.take_over(
                    one.content, one.decided, one.approver, actor, key, renews
                )
            else:
                await self._apply(one, actor, key, renews)
        except Refused as refused:
            done = await self._done(case_id, one)
            if done is None or refused.refusal.code in (Code.UNAVAILABLE, Code.BUSY):
                raise
            # somebody else of the office has brought the very same thing
            return done.model_copy(update={"outcome": RowOutcome.REPEATED})
        done = await self._done(case_id, one)
        if done is None:
            raise Refused(Refusal(code=Code.UNAVAILABLE, params={"part": "流程引擎"}))
        return done

    # --- private steps -----------------------------------------------------------------------

    async def _go_on(self, found: Import) -> None:
        # should this process die before, another one does it (`services.recovery`)
        if found.stage is ImportStage.WORKING:
            await self.begin_work(found.id)

    async def _apply(self, one: ImportedCertificate, actor: Actor, key: str, renews: str) -> None:
        case = await self._issuing.begin(one.content, actor, key, renews)
        async with self._engine.connect() as connection:
            first = await content.revision(connection, case.case_id, 1)
        assert first is not None
        await self._issuing.apply(
            case, Purpose.ISSUE, 1, first.sha256, actor, f"import:{one.sha256()[:32]}"
        )

    async def _code_of(self, one: ImportedCertificate) -> str:
        async with self._engine.connect() as connection:
            old = await register.by_number(connection, one.renews)
        if old is None or not old.code:
            params = {"number": one.renews, "institution": one.content.institution}
            raise Refused(Refusal(code=Code.OTHER_HOLDER, params=params))
        return old.code

    async def _done(self, case_id: str, one: ImportedCertificate) -> CarriedOut | None:
        """What a delivery has led to, None while it has led to nothing."""
        async with self._engine.connect() as connection:
            found = await register.by_case(connection, case_id)
            case = await cases.by_id(connection, case_id)
        if found is not None:
            return CarriedOut(
                outcome=RowOutcome.ISSUED, case_id=case_id, number=found.number, code=found.code
            )
        if one.decided is None and case is not None and case.status not in _BEFORE_SUBMISSION:
            return CarriedOut(outcome=RowOutcome.APPLIED, case_id=case_id)
        return None


def key_of(one: ImportedCertificate) -> str:
    """The key of a delivery. What is the same in another file is the same delivery."""
    return f"import:{one.sha256()}"


def _settled(found: Import) -> bool:
    """Whether the same file again can change nothing."""
    if found.stage is ImportStage.WORKING:
        return True
    faults = found.counts.get(RowOutcome.BAD, 0) + found.counts.get(RowOutcome.FAILED, 0)
    return found.stage is ImportStage.DONE and not faults


def _stage(mode: ImportMode, checked: "_Checked") -> ImportStage:
    bad = any(problem.level == "error" for problem in checked.problems)
    if mode is ImportMode.CHECK:
        return ImportStage.CHECKED
    if bad and (mode is ImportMode.ALL or not checked.good):
        return ImportStage.REJECTED
    return ImportStage.WORKING


def _rows(reading: ImportReading, checked: "_Checked", stage: ImportStage) -> list[dict[str, Any]]:
    """The rows to keep: what is bad, what was done before, what waits or could be done."""
    to_do = RowOutcome.WAITING if stage is ImportStage.WORKING else RowOutcome.READY
    nothing: dict[str, Any] = {"number": "", "code": "", "case_id": "", "given": None}
    nothing |= {"sha256": "", "place": 0, "problem": "", "message": ""}
    found: list[dict[str, Any]] = []
    for row, (institution, holder) in {**reading.bad, **checked.bad}.items():
        known = {"institution_id": institution, "holder": holder}
        found.append({**nothing, **known, "row": row, "outcome": RowOutcome.BAD.value})
    for one in checked.good:
        before = checked.before.get(one.row)
        outcome = to_do if before is None else RowOutcome.REPEATED
        given = one.model_dump(mode="json") if outcome is RowOutcome.WAITING else None
        found.append(
            {
                **nothing,
                "row": one.row,
                "sha256": one.sha256(),
                "place": one.place(),
                "institution_id": one.content.institution,
                "holder": one.content.holder,
                "outcome": outcome.value,
                "number": before.number if before else one.number,
                "code": before.code if before else "",
                "case_id": before.case_id if before else "",
                "given": given,
            }
        )
    return found


def _problems(reading: ImportReading, checked: "_Checked") -> list[dict[str, Any]]:
    """The problems to keep, each with the institution and the holder its certificate is about."""
    about = {one.row: (one.content.institution, one.content.holder) for one in checked.good}
    about |= {**reading.bad, **checked.bad}
    kept = []
    for problem in checked.problems:
        institution, holder = about.get(reading.first.get(problem.row, 0), ("", ""))
        kept.append({**problem.model_dump(), "institution_id": institution, "holder": holder})
    return kept


class _Checked(Value):
    """A reading after what only the record can tell.

    ``before`` maps rows to what they led to earlier; ``institutions`` are to be put on record.
    """

    good: tuple[ImportedCertificate, ...]
    bad: dict[int, tuple[str, str]]
    before: dict[int, CarriedOut]
    problems: tuple[RowProblem, ...]
    institutions: tuple[Institution, ...]


_WARNED_AT = {"holder_differs": "holder", "other_province": "institution", "second_certificate": ""}
"""The column that each warning is about; "" for the row."""


def _same_line(one: ImportedCertificate, other: ImportedCertificate) -> bool:
    """Whether two are the same certificate, or one takes the place of the other."""
    renewed = {one.renews, other.renews} - {""}
    return one is other or bool(renewed & {one.number, other.number})


class _Check:
    """Looks at a reading beside the record; writes nothing."""

    def __init__(
        self,
        connection: AsyncConnection,
        reading: ImportReading,
        actor: Actor,
        clock: Clock,
        tables: NumberTables,
    ) -> None:
        self._connection = connection
        self._tables = tables
        self._reading = reading
        self._actor = actor
        self._today = day_of(clock())
        self._problems: list[RowProblem] = []

    async def result(self) -> _Checked:
        """Everything there is to be said."""
        read = self._reading.certificates
        ids = {one.row: case_id_of(self._actor, key_of(one)) for one in read}
        statuses = await cases.statuses(self._connection, list(ids.values()))
        wanted = [number for one in read for number in (one.number, one.renews) if number]
        on_record = await register.by_numbers(self._connection, wanted)
        by_number = {certificate.number: certificate for certificate in on_record}
        issued = await register.by_cases(self._connection, list(ids.values()))
        codes = [by_number[one.renews].code for one in read if one.renews in by_number]
        renewals = await register.renewals_of(self._connection, codes)
        allotted = await register.allotted_to(self._connection, wanted)
        known = await institutions.by_ids(
            self._connection, list({one.content.institution for one in read})
        )
        holders = await register.of_holders(self._connection, list(known))
        before: dict[int, CarriedOut] = {}
        for one in read:
            case_id = ids[one.row]
            own = issued.get(case_id)
            status = statuses.get(case_id)
            if own is not None:
                before[one.row] = CarriedOut(
                    outcome=RowOutcome.ISSUED, case_id=case_id, number=own.number, code=own.code
                )
                continue
            if status is not None and one.decided is None and status not in _BEFORE_SUBMISSION:
                if status in _GIVEN_UP:
                    what = "同样内容的申请此前已提交，并已撤回或不予批准"
                    self._add(one, "", "application_ended", what, "确需再次申请的，请单件录入")
                before[one.row] = CarriedOut(outcome=RowOutcome.APPLIED, case_id=case_id)
                continue
            self._check_number(one, by_number, allotted.get(one.number), case_id)
            self._check_renewal(one, by_number, renewals, case_id)
            self._check_institution(one, known)
        new = self._new_institutions(known)
        bad_rows = {problem.row for problem in self._problems if problem.level == "error"}
        bad = {
            one.row: (one.content.institution, one.content.holder)
            for one in read
            if one.row in bad_rows
        }
        good = tuple(one for one in read if one.row not in bad_rows)
        for one in good:
            if one.row not in before:
                self._warn(one, holders)
        self._warn_of_each_other([one for one in good if one.row not in before])
        problems = sorted([*self._reading.problems, *self._problems], key=lambda one: one.row)
        return _Checked(
            good=good, bad=bad, before=before, problems=tuple(problems), institutions=new
        )

    def _add(
        self,
        one: ImportedCertificate,
        column: str,
        code: str,
        message: str,
        mend: str,
        level: Level = "error",
    ) -> None:
        self._problems.append(
            RowProblem(
                row=one.row,
                column=LABELS.get(column, ""),
                code=code,
                message=message,
                mend=mend,
                level=level,
            )
        )

    def _warn(self, one: ImportedCertificate, holders: dict[str, HolderFacts]) -> None:
        """What to look at keeps no row out."""
        unknown = HolderFacts(name="", region=one.region)
        for warning in certificate_warnings(
            one.content,
            holders.get(one.content.institution, unknown),
            self._tables,
            self._today,
            replaces=filter(None, (one.number, one.renews)),
        ):
            column = _WARNED_AT[warning.code]
            self._add(one, column, warning.code, warning.message, warning.mend, "notice")

    def _warn_of_each_other(self, good: Sequence[ImportedCertificate]) -> None:
        """Two certificates of one file of the same institution, field and industry."""
        alike: dict[tuple[str, str, str], list[ImportedCertificate]] = {}
        for one in good:
            last = one.decided.valid_to if one.decided else None
            if last is None or last >= self._today:
                of = one.content
                alike.setdefault((of.institution, of.field, of.industry), []).append(one)
        for group in alike.values():
            for one in group:
                others = [str(other.row) for other in group if not _same_line(one, other)]
                if others:
                    rows = "、".join(others[:5]) + ("等" if len(others) > 5 else "")
                    what = f"本文件第 {rows} 行也是该机构在同一专业领域和行业的证书"
                    code, column = "second_certificate", _WARNED_AT["second_certificate"]
                    self._add(one, column, code, what, SECOND_MEND, "notice")

    # the checks

    def _check_number(
        self,
        one: ImportedCertificate,
        by_number: dict[str, Registered],
        allotted_to: str | None,
        case_id: str,
    ) -> None:
        found = by_number.get(one.number)
        if found is not None and (found.origin == "issued" or found.case_id):
            what = f"证书编号 {one.number} 已由本系统登记（机构 {found.institution_id}）"
        elif allotted_to is not None and allotted_to != case_id:
            what = f"证书编号 {one.number} 已分配给另一件申请"
        elif found is not None and found.issuer != self._actor.scope:
            what = f"证书编号 {one.number} 已登记为另一机关（{found.issuer}）颁发"
        elif found is not None and found.institution_id != one.content.institution:
            what = f"证书编号 {one.number} 已登记在机构 {found.institution_id} 名下"
        else:
            return
        mend = "请对照原证书核对编号；需要新编号的，把编号留空"
        self._add(one, "number", Code.NUMBER_TAKEN.value, what, mend)

    def _check_renewal(
        self,
        one: ImportedCertificate,
        by_number: dict[str, Registered],
        renewals: dict[str, Registered],
        case_id: str,
    ) -> None:
        if not one.renews:
            return
        old = by_number.get(one.renews)
        if old is None:
            what = f"登记中没有原证书 {one.renews}"
            mend = "请先导入原证书（有审批文书的，填其编号和有效期），再导入延续的证书"
            self._add(one, "renews", "unknown_certificate", what, mend)
            return
        if old.institution_id != one.content.institution or old.issuer != self._actor.scope:
            what = f"原证书 {one.renews} 属于机构 {old.institution_id}、由 {old.issuer} 颁发"
            mend = "请核对原证书编号；延续的证书须是同一机构、同一发证机关的"
            self._add(one, "renews", Code.OTHER_HOLDER.value, what, mend)
            return
        if not old.code:
            what = f"原证书 {one.renews} 只在机构名录里，还没有证书代码"
            mend = "请由经办人先导入本机关的有效证书清单，再导入延续的证书"
            self._add(one, "renews", "certificate_without_code", what, mend)
            return
        stands = status_on(old.status, old.valid_to, self._today)
        if stands not in (CertificateStatus.VALID, CertificateStatus.EXPIRED):
            what = f"原证书 {one.renews} 现为“{CERTIFICATE_STATUS_LABELS[stands]}”"
            code = Code.CERTIFICATE_NOT_IN_FORCE.value
            self._add(one, "renews", code, what, "不能延续；需要重新取得资质的，请另行申请")
        other = renewals.get(old.code)
        if other is not None and other.case_id != case_id:
            what = f"原证书 {one.renews} 已由 {other.number} 延续"
            code = Code.RENEWED_ALREADY.value
            self._add(one, "renews", code, what, "请核对原证书编号")

    def _check_institution(self, one: ImportedCertificate, known: dict[str, Institution]) -> None:
        """An institution must be on record, or be put there by a row that says where it is."""
        if one.content.institution in known or one.region:
            return
        others = (
            other
            for other in self._reading.certificates
            if other.content.institution == one.content.institution and other.region
        )
        if next(others, None) is None:
            what = f"名录中没有机构 {one.content.institution}"
            mend = "请核对机构编号；确是新机构的，请在本行填监管区域代码和是否法人"
            self._add(one, "institution", Code.UNKNOWN_INSTITUTION.value, what, mend)

    def _new_institutions(self, known: dict[str, Institution]) -> tuple[Institution, ...]:
        """The institutions to be put on record, each as the first good row has it.

        Rows that count on another one to say where theirs is are bad if that one is.
        """
        bad = {problem.row for problem in self._problems if problem.level == "error"}
        found: dict[str, Institution] = {}
        first: dict[str, ImportedCertificate] = {}
        good = [one for one in self._reading.certificates if one.row not in bad]
        for one in good:
            id_ = one.content.institution
            if id_ in known or not one.region:
                continue
            if id_ not in found:
                first[id_] = one
                found[id_] = Institution(
                    name=one.content.holder,
                    uscc=one.content.uscc,
                    previous_reviewer=None,
                    facts=InstitutionFacts(
                        id=id_, region=one.region, legal_person=one.legal_person
                    ),
                    certificates=(),
                )
            elif (found[id_].facts.region, found[id_].facts.legal_person) != (
                one.region,
                one.legal_person,
            ):
                what = f"新机构 {id_} 的监管区域或是否法人与第 {first[id_].row} 行不同"
                self._add(one, "region", "conflicting_rows", what, "请核对，使两行相同")
        for one in good:
            id_ = one.content.institution
            if id_ not in known and id_ not in found:
                what = f"名录中没有机构 {id_}，写明其监管区域的那一行有错"
                mend = "请在本行填监管区域代码和是否法人，或先改正那一行"
                self._add(one, "institution", Code.UNKNOWN_INSTITUTION.value, what, mend)
        return tuple(found.values())
