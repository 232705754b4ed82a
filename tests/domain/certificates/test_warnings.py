"""What is to be looked at before a certificate is issued: each warning, and where it is none."""

from datetime import date
from typing import Any

import pytest

from domain.certificates.certificate import CertificateContent, CertificateStatus
from domain.certificates.warnings import (
    HolderFacts,
    InRegister,
    certificate_warnings,
    register_warnings,
)
from rules.certificates.certificates import current_certificate_rules
from rules.file.library import SHIPPED
from tests.certificates import content

TABLES = current_certificate_rules(SHIPPED).tables
TODAY = date(2025, 6, 1)
NAME = "测试检测机构 lab（生成）"


def held(number: str = "251301060007", **changed: Any) -> InRegister:
    values: dict[str, Any] = {
        "number": number,
        "code": "C1",
        "case_id": "certificate/one",
        "field": "01",
        "industry": "06",
        "status": "valid",
        "valid_from": date(2025, 1, 1),
        "valid_to": date(2030, 12, 31),
        **changed,
    }
    return InRegister(**values)


def codes(*certificates: InRegister, name: str = NAME, region: str = "350102", **more: Any) -> Any:
    applied = CertificateContent.model_validate(content(**more.pop("content", {})))
    facts = HolderFacts(name=name, region=region, certificates=certificates)
    warned = certificate_warnings(applied, facts, TABLES, TODAY, **more)
    assert all(one.message and one.mend for one in warned)
    return [one.code for one in warned]


def test_nothing_is_to_be_looked_at_where_the_register_agrees() -> None:
    assert codes() == []


def test_a_holder_whose_name_differs_is_told_and_a_way_of_writing_is_no_difference() -> None:
    assert codes(name="测试检测机构（旧名）") == ["holder_differs"]
    assert codes(name="测试检测机构  lab(生成)") == []
    # one that is not on record has no name yet
    assert codes(name="") == []


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({}, True),
        ({"valid_to": TODAY}, True),
        ({"valid_to": date(2025, 5, 31)}, False),
        ({"valid_from": date(2025, 7, 1)}, True),
        ({"status": "revoked"}, False),
        ({"status": "superseded"}, False),
        ({"field": "02"}, False),
        ({"industry": "07"}, False),
        # a roster's: the number says it
        ({"field": "", "industry": ""}, True),
        ({"field": "", "industry": "", "number": "251302060007"}, False),
        ({"field": "", "industry": "", "number": "闽质检字1号"}, False),
    ],
)
def test_a_second_certificate_in_force_of_the_same_scope_is_told(
    changed: dict[str, Any], told: bool
) -> None:
    assert codes(held(**changed)) == (["second_certificate"] if told else [])


def test_a_certificates_own_entry_and_what_it_replaces_are_no_second_certificate() -> None:
    one = held()
    assert codes(one, case_id="certificate/one") == []
    assert codes(one, case_id="certificate/other") == ["second_certificate"]
    assert codes(one, replaces=["C1"]) == []
    assert codes(one, replaces=["251301060007"]) == []
    # an empty code is no name of any
    assert codes(held(code="", case_id="")) == ["second_certificate"]


def test_an_institution_of_another_province_is_told_and_the_nations_regulator_has_all() -> None:
    assert codes(region="430102") == ["other_province"]
    assert codes(region="350000") == []
    national = {"issuer": "samr", "level": "national"}
    assert codes(region="430102", content=national) == []


def test_an_entry_of_the_register_tells_which_certificates_in_force_name_it_otherwise() -> None:
    valid, ended = CertificateStatus.VALID, CertificateStatus.REVOKED
    told = register_warnings(
        "旧名检测中心",
        [
            ("1", "新名检测中心", valid),
            ("2", "旧名检测中心", valid),
            ("3", "更早的名称", ended),
            ("4", "", valid),
        ],
    )
    assert [(one.code, "证书 1 " in one.message) for one in told] == [("holder_differs", True)]
    assert "更正名录" in told[0].mend
