"""The page on security names what there is: every item once, every test and file that it cites."""

import re
from collections import Counter

from tests.command import ROOT

PAGE = (ROOT / "docs" / "security.md").read_text("utf-8")
ROW = re.compile(r"^\| (\d+\.\d+\.\d+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", re.M)
STATES = ("met", "partly", "not met", "operator", "none")

LAST = """
    1.1:2 1.2:9 1.3:11 1.4:3 1.5:2 2.1:3 2.2:3 2.3:4 2.4:1 3.2:2 3.3:4 3.4:6 3.5:5 3.7:2 4.1:3
    4.2:1 4.3:2 4.4:4 5.1:1 5.2:3 5.3:2 5.4:3 6.1:3 6.2:11 6.3:3 6.4:4 6.5:5 6.6:3 6.8:4 7.1:3
    7.2:4 7.3:2 7.4:5 7.5:2 7.6:2 8.1:2 8.2:3 8.3:1 8.4:1 9.1:3 9.2:4 10.1:2 10.2:2 10.3:4 10.4:11
    10.5:5 10.6:2 10.7:3 11.1:2 11.2:3 11.3:3 11.4:4 11.5:1 11.6:1 12.1:3 12.2:2 12.3:4 13.1:1
    13.2:5 13.3:2 13.4:5 14.1:2 14.2:4 14.3:3 15.1:3 15.2:3 15.3:7 16.1:1 16.2:5 16.3:4 16.4:3
    16.5:3 17.1:1 17.2:4 17.3:2
"""
"""The last item of levels 1 and 2 in each section of ASVS 5.0.0; those of level 3 come behind."""


def test_every_item_of_the_level_stands_there_once_with_its_state() -> None:
    wanted = [
        f"{section}.{number}"
        for section, last in (one.split(":") for one in LAST.split())
        for number in range(1, int(last) + 1)
    ]
    rows = ROW.findall(PAGE)
    assert [item for item, *_ in rows] == wanted
    counts = Counter(state for _, _, state, _ in rows)
    assert set(counts) == set(STATES)
    told = ", ".join(f"{counts[state]} {state}" for state in STATES)
    assert f"{len(rows)} items: {told}." in PAGE
    for state in ("not met", "partly"):
        named = ", ".join(item for item, _, one, _ in rows if one == state)
        assert f"{state.capitalize()}: {named}." in PAGE


def test_whatever_the_page_cites_is_there() -> None:
    cited = re.findall(
        r"`((?:[a-z_]+/)+[\w./-]+|[\w-]+\.(?:py|lock|toml))`(?: `(test_\w+)`)?", PAGE
    )
    assert len(cited) > 100
    for path, name in cited:
        place = ROOT / path
        assert place.exists(), path
        assert not name or f"def {name}(" in place.read_text("utf-8"), (path, name)


def test_what_is_met_says_where_that_is_seen() -> None:
    for item, _, state, how in ROW.findall(PAGE):
        assert how.strip(), item
        if state == "met":
            assert "`" in how or "](" in how, item
