"""All tables, by subject. One `MetaData`; comments in Chinese, since operators read them."""

from store.tables.base import metadata
from store.tables.complaint import complaints
from store.tables.connected import (
    api_client_secrets,
    api_clients,
    certificate_deliveries,
    province_plans,
)
from store.tables.enforcement import (
    enforcement_attachments,
    enforcement_cases,
    enforcement_documents,
)
from store.tables.imports import (
    certificate_import_problems,
    certificate_import_rows,
    certificate_imports,
)
from store.tables.jobs import job_items, jobs
from store.tables.notices import addresses, notice_deliveries, notices
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
from store.tables.rules import campaigns, rule_sets

__all__ = [
    "addresses",
    "api_client_secrets",
    "api_clients",
    "assignments",
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
    "enforcement_attachments",
    "enforcement_cases",
    "enforcement_documents",
    "institutions",
    "job_items",
    "jobs",
    "journal",
    "lookup_counts",
    "metadata",
    "notes",
    "notice_deliveries",
    "notices",
    "number_changes",
    "outbox",
    "province_plans",
    "refusals",
    "report_numbers",
    "requests",
    "revisions",
    "roster_imports",
    "rule_sets",
    "upload_pieces",
    "upload_problems",
    "uploads",
]
