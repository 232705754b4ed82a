"""Saved ways to look at an inbox: each person's own, on every device, the latest ten."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from deploy.embedded.postgres import EmbeddedPostgres
from services.saved_views import MOST
from tests.api.conftest import open_rules as open_rules
from tests.api.conftest import whole_system
from tests.api.documented import as_documented
from tests.system import REVIEWER, System

pytestmark = pytest.mark.anyio

VIEWS = "/api/me/views"


@pytest.fixture(scope="module")
async def house(postgres: EmbeddedPostgres, open_rules: Path) -> AsyncIterator[System]:
    async with whole_system(postgres, open_rules) as house:
        yield house


async def saved(house: System, who: str, called: str, /, **wanted: str) -> Any:
    token = house.token(REVIEWER, who, "amr-440000")
    return await house.send("POST", VIEWS, token, {"name": called, "wanted": wanted})


async def kept(house: System, who: str) -> list[tuple[str, dict[str, str]]]:
    """What somebody finds on a device of their own: signed in anew, nothing else brought along."""
    token = house.token(REVIEWER, who, "amr-440000")
    body = (await house.send("GET", VIEWS, token)).body
    as_documented(VIEWS, body)
    return [(one["name"], one["wanted"]) for one in body["items"]]


async def test_a_view_is_its_owners_on_every_device_and_nobody_elses(house: System) -> None:
    answer = await saved(house, "r-1", " 广州的 ", region="440100", sort="age")
    assert answer.status == 200, answer.body
    assert await kept(house, "r-1") == [("广州的", {"region": "440100", "sort": "age"})]
    assert await kept(house, "r-2") == []
    # another's of the same name is another one
    await saved(house, "r-2", "广州的", name="x")
    token = house.token(REVIEWER, "r-2", "amr-440000")
    await house.send("POST", f"{VIEWS}/forget", token, {"name": "广州的"})
    assert await kept(house, "r-2") == []
    assert len(await kept(house, "r-1")) == 1


async def test_one_of_the_same_name_gives_way_and_so_do_the_oldest(house: System) -> None:
    for number in range(MOST + 1):
        await saved(house, "r-3", f"v{number}", name="x")
    names = [name for name, _ in await kept(house, "r-3")]
    assert sorted(names) == sorted(f"v{number}" for number in range(1, MOST + 1))
    await saved(house, "r-3", "v5", claimed="mine")
    assert dict(await kept(house, "r-3"))["v5"] == {"claimed": "mine"}
    assert len(await kept(house, "r-3")) == MOST


@pytest.mark.parametrize(
    ("name", "wanted", "pointer"),
    [
        ("", {"name": "x"}, "/name"),
        ("v" * 21, {"name": "x"}, "/name"),
        ("v", {"name": "x" * 101}, "/wanted/name"),
        ("v", {"unknown": "x"}, "/wanted/unknown"),
    ],
)
async def test_what_is_no_view_is_told_where(
    house: System, name: str, wanted: dict[str, str], pointer: str
) -> None:
    answer = await saved(house, "r-4", name, **wanted)
    assert answer.status == 422
    assert [one["pointer"] for one in answer.body["errors"]] == [pointer]
    assert await kept(house, "r-4") == []
