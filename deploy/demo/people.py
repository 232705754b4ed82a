"""The demonstration's people: they act through the API, with tokens, as real users do."""

import hashlib
from datetime import timedelta
from typing import Any

import httpx

from api.door.identity import Identity
from domain.case.commands import Actor, Role
from domain.ids import NATION
from services.clock import system_clock
from settings import Settings

_LIFETIME = timedelta(days=30)


class ChoiceNeeded(Exception):
    """The rules need the institution to pick its reviewing authority."""


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
    if found["code"] == "awaits_confirmation":
        return {"confirm": f"{answer.headers['location']}/confirm"}
    raise UnexpectedAnswer(f"{answer.request.method} {answer.request.url.path}: {answer.text}")


class People:
    """Whoever acts in the demonstration, and their tokens."""

    def __init__(self, settings: Settings) -> None:
        self._identity = Identity(settings.keyring, settings.longest_token)
        self._tokens: dict[Actor, str] = {}
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


class Acting(People):
    """The same, acting: each request is one person's."""

    def __init__(self, settings: Settings, http: httpx.AsyncClient) -> None:
        super().__init__(settings)
        self._http = http

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
