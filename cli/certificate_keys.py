"""``zhibao certificates keys`` and ``zhibao certificates sign``: the keys behind QR codes."""

import asyncio
import json
import uuid
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError

from cli.campaigns import operator
from domain.case.plan import FOREVER
from domain.certificates.statement import PublishedKey, PublishedKeys
from services.certificates.keys import SigningKeys, add_key, retire_key
from services.certificates.signing import NoKey, Signed, sign_register
from services.clock import system_clock
from settings import ENVIRONMENT, SettingMissing, Settings, environment_of, of_system
from store.database import connect

keys_app = typer.Typer(no_args_is_help=True)

NOT_IN_ORDER, WRONG_USAGE = 1, 2
FOLDER = ENVIRONMENT["certificate_keys"]

AsJson = Annotated[bool, typer.Option("--json", help="只输出一个 JSON 文档")]
Data = Annotated[Path, typer.Option("--data", help="单机系统的数据目录")]
Folder = Annotated[Path | None, typer.Option("--folder", envvar=FOLDER, help="密钥目录")]
Id = Annotated[str, typer.Argument(help="密钥名称，如 2026-1；签名里写着它，永不重复使用")]
_HERE = Path(".zhibao")


def mount(app: typer.Typer) -> None:
    """Puts these commands below ``zhibao certificates``."""
    app.add_typer(keys_app, name="keys", help="签名密钥：增加、查看、作废。")
    app.command("sign")(sign)


@keys_app.command("add")
def add(id_: Id, folder: Folder = None, data: Data = _HERE, as_json: AsJson = False) -> None:
    """增加一把密钥，即日起用它签名；原来在用的从此不再签名，已签的仍然有效。"""
    place = _folder(folder, data, as_json)
    try:
        published = add_key(place, id_, _today())
    except (ValueError, OSError) as wrong:
        _fail(_said(wrong, place), as_json)
    _show(place, published, as_json)


@keys_app.command("list")
def list_keys(folder: Folder = None, data: Data = _HERE, as_json: AsJson = False) -> None:
    """列出公布的密钥；私钥从不显示。"""
    place = _folder(folder, data, as_json)
    try:
        published = SigningKeys(place).published()
    except (ValueError, OSError) as wrong:
        _fail(_said(wrong, place), as_json)
    _show(place, published, as_json)


@keys_app.command("retire")
def retire(id_: Id, folder: Folder = None, data: Data = _HERE, as_json: AsJson = False) -> None:
    """作废一把已泄露的密钥：它签过的一概不再作数，私钥即予删除；随后请补签证书。"""
    place = _folder(folder, data, as_json)
    try:
        published = retire_key(place, id_, _today())
    except (ValueError, OSError) as wrong:
        _fail(_said(wrong, place), as_json)
    _show(place, published, as_json)


def sign(data: Data = _HERE, as_json: AsJson = False) -> None:
    """补签登记中没有签名、或签名密钥已作废的证书；可重复执行。"""
    try:
        settings = of_system(data)
    except SettingMissing as missing:
        _fail(str(missing), as_json)
    if settings.certificate_keys is None:
        _fail(f"没有设定密钥目录；请设定环境变量 {FOLDER}", as_json)
    try:
        done = asyncio.run(_sign(settings))
    except NoKey:
        _fail("没有今天可用的私钥；请先运行 zhibao certificates keys add", as_json, NOT_IN_ORDER)
    except (ValueError, OSError) as wrong:
        _fail(_said(wrong, settings.certificate_keys), as_json)
    except SQLAlchemyError:
        _fail("连不上数据库；请先运行 zhibao up，或核对 --data", as_json, NOT_IN_ORDER)
    if as_json:
        _print_json(done.model_dump())
    else:
        typer.echo(f"新签 {done.signed} 张，重签 {done.renewed} 张，未变 {done.kept} 张。")


async def _sign(settings: Settings) -> Signed:
    engine = connect(settings.database_url.get_secret_value(), pool_size=2)
    keys = SigningKeys(settings.certificate_keys)
    try:
        return await sign_register(engine, keys, operator(), system_clock, f"sign:{uuid.uuid4()}")
    finally:
        await engine.dispose()


def _folder(given: Path | None, data: Path, as_json: bool) -> Path:
    """The folder given, or that of the system on a data folder."""
    known = given or environment_of(data).get(FOLDER)
    if not known:
        _fail(
            f"没有密钥目录：请用 --folder 或环境变量 {FOLDER} 指明，或用 --data 指向单机系统",
            as_json,
        )
    return Path(known)


def _today() -> Any:
    return system_clock().astimezone(FOREVER.tzinfo).date()


def _show(place: Path, published: PublishedKeys, as_json: bool) -> None:
    keys = SigningKeys(place)
    used = keys.in_use(_today())
    shown = [
        one.model_dump(mode="json", by_alias=True)
        | {"private": keys.can_sign(one), "signs": one == used}
        for one in published.keys
    ]
    if as_json:
        _print_json({"folder": str(place), "keys": shown})
        return
    if not published.keys:
        typer.echo(f"{place} 里还没有密钥；请运行 zhibao certificates keys add")
    for one, row in zip(published.keys, shown, strict=True):
        typer.echo(f"{one.id}  {_days(one)}  {_use(one, row)}")
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
    if isinstance(wrong, OSError):
        return f"密钥目录 {place} 不能使用：{wrong.strerror}"
    if isinstance(wrong, ValidationError | UnicodeDecodeError):
        return f"密钥目录 {place} 里的 published.json 不是密钥表"
    return str(wrong)


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2))


def _fail(message: str, as_json: bool, exit_code: int = WRONG_USAGE) -> NoReturn:
    if as_json:
        _print_json({"error": message})
    typer.echo(message, err=True)
    raise typer.Exit(exit_code)
