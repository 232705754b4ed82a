"""Which filings are checked when not all are: a draw that anybody can make again. Pure.

Every filing of a draw has a ticket, the SHA-256 of the seed, a bar and the filing's id; those with
the lowest tickets of their stratum are drawn. Whoever has the seed, the list of the filings and
the rule comes to the same sample with nothing but a hash function (see docs/campaigns.md).
"""

import hashlib
from collections import defaultdict
from collections.abc import Mapping
from decimal import ROUND_CEILING, Decimal
from typing import Annotated, Literal

from pydantic import Field

from domain.citation import Citation
from domain.model import Recorded

Strata = Literal["all", "province", "city", "county", "authority"]
Share = Annotated[Decimal, Field(gt=0, le=1, max_digits=6)]


class Sampling(Recorded):
    """How the rules have the sample drawn: a share of each stratum, rounded up, or a number.

    ``at_least`` of each stratum are drawn, all of a smaller one. ``strata``: by where the
    institutions lie, gathered to a level, by the authority that reviewed first, or all together.
    """

    share: Share | None = None
    count: int | None = None
    at_least: int = 0
    strata: Strata = "all"
    cite: Citation


def commitment(seed: str) -> str:
    """What is published of a seed before anything is drawn by it."""
    return hashlib.sha256(seed.encode()).hexdigest()


def ticket(seed: str, case_id: str) -> str:
    """What a filing is drawn by, in lowercase hexadecimal digits."""
    return hashlib.sha256(f"{seed}|{case_id}".encode()).hexdigest()


def size(rule: Sampling, number: int) -> int:
    """How many of a stratum of ``number`` filings are drawn."""
    wanted = rule.count or 0
    if rule.share is not None:
        wanted = int((rule.share * number).to_integral_value(ROUND_CEILING))
    return min(number, max(wanted, rule.at_least))


def draw(rule: Sampling, seed: str, strata: Mapping[str, str]) -> list[str]:
    """The ids that are drawn, in order; ``strata`` maps the ids of all to their strata."""
    together: dict[str, list[str]] = defaultdict(list)
    for case_id, stratum in strata.items():
        together[stratum].append(case_id)
    return sorted(
        case_id
        for many in together.values()
        for case_id in sorted(many, key=lambda one: ticket(seed, one))[: size(rule, len(many))]
    )
