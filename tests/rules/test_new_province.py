"""A province that has no rules yet needs a YAML file and nothing else."""

import shutil
from pathlib import Path

import pytest

from rules.check.checks import check_name
from rules.file.library import SHIPPED, RuleLibrary

OVERLAY = """\
id: of-its-own
year: 2024
jurisdiction: "{code}"
extends: 2024/national
title: 某省的规则（生成）
revision: 1
filing:
  windows:
    review:
      from: "2025-01-13"
      to: "2025-03-25"
      cite: {{assume: 为测试而设，没有这样的通知}}
examples:
  - name: 多出的最后一天仍可审核
    at: "2025-03-25T23:59:59+08:00"
    expect: {{inside: [review], outside: [fill]}}
"""


@pytest.mark.parametrize("code", ["110000", "310000", "440000", "460000", "650000", "660000"])
def test_a_province_gets_rules_of_its_own_by_yaml_alone(code: str, tmp_path: Path) -> None:
    folder = tmp_path / "rules"
    shutil.copytree(SHIPPED, folder, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    (folder / "2024" / "province.yaml").write_text(OVERLAY.format(code=code))
    library = RuleLibrary(folder)
    assert check_name(library, "2024/province") == []
    assert library.most_specific(2024, code).id == "of-its-own"
