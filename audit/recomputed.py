"""What a workflow asks for when its history is replayed: every value, not only in which order.

Temporal's replayer compares the types of commands. Here the commands themselves are kept, as the
workflow's own code makes them, so that what is in them can be compared with what was recorded.
"""

import dataclasses
import json
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any

from google.protobuf.duration_pb2 import Duration
from pydantic import BaseModel
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.converter import DataConverter
from temporalio.worker import UnsandboxedWorkflowRunner, WorkflowInstance, WorkflowRunner
from temporalio.worker._workflow_instance import WorkflowInstanceDetails
from temporalio.workflow import _Definition

from engine.values import COMPRESSED, WITHIN


@dataclass(frozen=True)
class Told:
    """A value that a workflow hands on, read only when it is asked for.

    ``least`` makes of it what is not as it is unless it is said: a field that is newer than a
    recording, and is not in there, is no difference. ``payloads`` is what ``value`` is read from,
    None for what stands in no payload; ``name`` is that of the activity that is asked for.
    """

    value: Callable[[], Any]
    least: Callable[[], Any]
    payloads: Sequence[Payload] | None = None
    name: str = ""

    def said_by(self, name: str, payloads: Sequence[Payload]) -> bool:
        """Whether the same bytes say it of the same name; the values may be the same otherwise."""
        return self.payloads == payloads and self.name == name


def plain(value: Any) -> Told:
    """A value of no model: all of it is said."""
    return Told(lambda: value, lambda: value)


@dataclass
class Recomputed:
    """All that one run of a workflow came to, by the numbers that the engine knows it by."""

    models: dict[bytes, BaseModel] = field(default_factory=dict)
    timers: dict[str, timedelta] = field(default_factory=dict)
    activities: dict[str, Told] = field(default_factory=dict)
    local_activities: dict[int, tuple[str, list[Payload]]] = field(default_factory=dict)
    updates: dict[str, Told] = field(default_factory=dict)
    end: Told = field(default_factory=lambda: plain(None))

    def take(self, completion: WorkflowActivationCompletion) -> None:
        """Takes in the commands of one workflow task."""
        for command in completion.successful.commands:
            match command.WhichOneof("variant"):
                case "start_timer":
                    timer = command.start_timer
                    self.timers[str(timer.seq)] = span(timer.start_to_fire_timeout)
                case "schedule_activity":
                    wanted = command.schedule_activity
                    self.activities[wanted.activity_id or str(wanted.seq)] = self._told(
                        wanted.arguments,
                        partial(_asked_for, wanted.activity_type),
                        wanted.activity_type,
                    )
                case "schedule_local_activity":
                    local = command.schedule_local_activity
                    if local.attempt <= 1:
                        self.local_activities[local.seq] = (
                            local.activity_type,
                            _unchanged(local.arguments),
                        )
                case "update_response":
                    answer = command.update_response
                    if answer.HasField("completed"):
                        told = self._told([answer.completed], lambda given: given[0])
                        self.updates[answer.protocol_instance_id] = told
                    elif answer.HasField("rejected"):
                        failed = {"failed": answer.rejected.application_failure_info.type}
                        self.updates[answer.protocol_instance_id] = plain(failed)
                case "complete_workflow_execution":
                    result = value_of(command.complete_workflow_execution.result)
                    self.end = plain({"result": result})
                case "continue_as_new_workflow_execution":
                    again = command.continue_as_new_workflow_execution
                    self.end = self._told(again.arguments, lambda given: {"again": given})
                case "fail_workflow_execution":
                    failure = command.fail_workflow_execution.failure
                    self.end = plain({"failed": failure.application_failure_info.type})

    def _told(
        self, payloads: Iterable[Payload], wrapped: Callable[[list[Any]], Any], name: str = ""
    ) -> Told:
        """The values in payloads, in what stands around them."""
        given = _unchanged(payloads)

        def value() -> Any:
            return wrapped([value_of(payload) for payload in given])

        def least() -> Any:
            models = [self.models.get(payload.data) for payload in given]
            return wrapped(
                [
                    value_of(payload)
                    if model is None
                    else model.model_dump(mode="json", exclude_defaults=True)
                    for payload, model in zip(given, models, strict=True)
                ]
            )

        return Told(value, least, given, name)


def _unchanged(payloads: Iterable[Payload]) -> list[Payload]:
    """Payloads of their own: a codec writes into those of a command."""
    return list(Payloads(payloads=payloads).payloads)


def _asked_for(activity: str, given: list[Any]) -> dict[str, Any]:
    return {"type": activity, "input": given}


def span(duration: Duration) -> timedelta:
    """A duration as the engine has it."""
    return timedelta(seconds=duration.seconds, microseconds=duration.nanos // 1000)


def value_of(payload: Payload) -> Any:
    """The value in a payload that no codec has wrapped; None for nothing."""
    if not payload.data:
        return None
    match payload.metadata.get("encoding"):
        case encoding if encoding in (b"json/plain", WITHIN.encode()):
            return json.loads(payload.data)
        case encoding if encoding == COMPRESSED.encode():
            return json.loads(zlib.decompress(payload.data))
    return payload.data.hex()


class ComparingRunner(WorkflowRunner):
    """Runs workflows as a worker does and keeps what they ask for, by run."""

    def __init__(self, runner: WorkflowRunner | None = None) -> None:
        self._runner = runner or UnsandboxedWorkflowRunner()
        self.runs: dict[str, Recomputed] = {}
        self._models: dict[bytes, BaseModel] = {}

    def values(self, converter: DataConverter) -> DataConverter:
        """A converter that this runner learns from which model a payload was made of."""
        base, runner = converter.payload_converter_class, self

        class Remembering(base):  # type: ignore[misc, valid-type]
            def to_payloads(self, values: Sequence[Any]) -> list[Payload]:
                made: list[Payload] = super().to_payloads(values)
                for value, payload in zip(values, made, strict=True):
                    if isinstance(value, BaseModel):
                        runner._models[payload.data] = value
                return made

        return dataclasses.replace(converter, payload_converter_class=Remembering)

    def prepare_workflow(self, defn: _Definition) -> None:
        self._runner.prepare_workflow(defn)

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        self._models = {}
        kept = self.runs[det.info.workflow_id] = Recomputed(self._models)
        instance = self._runner.create_instance(det)
        activate = instance.activate

        def activated(act: WorkflowActivation) -> WorkflowActivationCompletion:
            completion = activate(act)
            kept.take(completion)
            return completion

        # the instance is its own event loop: what stands before it must be it
        instance.activate = activated  # type: ignore[method-assign]
        return instance


Journal = Mapping[int, Mapping[str, Any]]
"""The steps of a case by sequence, each as its row has it, with its ``hash``."""
