"""A form tried out on its own example, and each check on the two sides of its example."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

from pydantic import ValidationError

from rules.filing.forms.checking import check_form
from rules.filing.forms.context import Context, PeerRange, Register
from rules.filing.forms.example import blank_example, conditional_example
from rules.filing.forms.model import COPIES, NUMBERS, REASONS, Check, Form, FormError
from rules.filing.forms.peers import groups
from rules.filing.forms.structure import is_blank, read

_BESIDE = ("register", "last_year", "peers", "year")


def try_example(form: Form) -> None:
    """Raises FormError where the form's own example is not in order."""
    example = blank_example(form)
    found = [one for one in check_form(form, example, complete=True) if one.open]
    if found:
        raise FormError(
            "bad_example",
            f"表单 {form.id} 的示例不合格：{found[0].pointer}：{found[0].message}"
            "；请改正该字段的 example",
        )


def try_checks(form: Form) -> list[FormError]:
    """What is wrong with the examples of the checks: each has to fire on one and pass the other."""
    found = []
    for check in form.checks:
        try:
            _try_check(form, check)
        except FormError as error:
            found.append(error)
    return found


def _try_check(form: Form, check: Check) -> None:
    place = f"表单 {form.id} 的校验 {check.id}"
    if check.example is None:
        message = f"{place}：缺少 example（fires 和 passes 各一个，让它不通过和通过）"
        raise FormError("missing_example", message)
    for name, changes in (("fires", check.example.fires), ("passes", check.example.passes)):
        try:
            codes = fired(form, check, changes)
        except (ValidationError, ValueError, KeyError, TypeError) as error:
            message = f"{place}：例子 {name} 写得不对（{str(error).splitlines()[0][:120]}）"
            raise FormError("example_fails", message) from None
        wanted = ["check_failed"] if name == "fires" else []
        if codes != wanted:
            told = {"fires": "应不通过", "passes": "应通过"}[name]
            got = "、".join(codes) or "通过"
            raise FormError("example_fails", f"{place}：例子 {name} {told}，实为 {got}")


def fired(form: Form, check: Check, changes: dict[str, Any]) -> list[str]:
    """What the form's example, changed so, comes to: codes of this check, and of the first pass.

    Raises ValueError and what pydantic raises for changes that make no sense.
    """
    values = blank_example(form)
    values = values[COPIES][0] if form.repeats is not None else values
    values.pop(REASONS, None)
    own = {key: value for key, value in changes.items() if key in {*form.fields, *form.tables}}
    beside = {key: value for key, value in changes.items() if key not in own}
    unknown = sorted(set(beside) - {*_BESIDE, *form.reads})
    if unknown:
        raise ValueError(f"没有 {unknown[0]} 这个字段")
    values |= own
    for name in [name for name, value in own.items() if is_blank(value)]:
        del values[name]
    absent = read(form, values, complete=False).absent
    values = {
        name: value
        for name, value in values.items()
        if (section := form.section_of(name)) is None or section.id not in absent
    }
    values = {**conditional_example(form, values), **values}
    given = {COPIES: [values]} if form.repeats is not None else values
    found = check_form(form, given, complete=True, known=_known(form, values, beside))
    codes = [one.code for one in found if one.check in (check.id, None)]
    return list(dict.fromkeys(codes))


def _known(form: Form, values: dict[str, Any], beside: dict[str, Any]) -> Context:
    known = Context(year=beside.get("year", 2024))
    if "register" in beside:
        known = replace(known, register=Register.model_validate(beside["register"]))
    if "last_year" in beside:
        given = beside["last_year"].items()
        last: dict[str, Any] = {key: _typed(form.fields[key].type, v) for key, v in given}
        if form.repeats is not None:
            last = {str(values[form.repeats.field]): last}
        known = replace(known, last_year=last)
    parts = {
        part: {key: _typed(form.reads[part][key], v) for key, v in beside[part].items()}
        for part in form.reads
        if part in beside
    }
    if "peers" in beside:
        ready = read(form, values, complete=False).ready
        ranges = {
            (field, group): PeerRange(group=group, **limits)
            for field, limits in beside["peers"].items()
            for group in groups(form, ready)
        }
        known = replace(known, peers=ranges)
    return replace(known, parts=parts)


def _typed(kind: str, value: Any) -> Any:
    if kind not in NUMBERS:
        return value
    return int(value) if kind == "integer" else Decimal(value)
