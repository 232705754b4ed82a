"""Which batch an address names."""

from typing import Annotated

from pydantic import AfterValidator, Field
from starlette.requests import Request

from api.cases.cases import target_of
from api.door.requests import path
from api.door.rights import Target
from domain.ids import InstitutionId, batch_id
from domain.numbers.quarters import Quarter

TAG = "报告编号"
ADDRESS = "/api/report-batches/{quarter}/{institution}"


def _known_quarter(text: str) -> str:
    Quarter.parse(text)
    return text


QuarterText = Annotated[str, Field(pattern=r"^2[0-9]{3}Q[1-4]$"), AfterValidator(_known_quarter)]


def named(request: Request) -> tuple[Quarter, str]:
    """The quarter and the institution in the path."""
    quarter: str = path(request, "quarter", QuarterText)
    institution: str = path(request, "institution", InstitutionId)
    return Quarter.parse(quarter), institution


async def of_batch(request: Request) -> Target:
    """The batch named by the path. Raises Refused when there is none."""
    quarter, institution = named(request)
    mend = "；还没有建立的，请先建立（POST /api/report-batches/季度/机构）"
    return await target_of(request, batch_id(str(quarter), institution), "报送", mend)
