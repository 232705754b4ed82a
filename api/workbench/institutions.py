"""The register on pages: institutions with certificates and contacts, and lists that come in."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from starlette.responses import Response

from api.door.asking import Told, ask
from api.door.operations import Call
from api.door.pages import page
from api.door.parts import parts_of
from api.door.requests import path, query
from api.door.rights import ROLES, Right
from api.workbench.acts import (
    REASON,
    Act,
    Failed,
    Input,
    acts_shown,
    done_of,
    perform,
    summary_of,
)
from api.workbench.pages import (
    CURSOR,
    DONE,
    asked_of,
    here_of,
    if_shown,
    media_of,
    name_of,
    page_of,
    said_at_once,
    text_parameter,
)
from domain.case.commands import Role
from domain.contacts import CONTACT_ROLE_LABELS
from domain.ids import InstitutionId

_ALL = "/work/institutions"
_ROLE = Input(
    "role",
    "哪一种联系人",
    "choice",
    options=tuple((one.value, label) for one, label in CONTACT_ROLE_LABELS.items()),
)
_CONTACT = Act(
    "contact",
    "设定联系人",
    "已设定联系人",
    (
        _ROLE,
        Input("name", "姓名"),
        Input("phone", "电话", required=False),
        Input("mail", "邮箱", required=False),
    ),
    "同一种联系人只有一位，原来的留在记录里。",
    path="contacts",
)
_NO_CONTACT = Act("no-contact", "删去联系人", "已删去联系人", (_ROLE,), path="contacts/remove")
_GROUNDS = (
    Input("effective_on", "自哪一天起", "day"),
    Input("document", "文号"),
    REASON,
)
_USCC = Act(
    "uscc",
    "信用代码变更",
    "已变更",
    (Input("uscc", "现在的统一社会信用代码", hint="18 位。"), *_GROUNDS),
    "原代码仍查得到本机构；证书纸面上的代码不变。",
)
_MERGE = Act(
    "merge",
    "机构合并",
    "已合并",
    (Input("into", "并入哪一家", hint="那家机构的编号。"), *_GROUNDS),
    "还在机构手里的填报和报送逐件取消，不能恢复。",
    grave=True,
)
_SPLIT = Act(
    "split",
    "机构分立",
    "已分立",
    (
        Input(
            "parts",
            "分立出来的机构",
            "table",
            "每行：机构编号、归它的证书编号（几个用逗号分开），中间用制表符或竖线分开。",
            columns=("institution", "certificates[]"),
        ),
        *_GROUNDS,
    ),
    "原机构存续；不再存续的，另办合并。",
    grave=True,
)
_ACTS = (_CONTACT, _NO_CONTACT, _USCC, _MERGE, _SPLIT)


# --- looking up -----------------------------------------------------------------------------------


async def list_institutions(call: Call) -> Response:
    """The register, narrowed."""
    asked = asked_of(call, "name", "region", "cursor")
    told, found = None, None
    try:
        found = (await ask(call, "GET", "/api/institutions", query={"size": "50", **asked})).body
    except Told as refused:
        told = refused
    values = {
        "found": found,
        "asked": asked,
        "narrowed": {name: text for name, text in asked.items() if name != "cursor"},
        "imports": call.actor.role is Role.OPERATOR,
        "place_name": parts_of(call.request).progress.place_name,
    }
    return said_at_once(call, "institutions.html", values, told)


def _now(role: Role, merged_into: str) -> list[Act]:
    """What the reader of an institution can think of now. Pure."""
    if merged_into:
        return []
    contacts = (_CONTACT, _NO_CONTACT) if role in ROLES[Right.SET_CONTACTS] else ()
    return [*contacts, *((_USCC, _MERGE, _SPLIT) if role is Role.OPERATOR else ())]


async def institution_page(call: Call, failed: Failed | None = None) -> Response:
    """One institution: what is on record of it, whom to reach, what became of it."""
    id_: str = path(call.request, "institution", InstitutionId)
    api, here = here_of(f"institutions/{id_}")
    shown = (await ask(call, "GET", api)).body
    forms = acts_shown(_now(call.actor.role, shown["merged_into"]), failed)
    values = {
        "shown": shown,
        "contacts": await if_shown(call, f"{api}/contacts"),
        "history": (await ask(call, "GET", f"{api}/history")).body,
        "place_name": parts_of(call.request).progress.place_name,
        "here": here,
        "lists": call.actor.role in ROLES[Right.SEE_REGISTER],
        "done": done_of(_ACTS, query(call.request, "done", str, "")),
        "forms": forms,
        **summary_of(forms, failed),
    }
    return said_at_once(call, "institution.html", values, failed.told if failed else None)


async def linked_page(call: Call) -> Response:
    """What belongs together with an institution: of one legal person, before and after it."""
    id_: str = path(call.request, "institution", InstitutionId)
    api, here = here_of(f"institutions/{id_}")
    values = {
        "shown": (await ask(call, "GET", api)).body,
        "linked": (await ask(call, "GET", f"{api}/linked")).body["items"],
        "place_name": parts_of(call.request).progress.place_name,
        "here": here,
    }
    return page(call, "linked_institutions.html", values)


async def act_on_institution(call: Call) -> Response:
    """One act on an institution."""
    id_: str = path(call.request, "institution", InstitutionId)
    api, here = here_of(f"institutions/{id_}")
    return await perform(call, _ACTS, api, here, institution_page)


# --- lists that come in ---------------------------------------------------------------------------


class ListKind(NamedTuple):
    """A kind of list that an operator imports: where the API takes it, and what it is called."""

    address: str
    label: str
    template: str


LISTS: dict[str, ListKind] = {
    "roster": ListKind("/api/institutions/imports", "机构名录", "/work/institutions/template"),
    "register": ListKind(
        "/api/certificates/register", "有效证书清单", "/work/certificates/register/template"
    ),
}


def wrong_rows(errors: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """A refusal's errors as rows of a report: the row, the column, what is wrong. Pure."""
    made = []
    for one in errors:
        _, *places = one["pointer"].split("/")
        inside = places[1:] if places[:1] == ["rows"] else []
        row, column = (*inside, "", "")[:2]
        column = column.replace("~1", "/").replace("~0", "~")
        made.append({"row": row, "column": column, "message": one["message"], "level": "error"})
    return made


async def imports_page(call: Call) -> Response:
    """The form by which a list comes in."""
    return _imports(call, {"what": query(call.request, "what", str, "roster")}, None, None)


def _imports(
    call: Call, given: Mapping[str, str], report: Mapping[str, Any] | None, told: Told | None
) -> Response:
    values: dict[str, Any] = {
        "lists": LISTS,
        "given": {"what": "roster", "accept": "all", "trial": "yes", **given},
        "report": report,
        "wrong": wrong_rows(told.problem["errors"]) if told else [],
    }
    # what is wrong stands row by row
    return said_at_once(call, "list_import.html", {**values, "rest": []}, told)


async def import_list(call: Call) -> Response:
    """Hands a list on to the API as it is, and shows its report by row."""
    form = call.body
    file, name = form.file, name_of(form.file)
    what = form.text("what") if form.text("what") in LISTS else "roster"
    given = {
        "what": what,
        "accept": form.text("accept"),
        "trial": form.text("trial"),
        "complete": form.text("complete").strip(),
    }
    asked = {
        "accept": "good" if given["accept"] == "good" else "all",
        "dry_run": "false" if given["trial"] == "no" else "true",
        **({"filename": name} if name else {}),
        **({"complete": given["complete"]} if what == "register" and given["complete"] else {}),
    }
    try:
        report = await ask(
            call,
            "POST",
            LISTS[what].address,
            query=asked,
            file=file,
            content_type=media_of(name),
            idempotency_key=form.text("key"),
        )
    except Told as told:
        return _imports(call, given, None, told)
    return _imports(call, given, report.body, None)


PAGES = [
    page_of(
        "GET",
        _ALL,
        list_institutions,
        "机构名录",
        parameters=(text_parameter("name", "机构名称"), text_parameter("region", "区域"), CURSOR),
    ),
    page_of(
        "GET",
        f"{_ALL}/imports",
        imports_page,
        "导入名单",
        parameters=(text_parameter("what", "哪一种名单"),),
    ),
    page_of("POST", f"{_ALL}/imports", import_list, "导入名单", unhurried=True, with_file=True),
    page_of("GET", f"{_ALL}/{{institution}}/linked", linked_page, "关联的机构"),
    page_of("GET", f"{_ALL}/{{institution}}", institution_page, "一家机构", parameters=(DONE,)),
    page_of(
        "POST", f"{_ALL}/{{institution}}/act/{{act}}", act_on_institution, "办理", unhurried=True
    ),
]
