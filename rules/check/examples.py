"""Worked examples: each one run, each difference said in a sentence."""

from datetime import date, datetime
from typing import Any

from pydantic import ValidationError

from domain.case.plan import FOREVER, Window
from domain.clock import day_of
from domain.facts import Facts, InstitutionFacts
from domain.numbers.quarters import Quarter
from rules.compiled import CompiledRules
from rules.file.schema import Example, ExampleFacts
from rules.file.validation import in_chinese
from rules.numbers.report_numbers import NumberRules


def shortcomings(rules: CompiledRules, example: Example) -> list[str]:
    """What the example expected and did not get; empty when it holds."""
    expected = example.expect.model_dump(exclude_unset=True)
    try:
        got = _got(rules, example, expected)
    except (ValidationError, ValueError) as error:
        return [_plainly(error)]
    return [
        f"{_LABELS[key]}应为 {_shown(value)}，实为 {_shown(got[key])}"
        for key, value in expected.items()
        if got[key] != value
    ]


_LABELS = {
    "reviewer": "审核部门",
    "rule": "适用的规则",
    "refusal": "拒绝代码",
    "chain": "审核层级",
    "obligation": "填报义务",
    "parts": "填报内容",
    "duties": "另有的义务",
    "checks": "质量审查由谁",
    "inside": "窗口内",
    "outside": "窗口外",
    "reminders": "填报的提醒时刻",
    "batch": "编号报送义务",
    "batch_inside": "编号窗口内",
    "batch_outside": "编号窗口外",
    "batch_chain": "编号审核层级",
    "reminded_at": "提醒时刻",
    "upload": "能否上传",
    "visible": "能否查到",
    "eligible": "是否提供查询",
    "complaint": "投诉由谁办理",
    "complaint_rule": "适用的投诉规则",
}
_NUMBERS = frozenset(_LABELS) - {
    "reviewer", "rule", "refusal", "chain", "obligation", "parts", "duties", "checks", "inside",
    "outside", "reminders",
}  # fmt: skip


def _got(rules: CompiledRules, example: Example, expected: dict[str, Any]) -> dict[str, Any]:
    got: dict[str, Any] = {
        "reminders": tuple(one.at for one in rules.reminders if one.at < FOREVER)
    }
    facts = None
    if example.facts is not None:
        facts = complete(example.facts, rules.document.filing.certificates.as_of)
        decision = rules.route(facts)
        got |= {
            "reviewer": decision.reviewer,
            "rule": decision.rule,
            "refusal": decision.refusal,
            "chain": decision.chain,
            "obligation": rules.obligation(facts).outcome,
            "parts": tuple(part.id for part in rules.parts(facts)),
            "duties": tuple(duty.id for duty in rules.duties_of(facts)),
        }
        if "checks" in expected:
            got["checks"] = _checkers(rules, facts)
    if example.at is not None:
        got |= _sides(rules.windows, example.at, expected, "inside", "outside")
    if expected.keys() & _NUMBERS:
        if rules.numbers is None:
            raise ValueError("规则没有 report_numbers 一节，报告编号的例子无从判断")
        got |= _got_of_numbers(rules.numbers, example, facts, expected)
    return got


def _checkers(rules: CompiledRules, facts: Facts) -> tuple[str, ...]:
    """Who checks the quality, level by level; nobody where it is not checked."""
    levels, check = rules.checks(facts), rules.document.filing.quality_check
    if levels is None or check is None:
        return ()
    return tuple(level.authority for level in levels) or (check.by,)


def _got_of_numbers(
    numbers: NumberRules, example: Example, facts: Facts | None, expected: dict[str, Any]
) -> dict[str, Any]:
    got: dict[str, Any] = {}
    at = example.at
    today = day_of(at) if at is not None else None
    if example.quarter is not None:
        quarter = Quarter.parse(example.quarter)
        if not numbers.governs(quarter):
            raise ValueError(f"规则不管 {quarter}；请写统计年度的季度")
        got["reminded_at"] = tuple(one.at for one in numbers.reminders(quarter))
        if at is not None:
            windows = numbers.windows(quarter)
            got |= _sides(windows, at, expected, "batch_inside", "batch_outside")
        if facts is not None:
            got["batch"] = numbers.obligation(facts, quarter).outcome
            got["batch_chain"] = tuple(one.authority for one in numbers.levels(facts, quarter))
        if at is not None and example.uploaded is not None:
            got["visible"] = at >= numbers.visible_from(example.uploaded)
    if today is not None:
        level = numbers.complaint(facts, today)
        got |= {"complaint": level.authority, "complaint_rule": level.id}
        if facts is not None:
            got["eligible"] = numbers.eligibility(facts, today).eligible
            if example.standing is not None:
                gate = numbers.gate(facts, example.standing, today)
                got["upload"] = "allowed" if gate.allowed else gate.code
    return got


def _sides(
    windows: dict[str, Window], at: datetime, expected: dict[str, Any], inside: str, outside: str
) -> dict[str, Any]:
    """Of the windows an example names, those that hold ``at`` and those that do not."""
    got = {}
    for key, holding in ((inside, True), (outside, False)):
        asked = expected.get(key, ())
        for name in asked:
            if name not in windows:
                raise ValueError(f"没有窗口 {name}；有：{'、'.join(windows)}")
        got[key] = tuple(name for name in asked if windows[name].holds(at) is holding)
    return got


def institution_faults(facts: ExampleFacts) -> list[tuple[str, str]]:
    """What is wrong with an example's institution: the key and a Chinese sentence."""
    try:
        InstitutionFacts.model_validate({"id": "example", **facts.institution})
    except ValidationError as error:
        return [(str(one["loc"][0]), in_chinese(one)) for one in error.errors(include_url=False)]
    return []


def complete(facts: ExampleFacts, as_of: date) -> Facts:
    """An example's facts with what it left out: an account, numbers, validity up to ``as_of``."""
    return Facts.model_validate(
        {
            "institution": {"id": "example", **facts.institution},
            "certificates": [
                {
                    "number": one.number or f"example-{number}",
                    "level": one.level,
                    "issuer": one.issuer,
                    "scope": one.scope,
                    "valid_from": one.valid_from,
                    "valid_to": one.valid_to or as_of,
                }
                for number, one in enumerate(facts.certificates, 1)
            ],
            "choice": facts.choice,
            "previous_reviewer": facts.previous_reviewer,
            "holder_kind": facts.holder_kind,
            "outcomes": facts.outcomes,
        }
    )


def _plainly(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False)[0]
        place = ".".join(str(step) for step in first["loc"])
        return f"facts 里的 {place} 不合要求：{in_chinese(first)}"
    return str(error)


def _shown(value: Any) -> str:
    if value is None:
        return "（没有）"
    if isinstance(value, bool):
        return "是" if value else "否"
    if isinstance(value, tuple):
        return "、".join(str(one) for one in value) or "（没有）"
    return str(value)
