"""Tells what an advisory database said of the packages, and of how many it could say nothing.

    python -m deploy.advisories REPORT.json

The report is pip-audit's, as JSON. Ends with 1 where a package has a known hole.
"""

import json
import sys
from pathlib import Path
from typing import Any


def told(report: dict[str, Any]) -> tuple[list[str], bool]:
    """What there is to say, line by line, and whether no package has a known hole."""
    packages = report["dependencies"]
    unasked = [one["name"] for one in packages if "skip_reason" in one]
    holes = [
        f"{one['name']} {one['version']}: {hole['id']}"
        f" (mended in {', '.join(hole['fix_versions']) or 'no version'})"
        for one in packages
        for hole in one.get("vulns", ())
    ]
    asked = len(packages) - len(unasked)
    lines = [
        *holes,
        f"{asked} of {len(packages)} packages were looked up, {len(holes)} known holes",
    ]
    if unasked:
        lines.append("The others are unknown there, or the database cannot be reached from here.")
    return lines, not holes


if __name__ == "__main__":
    said, fine = told(json.loads(Path(sys.argv[1]).read_text("utf-8")))
    sys.stdout.write("\n".join(said) + "\n")
    sys.exit(0 if fine else 1)
