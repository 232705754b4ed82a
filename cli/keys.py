"""``zhibao keys``: the keys for tokens, codes, links, webhooks, receipts, columns."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from cli.key_records import put_on_record
from cli.terminal import (
    HERE,
    NOT_IN_ORDER,
    AsJson,
    Data,
    ends_plainly,
    err,
    fail,
    listing,
    out,
    print_json,
    print_listing,
    read_instant,
)

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from store.certificates.names import Part
    from store.keyring import Key, Purpose

Answer = TypeVar("Answer")

keys_app = typer.Typer(no_args_is_help=True)

FOLDER = "ZHIBAO_KEYS"

Folder = Annotated[Path | None, typer.Option("--folder", envvar=FOLDER, help="密钥目录")]
For = Annotated[str, typer.Argument(metavar="PURPOSE", help="用途，见 zhibao keys list")]


@keys_app.command("make")
@ends_plainly
def make(folder: Folder = None, data: Data = HERE, as_json: AsJson = False) -> None:
    """给还没有密钥的用途各建一把；已有的不变。"""
    from services.clock import system_clock
    from services.keys import make_missing

    place = _folder(folder, data)
    _tried(lambda: make_missing(place, system_clock()), place)
    put_on_record(place, data)
    _show(place, as_json)


@keys_app.command("list")
@ends_plainly
def list_keys(folder: Folder = None, data: Data = HERE, as_json: AsJson = False) -> None:
    """列出各用途的密钥；私钥从不显示。"""
    _show(_folder(folder, data), as_json)


@keys_app.command("add")
@ends_plainly
def add(
    purpose: For,
    starts: Annotated[
        Any,
        typer.Option(
            "--from", help="自何时起用它；不填为现在", parser=read_instant, metavar="INSTANT"
        ),
    ] = None,
    folder: Folder = None,
    data: Data = HERE,
    as_json: AsJson = False,
) -> None:
    """增加一把密钥；原有的不再用来签发，已签发的仍然有效，直到停用。"""
    from services.clock import system_clock
    from services.keys import add_key

    place, wanted = _folder(folder, data), _purpose(purpose)
    _tried(lambda: add_key(place, wanted, starts or system_clock()), place)
    put_on_record(place, data)
    _show(place, as_json)


@keys_app.command("end")
@ends_plainly
def end(
    purpose: For,
    id_: Annotated[str, typer.Argument(metavar="KEY", help="密钥编号")],
    at: Annotated[
        Any,
        typer.Option("--at", help="何时停用；不填为现在", parser=read_instant, metavar="INSTANT"),
    ] = None,
    folder: Folder = None,
    data: Data = HERE,
    as_json: AsJson = False,
) -> None:
    """停用一把密钥：从那时起，由它签发的一概不再作数，由它加密的不能再读。"""
    from services.clock import system_clock
    from services.keys import end_key

    place, wanted, now = _folder(folder, data), _purpose(purpose), system_clock()
    if purpose == "columns" and (left := _in_use(data, id_, names=False)):
        fail(
            f"还有 {left} 把数据密钥由 {id_} 加密，停用后其内容不能再读；"
            "请先运行 zhibao keys rewrap"
        )
    if purpose == "names" and (left := _in_use(data, id_, names=True)):
        fail(
            f"还有 {left} 个姓名的检索摘要由 {id_} 作出，停用后检索不到；"
            "请先运行 zhibao keys rewrap"
        )
    _tried(lambda: end_key(place, wanted, id_, at or now, now), place)
    put_on_record(place, data)
    _show(place, as_json)


@keys_app.command("rewrap")
@ends_plainly
def rewrap(data: Data = HERE, as_json: AsJson = False) -> None:
    """以最新的 columns 密钥重新加密各数据密钥，内容不动；以最新的 names 密钥重做姓名的检索摘要。

    可以随时中断，再运行即接着做。
    """
    from cli.system import operator
    from services.clock import system_clock
    from services.key_records import KEYS
    from settings import SettingMissing
    from store import blind, data_keys, hidden, journal
    from store.certificates import names

    async def work(engine: AsyncEngine) -> dict[str, Any]:
        newest, done, index = hidden.newest().id, 0, blind.newest().id
        async with engine.connect() as connection:
            total = await data_keys.wrapped_by_others(connection, newest)
        while True:
            async with engine.begin() as connection:
                some = await data_keys.wrap_anew(connection, _AT_ONCE)
            if not some:
                break
            done += some
            err.print(f"{done} / {total}", highlight=False)
        told = {"key": newest, "wrapped": done}
        async with engine.begin() as connection:
            at, command = system_clock(), uuid.uuid4().hex
            body = {"purpose": "columns", **told}
            await journal.append_operator_step(
                connection, KEYS, "data_keys_wrapped", operator(), at, body, command
            )
        indexed = 0
        async with engine.connect() as connection:
            total = await names.count_by_others(connection, index)
        async for part in _names(engine, names.index_anew):
            indexed += part
            err.print(f"{indexed} / {total}", highlight=False)
        async with engine.begin() as connection:
            if indexed:
                body = {"purpose": "names", "key": index, "wrapped": indexed}
                at, command = system_clock(), uuid.uuid4().hex
                await journal.append_operator_step(
                    connection, KEYS, "names_indexed", operator(), at, body, command
                )
            left = await data_keys.wrapped_by_others(connection, newest)
            left += await names.count_by_others(connection, index)
        return {**told, "names_key": index, "names": indexed, "left": left}

    try:
        told = _in_system(data, work)
    except SettingMissing as missing:
        fail(str(missing))
    if as_json:
        print_json(told)
    else:
        out.print(
            f"已以 {told['key']} 重新加密 {told['wrapped']} 把，"
            f"以 {told['names_key']} 重做姓名的检索摘要 {told['names']} 个，余 {told['left']}"
        )


_AT_ONCE = 500


@keys_app.command("hide")
@ends_plainly
def hide(data: Data = HERE, as_json: AsJson = False) -> None:
    """把在有数据密钥以前写下、仍是明文的内容加密保存；可以随时中断，再运行即接着做。"""
    from cli.system import operator
    from services.clock import system_clock
    from services.key_records import KEYS
    from settings import SettingMissing, to_migrate
    from store import blind, hidden, journal, plain_values
    from store.certificates import names

    async def noted(connection: AsyncConnection, key: str, column: str, some: int) -> None:
        at, command = system_clock(), uuid.uuid4().hex
        purpose = "names" if column == names.COLUMN else "columns"
        body = {"purpose": purpose, "key": key, "column": column, "hidden": str(some)}
        await journal.append_operator_step(
            connection, KEYS, "plain_values_hidden", operator(), at, body, command
        )

    async def work(engine: AsyncEngine) -> dict[str, Any]:
        newest, done, left, index = hidden.newest().id, 0, 0, blind.newest().id
        async with engine.connect() as connection:
            if not await plain_values.may_hide(connection):
                fail(
                    "数据库账号没有权限；请在 ZHIBAO_MIGRATION_DATABASE_URL 里"
                    "写明 zhibao_migrator 的地址"
                )
            counted = [
                (place, await plain_values.count(connection, place))
                for place in plain_values.places()
            ]
            plain_names = await names.count_plain(connection)
        total = sum(number for _, number in counted) + plain_names
        for place in [place for place, number in counted if number]:
            after: tuple[Any, ...] = ()
            while True:
                # keys are on record before any row is held: whoever writes waits for nobody
                async with engine.begin() as connection:
                    page = await plain_values.some(connection, place, after)
                    subjects = {value.subject for value in page}
                    keys = await plain_values.keys_for(connection, subjects)
                if not page:
                    break
                after = page[-1].key
                async with engine.begin() as connection:
                    some = await plain_values.hide(connection, place, page, keys)
                    await noted(connection, newest, place.kind.name, some)
                done += some
                err.print(f"{done} / {total}", highlight=False)
            async with engine.connect() as connection:
                left += await plain_values.count(connection, place)
        if plain_names:
            async for part in _names(
                engine,
                names.hide,
                lambda connection, some: noted(connection, index, names.COLUMN, some),
            ):
                done += part
                err.print(f"{done} / {total}", highlight=False)
            async with engine.connect() as connection:
                left += await names.count_plain(connection)
        return {"hidden": done, "left": left}

    try:
        told = _in_system(data, work, to_migrate(data))
    except SettingMissing as missing:
        fail(str(missing))
    if as_json:
        print_json(told)
    else:
        out.print(f"已加密 {told['hidden']} 项，余 {told['left']} 项", highlight=False)


async def _names(
    engine: AsyncEngine,
    work: Callable[[AsyncConnection, tuple[str, int], int], Awaitable[Part]],
    noted: Callable[[AsyncConnection, int], Awaitable[None]] | None = None,
) -> AsyncIterator[int]:
    """Goes through the names of certificates, part by part; how many were done of each."""
    from store.certificates.names import FIRST

    after: tuple[str, int] | None = FIRST
    while after is not None:
        async with engine.begin() as connection:
            part = await work(connection, after, _AT_ONCE)
            if part.done and noted is not None:
                await noted(connection, part.done)
        after = part.last
        if part.done:
            yield part.done


def _in_use(data: Path, id_: str, *, names: bool) -> int:
    """How much a key still stands behind in the system at hand; 0 where there is none.

    How many data keys it wraps, or with ``names`` how many names of certificates it indexes.
    """
    from settings import SettingMissing
    from store import data_keys
    from store.certificates.names import count_under

    async def work(engine: AsyncEngine) -> int:
        async with engine.connect() as connection:
            if names:
                return await count_under(connection, id_)
            return await data_keys.wrapped_by(connection, id_)

    try:
        return _in_system(data, work)
    except SettingMissing:
        # keys may be kept where no system is
        return 0


def _in_system(
    data: Path, work: Callable[[AsyncEngine], Awaitable[Answer]], address: str = ""
) -> Answer:
    """Does something with the database of the system at hand, by its keys.

    ``address`` is the database's for another login than the application's. Raises SettingMissing.
    """
    from sqlalchemy.exc import SQLAlchemyError

    from domain.messages import explain
    from domain.refusals import Code, Refusal
    from services.keys import KeyMissing, hide_with
    from settings import of_system
    from store.database import connect

    settings = of_system(data)
    hide_with(settings.keyring)

    async def done() -> Answer:
        engine = connect(address or settings.database_url.get_secret_value(), pool_size=1)
        try:
            return await work(engine)
        finally:
            await engine.dispose()

    try:
        return asyncio.run(done())
    except KeyMissing:
        words = explain(Refusal(code=Code.KEYS_MISSING))
        fail(f"{words.title}：{words.detail}{words.remedy}", NOT_IN_ORDER)
    except (SQLAlchemyError, OSError):
        fail("连不上数据库；请先运行 zhibao up，或核对 --data")


def _tried(work: Any, place: Path) -> None:
    from store.keyring import KeyMissing

    try:
        work()
    except KeyMissing as missing:
        why = missing.__cause__
        if isinstance(why, OSError):
            fail(f"密钥目录 {place} 不能使用：{why.strerror}")
        fail(f"密钥目录 {place} 里的不是密钥")
    except OSError as wrong:
        fail(f"密钥目录 {place} 不能使用：{wrong.strerror}")
    except ValueError as wrong:
        fail(str(wrong))


def _folder(given: Path | None, data: Path) -> Path:
    """The folder given, or that of the system on a data folder."""
    from settings import environment_of

    known = given or environment_of(data).get(FOLDER)
    if not known:
        fail(f"没有密钥目录：请用 --folder 或环境变量 {FOLDER} 指明，或用 --data 指向单机系统")
    return Path(known)


def _purpose(given: str) -> Purpose:
    from store.keyring import Purpose

    if given not in {one.value for one in Purpose}:
        fail(f"{given} 不是用途：应是 {'、'.join(one.value for one in Purpose)} 之一")
    return Purpose(given)


def _show(place: Path, as_json: bool) -> None:
    from domain.messages import local_time
    from services.clock import system_clock
    from store.keyring import Keyring, Purpose

    ring, now = Keyring(place), system_clock()
    found: list[tuple[Purpose, Key, bool]] = []

    def read() -> None:
        for purpose in Purpose:
            keys = ring.keys(purpose)
            using = next(
                (
                    key
                    for key in reversed(keys)
                    if key.secret and key.starts <= now and key.holds(now)
                ),
                None,
            )
            found.extend((purpose, key, key is using) for key in keys)

    _tried(read, place)
    if as_json:
        rows = [
            {
                "purpose": purpose.value,
                "id": key.id,
                "starts": key.starts,
                "ends": key.ends,
                "private": bool(key.secret),
                "used": used,
            }
            for purpose, key, used in found
        ]
        print_json({"folder": str(place), "keys": rows})
        return
    if not found:
        out.print(f"{place} 里还没有密钥；请运行 zhibao keys make", highlight=False)
        return
    table = listing("用途", "编号", "自", "至", "")
    for purpose, key, used in found:
        ends = local_time(key.ends) if key.ends else ""
        state = "在用" if used else ("" if key.secret else "这里没有私钥")
        table.add_row(purpose.value, key.id, local_time(key.starts), ends, state)
    print_listing(table)
