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
from rules.file.schema import Source
from rules.file.shapes import Cite
from rules.file.strict_yaml import Node, load
from rules.file.validation import validate

RETENTION = "retention.yaml"


class _Term(Value):
    years: int = Field(ge=1, le=100)
    cite: Cite


class Terms(Value):
    """The terms of all kinds, and the texts that they quote."""

    sources: dict[str, Source] = Field(default_factory=dict)
    kinds: dict[str, _Term]


def load_retention(root: Path) -> dict[Kept, Term]:
    """The terms of a rules folder. Raises RulesInvalid."""
    terms, _ = read_retention(root)
    return {
        kept: Term(years=term.years, cite=_citation(terms, term.cite))
        for kept in Kept
        for term in [terms.kinds[kept.value]]
    }


def read_retention(root: Path) -> tuple[Terms, Node]:
    """The terms of a rules folder as they are written. Raises RulesInvalid."""
    file = root / RETENTION
    node = load((file if file.exists() else SHIPPED / RETENTION).read_bytes(), RETENTION)
    terms = validate(Terms, node)
    given = terms.kinds
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
    return terms, node


def _citation(terms: Terms, cite: Cite) -> Citation:
    source = terms.sources.get(cite.source or "")
    return Citation(
        document=source.document if source is not None else "",
        clause=cite.clause,
        quote=cite.quote,
        assumption=cite.assume,
    )
