"""All tables, by subject. One `MetaData`; comments in Chinese, since operators read them."""

from store.tables.announcements import (
    announcement_files,
    announcement_versions,
    announcements,
)
from store.tables.audit import checkpoints, histories, seal_log, seals
from store.tables.base import metadata
from store.tables.complaint import complaints
from store.tables.confirmations import proposed_acts
from store.tables.connected import (
    api_client_secrets,
    api_clients,
    certificate_deliveries,
    province_plans,
)
from store.tables.data_keys import data_keys
from store.tables.enforcement import (
    enforcement_attachments,
    enforcement_cases,
    enforcement_documents,
)
from store.tables.extensions import amendments, extensions
from store.tables.filing_files import filing_files
from store.tables.filings import filing_receipts
from store.tables.imports import (
    certificate_import_problems,
    certificate_import_rows,
    certificate_imports,
)
from store.tables.institutions import contacts, institution_acts, registration_requests
from store.tables.jobs import job_items, job_lists, jobs
from store.tables.notices import addresses, notice_deliveries, notices
from store.tables.numbers import (
    lookup_counts,
    number_changes,
    report_numbers,
    upload_pieces,
    upload_problems,
    uploads,
)
from store.tables.own_figures import authority_figures, legal_person_findings
from store.tables.people import (
    account_links,
    accounts,
    deputies,
    identities,
    known_browsers,
    memberships,
    program_secrets,
    provider_sign_ins,
    revocations,
    saved_views,
    sessions,
    sign_in_uses,
    tokens,
    tries,
)
from store.tables.record import (
    assignments,
    cases,
    journal,
    notes,
    outbox,
    refusal_counts,
    refusal_heads,
    refusals,
    requests,
    revisions,
    signed_starts,
)
from store.tables.register import (
    certificate_counts,
    certificate_lines,
    certificate_numbers,
    certificate_serials,
    certificates,
    institutions,
    roster_imports,
)
from store.tables.rules import (
    campaign_summaries,
    campaigns,
    publications,
    rule_sets,
    sample_draws,
    sampled_cases,
)

__all__ = [
    "account_links",
    "accounts",
    "addresses",
    "amendments",
    "announcement_files",
    "announcement_versions",
    "announcements",
    "api_client_secrets",
    "api_clients",
    "assignments",
    "authority_figures",
    "campaign_summaries",
    "campaigns",
    "cases",
    "certificate_counts",
    "certificate_deliveries",
    "certificate_import_problems",
    "certificate_import_rows",
    "certificate_imports",
    "certificate_lines",
    "certificate_numbers",
    "certificate_serials",
    "certificates",
    "checkpoints",
    "complaints",
    "contacts",
    "data_keys",
    "deputies",
    "enforcement_attachments",
    "enforcement_cases",
    "enforcement_documents",
    "extensions",
    "filing_files",
    "filing_receipts",
    "histories",
    "identities",
    "institution_acts",
    "institutions",
    "job_items",
    "job_lists",
    "jobs",
    "journal",
    "known_browsers",
    "legal_person_findings",
    "lookup_counts",
    "memberships",
    "metadata",
    "notes",
    "notice_deliveries",
    "notices",
    "number_changes",
    "outbox",
    "program_secrets",
    "proposed_acts",
    "provider_sign_ins",
    "province_plans",
    "publications",
    "refusal_counts",
    "refusal_heads",
    "refusals",
    "registration_requests",
    "report_numbers",
    "requests",
    "revisions",
    "revocations",
    "roster_imports",
    "rule_sets",
    "sample_draws",
    "sampled_cases",
    "saved_views",
    "seal_log",
    "seals",
    "sessions",
    "sign_in_uses",
    "signed_starts",
    "tokens",
    "tries",
    "upload_pieces",
    "upload_problems",
    "uploads",
]
