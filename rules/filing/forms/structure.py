"""The first pass over a filled-in form: what stands where, of which type, within which bounds."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from domain import uscc
from domain.canonical import canonical_json
from domain.text import not_written, trimmed
from rules.filing.forms.expressions import Compiled, compiled, truth
from rules.filing.forms.findings import FormFinding, Place, block
from rules.filing.forms.model import (
    MAX_NUMBER,
    REASONS,
    UNCONFIRMED,
    Form,
    FormField,
    Section,
    day_in,
)

MAX_FORM_BYTES = 256 * 1024
"""The largest filled-in form (one copy of it) as canonical JSON; more is refused."""

MAX_LISTED_UNKNOWN = 20
MAX_REASON = 1_000

_DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]{0,12})(?:\.[0-9]{1,2})?")
_BREAKS = dict.fromkeys(map(ord, "\t\r\n"))
_CENT = Decimal("0.01")


@dataclass
class Reading:
    """What the first pass found. ``ready`` are the usable values as Python has them: int, Decimal,
    str, bool, list, and rows as dicts; derived ones are among them. ``filled`` are the names of all
    that is not blank, ``absent`` the sections left out because of an answer.
    """

    findings: list[FormFinding] = field(default_factory=list)
    ready: dict[str, Any] = field(default_factory=dict)
    filled: set[str] = field(default_factory=set)
    absent: set[str] = field(default_factory=set)
    reasons: dict[str, str] = field(default_factory=dict)


def read(form: Form, values: Any, complete: bool) -> Reading:
    """Reads one copy of a form. Without ``complete`` what is missing is not told of.

    Never raises, whatever the values.
    """
    reading = Reading()
    if not isinstance(values, dict):
        message = "表单内容应为一个对象（字段编号与值的对应）"
        reading.findings.append(block("wrong_type", "", message))
        return reading
    program = compiled(form)
    reading.findings += _unknown(program, values)
    for field_ in program.fields.values():
        if field_.derived is None:
            _read_field(reading, field_, values.get(field_.id))
    for section in program.tables.values():
        _read_table(reading, section, values.get(section.id), complete)
    reading.absent = _absent_sections(program, reading)
    reading.findings += _misplaced(program, reading)
    _derive(program, reading)
    _read_reasons(form, reading, values.get(REASONS))
    _read_unconfirmed(program, reading, values.get(UNCONFIRMED), complete)
    if complete:
        reading.findings += _missing(program, reading)
    # what is no value of its field is told of already, and may be nothing JSON can hold
    if not reading.findings and len(canonical_json(values)) > MAX_FORM_BYTES:
        limit = f"{MAX_FORM_BYTES // 1024} 千字节"
        message = f"整张表单的内容超过上限 {limit}，请删减文字，详细材料另行留存备查"
        reading.findings.append(block("form_too_large", "", message))
    return reading


def is_blank(value: Any) -> bool:
    """Whether nothing is filled in: None, a blank text, an empty list."""
    return value is None or value == [] or (isinstance(value, str) and not value.strip())


def _unknown(program: Compiled, values: dict[Any, Any]) -> Iterator[FormFinding]:
    known = {*program.fields, *program.tables, REASONS, UNCONFIRMED}
    unknown = [key for key in values if not isinstance(key, str) or key not in known]
    for key in unknown[:MAX_LISTED_UNKNOWN]:
        message = f"本表没有这个字段，请删去；字段编号以《{program.form.title}》为准"
        yield block("unknown_field", key if isinstance(key, str) else "", message)
    more = len(unknown) - MAX_LISTED_UNKNOWN
    if more > 0:
        yield block("unknown_field", "", f"另有 {more} 个本表没有的字段，未逐一列出")
    for name, field_ in program.fields.items():
        if field_.derived is not None and not is_blank(values.get(name)):
            message = f"“{field_.label}”由系统按其他项目推算，不用填写，请删去"
            yield block("derived", name, message)


def _read_field(reading: Reading, field_: FormField, value: Any) -> None:
    if is_blank(value):
        return
    reading.filled.add(field_.id)
    problem = _problem(field_, value)
    if problem is None:
        reading.ready[field_.id] = _usable(field_, value)
    else:
        reading.findings.append(block(problem[0], field_.id, problem[1]))


def _read_table(reading: Reading, section: Section, value: Any, complete: bool) -> None:
    table = section.table
    assert table is not None
    if is_blank(value):
        return
    reading.filled.add(section.id)
    before = len(reading.findings)
    if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
        message = f"“{section.title}”应为由各行组成的列表，每行是列编号与值的对应"
        reading.findings.append(block("wrong_type", section.id, message))
        return
    if len(value) > table.max:
        message = f"“{section.title}”现有 {len(value)} 行，最多 {table.max} 行，请删减"
        reading.findings.append(block("too_many_rows", section.id, message))
        return
    rows = [_row(reading, section, number, row, complete) for number, row in enumerate(value)]
    reading.findings += _alike(section, rows)
    if len(reading.findings) == before:
        reading.ready[section.id] = rows


def _row(
    reading: Reading, section: Section, number: int, row: dict[Any, Any], complete: bool
) -> dict[str, Any]:
    ready: dict[str, Any] = {}
    known = [field_.id for field_ in section.fields]
    shown = f"“{section.title}”第 {number + 1} 行"
    unknown = [key for key in row if not isinstance(key, str) or key not in known]
    for key in unknown[:MAX_LISTED_UNKNOWN]:
        at: Place = (section.id, number, key) if isinstance(key, str) else (section.id,)
        there = "、".join(known)
        message = f"{shown}没有这一列，请删去；有：{there}"
        reading.findings.append(block("unknown_field", at, message))
    for field_ in section.fields:
        value = row.get(field_.id)
        place: Place = (section.id, number, field_.id)
        if is_blank(value):
            if field_.required and complete:
                message = f"{shown}的“{field_.label}”必填，请填写"
                reading.findings.append(block("required", place, message))
            continue
        problem = _problem(field_, value)
        if problem is None:
            ready[field_.id] = _usable(field_, value)
        else:
            message = f"“{section.title}”第 {number + 1} 行：{problem[1]}"
            reading.findings.append(block(problem[0], place, message))
    return ready


def _alike(section: Section, rows: list[dict[str, Any]]) -> Iterator[FormFinding]:
    assert section.table is not None
    unique = section.table.unique
    labels = "、".join(field_.label for field_ in section.fields if field_.id in unique)
    seen: dict[tuple[Any, ...], int] = {}
    for number, row in enumerate(rows if unique else ()):
        key = tuple(str(row.get(name, "")) for name in unique)
        if not all(key):
            continue
        if key in seen:
            message = (
                f"“{section.title}”第 {number + 1} 行与第 {seen[key] + 1} 行的{labels}相同"
                f"（{'、'.join(key)[:60]}），请合并或更正"
            )
            yield block("duplicate_row", (section.id, number, unique[0]), message)
        else:
            seen[key] = number


def _absent_sections(program: Compiled, reading: Reading) -> set[str]:
    """The sections whose condition does not hold; an unanswered question leaves them open."""
    absent: set[str] = set()
    if not program.conditions:
        return absent
    names = frozenset().union(*(names for _, names in program.conditions.values()))
    data = program.activation({n: reading.ready[n] for n in names if n in reading.ready})
    for section, (condition, needs) in program.conditions.items():
        if needs <= reading.ready.keys() and truth(condition, data) is False:
            absent.add(section)
    return absent


def _misplaced(program: Compiled, reading: Reading) -> Iterator[FormFinding]:
    """What is filled in where an answer says that there is nothing to fill in."""
    for name in sorted(reading.filled):
        section = program.conditional.get(name)
        if section is not None and section.id in reading.absent:
            label = program.fields[name].label if name in program.fields else section.title
            message = f"按已填的内容不用填“{section.title}”，请删去“{label}”，或更正前面的答案"
            yield block("not_applicable", name, message)
            reading.ready.pop(name, None)


def _missing(program: Compiled, reading: Reading) -> Iterator[FormFinding]:
    undecided = {
        section
        for section, (_, needs) in program.conditions.items()
        if not needs <= reading.ready.keys()
    }
    for section in program.form.sections:
        if section.id in reading.absent or section.id in undecided:
            continue
        if section.table is not None:
            yield from _missing_rows(section, reading)
            continue
        for field_ in section.fields:
            if field_.required and field_.derived is None and field_.id not in reading.filled:
                yield block("required", field_.id, f"“{field_.label}”必填，请填写")


def _missing_rows(section: Section, reading: Reading) -> Iterator[FormFinding]:
    assert section.table is not None
    least = section.table.min
    count = len(reading.ready.get(section.id, ()))
    if section.id not in reading.filled and least:
        yield block("required", section.id, f"“{section.title}”至少填 {least} 行，请填写")
    elif section.id in reading.ready and count < least:
        message = f"“{section.title}”现有 {count} 行，至少填 {least} 行，请补填"
        yield block("required", section.id, message)


# --- derived values -------------------------------------------------------------------------------


def _derive(program: Compiled, reading: Reading) -> None:
    ready = reading.ready
    for field_ in program.derived:
        section = program.conditional.get(field_.id)
        if section is not None and section.id in reading.absent:
            continue
        value = _derived(program, field_, reading)
        if value is not None:
            ready[field_.id] = value


def _derived(program: Compiled, field_: FormField, reading: Reading) -> int | Decimal | None:
    derived, ready = field_.derived, reading.ready
    assert derived is not None
    names = derived.inputs
    if derived.count:
        rows = ready.get(derived.count)
        return len(rows) if rows is not None else None
    if derived.total:
        table, _, column = derived.total.partition(".")
        rows = ready.get(table)
        if rows is None:
            return None
        return _number(field_, sum((row[column] for row in rows if column in row), Decimal(0)))
    if derived.sum:
        terms = [ready[name] for name in names if name in ready]
        open_ = [name for name in names if name not in ready and _awaited(program, name, reading)]
        return _number(field_, sum(terms, Decimal(0))) if terms and not open_ else None
    if any(name not in ready for name in names):
        return None
    first, second = (Decimal(ready[name]) for name in names)
    if derived.difference:
        return _number(field_, first - second)
    if second <= 0:
        return None
    part = first if derived.share else first - second
    return _rounded(part * 100 / second)


def _awaited(program: Compiled, name: str, reading: Reading) -> bool:
    """Whether a term that is not usable has still to come, and so the sum with it."""
    section = program.conditional.get(name)
    if section is not None and section.id in reading.absent:
        return False
    field_ = program.fields[name]
    return field_.required or name in reading.filled


def _number(field_: FormField, value: Decimal | int) -> int | Decimal:
    return int(value) if field_.type == "integer" else _rounded(Decimal(value))


def _rounded(value: Decimal) -> Decimal:
    return value.quantize(_CENT, ROUND_HALF_UP)


# --- reasons and what is not confirmed ------------------------------------------------------------


def _read_reasons(form: Form, reading: Reading, reasons: Any) -> None:
    if is_blank(reasons) or reasons == {}:
        return
    if not isinstance(reasons, dict):
        message = "reasons 应为校验编号与理由的对应"
        reading.findings.append(block("wrong_type", REASONS, message))
        return
    unknown = 0
    for key, text in reasons.items():
        check = form.check(key) if isinstance(key, str) else None
        place = (REASONS, key) if isinstance(key, str) else (REASONS,)
        if check is None:
            unknown += 1
            if unknown <= MAX_LISTED_UNKNOWN:
                reading.findings.append(block("unknown_check", place, "本表没有这条校验，请删去"))
        elif check.level != "warn":
            message = "这条校验不能用说明理由的办法通过，请更正有关数字，并删去理由"
            reading.findings.append(block("not_explainable", place, message))
        elif not isinstance(text, str):
            reading.findings.append(block("wrong_type", place, "理由应为文字"))
        elif len(text) > MAX_REASON:
            message = f"理由现有 {len(text)} 字，最多 {MAX_REASON} 字，请删减"
            reading.findings.append(block("too_long", place, message))
        elif (why := not_written(text.translate(_BREAKS))) is not None:
            reading.findings.append(block("bad_characters", place, f"理由：{why}"))
        elif trimmed(text):
            reading.reasons[check.id] = text


def _read_unconfirmed(program: Compiled, reading: Reading, names: Any, complete: bool) -> None:
    if is_blank(names):
        return
    fields, tables = program.fields, program.tables
    known = {*fields, *tables}
    if (
        not isinstance(names, list)
        or len(names) > len(known)
        or not all(isinstance(name, str) and name in known for name in names)
    ):
        message = "unconfirmed 应为本表的字段或表格编号的列表"
        reading.findings.append(block("wrong_type", UNCONFIRMED, message))
        return
    for name in dict.fromkeys(names) if complete else ():
        if name in reading.filled:
            label = fields[name].label if name in fields else tables[name].title
            message = f"“{label}”是系统预填的，请核对，无误的请确认"
            reading.findings.append(block("unconfirmed", name, message))


# --- one value ------------------------------------------------------------------------------------


def _usable(field_: FormField, value: Any) -> Any:
    return Decimal(value) if field_.type in ("decimal", "percent") else value


_Problem = tuple[str, str]


def _problem(field_: FormField, value: Any) -> _Problem | None:
    match field_.type:
        case "integer":
            problem = _integer(field_, value)
        case "decimal" | "percent":
            problem = _decimal(field_, value)
        case "boolean":
            return None if isinstance(value, bool) else _wrong_type(field_, "true 或 false")
        case "choices":
            return _choices(field_, value)
        case "text" | "choice" | "date":
            problem = None if isinstance(value, str) else _wrong_type(field_, "文字")
    if problem is not None:
        return problem
    match field_.type:
        case "choice":
            return None if value in field_.options else _not_an_option(field_, value)
        case "date":
            words = "日期，写作 2024-12-31 这样的形式"
            return None if day_in(value) is not None else _bad_format(field_, words)
        case "text":
            return _text(field_, value)
        case _:
            return _range(field_, value)


def _text(field_: FormField, value: str) -> _Problem | None:
    if len(value) > field_.max_length:
        text = f"“{field_.label}”现有 {len(value)} 字，最多 {field_.max_length} 字，请删减"
        return "too_long", text
    if (why := not_written(value.translate(_BREAKS))) is not None:
        return "bad_characters", f"“{field_.label}”：{why}"
    if field_.uscc and not uscc.is_valid(value):
        words = "18 位统一社会信用代码（末位是校验码），请对照营业执照或法人证书"
        return _bad_format(field_, words)
    if field_.pattern and re.fullmatch(field_.pattern, value) is None:
        return _bad_format(field_, field_.pattern_words)
    return None


def _integer(field_: FormField, value: Any) -> _Problem | None:
    if isinstance(value, bool) or not isinstance(value, int):
        return _wrong_type(field_, "整数（JSON 数字，不带引号和小数点）")
    return _too_large(field_) if abs(value) > MAX_NUMBER else None


def _decimal(field_: FormField, value: Any) -> _Problem | None:
    if not isinstance(value, str):
        return _wrong_type(field_, '带引号的小数，如 "12.34"')
    if len(value) > 20 or _DECIMAL.fullmatch(value) is None:
        words = '数字，至多两位小数，不带单位、空格和千位分隔符，如 "12.34"'
        return _bad_format(field_, words)
    return _too_large(field_) if abs(Decimal(value)) > MAX_NUMBER else None


def _choices(field_: FormField, value: Any) -> _Problem | None:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        return _wrong_type(field_, "由选项文字组成的列表")
    if len(value) > len(field_.options) or len(set(value)) != len(value):
        return "duplicate_option", f"“{field_.label}”有重复的选项，请删去重复项"
    wrong = next((item for item in value if item not in field_.options), None)
    return None if wrong is None else _not_an_option(field_, wrong)


def _range(field_: FormField, value: Any) -> _Problem | None:
    number, unit = Decimal(value), field_.unit
    if field_.min is not None and number < field_.min:
        return "out_of_range", f"“{field_.label}”不能小于 {field_.min}{unit}，请核对"
    if field_.max is not None and number > field_.max:
        return "out_of_range", f"“{field_.label}”不能大于 {field_.max}{unit}，请核对"
    return None


def _wrong_type(field_: FormField, expected: str) -> _Problem:
    return "wrong_type", f"“{field_.label}”应填{expected}"


def _bad_format(field_: FormField, expected: str) -> _Problem:
    return "bad_format", f"“{field_.label}”应为{expected}"


def _too_large(field_: FormField) -> _Problem:
    return "too_large", f"“{field_.label}”的数值过大，请核对数字和单位"


def _not_an_option(field_: FormField, value: str) -> _Problem:
    there = "、".join(field_.options)
    message = f"“{field_.label}”只能从给定的 {len(field_.options)} 个选项中选：{there}"
    return "not_an_option", message


def needed(form: Form, wanted: Iterable[str]) -> frozenset[str]:
    """The fields and tables that values follow from, themselves among them."""
    program = compiled(form)
    found = set(wanted)
    for _, names in program.conditions.values():
        found |= names
    for field_ in reversed(program.derived):
        if field_.id in found and field_.derived is not None:
            found.update(field_.derived.inputs)
    return frozenset(found)


def figures(form: Form, values: Mapping[str, Any], names: frozenset[str]) -> dict[str, Any]:
    """The values of ``names`` in a content that has been accepted: read, and not checked again.

    ``names`` are as `needed` has them. Raises what Python raises for a content that is none.
    """
    program, reading = compiled(form), Reading()
    for name in names:
        value: Any = values.get(name)
        field_ = program.fields.get(name)
        if is_blank(value):
            continue
        if field_ is not None:
            reading.ready[name] = _usable(field_, value)
        elif name in program.tables:
            columns = {column.id: column for column in program.tables[name].fields}
            reading.ready[name] = [
                {key: _usable(columns[key], one) for key, one in row.items() if not is_blank(one)}
                for row in value
            ]
    reading.absent = _absent_sections(program, reading)
    for field_ in program.derived:
        if field_.id in names:
            value = _derived(program, field_, reading)
            if value is not None:
                reading.ready[field_.id] = value
    return reading.ready
