"""Signing in and out, setting a password by a one-time link, one's own roles and sign-ins."""

from datetime import timedelta
from typing import Any
from urllib.parse import quote

import segno
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from api.campaigns.memberships import memberships_shown
from api.door.cookies import SESSION, Cookie
from api.door.operations import Call, Operation, Parameter
from api.door.pages import page, render, render_refused, words_of
from api.door.parts import parts_of
from api.door.requests import query
from api.door.rights import Right
from api.people.own_record import PARAMETERS, own_record_of
from api.workbench.pages import asked_of
from domain.case.commands import ROLE_LABELS
from domain.own_record import OWN_PART_LABELS
from domain.refusals import Refusal, Refused
from services.provider_sign_in import BACK
from services.sign_in import BROWSER_LIFETIME, SHORTEST_PASSWORD, SignedIn

_KEEP_NOTHING = {"Cache-Control": "no-store"}
_LARGEST = 16 * 1024
_HOME = "/work"
_BROWSER = Cookie("zhibao_browser", "/sign-in", BROWSER_LIFETIME)
"""That somebody has signed in with the browser."""
_STATE = Cookie("zhibao_provider", BACK, timedelta(minutes=10))
"""What a provider is to bring back."""


def seen_by(request: Request) -> str:
    """What the browser is signed in by, "" for nothing."""
    return SESSION.read(request)


async def sign_in_page(call: Call) -> Response:
    """The form."""
    to = query(call.request, "to", str, "")
    values = await _form(call, "", to)
    if query(call.request, "left", str, ""):
        values["leaving"] = await parts_of(call.request).provider.leaving()
    return render("sign_in.html", values, _KEEP_NOTHING)


async def sign_in(call: Call) -> Response:
    """Signs a person in, and leads to where they wanted to go."""
    form, parts = call.body, parts_of(call.request)
    name, to = form.text("name").strip(), form.text("to")
    client = call.request.client
    try:
        secret = await parts.sign_in.sign_in(
            name,
            form.text("password"),
            form.text("code"),
            client.host if client else "",
            call.request.headers.get("user-agent", ""),
            _browser(call.request),
        )
    except Refused as refused:
        values = await _form(call, name[:64], to)
        return _again("sign_in.html", values, refused.refusal)
    return await _entered(call, secret, name, to)


async def _entered(call: Call, secret: str, person: str, to: str) -> Response:
    """Leads whoever has signed in to where they wanted to go; the browser is known from now on."""
    known = await parts_of(call.request).sign_in.known(person, _browser(call.request))
    response = _keeping(call.request, secret, RedirectResponse(_own_address(to), status_code=303))
    return _keeping_known(call.request, known, response)


def _browser(request: Request) -> str:
    """What the browser keeps since somebody signed in with it, "" for nothing."""
    return _BROWSER.read(request)


def _keeping_known(request: Request, known: str, response: Response) -> Response:
    _BROWSER.keep(request, response, known)
    return response


async def _form(call: Call, name: str, to: str) -> dict[str, Any]:
    parts = parts_of(call.request)
    shown = [
        (
            one.membership.person,
            ROLE_LABELS[one.membership.role],
            one.membership.scope,
            one.password,
        )
        for one in await parts.sign_in.demo_accounts()
    ]
    return {
        "name": name,
        "to": to if _own_address(to) == to else "",
        "demo": shown,
        "provider": parts.provider.name,
        "leaving": "",
        "refused": None,
        "request_id": call.request_id,
    }


def _again(template: str, values: dict[str, Any], refusal: Refusal) -> Response:
    return render_refused(template, {**values, "refused": words_of(refusal)}, refusal)


def _own_address(to: str) -> str:
    """An address of this site's workbench; anything else would lead whoever signs in away."""
    own = to.startswith(("/work", "/me")) and to.isascii() and "\\" not in to and "//" not in to
    return to if own and to.isprintable() else _HOME


def _keeping(request: Request, secret: str, response: Response) -> Response:
    SESSION.keep(request, response, secret)
    return response


async def sign_out(call: Call) -> Response:
    """Ends this browser's sign-in."""
    parts, secret = parts_of(call.request), seen_by(call.request)
    found = await parts.sign_in.signed_in(secret) if secret else None
    if found is not None:
        await parts.sign_in.sign_out(found.session.person, found.session.sha256)
    by_provider = found is not None and found.session.issuer
    response = RedirectResponse("/sign-in?left=1" if by_provider else "/", status_code=303)
    SESSION.drop(call.request, response)
    # whoever sits down next finds no page of theirs
    response.headers["Clear-Site-Data"] = '"cache", "storage"'
    return response


# --- one-time links -------------------------------------------------------------------------------


async def link_page(call: Call) -> Response:
    """The form in which somebody sets a password."""
    return render("link.html", await _link(call), _KEEP_NOTHING)


async def use_link(call: Call) -> Response:
    """Sets password and second factor; then one signs in."""
    form, parts = call.body, parts_of(call.request)
    values = await _link(call)
    try:
        person = await parts.sign_in.set_password(
            call.request.path_params["link"],
            form.text("password"),
            form.text("again"),
            form.text("code"),
        )
    except Refused as refused:
        return _again("link.html", values, refused.refusal)
    known = await parts.sign_in.known(person, "")
    return _keeping_known(call.request, known, RedirectResponse("/sign-in", status_code=303))


async def _link(call: Call) -> dict[str, Any]:
    secret: str = call.request.path_params["link"]
    invitation = await parts_of(call.request).sign_in.invited(secret)
    picture = (
        segno.make(invitation.address, error="m").svg_inline(scale=5, border=2)
        if invitation.address
        else ""
    )
    return {
        "person": invitation.person,
        "secret": invitation.secret,
        "picture": picture,
        "shortest": SHORTEST_PASSWORD,
        "action": f"/sign-in/link/{quote(secret, safe='')}",
        "provider": parts_of(call.request).provider.name,
        "refused": None,
        "request_id": call.request_id,
    }


# --- a provider of OpenID Connect -----------------------------------------------------------------


async def to_provider(call: Call) -> Response:
    """Sends a browser to the provider, to sign in."""
    return await _sent(call, query(call.request, "to", str, ""), "")


async def to_provider_by_link(call: Call) -> Response:
    """Sends a browser to the provider, so that whoever has a link ties their account."""
    return await _sent(call, "", call.request.path_params["link"])


async def _sent(call: Call, to: str, link: str) -> Response:
    leads_to = to if _own_address(to) == to else ""
    address, state = await parts_of(call.request).provider.begin(leads_to, link)
    response = RedirectResponse(address, status_code=303)
    _STATE.keep(call.request, response, state)
    return response


async def from_provider(call: Call) -> Response:
    """Signs in a browser that comes back from the provider."""
    request = call.request
    arrived = await parts_of(request).provider.arrive(
        query(request, "state", str, ""),
        _STATE.read(request),
        query(request, "code", str, ""),
        query(request, "iss", str, ""),
        request.headers.get("user-agent", ""),
    )
    response = await _entered(call, arrived.secret, arrived.person, arrived.leads_to)
    _STATE.drop(request, response)
    return response


# --- one's own page -------------------------------------------------------------------------------


async def own_page(call: Call) -> Response:
    """One's roles and sign-ins; also for whose present role has ended."""
    found = await _signed_in(call)
    if found is None:
        return RedirectResponse("/sign-in?to=/me", status_code=303)
    return await _own(call, found)


async def _own(call: Call, found: SignedIn, refusal: Refusal | None = None) -> Response:
    parts = parts_of(call.request)
    has_password, has_code = await parts.sign_in.has_password(found.session.person)
    values = {
        "has_password": has_password,
        "has_code": has_code,
        "shortest": SHORTEST_PASSWORD,
        "set": bool(query(call.request, "set", str, "")) and not refusal,
        "roles": await memberships_shown(parts, await parts.sign_in.roles(found)),
        "acting": found.membership.id,
        "labels": ROLE_LABELS,
        "sessions": await parts.sign_in.sessions(found.session.person),
        "tokens": await parts.tokens.mine(found.membership.actor),
        "identities": await parts.provider.tied(found.session.person),
        "tried": await parts.sign_in.refused_of_late(found.session.person),
        "parts": OWN_PART_LABELS,
        "this": found.session.sha256,
        "idle_minutes": parts.sign_in.idle_minutes,
        "refused": words_of(refusal) if refusal else None,
    }
    as_itself = call._replace(actor=found.membership.actor)
    return page(as_itself, "own.html", values, refusal.code.status if refusal else 200)


async def own_record_page(call: Call) -> Response:
    """One's own record, part by part; also for whose present role has ended."""
    found = await _signed_in(call)
    if found is None:
        return RedirectResponse("/sign-in?to=/me/record", status_code=303)
    asked = asked_of(call, "what", "from", "to", "about")
    values: dict[str, Any] = {"asked": asked, "parts": OWN_PART_LABELS, "shown": None}
    as_itself = call._replace(actor=found.membership.actor)
    try:
        values["shown"] = await own_record_of(call.request, found.session.person)
    except Refused as refused:
        labels = {"from": "自哪一天", "to": "到哪一天", "about": "关于哪一件"}
        values["refused"] = words_of(refused.refusal, labels)
        return page(as_itself, "own_record.html", values, refused.refusal.code.status)
    return page(as_itself, "own_record.html", values)


async def change_role(call: Call) -> Response:
    """Has this browser act in another of one's roles."""
    found = await _signed_in(call)
    if found is None:
        return RedirectResponse("/sign-in?to=/me", status_code=303)
    try:
        await parts_of(call.request).sign_in.act_in(found, call.body.text("membership"))
    except Refused as refused:
        return await _own(call, found, refused.refusal)
    return RedirectResponse(_HOME, status_code=303)


async def end_sign_ins(call: Call) -> Response:
    """Ends one of one's sign-ins, or all of them."""
    found = await _signed_in(call)
    if found is not None:
        chosen = call.body.text("session")
        await parts_of(call.request).sign_in.sign_out(found.session.person, chosen)
    return RedirectResponse("/me", status_code=303)


async def end_token(call: Call) -> Response:
    """Revokes one of one's tokens."""
    found = await _signed_in(call)
    if found is not None:
        try:
            await parts_of(call.request).tokens.revoke(
                call.body.text("token"), found.membership.actor
            )
        except Refused as refused:
            return await _own(call, found, refused.refusal)
    return RedirectResponse("/me", status_code=303)


async def change_password(call: Call) -> Response:
    """Sets another password for whoever is signed in and says the old one."""
    found, form = await _signed_in(call), call.body
    if found is None:
        return RedirectResponse("/sign-in?to=/me", status_code=303)
    try:
        await parts_of(call.request).sign_in.change_password(
            found, form.text("old"), form.text("password"), form.text("again"), form.text("code")
        )
    except Refused as refused:
        return await _own(call, found, refused.refusal)
    response = RedirectResponse("/me?set=1", status_code=303)
    known = await parts_of(call.request).sign_in.known(found.session.person, "")
    _BROWSER.keep(call.request, response, known)
    return response


async def _signed_in(call: Call) -> SignedIn | None:
    secret = seen_by(call.request)
    return await parts_of(call.request).sign_in.signed_in(secret) if secret else None


def _page(method: str, path: str, handler: Any, summary: str, **more: Any) -> Operation:
    if method == "POST":
        more = {"form": True, "largest": _LARGEST, **more}
    return Operation(
        method,
        path,
        handler,
        summary,
        "页面",
        Right.ANYONE,
        None,
        answer_media="text/html",
        **more,
    )


_TO = Parameter("to", "登录后去哪里")
_LEFT = Parameter("left", "刚退出，经统一身份认证登录的")
_SET = Parameter("set", "刚改了密码")
_BACK = tuple(Parameter(name, "统一身份认证带回的值") for name in ("state", "code", "iss", "error"))

PAGES = [
    _page("GET", "/sign-in", sign_in_page, "登录", parameters=(_TO, _LEFT)),
    _page("GET", "/sign-in/provider", to_provider, "经统一身份认证登录", parameters=(_TO,)),
    _page("GET", BACK, from_provider, "从统一身份认证回来", parameters=_BACK),
    _page(
        "GET",
        "/sign-in/link/{link}/provider",
        to_provider_by_link,
        "由一次性链接绑定统一身份认证",
    ),
    _page("POST", "/sign-in", sign_in, "登录", unhurried=True, before_sign_in=True),
    _page("POST", "/sign-out", sign_out, "退出登录"),
    _page("GET", "/sign-in/link/{link}", link_page, "一次性链接"),
    _page(
        "POST", "/sign-in/link/{link}", use_link, "设定密码", unhurried=True, before_sign_in=True
    ),
    _page("GET", "/me", own_page, "本人的账号", parameters=(_SET,)),
    _page("GET", "/me/record", own_record_page, "本人的记录", parameters=PARAMETERS),
    _page("POST", "/me/role", change_role, "换一个身份"),
    _page("POST", "/me/password", change_password, "更改密码", unhurried=True),
    _page("POST", "/me/sign-out", end_sign_ins, "结束登录"),
    _page("POST", "/me/tokens", end_token, "作废凭证"),
]
