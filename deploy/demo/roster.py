"""A generated roster of institutions in the real shape: no institution in it is real.

Provinces by weight, counties by their real codes, certificate numbers and USCCs well-formed; the
names say 演示 and 生成. The shares of the special cases are made up. The same count, seed and
``as_of`` always give the same roster.
"""

import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Literal

import yaml

from domain import uscc as uscc_code
from domain.facts import CertificateFacts, InstitutionFacts
from domain.ids import NATION
from domain.jurisdictions import authority_of
from files.roster import RosterInstitution

MAX_COUNT = 100_000
AS_OF = date(2024, 12, 31)
"""Where nothing else is said, certificates are in force on this day."""

# Field of the certificate: its code, its weight (institutions in 2023; the last ones made up), and
# the industries likely to go with it.
_FIELDS: tuple[tuple[str, int, tuple[str, ...]], ...] = (
    ("05", 15_760, ("02", "07", "11")),
    ("12", 8_601, ("05",)),
    ("01", 8_241, ("06", "07", "08", "21")),
    ("02", 7_366, ("28", "06")),
    ("13", 3_532, ("08", "05")),
    ("00", 3_455, ("14", "17", "09")),
    ("08", 900, ("22", "21")),
    ("17", 700, ("25", "24", "32")),
    ("14", 600, ("23",)),
    ("09", 500, ("01",)),
)
_GROUPS = {
    "05": "group-environment",
    "06": "group-housing",
    "07": "group-transport",
    "08": "group-water",
    "21": "group-railway",
    "22": "group-machinery",
    "23": "group-chemicals",
    "24": "group-petroleum",
    "25": "group-power",
}
_OTHER_QUALIFICATIONS = ("建筑工程", "交通运输", "特种设备", "安全生产", "雷电防护", "水利", "海关")
_PUBLIC_INSTITUTION = 10_090 / 53_057

Kind = Literal["plain", "dual", "national", "other_only", "shared", "centre", "under_samr"]
# Made-up shares of the special cases; a roster of 40 or more holds each at least once.
_SHARES: dict[Kind, float] = {
    "dual": 0.06,
    "national": 0.03,
    "other_only": 0.02,
    "shared": 0.015,
    "centre": 0.015,
    "under_samr": 0.001,
}


@dataclass
class _Maker:
    """The state of one generation: randomness, serials, and who already owns a USCC."""

    random: random.Random
    as_of: date
    provinces: list[dict[str, Any]]
    serials: Counter[str] = field(default_factory=Counter)
    owners: dict[str, list[tuple[str, str]]] = field(default_factory=dict)


def generate_roster(count: int, seed: int, *, as_of: date = AS_OF) -> list[RosterInstitution]:
    """``count`` generated institutions. Raises ValueError outside 0 to `MAX_COUNT`."""
    if not 0 <= count <= MAX_COUNT:
        raise ValueError(f"数量应在 0 到 {MAX_COUNT} 之间")
    provinces = yaml.safe_load(Path(__file__).with_name("regions.yaml").read_text("utf-8"))
    rng = random.Random(seed)  # noqa: S311  (repeatable demo data, no secrets)
    maker = _Maker(rng, as_of, provinces)
    kinds = _kinds(count, rng)
    return [_institution(maker, index, kind) for index, kind in enumerate(kinds, start=1)]


def _kinds(count: int, rng: random.Random) -> list[Kind]:
    kinds: list[Kind] = []
    for kind, share in _SHARES.items():
        kinds += [kind] * (max(1, round(share * count)) if count >= 40 else 0)
    kinds += ["plain"] * (count - len(kinds))
    rng.shuffle(kinds)
    return kinds


def _institution(maker: _Maker, index: int, kind: Kind) -> RosterInstitution:
    rng = maker.random
    weights = [province["weight"] for province in maker.provinces]
    province = rng.choices(maker.provinces, weights)[0]
    if kind == "under_samr":
        province = next(p for p in maker.provinces if p["province"] == "110000")
    region = rng.choice(province["counties"])
    owners = maker.owners.setdefault(province["province"], [])
    # A grandfathered account of a body without legal personality uses its legal person's USCC.
    shares_code = kind == "shared" and bool(owners)
    uscc, region = rng.choice(owners) if shares_code else (_uscc(rng, index, region), region)
    if not shares_code:
        owners.append((uscc, region))
    accredited, group, certificates = _certificates(maker, kind, province)
    other = _OTHER_QUALIFICATIONS
    facts = InstitutionFacts(
        id=f"demo-{index:06d}",
        region=region,
        legal_person=not shares_code,
        under_samr=kind == "under_samr",
        accredited=accredited,
        review_group=group,
        other_qualifications=tuple(
            sorted(rng.sample(other, rng.randint(1, 2)), key=other.index)
            if kind == "other_only" or rng.random() < 0.05
            else ()
        ),
        national_centres=tuple(
            f"国家演示产品质量检验检测中心{index:04d}{letter}（生成）"
            for letter in ("甲乙"[: rng.randint(1, 2)] if kind == "centre" else "")
        ),
    )
    return RosterInstitution(
        institution=facts,
        name=f"{province['name']}演示检测机构{index:04d}（生成）",
        uscc=uscc,
        previous_reviewer=_previous_reviewer(rng, facts, certificates),
        certificates=certificates,
    )


def _certificates(
    maker: _Maker, kind: Kind, province: dict[str, Any]
) -> tuple[bool, str | None, tuple[CertificateFacts, ...]]:
    """Whether accredited, the review group, and the certificates, by the kind of institution."""
    rng = maker.random
    accredited = rng.random() < (0.15 if kind in ("plain", "shared") else 0.5)
    if kind == "other_only":
        return accredited, None, ()
    provincial = kind in ("plain", "dual", "shared", "centre")
    national = kind in ("dual", "national", "under_samr")
    found: list[CertificateFacts] = []
    industry = ""
    if provincial:
        cert, industry = _certificate(maker, province["authority"], province["province"])
        found.append(cert)
    if national:
        cert, industry = _certificate(maker, "00", None)
        if found and rng.random() < 0.1:
            # Equal scopes are the edge case of "widest scope": neither certificate is wider.
            cert = cert.model_copy(update={"scope": found[0].scope})
        found.append(cert)
    grouped = national and kind != "under_samr" and rng.random() < 0.5
    return accredited, _GROUPS.get(industry) if grouped else None, tuple(found)


def _certificate(
    maker: _Maker, authority: str, province: str | None
) -> tuple[CertificateFacts, str]:
    """A certificate in force at ``as_of`` with a well-formed number, and its industry."""
    rng = maker.random
    issued = maker.as_of - timedelta(days=rng.randint(1, 6 * 365 - 30))
    code, _, industries = rng.choices(_FIELDS, [weight for _, weight, _ in _FIELDS])[0]
    industry = rng.choice(industries)
    prefix = f"{issued.year % 100:02d}{authority}{code}{industry}"
    maker.serials[prefix] += 1
    if maker.serials[prefix] > 9999:
        raise ValueError(f"生成的证书流水号用尽：{prefix}；请减少数量")
    certificate = CertificateFacts(
        number=f"{prefix}{maker.serials[prefix]:04d}",
        level="national" if province is None else "provincial",
        issuer=authority_of(province or NATION),
        scope=min(9_999, max(1, round(rng.lognormvariate(4.6, 1.0)))),
        valid_to=_six_years_after(issued) - timedelta(days=1),
    )
    return certificate, industry


def _six_years_after(day: date) -> date:
    # 29 February has no counterpart six years later.
    return day.replace(year=day.year + 6, day=min(day.day, 28) if day.month == 2 else day.day)


def _previous_reviewer(
    rng: random.Random, facts: InstitutionFacts, certificates: tuple[CertificateFacts, ...]
) -> str | None:
    """Most institutions filed last year, with the issuer of one of their certificates."""
    if not certificates or rng.random() < 0.3:
        return None
    issuer = rng.choice(certificates).issuer
    return facts.review_group or issuer if issuer == authority_of(NATION) else issuer


def _uscc(rng: random.Random, index: int, region: str) -> str:
    """A well-formed USCC. Its organisation part begins with YY, which no real one does."""
    kind = "12" if rng.random() < _PUBLIC_INSTITUTION else "91"
    organisation = f"YY{index:06d}"
    first_17 = kind + region + organisation + _organisation_check(organisation)
    return first_17 + uscc_code.check_digit(first_17)


def _organisation_check(code: str) -> str:
    """The check character of an organisation code (GB 11714) over its first eight."""
    weights = (3, 7, 9, 10, 5, 8, 4, 2)
    total = sum(int(char, 36) * weight for char, weight in zip(code, weights, strict=True))
    check = (11 - total % 11) % 11
    return "X" if check == 10 else str(check)
