"""The demonstration: a generated roster, a campaign open today, and people acting on it.

Everything goes through the API, with tokens, as real users would do it. Nothing is done twice: a
demonstration started again goes on with the filings nobody has touched yet.
"""

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Coroutine
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import httpx
from rich.console import Console
from rich.table import Table

from deploy.accounts import open_demo_accounts
from deploy.demo.certificates import tell_certificates
from deploy.demo.people import Acting, ChoiceNeeded, NotThereYet, People, UnexpectedAnswer
from deploy.demo.report_numbers import tell_numbers
from deploy.demo.roster import generate_roster
from deploy.demo.rules import write_rules
from domain.case.commands import Actor, Role
from domain.case.status import STATUS_LABELS, Status
from domain.certificates.certificate import CertificateStatus
from domain.clock import day_of
from domain.facts import CertificateFacts
from domain.ids import NATION
from domain.numbers.quarters import Quarter
from files.roster import roster_csv
from rules.compiled import CompiledRules
from rules.file.library import RuleLibrary
from rules.filing.forms.context import Register
from rules.filing.forms.example import blank_example
from services.clock import system_clock
from services.private_files import write_private
from settings import Settings

err = Console(stderr=True, highlight=False, soft_wrap=True)
_SEED = 2024
_YEAR = 2024
QUARTER = Quarter(2024, 4)
_AT_ONCE = 12


def demo_rules(data: Path) -> Path:
    """The folder of the demonstration's rules under a data folder, written on first use."""
    folder = data.resolve() / "demo-rules"
    folder.parent.mkdir(parents=True, exist_ok=True)
    write_rules(folder, day_of(system_clock()))
    return folder


class DemoFailed(Exception):
    """The demonstration could not be carried on; the system itself is up all the same."""


def show_demo(
    settings: Settings,
    api_url: str,
    data: Path,
    institutions: int,
    say: Callable[[str], None],
    watch: Callable[[], None],
) -> None:
    """Fills the system with the demonstration and prints what it did and what to try next.

    ``watch`` is called every second meanwhile. Raises DemoFailed.
    """

    async def work() -> Outcome:
        async with httpx.AsyncClient(base_url=api_url, timeout=60) as http:
            return await _watched(Demo(settings, http, say).run(institutions), watch)

    try:
        done = asyncio.run(work())
    except (httpx.HTTPError, UnexpectedAnswer) as failure:
        raise DemoFailed(str(failure)) from failure
    _print_outcome(done)
    started = done.examples.get(Status.DRAFT, "/demo-000001")
    _print_next_steps(settings, api_url, data, started.rpartition("/")[2], done)


async def _watched(work: Coroutine[Any, Any, "Outcome"], watch: Callable[[], None]) -> "Outcome":
    task = asyncio.create_task(work)
    while not (await asyncio.wait({task}, timeout=1))[0]:
        watch()
    return task.result()


class Outcome(NamedTuple):
    """What the demonstration left behind."""

    statuses: dict[str, int]
    examples: dict[str, str]
    number: str
    codes: dict[str, str]


Story = Callable[["Demo", "Filing"], Awaitable[None]]


class Filing:
    """One filing and the people around it; every request has a key of its own."""

    def __init__(self, demo: "Demo", shown: dict[str, Any]) -> None:
        self._demo = demo
        self.shown = shown
        self.path = f"/api/filings/{shown['year']}/{shown['institution']}"
        self.filer = demo.actor(
            Role.FILER, f"demo-filer-{shown['institution']}", shown["institution"]
        )

    async def act(self, name: str, actor: Actor, body: dict[str, Any] | None = None) -> None:
        """One act; its outcome becomes what is shown of the filing."""
        asked = hashlib.sha256(json.dumps(body or {}, sort_keys=True).encode()).hexdigest()[:12]
        key = f"{self.shown['id']}-{self.shown['sequence']}-{name}-{asked}"
        await self._demo.send(
            "POST", f"{self.path}/{name}", actor, body or {}, {"Idempotency-Key": key}
        )
        self.shown = await self._demo.send("GET", self.path, self.filer)

    async def save(self) -> dict[str, Any]:
        """Saves a generated revision of every part that is due; a draft that is there stays."""
        draft: dict[str, Any] = await self._demo.send("GET", f"{self.path}/draft", self.filer)
        if draft["revision"] and self.shown["status"] == Status.DRAFT:
            return draft
        register = await self._demo.register(self.shown["institution"])
        parts = {part: self._demo.content(part, register) for part in self.shown["parts"]}
        tag = {"If-Match": f'"{draft["revision"]}"'}
        saved: dict[str, Any] = await self._demo.send(
            "PUT", f"{self.path}/draft", self.filer, {"parts": parts}, tag
        )
        return saved

    async def submit(self) -> None:
        """Saves and submits; picks the first issuer where there is a choice to make."""
        saved = await self.save()
        body = {"revision": saved["revision"], "sha256": saved["sha256"]}
        try:
            await self.act("submit", self.filer, body)
        except ChoiceNeeded:
            issuer = await self._demo.first_issuer(self.shown["institution"])
            await self.act("submit", self.filer, {**body, "choice": issuer})

    def reviewer(self) -> Actor:
        """Somebody of the authority whose turn it is."""
        authority = self.shown["authority"]
        role = Role.CHECKER if self.shown["status"] == Status.QUALITY_CHECK else Role.REVIEWER
        return self._demo.actor(role, f"demo-{role}-{authority}", authority)

    async def claim(self) -> None:
        """The authority's person takes the filing."""
        await self.act("claim", self.reviewer())

    async def approve(self) -> None:
        """Approves through all levels."""
        while self.shown["status"] == Status.IN_REVIEW:
            await self.claim()
            await self.act("approve", self.reviewer(), {"note": "（生成）未发现问题"})


class Demo(Acting):
    """The demonstration's people and what they do, from the roster to certificates."""

    def __init__(
        self, settings: Settings, http: httpx.AsyncClient, say: Callable[[str], None]
    ) -> None:
        super().__init__(settings, http)
        self._say = say
        self._rules = CompiledRules(RuleLibrary(settings.rules).resolve(_YEAR, NATION).document)
        self._gate = asyncio.Semaphore(_AT_ONCE)

    def content(self, part: str, register: Register) -> dict[str, Any]:
        """Generated content of a part, as far as it is known agreeing with the register."""
        return blank_example(self._rules.form(part), register, _YEAR)

    async def register(self, institution: str) -> Register:
        """What the register says of an institution."""
        found = await self.send("GET", f"/api/institutions/{institution}", self.operator)
        own = {key: found[key] for key in Register.model_fields if key != "certificates"}
        certificates = [
            {key: one[key] for key in CertificateFacts.model_fields}
            for one in found["certificates"]
            if one["status"] in (CertificateStatus.VALID, CertificateStatus.EXPIRED)
        ]
        return Register.model_validate({**own, "certificates": certificates})

    async def run(self, institutions: int) -> Outcome:
        """Roster, campaign, people; returns what there is to look at."""
        if not await self._opened_before():
            self._say(f"导入生成的机构名录（{institutions} 家，均非真实机构）…")
            roster = roster_csv(generate_roster(institutions, _SEED))
            await self.send_file(
                "/api/institutions/imports?filename=demo-roster.csv", roster, self.operator
            )
            self._say(f"开启 {_YEAR} 年度统计工作 …")
            await self.send(
                "POST",
                f"/api/campaigns/{_YEAR}/{NATION}",
                self.operator,
                headers={"Idempotency-Key": "demo-open"},
            )
        await self._everybody_started()
        filings = await self._all_filings()
        self._say(f"{len(filings)} 件填报已建立；填报人、审核人、质量审查人开始办理 …")
        await self._tell(filings)
        self._say("机构上传报告编号 …")
        number = await tell_numbers(self, QUARTER, await self._uploaders())
        self._say("发证机关办理资质认定证书 …")
        codes = await tell_certificates(self, await self._certified())
        return Outcome(await self._statuses(), await self._examples(), number, codes)

    async def _uploaders(self) -> list[str]:
        """Institutions with a complete filing, so that they may upload; certified first.

        At least the first is certified, for otherwise there is no number for the public to find.
        """
        filings = await self._all_filings()
        ranked = [
            (not await self._is_certified(str(shown["institution"])), str(shown["institution"]))
            for shown in filings
            if shown["status"] == Status.COMPLETED
        ]
        for shown in filings:
            if any(not expired for expired, _ in ranked):
                break
            id_ = str(shown["institution"])
            if shown["status"] == Status.DRAFT and await self._is_certified(id_):
                filing = Filing(self, shown)
                await completed(self, filing)
                # where the quality check begins later, it is not
                if filing.shown["status"] == Status.COMPLETED:
                    ranked.append((False, id_))
        return [id_ for _, id_ in sorted(ranked)]

    async def _is_certified(self, institution: str) -> bool:
        """Whether an institution has a certificate in force today."""
        found = await self.send("GET", f"/api/institutions/{institution}", self.operator)
        return any(one["status"] == CertificateStatus.VALID for one in found["certificates"])

    async def _certified(self) -> list[dict[str, Any]]:
        """The last institutions of the register: they are to be given certificates."""
        found, cursor = [], ""
        while True:
            page = await self.send(
                "GET", f"/api/institutions?size=200&cursor={cursor}", self.operator
            )
            found += page["items"]
            cursor = page["next"]
            if not cursor:
                # the corps numbers certificates under no code that is known
                return [one for one in reversed(found) if not one["region"].startswith("66")]

    async def _opened_before(self) -> bool:
        try:
            await self.send("GET", f"/api/campaigns/{_YEAR}/{NATION}", self.operator)
        except NotThereYet:
            return False
        return True

    async def _everybody_started(self) -> None:
        while True:
            try:
                found = await self.send("GET", f"/api/campaigns/{_YEAR}/{NATION}", self.operator)
            except NotThereYet:
                found = {"started_at": None}
            if found["started_at"] and sum(found["statuses"].values()) >= found["started"]:
                return
            await asyncio.sleep(0.3)

    async def _all_filings(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        cursor = ""
        while True:
            page = await self.send(
                "GET", f"/api/filings?size=200&year={_YEAR}&cursor={cursor}", self.operator
            )
            found += page["items"]
            cursor = page["next"]
            if not cursor:
                return found

    async def _tell(self, filings: list[dict[str, Any]]) -> None:
        """Gives each untouched filing one of the stories, the same at every run."""
        done = 0

        async def one(shown: dict[str, Any]) -> None:
            nonlocal done
            number = int.from_bytes(hashlib.sha256(shown["id"].encode()).digest()[:4], "big")
            tell = STORIES[number % len(STORIES)]
            filing = Filing(self, shown)
            async with self._gate:
                if shown["status"] == Status.DRAFT and shown["sequence"] <= 2:
                    await tell(self, filing)
            done += 1
            if done % 50 == 0:
                self._say(f"  {done}/{len(filings)}")

        await asyncio.gather(*(one(shown) for shown in filings))

    async def _statuses(self) -> dict[str, int]:
        found = await self.send("GET", f"/api/campaigns/{_YEAR}/{NATION}", self.operator)
        statuses: dict[str, int] = found["statuses"]
        return statuses

    async def _examples(self) -> dict[str, str]:
        """One filing of each status."""
        examples: dict[str, str] = {}
        for shown in await self._all_filings():
            examples.setdefault(shown["status"], shown["id"])
        return examples

    async def first_issuer(self, institution: str) -> str:
        """An authority that has certified an institution."""
        found = await self.send("GET", f"/api/institutions/{institution}", self.operator)
        return str(found["certificates"][0]["issuer"])


# --- the stories ----------------------------------------------------------------------------------


async def _untouched(demo: Demo, filing: Filing) -> None:
    pass


async def _drafting(demo: Demo, filing: Filing) -> None:
    await filing.save()


async def _submitted(demo: Demo, filing: Filing) -> None:
    await filing.submit()


async def _claimed(demo: Demo, filing: Filing) -> None:
    await filing.submit()
    if filing.shown["status"] == Status.IN_REVIEW:
        await filing.claim()


async def _returned(demo: Demo, filing: Filing) -> None:
    await _claimed(demo, filing)
    if filing.shown["status"] == Status.IN_REVIEW:
        await filing.act("return", filing.reviewer(), _REASONS)


async def _resubmitted(demo: Demo, filing: Filing) -> None:
    await _returned(demo, filing)
    if filing.shown["status"] == Status.RETURNED:
        await filing.submit()


async def _approved(demo: Demo, filing: Filing) -> None:
    await filing.submit()
    await filing.approve()


async def completed(demo: Demo, filing: Filing) -> None:
    """Submitted, approved by all levels and passed by the quality check."""
    await _approved(demo, filing)
    if filing.shown["status"] == Status.QUALITY_CHECK:
        await filing.act("quality", filing.reviewer(), {"outcome": "pass"})


async def _sent_back(demo: Demo, filing: Filing) -> None:
    await _approved(demo, filing)
    if filing.shown["status"] == Status.QUALITY_CHECK:
        await filing.act("quality", filing.reviewer(), {"outcome": "send_back", **_REASONS})


async def _withdrawn(demo: Demo, filing: Filing) -> None:
    await filing.submit()
    await filing.act("withdraw", filing.filer)


async def _extended(demo: Demo, filing: Filing) -> None:
    until = datetime.fromisoformat(filing.shown["windows"]["review"]["closes"]) + timedelta(days=10)
    grant = {
        "until": until.isoformat(),
        "reason": "（生成）演示延期",
        "document": "演示文号（生成）",
    }
    await filing.act("extension", demo.operator, grant)


async def _reopened(demo: Demo, filing: Filing) -> None:
    await completed(demo, filing)
    if filing.shown["status"] == Status.COMPLETED:
        until = datetime.fromisoformat(filing.shown["windows"]["review"]["closes"])
        grant = {"until": until.isoformat(), "reason": "（生成）演示更正", "document": ""}
        await filing.act("reopen", demo.operator, grant)


async def _cancelled(demo: Demo, filing: Filing) -> None:
    await filing.act("cancel", demo.operator, {"reason": "（生成）演示：误列入名录"})


_REASONS = {
    "reason": "（生成）演示退回：请核实人员数",
    "fields": [{"part": "statistics", "field": "", "reason": "（生成）与上年相差较大"}],
}

STORIES: tuple[Story, ...] = (
    _untouched,
    _drafting,
    _submitted,
    _claimed,
    _returned,
    _resubmitted,
    _approved,
    completed,
    _sent_back,
    _withdrawn,
    _extended,
    _reopened,
    _cancelled,
)


# --- what is printed ------------------------------------------------------------------------------


def _print_outcome(done: Outcome) -> None:
    table = Table("状态", "件数", "例如", title="演示数据（全部为生成，非真实机构）")
    for status, count in done.statuses.items():
        table.add_row(STATUS_LABELS[Status(status)], str(count), done.examples.get(status, ""))
    err.print(table, soft_wrap=False)


def _print_next_steps(
    settings: Settings, url: str, data: Path, institution: str, done: Outcome
) -> None:
    """Where the tokens are, and what to try next."""
    people = People(settings)
    visitors = {
        "filer": people.actor(Role.FILER, f"demo-filer-{institution}", institution),
        "reviewer": people.actor(Role.REVIEWER, "demo-visitor-reviewer", "amr-440000"),
        "checker": people.actor(Role.CHECKER, "demo-visitor-checker", "samr"),
        "clerk": people.actor(Role.CLERK, "demo-visitor-clerk", "amr-440000"),
        "operator": people.operator,
        "auditor": people.auditor,
    }
    tokens = {name: people.token(actor) for name, actor in visitors.items()}
    file = data.resolve() / "demo-tokens.json"
    write_private(file, json.dumps(tokens, indent=1))
    open_demo_accounts(settings, visitors.values())
    command = ".venv/bin/zhibao"
    example = done.examples.get(Status.COMPLETED, f"filing/{_YEAR}/{institution}")
    issue = f"{command} token --role reviewer --subject demo-visitor --scope amr-440000"
    err.print("\n接下来可以试试：")
    err.print(f"  浏览器打开 {url}/sign-in    # 登录；演示账号和密码列在页上")
    err.print(f"  {command} campaign status {_YEAR} --data {data}")
    err.print(f"  {command} audit timeline {example} --data {data}")
    err.print(
        f'  curl -H "Authorization: Bearer $({issue} --data {data})" "{url}/api/tasks?size=3"'
    )
    if done.number:
        err.print(f"  浏览器打开 {url}/lookup?number={quote(done.number)}    # 查得到的报告编号")
    for label, code in done.codes.items():
        err.print(f"  浏览器打开 {url}/c/{code}    # 一张{label}的证书")
    err.print(f"\n每种身份一个凭证（{'、'.join(tokens)}），30 天有效，在 {file}\n")
