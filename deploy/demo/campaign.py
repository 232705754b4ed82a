"""The demonstration: a generated roster, a campaign open today, and people acting on it.

Everything goes through the API, with tokens, as real users would do it. Nothing is done twice: a
demonstration started again goes on with the filings nobody has touched yet.
"""

import asyncio
import hashlib
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import httpx
from rich.console import Console
from rich.table import Table

from api.door.identity import Identity
from deploy.demo.certificates import CertificatesDone, tell_certificates
from deploy.demo.report_numbers import NumbersDone, tell_numbers
from deploy.demo.roster import generate_roster
from deploy.demo.rules import write_rules
from domain.case.commands import Actor, Role
from domain.case.status import STATUS_LABELS, Status
from domain.ids import NATION
from domain.messages import SHANGHAI
from domain.numbers.quarters import Quarter
from files.roster import roster_csv
from rules.compiled import CompiledRules
from rules.file.library import RuleLibrary
from services.clock import system_clock
from settings import Settings

err = Console(stderr=True, highlight=False)
_SEED = 2024
_YEAR = 2024
_QUARTER = Quarter(2024, 4)
_AT_ONCE = 12
_LIFETIME = timedelta(days=30)


def demo_rules(data: Path) -> Path:
    """The folder of the demonstration's rules under a data folder, written on first use."""
    folder = data.resolve() / "demo-rules"
    folder.parent.mkdir(parents=True, exist_ok=True)
    write_rules(folder, system_clock().astimezone(SHANGHAI).date())
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
    demo = Demo(settings, api_url, say)
    try:
        done = asyncio.run(_watched(demo.run(institutions), watch))
    except (httpx.HTTPError, UnexpectedAnswer) as failure:
        raise DemoFailed(str(failure)) from failure
    _print_outcome(done)
    _print_tokens(demo, data, done)


async def _watched(work: Coroutine[Any, Any, "Outcome"], watch: Callable[[], None]) -> "Outcome":
    task = asyncio.create_task(work)
    while not (await asyncio.wait({task}, timeout=1))[0]:
        watch()
    return task.result()


class Outcome(NamedTuple):
    """What the demonstration left behind."""

    stories: Counter[str]
    statuses: dict[str, int]
    examples: dict[str, str]
    numbers: NumbersDone
    certificates: CertificatesDone


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
        parts = {part: self._demo.content(part) for part in self.shown["parts"]}
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


class ChoiceNeeded(Exception):
    """The rules need the institution to pick its reviewing authority."""


class Demo:
    """The demonstration's people and what they know."""

    def __init__(self, settings: Settings, api_url: str, say: Callable[[str], None]) -> None:
        self._settings = settings
        self.url = api_url
        self._say = say
        self._identity = Identity(settings.token_key.get_secret_value())
        self._tokens: dict[Actor, str] = {}
        self._rules = CompiledRules(RuleLibrary(settings.rules).resolve(_YEAR, NATION).document)
        self._gate = asyncio.Semaphore(_AT_ONCE)
        self.operator = self.actor(Role.OPERATOR, "demo-operator", NATION)
        self.auditor = self.actor(Role.AUDITOR, "demo-auditor", "")

    def actor(self, role: Role, subject: str, scope: str) -> Actor:
        """A person of the demonstration."""
        return Actor(subject=subject[:64], role=role, scope=scope)

    def token(self, actor: Actor) -> str:
        """The person's token."""
        if actor not in self._tokens:
            self._tokens[actor] = self._identity.issue(actor, system_clock(), _LIFETIME)
        return self._tokens[actor]

    def content(self, part: str) -> dict[str, Any]:
        """Generated content of a part."""
        return self._rules.form(part).blank_example()

    async def run(self, institutions: int) -> Outcome:
        """Roster, campaign, people; returns what there is to look at."""
        async with httpx.AsyncClient(base_url=self.url, timeout=60) as self._http:
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
            stories = await self._tell(filings)
            self._say("机构上传报告编号 …")
            numbers = await tell_numbers(self, _QUARTER, await self._uploaders())
            self._say("发证机关办理资质认定证书 …")
            certificates = await tell_certificates(self, await self._certified())
            return Outcome(
                stories, await self._statuses(), await self._examples(), numbers, certificates
            )

    async def _uploaders(self) -> list[str]:
        """Institutions with a complete filing, so that they may upload; certified first."""
        today = system_clock().astimezone(SHANGHAI).date().isoformat()
        ranked = []
        for shown in await self._all_filings():
            if shown["status"] == Status.COMPLETED:
                id_ = str(shown["institution"])
                found = await self.send("GET", f"/api/institutions/{id_}", self.operator)
                expired = all(one["valid_to"] < today for one in found["certificates"])
                ranked.append((expired, id_))
        return [id_ for _, id_ in sorted(ranked)]

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

    async def _tell(self, filings: list[dict[str, Any]]) -> Counter[str]:
        """Gives each untouched filing one of the stories, the same at every run."""
        told: Counter[str] = Counter()
        done = 0

        async def one(shown: dict[str, Any]) -> None:
            nonlocal done
            names = list(STORIES)
            number = int.from_bytes(hashlib.sha256(shown["id"].encode()).digest()[:4], "big")
            name = names[number % len(names)]
            filing = Filing(self, shown)
            async with self._gate:
                if shown["status"] == Status.DRAFT and shown["sequence"] <= 2:
                    await STORIES[name](self, filing)
                    told[name] += 1
            done += 1
            if done % 50 == 0:
                self._say(f"  {done}/{len(filings)}")

        await asyncio.gather(*(one(shown) for shown in filings))
        return told

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

    async def send(
        self,
        method: str,
        path: str,
        actor: Actor,
        body: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
    ) -> Any:
        """One request as a person. Raises UnexpectedAnswer for one nobody expects."""
        answer = await self._http.request(
            method,
            path,
            json=body,
            headers={"Authorization": f"Bearer {self.token(actor)}", **(headers or {})},
        )
        return _expected(answer)

    async def send_file(self, path: str, content: bytes, actor: Actor) -> Any:
        """One CSV file as a person."""
        answer = await self._http.post(
            path,
            content=content,
            headers={
                "Authorization": f"Bearer {self.token(actor)}",
                "Content-Type": "text/csv",
                "Idempotency-Key": hashlib.sha256(path.encode() + content).hexdigest(),
            },
        )
        return _expected(answer)

    async def send_public(self, path: str, body: dict[str, Any], headers: dict[str, str]) -> Any:
        """One request as anybody."""
        return _expected(await self._http.post(path, json=body, headers=headers))

    async def asked(self, path: str, actor: Actor, headers: dict[str, str]) -> bool:
        """Asks for something to be started; false while what it needs is not there yet."""
        try:
            await self.send("POST", path, actor, headers=headers)
        except NotThereYet:
            return False
        return True

    async def found(self, path: str, actor: Actor) -> Any:
        """What stands under an address, None while nothing does."""
        try:
            return await self.send("GET", path, actor)
        except NotThereYet:
            return None


class UnexpectedAnswer(Exception):
    """The API has answered with something the demonstration has no use for."""


class NotThereYet(Exception):
    """What was asked for is not on record yet."""


def _expected(answer: httpx.Response) -> Any:
    if answer.is_success:
        return answer.json()
    found = answer.json()
    if found["code"] in ("campaign_not_found", "quarter_not_open", "not_found"):
        raise NotThereYet
    if found["code"] == "choice_needed":
        raise ChoiceNeeded
    raise UnexpectedAnswer(f"{answer.request.method} {answer.request.url.path}: {answer.text}")


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


async def _completed(demo: Demo, filing: Filing) -> None:
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
    await _completed(demo, filing)
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

STORIES: dict[str, Story] = {
    "未动": _untouched,
    "已存草稿": _drafting,
    "已提交": _submitted,
    "审核人已领取": _claimed,
    "审核退回": _returned,
    "退回后重报": _resubmitted,
    "审核通过": _approved,
    "质量审查通过": _completed,
    "质量审查退回": _sent_back,
    "撤回": _withdrawn,
    "延期": _extended,
    "重新开启": _reopened,
    "取消": _cancelled,
}


# --- what is printed ------------------------------------------------------------------------------


def _print_outcome(done: Outcome) -> None:
    table = Table("状态", "件数", "例如", title="演示数据（全部为生成，非真实机构）")
    for status, count in done.statuses.items():
        table.add_row(STATUS_LABELS[Status(status)], str(count), done.examples.get(status, ""))
    err.print(table)
    if done.stories:
        told = "、".join(f"{name} {count}" for name, count in sorted(done.stories.items()))
        err.print(f"本次办理：{told}")
    labels = {"accepted": "收下", "rejected": "未收下", "repeated": "重复", "declared": "声明没有"}
    told = "、".join(f"{labels[name]} {count}" for name, count in done.numbers.outcomes.items())
    err.print(f"{_QUARTER} 报告编号上传：{told}")
    err.print(f"资质认定证书：本次办理 {done.certificates.outcomes.total()} 件")


def _print_tokens(demo: Demo, data: Path, done: Outcome) -> None:
    """Tokens for each role, kept in a file as well, and three commands to try next."""
    case_id = done.examples.get(Status.DRAFT, f"filing/{_YEAR}/demo-000001")
    institution = case_id.rpartition("/")[2]
    people = {
        "filer": demo.actor(Role.FILER, f"demo-filer-{institution}", institution),
        "reviewer": demo.actor(Role.REVIEWER, "demo-visitor-reviewer", "amr-440000"),
        "checker": demo.actor(Role.CHECKER, "demo-visitor-checker", "samr"),
        "clerk": demo.actor(Role.CLERK, "demo-visitor-clerk", "amr-440000"),
        "operator": demo.operator,
        "auditor": demo.auditor,
    }
    tokens = {name: demo.token(actor) for name, actor in people.items()}
    file = data.resolve() / "demo-tokens.json"
    file.touch(mode=0o600)
    file.write_text(json.dumps(tokens, indent=1))
    err.print(f"\n凭证（30 天有效；也在 {file}）：")
    for name, token in tokens.items():
        actor = people[name]
        err.print(f"  {name}（{actor.subject}{'@' + actor.scope if actor.scope else ''}）")
        err.print(f"    {token}", soft_wrap=True)
    example = done.examples.get(Status.COMPLETED, case_id)
    command, where = ".venv/bin/zhibao", f"--data {data}"
    err.print("\n接下来可以试试：")
    err.print(f"  {command} campaign status {_YEAR} {NATION} {where}", soft_wrap=True)
    err.print(f"  {command} audit timeline {example} {where}", soft_wrap=True)
    if done.numbers.example:
        err.print(f"  浏览器打开 {demo.url}/lookup?number={quote(done.numbers.example)}")
    for label, code in done.certificates.codes.items():
        err.print(f"  浏览器打开 {demo.url}/c/{code}    # 一张{label}的证书", soft_wrap=True)
    err.print(
        f'  curl -H "Authorization: Bearer $TOKEN" {demo.url}/api/tasks    '
        "# TOKEN 用上面 reviewer 的凭证\n",
        soft_wrap=True,
    )
