"""The workflows there are: one list for the worker, the replay tests and the audit."""

from workflows.annual_filing import AnnualFiling
from workflows.campaign import CampaignOfYear
from workflows.certificate import Certificate
from workflows.certificate_import import CertificateImport
from workflows.complaint import Complaint
from workflows.enforcement import Enforcement
from workflows.job import Job
from workflows.report_batch import ReportBatch

WORKFLOWS = [
    AnnualFiling,
    CampaignOfYear,
    Certificate,
    CertificateImport,
    Complaint,
    Enforcement,
    Job,
    ReportBatch,
]
