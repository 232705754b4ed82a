"""Everything a file of certificates' rules is checked for beyond its shape."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from domain.certificates.number import NumberProblem, decode
from rules.certificates.certificates import (
    CertificateRules,
    NoAuthorityCode,
    ReadCertificates,
    certificate_meaning,
    resolved_certificates,
)
from rules.check.evidence import held_to_text
from rules.check.placing import Findings
from rules.check.years import named_otherwise
from rules.file.certificate_schema import CertificateExample, CertificateFile
from rules.file.findings import Finding, RulesInvalid, in_order
from rules.file.library import RuleLibrary
from rules.file.strict_yaml import load
from rules.file.validation import validate

_LABELS = {
    "valid_from": "有效期起始日",
    "valid_to": "有效期最后一天",
    "renewal_opens": "可以申请延续的第一天",
    "renewal_due": "申请延续的最后一天",
    "reminders": "提醒的日期",
    "valid": "是否在有效期内",
    "renewal": "延续申请所处的阶段",
    "year": "年份",
    "authority": "发证机关",
    "field": "专业领域",
    "industry": "行业",
    "problem": "编号的问题",
    "code": "发证机关代码",
    "mode": "赋码模式",
}


def check_certificates(library: RuleLibrary, path: Path, shown: str) -> list[Finding]:
    """Every finding about one file, named ``shown``, with the folder's authorities and sources."""
    try:
        node = load(path.read_bytes(), shown)
        read = ReadCertificates(node, validate(CertificateFile, node))
        findings = certificate_meaning(library, read)
        if findings:
            return in_order(findings)
        rules = CertificateRules(resolved_certificates(library, read).document)
    except RulesInvalid as invalid:
        return invalid.findings
    except OSError as error:
        message = f"读不了这个文件（{error.strerror}）；请核对路径和权限"
        return [Finding("file_missing", shown, 1, "", message)]
    unproven = held_to_text(library, node, node, read.file.sources, node)
    return in_order([*_year(read, path), *_examples(rules, read), *unproven])


def shortcomings(rules: CertificateRules, example: CertificateExample) -> list[str]:
    """What the example expected and did not get; empty when it holds."""
    got = _got(rules, example)
    return [
        f"{_LABELS[key]}应为 {_shown(value)}，实为 {_shown(got[key])}"
        for key, value in example.expect.model_dump(exclude_unset=True).items()
        if got[key] != value
    ]


def _year(read: ReadCertificates, path: Path) -> Iterator[Finding]:
    folder = path.resolve().parent.name
    if folder.isdigit() and folder != str(read.file.year):
        message = f"year 是 {read.file.year}，文件却放在 {folder} 目录；请改年度或移动文件"
        yield Findings(read.node).one("year_mismatch", ("year",), message)
    found, year = Findings(read.node), read.file.year
    for key, text in (("id", read.file.id), ("title", read.file.title)):
        other = named_otherwise(text, year, title=key == "title")
        if other is not None:
            yield found.one("other_year", (key,), other)


def _examples(rules: CertificateRules, read: ReadCertificates) -> Iterator[Finding]:
    found = Findings(read.node)
    for index, example in enumerate(read.file.examples):
        for shortcoming in shortcomings(rules, example):
            message = f"例子“{example.name}”不成立：{shortcoming}"
            yield found.one("example_fails", ("examples", index), message)


def _got(rules: CertificateRules, example: CertificateExample) -> dict[str, Any]:
    got: dict[str, Any] = dict.fromkeys(_LABELS)
    first, last = None, example.valid_to
    if example.issued_on is not None:
        first, last = rules.validity(example.issued_on)
        got |= {"valid_from": first, "valid_to": last}
    if last is not None:
        got["renewal_opens"] = rules.renewal_opens(last)
        got["renewal_due"] = rules.renewal_due(last)
        got["reminders"] = tuple(one.at.date() for one in rules.reminders(last))
        if example.day is not None:
            got["valid"] = (first is None or first <= example.day) and example.day <= last
            got["renewal"] = rules.renewal_stage(last, example.day)
    if example.number is not None:
        decoded = decode(example.number, rules.tables)
        if isinstance(decoded, NumberProblem):
            got["problem"] = decoded.code
        else:
            got |= {
                "year": decoded.year,
                "authority": decoded.authority,
                "field": decoded.field_name,
                "industry": decoded.industry_name,
            }
    if example.issuer is not None:
        got["mode"] = rules.mode(example.issuer)
        try:
            got["code"] = rules.authority_code(example.issuer)
        except NoAuthorityCode:
            got["code"] = None
    return got


def _shown(value: Any) -> str:
    if value is None:
        return "（没有）"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return "、".join(map(str, value)) or "（没有）"
    return str(value)
