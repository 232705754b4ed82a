"""Certificates on paper over HTTP: what is printed, who may see it, what comes again the same."""

import asyncio
import io
import shutil
import sys
import zipfile
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from sqlalchemy import insert, text, update

from api.door.app import create_app
from deploy.embedded.postgres import EmbeddedPostgres
from domain.certificates.qr import qr
from domain.certificates.statement import PublishedKeys, Statement, verify_scanned
from services.certificates.keys import SigningKeys
from services.certificates.papers import MOST_PAPERS
from services.certificates.printing import TEMPLATES, Printer
from store.tables import certificates
from tests.api.conftest import whole_system
from tests.certificates import ISSUER, Office, content
from tests.printing.papers import fonts_in, pages_in, picture_says, scanned, text_of
from tests.system import (
    AUDITOR,
    CHECKER,
    CLERK,
    FILER,
    OPERATOR,
    REVIEWER,
    System,
    institution,
)

pytestmark = pytest.mark.anyio
TODAY = datetime.now(ZoneInfo("Asia/Shanghai")).date()
DECIDED = {
    "approved_on": TODAY.isoformat(),
    "document": "（生成）许〔2026〕1号",
    "approver": "测试批准人",
}


@pytest.fixture(scope="module")
async def house(postgres: EmbeddedPostgres, open_rules: Path) -> AsyncIterator[System]:
    """A system without a campaign."""
    async with whole_system(postgres, open_rules) as found:
        await found.add(institution("lab", certificates=()))
        yield found


@pytest.fixture(scope="module")
def office(house: System) -> Office:
    return Office(house)


async def certify(office: Office, **over: Any) -> str:
    """A certificate that its issuer has decided on; the path of its case."""
    changed, decided = over.pop("content", {}), {**DECIDED, **over}
    body = {"content": content("lab", **changed)}
    path = await office.begin(body, office.clerk)
    taken = await office.apply(path, office.clerk, decided=decided)
    assert taken.status == 200, taken.body
    return path


async def get(house: System, path: str, token: str, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await house.http.get(path, headers={"authorization": f"Bearer {token}", **named})


async def pdf(house: System, path: str, token: str) -> bytes:
    answer = await get(house, f"{path}/paper", token)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/pdf"
    return answer.content


def published(house: System) -> PublishedKeys:
    return SigningKeys(house.keys).published()


# --- what is printed ------------------------------------------------------------------------------


async def test_the_paper_says_what_the_register_says_and_its_code_proves_it_offline(
    house: System, office: Office
) -> None:
    path = await certify(office)
    held = await office.held(path)
    printed = await pdf(house, path, office.filer)
    assert printed.startswith(b"%PDF-1.7")
    assert b"<pdfaid:part>2</pdfaid:part>" in printed
    said = text_of(printed)
    for words in (held["number"], content()["holder"], "福建省市场监督管理局", "抗压强度"):
        assert words.replace(" ", "") in said
    assert "登记状态：有效" in said
    address = scanned(printed)
    assert address.startswith(f"https://certificates.example/c/{held['code']}?s=")
    proven = verify_scanned(address, published(house))
    assert isinstance(proven, Statement)
    assert (proven.number, proven.holder, proven.issuer) == (
        held["number"],
        content()["holder"],
        ISSUER,
    )
    drawing = await get(house, f"{path}/qr", office.filer)
    assert drawing.headers["content-type"].startswith("image/svg+xml")
    assert drawing.content == qr(address)
    picture = await get(house, f"{path}/qr.png", office.filer)
    assert picture_says(picture.content) == address


async def test_no_bit_of_what_was_scanned_can_be_another(house: System, office: Office) -> None:
    """Every bit from the code in the address to the end of the signature."""
    address = scanned(await pdf(house, await certify(office), office.filer))
    keys, raw = published(house), address.encode("ascii")
    assert isinstance(verify_scanned(address, keys), Statement)
    for place in range(raw.index(b"/c/") + 3, len(raw)):
        for bit in range(8):
            changed = bytearray(raw)
            changed[place] ^= 1 << bit
            said = verify_scanned(changed.decode("latin-1"), keys)
            assert not isinstance(said, Statement), (place, bit)


async def test_the_same_paper_comes_out_until_something_is_different(
    house: System, office: Office
) -> None:
    path = await certify(office)
    first = await get(house, f"{path}/paper", office.filer)
    house.ahead = timedelta(days=40)
    second = await get(house, f"{path}/paper", office.clerk)
    assert second.content == first.content
    assert second.headers["etag"] == first.headers["etag"]
    unchanged = await get(
        house, f"{path}/paper", office.clerk, if_none_match=f'"x", W/{first.headers["etag"]}'
    )
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    assert unchanged.headers["etag"] == first.headers["etag"]
    house.ahead = timedelta()

    draft = (await house.send("GET", f"{path}/draft", office.clerk)).body
    renamed = {**draft["content"], "holder": "改名后的检测有限公司（生成）"}
    await house.send("PUT", f"{path}/draft", office.clerk, {"content": renamed}, if_match='"1"')
    # written down, not in force: the paper says what is true
    assert await pdf(house, path, office.filer) == first.content
    changed = await office.apply(
        path, office.clerk, purpose="change", change="name-address", decided=DECIDED
    )
    assert changed.status == 200, changed.body
    after = await get(house, f"{path}/paper", office.filer, if_none_match=first.headers["etag"])
    assert after.status_code == 200
    said = text_of(after.content)
    assert "改名后的检测有限公司（生成）" in said
    assert content()["holder"] not in said
    proven = verify_scanned(scanned(after.content), published(house))
    assert isinstance(proven, Statement)
    assert proven.holder == "改名后的检测有限公司（生成）"


async def test_a_certificate_that_has_ended_prints_with_what_became_of_it(
    house: System, office: Office
) -> None:
    path = await certify(office)
    before = await pdf(house, path, office.filer)
    ending = {
        "ending": "revoked",
        "on": TODAY.isoformat(),
        "reason": "以欺骗手段取得",
        "document": "（生成）撤〔2026〕1号",
        "approver": "测试批准人",
    }
    assert (await office.end(path, ending)).status == 200
    after = await pdf(house, path, office.filer)
    assert after != before
    said = text_of(after, page=1)
    assert f"本证书已于{TODAY.year}年{TODAY.month:02}月{TODAY.day:02}日被撤销" in said
    assert "登记状态：撤销" in said
    assert "撤销" in text_of(after, page=2)


@pytest.mark.parametrize(("days", "label"), [(0, "有效"), (1, "过期")])
async def test_a_certificate_prints_as_expired_from_the_day_after_its_last(
    house: System, office: Office, days: int, label: str
) -> None:
    last = TODAY + timedelta(days=30)
    path = await certify(
        office,
        number=f"KEEP-{label.encode().hex()}",
        valid_from=DECIDED["approved_on"],
        valid_to=last.isoformat(),
    )
    midnight = datetime.combine(last, datetime.min.time(), ZoneInfo("Asia/Shanghai"))
    house.ahead = midnight + timedelta(days=days, seconds=5) - datetime.now(midnight.tzinfo)
    try:
        printed = await pdf(house, path, office.filer)
        house.ahead += timedelta(hours=20)
        assert await pdf(house, path, office.filer) == printed
    finally:
        house.ahead = timedelta()
    assert f"登记状态：{label}" in text_of(printed, page=1)


@pytest.mark.parametrize(("days", "label"), [(-1, "尚未生效"), (0, "有效")])
async def test_a_certificate_prints_as_not_yet_valid_until_its_first_day(
    house: System, office: Office, days: int, label: str
) -> None:
    first = TODAY + timedelta(days=30)
    path = await certify(
        office,
        number=f"AHEAD-{label.encode().hex()}",
        valid_from=first.isoformat(),
        valid_to=(first + timedelta(days=365)).isoformat(),
    )
    midnight = datetime.combine(first, datetime.min.time(), ZoneInfo("Asia/Shanghai"))
    house.ahead = midnight + timedelta(days=days, seconds=5) - datetime.now(midnight.tzinfo)
    try:
        printed = await pdf(house, path, office.filer)
        house.ahead += timedelta(hours=20)
        assert await pdf(house, path, office.filer) == printed
    finally:
        house.ahead = timedelta()
    assert f"登记状态：{label}" in text_of(printed, page=1)


async def test_a_picture_of_the_first_page_is_given_too(house: System, office: Office) -> None:
    path = await certify(office)
    answer = await get(house, f"{path}/preview", office.filer)
    assert answer.headers["content-type"] == "image/png"
    assert answer.content.startswith(b"\x89PNG\r\n\x1a\n")
    again = await get(house, f"{path}/preview", office.filer, if_none_match=answer.headers["etag"])
    assert again.status_code == 304


# --- what is no certificate yet -------------------------------------------------------------------


async def test_a_draft_shows_as_a_sample_and_as_no_certificate(
    house: System, office: Office
) -> None:
    path = await office.begin({"content": content()})
    answer = await get(house, f"{path}/preview", office.filer)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
    assert picture_says(answer.content) == ""
    for name in ("paper", "qr", "qr.png"):
        refused = await get(house, f"{path}/{name}", office.filer)
        assert (refused.status_code, refused.json()["code"]) == (409, "no_certificate")
    # the reviewer sees what was applied for, and nothing before that
    early = await get(house, f"{path}/preview", office.reviewer)
    assert (early.status_code, early.json()["code"]) == (404, "not_found")
    assert (await office.apply(path)).status == 200
    applied = await get(house, f"{path}/preview", office.reviewer)
    assert applied.content == answer.content


async def test_what_a_change_would_look_like_is_a_sample_beside_the_certificate(
    house: System, office: Office
) -> None:
    path = await certify(office)
    issued = await get(house, f"{path}/preview", office.filer)
    sample = await get(house, f"{path}/preview?draft=true", office.filer)
    assert sample.status_code == 200
    assert sample.content != issued.content
    assert picture_says(issued.content) != ""
    assert picture_says(sample.content) == ""
    wrong = await get(house, f"{path}/preview?draft=maybe", office.filer)
    assert (wrong.status_code, wrong.json()["code"]) == (422, "invalid_parameter")


# --- who may see it -------------------------------------------------------------------------------


async def test_a_paper_is_for_the_institution_its_issuer_the_operator_and_the_auditor(
    house: System, office: Office
) -> None:
    path = await certify(office)
    allowed = [
        (FILER, "lab"), (CLERK, ISSUER), (REVIEWER, ISSUER), (CHECKER, ISSUER),
        (OPERATOR, "350000"), (AUDITOR, ""),
    ]  # fmt: skip
    others = [
        (FILER, "other"), (CLERK, "amr-430000"), (REVIEWER, "amr-430000"),
        (CHECKER, "amr-430000"), (OPERATOR, "430000"),
    ]  # fmt: skip
    for role, scope in allowed:
        answer = await get(house, f"{path}/qr", house.token(role, "somebody", scope))
        assert answer.status_code == 200, (role, answer.text)
    for role, scope in others:
        for name in ("paper", "preview", "qr", "qr.png"):
            answer = await get(house, f"{path}/{name}", house.token(role, "somebody", scope))
            assert answer.status_code == 404, (role, name)
    nobody = await house.http.get(f"{path}/paper")
    assert nobody.status_code == 401
    for role, scope in (*allowed[:1], *allowed[2:]):
        token = house.token(role, "somebody", scope)
        batch = await house.send("POST", "/api/certificates/papers", token, {"numbers": ["A"]})
        assert (batch.status, batch.body["code"]) == (403, "forbidden")


# --- what cannot be printed -----------------------------------------------------------------------


async def test_rare_characters_print(house: System, office: Office) -> None:
    rare = await certify(office, content={"holder": "䶮㛃检测有限公司（生成）"})
    assert "䶮㛃检测" in text_of(await pdf(house, rare, office.filer))


async def test_a_character_that_no_font_has_is_told_before_a_number_is_given(
    house: System, office: Office
) -> None:
    path = await office.begin({"content": content("lab", address="𠮷路1号")}, office.clerk)
    taken = await office.apply(path, office.clerk, decided=DECIDED)
    assert (taken.status, taken.body["code"]) == (422, "content_incomplete")
    [error] = taken.body["errors"]
    assert (error["pointer"], error["code"]) == ("/content/address", "characters_missing")
    assert "𠮷（U+20BB7）" in error["message"]
    refused = await get(house, f"{path}/preview?draft=true", office.filer)
    assert (refused.status_code, refused.json()["code"]) == (409, "characters_missing")
    assert "𠮷（U+20BB7）" in refused.json()["detail"]


async def test_a_certificate_without_a_signature_is_not_printed(
    house: System, office: Office
) -> None:
    path = await certify(office)
    number = (await office.held(path))["number"]
    async with house.engine.begin() as connection:
        await connection.execute(
            update(certificates).where(certificates.c.number == number).values(statement="")
        )
    for name in ("paper", "preview", "qr", "qr.png"):
        refused = await get(house, f"{path}/{name}", office.filer)
        assert (refused.status_code, refused.json()["code"]) == (409, "not_signed")
        assert "zhibao certificates keys add" in refused.json()["remedy"]


@pytest.fixture
def other_printer(house: System, tmp_path: Path) -> Any:
    """The same system with other templates or another printer, over an application of its own."""

    def made(printer: Printer) -> httpx.AsyncClient:
        app = create_app(replace(house.parts, printer=printer))
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        return httpx.AsyncClient(transport=transport, base_url="http://test")

    return made


async def test_a_province_prints_with_its_template_and_a_broken_one_is_said(
    house: System, office: Office, other_printer: Any, tmp_path: Path
) -> None:
    path = await certify(office)
    folder = Path(shutil.copytree(TEMPLATES, tmp_path / "templates"))
    own = folder / "350000" / "certificate.typ"
    own.parent.mkdir()
    own.write_text("#let certificate(data) = [福建版式 #data.number]\n", encoding="utf-8")
    headers = {"authorization": f"Bearer {office.filer}"}
    async with other_printer(Printer(folder)) as http:
        first = await http.get(f"{path}/paper", headers=headers)
        assert "福建版式" in text_of(first.content)
        own.write_text("#let certificate(data) = [新版式 #data.number]\n", encoding="utf-8")
        known = {**headers, "if-none-match": first.headers["etag"]}
        second = await http.get(f"{path}/paper", headers=known)
        assert "新版式" in text_of(second.content)
        own.write_text("#let certificate(data) = data.nothing\n", encoding="utf-8")
        broken = await http.get(f"{path}/paper", headers=headers)
        assert (broken.status_code, broken.json()["code"]) == (500, "template_broken")
        assert "certificate.typ" not in broken.text
        own.write_text('#let certificate(data) = read("/etc/passwd")\n', encoding="utf-8")
        assert (await http.get(f"{path}/paper", headers=headers)).status_code == 500


async def test_whoever_waits_too_long_in_line_is_told_and_the_others_get_theirs(
    house: System, office: Office, other_printer: Any
) -> None:
    path = await certify(office)
    headers = {"authorization": f"Bearer {office.filer}"}
    async with other_printer(Printer(waiting=1)) as http:
        answers = await asyncio.gather(
            *(http.get(f"{path}/paper", headers=headers) for _ in range(8))
        )
        codes = sorted(one.status_code for one in answers)
        assert codes == [200] * 3 + [429] * 5
        assert {one.json()["code"] for one in answers if one.status_code == 429} == {"busy"}
        assert all(one.headers["retry-after"] for one in answers if one.status_code == 429)
        # nobody is left in line
        assert (await http.get(f"{path}/paper", headers=headers)).status_code == 200


async def test_a_printing_process_that_dies_or_never_ends_is_not_waited_for(
    house: System,
    office: Office,
    other_printer: Any,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    path = await certify(office)
    headers = {"authorization": f"Bearer {office.filer}"}
    program = tmp_path / "program"
    async with other_printer(Printer(patience=1, python=str(program))) as http:
        for script in ("kill -9 $$", "exec sleep 60"):
            program.write_text(f"#!/bin/sh\n{script}\n")
            program.chmod(0o755)
            answer = await http.get(f"{path}/paper", headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")


async def test_the_printing_process_is_told_no_secret(
    house: System,
    office: Office,
    other_printer: Any,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    path = await certify(office)
    monkeypatch.setenv("ZHIBAO_TOKEN_KEY", "secret-of-the-environment")
    program, seen = tmp_path / "program", tmp_path / "seen"
    program.write_text(f'#!/bin/sh\nenv > {seen}\nexec {sys.executable} "$@"\n')
    program.chmod(0o755)
    async with other_printer(Printer(python=str(program))) as http:
        headers = {"authorization": f"Bearer {office.filer}"}
        assert (await http.get(f"{path}/paper", headers=headers)).status_code == 200
    assert "LANG=" in seen.read_text()
    assert "secret" not in seen.read_text()
    assert "ZHIBAO" not in seen.read_text()


# --- many -----------------------------------------------------------------------------------------


async def batch(house: System, token: str, body: Any, cursor: str = "") -> httpx.Response:
    query = f"?cursor={cursor}" if cursor else ""
    return await house.http.post(
        f"/api/certificates/papers{query}",
        json=body,
        headers={"authorization": f"Bearer {token}"},
    )


def opened(answer: httpx.Response) -> dict[str, bytes]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


async def test_certificates_named_by_number_are_printed_and_the_others_told_why(
    house: System, office: Office
) -> None:
    path = await certify(office)
    rare = await certify(office, content={"address": "测试路2号"})
    number, unprintable = [(await office.held(one))["number"] for one in (path, rare)]
    async with house.engine.begin() as connection:
        # as if it had been issued with another font at hand
        await connection.execute(
            text("""UPDATE certificates SET content = jsonb_set(content, '{address}', '"𠮷路1号"')
                WHERE number = :number"""),
            {"number": unprintable},
        )
    await house.add(institution("listed", issuer=ISSUER))
    hunan = Office(house, "amr-430000", "lab")
    theirs = await hunan.begin({"content": content(issuer="amr-430000")}, hunan.clerk)
    assert (await hunan.apply(theirs, hunan.clerk, decided=DECIDED)).status == 200
    foreign = (await office.held(theirs))["number"]
    async with house.engine.connect() as connection:
        found = await connection.execute(
            text("SELECT number FROM certificates WHERE institution_id = 'listed'")
        )
        listed = str(found.scalar_one())
    numbers = [number, number, unprintable, foreign, listed, "999999999999"]
    answer = await batch(house, office.clerk, {"numbers": numbers})
    assert (answer.headers["x-printed"], answer.headers["x-left-out"]) == ("1", "4")
    assert "x-next-cursor" not in answer.headers
    files = opened(answer)
    told = files.pop("未打印.txt").decode("utf-8-sig").splitlines()
    [(name, printed)] = files.items()
    assert number in name
    assert printed == await pdf(house, path, office.filer)
    reasons = dict(line.split("\t") for line in told)
    assert set(reasons) == {unprintable, foreign, listed, "999999999999"}
    assert "𠮷" in reasons[unprintable]
    assert "湖南省市场监督管理局" in reasons[foreign]
    assert "没有登记内容" in reasons[listed]
    assert "没有找到" in reasons["999999999999"]
    again = await batch(house, office.clerk, {"numbers": numbers[::-1]})
    assert again.content == answer.content


async def issued_on(house: System, day: date, count: int, lines: int, prefix: str) -> None:
    """Certificates in the register as an import leaves them: with content, without a case."""
    one = {
        **content(), "equipment": [], "sites": [],
        "capabilities": [
            {"category": "混凝土", "item": f"项目{n}", "standard": "GB/T 50081", "year": "2019"}
            for n in range(lines)
        ],
    }  # fmt: skip
    rows = [
        {
            "number": f"{prefix}{n:04}", "institution_id": "lab", "level": "provincial",
            "issuer": ISSUER, "scope": lines, "valid_to": date(2099, 1, 1), "origin": "register",
            "code": f"{prefix}-{n}", "issued_on": day, "valid_from": day, "content": one,
            "statement": "A" * 200,
        }
        for n in range(count)
    ]  # fmt: skip
    async with house.engine.begin() as connection:
        await connection.execute(insert(certificates), rows)


async def test_all_issued_between_two_days_are_printed_page_by_page(
    house: System, office: Office
) -> None:
    day = date(2031, 5, 6)
    count = MOST_PAPERS + 3
    await issued_on(house, day, count, 1, "31050000")
    await issued_on(house, day + timedelta(days=1), 1, 1, "31060000")
    body = {"issued_from": day.isoformat(), "issued_to": day.isoformat()}
    first = await batch(house, office.clerk, body)
    assert first.headers["x-printed"] == str(MOST_PAPERS)
    second = await batch(house, office.clerk, body, first.headers["x-next-cursor"])
    assert "x-next-cursor" not in second.headers
    names = [name[6:] for answer in (first, second) for name in opened(answer)]
    assert names == [f"31050000{n:04}.pdf" for n in range(count)]
    # broken off and asked for again, a page is the same
    assert (await batch(house, office.clerk, body)).content == first.content
    none = {"issued_from": "2032-01-01", "issued_to": "2032-12-31"}
    refused = await batch(house, office.clerk, none)
    assert (refused.status_code, refused.json()["code"]) == (404, "not_found")
    hunan = house.token(CLERK, "hunan-clerk", "amr-430000")
    assert (await batch(house, hunan, body)).status_code == 404


async def test_long_annexes_make_shorter_pages(house: System, office: Office) -> None:
    day = date(2031, 7, 1)
    await issued_on(house, day, 3, 2600, "31070000")
    body: dict[str, Any] = {"issued_from": day.isoformat(), "issued_to": day.isoformat()}
    cursor, printed = "", []
    for _ in range(3):
        answer = await batch(house, office.clerk, body, cursor)
        printed += list(opened(answer))
        cursor = answer.headers.get("x-next-cursor", "")
    assert (len(printed), cursor) == (3, "")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"numbers": []},
        {"issued_from": "2026-01-01"},
        {"issued_to": "2026-01-01"},
        {"numbers": ["A"], "issued_from": "2026-01-01", "issued_to": "2026-01-01"},
        {"numbers": ["A"], "issued_from": "2026-01-01"},
        {"numbers": ["有字"]},
        {"numbers": ["A" * 65]},
        {"numbers": ["A"] * 5001},
        {"numbers": ["A"], "more": 1},
    ],
)
async def test_a_batch_that_says_nothing_or_too_much_is_refused(
    house: System, office: Office, body: Any
) -> None:
    refused = await batch(house, office.clerk, body)
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_body")


async def test_the_file_carries_its_fonts_and_all_lines_of_a_long_annex(
    house: System, office: Office
) -> None:
    lines = [
        {"category": "混凝土", "item": f"项目{n}号", "standard": "GB/T 50081", "year": "2019"}
        for n in range(300)
    ]
    printed = await pdf(house, await certify(office, content={"capabilities": lines}), office.filer)
    assert pages_in(printed) > 5
    said = text_of(printed)
    assert all(f"项目{n}号" in said for n in range(300))
    assert all(inside for _, inside in fonts_in(printed))
