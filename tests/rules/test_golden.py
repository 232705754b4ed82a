"""The resolved sets as committed: a change of law shows as a reviewable difference."""

import json
from pathlib import Path

import pytest

from domain.canonical import canonical_json, sha256_of
from rules.certificates.certificates import CertificateRules, resolve_certificates
from rules.compiled import CompiledRules
from rules.file.library import RuleLibrary

GOLDEN = Path(__file__).parent / "golden"
_NAMES = RuleLibrary().names
_CERTIFICATES = RuleLibrary().certificate_names


@pytest.mark.parametrize("name", _NAMES)
def test_resolved_set_is_the_committed_one(name: str, library: RuleLibrary) -> None:
    resolved = library.resolve_name(name)
    golden = json.loads((GOLDEN / f"{name.replace('/', '-')}.json").read_text("utf-8"))
    assert resolved.document == golden


@pytest.mark.parametrize("name", _NAMES)
def test_sha256_is_that_of_the_stored_document(name: str, library: RuleLibrary) -> None:
    resolved = library.resolve_name(name)
    stored = json.loads(canonical_json(resolved.document))
    assert CompiledRules(stored).ref == resolved.ref()
    assert resolved.sha256 == sha256_of(stored)


def test_no_golden_set_is_left_over() -> None:
    assert sorted(path.stem for path in GOLDEN.glob("*.json")) == sorted(
        name.replace("/", "-") for name in (*_NAMES, *_CERTIFICATES)
    )


@pytest.mark.parametrize("name", _CERTIFICATES)
def test_certificates_rules_are_the_committed_ones(name: str, library: RuleLibrary) -> None:
    resolved = resolve_certificates(library, int(name[:4]))
    golden = json.loads((GOLDEN / f"{name.replace('/', '-')}.json").read_text("utf-8"))
    assert resolved.document == golden
    assert CertificateRules(golden).ref == resolved.ref()
    assert resolved.sha256 == sha256_of(golden)


def test_an_example_changes_no_sha256(library: RuleLibrary, folder: Path) -> None:
    path = folder / "2024" / "national.yaml"
    path.write_text(
        path.read_text("utf-8").replace("关窗当日最后一秒", "最后一天最后一秒"), "utf-8"
    )
    changed = RuleLibrary(folder).resolve(2024, "000000")
    assert changed.sha256 == library.resolve(2024, "000000").sha256
