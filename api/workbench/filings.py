"""A filing on pages: one's filings and inbox, one with what can be done now, its form by part."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from mimetypes import guess_type
from typing import Any
from urllib.parse import quote, urlencode

from starlette.responses import RedirectResponse, Response

from api.cases.cases import CaseYear
from api.door.asking import Answer, Told, ask
from api.door.operations import Call, Parameter
from api.door.pages import page
from api.door.parts import parts_of
from api.door.requests import Form, path, query
from api.workbench.acts import (
    REASON,
    SHARED,
    Act,
    Failed,
    Input,
    acts_shown,
    done_of,
    perform,
    shared_acts_now,
    summary_of,
)
from api.workbench.blanks import groups, read_part, warned
from api.workbench.home import duties_of
from api.workbench.pages import (
    CURSOR,
    DONE,
    asked_of,
    if_shown,
    name_of,
    page_of,
    said_at_once,
    text_parameter,
)
from api.workbench.views import (
    VIEWS_COOKIE,
    View,
    read_views,
    with_view,
    without_view,
    written_views,
)
from domain.case.commands import Actor, Role
from domain.case.status import EDITABLE, STATUS_NEXT, Status
from domain.clock import BEIJING
from domain.filing.kind import FILING
from domain.ids import InstitutionId
from domain.refusals import Code, Refusal, Refused
from files.form_sheets import XLSX

Body = Callable[[Form], dict[str, Any]]


def _version(form: Form) -> dict[str, Any]:
    revision = form.text("revision")
    return {
        "revision": int(revision) if revision.isdecimal() and len(revision) < 9 else 0,
        "sha256": form.text("sha256"),
        "files": list(form.get("files", ())),
    }


def _submitted(form: Form) -> dict[str, Any]:
    given = {name: form.text(name).strip() for name in ("choice", "correction", "reason")}
    return {**_version(form), **{name: text for name, text in given.items() if text}}


def _returned(form: Form) -> dict[str, Any]:
    part, _, field = form.text("place").partition("/")
    fields = [{"part": part, "field": field, "reason": form.text("remark")}] if part else []
    return {"reason": form.text("reason"), "fields": fields}


def _checked(form: Form) -> dict[str, Any]:
    return {"outcome": form.text("outcome"), "reason": form.text("reason")}


ACTS: dict[str, tuple[str, Body]] = {
    "submit": ("已提交", _submitted),
    "withdraw": ("已撤回", lambda form: {}),
    "attest": ("已确认", _version),
    "claim": ("已领取", lambda form: {}),
    "release": ("已退领", lambda form: {}),
    "approve": ("已通过", lambda form: {"note": form.text("note")}),
    "return": ("已退回", _returned),
    "quality": ("质量审查已办理", _checked),
}
"""What the page of a filing can do: what is then said, and the body that its form makes."""

_EXCUSE = Act(
    "excuse-signer",
    "准予免予确认",
    "已准予",
    (REASON, Input("document", "文号", required=False)),
    "机构请求不经单位负责人确认而提交。",
)
_DEMAND = Act("demand-signer", "不予免予确认", "已不予", (REASON,))
_UNSIGNED = Act(
    "ask-unsigned",
    "请求免予确认",
    "已请求",
    (REASON,),
    "单位负责人无法登录的，写明理由，由经办人决定。",
)
_ASK_RETURN = Act(
    "ask-return",
    "请求退回",
    "已请求，由审核人决定",
    (REASON,),
    "审核人已经领取，退回之后才能更正。",
)
_DECLINE_RETURN = Act("decline-return", "不予退回", "已不予退回", (REASON,))
_WAIVER = Act(
    "ask-waiver",
    "申请豁免校验",
    "已申请豁免",
    (
        Input("finding", "哪一处", "choice"),
        Input("reason", "理由", "text", "数据属实而校验仍不让通过的，写明为什么。"),
        Input("choice", "审核部门", hint="按规则可以选择，填部门编号，如 amr-350000。"),
    ),
    "由审核部门决定；只对现在的数字有效，数字改了要重新申请。",
    path="waivers",
)
_ANSWERS = {
    "grant": Act("", "准予豁免", "已准予豁免", (REASON,), path="grant"),
    "decline": Act("", "不予豁免", "已不予豁免", (REASON,), path="decline"),
}
_ANSWER = re.compile(r"waiver-([1-9][0-9]{0,8})-(grant|decline)")
_MORE = (
    *(one for one in SHARED if one.name not in ACTS),
    _EXCUSE,
    _DEMAND,
    _UNSIGNED,
    _ASK_RETURN,
    _DECLINE_RETURN,
    _WAIVER,
)
"""What else can be done, by forms that are nothing but an act's own blanks."""


_FILES_DONE = {
    "workbook": "已从工作簿保存",
    "file": "已添加附件",
    "remove": "已移除附件",
}


def _answer(number: int, word: str) -> Act:
    """The act that answers one request to waive a check."""
    act = _ANSWERS[word]
    return act._replace(
        name=f"waiver-{number}-{word}",
        label=f"{act.label}（第 {number} 号）",
        path=f"waivers/{number}/{act.path}",
    )


def _named_act(name: str, form: Form) -> list[Act]:
    """What else the form of a page does: what it names beside its own blanks is put into it."""
    answers = _ANSWER.fullmatch(name)
    if answers is not None:
        return [_answer(int(answers[1]), answers[2])]
    return [*_MORE[:-1], _WAIVER._replace(fixed={"revision": _version(form)["revision"]})]


def _waiver_asked(draft: Mapping[str, Any], code: str) -> list[Act]:
    """A form to have checks waived that keep a draft back, those asked for already left out.

    ``code`` is that of a refusal; where the rules leave a choice of who decides, it says so.
    """
    waiting = {one["finding"] for one in draft["standing"]["waivers"] if one["state"] == "asked"}
    options = tuple(
        (one["sha256"], f"第 {one['number']} 处：{one['message']}")
        for one in draft["report"]["findings"]
        if one["sha256"] and one["waiver"] is None and one["sha256"] not in waiting
    )
    if not options:
        return []
    which, why, who = _WAIVER.inputs
    chooses = (who,) if code == Code.CHOICE_NEEDED else ()
    return [_WAIVER._replace(inputs=(which._replace(options=options), why, *chooses))]


def _more_now(
    filing: Mapping[str, Any],
    draft: Mapping[str, Any] | None,
    actor: Actor,
    code: str = "",
    *,
    mine: bool,
) -> list[Act]:
    """Of these, what the reader of a filing can think of now, after a refusal or none. Pure."""
    role, editable = actor.role, Status(filing["status"]) in EDITABLE
    if role is Role.FILER:
        under_review = filing["status"] == Status.IN_REVIEW and filing["claimed"]
        if under_review and not filing["return_asked"]:
            return [_ASK_RETURN]
        if draft is None or not editable or not draft["revision"]:
            return []
        attestation = draft["standing"]["attestation"]
        asks = attestation["required"] and not attestation["holds"] and not filing["signer_asked"]
        return [*_waiver_asked(draft, code), *([_UNSIGNED] if asks else [])]
    shared = [one for one in shared_acts_now(filing, role, mine=mine) if one in _MORE]
    if role is Role.REVIEWER and draft is not None and editable:
        waiting = [
            one["number"]
            for one in draft["standing"]["waivers"]
            if one["state"] == "asked" and one["authority"] == actor.scope
        ]
        shared += [_answer(number, word) for number in waiting for word in _ANSWERS]
    asked = role is Role.OPERATOR and filing["signer_asked"]
    returning = role is Role.REVIEWER and mine and filing["return_asked"]
    return [
        *((_EXCUSE, _DEMAND) if asked else ()),
        *((_DECLINE_RETURN,) if returning else ()),
        *shared,
    ]


async def my_filings(call: Call) -> Response:
    """The filings that somebody sees, the most pressing first."""
    cursor = query(call.request, "cursor", str, "")
    asked = {"sort": "due", "size": "50", **({"cursor": cursor} if cursor else {})}
    found = (await ask(call, "GET", "/api/filings", query=asked)).body
    return page(call, "filings.html", {"found": found, "next_by": STATUS_NEXT})


_INBOX = ("claimed", "kind", "name", "region", "due_by", "sort")
_ROWS = "20"
"""So many stand on a page of the inbox."""

_HALF_A_YEAR = 180 * 24 * 3600
_SOON = timedelta(days=3)
"""What is due within that counts as pressing on the page."""


async def inbox(call: Call) -> Response:
    """What waits for the authority, narrowed and sorted."""
    return await _inbox(call, None)


async def _inbox(call: Call, told: Told | None) -> Response:
    asked = asked_of(call, *_INBOX, "cursor")
    found: dict[str, Any] = {"items": [], "next": None}
    try:
        found = (await ask(call, "GET", "/api/tasks", query={"size": _ROWS, **asked})).body
    except Told as refused:
        told = told or refused
    counts = (await ask(call, "GET", "/api/tasks/counts")).body
    soon = (parts_of(call.request).clock() + _SOON).astimezone(BEIJING).replace(microsecond=0)
    view = {name: text for name, text in asked.items() if name != "cursor"}
    if told is not None and call.body is not None:
        ticked = frozenset(call.body.get("id", ()))
    else:
        ticked = frozenset()
    values = {
        "found": found,
        "counts": counts,
        "asked": asked,
        "view": view,
        "views": _views(counts, soon.isoformat()),
        "saved": _saved(call),
        "kinds": [(one["kind"], one["label"]) for one in counts["kinds"]],
        "bulk": any(one["kind"] == FILING.name for one in found["items"]),
        "me_subject": call.actor.subject,
        "ticked": ticked,
        "place_of": _place_of,
        "duties": await duties_of(call),
    }
    return said_at_once(call, "inbox.html", values, told)


def _views(counts: Mapping[str, Any], soon: str) -> list[tuple[str, dict[str, str], int | None]]:
    """Ways to look at an inbox that everybody has: the name, the filter, how many. Pure."""
    return [
        ("全部", {}, counts["total"]),
        ("本人领取的", {"claimed": "mine"}, counts["mine"]),
        ("无人领取的", {"claimed": "nobody"}, counts["unclaimed"]),
        ("三日内到期的", {"due_by": soon}, None),
        ("等得最久的", {"sort": "age"}, None),
        *((one["label"], {"kind": one["kind"]}, one["total"]) for one in counts["kinds"]),
    ]


def _place_of(case_id: str) -> str:
    """The address of a case's page, "" for a kind that has none."""
    kind, _, rest = case_id.partition("/")
    names = {
        "filing": "filings",
        "report-numbers": "report-batches",
        "certificate": "certificates",
        "complaint": "complaints",
        "enforcement": "enforcement",
    }
    return f"/work/{names[kind]}/{rest}" if kind in names else ""


def _saved(call: Call) -> list[View]:
    return read_views(call.request.cookies.get(VIEWS_COOKIE, ""), call.actor.subject, _INBOX)


async def save_view(call: Call) -> Response:
    """Keeps the filter under a name, or forgets one."""
    form, views = call.body, _saved(call)
    wanted = {name: text for name in _INBOX if (text := form.text(name).strip())}
    if form.text("forget"):
        views = without_view(views, form.text("forget"))
    else:
        views = with_view(views, form.text("called"), wanted)
    here = f"/work/tasks?{urlencode(wanted)}" if wanted else "/work/tasks"
    response = RedirectResponse(here, status_code=303)
    response.set_cookie(
        VIEWS_COOKIE,
        written_views(views, call.actor.subject),
        max_age=_HALF_A_YEAR,
        path="/work/tasks",
        httponly=True,
        samesite="lax",
        secure=call.request.url.scheme == "https",
    )
    return response


_MANY = ("claim", "release", "hand_over")


async def act_on_many(call: Call) -> Response:
    """Claims, gives up or hands over what was ticked, one by one, as a job."""
    form = call.body
    ids, action = form.get("id", []), form.text("what")
    body: dict[str, Any] = {
        "action": action if action in _MANY else "claim",
        # without a choice all of a campaign would be meant
        "selection": {"ids": ids} if ids else {},
    }
    if action == "hand_over":
        body |= {"person": form.text("person").strip() or None}
    if reason := form.text("reason").strip():
        body["reason"] = reason
    try:
        job = await ask(call, "POST", "/api/jobs", body, idempotency_key=form.text("key"))
    except Told as told:
        return await _inbox(call, told)
    return RedirectResponse(f"/work/jobs/{job.body['id']}", status_code=303)


async def next_task(call: Call) -> Response:
    """Leads to the most pressing case that nobody else has, or back to the inbox."""
    last = query(call.request, "after", str, "")
    tasks = (await ask(call, "GET", "/api/tasks", query={"size": "50"})).body["items"]
    places = [
        place
        for one in tasks
        if one["id"] != last
        and one["claimed_by"] in ("", call.actor.subject)
        and (place := _place_of(one["id"]))
    ]
    return RedirectResponse(places[0] if places else "/work/tasks", status_code=303)


def filing_of(call: Call) -> tuple[str, str]:
    """The filing's address in the API and on pages."""
    year: int = path(call.request, "year", CaseYear)
    institution: str = path(call.request, "institution", InstitutionId)
    place = f"filings/{year}/{institution}"
    return f"/api/{place}", f"/work/{place}"


async def filing_page(call: Call, told: Told | None = None) -> Response:
    """One filing: how it stands, what is next, its content, what can be done."""
    return await _filing(call, told, None)


async def _refused_more(call: Call, failed: Failed | None) -> Response:
    return await _filing(call, failed.told if failed else None, failed)


async def _filing(call: Call, told: Told | None, failed: Failed | None) -> Response:
    api, here = filing_of(call)
    filing = (await ask(call, "GET", api)).body
    role, mine = call.actor.role, filing["claimed_by"] == call.actor.subject
    draft = await if_shown(call, f"{api}/draft")
    forms = await if_shown(call, f"{api}/forms") if draft else None
    changes = await if_shown(call, f"{api}/draft/changes") if draft else None
    reviews = role in (Role.REVIEWER, Role.CHECKER) and draft and draft["revision"]
    code = failed.told.problem["code"] if failed is not None else ""
    more = acts_shown(_more_now(filing, draft, call.actor, code, mine=mine), failed)
    timeline = (await ask(call, "GET", f"{api}/timeline")).body
    done = query(call.request, "done", str, "")
    values = {
        "filing": filing,
        "draft": draft,
        "forms": forms["items"] if forms else [],
        "changes": changes,
        "labels": {one["part"]: one["label"] for one in forms["items"]} if forms else {},
        "by_part": _by_part,
        "timeline": timeline,
        "here": here,
        "editable": filing["status"] in EDITABLE,
        "next": STATUS_NEXT.get(Status(filing["status"]), ""),
        "done": _done(done),
        "mine": mine,
        "review": await if_shown(call, f"{api}/review") if reviews else None,
        "sent": filing["revision"] > 0 and role in (Role.FILER, Role.RESPONSIBLE),
        "more": more,
        **summary_of(more, failed),
    }
    return said_at_once(call, "filing.html", values, told)


def _done(name: str) -> str:
    if name in ACTS:
        return ACTS[name][0]
    return _FILES_DONE.get(name) or done_of(_named_act(name, Form()), name)


async def check_page(call: Call, told: Told | None = None) -> Response:
    """All answers before they are submitted: what differs first, then section by section."""
    api, here = filing_of(call)
    filing = (await ask(call, "GET", api)).body
    draft = (await ask(call, "GET", f"{api}/draft")).body
    forms = (await ask(call, "GET", f"{api}/forms")).body["items"]
    rules = (await ask(call, "GET", f"/api/rule-sets/{filing['rule_set']}")).body["document"]
    differences = (await ask(call, "GET", f"{api}/draft/changes")).body
    parts = [
        (
            form,
            groups(
                form["content"],
                form["copies"],
                draft["parts"].get(form["part"], {}),
                draft["derived"].get(form["part"]) or {},
                {},
            ),
        )
        for form in forms
        if form["part"] in draft["parts"]
    ]
    values = {
        "filing": filing,
        "draft": draft,
        "parts": parts,
        "labels": {form["part"]: form["label"] for form in forms},
        "changes": differences,
        "differing": _by_part(differences["changes"]),
        "corrections": rules["filing"].get("corrections") or [],
        "here": here,
        "writes": call.actor.role is Role.FILER and filing["status"] in EDITABLE,
    }
    return said_at_once(call, "check.html", values, told)


def _by_part(changes: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[Mapping[str, Any]]]]:
    """Differences by the part that they stand in, parts in the order of the content."""
    grouped: dict[str, list[Mapping[str, Any]]] = {}
    for one in changes:
        grouped.setdefault(one["pointer"].split("/")[1], []).append(one)
    return list(grouped.items())


async def receipt_page(call: Call) -> Response:
    """The receipt of what was submitted, and what comes next."""
    api, here = filing_of(call)
    values = {
        "filing": (filing := (await ask(call, "GET", api)).body),
        "receipt": (await ask(call, "GET", f"{api}/receipt")).body,
        "next": STATUS_NEXT.get(Status(filing["status"]), ""),
        "here": here,
        "sent": query(call.request, "sent", str, "") == "1",
    }
    return page(call, "receipt.html", values)


async def act_on_filing(call: Call) -> Response:
    """One act on a filing; a form sent twice is one act."""
    api, here = filing_of(call)
    name = call.request.path_params["act"]
    if name not in ACTS:
        return await perform(call, _named_act(name, call.body), api, here, _refused_more)
    try:
        await ask(
            call,
            "POST",
            f"{api}/{name}",
            ACTS[name][1](call.body),
            idempotency_key=call.body.text("key"),
        )
    except Told as told:
        return await (check_page if name == "submit" else filing_page)(call, told)
    done = f"{here}/receipt?sent=1" if name == "submit" else f"{here}?done={name}"
    return RedirectResponse(done, status_code=303)


async def begin(call: Call) -> Response:
    """Saves what the register and last year know as the first revision."""
    api, here = filing_of(call)
    try:
        known = (await ask(call, "GET", f"{api}/draft/prefilled")).body
        await ask(call, "PUT", f"{api}/draft", {"parts": known["parts"]}, if_match='"0"')
    except Told as told:
        return await filing_page(call, told)
    return RedirectResponse(here, status_code=303)


async def put_workbook(call: Call) -> Response:
    """Saves a workbook that was filled in, or names every wrong cell of it."""
    api, here = filing_of(call)
    try:
        await ask(
            call,
            "PUT",
            f"{api}/draft/workbook",
            file=call.body.file,
            content_type=XLSX,
            if_match=_based_on(call.body),
        )
    except Told as told:
        return await filing_page(call, told)
    return RedirectResponse(f"{here}?done=workbook", status_code=303)


async def add_file(call: Call) -> Response:
    """Puts a file beside the filing, of the type that its name says."""
    api, here = filing_of(call)
    name = name_of(call.body.file)
    try:
        await ask(
            call,
            "POST",
            f"{api}/files",
            query={"filename": name},
            file=call.body.file,
            content_type=guess_type(name)[0] or "application/octet-stream",
            idempotency_key=call.body.text("key"),
        )
    except Told as told:
        return await filing_page(call, told)
    return RedirectResponse(f"{here}?done=file", status_code=303)


async def remove_file(call: Call) -> Response:
    """Takes a file from beside the filing."""
    api, here = filing_of(call)
    file = quote(call.request.path_params["file"])
    try:
        await ask(
            call,
            "POST",
            f"{api}/files/{file}/remove",
            idempotency_key=call.body.text("key"),
        )
    except Told as told:
        return await filing_page(call, told)
    return RedirectResponse(f"{here}?done=remove", status_code=303)


async def part_page(call: Call) -> Response:
    """One part of a filing to read or fill in."""
    return await _part(call, None, None)


async def save_part(call: Call) -> Response:
    """Saves one part as the next revision."""
    api, here = filing_of(call)
    part = call.request.path_params["part"]
    values = await _values(call, api, part)
    try:
        await _save(call, api, part, values)
    except Told as told:
        if not await _saved_already(call, api, part, values, told):
            return await _part(call, told, values)
    return RedirectResponse(f"{here}/parts/{quote(part)}?saved=1", status_code=303)


async def keep_part(call: Call) -> Response:
    """Saves one part by itself while somebody fills it in; tells how that went, and no more."""
    api, _ = filing_of(call)
    part = call.request.path_params["part"]
    try:
        saved = (await _save(call, api, part, await _values(call, api, part))).body
    except Told as told:
        # what is wrong is told beside the form, which stays as it is
        rest = [one["message"] for one in told.problem["errors"]]
        return page(call, "_kept.html", {"refused": told.problem, "rest": rest})
    values = {
        "now": parts_of(call.request).clock(),
        "revision": saved["revision"],
        "blocks": saved["report"]["blocks"],
        "warnings": saved["report"]["warnings"],
    }
    return page(call, "_kept.html", values)


async def _values(call: Call, api: str, part: str) -> dict[str, Any]:
    """What a part's form says."""
    form, standing = await _form(call, api, part)
    return read_part(form["content"], form["copies"], call.body, standing)


async def _save(call: Call, api: str, part: str, values: dict[str, Any]) -> Answer:
    body = {"parts": {part: values}}
    return await ask(call, "PATCH", f"{api}/draft", body, if_match=_based_on(call.body))


def _based_on(form: Form) -> str:
    """The revision that a page was made from, as a request names it."""
    revision = form.text("revision")
    return f'"{revision if revision.isdecimal() else ""}"'


async def _saved_already(
    call: Call, api: str, part: str, values: Mapping[str, Any], told: Told
) -> bool:
    """Whether a form came twice, and what it says has been saved by the first time."""
    if told.problem["code"] != "revision_conflict":
        return False
    newest = (await ask(call, "GET", f"{api}/draft")).body["parts"].get(part, {})
    said = {name: value for name, value in values.items() if value is not None}
    return bool(newest == said)


async def remark(call: Call) -> Response:
    """Writes a remark at one field of a part."""
    api, here = filing_of(call)
    part = call.request.path_params["part"]
    field = {"part": part, "field": call.body.text("field"), "reason": call.body.text("remark")}
    try:
        await ask(
            call,
            "POST",
            f"{api}/remarks",
            {"fields": [field]},
            idempotency_key=call.body.text("key"),
        )
    except Told as told:
        return await _part(call, told, None)
    return RedirectResponse(f"{here}/parts/{quote(part)}#remarks", status_code=303)


async def _form(call: Call, api: str, part: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """A part's form, and what stands in it."""
    forms = (await ask(call, "GET", f"{api}/forms")).body["items"]
    form = next((one for one in forms if one["part"] == part), None)
    if form is None:
        raise Refused(Refusal(code=Code.NOT_FOUND, params={"what": f"部分 {part[:64]}"}))
    draft = (await ask(call, "GET", f"{api}/draft")).body
    return form, draft["parts"].get(part, {})


def _linked(told: Told | None, own: str) -> dict[str, Any]:
    """What of a refusal is about blanks of a part, with their ids, and what is not."""
    errors = told.problem["errors"] if told else []
    return {
        "linked": [
            (one["pointer"].removeprefix(own).replace("/", "-"), one["message"])
            for one in errors
            if one["pointer"].startswith(own)
        ],
        "rest": [one["message"] for one in errors if not one["pointer"].startswith(own)],
    }


async def _part(call: Call, told: Told | None, given: Mapping[str, Any] | None) -> Response:
    api, here = filing_of(call)
    part = call.request.path_params["part"]
    form, standing = await _form(call, api, part)
    draft = (await ask(call, "GET", f"{api}/draft")).body
    filing = (await ask(call, "GET", api)).body
    own = f"/parts/{part}/"
    findings = [one for one in draft["report"]["findings"] if one["pointer"].startswith(own)]
    said: dict[str, list[str]] = {}
    problems = told.problem["errors"] if told else [one for one in findings if draft["revision"]]
    for one in problems:
        said.setdefault(one["pointer"].removeprefix(own), []).append(one["message"])
    for one in draft["standing"]["remarks"]:
        if one["part"] == part and one["field"]:
            said.setdefault(one["field"], []).append(f"批注：{one['text']}")
    shown = standing if given is None else {k: v for k, v in given.items() if v is not None}
    parts = [one["part"] for one in (await ask(call, "GET", f"{api}/forms")).body["items"]]
    following = parts[parts.index(part) + 1 :]
    values = {
        "filing": filing,
        "form": form,
        "groups": groups(
            form["content"],
            form["copies"],
            shown,
            draft["derived"].get(part) or {},
            said,
        ),
        "revision": draft["revision"],
        "warnings": warned(findings, own, form["copies"]),
        "here": here,
        "address": f"{here}/parts/{quote(part)}",
        "own": own,
        "following": f"{here}/parts/{quote(following[0])}" if following else here,
        "writes": call.actor.role is Role.FILER and filing["status"] in EDITABLE,
        "remarks": [one for one in draft["standing"]["remarks"] if one["part"] == part],
        "remarking": call.actor.role in (Role.REVIEWER, Role.CHECKER)
        and filing["claimed_by"] == call.actor.subject,
        "remarked": query(call.request, "remark", str, ""),
        "saved": query(call.request, "saved", str, "") == "1" and told is None,
        **_linked(told, own),
    }
    return said_at_once(call, "part.html", values, told)


_ONE = "/work/filings/{year}/{institution}"

PAGES = [
    page_of("GET", "/work/filings", my_filings, "填报", parameters=(CURSOR,)),
    page_of(
        "GET",
        "/work/tasks",
        inbox,
        "待办",
        parameters=(*(text_parameter(name, name) for name in _INBOX), CURSOR),
    ),
    page_of("POST", "/work/tasks", act_on_many, "批办待办", unhurried=True),
    page_of("POST", "/work/tasks/views", save_view, "保存一个筛选"),
    page_of(
        "GET",
        "/work/tasks/next",
        next_task,
        "下一件",
        parameters=(text_parameter("after", "刚办的一件"),),
    ),
    page_of("GET", _ONE, filing_page, "一件填报", parameters=(DONE,)),
    page_of("GET", f"{_ONE}/check", check_page, "核对并提交"),
    page_of(
        "GET",
        f"{_ONE}/receipt",
        receipt_page,
        "提交回执",
        parameters=(Parameter("sent", "刚提交"),),
    ),
    page_of("POST", f"{_ONE}/begin", begin, "从已知的开始填"),
    page_of("POST", f"{_ONE}/act/{{act}}", act_on_filing, "办理", unhurried=True),
    page_of(
        "POST",
        f"{_ONE}/draft/workbook",
        put_workbook,
        "上传工作簿",
        unhurried=True,
        with_file=True,
    ),
    page_of("POST", f"{_ONE}/files", add_file, "添加附件", unhurried=True, with_file=True),
    page_of("POST", f"{_ONE}/files/{{file}}/remove", remove_file, "移除附件", unhurried=True),
    page_of(
        "GET",
        f"{_ONE}/parts/{{part}}",
        part_page,
        "一个部分",
        parameters=(Parameter("saved", "刚保存"), Parameter("remark", "给哪一项写批注")),
    ),
    page_of("POST", f"{_ONE}/parts/{{part}}", save_part, "保存一个部分", unhurried=True),
    page_of("POST", f"{_ONE}/parts/{{part}}/keep", keep_part, "自动保存", unhurried=True),
    page_of("POST", f"{_ONE}/parts/{{part}}/remark", remark, "写批注", unhurried=True),
]
