"""What is known beside the filled-in form: the register, last year's values, other parts, peers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from domain.facts import CertificateFacts
from domain.model import Value


class Register(Value):
    """What the register says of the institution."""

    name: str
    uscc: str = ""
    region: str = ""
    legal_person: bool = True
    accredited: bool = False
    national_centres: tuple[str, ...] = ()
    certificates: tuple[CertificateFacts, ...] = ()


class PeerRange(Value):
    """What is usual in a group: how many there are, their median, and from where to where."""

    group: str
    count: int
    median: Decimal
    low: Decimal
    high: Decimal


@dataclass(frozen=True)
class Context:
    """Known beside the values of one part. What is None or missing is unknown, and not asked about.

    ``last_year`` are this part's values of the year before, derived ones included; ``parts`` those
    of the other parts by part, ``peers`` the ranges by field and group (see `peers.groups`), each
    as the form's own types have them (Decimal for decimals). ``today`` is the Beijing day.
    """

    year: int | None = None
    today: date | None = None
    register: Register | None = None
    last_year: Mapping[str, Any] | None = None
    parts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    peers: Mapping[tuple[str, str], PeerRange] = field(default_factory=dict)


NOTHING_KNOWN = Context()
