"""Every way of changing the record by hand, with a superuser's rights: found, and named."""

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from audit.verify import verify
from tests.audit.conftest import World, now

pytestmark = pytest.mark.anyio


async def test_a_record_in_order_is_found_in_order(world: World, audited: AsyncEngine) -> None:
    found = await verify(audited, None, world.keys, now)
    assert found.findings == ()
    assert found.ok
    print(found.checked)
