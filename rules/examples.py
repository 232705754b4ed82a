"""Worked examples: each one run, each difference said in a sentence."""

from datetime import date
from typing import Any

from pydantic import ValidationError

from domain.facts import Facts
from rules.compiled import CompiledRules
from rules.schema import Example, ExampleFacts


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
    "inside": "窗口内",
    "outside": "窗口外",
}


def _got(rules: CompiledRules, example: Example, expected: dict[str, Any]) -> dict[str, Any]:
    got: dict[str, Any] = {}
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
        }
    if example.at is not None:
        for key, holding in (("inside", True), ("outside", False)):
            asked = expected.get(key, ())
            _known_windows(rules, asked)
            got[key] = tuple(
                name for name in asked if rules.windows[name].holds(example.at) is holding
            )
    return got


def complete(facts: ExampleFacts, as_of: date) -> Facts:
    """An example's facts with what it left out: an account, numbers, validity up to ``as_of``."""
    return Facts.model_validate(
        {
            "institution": {"id": "example", **facts.institution},
            "certificates": [
                {
                    "number": f"example-{number}",
                    "level": one.level,
                    "issuer": one.issuer,
                    "scope": one.scope,
                    "valid_to": one.valid_to or as_of,
                }
                for number, one in enumerate(facts.certificates, 1)
            ],
            "choice": facts.choice,
            "previous_reviewer": facts.previous_reviewer,
        }
    )


def _known_windows(rules: CompiledRules, names: tuple[str, ...]) -> None:
    for name in names:
        if name not in rules.windows:
            raise ValueError(f"没有窗口 {name}；有：{'、'.join(rules.windows)}")


def _plainly(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False)[0]
        place = ".".join(str(step) for step in first["loc"])
        return f"facts 里的 {place} 不合要求（{first['msg']}）"
    return str(error)


def _shown(value: Any) -> str:
    if value is None:
        return "（没有）"
    if isinstance(value, tuple):
        return "、".join(value) or "（没有）"
    return str(value)
