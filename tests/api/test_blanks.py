"""A form on a page and back: what is shown, sent as it stands, is what was there."""

from pathlib import Path
from typing import Any

import pytest

from api.door.requests import Form
from api.workbench.blanks import Blank, Warned, groups, read_part, warned
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
    assert read_part(content, None, Form({"reasons/c": [" "]}), standing)["reasons"] == {
        "d": "kept"
    }


def test_a_warning_is_explained_in_its_own_copy_and_once_for_all_its_rows() -> None:
    def finding(place: str, level: str = "warn", reason: str | None = None) -> dict[str, Any]:
        own = {"check": "c", "message": place, "level": level, "reason": reason}
        return {"pointer": f"/parts/p/{place}", **own}

    rows = [finding("rows/0"), finding("rows/1"), finding("x", "block")]
    assert warned(rows, "/parts/p/", None) == [Warned(("rows/0", "rows/1"), "", "reasons/c", "")]
    both = [finding("copies/0/x"), finding("copies/1/x", reason="确实")]
    told = warned(both, "/parts/p/", ("甲中心", "乙中心"))
    assert told == [
        Warned(("copies/0/x",), "甲中心", "copies/0/reasons/c", ""),
        Warned(("copies/1/x",), "乙中心", "copies/1/reasons/c", "确实"),
    ]
    # and under that name it is read
    sent_ = Form({"copies/0/reasons/c": ["属实"]})
    read = read_part({"sections": []}, ("甲中心", "乙中心"), sent_, {})
    assert read == {"copies": [{"reasons": {"c": "属实"}}, {}]}
