"""What is usual among institutions alike: robust ranges by kind and field.

The counts and amounts of institutions are very skewed, so the spread is taken of their logarithms:
the median, and the median of the distances from it (MAD). Ranges only point at figures to be
looked at; no figure is computed from them.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from statistics import median
from typing import Any

from rules.filing.forms.context import PeerRange
from rules.filing.forms.model import Form, Peers
from rules.filing.forms.structure import figures, needed

_NORMAL = 1.4826
"""The spread of a normal distribution in terms of its MAD."""


def groups(form: Form, values: Mapping[str, Any]) -> Iterator[str]:
    """The groups an institution belongs to: its kind with each of its fields."""
    if form.peer_groups is None:
        return
    kind = values.get(form.peer_groups.kind)
    for field in values.get(form.peer_groups.field) or ():
        if kind:
            yield f"{kind}·{field}"


def compared(form: Form) -> dict[str, Peers]:
    """The fields that a form compares among peers, and how."""
    return {check.peers.field: check.peers for check in form.checks if check.peers is not None}


def names_compared(form: Form) -> frozenset[str]:
    """What of a filled-in form the comparison needs; empty where nothing is compared."""
    groups_, fields = form.peer_groups, compared(form)
    if groups_ is None or not fields:
        return frozenset()
    return needed(form, [*fields, groups_.kind, groups_.field])


def ranges(form: Form, contents: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str], PeerRange]:
    """What is usual, by field and group, among contents that have been accepted.

    One that cannot be read is passed over: a range only points at what is to be looked at.
    """
    wanted, names = compared(form), names_compared(form)
    found: dict[tuple[str, str], list[Any]] = defaultdict(list)
    for content in contents:
        try:
            values = figures(form, content, names)
            own = list(groups(form, values))
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
            continue
        for field in wanted:
            value = values.get(field)
            if value is not None and value >= 0:
                for group in own:
                    found[field, group].append(value)
    return {
        (field, group): usual(group, values_, wanted[field])
        for (field, group), values_ in found.items()
        if len(values_) >= wanted[field].least
    }


def usual(group: str, values: list[Any], peers: Peers) -> PeerRange:
    """The range of one group's values: MAD around the median, and never narrower than a factor."""
    middle = median(values)
    logs = [math.log1p(value) for value in values]
    centre = median(logs)
    spread = _NORMAL * median([abs(one - centre) for one in logs])
    low, high = math.expm1(centre - peers.score * spread), math.expm1(centre + peers.score * spread)
    middle = Decimal(middle)
    if middle == 0:
        # most have none: nothing can be said of those that have some
        high = max(high, float(max(values)))
    return PeerRange(
        group=group,
        count=len(values),
        median=middle.quantize(Decimal("0.01")),
        low=min(_written(max(low, 0.0)), (middle / peers.factor).quantize(Decimal("0.01"))),
        high=max(_written(high), (middle * peers.factor).quantize(Decimal("0.01"))),
    )


def _written(bound: float) -> Decimal:
    return Decimal(min(bound, 1e15)).quantize(Decimal("0.01"))
