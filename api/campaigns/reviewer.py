"""Who would review an institution's filing under the rules of a day, and why nobody else."""

from collections.abc import Sequence
from datetime import date
from typing import Annotated

from pydantic import Field
from starlette.responses import Response

from api.campaigns.institutions import of_institution
from api.cases.cases import CaseYear
from api.door.operations import Call, Operation, Parameter, json_of, schema_of
from api.door.parts import parts_of
from api.door.requests import path, query, wrong_parameter
from api.door.rights import Right
from domain.clock import first_instant_after
from domain.decision import ReviewerDecision
from domain.ids import InstitutionId
from domain.jurisdictions import AuthorityId, known
from domain.model import Value
from domain.refusals import Code, Refusal, Refused
from services.publishing import PublicationShown

_Day = Annotated[date, Field(ge=date(2000, 1, 1), le=date(2999, 12, 31))]


class ReviewerShown(Value):
    """The decision under the set in force for ``jurisdiction`` at the end of the day asked for.

    ``names`` are those of the authorities in it, by id.
    """

    jurisdiction: str
    decision: ReviewerDecision
    names: dict[str, str]


def nearest(published: Sequence[PublicationShown], region: str) -> PublicationShown | None:
    """The set of the smallest area that a region lies in, None for none. Pure."""
    by_place = {one.jurisdiction: one for one in published}
    places = known().tree.upwards(region)
    return next((by_place[place] for place in places if place in by_place), None)


async def get_reviewer(call: Call) -> Response:
    """Decides as a filing begun on that day would have it decided; nothing is put on record."""
    parts, request = parts_of(call.request), call.request
    id_: str = path(request, "institution", InstitutionId)
    year: int = query(request, "year", CaseYear, 0)
    if not year:
        raise wrong_parameter("year", "缺少这一项")
    on = query(request, "on", _Day | None, None)
    choice = query(request, "choice", AuthorityId | None, None)
    institution, _ = await parts.institutions.find(id_)
    region = institution.facts.region
    at = first_instant_after(on) if on is not None else None
    published = nearest(await parts.publications.in_force(year, at), region)
    if published is None:
        asked = {"year": str(year), "jurisdiction": region, "known": "这一天还没有发布过"}
        raise Refused(Refusal(code=Code.RULES_NOT_FOUND, params=asked))
    rules = await parts.pinned.get(published.ruleset.sha256)
    decision = rules.route(institution.facts_for(choice))
    ids = {one.authority for one in decision.candidates if one.authority} | set(decision.chain)
    names = {one: parts.authority_name(one) for one in sorted(ids)}
    return json_of(
        ReviewerShown(jurisdiction=published.jurisdiction, decision=decision, names=names)
    )


OPERATIONS = [
    Operation(
        "GET",
        "/api/institutions/{institution}/reviewer",
        get_reviewer,
        "某一天的规则下由谁审核，为什么",
        "机构",
        Right.SEE_FILING,
        ReviewerShown,
        target=of_institution,
        parameters=(
            Parameter("year", "统计年度", required=True, schema=schema_of(CaseYear)),
            Parameter(
                "on",
                "哪一天有效的规则；不填为现在",
                schema={"type": "string", "format": "date"},
            ),
            Parameter("choice", "机构选择的审核部门", schema=schema_of(AuthorityId)),
        ),
        description="用名录和证书现在的登记，按那一天结束时有效的规则；只是试算。",
    ),
]
