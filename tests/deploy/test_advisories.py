"""What an advisory database said: a hole fails, and nothing said is no all-clear."""

from deploy.advisories import told

HOLE = {"id": "PYSEC-1", "fix_versions": ["2.0"]}


def test_a_known_hole_is_named_with_where_it_is_mended() -> None:
    lines, fine = told({"dependencies": [
        {"name": "one", "version": "1.0", "vulns": [HOLE]},
        {"name": "two", "version": "1.0", "vulns": []},
    ]})  # fmt: skip
    assert not fine
    assert lines[0] == "one 1.0: PYSEC-1 (mended in 2.0)"
    assert lines[1:] == ["2 of 2 packages were looked up, 1 known holes"]


def test_packages_that_could_not_be_asked_about_are_counted() -> None:
    lines, fine = told({"dependencies": [{"name": "one", "skip_reason": "not found"}]})
    assert fine
    assert lines[0] == "0 of 1 packages were looked up, 0 known holes"
    assert "cannot be reached" in lines[1]
