"""``zhibao certificates keys`` and ``zhibao certificates sign``: the keys behind QR codes."""

from __future__ import annotations

import asyncio
import uuid
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.key_records import put_on_record
from cli.terminal import HERE, NOT_IN_ORDER, AsJson, Data, ends_plainly, fail, print_json

if TYPE_CHECKING:
    from domain.certificates.statement import PublishedKey, PublishedKeys
    from services.certificates.signing import Signed
    from settings import Settings

keys_app = typer.Typer(no_args_is_help=True)

FOLDER = "ZHIBAO_CERTIFICATE_KEYS"

Folder = Annotated[Path | None, typer.Option("--folder", envvar=FOLDER, help="密钥目录")]
Id = Annotated[str, typer.Argument(help="密钥名称，如 2026-1；签名里写着它，永不重复使用")]


def mount(app: typer.Typer) -> None:
    """Puts these commands below ``zhibao certificates``."""
    app.add_typer(keys_app, name="keys", help="签名密钥：增加、查看、作废。")
    app.command("sign")(sign)


@keys_app.command("add")
@ends_plainly
def add(id_: Id, folder: Folder = None, data: Data = HERE, as_json: AsJson = False) -> None:
    """增加一把密钥，即日起用它签名；原来在用的从此不再签名，已签的仍然有效。"""
    from services.certificates.keys import add_key

    place = _folder(folder, data)
    try:
        published = add_key(place, id_, _today())
    except (ValueError, OSError) as wrong:
        fail(_said(wrong, place))
    put_on_record(place, data)
    _show(place, published, as_json)


@keys_app.command("list")
@ends_plainly
def list_keys(folder: Folder = None, data: Data = HERE, as_json: AsJson = False) -> None:
    """列出公布的密钥；私钥从不显示。"""
    from services.certificates.keys import SigningKeys

    place = _folder(folder, data)
    try:
        published = SigningKeys(place).published()
    except (ValueError, OSError) as wrong:
        fail(_said(wrong, place))
    _show(place, published, as_json)


@keys_app.command("retire")
@ends_plainly
def retire(id_: Id, folder: Folder = None, data: Data = HERE, as_json: AsJson = False) -> None:
    """作废一把已泄露的密钥：它签过的一概不再作数，私钥即予删除；随后请补签证书。"""
    from services.certificates.keys import retire_key

    place = _folder(folder, data)
    try:
        published = retire_key(place, id_, _today())
    except (ValueError, OSError) as wrong:
        fail(_said(wrong, place))
    put_on_record(place, data)
    _show(place, published, as_json)


@ends_plainly
def sign(data: Data = HERE, as_json: AsJson = False) -> None:
    """补签登记中没有签名、或签名密钥已作废的证书；可重复执行。"""
    from sqlalchemy.exc import SQLAlchemyError

    from services.certificates.signing import NoKey
    from settings import SettingMissing, of_system

    try:
        settings = of_system(data)
    except SettingMissing as missing:
        fail(str(missing))
    if settings.certificate_keys is None:
        fail(f"没有设定密钥目录；请设定环境变量 {FOLDER}")
    try:
        done = asyncio.run(_sign(settings))
    except NoKey:
        fail("没有今天可用的私钥；请先运行 zhibao certificates keys add", NOT_IN_ORDER)
    except (ValueError, OSError) as wrong:
        fail(_said(wrong, settings.certificate_keys))
    except SQLAlchemyError:
        fail("连不上数据库；请先运行 zhibao up，或核对 --data", NOT_IN_ORDER)
    if as_json:
        print_json(done.model_dump())
    else:
        typer.echo(f"新签 {done.signed} 张，重签 {done.renewed} 张，未变 {done.kept} 张。")


async def _sign(settings: Settings) -> Signed:
    from cli.system import operator
    from services.certificates.keys import SigningKeys
    from services.certificates.signing import sign_register
    from services.clock import system_clock
    from store.database import connect

    engine = connect(settings.database_url.get_secret_value(), pool_size=2)
    keys = SigningKeys(settings.certificate_keys)
    try:
        return await sign_register(engine, keys, operator(), system_clock, f"sign:{uuid.uuid4()}")
    finally:
        await engine.dispose()


def _folder(given: Path | None, data: Path) -> Path:
    """The folder given, or that of the system on a data folder."""
    from settings import environment_of

    known = given or environment_of(data).get(FOLDER)
    if not known:
        fail(f"没有密钥目录：请用 --folder 或环境变量 {FOLDER} 指明，或用 --data 指向单机系统")
    return Path(known)


def _today() -> date:
    from domain.clock import day_of
    from services.clock import system_clock

    return day_of(system_clock())


def _show(place: Path, published: PublishedKeys, as_json: bool) -> None:
    from services.certificates.keys import SigningKeys

    keys = SigningKeys(place)
    used = keys.in_use(_today())
    shown = [
        key.model_dump(mode="json", by_alias=True)
        | {"private": keys.can_sign(key), "signs": key == used}
        for key in published.keys
    ]
    if as_json:
        print_json({"folder": str(place), "keys": shown})
        return
    if not published.keys:
        typer.echo(f"{place} 里还没有密钥；请运行 zhibao certificates keys add")
    for key, row in zip(published.keys, shown, strict=True):
        typer.echo(f"{key.id}  {_days(key)}  {_use(key, row)}")
    if published.keys and used is None:
        typer.echo("现在没有能签名的密钥；请运行 zhibao certificates keys add")


def _days(key: PublishedKey) -> str:
    return f"{key.first} 起" + (f"至 {key.until}" if key.until else "")


def _use(key: PublishedKey, row: dict[str, Any]) -> str:
    if key.retired is not None:
        return f"已于 {key.retired} 作废，所签一概不作数"
    if row["signs"]:
        return "在用"
    return "不再签名，已签的有效" if row["private"] else "这里没有私钥，只能核验"


def _said(wrong: Exception, place: Path) -> str:
    from pydantic import ValidationError

    if isinstance(wrong, OSError):
        return f"密钥目录 {place} 不能使用：{wrong.strerror}"
    if isinstance(wrong, ValidationError | UnicodeDecodeError):
        return f"密钥目录 {place} 里的 published.json 不是密钥表"
    return str(wrong)
