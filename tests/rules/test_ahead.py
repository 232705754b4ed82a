"""Looking ahead: whom other rules would move, and next year's file with every date open."""

import copy
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from cli.main import app
from deploy.demo.roster import generate_roster
from domain.facts import CertificateFacts, Facts, InstitutionFacts
from files.roster import roster_csv
from rules.check.checks import check_name
from rules.compiled import CompiledRules
from rules.diff import changes
from rules.file.library import SHIPPED, RuleLibrary
from rules.file.next_year import UNCONFIRMED
from rules.impact import ASPECTS, Listed, impact

LIBRARY = RuleLibrary()


def json_of(*arguments: str) -> Any:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def rules(year: int, place: str) -> dict[str, CompiledRules]:
    return {place: CompiledRules(LIBRARY.resolve(year, place).document)}


def test_an_impact_is_what_both_sets_decide_one_by_one() -> None:
    """Institutions that are alike are decided on once: with the same outcome as each by itself."""
    listed = [
        Listed(one.name, one.facts())
        for one in generate_roster(400, 3)
        if one.institution.region.startswith("35")
    ] + [
        Listed("特别", _special(n, scopes))
        for n, scopes in enumerate([(1, 1), (1, 2), (2, 1), (5,), (1,)])
    ]
    before, after = rules(2023, "350000"), rules(2024, "000000")
    found = impact(before, after, listed, LIBRARY.catalogue.areas)
    assert found.total.institutions == len(listed)
    changed = {row.institution: row.changes for row in found.rows}
    for one in listed:
        alone = impact(before, after, [one], LIBRARY.catalogue.areas)
        expected = {row.institution: row.changes for row in alone.rows}
        id_ = one.facts.institution.id
        assert changed.get(id_) == expected.get(id_)
    assert set().union(*changed.values()) <= ASPECTS.keys()
    # Fujian's chain of 2023 and its own windows are another year's
    assert found.by_jurisdiction["350000"].aspects["dates"] == len(listed)
    assert found.by_jurisdiction["350000"].aspects["chain"] > 0
    same = impact(after, after, listed, LIBRARY.catalogue.areas)
    assert (same.total.changed, same.rows) == (0, ())


def _special(number: int, scopes: tuple[int, ...]) -> Facts:
    issuers = ("amr-350000", "amr-440000")
    return Facts(
        institution=InstitutionFacts(id=f"special-{number}", region="350102"),
        certificates=tuple(
            CertificateFacts(
                number=f"24130106{number}{n}45", level="provincial", issuer=issuer,
                scope=scope, valid_to="2029-01-01",
            )
            for n, (issuer, scope) in enumerate(zip(issuers, scopes, strict=False))
        ),
    )  # fmt: skip


def test_the_command_counts_by_province_and_lists_every_institution(tmp_path: Path) -> None:
    roster = tmp_path / "roster.csv"
    listed = generate_roster(60, 5)
    roster.write_bytes(roster_csv(listed))
    table = tmp_path / "moved.csv"
    told = json_of(
        "rules", "impact", "2020/000000", "2024/000000", "--roster", str(roster),
        "--csv", str(table), "--json",
    )  # fmt: skip
    assert told["total"]["institutions"] == len(listed)
    assert sum(one["institutions"] for one in told["by_jurisdiction"].values()) == len(listed)
    lines = table.read_text("utf-8-sig").splitlines()
    assert len(lines) == 1 + len(told["rows"]) == 1 + told["total"]["changed"]
    assert lines[0].startswith("机构编号,名称,区域,填报义务（前）,填报义务（后）")


def test_a_form_is_compared_field_by_field_and_check_by_check() -> None:
    old = LIBRARY.resolve(2024, "000000").document
    new = copy.deepcopy(old)
    # a form of another year for the same part
    form = new["forms"]["statistics-2025"] = new["forms"].pop("statistics-2024")
    new["filing"]["parts"][0]["form"] = "statistics-2025"
    section = next(one for one in form["sections"] if one["fields"])
    field, check = section["fields"][0], form["checks"].pop(0)
    label, field["label"] = field["label"], "改过的名称"
    told = {one.path: one.text for one in changes(old, new)}
    at = f"forms.statistics.sections[{section['id']}].fields[{field['id']}].label"
    assert told.pop(at).endswith(f"名称：由 {label} 改为 改过的名称")
    assert "取消" in told.pop(f"forms.statistics.checks[{check['id']}]")
    assert list(told) == ["filing.parts[statistics].form"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "rules"
    shutil.copytree(SHIPPED, folder, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    return folder


def dated(value: Any) -> Iterator[Any]:
    """What holds a day, in a rule file."""
    below = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    if any(re.match(r"\d{4}-\d\d-\d\d$", one) for one in below if isinstance(one, str)):
        yield value
    for one in below:
        yield from dated(one)


def test_next_years_file_has_every_date_open_until_it_is_confirmed(folder: Path) -> None:
    told = json_of("rules", "new", "2025", "--from", "2024", "--rules", str(folder), "--json")
    file = folder / "2025" / "national.yaml"
    text = file.read_text("utf-8")
    assert told["file"] == str(file)
    old = yaml.safe_load((folder / "2024" / "national.yaml").read_text("utf-8"))
    was, now = (list(dated({**one, "examples": []})) for one in (old, yaml.safe_load(text)))
    assert len(now) == len(was) > 0
    assert all(one["cite"]["assume"].startswith(UNCONFIRMED) for one in now)
    assert "year: 2025" in text
    found = {finding.code for finding in check_name(RuleLibrary(folder), "2025/national")}
    assert found == {"not_confirmed", "other_year"}
    # its form is another year's, which nobody can overlook either; the rest is in order
    confirmed = text.replace(f"assume: {UNCONFIRMED}", "assume: 已与通知的原文核对")
    file.write_text(confirmed.replace("statistics-2024", "statistics-2023"), "utf-8")
    found = {finding.code for finding in check_name(RuleLibrary(folder), "2025/national")}
    assert found == {"other_year"}
