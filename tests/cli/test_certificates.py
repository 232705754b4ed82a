"""``zhibao certificates decode | verify``: what they print, and how they end, with no server."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from cli.certificates import certificates_app
from domain.certificates.statement import certificate_url
from tests.domain.certificates.test_statement import CODE, NEW, OLD, SITE, keys, published, signed


def run(*arguments: str) -> Result:
    return CliRunner().invoke(certificates_app, list(arguments))  # type: ignore[return-value]


def answer(*arguments: str, code: int = 0) -> Any:
    result = run(*arguments, "--json")
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)


@pytest.fixture
def listed(tmp_path: Path) -> str:
    path = tmp_path / "keys.json"
    path.write_text(keys(published(OLD)).model_dump_json(by_alias=True), "utf-8")
    return str(path)


def test_decode_prints_one_document() -> None:
    assert answer("decode", "152701060345") == {
        "year": 2015,
        "authority": {"code": "27", "name": "陕西省市场监督管理局"},
        "field": {"code": "01", "name": "建筑工程"},
        "industry": {"code": "06", "name": "住建"},
        "serial": "0345",
    }
    shown = run("decode", "180001211497").stdout
    assert "国家市场监督管理总局" in shown
    assert "铁路" in shown


@pytest.mark.parametrize(
    ("number", "code"),
    [
        ("15270106034", "wrong_length"),
        ("１５２７０１０６０３４５", "full_width"),
        ("993201060001", "unknown_authority"),
        ("A" * 100_000, "not_digits"),
    ],
)
def test_what_is_no_number_ends_with_1(number: str, code: str) -> None:
    refused = answer("decode", number, code=1)
    assert refused["code"] == code
    result = run("decode", number)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.strip() == refused["error"]


def test_wrong_usage_ends_with_2(tmp_path: Path, listed: str) -> None:
    assert run("decode").exit_code == 2
    assert run("decode", "152701060345", "--rules", str(tmp_path / "none")).exit_code == 2
    empty = run("decode", "152701060345", "--rules", str(tmp_path))
    assert empty.exit_code == 2
    assert "certificates.yaml" in empty.stderr
    assert run("verify", signed()).exit_code == 2
    assert run("verify", signed(), "--keys", str(tmp_path / "none")).exit_code == 2
    assert run("verify", signed(), "--keys", str(tmp_path)).exit_code == 2


def test_verify_prints_what_the_paper_proves(listed: str) -> None:
    for text in (signed(), certificate_url(SITE, CODE, signed())):
        got = answer("verify", text, "--keys", listed)
        assert (got["number"], got["code"]) == ("192701060345", CODE)
        assert (got["valid_from"], got["valid_to"]) == ("2019-07-12", "2025-07-11")
        assert got["holder"] == "示例（生成）检测有限公司"
    shown = run("verify", signed("检" * 200), "--keys", listed).stdout
    assert "签名有效" in shown
    assert "名称过长" in shown
    assert "查询登记信息" in shown


def test_verify_ends_with_1_and_says_why(tmp_path: Path, listed: str) -> None:
    assert answer("verify", signed()[:-1], "--keys", listed, code=1)["code"] == "malformed"
    assert answer("verify", "", "--keys", listed, code=1)["code"] == "malformed"
    other = tmp_path / "other.json"
    other.write_text(keys(published(NEW)).model_dump_json(by_alias=True), "utf-8")
    assert answer("verify", signed(), "--keys", str(other), code=1)["code"] == "bad_signature"


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"\xff", b'{"keys": [{"id": "a"}]}', b'{"keys": []}x', b" " * 1_000_001],
    ids=["empty", "list", "bytes", "half a key", "more", "enormous"],
)
def test_a_list_of_keys_in_disorder_is_named(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_bytes(content)
    result = run("verify", signed(), "--keys", str(path))
    assert result.exit_code == 2
    assert str(path) in result.stderr
    assert len(result.stderr) < 500
