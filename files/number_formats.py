"""What a spreadsheet's number formats make of a value, as far as it can be known for certain."""

import re
from functools import lru_cache
from typing import Literal, NamedTuple

_BUILT_IN = {
    1: "0", 2: "0.00", 3: "#,##0", 4: "#,##0.00", 9: "0%", 10: "0.00%", 11: "0.00E+00",
    5: '"¥"#,##0', 6: '"¥"#,##0', 7: '"¥"#,##0.00', 8: '"¥"#,##0.00',
    12: "# ?/?", 13: "# ??/??", 14: "yyyy/m/d", 15: "d-mmm-yy", 16: "d-mmm", 17: "mmm-yy",
    18: "h:mm AM/PM", 19: "h:mm:ss AM/PM", 20: "h:mm", 21: "h:mm:ss", 22: "yyyy/m/d h:mm",
    27: "yyyy年m月", 28: "m月d日", 29: "m月d日", 30: "m-d-yy", 31: "yyyy年m月d日",
    32: "h时mm分", 33: "h时mm分ss秒", 34: "上午/下午h时mm分", 35: "上午/下午h时mm分ss秒",
    36: "yyyy年m月", 37: "#,##0 ;-#,##0", 38: "#,##0 ;-#,##0", 39: "#,##0.00 ;-#,##0.00",
    40: "#,##0.00 ;-#,##0.00",
    41: "#,##0_ ", 42: '"¥"#,##0_ ', 43: "#,##0.00_ ", 44: '"¥"#,##0.00_ ',
    45: "mm:ss", 46: "[h]:mm:ss", 47: "mm:ss.0", 48: "##0.0E+0",
    49: "@", 50: "yyyy年m月", 51: "m月d日", 52: "yyyy年m月", 53: "m月d日", 54: "m月d日",
    55: "上午/下午h时mm分", 56: "上午/下午h时mm分ss秒", 57: "yyyy年m月", 58: "m月d日",
}  # fmt: skip
"""ECMA-376, 18.8.30, with the meanings of a Chinese system."""

_PIECE = re.compile(r'"[^"]*"|\\.|\[[^\]]*\]|_.|\*.|(?s:.)')
_DECORATION = re.compile(r"\[(?:black|blue|cyan|green|magenta|red|white|yellow|color ?[0-9]+"
                         r"|\$-[0-9a-f]{0,4}|dbnum0)\]", re.IGNORECASE)  # fmt: skip
_GENERAL = re.compile("General|G/通用格式", re.IGNORECASE)
_AS_IT_IS = "\ue000"
"""Stands for the general format among the pieces of a code."""
_CONDITION = re.compile(r"\[[<>=]")
_ELAPSED = re.compile(r"\[[hms]+\]", re.IGNORECASE)
_HALF_DAY = re.compile(r"AM/PM|A/P|上午/下午", re.IGNORECASE)


class NumberFormat(NamedTuple):
    """How a value is shown.

    ``kind`` of numbers: ``plain`` as its digits, at least ``zeros`` of them, between ``before`` and
    ``after``; ``decorated`` as the same number with marks in between; ``day`` with year, month and
    day; ``moment`` as another date or time; ``other`` not known for certain. ``text_as_is``: texts
    are shown as they are. ``signs``: what of the numbers the format is for, all of them, those not
    below 0, or those above 0 only; others are shown by a section of their own.
    """

    kind: Literal["plain", "decorated", "day", "moment", "other"]
    zeros: int = 0
    before: str = ""
    after: str = ""
    text_as_is: bool = True
    signs: Literal["all", "not_below", "above"] = "all"

    @property
    def is_bare(self) -> bool:
        """Whether a number is shown as its digits and nothing else."""
        return self.kind == "plain" and not (self.before + self.after).strip()


GENERAL = NumberFormat("plain")


def built_in(number: int) -> NumberFormat:
    """The format that a number stands for; unknown ones are the general one."""
    return number_format(_BUILT_IN.get(number, ""))


@lru_cache(maxsize=4096)
def number_format(code: str) -> NumberFormat:
    """What a format's code does."""
    sections = _sections(code[:1_000])
    text = sections[3] if len(sections) > 3 else sections[-1] if "@" in sections[-1] else ["@"]
    numbers = sections[: 3 if len(sections) != 2 or "@" not in sections[1] else 1]
    hides = len(sections) > 1 and not sections[0]
    asks = any(_CONDITION.match(piece) for section in numbers for piece in section)
    found = NumberFormat("other") if hides or asks else _of_numbers(sections[0])
    return found._replace(
        text_as_is=text == ["@"],
        signs="all" if len(numbers) < 2 else "not_below" if len(numbers) == 2 else "above",
    )


def _sections(code: str) -> list[list[str]]:
    """The pieces of each section, without colours and spacing, literals behind a quote."""
    sections: list[list[str]] = [[]]
    for piece in _PIECE.findall(_GENERAL.sub(_AS_IT_IS, code)):
        if piece == ";":
            sections.append([])
        elif piece[0] == '"':
            sections[-1] += [f'"{character}' for character in piece[1:-1]]
        elif piece[0] == "\\":
            sections[-1].append(f'"{piece[1:]}')
        elif piece[0] != "_" and piece != "* " and not _DECORATION.fullmatch(piece):
            sections[-1].append(piece)
    return sections


def _of_numbers(pieces: list[str]) -> NumberFormat:
    if not pieces or pieces in (["@"], [_AS_IT_IS]):
        return GENERAL
    codes = "".join(piece if piece[0] != '"' else '"' for piece in pieces)
    own = (piece for piece in pieces if piece[0] != "[" or _ELAPSED.fullmatch(piece))
    bare = _HALF_DAY.sub("h", "".join(piece for piece in own if piece[0] != '"')).lower()
    if set(_ELAPSED.sub("h", bare)) & set("ymdhs"):
        # a format with elapsed hours shows no day, one without the day does not show which
        dated = {"y", "m", "d"} <= set(bare) and not _ELAPSED.search(bare)
        return NumberFormat("day" if dated else "moment")
    if found := re.fullmatch(rf'("*)(#*0*|[@{_AS_IT_IS}])("*)', codes):
        middle = pieces[len(found[1]) : len(pieces) - len(found[3])]
        literals = pieces[: len(found[1])], pieces[len(pieces) - len(found[3]) :]
        if not middle or ("#" in middle and "0" not in middle):
            return NumberFormat("other")
        before, after = ("".join(piece[1:] for piece in some) for some in literals)
        return NumberFormat("plain", middle.count("0"), before, after)
    if re.fullmatch(r"[#0]*(?:,[#0]{3})?(?:\.0+)? ?", codes) and "0" in codes:
        return NumberFormat("decorated")
    return NumberFormat("other")
