"""A check waived for one filing: what the lab's form asks, what the authority's form answers."""

import re
from collections.abc import Mapping
from typing import Any

from api.workbench.acts import REASON, Act, Input
from domain.refusals import Code

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


def _answer(number: int, word: str) -> Act:
    """The act that answers one request to waive a check."""
    act = _ANSWERS[word]
    return act._replace(
        name=f"waiver-{number}-{word}",
        label=f"{act.label}（第 {number} 号）",
        path=f"waivers/{number}/{act.path}",
    )


def answering_act(name: str) -> Act | None:
    """The act of that name where it answers a request to waive a check."""
    answers = _ANSWER.fullmatch(name)
    return _answer(int(answers[1]), answers[2]) if answers is not None else None


def asking_act(revision: int) -> Act:
    """The act that asks to waive a check of one revision."""
    return _WAIVER._replace(fixed={"revision": revision})


def asking_forms(draft: Mapping[str, Any], code: str) -> list[Act]:
    """A form to have checks waived that keep a draft back, those asked for already left out.

    ``code`` is that of a refusal; where the rules leave a choice of who decides, it says so.
    """
    waiting = {
        waiver["finding"] for waiver in draft["standing"]["waivers"] if waiver["state"] == "asked"
    }
    options = tuple(
        (finding["sha256"], f"第 {finding['number']} 处：{finding['message']}")
        for finding in draft["report"]["findings"]
        if finding["sha256"] and finding["waiver"] is None and finding["sha256"] not in waiting
    )
    if not options:
        return []
    which, why, who = _WAIVER.inputs
    chooses = (who,) if code == Code.CHOICE_NEEDED else ()
    return [_WAIVER._replace(inputs=(which._replace(options=options), why, *chooses))]


def answering_forms(draft: Mapping[str, Any], authority: str) -> list[Act]:
    """The forms that answer the requests waiting for an authority. Pure."""
    waiting = [
        waiver["number"]
        for waiver in draft["standing"]["waivers"]
        if waiver["state"] == "asked" and waiver["authority"] == authority
    ]
    return [_answer(number, word) for number in waiting for word in _ANSWERS]
