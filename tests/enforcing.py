"""Rules and people for cases of enforcement: everything eight years on, with calendars of its own.

The measures are those of 2020, of a campaign of 2028 whose window is January 2029.
"""

import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from domain.case.workflow_messages import CaseOpening, CaseStart
from domain.clock import BEIJING
from domain.enforcement.consequences import EnforcementFacts
from domain.enforcement.kind import ENFORCEMENT
from domain.ids import enforcement_id
from engine.starting import start_case
from rules.compiled import CompiledRules
from rules.file.library import RuleLibrary
from store import cases, enforcement, institutions, rule_sets
from tests.system import (
    CHECKER,
    DECIDER,
    FILER,
    OFFICER,
    OPERATOR,
    REVIEWER,
    Answer,
    System,
    institution,
)

CALENDAR = """\
# made up for tests: spring and national holidays, with a Sunday and a Saturday worked in autumn
year: 2029
sources:
  notice: {document: 测试文号, title: 2029年节假日安排（测试）}
days_off:
  - id: spring-festival
    label: 春节
    from: "2029-02-12"
    to: "2029-02-18"
    worked: ["2029-02-24"]
    cites: [{source: notice, clause: 二}]
  - id: national-day
    label: 国庆节
    from: "2029-10-01"
    to: "2029-10-07"
    worked: ["2029-09-30", "2029-10-13"]
    cites: [{source: notice, clause: 七}]
"""
NEXT = """\
year: 2030
sources:
  notice: {document: 测试文号, title: 2030年节假日安排（测试）}
days_off:
  - id: new-year
    label: 元旦
    from: "2030-01-01"
    to: "2030-01-01"
    worked: []
    cites: [{source: notice, clause: 一}]
"""


GUANGDONG = """\
# made up for tests: a notice of a province with a measure of its own wording
id: guangdong-2032
year: 2032
jurisdiction: "440000"
extends: 2032/national
title: 2032年度广东省检验检测服务业统计（测试）
revision: 1
sources:
  made-up: {document: 粤测试〔2033〕1号, title: 测试用的通知, text: made-up.txt}
enforcement:
  triggers:
    - id: not-filed
      label: 逾期未报
      about: filing
      when: not_filed
      why_not: 没有逾期未报
      measures: [talk]
      cite: {source: made-up, clause: 六, quote: 逾期未报的，约谈负责人}
  measures:
    - id: talk
      label: 约谈负责人
      kind: management
      when: "true"
      why_not: 没有别的条件
      proposes: "province"
      decides: "province"
      authority_cite: {assume: 测试}
      steps: [decision, service, in_force]
      terms:
        decision: {days: 30, unit: days, cite: {assume: 测试}}
        service: {days: 3, unit: working_days, cite: {assume: 测试}}
        correction: {days: 2, unit: working_days, cite: {assume: 测试}}
        objection: {days: 5, unit: working_days, cite: {assume: 测试}}
        lasts: {days: 10, unit: days, cite: {assume: 测试}}
      ends:
        - {by: expired, cite: {assume: 测试}}
        - {by: corrected, cite: {assume: 测试}}
        - {by: withdrawn, cite: {assume: 测试}}
      says: 约谈机构的负责人。
      cure: 认为有误的，可以提出异议。
      cite: {source: made-up, clause: 六, quote: 逾期未报的，约谈负责人}
examples:
  - name: 填报时间与全国相同
    at: "2033-02-01T00:00:00+08:00"
    expect: {inside: [fill]}
"""


def enforcing_rules(later: Path, folder: Path) -> Path:
    """A copy of the rules eight years on, with the calendars of those years."""
    shutil.copytree(later, folder)
    (folder / "calendar" / "2029.yaml").write_text(CALENDAR, "utf-8")
    for year in range(2030, 2036):
        text = NEXT.replace("2030", str(year))
        (folder / "calendar" / f"{year}.yaml").write_text(text, "utf-8")
    (folder / "sources" / "made-up.txt").write_text(
        "粤测试〔2033〕1号\n六、逾期未报的，约谈负责人。\n", "utf-8"
    )
    (folder / "2032" / "guangdong.yaml").write_text(GUANGDONG, "utf-8")
    return folder


def at(text: str) -> datetime:
    """An instant of Beijing: ``2029-03-01T10:00:00``."""
    return datetime.fromisoformat(text).replace(tzinfo=BEIJING)


@dataclass
class Matter:
    """A filing that is owed, of 2028 unless said otherwise, and the case about it."""

    system: System
    id: str
    path: str = ""
    authority: str = "amr-350000"
    year: int = 2028

    @property
    def about(self) -> str:
        """The filing's id."""
        return f"filing/{self.year}/{self.id}"

    @property
    def officer(self) -> str:
        """Who proposes."""
        return self.system.token(OFFICER, "officer-1", self.authority)

    @property
    def decider(self) -> str:
        """Who decides."""
        return self.system.token(DECIDER, "decider-1", self.authority)

    @property
    def filer(self) -> str:
        """The institution."""
        return self.system.token(FILER, f"clerk-{self.id}", self.id)

    async def open(self, token: str = "", **body: Any) -> Answer:
        """Opens the case."""
        answer = await self.system.send(
            "POST", "/api/enforcement", token or self.officer, {"about": self.about, **body}
        )
        if answer.status == 201:
            self.path = f"/api/{answer.body['id']}"
        return answer

    async def act(self, name: str, token: str, body: Any = None, **headers: str) -> Answer:
        """One act, whatever it leads to."""
        return await self.system.send("POST", f"{self.path}/{name}", token, body or {}, **headers)

    async def done(self, name: str, token: str, body: Any = None) -> dict[str, Any]:
        """One act that has to succeed."""
        answer = await self.act(name, token, body)
        assert answer.status == 200, answer.body
        return dict(answer.body)

    async def refused(self, name: str, token: str, body: Any = None) -> dict[str, Any]:
        """One act that has to be refused."""
        answer = await self.act(name, token, body)
        assert answer.status >= 400, answer.body
        return dict(answer.body)

    async def shown(self, token: str = "") -> dict[str, Any]:
        """The case as somebody sees it."""
        answer = await self.system.send("GET", self.path, token or self.officer)
        assert answer.status == 200, answer.body
        return dict(answer.body)

    async def proposed(self, measure: str, **body: Any) -> None:
        """Opened, and one measure proposed."""
        opened = await self.open()
        assert opened.status == 201, opened.body
        given = {"measure": measure, "reason": "两次催报之后仍未上报", **body}
        await self.done("propose", self.officer, given)

    async def decided(self, measure: str, statement_over: str, **body: Any) -> None:
        """Proposed, noticed, the time for statements over, imposed."""
        await self.proposed(measure, **body)
        await self.done("notice", self.officer)
        await self.system.skip_to(at(statement_over))
        await self.done(
            "decide",
            self.decider,
            {"outcome": "impose", "reason": "情况属实", "basis": "统计法第四十二条"},
        )

    async def completed(self) -> None:
        """The filing is extended, submitted and approved after all."""
        name = f"{self.year}/{self.id}"
        operator = self.system.token(OPERATOR, "operator-1", "000000")
        until = {"until": "2030-06-01T00:00:00+08:00", "reason": "补报"}
        extended = await self.system.act(name, "extension", operator, until)
        assert extended.status == 200, extended.body
        submitted = await self.system.submit(name, self.filer)
        assert submitted.status == 200, submitted.body
        reviewer = self.system.token(REVIEWER, "reviewer-1", self.authority)
        checker = self.system.token(CHECKER, "checker-1", "samr")
        for act, token, body in (
            ("claim", reviewer, {}),
            ("approve", reviewer, {}),
            ("quality", checker, {"outcome": "pass"}),
        ):
            answer = await self.system.act(name, act, token, body)
            assert answer.status == 200, answer.body


async def matter(system: System, id_: str, now: str = "2029-03-01T10:00:00") -> Matter:
    """An institution whose filing of 2028 has lapsed."""
    await system.add(institution(id_))
    await system.skip_to(at("2029-01-02T10:00:00"))
    await system.open(2028, "000000")
    await system.skip_to(at(now))
    return Matter(system, id_)


async def local_matter(
    system: System, year: int, jurisdiction: str, region: str, authority: str, now: str
) -> Matter:
    """An institution whose filing of a province's own campaign has lapsed."""
    issuer = f"amr-{region[:2]}0000"
    lab = Matter(system, f"lab-{region}", authority=authority, year=year)
    await system.add(institution(lab.id, region, issuer=issuer))
    await system.skip_to(at(f"{year + 1}-02-02T10:00:00"))
    await system.open(year, jurisdiction)
    await system.skip_to(at(now))
    return lab


async def case_on_record(system: System, institution_id: str, about: str) -> None:
    """A case about a filing under rules that name measures, whatever the filing's own rules say."""
    rules = CompiledRules(RuleLibrary().resolve(2020, "000000").document)
    now = system.now()
    async with system.engine.begin() as connection:
        known = await institutions.by_ids(connection, [institution_id])
        opened = await enforcement.put_on_record(
            connection, about, enforcement_id, "amr-440000", "test", "test", now
        )
        await rule_sets.store(connection, rules.source)
    facts = EnforcementFacts.model_validate(
        {
            **known[institution_id].facts_for(None).model_dump(),
            "filing": {"status": "lapsed", "obligation": "must", "due": now},
        }
    )
    plan = rules.enforcement_plan(facts, now)
    assert plan.enforcement is not None
    terms = plan.enforcement.model_copy(update={"about": about, "number": "1"})
    start = CaseStart(
        case_id=opened.case_id,
        opening=CaseOpening(
            kind=ENFORCEMENT.name,
            year=2024,
            institution=institution_id,
            jurisdiction=plan.jurisdiction,
            campaign="",
            plan=plan.model_copy(update={"enforcement": terms}),
        ),
        requested_at=now,
        vouched=True,
        inputs=facts.model_dump(mode="json"),
    )
    await start_case(system.client, start)
    for _ in range(400):
        async with system.engine.connect() as connection:
            if await cases.by_id(connection, opened.case_id) is not None:
                return
        await system.pause(0.05)
    raise AssertionError(opened)
