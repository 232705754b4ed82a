"""The parts an application is made of: put together here, handed to it once.

Tests hand in others.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.requests import Request
from temporalio.client import Client

from api.door.draining import Draining
from api.door.identity import Identity
from audit.service import AuditService
from rules.file.catalogue import put_in_use
from services.announcements import AnnouncementService
from services.authority_figures import AuthorityFigureService
from services.campaigns.amending import AmendmentService
from services.campaigns.closing import ClosingService
from services.campaigns.duties import DutyService
from services.campaigns.opening import CampaignService
from services.campaigns.progress import ProgressService
from services.campaigns.published_figures import PublishedFiguresService
from services.campaigns.report import ReportService
from services.campaigns.sampling import SampleService
from services.case_records import CaseRecords
from services.cases import CaseService
from services.certificates.applications import CertificateService
from services.certificates.enquiries import CertificateEnquiries
from services.certificates.imports import CertificateImportService
from services.certificates.keys import SigningKeys
from services.certificates.papers import PaperService
from services.certificates.printing import Printer
from services.certificates.register import RegisterService
from services.certificates.search import CertificateSearch
from services.checkpoints import Sealing
from services.clock import Clock, system_clock
from services.complaints import ComplaintService
from services.confirmations import ConfirmationService
from services.connected.clients import ClientService
from services.connected.deliveries import DeliveryService
from services.connected.provinces import ProvinceService
from services.contacts import ContactService
from services.contents import ContentService
from services.enforcement.cases import EnforcementService
from services.enforcement.register import EnforcementRegister
from services.extensions import ExtensionService
from services.filing_files import FilingFileService
from services.filing_receipts import ReceiptService
from services.filings import FilingService
from services.institution_acts import InstitutionActService
from services.institutions import InstitutionService
from services.jobs import JobService
from services.keys import hide_with
from services.legal_persons import LegalPersonService
from services.linked_institutions import LinkedInstitutions
from services.memberships import MembershipService
from services.notices.outbox import OutboxService
from services.notices.records import NoticeRecords
from services.notices.telling import Telling
from services.notices.webhooks import Webhooks
from services.numbers.batches import BatchService
from services.numbers.lookup import LookupService, latest_rules
from services.own_record import OwnRecord
from services.people import PeopleService
from services.programs import ProgramService
from services.provider import Client as ProviderClient
from services.provider import Provider
from services.provider_sign_in import ProviderSignIn
from services.publishing import PublicationService
from services.rate_limits import Limiter, RateLimits
from services.reads import Reads
from services.registrations import RegistrationService
from services.requests import RequestRecords
from services.retention import RetentionService
from services.review import ReviewService
from services.roster import RosterService, known_regions
from services.rule_sets import PinnedCertificateRules, PinnedRules
from services.saved_views import SavedViewService
from services.scanner import Scanner
from services.schedule import ScheduleService
from services.sign_in import SignInService, Terms
from services.throttle import Throttle
from services.together import Together
from services.tokens import TokenService
from settings import Settings


@dataclass(frozen=True)
class Parts:
    """Everything handlers call. None of them knows HTTP."""

    draining: Draining
    paces: Limiter
    records: CaseRecords
    auditing: AuditService
    reads: Reads
    requests: RequestRecords
    institutions: InstitutionService
    contacts: ContactService
    registrations: RegistrationService
    announcements: AnnouncementService
    acts: InstitutionActService
    identity: Identity
    clock: Clock
    rules: Path
    pinned: PinnedRules
    filings: FilingService
    legal_persons: LegalPersonService
    linked: LinkedInstitutions
    authority_figures: AuthorityFigureService
    filing_files: FilingFileService
    scanner: Scanner
    contents: ContentService
    receipts: ReceiptService
    batches: BatchService
    complaints: ComplaintService
    enforcement: EnforcementService
    measures: EnforcementRegister
    certificates: CertificateService
    imports: CertificateImportService
    register: RegisterService
    clients: ClientService
    deliveries: DeliveryService
    provinces: ProvinceService
    keys: SigningKeys
    printer: Printer
    papers: PaperService
    publications: PublicationService
    amendments: AmendmentService
    campaigns: CampaignService
    jobs: JobService
    extensions: ExtensionService
    people: PeopleService
    memberships: MembershipService
    sign_in: SignInService
    provider: ProviderSignIn
    tokens: TokenService
    programs: ProgramService
    own_record: OwnRecord
    longest_token: timedelta
    progress: ProgressService
    samples: SampleService
    closing: ClosingService
    published_figures: PublishedFiguresService
    reports: ReportService
    duties: DutyService
    roster: RosterService
    review: ReviewService
    lookups: LookupService
    enquiries: CertificateEnquiries
    search: CertificateSearch
    notices: NoticeRecords
    telling: Telling
    outbox: OutboxService
    schedule: ScheduleService
    confirmations: ConfirmationService
    retention: RetentionService
    saved_views: SavedViewService
    authority_name: Callable[[str], str]
    area_name: Callable[[str], str]
    whole_area_name: Callable[[str], str]
    areas_named: Callable[[str], list[str]]
    provinces_named: Callable[[], list[str]]
    demo: bool = False
    engine_pages: str = ""


def build_parts(
    settings: Settings,
    client: Client,
    engine: AsyncEngine,
    clock: Clock = system_clock,
    public: AsyncEngine | None = None,
) -> Parts:
    """All parts of the API over one engine client and one database.

    ``public`` are the connections of what anybody asks (`store.database.connect_public`); without
    them it is asked on everybody's.
    """
    public = public if public is not None else engine
    hide_with(settings.keyring)
    catalogue = put_in_use(settings.rules)
    pinned = PinnedRules(engine)
    certificates = CertificateService(
        client, engine, settings.rules, PinnedCertificateRules(engine), clock
    )
    keys = SigningKeys(settings.certificate_keys)
    jobs = JobService(client, engine, clock)
    progress = ProgressService(engine, pinned, catalogue, clock)
    duties = DutyService(engine, progress, pinned, catalogue, settings.rules, clock)
    campaigns = CampaignService(client, engine, pinned, settings.rules, clock)
    limits = RateLimits(settings.lookups_per_client, settings.lookups_per_prefix)
    memberships = MembershipService(engine, settings.keyring, jobs, clock)
    sign_in = sign_in_service(settings, engine, clock)
    together = Together(engine, settings.keyring, clock)
    return Parts(
        draining=Draining(),
        paces=Limiter(
            RateLimits(settings.requests_per_person, settings.requests_per_authority),
            together,
            "requests",
        ),
        records=CaseRecords(engine),
        auditing=AuditService(client, engine, settings, clock),
        reads=Reads(engine, clock),
        requests=RequestRecords(engine),
        institutions=InstitutionService(engine),
        contacts=ContactService(engine, clock),
        registrations=RegistrationService(engine, catalogue, clock),
        announcements=AnnouncementService(engine, clock),
        acts=InstitutionActService(engine, jobs, clock),
        identity=Identity(settings.keyring, settings.longest_token),
        clock=clock,
        rules=settings.rules,
        pinned=pinned,
        filings=FilingService(client, engine, pinned, clock),
        authority_figures=AuthorityFigureService(engine, pinned, clock),
        legal_persons=LegalPersonService(engine, campaigns, jobs, clock),
        linked=LinkedInstitutions(engine, clock),
        filing_files=FilingFileService(client, engine, clock),
        scanner=Scanner(settings.scanner),
        contents=ContentService(engine, pinned, clock),
        receipts=ReceiptService(engine, pinned, settings.receipt_keys, clock),
        batches=BatchService(client, engine, pinned, clock),
        complaints=ComplaintService(
            client,
            engine,
            settings.rules,
            clock,
            settings.keyring,
            settings.complaints_per_client,
            together,
        ),
        enforcement=EnforcementService(
            client, engine, pinned, settings.rules, clock, settings.templates
        ),
        measures=EnforcementRegister(engine, clock),
        certificates=certificates,
        keys=keys,
        imports=CertificateImportService(
            client, engine, certificates, known_regions(catalogue, clock), clock
        ),
        register=RegisterService(engine, settings.rules, clock),
        clients=ClientService(engine, clock, settings.tokens_per_client, together),
        deliveries=DeliveryService(
            engine,
            certificates,
            known_regions(catalogue, clock),
            settings.public_site,
            clock,
            settings.deliveries_per_client,
            together,
        ),
        provinces=ProvinceService(engine, certificates, clock),
        printer=Printer(settings.templates),
        papers=PaperService(engine, settings.public_site, catalogue.authority_name, clock),
        publications=PublicationService(engine, settings.rules, clock),
        amendments=AmendmentService(engine, pinned, jobs, clock),
        campaigns=campaigns,
        jobs=jobs,
        people=PeopleService(engine, jobs, clock),
        memberships=memberships,
        sign_in=sign_in,
        provider=provider_sign_in(settings, engine, memberships, clock, sign_in),
        tokens=TokenService(engine, memberships, clock),
        programs=ProgramService(
            engine, memberships, settings.keyring, settings.tokens_per_client, clock
        ),
        own_record=OwnRecord(engine),
        longest_token=settings.longest_token,
        extensions=ExtensionService(engine, jobs, CaseService(client, engine, clock), clock),
        progress=progress,
        reports=ReportService(engine, progress, pinned, catalogue, duties),
        duties=duties,
        samples=SampleService(client, engine, pinned, clock),
        closing=ClosingService(
            engine,
            pinned,
            catalogue.areas,
            Sealing(engine, settings.audit_keys, settings.checkpoints, clock),
            clock,
        ),
        published_figures=PublishedFiguresService(engine, pinned, catalogue.areas),
        roster=RosterService(engine, known_regions(catalogue, clock), clock),
        review=ReviewService(engine, campaigns, catalogue, clock),
        lookups=LookupService(public, latest_rules(settings.rules), clock, limits),
        enquiries=CertificateEnquiries(
            public, certificates.rules, keys.published, catalogue.authority_name, clock, limits
        ),
        search=CertificateSearch(engine),
        notices=NoticeRecords(engine, clock),
        telling=Telling(engine, pinned, clock),
        schedule=ScheduleService(engine, pinned, clock),
        confirmations=ConfirmationService(engine, settings.rules, clock),
        retention=RetentionService(engine, settings.rules, clock),
        outbox=OutboxService(
            engine,
            Webhooks(settings.keyring, settings.webhook_hosts.split(",")),
            clock,
        ),
        saved_views=SavedViewService(engine, clock),
        authority_name=catalogue.authority_name,
        area_name=catalogue.area_name,
        whole_area_name=catalogue.whole_area_name,
        areas_named=catalogue.areas_named,
        provinces_named=catalogue.provinces_named,
        demo=settings.demo,
        engine_pages=settings.engine_pages,
    )


def sign_in_service(settings: Settings, engine: AsyncEngine, clock: Clock) -> SignInService:
    """Signing in with local accounts, as it is set."""
    idle = timedelta(minutes=settings.sign_in_idle_minutes)
    terms = Terms(settings.sign_ins, idle, settings.second_factors)
    return SignInService(engine, settings.keyring, terms, demo=settings.demo, clock=clock)


def provider_sign_in(
    settings: Settings,
    engine: AsyncEngine,
    memberships: MembershipService,
    clock: Clock,
    sign_in: SignInService | None = None,
) -> ProviderSignIn:
    """Signing in by the provider that is set, if any is."""
    provider = None
    if settings.oidc_issuer:
        client = ProviderClient(
            settings.oidc_issuer,
            settings.oidc_client,
            settings.oidc_secret.get_secret_value(),
            settings.oidc_name,
            settings.oidc_second,
        )
        provider = Provider(client, lambda: int(clock().timestamp()))
    sign_in = sign_in or sign_in_service(settings, engine, clock)
    throttle = Throttle(engine, settings.keyring, settings.sign_ins, clock)
    return ProviderSignIn(
        engine, provider, sign_in, memberships, throttle, settings.public_site, clock
    )


def parts_of(request: Request) -> Parts:
    """The parts of the application a request came to."""
    found = request.app.parts
    assert isinstance(found, Parts)
    return found
