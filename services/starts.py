"""What an institution's filing or batch of report numbers starts from. Pure."""

from datetime import datetime

from domain.case.workflow_messages import CaseOpening, CaseStart
from domain.facts import Facts
from domain.filing.kind import FILING
from domain.ids import batch_id, filing_id
from domain.numbers.batch import BATCH
from domain.numbers.quarters import Period, Quarter
from rules.compiled import CompiledRules


def filing_start(
    year: int, campaign: str, rules: CompiledRules, facts: Facts, requested_at: datetime
) -> CaseStart:
    """What one institution's filing starts from: its plan under the pinned rules."""
    plan = rules.plan(facts)
    return CaseStart(
        case_id=filing_id(year, facts.institution.id),
        opening=CaseOpening(
            kind=FILING.name,
            year=year,
            institution=facts.institution.id,
            jurisdiction=plan.jurisdiction,
            campaign=campaign,
            plan=plan,
            region=facts.institution.region,
        ),
        requested_at=requested_at,
        vouched=True,
        inputs=facts.model_dump(mode="json"),
    )


def batch_start(
    quarter: Quarter, campaign: str, rules: CompiledRules, facts: Facts, requested_at: datetime
) -> CaseStart:
    """What one institution's batch of report numbers starts from, under the pinned rules."""
    plan = rules.batch_plan(facts, quarter)
    return CaseStart(
        case_id=batch_id(str(quarter), facts.institution.id),
        opening=CaseOpening(
            kind=BATCH.name,
            year=quarter.year,
            quarter=quarter.number,
            institution=facts.institution.id,
            jurisdiction=plan.jurisdiction,
            campaign=campaign,
            plan=plan,
            region=facts.institution.region,
        ),
        requested_at=requested_at,
        vouched=True,
        inputs=facts.model_dump(mode="json"),
    )


def case_start(
    period: Period, campaign: str, rules: CompiledRules, facts: Facts, requested_at: datetime
) -> CaseStart:
    """What an institution's case in the campaign of a year or a quarter starts from."""
    if period.quarter:
        return batch_start(Quarter(*period), campaign, rules, facts, requested_at)
    return filing_start(period.year, campaign, rules, facts, requested_at)


def id_of(period: Period, institution: str) -> str:
    """The id of an institution's case in the campaign of a year or a quarter."""
    return (
        batch_id(str(period), institution)
        if period.quarter
        else filing_id(period.year, institution)
    )
