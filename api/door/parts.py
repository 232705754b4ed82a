"""The parts an application is made of, handed to it once; tests hand in others."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.requests import Request

from api.door.identity import Identity
from services.campaigns import CampaignService
from services.certificates.applications import CertificateService
from services.certificates.enquiries import CertificateEnquiries
from services.certificates.imports import CertificateImportService
from services.certificates.keys import SigningKeys
from services.certificates.printing import Printer
from services.certificates.register import RegisterService
from services.clock import Clock
from services.complaints import ComplaintService
from services.connected.clients import ClientService
from services.connected.deliveries import DeliveryService
from services.connected.provinces import ProvinceService
from services.filings import FilingService
from services.numbers.batches import BatchService
from services.numbers.lookup import LookupService
from services.roster import RosterService
from services.rule_sets import PinnedRules


@dataclass(frozen=True)
class Parts:
    """Everything handlers call. None of them knows HTTP."""

    engine: AsyncEngine
    identity: Identity
    clock: Clock
    rules: Path
    pinned: PinnedRules
    filings: FilingService
    batches: BatchService
    complaints: ComplaintService
    certificates: CertificateService
    imports: CertificateImportService
    register: RegisterService
    clients: ClientService
    deliveries: DeliveryService
    provinces: ProvinceService
    keys: SigningKeys
    site: str
    papers: Printer
    campaigns: CampaignService
    roster: RosterService
    lookups: LookupService
    enquiries: CertificateEnquiries
    authority_name: Callable[[str], str]


def parts_of(request: Request) -> Parts:
    """The parts of the application a request came to."""
    found = request.app.parts
    assert isinstance(found, Parts)
    return found
