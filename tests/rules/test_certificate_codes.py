"""The copied code tables of certificate numbers, beside a second source.

The second source is the list of codes at http://zizhicanmou.com/gdch/110210.html (资质参谋, read on
2026-11-28), which is none of the sources the tables were copied from. It is no official text: the
official table of codes was not found.
"""

import re

from rules.certificates.certificates import current_certificate_rules
from rules.file.catalogue import cached_catalogue
from rules.file.library import SHIPPED

TABLES = current_certificate_rules(SHIPPED).tables

AUTHORITIES = (
    "00国家认监委01北京02天津03河北04山西05内蒙古06辽宁07吉林08黑龙江09上海10江苏11浙江12安徽13福建"
    "14江西15山东16河南17湖北18湖南19广东20广西21海南22重庆23四川24贵州25云南27陕西28甘肃29青海"
    "30宁夏31新疆"
)
FIELDS = (
    "00食品01建筑工程02建材03卫生计生04农林牧渔05机动车安检06公安刑事技术07司法鉴定08机械09电子信息"
    "10轻工11纺织服装12环境与环保13水质14化工15医疗器械16采矿冶金17能源18医学19生物安全20综合"
)
INDUSTRIES = (
    "00教育01工业和信息02公安03司法04国土资源05环保06住房与建设07交通08水利09农业10卫计委11技术监督"
    "12检验检疫13安全生产14食品药品15林业16中科院17粮食18国防科工19海洋20测绘21铁路22机械23化工24石油"
    "25电力26轻工27商贸28建材29供销30分析测试与冶金31有色32节能33军队34其他"
)
OTHERWISE = {"01": "工信", "04": "国土", "06": "住建", "14": "食药"}
"""Industries that our table names in short."""
UNREADABLE = {"authorities": {"26"}, "fields": {"21"}}
"""Codes whose names the second source has garbled (西藏, 其他)."""


def listed(text: str) -> dict[str, str]:
    return dict(re.findall(r"(\d\d)(\D+)", text))


def test_the_codes_of_authorities_are_those_of_the_second_source() -> None:
    second, areas = listed(AUTHORITIES), cached_catalogue(SHIPPED).areas
    assert set(TABLES.authorities) - set(second) == UNREADABLE["authorities"]
    # the certification administration of those years is part of SAMR now
    assert (second.pop("00"), TABLES.authorities["00"]) == ("国家认监委", "samr")
    for code, name in second.items():
        assert areas[TABLES.authorities[code].removeprefix("amr-")].startswith(name), code


def test_the_codes_of_fields_are_those_of_the_second_source() -> None:
    second = listed(FIELDS)
    assert set(TABLES.fields) - set(second) == UNREADABLE["fields"]
    assert {code: TABLES.fields[code] for code in second} == second


def test_the_codes_of_industries_are_those_of_the_second_source() -> None:
    assert TABLES.industries == {**listed(INDUSTRIES), **OTHERWISE}
