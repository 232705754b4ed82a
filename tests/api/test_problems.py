"""Refusals as problem documents, and what is answered when a part of the system is away."""

import asyncio
import json
import re
import string
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncEngine
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

import services.campaigns.opening
import services.cases
from api.door.app import create_app
from api.door.parts import build_parts
from api.door.problems import Problem, problem, problem_body
from domain.citation import Citation
from domain.refusals import Code, Refusal
from engine.client import through
from rules.file.library import SHIPPED
from services.doors import door_of
from settings import Settings
from store.database import connect
from tests.api.people import GUANGDONG, Filing, filing
from tests.engines import start_server
from tests.system import KEY, OPERATOR, System, running

pytestmark = pytest.mark.anyio

FIELDS = {
    "type", "title", "status", "detail", "code", "remedy", "at", "sources", "errors", "request_id",
}  # fmt: skip
CITE = Citation(document="测试文号", clause="一", quote="原文")


# --- words and statuses --------------------------------------------------------------------------


@pytest.mark.parametrize("code", list(Code))
def test_every_code_has_words_a_person_can_act_on_and_a_status(code: Code) -> None:
    title, detail, remedy = code.words
    for text in (title, detail, remedy):
        assert re.search("[一-鿿]", text), code
    assert detail.endswith(("。", "}")), detail
    assert remedy.endswith("。")
    assert 400 <= code.status < 600
    # nothing but named blanks stands in the words
    names = [name for text in code.words for _, name, _, _ in string.Formatter().parse(text)]
    assert all(name is None or name.isidentifier() for name in names)


def test_only_our_own_failures_are_server_errors() -> None:
    ours = {
        Code.INTERNAL, Code.UNAVAILABLE, Code.TEMPLATE_BROKEN, Code.UNSIGNED_COMMAND,
        Code.KEYS_MISSING,
    }  # fmt: skip
    assert {code for code in Code if code.status >= 500} == ours


def test_no_two_codes_share_their_words() -> None:
    assert len({code.words.title for code in Code}) == len(Code)


@pytest.mark.parametrize("code", list(Code))
def test_a_problem_has_all_its_fields_whatever_the_refusal_lacks(code: Code) -> None:
    at = datetime(2025, 3, 21, 16, tzinfo=UTC)
    full = Refusal(code=code, params={"status": "填报中"}, cite=CITE, at=at)
    for refusal in (Refusal(code=code), full):
        body = json.loads(bytes(problem(refusal, "request-1").body))
        assert set(body) == FIELDS
        assert body == json.loads(Problem.model_validate(body).model_dump_json())
        assert body["type"] == f"urn:zhibao:problem:{code}"
        assert (body["code"], body["status"]) == (code.value, code.status)
        assert "{" not in body["detail"] + body["remedy"] + body["title"]
        assert body["request_id"] == "request-1"
    assert body["sources"] == [{"document": "测试文号", "clause": "一", "quote": "原文"}]
    assert body["at"] == "2025-03-22T00:00:00+08:00"
    assert "依据：" in body["detail"]


def test_a_problem_tells_a_client_how_to_go_on() -> None:
    unknown = problem(Refusal(code=Code.UNAUTHENTICATED), "r")
    assert unknown.headers["www-authenticate"] == "Bearer"
    for code in (Code.UNAVAILABLE, Code.BUSY):
        assert int(problem(Refusal(code=code), "r").headers["retry-after"]) > 0
    for code in Code:
        assert problem(Refusal(code=code), "r").headers["cache-control"] == "no-store"
        assert problem(Refusal(code=code), "r").media_type == "application/problem+json"


def test_dates_are_told_in_chinese_time() -> None:
    at = datetime(2025, 3, 21, 16, tzinfo=UTC)
    detail = problem_body(Refusal(code=Code.FILL_CLOSED, at=at), "r")["detail"]
    assert "2025-03-21 24:00（北京时间）" in detail


# --- what the router refuses ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "not_found"),
        ("GET", "/api", 404, "not_found"),
        ("GET", "/api/tasks/", 404, "not_found"),
        ("GET", "/api//tasks", 404, "not_found"),
        ("GET", "/API/tasks", 404, "not_found"),
        ("GET", "/api/filings/2024/a/b/c", 404, "not_found"),
        ("GET", "/static/nothing.js", 404, "not_found"),
        ("GET", "/%00", 404, "not_found"),
        ("GET", "/%ff%fe", 404, "not_found"),
        ("POST", "/api/tasks", 405, "method_not_allowed"),
        ("PUT", "/api/filings/2024/a", 405, "method_not_allowed"),
        ("DELETE", "/api/filings/2024/a", 405, "method_not_allowed"),
        ("DELETE", "/api/filings/2024/a/draft", 405, "method_not_allowed"),
        ("OPTIONS", "/api/filings", 405, "method_not_allowed"),
        ("TRACE", "/api/filings", 405, "method_not_allowed"),
        ("GET", "/api/filings/2024/a/submit", 405, "method_not_allowed"),
        ("X" * 100, "/api/filings", 405, "method_not_allowed"),
        ("POST", "/openapi.json", 405, "method_not_allowed"),
        ("POST", "/docs", 405, "method_not_allowed"),
        ("POST", "/static/docs.js", 405, "method_not_allowed"),
    ],
)
async def test_what_no_operation_takes_is_a_problem_as_well(
    house: System, method: str, path: str, status: int, code: str
) -> None:
    answer = await house.http.request(method, path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert set(body) == FIELDS
    assert (body["code"], body["status"]) == (code, status)
    assert answer.headers["x-request-id"] == body["request_id"]
    assert len(answer.content) < 2000
    if status == 405 and not path.startswith("/static"):
        assert answer.headers["allow"]
    assert "location" not in answer.headers


@pytest.mark.parametrize("path", ["/api/me", "/healthz", "/api/rules"])
async def test_a_head_request_is_answered_like_its_get(house: System, path: str) -> None:
    headers = {"authorization": f"Bearer {house.token(OPERATOR, 'operator-1', '000000')}"}
    head = await house.http.head(path, headers=headers)
    got = await house.http.get(path, headers=headers)
    assert (head.status_code, head.headers["content-length"]) == (
        200,
        got.headers["content-length"],
    )


async def test_a_refusal_is_logged_as_a_warning_with_its_code_and_no_word_of_what_was_sent(
    house: System,
) -> None:
    operator = house.token(OPERATOR, "operator-1", "000000")
    with capture_logs(processors=[merge_contextvars]) as logged:
        answer = await house.send("GET", "/api/filings?mark=echo-me-not", operator)
    (line,) = logged
    assert (line["log_level"], line["code"]) == ("warning", "invalid_parameter")
    assert line["request_id"] == answer.headers["x-request-id"]
    assert "echo-me-not" not in json.dumps(line)
    assert operator not in json.dumps(line)


async def test_every_answer_names_its_request_and_is_kept_by_nobody(house: System) -> None:
    operator = house.token(OPERATOR, "operator-1", "000000")
    ids = set()
    for path in ("/api/me", "/api/filings", "/api/filings/2024/nobody", "/api/tasks", "/healthz"):
        answer = await house.send("GET", path, operator)
        ids.add(answer.headers["x-request-id"])
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        if answer.status >= 400:
            assert answer.body["request_id"] == answer.headers["x-request-id"]
    assert len(ids) == 5


async def test_an_error_nobody_expected_tells_nothing_of_the_inside(
    house: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: Any) -> Any:
        raise RuntimeError("secret-of-the-inside /srv/app/file.py")

    monkeypatch.setattr(house.parts.campaigns, "describe", broken)
    operator = house.token(OPERATOR, "operator-1", "000000")
    with capture_logs(processors=[merge_contextvars]) as logged:
        answer = await house.send("GET", "/api/campaigns/2024/000000", operator)
    assert (answer.status, answer.body["code"]) == (500, "internal")
    # the log has what the answer withholds
    (line,) = logged
    assert (line["log_level"], line["exc_info"]) == ("error", True)
    assert line["request_id"] == answer.body["request_id"]
    text = json.dumps(answer.body)
    assert "secret" not in text
    assert "Traceback" not in text
    assert ".py" not in text


# --- a part of the system is away ----------------------------------------------------------------


@asynccontextmanager
async def api_alone(
    client: Client, engine: AsyncEngine, environment: WorkflowEnvironment, rules: Path = SHIPPED
) -> AsyncIterator[System]:
    """The API without a worker, over whatever client and database it is given."""
    settings = Settings(
        database_url=SecretStr("postgresql+psycopg://unused"),
        temporal_address="unused",
        token_key=SecretStr(KEY),
        token_days=366,
        rules=rules,
    )
    client = through(client, door_of(settings))
    parts = build_parts(settings, client, engine)
    transport = httpx.ASGITransport(app=create_app(parts), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
        yield System(parts, http, client, engine, environment, Path(), settings)


@pytest.fixture
async def without_database(house: System) -> AsyncIterator[System]:
    """The API with a database address at which nobody answers."""
    dead = connect("postgresql+psycopg://nobody@127.0.0.1:1/nothing")
    async with api_alone(house.client, dead, house.environment) as found:
        yield found
    await dead.dispose()


async def test_without_its_database_the_api_says_so_and_asks_to_try_again(
    without_database: System,
) -> None:
    house = without_database
    operator = house.token(OPERATOR, "operator-1", "000000")
    requests: tuple[tuple[str, str, Any], ...] = (
        ("GET", "/api/filings", None),
        ("GET", "/api/filings/2024/a", None),
        ("GET", "/api/campaigns", None),
        ("GET", "/api/institutions", None),
        ("GET", "/api/events", None),
        ("POST", "/api/filings/2024/a/cancel", {"reason": "（生成）"}),
        ("POST", "/api/campaigns/2024/000000/rescan", {}),
    )
    for method, path, body in requests:
        with capture_logs(processors=[merge_contextvars]) as logged:
            answer = await asyncio.wait_for(house.send(method, path, operator, body), 20)
        assert (answer.status, answer.body["code"]) == (503, "unavailable"), path
        assert "Idempotency-Key" in answer.body["remedy"]
        assert answer.headers["retry-after"]
        assert "127.0.0.1" not in json.dumps(answer.body)
        (line,) = logged
        assert (line["log_level"], line["request_id"]) == ("error", answer.body["request_id"])
    assert (await house.send("GET", "/healthz")).status == 200
    ready = await house.send("GET", "/readyz")
    assert (ready.status, ready.body) == (
        503,
        {"ok": False, "parts": {"database": False, "engine": True}},
    )
    # who asks is still known, and who may not is still refused
    # whether somebody still has a role is on record
    assert (await house.send("GET", "/api/me", operator)).status == 503
    assert (await house.send("GET", "/api/filings")).status == 401


async def test_with_both_parts_there_the_system_is_ready(house: System) -> None:
    ready = await house.send("GET", "/readyz")
    assert (ready.status, ready.body) == (
        200,
        {"ok": True, "parts": {"database": True, "engine": True}},
    )


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Services that wait for the engine for one second instead of twenty."""
    for module in (services.campaigns.opening, services.cases):
        monkeypatch.setattr(module, "ANSWER_WITHIN", timedelta(seconds=1))


@pytest.mark.usefixtures("impatient")
async def test_without_the_engine_people_can_look_and_draft_and_are_told_why_not_to_act(
    engine: AsyncEngine, open_rules: Path
) -> None:
    environment = await start_server()
    try:
        async with running(environment, engine, open_rules) as house:
            await house.open(2024, "000000")
            id_ = (await filing(house)).id
    finally:
        await environment.shutdown()
    async with api_alone(environment.client, engine, environment, open_rules) as house:
        found = Filing(house, id_, GUANGDONG)
        saved = (await found.saved()).body
        body = {"revision": 1, "sha256": saved["sha256"]}
        # the client tries for some ten seconds before it gives up
        answers = await asyncio.gather(
            found.act("submit", found.filer, body, idempotency_key="a"),
            house.send(
                "POST", "/api/campaigns/2024/000000/rescan", found.operator, idempotency_key="b"
            ),
            house.send("POST", "/api/campaigns/2024Q4/430000", found.operator, idempotency_key="c"),
        )
        for answer in answers:
            assert (answer.status, answer.body["code"]) == (503, "unavailable")
            assert "Idempotency-Key" in answer.body["remedy"]
        assert await found.status() == "draft"
        ready = await house.send("GET", "/readyz")
        assert (ready.status, ready.body) == (
            503,
            {"ok": False, "parts": {"database": True, "engine": False}},
        )


@pytest.mark.usefixtures("impatient")
async def test_an_act_sent_while_no_worker_runs_happens_once_when_it_is_sent_again(
    dev_engine: WorkflowEnvironment, engine: AsyncEngine, open_rules: Path
) -> None:
    key = {"idempotency_key": "through-the-gap"}
    async with running(dev_engine, engine, open_rules) as house:
        await house.open(2024, "000000")
        found = await filing(house)
        saved = (await found.saved()).body
    body = {"revision": 1, "sha256": saved["sha256"]}
    async with api_alone(dev_engine.client, engine, dev_engine, open_rules) as house:
        found = Filing(house, found.id, GUANGDONG)
        for _ in range(2):
            gone = await found.act("submit", found.filer, body, **key)
            assert (gone.status, gone.body["code"]) == (503, "unavailable")
            assert "Idempotency-Key" in gone.body["remedy"]
            assert gone.headers["retry-after"]
        assert await found.status() == "draft"
        # looking and saving need no worker
        assert (await found.get(found.filer, "/draft")).body == saved
    async with running(dev_engine, engine, open_rules) as house:
        found = Filing(house, found.id, GUANGDONG)
        again = await found.act("submit", found.filer, body, **key)
        for _ in range(20):
            if again.status != 503:
                break
            again = await found.act("submit", found.filer, body, **key)
        assert (again.status, again.body["status"]) == (200, "in_review")
        assert (await found.act("submit", found.filer, body, **key)).body == again.body
        entries = await found.timeline()
    events = [entry["event"] for entry in entries if entry["sequence"]]
    assert events == ["scheduled", "opened", "submitted", "assigned"]
    # that nobody answered is no refusal: it says nothing about the case
    assert len(entries) == len(events)
