"""Generated files of certificates for tests: rows with names of columns, as CSV or XLSX."""

import csv
import io
from collections.abc import Sequence
from typing import Any

import openpyxl

from files.certificate_import import COLUMNS, LABELS

CSV = "text/csv"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
IDS = [column.id for column in COLUMNS]


def row(place: int = 1, /, **changed: Any) -> dict[str, Any]:
    """A good row of a certificate that has been decided on and is to be given a number."""
    return {
        "institution": f"lab-{place:05d}",
        "holder": f"测试检测机构 {place}（生成）",
        "uscc": "91620102739638125B",
        "address": f"福州市鼓楼区测试路{place}号",
        "region": "350102",
        "legal_person": "是",
        "level": "省级",
        "field": "建筑工程",
        "industry": "06",
        "approved_on": "2025-03-01",
        "document": f"闽测许〔2025〕{place}号（生成）",
        "approver": "测试批准人（生成）",
        "category": "混凝土",
        "item": "抗压强度",
        "standard": "GB/T 50081",
        "year": "2019",
        "signatories": "测试甲（建筑工程）；测试乙",
        "equipment": "万能试验机（WE-1000）",
        **changed,
    }


def cells(*rows: dict[str, Any]) -> list[list[Any]]:
    """The header and the rows, in the order of the template."""
    return [
        [LABELS[id_] for id_ in IDS],
        *([one.get(id_, "") for id_ in IDS] for one in rows),
    ]


def table(*rows: dict[str, Any], encoding: str = "utf-8") -> bytes:
    """A CSV file."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(cells(*rows))
    return text.getvalue().encode(encoding)


def workbook(*rows: dict[str, Any]) -> bytes:
    """An XLSX file."""
    return book(cells(*rows))


def book(lines: Sequence[Sequence[Any]]) -> bytes:
    """An XLSX file of these cells."""
    made = openpyxl.Workbook()
    assert made.active is not None
    for line in lines:
        made.active.append(list(line))
    out = io.BytesIO()
    made.save(out)
    return out.getvalue()


def five_thousand(count: int = 5_000) -> tuple[bytes, set[tuple[int, str, str]]]:
    """A file with 37 bad certificates, and what is wrong: row in the file, column, code.

    Number ``241301069999`` has to be on record for another institution.
    """
    spoils: list[tuple[dict[str, Any], str, str]] = [
        ({"institution": ""}, "机构编号", "required"),
        ({"institution": "没有"}, "机构编号", "bad_code"),
        ({"holder": ""}, "机构名称", "required"),
        ({"holder": "名" * 201}, "机构名称", "too_long"),
        ({"holder": "=1+1"}, "机构名称", "bad_characters"),
        ({"uscc": "91620102739638125X"}, "统一社会信用代码", "bad_uscc"),
        ({"uscc": "123"}, "统一社会信用代码", "bad_code"),
        ({"parent_uscc": "91620102739638125X"}, "上级单位统一社会信用代码", "bad_uscc"),
        ({"address": ""}, "地址", "required"),
        ({"address": "路\x07"}, "地址", "bad_characters"),
        ({"issuer": "amr-440000"}, "发证机关", "other_authority"),
        ({"level": "国家级"}, "级别", "wrong_level"),
        ({"level": "市级"}, "级别", "bad_level"),
        ({"field": "99"}, "专业领域", "unknown_field"),
        ({"field": "建筑"}, "专业领域", "unknown_field"),
        ({"industry": "99"}, "行业", "unknown_industry"),
        ({"industry": ""}, "行业", "required"),
        ({"approved_on": "2099-01-01"}, "审批日期", "decision_impossible"),
        ({"approved_on": "2025-02-30"}, "审批日期", "bad_date"),
        ({"approved_on": "去年"}, "审批日期", "bad_date"),
        ({"document": ""}, "审批文书号", "decision_half_filled"),
        ({"approver": ""}, "批准人", "decision_half_filled"),
        ({"valid_to": "2031-02-28"}, "有效期止", "decision_impossible"),
        ({"number": "２４１３０１０６９９９８"}, "证书编号", "bad_code"),
        ({"number": "241301069999"}, "证书编号", "number_taken"),
        ({"renews": "241301060777"}, "延续的原证书编号", "unknown_certificate"),
        ({"category": ""}, "类别", "required"),
        ({"item": ""}, "产品或参数", "required"),
        ({"standard": ""}, "标准", "required"),
        ({"year": "19"}, "标准年份", "bad_year"),
        ({"signatories": "甲、乙"}, "授权签字人", "bad_separator"),
        ({"region": "999999"}, "监管区域代码", "unknown_region"),
        ({"region": "440106"}, "监管区域代码", "outside_jurisdiction"),
        ({"legal_person": "也许"}, "是否法人", "bad_flag"),
        ({"region": ""}, "机构编号", "unknown_institution"),
        ({"number": "241301068888"}, "证书编号", "duplicate_number"),
        ({"number": "241301068888"}, "证书编号", "duplicate_number"),
    ]
    assert len(spoils) == 37
    rows = [row(number) for number in range(1, count + 1)]
    expected = set()
    for number, (spoil, column, code) in enumerate(spoils):
        place = (number + 1) * (count // 38) - 1
        rows[place] |= spoil
        expected.add((place + 2, column, code))
    return table(*rows), expected
