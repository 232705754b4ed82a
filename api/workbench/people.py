"""Accounts on pages: who holds which role, given and ended; links, tokens; deputies and leave."""

from typing import Any
from urllib.parse import quote

from starlette.responses import RedirectResponse, Response

from api.campaigns.jobs import JobId
from api.door.asking import Told, ask
from api.door.operations import Call
from api.door.parts import parts_of
from api.door.requests import path, query
from api.workbench.acts import (
    Act,
    ActShown,
    Failed,
    Input,
    acts_shown,
    body_of,
    done_of,
    perform,
    summary_of,
)
from api.workbench.pages import (
    CURSOR,
    DONE,
    asked_of,
    if_shown,
    page_of,
    said_at_once,
    text_parameter,
)
from domain.case.commands import ROLE_LABELS, Person, Role
from domain.ids import NATION
from domain.memberships import is_program

_PEOPLE, _DEPUTIES = "/work/people", "/work/deputies"
_OF_LABS = [(one.value, ROLE_LABELS[one]) for one in (Role.FILER, Role.RESPONSIBLE)]
_OF_ALL = [(one.value, label) for one, label in ROLE_LABELS.items() if one is not Role.SYSTEM]
_WHY = Input("reason", "事由", "text", required=False)
_FROM = Input("starts", "自何时起", "instant", "北京时间；不填为现在。", required=False)
_ADMINISTERS = Input("administers", "是管理员", "yes_no", preset="no")
_WHO = Input("person", "账号", hint="字母、数字、点、下划线和连字符，如 zhang.san。")
_LINK_TOO = Input("link", "同时发出登录的一次性链接", "yes_no", preset="yes")
_UNTIL = Input("ends", "至何时止", "instant", "北京时间；不填为没有期限。", required=False)

_GIVEN = "已给予，即刻生效"
_END = Act(
    "end",
    "收回",
    "已收回，即刻生效",
    (_WHY,),
    "已登录的浏览器和凭证即刻不能再以这一身份办理；领取的待办随即退领。",
)
_LINK = Act("link", "发出一次性链接", "已发出", hint="三天内有效；此前的链接随之失效。")
_SECRET = Act("secrets", "发给程序密钥", "已发给", hint="原有的密钥再用一天。")
_END_SECRETS = Act("end-secrets", "停用全部密钥", "已停用", path="secrets/end", grave=True)
_TIE = Act(
    "identities",
    "绑定统一身份认证",
    "已绑定",
    (Input("subject", "统一身份认证中的编号"),),
)
_UNTIE = Act(
    "untie",
    "解除统一身份认证的绑定",
    "已解除，由它登录的浏览器即刻退出",
    (Input("subject", "统一身份认证中的编号"),),
    path="identities/end",
)
_REVOKE_TOKEN = Act("revoke", "作废", "已作废，即刻生效")

_NAME_DEPUTY = Act(
    "name",
    "登记离岗和代办",
    "已登记",
    (
        Input("person", "离岗的人", hint="账号。"),
        Input("deputy", "由谁代办", hint="同一部门另一个人的账号。"),
        _FROM,
        Input("ends", "代办至何时", "instant", "北京时间；到这一时刻为止。"),
        _WHY,
    ),
    path="deputies",
)
_END_DEPUTY = Act("end", "提前结束", "已结束")
_REVOKE = Act(
    "revoke",
    "停用某人在某部门的全部身份",
    "已停用，即刻生效，已领取的随即退领",
    (
        Input("person", "账号"),
        Input("authority", "部门", hint="如 amr-350200。"),
        Input("reason", "事由", "text"),
    ),
    path="revocations",
    grave=True,
)
_RESTORE = Act("restore", "恢复", "已恢复")


def _give_act(call: Call, person: str = "") -> Act:
    """Giving a role, as far as the asker's own can give any."""
    who = () if person else (_WHO,)
    fixed = {"person": person} if person else {}
    if call.actor.role is Role.FILER:
        roles: list[tuple[str, str]] = _OF_LABS
        scope: tuple[Input, ...] = ()
        fixed["scope"] = call.actor.scope
    else:
        nation = call.actor.scope == NATION
        roles = [one for one in _OF_ALL if nation or one[0] != Role.AUDITOR]
        hint = "机构编号、部门编号（如 amr-350200）或六位辖区代码，依身份而定；审计人留空。"
        scope = (Input("scope", "范围", hint=hint, required=False),)
    role = Input("role", "身份", "choice", options=tuple(roles))
    return Act(
        "give",
        "给予身份",
        _GIVEN,
        (*who, role, *scope, _ADMINISTERS, _FROM, _UNTIL, _WHY, _LINK_TOO),
        "即刻生效，记录在案。",
        path="memberships",
        fixed=fixed,
    )


# --- everybody's roles ----------------------------------------------------------------------------


async def list_people(call: Call, failed: Failed | None = None) -> Response:
    """The roles that an administrator may give and end; whoever is none is told so."""
    asked = asked_of(call, "person", "role", "scope", "open", "cursor")
    found = await _held(call, asked)
    give = _give_act(call)
    forms = acts_shown([give] if found is not None else [], failed)
    shown_roles = _OF_LABS if call.actor.role is Role.FILER else _OF_ALL
    values = {
        "found": found,
        "asked": asked,
        "roles": shown_roles,
        "forms": forms,
        **summary_of(forms, failed),
    }
    return said_at_once(call, "people.html", values, failed.told if failed else None)


async def _held(call: Call, asked: dict[str, str]) -> Any:
    """The roles in the asker's sight, None for whoever administers nothing."""
    try:
        return (await ask(call, "GET", "/api/people/memberships", query=asked)).body
    except Told as told:
        if told.problem["code"] == "not_an_administrator":
            return None
        raise


async def give(call: Call) -> Response:
    """Gives a role, and makes a link where that is wished for."""
    act = _give_act(call)
    try:
        given = await _give(call, act)
    except Told as told:
        return await list_people(call, Failed(act, call.body, told))
    return await _given(call, given["person"])


async def give_more(call: Call, person: str) -> Response:
    """Gives one more role to somebody."""
    act = _give_act(call, person)
    try:
        await _give(call, act)
    except Told as told:
        return await _person(call, person, Failed(act, call.body, told))
    return await _given(call, person)


async def _give(call: Call, act: Act) -> Any:
    body = body_of(act, call.body)
    body.pop("link", None)
    key = call.body.text("key")
    answer = await ask(call, "POST", "/api/people/memberships", body, idempotency_key=key)
    return answer.body


async def _given(call: Call, person: str) -> Response:
    if call.body.text("link") != "yes" or is_program(person):
        return RedirectResponse(f"{_PEOPLE}/{quote(person)}?done=give", status_code=303)
    return await _with_link(call, person, f"{call.body.text('key')}-link", _GIVEN)


async def _with_link(call: Call, person: str, key: str, done: str) -> Response:
    """The person's page with the link, which is shown this once."""
    address = f"/api/people/accounts/{quote(person)}/link"
    try:
        made = (await ask(call, "POST", address, idempotency_key=key)).body
    except Told as told:
        return await _person(call, person, Failed(_LINK, call.body, told), done)
    link = f"{call.request.url.scheme}://{call.request.url.netloc}{made['path']}"
    return await _person(call, person, None, done, link=link)


# --- one person -----------------------------------------------------------------------------------


def _named(call: Call) -> str:
    person: str = path(call.request, "person", Person)
    return person


async def person_page(call: Call) -> Response:
    """What one person holds and held, as far as the asker administers it."""
    return await _person(call, _named(call))


async def _person(
    call: Call,
    person: str,
    failed: Failed | None = None,
    done: str = "",
    *,
    link: str = "",
    secret: str = "",
) -> Response:
    found = await _held(call, {"person": person, "size": "200"})
    acts = _acts_on(call, person) if found and found["items"] else []
    about = call.request.path_params.get("membership", "")
    ending = {
        one["id"]: acts_shown((_END,), failed if one["id"] == about else None)
        for one in (found["items"] if found else [])
        if not one["ended_at"]
    }
    forms = acts_shown(acts, None if about else failed)
    told = done or done_of((*acts, _END, _REVOKE_TOKEN), query(call.request, "done", str, ""))
    values = {
        "person": person,
        "found": found,
        "tokens": await _tokens(call, person),
        "revoking": acts_shown((_REVOKE_TOKEN,)),
        "ending": ending,
        "forms": forms,
        "here": f"{_PEOPLE}/{quote(person)}",
        "done": told,
        "link": link,
        "secret": secret,
        **summary_of(_wrong(ending) if about else forms, failed),
    }
    return said_at_once(call, "person.html", values, failed.told if failed else None)


def _wrong(forms: dict[str, list[ActShown]]) -> list[ActShown]:
    return [one for shown in forms.values() for one in shown]


def _acts_on(call: Call, person: str) -> list[Act]:
    """What can be done about an account."""
    entering = [_SECRET, _END_SECRETS] if is_program(person) else [_LINK]
    tied = [_TIE, _UNTIE] if parts_of(call.request).provider.name else []
    return [*entering, *tied, _give_act(call, person)]


async def _tokens(call: Call, person: str) -> list[Any]:
    """A person's tokens, none for whoever does not administer all that they hold."""
    try:
        answer = await ask(call, "GET", "/api/people/tokens", query={"person": person})
    except Told:
        return []
    items: list[Any] = answer.body["items"]
    return items


async def act_on_person(call: Call) -> Response:
    """A link, a secret, a provider's identity or one more role."""
    person, name = _named(call), call.request.path_params["act"]
    key = call.body.text("key")
    if name == "give":
        return await give_more(call, person)
    if name == _LINK.name:
        return await _with_link(call, person, key, "")
    if name == _SECRET.name:
        address = f"/api/people/programs/{quote(person)}/secrets"
        try:
            made = (await ask(call, "POST", address, {}, idempotency_key=key)).body
        except Told as told:
            return await _person(call, person, Failed(_SECRET, call.body, told))
        return await _person(call, person, None, "已发给", secret=made["secret"])
    of = "programs" if name == _END_SECRETS.name else "accounts"

    async def again(call: Call, failed: Failed | None) -> Response:
        return await _person(call, person, failed)

    api = f"/api/people/{of}/{quote(person)}"
    here = f"{_PEOPLE}/{quote(person)}"
    return await perform(call, (_END_SECRETS, _TIE, _UNTIE), api, here, again)


async def act_on_membership(call: Call) -> Response:
    """Ends a role."""
    person = _named(call)
    id_: str = path(call.request, "membership", JobId)

    async def again(call: Call, failed: Failed | None) -> Response:
        return await _person(call, person, failed)

    api, here = f"/api/people/memberships/{id_}", f"{_PEOPLE}/{quote(person)}"
    return await perform(call, (_END,), api, here, again)


async def act_on_token(call: Call) -> Response:
    """Revokes a token."""
    person = _named(call)
    id_: str = path(call.request, "token", JobId)

    async def again(call: Call, failed: Failed | None) -> Response:
        return await _person(call, person, failed)

    api, here = f"/api/people/tokens/{id_}", f"{_PEOPLE}/{quote(person)}"
    return await perform(call, (_REVOKE_TOKEN,), api, here, again)


# --- away, and gone -------------------------------------------------------------------------------


async def list_deputies(call: Call, failed: Failed | None = None) -> Response:
    """Who is away and who acts for them; for operators, whose roles an authority is without."""
    asked = asked_of(call, "authority")
    operates = call.actor.role is Role.OPERATOR
    deputies = (await ask(call, "GET", "/api/people/deputies", query=asked)).body["items"]
    revoked = await if_shown(call, "/api/people/revocations", asked) if operates else None
    about = call.request.path_params.get("id", "")
    name_deputy = _NAME_DEPUTY
    if not operates:
        mine = _NAME_DEPUTY.inputs[0]._replace(preset=call.actor.subject)
        name_deputy = _NAME_DEPUTY._replace(inputs=(mine, *_NAME_DEPUTY.inputs[1:]))
    elif authority := asked.get("authority"):
        name_deputy = _NAME_DEPUTY._replace(fixed={"authority": authority})
    forms = acts_shown([name_deputy, *((_REVOKE,) if operates else ())], None if about else failed)
    every = (_NAME_DEPUTY, _END_DEPUTY, _REVOKE, _RESTORE)
    values = {
        "deputies": deputies,
        "revoked": revoked["items"] if revoked else None,
        "asked": asked,
        "operates": operates,
        "ending": acts_shown((_END_DEPUTY,)),
        "restoring": acts_shown((_RESTORE,)),
        "forms": forms,
        "done": done_of(every, query(call.request, "done", str, "")),
        **summary_of(forms, failed),
    }
    return said_at_once(call, "deputies.html", values, failed.told if failed else None)


async def name_or_revoke(call: Call) -> Response:
    """Names a deputy, or takes the roles in an authority from somebody."""
    authority = call.body.text("of")
    fixed = {"authority": authority} if authority else {}
    acts = (_NAME_DEPUTY._replace(fixed=fixed), _REVOKE)
    return await perform(call, acts, "/api/people", _DEPUTIES, list_deputies)


async def end_deputy(call: Call) -> Response:
    """Ends a deputy's time."""
    api = f"/api/people/deputies/{path(call.request, 'id', JobId)}"
    return await perform(call, (_END_DEPUTY,), api, _DEPUTIES, list_deputies)


async def restore(call: Call) -> Response:
    """Gives back what was taken away."""
    api = f"/api/people/revocations/{path(call.request, 'id', JobId)}"
    return await perform(call, (_RESTORE,), api, _DEPUTIES, list_deputies)


_ONE = f"{_PEOPLE}/{{person}}"

PAGES = [
    page_of(
        "GET",
        _PEOPLE,
        list_people,
        "人员",
        parameters=(
            text_parameter("person", "账号"),
            text_parameter("role", "身份"),
            text_parameter("scope", "范围"),
            text_parameter("open", "只看有效的"),
            CURSOR,
        ),
    ),
    page_of("POST", f"{_PEOPLE}/act/give", give, "给予身份"),
    page_of("GET", _ONE, person_page, "一个账号", parameters=(DONE,)),
    page_of("POST", f"{_ONE}/act/{{act}}", act_on_person, "办理账号"),
    page_of(
        "POST", f"{_ONE}/memberships/{{membership}}/act/{{act}}", act_on_membership, "收回身份"
    ),
    page_of("POST", f"{_ONE}/tokens/{{token}}/act/{{act}}", act_on_token, "作废凭证"),
    page_of(
        "GET",
        _DEPUTIES,
        list_deputies,
        "离岗和代办",
        parameters=(text_parameter("authority", "部门"), DONE),
    ),
    page_of("POST", f"{_DEPUTIES}/act/{{act}}", name_or_revoke, "登记代办或停用身份"),
    page_of("POST", f"{_DEPUTIES}/{{id}}/act/{{act}}", end_deputy, "提前结束代办"),
    page_of("POST", f"{_DEPUTIES}/revocations/{{id}}/act/{{act}}", restore, "恢复停用的身份"),
]
