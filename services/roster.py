"""The register of institutions: importing a roster, all or nothing unless asked otherwise."""

import asyncio
import hashlib
from collections.abc import Callable
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from domain.case.commands import Actor
from domain.certificates.certificate import CERTIFICATE_STATUS_LABELS
from domain.facts import CertificateFacts
from domain.ids import NATION, region_prefix
from domain.model import Value
from files.findings import Level, RowProblem
from files.roster import RosterInstitution, RosterReading, read_roster
from rules.file.catalogue import Catalogue
from services.clock import Clock
from store import institutions, journal
from store.institutions import Institution, OnRecord
from store.tables import roster_imports


def known_regions(catalogue: Catalogue) -> Callable[[str], bool]:
    """Tells whether a six-digit code is an area an institution can be supervised in."""
    return lambda code: code != NATION and code in catalogue.areas


class RosterReport(Value):
    """What an import did. ``accepted`` counts institutions; ``problems`` names single cells."""

    id: str
    filename: str
    rows: int
    accepted: int
    accept_good_rows: bool
    repeated: bool
    problems: tuple[dict[str, Any], ...]

    @property
    def errors(self) -> int:
        """How many problems kept an institution out."""
        return sum(problem["level"] == "error" for problem in self.problems)


class RosterService:
    """Everything an operator can do with the register of institutions."""

    def __init__(
        self, engine: AsyncEngine, known_regions: Callable[[str], bool], clock: Clock
    ) -> None:
        self._engine = engine
        self._known_regions = known_regions
        self._clock = clock

    async def load(
        self,
        data: bytes,
        filename: str,
        actor: Actor,
        command_id: str,
        *,
        accept_good_rows: bool,
    ) -> RosterReport:
        """Imports a roster file; with any error nothing is saved unless good rows are accepted.

        The file that was imported last, in the same way again, is recognised and changes nothing;
        an older one is imported anew, since it may be there to restore what it says.
        """
        kind = filename.rpartition(".")[2].lower()
        id_ = hashlib.sha256(
            hashlib.sha256(data).digest() + f"|{kind}|{accept_good_rows}|{actor.scope}".encode()
        ).hexdigest()
        standing = await self.report(id_, latest_only=True)
        if standing is not None:
            return standing.model_copy(update={"repeated": True})
        # seconds of pure computing for a large file: other requests go on meanwhile
        reading = await asyncio.to_thread(
            read_roster, data, filename, known_regions=self._known_regions
        )
        async with self._engine.begin() as connection:
            good, problems = await self._checked(connection, reading, actor)
            rejected = any(p.level == "error" for p in problems) and not accept_good_rows
            saved = [] if rejected else good
            report = RosterReport(
                id=id_,
                filename=filename[:200],
                rows=reading.rows,
                accepted=len(saved),
                accept_good_rows=accept_good_rows,
                repeated=False,
                problems=tuple(problem.model_dump() for problem in problems),
            )
            if saved:
                await institutions.save(connection, [_institution(one) for one in saved])
                await self._put_on_record(connection, report, actor, command_id)
        return report

    async def report(self, id_: str, *, latest_only: bool = False) -> RosterReport | None:
        """The report of an import that saved something, None if there is none with this id."""
        query = select(roster_imports).order_by(roster_imports.c.imported_at.desc()).limit(1)
        if not latest_only:
            query = query.where(roster_imports.c.id == id_)
        async with self._engine.connect() as connection:
            row = (await connection.execute(query)).mappings().first()
        if row is None or row["id"] != id_:
            return None
        known = {key: row[key] for key in RosterReport.model_fields if key in row}
        return RosterReport(**{**known, "problems": tuple(row["problems"]), "repeated": False})

    # --- private steps -----------------------------------------------------------------------

    async def _checked(
        self, connection: AsyncConnection, reading: RosterReading, actor: Actor
    ) -> tuple[list[RosterInstitution], list[RowProblem]]:
        """What only the register and the importer's jurisdiction can tell."""
        numbers = [c.number for one in reading.institutions for c in one.certificates]
        register = await institutions.on_record(connection, numbers)
        ids = [one.id for one in reading.institutions]
        known = await institutions.by_ids(connection, ids)
        prefix = region_prefix(actor.scope)
        good, problems = [], list(reading.problems)
        for one in reading.institutions:
            found: list[RowProblem] = []
            notices: list[RowProblem] = []
            if one.id in known and not known[one.id].facts.region.startswith(prefix):
                found.append(
                    _problem(
                        "机构编号",
                        "held_by_other_jurisdiction",
                        f"机构 {one.id} 已登记在其他辖区",
                        "请由其现所在辖区的经办人办理迁移，或核对机构编号",
                    )
                )
            elif not one.institution.region.startswith(prefix):
                found.append(
                    _problem(
                        "监管区域代码",
                        "outside_jurisdiction",
                        f"机构 {one.id} 的监管区域 {one.institution.region} 不在您的辖区",
                        "请由其所在辖区的经办人导入，或核对区域代码",
                    )
                )
            for certificate in one.certificates:
                known_as = register.get(certificate.number)
                if known_as is not None and known_as.institution_id != one.institution.id:
                    found.append(
                        _problem(
                            "证书编号",
                            "certificate_held_by_other",
                            f"证书 {certificate.number} 已登记在机构 "
                            f"{known_as.institution_id} 名下",
                            "请核对证书编号；确已变更的，请先更新原机构的证书",
                        )
                    )
                elif known_as is not None and _differs(known_as, certificate):
                    notices.append(
                        _problem(
                            "证书编号",
                            "certificate_in_register",
                            f"证书 {certificate.number} 与证书登记不一致，以登记为准："
                            f"{_told(known_as)}",
                            "登记无误的不必处理；登记有误的，请由发证机关更正登记",
                            "notice",
                        )
                    )
            problems.extend(found or notices)
            if not found:
                good.append(one)
        return good, problems

    async def _put_on_record(
        self, connection: AsyncConnection, report: RosterReport, actor: Actor, command_id: str
    ) -> None:
        row = report.model_dump(mode="json", exclude={"repeated"})
        await connection.execute(
            insert(roster_imports)
            .values(**row, imported_by=actor.subject)
            .on_conflict_do_update(
                index_elements=["id"],
                set_={**row, "imported_by": actor.subject, "imported_at": func.clock_timestamp()},
            )
        )
        await journal.append_operator_step(
            connection,
            institutions.REGISTER,
            "roster_imported",
            actor,
            self._clock(),
            {"import": report.id, "rows": report.rows, "accepted": report.accepted},
            command_id,
        )


def _differs(known: OnRecord, certificate: CertificateFacts) -> bool:
    """Whether the register, which a roster does not change, says otherwise."""
    return known.origin != institutions.ROSTER and not known.agrees(certificate)


def _told(known: OnRecord) -> str:
    return (
        f"{CERTIFICATE_STATUS_LABELS[known.status]}，有效期至 {known.valid_to}，"
        f"发证机关 {known.issuer}，参数 {known.scope} 项"
    )


def _problem(column: str, code: str, message: str, mend: str, level: Level = "error") -> RowProblem:
    return RowProblem(row=0, column=column, code=code, message=message, mend=mend, level=level)


def _institution(one: RosterInstitution) -> Institution:
    return Institution(
        name=one.name,
        uscc=one.uscc or "",
        previous_reviewer=one.previous_reviewer,
        facts=one.institution,
        certificates=one.certificates,
    )
