"""Addresses that people pass on: what messengers append to a page's address changes nothing."""

import re
from collections.abc import AsyncIterator

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from api.resources import PAGES
from rules.file.library import SHIPPED
from tests.api.enquiries import Enquiries, enquiries_on
from tests.api.lookups import Lookups, lookups_on, partitions

pytestmark = pytest.mark.anyio

APPENDED = [
    "from=timeline&isappinstalled=0",
    "from=groupmessage",
    "from=singlemessage&from=timeline",
    "utm_source=x&utm_medium=%E6%BC%94%E7%A4%BA",
    "fbclid=IwAR0",
    "nobody_knows=%00%ff",
    "clicktime=1&enterid=&=",
]
LOOKED_UP = "number=%E6%BC%94%E7%A4%BA-1"


@pytest.fixture
async def lookups(engine: AsyncEngine) -> AsyncIterator[Lookups]:
    await partitions(engine, 2025)
    async with lookups_on(engine) as found:
        await found.put(await found.add("榕城检测"), "演示-1")
        yield found


@pytest.fixture
async def asking(engine: AsyncEngine) -> AsyncIterator[Enquiries]:
    async with enquiries_on(engine, SHIPPED) as found:
        await found.put("1")
        yield found


async def same(http: httpx.AsyncClient, address: str, appended: str) -> None:
    """Whoever opens the address with what was appended sees what stands at it without."""
    plain = await http.get(address)
    longer = await http.get(f"{address}{'&' if '?' in address else '?'}{appended}")
    assert plain.status_code == 200
    assert (longer.status_code, _lasting(longer)) == (200, _lasting(plain))


def _lasting(answer: httpx.Response) -> str:
    """A page without the seconds and keys that are another each time."""
    return re.sub(r"\d\d:\d\d:\d\d|[0-9a-f]{32}", "", answer.text)


async def test_pages_of_numbers_answer_as_without(lookups: Lookups) -> None:
    for address in ("/lookup", f"/lookup?{LOOKED_UP}", "/complaint", f"/complaint?{LOOKED_UP}"):
        for appended in APPENDED:
            await same(lookups.http, address, appended)


async def test_pages_of_certificates_answer_as_without(asking: Enquiries) -> None:
    for appended in APPENDED:
        await same(asking.http, "/certificates", appended)
        searched = await asking.http.get(f"/certificates?holder=%E6%A3%80%E6%B5%8B&{appended}")
        assert searched.status_code == 200
        assert appended.partition("=")[0] not in searched.text.replace("<form", "")


async def test_a_page_still_tells_what_is_wrong_with_a_field_of_its_own(lookups: Lookups) -> None:
    twice = await lookups.http.get(f"/lookup?{LOOKED_UP}&{LOOKED_UP}&from=timeline")
    assert twice.status_code == 422
    assert "报告编号只能给出一次" in twice.text


async def test_every_page_ignores_and_the_interface_names_what_it_does_not_know(
    lookups: Lookups,
) -> None:
    assert all(page.lenient for page in PAGES)
    refused = await lookups.http.get(f"/public/report-numbers?{LOOKED_UP}&from=timeline")
    assert refused.status_code == 422
    assert "参数 from 有误" in refused.json()["detail"]
