"""The parts an application is made of, handed to it once; tests hand in others."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.requests import Request

from activities.rule_sets import PinnedRules
from activities.signing_keys import SigningKeys
from api.identity import Identity
from gateways.api_clients import ClientGateway
from gateways.campaigns import CampaignGateway
from gateways.certificate_enquiries import CertificateEnquiries
from gateways.certificate_imports import CertificateImportGateway
from gateways.certificate_register import RegisterGateway
from gateways.certificates import CertificateGateway
from gateways.clock import Clock
from gateways.complaints import ComplaintGateway
from gateways.deliveries import DeliveryGateway
from gateways.filings import FilingGateway
from gateways.lookup import LookupGateway
from gateways.papers import Printer
from gateways.provinces import ProvinceGateway
from gateways.report_batches import BatchGateway
from gateways.roster import RosterGateway


@dataclass(frozen=True)
class Parts:
    """Everything handlers call. None of them knows HTTP."""

    engine: AsyncEngine
    identity: Identity
    clock: Clock
    rules: Path
    pinned: PinnedRules
    filings: FilingGateway
    batches: BatchGateway
    complaints: ComplaintGateway
    certificates: CertificateGateway
    imports: CertificateImportGateway
    register: RegisterGateway
    clients: ClientGateway
    deliveries: DeliveryGateway
    provinces: ProvinceGateway
    keys: SigningKeys
    site: str
    papers: Printer
    campaigns: CampaignGateway
    roster: RosterGateway
    lookups: LookupGateway
    enquiries: CertificateEnquiries
    authority_name: Callable[[str], str]


def parts_of(request: Request) -> Parts:
    """The parts of the application a request came to."""
    found = request.app.parts
    assert isinstance(found, Parts)
    return found
