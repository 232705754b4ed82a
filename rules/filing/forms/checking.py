"""What is wrong with a filled-in form: its structure first, then its content.

One function for preview, import, submission and review: `check_form` for one form, `check_parts`
for the whole of a filing. Neither raises for any values.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from rules.filing.forms.context import NOTHING_KNOWN, Context, PeerRange
from rules.filing.forms.expressions import (
    Program,
    compiled,
    evaluated,
    register_names,
    truth,
)
from rules.filing.forms.findings import (
    FormFinding,
    FormReport,
    block,
    pointer,
    report,
    told_apart,
)
from rules.filing.forms.model import COPIES, MAX_COPIES, NUMBERS, Check, Form, FormField
from rules.filing.forms.peers import groups
from rules.filing.forms.structure import Reading, read

MAX_ROWS_TOLD = 20
"""So many rows a check of rows names one by one."""

MAX_SHOWN = 60

_PLACEHOLDER = re.compile(r"\{([a-z_][a-z0-9_.]*)\}")


def check_form(
    form: Form, values: Any, complete: bool, known: Context = NOTHING_KNOWN
) -> list[FormFinding]:
    """What is wrong with ``values``, in the order of the form, not yet numbered.

    ``complete=False`` (saving a draft) is the first pass without what is missing; ``complete=True``
    also what is missing, and the second pass: the form's checks, as far as what they look at is
    there. A check that fails with a written reason is told of with it.
    """
    if form.repeats is None:
        return _check_copy(form, values, complete, known)
    return list(_check_copies(form, values, complete, known))


def check_parts(
    forms: Mapping[str, Form],
    content: Mapping[str, Any],
    complete: bool,
    known: Context = NOTHING_KNOWN,
    last_year: Mapping[str, Mapping[str, Any]] | None = None,
    peers: Mapping[str, Mapping[tuple[str, str], PeerRange]] | None = None,
) -> FormReport:
    """The report on a filing: each part's form with what is filled in, parts in their order.

    Pointers begin with the part. Without ``complete`` parts that are not there are passed over.
    ``last_year`` are the readings of the same parts a year before, as `readings` has them;
    ``peers`` the ranges of each part, as `peers.ranges` has them.
    """
    found: list[FormFinding] = []
    parts = readings(forms, content) if complete else {}
    for part, form in forms.items():
        if not complete and part not in content:
            continue
        mine = replace(
            known,
            last_year=(last_year or {}).get(part),
            parts=parts,
            peers=(peers or {}).get(part, {}),
        )
        for one in check_form(form, content.get(part, {}), complete, mine):
            at = pointer(part)
            moved = {
                "pointer": at + one.pointer,
                "fields": tuple(_moved(at, place) for place in one.fields),
            }
            found.append(told_apart(one.model_copy(update=moved)))
    return report(found)


def readings(forms: Mapping[str, Form], content: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The usable values of each part, derived ones included; of one that repeats by its copies."""
    return {
        part: _reading(form, content[part])
        for part, form in forms.items()
        if isinstance(content.get(part), dict)
    }


def _reading(form: Form, values: dict[str, Any]) -> dict[str, Any]:
    if form.repeats is None:
        return read(form, values, complete=False).ready
    copies = [read(form, copy, complete=False).ready for _, copy in form.copies(values)]
    return {str(copy.get(form.repeats.field)): copy for copy in copies}


def derived_values(form: Form, values: Any) -> Any:
    """The derived values of a filled-in form as JSON, for each copy where it repeats."""
    made = [
        {
            name: str(ready[name]) if isinstance(ready[name], Decimal) else ready[name]
            for name, field in form.fields.items()
            if field.derived is not None and name in ready
        }
        for _, copy in form.copies(values)
        for ready in [read(form, copy, complete=False).ready]
    ]
    return made[0] if form.repeats is None else made


def _moved(at: str, place: str) -> str:
    """A place inside another part stays what it is; see `_places`."""
    return place[1:] if place.startswith("//") else at + place


def _check_copies(form: Form, values: Any, complete: bool, known: Context) -> Iterator[FormFinding]:
    assert form.repeats is not None
    if not isinstance(values, dict) or set(values) - {COPIES}:
        message = f"本表每个{form.repeats.what}各填一份，应为含 copies（各份的列表）的对象"
        yield block("wrong_type", "", message)
        return
    copies = values.get(COPIES) or []
    if not isinstance(copies, list):
        yield block("wrong_type", COPIES, "copies 应为各份内容的列表")
        return
    if len(copies) > MAX_COPIES:
        message = f"本表现有 {len(copies)} 份，最多 {MAX_COPIES} 份，请核对"
        yield block("too_many_copies", COPIES, message)
        return
    for number, copy in enumerate(copies):
        named = copy.get(form.repeats.field) if isinstance(copy, dict) else None
        last = (known.last_year or {}).get(named) if isinstance(named, str) else None
        own = replace(known, last_year=last)
        for one in _check_copy(form, copy, complete, own):
            at = pointer(COPIES, number)
            moved = {
                "pointer": at + one.pointer,
                "fields": tuple(p if p.startswith("//") else at + p for p in one.fields),
            }
            yield one.model_copy(update=moved)
    if complete:
        yield from _which_copies(form, copies, known)


def _which_copies(form: Form, copies: list[Any], known: Context) -> Iterator[FormFinding]:
    """One copy for each that the register lists, no more and no fewer."""
    repeats = form.repeats
    assert repeats is not None
    named = [copy.get(repeats.field) if isinstance(copy, dict) else None for copy in copies]
    if not copies:
        yield block("required", COPIES, f"本表每个{repeats.what}各填一份，现在一份也没有，请填写")
    for number, name in enumerate(named):
        if isinstance(name, str) and name in named[:number]:
            message = f"第 {number + 1} 份与前面一份是同一个{repeats.what}“{name[:60]}”，请删去一份"
            yield block("duplicate_row", (COPIES, number, repeats.field), message)
    if known.register is None:
        return
    listed = known.register.national_centres
    for name in listed:
        if name not in named:
            message = f"名录中的{repeats.what}“{name}”还没有填写，每个各填一份"
            yield block("copy_missing", COPIES, message)
    for number, name in enumerate(named):
        if isinstance(name, str) and name.strip() and name not in listed:
            there = "、".join(listed) or "（没有）"
            message = (
                f"名录中没有{repeats.what}“{name[:60]}”；有：{there}。"
                "名称有误的请更正，名录有误的请联系发证部门更正名录"
            )
            yield block("copy_unknown", (COPIES, number, repeats.field), message)


def _check_copy(form: Form, values: Any, complete: bool, known: Context) -> list[FormFinding]:
    reading = read(form, values, complete)
    found = list(reading.findings)
    if not complete or not isinstance(values, dict):
        return found
    found += _expired(form, known)
    return found + list(_Second(form, reading, known).findings())


def _expired(form: Form, known: Context) -> Iterator[FormFinding]:
    last = form.header.last_day
    if last is not None and known.today is not None and known.today > last:
        yield block("form_expired", "", expired_words(form))


def expired_words(form: Form) -> str:
    """Why a form past its validity is not filled in any more, and what can be done."""
    header = form.header
    return (
        f"《{form.title}》（表号 {header.table_number.value}，{header.approval_number.value}）"
        f"的有效期限到 {header.valid_until.value} 为止，不能再填报；"
        "统计调查对象有权拒绝填报过期的统计表，"
        f"请等待 {header.issuing_authority.value} 重新批准或备案"
    )


@dataclass
class _Second:
    """The second pass over one form."""

    form: Form
    reading: Reading
    known: Context

    def findings(self) -> Iterator[FormFinding]:
        """What the form's checks find, in their order."""
        program = compiled(self.form)
        values = self._values()
        data = program.activation({n: values[n] for n in program.uses if n in values})
        have = values.keys()
        by_check = {one.check.id: one for one in program.programs}
        for check in self.form.checks:
            if check.peers is not None:
                yield from self._against_peers(check, values)
                continue
            one = by_check[check.id]
            if not one.needs <= have or self.reading.filled.intersection(check.absent):
                continue
            if check.each is None:
                yield from self._alone(one, values, data)
            else:
                yield from self._by_row(one, values)

    def _values(self) -> dict[str, Any]:
        known, ready = self.known, self.reading.ready
        values: dict[str, Any] = dict(ready)
        for name, value in (known.last_year or {}).items():
            values[f"last_year.{name}"] = value
        for part, fields in self.form.reads.items():
            there = known.parts.get(part, {})
            values |= {f"{part}.{name}": there[name] for name in fields if name in there}
        if known.register is not None:
            values |= register_names(known.register)
        if known.year is not None:
            values |= {"year.first": f"{known.year}-01-01", "year.last": f"{known.year}-12-31"}
        return values

    def _alone(self, one: Program, values: dict[str, Any], data: Any) -> Iterator[FormFinding]:
        if one.check.tolerance is not None:
            used = {n: values[n] for n in one.needs}
            data = compiled(self.form).activation(
                used | {"tolerance": Decimal(one.check.tolerance)}
            )
        outcome = _outcome(one, data)
        if outcome is True:
            return
        places = _places(self.form, one.check)
        if outcome is None:
            yield self._not_computable(one.check, places, values)
            return
        yield self._failed(one.check, places, self._words(one, values, data))

    def _by_row(self, one: Program, values: dict[str, Any]) -> Iterator[FormFinding]:
        check, program = one.check, compiled(self.form)
        table = check.each or ""
        used = {name: values[name] for name in one.needs}
        if check.tolerance is not None:
            used["tolerance"] = Decimal(check.tolerance)
        shared = program.prepared(used)
        told = 0
        for number, row in enumerate(values[table]):
            data = program.env.Activation({**shared, f"row.{table}": program.row(table, row)})
            outcome = _outcome(one, data)
            if outcome is True:
                continue
            told += 1
            places = (pointer(table, number),)
            if told > MAX_ROWS_TOLD:
                message = f"{self.form.tables[table].title}：另有同样的行，未逐一列出"
                yield self._failed(check, places, message)
                return
            named = {f"row.{name}": value for name, value in row.items()}
            if outcome is None:
                yield self._not_computable(check, places, {**values, **named})
                continue
            words = self._words(one, {**values, **named}, data)
            yield self._failed(check, places, f"第 {number + 1} 行：{words}")

    def _against_peers(self, check: Check, values: dict[str, Any]) -> Iterator[FormFinding]:
        peers = check.peers
        assert peers is not None
        value = values.get(peers.field)
        if value is None:
            return
        found = [
            self.known.peers[(peers.field, group)]
            for group in groups(self.form, values)
            if (peers.field, group) in self.known.peers
        ]
        ranges = [one for one in found if one.count >= peers.least]
        if not ranges or any(one.low <= value <= one.high for one in ranges):
            return
        nearest = max(ranges, key=lambda one: one.count)
        field = self.form.fields[peers.field]
        figures = {
            "peer.group": nearest.group,
            "peer.count": str(nearest.count),
            "peer.median": _shown(field, nearest.median),
            "peer.low": _shown(field, nearest.low),
            "peer.high": _shown(field, nearest.high),
        }
        message = _filled(check.message, {**self._shown(values), **figures})
        yield self._failed(check, _places(self.form, check), message)

    def _failed(self, check: Check, places: tuple[str, ...], message: str) -> FormFinding:
        return FormFinding(
            level=check.level,
            code="check_failed",
            check=check.id,
            pointer=places[0],
            fields=places,
            message=message,
            reason=self.reading.reasons.get(check.id),
            cite=check.cite,
        )

    def _not_computable(
        self, check: Check, places: tuple[str, ...], values: dict[str, Any]
    ) -> FormFinding:
        """A check that says neither yes nor no, with the figures that it says it of."""
        shown, known = self._shown(values, check), compiled(self.form).fields
        labels = {name: known[name].label for name in check.fields if name in known}
        if check.each:
            labels |= {f"row.{one.id}": one.label for one in self.form.tables[check.each].fields}
        figures = "、".join(f"{labels[name]}{shown[name]}" for name in labels if name in shown)
        message = (
            f"校验“{check.id}”对这些数字无法计算（{figures}），请核对；"
            "数字无误的可以申请豁免，并告诉系统管理员"
        )
        return FormFinding(
            code="check_not_computable",
            check=check.id,
            pointer=places[0],
            fields=places,
            message=message,
        )

    def _words(self, one: Program, values: dict[str, Any], data: Any) -> str:
        texts = self._shown(values, one.check)
        for name, figure, expression in one.figures:
            texts[name] = _figure(evaluated(expression, data), figure.type, figure.unit)
        return _filled(one.check.message, texts)

    def _shown(self, values: dict[str, Any], check: Check | None = None) -> dict[str, str]:
        """The values as people read them, by the names that messages use."""
        columns = (
            {f"row.{f.id}": f for f in self.form.tables[check.each].fields}
            if check is not None and check.each
            else {}
        )
        texts, fields = {}, compiled(self.form).fields
        for name, value in values.items():
            own = fields.get(name.removeprefix("last_year.")) or columns.get(name)
            texts[name] = _shown(own, value)
        if check is not None and check.tolerance is not None:
            first = self.form.fields.get(check.fields[0])
            texts["tolerance"] = f"{check.tolerance}{first.unit if first else ''}"
        return texts


def _outcome(one: Program, data: Any) -> bool | None:
    """Whether a check holds, or need not be asked; None where it cannot be computed."""
    if one.when is not None:
        asked = truth(one.when, data)
        if asked is not True:
            return None if asked is None else True
    return truth(one.holds, data)


def _places(form: Form, check: Check) -> tuple[str, ...]:
    """Where a check is shown, then all that it is about; other parts begin with ``//``."""
    own = [pointer(name) for name in check.fields]
    texts = " ".join(filter(None, (check.when, check.holds)))
    others = [
        f"//{part}/{name}"
        for part, fields in form.reads.items()
        for name in fields
        if f"{part}.{name}" in texts
    ]
    return (*own, *others)


def _filled(message: str, texts: Mapping[str, str]) -> str:
    return _PLACEHOLDER.sub(lambda found: texts.get(found[1], "（未填）"), message)


def _figure(value: Any, kind: str, unit: str) -> str:
    if value is None:
        return "（无法计算）"
    if kind == "texts":
        listed = "、".join(str(one)[:MAX_SHOWN] for one in value[:10])
        return listed + (f" 等 {len(value)} 项" if len(value) > 10 else "")
    if kind == "integer":
        return f"{value}{unit}"
    return f"{Decimal(value) / 100:.2f}{unit or ('%' if kind == 'percent' else '')}"


def _shown(field: FormField | None, value: Any) -> str:
    unit = field.unit if field is not None and field.type in NUMBERS else ""
    if isinstance(value, bool):
        return "是" if value else "否"
    if isinstance(value, Decimal):
        whole = field is not None and field.type == "integer"
        return f"{value:.0f}{unit}" if whole else f"{value:.2f}{unit}"
    if isinstance(value, list | tuple):
        return "、".join(str(one)[:MAX_SHOWN] for one in value[:10])
    return f"{str(value)[:MAX_SHOWN]}{unit}"
