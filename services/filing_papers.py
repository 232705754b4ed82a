"""A whole filing as its paper shows it: every blank with its value, and what is said of it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from domain.filing.state import Waiver
from domain.messages import local_time
from rules.compiled import CompiledRules
from rules.filing.forms.checking import derived_values
from rules.filing.forms.findings import FormFinding, FormReport, pointer
from rules.filing.forms.model import Form, FormField, Section
from store.cases import Case
from store.content import Revision
from store.filing_files import FilingFile
from store.filing_receipts import FilingReceipt


class Beside(NamedTuple):
    """What stands beside a content: report, waivers with the reasons, receipt, files.

    ``authority_name`` names whoever granted a waiver.
    """

    report: FormReport
    waivers: Sequence[tuple[Waiver, str]]
    receipt: FilingReceipt | None
    files: Sequence[FilingFile]
    authority_name: Callable[[str], str]


def filing_data(
    case: Case, uscc: str, rules: CompiledRules, revision: Revision, beside: Beside
) -> dict[str, Any]:
    """What the template ``filing.typ`` is given."""
    submitted = beside.receipt
    return {
        "title": rules.document.title,
        "institution": case.institution_name,
        "uscc": uscc,
        "case_id": case.case_id,
        "revision": str(revision.revision),
        "state": "已提交" if submitted is not None else "未提交，仅供核对",
        "sha256": revision.sha256,
        "rules": f"{rules.ref.id} 第 {rules.ref.revision} 版　{rules.ref.sha256[:16]}…",
        "receipt": list(_receipt(submitted)) if submitted is not None else [],
        "files": [f"{one.name}　{one.size} 字节　SHA-256 {one.sha256}" for one in beside.files],
        "parts": [
            _part(form, revision.content[part], part, beside)
            for part, form in rules.forms_of(case.plan.parts).items()
            if part in revision.content
        ],
    }


def _receipt(receipt: FilingReceipt) -> Iterator[str]:
    body = receipt.body
    received, decided = (_local(body[name]) for name in ("received_at", "decided_at"))
    yield f"收到 {received}　受理 {decided}　第 {body['sequence']} 步"
    yield f"提交人 {body['submitted_by']}　回执 SHA-256 {receipt.sha256}"
    signed = body["attestation"]
    if signed and "by" in signed:
        yield f"单位负责人 {signed['by']} 已于 {_local(signed['at'])}在系统中确认"
    elif signed:
        yield "经办人准予免予单位负责人确认"
    if receipt.key:
        yield f"签名（Ed25519，密钥 {receipt.key}）{receipt.signature}"


def _local(instant: str) -> str:
    return local_time(datetime.fromisoformat(instant))


def _part(form: Form, values: Any, part: str, beside: Beside) -> dict[str, Any]:
    header = form.header
    named = (
        ("表号", header.table_number),
        ("制定机关", header.issuing_authority),
        ("批准或备案文号", header.approval_number),
        ("有效期限", header.valid_until),
    )
    derived = derived_values(form, values)
    copies = []
    for number, copy in form.copies(values):
        made = derived if number is None else derived[number]
        place = pointer(part) if number is None else pointer(part, "copies", number)
        name = str(copy.get(form.repeats.field, "")) if form.repeats is not None else ""
        copies.append(
            {
                "name": name,
                "next": bool(number),
                "seal": f"{form.repeats.what}名称（盖章）" if form.repeats else "单位（盖章）",
                "sections": [
                    _section(section, {**copy, **made}, place, beside)
                    for section in form.sections
                    if section.when is None or _filled(section, copy)
                ],
                "notes": list(_notes(place, beside)),
            }
        )
    legal = [f"{label}：{item.value}" for label, item in named]
    return {"title": form.title, "legal": legal, "copies": copies}


def _section(
    section: Section, values: Mapping[str, Any], place: str, beside: Beside
) -> dict[str, Any]:
    if section.table is not None:
        rows = values.get(section.id) or []
        return {
            "title": section.title,
            "rows": [],
            "columns": [f"{one.label}{_unit(one)}" for one in section.fields],
            "lines": [[_text(row.get(one.id)) for one in section.fields] for row in rows],
            "marks": list(_marks(f"{place}/{section.id}", beside)),
        }
    return {
        "title": section.title,
        "rows": [
            {
                "label": one.label,
                "value": _text(values.get(one.id)),
                "unit": one.unit,
                "marks": list(_marks(f"{place}/{one.id}", beside)),
            }
            for one in section.fields
        ],
        "columns": [],
        "lines": [],
        "marks": [],
    }


def _filled(section: Section, values: Mapping[str, Any]) -> bool:
    """Whether anything of a section that depends on answers is there."""
    names = [section.id] if section.table is not None else [one.id for one in section.fields]
    return any(values.get(name) is not None for name in names)


def _unit(field: FormField) -> str:
    return f"（{field.unit}）" if field.unit else ""


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "是" if value else "否"
    if isinstance(value, list):
        return "、".join(map(_text, value))
    return str(value)


def _marks(place: str, beside: Beside) -> Iterator[str]:
    """What is said of one value, or of a table's rows: it was let pass by a waiver."""
    for waiver, why in beside.waivers:
        if waiver.pointer == place or waiver.pointer.startswith(f"{place}/"):
            yield f"校验 {waiver.check} 由{beside.authority_name(waiver.authority)}豁免：{why}"


def _notes(place: str, beside: Beside) -> Iterator[str]:
    for one in beside.report.findings:
        if _within(one, place):
            reason = f"　说明：{one.reason}" if one.reason else ""
            waived = f"　已豁免（第 {one.waiver} 号）" if one.waiver is not None else ""
            yield f"{one.message}{reason}{waived}"


def _within(found: FormFinding, place: str) -> bool:
    return found.pointer == place or found.pointer.startswith(f"{place}/")
