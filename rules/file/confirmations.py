"""Which acts another person has to confirm: `confirmations.yaml` of a rules folder.

A folder without one goes by the shipped file: leaving it out takes no guard away.
"""

from functools import lru_cache
from pathlib import Path

from pydantic import Field

from domain.case.commands import Role
from domain.confirmations import CONFIRMED_ACT_LABELS, ConfirmedAct
from domain.model import Value
from rules.file.catalogue import SHIPPED
from rules.file.findings import Finding, RulesInvalid
from rules.file.strict_yaml import Node, load
from rules.file.validation import validate

CONFIRMATIONS = "confirmations.yaml"


class ActTerms(Value):
    """Whether an act needs a second person, from how many cases on, and who that may be."""

    required: bool
    least: int = Field(default=1, ge=1, le=1_000_000, alias="from")
    roles: tuple[str, ...] = Field(min_length=1)
    why: str = Field(min_length=1, max_length=200)


class Confirmations(Value):
    """The terms of all acts; a proposed one waits for ``hours``."""

    hours: int = Field(ge=1, le=24 * 31)
    acts: dict[str, ActTerms]

    def needed(self, act: ConfirmedAct, number: int) -> ActTerms | None:
        """The terms of an act about so many cases; None where one person does it."""
        terms = self.acts[act.value]
        return terms if terms.required and number >= terms.least else None


_CONFIRMING = frozenset({Role.OPERATOR.value, Role.CLERK.value, Role.REVIEWER.value})
"""Who may confirm anything: whoever does such acts. Others see none of them."""


def load_confirmations(root: Path) -> Confirmations:
    """The terms of a rules folder. Raises RulesInvalid."""
    file = root / CONFIRMATIONS
    return _read((file if file.exists() else SHIPPED / CONFIRMATIONS).read_bytes())


@lru_cache(maxsize=8)
def _read(content: bytes) -> Confirmations:
    """The terms that a file's bytes say: asked for with each delivery, read once."""
    node = load(content, CONFIRMATIONS)
    terms = validate(Confirmations, node)
    broken = [*_missing(terms, node), *_unfit(terms, node)]
    if broken:
        raise RulesInvalid(broken)
    return terms


def _missing(terms: Confirmations, node: Node) -> list[Finding]:
    place = node.place_of(("acts",))
    absent = [act for act in ConfirmedAct if act.value not in terms.acts]
    return [
        Finding("missing_key", *place, "acts", f"缺少 {act.value}（{CONFIRMED_ACT_LABELS[act]}）")
        for act in absent
    ]


def _unfit(terms: Confirmations, node: Node) -> list[Finding]:
    findings = []
    known = {act.value for act in ConfirmedAct}
    for name, one in terms.acts.items():
        place = node.place_of(("acts", name))
        if name not in known:
            message = f"没有这一事项；可写 {'、'.join(sorted(known))}"
            findings.append(Finding("unknown_key", *place, f"acts.{name}", message))
        if wrong := sorted(set(one.roles) - _CONFIRMING):
            message = f"{'、'.join(wrong)} 不能确认；可写 {'、'.join(sorted(_CONFIRMING))}"
            findings.append(Finding("unknown_value", *place, f"acts.{name}.roles", message))
    return findings
