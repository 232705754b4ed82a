"""A form on a page and back: what is shown, sent as it stands, is what was there."""

from pathlib import Path
from typing import Any

import pytest

from api.door.requests import Form
from api.workbench.blanks import Blank, groups, read_part
from rules.file.library import SHIPPED
from rules.filing.forms.example import blank_example
from rules.filing.forms.library import FormLibrary

LIBRARY = FormLibrary(Path(SHIPPED) / "forms")


def sent(blanks: list[Blank]) -> Form:
    """What a browser sends of blanks as they are shown."""
    form = Form()
    for one in blanks:
        if one.field["derived"] is None:
            form[one.name] = sorted(one.chosen) if one.chosen else [one.text]
    return form


@pytest.mark.parametrize("form_id", LIBRARY.ids())
def test_a_form_sent_as_it_was_shown_changes_nothing(form_id: str) -> None:
    form = LIBRARY.get(form_id)
    content = form.model_dump(mode="json")
    copies = ("甲中心", "乙中心") if form.repeats else None
    values = blank_example(form, None, 2024)
    if form.repeats:
        values = {"copies": [one for _, one in form.copies(values)][:1] * 2}
    shown = groups(content, copies, values, {}, {})
    blanks = [one for group in shown for one in group.blanks]
    blanks += [one for group in shown for row in group.rows or () for one in row]
    read = read_part(content, copies, sent(blanks), values)
    kept = {name: value for name, value in read.items() if value is not None}
    assert kept == {name: value for name, value in values.items() if value not in (None, [], {})}


def test_what_is_no_number_is_kept_as_it_was_typed_for_the_api_to_refuse() -> None:
    section = {
        "id": "s",
        "table": None,
        "fields": [{"id": "n", "type": "integer", "derived": None}],
    }
    content = {"sections": [section]}
    for text, value in (("1,200", 1200), ("-3", -3), ("1.5", "1.5"), ("１２", "１２"), (" ", None)):
        assert read_part(content, None, Form(n=[text]), {})["n"] == value


def test_what_was_filled_in_beforehand_stays_marked_until_it_is_ticked() -> None:
    content: dict[str, Any] = {"sections": []}
    standing = {"unconfirmed": ["a", "b"], "reasons": {"c": "old", "d": "kept"}}
    read = read_part(content, None, Form({"confirmed": ["a"], "reasons/c": ["new"]}), standing)
    assert read["unconfirmed"] == ["b"]
    assert read["reasons"] == {"c": "new", "d": "kept"}
