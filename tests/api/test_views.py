"""Saved ways to look at an inbox: what a browser has kept is believed as far as it is sound."""

import base64
import json

import pytest

from api.workbench.views import MOST, View, read_views, with_view, without_view, written_views

NAMES = ("claimed", "name")


def test_what_was_saved_is_read_again_by_its_person_alone() -> None:
    views = with_view([], "  我的  福州 ", {"name": "福州", "claimed": "mine"})
    kept = written_views(views, "r-1")
    assert read_views(kept, "r-1", NAMES) == [
        View("我的 福州", {"name": "福州", "claimed": "mine"})
    ]
    assert read_views(kept, "r-2", NAMES) == []


def test_one_of_the_same_name_gives_way_and_the_oldest_go() -> None:
    views: list[View] = []
    for number in range(MOST + 2):
        views = with_view(views, f"v{number}", {"name": "x"})
    assert [one.name for one in views] == [f"v{number}" for number in range(MOST + 1, 1, -1)]
    views = with_view(views, "v5", {"name": "y"})
    assert len(views) == MOST
    assert views[0] == View("v5", {"name": "y"})
    assert "v5" not in [one.name for one in without_view(views, "v5")]
    # what says nothing is not saved
    assert with_view([], " ", {"name": "x"}) == with_view([], "v", {}) == []


@pytest.mark.parametrize(
    "kept",
    [
        "",
        "nonsense",
        "é",
        base64.urlsafe_b64encode(b"[]").decode(),
        *(
            base64.urlsafe_b64encode(json.dumps({"r-1": views}).encode()).decode()
            for views in (
                [["v", {"unknown": "x"}]],
                [["v", {"name": 1}]],
                [["v" * 21, {"name": "x"}]],
                [["v", {"name": "x" * 101}]],
                [[1, {"name": "x"}]],
                [["v"]],
                "v",
                3,
            )
        ),
    ],
)
def test_what_a_browser_should_not_have_is_left_out(kept: str) -> None:
    assert read_views(kept, "r-1", NAMES) == []
