"""All tables, by subject. One `MetaData`; comments in Chinese, since operators read them."""

from store.tables.base import metadata
from store.tables.complaint import complaints
from store.tables.connected import (
    api_client_secrets,
    api_clients,
    certificate_deliveries,
    province_plans,
)
from store.tables.imports import (
    certificate_import_problems,
    certificate_import_rows,
    certificate_imports,
)
from store.tables.jobs import job_items, jobs
from store.tables.numbers import (
    lookup_counts,
    number_changes,
    report_numbers,
    upload_pieces,
    upload_problems,
    uploads,
)
from store.tables.record import (
    assignments,
    cases,
    journal,
    notes,
    outbox,
    refusals,
    requests,
    revisions,
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
    rule_sets,
    sample_draws,
    sampled_cases,
)

__all__ = [
    "api_client_secrets",
    "api_clients",
    "assignments",
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
    "complaints",
    "institutions",
    "job_items",
    "jobs",
    "journal",
    "lookup_counts",
    "metadata",
    "notes",
    "number_changes",
    "outbox",
    "province_plans",
    "refusals",
    "report_numbers",
    "requests",
    "revisions",
    "roster_imports",
    "rule_sets",
    "sample_draws",
    "sampled_cases",
    "upload_pieces",
    "upload_problems",
    "uploads",
]
