"""What is on record from before, with characters that would not be taken today, stays readable."""

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote_plus

import pytest
from sqlalchemy import update

from deploy.embedded.postgres import EmbeddedPostgres
from domain.canonical import sha256_of
from store import content as contents
from store.data_keys import hiding
from store.tables import revisions
from tests.api.conftest import whole_system
from tests.certificates import Office, content
from tests.databases import owning
from tests.registered import register
from tests.system import OPERATOR, System, institution

pytestmark = pytest.mark.anyio

OLD = "\u200b测试\u034f检测机构（生成）"
LOST = "2.41901E+11"


@pytest.fixture(scope="module")
async def house(postgres: EmbeddedPostgres, open_rules: Path) -> AsyncIterator[System]:
    async with whole_system(postgres, open_rules) as found:
        await found.add(institution("lab", certificates=()))
        yield found


async def test_an_older_draft_is_shown_as_it_is_and_told_of_when_it_is_applied_for(
    house: System,
) -> None:
    office = Office(house)
    path = await office.begin({"content": content("lab")})
    case = path.replace("/api/certificates", "certificate")
    async with owning(house.engine) as connection:
        first = await contents.revision(connection, case, 1)
        assert first is not None
        older = first.content | {"certificate": first.content["certificate"] | {"holder": OLD}}
        key = await hiding(connection, case)
        await connection.execute(
            update(revisions)
            .where(revisions.c.case_id == case)
            .values(content=key.of(older, "1"), sha256=sha256_of(older))
        )
    draft = (await house.send("GET", f"{path}/draft", office.filer)).body
    assert draft["content"]["holder"] == OLD
    assert {one["pointer"]: one["code"] for one in draft["problems"]} == {
        "/content/holder": "bad_characters"
    }
    assert (await house.send("GET", path, office.filer)).status == 200
    refused = await office.apply(path)
    assert refused.status == 422, refused.body
    assert [one["pointer"] for one in refused.body["errors"]] == ["/content/holder"]
    saved = await house.send(
        "PUT", f"{path}/draft", office.filer, {"content": content("lab")}, if_match='"1"'
    )
    assert saved.status == 200, saved.body
    assert (await office.apply(path)).status == 200


async def test_older_certificates_are_listed_searched_and_shown(house: System) -> None:
    await register(house.engine, LOST, institution="lab", holder=OLD, address="\ue863路1号")
    operator = house.token(OPERATOR, "operator-1", "000000")
    for path in (
        "/api/institutions", "/api/institutions/lab",
        f"/api/certificates/search?number={quote_plus(LOST)}",
        f"/public/certificates?number={quote_plus(LOST)}",
    ):  # fmt: skip
        answer = await house.send("GET", path, operator)
        assert answer.status == 200, (path, answer.body)
        assert LOST in str(answer.body), path
