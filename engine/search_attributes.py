"""The one registry of search attributes: for operators at the engine, never behind a list.

No personal data stands in them.
"""

from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes

from domain.case.workflow_messages import CaseOpening

YEAR = SearchAttributeKey.for_int("ZhibaoYear")
JURISDICTION = SearchAttributeKey.for_keyword("ZhibaoJurisdiction")
INSTITUTION = SearchAttributeKey.for_keyword("ZhibaoInstitution")

REGISTERED: dict[str, int] = {
    key.name: key.indexed_value_type for key in (YEAR, JURISDICTION, INSTITUTION)
}


def search_attributes(opening: CaseOpening) -> TypedSearchAttributes:
    """What a case's workflow can be found by at the engine."""
    return TypedSearchAttributes(
        [
            SearchAttributePair(YEAR, opening.year),
            SearchAttributePair(JURISDICTION, opening.jurisdiction),
            SearchAttributePair(INSTITUTION, opening.institution),
        ]
    )
