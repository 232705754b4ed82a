"""The Temporal namespace as this application needs it: present, long retention, search attributes.

`zhibao setup` applies it to a real cluster, the embedded server to itself.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import TypeVar, cast

from google.protobuf.duration_pb2 import Duration
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import (
    AddSearchAttributesRequest,
    ListSearchAttributesRequest,
)
from temporalio.api.workflowservice.v1 import (
    DescribeNamespaceRequest,
    RegisterNamespaceRequest,
    UpdateNamespaceRequest,
)
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode, TLSConfig

T = TypeVar("T")

# A new namespace is known to all servers of a cluster only after their caches are refreshed.
_NEW_NAMESPACE_PATIENCE = 60.0

_TEMPORARY = (RPCStatusCode.UNAVAILABLE, RPCStatusCode.DEADLINE_EXCEEDED)


class NamespaceNotReady(RuntimeError):
    """The namespace could not be brought into the wanted state; the message is for the operator.

    `temporary` says that the server was not able to answer, rather than refused.
    """

    def __init__(self, message: str, *, temporary: bool = False) -> None:
        super().__init__(message)
        self.temporary = temporary


async def prepare_namespace(
    address: str,
    namespace: str,
    retention: timedelta,
    search_attributes: Mapping[str, int],
    *,
    tls: bool | TLSConfig | None = None,
    api_key: str | None = None,
) -> timedelta:
    """Create the namespace if needed, set its retention, register missing search attributes.

    `search_attributes` maps names to `IndexedValueType` numbers (what
    `SearchAttributeKey.indexed_value_type` gives). What is in order already is left alone, so it
    can run at every start, and on a server where an administrator made the changes beforehand.
    Returns the retention in force: a server may shorten what it is asked for (ours to 100 years).

    Raises `NamespaceNotReady` when the server refuses, or holds a search attribute of the same name
    with another type; `RuntimeError` when it cannot be reached.
    """
    client = await Client.connect(address, namespace=namespace, tls=tls, api_key=api_key)
    doing = f"设置保留期 {retention.days} 天"
    try:
        in_force = await _ensure_retention(client, retention)
        doing = "注册检索属性"
        await _ensure_search_attributes(client, search_attributes)
    except RPCError as error:
        raise NamespaceNotReady(
            f"无法为 Temporal 命名空间 {namespace} {doing}：{error.message}",
            temporary=error.status in _TEMPORARY,
        ) from error
    return in_force


async def _ensure_retention(client: Client, retention: timedelta) -> timedelta:
    wanted = Duration()
    wanted.FromTimedelta(retention)
    service = client.workflow_service
    describe = DescribeNamespaceRequest(namespace=client.namespace)
    try:
        found = await service.describe_namespace(describe)
    except RPCError as error:
        if error.status != RPCStatusCode.NOT_FOUND:
            raise
        await _register(client, wanted)
        found = await _once_known(lambda: service.describe_namespace(describe))
    if found.config.workflow_execution_retention_ttl == wanted:
        return retention
    update = UpdateNamespaceRequest(namespace=client.namespace)
    update.config.workflow_execution_retention_ttl.CopyFrom(wanted)
    updated = await service.update_namespace(update)
    return updated.config.workflow_execution_retention_ttl.ToTimedelta()


async def _register(client: Client, retention: Duration) -> None:
    request = RegisterNamespaceRequest(
        namespace=client.namespace, workflow_execution_retention_period=retention
    )
    try:
        await client.workflow_service.register_namespace(request)
    except RPCError as error:
        if error.status != RPCStatusCode.ALREADY_EXISTS:  # a second `zhibao setup` was faster
            raise


async def _ensure_search_attributes(client: Client, wanted: Mapping[str, int]) -> None:
    service = client.operator_service
    request = ListSearchAttributesRequest(namespace=client.namespace)
    found = await _once_known(lambda: service.list_search_attributes(request))
    present = {**found.system_attributes, **found.custom_attributes}
    for name, kind in wanted.items():
        # The server itself silently keeps the old type.
        if present.get(name, kind) != kind:
            raise NamespaceNotReady(
                f"Temporal 命名空间 {client.namespace} 中检索属性 {name} 的类型是"
                f" {_type_name(present[name])}，应为 {_type_name(kind)}。"
            )
    missing = {name: _as_enum(kind) for name, kind in wanted.items() if name not in present}
    if missing:
        await service.add_search_attributes(
            AddSearchAttributesRequest(namespace=client.namespace, search_attributes=missing)
        )


async def _once_known(call: Callable[[], Awaitable[T]]) -> T:
    deadline = time.monotonic() + _NEW_NAMESPACE_PATIENCE
    while True:
        try:
            return await call()
        except RPCError as error:
            if error.status != RPCStatusCode.NOT_FOUND or time.monotonic() > deadline:
                raise
        await asyncio.sleep(0.5)


def _as_enum(kind: int) -> IndexedValueType.ValueType:
    return cast("IndexedValueType.ValueType", int(kind))  # the SDK's own enum has the same numbers


def _type_name(kind: int) -> str:
    return IndexedValueType.Name(_as_enum(kind)).removeprefix("INDEXED_VALUE_TYPE_")
