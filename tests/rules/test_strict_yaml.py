"""Strict YAML: what may be written, what is refused and where, and that nothing crashes it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.file.findings import RulesInvalid
from rules.file.strict_yaml import MAX_BYTES, Node, load


def refused(content: str | bytes) -> list[tuple[str, int]]:
    with pytest.raises(RulesInvalid) as caught:
        load(content, "f.yaml")
    return [(finding.code, finding.line) for finding in caught.value.findings]


def test_plain_values_keep_their_types_and_places() -> None:
    node = load('a: 1\nb: "010203"\nc: [true, null, 1.5, 二]\nd:\n  e: -3\n', "f.yaml")
    assert node.plain() == {"a": 1, "b": "010203", "c": [True, None, 1.5, "二"], "d": {"e": -3}}
    assert node.place_of(("d", "e")).line == 5
    assert node.place_of(("d", "missing")).line == 4
    assert str(node.place_of(("c", 1))) == "f.yaml:3"


@pytest.mark.parametrize(
    "value",
    [
        "010203",
        "no",
        "No",
        "yes",
        "on",
        "OFF",
        "n",
        "y",
        "True",
        "FALSE",
        "~",
        "Null",
        "NULL",
        "1:30",
        "12:30:45",
        "2025-03-21",
        "2025-1-2",
        "2025-03-21T00:00:00",
        "0x1F",
        "0o17",
        "0b11",
        "1_000",
        "+1",
        "1e3",
        ".5",
        "5.",
        ".inf",
        "-.inf",
        ".nan",
        "=",
        "123456789012345678901",
    ],
)
def test_yaml_surprises_are_refused_with_the_advice_to_quote(value: str) -> None:
    with pytest.raises(RulesInvalid) as caught:
        load(f"a: x\nb: {value}\n", "f.yaml")
    (finding,) = caught.value.findings
    assert (finding.code, finding.line, finding.path) == ("yaml_surprise", 2, "b")
    assert f'"{value}"' in finding.message
    assert load(f'b: "{value}"', "f.yaml").plain() == {"b": value}


@pytest.mark.parametrize(
    ("content", "code", "line"),
    [
        ("a: 1\nb: 2\na: 3\n", "duplicate_key", 3),
        ("a: &x 1\n", "yaml_anchor", 1),
        ("a: 1\nb: *x\n", "yaml_anchor", 2),
        ("<<: {a: 1}\n", "yaml_surprise", 1),
        ("a: !!str 1\n", "yaml_tag", 1),
        ("a: 1\n---\nb: 2\n", "yaml_documents", 2),
        ("%YAML 1.1\n---\na: 1\n", "yaml_directive", 1),
        ("a:\n\tb: 1\n", "yaml_syntax", 2),
        ("a: [1\n", "yaml_syntax", 2),
        ("a:\nb: 1\n", "yaml_empty_value", 1),
        ("1: x\n", "yaml_key", 1),
        ("? [1]\n: x\n", "yaml_key", 1),
        ("", "yaml_empty", 1),
        ("# nothing\n", "yaml_empty", 1),
        (b"a: 1\nb: \xff\n", "not_utf8", 2),
        ("a: 1\nb: \x00\n", "yaml_syntax", 2),
        ("[" * 60 + "]" * 60, "yaml_depth", 1),
        ("a: x\n" * (MAX_BYTES // 5 + 1), "file_too_large", 1),
    ],
)
def test_is_refused_with_its_line(content: str | bytes, code: str, line: int) -> None:
    assert (code, line) in refused(content)


def test_tabs_are_named() -> None:
    with pytest.raises(RulesInvalid, match="Tab"):
        load("a:\n\tb: 1\n", "f.yaml")


_FRAGMENTS = st.sampled_from(
    (
        "a",
        "b: ",
        "- ",
        "  ",
        "\t",
        "'",
        '"',
        "[",
        "]",
        "{",
        "}",
        ",",
        ": ",
        "? ",
        "&x ",
        "*x",
        "!!int ",
        "%YAML 1.1",
        ">",
        "#",
        "no",
        "010",
        "二",
        "\\u",
        "<<: ",
        "\r",
        "\n",
        "---\n",
        "...\n",
        "|",
    )
)


@given(st.one_of(st.text(), st.binary(), st.lists(_FRAGMENTS, max_size=30).map("".join)))
def test_any_text_is_read_or_refused_and_never_crashes(content: str | bytes) -> None:
    findings = []
    try:
        node = load(content, "f.yaml")
    except RulesInvalid as invalid:
        findings = invalid.findings
    if findings:
        assert all(finding.line >= 1 and finding.message for finding in findings)
        return
    assert isinstance(node, Node)
    node.plain()


_PLAIN = st.recursive(
    st.one_of(
        st.booleans(), st.none(), st.integers(-(10**9), 10**9), st.text('ab 二"\\\n', max_size=6)
    ),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", min_size=1), inner, max_size=3)
    ),
    max_leaves=10,
)


@given(_PLAIN)
def test_json_is_read_as_itself(value: object) -> None:
    import json

    assert load(json.dumps({"v": value}), "f.yaml").plain() == {"v": value}
