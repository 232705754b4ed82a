"""`zhibao rules …`: what it prints, as JSON and for people, and how it ends."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml
from click.testing import Result
from typer.testing import CliRunner

from cli.rule_files import saved_again
from cli.rules import app
from rules.file.library import SHIPPED, RuleLibrary

FACTS: dict[str, Any] = {
    "institution": {
        "id": "91350100M0000A1B2C",
        "region": "350102",
        "legal_person": True,
        "under_samr": False,
        "accredited": False,
        "review_group": None,
        "other_qualifications": [],
    },
    "certificates": [
        {
            "number": "241301060345",
            "level": "provincial",
            "issuer": "amr-350000",
            "scope": 120,
            "valid_to": "2029-05-01",
        }
    ],
    "choice": None,
    "previous_reviewer": None,
}


def run(*arguments: str, given: str | None = None) -> Result:
    return CliRunner().invoke(app, list(arguments), input=given)  # type: ignore[return-value]


def answer(*arguments: str, given: str | None = None, code: int = 0) -> Any:
    result = run(*arguments, "--json", given=given)
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)


@pytest.fixture
def facts(tmp_path: Path) -> str:
    path = tmp_path / "facts.json"
    path.write_text(json.dumps(FACTS), "utf-8")
    return str(path)


def test_route_tells_the_obligation_too(tmp_path: Path) -> None:
    bare = tmp_path / "bare.json"
    bare.write_text(json.dumps({**FACTS, "certificates": []}), "utf-8")
    got = answer("route", "2023", "350000", "--facts", str(bare), code=1)
    assert (got["obligation"]["outcome"], got["obligation"]["rule"]) == ("none", None)
    bare.write_text(json.dumps(FACTS), "utf-8")
    got = answer("route", "2023", "350000", "--facts", str(bare))
    assert got["obligation"]["outcome"] == "must"
    assert got["obligation"]["cite"]["document"] == "闽市监认证〔2024〕1号"


@pytest.mark.parametrize(
    ("region", "words"),
    [
        ("430102", "不在 fujian-2023 的辖区"),
        ("359999", "不是现行的区划代码"),
        ("350403", "2021-02-01 之后已撤销，2023-12-31 不再有；请改写为 350404（三元区）"),
    ],
)
def test_route_refuses_a_region_that_the_set_does_not_govern(
    region: str, words: str, tmp_path: Path
) -> None:
    path = tmp_path / "facts.json"
    institution = {**FACTS["institution"], "region": region}
    path.write_text(json.dumps({**FACTS, "institution": institution}), "utf-8")
    result = run("route", "2023", "350000", "--facts", str(path))
    assert result.exit_code == 2
    assert words in result.output


def test_route_says_of_which_certificate_it_does_not_know_the_first_day(tmp_path: Path) -> None:
    path = tmp_path / "facts.json"
    certificate = {
        "number": "251300000001", "level": "provincial", "issuer": "amr-350000", "scope": 10,
        "valid_to": "2029-02-13",
    }  # fmt: skip
    facts = {"institution": {"id": "new", "region": "350102"}, "certificates": [certificate]}
    path.write_text(json.dumps(facts), "utf-8")
    got = answer("route", "2023", "350000", "--facts", str(path))
    assert [note for note in got["notes"] if "251300000001" in note and "valid_from" in note]
    certificate["valid_from"] = "2025-02-14"
    path.write_text(json.dumps(facts), "utf-8")
    told = run("route", "2023", "350000", "--facts", str(path))
    assert told.exit_code == 1
    assert "nobody_applies" in told.output
    assert "valid_from" not in told.output


@pytest.mark.parametrize(
    ("number", "valid_to", "obligation"),
    [
        ("251300000001", "2031-02-13", "none"),
        ("240000000001", "2029-12-31", "none"),
        ("231300000001", "2029-12-30", "must"),
        # six years back from the last day is another year than the number's: it is not known
        ("251300000001", "2029-02-13", "must"),
        ("CNAS-L25", "2031-02-13", "must"),
    ],
)
def test_a_certificate_began_when_its_number_and_its_last_day_agree(
    number: str, valid_to: str, obligation: str
) -> None:
    national = number.startswith("24")
    certificate = {
        "number": number, "scope": 10, "valid_to": valid_to,
        "level": "national" if national else "provincial",
        "issuer": "samr" if national else "amr-350000",
    }  # fmt: skip
    facts = {"institution": {"id": "new", "region": "350102"}, "certificates": [certificate]}
    code = 1 if obligation == "none" else 0
    got = answer("route", "2023", "350000", "--facts", "-", given=json.dumps(facts), code=code)
    assert got["obligation"]["outcome"] == obligation


def test_route_prints_the_documented_json(facts: str, library: RuleLibrary) -> None:
    got = answer("route", "2023", "350000", "--facts", facts)
    resolved = library.resolve(2023, "350000")
    assert got["reviewer"] == "amr-350000"
    assert got["rule"] == "provincial-only"
    assert got["chain"] == ["amr-350102", "amr-350100", "amr-350000"]
    assert got["cite"]["document"] == "闽市监认证〔2024〕1号"
    assert got["ruleset"] == {
        "id": "fujian-2023",
        "revision": resolved.revision,
        "sha256": resolved.sha256,
    }
    assert got["levels"][0]["label"] == "县级初步审核"
    assert got["quality_check"]["by"] == "samr"
    assert {one["verdict"] for one in got["candidates"]} == {"chosen", "eliminated", "not_reached"}
    assert all(set(one) == {"rule", "authority", "verdict", "because"} for one in got["candidates"])


@pytest.mark.parametrize("jurisdiction", ["000000", "national"])
def test_route_reads_standard_input_and_names(jurisdiction: str) -> None:
    got = answer("route", "2024", jurisdiction, "--facts", "-", given=json.dumps(FACTS))
    assert (got["reviewer"], got["chain"]) == ("amr-350000", ["amr-350000"])


def test_route_without_reviewer_ends_with_1_and_an_empty_chain(facts: str) -> None:
    chosen = {**FACTS, "choice": "amr-430000"}
    got = answer("route", "2024", "national", "--facts", "-", given=json.dumps(chosen), code=1)
    assert (got["reviewer"], got["chain"], got["refusal"]) == (None, [], "choice_not_an_issuer")
    assert got["candidates"][0]["verdict"] == "eliminated"
    assert {one["verdict"] for one in got["candidates"][1:]} == {"not_reached"}


def test_route_for_people_says_why_and_why_not(facts: str) -> None:
    result = run("route", "2023", "fujian", "--facts", facts)
    assert result.exit_code == 0
    for words in ("福建省市场监督管理局", "县级初步审核", "[不采用] chosen：机构没有选取审核部门"):
        assert words in result.stdout


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("{", "标准输入:1:2"),
        ("[]", "（整体）"),
        ('{"institution": {"id": "x"}}', "institution.region：缺少这一项"),
        ('{"institution": {"id": "x", "region": "350102"}, "choise": "a"}', "choise"),
        ("[" * 100_000, "嵌套太深"),
        ('{"choice": "\\ud800"}', "代理字符"),
        ('{"choice": "a", "choice": "b"}', "choice 写了两次"),
        ('{"institution": ' + "9" * 5000 + "}", "数字太长"),
    ],
)
def test_bad_facts_are_named(given: str, words: str) -> None:
    result = run("route", "2024", "national", "--facts", "-", given=given)
    assert result.exit_code == 2
    assert words in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("route", "2022", "national"), "没有 2022 年度"),
        (("route", "2024", "nowhere"), "nowhere"),
        (("route", "2023", "national"), "426号"),
    ],
)
def test_unknown_sets_are_wrong_usage(arguments: tuple[str, ...], words: str, facts: str) -> None:
    result = run(*arguments, "--facts", facts)
    assert result.exit_code == 2
    assert words in result.stderr
    assert words in answer(*arguments, "--facts", facts, code=2)["error"]


def test_missing_facts_file_and_folder(tmp_path: Path, facts: str) -> None:
    missing = str(tmp_path / "nothing")
    assert run("route", "2024", "national", "--facts", missing).exit_code == 2
    assert run("check", "--rules", missing).exit_code == 2
    assert run("check", missing).exit_code == 2


def test_check_of_the_shipped_rules_finds_nothing() -> None:
    assert answer("check") == {"ok": True, "findings": []}
    assert run("check", str(SHIPPED / "2024" / "national.yaml")).exit_code == 0


def test_check_prints_file_line_code_and_message(folder: Path) -> None:
    path = folder / "2024" / "national.yaml"
    path.write_text(path.read_text("utf-8").replace("revision: 4", "revison: 4"), "utf-8")
    for arguments in (("--rules", str(folder)), (str(path),), (str(folder),), (str(path.parent),)):
        result = run("check", *arguments)
        assert result.exit_code == 1
        lines = result.stdout.splitlines()
        assert any(f"{path}:8: [unknown_key] 不认识的键 revison" in line for line in lines), lines
    found = answer("check", str(path), code=1)["findings"]
    assert {one["code"] for one in found} == {"unknown_key", "missing_key"}


def test_check_of_catalogue_and_forms(folder: Path) -> None:
    assert run("check", str(folder / "authorities.yaml"), str(folder / "forms")).exit_code == 0
    (folder / "authorities.yaml").write_text("fixed: {samr: 总局}\n", "utf-8")
    (folder / "forms" / "statistics-2024.yaml").write_text("id: x\n", "utf-8")
    result = run("check", str(folder / "authorities.yaml"), str(folder / "forms"))
    assert result.exit_code == 1
    assert "authorities.yaml:1: [missing_key]" in result.stdout
    assert "statistics-2024.yaml:1: [bad_form]" in result.stdout


def test_check_of_a_file_that_lies_elsewhere(tmp_path: Path) -> None:
    path = tmp_path / "trial.yaml"
    text = (SHIPPED / "2023" / "fujian.yaml").read_text("utf-8")
    path.write_text(text, "utf-8")
    assert run("check", str(path)).exit_code == 0
    path.write_text(text.replace("when: choice != ''", "when: chioce != ''"), "utf-8")
    result = run("check", str(path))
    assert result.exit_code == 1
    assert f"{path}:" in result.stdout
    assert "[unknown_fact]" in result.stdout


def test_rules_folder_from_the_environment(folder: Path, facts: str) -> None:
    path = folder / "2024" / "national.yaml"
    path.write_text(path.read_text("utf-8").replace("revision: 4", "revision: 7"), "utf-8")
    runner = CliRunner(env={"ZHIBAO_RULES": str(folder)})
    result = runner.invoke(app, ["route", "2024", "national", "--facts", facts, "--json"])
    assert json.loads(result.stdout)["ruleset"]["revision"] == 7


def test_show_gives_every_value_its_place(library: RuleLibrary) -> None:
    got = answer("show", "2023", "fujian")
    assert got["ruleset"]["sha256"] == library.resolve(2023, "350000").sha256
    assert got["document"] == library.resolve(2023, "350000").document
    shown = run("show", "2023", "350000").stdout
    assert "filing.windows.fill.to = 2024-02-29" in shown
    assert "2023/fujian.yaml:" in shown
    assert "2023/national.yaml:" in shown
    assert "推定" in shown
    assert "report_numbers.window.due_months = 1  [" in shown
    assert "依据 闽市监认证〔2024〕1号 三（二）1（推定：“每季度的第一个月内”" in shown
    # an answer rests on several clauses: all are told
    (says,) = [
        one for one in got["provenance"] if one["path"] == "report_numbers.answers.not_found.says"
    ]
    assert (len(says["cites"]), says["cites"][0]) == (2, says["cite"])


def test_diff_says_what_changed_in_words() -> None:
    shown = run("diff", "2020/national", "2024/000000").stdout
    assert "窗口 · 填报 · 最后一天：由 2021-01-31 改为 2025-03-21" in shown
    assert "（previous）：取消" in shown
    changes = answer("diff", "2020/national", "2024/national")["changes"]
    paths = {change["path"] for change in changes}
    assert "filing.windows.fill.to" in paths
    assert "filing.reviewers[previous]" in paths
    assert not any(path.startswith("names") for path in paths)


def test_diff_takes_files_and_sees_moved_rules(folder: Path) -> None:
    path = folder / "2024" / "national.yaml"
    original = SHIPPED / "2024" / "national.yaml"
    assert run("diff", str(original), str(path)).stdout == "没有差别\n"
    data = yaml.safe_load(path.read_text("utf-8"))
    rules = data["filing"]["reviewers"]
    rules[2], rules[3] = rules[3], rules[2]
    path.write_text(yaml.safe_dump(data, allow_unicode=True, sort_keys=False), "utf-8")
    (change,) = answer("diff", "2024/national", str(path))["changes"]
    assert change["kind"] == "moved"
    assert run("diff", "nonsense", "2024/national").exit_code == 2


def test_schema_accepts_the_shipped_files_and_lists_the_facts() -> None:
    schema = answer("schema")
    validator = jsonschema.Draft202012Validator(schema)
    for path in sorted(SHIPPED.glob("[0-9]*/*.yaml")):
        data = yaml.safe_load(path.read_text("utf-8"))
        assert list(validator.iter_errors(data)) == [], path
        assert list(validator.iter_errors({**data, "revison": 1}))
    names = {fact["name"] for fact in schema["x-facts"]["conditions"]}
    assert {"choice", "widest", "issuers", "previous_reviewer", "chosen"} <= names
    assert {"latest_closed_year", "completed_years", "known_institution"} <= names


def test_schema_knows_the_section_on_report_numbers() -> None:
    validator = jsonschema.Draft202012Validator(answer("schema"))
    for name in ("2020/national", "2023/hunan"):
        data = yaml.safe_load((SHIPPED / f"{name}.yaml").read_text("utf-8"))
        numbers = data["report_numbers"]
        assert list(validator.iter_errors({**data, "report_numbers": {**numbers, "dues": 1}}))
        numbers["complaints"][0]["before"] = "platform"
        assert bool(list(validator.iter_errors(data))) is ("extends" not in data)


def test_consequences_and_deadline_print_the_documented_json(tmp_path: Path) -> None:
    path = tmp_path / "facts.json"
    filing = {"status": "lapsed", "obligation": "must", "due": "2021-02-01T00:00:00+08:00"}
    institution = {"id": "demo", "region": "350102"}
    path.write_text(json.dumps({"institution": institution, "filing": filing, "findings": []}))
    asked = ("consequences", "2020", "national", "--facts", str(path), "--at")
    got = answer(*asked, "2021-02-01T00:00:00+08:00")
    assert got["proposals"][0]["measure"] == "warning"
    assert set(got["proposals"][0]) >= {"measure", "kind", "rule", "cite"}
    assert got["at"] == "2021-02-01T00:00:00+08:00"
    assert answer(*asked, "2021-01-31T23:59:59+08:00")["proposals"] == []
    term = ("deadline", "2020", "national", "--duty", "warning.service", "--from")
    counted = answer(*term, "2021-09-29T09:00:00+08:00")
    assert counted["due"] == "2021-10-15T00:00:00+08:00"
    assert counted["counted"][:3] == ["2021-09-30", "2021-10-08", "2021-10-09"]
    assert counted["cite"]["clause"] == "第六十一条、第八十五条"


@pytest.mark.parametrize(
    ("filing", "says"),
    [
        ({"status": "draft", "due": "2021-02-01T00:00:00"}, "filing.due：时刻要带时区"),
        ({"status": "draft", "due": "2021-02-30T00:00:00+08:00"}, "filing.due：不是时刻"),
        ({"status": "completed"}, "submitted_at"),
        ({"status": "finished"}, "filing.status：只能是"),
        ({}, "filing.status：缺少这一项"),
        ({"status": "draft", "revenue": 1}, "filing.revenue：不认识这一项"),
    ],
)
def test_facts_that_cannot_be_are_told_by_their_place(
    tmp_path: Path, filing: dict[str, str], says: str
) -> None:
    path = tmp_path / "facts.json"
    institution = {"id": "demo", "region": "350102"}
    path.write_text(json.dumps({"institution": institution, "filing": filing}))
    done = run("consequences", "2020", "national", "--facts", str(path))
    assert (done.exit_code, says in done.stderr) == (2, True), done.stderr


@pytest.mark.parametrize("at", ["yesterday", "2021-02-01T00:00:00"])
def test_an_instant_needs_its_zone(tmp_path: Path, at: str) -> None:
    path = tmp_path / "facts.json"
    path.write_text("{}")
    done = run("consequences", "2020", "national", "--facts", str(path), "--at", at)
    assert done.exit_code == 2
    assert "--at" in done.stderr


STANDING = """\
id: jiangsu-standing
jurisdiction: "320000"
extends: national
in_force:
  from: "2022-01-20"
  cite: {assume: 生成的例子，没有这样的通知}
title: 江苏省检验检测服务业统计工作管理办法（生成的例子）
revision: 1
duties:
  - id: answer
    label: 收到退回通知后改好
    who: [institution]
    term: {event: 收到退回通知, working_days: 5}
    cite: {assume: 生成的例子，没有这样的通知}
examples:
  - name: 开放
    at: "2025-01-13T00:00:00+08:00"
    expect: {inside: [fill]}
"""


def test_a_duty_that_runs_from_an_event_is_counted_across_october(folder: Path) -> None:
    (folder / "standing").mkdir()
    path = folder / "standing" / "jiangsu.yaml"
    path.write_text(STANDING, "utf-8")
    since = ("--duty", "answer", "--from", "2025-09-26T10:00:00+08:00")
    told = answer("deadline", "2024", "jiangsu", *since, "--rules", str(folder))
    assert told["due"] == "2025-10-11T00:00:00+08:00"
    assert told["counted"][0] == "2025-09-28"
    assert len(told["counted"]) == 5


def test_a_certificate_of_another_day_counts_when_asked(facts: str) -> None:
    late = run("route", "2024", "national", "--facts", facts, "--on", "2099-01-01")
    assert late.exit_code == 1
    assert "不在统计范围" in late.stdout
    assert run("route", "2024", "national", "--facts", facts, "--on", "Monday").exit_code == 2


def test_watching_looks_until_a_file_is_saved_again(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text("id: a\n")
    before = saved_again([path])
    assert saved_again([path]) == before
    path.write_text("id: another\n")
    assert saved_again([path], before) != before


def test_watching_goes_on_while_an_editor_has_moved_the_file_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each look is one of an editor's steps: saved wrongly, moved away, there again, the end."""
    folder = tmp_path / "rules"
    shutil.copytree(SHIPPED, folder, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    path = folder / "2024" / "national.yaml"
    good = path.read_bytes()
    saved: Iterator[bytes | None] = iter([b"id: [broken\n\xff", None, good])

    def next_step(paths: list[Path], seen: object = None) -> object:
        if seen is None:
            return "before"
        try:
            content = next(saved)
        except StopIteration:
            raise KeyboardInterrupt from None
        if content is None:
            path.unlink()
        else:
            path.write_bytes(content)
        return "after"

    monkeypatch.setattr("cli.rule_files.saved_again", next_step)
    told = run("check", str(path), "--watch", "--rules", str(folder))
    assert told.exit_code == 0, told.output
    said = [line.split("；")[0] for line in told.stdout.splitlines() if "等待保存" in line]
    assert said == ["没有发现问题", "1 个问题", "没有发现问题"]
