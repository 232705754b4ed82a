"""Whether everything in a file belongs to the year it is for: ids, titles, forms, days. Pure."""

import re
from collections.abc import Iterator
from datetime import date

from rules.file.schema import RuleFile
from rules.file.shapes import Cite
from rules.file.strict_yaml import Path as NodePath

_TITLED = re.compile(r"(\d{4})\s*年度?")
_NAMED = re.compile(r"(?:^|-)(20\d{2}|2100)(?=-|$)")

EARLIEST = (10, 1)
"""A campaign's first day: not before 1 October of the statistics year."""


def strangers(rules: RuleFile) -> Iterator[tuple[NodePath, str]]:
    """What belongs to another year: path and Chinese sentence.

    The statistics of a year are collected from its last quarter to the end of the year after it.
    """
    year = rules.year
    for path, text in _named(rules):
        message = named_otherwise(text, year, title=path == ("title",))
        if message is not None:
            yield path, message
    first, last = date(year, *EARLIEST), date(year + 1, 12, 31)
    for path, day in _days(rules):
        if not first <= day <= last:
            yield (
                path,
                (
                    f"{day} 不在 {year} 年度统计开展的时间之内（{first} 至 {last}）；"
                    f"请核对是不是照抄了别的年度"
                ),
            )
    for path, day, until, cite in _later(rules):
        if day > until:
            message = f"{day} 离 {year} 年度太远（至迟 {until}）；请核对是不是照抄了别的年度"
            yield path, message
        if day < first and not cite.assume and str(day.year) not in cite.quote:
            message = (
                f"{day} 在 {year} 年度统计开始（{first}）之前，引文又没有写年份；"
                f"请核对是不是照抄了别的年度，确实如此的用 assume 说明"
            )
            yield path, message
    as_of = rules.filing.certificates.as_of
    if not date(year, 1, 1) <= as_of <= last:
        message = f"{as_of} 不在 {year} 年度统计所涉的时间之内（{year}-01-01 至 {last}）；请更正"
        yield ("filing", "certificates", "as_of"), message


def _named(rules: RuleFile) -> Iterator[tuple[NodePath, str]]:
    yield ("id",), rules.id
    yield ("title",), rules.title
    for index, part in enumerate(rules.filing.parts):
        yield ("filing", "parts", index, "form"), part.form


def years_named(text: str, *, title: bool = False) -> set[int]:
    """The years that an id or a title names."""
    return {int(found) for found in (_TITLED if title else _NAMED).findall(text)}


def named_otherwise(text: str, year: int, *, title: bool = False) -> str | None:
    """Why an id or a title belongs to another year than ``year``; None where it does not."""
    years = years_named(text, title=title)
    if not years or year in years:
        return None
    other = "、".join(str(one) for one in sorted(years))
    return f"{text} 属于 {other} 年度，而这个文件是 {year} 年度的；请改成本年度的"


def _later(rules: RuleFile) -> Iterator[tuple[NodePath, date, date, Cite]]:
    """Days of duties and figures, with the last that can be meant; a backfill may take longer."""
    for index, duty in enumerate(rules.duties):
        if duty.due is not None:
            last = date(rules.year + (3 if duty.once else 1), 12, 31)
            yield ("duties", index, "due"), duty.due, last, duty.cite
    for index, own in enumerate(rules.filing.authority_figures):
        last = date(rules.year + 1, 12, 31)
        yield ("filing", "authority_figures", index, "due"), own.due, last, own.cite


def _days(rules: RuleFile) -> Iterator[tuple[NodePath, date]]:
    for name, span in rules.filing.windows.stated().items():
        yield ("filing", "windows", name, "from"), span.first
        yield ("filing", "windows", name, "to"), span.last
    for index, stage in enumerate(rules.filing.stages):
        yield ("filing", "stages", index, "from"), stage.first
        yield ("filing", "stages", index, "to"), stage.last
