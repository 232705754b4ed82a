"""The ``zhibao`` of this checkout, wherever it is run from."""

import os
import shlex
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ZHIBAO = (sys.executable, "-P", "-m", "cli.main")
IN_A_SHELL = f"PYTHONPATH={shlex.quote(str(ROOT))} {shlex.join(ZHIBAO)}"


def environment(**more: str) -> dict[str, str]:
    """The environment in which `ZHIBAO` is this checkout's."""
    return {**os.environ, "PYTHONPATH": str(ROOT), **more}
