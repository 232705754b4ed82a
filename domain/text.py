"""Text as a person sees it: what is stripped at its edges, what may not stand in it, lost digits.

The same rules hold in every way in: files, deliveries, single entries, lookups.
"""

import re
import unicodedata
from typing import Final

from pydantic import AfterValidator, BeforeValidator, ValidationInfo
from pydantic_core import PydanticCustomError

_IGNORABLE = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
"""Unicode's Default_Ignorable_Code_Point, and the blank of Braille: nobody sees them."""
_BLANK = " \t\r\n\x0b\x0c\x85\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"


def _spelt_out(ranges: str) -> str:
    """All characters of a class of a pattern."""
    return re.sub(
        "(.)-(.)",
        lambda found: "".join(map(chr, range(ord(found[1]), ord(found[2]) + 1))),
        ranges,
        flags=re.DOTALL,
    )


_EDGES = _spelt_out(_BLANK + _IGNORABLE)
_MISTAKABLE = re.compile(f"[{_IGNORABLE}\ufff9-\ufffd]")
_NEVER_SEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_APOSTROPHES = "'’‘‛`´ʼ′＇｀"
_MARKER = re.compile(rf"[{_APOSTROPHES}]+|[=＝][\"“＂](.*)[\"”＂]", re.DOTALL)
_LOST = re.compile(
    r"[+-]?(?:"
    r"[0-9]{1,3}E\+[0-9]+"  # Excel, .NET: 2E+11
    r"|[0-9]+[.,][0-9]*E[+-]?[0-9]+"  # Excel, Java, Python: 2.41901E+11, 2.41901E11
    r"|[0-9]+(?:[.,][0-9]+)?[×x*]10\^[0-9]+|[0-9]+[.,][0-9]+[×x*]10[0-9]+"
    r"|[0-9]+(?:\.0*|,0+)"  # pandas: 241901060345.0
    r"|[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]*)?"  # a number with marks between its thousands
    r")|[+-][0-9]+",  # what has a sign was a number, and numbers begin with no zeros
    re.IGNORECASE,
)
NO_VALUES = (
    "nan", "NaN", "NaT", "<NA>", "None", "null", "NULL", "(null)", "<null>", "undefined",
    "inf", "Infinity", "-inf", "-Infinity",
)  # fmt: skip
"""What programs write where there is nothing, or no number."""
_NO_VALUES = frozenset(NO_VALUES)
_EXCEL_ERROR = re.compile(
    r"#(?:N/A|REF!|DIV/0!|VALUE!|NAME\?|NULL!|NUM!|SPILL!|CALC!|GETTING_DATA|#+)"
)


def trimmed(text: str) -> str:
    """The text without blanks and invisible marks at its ends."""
    if not text or (is_plain(text[0]) and is_plain(text[-1])):  # quick, and true for most
        return text
    return text.strip(_EDGES)


def is_plain(character: str) -> bool:
    """Whether a character is surely seen: of ASCII or a common ideograph."""
    return "!" <= character <= "~" or "\u4e00" <= character <= "\u9fff"


def unmarked(text: str) -> str:
    """The text without blanks at its ends and without what makes a spreadsheet take it as text.

    That is an apostrophe or an accent before it, or one before and one behind it, or ``="…"``
    around it, as exporters write them.
    """
    text = trimmed(text)
    while text and text[0] in _MARKS and (found := _MARKER.match(text)):
        if found[1] is not None and found.end() < len(text):
            break
        quoted = text[found.end() :].rstrip(_APOSTROPHES) if found[1] is None else found[1]
        text = trimmed(quoted if found[1] is None else quoted.replace('""', '"'))
    return text


_MARKS = frozenset(_APOSTROPHES + "=＝")


def normalised(text: str) -> str:
    """A number or a name as it is compared; normalising it again changes nothing.

    Compatibility forms (NFKC) turn full-width digits, letters and brackets into the usual ones;
    marks at the ends are removed as `unmarked` does. Case and inner blanks stay.
    """
    if not text.isascii():
        # what NFKC makes of some marks, a blank and an accent that combines, is one no more
        text = unicodedata.normalize("NFKC", unmarked(text))
    return unmarked(text)


def unseen(text: str) -> str | None:
    """The first character that nobody sees, or that stands for a lost one; None if all are seen.

    Controls, marks that change the direction, private use, unpaired surrogates, default-ignorable
    and unassigned characters: a text that holds one cannot be typed again as it is printed. Nor can
    one that begins with a mark that combines with what stands before it.
    """
    if text.isascii() and text.isprintable():
        return None
    if text and unicodedata.category(text[0])[0] == "M":
        return text[0]
    if text.isprintable() and not _MISTAKABLE.search(text):
        return None
    for character in text:
        if unicodedata.category(character) in _NEVER_SEEN or _MISTAKABLE.match(character):
            return character
    return None


def is_usable(text: str) -> bool:
    """Whether a text has no characters in it that nobody sees, or that stand for lost ones."""
    return unseen(text) is None


def uncomposed(text: str) -> str | None:
    """What of a text is not in Unicode's composed form (NFC), and so looks like something else."""
    if text.isascii() or unicodedata.is_normalized("NFC", text):
        return None
    composed = unicodedata.normalize("NFC", text)
    differs = (at for at, (a, b) in enumerate(zip(text, composed, strict=False)) if a != b)
    at = next(differs, min(len(text), len(composed)))
    return text[at : at + 2].strip() or text


def not_written(text: str) -> str | None:
    """Why a text is not what a person wrote and sees, with what to do, in Chinese; else None."""
    if (character := unseen(text)) is not None:
        return f"含有看不见或不能识别的字符 {code_point(character)}；请删去后重新录入"
    if (part := uncomposed(text)) is not None:
        return f"“{part}”不是通用写法（Unicode NFC）；请用输入法重新录入"
    if is_excel_error(text):
        return f"“{text}”是公式错误；请改正公式，或直接填写内容"
    if is_no_value(text):
        return f"“{text}”是程序在没有内容时写的；请录入真实的内容，没有的请留空"
    return None


def lost_digits(text: str) -> bool:
    """Whether an identifier is a number in a notation that keeps not all of its digits.

    Codes such as ``12E12`` and ``0047583311587E590003`` are none.
    """
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text).replace("\u2212", "-")
    return _LOST.fullmatch(text) is not None


def is_excel_error(text: str) -> bool:
    """Whether a cell shows an error of a formula, or that it is too narrow, instead of a text."""
    return text.startswith("#") and _EXCEL_ERROR.fullmatch(text) is not None


def is_no_value(text: str) -> bool:
    """Whether a text is one of `NO_VALUES`, which nobody writes: ``nan``, ``None``, ``null``."""
    return text in _NO_VALUES


def same_name(one: str, other: str) -> bool:
    """Whether two names are the same: the only rule by which names are compared."""
    return name_key(one) == name_key(other)


def name_key(name: str) -> str:
    """What two ways to write the same name have in common."""
    return " ".join(normalised(name).split())


def code_point(character: str) -> str:
    """A character by its number, ``U+200B``."""
    return f"U+{ord(character):04X}"


# --- types ----------------------------------------------------------------------------------------

ENTERING: Final = {"entering": True}
"""The context in which whatever people and systems hand in is validated.

What is on record is read without it. It stays as it is and readable, whatever it holds that would
not be taken today.
"""


def _visible(text: str, info: ValidationInfo) -> str:
    if info.context is ENTERING and (why := not_written(text)) is not None:
        raise PydanticCustomError("bad_characters", "{why}", {"why": why})
    return text


def _with_all_digits(text: str, info: ValidationInfo) -> str:
    if info.context is not ENTERING:
        return text
    if is_no_value(text):
        raise PydanticCustomError("not_a_value", "是程序写的空值，不是编号；请录入完整的编号")
    if is_excel_error(text) or text.startswith("="):
        raise PydanticCustomError("cell_error", "是公式或公式错误，不是编号；请录入完整的编号")
    if lost_digits(text):
        raise PydanticCustomError(
            "lost_digits", "像是表格里存成数值、已丢失数字的编号；请录入完整的编号"
        )
    return text


def _trimmed(value: object, info: ValidationInfo) -> object:
    return trimmed(value) if info.context is ENTERING and isinstance(value, str) else value


def _unmarked(value: object, info: ValidationInfo) -> object:
    return unmarked(value) if info.context is ENTERING and isinstance(value, str) else value


Trimmed = BeforeValidator(_trimmed)
"""Takes blanks and invisible marks off the ends of what is handed in."""
Unmarked = BeforeValidator(_unmarked)
"""Takes off what a spreadsheet or an exporter puts around an identifier, too."""
Visible = AfterValidator(_visible)
"""Refuses what nobody sees inside a text that is handed in."""
AllDigits = AfterValidator(_with_all_digits)
"""Refuses an identifier that is handed in and has lost digits, or is what a program wrote."""
