"""What a rule file may say about what follows: the section ``enforcement``."""

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, StrictBool, StrictInt, model_validator

from domain.enforcement.consequences import About, EffectName, EndName, MeasureKind, StepName
from domain.model import Value
from rules.file.shapes import Cite, Expression, Id, Text, unique

TermName = Literal["statement", "decision", "service", "correction", "lasts", "objection"]
STEPS: tuple[StepName, ...] = (
    "prior_notice", "decision", "service", "in_force", "publication", "refer",
)  # fmt: skip
"""All steps in the only order they can have."""
NEEDS_TERM: dict[str, TermName] = {
    "prior_notice": "statement",
    "decision": "decision",
    "service": "service",
    "in_force": "objection",
}
"""The terms that steps cannot do without."""
TERM_OF: dict[TermName, StepName] = {
    "statement": "prior_notice",
    "decision": "decision",
    "service": "service",
    "correction": "in_force",
    "lasts": "in_force",
    "objection": "in_force",
}


class LawRule(Value):
    """A statute or regulation: its name, the article, what it says in short."""

    document: Text
    clause: Text
    says: Text


class TermRule(Value):
    """So many days from an event; the event's own day is not counted.

    ``rolls``: a last day in calendar days that is no working day moves to the next one.
    """

    days: Annotated[StrictInt, Field(ge=1, le=1100)]
    unit: Literal["days", "working_days"]
    rolls: StrictBool = False
    law: LawRule | None = None
    cite: Cite | None = None

    @model_validator(mode="after")
    def _founded(self) -> Self:
        if self.law is None and self.cite is None:
            raise ValueError("期限要写出处：law（法律条文）或 cite（通知，或 assume 和理由）")
        if self.rolls and self.unit == "working_days":
            raise ValueError("工作日期限的最后一日本来就是工作日；请去掉 rolls")
        return self


class EndRule(Value):
    """One way in which a measure ends."""

    by: EndName
    cite: Cite


class EffectRule(Value):
    """What a measure in force brings about elsewhere."""

    id: EffectName
    cite: Cite


class MeasureRule(Value):
    """One measure the notice names; officials choose, nothing follows by itself.

    ``proposes`` and ``decides`` yield authorities. ``open_wording``: the notice leaves open what is
    done, and the officer writes it. ``says`` is what the institution is told, ``cure`` what it can
    do about it.
    """

    id: Id
    label: Text
    kind: MeasureKind
    open_wording: StrictBool = False
    when: Expression
    why_not: Text
    proposes: Expression
    decides: Expression
    laws: tuple[LawRule, ...] = ()
    steps: Annotated[tuple[StepName, ...], Field(min_length=1)]
    terms: dict[TermName, TermRule] = Field(default_factory=dict)
    ends: tuple[EndRule, ...] = ()
    effects: Annotated[tuple[EffectRule, ...], AfterValidator(unique)] = ()
    says: Text
    cure: Text
    authority_cite: Cite
    cite: Cite


class TriggerRule(Value):
    """When measures may be proposed; where ``spent`` holds, not those that a cure would end."""

    id: Id
    label: Text
    about: About
    when: Expression
    why_not: Text
    spent: Expression | None = None
    measures: Annotated[tuple[Id, ...], Field(min_length=1)]
    cite: Cite


class Enforcement(Value):
    """The section: triggers, and the measures they may lead to."""

    triggers: Annotated[tuple[TriggerRule, ...], Field(min_length=1), AfterValidator(unique)]
    measures: Annotated[tuple[MeasureRule, ...], Field(min_length=1), AfterValidator(unique)]


def contradictions(section: Enforcement) -> list[tuple[str, tuple[str | int, ...], str]]:
    """What does not hold together: code, path below ``enforcement``, message."""
    found: list[tuple[str, tuple[str | int, ...], str]] = []
    known = [one.id for one in section.measures]
    for index, trigger in enumerate(section.triggers):
        for place, name in enumerate(trigger.measures):
            if name not in known:
                message = f"没有措施 {name}；measures 里有：{'、'.join(known)}"
                found.append(("unknown_measure", ("triggers", index, "measures", place), message))
    named = {name for trigger in section.triggers for name in trigger.measures}
    for index, measure in enumerate(section.measures):
        path: tuple[str | int, ...] = ("measures", index)
        if measure.id not in named:
            message = f"措施 {measure.id} 没有任何 triggers 引出，永远不会提出；请引用它或删去"
            found.append(("unreachable_measure", path, message))
        found += [(code, (*path, *where), text) for code, where, text in _of_measure(measure)]
    return found


def _of_measure(one: MeasureRule) -> list[tuple[str, tuple[str | int, ...], str]]:
    found: list[tuple[str, tuple[str | int, ...], str]] = []

    def wrong(code: str, *where_and_text: Any) -> None:
        *where, text = where_and_text
        found.append((code, tuple(where), text))

    steps = one.steps
    if [step for step in STEPS if step in steps] != list(steps) or len(set(steps)) < len(steps):
        wrong("step_order", "steps", f"steps 只能按这个次序、每步一次：{'、'.join(STEPS)}")
    if "decision" not in steps:
        wrong("step_missing", "steps", "每项措施都要有 decision（由有权的人决定）")
    if one.kind == "penalty":
        if not one.laws:
            wrong(
                "penalty_without_law",
                "laws",
                "行政处罚要在 laws 写明所依据的法律：通知不能设定行政处罚（行政处罚法第十六条）；"
                "没有法律依据的，改为 kind: management",
            )
        for step in ("prior_notice", "service"):
            if step not in steps:
                wrong(
                    "step_missing",
                    "steps",
                    f"行政处罚不能没有 {step}（行政处罚法第四十四条、六十一条）",
                )
        if "publication" in steps or "in_force" in steps:
            wrong(
                "penalty_published",
                "steps",
                "这里的行政处罚只有警告，仅受到警告的不予公示（总局令第45号第二条），"
                "也没有持续的效力；请去掉 publication 和 in_force",
            )
    if (one.kind == "referral") != ("refer" in steps):
        wrong("step_missing", "steps", "refer（移交）用于 kind: referral，并且只用于它")
    if one.kind == "referral" and {"in_force", "publication"} & set(steps):
        wrong("step_order", "steps", "移送之后由受移送机关办理，没有 in_force 和 publication")
    if "publication" in steps and "in_force" not in steps:
        wrong("step_missing", "steps", "publication 只在措施有效期间公示，要先有 in_force")
    if "in_force" in steps and "service" not in steps:
        wrong("step_missing", "steps", "没有送达（service）的决定不生效（in_force）")
    for step, term in NEEDS_TERM.items():
        if step in steps and term not in one.terms:
            wrong("missing_key", "terms", f"有 {step} 就要写期限 {term}")
    for name in one.terms:
        if TERM_OF[name] not in steps:
            wrong("unknown_value", "terms", name, f"期限 {name} 属于 {TERM_OF[name]}，steps 里没有")
    ends = [end.by for end in one.ends]
    if len(set(ends)) < len(ends):
        wrong("invalid_value", "ends", "ends 里同一种终止写了两次")
    if ("expired" in ends) != ("lasts" in one.terms):
        wrong("missing_key", "ends", "terms 的 lasts 和 ends 的 expired（期满终止）要一起写")
    if "in_force" in steps and not ends:
        wrong("missing_key", "ends", "有效期间的措施要在 ends 写明怎样终止")
    if "in_force" not in steps and (ends or one.effects):
        wrong("unknown_value", "ends", "没有 in_force 的措施没有存续期间，不写 ends 和 effects")
    return found
