"""Acts on a batch: declaring that all is in, withdrawing and correcting numbers on record."""

from typing import Annotated, Any

from pydantic import Field
from starlette.responses import Response

from api.cases.acts import Built, act, acting, case_of, no_fields, shared_acts
from api.cases.reminders import reminding
from api.door.operations import Call, json_of
from api.door.parts import parts_of
from api.door.requests import MOST_ERRORS, InvalidFields, Plain, Text, pointer
from api.door.rights import Right
from api.numbers.named import ADDRESS, TAG, of_batch
from domain.model import Value
from domain.numbers.commands import Declare
from domain.numbers.row_checks import words
from services.numbers.batches import ChangeRefused

_MOST_CHANGES = 10_000
Number = Annotated[Plain, Field(min_length=1, max_length=200)]


class DeclareBody(Value):
    """All numbers of the quarter are in, so many of them; 0: no report was issued."""

    total: int = Field(ge=0, le=2**53 - 1)


class WithdrawBody(Value):
    """Numbers to withdraw, and why; the reason is shown to whoever looks them up."""

    numbers: tuple[Number, ...] = Field(min_length=1, max_length=_MOST_CHANGES)
    reason: Text


class Correction(Value):
    """One number on record, and what it should be."""

    number: Number
    to_number: Number
    to_issued_on: Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]


class CorrectBody(Value):
    """Numbers to correct, and why; the reason is shown to whoever looks up the old ones."""

    corrections: tuple[Correction, ...] = Field(min_length=1, max_length=_MOST_CHANGES)
    reason: Text


def _declare(call: Call, base: dict[str, Any]) -> Built:
    return Declare(**base, total=call.body.total), None


async def withdraw_numbers(call: Call) -> Response:
    """Withdraws numbers; refused as a whole when one of them is not on record."""
    body: WithdrawBody = call.body
    service = parts_of(call.request).batches
    try:
        receipt = await service.withdraw(
            case_of(call), body.numbers, body.reason, call.actor, call.command_id
        )
    except ChangeRefused as refused:
        raise _wrong(refused, "numbers") from None
    return json_of(receipt)


async def correct_numbers(call: Call) -> Response:
    """Corrects numbers; refused as a whole when one of them cannot be."""
    body: CorrectBody = call.body
    service = parts_of(call.request).batches
    corrections = [correction.model_dump() for correction in body.corrections]
    try:
        receipt = await service.correct(
            case_of(call), corrections, body.reason, call.actor, call.command_id
        )
    except ChangeRefused as refused:
        raise _wrong(refused, "corrections") from None
    return json_of(receipt)


def _wrong(refused: ChangeRefused, field: str) -> InvalidFields:
    errors = []
    for problem in refused.wrong[:MOST_ERRORS]:
        what, mend = words(problem.code, problem.detail)
        errors.append(
            {
                "pointer": pointer(field, problem.place - 1),
                "code": problem.code,
                "message": f"{what}。{mend}。",
            }
        )
    return InvalidFields(refused.refusal, errors)


OPERATIONS = [
    acting(
        f"{ADDRESS}/submit",
        act(_declare),
        "声明本季度已报齐",
        Right.FILE,
        DeclareBody,
        {"total": 2600},
        tag=TAG,
        target=of_batch,
    ),
    acting(
        f"{ADDRESS}/withdraw-numbers",
        withdraw_numbers,
        "撤回报告编号",
        Right.FILE,
        WithdrawBody,
        {"numbers": ["JC2024-000123"], "reason": "报告作废"},
        tag=TAG,
        target=of_batch,
    ),
    acting(
        f"{ADDRESS}/correct-numbers",
        correct_numbers,
        "更正报告编号",
        Right.FILE,
        CorrectBody,
        {
            "corrections": [
                {
                    "number": "JC2024-000123",
                    "to_number": "JC2024-000132",
                    "to_issued_on": "2024-09-02",
                }
            ],
            "reason": "编号录入有误",
        },
        tag=TAG,
        target=of_batch,
    ),
    *shared_acts(ADDRESS, TAG, of_batch, no_fields),
    reminding(ADDRESS, TAG, of_batch),
]
