"""Keeps what a long run saw, for the page on reliability: see `bench.reliability`."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from domain.clock import day_of


def keep(name: str, figures: dict[str, Any]) -> None:
    """Prints figures and, where ``FIGURES`` names a folder, writes them there."""
    print(name, json.dumps(figures, ensure_ascii=False))
    if folder := os.environ.get("FIGURES"):
        text = json.dumps({"day": f"{day_of(datetime.now(UTC))}", **figures}, indent=1)
        (Path(folder) / f"{name}.json").write_text(f"{text}\n")
