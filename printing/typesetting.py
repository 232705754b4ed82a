"""Typesetting with a template of the folder, or of a jurisdiction's own folder in it.

What people wrote reaches a template as data and is never read as typesetting language.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import typst

from domain.clock import BEIJING
from domain.ids import NATION, jurisdiction_of
from domain.jurisdictions import known
from printing.characters import families_of, font_files, fonts_of, name_character

TEMPLATES = Path(__file__).parent / "templates"
"""The national templates."""


class PrintError(Exception):
    """A certificate that cannot be printed. ``code`` is stable, the text is Chinese."""

    code = "not_printable"


class MissingCharacters(PrintError):
    """Characters that no font has, or that are invisible."""

    code = "characters_missing"

    def __init__(self, characters: list[str]) -> None:
        self.characters = characters
        super().__init__(
            f"这些字符无法打印：{'、'.join(map(name_character, characters))}。"
            "请核对文字；确为生僻字的，请将含有该字的字体放入模板文件夹的 fonts 目录后重新打印。"
        )


class BrokenTemplate(PrintError):
    """A template that is missing or has an error; ``diagnostic`` says where, for its author."""

    code = "template_broken"

    def __init__(self, diagnostic: str) -> None:
        self.diagnostic = diagnostic
        super().__init__("证书模板有误，未能打印。请联系系统管理员检查模板文件。")


def typeset(
    main: str,
    data: Mapping[str, Any],
    timestamp: datetime,
    folder: Path,
    *,
    inputs: Mapping[str, str] | None = None,
    dots_per_inch: int | None = None,
) -> bytes:
    """``main`` with ``data`` as PDF/A-2b, the same bytes every time; or its first page as a PNG.

    The data find a list ``fonts`` beside them. Raises `BrokenTemplate`.
    """
    picture = dots_per_inch is not None
    try:
        files = font_files(folder)
        compiler = typst.Compiler(
            root=folder, font_paths=fonts_of(tuple(files)), ignore_system_fonts=True
        )
        printed = compiler.compile(
            main.encode(),
            format="png" if picture else "pdf",
            ppi=dots_per_inch,
            pdf_standards=[] if picture else ["a-2b"],
            sys_inputs={
                "data": json.dumps({**data, "fonts": families_of(files)}, ensure_ascii=False),
                **(inputs or {}),
            },
            timestamp=timestamp.astimezone(BEIJING).replace(microsecond=0),
        )
    except typst.TypstError as error:
        raise BrokenTemplate(error.diagnostic) from error
    pages = printed if isinstance(printed, list) else [printed]
    if not pages or pages[0] is None:
        raise BrokenTemplate("the templates made no page")
    return pages[0]


def places_of(authority: str) -> list[str]:
    """The codes whose folders are looked through: a county's, its city's, its province's."""
    if not authority.startswith("amr-"):
        return []
    return [code for code in known().tree.upwards(jurisdiction_of(authority)) if code != NATION]


def template(name: str, places: list[str], folder: Path) -> str:
    """The path of a template within the folder. Raises `BrokenTemplate` if there is none."""
    for path in [*(f"{place}/{name}" for place in places), name]:
        if (folder / path).is_file():
            return f"/{path}"
    raise BrokenTemplate(f"no {name} in {folder}")
