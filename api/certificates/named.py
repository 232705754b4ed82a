"""Which certificate's case an address names."""

from typing import Annotated

from pydantic import Field
from starlette.requests import Request

from api.cases.cases import target_of
from api.door.requests import path
from api.door.rights import Target
from domain.certificates.transitions import issuer_of
from domain.ids import certificate_id

TAG = "资质认定证书"
ADDRESS = "/api/certificates/{application}"

_Application = Annotated[str, Field(pattern=r"^[0-9a-f]{24}$")]


async def of_certificate(request: Request) -> Target:
    """The certificate's case named by the path. Raises Refused when there is none."""
    case_id = certificate_id(path(request, "application", _Application))
    target = await target_of(request, case_id, "证书办件")
    assert target.case is not None
    return Target(case=target.case, involved=target.involved | {issuer_of(target.case.plan)})
