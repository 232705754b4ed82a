"""People with patience: whoever is not answered asks again, with the same key."""

import asyncio
import itertools
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, NamedTuple

import httpx

from api.door.identity import Identity
from deploy.demo.roster import generate_roster
from domain.case.commands import Actor, Role
from domain.clock import day_of
from domain.ids import NATION
from files.roster import RosterInstitution, roster_csv
from services.keys import Keyring
from tests.certificates import content as certificate_content
from tests.chaos.machine import QUARTER, YEAR
from tests.system import CHECKER, FILER, KEY, OPERATOR, REVIEWER

CSV = "text/csv"
PATIENCE = 180.0
"""Seconds after which an act that nobody answers counts as stuck."""
ROWS = 40

Who = tuple[Role, str, str]


class Sent(NamedTuple):
    """One request: what became of it, how long it took and how often it was sent."""

    method: str
    path: str
    body: Any
    seconds: float
    tries: int


class People:
    """Everybody who acts on the system at an address, which may change.

    ``asked`` is everything that was answered.
    """

    def __init__(self, url: Callable[[], str], http: httpx.AsyncClient, random: Random) -> None:
        self._identity = Identity(Keyring(None, KEY), timedelta(days=90))
        self.where = url
        self.http = http
        self._random = random
        self._url = url()
        self.asked: list[Sent] = []
        self.receipts: list[dict[str, Any]] = []
        self.uploads: dict[str, str] = {}
        """Uploads that were acknowledged, each with the path of its batch."""
        self.certificates: list[str] = []
        self.faults: list[str] = []
        """Answers that nobody should ever get: 500."""

    def token(self, who: Who) -> str:
        """A token for one person in one capacity."""
        role, subject, scope = who
        actor = Actor(subject=subject, role=role, scope=scope)
        return self._identity.issue(actor, datetime.now(UTC), timedelta(days=1))

    async def ask(
        self,
        method: str,
        path: str,
        who: Who,
        key: str = "",
        *,
        headers: Mapping[str, str] = {},
        not_yet: tuple[int, ...] = (429, 503),
        **asked: Any,
    ) -> Any:
        """One request, sent again with the same key until it is answered for good."""
        sent = {"Authorization": f"Bearer {self.token(who)}", "Idempotency-Key": key, **headers}
        began = time.monotonic()
        for tries in itertools.count(1):
            seconds = time.monotonic() - began
            assert seconds < PATIENCE, f"stuck: {method} {path} {key}"
            try:
                answer = await self.http.request(
                    method, f"{self._url}{path}", headers=sent, **asked
                )
            except httpx.TransportError:
                self._url = self.where()
            else:
                if answer.status_code == 500:
                    self.faults.append(f"{method} {path}: {answer.text}")
                elif "awaits_confirmation" in answer.text:
                    await self._confirmed(answer.headers["location"], who)
                elif answer.status_code not in not_yet:
                    assert answer.is_success, f"{method} {path}: {answer.text}"
                    body = answer.json()
                    seconds = time.monotonic() - began
                    if method != "GET":
                        self.asked.append(Sent(method, path, body, seconds, tries))
                    return body
            await asyncio.sleep(0.2)
        raise AssertionError

    async def _confirmed(self, proposed: str, who: Who) -> None:
        """Somebody else of the same authority confirms what takes two."""
        role, subject, scope = who
        await self.ask("POST", f"{proposed}/confirm", (role, f"{subject}-2", scope), proposed)

    async def act(self, path: str, name: str, who: Who, body: Any = None, turn: int = 0) -> Any:
        """One act on a case; its receipt is kept."""
        key = f"{path}-{name}-{turn}"
        receipt = await self.ask("POST", f"{path}/{name}", who, key, json=body or {})
        self.receipts.append(receipt)
        await self._think()
        return receipt

    async def _think(self) -> None:
        await asyncio.sleep(self._random.uniform(0, 1.5))

    # --- what they do ------------------------------------------------------------------------

    async def prepare(self, institutions: int) -> list[RosterInstitution]:
        """A roster, an annual campaign and a quarter; everybody's cases are on record after it."""
        operator = (OPERATOR, "operator-1", NATION)
        roster = certified(institutions)
        await self.ask(
            "POST",
            "/api/institutions/imports",
            operator,
            "roster",
            content=roster_csv(roster),
            headers={"Content-Type": CSV},
        )
        for period in (YEAR, QUARTER):
            path = f"/api/campaigns/{period}/{NATION}"
            await self.ask("POST", path, operator, f"open-{period}")
            while True:
                answer = await self.http.get(
                    f"{self._url}{path}",
                    headers={"Authorization": f"Bearer {self.token(operator)}"},
                )
                shown: Any = answer.json() if answer.is_success else {"started_at": None}
                if shown["started_at"] and sum(shown["statuses"].values()) == shown["started"]:
                    break
                await asyncio.sleep(0.2)
        return roster

    async def submit(self, institution: str, content: Mapping[str, Any]) -> Any:
        """A filing from its first draft to its submission; the receipt."""
        path = f"/api/filings/{YEAR}/{institution}"
        clerk = (FILER, f"clerk-{institution}", institution)
        shown = await self.ask("GET", path, clerk)
        saved = await self.ask(
            "PUT",
            f"{path}/draft",
            clerk,
            json={"parts": dict.fromkeys(shown["parts"], content)},
            headers={"If-Match": '"0"'},
        )
        submission = {"revision": saved["revision"], "sha256": saved["sha256"]}
        return await self.act(path, "submit", clerk, submission)

    async def file(self, institution: str, content: Mapping[str, Any]) -> None:
        """A filing from its first draft to its end, handed to and fro by its reviewers."""
        path = f"/api/filings/{YEAR}/{institution}"
        receipt = await self.submit(institution, content)
        reviewer = (REVIEWER, f"reviewer-{institution}", receipt["authority"])
        for turn in range(self._random.randrange(4)):
            await self.act(path, "claim", reviewer, turn=turn)
            await self.act(path, "release", reviewer, turn=turn)
        await self.act(path, "claim", reviewer, turn=9)
        await self.act(path, "approve", reviewer)
        checker = (CHECKER, f"checker-{institution}", "samr")
        await self.act(path, "quality", checker, {"outcome": "pass"})

    async def begin_report(self, institution: str) -> None:
        """A batch of an institution that may report, on record."""
        path = f"/api/report-batches/{QUARTER}/{institution}"
        clerk = (FILER, f"clerk-{institution}", institution)
        await self.ask("POST", path, clerk, f"{path}-begin")
        await self.ask("GET", path, clerk, not_yet=(404, 429, 503))

    async def upload(self, institution: str, rows: int = ROWS) -> str:
        """A file of report numbers, acknowledged; its id."""
        path = f"/api/report-batches/{QUARTER}/{institution}"
        upload = await self.ask(
            "POST",
            f"{path}/uploads",
            (FILER, f"clerk-{institution}", institution),
            f"{path}-upload",
            content=file_of_numbers(institution, rows),
            headers={"Content-Type": CSV},
        )
        id_: str = upload["id"]
        self.uploads[id_] = path
        return id_

    def file_to_send(self, institution: str) -> tuple[str, str, bytes]:
        """Where an institution's file of report numbers goes, its clerk's token, the file."""
        path = f"/api/report-batches/{QUARTER}/{institution}/uploads"
        token = self.token((FILER, f"clerk-{institution}", institution))
        return path, token, file_of_numbers(institution)

    async def until_decided(self, institution: str) -> Any:
        """The newest upload of an institution, once it has been decided."""
        path = f"/api/report-batches/{QUARTER}/{institution}/uploads"
        began = time.monotonic()
        while True:
            page = await self.ask("GET", path, (FILER, f"clerk-{institution}", institution))
            shown = page["items"][0]
            if shown["stage"] in ("accepted", "rejected", "repeated"):
                return shown
            assert time.monotonic() - began < PATIENCE, f"stuck: {shown}"
            await asyncio.sleep(0.5)

    async def report(self, institution: str, *, ask_again: bool) -> None:
        """A file of report numbers and, where somebody looks, the word that it was all."""
        await self.begin_report(institution)
        await self.upload(institution)
        await self._think()
        if ask_again:
            assert (await self.until_decided(institution))["stage"] == "accepted"
            path = f"/api/report-batches/{QUARTER}/{institution}"
            clerk = (FILER, f"clerk-{institution}", institution)
            await self.act(path, "submit", clerk, {"total": ROWS})

    async def certify(self, holder: RosterInstitution) -> None:
        """A certificate from its application to its issue."""
        institution = holder.institution.id
        issuer = f"amr-{holder.institution.region[:2]}0000"
        applied = certificate_content(
            institution, issuer=issuer, holder=holder.name, uscc=holder.uscc
        )
        filer = (FILER, f"clerk-{institution}", institution)
        begun = await self.ask(
            "POST", "/api/certificates", filer, f"begin-{institution}", json={"content": applied}
        )
        path = f"/api/certificates/{begun['id'].partition('/')[2]}"
        draft = await self.ask("GET", f"{path}/draft", filer)
        revision = {"revision": draft["revision"], "sha256": draft["sha256"]}
        await self.act(path, "apply", filer, revision)
        reviewer = (REVIEWER, f"issuing-reviewer-{issuer}", issuer)
        await self.act(path, "claim", reviewer)
        await self.act(path, "approve", reviewer)
        checker = (CHECKER, f"issuing-checker-{issuer}", issuer)
        await self.act(path, "quality", checker, {"outcome": "pass"})
        self.certificates.append(begun["id"])


async def send_slowly(
    url: str, path: str, token: str, content: bytes, seconds: float
) -> tuple[int, Any]:
    """Sends a file evenly over so many seconds; the answer, (0, None) if there is none."""
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = [
        f"POST {path} HTTP/1.1",
        f"Host: {host}",
        f"Authorization: Bearer {token}",
        "Idempotency-Key: the-one-key",
        f"Content-Type: {CSV}",
        f"Content-Length: {len(content)}",
        "Connection: close",
    ]
    writer.write("\r\n".join([*head, "", ""]).encode())
    answer = asyncio.create_task(reader.read())
    pieces = max(1, round(seconds / 0.1))
    size = -(-len(content) // pieces)
    try:
        for start in range(0, len(content), size):
            if answer.done():
                break
            writer.write(content[start : start + size])
            await writer.drain()
            await asyncio.sleep(0.1)
        said = await answer
    except ConnectionError:
        return 0, None
    finally:
        writer.close()
    status, _, rest = said.partition(b"\r\n")
    return int(status.split()[1]), rest.partition(b"\r\n\r\n")[2].decode()


def file_of_numbers(institution: str, rows: int = ROWS) -> bytes:
    """A CSV file of so many numbers of the open quarter."""
    lines = [f"{institution}-{n},{YEAR}-10-{1 + n % 28:02d}" for n in range(rows)]
    return "\r\n".join(["报告编号,出具日期", *lines, ""]).encode()


def certified(count: int) -> list[RosterInstitution]:
    """Generated institutions with one certificate that is in force, whose issuer has a number."""
    today = day_of(datetime.now(UTC))
    return [
        one
        for one in generate_roster(3 * count + 60, 7)
        if [certificate.valid_to > today for certificate in one.certificates] == [True]
        and not one.institution.region.startswith("66")
    ][:count]
