"""Which figures of a form may be published: what would give away more than it says is an error."""

from collections.abc import Iterator, Mapping

from rules.file.schema import Filing
from rules.filing.forms.model import Form

_ADDED_UP = ("integer", "decimal")
_WHERE = "publication.figures"


def contradictions(filing: Filing, forms: Mapping[str, Form]) -> Iterator[tuple[str, str, str]]:
    """What is wrong with the figures to be published, as code, place and message."""
    rule = filing.publication.figures if filing.publication is not None else None
    if rule is None:
        return
    form = forms.get(rule.part)
    if form is None:
        yield "unknown_part", f"{_WHERE}.part", f"没有 {rule.part} 这一部分，或其表单有误"
        return
    if form.peer_groups is None or form.repeats is not None:
        message = f"表单 {form.id} 没有 peer_groups（分类、领域），或分份填报，不能汇总公布"
        yield "bad_form", f"{_WHERE}.part", message
        return
    for name in rule.values:
        field = form.fields.get(name)
        if field is None or field.type not in _ADDED_UP:
            message = f"表单 {form.id} 没有能够相加的字段 {name}（整数或小数）"
            yield "unknown_field", f"{_WHERE}.values", message
        elif field.derived is not None and (both := set(field.derived.inputs) & set(rule.values)):
            # shown both, the one that is withheld follows from the others
            message = f"{name} 由 {'、'.join(sorted(both))} 推算，同时公布可以推出不公布的数"
            yield "derivable_figure", f"{_WHERE}.values", message
    by = rule.by_field
    if by is None:
        return
    table = form.tables.get(by.table)
    columns = {column.id: column for column in table.fields} if table is not None else {}
    if by.column not in columns or columns[by.column].type != "choice":
        message = f"表单 {form.id} 的表格 {by.table} 没有单选的列 {by.column}"
        yield "unknown_field", f"{_WHERE}.by_field.column", message
    for name, total in by.adds_up_to.items():
        if name not in columns or columns[name].type not in _ADDED_UP:
            message = f"表格 {by.table} 没有能够相加的列 {name}（整数或小数）"
            yield "unknown_field", f"{_WHERE}.by_field.adds_up_to", message
        if total not in rule.values:
            message = f"列 {name} 的合计 {total} 没有列入 values"
            yield "unknown_field", f"{_WHERE}.by_field.adds_up_to", message
