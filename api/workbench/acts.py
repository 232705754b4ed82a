"""Acts as pages offer them: a form for each, what it sends, and what is told of a refusal.

The API decides on an act; a page only leaves out what its reader's role or the status rules out.
"""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from starlette.responses import RedirectResponse, Response

from api.door.asking import Told, ask
from api.door.operations import Call
from api.door.requests import Form
from domain.case.commands import Actor, Role
from domain.case.status import Status
from domain.ids import jurisdiction_of
from domain.refusals import Code, Refusal, Refused

Options = tuple[tuple[str, str], ...]
_SEVERAL = re.compile(r"\s*[,，、]\s*")


class Input(NamedTuple):
    """One blank of an act's form.

    ``name`` is its place in the API's body, ``decided/document`` one inside another. Of a ``table``
    each line is a row, whose cells are the ``columns``; one that ends in ``[]`` takes several
    things, apart by commas. ``preset`` stands in it at first.
    """

    name: str
    label: str
    kind: Literal[
        "line", "text", "number", "day", "instant", "choice", "yes_no", "ticks", "lines", "table"
    ] = "line"
    hint: str = ""
    options: Options = ()
    columns: tuple[str, ...] = ()
    required: bool = True
    preset: str = ""


class Act(NamedTuple):
    """What can be done: its name on the page, the end of its address in the API, its form.

    ``fixed`` goes with every body. ``grave``: it cannot be undone, and the page says so.
    """

    name: str
    label: str
    done: str
    inputs: tuple[Input, ...] = ()
    hint: str = ""
    path: str = ""
    fixed: Mapping[str, Any] = {}
    grave: bool = False
    method: str = "POST"


class InputShown(NamedTuple):
    """An input as a page shows it: what stands in it, and what is wrong with that."""

    input: Input
    id: str
    text: str
    chosen: frozenset[str]
    said: tuple[str, ...]


class ActShown(NamedTuple):
    """An act's form with its id; the one that was refused shows what was typed."""

    act: Act
    id: str
    inputs: tuple[InputShown, ...]
    open: bool


class Failed(NamedTuple):
    """An act that was refused, and what its form had sent."""

    act: Act
    form: Form
    told: Told


# --- what a form sends ----------------------------------------------------------------------------


def body_of(act: Act, form: Form) -> dict[str, Any]:
    """The body for the API; what is left empty is not in it."""
    body: dict[str, Any] = {}
    for name, value in act.fixed.items():
        _put(body, name, value)
    for one in act.inputs:
        value = _value(one, form)
        if value is not None:
            _put(body, one.name, value)
    return body


def _put(body: dict[str, Any], name: str, value: Any) -> None:
    *above, last = name.split("/")
    for part in above:
        body = body.setdefault(part, {})
    body[last] = value


def _value(one: Input, form: Form) -> Any:
    text = form.text(one.name).strip()
    if one.kind == "ticks":
        return [given for given in form.get(one.name, ()) if given]
    if one.kind in ("lines", "table"):
        lines = [line.strip("\r\n ") for line in text.split("\n")]
        kept = [line for line in lines if line.strip()]
        return kept if one.kind == "lines" else [_row(line, one.columns) for line in kept]
    if not text:
        return None
    if one.kind == "number":
        return int(text) if text.isdecimal() and text.isascii() and len(text) < 16 else text
    if one.kind == "yes_no":
        return {"yes": True, "no": False}.get(text, text)
    if one.kind == "instant":
        return f"{text}{':00' * (text.count(':') < 2)}+08:00"
    return text


def _row(line: str, columns: Sequence[str]) -> dict[str, str | list[str]]:
    """A line of a table, its cells apart by tabs, as they come out of a sheet, or by bars."""
    cells = line.split("\t") if "\t" in line else line.replace("｜", "|").split("|")
    given = dict(zip(columns, (cell.strip() for cell in cells), strict=False))
    return {
        name.removesuffix("[]"): _SEVERAL.split(cell) if name.endswith("[]") else cell
        for name, cell in given.items()
        if cell
    }


def line_of(row: Mapping[str, Any], columns: Sequence[str]) -> str:
    """A row of a table as a line of its blank."""
    return " | ".join(str(row.get(name) or "") for name in columns).rstrip(" |")


# --- what a page shows ----------------------------------------------------------------------------


def acts_shown(
    acts: Sequence[Act], failed: Failed | None = None, about: str = ""
) -> list[ActShown]:
    """The forms of some acts; the refused one keeps what was typed, with what is wrong at it.

    ``about`` tells apart forms of one act on one page, each about something else.
    """
    made = []
    for act in acts:
        mine = failed is not None and failed.act.name == act.name
        form = failed.form if failed is not None and mine else None
        errors = failed.told.problem["errors"] if failed is not None and mine else []
        id_ = f"{act.name}-{about}" if about else act.name
        shown = tuple(_shown(id_, one, form, errors) for one in act.inputs)
        made.append(ActShown(act, id_, shown, mine))
    return made


def _shown(act: str, one: Input, form: Form | None, errors: Sequence[Any]) -> InputShown:
    given = form.get(one.name, []) if form is not None else one.preset.split(",")
    place = f"/{one.name}"
    said = tuple(
        error["message"]
        for error in errors
        if error["pointer"] == place or error["pointer"].startswith(f"{place}/")
    )
    text = form.text(one.name) if form is not None else one.preset
    return InputShown(one, f"{act}-{one.name.replace('/', '-')}", text, frozenset(given), said)


def summary_of(forms: Sequence[ActShown], failed: Failed | None) -> dict[str, Any]:
    """What the head of a page tells of a refusal: each wrong blank with a way to it."""
    if failed is None:
        return {}
    wrong = [one for form in forms if form.open for one in form.inputs]
    linked = [(one.id, f"{one.input.label}：{text}") for one in wrong for text in one.said]
    told = {text for one in wrong for text in one.said}
    rest = [one["message"] for one in failed.told.problem["errors"] if one["message"] not in told]
    return {"refused": failed.told.problem, "linked": linked, "rest": rest}


Show = Callable[[Call, Failed | None], Awaitable[Response]]


async def perform(call: Call, acts: Sequence[Act], api: str, here: str, show: Show) -> Response:
    """Does what a form asks for: sent twice it is one act; refused, it is shown again."""
    name = call.request.path_params["act"]
    act = next((one for one in acts if one.name == name), None)
    if act is None:
        raise Refused(Refusal(code=Code.NOT_FOUND, params={"what": "这个地址"}))
    try:
        await ask(
            call,
            act.method,
            f"{api}/{act.path or act.name}",
            body_of(act, call.body),
            idempotency_key=call.body.text("key"),
        )
    except Told as told:
        return put_down(told) or await show(call, Failed(act, call.body, told))
    return RedirectResponse(f"{here}?done={name}", status_code=303)


def put_down(told: Told) -> Response | None:
    """The way to what waits for a second person now, None for any other refusal.

    It is put down as was wished, by the one of the two who may.
    """
    if told.problem["code"] != Code.AWAITS_CONFIRMATION:
        return None
    held = told.headers["location"].removeprefix("/api/")
    return RedirectResponse(f"/work/{held}?done=proposed", status_code=303)


def done_of(acts: Sequence[Act], name: str) -> str:
    """What a page says after an act, "" for none."""
    return next((act.done for act in acts if act.name == name), "")


# --- acts of every kind of case -------------------------------------------------------------------

REASON = Input("reason", "理由", "text")
_PERSON = Input("person", "交给谁", hint="接手人的账号。")
_WHY = Input("reason", "理由", "text", required=False)
_MORE_TIME = (
    Input("until", "延到什么时候", "instant", "北京时间；到这一时刻为止。"),
    REASON,
    Input("document", "文号", required=False),
)

CLAIM = Act("claim", "领取", "已领取")
RELEASE = Act("release", "退领", "已退领", (Input("note", "说明", required=False),))
APPROVE = Act("approve", "审核通过", "已通过", (Input("note", "意见", "text", required=False),))
RETURN = Act("return", "退回", "已退回", (Input("reason", "退回的理由", "text"),))
HAND_OVER = Act("hand-over", "移交", "已移交", (_PERSON, _WHY))
ASSIGN = Act("assign", "指派", "已指派", (_PERSON, _WHY))
EXTEND = Act("extension", "延期", "已延期", _MORE_TIME)
REOPEN = Act("reopen", "重新开启", "已重新开启", _MORE_TIME)
CANCEL = Act("cancel", "取消", "已取消", (REASON,), "取消之后不能恢复。", grave=True)
REMIND = Act(
    "reminders",
    "催报",
    "已催报",
    (
        Input("text", "催报的内容", "text"),
        Input(
            "channels",
            "除站内信之外怎样送达",
            "ticks",
            options=(("mail", "邮件"),),
            preset="mail",
            required=False,
        ),
        Input("document", "文号", required=False),
    ),
)
SHARED = (CLAIM, RELEASE, APPROVE, RETURN, HAND_OVER, ASSIGN, EXTEND, REOPEN, CANCEL, REMIND)

_UNENDED = frozenset({Status.COMPLETED, Status.LAPSED, Status.AFTER_WINDOW})


def shared_acts_now(shown: Mapping[str, Any], actor: Actor, *, mine: bool) -> list[Act]:
    """Of the acts that cases of every kind take, those that its reader can think of now."""
    status, claimed, role = Status(shown["status"]), shown["claimed"], actor.role
    turn = {Role.REVIEWER: Status.IN_REVIEW, Role.CHECKER: Status.QUALITY_CHECK}.get(role)
    if turn is not None:
        if status is not turn:
            waits = role is Role.REVIEWER and status in (Status.DRAFT, Status.RETURNED)
            return [REMIND] if waits else []
        if not claimed:
            return [CLAIM]
        if not mine:
            return []
        return [*((APPROVE, RETURN) if role is Role.REVIEWER else ()), HAND_OVER, RELEASE]
    if role is Role.OPERATOR:
        if status in _UNENDED:
            return [REOPEN if status is Status.COMPLETED else EXTEND]
        if status in (Status.CANCELLED, Status.ANNULLED, Status.IN_FORCE):
            return []
        in_hand = status in (Status.IN_REVIEW, Status.QUALITY_CHECK)
        # people of an authority are given work by the operators of its own jurisdiction
        ours = in_hand and jurisdiction_of(shown["authority"]) == actor.scope
        return [*((ASSIGN,) if ours else ()), EXTEND, REMIND, CANCEL]
    return []
