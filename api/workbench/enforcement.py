"""Cases of enforcement on pages: with their terms, for officer, decider and institution."""

from collections.abc import Mapping
from typing import Any

from starlette.responses import RedirectResponse, Response

from api.door.asking import Told, ask
from api.door.operations import Call
from api.door.requests import query
from api.enforcement.enforcement import of_enforcement
from api.workbench.acts import (
    REASON,
    Act,
    Failed,
    Input,
    Options,
    acts_shown,
    done_of,
    perform,
    summary_of,
)
from api.workbench.pages import (
    CURSOR,
    DONE,
    asked_of,
    here_of,
    name_of,
    page_of,
    said_at_once,
    text_parameter,
)
from domain.case.commands import Role
from domain.case.status import STATUS_LABELS, Status
from domain.enforcement.commands import Stage

_OPENS = (Role.OFFICER, Role.OPERATOR)
_MEDIA = {
    "pdf": "application/pdf",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "png": "image/png",
    "txt": "text/plain",
}
_FINDINGS = (("concealed", "拒报、瞒报"), ("false", "虚报"), ("omitted", "漏报"))

_NOTICE = Act("notice", "事先告知", "已告知", hint="告知拟采取的措施、理由和陈述、申辩的权利。")
_SERVICE = Act("service", "送达决定", "已送达")
_REFER = Act(
    "refer", "移送", "已移送", (Input("agency", "移送给哪个机关"), Input("document", "文号"))
)
_WITHDRAW = Act("withdraw", "撤回措施", "已撤回", (REASON,), grave=True)
_CURE = Act("cure", "补报解除", "已解除", hint="补报并已通过审核的，可以解除。")
_DECIDE = Act(
    "decide",
    "决定",
    "已决定",
    (
        Input(
            "outcome", "决定", "choice", options=(("impose", "采取措施"), ("dismiss", "不采取措施"))
        ),
        REASON,
        Input("basis", "处罚的法律依据", hint="处罚的要写法律和条款。", required=False),
    ),
    grave=True,
)
_ANSWER = Act(
    "objection-answer",
    "答复异议",
    "已答复",
    (Input("upheld", "异议成立", "yes_no", preset="no"), REASON),
)


def _propose(measures: Options) -> Act:
    return Act(
        "propose",
        "提出措施",
        "已提出",
        (
            Input("measure", "哪一种措施", "choice", options=measures),
            REASON,
            Input(
                "wording",
                "具体内容",
                "text",
                "通知没有写明做什么的才写。",
                required=False,
            ),
        ),
    )


def _said(name: str, label: str, done: str, files: Options) -> Act:
    attached = Input("attachments", "附件", "ticks", options=files, required=False)
    return Act(name, label, done, (Input("text", "内容", "text"), *((attached,) if files else ())))


def _acts(case: Mapping[str, Any]) -> list[Act]:
    files = tuple((one["sha256"], one["name"]) for one in case["attachments"])
    measures = tuple(
        (one["id"], f"{one['label']}（{one['kind_label']}）") for one in case["measures"]
    )
    return [
        _propose(measures),
        _NOTICE,
        _said("statement", "陈述、申辩", "已提交陈述、申辩", files),
        _DECIDE,
        _SERVICE,
        _REFER,
        _said("objection", "提出异议", "已提出异议", files),
        _ANSWER,
        _WITHDRAW,
        _CURE,
    ]


_BY_STAGE: dict[tuple[Role, Stage], frozenset[str]] = {
    (Role.OFFICER, Stage.OPENED): frozenset({"propose", "withdraw"}),
    (Role.OFFICER, Stage.PROPOSED): frozenset({"notice", "withdraw"}),
    (Role.OFFICER, Stage.NOTICED): frozenset({"withdraw"}),
    (Role.OFFICER, Stage.DECIDED): frozenset({"service", "refer"}),
    (Role.OFFICER, Stage.SERVED): frozenset({"cure"}),
    (Role.OFFICER, Stage.IN_FORCE): frozenset({"cure"}),
    (Role.DECIDER, Stage.PROPOSED): frozenset({"decide"}),
    (Role.DECIDER, Stage.NOTICED): frozenset({"decide"}),
    (Role.DECIDER, Stage.DECIDED): frozenset({"withdraw"}),
    (Role.DECIDER, Stage.SERVED): frozenset({"withdraw"}),
    (Role.DECIDER, Stage.IN_FORCE): frozenset({"withdraw"}),
    (Role.FILER, Stage.NOTICED): frozenset({"statement"}),
    (Role.FILER, Stage.SERVED): frozenset({"objection", "cure"}),
    (Role.FILER, Stage.IN_FORCE): frozenset({"objection", "cure"}),
    (Role.FILER, Stage.OVER): frozenset({"objection"}),
}
"""What somebody can think of at each stage; an objection is answered whenever there is one."""


def acts_now(case: Mapping[str, Any], role: Role) -> list[Act]:
    """The acts that a page offers its reader. Pure."""
    names = set(_BY_STAGE.get((role, Stage(case["stage"])), ()))
    if case["objecting"]:
        names -= {"objection"}
        if role is Role.DECIDER:
            names.add("objection-answer")
    if not case["measure"] and role is Role.FILER:
        names -= {"objection"}
    return [act for act in _acts(case) if act.name in names]


_TERMS = (
    ("decision_due", "决定的期限"),
    ("statement_due", "陈述、申辩的期限"),
    ("service_due", "送达的期限"),
    ("effective_at", "生效"),
    ("expires_at", "期满"),
    ("objection_due", "答复异议的期限"),
)


async def list_cases(call: Call) -> Response:
    """The cases that somebody sees; what waits for its reader first."""
    return await _list(call, None)


async def _list(call: Call, told: Told | None) -> Response:
    asked = asked_of(call, "status", "institution", "cursor")
    role = call.actor.role
    found = (
        await ask(call, "GET", "/api/enforcement", query={"sort": "due", "size": "50", **asked})
    ).body
    waiting = []
    if role in (Role.OFFICER, Role.DECIDER):
        waiting = (await ask(call, "GET", "/api/tasks", query={"size": "50"})).body["items"]
    values = {
        "found": found,
        "asked": asked,
        "waiting": waiting,
        "statuses": [(one.value, STATUS_LABELS[one]) for one in Status],
        "opens": role in _OPENS,
    }
    return said_at_once(call, "measures_cases.html", values, told)


async def foresee(call: Call) -> Response:
    """What could be proposed about a filing, before there is a case."""
    about = query(call.request, "about", str, "").strip()
    told, foreseen = None, None
    if about:
        try:
            foreseen = (
                await ask(call, "GET", "/api/enforcement/consequences", query={"about": about})
            ).body
        except Told as refused:
            told = refused
    values = {"about": about, "foreseen": foreseen, "findings": _FINDINGS}
    return said_at_once(call, "foreseen.html", values, told)


async def open_case(call: Call) -> Response:
    """Opens a case about a filing."""
    form = call.body
    body = {
        "about": form.text("about").strip(),
        "findings": [one for one in form.get("findings", ()) if one],
        "evidence": form.text("evidence").strip(),
    }
    try:
        begun = await ask(call, "POST", "/api/enforcement", body, idempotency_key=form.text("key"))
    except Told as told:
        return await _list(call, told)
    return RedirectResponse(f"/work/{begun.body['id']}", status_code=303)


async def _named(call: Call) -> tuple[str, str]:
    await of_enforcement(call.request)
    given = call.request.path_params
    return here_of(
        f"enforcement/{given['about']}/{given['period']}/{given['institution']}/{given['n']}"
    )


async def case_page(call: Call, failed: Failed | None = None) -> Response:
    """One case: facts, what may be chosen, terms, documents, what can be done."""
    return await _case(call, failed, None)


async def _case(call: Call, failed: Failed | None, told: Told | None) -> Response:
    api, here = await _named(call)
    case = (await ask(call, "GET", api)).body
    role = call.actor.role
    forms = acts_shown(acts_now(case, role), failed)
    values = {
        "case": case,
        "chosen": next((one for one in case["measures"] if one["id"] == case["measure"]), None),
        "terms": [(label, case[name]) for name, label in _TERMS if case[name]],
        "timeline": (await ask(call, "GET", f"{api}/timeline")).body,
        "here": here,
        "done": done_of(_acts(case), query(call.request, "done", str, "")),
        "attaches": role is Role.FILER and case["stage"] not in ("opened", "proposed"),
        "forms": forms,
        **summary_of(forms, failed),
    }
    return said_at_once(
        call, "measure_case.html", values, told or (failed.told if failed else None)
    )


async def act_on_case(call: Call) -> Response:
    """One act on a case."""
    api, here = await _named(call)
    case = (await ask(call, "GET", api)).body
    return await perform(call, _acts(case), api, here, case_page)


async def attach(call: Call) -> Response:
    """Keeps a file of the institution's."""
    api, here = await _named(call)
    file = call.body.file
    name = name_of(file)
    media = _MEDIA.get(name.rpartition(".")[2].lower(), "application/octet-stream")
    try:
        await ask(
            call,
            "POST",
            f"{api}/attachments",
            query={"filename": name} if name else {},
            file=file,
            content_type=media,
            idempotency_key=call.body.text("key"),
        )
    except Told as told:
        return await _case(call, None, told)
    return RedirectResponse(here, status_code=303)


_REGISTER = ("region", "measure", "state", "name")


async def register_page(call: Call) -> Response:
    """The measures that took effect, in force and ended."""
    asked = asked_of(call, *_REGISTER, "cursor")
    told, found = None, None
    try:
        wanted = {"size": "50", **asked}
        found = (await ask(call, "GET", "/api/enforcement/register", query=wanted)).body
    except Told as refused:
        told = refused
    values = {
        "found": found,
        "asked": asked,
        "narrowed": {name: text for name, text in asked.items() if name != "cursor"},
        "states": (("in_force", "生效"), ("ended", "已终止")),
    }
    return said_at_once(call, "measures_register.html", values, told)


_ALL = "/work/enforcement"
_ONE = f"{_ALL}/{{about}}/{{period}}/{{institution}}/{{n}}"
_LARGEST = 6 * 1024 * 1024

PAGES = [
    page_of(
        "GET",
        _ALL,
        list_cases,
        "后续处理",
        parameters=(
            text_parameter("status", "状态"),
            text_parameter("institution", "机构编号"),
            CURSOR,
        ),
    ),
    page_of("POST", _ALL, open_case, "立案", unhurried=True),
    page_of(
        "GET",
        f"{_ALL}/register",
        register_page,
        "措施登记簿",
        parameters=(*(text_parameter(name, name) for name in _REGISTER), CURSOR),
    ),
    page_of(
        "GET",
        f"{_ALL}/consequences",
        foresee,
        "可以提出什么",
        parameters=(text_parameter("about", "针对哪一件"),),
    ),
    page_of("GET", _ONE, case_page, "一件后续处理", parameters=(DONE,)),
    page_of("POST", f"{_ONE}/act/{{act}}", act_on_case, "办理", unhurried=True),
    page_of(
        "POST",
        f"{_ONE}/attach",
        attach,
        "上传附件",
        unhurried=True,
        with_file=True,
        largest=_LARGEST,
    ),
]
