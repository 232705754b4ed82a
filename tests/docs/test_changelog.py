"""The changelog names every rule file with its jurisdiction's year and every date it sets."""

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest

from domain.case.plan import FOREVER
from domain.numbers.quarters import Quarter
from rules.compiled import CompiledRules
from rules.file.library import SHIPPED, RuleLibrary
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
    dates |= set(dates_of_numbers(name))
    assert set(re.findall(r"\d{4}-\d{2}-\d{2}", section)) == dates


def dates_of_numbers(name: str) -> Iterator[str]:
    """The days a file's report numbers are about, and the last ones on which they are taken."""
    rules = CompiledRules(LIBRARY.resolve_name(name).document)
    assert rules.numbers is not None
    quarters = [Quarter(rules.document.year, number) for number in (1, 2, 3, 4)]
    yield quarters[0].first_day.isoformat()
    yield quarters[3].last_day.isoformat()
    for quarter in quarters:
        windows = rules.numbers.windows(quarter)
        for window in (windows["fill"], windows.get("supplement")):
            if window is not None and window.closes < FOREVER:
                yield (window.closes - timedelta(days=1)).date().isoformat()


def test_no_rule_file_is_listed_that_is_not_there() -> None:
    for name in re.findall(r"`rules/(\d{4}/[a-z-]+)\.yaml`", page("CHANGELOG.md").text):
        assert (SHIPPED / f"{name}.yaml").is_file()
