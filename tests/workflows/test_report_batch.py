"""Batches of report numbers on a real engine whose clock can be moved, over HTTP alone."""

import hashlib
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.testing import WorkflowEnvironment

from tests.api.documented import as_documented
from tests.conftest import LATER
from tests.system import (
    AUDITOR,
    CHECKER,
    FILER,
    OPERATOR,
    REVIEWER,
    Answer,
    System,
    certificate,
    institution,
    running,
)

pytestmark = pytest.mark.anyio

SECOND = timedelta(seconds=1)
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


@pytest.fixture
async def system(
    skipping_engine: WorkflowEnvironment, engine: AsyncEngine, later_rules: Path
) -> AsyncIterator[System]:
    async with running(skipping_engine, engine, later_rules) as found:
        yield found


def moment(told: str) -> datetime:
    """An instant in China, `LATER` years after the one a notice speaks of."""
    year, rest = told.split("-", 1)
    return datetime.fromisoformat(f"{int(year) + LATER}-{rest}+08:00")


def quarter(told: str) -> str:
    return f"{int(told[:4]) + LATER}{told[4:]}"


def numbers(*names: str, day: str = "2023-12-05") -> str:
    """A file of numbers issued on one day."""
    issued = moment(f"{day}T00:00:00").date()
    return "\n".join(["报告编号,出具日期", *(f"{name},{issued}" for name in names)]) + "\n"


async def upload(
    system: System, batch: str, token: str, content: str | bytes, key: str = "", **query: str
) -> Answer:
    """Uploads one file in one go."""
    data = content.encode() if isinstance(content, str) else content
    named = "&".join(f"{name}={value}" for name, value in query.items())
    headers = {
        "Authorization": f"Bearer {token}",
        "Content-Type": "text/csv",
        "Idempotency-Key": key or f"upload-{hashlib.sha256(data).hexdigest()[:20]}-{named}",
    }
    path = f"/api/report-batches/{batch}/uploads?{named}"
    answer = await system.http.post(path, content=data, headers=headers)
    return Answer(answer.status_code, answer.json(), answer.headers)


async def read(system: System, batch: str, token: str, id_: str) -> dict[str, Any]:
    """Waits until an upload has been decided, and the batch's record says so."""
    path = f"/api/report-batches/{batch}/uploads/{id_}"
    for _ in range(600):
        shown: dict[str, Any] = (await system.send("GET", path, token)).body
        if shown["stage"] in ("accepted", "rejected", "repeated"):
            names = [one["event"] for one in await events(system, batch)]
            if names.count("upload_received") == sum(
                names.count(one) for one in ("numbers_accepted", "upload_rejected")
            ):
                return shown
        await system.pause(0.05)
    raise AssertionError(shown)


async def events(system: System, batch: str) -> list[dict[str, Any]]:
    auditor = system.token(AUDITOR, "auditor-1")
    path = f"/api/report-batches/{batch}/timeline"
    found: list[dict[str, Any]] = (await system.send("GET", path, auditor)).body["entries"]
    return found


async def batch_is(system: System, batch: str, **wanted: Any) -> dict[str, Any]:
    """Waits until a batch shows what is wanted."""
    auditor = system.token(AUDITOR, "auditor-1")
    shown: dict[str, Any] = {}
    for _ in range(400):
        shown = (await system.send("GET", f"/api/report-batches/{batch}", auditor)).body
        if all(shown.get(name) == value for name, value in wanted.items()):
            return shown
        await system.pause(0.025)
    raise AssertionError(f"wanted {wanted}: {shown}")


async def ask(system: System, batch: str, token: str) -> Answer:
    answer = await system.send("POST", f"/api/report-batches/{batch}", token)
    if answer.status == 202:
        await batch_is(system, batch, id=f"report-numbers/{batch}")
    return answer


async def extended(system: System, path: str, operator: str, until: datetime) -> str:
    """More time for a whole place: the extension's id."""
    body = {"until": until.isoformat(), "reason": "（生成）洪灾", "document": "示例"}
    given = await system.send("POST", path, operator, body)
    assert given.status == 202, given.body
    await worked_through(system, given.body["id"], operator)
    return str(given.body["id"])


async def shortened(system: System, path: str, operator: str, extension: str) -> None:
    """Takes the rest of an extension back."""
    body = {"reason": "（生成）已恢复办公"}
    ended = await system.send("POST", f"{path}/{extension}/shorten", operator, body)
    assert ended.status == 202, ended.body
    await worked_through(system, ended.body["shortened_job"], operator)


async def worked_through(system: System, job: str, operator: str) -> None:
    for _ in range(400):
        shown = (await system.send("GET", f"/api/jobs/{job}", operator)).body
        if shown["state"] == "done":
            break
        await system.pause(0.025)
    assert (shown["done"], shown["refused"]) == (shown["total"], 0), shown


async def lookup(system: System, number: str) -> str:
    answer = await system.send("GET", f"/public/report-numbers?number={number}")
    return str(answer.body["answer"])


async def test_who_asks_for_a_batch_has_its_place_s_extension_until_it_is_taken_back(
    system: System,
) -> None:
    await system.add(institution("there", "430102", issuer="amr-430000"))
    of = quarter("2023Q4")
    await system.open(of, "430000")
    operator = system.token(OPERATOR, "operator-hn", "430000")
    await system.skip_to(moment("2024-01-10T00:00:00"))
    until = moment("2024-12-01T00:00:00")
    path = f"/api/campaigns/{of}/430000/extensions"
    given = await extended(system, path, operator, until)
    await system.add(institution("comes-later", "430102", issuer="amr-430000"))
    assert (await ask(system, f"{of}/comes-later", operator)).status == 202
    names = ("there", "comes-later")
    for name in names:
        shown = await batch_is(system, f"{of}/{name}", status="draft", extension=given)
        assert datetime.fromisoformat(shown["extended_until"]) == until, name
    recorded = [one["event"] for one in await events(system, f"{of}/comes-later")]
    assert recorded == ["scheduled", "opened", "extended"]
    again = await ask(system, f"{of}/comes-later", operator)
    assert (again.status, again.body["code"]) == (409, "batch_exists")

    # taken back while the quarter's own time still runs: the newcomer's as well
    await shortened(system, path, operator, given)
    for name in names:
        shown = await batch_is(system, f"{of}/{name}", status="draft")
        assert datetime.fromisoformat(shown["extended_until"]) < until, name
    await system.add(institution("comes-last", "430102", issuer="amr-430000"))
    assert (await ask(system, f"{of}/comes-last", operator)).status == 202
    assert (await batch_is(system, f"{of}/comes-last", status="draft"))["extension"] == ""


async def test_a_mandatory_quarter_from_its_first_day_to_its_last(system: System) -> None:
    labs = ("punctual", "silent", "belated", "none-issued")
    await system.add(*(institution(one, "430102", issuer="amr-430000") for one in labs))
    of = quarter("2023Q4")
    await system.open(of, "430000")
    clerks = {one: system.token(FILER, f"clerk-{one}", one) for one in labs}
    batch = {one: f"{of}/{one}" for one in labs}

    # the last second of the quarter is too early
    await system.skip_to(moment("2023-12-31T23:59:55"))
    early = await upload(system, batch["punctual"], clerks["punctual"], numbers("HN-1"))
    assert (early.status, early.body["code"]) == (409, "not_open_yet")
    assert "每季度的第一个月内" in early.body["detail"]

    await system.skip_to(moment("2024-01-01T00:00:00"))
    taken = await upload(
        system, batch["punctual"], clerks["punctual"], numbers("HN-1", "HN-2"), "k"
    )
    assert taken.status == 202, taken.body
    done = await read(system, batch["punctual"], clerks["punctual"], taken.body["id"])
    assert (done["stage"], done["accepted"], done["bad"]) == ("accepted", 2, 0)
    nil = await system.send(
        "POST",
        f"/api/report-batches/{batch['none-issued']}/submit",
        clerks["none-issued"],
        {"total": 0},
    )
    assert (nil.status, nil.body["status"]) == (200, "completed")

    # the last second of the month is in time, the next is late
    await system.skip_to(moment("2024-01-31T23:59:59") + SECOND)
    overdue = await batch_is(system, batch["silent"], status="draft")
    late = await upload(system, batch["belated"], clerks["belated"], numbers("HN-9"))
    assert late.status == 202, late.body
    await read(system, batch["belated"], clerks["belated"], late.body["id"])
    accepted = [
        e for e in await events(system, batch["belated"]) if e["event"] == "numbers_accepted"
    ]
    assert "逾期补报" in accepted[0]["detail"]
    on_time = [
        e for e in await events(system, batch["punctual"]) if e["event"] == "numbers_accepted"
    ]
    assert "逾期" not in on_time[0]["detail"]

    # then it is over for who has said nothing
    last = datetime.fromisoformat(overdue["windows"]["supplement"]["closes"])
    await system.skip_to(last + SECOND)
    await batch_is(system, batch["silent"], status="lapsed")
    await batch_is(system, batch["belated"], status="completed")
    told = [entry["event"] for entry in await events(system, batch["silent"])]
    assert "reminded" in told
    assert told[-2:] == ["overdue", "lapsed"]
    refused = await upload(system, batch["silent"], clerks["silent"], numbers("HN-77"))
    assert (refused.status, refused.body["code"]) == (409, "fill_closed")
    assert refused.body["sources"][0]["document"] == "湘市监认函〔2024〕8号"


async def test_numbers_are_looked_up_from_midnight_on_and_never_before(system: System) -> None:
    await system.add(institution("lab", "430102", issuer="amr-430000"))
    of, clerk = quarter("2023Q4"), system.token(FILER, "clerk", "lab")
    await system.open(of, "430000")
    await system.skip_to(moment("2024-01-10T10:00:00"))
    batch = f"{of}/lab"
    taken = await upload(system, batch, clerk, numbers("HN-1", "HN-2", "HN-3"))
    shown = await read(system, batch, clerk, taken.body["id"])
    midnight = moment("2024-01-11T00:00:00")
    assert datetime.fromisoformat(shown["visible_from"]) == midnight
    assert await lookup(system, "HN-1") == "not_yet_visible"
    assert await lookup(system, "HN-4") == "not_found"

    await system.skip_to(midnight)
    assert await lookup(system, "HN-1") == "found"
    await batch_is(system, batch, numbers=3, withdrawn=0, waiting=0)
    for _ in range(200):
        if "numbers_published" in [e["event"] for e in await events(system, batch)]:
            break
        await system.pause(0.05)
    else:
        raise AssertionError(await events(system, batch))

    # withdrawn at once, corrected from the next day on, both with a tombstone
    withdrawn = await system.send(
        "POST",
        f"/api/report-batches/{batch}/withdraw-numbers",
        clerk,
        {"numbers": ["HN-1"], "reason": "报告作废"},
    )
    assert withdrawn.status == 200, withdrawn.body
    corrected = await system.send(
        "POST",
        f"/api/report-batches/{batch}/correct-numbers",
        clerk,
        {
            "corrections": [
                {
                    "number": "HN-2",
                    "to_number": "HN-22",
                    "to_issued_on": str(moment("2023-11-30T00:00:00").date()),
                }
            ],
            "reason": "编号录入有误",
        },
    )
    assert corrected.status == 200, corrected.body
    await system.skip_to(system.now() + timedelta(minutes=5))
    assert await lookup(system, "HN-1") == "withdrawn"
    assert await lookup(system, "HN-2") == "withdrawn"
    assert await lookup(system, "HN-22") == "not_yet_visible"
    assert await lookup(system, "HN-3") == "found"
    await batch_is(system, batch, numbers=2, withdrawn=2, waiting=1)
    await system.skip_to(moment("2024-01-12T00:00:00"))
    assert await lookup(system, "HN-22") == "found"


async def test_a_change_is_made_whole_or_not_at_all(system: System) -> None:
    await system.add(institution("lab", "430102", issuer="amr-430000"))
    of, clerk = quarter("2023Q4"), system.token(FILER, "clerk", "lab")
    await system.open(of, "430000")
    await system.skip_to(moment("2024-01-10T10:00:00"))
    batch = f"{of}/lab"
    taken = await upload(system, batch, clerk, numbers("HN-1", "HN-2"))
    await read(system, batch, clerk, taken.body["id"])
    wrong = await system.send(
        "POST",
        f"/api/report-batches/{batch}/withdraw-numbers",
        clerk,
        {"numbers": ["HN-1", "HN-999"], "reason": "报告作废"},
    )
    assert (wrong.status, wrong.body["code"]) == (422, "numbers_not_on_record")
    assert [error["pointer"] for error in wrong.body["errors"]] == ["/numbers/1"]
    assert (await batch_is(system, batch, numbers=2))["withdrawn"] == 0
    told = [entry["event"] for entry in await events(system, batch)]
    assert "numbers_withdrawn" not in told

    # all of a file, once however often it is sent, of what still stands of it
    address = f"/api/report-batches/{batch}/numbers"
    first = await system.send("GET", f"{address}?number=HN-&size=1", clerk)
    as_documented("/api/report-batches/{quarter}/{institution}/numbers", first.body)
    second = await system.send("GET", f"{address}?cursor={first.body['next']}", clerk)
    assert [one["number"] for one in (*first.body["items"], *second.body["items"])] == [
        "HN-1", "HN-2",
    ]  # fmt: skip
    assert (await system.send("GET", f"{address}?number=N-", clerk)).body["items"] == []
    other = system.token(FILER, "clerk-of-another", "another")
    assert (await system.send("GET", address, other)).status == 403
    one = {"numbers": ["HN-2"], "reason": "报告作废"}
    path = f"/api/report-batches/{batch}/withdraw-numbers"
    assert (await system.send("POST", path, clerk, one)).status == 200
    path = f"/api/report-batches/{batch}/uploads/{taken.body['id']}/withdraw"
    reason = {"reason": "文件选错"}
    assert (await system.send("POST", path, other, reason)).status == 403
    sent = [
        await system.send("POST", path, clerk, reason, idempotency_key="whole") for _ in range(2)
    ]
    assert [answer.status for answer in sent] == [200, 200], sent
    assert sent[0].body["sequence"] == sent[1].body["sequence"]
    assert (await batch_is(system, batch, numbers=0))["withdrawn"] == 2
    left = await system.send("POST", path, clerk, reason)
    assert (left.status, left.body["code"]) == (404, "not_found")
    states = (await system.send("GET", f"{address}?upload={taken.body['id']}", clerk)).body["items"]
    assert [(one["state"], one["reason"]) for one in states] == [
        ("withdrawn", "文件选错"), ("withdrawn", "报告作废"),
    ]  # fmt: skip


async def test_a_voluntary_upload_needs_the_latest_closed_year_complete(system: System) -> None:
    labs = ("complete", "incomplete", "cancelled", "newly-certified")
    await system.add(*(institution(one, "440106", issuer="amr-440000") for one in labs[:3]))
    year = 2024 + LATER
    await system.open(year, "000000")
    await system.open(f"{year}Q4", "000000")
    clerks = {one: system.token(FILER, f"clerk-{one}", one) for one in labs}
    await system.skip_to(moment("2025-01-20T09:00:00"))
    await system.until(f"{year}/complete", "draft")
    assert (await system.submit(f"{year}/complete", clerks["complete"])).status == 200
    filing = f"{year}/complete"
    reviewer = system.token(REVIEWER, "reviewer", "amr-440000")
    assert (await system.act(filing, "claim", reviewer)).status == 200
    assert (await system.act(filing, "approve", reviewer)).status == 200
    checker = system.token(CHECKER, "checker", "samr")
    passed = await system.act(filing, "quality", checker, {"outcome": "pass"})
    assert passed.status == 200, passed.body

    none = await system.send("GET", f"/api/report-batches/{year}Q4/{labs[0]}", clerks["complete"])
    assert none.status == 404
    assert "先建立（POST /api/report-batches/" in none.body["detail"]

    # the annual window is still open: no year has closed, and the first filing is what counts
    await system.add(institution("newly-certified", "440106", issuer="amr-440000"))
    of = f"{year}Q4"
    for one in labs:
        assert (await ask(system, f"{of}/{one}", clerks[one])).status == 202
    day = "2024-12-05"
    first = await upload(
        system, f"{of}/complete", clerks["complete"], numbers("GD-1", day=day), "first"
    )
    assert first.status == 202, first.body
    await read(system, f"{of}/complete", clerks["complete"], first.body["id"])
    for one in ("incomplete", "cancelled", "newly-certified"):
        refused = await upload(system, f"{of}/{one}", clerks[one], numbers("GD-2", day=day))
        assert (refused.status, refused.body["code"]) == (409, "first_filing_not_completed")
        assert refused.body["sources"][0]["document"] == "市监检测函〔2024〕595号"
        assert refused.body["remedy"]
        # the file has ended with its reason, and its key answers as it did
        path = f"/api/report-batches/{of}/{one}/uploads"
        [ended] = (await system.send("GET", path, clerks[one])).body["items"]
        assert ended["stage"] == "rejected"
        assert ended["decided_at"]
        assert ended["refusal"]["code"] == refused.body["code"]
        assert ended["refusal"]["detail"] == refused.body["detail"]
        again = await upload(system, f"{of}/{one}", clerks[one], numbers("GD-2", day=day))
        assert (again.status, again.body["code"]) == (409, "first_filing_not_completed")
        assert len((await system.send("GET", path, clerks[one])).body["items"]) == 1
    kept = "SELECT count(*) FROM upload_pieces"
    async with system.engine.connect() as connection:
        assert (await connection.execute(text(kept))).scalar_one() == 0

    operator = system.token(OPERATOR, "operator-1", "000000")
    cancelled = await system.act(f"{year}/cancelled", "cancel", operator, {"reason": "误列入"})
    assert cancelled.status == 200, cancelled.body

    # once the window has closed, its year is the latest closed one
    await system.skip_to(moment("2025-03-22T00:00:00"))
    again = await upload(system, f"{of}/incomplete", clerks["incomplete"], numbers("GD-3", day=day))
    assert (again.status, again.body["code"]) == (409, "latest_year_not_completed")
    # nothing of that year is asked of whoever's filing was cancelled, but a first filing is
    waits = await upload(system, f"{of}/cancelled", clerks["cancelled"], numbers("GD-5", day=day))
    assert (waits.status, waits.body["code"]) == (409, "first_filing_not_completed")
    later = await upload(
        system, f"{of}/complete", clerks["complete"], numbers("GD-4", day=day), "later"
    )
    assert later.status == 202, later.body
    await read(system, f"{of}/complete", clerks["complete"], later.body["id"])
    # a voluntary batch has no due date
    assert (await batch_is(system, f"{of}/complete", numbers=2))["due"] is None


async def test_whose_certificate_has_expired_is_told_that_the_public_will_not_see_it(
    system: System,
) -> None:
    last_day = moment("2023-12-31T00:00:00").date()
    ended = certificate("171900000001", "amr-430000").model_copy(update={"valid_to": last_day})
    await system.add(institution("lab", "430102", certificates=(ended,)))
    of, clerk = quarter("2023Q4"), system.token(FILER, "clerk", "lab")
    await system.open(of, "430000")
    path = f"/api/report-batches/{of}/lab/uploads/resumable"
    body = {"filename": "x.csv", "media": "csv"}
    await system.skip_to(moment("2024-01-01T00:00:00"))
    sent = await upload(system, f"{of}/lab", clerk, numbers("HN-1"))
    assert sent.status == 202, sent.body
    assert "没有有效的资质认定证书" in sent.body["notice"]
    await read(system, f"{of}/lab", clerk, sent.body["id"])
    valid = certificate("171900000001", "amr-430000")
    await system.add(institution("lab", "430102", certificates=(valid,)))
    begun = await system.send("POST", path, clerk, body)
    assert (begun.status, begun.body["notice"]) == (201, None)


async def test_the_same_file_again_and_the_same_request_again_change_nothing(
    system: System,
) -> None:
    await system.add(
        institution("lab", "430102", issuer="amr-430000"),
        institution("other", "430102", issuer="amr-430000"),
    )
    of = quarter("2023Q4")
    await system.open(of, "430000")
    await system.skip_to(moment("2024-01-10T10:00:00"))
    batch, clerk = f"{of}/lab", system.token(FILER, "clerk", "lab")
    content = numbers("HN-1", "HN-2")
    first = await upload(system, batch, clerk, content, "one")
    done = await read(system, batch, clerk, first.body["id"])
    same_request = await upload(system, batch, clerk, content, "one")
    assert (same_request.status, same_request.body["id"]) == (202, done["id"])
    same_file = await upload(system, batch, clerk, content, "two")
    assert same_file.status == 202
    again = await read(system, batch, clerk, same_file.body["id"])
    assert (again["stage"], again["repeats"]) == ("repeated", done["id"])
    assert (await batch_is(system, batch, numbers=2))["sequence"] >= 4
    # the same number elsewhere is somebody else's
    theirs = system.token(FILER, "clerk-2", "other")
    other = await upload(system, f"{of}/other", theirs, numbers("HN-1"), "three")
    assert (await read(system, f"{of}/other", theirs, other.body["id"]))["accepted"] == 1


async def test_a_wrong_row_keeps_all_out_unless_the_good_ones_are_wanted(system: System) -> None:
    await system.add(institution("lab", "430102", issuer="amr-430000"))
    of = quarter("2023Q4")
    await system.open(of, "430000")
    await system.skip_to(moment("2024-01-10T10:00:00"))
    batch, clerk = f"{of}/lab", system.token(FILER, "clerk", "lab")
    outside, inside = moment("2024-01-01T00:00:00").date(), moment("2023-12-31T00:00:00").date()
    content = numbers("HN-1", "HN-2") + f"HN-3,{outside}\n,{inside}\n"
    whole = await upload(system, batch, clerk, content, "all")
    shown = await read(system, batch, clerk, whole.body["id"])
    assert (shown["stage"], shown["rows"], shown["bad"], shown["accepted"]) == ("rejected", 4, 2, 0)
    assert (await batch_is(system, batch, numbers=0))["status"] == "draft"
    report = await system.http.get(
        f"/api/report-batches/{batch}/uploads/{shown['id']}/problems",
        headers={"Authorization": f"Bearer {clerk}"},
    )
    lines = report.content.decode("utf-8-sig").splitlines()
    assert lines[0] == "行号,列,代码,问题,怎样修改"
    assert [line.split(",")[0] for line in lines[1:]][:1] == ["4"]
    assert {line.split(",")[0] for line in lines[1:]} == {"4", "5"}
    good = await upload(system, batch, clerk, content, "good", accept="good")
    assert (await read(system, batch, clerk, good.body["id"]))["accepted"] == 2


async def test_a_file_sent_in_pieces_goes_on_where_it_broke_off(system: System) -> None:
    await system.add(institution("lab", "430102", issuer="amr-430000"))
    of = quarter("2023Q4")
    await system.open(of, "430000")
    await system.skip_to(moment("2024-01-10T10:00:00"))
    batch, clerk = f"{of}/lab", system.token(FILER, "clerk", "lab")
    data = numbers(*(f"HN-{n}" for n in range(300))).encode()
    path = f"/api/report-batches/{batch}/uploads"
    body = {"filename": "big.csv", "media": "csv", "bytes": len(data)}
    begun = (await system.send("POST", f"{path}/resumable", clerk, body)).body
    one = f"{path}/{begun['id']}"

    async def put(at: int, piece: bytes) -> Answer:
        answer = await system.http.put(
            f"{one}?at={at}",
            content=piece,
            headers={"Authorization": f"Bearer {clerk}", "Content-Type": "text/csv"},
        )
        return Answer(answer.status_code, answer.json(), answer.headers)

    assert (await put(0, data[:1000])).body["received_bytes"] == 1000
    assert (await put(0, data[:1000])).body["received_bytes"] == 1000
    gap = await put(2000, data[2000:3000])
    assert (gap.status, gap.body["code"]) == (409, "upload_gap")
    early = await system.send("POST", f"{one}/complete", clerk, {})
    assert (early.status, early.body["code"]) == (422, "upload_incomplete")
    assert (await put(1000, data[1000:])).body["received_bytes"] == len(data)
    wrong = await system.send("POST", f"{one}/complete", clerk, {"sha256": "0" * 64})
    assert (wrong.status, wrong.body["code"]) == (422, "upload_incomplete")
    right = hashlib.sha256(data).hexdigest()
    done = await system.send("POST", f"{one}/complete", clerk, {"sha256": right})
    assert done.status == 202, done.body
    assert (await read(system, batch, clerk, begun["id"]))["accepted"] == 300
    closed = await put(len(data), b"more")
    assert (closed.status, closed.body["code"]) == (409, "upload_closed")


async def test_a_file_that_never_came_whole_is_given_up_after_a_week(system: System) -> None:
    await system.add(institution("lab", "430102", issuer="amr-430000"))
    of = quarter("2023Q4")
    await system.open(of, "430000")
    await system.skip_to(moment("2024-01-10T10:00:00"))
    batch, clerk = f"{of}/lab", system.token(FILER, "clerk", "lab")
    path = f"/api/report-batches/{batch}/uploads"
    body = {"filename": "（生成）.csv", "media": "csv"}
    begun = (await system.send("POST", f"{path}/resumable", clerk, body)).body["id"]
    stages = []
    for days in (6, 2):
        await system.skip_to(system.now() + timedelta(days=days))
        assert (await system.send("POST", f"{path}/resumable", clerk, body)).status == 201
        stages.append((await system.send("GET", f"{path}/{begun}", clerk)).body["stage"])
    assert stages == ["receiving", "abandoned"]


async def test_a_batch_that_has_ended_takes_up_life_again_for_a_withdrawal(system: System) -> None:
    await system.add(institution("lab", "430102", issuer="amr-430000"))
    of = quarter("2023Q4")
    await system.open(of, "430000")
    await system.skip_to(moment("2024-01-10T10:00:00"))
    batch, clerk = f"{of}/lab", system.token(FILER, "clerk", "lab")
    taken = await upload(system, batch, clerk, numbers("HN-1", "HN-2"))
    await read(system, batch, clerk, taken.body["id"])
    declared = await system.send("POST", f"/api/report-batches/{batch}/submit", clerk, {"total": 2})
    assert (declared.status, declared.body["status"]) == (200, "completed")
    await system.skip_to(moment("2024-06-01T10:00:00"))
    withdrawn = await system.send(
        "POST",
        f"/api/report-batches/{batch}/withdraw-numbers",
        clerk,
        {"numbers": ["HN-1"], "reason": "报告作废"},
    )
    assert withdrawn.status == 200, withdrawn.body
    assert (await batch_is(system, batch, numbers=1))["status"] == "completed"
    assert await lookup(system, "HN-1") == "withdrawn"
    # the case's chain has no gap
    found = [e["sequence"] for e in await events(system, batch) if e["sequence"] is not None]
    assert found == list(range(1, len(found) + 1))


async def test_nobody_else_sees_or_touches_an_institutions_batch(system: System) -> None:
    await system.add(
        institution("lab", "430102", issuer="amr-430000"),
        institution("other", "430102", issuer="amr-430000"),
    )
    of = quarter("2023Q4")
    await system.open(of, "430000")
    await system.skip_to(moment("2024-01-10T10:00:00"))
    stranger = system.token(FILER, "clerk-2", "other")
    foreign = system.token(OPERATOR, "operator-2", "350000")
    for who, status in ((stranger, 403), (foreign, 404)):
        assert (await system.send("GET", f"/api/report-batches/{of}/lab", who)).status == status
    refused = await upload(system, f"{of}/lab", stranger, numbers("HN-1"))
    assert (refused.status, refused.body["code"]) == (403, "not_your_case")
    listed = (await system.send("GET", "/api/report-batches", stranger)).body["items"]
    assert [item["institution"] for item in listed] == ["other"]


async def test_no_number_is_ever_in_an_engines_history(system: System) -> None:
    await system.add(institution("lab", "430102", issuer="amr-430000"))
    of = quarter("2023Q4")
    await system.open(of, "430000")
    await system.skip_to(moment("2024-01-10T10:00:00"))
    batch, clerk = f"{of}/lab", system.token(FILER, "clerk", "lab")
    taken = await upload(system, batch, clerk, numbers("SECRET-NUMBER-1"))
    await read(system, batch, clerk, taken.body["id"])
    await system.send(
        "POST",
        f"/api/report-batches/{batch}/withdraw-numbers",
        clerk,
        {"numbers": ["SECRET-NUMBER-1"], "reason": "报告作废"},
    )
    history = await system.history(f"report-numbers/{batch}")
    assert "SECRET-NUMBER" not in history.to_json()
    async with system.engine.connect() as connection:
        steps = (await connection.execute(text("SELECT step::text FROM journal"))).scalars()
        assert not any("SECRET-NUMBER" in step for step in steps)
