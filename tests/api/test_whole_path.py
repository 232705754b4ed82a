"""A clerk's whole path under Hunan's rules of 2023, for each of the three forms, over HTTP."""

import copy
import hashlib
import io
import json
import re
import secrets
import shutil
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
import yaml
from openpyxl import load_workbook
from sqlalchemy import insert, select, text

from api.resources import OPERATIONS
from api.workbench.filing_files import PAGES as FILE_PAGES
from api.workbench.filing_parts import PAGES as PART_PAGES
from api.workbench.filings import PAGES
from audit.receipts import against_record, receipt_fault
from audit.verify import Keys, verify
from deploy.embedded.postgres import EmbeddedPostgres
from domain.canonical import sha256_of
from domain.clock import day_of
from domain.uscc import check_digit
from files.form_sheets import XLSX
from rules.file.library import SHIPPED
from services.certificates.keys import SigningKeys
from services.clock import system_clock
from services.sign_in import csrf_token
from store import institutions
from store.auditing import MISSING_FILES, rows
from store.data_keys import hiding
from store.tables import revisions
from tests.accounts import signed_in
from tests.api.conftest import whole_system
from tests.system import (
    AUDITOR,
    CHECKER,
    FILER,
    OPERATOR,
    RESPONSIBLE,
    REVIEWER,
    Answer,
    System,
    certificate,
    institution,
)

pytestmark = pytest.mark.anyio

WHY = {"reason": "（生成）说明理由"}


@pytest.fixture(scope="module")
def hunan(short_folder: Path) -> Path:
    """The shipped rules, with Hunan's windows of 2023 open at this moment.

    A check and a condition divide by nothing for whoever has 4000 patents or seven certificates.
    """
    folder = short_folder / "hunan-open"
    shutil.copytree(SHIPPED, folder, ignore=shutil.ignore_patterns("*.py", "__pycache__", "20??"))
    (folder / "2023").mkdir()
    national = yaml.safe_load((SHIPPED / "2023/national.yaml").read_text())
    rules = yaml.safe_load((SHIPPED / "2023/hunan.yaml").read_text())
    today = day_of(system_clock())
    for one in rules["filing"]["windows"].values():
        one |= _days(today - timedelta(days=30), today + timedelta(days=60))
    first = rules["filing"]["reviewers"][0]
    first["when"] += " && 1 / (certs.size() - 7) < 100"
    with (folder / "forms/statistics-2024.yaml").open("a") as form:
        form.write(_DIVIDES)
    rules["filing"]["stages"] = [{"id": "filing", "label": "填报"}]
    rules["filing"]["stages"][0] |= _days(today, today)
    for name, content in (("national", national), ("hunan", rules)):
        content["examples"] = [one for one in content["examples"] if "at" not in one]
        written = yaml.safe_dump(content, allow_unicode=True, sort_keys=False)
        (folder / "2023" / f"{name}.yaml").write_text(written)
    for path in (*SHIPPED.glob("20??/certificates.yaml"), SHIPPED / "2024/national.yaml"):
        (folder / path.parent.name).mkdir(exist_ok=True)
        shutil.copy(path, folder / path.parent.name)
    return folder


_DIVIDES = """
  - id: divides
    fields: [patents]
    holds: "100 / (patents - 4000) < 100"
    message: 有效专利{patents}，请核对
    example: {fires: {patents: 4001}, passes: {patents: 4002}}
"""
_WHEN = {"assume": "测试（生成）：仅把时间移到今天前后"}


def _days(first: date, last: date) -> dict[str, Any]:
    return {"from": first.isoformat(), "to": last.isoformat(), "cite": dict(_WHEN)}


@pytest.fixture(scope="module")
async def house(postgres: EmbeddedPostgres, hunan: Path) -> AsyncIterator[System]:
    async with whole_system(postgres, hunan) as found:
        await found.open(2023, "430000")
        # before anything is compared: what is usual is counted once a day
        await _peers(found)
        yield found


PEERS = 30


async def _peers(house: System) -> None:
    """As many institutions alike as are compared, their filings complete since yesterday."""
    id_ = "peer-0"
    await house.add(
        institution(id_, "430102", certificates=(certificate("230000000001", "amr-430000"),))
    )
    operator = house.token(OPERATOR, "operator-hn", "430000")
    asked = await house.send("POST", f"/api/filings/2023/{id_}", operator)
    assert asked.status == 202, asked.body
    await house.until(f"2023/{id_}", "draft")
    clerk = house.token(FILER, "clerk-peer", id_)
    parts = await house.example(f"2023/{id_}", clerk)
    for number in range(PEERS):
        case_id = f"filing/2023/peer-{number + 1}"
        await _completed(house, f"filing/2023/{id_}", case_id, parts)


async def _completed(
    house: System, source: str, case_id: str, parts: dict[str, Any], **changes: Any
) -> None:
    """Puts a filing that is complete into the read model, as another one that is on record."""
    new = {"case_id": case_id, "status": "completed", "revision": 1, **changes}
    async with house.engine.begin() as connection:
        await connection.execute(
            text("INSERT INTO cases SELECT (jsonb_populate_record(NULL::cases,"
                 " to_jsonb(c) || CAST(:new AS jsonb))).* FROM cases c WHERE case_id = :source"),
            {"new": json.dumps(new), "source": source},
        )  # fmt: skip
        key = await hiding(connection, case_id)
        await connection.execute(
            insert(revisions).values(
                case_id=case_id,
                revision=1,
                sha256=sha256_of(parts),
                content=key.of(parts, "1"),
                saved_by="clerk",
                saved_at=house.now() - timedelta(days=2),
            )
        )


class Lab:
    """An institution of Hunan with a national centre, its people and its reviewers."""

    def __init__(self, house: System, id_: str) -> None:
        self.house, self.id = house, id_
        self.path = f"/api/filings/2023/{id_}"
        self.case_id = f"filing/2023/{id_}"
        self.clerk = house.token(FILER, f"clerk-{id_}", id_)
        self.head = house.token(RESPONSIBLE, f"head-{id_}", id_)
        self.reviewer = house.token(REVIEWER, f"reviewer-{id_}", "amr-430000")
        self.checker = house.token(CHECKER, f"checker-{id_}", "samr")
        self.operator = house.token(OPERATOR, "operator-hn", "430000")
        self.parts: dict[str, Any] = {}
        self.revision, self.sha256 = 0, ""

    async def get(self, place: str, token: str) -> Answer:
        return await self.house.send("GET", self.path + place, token)

    async def post(self, place: str, token: str, body: Any = None, **headers: str) -> Answer:
        return await self.house.send("POST", f"{self.path}/{place}", token, body or {}, **headers)

    async def done(self, place: str, token: str, body: Any = None, **headers: str) -> Any:
        answer = await self.post(place, token, body, **headers)
        assert answer.status == 200, answer.body
        return answer.body

    async def refused(self, place: str, token: str, body: Any = None) -> tuple[int, str]:
        answer = await self.post(place, token, body)
        return answer.status, answer.body["code"]

    async def notices(self, token: str) -> list[str]:
        """What somebody has been told of this filing, by kinds."""
        found = await self.house.send("GET", f"/api/notices?case={self.case_id}", token)
        mine = [one for one in found.body["items"] if self._for(one, token)]
        return [one["kind"] for one in mine]

    def _for(self, notice: dict[str, Any], token: str) -> bool:
        audience = {self.reviewer: "reviewer", self.clerk: "filer"}.get(token, "operator")
        return bool(notice["audience"] == audience)

    async def save(self) -> Any:
        """Saves the parts as they are here; the draft as it is answered."""
        saved = await self.house.send(
            "PUT", f"{self.path}/draft", self.clerk, {"parts": self.parts},
            if_match=f'"{self.revision}"',
        )  # fmt: skip
        assert saved.status == 200, saved.body
        self.revision, self.sha256 = saved.body["revision"], saved.body["sha256"]
        return saved.body

    @property
    def standing(self) -> dict[str, Any]:
        """The newest revision, as an act names it."""
        return {"revision": self.revision, "sha256": self.sha256}


async def lab(house: System, id_: str) -> Lab:
    """A new institution with a complete draft that nobody has confirmed."""
    number = f"23{zlib.crc32(id_.encode()):010d}"
    one = institution(
        id_,
        "430102",
        certificates=(certificate(number, "amr-430000"),),
        legal_person=True,
        # a centre is filed by one unit only
        national_centres=(f"国家 {id_} 产品质量检验检测中心（生成）",),
    )
    await house.add(one)
    found = Lab(house, id_)
    asked = await house.send("POST", found.path, found.operator)
    assert asked.status == 202, asked.body
    await house.until(f"2023/{id_}", "draft")
    saved = await house.save(f"2023/{id_}", found.clerk)
    assert saved.status == 200, saved.body
    found.parts = saved.body["parts"]
    found.revision, found.sha256 = saved.body["revision"], saved.body["sha256"]
    assert set(found.parts) == {"statistics", "annual-report", "social-responsibility"}
    return found


class Path3(NamedTuple):
    """One form's turn: what fires its warning, the field sent back, and where its values stand."""

    part: str
    warned: dict[str, Any]
    check: str
    field: str
    corrected: Any


PATHS = [
    Path3("statistics", {"liabilities": "2100.01"}, "liabilities", "patents", 7),
    Path3(
        "annual-report", {"institution_name": "另一名称（生成）"}, "name-in-register",
        "activities_done", "（生成）全年在资质认定范围内开展检验检测活动",
    ),
    Path3(
        "social-responsibility", {"research_funds": "900.01"}, "research-funds",
        "quality_manager_name", "（生成）丙",
    ),
]  # fmt: skip


def values_of(parts: dict[str, Any], part: str) -> dict[str, Any]:
    """Where a form's values stand: in its one copy, where it repeats."""
    found: dict[str, Any] = parts[part]
    copies = found.get("copies")
    return copies[0] if copies else found


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.part)
async def test_a_clerks_whole_path(house: System, path: Path3) -> None:
    one = await lab(house, f"lab-{path.part}")
    prefilled = await one.get("/draft/prefilled", one.clerk)
    complete, one.parts = one.parts, prefilled.body["parts"]
    begun = (await one.save())["report"]["findings"]
    marked = [f["pointer"] for f in begun if f["code"] == "unconfirmed"]
    assert [place for place in marked if place.startswith(f"/parts/{path.part}/")], begun
    one.parts = complete

    # a warning, then its reason
    values_of(one.parts, path.part).update(path.warned)
    if path.part == "annual-report":
        one.parts["statistics"]["unit_name"] = path.warned["institution_name"]
    warned = await one.save()
    open_ = [f for f in warned["report"]["findings"] if f["level"] == "warn" and not f["reason"]]
    assert path.check in {f["check"] for f in open_}
    for finding in open_:
        part = finding["pointer"].split("/")[2]
        reasons = values_of(one.parts, part).setdefault("reasons", {})
        reasons[finding["check"]] = "（生成）确属如此，已核实"
    explained = await one.save()
    assert explained["report"]["ready"], explained["report"]
    assert explained["standing"]["attestation"]["required"]
    assert explained["standing"]["attestation"]["source"]["clause"] == "第十七条"

    # confirmed by the head, submitted, with a receipt
    unsigned = await one.post("submit", one.clerk, one.standing)
    assert (unsigned.status, unsigned.body["code"]) == (409, "not_attested")
    assert [s["clause"] for s in unsigned.body["sources"]] == ["第十七条"]
    await one.done("attest", one.head, one.standing)
    await one.done("submit", one.clerk, one.standing)
    receipt = (await one.get("/receipt", one.clerk)).body
    assert receipt["body"]["content_sha256"] == one.sha256
    assert receipt["body"]["attestation"]["by"] == f"head-{one.id}"
    assert set(receipt["body"]["forms"]) == set(one.parts)
    keys = SigningKeys(house.settings.receipt_keys).published()
    assert receipt_fault(receipt, keys) == ""

    # returned at a field, where its filer reads why
    await one.done("claim", one.reviewer)
    remark = {"part": path.part, "field": path.field, "reason": "（生成）请核对这一项"}
    await one.done("remarks", one.reviewer, {"fields": [remark]})
    await one.done("return", one.reviewer, {"reason": "（生成）请更正", "fields": [remark]})
    draft = (await one.get("/draft", one.clerk)).body
    remarks = draft["standing"]["remarks"]
    assert [(r["pointer"], r["event"], r["subject"]) for r in remarks] == [
        (f"/parts/{path.part}/{path.field}", "returned", ""),
        (f"/parts/{path.part}/{path.field}", "remarked", ""),
    ]

    # corrected: the confirmation was for other content
    values_of(one.parts, path.part)[path.field] = path.corrected
    assert (await one.save())["standing"]["attestation"]["holds"] is False
    assert await one.refused("submit", one.clerk, one.standing) == (409, "not_attested")
    await one.done("attest", one.head, one.standing)
    await one.done("submit", one.clerk, one.standing)
    review = (await one.get("/review", one.reviewer)).body
    assert [change["new"] for change in review["changes"]] == [path.corrected]
    assert path.check in {f["check"] for f in review["report"]["findings"]}
    assert review["last_year"] is None
    await one.done("claim", one.reviewer)
    await one.done("approve", one.reviewer)
    await one.done("quality", one.checker, {"outcome": "pass"})
    await one.house.until(f"2023/{one.id}", "completed")

    # the completed one corrected: another version, the first still to be read
    first = one.revision
    cause = {"until": "2099-01-01T00:00:00+08:00", **WHY}
    await one.done("reopen", one.operator, cause)
    values_of(one.parts, path.part)["reasons"][path.check] = "（生成）更正后的说明"
    await one.save()
    await one.done("attest", one.head, one.standing)
    silent = await one.post("submit", one.clerk, one.standing)
    assert (silent.status, silent.body["code"]) == (422, "correction_reason")
    assert "wording（" in silent.body["detail"]
    wording = {"correction": "wording", "reason": "（生成）说明写得不清楚"}
    before_figures = copy.deepcopy(one.parts)
    one.parts["statistics"]["patents"] = 8
    await one.save()
    await one.done("attest", one.head, one.standing)
    changed = await one.refused("submit", one.clerk, {**one.standing, **wording})
    assert changed == (422, "correction_changes_figures")
    one.parts = before_figures
    await one.save()
    await one.done("attest", one.head, one.standing)
    corrected = {**one.standing, "correction": "wording", "reason": "（生成）说明写得不清楚"}
    await one.done("submit", one.clerk, corrected)
    await one.done("claim", one.reviewer)
    await one.done("approve", one.reviewer)
    await one.done("quality", one.checker, {"outcome": "pass"})
    found = (await one.get("/versions", one.checker)).body["items"]
    assert [(v["number"], v["revision"], v["material"], v["code"]) for v in found] == [
        (1, first, None, ""), (2, one.revision, False, "wording"),
    ]  # fmt: skip
    assert found[1]["first"] == found[0]["completed_at"] < found[1]["completed_at"]
    assert found[1]["reason"] == "（生成）说明写得不清楚"
    assert [change["new"] for change in found[1]["changes"]] == ["（生成）更正后的说明"]
    before = await one.get(f"/draft?revision={first}", one.checker)
    assert before.body["parts"] != one.parts
    assert before.body["revision"] == first

    # the receipts of all of it still hold for whoever checks the record
    audited = await _verified(house, one.case_id)
    assert audited == [], audited


async def _verified(house: System, case_id: str) -> list[str]:
    keys = Keys(house.keys, None, None, house.settings.receipt_keys)
    found = await verify(house.engine, None, keys, house.now, case_id)
    assert found.checked["filing_receipts"] > 0
    return [one.message for one in found.findings]


async def test_a_check_is_waived_for_what_was_found_and_shown_wherever_it_is(
    house: System,
) -> None:
    one = await lab(house, "lab-waiver")
    one.parts["annual-report"]["institution_name"] = "另一名称（生成）"
    one.parts["annual-report"]["reasons"] = {"name-in-register": "（生成）已更名"}
    blocked = await one.save()
    [finding] = [f for f in blocked["report"]["findings"] if f["check"] == "name-in-statistics"]
    assert (finding["level"], finding["waiver"]) == ("block", None)
    asked = {"revision": one.revision, "finding": finding["sha256"], **WHY}

    assert await one.refused("waivers", one.clerk, {**asked, "finding": "0" * 64}) == (
        409, "not_waivable",
    )  # fmt: skip
    assert await one.refused("waivers", one.clerk, {**asked, "revision": 1}) == (
        409, "stale_revision",
    )  # fmt: skip
    assert await one.refused("waivers", one.reviewer, asked) == (403, "forbidden")
    first = await one.done("waivers", one.clerk, asked, idempotency_key="waiver-1")
    assert await one.done("waivers", one.clerk, asked, idempotency_key="waiver-1") == first
    listed = await house.send("GET", "/api/filings?waiver_asked=true&size=200", one.reviewer)
    assert [item["id"] for item in listed.body["items"]] == [one.case_id]

    assert await one.notices(one.reviewer) == ["waiver_asked"]

    # another authority, another county: nothing of theirs
    for authority in ("amr-440000", "samr"):
        stranger = house.token(REVIEWER, "stranger", authority)
        assert await one.refused("waivers/1/grant", stranger, WHY) == (404, "not_found")
    assert await one.refused("waivers/1/grant", one.clerk, WHY) == (403, "forbidden")
    assert await one.refused("waivers/9/grant", one.reviewer, WHY) == (404, "not_found")
    # the authority sees what was found, and no draft
    [waiver] = (await one.get("/waivers", one.reviewer)).body["items"]
    assert "另一名称（生成）" in waiver["message"]
    assert (await one.get("/draft", one.reviewer)).body["revision"] == 0
    await one.done("waivers/1/grant", one.reviewer, {"reason": "（生成）更名尚在办理"})
    assert await one.notices(one.clerk) == ["waiver_answered"]

    shown = (await one.get("/draft", one.clerk)).body
    [finding] = [f for f in shown["report"]["findings"] if f["check"] == "name-in-statistics"]
    assert (finding["waiver"], shown["report"]["ready"]) == (1, True)
    [waiver] = shown["standing"]["waivers"]
    assert (waiver["state"], waiver["authority"], waiver["decided_by"], waiver["why"]) == (
        "granted", "amr-430000", "", "（生成）更名尚在办理",
    )  # fmt: skip
    assert (waiver["asked_by"], waiver["reason"]) == (f"clerk-{one.id}", WHY["reason"])

    # with other figures it blocks again
    values = copy.deepcopy(one.parts)
    one.parts["annual-report"]["institution_name"] = "又一名称（生成）"
    assert not (await one.save())["report"]["ready"]
    one.parts = values
    await one.save()
    # another request that the figures made needless: submitted, it waits for no answer any more
    one.parts = copy.deepcopy(values)
    one.parts["annual-report"]["institution_name"] = "再一名称（生成）"
    [other] = [
        f for f in (await one.save())["report"]["findings"] if f["check"] == "name-in-statistics"
    ]
    await one.done(
        "waivers", one.clerk, {"revision": one.revision, "finding": other["sha256"], **WHY}
    )
    one.parts["annual-report"]["institution_name"] = "第四名称（生成）"
    [third] = [
        f for f in (await one.save())["report"]["findings"] if f["check"] == "name-in-statistics"
    ]
    await one.done(
        "waivers", one.clerk, {"revision": one.revision, "finding": third["sha256"], **WHY}
    )
    await one.done("waivers/2/decline", one.reviewer, WHY)
    one.parts = values
    await one.save()
    # what was declined is asked for again only while it is found
    again = {"revision": one.revision, "finding": other["sha256"], **WHY}
    assert await one.refused("waivers", one.clerk, again) == (409, "not_waivable")
    await one.done("attest", one.head, one.standing)
    await one.done("submit", one.clerk, one.standing)
    listed = await house.send("GET", "/api/filings?waiver_asked=true&size=200", one.reviewer)
    assert listed.body["items"] == []
    receipt = (await one.get("/receipt", one.operator)).body
    assert [w["check"] for w in receipt["body"]["waivers"]] == ["name-in-statistics"]
    review = (await one.get("/review", one.reviewer)).body
    assert review["standing"]["waivers"][0]["decided_by"] == f"reviewer-{one.id}"
    assert await _verified(house, one.case_id) == []


async def test_nobody_left_to_sign_is_a_task_of_the_operator(house: System) -> None:
    one = await lab(house, "lab-headless")
    path = "/api/filings?signer_asked=true&size=200"
    assert (await house.send("GET", path, one.operator)).body["items"] == []
    await one.done("ask-unsigned", one.clerk, WHY)
    found = (await house.send("GET", path, one.operator)).body["items"]
    assert [item["id"] for item in found] == [one.case_id]
    assert await one.notices(one.operator) == ["signer_asked"]
    elsewhere = house.token(OPERATOR, "operator-gd", "440000")
    assert await one.refused("excuse-signer", elsewhere, WHY) == (404, "not_found")
    assert await one.notices(elsewhere) == []
    await one.done("excuse-signer", one.operator, {**WHY, "document": "湘市监函（示例）"})
    assert (await house.send("GET", path, one.operator)).body["items"] == []
    assert await one.notices(one.clerk) == ["signer_answered"]
    # whoever the notice is for has seen it once it is opened
    noticed = f"/api/notices?case={one.case_id}&kind=signer_asked"
    [notice] = (await house.send("GET", noticed, one.operator)).body["items"]
    opened = await house.send("GET", f"/api/notices/{notice['id']}", one.operator)
    assert opened.body["seen_at"] is not None
    await one.done("submit", one.clerk, one.standing)
    receipt = (await one.get("/receipt", one.clerk)).body["body"]
    assert receipt["attestation"] == {"excused": True}
    assert await _verified(house, one.case_id) == []


def browser_of(one: Lab, cookie: str) -> Callable[..., Awaitable[httpx.Response]]:
    """Pages and forms of a filing, as a browser that is signed in by ``cookie`` sends them."""
    here = f"/work/filings/2023/{one.id}"
    named = {"cookie": f"zhibao_session={cookie}", "accept": "text/html"}

    async def asked(
        place: str = "", form: dict[str, str] | None = None, file: Any = None
    ) -> httpx.Response:
        http = one.house.http
        if form is None:
            return await http.get(here + place, headers=named)
        # as the page itself has them
        data = {"csrf": csrf_token(cookie), "key": secrets.token_hex(16), **form}
        files = {"file": file} if file is not None else None
        return await http.post(here + place, headers=named, data=data, files=files)

    return asked


async def test_waivers_signers_files_and_workbooks_are_had_on_pages(house: System) -> None:
    one = await lab(house, "lab-pages")
    one.parts["annual-report"]["institution_name"] = "另一名称（生成）"
    one.parts["annual-report"]["reasons"] = {"name-in-register": "（生成）已更名"}
    blocked = await one.save()
    [finding] = [f for f in blocked["report"]["findings"] if f["check"] == "name-in-statistics"]
    clerk = browser_of(one, await signed_in(house, f"clerk-{one.id}", FILER, one.id))
    as_reviewer = await signed_in(house, "reviewer-p", REVIEWER, "amr-430000")
    reviewer = browser_of(one, as_reviewer)

    shown = (await clerk()).text
    assert "申请豁免校验" in shown
    assert f'value="{finding["sha256"]}"' in shown
    asked = {"revision": str(one.revision), "finding": finding["sha256"]}
    # without a reason it is told at its blank; of an older revision not taken
    silent = await clerk("/act/ask-waiver", asked)
    assert (silent.status_code, "理由" in silent.text) == (422, True)
    old = await clerk("/act/ask-waiver", {**asked, **WHY, "revision": "1"})
    assert old.status_code == 409
    done = await clerk("/act/ask-waiver", {**asked, **WHY})
    assert done.headers["location"].endswith("?done=ask-waiver")
    # what was asked for is not offered again, and the clerk answers nothing
    shown = (await clerk("?done=ask-waiver")).text
    assert "已申请豁免" in shown
    assert f'value="{finding["sha256"]}"' not in shown
    assert (await clerk("/act/waiver-1-grant", WHY)).status_code == 403
    # the reviewer is led to it from the inbox, whose turn it is not yet
    named = {"cookie": f"zhibao_session={as_reviewer}", "accept": "text/html"}
    inbox = (await house.http.get("/work/tasks", headers=named)).text
    assert re.search(r'href="/work/filings\?waiver_asked=true">[^<]*（[1-9]\d* 件）', inbox)
    asking = (await house.http.get("/work/filings?waiver_asked=true", headers=named)).text
    assert f'href="/work/filings/2023/{one.id}"' in asking
    waiting = (await reviewer()).text
    assert "准予豁免（第 1 号）" in waiting
    assert "另一名称（生成）" in waiting
    assert (await reviewer("/act/waiver-2-grant", WHY)).status_code == 404
    assert (await reviewer("/act/waiver-1-burn", WHY)).status_code == 404
    granted_ = await reviewer("/act/waiver-1-grant", {"reason": "（生成）更名尚在办理"})
    assert granted_.status_code == 303
    shown = (await clerk()).text
    assert "（生成）更名尚在办理" in shown
    assert "湖南省市场监督管理局" in shown
    assert (await one.get("/draft", one.clerk)).body["report"]["ready"]

    # a file beside it, of the type that its name says
    pdf = ("授权（生成）.pdf", b"%PDF-1.7 " + one.id.encode(), "application/pdf")
    assert (await clerk("/files", {}, pdf)).status_code == 303
    exe = await clerk("/files", {}, ("a.exe", b"MZ", "application/pdf"))
    assert exe.status_code == 415
    [file] = (await one.get("/draft", one.clerk)).body["files"]
    assert (await clerk(f"/files/{file['sha256']}")).content == pdf[1]
    assert (await clerk(f"/files/{file['sha256']}/remove", {})).status_code == 303
    assert (await one.get("/draft", one.clerk)).body["files"] == []

    # offline and back: every wrong cell is named, and nothing is saved
    sheet = await clerk("/draft/workbook")
    book = load_workbook(io.BytesIO(sheet.content))
    rows = {row[0].value: row[0].row for row in book.active.iter_rows() if row[0].value}
    place = rows["statistics/patents"]

    async def sent(value: Any) -> httpx.Response:
        book.active.cell(place, 4).value = value
        kept = io.BytesIO()
        book.save(kept)
        form = {"revision": str(one.revision)}
        return await clerk("/draft/workbook", form, ("a.xlsx", kept.getvalue(), XLSX))

    wrong = await sent("-3")
    assert (wrong.status_code, f"D{place} 格" in wrong.text) == (422, True)
    assert (await one.get("/draft", one.clerk)).body["revision"] == one.revision
    assert (await sent("3")).status_code == 303
    draft = (await one.get("/draft", one.clerk)).body
    assert draft["parts"]["statistics"]["patents"] == 3
    assert draft["parts"]["annual-report"]["reasons"] == one.parts["annual-report"]["reasons"]
    assert (await clerk("/draft/pdf")).content.startswith(b"%PDF")

    # nobody left to sign
    assert "请求免予确认" in (await clerk()).text
    assert (await clerk("/act/ask-unsigned", WHY)).status_code == 303
    operator = browser_of(one, await signed_in(house, "operator-p", OPERATOR, "430000"))
    assert "准予免予确认" in (await operator()).text
    assert (await operator("/act/excuse-signer", WHY)).status_code == 303
    stands = (await one.get("/draft", one.clerk)).body
    form = {"revision": str(stands["revision"]), "sha256": stands["sha256"]}
    submitted = await clerk("/act/submit", form)
    assert submitted.headers["location"].endswith("/receipt?sent=1"), submitted.text


async def test_hostile_confirmations_and_remarks_change_nothing(house: System) -> None:
    one = await lab(house, "lab-hostile")
    # the clerk with the head's capacity; the head of another institution; an older revision
    clerk_as_head = house.token(RESPONSIBLE, f"clerk-{one.id}", one.id)
    assert await one.refused("attest", clerk_as_head, one.standing) == (403, "signer_is_filer")
    other = house.token(RESPONSIBLE, "head-x", "lab-other")
    assert await one.refused("attest", other, one.standing) == (403, "not_your_case")
    assert await one.refused("attest", one.clerk, one.standing) == (403, "forbidden")
    old = one.standing
    one.parts["statistics"]["patents"] = 5
    await one.save()
    assert await one.refused("attest", one.head, old) == (409, "stale_revision")
    forged = {"revision": one.revision, "sha256": "0" * 64}
    assert await one.refused("attest", one.head, forged) == (409, "stale_revision")
    # a late repeat of a key is answered as the first time, and undoes no change
    key = {"idempotency_key": "attest-1"}
    confirmed = one.standing
    first = await one.done("attest", one.head, confirmed, **key)
    one.parts["statistics"]["patents"] = 4
    await one.save()
    assert await one.done("attest", one.head, confirmed, **key) == first
    assert await one.refused("submit", one.clerk, one.standing) == (409, "not_attested")
    again = await one.post("attest", one.head, one.standing, **key)
    assert (again.status, again.body["code"]) == (422, "key_reused")
    await one.done("attest", one.head, one.standing)
    # the head who submits
    head_as_clerk = house.token(FILER, f"head-{one.id}", one.id)
    assert await one.refused("submit", head_as_clerk, one.standing) == (403, "signer_is_filer")
    await one.done("submit", one.clerk, one.standing)

    # remarks: another authority's, an unknown field, before the claim
    note = {"fields": [{"part": "statistics", "field": "patents", "reason": "（生成）"}]}
    stranger = house.token(REVIEWER, "stranger", "amr-440000")
    assert await one.refused("remarks", stranger, note) == (404, "not_found")
    assert await one.refused("remarks", one.reviewer, note) == (409, "not_claimed")
    await one.done("claim", one.reviewer)
    unknown = {"fields": [{"part": "statistics", "field": "nothing", "reason": "（生成）"}]}
    assert (await one.refused("remarks", one.reviewer, unknown))[0] == 422
    assert await one.refused("remarks", one.clerk, note) == (403, "forbidden")
    # a reviewer changes no value by any route
    put = await house.send(
        "PUT", f"{one.path}/draft", one.reviewer, {"parts": one.parts}, if_match='"3"'
    )
    patch = await house.send(
        "PATCH", f"{one.path}/draft", one.reviewer,
        {"parts": {"statistics": {"patents": 9}}}, if_match='"3"',
    )  # fmt: skip
    assert {put.body["code"], patch.body["code"]} == {"forbidden"}
    for token in (one.head, one.checker):
        refused = await house.send(
            "PUT", f"{one.path}/draft", token, {"parts": one.parts}, if_match='"3"'
        )
        assert refused.status == 403


async def test_what_cannot_be_computed_is_refused_on_record_and_changes_nothing(
    house: System,
) -> None:
    # a check of the form: told at its field, until another figure or a waiver ends it
    one = await lab(house, "lab-divides")
    one.parts["statistics"]["patents"] = 4000
    shown = (await one.save())["report"]
    [finding] = [f for f in shown["findings"] if f["code"] == "check_not_computable"]
    assert (finding["check"], finding["pointer"]) == ("divides", "/parts/statistics/patents")
    assert "有效专利4000件" in finding["message"]
    confirmed = await one.post("attest", one.head, one.standing)
    refused = await one.post("submit", one.clerk, one.standing)
    for answer in (confirmed, refused):
        assert (answer.status, answer.body["code"]) == (422, "content_incomplete")
    [error] = refused.body["errors"]
    assert (error["pointer"], error["code"]) == (finding["pointer"], "check_not_computable")
    standing = (await one.get("", one.clerk)).body
    assert (standing["status"], standing["revision"]) == ("draft", 0)
    asked = {"revision": one.revision, "finding": finding["sha256"], **WHY}
    await one.done("waivers", one.clerk, asked)
    await one.done("waivers/1/grant", one.reviewer, WHY)
    await one.done("attest", one.head, one.standing)
    await one.done("submit", one.clerk, one.standing)

    # a condition of the rules
    other = await lab(house, "lab-seven")
    seven = tuple(certificate(f"2300000007{n:02d}", "amr-430000") for n in range(7))
    centres = (f"国家 {other.id} 产品质量检验检测中心（生成）",)
    await house.add(
        institution(
            other.id, "430102", certificates=seven, legal_person=True, national_centres=centres
        )
    )
    await house.save(f"2023/{other.id}", other.clerk)
    draft = (await other.get("/draft", other.clerk)).body
    other.revision, other.sha256 = draft["revision"], draft["sha256"]
    await other.done("attest", other.head, other.standing)
    before = await _last_step(house, other.case_id)
    for key in ("divides-1", "divides-1", "divides-2"):
        refused = await other.post("submit", other.clerk, other.standing, idempotency_key=key)
        assert (refused.status, refused.body["code"]) == (409, "condition_failed"), refused.body
        assert "certs.size() - 7" in refused.body["detail"]
    assert await _last_step(house, other.case_id) == before
    async with house.engine.connect() as connection:
        found = await connection.execute(
            text(
                "SELECT count(*) FROM refusals"
                " WHERE case_id = :case_id AND refusal->>'code' = :code"
            ),
            {"case_id": other.case_id, "code": "condition_failed"},
        )  # fmt: skip
        assert found.scalar_one() == 3
    # with another certificate it can be computed, and the filing goes on
    await house.add(
        institution(
            other.id,
            "430102",
            certificates=seven[:6],
            legal_person=True,
            national_centres=centres,
        )
    )
    assert (await other.get("", other.clerk)).body["status"] == "draft"


async def _last_step(house: System, case_id: str) -> Any:
    async with house.engine.connect() as connection:
        found = await connection.execute(
            text("SELECT max(sequence), max(hash) FROM journal WHERE case_id = :case_id"),
            {"case_id": case_id},
        )
        return tuple(found.one())


async def test_a_joint_centre_is_filed_by_its_lead_and_the_other_files_the_rest(
    house: System,
) -> None:
    lead, other = await lab(house, "lab-lead"), await lab(house, "lab-joint")
    shared = (f"国家 {lead.id} 产品质量检验检测中心（生成）",)

    async def registered(one: Lab, centres: tuple[str, ...]) -> None:
        number = certificate(f"23{zlib.crc32(one.id.encode()):010d}", "amr-430000")
        await house.add(
            institution(
                one.id,
                "430102",
                certificates=(number,),
                legal_person=True,
                national_centres=centres,
            )
        )

    await registered(other, shared)
    [copy_] = other.parts["social-responsibility"]["copies"]
    other.parts["social-responsibility"]["copies"] = [{**copy_, "centre_name": shared[0]}]
    saved = await other.save()
    assert saved["report"]["ready"], saved["report"]
    await other.done("attest", other.head, other.standing)
    await lead.done("attest", lead.head, lead.standing)
    await lead.done("submit", lead.clerk, lead.standing)
    refused = await other.post("submit", other.clerk, other.standing)
    assert (refused.status, refused.body["code"]) == (409, "centre_filed_by_lead")
    assert shared[0] in refused.body["detail"]
    assert [one["clause"] for one in refused.body["sources"]] == ["附件2"]
    # the register says which unit leads; the other one files all but the centre's report
    await registered(other, ())
    await other.refused("submit", other.clerk, other.standing)
    del other.parts["social-responsibility"]
    await other.save()
    await other.done("attest", other.head, other.standing)
    await other.done("submit", other.clerk, other.standing)
    assert set((await other.get("/receipt", other.clerk)).body["body"]["forms"]) == {
        "statistics", "annual-report",
    }  # fmt: skip


async def test_a_branch_files_with_its_legal_person_and_one_that_is_one_for_itself(
    house: System,
) -> None:
    head, branch, own = [await lab(house, f"lab-{name}") for name in ("head", "branch", "own")]
    async with house.engine.begin() as connection:
        for one, legal_person, first in (
            (head, True, "91430100M00020001"),
            (branch, False, "91430100M00020002"),
            (own, True, "91430100M00020003"),
        ):
            await connection.execute(
                text("UPDATE institutions SET uscc = :uscc, legal_person = :legal_person,"
                     " national_centres = '[]' WHERE id = :id"),
                {"id": one.id, "uscc": first + check_digit(first), "legal_person": legal_person},
            )  # fmt: skip
    for one in (head, branch, own):
        del one.parts["social-responsibility"]
        values = one.parts["statistics"]
        async with house.engine.connect() as connection:
            row = (await institutions.by_ids(connection, [one.id]))[one.id]
        values |= {"uscc": row.uscc, "legal_person": row.facts.legal_person}
        assert (await one.save())["report"]["ready"]
        await one.done("attest", one.head, one.standing)
    parent = head.parts["statistics"]["uscc"]
    found = {
        "finding": "files_with",
        "files_with": head.id,
        "parent_uscc": parent,
        "document": "（生成）7号",
        **WHY,
    }
    # what only shares the code of its parent is a doubt, until an operator settles it
    for one in (branch, own):
        async with house.engine.begin() as connection:
            await connection.execute(
                text("UPDATE certificates SET parent_uscc = :uscc WHERE institution_id = :id"),
                {"id": one.id, "uscc": parent},
            )
    listed = "/api/institutions/legal-persons/2023/430000?open=true"
    doubts = (await house.send("GET", listed, head.operator)).body["legal_persons"]
    [doubt] = [one for one in doubts if one["key"] == parent]
    assert sorted(one["institution"] for one in doubt["accounts"]) == ["lab-branch", "lab-head"]
    await head.done("submit", head.clerk, head.standing)
    refused = await branch.post("submit", branch.clerk, branch.standing)
    assert (refused.status, refused.body["code"]) == (409, "legal_person_files_once")
    assert refused.body["sources"]
    # one that is a legal person files for itself whoever stands above it
    await own.done("submit", own.clerk, own.standing)
    settled = f"/api/institutions/{branch.id}/legal-person"
    elsewhere = house.token(OPERATOR, "operator-gd", "440000")
    assert (await house.send("POST", settled, elsewhere, found)).status == 404
    assert (await house.send("POST", settled, head.operator, found)).status == 200
    await house.until(f"2023/{branch.id}", "cancelled")
    left = (await house.send("GET", listed, head.operator)).body["legal_persons"]
    assert parent not in [one["key"] for one in left]


async def test_no_reviewer_changes_a_value_by_any_route(house: System) -> None:
    one = await lab(house, "lab-routes")
    await one.done("attest", one.head, one.standing)
    await one.done("submit", one.clerk, one.standing)
    reviewer = browser_of(one, await signed_in(house, "reviewer-r", REVIEWER, "amr-430000"))
    token = house.token(REVIEWER, "reviewer-r", "amr-430000")
    await one.done("claim", token)

    async def kept() -> Any:
        async with house.engine.connect() as connection:
            found = await connection.execute(
                select(revisions.c.revision, revisions.c.sha256, revisions.c.content)
                .where(revisions.c.case_id == one.case_id)
                .order_by(revisions.c.revision)
            )
            files = await connection.execute(
                text("SELECT count(*) FROM filing_files WHERE case_id = :case_id"),
                {"case_id": one.case_id},
            )
            return [tuple(row) for row in found], files.scalar_one()

    before = await kept()
    values = {"patents": 9}
    field = {"part": "statistics", "field": "patents", "reason": "（生成）9"}
    parts = {"parts": {"statistics": values}}
    bodies: list[dict[str, Any]] = [
        parts,
        {**parts, **one.standing, **WHY},
        {**WHY, "fields": [{**field, "value": 9}], "values": values},
        {"fields": [field], **parts},
    ]
    prefix = "/api/filings/{year}/{institution}"
    tried = 0
    for operation in OPERATIONS:
        if operation.method == "GET" or not operation.path.startswith(f"{prefix}/"):
            continue
        place = re.sub(r"{waiver}|{question}", "1", operation.path.removeprefix(prefix))
        place = place.replace("{file}", "0" * 64)
        for body in bodies:
            answer = await house.send(
                operation.method, one.path + place, token, body, if_match=f'"{one.revision}"'
            )
            assert 400 <= answer.status < 500, (operation.path, answer.body)
            tried += 1
    assert tried > 60
    sent = {"revision": str(one.revision), "sha256": one.sha256, "patents": "9", **WHY}
    for operation in (*PAGES, *FILE_PAGES, *PART_PAGES):
        if operation.method != "POST" or "{institution}" not in operation.path:
            continue
        place = operation.path.partition("{institution}")[2]
        place = place.replace("{part}", "statistics").replace("{file}", "0" * 64)
        for act in ("submit", "attest", "quality", "ask-waiver", "begin"):
            file = ("a.pdf", b"%PDF-1.7", "application/pdf") if operation.with_file else None
            page = await reviewer(place.replace("{act}", act), sent, file)
            assert page.status_code != 303, place
    assert await kept() == before
    assert (await one.get("", token)).body["status"] == "in_review"


async def test_a_receipt_that_was_changed_is_told_of(house: System) -> None:
    one = await lab(house, "lab-receipt")
    none = await one.get("/receipt", one.clerk)
    assert (none.status, none.body["code"]) == (404, "not_found")
    await one.done("attest", one.head, one.standing)
    await one.done("submit", one.clerk, one.standing)
    receipt = (await one.get("/receipt", one.clerk)).body
    keys = SigningKeys(house.settings.receipt_keys).published()
    forged = json.loads(json.dumps(receipt))
    forged["body"]["decided_at"] = "2024-01-01T00:00:00+00:00"
    assert receipt_fault(forged, keys) != ""
    held = house.settings.receipt_keys
    assert await against_record(house.engine, receipt, held) == ""
    assert await against_record(house.engine, forged, held) != ""
    assert await against_record(house.engine, ["nonsense"], held) != ""
    async with house.engine.begin() as connection:
        await connection.execute(
            text("UPDATE filing_receipts SET body = jsonb_set(body, '{late}', 'true')"
                 " WHERE case_id = :case_id"),
            {"case_id": one.case_id},
        )  # fmt: skip
    found = await _verified(house, one.case_id)
    assert any("回执" in message for message in found)
    auditor = house.token(AUDITOR, "auditor-1")
    assert (await one.get("/receipt", auditor)).body["body"]["late"] is True


async def test_a_reviewer_compares_with_before_with_last_year_and_with_peers(
    house: System,
) -> None:
    one = await lab(house, "lab-review")
    statistics = one.parts["statistics"]
    last = {**copy.deepcopy(statistics), "patents": 5, "reasons": {}}
    case_id = f"filing/2022/{one.id}"
    await _completed(house, one.case_id, case_id, {"statistics": last}, year=2022)
    statistics["staff_bachelor"] = 400
    wanted = {"staff-peers", "staff-last-year"}
    found = (await one.save())["report"]["findings"]
    assert {f["check"] for f in found if f["level"] == "warn" and not f["reason"]} == wanted
    statistics["reasons"] = {check: f"（生成）{check} 属实" for check in wanted}
    await one.save()
    await one.done("attest", one.head, one.standing)
    await one.done("submit", one.clerk, one.standing)
    await one.done("questions", one.clerk, {"text": "（生成）兼职人员计入吗？"})
    review = (await one.get("/review", one.reviewer)).body
    assert (review["before"], review["changes"], review["questions"]) == (0, [], 1)
    differs = {
        change["pointer"]: (change["old"], change["new"])
        for change in review["last_year"]
        if change["pointer"].startswith("/statistics/") and "reasons" not in change["pointer"]
    }
    assert differs == {
        "/statistics/staff_bachelor": (18, 400), "/statistics/patents": (5, 6),
    }  # fmt: skip
    by = {(peer["pointer"], peer["unusual"]): peer for peer in review["peers"]}
    staff = by["/parts/statistics/staff", True]
    assert (staff["value"], staff["count"], staff["median"]) == ("418", PEERS, "36.00")
    assert ("/parts/statistics/reports", False) in by
    reasons = {f["check"]: f["reason"] for f in review["report"]["findings"] if f["check"]}
    assert {check: reasons[check] for check in wanted} == statistics["reasons"]
    # a clerk is shown no range that others' figures make
    assert (await one.get("/review", house.token(REVIEWER, "far", "amr-440000"))).status == 404


async def test_files_are_confirmed_and_submitted_with_the_content(house: System) -> None:
    one = await lab(house, "lab-files")

    async def put(name: str, content: bytes) -> str:
        headers = {
            "authorization": f"Bearer {one.clerk}",
            "content-type": "application/pdf",
            "idempotency-key": f"{one.id}-{name}",
        }
        added = await house.http.post(
            f"{one.path}/files?filename={name}", content=content, headers=headers
        )
        assert added.status_code == 201, added.text
        return hashlib.sha256(content).hexdigest()

    await one.done("attest", one.head, one.standing)
    first = await put("a.pdf", b"%PDF-1.7 first")
    # another file is another content: what was confirmed was without it
    draft = (await one.get("/draft", one.head)).body
    assert [file["sha256"] for file in draft["files"]] == [first]
    assert draft["standing"]["attestation"]["holds"] is False
    assert await one.refused("submit", one.clerk, one.standing) == (409, "not_attested")
    none = {**one.standing, "files": []}
    assert await one.refused("attest", one.head, none) == (409, "stale_files")
    await one.done("attest", one.head, {**one.standing, "files": [first]})
    assert (await one.get("/draft", one.head)).body["standing"]["attestation"]["holds"] is True
    assert await one.refused("submit", one.clerk, none) == (409, "stale_files")
    await one.done("submit", one.clerk, {**one.standing, "files": [first]})
    receipt = (await one.get("/receipt", one.clerk)).body
    assert receipt["body"]["files"] == [first]
    assert receipt["body"]["attestation"]["by"] == f"head-{one.id}"

    # returned, another file beside the same content: nothing of the first is lost, nor unchanged
    await one.done("claim", one.reviewer)
    await one.done("return", one.reviewer, {**WHY, "fields": []})
    second = await put("b.pdf", b"%PDF-1.7 second")
    await one.done("attest", one.head, one.standing)
    sent = await one.done("submit", one.clerk, one.standing)
    review = (await one.get("/review", one.reviewer)).body
    assert {file["sha256"] for file in review["files"]} == {first, second}
    timeline = (await one.get("/timeline", one.reviewer)).body["entries"]
    told = [entry["detail"] for entry in timeline if entry["event"] == "submitted"]
    assert len(told) == 2
    assert "附件 1 件" in told[0]
    assert "附件 2 件" in told[1]
    assert "未改动" not in told[1]
    older = await one.get(f"/receipt?sequence={receipt['body']['sequence']}", one.reviewer)
    assert older.body["body"]["files"] == [first]
    assert sent["sequence"] > receipt["body"]["sequence"]
    assert await _verified(house, one.case_id) == []
    async with house.engine.begin() as connection:
        await connection.execute(
            text("DELETE FROM filing_files WHERE case_id = :case_id AND sha256 = :sha256"),
            {"case_id": one.case_id, "sha256": second},
        )
    async with house.engine.connect() as connection:
        missing = [row async for row in rows(connection, MISSING_FILES)]
    assert {(row["case_id"], row["sha256"]) for row in missing} == {(one.case_id, second)}
