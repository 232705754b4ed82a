"""A filing as a list of tasks: each section of its forms, and what is left to do there. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from api.workbench.blanks import Blank, Group, groups

_NOT_BEGUN, _DONE = "还没有填写", "已填好"


class Step(NamedTuple):
    """A section in one copy of its form; ``left``: whether it keeps the filing back."""

    title: str
    state: str
    left: bool


def steps_of(form: Mapping[str, Any], draft: Mapping[str, Any]) -> list[Step]:
    """The sections of a form in the order of its page.

    ``form`` and ``draft`` are as the API shows a filing's forms and its draft.
    """
    part = form["part"]
    values = draft["parts"].get(part, {})
    derived = draft["derived"].get(part) or {}
    return [
        _step(group, _of_group(group, _findings(part, draft)))
        for group in groups(form["content"], form["copies"], values, derived, {})
    ]


def part_state(part: str, draft: Mapping[str, Any]) -> str:
    """What is left to do in a part, in a few words."""
    if part not in draft["parts"]:
        return _NOT_BEGUN
    return _left(_findings(part, draft)) or _DONE


def _findings(part: str, draft: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    own = f"/parts/{part}/"
    return [one for one in draft["report"]["findings"] if one["pointer"].startswith(own)]


def _of_group(group: Group, findings: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    names = {blank.name for blank in group.blanks} | {group.name}
    return [
        one
        for one in findings
        if (place := one["pointer"].split("/", 3)[3]) in names or place.startswith(f"{group.name}/")
    ]


def _step(group: Group, findings: Sequence[Mapping[str, Any]]) -> Step:
    title = f"{group.copy}：{group.section['title']}" if group.copy else group.section["title"]
    blanks = [*group.blanks, *(blank for row in group.rows or () for blank in row)]
    keeps_back = any(one["level"] == "block" and not one["waiver"] for one in findings)
    if not any(map(_filled, blanks)):
        return Step(title, _NOT_BEGUN if keeps_back else "没有填写，可以不填", keeps_back)
    return Step(title, _left(findings) or _DONE, keeps_back)


def _filled(blank: Blank) -> bool:
    return bool(blank.text or blank.chosen)


def _left(findings: Sequence[Mapping[str, Any]]) -> str:
    """What findings leave to do: missing answers, mistakes, what was filled in beforehand and not
    looked at, warnings without a reason.
    """
    blocks = [one for one in findings if one["level"] == "block" and not one["waiver"]]
    missing = sum(one["code"] == "required" for one in blocks)
    unseen = sum(one["code"] == "unconfirmed" for one in blocks)
    mistakes = len(blocks) - missing - unseen
    warnings = sum(one["level"] == "warn" and not one["reason"] for one in findings)
    told = (
        (missing, f"还差 {missing} 项"),
        (mistakes, f"{mistakes} 处须改正"),
        (unseen, f"{unseen} 处预填的请核对"),
        (warnings, f"{warnings} 处提醒，请说明理由"),
    )
    return "，".join(words for number, words in told if number)
