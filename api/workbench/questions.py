"""What a lab and its reviewer say to each other about a filing: questions, waivers of checks."""

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from api.door.asking import ask
from api.door.operations import Call
from api.door.requests import path, query
from api.filings.questions import QuestionNumber
from api.filings.standing import WaiverNumber
from api.workbench.acts import (
    REASON,
    Act,
    ActShown,
    Failed,
    Input,
    Options,
    acts_shown,
    done_of,
    perform,
    summary_of,
)
from api.workbench.filings import filing_of
from api.workbench.pages import DONE, if_shown, page_of, said_at_once
from domain.case.commands import Role
from domain.filing.state import QuestionState, WaiverState

_ASK = Act("ask", "提问", "已提问", (Input("text", "问什么", "text"),), path="questions")
_ANSWER = Act("answer", "答复", "已答复", (Input("text", "答复", "text"),))
_CLOSE = Act("close", "了结", "已了结", (Input("note", "说明", required=False),))
_REOPEN = Act("reopen", "重新提问", "已重新提问", (REASON,))
_GRANT = Act("grant", "同意免除", "已同意", (REASON,), "这一件的这一处核对不再拦截提交。")
_DECLINE = Act("decline", "不予免除", "已不予免除", (REASON,))
_QUESTION_ACTS, _WAIVER_ACTS = (_ANSWER, _CLOSE, _REOPEN), (_GRANT, _DECLINE)


def _ask_waiver(findings: Options, revision: int) -> Act:
    return Act(
        "waiver",
        "请求免除一处核对",
        "已请求，由审核部门决定",
        (
            Input("finding", "哪一处", "choice", options=findings),
            Input("reason", "理由", "text", "数据确实如此的，写明为什么。"),
            Input(
                "choice",
                "审核部门",
                hint="按规则可以选择审核部门的填部门编号，如 amr-350000。",
                required=False,
            ),
        ),
        path="waivers",
        fixed={"revision": revision},
    )


def question_acts(state: str, role: Role) -> list[Act]:
    """What can be done about a question. Pure."""
    if role not in (Role.FILER, Role.REVIEWER):
        return []
    if state == QuestionState.CLOSED:
        return [_REOPEN]
    return [*((_ANSWER,) if role is Role.REVIEWER else ()), _CLOSE]


def _asking(draft: Mapping[str, Any] | None, role: Role) -> list[Act]:
    """What a filer can ask: a question, and for checks that block to be waived. Pure."""
    if role is not Role.FILER:
        return []
    findings = draft["report"]["findings"] if draft and draft["revision"] else []
    blocking = tuple(
        (one["sha256"], one["message"])
        for one in findings
        if one["level"] == "block" and one["check"] and one["sha256"]
    )
    waiver = [_ask_waiver(blocking, draft["revision"])] if blocking and draft else []
    return [_ASK, *waiver]


async def talk_page(call: Call, failed: Failed | None = None) -> Response:
    """The questions and waivers of one filing, each with what can be done about it."""
    api, here = filing_of(call)
    role, given = call.actor.role, call.request.path_params
    filing = (await ask(call, "GET", api)).body
    draft = await if_shown(call, f"{api}/draft") if role is Role.FILER else None
    waivers = await if_shown(call, f"{api}/waivers")
    questions = []
    for one in (await ask(call, "GET", f"{api}/questions")).body["items"]:
        mine = failed if given.get("question") == str(one["number"]) else None
        acts = question_acts(one["state"], role)
        questions.append((one, acts_shown(acts, mine, f"q{one['number']}")))
    asked = []
    for one in waivers["items"] if waivers else []:
        mine = failed if given.get("waiver") == str(one["number"]) else None
        decides = role is Role.REVIEWER and one["state"] == WaiverState.ASKED
        acts = list(_WAIVER_ACTS) if decides else []
        asked.append((one, acts_shown(acts, mine, f"w{one['number']}")))
    elsewhere = "question" in given or "waiver" in given
    forms = acts_shown(_asking(draft, role), None if elsewhere else failed)
    everything: list[ActShown] = [*forms]
    for _, shown in [*questions, *asked]:
        everything += shown
    all_acts = (_ASK, *_QUESTION_ACTS, *_WAIVER_ACTS, _ask_waiver((), 0))
    values = {
        "filing": filing,
        "questions": questions,
        "waivers": asked,
        "here": here,
        "hidden": {"revision": draft["revision"]} if draft else {},
        "done": done_of(all_acts, query(call.request, "done", str, "")),
        "forms": forms,
        **summary_of(everything, failed),
    }
    return said_at_once(call, "questions.html", values, failed.told if failed else None)


async def ask_about(call: Call) -> Response:
    """Asks a question, or for a check to be waived."""
    api, here = filing_of(call)
    revision = call.body.text("revision")
    seen = int(revision) if revision.isdecimal() and revision.isascii() and len(revision) < 9 else 0
    finding = call.body.text("finding")
    acts = (_ASK, _ask_waiver(((finding, finding),), seen))
    return await perform(call, acts, api, f"{here}/questions", talk_page)


async def act_on_question(call: Call) -> Response:
    """Answers, settles or reopens a question."""
    api, here = filing_of(call)
    number: int = path(call.request, "question", QuestionNumber)
    where = f"{api}/questions/{number}"
    return await perform(call, _QUESTION_ACTS, where, f"{here}/questions", talk_page)


async def act_on_waiver(call: Call) -> Response:
    """Grants or declines a waiver."""
    api, here = filing_of(call)
    number: int = path(call.request, "waiver", WaiverNumber)
    where = f"{api}/waivers/{number}"
    return await perform(call, _WAIVER_ACTS, where, f"{here}/questions", talk_page)


_ONE = "/work/filings/{year}/{institution}/questions"

PAGES = [
    page_of("GET", _ONE, talk_page, "提问和免除核对", parameters=(DONE,)),
    page_of("POST", f"{_ONE}/act/{{act}}", ask_about, "提问", unhurried=True),
    page_of(
        "POST", f"{_ONE}/{{question}}/act/{{act}}", act_on_question, "答复提问", unhurried=True
    ),
    page_of(
        "POST",
        "/work/filings/{year}/{institution}/waivers/{waiver}/act/{act}",
        act_on_waiver,
        "决定免除核对",
        unhurried=True,
    ),
]
