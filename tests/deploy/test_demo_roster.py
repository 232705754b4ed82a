"""The demo roster: generated, deterministic, plausible, and readable as a roster file."""

from collections import Counter
from datetime import date
from pathlib import Path

import pytest
import yaml
from stdnum.cn import uscc

from deploy.demo import roster as demo
from deploy.demo.roster import AS_OF, generate_roster
from files.roster import read_roster, roster_csv

ROOT = Path(__file__).resolve().parents[2]
ROSTER = generate_roster(4000, seed=7)


def test_what_is_written_is_read_back_without_errors(tmp_path: Path) -> None:
    path = tmp_path / "roster.csv"
    path.write_bytes(roster_csv(ROSTER))
    reading = read_roster(path, path.name)
    assert reading.problems == ()
    assert list(reading.institutions) == ROSTER
    assert reading.rows == sum(max(1, len(entry.certificates)) for entry in ROSTER)


def test_the_same_seed_gives_the_same_roster_and_another_seed_another() -> None:
    assert generate_roster(200, seed=1) == generate_roster(200, seed=1)
    assert generate_roster(200, seed=1) != generate_roster(200, seed=2)


def test_every_name_says_that_it_is_generated() -> None:
    for entry in ROSTER:
        assert "演示" in entry.name
        assert "（生成）" in entry.name
        assert all("（生成）" in centre for centre in entry.institution.national_centres)
    assert len({entry.name for entry in ROSTER}) == len(ROSTER)
    assert len({entry.id for entry in ROSTER}) == len(ROSTER)


def test_provinces_follow_their_weights() -> None:
    provinces = yaml.safe_load((ROOT / "deploy/demo/regions.yaml").read_text("utf-8"))
    total = sum(province["weight"] for province in provinces)
    counted = Counter(entry.institution.region[:2] for entry in ROSTER)
    assert len(counted) == 31
    for province in provinces:
        share = counted[province["province"][:2]] / len(ROSTER)
        assert share == pytest.approx(province["weight"] / total, abs=0.015)


def test_certificate_numbers_are_well_formed_unique_and_agree_with_their_issuer() -> None:
    provinces = yaml.safe_load((ROOT / "deploy/demo/regions.yaml").read_text("utf-8"))
    authority = {"amr-" + p["province"]: p["authority"] for p in provinces} | {"samr": "00"}
    numbers = [cert.number for entry in ROSTER for cert in entry.certificates]
    assert len(set(numbers)) == len(numbers)
    for entry in ROSTER:
        for cert in entry.certificates:
            assert len(cert.number) == 12
            assert cert.number.isdigit()
            assert cert.number[2:4] == authority[cert.issuer]
            assert (cert.level == "national") == (cert.issuer == "samr")
            assert cert.valid_to > AS_OF
            assert cert.valid_to.year - 2000 - int(cert.number[:2]) in (5, 6)


def test_usccs_are_valid_and_shared_only_with_an_account_without_legal_personality() -> None:
    assert all(entry.uscc is not None and uscc.is_valid(entry.uscc) for entry in ROSTER)
    legal = [entry.uscc for entry in ROSTER if entry.institution.legal_person]
    assert len(set(legal)) == len(legal)
    shared = [entry for entry in ROSTER if not entry.institution.legal_person]
    assert shared
    assert all(entry.uscc in set(legal) for entry in shared)


@pytest.mark.parametrize("count", [40, 4000])
def test_every_special_case_is_present(count: int) -> None:
    roster = generate_roster(count, seed=3)
    dual = [e for e in roster if len({c.level for c in e.certificates}) == 2]
    assert dual
    assert any(e.institution.under_samr for e in roster)
    assert any(e.institution.national_centres for e in roster)
    assert any(e.institution.other_qualifications and not e.certificates for e in roster)
    if count > 1000:
        assert any(e.institution.review_group for e in dual)
        assert any(e.institution.accredited and not e.institution.review_group for e in dual)
        assert any(e.certificates[0].scope == e.certificates[1].scope for e in dual)
        assert {e.previous_reviewer for e in roster} >= {None, "samr", "amr-440000"}


def test_counties_and_review_groups_are_known_to_the_rules() -> None:
    names = yaml.safe_load((ROOT / "rules/jurisdictions.yaml").read_text("utf-8"))["names"]
    authorities = yaml.safe_load((ROOT / "rules/authorities.yaml").read_text("utf-8"))
    groups = {f"group-{industry}" for industry in authorities["groups"]["industries"]}
    assert {entry.institution.region for entry in ROSTER} <= set(names)
    assert {e.institution.review_group for e in ROSTER} - {None} <= groups


def test_the_organisation_code_has_the_check_character_of_gb_11714() -> None:
    # 73963812-5 is the organisation part of the real 91620102739638125B.
    assert demo._organisation_check("73963812") == "5"


def test_another_day_moves_the_certificates_along() -> None:
    day = date(2028, 2, 29)
    roster = generate_roster(300, seed=5, as_of=day)
    assert all(day < cert.valid_to for entry in roster for cert in entry.certificates)


@pytest.mark.parametrize("count", [-1, 100_001])
def test_a_count_out_of_bounds_is_refused(count: int) -> None:
    with pytest.raises(ValueError, match="数量应在"):
        generate_roster(count, seed=1)


def test_small_rosters_are_possible() -> None:
    assert generate_roster(0, seed=1) == []
    assert len(generate_roster(3, seed=1)) == 3
