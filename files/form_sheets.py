"""Forms as workbooks: one sheet to fill in offline, and what was filled in read from it again.

The first column holds each blank's address (part, copy, field or table, row), so that a row may be
moved and its label mended without being taken for another. A table's rows hold its columns side
by side, from the column in which single values stand.
"""

import io
import re
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from openpyxl import Workbook as NewWorkbook
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.styles import Alignment, Font, PatternFill, Protection
from openpyxl.worksheet.datavalidation import DataValidation

from domain.text import trimmed
from files.findings import RowProblem, Unusable
from files.table import (
    content_of,
    day_of,
    half_width,
    is_blank,
    opened,
    refuse_unseen_places,
    text_of,
)
from files.workbook import Shown, column_letters
from rules.filing.forms.findings import pointer
from rules.filing.forms.model import COPIES, REASONS, Form, FormField, Section

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

_HEAD = ("编号", "项目", "单位", "填写", "上年", "名录", "说明")
_HEAD_ROW = 3
_VALUE = 3
"""The column, from 0, in which a single value stands."""
_DERIVED = "由系统推算"
_COLUMNS = "每行一条，按下列各列填写"
_SPARE_ROWS = 10
_SEPARATORS = re.compile(r"[、,，;；\n]+")


@dataclass(frozen=True)
class Filled:
    """What a sheet shows of one part: its values, last year's, and what the register says."""

    form: Form
    values: Mapping[str, Any] = field(default_factory=dict)
    last_year: Mapping[str, Any] = field(default_factory=dict)
    register: Mapping[str, Any] = field(default_factory=dict)
    copies: Sequence[str] = ()


def template(form: Form) -> bytes:
    """A form as an empty workbook."""
    return workbook(form.title, {"": Filled(form)})


def workbook(title: str, parts: Mapping[str, Filled]) -> bytes:
    """The parts of a filing as a workbook of one sheet, filled in as far as they are."""
    book = NewWorkbook()
    sheet = book.active
    sheet.title = "填报"
    sheet.append([title])
    sheet.append(["只填“填写”一列（表格按列填写）；编号不要改动；灰色的由系统推算，不用填写"])
    sheet.append(list(_HEAD))
    sheet.freeze_panes = "A4"
    for letter, width in zip("ABCDEFG", (30, 44, 10, 26, 18, 26, 50), strict=True):
        sheet.column_dimensions[letter].width = width
    for part, filled in parts.items():
        _part(sheet, part, filled)
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


def _part(sheet: Any, part: str, filled: Filled) -> None:
    form, header = filled.form, filled.form.header
    _heading(sheet, form.title)
    _row(
        sheet,
        [
            "",
            f"表号：{header.table_number.value}　制定机关：{header.issuing_authority.value}　"
            f"批准或备案文号：{header.approval_number.value}　"
            f"有效期限：{header.valid_until.value}",
        ],
    )
    if form.repeats is None:
        _copy(sheet, (part,) if part else (), form, filled.values, filled)
        return
    copies = [copy for _, copy in form.copies(filled.values)]
    known = [copy.get(form.repeats.field) for copy in copies if isinstance(copy, dict)]
    new = [{form.repeats.field: name} for name in filled.copies if name not in known]
    for number, values in enumerate([*copies, *new] or [{}]):
        _heading(sheet, f"{form.repeats.what}　第 {number + 1} 份")
        steps = (*((part,) if part else ()), COPIES, str(number + 1))
        name = str(values.get(form.repeats.field, ""))
        last = filled.last_year.get(name, {})
        own = Filled(form, values, last, filled.register)
        _copy(sheet, steps, form, values, own)


def _copy(
    sheet: Any, steps: tuple[str, ...], form: Form, values: Mapping[str, Any], filled: Filled
) -> None:
    for section in form.sections:
        _heading(sheet, section.title + (f"（{section.note}）" if section.note else ""))
        if section.table is not None:
            _table(sheet, (*steps, section.id), section, values.get(section.id) or ())
            continue
        for field_ in section.fields:
            help_ = "；".join(filter(None, (field_.help, _options_words(field_))))
            derived = field_.derived is not None
            _row(
                sheet,
                [
                    "" if derived else "/".join((*steps, field_.id)),
                    field_.label + ("" if field_.required or derived else "（可不填）"),
                    field_.unit,
                    _DERIVED if derived else _written(values.get(field_.id)),
                    _written(filled.last_year.get(field_.id)),
                    _written(filled.register.get(field_.id)),
                    help_,
                ],
                grey=derived,
            )
            _offer(sheet, field_, _VALUE)


def _table(sheet: Any, steps: tuple[str, ...], section: Section, rows: Sequence[Any]) -> None:
    assert section.table is not None
    labels = [
        f.label + (f"（{f.unit}）" if f.unit else "") + ("" if f.required else "（可不填）")
        for f in section.fields
    ]
    _row(sheet, ["", _COLUMNS, "", *labels], grey=True)
    count = min(section.table.max, len(rows) + _SPARE_ROWS)
    for number in range(count):
        row = rows[number] if number < len(rows) else {}
        cells = [_written(row.get(f.id)) for f in section.fields]
        address = "/".join((*steps, str(number + 1)))
        _row(sheet, [address, f"第 {number + 1} 行", "", *cells])
        for place, field_ in enumerate(section.fields):
            _offer(sheet, field_, _VALUE + place)


def _heading(sheet: Any, text: str) -> None:
    _row(sheet, ["", text])
    sheet.cell(sheet.max_row, 2).font = Font(bold=True)


def _row(sheet: Any, cells: Sequence[str], grey: bool = False) -> None:
    sheet.append([None] * len(cells))
    for place, text in enumerate(cells, start=1):
        if text == "":
            continue
        cell = sheet.cell(sheet.max_row, place)
        cell.value = ILLEGAL_CHARACTERS_RE.sub("", text)
        # what people wrote stays text, and long numbers keep their digits
        cell.data_type = "s"
        cell.number_format = "@"
        cell.alignment = Alignment(wrap_text=place in (2, 7), vertical="top")
        cell.protection = Protection(locked=place != _VALUE + 1)
        if grey:
            cell.fill = PatternFill("solid", fgColor="EEEEEE")
    if len(cells) > _VALUE:
        sheet.cell(sheet.max_row, _VALUE + 1).number_format = "@"


def _offer(sheet: Any, field_: FormField, column: int) -> None:
    """A list to choose from, where the options fit into what Excel keeps beside a cell."""
    options = ("是", "否") if field_.type == "boolean" else field_.options
    listed = ",".join(options)
    if not options or field_.type == "choices" or len(listed) > 255 or field_.derived is not None:
        return
    offered = DataValidation(type="list", formula1=f'"{listed}"', allow_blank=True)
    offered.add(f"{column_letters(column)}{sheet.max_row}")
    sheet.add_data_validation(offered)


def _options_words(field_: FormField) -> str:
    if field_.type == "boolean":
        return "填“是”或“否”"
    if field_.type == "choices":
        return f"可多选，用“、”隔开：{'、'.join(field_.options)}"
    if field_.type == "date":
        return "如 2024-12-31"
    return f"选一个：{'、'.join(field_.options)}" if field_.options else ""


def _written(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "是" if value else "否"
    if isinstance(value, list | tuple):
        return "、".join(map(str, value)) if all(isinstance(one, str) for one in value) else ""
    if isinstance(value, Decimal):
        return f"{value:f}"
    return str(value)


# --- reading --------------------------------------------------------------------------------------


@dataclass
class Read:
    """What a workbook holds: values by part, and where each stands (``D12``) by its pointer.

    ``addresses`` are the rows of its addresses, ``columns`` those from which something was read.
    """

    content: dict[str, Any] = field(default_factory=dict)
    cells: dict[str, str] = field(default_factory=dict)
    problems: list[RowProblem] = field(default_factory=list)
    addresses: dict[str, int] = field(default_factory=dict)
    columns: set[int] = field(default_factory=lambda: {0, _VALUE})

    def cell_of(self, place: str) -> str:
        """The cell of a finding's pointer, or of what it stands in; "" for none."""
        while place:
            if place in self.cells:
                return self.cells[place]
            place = place.rpartition("/")[0]
        return ""


def read(file: bytes, forms: Mapping[str, Form]) -> Read:
    """Reads a workbook that was made for these parts. Raises Unusable for a file of no use."""
    content = content_of(file)
    if content[:2] != b"PK":
        what = "只接受 .xlsx 工作簿（可能是改过扩展名、加密或旧版 .xls 文件）"
        raise Unusable("wrong_type", what, "请下载本件的工作簿，填写后上传")
    found = Read()
    with closing(opened(content)) as book:
        for number, cells in book.rows():
            _read_row(found, forms, number, cells)
        refuse_unseen_places(book, _HEAD_ROW, found.columns)
    if not found.cells and not found.problems:
        what = "工作簿里没有本件各项的编号"
        raise Unusable("not_this_form", what, "请下载本件的工作簿，不要改动第一列的编号")
    for part, form in forms.items():
        if part in found.content:
            found.content[part] = _in_order(form, found.content[part])
    return found


def _read_row(found: Read, forms: Mapping[str, Form], number: int, cells: Sequence[Shown]) -> None:
    first = cells[0] if cells else None
    address = trimmed(first) if isinstance(first, str) else ""
    if is_blank(first):
        _tell_lost(found, number, cells)
        return
    part, _, rest = address.partition("/")
    if part not in forms or not rest:
        if rest or (address and re.fullmatch(r"[a-z][a-z0-9_/-]*", address)):
            message = f"编号“{address[:60]}”不是本件的项目"
            _tell(found, number, 0, "unknown_address", message, "请恢复下载时的编号")
        return
    written = any(_cell(cells, column) is not None for column in range(_VALUE, len(cells)))
    if written and (before := found.addresses.setdefault(address, number)) != number:
        message = f"编号“{address[:60]}”与第 {before} 行相同，不知道以哪一行为准"
        mend = "请删去一行；表格要加行的，把编号最后的数字改成没有用过的"
        _tell(found, number, 0, "duplicate_address", message, mend)
        return
    form, steps, copy = forms[part], rest.split("/"), None
    if form.repeats is not None and steps[0] == COPIES and len(steps) > 2:
        copy, steps = steps[1], steps[2:]
    here = found.content.setdefault(part, {})
    if copy is not None:
        if not re.fullmatch("[1-9][0-9]?", copy):
            _unknown(found, number, address)
            return
        here = here.setdefault(COPIES, {}).setdefault(int(copy) - 1, {})
    at = pointer(part, *((COPIES, int(copy) - 1) if copy else ()))
    if len(steps) == 1 and steps[0] in form.fields and form.fields[steps[0]].derived is None:
        if (cell := _cell(cells, _VALUE)) is not None:
            _take(found, here, form.fields[steps[0]], cell, number, _VALUE, at)
    elif len(steps) == 2 and steps[0] in form.tables and re.fullmatch("[1-9][0-9]{0,2}", steps[1]):
        _read_table_row(found, here, form.tables[steps[0]], int(steps[1]) - 1, cells, number, at)
    else:
        _unknown(found, number, address)


def _tell_lost(found: Read, number: int, cells: Sequence[Shown]) -> None:
    """Tells of what somebody wrote into a row without an address: nobody knows what it is."""
    label, value = _cell(cells, 1), _cell(cells, _VALUE)
    if number <= _HEAD_ROW or label == _COLUMNS or value == _DERIVED:
        return
    # beside a heading people may note something
    last = len(cells) if label is None else _VALUE + 1
    for column in range(_VALUE, last):
        if _cell(cells, column) is not None:
            message = "本行第一列没有编号，填写的内容不知道属于哪一项"
            mend = "请恢复下载时的编号；由系统推算的不用填写，表格要加行的写上新的编号"
            _tell(found, number, column, "no_address", message, mend)
            return


def _unknown(found: Read, number: int, address: str) -> None:
    message = f"编号“{address[:60]}”不是本件的项目"
    _tell(found, number, 0, "unknown_address", message, "请恢复下载时的编号")


def _read_table_row(
    found: Read,
    here: dict[str, Any],
    section: Section,
    row: int,
    cells: Sequence[Shown],
    number: int,
    at: str,
) -> None:
    values: dict[str, Any] = {}
    place = f"{at}/{section.id}/{row}"
    for index, field_ in enumerate(section.fields):
        if (cell := _cell(cells, _VALUE + index)) is not None:
            _take(found, values, field_, cell, number, _VALUE + index, place)
    if values:
        here.setdefault(section.id, {})[row] = values
        found.cells.setdefault(place, f"{column_letters(_VALUE)}{number}")


def _cell(cells: Sequence[Shown], column: int) -> Shown:
    cell = cells[column] if column < len(cells) else None
    return None if is_blank(cell) else cell


def _take(
    found: Read,
    here: dict[str, Any],
    field_: FormField,
    cell: Shown,
    number: int,
    column: int,
    at: str,
) -> None:
    found.cells[f"{at}/{field_.id}"] = f"{column_letters(column)}{number}"
    found.columns.add(column)
    try:
        here[field_.id] = _value(field_, cell)
    except Unusable as bad:
        _tell(found, number, column, bad.code, f"“{field_.label}”：{bad.message}", bad.mend)


def _value(field_: FormField, cell: Shown) -> Any:
    """A cell's value as the form's JSON has it; what it may be is the form's to say."""
    match field_.type:
        case "integer":
            digits = half_width(text_of(cell, amount=True))
            if not re.fullmatch("-?[0-9]{1,15}", digits):
                what = f"应为整数，现为“{digits[:40]}”"
                raise Unusable("bad_count", what, "请只写数字，不要千分位和单位")
            return int(digits)
        case "decimal" | "percent":
            return half_width(text_of(cell, amount=True))
        case "boolean":
            word = half_width(text_of(cell)).casefold()
            if word not in ("是", "否", "true", "false"):
                raise Unusable("bad_flag", f"应填“是”或“否”，现为“{word[:40]}”", "请改正")
            return word in ("是", "true")
        case "date":
            return day_of(cell)[0].isoformat()
        case "choices":
            return [one for one in map(trimmed, _SEPARATORS.split(text_of(cell))) if one]
        case "text" | "choice":
            code = (field_.uscc or field_.max_length <= 64) and not field_.options
            text = text_of(cell, identifier=code)
            if code and half_width(text).isascii():
                text = half_width(text)
            if text[:1] in ("=", "@"):
                what = "本格像公式，不能以 =、@ 开头"
                raise Unusable("bad_characters", what, "请改为要填的内容本身")
            return text


def _tell(found: Read, row: int, column: int, code: str, message: str, mend: str) -> None:
    letter = column_letters(column)
    found.problems.append(RowProblem(row=row, column=letter, code=code, message=message, mend=mend))


def _in_order(form: Form, values: dict[str, Any]) -> dict[str, Any]:
    """Rows and copies, which were read by their numbers, as lists without gaps."""
    if form.repeats is not None:
        copies = values.get(COPIES, {})
        return {COPIES: [_rows_in_order(form, copies[key]) for key in sorted(copies)]}
    return _rows_in_order(form, values)


def _rows_in_order(form: Form, values: dict[str, Any]) -> dict[str, Any]:
    return {
        key: [value[row] for row in sorted(value)] if key in form.tables else value
        for key, value in values.items()
    }


def kept(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """A part as it was read, with the reasons of the draft before, which no sheet holds."""
    return {**new, REASONS: old[REASONS]} if REASONS in old else dict(new)
