"""Rules in force: what is published is checked in full, numbered, kept, and what campaigns open."""

import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from deploy.embedded.postgres import EmbeddedPostgres
from rules.file.library import SHIPPED
from tests.api.conftest import whole_system
from tests.system import AUDITOR, OPERATOR, Answer, System

pytestmark = pytest.mark.anyio

PATH = "/api/rules/2024/000000"


@pytest.fixture(scope="module")
async def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped rules of 2024 alone, for this module to change."""
    folder = tmp_path_factory.mktemp("published") / "rules"
    ignored = shutil.ignore_patterns("*.py", "__pycache__", "2020", "2023")
    shutil.copytree(SHIPPED, folder, ignore=ignored)
    file = folder / "2024" / "national.yaml"
    # whatever number it has come to
    file.write_text(re.sub(r"(?m)^revision: \d+", "revision: 2", file.read_text("utf-8")), "utf-8")
    return folder


@pytest.fixture(scope="module")
async def house(postgres: EmbeddedPostgres, folder: Path) -> AsyncIterator[System]:
    async with whole_system(postgres, folder) as found:
        yield found


async def publish(
    house: System, reason: str = "（生成）", scope: str = "000000", **h: str
) -> Answer:
    operator = house.token(OPERATOR, "operator-1", scope)
    return await house.send("POST", f"{PATH}/publish", operator, {"reason": reason}, **h)


def changed(folder: Path, old: str, new: str) -> None:
    file = folder / "2024" / "national.yaml"
    text = file.read_text("utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), "utf-8")


async def test_a_new_revision_is_in_force_from_when_it_is_published(
    house: System, folder: Path
) -> None:
    auditor = house.token(AUDITOR, "auditor-1")
    assert (await publish(house, scope="350000")).status == 403
    unchanged = await publish(house)
    assert unchanged.body == {"published": [], "unchanged": ["000000"]}

    changed(
        folder, "title: 2024年度检验检测服务业统计", "title: 2024年度检验检测服务业统计（修订）"
    )
    taken = await publish(house)
    assert (taken.status, taken.body["code"]) == (409, "revision_taken")
    assert "改为 3" in taken.body["remedy"]

    changed(folder, "\nrevision: 2\n", "\nrevision: 3\n")
    first = await publish(house, "修订（生成）", idempotency_key="third")
    again = await publish(house, "修订（生成）", idempotency_key="third")
    assert (first.status, first.body["unchanged"]) == (200, [])
    assert again.body == first.body
    (new,) = first.body["published"]
    assert (new["ruleset"]["revision"], new["reason"]) == (3, "修订（生成）")

    listed = (await house.send("GET", f"{PATH}/publications", auditor)).body["items"]
    assert [one["ruleset"]["revision"] for one in listed] == [3, 2]
    assert [one["replaced_at"] for one in listed] == [None, new["published_at"]]
    stored = await house.send("GET", f"/api/rule-sets/{new['ruleset']['sha256']}", auditor)
    assert stored.body["ruleset"] == new["ruleset"]
    lines = (await house.send("GET", "/api/rules", auditor)).body["items"]
    assert [one["in_force"] for one in lines if one["year"] == 2024] == [new["ruleset"]]

    # an old number for other content is no new revision either
    changed(folder, "\nrevision: 3\n", "\nrevision: 1\n")
    assert (await publish(house)).body["code"] == "revision_taken"
    changed(folder, "\nrevision: 1\n", "\nrevision: 3\n")


async def test_what_the_check_finds_is_not_published(house: System, folder: Path) -> None:
    changed(folder, "\nrevision: 3\n", "\nrevision: 4\n")
    changed(folder, "quote: 仅填写一次统计报表", "quote: 通知里没有的话")
    refused = await publish(house)
    assert (refused.status, refused.body["code"]) == (409, "rules_invalid")
    assert "national.yaml" in refused.body["detail"]
    auditor = house.token(AUDITOR, "auditor-1")
    listed = (await house.send("GET", f"{PATH}/publications", auditor)).body["items"]
    assert [one["ruleset"]["revision"] for one in listed] == [3, 2]
    operator = house.token(OPERATOR, "operator-1", "000000")
    none = await house.send("POST", "/api/rules/2031/000000/publish", operator, {"reason": "x"})
    assert (none.status, none.body["code"]) == (404, "rules_not_found")
