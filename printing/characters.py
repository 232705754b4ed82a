"""The fonts certificates are printed with, and which characters none of them can print.

A character that is missing would be an empty box on an official document, so it is refused by
name instead. A deployment that needs more characters puts a font into the templates' ``fonts/``.
"""

import struct
import unicodedata
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import typst
from pylopdf_fonts_zh_cn import sans_path, serif_path

_INVISIBLE = {"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"}
"""Categories that print nothing, or reorder what stands around them."""

_UNICODE_TABLES = ((3, 10, 12), (0, 6, 12), (0, 4, 12))
"""Platform, encoding and format of the tables that map all of Unicode to glyphs."""


def font_files(template_folder: Path) -> list[Path]:
    """The font files in their order of use: serif, sans, then the templates' own by name."""
    own = template_folder / "fonts"
    return [
        serif_path(),
        sans_path(),
        *sorted(file for file in own.glob("*") if file.suffix.lower() in (".otf", ".ttf")),
    ]


@lru_cache(maxsize=16)
def fonts_of(files: tuple[Path, ...]) -> typst.Fonts:
    """These fonts and no others: neither the system's nor those of the typesetter."""
    return typst.Fonts(
        include_system_fonts=False,
        include_embedded_fonts=False,
        font_paths=sorted({str(file.parent) for file in files}),
    )


def families_of(files: Iterable[Path]) -> list[str]:
    """The families of the fonts, serif first: what a template falls back through."""
    by_file = {font.path: font.family for font in fonts_of(tuple(files)).fonts()}
    return list(dict.fromkeys(by_file[str(file)] for file in files if str(file) in by_file))


def missing_characters(text: str, *, template_folder: Path | None = None) -> list[str]:
    """The characters of ``text`` that cannot be printed, each once, in their order.

    Characters without a glyph in any font, and invisible ones: controls, marks that change the
    direction of writing, private and unassigned characters. Raises ValueError for a file among
    the templates' fonts that is none.
    """
    files = font_files(template_folder) if template_folder else [serif_path(), sans_path()]
    printable = [_characters(file, file.stat().st_mtime_ns) for file in files]
    return [
        character
        for character in dict.fromkeys(text)
        if unicodedata.category(character) in _INVISIBLE
        or not any(_has(known, character) for known in printable)
    ]


def name_character(character: str) -> str:
    """A character so that it can be found whether or not a screen shows it: ``𠮷（U+20BB7）``."""
    code = f"U+{ord(character):04X}"
    return code if unicodedata.category(character) in _INVISIBLE else f"{character}（{code}）"


def _has(known: frozenset[int], character: str) -> bool:
    """Whether a font can print it, as one glyph or as a letter and its accents."""
    return ord(character) in known or all(
        ord(part) in known for part in unicodedata.normalize("NFD", character)
    )


@lru_cache(maxsize=32)
def _characters(font: Path, _changed_at: int) -> frozenset[int]:
    """The code points a font has a glyph for. Raises ValueError for a file that does not say."""
    try:
        return _read(font.read_bytes(), font)
    except struct.error:
        raise ValueError(f"{font.name} is no font") from None


def _read(content: bytes, font: Path) -> frozenset[int]:
    (tables,) = struct.unpack_from(">H", content, 4)
    for number in range(tables):
        tag, _, start, _ = struct.unpack_from(">4sIII", content, 12 + 16 * number)
        if tag == b"cmap":
            return _mapped(content, start, font)
    raise ValueError(f"no character table in {font.name}")


def _mapped(content: bytes, start: int, font: Path) -> frozenset[int]:
    (count,) = struct.unpack_from(">H", content, start + 2)
    found = {}
    for number in range(count):
        platform, encoding, offset = struct.unpack_from(">HHI", content, start + 4 + 8 * number)
        (form,) = struct.unpack_from(">H", content, start + offset)
        found[platform, encoding, form] = start + offset
    table = next((found[key] for key in _UNICODE_TABLES if key in found), None)
    if table is None:
        raise ValueError(f"no full Unicode table in {font.name}")
    (groups,) = struct.unpack_from(">I", content, table + 12)
    return frozenset(
        code
        for number in range(groups)
        for first, last, glyph in [struct.unpack_from(">III", content, table + 16 + 12 * number)]
        for code in range(first, last + 1)
        if glyph + code - first != 0
    )


UNPRINTABLE = "〓"
"""Stands for a character that no font has: a document is made all the same."""


def printable(value: Any, folder: Path) -> Any:
    """A value with every text in it, however deep, as a template folder's fonts can show it."""
    if isinstance(value, str):
        for character in missing_characters(value.replace("\n", ""), template_folder=folder):
            value = value.replace(character, UNPRINTABLE)
        return value
    if isinstance(value, Mapping):
        return {key: printable(part, folder) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [printable(part, folder) for part in value]
    return value
