"""The list of tasks of a filing says of each section what is left to do."""

from typing import Any

import pytest

from api.workbench.steps import part_state, steps_of

_FIELD = {"type": "integer", "label": "x", "derived": None}
FORM = {
    "part": "statistics",
    "copies": None,
    "content": {
        "sections": [
            {"id": "people", "title": "人员", "table": None, "fields": [{**_FIELD, "id": "staff"}]},
            {"id": "sites", "title": "场所", "table": {"max": 5},
             "fields": [{**_FIELD, "id": "name"}]},
        ]
    },
}  # fmt: skip


def finding(place: str, level: str = "block", code: str = "sum", **more: Any) -> dict[str, Any]:
    return {"pointer": f"/parts/statistics/{place}", "level": level, "code": code,
            "reason": "", "waiver": None, **more}  # fmt: skip


def states(values: dict[str, Any], *findings: dict[str, Any]) -> list[tuple[str, bool]]:
    draft = {"parts": {"statistics": values}, "derived": {}, "report": {"findings": findings}}
    return [(step.state, step.left) for step in steps_of(FORM, draft)]


FULL = {"staff": 3, "sites": [{"name": 1}]}


@pytest.mark.parametrize(
    ("values", "found", "people", "sites"),
    [
        (FULL, [], ("已填好", False), ("已填好", False)),
        ({}, [finding("staff", code="required")], ("还没有填写", True),
         ("没有填写，可以不填", False)),
        (FULL, [finding("staff"), finding("sites/0/name", code="required")],
         ("1 处须改正", True), ("还差 1 项", True)),
        (FULL, [finding("sites")], ("已填好", False), ("1 处须改正", True)),
        (FULL, [finding("staff", "warn")], ("1 处提醒，请说明理由", False), ("已填好", False)),
        (FULL, [finding("staff", "warn", reason="属实")], ("已填好", False), ("已填好", False)),
        (FULL, [finding("staff", waiver=1)], ("已填好", False), ("已填好", False)),
        (FULL, [finding("staff", code="unconfirmed"), finding("sites", code="unconfirmed")],
         ("1 处预填的请核对", True), ("1 处预填的请核对", True)),
        # what begins alike is another section's
        (FULL, [finding("sitesmore")], ("已填好", False), ("已填好", False)),
    ],
)  # fmt: skip
def test_a_section_says_what_is_left(
    values: dict[str, Any],
    found: list[dict[str, Any]],
    people: tuple[str, bool],
    sites: tuple[str, bool],
) -> None:
    assert states(values, *found) == [people, sites]


def test_a_part_says_what_is_left_in_all_of_it() -> None:
    def told(*found: dict[str, Any]) -> str:
        draft = {"parts": {"statistics": FULL}, "derived": {}, "report": {"findings": found}}
        return part_state("statistics", draft)

    assert told() == "已填好"
    assert told(finding("staff", code="required"), finding("x"), finding("y", "warn")) == (
        "还差 1 项，1 处须改正，1 处提醒，请说明理由"
    )
    assert part_state("other", {"parts": {}}) == "还没有填写"
