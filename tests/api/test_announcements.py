"""Announcements, help, questions: for whom, from when until when, in versions, with files."""

import hashlib
import itertools
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from api.announcements.markdown import html_of
from domain.announcements import Audience, Piece, PieceKind, about_case, shown
from domain.case.commands import Role
from store import journal
from tests.api.people import FUJIAN, GUANGDONG, filing
from tests.system import AUDITOR, CHECKER, CLERK, FILER, OPERATOR, REVIEWER, Answer, System

pytestmark = pytest.mark.anyio

API, PUBLIC = "/api/announcements", "/public/announcements"
PDF = b"%PDF-1.7\n%(generated)"
_keys = itertools.count()


def body(**changes: Any) -> dict[str, Any]:
    return {
        "kind": "announcement", "jurisdiction": "350000", "title": "（生成）公告",
        "body": "正文（生成）", "audience": ["filer"],
    } | changes  # fmt: skip


def fujian(house: System) -> str:
    return house.token(OPERATOR, "operator-fj", "350000")


async def publish(house: System, token: str = "", key: str = "", **changes: Any) -> Answer:
    given = {"idempotency_key": key} if key else {}
    return await house.send("POST", API, token or fujian(house), body(**changes), **given)


async def ids(house: System, address: str, token: str = "") -> list[str]:
    found: list[str] = []
    cursor = ""
    while True:
        mark = "&" if "?" in address else "?"
        page = await house.send("GET", f"{address}{mark}size=2&cursor={cursor}", token)
        assert page.status == 200, page.body
        found += [one["id"] for one in page.body["items"]]
        if not (cursor := page.body["next"] or ""):
            return found


# --- for whom ------------------------------------------------------------------------------------


async def test_a_piece_is_seen_by_its_audience_in_its_jurisdiction_and_by_nobody_else(
    house: System,
) -> None:
    here, there = await filing(house, FUJIAN), await filing(house, GUANGDONG)
    asked = await publish(house, audience=["filer", "reviewer"])
    assert asked.status == 201, asked.body
    id_ = asked.body["id"]
    file = await attached(house, id_)
    county = house.token(REVIEWER, "r", "amr-350102")
    sees = [here.filer, county, house.token(REVIEWER, "r", "samr")]
    not_seen = [
        there.filer, house.token(FILER, "f", "not-on-the-register"),
        house.token(REVIEWER, "r", "amr-440000"), house.token(CHECKER, "c", "amr-350000"),
        house.token(CLERK, "c", "amr-350000"), house.token(OPERATOR, "o", "350000"),
        house.token(AUDITOR, "a"),
    ]  # fmt: skip
    for token in sees:
        assert id_ in await ids(house, API, token)
        assert (await house.send("GET", f"{API}/{id_}", token)).body["body"] == "正文（生成）"
        assert (await house.send("GET", f"{API}/{id_}/files/{file}", token)).status == 200
    for token in not_seen:
        assert id_ not in await ids(house, API, token)
        for address in (f"{API}/{id_}", f"{API}/{id_}/files/{file}"):
            answer = await house.send("GET", address, token)
            assert (answer.status, answer.body["code"]) == (404, "not_found")
    assert id_ not in await ids(house, PUBLIC)
    for address in (f"{PUBLIC}/{id_}", f"{PUBLIC}/{id_}/files/{file}"):
        assert (await house.send("GET", address)).status == 404
    assert (await house.http.get(f"/announcements/{id_}")).status_code == 404
    # its publisher has it among what was published
    assert id_ in await ids(house, f"{API}/published", fujian(house))
    guangdong = house.token(OPERATOR, "o", "440000")
    assert id_ not in await ids(house, f"{API}/published", guangdong)


async def test_what_is_for_the_public_is_for_everybody(house: System) -> None:
    asked = await publish(house, kind="help", audience=["public"])
    id_ = asked.body["id"]
    assert id_ in await ids(house, PUBLIC)
    assert id_ in await ids(house, f"{PUBLIC}?kind=help")
    assert id_ not in await ids(house, f"{PUBLIC}?kind=question")
    for token in (house.token(AUDITOR, "a"), house.token(CLERK, "c", "amr-350000")):
        assert id_ in await ids(house, API, token)


async def test_nobody_publishes_or_changes_anything_outside_its_jurisdiction(
    house: System,
) -> None:
    mine = (await publish(house)).body["id"]
    county, other = house.token(OPERATOR, "o", "350102"), house.token(OPERATOR, "o", "440000")
    for token in (county, other):
        for jurisdiction in ("350000", "000000"):
            refused = await publish(house, token, jurisdiction=jurisdiction)
            assert (refused.status, refused.body["code"]) == (403, "not_your_region")
        change = {key: value for key, value in body().items()
                  if key not in ("kind", "jurisdiction")}  # fmt: skip
        for address, sent in (
            (f"{API}/{mine}", change), (f"{API}/{mine}/withdraw", {"reason": "（生成）"}),
        ):  # fmt: skip
            answer = await house.send("POST", address, token, sent)
            assert (answer.status, answer.body["code"]) == (404, "not_found")
        versions = await house.send("GET", f"{API}/{mine}/versions", token)
        assert versions.status == 404
    own = await publish(house, county, jurisdiction="350102")
    assert own.status == 201


# --- from when until when ------------------------------------------------------------------------


async def test_a_piece_is_shown_from_its_first_instant_on_and_before_its_last(
    house: System,
) -> None:
    now = datetime.now(UTC)
    later, past = (now + timedelta(hours=1)).isoformat(), (now - timedelta(hours=1)).isoformat()
    ahead = (await publish(house, audience=["public"], shown_from=later)).body["id"]
    over = (await publish(
        house, audience=["public"], shown_from=(now - timedelta(hours=2)).isoformat(),
        shown_until=past,
    )).body["id"]  # fmt: skip
    seen = await ids(house, PUBLIC)
    assert ahead not in seen
    assert over not in seen
    assert {ahead, over} <= set(await ids(house, f"{API}/published", fujian(house)))
    never = await publish(house, shown_from=later, shown_until=later)
    assert (never.status, never.body["code"]) == (422, "shown_never")


def test_both_sides_of_each_instant() -> None:
    at = datetime(2025, 3, 1, tzinfo=UTC)
    end, tick = datetime(2025, 3, 2, tzinfo=UTC), timedelta(microseconds=1)
    piece = Piece(
        id="1", kind=PieceKind.ANNOUNCEMENT, jurisdiction="350000", version=1, title="（生成）",
        audience=(Audience.FILER,), campaign="campaign/2024/000000", shown_from=at,
        shown_until=end, withdrawn_at=None,
    )  # fmt: skip
    assert [shown(piece, now) for now in (at - tick, at, end - tick, end)] == [
        False, True, True, False,
    ]  # fmt: skip
    own = "campaign/2024/000000"
    told = [
        bool(about_case([piece], role, region, campaign, at))
        for role, region, campaign in (
            (Role.FILER, "350102", own), (Role.FILER, "350102", "campaign/2023/000000"),
            (Role.FILER, "440100", own), (Role.REVIEWER, "350102", own), (Role.FILER, "", own),
        )
    ]  # fmt: skip
    assert told == [True, False, False, False, False]
    withdrawn = piece.model_copy(update={"withdrawn_at": at})
    assert not shown(withdrawn, at)


# --- versions, withdrawal, the record ------------------------------------------------------------


async def test_versions_are_kept_and_what_is_withdrawn_stays_so(house: System) -> None:
    id_ = (await publish(house, audience=["public"])).body["id"]
    change = {"title": "更正（生成）", "body": "第二稿（生成）", "audience": ["public"]}
    changed = await house.send("POST", f"{API}/{id_}", fujian(house), change)
    assert (changed.status, changed.body["version"], changed.body["body"]) == (
        200, 2, "第二稿（生成）",
    )  # fmt: skip
    versions = (await house.send("GET", f"{API}/{id_}/versions", fujian(house))).body["items"]
    assert [(v["version"], v["body"]) for v in versions] == [
        (1, "正文（生成）"), (2, "第二稿（生成）"),
    ]  # fmt: skip
    gone = await house.send("POST", f"{API}/{id_}/withdraw", fujian(house), {"reason": "（生成）"})
    assert gone.status == 200
    assert id_ not in await ids(house, PUBLIC)
    late = await house.send("POST", f"{API}/{id_}", fujian(house), change)
    assert (late.status, late.body["code"]) == (409, "announcement_withdrawn")
    async with house.engine.connect() as connection:
        steps = await journal.steps(connection, "register/announcements")
    own = [s for s in steps if s.body["announcement"] == id_]
    assert [s.event for s in own] == [
        "announcement_published", "announcement_changed", "announcement_withdrawn",
    ]  # fmt: skip
    assert [s.body.get("sha256") for s in own[:2]] == [v["sha256"] for v in versions]


async def test_one_key_publishes_once(house: System) -> None:
    first = await publish(house, key="piece-once")
    again = await publish(house, key="piece-once")
    assert (again.status, again.body["id"]) == (201, first.body["id"])
    path = f"{API}/{first.body['id']}"
    change = {"title": "二（生成）", "body": "二（生成）", "audience": ["filer"]}
    for _ in range(2):
        twice = await house.send("POST", path, fujian(house), change, idempotency_key="piece-two")
    assert twice.body["version"] == 2


# --- attachments ---------------------------------------------------------------------------------


async def sent(
    house: System, id_: str, content: bytes, name: str = "通知.pdf", media: str = "application/pdf"
) -> Any:
    headers = {
        "Authorization": f"Bearer {fujian(house)}", "Content-Type": media,
        "Idempotency-Key": f"attach-{next(_keys)}",
    }  # fmt: skip
    address = f"{API}/{id_}/files"
    return await house.http.post(
        address, params={"filename": name}, content=content, headers=headers
    )


async def attached(house: System, id_: str) -> str:
    answer = await sent(house, id_, PDF)
    assert answer.status_code == 201, answer.text
    [file] = answer.json()["attachments"]
    return str(file["sha256"])


async def test_an_attachment_is_had_under_its_hash_just_as_it_came(house: System) -> None:
    id_ = (await publish(house, audience=["public"])).body["id"]
    sha256 = await attached(house, id_)
    assert sha256 == hashlib.sha256(PDF).hexdigest()
    got = await house.http.get(f"{PUBLIC}/{id_}/files/{sha256}")
    assert got.content == PDF
    assert got.headers["content-disposition"].startswith("attachment; filename*=UTF-8''%E9%80")
    assert got.headers["x-content-type-options"] == "nosniff"
    page = await house.http.get(f"/announcements/{id_}")
    assert sha256 in page.text
    removed = await house.send("POST", f"{API}/{id_}/files/{sha256}/remove", fujian(house))
    assert (removed.status, removed.body["attachments"]) == (200, [])
    assert (await house.http.get(f"{PUBLIC}/{id_}/files/{sha256}")).status_code == 404


async def test_files_that_are_none_of_these_too_large_or_too_many_are_refused(
    house: System,
) -> None:
    id_ = (await publish(house)).body["id"]
    limit = 10 * 1024 * 1024
    for content, name, media, status, code in (
        (b"<html><script>", "x.pdf", "application/pdf", 422, "attachment_unfit"),
        (PDF, "x.html", "application/pdf", 422, "attachment_unfit"),
        (PDF, "x.pdf", "text/html", 415, "unsupported_media_type"),
        (PDF, "x.svg", "image/svg+xml", 415, "unsupported_media_type"),
        (PDF, "../x.pdf", "application/pdf", 422, "invalid_parameter"),
        (PDF + bytes(limit), "x.pdf", "application/pdf", 413, "too_large"),
    ):
        answer = await sent(house, id_, content, name, media)
        assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    just = await sent(house, id_, PDF + bytes(limit - len(PDF)))
    assert just.status_code == 201
    for n in range(9):
        assert (await sent(house, id_, PDF + str(n).encode())).status_code == 201
    eleventh = await sent(house, id_, PDF + b"x")
    assert (eleventh.status_code, eleventh.json()["code"]) == (409, "too_many_attachments")


# --- what it says ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "hostile",
    [
        "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "![x](https://example.org/x)",
        "[x](javascript:alert(1))", "[x](data:text/html;base64,PHN2Zz4=)", "<a href='x'>",
        "[x](//example.org)", "<javascript:alert(1)>", "[x]: javascript:alert(1)\n\n[x]",
        "`<script>`", "[x](JaVaScRiPt:alert(1))", "[x](&#106;avascript:alert(1))",
        "<iframe src=//x>", "[a](https://x\" onclick=\"alert(1))",
    ],
)  # fmt: skip
def test_nothing_hostile_comes_out_of_a_body(hostile: str) -> None:
    html = html_of(hostile).lower()
    tags = {part.split(">")[0].split(" ")[0].strip("/") for part in html.split("<")[1:]}
    assert tags <= {"p", "code", "a"}, html
    for part in html.split("<")[1:]:
        tag = part.split(">")[0]
        assert "onclick=" not in tag.replace("%22", "")
        if tag.startswith("a "):
            assert tag.startswith('a href="https://')


def test_what_people_write_is_shown_as_they_meant_it() -> None:
    html = html_of("# 标题\n\n**重要**：见[页面](/lookup)和 <https://example.org>\n\n- 一\n- 二\n\n"
                   "| 甲 | 乙 |\n|---|---|\n| 1 | 2 |")  # fmt: skip
    for part in ("<h2>标题</h2>", "<strong>重要</strong>", '<a href="/lookup">', "<li>一</li>",
                 '<a href="https://example.org">', "<td>2</td>"):  # fmt: skip
        assert part in html


@pytest.mark.parametrize(
    ("field", "value"),
    [("title", " "), ("title", "一\n二"), ("body", "  \n "), ("body", "长" * 50_001),
     ("audience", []), ("audience", ["everybody"]), ("kind", "advertisement"),
     ("campaign", "2024"), ("shown_until", "2025-03-01"), ("jurisdiction", "35")],
)  # fmt: skip
async def test_what_is_no_piece_is_refused(house: System, field: str, value: Any) -> None:
    answer = await publish(house, **{field: value})
    assert answer.status == 422, answer.body
    assert answer.body["errors"][0]["pointer"].startswith(f"/{field}")


# --- on a case ------------------------------------------------------------------------------------


async def test_a_case_lists_the_announcements_that_matter_to_it(house: System) -> None:
    of = await filing(house, FUJIAN)
    campaign = "campaign/2024/000000"
    matters = (await publish(house, title="本年度（生成）", campaign=campaign)).body["id"]
    await publish(house, title="上年度（生成）", campaign="campaign/2023/000000")
    await publish(house, title="帮助（生成）", kind="help")
    await publish(house, title="给审核人（生成）", audience=["reviewer"])
    guangdong = house.token(OPERATOR, "o", "440000")
    await publish(house, guangdong, title="广东（生成）", jurisdiction="440000")

    def titles(case: Any) -> set[str]:
        return {one["title"] for one in case["announcements"]}

    seen = (await of.get(of.filer)).body
    assert {one["id"] for one in seen["announcements"]} >= {matters}
    assert "本年度（生成）" in titles(seen)
    assert not titles(seen) & {"上年度（生成）", "帮助（生成）", "给审核人（生成）", "广东（生成）"}
    listed = (await house.send("GET", "/api/filings", of.filer)).body["items"]
    assert listed == [seen]
    assert "本年度（生成）" not in titles((await of.get()).body)
    await house.send("POST", f"{API}/{matters}/withdraw", fujian(house), {"reason": "（生成）"})
    assert "本年度（生成）" not in titles((await of.get(of.filer)).body)
    assert "（生成）" not in json.dumps(seen["windows"])
