"""Connected mode for tests: rules under which provinces are connected, clients, deliveries."""

import base64
import itertools
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rules.file.library import SHIPPED
from tests.certificates import ISSUER, content
from tests.system import OPERATOR, Answer, System

DELIVERIES = "/api/certificates/deliveries"
_numbers = itertools.count(1)


def connected_rules(folder: Path, *authorities: str) -> Path:
    """The shipped rules, with these provinces connected."""
    shutil.copytree(SHIPPED, folder, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    connect_provinces(folder, *authorities)
    return folder


def connect_provinces(folder: Path, *authorities: str) -> None:
    """Has the rules of a folder say that these provinces are connected."""
    file = folder / "2019" / "certificates.yaml"
    entries = "".join(
        f"\n    {one}: {{mode: connected, cite: {{assume: （测试）该省方案}}}}"
        for one in authorities
    )
    before = file.read_text()
    assert "  provinces: {}" in before
    file.write_text(before.replace("  provinces: {}", f"  provinces:{entries}"))


def basic(id_: str, secret: str) -> str:
    return "Basic " + base64.b64encode(f"{id_}:{secret}".encode()).decode()


@dataclass
class Client:
    """A provincial system, with its credentials and its present token."""

    system: System
    id: str
    secret: str
    token: str = ""

    async def sign_in(self, secret: str = "") -> Answer:
        """Asks for a token, and keeps it."""
        answer = await self.system.http.post(
            "/api/connected/token",
            content="grant_type=client_credentials",
            headers={
                "Content-Type": "application/x-www-form-urlencoded",
                "Authorization": basic(self.id, secret or self.secret),
            },
        )
        if answer.status_code == 200:
            self.token = answer.json()["access_token"]
        return Answer(answer.status_code, answer.json(), answer.headers)

    async def deliver(self, body: Any) -> Answer:
        """One delivery."""
        return await self.system.send("POST", DELIVERIES, self.token, body)

    async def accepted(self, body: Any) -> dict[str, Any]:
        """One delivery that has to be accepted; its receipt."""
        answer = await self.deliver(body)
        assert answer.status == 200, answer.body
        return dict(answer.body)

    async def get(self, path: str = "") -> Answer:
        """What is on record of its deliveries."""
        return await self.system.send("GET", DELIVERIES + path, self.token)


def operator(system: System) -> str:
    return system.token(OPERATOR, "operator-1", "000000")


async def register(
    system: System, authority: str = ISSUER, *, sandbox: bool = False, signed_in: bool = True
) -> Client:
    """A client that has its first token."""
    body = {"authority": authority, "name": f"测试审批系统 {authority}（生成）", "sandbox": sandbox}
    answer = await system.send("POST", "/api/clients", operator(system), body)
    assert answer.status == 201, answer.body
    client = Client(system, answer.body["client"]["id"], answer.body["secret"])
    if signed_in:
        assert (await client.sign_in()).status == 200
    return client


def issue(
    holder: str = "lab", *, content_: dict[str, Any] | None = None, **more: Any
) -> dict[str, Any]:
    """A delivery of a new certificate under an id of its own."""
    decision = {
        "approved_on": "2025-03-21",
        "document": "测市监许准〔2025〕1号（生成）",
        "approver": "测试批准人（生成）",
    } | more.pop("decision", {})
    return {
        "version": 1,
        "delivery_id": f"T-{next(_numbers):06}",
        "action": "issue",
        "content": content_ or content(holder),
        "decision": decision,
        **more,
    }


def change(number: str, after: dict[str, Any], kind: str = "name-address") -> dict[str, Any]:
    """A delivery of a change."""
    body = issue(content_=after)
    return body | {"action": "change", "number": number, "change": kind}


def end(number: str, **more: Any) -> dict[str, Any]:
    """A delivery of an end."""
    return {
        "version": 1,
        "delivery_id": f"T-{next(_numbers):06}",
        "action": "end",
        "number": number,
        "ending": "deregistered",
        "on": "2025-06-30",
        "document": "测市监注〔2025〕1号（生成）",
        "reason": "机构申请注销（生成）",
        "approver": "测试批准人（生成）",
        **more,
    }
