"""The number's codec: what it writes it reads, and every other text is refused precisely."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.certificates.number import DecodedNumber, NumberProblem, decode, encode
from rules.certificates.certificates import current_certificate_rules
from rules.file.library import SHIPPED

TABLES = current_certificate_rules(SHIPPED).tables

PARTS = st.tuples(
    st.integers(2000, 2099),
    st.sampled_from(sorted(TABLES.authorities)),
    st.sampled_from(sorted(TABLES.fields)),
    st.sampled_from(sorted(TABLES.industries)),
    st.integers(1, 9999),
)


@given(PARTS)
def test_what_is_encoded_decodes_to_the_same(parts: tuple[int, str, str, str, int]) -> None:
    number = encode(*parts)
    found = decode(number, TABLES)
    assert isinstance(found, DecodedNumber)
    assert len(number) == 12
    assert number.isascii()
    read = (found.year, found.authority_code, found.field, found.industry, found.serial)
    assert read == parts
    assert found.authority == TABLES.authorities[parts[1]]


@given(st.from_regex(r"[0-9]{12}", fullmatch=True))
def test_twelve_digits_decode_exactly_or_are_refused_for_their_first_fault(number: str) -> None:
    found = decode(number, TABLES)
    if isinstance(found, DecodedNumber):
        parts = (found.year, found.authority_code, found.field, found.industry, found.serial)
        assert encode(*parts) == number
        return
    faults = {
        "unknown_authority": number[2:4] in TABLES.authorities,
        "unknown_field": number[4:6] in TABLES.fields,
        "unknown_industry": number[6:8] in TABLES.industries,
        "serial_zero": number[8:] != "0000",
    }
    assert found.code == next(code for code, well in faults.items() if not well)


@given(st.one_of(st.text(max_size=30), st.text(alphabet="0123456789０９ 　-", max_size=16)))
def test_any_other_text_is_refused_in_one_printable_line(text: str) -> None:
    found = decode(text, TABLES)
    if isinstance(found, DecodedNumber):
        assert len(text) == 12
        assert text.isascii()
        return
    assert len(found.message) < 200
    assert found.message.isprintable()


@pytest.mark.parametrize(
    ("number", "year", "authority", "field", "industry", "serial"),
    [
        ("152701060345", 2015, "amr-610000", "建筑工程", "住建", 345),
        ("150001210318", 2015, "samr", "建筑工程", "铁路", 318),
        ("180001211497", 2018, "samr", "建筑工程", "铁路", 1497),
    ],
)
def test_real_numbers(
    number: str, year: int, authority: str, field: str, industry: str, serial: int
) -> None:
    found = decode(number, TABLES)
    assert isinstance(found, DecodedNumber)
    assert (found.year, found.authority, found.serial) == (year, authority, serial)
    assert (found.field_name, found.industry_name) == (field, industry)


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("", "wrong_length", "有 0 位"),
        ("15270106034", "wrong_length", "有 11 位"),
        ("1527010603456", "wrong_length", "有 13 位"),
        ("1" * 5000, "wrong_length", "有 5000 位"),
        ("１５２７０１０６０３４５", "full_width", "请写成 152701060345"),
        ("152701060３45", "full_width", "请写成 152701060345"),
        ("1527 0106 0345", "spaces", "请写成 152701060345"),
        ("152701060345\n", "spaces", "请写成 152701060345"),
        ("　152701060345", "spaces", "请写成 152701060345"),
        ("15270106034x", "not_digits", "第 12 个字符“x”"),
        ("1527-0106-0345", "not_digits", "第 5 个字符“-”"),
        ("١٥٢٧٠١٠٦٠٣٤٥", "not_digits", "第 1 个字符"),
        ("-52701060345", "not_digits", "第 1 个字符“-”"),
        ("153201060345", "unknown_authority", "第 3、4 位的发证机关代码 32"),
        ("152722060345", "unknown_field", "第 5、6 位的专业领域代码 22"),
        ("152701350345", "unknown_industry", "第 7、8 位的行业代码 35"),
        ("152701060000", "serial_zero", "流水号从 0001 起"),
    ],
)
def test_what_is_no_number_is_said_precisely(text: str, code: str, words: str) -> None:
    found = decode(text, TABLES)
    assert isinstance(found, NumberProblem)
    assert found.code == code
    assert words in found.message


@pytest.mark.parametrize(
    "parts",
    [
        (1999, "27", "01", "06", 1),
        (2100, "27", "01", "06", 1),
        (2015, "27", "01", "06", 0),
        (2015, "27", "01", "06", 10_000),
        (2015, "7", "01", "06", 1),
        (2015, "２７", "01", "06", 1),
    ],
)
def test_what_twelve_digits_cannot_say_is_not_written(
    parts: tuple[int, str, str, str, int],
) -> None:
    with pytest.raises(ValueError, match=r"."):
        encode(*parts)
