"""The changelog names every rule file with its jurisdiction's year and every date it sets."""

import re

import pytest

from rules.library import SHIPPED, RuleLibrary
from tests.docs.pages import page

LIBRARY = RuleLibrary()


@pytest.mark.parametrize("name", LIBRARY.names)
def test_a_rule_file_is_listed_with_all_its_dates(name: str) -> None:
    text = page("CHANGELOG.md").text
    heading = f"#### `rules/{name}.yaml`: {name[:4]}, "
    assert heading in text
    section = text.split(heading, 1)[1].split("\n#", 1)[0]
    own = LIBRARY.merged(name).own.plain()["filing"]
    spans = [*own.get("windows", {}).values(), *own.get("stages", [])]
    dates = {span[end] for span in spans for end in ("from", "to")}
    dates.add(LIBRARY.merged(name).rules.filing.certificates.as_of.isoformat())
    assert set(re.findall(r"\d{4}-\d{2}-\d{2}", section)) == dates


def test_no_rule_file_is_listed_that_is_not_there() -> None:
    for name in re.findall(r"`rules/(\d{4}/[a-z-]+)\.yaml`", page("CHANGELOG.md").text):
        assert (SHIPPED / f"{name}.yaml").is_file()
