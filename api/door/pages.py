"""Pages: plain HTML from the server, the same answers as the API gives, no script."""

from collections.abc import Mapping
from contextvars import ContextVar
from datetime import date, datetime
from pathlib import Path
from secrets import token_hex
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from api.door.cookies import SESSION
from api.door.engine_pages import case_at, engine_page
from api.door.languages import SOURCE, explained, in_other_languages, language
from api.door.operations import Call
from api.door.parts import parts_of
from api.door.problems import headers_of
from domain.case.commands import ROLE_LABELS, Role
from domain.messages import closing_time, local_time
from domain.refusals import Code, Refusal
from services.sign_in import csrf_token

_TEMPLATES = Environment(
    # each subject's lie beside the operations they show
    loader=FileSystemLoader(sorted(Path(__file__).resolve().parents[1].glob("*/templates"))),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


_WEEKDAYS = "一二三四五六日"


def _closing(at: datetime | str) -> str:
    """An instant, or the end of something, with its day of the week."""
    instant = datetime.fromisoformat(at) if isinstance(at, str) else at
    told = closing_time(instant)
    day = date.fromisoformat(told[:10])
    return f"{told[:10]} 星期{_WEEKDAYS[day.weekday()]}{told[10:]}"


def _closing_day(day: date | str) -> str:
    """The last day of something, with its day of the week; it ends with that day in Beijing."""
    last = date.fromisoformat(day) if isinstance(day, str) else day
    return f"{last} 星期{_WEEKDAYS[last.weekday()]}"


_TEMPLATES.globals.update(
    local_time=local_time,
    closing_time=closing_time,
    closing=_closing,
    closing_day=_closing_day,
    me=None,
)

_TEMPLATES.policies["json.dumps_kwargs"] = {"ensure_ascii": False, "sort_keys": True}

_STATISTICS, _RULES = ("/work/campaigns", "统计工作"), ("/work/rules", "规则")
_CERTIFICATES, _MEASURES = ("/work/certificates", "证书"), ("/work/enforcement", "后续处理")
_NUMBERS, _NOTICES = ("/work/report-batches", "报告编号"), ("/work/notices", "通知")
_TASKS, _FILINGS, _JOBS = ("/work/tasks", "待办"), ("/work/filings", "填报"), ("/work/jobs", "批办")
_REGISTRATIONS = ("/work/registrations", "机构登记")
_PEOPLE, _DEPUTIES = ("/work/people", "人员"), ("/work/deputies", "离岗代办")
_CONFIRMATIONS = ("/work/confirmations", "两人办理")
_PIECES = ("/work/announcements", "公告")
_COMPLAINTS, _INSTITUTIONS = ("/work/complaints", "投诉"), ("/work/institutions", "机构名录")

WORK: dict[Role, tuple[tuple[str, str], ...]] = {
    Role.FILER: (
        _FILINGS,
        _NUMBERS,
        _CERTIFICATES,
        _MEASURES,
        _NOTICES,
        _PEOPLE,
        _REGISTRATIONS,
        _PIECES,
        _RULES,
    ),
    Role.RESPONSIBLE: (_FILINGS, _PIECES, _RULES),
    Role.REVIEWER: (
        _TASKS,
        _FILINGS,
        _NUMBERS,
        _CERTIFICATES,
        _COMPLAINTS,
        _JOBS,
        _NOTICES,
        _CONFIRMATIONS,
        _DEPUTIES,
        _PIECES,
        _RULES,
    ),
    Role.CHECKER: (_TASKS, _FILINGS, _CERTIFICATES, _JOBS, _DEPUTIES, _PIECES, _RULES),
    Role.CLERK: (
        _CERTIFICATES,
        ("/work/certificates/search", "证书登记"),
        ("/work/certificates/imports", "批量导入"),
        _CONFIRMATIONS,
        _PIECES,
        _RULES,
    ),
    Role.OFFICER: (_MEASURES, _PIECES, _RULES),
    Role.DECIDER: (_MEASURES, _PIECES, _RULES),
    Role.OPERATOR: (
        _STATISTICS,
        _JOBS,
        _CONFIRMATIONS,
        _FILINGS,
        _NUMBERS,
        _CERTIFICATES,
        _COMPLAINTS,
        _MEASURES,
        _PEOPLE,
        _DEPUTIES,
        _INSTITUTIONS,
        _REGISTRATIONS,
        _NOTICES,
        _PIECES,
        _RULES,
    ),
    Role.AUDITOR: (
        ("/work/audit", "审计"),
        _STATISTICS,
        _CERTIFICATES,
        _MEASURES,
        _INSTITUTIONS,
        _PIECES,
        _RULES,
    ),
}
"""Where people of a role find their work: an address of a page, and what it is called."""

demonstration: ContextVar[bool] = ContextVar("demonstration", default=False)
"""Whether the request is one to a demonstration, whose pages all say so."""

_TEMPLATES.globals["demonstration"] = demonstration.get
_TEMPLATES.globals["language"] = SOURCE

SPEAKING = in_other_languages(_TEMPLATES)
"""The languages besides Chinese that there is a file for."""

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; "
    "form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    # the number asked for stands in the address
    "Referrer-Policy": "no-referrer",
}
_MORE = "; img-src 'self'; script-src 'self'; connect-src 'self'"
"""Pages of the workbench show pictures, and save and refresh by a script; without it, too."""

_LABELS = {"number": "报告编号", "institution": "机构名称"}
"""What most pages call the parameters they have in common."""


def render(
    template: str, values: Mapping[str, Any], headers: Mapping[str, str], status: int = 200
) -> Response:
    """A page."""
    text = SPEAKING.get(language.get(), _TEMPLATES).get_template(template).render(values)
    varies = {"Vary": "Accept-Language"} if SPEAKING else {}
    return HTMLResponse(text, status_code=status, headers={**HEADERS, **varies, **headers})


def render_refused(template: str, values: Mapping[str, Any], refusal: Refusal) -> Response:
    """A page that tells of a refusal, with the API's status for it."""
    return render(template, values, headers_of(refusal), refusal.code.status)


def words_of(refusal: Refusal, labels: Mapping[str, str] | None = None) -> dict[str, str]:
    """A refusal as pages tell it; whoever looks something up knows of no request header.

    ``labels`` are what the page calls parameters of its own: what is wrong with one is told by its
    label.
    """
    words = explained(refusal)._asdict()
    if refusal.code in (Code.BUSY, Code.UNAVAILABLE, Code.KEYS_MISSING, Code.INTERNAL):
        words["detail"], words["remedy"] = "系统暂时没有响应。", "请稍后再试。"
    if refusal.code is Code.UNAUTHENTICATED:
        words["detail"], words["remedy"] = "本页只供登录的人员使用。", "请登录后再看。"
    label = {**_LABELS, **(labels or {})}.get(refusal.params.get("name", ""))
    if label is not None and refusal.code is Code.INVALID_PARAMETER:
        words["title"], words["detail"] = f"{label}有误", f"{label}{refusal.params['why']}。"
        words["remedy"] = "请修改后再查。"
    return {**words, "code": refusal.code.value}


def page(call: Call, template: str, values: Mapping[str, Any], status: int = 200) -> Response:
    """A page of somebody who is signed in: who they are stands on its head.

    ``csrf`` and ``key`` belong into its forms: a form rendered once can be sent once.
    """
    kept = SESSION.read(call.request)
    me = {
        "subject": call.actor.subject,
        "role": call.actor.role.value,
        "role_label": ROLE_LABELS[call.actor.role],
        "scope": call.actor.scope,
        "work": WORK.get(call.actor.role, ()),
    }
    common: dict[str, Any] = {
        "me": me,
        "csrf": csrf_token(kept),
        "key": token_hex(16),
        "request_id": call.request_id,
        "refused": None,
        "errors": [],
        "at": call.request.url.path,
        "engine": engine_page(
            parts_of(call.request).engine_pages,
            case_at(call.request.url.path, call.request.url.query),
            call.actor,
        ),
    }
    policy = HEADERS["Content-Security-Policy"] + _MORE
    headers = {"Cache-Control": "no-store", "Content-Security-Policy": policy}
    return render(template, {**common, **values}, headers, status)


def refused_page(refusal: Refusal, request_id: str, request: Request) -> Response:
    """What a page is answered with that could not be made: the API's status, in words."""
    values = {
        "refused": words_of(refusal),
        "request_id": request_id,
        "here": quote(request.url.path) if request.method == "GET" else "",
    }
    return render_refused("refused.html", values, refusal)


def told_page(problem: Mapping[str, Any], request: Request) -> Response:
    """A page for which the API has refused what it asked."""
    values = {
        "refused": problem,
        "request_id": problem["request_id"],
        "here": quote(request.url.path) if request.method == "GET" else "",
    }
    return render("refused.html", values, {"Cache-Control": "no-store"}, problem["status"])
