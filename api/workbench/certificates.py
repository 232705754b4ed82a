"""Certificates on pages: applications with what to look at twice, issuing, ending, the register."""

from collections.abc import Mapping
from typing import Any

from starlette.responses import RedirectResponse, Response

from api.certificates.named import of_certificate
from api.door.asking import Told, ask
from api.door.operations import Call
from api.door.pages import page
from api.door.requests import Form, query
from api.workbench.acts import (
    APPROVE,
    CANCEL,
    CLAIM,
    REASON,
    RELEASE,
    RETURN,
    Act,
    Failed,
    Input,
    Options,
    acts_shown,
    body_of,
    done_of,
    line_of,
    perform,
    shared_acts_now,
    summary_of,
)
from api.workbench.pages import (
    CURSOR,
    DONE,
    asked_of,
    here_of,
    if_shown,
    page_of,
    said_at_once,
    text_parameter,
)
from domain.case.commands import Actor, Role
from domain.case.status import EDITABLE, STATUS_LABELS, STATUS_NEXT, Status
from domain.certificates.certificate import CERTIFICATE_STATUS_LABELS
from domain.certificates.issuing import PURPOSE_LABELS

_LEVELS = (("provincial", "省级"), ("national", "国家级"))
_WRITERS = (Role.FILER, Role.CLERK)

_DECIDED = tuple(
    Input(f"decided/{name}", label, kind, hint, required=False)  # type: ignore[arg-type]
    for name, label, kind, hint in (
        ("approved_on", "批准日期", "day", "本机关已经批准的，填写日期、文书、批准人，即发证。"),
        ("document", "批准文书", "line", ""),
        ("approver", "批准人", "line", "不是填写本页的人。"),
        ("number", "证书编号", "line", "已有编号的填写，没有的由系统分配。"),
        ("valid_from", "有效期自", "day", ""),
        ("valid_to", "有效期至", "day", ""),
    )
)

_APPROVES = "确认的人即批准人，不用填；另由他人签批的，填写其姓名。"
_WITHDRAW = Act("withdraw", "撤回申请", "已撤回")
_REJECT = Act("reject", "不予批准", "已不予批准", (REASON,), grave=True)
_QUALITY = Act(
    "quality",
    "质量审查",
    "质量审查已办理",
    (
        Input("outcome", "结论", "choice", options=(("pass", "通过"), ("send_back", "退回"))),
        Input("reason", "理由", "text", "退回的要写。", required=False),
    ),
)


def _apply(rules: Mapping[str, Any], draft: Mapping[str, Any] | None, *, decided: bool) -> Act:
    fixed = {"revision": draft["revision"], "sha256": draft["sha256"]} if draft else {}
    changes = tuple((one["id"], one["label"]) for one in rules.get("changes", ()))
    inputs: tuple[Input, ...] = (
        Input(
            "purpose",
            "申请什么",
            "choice",
            options=tuple((one.value, label) for one, label in PURPOSE_LABELS.items()),
        ),
        Input("change", "变更的种类", "choice", "只在变更时选。", changes, required=False),
    )
    if decided:
        inputs += _DECIDED
    label = "提交申请或发证" if decided else "提交申请"
    return Act("apply", label, "已提交", inputs, fixed=fixed)


def _end(rules: Mapping[str, Any]) -> Act:
    endings: Options = tuple((one["id"], one["label"]) for one in rules.get("endings", ()))
    return Act(
        "end",
        "终止证书",
        "已终止",
        (
            Input("ending", "怎样终止", "choice", options=endings),
            Input("on", "自哪一天起", "day"),
            REASON,
            Input("document", "文书"),
            Input("approver", "批准人", hint=_APPROVES, required=False),
        ),
        "由本机关另一人确认后即终止，公众立即查到，不能恢复。",
        grave=True,
    )


def _correct_end(rules: Mapping[str, Any]) -> Act:
    endings: Options = tuple((one["id"], one["label"]) for one in rules.get("endings", ()))
    return Act(
        "correct-end",
        "更正误登记的终止",
        "已更正",
        (
            Input(
                "ending",
                "应当是哪一种终止",
                "choice",
                "本不该终止的不选，证书恢复有效。",
                endings,
                required=False,
            ),
            Input("on", "应当自哪一天起", "day", "恢复有效的不填。", required=False),
            REASON,
            Input("document", "文书"),
            Input("approver", "批准人", hint=_APPROVES, required=False),
        ),
        "由本机关另一人确认后即更正，公众立即查到。",
        grave=True,
    )


def _acts(rules: Mapping[str, Any], draft: Mapping[str, Any] | None, role: Role) -> list[Act]:
    return [
        _apply(rules, draft, decided=role is Role.CLERK),
        _WITHDRAW,
        _REJECT,
        _QUALITY,
        _end(rules),
        _correct_end(rules),
        CLAIM,
        RELEASE,
        APPROVE,
        RETURN,
        CANCEL,
    ]


_ENDED = ("deregistered", "revoked", "rescinded")


def _now(shown: Mapping[str, Any], actor: Actor, *, mine: bool, theirs: bool) -> set[str]:
    """The names of the acts that the reader of a case can think of now. Pure.

    ``theirs``: what is saved is the institution's, and the reader a clerk.
    """
    status, role = Status(shown["status"]), actor.role
    held = shown["certificate"]
    names = {act.name for act in shared_acts_now(shown, actor, mine=mine)}
    if role in _WRITERS and not theirs and (status in EDITABLE or held):
        names.add("apply")
    if role in _WRITERS and status in (Status.SUBMITTED, Status.IN_REVIEW) and not shown["claimed"]:
        names.add("withdraw")
    if role is Role.REVIEWER and "approve" in names:
        names.add("reject")
    if role is Role.CHECKER and status is Status.QUALITY_CHECK and mine:
        names.add("quality")
    if (
        role in (Role.CLERK, Role.REVIEWER)
        and held
        and held["status"] in ("valid", "not_yet_valid", "expired")
    ):
        names.add("end")
    if role in (Role.CLERK, Role.REVIEWER) and held and held["status"] in _ENDED:
        names.add("correct-end")
    return names


# --- lists ----------------------------------------------------------------------------------------


async def list_certificates(call: Call) -> Response:
    """The cases of certificates that somebody sees."""
    asked = asked_of(call, "status", "name", "number", "cursor")
    found = (
        await ask(call, "GET", "/api/certificates", query={"sort": "age", "size": "50", **asked})
    ).body
    values = {
        "found": found,
        "asked": asked,
        "writes": call.actor.role in _WRITERS,
        "next_by": STATUS_NEXT,
        "statuses": [(one.value, STATUS_LABELS[one]) for one in Status],
    }
    return page(call, "certificate_cases.html", values)


_TERMS = (
    ("institution", "机构编号或名称"),
    ("number", "证书编号"),
    ("uscc", "统一社会信用代码"),
    ("parent_uscc", "所属单位的信用代码"),
    ("capability", "检测能力"),
    ("standard", "标准号"),
    ("signatory", "授权签字人（完整姓名）"),
    ("expires_until", "有效期至，到这一天止"),
)
_NAMES = (*(name for name, _ in _TERMS), "state")


async def search_register(call: Call) -> Response:
    """Certificates in the register, by holder and by what they are for."""
    asked = asked_of(call, *_NAMES, "cursor")
    values: dict[str, Any] = {
        "asked": asked,
        "terms": _TERMS,
        "states": [(one.value, label) for one, label in CERTIFICATE_STATUS_LABELS.items()],
        "found": None,
    }
    told = None
    if set(asked) - {"cursor"} or call.actor.role is Role.FILER:
        try:
            values["found"] = (await ask(call, "GET", "/api/certificates/search", query=asked)).body
        except Told as refused:
            told = refused
    return said_at_once(call, "certificate_register.html", values, told)


# --- an application -------------------------------------------------------------------------------


def _tables(rules: Mapping[str, Any], name: str) -> Options:
    codes = rules["number"][name]["codes"]
    return tuple((code, f"{code} {label}") for code, label in sorted(codes.items()))


def _content(rules: Mapping[str, Any], given: Mapping[str, Any], *, new: bool) -> list[Input]:
    """The blanks of a certificate's content, with what stands in them."""
    fixed = "" if new else "建立之后不能改。"
    table = "用制表符或竖线分开，可以从表格中复制。每行："
    blanks = (
        Input("institution", "机构编号", hint=fixed),
        Input("holder", "证书上的机构名称"),
        Input("uscc", "统一社会信用代码", required=False),
        Input("parent_uscc", "所属单位的信用代码", required=False),
        Input("address", "地址"),
        Input("sites", "其他场所", "lines", "每行一处。", required=False),
        Input("level", "级别", "choice", options=_LEVELS),
        Input("issuer", "发证机关", hint=fixed or "部门编号，如 amr-350000。"),
        Input("field", "专业领域", "choice", options=_tables(rules, "fields")),
        Input("industry", "行业", "choice", options=_tables(rules, "industries")),
        Input(
            "capabilities",
            "检测能力",
            "table",
            f"{table}类别、产品或参数、标准号、年份、限制。",
            columns=("category", "item", "standard", "year", "limits"),
        ),
        Input(
            "signatories",
            "授权签字人",
            "table",
            f"{table}姓名、领域。",
            columns=("name", "field"),
            required=False,
        ),
        Input(
            "equipment",
            "仪器设备",
            "table",
            f"{table}名称、型号。",
            columns=("name", "model"),
            required=False,
        ),
    )
    return [
        one._replace(name=f"content/{one.name}", preset=_preset(one, given.get(one.name)))
        for one in blanks
    ]


def _preset(one: Input, value: Any) -> str:
    if one.kind == "table":
        return "\n".join(line_of(row, one.columns) for row in value or ())
    return "\n".join(value or ()) if one.kind == "lines" else str(value or "")


def _beginning(rules: Mapping[str, Any], given: Mapping[str, Any]) -> Act:
    renews = Input(
        "renews", "延续哪一张证书", hint="那张证书的代码；不是延续的留空。", required=False
    )
    return Act("begin", "建立申请", "已建立", (*_content(rules, given, new=True), renews))


async def _rules(call: Call) -> Mapping[str, Any]:
    document: Mapping[str, Any] = (await ask(call, "GET", "/api/certificates/rules")).body[
        "document"
    ]
    return document


async def new_application(call: Call) -> Response:
    """The form of a new application."""
    return await _new(call, None)


async def _new(call: Call, failed: Failed | None) -> Response:
    rules = await _rules(call)
    mine = "institution" if call.actor.role is Role.FILER else "issuer"
    begin = _beginning(rules, {mine: call.actor.scope, "level": "provincial"})
    forms = acts_shown([begin], failed)
    values = {
        "shown": forms[0],
        "address": "/work/certificates/new",
        "forms": forms,
        **summary_of(forms, failed),
    }
    status = failed.told.problem["status"] if failed else 200
    return page(call, "certificate_content.html", values, status)


async def begin(call: Call) -> Response:
    """Begins an application with its first revision."""
    act, form = _beginning(await _rules(call), {}), call.body
    try:
        begun = await ask(
            call, "POST", "/api/certificates", body_of(act, form), idempotency_key=form.text("key")
        )
    except Told as told:
        return await _new(call, Failed(act, form, told))
    return RedirectResponse(
        f"/work/certificates/{begun.body['id'].partition('/')[2]}", status_code=303
    )


async def _named(call: Call) -> tuple[str, str]:
    await of_certificate(call.request)
    return here_of(f"certificates/{call.request.path_params['application']}")


async def certificate_page(call: Call, failed: Failed | None = None) -> Response:
    """One certificate's case: what is applied for, what to look at, what can be done."""
    api, here = await _named(call)
    shown = (await ask(call, "GET", api)).body
    draft = await if_shown(call, f"{api}/draft")
    rules, role = await _rules(call), call.actor.role
    mine = shown["claimed_by"] == call.actor.subject
    theirs = bool(draft and draft["theirs"])
    names = _now(shown, call.actor, mine=mine, theirs=theirs)
    acts = [act for act in _acts(rules, draft, role) if act.name in names]
    forms = acts_shown(acts, failed)
    warned = (*shown["warnings"], *(draft["warnings"] if draft else ()))
    open_ = Status(shown["status"]) in EDITABLE or shown["certificate"]
    edits = role in _WRITERS and not theirs and open_
    values = {
        "shown": shown,
        "draft": draft,
        "warnings": list({one["code"]: one for one in warned}.values()),
        "timeline": (await ask(call, "GET", f"{api}/timeline")).body,
        "here": here,
        "next": STATUS_NEXT[Status(shown["status"])],
        "done": done_of(_acts(rules, draft, role), query(call.request, "done", str, "")),
        "edits": edits,
        "theirs": theirs,
        "fields": dict(_tables(rules, "fields")),
        "industries": dict(_tables(rules, "industries")),
        "forms": forms,
        **summary_of(forms, failed),
    }
    return said_at_once(call, "certificate_case.html", values, failed.told if failed else None)


async def act_on_certificate(call: Call) -> Response:
    """One act on a certificate's case."""
    api, here = await _named(call)
    draft = {"revision": _number(call.body, "revision"), "sha256": call.body.text("sha256")}
    acts = _acts(await _rules(call), draft, call.actor.role)
    return await perform(call, acts, api, here, certificate_page)


def _number(form: Form, name: str) -> int:
    text = form.text(name)
    return int(text) if text.isdecimal() and text.isascii() and len(text) < 9 else 0


def _saving(rules: Mapping[str, Any], given: Mapping[str, Any]) -> Act:
    return Act("content", "保存", "已保存", tuple(_content(rules, given, new=False)))


async def content_page(call: Call) -> Response:
    """What is applied for, to fill in."""
    return await _content_page(call, None)


async def _content_page(call: Call, failed: Failed | None) -> Response:
    api, here = await _named(call)
    draft = (await ask(call, "GET", f"{api}/draft")).body
    act = _saving(await _rules(call), draft["content"] or {})
    forms = acts_shown([act], failed)
    values = {
        "shown": forms[0],
        "address": f"{here}/content",
        "here": here,
        "revision": draft["revision"],
        "forms": forms,
        **summary_of(forms, failed),
    }
    return page(
        call, "certificate_content.html", values, failed.told.problem["status"] if failed else 200
    )


async def save_content(call: Call) -> Response:
    """Saves what is applied for as the next revision."""
    api, here = await _named(call)
    act = _saving(await _rules(call), {})
    try:
        await ask(
            call,
            "PUT",
            f"{api}/draft",
            body_of(act, call.body),
            if_match=f'"{_number(call.body, "revision")}"',
        )
    except Told as told:
        return await _content_page(call, Failed(act, call.body, told))
    return RedirectResponse(here, status_code=303)


_ALL = "/work/certificates"
_ONE = f"{_ALL}/{{application}}"

PAGES = [
    page_of(
        "GET",
        _ALL,
        list_certificates,
        "证书办件",
        parameters=(
            text_parameter("status", "状态"),
            text_parameter("name", "机构名称"),
            text_parameter("number", "证书编号"),
            CURSOR,
        ),
    ),
    page_of(
        "GET",
        f"{_ALL}/search",
        search_register,
        "检索证书登记",
        parameters=(*(text_parameter(name, name) for name in _NAMES), CURSOR),
    ),
    page_of("GET", f"{_ALL}/new", new_application, "新建证书申请"),
    page_of("POST", f"{_ALL}/new", begin, "新建证书申请"),
    page_of("GET", _ONE, certificate_page, "一件证书", parameters=(DONE,)),
    page_of("POST", f"{_ONE}/act/{{act}}", act_on_certificate, "办理", unhurried=True),
    page_of("GET", f"{_ONE}/content", content_page, "申请内容"),
    page_of("POST", f"{_ONE}/content", save_content, "保存申请内容", unhurried=True),
]
