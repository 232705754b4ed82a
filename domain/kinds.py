"""The kinds of cases there are: the one list of them, and the only place that knows them all."""

from typing import Annotated

from pydantic import AfterValidator, Field

from domain.case.kind import CaseKind
from domain.certificates.kind import CERTIFICATE
from domain.complaints import COMPLAINT
from domain.enforcement.kind import ENFORCEMENT
from domain.filing.kind import FILING
from domain.numbers.batch import BATCH

KINDS: dict[str, CaseKind] = {
    kind.name: kind for kind in (FILING, BATCH, COMPLAINT, CERTIFICATE, ENFORCEMENT)
}
"""Every kind of case by its name. Whatever is asked about all kinds reads this."""


def kind_of(case_id: str) -> CaseKind | None:
    """The kind of a case, which its id begins with; None for a campaign's or a register's id."""
    return KINDS.get(case_id.partition("/")[0])


def _known(name: str) -> str:
    if name not in KINDS:
        raise ValueError(f"应是 {'、'.join(KINDS)} 之一")
    return name


KindName = Annotated[str, AfterValidator(_known), Field(json_schema_extra={"enum": list(KINDS)})]
"""The name of a kind of case."""
