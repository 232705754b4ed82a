"""The demonstration's certificates: one for each thing that can become of one.

Holders, numbers and decisions are generated. Everything goes through the API, as real users do it.
"""

import asyncio
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from deploy.demo.people import Acting
from domain.case.commands import Actor, Role
from domain.clock import day_of
from domain.jurisdictions import authority_of, known
from services.clock import system_clock

_CAPABILITIES = (
    ("混凝土", "抗压强度", "GB/T 50081", "2019"),
    ("钢筋", "拉伸性能", "GB/T 28900", "2022"),
    ("水", "化学需氧量", "HJ 828", "2017"),
    ("食品", "铅", "GB 5009.12", "2023"),
)


class _Office:
    """One institution and the people of the authority that issues its certificate."""

    def __init__(self, people: Acting, shown: dict[str, Any]) -> None:
        self._people = people
        self.institution = str(shown["id"])
        issuer = authority_of(known().province(shown["region"]))
        self.content = {
            "institution": self.institution,
            "holder": shown["name"],
            "uscc": shown.get("uscc", ""),
            "address": "演示地址（生成）1号",
            "level": "provincial",
            "issuer": issuer,
            "field": "01",
            "industry": "06",
            "capabilities": [
                {"category": category, "item": item, "standard": standard, "year": year}
                for category, item, standard, year in _CAPABILITIES
            ],
            "signatories": [{"name": "演示签字人（生成）", "field": "建筑工程"}],
            "equipment": [{"name": "演示试验机（生成）", "model": "DEMO-1"}],
        }
        self.filer = people.actor(Role.FILER, f"demo-filer-{self.institution}", self.institution)
        self.clerk = people.actor(Role.CLERK, f"demo-clerk-{issuer}", issuer)
        self.reviewer = people.actor(Role.REVIEWER, f"demo-reviewer-{issuer}", issuer)
        self.checker = people.actor(Role.CHECKER, f"demo-checker-{issuer}", issuer)
        self._acts = 0

    async def send(
        self, method: str, path: str, actor: Actor, body: Any = None, **more: str
    ) -> Any:
        self._acts += 1
        headers = {"Idempotency-Key": f"demo-certificate-{self.institution}-{self._acts}", **more}
        return await self._people.send(method, path, actor, body, headers)

    async def begin(self, actor: Actor, renews: str = "") -> str:
        body = {"content": self.content, "renews": renews}
        begun = await self.send("POST", "/api/certificates", actor, body)
        return f"/api/certificates/{begun['id'].partition('/')[2]}"

    async def apply(self, path: str, actor: Actor, **more: Any) -> None:
        draft = await self.send("GET", f"{path}/draft", actor)
        body = {"revision": draft["revision"], "sha256": draft["sha256"], **more}
        await self.send("POST", f"{path}/apply", actor, body)

    async def grant(self, path: str) -> None:
        await self.send("POST", f"{path}/claim", self.reviewer, {})
        await self.send("POST", f"{path}/approve", self.reviewer, {})
        await self.send("POST", f"{path}/quality", self.checker, {"outcome": "pass"})

    async def issue(self) -> str:
        path = await self.begin(self.filer)
        await self.apply(path, self.filer)
        await self.grant(path)
        return path

    async def code(self, path: str) -> str:
        return str((await self.send("GET", path, self.filer))["certificate"]["code"])


async def tell_certificates(
    people: Acting, institutions: Sequence[dict[str, Any]]
) -> dict[str, str]:
    """Gives each of some institutions a certificate with a story, once.

    Returns codes to look at, by how the certificate stands.
    """
    codes: dict[str, str] = {}
    stories = [_in_force, _revoked, _renewed, _change_asked_for, _returned, _waiting]
    for shown, story in zip(institutions, stories, strict=False):
        office = _Office(people, shown)
        known = await people.send(
            "GET", f"/api/certificates?institution={office.institution}", people.auditor
        )
        if not known["items"]:
            await story(office, codes)
    return codes


async def _in_force(office: _Office, codes: dict[str, str]) -> None:
    codes["有效"] = await office.code(await office.issue())


async def _revoked(office: _Office, codes: dict[str, str]) -> None:
    path = await office.issue()
    ending = {
        "ending": "revoked",
        "on": _today().isoformat(),
        "reason": "（生成）演示撤销",
        "document": "演示文号（生成）",
    }
    proposed = await office.send("POST", f"{path}/end", office.clerk, ending)
    await office.send("POST", proposed["confirm"], office.reviewer, {})
    codes["撤销"] = await office.code(path)


async def _renewed(office: _Office, codes: dict[str, str]) -> None:
    """A certificate of almost six years that was decided on elsewhere, and the one after it."""
    last = _today() + timedelta(days=60)
    first = last.replace(year=last.year - 6, day=min(last.day, 28))
    path = await office.begin(office.clerk)
    decided = {
        "approved_on": first.isoformat(),
        "document": "演示文号（生成）",
        "approver": "演示批准人（生成）",
        "number": f"DEMO-{office.institution}"[:64],
        "valid_from": first.isoformat(),
        "valid_to": last.isoformat(),
    }
    await office.apply(path, office.clerk, decided=decided)
    old = await office.code(path)
    new = await office.begin(office.filer, renews=old)
    await office.apply(new, office.filer)
    await office.grant(new)
    while True:
        shown = await office.send("GET", path, office.filer)
        if shown["certificate"]["status"] == "superseded":
            break
        await asyncio.sleep(0.1)
    codes["已换发"] = old


async def _change_asked_for(office: _Office, codes: dict[str, str]) -> None:
    path = await office.issue()
    content = {**office.content, "address": "演示地址（生成）2号"}
    await office.send("PUT", f"{path}/draft", office.filer, {"content": content}, **_first())
    await office.apply(path, office.filer, purpose="change", change="name-address")


async def _returned(office: _Office, codes: dict[str, str]) -> None:
    path = await office.begin(office.filer)
    await office.apply(path, office.filer)
    await office.send("POST", f"{path}/claim", office.reviewer, {})
    await office.send("POST", f"{path}/return", office.reviewer, {"reason": "（生成）请补充场所"})


async def _waiting(office: _Office, codes: dict[str, str]) -> None:
    await office.apply(await office.begin(office.filer), office.filer)


def _first() -> dict[str, str]:
    return {"If-Match": '"1"'}


def _today() -> date:
    return day_of(system_clock())
