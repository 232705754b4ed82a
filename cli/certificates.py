"""``zhibao certificates``: decoding numbers, verifying papers, and an operator's lists."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.campaigns import DryRun, File, GoodRows, import_list
from cli.terminal import (
    HERE,
    NOT_IN_ORDER,
    AsJson,
    Data,
    RulesFolder,
    ends_plainly,
    fail,
    print_json,
)

if TYPE_CHECKING:
    from domain.certificates.statement import PublishedKeys, Statement
    from rules.certificates.certificates import CertificateRules
    from services.certificates.register import RegisterReport

certificates_app = typer.Typer(no_args_is_help=True)

MAX_KEYS_BYTES = 1_000_000


@certificates_app.command("decode")
@ends_plainly
def decode_number(
    number: Annotated[str, typer.Argument(help="证书编号，12 位数字")],
    as_json: AsJson = False,
    rules: RulesFolder = None,
) -> None:
    """解读证书编号：年份、发证机关、专业领域、行业、流水号；不说明证书是否存在、有效。"""
    from domain.certificates.number import NumberProblem, decode

    known = _rules(rules)
    decoded = decode(number, known.tables)
    if isinstance(decoded, NumberProblem):
        fail(decoded.message, NOT_IN_ORDER, decoded.code)
    authority = known.authority_name(decoded.authority)
    if as_json:
        print_json(
            {
                "year": decoded.year,
                "authority": {"code": decoded.authority_code, "name": authority},
                "field": {"code": decoded.field, "name": decoded.field_name},
                "industry": {"code": decoded.industry, "name": decoded.industry_name},
                "serial": f"{decoded.serial:04}",
            }
        )
        return
    typer.echo(f"年份      {decoded.year}")
    typer.echo(f"发证机关  {decoded.authority_code} {authority}")
    typer.echo(f"专业领域  {decoded.field} {decoded.field_name}")
    typer.echo(f"行业      {decoded.industry} {decoded.industry_name}")
    typer.echo(f"流水号    {decoded.serial:04}")
    typer.echo("编号没有校验位：能解读不等于证书存在，也看不出是否有效。")


@certificates_app.command("verify")
@ends_plainly
def verify_statement(
    text: Annotated[str, typer.Argument(help="二维码里的网址，或其中 ?s= 之后的签名")],
    keys: Annotated[Path, typer.Option("--keys", help="公布的密钥表（JSON 文件）")],
    as_json: AsJson = False,
) -> None:
    """离线核验证书二维码里的签名；只证明当初发了什么证，现在的状态以登记信息为准。"""
    from domain.certificates.statement import StatementProblem, verify_scanned

    verified = verify_scanned(text, _keys(keys))
    if isinstance(verified, StatementProblem):
        fail(verified.message, NOT_IN_ORDER, verified.code)
    if as_json:
        print_json(verified.model_dump(mode="json"))
        return
    for line in _lines(verified):
        typer.echo(line)


@certificates_app.command("import")
@ends_plainly
def import_register(
    file: File,
    accept_good_rows: GoodRows = False,
    dry_run: DryRun = False,
    complete: Annotated[
        str, typer.Option("--complete", help="文件是这一发证机关的全部有效证书，如 amr-350000")
    ] = "",
    data: Data = HERE,
    as_json: AsJson = False,
) -> None:
    """导入各省的有效证书清单；有一处错误即不导入。缺少的证书只列出，不注销。"""
    if complete and not _is_authority(complete):
        fail(f"--complete {complete} 不是发证机关的编号；应如 amr-350000")
    import_list(
        file,
        lambda services: services.register,
        _register_lines,
        data,
        as_json=as_json,
        accept_good_rows=accept_good_rows,
        dry_run=dry_run,
        complete=complete,
    )


def _is_authority(text: str) -> bool:
    from pydantic import TypeAdapter, ValidationError

    from domain.jurisdictions import AuthorityId

    try:
        TypeAdapter(AuthorityId).validate_python(text)
    except ValidationError:
        return False
    return True


def _register_lines(report: RegisterReport) -> tuple[str, list[str]]:
    summary = (
        f"登记 {report.accepted} 张（新增 {report.inserted}，更新 {report.updated}，"
        f"未变 {report.unchanged}，本系统签发而未动 {report.kept}）"
    )
    if not report.complete:
        return summary, []
    return summary, [
        f"登记中有、清单里没有的 {len(report.missing)} 张；只列出，不注销",
        *(
            f"{paper.number} {paper.institution} {paper.name}，有效期到 {paper.valid_to}"
            for paper in report.missing
        ),
    ]


def _lines(statement: Statement) -> list[str]:
    shortened = "…（名称过长，签名里只有开头和全称的 SHA-256）" if statement.holder_sha256 else ""
    return [
        "签名有效。",
        f"证书编号  {statement.number}",
        f"机构名称  {statement.holder}{shortened}",
        f"发证机关  {statement.issuer}",
        f"发证日期  {statement.issued_on}",
        f"有效期    {statement.valid_from} 至 {statement.valid_to}",
        f"签名      {statement.signed_on}，密钥 {statement.key}",
        "是否已注销、撤销、吊销或换发，签名里没有，请按网址或编号查询登记信息。",
    ]


def _rules(folder: Path | None) -> CertificateRules:
    from rules.certificates.certificates import current_certificate_rules
    from rules.file.findings import RulesInvalid
    from rules.file.library import SHIPPED, RuleSetNotFound

    root = folder if folder is not None else SHIPPED
    if not root.is_dir():
        fail(f"规则目录 {root} 不存在；请用 --rules 指向一个规则目录")
    try:
        return current_certificate_rules(root)
    except RuleSetNotFound:
        fail(f"规则目录 {root} 里没有 <年度>/certificates.yaml；请从随附的规则目录复制")
    except RulesInvalid as invalid:
        fail(str(invalid))


def _keys(file: Path) -> PublishedKeys:
    from pydantic import ValidationError

    from domain.certificates.statement import PublishedKeys

    try:
        with file.open("rb") as opened:
            raw = opened.read(MAX_KEYS_BYTES + 1)
    except OSError as error:
        fail(f"读不了密钥表 {file}：{error.strerror}")
    if len(raw) > MAX_KEYS_BYTES:
        fail(f"密钥表 {file} 超过 {MAX_KEYS_BYTES} 字节；请核对是不是密钥表")
    try:
        return PublishedKeys.model_validate_json(raw)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(step) for step in first["loc"]) or "文件"
        fail(f"密钥表 {file} 不对：{place}：{first['msg']}")
