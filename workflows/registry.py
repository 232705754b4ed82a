"""The workflows there are: one list for the worker, the replay tests and the audit."""

from workflows.annual_filing import AnnualFiling
from workflows.campaign import CampaignOfYear

WORKFLOWS = [AnnualFiling, CampaignOfYear]
