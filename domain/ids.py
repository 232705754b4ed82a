"""Identifiers: how cases, authorities, institutions and jurisdictions are named."""

from typing import Annotated

from pydantic import StringConstraints

from domain.numbers.quarters import Period
from domain.text import AllDigits, Unmarked

NATION = "000000"

AuthorityId = Annotated[
    str, StringConstraints(pattern=r"^(samr|cnas|caiq|group-[a-z0-9-]{1,40}|amr-[0-9]{6})$")
]
InstitutionId = Annotated[
    str, StringConstraints(pattern=r"^[0-9A-Za-z][0-9A-Za-z._-]{0,63}$"), AllDigits
]
CertificateNumber = Annotated[
    str, StringConstraints(max_length=64, pattern=r"^[\x21-\x7e]*$"), Unmarked, AllDigits
]
"""The number of a certificate as it stands on paper, "" for none."""
JurisdictionCode = Annotated[str, StringConstraints(pattern=r"^[0-9]{6}$")]
CommandId = Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{1,200}$")]


def filing_id(year: int, institution: str) -> str:
    """The id of an annual filing: ``filing/2024/<institution>``; also its workflow's id."""
    return f"filing/{year}/{institution}"


def batch_id(quarter: str, institution: str) -> str:
    """The id of a quarter's batch of report numbers: ``report-numbers/2024Q3/<institution>``."""
    return f"report-numbers/{quarter}/{institution}"


def complaint_id(number: str) -> str:
    """The id of a complaint's case: ``complaint/<number>``; it is not the secret receipt."""
    return f"complaint/{number}"


def enforcement_id(case_id: str, number: int) -> str:
    """The id of a case of enforcement: ``enforcement/<case>/<n>``, the n-th about a case."""
    return f"enforcement/{case_id}/{number}"


def campaign_id(period: Period | int, jurisdiction: str) -> str:
    """The id of a campaign: ``campaign/2024/000000``, or of a quarter's ``campaign/2024Q3/…``."""
    return f"campaign/{period}/{jurisdiction}"


def authority_of(jurisdiction: str) -> str:
    """The market regulator of a jurisdiction: ``amr-350000``; the nation's is ``samr``."""
    return "samr" if jurisdiction == NATION else f"amr-{jurisdiction}"


def jurisdiction_of(authority: str) -> str:
    """The jurisdiction of a market regulator: ``350000`` of ``amr-350000``; else the nation."""
    return authority.removeprefix("amr-") if authority.startswith("amr-") else NATION


def speaks_for(jurisdiction: str, authority: str) -> bool:
    """Whether an operator's jurisdiction is that of an authority, or has it within."""
    area = jurisdiction_of(authority)
    within = area != NATION and area.startswith(region_prefix(jurisdiction))
    return jurisdiction == NATION or within


def regulates(authority: str) -> bool:
    """Whether an authority is the market regulator of a jurisdiction."""
    return authority == "samr" or authority.startswith("amr-")


def certificate_id(application: str) -> str:
    """The id of a certificate's case: ``certificate/<application>``."""
    return f"certificate/{application}"


def region_prefix(jurisdiction: str) -> str:
    """What the codes of all areas in a jurisdiction begin with; empty for the nation."""
    for length in (0, 2, 4):
        if jurisdiction.endswith("0" * (6 - length)):
            return jurisdiction[:length]
    return jurisdiction
