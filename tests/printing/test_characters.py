"""Which characters can be printed: what is said about it is what the typesetter finds."""

import shutil
from pathlib import Path

import pytest
import typst
from hypothesis import given, settings
from hypothesis import strategies as st
from pylopdf_fonts_zh_cn import sans_path, serif_path

from printing.certificate import TEMPLATES
from printing.characters import (
    families_of,
    font_files,
    fonts_of,
    missing_characters,
    name_character,
)

FILES = tuple(font_files(TEMPLATES))
HAN = st.characters(min_codepoint=0x3400, max_codepoint=0x323AF, categories=["Lo"])


def typesets(character: str) -> bool:
    """Whether the typesetter has a glyph, for which it refuses to write an archive file if not."""
    try:
        typst.compile(
            b"#set text(font: (sys.inputs.a, sys.inputs.b))\n#sys.inputs.text",
            font_paths=fonts_of(FILES),
            ignore_system_fonts=True,
            format="pdf",
            pdf_standards=["a-2b"],
            sys_inputs={"text": character, "a": families_of(FILES)[0], "b": families_of(FILES)[1]},
            timestamp=0,
        )
    except typst.TypstError as refused:
        if "could not be displayed" not in refused.message:
            raise
        return False
    return True


@given(HAN | st.characters(categories=["L", "N", "P", "Sm", "Sc"]))
@settings(max_examples=150, deadline=None)
def test_a_character_is_missing_exactly_when_it_cannot_be_typeset(character: str) -> None:
    assert (missing_characters(character) == []) == typesets(character)


@pytest.mark.parametrize("character", "㻏𬭎镕喆䶮")
def test_rare_characters_of_names_are_there(character: str) -> None:
    assert missing_characters(character) == []


@pytest.mark.parametrize("character", ["\u202e", "\u200b", "\ue000", "\x07", "\u2028", "\ufeff"])
def test_what_cannot_be_seen_is_missing_and_named_by_its_number(character: str) -> None:
    assert missing_characters(f"甲{character}乙") == [character]
    assert name_character(character) == f"U+{ord(character):04X}"


def test_each_missing_character_is_listed_once_in_its_order() -> None:
    assert missing_characters("𠮷甲\U0002a6d6𠮷") == ["𠮷", "\U0002a6d6"]
    assert name_character("𠮷") == "𠮷（U+20BB7）"


def test_fonts_beside_the_templates_come_last_and_other_files_are_passed_over(
    tmp_path: Path,
) -> None:
    own = tmp_path / "fonts"
    own.mkdir()
    shutil.copy(sans_path(), own / "a.otf")
    (own / "readme.txt").write_text("no font", encoding="utf-8")
    assert font_files(tmp_path) == [serif_path(), sans_path(), own / "a.otf"]
    assert missing_characters("甲𠮷", template_folder=tmp_path) == ["𠮷"]
