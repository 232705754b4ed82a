"""Acts that cases of every kind take over HTTP: their bodies, handlers and operations."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AwareDatetime, Field
from starlette.responses import Response

from api.door.operations import Call, Handler, Operation, Targeting, json_of
from api.door.parts import Parts, parts_of
from api.door.requests import Plain, Text, invalid, pointer
from api.door.rights import Right
from domain.case import commands as c
from domain.case.commands import Command, Document, Person
from domain.case.workflow_messages import Receipt
from domain.model import Value
from domain.numbers.quarters import Period
from services.case_records import Case
from services.extensions import ExtensionTerms

Built = tuple[Command, dict[str, Any] | None]
"""A command, and the note that is to be kept with it."""

EARLIEST, LATEST = (datetime(year, 1, 1, tzinfo=UTC) for year in (2000, 2200))
"""Between these an extension may end; far outside, no calendar could show it."""


class FieldReason(Value):
    """What is wrong with one field; ``field`` empty: with the part as a whole."""

    part: Plain = Field(max_length=64)
    field: Plain = Field(default="", max_length=64)
    reason: Text


class Reasons(Value):
    """Why something is sent back: a summary, and reasons by field."""

    reason: Text
    fields: tuple[FieldReason, ...] = Field(default=(), max_length=500)


class Note(Value):
    """A remark, not needed."""

    note: Plain = Field(default="", max_length=2000)


class Grant(Value):
    """More time for one case: until when, why, and under which document."""

    until: Annotated[AwareDatetime, Field(gt=EARLIEST, lt=LATEST)]
    reason: Text
    document: Document = ""


class PersonBody(Value):
    """To whom a case is given, and why where somebody else has it."""

    person: Person
    reason: Plain = Field(default="", max_length=2000)


class Cause(Value):
    """Why a case is ended that should not exist."""

    reason: Text


class Nothing(Value):
    """No content is needed."""


Fields = Callable[[Parts, Case], Awaitable[Mapping[str, frozenset[str]]]]
"""The fields that reasons may name, by the part of the content that they stand in."""


async def form_fields(parts: Parts, case: Case) -> dict[str, frozenset[str]]:
    """The fields, tables and columns of the forms that a case's own rules name."""
    rules = await parts.pinned.get(case.rule_set)
    return {part: rules.form(part).places for part in case.plan.parts}


async def no_fields(_: Parts, __: Case) -> dict[str, frozenset[str]]:
    """For acts whose notes name no fields."""
    return {}


def act(build: Callable[[Call, dict[str, Any]], Built], fields: Fields = no_fields) -> Handler:
    """A handler that builds a command, keeps its note, has it carried out and shows the receipt."""

    async def handler(call: Call) -> Response:
        parts = parts_of(call.request)
        base = {"id": call.command_id, "actor": call.actor, "received_at": parts.clock()}
        command, note = build(call, base)
        if note is not None:
            await _refuse_unknown_fields(parts, case_of(call), note, fields)
            sha256 = await parts.records.keep_note(note)
            command = command.model_copy(update={"note_sha256": sha256})
        receipt = await parts.filings.act(case_of(call), command)
        return json_of(receipt)

    return handler


def told(handler: Handler) -> Handler:
    """An act whose notice is there with its answer."""

    async def act_and_tell(call: Call) -> Response:
        answer = await handler(call)
        await parts_of(call.request).telling.tell(case_of(call).case_id)
        return answer

    return act_and_tell


async def _refuse_unknown_fields(
    parts: Parts, case: Case, note: dict[str, Any], fields: Fields
) -> None:
    """A reason by field must name a field that its filer can find."""
    if not any(reason["field"] for reason in note.get("fields", ())):
        return
    known = await fields(parts, case)
    unknown = [
        {
            "pointer": pointer("fields", index, "field"),
            "code": "unknown_field",
            "message": "表单中没有这个字段；字段名与草稿（draft）中的相同，针对整个部分的请留空",
        }
        for index, reason in enumerate(note.get("fields", ()))
        if reason["field"] and reason["field"] not in known.get(reason["part"], ())
    ]
    if unknown:
        raise invalid(unknown)


def _return(call: Call, base: dict[str, Any]) -> Built:
    return c.Return(**base), reasons(call)


def reasons(call: Call) -> dict[str, Any] | None:
    if not call.body.reason.strip():
        if call.body.fields:
            missing = {"pointer": "/reason", "code": "missing", "message": "请先写明总的理由"}
            raise invalid([missing])
        return None
    known = set(case_of(call).plan.parts)
    unknown = [index for index, one in enumerate(call.body.fields) if one.part not in known]
    if unknown:
        raise invalid(
            [
                {
                    "pointer": pointer("fields", index, "part"),
                    "code": "unknown_part",
                    "message": f"没有这一部分；本件有 {'、'.join(sorted(known))}",
                }
                for index in unknown
            ]
        )
    fields = [one.model_dump() for one in call.body.fields]
    return {"reason": call.body.reason, "fields": fields}


def _approve(call: Call, base: dict[str, Any]) -> Built:
    return c.Approve(**base), note(call)


def note(call: Call) -> dict[str, Any] | None:
    return {"reason": call.body.note} if call.body.note.strip() else None


async def _extend(call: Call) -> Response:
    """Gives one case more time: an extension of its own."""
    case, body = case_of(call), call.body
    grant = ExtensionTerms(
        period=Period(case.year, case.quarter),
        jurisdiction=case.region,
        until=body.until,
        reason=body.reason,
        document=body.document,
    )
    parts = parts_of(call.request)
    receipt = await parts.extensions.grant_one(case, grant, call.actor, call.command_id)
    return json_of(receipt)


def _reopen(call: Call, base: dict[str, Any]) -> Built:
    command = c.Reopen(**base, until=call.body.until, document=call.body.document)
    return command, {"reason": call.body.reason}


def _cancel(call: Call, base: dict[str, Any]) -> Built:
    return c.Cancel(**base), {"reason": call.body.reason}


def case_of(call: Call) -> Case:
    """The case an operation is about."""
    assert call.target.case is not None
    return call.target.case


RECEIPT_EXAMPLE = {
    "case_id": "filing/2024/91350100M0000A1B2C",
    "command_id": "5f0c…",
    "command_sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "sequence": 4,
    "hash": "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae",
    "status": "in_review",
    "level": 1,
    "authority": "amr-350102",
    "at": "2025-01-20T09:30:00+08:00",
}
REASONS_EXAMPLE = {
    "reason": "人员数与上年相差较大，请核实",
    "fields": [{"part": "statistics", "field": "staff", "reason": "与社保人数不符"}],
}
_GRANT_EXAMPLE = {
    "until": "2025-04-01T00:00:00+08:00",
    "reason": "所在地遭受洪灾，三日无法办公",
    "document": "市监函〔2025〕×号（示例）",
}


def acting(
    path: str,
    handler: Handler,
    summary: str,
    right: Right,
    body: type[Value],
    example: Any,
    *,
    tag: str,
    target: Targeting,
    answer: type[Receipt] = Receipt,
) -> Operation:
    """The operation of one act on a case; its ``answer`` is a receipt, or one that says more."""
    return Operation(
        "POST",
        path,
        handler,
        summary,
        tag,
        right,
        answer,
        target=target,
        body=body,
        writes=True,
        example=example,
        answer_example=RECEIPT_EXAMPLE,
    )


def shared_acts(prefix: str, tag: str, target: Targeting, fields: Fields) -> list[Operation]:
    """What authorities and operators can do with cases of any kind that is reviewed.

    ``fields`` are what a return may name.
    """
    rows: list[tuple[str, Handler, str, Right, type[Value], Any]] = [
        ("claim", act(_claim), "领取", Right.CLAIM, Nothing, {}),
        ("release", act(_release), "退领", Right.RELEASE, Note, {"note": ""}),
        ("assign", act(_assign), "指派", Right.OPERATE, PersonBody, _PERSON_EXAMPLE),
        ("hand-over", act(_hand_over), "移交", Right.CLAIM, PersonBody, _PERSON_EXAMPLE),
        ("return", act(_return, fields), "审核退回", Right.REVIEW, Reasons, REASONS_EXAMPLE),
        ("approve", act(_approve), "审核通过", Right.REVIEW, Note, {"note": ""}),
        ("extension", _extend, "延期", Right.OPERATE, Grant, _GRANT_EXAMPLE),
        ("reopen", act(_reopen), "重新开启", Right.OPERATE, Grant, _GRANT_EXAMPLE),
        ("cancel", act(_cancel), "取消", Right.OPERATE, Cause, _CAUSE_EXAMPLE),
    ]
    return [
        acting(f"{prefix}/{name}", handler, summary, right, body, example, tag=tag, target=target)
        for name, handler, summary, right, body, example in rows
    ]


def _claim(call: Call, base: dict[str, Any]) -> Built:
    return c.Claim(**base), None


def _assign(call: Call, base: dict[str, Any]) -> Built:
    return c.Assign(**base, person=call.body.person), _why(call)


def _hand_over(call: Call, base: dict[str, Any]) -> Built:
    return c.HandOver(**base, person=call.body.person), _why(call)


def _why(call: Call) -> dict[str, Any] | None:
    return {"reason": call.body.reason} if call.body.reason.strip() else None


def _release(call: Call, base: dict[str, Any]) -> Built:
    return c.Release(**base), note(call)


_PERSON_EXAMPLE = {"person": "reviewer-2", "reason": "原经办人外出"}
_CAUSE_EXAMPLE = {"reason": "机构已注销，误列入名录"}
