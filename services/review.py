"""The register gone through before a year begins (摸清底数): who files, who is missing, who twice.

Reads only. It says what an operator has to look at, and decides nothing: two accounts of one code
may both be right.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from enum import StrEnum
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from domain.clock import day_of
from domain.jurisdictions import InForce
from domain.model import Value
from domain.numbers.quarters import Period
from domain.text import same_name
from rules.file.catalogue import Catalogue
from services.campaigns.considering import Outcome, consider
from services.campaigns.opening import CampaignService
from services.clock import Clock
from store import institutions, legal_persons, roster_imports
from store.institutions import Alike, Institution

_PAGE = 2_000


class Doubt(StrEnum):
    """What is to be looked at about an institution of the register."""

    CERTIFICATE_WITHOUT_ROSTER = "certificate_without_roster"
    ROSTER_WITHOUT_CERTIFICATE = "roster_without_certificate"
    LEFT_OUT = "left_out"
    SEVERAL_ACCOUNTS = "several_accounts"
    DUPLICATE_USCC = "duplicate_uscc"
    DUPLICATE_NAME = "duplicate_name"
    WITHOUT_USCC = "without_uscc"
    REGION_ABOLISHED = "region_abolished"
    UNCOMPUTABLE = "uncomputable"


DOUBT_LABELS: dict[Doubt, str] = {
    Doubt.CERTIFICATE_WITHOUT_ROSTER: "有有效证书，名录没有列入",
    Doubt.ROSTER_WITHOUT_CERTIFICATE: "名录列入，没有有效证书",
    Doubt.LEFT_OUT: "登记在册，名录没有列入，也没有有效证书",
    Doubt.SEVERAL_ACCOUNTS: "同一信用代码有几个账号",
    Doubt.DUPLICATE_USCC: "疑似重复：信用代码和名称都相同",
    Doubt.DUPLICATE_NAME: "疑似重复：名称相同，信用代码不同或没有",
    Doubt.WITHOUT_USCC: "没有信用代码",
    Doubt.REGION_ABOLISHED: "监管区域已撤销，应改为现在的区域",
    Doubt.UNCOMPUTABLE: "规则的条件对它算不出结果，没有建立填报",
}
OBLIGATION_LABELS: dict[Outcome, str] = {
    "must": "应填报",
    "may": "可填报",
    "outside": "不在范围",
    "without_rules": "没有规则",
    "uncomputable": "算不出",
}


class Finding(Value):
    """Something to be looked at about one institution.

    ``others`` are the accounts it shares a code or a name with, ``elsewhere`` how many more of
    them lie in other regions.
    """

    kind: Doubt
    label: str
    institution: str
    name: str
    uscc: str
    region: str
    obligation: Outcome
    others: tuple[str, ...] = ()
    elsewhere: int = 0


class RegionFigures(Value):
    """How many institutions of a region must and may file, and how many findings there are."""

    region: str
    name: str
    institutions: int = 0
    must: int = 0
    may: int = 0
    outside: int = 0
    without_rules: int = 0
    uncomputable: int = 0
    findings: dict[Doubt, int]


class Review(Value):
    """The register of a jurisdiction as it is at ``as_of``, under the rules of a period.

    ``since``: rosters from that instant on counted; None where for every region it was the last
    roster that somebody responsible for it had imported.
    """

    period: str
    jurisdiction: str
    as_of: datetime
    since: datetime | None
    regions: tuple[RegionFigures, ...]
    total: RegionFigures
    findings: tuple[Finding, ...]


class _Known(NamedTuple):
    institution: Institution
    obligation: Outcome
    named: bool | None


class ReviewService:
    """Goes through the register."""

    def __init__(
        self, engine: AsyncEngine, campaigns: CampaignService, catalogue: Catalogue, clock: Clock
    ) -> None:
        self._engine = engine
        self._campaigns = campaigns
        self._catalogue = catalogue
        self._clock = clock

    async def review(
        self, period: Period, jurisdiction: str, since: datetime | None = None
    ) -> Review:
        """The register of a jurisdiction under the rules that a campaign would pin now.

        Without rules of its own it goes by those above it. Raises Refused when nobody has any.
        """
        governed, rule_sets = await self._campaigns.rules_over(period, jurisdiction)
        now = self._clock()
        known: dict[str, _Known] = {}
        async with self._engine.connect() as connection:
            rosters = await roster_imports.newest_by_scope(connection)
            after = ""
            while page := await institutions.page(connection, after, _PAGE, jurisdiction):
                after = page[-1].facts.id
                ids = [one.facts.id for one in page]
                named_at = await institutions.named_by_rosters(connection, ids)
                with_others = await legal_persons.filing_with_others(connection, period, ids)
                for one in page:
                    id_, region = one.facts.id, one.facts.region
                    outcome, *_ = consider(
                        rule_sets, governed, one.facts_for(None), period, id_ in with_others
                    )
                    last = since or self._last_roster(rosters, region)
                    at = named_at.get(id_)
                    named = None if last is None else at is not None and at >= last
                    known[id_] = _Known(one, outcome, named)
            alike = await _alike(connection, jurisdiction)
        findings = _findings(known, alike, day_of(now), self._catalogue.jurisdictions.in_force)
        regions = _figures(known.values(), findings, self._catalogue.areas)
        return Review(
            period=str(period),
            jurisdiction=jurisdiction,
            as_of=now,
            since=since,
            regions=tuple(regions),
            total=_total(jurisdiction, self._catalogue.areas.get(jurisdiction, ""), regions),
            findings=tuple(findings),
        )

    def _last_roster(self, rosters: Mapping[str, datetime], region: str) -> datetime | None:
        """When somebody whose jurisdiction a region lies in last imported a roster."""
        places = self._catalogue.tree.upwards(region)
        return max((rosters[place] for place in places if place in rosters), default=None)


async def _alike(connection: AsyncConnection, within: str) -> dict[str, list[Alike]]:
    return {
        "uscc": await institutions.alike(connection, "uscc", within),
        "name": await institutions.alike(connection, "name", within),
    }


def _findings(
    known: Mapping[str, _Known],
    alike: Mapping[str, Sequence[Alike]],
    today: date,
    in_force: Callable[[str], InForce],
) -> list[Finding]:
    """Everything to be looked at, institution by institution. Pure."""
    findings: list[Finding] = []

    def add(kind: Doubt, id_: str, others: tuple[str, ...] = (), elsewhere: int = 0) -> None:
        one = known[id_]
        findings.append(
            Finding(
                kind=kind,
                label=DOUBT_LABELS[kind],
                institution=id_,
                name=one.institution.name,
                uscc=one.institution.uscc,
                region=one.institution.facts.region,
                obligation=one.obligation,
                others=others,
                elsewhere=elsewhere,
            )
        )

    for id_, one in known.items():
        certified = any(
            (certificate.valid_from or today) <= today <= certificate.valid_to
            for certificate in one.institution.certificates
        )
        if one.named is False:
            add(Doubt.CERTIFICATE_WITHOUT_ROSTER if certified else Doubt.LEFT_OUT, id_)
        elif one.named and not certified:
            add(Doubt.ROSTER_WITHOUT_CERTIFICATE, id_)
        if not one.institution.uscc:
            add(Doubt.WITHOUT_USCC, id_)
        if not in_force(one.institution.facts.region).on(today):
            add(Doubt.REGION_ABOLISHED, id_)
        if one.obligation == "uncomputable":
            add(Doubt.UNCOMPUTABLE, id_)
    for group in alike["uscc"]:
        for id_ in group.ids:
            if id_ in known:
                others = tuple(other for other in group.ids if other != id_)
                named_alike = tuple(
                    other
                    for other in others
                    if other in known
                    and same_name(known[other].institution.name, known[id_].institution.name)
                )
                add(Doubt.SEVERAL_ACCOUNTS, id_, others, group.elsewhere)
                if named_alike:
                    add(Doubt.DUPLICATE_USCC, id_, named_alike)
    for group in alike["name"]:
        for id_ in group.ids:
            if id_ in known:
                code = known[id_].institution.uscc
                others = tuple(
                    other
                    for other in group.ids
                    if other != id_
                    and other in known
                    and not (code and known[other].institution.uscc == code)
                )
                if others or group.elsewhere:
                    add(Doubt.DUPLICATE_NAME, id_, others, group.elsewhere)
    order = list(Doubt)
    return sorted(findings, key=lambda f: (f.region, f.institution, order.index(f.kind)))


def _figures(
    known: Iterable[_Known], findings: Sequence[Finding], names: Mapping[str, str]
) -> list[RegionFigures]:
    counted: dict[str, Counter[str]] = {}
    for one in known:
        place = counted.setdefault(one.institution.facts.region, Counter())
        place["institutions"] += 1
        place[one.obligation] += 1
    doubts = Counter((finding.region, finding.kind) for finding in findings)
    return [
        RegionFigures(
            region=region,
            name=names.get(region, region),
            **counts,
            findings={kind: doubts[region, kind] for kind in Doubt},
        )
        for region, counts in sorted(counted.items())
    ]


def _total(jurisdiction: str, name: str, regions: Sequence[RegionFigures]) -> RegionFigures:
    counts = ("institutions", *OBLIGATION_LABELS)
    return RegionFigures(
        region=jurisdiction,
        name=name or jurisdiction,
        **{count: sum(getattr(region, count) for region in regions) for count in counts},
        findings={kind: sum(region.findings[kind] for region in regions) for kind in Doubt},
    )


# --- as tables ------------------------------------------------------------------------------------

FINDING_COLUMNS = (
    "问题", "机构", "名称", "信用代码", "区域", "义务", "同者", "其他辖区的同者",
)  # fmt: skip


def finding_rows(review: Review) -> list[list[str | int]]:
    """The findings as the rows of a table."""
    return [
        [
            finding.label,
            finding.institution,
            finding.name,
            finding.uscc,
            finding.region,
            OBLIGATION_LABELS[finding.obligation],
            "、".join(finding.others),
            finding.elsewhere,
        ]
        for finding in review.findings
    ]


REGION_COLUMNS = ("代码", "名称", "机构", *OBLIGATION_LABELS.values(), *DOUBT_LABELS.values())


def region_rows(review: Review) -> list[list[str | int]]:
    """The figures of the regions, with their total, as the rows of a table."""
    return [
        [
            one.region,
            one.name,
            one.institutions,
            *(int(getattr(one, name)) for name in OBLIGATION_LABELS),
            *(one.findings[kind] for kind in Doubt),
        ]
        for one in (*review.regions, review.total)
    ]
