"""The engine's own pages: for engineers, linked by case."""

import pytest

from api.door.engine_pages import case_at, engine_page
from domain.case.commands import Actor, Role
from domain.ids import NATION
from settings import Settings

PAGES = "http://engine.test/namespaces/zhibao/workflows"


@pytest.mark.parametrize(
    ("path", "case_id"),
    [
        ("/work/filings/2024/gd-0", "filing/2024/gd-0"),
        ("/work/filings/2024/gd-0/parts/statistics", "filing/2024/gd-0"),
        ("/work/filings", ""),
        ("/work/report-batches/2024Q4/gd-0", "report-numbers/2024Q4/gd-0"),
        (f"/work/certificates/{'a' * 24}", f"certificate/{'a' * 24}"),
        ("/work/certificates/search", ""),
        (f"/work/complaints/{'b' * 32}", f"complaint/{'b' * 32}"),
        ("/work/enforcement/filing/2024/gd-0/1", "enforcement/filing/2024/gd-0/1"),
        ("/work/enforcement/register", ""),
        ("/work/people/somebody", ""),
    ],
)
def test_a_page_is_about_the_case_that_its_address_names(path: str, case_id: str) -> None:
    assert case_at(path) == case_id


def test_an_auditor_looks_at_the_case_that_is_asked_for() -> None:
    assert (
        case_at("/work/audit/case", "look=replay&case=filing%2F2024%2Fgd-0") == "filing/2024/gd-0"
    )
    assert case_at("/work/audit/case") == ""


@pytest.mark.parametrize(
    ("role", "scope", "led"),
    [
        (Role.AUDITOR, "", True),
        (Role.OPERATOR, NATION, True),
        (Role.OPERATOR, "440000", False),
        (Role.REVIEWER, "samr", False),
        (Role.FILER, "gd-0", False),
    ],
)
def test_only_engineers_are_led_to_the_engine(role: Role, scope: str, led: bool) -> None:
    actor = Actor(subject="somebody", role=role, scope=scope)
    found = engine_page(PAGES, "filing/2024/gd-0", actor)
    assert found == (f"{PAGES}/filing%2F2024%2Fgd-0" if led else "")
    assert engine_page("", "filing/2024/gd-0", actor) == ""
    assert engine_page(PAGES, "", actor) == ""


def test_the_engines_pages_stand_where_the_setting_says() -> None:
    given = {"database_url": "x", "temporal_address": "x", "token_key": "k" * 32}
    assert Settings.model_validate(given).engine_pages == ""
    there = Settings.model_validate({**given, "temporal_site": "http://engine.test/"})
    assert there.engine_pages == PAGES
