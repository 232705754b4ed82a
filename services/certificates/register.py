"""The register of certificates: provinces' lists of valid certificates brought on record.

Legal basis: the national notice of 2020-12-01, 一（一）: provinces upload basic information of all
valid certificates they have issued. A list says what there is; it ends nothing and overrules
nothing that was issued here.
"""

import asyncio
import hashlib
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from domain.case.commands import Actor
from domain.certificates.certificate import CERTIFICATE_STATUS_LABELS, CertificateStatus
from domain.clock import day_of
from domain.jurisdictions import speaks_for
from domain.refusals import Code, Refusal, Refused
from files.certificate_register import REGISTER as FORMAT
from files.certificate_register import ListedCertificate, RegisterReading, read_register
from files.findings import Problems, RowProblem
from rules.certificates.certificates import CertificateRules, current_certificate_rules
from services.certificates.codes import new_code
from services.clock import Clock
from services.lists import ListReport, ListRequest, ListService, errors_in
from store import journal
from store.certificates import lists
from store.certificates.lists import Entry, MissingCertificate

LABELS = FORMAT.labels
REGISTER = "register/certificates"
"""The journal's name for the register of certificates as a whole."""


class RegisterReport(ListReport):
    """What an import did. ``accepted`` counts certificates of the list that are on record now.

    Of these, ``inserted`` are new, ``updated`` say something else than before, ``unchanged`` the
    same, and ``kept`` were issued here and were not touched. ``missing`` are the certificates of
    ``complete``, known from lists only, that its list lacks; nothing happens to them.
    """

    sha256: str
    inserted: int
    updated: int
    unchanged: int
    kept: int
    complete: str
    missing: tuple[MissingCertificate, ...]


class _Read(NamedTuple):
    """A list that was read, and the rules it was read by."""

    reading: RegisterReading
    rules: CertificateRules


class RegisterService(ListService[_Read, RegisterReport]):
    """Everything an operator can do with the register of certificates.

    The same list again changes nothing. ``complete`` names the authority whose whole list it is;
    one outside the operator's jurisdiction is refused.
    """

    def __init__(self, engine: AsyncEngine, rules: Path, clock: Clock) -> None:
        super().__init__(engine, clock)
        self._rules = rules

    async def _read(self, request: ListRequest) -> _Read:
        complete = request.complete
        if complete and not speaks_for(request.actor.scope, complete):
            raise Refused(Refusal(code=Code.NOT_YOUR_AUTHORITY, params={"authority": complete}))
        rules = await asyncio.to_thread(current_certificate_rules, self._rules)
        reading = await asyncio.to_thread(
            read_register, request.data, request.filename, rules=rules, complete=complete
        )
        return _Read(reading, rules)

    async def _import(
        self, connection: AsyncConnection, read: _Read, request: ListRequest
    ) -> RegisterReport:
        reading, now = read.reading, self._clock()
        today = day_of(now)
        await lists.lock(connection)
        checked = await _checked(connection, reading, request.actor, read.rules, today)
        problems = sorted([*reading.problems, *checked.problems], key=lambda one: one.row)
        errors = errors_in(problems)
        rejected = bool(errors) and not request.accept_good_rows
        saved, kept = ([], 0) if rejected else (checked.entries, checked.kept)
        inserted, updated = await lists.save(connection, saved)
        missing: list[MissingCertificate] = []
        if request.complete and reading.rows:
            missing = await lists.missing(connection, request.complete, reading.numbers, today)
        report = RegisterReport(
            filename=request.filename,
            sha256=hashlib.sha256(request.data).hexdigest(),
            rows=reading.rows,
            accepted=len(saved) + kept,
            inserted=inserted,
            updated=updated,
            unchanged=len(saved) - inserted - updated,
            kept=kept,
            accept_good_rows=request.accept_good_rows,
            dry_run=request.dry_run,
            complete=request.complete,
            missing=tuple(missing),
            errors=errors,
            problems=tuple(problems),
        )
        if report.accepted:
            body = report.model_dump(mode="json", exclude={"problems", "missing", "dry_run"})
            await journal.append_operator_step(
                connection,
                REGISTER,
                "register_imported",
                request.actor,
                now,
                {**body, "missing": len(missing)},
                request.command_id,
            )
        return report


class _Checked(NamedTuple):
    """What can be put on record, how many are there as issued, and what is wrong."""

    entries: list[Entry]
    kept: int
    problems: list[RowProblem]


async def _checked(
    connection: AsyncConnection,
    reading: RegisterReading,
    actor: Actor,
    rules: CertificateRules,
    today: date,
) -> _Checked:
    """What only the record can tell."""
    listed, log = reading.certificates, Problems()
    holders = await lists.holders(
        connection,
        sorted({one.institution for one in listed if one.institution}),
        sorted({one.uscc for one in listed if one.uscc and not one.institution}),
    )
    # in this order: what is issued in between stands behind its number by then
    allotted = await lists.allotted(connection, [one.number for one in listed])
    standing = await lists.standing(connection, [one.number for one in listed])
    entries, kept = [], 0
    for one in listed:
        holder = _holder(one, holders, log)
        if not speaks_for(actor.scope, one.issuer):
            name = rules.authority_name(one.issuer)
            what, mend = f"{name}不在您的辖区", "请由该机关所在辖区的经办人导入"
            log.error(one.row, LABELS["issuer"], "outside_jurisdiction", what, mend)
            # whether there is such a certificate is not told
            continue
        if one.valid_to < today:
            what, mend = f"有效期到 {one.valid_to}，已经届满", "请核对；属实的不必列入有效证书"
            log.notice(one.row, LABELS["valid_to"], "expired", what, mend)
        before = standing.get(one.number)
        if one.number in allotted and not (before is not None and before["issued"]):
            _refuse_allotted(one, allotted[one.number], log)
        elif before is not None and holder:
            _compare(one, holder, before, log)
        if one.row in log.bad_rows:
            continue
        if before is not None and before["issued"]:
            kept += 1
            continue
        entries.append(_entry(one, holder, holders, (before or {}).get("code") or new_code()))
    if reading.unreadable:
        what = f"有 {reading.unreadable} 行的证书编号无法读取，“缺少的证书”里可能有它们"
        log.notice(0, LABELS["number"], "missing_uncertain", what, "请先改正这些行")
    return _Checked(entries, kept, list(log.listed()))


def _holder(one: ListedCertificate, holders: lists.Holders, log: Problems) -> str:
    """The institution a row is about, "" if that cannot be told."""
    if one.institution:
        if one.institution not in holders.uscc_of:
            what = f"名录中没有机构 {one.institution}"
            mend = "请核对机构编号，或先导入机构名录"
            log.error(one.row, LABELS["institution"], Code.UNKNOWN_INSTITUTION.value, what, mend)
            return ""
        known = holders.uscc_of[one.institution]
        if one.uscc and known and one.uscc != known:
            what = f"机构 {one.institution} 登记的统一社会信用代码是 {known}"
            log.error(one.row, LABELS["uscc"], "uscc_differs", what, "请核对机构编号和信用代码")
            return ""
        return one.institution
    found = holders.of_uscc.get(one.uscc, [])
    if len(found) == 1:
        return found[0]
    if not found:
        what, mend = f"名录中没有信用代码为 {one.uscc} 的机构", "请核对，或先导入机构名录"
        log.error(one.row, LABELS["uscc"], Code.UNKNOWN_INSTITUTION.value, what, mend)
        return ""
    some = "、".join(found[:5])
    what = f"信用代码 {one.uscc} 下有 {len(found)} 个机构账号（{some}）"
    log.error(one.row, LABELS["uscc"], "several_institutions", what, "请填写机构编号")
    return ""


def _refuse_allotted(one: ListedCertificate, void_reason: str, log: Problems) -> None:
    """A number that was given to a case here belongs to no certificate from elsewhere."""
    what = f"证书编号 {one.number} 已由本系统分配给一件申请，尚未发证；没有按清单登记"
    if void_reason:
        what = f"证书编号 {one.number} 由本系统分配后作废（{void_reason}），不再使用"
    mend = "请对照原证书核对编号；确是纸质发放重了号的，请与发证机关核实后更正"
    log.error(one.row, LABELS["number"], Code.NUMBER_TAKEN.value, what, mend)


def _compare(one: ListedCertificate, holder: str, before: dict[str, Any], log: Problems) -> None:
    """What a row says otherwise than the register; an error where it is about something else."""
    number, column = one.number, LABELS["number"]
    if before["issued"]:
        differs = []
        if before["institution_id"] != holder:
            differs.append(f"机构是 {before['institution_id']}")
        if before["issuer"] != one.issuer:
            differs.append(f"发证机关是 {before['issuer']}")
        if before["valid_to"] != one.valid_to:
            differs.append(f"有效期到 {before['valid_to']}")
        if differs:
            what = f"证书 {number} 由本系统签发，{'、'.join(differs)}；没有按清单改动"
            mend = "请核对；系统签发的证书须办理变更、延续或注销"
            log.notice(one.row, column, "issued_differs", what, mend)
    elif before["institution_id"] != holder:
        what = f"证书 {number} 已登记在机构 {before['institution_id']} 名下"
        mend = "请核对证书编号和机构；确已变更的，请先更新原机构的名录"
        log.error(one.row, column, "certificate_held_by_other", what, mend)
    elif before["issuer"] != one.issuer:
        what = f"证书 {number} 已登记为 {before['issuer']} 颁发"
        log.error(one.row, column, "issuer_differs", what, "请核对证书编号和发证机关")
    if before["status"] != CertificateStatus.VALID.value:
        label = CERTIFICATE_STATUS_LABELS[CertificateStatus(before["status"])]
        what = f"证书 {number} 在登记中为“{label}”；状态没有按清单改动"
        log.notice(one.row, column, "not_in_force", what, "请核对；清单只列有效的证书")


def _entry(one: ListedCertificate, holder: str, holders: lists.Holders, code: str) -> Entry:
    return Entry(
        number=one.number,
        institution_id=holder,
        level=one.level,
        issuer=one.issuer,
        scope=one.scope,
        valid_to=one.valid_to,
        code=code,
        holder=one.holder,
        uscc=one.uscc or holders.uscc_of.get(holder, ""),
        field=one.field,
        industry=one.industry,
        issued_on=one.issued_on,
        valid_from=one.valid_from,
    )
