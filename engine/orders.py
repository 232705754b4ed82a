"""The gateway's word: given to what is sent to processes, looked at before activities act on it."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol

import structlog
from temporalio import activity, client, worker
from temporalio.exceptions import ApplicationError

from domain.orders import UNSIGNED_START, Kind, Order, Sent, fault
from domain.refusals import Code, Refusal

log = structlog.get_logger()


class Secret(NamedTuple):
    """A secret by its id."""

    id: str
    value: bytes


Secrets = Callable[[], Sequence[Secret]]
"""The secrets that hold now, that in use first; read anew each time, since keys rotate."""


class Records(Protocol):
    """What is on record of orders."""

    async def since(self) -> datetime:
        """Since when every process is begun by a signed start."""

    async def note(self, order: Order, refusal: Refusal) -> None:
        """Puts on record that an order was refused."""


class Signing(client.Interceptor):
    """Gives the gateway's word for whatever a client sends."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets

    def intercept_client(self, next: client.OutboundInterceptor) -> client.OutboundInterceptor:
        """What every call passes."""
        return _Outbound(next, self._secrets)


class _Outbound(client.OutboundInterceptor):
    def __init__(self, next: client.OutboundInterceptor, secrets: Secrets) -> None:
        super().__init__(next)
        self._secrets = secrets

    async def start_workflow(
        self, input: client.StartWorkflowInput
    ) -> client.WorkflowHandle[Any, Any]:
        input.args = self._signed(input.id, "start", input.args)
        return await super().start_workflow(input)

    async def start_workflow_update(
        self, input: client.StartWorkflowUpdateInput
    ) -> client.WorkflowUpdateHandle[Any]:
        input.args = self._signed(input.id, "act", input.args)
        return await super().start_workflow_update(input)

    async def start_update_with_start_workflow(
        self, input: client.StartWorkflowUpdateWithStartInput
    ) -> client.WorkflowUpdateHandle[Any]:
        start, update = input.start_workflow_input, input.update_workflow_input
        start.args = self._signed(start.id, "start", start.args)
        update.args = self._signed(start.id, "act", update.args)
        return await super().start_update_with_start_workflow(input)

    def _signed(self, process: str, kind: Kind, messages: Sequence[Any]) -> list[Any]:
        secret, now = self._secrets()[0], datetime.now(UTC)
        return [
            one.warranted(process, kind, secret.id, secret.value, now)
            if isinstance(one, Sent)
            else one
            for one in messages
        ]


class Checking(worker.Interceptor):
    """Lets no activity act on what the gateway has not given its word for."""

    def __init__(self, secrets: Secrets, records: Records) -> None:
        self._secrets = secrets
        self._records = records

    def intercept_activity(
        self, next: worker.ActivityInboundInterceptor
    ) -> worker.ActivityInboundInterceptor:
        """What every activity passes."""
        return _Inbound(next, self._secrets, self._records)


class _Inbound(worker.ActivityInboundInterceptor):
    def __init__(
        self, next: worker.ActivityInboundInterceptor, secrets: Secrets, records: Records
    ) -> None:
        super().__init__(next)
        self._secrets = secrets
        self._records = records

    async def execute_activity(self, input: worker.ExecuteActivityInput) -> Any:
        orders = [order for one in input.args for order in _orders_in(one)]
        if orders:
            await self._look(orders)
        return await super().execute_activity(input)

    async def _look(self, orders: Sequence[Order]) -> None:
        by_id = {one.id: one.value for one in self._secrets()}
        since = await self._records.since()
        for order in orders:
            secret = by_id.get(order.warrant.key) if order.warrant is not None else None
            why = fault(order, secret, datetime.now(UTC), since)
            if not why:
                continue
            log.error("order_refused", process=order.process, kind=order.kind, why=why)
            refusal = Refusal(code=Code.UNSIGNED_COMMAND)
            await self._records.note(order, refusal)
            raise ApplicationError(
                why,
                refusal.model_dump(mode="json"),
                type=UNSIGNED_START if order.kind == "start" else refusal.code,
                non_retryable=True,
            )


def _orders_in(argument: Any) -> Sequence[Order]:
    """The orders that an activity's argument rests on."""
    if isinstance(argument, Sent):
        # a start that is handed on whole
        process = activity.info().workflow_id or ""
        return [Order.of(process, "start", argument, activity.info().scheduled_time)]
    found: Sequence[Order] = getattr(getattr(argument, "request", argument), "orders", ())
    return found
