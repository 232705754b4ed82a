"""What a request may be before anybody answers it, and what every answer tells a browser."""

import asyncio
import contextlib
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import httpx
import psycopg
import pytest
from pydantic import SecretStr
from sqlalchemy import delete, text, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.responses import PlainTextResponse, Response

from api.door import app as door
from api.door import bounded, draining
from api.door.app import PAGES_AT_ONCE, create_app
from api.door.bounded import LARGEST_HEAD, BoundedProtocol
from api.door.operations import Call, Operation
from api.door.rights import Right
from api.public import PUBLIC
from api.resources import OPERATIONS, PAGES
from api.server import public_application
from api.workbench.pages import page_of
from domain.canonical import sha256_of
from domain.certificates.certificate import CertificateContent
from domain.refusals import Code, Refused
from printing.job import Job, Sample
from services.certificates.enquiries import _SEARCHES_WAITING
from services.certificates.printing import TEMPLATES, Printer, _asked
from services.numbers.batches import MOST_OPEN
from services.rate_limits import FEW, Limiter, RateLimits
from services.together import Together
from store import content
from store.data_keys import hiding
from store.database import connect
from store.tables import revisions, tries
from tests.api.lookups import served
from tests.certificates import content as certificate_content
from tests.command import ROOT
from tests.databases import owning
from tests.registered import register
from tests.system import CLERK, FILER, KEYS, OPERATOR, REVIEWER, System, institution

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
async def port(house: System) -> AsyncIterator[int]:
    """Where the application is served as it is in earnest."""
    async with served(house.parts, http=BoundedProtocol) as address:
        yield int(address.rpartition(":")[2])


async def told(port: int, *pieces: bytes, pause: float = 0.0, answers: int = 1) -> bytes:
    """What some bytes are answered with, in so many parts; nothing is sent after the last."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async def heard() -> bytes:
        return b"".join([await reader.read(4096) for _ in range(answers)])

    hearing = asyncio.create_task(asyncio.wait_for(heard(), 20))
    try:
        for piece in pieces:
            if not hearing.done():
                writer.write(piece)
                await asyncio.sleep(pause)
        return await hearing
    finally:
        writer.close()


def asked(padding: int) -> bytes:
    """A request whose address and headers are so many bytes more."""
    return b"GET /healthz HTTP/1.1\r\nhost: test\r\nx-p: " + b"p" * padding + b"\r\n\r\n"


async def test_a_head_has_a_bound_however_it_comes(port: int) -> None:
    names = len(b"/healthzhosttestx-p")
    assert (await told(port, asked(LARGEST_HEAD - names))).startswith(b"HTTP/1.1 200 ")
    assert (await told(port, asked(LARGEST_HEAD - names + 1))).startswith(b"HTTP/1.1 431 ")
    assert (await told(port, asked(150_000))).startswith(b"HTTP/1.1 431 ")
    many = b"".join(b"x-%d: 1\r\n" % number for number in range(10_000))
    assert (await told(port, asked(1)[:-2] + many + b"\r\n")).startswith(b"HTTP/1.1 431 ")
    long = b"GET /" + b"a" * 60_000 + b" HTTP/1.1\r\nhost: test\r\n\r\n"
    assert (await told(port, long)).startswith(b"HTTP/1.1 431 ")


async def test_a_head_without_an_end_is_not_read_on(port: int) -> None:
    sent = 0
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /healthz HTTP/1.1\r\nx-p: ")
    with contextlib.suppress(ConnectionError):
        while sent < 64 * 1024 * 1024:
            writer.write(b"p" * 65_536)
            await writer.drain()
            sent += 65_536
    writer.close()
    assert sent < 16 * 1024 * 1024
    # and it has stopped nobody
    assert (await told(port, asked(1))).startswith(b"HTTP/1.1 200 ")


async def test_who_does_not_finish_a_head_is_told_and_let_go(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded, "HEAD_WITHIN", 0.3)
    assert (await told(port)).startswith(b"HTTP/1.1 408 ")
    drops = [b"GET /healthz HTTP/1.1\r\n", *[b"x: y\r\n"] * 100]
    assert (await told(port, *drops, pause=0.02)).startswith(b"HTTP/1.1 408 ")
    # a second request on a connection has its own time
    answers = await told(port, asked(1), asked(1)[:20], pause=0.6, answers=2)
    assert answers.startswith(b"HTTP/1.1 200 ")
    assert b"HTTP/1.1 408 " in answers


async def test_a_body_that_does_not_come_is_given_up_and_nothing_is_kept(
    house: System, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(draining, "PAUSE", 0.3)
    token = house.token(OPERATOR, "operator-1", "000000")
    before = (await house.send("GET", "/api/announcements", token)).body
    head = (
        f"POST /api/announcements HTTP/1.1\r\nhost: test\r\nauthorization: Bearer {token}\r\n"
        "content-type: application/json\r\nidempotency-key: slow\r\ncontent-length: 500\r\n\r\n"
    )
    answer = await told(port, head.encode(), b'{"ti')
    assert answer.startswith(b"HTTP/1.1 408 ")
    # a byte now and then is no progress
    answer = await told(port, head.encode(), *[b" "] * 60, pause=0.02)
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["code"] == "too_slow"
    assert (await house.send("GET", "/api/announcements", token)).body == before


@pytest.mark.parametrize(
    "path",
    ["/nowhere", "/docs", "/openapi.json", "/static/docs.js", "/api/tasks", "/lookup", "/healthz"],
)
async def test_every_answer_guards_the_browser_that_shows_it(house: System, path: str) -> None:
    answer = await house.http.get(path)
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "default-src '" in answer.headers["content-security-policy"]
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cross-origin-opener-policy"] == "same-origin"
    for name in ("content-security-policy", "x-content-type-options"):
        assert len(answer.headers.get_list(name)) == 1


async def test_only_its_own_names_are_answered_to(house: System) -> None:
    app = create_app(house.parts, "zhibao.example.gov.cn, Other.Example")
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://zhibao.example.gov.cn"
    ) as http:
        for host, status in (
            ("zhibao.example.gov.cn", 200), ("ZHIBAO.example.gov.cn:8600", 200),
            ("other.example", 200), ("evil.example", 421), ("", 421),
            ("zhibao.example.gov.cn.evil.example", 421), ("zhibao.example.gov.cn:x", 421),
        ):  # fmt: skip
            answer = await http.get("/lookup", headers={"host": host})
            assert answer.status_code == status, host
            if status == 421:
                assert answer.json()["code"] == "unknown_host"
            assert (await http.get("/healthz", headers={"host": host})).status_code == 200


async def test_what_was_changed_by_hand_is_neither_shown_nor_approved(house: System) -> None:
    """Whoever changes a revision may change its hash too: the journal has what was submitted."""
    filer = house.token(FILER, "clerk-1", "altered")
    await house.add(institution("altered"))
    asked = await house.send("POST", "/api/filings/2024/altered", filer)
    assert asked.status in (201, 202), asked.body
    assert (await house.submit("2024/altered", filer)).status == 200
    path = "/api/filings/2024/altered"
    authority = (await house.send("GET", path, filer)).body["authority"]
    reviewer = house.token(REVIEWER, "reviewer-1", authority)
    assert (await house.act("2024/altered", "claim", reviewer)).status == 200
    shown = await house.send("GET", f"{path}/review", reviewer)
    assert shown.status == 200, shown.body
    for hashed in (False, True):
        async with owning(house.engine) as connection:
            revision = await content.revision(connection, "filing/2024/altered", 1)
            assert revision is not None
            parts = {**revision.content}
            [part] = [one for one in parts if "assets" in parts[one]]
            altered = parts | {part: parts[part] | {"assets": "999999"}}
            key = await hiding(connection, "filing/2024/altered")
            values: dict[str, Any] = {"content": key.of(altered, "1")}
            if hashed:
                values["sha256"] = sha256_of(altered)
            place = revisions.c.case_id == "filing/2024/altered"
            await connection.execute(update(revisions).where(place).values(values))
        for answer in (
            await house.send("GET", f"{path}/review", reviewer),
            await house.send("GET", f"{path}/draft", reviewer),
            await house.act("2024/altered", "approve", reviewer),
        ):
            assert (answer.status, answer.body["code"]) == (409, "content_altered")
        # as it was
        async with owning(house.engine) as connection:
            as_saved = {"content": key.of(revision.content, "1"), "sha256": revision.sha256}
            await connection.execute(update(revisions).where(place).values(as_saved))
    assert (await house.act("2024/altered", "approve", reviewer)).status == 200


async def test_the_public_s_service_answers_what_anybody_may_read_and_nothing_else(
    house: System,
) -> None:
    settings = house.settings.model_copy(
        update={"database_url": SecretStr(house.engine.url.render_as_string(False))}
    )
    async with public_application(settings) as app:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
            for path in (
                "/healthz", "/readyz", "/lookup", "/lookup?number=X-1", "/certificates",
                "/public/report-numbers?number=X-1", "/public/certificates?number=241301060345",
                "/public/measures", "/measures",
            ):  # fmt: skip
                answer = await http.get(path)
                assert answer.status_code == 200, (path, answer.text)
            for operation in [*OPERATIONS, *PAGES]:
                if operation not in PUBLIC and "{" not in operation.path:
                    answer = await http.request(operation.method, operation.path)
                    own = operation.path == "/readyz"
                    assert own or answer.status_code in (404, 405), operation.path


async def test_a_complaint_is_taken_from_our_own_page_alone(house: System) -> None:
    form = {"number": "X-1", "institution": "", "about": "（生成）", "contact": ""}
    for headers, taken in (
        ({"sec-fetch-site": "cross-site"}, False),
        ({"sec-fetch-site": "same-site"}, False),
        ({"origin": "https://evil.example"}, False),
        ({"sec-fetch-site": "cross-site", "origin": "null"}, False),
        ({"sec-fetch-site": "same-origin", "origin": "null"}, True),
        ({"origin": "http://test"}, True),
        ({}, True),
    ):
        answer = await house.http.post("/complaint", data=form, headers=headers)
        assert (answer.status_code == 200) == taken, (headers, answer.text)


async def test_a_person_s_requests_have_a_limit_that_is_theirs(
    house: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = Limiter(RateLimits("5/minute", "12/minute"))
    monkeypatch.setitem(vars(house.parts), "paces", own)

    async def asked(subject: str, times: int) -> list[int]:
        token = house.token(OPERATOR, subject, "430000")
        answers = [await house.send("GET", "/api/campaigns", token) for _ in range(times)]
        return [answer.status for answer in answers]

    assert await asked("p-1", 6) == [200] * 5 + [429]
    assert await asked("p-2", 6) == [200] * 5 + [429]
    # together they have used up what all of them have: who has had none of it still has a few
    assert await asked("p-3", 5) == [200] * (2 + 1) + [429] * 2
    refused = await house.send("GET", "/api/campaigns", house.token(OPERATOR, "p-1", "430000"))
    assert refused.body["code"] == "too_many_requests"
    assert refused.headers["retry-after"]


def _processes(house: System, engine: AsyncEngine, number: int) -> list[tuple[Limiter, Together]]:
    """What several API processes count requests with."""
    limits = RateLimits("100/minute", "200/minute")
    made = []
    for _ in range(number):
        together = Together(engine, KEYS, house.now)
        made.append((Limiter(limits, together, "requests"), together))
    return made


async def _taken(
    house: System, processes: list[tuple[Limiter, Together]], person: str, times: int, group: str
) -> list[int]:
    """How many of somebody's requests each process takes, asked one after the other."""
    taken = [0] * len(processes)
    for number in range(times):
        limiter, together = processes[number % len(processes)]
        try:
            limiter.count_member(person, group, house.now())
        except Refused:
            continue
        taken[number % len(processes)] += 1
        await together.settled()
    return taken


async def test_a_limit_of_requests_is_that_of_all_processes_together(house: System) -> None:
    four = _processes(house, house.engine, 4)
    # each process knows itself of a quarter of them alone, which is within the limit
    taken = await _taken(house, four, "p-many", 240, "g-1")
    assert 100 <= sum(taken) <= 100 + 4 * 2
    # of those of the same authority that ask for little none is held up by what others had
    assert sum(await _taken(house, four, "p-few", 8, "g-1")) == 8
    # and what they have together is that of all processes too, but for a few of each
    rest = sum([sum(await _taken(house, four, f"p-{n}", 60, "g-1")) for n in range(4)])
    assert 200 <= sum(taken) + 8 + rest <= 200 + 4 * 4 + 4 * 4 * FEW
    # another authority has what it had
    assert sum(await _taken(house, four, "p-other", 100, "g-2")) == 100
    house.ahead = timedelta(minutes=1, seconds=1)
    assert sum(await _taken(house, four, "p-many", 40, "g-1")) == 40
    house.ahead = timedelta()


async def test_without_the_database_each_process_goes_by_its_own_count(house: System) -> None:
    nowhere = connect("postgresql+psycopg://nobody@127.0.0.1:1/none")
    two = _processes(house, nowhere, 2)
    assert await _taken(house, two, "p-many", 240, "g-1") == [100, 100]
    await nowhere.dispose()


async def test_whoever_asks_as_people_do_is_counted_without_the_database(house: System) -> None:
    [(limiter, together)] = _processes(house, house.engine, 1)
    counted = "SELECT count(*), coalesce(sum(count), 0) FROM tries"

    async def kept() -> tuple[int, int]:
        async with house.engine.connect() as connection:
            number, total = (await connection.execute(text(counted))).one()
            return int(number), int(total)

    async with house.engine.begin() as connection:
        await connection.execute(delete(tries))
    for person in range(50):
        limiter.count_member(f"p-{person}", f"g-{person}", house.now())
    await together.settled()
    assert await kept() == (0, 0)
    limiter.count_member("p-1", "g-1", house.now())
    await together.settled()
    assert await kept() == (1, 2)


async def test_many_at_once_do_not_get_more_uploads_open_than_there_may_be(house: System) -> None:
    filer = house.token(FILER, "clerk-1", "racer")
    await house.add(institution("racer"))
    await house.open("2024Q3", "000000")
    batch = "/api/report-batches/2024Q3/racer"
    assert (await house.send("POST", batch, filer)).status in (202, 409)
    while (await house.send("GET", batch, filer)).status != 200:
        await house.pause(0.05)
    answers = await asyncio.gather(
        *(
            house.send(
                "POST",
                f"{batch}/uploads/resumable",
                filer,
                {"filename": f"（生成）{number}.csv", "media": "csv"},
            )
            for number in range(MOST_OPEN + 6)
        )
    )
    assert sorted(one.status for one in answers) == [201] * MOST_OPEN + [409] * 6
    assert {one.body["code"] for one in answers if one.status == 409} == {"uploads_under_way"}
    # one that is done with makes room for one
    [begun, *_] = [one.body["id"] for one in answers if one.status == 201]
    assert (await house.send("DELETE", f"{batch}/uploads/{begun}", filer)).status < 300
    again = [
        (
            await house.send(
                "POST",
                f"{batch}/uploads/resumable",
                filer,
                {"filename": f"（生成）{number}.csv", "media": "csv"},
            )
        ).status
        for number in ("a", "b")
    ]
    assert again == [201, 409]


async def test_whoever_prints_much_takes_no_place_from_others(house: System) -> None:
    """A printer that never ends: what one person asks for waits, and what another does, too."""
    printer = Printer(waiting=2, patience=60, python="/bin/sleep")
    held: list[asyncio.Task[Any]] = []
    job = Job(kind="draft", templates=printer.templates)

    async def refused(whose: str) -> bool:
        task = asyncio.create_task(printer.print(job, whose))
        await asyncio.sleep(0)
        if not task.done():
            held.append(task)
            return False
        with pytest.raises(Refused):
            task.result()
        return True

    # the printing process itself is none of this test's: nobody ever lets go of a place
    async def never(_: Job) -> Any:
        await asyncio.Event().wait()

    printer._carry_out = never  # type: ignore[method-assign, assignment]
    asked = [await refused(whose) for whose in ("a", "a", "a", "b", "b")]
    assert asked == [False, False, False, False, True]
    for task in held:
        task.cancel()
    await asyncio.gather(*held, return_exceptions=True)
    printer._waiting = 16
    asked = [await refused(whose) for whose in ["a"] * 5 + ["b"]]
    assert asked == [False] * 4 + [True, False]
    for task in held:
        task.cancel()
    await asyncio.gather(*held, return_exceptions=True)


def test_what_prints_has_its_memory_time_and_size_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked of the real process, with bounds too small for anything."""
    for limits, code in (
        ({"MEMORY": 1}, None),
        ({"LARGEST": 0}, "too_large"),
    ):
        changed = "; ".join(f"m.{name} = {value}" for name, value in limits.items())
        program = f"import printing.__main__ as m; {changed}; m.main()"
        sample = Sample(
            content=CertificateContent.model_validate(certificate_content()), issuer_name="（生成）"
        )
        job = Job(kind="draft", templates=TEMPLATES, draft=sample)
        done = subprocess.run(
            [sys.executable, "-c", program], input=_asked(job), capture_output=True, cwd=ROOT
        )
        if code is None:
            assert done.returncode != 0
        else:
            assert json.loads(done.stdout.partition(b"\n")[0])["code"] == code, done.stderr


async def test_a_number_with_any_character_has_an_address(house: System) -> None:
    clerk = house.token(CLERK, "clerk-1", "amr-350000")
    await house.add(institution("slash"))
    for number in ("国认/2024-1", "A/1/..", "B%2F1"):
        await register(house.engine, number, institution="slash", uscc="91350100M000100Y43")
        found = await house.send(
            "GET", f"/api/certificates/registered/{quote(number, safe='')}", clerk
        )
        assert found.status == 200, (number, found.body)
        assert found.body["public"]["number"] == number
    missing = await house.send("GET", "/api/certificates/registered/A%2F2", clerk)
    assert missing.status == 404


async def test_a_search_that_costs_too_much_is_given_up_and_few_wait(
    house: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    enquiries = house.parts.enquiries

    async def search(failure: BaseException | None) -> None:
        async with enquiries._searching():
            if failure is not None:
                raise failure

    too_long = OperationalError("SELECT", {}, psycopg.errors.QueryCanceled())
    with pytest.raises(Refused) as refused:
        await search(too_long)
    assert refused.value.refusal.code is Code.SEARCH_TOO_WIDE
    with monkeypatch.context() as full:
        full.setattr(enquiries, "_waiting", _SEARCHES_WAITING)
        with pytest.raises(Refused) as refused:
            await search(None)
    assert refused.value.refusal.code is Code.BUSY
    await search(None)


async def test_pages_have_their_turn_and_programs_do_not_wait_for_them(
    house: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    running, most, go_on = 0, 0, asyncio.Event()

    async def handled(_: Call) -> Response:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await go_on.wait()
        running -= 1
        return PlainTextResponse("made")

    async def at_once(_: Call) -> Response:
        return PlainTextResponse("told")

    slow = page_of("GET", "/work/slow", handled, "试")
    quick = Operation("GET", "/api/quick", at_once, "试", "试", Right.SIGNED_IN, None)
    app = create_app(house.parts, operations=[slow, quick])
    headers = {"Authorization": f"Bearer {house.token(REVIEWER, 'r', 'amr-350000')}"}
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        asking = [
            asyncio.create_task(client.get("/work/slow", headers=headers))
            for _ in range(PAGES_AT_ONCE + 5)
        ]
        while running < PAGES_AT_ONCE:
            await asyncio.sleep(0)
        assert (await client.get("/api/quick", headers=headers)).text == "told"
        assert running == PAGES_AT_ONCE
        # whose turn does not come in time is told so
        with monkeypatch.context() as patched:
            patched.setattr(door, "DEADLINE", 0.0)
            late = await client.get("/work/slow", headers=headers)
        assert late.status_code == Code.UNAVAILABLE.status
        go_on.set()
        answers = await asyncio.gather(*asking)
    assert {answer.status_code for answer in answers} == {200}
    assert (most, app.turns.locked()) == (PAGES_AT_ONCE, False)
