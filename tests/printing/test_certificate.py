"""A printed certificate, read back from its file as its readers do."""

import re
import shutil
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from domain.certificates.certificate import (
    CERTIFICATE_STATUS_LABELS,
    Capability,
    Certificate,
    CertificateStatus,
    Signatory,
)
from domain.certificates.statement import certificate_url, sign, state
from printing.certificate import (
    TEMPLATES,
    BrokenTemplate,
    MissingCharacters,
    preview_certificate,
    preview_draft,
    render_certificate,
)
from tests.printing.papers import (
    ISSUER,
    PRINTED,
    URL,
    certificate,
    edges,
    fonts_in,
    pages_in,
    picture_says,
    raw_text,
    scanned,
    text_of,
)


def printed(one: Certificate, **over: Any) -> bytes:
    given: dict[str, Any] = {"issuer_name": ISSUER, "url": URL, "timestamp": PRINTED}
    return render_certificate(one, **(given | over))


def test_the_same_certificate_at_the_same_moment_is_the_same_file_to_the_byte() -> None:
    first = printed(certificate())
    other = printed(certificate(number="249999999999"))
    assert printed(certificate()) == first
    assert other != first
    assert printed(certificate(), timestamp=PRINTED + timedelta(seconds=1)) != first


def test_a_moment_without_a_time_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        printed(certificate(), timestamp=PRINTED.replace(tzinfo=None))


def test_the_file_says_it_is_an_archive_file_and_carries_its_own_fonts() -> None:
    file = printed(certificate())
    assert re.search(rb"<pdfaid:part>2</pdfaid:part>", file)
    assert re.search(rb"<pdfaid:conformance>B</pdfaid:conformance>", file)
    fonts = fonts_in(file)
    assert fonts
    assert all(inside for _, inside in fonts)
    assert all("Noto" in name for name, _ in fonts)


def test_everything_the_certificate_says_can_be_read_on_its_page() -> None:
    text = text_of(printed(certificate()), page=1)
    for words in (
        "检验检测机构",
        "资质认定证书",
        "证书编号：241301060345",
        "福建省产品质量检验研究院/",
        "国家加工食品质量检验检测中心",
        "福建省福州市仓山区山西路二号",
        "91620102739638125B",
        "许可使用标志",
        "2024年05月02日",
        "2030年05月01日",
        ISSUER,
        "登记时间：2024-06-0118:00:00（北京时间）",
        "登记状态：有效",
    ):
        assert words in text, words
    assert "有效期自" not in text


def test_a_certificate_that_starts_later_than_it_was_issued_says_from_when() -> None:
    text = text_of(printed(certificate(valid_from=date(2024, 7, 1))), page=1)
    assert "有效期自：2024年07月01日" in text


@pytest.mark.parametrize(
    ("moment", "label", "words"),
    [
        (
            datetime(2024, 6, 30, 15, 59, 59, tzinfo=UTC),
            "尚未生效",
            "本证书自2024年07月01日起在中华人民共和国境内有效。",
        ),
        (
            datetime(2024, 6, 30, 16, 0, tzinfo=UTC),
            "有效",
            "本证书在中华人民共和国境内有效。",
        ),
    ],
)
def test_a_certificate_prints_as_not_yet_valid_before_its_first_day_in_beijing(
    moment: datetime, label: str, words: str
) -> None:
    """Nothing is stamped across it: the paper is handed over before that day, and kept."""
    file = printed(certificate(valid_from=date(2024, 7, 1)), timestamp=moment)
    text = text_of(file, page=1)
    assert f"登记状态：{label}" in text
    assert words in text
    assert text.count("尚未生效") == (label == "尚未生效")
    assert "尚未生效" not in text_of(file, page=2)


def test_the_annex_lists_sites_signatories_and_capabilities() -> None:
    text = text_of(printed(certificate()), page=2)
    for words in (
        "福建省福州市鼓楼区杨桥西路三号",
        "陈镕喆",
        "林㻏",
        "化学需氧量（COD）第2项",
        "GB5009.12-2023",
        "HJ828-2017",
        "GB/T5750.4",
        "不测第二法",
        "第1页共1页",
    ):
        assert words in text, words


def test_a_certificate_without_anything_in_its_annex_still_prints_one() -> None:
    bare = {"sites": [], "signatories": [], "capabilities": [], "uscc": "", "address": ""}
    text = text_of(printed(certificate(content=bare)))
    assert "一、检测能力附表" in text
    assert "（无）" in text
    assert "统一社会信用代码" not in text


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("superseded", "本证书已于2025年03月01日换发，不再使用；新证书的查询代码：NEW1。"),
        ("deregistered", "本证书已于2025年03月01日被注销。"),
        ("revoked", "本证书已于2025年03月01日被撤销。"),
        ("rescinded", "本证书已于2025年03月01日被吊销。"),
    ],
)
def test_an_ended_certificate_says_so_and_since_when_and_its_code_still_scans(
    status: str, words: str
) -> None:
    ended = certificate(status=status, superseded_by="NEW1" if status == "superseded" else "")
    file = printed(ended, status_since=date(2025, 3, 1))
    text = text_of(file, page=1)
    assert words in text
    assert f"登记状态：{CERTIFICATE_STATUS_LABELS[CertificateStatus(status)]}" in text
    assert "本证书在中华人民共和国境内有效" not in text
    assert scanned(file) == URL
    without_day = text_of(printed(ended), page=1)
    assert words.replace("于2025年03月01日", "") in without_day


@pytest.mark.parametrize(
    ("moment", "label"),
    [
        (datetime(2030, 5, 1, 15, 59, 59, tzinfo=UTC), "有效"),
        (datetime(2030, 5, 1, 16, 0, tzinfo=UTC), "过期"),
    ],
)
def test_a_certificate_prints_as_expired_once_its_last_day_in_beijing_is_over(
    moment: datetime, label: str
) -> None:
    text = text_of(printed(certificate(), timestamp=moment), page=1)
    assert f"登记状态：{label}" in text
    assert ("自2030年05月02日起过期" in text) == (label == "过期")


def test_a_revoked_certificate_stays_revoked_when_its_last_day_is_over() -> None:
    later = datetime(2031, 1, 1, tzinfo=UTC)
    text = text_of(printed(certificate(status="revoked"), timestamp=later), page=1)
    assert "登记状态：撤销" in text


@pytest.mark.parametrize("length", [30, 100, 200, 400, 600])
def test_the_code_on_the_page_scans_at_150_dots_per_inch(length: int) -> None:
    url = "https://zhibao.example.cn/c/" + ("0aZ-9_" * length)[: length - 28]
    assert len(url) == length
    assert scanned(printed(certificate(), url=url)) == url


def test_the_longest_signed_statement_fits_and_scans() -> None:
    one = certificate(
        code="C" * 64,
        number="9" * 64,
        content={"holder": "检" * 200, "issuer": "group-" + "x" * 40},
    )
    key = Ed25519PrivateKey.from_private_bytes(bytes(32))
    statement = sign(state(one, "K" * 32, date(2024, 6, 1)), key)
    url = certificate_url("https://certificates.example.gov.cn", one.code, statement)
    assert len(url) > 700
    assert scanned(printed(one, url=url)) == url


@pytest.mark.parametrize(
    ("length", "fits"), [(0, False), (666, True), (667, False), (3000, False), (9000, False)]
)
def test_an_address_that_does_not_fit_is_refused(length: int, fits: bool) -> None:
    if fits:
        assert printed(certificate(), url="a" * length)
        return
    with pytest.raises(ValueError, match=r"address|Data too large"):
        printed(certificate(), url="a" * length)


HOSTILE = [
    '#import "/annex.typ": *',
    "#read(\"/certificate.typ\") #panic('x')",
    "$ x^2 $ \\ ] [ } { ) ( `raw` *b* _i_ <label> @ref // /* = - +",
    '"; #let data = none; "\\u{41}',
    "https://example.com/x",
    "{certificate} {annex} %s {0}",
]


@pytest.mark.parametrize("words", HOSTILE)
def test_what_people_wrote_is_printed_and_never_obeyed(words: str) -> None:
    content = {
        "holder": f"甲{words}乙",
        "address": f"丙{words}丁",
        "sites": [words],
        "signatories": [Signatory(name=words, field=words)],
        "capabilities": [Capability(category=words, item=words, standard=words, limits=words)],
    }
    file = printed(certificate(number=words, content=content), issuer_name=words)
    face, annex = text_of(file, page=1), text_of(file, page=2)
    bare = "".join(words.split())
    assert f"丙{bare}丁" in face
    assert bare in annex


def test_rare_characters_print() -> None:
    rare = "㻏𬭎镕喆䶮𬱖·—～（）〔2024〕①Ⅳ℃μ±≤"
    content = {"holder": rare, "address": rare}
    assert rare in text_of(printed(certificate(content=content)), page=1)


@pytest.mark.parametrize("where", ["holder", "address", "sites", "signatories", "capabilities"])
def test_a_character_no_font_has_stops_the_print_and_is_named(where: str) -> None:
    bad = "某\U00020bb7\U00018b00某"
    contents: dict[str, Any] = {
        "holder": bad,
        "address": bad,
        "sites": [bad],
        "signatories": [Signatory(name="甲", field=bad)],
        "capabilities": [Capability(category="甲", item="乙", standard="丙", limits=bad)],
    }
    one = certificate(content={where: contents[where]})
    with pytest.raises(MissingCharacters, match=r"𠮷（U\+20BB7）、.*U\+18B00") as refused:
        printed(one)
    assert refused.value.characters == ["\U00020bb7", "\U00018b00"]
    with pytest.raises(MissingCharacters):
        preview_certificate(one, issuer_name=ISSUER, url=URL, timestamp=PRINTED)


def test_the_longest_texts_stay_on_one_page_and_the_code_still_scans() -> None:
    url = "https://zhibao.example.cn/c/" + "x" * 372
    content = {
        "holder": "某" * 100 + "/" + "W" * 99,
        "address": "地" * 300,
        "parent_uscc": "91620102739638125B",
        "sites": ["址" * 300],
    }
    one = certificate(status="superseded", content=content, valid_from=date(2024, 7, 1))
    file = printed(one, issuer_name="新疆维吾尔自治区" * 10, url=url)
    assert pages_in(file) == 2
    assert text_of(file, page=1).count("地") >= 300
    assert scanned(file) == url


def test_a_long_annex_repeats_its_head_and_numbers_its_pages() -> None:
    file = printed(certificate(annex=300), status_since=None)
    total = pages_in(file) - 1
    assert total > 5
    whole = text_of(file)
    for page in range(1, total + 1):
        text = text_of(file, page=page + 1)
        assert f"第{page}页共{total}页" in text
        assert "序号类别产品/项目/参数" in text
    assert all(f"第{number}项" in whole for number in range(1, 301))


def test_no_page_ends_with_a_head_without_rows() -> None:
    """Whatever number of signatories pushes the last heading to the foot of the page."""
    for count in range(20, 45):
        signatories = [Signatory(name=f"签字人{number}", field="食品") for number in range(count)]
        file = printed(certificate(content={"signatories": signatories}))
        for page in range(2, pages_in(file) + 1):
            text = text_of(file, page=page)
            if "三、检测能力附表" in text:
                assert "第1项" in text.split("三、检测能力附表")[1], count


def test_long_words_wrap_inside_their_cell() -> None:
    word = "X" * 200
    line = Capability(category=word, item=word, standard=word, limits=word)
    file = printed(certificate(content={"capabilities": [line]}))
    left, right = edges(file, page=2)
    assert left >= 17.9 / 25.4 * 72
    assert right <= (210 - 17.9) / 25.4 * 72
    assert max(map(len, raw_text(file, page=2).split())) < 40
    assert text_of(file).count("X") == 800


def test_the_preview_is_a_picture_of_the_page() -> None:
    picture = preview_certificate(
        certificate(annex=500), issuer_name=ISSUER, url=URL, timestamp=PRINTED, dots_per_inch=72
    )
    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = (int.from_bytes(picture[at : at + 4]) for at in (16, 20))
    assert (width, height) == (595, 842)


CARELESS = """\
#let certificate(data) = {
  set text(font: data.fonts)
  if data.status == "draft" {
    assert(data.number.contains("样张") and data.code == "")
    for day in (data.issued_on, data.valid_from, data.valid_to) { assert(day == "样张") }
  }
  [#data.number #data.valid_to]
  image(bytes(data.qr), format: "svg", width: 80mm)
}
"""


def test_a_template_of_a_draft_is_given_neither_number_nor_days_nor_a_code_that_scans(
    tmp_path: Path,
) -> None:
    """A layout that prints whatever it gets, and knows nothing of drafts."""
    folder = Path(shutil.copytree(TEMPLATES, tmp_path / "careless"))
    (folder / "certificate.typ").write_text(CARELESS, encoding="utf-8")
    one = certificate()
    picture = preview_draft(one.content, issuer_name=ISSUER, template_folder=folder)
    assert picture_says(picture) == ""
    shown = preview_certificate(
        one, issuer_name=ISSUER, url=URL, timestamp=PRINTED, template_folder=folder
    )
    assert picture_says(shown) == URL


@pytest.fixture
def templates(tmp_path: Path) -> Path:
    return Path(shutil.copytree(TEMPLATES, tmp_path / "templates"))


def test_a_province_prints_with_its_own_page_and_others_with_the_national_one(
    templates: Path,
) -> None:
    own = templates / "350000" / "certificate.typ"
    own.parent.mkdir()
    own.write_text(
        '#import "../certificate.typ" as national\n'
        "#let certificate(data) = {\n"
        "  set text(font: data.fonts)\n  [福建版式 #data.number #data.holder]\n}\n",
        encoding="utf-8",
    )
    for issuer, ours in (
        ("amr-350000", True),
        ("amr-350100", True),
        ("amr-350102", True),
        ("amr-360000", False),
        ("samr", False),
    ):
        one = certificate(content={"issuer": issuer})
        text = text_of(printed(one, template_folder=templates))
        assert ("福建版式" in text) == ours, issuer
        assert "检测能力附表" in text


def test_a_changed_template_counts_from_the_next_print(templates: Path) -> None:
    before = text_of(printed(certificate(), template_folder=templates))
    page = templates / "certificate.typ"
    page.write_text(page.read_text(encoding="utf-8").replace("扫码核验", "扫码查验"), "utf-8")
    after = text_of(printed(certificate(), template_folder=templates))
    assert "扫码核验本证书" in before
    assert "扫码查验本证书" in after


def test_a_broken_or_missing_template_is_reported_with_its_place(templates: Path) -> None:
    page = templates / "certificate.typ"
    page.write_text("#let certificate(data) = {\n  data.nothing\n}\n", encoding="utf-8")
    with pytest.raises(BrokenTemplate, match="模板有误") as broken:
        printed(certificate(), template_folder=templates)
    assert "certificate.typ:2" in broken.value.diagnostic
    page.unlink()
    with pytest.raises(BrokenTemplate) as missing:
        printed(certificate(), template_folder=templates)
    assert "certificate.typ" in missing.value.diagnostic


@pytest.mark.parametrize("content", [b"", b"no font at all", bytes(64)])
def test_a_font_file_that_is_none_is_reported_by_name(content: bytes, templates: Path) -> None:
    (templates / "fonts").mkdir()
    (templates / "fonts" / "rare.otf").write_bytes(content)
    with pytest.raises(BrokenTemplate) as broken:
        printed(certificate(), template_folder=templates)
    assert "rare.otf" in broken.value.diagnostic


def test_a_template_reads_nothing_outside_its_folder(templates: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("secret", encoding="utf-8")
    page = templates / "certificate.typ"
    page.write_text('#let certificate(data) = read("../secret.txt")\n', encoding="utf-8")
    with pytest.raises(BrokenTemplate):
        printed(certificate(), template_folder=templates)
