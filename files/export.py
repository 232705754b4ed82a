"""Tables that go out: as CSV for spreadsheets, and as XLSX. What people wrote stays text."""

import codecs
from collections.abc import Iterable, Sequence
from io import BytesIO

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

Rows = Iterable[Sequence[str | int]]

CSV_MARK = codecs.BOM_UTF8
"""Tells Excel that a file is UTF-8."""


def csv_table(header: Sequence[str], rows: Rows) -> bytes:
    """A whole table as CSV, marked as UTF-8."""
    lines = (csv_line([str(value) for value in row]) for row in [header, *rows])
    return CSV_MARK + "".join(lines).encode()


def xlsx(title: str, header: Sequence[str], rows: Rows) -> bytes:
    """A workbook of one sheet; texts that look like formulas are texts."""
    return workbook([(title, header, rows)])


def workbook(sheets: Iterable[tuple[str, Sequence[str], Rows]]) -> bytes:
    """A workbook of several sheets, each with its title, header and rows."""
    book = Workbook(write_only=True)
    for title, header, rows in sheets:
        sheet = book.create_sheet(title)
        sheet.freeze_panes = "A2"
        for column, name in enumerate(header):
            sheet.column_dimensions[_letter(column)].width = max(10, 2.2 * len(name), 16)
        sheet.append(list(header))
        for row in rows:
            sheet.append([_cell(sheet, value) for value in row])
    content = BytesIO()
    book.save(content)
    return content.getvalue()


def table(kind: str, title: str, header: Sequence[str], rows: Rows) -> bytes:
    """A table as ``csv`` or ``xlsx``."""
    return csv_table(header, rows) if kind == "csv" else xlsx(title, header, rows)


def _cell(sheet: object, value: str | int) -> object:
    if isinstance(value, int):
        return value
    cell = WriteOnlyCell(sheet, value=ILLEGAL_CHARACTERS_RE.sub("", value))
    cell.data_type = "s"
    return cell


def _letter(column: int) -> str:
    return chr(ord("A") + column)


def csv_line(cells: Sequence[str]) -> str:
    """A line of CSV that no spreadsheet takes for formulas."""
    return ",".join(map(_csv_cell, cells)) + "\r\n"


def _csv_cell(text: str) -> str:
    if text[:1] in ("=", "+", "-", "@", "\t", "\r"):
        text = "'" + text
    return '"' + text.replace('"', '""') + '"' if set(text) & set(',"\r\n') else text
