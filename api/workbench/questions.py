"""What a lab asks its reviewer about a filing, and what it is answered."""

from typing import Any

from starlette.responses import Response

from api.door.asking import ask
from api.door.operations import Call
from api.door.requests import path, query
from api.filings.questions import QuestionNumber
from api.workbench.acts import (
    REASON,
    Act,
    ActShown,
    Failed,
    Input,
    acts_shown,
    done_of,
    perform,
    summary_of,
)
from api.workbench.filings import filing_of
from api.workbench.pages import DONE, page_of, said_at_once
from domain.case.commands import Role
from domain.filing.state import QuestionState

_ASK = Act("ask", "提问", "已提问", (Input("text", "问什么", "text"),), path="questions")
_ANSWER = Act("answer", "答复", "已答复", (Input("text", "答复", "text"),))
_CLOSE = Act("close", "了结", "已了结", (Input("note", "说明", required=False),))
_REOPEN = Act("reopen", "重新提问", "已重新提问", (REASON,))
_ACTS = (_ANSWER, _CLOSE, _REOPEN)


def question_acts(state: str, role: Role) -> list[Act]:
    """What can be done about a question. Pure."""
    if role not in (Role.FILER, Role.REVIEWER):
        return []
    if state == QuestionState.CLOSED:
        return [_REOPEN]
    return [*((_ANSWER,) if role is Role.REVIEWER else ()), _CLOSE]


async def questions_page(call: Call, failed: Failed | None = None) -> Response:
    """The questions of one filing, each with what can be done about it."""
    api, here = filing_of(call)
    role, about = call.actor.role, call.request.path_params.get("question", "")
    questions: list[tuple[dict[str, Any], list[ActShown]]] = []
    for one in (await ask(call, "GET", f"{api}/questions")).body["items"]:
        mine = failed if about == str(one["number"]) else None
        acts = question_acts(one["state"], role)
        questions.append((one, acts_shown(acts, mine, f"q{one['number']}")))
    forms = acts_shown([_ASK] if role is Role.FILER else [], None if about else failed)
    everything = [*forms, *(form for _, shown in questions for form in shown)]
    values = {
        "filing": (await ask(call, "GET", api)).body,
        "questions": questions,
        "here": here,
        "done": done_of((_ASK, *_ACTS), query(call.request, "done", str, "")),
        "forms": forms,
        **summary_of(everything, failed),
    }
    return said_at_once(call, "questions.html", values, failed.told if failed else None)


async def ask_question(call: Call) -> Response:
    """Asks a question."""
    api, here = filing_of(call)
    return await perform(call, (_ASK,), api, f"{here}/questions", questions_page)


async def act_on_question(call: Call) -> Response:
    """Answers, settles or reopens a question."""
    api, here = filing_of(call)
    number: int = path(call.request, "question", QuestionNumber)
    where = f"{api}/questions/{number}"
    return await perform(call, _ACTS, where, f"{here}/questions", questions_page)


_ONE = "/work/filings/{year}/{institution}/questions"

PAGES = [
    page_of("GET", _ONE, questions_page, "提问和答复", parameters=(DONE,)),
    page_of("POST", f"{_ONE}/act/{{act}}", ask_question, "提问", unhurried=True),
    page_of(
        "POST", f"{_ONE}/{{question}}/act/{{act}}", act_on_question, "答复提问", unhurried=True
    ),
]
