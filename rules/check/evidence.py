"""Whether every value is held to its text: source, clause, quotation, and the value in it.

A quotation must stand word for word in the clause it names; a day or a number that is no
assumption must stand in its quotation. Pure, over the wording that the folder holds.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation

from rules.check.placing import Findings
from rules.file.findings import Finding
from rules.file.folder import RuleFolder
from rules.file.schema import Source
from rules.file.strict_yaml import Node
from rules.file.strict_yaml import Path as NodePath

UNSEEN = "未见"
"""The clause of a text known only in parts; needs an assumption beside it."""

_WHITESPACE = re.compile(r"\s+")
_WORDY = re.compile(r"[^\W_]")
_HAN = re.compile(r"[\u3400-\u9fff\U00020000-\U0003ffff]")
_PLACEHOLDER = re.compile(
    "同上|如上|见上|见前|略去|省略|待定|待补|待查|不详|不明|未知|暂无|没有|无据|推定|同前|同左"
    "|暂定|如题|理由|原因|说明|见下|待确认|待补充|无说明|无理由|placeholder|reason|unknown"
)
"""What people write where a reason is wanted and there is none."""
_EMPTY = re.compile(
    "按需要?|按情况|视情况|视具体情况|酌情|实际情况|具体情况|根据|按照|依照|参照|结合|需要|惯例|常规"
    "|规定|有关|相关|要求|精神|工作|示例|例子|举例|样例|测试|试用|默认|自行|确定|处理|执行|办理"
    "|理解|推断|推定|假定|假设|认为|项目|本项目|通常|一般|习惯|应该|应当|可以|即可|而定|如此|这样|以上|上述"
    "|详见|见上|同上|合理|正确|正常|必要|暂时|暂定|待定|无需?|的|为|等|是|本|此|处|项|值|请|见|按|由|了|而|来|以|做|作"
)
"""Words that fit any value: a text of these alone names nothing."""
_FEWEST_CHARACTERS, _FEWEST_OWN, _FEWEST_WORDS, _FEWEST_LETTERS = 6, 4, 3, 12
_AGAIN = re.compile(r"^(.{1,12}?)\1+$")
"""One word written again and again."""
_NUMERAL = "[一二三四五六七八九十百]+"
_DOCUMENT = re.compile(r"\w+〔\d{4}〕(?:第)?\d+号")
_YEAR = re.compile(r"(\d{4})年")

# In the wording: where a numbered piece begins, at the start of a line or after a full stop.
_HEADING = re.compile(
    rf"(?:^|(?<=[。；：]))[ \t\u3000#*]*"
    rf"(?:(?P<article>第{_NUMERAL}条(?:之{_NUMERAL})?)|(?P<annex>附[ \t]*件[ \t]*\d*)[ \t]*$"
    rf"|(?P<chapter>{_NUMERAL})[ \t]*、|（(?P<section>{_NUMERAL})）"
    rf"|(?P<item>\d{{1,2}})[ \t]*[.．、](?!\d)|（(?P<point>\d{{1,2}})）)",
    re.MULTILINE,
)
_DEPTH = {"annex": 0, "chapter": 1, "article": 1, "section": 2, "item": 3, "point": 4}
# In a citation: 三（一）3, 第十五条第二款, 附件2三.
_STEP = re.compile(
    rf"(?P<article>第{_NUMERAL}条(?:之{_NUMERAL})?)|(?P<within>第[一二三四五六七八九十]+[款项])"
    rf"|(?P<annex>附件\d*)|（(?P<section>{_NUMERAL})）|（(?P<point>\d+)）"
    rf"|(?P<chapter>{_NUMERAL})|(?P<item>\d+)"
)
_PERCENT = re.compile(r"(\d+(?:\.\d+)?)[%％]")
_IN_A_HUNDRED = re.compile(r"百分之([一二两三四五六七八九十]+)")
_NUMBERS = re.compile(r"\d+|[一二两三四五六七八九十]+")
_SAID = {"次日": 1, "次月": 1, "当日": 0, "半年": 6, "一年": 12, "当天": 0}
_DIGITS = {digit: number for number, digit in enumerate("零一二三四五六七八九")} | {"两": 2}

# Numbers that a notice states: keys below which a citation must hold them.
_MOST_TIMES = 3
_COUNTED = ("due_months", "until_months", "days_before_due", "days", "characters")


def source_findings(
    folder: RuleFolder, own: Node, node: Node, sources: Mapping[str, Source]
) -> Iterator[Finding]:
    """Citations name known sources and quote them word for word; no source stays unused.

    ``own`` is the file alone, ``node`` with its base merged in, ``sources`` those of ``node``.
    """
    found = Findings(node)
    used: set[str] = set()
    for path, cite in node.walk():
        if not is_cite(path) or path[0] == "examples":
            continue
        name = _text(cite, "source")
        if name is None:
            continue
        used.add(name)
        if name not in sources:
            known = "、".join(sources) or "（没有）"
            message = f"来源 {name} 没有在 sources 里声明；有：{known}"
            yield found.one("unknown_source", (*path, "source"), message)
            continue
        text, quote = folder.source_text(sources[name].text), _text(cite, "quote") or ""
        if text is not None and not quoted(quote, text):
            message = f"原文里没有“{quote}”；请逐字引用 {sources[name].document}"
            yield found.one("quote_not_in_source", (*path, "quote"), message)
    listed = own.get("sources")
    for name in listed.value if listed is not None and isinstance(listed.value, dict) else ():
        if name not in used:
            message = f"来源 {name} 没有被任何出处用到；请引用它或删去"
            yield found.one("unused_source", ("sources", name), message)
        if folder.source_text(sources[name].text) is None:
            message = f"通知原文 sources/{sources[name].text} 不存在；请放入规则目录"
            yield found.one("source_text_missing", ("sources", name, "text"), message)


def held_to_text(
    folder: RuleFolder, own: Node, node: Node, sources: Mapping[str, Source], counted: Node
) -> Iterator[Finding]:
    """What citations leave unproven, beyond `source_findings`: clause, document, value, reason.

    ``node`` is the file as people wrote it, ``counted`` the same with its days counted out.
    """
    found = Findings(node)
    for path, cite in node.walk():
        if not is_cite(path) or path[0] == "examples":
            continue
        yield from _trivial(found, path, cite)
        source = sources.get(_text(cite, "source") or "")
        text = folder.source_text(source.text) if source is not None else None
        if source is not None and text is not None:
            yield from _in_its_clause(found, path, cite, source, text)
            yield from _says_little(found, path, cite, text)
    yield from _values(found, node, counted)
    listed = own.get("sources")
    for name in listed.value if listed is not None and isinstance(listed.value, dict) else ():
        text = folder.source_text(sources[name].text)
        if text is not None:
            yield from _document(found, name, sources[name], text)
            yield from _title(found, name, sources[name], text)


def is_cite(path: NodePath) -> bool:
    """Whether a citation stands at ``path``: under ``cite``, ``…_cite``, or in a list ``cites``."""
    if len(path) > 1 and isinstance(path[-1], int):
        return path[-2] == "cites"
    return bool(path) and str(path[-1]).endswith("cite")


def quoted(quote: str, text: str) -> bool:
    """Whether ``text`` holds ``quote`` word for word; spaces and line breaks do not count."""
    return _WHITESPACE.sub("", quote) in _WHITESPACE.sub("", text)


def too_short(quote: str) -> bool:
    """Whether a quotation is too short to prove anything: fewer than four letters or characters."""
    return len(_WORDY.findall(quote)) < 4


def says_something(text: str) -> bool:
    """Whether a reason is a sentence that names something, in Chinese or in other words.

    Six different characters of Chinese, four of them not of words that fit any value, or three
    words with twelve letters; and no placeholder.
    """
    words = "".join(_WORDY.findall(text)).casefold()
    words = _AGAIN.sub(r"\1", words)
    if _PLACEHOLDER.fullmatch(words):
        return False
    if len(set(_HAN.findall(words))) >= _FEWEST_CHARACTERS:
        return len(set(_HAN.findall(_EMPTY.sub("", words)))) >= _FEWEST_OWN
    parts = {part.casefold() for part in text.split() if _WORDY.search(part)}
    return len(parts) >= _FEWEST_WORDS and len(words) >= _FEWEST_LETTERS


def clause_of(text: str, clause: str) -> str | None:
    """The wording of ``clause`` (三（一）3, 第十五条, 附件2) in ``text``; None where it has none.

    Each step is looked for inside the one before it. A text with no numbered pieces at all is an
    excerpt, and is its own only clause.
    """
    headings = [
        (match.start(), match.lastgroup or "", _WHITESPACE.sub("", match[match.lastgroup or 0]))
        for match in _HEADING.finditer(text)
    ]
    if not headings:
        return text
    first, last, position = 0, len(text), 0
    clause = _WHITESPACE.sub("", clause)
    while position < len(clause):
        step = _STEP.match(clause, position)
        if step is None:
            return None
        position = step.end()
        kind = step.lastgroup or ""
        if kind == "within":  # paragraphs are not numbered in the wording
            continue
        label = step[kind]
        begun = [
            index
            for index, (at, *named) in enumerate(headings)
            if first <= at < last and named == [kind, label]
        ]
        if not begun:
            return None
        first = headings[begun[0]][0]
        ends = [at for at, other, _ in headings[begun[0] + 1 :] if _DEPTH[other] <= _DEPTH[kind]]
        last = min([last, *ends])
    return text[first:last]


def _text(cite: Node, key: str) -> str | None:
    node = cite.get(key)
    return node.value if node is not None and isinstance(node.value, str) else None


def _trivial(found: Findings, path: NodePath, cite: Node) -> Iterator[Finding]:
    quote, assume = _text(cite, "quote"), _text(cite, "assume")
    if quote is not None and too_short(quote):
        message = f"引文“{quote}”太短，证明不了什么；请引用说明这个值的整句，至少四个字"
        yield found.one("trivial_quote", (*path, "quote"), message)
    if assume is not None and not says_something(assume):
        message = f"assume 要写推定的理由；“{assume}”不是理由，请写一句话"
        yield found.one("trivial_assumption", (*path, "assume"), message)


def _says_little(found: Findings, path: NodePath, cite: Node, text: str) -> Iterator[Finding]:
    """A phrase that a notice uses again and again proves nothing."""
    quote = _WHITESPACE.sub("", _text(cite, "quote") or "")
    times = _WHITESPACE.sub("", text).count(quote) if quote else 0
    if times >= _MOST_TIMES:
        message = f"引文“{quote}”在原文里出现 {times} 次，证明不了这个值；请引用说明它的整句"
        yield found.one("trivial_quote", (*path, "quote"), message)


def _in_its_clause(
    found: Findings, path: NodePath, cite: Node, source: Source, text: str
) -> Iterator[Finding]:
    quote, clause = _text(cite, "quote") or "", _text(cite, "clause") or ""
    if clause == UNSEEN:
        if not _text(cite, "assume"):
            message = f"条款写“{UNSEEN}”时，要用 assume 说明为什么这样理解"
            yield found.one("unknown_clause", (*path, "clause"), message)
        return
    wording = clause_of(text, clause)
    if wording is None:
        message = (
            f"{source.document} 里没有“{clause}”这一条；条款照原文的编号写，如 三（一）3、第十五条"
        )
        yield found.one("unknown_clause", (*path, "clause"), message)
    elif not quoted(quote, wording):
        message = f"“{quote}”不在“{clause}”里；请写它所在的条款"
        yield found.one("quote_not_in_clause", (*path, "clause"), message)


def _document(found: Findings, name: str, source: Source, text: str) -> Iterator[Finding]:
    said = _DOCUMENT.search(_plain_number(source.document))
    own = _DOCUMENT.search(_plain_number(text))
    if said is None:
        return
    if own is None:
        if not source.note:
            message = f"原文 {source.text} 里没有文号 {said[0]}；请核对，只有节录的在 note 里说明"
            yield found.one("document_not_in_text", ("sources", name, "document"), message)
    elif not own[0].endswith(said[0]):
        message = f"原文 {source.text} 的文号是 {own[0]}，不是 {said[0]}；请更正"
        yield found.one("document_not_in_text", ("sources", name, "document"), message)


def _title(found: Findings, name: str, source: Source, text: str) -> Iterator[Finding]:
    """A title that names a year its text does not know is another notice's."""
    said = set(_YEAR.findall(_WHITESPACE.sub("", source.title)))
    other = said - set(_YEAR.findall(_WHITESPACE.sub("", text)))
    if other:
        message = f"原文 {source.text} 里没有 {min(other)} 年；标题照原文写，原文另有一篇的改 text"
        yield found.one("other_year", ("sources", name, "title"), message)


def _plain_number(text: str) -> str:
    flat = re.sub(r"[ \t\u3000]+", "", text)
    return re.sub(r"[\[［【(（](\d{4})[\]］】)）](?=第?\d+号)", r"〔\1〕", flat)


def _values(found: Findings, written: Node, node: Node) -> Iterator[Finding]:
    """Days, numbers and measures that are no assumption stand in their quotation.

    ``written`` is the file as people wrote it, ``node`` the same with its days counted out.
    """
    for path, below in written.walk():
        if path[:1] == ("examples",) or not isinstance(below.value, dict):
            continue
        cite, law = below.get("cite"), below.get("law")
        says = _text(law, "says") if law is not None and isinstance(law.value, dict) else None
        if cite is None and says is not None:
            yield from _said_by_law(found, path, below, _WHITESPACE.sub("", says))
        if cite is None or _text(cite, "assume") or _text(cite, "source") is None:
            continue
        quote = _WHITESPACE.sub("", _text(cite, "quote") or "")
        for key, said in (*_days_said(path, below, node), *_numbers_said(below)):
            if isinstance(said, date) and not says_day(quote, said):
                message = f"引文里没有 {said} 这一天；请引用写明它的句子，推算出来的用 assume 说明"
                yield found.one("value_not_in_quote", (*path, *key), message)
            if isinstance(said, int) and not _says_number(quote, said):
                message = f"引文里没有 {said} 这个数；请引用写明它的句子，推算出来的用 assume 说明"
                yield found.one("value_not_in_quote", (*path, *key), message)
        for key, share in _shares_said(below):
            if not _says_share(quote, share):
                percent = f"{(share * 100).normalize():f}%"
                message = f"引文里没有 {percent}；请引用写明它的句子，推算出来的用 assume 说明"
                yield found.one("value_not_in_quote", (*path, *key), message)
        label = _text(below, "label")
        is_measure = path[:2] == ("enforcement", "measures") and len(path) == 3
        if is_measure and label is not None and not _names_measure(quote, label):
            message = (
                f"引文里没有“{label}”这样的措施；请引用写明它的句子，"
                f"由本项目理解出来的用 assume 说明"
            )
            yield found.one("value_not_in_quote", (*path, "label"), message)


def _said_by_law(found: Findings, path: NodePath, below: Node, says: str) -> Iterator[Finding]:
    """A number that rests on a law alone stands in what the law is told to say."""
    for key, said in _numbers_said(below):
        if not _says_number(says, said):
            message = (
                f"law 的 says 里没有 {said} 这个数；请照该条的规定写，"
                f"推算出来的用 cite 的 assume 说明"
            )
            yield found.one("value_not_in_quote", (*path, *key), message)


def _days_said(path: NodePath, below: Node, node: Node) -> Iterator[tuple[NodePath, date | int]]:
    """The days of a mapping, written or ``at``; where they are counted out, the number."""
    for key in ("from", "to", "as_of", "due"):
        written = below.get(key)
        if written is None or not isinstance(written.value, dict):
            day = _day(_text(below, key))
        elif "at" in written.value:
            counted = node.get(*path, key)
            day = _day(str(counted.value)) if counted is not None else None
        else:
            day = None
            for unit in ("days", "working_days", "months"):
                number = written.get(unit)
                if number is not None and isinstance(number.value, int):
                    yield (key, unit), number.value
        if day is not None:
            yield (key,), day


def _numbers_said(below: Node) -> Iterator[tuple[NodePath, int]]:
    """The numbers of a mapping, and of what it holds that has no citation of its own."""
    for key in _COUNTED:
        number = below.get(key)
        if number is not None and isinstance(number.value, int):
            yield (key,), number.value
    for name in ("term", "anchor"):
        held = below.get(name)
        if held is None or not isinstance(held.value, dict) or held.get("cite") is not None:
            continue
        for key in ("days", "working_days", "months"):
            number = held.get(key)
            if number is not None and isinstance(number.value, int):
                yield (name, key), number.value
    years = below.get("years")
    for index, year in enumerate(years.value if years and isinstance(years.value, list) else ()):
        if isinstance(year.value, int):
            yield ("years", index), year.value
    if years is not None and isinstance(years.value, int):
        yield ("years",), years.value


def _shares_said(below: Node) -> Iterator[tuple[NodePath, Decimal]]:
    """The shares of a mapping that are a part only; the whole is said in many words."""
    for place in (("share",), ("measured", "share"), ("sample", "share")):
        if len(place) > 1 and below.get(place[0], "cite") is not None:
            continue
        share = below.get(*place)
        if share is not None and isinstance(share.value, str):
            with suppress(InvalidOperation):
                if Decimal(share.value) < 1:
                    yield place, Decimal(share.value)


def _says_share(quote: str, share: Decimal) -> bool:
    if any(Decimal(said) == share * 100 for said in _PERCENT.findall(quote)):
        return True
    return any(_number(said) == share * 100 for said in _IN_A_HUNDRED.findall(quote))


def _names_measure(quote: str, label: str) -> bool:
    """Whether a quotation speaks of a measure: most of what its label says stands in it."""
    words = "".join(_HAN.findall(label))
    pairs = [words[at : at + 2] for at in range(len(words) - 1)]
    return not pairs or 2 * sum(pair in quote for pair in pairs) > len(pairs)


def _day(text: str | None) -> date | None:
    try:
        return date.fromisoformat(text) if text is not None else None
    except ValueError:
        return None


def says_day(quote: str, day: date) -> bool:
    """Whether a quotation without blanks states ``day``.

    "3月21日" states it; "1月" the first of that month, "4月底" and "4月" its last. Where years
    are written, one of them must be the day's, or the one before it (12月…至1月…).
    """
    years = {int(year) for year in _YEAR.findall(quote)}
    if years and not years & {day.year, day.year - 1}:
        return False
    if re.search(rf"(?<!\d)0?{day.month}月0?{day.day}日", quote):
        return True
    month = re.search(rf"(?<!\d)0?{day.month}月(?!\d)", quote) is not None
    return month and (day.day == 1 or (day + timedelta(days=1)).day == 1)


def _says_number(quote: str, number: int) -> bool:
    if any(word in quote and meant == number for word, meant in _SAID.items()):
        return True
    return number in {_number(text) for text in _NUMBERS.findall(quote)}


def _number(text: str) -> int:
    if text.isdigit():
        return int(text)
    if "十" not in text:
        return _DIGITS[text[0]] if len(text) == 1 else -1
    tens, _, ones = text.partition("十")
    return (_DIGITS.get(tens, 0) if tens else 1) * 10 + (_DIGITS.get(ones, 0) if ones else 0)
