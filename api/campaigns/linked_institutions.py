"""Institutions that belong together with one: of its legal person, before and after it."""

from datetime import date

from starlette.responses import Response

from api.campaigns.institutions import of_institution
from api.door.operations import Call, Operation, json_of
from api.door.parts import parts_of
from api.door.requests import path
from api.door.rights import Right, covers, region_in_sight
from domain.ids import InstitutionId
from domain.model import Value
from services.linked_institutions import LINK_LABELS, Link


class LinkedShown(Value):
    """Another institution and how it is linked; ``since`` and ``document`` where an act did it."""

    institution: str
    name: str
    region: str
    link: Link
    link_label: str
    since: date | None
    document: str


class LinkedList(Value):
    """Everything in the asker's sight that an institution belongs together with."""

    items: tuple[LinkedShown, ...]


async def linked(call: Call) -> Response:
    """The institutions linked to one, as far as the asker sees their regions."""
    id_: str = path(call.request, "institution", InstitutionId)
    within = region_in_sight(call.actor)
    items = tuple(
        LinkedShown(**one._asdict(), link_label=LINK_LABELS[one.link])
        for one in await parts_of(call.request).linked.of(id_)
        if covers(within, one.region)
    )
    return json_of(LinkedList(items=items))


OPERATIONS = [
    Operation(
        "GET",
        "/api/institutions/{institution}/linked",
        linked,
        "同一法人的机构、前身和后继",
        "机构",
        Right.SEE_FILING,
        LinkedList,
        target=of_institution,
        answer_example={
            "items": [
                {
                    "institution": "lab-0",
                    "name": "示例检测有限公司（示例）",
                    "region": "350102",
                    "link": "merged_in",
                    "link_label": "并入本机构的前身",
                    "since": "2025-01-06",
                    "document": "示例〔2025〕1号",
                }
            ]
        },
        description="由合并、分立联系起来的，和信用代码属于同一法人的；经办人只看到本辖区的。",
    )
]
