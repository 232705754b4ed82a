"""Who would review, under the rules of a day, and why nobody else; figures by any column."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from api.campaigns.reviewer import nearest
from api.workbench.campaigns import in_order
from domain.clock import day_of
from domain.decision import RuleSetRef
from services.clock import system_clock
from services.publishing import PublicationShown
from tests.api.documented import as_documented
from tests.api.people import GUANGDONG, HUNAN
from tests.system import AUDITOR, FILER, OPERATOR, System, institution

pytestmark = pytest.mark.anyio

REGION, ISSUER = GUANGDONG


async def asked(house: System, more: str, id_: str = "who-reviews", token: str = "") -> Any:
    operator = house.token(OPERATOR, "operator-1", "440000")
    return await house.send("GET", f"/api/institutions/{id_}/reviewer?{more}", token or operator)


async def test_the_rules_of_a_day_say_who_reviews_and_why_nobody_else(house: System) -> None:
    await house.add(
        institution("who-reviews", REGION, issuer=ISSUER),
        institution("in-hunan", HUNAN[0], issuer=HUNAN[1]),
    )
    now = await asked(house, "year=2024")
    assert now.status == 200, now.body
    as_documented("/api/institutions/{institution}/reviewer", now.body)
    decision = now.body["decision"]
    assert (now.body["jurisdiction"], decision["reviewer"]) == ("000000", ISSUER)
    assert now.body["names"][ISSUER] == "广东省市场监督管理局"
    verdicts = {one["rule"]: one["verdict"] for one in decision["candidates"]}
    assert verdicts["chosen"] == "eliminated"
    assert verdicts["provincial-only"] == "chosen"
    # what a filing would have decided is the same
    operator = house.token(OPERATOR, "operator-1", "000000")
    facts = {
        "institution": {"id": "who-reviews", "region": REGION, "legal_person": True},
        "certificates": decision["inputs"].get("certificates", []),
    }
    tried = await house.send("POST", "/api/rules/2024/000000/route", operator, facts)
    assert tried.status == 200, tried.body
    # a choice that is not open is told why
    chosen = (await asked(house, "year=2024&choice=amr-350000")).body["decision"]
    (one,) = [one for one in chosen["candidates"] if one["rule"] == "chosen"]
    assert one["verdict"] == "eliminated"
    assert one["because"]
    assert (await asked(house, "year=2024", "in-hunan")).status == 404
    other = house.token(FILER, "clerk-9", "in-hunan")
    assert (await asked(house, "year=2024", token=other)).status == 403
    own = house.token(FILER, "clerk-1", "who-reviews")
    assert (await asked(house, "year=2024", token=own)).body == now.body


async def test_a_day_goes_by_what_was_in_force_at_its_end(house: System) -> None:
    await house.add(institution("who-reviews", REGION, issuer=ISSUER))
    auditor = house.token(AUDITOR, "auditor-1")
    listed = await house.send("GET", "/api/rules/2024/000000/publications", auditor)
    first = day_of(datetime.fromisoformat(listed.body["items"][-1]["published_at"]))
    assert (await asked(house, f"year=2024&on={first}")).status == 200
    before = await asked(house, f"year=2024&on={first - timedelta(days=1)}")
    assert before.status == 404, before.body
    assert before.body["code"] == "rules_not_found"
    assert (await asked(house, "year=2019")).body["code"] == "rules_not_found"


@pytest.mark.parametrize(
    ("more", "name"),
    [
        ("", "year"),
        ("year=0", "year"),
        ("year=2024&on=2024-02-30", "on"),
        ("year=2024&on=9999-12-31", "on"),
        ("year=2024&choice=nobody", "choice"),
    ],
)
async def test_what_cannot_be_asked_is_told_by_name(house: System, more: str, name: str) -> None:
    await house.add(institution("who-reviews", REGION, issuer=ISSUER))
    answer = await asked(house, more)
    assert (answer.status, answer.body["code"]) == (422, "invalid_parameter"), answer.body
    assert name in answer.body["detail"]


def test_the_smallest_area_with_rules_decides() -> None:
    def published(place: str) -> PublicationShown:
        ref = RuleSetRef(id=place, revision=1, sha256="0" * 64)
        return PublicationShown(
            year=2024,
            jurisdiction=place,
            ruleset=ref,
            published_at=system_clock(),
            published_by="（生成）",
            reason="（生成）",
        )

    sets = [published(place) for place in ("000000", "350000", "350100", "440000")]
    for region, place in (("350102", "350100"), ("350205", "350000"), ("610102", "000000")):
        found = nearest(sets, region)
        assert found is not None
        assert found.jurisdiction == place
    assert nearest([published("440000")], "350102") is None


def test_figures_are_put_in_order_by_any_column_and_by_who_is_behind() -> None:
    rows: list[dict[str, Any]] = [
        {"key": "a", "must": 2, "submitted": 1, "lapsed": 0},
        {"key": "b", "must": 4, "submitted": 1, "lapsed": 3},
        {"key": "c", "must": 0, "submitted": 0, "lapsed": 3},
    ]
    for sort, keys in (("must", "bac"), ("lapsed", "bca"), ("share", "bac"), ("", "abc")):
        assert "".join(one["key"] for one in in_order(rows, sort)) == keys, sort
    # what is no column changes nothing
    assert in_order(rows, "key") == rows
