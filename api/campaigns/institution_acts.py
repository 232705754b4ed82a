"""What becomes of institutions: another code, a merger, a split; and what became of them."""

from datetime import date, datetime
from typing import Annotated, Any

from pydantic import Field
from starlette.responses import Response

from api.campaigns.institutions import of_institution
from api.campaigns.registrations import Uscc
from api.door.operations import Call, Operation, json_of
from api.door.parts import parts_of
from api.door.requests import Text, path
from api.door.rights import Right
from domain.ids import CertificateNumber, InstitutionId
from domain.institutions import ACT_KIND_LABELS, ActKind, Part
from domain.model import Value
from services.institution_acts import ActKnown, Grounds

Document = Annotated[Text, Field(max_length=200)]


class GroundsBody(Value):
    """From which day the act is effective, by which document, and why."""

    effective_on: date
    document: Document
    reason: Text

    def grounds(self) -> Grounds:
        """The same as services take it."""
        return Grounds(self.effective_on, self.document, self.reason)


class UsccBody(GroundsBody):
    """The unified social credit code that an institution has now."""

    uscc: Uscc = Field(min_length=18)


class MergeBody(GroundsBody):
    """The institution that stands for both from now on."""

    into: InstitutionId


class PartBody(Value):
    """An institution that came of a split, and the certificates it takes over."""

    institution: InstitutionId
    certificates: tuple[CertificateNumber, ...] = Field(default=(), max_length=200)


class SplitBody(GroundsBody):
    """Who came of an institution that goes on."""

    parts: tuple[PartBody, ...] = Field(min_length=1, max_length=20)


class ActShown(Value):
    """One act. ``jobs`` are those that cancel what a merged institution had open."""

    id: str
    kind: ActKind
    kind_label: str
    institution: str
    into: str
    old_uscc: str
    new_uscc: str
    parts: tuple[Part, ...]
    effective_on: date
    document: str
    reason: str
    done_by: str
    done_at: datetime
    jobs: tuple[str, ...]


class RosterChangeShown(Value):
    """What a roster changed of an institution."""

    at: datetime
    by: str
    column: str
    old: str
    new: str


class InstitutionHistory(Value):
    """What became of an institution: acts, and what rosters changed of it, the earliest first."""

    acts: tuple[ActShown, ...]
    changes: tuple[RosterChangeShown, ...]


def _shown(known: ActKnown) -> ActShown:
    act = known.act
    return ActShown(
        **act.model_dump(exclude={"institution_id", "into_id", "note_sha256"}),
        kind_label=ACT_KIND_LABELS[act.kind],
        institution=act.institution_id,
        into=act.into_id or "",
        reason=known.reason,
        jobs=known.jobs,
    )


def _id_of(call: Call) -> str:
    id_: str = path(call.request, "institution", InstitutionId)
    return id_


async def change_uscc(call: Call) -> Response:
    """Gives an institution another code."""
    body: UsccBody = call.body
    acts = parts_of(call.request).acts
    return json_of(
        _shown(
            await acts.change_uscc(
                _id_of(call), body.uscc, body.grounds(), call.actor, call.command_id
            )
        )
    )


async def merge(call: Call) -> Response:
    """Merges an institution into another one."""
    body: MergeBody = call.body
    acts = parts_of(call.request).acts
    return json_of(
        _shown(
            await acts.merge(_id_of(call), body.into, body.grounds(), call.actor, call.command_id)
        )
    )


async def split(call: Call) -> Response:
    """Gives certificates of an institution to those that came of it."""
    body: SplitBody = call.body
    parts = tuple(
        Part(institution=part.institution, certificates=part.certificates) for part in body.parts
    )
    acts = parts_of(call.request).acts
    return json_of(
        _shown(await acts.split(_id_of(call), parts, body.grounds(), call.actor, call.command_id))
    )


async def get_history(call: Call) -> Response:
    """What became of an institution."""
    acts = parts_of(call.request).acts
    id_ = _id_of(call)
    return json_of(
        InstitutionHistory(
            acts=tuple(_shown(known) for known in await acts.of_institution(id_)),
            changes=tuple(RosterChangeShown(**one) for one in await acts.roster_changes(id_)),
        )
    )


_GROUNDS: dict[str, Any] = {
    "effective_on": "2025-01-06",
    "document": "示例〔2025〕1号",
    "reason": "（生成）",
}
_ONE = "/api/institutions/{institution}"

OPERATIONS = [
    Operation(
        "POST",
        f"{_ONE}/uscc",
        change_uscc,
        "信用代码变更",
        "机构",
        Right.OPERATE,
        ActShown,
        target=of_institution,
        body=UsccBody,
        writes=True,
        example={"uscc": "91350102YY00000102", **_GROUNDS},
        description="原代码仍查得到本机构；证书纸面上的代码不变，查验时另列现代码。",
    ),
    Operation(
        "POST",
        f"{_ONE}/merge",
        merge,
        "机构合并",
        "机构",
        Right.OPERATE,
        ActShown,
        target=of_institution,
        body=MergeBody,
        writes=True,
        example={"into": "demo-000002", **_GROUNDS},
        description="两家机构都须在经办人的辖区；还在机构手里的填报和报送由批办逐件取消。",
    ),
    Operation(
        "POST",
        f"{_ONE}/split",
        split,
        "机构分立",
        "机构",
        Right.OPERATE,
        ActShown,
        target=of_institution,
        body=SplitBody,
        writes=True,
        example={
            "parts": [{"institution": "demo-000003", "certificates": ["241312050001"]}],
            **_GROUNDS,
        },
        description="原机构存续；分立后不再存续的，另办合并，并入其中一家。",
    ),
    Operation(
        "GET",
        f"{_ONE}/history",
        get_history,
        "机构的变更和名录改动",
        "机构",
        Right.SEE_FILING,
        InstitutionHistory,
        target=of_institution,
    ),
]
