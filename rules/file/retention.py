"""How long what is known of somebody is kept: `retention.yaml` of a rules folder.

A folder without one goes by the shipped file.
"""

from pathlib import Path

from pydantic import Field

from domain.citation import Citation
from domain.model import Value
from domain.retention import KEPT_LABELS, Kept, Term
from rules.file.catalogue import SHIPPED
from rules.file.findings import Finding, RulesInvalid
from rules.file.strict_yaml import load
from rules.file.validation import validate

RETENTION = "retention.yaml"


class _Cite(Value):
    document: str = Field(min_length=1)
    clause: str = ""
    quote: str = ""
    assumption: str = ""


class _Term(Value):
    years: int = Field(ge=1, le=100)
    cite: _Cite


class _Terms(Value):
    kinds: dict[str, _Term]


def load_retention(root: Path) -> dict[Kept, Term]:
    """The terms of a rules folder. Raises RulesInvalid."""
    file = root / RETENTION
    node = load((file if file.exists() else SHIPPED / RETENTION).read_bytes(), RETENTION)
    given = validate(_Terms, node).kinds
    place = node.place_of(("kinds",))
    broken = [
        Finding("missing_key", *place, "kinds", f"缺少 {kept.value}（{KEPT_LABELS[kept]}）")
        for kept in Kept
        if kept.value not in given
    ]
    known = "、".join(kept.value for kept in Kept)
    broken += [
        Finding(
            "unknown_key",
            *node.place_of(("kinds", name)),
            f"kinds.{name}",
            f"没有这一类；可写 {known}",
        )
        for name in given.keys() - {kept.value for kept in Kept}
    ]
    if broken:
        raise RulesInvalid(broken)
    return {
        kept: Term(
            years=given[kept.value].years,
            cite=Citation(**given[kept.value].cite.model_dump()),
        )
        for kept in Kept
    }
