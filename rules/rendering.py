"""Decisions and resolved sets, written out for people and for programs. Pure."""

from collections.abc import Iterator
from typing import Any

from domain.decision import Obligation, ReviewerDecision
from domain.enforcement.consequences import KIND_LABELS, Consequences
from domain.messages import closing_time
from rules.compiled import CompiledRules

OBLIGATIONS = {"must": "必须填报", "may": "可以填报", "none": "不在统计范围"}


def decision_json(
    rules: CompiledRules, decision: ReviewerDecision, obligation: Obligation
) -> dict[str, Any]:
    """The decision as `zhibao rules route --json` prints it."""
    check = rules.document.filing.quality_check
    return {
        "reviewer": decision.reviewer,
        "reviewer_name": rules.authority_name(decision.reviewer) if decision.reviewer else None,
        "rule": decision.rule,
        "because": decision.because,
        "refusal": decision.refusal,
        "obligation": obligation.model_dump(),
        "chain": list(decision.chain),
        "levels": [
            {**level.model_dump(), "authority_name": rules.authority_name(level.authority)}
            for level in decision.levels
        ],
        "cite": decision.cite.model_dump() if decision.cite is not None else None,
        "quality_check": {
            "by": check.by,
            "cite": rules.document.citation(check.cite).model_dump(),
        }
        if check is not None
        else None,
        "ruleset": decision.ruleset.model_dump(),
        "candidates": [candidate.model_dump() for candidate in decision.candidates],
        "inputs_sha256": decision.inputs_sha256,
    }


def decision_lines(
    rules: CompiledRules, decision: ReviewerDecision, obligation: Obligation
) -> Iterator[str]:
    """The decision as people read it."""
    because = f"，依据 {obligation.cite}" if obligation.cite is not None else ""
    rule = obligation.rule or "没有规则适用"
    yield f"填报义务：{OBLIGATIONS[obligation.outcome]}（{rule}{because}）"
    if decision.reviewer is not None:
        yield f"审核部门：{rules.authority_name(decision.reviewer)}（{decision.reviewer}）"
        for number, level in enumerate(decision.levels, 1):
            name = rules.authority_name(level.authority)
            yield f"  第 {number} 级 {level.label}：{name}（{level.authority}）"
    else:
        yield f"没有审核部门（{decision.refusal}）"
    yield f"理由：{decision.because}"
    yield f"依据：{decision.cite if decision.cite is not None else '（没有）'}"
    ref = decision.ruleset
    yield f"规则集：{ref.id} 第 {ref.revision} 版 {ref.sha256}"
    verdicts = {"chosen": "采用", "eliminated": "不采用", "not_reached": "未轮到"}
    yield "各条规则："
    for one in decision.candidates:
        yield f"  [{verdicts[one.verdict]}] {one.rule}：{one.because}"


def consequences_lines(found: Consequences) -> Iterator[str]:
    """What would be proposed, as people read it."""
    if not found.proposals:
        yield "不提出任何措施"
    for one in found.proposals:
        yield f"可以提出：{one.label}（{one.measure}，{KIND_LABELS[one.kind]}）"
        yield f"  情形：{'、'.join(one.grounds)}；依据：{one.cite}"
    yield f"理由：{found.because}"
    yield f"期限：到 {closing_time(found.due)} 为止"
    ref = found.ruleset
    yield f"规则集：{ref.id} 第 {ref.revision} 版 {ref.sha256}"
    verdicts = {"proposed": "可以提出", "eliminated": "不提出"}
    for candidate in found.candidates:
        measure = f" {candidate.measure}" if candidate.measure else ""
        yield f"  [{verdicts[candidate.verdict]}] {candidate.rule}{measure}：{candidate.because}"
