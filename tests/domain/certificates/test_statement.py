"""The signed statement: it says what was issued, and nobody can change a bit of it."""

import base64
import string
import unicodedata
from datetime import date, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.certificates.certificate import Certificate, CertificateContent, CertificateStatus
from domain.certificates.statement import (
    LONGEST_HOLDER,
    MAX_TEXT,
    PublishedKey,
    PublishedKeys,
    Statement,
    StatementProblem,
    certificate_url,
    differences,
    public_key,
    sign,
    state,
    verify,
    verify_scanned,
)
from domain.text import is_usable, unmarked

OLD = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
NEW = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
ISSUED = date(2019, 7, 12)
CODE = "0123456789ABCDEFGHJKMNPQRS"
SITE = "https://zhibao.example.cn"
SAFE = set(string.ascii_letters + string.digits + "-._~")


def certificate(holder: str = "示例（生成）检测有限公司", **values: Any) -> Certificate:
    content = CertificateContent(
        institution="lab",
        holder=holder,
        level="provincial",
        issuer="amr-610000",
        field="01",
        industry="06",
    )
    given = {
        "code": CODE,
        "number": "192701060345",
        "issued_on": ISSUED,
        "valid_from": ISSUED,
        "valid_to": date(2025, 7, 11),
        "status": CertificateStatus.VALID,
        "content": content,
    }
    return Certificate(**{**given, **values})


def published(
    key: Ed25519PrivateKey,
    name: str = "2019a",
    first: date = date(2019, 7, 1),
    **dates: date,
) -> PublishedKey:
    listed = {"id": name, "public_key": public_key(key), "from": first, **dates}
    return PublishedKey.model_validate(listed)


def keys(*listed: PublishedKey) -> PublishedKeys:
    return PublishedKeys(keys=listed)


def signed(holder: str = "示例（生成）检测有限公司", on: date = ISSUED) -> str:
    return sign(state(certificate(holder), "2019a", on), OLD)


def refused(found: Statement | StatementProblem) -> str:
    assert isinstance(found, StatementProblem), found
    return found.code


HOLDERS = (
    st.text(alphabet=st.characters(exclude_categories=("C", "Zl", "Zp")), min_size=1, max_size=200)
    .map(lambda text: unmarked(unicodedata.normalize("NFC", text)))
    .filter(lambda text: 0 < len(text) <= 200 and is_usable(text))
)
DAYS = st.dates(date(2000, 1, 1), date(2179, 6, 6))


@given(HOLDERS, DAYS, DAYS, DAYS)
def test_a_statement_says_what_the_certificate_says(
    holder: str, issued: date, last: date, on: date
) -> None:
    one = certificate(holder, issued_on=issued, valid_from=issued, valid_to=last)
    made = state(one, "2019a", on)
    text = sign(made, OLD)
    found = verify(text, keys(published(OLD, first=date(2000, 1, 1))))
    assert found == made
    assert isinstance(found, Statement)
    assert differences(found, one) == []
    assert found.names(holder)
    assert not found.names(holder[:-1])
    assert not found.names(holder + "甲")
    assert (found.signed_on, found.valid_to) == (on, last)
    assert set(text) <= SAFE


@pytest.mark.parametrize(
    ("holder", "whole"),
    [
        ("检" * 32, True),
        ("检" * 33, False),
        ("a" * LONGEST_HOLDER, True),
        ("a" * (LONGEST_HOLDER + 1), False),
        ("𠮷" * 24, True),
        ("a" + "𠮷" * 24, False),
        ("检" * 200, False),
    ],
)
def test_a_long_name_is_cut_between_characters_and_proved_by_its_hash(
    holder: str, whole: bool
) -> None:
    found = verify(signed(holder), keys(published(OLD)))
    assert isinstance(found, Statement)
    assert (found.holder == holder) is whole
    assert holder.startswith(found.holder)
    assert len(found.holder.encode()) > 55
    assert found.names(holder)
    assert not found.names(holder[:-1] + "院")


def flipped(raw: bytes, bit: int) -> bytes:
    changed = bytearray(raw)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


@pytest.mark.parametrize("holder", ["示例（生成）检测有限公司", "检" * 200])
def test_every_single_flipped_bit_makes_it_fail(holder: str) -> None:
    text, listed = signed(holder), keys(published(OLD))
    assert isinstance(verify(text, listed), Statement)
    raw = base64.b32decode(text + "=" * (-len(text) % 8))
    for bit in range(8 * len(raw)):
        changed = base64.b32encode(flipped(raw, bit)).decode().rstrip("=")
        assert isinstance(verify(changed, listed), StatementProblem), f"bit {bit} of the content"
    for bit in range(8 * len(text)):
        changed = flipped(text.encode(), bit).decode("latin-1")
        assert isinstance(verify(changed, listed), StatementProblem), f"bit {bit} of the text"


@settings(max_examples=300)
@given(st.data())
def test_cut_or_longer_texts_prove_nothing(data: st.DataObject) -> None:
    text = signed()
    end = data.draw(st.integers(0, len(text) - 1))
    more = data.draw(st.text(alphabet=string.ascii_uppercase + "234567=", min_size=1, max_size=8))
    for changed in (text[:end], text[end + 1 :], text + more, text[:end] + more + text[end:]):
        assert refused(verify(changed, keys(published(OLD)))) in {
            "malformed",
            "bad_signature",
            "unknown_version",
            "unknown_key",
        }


@given(st.one_of(st.text(), st.text(alphabet=string.ascii_uppercase + "234567", max_size=500)))
def test_any_text_is_refused_and_nothing_raised(text: str) -> None:
    assert isinstance(verify(text, keys(published(OLD))), StatementProblem)
    assert isinstance(verify_scanned(text, keys(published(OLD))), StatementProblem)


@given(st.binary(min_size=67, max_size=300))
def test_any_signed_bytes_are_refused_unless_they_are_the_one_way_to_write(body: bytes) -> None:
    """Even whoever holds the key can sign nothing that reads in two ways."""
    raw = b"\x01" + body
    text = base64.b32encode(raw + OLD.sign(raw)).decode().rstrip("=")
    assert isinstance(verify(text, keys(published(OLD))), StatementProblem)


def test_an_enormous_text_is_refused_at_once() -> None:
    assert refused(verify_scanned("A" * 10_000_000, keys())) == "malformed"
    assert len(certificate_url(SITE, CODE, signed("检" * 200))) < MAX_TEXT / 4


def test_another_version_is_named() -> None:
    raw = b"\x02" + base64.b32decode(signed() + "=" * (-len(signed()) % 8))[1:]
    text = base64.b32encode(raw).decode().rstrip("=")
    assert refused(verify(text, keys(published(OLD)))) == "unknown_version"


def test_an_unknown_key_is_named() -> None:
    found = verify(signed(), keys(published(OLD, "2020a")))
    assert refused(found) == "unknown_key"
    assert isinstance(found, StatementProblem)
    assert "2019a" in found.message


def test_another_key_under_the_same_name_is_a_bad_signature() -> None:
    assert refused(verify(signed(), keys(published(NEW)))) == "bad_signature"


def test_after_rotation_old_papers_keep_their_worth_and_the_old_key_signs_no_more() -> None:
    listed = keys(
        published(OLD, until=date(2020, 6, 30)),
        published(NEW, "2020a", first=date(2020, 7, 1)),
    )
    last = signed(on=date(2020, 6, 30))
    assert isinstance(verify(last, listed), Statement)
    assert refused(verify(signed(on=date(2020, 7, 1)), listed)) == "key_not_in_use"
    again = sign(state(certificate(), "2020a", date(2020, 7, 1)), NEW)
    assert isinstance(verify(again, listed), Statement)
    early = sign(state(certificate(), "2020a", date(2020, 6, 30)), NEW)
    assert refused(verify(early, listed)) == "key_not_in_use"


def test_a_key_proves_nothing_before_its_first_day() -> None:
    first = date(2019, 7, 1)
    assert isinstance(verify(signed(on=first), keys(published(OLD))), Statement)
    day_before = signed(on=first - timedelta(days=1))
    assert refused(verify(day_before, keys(published(OLD)))) == "key_not_in_use"


def test_a_retired_key_proves_nothing_whatever_the_date() -> None:
    listed = keys(published(OLD, retired=date(2021, 3, 1)))
    found = verify(signed(), listed)
    assert refused(found) == "key_retired"
    assert isinstance(found, StatementProblem)
    assert "2021-03-01" in found.message


def test_the_list_of_keys_is_read_as_published_and_refused_when_in_disorder() -> None:
    listed = keys(published(OLD, until=date(2020, 6, 30)))
    as_json = listed.model_dump_json(by_alias=True)
    assert '"from":"2019-07-01"' in as_json
    assert PublishedKeys.model_validate_json(as_json) == listed
    with pytest.raises(ValueError, match="重复"):
        keys(published(OLD), published(NEW))
    with pytest.raises(ValueError, match="早于"):
        published(OLD, until=date(2019, 6, 30))


def test_a_scanned_address_is_verified_with_its_code() -> None:
    url = certificate_url(f"{SITE}/", CODE, signed())
    assert url.startswith(f"{SITE}/c/{CODE}?s=")
    assert isinstance(verify_scanned(url, keys(published(OLD))), Statement)
    assert isinstance(verify_scanned(f" {url}\n", keys(published(OLD))), Statement)
    other = certificate_url(SITE, CODE[::-1], signed())
    assert refused(verify_scanned(other, keys(published(OLD)))) == "other_code"


def test_differences_name_what_the_record_says_otherwise() -> None:
    made = state(certificate(), "2019a", ISSUED)
    renamed = certificate("新名（生成）检测有限公司", valid_to=date(2031, 7, 11))
    assert differences(made, renamed) == ["valid_to", "holder"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"number": "编号"},
        {"number": "1" * 65},
        {"code": ""},
        {"valid_to": date(2179, 6, 7)},
        {"issued_on": date(1999, 12, 31)},
    ],
)
def test_what_a_statement_cannot_say_is_not_signed(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"."):
        state(certificate(**wrong), "2019a", ISSUED)
