"""Deliveries beside what people do by hand: a change of mode, and taking up what stopped."""

import itertools
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.testing import WorkflowEnvironment

from domain.canonical import sha256_of
from domain.connected import Delivery
from store.connected import deliveries
from tests.certificates import ISSUER, Office, content
from tests.connected import change, connected_rules, end, issue, register
from tests.system import AUDITOR, System, institution, running

pytestmark = pytest.mark.anyio


async def events(system: System, path: str) -> list[str]:
    auditor = system.token(AUDITOR, "auditor-1")
    entries = (await system.send("GET", f"{path}/timeline", auditor)).body["entries"]
    return [entry["event"] for entry in entries]


async def test_a_province_moves_from_manual_to_connected_and_loses_nothing(
    dev_engine: WorkflowEnvironment, engine: AsyncEngine, tmp_path: Path
) -> None:
    manual = connected_rules(tmp_path / "manual", "amr-330000")
    async with running(dev_engine, engine, manual) as system:
        await system.add(institution("lab", certificates=()))
        office = Office(system)
        path = await office.issue()
        held = await office.held(path)
        client = await register(system)
        refused = await client.deliver(change(held["number"], content(address="新址")))
        assert refused.body["code"] == "manual_mode"
        # an application under way when the mode changes goes on by hand
        waiting = await office.begin({"content": content()})

    connected = connected_rules(tmp_path / "connected", ISSUER)
    async with running(dev_engine, engine, connected) as system:
        system._keys = itertools.count(1000)  # those before are used
        office, client.system = Office(system), system
        receipt = await client.accepted(change(held["number"], content(address="新址")))
        assert (receipt["number"], receipt["code"]) == (held["number"], held["code"])
        assert receipt["case_id"] == path.replace("/api/certificates/", "certificate/")
        now = await office.held(path)
        assert now | {"revision": 0} == held | {"revision": 0}
        assert (await events(system, path))[-3:] == [
            "submitted",
            "taken_over",
            "certificate_changed",
        ]
        # people keep their ways in, and both count on in one row of numbers
        assert (await office.apply(waiting)).status == 200
        await office.grant(waiting)
        by_hand = (await office.held(waiting))["number"]
        year = by_hand[:2]
        delivered = await client.accepted(issue(decision={"approved_on": f"20{year}-01-02"}))
        assert int(delivered["number"]) == int(by_hand) + 1
        assert (await client.accepted(end(held["number"], on=held["issued_on"])))["status"]


async def test_what_was_put_on_record_and_never_begun_is_taken_up_by_the_same_delivery(
    dev_engine: WorkflowEnvironment, engine: AsyncEngine, tmp_path: Path
) -> None:
    async with running(dev_engine, engine, connected_rules(tmp_path / "rules", ISSUER)) as system:
        await system.add(institution("lab", certificates=()))
        client, second = await register(system), await register(system)
        body: dict[str, Any] = issue()
        sent = Delivery.model_validate(body).root
        async with engine.begin() as connection:
            begun = await deliveries.begin(
                connection,
                ISSUER,
                False,
                client.id,
                sent,
                sha256_of(sent.model_dump(mode="json")),
                system.now(),
            )
        assert begun is not None
        assert (await client.get(f"/{body['delivery_id']}")).body["stage"] == "working"
        # another client of the same authority may take it up
        receipt = await second.accepted(body)
        assert await client.accepted(body) == receipt
        shown = (await client.get(f"/{body['delivery_id']}")).body
        assert (shown["stage"], shown["client"]) == ("accepted", client.id)


async def test_an_application_in_review_is_not_overtaken_by_a_delivery(
    dev_engine: WorkflowEnvironment, engine: AsyncEngine, tmp_path: Path
) -> None:
    async with running(dev_engine, engine, connected_rules(tmp_path / "rules", ISSUER)) as system:
        await system.add(institution("lab", certificates=()))
        office, client = Office(system), await register(system)
        path = await office.issue()
        number = (await office.held(path))["number"]
        draft = (await system.send("GET", f"{path}/draft", office.filer)).body
        moved = {"content": content(address="甲地")}
        saved = await system.send(
            "PUT", f"{path}/draft", office.filer, moved, if_match=f'"{draft["revision"]}"'
        )
        assert saved.status == 200
        applied = await office.apply(path, purpose="change", change="name-address")
        assert applied.body["status"] == "in_review"
        body = change(number, content(address="乙地"))
        refused = await client.deliver(body)
        assert (refused.status, refused.body["code"]) == (409, "wrong_status")
        await office.grant(path)
        receipt = await client.accepted(body)
        assert receipt["number"] == number
