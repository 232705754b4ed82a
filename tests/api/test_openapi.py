"""The OpenAPI document: valid, true of every answer, and of use to a stranger."""

import asyncio
import json
import os
import re
import socket
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import requests
import schemathesis
import uvicorn
from hypothesis import HealthCheck, Phase, given, settings
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from api.door.app import create_app
from api.door.rights import ROLES, Right
from api.resources import OPERATIONS
from domain.case.commands import Role
from files.form_sheets import XLSX
from tests.api.documented import DOCUMENT, valid
from tests.api.people import FUJIAN, REASONS, Filing, filing
from tests.api.places import QUARTER, places
from tests.system import CHECKER, REVIEWER, System

pytestmark = pytest.mark.anyio

ANSWERED_ELSEWHERE = {
    "/api/confirmations/{confirmation}",
    "/public/statistics/{period}/{jurisdiction}/figures",
    "/public/statistics/{period}/{jurisdiction}/figures/table",
    "/api/campaigns/{period}/{jurisdiction}/amendments/forecast",
    "/api/authority-figures/{year}/{subject}",
    "/api/people/memberships",
}
"""What needs rules or people of its own: its tests hold its answers against the document."""

CHECKS = [
    not_a_server_error,
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
]
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)
EXAMPLES_EACH = int(os.environ.get("EXAMPLES") or 12)
"""Generated requests per operation; about twenty seconds in all."""


@schemathesis.serializer("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")
def _workbook(_: Any, value: Any) -> bytes:
    """Bytes that are hardly ever a workbook, as anybody may send them."""
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogatepass")


def described() -> list[Any]:
    """Every described operation: path, method, description."""
    return [
        pytest.param(path, method, one, id=f"{method.upper()} {path}")
        for path, methods in DOCUMENT["paths"].items()
        for method, one in methods.items()
    ]


# --- the document itself -------------------------------------------------------------------------


async def test_the_document_served_is_valid_openapi_and_describes_every_operation(
    house: System,
) -> None:
    answer = await house.send("GET", "/openapi.json")
    assert answer.status == 200
    assert answer.body == json.loads(json.dumps(DOCUMENT))
    assert answer.body["openapi"].startswith("3.1")
    schemathesis.openapi.from_dict(answer.body).validate()
    there = {(method.upper(), path) for path, one in answer.body["paths"].items() for method in one}
    assert there == {(operation.method, operation.path) for operation in OPERATIONS}
    ids = [
        one["operationId"] for methods in answer.body["paths"].values() for one in methods.values()
    ]
    assert len(ids) == len(set(ids))


def test_every_schema_is_a_valid_schema_and_every_reference_leads_somewhere() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    for schema in schemas.values():
        Draft202012Validator.check_schema(schema)
    for name in re.findall(r'"\$ref": "#/components/schemas/(\w+)"', json.dumps(DOCUMENT)):
        assert name in schemas


@pytest.mark.parametrize(("path", "method", "one"), described())
def test_an_operation_says_what_goes_in_what_comes_out_and_who_may_use_it(
    path: str, method: str, one: Any
) -> None:
    assert one["summary"]
    assert one["tags"]
    named = {(p["name"], p["in"]) for p in one["parameters"]}
    assert {name for name, where in named if where == "path"} == set(re.findall(r"{(\w+)}", path))
    operation = next(o for o in OPERATIONS if (o.path, o.method.lower()) == (path, method))
    assert (("Idempotency-Key", "header") in named) is operation.writes
    assert ("requestBody" in one) is (operation.body is not None or bool(operation.media))
    for status, answer in one["responses"].items():
        assert answer["description"]
        (media, content), *more = answer["content"].items()
        workbook = any("xlsx" in p.schema.get("enum", ()) for p in operation.parameters)
        assert [media for media, _ in more] == [XLSX] * (
            workbook and str(operation.status) == status
        )
        assert content["schema"]
        if status == "default":
            assert media == "application/problem+json"
    public = "security" not in one
    anybodys = ("/healthz", "/readyz", "/public/", "/api/connected/token", "/oauth/token")
    assert public is path.startswith((*anybodys, "/sign-in/provider/logout"))


@pytest.mark.parametrize(("path", "method", "one"), described())
def test_every_example_is_as_its_schema_says(path: str, method: str, one: Any) -> None:
    bodies = [*one["responses"].values(), one.get("requestBody", {"content": {}})]
    contents = [content for body in bodies for content in body["content"].values()]
    for content in contents:
        if "example" in content:
            valid(content["schema"], content["example"])
    if "application/json" in one.get("requestBody", {"content": {}})["content"]:
        # somebody has to be able to try it out
        assert "example" in one["requestBody"]["content"]["application/json"]


def test_every_example_of_a_draft_names_a_field_there_is() -> None:
    from rules.file.library import SHIPPED
    from rules.filing.forms.checking import check_form
    from rules.filing.forms.library import FormLibrary

    form = FormLibrary(SHIPPED / "forms").get("statistics-2024")
    content = DOCUMENT["paths"]["/api/filings/{year}/{institution}/draft"]["put"]["requestBody"]
    draft = content["content"]["application/json"]["example"]
    assert check_form(form, draft["parts"]["statistics"], complete=False) == []
    returned = DOCUMENT["paths"]["/api/filings/{year}/{institution}/return"]["post"]["requestBody"]
    for one in returned["content"]["application/json"]["example"]["fields"]:
        assert one["field"] in form.fields


# --- real answers --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
async def cases(house: System) -> dict[str, Filing]:
    """Filings in various states, so that every list has something in it."""
    names = ("draft", "returned", "claimed", "checked", "completed")
    found = {name: await filing(house) for name in names}
    found["in_review"] = await filing(house, FUJIAN)
    await found["draft"].saved()
    await found["returned"].returned()
    await found["checked"].checked()
    await found["completed"].completed()
    await found["in_review"].submitted()
    await found["claimed"].claimed()
    await found["draft"].act("submit", found["returned"].filer, {})  # refused, and on record
    return found


def token_for(found: Filing, role: Role) -> str:
    return {
        Role.FILER: found.filer, Role.REVIEWER: found.reviewer, Role.CHECKER: found.checker,
        Role.OPERATOR: found.operator, Role.AUDITOR: found.auditor, Role.CLERK: found.clerk,
        Role.OFFICER: found.officer, Role.DECIDER: found.decider,
        Role.RESPONSIBLE: found.responsible,
    }[role]  # fmt: skip


async def test_every_real_answer_is_as_its_schema_says(
    house: System, cases: dict[str, Filing]
) -> None:
    rule_set = (await cases["draft"].get()).body["rule_set"]
    seen = set()
    placed = cases["completed"]
    there = await places(house, placed)
    for operation in OPERATIONS:
        if operation.method != "GET":
            continue
        one = DOCUMENT["paths"][operation.path]["get"]["responses"]
        # what the filings' states make no difference to is asked of one of them
        elsewhere = set(re.findall(r"{(\w+)}", operation.path)) & set(there)
        # every role asks about one filing, and about each of the others one of them
        every = sorted(ROLES[operation.right] - {Role.SYSTEM})
        for number, found in enumerate([placed] if elsewhere else cases.values()):
            path = operation.path.format(
                year=2024, institution=found.id, jurisdiction="000000", sha256=rule_set, **there
            )
            questions = {
                "about": found.case_id,
                "year": "2024",
                "addressee": found.id,
                "case": found.case_id,
                "campaign": "campaign/2024/000000",
                "rules": "2024/national",
                "at": house.now().isoformat(),
                "and": house.now().isoformat(),
            }
            for role in every if found is placed else [every[number % len(every)]]:
                token = token_for(found, role)
                if operation.right is Right.DELIVER:
                    token = there["client_token"]
                headers = {"authorization": f"Bearer {token}"}
                asked = {
                    p.name: questions.get(p.name, "A-1") for p in operation.parameters if p.required
                }
                if operation.path == "/public/certificates":
                    asked["number"] = there["number"]  # one of several is required
                answer = await house.http.get(path, headers=headers, params=asked)
                media = answer.headers["content-type"].partition(";")[0]
                key = str(answer.status_code) if str(answer.status_code) in one else "default"
                assert media in one[key]["content"], (path, role, answer.text)
                if "json" in media:
                    valid(one[key]["content"][media]["schema"], answer.json())
                seen.add((operation.path, answer.status_code))
    # each operation has answered properly at least once
    assert {path for path, status in seen if status == 200} | ANSWERED_ELSEWHERE == {
        operation.path for operation in OPERATIONS if operation.method == "GET"
    }


async def test_every_receipt_and_refusal_of_a_filings_life_is_as_its_schema_says(
    house: System,
) -> None:
    found = await filing(house)
    saved = (await found.saved()).body
    submit = {"revision": 1, "sha256": saved["sha256"]}
    grant = {"until": "2099-01-01T00:00:00+08:00", "reason": "（生成）", "document": ""}
    story: list[tuple[str, str, Any]] = [
        ("submit", found.filer, submit), ("withdraw", found.filer, {}),
        ("submit", found.filer, submit), ("claim", found.reviewer, {}),
        ("release", found.reviewer, {}), ("claim", found.reviewer, {}),
        ("return", found.reviewer, REASONS), ("extension", found.operator, grant),
        ("submit", found.filer, submit), ("claim", found.reviewer, {}),
        ("approve", found.reviewer, {"note": ""}), ("quality", found.checker, {"outcome": "pass"}),
        ("reopen", found.operator, grant), ("cancel", found.operator, {"reason": "（生成）"}),
    ]  # fmt: skip
    problem = {"$ref": "#/components/schemas/Problem"}
    for name, token, body in story:
        one = DOCUMENT["paths"][f"/api/filings/{{year}}/{{institution}}/{name}"]["post"]
        answer = await found.done(name, token, body)
        valid(one["responses"]["200"]["content"]["application/json"]["schema"], answer.body)
        for refused in (
            await found.act(name, token, {"nonsense": 1}),
            await found.act(name, token, body, idempotency_key=""),
            await found.act(name, found.auditor, body),
            await found.act(name, "", body),
        ):
            assert refused.status >= 400
            valid(problem, refused.body)


# --- what a stranger sends -----------------------------------------------------------------------


@schemathesis.serializer(XLSX)
def any_bytes(_: Any, value: Any) -> bytes:
    """What a stranger sends as a workbook is anything."""
    return value if isinstance(value, bytes) else str(value).encode()


@pytest.fixture(scope="module")
async def address(house: System) -> AsyncIterator[str]:
    """The same application behind a real HTTP server."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = uvicorn.Config(
        create_app(house.parts), port=port, log_config=None, access_log=False, lifespan="off"
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    await serving
    await asyncio.sleep(0.1)  # for the last connections to be closed


@pytest.mark.parametrize(("path", "method", "one"), described())
async def test_generated_requests_find_no_server_error_and_nothing_undocumented(
    house: System, cases: dict[str, Filing], address: str, path: str, method: str, one: Any
) -> None:
    operation = SCHEMA[path][method.upper()]
    right = next(o.right for o in OPERATIONS if (o.path, o.method.lower()) == (path, method))
    # as every role in turn, whether it may or not
    roles = sorted(set(Role) - {Role.SYSTEM}, key=lambda role: role not in ROLES[right])
    statuses: Counter[int] = Counter()

    # the same requests at every run
    @settings(
        max_examples=EXAMPLES_EACH, derandomize=True, database=None, deadline=None,
        phases=[Phase.generate], suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(case=operation.as_strategy())
    def send(case: Any) -> None:
        number = statuses.total()
        role = roles[number % len(roles)]
        found = cases[{REVIEWER: "claimed", CHECKER: "checked"}.get(role, "draft")]
        headers = {"Authorization": f"Bearer {token_for(found, role)}"}
        there = {"institution": found.id, "year": 2024, "jurisdiction": "000000"}
        there |= {"period": "2024", "quarter": QUARTER}
        if (method, path) == ("post", "/api/campaigns/{period}/{jurisdiction}"):
            there = {}  # opening it again means checking all rules again, for seconds
        if number % 2:
            # every other one reaches something that exists, under a key not used before
            named = case.path_parameters or {}
            case.path_parameters = named | {n: v for n, v in there.items() if n in named}
            key = f"{operation.label}-{number}".replace(" ", "-")
            useful = {"Idempotency-Key": key, "If-Match": '"1"'}
            for name in set(useful) & set(case.headers or {}):
                case.headers[name] = useful[name]
        answer = case.call_and_validate(
            base_url=address, session=session, headers=headers, checks=CHECKS
        )
        statuses[answer.status_code] += 1

    with requests.Session() as session:
        try:
            await asyncio.to_thread(send)
        except BaseExceptionGroup as failure:
            # as it is raised, it would end the loop that all other tests run on
            raise AssertionError(str(failure)) from None
    assert statuses.total() >= 1
    assert max(statuses) < 500


# --- the page ------------------------------------------------------------------------------------

ADDRESS = re.compile(r"""(?:src|href)=["']([^"']+)["']|url\(([^)]+)\)""")


async def test_the_documentation_page_needs_nothing_from_elsewhere(house: System) -> None:
    page = await house.http.get("/docs")
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    policy = page.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "http" not in policy
    named = [a or b for a, b in ADDRESS.findall(page.text)]
    assert len(named) >= 3
    for one in named:
        assert one.startswith("/static/"), one
        asset = await house.http.get(one)
        assert asset.status_code == 200
        assert asset.content
    assert "//" not in page.text.replace("<!doctype html>", "")
    script = (await house.http.get("/static/docs.js")).text
    assert "/openapi.json" in script
    assert "://" not in script
    styles = (await house.http.get("/static/swagger-ui/swagger-ui.css")).text
    for _, url in ADDRESS.findall(styles):
        assert url.strip("\"'").startswith("data:"), url[:80]


async def test_the_page_asks_no_validator_and_no_other_host_when_a_browser_runs_it(
    house: System,
) -> None:
    script = (await house.http.get("/static/docs.js")).text
    # without this setting Swagger UI sends the document's address to its public validator
    assert re.search(r"validatorUrl:\s*(null|\"none\"|'none')", script), script


@pytest.mark.parametrize(
    "path",
    ["/static/", "/static/../app.py", "/static/%2e%2e/app.py", "/static/..%2fapp.py",
     "/static//etc/passwd", "/static/swagger-ui", "/static/docs.js%00", "/static/no-such.js",
     "/static/swagger-ui/", "/static/swagger-ui/index.html", "/static/swagger-ui/..%2fdocs.js",
     "/static/swagger-ui/swagger-initializer.js", "/static/swagger-ui/swagger-ui.css.map"],
)  # fmt: skip
async def test_nothing_but_the_assets_is_served_from_the_folder(house: System, path: str) -> None:
    answer: httpx.Response = await house.http.get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "not_found"
